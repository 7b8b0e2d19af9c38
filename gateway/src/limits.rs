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
