//! Bounds of the identity slice, in one place.
//!
//! Each says its unit and the reason for the figure; what happens at the bound stands with it.

use std::time::Duration;

/// A session ends after this time without a request (a coffee break is shorter, a shift change is longer).
pub const SESSION_IDLE: Duration = Duration::from_secs(30 * 60);

/// A session ends after this time whatever happens: one shift.
pub const SESSION_TOTAL: Duration = Duration::from_secs(12 * 3600);

/// `last_seen` is written at most this often per session, so that reading a page does not cost a commit per request.
pub const SEEN_INTERVAL: Duration = Duration::from_secs(60);

/// Sessions of one person; the one that was longest not seen ends when there are more.
pub const SESSIONS_PER_USER: usize = 20;

/// People of one site. A site has tens.
pub const USERS: usize = 1_000;

/// API keys of one site.
pub const API_KEYS: usize = 1_000;

/// Longest life of an API key in days: ten years, so that every key ends once.
pub const API_KEY_DAYS: u32 = 3_650;

/// How long an expired API key is still listed.
pub const API_KEY_LISTED: Duration = Duration::from_secs(30 * 24 * 3600);

/// Longest log-in name in bytes.
pub const LOGIN_BYTES: usize = 64;

/// Longest name of a person, key or site in characters.
pub const NAME_CHARS: usize = 100;

/// Shortest password in characters; the pages say the same.
pub const PASSWORD_CHARS: usize = 12;

/// Longest password in bytes; hashing reads it once.
pub const PASSWORD_BYTES: usize = 1_024;

/// Longest user agent that is kept of a session, in bytes.
pub const USER_AGENT_BYTES: usize = 256;

/// Argon2id memory in KiB (OWASP's second recommendation: 19 MiB with two passes).
pub const ARGON2_KIB: u32 = 19 * 1024;

/// Argon2id passes over its memory (OWASP's figure for 19 MiB): with it one hash takes 40 ms.
pub const ARGON2_PASSES: u32 = 2;

/// Passwords that are hashed at the same time: 40 ms of a core and 19 MiB each. One core stays free for devices.
pub const HASHERS: usize = 1;

/// Passwords that wait for a hasher: about a second. More get 503.
pub const HASH_QUEUE: usize = 24;

/// Log-ins that may fail at once from one address for one login; then one each [`PAIR_REFILL`].
pub const PAIR_BURST: u32 = 5;
/// Time after which one more try is free for a login from an address.
pub const PAIR_REFILL: Duration = Duration::from_secs(30);

/// Log-ins that may fail at once from one address (IPv6: one /64) for any login: an office behind one address.
pub const ADDRESS_BURST: u32 = 20;
/// Time after which one more try is free for an address.
pub const ADDRESS_REFILL: Duration = Duration::from_secs(6);

/// Log-ins that may fail at once for one login from all addresses that never signed in with it.
pub const LOGIN_BURST: u32 = 50;
/// Time after which one more try is free for a login from unknown addresses.
pub const LOGIN_REFILL: Duration = Duration::from_secs(10);

/// Set-up codes that may be tried at once, from all addresses together. Large, so that one neighbour cannot keep
/// the honest owner from trying (their own address stops them long before).
pub const SETUP_BURST: u32 = 60;
/// Time after which one more try of the set-up code is free: guessing 40 bits takes 17,000 years on average.
pub const SETUP_REFILL: Duration = Duration::from_secs(1);

/// Addresses and logins that the throttle remembers, about 1 MB. When it is full of active ones, all further ones
/// share one budget.
pub const THROTTLED: usize = 10_000;

/// Pairs of address and login that are known to have signed in.
pub const KNOWN_PAIRS: usize = 1_000;

/// Characters of the set-up code: 40 bits.
pub const SETUP_CODE_CHARS: usize = 8;

/// Upper bounds of the request histogram in seconds; a log-in takes 0.05 to 1.
pub const DURATION_BUCKETS: [f64; 9] = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0];
