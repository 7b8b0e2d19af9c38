//! Sign-in, sign-out, and who is signed in.
//!
//! A failed sign-in looks the same whether the login exists or not, and takes the same time.

use axum::Extension;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use serde::Deserialize;
use sitewarden_core::{Action, Principal};
use sitewarden_http::{ApiError, Caller, Json, Problem};
use utoipa::ToSchema;

use super::setup::new_session;
use super::view::{SessionView, UserView, signed_in, signed_out};
use crate::Identity;
use crate::auth::{ByKey, SignedIn, Visitor};
use crate::error::IdentityError;
use crate::people::{self, User, check_login};
use crate::secret::Secret;
use crate::sessions;
use crate::signals::Happening;

/// What is typed at sign-in.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SignIn {
    /// Login; capital letters do not count.
    login: String,
    /// Password.
    #[schema(value_type = String, format = Password)]
    password: Secret,
}

/// Who is signed in. An API key is told about itself.
#[utoipa::path(get, path = "/session", tag = "identity", operation_id = "read_session",
    responses((status = 200, body = SessionView), Problem))]
pub(super) async fn read(
    _: Caller,
    session: Option<Extension<SignedIn>>,
    key: Option<Extension<ByKey>>,
) -> Result<Response, ApiError> {
    if let Some(Extension(SignedIn(session))) = session {
        return Ok(Json(SessionView::from(&*session)).into_response());
    }
    let Some(Extension(ByKey(key))) = key else {
        return Err(ApiError::unauthorized("Nobody is signed in. Sign in."));
    };
    let user = UserView {
        id: key.id.clone(),
        login: format!("api-key:{}", key.id),
        name: key.name.clone(),
        role: key.role.into(),
        created: Some(key.created),
        last_seen: key.last_used,
    };
    Ok(Json(SessionView { user, expires: key.expires }).into_response())
}

/// Signs in with login and password; the answer sets the cookie `__Host-session`. The session that the browser came with
/// ends.
#[utoipa::path(post, path = "/session", tag = "identity", operation_id = "sign_in", security(()),
    request_body = SignIn, responses((status = 200, body = SessionView), Problem))]
pub(super) async fn sign_in(
    State(identity): State<Identity>,
    visitor: Visitor,
    before: Option<Extension<SignedIn>>,
    Json(body): Json<SignIn>,
) -> Result<Response, ApiError> {
    // What cannot be a login is checked like one that does not exist.
    let login = check_login(&body.login).unwrap_or_default();
    let (user, password) = check(&identity, &visitor, &login, body.password).await?;
    let now = identity.now();
    let principal = Principal::Person { id: user.id.as_str().into(), role: user.role };
    let permit = identity.inner.gate.permit(&principal, Action::SelfManage, people::resource(&user.id))?;
    let instead_of = before.map(|Extension(SignedIn(session))| session.id.clone());
    let (token, new) = new_session(&visitor, instead_of)?;
    let begun = identity
        .inner
        .store
        .write("beginning a session", move |tx| sessions::begin(tx, permit, &user, &password, &new));
    let session = begun.await?;
    identity.inner.throttle.signed_in(visitor.address, &login);
    identity.inner.signals.tell(Happening::LoginSucceeded, &login, Some(visitor.address), now.wall);
    Ok(signed_in(StatusCode::OK, &session, &token))
}

/// The person and the hash that the password was checked against.
async fn check(
    identity: &Identity,
    visitor: &Visitor,
    login: &str,
    password: Secret,
) -> Result<(User, String), ApiError> {
    let now = identity.now();
    let charge = identity.inner.throttle.login(visitor.address, login, now.mono).map_err(|wait| {
        identity.inner.signals.tell(Happening::Throttled, login, Some(visitor.address), now.wall);
        IdentityError::Throttled(wait)
    })?;
    let wanted = login.to_owned();
    let found = identity
        .inner
        .store
        .read(move |conn| people::by_login(conn, &wanted).map_err(IdentityError::from))
        .await?;
    let stored = found.as_ref().map(|(_, hash)| hash.clone());
    let right = match identity.inner.passwords.verify(password, stored).await {
        Ok(right) => right,
        Err(error) => {
            identity.inner.throttle.give_back(charge);
            return Err(error.into());
        }
    };
    match found.filter(|_| right) {
        Some(found) => {
            identity.inner.throttle.give_back(charge);
            Ok(found)
        }
        None => {
            identity.inner.signals.tell(Happening::LoginFailed, login, Some(visitor.address), now.wall);
            Err(IdentityError::WrongCredentials.into())
        }
    }
}

/// Signs out and removes the cookie. Without a session there is nothing to end, and that is fine.
#[utoipa::path(delete, path = "/session", tag = "identity", operation_id = "sign_out",
    responses((status = 204), Problem))]
pub(super) async fn sign_out(
    State(identity): State<Identity>,
    visitor: Visitor,
    session: Option<Extension<SignedIn>>,
) -> Result<Response, ApiError> {
    let Some(Extension(SignedIn(session))) = session else { return Ok(signed_out()) };
    let principal = Principal::Person { id: session.user.as_str().into(), role: session.role };
    let permit =
        identity.inner.gate.permit(&principal, Action::SelfManage, people::resource(&session.user))?;
    let id = session.id.clone();
    identity.inner.store.write("ending a session", move |tx| sessions::end(tx, permit, &id)).await?;
    identity.inner.signals.tell(
        Happening::SessionEnded,
        &session.login,
        Some(visitor.address),
        identity.now().wall,
    );
    Ok(signed_out())
}
