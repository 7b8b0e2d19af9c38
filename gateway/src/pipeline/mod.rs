//! The way of a message inside the box: decode, judge, commit once, then acknowledge and show.
//!
//! One engine thread takes batches from the broker and events of the box itself, makes readings,
//! sightings and findings of them with the pure slices, and hands one closure per batch to the writer.
//! Only after the commit does it tell the broker (acknowledgements, QoS 1 and 2 deliveries) and the live
//! channel. Forward only: nothing here calls back into an earlier stage. While the writer syncs, the
//! engine prepares the next batch; it runs at most [`COMMITS_AHEAD`] commits ahead. Readings that nobody waits for
//! (QoS 0, no finding) share a commit with those of the next moment, see [`held`].

pub(crate) mod commit;
pub(crate) mod events;
mod held;
pub(crate) mod memory;
pub(crate) mod notices;
pub(crate) mod prepare;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde_json::Value;
use sitewarden_broker::{Batch, Committed};
use sitewarden_core::{Event, FindingDraft, Gate};
use sitewarden_detect::RuleSet;
use sitewarden_devices::Registry;
use sitewarden_devices::agents::{AgentFinding, Told};
use sitewarden_ingest::Dialects;
use sitewarden_store::Store;
use sitewarden_telemetry::LatestValues;
use tokio::sync::{Semaphore, broadcast, mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::limits::{COMMITS_AHEAD, HELD_READINGS, MERGED_AGENT_MESSAGES, MERGED_BATCHES};
use held::Held;
use prepare::{Preparer, Work};

/// What the pipeline is connected to.
pub(crate) struct Deps {
    pub(crate) store: Store,
    pub(crate) gate: Gate,
    pub(crate) clock: Clock,
    /// From the broker.
    pub(crate) inlet: mpsc::Receiver<Batch>,
    /// From the agents' lines.
    pub(crate) agents: mpsc::Receiver<Told>,
    /// From the box itself: log-ins, denials.
    pub(crate) own: mpsc::Receiver<Event>,
    /// To the broker.
    pub(crate) committed: mpsc::Sender<Committed>,
    pub(crate) rules: watch::Receiver<Arc<RuleSet>>,
    pub(crate) dialects: watch::Receiver<Arc<Dialects>>,
    pub(crate) registry: Arc<Registry>,
    pub(crate) latest_values: Arc<LatestValues>,
    pub(crate) latest: broadcast::Sender<Arc<Value>>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) demo: bool,
    /// How long readings that nobody waits for may wait for others.
    pub(crate) linger: Duration,
    /// File that the rules' memory is kept in.
    pub(crate) memory: PathBuf,
    pub(crate) stop: CancellationToken,
    /// Cancelled when the thread ends, for whatever reason.
    pub(crate) ended: CancellationToken,
}

/// Counters of the pipeline, for `/metrics` and `/health`.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    /// Messages taken from the broker.
    pub(crate) messages: AtomicU64,
    /// Readings decoded.
    pub(crate) readings: AtomicU64,
    /// Payloads that no dialect knows.
    pub(crate) unknown: AtomicU64,
    /// Findings raised, repeated or cleared.
    pub(crate) findings: AtomicU64,
    /// Commits answered.
    pub(crate) commits: AtomicU64,
    /// Commits that failed.
    pub(crate) failed: AtomicU64,
    /// Commits under way.
    pub(crate) waiting: AtomicU64,
    /// Seconds of monotonic time at the last commit answered, for the watchdog and `/health`.
    pub(crate) last_commit: AtomicU64,
}

/// Starts the engine thread; it ends when told to stop or when the broker is gone.
pub(crate) fn spawn(deps: Deps) -> std::io::Result<std::thread::JoinHandle<()>> {
    std::thread::Builder::new().name("engine".to_owned()).spawn(move || {
        let _ended = deps.ended.clone().drop_guard();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
        match runtime {
            Ok(runtime) => runtime.block_on(Engine::new(deps).run()),
            Err(error) => tracing::error!(%error, "the engine thread has no runtime; nothing will be judged"),
        }
    })
}

/// Findings of a commit that failed: the rules', and those that agents signed.
pub(crate) type Rescue = (Vec<FindingDraft>, Vec<AgentFinding>);

struct Engine {
    deps: Deps,
    preparer: Preparer,
    slots: Arc<Semaphore>,
    held: Held,
    /// Findings whose commit failed (disk full) come back to be tried alone, from the reserve.
    rescued: (mpsc::Sender<Rescue>, mpsc::Receiver<Rescue>),
}

impl Engine {
    fn new(deps: Deps) -> Self {
        let rules = Arc::clone(&deps.rules.borrow());
        let dialects = Arc::clone(&deps.dialects.borrow());
        let preparer = Preparer::new(
            memory::restore(&deps.memory, rules, deps.clock.now()),
            dialects,
            Arc::clone(&deps.registry),
        );
        Self {
            held: Held::new(deps.linger),
            deps,
            preparer,
            slots: Arc::new(Semaphore::new(COMMITS_AHEAD)),
            rescued: mpsc::channel(COMMITS_AHEAD + 1),
        }
    }

    async fn run(mut self) {
        self.work().await;
        if let Some((work, slot)) = self.held.take() {
            self.submit(work, slot);
        }
        memory::save(&self.deps.memory, self.preparer.engine());
    }

    async fn work(&mut self) {
        let mut saves = tokio::time::interval(memory::SAVE_EVERY);
        saves.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let (mut work, slot) = match self.held.take() {
                Some(held) => held,
                None => match Arc::clone(&self.slots).acquire_owned().await {
                    Ok(slot) => (Work::default(), slot),
                    Err(_closed) => return,
                },
            };
            self.preparer.look_at_inventory(self.deps.clock.now());
            let due = self.held.due().map(|at| self.deps.clock.instant(at));
            let deadline = self.preparer.next_deadline().map(|at| self.deps.clock.instant(at));
            let mut ended = false;
            tokio::select! {
                biased;
                () = self.deps.stop.cancelled() => ended = true,
                Ok(()) = self.deps.rules.changed() => {
                    let rules = Arc::clone(&self.deps.rules.borrow_and_update());
                    self.preparer.replace_rules(rules);
                }
                Ok(()) = self.deps.dialects.changed() => {
                    let dialects = Arc::clone(&self.deps.dialects.borrow_and_update());
                    self.preparer.replace_dialects(dialects);
                }
                Some((drafts, signed)) = self.rescued.1.recv() => {
                    work.findings.extend(drafts);
                    work.signed.extend(signed);
                }
                Some(event) = self.deps.own.recv() => {
                    let now = self.deps.clock.now();
                    self.preparer.event(&event, now, &mut work);
                }
                Some(told) = self.deps.agents.recv() => self.take_told(told, &mut work),
                batch = self.deps.inlet.recv() => match batch {
                    Some(batch) => self.take(batch, &mut work),
                    None => ended = true,
                },
                _ = saves.tick() => memory::save(&self.deps.memory, self.preparer.engine()),
                () = at(due) => {}
                () = at(deadline) => {
                    let now = self.deps.clock.now();
                    self.preparer.timeout(now, &mut work);
                }
            }
            if !work.is_empty()
                && let Some((work, slot)) = self.held.hold(work, slot, self.deps.clock.now().mono)
            {
                self.submit(work, slot);
            }
            if ended {
                return;
            }
        }
    }

    /// Takes a batch and whatever else already waits: they share one commit.
    fn take(&mut self, first: Batch, work: &mut Work) {
        let now = self.deps.clock.now();
        let mut next = Some(first);
        let mut merged = 0;
        while let Some(batch) = next {
            self.deps.metrics.messages.fetch_add(batch.publishes.len() as u64, Ordering::Relaxed);
            self.preparer.batch(batch, now, work);
            merged += 1;
            next = if merged < MERGED_BATCHES { self.deps.inlet.try_recv().ok() } else { None };
        }
        while let Ok(event) = self.deps.own.try_recv() {
            self.preparer.event(&event, now, work);
        }
        if let Ok(told) = self.deps.agents.try_recv() {
            self.take_told(told, work);
        }
    }

    /// Takes what an agent said and whatever else of agents already waits.
    fn take_told(&mut self, first: Told, work: &mut Work) {
        let now = self.deps.clock.now();
        let mut next = Some(first);
        let mut merged = 0;
        self.preparer.agents_begin();
        while let Some(told) = next {
            self.preparer.told(told, now, work);
            merged += 1;
            next = if merged < MERGED_AGENT_MESSAGES { self.deps.agents.try_recv().ok() } else { None };
        }
    }

    fn submit(&self, work: Work, slot: tokio::sync::OwnedSemaphorePermit) {
        let metrics = Arc::clone(&self.deps.metrics);
        let add = |counter: &AtomicU64, count: usize| counter.fetch_add(count as u64, Ordering::Relaxed);
        add(&metrics.readings, work.readings.len());
        add(&metrics.unknown, work.unknown.len());
        add(&metrics.findings, work.findings.len() + work.signed.len());
        add(&metrics.waiting, 1);
        let listened = self.deps.latest.receiver_count() > 0;
        let work = Arc::new(work);
        let answer = commit::Answer {
            live_values: Preparer::live(&work, listened),
            work: Arc::clone(&work),
            registry: Arc::clone(&self.deps.registry),
            latest: Arc::clone(&self.deps.latest_values),
            committed: self.deps.committed.clone(),
            live: self.deps.latest.clone(),
            rescue: self.rescued.0.clone(),
            metrics,
            clock: self.deps.clock,
            slot,
        };
        let (gate, registry, demo) =
            (self.deps.gate.clone(), Arc::clone(&self.deps.registry), self.deps.demo);
        self.deps.store.submit(
            "pipeline",
            move |tx| commit::apply(tx, &gate, &registry, &work, demo),
            move |result| answer.give(result),
        );
    }
}

/// Sleeps until the instant, or for ever.
async fn at(deadline: Option<std::time::Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
        None => std::future::pending().await,
    }
}
