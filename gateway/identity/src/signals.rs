//! What the slice tells others: events for the rules, counters for the metrics.
//!
//! Events are best effort: a full channel is counted and never makes a log-in wait. Invariant: no event and no label carries
//! a secret; labels are bounded by the routes.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use sitewarden_core::{Event, LogSource, Timestamp};
use tokio::sync::mpsc;

use crate::limits::DURATION_BUCKETS;

/// What happened, as the rules know it (`action`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Happening {
    LoginFailed,
    LoginSucceeded,
    Throttled,
    SetupCodeWrong,
    SessionEnded,
    ApiKeyRefused,
    CrossSiteRefused,
}

impl Happening {
    const fn as_str(self) -> &'static str {
        match self {
            Self::LoginFailed => "login-failed",
            Self::LoginSucceeded => "login-succeeded",
            Self::Throttled => "throttled",
            Self::SetupCodeWrong => "setup-code-wrong",
            Self::SessionEnded => "session-ended",
            Self::ApiKeyRefused => "api-key-refused",
            Self::CrossSiteRefused => "cross-site-refused",
        }
    }
}

/// Durations of one method and endpoint: label values of `auth_request_duration_seconds`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Durations {
    /// Requests up to each of [`DURATION_BUCKETS`], not cumulated; the last is what took longer.
    pub buckets: [u64; DURATION_BUCKETS.len() + 1],
    /// Sum in seconds.
    pub sum: f64,
}

/// Counters as the binary exports them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Figures {
    /// `auth_requests_total{method,endpoint,status}`.
    pub requests: BTreeMap<(String, String, u16), u64>,
    /// `auth_request_duration_seconds{method,endpoint}`.
    pub durations: BTreeMap<(String, String), Durations>,
    /// Events that the full channel did not take.
    pub events_dropped: u64,
    /// Requests that the throttle refused.
    pub throttled: u64,
}

/// The sender of events and the counters.
#[derive(Debug)]
pub(crate) struct Signals {
    events: mpsc::Sender<Event>,
    figures: Mutex<Figures>,
    dropped: AtomicU64,
    throttled: AtomicU64,
}

impl Signals {
    pub(crate) fn new(events: mpsc::Sender<Event>) -> Self {
        Self { events, figures: Mutex::default(), dropped: AtomicU64::new(0), throttled: AtomicU64::new(0) }
    }

    pub(crate) fn tell(&self, happening: Happening, login: &str, address: Option<IpAddr>, now: Timestamp) {
        if happening == Happening::Throttled {
            self.throttled.fetch_add(1, Ordering::Relaxed);
        }
        let mut fields = vec![("action".into(), happening.as_str().into()), ("login".into(), login.into())];
        fields.extend(address.map(|address| ("address".into(), address.to_string().as_str().into())));
        let event =
            Event { source: LogSource::own("identity"), asset: None, time: now, received: now, fields };
        if self.events.try_send(event).is_err() && self.dropped.fetch_add(1, Ordering::Relaxed) == 0 {
            tracing::warn!("the rules are behind: events of sign-ins are dropped and counted");
        }
    }

    pub(crate) fn count(&self, method: &str, endpoint: &str, status: u16, took: Duration) {
        let mut figures = self.figures.lock().unwrap_or_else(PoisonError::into_inner);
        *figures.requests.entry((method.to_owned(), endpoint.to_owned(), status)).or_default() += 1;
        let durations = figures.durations.entry((method.to_owned(), endpoint.to_owned())).or_default();
        let seconds = took.as_secs_f64();
        durations.sum += seconds;
        let bucket =
            DURATION_BUCKETS.iter().position(|bound| seconds <= *bound).unwrap_or(DURATION_BUCKETS.len());
        if let Some(count) = durations.buckets.get_mut(bucket) {
            *count += 1;
        }
    }

    pub(crate) fn figures(&self) -> Figures {
        let figures = self.figures.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Figures {
            events_dropped: self.dropped.load(Ordering::Relaxed),
            throttled: self.throttled.load(Ordering::Relaxed),
            ..figures
        }
    }
}
