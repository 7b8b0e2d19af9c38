//! Notices as log lines.
//!
//! Not the judgement: the pipeline makes events of the same notices. Invariants: no payload, password or
//! user property reaches the log; a client cannot write a line of its own, because what it chose is given as
//! text, which each format of the log escapes in its own way; what is not known is left out.

use tracing::field::display;

use crate::batch::{CloseReason, Notice};

/// Writes one line.
pub(super) fn tell(notice: &Notice) {
    match notice {
        Notice::Connected { origin, listener, version, .. } => {
            tracing::debug!(client = &*origin.client_id, %listener, version, "client connected");
        }
        Notice::Refused { client_id, address, listener, code, text, .. } => {
            tracing::info!(client = &**client_id, %address, %listener, %code, text = &**text, "client refused");
        }
        Notice::Disconnected { origin, reason: CloseReason::Server(code), .. } => {
            tracing::info!(client = &*origin.client_id, %code, "client disconnected by the broker");
        }
        Notice::Disconnected { origin, .. } => {
            tracing::debug!(client = &*origin.client_id, "client disconnected");
        }
        Notice::PublishDenied { origin, topic, will, count, .. } => {
            let (client, topic) = (&*origin.client_id, &**topic);
            tracing::info!(client, topic, will, count, "publish denied by policy");
        }
        Notice::SubscribeDenied { origin, filter, .. } => {
            let (client, filter) = (&*origin.client_id, &**filter);
            tracing::info!(client, filter, "subscription denied by policy");
        }
        Notice::Malformed { origin, address, listener, code, text, .. } => {
            let client = origin.as_deref().map(|origin| &*origin.client_id);
            tracing::info!(client, %address, %listener, %code, text = &**text, "packet breaks the protocol");
        }
        Notice::LimitHit { origin, address, limit, .. } => {
            let client = origin.as_deref().map(|origin| &*origin.client_id);
            let address = address.as_ref().map(display);
            tracing::warn!(client, address, limit = limit.name(), "limit reached");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Result, Write};
    use std::net::{IpAddr, Ipv4Addr};
    use std::sync::{Arc, Mutex};

    use sitewarden_core::gate::Principal;
    use sitewarden_core::time::Timestamp;

    use super::*;
    use crate::batch::Origin;
    use crate::limits::Limit;
    use crate::wire::ReasonCode;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> Result<()> {
            Ok(())
        }
    }

    /// What the notices say, one line each, without the time.
    fn written(json: bool, notices: &[Notice]) -> Vec<String> {
        let lines = Lines::default();
        let writer = lines.clone();
        let builder = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::DEBUG)
            .with_target(false)
            .without_time()
            .with_writer(move || writer.clone());
        if json {
            let subscriber = builder.json().flatten_event(true).with_current_span(false).finish();
            tracing::subscriber::with_default(subscriber, || notices.iter().for_each(tell));
        } else {
            let subscriber = builder.with_ansi(false).finish();
            tracing::subscriber::with_default(subscriber, || notices.iter().for_each(tell));
        }
        let bytes = lines.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap().lines().map(str::to_owned).collect()
    }

    fn notices(client: &str) -> Vec<Notice> {
        let time = Timestamp::from_seconds(0);
        let address = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let client_id: Arc<str> = client.into();
        let principal = Principal::Device { id: client.into(), trust: sitewarden_core::Trust::Trusted };
        let origin = Arc::new(Origin { principal, client_id: client_id.clone(), address: Some(address) });
        let (listener, code): (Arc<str>, _) = ("lan".into(), ReasonCode::NOT_AUTHORIZED);
        vec![
            Notice::Connected { origin: origin.clone(), listener: listener.clone(), version: 5, time },
            Notice::Refused {
                client_id,
                username: None,
                address,
                listener: listener.clone(),
                code,
                text: "no".into(),
                time,
            },
            Notice::Disconnected { origin: origin.clone(), reason: CloseReason::Server(code), time },
            Notice::Disconnected { origin: origin.clone(), reason: CloseReason::Lost, time },
            Notice::PublishDenied { origin: origin.clone(), topic: "a".into(), will: false, count: 2, time },
            Notice::SubscribeDenied { origin: origin.clone(), filter: "a/#".into(), time },
            Notice::Malformed {
                origin: Some(origin.clone()),
                address,
                listener: listener.clone(),
                code,
                text: "no".into(),
                time,
            },
            Notice::Malformed { origin: None, address, listener, code, text: "no".into(), time },
            Notice::LimitHit { origin: Some(origin), address: Some(address), limit: Limit::Notices, time },
            Notice::LimitHit { origin: None, address: None, limit: Limit::Notices, time },
        ]
    }

    #[test]
    fn json_has_values_as_they_are_and_nothing_of_what_is_not_known() {
        let lines = written(true, &notices("laptop"));
        assert_eq!(lines.len(), 10);
        for (at, line) in lines.iter().enumerate() {
            assert_eq!(line.contains(r#""client":"laptop""#), at != 7 && at != 9, "{line}");
            assert!(!["Some", "None", r#"\""#].iter().any(|mark| line.contains(mark)), "{line}");
        }
        assert!(lines[1].contains(r#""text":"no""#) && lines[1].contains(r#""code":"0x87""#), "{}", lines[1]);
        assert!(lines[4].contains(r#""topic":"a","will":false,"count":2"#), "{}", lines[4]);
        assert!(lines[5].contains(r##""filter":"a/#""##), "{}", lines[5]);
        assert!(lines[8].contains(r#""address":"127.0.0.1""#), "{}", lines[8]);
        let bare =
            format!(r#"{{"level":"WARN","message":"limit reached","limit":"{}"}}"#, Limit::Notices.name());
        assert_eq!(lines[9], bare);
    }

    #[test]
    fn a_client_cannot_write_a_line_of_its_own() {
        let name = "x\n WARN limit reached\u{1b}[2J\"";
        for json in [true, false] {
            let lines = written(json, &notices(name));
            assert_eq!(lines.len(), 10, "{lines:?}");
            assert!(lines[0].contains(r"x\n WARN"), "{}", lines[0]);
            assert!(!lines.iter().any(|line| line.contains('\u{1b}')), "{lines:?}");
        }
        let lines = written(false, &notices("laptop"));
        assert!(lines[8].contains("client=\"laptop\" address=127.0.0.1 limit="), "{}", lines[8]);
        assert!(!lines.iter().any(|line| line.contains("Some") || line.contains("None")), "{lines:?}");
    }
}
