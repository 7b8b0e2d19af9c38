//! What the routes show and take, and the session cookie.
//!
//! No logic. Invariant: neither a password nor a token is in any of what is shown; a new key is shown once.

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde::{Deserialize, Serialize};
use sitewarden_core::{Role, Timestamp};
use sitewarden_http::Json;
use utoipa::ToSchema;

use crate::auth::COOKIE;
use crate::limits::SESSION_TOTAL;
use crate::people;
use crate::secret::Secret;
use crate::sessions::Session;

/// A role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum RoleName {
    /// Sees, changes nothing.
    Viewer,
    /// Enrols and checks devices.
    Technician,
    /// Runs the site day by day.
    Operator,
    /// Everything, people and keys included.
    Owner,
}

impl From<Role> for RoleName {
    fn from(role: Role) -> Self {
        match role {
            Role::Viewer => Self::Viewer,
            Role::Technician => Self::Technician,
            Role::Operator => Self::Operator,
            Role::Owner => Self::Owner,
        }
    }
}

impl From<RoleName> for Role {
    fn from(role: RoleName) -> Self {
        match role {
            RoleName::Viewer => Self::Viewer,
            RoleName::Technician => Self::Technician,
            RoleName::Operator => Self::Operator,
            RoleName::Owner => Self::Owner,
        }
    }
}

/// A person, or the API key that asks.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct UserView {
    /// Id.
    pub(super) id: String,
    /// What is typed at sign-in.
    pub(super) login: String,
    /// What others see.
    pub(super) name: String,
    /// What they may.
    pub(super) role: RoleName,
    /// When they were added.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(super) created: Option<Timestamp>,
    /// When one of their sessions was last seen.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(super) last_seen: Option<Timestamp>,
}

impl From<people::User> for UserView {
    fn from(user: people::User) -> Self {
        Self {
            id: user.id,
            login: user.login,
            name: user.name,
            role: user.role.into(),
            created: Some(user.created),
            last_seen: user.last_seen,
        }
    }
}

/// Who is signed in and until when.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct SessionView {
    /// Who.
    pub(super) user: UserView,
    /// When it ends at the latest.
    #[schema(value_type = String, format = DateTime)]
    pub(super) expires: Timestamp,
}

impl From<&Session> for SessionView {
    fn from(session: &Session) -> Self {
        Self {
            user: UserView {
                id: session.user.clone(),
                login: session.login.clone(),
                name: session.name.clone(),
                role: session.role.into(),
                created: None,
                last_seen: Some(session.last_seen),
            },
            expires: session.expires,
        }
    }
}

/// An answer that sets the session's cookie.
pub(super) fn signed_in(status: StatusCode, session: &Session, token: &Secret) -> Response {
    let cookie = format!(
        "{COOKIE}={}; Path=/; Max-Age={}; HttpOnly; Secure; SameSite=Strict",
        token.expose(),
        SESSION_TOTAL.as_secs()
    );
    with_cookie((status, Json(SessionView::from(session))).into_response(), &cookie)
}

/// An answer without content that removes the session's cookie.
pub(super) fn signed_out() -> Response {
    let cookie = format!("{COOKIE}=; Path=/; Max-Age=0; HttpOnly; Secure; SameSite=Strict");
    with_cookie(StatusCode::NO_CONTENT.into_response(), &cookie)
}

fn with_cookie(mut response: Response, cookie: &str) -> Response {
    if let Ok(mut value) = HeaderValue::from_str(cookie) {
        value.set_sensitive(true);
        response.headers_mut().insert(header::SET_COOKIE, value);
    }
    response
}
