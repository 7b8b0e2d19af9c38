//! Roles and trust against every action, fail-closed behaviour, reload, cache and grants.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use axum::body::Body;
use http_body_util::BodyExt as _;
use proptest::prelude::*;
use sitewarden_core::{Role, Trust};
use sitewarden_http::Caller;
use sitewarden_store::site_log;
use sitewarden_store::testing::TestStore;
use tower::ServiceExt as _;

use super::*;

fn clock() -> Clock {
    Arc::new(|| Timestamp::from_seconds(1_795_514_400))
}

fn shipped() -> Policies {
    Policies::open(None, clock())
}

fn person(role: Role) -> Principal {
    Principal::Person { id: "elin".into(), role }
}

fn key(role: Role) -> Principal {
    Principal::ApiKey { id: "key-1".into(), role }
}

fn device(trust: Trust) -> Principal {
    Principal::Device { id: "mqtt:t1".into(), trust }
}

fn allows(policies: &Policies, principal: &Principal, action: Action, resource: &Resource) -> bool {
    policies.decider().decide(principal, action, resource).allow
}

/// A resource that the action is asked for on, as the routes do.
fn resource_of(action: Action) -> Resource {
    match action.as_str().split(':').next() {
        Some("finding") if action != Action::FindingRead && action != Action::FindingRaise => {
            Resource::new("Finding", "9")
        }
        Some("self") => Resource::new("User", "elin"),
        Some("mqtt") if action != Action::MqttConnect => Resource::new("TopicSpace", "own"),
        _ => Resource::site(),
    }
}

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

fn lab_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config/examples/lab-policies")
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

fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a folder");
    for (name, text) in files {
        std::fs::write(dir.path().join(name), text).expect("written");
    }
    dir
}

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

#[test]
fn what_is_only_looked_at_leaves_no_refusal() {
    let policies = shipped();
    assert!(!policies.would_allow(&person(Role::Viewer), Action::AuditRead, &Resource::site()));
    assert!(policies.would_allow(&person(Role::Operator), Action::AuditRead, &Resource::site()));
    assert!(policies.take_denials(clock()(), true).is_empty() && policies.recent().is_empty());
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

fn open_store() -> TestStore {
    TestStore::new(&[])
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

async fn kinds(test: &TestStore) -> Vec<String> {
    match test.store.read(|conn| site_log::read(conn, 0, 100)).await.expect("read") {
        site_log::Page::Records(records) => records.into_iter().map(|record| record.kind).collect(),
        reset => panic!("{reset:?}"),
    }
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
    static SETS: std::sync::OnceLock<Vec<Arc<Loaded>>> = std::sync::OnceLock::new();
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

async fn ask(deps: &Deps, role: Option<Role>, method: &str, path: &str) -> (u16, serde_json::Value) {
    let app = axum::Router::from(routes(deps.clone()));
    let mut request =
        axum::extract::Request::builder().method(method).uri(path).body(Body::empty()).expect("a request");
    if let Some(role) = role {
        let address = std::net::Ipv4Addr::LOCALHOST.into();
        request.extensions_mut().insert(Caller {
            principal: person(role),
            session: None,
            address,
            login: None,
        });
    }
    let response = app.oneshot(request).await.expect("infallible");
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.expect("a body").to_bytes();
    (status, serde_json::from_slice(&body).expect("JSON"))
}

#[tokio::test]
async fn routes_show_the_set_reload_it_and_explain_decisions() {
    let test = open_store();
    let policies = shipped();
    let handle = policies.clone();
    test.store.set_epoch_source(Arc::new(move || handle.epoch()));
    let deps = Deps { store: test.store.clone(), gate: Gate::new(policies.decider()), policies };

    assert_eq!(ask(&deps, None, "GET", "/policies").await.0, 401);
    assert_eq!(ask(&deps, Some(Role::Viewer), "GET", "/policies").await.0, 403);
    assert_eq!(ask(&deps, Some(Role::Operator), "POST", "/policies/reload").await.0, 403);
    let (status, body) = ask(&deps, Some(Role::Owner), "POST", "/policies/reload").await;
    assert_eq!((status, &body["error"], &body["epoch"]), (200, &serde_json::Value::Null, &"1".into()));
    assert_eq!(body["files"][0]["policies"][0], "owner");
    assert_eq!(kinds(&test).await, ["policy.reloaded"]);
    let (status, body) = ask(&deps, Some(Role::Operator), "GET", "/policies/decisions?limit=1").await;
    assert_eq!(
        (status, &body["items"][0]["action"], &body["items"][0]["allow"]),
        (200, &"policy:reload".into(), &true.into())
    );
    let next = body["next"].as_str().expect("a second page").to_owned();
    let (_, body) =
        ask(&deps, Some(Role::Operator), "GET", &format!("/policies/decisions?limit=1&cursor={next}")).await;
    assert_eq!(
        (&body["items"][0]["principal"], &body["items"][0]["allow"]),
        (&"person:elin".into(), &false.into())
    );
}
