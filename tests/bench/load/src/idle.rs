//! Lane mqtt.idle: memory of an idle connection, 10,000 of them over plain TCP.
//!
//! Connections come from 200 loopback addresses, so that no limit per address is met that a real site would
//! not meet either. Measured is the growth of resident memory.

use std::net::{IpAddr, Ipv4Addr};
use std::thread;
use std::time::Duration;

use crate::report::Figure;
use crate::server::{self, Kind, Ours};
use crate::{Failure, Setup, mqtt, process};

const CONNECTIONS: usize = 10_000;
const ADDRESSES: usize = 200;
const SETTLE: Duration = Duration::from_secs(2);

pub fn lane(setup: &Setup) -> Result<Vec<Figure>, Failure> {
    let peers = server::peers(setup)?;
    let mut figures = Vec::new();
    let ours = if setup.peers_only { None } else { Some(side(setup, Kind::Ours)?) };
    for (kind, version) in peers {
        let theirs = side(setup, kind)?;
        eprintln!("  ours {ours:.2?}, {version} {theirs:.2} kB a connection");
        let pair = [(ours.unwrap_or(theirs), theirs)];
        let goal = (kind == Kind::Mosquitto).then_some(1.5);
        let mut figure = Figure::of_pairs("mqtt.idle.plain", &version, "kB/connection", &pair, goal, false);
        figure.note = format!("{CONNECTIONS} connections, once: memory does not vary as time does");
        figures.push(figure);
    }
    Ok(figures)
}

fn side(setup: &Setup, kind: Kind) -> Result<f64, Failure> {
    let server = server::start(setup, kind, &Ours::default())?;
    // One connection first, so that what is made once does not count.
    let first = mqtt::connect(server.mqtt, "idle-first", None)?;
    thread::sleep(SETTLE);
    let before = process::resident_kb(server.pid())?;
    let mut open = vec![first];
    for index in 0..CONNECTIONS {
        let address = index % ADDRESSES;
        let from = Ipv4Addr::new(127, 0, 1 + (address / 100) as u8, 1 + (address % 100) as u8);
        open.push(
            mqtt::connect(server.mqtt, &format!("idle-{index}"), Some(IpAddr::V4(from)))
                .map_err(|failure| format!("{kind:?}: connection {index}: {failure}"))?,
        );
    }
    thread::sleep(SETTLE);
    let grown = process::resident_kb(server.pid())? - before;
    Ok(grown / CONNECTIONS as f64)
}
