//! Configured folders: reading their files within bounds, and noticing when they change.
//!
//! What the files mean is for the slice that they belong to. Invariant: a folder that cannot be read is
//! an error, never an empty set.

use std::path::{Path, PathBuf};
use std::time::Duration;

use futures_util::StreamExt as _;
use inotify::{Inotify, WatchMask, Watches};
use thiserror::Error;
use tokio_util::sync::CancellationToken;

use crate::limits::{FILE_BYTES, FOLDER_DEPTH, FOLDER_FILES};

/// An editor writes several files, or one in several steps: changes within this time are one change.
const SETTLE: Duration = Duration::from_millis(150);

#[derive(Debug, Error)]
pub(crate) enum FolderError {
    #[error("cannot read {}: check the path and its permissions", path.display())]
    Read {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("{} has {bytes} bytes, more than the {FILE_BYTES} that one file may have", path.display())]
    TooLarge { path: PathBuf, bytes: u64 },
    #[error("{} has more than {FOLDER_FILES} files", path.display())]
    TooMany { path: PathBuf },
    #[error("cannot watch {} for changes; they will take effect at the next start", path.display())]
    Watch {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
}

/// File name and text of every file with one of the extensions, sub-folders included, sorted by name.
pub(crate) fn read(dir: &Path, extensions: &[&str]) -> Result<Vec<(String, String)>, FolderError> {
    read_each(dir, extensions)?.into_iter().map(|(name, text)| Ok((name, text?))).collect()
}

/// A file's name and its text, or why it could not be read.
pub(crate) type Each = (String, Result<String, FolderError>);

/// The same for whoever goes on without the files that cannot be read.
pub(crate) fn read_each(dir: &Path, extensions: &[&str]) -> Result<Vec<Each>, FolderError> {
    let mut paths = Vec::new();
    collect(dir, extensions, &mut paths, 0)?;
    paths.sort();
    let name = |path: &Path| path.strip_prefix(dir).unwrap_or(path).to_string_lossy().into_owned();
    Ok(paths.into_iter().map(|path| (name(&path), read_file(&path))).collect())
}

fn read_file(path: &Path) -> Result<String, FolderError> {
    let failed = |source| FolderError::Read { path: path.to_owned(), source };
    let bytes = std::fs::metadata(path).map_err(failed)?.len();
    if bytes > FILE_BYTES {
        return Err(FolderError::TooLarge { path: path.to_owned(), bytes });
    }
    std::fs::read_to_string(path).map_err(failed)
}

fn collect(
    dir: &Path,
    extensions: &[&str],
    paths: &mut Vec<PathBuf>,
    depth: usize,
) -> Result<(), FolderError> {
    let failed = |source| FolderError::Read { path: dir.to_owned(), source };
    for entry in std::fs::read_dir(dir).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        // A link is followed as a file, never as a folder: no cycles.
        if entry.file_type().map_err(failed)?.is_dir() {
            if depth < FOLDER_DEPTH {
                collect(&entry.path(), extensions, paths, depth + 1)?;
            }
        } else if entry.path().extension().is_some_and(|found| extensions.iter().any(|known| found == *known))
        {
            paths.push(entry.path());
        }
        if paths.len() > FOLDER_FILES {
            return Err(FolderError::TooMany { path: dir.to_owned() });
        }
    }
    Ok(())
}

/// Calls `changed` after every change in the folder, until told to stop.
pub(crate) fn watch(
    dir: &Path,
    stop: CancellationToken,
    mut changed: impl FnMut() + Send + 'static,
) -> Result<(), FolderError> {
    let failed = |source| FolderError::Watch { path: dir.to_owned(), source };
    let inotify = Inotify::init().map_err(failed)?;
    let mut events = inotify.into_event_stream(vec![0; 4096]).map_err(failed)?;
    watch_all(&mut events.watches(), dir, 0).map_err(failed)?;
    let dir = dir.to_owned();
    tokio::spawn(stop.run_until_cancelled_owned(async move {
        while let Some(event) = events.next().await {
            if let Err(error) = event {
                tracing::warn!(dir = %dir.display(), %error, "watching the folder failed");
                continue;
            }
            while let Ok(Some(_)) = tokio::time::timeout(SETTLE, events.next()).await {}
            // A folder may be new; one that is watched already is watched once.
            if let Err(error) = watch_all(&mut events.watches(), &dir, 0) {
                tracing::warn!(dir = %dir.display(), %error, "a new folder is not watched");
            }
            changed();
        }
    }));
    Ok(())
}

/// Watches a folder and those in it.
fn watch_all(watches: &mut Watches, dir: &Path, depth: usize) -> std::io::Result<()> {
    let files = WatchMask::CLOSE_WRITE | WatchMask::MOVED_TO | WatchMask::MOVED_FROM | WatchMask::DELETE;
    watches.add(dir, files | WatchMask::CREATE | WatchMask::ONLYDIR)?;
    if depth >= FOLDER_DEPTH {
        return Ok(());
    }
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            watch_all(watches, &entry.path(), depth + 1)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_read_by_extension_and_in_order() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        std::fs::create_dir(folder.path().join("more")).expect("made");
        for (name, text) in [("b.yml", "2"), ("a.yml", "1"), ("note.txt", "no"), ("more/c.yml", "3")] {
            std::fs::write(folder.path().join(name), text).expect("written");
        }
        let files = read(folder.path(), &["yml"]).expect("reads");
        let expected = [("a.yml", "1"), ("b.yml", "2"), ("more/c.yml", "3")];
        assert_eq!(files, expected.map(|(name, text)| (name.to_owned(), text.to_owned())));
    }

    #[test]
    fn a_folder_that_is_not_there_is_an_error_and_so_is_a_huge_file() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        assert!(matches!(read(&folder.path().join("none"), &["yml"]), Err(FolderError::Read { .. })));
        let huge = std::fs::File::create(folder.path().join("huge.yml")).expect("made");
        huge.set_len(FILE_BYTES + 1).expect("grown");
        assert!(matches!(read(folder.path(), &["yml"]), Err(FolderError::TooLarge { .. })));
    }

    #[tokio::test]
    async fn a_change_is_noticed() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (sender, mut receiver) = tokio::sync::mpsc::channel(1);
        let stop = CancellationToken::new();
        watch(folder.path(), stop.clone(), move || {
            let _ = sender.try_send(());
        })
        .expect("watches");
        std::fs::write(folder.path().join("a.yml"), "1").expect("written");
        assert_eq!(receiver.recv().await, Some(()));
        std::fs::create_dir(folder.path().join("new")).expect("made");
        assert_eq!(receiver.recv().await, Some(()));
        std::fs::write(folder.path().join("new/b.yml"), "2").expect("written");
        assert_eq!(receiver.recv().await, Some(()), "a folder that came later is watched too");
        stop.cancel();
    }
}
