//! The door of the web server: a bounded number of connections, in total and from one address.
//!
//! Web and broker share the process's file descriptors; whoever opens connections to the pages must not take those that
//! sensors need. No TLS here and no time: the handshake and a slow head have bounds of their own. Invariant: a connection is
//! counted from its accept to its end.

use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use axum_server::accept::Accept;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use crate::limits::{WEB_CONNECTIONS, WEB_CONNECTIONS_PER_ADDRESS};

/// See the module.
#[derive(Clone, Debug, Default)]
pub(crate) struct Door(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    open: Mutex<Open>,
    refused: AtomicU64,
}

#[derive(Debug, Default)]
struct Open {
    total: usize,
    by_address: HashMap<IpAddr, usize>,
}

impl Door {
    /// Connections that are open.
    pub(crate) fn open(&self) -> usize {
        self.0.open.lock().unwrap_or_else(PoisonError::into_inner).total
    }

    /// Connections that were refused because there were too many.
    pub(crate) fn refused(&self) -> u64 {
        self.0.refused.load(Ordering::Relaxed)
    }

    fn enter(&self, address: IpAddr) -> Option<Place> {
        let mut open = self.0.open.lock().unwrap_or_else(PoisonError::into_inner);
        let of_address = open.by_address.get(&address).copied().unwrap_or_default();
        if open.total >= WEB_CONNECTIONS || of_address >= WEB_CONNECTIONS_PER_ADDRESS {
            drop(open);
            // The first is told, then each thousandth: a flood must not fill the log.
            if self.0.refused.fetch_add(1, Ordering::Relaxed).is_multiple_of(1_000) {
                tracing::warn!(%address, "a web connection was refused: too many are open");
            }
            return None;
        }
        open.total += 1;
        open.by_address.insert(address, of_address + 1);
        Some(Place { door: Self(Arc::clone(&self.0)), address })
    }
}

/// One connection's count; dropped with it.
#[derive(Debug)]
pub(crate) struct Place {
    door: Door,
    address: IpAddr,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.door.0.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.total -= 1;
        if let Some(count) = open.by_address.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                open.by_address.remove(&self.address);
            }
        }
    }
}

impl<S> Accept<TcpStream, S> for Door {
    type Stream = Counted;
    type Service = S;
    type Future = std::future::Ready<io::Result<(Counted, S)>>;

    fn accept(&self, stream: TcpStream, service: S) -> Self::Future {
        let entered = stream.peer_addr().and_then(|peer| {
            stream.set_nodelay(true)?;
            self.enter(peer.ip()).ok_or_else(|| io::Error::other("too many connections"))
        });
        std::future::ready(entered.map(|place| (Counted { stream, _place: place }, service)))
    }
}

/// A connection that is counted.
#[derive(Debug)]
pub(crate) struct Counted {
    stream: TcpStream,
    _place: Place,
}

impl AsyncRead for Counted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Counted {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_takes_its_share_and_no_more_and_gives_it_back() {
        let door = Door::default();
        let (greedy, honest) = (IpAddr::from([192, 0, 2, 1]), IpAddr::from([192, 0, 2, 2]));
        let mut places: Vec<Place> = std::iter::from_fn(|| door.enter(greedy)).collect();
        assert_eq!(places.len(), WEB_CONNECTIONS_PER_ADDRESS);
        assert_eq!(door.refused(), 1);
        let other = door.enter(honest).expect("another address has its own share");
        places.pop();
        assert!(door.enter(greedy).is_some(), "a place that was given back is free");
        drop((places, other));
        assert_eq!(door.open(), 0);
        assert!(door.0.open.lock().expect("whole").by_address.is_empty(), "nothing stays of who is gone");
    }

    #[test]
    fn all_addresses_together_are_bounded() {
        let door = Door::default();
        let addresses = (0..=u8::MAX).map(|last| IpAddr::from([198, 51, 100, last]));
        let places: Vec<Place> = addresses
            .flat_map(|address| std::iter::from_fn(move || Some(address)).take(8))
            .map_while(|address| door.enter(address))
            .collect();
        assert_eq!((places.len(), door.open()), (WEB_CONNECTIONS, WEB_CONNECTIONS));
    }
}
