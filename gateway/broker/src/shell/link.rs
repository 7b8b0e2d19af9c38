//! One connection's socket, plain or TLS, and what was read of an unfinished packet.
//!
//! Not the protocol. Invariant: an idle connection holds no buffer of ours; reads and writes never block.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use sitewarden_core::time::Monotonic;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

use super::accept::Slot;
use crate::core::Key;

/// The socket.
pub(super) enum Socket {
    /// Plain TCP.
    Plain(TcpStream),
    /// TLS, handshake done.
    Tls(Box<TlsStream<TcpStream>>),
}

/// One connection.
pub(super) struct Link {
    pub(super) key: Key,
    pub(super) socket: Socket,
    pub(super) waker: Waker,
    /// Its place in the counts of connections; given back when dropped.
    pub(super) slot: Slot,
    /// Bytes read that are not handled: an unfinished packet, or all while reading is held back.
    pub(super) partial: Vec<u8>,
    /// On the list of those whose reading is held back by the core.
    pub(super) held: bool,
    /// `partial` may hold whole packets.
    pub(super) unfed: bool,
    /// Ends when its bytes are written.
    pub(super) closing: bool,
    /// All is written and the write side is shut; reads until the peer has closed.
    pub(super) draining: bool,
    /// Deadlines that are set.
    pub(super) connect_by: Option<Monotonic>,
    pub(super) write_by: Option<Monotonic>,
}

impl Link {
    pub(super) fn new(key: Key, socket: Socket, waker: Waker, slot: Slot, connect_by: Monotonic) -> Self {
        Self {
            key,
            socket,
            waker,
            slot,
            partial: Vec::new(),
            held: false,
            unfed: false,
            closing: false,
            draining: false,
            connect_by: Some(connect_by),
            write_by: None,
        }
    }

    /// Reads into `buffer`. `Ready(Ok(0))` is the end; after `Pending` the waker is set.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut cx = Context::from_waker(&self.waker);
        let mut buffer = ReadBuf::new(buffer);
        let read = match &mut self.socket {
            Socket::Plain(socket) => Pin::new(socket).poll_read(&mut cx, &mut buffer),
            Socket::Tls(socket) => Pin::new(socket).poll_read(&mut cx, &mut buffer),
        };
        read.map_ok(|()| buffer.filled().len())
    }

    /// Writes; after `Pending` the waker is set.
    pub(super) fn write(&mut self, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let mut cx = Context::from_waker(&self.waker);
        match &mut self.socket {
            Socket::Plain(socket) => Pin::new(socket).poll_write_vectored(&mut cx, slices),
            Socket::Tls(socket) => Pin::new(socket).poll_write_vectored(&mut cx, slices),
        }
    }

    /// Pushes out what TLS still holds.
    pub(super) fn flush(&mut self) -> Poll<io::Result<()>> {
        let mut cx = Context::from_waker(&self.waker);
        match &mut self.socket {
            Socket::Plain(_) => Poll::Ready(Ok(())),
            Socket::Tls(socket) => Pin::new(socket).poll_flush(&mut cx),
        }
    }

    /// Says that nothing more will be written.
    pub(super) fn shut_write(&mut self) -> Poll<io::Result<()>> {
        let mut cx = Context::from_waker(&self.waker);
        match &mut self.socket {
            Socket::Plain(socket) => Pin::new(socket).poll_shutdown(&mut cx),
            Socket::Tls(socket) => Pin::new(socket).poll_shutdown(&mut cx),
        }
    }
}
