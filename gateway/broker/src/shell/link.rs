//! One connection's socket, plain or TLS, and what was read of an unfinished packet.
//!
//! Not the protocol. Invariants: an idle connection holds no buffer of ours; reads and writes never block; after
//! `Pending` the kernel tells when it is worth trying again.

use std::io::{self, IoSlice, Read as _, Write as _};
use std::net::Shutdown;
use std::task::Poll;

use mio::event::Event;
use mio::net::TcpStream;
use sitewarden_core::time::Monotonic;

use super::accept::Slot;
use super::tls::Secured;
use crate::core::Key;

/// The socket.
pub(super) enum Socket {
    /// Plain TCP.
    Plain(TcpStream),
    /// TLS, handshake done.
    Tls(Box<Secured>),
}

impl Socket {
    pub(super) fn tcp(&mut self) -> &mut TcpStream {
        match self {
            Self::Plain(socket) => socket,
            Self::Tls(secured) => &mut secured.socket,
        }
    }
}

/// One connection.
pub(super) struct Link {
    pub(super) key: Key,
    pub(super) socket: Socket,
    /// Its place in the counts of connections; given back when dropped.
    pub(super) slot: Slot,
    /// Bytes read that are not handled: an unfinished packet, or all while reading is held back.
    pub(super) partial: Vec<u8>,
    /// Deadlines that are set.
    pub(super) connect_by: Option<Monotonic>,
    pub(super) write_by: Option<Monotonic>,
    /// On the list of those that are ready.
    pub(super) queued: bool,
    /// The socket may have bytes.
    readable: bool,
    /// The peer has closed its side, or the connection broke: whoever reads must read to the end.
    hung: bool,
    /// The socket had no room for all of the last write.
    full: bool,
    /// On the list of those whose reading is held back by the core.
    pub(super) held: bool,
    /// `partial` may hold whole packets.
    pub(super) unfed: bool,
    /// Ends when its bytes are written.
    pub(super) closing: bool,
    /// All is written and the write side is shut; reads until the peer has closed.
    pub(super) draining: bool,
}

impl Link {
    pub(super) fn new(key: Key, socket: Socket, slot: Slot, connect_by: Monotonic) -> Self {
        // The handshake may have taken the first packet in with its last bytes.
        let readable = matches!(socket, Socket::Tls(_));
        Self {
            key,
            socket,
            slot,
            partial: Vec::new(),
            connect_by: Some(connect_by),
            write_by: None,
            queued: false,
            readable,
            hung: false,
            full: false,
            held: false,
            unfed: false,
            closing: false,
            draining: false,
        }
    }

    /// The kernel has news of the socket.
    pub(super) fn heard(&mut self, event: &Event) {
        self.hung |= event.is_read_closed() || event.is_error();
        self.readable |= event.is_readable() || self.hung;
        self.full &= !(event.is_writable() || event.is_write_closed() || event.is_error());
    }

    /// Whether there may be something to read without news.
    pub(super) const fn is_readable(&self) -> bool {
        self.readable
    }

    /// Reads into `buffer`. `Ready(Ok(0))` is the end.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        if !self.readable {
            return Poll::Pending;
        }
        let read = match &mut self.socket {
            Socket::Plain(socket) => again(|| socket.read(buffer)),
            Socket::Tls(secured) => secured.read(buffer),
        };
        // Less than asked for is all there was; an end may stand behind it, which is told once.
        let emptied = match &read {
            Poll::Ready(Ok(count)) => {
                *count < buffer.len() && !self.hung && matches!(self.socket, Socket::Plain(_))
            }
            Poll::Ready(Err(_)) => false,
            Poll::Pending => true,
        };
        self.readable &= !emptied;
        read
    }

    /// Writes as much as there is room for.
    pub(super) fn write(&mut self, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        if self.full {
            return Poll::Pending;
        }
        let written = match &mut self.socket {
            Socket::Plain(socket) => again(|| socket.write_vectored(slices)),
            Socket::Tls(secured) => secured.write(slices),
        };
        self.full = match (&written, &self.socket) {
            (Poll::Pending, _) => true,
            (Poll::Ready(Ok(count)), Socket::Plain(_)) => {
                *count < slices.iter().map(|slice| slice.len()).sum()
            }
            _ => false,
        };
        written
    }

    /// Pushes out what TLS still holds.
    pub(super) fn flush(&mut self) -> Poll<io::Result<()>> {
        let Socket::Tls(secured) = &mut self.socket else { return Poll::Ready(Ok(())) };
        if self.full {
            return Poll::Pending;
        }
        let flushed = secured.flush();
        self.full = flushed.is_pending();
        flushed
    }

    /// Says that nothing more will be written.
    pub(super) fn shut_write(&mut self) -> Poll<io::Result<()>> {
        if let Socket::Tls(secured) = &mut self.socket {
            secured.say_goodbye();
            match self.flush() {
                Poll::Ready(Ok(())) => {}
                other => return other,
            }
        }
        Poll::Ready(self.socket.tcp().shutdown(Shutdown::Write))
    }
}

/// Tries again what a signal interrupted; what would block is `Pending`.
pub(super) fn again<T>(mut action: impl FnMut() -> io::Result<T>) -> Poll<io::Result<T>> {
    loop {
        match action() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Poll::Pending,
            done => return Poll::Ready(done),
        }
    }
}
