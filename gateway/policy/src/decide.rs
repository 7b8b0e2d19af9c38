//! The decider: one snapshot of policies, asked without a lock on it, with a cache that dies with it.
//!
//! Neither HTTP nor MQTT. Invariants: cache and epoch belong to one [`State`], and every change of policies or
//! entities puts a new one in, so no answer outlives what it was decided under; an error of evaluation, a
//! request that the schema does not know and a missing set all mean deny (the console alone is let in,
//! because whoever sits there holds the files).

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use arc_swap::ArcSwap;
use cedar_policy::{Authorizer, Context, Decision as Verdict, Entities, PolicySet, Request};
use sitewarden_core::gate::PolicyEpoch;
use sitewarden_core::{Action, Decider, Decision, Principal, Resource};
use sitewarden_store::Clock;
use tokio::sync::watch;

use crate::denials::Denials;
use crate::limits::CACHED_DECISIONS;
use crate::load::{Loaded, has_forbid};
use crate::metrics::Metrics;
use crate::recent::Recent;
use crate::vocabulary::{action_uid, principal_entity, principal_kind, resource_entity, uid};

type Question = (Principal, Action, Resource);

/// What is in force at one epoch.
pub(crate) struct State {
    pub(crate) epoch: PolicyEpoch,
    pub(crate) loaded: Option<Arc<Loaded>>,
    cache: Mutex<HashMap<Question, Decision>>,
}

impl State {
    pub(crate) fn new(epoch: PolicyEpoch, loaded: Option<Arc<Loaded>>) -> Self {
        Self { epoch, loaded, cache: Mutex::default() }
    }
}

/// Everything that decisions need and leave behind; shared by all handles.
pub(crate) struct Inner {
    pub(crate) state: ArcSwap<State>,
    pub(crate) epochs: watch::Sender<PolicyEpoch>,
    /// Held while a new state is made, so that epochs never go back.
    pub(crate) changing: Mutex<()>,
    pub(crate) dir: Option<PathBuf>,
    pub(crate) error: Mutex<Option<String>>,
    pub(crate) clock: Clock,
    pub(crate) metrics: Metrics,
    pub(crate) recent: Recent,
    pub(crate) denials: Denials,
    pub(crate) authorizer: Authorizer,
}

impl Inner {
    /// Puts a new state in. `loaded` none keeps the policies and only moves the epoch.
    pub(crate) fn advance(&self, loaded: Option<Arc<Loaded>>) -> PolicyEpoch {
        let _one_at_a_time = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let before = self.state.load();
        let epoch = PolicyEpoch(before.epoch.0 + 1);
        let loaded = loaded.or_else(|| before.loaded.clone());
        self.state.store(Arc::new(State::new(epoch, loaded)));
        self.epochs.send_replace(epoch);
        epoch
    }

    pub(crate) fn decide(&self, question: &Question) -> Decision {
        let state = self.state.load();
        let cached = state.cache.lock().unwrap_or_else(PoisonError::into_inner).get(question).cloned();
        if let Some(decision) = cached {
            self.metrics.count(&decision, None);
            self.note(question, &decision);
            return decision;
        }
        let start = Instant::now();
        let decision = self.evaluate(&state, question);
        self.metrics.count(&decision, Some(start.elapsed()));
        let mut cache = state.cache.lock().unwrap_or_else(PoisonError::into_inner);
        if cache.len() >= CACHED_DECISIONS {
            cache.clear();
        }
        cache.insert(question.clone(), decision.clone());
        drop(cache);
        self.note(question, &decision);
        decision
    }

    /// Asks Cedar. Anything but a clear yes is a no.
    fn evaluate(&self, state: &State, (principal, action, resource): &Question) -> Decision {
        let answer = |allow, policies| Decision { allow, policies, epoch: state.epoch };
        let Some(loaded) = &state.loaded else {
            return answer(*principal == Principal::Console, Vec::new());
        };
        let Some(set) = loaded.slice(principal_kind(principal), *action, resource.kind()) else {
            return answer(false, Vec::new());
        };
        let Some((request, entities)) = request(loaded, principal, *action, resource) else {
            return answer(false, Vec::new());
        };
        let response = self.authorizer.is_authorized(&request, set, &entities);
        let mut policies: Vec<Arc<str>> =
            response.diagnostics().reason().map(|id| Arc::from(id.to_string().as_str())).collect();
        policies.sort_unstable();
        // Cedar leaves out a policy that ends in an error, also one that forbids.
        let failed: Vec<String> = response.diagnostics().errors().map(ToString::to_string).collect();
        if !failed.is_empty() {
            tracing::error!(errors = failed.join("; "), %action, %resource, "a policy could not be evaluated: refused");
        }
        answer(response.decision() == Verdict::Allow && failed.is_empty(), policies)
    }

    fn note(&self, (principal, action, resource): &Question, decision: &Decision) {
        let reads = action.as_str().ends_with(":read") || action.as_str().starts_with("mqtt:");
        if decision.allow && reads {
            return;
        }
        let now = (self.clock)();
        self.recent.note(now, principal, *action, resource, decision);
        if !decision.allow {
            self.denials.note(now, principal.label(), *action, resource, &decision.policies);
        }
    }

    /// Whether a refusal comes from a policy that forbids, not from the lack of one that permits.
    pub(crate) fn is_forbidden(set: &PolicySet, decision: &Decision) -> bool {
        !decision.allow && has_forbid(set, &decision.policies)
    }

    /// Decides without leaving a trace in denials and recent decisions: for compiling grants, where nobody asked.
    pub(crate) fn survey(&self, state: &State, question: &Question) -> Decision {
        let start = Instant::now();
        let decision = self.evaluate(state, question);
        self.metrics.count(&decision, Some(start.elapsed()));
        decision
    }
}

fn request(
    loaded: &Loaded,
    principal: &Principal,
    action: Action,
    resource: &Resource,
) -> Option<(Request, Entities)> {
    let principal = principal_entity(principal)?;
    let resource_uid = uid(resource.kind(), resource.id())?;
    let request =
        Request::new(principal.uid(), action_uid(action)?, resource_uid.clone(), Context::empty(), None)
            .ok()?;
    let mut entities = vec![loaded.action(action)?.clone()];
    // A key that acts on itself is one entity, with what is known about it as the asker.
    if principal.uid() != resource_uid {
        entities.push(resource_entity(resource)?);
    }
    entities.push(principal);
    Some((request, Entities::from_entities(entities, None).ok()?))
}

impl Decider for Inner {
    fn decide(&self, principal: &Principal, action: Action, resource: &Resource) -> Decision {
        Self::decide(self, &(principal.clone(), action, resource.clone()))
    }

    fn epoch(&self) -> PolicyEpoch {
        self.state.load().epoch
    }
}
