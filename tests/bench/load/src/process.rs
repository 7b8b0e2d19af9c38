//! What the kernel says about a process: CPU time, memory, bytes written.
//!
//! Read from /proc of a process that this program started. Invariant: all its threads count.

use std::fs;

use crate::Failure;

/// Clock ticks a second in /proc; 100 on every Linux that we run on.
const TICKS: f64 = 100.0;

/// CPU seconds of all threads of a process, user and system.
pub fn cpu_seconds(pid: u32) -> Result<f64, Failure> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let after_name = stat.rsplit_once(')').ok_or("no process name in stat")?.1;
    let fields: Vec<&str> = after_name.split_ascii_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<f64>().ok());
    let (user, system) = (ticks(11).ok_or("utime")?, ticks(12).ok_or("stime")?);
    Ok((user + system) / TICKS)
}

/// Resident memory in kB.
pub fn resident_kb(pid: u32) -> Result<f64, Failure> {
    field(&fs::read_to_string(format!("/proc/{pid}/status"))?, "VmRSS:")
}

/// Bytes that the process caused to be written to disk.
pub fn written_bytes(pid: u32) -> Result<f64, Failure> {
    field(&fs::read_to_string(format!("/proc/{pid}/io"))?, "write_bytes:")
}

fn field(text: &str, name: &str) -> Result<f64, Failure> {
    let line = text.lines().find_map(|line| line.strip_prefix(name)).ok_or(format!("no {name}"))?;
    let number = line.split_ascii_whitespace().next().ok_or(format!("empty {name}"))?;
    Ok(number.parse()?)
}
