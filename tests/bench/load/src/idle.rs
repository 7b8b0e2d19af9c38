//! Lane mqtt.idle: memory of an idle connection, 10,000 of them, plain and over TLS.
//!
//! Connections come from 200 loopback addresses, so that no limit per address is met that a real site would
//! not meet either. Measured is the growth of resident memory after one connection was there already.

use std::net::{IpAddr, Ipv4Addr, TcpStream};
use std::thread;
use std::time::Duration;

use crate::report::Figure;
use crate::server::{self, Kind, Ours};
use crate::{Failure, Setup, mqtt, process, tls};

const CONNECTIONS: usize = 10_000;
const ADDRESSES: usize = 200;
const THREADS: usize = 25;
const SETTLE: Duration = Duration::from_secs(2);

pub fn lane(setup: &Setup) -> Result<Vec<Figure>, Failure> {
    let peers = server::peers(setup)?;
    let mut figures = Vec::new();
    for secure in [false, true] {
        let ours = if setup.peers_only { None } else { Some(side(setup, Kind::Ours, secure)?) };
        for (kind, version) in &peers {
            // rumqttd's TLS needs files of its own making; plain tells enough of it.
            if secure && *kind == Kind::Rumqttd {
                continue;
            }
            let theirs = side(setup, *kind, secure)?;
            eprintln!("  TLS {secure}: ours {ours:.2?}, {version} {theirs:.2} kB a connection");
            let pair = [(ours.unwrap_or(theirs), theirs)];
            let goal = (*kind == Kind::Mosquitto).then_some(1.5);
            let lane = if secure { "mqtt.idle.tls" } else { "mqtt.idle.plain" };
            let mut figure = Figure::of_pairs(lane, version, "kB/connection", &pair, goal, false);
            figure.note = format!("{CONNECTIONS} connections, once: memory does not vary as time does");
            figures.push(figure);
        }
    }
    Ok(figures)
}

/// Kept open until the measurement is done.
enum Open {
    Plain(#[expect(dead_code, reason = "held, not used")] TcpStream),
    Tls(#[expect(dead_code, reason = "held, not used")] Box<tls::Connection>),
}

fn side(setup: &Setup, kind: Kind, secure: bool) -> Result<f64, Failure> {
    let server = server::start(setup, kind, &Ours::default())?;
    let config = tls::config()?;
    let connect = |id: &str, from: Option<IpAddr>| -> Result<Open, Failure> {
        if secure {
            let socket = mqtt::socket(server.tls, from)?;
            return Ok(Open::Tls(Box::new(tls::connect(&config, socket, id)?)));
        }
        Ok(Open::Plain(mqtt::connect(server.mqtt, id, from)?))
    };
    let open_one = &|index: usize| -> Result<Open, String> {
        let address = index % ADDRESSES;
        let from = Ipv4Addr::new(127, 0, 1 + (address / 100) as u8, 1 + (address % 100) as u8);
        let opened = connect(&format!("idle-{index}"), Some(IpAddr::V4(from)));
        opened.map_err(|failure| format!("connection {index}: {failure}"))
    };
    // One connection first, so that what is made once does not count.
    let mut open = vec![connect("idle-first", None)?];
    thread::sleep(SETTLE);
    let before = process::resident_kb(server.pid())?;
    // In parallel: a server that leaves Nagle's algorithm on answers each hand-shake after 40 ms.
    let made: Vec<Result<Vec<Open>, String>> = thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|part| scope.spawn(move || (part..CONNECTIONS).step_by(THREADS).map(open_one).collect()))
            .collect();
        let failed = |_| Err("a connecting thread failed".to_owned());
        threads.into_iter().map(|thread| thread.join().unwrap_or_else(failed)).collect()
    });
    for part in made {
        open.extend(part.map_err(|failure| format!("{kind:?}: {failure}"))?);
    }
    thread::sleep(SETTLE);
    let grown = process::resident_kb(server.pid())? - before;
    drop(open);
    Ok(grown / CONNECTIONS as f64)
}
