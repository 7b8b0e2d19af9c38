//! Dialect `rtl_433`: one JSON event of a radio sensor, as rtl_433 makes it.
//!
//! The receiver is the client; each radio sensor is an asset of its own, named by model, subtype, channel
//! and id, in the order of rtl_433's own topics, and seen through the receiver. Keys are known by name or by
//! the form `type_unit` of its data format. Invariant: every value that is not part of the identity or of
//! the radio frame becomes a reading; numbers without a unit have unit `1`.

use std::collections::HashMap;
use std::sync::Arc;

use sitewarden_core::{AssetRef, Reading, ReadingValue};

use crate::build::{self, Message, Origin, clean, collect, short};
use crate::json::{self, Document, Fields, Scalar};
use crate::limits::{METRIC_BYTES, TEXT_BYTES};
use crate::units::{self, Conversion};
use crate::{Decoded, UnknownReason};

/// Makes the asset's name, in this order. `dipswitch` is the identity of remotes that have no id.
const IDENTITY: [&str; 5] = ["model", "subtype", "channel", "id", "dipswitch"];

/// About the frame and not about the site: neither reading nor identity.
const FRAME: [&str; 9] = ["time", "type", "mic", "protocol", "mod", "data", "raw", "description", "codes"];

/// Keys that are yes or no, whatever way the decoder writes it.
const FLAGS: [&str; 13] = [
    "learn",
    "test",
    "button",
    "startup",
    "newbattery",
    "alarm",
    "tamper",
    "motion",
    "event",
    "closed",
    "opened",
    "reed_open",
    "detect_wet",
];

/// Keys that do not follow `type_unit`, or whose unit is only in the documentation: metric and unit.
const NAMED: &[(&str, &str, &str)] = &[
    ("humidity", "humidity", "%"),
    ("humidity_1", "humidity_1", "%"),
    ("humidity_2", "humidity_2", "%"),
    ("moisture", "moisture", "%"),
    ("current", "current", "A"),
    ("interval", "interval", "s"),
    ("rssi", "rssi", "dB"),
    ("snr", "snr", "dB"),
    ("noise", "noise", "dB"),
    ("freq", "frequency", "MHz"),
    ("freq1", "frequency_1", "MHz"),
    ("freq2", "frequency_2", "MHz"),
    ("battery_mV", "battery_voltage", "mV"),
    ("battery_V", "battery_voltage", "V"),
    ("light_lux", "illuminance", "lx"),
    ("light_klx", "illuminance", "klx"),
    ("storm_dist_km", "storm_distance", "km"),
    ("uvi", "uv_index", "1"),
    ("uv", "uv", "1"),
];

/// Ends of keys and the unit that they say.
const SUFFIXES: &[(&str, &str)] = &[
    ("_ug_m3", "ug/m3"),
    ("_mm_h", "mm/h"),
    ("_in_h", "in/h"),
    ("_km_h", "km/h"),
    ("_mi_h", "mph"),
    ("_m_s", "m/s"),
    ("_hPa", "hPa"),
    ("_kPa", "kPa"),
    ("_PSI", "PSI"),
    ("_psi", "PSI"),
    ("_bar", "bar"),
    ("_inHg", "inHg"),
    ("_kWh", "kWh"),
    ("_kW", "kW"),
    ("_W", "W"),
    ("_mV", "mV"),
    ("_V", "V"),
    ("_mA", "mA"),
    ("_A", "A"),
    ("_lux", "lx"),
    ("_klx", "klx"),
    ("_ppm", "ppm"),
    ("_deg", "deg"),
    ("_mm", "mm"),
    ("_in", "in"),
    ("_cm", "cm"),
    ("_km", "km"),
    ("_dB", "dB"),
    ("_Hz", "Hz"),
    ("_MHz", "MHz"),
    ("_pct", "%"),
    ("_C", "C"),
    ("_F", "F"),
    ("_s", "s"),
];

/// The table of known keys, made once so that readings share their names.
#[derive(Clone, Debug)]
pub(crate) struct Keys {
    named: HashMap<&'static str, Key>,
    dimensionless: Arc<str>,
    none: Arc<str>,
    battery: Arc<str>,
    tire_pressure: Arc<str>,
    percent: Arc<str>,
    units: Vec<(&'static str, Arc<str>, Conversion)>,
}

#[derive(Clone, Debug)]
struct Key {
    metric: Arc<str>,
    unit: Arc<str>,
    conversion: Conversion,
}

impl Default for Keys {
    fn default() -> Self {
        let unit = |spelling: &'static str| {
            units::known(spelling).map_or((spelling.into(), Conversion::NONE), |(ours, conversion)| {
                (Arc::from(ours), conversion)
            })
        };
        let named = NAMED.iter().map(|(key, metric, spelling)| {
            let (unit, conversion) = unit(spelling);
            (*key, Key { metric: (*metric).into(), unit, conversion })
        });
        let units = SUFFIXES.iter().map(|(suffix, spelling)| {
            let (unit, conversion) = unit(spelling);
            (*suffix, unit, conversion)
        });
        Self {
            named: named.collect(),
            dimensionless: "1".into(),
            none: "".into(),
            battery: "battery".into(),
            tire_pressure: "tire_pressure".into(),
            percent: "%".into(),
            units: units.collect(),
        }
    }
}

impl Keys {
    fn key(&self, name: &str) -> Key {
        if let Some(key) = self.named.get(name) {
            return key.clone();
        }
        for (suffix, unit, conversion) in &self.units {
            if let Some(metric) = name.strip_suffix(suffix)
                && !metric.is_empty()
            {
                let metric = clean(metric, METRIC_BYTES);
                return Key { metric, unit: unit.clone(), conversion: *conversion };
            }
        }
        let metric = clean(name, METRIC_BYTES);
        Key { metric, unit: self.dimensionless.clone(), conversion: Conversion::NONE }
    }
}

pub(crate) fn decode(keys: &Keys, message: &Message<'_>, payload: &[u8]) -> Decoded {
    let fields = match json::read(payload.trim_ascii(), &message.profile.nested) {
        Ok(Document::Object(fields)) => fields,
        Ok(Document::Scalar(_)) => return build::unknown(UnknownReason::NotAnObject),
        Err(reason) => return build::unknown(reason),
    };
    let Some(asset) = asset(&fields) else {
        return build::unknown(UnknownReason::NoModel);
    };
    let (time, time_source) = message.time(&fields);
    let origin = Origin { asset, via: Some(message.client.clone()), time, time_source };
    let mut decoded = Decoded::default();
    let tire = fields.iter().any(|(key, value)| key == "type" && *value == Scalar::Text("TPMS".into()));
    for (name, value) in &fields {
        if IDENTITY.contains(&name.as_ref()) || FRAME.contains(&name.as_ref()) {
            continue;
        }
        let mut result = reading(keys, message, &origin, name, value);
        // 2,400 hPa are right in a tire and wrong in the air: a rule on one must not see the other.
        if let (true, Ok(Some(reading))) = (tire && name.starts_with("pressure_"), &mut result) {
            reading.metric = keys.tire_pressure.clone();
        }
        collect(&mut decoded, result);
    }
    if decoded.readings.is_empty() && decoded.unknown.is_none() {
        // For some devices the message itself is the event: a doorbell has nothing else to say.
        let event = ReadingValue::Bool(true);
        decoded.readings.push(origin.reading(message.received, "event".into(), keys.none.clone(), event));
    }
    decoded.sightings.push(message.sighting(&origin, facts(&fields)));
    decoded
}

/// `rtl_433:Acurite-Tower:A:8682`; `None` without a model.
fn asset(fields: &Fields<'_>) -> Option<AssetRef> {
    let mut name = "rtl_433".to_owned();
    for part in IDENTITY {
        match fields.iter().find(|(key, _)| key == part) {
            Some((_, Scalar::Text(text))) if !text.is_empty() => {
                name.push(':');
                // The separator stays ours: a model `A:1` must not be able to name another sensor.
                name.extend(text.chars().map(|c| if c == ':' { '_' } else { c }));
            }
            Some((_, Scalar::Number(number))) if part != "model" => name.push_str(&format!(":{number}")),
            _ if part == "model" => return None,
            _ => {}
        }
    }
    Some(AssetRef::new(&name))
}

fn facts(fields: &Fields<'_>) -> Vec<(Arc<str>, Arc<str>)> {
    let told = ["model", "subtype", "channel", "id", "type", "mic"];
    let mut facts: Vec<(Arc<str>, Arc<str>)> = vec![("protocol".into(), "rtl_433".into())];
    for (key, value) in fields.iter().filter(|(key, _)| told.contains(&key.as_ref())) {
        let value = match value {
            Scalar::Text(text) => clean(text, TEXT_BYTES),
            Scalar::Number(number) => number.to_string().into(),
            _ => continue,
        };
        facts.push((key.as_ref().into(), value));
    }
    facts
}

fn reading(
    keys: &Keys,
    message: &Message<'_>,
    origin: &Origin,
    name: &str,
    value: &Scalar<'_>,
) -> Result<Option<Reading>, UnknownReason> {
    let (metric, unit, value) = match value {
        // A level between 0 (empty) and 1 (full).
        Scalar::Number(level) if name == "battery_ok" => {
            (keys.battery.clone(), keys.percent.clone(), ReadingValue::Number(level * 100.0))
        }
        Scalar::Number(flag) if FLAGS.contains(&name) && matches!(flag, 0.0 | 1.0) => {
            (name.into(), keys.none.clone(), ReadingValue::Bool(*flag == 1.0))
        }
        Scalar::Text(text) if FLAGS.contains(&name) && yes_or_no(text).is_some() => {
            let flag = yes_or_no(text).unwrap_or_default();
            (name.into(), keys.none.clone(), ReadingValue::Bool(flag))
        }
        Scalar::Number(number) => {
            let key = keys.key(name);
            let number = key.conversion.apply(*number).ok_or(UnknownReason::NotFinite)?;
            (key.metric, key.unit, ReadingValue::Number(number))
        }
        Scalar::Bool(flag) => (clean(name, METRIC_BYTES), keys.none.clone(), ReadingValue::Bool(*flag)),
        Scalar::Text(text) if short(text) => {
            (clean(name, METRIC_BYTES), keys.none.clone(), ReadingValue::Text(text.as_ref().into()))
        }
        _ => return Ok(None),
    };
    Ok(Some(origin.reading(message.received, metric, unit, value)))
}

fn yes_or_no(text: &str) -> Option<bool> {
    match text {
        "Yes" | "YES" | "yes" | "ON" | "on" => Some(true),
        "No" | "NO" | "no" | "OFF" | "off" => Some(false),
        _ => None,
    }
}
