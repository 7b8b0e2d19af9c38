//! The layers around a small router, asked in-process.
//!
//! No sockets and no clock: the time-out case uses tokio's paused time.

use axum::body::Body;
use axum::routing::{get, post};
use http_body_util::BodyExt as _;
use tower::ServiceExt as _;

use super::*;
use crate::extract::Json;

fn router() -> Router {
    let api = Router::new()
        .route("/api/v1/ok", get(async || "fine"))
        .route("/api/v1/panic", get(async || -> &'static str { panic!("inner secret") }))
        .route("/api/v1/slow", get(std::future::pending::<&'static str>))
        .route("/api/v1/echo", post(async |Json(value): Json<serde_json::Value>| Json(value)));
    harden(with_fallbacks(api), Settings { body_bytes: 1_000, ..Settings::default() })
}

async fn ask(request: http::request::Builder, body: &str) -> (http::response::Parts, serde_json::Value) {
    let request = request.body(Body::from(body.to_owned())).expect("a request");
    let (parts, body) = router().oneshot(request).await.expect("an answer").into_parts();
    let bytes = body.collect().await.expect("a body").to_bytes();
    (parts, serde_json::from_slice(&bytes).unwrap_or_default())
}

fn get_path(path: &str) -> http::request::Builder {
    Request::builder().uri(path)
}

#[tokio::test]
async fn every_answer_has_the_headers_and_a_request_id() {
    for path in ["/api/v1/ok", "/api/v1/panic", "/api/v1/nothing"] {
        let (parts, json) = ask(get_path(path).header("x-request-id", "mine-1"), "").await;
        assert_eq!(parts.headers["x-request-id"], "mine-1", "{path}");
        for (name, value) in HEADERS {
            assert_eq!(parts.headers[&name], value, "{path}");
        }
        assert_eq!(parts.headers[header::CACHE_CONTROL], "no-store");
        if parts.status != StatusCode::OK {
            assert_eq!(json["request_id"], "mine-1", "{path}");
        }
    }
}

#[tokio::test]
async fn a_hostile_request_id_is_replaced() {
    let (parts, _) = ask(get_path("/api/v1/ok").header("x-request-id", "a b\"c"), "").await;
    let id = parts.headers["x-request-id"].to_str().expect("ASCII");
    assert_eq!(id.len(), 32, "{id}");
}

#[tokio::test]
async fn unknown_paths_wrong_methods_and_panics_are_problems_that_tell_nothing_inner() {
    let (parts, json) = ask(get_path("/api/v1/nothing"), "").await;
    assert_eq!((parts.status.as_u16(), json["code"].as_str()), (404, Some("no-such-path")));
    let (parts, json) = ask(get_path("/api/v1/echo"), "").await;
    assert_eq!((parts.status.as_u16(), json["code"].as_str()), (405, Some("wrong-method")));
    assert!(parts.headers.contains_key(header::ALLOW));
    let (parts, json) = ask(get_path("/api/v1/panic"), "").await;
    assert_eq!((parts.status.as_u16(), json["code"].as_str()), (500, Some("internal")));
    assert!(!json.to_string().contains("inner secret"));
    assert_eq!(parts.headers[header::CONTENT_TYPE], "application/problem+json");
}

#[tokio::test]
async fn a_large_body_is_refused_with_413() {
    let request = get_path("/api/v1/echo").method("POST").header(header::CONTENT_TYPE, "application/json");
    let (parts, json) = ask(request, &format!("\"{}\"", "x".repeat(2_000))).await;
    assert_eq!((parts.status.as_u16(), json["code"].as_str()), (413, Some("body-too-large")));
}

#[tokio::test(start_paused = true)]
async fn a_request_that_takes_too_long_is_stopped() {
    let (parts, json) = ask(get_path("/api/v1/slow"), "").await;
    assert_eq!((parts.status.as_u16(), json["code"].as_str()), (503, Some("request-timed-out")));
}

#[tokio::test]
async fn a_change_s_problem_names_its_request() {
    let request = Request::builder().method("POST").uri("/api/v1/echo").header("x-request-id", "mine-2");
    let (parts, json) = ask(request, "no JSON").await;
    assert_eq!((parts.status.is_client_error(), json["request_id"].as_str()), (true, Some("mine-2")));
}

#[tokio::test]
async fn a_change_is_finished_although_its_asker_left() {
    let (begun, mut begins) = tokio::sync::mpsc::channel(1);
    let (go_on, goes_on) = tokio::sync::watch::channel(false);
    let (done, mut is_done) = tokio::sync::mpsc::channel(1);
    let change = post(move || async move {
        begun.send(()).await.expect("the test waits");
        goes_on.clone().wait_for(|go| *go).await.expect("the test goes on");
        done.send(()).await.expect("the test waits");
    });
    let routes = harden(Router::new().route("/change", change), Settings::default());
    let request = Request::builder().method("POST").uri("/change").body(Body::empty()).expect("a request");

    let asker = tokio::spawn(routes.oneshot(request));
    begins.recv().await.expect("the change begins");
    asker.abort();
    assert!(asker.await.expect_err("it was ended").is_cancelled());
    go_on.send(true).expect("the change still waits");

    assert_eq!(is_done.recv().await, Some(()));
}
