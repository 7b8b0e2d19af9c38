//! Agents over TCP: who may be connected at once, and a task for each connection.
//!
//! Invariant: connections on which nobody has proved a key are bounded in total, by address and in time, so a flood of
//! them leaves those of proven agents alone.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::Shared;
use super::drive::{Patience, drive};
use super::session::Session;
use crate::agents::agent::Transport;
use crate::agents::told::Place;
use crate::limits::{LINE_CONNECTIONS, LINE_PENDING, LINE_PENDING_PER_ADDRESS, LINE_SILENT, LINE_UNPROVEN};

/// Pause after the system refused a connection (no file descriptor left).
const REFUSED: Duration = Duration::from_millis(100);

/// Connections without a proven key, by address.
#[derive(Default)]
struct Pending(Mutex<HashMap<IpAddr, usize>>);

/// One of them; gives its place back when it is dropped.
struct Waiting {
    pending: Arc<Pending>,
    address: IpAddr,
}

impl Pending {
    fn enter(self: &Arc<Self>, address: IpAddr) -> Option<Waiting> {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let total: usize = waiting.values().sum();
        let here = waiting.get(&address).copied().unwrap_or(0);
        if total >= LINE_PENDING || here >= LINE_PENDING_PER_ADDRESS {
            return None;
        }
        waiting.insert(address, here + 1);
        Some(Waiting { pending: Arc::clone(self), address })
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let mut waiting = self.pending.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(here) = waiting.get_mut(&self.address) {
            *here -= 1;
            if *here == 0 {
                waiting.remove(&self.address);
            }
        }
    }
}

pub(super) async fn serve(shared: Arc<Shared>, listener: std::net::TcpListener, stop: CancellationToken) {
    let listener = match TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => {
            tracing::error!(%error, "agents cannot connect over TCP");
            return;
        }
    };
    let pending = Arc::new(Pending::default());
    let all = Arc::new(Semaphore::new(LINE_CONNECTIONS));
    loop {
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::debug!(%error, "an agent's connection could not be accepted");
                sleep(REFUSED).await;
                continue;
            }
        };
        let place = pending.enter(peer.ip());
        let (Ok(slot), Some(waiting)) = (Arc::clone(&all).try_acquire_owned(), place) else {
            // Closed at once: the agents inside go on.
            shared.deps.agents.dropped(None, "connection-limit");
            continue;
        };
        let place = Place { transport: Transport::Tcp, line: peer.to_string().into() };
        let work = connection(Arc::clone(&shared), stream, place, slot, waiting);
        tokio::spawn(stop.clone().run_until_cancelled_owned(work));
    }
}

async fn connection(
    shared: Arc<Shared>,
    mut stream: TcpStream,
    place: Place,
    slot: OwnedSemaphorePermit,
    waiting: Waiting,
) {
    // A frame is written at once and waits for its answer.
    let _ = stream.set_nodelay(true);
    let mut session = Session::new(shared, place);
    let patience = Patience { unproven: LINE_UNPROVEN, silent: LINE_SILENT };
    let end = Box::pin(drive(&mut stream, &mut session, Some(patience), move || drop(waiting))).await;
    session.close();
    tracing::debug!(%end, "an agent's connection ended");
    drop(slot);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_its_share_and_gives_it_back() {
        let pending = Arc::new(Pending::default());
        let address = |n: u8| IpAddr::from([10, 0, 0, n]);
        let full: Vec<_> = (0..LINE_PENDING_PER_ADDRESS).map(|_| pending.enter(address(1))).collect();
        assert!(full.iter().all(Option::is_some));
        assert!(pending.enter(address(1)).is_none());
        let others: Vec<_> = (2..=u8::MAX).map_while(|n| pending.enter(address(n))).collect();
        assert_eq!(others.len(), LINE_PENDING - LINE_PENDING_PER_ADDRESS);
        drop(full);
        assert!(pending.enter(address(1)).is_some());
        drop(others);
        assert!(pending.0.lock().expect("not poisoned").is_empty());
    }
}
