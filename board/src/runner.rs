//! The thread that drives a board: looks, measures, lights, takes commands.
//!
//! A thread of its own, because a transfer on a bus blocks. It ends by [`Handle::stop`] or when every handle is
//! gone, and leaves the lights dark: nobody watches any more. Time comes from the clock it is given.
//! Invariant: a contact's change is kept until the rules' queue has room; measurements may be lost there,
//! the next one comes in seconds.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use sitewarden_core::{Event, Monotonic, Now, Timestamp};
use tokio::sync::{mpsc, oneshot, watch};

use crate::backend::{Backend, BoardError, Drive};
use crate::file::{Colour, Description};
use crate::led::{LedState, lights};
use crate::limits::{COMMANDS, LOCATE_SECONDS, LOOK_EVERY, MEASURE_EVERY, PENDING_EVENTS};
use crate::watch::{Input, Watch};

/// Both clocks.
pub type Clock = Arc<dyn Fn() -> Now + Send + Sync>;

/// What a board shows, for people and metrics.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// The board file.
    pub description: Arc<Description>,
    /// What the lights say.
    pub state: LedState,
    /// Until when it can be found by its light.
    pub locate_until: Option<Timestamp>,
    /// Why a light does not work, in the order of the board file.
    pub light_errors: Vec<Option<Arc<str>>>,
    /// Contacts, in the order of the board file.
    pub contacts: Vec<Input<bool>>,
    /// Temperatures in degrees Celsius.
    pub temperatures: Vec<Input<f64>>,
    /// Fans in revolutions per minute.
    pub fans: Vec<Input<u32>>,
    /// Names and reasons of what has failed for a while.
    pub failed: Vec<(String, Arc<str>)>,
    /// Events that did not reach the rules.
    pub events_lost: u64,
}

enum Command {
    Show(LedState),
    Locate { time: Duration, answer: oneshot::Sender<()> },
    Drive { input: String, to: Drive, answer: oneshot::Sender<Result<(), BoardError>> },
    Stop,
}

/// A running board; cheap to clone.
#[derive(Clone)]
pub struct Handle {
    commands: SyncSender<Command>,
    snapshot: watch::Receiver<Arc<Snapshot>>,
}

impl Handle {
    /// What the board shows now.
    #[must_use]
    pub fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.snapshot.borrow())
    }

    /// Whether the thread still looks.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        self.snapshot.has_changed().is_ok()
    }

    /// Sets what the lights say when nobody looks for the box. Lost when the thread is behind: say it again.
    pub fn show(&self, state: LedState) {
        if self.commands.try_send(Command::Show(state)).is_err() {
            tracing::debug!("the board did not take a new state of its light");
        }
    }

    /// Blinks so that the box can be found, for at most [`LOCATE_SECONDS`]; zero ends it.
    ///
    /// # Errors
    /// [`BoardError::Busy`] when the thread is gone or behind.
    pub async fn locate(&self, time: Duration) -> Result<(), BoardError> {
        let time = time.min(Duration::from_secs(LOCATE_SECONDS));
        let (answer, answered) = oneshot::channel();
        self.commands.try_send(Command::Locate { time, answer }).map_err(|_| BoardError::Busy)?;
        answered.await.map_err(|_| BoardError::Busy)
    }

    /// Sets an input of a simulated board; answered when the board has been looked at again.
    ///
    /// # Errors
    /// For a board that is not simulated, an unknown input, or a value of the wrong kind.
    pub async fn drive(&self, input: String, to: Drive) -> Result<(), BoardError> {
        let (answer, answered) = oneshot::channel();
        let command = Command::Drive { input, to, answer };
        self.commands.try_send(command).map_err(|_| BoardError::Busy)?;
        answered.await.map_err(|_| BoardError::Busy)?
    }

    /// Ends the thread; the lights go dark.
    pub fn stop(&self) {
        // Full or gone: the thread ends with the last handle anyway.
        let _ = self.commands.try_send(Command::Stop);
    }
}

/// Starts the thread.
///
/// # Errors
/// When the operating system refuses a thread.
pub fn spawn(
    description: Arc<Description>,
    backend: Box<dyn Backend>,
    clock: Clock,
    events: mpsc::Sender<Event>,
) -> std::io::Result<(Handle, std::thread::JoinHandle<()>)> {
    let (commands, inbox) = sync_channel(COMMANDS);
    let runner = Runner::new(description, backend, clock, events);
    let (sender, snapshot) = watch::channel(Arc::new(runner.snapshot()));
    let thread =
        std::thread::Builder::new().name("board".to_owned()).spawn(move || runner.run(&inbox, &sender))?;
    Ok((Handle { commands, snapshot }, thread))
}

struct Runner {
    watch: Watch,
    description: Arc<Description>,
    colours: Vec<Colour>,
    backend: Box<dyn Backend>,
    clock: Clock,
    events: mpsc::Sender<Event>,
    /// Contact and fault events that the rules' queue had no room for.
    pending: VecDeque<Event>,
    lost: u64,
    measured: Option<Monotonic>,
    base: LedState,
    state: LedState,
    /// When what the lights say began.
    state_since: Monotonic,
    locate_until: Option<Now>,
    lit: Vec<Option<bool>>,
    light_errors: Vec<Option<Arc<str>>>,
    dirty: bool,
}

impl Runner {
    fn new(
        description: Arc<Description>,
        backend: Box<dyn Backend>,
        clock: Clock,
        events: mpsc::Sender<Event>,
    ) -> Self {
        Self {
            watch: Watch::new(Arc::clone(&description)),
            colours: description.leds.iter().map(|led| led.colour).collect(),
            backend,
            clock,
            events,
            pending: VecDeque::new(),
            lost: 0,
            measured: None,
            base: LedState::Ok,
            state: LedState::Ok,
            state_since: Monotonic::default(),
            locate_until: None,
            lit: vec![None; description.leds.len()],
            light_errors: vec![None; description.leds.len()],
            description,
            dirty: true,
        }
    }

    fn run(mut self, inbox: &Receiver<Command>, told: &watch::Sender<Arc<Snapshot>>) {
        loop {
            self.turn(told);
            match inbox.recv_timeout(LOOK_EVERY) {
                Ok(Command::Show(state)) => self.base = state,
                Ok(Command::Locate { time, answer }) => {
                    let now = (self.clock)();
                    let until = Now { wall: now.wall.after(time), mono: now.mono.after(time) };
                    self.locate_until = (!time.is_zero()).then_some(until);
                    self.dirty = true;
                    self.turn(told);
                    let _ = answer.send(());
                }
                Ok(Command::Drive { input, to, answer }) => {
                    let done = self.backend.drive(&input, to);
                    self.measured = None;
                    self.turn(told);
                    // Whoever asked may be gone.
                    let _ = answer.send(done);
                }
                Ok(Command::Stop) | Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
        let now = (self.clock)();
        for led in 0..self.colours.len() {
            let _ = self.backend.light(led, false, now.mono);
        }
    }

    /// Looks, measures when it is time, lights, and tells what changed.
    fn turn(&mut self, told: &watch::Sender<Arc<Snapshot>>) {
        let now = (self.clock)();
        self.look(now);
        self.shine(now);
        if std::mem::take(&mut self.dirty) {
            told.send_replace(Arc::new(self.snapshot()));
        }
    }

    fn look(&mut self, now: Now) {
        let mut out = Vec::new();
        let before = (self.watch.contacts.clone(), self.watch.failed().count());
        let seen = self.backend.contacts(now.mono);
        self.watch.contacts(seen, now, &mut out);
        self.dirty |= before != (self.watch.contacts.clone(), self.watch.failed().count());
        if self.measured.is_none_or(|last| now.mono.since(last) >= MEASURE_EVERY) {
            self.measured = Some(now.mono);
            let temperatures = self.backend.temperatures(now.mono);
            self.watch.temperatures(temperatures, now, &mut out);
            let fans = self.backend.fans(now.mono);
            self.watch.fans(fans, now, &mut out);
            self.dirty = true;
        }
        self.tell(out);
    }

    /// Hands events to the rules, those that wait first.
    fn tell(&mut self, events: Vec<Event>) {
        let fleeting = |event: &Event| {
            let is = |word: &str| {
                event.fields.first().is_some_and(|(_, value)| *value == sitewarden_core::Value::from(word))
            };
            is("temperature") || is("fan")
        };
        for event in events {
            if self.pending.is_empty()
                && self.events.try_reserve().is_ok_and(|slot| {
                    slot.send(event.clone());
                    true
                })
            {
                continue;
            }
            if fleeting(&event) || self.pending.len() >= PENDING_EVENTS {
                self.lost = self.lost.saturating_add(1);
                self.dirty = true;
            } else {
                self.pending.push_back(event);
            }
        }
        while let Some(event) = self.pending.front() {
            if self.events.try_send(event.clone()).is_err() {
                break;
            }
            self.pending.pop_front();
        }
    }

    fn shine(&mut self, now: Now) {
        if self.locate_until.is_some_and(|until| now.mono >= until.mono) {
            self.locate_until = None;
            self.dirty = true;
        }
        let state = if self.locate_until.is_some() { LedState::Locate } else { self.base };
        if state != self.state {
            self.state = state;
            self.state_since = now.mono;
            self.dirty = true;
        }
        let wanted = lights(state, &self.colours, now.mono.since(self.state_since));
        let known = self.lit.iter_mut().zip(&mut self.light_errors);
        for (led, (on, (lit, told))) in wanted.into_iter().zip(known).enumerate() {
            if *lit == Some(on) {
                continue;
            }
            let error = self.backend.light(led, on, now.mono).err();
            *lit = error.is_none().then_some(on);
            let error: Option<Arc<str>> = error.map(|error| error.to_string().into());
            if *told != error {
                *told = error;
                self.dirty = true;
            }
        }
    }

    fn snapshot(&self) -> Snapshot {
        Snapshot {
            description: Arc::clone(&self.description),
            state: self.state,
            locate_until: self.locate_until.map(|until| until.wall),
            light_errors: self.light_errors.clone(),
            contacts: self.watch.contacts.clone(),
            temperatures: self.watch.temperatures.clone(),
            fans: self.watch.fans.clone(),
            failed: self.watch.failed().map(|(name, why)| (name.to_owned(), Arc::clone(why))).collect(),
            events_lost: self.lost,
        }
    }
}

#[cfg(test)]
mod tests;
