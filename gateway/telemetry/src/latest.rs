//! The newest value of every series, in memory: what tiles and lists show.
//!
//! Filled from the store at start and told of each batch after its commit. It can be rebuilt at any
//! time; nothing is decided on it. Invariant: an older value never replaces a newer one, where a time after
//! its own arrival counts as its arrival.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

use sitewarden_core::{Reading, ReadingValue, TimeSource, Timestamp};

use crate::chunk::Point;
use crate::limits::{SERIES, SERIES_PER_ASSET};

/// The newest value of one metric.
#[derive(Clone, Debug, PartialEq)]
pub struct Latest {
    /// Metric.
    pub metric: String,
    /// Unit.
    pub unit: String,
    /// The value.
    pub value: ReadingValue,
    /// When it was measured.
    pub time: Timestamp,
    /// When it arrived.
    pub received: Timestamp,
    /// Where `time` comes from.
    pub time_source: TimeSource,
    /// Whether the asset was approved when it arrived.
    pub trusted: bool,
}

impl Latest {
    pub(crate) fn new(metric: &str, unit: &str, point: Point) -> Self {
        let Point { time, received, time_source, value, trusted } = point;
        Self { metric: metric.to_owned(), unit: unit.to_owned(), value, time, received, time_source, trusted }
    }

    fn age_key(&self) -> (Timestamp, Timestamp) {
        (self.time.min(self.received), self.received)
    }

    pub(crate) fn of(reading: &Reading) -> Self {
        Self {
            metric: reading.metric.to_string(),
            unit: reading.unit.to_string(),
            value: reading.value.clone(),
            time: reading.time,
            received: reading.received,
            time_source: reading.time_source,
            trusted: reading.trusted,
        }
    }
}

/// All newest values.
#[derive(Debug, Default)]
pub struct LatestValues {
    assets: RwLock<HashMap<String, Vec<Latest>>>,
}

impl LatestValues {
    pub(crate) fn fill(&self, values: Vec<(String, Latest)>) {
        let mut assets = self.assets.write().unwrap_or_else(PoisonError::into_inner);
        for (asset, latest) in values {
            put(&mut assets, &asset, latest);
        }
    }

    /// Takes readings that are committed.
    pub fn committed(&self, readings: &[Reading]) {
        let mut assets = self.assets.write().unwrap_or_else(PoisonError::into_inner);
        for reading in readings {
            put(&mut assets, reading.asset.as_str(), Latest::of(reading));
        }
    }

    /// The newest values of one asset, by metric.
    #[must_use]
    pub fn of(&self, asset: &str) -> Vec<Latest> {
        let assets = self.assets.read().unwrap_or_else(PoisonError::into_inner);
        assets.get(asset).cloned().unwrap_or_default()
    }
}

fn put(assets: &mut HashMap<String, Vec<Latest>>, asset: &str, latest: Latest) {
    if !assets.contains_key(asset) {
        if assets.len() >= SERIES {
            return;
        }
        assets.insert(asset.to_owned(), Vec::new());
    }
    let Some(values) = assets.get_mut(asset) else { return };
    match values.binary_search_by(|known| (&known.metric, &known.unit).cmp(&(&latest.metric, &latest.unit))) {
        Ok(place) => {
            if let Some(known) = values.get_mut(place)
                && known.age_key() <= latest.age_key()
            {
                *known = latest;
            }
        }
        Err(place) if values.len() < SERIES_PER_ASSET => values.insert(place, latest),
        Err(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::tests::reading;

    #[test]
    fn an_older_event_never_replaces_a_newer_one() {
        let latest = LatestValues::default();
        latest.committed(&[reading("a", 100, 1.0), reading("a", 50, 2.0), reading("b", 7, 3.0)]);
        assert_eq!(latest.of("a").first().map(|value| value.value.clone()), Some(ReadingValue::Number(1.0)));
        assert_eq!(latest.of("b").len(), 1);
        assert!(latest.of("c").is_empty());
    }

    #[test]
    fn a_clock_that_ran_ahead_does_not_keep_its_value_for_years() {
        let latest = LatestValues::default();
        let mut ahead = reading("a", 0, 1.0);
        ahead.time = Timestamp::from_seconds(4_000_000_000);
        let mut corrected = reading("a", 0, 2.0);
        corrected.received = ahead.received.after(std::time::Duration::from_secs(60));
        corrected.time = corrected.received;
        latest.committed(&[ahead, corrected]);
        assert_eq!(latest.of("a").first().map(|value| value.value.clone()), Some(ReadingValue::Number(2.0)));
    }

    #[test]
    fn made_up_metric_names_are_bounded() {
        let latest = LatestValues::default();
        for number in 0..=SERIES_PER_ASSET {
            let mut made_up = reading("a", 1, 1.0);
            made_up.metric = format!("metric-{number}").into();
            latest.committed(&[made_up]);
        }
        assert_eq!(latest.of("a").len(), SERIES_PER_ASSET);
    }
}
