//! `/metrics`: counters and gauges of all slices in Prometheus's text format.
//!
//! Names of the platform's seeds are kept as they are; our own begin with `sitewarden_`. Values are read when
//! asked; nothing here counts. No personal data: labels are routes, policies and limits.

use std::fmt::Write as _;
use std::sync::atomic::Ordering;

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse as _, Response};

use super::Site;

/// Prometheus text format 0.0.4.
pub(crate) async fn page(State(site): State<Site>) -> Response {
    let mut page = Page::default();
    broker_metrics(&site, &mut page);
    agent_metrics(&site, &mut page);
    store_metrics(&site, &mut page);
    policy_metrics(&site, &mut page);
    uplink_metrics(&site, &mut page).await;
    identity_metrics(&site, &mut page).await;
    board_metrics(&site, &mut page);
    web_metrics(&site, &mut page);
    page.sample(
        "sitewarden_build_info",
        "gauge",
        "Version of the software",
        &[("version", env!("CARGO_PKG_VERSION"))],
        1.0,
    );
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
            .map(|(key, value)| {
                format!("{key}=\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"))
            })
            .collect();
        let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
        let _ = writeln!(self.0, "{name}{labels} {value}");
    }

    fn sample(&mut self, name: &str, kind: &str, help: &str, labels: &[(&str, &str)], value: f64) {
        self.head(name, kind, help);
        self.value(name, labels, value);
    }
}

fn web_metrics(site: &Site, page: &mut Page) {
    let open = float(site.door.open() as u64);
    page.sample("sitewarden_web_connections", "gauge", "Connections to the web server", &[], open);
    page.sample(
        "sitewarden_web_connections_refused_total",
        "counter",
        "Connections to the web server that were refused because too many were open",
        &[],
        float(site.door.refused()),
    );
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
        page.value(
            "sitewarden_broker_limit_hits_total",
            &[("limit", limit.name())],
            float(broker.hits(*limit)),
        );
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
    page.sample(
        "sitewarden_devices_refused_total",
        "counter",
        "New devices refused because too many came at once",
        &[],
        refused,
    );
    page.sample(
        "sitewarden_devices",
        "gauge",
        "Devices in the inventory",
        &[],
        float(site.ground.registry.all().len() as u64),
    );
}

async fn uplink_metrics(site: &Site, page: &mut Page) {
    let uplink = &site.ground.uplink;
    let counts = uplink.counts();
    for (name, help, counter) in [
        ("batches", "Batches that the cloud took", &counts.batches),
        ("records", "Records that the cloud took", &counts.records),
        ("raw_bytes", "Bytes of batches before compression", &counts.raw_bytes),
        ("sent_bytes", "Bytes of batches as they were sent", &counts.packed_bytes),
        ("failures", "Calls of the cloud that failed", &counts.failures),
        ("set_back", "Times that the cloud was behind what it had acknowledged", &counts.set_back),
    ] {
        let value = float(counter.load(Ordering::Relaxed));
        page.sample(&format!("sitewarden_uplink_{name}_total"), "counter", help, &[], value);
    }
    page.head("sitewarden_uplink_state", "gauge", "1 for the state that the uplink is in");
    let state = uplink.status().state;
    for name in ["not-registered", "connected", "waiting", "stopped"] {
        page.value("sitewarden_uplink_state", &[("state", name)], if name == state { 1.0 } else { 0.0 });
    }
    if let Ok(view) = uplink.view().await {
        let age = view.oldest_unsent_seconds.unwrap_or(0);
        for (name, help, value) in [
            ("unsent_records", "Records that the cloud does not have yet", view.unsent.0),
            ("oldest_unsent_seconds", "Age of the oldest record that the cloud does not have yet", age),
        ] {
            page.sample(&format!("sitewarden_uplink_{name}"), "gauge", help, &[], float(value));
        }
    }
}

fn agent_metrics(site: &Site, page: &mut Page) {
    let agents = &site.ground.agents;
    let (all, connected) = agents.count();
    let totals = agents.totals();
    page.sample("sitewarden_agents", "gauge", "Agents that were ever enrolled", &[], float(all as u64));
    let help = "Agents whose session stands";
    page.sample("sitewarden_agents_connected", "gauge", help, &[], float(connected as u64));
    let help = "Messages that proved to be an agent's";
    page.sample("sitewarden_agent_messages_total", "counter", help, &[], float(totals.ok));
    let help = "Findings acknowledged to agents";
    page.sample(
        "sitewarden_agent_findings_acknowledged_total",
        "counter",
        help,
        &[],
        float(totals.acknowledged),
    );
    let name = "sitewarden_agent_frames_dropped_total";
    page.head(name, "counter", "Frames on agents' lines that meant nothing");
    for (reason, count) in &totals.dropped {
        page.value(name, &[("reason", reason)], float(*count));
    }
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
    page.sample(
        "sitewarden_store_reserve_only",
        "gauge",
        "1 while bulk data is refused for want of room",
        &[],
        float(stats.reserve_only),
    );
}

fn policy_metrics(site: &Site, page: &mut Page) {
    use sitewarden_policy::limits::DURATION_BUCKETS;
    let figures = site.ground.policies.figures();
    page.head("policy_evaluations_total", "counter", "Decisions by policy");
    for (policy, figure) in &figures {
        for (decision, count) in [("allow", figure.allowed), ("deny", figure.denied)] {
            page.value(
                "policy_evaluations_total",
                &[("policy", policy), ("decision", decision)],
                float(count),
            );
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
            page.value(
                &format!("{name}_bucket"),
                &[("policy", policy), ("le", &bound.to_string())],
                float(total),
            );
        }
        let all: u64 = figure.duration_buckets.iter().sum();
        page.value(&format!("{name}_bucket"), &[("policy", policy), ("le", "+Inf")], float(all));
        page.value(&format!("{name}_sum"), &[("policy", policy)], figure.duration_sum);
        page.value(&format!("{name}_count"), &[("policy", policy)], float(all));
    }
}

/// The board by the names of its file; a value that is not known is absent.
fn board_metrics(site: &Site, page: &mut Page) {
    let Some(board) = site.board.snapshot() else { return };
    let described = &board.description;
    let sample = |value: bool| if value { 1.0 } else { 0.0 };
    let name = "sitewarden_board_contact_active";
    page.head(name, "gauge", "1 while a contact is active: cabinet or door open, button pressed, mains lost");
    for (one, input) in described.contacts.iter().zip(&board.contacts) {
        if let (Some(active), None) = (input.value, &input.error) {
            page.value(name, &[("input", &one.name), ("role", one.role.as_str())], sample(active));
        }
    }
    let name = "sitewarden_board_temperature_celsius";
    page.head(name, "gauge", "Temperatures of the box");
    for (one, input) in described.temperatures.iter().zip(&board.temperatures) {
        if let (Some(celsius), None) = (input.value, &input.error) {
            page.value(name, &[("input", &one.name)], celsius);
        }
    }
    let name = "sitewarden_board_fan_rpm";
    page.head(name, "gauge", "Fans of the box in revolutions per minute");
    for (one, input) in described.fans.iter().zip(&board.fans) {
        if let (Some(rpm), None) = (input.value, &input.error) {
            page.value(name, &[("input", &one.name)], f64::from(rpm));
        }
    }
    let help = "Inputs of the board that cannot be read";
    page.sample("sitewarden_board_inputs_failed", "gauge", help, &[], float(board.failed.len() as u64));
    let help = "Events of the board that the rules did not get because their queue was full";
    page.sample("sitewarden_board_events_lost_total", "counter", help, &[], float(board.events_lost));
}

async fn identity_metrics(site: &Site, page: &mut Page) {
    use sitewarden_identity::limits::DURATION_BUCKETS;
    let figures = site.identity.figures();
    page.head("auth_requests_total", "counter", "Requests of sign-in, people and keys");
    for ((method, endpoint, status), count) in &figures.requests {
        let labels = [("method", method.as_str()), ("endpoint", endpoint), ("status", &status.to_string())];
        page.value("auth_requests_total", &labels, float(*count));
    }
    let name = "auth_request_duration_seconds";
    page.head(name, "histogram", "Time of these requests");
    for ((method, endpoint), durations) in &figures.durations {
        let labels = [("method", method.as_str()), ("endpoint", endpoint.as_str())];
        let mut total = 0;
        for (bound, count) in DURATION_BUCKETS.iter().zip(durations.buckets) {
            total += count;
            let bound = bound.to_string();
            let [method, endpoint] = labels;
            page.value(&format!("{name}_bucket"), &[method, endpoint, ("le", &bound)], float(total));
        }
        let all: u64 = durations.buckets.iter().sum();
        let [method, endpoint] = labels;
        page.value(&format!("{name}_bucket"), &[method, endpoint, ("le", "+Inf")], float(all));
        page.value(&format!("{name}_sum"), &labels, durations.sum);
        page.value(&format!("{name}_count"), &labels, float(all));
    }
    let help = "Requests of sign-in that the throttle refused";
    page.sample("sitewarden_auth_throttled_total", "counter", help, &[], float(figures.throttled));
    let help = "Events of sign-in that the rules did not get because their queue was full";
    page.sample("sitewarden_auth_events_dropped_total", "counter", help, &[], float(figures.events_dropped));
    let now = site.ground.clock.now().wall;
    if let Ok(active) = site.ground.store.read(move |conn| sitewarden_identity::active(conn, now)).await {
        // The seeds' names end like a counter's and the values go up and down: untyped is true of both.
        let help = "Sessions that are live";
        page.sample("auth_sessions_active_total", "untyped", help, &[], float(active.sessions));
        let help = "API keys that are live";
        page.sample(
            "auth_tokens_active_total",
            "untyped",
            help,
            &[("type", "api-key")],
            float(active.api_keys),
        );
    }
}
