//! Fuzz bodies of ingest: any payload, any profile file.
//!
//! Called by the fuzz targets and by the property tests. Not a decoder of its own.

use sitewarden_core::{AssetRef, ReadingValue, Timestamp};

use crate::Dialects;
use crate::limits::{METRIC_BYTES, READINGS};

const PROFILE: &str = r#"
[[topic]]
pattern = "value/{zone}/{device}/{metric}"
payload = "value"
[topic.metrics.temperature]
unit = "°F"
[[topic]]
pattern = "object/{device}"
payload = "object"
time-formats = ["epoch-ms", "epoch-s", "rfc3339", "datetime"]
[[topic]]
pattern = "rtl_433/#"
payload = "rtl_433"
"#;

/// Decodes any payload in each dialect and checks what came out.
///
/// # Panics
/// When a reading breaks an invariant of this crate: that is the finding.
pub fn fuzz_decode(payload: &[u8]) {
    let (dialects, errors) = Dialects::load(&[("fuzz.toml", PROFILE)]);
    assert!(errors.is_empty(), "{errors:?}");
    let client = AssetRef::new("mqtt:fuzz");
    let received = Timestamp::from_seconds(1_700_000_000);
    for topic in ["value/z/d/temperature", "value/z/d/m", "object/d", "rtl_433/gw/events", "other"] {
        let decoded = dialects.decode(topic, payload, &client, received);
        assert!(decoded.unknown.is_some() || !decoded.readings.is_empty(), "{topic}: dropped silently");
        assert!(decoded.readings.len() <= READINGS, "{topic}: too many readings");
        assert_eq!(decoded.readings.is_empty(), decoded.sightings.is_empty(), "{topic}: sighting");
        for reading in decoded.readings {
            assert!(reading.metric.len() <= METRIC_BYTES && !reading.metric.contains(char::is_control));
            assert!(reading.asset == client || reading.via.as_ref() == Some(&client), "{topic}: via");
            if let ReadingValue::Number(number) = reading.value {
                assert!(number.is_finite(), "{topic}: {number}");
            }
        }
    }
}

/// Loads any text as a profile file.
///
/// # Panics
/// When an error points outside the file: that is the finding.
pub fn fuzz_profile(text: &str) {
    let (dialects, errors) = Dialects::load(&[("fuzz.toml", text)]);
    for error in &errors {
        let line = usize::try_from(error.line).unwrap_or(usize::MAX);
        assert!(line >= 1 && line <= text.split('\n').count(), "{error} points outside the file");
    }
    assert!(errors.is_empty() || dialects.patterns() == 0, "a file with an error contributes");
}
