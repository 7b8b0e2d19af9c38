//! Error bodies: what is told, what is kept back. No router here; see the tests of the layers.

use http_body_util::BodyExt as _;
use sitewarden_core::{Action, Resource};

use super::*;

async fn body(error: ApiError) -> (Response<()>, serde_json::Value) {
    let (parts, body) = error.into_response().into_parts();
    let bytes = body.collect().await.expect("a body").to_bytes();
    (Response::from_parts(parts, ()), serde_json::from_slice(&bytes).expect("JSON"))
}

use http::Response;

fn denied() -> Denied {
    Denied {
        principal: "person:jonas".to_owned(),
        action: Action::FindingClose,
        resource: Resource::new("Finding", "9"),
        policies: vec!["no-close".into()],
    }
}

#[tokio::test]
async fn a_denial_names_policies_only_to_those_who_may_know() {
    let (response, json) = body(ApiError::denied(&denied(), true)).await;
    assert_eq!(response.status(), StatusCode::FORBIDDEN);
    assert_eq!(response.headers()[header::CONTENT_TYPE], "application/problem+json");
    assert_eq!((&json["code"], &json["policies"][0]), (&"policy-denied".into(), &"no-close".into()));

    let (_, json) = body(denied().into()).await;
    assert!(json.get("policies").is_none());
    assert!(json["detail"].as_str().expect("text").contains("finding:close on Finding:9"));
}

#[tokio::test]
async fn too_many_says_when_to_come_back_rounded_up() {
    let (response, _) = body(ApiError::too_many("slow-down", "Wait.", Duration::from_millis(1_001))).await;
    assert_eq!(response.headers()[header::RETRY_AFTER], "2");
}

#[tokio::test]
async fn an_inner_cause_does_not_leave_the_box() {
    let cause = StoreError::LogInconsistent("secret place".to_owned());
    let (response, json) = body(cause.into()).await;
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
    assert!(!json.to_string().contains("secret place"));
}

#[test]
fn store_faults_have_the_right_status() {
    let full: ApiError = WriteError::<StoreError>::DiskFull { what: "x" }.into();
    assert_eq!(full.status(), StatusCode::INSUFFICIENT_STORAGE);
    let slow: ApiError = ReadError::<StoreError>::TimedOut.into();
    assert_eq!((slow.status(), slow.code()), (StatusCode::SERVICE_UNAVAILABLE, "read-timed-out"));
    let own: ApiError = WriteError::Failed { what: "x", source: ApiError::not_found("finding 9") }.into();
    assert_eq!(own, ApiError::not_found("finding 9"));
}

#[test]
fn a_long_detail_is_cut_at_a_character() {
    let error = ApiError::bad_request("x", "ä".repeat(DETAIL_BYTES));
    assert!(error.detail().len() <= DETAIL_BYTES && error.detail().ends_with('ä'));
}
