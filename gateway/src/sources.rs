//! Rules and dialects in force: loaded from the shipped set or a configured folder, reloaded on change.
//!
//! A set with a mistake never replaces a good one: the last good set stays and the mistake is shown. At the
//! start there is no last good set, so what can be loaded is in force and the rest is told.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::json;
use sitewarden_core::{Action, Permit, Resource};
use sitewarden_detect::{RuleError, RuleSet};
use sitewarden_ingest::Dialects;
use sitewarden_store::{Store, StoreError, WriteError};
use thiserror::Error;
use tokio::sync::watch;

use crate::folder::{self, FolderError};
use crate::{config, embedded};

/// Rules or dialects cannot be loaded; the last good set stays.
#[derive(Debug, Error)]
pub(crate) enum SourceError {
    #[error("the folder cannot be used")]
    Folder(#[source] FolderError),
    #[error("{} of the files have mistakes, the last good set stays; the first: {first}", count)]
    Mistakes { count: usize, first: String },
    #[error("the reload cannot be recorded")]
    Record(#[source] WriteError<StoreError>),
}

/// File name and text.
pub(crate) type Files = Vec<(String, String)>;

/// The files of a folder, or the shipped ones.
pub(crate) fn files(
    dir: Option<&Path>,
    shipped: &[(&str, &str)],
    extensions: &[&str],
) -> Result<Files, FolderError> {
    match dir {
        Some(dir) => folder::read(dir, extensions),
        None => Ok(shipped.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()),
    }
}

/// Rules in force.
pub(crate) struct Rules {
    dir: Option<PathBuf>,
    current: watch::Sender<Arc<RuleSet>>,
    errors: Mutex<Vec<RuleError>>,
}

/// Extensions of rule files.
pub(crate) const RULE_FILES: &[&str] = &["yml", "yaml"];

impl Rules {
    /// Loads what can be loaded.
    pub(crate) fn open(config: &config::Folder) -> Result<Self, FolderError> {
        let (set, errors) = RuleSet::load(&files(config.dir.as_deref(), embedded::RULES, RULE_FILES)?);
        for error in &errors {
            tracing::error!(%error, "a rule was not loaded");
        }
        tracing::info!(rules = set.len(), "rules are in force");
        let (current, _) = watch::channel(Arc::new(set));
        Ok(Self { dir: config.dir.clone(), current, errors: Mutex::new(errors) })
    }

    pub(crate) fn subscribe(&self) -> watch::Receiver<Arc<RuleSet>> {
        self.current.subscribe()
    }

    pub(crate) fn current(&self) -> Arc<RuleSet> {
        Arc::clone(&self.current.borrow())
    }

    /// Mistakes of the last load.
    pub(crate) fn errors(&self) -> Vec<RuleError> {
        self.errors.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn dir(&self) -> Option<&Path> {
        self.dir.as_deref()
    }

    /// Reads the folder again; a good set is recorded in the site log and then in force.
    pub(crate) async fn reload(&self, store: &Store, permit: Permit) -> Result<usize, SourceError> {
        let files = files(self.dir.as_deref(), embedded::RULES, RULE_FILES).map_err(SourceError::Folder)?;
        let (set, errors) = RuleSet::load(&files);
        let first = errors.first().map(ToString::to_string);
        let count = errors.len();
        let body = match &first {
            Some(first) => json!({"loaded": false, "mistakes": count, "first": first}),
            None => json!({"loaded": true, "rules": set.len()}),
        };
        record(store, permit, Action::RuleReload, "rules.reloaded", body).await?;
        *self.errors.lock().unwrap_or_else(PoisonError::into_inner) = errors;
        if let Some(first) = first {
            return Err(SourceError::Mistakes { count, first });
        }
        let rules = set.len();
        self.current.send_replace(Arc::new(set));
        Ok(rules)
    }
}

async fn record(
    store: &Store,
    permit: Permit,
    action: Action,
    kind: &'static str,
    body: serde_json::Value,
) -> Result<(), SourceError> {
    store
        .write("recording a reload", move |tx| {
            let actor = tx.spend(permit, action, &Resource::site())?;
            tx.append(&actor, kind, body).map(|_| ())
        })
        .await
        .map_err(SourceError::Record)
}

/// Dialects in force.
pub(crate) struct DialectFiles {
    dir: Option<PathBuf>,
    current: watch::Sender<Arc<Dialects>>,
    /// The last load had a mistake, or the folder could not be read.
    wrong: AtomicBool,
}

/// Extensions of dialect files.
pub(crate) const DIALECT_FILES: &[&str] = &["toml"];

impl DialectFiles {
    /// Loads what can be loaded.
    pub(crate) fn open(config: &config::Folder) -> Result<Self, FolderError> {
        let (dialects, errors) =
            Dialects::load(&files(config.dir.as_deref(), embedded::DIALECTS, DIALECT_FILES)?);
        for error in &errors {
            tracing::error!(%error, "a dialect was not loaded");
        }
        let (current, _) = watch::channel(Arc::new(dialects));
        Ok(Self { dir: config.dir.clone(), current, wrong: AtomicBool::new(!errors.is_empty()) })
    }

    /// Whether the files on disk are those in force.
    pub(crate) fn are_good(&self) -> bool {
        !self.wrong.load(Ordering::Relaxed)
    }

    pub(crate) fn subscribe(&self) -> watch::Receiver<Arc<Dialects>> {
        self.current.subscribe()
    }

    pub(crate) fn dir(&self) -> Option<&Path> {
        self.dir.as_deref()
    }

    /// Reads the folder again; a good set is recorded in the site log and then in force, a set with a mistake is
    /// recorded and changes nothing.
    pub(crate) async fn reload(&self, store: &Store, permit: Permit) -> Result<usize, SourceError> {
        let read = files(self.dir.as_deref(), embedded::DIALECTS, DIALECT_FILES);
        self.wrong.store(read.is_err(), Ordering::Relaxed);
        let (dialects, errors) = Dialects::load(&read.map_err(SourceError::Folder)?);
        self.wrong.store(!errors.is_empty(), Ordering::Relaxed);
        let first = errors.first().map(ToString::to_string);
        let (count, patterns) = (errors.len(), dialects.patterns());
        let body = match &first {
            Some(first) => json!({"loaded": false, "mistakes": count, "first": first}),
            None => json!({"loaded": true, "patterns": patterns}),
        };
        record(store, permit, Action::DialectReload, "dialects.reloaded", body).await?;
        if let Some(first) = first {
            return Err(SourceError::Mistakes { count, first });
        }
        self.current.send_replace(Arc::new(dialects));
        Ok(patterns)
    }
}
