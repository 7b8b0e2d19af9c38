//! From drafts to rows: dedup, counting, reopening, clearing.
//!
//! The drafts of one batch are folded per dedup key first, so that a thousand repeats in one commit cost one row
//! and one record. Invariants: one row per key; a raised, reopened or cleared finding has a record in the same commit; a
//! repeat has one at most each [`RECORD_EVERY`], and always when the severity rises. What a device signed itself always
//! has a record of its own with the signed bytes, whatever it changes.

use std::collections::HashMap;
use std::sync::Arc;

use rusqlite::params;
use serde_json::json;
use sha2::{Digest, Sha256};
use sitewarden_core::{Action, AssetRef, FindingDraft, FindingStatus, Permit, Resource, Timestamp};
use sitewarden_store::{Actor, SqlContext, Tx};

use crate::error::FindingError;
use crate::evidence::{self, Part};
use crate::limits::{FINDINGS, FLAPS, KEY_BYTES, RECORD_EVERY, TECHNIQUES, TEXT_BYTES};
use crate::rows::{self, Finding, cut};

/// What is known about an asset by whoever owns the inventory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct About {
    /// Its name for people; empty takes the id.
    pub name: String,
    /// Whether it is a device of the demo.
    pub demo: bool,
}

/// What a draft did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The first of its key.
    New,
    /// One more of a finding that is not closed.
    Repeated,
    /// It was closed and is open again.
    Reopened,
    /// The condition ended; it is closed.
    Cleared,
}

/// One finding that drafts touched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Raised {
    /// The finding.
    pub id: u64,
    /// What happened to it.
    pub outcome: Outcome,
    /// Its newest site-log record; for a repeat without a record of its own, the one before.
    pub seq: u64,
}

/// Stores a batch of drafts. The permit is for `finding:raise` on the site; `about` names assets.
///
/// # Errors
/// [`FindingError::Store`]; then the caller's closure must fail as a whole.
pub fn raise(
    tx: &Tx<'_>,
    permit: Permit,
    drafts: &[FindingDraft],
    about: &dyn Fn(&AssetRef) -> About,
) -> Result<Vec<Raised>, FindingError> {
    let actor = tx.spend(permit, Action::FindingRaise, &Resource::site())?;
    let mut raised = Vec::new();
    for run in fold(drafts) {
        let known = rows::by_key(tx, &run.key)?;
        let batch = Batch { tx, actor: &actor, run: &run, about };
        raised.extend(match (known, run.cleared) {
            (None, true) => batch.note()?,
            (None, false) => Some(batch.insert()?),
            (Some(finding), true) => batch.clear(finding)?,
            (Some(finding), false) => Some(batch.repeat(finding)?),
        });
    }
    Ok(raised)
}

/// Consecutive drafts of one key that do the same.
struct Run<'a> {
    key: Arc<str>,
    cleared: bool,
    count: u64,
    first_seen: Timestamp,
    last_seen: Timestamp,
    first: &'a FindingDraft,
    latest: &'a FindingDraft,
}

/// Folds drafts per key, in the order of their first appearance; a clear between two matches keeps them apart.
fn fold(drafts: &[FindingDraft]) -> Vec<Run<'_>> {
    let mut runs: Vec<Run<'_>> = Vec::new();
    let mut last_run: HashMap<&str, usize> = HashMap::new();
    for draft in drafts {
        let open = last_run.get(&*draft.dedup_key).and_then(|&place| runs.get_mut(place));
        match open {
            Some(run)
                if run.cleared == draft.cleared && !run.signed() && draft.evidence.statement.is_none() =>
            {
                run.count += 1;
                run.first_seen = run.first_seen.min(draft.time);
                run.last_seen = run.last_seen.max(draft.time);
                run.latest = draft;
            }
            _ => {
                last_run.insert(&draft.dedup_key, runs.len());
                runs.push(Run {
                    key: bounded_key(&draft.dedup_key),
                    cleared: draft.cleared,
                    count: 1,
                    first_seen: draft.time,
                    last_seen: draft.time,
                    first: draft,
                    latest: draft,
                });
            }
        }
    }
    runs
}

fn bounded_key(key: &Arc<str>) -> Arc<str> {
    if key.len() <= KEY_BYTES {
        return Arc::clone(key);
    }
    let hash: [u8; 32] = Sha256::digest(key.as_bytes()).into();
    format!("sha256:{}", sitewarden_store::site_log::verify::hex(&hash)).into()
}

impl Run<'_> {
    const fn signed(&self) -> bool {
        self.latest.evidence.statement.is_some()
    }
}

struct Batch<'a> {
    tx: &'a Tx<'a>,
    actor: &'a Actor,
    run: &'a Run<'a>,
    about: &'a dyn Fn(&AssetRef) -> About,
}

impl Batch<'_> {
    fn insert(&self) -> Result<Raised, FindingError> {
        if !make_room(self.tx)? {
            return self.overflow();
        }
        self.insert_as(&self.run.key, &self.run.latest.title)
    }

    /// No room and nothing closed: one finding per rule stands for all that has no row of its own.
    fn overflow(&self) -> Result<Raised, FindingError> {
        let key = format!("overflow:{}", cut(&self.run.latest.rule_id, KEY_BYTES));
        match rows::by_key(self.tx, &key)? {
            Some(finding) => self.repeat(finding),
            None => {
                let title = format!("More findings than the box keeps: {}", self.run.latest.title);
                self.insert_as(&key, &title)
            }
        }
    }

    fn insert_as(&self, key: &str, title: &str) -> Result<Raised, FindingError> {
        let draft = self.run.latest;
        let (name, demo) = self.name_of(draft.asset.as_ref());
        let techniques: Vec<&str> = draft.techniques.iter().take(TECHNIQUES).map(AsRef::as_ref).collect();
        let seq = self.tx.next_seq();
        self.tx
            .sql()
            .prepare_cached(
                "INSERT INTO finding (dedup_key, rule_id, title, summary, severity, status, asset, asset_name, techniques,
                    first_seen, last_seen, listed, raised, recorded, count, changes, changes_since, assignee, demo, log_seq)
                 VALUES (?1, ?2, ?3, ?4, ?5, 'open', ?6, ?7, ?8, ?9, ?10, ?10, ?11, ?11, ?12, 1, ?11, NULL, ?13, ?14)",
            )
            .doing("preparing a finding")?
            .execute(params![
                key,
                cut(&draft.rule_id, TEXT_BYTES),
                cut(title, TEXT_BYTES),
                cut(&draft.evidence.reason, TEXT_BYTES),
                rows::severity_number(draft.severity),
                draft.asset.as_ref().map(AssetRef::as_str),
                name,
                serde_json::to_string(&techniques).unwrap_or_else(|_| "[]".to_owned()),
                self.run.first_seen.micros(),
                self.run.last_seen.micros(),
                self.tx.now().micros(),
                self.run.count,
                demo,
                seq,
            ])
            .doing("inserting a finding")?;
        let id = u64::try_from(self.tx.sql().last_insert_rowid()).unwrap_or_default();
        self.tx
            .sql()
            .prepare_cached("UPDATE finding_total SET findings = findings + 1 WHERE id = 1")
            .and_then(|mut statement| statement.execute([]))
            .doing("counting findings")?;
        let (_, json) = evidence::bounded(&self.run.first.evidence);
        evidence::put(self.tx, id, Part::First, &json)?;
        let finding = rows::by_id(self.tx.sql(), id)?;
        self.record(&finding, "finding.raised")?;
        Ok(Raised { id, outcome: Outcome::New, seq })
    }

    fn repeat(&self, mut finding: Finding) -> Result<Raised, FindingError> {
        let now = self.tx.now();
        let draft = self.run.latest;
        let reopened = finding.status == FindingStatus::Closed;
        let worse = draft.severity > finding.severity;
        let due = now.since(finding.recorded) >= RECORD_EVERY || now < finding.recorded;
        finding.count = finding.count.saturating_add(self.run.count);
        finding.first_seen = finding.first_seen.min(self.run.first_seen);
        finding.last_seen = finding.last_seen.max(self.run.last_seen);
        finding.severity = finding.severity.max(draft.severity);
        if reopened {
            finding.status = FindingStatus::Open;
            finding.severity = draft.severity;
            count_change(&mut finding, now);
        }
        if reopened || worse || due || self.run.signed() {
            finding.summary = cut(&draft.evidence.reason, TEXT_BYTES).to_owned();
            finding.asset_name = self.name_of(finding.asset.as_ref()).0;
            finding.recorded = now;
            finding.log_seq = self.tx.next_seq();
            rows::update(self.tx, &finding)?;
            self.record(&finding, if reopened { "finding.reopened" } else { "finding.repeated" })?;
        } else {
            rows::count(self.tx, &finding)?;
        }
        let outcome = if reopened { Outcome::Reopened } else { Outcome::Repeated };
        Ok(Raised { id: finding.id, outcome, seq: finding.log_seq })
    }

    fn clear(&self, mut finding: Finding) -> Result<Option<Raised>, FindingError> {
        let now = self.tx.now();
        if finding.status == FindingStatus::Closed {
            return self.note();
        }
        // How often a device may sign is bounded on its line.
        let flaps = finding.changes >= FLAPS && now.since(finding.changes_since) < RECORD_EVERY;
        if flaps && !self.run.signed() {
            tracing::debug!(finding = finding.id, "a finding that flaps is not cleared in this minute");
            return Ok(None);
        }
        count_change(&mut finding, now);
        finding.status = FindingStatus::Closed;
        finding.summary = cut(&self.run.latest.evidence.reason, TEXT_BYTES).to_owned();
        finding.recorded = now;
        finding.log_seq = self.tx.next_seq();
        rows::update(self.tx, &finding)?;
        self.record(&finding, "finding.cleared")?;
        Ok(Some(Raised { id: finding.id, outcome: Outcome::Cleared, seq: finding.log_seq }))
    }

    /// What a device signed and what changes nothing is kept in the log all the same.
    fn note(&self) -> Result<Option<Raised>, FindingError> {
        let draft = self.run.latest;
        if let Some(statement) = &draft.evidence.statement {
            let body = json!({
                "rule_id": cut(&draft.rule_id, TEXT_BYTES),
                "asset": draft.asset,
                "cleared": draft.cleared,
                "statement": statement,
            });
            self.tx.append(self.actor, "agent.statement", body)?;
        }
        Ok(None)
    }

    /// The record, the latest evidence and the line of history that belong to one change.
    fn record(&self, finding: &Finding, kind: &str) -> Result<(), FindingError> {
        let (mut kept, json) = evidence::bounded(&self.run.latest.evidence);
        evidence::put(self.tx, finding.id, Part::Latest, &json)?;
        // The rule's text is the same in each of its findings; the log names the rule instead.
        kept.rule_source.clear();
        let statement = kept.statement.take();
        let mut body = json!({
            "id": finding.id.to_string(),
            "rule_id": finding.rule_id,
            "title": finding.title,
            "summary": finding.summary,
            "severity": finding.severity,
            "status": finding.status,
            "asset": finding.asset,
            "asset_name": finding.asset_name,
            "techniques": finding.techniques,
            "first_seen": finding.first_seen,
            "last_seen": finding.last_seen,
            "count": finding.count,
            "demo": finding.demo,
            "evidence": kept,
        });
        if let (Some(statement), Some(body)) = (statement, body.as_object_mut()) {
            body.insert("statement".to_owned(), json!(statement));
        }
        let seq = self.tx.append(self.actor, kind, body)?;
        rows::add_history(self.tx, finding.id, seq, &self.actor.label(), kind, &finding.summary)
    }

    fn name_of(&self, asset: Option<&AssetRef>) -> (String, bool) {
        let Some(asset) = asset else {
            return ("the box".to_owned(), false);
        };
        let about = (self.about)(asset);
        let name = if about.name.is_empty() { asset.as_str() } else { &about.name };
        (cut(name, TEXT_BYTES).to_owned(), about.demo)
    }
}

/// Counts a change of state by the box itself within the current minute.
fn count_change(finding: &mut Finding, now: Timestamp) {
    if now.since(finding.changes_since) >= RECORD_EVERY || now < finding.changes_since {
        finding.changes = 0;
        finding.changes_since = now;
    }
    finding.changes += 1;
}

/// True when a new row may be inserted, after removing the oldest closed one if need be.
fn make_room(tx: &Tx<'_>) -> Result<bool, FindingError> {
    let total: u64 = tx
        .sql()
        .prepare_cached("SELECT findings FROM finding_total WHERE id = 1")
        .and_then(|mut statement| statement.query_row([], |row| row.get(0)))
        .doing("counting findings")?;
    if total < FINDINGS {
        return Ok(true);
    }
    let removed = tx
        .sql()
        .execute(
            "DELETE FROM finding WHERE id = (SELECT id FROM finding WHERE status = 'closed' ORDER BY last_seen LIMIT 1)",
            [],
        )
        .doing("removing the oldest closed finding")?;
    tx.sql()
        .execute("UPDATE finding_total SET findings = findings - ?1 WHERE id = 1", [removed])
        .doing("counting findings")?;
    Ok(removed > 0)
}
