//! The loop's state and its order: one thread that owns the core and every connection.
//!
//! Each turn: answers of the pipeline, commands, new sockets, admissions, deadlines, sockets that are
//! ready, then the batch and the flush. No `if` about the protocol. Invariant: a turn is bounded, so that
//! every part has its turn again soon.

use std::collections::BTreeSet;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use sitewarden_core::time::{Monotonic, Now};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::PollSender;

use super::accept::Accepted;
use super::clock::Clock;
use super::handle::Command;
use super::link::Link;
use super::ready::{Links, Ready};
use super::told::Watch;
use super::{Admission, Deps};
use crate::admission::{Admitted, Refused};
use crate::batch::{Batch, Committed};
use crate::core::{Core, Input, Key, Output};
use crate::limits::{ACCEPT_QUEUE, Limits, READ_BUFFER_BYTES, SHUTDOWN_SECONDS};
use crate::metrics::Metrics;
use crate::state::Loaded;
use crate::wire::ReasonCode;

/// The answer of an admission.
type Judged = (Key, Result<Admitted, Refused>);

/// What a connection's deadline is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Deadline {
    /// CONNECT has to be there.
    Connect,
    /// Some of what waits has to be written, or the peer has to close.
    Write,
}

/// The loop.
pub(super) struct Reactor {
    pub(super) core: Core,
    pub(super) limits: Limits,
    pub(super) metrics: Arc<Metrics>,
    pub(super) clock: Clock,
    pub(super) links: Links,
    pub(super) ready: Ready,
    pub(super) held: Vec<Key>,
    pub(super) deadlines: BTreeSet<(Monotonic, Key, Deadline)>,
    pub(super) buffer: Vec<u8>,
    pub(super) turn_keys: Vec<Key>,
    admission: Arc<dyn Admission>,
    /// Where admissions run.
    tasks: tokio::runtime::Handle,
    epoch: tokio::sync::watch::Receiver<sitewarden_core::gate::PolicyEpoch>,
    epoch_moved: Pin<Box<dyn Future<Output = bool> + Send>>,
    pub(super) inlet: PollSender<Batch>,
    committed: mpsc::Receiver<Committed>,
    sockets: mpsc::Receiver<Accepted>,
    inbox: mpsc::Receiver<Command>,
    judge: mpsc::Sender<Judged>,
    judged: mpsc::Receiver<Judged>,
    watch: Watch,
    ending: Option<Ending>,
}

/// What the loop shares with the rest of the shell.
pub(super) struct Surroundings {
    pub(super) metrics: Arc<Metrics>,
    pub(super) ready: Ready,
    /// Where admissions run.
    pub(super) tasks: tokio::runtime::Handle,
    pub(super) sockets: mpsc::Receiver<Accepted>,
    pub(super) inbox: mpsc::Receiver<Command>,
}

struct Ending {
    by: Monotonic,
    done: Option<oneshot::Sender<()>>,
}

impl Reactor {
    pub(super) fn new(limits: Limits, deps: Deps, loaded: Loaded, surroundings: Surroundings) -> Self {
        let Surroundings { metrics, ready, tasks, sockets, inbox } = surroundings;
        let clock = Clock::default();
        let now = clock.now();
        let seed = u64::from_ne_bytes(now.wall.micros().to_ne_bytes());
        let mut core = Core::new(limits.clone(), metrics.clone(), seed);
        let admission = deps.admission;
        core.restore(now, loaded, &|principal, client_id| admission.grants(principal, client_id));
        let (judge, judged) = mpsc::channel(ACCEPT_QUEUE);
        Self {
            core,
            limits,
            metrics,
            clock,
            links: Vec::new(),
            ready,
            held: Vec::new(),
            deadlines: BTreeSet::new(),
            buffer: vec![0; READ_BUFFER_BYTES],
            turn_keys: Vec::new(),
            admission,
            tasks,
            epoch_moved: moved(deps.epoch.clone()),
            epoch: deps.epoch,
            inlet: PollSender::new(deps.inlet),
            committed: deps.committed,
            sockets,
            inbox,
            judge,
            judged,
            watch: Watch::default(),
            ending: None,
        }
    }

    fn pipeline_answers(&mut self, cx: &mut Context<'_>, now: Now) -> bool {
        while let Poll::Ready(answer) = self.committed.poll_recv(cx) {
            let Some(answer) = answer else { return false };
            self.core.handle(now, Input::Committed(answer));
        }
        true
    }

    fn commands(&mut self, cx: &mut Context<'_>, now: Now) {
        while let Poll::Ready(Some(command)) = self.inbox.poll_recv(cx) {
            match command {
                Command::Clients(answer) => {
                    // The one who asked may have gone.
                    let _gone = answer.send(self.core.clients());
                }
                Command::Kick { who, done } => {
                    let count =
                        self.core.kick(now, |client| *client.client_id == *who || client.principal == who);
                    let _gone = done.send(count);
                }
                Command::ShutDown(done) => self.end(now, Some(done)),
            }
        }
        if self.epoch_moved.as_mut().poll(cx).is_ready() {
            self.epoch.mark_unchanged();
            let admission = self.admission.clone();
            self.core.refresh_grants(now, &|principal, client_id| admission.grants(principal, client_id));
            self.epoch_moved = moved(self.epoch.clone());
            cx.waker().wake_by_ref();
        }
    }

    /// Says goodbye; the loop ends when all is written, or after a bound of time.
    pub(super) fn end(&mut self, now: Now, done: Option<oneshot::Sender<()>>) {
        if self.ending.is_none() {
            self.core.shut_down(now);
            let by = now.mono.after(Duration::from_secs(SHUTDOWN_SECONDS));
            self.ending = Some(Ending { by, done });
        }
    }

    fn new_sockets(&mut self, cx: &mut Context<'_>, now: Now) {
        for _ in 0..ACCEPT_QUEUE {
            let Poll::Ready(Some(accepted)) = self.sockets.poll_recv(cx) else { return };
            if self.ending.is_some() {
                continue;
            }
            let Accepted { mut socket, peer, slot } = accepted;
            let key = self.core.open(now, peer);
            if let Err(error) = self.ready.watch(socket.tcp(), key) {
                tracing::warn!(%error, "a connection cannot be watched and is closed");
                self.core.handle(now, Input::Closed { conn: key });
                continue;
            }
            let by = now.mono.after(Duration::from_secs(self.limits.connect_seconds.into()));
            self.deadlines.insert((by, key, Deadline::Connect));
            if self.links.len() <= key.slot() {
                self.links.resize_with(key.slot() + 1, || None);
            }
            if let Some(place) = self.links.get_mut(key.slot()) {
                let mut link = Box::new(Link::new(key, socket, slot, by));
                if link.is_readable() {
                    self.ready.push(&mut link);
                }
                *place = Some(link);
            }
        }
        cx.waker().wake_by_ref();
    }

    fn admissions(&mut self, cx: &mut Context<'_>, now: Now) {
        while let Poll::Ready(Some((conn, answer))) = self.judged.poll_recv(cx) {
            self.core.handle(now, Input::Admitted { conn, answer });
            if self.core.is_online(conn)
                && let Some(link) = self.link(conn)
            {
                link.slot.online();
                if let Some(by) = link.connect_by.take() {
                    self.deadlines.remove(&(by, conn, Deadline::Connect));
                }
            }
        }
    }

    /// Does what the core asked for.
    pub(super) fn outputs(&mut self, now: Now) {
        while let Some(output) = self.core.poll() {
            match output {
                Output::Admit { conn, request } => {
                    let (admission, judge) = (self.admission.clone(), self.judge.clone());
                    let patience = Duration::from_secs(self.limits.connect_seconds.into());
                    self.tasks.spawn(async move {
                        let answer = tokio::time::timeout(patience, admission.admit(*request)).await;
                        let answer = answer.unwrap_or_else(|_| {
                            let text = "the admission took too long".into();
                            Err(Refused { code: ReasonCode::SERVER_BUSY, text })
                        });
                        // An error means that the loop has ended.
                        let _ended = judge.send((conn, answer)).await;
                    });
                }
                Output::Close { conn } => self.close_link(now, conn),
            }
        }
    }

    pub(super) fn link(&mut self, key: Key) -> Option<&mut Link> {
        let link = self.links.get_mut(key.slot())?.as_deref_mut()?;
        (link.key == key).then_some(link)
    }

    /// When the next turn is due without news.
    fn next_deadline(&self) -> Option<Monotonic> {
        let ending = self.ending.as_ref().map(|ending| ending.by);
        let own = self.deadlines.first().map(|(at, ..)| *at);
        [self.core.next_deadline(), own, ending].into_iter().flatten().min()
    }

    fn has_ended(&mut self, now: Now) -> bool {
        let Some(ending) = &mut self.ending else { return false };
        let empty = self.links.iter().all(Option::is_none);
        if !empty && now.mono < ending.by {
            return false;
        }
        if let Some(done) = ending.done.take() {
            let _gone = done.send(());
        }
        true
    }
}

fn moved(
    mut epoch: tokio::sync::watch::Receiver<sitewarden_core::gate::PolicyEpoch>,
) -> Pin<Box<dyn Future<Output = bool> + Send>> {
    Box::pin(async move {
        if epoch.changed().await.is_err() {
            // Nobody can move it any more.
            std::future::pending::<()>().await;
        }
        true
    })
}

impl Reactor {
    /// Serves until the broker ends.
    pub(super) fn run(mut self) {
        let waker = self.ready.waker();
        let mut cx = Context::from_waker(&waker);
        while !self.turn(&mut cx) {
            let longest = self.next_deadline().map(|at| at.since(self.clock.now().mono));
            self.ready.wait(longest, &mut self.links);
        }
    }

    /// One turn. Whether it was the last.
    fn turn(&mut self, cx: &mut Context<'_>) -> bool {
        let now = self.clock.now();
        if !self.pipeline_answers(cx, now) {
            // Without a pipeline nothing can be acknowledged: better no broker than a lying one.
            self.end(now, None);
        }
        self.commands(cx, now);
        self.new_sockets(cx, now);
        self.admissions(cx, now);
        self.due(now);
        self.core.handle(now, Input::Timer);
        self.serve_ready(now);
        self.outputs(now);
        self.watch.look(now, &self.metrics, &mut self.core);
        self.hand_over(cx);
        self.flush(now);
        // A connection that broke while it was written to leaves its end, and perhaps its will.
        self.hand_over(cx);
        self.release_held();
        self.has_ended(now)
    }
}
