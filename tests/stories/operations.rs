//! What machines ask of the gateway: metrics that Prometheus reads.
//!
//! promtool is the reader of the metrics; the numbers behind them are told in the slices' tests.

use std::process::Command;

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
