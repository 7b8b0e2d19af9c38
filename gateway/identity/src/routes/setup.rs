//! The first set-up: what is left to do, the first owner, the site's name.
//!
//! Open to nobody known, because nobody is known yet; the code of the console is the proof.

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use sitewarden_core::{Action, Principal, Resource, Role, Timestamp};
use sitewarden_http::{ApiError, Caller, Json, Problem};
use utoipa::ToSchema;

use super::view::{SessionView, signed_in};
use crate::Identity;
use crate::auth::Visitor;
use crate::error::IdentityError;
use crate::people::{NewUser, check_login, check_name, owners};
use crate::secret::{self, Secret};
use crate::sessions::NewSession;
use crate::setup::{self, SiteSettings, check_time_zone, site_settings};
use crate::signals::Happening;
use crate::{auth, password};

/// What is left of the first set-up.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SetupView {
    /// Whether there is no owner yet: then the wizard begins.
    needed: bool,
    /// Steps that are left: `owner`, `trust`, `time`.
    steps: Vec<&'static str>,
    /// Fingerprint of the site's CA, eight words to compare with the console.
    ca_fingerprint: String,
    /// The box's own clock.
    #[schema(value_type = String, format = DateTime)]
    box_time: Timestamp,
}

/// What is left of the first set-up. Open to all.
#[utoipa::path(get, path = "/setup", tag = "identity", operation_id = "read_setup", security(()),
    responses((status = 200, body = SetupView), Problem))]
pub(super) async fn read(State(identity): State<Identity>) -> Result<Json<SetupView>, ApiError> {
    let state =
        identity.inner.store.read(|conn| Ok::<_, IdentityError>((owners(conn)?, site_settings(conn)?)));
    let (owners, settings) = state.await?;
    let mut steps = Vec::new();
    if owners == 0 {
        steps.push("owner");
    }
    if settings.is_none() {
        steps.extend(["trust", "time"]);
    }
    Ok(Json(SetupView {
        needed: owners == 0,
        steps,
        ca_fingerprint: identity.inner.ca_fingerprint.to_string(),
        box_time: identity.now().wall,
    }))
}

/// The first owner.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct FirstOwner {
    /// The code on the box's console.
    #[schema(value_type = String, min_length = 8)]
    code: Secret,
    /// What others see.
    #[schema(min_length = 1, max_length = 100)]
    name: String,
    /// What is typed at sign-in.
    #[schema(min_length = 1, max_length = 64)]
    login: String,
    /// At least twelve characters.
    #[schema(value_type = String, format = Password, min_length = 10, max_length = 1024)]
    password: Secret,
}

/// Makes the first owner and signs them in. Works once, with the code that the box printed on its console.
#[utoipa::path(post, path = "/setup/owner", tag = "identity", operation_id = "create_first_owner", security(()),
    request_body = FirstOwner, responses((status = 201, body = SessionView), Problem))]
pub(super) async fn owner(
    State(identity): State<Identity>,
    visitor: Visitor,
    Json(body): Json<FirstOwner>,
) -> Result<Response, ApiError> {
    let permit = identity.inner.gate.permit(&Principal::Anonymous, Action::SetupRun, Resource::site())?;
    check_code(&identity, &visitor, &body.code)?;
    let login = check_login(&body.login)?;
    let name = check_name("name", &body.name)?;
    password::check(&body.password, &login)?;
    let password = identity.inner.passwords.hash(body.password).await?;
    let new = NewUser { login, name, role: Role::Owner, password };
    let (token, session) = new_session(&visitor, None)?;
    let made = identity
        .inner
        .store
        .write("making the first owner", move |tx| setup::first_owner(tx, permit, &new, &session));
    let (_, session) = made.await?;
    *identity.inner.setup_code.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = None;
    (identity.inner.entities_changed)();
    Ok(signed_in(StatusCode::CREATED, &session, &token))
}

fn check_code(identity: &Identity, visitor: &Visitor, typed: &Secret) -> Result<(), IdentityError> {
    let now = identity.now();
    let Some(code) = identity.setup_code() else { return Err(IdentityError::SetupDone) };
    let charge = identity.inner.throttle.setup(visitor.address, now.mono).map_err(|wait| {
        identity.inner.signals.tell(Happening::Throttled, "", Some(visitor.address), now.wall);
        IdentityError::Throttled(wait)
    })?;
    let typed = secret::normal_code(typed.expose());
    if !secret::same(typed.expose(), code.expose()) {
        identity.inner.signals.tell(Happening::SetupCodeWrong, "", Some(visitor.address), now.wall);
        return Err(IdentityError::setup_code(typed.expose().chars().count()));
    }
    identity.inner.throttle.give_back(charge);
    Ok(())
}

/// A new token and the row for it.
pub(super) fn new_session(
    visitor: &auth::Visitor,
    instead_of: Option<String>,
) -> Result<(Secret, NewSession), IdentityError> {
    let token = secret::token()?;
    let session = NewSession {
        token_hash: secret::hash(token.expose()),
        address: visitor.address.to_string(),
        user_agent: visitor.user_agent.clone(),
        instead_of,
    };
    Ok((token, session))
}

/// What the last step of the wizard asks for.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct FinishSetup {
    /// Name of the site.
    #[schema(min_length = 1, max_length = 100)]
    site_name: String,
    /// IANA time zone, such as `Europe/Oslo`.
    #[schema(min_length = 1, max_length = 64, pattern = "^[A-Za-z0-9_+-]([A-Za-z0-9_+/-]*[A-Za-z0-9_+-])?$")]
    time_zone: String,
}

/// Keeps the site's name and time zone.
#[utoipa::path(post, path = "/setup/finish", tag = "identity", operation_id = "finish_setup",
    request_body = FinishSetup, responses((status = 204), Problem))]
pub(super) async fn finish(
    State(identity): State<Identity>,
    caller: Caller,
    Json(body): Json<FinishSetup>,
) -> Result<StatusCode, ApiError> {
    let permit = caller.permit(&identity.inner.gate, Action::SetupRun, Resource::site())?;
    let settings = SiteSettings {
        site_name: check_name("site_name", &body.site_name)?,
        time_zone: check_time_zone(&body.time_zone)?,
    };
    identity
        .inner
        .store
        .write("finishing the set-up", move |tx| setup::finish(tx, permit, &settings))
        .await?;
    Ok(StatusCode::NO_CONTENT)
}
