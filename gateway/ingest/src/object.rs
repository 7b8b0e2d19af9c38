//! Dialect `object`: a JSON object whose keys are metrics.
//!
//! Numbers, flags and short texts become readings, nested ones where the profile names them; nulls do not. It renames,
//! converts, or ignores keys. Invariant: the keys of time and unit are never metrics.

use crate::build::{self, Message, Origin, collect};
use crate::json::{self, Document};
use crate::{Decoded, UnknownReason};

pub(crate) fn decode(message: &Message<'_>, payload: &[u8]) -> Decoded {
    let fields = match json::read(payload, &message.profile.nested) {
        Ok(Document::Object(fields)) => fields,
        Ok(Document::Scalar(_)) => return build::unknown(UnknownReason::NotAnObject),
        Err(reason) => return build::unknown(reason),
    };
    let profile = message.profile;
    let (asset, via) = message.device();
    let (time, time_source) = message.time(&fields);
    let origin = Origin { asset, via, time, time_source };
    let mut decoded = Decoded::default();
    for (key, value) in &fields {
        let key = key.as_ref();
        let wanted = profile.metrics.contains_key(key)
            || profile.keep_others
                && ![&profile.ignore, &profile.time_keys].iter().any(|keys| has(keys, key));
        if wanted {
            collect(&mut decoded, message.reading(&origin, key, value, None));
        }
    }
    if decoded.readings.is_empty() {
        decoded.unknown.get_or_insert(crate::Unknown { reason: UnknownReason::NoValue });
        return decoded;
    }
    decoded.sightings.push(message.sighting(&origin, Vec::new()));
    decoded
}

fn has(keys: &[String], key: &str) -> bool {
    keys.iter().any(|known| known == key)
}
