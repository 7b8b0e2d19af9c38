//! How the uplink stands, for people and for metrics.
//!
//! A picture that the shell renews after each step; nobody asks the shell itself. Invariant: sentences are plain words,
//! without secrets.

use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;
use sitewarden_core::Timestamp;
use sitewarden_http::Id;
use utoipa::ToSchema;

/// The newest picture.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// `not-registered`, `connected`, `waiting` or `stopped`.
    pub state: &'static str,
    /// Address of the cloud.
    pub url: Option<String>,
    /// The cloud's name of this site.
    pub site: Option<String>,
    /// The cloud's name of this box.
    pub gateway: Option<String>,
    /// The cloud's name of whom the site belongs to.
    pub tenant: Option<String>,
    /// Newest record that the cloud has for good.
    pub acknowledged: u64,
    /// When the cloud last took something or answered well.
    pub last_success: Option<Timestamp>,
    /// What went wrong last, until something goes well.
    pub problem: Option<String>,
    /// When the next try is due, if one was put off.
    pub next_try: Option<Timestamp>,
    /// Since when the cloud has not answered well.
    pub failing_since: Option<Timestamp>,
}

/// The state of the uplink.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct StatusView {
    /// `not-registered`: no cloud; `connected`: the cloud answers; `waiting`: it does not, tried again by itself;
    /// `stopped`: cloud and log contradict each other, nothing is sent until somebody looked.
    pub state: &'static str,
    /// Address of the cloud.
    pub url: Option<String>,
    /// The cloud's name of this site.
    pub site: Option<String>,
    /// The cloud's name of this box.
    pub gateway: Option<String>,
    /// The cloud's name of whom the site belongs to.
    pub tenant: Option<String>,
    /// Newest record that the cloud has for good.
    #[schema(value_type = String)]
    pub acknowledged: Id,
    /// Newest record of the log.
    #[schema(value_type = String)]
    pub log_size: Id,
    /// Records that wait to be sent.
    #[schema(value_type = String)]
    pub unsent: Id,
    /// Time of the oldest record that waits.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub oldest_unsent: Option<Timestamp>,
    /// Its age in seconds.
    pub oldest_unsent_seconds: Option<u64>,
    /// When the cloud last took something or answered well.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub last_success: Option<Timestamp>,
    /// What went wrong last and what to do, in a sentence; null when all is well.
    pub problem: Option<String>,
    /// When it is tried again, if that was put off.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub next_try: Option<Timestamp>,
}

impl Status {
    /// The view of this picture with what the log says now.
    #[must_use]
    pub fn view(self, now: Timestamp, log_size: u64, oldest_unsent: Option<Timestamp>) -> StatusView {
        let registered = self.url.is_some();
        let oldest_unsent = oldest_unsent.filter(|_| registered);
        StatusView {
            state: self.state,
            url: self.url,
            site: self.site,
            gateway: self.gateway,
            tenant: self.tenant,
            acknowledged: Id(self.acknowledged),
            log_size: Id(log_size),
            unsent: Id(if registered { log_size.saturating_sub(self.acknowledged) } else { 0 }),
            oldest_unsent,
            oldest_unsent_seconds: oldest_unsent.map(|time| now.since(time).as_secs()),
            last_success: self.last_success,
            problem: self.problem,
            next_try: self.next_try,
        }
    }
}

/// Counters since the start.
#[derive(Debug, Default)]
pub struct Counts {
    /// Batches that the cloud took.
    pub batches: AtomicU64,
    /// Records in them.
    pub records: AtomicU64,
    /// Bytes of them before compression.
    pub raw_bytes: AtomicU64,
    /// Bytes of them as they were sent.
    pub packed_bytes: AtomicU64,
    /// Calls that failed.
    pub failures: AtomicU64,
    /// Times that the cloud was behind what it had acknowledged.
    pub set_back: AtomicU64,
}

impl Counts {
    pub(crate) fn add(counter: &AtomicU64, count: usize) {
        counter.fetch_add(u64::try_from(count).unwrap_or(u64::MAX), Ordering::Relaxed);
    }
}
