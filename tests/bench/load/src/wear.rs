//! Lane store.wear: bytes written to disk for each reading, at 17 and 1,000 readings a second.
//!
//! Ours is the running gateway with its shipped defaults, by the kernel's count of bytes that it caused to
//! be written; the peer is SQLite (WAL, synchronous FULL) with one commit for each reading. At 17 readings
//! a second also the years that a 16 GB eMMC of 3,000 cycles lasts.

use std::io::{Read as _, Write as _};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use crate::report::{Figure, number};
use crate::server::{self, Kind, Ours};
use crate::{Failure, Setup, mqtt, process};

/// 16 GB times 3,000 program cycles, with a write amplification of 2 in the device.
const EMMC_BYTES: f64 = 16e9 * 3_000.0 / 2.0;
const DAY: f64 = 86_400.0;
const SQLITE_READINGS: u32 = 2_000;

pub fn lane(setup: &Setup) -> Result<Vec<Figure>, Failure> {
    let mut figures = Vec::new();
    let theirs = sqlite(&setup.state)?;
    let peer = format!("SQLite {}, one commit a reading", rusqlite::version());
    for (rate, qos, seconds) in [(17_u32, 1_u8, 30_u64), (1_000, 1, 15), (1_000, 0, 15)] {
        let ours = if setup.peers_only { theirs } else { side(setup, rate, qos, seconds)? };
        eprintln!("  {rate}/s QoS {qos}: ours {ours:.0} bytes a reading, {peer} {theirs:.0}");
        let goal = (rate == 1_000).then_some(1.0 / 20.0);
        let lane = format!("store.wear.{rate}.qos{qos}");
        let mut figure = Figure::of_pairs(&lane, &peer, "bytes/reading", &[(ours, theirs)], goal, false);
        if rate == 17 {
            let years = EMMC_BYTES / (ours * f64::from(rate) * DAY) / 365.0;
            figure.note = format!(
                "a 16 GB eMMC of 3,000 cycles and write amplification 2 lasts {} years",
                number(years)
            );
        }
        figures.push(figure);
    }
    Ok(figures)
}

fn side(setup: &Setup, rate: u32, qos: u8, seconds: u64) -> Result<f64, Failure> {
    let server = server::start(setup, Kind::Ours, &Ours::default())?;
    let mut publisher = mqtt::connect(server.mqtt, "wear", None)?;
    let mut reader = publisher.try_clone()?;
    let acknowledgements = thread::spawn(move || {
        let mut buffer = [0_u8; 4_096];
        let mut count = 0;
        while let Ok(length @ 1..) = reader.read(&mut buffer) {
            count += length;
        }
        count / 4
    });
    let mut send = |from: u32, count: u32| -> Result<(), Failure> {
        let begin = Instant::now();
        for index in 0..count {
            thread::sleep(
                (begin + Duration::from_secs(1) / rate * index).saturating_duration_since(Instant::now()),
            );
            let mut packet = Vec::new();
            let topic = format!("site/wear/sensor-{}/temperature", index % 17);
            let value = format!("{}.{}", 18 + index % 5, index % 10);
            mqtt::put_publish(
                &mut packet,
                &topic,
                qos,
                ((from + index) % 60_000 + 1) as u16,
                value.as_bytes(),
            );
            publisher.write_all(&packet)?;
        }
        Ok(())
    };
    // The first seconds make devices and tables; they do not count.
    send(0, rate * 2)?;
    thread::sleep(Duration::from_secs(1));
    let before = process::written_bytes(server.pid())?;
    let count = rate * u32::try_from(seconds)?;
    send(rate * 2, count)?;
    thread::sleep(Duration::from_secs(2));
    let written = process::written_bytes(server.pid())? - before;
    publisher.shutdown(std::net::Shutdown::Both)?;
    let acknowledged = acknowledgements.join().map_err(|_| "the reader's thread failed")?;
    if qos > 0 && acknowledged < (rate * 2 + count) as usize {
        return Err(format!("{acknowledged} of {} readings were acknowledged", rate * 2 + count).into());
    }
    Ok(written / f64::from(count))
}

/// Bytes a reading of plain SQLite, one commit each.
fn sqlite(folder: &Path) -> Result<f64, Failure> {
    let path = folder.join("wear.db");
    for ending in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(format!("{}{ending}", path.display()));
    }
    let connection = rusqlite::Connection::open(&path)?;
    connection.execute_batch(
        "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;
         CREATE TABLE reading(id INTEGER PRIMARY KEY, sensor INTEGER, metric INTEGER, time INTEGER, value REAL);",
    )?;
    let before = process::written_bytes(std::process::id())?;
    for index in 0..SQLITE_READINGS {
        connection.execute(
            "INSERT INTO reading(sensor, metric, time, value) VALUES (?1, 1, ?2, ?3)",
            (index % 17, 1_700_000_000_000_i64 + i64::from(index), 18.0 + f64::from(index % 5)),
        )?;
    }
    let written = process::written_bytes(std::process::id())? - before;
    drop(connection);
    Ok(written / f64::from(SQLITE_READINGS))
}
