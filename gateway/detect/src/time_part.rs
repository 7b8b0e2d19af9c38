//! Parts of dates: the hour in `2026-11-24T08:15:00+02:00` is 8.
//!
//! Sigma modifiers, "Time Modifiers": not designed for conversions of time zones or formats, so the parts are
//! taken as they are written. A number is seconds (or milliseconds and so on, by its size) since 1970, UTC.
#![deny(clippy::indexing_slicing)]

use crate::number::Number;
use crate::rule::atom::TimePart;

/// A calendar date and the time of day, as written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Written {
    year: i64,
    month: i64,
    day: i64,
    hour: i64,
    minute: i64,
}

/// The part of the date in the text; `None` when it is not a date.
pub(crate) fn of_text(text: &str, part: TimePart) -> Option<i64> {
    match written(text) {
        Some(date) => Some(take(date, part)),
        None => of_number(Number::parse(text)?, part),
    }
}

/// The part of the date that a number of seconds, milli-, micro- or nanoseconds since 1970 stands for.
pub(crate) fn of_number(number: Number, part: TimePart) -> Option<i64> {
    let seconds = match number {
        Number::Int(whole) => match whole.unsigned_abs() {
            0..=99_999_999_999 => whole,
            100_000_000_000..=99_999_999_999_999 => whole.div_euclid(1_000),
            100_000_000_000_000..=99_999_999_999_999_999 => whole.div_euclid(1_000_000),
            _ => whole.div_euclid(1_000_000_000),
        },
        #[expect(clippy::cast_possible_truncation, reason = "checked to lie far within the range of i64")]
        Number::Float(fraction) if fraction.abs() < 1e11 => fraction.floor() as i64,
        Number::Float(_) => return None,
    };
    let days = seconds.div_euclid(86_400);
    let rest = seconds.rem_euclid(86_400);
    let (year, month, day) = civil(days);
    Some(take(Written { year, month, day, hour: rest / 3_600, minute: rest / 60 % 60 }, part))
}

/// Reads `YYYY-MM-DD`, optionally followed by `T` or a blank and `HH:MM`; whatever follows is left alone.
fn written(text: &str) -> Option<Written> {
    let number = |from: usize, to: usize| -> Option<i64> {
        let digits = text.get(from..to)?;
        if digits.bytes().all(|b| b.is_ascii_digit()) { digits.parse().ok() } else { None }
    };
    let is = |at: usize, any: &[u8]| text.as_bytes().get(at).is_some_and(|b| any.contains(b));
    if !is(4, b"-/") || !is(7, b"-/") {
        return None;
    }
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute) = match text.len() {
        10 => (0, 0),
        _ if is(10, b"T t") && is(13, b":") => (number(11, 13)?, number(14, 16)?),
        _ => return None,
    };
    let valid = (1..=12).contains(&month) && (1..=31).contains(&day) && hour < 24 && minute < 60;
    valid.then_some(Written { year, month, day, hour, minute })
}

fn take(date: Written, part: TimePart) -> i64 {
    match part {
        TimePart::Minute => date.minute,
        TimePart::Hour => date.hour,
        TimePart::Day => date.day,
        TimePart::Month => date.month,
        TimePart::Year => date.year,
        TimePart::Week => week(date),
    }
}

/// Days since 1970-01-01 of a date in the Gregorian calendar (H. Hinnant's era arithmetic).
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// The date of a number of days since 1970-01-01.
fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (era * 400 + year_of_era + i64::from(month <= 2), month, day)
}

/// ISO 8601 week: the week that holds the year's Thursday.
fn week(date: Written) -> i64 {
    let day = days(date.year, date.month, date.day);
    let thursday = day - (day + 3).rem_euclid(7) + 3;
    let (year, _, _) = civil(thursday);
    (thursday - days(year, 1, 1)) / 7 + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_taken_as_written() {
        let text = "2026-11-24T08:15:00+02:00";
        let parts = [TimePart::Minute, TimePart::Hour, TimePart::Day, TimePart::Month, TimePart::Year];
        assert_eq!(parts.map(|part| of_text(text, part)), [15, 8, 24, 11, 2026].map(Some));
        assert_eq!(of_text("2026-11-24 23:59:59.1", TimePart::Hour), Some(23));
        assert_eq!(of_text("2026-11-24", TimePart::Hour), Some(0));
    }

    #[test]
    fn weeks_follow_iso_8601() {
        for (date, week) in [
            ("2026-01-01", 1),
            ("2021-01-03", 53),
            ("2024-12-30", 1),
            ("2026-11-24", 48),
            ("2020-12-31", 53),
            ("1970-01-01", 1),
        ] {
            assert_eq!(of_text(date, TimePart::Week), Some(week), "{date}");
        }
    }

    #[test]
    fn numbers_are_seconds_or_finer() {
        for number in ["1764000000", "1764000000000", "1764000000.5"] {
            assert_eq!(of_text(number, TimePart::Year), Some(2025), "{number}");
        }
        assert_eq!(of_number(Number::Int(-1), TimePart::Year), Some(1969));
        assert!(of_number(Number::Int(i64::MIN), TimePart::Day).is_some());
    }

    #[test]
    fn not_a_date() {
        for text in ["", "x", "2026-13-01", "2026-11-24T25:00", "11/24/2026", "2026-11-2", "２０２６-11-24"]
        {
            assert_eq!(of_text(text, TimePart::Day), None, "{text}");
        }
    }

    #[test]
    fn days_and_civil_are_inverse() {
        for day in (-800_000..800_000).step_by(377) {
            let (y, m, d) = civil(day);
            assert_eq!(days(y, m, d), day);
        }
    }
}
