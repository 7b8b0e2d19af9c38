//! What every backend does, and how its faults are told.
//!
//! Values come back by position in the board file, each on its own: a broken input never hides another. No
//! backend blocks for longer than one transfer on a bus, none reads a clock. Invariant: a contact that
//! was active at any moment since the last look is seen, however short it was.

use std::path::Path;

use sitewarden_core::Monotonic;
use thiserror::Error;

use crate::file::{BackendKind, Description};
use crate::linux::Linux;
use crate::recorded::Recorded;
use crate::sim::Sim;

/// What a contact showed since the last look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContactState {
    /// Now.
    pub active: bool,
    /// At any moment since the last look, now included.
    pub was_active: bool,
}

/// One input, light or port cannot be used now.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum InputError {
    /// It is not there.
    #[error("{what} is not there: is it the right board file for this machine?")]
    Missing {
        /// What was looked for.
        what: String,
    },
    /// It is there and does not work.
    #[error("{what} does not answer: {cause}")]
    Failed {
        /// What was asked.
        what: String,
        /// The system's or the bus's words.
        cause: String,
    },
    /// It answers, but not with a value.
    #[error("{what} says {said:?}, which is no value")]
    NoValue {
        /// What was asked.
        what: String,
        /// What it said.
        said: String,
    },
    /// It was not tried: the last failure is too fresh.
    #[error("{what} failed a moment ago and is tried again soon")]
    Waiting {
        /// What waits.
        what: String,
    },
    /// A fault that a simulation or recording plays.
    #[error("{0}")]
    Played(String),
    /// The recording has not come to it yet.
    #[error("the recording says nothing about it yet")]
    NotYet,
}

/// What a person sets on a simulated board.
#[derive(Clone, Debug, PartialEq)]
pub enum Drive {
    /// A contact.
    Active(bool),
    /// Degrees Celsius or revolutions per minute.
    Number(f64),
    /// The input fails with this text until it is set again.
    Fault(String),
}

/// A board cannot be opened or driven.
#[derive(Debug, Error)]
pub enum BoardError {
    /// The recording cannot be used.
    #[error("the recording of the board cannot be played")]
    Recording(#[source] crate::recorded::RecordingError),
    /// Real hardware and recordings do what they do.
    #[error("this board is {}, only a simulated one can be driven", .0.as_str())]
    NotSimulated(BackendKind),
    /// Nothing of that name.
    #[error("the board has no input {0:?}")]
    NoInput(String),
    /// A contact was given a number, or a temperature a flag.
    #[error("the input {input:?} takes {wanted}")]
    WrongKind {
        /// The input.
        input: String,
        /// What it takes.
        wanted: &'static str,
    },
    /// The board's thread is gone or behind.
    #[error("the board does not take commands now; try again")]
    Busy,
}

/// Reads and lights a board.
pub trait Backend: Send {
    /// Contacts, in the order of the board file.
    fn contacts(&mut self, now: Monotonic) -> Vec<Result<ContactState, InputError>>;

    /// Temperatures in degrees Celsius, in the order of the board file.
    fn temperatures(&mut self, now: Monotonic) -> Vec<Result<f64, InputError>>;

    /// Fans in revolutions per minute, in the order of the board file.
    fn fans(&mut self, now: Monotonic) -> Vec<Result<u32, InputError>>;

    /// Switches a light by its position in the board file; a position that is not there does nothing.
    ///
    /// # Errors
    /// When the light cannot be switched.
    fn light(&mut self, led: usize, on: bool, now: Monotonic) -> Result<(), InputError>;

    /// Sets an input of a simulated board.
    ///
    /// # Errors
    /// For every other board, an unknown input, or a value of the wrong kind.
    fn drive(&mut self, input: &str, to: Drive) -> Result<(), BoardError>;
}

/// The backend that a board file asks for. Hardware is opened later, input by input.
///
/// # Errors
/// When a recording cannot be read.
pub fn open(description: &Description) -> Result<Box<dyn Backend>, BoardError> {
    Ok(match description.backend {
        BackendKind::Linux => Box::new(Linux::new(description, Path::new("/"))),
        BackendKind::Sim => Box::new(Sim::new(description)),
        BackendKind::Recorded => Box::new(Recorded::open(description).map_err(BoardError::Recording)?),
    })
}
