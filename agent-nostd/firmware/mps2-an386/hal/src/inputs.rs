//! The tamper contact and the humidity sensor, which QEMU's board does not have: from a file of the host.
//!
//! The file's name is word 2 of the command line. It holds `0` or `1` for the contact (1 is open), a blank, and the humidity in
//! thousandths of a per cent, as decimal text. Without a file the contact is closed and the sensor does not answer.
//! Invariant: what is not of that form is no value.

use crate::semihosting::{COMMAND_LINE, File, Mode, argument};

/// The inputs.
#[derive(Debug)]
pub struct Inputs(());

/// What they show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct State {
    /// The case is open.
    pub open: bool,
    /// Thousandths of a per cent.
    pub humidity: Option<i32>,
}

impl Inputs {
    pub(crate) fn new() -> Self {
        Self(())
    }

    /// Reads them.
    pub fn read(&mut self) -> State {
        let mut text = [0; 16];
        let length = self.file().and_then(|file| file.read_some(&mut text)).unwrap_or(0);
        let [contact, b' ', digits @ ..] = text.get(..length).unwrap_or(&[]) else {
            return State { open: text.first() == Some(&b'1'), humidity: None };
        };
        let digits = digits.trim_ascii_end();
        let value = digits.iter().try_fold(0_i32, |value, digit| {
            let digit = digit.checked_sub(b'0').filter(|digit| *digit < 10)?;
            value.checked_mul(10)?.checked_add(i32::from(digit))
        });
        State { open: *contact == b'1', humidity: value.filter(|_| !digits.is_empty()) }
    }

    fn file(&self) -> Option<File> {
        let mut buffer = [0; COMMAND_LINE];
        File::open(argument(2, &mut buffer)?, Mode::Read)
    }
}
