//! What people do to a finding: acknowledge, close with a reason, reopen.
//!
//! The box's own changes are in `raise`. Invariants: each consumes a permit for this action on this finding; each is
//! one record; a status that does not allow it is refused and changes nothing.

use serde_json::json;
use sitewarden_core::{Action, AssetRef, FindingStatus, Permit, Resource};
use sitewarden_store::{SqlContext, Tx};

use crate::error::FindingError;
use crate::limits::{NOTE_CHARS, TEXT_BYTES};
use crate::rows::{self, Finding, cut};

/// Takes a finding. Allowed while it is open or muted; the actor becomes its assignee.
///
/// # Errors
/// [`FindingError`].
pub fn acknowledge(tx: &Tx<'_>, permit: Permit, id: u64, note: Option<&str>) -> Result<u64, FindingError> {
    let allowed = [FindingStatus::Open, FindingStatus::Muted];
    change(tx, permit, id, &allowed, &Act { to: FindingStatus::Acknowledged, note: optional(note)? })
}

/// Closes a finding with a reason. Allowed in every status but closed.
///
/// # Errors
/// [`FindingError`].
pub fn close(tx: &Tx<'_>, permit: Permit, id: u64, reason: &str) -> Result<u64, FindingError> {
    let allowed =
        [FindingStatus::Open, FindingStatus::Acknowledged, FindingStatus::Muted, FindingStatus::InCase];
    change(tx, permit, id, &allowed, &Act { to: FindingStatus::Closed, note: required(reason)? })
}

/// Opens a closed finding again with a reason.
///
/// # Errors
/// [`FindingError`].
pub fn reopen(tx: &Tx<'_>, permit: Permit, id: u64, reason: &str) -> Result<u64, FindingError> {
    let act = Act { to: FindingStatus::Open, note: required(reason)? };
    change(tx, permit, id, &[FindingStatus::Closed], &act)
}

struct Act<'a> {
    to: FindingStatus,
    note: &'a str,
}

impl Act<'_> {
    const fn action(&self) -> Action {
        match self.to {
            FindingStatus::Acknowledged => Action::FindingAcknowledge,
            FindingStatus::Closed => Action::FindingClose,
            _ => Action::FindingReopen,
        }
    }

    const fn kind(&self) -> &'static str {
        match self.to {
            FindingStatus::Acknowledged => "finding.acknowledged",
            FindingStatus::Closed => "finding.closed",
            _ => "finding.reopened",
        }
    }

    const fn word(&self) -> &'static str {
        match self.to {
            FindingStatus::Acknowledged => "acknowledged",
            FindingStatus::Closed => "closed",
            _ => "reopened",
        }
    }
}

fn change(
    tx: &Tx<'_>,
    permit: Permit,
    id: u64,
    allowed: &[FindingStatus],
    act: &Act<'_>,
) -> Result<u64, FindingError> {
    let actor = tx.spend(permit, act.action(), &Resource::new("Finding", &id.to_string()))?;
    let mut finding = rows::by_id(tx.sql(), id)?;
    if !allowed.contains(&finding.status) {
        return Err(FindingError::WrongStatus { id, status: finding.status, wanted: act.word() });
    }
    finding.status = act.to;
    finding.recorded = tx.now();
    finding.log_seq = tx.next_seq();
    match act.to {
        FindingStatus::Acknowledged => finding.assignee = Some(actor.label()),
        FindingStatus::Open => finding.assignee = None,
        _ => {}
    }
    rows::update(tx, &finding)?;
    let seq = tx.append(&actor, act.kind(), facts(&finding, act.note))?;
    rows::add_history(tx, id, seq, &actor.label(), act.kind(), act.note)?;
    Ok(seq)
}

fn facts(finding: &Finding, note: &str) -> serde_json::Value {
    json!({
        "id": finding.id.to_string(),
        "rule_id": finding.rule_id,
        "title": finding.title,
        "severity": finding.severity,
        "status": finding.status,
        "asset": finding.asset,
        "asset_name": finding.asset_name,
        "count": finding.count,
        "assignee": finding.assignee,
        "demo": finding.demo,
        "note": note,
    })
}

fn optional(note: Option<&str>) -> Result<&str, FindingError> {
    let note = note.unwrap_or_default().trim();
    if note.chars().count() > NOTE_CHARS {
        return Err(FindingError::BadNote("The note is longer than 1 000 characters; shorten it."));
    }
    Ok(note)
}

fn required(reason: &str) -> Result<&str, FindingError> {
    let reason = optional(Some(reason))?;
    if reason.is_empty() {
        return Err(FindingError::BadNote("A reason is needed: say in a few words why."));
    }
    Ok(reason)
}

/// Carries a device's new name into its findings. Called in the commit that renames the device, whose record tells it.
///
/// # Errors
/// [`FindingError::Store`].
pub fn rename_asset(tx: &Tx<'_>, asset: &AssetRef, name: &str) -> Result<(), FindingError> {
    tx.sql()
        .execute(
            "UPDATE finding SET asset_name = ?2 WHERE asset = ?1",
            [asset.as_str(), cut(name, TEXT_BYTES)],
        )
        .doing("renaming the asset of findings")?;
    Ok(())
}
