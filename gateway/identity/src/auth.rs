//! The layer that finds out who asks: cookie or bearer key in, [`Caller`] out; and the protection from other sites' forms.
//!
//! It grants nothing: rights come from the gate. Invariants: a request with a cookie changes nothing unless a script of
//! this very site sent it; a bad key is 401 and never falls back to the cookie; two session cookies are none.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use axum::extract::{ConnectInfo, FromRequestParts, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http::request::Parts;
use http::{HeaderMap, HeaderName, Method, header};
use sitewarden_core::{Action, Principal, Resource, Timestamp};
use sitewarden_http::{ApiError, Caller};

use crate::Identity;
use crate::error::IdentityError;
use crate::keys::{self, ApiKey};
use crate::limits::{SEEN_INTERVAL, USER_AGENT_BYTES};
use crate::people;
use crate::secret::{key_hash, token_hash};
use crate::sessions::{self, Session};
use crate::signals::Happening;

/// Name of the cookie; the prefix makes browsers refuse it without `Secure`, with `Domain`, or for another path.
pub const COOKIE: &str = "__Host-session";

/// Header that a script of this site sends with every change; another site's cannot without our leave.
pub const PROOF: HeaderName = HeaderName::from_static("x-sitewarden");

/// Where a request comes from, known or not.
#[derive(Clone, Debug)]
pub(crate) struct Visitor {
    pub(crate) address: IpAddr,
    pub(crate) user_agent: String,
}

impl<S: Send + Sync> FromRequestParts<S> for Visitor {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let address = parts
            .extensions
            .get::<ConnectInfo<SocketAddr>>()
            .map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |ConnectInfo(address)| address.ip().to_canonical());
        let agent =
            parts.headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let user_agent: String = agent.chars().filter(|c| !c.is_control()).take(USER_AGENT_BYTES).collect();
        Ok(Self { address, user_agent })
    }
}

/// The session behind the request's cookie; in the extensions beside the [`Caller`].
#[derive(Clone, Debug)]
pub(crate) struct SignedIn(pub(crate) Arc<Session>);

/// The API key of the request; in the extensions beside the [`Caller`].
#[derive(Clone, Debug)]
pub(crate) struct ByKey(pub(crate) Arc<ApiKey>);

/// The layer, for `axum::middleware::from_fn_with_state`.
pub async fn authenticate(State(identity): State<Identity>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    let Ok(visitor) = Visitor::from_request_parts(&mut parts, &()).await;
    match find_out(&identity, &mut parts, &visitor).await {
        Ok(()) => next.run(Request::from_parts(parts, body)).await,
        Err(error) => error.into_response(),
    }
}

async fn find_out(identity: &Identity, parts: &mut Parts, visitor: &Visitor) -> Result<(), ApiError> {
    let now = identity.now().wall;
    if let Some(value) = parts.headers.get(header::AUTHORIZATION) {
        let key = by_key(identity, value.to_str().unwrap_or_default(), visitor, now).await?;
        parts.extensions.insert(Caller {
            principal: Principal::ApiKey { id: key.id.as_str().into(), role: key.role },
            session: None,
            address: visitor.address,
            login: None,
        });
        parts.extensions.insert(ByKey(Arc::new(key)));
        return Ok(());
    }
    let changes = !matches!(parts.method, Method::GET | Method::HEAD | Method::OPTIONS);
    if changes && !comes_from_here(parts) {
        identity.inner.signals.tell(Happening::CrossSiteRefused, "", Some(visitor.address), now);
        return Err(ApiError::forbidden(
            "cross-site",
            "The request comes from another site's page; nothing was changed. Open the box's own address.",
        ));
    }
    let Some(session) = by_cookie(identity, &parts.headers, now).await? else { return Ok(()) };
    if changes && parts.headers.get(PROOF).is_none_or(|value| value != "1") {
        identity.inner.signals.tell(Happening::CrossSiteRefused, &session.login, Some(visitor.address), now);
        return Err(ApiError::forbidden(
            "no-proof",
            "A change with the session's cookie needs the header `X-Sitewarden: 1`; nothing was changed.",
        ));
    }
    parts.extensions.insert(Caller {
        principal: Principal::Person { id: session.user.as_str().into(), role: session.role },
        session: Some(session.id.as_str().into()),
        address: visitor.address,
        login: Some(session.login.as_str().into()),
    });
    parts.extensions.insert(SignedIn(Arc::new(session)));
    Ok(())
}

async fn by_key(
    identity: &Identity,
    header: &str,
    visitor: &Visitor,
    now: Timestamp,
) -> Result<ApiKey, ApiError> {
    let scheme_and_key = header.split_once(' ').filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    let hash = scheme_and_key.and_then(|(_, key)| key_hash(key.trim()));
    let found = match hash {
        Some(hash) => {
            let read = identity
                .inner
                .store
                .read(move |conn| keys::by_hash(conn, &hash, now).map_err(IdentityError::from));
            read.await?
        }
        None => None,
    };
    let Some(key) = found else {
        // Right keys are never throttled, so nobody is locked out by another behind the same address.
        if let Err(wait) = identity.inner.throttle.key(visitor.address, identity.now().mono) {
            identity.inner.signals.tell(Happening::Throttled, "", Some(visitor.address), now);
            return Err(IdentityError::Throttled(wait).into());
        }
        identity.inner.signals.tell(Happening::ApiKeyRefused, "", Some(visitor.address), now);
        return Err(ApiError::unauthorized(
            "The API key is wrong, has ended or was withdrawn. Ask an owner for a new one.",
        ));
    };
    if key.last_used.is_none_or(|used| now.since(used) >= SEEN_INTERVAL) {
        let id = key.id.clone();
        let permit = identity.inner.gate.system("key-used", Action::ApiKeyRead, Resource::new("ApiKey", &id));
        let store = identity.inner.store.clone();
        tokio::spawn(async move {
            store.write("noting a key's use", move |tx| keys::used(tx, permit, &id)).await
        });
    }
    Ok(key)
}

async fn by_cookie(
    identity: &Identity,
    headers: &HeaderMap,
    now: Timestamp,
) -> Result<Option<Session>, ApiError> {
    let Some(hash) = cookie(headers).and_then(token_hash) else { return Ok(None) };
    let read = identity
        .inner
        .store
        .read(move |conn| sessions::by_token(conn, &hash, now).map_err(IdentityError::from));
    let Some(session) = read.await? else { return Ok(None) };
    if now.since(session.last_seen) >= SEEN_INTERVAL {
        let (id, user) = (session.id.clone(), session.user.clone());
        let permit = identity.inner.gate.system("session-seen", Action::SelfManage, people::resource(&user));
        let store = identity.inner.store.clone();
        tokio::spawn(async move {
            store.write("noting a session's use", move |tx| sessions::seen(tx, permit, &id, &user)).await
        });
    }
    Ok(Some(session))
}

/// The session cookie's value. Two of them mean that somebody planted one: then neither counts.
fn cookie(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .filter(|(name, _)| *name == COOKIE)
        .map(|(_, value)| value);
    let first = values.next();
    if values.next().is_some() { None } else { first }
}

/// Whether the browser says, where it says anything, that a page of this site sent the request.
fn comes_from_here(parts: &Parts) -> bool {
    let text = |name: HeaderName| parts.headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    if text(HeaderName::from_static("sec-fetch-site"))
        .is_some_and(|site| site != "same-origin" && site != "none")
    {
        return false;
    }
    let Some(origin) = text(header::ORIGIN) else { return true };
    let host = parts.uri.authority().map(http::uri::Authority::as_str).or_else(|| text(header::HOST));
    let here = origin.split_once("://").map(|(_, authority)| authority);
    here.is_some() && here.zip(host).is_some_and(|(here, host)| here.eq_ignore_ascii_case(host))
}
