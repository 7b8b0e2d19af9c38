//! Addresses and refusals in words. Calls over a real connection are told in the stories.

use super::*;

#[test]
fn only_plain_https_addresses_are_taken() {
    assert_eq!(address(" https://cloud.example/ "), Ok("https://cloud.example".to_owned()));
    assert_eq!(address("https://192.0.2.7:8443/api/"), Ok("https://192.0.2.7:8443/api".to_owned()));
    for wrong in [
        "",
        "cloud.example",
        "http://cloud.example",
        "https://",
        "https://user@cloud.example",
        "https://user:secret@cloud.example",
        "https://cloud.example/?a=1",
        "https://cloud.example/#a",
        "file:///etc/passwd",
    ] {
        assert!(address(wrong).is_err(), "{wrong}");
    }
    assert!(address(&format!("https://cloud.example/{}", "a".repeat(URL_BYTES))).is_err());
}

#[test]
fn each_refusal_is_told_in_words_and_means_what_the_contract_says() {
    let refused = |code: u16, body: &str| {
        refusal(StatusCode::from_u16(code).expect("a status"), body.as_bytes(), None, None)
    };
    assert_eq!(refused(413, "").kind, FailureKind::TooLarge { records: 0, bytes: 0 });
    assert_eq!(refused(401, "").kind, FailureKind::Refused);
    assert_eq!(refused(500, "<html>").words, "The cloud answered 500");
    let forked = refused(409, r#"{"type":"/problems/log-forked","detail":"record 7 differs"}"#);
    assert_eq!(forked.kind, FailureKind::Contradiction);
    assert!(
        forked.words.contains("log-forked") && forked.words.contains("record 7 differs"),
        "{}",
        forked.words
    );
    assert_eq!(refused(409, r#"{"type":"gap","next":"4"}"#).kind, FailureKind::Unavailable);
    assert_eq!(
        refused(409, "half an ans").kind,
        FailureKind::Contradiction,
        "when unsure, nothing more is sent"
    );
    assert_eq!(refused(422, r#"{"code":"bad-checkpoint"}"#).kind, FailureKind::Contradiction);
    let long = refused(503, &format!(r#"{{"detail":"{}\u0007"}}"#, "x".repeat(10_000)));
    assert!(long.words.chars().count() < 400 && !long.words.contains('\u{7}'));
    let elsewhere = refusal(StatusCode::FOUND, b"", None, Some("https://elsewhere.example".into()));
    assert!(
        elsewhere.words.contains("https://elsewhere.example") && elsewhere.words.contains("not followed")
    );
}

#[test]
fn retry_after_is_seconds_and_anything_else_is_none() {
    let read = |text: &str| {
        let mut headers = header::HeaderMap::new();
        headers.insert(header::RETRY_AFTER, text.parse().expect("a header"));
        retry_after(&headers)
    };
    assert_eq!(read("120"), Some(Duration::from_secs(120)));
    for other in ["-1", "soon", "Wed, 21 Oct 2026 07:28:00 GMT", "99999999999999999999999"] {
        assert_eq!(read(other), None, "{other}");
    }
}
