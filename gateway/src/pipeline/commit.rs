//! One commit of the pipeline, and what is told to whom after it.
//!
//! Journal, findings, inventory and broker state go into one closure of the writer. Invariant: the broker
//! hears `ok` only after the commit; findings whose commit failed are tried again alone, from the reserve
//! of the disk, while the messages that raised them are not acknowledged.

use std::error::Error as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::Value;
use sitewarden_broker::Committed;
use sitewarden_core::{Action, AssetRef, FindingDraft, Gate, Resource};
use sitewarden_devices::agents::{AgentFinding, Taken, take_finding};
use sitewarden_devices::{Registry, Seen};
use sitewarden_findings::About;
use sitewarden_store::{Space, Tx, WriteError};
use sitewarden_telemetry::LatestValues;
use thiserror::Error;
use tokio::sync::{OwnedSemaphorePermit, broadcast, mpsc};

use super::prepare::Work;
use super::{Metrics, Rescue};
use crate::clock::Clock;

#[derive(Debug, Error)]
pub(crate) enum CommitError {
    #[error("storing readings")]
    Telemetry(#[source] sitewarden_telemetry::TelemetryError),
    #[error("storing findings")]
    Findings(#[source] sitewarden_findings::FindingError),
    #[error("storing findings of agents")]
    Signed(#[source] sitewarden_store::StoreError),
    #[error("storing sightings")]
    Devices(#[source] sitewarden_devices::DeviceError),
    #[error("storing the broker's state")]
    Broker(#[source] sitewarden_store::StoreError),
}

/// What a commit did that others must hear of.
#[derive(Default)]
pub(crate) struct Applied {
    seen: Seen,
    /// Places in [`Work::signed`] of findings that were not taken: their agent is gone.
    refused: Vec<usize>,
    /// What the rules' memory is rebuilt from was left out.
    hole: bool,
}

/// What of a work is stored for a replay. The disk's reserve is for findings: what stands behind one goes with it, and
/// events alone, of which a stranger can make as many as he likes, do not.
const fn replay_of(work: &Work, space: Space) -> &[u8] {
    match space {
        Space::ReserveOnly if work.findings.is_empty() && work.signed.is_empty() => &[],
        _ => work.replay.as_slice(),
    }
}

/// Everything of one piece of work in the writer's transaction.
pub(crate) fn apply(
    tx: &Tx<'_>,
    gate: &Gate,
    registry: &Registry,
    work: &Work,
    demo: bool,
) -> Result<Applied, CommitError> {
    let permit = |action| gate.system("pipeline", action, Resource::site());
    let seen = if work.sightings.is_empty() {
        Seen::default()
    } else {
        sitewarden_devices::sight(tx, permit(Action::DeviceSight), &work.sightings, demo)
            .map_err(CommitError::Devices)?
    };
    let (signed, refused) = take_signed(tx, gate, &work.signed)?;
    for drafts in [&work.findings, &signed] {
        if drafts.is_empty() {
            continue;
        }
        let about = |asset: &AssetRef| {
            let fresh = seen.devices.iter().find(|device| *device.id == *asset.as_str());
            let known = registry.get(asset.as_str());
            fresh
                .or(known.as_deref())
                .map_or_else(About::default, |device| About { name: device.name.clone(), demo: device.demo })
        };
        sitewarden_findings::raise(tx, permit(Action::FindingRaise), drafts, &about)
            .map_err(CommitError::Findings)?;
    }
    let (append, replay) = (permit(Action::TelemetryAppend), replay_of(work, tx.space()));
    sitewarden_telemetry::append(tx, append, &work.readings, &work.unknown, replay)
        .map_err(CommitError::Telemetry)?;
    if !work.ops.is_empty() {
        sitewarden_broker::store::apply(tx, &work.ops).map_err(CommitError::Broker)?;
    }
    Ok(Applied { seen, refused, hole: replay.len() < work.replay.len() })
}

/// The drafts of signed findings that were not taken before, and the places of those whose agent is gone.
fn take_signed(
    tx: &Tx<'_>,
    gate: &Gate,
    signed: &[AgentFinding],
) -> Result<(Vec<FindingDraft>, Vec<usize>), CommitError> {
    let (mut drafts, mut refused) = (Vec::new(), Vec::new());
    for (place, finding) in signed.iter().enumerate() {
        let permit = gate.system("agent", Action::FindingRaise, Resource::site());
        match take_finding(tx, permit, finding.wire, finding.sequence).map_err(CommitError::Signed)? {
            Taken::New => drafts.push(finding.draft.clone()),
            Taken::Before => {}
            Taken::NoAgent => refused.push(place),
        }
    }
    Ok((drafts, refused))
}

/// What happens once the writer has answered. Runs on the writer thread: short, never blocking.
pub(crate) struct Answer {
    pub(crate) work: Arc<Work>,
    pub(crate) live_values: Vec<Value>,
    pub(crate) registry: Arc<Registry>,
    pub(crate) latest: Arc<LatestValues>,
    pub(crate) committed: mpsc::Sender<Committed>,
    pub(crate) live: broadcast::Sender<Arc<Value>>,
    pub(crate) rescue: mpsc::Sender<Rescue>,
    pub(crate) metrics: Arc<Metrics>,
    /// Set when the journal will lack this commit.
    pub(crate) hole: Arc<AtomicBool>,
    pub(crate) clock: Clock,
    /// Given back last: only then may the engine run further ahead.
    pub(crate) slot: OwnedSemaphorePermit,
}

impl Answer {
    pub(crate) fn give(self, result: Result<Applied, WriteError<CommitError>>) {
        self.metrics.waiting.fetch_sub(1, Ordering::Relaxed);
        let ok = match result {
            Ok(applied) => {
                self.hole.fetch_or(applied.hole, Ordering::Relaxed);
                self.show(applied.seen);
                for (place, finding) in self.work.signed.iter().enumerate() {
                    finding.answer(!applied.refused.contains(&place));
                }
                true
            }
            Err(error) => {
                self.failed(&error);
                false
            }
        };
        for id in &self.work.batches {
            // The channel has room for every commit under way; a broker that is gone needs no answer.
            if let Err(mpsc::error::TrySendError::Full(_)) =
                self.committed.try_send(Committed { id: *id, ok })
            {
                tracing::warn!(batch = id, "the broker did not take the answer to a batch");
            }
        }
        drop(self.slot);
    }

    /// Committed: now it may be seen.
    fn show(&self, seen: Seen) {
        self.metrics.commits.fetch_add(1, Ordering::Relaxed);
        self.metrics.last_commit.store(self.clock.now().mono.micros() / 1_000_000, Ordering::Relaxed);
        if !seen.devices.is_empty() {
            self.registry.put(seen.devices);
        }
        if !seen.evicted.is_empty() {
            self.registry.forget(&seen.evicted);
        }
        for (asset, address, time) in &self.work.presence {
            match address {
                Some(address) => self.registry.connected(asset.as_str(), address.clone(), *time),
                None => self.registry.disconnected(asset.as_str(), *time),
            }
        }
        if !self.work.readings.is_empty() {
            self.latest.committed(&self.work.readings);
            let mut before: Option<(&AssetRef, sitewarden_core::Timestamp)> = None;
            for reading in &self.work.readings {
                let this = (&reading.asset, reading.received);
                if before != Some(this) {
                    self.registry.reported(reading.asset.as_str(), reading.received);
                    // A receiver reports whenever a sensor behind it does.
                    if let Some(via) = &reading.via {
                        self.registry.reported(via.as_str(), reading.received);
                    }
                }
                before = Some(this);
            }
        }
        for value in &self.live_values {
            let _ = self.live.send(Arc::new(value.clone()));
        }
    }

    /// Not committed: say so, and save what must not be lost.
    fn failed(&self, error: &WriteError<CommitError>) {
        self.metrics.failed.fetch_add(1, Ordering::Relaxed);
        self.hole.store(true, Ordering::Relaxed);
        let cause = error.source().map(sitewarden_core::error::chain).unwrap_or_default();
        tracing::warn!(%error, cause, messages = self.work.readings.len(), "a commit of the pipeline failed; its messages are not acknowledged");
        let alone = self.work.is_findings_alone();
        if self.work.findings.is_empty() && self.work.signed.is_empty() {
            return;
        }
        let rescue = (self.work.findings.clone(), self.work.signed.clone());
        if alone || self.rescue.try_send(rescue).is_err() {
            tracing::warn!("findings of a failed commit are not kept for another try");
            self.work.signed.iter().for_each(|finding| finding.answer(false));
        }
    }
}

#[cfg(test)]
mod tests {
    use sitewarden_core::finding::Evidence;
    use sitewarden_core::{Severity, Timestamp};

    use super::*;

    #[test]
    fn the_reserve_takes_what_stands_behind_a_finding_and_no_events_alone() {
        let mut work = Work { replay: vec![1], ..Work::default() };
        assert_eq!(replay_of(&work, Space::Ample), [1]);
        assert!(replay_of(&work, Space::ReserveOnly).is_empty());
        work.findings.push(FindingDraft {
            dedup_key: "a".into(),
            rule_id: "a".into(),
            title: "A".into(),
            asset: None,
            severity: Severity::Low,
            techniques: Vec::new(),
            time: Timestamp::default(),
            evidence: Evidence::default(),
            cleared: false,
        });
        assert_eq!(replay_of(&work, Space::ReserveOnly), [1]);
    }
}
