//! Counters of the broker: plain atomics that the binary exports.
//!
//! Not a metrics library and not a log. Invariant: counters only grow, gauges are set by the one thread
//! that knows them.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::limits::Limit;

macro_rules! metrics {
    ($($(#[doc = $doc:literal])* $field:ident, $kind:ident, $help:literal;)*) => {
        /// All counters and gauges.
        #[derive(Debug, Default)]
        pub struct Metrics {
            $($(#[doc = $doc])* pub $field: Counter,)*
            limits: [Counter; LIMITS],
        }

        impl Metrics {
            /// Calls `each` with name, help, kind and value of every figure but the limits.
            pub fn for_each(&self, mut each: impl FnMut(&'static str, &'static str, Kind, u64)) {
                $(each(stringify!($field), $help, Kind::$kind, self.$field.get());)*
            }
        }
    };
}

const LIMITS: usize = Limit::ALL.len();

/// Whether a figure only grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only grows.
    Counter,
    /// A state.
    Gauge,
}

/// One figure.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds one.
    pub fn increment(&self) {
        self.add(1);
    }

    /// Adds.
    pub fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    /// Sets a gauge.
    pub fn set(&self, value: usize) {
        self.0.store(u64::try_from(value).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// The value now.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

metrics! {
    /// Sockets accepted.
    accepted, Counter, "Sockets accepted";
    /// TLS handshakes that failed.
    tls_failed, Counter, "TLS handshakes that failed or took too long";
    /// Clients that got CONNACK with success.
    connected, Counter, "Clients connected";
    /// Clients refused.
    refused, Counter, "Clients refused at CONNECT";
    /// Connections that ended.
    disconnected, Counter, "Connections ended";
    /// Packets that break the format or the rules.
    malformed, Counter, "Packets that broke the format or the protocol";
    /// Messages from clients, wills included.
    published, Counter, "Messages received from clients";
    /// Messages from clients that policy refused.
    publish_denied, Counter, "Messages refused by policy";
    /// Filters that policy refused.
    subscribe_denied, Counter, "Subscriptions refused by policy";
    /// Deliveries that policy suppressed.
    deliver_denied, Counter, "Deliveries suppressed by policy";
    /// Messages to clients.
    delivered, Counter, "Messages sent to clients";
    /// QoS 0 messages dropped for a slow reader.
    dropped_slow, Counter, "QoS 0 messages dropped because the subscriber does not read fast enough";
    /// Messages dropped because a persistent session's queue is full.
    dropped_full, Counter, "Messages dropped because a session's queue is full";
    /// Messages that were too large for a client.
    dropped_large, Counter, "Messages not sent because they are larger than the client takes";
    /// Messages that expired before they could be sent.
    expired, Counter, "Messages that expired in a queue";
    /// Batches handed over.
    batches, Counter, "Batches handed to the pipeline";
    /// Batches whose commit failed.
    batches_failed, Counter, "Batches that could not be committed";
    /// Bytes read.
    bytes_in, Counter, "Bytes read from clients";
    /// Bytes written.
    bytes_out, Counter, "Bytes written to clients";
    /// Connections now.
    connections, Gauge, "Connections";
    /// Sessions now.
    sessions, Gauge, "Sessions, connected or not";
    /// Subscriptions now.
    subscriptions, Gauge, "Subscriptions";
    /// Retained messages now.
    retained, Gauge, "Retained messages";
    /// Bytes of retained messages now.
    retained_bytes, Gauge, "Bytes of retained messages";
}

impl Metrics {
    /// Counts a hit of a bound.
    pub fn hit(&self, limit: Limit) {
        if let Some(counter) = self.limits.get(limit as usize) {
            counter.increment();
        }
    }

    /// How often a bound was hit.
    #[must_use]
    pub fn hits(&self, limit: Limit) -> u64 {
        self.limits.get(limit as usize).map_or(0, Counter::get)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_limit_has_its_own_counter() {
        let metrics = Metrics::default();
        for limit in Limit::ALL {
            metrics.hit(*limit);
        }
        assert!(Limit::ALL.iter().all(|limit| metrics.hits(*limit) == 1));
    }

    #[test]
    fn figures_are_listed_with_their_names() {
        let metrics = Metrics::default();
        metrics.published.add(3);
        let mut seen = Vec::new();
        metrics.for_each(|name, _, kind, value| seen.push((name, kind, value)));
        assert!(seen.contains(&("published", Kind::Counter, 3)));
        assert!(seen.contains(&("retained", Kind::Gauge, 0)));
    }
}
