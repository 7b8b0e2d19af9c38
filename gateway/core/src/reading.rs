//! A reading: one value of one metric of one asset.
//!
//! Not how it is stored (telemetry slice) and not how a payload is decoded (ingest slice).

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::asset::AssetRef;
use crate::time::Timestamp;

/// Where the time of a reading comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TimeSource {
    /// The payload carried it.
    Payload,
    /// The box took the time of arrival.
    Arrival,
}

/// The value of a reading.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ReadingValue {
    /// On or off, open or closed.
    Bool(bool),
    /// A finite number in the reading's unit.
    Number(f64),
    /// A short state, such as `LOW`.
    Text(Arc<str>),
}

/// One value of one metric.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// The sensor.
    pub asset: AssetRef,
    /// The asset through which it came, when it is not the sensor's own connection.
    pub via: Option<AssetRef>,
    /// What was measured: `temperature`, `humidity`, `battery`.
    pub metric: Arc<str>,
    /// The unit in UCUM-like spelling (`Cel`, `%`, `hPa`), empty when there is none.
    pub unit: Arc<str>,
    /// The value.
    pub value: ReadingValue,
    /// When it was measured.
    pub time: Timestamp,
    /// Where `time` comes from.
    pub time_source: TimeSource,
    /// When the box received it.
    pub received: Timestamp,
    /// Whether a person had approved the asset when it arrived. False until the inventory was asked.
    pub trusted: bool,
}
