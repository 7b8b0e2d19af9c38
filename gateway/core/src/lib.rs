//! The shared vocabulary of Sitewarden: time, assets, readings, events, findings, and who may do what.
//!
//! Pure: no tokio, no SQLite, no HTTP, no clock. Slices speak to each other, through the binary, in
//! these types and in no other. It holds no behaviour beyond what keeps a value valid.
//! Invariant: a [`gate::Permit`] can only come out of a [`gate::Gate`].

pub mod asset;
pub mod error;
pub mod event;
pub mod finding;
pub mod gate;
pub mod limits;
pub mod reading;
pub mod time;

pub use asset::{AssetKind, AssetRef, Sighting, Trust};
pub use event::{Event, LogSource, Value};
pub use finding::{Evidence, FindingDraft, FindingStatus, Severity, Statement};
pub use gate::{Action, Decider, Decision, Denied, Gate, Permit, Principal, Resource, Role};
pub use reading::{Reading, ReadingValue, TimeSource};
pub use time::{Monotonic, Now, Timestamp};
