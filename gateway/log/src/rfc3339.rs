//! RFC 3339 times of records, written without a formatter: a backlog writes a hundred thousand of them.
//!
//! Not a parser. Invariant: the text is the one that [`Timestamp`] itself shows.

use sitewarden_core::Timestamp;

const SECONDS_PER_DAY: u64 = 86_400;

/// Seconds of 9999-01-01T00:00:00Z since 1970: what follows, and what is before 1970, is written by [`Timestamp`].
const FAR: u64 = 253_370_764_800;

/// Appends the time; false, and nothing appended, when it is outside of the calendar.
pub(crate) fn write(bytes: &mut Vec<u8>, time: Timestamp) -> bool {
    let micros = u64::try_from(time.micros()).unwrap_or(u64::MAX);
    let (seconds, fraction) = (micros / 1_000_000, micros % 1_000_000);
    if seconds >= FAR {
        let text = time.to_string();
        let inside = Timestamp::parse_rfc3339(&text).is_some();
        if inside {
            bytes.extend_from_slice(text.as_bytes());
        }
        return inside;
    }
    let (year, month, day) = date(seconds / SECONDS_PER_DAY);
    let of_day = seconds % SECONDS_PER_DAY;
    let mut text = *b"0000-00-00T00:00:00.000000Z";
    for (place, number) in [
        (0..4, year),
        (5..7, month),
        (8..10, day),
        (11..13, of_day / 3_600),
        (14..16, of_day / 60 % 60),
        (17..19, of_day % 60),
        (20..26, fraction),
    ] {
        digits(text.get_mut(place).unwrap_or_default(), number);
    }
    let whole = text.get(..19).unwrap_or_default();
    bytes.extend_from_slice(whole);
    if fraction > 0 {
        let fraction = text.get(19..26).unwrap_or_default();
        let used = fraction.iter().rposition(|byte| *byte != b'0').map_or(0, |last| last + 1);
        bytes.extend(fraction.iter().take(used));
    }
    bytes.push(b'Z');
    true
}

/// Year, month and day of so many days since 1970-01-01, in the Gregorian calendar. Years begin in March, so that the leap day is a
/// year's last; 400 of them have 146,097 days.
fn date(days: u64) -> (u64, u64, u64) {
    // 719,468 days from 0000-03-01 to 1970-01-01.
    let days = days + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    // Five months from March on have 153 days, over and over.
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

/// Writes a number into its place, with leading zeros.
fn digits(place: &mut [u8], mut number: u64) {
    for digit in place.iter_mut().rev() {
        *digit = b'0' + u8::try_from(number % 10).unwrap_or(0);
        number /= 10;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(micros: i64) -> String {
        let mut bytes = Vec::new();
        assert!(write(&mut bytes, Timestamp::from_micros(micros)));
        String::from_utf8(bytes).expect("ASCII")
    }

    #[test]
    fn every_day_of_five_centuries_and_the_edges_are_as_the_timestamp_shows_them() {
        for day in 0..182_622_i64 {
            let micros = day * 86_400_000_000 + day % 86_400 * 1_000_000 + day % 1_000_000;
            assert_eq!(written(micros), Timestamp::from_micros(micros).to_string());
        }
        for seconds in [0, 951_782_400, 253_370_764_799, 253_370_764_800, -1] {
            for fraction in [0, 1, 100_000, 120_000, 999_999] {
                let micros = seconds * 1_000_000 + fraction;
                assert_eq!(written(micros), Timestamp::from_micros(micros).to_string());
            }
        }
        let mut bytes = b"before".to_vec();
        assert!(!write(&mut bytes, Timestamp::from_micros(i64::MAX)));
        assert_eq!(bytes, b"before");
    }

    proptest! {
        #[test]
        fn any_time_is_as_the_timestamp_shows_it(micros in 0_i64..253_370_764_800_000_000) {
            prop_assert_eq!(written(micros), Timestamp::from_micros(micros).to_string());
        }
    }
}
