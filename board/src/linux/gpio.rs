//! GPIO lines over the character device; only its v2 ABI is compiled in.
//!
//! The kernel queues the edges of an input, so that a pulse between two looks is not lost. A line that fails is
//! let go and asked for again after a while; the chip may have been unplugged. Not here: what a line is for.

use std::path::{Path, PathBuf};

use gpiocdev::Request;
use gpiocdev::line::{Bias as LineBias, EdgeDetection, EdgeKind, Value};
use sitewarden_core::Monotonic;
use sitewarden_core::error::chain;

use crate::backend::{ContactState, InputError};
use crate::file::{Bias, Line};
use crate::limits::{EDGE_QUEUE, EDGES_PER_LOOK, REOPEN_AFTER};

/// Who the kernel is told has the line, shown by `gpioinfo`.
const CONSUMER: &str = "sitewarden";

/// A line that may be open, with the time of its last failure.
struct Held {
    line: Line,
    request: Option<Request>,
    failed: Option<Monotonic>,
}

impl Held {
    fn what(&self) -> String {
        format!("line {} of {}", self.line.line, self.line.chip)
    }

    /// The open line; opened now unless it failed a moment ago.
    fn request(
        &mut self,
        now: Monotonic,
        open: impl FnOnce(&Line) -> Result<Request, InputError>,
    ) -> Result<&Request, InputError> {
        if self.request.is_none() {
            if self.failed.is_some_and(|failed| now.since(failed) < REOPEN_AFTER) {
                return Err(InputError::Waiting { what: self.what() });
            }
            match open(&self.line) {
                Ok(request) => self.request = Some(request),
                Err(error) => {
                    self.failed = Some(now);
                    return Err(error);
                }
            }
        }
        self.request.as_ref().ok_or_else(|| InputError::Waiting { what: self.what() })
    }

    fn let_go(&mut self, now: Monotonic, error: &gpiocdev::Error) -> InputError {
        self.request = None;
        self.failed = Some(now);
        InputError::Failed { what: self.what(), cause: chain(error) }
    }
}

/// An input line.
pub(super) struct Input {
    held: Held,
    /// The level at the last look.
    was: bool,
}

impl Input {
    pub(super) fn new(line: Line) -> Self {
        Self { held: Held { line, request: None, failed: None }, was: false }
    }

    /// Takes the queued edges, then the level.
    pub(super) fn look(&mut self, root: &Path, now: Monotonic) -> Result<ContactState, InputError> {
        let seen = look(self.held.request(now, |line| request_input(root, line))?, self.was);
        self.was = seen.as_ref().is_ok_and(|seen| seen.active);
        seen.map_err(|error| self.held.let_go(now, &error))
    }
}

/// Of an active-low line the kernel calls the edge to active a rising one. It says which edge by the level that it
/// finds a moment later, so of a very short pulse it tells two falling ones: any edge of a line that was
/// inactive means that it was active in between.
fn look(request: &Request, was: bool) -> Result<ContactState, gpiocdev::Error> {
    let mut was_active = false;
    for _ in 0..EDGES_PER_LOOK {
        if !request.has_edge_event()? {
            break;
        }
        was_active |= request.read_edge_event()?.kind == EdgeKind::Rising || !was;
    }
    let active = request.lone_value()? == Value::Active;
    Ok(ContactState { active, was_active: was_active || active })
}

/// An output line.
pub(super) struct Output(Held);

impl Output {
    pub(super) fn new(line: Line) -> Self {
        Self(Held { line, request: None, failed: None })
    }

    pub(super) fn set(&mut self, root: &Path, on: bool, now: Monotonic) -> Result<(), InputError> {
        let value = if on { Value::Active } else { Value::Inactive };
        let done = self.0.request(now, |line| request_output(root, line, value))?.set_lone_value(value);
        done.map_err(|error| self.0.let_go(now, &error))
    }
}

fn request_input(root: &Path, line: &Line) -> Result<Request, InputError> {
    let bias = line.bias.map(|bias| match bias {
        Bias::PullUp => LineBias::PullUp,
        Bias::PullDown => LineBias::PullDown,
        Bias::Disabled => LineBias::Disabled,
    });
    let mut builder = Request::builder();
    builder
        .on_chip(chip(root, &line.chip)?)
        .with_line(line.line)
        .as_input()
        .with_edge_detection(EdgeDetection::BothEdges)
        .with_bias(bias)
        .with_kernel_event_buffer_size(EDGE_QUEUE);
    if line.debounce_ms > 0 {
        builder.with_debounce_period(std::time::Duration::from_millis(line.debounce_ms.into()));
    }
    request(builder, line)
}

fn request_output(root: &Path, line: &Line, value: Value) -> Result<Request, InputError> {
    let mut builder = Request::builder();
    builder.on_chip(chip(root, &line.chip)?).with_line(line.line).as_output(value);
    request(builder, line)
}

fn request(mut builder: gpiocdev::request::Builder, line: &Line) -> Result<Request, InputError> {
    if line.active_low {
        builder.as_active_low();
    }
    builder.with_consumer(CONSUMER);
    builder.request().map_err(|error| InputError::Failed {
        what: format!("line {} of {}", line.line, line.chip),
        cause: chain(&error),
    })
}

/// The device file of a chip by `gpiochipN` or by its label.
fn chip(root: &Path, wanted: &str) -> Result<PathBuf, InputError> {
    if wanted.starts_with("gpiochip") && !wanted.contains('/') {
        let path = root.join("dev").join(wanted);
        return if path.exists() { Ok(path) } else { Err(missing(wanted)) };
    }
    let found = gpiocdev::chip::chips().unwrap_or_default().into_iter().find(|path| {
        gpiocdev::chip::Chip::from_path(path)
            .and_then(|chip| chip.info())
            .is_ok_and(|info| info.label == wanted || info.name == wanted)
    });
    found.ok_or_else(|| missing(wanted))
}

fn missing(wanted: &str) -> InputError {
    InputError::Missing { what: format!("the GPIO chip {wanted}") }
}
