//! Entries of a profile that could never have an effect: each is a mistake, told where it stands.
//!
//! Not what the entries mean. Invariant: what passes can have an effect on some message.

use std::ops::Range;

use super::{Located, Others, Payload, RawTopic};
use crate::path::Path;
use crate::pattern::Fault;

pub(super) fn check(raw: &RawTopic) -> Result<(), Located> {
    let Some((span, message, hint)) = without_effect(raw) else { return Ok(()) };
    Err((span, Fault { message, hint: hint.to_owned() }))
}

type Found = (Range<usize>, String, &'static str);

fn without_effect(raw: &RawTopic) -> Option<Found> {
    match raw.payload {
        Payload::Value => of_value(raw),
        Payload::Object => value_only(raw).or_else(|| of_object(raw)),
        Payload::Rtl433 => value_only(raw).or_else(|| of_rtl_433(raw)),
    }
}

/// What says something about payloads of one value alone.
fn value_only(raw: &RawTopic) -> Option<Found> {
    let keys = [("value-keys", raw.value_keys.as_ref()), ("unit-keys", raw.unit_keys.as_ref())];
    let given = keys.into_iter().find_map(|(name, keys)| Some((keys?.span(), name)));
    let (span, name) = given.or_else(|| Some((raw.metric.as_ref()?.span(), "metric")))?;
    Some((span, format!("`{name}` has no effect: it is for payload = \"value\""), "leave it out"))
}

fn of_value(raw: &RawTopic) -> Option<Found> {
    let only = "leave it out; it is for payload = \"object\"";
    if let Some(others) = &raw.others {
        return Some((others.span(), "`others` has no effect on a payload of one value".to_owned(), only));
    }
    if let Some(first) = raw.ignore.first() {
        return Some((first.span(), "`ignore` has no effect on a payload of one value".to_owned(), only));
    }
    let constant = raw.metric.as_ref().filter(|metric| !metric.get_ref().contains('{'))?;
    let other = raw.metrics.keys().find(|key| key.get_ref() != constant.get_ref())?;
    let message = format!(
        "`{}` has no effect: the metric of this topic is `{}`",
        other.get_ref().escape_debug(),
        constant.get_ref().escape_debug()
    );
    Some((other.span(), message, "the metric's own name; a value inside of another is named by value-keys"))
}

fn of_object(raw: &RawTopic) -> Option<Found> {
    let ignores_all = raw.others.as_ref().is_some_and(|others| *others.get_ref() == Others::Ignore);
    for key in &raw.ignore {
        let text = key.get_ref().escape_debug();
        if ignores_all {
            let message = format!("`{text}` has no effect: others = \"ignore\" leaves all that is not named");
            return Some((key.span(), message, "leave it out"));
        }
        if Path::parse(key.get_ref()).is_ok_and(|path| path.is_nested()) {
            let message = format!(
                "`{text}` has no effect: a nested value is taken only where [topic.metrics] names it"
            );
            return Some((key.span(), message, "leave it out; a key with a dot in it is written \"/a.b\""));
        }
        if raw.metrics.keys().any(|metric| metric.get_ref() == key.get_ref()) {
            let message = format!("`{text}` has no effect: [topic.metrics] names it");
            return Some((key.span(), message, "one of the two"));
        }
    }
    None
}

fn of_rtl_433(raw: &RawTopic) -> Option<Found> {
    let own = "leave it out; the keys of rtl_433 have their names and units already";
    let place = match (raw.metrics.keys().next(), raw.ignore.first(), &raw.others) {
        (Some(key), _, _) | (_, Some(key), _) => (key.span(), key.get_ref().escape_debug().to_string()),
        (_, _, Some(others)) => (others.span(), "others".to_owned()),
        _ => return None,
    };
    Some((place.0, format!("`{}` has no effect on payloads of rtl_433", place.1), own))
}
