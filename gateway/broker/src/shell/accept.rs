//! Listening, accepting, TLS handshakes, and the counts of connections.
//!
//! Handshakes run in tasks of their own, so that an idle client delays nobody. Invariants: a socket that
//! is over a bound is closed before anything is read from it; a [`Slot`] gives its place back when dropped;
//! no file descriptor left means a pause, never an end.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sitewarden_core::time::Monotonic;
use socket2::{Domain, Protocol, SockRef, Socket as RawSocket, TcpKeepalive, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;

use super::BrokerError;
use super::clock::Clock;
use super::config::{ListenerConfig, Transport};
use super::link::Socket;
use super::tls::Secured;
use crate::core::Peer;
use crate::limits::{ACCEPT_BACK_OFF_MILLIS, Limit, Limits, WATCH_SECONDS};
use crate::metrics::Metrics;

/// Connections that the kernel keeps while the loop is busy.
const BACKLOG: i32 = 1_024;

/// A bound listener.
pub(super) struct Listener {
    name: Arc<str>,
    pub(super) address: SocketAddr,
    socket: std::net::TcpListener,
    tls: Option<Arc<rustls::ServerConfig>>,
}

impl Listener {
    pub(super) fn bind(
        config: &ListenerConfig,
        tls: Option<&Arc<rustls::ServerConfig>>,
    ) -> Result<Self, BrokerError> {
        let tls = match config.transport {
            Transport::Plain => None,
            Transport::Tls => Some(tls.cloned().ok_or_else(|| BrokerError::NoTls(config.name.clone()))?),
        };
        let bound = listen(config.address).and_then(|socket| Ok((socket.local_addr()?, socket)));
        let (address, socket) = bound.map_err(|source| BrokerError::Bind {
            name: config.name.clone(),
            address: config.address,
            source,
        })?;
        Ok(Self { name: config.name.as_str().into(), address, socket, tls })
    }

    /// Starts accepting, inside the runtime.
    pub(super) fn serve(
        self,
        limits: &Limits,
        counts: &Arc<Counts>,
        metrics: &Arc<Metrics>,
        accepted: &mpsc::Sender<Accepted>,
    ) {
        let Self { name, address, socket, tls } = self;
        let listener = match TcpListener::from_std(socket) {
            Ok(listener) => listener,
            Err(error) => {
                tracing::error!(%address, %error, "MQTT listener cannot be served");
                return;
            }
        };
        tracing::info!(listener = &*name, %address, tls = tls.is_some(), "MQTT listener is open");
        let door = Door {
            name,
            counts: counts.clone(),
            handshake: Duration::from_secs(limits.handshake_seconds.into()),
            metrics: metrics.clone(),
            accepted: accepted.clone(),
        };
        tokio::spawn(accept_all(listener, tls.map(TlsAcceptor::from), door));
    }
}

fn listen(address: SocketAddr) -> std::io::Result<std::net::TcpListener> {
    let socket = RawSocket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

/// A socket for the loop.
pub(super) struct Accepted {
    pub(super) socket: Socket,
    pub(super) peer: Peer,
    pub(super) slot: Slot,
}

#[derive(Clone)]
struct Door {
    name: Arc<str>,
    counts: Arc<Counts>,
    handshake: Duration,
    metrics: Arc<Metrics>,
    accepted: mpsc::Sender<Accepted>,
}

async fn accept_all(listener: TcpListener, tls: Option<TlsAcceptor>, door: Door) {
    let (clock, mut told) = (Clock::default(), None);
    loop {
        let (socket, address) = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    let now = clock.now().mono;
                    let quiet = told.is_some_and(|told: Monotonic| now < told.after(LOG_EVERY));
                    pause_after(&error, &door, quiet).await;
                    told = if quiet { told } else { Some(now) };
                    continue;
                }
            },
            () = door.accepted.closed() => return,
        };
        door.metrics.accepted.increment();
        let slot = match door.counts.enter(address.ip()) {
            Ok(slot) => slot,
            Err(limit) => {
                door.metrics.hit(limit);
                tracing::debug!(%address, limit = limit.name(), "connection refused");
                continue;
            }
        };
        if let Err(error) = tune(&socket) {
            tracing::debug!(%address, %error, "socket gone before it was served");
            continue;
        }
        match &tls {
            None => {
                let Ok(socket) = socket.into_std() else { continue };
                let socket = mio::net::TcpStream::from_std(socket);
                let peer = Peer { address: address.ip(), listener: door.name.clone(), certificate: None };
                let accepted = Accepted { socket: Socket::Plain(socket), peer, slot };
                if door.accepted.send(accepted).await.is_err() {
                    return;
                }
            }
            Some(tls) => {
                tokio::spawn(shake_hands(tls.clone(), socket, address, slot, door.clone()));
            }
        }
    }
}

/// Least time between two log lines about failures of `accept`.
const LOG_EVERY: Duration = Duration::from_secs(WATCH_SECONDS);

/// No descriptor left, or a connection that died in the backlog: never the end of the listener.
async fn pause_after(error: &std::io::Error, door: &Door, quiet: bool) {
    const EMFILE: i32 = 24;
    const ENFILE: i32 = 23;
    if matches!(error.raw_os_error(), Some(EMFILE | ENFILE)) {
        door.metrics.hit(Limit::FileDescriptors);
        if !quiet {
            tracing::warn!(
                listener = &*door.name,
                "no file descriptor left; new devices wait. Raise LimitNOFILE of the service or lower broker.limits.connections"
            );
        }
    } else {
        tracing::debug!(listener = &*door.name, %error, "accept failed");
    }
    tokio::time::sleep(Duration::from_millis(ACCEPT_BACK_OFF_MILLIS)).await;
}

async fn shake_hands(tls: TlsAcceptor, socket: TcpStream, address: SocketAddr, slot: Slot, door: Door) {
    let shaken = tokio::time::timeout(door.handshake, async {
        let stream = tls.accept(socket).await?;
        let (socket, tls) = stream.into_inner();
        Ok::<_, std::io::Error>(Secured::new(mio::net::TcpStream::from_std(socket.into_std()?), tls))
    })
    .await;
    let secured = match shaken {
        Ok(Ok(secured)) => secured,
        Ok(Err(error)) => {
            door.metrics.tls_failed.increment();
            tracing::debug!(%address, %error, "TLS handshake failed");
            return;
        }
        Err(_) => {
            door.metrics.tls_failed.increment();
            door.metrics.hit(Limit::Handshake);
            tracing::debug!(%address, limit = Limit::Handshake.name(), "TLS handshake took too long");
            return;
        }
    };
    let certificate = secured.certificate();
    let peer = Peer { address: address.ip(), listener: door.name.clone(), certificate };
    let accepted = Accepted { socket: Socket::Tls(Box::new(secured)), peer, slot };
    // An error means that the broker is ending: the socket ends with it.
    let _ended = door.accepted.send(accepted).await;
}

/// No Nagle (40 ms at p99 with delayed acknowledgements), and probes for peers that vanished silently.
fn tune(socket: &TcpStream) -> std::io::Result<()> {
    socket.set_nodelay(true)?;
    let keepalive = TcpKeepalive::new()
        .with_time(Duration::from_secs(120))
        .with_interval(Duration::from_secs(30))
        .with_retries(4);
    SockRef::from(socket).set_tcp_keepalive(&keepalive)
}

#[derive(Clone, Copy, Default)]
struct Count {
    all: u32,
    pending: u32,
}

/// How many connections there are, in total and by address, of all listeners.
pub(super) struct Counts {
    bound: Count,
    bound_per_address: Count,
    state: Mutex<(Count, HashMap<IpAddr, Count>)>,
}

impl Counts {
    pub(super) fn of(limits: &Limits) -> Arc<Self> {
        Arc::new(Self {
            bound: Count { all: limits.connections, pending: limits.pending },
            bound_per_address: Count {
                all: limits.connections_per_address,
                pending: limits.pending_per_address,
            },
            state: Mutex::default(),
        })
    }

    fn enter(self: &Arc<Self>, address: IpAddr) -> Result<Slot, Limit> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let (total, addresses) = &mut *state;
        let here = addresses.get(&address).copied().unwrap_or_default();
        let hit = if total.all >= self.bound.all {
            Some(Limit::Connections)
        } else if here.all >= self.bound_per_address.all {
            Some(Limit::ConnectionsPerAddress)
        } else if total.pending >= self.bound.pending {
            Some(Limit::Pending)
        } else if here.pending >= self.bound_per_address.pending {
            Some(Limit::PendingPerAddress)
        } else {
            None
        };
        if let Some(limit) = hit {
            return Err(limit);
        }
        total.all += 1;
        total.pending += 1;
        addresses.insert(address, Count { all: here.all + 1, pending: here.pending + 1 });
        Ok(Slot { counts: self.clone(), address, pending: true })
    }

    fn leave(&self, address: IpAddr, all: u32, pending: u32) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let (total, addresses) = &mut *state;
        total.all = total.all.saturating_sub(all);
        total.pending = total.pending.saturating_sub(pending);
        if let Some(here) = addresses.get_mut(&address) {
            here.all = here.all.saturating_sub(all);
            here.pending = here.pending.saturating_sub(pending);
            if here.all == 0 {
                addresses.remove(&address);
            }
        }
    }
}

/// One connection's place in the counts.
pub(super) struct Slot {
    counts: Arc<Counts>,
    address: IpAddr,
    pending: bool,
}

impl Slot {
    /// The client has its CONNACK.
    pub(super) fn online(&mut self) {
        if std::mem::take(&mut self.pending) {
            self.counts.leave(self.address, 0, 1);
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.counts.leave(self.address, 1, u32::from(self.pending));
    }
}
