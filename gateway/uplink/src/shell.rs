//! The uplink as others hold it: registering, forgetting, how it stands, and the one task that serves a registration.
//!
//! What the task does step by step stands in `run.rs`. Invariants: a registration or its end takes effect at once; a
//! claim code is kept nowhere.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sitewarden_core::error::chain;
use sitewarden_core::{Gate, Now, Permit, Timestamp};
use sitewarden_store::Store;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::client::{Claim, Client, Identity, address};
use crate::config::Config;
use crate::cursor::Cursor;
use crate::error::UplinkError;
use crate::limits::{CA_BYTES, CLAIM_BYTES, REGISTER_TIME, SYSTEM_CA_BYTES};
use crate::run::{Run, log_state};
use crate::state::{self, Stored, Target};
use crate::status::{Counts, Status, StatusView};

/// Reads both clocks.
pub type Clock = Arc<dyn Fn() -> Now + Send + Sync>;

/// Gives the box's certificate and key as a client; an error is a sentence.
pub type IdentitySource = Arc<dyn Fn() -> Result<Identity, String> + Send + Sync>;

/// Signs and keeps a checkpoint over all that is committed; an error is a sentence.
pub type CheckpointSource =
    Arc<dyn Fn() -> Pin<Box<dyn Future<Output = Result<(), String>> + Send>> + Send + Sync>;

/// What the uplink needs.
#[derive(Clone)]
pub struct Deps {
    /// Where the log and the cursor are.
    pub store: Store,
    /// Permits for what the box does by itself, and for people.
    pub gate: Gate,
    /// Both clocks.
    pub clock: Clock,
    /// The box as a TLS client.
    pub identity: IdentitySource,
    /// Makes checkpoints.
    pub checkpoint: CheckpointSource,
    /// Verifier key of the site log.
    pub log_key: Arc<str>,
    /// Name of the site, as the configuration says.
    pub site_name: Arc<str>,
    /// Version of the software.
    pub version: &'static str,
    /// `[uplink]`.
    pub config: Config,
}

/// What a person says to register the box.
#[derive(Clone, PartialEq, Eq)]
pub struct Registration {
    /// Address of the cloud's API.
    pub url: String,
    /// The one-time code that the cloud gave.
    pub claim_code: String,
    /// Certificates (PEM) of the authorities that may have signed the cloud's; none means the configured ones.
    pub ca_pem: Option<String>,
}

impl std::fmt::Debug for Registration {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Registration").field("url", &self.url).finish_non_exhaustive()
    }
}

/// The uplink; clones are the same one.
#[derive(Clone)]
pub struct Uplink {
    inner: Arc<Inner>,
}

struct Inner {
    deps: Deps,
    started: Timestamp,
    status: Mutex<Status>,
    counts: Counts,
    changed: Notify,
}

impl std::fmt::Debug for Uplink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Uplink").field("status", &self.status()).finish_non_exhaustive()
    }
}

/// Reads the state. Blocks.
///
/// # Errors
/// [`UplinkError::Read`].
pub fn build(deps: Deps) -> Result<Uplink, UplinkError> {
    let stored = deps.store.read_blocking(state::load).map_err(UplinkError::Read)?;
    let started = (deps.clock)().wall;
    let status = Mutex::new(begin(&stored));
    Ok(Uplink {
        inner: Arc::new(Inner { deps, started, status, counts: Counts::default(), changed: Notify::new() }),
    })
}

/// The picture before the first call.
fn begin(stored: &Stored) -> Status {
    let target = stored.target.as_ref();
    Status {
        state: if target.is_some() { "waiting" } else { "not-registered" },
        url: target.map(|target| target.url.clone()),
        site: target.map(|target| target.site.clone()),
        gateway: target.map(|target| target.gateway.clone()),
        tenant: target.map(|target| target.tenant.clone()),
        acknowledged: stored.acknowledged,
        last_success: stored.last_success,
        ..Status::default()
    }
}

impl Uplink {
    /// The newest picture.
    #[must_use]
    pub fn status(&self) -> Status {
        self.inner.status.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Counters since the start.
    #[must_use]
    pub fn counts(&self) -> &Counts {
        &self.inner.counts
    }

    /// When it was built.
    pub(crate) fn started(&self) -> Timestamp {
        self.inner.started
    }

    /// Its dependencies, for the routes.
    pub(crate) fn deps(&self) -> &Deps {
        &self.inner.deps
    }

    /// The state with what the log says now.
    ///
    /// # Errors
    /// [`UplinkError::Read`].
    pub async fn view(&self) -> Result<StatusView, UplinkError> {
        let status = self.status();
        let acknowledged = status.acknowledged;
        let read = self.inner.deps.store.read(move |conn| log_state(conn, acknowledged));
        let log = read.await.map_err(UplinkError::Read)?;
        Ok(status.view((self.inner.deps.clock)().wall, log.size, log.oldest_unsent))
    }

    /// Registers the box at a cloud: calls it, keeps what it said, and begins to send.
    ///
    /// # Errors
    /// [`UplinkError`] for values that cannot be right, a cloud that refuses, and a registration that there is.
    pub async fn register(&self, permit: Permit, wanted: Registration) -> Result<StatusView, UplinkError> {
        let deps = &self.inner.deps;
        let url = address(&wanted.url).map_err(UplinkError::Value)?;
        let code = wanted.claim_code.trim();
        if code.is_empty() || code.len() > CLAIM_BYTES {
            return Err(UplinkError::Value(format!("a claim code has 1 to {CLAIM_BYTES} bytes")));
        }
        if wanted.ca_pem.as_ref().is_some_and(|pem| pem.len() > CA_BYTES) {
            return Err(UplinkError::Value(format!("the CA certificates have more than {CA_BYTES} bytes")));
        }
        if let Some(url) = self.status().url {
            return Err(UplinkError::Registered(url));
        }
        let given = wanted.ca_pem.is_some();
        let wrong = |words| if given { UplinkError::Value(words) } else { UplinkError::Identity(words) };
        let client = self.client(&url, wanted.ca_pem.as_deref(), REGISTER_TIME).map_err(wrong)?;
        let claim = Claim { code, site_name: &deps.site_name, version: deps.version, log_key: &deps.log_key };
        let answer = client.register(claim).await.map_err(|failure| UplinkError::Cloud(failure.words))?;
        let target = Target {
            url,
            ca: wanted.ca_pem,
            gateway: answer.gateway_id,
            site: answer.site_id,
            tenant: answer.tenant,
            registered: (deps.clock)().wall,
        };
        deps.store
            .write("keeping the registration at a cloud", move |tx| state::register(tx, permit, &target))
            .await
            .map_err(UplinkError::Write)?;
        self.renew().await?;
        self.view().await
    }

    /// Forgets the cloud. Nothing is told to it: it sees that the box is silent.
    ///
    /// # Errors
    /// [`UplinkError::NotRegistered`], or the store's.
    pub async fn forget(&self, permit: Permit) -> Result<StatusView, UplinkError> {
        let url = self.status().url.ok_or(UplinkError::NotRegistered)?;
        let store = &self.inner.deps.store;
        store
            .write("forgetting the registration at a cloud", move |tx| state::forget(tx, permit, &url))
            .await
            .map_err(UplinkError::Write)?;
        self.renew().await?;
        self.view().await
    }

    /// Takes the stored state over and wakes the task.
    async fn renew(&self) -> Result<(), UplinkError> {
        let stored = self.inner.deps.store.read(state::load).await.map_err(UplinkError::Read)?;
        self.put(begin(&stored));
        self.inner.changed.notify_one();
        Ok(())
    }

    pub(crate) fn put(&self, status: Status) {
        *self.inner.status.lock().unwrap_or_else(PoisonError::into_inner) = status;
    }

    fn client(&self, url: &str, ca: Option<&str>, answer_time: Duration) -> Result<Client, String> {
        let deps = &self.inner.deps;
        let ca = ca.map_or_else(|| system_ca(&deps.config.ca), |pem| Ok(pem.to_owned()))?;
        Client::new(url, (deps.identity)()?, &ca, answer_time)
    }

    /// Runs until told to end.
    pub fn spawn(&self, stop: CancellationToken) -> tokio::task::JoinHandle<()> {
        let uplink = self.clone();
        tokio::spawn(async move {
            stop.run_until_cancelled_owned(uplink.serve()).await;
        })
    }

    async fn serve(self) {
        loop {
            let changed = self.inner.changed.notified();
            let stored = match self.inner.deps.store.read(state::load).await {
                Ok(stored) => stored,
                Err(error) => {
                    tracing::error!(error = chain(&error), "the uplink's state cannot be read; it ends");
                    return;
                }
            };
            self.put(begin(&stored));
            let Some(target) = stored.target.clone() else {
                changed.await;
                continue;
            };
            tokio::select! {
                () = changed => {}
                () = self.serve_target(&target, &stored) => return,
            }
        }
    }

    /// Sends to one cloud; ends only when that cannot be begun.
    async fn serve_target(&self, target: &Target, stored: &Stored) {
        let deps = &self.inner.deps;
        let answer_time = Duration::from_secs(deps.config.answer_seconds);
        let client = match self.client(&target.url, target.ca.as_deref(), answer_time) {
            Ok(client) => client,
            Err(words) => {
                tracing::error!(error = words, "the uplink cannot begin");
                self.put(Status { state: "stopped", problem: Some(words), ..begin(stored) });
                // Mended by another registration or a start of the box.
                return std::future::pending().await;
            }
        };
        let cursor = Cursor::new((deps.clock)().mono, stored.acknowledged, stored.sent_through);
        let mut run = Run::new(self.clone(), client, cursor, target.registered, begin(stored));
        loop {
            run.turn().await;
        }
    }
}

/// The configured file of CA certificates.
fn system_ca(path: &std::path::Path) -> Result<String, String> {
    use std::io::Read as _;
    let told = |error: std::io::Error| {
        format!(
            "{} cannot be read ({error}): set uplink.ca, or give the cloud's CA at the registration",
            path.display()
        )
    };
    let mut text = String::new();
    std::fs::File::open(path).map_err(told)?.take(SYSTEM_CA_BYTES).read_to_string(&mut text).map_err(told)?;
    Ok(text)
}
