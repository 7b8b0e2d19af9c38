//! Routes of devices: list, page, approval, quarantine, enrolment.
//!
//! Parse, permit, one store call, view. What other slices know (latest values, open findings, the CA) comes
//! in as functions. After a commit the registry is told and the policy epoch moves before the answer goes
//! out, so that an approval or quarantine counts on the device's next packet.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::State;
use http::StatusCode;
use rusqlite::Connection;
use serde::Deserialize;
use sitewarden_core::{Action, Gate, Resource, Timestamp, Trust};
use sitewarden_http::{ApiError, Caller, Json, Page, PageQuery, Path, Problem, Query};
use sitewarden_store::{Store, Tx};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::acts::{self, Edit};
use crate::agents::Agents;
use crate::device::{Device, parse_kind};
use crate::error::DeviceError;
use crate::registry::Registry;

mod agents;
mod enrol;
mod link;
mod view;

pub use agents::{AgentEnrolment, EnrolAgent, enrol_agent, terminal_qr};
pub use enrol::{Certificate, EnrolRequest, EnrolResult, enrol_device};
use view::DeviceDetail;
pub use view::{DeviceView, LatestView, ValueView};

/// Numbers of open findings by device.
pub type OpenFindings = Arc<dyn Fn(&Connection) -> Result<HashMap<String, u32>, ApiError> + Send + Sync>;

/// Latest values by device id.
pub type LatestOf = Arc<dyn Fn(&str) -> Vec<LatestView> + Send + Sync>;

/// Signs a certificate request for a device id.
pub type SignCsr = Arc<dyn Fn(&str, &str) -> Result<Certificate, String> + Send + Sync>;

/// What the routes need.
#[derive(Clone)]
pub struct Deps {
    /// Where devices are.
    pub store: Store,
    /// Who may do what.
    pub gate: Gate,
    /// The inventory in memory.
    pub registry: Arc<Registry>,
    /// Agents in memory.
    pub agents: Arc<Agents>,
    /// Wall time of the box.
    pub now: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    /// Latest values of a device.
    pub latest: LatestOf,
    /// Open findings by device.
    pub open_findings: OpenFindings,
    /// Signs a certificate request (PEM) for a device id.
    pub sign_csr: SignCsr,
    /// The site CA's certificate, PEM.
    pub ca_pem: Arc<str>,
    /// Called after every change, before the answer: rights may have changed.
    pub changed: Arc<dyn Fn() + Send + Sync>,
}

impl std::fmt::Debug for Deps {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Deps").finish_non_exhaustive()
    }
}

/// All routes of devices, under `/api/v1`.
pub fn routes(deps: Deps) -> OpenApiRouter {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(detail, change))
        .routes(routes!(approve))
        .routes(routes!(quarantine))
        .routes(routes!(release))
        .routes(routes!(enrol::enrol))
        .routes(routes!(agents::enrol))
        .routes(routes!(agents::pending))
        .routes(routes!(agents::withdraw))
        .routes(routes!(agents::revoke))
        .routes(routes!(agents::parameters))
        .with_state(deps)
}

const LIST: &str = "devices";

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Filter {
    /// Trust state, such as `awaiting-approval`.
    trust: Option<String>,
    /// Kind, such as `sensor`.
    kind: Option<String>,
    /// Text in id, name or zone, in any case.
    q: Option<String>,
    /// Devices per page.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u32>,
    /// `next` of the page before.
    cursor: Option<String>,
}

/// Devices by id.
#[utoipa::path(get, path = "/devices", tag = "devices", operation_id = "list_devices", params(Filter),
    responses((status = 200, body = Page<DeviceView>), Problem))]
async fn list(
    State(deps): State<Deps>,
    caller: Caller,
    Query(filter): Query<Filter>,
) -> Result<Json<Page<DeviceView>>, ApiError> {
    let _ = caller.permit(&deps.gate, Action::DeviceRead, Resource::site())?;
    let page = PageQuery { limit: filter.limit, cursor: filter.cursor };
    let (limit, after) = (page.limit()?, page.after::<String>(LIST)?);
    let trust = filter
        .trust
        .map(|word| {
            Trust::parse(&word)
                .ok_or_else(|| ApiError::bad_request("bad-trust", format!("{word:?} is not a trust state.")))
        })
        .transpose()?;
    let kind = filter
        .kind
        .map(|word| {
            parse_kind(&word).ok_or_else(|| {
                ApiError::bad_request("bad-kind", format!("{word:?} is not a kind of device."))
            })
        })
        .transpose()?;
    let text = filter.q.unwrap_or_default().to_lowercase();
    let fits = |device: &Arc<Device>| {
        trust.is_none_or(|trust| device.trust == trust)
            && kind.is_none_or(|kind| device.kind == kind)
            && after.as_deref().is_none_or(|after| *device.id > *after)
            && [&*device.id, &device.name, &device.zone]
                .iter()
                .any(|part| part.to_lowercase().contains(&text))
    };
    let open = open_findings(&deps).await?;
    let rows = deps
        .registry
        .all()
        .iter()
        .filter(|device| fits(device))
        .take(limit + 1)
        .map(|device| deps.view(device, &open))
        .collect();
    Ok(Json(Page::cut(LIST, rows, limit, |view: &DeviceView| view.id.clone())))
}

async fn open_findings(deps: &Deps) -> Result<HashMap<String, u32>, ApiError> {
    let open = Arc::clone(&deps.open_findings);
    Ok(deps.store.read(move |conn| open(conn)).await?)
}

/// One device with its facts, credential and changes of trust.
#[utoipa::path(get, path = "/devices/{id}", tag = "devices", operation_id = "get_device",
    params(("id" = String, Path, description = "Device id")),
    responses((status = 200, body = DeviceDetail), Problem))]
async fn detail(
    State(deps): State<Deps>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<DeviceDetail>, ApiError> {
    let _ = caller.permit(&deps.gate, Action::DeviceRead, acts::resource(&id))?;
    answer(&deps, &id).await
}

/// The device as it is now.
async fn answer(deps: &Deps, id: &str) -> Result<Json<DeviceDetail>, ApiError> {
    let device = deps.registry.get(id).ok_or_else(|| ApiError::from(DeviceError::Unknown(id.to_owned())))?;
    let open = open_findings(deps).await?;
    let wanted = id.to_owned();
    let history = deps.store.read(move |conn| acts::history(conn, &wanted, crate::limits::HISTORY)).await?;
    Ok(Json(deps.detail(&device, &open, history)))
}

/// What may be changed of a device.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = DeviceChange)]
struct Change {
    /// Name for people.
    #[schema(max_length = 200)]
    name: Option<String>,
    /// Where it is.
    #[schema(max_length = 200)]
    zone: Option<String>,
    /// `client`, `sensor`, `camera`, `agent`, `box`, `unknown`.
    kind: Option<String>,
}

/// Renames, places or describes a device.
#[utoipa::path(patch, path = "/devices/{id}", tag = "devices", params(("id" = String, Path, description = "Device id")),
    request_body = Change, responses((status = 200, body = DeviceDetail), Problem))]
async fn change(
    State(deps): State<Deps>,
    caller: Caller,
    Path(id): Path<String>,
    Json(change): Json<Change>,
) -> Result<Json<DeviceDetail>, ApiError> {
    let kind = change.kind.as_deref().map(kind_of).transpose()?;
    let permit = caller.permit(&deps.gate, Action::DeviceEdit, acts::resource(&id))?;
    let edit = Edit { name: change.name, zone: change.zone, kind };
    deps.change(&id, "changing a device", move |tx, id| acts::edit(tx, permit, id, edit)).await
}

fn kind_of(word: &str) -> Result<sitewarden_core::AssetKind, ApiError> {
    parse_kind(word)
        .ok_or_else(|| ApiError::unprocessable("bad-kind", format!("{word:?} is not a kind of device.")))
}

/// Why, for the log.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = DeviceNote)]
struct Note {
    /// Note for the log.
    #[schema(max_length = 200)]
    note: String,
}

/// Trusts a device that awaits approval; it counts from its next packet on.
#[utoipa::path(post, path = "/devices/{id}/approve", tag = "devices", params(("id" = String, Path, description = "Device id")),
    request_body = Note, responses((status = 200, body = DeviceDetail), Problem))]
async fn approve(
    State(deps): State<Deps>,
    caller: Caller,
    Path(id): Path<String>,
    Json(note): Json<Note>,
) -> Result<Json<DeviceDetail>, ApiError> {
    let permit = caller.permit(&deps.gate, Action::DeviceApprove, acts::resource(&id))?;
    deps.change(&id, "approving a device", move |tx, id| acts::approve(tx, permit, id, &note.note)).await
}

/// Why a device is cut off.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = QuarantineReason)]
struct Reason {
    /// Reason for the log.
    #[schema(min_length = 1, max_length = 200)]
    reason: String,
}

/// Cuts a device off: its connection ends and it may not come back until it is released.
#[utoipa::path(post, path = "/devices/{id}/quarantine", tag = "devices", params(("id" = String, Path, description = "Device id")),
    request_body = Reason, responses((status = 200, body = DeviceDetail), Problem))]
async fn quarantine(
    State(deps): State<Deps>,
    caller: Caller,
    Path(id): Path<String>,
    Json(reason): Json<Reason>,
) -> Result<Json<DeviceDetail>, ApiError> {
    if reason.reason.trim().is_empty() {
        return Err(ApiError::unprocessable(
            "no-reason",
            "A quarantine needs a reason. Nothing was changed.",
        ));
    }
    let permit = caller.permit(&deps.gate, Action::DeviceQuarantine, acts::resource(&id))?;
    deps.change(&id, "quarantining a device", move |tx, id| acts::quarantine(tx, permit, id, &reason.reason))
        .await
}

/// Lifts a quarantine: the device is trusted again.
#[utoipa::path(post, path = "/devices/{id}/release", tag = "devices", params(("id" = String, Path, description = "Device id")),
    request_body = Note, responses((status = 200, body = DeviceDetail), Problem))]
async fn release(
    State(deps): State<Deps>,
    caller: Caller,
    Path(id): Path<String>,
    Json(note): Json<Note>,
) -> Result<Json<DeviceDetail>, ApiError> {
    let permit = caller.permit(&deps.gate, Action::DeviceApprove, acts::resource(&id))?;
    deps.change(&id, "releasing a device", move |tx, id| acts::release(tx, permit, id, &note.note)).await
}

impl Deps {
    /// One change: commit, then registry, then epoch, then the answer.
    async fn change(
        &self,
        id: &str,
        what: &'static str,
        act: impl FnOnce(&Tx<'_>, &str) -> Result<Device, DeviceError> + Send + 'static,
    ) -> Result<Json<DeviceDetail>, ApiError> {
        let wanted = id.to_owned();
        let device = self.store.write(what, move |tx| act(tx, &wanted)).await?;
        self.registry.put(vec![device]);
        (self.changed)();
        answer(self, id).await
    }
}

/// 201 with a body.
type Created<T> = (StatusCode, Json<T>);
