//! The routes, asked in-process: no login, wrong role, bad input, success with the state behind it.
//!
//! Sign-in is the identity slice's; here a layer puts the caller in. Invariant under test: a refusal changes nothing.

use std::net::Ipv4Addr;

use axum::Router;
use axum::body::Body;
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use sitewarden_core::Role;
use sitewarden_http::Caller;
use sitewarden_store::testing::{TestStore, gate, person};
use tower::ServiceExt as _;

use super::{draft, kinds, put, store};
use crate::{Deps, routes};

fn app(test: &TestStore, role: Option<Role>) -> Router {
    let (router, _) = routes(Deps { store: test.store.clone(), gate: gate() }).split_for_parts();
    match role {
        None => router,
        Some(role) => router.layer(axum::Extension(Caller {
            principal: person("elin", role),
            session: None,
            address: Ipv4Addr::LOCALHOST.into(),
            login: Some("elin".into()),
        })),
    }
}

async fn ask(app: Router, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
    let mut request = axum::extract::Request::builder().method(method).uri(path);
    if body.is_some() {
        request = request.header("content-type", "application/json");
    }
    let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
    let response = app.oneshot(request.body(body).expect("a request")).await.expect("an answer");
    let status = response.status().as_u16();
    let bytes = response.into_body().collect().await.expect("a body").to_bytes();
    (status, serde_json::from_slice(&bytes).expect("JSON"))
}

const ROUTES: [(&str, &str); 5] = [
    ("GET", "/findings"),
    ("GET", "/findings/1"),
    ("POST", "/findings/1/acknowledge"),
    ("POST", "/findings/1/close"),
    ("POST", "/findings/1/reopen"),
];

#[tokio::test]
async fn without_sign_in_every_route_is_401_and_a_viewer_changes_nothing() {
    let test = store();
    put(&test, &[draft("a", 1)]);
    for (method, path) in ROUTES {
        let (status, body) = ask(app(&test, None), method, path, Some(json!({ "reason": "x" }))).await;
        assert_eq!((status, body["code"].as_str()), (401, Some("not-signed-in")), "{path}");
    }
    for (method, path) in &ROUTES[2..] {
        let body = if path.ends_with("acknowledge") { json!({}) } else { json!({ "reason": "x" }) };
        let (status, body) = ask(app(&test, Some(Role::Viewer)), method, path, Some(body)).await;
        assert_eq!((status, body["code"].as_str()), (403, Some("policy-denied")), "{path}");
    }
    assert_eq!(kinds(&test), ["finding.raised"]);
}

#[tokio::test]
async fn an_operator_takes_closes_and_reopens_and_sees_the_result() {
    let test = store();
    put(&test, &[draft("a", 1)]);
    let operator = || app(&test, Some(Role::Operator));
    let (status, body) =
        ask(operator(), "POST", "/findings/1/acknowledge", Some(json!({ "note": "on it" }))).await;
    assert_eq!(
        (status, body["status"].as_str(), body["assignee"].as_str()),
        (200, Some("acknowledged"), Some("person:elin"))
    );
    let (status, body) =
        ask(operator(), "POST", "/findings/1/close", Some(json!({ "reason": "door" }))).await;
    assert_eq!(
        (status, body["status"].as_str(), body["history"][0]["note"].as_str()),
        (200, Some("closed"), Some("door"))
    );
    let (status, body) =
        ask(operator(), "POST", "/findings/1/close", Some(json!({ "reason": "door" }))).await;
    assert_eq!((status, body["code"].as_str()), (409, Some("wrong-status")));
    let (status, _) = ask(operator(), "POST", "/findings/1/reopen", Some(json!({ "reason": "again" }))).await;
    assert_eq!(status, 200);
    assert_eq!(kinds(&test).len(), 4);
}

#[tokio::test]
async fn bad_input_is_told_and_changes_nothing() {
    let test = store();
    put(&test, &[draft("a", 1)]);
    let cases = [
        ("GET", "/findings/2", None, 404, "not-found"),
        ("GET", "/findings/x", None, 400, "bad-path"),
        ("GET", "/findings/99999999999999999999", None, 400, "bad-path"),
        ("GET", "/findings?limit=0", None, 400, "bad-limit"),
        ("GET", "/findings?limit=x", None, 400, "bad-query"),
        ("GET", "/findings?cursor=AAAA", None, 400, "bad-cursor"),
        ("GET", "/findings?status=urgent", None, 400, "bad-query"),
        ("POST", "/findings/1/close", Some(json!({ "reason": " " })), 422, "bad-note"),
        ("POST", "/findings/1/close", Some(json!({})), 422, "wrong-shape"),
        ("POST", "/findings/1/close", Some(json!({ "reason": "x", "status": "open" })), 422, "wrong-shape"),
        ("POST", "/findings/1/close", None, 415, "not-json"),
    ];
    for (method, path, body, status, code) in cases {
        let (found, answer) = ask(app(&test, Some(Role::Owner)), method, path, body).await;
        assert_eq!((found, answer["code"].as_str()), (status, Some(code)), "{method} {path}");
    }
    assert_eq!(kinds(&test), ["finding.raised"]);
}

#[tokio::test]
async fn the_list_is_walked_by_its_own_cursor() {
    let test = store();
    put(&test, &(0..5).map(|number| draft(&format!("s{number}"), number)).collect::<Vec<_>>());
    let viewer = || app(&test, Some(Role::Viewer));
    let (_, first) = ask(viewer(), "GET", "/findings?limit=3&severity=high,critical", None).await;
    assert_eq!(first["items"].as_array().map(Vec::len), Some(3));
    assert_eq!(first["items"][0]["id"], "5");
    let next = first["next"].as_str().expect("there is more");
    let (_, second) = ask(viewer(), "GET", &format!("/findings?limit=3&cursor={next}"), None).await;
    assert_eq!(second["items"].as_array().map(Vec::len), Some(2));
    assert_eq!(second["next"], Value::Null);
    assert_eq!(second["items"][1]["first_seen"], "1970-01-01T00:00:00Z");
}
