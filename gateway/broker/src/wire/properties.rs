//! Property blocks of MQTT 5 (§2.2.2): read one by one, with the rules that hold for all of them.
//!
//! Not what a property means. Invariants: a block ends exactly where its length says; each property
//! stands at most once but for user properties and, in a PUBLISH, subscription identifiers; only those that
//! the packet may carry pass; user properties are capped.

use super::limits::Limits;
use super::reader::Reader;
use super::reason::{Malformed, Reason};
use super::topic::check_topic;

/// Property identifiers (MQTT 5 §2.2.2.2).
pub(super) mod id {
    pub(in super::super) const PAYLOAD_FORMAT: u8 = 0x01;
    pub(in super::super) const MESSAGE_EXPIRY: u8 = 0x02;
    pub(in super::super) const CONTENT_TYPE: u8 = 0x03;
    pub(in super::super) const RESPONSE_TOPIC: u8 = 0x08;
    pub(in super::super) const CORRELATION_DATA: u8 = 0x09;
    pub(in super::super) const SUBSCRIPTION_ID: u8 = 0x0B;
    pub(in super::super) const SESSION_EXPIRY: u8 = 0x11;
    pub(in super::super) const ASSIGNED_CLIENT_ID: u8 = 0x12;
    pub(in super::super) const SERVER_KEEP_ALIVE: u8 = 0x13;
    pub(in super::super) const AUTHENTICATION_METHOD: u8 = 0x15;
    pub(in super::super) const AUTHENTICATION_DATA: u8 = 0x16;
    pub(in super::super) const REQUEST_PROBLEM_INFORMATION: u8 = 0x17;
    pub(in super::super) const WILL_DELAY: u8 = 0x18;
    pub(in super::super) const REQUEST_RESPONSE_INFORMATION: u8 = 0x19;
    pub(in super::super) const RESPONSE_INFORMATION: u8 = 0x1A;
    pub(in super::super) const SERVER_REFERENCE: u8 = 0x1C;
    pub(in super::super) const REASON_STRING: u8 = 0x1F;
    pub(in super::super) const RECEIVE_MAXIMUM: u8 = 0x21;
    pub(in super::super) const TOPIC_ALIAS_MAXIMUM: u8 = 0x22;
    pub(in super::super) const TOPIC_ALIAS: u8 = 0x23;
    pub(in super::super) const MAXIMUM_QOS: u8 = 0x24;
    pub(in super::super) const RETAIN_AVAILABLE: u8 = 0x25;
    pub(in super::super) const USER_PROPERTY: u8 = 0x26;
    pub(in super::super) const MAXIMUM_PACKET_SIZE: u8 = 0x27;
    pub(in super::super) const WILDCARD_SUBSCRIPTION_AVAILABLE: u8 = 0x28;
    pub(in super::super) const SUBSCRIPTION_IDS_AVAILABLE: u8 = 0x29;
    pub(in super::super) const SHARED_SUBSCRIPTION_AVAILABLE: u8 = 0x2A;
}

/// A set of property identifiers, one bit each (all are below 64).
#[derive(Clone, Copy, Debug)]
pub(super) struct Allowed(u64);

impl Allowed {
    pub(super) const fn of(ids: &[u8]) -> Self {
        let mut bits = 1_u64 << id::USER_PROPERTY;
        let mut rest = ids;
        while let [first, tail @ ..] = rest {
            bits |= 1 << *first;
            rest = tail;
        }
        Self(bits)
    }

    const fn has(self, id: u8) -> bool {
        id < 64 && self.0 & (1 << id) != 0
    }
}

/// The value of a property, by its type in the standard's table.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Value<'a> {
    Byte(u8),
    Two(u16),
    /// Four bytes, or a variable byte integer.
    Four(u32),
    Text(&'a str),
    Binary(&'a [u8]),
    Pair(&'a str, &'a str),
}

/// Which properties a block had.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Seen(u64);

impl Seen {
    pub(super) const fn has(self, id: u8) -> bool {
        id < 64 && self.0 & (1 << id) != 0
    }
}

/// Reads the properties of one block.
#[derive(Debug)]
pub(super) struct Properties<'a> {
    block: Reader<'a>,
    allowed: Allowed,
    seen: u64,
    user_left: usize,
    topic_levels: usize,
}

impl<'a> Properties<'a> {
    /// Takes a block, its length in front, out of the body.
    pub(super) fn take(body: &mut Reader<'a>, allowed: Allowed, limits: &Limits) -> Result<Self, Malformed> {
        let length = body.variable()?;
        let length = usize::try_from(length).map_err(|_| Malformed { reason: Reason::TooLarge })?;
        let block = Reader::new(body.take(length)?);
        Ok(Self {
            block,
            allowed,
            seen: 0,
            user_left: limits.user_properties,
            topic_levels: limits.topic_levels,
        })
    }

    /// The next property, `None` at the end of the block.
    pub(super) fn next(&mut self) -> Result<Option<(u8, Value<'a>)>, Malformed> {
        if self.block.is_empty() {
            return Ok(None);
        }
        // The identifier is a variable byte integer; all that exist fit one byte.
        let id = self.block.u8()?;
        if !self.allowed.has(id) {
            return Err(Reason::Bytes("a property that this packet cannot carry").into());
        }
        if id == id::USER_PROPERTY {
            self.user_left =
                self.user_left.checked_sub(1).ok_or(Malformed { reason: Reason::TooManyUserProperties })?;
            return Ok(Some((id, Value::Pair(self.block.text()?, self.block.text()?))));
        }
        let bit = 1_u64 << (id & 63);
        if self.seen & bit != 0 {
            return Err(Reason::Protocol("a property stands twice").into());
        }
        self.seen |= bit;
        let value = self.value(id)?;
        check_value(id, value, self.topic_levels)?;
        Ok(Some((id, value)))
    }

    /// Lets the property just read stand again.
    pub(super) fn allow_again(&mut self, id: u8) {
        self.seen &= !(1_u64 << (id & 63));
    }

    /// Reads all and keeps none: for packets whose values the codec library reads.
    pub(super) fn check_all(mut self) -> Result<Seen, Malformed> {
        while self.next()?.is_some() {}
        Ok(Seen(self.seen))
    }

    fn value(&mut self, id: u8) -> Result<Value<'a>, Malformed> {
        let block = &mut self.block;
        Ok(match id {
            id::PAYLOAD_FORMAT | id::REQUEST_PROBLEM_INFORMATION | id::REQUEST_RESPONSE_INFORMATION => {
                Value::Byte(block.u8()?)
            }
            id::RECEIVE_MAXIMUM | id::TOPIC_ALIAS_MAXIMUM | id::TOPIC_ALIAS => Value::Two(block.u16()?),
            id::MESSAGE_EXPIRY | id::SESSION_EXPIRY | id::WILL_DELAY | id::MAXIMUM_PACKET_SIZE => {
                Value::Four(block.u32()?)
            }
            id::SUBSCRIPTION_ID => Value::Four(block.variable()?),
            id::CORRELATION_DATA | id::AUTHENTICATION_DATA => Value::Binary(block.bytes()?),
            _ => Value::Text(block.text()?),
        })
    }
}

/// Values that the standard forbids whatever the packet.
fn check_value(id: u8, value: Value<'_>, topic_levels: usize) -> Result<(), Malformed> {
    match (id, value) {
        (id::RESPONSE_TOPIC, Value::Text(topic)) => {
            check_topic(topic, topic_levels).map_err(|fault| Reason::Topic(fault).into())
        }
        (_, Value::Byte(2..)) => Err(Reason::Protocol("a flag property above 1").into()),
        (id::TOPIC_ALIAS, Value::Two(0)) => Err(Reason::TopicAlias.into()),
        (id::RECEIVE_MAXIMUM, Value::Two(0)) => Err(Reason::Protocol("receive maximum 0").into()),
        (id::MAXIMUM_PACKET_SIZE, Value::Four(0)) => Err(Reason::Protocol("maximum packet size 0").into()),
        (id::SUBSCRIPTION_ID, Value::Four(0)) => Err(Reason::Protocol("subscription identifier 0").into()),
        _ => Ok(()),
    }
}
