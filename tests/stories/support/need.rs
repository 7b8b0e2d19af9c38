//! What a story needs from the machine: programs and folders, looked up by name.
//!
//! Whoever misses something is told which story was skipped and what to install. With `CI=true` nothing
//! may be missing: then the story fails.

use std::io::Write as _;
use std::path::PathBuf;

/// Where Debian keeps programs that are not in an ordinary PATH.
const MORE_FOLDERS: [&str; 3] = ["/usr/sbin", "/sbin", "/usr/lib/postgresql/15/bin"];

/// Path of a program, or `None` after saying that the story is skipped.
///
/// # Panics
/// With `CI=true` when the program is missing.
pub(crate) fn program(name: &str) -> Option<PathBuf> {
    let found = find(name);
    if found.is_none() {
        skip(&format!("{name} is not installed (make setup)"));
    }
    found
}

fn find(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(MORE_FOLDERS.iter().map(PathBuf::from));
    folders.map(|folder| folder.join(name)).find(|file| file.is_file())
}

/// Says on the terminal, past libtest's capture, that the running story is skipped and why.
///
/// # Panics
/// With `CI=true`.
pub(crate) fn skip(why: &str) {
    let story = std::thread::current().name().unwrap_or("a story").to_owned();
    assert!(std::env::var("CI").as_deref() != Ok("true"), "{story} cannot be skipped in CI: {why}");
    // The handle is not captured as `eprintln!` is; scripts/counts.py counts these lines.
    let _ = writeln!(std::io::stderr(), "skipped: {story}: {why}");
}

/// The folder of the project.
pub(crate) fn project() -> PathBuf {
    let gateway = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    gateway.parent().expect("the gateway's folder lies in the project's").to_owned()
}

#[test]
fn programs_are_found_by_name() {
    assert!(find("sh").is_some_and(|path| path.ends_with("sh")));
    assert_eq!(find("no-such-program"), None);
}
