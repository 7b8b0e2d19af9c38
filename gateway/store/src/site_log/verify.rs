//! Offline verification: recomputes every hash of the log from its records and compares with what is stored.
//!
//! It trusts nothing but the records' bytes: not the stored leaf hashes, not the tree's row. It does not repair.
//! Invariant: a changed, removed, added or reordered record makes at least one [`Problem`] that names it.

use std::fmt;

use rusqlite::Connection;
use serde::{Serialize, Serializer};
use sitewarden_core::Timestamp;

use super::record::leaf_hash;
use super::tree::{Frontier, Hash};
use crate::error::{SqlContext, StoreError};
use crate::limits::VERIFY_PROBLEMS;

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
        let Self { records, pruned, problems, problem_count, .. } = self;
        write!(f, "{records} records")?;
        if *pruned > 0 {
            write!(f, " ({pruned} with pruned body)")?;
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

    fn add(&mut self, problem: Problem) {
        self.problem_count += 1;
        if self.problems.len() < VERIFY_PROBLEMS {
            self.problems.push(problem);
        }
    }
}

/// Verifies the whole log. Reads it once, in order, with memory that does not grow with it.
///
/// # Errors
/// [`StoreError::Sql`] when the tables cannot be read at all (which is damage too, told by SQLite).
pub fn verify(conn: &Connection) -> Result<Report, StoreError> {
    let mut report = Report {
        records: 0,
        pruned: 0,
        root: Frontier::default().root(),
        problems: Vec::new(),
        problem_count: 0,
    };
    let stored = stored_tree(conn)?;
    let (size, pruned_through) = stored.as_ref().map_or((0, 0), |tree| (tree.size, tree.pruned_through));
    let mut walk = Walk { frontier: Frontier::default(), next: 1, size, pruned_through };
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
        walk.step(&record, &mut report);
    }
    walk.end(&mut report);
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
