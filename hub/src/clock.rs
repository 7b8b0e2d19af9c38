//! The one place that reads the wall clock for answers. Deadlines in the database are by its own clock, one for all instances.

use std::time::SystemTime;

use sitewarden_core::Timestamp;

/// Now.
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}
