//! One message on its way to many: its PUBLISH headers, encoded once for each version and kind of QoS.
//!
//! Not the choice of subscribers. Invariants: a packet larger than the client takes is not appended at all;
//! a large payload is shared, never copied.

use std::time::Duration;

use bytes::Bytes;
use sitewarden_core::time::Timestamp;

use super::aliases::Alias;
use super::conn::Conn;
use super::outbox::Outflow;
use super::publish::Outgoing;
use crate::limits::SHARED_PAYLOAD_BYTES;
use crate::state::Message;
use crate::wire::{MessageProperties, PacketId, PublishContent, PublishFlags, PublishHeader, Version};

/// What is sent, and the headers that were encoded for it so far.
pub(super) struct Frames<'a> {
    topic: &'a str,
    payload: &'a Bytes,
    properties: Option<&'a MessageProperties>,
    /// Seconds of life that are left.
    life: Option<u32>,
    headers: [Option<PublishHeader>; 4],
}

impl<'a> Frames<'a> {
    pub(super) fn of_message(message: &'a Message, now: Timestamp) -> Self {
        Self {
            topic: &message.topic,
            payload: &message.payload,
            properties: message.properties.as_deref(),
            life: message.expires.map(|end| seconds_left(end.since(now))),
            headers: [const { None }; 4],
        }
    }

    pub(super) fn of_outgoing(outgoing: &'a Outgoing) -> Self {
        let properties = outgoing.properties.as_deref();
        Self {
            topic: &outgoing.topic,
            payload: &outgoing.payload,
            properties,
            life: properties.and_then(|properties| properties.message_expiry),
            headers: [const { None }; 4],
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
        let place = usize::from(version == Version::V5) * 2 + usize::from(id.is_some());
        if self.headers.get(place).is_some_and(Option::is_none) {
            let header = self.encode(version, id.is_some(), &[], Alias::None);
            if let Some(slot) = self.headers.get_mut(place) {
                *slot = header;
            }
        }
        match self.headers.get(place) {
            Some(Some(header)) => put(conn, flow, header, self.payload, flags, id),
            _ => false,
        }
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
        if header.as_ref().is_some_and(|header| header.packet_length() > conn.packet_bytes) {
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
    if header.packet_length() > conn.packet_bytes {
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
