//! Refusals are kept: once per principal, action and minute, and counted when there are too many.

use std::time::Duration;

use sitewarden_core::{Action, Gate, Principal, Resource, Role};

use super::{allows, clock, key, kinds, open_store, person, shipped};
use crate::limits;

#[test]
fn what_is_only_looked_at_leaves_no_refusal() {
    let policies = shipped();
    assert!(!policies.would_allow(&person(Role::Viewer), Action::AuditRead, &Resource::site()));
    assert!(policies.would_allow(&person(Role::Operator), Action::AuditRead, &Resource::site()));
    assert!(policies.take_denials(clock()(), true).is_empty() && policies.recent().is_empty());
}

#[tokio::test]
async fn refusals_are_one_record_per_principal_action_and_minute() {
    let test = open_store();
    let policies = shipped();
    let gate = Gate::new(policies.decider());
    for _ in 0..500 {
        allows(&policies, &person(Role::Viewer), Action::FindingClose, &Resource::new("Finding", "9"));
    }
    allows(&policies, &key(Role::Viewer), Action::FindingClose, &Resource::new("Finding", "9"));
    let now = clock()();

    let early = policies.flush_denials(&test.store, &gate, now, false).await.expect("written");
    let later = now.after(Duration::from_secs(60));
    let denials = policies.flush_denials(&test.store, &gate, later, false).await.expect("written");

    assert!(early.is_empty(), "the minute is not over");
    let counts: Vec<(&str, u64)> =
        denials.iter().map(|denial| (denial.principal.as_ref(), denial.count)).collect();
    assert_eq!(counts, [("api-key:key-1", 1), ("person:elin", 500)]);
    assert_eq!(kinds(&test).await, ["policy.denied", "policy.denied"]);
    assert!(denials.iter().all(|denial| denial.event().fields.contains(&("action".into(), "denied".into()))));
}

#[test]
fn refusals_of_very_many_principals_are_counted_together() {
    let policies = shipped();
    for number in 0..5_000 {
        let principal = Principal::Person { id: format!("p{number}").as_str().into(), role: Role::Viewer };
        policies.note_denial(&principal, Action::UserCreate, &Resource::site());
    }
    let denials = policies.take_denials(clock()(), true);
    assert_eq!(denials.len(), limits::WAITING_DENIALS + 1);
    assert_eq!(denials.iter().map(|denial| denial.count).sum::<u64>(), 5_000);
    policies.put_back_denials(denials.clone());
    assert_eq!(policies.take_denials(clock()(), true).iter().map(|denial| denial.count).sum::<u64>(), 5_000);
}
