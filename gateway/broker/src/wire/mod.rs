//! MQTT on the wire: bytes to packets and packets to bytes, for 3.1.1 and 5.0.
//!
//! Not the rules of a session (second CONNECT, flow control, alias table): the core has those. The codec
//! library's types never leave this module. Invariants: no function here panics on any input, allocates
//! by a length field, or waits for more bytes of a packet that is already complete.

#![deny(clippy::indexing_slicing)]

mod body;
mod decode;
mod encode;
mod frame;
mod fuzz;
mod guard;
pub mod limits;
pub mod packet;
mod properties;
mod publish_in;
mod publish_out;
mod reader;
pub mod reason;
pub mod reply;
pub mod topic;
mod writer;

#[cfg(test)]
mod tests;

pub use decode::decode;
pub use encode::{
    AckKind, PINGRESP, encode_ack, encode_auth, encode_connack, encode_disconnect, encode_suback,
    encode_unsuback,
};
pub use frame::{Framed, next_frame};
pub use fuzz::fuzz_decode;
pub use limits::Limits;
pub use packet::{
    Ack, Auth, Connect, ConnectProperties, Disconnect, MessageProperties, Packet, PacketId, Publish, QoS,
    RetainHandling, Subscribe, SubscribeFilter, Unsubscribe, UserProperties, Version, Will,
};
pub use publish_out::{PublishContent, PublishFlags, PublishHeader};
pub use reason::{Malformed, Reason, ReasonCode, TopicFault};
pub use reply::{Connack, ConnackProperties, Suback, Unsuback};
