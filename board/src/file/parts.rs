//! What a board is made of, as its file says it: lights, contacts, temperatures, fans, serial ports and where they are.
//!
//! Plain data; [`crate::file`] reads and checks it. Invariant: words of the file are those of the API and the rules.

use std::path::PathBuf;

use serde::Deserialize;

/// Colour of a light.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Colour {
    Green,
    Amber,
    Red,
    Blue,
    White,
}

impl Colour {
    /// The word of the board file and the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Green => "green",
            Self::Amber => "amber",
            Self::Red => "red",
            Self::Blue => "blue",
            Self::White => "white",
        }
    }
}

/// A light that shows the state.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Led {
    /// Name.
    pub name: String,
    /// Colour.
    pub colour: Colour,
    /// Where it is, for `linux`.
    #[serde(default)]
    pub source: Option<LedSource>,
}

/// Where a light is.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LedSource {
    /// Of the kernel's LED class: the folder's name under `/sys/class/leds`.
    Class(String),
    /// A GPIO line.
    Gpio(Line),
}

/// What a contact is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Active while the cabinet is open.
    Tamper,
    /// Active while a door is open.
    Door,
    /// Active while a button is pressed.
    Button,
    /// Active while the mains power is lost.
    Power,
}

impl Role {
    /// The word of the board file, the API and the rules.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Tamper => "tamper",
            Self::Door => "door",
            Self::Button => "button",
            Self::Power => "power",
        }
    }
}

/// A contact.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Contact {
    /// Name.
    pub name: String,
    /// What it is for.
    pub role: Role,
    /// Where it is, for `linux`.
    #[serde(default)]
    pub source: Option<ContactSource>,
}

/// Where a contact is.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ContactSource {
    /// A GPIO line.
    Gpio(Line),
    /// Chassis intrusion of a hardware monitor: `intrusionN_alarm`, which the chip latches.
    Intrusion(Intrusion),
}

/// A GPIO line.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Line {
    /// `gpiochipN`, or the chip's label such as `pinctrl-bcm2711`: numbers change between kernels.
    pub chip: String,
    /// Offset on the chip.
    pub line: u32,
    /// Low means active.
    #[serde(default)]
    pub active_low: bool,
    /// Pull resistor of an input.
    #[serde(default)]
    pub bias: Option<Bias>,
    /// Milliseconds that an input must be stable, 0 to 1000.
    #[serde(default)]
    pub debounce_ms: u32,
}

/// Pull resistor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Bias {
    PullUp,
    PullDown,
    Disabled,
}

/// Chassis intrusion of a hardware monitor.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Intrusion {
    /// Name of the chip as `/sys/class/hwmon/*/name` says it; `*` takes the first that has the file.
    pub chip: String,
    /// The N of `intrusionN_alarm`.
    #[serde(default)]
    pub index: u8,
}

/// A temperature.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Temperature {
    /// Name.
    pub name: String,
    /// From here on it is too warm, in degrees Celsius.
    pub limit_celsius: f64,
    /// Where it is, for `linux`.
    #[serde(default)]
    pub source: Option<TemperatureSource>,
}

/// Where a temperature is.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TemperatureSource {
    /// A hardware monitor.
    Hwmon(Hwmon),
    /// A thermal zone of that type, such as `cpu-thermal`.
    ThermalZone(String),
    /// A sensor of the LM75 family on an I2C bus.
    Lm75(Lm75),
}

/// A value of a hardware monitor.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Hwmon {
    /// Names of chips as `/sys/class/hwmon/*/name` says them; the first that is there counts.
    pub chips: Vec<String>,
    /// The N of `tempN_input` or `fanN_input`.
    #[serde(default = "first_channel")]
    pub channel: u8,
}

const fn first_channel() -> u8 {
    1
}

/// A sensor of the LM75 family.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Lm75 {
    /// Device file such as `/dev/i2c-1`.
    pub bus: PathBuf,
    /// Seven-bit address, 0x08 to 0x77.
    pub address: u16,
}

/// A fan.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Fan {
    /// Name.
    pub name: String,
    /// Below it the fan counts as stopped, in revolutions per minute.
    pub minimum_rpm: u32,
    /// Where it is, for `linux`.
    #[serde(default)]
    pub source: Option<FanSource>,
}

/// Where a fan's speed is.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FanSource {
    /// A hardware monitor.
    Hwmon(Hwmon),
}

/// A serial port.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Serial {
    /// Name.
    pub name: String,
    /// Device file; a pseudo-terminal will do.
    pub path: PathBuf,
    /// Bits per second.
    pub baud: u32,
}
