//! Payloads made to hurt: each is answered with a reason and costs no more than its length.
//!
//! Not the dialects themselves. Property tests drive the same bodies as the fuzz targets.

use proptest::prelude::*;

use super::*;

#[test]
fn numbers_that_are_not_finite_are_refused() {
    let dialects = shipped();
    for payload in ["NaN", "nan", "inf", "-inf", "Infinity", "1e400", "-1e400", r#"{"value": 1e400}"#] {
        let decoded = decode(&dialects, "site/z/d/m", payload);
        assert_eq!((reason(&decoded), decoded.readings.len()), (&UnknownReason::NotFinite, 0), "{payload}");
    }
    for payload in [r#"{"value": NaN}"#, r#"{"value": Infinity}"#] {
        let decoded = decode(&dialects, "site/z/d/m", payload);
        assert!(matches!(reason(&decoded), UnknownReason::NotJson(_)), "{payload}");
    }
    let decoded = decode(&dialects, "site/z/d/temperature", r#"{"value": 1.7e308, "unit": "kPa"}"#);
    assert_eq!(reason(&decoded), &UnknownReason::NotFinite);
    assert_eq!(reason(&decode(&dialects, "json/d", r#"{"a": 1e400}"#)), &UnknownReason::NotFinite);
}

#[test]
fn ten_thousand_levels_cost_nothing() {
    let dialects = shipped();
    let arrays = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    let objects = format!("{}1{}", r#"{"a":"#.repeat(10_000), "}".repeat(10_000));
    for topic in ["site/z/d/m", "json/d", "rtl_433/gw/events"] {
        for payload in [&arrays, &objects, &"[".repeat(10_000), &format!(r#"{{"value":{arrays}}}"#)] {
            let decoded = decode(&dialects, topic, payload);
            assert!(decoded.unknown.is_some() && decoded.readings.is_empty(), "{topic}");
        }
    }
    let beside = format!(r#"{{"temperature": 4, "deep": {arrays}}}"#);
    assert_eq!(only(&decode(&dialects, "json/d", &beside)).3, ReadingValue::Number(4.0));
}

#[test]
fn a_megabyte_is_read_and_more_is_not() {
    let dialects = shipped();
    let pad = "x".repeat(limits::PAYLOAD_BYTES - r#"{"value":4,"pad":""}"#.len());
    let largest = format!(r#"{{"value":4,"pad":"{pad}"}}"#);
    assert_eq!(largest.len(), limits::PAYLOAD_BYTES);
    assert_eq!(only(&decode(&dialects, "site/z/d/m", &largest)).3, ReadingValue::Number(4.0));
    let larger = format!("{largest} ");
    assert_eq!(reason(&decode(&dialects, "site/z/d/m", &larger)), &UnknownReason::TooLarge);
}

#[test]
fn a_key_that_stands_twice_makes_the_payload_unknown() {
    for topic in ["site/z/d/m", "json/d", "rtl_433/gw/events"] {
        let decoded = decode(&shipped(), topic, r#"{"model":"A","value":1,"value":2}"#);
        assert!(reason(&decoded).to_string().contains("a key stands twice"), "{topic}: {decoded:?}");
    }
}

#[test]
fn nul_and_control_characters_in_names_are_made_harmless() {
    let decoded = decode(&shipped(), "json/d\u{1}", r#"{"te\u0000mp\n": 1, "state": "a\u0000b"}"#);
    assert_eq!(only(&decoded).1, "te_mp_");
    assert_eq!(decoded.readings[0].asset.as_str(), "json:d_");
    let decoded = decode(&shipped(), "site/z/d/m\u{7f}", "1");
    assert_eq!(only(&decoded).1, "m_");
}

#[test]
fn too_many_values_and_keys_are_bounded() {
    let object = |count: usize| {
        let fields: Vec<_> = (0..count).map(|index| format!(r#""k{index}": {index}"#)).collect();
        format!("{{{}}}", fields.join(","))
    };
    let decoded = decode(&shipped(), "json/d", &object(100));
    assert_eq!((decoded.readings.len(), reason(&decoded)), (limits::READINGS, &UnknownReason::TooManyValues));
    let decoded = decode(&shipped(), "json/d", &object(50_000));
    assert!(reason(&decoded).to_string().contains("more than 256 keys"), "{decoded:?}");
}

#[test]
fn nonsense_is_unknown_with_a_reason() {
    let dialects = shipped();
    let cases: [(&[u8], &str); 7] = [
        (b"", "empty payload"),
        (b"  ", "empty payload"),
        (b"\xff\xfe", "neither JSON nor UTF-8 text"),
        (b"{", "EOF"),
        (b"{}", "no value in it"),
        (b"null", "no value in it"),
        (b"[1,2]", "no value in it"),
    ];
    for (payload, expected) in cases {
        let decoded = dialects.decode("site/z/d/m", payload, &AssetRef::new("mqtt:c"), received());
        let text = reason(&decoded).to_string();
        assert!(text.contains(expected), "{payload:?}: {text}");
    }
    let long = "x".repeat(65);
    assert!(matches!(reason(&decode(&dialects, "site/z/d/m", &long)), UnknownReason::NotJson(_)));
    assert_eq!(reason(&decode(&dialects, "json/d", "7")), &UnknownReason::NotAnObject);
    assert_eq!(reason(&decode(&dialects, "rtl_433/g/events", r#"{"id":1}"#)), &UnknownReason::NoModel);
}

#[test]
fn a_payload_cannot_take_the_name_of_a_client_or_of_another_sensor() {
    let dialects = shipped();
    let decoded = decode(&dialects, "site/z/gw/m", "1");
    assert_eq!(decoded.readings[0].asset.as_str(), "mqtt:gw", "its own name");
    for topic in ["site/z/mqtt:boss/m", "site/z/other/m"] {
        let decoded = decode(&dialects, topic, "1");
        assert!(decoded.readings[0].asset.as_str().starts_with("site:"), "{topic}");
    }
    let forged = decode(&dialects, "rtl_433/g/events", r#"{"model":"A:1","id":"2","v":1}"#);
    assert_eq!(forged.readings[0].asset.as_str(), "rtl_433:A_1:2");
}

proptest! {
    #[test]
    fn any_bytes_break_nothing(payload in prop::collection::vec(any::<u8>(), 0..400)) {
        fuzz_decode(&payload);
    }

    #[test]
    fn any_json_like_text_breaks_nothing(payload in r#"[{}\[\]",:0-9a-e.+\\u\-]{0,80}"#) {
        fuzz_decode(payload.as_bytes());
    }

    #[test]
    fn any_finite_number_survives(number in any::<f64>().prop_filter("finite", |number| number.is_finite())) {
        let decoded = decode(&shipped(), "site/z/d/m", &number.to_string());
        prop_assert_eq!(only(&decoded).3, ReadingValue::Number(number));
    }

    #[test]
    fn any_profile_text_breaks_nothing(text in r#"(\[\[topic\]\]\n|pattern = "[a-z/{}+#]{0,12}"\n|payload = "(value|object|x)"\n|[ -~\n]{0,10}){0,8}"#) {
        fuzz_profile(&text);
    }
}
