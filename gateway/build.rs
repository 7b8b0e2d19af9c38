//! Build script: embeds the web UI and the shipped rules and dialects into the binary.
//!
//! It calls no other tool: the UI is built by `make ui` beforehand and read from `UI_DIST` (or
//! `gateway/ui/dist`). Without it a debug build shows a placeholder page; a release build fails.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

fn main() {
    let manifest = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets CARGO_MANIFEST_DIR"));
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    embed_ui(&manifest);
    embed_config(&manifest.join("../config"), &out);
}

fn embed_ui(manifest: &Path) {
    println!("cargo::rerun-if-env-changed=UI_DIST");
    let built = env::var_os("UI_DIST").map_or_else(|| manifest.join("ui/dist"), PathBuf::from);
    println!("cargo::rerun-if-changed={}", built.display());
    let placeholder = manifest.join("src/web/placeholder");
    let directory = if built.join("index.html").is_file() {
        built
    } else {
        assert!(
            env::var("PROFILE").as_deref() != Ok("release") || env::var_os("SITEWARDEN_WITHOUT_UI").is_some(),
            "the web UI is not built: run `make ui` first (looked in {})",
            built.display()
        );
        placeholder
    };
    let directory = directory.canonicalize().expect("the UI folder exists");
    memory_serve::load_directory_with_embed(&directory, true);
}

/// Writes `embedded.rs`: one `&[(&str, &str)]` of (file name, text) per folder of shipped configuration.
fn embed_config(config: &Path, out: &Path) {
    let mut code = String::new();
    for (folder, extensions) in [("rules", &["yml"][..]), ("dialects", &["toml"][..])] {
        let directory = config.join(folder).canonicalize().unwrap_or_else(|_| config.join(folder));
        println!("cargo::rerun-if-changed={}", directory.display());
        let _ = writeln!(code, "/// Shipped `config/{folder}`: file name and text.");
        let _ = writeln!(code, "pub(crate) const {}: &[(&str, &str)] = &[", folder.to_uppercase());
        for file in files(&directory, extensions) {
            let name = file.strip_prefix(&directory).unwrap_or(&file).display().to_string();
            let _ = writeln!(code, "    ({name:?}, include_str!({:?})),", file.display().to_string());
        }
        code.push_str("];\n");
    }
    fs::write(out.join("embedded.rs"), code).expect("OUT_DIR can be written");
}

/// Files with one of the extensions, sub-folders included, sorted.
fn files(directory: &Path, extensions: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(files(&path, extensions));
        } else if path.extension().is_some_and(|ext| extensions.iter().any(|known| ext == *known)) {
            found.push(path);
        }
    }
    found.sort();
    found
}
