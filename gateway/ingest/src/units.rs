//! Units: how a payload spells them, how we spell them, and the conversion between.
//!
//! One unit per kind of quantity (UCUM-like spelling), so that a rule says `temperature > 8` once and not
//! once per maker. Not a unit library: a unit that is not in the table stays as it is. Invariant: a
//! conversion of a finite number is finite or refused.

use crate::limits::UNIT_BYTES;

/// How a number becomes one in our unit: `value * scale + offset`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Conversion {
    pub(crate) scale: f64,
    pub(crate) offset: f64,
}

impl Conversion {
    pub(crate) const NONE: Self = Self { scale: 1.0, offset: 0.0 };

    const fn scaled(scale: f64) -> Self {
        Self { scale, offset: 0.0 }
    }

    /// First this, then `next`.
    pub(crate) fn then(self, next: Self) -> Self {
        Self { scale: self.scale * next.scale, offset: self.offset * next.scale + next.offset }
    }

    /// The converted number, `None` when it is not finite.
    pub(crate) fn apply(self, value: f64) -> Option<f64> {
        // Skipping the identity keeps the payload's digits as they are.
        let converted = if self == Self::NONE { value } else { value * self.scale + self.offset };
        converted.is_finite().then_some(converted)
    }
}

const FAHRENHEIT: Conversion = Conversion { scale: 5.0 / 9.0, offset: -160.0 / 9.0 };
const KELVIN: Conversion = Conversion { scale: 1.0, offset: -273.15 };

/// Spelling, our unit, conversion.
const UNITS: &[(&str, &str, Conversion)] = &[
    ("Cel", "Cel", Conversion::NONE),
    ("C", "Cel", Conversion::NONE),
    ("°C", "Cel", Conversion::NONE),
    ("℃", "Cel", Conversion::NONE),
    ("celsius", "Cel", Conversion::NONE),
    ("F", "Cel", FAHRENHEIT),
    ("°F", "Cel", FAHRENHEIT),
    ("[degF]", "Cel", FAHRENHEIT),
    ("fahrenheit", "Cel", FAHRENHEIT),
    ("K", "Cel", KELVIN),
    ("%", "%", Conversion::NONE),
    ("pct", "%", Conversion::NONE),
    ("%RH", "%", Conversion::NONE),
    ("hPa", "hPa", Conversion::NONE),
    ("mbar", "hPa", Conversion::NONE),
    ("Pa", "hPa", Conversion::scaled(0.01)),
    ("kPa", "hPa", Conversion::scaled(10.0)),
    ("bar", "hPa", Conversion::scaled(1_000.0)),
    ("PSI", "hPa", Conversion::scaled(68.947_572_931_683_6)),
    ("psi", "hPa", Conversion::scaled(68.947_572_931_683_6)),
    ("inHg", "hPa", Conversion::scaled(33.863_886_666_667)),
    ("m/s", "m/s", Conversion::NONE),
    ("km/h", "m/s", Conversion::scaled(1.0 / 3.6)),
    ("mph", "m/s", Conversion::scaled(0.447_04)),
    ("mm", "mm", Conversion::NONE),
    ("in", "mm", Conversion::scaled(25.4)),
    ("mm/h", "mm/h", Conversion::NONE),
    ("in/h", "mm/h", Conversion::scaled(25.4)),
    ("deg", "deg", Conversion::NONE),
    ("°", "deg", Conversion::NONE),
    ("m", "m", Conversion::NONE),
    ("cm", "m", Conversion::scaled(0.01)),
    ("km", "km", Conversion::NONE),
    ("V", "V", Conversion::NONE),
    ("mV", "V", Conversion::scaled(0.001)),
    ("A", "A", Conversion::NONE),
    ("mA", "A", Conversion::scaled(0.001)),
    ("W", "W", Conversion::NONE),
    ("kW", "W", Conversion::scaled(1_000.0)),
    ("kWh", "kW.h", Conversion::NONE),
    ("kW.h", "kW.h", Conversion::NONE),
    ("Wh", "kW.h", Conversion::scaled(0.001)),
    ("lx", "lx", Conversion::NONE),
    ("lux", "lx", Conversion::NONE),
    ("klx", "lx", Conversion::scaled(1_000.0)),
    ("ppm", "[ppm]", Conversion::NONE),
    ("[ppm]", "[ppm]", Conversion::NONE),
    ("ug/m3", "ug/m3", Conversion::NONE),
    ("µg/m³", "ug/m3", Conversion::NONE),
    ("Hz", "Hz", Conversion::NONE),
    ("MHz", "MHz", Conversion::NONE),
    ("dB", "dB", Conversion::NONE),
    ("dBm", "dB[mW]", Conversion::NONE),
    ("s", "s", Conversion::NONE),
    ("min", "s", Conversion::scaled(60.0)),
    ("h", "s", Conversion::scaled(3_600.0)),
    ("1", "1", Conversion::NONE),
];

/// Our spelling of a unit and the conversion into it. `None` for a unit that is not in the table.
pub(crate) fn known(spelling: &str) -> Option<(&'static str, Conversion)> {
    UNITS.iter().find(|(name, ..)| *name == spelling).map(|(_, ours, conversion)| (*ours, *conversion))
}

/// Whether a unit that is not in the table may stand: short and printable.
pub(crate) fn acceptable(spelling: &str) -> bool {
    spelling.len() <= UNIT_BYTES && !spelling.chars().any(char::is_control)
}
