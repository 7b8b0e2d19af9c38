//! Dialect `value`: a topic that carries one metric.
//!
//! The payload is a plain number (`21.5`), `true`, a short state (`OPEN`), or an object with keys for
//! value, unit and time. Not an object of many metrics. Invariant: `NaN`, `inf` and `1e400` are no readings.

use std::borrow::Cow;

use crate::build::{self, Message, Origin, short};
use crate::json::{self, Document, Fields, Scalar};
use crate::{Decoded, UnknownReason};

pub(crate) fn decode(message: &Message<'_>, payload: &[u8]) -> Decoded {
    let (value, fields) = match read(message, payload) {
        Ok(read) => read,
        Err(reason) => return build::unknown(reason),
    };
    let (asset, via) = message.device();
    let (time, time_source) = message.time(&fields);
    let origin = Origin { asset, via, time, time_source };
    let unit = message.profile.unit_keys.iter().find_map(|wanted| {
        match fields.iter().find(|(key, _)| key == wanted) {
            Some((_, Scalar::Text(unit))) => Some(unit.as_ref()),
            _ => None,
        }
    });
    let key =
        message.profile.metric.as_ref().map(|template| template.fill(message.parts)).unwrap_or_default();
    match message.reading(&origin, &key, &value, unit) {
        // Exactly one of each: this is the most frequent message of a site.
        Ok(Some(reading)) => {
            let sightings = vec![message.sighting(&origin, Vec::new())];
            Decoded { readings: vec![reading], sightings, unknown: None }
        }
        Ok(None) => build::unknown(UnknownReason::NoValue),
        Err(reason) => build::unknown(reason),
    }
}

/// The value, and the other fields when it stands in an object.
fn read<'p>(message: &Message<'_>, payload: &'p [u8]) -> Result<(Scalar<'p>, Fields<'p>), UnknownReason> {
    let payload = payload.trim_ascii();
    if payload.is_empty() {
        return Err(UnknownReason::Empty);
    }
    if let Some(value) = plain(payload)? {
        return Ok((value, Vec::new()));
    }
    match json::read(payload, &message.profile.nested)? {
        Document::Scalar(value) => Ok((value, Vec::new())),
        Document::Object(mut fields) => {
            let at = message
                .profile
                .value_keys
                .iter()
                .find_map(|wanted| fields.iter().position(|(key, _)| key == wanted))
                .ok_or(UnknownReason::NoValue)?;
            let (_, value) = fields.swap_remove(at);
            Ok((value, fields))
        }
    }
}

/// A payload that is no JSON document: a number or a bare word.
fn plain(payload: &[u8]) -> Result<Option<Scalar<'_>>, UnknownReason> {
    let Some(first) = payload.first() else { return Ok(None) };
    if matches!(first, b'{' | b'[' | b'"') {
        return Ok(None);
    }
    let Ok(text) = std::str::from_utf8(payload) else {
        return Err(UnknownReason::NotJson("neither JSON nor UTF-8 text".to_owned()));
    };
    if let Ok(number) = text.parse::<f64>() {
        // The parser also takes `NaN`, `inf` and `1e400`.
        return if number.is_finite() {
            Ok(Some(Scalar::Number(number)))
        } else {
            Err(UnknownReason::NotFinite)
        };
    }
    Ok(match text {
        "true" => Some(Scalar::Bool(true)),
        "false" => Some(Scalar::Bool(false)),
        "null" => None,
        _ if short(text) => Some(Scalar::Text(Cow::Borrowed(text))),
        _ => return Err(UnknownReason::NotJson("a text too long or unprintable to be a value".to_owned())),
    })
}
