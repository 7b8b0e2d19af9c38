//! The routes of the slice: the set, its reload, and why something was decided.

use std::sync::Arc;

use axum::body::Body;
use http_body_util::BodyExt as _;
use sitewarden_core::{Gate, Role};
use sitewarden_http::Caller;
use tower::ServiceExt as _;

use super::{kinds, open_store, person, shipped};
use crate::{Deps, routes};

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
