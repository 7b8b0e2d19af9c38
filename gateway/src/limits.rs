//! Bounds of the binary: pipeline queues, live push, the console socket.
//!
//! Bounds of a subject stand in its own crate's `limits.rs`.

use std::time::Duration;

/// Batches that may wait between the broker and the engine thread. One batch is one turn of the broker's loop. When
/// full, the open batch grows to its own bound, then the broker stops reading from publishers: few and large
/// batches cost less than many.
pub(crate) const PIPELINE_BATCHES: usize = 4;

/// Events of the box itself (log-ins, denials) that may wait for the engine. When full, the newest are
/// counted and dropped: an attacker who fails to log in must not stop the site's readings.
pub(crate) const OWN_EVENTS: usize = 4_096;

/// Commits that the engine may run ahead of the writer, so that it prepares the next while the disk syncs.
pub(crate) const COMMITS_AHEAD: usize = 2;

/// Batches that share one commit when they wait together. At 50,000 messages a second a batch has some
/// hundred messages; 32 of them are as much as the writer stores in a few milliseconds.
pub(crate) const MERGED_BATCHES: usize = 32;

/// Readings without acknowledgement that are held for a common commit: what the writer stores in some 2 ms.
pub(crate) const HELD_READINGS: usize = 1_024;

/// Longest that a configuration may let readings without acknowledgement wait: that much is lost in a power cut.
pub(crate) const HELD_MAX: Duration = Duration::from_secs(10);

/// Readings in the journal since the rules' memory was stored, at which it is stored again: a start replays them. At 17
/// readings a second that is every 50 minutes, at 1,000 every 50 seconds.
pub(crate) const REPLAY_READINGS: usize = 50_000;

/// Bytes beside those readings (events of the box, timers, names) at which the rules' memory is stored again, too.
pub(crate) const REPLAY_BYTES: usize = 4 * 1024 * 1024;

/// Blocks of the journal that a replay reads at once: some 20 ms of a reader, which has 2 s.
pub(crate) const REPLAY_BLOCKS: usize = 1_000;

/// Pairs of topic and zone that blocks of one chain name; one more, and a new chain begins.
pub(crate) const REPLAY_NAMES: usize = 65_536;

/// Bytes about timers alone that may wait for another commit; more ask for one of their own.
pub(crate) const REPLAY_WAITING_BYTES: usize = 16 * 1024;

/// Largest memory of the rules that is stored, packed, in bytes. A larger one is told and not kept. A thousand sensors
/// under the shipped rules take 57 kB (1.8 MB unpacked).
pub(crate) const MEMORY_BYTES: usize = 64 * 1024 * 1024;

/// Pieces in which the memory of the rules is packed, in bytes: the packer takes them faster than single values.
pub(crate) const MEMORY_PIECE_BYTES: usize = 64 * 1024;

/// Largest memory of the rules that is unpacked, in bytes.
pub(crate) const MEMORY_UNPACKED_BYTES: u64 = 2 * 1024 * 1024 * 1024;

/// Shortest time between two tries to store the rules' memory.
pub(crate) const MEMORY_RETRY: Duration = Duration::from_secs(10);

/// How long a site may be quiet until a commit says how far time has come: a kill takes back that much of a silence.
pub(crate) const MEMORY_MARK: Duration = Duration::from_secs(300);

/// A commit that something else asked for says how far time has come when the last one that did is so long ago.
pub(crate) const MEMORY_STEP: Duration = Duration::from_secs(5);

/// Messages of agents that share one commit when they wait together: as many as a fast site's lines bring while the
/// disk syncs.
pub(crate) const MERGED_AGENT_MESSAGES: usize = 64;

/// How long the head of a request may take, a connection may be idle between two requests of HTTP/1.1, and an
/// answer to HTTP/2's ping may take. A head is one packet; who needs longer holds a file descriptor that a device
/// needs.
pub(crate) const REQUEST_HEAD: Duration = Duration::from_secs(20);

/// Connections to the web server at once. A browser opens one, at most six with HTTP/1.1; the file descriptors belong to the
/// sensors.
pub(crate) const WEB_CONNECTIONS: usize = 1_024;

/// Of them from one address: many people may come through one proxy, and one machine must not take them all.
pub(crate) const WEB_CONNECTIONS_PER_ADDRESS: usize = 256;

/// Messages a slow browser may fall behind in the lossy live channel before it misses some.
pub(crate) const LIVE_MESSAGES: usize = 1_024;

/// Browsers and other listeners of `/api/v1/events` at once.
pub(crate) const LIVE_STREAMS: usize = 64;

/// When a browser that found all live streams taken may try again.
pub(crate) const LIVE_RETRY: Duration = Duration::from_secs(10);

/// How long one live stream lasts before the browser comes again with its session.
pub(crate) const LIVE_STREAM_LIFE: Duration = Duration::from_secs(300);

/// Site-log records read at once for one listener of `/api/v1/events`.
pub(crate) const LIVE_RECORDS: usize = 256;

/// Longest request or answer on the console socket, in bytes (a CSR has about 1 kB).
pub(crate) const CONSOLE_BYTES: usize = 64 * 1024;

/// How long a console command may take.
pub(crate) const CONSOLE_TIMEOUT: Duration = Duration::from_secs(10);

/// How long shutdown waits for each part to drain.
pub(crate) const DRAIN: Duration = Duration::from_secs(5);

/// Largest configuration, rule, policy or dialect file, in bytes.
pub(crate) const FILE_BYTES: u64 = 1024 * 1024;

/// Folders within folders that are read and watched; deeper ones are left alone.
pub(crate) const FOLDER_DEPTH: usize = 8;

/// Most files read from one configured folder.
pub(crate) const FOLDER_FILES: usize = 10_000;
