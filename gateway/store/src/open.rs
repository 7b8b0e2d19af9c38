//! Opening the database: what is refused, and with which settings it runs.
//!
//! A damaged, foreign, newer or vanished database is refused with a text that says what to do. Invariant:
//! nothing is written before all refusals are past, and never is an empty database put in the place of one that was there.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use rusqlite::{Connection, ErrorCode, OpenFlags};
use sitewarden_core::Timestamp;
use std::io::ErrorKind;

use crate::error::{SqlContext, StoreError};
use crate::limits::STATEMENT_CACHE;
use crate::migrate::{self, Migrations};
use crate::space::reserve_path;
use crate::store::Clock;

/// "SWDN": marks the file as ours for `file` and for ourselves.
const APPLICATION_ID: i32 = 0x5357_444e;

/// Reads the system's wall clock.
#[must_use]
pub fn system_clock() -> Clock {
    Arc::new(|| {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        Timestamp::from_micros(since.ok().and_then(|time| i64::try_from(time.as_micros()).ok()).unwrap_or(0))
    })
}

/// Opens a database for reading only, as the reader pool and the offline commands do.
///
/// # Errors
/// [`StoreError::Unreadable`] when it is not there or is no database.
pub fn open_read_only(path: &Path) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(path, flags)
        .map_err(|source| StoreError::Unreadable { path: path.to_owned(), source })?;
    probe(&conn, path)?;
    conn.set_prepared_statement_cache_capacity(STATEMENT_CACHE);
    conn.execute_batch("PRAGMA query_only = ON; PRAGMA trusted_schema = OFF; PRAGMA temp_store = MEMORY;")
        .doing("setting up a read connection")?;
    Ok(conn)
}

/// The state folder, locked for this process.
pub(crate) struct Folder {
    pub(crate) database: PathBuf,
    /// Held open for the lock.
    pub(crate) lock: File,
}

impl Folder {
    pub(crate) fn open(dir: &Path) -> Result<Self, StoreError> {
        create_private_dir(dir)?;
        let path = dir.join("lock");
        let io = |source| StoreError::Io { doing: "opening the lock file", path: path.clone(), source };
        let lock = private_file().truncate(false).open(&path).map_err(io)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(StoreError::InUse { dir: dir.to_owned() }),
            Err(TryLockError::Error(source)) => return Err(io(source)),
        }
        let database = dir.join("state.db");
        refuse_vanished(dir, &database)?;
        Ok(Self { database, lock })
    }
}

/// A file for the owner alone, made when it is not there. The folder keeps others out already; a copy of the file
/// elsewhere keeps its mode.
pub(crate) fn private_file() -> fs::OpenOptions {
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut options = File::options();
    options.create(true).write(true).mode(0o600);
    options
}

/// Whether a process has the state folder open. Reads only.
#[must_use]
pub fn in_use(dir: &Path) -> bool {
    File::open(dir.join("lock")).is_ok_and(|lock| matches!(lock.try_lock(), Err(TryLockError::WouldBlock)))
}

fn create_private_dir(dir: &Path) -> Result<(), StoreError> {
    use std::os::unix::fs::DirBuilderExt as _;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(|source| match source.kind() {
        ErrorKind::AlreadyExists | ErrorKind::NotADirectory => {
            StoreError::NotAFolder { path: dir.to_owned() }
        }
        _ => StoreError::Io { doing: "creating the state folder", path: dir.to_owned(), source },
    })
}

/// SQLite takes a missing or empty file for a new database. In a folder that was in use it is a loss.
fn refuse_vanished(dir: &Path, database: &Path) -> Result<(), StoreError> {
    let empty = fs::metadata(database).map_or(true, |file| file.len() == 0);
    let was_used =
        reserve_path(dir).exists() || fs::metadata(dir.join("state.db-wal")).is_ok_and(|file| file.len() > 0);
    if empty && was_used {
        return Err(StoreError::Missing { path: database.to_owned() });
    }
    Ok(())
}

/// Opens for writing, refuses what is not ours or newer, sets the pragmas, migrates.
pub(crate) fn open_writer(path: &Path, slices: &[Migrations]) -> Result<Connection, StoreError> {
    let flags =
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut conn = Connection::open_with_flags(path, flags)
        .map_err(|source| StoreError::Unreadable { path: path.to_owned(), source })?;
    probe(&conn, path)?;
    make_private(path)?;
    conn.set_prepared_statement_cache_capacity(STATEMENT_CACHE);
    // wal_autocheckpoint is off because the checkpoint thread does that work.
    conn.execute_batch(
        "PRAGMA journal_mode = WAL;
         PRAGMA synchronous = FULL;
         PRAGMA wal_autocheckpoint = 0;
         PRAGMA journal_size_limit = 8388608;
         PRAGMA foreign_keys = ON;
         PRAGMA trusted_schema = OFF;
         PRAGMA temp_store = MEMORY;
         PRAGMA busy_timeout = 5000;",
    )
    .doing("setting up the write connection")?;
    migrate::apply(&mut conn, slices)?;
    conn.pragma_update(None, "application_id", APPLICATION_ID).doing("marking the database as ours")?;
    Ok(conn)
}

/// Reads header and schema, so that damage shows before anything is written.
fn probe(conn: &Connection, path: &Path) -> Result<(), StoreError> {
    let unreadable = |source: rusqlite::Error| match source.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            StoreError::Sql { doing: "reading the database's schema", source }
        }
        _ => StoreError::Unreadable { path: path.to_owned(), source },
    };
    let tables: i64 =
        conn.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).map_err(unreadable)?;
    let found: i32 = conn.pragma_query_value(None, "application_id", |row| row.get(0)).map_err(unreadable)?;
    // A database that was made but not marked yet has our table of migrations, or nothing at all.
    let ours: bool = conn
        .query_row("SELECT count(*) > 0 FROM sqlite_schema WHERE name = 'migration'", [], |row| row.get(0))
        .map_err(unreadable)?;
    if tables > 0 && found != APPLICATION_ID && !(found == 0 && ours) {
        return Err(StoreError::NotOurs { path: path.to_owned(), found });
    }
    Ok(())
}

fn make_private(path: &Path) -> Result<(), StoreError> {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).map_err(|source| StoreError::Io {
        doing: "making private",
        path: path.to_owned(),
        source,
    })
}
