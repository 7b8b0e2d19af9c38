//! The overview: is the site safe now, how much of that is known, and what is the one next thing.
//!
//! The verdict is a pure function of counts; its words are those of the design reference. Invariant: a
//! value without a fresh report never counts as good.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::State;
use rusqlite::Connection;
use serde::Serialize;
use sitewarden_core::{Action, AssetRef, ReadingValue, Resource, Timestamp};
use sitewarden_devices::{DeviceView, Freshness, LatestView, Registry, ValueView};
use sitewarden_findings::Counts;
use sitewarden_http::{ApiError, Caller, Json, Problem};
use sitewarden_identity::SiteSettings;
use sitewarden_store::site_log;
use sitewarden_telemetry::LatestValues;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Site;
use crate::clock;

mod change;
mod verdict;

use change::ChangeView;
use verdict::{DeviceCounts, Verdict};

/// Changes shown.
const CHANGES: usize = 12;

pub(crate) fn routes(site: Site) -> OpenApiRouter {
    OpenApiRouter::new().routes(routes!(overview)).with_state(site)
}

/// Latest values of a device as the API shows them.
pub(crate) fn latest_of(latest: &LatestValues, id: &str) -> Vec<LatestView> {
    latest
        .of(id)
        .into_iter()
        .map(|value| LatestView {
            metric: value.metric,
            unit: value.unit,
            value: match value.value {
                ReadingValue::Bool(flag) => ValueView::Bool(flag),
                ReadingValue::Number(number) => ValueView::Number(number),
                ReadingValue::Text(text) => ValueView::Text(text.to_string()),
            },
            time: value.time,
        })
        .collect()
}

/// Numbers of findings that are not closed, by device.
pub(crate) fn open_by_device(
    conn: &Connection,
    registry: &Registry,
) -> Result<HashMap<String, u32>, ApiError> {
    let assets: Vec<AssetRef> = registry.all().iter().map(|device| AssetRef::new(&device.id)).collect();
    let open = sitewarden_findings::open_by_asset(conn, &assets)?;
    let count = |count: u64| u32::try_from(count).unwrap_or(u32::MAX);
    Ok(open.into_iter().map(|(asset, (number, _))| (asset.as_str().to_owned(), count(number))).collect())
}

/// Open findings by severity.
#[derive(Debug, Serialize, ToSchema)]
struct OpenView {
    critical: u64,
    high: u64,
    medium: u64,
    low: u64,
    info: u64,
}

/// State of the box.
#[derive(Debug, Serialize, ToSchema)]
struct BoxView {
    /// Its time.
    #[schema(value_type = String, format = DateTime)]
    time: Timestamp,
    /// Version of the software.
    version: &'static str,
    /// Seconds since it started.
    uptime_s: u64,
    /// Whether a demo is played.
    demo: bool,
    /// Name of the site.
    site_name: String,
    /// Time zone of the site (IANA name), as the wizard was told; null before.
    time_zone: Option<String>,
    /// The broker.
    broker: BrokerView,
}

/// State of the broker.
#[derive(Debug, Serialize, ToSchema)]
struct BrokerView {
    /// Connections.
    clients: u64,
    /// Messages a second since the start.
    messages_per_s: f64,
}

/// Is the site safe now?
#[derive(Debug, Serialize, ToSchema)]
struct OverviewView {
    /// `all-clear`, `attention`, `act-now`, `cannot-tell`.
    verdict: &'static str,
    /// The answer in one sentence.
    sentence: String,
    /// What it rests on, worst first.
    reasons: Vec<String>,
    /// Findings that are not closed.
    open: OpenView,
    /// Devices by freshness and trust.
    devices: DeviceCounts,
    /// Devices, for tiles.
    tiles: Vec<DeviceView>,
    /// What changed last, newest first.
    changes: Vec<ChangeView>,
    /// The box itself.
    #[serde(rename = "box")]
    the_box: BoxView,
}

/// Is the site safe now, and if not, what is the one next thing?
#[utoipa::path(get, path = "/overview", tag = "overview", responses((status = 200, body = OverviewView), Problem))]
async fn overview(State(site): State<Site>, caller: Caller) -> Result<Json<OverviewView>, ApiError> {
    let _ = caller.permit(&site.ground.gate, Action::OverviewRead, Resource::site())?;
    let now = site.ground.clock.now();
    let registry = Arc::clone(&site.ground.registry);
    let (counts, open, recent, settings, newest) = site
        .ground
        .store
        .read(move |conn| {
            let counts = sitewarden_findings::counts(conn)?;
            let open = open_by_device(conn, &registry)?;
            let recent = site_log::search(conn, &site_log::Filter::default(), CHANGES * 4)?;
            let settings = sitewarden_identity::site_settings(conn)?;
            let newest = site_log::newest_time(conn)?;
            Ok::<_, ApiError>((counts, open, recent, settings, newest))
        })
        .await?;
    let devices = DeviceCounts::of(&site.ground.registry, now.wall);
    let clock_ok = clock::trouble(now.wall, newest).is_none();
    let Verdict { word, sentence, reasons } = Verdict::of(&counts, &devices, clock_ok);
    let names = |id: &str| site.ground.registry.get(id).map(|device| device.name.clone());
    Ok(Json(OverviewView {
        verdict: word,
        sentence,
        reasons,
        open: OpenView {
            critical: counts.critical,
            high: counts.high,
            medium: counts.medium,
            low: counts.low,
            info: counts.info,
        },
        devices,
        tiles: super::devices(&site).views(&open),
        changes: recent.iter().filter_map(|record| ChangeView::of(record, &names)).take(CHANGES).collect(),
        the_box: box_view(&site, now, settings),
    }))
}

/// Whether the verdict is "all clear", for the light of the box.
pub(crate) async fn all_clear(site: &Site) -> Result<bool, ApiError> {
    let now = site.ground.clock.now();
    let (counts, newest) = site
        .ground
        .store
        .read(|conn| Ok::<_, ApiError>((sitewarden_findings::counts(conn)?, site_log::newest_time(conn)?)))
        .await?;
    let devices = DeviceCounts::of(&site.ground.registry, now.wall);
    Ok(Verdict::of(&counts, &devices, clock::trouble(now.wall, newest).is_none()).word == "all-clear")
}

fn box_view(site: &Site, now: sitewarden_core::Now, settings: Option<SiteSettings>) -> BoxView {
    let metrics = site.broker.metrics();
    let uptime = now.mono.micros() / 1_000_000;
    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    let messages_per_s = metrics.published.get() as f64 / uptime.max(1) as f64;
    BoxView {
        time: now.wall,
        version: env!("CARGO_PKG_VERSION"),
        uptime_s: uptime,
        demo: site.demo,
        // The name that the wizard was given counts over the configuration's.
        time_zone: settings.as_ref().map(|settings| settings.time_zone.clone()),
        site_name: settings.map_or_else(|| site.config.site.name.clone(), |settings| settings.site_name),
        broker: BrokerView { clients: metrics.connections.get(), messages_per_s },
    }
}

/// Findings that need somebody.
fn open_total(counts: &Counts) -> u64 {
    counts.critical + counts.high + counts.medium + counts.low + counts.info
}

/// Whether a device's word counts as known.
const fn is_known(freshness: Freshness) -> bool {
    matches!(freshness, Freshness::Live | Freshness::Late)
}
