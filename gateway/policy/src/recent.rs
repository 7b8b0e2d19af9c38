//! The last explained decisions: refusals and allowed changes, repeats counted.
//!
//! For people who ask "why"; the durable record is the site log. Invariant: at most
//! [`crate::limits::RECENT_DECISIONS`] entries.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use sitewarden_core::{Action, Decision, Principal, Resource, Timestamp};

use crate::limits::RECENT_DECISIONS;

/// One decision with its reasons.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explained {
    /// When it was last decided so.
    pub time: Timestamp,
    /// Who asked, as the site log names them.
    pub principal: String,
    /// What was asked for.
    pub action: Action,
    /// On what.
    pub resource: Resource,
    /// Whether it was allowed.
    pub allow: bool,
    /// The policies that determined it; empty for "no policy allows it".
    pub policies: Vec<Arc<str>>,
    /// How often in a row.
    pub count: u64,
}

/// The entries, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Recent(Mutex<VecDeque<Explained>>);

impl Recent {
    pub(crate) fn note(
        &self,
        now: Timestamp,
        principal: &Principal,
        action: Action,
        resource: &Resource,
        decision: &Decision,
    ) {
        let principal = principal.label();
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let same = entries.iter().rposition(|entry| {
            entry.action == action
                && entry.allow == decision.allow
                && entry.resource == *resource
                && entry.principal == principal
                && entry.policies == decision.policies
        });
        let mut entry = same.and_then(|index| entries.remove(index)).unwrap_or_else(|| Explained {
            time: now,
            principal,
            action,
            resource: resource.clone(),
            allow: decision.allow,
            policies: decision.policies.clone(),
            count: 0,
        });
        entry.time = now;
        entry.count = entry.count.saturating_add(1);
        if entries.len() >= RECENT_DECISIONS {
            entries.pop_front();
        }
        entries.push_back(entry);
    }

    /// Newest first.
    pub(crate) fn list(&self) -> Vec<Explained> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().rev().cloned().collect()
    }
}
