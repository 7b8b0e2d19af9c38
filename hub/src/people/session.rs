//! Sessions: a random token in a `__Host-` cookie, its hash in the database; and the protection from other sites' pages.
//!
//! Any instance knows any session. Invariants: a request with a cookie changes nothing unless a script of this very page sent it;
//! a wrong login and a wrong password are one answer; a session sees its tenant's rows alone.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use axum::extract::{ConnectInfo, FromRequestParts};
use axum_extra::extract::CookieJar;
use axum_extra::extract::cookie::{Cookie, SameSite};
use http::request::Parts;
use http::{HeaderName, Method, header};
use uuid::Uuid;

use super::password::PasswordError;
use crate::database::{DatabaseError, Doing as _, Scope};
use crate::hub::Hub;
use crate::limits::{LOGIN_BYTES, PASSWORD_BYTES, SEEN_INTERVAL, SESSION_IDLE, SESSION_TOTAL, SESSIONS};
use crate::problem::ApiError;
use crate::rate::{self, Try};
use crate::secret::{Secret, hash, hex, token};

/// Name of the cookie; the prefix makes browsers refuse it without `Secure`, with `Domain`, or for another path.
pub(crate) const COOKIE: &str = "__Host-hub-session";

/// Header that a script of this page sends with every change; another site's cannot without our leave.
pub(crate) const PROOF: HeaderName = HeaderName::from_static("x-sitewarden");

/// Who is signed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Operator {
    /// Log-in name.
    pub(crate) login: String,
    /// Whose rows they see.
    pub(crate) tenant: Uuid,
    /// Name of that tenant.
    pub(crate) tenant_name: String,
    token_hash: [u8; 32],
}

/// Address of the connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Visitor(pub(crate) IpAddr);

impl<S: Send + Sync> FromRequestParts<S> for Visitor {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let address = parts
            .extensions
            .get::<ConnectInfo<SocketAddr>>()
            .map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |ConnectInfo(address)| address.ip().to_canonical());
        Ok(Self(address))
    }
}

/// That a script of our own page sent the request; taken before its body.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OurPage;

impl<S: Send + Sync> FromRequestParts<S> for OurPage {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        from_our_page(parts).map(|()| Self)
    }
}

impl FromRequestParts<Hub> for Operator {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, hub: &Hub) -> Result<Self, ApiError> {
        if !matches!(parts.method, Method::GET | Method::HEAD) {
            from_our_page(parts)?;
        }
        let nobody =
            || ApiError::unauthorized("not-signed-in", "Nobody is signed in. Sign in and ask again.");
        let cookies = CookieJar::from_headers(&parts.headers);
        let cookie = cookies.get(COOKIE).map(|cookie| cookie.value().to_owned()).ok_or_else(nobody)?;
        find(hub, &hash(cookie.as_bytes())).await?.ok_or_else(nobody)
    }
}

/// Whether a script of our own page sent this change.
///
/// # Errors
/// 403.
fn from_our_page(parts: &Parts) -> Result<(), ApiError> {
    let text = |name: HeaderName| parts.headers.get(name).and_then(|value| value.to_str().ok());
    // HTTP/2 has the host in the address, HTTP/1.1 in a header.
    let host = parts.uri.authority().map(http::uri::Authority::as_str).or_else(|| text(header::HOST));
    let foreign = text(header::ORIGIN).is_some_and(|origin| origin.strip_prefix("https://") != host);
    if foreign || text(PROOF) != Some("1") {
        return Err(ApiError::forbidden(
            "cross-site",
            "A change needs the header `X-Sitewarden: 1` and the hub's own origin; nothing was changed.",
        ));
    }
    Ok(())
}

async fn find(hub: &Hub, token_hash: &[u8; 32]) -> Result<Option<Operator>, DatabaseError> {
    let mut connection = hub.database.connect().await?;
    let tx = connection.begin(&Scope::Lookup(format!("session:{}", hex(token_hash)))).await?;
    let row = tx
        .query_opt(
            "SELECT tenant, account, last_seen < now() - make_interval(secs => $2) FROM hub.session
             WHERE token_hash = $1 AND expires > now() AND last_seen > now() - make_interval(secs => $3)",
            &[&token_hash.as_slice(), &SEEN_INTERVAL.as_secs_f64(), &SESSION_IDLE.as_secs_f64()],
        )
        .await
        .doing("looking for a session")?;
    let Some(row) = row else { return Ok(None) };
    let (tenant, account, is_due): (Uuid, Uuid, bool) = (row.get(0), row.get(1), row.get(2));
    tx.rescope(&Scope::Tenant(tenant)).await?;
    let row = tx
        .query_opt(
            "SELECT a.login, t.name FROM hub.account a JOIN hub.tenant t ON t.id = a.tenant WHERE a.id = $1",
            &[&account],
        )
        .await
        .doing("looking for an account")?;
    if is_due {
        tx.execute(
            "UPDATE hub.session SET last_seen = now() WHERE token_hash = $1",
            &[&token_hash.as_slice()],
        )
        .await
        .doing("noting that a session is in use")?;
        tx.commit().await?;
    }
    let named = |row: tokio_postgres::Row| Operator {
        login: row.get(0),
        tenant,
        tenant_name: row.get(1),
        token_hash: *token_hash,
    };
    Ok(row.map(named))
}

/// Signs in; gives the cookie and who it is.
///
/// # Errors
/// 401 for a wrong login or password, 429, 503.
pub(crate) async fn sign_in(
    hub: &Hub,
    address: IpAddr,
    login: &str,
    password: Secret,
) -> Result<(Cookie<'static>, Operator), ApiError> {
    let wrong =
        || ApiError::unauthorized("wrong-credentials", "Login or password is wrong; nobody was signed in.");
    let login = login.trim().to_lowercase();
    if login.len() > LOGIN_BYTES || password.expose().len() > PASSWORD_BYTES {
        return Err(wrong());
    }
    let charge = rate::charge(&hub.database, &hub.metrics, address, Try::Login(&login)).await?;
    let mut connection = hub.database.connect().await?;
    let tx = connection.begin(&Scope::Lookup(format!("login:{login}"))).await?;
    let row = tx
        .query_opt("SELECT id, tenant, password FROM hub.account WHERE login = $1", &[&login])
        .await
        .doing("looking for an account")?;
    drop(tx);
    // The connection goes back while the password is checked, so that log-ins do not hold those of gateways.
    drop(connection);
    let stored = row.as_ref().map(|row| row.get(2));
    let right = match hub.passwords.verify(password, stored).await {
        Ok(right) => right,
        Err(PasswordError::Busy) => {
            rate::give_back(&hub.database, charge).await?;
            let detail = "Too many people sign in at this moment; nobody was signed in. Come again.";
            return Err(ApiError::unavailable("busy", detail));
        }
        Err(error) => return Err(ApiError::internal(&error)),
    };
    let Some(row) = row.filter(|_| right) else {
        tracing::warn!(%address, "a log-in failed");
        return Err(wrong());
    };
    rate::give_back(&hub.database, charge).await?;
    begin(hub, row.get(0), row.get(1), login).await
}

async fn begin(
    hub: &Hub,
    account: Uuid,
    tenant: Uuid,
    login: String,
) -> Result<(Cookie<'static>, Operator), ApiError> {
    let secret = token().map_err(|error| ApiError::internal(&error))?;
    let token_hash = hash(secret.expose().as_bytes());
    let mut connection = hub.database.connect().await?;
    let tx = connection.begin(&Scope::Tenant(tenant)).await?;
    tx.execute(
        "INSERT INTO hub.session (token_hash, tenant, account, expires) VALUES ($1, $2, $3, now() + make_interval(secs => $4))",
        &[&token_hash.as_slice(), &tenant, &account, &SESSION_TOTAL.as_secs_f64()],
    )
    .await
    .doing("beginning a session")?;
    tx.execute(
        "DELETE FROM hub.session WHERE account = $1 AND (expires < now() OR last_seen < now() - make_interval(secs => $2)
            OR token_hash NOT IN (SELECT token_hash FROM hub.session WHERE account = $1 ORDER BY last_seen DESC LIMIT $3))",
        &[&account, &SESSION_IDLE.as_secs_f64(), &SESSIONS],
    )
    .await
    .doing("ending old sessions")?;
    let name = tx
        .query_one("SELECT name FROM hub.tenant WHERE id = $1", &[&tenant])
        .await
        .doing("reading the tenant's name")?;
    let operator = Operator { login, tenant, tenant_name: name.get(0), token_hash };
    tx.commit().await?;
    Ok((cookie(secret.expose().to_owned()), operator))
}

/// Ends a session.
///
/// # Errors
/// The database's.
pub(crate) async fn sign_out(hub: &Hub, operator: &Operator) -> Result<Cookie<'static>, ApiError> {
    let mut connection = hub.database.connect().await?;
    let tx = connection.begin(&Scope::Tenant(operator.tenant)).await?;
    tx.execute("DELETE FROM hub.session WHERE token_hash = $1", &[&operator.token_hash.as_slice()])
        .await
        .doing("ending a session")?;
    tx.commit().await?;
    let mut ended = cookie(String::new());
    ended.make_removal();
    Ok(ended)
}

fn cookie(value: String) -> Cookie<'static> {
    Cookie::build((COOKIE, value)).path("/").secure(true).http_only(true).same_site(SameSite::Strict).build()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(address: &str, entries: &[(&'static str, &str)]) -> Parts {
        let mut builder = http::Request::builder().uri(address);
        for (name, value) in entries {
            builder = builder.header(*name, *value);
        }
        builder.body(()).expect("a request").into_parts().0
    }

    #[test]
    fn only_a_script_of_our_own_page_changes_something() {
        let ours =
            [("host", "hub.example:8443"), ("x-sitewarden", "1"), ("origin", "https://hub.example:8443")];
        assert_eq!(from_our_page(&request("/v1/session", &ours)), Ok(()));
        assert_eq!(from_our_page(&request("/v1/session", &ours[..2])), Ok(()), "programs send no origin");
        let second = request("https://hub.example:8443/v1/session", &ours[1..]);
        assert_eq!(from_our_page(&second), Ok(()), "HTTP/2 has no host header");
        for bad in [
            &[("host", "hub.example"), ("origin", "https://hub.example")][..],
            &[("host", "hub.example"), ("origin", "https://evil.example"), ("x-sitewarden", "1")],
            &[("host", "hub.example"), ("origin", "http://hub.example"), ("x-sitewarden", "1")],
            &[("host", "hub.example"), ("origin", "null"), ("x-sitewarden", "1")],
        ] {
            let refused = from_our_page(&request("/v1/session", bad)).expect_err("refused");
            assert_eq!(refused.code(), "cross-site");
        }
    }

    #[test]
    fn the_cookie_is_bound_to_this_host_and_hidden_from_scripts() {
        let text = cookie("x".to_owned()).to_string();
        assert_eq!(text, "__Host-hub-session=x; HttpOnly; SameSite=Strict; Secure; Path=/");
    }
}
