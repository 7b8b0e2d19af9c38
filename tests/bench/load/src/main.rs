//! `sitewarden-bench LANE ...`: figures against peers, measured in the same run, alternating.
//!
//! Not a test: it asserts nothing and fails only when it cannot measure. One JSON line for each figure on
//! standard output, a table for people in `tests/bench/RESULTS.md`. Invariant: a ratio is printed only when
//! both sides were measured in this run. `--record LANE` takes the figures of a lane that is measured elsewhere
//! from standard input, one JSON line each.

mod agent;
mod disk;
mod drain;
mod fan;
mod idle;
mod latency;
mod mqtt;
mod pipe;
mod process;
mod report;
mod server;
mod start;
mod stats;
mod tls;
mod wear;

use std::path::PathBuf;
use std::process::ExitCode;

/// Anything that keeps a lane from being measured, told to the person who started it.
pub type Failure = Box<dyn std::error::Error>;

/// What a run works with.
pub struct Setup {
    /// The repository.
    pub root: PathBuf,
    /// Our release binary.
    pub ours: PathBuf,
    /// The built peer, if there is one.
    pub rumqttd: Option<PathBuf>,
    /// Where state folders go: on the disk whose speed counts.
    pub state: PathBuf,
    /// Pairs for each lane.
    pub pairs: usize,
    /// Seconds measured for each side of a pair.
    pub seconds: u64,
    /// Measure the peers alone, to try the generator.
    pub peers_only: bool,
}

const LANES: &[(&str, fn(&Setup) -> Result<Vec<report::Figure>, Failure>)] = &[
    ("mqtt.fanin.qos0", |setup| fan::lane(setup, fan::Shape::In, 0)),
    ("mqtt.fanin.qos1", |setup| fan::lane(setup, fan::Shape::In, 1)),
    ("mqtt.fanout.qos0", |setup| fan::lane(setup, fan::Shape::Out, 0)),
    ("mqtt.fanout.qos1", |setup| fan::lane(setup, fan::Shape::Out, 1)),
    ("mqtt.latency", latency::lane),
    ("mqtt.idle", idle::lane),
    ("pipe.latency", pipe::lane),
    ("store.wear", wear::lane),
    ("start", start::lane),
    ("uplink.drain", drain::lane),
    ("agent", agent::lane),
];

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("bench: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Failure> {
    let mut setup = Setup {
        root: PathBuf::from("."),
        ours: PathBuf::from("target/release/sitewarden"),
        rumqttd: None,
        state: PathBuf::from("target/bench"),
        pairs: 5,
        seconds: 3,
        peers_only: false,
    };
    let mut wanted = Vec::new();
    let mut record = None;
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or_else(|| format!("{argument} needs a value"));
        match argument.as_str() {
            "--root" => setup.root = value()?.into(),
            "--ours" => setup.ours = value()?.into(),
            "--rumqttd" => setup.rumqttd = Some(value()?.into()),
            "--state" => setup.state = value()?.into(),
            "--pairs" => setup.pairs = value()?.parse()?,
            "--seconds" => setup.seconds = value()?.parse()?,
            "--peers-only" => setup.peers_only = true,
            "--record" => record = Some(value()?),
            lane => wanted.push(lane.to_owned()),
        }
    }
    if let Some(lane) = record {
        return report::record(&setup, &lane);
    }
    std::fs::create_dir_all(&setup.state)?;
    let lanes: Vec<_> = LANES
        .iter()
        .filter(|(name, _)| {
            wanted.iter().any(|lane| lane == "all" || name == lane || name.starts_with(&format!("{lane}.")))
        })
        .collect();
    if lanes.is_empty() {
        let names: Vec<_> = LANES.iter().map(|(name, _)| *name).collect();
        return Err(format!("lanes are: {}; `mqtt` and `all` name several", names.join(", ")).into());
    }
    for (name, lane) in lanes {
        eprintln!("lane {name}: {} pairs of {} s", setup.pairs, setup.seconds);
        let figures = lane(&setup).map_err(|failure| format!("{name}: {failure}"))?;
        for figure in &figures {
            println!("{}", serde_json::to_string(figure)?);
        }
        if !setup.peers_only {
            report::write(&setup, name, &figures)?;
        }
    }
    Ok(())
}
