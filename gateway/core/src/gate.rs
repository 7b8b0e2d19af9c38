//! Who may do what: principals, actions, resources, and the permit that a change consumes.
//!
//! The gate decides nothing itself: it asks the [`Decider`] that the binary put in (the policy slice).
//! Invariants: a [`Permit`] has private fields, is neither `Clone` nor `Default` nor `Deserialize`, and
//! only [`Gate`] makes one; no decision means deny. Making a `Gate` outside the binary's `app.rs` (and
//! tests) is an error of the house checks.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::asset::Trust;

/// A person's or API key's role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Sees, changes nothing.
    Viewer,
    /// Enrols and checks devices.
    Technician,
    /// Runs the site day by day.
    Operator,
    /// Everything, people and keys included.
    Owner,
}

impl Role {
    /// The name used in the store, the API and the policies.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Technician => "technician",
            Self::Operator => "operator",
            Self::Owner => "owner",
        }
    }

    /// The role of that name; `None` for any other text.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Viewer, Self::Technician, Self::Operator, Self::Owner]
            .into_iter()
            .find(|role| role.as_str() == text)
    }
}

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Principal {
    /// A person with a session.
    Person {
        /// User id.
        id: Arc<str>,
        /// Role at the time of asking.
        role: Role,
    },
    /// An API key.
    ApiKey {
        /// Key id (not the key).
        id: Arc<str>,
        /// Role of the key.
        role: Role,
    },
    /// An MQTT client or agent that proved who it is.
    Device {
        /// Asset id.
        id: Arc<str>,
        /// Trust at the time of asking.
        trust: Trust,
    },
    /// Nobody known.
    Anonymous,
    /// The box itself; the reason says why it acts.
    System {
        /// `retention`, `pipeline`, `expiry`.
        reason: &'static str,
    },
    /// A person at the console of the box (owner-only socket or the state folder itself).
    Console,
}

impl Principal {
    /// Kind and id in one text, as the site log keeps it: `person:elin`, `device:mqtt:thermo-1`, `system:retention`.
    #[must_use]
    pub fn label(&self) -> String {
        match self {
            Self::Person { id, .. } => format!("person:{id}"),
            Self::ApiKey { id, .. } => format!("api-key:{id}"),
            Self::Device { id, .. } => format!("device:{id}"),
            Self::Anonymous => "anonymous".to_owned(),
            Self::System { reason } => format!("system:{reason}"),
            Self::Console => "console".to_owned(),
        }
    }
}

macro_rules! actions {
    ($($(#[doc = $doc:literal])* $variant:ident = $name:literal,)*) => {
        /// What is asked for. The names are Cedar's action ids.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Action { $($(#[doc = $doc])* $variant,)* }

        impl Action {
            /// Every action, so that the policy schema can be checked against this list.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// Cedar's action id.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }
        }
    };
}

actions! {
    /// Site overview.
    OverviewRead = "overview:read",
    /// Devices and their latest values.
    DeviceRead = "device:read",
    /// Rename, place, describe.
    DeviceEdit = "device:edit",
    /// Trust a device that waits, or lift a quarantine.
    DeviceApprove = "device:approve",
    /// Cut a device off.
    DeviceQuarantine = "device:quarantine",
    /// Make a credential or certificate for a device.
    DeviceEnrol = "device:enrol",
    /// The box saw a device.
    DeviceSight = "device:sight",
    /// Readings over time.
    TelemetryRead = "telemetry:read",
    /// The box stores readings.
    TelemetryAppend = "telemetry:append",
    /// Findings and evidence.
    FindingRead = "finding:read",
    /// The box raises or clears a finding.
    FindingRaise = "finding:raise",
    /// Take a finding.
    FindingAcknowledge = "finding:acknowledge",
    /// Close a finding with a reason.
    FindingClose = "finding:close",
    /// Open a closed finding again.
    FindingReopen = "finding:reopen",
    /// Rules and their state.
    RuleRead = "rule:read",
    /// Load rules from disk again.
    RuleReload = "rule:reload",
    /// Load payload profiles from disk again.
    DialectReload = "dialect:reload",
    /// Policies and decisions.
    PolicyRead = "policy:read",
    /// Load policies from disk again.
    PolicyReload = "policy:reload",
    /// People of the site.
    UserRead = "user:read",
    /// Add a person.
    UserCreate = "user:create",
    /// Change role, name or password of a person.
    UserEdit = "user:edit",
    /// Remove a person.
    UserDelete = "user:delete",
    /// One's own sign-in: password, sessions.
    SelfManage = "self:manage",
    /// Sessions of all people.
    SessionRead = "session:read",
    /// End a session.
    SessionRevoke = "session:revoke",
    /// API keys.
    ApiKeyRead = "api-key:read",
    /// Make an API key.
    ApiKeyCreate = "api-key:create",
    /// Withdraw an API key.
    ApiKeyRevoke = "api-key:revoke",
    /// The site log as audit log.
    AuditRead = "audit:read",
    /// State of the box.
    SystemRead = "system:read",
    /// State of the uplink.
    UplinkRead = "uplink:read",
    /// Register the box at a cloud, or forget it.
    UplinkManage = "uplink:manage",
    /// The box keeps what the cloud acknowledged.
    UplinkAdvance = "uplink:advance",
    /// The box keeps a signed checkpoint.
    CheckpointKeep = "checkpoint:keep",
    /// Make the box blink, so that it is found.
    BoardLocate = "board:locate",
    /// Set inputs of a simulated board.
    BoardDrive = "board:drive",
    /// First set-up.
    SetupRun = "setup:run",
    /// The box prunes old rows.
    RetentionPrune = "retention:prune",
    /// The box records refused requests.
    DenialRecord = "denial:record",
    /// The box keeps sessions, retained and queued messages.
    BrokerPersist = "broker:persist",
    /// An agent's session on its line.
    AgentConnect = "agent:connect",
    /// Readings and findings of an agent.
    AgentReport = "agent:report",
    /// MQTT CONNECT.
    MqttConnect = "mqtt:connect",
    /// MQTT PUBLISH, wills included.
    MqttPublish = "mqtt:publish",
    /// MQTT SUBSCRIBE.
    MqttSubscribe = "mqtt:subscribe",
    /// Delivery of a message to a subscriber.
    MqttDeliver = "mqtt:deliver",
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What is acted on: a kind of the policy schema and an id.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Resource {
    kind: &'static str,
    id: Arc<str>,
}

impl Resource {
    /// A resource of a kind of the policy schema: `Site`, `Device`, `Finding`, `User`, `Session`,
    /// `ApiKey`, `Rule`, `Policy`, `TopicSpace`.
    #[must_use]
    pub fn new(kind: &'static str, id: &str) -> Self {
        Self { kind, id: id.into() }
    }

    /// The site as a whole: for lists, overviews and creation.
    #[must_use]
    pub fn site() -> Self {
        Self::new("Site", "site")
    }

    /// Kind of the policy schema.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        self.kind
    }

    /// Id within the kind.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.kind, self.id)
    }
}

/// A version of policies and entities; it moves whenever either changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PolicyEpoch(pub u64);

/// What the policies say about one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Whether it is allowed.
    pub allow: bool,
    /// Ids of the policies that determined it; empty for "no policy allows it".
    pub policies: Vec<Arc<str>>,
    /// What was in force.
    pub epoch: PolicyEpoch,
}

/// Answers one request; put into the gate by the binary.
pub trait Decider: Send + Sync {
    /// Decides. Must not block, must not fail open: an inner error is `allow: false`.
    fn decide(&self, principal: &Principal, action: Action, resource: &Resource) -> Decision;

    /// The epoch in force now.
    fn epoch(&self) -> PolicyEpoch;
}

/// The request was refused.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{principal} may not {action} on {resource}: {}", if policies.is_empty() { "no policy allows it" } else { "a policy forbids it" })]
pub struct Denied {
    /// Who asked, as the site log names them.
    pub principal: String,
    /// What was asked for.
    pub action: Action,
    /// On what.
    pub resource: Resource,
    /// The forbidding policies; empty when nothing allows it.
    pub policies: Vec<Arc<str>>,
}

/// The one place where permits are made.
#[derive(Clone)]
pub struct Gate {
    decider: Arc<dyn Decider>,
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate").finish_non_exhaustive()
    }
}

impl Gate {
    /// A gate that asks this decider.
    #[must_use]
    pub fn new(decider: Arc<dyn Decider>) -> Self {
        Self { decider }
    }

    /// Asks whether the principal may act on the resource.
    ///
    /// # Errors
    /// [`Denied`] when the policies do not allow it.
    pub fn permit(
        &self,
        principal: &Principal,
        action: Action,
        resource: Resource,
    ) -> Result<Permit, Denied> {
        let decision = self.decider.decide(principal, action, &resource);
        if decision.allow {
            Ok(Permit { principal: principal.clone(), action, resource, epoch: decision.epoch })
        } else {
            Err(Denied { principal: principal.label(), action, resource, policies: decision.policies })
        }
    }

    /// A permit for what no person asked for: expiry, pipeline, retention.
    pub fn system(&self, reason: &'static str, action: Action, resource: Resource) -> Permit {
        Permit { principal: Principal::System { reason }, action, resource, epoch: self.decider.epoch() }
    }

    /// A permit for a person at the console: whoever can open the owner-only socket or the state folder
    /// already holds everything that the policies protect.
    pub fn console(&self, action: Action, resource: Resource) -> Permit {
        Permit { principal: Principal::Console, action, resource, epoch: self.decider.epoch() }
    }

    /// The epoch in force now.
    #[must_use]
    pub fn epoch(&self) -> PolicyEpoch {
        self.decider.epoch()
    }
}

/// Leave to act once. Consumed by the change; the store compares epoch and resource again inside the
/// transaction.
#[derive(Debug)]
#[must_use = "a permit is consumed by the act that it allows"]
pub struct Permit {
    principal: Principal,
    action: Action,
    resource: Resource,
    epoch: PolicyEpoch,
}

impl Permit {
    /// Who may.
    #[must_use]
    pub const fn principal(&self) -> &Principal {
        &self.principal
    }

    /// What.
    #[must_use]
    pub const fn action(&self) -> Action {
        self.action
    }

    /// On what.
    #[must_use]
    pub const fn resource(&self) -> &Resource {
        &self.resource
    }

    /// Decided under which policies.
    #[must_use]
    pub const fn epoch(&self) -> PolicyEpoch {
        self.epoch
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct OnlyOwners;
    impl Decider for OnlyOwners {
        fn decide(&self, principal: &Principal, _: Action, _: &Resource) -> Decision {
            let allow = matches!(principal, Principal::Person { role: Role::Owner, .. });
            Decision { allow, policies: Vec::new(), epoch: PolicyEpoch(7) }
        }
        fn epoch(&self) -> PolicyEpoch {
            PolicyEpoch(7)
        }
    }

    #[test]
    fn a_permit_says_who_what_and_under_which_policies() {
        let gate = Gate::new(Arc::new(OnlyOwners));
        let owner = Principal::Person { id: "elin".into(), role: Role::Owner };
        let permit =
            gate.permit(&owner, Action::FindingClose, Resource::new("Finding", "9")).expect("allowed");
        assert_eq!(
            (permit.action(), permit.resource().id(), permit.epoch()),
            (Action::FindingClose, "9", PolicyEpoch(7))
        );
    }

    #[test]
    fn a_refusal_says_who_what_and_why() {
        let gate = Gate::new(Arc::new(OnlyOwners));
        let viewer = Principal::Person { id: "jonas".into(), role: Role::Viewer };
        let denied =
            gate.permit(&viewer, Action::FindingClose, Resource::new("Finding", "9")).expect_err("refused");
        assert_eq!(
            denied.to_string(),
            "person:jonas may not finding:close on Finding:9: no policy allows it"
        );
    }

    #[test]
    fn action_names_are_unique() {
        let mut names: Vec<_> = Action::ALL.iter().map(|action| action.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Action::ALL.len());
    }
}
