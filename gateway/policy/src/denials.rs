//! Refusals, added up until they are recorded: one record per principal, action and minute.
//!
//! Nobody fills the disk by being refused. Invariants: what could not be written is put back; at most
//! [`crate::limits::WAITING_DENIALS`] wait, the rest is counted under the principal `others`.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::json;
use sitewarden_core::{Action, Event, LogSource, Permit, Resource, Timestamp, Value};
use sitewarden_store::{StoreError, Tx};

use crate::limits::WAITING_DENIALS;

const MINUTE: i64 = 60 * 1_000_000;

/// Refusals of one principal for one action within one minute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denial {
    /// Who was refused, as the site log names them; `others` beyond the bound.
    pub principal: Arc<str>,
    /// What was asked for.
    pub action: Action,
    /// On what the last time.
    pub resource: Resource,
    /// The forbidding policies of the last time.
    pub policies: Vec<Arc<str>>,
    /// First refusal.
    pub first: Timestamp,
    /// Last refusal.
    pub last: Timestamp,
    /// How many.
    pub count: u64,
}

type Key = (i64, Arc<str>, Action);

/// Refusals that wait.
#[derive(Debug, Default)]
pub(crate) struct Denials(Mutex<BTreeMap<Key, Denial>>);

impl Denials {
    pub(crate) fn note(
        &self,
        now: Timestamp,
        principal: String,
        action: Action,
        resource: &Resource,
        policies: &[Arc<str>],
    ) {
        self.add(Denial {
            principal: principal.into(),
            action,
            resource: resource.clone(),
            policies: policies.to_vec(),
            first: now,
            last: now,
            count: 1,
        });
    }

    fn add(&self, mut denial: Denial) {
        let minute = denial.first.micros().div_euclid(MINUTE);
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut key = (minute, Arc::clone(&denial.principal), denial.action);
        if waiting.len() >= WAITING_DENIALS && !waiting.contains_key(&key) {
            denial.principal = "others".into();
            key.1 = Arc::clone(&denial.principal);
        }
        if let Some(known) = waiting.get_mut(&key) {
            known.count = known.count.saturating_add(denial.count);
            known.first = known.first.min(denial.first);
            known.last = known.last.max(denial.last);
            known.resource = denial.resource;
            known.policies = denial.policies;
        } else {
            waiting.insert(key, denial);
        }
    }

    /// Takes what belongs to minutes before this one; with `all` the present minute too.
    pub(crate) fn take(&self, now: Timestamp, all: bool) -> Vec<Denial> {
        let minute = now.micros().div_euclid(MINUTE);
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // A clock that went back must not keep later minutes waiting for ever.
        let (taken, kept) =
            std::mem::take(&mut *waiting).into_iter().partition(|((of, _, _), _)| all || *of != minute);
        *waiting = kept;
        let taken: BTreeMap<Key, Denial> = taken;
        taken.into_values().collect()
    }

    pub(crate) fn put_back(&self, denials: Vec<Denial>) {
        for denial in denials {
            self.add(denial);
        }
    }
}

/// Appends one record `policy.denied` each to the site log. The permit is for `denial:record` on the site.
///
/// # Errors
/// [`StoreError`].
pub fn record(tx: &Tx<'_>, permit: Permit, denials: &[Denial]) -> Result<(), StoreError> {
    let actor = tx.spend(permit, Action::DenialRecord, &Resource::site())?;
    for denial in denials {
        let policies: Vec<&str> = denial.policies.iter().map(AsRef::as_ref).collect();
        tx.append(
            &actor,
            "policy.denied",
            json!({
                "principal": &*denial.principal,
                "action": denial.action.as_str(),
                "resource": denial.resource.to_string(),
                "policies": policies,
                "count": denial.count,
                "first": denial.first,
                "last": denial.last,
            }),
        )?;
    }
    Ok(())
}

impl Denial {
    /// As an event for the rules: product `sitewarden`, service `policy`.
    #[must_use]
    pub fn event(&self) -> Event {
        let count = i64::try_from(self.count).unwrap_or(i64::MAX);
        Event {
            source: LogSource::own("policy"),
            asset: None,
            time: self.last,
            received: self.last,
            fields: vec![
                ("action".into(), "denied".into()),
                ("principal".into(), Value::Text(Arc::clone(&self.principal))),
                ("operation".into(), self.action.as_str().into()),
                ("resource".into(), self.resource.to_string().as_str().into()),
                ("count".into(), count.into()),
            ],
        }
    }
}
