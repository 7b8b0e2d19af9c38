//! The list of what the product consists of: built from top to bottom, shut down in reverse.
//!
//! The only place that wires slices to each other and the only place that makes a [`Gate`]. Each slice is
//! built (which may fail, with a message for the person who starts the box) and then spawned (which cannot).

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use sitewarden_broker as broker;
use sitewarden_core::{Event, Gate};
use sitewarden_devices::Registry;
use sitewarden_devices::agents::{Agents, SiteKeys, link};
use sitewarden_identity::Identity;
use sitewarden_pki::Pki;
use sitewarden_policy::Policies;
use sitewarden_store::{Migrations, Store};
use sitewarden_telemetry::LatestValues;
use sitewarden_uplink::Uplink;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::admin::Admin;
use crate::admission::SiteAdmission;
use crate::board::Board;
use crate::checkpoints::Checkpoints;
use crate::clock::{self, Clock};
use crate::config::Config;
use crate::console::{self, Answer, Request};
use crate::limits::{COMMITS_AHEAD, DRAIN, MERGED_BATCHES, OWN_EVENTS, PIPELINE_BATCHES};
use crate::sources::{DialectFiles, Rules};
use crate::web::live::Live;
use crate::{background, demo, pipeline, web};

mod document;
mod lines;
mod ready;
mod signals;
mod uplink;

pub(crate) use document::document;
pub(crate) use ready::Ready;
use ready::reachable;
use signals::Signals;

type AppError = Box<dyn std::error::Error + Send + Sync>;

/// Every table of the product, in the order in which slices refer to each other.
pub(crate) const MIGRATIONS: &[Migrations] = &[
    sitewarden_telemetry::MIGRATIONS,
    sitewarden_devices::MIGRATIONS,
    sitewarden_findings::MIGRATIONS,
    sitewarden_broker::store::MIGRATIONS,
    sitewarden_identity::MIGRATIONS,
    sitewarden_uplink::MIGRATIONS,
    pipeline::memory::MIGRATIONS,
];

/// The ground that every mode stands on: store, policies, gate, keys, inventory.
pub(crate) struct Ground {
    pub(crate) clock: Clock,
    pub(crate) store: Store,
    pub(crate) policies: Policies,
    pub(crate) gate: Gate,
    pub(crate) pki: Arc<Pki>,
    pub(crate) registry: Arc<Registry>,
    pub(crate) checkpoints: Checkpoints,
    pub(crate) uplink: Uplink,
    pub(crate) agents: Arc<Agents>,
}

impl Ground {
    /// Opens the state folder.
    pub(crate) fn open(config: &Config, state: &Path) -> Result<Self, AppError> {
        let clock = Clock::start();
        let store_config = sitewarden_store::Config { dir: state.to_owned(), ..config.store.clone() };
        let wall: sitewarden_store::Clock = Arc::new(clock::wall);
        let store = Store::open(&store_config, MIGRATIONS, Arc::clone(&wall))?;
        let policies = Policies::open(config.policies.dir.clone(), wall);
        let epoch = policies.clone();
        store.set_epoch_source(Arc::new(move || epoch.epoch()));
        let gate = Gate::new(policies.decider());
        let pki_config = sitewarden_pki::Config { names: config.web.names.clone() };
        let now = clock.now().wall;
        let newest = store.read_blocking(sitewarden_store::site_log::newest_time)?;
        let start = sitewarden_pki::Start { now, at_least: newest.unwrap_or(now) };
        let pki = Arc::new(sitewarden_pki::build(&pki_config, state, start)?);
        let registry = Arc::new(Registry::default());
        sitewarden_devices::fill(&registry, store.read_blocking(sitewarden_devices::load)?);
        let keys = sitewarden_pki::agent_keys(state)?;
        let agents = Arc::new(Agents::new(SiteKeys::new(&keys.link, &keys.signing, &keys.seal)?));
        store.read_blocking(|conn| agents.load(conn, clock.now().wall))?;
        let checkpoints = Checkpoints::new(store.clone(), gate.clone(), Arc::clone(&pki));
        let uplink = uplink::build(config, clock, &store, &gate, &pki, &checkpoints)?;
        Ok(Self { clock, store, policies, gate, pki, registry, agents, checkpoints, uplink })
    }

    pub(crate) fn admin(&self) -> Admin {
        Admin {
            clock: self.clock,
            store: self.store.clone(),
            gate: self.gate.clone(),
            policies: self.policies.clone(),
            registry: Arc::clone(&self.registry),
            agents: Arc::clone(&self.agents),
            pki: Arc::clone(&self.pki),
            uplink: self.uplink.clone(),
        }
    }
}

/// Runs a console command without a running gateway.
pub(crate) fn execute_offline(state: &Path, request: Request) -> Result<Answer, AppError> {
    let ground = Ground::open(&Config::default(), state)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let answer = runtime.block_on(ground.admin().execute(request));
    ground.store.shutdown();
    Ok(answer)
}

/// Runs the product until it is told to end.
pub(crate) fn run(
    config: &Config,
    state: &Path,
    demo: bool,
    announce: impl FnOnce(&Ready),
) -> Result<(), AppError> {
    let ground = Ground::open(config, state)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().thread_name("web").build()?;
    runtime.block_on(serve(config, state, demo, ground, announce))
}

async fn serve(
    config: &Config,
    state: &Path,
    demo: bool,
    ground: Ground,
    announce: impl FnOnce(&Ready),
) -> Result<(), AppError> {
    let ground = Arc::new(ground);
    let stop = CancellationToken::new();
    let latest = sitewarden_telemetry::load_latest(&ground.store).await?;
    // Building reads the store and binds sockets: it blocks, so it leaves the runtime's worker.
    let parts =
        tokio::task::block_in_place(|| Parts::build(config, state, Arc::clone(&ground), latest, &stop))?;
    let ready = parts.ready(state, demo);

    // Everything is open: from here on only the operating system's refusal of a thread can fail.
    let (running, _) = parts.spawn(config, demo, &stop)?;
    if demo {
        running.start_demo(&ready, &stop).await?;
    }
    let mut signals = Signals::listen();
    announce(&ready);
    tell_systemd(&sd_notify::NotifyState::Ready);

    running.wait_for_the_end(&mut signals).await;
    tell_systemd(&sd_notify::NotifyState::Stopping);
    running.shut_down(&stop).await;
    Ok(())
}

/// Says it to systemd; without systemd nobody listens, which is no error.
fn tell_systemd(state: &sd_notify::NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(std::slice::from_ref(state)) {
        tracing::debug!(%error, "systemd was not told");
    }
}

/// Built and bound, not yet running.
struct Parts {
    ground: Arc<Ground>,
    rules: Arc<Rules>,
    dialects: Arc<DialectFiles>,
    latest: Arc<LatestValues>,
    live: Live,
    identity: Identity,
    own: (mpsc::Sender<Event>, mpsc::Receiver<Event>),
    batches: mpsc::Receiver<broker::Batch>,
    answers: mpsc::Sender<broker::Committed>,
    broker: broker::Broker,
    broker_addresses: Vec<(broker::shell::Transport, SocketAddr)>,
    lines: link::Lines,
    https: std::net::TcpListener,
    https_address: SocketAddr,
    console: tokio::net::UnixListener,
}

impl Parts {
    fn build(
        config: &Config,
        state: &Path,
        ground: Arc<Ground>,
        latest: Arc<LatestValues>,
        stop: &CancellationToken,
    ) -> Result<Self, AppError> {
        let rules = Arc::new(Rules::open(&config.rules)?);
        let dialects = Arc::new(DialectFiles::open(&config.dialects)?);
        let live =
            Live::new(ground.store.clone(), ground.gate.clone(), ground.policies.clone(), stop.clone());
        let own = mpsc::channel(OWN_EVENTS);
        let (clock, policies) = (ground.clock, ground.policies.clone());
        let identity = sitewarden_identity::build(sitewarden_identity::Deps {
            store: ground.store.clone(),
            gate: ground.gate.clone(),
            clocks: Arc::new(move || clock.now()),
            events: own.0.clone(),
            entities_changed: Arc::new(move || policies.entities_changed()),
            ca_fingerprint: ground.pki.fingerprint().words().into(),
        })?;
        let (inlet, batches) = mpsc::channel(PIPELINE_BATCHES);
        let (answers, committed) = mpsc::channel((COMMITS_AHEAD + 1) * MERGED_BATCHES);
        let broker = broker::build(
            config.broker.clone(),
            broker::Deps {
                store: Some(ground.store.clone()),
                admission: Arc::new(SiteAdmission {
                    registry: Arc::clone(&ground.registry),
                    policies: ground.policies.clone(),
                }),
                epoch: ground.policies.epochs(),
                inlet,
                committed,
                tls: Some(ground.pki.mqtts()),
            },
        )?;
        let transports = config.broker.listeners.iter().map(|listener| listener.transport);
        let broker_addresses = transports.zip(broker.addresses()).collect();
        let lines = link::build(&config.agents)?;
        let bind_error = |source| web::WebError::Bind { address: config.web.listen, source };
        let https = std::net::TcpListener::bind(config.web.listen).map_err(bind_error)?;
        let https_address = https.local_addr().map_err(bind_error)?;
        let console = console::bind(state)?;
        Ok(Self {
            ground,
            rules,
            dialects,
            latest,
            live,
            identity,
            own,
            batches,
            answers,
            broker,
            broker_addresses,
            lines,
            https,
            https_address,
            console,
        })
    }

    fn ready(&self, state: &Path, demo: bool) -> Ready {
        let first = |wanted| {
            self.broker_addresses
                .iter()
                .find(|(transport, _)| *transport == wanted)
                .map(|(_, address)| *address)
        };
        Ready {
            https: self.https_address,
            mqtt: first(broker::shell::Transport::Plain),
            mqtts: first(broker::shell::Transport::Tls),
            agents: self.lines.address(),
            setup_code: self.identity.setup_code().map(|code| code.expose().to_owned()),
            ca: state.join("ca.pem"),
            ca_words: self.ground.pki.fingerprint().words(),
            demo,
        }
    }

    fn spawn(
        mut self,
        config: &Config,
        demo: bool,
        stop: &CancellationToken,
    ) -> Result<(Running, web::Site), AppError> {
        let ground = self.ground;
        let metrics = Arc::new(pipeline::Metrics::default());
        let engine_ended = CancellationToken::new();
        let engine = pipeline::spawn(pipeline::Deps {
            store: ground.store.clone(),
            gate: ground.gate.clone(),
            clock: ground.clock,
            inlet: self.batches,
            linger: std::time::Duration::from_millis(config.telemetry.linger_qos0_ms),
            agents: self.lines.outlet(),
            own: self.own.1,
            committed: self.answers,
            rules: self.rules.subscribe(),
            dialects: self.dialects.subscribe(),
            registry: Arc::clone(&ground.registry),
            latest_values: Arc::clone(&self.latest),
            latest: self.live.latest(),
            metrics: Arc::clone(&metrics),
            demo,
            stop: stop.clone(),
            ended: engine_ended.clone(),
        })?;
        let broker = self.broker.spawn();
        self.lines.spawn(ground.line_deps(), stop);
        let background = background::Deps {
            store: ground.store.clone(),
            gate: ground.gate.clone(),
            clock: ground.clock,
            registry: Arc::clone(&ground.registry),
            agents: Arc::clone(&ground.agents),
            policies: ground.policies.clone(),
            rules: Arc::clone(&self.rules),
            dialects: Arc::clone(&self.dialects),
            pki: Arc::clone(&ground.pki),
            identity: self.identity.clone(),
            retention: config.telemetry.clone(),
            own: self.own.0.clone(),
            stop: stop.clone(),
        };
        background::spawn(&background);
        if let Some(dir) = &config.policies.dir {
            background::watch_policies(&background, dir);
        }
        tokio::spawn(stop.clone().run_until_cancelled_owned(ground.checkpoints.clone().keep_hourly()));
        let uplink = ground.uplink.spawn(stop.clone());
        let admin = ground.admin();
        let execute = move |request| {
            let admin = admin.clone();
            async move { admin.execute(request).await }
        };
        tokio::spawn(console::serve(self.console, execute, stop.clone()));
        let board = Board::start(&config.board, demo, ground.clock, &self.own.0);
        let site = web::Site {
            config: Arc::new(config.clone()),
            ground: Arc::clone(&ground),
            rules: self.rules,
            dialects: self.dialects,
            latest: self.latest,
            live: self.live,
            identity: self.identity,
            broker: broker.clone(),
            metrics,
            board: board.clone(),
            door: web::door::Door::default(),
            demo,
        };
        crate::board::follow_verdict(site.clone(), stop.clone());
        let web = web::spawn(self.https, &site)?;
        Ok((Running { ground, broker, background, engine, engine_ended, uplink, web, board }, site))
    }
}

/// Running, until the end.
struct Running {
    ground: Arc<Ground>,
    broker: broker::Handle,
    background: background::Deps,
    engine: std::thread::JoinHandle<()>,
    engine_ended: CancellationToken,
    uplink: tokio::task::JoinHandle<()>,
    web: axum_server::Handle<SocketAddr>,
    board: Board,
}

impl Running {
    async fn start_demo(&self, ready: &Ready, stop: &CancellationToken) -> Result<(), AppError> {
        let Some(address) = ready.mqtt else {
            return Err("the demo needs a plain MQTT listener on loopback; add one under [broker]".into());
        };
        let admin = self.ground.admin();
        let mut credentials = Vec::new();
        for identity in demo::identities() {
            let request = sitewarden_devices::EnrolRequest {
                id: identity.id.to_owned(),
                name: Some(identity.name.to_owned()),
                zone: Some(identity.zone.to_owned()),
                kind: Some(identity.kind.to_owned()),
                csr_pem: None,
            };
            let result = admin.enrol(request, identity.approved, true).await?;
            if let Some(made) = result.credential {
                credentials.push(demo::Credential {
                    id: made.client_id,
                    username: made.username,
                    password: made.password,
                });
            }
        }
        demo::play(reachable(address), credentials, stop);
        Ok(())
    }

    /// A signal, or the death of a part that the box cannot do without.
    async fn wait_for_the_end(&self, signals: &mut Signals) {
        tokio::select! {
            how = signals.told() => tracing::info!("{how}"),
            () = self.broker.ended() => tracing::error!("the broker ended by itself; the box ends so that it is started again"),
            () = self.engine_ended.cancelled() => {
                tracing::error!("the engine ended by itself; the box ends so that it is started again");
            }
        }
    }

    /// In reverse: nobody new, then what is under way, then what remembers.
    async fn shut_down(self, stop: &CancellationToken) {
        self.web.graceful_shutdown(Some(DRAIN));
        self.board.stop();
        if tokio::time::timeout(DRAIN, self.broker.shut_down()).await.is_err() {
            tracing::warn!("the broker did not drain in time");
        }
        background::flush_denials(&self.background, true).await;
        background::save_presence(&self.ground.store, &self.ground.registry).await;
        background::save_links(&self.ground.store, &self.ground.agents).await;
        stop.cancel();
        if tokio::time::timeout(DRAIN, self.uplink).await.is_err() {
            tracing::warn!("the uplink did not end in time");
        }
        let engine = self.engine;
        match tokio::task::spawn_blocking(move || engine.join()).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) | Err(_) => tracing::error!("the engine thread panicked"),
        }
        self.ground.store.clone().shutdown();
        tracing::info!("ended");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    /// All migrations together are what `gateway/schema.sql` says, so that a change of a table shows in the
    /// diff. To take a change over, write what the failed test prints.
    #[test]
    fn all_migrations_together_equal_the_schema() {
        let schema = include_str!("../schema.sql");
        let differences =
            sitewarden_store::schema::differences(MIGRATIONS, schema).expect("both can be read");
        let rendered = sitewarden_store::schema::render(MIGRATIONS).expect("the migrations run");
        assert!(differences.is_empty(), "{differences:#?}\ngateway/schema.sql should be:\n{rendered}");
    }

    #[test]
    fn tables_keep_the_house_rules() {
        let faults = sitewarden_store::schema::lint(MIGRATIONS).expect("the migrations run");
        assert!(faults.is_empty(), "{faults:#?}");
    }

    #[test]
    fn the_committed_document_is_what_the_routes_say() {
        // The ring provider is what main installs first.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let committed = include_str!("../openapi.json");
        let made = document().expect("the document is made");
        let parse = |text: &str| serde_json::from_str::<Value>(text).expect("JSON");
        assert!(parse(committed) == parse(&made), "run `sitewarden openapi > gateway/openapi.json`");
    }

    /// Generators of clients name their functions by it: one that stands twice is renamed or lost.
    #[test]
    fn no_operation_id_stands_twice_in_the_document() {
        let document: Value = serde_json::from_str(include_str!("../openapi.json")).expect("JSON");
        let paths = document["paths"].as_object().expect("paths");
        let operations = paths.values().flat_map(|path| path.as_object().expect("operations").values());
        let mut ids: Vec<&str> = operations
            .map(|operation| operation["operationId"].as_str().expect("each operation has an id"))
            .collect();
        ids.sort_unstable();
        let twice: Vec<&str> = ids.windows(2).filter(|pair| pair[0] == pair[1]).map(|pair| pair[0]).collect();
        assert_eq!(twice, [""; 0]);
        assert!(ids.len() >= 50, "{} operations", ids.len());
    }

    #[test]
    fn addresses_are_told_as_a_client_can_use_them() {
        let told = |text: &str| reachable(text.parse().expect("an address")).to_string();
        assert_eq!(told("0.0.0.0:8443"), "127.0.0.1:8443");
        assert_eq!(told("[::]:8443"), "[::1]:8443");
        assert_eq!(told("192.0.2.7:1"), "192.0.2.7:1");
    }
}
