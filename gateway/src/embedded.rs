//! Shipped rules and dialects, compiled into the binary by `build.rs`.
//!
//! They are the defaults of an unconfigured box; a configured folder replaces its set as a whole.

include!(concat!(env!("OUT_DIR"), "/embedded.rs"));
