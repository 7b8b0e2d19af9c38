//! Routes of the uplink: how it stands, registering at a cloud, forgetting it.
//!
//! Parse, permit, one call, view.

use axum::extract::State;
use serde::Deserialize;
use sitewarden_core::{Action, Resource};
use sitewarden_http::{ApiError, Caller, Json, Problem};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::shell::{Registration, Uplink};
use crate::status::StatusView;

/// All routes of the uplink, under `/api/v1`.
pub fn routes(uplink: Uplink) -> OpenApiRouter {
    OpenApiRouter::new().routes(routes!(read, forget)).routes(routes!(register)).with_state(uplink)
}

/// How the uplink stands: the cloud, the cursor, what waits, what went wrong and when it is tried again.
#[utoipa::path(get, path = "/uplink", tag = "uplink", operation_id = "read_uplink",
    responses((status = 200, body = StatusView), Problem))]
async fn read(State(uplink): State<Uplink>, caller: Caller) -> Result<Json<StatusView>, ApiError> {
    let _seen = caller.permit(&uplink.deps().gate, Action::UplinkRead, Resource::site())?;
    Ok(Json(uplink.view().await?))
}

/// What registers the box at a cloud.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RegisterBody {
    /// Address of the cloud's API: https, host, port and path.
    #[schema(max_length = 2048)]
    url: String,
    /// The one-time code that the cloud gave for this site.
    #[schema(max_length = 256)]
    claim_code: String,
    /// Certificates (PEM) of the authorities that may have signed the cloud's; without them the system's.
    #[schema(max_length = 65536)]
    ca_pem: Option<String>,
}

/// Registers the box at a cloud by a claim code, and begins to send the site log there.
#[utoipa::path(post, path = "/uplink/register", tag = "uplink", operation_id = "register_uplink",
    request_body = RegisterBody, responses((status = 200, body = StatusView), Problem))]
async fn register(
    State(uplink): State<Uplink>,
    caller: Caller,
    Json(body): Json<RegisterBody>,
) -> Result<Json<StatusView>, ApiError> {
    let permit = caller.permit(&uplink.deps().gate, Action::UplinkManage, Resource::site())?;
    let wanted = Registration { url: body.url, claim_code: body.claim_code, ca_pem: body.ca_pem };
    Ok(Json(uplink.register(permit, wanted).await?))
}

/// Forgets the cloud; nothing more is sent. The log stays.
#[utoipa::path(delete, path = "/uplink", tag = "uplink", operation_id = "forget_uplink",
    responses((status = 200, body = StatusView), Problem))]
async fn forget(State(uplink): State<Uplink>, caller: Caller) -> Result<Json<StatusView>, ApiError> {
    let permit = caller.permit(&uplink.deps().gate, Action::UplinkManage, Resource::site())?;
    Ok(Json(uplink.forget(permit).await?))
}
