//! Puts readings and sightings together; the part that all dialects share.
//!
//! Not parsing. Invariants: an asset that is not the client's own gets the profile's namespace and the
//! client as `via`; names from outside have no control characters; at most `READINGS` readings.

use std::sync::Arc;

use sitewarden_core::{AssetRef, Reading, ReadingValue, Sighting, TimeSource, Timestamp};

use crate::json::{Fields, Scalar};
use crate::limits::{METRIC_BYTES, READINGS, TEXT_BYTES, UNIT_BYTES};
use crate::profile::{Metric, Topic};
use crate::units::{self, Conversion};
use crate::{Decoded, Unknown, UnknownReason, time};

/// In front of a client's id in its asset name.
const CLIENT: &str = "mqtt:";

/// One message and the profile that fits its topic.
pub(crate) struct Message<'a> {
    pub(crate) profile: &'a Topic,
    pub(crate) parts: &'a [&'a str],
    pub(crate) client: &'a AssetRef,
    pub(crate) received: Timestamp,
}

/// Whose readings these are, and of when.
pub(crate) struct Origin {
    pub(crate) asset: AssetRef,
    pub(crate) via: Option<AssetRef>,
    pub(crate) time: Timestamp,
    pub(crate) time_source: TimeSource,
}

pub(crate) fn unknown(reason: UnknownReason) -> Decoded {
    Decoded { unknown: Some(Unknown { reason }), ..Decoded::default() }
}

impl Message<'_> {
    /// The device that the topic names: the client itself, or another one that it speaks for.
    pub(crate) fn device(&self) -> (AssetRef, Option<AssetRef>) {
        let Some(template) = &self.profile.device else {
            return (self.client.clone(), None);
        };
        let name = template.fill(self.parts);
        if self.client.as_str().strip_prefix(CLIENT) == Some(name.as_ref()) {
            return (self.client.clone(), None);
        }
        (AssetRef::new(&format!("{}:{name}", self.profile.namespace)), Some(self.client.clone()))
    }

    /// The payload's own time, or the time of arrival.
    pub(crate) fn time(&self, fields: &Fields<'_>) -> (Timestamp, TimeSource) {
        let own = self.profile.time_keys.iter().find_map(|wanted| {
            let (_, value) = fields.iter().find(|(key, _)| key == wanted)?;
            time::read(value, &self.profile.time_formats, self.received)
        });
        own.map_or((self.received, TimeSource::Arrival), |time| (time, TimeSource::Payload))
    }

    /// A sighting of the asset with the topic's parts as facts, and more.
    pub(crate) fn sighting(&self, origin: &Origin, more: Vec<(Arc<str>, Arc<str>)>) -> Sighting {
        let mut facts = Vec::with_capacity(self.profile.facts.len() + more.len());
        for (name, index) in &self.profile.facts {
            if let Some(part) = self.parts.get(*index) {
                facts.push((name.clone(), clean(part, TEXT_BYTES)));
            }
        }
        facts.extend(more);
        Sighting {
            asset: origin.asset.clone(),
            kind: self.profile.kind,
            via: origin.via.clone(),
            facts,
            seen: self.received,
        }
    }

    /// The reading of a scalar under a key; `None` for what is not a value at all.
    pub(crate) fn reading(
        &self,
        origin: &Origin,
        key: &str,
        value: &Scalar<'_>,
        unit: Option<&str>,
    ) -> Result<Option<Reading>, UnknownReason> {
        let known = self.profile.metrics.get(key);
        let metric = known.map_or_else(|| clean(key, METRIC_BYTES), |metric| metric.name.clone());
        let (unit, conversion) = unit_of(known, unit);
        let (value, unit) = match value {
            Scalar::Number(number) => {
                let number = conversion.apply(*number).ok_or(UnknownReason::NotFinite)?;
                (ReadingValue::Number(number), unit.unwrap_or_default())
            }
            Scalar::Bool(flag) => (ReadingValue::Bool(*flag), Arc::default()),
            Scalar::Text(text) if known.is_some_and(|metric| metric.unit.is_some()) => {
                return Err(UnknownReason::NotANumber(clean(text, TEXT_BYTES).to_string()));
            }
            Scalar::Text(text) if short(text) => (ReadingValue::Text(text.as_ref().into()), Arc::default()),
            _ => return Ok(None),
        };
        Ok(Some(origin.reading(self.received, metric, unit, value)))
    }
}

impl Origin {
    pub(crate) fn reading(
        &self,
        received: Timestamp,
        metric: Arc<str>,
        unit: Arc<str>,
        value: ReadingValue,
    ) -> Reading {
        Reading {
            asset: self.asset.clone(),
            via: self.via.clone(),
            metric,
            unit,
            value,
            time: self.time,
            time_source: self.time_source,
            received,
            trusted: false,
        }
    }
}

/// Our unit and the conversion: the payload's own word on it goes before the profile's.
fn unit_of(known: Option<&Metric>, said: Option<&str>) -> (Option<Arc<str>>, Conversion) {
    match (said, known) {
        (Some(said), known) => {
            // The profile's scale still holds; its unit is replaced by what the payload says.
            let own = known.filter(|metric| metric.unit.is_none()).map(|metric| metric.conversion);
            let own = own.unwrap_or(Conversion::NONE);
            match units::known(said) {
                Some((ours, conversion)) => (Some(ours.into()), own.then(conversion)),
                None => (Some(clean(said, UNIT_BYTES)), own),
            }
        }
        (None, Some(metric)) => (metric.unit.clone(), metric.conversion),
        (None, None) => (None, Conversion::NONE),
    }
}

/// Adds what came of one key; keeps the first reason for which something was left out.
pub(crate) fn collect(decoded: &mut Decoded, result: Result<Option<Reading>, UnknownReason>) {
    let reason = match result {
        Ok(None) => return,
        Ok(Some(reading)) if decoded.readings.len() < READINGS => {
            decoded.readings.push(reading);
            return;
        }
        Ok(Some(_)) => UnknownReason::TooManyValues,
        Err(reason) => reason,
    };
    decoded.unknown.get_or_insert(Unknown { reason });
}

/// Whether a text is a state such as `LOW` and not a document.
pub(crate) fn short(text: &str) -> bool {
    !text.is_empty() && text.len() <= TEXT_BYTES && !text.contains(char::is_control)
}

/// A name from outside: control characters become `_`, too long a one is cut.
pub(crate) fn clean(text: &str, bytes: usize) -> Arc<str> {
    if text.len() <= bytes && !text.contains(char::is_control) {
        return text.into();
    }
    let mut end = text.len().min(bytes);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let cut = text.get(..end).unwrap_or_default();
    cut.chars().map(|c| if c.is_control() { '_' } else { c }).collect::<String>().into()
}
