//! Bounds that are hit outside a connection's own story, told at most once in a while.
//!
//! The accept loops count and say nothing, so that a flood of connections cannot fill the log; this looks
//! at the counters and makes one notice of what grew. Invariant: at most one notice for each bound and
//! interval.

use std::time::Duration;

use sitewarden_core::time::{Monotonic, Now};

use crate::core::Core;
use crate::limits::{Limit, WATCH_SECONDS};
use crate::metrics::Metrics;

/// Bounds that no connection of the core is told about.
const WATCHED: [Limit; 9] = [
    Limit::Connections,
    Limit::ConnectionsPerAddress,
    Limit::Pending,
    Limit::PendingPerAddress,
    Limit::Handshake,
    Limit::FileDescriptors,
    Limit::Inlet,
    Limit::WriteBuffersTotal,
    Limit::Notices,
];

/// What was seen at the last look.
#[derive(Debug, Default)]
pub(super) struct Watch {
    seen: [u64; WATCHED.len()],
    next: Monotonic,
}

impl Watch {
    /// Tells what grew since the last look; does nothing before the next one is due.
    pub(super) fn look(&mut self, now: Now, metrics: &Metrics, core: &mut Core) {
        if now.mono < self.next {
            return;
        }
        self.next = now.mono.after(Duration::from_secs(WATCH_SECONDS));
        for (limit, seen) in WATCHED.into_iter().zip(&mut self.seen) {
            let hits = metrics.hits(limit);
            if hits > std::mem::replace(seen, hits) {
                core.tell_limit(now, limit);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::batch::Notice;
    use crate::limits::Limits;

    #[test]
    fn a_flood_is_one_notice_for_each_interval() {
        let metrics: Arc<Metrics> = Arc::default();
        let mut core = Core::new(Limits::default(), metrics.clone(), 1);
        let mut watch = Watch::default();
        let mut told = 0;
        for second in 0..2 * WATCH_SECONDS {
            metrics.hit(Limit::PendingPerAddress);
            let now = Now { mono: Monotonic::from_micros(second * 1_000_000), ..Now::default() };
            watch.look(now, &metrics, &mut core);
            let notices = core.take_batch().map(|batch| batch.notices).unwrap_or_default();
            told += notices
                .iter()
                .filter(|notice| matches!(notice, Notice::LimitHit { limit: Limit::PendingPerAddress, .. }))
                .count();
        }
        assert_eq!(told, 2);
    }
}
