//! A small disk of its own: a tmpfs mounted over a folder, gone again when it is dropped.
//!
//! Mounting needs root. Who may not is told which story was skipped; with `CI=true` that is a failure.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::need::skip;

/// A mounted tmpfs.
pub(crate) struct SmallDisk {
    folder: PathBuf,
}

impl SmallDisk {
    /// Mounts `mebibytes` over the folder, which is made. `None` after saying that the story is skipped.
    pub(crate) fn over(folder: &Path, mebibytes: u32) -> Option<Self> {
        std::fs::create_dir_all(folder).expect("own folder");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={mebibytes}m,mode=0700"), "tmpfs"]).arg(folder);
        match mount.output() {
            Ok(done) if done.status.success() => Some(Self { folder: folder.to_owned() }),
            Ok(done) => {
                skip(&format!("mounting is not allowed: {}", String::from_utf8_lossy(&done.stderr).trim()));
                None
            }
            Err(error) => {
                skip(&format!("mount cannot be run: {error}"));
                None
            }
        }
    }

    /// Takes all room that is left with a file of this name; gives its path.
    pub(crate) fn fill(&self, name: &str) -> PathBuf {
        use std::io::Write as _;
        let path = self.folder.join(name);
        let mut file = std::fs::File::create(&path).expect("own folder");
        let block = vec![0x5a; 64 * 1024];
        // Ends with "no space left", and then byte by byte up to the brim.
        while file.write_all(&block).is_ok() {}
        while file.write_all(&block[..512]).is_ok() {}
        path
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: whatever still has a file open keeps it and nobody else sees the mount.
        let _ = Command::new("umount").arg("-l").arg(&self.folder).status();
    }
}
