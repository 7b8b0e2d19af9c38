//! Bounds of the MQTT wire format that the protocol itself does not give or gives too generously.
//!
//! Not the bounds of sessions and queues: those stand in the broker's own `limits.rs`. Invariant: every
//! number here is a default of [`Limits`], so that a configuration key can lower or raise it.

/// Largest packet before a client has proved who it is, in bytes. A CONNECT with a 64 KiB will would be
/// larger; public clients stay below 2 KiB.
pub const PACKET_BYTES_BEFORE_AUTH: usize = 16 * 1_024;

/// Largest packet of an authenticated client, in bytes: the payload bound of ingest (1 MiB) and room for
/// the header.
pub const PACKET_BYTES: usize = 1_024 * 1_024 + 64 * 1_024;

/// Most levels in a topic or filter. The public dialects stay below 12; 128 bounds the depth of the trie.
pub const TOPIC_LEVELS: usize = 128;

/// Most user properties in one packet: 52,000 empty ones fit into 256 KiB and cost 8 ms.
pub const USER_PROPERTIES: usize = 64;

/// Most filters in one SUBSCRIBE or UNSUBSCRIBE.
pub const FILTERS: usize = 256;

/// The bounds that decoding works with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Largest whole packet in bytes, see [`PACKET_BYTES_BEFORE_AUTH`] and [`PACKET_BYTES`].
    pub packet_bytes: usize,
    /// Most levels in a topic or filter, see [`TOPIC_LEVELS`].
    pub topic_levels: usize,
    /// Most user properties in one packet, see [`USER_PROPERTIES`].
    pub user_properties: usize,
    /// Most filters in one packet, see [`FILTERS`].
    pub filters: usize,
}

impl Limits {
    /// The defaults for a client that has not proved who it is.
    pub const BEFORE_AUTH: Self = Self {
        packet_bytes: PACKET_BYTES_BEFORE_AUTH,
        topic_levels: TOPIC_LEVELS,
        user_properties: USER_PROPERTIES,
        filters: FILTERS,
    };
    /// The defaults for an authenticated client.
    pub const AUTHENTICATED: Self = Self { packet_bytes: PACKET_BYTES, ..Self::BEFORE_AUTH };
}

impl Default for Limits {
    fn default() -> Self {
        Self::AUTHENTICATED
    }
}
