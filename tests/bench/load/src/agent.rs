//! The lane of the agent's firmware: what it takes of its budget, and what a finding costs.
//!
//! The device runs in QEMU under the harness of the agent's own stories, which prints the figures; here they only get their
//! form. There is no peer: the budget is what they are compared with, and what has none is stated.
//! Invariant: a figure that the harness did not print fails the lane.

use std::process::Command;

use crate::report::Figure;
use crate::{Failure, Setup};

/// What the harness prints, in its order.
const FIGURES: [&str; 6] =
    ["agent.flash", "agent.ram", "agent.raise", "agent.send", "agent.line", "agent.drain"];

pub fn lane(setup: &Setup) -> Result<Vec<Figure>, Failure> {
    let output = Command::new("cargo")
        .args([
            "test",
            "--quiet",
            "--locked",
            "--test",
            "link",
            "--",
            "--ignored",
            "--nocapture",
            "bench::figures",
        ])
        .current_dir(setup.root.join("agent-nostd"))
        .env("SITEWARDEN_FIRMWARE", setup.state.join("agent-product.elf"))
        .env("SITEWARDEN_FIRMWARE_MEASURED", setup.state.join("agent-measured.elf"))
        .output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let figures: Vec<Figure> = text.lines().filter_map(figure).collect();
    let names: Vec<&str> = figures.iter().map(|figure| figure.lane.as_str()).collect();
    if !output.status.success() || names != FIGURES {
        return Err(format!("{text}\n{}", String::from_utf8_lossy(&output.stderr)).into());
    }
    Ok(figures)
}

/// `figure NAME VALUE LIMIT UNIT`; `-` is no limit.
fn figure(line: &str) -> Option<Figure> {
    let mut words = line.split(' ').skip_while(|word| *word != "figure").skip(1);
    let (name, value, limit, unit) = (words.next()?, words.next()?, words.next()?, words.next()?);
    let ours: f64 = value.parse().ok()?;
    let limit: Option<f64> = limit.parse().ok();
    let theirs = limit.unwrap_or(0.0);
    let ratio = limit.map_or(0.0, |limit| ours / limit);
    Some(Figure {
        lane: name.to_owned(),
        ours,
        peer: if limit.is_some() { "the budget" } else { Figure::NO_PEER }.to_owned(),
        theirs,
        unit: unit.to_owned(),
        ratio,
        range: [ratio, ratio],
        goal: limit.map(|_| 1.0),
        higher: false,
        limit: None,
        pairs: 1,
        note: note(name).to_owned(),
        commit: String::new(),
        machine: String::new(),
    })
}

fn note(name: &str) -> &'static str {
    match name {
        "agent.ram" => {
            "static data and painted stack, the largest over enrolment, parameters, findings and a full flash"
        }
        "agent.raise" => {
            "rules, Ed25519 signature and flash, counted by QEMU; the flash's own time is not in it"
        }
        "agent.send" => "flash, encryption and the acknowledgement, counted by QEMU",
        "agent.line" => "both directions, with the acknowledgement",
        "agent.drain" => {
            "40 findings one after the other, computed: bytes at 115,200 baud and instructions at 25 MHz with two cycles each"
        }
        _ => "",
    }
}
