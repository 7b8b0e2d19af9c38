//! Signing in and out.

use axum::extract::State;
use axum_extra::extract::CookieJar;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::extract::Json;
use crate::hub::Hub;
use crate::people::session::{Operator, OurPage, Visitor, sign_in, sign_out};
use crate::problem::{ApiError, Problem};
use crate::secret::Secret;

pub(super) fn routes(hub: Hub) -> OpenApiRouter {
    OpenApiRouter::new().routes(routes!(read, begin, end)).with_state(hub)
}

/// Login and password.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Credentials {
    /// Log-in name.
    login: String,
    /// Password.
    #[schema(value_type = String)]
    password: Secret,
}

/// Who is signed in.
#[derive(Debug, Serialize, ToSchema)]
struct SessionView {
    /// Log-in name.
    login: String,
    /// The tenant whose sites they see.
    tenant: String,
}

fn view(operator: Operator) -> Json<SessionView> {
    Json(SessionView { login: operator.login, tenant: operator.tenant_name })
}

/// Who is signed in.
#[utoipa::path(get, path = "/session", tag = "portal", operation_id = "read_session", responses((status = 200, body = SessionView), (status = 401, body = Problem)))]
async fn read(operator: Operator) -> Json<SessionView> {
    view(operator)
}

/// Signs in; the answer sets the cookie `__Host-hub-session`. Needs the header `X-Sitewarden: 1`.
#[utoipa::path(post, path = "/session", tag = "portal", operation_id = "begin_session", responses((status = 200, body = SessionView), (status = 401, body = Problem),
    (status = 403, body = Problem), (status = 429, body = Problem)))]
async fn begin(
    State(hub): State<Hub>,
    _page: OurPage,
    visitor: Visitor,
    cookies: CookieJar,
    Json(asked): Json<Credentials>,
) -> Result<(CookieJar, Json<SessionView>), ApiError> {
    let (cookie, operator) = sign_in(&hub, visitor.0, &asked.login, asked.password).await?;
    Ok((cookies.add(cookie), view(operator)))
}

/// Signs out. Needs the header `X-Sitewarden: 1`.
#[utoipa::path(delete, path = "/session", tag = "portal", operation_id = "end_session", responses((status = 204), (status = 401, body = Problem), (status = 403, body = Problem)))]
async fn end(
    State(hub): State<Hub>,
    operator: Operator,
    cookies: CookieJar,
) -> Result<(StatusCode, CookieJar), ApiError> {
    let ended = sign_out(&hub, &operator).await?;
    Ok((StatusCode::NO_CONTENT, cookies.add(ended)))
}
