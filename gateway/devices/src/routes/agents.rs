//! Routes of agents: open a one-time code, see and withdraw open ones, revoke an agent, give it parameters.
//!
//! A code is shown once, in the answer that opened it. Everything of an agent that is not of its line is a device's:
//! list, page, approval, quarantine.

use axum::extract::State;
use http::StatusCode;
use qrcode::QrCode;
use qrcode::render::{svg, unicode};
use serde::{Deserialize, Serialize};
use sitewarden_core::{Action, Permit, Resource, Timestamp};
use sitewarden_http::{ApiError, Caller, Json, Page, Path, Problem};
use sitewarden_store::{Store, WriteError};
use sitewarden_wire::DeviceId;
use sitewarden_wire::code::QR_PREFIX;
use utoipa::ToSchema;

use super::view::DeviceDetail;
use super::{Created, Deps, Reason, answer};
use crate::acts::resource;
use crate::agents::{AgentError, Agents, NewCode, OpenCode, Orders, inventory_id, wire_id};
use crate::agents::{open_code, revoke as revoke_agent, set_orders, withdraw_code};

/// Smallest side of a QR code's picture, in pixels of its own; it scales.
const PICTURE: u32 = 240;

/// An agent to be enrolled.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = AgentEnrolRequest)]
pub struct EnrolAgent {
    /// The code that the device shows, typed or the text of its QR code; without one the box makes a code, for a device
    /// that takes one.
    #[schema(max_length = 200)]
    pub code: Option<String>,
    /// Name for people.
    #[schema(max_length = 200)]
    pub name: Option<String>,
    /// Where it is.
    #[schema(max_length = 200)]
    pub zone: Option<String>,
}

/// An open enrolment with its code, which is shown this once.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct AgentEnrolment {
    /// Names the enrolment; not secret.
    pub id: String,
    /// Four groups of five characters.
    pub code: String,
    /// What a QR code of it holds.
    pub qr_text: String,
    /// The QR code as SVG.
    pub qr_svg: String,
    /// Fingerprint of the site's keys, for a device that shows it.
    pub site_key: String,
    /// When the code's time is over.
    #[schema(value_type = String, format = DateTime)]
    pub expires: Timestamp,
    /// Whether the box made the code; false when the device brought it.
    pub made_by_box: bool,
}

/// Opens a code and lets lines accept it.
///
/// # Errors
/// [`WriteError`] around [`AgentError`]; nothing was changed.
pub async fn enrol_agent(
    store: &Store,
    agents: &std::sync::Arc<Agents>,
    permit: Permit,
    request: EnrolAgent,
    approve: bool,
) -> Result<AgentEnrolment, WriteError<AgentError>> {
    const WHAT: &str = "opening an enrolment";
    let made_by_box = request.code.is_none();
    let new = NewCode {
        code: request.code,
        name: request.name.unwrap_or_default(),
        zone: request.zone.unwrap_or_default(),
        approve,
    };
    let known = std::sync::Arc::clone(agents);
    let (open, code) = store.write(WHAT, move |tx| open_code(tx, permit, known.keys(), &new)).await?;
    let qr_text = format!("{QR_PREFIX}{code}");
    let qr_svg = picture(&qr_text).map_err(|source| WriteError::Failed { what: WHAT, source })?;
    let enrolment = AgentEnrolment {
        id: open.id.to_string(),
        code,
        qr_text,
        qr_svg,
        site_key: agents.keys().fingerprint(),
        expires: open.expires,
        made_by_box,
    };
    agents.open_code(open);
    Ok(enrolment)
}

fn qr(text: &str) -> Result<QrCode, AgentError> {
    QrCode::new(text).map_err(|error| AgentError::Picture(error.to_string()))
}

fn picture(text: &str) -> Result<String, AgentError> {
    Ok(qr(text)?.render::<svg::Color<'_>>().min_dimensions(PICTURE, PICTURE).build())
}

/// A QR code for a terminal, dark on light.
///
/// # Errors
/// [`AgentError::Picture`].
pub fn terminal_qr(text: &str) -> Result<String, AgentError> {
    let inverted = qr(text)?;
    let render = inverted
        .render::<unicode::Dense1x2>()
        .dark_color(unicode::Dense1x2::Light)
        .light_color(unicode::Dense1x2::Dark)
        .build();
    Ok(render)
}

/// Opens a one-time code for an agent. The code is in this answer and nowhere else.
#[utoipa::path(post, path = "/agents/enrol", tag = "agents", operation_id = "enrol_agent", request_body = EnrolAgent,
    responses((status = 201, body = AgentEnrolment), Problem))]
pub(super) async fn enrol(
    State(deps): State<Deps>,
    caller: Caller,
    Json(request): Json<EnrolAgent>,
) -> Result<Created<AgentEnrolment>, ApiError> {
    let permit = caller.permit(&deps.gate, Action::DeviceEnrol, Resource::site())?;
    let approve = deps.gate.permit(&caller.principal, Action::DeviceApprove, Resource::site()).is_ok();
    let opened = enrol_agent(&deps.store, &deps.agents, permit, request, approve).await?;
    Ok((StatusCode::CREATED, Json(opened)))
}

/// An enrolment that waits for its device.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PendingEnrolment)]
pub(super) struct PendingView {
    /// Names the enrolment.
    id: String,
    /// Name for the device to be; empty when none was given.
    name: String,
    /// Place of the device to be.
    zone: String,
    /// When it was opened.
    #[schema(value_type = String, format = DateTime)]
    created: Timestamp,
    /// When the code's time is over.
    #[schema(value_type = String, format = DateTime)]
    expires: Timestamp,
    /// Who opened it.
    created_by: String,
}

impl From<OpenCode> for PendingView {
    fn from(code: OpenCode) -> Self {
        let OpenCode { id, name, zone, created, expires, created_by, .. } = code;
        Self { id: id.to_string(), name, zone, created, expires, created_by }
    }
}

/// Enrolments that wait for their device, newest first; at most eight.
#[utoipa::path(get, path = "/agents/enrolments", tag = "agents",
    responses((status = 200, body = Page<PendingView>), Problem))]
pub(super) async fn pending(
    State(deps): State<Deps>,
    caller: Caller,
) -> Result<Json<Page<PendingView>>, ApiError> {
    let _ = caller.permit(&deps.gate, Action::DeviceRead, Resource::site())?;
    let items = deps.agents.pending((deps.now)()).into_iter().map(PendingView::from).collect();
    Ok(Json(Page { items, next: None }))
}

/// Withdraws an open enrolment: its code is good for nothing from now on.
#[utoipa::path(delete, path = "/agents/enrolments/{id}", tag = "agents",
    params(("id" = String, Path, description = "Enrolment")), responses((status = 204), Problem))]
pub(super) async fn withdraw(
    State(deps): State<Deps>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<StatusCode, ApiError> {
    let permit = caller.permit(&deps.gate, Action::DeviceEnrol, Resource::site())?;
    let wanted = id.clone();
    deps.store.write("withdrawing an enrolment", move |tx| withdraw_code(tx, permit, &wanted)).await?;
    deps.agents.withdraw_code(&id);
    Ok(StatusCode::NO_CONTENT)
}

/// The agent's identifier, and its id in the inventory.
fn named(id: &str) -> (Option<DeviceId>, String) {
    let wire = wire_id(id);
    (wire, wire.map_or_else(|| id.to_owned(), inventory_id))
}

/// Withdraws an agent's enrolment: its session ends, its keys are good for nothing until it is enrolled again.
#[utoipa::path(post, path = "/agents/{id}/revoke", tag = "agents",
    params(("id" = String, Path, description = "Device id of the agent")), request_body = Reason,
    responses((status = 200, body = DeviceDetail), Problem))]
pub(super) async fn revoke(
    State(deps): State<Deps>,
    caller: Caller,
    Path(id): Path<String>,
    Json(reason): Json<Reason>,
) -> Result<Json<DeviceDetail>, ApiError> {
    let (wire, device) = named(&id);
    let permit = caller.permit(&deps.gate, Action::DeviceQuarantine, resource(&device))?;
    if reason.reason.trim().is_empty() {
        return Err(ApiError::unprocessable(
            "no-reason",
            "A revocation needs a reason. Nothing was changed.",
        ));
    }
    let wire = wire.ok_or_else(|| ApiError::from(AgentError::Unknown(id)))?;
    let agents = std::sync::Arc::clone(&deps.agents);
    let act =
        move |tx: &sitewarden_store::Tx<'_>| revoke_agent(tx, permit, agents.keys(), wire, &reason.reason);
    let (agent, revoked) = deps.store.write("revoking an agent", act).await?;
    deps.registry.put(vec![revoked]);
    deps.agents.put(agent);
    (deps.changed)();
    answer(&deps, &device).await
}

/// Gives an agent other parameters; it gets them, signed, when it says hello next (within a minute). `version` is
/// the box's: what is sent is not looked at.
#[utoipa::path(put, path = "/agents/{id}/parameters", tag = "agents",
    params(("id" = String, Path, description = "Device id of the agent")), request_body = Orders,
    responses((status = 200, body = Orders), Problem))]
pub(super) async fn parameters(
    State(deps): State<Deps>,
    caller: Caller,
    Path(id): Path<String>,
    Json(orders): Json<Orders>,
) -> Result<Json<Orders>, ApiError> {
    let (wire, device) = named(&id);
    let permit = caller.permit(&deps.gate, Action::DeviceEdit, resource(&device))?;
    let wire = wire.ok_or_else(|| ApiError::from(AgentError::Unknown(id)))?;
    let agents = std::sync::Arc::clone(&deps.agents);
    let act = move |tx: &sitewarden_store::Tx<'_>| set_orders(tx, permit, agents.keys(), wire, orders);
    let agent = deps.store.write("changing an agent's parameters", act).await?;
    let orders = agent.orders.clone();
    deps.agents.put(agent);
    Ok(Json(orders))
}
