//! What can go wrong in the store.
//!
//! One enum for the store itself, one each around a caller's own error for writes and reads. Invariant: a
//! cause stands in `source()` and not in the text.

use std::error::Error;
use std::path::PathBuf;

use sitewarden_core::gate::PolicyEpoch;
use sitewarden_core::{Action, Resource};
use thiserror::Error;

/// A fault of the store or a misuse of it.
#[derive(Debug, Error)]
pub enum StoreError {
    /// SQLite refused a statement.
    #[error("{doing}")]
    Sql {
        /// What was tried.
        doing: &'static str,
        /// SQLite's answer.
        #[source]
        source: rusqlite::Error,
    },
    /// Where the state folder should be is something else.
    #[error(
        "{} cannot be the state folder: a file stands there or above it; move it away, or choose another folder with --state",
        path.display()
    )]
    NotAFolder {
        /// The folder that was asked for.
        path: PathBuf,
    },
    /// A file could not be used.
    #[error("{doing} {}", path.display())]
    Io {
        /// What was tried.
        doing: &'static str,
        /// On which file.
        path: PathBuf,
        /// The system's answer.
        #[source]
        source: std::io::Error,
    },
    /// The database cannot be opened or is damaged.
    #[error(
        "{} cannot be read; nothing was changed. Restore the newest backup into this folder, or move the folder away to begin with an empty site",
        path.display()
    )]
    Unreadable {
        /// The database.
        path: PathBuf,
        /// SQLite's answer.
        #[source]
        source: rusqlite::Error,
    },
    /// The database is gone from a folder that was in use.
    #[error(
        "{} is missing or empty, but its folder was in use; nothing was changed. Restore the newest backup, or remove the whole folder to begin with an empty site",
        path.display()
    )]
    Missing {
        /// The database.
        path: PathBuf,
    },
    /// The file is a database of another program.
    #[error("{} is not a Sitewarden database (application id {found:#010x}); name another folder", path.display())]
    NotOurs {
        /// The database.
        path: PathBuf,
        /// Its application id.
        found: i32,
    },
    /// Another process uses the folder.
    #[error("{} is in use by another sitewarden process; stop it first, or name another folder", dir.display())]
    InUse {
        /// The state folder.
        dir: PathBuf,
    },
    /// The database has a migration that this program does not know.
    #[error(
        "the database was written by a newer Sitewarden (slice {slice}, migration {number} {name:?}); nothing was changed. Start that version, or restore the backup that was made before the update"
    )]
    Newer {
        /// The slice.
        slice: String,
        /// The migration's number.
        number: u32,
        /// The migration's name.
        name: String,
    },
    /// The database has a slice that this program does not have.
    #[error(
        "the database has tables of a part that this program does not have ({slice}, migration {number}); nothing was changed. Start the version that wrote it, or restore an older backup"
    )]
    UnknownSlice {
        /// The slice.
        slice: String,
        /// The migration's number.
        number: u32,
    },
    /// A migration in the database has another name than ours.
    #[error(
        "migration {number} of slice {slice} is {found:?} in the database and {expected:?} in this program; nothing was changed. Start the version that wrote the database"
    )]
    Different {
        /// The slice.
        slice: String,
        /// The migration's number.
        number: u32,
        /// Name in the database.
        found: String,
        /// Name in this program.
        expected: String,
    },
    /// The program's own list of migrations is not 1, 2, 3 and so on.
    #[error("migrations of slice {slice} are not numbered 1, 2, 3 and so on at number {number}")]
    Numbering {
        /// The slice.
        slice: &'static str,
        /// The number that is out of order.
        number: u32,
    },
    /// Policies or entities changed between the decision and the act.
    #[error("policies changed while the request was under way ({} then, {} now); ask again", permit.0, now.0)]
    StalePermit {
        /// What the permit was decided under.
        permit: PolicyEpoch,
        /// What is in force.
        now: PolicyEpoch,
    },
    /// The permit is for another act.
    #[error("the permit is for {permitted} on {on}, not for {wanted} on {wanted_on}")]
    WrongPermit {
        /// Action of the permit.
        permitted: Action,
        /// Resource of the permit.
        on: Resource,
        /// Action that was about to happen.
        wanted: Action,
        /// Resource that was about to change.
        wanted_on: Resource,
    },
    /// Nobody told the store which policies are in force.
    #[error("no policy epoch is known, so no person's permit can be checked: refused")]
    NoEpoch,
    /// A site-log record is not acceptable.
    #[error("site-log record {kind:?} was refused: {why}")]
    BadRecord {
        /// Kind of the record.
        kind: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The site log's own tables contradict each other.
    #[error("the site log is inconsistent: {0}; run `sitewarden verify`")]
    LogInconsistent(String),
    /// There is no room on the disk.
    #[error("the disk of the state folder is full; free space on it, the box goes on by itself")]
    DiskFull,
    /// SQLite rolled the group back by itself, after an input or output error.
    #[error("the database rolled the whole group back after an error in one of its closures")]
    RolledBack,
    /// A thread could not be started or has ended.
    #[error("the store's thread {0} is not running")]
    Thread(&'static str),
}

impl StoreError {
    /// Whether the cause is a full disk.
    #[must_use]
    pub fn is_disk_full(&self) -> bool {
        disk_full(self)
    }
}

/// Puts words to an error of SQLite: `tx.sql().execute(..).doing("inserting a finding")?`.
pub trait SqlContext<T> {
    /// Names what was tried.
    ///
    /// # Errors
    /// The same error as [`StoreError::Sql`].
    fn doing(self, doing: &'static str) -> Result<T, StoreError>;
}

impl<T> SqlContext<T> for Result<T, rusqlite::Error> {
    fn doing(self, doing: &'static str) -> Result<T, StoreError> {
        self.map_err(|source| StoreError::Sql { doing, source })
    }
}

/// A write was not done.
#[derive(Debug, Error)]
pub enum WriteError<E: Error + 'static> {
    /// The closure returned an error; what it had written was undone.
    #[error("{what} was undone")]
    Failed {
        /// The `what` of the write.
        what: &'static str,
        /// The closure's error.
        #[source]
        source: E,
    },
    /// The closure panicked; what it had written was undone.
    #[error("{what} was undone after a fault of the program: {message}")]
    Panicked {
        /// The `what` of the write.
        what: &'static str,
        /// The panic's text.
        message: String,
    },
    /// There is no room on the disk.
    #[error("{what} was not stored: the disk of the state folder is full")]
    DiskFull {
        /// The `what` of the write.
        what: &'static str,
    },
    /// The commit failed.
    #[error("{what} was not stored: {reason}")]
    NotCommitted {
        /// The `what` of the write.
        what: &'static str,
        /// The cause in words; it is shared by all closures of the group.
        reason: String,
    },
    /// The store is shutting down.
    #[error("{what} was not stored: the store is shutting down")]
    Closed {
        /// The `what` of the write.
        what: &'static str,
    },
}

impl<E: Error + 'static> WriteError<E> {
    pub(crate) fn of(what: &'static str, source: E) -> Self {
        if disk_full(&source) { Self::DiskFull { what } } else { Self::Failed { what, source } }
    }
}

/// A read was not answered.
#[derive(Debug, Error)]
pub enum ReadError<E: Error + 'static> {
    /// The closure returned an error.
    #[error("the read failed")]
    Failed(#[source] E),
    /// The read took longer than [`crate::limits::READ_TIME`].
    #[error("the read took longer than 2 s and was stopped; ask for less")]
    TimedOut,
    /// All read connections were in use for [`crate::limits::READ_WAIT`].
    #[error("all read connections are in use; try again")]
    Busy,
    /// The closure panicked.
    #[error("the read ended in a fault of the program: {0}")]
    Panicked(String),
    /// The store could not begin the read.
    #[error("the store could not read")]
    Store(#[source] StoreError),
}

/// Whether an error or one of its causes is SQLite's "full".
pub(crate) fn disk_full(error: &(dyn Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(current) = next {
        if matches!(current.downcast_ref::<StoreError>(), Some(StoreError::DiskFull)) {
            return true;
        }
        let sql = current.downcast_ref::<rusqlite::Error>().and_then(rusqlite::Error::sqlite_error_code);
        if sql == Some(rusqlite::ErrorCode::DiskFull) {
            return true;
        }
        next = current.source();
    }
    false
}

/// The text of a caught panic.
pub(crate) fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "panic without a text".to_owned())
}
