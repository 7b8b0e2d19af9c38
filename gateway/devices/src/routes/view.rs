//! How devices look in the API.
//!
//! Words and shapes only; what they mean is in `device.rs`.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use serde::Serialize;
use sitewarden_core::{AssetKind, Timestamp};
use utoipa::ToSchema;

use super::Deps;
use super::link::LinkView;
use crate::acts::{TrustRecord, fingerprint};
use crate::agents::wire_id;
use crate::device::{Device, kind_word};

/// The newest value of one metric.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct LatestView {
    /// Metric.
    pub metric: String,
    /// Unit, empty when there is none.
    pub unit: String,
    /// Number, flag or short text.
    pub value: ValueView,
    /// When it was measured.
    #[schema(value_type = String, format = DateTime)]
    pub time: Timestamp,
}

/// Number, flag or short text.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(untagged)]
#[schema(as = LatestValue)]
pub enum ValueView {
    /// On or off.
    Bool(bool),
    /// A finite number.
    Number(f64),
    /// A short state.
    Text(String),
}

/// A device in a list.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Device)]
pub struct DeviceView {
    /// Device id; of a client its MQTT client id.
    pub(super) id: String,
    /// Name for people.
    name: String,
    /// `client`, `sensor`, `camera`, `agent`, `box`, `unknown`.
    kind: &'static str,
    /// Where it is.
    zone: String,
    /// `trusted`, `fenced`, `awaiting-approval`, `identity-changed`, `quarantined`, `revoked`.
    trust: &'static str,
    /// The device through which it is seen; null for its own connection.
    via: Option<String>,
    /// Model, when sightings told it.
    model: Option<String>,
    /// When it was first seen or enrolled.
    #[schema(value_type = String, format = DateTime)]
    first_seen: Timestamp,
    /// When it reported last.
    #[schema(value_type = Option<String>, format = DateTime)]
    last_seen: Option<Timestamp>,
    /// `live`, `late`, `stale`, `offline`, `never`, measured in its own report interval.
    #[schema(value_type = String)]
    freshness: crate::device::Freshness,
    /// Learned seconds between reports.
    report_interval_s: Option<f64>,
    /// Whether its own MQTT connection stands.
    connected: bool,
    /// Newest values.
    latest: Vec<LatestView>,
    /// Findings that are open or acknowledged.
    open_findings: u32,
    /// Belongs to the demo.
    demo: bool,
}

/// A device with everything that the box knows of it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DeviceDetail)]
pub(super) struct DeviceDetail {
    #[serde(flatten)]
    device: DeviceView,
    /// What sightings told.
    facts: BTreeMap<String, String>,
    /// How it proves who it is; null when it has no credential.
    credential: Option<CredentialView>,
    /// Address of its connection, while it stands.
    address: Option<String>,
    /// Its line and its runs, when it is an agent.
    link: Option<LinkView>,
    /// Changes of trust, newest first.
    history: Vec<HistoryView>,
}

/// How a device proves who it is.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CredentialView {
    /// `password` or `certificate`.
    kind: &'static str,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    created: Timestamp,
    /// SHA-256 of the certificate; null for a password.
    fingerprint: Option<String>,
}

/// One change of trust.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TrustChange)]
pub(super) struct HistoryView {
    /// When.
    #[schema(value_type = String, format = DateTime)]
    time: Timestamp,
    /// Trust from then on.
    trust: String,
    /// Who changed it.
    actor: String,
    /// Why.
    note: String,
}

impl Deps {
    /// All devices as the API shows them, by id.
    #[must_use]
    pub fn views(&self, open: &HashMap<String, u32>) -> Vec<DeviceView> {
        self.registry.all().iter().map(|device| self.view(device, open)).collect()
    }

    pub(super) fn view(&self, device: &Arc<Device>, open: &HashMap<String, u32>) -> DeviceView {
        let presence = self.registry.presence(&device.id);
        DeviceView {
            id: device.id.to_string(),
            name: device.name.clone(),
            kind: kind_word(device.kind),
            zone: device.zone.clone(),
            trust: device.trust.as_str(),
            via: Some(device.via.clone()).filter(|via| !via.is_empty()),
            model: device.facts.get("model").cloned(),
            first_seen: device.first_seen,
            last_seen: presence.last_report,
            freshness: presence.freshness((self.now)()),
            report_interval_s: presence.interval.map(|interval| interval.as_secs_f64()),
            connected: presence.connection.is_some_and(|connection| connection.up),
            latest: (self.latest)(&device.id),
            open_findings: open.get(&*device.id).copied().unwrap_or(0),
            demo: device.demo,
        }
    }

    pub(super) fn detail(
        &self,
        device: &Arc<Device>,
        open: &HashMap<String, u32>,
        history: Vec<TrustRecord>,
    ) -> DeviceDetail {
        let connection = self.registry.presence(&device.id).connection;
        DeviceDetail {
            device: self.view(device, open),
            facts: device.facts.clone(),
            credential: device.credential.as_ref().map(|credential| CredentialView {
                kind: credential.kind.as_str(),
                created: credential.created,
                fingerprint: fingerprint(credential),
            }),
            link: wire_id(&device.id)
                .filter(|_| device.kind == AssetKind::Agent)
                .and_then(|wire| self.agents.get(wire))
                .map(|agent| LinkView::of(&agent, self.agents.link(agent.wire))),
            address: connection.filter(|connection| connection.up).map(|connection| connection.address),
            history: history
                .into_iter()
                .map(|record| HistoryView {
                    time: record.time,
                    trust: record.trust,
                    actor: record.actor,
                    note: record.note,
                })
                .collect(),
        }
    }
}
