//! People: list, add, change, remove.
//!
//! Everybody changes the own name and password; all else is for those who may administer.

use axum::extract::State;
use http::StatusCode;
use serde::Deserialize;
use sitewarden_core::{Action, Principal, Resource};
use sitewarden_http::{ApiError, Caller, Json, Page, PageQuery, Path, Problem, Query};
use utoipa::ToSchema;

use super::view::{RoleName, UserView};
use crate::Identity;
use crate::error::IdentityError;
use crate::password;
use crate::people::{self, Edit, NewUser, check_login, check_name};
use crate::secret::Secret;

const LIST: &str = "users";

/// The people of the site, in order of their logins.
#[utoipa::path(get, path = "/users", tag = "identity", operation_id = "list_users", params(PageQuery),
    responses((status = 200, body = Page<UserView>), Problem))]
pub(super) async fn list(
    State(identity): State<Identity>,
    caller: Caller,
    Query(page): Query<PageQuery>,
) -> Result<Json<Page<UserView>>, ApiError> {
    let _seen = caller.permit(&identity.inner.gate, Action::UserRead, Resource::site())?;
    let (limit, after) = (page.limit()?, page.after::<String>(LIST)?);
    let rows = identity.inner.store.read(move |conn| people::list(conn, after.as_deref(), limit)).await?;
    let views: Vec<UserView> = rows.into_iter().map(UserView::from).collect();
    Ok(Json(Page::cut(LIST, views, limit, |user| user.login.clone())))
}

/// A person to be added.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CreateUser {
    /// What is typed at sign-in.
    #[schema(min_length = 1, max_length = 64)]
    login: String,
    /// What others see.
    #[schema(min_length = 1, max_length = 100)]
    name: String,
    /// What they may; not above the own role.
    role: RoleName,
    /// At least twelve characters.
    #[schema(value_type = String, format = Password, min_length = 10, max_length = 1024)]
    password: Secret,
}

/// Adds a person.
#[utoipa::path(post, path = "/users", tag = "identity", operation_id = "create_user",
    request_body = CreateUser, responses((status = 201, body = UserView), Problem))]
pub(super) async fn create(
    State(identity): State<Identity>,
    caller: Caller,
    Json(body): Json<CreateUser>,
) -> Result<(StatusCode, Json<UserView>), ApiError> {
    let permit = caller.permit(&identity.inner.gate, Action::UserCreate, Resource::site())?;
    let login = check_login(&body.login)?;
    let name = check_name("name", &body.name)?;
    password::check(&body.password, &login)?;
    let password = identity.inner.passwords.hash(body.password).await?;
    let new = NewUser { login, name, role: body.role.into(), password };
    let user =
        identity.inner.store.write("adding a person", move |tx| people::create(tx, permit, &new)).await?;
    (identity.inner.entities_changed)();
    Ok((StatusCode::CREATED, Json(user.into())))
}

/// What changes about a person; what is left out stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct EditUser {
    /// What others see.
    #[schema(min_length = 1, max_length = 100)]
    name: Option<String>,
    /// What they may; not above the own role.
    role: Option<RoleName>,
    /// At least twelve characters; ends the person's other sessions.
    #[schema(value_type = Option<String>, format = Password, min_length = 10, max_length = 1024)]
    password: Option<Secret>,
}

/// Changes a person. The own name and password everybody may change.
#[utoipa::path(patch, path = "/users/{id}", tag = "identity", operation_id = "edit_user",
    params(("id" = String, Path, description = "Id of the person")),
    request_body = EditUser, responses((status = 200, body = UserView), Problem))]
pub(super) async fn edit(
    State(identity): State<Identity>,
    caller: Caller,
    Path(id): Path<String>,
    Json(body): Json<EditUser>,
) -> Result<Json<UserView>, ApiError> {
    let own = matches!(&caller.principal, Principal::Person { id: caller, .. } if **caller == *id);
    let action = if own && body.role.is_none() { Action::SelfManage } else { Action::UserEdit };
    let permit = caller.permit(&identity.inner.gate, action, people::resource(&id))?;
    let wanted = id.clone();
    let found = identity
        .inner
        .store
        .read(move |conn| people::find(conn, &wanted).map_err(IdentityError::from))
        .await?;
    let user = found.ok_or(IdentityError::NotFound("person with this id"))?;
    let password = match body.password {
        None => None,
        Some(password) => {
            password::check(&password, &user.login)?;
            Some(identity.inner.passwords.hash(password).await?)
        }
    };
    let name = body.name.as_deref().map(|name| check_name("name", name)).transpose()?;
    let edit = Edit { name, role: body.role.map(Into::into), password };
    let keep = caller.session.filter(|_| own);
    let changed = identity
        .inner
        .store
        .write("changing a person", move |tx| people::edit(tx, permit, &id, &edit, keep.as_deref()))
        .await?;
    (identity.inner.entities_changed)();
    Ok(Json(changed.into()))
}

/// Removes a person and ends their sessions. The last owner stays.
#[utoipa::path(delete, path = "/users/{id}", tag = "identity", operation_id = "delete_user",
    params(("id" = String, Path, description = "Id of the person")),
    responses((status = 204), Problem))]
pub(super) async fn delete(
    State(identity): State<Identity>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<StatusCode, ApiError> {
    let permit = caller.permit(&identity.inner.gate, Action::UserDelete, people::resource(&id))?;
    identity.inner.store.write("removing a person", move |tx| people::delete(tx, permit, &id)).await?;
    (identity.inner.entities_changed)();
    Ok(StatusCode::NO_CONTENT)
}
