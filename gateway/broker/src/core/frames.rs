//! One message on its way to many: its PUBLISH headers, encoded once for each version and kind of QoS.
//!
//! Not the choice of subscribers. Invariants: a packet larger than the client takes is not appended at all;
//! a large payload is shared, never copied.

use std::ops::Range;
use std::time::Duration;

use bytes::Bytes;
use sitewarden_core::time::Timestamp;

use super::aliases::Alias;
use super::conn::Conn;
use super::outbox::{LOGS, Outflow};
use super::publish::Outgoing;
use crate::limits::SHARED_PAYLOAD_BYTES;
use crate::state::Message;
use crate::wire::{MessageProperties, PacketId, PublishContent, PublishFlags, PublishHeader, QoS, Version};

/// What is sent, and the headers that were encoded for it so far.
pub(super) struct Frames<'a> {
    topic: &'a str,
    payload: &'a Bytes,
    properties: Option<&'a MessageProperties>,
    /// Seconds of life that are left.
    life: Option<u32>,
    headers: [Option<PublishHeader>; 4],
    /// Whether it goes to many: then small packets of QoS 0 are encoded once for all.
    many: bool,
    /// Where the packet of QoS 0 stands in the log of each version, and its retain flag.
    logged: [Option<(bool, Range<usize>)>; LOGS],
}

impl<'a> Frames<'a> {
    pub(super) fn of_message(message: &'a Message, now: Timestamp) -> Self {
        Self {
            topic: &message.topic,
            payload: &message.payload,
            properties: message.properties.as_deref(),
            life: message.expires.map(|end| seconds_left(end.since(now))),
            headers: [const { None }; 4],
            many: false,
            logged: [const { None }; LOGS],
        }
    }

    /// With `many` the packets of QoS 0 are to be appended before anything else is done with these outboxes.
    pub(super) fn of_outgoing(outgoing: &'a Outgoing, many: bool) -> Self {
        let properties = outgoing.properties.as_deref();
        Self {
            topic: &outgoing.topic,
            payload: &outgoing.payload,
            properties,
            life: properties.and_then(|properties| properties.message_expiry),
            headers: [const { None }; 4],
            many: many && outgoing.payload.len() < SHARED_PAYLOAD_BYTES,
            logged: [const { None }; LOGS],
        }
    }

    fn encode(&self, version: Version, with_id: bool, ids: &[u32], alias: Alias) -> Option<PublishHeader> {
        let (topic, topic_alias) = match alias {
            Alias::None => (self.topic, None),
            Alias::New(alias) => (self.topic, Some(alias)),
            Alias::Known(alias) => ("", Some(alias)),
        };
        let content = PublishContent {
            topic,
            payload_length: self.payload.len(),
            properties: self.properties,
            message_expiry: self.life,
            subscription_ids: ids,
            topic_alias,
        };
        PublishHeader::new(&content, version, with_id)
    }

    /// Appends the PUBLISH. False when it is larger than the client takes.
    #[inline]
    pub(super) fn append(
        &mut self,
        conn: &mut Conn,
        flow: &mut Outflow,
        flags: PublishFlags,
        id: Option<PacketId>,
        ids: Option<&[u32]>,
    ) -> bool {
        let version = conn.version.unwrap_or(Version::V3);
        if version == Version::V5 && (ids.is_some() || conn.aliases_out.is_some()) {
            return self.append_own(conn, flow, flags, id, ids.unwrap_or_default());
        }
        let payload = self.payload;
        self.header(version, id.is_some()).is_some_and(|header| put(conn, flow, header, payload, flags, id))
    }

    /// Appends the PUBLISH with QoS 0.
    #[inline]
    pub(super) fn append_at_once(
        &mut self,
        conn: &mut Conn,
        flow: &mut Outflow,
        retain: bool,
        ids: Option<&[u32]>,
    ) -> bool {
        let flags = PublishFlags { dup: false, retain, qos: QoS::AtMostOnce };
        let version = conn.version.unwrap_or(Version::V3);
        if !self.many || version == Version::V5 && (ids.is_some() || conn.aliases_out.is_some()) {
            return self.append(conn, flow, flags, None, ids);
        }
        let log = usize::from(version == Version::V5);
        let known =
            self.logged.get(log).and_then(Option::as_ref).filter(|(as_retained, _)| *as_retained == retain);
        let bytes = match known {
            Some((_, bytes)) => bytes.clone(),
            None => {
                let payload = self.payload;
                let Some(header) = self.header(version, false) else { return false };
                let bytes = flow.log(log, |log| header.append(log, flags, None, payload));
                if let Some(logged) = self.logged.get_mut(log) {
                    *logged = Some((retain, bytes.clone()));
                }
                bytes
            }
        };
        let taken = conn.takes(bytes.len());
        if taken {
            conn.out.append_log(flow, log, bytes);
        }
        taken
    }

    /// The header that all subscribers of that version and kind of QoS share.
    #[inline]
    fn header(&mut self, version: Version, with_id: bool) -> Option<&PublishHeader> {
        let place = usize::from(version == Version::V5) * 2 + usize::from(with_id);
        if self.headers.get(place).is_some_and(Option::is_none) {
            let header = self.encode(version, with_id, &[], Alias::None);
            if let Some(slot) = self.headers.get_mut(place) {
                *slot = header;
            }
        }
        self.headers.get(place)?.as_ref()
    }
}

impl Frames<'_> {
    /// A header that no other subscriber shares: with its subscription identifiers or aliases.
    fn append_own(
        &self,
        conn: &mut Conn,
        flow: &mut Outflow,
        flags: PublishFlags,
        id: Option<PacketId>,
        ids: &[u32],
    ) -> bool {
        let alias = conn.aliases_out.as_deref().map_or(Alias::None, |aliases| aliases.of(self.topic));
        let mut header = self.encode(Version::V5, id.is_some(), ids, alias);
        let mut alias = alias;
        if header.as_ref().is_some_and(|header| !conn.takes(header.packet_length())) {
            // A new alias is three bytes more, which may be those that are too many.
            alias = Alias::None;
            header = self.encode(Version::V5, id.is_some(), ids, alias);
        }
        let appended = header.is_some_and(|header| put(conn, flow, &header, self.payload, flags, id));
        if appended && let Some(aliases) = conn.aliases_out.as_deref_mut() {
            aliases.sent(self.topic, alias);
        }
        appended
    }
}

#[inline]
fn put(
    conn: &mut Conn,
    flow: &mut Outflow,
    header: &PublishHeader,
    payload: &Bytes,
    flags: PublishFlags,
    id: Option<PacketId>,
) -> bool {
    if !conn.takes(header.packet_length()) {
        return false;
    }
    if payload.len() >= SHARED_PAYLOAD_BYTES {
        conn.out.append(flow, |out| header.append_header(out, flags, id));
        conn.out.share(flow, payload.clone());
    } else {
        conn.out.append(flow, |out| header.append(out, flags, id, payload));
    }
    true
}

fn seconds_left(duration: Duration) -> u32 {
    // Rounded up: a message that is alive has at least one second.
    u32::try_from(duration.as_millis().div_ceil(1_000)).unwrap_or(u32::MAX)
}
