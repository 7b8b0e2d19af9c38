//! Every bound of the broker: its default, unit, reason and configuration key.
//!
//! The bounds of the wire format alone stand in `wire::limits`. Invariant: whatever a client can make
//! grow has a row here; each hit is counted in [`crate::Metrics`] under the name of [`Limit`] and told
//! once per connection as a notice.

use serde::Deserialize;

use crate::wire;

/// Steps of one containment question. Honest filters need below 100; at this bound the answer is "no".
pub const CONTAINMENT_STEPS: usize = 10_000;

/// Compiled grants that are kept for sharing before it is looked which of them are still in use.
pub const GRANTS_UNSWEPT: usize = 64;

/// Retained messages from which on a client that asks for some of them is read no further until it has its SUBACK:
/// looking through them is work, which a client could ask for again and again in one packet's time.
pub const RETAINED_AT_ONCE: usize = 1_000;

/// Free write buffers kept for reuse: one for each subscriber of a wide fan-out.
pub const SPARE_BUFFERS: usize = 64;

/// Largest capacity in bytes of a write buffer that is kept for reuse; larger ones go back.
pub const SPARE_BUFFER_BYTES: usize = 256 * 1_024;

/// Payloads of this size in bytes and above are shared between subscribers and written from their own
/// buffer; below, a copy is cheaper than a second segment.
pub const SHARED_PAYLOAD_BYTES: usize = 2_048;

/// Bytes read in one turn into the thread's one read buffer: large enough to amortise the system call,
/// small enough that the answers of a wide fan-out stay in the cache.
pub const READ_BUFFER_BYTES: usize = 64 * 1_024;

/// Bytes of one connection that are handled in one turn before the others have theirs (fair scheduling).
pub const BYTES_PER_TURN: usize = READ_BUFFER_BYTES;

/// Connections that the kernel tells of in one call.
pub const READY_EVENTS: usize = 512;

/// Connections served in one turn before buffers are flushed, so that a crowd does not delay the flush.
pub const CONNECTIONS_PER_TURN: usize = 256;

/// Bytes appended to outboxes in one turn after which they are flushed before anything more is read: a
/// fan-out to thousands must not hold a whole read buffer for each of them.
pub const APPENDED_PER_TURN: usize = 8 * 1_024 * 1_024;

/// What one connection's outbox may still hold while all of them together are over their bound, in bytes.
pub const OUTBOX_BYTES_UNDER_PRESSURE: usize = 16 * 1_024;

/// Segments in one vectored write: the kernel takes 1,024, beyond 64 nothing is gained.
pub const WRITE_SEGMENTS: usize = 64;

/// Batches whose commit the broker waits for. While one is synced, one is judged and one waits; a fourth absorbs
/// the jitter. At the bound the open batch grows instead, so batches become larger, not more. Batches of QoS 0
/// alone are bounded by the inlet.
pub const BATCHES_IN_FLIGHT: usize = 4;

/// Publishes in the open batch at which publishers are no longer read (back-pressure into TCP).
pub const BATCH_PUBLISHES: usize = 8_192;

/// Bytes of payload in the open batch at which publishers are no longer read.
pub const BATCH_BYTES: usize = 8 * 1_024 * 1_024;

/// Notices in one batch. Denied publishes of one topic are merged; beyond the bound they are only counted.
pub const BATCH_NOTICES: usize = 1_024;

/// Accepted sockets that wait for the broker's loop. Beyond it the accept loop waits, the kernel's backlog
/// fills, and new clients wait in it.
pub const ACCEPT_QUEUE: usize = 256;

/// Commands of the handle (kick, list) that wait for the loop.
pub const COMMAND_QUEUE: usize = 64;

/// Wait in milliseconds before `accept` is tried again when the process has no file descriptor left.
pub const ACCEPT_BACK_OFF_MILLIS: u64 = 100;

/// Seconds in which a client may come back after a restart of the gateway before its will is sent, when
/// its own delay is shorter: all clients lose their connection then, and most are back in seconds.
pub const WILL_GRACE_SECONDS: u32 = 30;

/// Milliseconds' worth of its rate that a client may publish at once: a device that was away sends what it kept.
pub const BURST_MILLIS: u64 = 1_000;

/// Milliseconds that a client at its rate is paused at least, so that not each message costs a timer.
pub const PAUSE_MILLIS: u64 = 100;

/// Seconds between two sweeps for retained messages that have expired; until then they are skipped.
pub const SWEEP_SECONDS: u64 = 60;

/// Seconds between two notices about a bound that is hit again and again outside any connection's story.
pub const WATCH_SECONDS: u64 = 10;

/// Seconds that the loop tries to send what is left at shutdown.
pub const SHUTDOWN_SECONDS: u64 = 2;

macro_rules! limits {
    ($($(#[doc = $doc:literal])* $field:ident: $type:ty = $default:expr,)*) => {
        /// The bounds that a site may move. Keys are the field names with `-` for `_`.
        #[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
        #[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
        pub struct Limits { $($(#[doc = $doc])* pub $field: $type,)* }

        impl Default for Limits {
            fn default() -> Self {
                Self { $($field: $default,)* }
            }
        }
    };
}

limits! {
    /// Connections in total. 10,000 idle ones cost about 20 MB.
    connections: u32 = 12_000,
    /// Connections from one address; receivers and NAT put many clients behind one.
    connections_per_address: u32 = 2_000,
    /// Connections that have not finished TLS and CONNECT; above it the newest is closed.
    pending: u32 = 1_000,
    /// Of these from one address, so that one idle scanner cannot fill `pending`.
    pending_per_address: u32 = 200,
    /// Seconds for the TLS handshake. A slow radio link needs 3.
    handshake_seconds: u16 = 10,
    /// Seconds from the connection to a whole CONNECT.
    connect_seconds: u16 = 10,
    /// Bytes of a packet before the client has proved who it is.
    packet_bytes_before_auth: u32 = wire::limits::PACKET_BYTES_BEFORE_AUTH as u32,
    /// Bytes of a packet afterwards; told to 5.0 clients in CONNACK.
    packet_bytes: u32 = wire::limits::PACKET_BYTES as u32,
    /// Levels in a topic or filter.
    topic_levels: u16 = wire::limits::TOPIC_LEVELS as u16,
    /// Unacknowledged messages from one client; told to 5.0 clients as receive maximum, 3.1.1 clients are
    /// read no further until some are acknowledged.
    inflight_in: u16 = 1_024,
    /// QoS 2 messages of one client that wait for its PUBREL. Two bytes each; above it the client is closed.
    received_qos2: u16 = 4_096,
    /// Unacknowledged messages to one client, when it does not ask for fewer.
    inflight_out: u16 = 512,
    /// Messages that one client may publish in a second, on average; above it the client is read no further
    /// until it is within. More than the box can store: it bounds one client, not the site.
    messages_per_second: u32 = 1_000_000,
    /// Bytes of topics and payloads that one client may publish in a second; same rule.
    bytes_per_second: u64 = 256 * 1_024 * 1_024,
    /// Messages queued for one session. Full: a clean session is closed (it must know that it lost some),
    /// a persistent one loses the newest, of retained messages for a new subscription too; each is counted and told.
    queue_messages: u32 = 20_000,
    /// Bytes queued for one session; same rule.
    queue_bytes: u32 = 64 * 1_024 * 1_024,
    /// Bytes of messages that are stored for sessions and as retained; above it they are refused as if
    /// every queue were full.
    stored_bytes: u64 = 512 * 1_024 * 1_024,
    /// Bytes in one connection's write buffer above which QoS 0 messages for it are dropped and counted.
    write_buffer_bytes: u32 = 4 * 1_024 * 1_024,
    /// Bytes in all write buffers together; above it only connections that read well get more.
    write_buffers_total_bytes: u64 = 256 * 1_024 * 1_024,
    /// Seconds in which a client must take at least one byte of what waits for it.
    write_seconds: u16 = 20,
    /// Subscriptions of one session.
    subscriptions: u32 = 20_000,
    /// Subscriptions in total.
    subscriptions_total: u32 = 500_000,
    /// Sessions, connected ones included.
    sessions: u32 = 50_000,
    /// Longest session expiry in seconds (7 days); also that of a persistent 3.1.1 session.
    session_expiry_seconds: u32 = 7 * 24 * 3_600,
    /// Longest keep-alive in seconds; 5.0 clients are told, 3.1.1 clients keep what they asked for.
    keep_alive_seconds: u16 = 3_600,
    /// Topic aliases that a 5.0 client may use.
    topic_aliases: u16 = 64,
    /// Retained messages.
    retained_messages: u32 = 100_000,
    /// Bytes of retained messages, topics included.
    retained_bytes: u64 = 128 * 1_024 * 1_024,
}

impl Limits {
    /// The bounds of decoding before and after authentication.
    #[must_use]
    pub fn wire(&self, authenticated: bool) -> wire::Limits {
        let bytes = if authenticated { self.packet_bytes } else { self.packet_bytes_before_auth };
        wire::Limits {
            packet_bytes: usize::try_from(bytes).unwrap_or(usize::MAX),
            topic_levels: usize::from(self.topic_levels),
            ..wire::Limits::default()
        }
    }

    /// What is wrong with these values, one line each; empty when they can work.
    #[must_use]
    pub fn check(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let mut at_least = |key: &str, value: u64, least: u64| {
            if value < least {
                problems.push(format!("limits.{key} = {value}: must be at least {least}"));
            }
        };
        at_least("connections", self.connections.into(), 1);
        at_least("connections-per-address", self.connections_per_address.into(), 1);
        at_least("pending", self.pending.into(), 1);
        at_least("pending-per-address", self.pending_per_address.into(), 1);
        at_least("handshake-seconds", self.handshake_seconds.into(), 1);
        at_least("connect-seconds", self.connect_seconds.into(), 1);
        at_least("packet-bytes-before-auth", self.packet_bytes_before_auth.into(), 128);
        at_least("packet-bytes", self.packet_bytes.into(), 128);
        at_least("topic-levels", self.topic_levels.into(), 1);
        at_least("inflight-in", self.inflight_in.into(), 1);
        at_least("received-qos2", self.received_qos2.into(), self.inflight_in.into());
        at_least("inflight-out", self.inflight_out.into(), 1);
        at_least("messages-per-second", self.messages_per_second.into(), 1);
        at_least("bytes-per-second", self.bytes_per_second, 1);
        at_least("queue-messages", self.queue_messages.into(), 1);
        at_least("queue-bytes", self.queue_bytes.into(), 1_024);
        at_least("write-buffer-bytes", self.write_buffer_bytes.into(), 1_024);
        at_least("write-seconds", self.write_seconds.into(), 1);
        at_least("keep-alive-seconds", self.keep_alive_seconds.into(), 1);
        problems
    }
}

macro_rules! limit_names {
    ($($(#[doc = $doc:literal])* $variant:ident = $name:literal,)*) => {
        /// A bound that was hit, as metrics and notices name it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Limit { $($(#[doc = $doc])* $variant,)* }

        impl Limit {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The configuration key.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }
        }
    };
}

limit_names! {
    /// Total connections.
    Connections = "connections",
    /// Connections of one address.
    ConnectionsPerAddress = "connections-per-address",
    /// Connections without CONNECT.
    Pending = "pending",
    /// Connections without CONNECT of one address.
    PendingPerAddress = "pending-per-address",
    /// TLS handshake time.
    Handshake = "handshake-seconds",
    /// Time to CONNECT.
    Connect = "connect-seconds",
    /// Packet size, before or after authentication.
    PacketBytes = "packet-bytes",
    /// Unacknowledged messages of a client.
    InflightIn = "inflight-in",
    /// QoS 2 messages without PUBREL.
    ReceivedQos2 = "received-qos2",
    /// Messages of a client in a second.
    MessagesPerSecond = "messages-per-second",
    /// Bytes of a client in a second.
    BytesPerSecond = "bytes-per-second",
    /// Messages queued for a session.
    QueueMessages = "queue-messages",
    /// Bytes queued for a session.
    QueueBytes = "queue-bytes",
    /// Write buffer of a slow reader.
    WriteBuffer = "write-buffer-bytes",
    /// All write buffers together.
    WriteBuffersTotal = "write-buffers-total-bytes",
    /// Messages stored for sessions.
    StoredBytes = "stored-bytes",
    /// Time without a byte taken.
    WriteTime = "write-seconds",
    /// Subscriptions of a session.
    Subscriptions = "subscriptions",
    /// All subscriptions.
    SubscriptionsTotal = "subscriptions-total",
    /// Sessions.
    Sessions = "sessions",
    /// Retained messages.
    RetainedMessages = "retained-messages",
    /// Bytes of retained messages.
    RetainedBytes = "retained-bytes",
    /// Topic aliases.
    TopicAliases = "topic-aliases",
    /// Notices of one batch.
    Notices = "notices",
    /// The pipeline is behind: publishers are not read.
    Inlet = "inlet",
    /// No file descriptor left.
    FileDescriptors = "file-descriptors",
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_can_work_and_nonsense_is_told_by_key() {
        assert_eq!(Limits::default().check(), Vec::<String>::new());
        let wrong = Limits { inflight_out: 0, ..Limits::default() };
        assert_eq!(wrong.check(), ["limits.inflight-out = 0: must be at least 1"]);
    }

    #[test]
    fn names_are_unique() {
        let mut names: Vec<_> = Limit::ALL.iter().map(|limit| limit.name()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Limit::ALL.len());
    }
}
