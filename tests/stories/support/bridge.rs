//! A TCP bridge between an agent and the gateway that loses, changes and holds back frames when told so.
//!
//! The agent's end keeps its address while the gateway is killed and comes back on another port. Faults are seeded, frame
//! by frame, so that a run that fails can be run again.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};

/// Frames end with this byte (`sitewarden_wire::frame::DELIMITER`).
const DELIMITER: u8 = 0;

/// What a line does to what it carries.
#[derive(Debug, Default)]
pub(crate) struct Weather {
    /// Damages about a third of the frames, in both directions.
    pub(crate) noisy: AtomicBool,
    /// Nothing reaches the agent.
    pub(crate) deaf: AtomicBool,
    /// Frames that were damaged so far.
    pub(crate) faults: AtomicU32,
}

/// The bridge.
pub(crate) struct Bridge {
    pub(crate) address: SocketAddr,
    pub(crate) weather: Arc<Weather>,
    gateway: Arc<Mutex<Option<SocketAddr>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Bridge {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let (weather, gateway) = (Arc::new(Weather::default()), Arc::new(Mutex::new(None)));
        let task = tokio::spawn(carry(listener, Arc::clone(&gateway), Arc::clone(&weather)));
        Self { address, weather, gateway, task }
    }

    /// Where the gateway is now.
    pub(crate) fn to(&self, gateway: SocketAddr) {
        *self.gateway.lock().unwrap_or_else(PoisonError::into_inner) = Some(gateway);
    }
}

impl Drop for Bridge {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn carry(listener: TcpListener, gateway: Arc<Mutex<Option<SocketAddr>>>, weather: Arc<Weather>) {
    // One agent; when either end goes, both are closed and the agent comes again.
    while let Ok((agent, _)) = listener.accept().await {
        let address = *gateway.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(address) = address else { continue };
        let Ok(gateway) = TcpStream::connect(address).await else { continue };
        let (agent_reads, agent_writes) = agent.into_split();
        let (gateway_reads, gateway_writes) = gateway.into_split();
        tokio::select! {
            () = pump(agent_reads, gateway_writes, &weather, false, 0x5eed) => {}
            () = pump(gateway_reads, agent_writes, &weather, true, 0xfeed) => {}
        }
    }
}

/// A linear congruential generator (Numerical Recipes).
struct Seeded(u32);

impl Seeded {
    fn below(&mut self, bound: u32) -> u32 {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (self.0 >> 16) % bound
    }
}

async fn pump(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, weather: &Weather, down: bool, seed: u32) {
    let (mut random, mut frame, mut held) = (Seeded(seed), Vec::new(), Vec::new());
    let mut buffer = vec![0; 4096];
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        for byte in &buffer[..count] {
            frame.push(*byte);
            if *byte != DELIMITER {
                continue;
            }
            let whole = std::mem::take(&mut frame);
            if down && weather.deaf.load(Ordering::Relaxed) {
                continue;
            }
            let bytes = if weather.noisy.load(Ordering::Relaxed) {
                damage(whole, &mut held, &mut random, weather)
            } else {
                whole
            };
            if to.write_all(&bytes).await.is_err() {
                return;
            }
        }
    }
}

/// One fault of each kind in eighteen frames; the rest goes through.
fn damage(mut frame: Vec<u8>, held: &mut Vec<u8>, random: &mut Seeded, weather: &Weather) -> Vec<u8> {
    let place = random.below(u32::try_from(frame.len()).unwrap_or(1)) as usize;
    let before = std::mem::take(held);
    let kind = random.below(18);
    if kind < 6 {
        weather.faults.fetch_add(1, Ordering::Relaxed);
    }
    match kind {
        0 => frame[place] ^= 0x10,
        1 => frame.clear(),
        2 => frame.extend(frame.clone()),
        3 => *held = std::mem::take(&mut frame),
        4 => frame.truncate(place),
        5 => frame.splice(..0, (0..place).map(|n| n as u8 ^ 0xa5)).for_each(drop),
        _ => {}
    }
    frame.extend(before);
    frame
}
