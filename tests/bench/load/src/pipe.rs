//! Lane pipe.latency: from publish to committed finding, under 10,000 readings a second and 100 rules.
//!
//! A probe is a QoS 1 reading of its own device that one rule fires on. Its PUBACK means that the reading and
//! the finding are on disk, so its time is the lane's time; afterwards the site log is read and must have a
//! finding for each probe, or there is no figure. The background is QoS 0 readings that every rule looks at.

use std::fs;
use std::io::{Read as _, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::report::Figure;
use crate::server::{self, Kind, Ours};
use crate::stats::percentile;
use crate::{Failure, Setup, disk, mqtt};

const RULES: usize = 100;
const BACKGROUND_CLIENTS: usize = 20;
/// Readings a client sends in each tick of 2 ms: 20 clients make 10,000 a second.
const PER_TICK: usize = 1;
const TICK: Duration = Duration::from_millis(2);
const PROBES_A_SECOND: u32 = 100;

pub fn lane(setup: &Setup) -> Result<Vec<Figure>, Failure> {
    if setup.peers_only {
        return Ok(Vec::new());
    }
    let rules = setup.state.join("rules-100");
    write_rules(&rules)?;
    let (mut p50, mut p99, mut rates) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..setup.pairs {
        let fsync = disk::fsync(&setup.state)?;
        let (times, rate) = side(setup, &rules)?;
        let (half, most) = (percentile(&times, 50.0), percentile(&times, 99.0));
        eprintln!("  p50 {half:.3} ms, p99 {most:.3} ms at {rate:.0} readings/s, {fsync:.3?}");
        p50.push((half, 1.0 + 2.0 * fsync.p50));
        p99.push((most, 1.0 + 2.0 * fsync.p99));
        rates.push(rate);
    }
    let note = format!("{RULES} rules, background {:.0} readings/s", crate::stats::median(&rates));
    let mut figures = vec![
        Figure::of_pairs("pipe.latency.p50", "1 ms + 2 fsyncs (p50)", "ms", &p50, None, false),
        Figure::of_pairs("pipe.latency.p99", "1 ms + 2 fsyncs (p99)", "ms", &p99, Some(1.0), false),
    ];
    for figure in &mut figures {
        figure.note.clone_from(&note);
    }
    Ok(figures)
}

/// Rule N fires on metric `bench_N` above 90. The background sends those metrics below it.
fn write_rules(folder: &std::path::Path) -> Result<(), Failure> {
    fs::create_dir_all(folder)?;
    for index in 0..RULES {
        let text = format!(
            "title: Bench {index}\nid: 00000000-0000-4000-8000-{index:012}\nstatus: test\nlevel: high\n\
             logsource:\n  product: iot\n  category: sensor_reading\ndetection:\n  selection:\n    \
             sensor_type: bench_{index}\n  high:\n    value|gt: 90\n  condition: selection and high\n"
        );
        fs::write(folder.join(format!("bench_{index}.yml")), text)?;
    }
    Ok(())
}

fn side(setup: &Setup, rules: &std::path::Path) -> Result<(Vec<f64>, f64), Failure> {
    let server = server::start(setup, Kind::Ours, &Ours { rules: Some(rules) })?;
    let stop = Arc::new(AtomicBool::new(false));
    let sent = Arc::new(AtomicU64::new(0));
    let mut clients = Vec::new();
    for index in 0..BACKGROUND_CLIENTS {
        clients.push(mqtt::connect(server.mqtt, &format!("background-{index}"), None)?);
    }
    let background = {
        let (stop, sent) = (stop.clone(), sent.clone());
        thread::spawn(move || -> Result<(), String> {
            let begin = Instant::now();
            let mut tick = 0_u32;
            let mut number = 0_usize;
            while !stop.load(Ordering::Relaxed) {
                thread::sleep((begin + TICK * tick).saturating_duration_since(Instant::now()));
                tick += 1;
                for (index, client) in clients.iter_mut().enumerate() {
                    let mut packet = Vec::new();
                    for _ in 0..PER_TICK {
                        number += 1;
                        let topic = format!("site/bench/background-{index}/bench_{}", number % RULES);
                        let payload = format!("{}.5", number % 80);
                        mqtt::put_publish(&mut packet, &topic, 0, 0, payload.as_bytes());
                    }
                    client.write_all(&packet).map_err(|error| format!("background: {error}"))?;
                    sent.fetch_add(PER_TICK as u64, Ordering::Relaxed);
                }
            }
            Ok(())
        })
    };
    thread::sleep(Duration::from_millis(700));
    let mut probe = mqtt::connect(server.mqtt, "probe", None)?;
    let begin = Instant::now();
    let before = sent.load(Ordering::Relaxed);
    let count = PROBES_A_SECOND * u32::try_from(setup.seconds)?;
    let mut times = Vec::new();
    for index in 0..count {
        thread::sleep(
            (begin + Duration::from_secs(1) / PROBES_A_SECOND * index)
                .saturating_duration_since(Instant::now()),
        );
        let mut packet = Vec::new();
        let topic = format!("site/bench/probe-{index}/bench_{}", index as usize % RULES);
        mqtt::put_publish(&mut packet, &topic, 1, (index + 1) as u16, b"95");
        let start = Instant::now();
        probe.write_all(&packet)?;
        let mut answer = [0_u8; 4];
        probe.read_exact(&mut answer)?;
        if answer != [0x40, 2, ((index + 1) >> 8) as u8, (index + 1) as u8] {
            return Err(format!("PUBACK expected, {answer:02x?} came").into());
        }
        times.push(start.elapsed().as_secs_f64() * 1e3);
    }
    let rate = (sent.load(Ordering::Relaxed) - before) as f64 / begin.elapsed().as_secs_f64();
    stop.store(true, Ordering::Relaxed);
    background.join().map_err(|_| "the background's thread failed")??;
    let findings = findings(&server.folder.join("state/state.db"))?;
    if findings < u64::from(count) {
        return Err(
            format!("{count} probes were acknowledged and {findings} findings are in the site log").into()
        );
    }
    Ok((times, rate))
}

/// Findings that the site log has.
fn findings(database: &std::path::Path) -> Result<u64, Failure> {
    let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY;
    let connection = rusqlite::Connection::open_with_flags(database, flags)?;
    let count: i64 =
        connection
            .query_row("SELECT count(*) FROM site_log WHERE kind LIKE 'finding%'", [], |row| row.get(0))?;
    Ok(u64::try_from(count)?)
}
