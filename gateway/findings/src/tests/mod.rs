//! Findings over a real store: dedup, lifecycle, records, lists, routes.
//!
//! Shared builders live here; each file is one subject. The clock is moved by hand, nothing sleeps.

mod lifecycle;
mod lists;
mod raising;
mod signed;
mod web;

use sitewarden_core::finding::{EvidenceAtom, EvidenceEvent};
use sitewarden_core::{Action, AssetRef, Evidence, FindingDraft, Resource, Severity, Timestamp};
use sitewarden_store::site_log::{self, Page, Record};
use sitewarden_store::testing::{TestStore, gate};

use crate::{About, MIGRATIONS, Raised, raise};

pub(super) fn store() -> TestStore {
    TestStore::new(&[MIGRATIONS])
}

/// A draft of the rule `cold-room` about one asset.
pub(super) fn draft(asset: &str, seconds: i64) -> FindingDraft {
    FindingDraft {
        dedup_key: format!("cold-room/{asset}").into(),
        rule_id: "cold-room".into(),
        title: "Cold room too warm".into(),
        asset: Some(AssetRef::new(asset)),
        severity: Severity::High,
        techniques: vec!["T0856".into()],
        time: Timestamp::from_seconds(seconds),
        evidence: Evidence {
            reason: format!("9.1 Cel for 5 min at {seconds}"),
            rule_source: "title: Cold room too warm".to_owned(),
            atoms: vec![EvidenceAtom {
                selection: "high".to_owned(),
                field: "value".to_owned(),
                test: "gt 8".to_owned(),
                value: "9.1".to_owned(),
                matched: true,
                line: 5,
            }],
            events: vec![EvidenceEvent {
                time: Timestamp::from_seconds(seconds),
                fields: serde_json::json!({ "device_id": asset, "value": 9.1 }),
            }],
            window: None,
            statement: None,
        },
        cleared: false,
    }
}

pub(super) fn clear(asset: &str, seconds: i64) -> FindingDraft {
    FindingDraft { cleared: true, ..draft(asset, seconds) }
}

pub(super) fn about(asset: &AssetRef) -> About {
    About { name: format!("Name of {asset}"), demo: asset.as_str().starts_with("demo:") }
}

/// Raises drafts as the pipeline does, in one commit.
pub(super) fn put(test: &TestStore, drafts: &[FindingDraft]) -> Vec<Raised> {
    let permit = gate().system("pipeline", Action::FindingRaise, Resource::site());
    let drafts = drafts.to_vec();
    test.store.write_blocking("raising", move |tx| raise(tx, permit, &drafts, &about)).expect("raised")
}

pub(super) fn records(test: &TestStore) -> Vec<Record> {
    match test.store.read_blocking(|conn| site_log::read(conn, 0, 1_000)).expect("read") {
        Page::Records(records) => records,
        Page::Reset { .. } => panic!("nothing was pruned"),
    }
}

pub(super) fn kinds(test: &TestStore) -> Vec<String> {
    records(test).into_iter().map(|record| record.kind).collect()
}
