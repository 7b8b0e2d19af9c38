//! The cache of decisions: counted by policy, and no answer outlives the set that gave it.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use proptest::prelude::*;
use sitewarden_core::{Action, Resource, Role, Trust};

use super::{allows, clock, device, key, person, shipped};
use crate::Policies;
use crate::files::Files;
use crate::load::Loaded;

#[test]
fn evaluations_hits_and_misses_are_counted_by_policy() {
    let policies = shipped();
    for _ in 0..3 {
        allows(&policies, &person(Role::Viewer), Action::DeviceRead, &Resource::site());
    }
    allows(&policies, &person(Role::Viewer), Action::UserCreate, &Resource::site());
    let figures = policies.figures();
    let of = |name: &str| figures.get(name).cloned().expect(name);
    assert_eq!(
        (of("viewer-reads").allowed, of("viewer-reads").cache_hits, of("viewer-reads").cache_misses),
        (3, 2, 1)
    );
    assert_eq!((of("none").denied, of("none").allowed), (1, 0));
    assert_eq!(of("none").duration_buckets.iter().sum::<u64>(), 1);
}

/// No set is in force until one is put in.
fn empty() -> Policies {
    Policies::open(Some(PathBuf::from("/nonexistent")), clock())
}

/// Three sets, each of which lets in another kind of principal.
fn three_sets() -> &'static [Arc<Loaded>] {
    static SETS: OnceLock<Vec<Arc<Loaded>>> = OnceLock::new();
    SETS.get_or_init(|| {
        let set = |kind: &str| {
            let mut files = Files::shipped();
            files.policies[0].text = format!("permit (principal is {kind}, action, resource);");
            Arc::new(Loaded::parse(&files).expect("valid"))
        };
        ["Person", "ApiKey", "Device"].map(set).to_vec()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever order of questions and changes: an answer is always that of the policies in force.
    #[test]
    fn no_answer_outlives_its_epoch(steps in proptest::collection::vec((0_u8..4, 0_u8..3), 1..40)) {
        let sets = three_sets();
        let policies = empty();
        let mut in_force = 0;
        policies.inner.advance(Some(Arc::clone(&sets[0])));
        for (step, number) in steps {
            let before = policies.epoch();
            match step {
                0 => {
                    in_force = usize::from(number);
                    policies.inner.advance(Some(Arc::clone(&sets[in_force])));
                    prop_assert!(policies.epoch() > before);
                }
                1 => policies.entities_changed(),
                _ => {
                    for (index, (principal, action, resource)) in [
                        (person(Role::Viewer), Action::DeviceRead, Resource::site()),
                        (key(Role::Viewer), Action::DeviceRead, Resource::site()),
                        (device(Trust::Revoked), Action::MqttConnect, Resource::site()),
                    ].into_iter().enumerate() {
                        let decision = policies.decider().decide(&principal, action, &resource);
                        prop_assert_eq!(decision.allow, index == in_force);
                        prop_assert_eq!(decision.epoch, policies.epoch());
                    }
                }
            }
        }
    }
}
