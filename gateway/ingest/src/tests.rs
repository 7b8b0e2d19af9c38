//! Tests of ingest: dialects on small payloads, hostile payloads, profile mistakes, real sensors.
//!
//! Real recordings are found by `SITEWARDEN_TESTDATA`; without it those tests say so and are skipped.

use sitewarden_core::{AssetKind, AssetRef, ReadingValue, TimeSource, Timestamp};

use super::*;

mod hostile;
mod nested;
mod profiles;
mod real_sensors;

/// The shipped profiles, so that what is tested is what is installed.
fn shipped() -> Dialects {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config/dialects");
    let mut files: Vec<(String, String)> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "toml"))
        .map(|path| (path.display().to_string(), std::fs::read_to_string(&path).unwrap()))
        .collect();
    files.sort();
    let (dialects, errors) = Dialects::load(&files);
    assert!(errors.is_empty(), "{errors:?}");
    assert!(dialects.patterns() >= 5);
    dialects
}

fn profile(text: &str) -> Dialects {
    let (dialects, errors) = Dialects::load(&[("test.toml", text)]);
    assert!(errors.is_empty(), "{errors:?}");
    dialects
}

fn received() -> Timestamp {
    Timestamp::parse_rfc3339("2026-11-24T10:00:00Z").unwrap()
}

fn decode(dialects: &Dialects, topic: &str, payload: &str) -> Decoded {
    dialects.decode(topic, payload.as_bytes(), &AssetRef::new("mqtt:gw"), received())
}

/// The only reading as (asset, metric, unit, value).
fn only(decoded: &Decoded) -> (&str, &str, &str, ReadingValue) {
    assert_eq!((decoded.readings.len(), &decoded.unknown), (1, &None), "{decoded:?}");
    let reading = &decoded.readings[0];
    (reading.asset.as_str(), &reading.metric, &reading.unit, reading.value.clone())
}

fn reason(decoded: &Decoded) -> &UnknownReason {
    &decoded.unknown.as_ref().expect("unknown").reason
}

#[test]
fn a_plain_number_is_a_reading_with_the_profiles_unit() {
    let dialects = shipped();
    let decoded = decode(&dialects, "site/cold/thermo-1/temperature", "4.25");
    assert_eq!(only(&decoded), ("site:thermo-1", "temperature", "Cel", ReadingValue::Number(4.25)));
    let reading = &decoded.readings[0];
    assert_eq!(reading.via.as_ref().map(AssetRef::as_str), Some("mqtt:gw"));
    assert_eq!((reading.time, reading.time_source), (received(), TimeSource::Arrival));
    let sighting = &decoded.sightings[0];
    assert_eq!((sighting.kind, sighting.facts.len()), (AssetKind::Sensor, 1));
    assert_eq!((&*sighting.facts[0].0, &*sighting.facts[0].1), ("zone", "cold"));
}

#[test]
fn a_client_that_speaks_for_itself_is_the_sensor() {
    let dialects = shipped();
    let own = AssetRef::new("mqtt:thermo-1");
    let decoded = dialects.decode("site/cold/thermo-1/temperature", b"4", &own, received());
    assert_eq!((decoded.readings[0].asset.clone(), decoded.readings[0].via.clone()), (own.clone(), None));
    assert_eq!((decoded.sightings[0].asset.clone(), decoded.sightings[0].via.clone()), (own, None));
}

#[test]
fn value_unit_and_time_may_stand_in_an_object() {
    let dialects = shipped();
    let payload = r#"{"value": 41, "unit": "°F", "time": "2026-11-24T09:59:00+00:00"}"#;
    let decoded = decode(&dialects, "site/cold/t/temperature", payload);
    let (_, _, unit, ReadingValue::Number(value)) = only(&decoded) else { panic!("a number") };
    assert!(unit == "Cel" && (value - 5.0).abs() < 1e-9, "{value} {unit}");
    assert_eq!(decoded.readings[0].time.to_string(), "2026-11-24T09:59:00Z");
    assert_eq!(decoded.readings[0].time_source, TimeSource::Payload);
}

#[test]
fn flags_and_short_states_are_readings() {
    let dialects = shipped();
    let cases = [("true", ReadingValue::Bool(true)), ("OPEN", ReadingValue::Text("OPEN".into()))];
    for (payload, value) in cases {
        assert_eq!(only(&decode(&dialects, "site/hall/door/contact", payload)).3, value);
    }
    let decoded = decode(&dialects, "site/hall/t/temperature", "warm");
    assert_eq!(reason(&decoded), &UnknownReason::NotANumber("warm".to_owned()));
}

#[test]
fn times_are_read_in_each_form() {
    let expected = Timestamp::parse_rfc3339("2014-02-19T15:25:00Z").unwrap();
    let cases = [
        ("rfc3339", r#""2014-02-19T16:25:00+01:00""#),
        ("datetime", r#""2014-02-19 15:25:00""#),
        ("datetime", r#""2014-02-19T15:25:00""#),
        ("epoch-s", "1392823500"),
        ("epoch-s", r#""1392823500.0""#),
        ("epoch-ms", "1392823500000"),
    ];
    for (format, time) in cases {
        let dialects = profile(&format!(
            "[[topic]]\npattern = \"t/{{metric}}\"\npayload = \"value\"\ntime-formats = [\"{format}\"]"
        ));
        let decoded = decode(&dialects, "t/m", &format!(r#"{{"value": 1, "time": {time}}}"#));
        let reading = &decoded.readings[0];
        assert_eq!((reading.time, reading.time_source), (expected, TimeSource::Payload), "{format} {time}");
    }
}

#[test]
fn a_time_that_is_no_time_or_lies_ahead_is_not_taken() {
    let dialects = shipped();
    for time in
        ["\"yesterday\"", "\"2026-11-25 10:00:00\"", "1e30", "-1e300", "null", "[1]", "\"\"", "\"inf\""]
    {
        let decoded =
            decode(&dialects, "nab/machine/temperature", &format!(r#"{{"value":1,"time":{time}}}"#));
        let reading = &decoded.readings[0];
        assert_eq!((reading.time, reading.time_source), (received(), TimeSource::Arrival), "{time}");
    }
}

#[test]
fn an_object_gives_one_reading_for_each_key() {
    let dialects = shipped();
    let payload = r#"{"temperature_f": 32, "humidity": 40, "door": "OPEN", "on": false, "seq": 7,
        "nested": {"a": 1}, "list": [1, 2], "nothing": null, "time": 1700000000}"#;
    let decoded = decode(&dialects, "json/node-1", payload);
    let readings: Vec<_> = decoded.readings.iter().map(|r| (&*r.metric, &*r.unit, r.value.clone())).collect();
    assert_eq!(
        readings,
        [
            ("temperature", "Cel", ReadingValue::Number(0.0)),
            ("humidity", "%", ReadingValue::Number(40.0)),
            ("door", "", ReadingValue::Text("OPEN".into())),
            ("on", "", ReadingValue::Bool(false)),
        ]
    );
    assert_eq!(decoded.unknown, None);
    assert!(decoded.readings.iter().all(|r| r.time == Timestamp::from_seconds(1_700_000_000)));
}

#[test]
fn scale_and_offset_go_before_the_unit() {
    let dialects = profile(
        "[[topic]]\npattern = \"t/{device}\"\npayload = \"object\"\nothers = \"ignore\"\n\
         [topic.metrics.raw]\nname = \"temperature\"\nscale = 0.1\noffset = 2.0\nunit = \"K\"",
    );
    let decoded = decode(&dialects, "t/a", r#"{"raw": 2711.5, "other": 1}"#);
    let (_, metric, unit, ReadingValue::Number(value)) = only(&decoded) else { panic!("a number") };
    assert!((metric, unit) == ("temperature", "Cel") && (value - 0.0).abs() < 1e-9, "{metric} {value}");
}

#[test]
fn a_topic_that_no_pattern_fits_is_unknown() {
    let decoded = decode(&shipped(), "else/where", "1");
    assert_eq!((reason(&decoded), decoded.readings.len()), (&UnknownReason::NoProfile, 0));
}
