//! The way of a message inside the box: decode, judge, commit once, then acknowledge and show.
//!
//! One engine thread takes batches from the broker and events of the box itself, makes readings,
//! sightings and findings of them with the pure slices, and hands one closure per batch to the writer.
//! Only after the commit does it tell the broker (acknowledgements, QoS 1 and 2 deliveries) and the live
//! channel. Forward only: nothing here calls back into an earlier stage. While the writer syncs, the
//! engine prepares the next batch; it runs at most [`COMMITS_AHEAD`] commits ahead. Readings that nobody waits for
//! (QoS 0, no finding) share a commit with those of the next moment, see [`held`]. What the rules remember goes with each
//! commit, see [`memory`].

mod call_log;
pub(crate) mod commit;
pub(crate) mod events;
mod held;
mod judge;
pub(crate) mod memory;
pub(crate) mod notices;
pub(crate) mod prepare;
mod replay;

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
use crate::limits::{COMMITS_AHEAD, HELD_READINGS, MEMORY_MARK, MERGED_AGENT_MESSAGES, MERGED_BATCHES};
use held::{Held, Slot};
use judge::Judge;
use memory::{EngineClock, Memory};
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
    /// The time that the rules live by.
    time: EngineClock,
    memory: Memory,
    slots: Arc<Semaphore>,
    held: Held,
    /// Findings whose commit failed (disk full) come back to be tried alone, from the reserve.
    rescued: (mpsc::Sender<Rescue>, mpsc::Receiver<Rescue>),
}

impl Engine {
    fn new(deps: Deps) -> Self {
        let rules = Arc::clone(&deps.rules.borrow());
        let dialects = Arc::clone(&deps.dialects.borrow());
        let (engine, since) = memory::load(&deps.store, &rules);
        let time = EngineClock::start(deps.clock, engine.time());
        Self {
            preparer: Preparer::new(Judge::new(engine), dialects, Arc::clone(&deps.registry)),
            time,
            memory: Memory::new(deps.store.clone(), deps.gate.clone(), since),
            held: Held::new(deps.linger),
            deps,
            slots: Arc::new(Semaphore::new(COMMITS_AHEAD)),
            rescued: mpsc::channel(COMMITS_AHEAD + 1),
        }
    }

    async fn run(mut self) {
        self.work().await;
        // Also without messages it is told how far time has come.
        if let Some((mut work, slot)) = self.begin().await {
            self.preparer.judge().mark_time(self.time.now(), &mut work.findings);
            self.submit(work, slot);
        }
        let engine = self.preparer.judge().engine();
        self.memory.finish(engine, self.deps.clock.now().mono).await;
    }

    /// The work that is held, or a new one as soon as a commit may be made of it; `None` at the end.
    async fn begin(&mut self) -> Option<(Work, Slot)> {
        match self.held.take() {
            Some(held) => Some(held),
            None => Arc::clone(&self.slots).acquire_owned().await.ok().map(|slot| (Work::default(), slot)),
        }
    }

    async fn work(&mut self) {
        let mut marks = tokio::time::interval_at(tokio::time::Instant::now() + MEMORY_MARK, MEMORY_MARK);
        marks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        while let Some((mut work, slot)) = self.begin().await {
            if self.memory.has_hole() {
                self.preparer.judge().log().begin_anew();
            }
            self.preparer.look_at_inventory(self.time.now());
            let due = self.held.due().map(|at| self.deps.clock.instant(at));
            let deadline = self.preparer.next_deadline().map(|at| self.time.instant(at));
            let mut ended = false;
            tokio::select! {
                biased;
                () = self.deps.stop.cancelled() => ended = true,
                Ok(()) = self.deps.rules.changed() => {
                    let rules = Arc::clone(&self.deps.rules.borrow_and_update());
                    self.preparer.replace_rules(rules, self.time.now(), &mut work);
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
                    let now = self.time.now();
                    self.preparer.event(&event, now, &mut work);
                }
                Some(told) = self.deps.agents.recv() => self.take_told(told, &mut work),
                batch = self.deps.inlet.recv() => match batch {
                    Some(batch) => self.take(batch, &mut work),
                    None => ended = true,
                },
                () = at(due) => {}
                () = at(deadline) => {
                    let now = self.time.now();
                    self.preparer.timeout(now, &mut work);
                }
                _ = marks.tick(), if deadline.is_some() => {
                    self.preparer.judge().mark_time(self.time.now(), &mut work.findings);
                }
            }
            let waits = !work.is_empty() || self.preparer.judge().log().waits();
            if waits && let Some((work, slot)) = self.held.hold(work, slot, self.deps.clock.now().mono) {
                self.commit(work, slot);
                marks.reset();
            }
            if ended {
                return;
            }
        }
    }

    /// Takes a batch and whatever else already waits: they share one commit.
    fn take(&mut self, first: Batch, work: &mut Work) {
        let now = self.time.now();
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
        let now = self.time.now();
        let mut next = Some(first);
        let mut merged = 0;
        self.preparer.agents_begin();
        while let Some(told) = next {
            self.preparer.told(told, now, work);
            merged += 1;
            next = if merged < MERGED_AGENT_MESSAGES { self.deps.agents.try_recv().ok() } else { None };
        }
    }

    /// Commits the work, and has the rules' memory stored when the journal since has grown long.
    fn commit(&mut self, mut work: Work, slot: Slot) {
        let mono = self.deps.clock.now().mono;
        let due = self.memory.is_due(mono);
        self.preparer.judge().pass(self.time.now(), &mut work.findings);
        self.submit(work, slot);
        if due {
            let judge = self.preparer.judge();
            judge.log().begin_anew();
            self.memory.keep(judge.engine(), mono);
        }
    }

    fn submit(&mut self, mut work: Work, slot: Slot) {
        work.replay = self.preparer.judge().log().take();
        self.memory.committing(work.readings.len(), work.replay.len());
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
            hole: self.memory.hole(),
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
