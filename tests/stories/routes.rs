//! Every route of the API: refused without sign-in, refused to who may not, and every change on record.
//!
//! The list of routes is the API's own document. A route without a case here fails the story, so that none is
//! added without saying who may use it. What a route does is told in the stories of its subject.

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::gateway::Site;

/// Who may use a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Who {
    /// Anybody, signed in or not.
    Anybody,
    /// Every role that is signed in.
    Reader,
    /// Operator or owner.
    Operator,
    /// Technician or owner.
    Technician,
    /// Technician, operator or owner.
    Crew,
    /// Owner alone.
    Owner,
    /// A person with a session, not a key.
    Person,
}

/// One route: method, path with a parameter that names nothing, who may, and a body that is well formed.
struct Case(&'static str, &'static str, Who, fn() -> Value);

fn nothing() -> Value {
    json!({})
}

const CASES: &[Case] = &[
    Case("GET", "/setup", Who::Anybody, nothing),
    Case(
        "POST",
        "/setup/owner",
        Who::Anybody,
        || json!({"code": "wrong", "name": "M", "login": "mallory", "password": "larch-harbour-violet-nine"}),
    ),
    Case(
        "POST",
        "/setup/finish",
        Who::Owner,
        || json!({"site_name": "Harbour", "time_zone": "Europe/Berlin"}),
    ),
    Case("POST", "/session", Who::Anybody, || json!({"login": "nobody", "password": "wrong-password-here"})),
    Case("GET", "/session", Who::Person, nothing),
    Case("DELETE", "/session", Who::Anybody, nothing),
    Case("GET", "/sessions", Who::Person, nothing),
    Case("DELETE", "/sessions/{id}", Who::Owner, nothing),
    Case("GET", "/users", Who::Operator, nothing),
    Case(
        "POST",
        "/users",
        Who::Owner,
        || json!({"login": "jonas", "name": "Jonas", "role": "viewer", "password": "larch-harbour-violet-nine"}),
    ),
    Case("PATCH", "/users/{id}", Who::Owner, || json!({"name": "Other"})),
    Case("DELETE", "/users/{id}", Who::Owner, nothing),
    Case("GET", "/api-keys", Who::Owner, nothing),
    Case("POST", "/api-keys", Who::Owner, || json!({"name": "k", "role": "viewer", "expires_in_days": 1})),
    Case("DELETE", "/api-keys/{id}", Who::Owner, nothing),
    Case("GET", "/overview", Who::Reader, nothing),
    Case("GET", "/devices", Who::Reader, nothing),
    Case("GET", "/devices/{id}", Who::Reader, nothing),
    Case("PATCH", "/devices/{id}", Who::Crew, || json!({"zone": "cold"})),
    Case("POST", "/devices/enrol", Who::Crew, || json!({"id": "thermo-2"})),
    Case("POST", "/devices/{id}/approve", Who::Operator, nothing),
    Case("POST", "/devices/{id}/quarantine", Who::Operator, || json!({"reason": "odd"})),
    Case("POST", "/devices/{id}/release", Who::Operator, nothing),
    Case("POST", "/agents/enrol", Who::Crew, nothing),
    Case("GET", "/agents/enrolments", Who::Reader, nothing),
    Case("DELETE", "/agents/enrolments/{id}", Who::Crew, nothing),
    Case("POST", "/agents/{id}/revoke", Who::Operator, || json!({"reason": "odd"})),
    Case("PUT", "/agents/{id}/parameters", Who::Crew, || json!({"report_ms": 1000})),
    Case("GET", "/devices/{id}/readings", Who::Reader, nothing),
    Case("GET", "/payloads/unknown", Who::Reader, nothing),
    Case("GET", "/findings", Who::Reader, nothing),
    Case("GET", "/findings/{id}", Who::Reader, nothing),
    Case("POST", "/findings/{id}/acknowledge", Who::Operator, nothing),
    Case("POST", "/findings/{id}/close", Who::Operator, || json!({"reason": "done"})),
    Case("POST", "/findings/{id}/reopen", Who::Operator, || json!({"reason": "again"})),
    Case("GET", "/rules", Who::Reader, nothing),
    Case("GET", "/rules/{id}", Who::Reader, nothing),
    Case("POST", "/rules/reload", Who::Operator, nothing),
    Case("GET", "/policies", Who::Operator, nothing),
    Case("POST", "/policies/reload", Who::Owner, nothing),
    Case("GET", "/policies/decisions", Who::Operator, nothing),
    Case("GET", "/board", Who::Reader, nothing),
    Case("POST", "/board/locate", Who::Crew, || json!({"seconds": 5})),
    Case("POST", "/board/drive", Who::Owner, || json!({"input": "tamper", "value": true})),
    Case("GET", "/audit", Who::Operator, nothing),
    Case("GET", "/site-log/head", Who::Operator, nothing),
    Case("GET", "/site-log/checkpoint", Who::Operator, nothing),
    Case("GET", "/site-log/proof", Who::Operator, nothing),
    Case("GET", "/site-log/consistency", Who::Operator, nothing),
    Case("GET", "/site-log/key", Who::Operator, nothing),
    Case("GET", "/uplink", Who::Reader, nothing),
    Case("DELETE", "/uplink", Who::Owner, nothing),
    Case(
        "POST",
        "/uplink/register",
        Who::Owner,
        || json!({"url": "https://cloud.example", "claim_code": "none"}),
    ),
    Case("GET", "/events", Who::Reader, nothing),
];

/// A path with a parameter that names nothing that exists, and the query that a route insists on.
fn concrete(path: &str) -> String {
    let path = path.replace("{id}", "404");
    if path.ends_with("/readings") {
        format!("/api/v1{path}?metric=temperature")
    } else if path.ends_with("/proof") {
        format!("/api/v1{path}?seq=1&size=1")
    } else if path.ends_with("/consistency") {
        format!("/api/v1{path}?old=1&new=1")
    } else {
        format!("/api/v1{path}")
    }
}

fn method(name: &str) -> Method {
    name.parse().expect("a method")
}

fn body(case: &Case) -> Option<Value> {
    (!matches!(case.0, "GET" | "DELETE")).then(|| case.3())
}

#[tokio::test]
async fn every_route_of_the_document_has_a_case_and_every_case_is_a_route() {
    let site = Site::new("");
    let gateway = site.start().await;

    let document = gateway.anonymous().get("/api/v1/openapi.json").await.expect(200);

    let mut routes = BTreeSet::new();
    for (path, methods) in document["paths"].as_object().expect("the document has paths") {
        let path = path.strip_prefix("/api/v1").unwrap_or(path);
        routes.extend(
            methods
                .as_object()
                .expect("methods")
                .keys()
                .map(|name| format!("{} {path}", name.to_uppercase())),
        );
    }
    let cases: BTreeSet<String> =
        CASES.iter().map(|Case(method, path, ..)| format!("{method} {path}")).collect();
    assert_eq!(routes, cases, "left: the document, right: the cases of this story");
    gateway.stop().await;
}

#[tokio::test]
async fn without_sign_in_every_route_but_the_first_page_s_is_refused() {
    let site = Site::new("");
    let gateway = site.start().await;
    let stranger =
        gateway.anonymous().with_header("origin", &gateway.https()).with_header("x-sitewarden", "1");

    for case in CASES.iter().filter(|case| case.2 != Who::Anybody) {
        let answer = stranger.send(method(case.0), &concrete(case.1), body(case)).await;

        assert_eq!(answer.status, 401, "{}: {}", answer.request, answer.text);
        assert_eq!(answer.json()["code"], "not-signed-in", "{}", answer.request);
    }
    gateway.stop().await;
}

#[tokio::test]
async fn each_role_may_what_is_its_own_and_a_refusal_changes_nothing() {
    let site = Site::new("");
    let gateway = site.start().await;
    let owner = site.api(&gateway, "owner").await;
    let roles = [
        ("viewer", &[Who::Reader][..]),
        ("technician", &[Who::Reader, Who::Technician, Who::Crew]),
        ("operator", &[Who::Reader, Who::Operator, Who::Crew]),
    ];

    for (role, may) in roles {
        let api = site.api(&gateway, role).await;
        let before = owner.get("/api/v1/site-log/head").await.expect(200);
        // The live stream never ends by itself: it has a story of its own.
        let cases =
            CASES.iter().filter(|case| !matches!(case.2, Who::Anybody | Who::Person) && case.1 != "/events");
        let (own, others): (Vec<&Case>, Vec<&Case>) = cases.partition(|case| may.contains(&case.2));
        for case in others {
            let answer = api.send(method(case.0), &concrete(case.1), body(case)).await;

            assert_eq!(answer.status, 403, "{role}: {}: {}", answer.request, answer.text);
            assert_eq!(answer.headers["content-type"], "application/problem+json", "{}", answer.request);
        }
        let after = owner.get("/api/v1/site-log/head").await.expect(200);
        assert_eq!(before["size"], after["size"], "{role}: a refusal is no change");
        for case in own {
            let answer = api.send(method(case.0), &concrete(case.1), body(case)).await;

            assert!(
                !matches!(answer.status, 401 | 403 | 500..),
                "{role}: {} {}",
                answer.request,
                answer.text
            );
        }
    }
    gateway.stop().await;
}
