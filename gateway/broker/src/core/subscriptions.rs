//! The subscriptions of one session: a short list for the many that have a few, a tree for the few that have many.
//!
//! Not the routing. Invariant: each filter stands once.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::rare::Rare;
use crate::state::SubscriptionOptions;

/// Filters that are looked through one by one.
const FEW: usize = 8;

/// Filters with their options.
#[derive(Debug, Default)]
pub(crate) struct Subscriptions {
    few: Vec<(Arc<str>, SubscriptionOptions)>,
    /// Empty while `few` has room.
    many: Rare<BTreeMap<Arc<str>, SubscriptionOptions>>,
}

impl Subscriptions {
    pub(crate) fn len(&self) -> usize {
        self.few.len() + self.many.len()
    }

    pub(crate) fn contains(&self, filter: &str) -> bool {
        self.few.iter().any(|(known, _)| **known == *filter) || self.many.contains_key(filter)
    }

    /// Sets the options of a filter.
    pub(crate) fn insert(&mut self, filter: Arc<str>, options: SubscriptionOptions) {
        if let Some((_, known)) = self.few.iter_mut().find(|(known, _)| *known == filter) {
            *known = options;
        } else if self.few.len() < FEW && !self.many.contains_key(&filter) {
            self.few.reserve_exact(1);
            self.few.push((filter, options));
        } else {
            self.many.insert(filter, options);
        }
    }

    /// Removes a filter. Whether it was there.
    pub(crate) fn remove(&mut self, filter: &str) -> bool {
        if let Some(place) = self.few.iter().position(|(known, _)| **known == *filter) {
            self.few.swap_remove(place);
            self.few.shrink_to_fit();
            return true;
        }
        let found = !self.many.is_empty() && self.many.remove(filter).is_some();
        if self.many.is_empty() {
            self.many.clear();
        }
        found
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Arc<str>, &SubscriptionOptions)> {
        self.few.iter().map(|(filter, options)| (filter, options)).chain(self.many.iter())
    }

    pub(crate) fn filters(&self) -> impl Iterator<Item = &Arc<str>> {
        self.iter().map(|(filter, _)| filter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::QoS;

    #[test]
    fn many_are_found_changed_and_removed_as_few_are() {
        let mut all = Subscriptions::default();
        let filters: Vec<Arc<str>> = (0..3 * FEW).map(|number| format!("a/{number}").into()).collect();
        for qos in [QoS::AtMostOnce, QoS::ExactlyOnce] {
            for filter in &filters {
                all.insert(filter.clone(), SubscriptionOptions { qos, ..SubscriptionOptions::default() });
            }
        }
        assert_eq!((all.len(), all.filters().count()), (filters.len(), filters.len()));
        assert!(all.iter().all(|(_, options)| options.qos == QoS::ExactlyOnce));
        assert!(!all.remove("a/x") && !all.contains("a/x"));
        // Those in front go first: what stands in the tree must still be found.
        for filter in &filters {
            assert!(
                all.contains(filter) && all.remove(filter) && !all.contains(filter) && !all.remove(filter)
            );
        }
        assert_eq!((all.len(), all.few.capacity()), (0, 0));
    }
}
