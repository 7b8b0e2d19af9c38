//! Bounds of the hub, in one place.
//!
//! Bounds of the log's own format (records and bytes of a batch, checkpoints, proofs, zstd) stand in the crate `log`, since
//! sender and receiver hold the same ones. Each bound says its unit and its reason.

use std::time::Duration;

/// Connections at once. Each costs about 40 kB with TLS; more wait in the kernel's queue of the listener.
pub(crate) const CONNECTIONS: usize = 2_000;

/// Connections at once from one address (IPv6: one /64): the sites and people behind one office's address.
pub(crate) const CONNECTIONS_PER_ADDRESS: usize = 200;

/// Longest TLS handshake: a site behind a slow mobile line takes one second.
pub(crate) const HANDSHAKE_TIME: Duration = Duration::from_secs(10);

/// Longest time until a new connection's first request has its head.
pub(crate) const HEAD_TIME: Duration = Duration::from_secs(20);

/// Longest time between two requests of a connection: a gateway's heartbeat comes each minute and finds its connection there.
pub(crate) const IDLE_TIME: Duration = Duration::from_secs(150);

/// Longest time from a request's head to its answer. A batch over a line of 64 kbit/s takes most of a minute.
pub(crate) const REQUEST_TIME: Duration = Duration::from_secs(90);

/// How long requests that are under way may take when the hub is told to end.
pub(crate) const DRAIN_TIME: Duration = Duration::from_secs(5);

/// Largest JSON body other than a batch, in bytes: a checkpoint with a consistency proof takes 8 KiB.
pub(crate) const BODY_BYTES: usize = 16 * 1024;

/// Largest compressed batch in bytes: what does not compress stays as large as it is, and a little more.
pub(crate) const PACKED_BYTES: usize = (1 << 20) + (64 << 10);

/// Batches that are unpacked and judged at once, 4 MiB each; more get 503 and come again.
pub(crate) const BATCHES: usize = 32;

/// Batches of one site that an instance takes at once: the one under way and one whose sender gave up. More get 503, so that
/// a site which sends slowly on many connections takes no other's place.
pub(crate) const BATCHES_PER_SITE: usize = 2;

/// Deepest nesting of a JSON body. The API's own types stay below 5.
pub(crate) const JSON_DEPTH: usize = 16;

/// Most items of one page.
pub(crate) const PAGE_MAX: u32 = 200;

/// Items of a page when none are asked for.
pub(crate) const PAGE_DEFAULT: u32 = 50;

/// Longest cursor of a list in bytes; ours stay below 120.
pub(crate) const CURSOR_BYTES: usize = 256;

/// Longest search text in bytes: a dozen words.
pub(crate) const SEARCH_BYTES: usize = 200;

/// Most words of one search; each is looked for in every finding that the other filters leave.
pub(crate) const SEARCH_WORDS: usize = 8;

/// Longest request id that is taken over from a client, in bytes.
pub(crate) const REQUEST_ID_BYTES: usize = 64;

/// Longest detail of a problem in bytes, so that a quoted input does not come back at full length.
pub(crate) const DETAIL_BYTES: usize = 1_024;

/// Longest name of a site, tenant or version that a gateway or an operator gives, in characters.
pub(crate) const NAME_CHARS: usize = 100;

/// Longest text of a finding that is kept beside its record, in bytes; the record itself is kept whole.
pub(crate) const TEXT_BYTES: usize = 1_024;

/// Longest statement of an agent in bytes before it is decoded; the link's own bound is below 512.
pub(crate) const STATEMENT_BYTES: usize = 1_024;

/// Alarms of one kind that one site may have; more are counted on the last one, so that a hostile site fills no disk.
pub(crate) const ALARMS: i64 = 1_000;

/// Longest body of a record that an alarm keeps as evidence, in bytes; of a longer one its hash and length are kept.
pub(crate) const EVIDENCE_BYTES: usize = 8 * 1024;

/// Connections to PostgreSQL of one instance: four per core of a small server. A hundred instances need a pooler before it.
pub(crate) const DATABASE_CONNECTIONS: usize = 16;

/// Longest wait for a connection to PostgreSQL; then the request gets 503.
pub(crate) const DATABASE_WAIT: Duration = Duration::from_secs(5);

/// Longest statement in milliseconds: a batch of 1,000 records takes 30.
pub(crate) const STATEMENT_MS: u32 = 10_000;

/// Longest wait for a lock in milliseconds: another instance that holds the site's row is done in a tenth of it, or dead.
pub(crate) const LOCK_MS: u32 = 5_000;

/// Longest pause inside of a transaction in milliseconds; then PostgreSQL ends it, so that a hub that hangs frees its locks.
pub(crate) const IDLE_TRANSACTION_MS: u32 = 10_000;

/// Leaves in one block of a log, whose hash is kept: a proof in a log of a million records reads 1,000 blocks and 2,000 leaves.
pub(crate) const BLOCK_LEAVES: u64 = 1_024;

/// Months for which partitions are made ahead, looked at each hour.
pub(crate) const MONTHS_AHEAD: i32 = 3;

/// Time between two looks at partitions and old rate counters.
pub(crate) const HOUSEKEEPING: Duration = Duration::from_secs(3_600);

/// A session ends after this time without a request.
pub(crate) const SESSION_IDLE: Duration = Duration::from_secs(30 * 60);

/// A session ends after this time whatever happens: one shift.
pub(crate) const SESSION_TOTAL: Duration = Duration::from_secs(12 * 3_600);

/// `last_seen` of a session is written at most this often.
pub(crate) const SEEN_INTERVAL: Duration = Duration::from_secs(60);

/// Sessions of one account; the one that was longest not seen ends when there are more.
pub(crate) const SESSIONS: i64 = 20;

/// Longest log-in name in bytes.
pub(crate) const LOGIN_BYTES: usize = 64;

/// Shortest password in characters.
pub(crate) const PASSWORD_CHARS: usize = 12;

/// Longest password in bytes; hashing reads it once.
pub(crate) const PASSWORD_BYTES: usize = 1_024;

/// Argon2id memory in KiB (OWASP's second recommendation: 19 MiB with two passes).
pub(crate) const ARGON2_KIB: u32 = 19 * 1024;

/// Argon2id passes over its memory (OWASP's figure for 19 MiB).
pub(crate) const ARGON2_PASSES: u32 = 2;

/// Passwords that are hashed at the same time by one instance: 40 ms of a core and 19 MiB each.
pub(crate) const HASHERS: usize = 2;

/// Passwords that wait for a hasher: about a second. More get 503.
pub(crate) const HASH_QUEUE: usize = 48;

/// Log-ins that may fail at once from one address (IPv6: one /64) for one login; then one each [`PAIR_REFILL`].
pub(crate) const PAIR_BURST: u32 = 5;
/// Time after which one more try is free for a login from an address.
pub(crate) const PAIR_REFILL: Duration = Duration::from_secs(30);

/// Log-ins that may fail at once from one address for any login: an office behind one address.
pub(crate) const ADDRESS_BURST: u32 = 20;
/// Time after which one more try is free for an address.
pub(crate) const ADDRESS_REFILL: Duration = Duration::from_secs(6);

/// Claim codes that may be wrong at once from one address; a technician mistypes twice.
pub(crate) const CLAIM_BURST: u32 = 10;
/// Time after which one more claim is free: 100 bits are not guessed at this rate in the age of the universe.
pub(crate) const CLAIM_REFILL: Duration = Duration::from_secs(60);

/// Longest life of a claim code in hours: a month, for a box that is on its way.
pub(crate) const CLAIM_HOURS: u32 = 24 * 31;

/// Life of the certificate that the hub makes for itself; it is made anew at a start in its last month.
pub(crate) const CERTIFICATE_DAYS: u64 = 397;
