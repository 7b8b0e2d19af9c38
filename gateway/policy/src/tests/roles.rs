//! Who may what: each role and each trust against every action, and what the lab allows.

use std::collections::BTreeSet;

use sitewarden_core::{Action, Principal, Resource, Role, Trust};

use super::{allows, clock, device, folder, key, lab_dir, person, resource_of, shipped};
use crate::Policies;
use crate::files::Files;

#[test]
fn the_schema_knows_exactly_the_actions_of_the_program() {
    let schema: cedar_policy::Schema = Files::shipped().schema.text.parse().expect("the shipped schema");
    let groups: BTreeSet<String> =
        schema.action_groups().map(|uid| uid.id().unescaped().to_owned()).collect();
    let of_schema: BTreeSet<String> = schema
        .actions()
        .map(|uid| uid.id().unescaped().to_owned())
        .filter(|id| !groups.contains(id))
        .collect();
    let of_program: BTreeSet<String> = Action::ALL.iter().map(|action| action.as_str().to_owned()).collect();
    assert_eq!(of_schema, of_program);
}

#[test]
fn each_role_may_exactly_what_the_table_says() {
    use Action as A;
    let reads = [
        A::OverviewRead,
        A::DeviceRead,
        A::TelemetryRead,
        A::FindingRead,
        A::RuleRead,
        A::SystemRead,
        A::UplinkRead,
    ];
    let enrols = [A::DeviceEdit, A::DeviceEnrol, A::BoardLocate];
    let operates = [
        A::DeviceApprove,
        A::DeviceQuarantine,
        A::FindingAcknowledge,
        A::FindingClose,
        A::FindingReopen,
        A::RuleReload,
        A::PolicyRead,
        A::UserRead,
        A::AuditRead,
    ];
    let administers = [
        A::PolicyReload,
        A::BoardDrive,
        A::UplinkManage,
        A::UserCreate,
        A::UserEdit,
        A::UserDelete,
        A::SessionRead,
        A::SessionRevoke,
        A::ApiKeyRead,
        A::ApiKeyCreate,
        A::ApiKeyRevoke,
        A::SetupRun,
    ];
    let table: [(Role, Vec<&[Action]>); 4] = [
        (Role::Viewer, vec![&reads]),
        (Role::Technician, vec![&reads, &enrols]),
        (Role::Operator, vec![&reads, &enrols, &operates]),
        (Role::Owner, vec![&reads, &enrols, &operates, &administers]),
    ];
    let lab = Policies::open(Some(lab_dir()), clock());
    for policies in [shipped(), lab] {
        assert_eq!(policies.error(), None);
        for (role, groups) in &table {
            for action in Action::ALL {
                let expected = groups.iter().any(|group| group.contains(action));
                let resource = resource_of(*action);
                let own = *action == Action::SelfManage;
                assert_eq!(
                    allows(&policies, &person(*role), *action, &resource),
                    expected || own,
                    "{role:?} {action}"
                );
                assert_eq!(
                    allows(&policies, &key(*role), *action, &resource),
                    expected,
                    "key {role:?} {action}"
                );
            }
        }
        for action in Action::ALL {
            let lab_mqtt = policies.inner.dir.is_some() && action.as_str().starts_with("mqtt:");
            if !lab_mqtt {
                let may = allows(&policies, &Principal::Anonymous, *action, &resource_of(*action));
                assert_eq!(may, *action == Action::SetupRun, "anonymous {action}");
            }
        }
    }
}

#[test]
fn nobody_manages_the_sign_in_of_another() {
    let policies = shipped();
    for role in [Role::Viewer, Role::Technician, Role::Operator, Role::Owner] {
        assert!(
            !allows(&policies, &person(role), Action::SelfManage, &Resource::new("User", "jonas")),
            "{role:?}"
        );
    }
}

#[test]
fn single_resources_are_decided_like_the_site_and_unknown_kinds_are_refused() {
    let policies = shipped();
    for (action, kind) in [
        (Action::DeviceApprove, "Device"),
        (Action::UserEdit, "User"),
        (Action::SessionRevoke, "Session"),
        (Action::ApiKeyRevoke, "ApiKey"),
        (Action::RuleRead, "Rule"),
        (Action::PolicyRead, "Policy"),
    ] {
        assert!(allows(&policies, &person(Role::Owner), action, &Resource::new(kind, "x")), "{action}");
        assert!(
            !allows(&policies, &person(Role::Viewer), action, &Resource::new(kind, "x"))
                || action == Action::RuleRead
        );
    }
    assert!(!allows(&policies, &person(Role::Owner), Action::DeviceApprove, &Resource::new("Finding", "9")));
    assert!(!allows(&policies, &person(Role::Owner), Action::DeviceApprove, &Resource::new("Nonsense", "9")));
    // A key may act on itself.
    assert!(allows(&policies, &key(Role::Owner), Action::ApiKeyRevoke, &Resource::new("ApiKey", "key-1")));
}

#[test]
fn trust_decides_what_a_device_may() {
    let policies = shipped();
    let table = [
        (Trust::Trusted, true, 1 + 3, 2, 2),
        (Trust::Fenced, true, 1, 0, 0),
        (Trust::AwaitingApproval, true, 0, 0, 0),
        (Trust::IdentityChanged, false, 0, 0, 0),
        (Trust::Quarantined, false, 0, 0, 0),
        (Trust::Revoked, false, 0, 0, 0),
    ];
    for (trust, connect, publish_any, subscribe, deliver) in table {
        let grants = policies.grants(&device(trust), "t1");
        let own = usize::from(publish_any > 0) * 5;
        let receivers = usize::from(publish_any > 1) * 3;
        assert_eq!(grants.connect, connect, "{trust:?}");
        assert_eq!(grants.publish.len(), own + receivers, "{trust:?} {grants:?}");
        assert_eq!(grants.subscribe.len(), usize::from(subscribe > 0) * (5 + 2), "{trust:?}");
        assert_eq!(grants.deliver.len(), usize::from(deliver > 0) * (5 + 2), "{trust:?}");
    }
    let trusted = policies.grants(&device(Trust::Trusted), "t1");
    assert!(trusted.publish.contains(&"site/+/t1/#".to_owned()), "{trusted:?}");
    assert!(!policies.grants(&Principal::Anonymous, "t1").connect);
}

#[test]
fn the_lab_lets_anyone_do_everything_but_publish_to_sys() {
    let lab = Policies::open(Some(lab_dir()), clock());
    let grants = lab.grants(&Principal::Anonymous, "a/b");
    assert!(grants.connect);
    assert_eq!(grants.publish, ["#", "$*/#"]);
    assert_eq!(grants.subscribe, ["#", "$*/#", "$SYS/#"]);
    assert_eq!(grants.deliver, ["#", "$*/#", "$SYS/#"]);
}

#[test]
fn a_space_that_is_forbidden_is_taken_out_of_a_wider_one() {
    let dir = folder(&[
        (
            "p.cedar",
            "permit (principal, action, resource); @id(\"no\") forbid (principal, action == Action::\"mqtt:publish\", resource == TopicSpace::\"secret\");",
        ),
        ("topic-spaces.toml", "[spaces]\nall = [\"#\"]\nsecret = [\"site/secret/#\"]"),
    ]);
    let policies = Policies::open(Some(dir.path().to_owned()), clock());
    let grants = policies.grants(&device(Trust::Trusted), "t1");
    assert_eq!(
        (grants.publish, grants.deny_publish),
        (vec!["#".to_owned()], vec!["site/secret/#".to_owned()])
    );
    assert_eq!(grants.deny_subscribe, Vec::<String>::new());
}
