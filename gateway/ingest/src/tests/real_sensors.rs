//! Real radio sensors (96 messages of 39 models) and a real series.
//!
//! The recordings are found by `SITEWARDEN_TESTDATA` and never copied; the table of keys needs none.

use std::collections::BTreeSet;
use std::io::Write as _;

use super::*;

fn test_data(test: &str) -> Option<std::path::PathBuf> {
    if let Some(folder) = std::env::var_os("SITEWARDEN_TESTDATA") {
        return Some(folder.into());
    }
    assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "{test}: SITEWARDEN_TESTDATA is not set");
    writeln!(std::io::stderr(), "skipped {test}: SITEWARDEN_TESTDATA is not set").unwrap();
    None
}

#[test]
fn every_message_of_39_models_gives_named_readings_with_units() {
    let Some(folder) = test_data("ingest::tests::real_sensors") else { return };
    let text = std::fs::read_to_string(folder.join("rtl433/codes_real.expected.jsonl")).unwrap();
    let dialects = shipped();
    let (mut messages, mut models, mut assets, mut identities) =
        (0, BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        let decoded = decode(&dialects, "rtl_433/gw/events", line);
        assert_eq!(decoded.unknown, None, "{line}");
        assert!(!decoded.readings.is_empty(), "{line}");
        for reading in &decoded.readings {
            let number = matches!(reading.value, ReadingValue::Number(_));
            assert_eq!(number, !reading.unit.is_empty(), "{line}: {reading:?}");
            assert_eq!(reading.via.as_ref().map(AssetRef::as_str), Some("mqtt:gw"));
        }
        let event: serde_json::Value = serde_json::from_str(line).unwrap();
        let identity = ["model", "subtype", "channel", "id", "dipswitch"].map(|key| event[key].to_string());
        identities.insert(identity);
        assets.insert(decoded.sightings[0].asset.clone());
        models.insert(event["model"].to_string());
        messages += 1;
    }
    assert_eq!((messages, models.len()), (96, 39));
    assert_eq!(assets.len(), identities.len(), "each sensor is an asset of its own");
}

#[test]
fn known_keys_become_our_metrics_in_our_units() {
    let dialects = shipped();
    let cases = [
        (r#"{"model":"M","temperature_C":-143.5}"#, "temperature", "Cel", -143.5),
        (r#"{"model":"M","temperature_F":206.5}"#, "temperature", "Cel", 96.944_444),
        (r#"{"model":"M","temperature_2_C":76.9}"#, "temperature_2", "Cel", 76.9),
        (r#"{"model":"M","setpoint_C":20.484}"#, "setpoint", "Cel", 20.484),
        (r#"{"model":"M","humidity":170}"#, "humidity", "%", 170.0),
        (r#"{"model":"M","battery_ok":0.8}"#, "battery", "%", 80.0),
        (r#"{"model":"M","battery_mV":284}"#, "battery_voltage", "V", 0.284),
        (r#"{"model":"M","pressure_hPa":1001.7}"#, "pressure", "hPa", 1_001.7),
        (r#"{"model":"M","pressure_kPa":240}"#, "pressure", "hPa", 2_400.0),
        (r#"{"model":"M","pressure_PSI":10}"#, "pressure", "hPa", 689.475_729),
        (r#"{"model":"M","type":"TPMS","pressure_kPa":240}"#, "tire_pressure", "hPa", 2_400.0),
        (r#"{"model":"M","wind_avg_km_h":36}"#, "wind_avg", "m/s", 10.0),
        (r#"{"model":"M","wind_max_m_s":2.24}"#, "wind_max", "m/s", 2.24),
        (r#"{"model":"M","wind_dir_deg":225}"#, "wind_dir", "deg", 225.0),
        (r#"{"model":"M","rain_mm":5252.076}"#, "rain", "mm", 5_252.076),
        (r#"{"model":"M","rain_in":1}"#, "rain", "mm", 25.4),
        (r#"{"model":"M","light_lux":3}"#, "illuminance", "lx", 3.0),
        (r#"{"model":"M","pm2_5_ug_m3":11}"#, "pm2_5", "ug/m3", 11.0),
        (r#"{"model":"M","power_W":1519}"#, "power", "W", 1_519.0),
        (r#"{"model":"M","current":4.641}"#, "current", "A", 4.641),
        (r#"{"model":"M","storm_dist_km":1}"#, "storm_distance", "km", 1.0),
        (r#"{"model":"M","strike_count":1}"#, "strike_count", "1", 1.0),
        (r#"{"model":"M","uvi":5}"#, "uv_index", "1", 5.0),
    ];
    for (payload, metric, unit, value) in cases {
        let decoded = decode(&dialects, "rtl_433/gw/events", payload);
        let (asset, got_metric, got_unit, ReadingValue::Number(number)) = only(&decoded) else {
            panic!("{payload}: a number")
        };
        assert_eq!((asset, got_metric, got_unit), ("rtl_433:M", metric, unit), "{payload}");
        assert!((number - value).abs() < 1e-5, "{payload}: {number}");
    }
    let decoded = decode(&dialects, "rtl_433/gw/events", r#"{"model":"M","test":"Yes"}"#);
    assert_eq!(only(&decoded).3, ReadingValue::Bool(true));
    let bell = decode(&dialects, "rtl_433/gw/events", r#"{"model":"Bell","id":7}"#);
    assert_eq!(only(&bell), ("rtl_433:Bell:7", "event", "", ReadingValue::Bool(true)));
}

#[test]
fn the_asset_is_named_in_the_order_of_rtl_433s_own_topics() {
    let payload = r#"{"time":"2026-11-24 09:00:00","model":"Prologue-TH","subtype":9,"id":8,"channel":1,"temperature_C":1}"#;
    let decoded = decode(&shipped(), "rtl_433/gw/events", payload);
    assert_eq!(only(&decoded).0, "rtl_433:Prologue-TH:9:1:8");
    assert_eq!(decoded.readings[0].time_source, TimeSource::Arrival, "local time without a zone");
    let facts: Vec<_> = decoded.sightings[0].facts.iter().map(|(key, value)| (&**key, &**value)).collect();
    assert!(facts.contains(&("model", "Prologue-TH")) && facts.contains(&("receiver", "gw")), "{facts:?}");
}

#[test]
fn a_series_keeps_its_own_times() {
    let decoded = decode(
        &shipped(),
        "nab/machine/temperature",
        r#"{"value":73.96732207,"timestamp":"2013-12-02 21:15:00"}"#,
    );
    assert_eq!(only(&decoded), ("nab:machine", "temperature", "", ReadingValue::Number(73.967_322_07)));
    assert_eq!(decoded.readings[0].time.to_string(), "2013-12-02T21:15:00Z");
}
