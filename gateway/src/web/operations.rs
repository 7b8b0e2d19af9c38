//! What machines ask: `/health`, `/ready`, `/metrics`, and the CA's certificate for whoever wants to trust the box.
//!
//! No personal data and no secrets. `/health` and `/ready` answer without sign-in, each part failing on its
//! own; `/metrics` too, because scrapers on the site's network have no sign-in.

use std::sync::atomic::Ordering;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::json;
use sitewarden_core::Timestamp;
use sitewarden_uplink::limits::HEALTHY_AGE;

use super::{Site, metrics};
use crate::clock::WALL_FLOOR;

/// The engine counts as stuck when its newest commit is older than this while the broker waits for one.
const STUCK_SECONDS: u64 = 30;

pub(crate) fn routes(site: Site) -> Router {
    Router::new()
        .route("/health", get(health))
        .route("/ready", get(ready))
        .route("/metrics", get(metrics::page))
        .route("/ca.pem", get(ca))
        .with_state(site)
}

struct Part {
    name: &'static str,
    ok: bool,
    detail: String,
}

async fn parts(site: &Site) -> Vec<Part> {
    let ground = &site.ground;
    let now = ground.clock.now();
    let database = ground.store.read(|conn| conn.query_row("SELECT 1", [], |row| row.get::<_, i64>(0))).await;
    let stats = ground.store.stats();
    let waiting = site.metrics.waiting.load(Ordering::Relaxed);
    let age =
        (now.mono.micros() / 1_000_000).saturating_sub(site.metrics.last_commit.load(Ordering::Relaxed));
    let part = |name, ok: bool, detail: &str| Part {
        name,
        ok,
        detail: if ok { "ok".to_owned() } else { detail.to_owned() },
    };
    let errors = site.rules.errors().len();
    vec![
        part("db", database.is_ok() && ground.store.is_alive(), "the database does not answer"),
        part("broker", !site.broker.has_ended(), "the broker has ended"),
        part("clock", now.wall >= WALL_FLOOR, "the box's clock is before its own software was made"),
        part(
            "disk",
            stats.reserve_only == 0,
            "the disk is full: readings are refused, findings go on from the reserve",
        ),
        part("engine", waiting == 0 || age < STUCK_SECONDS, "batches wait and no commit was made for 30 s"),
        part(
            "policies",
            ground.policies.error().is_none(),
            "the policy files have a mistake; the last good set is in force",
        ),
        part("rules", errors == 0, "rule files have mistakes; see /api/v1/rules"),
        uplink(&ground.uplink.status(), now.wall),
    ]
}

/// The uplink fails when it stopped, or when the cloud has been away for longer than links flap.
fn uplink(status: &sitewarden_uplink::Status, now: Timestamp) -> Part {
    let away = status.failing_since.map(|since| now.since(since));
    let ok = match status.state {
        "stopped" => false,
        "waiting" => away.is_none_or(|away| away < HEALTHY_AGE),
        _ => true,
    };
    // What exactly went wrong stands behind the sign-in.
    let detail = match (status.state, ok) {
        (_, true) => "ok",
        ("stopped", _) => "the uplink has stopped: cloud and log contradict each other; see /api/v1/uplink",
        _ => "the cloud has been away for over 15 minutes: records wait; see /api/v1/uplink",
    };
    Part { name: "uplink", ok, detail: detail.to_owned() }
}

/// Each part on its own; 503 when one fails that the box cannot do without.
async fn health(State(site): State<Site>) -> Response {
    let parts = parts(&site).await;
    let failed = parts.iter().any(|part| !part.ok);
    let vital = parts.iter().any(|part| !part.ok && matches!(part.name, "db" | "broker" | "engine"));
    let details: serde_json::Map<_, _> = parts
        .iter()
        .map(|part| {
            let status = if part.ok { "ok" } else { "failed" };
            (
                part.name.to_owned(),
                json!({"status": status, "detail": if part.ok { None } else { Some(&part.detail) }}),
            )
        })
        .collect();
    let status = if failed { "degraded" } else { "ok" };
    let code = if vital { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
    (code, axum::Json(json!({"status": status, "parts": details, "version": env!("CARGO_PKG_VERSION")})))
        .into_response()
}

/// 200 when the box takes and keeps messages.
async fn ready(State(site): State<Site>) -> Response {
    let missing: Vec<_> = parts(&site)
        .await
        .iter()
        .filter(|part| !part.ok && matches!(part.name, "db" | "broker" | "engine" | "disk"))
        .map(|part| part.name)
        .collect();
    let code = if missing.is_empty() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (code, axum::Json(json!({"ready": missing.is_empty(), "waiting_for": missing}))).into_response()
}

/// The site CA's certificate: nothing secret, and what a browser must trust before it trusts the box.
async fn ca(State(site): State<Site>) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "application/x-pem-file"),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"sitewarden-ca.pem\""),
    ];
    (headers, site.ground.pki.ca_pem().to_owned()).into_response()
}
