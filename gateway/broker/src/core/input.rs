//! What goes into the core and what it asks for.
//!
//! Plain values. Invariant: nothing here borrows from the core, so a shell may keep it over a turn.

use std::sync::Arc;

use super::Key;
use crate::admission::{Admitted, ConnectRequest, Refused};
use crate::batch::Committed;
use crate::limits::Limit;
use crate::wire::{Malformed, Packet, ReasonCode};

/// Something happened.
#[derive(Debug)]
pub enum Input<'a> {
    /// A whole packet of a client. Only while [`Core::may_read`] says so.
    Packet {
        /// Whose.
        conn: Key,
        /// The packet.
        packet: Packet<'a>,
    },
    /// Bytes of a client that are no valid packet.
    Malformed {
        /// Whose.
        conn: Key,
        /// What was wrong.
        fault: Malformed,
    },
    /// The answer to [`Output::Admit`].
    Admitted {
        /// Whose.
        conn: Key,
        /// Yes or no.
        answer: Result<Admitted, Refused>,
    },
    /// The connection is gone. After it the key is dead.
    Closed {
        /// Whose.
        conn: Key,
    },
    /// A bound that the shell watches was hit: the connection is to end.
    Overdue {
        /// Whose.
        conn: Key,
        /// Which bound.
        limit: Limit,
        /// What a 5.0 client is told.
        code: ReasonCode,
    },
    /// All bytes of the outbox were written.
    Flushed {
        /// Whose.
        conn: Key,
    },
    /// The pipeline answered a batch.
    Committed(Committed),
    /// [`Core::next_deadline`] has come.
    Timer,
}

/// Something is to be done.
#[derive(Debug, PartialEq, Eq)]
pub enum Output {
    /// Ask the admission; answer with [`Input::Admitted`].
    Admit {
        /// Whose.
        conn: Key,
        /// What it says about itself.
        request: Box<ConnectRequest>,
    },
    /// Write what is in the outbox, then close the connection and say [`Input::Closed`].
    Close {
        /// Whose.
        conn: Key,
    },
}

/// A session for people to see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    /// Client id.
    pub client_id: Arc<str>,
    /// Principal as the site log names it.
    pub principal: String,
    /// Where from; `None` when not connected.
    pub address: Option<std::net::IpAddr>,
    /// Subscriptions.
    pub subscriptions: usize,
    /// Messages queued or in flight.
    pub queued: usize,
}
