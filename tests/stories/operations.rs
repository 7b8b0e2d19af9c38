//! What machines ask of the gateway: metrics that Prometheus reads, an API document that is whole.
//!
//! promtool is the reader of the metrics; the numbers behind them are told in the slices' tests.

use std::process::Command;

use serde_json::Value;

use crate::support::gateway::Site;
use crate::support::need::program;
use crate::support::process::run;

#[tokio::test]
async fn promtool_finds_nothing_wrong_with_the_metrics() {
    let Some(promtool) = program("promtool") else { return };
    let site = Site::new("");
    let gateway = site.start().await;
    let metrics = site.api(&gateway, "viewer").await.get("/metrics").await;
    assert_eq!(metrics.status, 200, "{}", metrics.text);
    assert!(metrics.text.contains("# TYPE"), "{}", metrics.text);

    let judged = run(Command::new(promtool).args(["check", "metrics"]), metrics.text.as_bytes()).await;

    assert_eq!((judged.status.code(), &*judged.stdout, &*judged.stderr), (Some(0), "", ""));
    gateway.stop().await;
}

#[tokio::test]
async fn every_route_of_the_document_refuses_a_stranger_or_says_that_it_is_open() {
    let site = Site::new("");
    let gateway = site.start().await;
    let stranger = gateway.anonymous();
    let document = stranger.get("/api/v1/openapi.json").await;
    let document = if document.status == 200 {
        document.json()
    } else {
        site.api(&gateway, "viewer").await.get("/api/v1/openapi.json").await.expect(200)
    };
    assert!(
        document["openapi"].as_str().is_some_and(|version| version.starts_with("3.1")),
        "{}",
        document["openapi"]
    );

    let mut asked = 0;
    for (path, item) in document["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("operations") {
            let Ok(method) = method.to_uppercase().parse::<reqwest::Method>() else { continue };
            if operation["responses"].is_null() || is_open(operation) {
                continue;
            }
            let address = path.split('/').map(|part| if part.starts_with('{') { "1" } else { part });
            let address = address.collect::<Vec<_>>().join("/");
            let answer = stranger.open(method.clone(), &address, None).await;
            assert_eq!(answer.status(), 401, "{method} {path}");
            asked += 1;
        }
    }
    assert!(asked >= 20, "{asked} routes");
    gateway.stop().await;
}

/// Does the document say that nobody needs to be known here (`security` is empty or has an empty choice)?
fn is_open(operation: &Value) -> bool {
    let Some(choices) = operation["security"].as_array() else { return false };
    choices.is_empty()
        || choices.iter().any(|choice| choice.as_object().is_some_and(serde_json::Map::is_empty))
}
