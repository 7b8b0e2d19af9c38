//! MQTT on the wire: bytes to packets and packets to bytes, for 3.1.1 and 5.0.
//!
//! Not the rules of a session (second CONNECT, flow control, alias table): the core has those. The codec
//! library's types never leave this module. Invariants: no function here panics on any input, allocates
//! by a length field, or waits for more bytes of a packet that is already complete.

#![deny(clippy::indexing_slicing)]

pub mod limits;
pub mod packet;

pub use limits::Limits;
pub use packet::{
    Ack, Auth, Connack, ConnackProperties, Connect, ConnectProperties, Disconnect, Malformed,
    MessageProperties, Packet, PacketId, Publish, QoS, Reason, ReasonCode, RetainHandling, Suback, Subscribe,
    SubscribeFilter, TopicFault, Unsuback, Unsubscribe, UserProperties, Version, Will,
};
