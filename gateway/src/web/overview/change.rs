//! What changed, as sentences out of site-log records.
//!
//! Only what a person at the overview cares for; everything else is in the audit log.

use serde::Serialize;
use serde_json::Value;
use sitewarden_core::Timestamp;
use sitewarden_store::site_log::Record;
use utoipa::ToSchema;

/// One change.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ChangeView {
    /// When.
    #[schema(value_type = String, format = DateTime)]
    time: Timestamp,
    /// What happened, in a sentence.
    sentence: String,
    /// Page that shows it.
    link: Option<String>,
}

impl ChangeView {
    /// The sentence of a record; `None` for kinds that are not shown here.
    pub(super) fn of(record: &Record, name_of: &dyn Fn(&str) -> Option<String>) -> Option<Self> {
        let text = |key: &str| record.body.get(key).and_then(Value::as_str).unwrap_or_default();
        let id = match record.body.get("id") {
            Some(Value::String(id)) => id.clone(),
            Some(other) => other.to_string(),
            None => String::new(),
        };
        let name = name_of(&id).unwrap_or_else(|| id.clone());
        let actor = person(text("actor"));
        let title = text("title");
        let sentence = match record.kind.as_str() {
            "finding.raised" => format!("{title} was raised"),
            "finding.reopened" => format!("{title} is open again"),
            "finding.cleared" => format!("{title} has ended"),
            "finding.acknowledged" => format!("{actor} acknowledged {title}"),
            "finding.closed" => format!("{actor} closed {title}"),
            "device.seen" => format!("{name} was seen for the first time"),
            "device.enrolled" => format!("{actor} enrolled {name}"),
            "device.approved" => format!("{actor} approved {name}"),
            "device.quarantined" => format!("{actor} quarantined {name}"),
            "device.released" => format!("{actor} released {name}"),
            "agent.enrolled" => format!("{name} was enrolled with its one-time code"),
            "agent.revoked" => format!("{actor} revoked {name}"),
            "agent.parameters" => format!("{actor} gave {name} other parameters"),
            "policy.reloaded" => "New policies are in force".to_owned(),
            "rules.reloaded" => "Rules were loaded again".to_owned(),
            _ => return None,
        };
        let link = match record.kind.split_once('.') {
            Some(("finding", _)) => Some(format!("/findings/{id}")),
            Some(("device" | "agent", _)) => Some(format!("/devices/{}", encode(&id))),
            _ => None,
        };
        Some(Self { time: record.time, sentence, link })
    }
}

/// `person:elin` as people say it.
fn person(actor: &str) -> String {
    match actor.split_once(':') {
        Some(("person", name)) => name.to_owned(),
        Some(("api-key", name)) => format!("API key {name}"),
        Some(("system", _)) => "The box".to_owned(),
        _ if actor == "console" => "The console".to_owned(),
        _ => actor.to_owned(),
    }
}

/// Percent-encodes what may not stand in a path segment.
fn encode(segment: &str) -> String {
    segment
        .bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                char::from(byte).to_string()
            }
            other => format!("%{other:02X}"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_record_becomes_a_sentence_with_a_link() {
        let record = Record {
            seq: 1,
            time: Timestamp::from_seconds(1),
            kind: "device.quarantined".to_owned(),
            body: json!({"actor": "person:Elin", "id": "gate/camera"}),
            leaf_hash: [0; 32],
        };
        let change = ChangeView::of(&record, &|_| Some("Gate camera".to_owned())).expect("shown");
        assert_eq!(change.sentence, "Elin quarantined Gate camera");
        assert_eq!(change.link.as_deref(), Some("/devices/gate%2Fcamera"));
    }
}
