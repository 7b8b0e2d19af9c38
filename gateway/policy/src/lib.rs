//! Who may do what: Cedar policies with a schema, decisions, grants for MQTT, and why.
//!
//! The binary puts [`Policies`] into the gate as its decider, compiles [`Grants`] into the broker's trie at CONNECT and
//! whenever the epoch moves, and tells [`Policies::entities_changed`] when a role or a trust changes.
//! It knows neither people nor devices: their role and trust come with the question.
//! Invariants: no decision, an error or a missing set means deny, but for the console; a set with a mistake is never
//! in force; no answer outlives the policies and entities that it was decided under.

pub mod limits;

mod decide;
mod denials;
mod error;
mod files;
mod grants;
mod load;
mod metrics;
mod recent;
mod routes;
mod spaces;
mod vocabulary;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use cedar_policy::Authorizer;
use serde_json::json;
use sitewarden_core::error::chain;
use sitewarden_core::gate::PolicyEpoch;
use sitewarden_core::{Action, Decider, Gate, Permit, Principal, Resource, Timestamp};
use sitewarden_store::{Clock, Store, StoreError, WriteError};
use tokio::sync::watch;

use crate::decide::{Inner, State};
use crate::files::Files;
use crate::load::Loaded;

pub use denials::{Denial, record as record_denials};
pub use error::PolicyError;
pub use grants::Grants;
pub use metrics::PolicyFigures;
pub use recent::Explained;
pub use routes::{Deps, routes};

/// The policies in force. Cheap to clone; all clones are the same.
#[derive(Clone)]
pub struct Policies {
    inner: Arc<Inner>,
}

impl std::fmt::Debug for Policies {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Policies").field("epoch", &self.epoch()).finish_non_exhaustive()
    }
}

/// What a reload came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reloaded {
    /// The files are those in force.
    Unchanged,
    /// A new set is in force since this epoch.
    Changed(PolicyEpoch),
}

impl Policies {
    /// Loads the shipped set, or the folder that replaces it. A set with a mistake leaves no policy in force, so that
    /// all but the console is refused; [`Policies::error`] says what is wrong.
    #[must_use]
    pub fn open(dir: Option<PathBuf>, clock: Clock) -> Self {
        let (loaded, error) = match load(dir.as_ref()) {
            Ok(loaded) => (Some(Arc::new(loaded)), None),
            Err(error) => {
                let text = chain(&error);
                tracing::error!(error = text, "no policies are in force: all but the console is refused");
                (None, Some(text))
            }
        };
        let epoch = PolicyEpoch(1);
        let inner = Inner {
            state: ArcSwap::from_pointee(State::new(epoch, loaded)),
            epochs: watch::channel(epoch).0,
            changing: Mutex::default(),
            dir,
            error: Mutex::new(error),
            clock,
            metrics: metrics::Metrics::default(),
            recent: recent::Recent::default(),
            denials: denials::Denials::default(),
            authorizer: Authorizer::new(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Checks a folder (or the shipped set) without putting it in force: for `check-config`.
    ///
    /// # Errors
    /// [`PolicyError`] with file, line and what would be right.
    pub fn check(dir: Option<&PathBuf>) -> Result<(), PolicyError> {
        load(dir).map(|_| ())
    }

    /// As the gate's decider.
    #[must_use]
    pub fn decider(&self) -> Arc<dyn Decider> {
        Arc::clone(&self.inner) as Arc<dyn Decider>
    }

    /// The epoch in force now; for `Store::set_epoch_source`.
    #[must_use]
    pub fn epoch(&self) -> PolicyEpoch {
        Decider::epoch(&*self.inner)
    }

    /// The epoch, moving.
    #[must_use]
    pub fn epochs(&self) -> watch::Receiver<PolicyEpoch> {
        self.inner.epochs.subscribe()
    }

    /// A role, a trust or another fact that policies look at has changed: no earlier decision counts any more.
    pub fn entities_changed(&self) {
        self.inner.advance(None);
    }

    /// Whether any set is in force.
    #[must_use]
    pub fn is_loaded(&self) -> bool {
        self.inner.state.load().loaded.is_some()
    }

    /// What is wrong with the files; `None` when the last load went well.
    #[must_use]
    pub fn error(&self) -> Option<String> {
        self.inner.error.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What a client may on which topics.
    #[must_use]
    pub fn grants(&self, principal: &Principal, client: &str) -> Grants {
        grants::compile(&self.inner, principal, client)
    }

    /// Whether the policies would allow it, without a trace in refusals and recent decisions: for leaving out what somebody
    /// may not see, where nobody asked for it. Never instead of a permit.
    #[must_use]
    pub fn would_allow(&self, principal: &Principal, action: Action, resource: &Resource) -> bool {
        let state = self.inner.state.load();
        self.inner.survey(&state, &(principal.clone(), action, resource.clone())).allow
    }

    /// Notes a refusal that was not decided here: a packet that the compiled grants refused. Counted, aggregated and
    /// recorded like every other.
    pub fn note_denial(&self, principal: &Principal, action: Action, resource: &Resource) {
        self.inner.denials.note((self.inner.clock)(), principal.label(), action, resource, &[]);
    }

    /// Figures by policy, for the metrics.
    #[must_use]
    pub fn figures(&self) -> BTreeMap<Arc<str>, PolicyFigures> {
        self.inner.metrics.snapshot()
    }

    /// The last explained decisions, newest first.
    #[must_use]
    pub fn recent(&self) -> Vec<Explained> {
        self.inner.recent.list()
    }

    /// Takes the refusals of past minutes (with `all`, at shutdown, of the present one too), to be written by
    /// [`record_denials`] and told to the rules by [`Denial::event`].
    #[must_use]
    pub fn take_denials(&self, now: Timestamp, all: bool) -> Vec<Denial> {
        self.inner.denials.take(now, all)
    }

    /// Gives back refusals that could not be written.
    pub fn put_back_denials(&self, denials: Vec<Denial>) {
        self.inner.denials.put_back(denials);
    }

    /// Takes, records and returns the refusals of past minutes: what the binary calls about once a minute.
    ///
    /// # Errors
    /// [`WriteError`]; then the refusals wait for the next call.
    pub async fn flush_denials(
        &self,
        store: &Store,
        gate: &Gate,
        now: Timestamp,
        all: bool,
    ) -> Result<Vec<Denial>, WriteError<StoreError>> {
        let denials = self.take_denials(now, all);
        if denials.is_empty() {
            return Ok(denials);
        }
        let permit = gate.system("denials", Action::DenialRecord, Resource::site());
        let batch = denials.clone();
        match store.write("recording refusals", move |tx| record_denials(tx, permit, &batch)).await {
            Ok(()) => Ok(denials),
            Err(error) => {
                self.put_back_denials(denials);
                Err(error)
            }
        }
    }

    /// Reads the files again. A good set is recorded in the site log and then in force; a bad one is recorded as
    /// refused and the last good one stays. The permit is for `policy:reload` on the site. Files that did
    /// not change cost nothing and leave no record, unless a person asked (`always_record`).
    ///
    /// # Errors
    /// [`PolicyError`] for a set with a mistake, or when the store refuses.
    pub async fn reload(
        &self,
        store: &Store,
        permit: Permit,
        always_record: bool,
    ) -> Result<Reloaded, WriteError<PolicyError>> {
        const WHAT: &str = "loading policies";
        let dir = self.inner.dir.clone();
        let loaded = tokio::task::spawn_blocking(move || load(dir.as_ref()))
            .await
            .map_err(|error| WriteError::Panicked { what: WHAT, message: error.to_string() })?;
        let told = loaded.as_ref().err().map(|error| chain(error));
        let digest = loaded.as_ref().ok().map(|loaded| loaded.digest.clone());
        let in_force = self.inner.state.load().loaded.as_ref().map(|loaded| loaded.digest.clone());
        let unchanged = digest.is_some() && digest == in_force;
        let repeated = told.is_some() && told == self.error();
        if always_record || !(unchanged || repeated) {
            let files: Vec<String> = loaded
                .as_ref()
                .map(|loaded| loaded.files.iter().map(|file| file.name.clone()).collect())
                .unwrap_or_default();
            let (kind, body) = told.as_ref().map_or_else(
                || ("policy.reloaded", json!({ "files": files, "sha256": digest, "changed": !unchanged })),
                |error| ("policy.refused", json!({ "error": error })),
            );
            store
                .write(WHAT, move |tx| {
                    let actor = tx.spend(permit, Action::PolicyReload, &Resource::site())?;
                    tx.append(&actor, kind, body)?;
                    Ok::<_, PolicyError>(())
                })
                .await?;
        }
        *self.inner.error.lock().unwrap_or_else(PoisonError::into_inner) = told;
        match loaded {
            Err(source) => Err(WriteError::Failed { what: WHAT, source }),
            Ok(_) if unchanged => Ok(Reloaded::Unchanged),
            Ok(loaded) => {
                let epoch = self.inner.advance(Some(Arc::new(loaded)));
                tracing::info!(epoch = epoch.0, "policies were loaded");
                Ok(Reloaded::Changed(epoch))
            }
        }
    }
}

fn load(dir: Option<&PathBuf>) -> Result<Loaded, PolicyError> {
    let files = dir.map_or_else(|| Ok(Files::shipped()), |dir| Files::read(dir))?;
    Loaded::parse(&files)
}

#[cfg(test)]
mod tests;
