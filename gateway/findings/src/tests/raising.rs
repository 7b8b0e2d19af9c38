//! From drafts to rows and records.
//!
//! What people do is in `lifecycle`. Invariant under test: one row per key, records in the same commit, repeats bounded.

use std::time::Duration;

use sitewarden_core::{FindingDraft, FindingStatus, Permit, Severity, Timestamp};
use sitewarden_store::testing::{TestStore, gate};

use super::{about, clear, draft, kinds, put, records, store};
use crate::limits::{FLAPS, KEY_BYTES, RECORD_EVERY};
use crate::{DetailView, Outcome, Raised, detail, raise};

fn get(test: &TestStore, id: u64) -> DetailView {
    test.store.read_blocking(move |conn| detail(conn, id)).expect("there")
}

#[test]
fn the_first_draft_makes_a_finding_with_its_record_and_evidence() {
    let test = store();
    let [raised] = put(&test, &[draft("mqtt:cold-1", 100)])[..] else { panic!("one") };
    assert_eq!(raised, Raised { id: 1, outcome: Outcome::New, seq: 1 });

    let found = get(&test, 1);
    assert_eq!(found.finding.asset_name, "Name of mqtt:cold-1");
    assert_eq!((found.finding.count, found.finding.status), (1, FindingStatus::Open));
    assert_eq!(found.evidence.atoms[0].test, "gt 8");
    assert_eq!(found.evidence.rule_source, "title: Cold room too warm");
    assert_eq!(found.first_evidence, None, "the first is the latest");
    assert_eq!((found.log_seq.0, found.history.len(), found.techniques), (1, 1, vec!["T0856".to_owned()]));

    let record = &records(&test)[0];
    assert_eq!(record.kind, "finding.raised");
    assert_eq!(record.body["actor"], "system:pipeline");
    assert_eq!(record.body["id"], "1");
    assert_eq!(record.body["evidence"]["events"][0]["fields"]["value"], 9.1);
    assert_eq!(record.body["evidence"]["rule_source"], "", "the rule's text is not repeated in the log");
}

#[test]
fn repeats_count_and_write_at_most_one_record_a_minute() {
    let test = store();
    put(&test, &[draft("a", 100)]);
    for second in 101..150 {
        let raised = put(&test, &[draft("a", second)]);
        assert_eq!(raised, [Raised { id: 1, outcome: Outcome::Repeated, seq: 1 }]);
    }
    assert_eq!(kinds(&test), ["finding.raised"]);
    let found = get(&test, 1).finding;
    assert_eq!((found.count, found.last_seen), (50, Timestamp::from_seconds(149)));

    test.forward(RECORD_EVERY);
    assert_eq!(put(&test, &[draft("a", 200)])[0].seq, 2);
    assert_eq!(kinds(&test), ["finding.raised", "finding.repeated"]);
    assert_eq!(records(&test)[1].body["count"], 51);
    let found = get(&test, 1);
    assert_eq!(found.evidence.reason, "9.1 Cel for 5 min at 200");
    assert_eq!(found.first_evidence.expect("differs now").reason, "9.1 Cel for 5 min at 100");
}

#[test]
fn a_thousand_repeats_in_one_batch_are_one_row_and_one_record() {
    let test = store();
    let drafts: Vec<FindingDraft> = (0..1_000).map(|second| draft("a", second)).collect();
    let raised = put(&test, &drafts);
    assert_eq!(raised, [Raised { id: 1, outcome: Outcome::New, seq: 1 }]);
    let found = get(&test, 1);
    assert_eq!(found.finding.count, 1_000);
    assert_eq!(found.finding.first_seen, Timestamp::from_seconds(0));
    assert_eq!(found.evidence.reason, "9.1 Cel for 5 min at 999");
    assert_eq!(found.first_evidence.expect("differs").reason, "9.1 Cel for 5 min at 0");
}

#[test]
fn a_worse_match_is_recorded_at_once_and_a_milder_one_does_not_lower_the_severity() {
    let test = store();
    put(&test, &[draft("a", 1)]);
    put(&test, &[FindingDraft { severity: Severity::Critical, ..draft("a", 2) }]);
    put(&test, &[FindingDraft { severity: Severity::Low, ..draft("a", 3) }]);
    assert_eq!(kinds(&test), ["finding.raised", "finding.repeated"]);
    assert_eq!(get(&test, 1).finding.severity, Severity::Critical);
}

#[test]
fn out_of_order_matches_widen_the_span_and_never_shrink_it() {
    let test = store();
    put(&test, &[draft("a", 100)]);
    put(&test, &[draft("a", 50)]);
    let found = get(&test, 1).finding;
    assert_eq!(
        (found.first_seen, found.last_seen),
        (Timestamp::from_seconds(50), Timestamp::from_seconds(100))
    );
}

#[test]
fn a_clear_closes_with_a_record_and_the_next_match_reopens() {
    let test = store();
    put(&test, &[draft("a", 1)]);
    assert_eq!(put(&test, &[clear("a", 2)]), [Raised { id: 1, outcome: Outcome::Cleared, seq: 2 }]);
    assert_eq!(get(&test, 1).finding.status, FindingStatus::Closed);
    assert_eq!(put(&test, &[clear("a", 3)]), [], "already closed");
    assert_eq!(put(&test, &[clear("never-seen", 3)]), [], "nothing to clear");
    assert_eq!(put(&test, &[draft("a", 4)]), [Raised { id: 1, outcome: Outcome::Reopened, seq: 3 }]);
    assert_eq!(kinds(&test), ["finding.raised", "finding.cleared", "finding.reopened"]);
    assert_eq!(get(&test, 1).finding.count, 2, "clearing is not a match");
}

#[test]
fn the_order_of_match_and_clear_within_a_batch_is_kept() {
    let test = store();
    let raised = put(&test, &[draft("a", 1), draft("b", 1), clear("a", 2), draft("a", 3), clear("b", 4)]);
    let outcomes: Vec<_> = raised.iter().map(|raised| (raised.id, raised.outcome)).collect();
    assert_eq!(
        outcomes,
        [
            (1, Outcome::New),
            (2, Outcome::New),
            (1, Outcome::Cleared),
            (1, Outcome::Reopened),
            (2, Outcome::Cleared)
        ]
    );
}

#[test]
fn a_finding_that_flaps_stays_open_and_stops_filling_the_log() {
    let test = store();
    for second in 0..500 {
        put(&test, &[draft("a", second), clear("a", second)]);
    }
    let written = records(&test).len() as u64;
    assert!(written <= FLAPS + 1, "{written} records");
    assert_eq!(get(&test, 1).finding.status, FindingStatus::Open, "open is the safe side");
    test.forward(RECORD_EVERY);
    put(&test, &[clear("a", 1_000)]);
    assert_eq!(get(&test, 1).finding.status, FindingStatus::Closed, "a calmer minute clears it");
}

#[test]
fn a_clock_that_jumps_back_does_not_silence_the_records() {
    let test = store();
    let start = test.now();
    test.forward(Duration::from_secs(10 * 365 * 24 * 3_600));
    put(&test, &[draft("a", 1)]);
    test.set(start);
    put(&test, &[draft("a", 2)]);
    put(&test, &[draft("a", 3)]);
    assert_eq!(kinds(&test), ["finding.raised", "finding.repeated"], "one at once, then one a minute again");
    test.forward(RECORD_EVERY);
    put(&test, &[draft("a", 4)]);
    assert_eq!(kinds(&test).len(), 3);
}

#[test]
fn long_keys_and_texts_are_bounded_and_still_distinct() {
    let test = store();
    let long = |end: &str| FindingDraft {
        dedup_key: format!("{}{end}", "k".repeat(KEY_BYTES)).into(),
        title: "t".repeat(100_000).into(),
        ..draft("a", 1)
    };
    let raised = put(&test, &[long("1"), long("2"), long("1")]);
    assert_eq!(raised.len(), 2);
    assert!(get(&test, 1).finding.title.len() < 2_000);
}

#[test]
fn a_finding_of_the_box_itself_has_no_asset() {
    let test = store();
    put(&test, &[FindingDraft { asset: None, ..draft("x", 1) }]);
    let found = get(&test, 1).finding;
    assert_eq!((found.asset, found.asset_name.as_str(), found.demo), (None, "the box", false));
    put(&test, &[draft("demo:cold", 1)]);
    assert!(get(&test, 2).finding.demo);
}

#[test]
fn a_permit_for_something_else_raises_nothing() {
    let test = store();
    let permit: Permit =
        gate().system("pipeline", sitewarden_core::Action::FindingClose, sitewarden_core::Resource::site());
    let result = test.store.write_blocking("raising", move |tx| raise(tx, permit, &[draft("a", 1)], &about));
    assert!(result.is_err());
    assert_eq!(kinds(&test), Vec::<String>::new());
}

#[test]
fn at_the_bound_the_oldest_closed_goes_and_then_findings_fold_into_one_per_rule() {
    let test = store();
    put(&test, &[draft("a", 1), draft("b", 2), clear("a", 3)]);
    let fill = |total: u64| {
        test.store
            .write_blocking("filling", move |tx| {
                tx.sql().execute("UPDATE finding_total SET findings = ?1", [total]).map(drop)
            })
            .expect("filled");
    };
    fill(crate::limits::FINDINGS);
    assert_eq!(put(&test, &[draft("c", 4)])[0].outcome, Outcome::New, "took the place of the closed one");
    assert!(test.store.read_blocking(|conn| detail(conn, 1)).is_err());

    fill(crate::limits::FINDINGS);
    let folded = put(&test, &[draft("d", 5), draft("e", 6)]);
    assert_eq!(folded[0].id, folded[1].id);
    let found = get(&test, folded[0].id).finding;
    assert_eq!(found.count, 2);
    assert!(found.title.starts_with("More findings than the box keeps"), "{}", found.title);
}
