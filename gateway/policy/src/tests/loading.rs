//! Sets of policies that load, that do not, and that are loaded again.

use sitewarden_core::gate::PolicyEpoch;
use sitewarden_core::{Action, Gate, Principal, Resource, Role, Trust};
use sitewarden_store::WriteError;

use super::{allows, clock, device, folder, kinds, open_store, person, resource_of};
use crate::files::{self, Files};
use crate::{Grants, Policies, PolicyError, Reloaded};

#[test]
fn without_a_valid_set_all_but_the_console_is_refused() {
    let broken = folder(&[("a.cedar", "permit (principal, action, resource;")]);
    let empty = folder(&[]);
    for dir in [broken.path(), empty.path(), &broken.path().join("gone")] {
        let policies = Policies::open(Some(dir.to_owned()), clock());
        assert!(!policies.is_loaded() && policies.error().is_some());
        for action in Action::ALL {
            assert!(!allows(&policies, &person(Role::Owner), *action, &resource_of(*action)), "{action}");
            assert!(allows(&policies, &Principal::Console, *action, &resource_of(*action)), "{action}");
        }
        assert_eq!(policies.grants(&device(Trust::Trusted), "t1"), Grants::default());
    }
}

#[test]
fn a_mistake_is_told_with_file_line_and_what_would_be_right() {
    let good = "@id(\"a\")\npermit (principal is Person, action, resource);\n";
    let cases = [
        (format!("{good}permit (principal, action, resource"), "b.cedar:3: "),
        (format!("{good}permit (principal is Persn, action, resource);"), "b.cedar:3: "),
        (
            format!("{good}permit (principal is Person, action == Action::\"device:red\", resource);"),
            "b.cedar:3: ",
        ),
        (
            format!(
                "{good}\npermit (principal is Person, action, resource) when {{ principal.rol == \"owner\" }};"
            ),
            "b.cedar:4: ",
        ),
        (format!("{good}{good}"), "b.cedar:3: the id \"a\" is used twice"),
        (
            format!("{good}permit (principal is Device, action, resource == TopicSpace::\"onw\");"),
            "b.cedar:3: there is no topic space \"onw\" (topic-spaces.toml has: commands",
        ),
        ("permit (principal == ?principal, action, resource);".to_owned(), "b.cedar:1: "),
    ];
    for (text, told) in cases {
        let dir = folder(&[("b.cedar", &text)]);
        let error = Policies::check(Some(&dir.path().to_owned())).expect_err(&text).to_string();
        assert!(error.starts_with(told), "{error}");
    }
    let typo = folder(&[(
        "b.cedar",
        "permit (principal is Person, action, resource) when { principal.rol == \"owner\" };",
    )]);
    let error = Policies::check(Some(&typo.path().to_owned())).expect_err("no such attribute").to_string();
    assert!(error.contains("role"), "names the right one: {error}");
    let two = folder(&[("a.cedar", good), ("b.cedar", good)]);
    assert!(
        Policies::check(Some(&two.path().to_owned()))
            .expect_err("twice")
            .to_string()
            .starts_with("b.cedar:1: the id")
    );
}

#[test]
fn a_schema_that_lacks_an_action_is_refused() {
    let short = Files::shipped().schema.text.replace("action \"audit:read\"", "action \"audit:look\"");
    let dir = folder(&[("p.cedar", "permit (principal, action, resource);"), (files::SCHEMA_FILE, &short)]);
    let error = Policies::check(Some(&dir.path().to_owned())).expect_err("lacks one").to_string();
    assert!(error.starts_with("sitewarden.cedarschema:1: ") && error.contains("audit:read"), "{error}");
    let broken = folder(&[
        ("p.cedar", "permit (principal, action, resource);"),
        (files::SCHEMA_FILE, "entity Person = {\n entity;"),
    ]);
    let error = Policies::check(Some(&broken.path().to_owned())).expect_err("broken").to_string();
    assert!(error.starts_with("sitewarden.cedarschema:2: "), "{error}");
}

#[tokio::test]
async fn a_reload_swaps_the_set_records_it_and_a_bad_one_leaves_the_last_good_in_force() {
    let test = open_store();
    let dir = folder(&[(
        "p.cedar",
        "@id(\"first\")\npermit (principal is Person, action == Action::\"device:read\", resource);",
    )]);
    let policies = Policies::open(Some(dir.path().to_owned()), clock());
    let gate = Gate::new(policies.decider());
    let permit = || gate.console(Action::PolicyReload, Resource::site());
    let may = || allows(&policies, &person(Role::Viewer), Action::DeviceRead, &Resource::site());
    assert!(may());

    assert_eq!(
        policies.reload(&test.store, permit(), false).await.expect("nothing to do"),
        Reloaded::Unchanged
    );
    std::fs::write(dir.path().join("p.cedar"), "permit (nonsense").expect("written");
    let refused = policies.reload(&test.store, permit(), false).await.expect_err("a mistake");
    assert!(
        matches!(refused, WriteError::Failed { source: PolicyError::Wrong { line: 1, .. }, .. }),
        "{refused:?}"
    );
    assert!(may() && policies.error().is_some_and(|error| error.starts_with("p.cedar:1: ")));
    policies.reload(&test.store, permit(), false).await.expect_err("the same mistake");
    std::fs::write(dir.path().join("p.cedar"), "permit (principal is Device, action, resource);")
        .expect("written");
    let reloaded = policies.reload(&test.store, permit(), false).await.expect("a good set");

    assert_eq!(reloaded, Reloaded::Changed(PolicyEpoch(2)));
    assert!(!may() && policies.error().is_none());
    assert_eq!(*policies.epochs().borrow(), PolicyEpoch(2));
    let kinds = kinds(&test).await;
    assert_eq!(kinds, ["policy.refused", "policy.reloaded"], "the repeated mistake left no second record");
}
