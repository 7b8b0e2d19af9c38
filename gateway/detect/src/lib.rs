//! The rule engine: Sigma rules with `x-edge`, over events and time.
//!
//! Pure: rules and events go in, matches ([`sitewarden_core::FindingDraft`]) and the next deadline come out. It
//! reads no clock, no file and no socket; `now` is passed in. What it understands of Sigma stands in `SIGMA.md`,
//! what it adds in `X-EDGE.md`.
//!
//! The law of use: after every call that returns, `out` holds all matches of that call. When
//! [`Engine::next_deadline`] has passed, call [`Engine::handle_timeout`]; calling it more often does nothing.
//! Invariant: the state after a restored snapshot gives the same matches as the state before it.

mod engine;
pub mod error;
mod explain;
mod fields;
mod fuzz;
pub mod limits;
mod matcher;
mod net;
pub mod number;
mod pattern;
mod pipeline;
mod placeholder;
pub mod rule;
pub mod rule_tests;
pub mod rules_match;
pub mod set;
mod time_part;
mod yaml;

pub use engine::{Engine, Limits, SnapshotError, Stats};
pub use error::RuleError;
pub use fuzz::{fuzz_condition, fuzz_expression, fuzz_json, fuzz_rule, fuzz_snapshot, fuzz_snapshot_seed};
pub use rule::Rule;
pub use set::RuleSet;
