//! `sitewarden rules match`: rules and events of strangers, and which rule matched which event.
//!
//! No files and no clock: the caller reads the files and passes a stopwatch. Each event is one line of JSON and is
//! judged on its own text; its `product`, `category` and `service` say where it belongs. Invariant: event numbers
//! count lines from 1, so that they can be looked up.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use sitewarden_core::{FindingDraft, Monotonic, Now, Timestamp};

use crate::engine::{Engine, Limits};
use crate::error::RuleError;
use crate::limits::DEADLINES_BETWEEN_EVENTS;
use crate::set::RuleSet;

/// What came of it.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// How many rules are in force.
    pub rules: usize,
    /// How many events were judged.
    pub events: usize,
    /// Each match in order.
    pub matches: Vec<Match>,
    /// What did not load and why.
    pub errors: Vec<Failed>,
    /// Microseconds per event, the median of the repetitions.
    pub us_per_event: f64,
    /// Milliseconds that loading the rules took.
    pub load_ms: f64,
    /// Lines that were not JSON objects.
    pub malformed: u64,
}

/// One match.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Match {
    /// The event's line, from 1.
    pub event: usize,
    /// The rule's id.
    pub rule: Arc<str>,
    /// Whether it is the end of a finding.
    pub cleared: bool,
}

/// One rule that did not load.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Failed {
    /// The file.
    pub file: Arc<str>,
    /// Line, from 1.
    pub line: u32,
    /// Column, from 1.
    pub column: u32,
    /// What is wrong and what would be right.
    pub reason: String,
}

impl Failed {
    /// A file that could not be read at all.
    #[must_use]
    pub fn whole(file: &str, reason: String) -> Self {
        Self { file: Arc::from(file), line: 1, column: 1, reason }
    }
}

impl From<RuleError> for Failed {
    fn from(error: RuleError) -> Self {
        let hint = if error.hint.is_empty() { String::new() } else { format!("; {}", error.hint) };
        Self { file: error.file, line: error.line, column: error.column, reason: error.message + &hint }
    }
}

/// How to judge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// How often (at least once).
    pub repeat: usize,
    /// Whether each match is explained as findings are; it tells what explaining costs.
    pub explain: bool,
}

/// Judges every line of `events`, `repeat` times (at least once); `elapsed` tells the time since any fixed moment.
pub fn run<N: AsRef<str>, T: AsRef<str>>(
    files: &[(N, T)],
    events: &[u8],
    repeat: usize,
    elapsed: &mut dyn FnMut() -> Duration,
) -> Report {
    run_with(files, events, Options { repeat, explain: false }, elapsed)
}

/// Like [`run`], with all options.
pub fn run_with<N: AsRef<str>, T: AsRef<str>>(
    files: &[(N, T)],
    events: &[u8],
    options: Options,
    elapsed: &mut dyn FnMut() -> Duration,
) -> Report {
    let before = elapsed();
    let (set, errors) = RuleSet::load(files);
    let load = elapsed().saturating_sub(before);
    let set = Arc::new(set);
    let lines = lines(events);
    let mut matches = Vec::new();
    let mut spans = Vec::new();
    let mut malformed = 0;
    let mut engine = Engine::new(set.clone(), Limits::default());
    engine.set_explained(options.explain);
    let mut out: Vec<FindingDraft> = Vec::new();
    for round in 0..options.repeat.max(1) {
        if round > 0 {
            // Each round starts without history, as the first one did.
            engine.forget();
        }
        let mut found = Vec::new();
        let start = elapsed();
        for line in &lines {
            let now = line.now();
            pass(&mut engine, now, &mut out);
            engine.handle_json_routed(line.bytes, line.time, now, &mut out);
            found.extend(out.drain(..).map(|draft| Match {
                event: line.number,
                rule: draft.rule_id,
                cleared: draft.cleared,
            }));
        }
        spans.push(elapsed().saturating_sub(start));
        if round == 0 {
            malformed = engine.stats().malformed;
            matches = found;
        }
    }
    spans.sort_unstable();
    let median = spans.get(spans.len() / 2).copied().unwrap_or_default();
    #[expect(clippy::cast_precision_loss, reason = "a count of events, far below 2^53")]
    let us_per_event = median.as_secs_f64() * 1e6 / lines.len().max(1) as f64;
    Report {
        rules: set.len(),
        events: lines.len(),
        matches,
        errors: errors.into_iter().map(Failed::from).collect(),
        us_per_event,
        load_ms: load.as_secs_f64() * 1e3,
        malformed,
    }
}

/// Runs the deadlines before an event at their own times, so that what only the clock decides is told as it would be.
fn pass(engine: &mut Engine, now: Now, out: &mut Vec<FindingDraft>) {
    for _ in 0..DEADLINES_BETWEEN_EVENTS {
        let Some(due) = engine.next_deadline().filter(|due| *due < now.mono) else { return };
        let wall = now.wall.before(now.mono.since(due));
        engine.handle_timeout(Now { wall, mono: due }, out);
    }
}

/// The lines that say something. One without a time has the time of the one before it.
fn lines(events: &[u8]) -> Vec<Line<'_>> {
    let events = events.strip_prefix(b"\xef\xbb\xbf").unwrap_or(events);
    let mut time = Timestamp::default();
    let mut lines = Vec::new();
    for (index, bytes) in events.split(|byte| *byte == b'\n').enumerate() {
        if bytes.trim_ascii().is_empty() {
            continue;
        }
        let line = Line::read(index + 1, bytes, time);
        time = line.time;
        lines.push(line);
    }
    lines
}

/// One event and its time.
struct Line<'a> {
    number: usize,
    bytes: &'a [u8],
    time: Timestamp,
}

/// Fields that carry an event's time, the first that is there.
const TIME_FIELDS: [&str; 9] = [
    "@timestamp",
    "timestamp",
    "Timestamp",
    "time",
    "SystemTime",
    "TimeCreated",
    "UtcTime",
    "EventTime",
    "ts",
];

impl<'a> Line<'a> {
    fn read(number: usize, bytes: &'a [u8], before: Timestamp) -> Self {
        let json: serde_json::Value = serde_json::from_slice(bytes).unwrap_or_default();
        let time = TIME_FIELDS.iter().find_map(|key| time_of(json.get(*key)?));
        Self { number, bytes, time: time.unwrap_or(before) }
    }

    /// The clocks of a box that receives the event when it happens.
    fn now(&self) -> Now {
        let mono = Monotonic::from_micros(self.time.micros().max(0).cast_unsigned());
        Now { wall: self.time, mono }
    }
}

fn time_of(value: &serde_json::Value) -> Option<Timestamp> {
    if let Some(number) = value.as_f64() {
        // Seconds since 1970, or milli-, micro- or nanoseconds by their size.
        let scale = match number.abs() {
            size if size < 1e11 => 1e6,
            size if size < 1e14 => 1e3,
            size if size < 1e17 => 1.0,
            _ => 1e-3,
        };
        #[expect(
            clippy::cast_possible_truncation,
            reason = "a float cast saturates; an absurd time stays absurd"
        )]
        return Some(Timestamp::from_micros((number * scale) as i64));
    }
    let text = value.as_str()?;
    Timestamp::parse_rfc3339(text)
        .or_else(|| Timestamp::parse_rfc3339(&format!("{}Z", text.replacen(' ', "T", 1))))
}

impl Report {
    /// The report for people.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        for found in &self.matches {
            let end = if found.cleared { " (ended)" } else { "" };
            let _ = writeln!(text, "event {}: {}{end}", found.event, found.rule);
        }
        for failed in &self.errors {
            let _ = writeln!(text, "{}:{}:{}: {}", failed.file, failed.line, failed.column, failed.reason);
        }
        if self.malformed > 0 {
            let hint = "events are one JSON object on a line, in UTF-8";
            let _ = writeln!(text, "{} lines are no JSON objects: {hint}", self.malformed);
        }
        let _ = writeln!(
            text,
            "{} rules, {} did not load, {} events, {} matches, {:.3} us per event",
            self.rules,
            self.errors.len(),
            self.events,
            self.matches.len(),
            self.us_per_event
        );
        text
    }
}

#[cfg(test)]
mod tests;
