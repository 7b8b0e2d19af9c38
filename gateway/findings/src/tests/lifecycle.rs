//! What people do: acknowledge, close, reopen.
//!
//! Roles are the policies' matter; here the permit is given. Invariant under test: each change is one record, and a
//! status that does not allow it changes nothing.

use proptest::prelude::*;
use sitewarden_core::{Action, FindingStatus, Permit, Resource, Role};
use sitewarden_store::WriteError;
use sitewarden_store::testing::{TestStore, gate, person};

use super::{clear, draft, kinds, put, records, store};
use crate::limits::{HISTORY, NOTE_CHARS};
use crate::{DetailView, FindingError, Outcome, acknowledge, close, detail, rename_asset, reopen};

fn permit(action: Action, id: u64) -> Permit {
    gate()
        .permit(&person("elin", Role::Operator), action, Resource::new("Finding", &id.to_string()))
        .expect("allowed")
}

fn act(test: &TestStore, what: &'static str, id: u64, note: &str) -> Result<u64, FindingError> {
    let note = note.to_owned();
    let result = test.store.write_blocking("changing", move |tx| match what {
        "acknowledge" => acknowledge(tx, permit(Action::FindingAcknowledge, id), id, Some(&note)),
        "close" => close(tx, permit(Action::FindingClose, id), id, &note),
        _ => reopen(tx, permit(Action::FindingReopen, id), id, &note),
    });
    result.map_err(|error| match error {
        WriteError::Failed { source, .. } => source,
        other => panic!("{other:?}"),
    })
}

fn get(test: &TestStore, id: u64) -> DetailView {
    test.store.read_blocking(move |conn| detail(conn, id)).expect("there")
}

#[test]
fn the_way_of_a_finding_is_told_in_its_history_and_in_the_log() {
    let test = store();
    put(&test, &[draft("a", 1)]);
    act(&test, "acknowledge", 1, " on it ").expect("taken");
    assert_eq!(get(&test, 1).finding.assignee.as_deref(), Some("person:elin"));
    act(&test, "close", 1, "door was open").expect("closed");
    act(&test, "reopen", 1, "still warm").expect("reopened");
    let found = get(&test, 1);
    assert_eq!((found.finding.status, found.finding.assignee), (FindingStatus::Open, None));
    let history: Vec<_> = found.history.iter().map(|line| (line.kind.as_str(), line.note.as_str())).collect();
    assert_eq!(
        history,
        [
            ("finding.reopened", "still warm"),
            ("finding.closed", "door was open"),
            ("finding.acknowledged", "on it"),
            ("finding.raised", "9.1 Cel for 5 min at 1"),
        ]
    );
    assert_eq!(kinds(&test).len(), 4);
    assert_eq!(records(&test)[2].body["note"], "door was open");
    assert_eq!(records(&test)[2].body["actor"], "person:elin");
    assert_eq!(found.log_seq.0, 4);
}

#[test]
fn each_status_refuses_what_makes_no_sense_and_nothing_is_recorded() {
    let test = store();
    put(&test, &[draft("a", 1)]);
    let wrong = |result: Result<u64, FindingError>| matches!(result, Err(FindingError::WrongStatus { .. }));
    assert!(wrong(act(&test, "reopen", 1, "why")));
    act(&test, "acknowledge", 1, "").expect("taken");
    assert!(wrong(act(&test, "acknowledge", 1, "")));
    act(&test, "close", 1, "done").expect("closed");
    assert!(wrong(act(&test, "close", 1, "done")));
    assert!(wrong(act(&test, "acknowledge", 1, "")));
    assert!(matches!(act(&test, "close", 99, "done"), Err(FindingError::NotFound(99))));
    assert_eq!(kinds(&test), ["finding.raised", "finding.acknowledged", "finding.closed"]);
}

#[test]
fn a_reason_is_needed_and_bounded() {
    let test = store();
    put(&test, &[draft("a", 1)]);
    for reason in ["", "  \n ", &"x".repeat(NOTE_CHARS + 1)] {
        assert!(matches!(act(&test, "close", 1, reason), Err(FindingError::BadNote(_))), "{reason:?}");
    }
    act(&test, "close", 1, &"ä".repeat(NOTE_CHARS)).expect("counted in characters");
}

#[test]
fn a_permit_for_one_finding_does_not_close_another() {
    let test = store();
    put(&test, &[draft("a", 1), draft("b", 1)]);
    let result =
        test.store.write_blocking("changing", |tx| close(tx, permit(Action::FindingClose, 1), 2, "mixed up"));
    assert!(matches!(result, Err(WriteError::Failed { source: FindingError::Store(_), .. })));
    assert_eq!(get(&test, 2).finding.status, FindingStatus::Open);
}

#[test]
fn a_finding_that_a_person_closed_reopens_when_it_happens_again_and_one_that_is_taken_stays_taken() {
    let test = store();
    put(&test, &[draft("a", 1), draft("b", 1)]);
    act(&test, "close", 1, "done").expect("closed");
    act(&test, "acknowledge", 2, "").expect("taken");
    let outcomes: Vec<_> =
        put(&test, &[draft("a", 2), draft("b", 2)]).iter().map(|raised| raised.outcome).collect();
    assert_eq!(outcomes, [Outcome::Reopened, Outcome::Repeated]);
    assert_eq!(get(&test, 2).finding.status, FindingStatus::Acknowledged);
    put(&test, &[clear("b", 3)]);
    assert_eq!(get(&test, 2).finding.status, FindingStatus::Closed);
}

#[test]
fn the_history_of_one_finding_is_bounded_and_keeps_the_newest() {
    let test = store();
    put(&test, &[draft("a", 1)]);
    for round in 0..HISTORY {
        act(&test, "close", 1, &format!("round {round}")).expect("closed");
        act(&test, "reopen", 1, "again").expect("reopened");
    }
    let history = get(&test, 1).history;
    assert_eq!(history.len() as u64, HISTORY);
    assert_eq!(history[1].note, format!("round {}", HISTORY - 1));
}

#[test]
fn a_renamed_device_has_its_new_name_in_its_findings() {
    let test = store();
    put(&test, &[draft("a", 1)]);
    test.store
        .write_blocking("renaming", |tx| {
            rename_asset(tx, &sitewarden_core::AssetRef::new("a"), "Cold room 2")
        })
        .expect("renamed");
    assert_eq!(get(&test, 1).finding.asset_name, "Cold room 2");
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Step {
    Fire,
    Clear,
    Acknowledge,
    Close,
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        Just(Step::Fire),
        Just(Step::Clear),
        Just(Step::Acknowledge),
        Just(Step::Close),
        Just(Step::Reopen)
    ]
}

/// The lifecycle in one table: what each step makes of each status; `None` is a refusal or nothing to do.
fn model(status: Option<FindingStatus>, step: Step) -> Option<FindingStatus> {
    use FindingStatus::{Acknowledged, Closed, Open};
    match (status, step) {
        (None | Some(Closed), Step::Fire) => Some(Open),
        (Some(status), Step::Fire) => Some(status),
        (Some(Open | Acknowledged), Step::Clear | Step::Close) => Some(Closed),
        (Some(Open), Step::Acknowledge) => Some(Acknowledged),
        (Some(Closed), Step::Reopen) => Some(Open),
        _ => None,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn any_order_of_steps_follows_the_lifecycle_and_every_change_is_one_record(steps in prop::collection::vec(step(), 1..9)) {
        let test = store();
        let mut status = None;
        let mut expected = 0;
        for (second, step) in (1_i64..).zip(steps) {
            let next = model(status, step);
            let changed = next.is_some() && next != status;
            let done = match step {
                Step::Fire => !put(&test, &[draft("a", second)]).is_empty(),
                Step::Clear => !put(&test, &[clear("a", second)]).is_empty(),
                Step::Acknowledge => act(&test, "acknowledge", 1, "").is_ok(),
                Step::Close => act(&test, "close", 1, "done").is_ok(),
                Step::Reopen => act(&test, "reopen", 1, "again").is_ok(),
            };
            prop_assert_eq!(done, next.is_some(), "{:?} on {:?}", step, status);
            status = next.or(status);
            expected += usize::from(changed);
            if let Some(status) = status {
                prop_assert_eq!(get(&test, 1).finding.status, status);
            }
        }
        prop_assert_eq!(records(&test).len(), expected);
    }
}
