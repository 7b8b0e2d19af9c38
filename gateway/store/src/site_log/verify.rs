//! Offline verification: recomputes every hash of the log from its records and compares with what is stored.
//!
//! It trusts nothing but the records' bytes: not the stored leaf hashes, not the tree's row. It does not repair.
//! Invariant: a changed, removed, added or reordered record makes at least one [`Problem`] that names it.

use std::fmt;

use rusqlite::Connection;
use serde::{Serialize, Serializer};
use sitewarden_core::Timestamp;
use sitewarden_log::{Checkpoint, SignedNote};

use super::checkpoint::{self, Kept};
use super::record::leaf_hash;
use super::tree::{Frontier, Hash};
use crate::error::{SqlContext, StoreError};
use crate::limits::{UNSIGNED_RECORDS, UNSIGNED_SECONDS, VERIFY_PROBLEMS};

/// One thing that is wrong with the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// A record's bytes do not give its stored hash.
    Changed {
        /// The record.
        seq: u64,
        /// Its kind as it stands there now.
        kind: String,
    },
    /// Records are missing between two others, or at the end.
    Removed {
        /// First missing number.
        from: u64,
        /// Last missing number.
        to: u64,
    },
    /// A record beyond the end of the tree.
    Added {
        /// The record.
        seq: u64,
    },
    /// A record has no body although it is not in the pruned part.
    BodyMissing {
        /// The record.
        seq: u64,
    },
    /// A stored hash is not 32 bytes long.
    BadHash {
        /// The record.
        seq: u64,
    },
    /// A kept checkpoint is not signed by the log's key, or not a checkpoint at all.
    Checkpoint {
        /// Records that it should cover.
        size: u64,
        /// What is wrong, as a sentence.
        why: String,
    },
    /// A kept checkpoint is properly signed, but its root is not the root over the first records: they were
    /// rewritten after it was signed.
    CheckpointRoot {
        /// Records that it covers.
        size: u64,
    },
    /// No signed checkpoint is kept, although the records stretch over more than the time in which one is made.
    CheckpointsGone {
        /// Records that none covers.
        records: u64,
        /// Over how many hours they stretch.
        hours: u64,
    },
    /// The tree's row is missing or its frontier does not fit its size.
    BadTree,
    /// All records fit their hashes, but the root over them is another one than the tree's.
    RootDiffers {
        /// Root of the stored frontier.
        stored: Hash,
        /// Root over the records.
        computed: Hash,
    },
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Changed { seq, kind } => {
                write!(f, "record {seq} ({kind}) was changed: its bytes do not give its hash")
            }
            Self::Removed { from, to } if from == to => write!(f, "record {from} is missing"),
            Self::Removed { from, to } => write!(f, "records {from} to {to} are missing"),
            Self::Added { seq } => write!(f, "record {seq} stands beyond the end of the tree"),
            Self::BodyMissing { seq } => write!(f, "record {seq} has no body, but was not pruned"),
            Self::BadHash { seq } => write!(f, "the stored hash of record {seq} is not 32 bytes long"),
            Self::Checkpoint { size, why } => write!(f, "the checkpoint of {size} records: {why}"),
            Self::CheckpointRoot { size } => write!(
                f,
                "the checkpoint of {size} records was signed over other records than stand there now: the log was rewritten"
            ),
            Self::CheckpointsGone { records, hours } => write!(
                f,
                "no signed checkpoint is kept, although {records} records stretch over {hours} hours and a gateway keeps \
                 one at each start and each hour: they were removed, and with them what shows that the log was not \
                 rewritten; compare the root with a checkpoint that is kept elsewhere, such as at the hub"
            ),
            Self::BadTree => f.write_str("the tree's own row is missing or damaged"),
            Self::RootDiffers { stored, computed } => write!(
                f,
                "the root over the records is {}, the stored root is {}: a record and its hash were replaced together",
                hex(computed),
                hex(stored)
            ),
        }
    }
}

/// The outcome of a verification. As JSON, hashes are hexadecimal and problems are sentences.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Records that were read.
    pub records: u64,
    /// Of these, records whose body was pruned: their hash was taken as stored.
    pub pruned: u64,
    /// Root over the records.
    #[serde(serialize_with = "hash_as_hex")]
    pub root: Hash,
    /// Kept checkpoints that were held against the records.
    pub checkpoints: u64,
    /// Whether their signatures were checked: only with the log's verifier key.
    pub signatures_checked: bool,
    /// What is wrong, at most [`VERIFY_PROBLEMS`].
    pub problems: Vec<Problem>,
    /// How many problems there were.
    pub problem_count: u64,
}

fn hash_as_hex<S: Serializer>(hash: &Hash, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&hex(hash))
}

impl Serialize for Problem {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { records, pruned, checkpoints, problems, problem_count, .. } = self;
        write!(f, "{records} records")?;
        if *pruned > 0 {
            write!(f, " ({pruned} with pruned body)")?;
        }
        match (checkpoints, self.signatures_checked) {
            (0, _) => {}
            (_, true) => write!(f, ", {checkpoints} signed checkpoints")?,
            (_, false) => write!(f, ", {checkpoints} checkpoints (signatures not checked: no verifier key)")?,
        }
        if self.ok() {
            return write!(f, ", all intact, root {}", self.root_hex());
        }
        write!(f, ", {problem_count} wrong")?;
        for problem in problems {
            write!(f, "\n  {problem}")?;
        }
        let left_out = problem_count.saturating_sub(problems.len() as u64);
        if left_out > 0 {
            write!(f, "\n  and {left_out} more")?;
        }
        Ok(())
    }
}

impl Report {
    /// Whether nothing is wrong.
    #[must_use]
    pub const fn ok(&self) -> bool {
        self.problem_count == 0
    }

    /// The root in hexadecimal.
    #[must_use]
    pub fn root_hex(&self) -> String {
        hex(&self.root)
    }

    /// A log as old and long as this one was signed; `times` are the first and last of its records.
    fn miss_checkpoints(&mut self, times: Option<(Timestamp, Timestamp)>) {
        let seconds = times.map_or(0, |(first, last)| last.since(first).as_secs());
        if self.checkpoints == 0 && self.records >= UNSIGNED_RECORDS && seconds >= UNSIGNED_SECONDS {
            self.add(Problem::CheckpointsGone { records: self.records, hours: seconds / 3_600 });
        }
    }

    fn add(&mut self, problem: Problem) {
        self.problem_count += 1;
        if self.problems.len() < VERIFY_PROBLEMS {
            self.problems.push(problem);
        }
    }
}

/// Checks a signed note against the log's verifier key and gives what it says; an error is a sentence.
pub type CheckNote<'a> = dyn Fn(&str) -> Result<Checkpoint, String> + 'a;

/// Verifies the whole log and its kept checkpoints. Reads it once, in order, with memory that does not grow with it.
/// Without `check` the checkpoints' roots are compared, their signatures are not.
///
/// # Errors
/// [`StoreError::Sql`] when the tables cannot be read at all (which is damage too, told by SQLite).
pub fn verify(conn: &Connection, check: Option<&CheckNote<'_>>) -> Result<Report, StoreError> {
    let mut report = Report {
        records: 0,
        pruned: 0,
        root: Frontier::default().root(),
        checkpoints: 0,
        signatures_checked: check.is_some(),
        problems: Vec::new(),
        problem_count: 0,
    };
    let stored = stored_tree(conn)?;
    let (size, pruned_through) = stored.as_ref().map_or((0, 0), |tree| (tree.size, tree.pruned_through));
    let mut walk = Walk { frontier: Frontier::default(), next: 1, size, pruned_through };
    let mut notes = Notes::begin(conn, check)?;
    let mut times: Option<(Timestamp, Timestamp)> = None;
    let mut statement = conn
        .prepare("SELECT seq, time, CAST(kind AS BLOB), body, leaf_hash FROM site_log ORDER BY seq")
        .doing("preparing to verify the site log")?;
    let mut rows = statement.query([]).doing("reading the site log")?;
    while let Some(row) = rows.next().doing("reading the site log")? {
        let record = Raw {
            seq: row.get(0).doing("reading a sequence number")?,
            time: Timestamp::from_micros(row.get(1).doing("reading a time")?),
            kind: row.get(2).doing("reading a kind")?,
            body: row.get(3).doing("reading a body")?,
            hash: row.get(4).doing("reading a hash")?,
        };
        let (first, last) = times.unwrap_or((record.time, record.time));
        times = Some((first.min(record.time), last.max(record.time)));
        notes.hold_against(&walk.frontier, &mut report)?;
        walk.step(&record, &mut report);
    }
    walk.end(&mut report);
    notes.hold_against(&walk.frontier, &mut report)?;
    notes.beyond(&mut report)?;
    report.miss_checkpoints(times);
    report.root = walk.frontier.root();
    match stored {
        None => report.add(Problem::BadTree),
        Some(tree) if tree.root != report.root && report.ok() => {
            report.add(Problem::RootDiffers { stored: tree.root, computed: report.root });
        }
        Some(_) => {}
    }
    Ok(report)
}

struct Tree {
    size: u64,
    pruned_through: u64,
    root: Hash,
}

/// The tree's row; `None` when it is missing or does not fit together.
fn stored_tree(conn: &Connection) -> Result<Option<Tree>, StoreError> {
    let mut statement = conn
        .prepare("SELECT size, frontier, pruned_through FROM site_log_tree WHERE id = 1")
        .doing("preparing to read the site log's tree")?;
    let mut rows = statement.query([]).doing("reading the site log's tree")?;
    let Some(row) = rows.next().doing("reading the site log's tree")? else {
        return Ok(None);
    };
    let parts = (row.get::<_, u64>(0), row.get::<_, Vec<u8>>(1), row.get::<_, u64>(2));
    let (Ok(size), Ok(bytes), Ok(pruned_through)) = parts else {
        return Ok(None);
    };
    let frontier = Frontier::from_parts(size, &bytes);
    Ok(frontier.map(|frontier| Tree { size, pruned_through, root: frontier.root() }))
}

/// The kept checkpoints, one after the other beside the walk over the records.
struct Notes<'a> {
    conn: &'a Connection,
    check: Option<&'a CheckNote<'a>>,
    next: Option<Kept>,
}

impl<'a> Notes<'a> {
    fn begin(conn: &'a Connection, check: Option<&'a CheckNote<'a>>) -> Result<Self, StoreError> {
        // A database of before checkpoints has no such table, and so none to check.
        let exists: bool = conn
            .query_row(
                "SELECT count(*) > 0 FROM sqlite_schema WHERE name = 'site_log_checkpoint'",
                [],
                |row| row.get(0),
            )
            .doing("reading the schema")?;
        let next = if exists { checkpoint::next(conn, None)? } else { None };
        Ok(Self { conn, check, next })
    }

    /// Checks the checkpoint that covers exactly these records, if there is one.
    fn hold_against(&mut self, tree: &Frontier, report: &mut Report) -> Result<(), StoreError> {
        while let Some(kept) = self.next.take_if(|kept| kept.size <= tree.size()) {
            report.checkpoints += 1;
            let claimed = match self.check {
                Some(check) => check(&kept.note),
                None => SignedNote::parse(&kept.note)
                    .map(|note| note.claimed().clone())
                    .map_err(|error| error.to_string()),
            };
            match claimed {
                Err(why) => report.add(Problem::Checkpoint { size: kept.size, why }),
                Ok(claimed) if claimed.size != kept.size => {
                    let why = format!("its note is about {} records", claimed.size);
                    report.add(Problem::Checkpoint { size: kept.size, why });
                }
                Ok(claimed) if kept.size == tree.size() && claimed.root != tree.root() => {
                    report.add(Problem::CheckpointRoot { size: kept.size });
                }
                Ok(_) => {}
            }
            self.next = checkpoint::next(self.conn, Some(kept.size))?;
        }
        Ok(())
    }

    /// Checkpoints of more records than there are: the end of the log is gone.
    fn beyond(&mut self, report: &mut Report) -> Result<(), StoreError> {
        while let Some(kept) = self.next.take() {
            report.checkpoints += 1;
            let why = "there are not so many records: the end of the log is gone".to_owned();
            report.add(Problem::Checkpoint { size: kept.size, why });
            self.next = checkpoint::next(self.conn, Some(kept.size))?;
        }
        Ok(())
    }
}

struct Raw {
    seq: i64,
    time: Timestamp,
    kind: Vec<u8>,
    body: Option<Vec<u8>>,
    hash: Vec<u8>,
}

struct Walk {
    frontier: Frontier,
    next: u64,
    size: u64,
    pruned_through: u64,
}

impl Walk {
    fn step(&mut self, record: &Raw, report: &mut Report) {
        report.records += 1;
        let seq = u64::try_from(record.seq).unwrap_or(0);
        if seq < self.next || seq > self.size {
            report.add(Problem::Added { seq });
            return;
        }
        if seq > self.next {
            report.add(Problem::Removed { from: self.next, to: seq - 1 });
        }
        self.next = seq + 1;
        let kind = String::from_utf8_lossy(&record.kind);
        let Ok(stored) = Hash::try_from(record.hash.as_slice()) else {
            report.add(Problem::BadHash { seq });
            return;
        };
        let hash = match &record.body {
            Some(body) => {
                let computed = leaf_hash(seq, record.time, &kind, body);
                if computed != stored {
                    report.add(Problem::Changed { seq, kind: kind.into_owned() });
                }
                computed
            }
            None if seq <= self.pruned_through => {
                report.pruned += 1;
                stored
            }
            None => {
                report.add(Problem::BodyMissing { seq });
                stored
            }
        };
        self.frontier.push(hash);
    }

    fn end(&self, report: &mut Report) {
        if self.next <= self.size {
            report.add(Problem::Removed { from: self.next, to: self.size });
        }
    }
}

/// A hash in hexadecimal.
#[must_use]
pub fn hex(hash: &Hash) -> String {
    use fmt::Write as _;
    hash.iter().fold(String::with_capacity(64), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
