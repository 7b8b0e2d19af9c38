//! What machines ask: `/health`, `/ready`, `/metrics`, and the CA's certificate for whoever wants to trust the box.
//!
//! No personal data and no secrets. `/health` and `/ready` answer without sign-in, each part failing on its
//! own; `/metrics` too, because scrapers on the site's network have no sign-in.

use std::fmt::Write as _;
use std::sync::atomic::Ordering;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::json;

use super::Site;
use crate::clock::WALL_FLOOR;

/// The engine counts as stuck when its newest commit is older than this while the broker waits for one.
const STUCK_SECONDS: u64 = 30;

pub(crate) fn routes(site: Site) -> Router {
    Router::new()
        .route("/health", get(health))
        .route("/ready", get(ready))
        .route("/metrics", get(metrics))
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
    let age = (now.mono.micros() / 1_000_000).saturating_sub(site.metrics.last_commit.load(Ordering::Relaxed));
    let part = |name, ok: bool, detail: &str| Part { name, ok, detail: if ok { "ok".to_owned() } else { detail.to_owned() } };
    let errors = site.rules.errors().len();
    vec![
        part("db", database.is_ok() && ground.store.is_alive(), "the database does not answer"),
        part("broker", !site.broker.has_ended(), "the broker has ended"),
        part("clock", now.wall >= WALL_FLOOR, "the box's clock is before its own software was made"),
        part("disk", stats.reserve_only == 0, "the disk is full: readings are refused, findings go on from the reserve"),
        part("engine", waiting == 0 || age < STUCK_SECONDS, "batches wait and no commit was made for 30 s"),
        part("policies", ground.policies.error().is_none(), "the policy files have a mistake; the last good set is in force"),
        part("rules", errors == 0, "rule files have mistakes; see /api/v1/rules"),
    ]
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
            (part.name.to_owned(), json!({"status": status, "detail": if part.ok { None } else { Some(&part.detail) }}))
        })
        .collect();
    let status = if failed { "degraded" } else { "ok" };
    let code = if vital { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
    (code, axum::Json(json!({"status": status, "parts": details, "version": env!("CARGO_PKG_VERSION")}))).into_response()
}

/// 200 when the box takes and keeps messages.
async fn ready(State(site): State<Site>) -> Response {
    let missing: Vec<_> =
        parts(&site).await.iter().filter(|part| !part.ok && matches!(part.name, "db" | "broker" | "engine" | "disk")).map(|part| part.name).collect();
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

/// Prometheus text format 0.0.4.
async fn metrics(State(site): State<Site>) -> Response {
    let mut page = Page::default();
    broker_metrics(&site, &mut page);
    store_metrics(&site, &mut page);
    policy_metrics(&site, &mut page);
    page.sample("sitewarden_build_info", "gauge", "Version of the software", &[("version", env!("CARGO_PKG_VERSION"))], 1.0);
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], page.0).into_response()
}

/// The page under construction; samples of one name follow each other.
#[derive(Default)]
struct Page(String);

impl Page {
    fn head(&mut self, name: &str, kind: &str, help: &str) {
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn value(&mut self, name: &str, labels: &[(&str, &str)], value: f64) {
        let labels: Vec<String> = labels
            .iter()
            .map(|(key, value)| format!("{key}=\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")))
            .collect();
        let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
        let _ = writeln!(self.0, "{name}{labels} {value}");
    }

    fn sample(&mut self, name: &str, kind: &str, help: &str, labels: &[(&str, &str)], value: f64) {
        self.head(name, kind, help);
        self.value(name, labels, value);
    }
}

#[expect(clippy::cast_precision_loss, reason = "Prometheus samples are doubles")]
fn float(value: u64) -> f64 {
    value as f64
}

fn broker_metrics(site: &Site, page: &mut Page) {
    use sitewarden_broker::metrics::Kind;
    let broker = site.broker.metrics();
    broker.for_each(|name, help, kind, value| {
        let (suffix, kind) = match kind {
            Kind::Counter => ("_total", "counter"),
            Kind::Gauge => ("", "gauge"),
        };
        page.sample(&format!("sitewarden_broker_{name}{suffix}"), kind, help, &[], float(value));
    });
    page.head("sitewarden_broker_limit_hits_total", "counter", "Times that a limit of the broker was hit");
    for limit in sitewarden_broker::Limit::ALL {
        page.value("sitewarden_broker_limit_hits_total", &[("limit", limit.name())], float(broker.hits(*limit)));
    }
    let metrics = &site.metrics;
    for (name, help, counter) in [
        ("messages", "Messages taken from the broker", &metrics.messages),
        ("readings", "Readings decoded", &metrics.readings),
        ("unknown_payloads", "Payloads that no dialect knows", &metrics.unknown),
        ("findings", "Findings raised, repeated or ended", &metrics.findings),
        ("commits", "Commits of the pipeline", &metrics.commits),
        ("commits_failed", "Commits of the pipeline that failed", &metrics.failed),
    ] {
        let value = float(counter.load(Ordering::Relaxed));
        page.sample(&format!("sitewarden_pipeline_{name}_total"), "counter", help, &[], value);
    }
    let refused = float(site.ground.registry.refused());
    page.sample("sitewarden_devices_refused_total", "counter", "New devices refused because too many came at once", &[], refused);
    page.sample("sitewarden_devices", "gauge", "Devices in the inventory", &[], float(site.ground.registry.all().len() as u64));
}

fn store_metrics(site: &Site, page: &mut Page) {
    let stats = site.ground.store.stats();
    for (name, help, value) in [
        ("commits", "Group commits", stats.commits),
        ("commits_failed", "Group commits that failed", stats.commits_failed),
        ("closures", "Writes kept", stats.closures_kept),
        ("closures_failed", "Writes undone because they failed", stats.closures_failed),
        ("disk_full", "Times that the disk had no room", stats.disk_full),
        ("reads", "Reads answered", stats.reads),
        ("reads_timed_out", "Reads stopped for their time", stats.reads_timed_out),
    ] {
        page.sample(&format!("sitewarden_store_{name}_total"), "counter", help, &[], float(value));
    }
    let name = "sitewarden_store_commit_seconds";
    page.head(name, "histogram", "Time of a group commit");
    let mut total = 0;
    for (bound, count) in sitewarden_store::COMMIT_BUCKETS_MICROS.iter().zip(stats.commit_buckets) {
        total += count;
        let bound = format!("{}", float(*bound) / 1e6);
        page.value(&format!("{name}_bucket"), &[("le", &bound)], float(total));
    }
    let all: u64 = stats.commit_buckets.iter().sum();
    page.value(&format!("{name}_bucket"), &[("le", "+Inf")], float(all));
    page.value(&format!("{name}_sum"), &[], float(stats.commit_micros) / 1e6);
    page.value(&format!("{name}_count"), &[], float(all));
    page.sample("sitewarden_store_queued", "gauge", "Writes that wait", &[], float(stats.queued));
    page.sample("sitewarden_store_reserve_only", "gauge", "1 while bulk data is refused for want of room", &[], float(stats.reserve_only));
}

fn policy_metrics(site: &Site, page: &mut Page) {
    use sitewarden_policy::limits::DURATION_BUCKETS;
    let figures = site.ground.policies.figures();
    page.head("policy_evaluations_total", "counter", "Decisions by policy");
    for (policy, figure) in &figures {
        for (decision, count) in [("allow", figure.allowed), ("deny", figure.denied)] {
            page.value("policy_evaluations_total", &[("policy", policy), ("decision", decision)], float(count));
        }
    }
    page.head("policy_cache_hits_total", "counter", "Decisions answered out of the cache");
    for (policy, figure) in &figures {
        page.value("policy_cache_hits_total", &[("policy", policy)], float(figure.cache_hits));
    }
    page.head("policy_cache_misses_total", "counter", "Decisions that were evaluated");
    for (policy, figure) in &figures {
        page.value("policy_cache_misses_total", &[("policy", policy)], float(figure.cache_misses));
    }
    let name = "policy_evaluation_duration_seconds";
    page.head(name, "histogram", "Time of an evaluation");
    for (policy, figure) in &figures {
        let mut total = 0;
        for (bound, count) in DURATION_BUCKETS.iter().zip(figure.duration_buckets) {
            total += count;
            page.value(&format!("{name}_bucket"), &[("policy", policy), ("le", &bound.to_string())], float(total));
        }
        let all: u64 = figure.duration_buckets.iter().sum();
        page.value(&format!("{name}_bucket"), &[("policy", policy), ("le", "+Inf")], float(all));
        page.value(&format!("{name}_sum"), &[("policy", policy)], figure.duration_sum);
        page.value(&format!("{name}_count"), &[("policy", policy)], float(all));
    }
}
