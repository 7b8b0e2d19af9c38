//! The engine: events and time in, matches and the next deadline out.
//!
//! It owns the state of the rules in force, and nothing else. Windows run on event time; silence and deadlines on
//! the monotonic time that is passed in. Invariant: every table in it is bounded ([`Limits`]), and what had to go
//! is counted ([`Stats`]).

mod bounded;
mod correlate;
mod draft;
mod hold;
mod judge;
mod kept;
mod keyed;
mod measure;
mod reload;
mod replay;
mod seen;
mod silence;
mod snapshot;
mod table;
mod timers;
pub(crate) mod view;
mod window;

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sitewarden_core::{Event, FindingDraft, LogSource, Monotonic, Now, Timestamp};

use crate::limits::{AHEAD_SECONDS, KEYS_PER_RULE, STATE_BYTES, UNSET_SECONDS};
use crate::matcher::{Hit, Matcher, Source};
use crate::rule::{Body, Rule};
use crate::set::RuleSet;
use keyed::Keyed;
use seen::Seen;
use silence::Silence;
use table::{Table, Total};
use timers::Timers;
use view::View;
use window::Window;

pub use snapshot::SnapshotError;

/// Bounds that a site may set lower.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Most keys that one rule remembers.
    pub keys_per_rule: usize,
    /// Most bytes that all rules together remember: keys, matches in windows, values, events kept as evidence.
    pub state_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { keys_per_rule: KEYS_PER_RULE, state_bytes: STATE_BYTES }
    }
}

/// What the engine has done since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stats {
    /// Events judged.
    pub events: u64,
    /// Matches given out, ends of findings included.
    pub matches: u64,
    /// Events that were not JSON objects.
    pub malformed: u64,
    /// Events older than the newest of their key, which moved no state.
    pub late: u64,
    /// Events whose own time lay too far ahead; the box's time was taken.
    pub ahead: u64,
    /// Events from a clock that was never set; the box's time was taken.
    pub unset: u64,
    /// Keys that were forgotten because a table was full.
    pub evicted: u64,
    /// Events that were forgotten because a window or a list of values was full.
    pub dropped: u64,
    /// Matches that were kept back because another finding explains them.
    pub suppressed: u64,
}

/// The rules in force and their state.
#[derive(Debug)]
pub struct Engine {
    set: Arc<RuleSet>,
    limits: Limits,
    /// One for each rule of the set, in its order.
    states: Vec<State>,
    /// What all states together remember.
    total: Total,
    timers: Timers,
    /// Monotonic time of the latest call, in microseconds.
    mono: i64,
    /// Wall time of the latest call.
    wall: Timestamp,
    /// Monotonic time of the first call, in microseconds.
    started: Option<i64>,
    /// Ends of findings that a call without matches brought; the next call gives them out.
    pending: Vec<FindingDraft>,
    /// What the inventory knows: the fields of each asset.
    inventory: Vec<Vec<(Arc<str>, Arc<str>)>>,
    stats: Stats,
    matcher: Box<Matcher>,
    explained: bool,
    /// Kept from event to event for its memory.
    hits: Vec<Hit>,
    /// By rule: whether it remembers a key, so that events of its scope concern it.
    going_on: Vec<bool>,
}

/// What one rule remembers.
#[derive(Debug)]
enum State {
    /// A rule without `x-edge` remembers nothing.
    None,
    Keyed(Table<Keyed>),
    Seen(Table<Seen>),
    Window(Table<Window>),
    Silence(Table<Silence>),
}

impl Engine {
    /// An engine without history.
    #[must_use]
    pub fn new(set: Arc<RuleSet>, limits: Limits) -> Self {
        let matcher = Box::new(Matcher::new(set.program().clone()));
        Self::with(set, limits, matcher)
    }

    fn with(set: Arc<RuleSet>, limits: Limits, matcher: Box<Matcher>) -> Self {
        let total = Total::default();
        let states = set.rules().iter().map(|rule| fresh(rule, limits, &total)).collect();
        Self {
            total,
            matcher,
            explained: true,
            hits: Vec::new(),
            going_on: vec![false; set.len()],
            set,
            limits,
            states,
            timers: Timers::default(),
            mono: 0,
            wall: Timestamp::default(),
            started: None,
            pending: Vec::new(),
            inventory: Vec::new(),
            stats: Stats::default(),
        }
    }

    /// Whether matches on single events carry their evidence (they do unless told otherwise). Without it a draft
    /// says what matched and about whom, not why; what states keep as evidence is not touched.
    pub const fn set_explained(&mut self, explained: bool) {
        self.explained = explained;
    }

    /// Forgets all that was seen, as if the engine were new; what only makes it fast stays.
    pub fn forget(&mut self) {
        let fresh = Self::with(self.set.clone(), self.limits, std::mem::take(&mut self.matcher));
        *self = Self { explained: self.explained, ..fresh };
    }

    /// The rules in force.
    #[must_use]
    pub const fn rules(&self) -> &Arc<RuleSet> {
        &self.set
    }

    /// Counts since the engine was made.
    #[must_use]
    pub const fn stats(&self) -> Stats {
        self.stats
    }

    /// How many things the rules remember now: keys and what each of them remembers.
    #[must_use]
    pub fn items(&self) -> usize {
        self.total.get().items
    }

    /// How many bytes that takes, estimated rather too high ([`Limits::state_bytes`]).
    #[must_use]
    pub fn state_bytes(&self) -> usize {
        self.total.get().bytes
    }

    /// How many deadlines are queued, overtaken ones included.
    #[must_use]
    pub fn queued(&self) -> usize {
        self.timers.len()
    }

    /// How many keys the rules remember now.
    #[must_use]
    pub fn keys(&self) -> usize {
        let len = |state: &State| match state {
            State::None => 0,
            State::Keyed(table) => table.len(),
            State::Seen(table) => table.len(),
            State::Window(table) => table.len(),
            State::Silence(table) => table.len(),
        };
        self.states.iter().map(len).sum()
    }

    /// Judges a typed event; matches are appended to `out`. Timers that are due go first.
    pub fn handle_event(&mut self, event: &Event, now: Now, out: &mut Vec<FindingDraft>) {
        let before = self.begin(now, out);
        let time = self.checked(event.time, now);
        let mut hits = std::mem::take(&mut self.hits);
        hits.clear();
        self.matcher.read_typed(&event.fields);
        self.matcher.run(&event.source, Source::Typed(&event.fields), &self.going_on, &mut hits);
        if !hits.is_empty() {
            let mut view = View::new(&event.fields, time, event.asset.clone());
            view.explained = self.explained;
            self.judge(&hits, &view, now, out);
            self.stay_bounded();
        }
        self.hits = hits;
        self.stats.matches += (out.len() - before) as u64;
    }

    /// Judges a JSON object; matches are appended to `out`. What is not a JSON object is counted and matches
    /// nothing. Timers that are due go first.
    pub fn handle_json(
        &mut self,
        source: &LogSource,
        bytes: &[u8],
        time: Timestamp,
        now: Now,
        out: &mut Vec<FindingDraft>,
    ) {
        self.json(Some(source), bytes, time, now, out);
    }

    /// Judges a JSON object that says itself where it belongs: its fields `product`, `category` and `service`.
    pub fn handle_json_routed(
        &mut self,
        bytes: &[u8],
        time: Timestamp,
        now: Now,
        out: &mut Vec<FindingDraft>,
    ) {
        self.json(None, bytes, time, now, out);
    }

    fn json(
        &mut self,
        source: Option<&LogSource>,
        bytes: &[u8],
        time: Timestamp,
        now: Now,
        out: &mut Vec<FindingDraft>,
    ) {
        let before = self.begin(now, out);
        let time = self.checked(time, now);
        let mut hits = std::mem::take(&mut self.hits);
        hits.clear();
        let mut sound = self.matcher.read_json(bytes);
        if sound {
            self.matcher.run_json(source, bytes, &self.going_on, &mut hits);
            // Before anything comes of an event, it has to be JSON as a whole and not only where it was looked at.
            sound = !self.matcher.is_malformed() && (hits.is_empty() || self.matcher.confirm(bytes));
        }
        if !sound {
            self.stats.malformed += 1;
        } else if !hits.is_empty() {
            let mut matcher = std::mem::take(&mut self.matcher);
            let mut view = View::json(&mut matcher, bytes, time);
            view.explained = self.explained;
            self.judge(&hits, &view, now, out);
            self.matcher = matcher;
            self.stay_bounded();
        }
        self.hits = hits;
        self.stats.matches += (out.len() - before) as u64;
    }

    /// Lets time pass; matches of timers are appended to `out`.
    pub fn handle_timeout(&mut self, now: Now, out: &mut Vec<FindingDraft>) {
        let before = self.begin(now, out);
        self.stats.matches += (out.len() - before) as u64;
    }

    /// When [`Self::handle_timeout`] is due; `None` when no timer runs. A deadline may turn out to be early.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Monotonic> {
        let due = if self.pending.is_empty() { self.timers.next() } else { Some(self.mono) };
        due.map(|due| Monotonic::from_micros(due.max(0).cast_unsigned()))
    }

    /// Tells what the inventory knows: for each asset its fields, as events would carry them. Rules with
    /// `groups: inventory` wait for exactly these; a finding about an asset that is gone ends with the next call.
    pub fn set_inventory(&mut self, assets: Vec<Vec<(Arc<str>, Arc<str>)>>, now: Now) {
        self.clock(now);
        self.inventory = assets;
        self.apply_inventory();
        self.end_findings_of_the_gone(now);
        self.stay_bounded();
    }

    /// Notes which rules remember a key.
    fn look_what_goes_on(&mut self) {
        let remembers = |state: &State| matches!(state, State::Keyed(table) if table.len() > 0);
        self.going_on = self.states.iter().map(remembers).collect();
    }

    /// Sets the clock and runs the timers that are due; gives the length of `out` before.
    fn begin(&mut self, now: Now, out: &mut Vec<FindingDraft>) -> usize {
        let before = out.len();
        self.clock(now);
        if !self.pending.is_empty() {
            self.total.touch();
            out.append(&mut self.pending);
        }
        if self.timers.next().is_some_and(|due| due <= self.mono) {
            self.total.touch();
            self.run_timers(now, out);
            self.look_what_goes_on();
        }
        before
    }

    fn clock(&mut self, now: Now) {
        let mono = i64::try_from(now.mono.micros()).unwrap_or(i64::MAX / 4).min(i64::MAX / 4);
        self.mono = self.mono.max(mono);
        self.wall = now.wall;
        if self.started.is_none() {
            self.started = Some(mono);
            self.mono = mono;
        }
    }

    /// The event's time, or the box's time when the event claims to come from the future.
    fn checked(&mut self, time: Timestamp, now: Now) -> Timestamp {
        self.stats.events += 1;
        let sane = now.wall.micros() > CLOCK_SET_MICROS;
        if sane && time < Timestamp::from_seconds(UNSET_SECONDS) {
            self.stats.unset += 1;
            return now.wall;
        }
        if sane && time.since(now.wall).as_secs() > AHEAD_SECONDS {
            self.stats.ahead += 1;
            return now.wall;
        }
        time
    }
}

/// 2020-01-01: before it, the box's clock has not been set and cannot judge an event's time.
const CLOCK_SET_MICROS: i64 = 1_577_836_800_000_000;

fn fresh(rule: &Rule, limits: Limits, total: &Total) -> State {
    let keys = limits.keys_per_rule;
    match (&rule.body, &rule.edge) {
        (Body::Correlation(_), Some(edge)) if edge.timer => State::Silence(Table::new(keys, total.clone())),
        (Body::Correlation(_), _) => State::Window(Table::new(keys, total.clone())),
        (Body::Detection(_), None) => State::None,
        (Body::Detection(_), Some(edge)) if edge.first_seen.is_some() => {
            State::Seen(Table::new(keys, total.clone()))
        }
        (Body::Detection(_), Some(_)) => State::Keyed(Table::new(keys, total.clone())),
    }
}

#[cfg(test)]
mod property;
#[cfg(test)]
mod tests;
