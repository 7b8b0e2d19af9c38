//! The sensors' values for the next report: the last one of each.
//!
//! Readings are not kept over a restart and not sent again: the next report has newer ones. Findings are what must not be lost.
//! Invariant: at most one reading per sensor, at most [`MAX_SENSORS`] sensors.

use sitewarden_wire::List;
use sitewarden_wire::limits::MAX_READINGS;
use sitewarden_wire::message::Reading;

use crate::limits::{MAX_SENSORS, MIN_REPORT_MS};

/// The values, and when they are due.
#[derive(Debug, Default)]
pub(super) struct Report {
    values: heapless::Vec<Reading, MAX_SENSORS>,
    every_ms: u32,
    sent_ms: Option<u64>,
}

impl Report {
    /// The interval of the parameters; 0 for no reports.
    pub(super) fn every(&mut self, interval_ms: u32) {
        self.every_ms = if interval_ms == 0 { 0 } else { interval_ms.max(MIN_REPORT_MS) };
    }

    /// New values. Those of sensors beyond [`MAX_SENSORS`] are left out.
    pub(super) fn take(&mut self, readings: impl Iterator<Item = Reading>) {
        for reading in readings {
            match self.values.iter_mut().find(|known| known.sensor == reading.sensor) {
                Some(known) => *known = reading,
                None => drop(self.values.push(reading)),
            }
        }
    }

    /// The values to send now: none if the report is not due.
    pub(super) fn due(&self, now_ms: u64) -> List<Reading, MAX_READINGS> {
        let mut list = List::default();
        let waits = |sent: u64| now_ms.saturating_sub(sent) < u64::from(self.every_ms);
        if self.every_ms != 0 && !self.sent_ms.is_some_and(waits) {
            for reading in &self.values {
                // MAX_SENSORS values fit into MAX_READINGS.
                let _ = list.push(*reading);
            }
        }
        list
    }

    /// They are on their way.
    pub(super) fn sent(&mut self, now_ms: u64) {
        self.sent_ms = Some(now_ms);
        self.values.clear();
    }
}
