//! Hands `device.x` to the linker, which cortex-m-rt's script includes for a board with an interrupt table of its own.
//!
//! It writes nothing but the copy of that file into cargo's output folder.
//! Invariant: the file that links is the one in this folder.

use std::{env, fs, path::Path};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let out = env::var("OUT_DIR")?;
    fs::copy("device.x", Path::new(&out).join("device.x"))?;
    println!("cargo::rustc-link-search={out}");
    println!("cargo::rerun-if-changed=device.x");
    Ok(())
}
