//! Bounds of the store, in one place.
//!
//! Each says its unit and the reason for the figure; what happens at the bound stands with it.

use std::time::Duration;

/// Closures that wait for the writer. At 10,000 single writes a second and a sync of 20 ms, 200 wait; a
/// full queue makes `write` wait and `submit` block, so that the pressure reaches the producers.
pub const WRITE_QUEUE: usize = 1_024;

/// Closures in one commit. All of a full queue fit, so that a burst costs one sync.
pub const GROUP_CLOSURES: usize = WRITE_QUEUE;

/// How long a group may take closures before it commits, so that the first of a flood is not kept
/// waiting by the rest of it.
pub const GROUP_TIME: Duration = Duration::from_millis(50);

/// Longest `linger`: beyond it clients' own time-outs for acknowledgements come near.
pub const LINGER_MAX: Duration = Duration::from_secs(5);

/// Longest time for one read. A long read keeps the WAL from shrinking; then it is interrupted.
pub const READ_TIME: Duration = Duration::from_secs(2);

/// Longest wait for a free read connection; then the read is refused as busy.
pub const READ_WAIT: Duration = Duration::from_secs(2);

/// Most read connections that a config may ask for; each costs about 100 kB and a file descriptor or two.
pub const READERS_MAX: usize = 32;

/// Virtual-machine steps of SQLite between two looks at a read's deadline: about 0.1 ms.
pub const READ_CHECK_STEPS: i32 = 10_000;

/// Most site-log records that one read returns.
pub const RECORDS_PER_READ: usize = 1_000;

/// Bytes of bodies after which a read of the site log ends, so that large records do not fill the memory.
pub const BYTES_PER_READ: usize = 4 << 20;

/// Kept checkpoints. One an hour for two years; 300 bytes each. Beyond it every second one of the older half goes.
pub const CHECKPOINTS_KEPT: u64 = 20_000;

/// Newest records of the site log among which the latest time is looked for, to tell a clock that is behind. So few that
/// a page may ask for it, and that a time that was wrong once is forgotten in weeks.
pub const NEWEST_RECORDS: u32 = 1_024;

/// Records from which on a log without any signed checkpoint is a loss. A running gateway keeps one at its start and each
/// hour; commands without a gateway write a few records and sign none.
pub const UNSIGNED_RECORDS: u64 = 16;

/// Time over which these records must stretch, in seconds: two of a gateway's hours.
pub const UNSIGNED_SECONDS: u64 = 2 * 3_600;

/// WAL pages (4 KiB) after which a background checkpoint begins: 4 MiB.
pub const WAL_PAGES_BACKGROUND: u32 = 1_000;

/// WAL pages after which the writer checkpoints by itself before it goes on: 16 MiB, reached only when the
/// background checkpoint cannot keep up. Half of the default reserve: on a full disk the reserve has to take
/// what the WAL holds before it can hold a finding.
pub const WAL_PAGES_INLINE: u32 = 4_000;

/// WAL pages after which the writer checkpoints by itself while only the reserve is left, so that the WAL does
/// not eat it up: 256 KiB.
pub const WAL_PAGES_SCARCE: u32 = 64;

/// Bytes to which the WAL file is cut after it was emptied: twice what a background checkpoint waits for.
pub const WAL_FILE_BYTES: u64 = 8 << 20;

/// Least time between two log lines about the same failure of the store, so that a full disk is not filled
/// with lines about it.
pub const LOG_EVERY: Duration = Duration::from_secs(10);

/// Time from the release of the disk reserve to the first try to take it again.
pub const RECOVER_AFTER: Duration = Duration::from_secs(1);

/// Most problems that `verify` lists; the count says how many there were.
pub const VERIFY_PROBLEMS: usize = 100;

/// Prepared statements that the writer and each reader keep.
pub const STATEMENT_CACHE: usize = 256;
