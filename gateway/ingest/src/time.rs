//! A payload's own time.
//!
//! Not a clock. Invariants: only formats that the profile names are tried, in its order; a time further in
//! the future than [`crate::limits::FUTURE_SECONDS`] is not taken, whoever says it.

use std::time::Duration;

use serde::Deserialize;
use sitewarden_core::Timestamp;

use crate::json::Scalar;
use crate::limits::FUTURE_SECONDS;

/// A way to write a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub(crate) enum Format {
    /// `2026-11-24T10:00:00Z`, any offset.
    #[serde(rename = "rfc3339")]
    Rfc3339,
    /// `2026-11-24 10:00:00` or with `T`, without a zone: taken as UTC.
    #[serde(rename = "datetime")]
    DateTime,
    /// Seconds since 1970, as number or text, with or without fraction.
    #[serde(rename = "epoch-s")]
    EpochSeconds,
    /// Milliseconds since 1970, as number or text.
    #[serde(rename = "epoch-ms")]
    EpochMillis,
}

impl Format {
    fn read(self, value: &Scalar<'_>) -> Option<Timestamp> {
        match (self, value) {
            (Self::Rfc3339, Scalar::Text(text)) => Timestamp::parse_rfc3339(text),
            (Self::DateTime, Scalar::Text(text)) => date_time(text),
            (Self::EpochSeconds, _) => epoch(value, 1e6),
            (Self::EpochMillis, _) => epoch(value, 1e3),
            _ => None,
        }
    }
}

/// The time that `value` says, or `None` when no format fits or it lies too far ahead of `received`.
pub(crate) fn read(value: &Scalar<'_>, formats: &[Format], received: Timestamp) -> Option<Timestamp> {
    let time = formats.iter().find_map(|format| format.read(value))?;
    (time <= received.after(Duration::from_secs(FUTURE_SECONDS))).then_some(time)
}

fn date_time(text: &str) -> Option<Timestamp> {
    let (date, clock) = text.split_once([' ', 'T'])?;
    if date.len() != 10 || !clock.chars().all(|c| c.is_ascii_digit() || matches!(c, ':' | '.')) {
        return None;
    }
    Timestamp::parse_rfc3339(&format!("{date}T{clock}Z"))
}

fn epoch(value: &Scalar<'_>, micros_per_unit: f64) -> Option<Timestamp> {
    let number = match value {
        Scalar::Number(number) => *number,
        Scalar::Text(text) if text.starts_with(|c: char| c.is_ascii_digit() || c == '-') => {
            text.parse().ok()?
        }
        _ => return None,
    };
    let micros = (number * micros_per_unit).round();
    // Within ±2^53 microseconds (years 1684 to 2255) a double is exact.
    if micros.abs() > 9_007_199_254_740_992.0 || micros.is_nan() {
        return None;
    }
    #[expect(clippy::cast_possible_truncation, reason = "whole and within ±2^53")]
    Some(Timestamp::from_micros(micros as i64))
}
