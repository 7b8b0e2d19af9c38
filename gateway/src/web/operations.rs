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
use sitewarden_store::site_log;
use sitewarden_uplink::limits::HEALTHY_AGE;

use super::{Site, metrics};
use crate::clock;

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
    detail: &'static str,
}

/// What the parts are judged by.
#[derive(Clone, Copy, Debug)]
struct Facts {
    /// The database answers and its writer runs.
    database: bool,
    /// The broker runs.
    broker: bool,
    /// What is wrong with the clock.
    clock: Option<&'static str>,
    /// Readings are taken.
    disk: bool,
    /// Commits that the pipeline waits for.
    waiting: u64,
    /// Seconds since the newest one.
    commit_age: u64,
    /// The policies on disk are those in force.
    policies: bool,
    /// Every rule on disk loads.
    rules: bool,
    /// The dialects on disk are those in force.
    dialects: bool,
    /// The box's own hardware answers, as far as it was asked for.
    board: bool,
    /// What is wrong with the way to the cloud.
    uplink: Option<&'static str>,
}

impl Facts {
    fn parts(self) -> [Part; 10] {
        let part = |name, ok, detail| Part { name, ok, detail };
        let engine = self.waiting == 0 || self.commit_age < STUCK_SECONDS;
        [
            part("db", self.database, "the database does not answer"),
            part("broker", self.broker, "the broker has ended"),
            part("clock", self.clock.is_none(), self.clock.unwrap_or_default()),
            part(
                "disk",
                self.disk,
                "the disk is full: readings are refused, findings go on from the reserve",
            ),
            part("engine", engine, "batches wait and no commit was made for 30 s"),
            part("policies", self.policies, "the policy files have a mistake; the last good set is in force"),
            part("rules", self.rules, "rule files have mistakes; see /api/v1/rules"),
            part(
                "dialects",
                self.dialects,
                "the dialect files have a mistake (the log and `sitewarden doctor` say where); the last good set is in force",
            ),
            part("board", self.board, "part of the box's own hardware does not answer; see /api/v1/board"),
            part("uplink", self.uplink.is_none(), self.uplink.unwrap_or_default()),
        ]
    }
}

async fn facts(site: &Site) -> Facts {
    let ground = &site.ground;
    let now = ground.clock.now();
    let newest = ground.store.read(site_log::newest_time).await;
    let stats = ground.store.stats();
    let waiting = site.metrics.waiting.load(Ordering::Relaxed);
    let commit_age =
        (now.mono.micros() / 1_000_000).saturating_sub(site.metrics.last_commit.load(Ordering::Relaxed));
    Facts {
        database: newest.is_ok() && ground.store.is_alive(),
        broker: !site.broker.has_ended(),
        clock: clock::trouble(now.wall, newest.ok().flatten()),
        disk: stats.reserve_only == 0,
        waiting,
        commit_age,
        policies: ground.policies.error().is_none(),
        rules: site.rules.errors().is_empty(),
        dialects: site.dialects.are_good(),
        board: site.board.problem().is_none(),
        uplink: uplink(&ground.uplink.status(), now.wall),
    }
}

/// The uplink fails when it stopped, or when the cloud has been away for longer than links flap.
fn uplink(status: &sitewarden_uplink::Status, now: Timestamp) -> Option<&'static str> {
    let away = status.failing_since.map(|since| now.since(since));
    // What exactly went wrong stands behind the sign-in.
    match status.state {
        "stopped" => Some("the uplink has stopped: cloud and log contradict each other; see /api/v1/uplink"),
        "waiting" if away.is_some_and(|away| away >= HEALTHY_AGE) => {
            Some("the cloud has been away for over 15 minutes: records wait; see /api/v1/uplink")
        }
        _ => None,
    }
}

/// Each part on its own; 503 when one fails that the box cannot do without.
async fn health(State(site): State<Site>) -> Response {
    let (code, body) = health_of(&facts(&site).await.parts());
    (code, axum::Json(body)).into_response()
}

fn health_of(parts: &[Part]) -> (StatusCode, serde_json::Value) {
    let failed = parts.iter().any(|part| !part.ok);
    let vital = parts.iter().any(|part| !part.ok && matches!(part.name, "db" | "broker" | "engine"));
    let details: serde_json::Map<_, _> = parts
        .iter()
        .map(|part| {
            let status = if part.ok { "ok" } else { "failed" };
            (part.name.to_owned(), json!({"status": status, "detail": (!part.ok).then_some(part.detail)}))
        })
        .collect();
    let status = if failed { "degraded" } else { "ok" };
    let code = if vital { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
    (code, json!({"status": status, "parts": details, "version": env!("CARGO_PKG_VERSION")}))
}

/// 200 when the box takes and keeps messages.
async fn ready(State(site): State<Site>) -> Response {
    let (code, body) = ready_of(&facts(&site).await.parts());
    (code, axum::Json(body)).into_response()
}

fn ready_of(parts: &[Part]) -> (StatusCode, serde_json::Value) {
    let missing: Vec<_> = parts
        .iter()
        .filter(|part| !part.ok && matches!(part.name, "db" | "broker" | "engine" | "disk"))
        .map(|part| part.name)
        .collect();
    let code = if missing.is_empty() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (code, json!({"ready": missing.is_empty(), "waiting_for": missing}))
}

/// The site CA's certificate: nothing secret, and what a browser must trust before it trusts the box.
async fn ca(State(site): State<Site>) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "application/x-pem-file"),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"sitewarden-ca.pem\""),
    ];
    (headers, site.ground.pki.ca_pem().to_owned()).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    const WELL: Facts = Facts {
        database: true,
        broker: true,
        clock: None,
        disk: true,
        waiting: 0,
        commit_age: 1_000,
        policies: true,
        rules: true,
        dialects: true,
        board: true,
        uplink: None,
    };

    #[test]
    fn a_box_that_is_well_says_so_and_an_idle_engine_is_well() {
        let (code, health) = health_of(&WELL.parts());
        assert_eq!((code.as_u16(), &health["status"]), (200, &json!("ok")));
        assert_eq!(health["parts"]["engine"], json!({"status": "ok", "detail": null}));
        assert_eq!(ready_of(&WELL.parts()), (StatusCode::OK, json!({"ready": true, "waiting_for": []})));
        let busy = Facts { waiting: 3, commit_age: STUCK_SECONDS - 1, ..WELL };
        assert_eq!(health_of(&busy.parts()).1["status"], "ok");
    }

    #[test]
    fn each_part_fails_on_its_own() {
        let stuck = Facts { waiting: 1, commit_age: STUCK_SECONDS, ..WELL };
        // Part, the fact that makes it fail, whether the box is ill, whether it takes messages.
        let cases = [
            ("db", Facts { database: false, ..WELL }, 503, 503),
            ("broker", Facts { broker: false, ..WELL }, 503, 503),
            ("engine", stuck, 503, 503),
            ("disk", Facts { disk: false, ..WELL }, 200, 503),
            ("clock", Facts { clock: Some("it is behind"), ..WELL }, 200, 200),
            ("policies", Facts { policies: false, ..WELL }, 200, 200),
            ("rules", Facts { rules: false, ..WELL }, 200, 200),
            ("dialects", Facts { dialects: false, ..WELL }, 200, 200),
            ("board", Facts { board: false, ..WELL }, 200, 200),
            ("uplink", Facts { uplink: Some("it stopped"), ..WELL }, 200, 200),
        ];
        assert_eq!(cases.len(), WELL.parts().len(), "a part without a case");
        for (name, facts, health_code, ready_code) in cases {
            let (code, health) = health_of(&facts.parts());
            assert_eq!((code.as_u16(), &health["status"]), (health_code, &json!("degraded")), "{name}");
            for (part, state) in health["parts"].as_object().expect("parts") {
                let expected = if part == name { "failed" } else { "ok" };
                assert_eq!(state["status"], expected, "{name}: {part}");
                assert_eq!(state["detail"].is_string(), part == name, "{name}: {part}");
            }
            let (code, ready) = ready_of(&facts.parts());
            assert_eq!(code.as_u16(), ready_code, "{name}");
            assert_eq!(ready["ready"], ready_code == 200, "{name}");
        }
    }
}
