//! Every bound of the link, in one place.
//!
//! These are properties of wire version 1: both ends reject what exceeds them, before they store or decode it.
//! Invariant: the sizes follow from each other by the arithmetic written here, so no buffer needs a run-time check.

/// Bytes of a frame's header (see `frame`).
pub const FRAME_HEADER: usize = 10;

/// Bytes of a frame's CRC-32.
pub const FRAME_CHECK: usize = 4;

/// Bytes of an AEAD tag (RFC 8439 §2.8).
pub const TAG: usize = 16;

/// Bytes of one message before encryption: a finding or a set of parameters with its signature and some room.
pub const MAX_MESSAGE: usize = 544;

/// Bytes of a frame's body: the largest message with its tag. Handshake messages are smaller.
pub const MAX_BODY: usize = MAX_MESSAGE + TAG;

/// Bytes of a frame before byte stuffing.
pub const MAX_FRAME: usize = FRAME_HEADER + MAX_BODY + FRAME_CHECK;

/// Bytes of a frame on the line: COBS adds one byte per 254 and one more, then comes the delimiter.
pub const MAX_ENCODED: usize = MAX_FRAME + MAX_FRAME / 254 + 1 + 1;

/// Bytes of one COSE_Sign1 object: 512 leaves 32 bytes of the message for what carries it.
pub const MAX_COSE: usize = 512;

/// Bytes of the payload inside one COSE_Sign1: the rest is the tag, the headers, the lengths and 64 bytes of signature.
pub const MAX_PAYLOAD: usize = 400;

/// Bytes that are signed: the payload with COSE's `Sig_structure` around it (RFC 9052 §4.4).
pub const MAX_SIGNED: usize = MAX_PAYLOAD + 64;

/// Readings in one message: 8 of at most 34 bytes fit twice over.
pub const MAX_READINGS: usize = 8;

/// Rules in one set of parameters: 8 of at most 32 bytes fit into a payload.
pub const MAX_RULES: usize = 8;

/// Characters of an agent's model name.
pub const MAX_MODEL: usize = 24;

/// Frames that one session may carry in each direction before a new handshake is due: far below 2^32, the end of the
/// sequence; at 115,200 baud this is more than a year.
pub const MAX_SESSION_FRAMES: u32 = 1 << 30;

/// Enrolment codes that one link holds open at once: a technician enrols one device at a time, some prepare a batch.
pub const MAX_OFFERS: usize = 8;

/// Handshakes that the gateway's end answers at once after a quiet time: a device that reboots needs one or two.
pub const HANDSHAKE_BURST: u32 = 8;

/// Milliseconds until one more handshake is answered: four Diffie-Hellman operations each are the dearest thing that
/// a stranger can ask for.
pub const HANDSHAKE_INTERVAL_MS: u64 = 500;

/// Longest hold or silence time in a rule, in milliseconds: 7 days.
pub const MAX_RULE_TIME_MS: u32 = 7 * 24 * 3600 * 1000;

/// Bytes that wait to be written to one line: four frames of the largest size. The gateway's end answers each frame with
/// at most one and its owner sends at most three messages (acknowledgement, parameters, time) before it writes.
pub const MAX_OUTBOX: usize = 4 * MAX_ENCODED;
