//! Values inside of others: payloads as Tasmota, Shelly and Zigbee2MQTT send them, and entries without effect.
//!
//! Forms are those of their public documentation. Not flat payloads.

use super::*;

const PROFILE: &str = r#"
[[topic]]
pattern = "tele/{device}/SENSOR"
payload = "object"
others = "ignore"
time-keys = ["Time"]
time-formats = ["datetime"]
[topic.metrics."DS18B20.Temperature"]
name = "temperature"
unit = "Cel"
[topic.metrics."ENERGY.Power"]
name = "power"
unit = "W"
[topic.metrics."/ENERGY/Voltage/1"]
name = "voltage_l2"
unit = "V"

[[topic]]
pattern = "{device}/events/rpc"
payload = "object"
others = "ignore"
time-keys = ["/params/ts"]
time-formats = ["epoch-s"]
[topic.metrics."/params/temperature:0/tC"]
name = "temperature"
unit = "Cel"
[topic.metrics."/params/switch:0/aenergy/total"]
unit = "W.h"

[[topic]]
pattern = "zigbee2mqtt/{device}"
payload = "object"
ignore = ["linkquality", "/a.b"]
[topic.metrics."update.state"]
[topic.metrics."/odd.key"]

[[topic]]
pattern = "one/{device}"
payload = "value"
metric = "power"
value-keys = ["ENERGY.Power"]
unit-keys = ["ENERGY.Unit"]
"#;

fn read(topic: &str, payload: &str) -> Vec<(String, ReadingValue)> {
    let (dialects, errors) = Dialects::load(&[("nested.toml", PROFILE)]);
    assert_eq!(errors, []);
    let decoded = decode(&dialects, topic, payload);
    decoded.readings.iter().map(|reading| (reading.metric.to_string(), reading.value.clone())).collect()
}

fn number(name: &str, value: f64) -> (String, ReadingValue) {
    (name.to_owned(), ReadingValue::Number(value))
}

#[test]
fn a_sensor_of_tasmota_is_read_by_dots_and_a_phase_by_its_index() {
    let payload = r#"{"Time":"2024-03-01T12:00:00","DS18B20":{"Id":"01131B","Temperature":22.5},
        "ENERGY":{"TotalStartTime":"2023-01-01T00:00:00","Power":12,"Voltage":[231,229.5,230]},"TempUnit":"C"}"#;
    let expected = [number("temperature", 22.5), number("power", 12.0), number("voltage_l2", 229.5)];
    assert_eq!(read("tele/plug/SENSOR", payload), expected);
}

#[test]
fn a_notification_of_shelly_is_read_by_pointers_and_has_its_own_time() {
    let (dialects, _) = Dialects::load(&[("nested.toml", PROFILE)]);
    let payload = r#"{"src":"shellyplus1pm-a","dst":"a/events","method":"NotifyStatus","params":{"ts":1700000000.5,
        "switch:0":{"id":0,"aenergy":{"by_minute":[1,2,3],"total":7.25}},"temperature:0":{"id":0,"tC":41.5,"tF":106.7}}}"#;
    let decoded = decode(&dialects, "a/events/rpc", payload);
    let metrics: Vec<_> = decoded.readings.iter().map(|reading| reading.metric.as_ref()).collect();
    assert_eq!(metrics, ["params.switch:0.aenergy.total", "temperature"]);
    assert!(decoded.readings.iter().all(|reading| reading.time_source == TimeSource::Payload));
}

#[test]
fn what_is_not_named_inside_stays_out_and_a_key_with_a_dot_is_not_a_nested_value() {
    let payload = r#"{"temperature":21,"linkquality":80,"a.b":1,"odd.key":2,"odd":{"key":3},
        "update":{"state":"idle","installed_version":5},"update.state":9}"#;
    let expected = [
        number("temperature", 21.0),
        number("odd.key", 2.0),
        ("update.state".to_owned(), ReadingValue::Text("idle".into())),
        number("update.state", 9.0),
    ];
    assert_eq!(read("zigbee2mqtt/lamp", payload), expected);
}

#[test]
fn a_payload_cannot_pass_a_key_off_as_a_nested_value() {
    let payload = r#"{"/params/temperature:0/tC":99,"params":{"temperature:0":{"tC":20}}}"#;
    assert_eq!(read("a/events/rpc", payload), [number("temperature", 20.0)]);
    assert_eq!(read("a/events/rpc", r#"{"/params/temperature:0/tC":99}"#), []);
}

#[test]
fn the_value_of_a_topic_may_stand_inside_and_its_unit_too() {
    let (dialects, _) = Dialects::load(&[("nested.toml", PROFILE)]);
    let decoded = decode(&dialects, "one/plug", r#"{"ENERGY":{"Power":1.5,"Unit":"V"}}"#);
    assert_eq!(only(&decoded), ("one:plug", "power", "V", ReadingValue::Number(1.5)));
}

#[test]
fn a_wanted_key_that_stands_twice_and_what_is_not_a_value_are_told() {
    let (dialects, _) = Dialects::load(&[("nested.toml", PROFILE)]);
    let twice = decode(&dialects, "tele/p/SENSOR", r#"{"ENERGY":{"Power":1,"Power":2}}"#);
    assert!(
        matches!(&twice.unknown, Some(Unknown { reason: UnknownReason::NotJson(text) }) if text.contains("twice"))
    );
    for other in [r#"{"ENERGY":{"Power":{"deep":1}}}"#, r#"{"ENERGY":7}"#, r#"{"ENERGY":{"Voltage":[1]}}"#] {
        let decoded = decode(&dialects, "tele/p/SENSOR", other);
        assert_eq!(decoded.readings, [], "{other}");
        assert_eq!(decoded.unknown, Some(Unknown { reason: UnknownReason::NoValue }), "{other}");
    }
    let deep = format!("{{\"ENERGY\":{}1{}}}", "[".repeat(10_000), "]".repeat(10_000));
    assert_eq!(decode(&dialects, "tele/p/SENSOR", &deep).readings, []);
}

#[test]
fn an_entry_that_can_have_no_effect_is_a_mistake_at_its_place() {
    let object = "[[topic]]\npattern = \"a/{device}\"\npayload = \"object\"\n";
    let value = "[[topic]]\npattern = \"a/{device}\"\npayload = \"value\"\nmetric = \"power\"\n";
    let radio = "[[topic]]\npattern = \"a/events\"\npayload = \"rtl_433\"\n";
    let cases = [
        (format!("{object}value-keys = [\"a\"]\n"), 4, 14, "`value-keys` has no effect"),
        (format!("{object}metric = \"a\"\n"), 4, 10, "`metric` has no effect"),
        (format!("{object}ignore = [\"b\", \"a.b\"]\n"), 4, 16, "nested value is taken only"),
        (format!("{object}ignore = [\"b\"]\nothers = \"ignore\"\n"), 4, 11, "leaves all"),
        (format!("{object}ignore = [\"b\"]\n[topic.metrics.b]\n"), 4, 11, "[topic.metrics] names it"),
        (format!("{object}[topic.metrics.\"a.b\"]\n[topic.metrics.\"/a/b\"]\n"), 4, 16, "names too"),
        (format!("{object}[topic.metrics.\"a..b\"]\n"), 4, 16, "an empty part"),
        (format!("{object}[topic.metrics.\"/a~2\"]\n"), 4, 16, "`~`"),
        (format!("{object}[topic.metrics.\"{}a\"]\n", "a.".repeat(8)), 4, 16, "deeper than 8"),
        (format!("{value}others = \"keep\"\n"), 5, 10, "`others` has no effect"),
        (format!("{value}ignore = [\"a\"]\n"), 5, 11, "`ignore` has no effect"),
        (format!("{value}[topic.metrics.\"ENERGY.Power\"]\n"), 5, 16, "the metric of this topic is `power`"),
        (format!("{radio}[topic.metrics.temperature_C]\n"), 4, 16, "no effect on payloads of rtl_433"),
        (format!("{radio}others = \"keep\"\n"), 4, 10, "no effect on payloads of rtl_433"),
    ];
    for (text, line, column, message) in cases {
        let (_, errors) = Dialects::load(&[("bad.toml", &text)]);
        let [error] = errors.as_slice() else { panic!("{errors:?}\n{text}") };
        assert_eq!((error.line, error.column), (line, column), "{error}\n{text}");
        assert!(error.message.contains(message) && !error.hint.is_empty(), "{error}\n{text}");
    }
    let many: String = (0..257).map(|n| format!("[topic.metrics.\"a.{n}\"]\n")).collect();
    let (_, errors) = Dialects::load(&[("bad.toml", format!("{object}{many}"))]);
    assert!(errors.first().is_some_and(|error| error.message.contains("more than 256")), "{errors:?}");
}
