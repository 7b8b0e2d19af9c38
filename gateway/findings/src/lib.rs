//! Findings: what the site's people are told, from the first match to the closed case.
//!
//! This slice owns the tables, the lifecycle and the routes; it makes no findings itself: rules and other
//! producers hand over drafts. Invariants: one row per dedup key; every change is one site-log record in
//! the same commit (repeats: at most one per finding and minute); a closed finding that happens again is open again.

pub mod limits;

mod change;
mod error;
mod evidence;
mod raise;
mod read;
mod routes;
mod rows;
mod view;

pub use change::{acknowledge, close, rename_asset, reopen};
pub use error::FindingError;
pub use raise::{About, Outcome, Raised, raise};
pub use read::{Counts, Filter, counts, detail, get, list, matches_by_rule, open_by_asset};
pub use routes::{Deps, routes};
pub use view::{
    AtomView, DetailView, EventView, EvidenceView, FindingView, HistoryView, StatementView, WindowView,
};

use sitewarden_store::Migrations;

/// Tables of this slice.
pub const MIGRATIONS: Migrations =
    Migrations { slice: "findings", steps: &[(1, "finding", include_str!("migrations/001_finding.sql"))] };

#[cfg(test)]
mod tests;
