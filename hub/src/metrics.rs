//! Counters of this instance, for `/metrics` in Prometheus's text format.
//!
//! No tenant and no site in labels: their number has no bound, and the page has no log-in. Alarms of one site stand in the API.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;
use std::time::Duration;

use crate::alarm::Kind;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AlarmLabels {
    kind: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    route: String,
    status: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Version {
    version: &'static str,
}

/// All metrics of an instance.
#[derive(Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    alarms: Family<AlarmLabels, Counter>,
    requests: Family<RequestLabels, Counter>,
    records: Counter,
    repeated: Counter,
    not_understood: Counter,
    batch_seconds: Histogram,
    throttled: Counter,
    other_partition: Gauge,
    connections: Gauge,
}

impl Metrics {
    /// All at zero; every kind of alarm is there from the beginning, so that a first one is seen as a rise.
    pub(crate) fn new() -> Self {
        let mut registry = Registry::with_prefix("sitewarden_hub");
        let alarms = Family::<AlarmLabels, Counter>::default();
        for kind in [Kind::LogForked, Kind::BadCheckpoint, Kind::StatementInvalid, Kind::StatementReplayed] {
            let _ = alarms.get_or_create(&AlarmLabels { kind: kind.as_str() });
        }
        let requests = Family::default();
        let batch_seconds = Histogram::new(exponential_buckets(0.001, 2.0, 14));
        let build = Family::<Version, Gauge>::default();
        build.get_or_create(&Version { version: env!("CARGO_PKG_VERSION") }).set(1);
        let made = Self {
            alarms: alarms.clone(),
            requests,
            records: Counter::default(),
            repeated: Counter::default(),
            not_understood: Counter::default(),
            batch_seconds,
            throttled: Counter::default(),
            other_partition: Gauge::default(),
            connections: Gauge::default(),
            registry: Registry::default(),
        };
        macro_rules! register {
            ($name:literal, $help:literal, $metric:expr) => {
                registry.register($name, $help, $metric.clone())
            };
        }
        register!("alarms", "Alarms about sites' logs and statements, repeated ones included", made.alarms);
        register!("requests", "Answers by route and status", made.requests);
        register!("records", "Records stored", made.records);
        register!("records_repeated", "Records that were here already and came again", made.repeated);
        register!(
            "records_not_understood",
            "Records of a known kind with an unknown body",
            made.not_understood
        );
        register!("batch_seconds", "Time of a batch from its body to its commit", made.batch_seconds);
        register!("throttled", "Tries refused because there were too many", made.throttled);
        register!(
            "records_without_month",
            "Records in the partition for all other times; not zero: run migrate",
            made.other_partition
        );
        register!("database_connections", "Connections to the database in use", made.connections);
        register!("build", "Version of the hub", build);
        Self { registry, ..made }
    }

    /// An alarm was stored or counted.
    pub(crate) fn alarm(&self, kind: Kind) {
        self.alarms.get_or_create(&AlarmLabels { kind: kind.as_str() }).inc();
    }

    /// A request was answered.
    pub(crate) fn answered(&self, route: &str, status: u16) {
        self.requests.get_or_create(&RequestLabels { route: route.to_owned(), status }).inc();
    }

    /// A batch was committed.
    pub(crate) fn stored(&self, new: usize, repeated: usize) {
        self.records.inc_by(new as u64);
        self.repeated.inc_by(repeated as u64);
    }

    /// A batch took this long.
    pub(crate) fn batch_took(&self, time: Duration) {
        self.batch_seconds.observe(time.as_secs_f64());
    }

    /// Records with a body that the hub does not know.
    pub(crate) fn not_understood(&self, records: u64) {
        self.not_understood.inc_by(records);
    }

    /// A try was refused.
    pub(crate) fn throttled(&self) {
        self.throttled.inc();
    }

    /// Rows that no month's partition took.
    pub(crate) fn without_month(&self, rows: i64) {
        self.other_partition.set(rows);
    }

    /// The page.
    pub(crate) fn page(&self, connections: usize) -> String {
        self.connections.set(i64::try_from(connections).unwrap_or(i64::MAX));
        let mut text = String::new();
        // Writing into a string cannot fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_alarm_is_on_the_page_before_the_first() {
        let metrics = Metrics::new();
        assert!(metrics.page(0).contains("sitewarden_hub_alarms_total{kind=\"log-forked\"} 0"));
        metrics.alarm(Kind::LogForked);
        metrics.stored(3, 1);
        let page = metrics.page(2);
        for line in [
            "sitewarden_hub_alarms_total{kind=\"log-forked\"} 1",
            "sitewarden_hub_records_total 3",
            "sitewarden_hub_database_connections 2",
        ] {
            assert!(page.contains(line), "{line} is not in\n{page}");
        }
    }
}
