//! Work that goes on by itself: merging and pruning readings, keeping presence, recording refusals,
//! renewing the certificate, reloading changed folders.
//!
//! Each is a small loop with its own interval; none holds the writer for more than a few milliseconds.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use sitewarden_core::error::chain;
use sitewarden_core::{Action, Event, Gate, Resource};
use sitewarden_devices::Registry;
use sitewarden_devices::agents::Agents;
use sitewarden_identity::Identity;
use sitewarden_pki::Pki;
use sitewarden_policy::Policies;
use sitewarden_store::Store;
use sitewarden_telemetry::Retention;
use sitewarden_telemetry::limits::{MERGE_EARLY, MERGE_INTERVAL};
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::config;
use crate::disk;
use crate::sources::{DialectFiles, Rules};

/// How often the journal's length is looked at.
const JOURNAL_LOOK: Duration = Duration::from_secs(5);
/// How often presence is kept, old readings are removed and the certificate is looked at.
const HOUSEKEEPING: Duration = Duration::from_secs(60);
/// How often refusals of past minutes are recorded.
const DENIALS: Duration = Duration::from_secs(10);

/// What the loops work on.
#[derive(Clone)]
pub(crate) struct Deps {
    pub(crate) store: Store,
    pub(crate) gate: Gate,
    pub(crate) clock: Clock,
    pub(crate) registry: Arc<Registry>,
    pub(crate) agents: Arc<Agents>,
    pub(crate) policies: Policies,
    pub(crate) rules: Arc<Rules>,
    pub(crate) dialects: Arc<DialectFiles>,
    pub(crate) pki: Arc<Pki>,
    pub(crate) identity: Identity,
    pub(crate) retention: config::Telemetry,
    pub(crate) own: mpsc::Sender<Event>,
    pub(crate) stop: CancellationToken,
}

/// Starts all loops.
pub(crate) fn spawn(deps: &Deps) {
    let run = |work: std::pin::Pin<Box<dyn Future<Output = ()> + Send>>| {
        tokio::spawn(deps.stop.clone().run_until_cancelled_owned(work));
    };
    run(Box::pin(merge_readings(deps.clone())));
    run(Box::pin(keep_house(deps.clone())));
    run(Box::pin(record_denials(deps.clone())));
    run(Box::pin(disk::watch(deps.store.clone(), deps.gate.clone(), deps.clock)));
    watch_folders(deps);
}

async fn merge_readings(deps: Deps) {
    let mut ticks = interval(JOURNAL_LOOK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut since = Duration::ZERO;
    loop {
        ticks.tick().await;
        since += JOURNAL_LOOK;
        let waiting = deps.store.read(sitewarden_telemetry::waiting).await.unwrap_or(0);
        if since < MERGE_INTERVAL && waiting < MERGE_EARLY {
            continue;
        }
        since = Duration::ZERO;
        match sitewarden_telemetry::merge(&deps.store, &deps.gate).await {
            Ok(merged) if merged.dropped > 0 => {
                tracing::warn!(dropped = merged.dropped, "readings were dropped: too many different metrics");
            }
            Ok(_) => {}
            Err(error) => {
                tracing::warn!(error = chain(&error), "merging readings failed; they stay in the journal")
            }
        }
    }
}

async fn keep_house(deps: Deps) {
    let mut ticks = interval(HOUSEKEEPING);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let now = deps.clock.now().wall;
        save_presence(&deps.store, &deps.registry).await;
        save_links(&deps.store, &deps.agents).await;
        deps.agents.forget_codes(now);
        let days = Duration::from_secs(deps.retention.raw_days.saturating_mul(86_400));
        let bytes = deps.retention.max_mib.saturating_mul(1 << 20);
        let keep = Retention { arrived_before: now.before(days), bytes };
        if let Err(error) = sitewarden_telemetry::keep(&deps.store, &deps.gate, keep).await {
            tracing::warn!(error = chain(&error), "removing old readings failed");
        }
        if let Err(error) = deps.identity.prune().await {
            tracing::warn!(error = chain(&error), "old sessions were not removed");
        }
        match deps.pki.renew_if_due(now) {
            Ok(true) => tracing::info!("the box's certificate was renewed"),
            Ok(false) => {}
            Err(error) => tracing::warn!(error = chain(&error), "the box's certificate was not renewed"),
        }
    }
}

/// Keeps what agents' lines are like and when agents were heard.
pub(crate) async fn save_links(store: &Store, agents: &Agents) {
    let links = agents.links();
    if links.is_empty() {
        return;
    }
    let saved = store
        .write("keeping agents' lines", move |tx| sitewarden_devices::agents::save_links(tx, &links))
        .await;
    if let Err(error) = saved {
        tracing::warn!(error = chain(&error), "what agents' lines are like was not kept");
    }
}

/// Keeps when devices reported last.
pub(crate) async fn save_presence(store: &Store, registry: &Registry) {
    let presence = registry.all_presence();
    for part in presence.chunks(sitewarden_telemetry::limits::STEP_ROWS) {
        let part = part.to_vec();
        let saved =
            store.write("keeping presence", move |tx| sitewarden_devices::save_presence(tx, &part)).await;
        if let Err(error) = saved {
            tracing::warn!(error = chain(&error), "when devices reported last was not kept");
        }
    }
}

async fn record_denials(deps: Deps) {
    let mut ticks = interval(DENIALS);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        flush_denials(&deps, false).await;
    }
}

/// Records refusals and tells the rules of them.
pub(crate) async fn flush_denials(deps: &Deps, all: bool) {
    match deps.policies.flush_denials(&deps.store, &deps.gate, deps.clock.now().wall, all).await {
        Ok(denials) => {
            for denial in denials {
                // A full queue loses the event for the rules; the record is in the site log.
                let _ = deps.own.try_send(denial.event());
            }
        }
        Err(error) => tracing::warn!(error = chain(&error), "refusals were not recorded yet"),
    }
}

fn watch_folders(deps: &Deps) {
    let runtime = tokio::runtime::Handle::current();
    if let Some(dir) = deps.rules.dir() {
        let (deps, runtime) = (deps.clone(), runtime.clone());
        tell(crate::folder::watch(dir, deps.stop.clone(), move || {
            let deps = deps.clone();
            runtime.spawn(async move {
                let permit = deps.gate.system("file-change", Action::RuleReload, Resource::site());
                match deps.rules.reload(&deps.store, permit).await {
                    Ok(rules) => tracing::info!(rules, "rules were reloaded"),
                    Err(error) => tracing::error!(error = chain(&error), "rules were not reloaded"),
                }
            });
        }));
    }
    if let Some(dir) = deps.dialects.dir() {
        let (deps, runtime) = (deps.clone(), runtime.clone());
        tell(crate::folder::watch(dir, deps.stop.clone(), move || {
            let deps = deps.clone();
            runtime.spawn(async move {
                let permit = deps.gate.system("file-change", Action::DialectReload, Resource::site());
                match deps.dialects.reload(&deps.store, permit).await {
                    Ok(patterns) => tracing::info!(patterns, "dialects were reloaded"),
                    Err(error) => tracing::error!(error = chain(&error), "dialects were not reloaded"),
                }
            });
        }));
    }
}

fn tell(watched: Result<(), crate::folder::FolderError>) {
    if let Err(error) = watched {
        tracing::warn!(error = chain(&error), "changes of a folder are not noticed");
    }
}

/// Watches the folder of the policies.
pub(crate) fn watch_policies(deps: &Deps, dir: &std::path::Path) {
    let runtime = tokio::runtime::Handle::current();
    let deps = deps.clone();
    tell(crate::folder::watch(dir, deps.stop.clone(), move || {
        let deps = deps.clone();
        runtime.spawn(async move {
            let permit = deps.gate.system("file-change", Action::PolicyReload, Resource::site());
            if let Err(error) = deps.policies.reload(&deps.store, permit, false).await {
                tracing::error!(error = chain(&error), "policies were not reloaded; the last good set stays");
            }
        });
    }));
}
