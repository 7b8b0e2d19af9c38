//! Lane uplink.drain: a backlog of 100,000 records to a cloud, against curl posting the same compressed batches.
//!
//! `drain.py` beside this crate fills the log of a stopped gateway, takes the batches of the started one, and has curl
//! post what it took to the same place over one connection. Records a second on both sides; also how much the gateway's
//! memory grew meanwhile.

use std::process::Command;

use serde::Deserialize;

use crate::report::{Figure, number};
use crate::{Failure, Setup};

const RECORDS: u32 = 100_000;

#[derive(Deserialize)]
struct Pair {
    ours: f64,
    theirs: f64,
    curl: String,
    batches: u32,
    packed_mib: f64,
    grown_mib: f64,
}

pub fn lane(setup: &Setup) -> Result<Vec<Figure>, Failure> {
    if setup.peers_only {
        return Ok(Vec::new());
    }
    let (mut pairs, mut grown, mut last) = (Vec::new(), Vec::new(), None);
    for _ in 0..setup.pairs {
        let pair = pair(setup)?;
        eprintln!(
            "  ours {:.0} records/s, curl {:.0}, memory grew by {:.1} MiB",
            pair.ours, pair.theirs, pair.grown_mib
        );
        pairs.push((pair.ours, pair.theirs));
        grown.push(pair.grown_mib);
        last = Some(pair);
    }
    let last = last.ok_or("no pairs")?;
    let mut figure = Figure::of_pairs("uplink.drain", &last.curl, "records/s", &pairs, Some(0.9), true);
    figure.note = format!(
        "{RECORDS} records in {} batches, {} MiB compressed; the gateway's memory grew by {} MiB",
        last.batches,
        number(last.packed_mib),
        number(crate::stats::median(&grown))
    );
    Ok(vec![figure])
}

fn pair(setup: &Setup) -> Result<Pair, Failure> {
    let output = Command::new(setup.root.join(".venv/bin/python"))
        .arg(setup.root.join("tests/bench/load/drain.py"))
        .arg("--ours")
        .arg(&setup.ours)
        .arg("--state")
        .arg(setup.state.join("drain"))
        .args(["--records", &RECORDS.to_string()])
        .stderr(std::process::Stdio::inherit())
        .output()?;
    if !output.status.success() {
        return Err(format!("drain.py ended with {}", output.status).into());
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}
