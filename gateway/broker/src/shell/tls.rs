//! A TLS connection whose handshake is done, over a socket that does not block.
//!
//! Not the handshake. Invariants: what the library has encrypted leaves before more is given to it, so its own buffer
//! stays within its bound; an end without a goodbye of TLS is an error, so nobody can cut a stream short unseen.

use std::io::{self, IoSlice, Read as _, Write as _};
use std::task::Poll;

use bytes::Bytes;
use mio::net::TcpStream;
use rustls::ServerConnection;

use super::link::again;

/// Socket and TLS state.
pub(super) struct Secured {
    pub(super) socket: TcpStream,
    tls: ServerConnection,
}

impl Secured {
    pub(super) fn new(socket: TcpStream, tls: ServerConnection) -> Self {
        Self { socket, tls }
    }

    /// The certificate that the peer proved, DER.
    pub(super) fn certificate(&self) -> Option<Bytes> {
        let first = self.tls.peer_certificates()?.first()?;
        Some(Bytes::copy_from_slice(first))
    }

    /// Reads plain bytes. `Ready(Ok(0))` is the end that the peer told.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        loop {
            match self.tls.reader().read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                done => return Poll::Ready(done),
            }
            match again(|| self.tls.read_tls(&mut self.socket)) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                // The library knows now whether that end was told.
                Poll::Ready(Ok(_)) => {}
            }
            let processed = self.tls.process_new_packets();
            // An answer of TLS itself, or the reason for the end; what has no room now goes with the next write.
            let _later = self.flush();
            if let Err(error) = processed {
                return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, error)));
            }
        }
    }

    /// Takes plain bytes and writes what has room.
    pub(super) fn write(&mut self, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        match self.flush() {
            Poll::Ready(Ok(())) => {}
            Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
            Poll::Pending => return Poll::Pending,
        }
        let taken = self.tls.writer().write_vectored(slices)?;
        match self.flush() {
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            // What the library holds goes with the next write or flush.
            Poll::Ready(Ok(())) | Poll::Pending => Poll::Ready(Ok(taken)),
        }
    }

    /// Writes what the library holds.
    pub(super) fn flush(&mut self) -> Poll<io::Result<()>> {
        while self.tls.wants_write() {
            match again(|| self.tls.write_tls(&mut self.socket)) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => return Poll::Pending,
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Nothing more will be written.
    pub(super) fn say_goodbye(&mut self) {
        self.tls.send_close_notify();
    }
}
