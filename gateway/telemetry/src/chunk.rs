//! Chunks: readings of one series within one hour of event time, as columns.
//!
//! Made by `merge.rs`, read by `query.rs`. Layout: count, then columns of event times (differences),
//! arrival times (difference to the event), sources, values. Sealing several chunks of an hour into one
//! is for later; the key already allows it.

use sitewarden_core::{ReadingValue, TimeSource, Timestamp};

use crate::codec::{CodecError, Reader, Writer, pack, unpack};
use crate::journal::cut;
use crate::limits::TEXT_VALUE_BYTES;

/// Microseconds of an hour.
pub(crate) const HOUR: i64 = 3_600_000_000;

/// One reading without the names of its series.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    /// When it was measured.
    pub time: Timestamp,
    /// When it arrived.
    pub received: Timestamp,
    /// Where `time` comes from.
    pub time_source: TimeSource,
    /// The value.
    pub value: ReadingValue,
    /// Whether the asset was approved when it arrived.
    pub trusted: bool,
}

impl Point {
    /// What "newest" goes by: the event time, but never later than the arrival, so that a clock that runs years
    /// ahead cannot keep its value in front of all later ones.
    pub(crate) fn age_key(&self) -> (Timestamp, Timestamp) {
        (self.time.min(self.received), self.received)
    }
}

const NUMBER: u64 = 0;
const FALSE: u64 = 1;
const TRUE: u64 = 2;
const TEXT: u64 = 3;
/// Added when the asset was approved; chunks of before the mark count as not approved.
const TRUSTED: u64 = 8;

/// Encodes points in their order.
pub(crate) fn encode(points: &[Point]) -> Vec<u8> {
    let mut writer = Writer::default();
    writer.unsigned(points.len() as u64);
    let (mut before, mut step) = (0_i64, 0_i64);
    for point in points {
        let difference = point.time.micros().wrapping_sub(before);
        writer.signed(difference.wrapping_sub(step));
        (before, step) = (point.time.micros(), difference);
    }
    let mut late = 0_i64;
    for point in points {
        let lateness = point.received.micros().wrapping_sub(point.time.micros());
        writer.signed(lateness.wrapping_sub(late));
        late = lateness;
    }
    for point in points {
        let kind = match point.value {
            ReadingValue::Number(_) => NUMBER,
            ReadingValue::Bool(false) => FALSE,
            ReadingValue::Bool(true) => TRUE,
            ReadingValue::Text(_) => TEXT,
        };
        let trusted = if point.trusted { TRUSTED } else { 0 };
        writer.unsigned(kind * 2 + u64::from(point.time_source == TimeSource::Arrival) + trusted);
    }
    for point in points {
        match &point.value {
            ReadingValue::Number(number) => writer.float(*number),
            ReadingValue::Bool(_) => {}
            ReadingValue::Text(text) => writer.bytes(cut(text, TEXT_VALUE_BYTES).as_bytes()),
        }
    }
    pack(&writer.finish())
}

/// Undoes [`encode`].
pub(crate) fn decode(framed: &[u8]) -> Result<Vec<Point>, CodecError> {
    let bytes = unpack(framed)?;
    let mut reader = Reader(&bytes);
    let count = usize::try_from(reader.unsigned()?).unwrap_or(usize::MAX);
    if count > bytes.len() {
        return Err(CodecError::Damaged("its count is out of range"));
    }
    let mut points = Vec::with_capacity(count);
    let (mut before, mut step) = (0_i64, 0_i64);
    for _ in 0..count {
        step = step.wrapping_add(reader.signed()?);
        before = before.wrapping_add(step);
        points.push(Point {
            time: Timestamp::from_micros(before),
            received: Timestamp::from_micros(before),
            time_source: TimeSource::Payload,
            value: ReadingValue::Bool(false),
            trusted: false,
        });
    }
    let mut late = 0_i64;
    for point in &mut points {
        late = late.wrapping_add(reader.signed()?);
        point.received = Timestamp::from_micros(point.time.micros().wrapping_add(late));
    }
    let mut kinds = Vec::with_capacity(count);
    for point in &mut points {
        let kind = reader.unsigned()?;
        point.time_source = if kind % 2 == 1 { TimeSource::Arrival } else { TimeSource::Payload };
        point.trusted = kind & TRUSTED != 0;
        kinds.push((kind & !TRUSTED) / 2);
    }
    for (point, kind) in points.iter_mut().zip(kinds) {
        point.value = match kind {
            NUMBER => ReadingValue::Number(reader.float()?),
            FALSE => ReadingValue::Bool(false),
            TRUE => ReadingValue::Bool(true),
            TEXT => ReadingValue::Text(reader.text()?.into()),
            _ => return Err(CodecError::Damaged("a value's kind is not known")),
        };
    }
    Ok(points)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn any_point() -> impl Strategy<Value = Point> {
        let value = prop_oneof![
            (-1e6..1e6).prop_map(ReadingValue::Number),
            any::<bool>().prop_map(ReadingValue::Bool),
            "[a-zä]{0,20}".prop_map(|text| ReadingValue::Text(text.into())),
        ];
        let flags = (any::<bool>(), any::<bool>());
        (any::<i64>(), any::<i64>(), flags, value).prop_map(|(time, received, (arrival, trusted), value)| {
            Point {
                time: Timestamp::from_micros(time),
                received: Timestamp::from_micros(received),
                time_source: if arrival { TimeSource::Arrival } else { TimeSource::Payload },
                value,
                trusted,
            }
        })
    }

    proptest! {
        #[test]
        fn chunks_round_trip(points in prop::collection::vec(any_point(), 0..50)) {
            prop_assert_eq!(decode(&encode(&points)).expect("decodes"), points);
        }

        #[test]
        fn damaged_chunks_end_in_an_error_or_other_points(bytes: Vec<u8>) {
            let _ = decode(&bytes);
        }
    }
}
