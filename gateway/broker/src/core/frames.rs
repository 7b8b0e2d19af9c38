//! One message on its way to many: its PUBLISH headers, encoded once for each version and kind of QoS.
//!
//! Not the choice of subscribers. Invariants: a packet larger than the client takes is not appended at all;
//! a large payload is shared, never copied.

use std::time::Duration;

use bytes::Bytes;
use sitewarden_core::time::Timestamp;

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

    fn encode(&self, version: Version, with_id: bool, ids: &[u32]) -> Option<PublishHeader> {
        let content = PublishContent {
            topic: self.topic,
            payload_length: self.payload.len(),
            properties: self.properties,
            message_expiry: self.life,
            subscription_ids: ids,
            topic_alias: None,
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
        if let Some(ids) = ids.filter(|_| version == Version::V5) {
            let Some(header) = self.encode(version, id.is_some(), ids) else { return false };
            return put(conn, flow, &header, self.payload, flags, id);
        }
        let place = usize::from(version == Version::V5) * 2 + usize::from(id.is_some());
        if self.headers.get(place).is_some_and(Option::is_none) {
            let header = self.encode(version, id.is_some(), &[]);
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
