//! What the engine thread makes of a batch before the writer sees it: readings, sightings, findings.
//!
//! Pure but for the snapshots that it is given: no store, no clock, no channel. Invariant: everything that
//! a message said is in [`Work`], as readings or as an unknown payload.

use std::collections::HashSet;
use std::sync::Arc;

use serde_json::{Value, json};
use sitewarden_broker::state::StoreOp;
use sitewarden_broker::{Batch, Notice, Publish};
use sitewarden_core::{
    AssetKind, AssetRef, Event, FindingDraft, Monotonic, Now, Principal, Reading, Sighting, Timestamp, Trust,
};
use sitewarden_detect::RuleSet;
use sitewarden_devices::Registry;
use sitewarden_devices::agents::{AgentFinding, Told};
use sitewarden_ingest::Dialects;
use sitewarden_telemetry::UnknownPayload;

use super::events::{Standing, client_asset};
use super::judge::Judge;
use super::notices;

/// What one commit writes.
#[derive(Default)]
pub(crate) struct Work {
    /// Batches that it answers: those that the broker waits for.
    pub(crate) batches: Vec<u64>,
    pub(crate) readings: Vec<Reading>,
    pub(crate) unknown: Vec<UnknownPayload>,
    /// Only what the inventory does not have yet.
    pub(crate) sightings: Vec<Sighting>,
    pub(crate) findings: Vec<FindingDraft>,
    /// Findings that agents signed; each is taken once and answered.
    pub(crate) signed: Vec<AgentFinding>,
    pub(crate) ops: Vec<StoreOp>,
    /// Connections that came and went: client asset, address where it came, when.
    pub(crate) presence: Vec<(AssetRef, Option<String>, Timestamp)>,
    /// From which the rules' memory is rebuilt; set when nothing more is added.
    pub(crate) replay: Vec<u8>,
}

impl Work {
    /// Whether there is nothing to commit and nobody to answer.
    pub(crate) fn is_empty(&self) -> bool {
        self.batches.is_empty()
            && self.readings.is_empty()
            && self.unknown.is_empty()
            && self.sightings.is_empty()
            && self.findings.is_empty()
            && self.signed.is_empty()
            && self.ops.is_empty()
            && self.presence.is_empty()
    }

    /// Whether nobody would notice a moment's delay of the commit: the broker does not wait for it, and no finding,
    /// change of the inventory or unknown payload (which may be large) is in it.
    pub(crate) const fn can_wait(&self) -> bool {
        self.batches.is_empty()
            && self.unknown.is_empty()
            && self.sightings.is_empty()
            && self.findings.is_empty()
            && self.signed.is_empty()
            && self.ops.is_empty()
            && self.presence.is_empty()
    }

    /// Whether findings are all that it writes: such a commit is made from the disk's reserve, and a second try of the
    /// same would meet the same.
    pub(crate) const fn is_findings_alone(&self) -> bool {
        self.batches.is_empty()
            && self.readings.is_empty()
            && self.unknown.is_empty()
            && self.sightings.is_empty()
            && self.ops.is_empty()
    }
}

/// The pure slices and what they know.
pub(crate) struct Preparer {
    judge: Judge,
    dialects: Arc<Dialects>,
    registry: Arc<Registry>,
    /// New assets of commits under way, so that a burst makes one sighting of each.
    seen: HashSet<AssetRef>,
    /// What stands for a topic in readings of agents.
    agent_topic: Arc<str>,
    /// Of the inventory that the engine was told last.
    inventory: u64,
}

impl Preparer {
    pub(super) fn new(judge: Judge, dialects: Arc<Dialects>, registry: Arc<Registry>) -> Self {
        // A version that no registry has yet: the engine is told the inventory first.
        let inventory = u64::MAX;
        Self { judge, dialects, registry, seen: HashSet::new(), agent_topic: "".into(), inventory }
    }

    /// The engine and the log of its calls.
    pub(super) const fn judge(&mut self) -> &mut Judge {
        &mut self.judge
    }

    /// Tells the engine which sensors the site trusts, when that changed: rules with `groups: inventory`
    /// wait for exactly these.
    pub(crate) fn look_at_inventory(&mut self, now: Now) {
        let version = self.registry.version();
        if version == self.inventory {
            return;
        }
        self.inventory = version;
        let trusted = |trust| matches!(trust, Trust::Trusted | Trust::Fenced);
        let reports = |kind| matches!(kind, AssetKind::Sensor | AssetKind::Camera | AssetKind::Agent);
        let devices = self.registry.all();
        let assets =
            devices.iter().filter(|device| trusted(device.trust) && reports(device.kind)).map(|device| {
                let mut fields = vec![("device_id".into(), Arc::clone(&device.id))];
                if !device.zone.is_empty() {
                    fields.push(("zone".into(), device.zone.as_str().into()));
                }
                if !device.via.is_empty() {
                    fields.push(("via".into(), device.via.as_str().into()));
                }
                fields
            });
        self.judge.inventory(assets.collect(), now);
    }

    pub(crate) fn replace_rules(&mut self, rules: Arc<RuleSet>, now: Now, work: &mut Work) {
        self.judge.replace(rules, now, &mut work.findings);
    }

    pub(crate) fn replace_dialects(&mut self, dialects: Arc<Dialects>) {
        self.dialects = dialects;
    }

    pub(crate) fn next_deadline(&self) -> Option<Monotonic> {
        self.judge.engine().next_deadline()
    }

    pub(crate) fn timeout(&mut self, now: Now, work: &mut Work) {
        self.judge.timeout(now, &mut work.findings);
    }

    /// An event of the box itself.
    pub(crate) fn event(&mut self, event: &Event, now: Now, work: &mut Work) {
        self.judge.event(event, now, &mut work.findings);
    }

    /// Everything that a batch of the broker says.
    pub(crate) fn batch(&mut self, batch: Batch, now: Now, work: &mut Work) {
        self.seen.clear();
        if batch.awaited {
            work.batches.push(batch.id);
        }
        work.ops.extend(batch.ops);
        for publish in &batch.publishes {
            self.publish(publish, now, work);
        }
        for notice in &batch.notices {
            self.notice(notice, now, work);
        }
    }

    fn publish(&mut self, publish: &Publish, now: Now, work: &mut Work) {
        let own = client_asset(&publish.origin.client_id);
        let client = AssetRef::new(&format!("mqtt:{}", publish.origin.client_id));
        let decoded = self.dialects.decode(&publish.topic, &publish.payload, &client, publish.received);
        // The dialects name the client behind `mqtt:`; in the inventory it stands under its own name.
        let named = |asset: AssetRef| if asset == client { own.clone() } else { asset };
        for mut sighting in decoded.sightings {
            sighting.asset = named(sighting.asset);
            sighting.via = sighting.via.map(named);
            self.sighting(sighting, work);
        }
        for mut reading in decoded.readings {
            reading.asset = named(reading.asset);
            reading.via = reading.via.map(named);
            let standing = self.standing(&reading.asset);
            reading.trusted = standing.trusted;
            self.judge.reading(&reading, &publish.topic, &standing, now, &mut work.findings);
            work.readings.push(reading);
        }
        if let Some(unknown) = decoded.unknown {
            work.unknown.push(UnknownPayload {
                topic: Arc::clone(&publish.topic),
                payload: publish.payload.to_vec(),
                reason: unknown.reason.to_string().into(),
                received: publish.received,
            });
        }
    }

    /// Another burst of agents' messages begins.
    pub(crate) fn agents_begin(&mut self) {
        self.seen.clear();
    }

    /// What an agent said on its line, or what happened there.
    pub(crate) fn told(&mut self, told: Told, now: Now, work: &mut Work) {
        match told {
            Told::Readings(readings) => {
                for mut reading in readings {
                    self.sensor_of_agent(&reading.asset, reading.via.as_ref(), reading.received, work);
                    // Its sensors stand where the agent stands.
                    reading.trusted = reading.via.as_ref().is_some_and(|agent| self.standing(agent).trusted);
                    let standing = Standing { trusted: reading.trusted, ..self.standing(&reading.asset) };
                    self.judge.reading(&reading, &self.agent_topic, &standing, now, &mut work.findings);
                    work.readings.push(reading);
                }
            }
            Told::Finding(finding) => {
                let via = AssetRef::new(&sitewarden_devices::agents::inventory_id(finding.wire));
                if let Some(asset) = finding.draft.asset.as_ref().filter(|asset| **asset != via) {
                    self.sensor_of_agent(asset, Some(&via), now.wall, work);
                }
                work.signed.push(*finding);
            }
            Told::Event(event) => {
                let field = |name: &str| {
                    event.fields.iter().find(|(key, _)| &**key == name).and_then(|(_, value)| match value {
                        sitewarden_core::Value::Text(text) => Some(&**text),
                        _ => None,
                    })
                };
                if let Some(asset) = &event.asset {
                    let line = field("line").unwrap_or_default().to_owned();
                    match field("action") {
                        Some("connected") => work.presence.push((asset.clone(), Some(line), event.time)),
                        Some("disconnected") => work.presence.push((asset.clone(), None, event.time)),
                        _ => {}
                    }
                }
                self.judge.event(&event, now, &mut work.findings);
            }
        }
    }

    fn sensor_of_agent(
        &mut self,
        sensor: &AssetRef,
        agent: Option<&AssetRef>,
        seen: Timestamp,
        work: &mut Work,
    ) {
        let sighting = Sighting {
            asset: sensor.clone(),
            kind: AssetKind::Sensor,
            via: agent.cloned(),
            facts: Vec::new(),
            seen,
        };
        self.sighting(sighting, work);
    }

    fn standing(&self, asset: &AssetRef) -> Standing {
        self.registry.get(asset.as_str()).map_or_else(Standing::default, |device| Standing {
            trusted: matches!(device.trust, Trust::Trusted | Trust::Fenced),
            zone: Some(device.zone.as_str()).filter(|zone| !zone.is_empty()).map(Arc::from),
        })
    }

    fn sighting(&mut self, sighting: Sighting, work: &mut Work) {
        if !self.seen.contains(&sighting.asset) && self.registry.is_news(&sighting) {
            self.seen.insert(sighting.asset.clone());
            work.sightings.push(sighting);
        }
    }

    fn notice(&mut self, notice: &Notice, now: Now, work: &mut Work) {
        self.judge.event(&notices::event(notice), now, &mut work.findings);
        match notice {
            Notice::Connected { origin, time, .. } => {
                let asset = client_asset(&origin.client_id);
                let address = origin.address.map(|address| address.to_string()).unwrap_or_default();
                if origin.principal == Principal::Anonymous {
                    let sighting = Sighting {
                        asset: asset.clone(),
                        kind: AssetKind::Client,
                        via: None,
                        facts: Vec::new(),
                        seen: *time,
                    };
                    self.sighting(sighting, work);
                }
                work.presence.push((asset, Some(address), *time));
            }
            Notice::Disconnected { origin, time, .. } => {
                work.presence.push((client_asset(&origin.client_id), None, *time));
            }
            _ => {}
        }
    }

    /// The newest reading of each series of this work, for the live channel; empty when nobody listens.
    pub(crate) fn live(work: &Work, listened: bool) -> Vec<Value> {
        if !listened {
            return Vec::new();
        }
        let mut told = HashSet::new();
        let newest =
            work.readings.iter().rev().filter(|reading| told.insert((&reading.asset, &reading.metric)));
        newest
            .map(|reading| {
                json!({"device": reading.asset, "metric": &*reading.metric, "unit": &*reading.unit, "value": reading.value, "time": reading.time})
            })
            .collect()
    }
}
