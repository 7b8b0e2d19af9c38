//! Notices of the broker as events for the rules.
//!
//! Product `sitewarden`, service `broker`; field `action` says what happened. Not the site log: what is
//! refused is counted there by the policy slice.

use std::sync::Arc;

use sitewarden_broker::{CloseReason, Notice, Origin};
use sitewarden_core::{Event, LogSource, Principal, Timestamp, Value};

use super::events::client_asset;

/// The event of a notice.
pub(crate) fn event(notice: &Notice) -> Event {
    match notice {
        Notice::Connected { origin, listener, version, time } => {
            let protocol = if *version == 5 { "5.0" } else { "3.1.1" };
            Draft::new("connected", *time)
                .origin(origin)
                .text("listener", listener)
                .text("protocol", protocol)
        }
        Notice::Refused { client_id, username, address, listener, code, text, time } => {
            Draft::new("refused", *time)
                .text("client_id", client_id)
                .text("username", username.as_deref().unwrap_or_default())
                .text("address", &address.to_string())
                .text("listener", listener)
                .number("reason_code", i64::from(code.0))
                .text("reason", text)
        }
        Notice::Disconnected { origin, reason, time } => {
            let (reason, code) = match reason {
                CloseReason::Disconnect(code) => ("client", i64::from(code.0)),
                CloseReason::Lost => ("lost", 0),
                CloseReason::Server(code) => ("box", i64::from(code.0)),
            };
            Draft::new("disconnected", *time)
                .origin(origin)
                .text("reason", reason)
                .number("reason_code", code)
        }
        Notice::PublishDenied { origin, topic, will, count, time } => Draft::new("publish-denied", *time)
            .origin(origin)
            .text("topic", topic)
            .flag("will", *will)
            .number("count", i64::from(*count)),
        Notice::SubscribeDenied { origin, filter, time } => {
            Draft::new("subscribe-denied", *time).origin(origin).text("topic", filter)
        }
        Notice::Malformed { origin, address, listener, code, text, time } => Draft::new("malformed", *time)
            .maybe(origin.as_ref())
            .text("address", &address.to_string())
            .text("listener", listener)
            .number("reason_code", i64::from(code.0))
            .text("reason", text),
        Notice::LimitHit { origin, address, limit, time } => Draft::new("limit-hit", *time)
            .maybe(origin.as_ref())
            .text("address", &address.map(|address| address.to_string()).unwrap_or_default())
            .text("limit", limit.name()),
    }
    .0
}

struct Draft(Event);

impl Draft {
    fn new(action: &str, time: Timestamp) -> Self {
        let event = Event {
            source: LogSource::own("broker"),
            asset: None,
            time,
            received: time,
            fields: Vec::with_capacity(8),
        };
        Self(event).text("action", action)
    }

    fn put(mut self, name: &str, value: Value) -> Self {
        // The first value of a name counts: who it was stands before what it said.
        if !self.0.fields.iter().any(|(known, _)| **known == *name) {
            self.0.fields.push((Arc::from(name), value));
        }
        self
    }

    fn text(self, name: &str, value: &str) -> Self {
        self.put(name, Value::from(value))
    }

    fn number(self, name: &str, value: i64) -> Self {
        self.put(name, Value::Int(value))
    }

    fn flag(self, name: &str, value: bool) -> Self {
        self.put(name, Value::Bool(value))
    }

    fn maybe(self, origin: Option<&Arc<Origin>>) -> Self {
        match origin {
            Some(origin) => self.origin(origin),
            None => self,
        }
    }

    fn origin(mut self, origin: &Origin) -> Self {
        self.0.asset = Some(client_asset(&origin.client_id));
        let draft = self.text("client_id", &origin.client_id).text("principal", &origin.principal.label());
        let draft = match &origin.principal {
            Principal::Device { trust, .. } => draft.text("trust", trust.as_str()),
            _ => draft,
        };
        match origin.address {
            Some(address) => draft.text("address", &address.to_string()),
            None => draft,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sitewarden_core::Trust;

    #[test]
    fn a_refused_publish_says_who_from_where_and_to_which_topic() {
        let origin = Origin {
            principal: Principal::Device { id: "laptop".into(), trust: Trust::AwaitingApproval },
            client_id: "laptop".into(),
            address: Some([10, 0, 0, 7].into()),
        };
        let notice = Notice::PublishDenied {
            origin: Arc::new(origin),
            topic: "site/cold/x/temperature".into(),
            will: false,
            count: 3,
            time: Timestamp::from_seconds(9),
        };

        let event = event(&notice);

        let field =
            |name: &str| event.fields.iter().find(|(key, _)| &**key == name).map(|(_, value)| value.clone());
        assert_eq!(event.source, LogSource::own("broker"));
        assert_eq!(event.asset.as_ref().map(|asset| asset.as_str()), Some("laptop"));
        assert_eq!(field("action"), Some(Value::from("publish-denied")));
        assert_eq!(field("address"), Some(Value::from("10.0.0.7")));
        assert_eq!(field("trust"), Some(Value::from("awaiting-approval")));
        assert_eq!(field("count"), Some(Value::Int(3)));
    }
}
