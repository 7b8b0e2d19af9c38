//! One packet of a client, from its first byte and body to a [`Packet`].
//!
//! Guard first, then the codec library; PUBLISH and short acknowledgements by hand, because they are the
//! hot path. Not framing and not session rules. Invariant: the answer depends on the arguments alone.

use super::limits::Limits;
use super::packet::{Ack, Packet, Version};
use super::publish_in::decode_publish;
use super::reader::Reader;
use super::reason::{Malformed, Reason, ReasonCode};
use super::{body, guard};

/// Decodes the packet that [`super::next_frame`] found. `version` is `None` until a CONNECT was taken;
/// a CONNECT is decoded by the version that it names itself, also a second one, which the core refuses.
///
/// # Errors
/// [`Malformed`] when the packet breaks the format or a rule that can be judged from this packet alone,
/// or when it is the first and not CONNECT.
#[inline]
pub fn decode<'a>(
    first_byte: u8,
    packet: &'a [u8],
    version: Option<Version>,
    limits: &Limits,
) -> Result<Packet<'a>, Malformed> {
    let kind = first_byte >> 4;
    if kind == 1 {
        let version = guard::connect(packet, limits)?;
        return body::connect(packet, version).map(|connect| Packet::Connect(Box::new(connect)));
    }
    let Some(version) = version else {
        return Err(Reason::Protocol("the first packet is not CONNECT").into());
    };
    match kind {
        3 => decode_publish(first_byte, packet, version, limits).map(Packet::Publish),
        4 => decode_ack(first_byte, packet, version, limits).map(Packet::Puback),
        5 => decode_ack(first_byte, packet, version, limits).map(Packet::Pubrec),
        6 => decode_ack(first_byte, packet, version, limits).map(Packet::Pubrel),
        7 => decode_ack(first_byte, packet, version, limits).map(Packet::Pubcomp),
        _ => decode_rest(first_byte, packet, version, limits),
    }
}

fn decode_rest<'a>(
    first_byte: u8,
    packet: &'a [u8],
    version: Version,
    limits: &Limits,
) -> Result<Packet<'a>, Malformed> {
    match first_byte >> 4 {
        8 => {
            guard::subscribe(packet, version, limits)?;
            body::subscribe(first_byte, packet, version).map(Packet::Subscribe)
        }
        10 => {
            guard::unsubscribe(packet, version, limits)?;
            body::unsubscribe(first_byte, packet, version).map(Packet::Unsubscribe)
        }
        12 => guard::ended(Reader::new(packet)).map(|()| Packet::Pingreq),
        14 => {
            guard::disconnect(packet, version, limits)?;
            body::disconnect(first_byte, packet, version).map(Packet::Disconnect)
        }
        15 if version == Version::V5 => {
            guard::auth(packet, limits)?;
            body::auth(first_byte, packet).map(|auth| Packet::Auth(Box::new(auth)))
        }
        15 => Err(Reason::Bytes("packet type 15 in 3.1.1").into()),
        _ => Err(Reason::ServerOnly.into()),
    }
}

fn decode_ack(first_byte: u8, packet: &[u8], version: Version, limits: &Limits) -> Result<Ack, Malformed> {
    if packet.len() == 2 {
        return Ok(Ack::new(Reader::new(packet).packet_id()?, ReasonCode::SUCCESS));
    }
    guard::ack(packet, version, limits)?;
    body::ack(first_byte, packet)
}
