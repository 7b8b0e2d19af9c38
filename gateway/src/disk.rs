//! A full disk as a finding: raised when the store refuses bulk data, cleared when it takes it again.
//!
//! The store itself keeps the reserve and decides what is refused; this looks at it, tells people, and makes the
//! store look again while nothing else is written. Invariant: the finding follows the state also over a restart.

use std::time::Duration;

use sitewarden_core::error::chain;
use sitewarden_core::{Action, Evidence, FindingDraft, Gate, Resource, Severity, Timestamp};
use sitewarden_findings::About;
use sitewarden_store::Store;
use tokio::time::{MissedTickBehavior, interval};

use crate::clock::Clock;

/// How often the state is looked at.
const LOOK: Duration = Duration::from_secs(2);

/// Id of the built-in check.
const CHECK: &str = "sitewarden:disk-full";

/// Looks for ever.
pub(crate) async fn watch(store: Store, gate: Gate, clock: Clock) {
    let mut ticks = interval(LOOK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut told = None;
    loop {
        ticks.tick().await;
        if store.stats().reserve_only != 0 {
            look_again(&store).await;
        }
        let full = store.stats().reserve_only != 0;
        if told == Some(full) {
            continue;
        }
        match tell(&store, &gate, full, clock.now().wall).await {
            Ok(()) => told = Some(full),
            Err(error) => {
                tracing::warn!(error, full, "the state of the disk was not recorded; it is tried again")
            }
        }
    }
}

/// The store looks at the disk before each group: without one it would not notice that there is room again.
async fn look_again(store: &Store) {
    let looked = store.write("looking at the disk", |_| Ok::<_, sitewarden_store::StoreError>(())).await;
    if let Err(error) = looked {
        tracing::debug!(error = chain(&error), "the store did not look at the disk");
    }
}

async fn tell(store: &Store, gate: &Gate, full: bool, now: Timestamp) -> Result<(), String> {
    let permit = gate.system("disk", Action::FindingRaise, Resource::site());
    let draft = draft(full, now);
    let raised = store
        .write("recording the state of the disk", move |tx| {
            sitewarden_findings::raise(tx, permit, &[draft], &|_| About::default())
        })
        .await;
    raised.map(|_| ()).map_err(|error| chain(&error))
}

fn draft(full: bool, time: Timestamp) -> FindingDraft {
    let reason = if full {
        "The disk of the state folder is full. Readings are refused and messages with QoS 1 and 2 are not \
         acknowledged, so devices send them again later; findings and the site log go on from a reserve. Free \
         space on the disk: the box goes on by itself."
    } else {
        "The disk has room again: readings are taken."
    };
    FindingDraft {
        dedup_key: CHECK.into(),
        rule_id: CHECK.into(),
        title: "The disk is full: readings are refused".into(),
        asset: None,
        severity: Severity::High,
        techniques: Vec::new(),
        time,
        evidence: Evidence { reason: reason.to_owned(), ..Evidence::default() },
        cleared: !full,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_key_raises_and_clears() {
        let (full, free) = (draft(true, Timestamp::default()), draft(false, Timestamp::default()));
        assert_eq!(full.dedup_key, free.dedup_key);
        assert!(!full.cleared && free.cleared);
        assert!(full.evidence.reason.contains("Free space"));
    }
}
