//! Recordings of real devices and clients, which are not part of the project.
//!
//! `SITEWARDEN_TESTDATA` names their folder. Nothing is copied from there into the project.

use std::path::PathBuf;

use super::need::skip;

/// A file or folder of the recordings, or `None` after saying that the story is skipped.
///
/// # Panics
/// With `CI=true` when it is missing.
pub(crate) fn recording(path: &str) -> Option<PathBuf> {
    let Some(folder) = std::env::var_os("SITEWARDEN_TESTDATA").map(PathBuf::from) else {
        skip(&format!("SITEWARDEN_TESTDATA is not set, no {path}"));
        return None;
    };
    let found = folder.join(path);
    if !found.exists() {
        skip(&format!("{} does not exist", found.display()));
        return None;
    }
    Some(found)
}
