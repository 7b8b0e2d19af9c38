//! API keys: list, make, withdraw.

use axum::extract::State;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use sitewarden_core::{Action, Resource, Timestamp};
use sitewarden_http::{ApiError, Caller, Json, Page, PageQuery, Path, Problem, Query};
use utoipa::ToSchema;

use super::view::RoleName;
use crate::Identity;
use crate::keys::{self, ApiKey, NewApiKey, create_api_key, revoke_api_key};

const LIST: &str = "api-keys";

/// An API key.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ApiKeyView {
    /// Id; not the key.
    id: String,
    /// What it is for.
    name: String,
    /// What it may.
    role: RoleName,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    created: Timestamp,
    /// Who made it.
    created_by: String,
    /// When it ends.
    #[schema(value_type = String, format = DateTime)]
    expires: Timestamp,
    /// Last use, to a minute.
    #[schema(value_type = Option<String>, format = DateTime)]
    last_used: Option<Timestamp>,
}

impl From<ApiKey> for ApiKeyView {
    fn from(key: ApiKey) -> Self {
        Self {
            id: key.id,
            name: key.name,
            role: key.role.into(),
            created: key.created,
            created_by: key.created_by,
            expires: key.expires,
            last_used: key.last_used,
        }
    }
}

/// The API keys of the site.
#[utoipa::path(get, path = "/api-keys", tag = "identity", operation_id = "list_api_keys", params(PageQuery),
    responses((status = 200, body = Page<ApiKeyView>), Problem))]
pub(super) async fn list(
    State(identity): State<Identity>,
    caller: Caller,
    Query(page): Query<PageQuery>,
) -> Result<Json<Page<ApiKeyView>>, ApiError> {
    let _seen = caller.permit(&identity.inner.gate, Action::ApiKeyRead, Resource::site())?;
    let (limit, after) = (page.limit()?, page.after::<String>(LIST)?);
    let rows = identity.inner.store.read(move |conn| keys::list(conn, after.as_deref(), limit)).await?;
    Ok(Json(Page::cut(LIST, rows.into_iter().map(ApiKeyView::from).collect(), limit, |key| key.id.clone())))
}

/// An API key to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CreateApiKey {
    /// What it is for.
    #[schema(min_length = 1, max_length = 100)]
    name: String,
    /// What it may; not above the own role.
    role: RoleName,
    /// Days until it ends.
    #[schema(minimum = 1, maximum = 3650)]
    expires_in_days: u32,
}

/// An API key that was just made.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CreatedApiKeyView {
    /// The key itself, begins with `swk_`; nobody can see it again.
    key: String,
    /// How it will be listed.
    #[serde(flatten)]
    listed: ApiKeyView,
}

/// Makes an API key; the answer is the only place where it can be seen.
#[utoipa::path(post, path = "/api-keys", tag = "identity", operation_id = "create_api_key",
    request_body = CreateApiKey, responses((status = 201, body = CreatedApiKeyView), Problem))]
pub(super) async fn create(
    State(identity): State<Identity>,
    caller: Caller,
    Json(body): Json<CreateApiKey>,
) -> Result<(StatusCode, Json<CreatedApiKeyView>), ApiError> {
    let permit = caller.permit(&identity.inner.gate, Action::ApiKeyCreate, Resource::site())?;
    let new = NewApiKey { name: body.name, role: body.role.into(), expires_in_days: body.expires_in_days };
    let made =
        identity.inner.store.write("making an API key", move |tx| create_api_key(tx, permit, &new)).await?;
    let view = CreatedApiKeyView { key: made.key.expose().to_owned(), listed: made.listed.into() };
    Ok((StatusCode::CREATED, Json(view)))
}

/// Withdraws an API key; the next request with it is refused.
#[utoipa::path(delete, path = "/api-keys/{id}", tag = "identity", operation_id = "revoke_api_key",
    params(("id" = String, Path, description = "Id of the key")),
    responses((status = 204), Problem))]
pub(super) async fn revoke(
    State(identity): State<Identity>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<StatusCode, ApiError> {
    let permit = caller.permit(&identity.inner.gate, Action::ApiKeyRevoke, Resource::new("ApiKey", &id))?;
    identity.inner.store.write("withdrawing an API key", move |tx| revoke_api_key(tx, permit, &id)).await?;
    Ok(StatusCode::NO_CONTENT)
}
