//! PostgreSQL: the pool, and transactions that may see one tenant's rows.
//!
//! No query of a subject stands here. A connection of the pool carries nothing from one request to the next: whose rows a
//! transaction sees is set by `SET LOCAL` at its beginning and gone at its end. Invariant: [`Tx`] is the only way to a tenant's
//! rows, and it always has a [`Scope`].

use std::ops::Deref;
use std::path::Path;
use std::str::FromStr as _;
use std::sync::Arc;

use deadpool_postgres::{
    Manager, ManagerConfig, Object, Pool, PoolError, RecyclingMethod, Runtime, Transaction,
};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use thiserror::Error;
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::error::SqlState;
use tokio_postgres_rustls::MakeRustlsConnect;
use uuid::Uuid;

use crate::limits::{DATABASE_CONNECTIONS, DATABASE_WAIT, IDLE_TRANSACTION_MS, LOCK_MS, STATEMENT_MS};

/// Why the database gave no answer.
#[derive(Debug, Error)]
pub(crate) enum DatabaseError {
    /// The connection string is none.
    #[error(
        "the connection string cannot be read; it is written as postgresql://user@host/database or host=.. user=.. dbname=.."
    )]
    Settings(#[source] tokio_postgres::Error),
    /// The file with the database's CA cannot be used.
    #[error("{file}: the CA of the database cannot be read: {why}")]
    Ca {
        /// The file.
        file: String,
        /// What is wrong.
        why: String,
    },
    /// The pool could not be made.
    #[error("the pool of connections cannot be made")]
    Build(#[source] deadpool_postgres::BuildError),
    /// No connection, or none in time.
    #[error("no connection to the database")]
    Connect(#[source] PoolError),
    /// A statement failed.
    #[error("{doing} failed")]
    Query {
        /// What was tried.
        doing: &'static str,
        /// What the database said.
        #[source]
        source: tokio_postgres::Error,
    },
    /// What stands in the database cannot be.
    #[error("the database has what it cannot have: {0}")]
    Inconsistent(String),
}

impl DatabaseError {
    /// Whether it passes by itself: the server is away, restarting or busy.
    pub(crate) fn passes(&self) -> bool {
        match self {
            Self::Connect(_) => true,
            Self::Query { source, .. } => source.is_closed() || source.code().is_none_or(passing),
            _ => false,
        }
    }

    /// Whether a row with this key is there already.
    pub(crate) fn is_duplicate(&self) -> bool {
        matches!(self, Self::Query { source, .. } if source.code() == Some(&SqlState::UNIQUE_VIOLATION))
    }
}

/// States after which the same request may succeed: connection lost, shutting down, a lock or time limit, no room for connections.
fn passing(state: &SqlState) -> bool {
    let class = state.code().get(..2).unwrap_or_default();
    matches!(class, "08" | "40" | "53" | "57") || *state == SqlState::LOCK_NOT_AVAILABLE
}

/// Names what was tried.
pub(crate) trait Doing<T> {
    /// The result with the cause named.
    fn doing(self, doing: &'static str) -> Result<T, DatabaseError>;
}

impl<T> Doing<T> for Result<T, tokio_postgres::Error> {
    fn doing(self, doing: &'static str) -> Result<T, DatabaseError> {
        self.map_err(|source| DatabaseError::Query { doing, source })
    }
}

/// Whose rows a transaction sees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// All of one tenant.
    Tenant(Uuid),
    /// The one row with this secret: `claim:HASH`, `key:HASH`, `session:HASH`, `login:NAME`, `tenant:NAME`.
    Lookup(String),
}

/// The database. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Database {
    pool: Pool,
}

/// A connection out of the pool.
pub(crate) struct Connection(Object);

/// A transaction with its scope set. Undone when it is dropped.
pub(crate) struct Tx<'a>(Transaction<'a>);

impl<'a> Deref for Tx<'a> {
    type Target = Transaction<'a>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl Database {
    /// A pool for this connection string; nothing is connected yet. Over a network it is TLS with the given CA's server,
    /// unless the string says `sslmode=disable`.
    ///
    /// # Errors
    /// [`DatabaseError`] for a bad string or CA file.
    pub(crate) fn new(url: &str, ca: Option<&Path>) -> Result<Self, DatabaseError> {
        let manager = Manager::from_config(
            settings(url)?,
            tls(ca)?,
            ManagerConfig { recycling_method: RecyclingMethod::Fast },
        );
        let pool = Pool::builder(manager)
            .max_size(DATABASE_CONNECTIONS)
            .wait_timeout(Some(DATABASE_WAIT))
            .create_timeout(Some(DATABASE_WAIT))
            .recycle_timeout(Some(DATABASE_WAIT))
            .runtime(Runtime::Tokio1)
            .build()
            .map_err(DatabaseError::Build)?;
        Ok(Self { pool })
    }

    /// A connection out of the pool, or a new one.
    ///
    /// # Errors
    /// [`DatabaseError::Connect`] after [`DATABASE_WAIT`].
    pub(crate) async fn connect(&self) -> Result<Connection, DatabaseError> {
        self.pool.get().await.map(Connection).map_err(DatabaseError::Connect)
    }

    /// Connections: in use, and in all.
    pub(crate) fn in_use(&self) -> (usize, usize) {
        let status = self.pool.status();
        (status.size.saturating_sub(status.available), status.size)
    }
}

impl Connection {
    /// Begins a transaction that sees what `scope` says.
    ///
    /// # Errors
    /// [`DatabaseError::Query`].
    pub(crate) async fn begin(&mut self, scope: &Scope) -> Result<Tx<'_>, DatabaseError> {
        let tx = Tx(self.0.transaction().await.doing("beginning a transaction")?);
        tx.rescope(scope).await?;
        Ok(tx)
    }

    /// The bare connection, for what concerns no tenant or sets its scope itself.
    pub(crate) fn bare(&mut self) -> &mut Object {
        &mut self.0
    }
}

impl Tx<'_> {
    /// Changes what the transaction sees, once a secret told the tenant.
    ///
    /// # Errors
    /// [`DatabaseError::Query`].
    pub(crate) async fn rescope(&self, scope: &Scope) -> Result<(), DatabaseError> {
        let (tenant, lookup) = match scope {
            Scope::Tenant(tenant) => (tenant.to_string(), ""),
            Scope::Lookup(secret) => (String::new(), secret.as_str()),
        };
        let statement = self
            .0
            .prepare_cached("SELECT set_config('hub.tenant', $1, true), set_config('hub.lookup', $2, true)")
            .await
            .doing("preparing the scope of a transaction")?;
        self.0
            .query_one(&statement, &[&tenant, &lookup])
            .await
            .doing("setting the scope of a transaction")?;
        Ok(())
    }

    /// Commits; what was written is durable when this returns.
    ///
    /// # Errors
    /// [`DatabaseError::Query`]; then the outcome is unknown to the caller, who asks again.
    pub(crate) async fn commit(self) -> Result<(), DatabaseError> {
        self.0.commit().await.doing("committing")
    }
}

/// Reads a connection string and adds the hub's own limits.
pub(crate) fn settings(url: &str) -> Result<tokio_postgres::Config, DatabaseError> {
    let mut config = tokio_postgres::Config::from_str(url).map_err(DatabaseError::Settings)?;
    // "Prefer" would fall back to plain text when somebody in between says that there is no TLS.
    let network = config.get_hosts().iter().any(|host| matches!(host, Host::Tcp(_)));
    if network && config.get_ssl_mode() == SslMode::Prefer {
        config.ssl_mode(SslMode::Require);
    }
    let given = config.get_options().unwrap_or_default().to_owned();
    config.options(format!(
        "-c statement_timeout={STATEMENT_MS} -c lock_timeout={LOCK_MS} \
         -c idle_in_transaction_session_timeout={IDLE_TRANSACTION_MS} -c timezone=UTC {given}"
    ));
    config.application_name("sitewarden-hub").connect_timeout(DATABASE_WAIT);
    Ok(config)
}

/// TLS to the database: the CA in this file, or none, with which no network connection succeeds.
pub(crate) fn tls(ca: Option<&Path>) -> Result<MakeRustlsConnect, DatabaseError> {
    let mut roots = rustls::RootCertStore::empty();
    if let Some(file) = ca {
        let fault = |why: String| DatabaseError::Ca { file: file.display().to_string(), why };
        for certificate in CertificateDer::pem_file_iter(file).map_err(|error| fault(error.to_string()))? {
            let certificate = certificate.map_err(|error| fault(error.to_string()))?;
            roots.add(certificate).map_err(|error| fault(error.to_string()))?;
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| DatabaseError::Inconsistent(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(MakeRustlsConnect::new(config))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_connection_is_encrypted_unless_said_otherwise() {
        let mode = |url| settings(url).expect("a connection string").get_ssl_mode();
        assert_eq!(mode("postgresql://hub@db.example/hub"), SslMode::Require);
        assert_eq!(mode("postgresql://hub@db.example/hub?sslmode=disable"), SslMode::Disable);
        assert_eq!(mode("host=/run/postgresql user=hub"), SslMode::Prefer);
        assert!(matches!(settings("nonsense"), Err(DatabaseError::Settings(_))));
    }

    #[test]
    fn the_limits_stand_in_the_options_beside_those_of_the_string() {
        let config = settings("host=/run/p user=hub options='-c geqo=off'").expect("a connection string");
        let options = config.get_options().expect("options");
        assert!(options.contains("lock_timeout=5000") && options.ends_with("-c geqo=off"), "{options}");
    }
}
