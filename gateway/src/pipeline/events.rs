//! What the rules see: readings and the box's own happenings as [`Event`]s.
//!
//! Pure translation, no judgement. Field names are a promise to rule authors and are listed in
//! `config/rules/README.md`; a name once used keeps its meaning.

use std::sync::Arc;

use sitewarden_core::{AssetRef, Event, LogSource, Reading, ReadingValue, Value};

/// Field names of a sensor reading, made once: the hot path clones reference counts only.
pub(crate) struct ReadingFields {
    source: LogSource,
    device_id: Arc<str>,
    sensor_type: Arc<str>,
    value: Arc<str>,
    unit: Arc<str>,
    zone: Arc<str>,
    via: Arc<str>,
    topic: Arc<str>,
    trusted: Arc<str>,
}

impl Default for ReadingFields {
    fn default() -> Self {
        Self {
            source: LogSource::sensor_reading(),
            device_id: "device_id".into(),
            sensor_type: "sensor_type".into(),
            value: "value".into(),
            unit: "unit".into(),
            zone: "zone".into(),
            via: "via".into(),
            topic: "topic".into(),
            trusted: "trusted".into(),
        }
    }
}

/// What the site knows of the asset that a reading is about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Standing {
    /// Approved by a person.
    pub(crate) trusted: bool,
    /// Where it is, as people named it.
    pub(crate) zone: Option<Arc<str>>,
}

impl ReadingFields {
    /// The event of one reading.
    pub(crate) fn event(&self, reading: &Reading, topic: &Arc<str>, standing: &Standing) -> Event {
        let mut fields = Vec::with_capacity(8);
        let mut put = |name: &Arc<str>, value: Value| fields.push((Arc::clone(name), value));
        put(&self.device_id, Value::Text(reading.asset.as_str().into()));
        put(&self.sensor_type, Value::Text(Arc::clone(&reading.metric)));
        put(&self.value, value_of(&reading.value));
        put(&self.unit, Value::Text(Arc::clone(&reading.unit)));
        put(&self.topic, Value::Text(Arc::clone(topic)));
        put(&self.trusted, Value::Bool(standing.trusted));
        if let Some(zone) = &standing.zone {
            put(&self.zone, Value::Text(Arc::clone(zone)));
        }
        if let Some(via) = &reading.via {
            put(&self.via, Value::Text(via.as_str().into()));
        }
        Event {
            source: self.source.clone(),
            asset: Some(reading.asset.clone()),
            time: reading.time,
            received: reading.received,
            fields,
        }
    }
}

fn value_of(value: &ReadingValue) -> Value {
    match value {
        ReadingValue::Bool(flag) => Value::Bool(*flag),
        ReadingValue::Number(number) => Value::Float(*number),
        ReadingValue::Text(text) => Value::Text(Arc::clone(text)),
    }
}

/// The name under which an MQTT client stands in the inventory: its client id where that is a device's id
/// too, else the id behind `mqtt:`. Ids of devices have no colon and names of sensors behind a client have
/// one, so nobody takes another's name by choosing a client id.
pub(crate) fn client_asset(client_id: &str) -> AssetRef {
    match sitewarden_devices::device_id(client_id) {
        Ok(id) => AssetRef::new(&id),
        Err(_) => AssetRef::new(&format!("mqtt:{client_id}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sitewarden_core::{TimeSource, Timestamp};

    #[test]
    fn no_client_id_takes_the_name_of_a_sensor_behind_another_client() {
        assert_eq!(client_asset("thermo-1").as_str(), "thermo-1");
        assert_eq!(client_asset("site:cold-1").as_str(), "mqtt:site:cold-1");
        assert_eq!(client_asset("").as_str(), "mqtt:");
    }

    #[test]
    fn a_reading_becomes_an_event_with_the_promised_fields() {
        let reading = Reading {
            asset: AssetRef::new("tower-1"),
            via: Some(AssetRef::new("receiver")),
            metric: "temperature".into(),
            unit: "Cel".into(),
            value: ReadingValue::Number(9.5),
            time: Timestamp::from_seconds(10),
            time_source: TimeSource::Payload,
            received: Timestamp::from_seconds(12),
            trusted: true,
        };
        let standing = Standing { trusted: true, zone: Some("cold".into()) };

        let event = ReadingFields::default().event(&reading, &"a/b".into(), &standing);

        let field =
            |name: &str| event.fields.iter().find(|(key, _)| &**key == name).map(|(_, value)| value.clone());
        assert_eq!(field("device_id"), Some(Value::from("tower-1")));
        assert_eq!(field("value"), Some(Value::Float(9.5)));
        assert_eq!(field("zone"), Some(Value::from("cold")));
        assert_eq!(field("via"), Some(Value::from("receiver")));
        assert_eq!(field("trusted"), Some(Value::Bool(true)));
        assert_eq!((event.time, event.received), (reading.time, reading.received));
    }
}
