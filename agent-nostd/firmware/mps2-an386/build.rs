//! Hands `memory.x` to the linker.
//!
//! It writes nothing but the copy of that file into cargo's output folder, and is run again only when the file changes.
//! Invariant: the memory map that links is the one in this folder, whatever folder cargo was started in.

use std::{env, fs, path::Path};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let out = env::var("OUT_DIR")?;
    fs::copy("memory.x", Path::new(&out).join("memory.x"))?;
    println!("cargo::rustc-link-search={out}");
    println!("cargo::rerun-if-changed=memory.x");
    Ok(())
}
