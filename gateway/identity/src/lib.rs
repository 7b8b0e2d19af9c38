//! People of the site, their sign-ins, and API keys for programs.
//!
//! It tells who asks; what they may is for the policies, asked through the gate. Sessions are rows on the box, so that they
//! can be ended at once. Invariants: no default password and no secret at rest; login failures look and take the same
//! whether the login exists or not; a site that has an owner keeps one; nobody rises above their own role.

pub mod limits;

mod auth;
mod error;
mod keys;
mod password;
mod people;
mod routes;
mod secret;
mod sessions;
mod setup;
mod signals;
mod throttle;

use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;
use sitewarden_core::{Action, Event, Gate, Now, Resource, Timestamp};
use sitewarden_http::ApiError;
use sitewarden_store::{Migrations, ReadError, SqlContext as _, Store, StoreError};
use tokio::sync::mpsc;
use utoipa_axum::router::OpenApiRouter;

use crate::limits::SESSION_IDLE;
use crate::password::Passwords;
use crate::signals::{Happening, Signals};
use crate::throttle::Throttle;

pub use auth::{COOKIE, PROOF, authenticate};
pub use error::IdentityError;
pub use keys::{ApiKey, CreatedApiKey, NewApiKey, create_api_key, list as list_api_keys, revoke_api_key};
pub use people::User;
pub use secret::Secret;
pub use sessions::Session;
pub use setup::{SiteSettings, site_settings};
pub use signals::{Durations, Figures};

/// Tables of this slice.
pub const MIGRATIONS: Migrations =
    Migrations { slice: "identity", steps: &[(1, "people", include_str!("migrations/001_people.sql"))] };

/// Reads both clocks.
pub type Clocks = Arc<dyn Fn() -> Now + Send + Sync>;

/// What the slice needs from others.
#[derive(Clone)]
pub struct Deps {
    /// Where people, sessions and keys are.
    pub store: Store,
    /// Who may change them.
    pub gate: Gate,
    /// Both clocks.
    pub clocks: Clocks,
    /// Where events of sign-ins go; a full channel drops them, counted.
    pub events: mpsc::Sender<Event>,
    /// Called after a role was given, changed or taken: no earlier decision counts any more.
    pub entities_changed: Arc<dyn Fn() + Send + Sync>,
    /// The site CA's fingerprint in words, shown by the wizard.
    pub ca_fingerprint: Arc<str>,
}

impl std::fmt::Debug for Deps {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Deps").finish_non_exhaustive()
    }
}

/// The slice's handle. Cheap to clone; all clones are the same.
#[derive(Clone)]
pub struct Identity {
    inner: Arc<Inner>,
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Identity").finish_non_exhaustive()
    }
}

struct Inner {
    store: Store,
    gate: Gate,
    clocks: Clocks,
    entities_changed: Arc<dyn Fn() + Send + Sync>,
    ca_fingerprint: Arc<str>,
    passwords: Passwords,
    throttle: Throttle,
    signals: Signals,
    setup_code: Mutex<Option<Secret>>,
}

/// How many sign-ins and keys are alive: `auth_sessions_active_total`, `auth_tokens_active_total{type="api-key"}`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Active {
    /// Sessions.
    pub sessions: u64,
    /// API keys.
    pub api_keys: u64,
}

/// Opens the slice; while the site has no owner it makes a set-up code. Hashes once, so it takes some 40 ms; blocks.
///
/// # Errors
/// When the store cannot be read or the system gives no random bytes.
pub fn build(deps: Deps) -> Result<Identity, ReadError<IdentityError>> {
    let owners = deps.store.read_blocking(|conn| people::owners(conn).map_err(IdentityError::from))?;
    let code = if owners == 0 { Some(secret::setup_code().map_err(ReadError::Failed)?) } else { None };
    let inner = Inner {
        store: deps.store,
        gate: deps.gate,
        clocks: deps.clocks,
        entities_changed: deps.entities_changed,
        ca_fingerprint: deps.ca_fingerprint,
        passwords: Passwords::new().map_err(ReadError::Failed)?,
        throttle: Throttle::default(),
        signals: Signals::new(deps.events),
        setup_code: Mutex::new(code),
    };
    Ok(Identity { inner: Arc::new(inner) })
}

impl Identity {
    /// The code for the first owner, to be printed on the console; `None` once there is an owner.
    #[must_use]
    pub fn setup_code(&self) -> Option<Secret> {
        self.inner.setup_code.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// All routes of the slice, under `/api/v1`. They want [`authenticate`] around them.
    #[must_use]
    pub fn routes(&self) -> OpenApiRouter {
        routes::all(self)
    }

    /// Counters for the metrics.
    #[must_use]
    pub fn figures(&self) -> Figures {
        self.inner.signals.figures()
    }

    /// Removes sessions that ended by time and keys that ended long ago; to be called about once a minute. Gives how
    /// many sessions.
    ///
    /// # Errors
    /// [`ApiError`] as every other change of the slice.
    pub async fn prune(&self) -> Result<usize, ApiError> {
        let now = self.now().wall;
        let is_due = move |conn: &Connection| {
            Ok::<_, IdentityError>(sessions::is_prune_due(conn, now)? || keys::is_prune_due(conn, now)?)
        };
        // A box that nobody uses must not pay a commit a minute.
        if !self.inner.store.read(is_due).await? {
            return Ok(0);
        }
        let permits = ["sessions", "api-keys"]
            .map(|reason| self.inner.gate.system(reason, Action::RetentionPrune, Resource::site()));
        let ended = self.inner.store.write("removing old sessions and keys", move |tx| {
            let [of_sessions, of_keys] = permits;
            keys::prune(tx, of_keys)?;
            sessions::prune(tx, of_sessions)
        });
        let ended = ended.await?;
        for login in &ended {
            self.inner.signals.tell(Happening::SessionEnded, login, None, now);
        }
        Ok(ended.len())
    }

    fn now(&self) -> Now {
        (self.inner.clocks)()
    }
}

/// How many sign-ins and keys are alive now.
///
/// # Errors
/// [`StoreError`].
pub fn active(conn: &Connection, now: Timestamp) -> Result<Active, StoreError> {
    conn.query_row(
        "SELECT (SELECT count(*) FROM session WHERE expires > ?1 AND last_seen > ?2), (SELECT count(*) FROM api_key WHERE expires > ?1)",
        [now.micros(), now.before(SESSION_IDLE).micros()],
        |row| Ok(Active { sessions: row.get(0)?, api_keys: row.get(1)? }),
    )
    .doing("counting sessions and keys")
}

/// Whether the session of a [`sitewarden_http::Caller`] is still alive: for answers that stay open, such as live push.
///
/// # Errors
/// [`StoreError`].
pub fn is_session_live(conn: &Connection, session: &str, now: Timestamp) -> Result<bool, StoreError> {
    Ok(sessions::find(conn, session)?
        .is_some_and(|session| now < session.expires && now < session.last_seen.after(SESSION_IDLE)))
}

#[cfg(test)]
mod tests;
