//! Log sources by number: what rules name, and everything else as one.
//!
//! Not the routing itself. Invariant: two events with the same key are routed alike, so that a sender of ever new
//! log sources makes no new keys.
#![deny(clippy::indexing_slicing)]

use std::collections::HashMap;

use sitewarden_core::LogSource;

use super::hash::{Build, folded};

/// Product, category and service of an event by number: 0 is none, 1 is one that no rule names.
pub(crate) type SourceKey = [u32; 3];

/// The key as one number; there are at most as many names as rules, far below 2^21.
pub(crate) const fn packed([product, category, service]: SourceKey) -> u64 {
    (product as u64) << 42 | (category as u64) << 21 | service as u64
}

/// What the rules name, by dimension.
#[derive(Debug, Default)]
pub(crate) struct Sources {
    names: [Dimension; 3],
}

#[derive(Debug, Default)]
struct Dimension {
    by_hash: HashMap<u64, Vec<u32>, Build>,
    texts: Vec<Box<str>>,
}

impl Dimension {
    fn find(&self, text: &str) -> Option<u32> {
        let found = self.by_hash.get(&folded(text.as_bytes()))?;
        found
            .iter()
            .copied()
            .find(|id| self.texts.get(*id as usize).is_some_and(|known| known.eq_ignore_ascii_case(text)))
    }
}

impl Sources {
    /// Takes in what a rule names.
    pub(crate) fn add(&mut self, source: &LogSource) {
        let parts = [&source.product, &source.category, &source.service];
        for (dimension, text) in self.names.iter_mut().zip(parts) {
            if let Some(text) = text.as_ref().filter(|text| dimension.find(text).is_none()) {
                let id = u32::try_from(dimension.texts.len()).unwrap_or(u32::MAX);
                dimension.texts.push(Box::from(&**text));
                dimension.by_hash.entry(folded(text.as_bytes())).or_default().push(id);
            }
        }
    }

    /// The number of a part; `dimension` is 0 for product, 1 for category, 2 for service.
    pub(crate) fn part(&self, dimension: usize, text: Option<&str>) -> u32 {
        let Some(text) = text else { return 0 };
        self.names.get(dimension).and_then(|names| names.find(text)).map_or(1, |id| id.saturating_add(2))
    }

    /// The key of a log source.
    pub(crate) fn key(&self, source: &LogSource) -> SourceKey {
        [
            self.part(0, source.product.as_deref()),
            self.part(1, source.category.as_deref()),
            self.part(2, source.service.as_deref()),
        ]
    }
}

/// Whether events with that key concern rules of the other: no part on which both say something else.
pub(crate) fn agree(rule: SourceKey, event: SourceKey) -> bool {
    rule.into_iter().zip(event).all(|(rule, event)| rule == 0 || event == 0 || rule == event)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The same by name.
    fn by_name(rule: &LogSource, event: &LogSource) -> bool {
        let parts = [
            (&rule.product, &event.product),
            (&rule.category, &event.category),
            (&rule.service, &event.service),
        ];
        parts.into_iter().all(|parts| match parts {
            (Some(rule), Some(event)) => rule.eq_ignore_ascii_case(event),
            _ => true,
        })
    }

    #[test]
    fn routing_by_key_is_routing_by_name() {
        let source = |product: &str, category: Option<&str>| LogSource {
            product: Some(product.into()),
            category: category.map(Into::into),
            service: None,
        };
        let rules = [source("windows", None), source("Linux", Some("auth")), LogSource::default()];
        let mut sources = Sources::default();
        rules.iter().for_each(|rule| sources.add(rule));
        for event in [source("WINDOWS", None), source("linux", Some("x")), source("other", Some("auth"))] {
            for rule in &rules {
                let agrees = agree(sources.key(rule), sources.key(&event));
                assert_eq!(agrees, by_name(rule, &event), "{rule:?} {event:?}");
            }
        }
        assert_eq!(sources.key(&source("a", None)), sources.key(&source("b", None)));
    }
}
