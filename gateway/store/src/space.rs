//! Room on the disk: a reserve for findings and the site log.
//!
//! The rule: a file `reserve` of `store.reserve-mib` is held allocated beside the database, so that no other
//! program can take its room. When less is free besides than a quarter of it and what the next checkpoint may
//! need, or SQLite says that the disk is full, the file is removed, which gives the room to the database, and
//! from then on bulk data is refused ([`crate::Tx::claim_bulk`]) while all else goes on. When half as much
//! again as the reserve and a full WAL are free, the file is made again and bulk data is taken. Not a quota
//! and not retention. Invariant: bulk data is refused before a finding is.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use crate::error::StoreError;
use crate::limits::{RECOVER_AFTER, WAL_FILE_BYTES};

/// What the disk has room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Space {
    /// Everything.
    Ample,
    /// Only findings, the site log and acts of people.
    ReserveOnly,
}

pub(crate) struct Guard {
    dir: PathBuf,
    reserve: u64,
    state: Space,
    released: Option<Instant>,
}

/// Path of the reserve file of a state folder.
pub(crate) fn reserve_path(dir: &Path) -> PathBuf {
    dir.join("reserve")
}

impl Guard {
    /// Looks at the disk and makes the reserve when there is room for it.
    pub(crate) fn new(dir: &Path, reserve: u64) -> Self {
        let mut guard = Self { dir: dir.to_owned(), reserve, state: Space::ReserveOnly, released: None };
        if reserve_path(dir).exists() {
            guard.state = Space::Ample;
        }
        guard.look(Instant::now(), 0);
        guard
    }

    /// Looks at the disk: before each group, because a flood writes many megabytes a second and the question
    /// costs a microsecond. `wal_bytes` is what a checkpoint may add to the database.
    pub(crate) fn space(&mut self, now: Instant, wal_bytes: u64) -> Space {
        self.look(now, wal_bytes);
        self.state
    }

    /// The state as of the last look.
    pub(crate) const fn state(&self) -> Space {
        self.state
    }

    /// SQLite said that the disk is full.
    pub(crate) fn full(&mut self, now: Instant) {
        self.release("a write found no room", now);
    }

    fn look(&mut self, now: Instant, wal_bytes: u64) {
        let free = match free_bytes(&self.dir) {
            Ok(free) => free,
            Err(error) => {
                tracing::warn!(%error, "cannot tell how much room the state folder's disk has");
                return;
            }
        };
        match self.state {
            Space::Ample if free < self.reserve / 4 + wal_bytes => self.release("little room is left", now),
            Space::Ample => {}
            Space::ReserveOnly if !self.may_recover(now) => {}
            Space::ReserveOnly if free >= self.reserve + self.reserve / 2 + WAL_FILE_BYTES => self.recover(),
            Space::ReserveOnly => {}
        }
    }

    fn release(&mut self, why: &str, now: Instant) {
        if let Err(error) = fs::remove_file(reserve_path(&self.dir))
            && error.kind() != std::io::ErrorKind::NotFound
        {
            tracing::warn!(%error, "the reserve cannot be released");
        }
        if self.state == Space::Ample {
            tracing::warn!(
                why,
                "the state folder's disk is full: readings are refused, findings go on from the reserve"
            );
        }
        self.state = Space::ReserveOnly;
        self.released = Some(now);
    }

    /// Not at once, so that a disk at the edge does not take and give the reserve with every group.
    fn may_recover(&self, now: Instant) -> bool {
        self.released.is_none_or(|released| now.saturating_duration_since(released) >= RECOVER_AFTER)
    }

    fn recover(&mut self) {
        match allocate(&reserve_path(&self.dir), self.reserve) {
            Ok(()) => self.state = Space::Ample,
            Err(error) => {
                tracing::warn!(%error, "the reserve cannot be made");
                // A part of a file would hold room that nobody uses.
                let _ = fs::remove_file(reserve_path(&self.dir));
            }
        }
    }
}

/// How much room the disk of a state folder has, and how much the box needs to take readings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// Bytes that are free besides the reserve.
    pub free: u64,
    /// Bytes below which readings are refused.
    pub needed: u64,
}

/// Looks at the disk of a state folder, as the writer does. Reads only.
///
/// # Errors
/// [`StoreError::Io`] when the folder cannot be asked about.
pub fn room(dir: &Path, reserve_mib: u64) -> Result<Room, StoreError> {
    let reserve = reserve_mib.saturating_mul(1 << 20);
    let held = reserve_path(dir).exists();
    let needed = if held { reserve / 4 } else { reserve + reserve / 2 };
    Ok(Room { free: free_bytes(dir)?, needed: needed + WAL_FILE_BYTES })
}

fn free_bytes(dir: &Path) -> Result<u64, StoreError> {
    let stat = rustix::fs::statvfs(dir).map_err(|error| StoreError::Io {
        doing: "asking for free room in",
        path: dir.to_owned(),
        source: error.into(),
    })?;
    Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
}

/// Makes a file whose room is really taken.
fn allocate(path: &Path, bytes: u64) -> std::io::Result<()> {
    let file = crate::open::private_file().truncate(true).open(path)?;
    if bytes == 0 {
        return Ok(());
    }
    match rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), 0, bytes) {
        Ok(()) => Ok(()),
        Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS) => fill(&file, bytes),
        Err(error) => Err(error.into()),
    }
}

fn fill(mut file: &fs::File, bytes: u64) -> std::io::Result<()> {
    use std::io::Write as _;
    let block = [0_u8; 64 * 1024];
    let mut left = bytes;
    while left > 0 {
        let part = usize::try_from(left).unwrap_or(block.len()).min(block.len());
        file.write_all(block.get(..part).unwrap_or(&block))?;
        left -= part as u64;
    }
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reserve_is_held_released_when_full_and_made_again() {
        let dir = tempfile::tempdir().expect("a folder");
        let start = Instant::now();
        let mut guard = Guard::new(dir.path(), 1 << 20);
        assert_eq!(guard.space(start, 0), Space::Ample);
        assert_eq!(fs::metadata(reserve_path(dir.path())).expect("the reserve").len(), 1 << 20);

        guard.full(start);
        assert_eq!(guard.space(start, 0), Space::ReserveOnly);
        assert!(!reserve_path(dir.path()).exists(), "its room is given to the database");

        let later = start + RECOVER_AFTER;
        assert_eq!(guard.space(later, 0), Space::Ample, "this disk has room after all");
        assert!(reserve_path(dir.path()).exists());
    }

    #[test]
    fn filling_works_where_allocation_does_not() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("filled");
        let file = fs::File::create(&path).expect("created");
        fill(&file, 150_000).expect("filled");
        assert_eq!(fs::metadata(&path).expect("there").len(), 150_000);
    }
}
