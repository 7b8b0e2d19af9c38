//! The demo's cold store as pure functions of time: which devices there are and what they report.
//!
//! No connection and no clock; `mod.rs` plays it. Values are smooth and repeatable, so that a
//! screenshot of yesterday looks like one of today.

use std::f64::consts::TAU;

/// One simulated device.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct DemoDevice {
    /// MQTT client id and asset id.
    pub(super) id: &'static str,
    /// Name for people.
    pub(super) name: &'static str,
    /// Part of the topic and place of the device.
    pub(super) zone: &'static str,
    /// Asset kind in the words of the API.
    pub(super) kind: &'static str,
    /// What it reports: metric and unit.
    pub(super) metrics: &'static [(&'static str, &'static str)],
    /// Seconds between reports.
    pub(super) interval: u64,
    /// How its main value behaves.
    pub(super) course: Course,
}

/// How a value moves.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Course {
    /// Around a middle, with the swing of a compressor's cycle.
    Steady { middle: f64, swing: f64 },
    /// Starts steady, then rises by so much a minute: a door that was left open.
    Drifting { middle: f64, per_minute: f64 },
    /// Counts up: a camera's heartbeat.
    Heartbeat,
}

/// Eight sensors and a camera.
pub(super) const DEVICES: &[DemoDevice] = &[
    cold("cold-1-temperature", "Cold room 1, shelf", "cold", 4.2, 0.6),
    cold("cold-1-door", "Cold room 1, door side", "cold", 4.9, 0.8),
    DemoDevice {
        id: "cold-2-temperature",
        name: "Cold room 2, shelf",
        zone: "cold",
        kind: "sensor",
        metrics: &[("temperature", "Cel"), ("battery", "%")],
        interval: 5,
        course: Course::Drifting { middle: 7.2, per_minute: 1.5 },
    },
    cold("freezer-1-temperature", "Freezer 1", "freezer", -19.5, 0.9),
    cold("freezer-2-temperature", "Freezer 2", "freezer", -20.3, 0.7),
    cold("dock-temperature", "Loading dock", "dock", 11.5, 1.4),
    DemoDevice {
        id: "dock-humidity",
        name: "Loading dock, humidity",
        zone: "dock",
        kind: "sensor",
        metrics: &[("humidity", "%"), ("battery", "%")],
        interval: 10,
        course: Course::Steady { middle: 62.0, swing: 5.0 },
    },
    DemoDevice {
        id: "compressor-power",
        name: "Compressor, power",
        zone: "plant",
        kind: "sensor",
        metrics: &[("power", "W"), ("battery", "%")],
        interval: 5,
        course: Course::Steady { middle: 1_450.0, swing: 220.0 },
    },
    DemoDevice {
        id: "gate-camera",
        name: "Gate camera",
        zone: "gate",
        kind: "camera",
        metrics: &[("frames", "")],
        interval: 10,
        course: Course::Heartbeat,
    },
];

const fn cold(
    id: &'static str,
    name: &'static str,
    zone: &'static str,
    middle: f64,
    swing: f64,
) -> DemoDevice {
    DemoDevice {
        id,
        name,
        zone,
        kind: "sensor",
        metrics: &[("temperature", "Cel"), ("battery", "%")],
        interval: 5,
        course: Course::Steady { middle, swing },
    }
}

impl DemoDevice {
    /// The topic of one of its metrics.
    pub(super) fn topic(&self, metric: &str) -> String {
        format!("site/{}/{}/{metric}", self.zone, self.id)
    }

    /// The payload of a metric so many seconds after the demo began.
    pub(super) fn payload(&self, metric: &str, unit: &str, seconds: u64) -> String {
        let value = if metric == "battery" { self.battery(seconds) } else { self.value(seconds) };
        format!(r#"{{"value":{value:.2},"unit":"{unit}"}}"#)
    }

    fn value(&self, seconds: u64) -> f64 {
        let time = seconds_of(seconds);
        // A cycle of about seven minutes, shifted per device so that not all move together.
        let phase = self.id.bytes().fold(0.0, |sum, byte| sum + f64::from(byte)) / 10.0;
        let wave = (time / 420.0 * TAU + phase).sin() + 0.2 * (time / 37.0 * TAU + phase).sin();
        match self.course {
            Course::Steady { middle, swing } => middle + swing * wave,
            Course::Drifting { middle, per_minute } => {
                (middle + per_minute * time / 60.0).min(16.0) + 0.1 * wave
            }
            Course::Heartbeat => 25.0 * time,
        }
    }

    fn battery(&self, seconds: u64) -> f64 {
        let start = if self.id == "dock-humidity" { 8.0 } else { 87.0 };
        (start - seconds_of(seconds) / 86_400.0).max(1.0)
    }
}

fn seconds_of(seconds: u64) -> f64 {
    // A demo of more than a century loses nothing but precision.
    f64::from(u32::try_from(seconds).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cold_store_has_eight_sensors_and_a_camera() {
        assert_eq!(DEVICES.iter().filter(|device| device.kind == "sensor").count(), 8);
        assert_eq!(DEVICES.iter().filter(|device| device.kind == "camera").count(), 1);
    }

    #[test]
    fn one_cold_room_drifts_over_eight_degrees_within_a_minute_and_the_other_does_not() {
        let find = |id| DEVICES.iter().find(|device| device.id == id).expect("a demo device");
        assert!(find("cold-2-temperature").value(0) < 8.0);
        assert!(find("cold-2-temperature").value(60) > 8.0);
        assert!((0..86_400).step_by(60).all(|second| find("cold-1-temperature").value(second) < 7.0));
    }

    #[test]
    fn payloads_are_json_with_value_and_unit() {
        let device = DEVICES.first().expect("there are devices");
        let payload: serde_json::Value =
            serde_json::from_str(&device.payload("temperature", "Cel", 42)).expect("the payload is JSON");
        assert!(payload["value"].is_number() && payload["unit"] == "Cel");
    }
}
