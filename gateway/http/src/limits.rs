//! Bounds of the HTTP interface, in one place.
//!
//! Rates per person and address belong to the identity slice. Each bound says its unit and its reason.

use std::time::Duration;

/// Largest request body in bytes. The largest that the API takes is a rule or policy file; those stay below 256 KiB.
pub const BODY_BYTES: usize = 1024 * 1024;

/// Deepest nesting of a JSON body. The API's own types stay below 8.
pub const JSON_DEPTH: usize = 32;

/// Longest time from the request's head to the answer's head, the body's arrival included.
pub const REQUEST_TIME: Duration = Duration::from_secs(30);

/// Most items of one page.
pub const PAGE_MAX: u32 = 200;

/// Items of a page when none are asked for.
pub const PAGE_DEFAULT: u32 = 50;

/// Longest cursor in bytes; ours stay below 300, because an asset id can stand in one.
pub const CURSOR_BYTES: usize = 1_024;

/// Longest request id that is taken over from a client.
pub const REQUEST_ID_BYTES: usize = 64;

/// Longest detail of a problem in bytes, so that a quoted input does not come back at full length.
pub const DETAIL_BYTES: usize = 1_024;
