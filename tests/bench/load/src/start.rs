//! Lane start: cold start to serving, idle memory, size of the binary.
//!
//! The limits are absolute; mosquitto stands beside for scale only, it does a part of the work.

use std::thread;
use std::time::Duration;

use crate::report::Figure;
use crate::server::{self, Kind, Ours};
use crate::{Failure, Setup, process};

const IDLE: Duration = Duration::from_secs(5);

pub fn lane(setup: &Setup) -> Result<Vec<Figure>, Failure> {
    let peers = server::peers(setup)?;
    let version = &peers[0].1;
    let (mut seconds, mut memory) = (Vec::new(), Vec::new());
    for _ in 0..setup.pairs {
        let theirs = side(setup, Kind::Mosquitto)?;
        let ours = if setup.peers_only { theirs } else { side(setup, Kind::Ours)? };
        eprintln!("  ours {ours:.3?} (s, MB), {version} {theirs:.3?}");
        seconds.push((ours.0, theirs.0));
        memory.push((ours.1, theirs.1));
    }
    let mut figures = vec![
        Figure::of_pairs("start.seconds", version, "s", &seconds, None, false).with_limit(1.0),
        Figure::of_pairs("start.rss", version, "MB", &memory, None, false).with_limit(60.0),
    ];
    if !setup.peers_only {
        let size = |path: &std::path::Path| -> Result<f64, Failure> {
            Ok(std::fs::metadata(path)?.len() as f64 / 1e6)
        };
        let sizes = [(size(&setup.ours)?, size("/usr/sbin/mosquitto".as_ref())?)];
        figures.push(Figure::of_pairs("start.binary", version, "MB", &sizes, None, false).with_limit(40.0));
    }
    for figure in &mut figures {
        figure.note = "an absolute limit; the peer is for scale only".to_owned();
    }
    Ok(figures)
}

fn side(setup: &Setup, kind: Kind) -> Result<(f64, f64), Failure> {
    let server = server::start(setup, kind, &Ours::default())?;
    thread::sleep(IDLE);
    Ok((server.ready_after.as_secs_f64(), process::resident_kb(server.pid())? / 1_000.0))
}
