//! A board that replays a file of timed inputs.
//!
//! One JSON object a line: `{"at_ms": 1500, "input": "tamper", "value": true}`, or `"fault": "text"` in the
//! place of `value`. Times count from the first look and do not go back. What the recording has not said yet is
//! unknown, and after its last line everything stays as it is. Lights are kept, nobody sees them.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;
use sitewarden_core::Monotonic;
use thiserror::Error;

use crate::backend::{Backend, BoardError, ContactState, Drive, InputError};
use crate::file::{BackendKind, Description};
use crate::limits::RECORDING_BYTES;
use crate::sim::Sim;

/// A recording cannot be played.
#[derive(Debug, Error)]
pub enum RecordingError {
    /// Not readable.
    #[error("cannot read {}: check the path and its permissions", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Too large.
    #[error("{} has {bytes} bytes, more than the {RECORDING_BYTES} that a recording may have", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its size.
        bytes: u64,
    },
    /// A line is not of the form.
    #[error("line {line}: {message}")]
    Line {
        /// From 1.
        line: usize,
        /// What is wrong.
        message: String,
    },
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    at_ms: u64,
    input: String,
    value: Option<Value>,
    fault: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Value {
    Active(bool),
    Number(f64),
}

#[derive(Debug)]
struct Step {
    at: Duration,
    input: String,
    to: Drive,
}

/// The replayed board.
#[derive(Debug)]
pub struct Recorded {
    sim: Sim,
    steps: VecDeque<Step>,
    start: Option<Monotonic>,
}

impl Recorded {
    /// Reads the recording that the board file names.
    ///
    /// # Errors
    /// When the file cannot be read, or a line is not of the form, goes back in time or names an input that the
    /// board does not have.
    pub fn open(description: &Description) -> Result<Self, RecordingError> {
        let path = description.recording.clone().unwrap_or_default();
        let failed = |source| RecordingError::Read { path: path.clone(), source };
        let bytes = std::fs::metadata(&path).map_err(failed)?.len();
        if bytes > RECORDING_BYTES {
            return Err(RecordingError::TooLarge { path, bytes });
        }
        Self::parse(description, &std::fs::read_to_string(&path).map_err(failed)?)
    }

    /// As [`Recorded::open`], from text.
    ///
    /// # Errors
    /// As there.
    pub fn parse(description: &Description, text: &str) -> Result<Self, RecordingError> {
        // Tried once on a board of its own, so that a wrong name or kind is told at the start.
        let mut trial = Sim::new(description);
        let mut steps: VecDeque<Step> = VecDeque::new();
        for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            let wrong = |message: String| RecordingError::Line { line: number + 1, message };
            let line: Line = serde_json::from_str(line).map_err(|error| wrong(error.to_string()))?;
            let to = match (line.value, line.fault) {
                (Some(Value::Active(active)), None) => Drive::Active(active),
                (Some(Value::Number(number)), None) => Drive::Number(number),
                (None, Some(fault)) => Drive::Fault(fault),
                _ => return Err(wrong("either `value` or `fault`".to_owned())),
            };
            trial.set(&line.input, to.clone()).map_err(|error| wrong(error.to_string()))?;
            let at = Duration::from_millis(line.at_ms);
            if steps.back().is_some_and(|step| step.at > at) {
                return Err(wrong("times do not go back".to_owned()));
            }
            steps.push_back(Step { at, input: line.input, to });
        }
        Ok(Self { sim: Sim::unknown(description), steps, start: None })
    }

    /// Whether a light is on.
    #[must_use]
    pub fn lit(&self, led: usize) -> bool {
        self.sim.lit(led)
    }

    fn play(&mut self, now: Monotonic) {
        let since = now.since(*self.start.get_or_insert(now));
        while self.steps.front().is_some_and(|step| step.at <= since) {
            if let Some(step) = self.steps.pop_front() {
                // Tried when the recording was read: the board has this input, of this kind.
                let _ = self.sim.set(&step.input, step.to);
            }
        }
    }
}

impl Backend for Recorded {
    fn contacts(&mut self, now: Monotonic) -> Vec<Result<ContactState, InputError>> {
        self.play(now);
        self.sim.contacts(now)
    }

    fn temperatures(&mut self, now: Monotonic) -> Vec<Result<f64, InputError>> {
        self.play(now);
        self.sim.temperatures(now)
    }

    fn fans(&mut self, now: Monotonic) -> Vec<Result<u32, InputError>> {
        self.play(now);
        self.sim.fans(now)
    }

    fn light(&mut self, led: usize, on: bool, now: Monotonic) -> Result<(), InputError> {
        self.sim.light(led, on, now)
    }

    fn drive(&mut self, _: &str, _: Drive) -> Result<(), BoardError> {
        Err(BoardError::NotSimulated(BackendKind::Recorded))
    }
}
