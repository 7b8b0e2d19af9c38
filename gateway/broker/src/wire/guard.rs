//! The guard in front of the codec library: what that library lets through and must not.
//!
//! Checks a whole body without keeping anything: lengths, flags, empty bodies, trailing bytes, U+0000,
//! topic and filter syntax, zero values, caps. Not the values themselves: the library reads those after it.
//! Invariant: a body that passes ends exactly where its fields end, so "need more" can no longer happen.

use super::limits::Limits;
use super::packet::{QoS, Version};
use super::properties::{Allowed, Properties, Seen, id};
use super::reader::Reader;
use super::reason::{Malformed, Reason};
use super::topic::{SHARE_PREFIX, check_filter, check_topic};

const CONNECT: Allowed = Allowed::of(&[
    id::SESSION_EXPIRY,
    id::RECEIVE_MAXIMUM,
    id::MAXIMUM_PACKET_SIZE,
    id::TOPIC_ALIAS_MAXIMUM,
    id::REQUEST_RESPONSE_INFORMATION,
    id::REQUEST_PROBLEM_INFORMATION,
    id::AUTHENTICATION_METHOD,
    id::AUTHENTICATION_DATA,
]);
const WILL: Allowed = Allowed::of(&[
    id::WILL_DELAY,
    id::PAYLOAD_FORMAT,
    id::MESSAGE_EXPIRY,
    id::CONTENT_TYPE,
    id::RESPONSE_TOPIC,
    id::CORRELATION_DATA,
]);
const ACK: Allowed = Allowed::of(&[id::REASON_STRING]);
const SUBSCRIBE: Allowed = Allowed::of(&[id::SUBSCRIPTION_ID]);
const UNSUBSCRIBE: Allowed = Allowed::of(&[]);
const DISCONNECT: Allowed = Allowed::of(&[id::SESSION_EXPIRY, id::REASON_STRING, id::SERVER_REFERENCE]);
const AUTH: Allowed = Allowed::of(&[id::AUTHENTICATION_METHOD, id::AUTHENTICATION_DATA, id::REASON_STRING]);

/// The flags byte of CONNECT (MQTT 5 §3.1.2.3).
#[derive(Clone, Copy)]
struct ConnectFlags(u8);

impl ConnectFlags {
    const fn will(self) -> bool {
        self.0 & 0x04 != 0
    }
    const fn password(self) -> bool {
        self.0 & 0x40 != 0
    }
    const fn username(self) -> bool {
        self.0 & 0x80 != 0
    }

    fn check(self, version: Version) -> Result<(), Malformed> {
        let fault = if self.0 & 0x01 != 0 {
            "CONNECT with the reserved flag"
        } else if !self.will() && self.0 & 0x38 != 0 {
            "CONNECT with will QoS or retain but no will"
        } else if QoS::from_bits((self.0 >> 3) & 0b11).is_none() {
            "CONNECT with will QoS 3"
        } else if version == Version::V3 && self.password() && !self.username() {
            "CONNECT with a password but no user name"
        } else {
            return Ok(());
        };
        Err(Reason::Bytes(fault).into())
    }
}

/// Checks CONNECT and says of which version it is.
pub(super) fn connect(body: &[u8], limits: &Limits) -> Result<Version, Malformed> {
    let mut reader = Reader::new(body);
    let version = protocol(&mut reader)?;
    let flags = ConnectFlags(reader.u8()?);
    flags.check(version)?;
    reader.u16()?;
    if version == Version::V5 {
        let seen = properties(&mut reader, CONNECT, limits)?;
        if seen.has(id::AUTHENTICATION_DATA) && !seen.has(id::AUTHENTICATION_METHOD) {
            return Err(Reason::Protocol("authentication data without a method").into());
        }
    }
    reader.text()?;
    if flags.will() {
        if version == Version::V5 {
            properties(&mut reader, WILL, limits)?;
        }
        check_topic(reader.text()?, limits.topic_levels)
            .map_err(|fault| Malformed { reason: Reason::Topic(fault) })?;
        reader.bytes()?;
    }
    if flags.username() {
        reader.text()?;
    }
    if flags.password() {
        reader.bytes()?;
    }
    ended(reader)?;
    Ok(version)
}

fn protocol(reader: &mut Reader<'_>) -> Result<Version, Malformed> {
    let name = reader.bytes()?;
    let level = reader.u8()?;
    match (name, level) {
        (b"MQTT", 4) => Ok(Version::V3),
        (b"MQTT", 5) => Ok(Version::V5),
        (b"MQTT" | b"MQIsdp", _) => Err(Reason::UnsupportedVersion { level }.into()),
        _ => Err(Reason::Bytes("protocol name is not MQTT").into()),
    }
}

/// Checks PUBACK, PUBREC, PUBREL and PUBCOMP.
pub(super) fn ack(body: &[u8], version: Version, limits: &Limits) -> Result<(), Malformed> {
    let mut reader = Reader::new(body);
    reader.packet_id()?;
    if version == Version::V5 && !reader.is_empty() {
        reader.u8()?;
        if !reader.is_empty() {
            properties(&mut reader, ACK, limits)?;
        }
    }
    ended(reader)
}

/// Checks SUBSCRIBE.
pub(super) fn subscribe(body: &[u8], version: Version, limits: &Limits) -> Result<(), Malformed> {
    filters(body, version, limits, SUBSCRIBE, |filter, reader| {
        let options = reader.u8()?;
        let fault = match version {
            Version::V3 if options & 0xFC != 0 => "SUBSCRIBE with reserved option bits",
            _ if options & 0xC0 != 0 => "SUBSCRIBE with reserved option bits",
            _ if options & 0x03 == 0x03 => "SUBSCRIBE with QoS 3",
            _ if options & 0x30 == 0x30 => "SUBSCRIBE with retain handling 3",
            _ if options & 0x04 != 0 && filter.starts_with(SHARE_PREFIX) => {
                return Err(Reason::Protocol("no local on a shared subscription").into());
            }
            _ => return Ok(()),
        };
        Err(Reason::Bytes(fault).into())
    })
}

/// Checks UNSUBSCRIBE.
pub(super) fn unsubscribe(body: &[u8], version: Version, limits: &Limits) -> Result<(), Malformed> {
    filters(body, version, limits, UNSUBSCRIBE, |_, _| Ok(()))
}

fn filters<'a>(
    body: &'a [u8],
    version: Version,
    limits: &Limits,
    allowed: Allowed,
    after_each: impl Fn(&str, &mut Reader<'a>) -> Result<(), Malformed>,
) -> Result<(), Malformed> {
    let mut reader = Reader::new(body);
    reader.packet_id()?;
    if version == Version::V5 {
        properties(&mut reader, allowed, limits)?;
    }
    if reader.is_empty() {
        return Err(Reason::Protocol("no topic filter").into());
    }
    let mut count = 0_usize;
    while !reader.is_empty() {
        count += 1;
        if count > limits.filters {
            return Err(Reason::TooManyFilters.into());
        }
        let filter = reader.text()?;
        check_filter(filter, limits.topic_levels)
            .map_err(|fault| Malformed { reason: Reason::Filter(fault) })?;
        after_each(filter, &mut reader)?;
    }
    Ok(())
}

/// Checks DISCONNECT.
pub(super) fn disconnect(body: &[u8], version: Version, limits: &Limits) -> Result<(), Malformed> {
    let mut reader = Reader::new(body);
    if version == Version::V5 && !reader.is_empty() {
        reader.u8()?;
        if !reader.is_empty() && properties(&mut reader, DISCONNECT, limits)?.has(id::SERVER_REFERENCE) {
            return Err(Reason::ServerOnly.into());
        }
    }
    ended(reader)
}

/// Checks AUTH (MQTT 5 §3.15).
pub(super) fn auth(body: &[u8], limits: &Limits) -> Result<(), Malformed> {
    if body.is_empty() {
        return Ok(());
    }
    let mut reader = Reader::new(body);
    reader.u8()?;
    if !properties(&mut reader, AUTH, limits)?.has(id::AUTHENTICATION_METHOD) {
        return Err(Reason::Protocol("AUTH without an authentication method").into());
    }
    ended(reader)
}

fn properties(reader: &mut Reader<'_>, allowed: Allowed, limits: &Limits) -> Result<Seen, Malformed> {
    Properties::take(reader, allowed, limits)?.check_all()
}

/// The body must end here.
pub(super) fn ended(reader: Reader<'_>) -> Result<(), Malformed> {
    if reader.is_empty() { Ok(()) } else { Err(Reason::Bytes("bytes after the last field").into()) }
}
