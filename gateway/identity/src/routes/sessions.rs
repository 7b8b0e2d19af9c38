//! Sessions: the own ones for everybody, all for those who may administer.

use axum::extract::State;
use http::StatusCode;
use serde::Serialize;
use sitewarden_core::{Action, Principal, Resource, Role, Timestamp};
use sitewarden_http::{ApiError, Caller, Json, Page, PageQuery, Path, Problem, Query};
use utoipa::ToSchema;

use crate::Identity;
use crate::error::IdentityError;
use crate::people;
use crate::sessions::{self, Session};
use crate::signals::Happening;

const LIST: &str = "sessions";

/// A session.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SessionRow {
    /// Id; not the cookie's value.
    id: String,
    /// Whose.
    user_id: String,
    /// Their login.
    login: String,
    /// Their name.
    name: String,
    /// Where it was begun.
    address: String,
    /// The browser's own word.
    user_agent: String,
    /// When it was begun.
    #[schema(value_type = String, format = DateTime)]
    created: Timestamp,
    /// Last request, to a minute.
    #[schema(value_type = String, format = DateTime)]
    last_seen: Timestamp,
    /// When it ends at the latest.
    #[schema(value_type = String, format = DateTime)]
    expires: Timestamp,
    /// Whether it is the one that asks.
    current: bool,
}

/// Live sessions: all for owners, the own ones for everybody else.
#[utoipa::path(get, path = "/sessions", tag = "identity", operation_id = "list_sessions", params(PageQuery),
    responses((status = 200, body = Page<SessionRow>), Problem))]
pub(super) async fn list(
    State(identity): State<Identity>,
    caller: Caller,
    Query(page): Query<PageQuery>,
) -> Result<Json<Page<SessionRow>>, ApiError> {
    let gate = &identity.inner.gate;
    // Asked by role and not tried out: a refusal that nobody meant would be told to the rules as one.
    let of = match &caller.principal {
        Principal::Person { id, role } if *role != Role::Owner => {
            let _own = caller.permit(gate, Action::SelfManage, people::resource(id))?;
            Some(id.to_string())
        }
        _ => {
            let _all = caller.permit(gate, Action::SessionRead, Resource::site())?;
            None
        }
    };
    let (limit, after, now) = (page.limit()?, page.after::<String>(LIST)?, identity.now().wall);
    let rows = identity
        .inner
        .store
        .read(move |conn| sessions::list(conn, of.as_deref(), after.as_deref(), limit, now))
        .await?;
    let view = |session: Session| SessionRow {
        current: caller.session.as_deref() == Some(&session.id),
        id: session.id,
        user_id: session.user,
        login: session.login,
        name: session.name,
        address: session.address,
        user_agent: session.user_agent,
        created: session.created,
        last_seen: session.last_seen,
        expires: session.expires,
    };
    Ok(Json(Page::cut(LIST, rows.into_iter().map(view).collect(), limit, |row| row.id.clone())))
}

/// Ends a session: an own one, or any for those who may.
#[utoipa::path(delete, path = "/sessions/{id}", tag = "identity", operation_id = "end_session",
    params(("id" = String, Path, description = "Id of the session")),
    responses((status = 204), Problem))]
pub(super) async fn end(
    State(identity): State<Identity>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<StatusCode, ApiError> {
    let gate = &identity.inner.gate;
    let wanted = id.clone();
    let found = identity
        .inner
        .store
        .read(move |conn| sessions::find(conn, &wanted).map_err(IdentityError::from))
        .await?;
    let own = found.as_ref().is_some_and(
        |session| matches!(&caller.principal, Principal::Person { id, .. } if **id == *session.user),
    );
    let permit = match &found {
        Some(session) if own => caller.permit(gate, Action::SelfManage, people::resource(&session.user))?,
        _ => caller.permit(gate, Action::SessionRevoke, Resource::new("Session", &id))?,
    };
    let ended =
        identity.inner.store.write("ending a session", move |tx| sessions::end(tx, permit, &id)).await?;
    let now = identity.now().wall;
    identity.inner.signals.tell(Happening::SessionEnded, &ended.login, Some(caller.address), now);
    Ok(StatusCode::NO_CONTENT)
}
