//! The disk's own fsync, measured in the folder where the state is.
//!
//! What a durable acknowledgement cannot be faster than. Not a benchmark of the disk.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::time::Instant;

use crate::Failure;
use crate::stats::percentile;

/// Milliseconds of one append of 4 KiB and fdatasync.
#[derive(Clone, Copy, Debug)]
pub struct Fsync {
    pub p50: f64,
    pub p99: f64,
}

/// 300 appends.
pub fn fsync(folder: &Path) -> Result<Fsync, Failure> {
    let path = folder.join("fsync.probe");
    let mut file = File::create(&path)?;
    let block = [0x5A_u8; 4096];
    let mut times = Vec::new();
    for _ in 0..300 {
        let start = Instant::now();
        file.write_all(&block)?;
        file.sync_data()?;
        times.push(start.elapsed().as_secs_f64() * 1e3);
    }
    std::fs::remove_file(&path)?;
    Ok(Fsync { p50: percentile(&times, 50.0), p99: percentile(&times, 99.0) })
}
