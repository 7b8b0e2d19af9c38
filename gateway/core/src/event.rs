//! Events: what rules judge. Readings, log-ins, denials and broker events all take this form.
//!
//! Not a finding and not a stored row. Invariant: numbers are finite (a producer turns NaN into text).

use std::sync::Arc;

use crate::asset::AssetRef;
use crate::time::Timestamp;

/// Sigma's `logsource`: which kind of log an event belongs to. Absent parts are `None`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct LogSource {
    /// `iot`, `sitewarden`, `windows`.
    pub product: Option<Arc<str>>,
    /// `sensor_reading`, `authentication`, `process_creation`.
    pub category: Option<Arc<str>>,
    /// `broker`, `identity`, `sysmon`.
    pub service: Option<Arc<str>>,
}

impl LogSource {
    /// The source of sensor readings: product `iot`, category `sensor_reading`.
    #[must_use]
    pub fn sensor_reading() -> Self {
        Self { product: Some("iot".into()), category: Some("sensor_reading".into()), service: None }
    }

    /// A source of the box itself: product `sitewarden` and the given service (`broker`, `identity`, `policy`).
    #[must_use]
    pub fn own(service: &str) -> Self {
        Self { product: Some("sitewarden".into()), category: None, service: Some(service.into()) }
    }
}

/// A field's value, as JSON knows them.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// JSON null.
    Null,
    /// True or false.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A finite number.
    Float(f64),
    /// Text.
    Text(Arc<str>),
    /// A list of values.
    List(Vec<Value>),
    /// Named values, in order of appearance.
    Map(Vec<(Arc<str>, Value)>),
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.into())
    }
}
impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Int(number)
    }
}
impl From<bool> for Value {
    fn from(flag: bool) -> Self {
        Self::Bool(flag)
    }
}

/// One event as rules see it.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// Which kind of log it belongs to.
    pub source: LogSource,
    /// The asset it is about, when there is one.
    pub asset: Option<AssetRef>,
    /// When it happened, by its own word where it has one.
    pub time: Timestamp,
    /// When the box received it.
    pub received: Timestamp,
    /// Named values in order; at most [`crate::limits::EVENT_FIELDS`].
    pub fields: Vec<(Arc<str>, Value)>,
}
