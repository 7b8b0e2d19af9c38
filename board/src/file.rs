//! The board file: which lights, contacts, temperatures, fans and serial ports a box has, and where.
//!
//! Reads and checks; opens no hardware. A file may come from a person: every mistake is told with its place.
//! Invariant: in a [`Description`] names are unique, short and plain, so that they can stand in findings,
//! metrics and paths of the API.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use thiserror::Error;

mod parts;

pub use parts::{
    Bias, Colour, Contact, ContactSource, Fan, FanSource, Hwmon, Intrusion, Led, LedSource, Line, Lm75, Role,
    Serial, Temperature, TemperatureSource,
};

use crate::limits::{FILE_BYTES, NAME_BYTES, PER_KIND};

/// The shipped board files: name and text.
const SHIPPED: &[(&str, &str)] = &[
    ("generic-x86", include_str!("../../config/boards/generic-x86.toml")),
    ("raspberry-pi", include_str!("../../config/boards/raspberry-pi.toml")),
    ("sim", include_str!("../../config/boards/sim.toml")),
];

/// Which backend serves a board.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BackendKind {
    /// The machine's own hardware.
    Linux,
    /// Nothing but memory, driven over the API in development.
    Sim,
    /// A file of timed inputs.
    Recorded,
}

impl BackendKind {
    /// The word of the board file and the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Linux => "linux",
            Self::Sim => "sim",
            Self::Recorded => "recorded",
        }
    }
}

/// Everything that a board file says.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Description {
    /// What people call the board.
    pub title: String,
    /// Who serves it.
    pub backend: BackendKind,
    /// File of timed inputs, for `recorded`; relative to the board file.
    #[serde(default)]
    pub recording: Option<PathBuf>,
    /// State lights.
    #[serde(default)]
    pub leds: Vec<Led>,
    /// Contacts.
    #[serde(default)]
    pub contacts: Vec<Contact>,
    /// Temperatures.
    #[serde(default)]
    pub temperatures: Vec<Temperature>,
    /// Fans.
    #[serde(default)]
    pub fans: Vec<Fan>,
    /// Serial ports.
    #[serde(default)]
    pub serial: Vec<Serial>,
}

/// A board file cannot be used.
#[derive(Debug, Error)]
pub enum FileError {
    /// Not readable.
    #[error("cannot read the board file {}: check the path and its permissions", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Too large.
    #[error("the board file {} has {bytes} bytes, more than the {FILE_BYTES} that it may have", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its size.
        bytes: u64,
    },
    /// Not of the form.
    #[error("{name}:{line}:{column}: {message}")]
    Parse {
        /// The file.
        name: String,
        /// From 1.
        line: usize,
        /// From 1.
        column: usize,
        /// What is wrong.
        message: String,
    },
    /// Of the form, but not sound.
    #[error("{name}: {}", problems.join("; "))]
    Values {
        /// The file.
        name: String,
        /// All that is wrong.
        problems: Vec<String>,
    },
    /// No shipped board has this name.
    #[error("no board is called {name:?}; there are: {}", names().join(", "))]
    Unknown {
        /// The name asked for.
        name: String,
    },
}

/// Names of the shipped boards.
#[must_use]
pub fn names() -> Vec<&'static str> {
    SHIPPED.iter().map(|(name, _)| *name).collect()
}

/// The shipped board of that name.
///
/// # Errors
/// [`FileError::Unknown`] for any other name.
pub fn shipped(name: &str) -> Result<Description, FileError> {
    let text = SHIPPED.iter().find(|(known, _)| *known == name).map(|(_, text)| *text);
    let text = text.ok_or_else(|| FileError::Unknown { name: name.to_owned() })?;
    Description::parse(name, text)
}

impl Description {
    /// Reads a board file; a relative recording is taken from its folder.
    ///
    /// # Errors
    /// When it cannot be read or has a mistake.
    pub fn read(path: &Path) -> Result<Self, FileError> {
        let failed = |source| FileError::Read { path: path.to_owned(), source };
        let bytes = std::fs::metadata(path).map_err(failed)?.len();
        if bytes > FILE_BYTES {
            return Err(FileError::TooLarge { path: path.to_owned(), bytes });
        }
        let text = std::fs::read_to_string(path).map_err(failed)?;
        let mut description = Self::parse(&path.display().to_string(), &text)?;
        let folder = path.parent().unwrap_or_else(|| Path::new("."));
        if let Some(recording) = &mut description.recording {
            *recording = folder.join(&*recording);
        }
        Ok(description)
    }

    /// Reads the text of a board file.
    ///
    /// # Errors
    /// When it has a mistake, with its place.
    pub fn parse(name: &str, text: &str) -> Result<Self, FileError> {
        let description: Self = toml::from_str(text).map_err(|error: toml::de::Error| {
            let before = text.get(..error.span().map_or(0, |span| span.start)).unwrap_or_default();
            let line = before.matches('\n').count() + 1;
            let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
            FileError::Parse { name: name.to_owned(), line, column, message: error.message().to_owned() }
        })?;
        let problems = description.problems();
        if problems.is_empty() {
            Ok(description)
        } else {
            Err(FileError::Values { name: name.to_owned(), problems })
        }
    }

    /// The serial port of that name.
    #[must_use]
    pub fn serial_port(&self, name: &str) -> Option<&Serial> {
        self.serial.iter().find(|port| port.name == name)
    }

    fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let mut names = HashSet::new();
        for (kind, name) in self.all_names() {
            let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
            if name.is_empty() || name.len() > NAME_BYTES || !name.chars().all(plain) {
                problems.push(format!(
                    "{kind} {name:?}: a name has 1 to {NAME_BYTES} of the characters a-z, 0-9 and -"
                ));
            }
            if !names.insert(name) {
                problems.push(format!("{kind} {name:?}: the name stands twice"));
            }
        }
        for (kind, count) in self.counts() {
            if count > PER_KIND {
                problems.push(format!("{count} {kind}: at most {PER_KIND}"));
            }
        }
        self.check_values(&mut problems);
        if self.backend == BackendKind::Linux {
            for name in self.without_source() {
                problems.push(format!("{name:?} has no source; a board of the backend \"linux\" needs one"));
            }
        }
        if self.backend == BackendKind::Recorded && self.recording.is_none() {
            problems.push("the backend \"recorded\" needs `recording`, a file of timed inputs".to_owned());
        }
        problems
    }

    fn counts(&self) -> [(&'static str, usize); 5] {
        [
            ("leds", self.leds.len()),
            ("contacts", self.contacts.len()),
            ("temperatures", self.temperatures.len()),
            ("fans", self.fans.len()),
            ("serial", self.serial.len()),
        ]
    }

    fn all_names(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let leds = self.leds.iter().map(|led| ("led", &*led.name));
        let contacts = self.contacts.iter().map(|contact| ("contact", &*contact.name));
        let temperatures = self.temperatures.iter().map(|one| ("temperature", &*one.name));
        let fans = self.fans.iter().map(|fan| ("fan", &*fan.name));
        let serial = self.serial.iter().map(|port| ("serial", &*port.name));
        leds.chain(contacts).chain(temperatures).chain(fans).chain(serial)
    }

    fn without_source(&self) -> Vec<&str> {
        let leds = self.leds.iter().filter(|led| led.source.is_none()).map(|led| &*led.name);
        let contacts = self.contacts.iter().filter(|one| one.source.is_none()).map(|one| &*one.name);
        let temperatures = self.temperatures.iter().filter(|one| one.source.is_none()).map(|one| &*one.name);
        let fans = self.fans.iter().filter(|fan| fan.source.is_none()).map(|fan| &*fan.name);
        leds.chain(contacts).chain(temperatures).chain(fans).collect()
    }

    fn check_values(&self, problems: &mut Vec<String>) {
        for one in &self.temperatures {
            if !(one.limit_celsius.is_finite() && (0.0..=150.0).contains(&one.limit_celsius)) {
                problems.push(format!("temperature {:?}: limit-celsius is 0 to 150", one.name));
            }
            if let Some(TemperatureSource::Lm75(sensor)) = &one.source
                && !(0x08..=0x77).contains(&sensor.address)
            {
                problems.push(format!("temperature {:?}: an I2C address is 0x08 to 0x77", one.name));
            }
        }
        for port in &self.serial {
            if !(300..=4_000_000).contains(&port.baud) {
                problems.push(format!("serial {:?}: baud is 300 to 4000000", port.name));
            }
        }
        let led_lines = self.leds.iter().filter_map(|led| match &led.source {
            Some(LedSource::Gpio(line)) => Some((&*led.name, line)),
            _ => None,
        });
        let contact_lines = self.contacts.iter().filter_map(|contact| match &contact.source {
            Some(ContactSource::Gpio(line)) => Some((&*contact.name, line)),
            _ => None,
        });
        let mut taken = HashSet::new();
        for (name, line) in led_lines.chain(contact_lines) {
            if line.debounce_ms > 1000 {
                problems.push(format!("{name:?}: debounce-ms is 0 to 1000"));
            }
            if !taken.insert((&*line.chip, line.line)) {
                problems.push(format!("{name:?}: line {} of {} is used twice", line.line, line.chip));
            }
        }
        let classes = self.leds.iter().filter_map(|led| match &led.source {
            Some(LedSource::Class(class)) => Some(class),
            _ => None,
        });
        for class in classes {
            if class.is_empty() || class.contains('/') || class.starts_with('.') {
                problems.push(format!("led class {class:?}: the name of a folder under /sys/class/leds"));
            }
        }
    }
}

#[cfg(test)]
mod tests;
