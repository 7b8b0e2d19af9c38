//! Counters of decisions, as the binary exports them.
//!
//! Names and labels are those of the metrics `policy_evaluations_total{policy,decision}`,
//! `policy_evaluation_duration_seconds{policy}`, `policy_cache_hits_total{policy}` and
//! `policy_cache_misses_total{policy}`. Invariant: at most [`crate::limits::COUNTED_POLICIES`] labels and two.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sitewarden_core::Decision;

use crate::limits::{COUNTED_POLICIES, DURATION_BUCKETS};

/// Figures of one policy; label `policy`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PolicyFigures {
    /// `policy_evaluations_total{decision="allow"}`, answers out of the cache included.
    pub allowed: u64,
    /// `policy_evaluations_total{decision="deny"}`, answers out of the cache included.
    pub denied: u64,
    /// `policy_cache_hits_total`.
    pub cache_hits: u64,
    /// `policy_cache_misses_total`.
    pub cache_misses: u64,
    /// Evaluations up to each of [`DURATION_BUCKETS`], not cumulated; the last is what took longer.
    pub duration_buckets: [u64; DURATION_BUCKETS.len() + 1],
    /// Sum of all evaluations in seconds.
    pub duration_sum: f64,
}

/// The counters. The label is the first policy that determined the decision, `none` when nothing allowed it.
#[derive(Debug, Default)]
pub(crate) struct Metrics(Mutex<BTreeMap<Arc<str>, PolicyFigures>>);

impl Metrics {
    /// Counts one answer; `evaluated` is the time it took, `None` when it came out of the cache.
    pub(crate) fn count(&self, decision: &Decision, evaluated: Option<Duration>) {
        let label = decision.policies.first().map_or("none", AsRef::as_ref);
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let label = if all.contains_key(label) || all.len() < COUNTED_POLICIES { label } else { "other" };
        if !all.contains_key(label) {
            all.insert(label.into(), PolicyFigures::default());
        }
        let Some(figures) = all.get_mut(label) else { return };
        *(if decision.allow { &mut figures.allowed } else { &mut figures.denied }) += 1;
        let Some(duration) = evaluated else {
            figures.cache_hits += 1;
            return;
        };
        figures.cache_misses += 1;
        let seconds = duration.as_secs_f64();
        figures.duration_sum += seconds;
        let bucket =
            DURATION_BUCKETS.iter().position(|bound| seconds <= *bound).unwrap_or(DURATION_BUCKETS.len());
        if let Some(count) = figures.duration_buckets.get_mut(bucket) {
            *count += 1;
        }
    }

    /// All figures by policy.
    pub(crate) fn snapshot(&self) -> BTreeMap<Arc<str>, PolicyFigures> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
