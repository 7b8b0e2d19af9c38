//! What the firmware takes: flash, RAM, instructions, and the time in which its queue drains. For `make bench LANE=agent`.
//!
//! Nothing is asserted of a figure. QEMU counts the instructions (`-icount`); the line's time is computed from the bytes,
//! because QEMU does not slow the line.
//! Invariant: a figure is one line `figure NAME VALUE LIMIT UNIT`.

use crate::qemu::{
    COUNTED, Device, FLASH, Folder, HURRIED, RAM, enrolled, firmware, full_flash, number, size, tamper,
};
use crate::support::Site;

/// Findings that wait.
const QUEUED: u64 = 40;
/// Instructions of one tick of 25 MHz, at one instruction per nanosecond.
const PER_TICK: u64 = 40;
/// The board's processor, with two cycles for each instruction: a Cortex-M4 with wait states of its flash needs fewer.
const INSTRUCTIONS_PER_SECOND: f64 = 25e6 / 2.0;
/// A byte on the line is ten bits.
const BYTES_PER_SECOND: f64 = 115_200.0 / 10.0;
const DRAIN_LIMIT_S: f64 = 10.0;

fn figure(name: &str, value: f64, limit: Option<f64>, unit: &str) {
    let limit = limit.map_or("-".into(), |limit| limit.to_string());
    println!("figure {name} {value} {limit} {unit}");
}

#[test]
#[ignore = "deep tier: `make bench LANE=agent` runs it; it prints figures and asserts none"]
fn figures() {
    let product = firmware().expect("SITEWARDEN_FIRMWARE names the product's ELF file");
    let measured =
        std::env::var("SITEWARDEN_FIRMWARE_MEASURED").expect("the ELF file with the feature `measure`");
    let (flash, _) = size(&std::fs::read(&product).unwrap());
    figure("agent.flash", flash as f64, Some(FLASH as f64), "bytes");
    figure("agent.ram", full_flash(&product) as f64, Some(RAM as f64), "bytes");

    let folder = Folder::new("bench");
    let mut site = Site::new();
    enrolled(&measured, &folder, &mut site).cut();
    let mut device = Device::start(&measured, &folder, &HURRIED);
    device.alone("the start", |line| line.contains("parameters 1"));
    let mut lines = Vec::new();
    for n in 0..=QUEUED {
        lines.push(tamper(&mut device, &folder, n % 2 == 0));
    }
    device.cut();
    let samples = |line: &String| number(line, "samples").unwrap();
    let raise = (samples(&lines[QUEUED as usize]) - samples(&lines[0])) * PER_TICK / QUEUED;
    figure("agent.raise", raise as f64, None, "instructions/finding");

    // From the first acknowledgement on: QUEUED findings are left.
    site.restart();
    let mut device = Device::start(&measured, &folder, &COUNTED);
    let mut first = None;
    let mut left = 0;
    device.pump(&mut site, "the first acknowledgement", |line, _| {
        first =
            line.filter(|line| number(line, "queued") == Some(QUEUED)).and_then(|line| number(line, "link"));
        first.is_some()
    });
    let carried = device.carried;
    device.pump(&mut site, "the empty queue", |line, _| {
        let empty = line.filter(|line| number(line, "queued") == Some(0));
        left = empty.and_then(|line| number(line, "link")).unwrap_or(0);
        empty.is_some()
    });
    let carried = device.carried - carried;
    device.cut();
    let instructions = (left - first.unwrap()) * PER_TICK;
    figure("agent.send", (instructions / QUEUED) as f64, None, "instructions/finding");
    figure("agent.line", carried as f64 / QUEUED as f64, None, "bytes/finding");
    let seconds = carried as f64 / BYTES_PER_SECOND + instructions as f64 / INSTRUCTIONS_PER_SECOND;
    figure("agent.drain", seconds, Some(DRAIN_LIMIT_S), "s");
}
