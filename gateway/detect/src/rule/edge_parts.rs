//! The parts of `x-edge` beyond hold and clear: change, stuck, first seen, suppression, schedule, bands.
//!
//! Each part is read and judged here; what it remembers is the engine's. Invariant: every part has a bound on what
//! it asks the engine to remember.
#![deny(clippy::indexing_slicing)]

use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;
use sitewarden_core::{Severity, Timestamp};

use super::atom::{Logic, Order};
use super::lower::Lowering;
use super::{duration, edge};
use crate::error::{Fault, Place};
use crate::number::Number;
use crate::yaml::{Key, Node, Scalar};

/// `rate` and `delta`: how much a field changed since the previous event of its key.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    pub(crate) field: Arc<str>,
    /// The time that the change is scaled to; `None` for the plain difference.
    pub(crate) per: Option<Duration>,
    pub(crate) bounds: Vec<(Order, Number)>,
    /// Whether a fall counts like a rise.
    pub(crate) absolute: bool,
}

impl Change {
    /// Whether a change of this much over this time lies within the bounds; a rate over no time is unknown.
    pub(crate) fn holds(&self, difference: f64, over: Duration) -> bool {
        let change = match self.per {
            None => difference,
            Some(_) if over.is_zero() => return false,
            Some(per) => difference * per.as_secs_f64() / over.as_secs_f64(),
        };
        let change = if self.absolute { change.abs() } else { change };
        change.is_finite()
            && self.bounds.iter().all(|(order, bound)| order.holds(Number::Float(change), *bound))
    }
}

/// `stuck`: a field that is reported but does not change.
#[derive(Clone, Debug)]
pub(crate) struct Stuck {
    pub(crate) field: Arc<str>,
    pub(crate) hold: Duration,
    /// A difference up to this much still counts as unchanged.
    pub(crate) tolerance: f64,
}

/// `first-seen`: a value that its key has not shown before.
#[derive(Clone, Debug)]
pub(crate) struct FirstSeen {
    pub(crate) key: Vec<Arc<str>>,
    pub(crate) value: Arc<str>,
    /// How long a value is remembered after it was last seen.
    pub(crate) memory: Duration,
    /// How long a new key only learns.
    pub(crate) learn: Duration,
}

/// `suppress`: quiet while another rule's finding is out.
#[derive(Clone, Debug)]
pub(crate) struct Suppress {
    pub(crate) when: Arc<str>,
    pub(crate) place: Place,
    /// Fields of this rule's event whose values make the other rule's key.
    pub(crate) by: Vec<Arc<str>>,
}

/// `schedule`: the times at which the condition counts.
#[derive(Clone, Debug)]
pub(crate) struct Schedule {
    /// Bit 0 is Monday.
    days: u8,
    /// Minutes of the day; `from` after `to` crosses midnight and belongs to the day of `from`.
    from: u16,
    to: u16,
    zone: TimeZone,
}

impl Schedule {
    /// Whether the time lies within the schedule.
    pub(crate) fn covers(&self, time: Timestamp) -> bool {
        let Ok(instant) = jiff::Timestamp::from_microsecond(time.micros()) else { return false };
        let local = self.zone.to_datetime(instant);
        let minute = i32::from(local.hour()) * 60 + i32::from(local.minute());
        let (from, to) = (i32::from(self.from), i32::from(self.to));
        let day = u32::from(local.weekday().to_monday_zero_offset().unsigned_abs());
        let on = |day: u32| self.days >> (day % 7) & 1 == 1;
        if from < to {
            return on(day) && (from..to).contains(&minute);
        }
        (minute >= from && on(day)) || (minute < to && on(day + 6))
    }

    /// When it opens next after a time that it does not cover; `None` when it does not open within two weeks.
    pub(crate) fn opens_after(&self, time: Timestamp) -> Option<Timestamp> {
        let instant = jiff::Timestamp::from_microsecond(time.micros()).ok()?;
        let from =
            jiff::civil::time((self.from / 60).try_into().ok()?, (self.from % 60).try_into().ok()?, 0, 0);
        let mut date = self.zone.to_datetime(instant).date();
        for _ in 0..15 {
            // A time that daylight saving leaves out is taken as the one after the gap.
            let opening = self.zone.to_timestamp(date.to_datetime(from)).ok()?;
            let opening = Timestamp::from_micros(opening.as_microsecond());
            if opening > time && self.covers(opening) {
                return Some(opening);
            }
            date = date.tomorrow().ok()?;
        }
        None
    }
}

/// One step of `severity`: how bad it is while this holds.
#[derive(Clone, Debug)]
pub(crate) struct Band {
    pub(crate) when: Logic,
    pub(crate) severity: Severity,
}

/// The entries of a part, checked against what it may have.
fn entries<'a>(node: &'a Node, part: &str, known: &[&str]) -> Result<&'a [(Key, Node)], Fault> {
    let hint = format!("keys are {}", known.join(", "));
    let entries = node.map().ok_or_else(|| node.fault(format!("`{part}` is not a map"), hint.clone()))?;
    match entries.iter().find(|(key, _)| !known.contains(&key.text.as_str())) {
        Some((key, _)) => Err(Fault::new(key.place, format!("`{}` is not part of {part}", key.text), hint)),
        None => Ok(entries),
    }
}

fn number(node: &Node) -> Result<Number, Fault> {
    match node.scalar() {
        Some(Scalar::Int(whole)) => Ok(Number::Int(whole)),
        Some(Scalar::Float(fraction)) => Ok(Number::Float(fraction)),
        _ => Err(node.fault("not a number", "write a number without unit")),
    }
}

fn field(node: &Node) -> Result<Arc<str>, Fault> {
    node.text().map(Arc::from).ok_or_else(|| node.fault("not the name of a field", "write `field: value`"))
}

pub(crate) fn change(node: &Node, part: &str) -> Result<Change, Fault> {
    let mut change = Change { field: Arc::from("value"), per: None, bounds: Vec::new(), absolute: false };
    for (key, value) in entries(node, part, &["field", "per", "abs", "gt", "gte", "lt", "lte"])? {
        match key.text.as_str() {
            "field" => change.field = field(value)?,
            "per" if part == "rate" => change.per = Some(duration::read(value)?),
            "per" => return Err(value.fault("`delta` has no `per`", "use `rate` for a change over time")),
            "abs" => change.absolute = value.scalar() == Some(Scalar::Bool(true)),
            other => change
                .bounds
                .extend(Order::parse(other).map(|order| number(value).map(|n| (order, n))).transpose()?),
        }
    }
    if part == "rate" && change.per.is_none_or(|per| per.is_zero()) {
        return Err(node.fault("`rate` needs `per`", "write `rate: {field: value, per: 1m, gt: 2}`"));
    }
    if change.bounds.is_empty() {
        return Err(node.fault(format!("`{part}` has no bound"), "add gt, gte, lt or lte"));
    }
    Ok(change)
}

pub(crate) fn stuck(node: &Node) -> Result<Stuck, Fault> {
    let mut stuck = Stuck { field: Arc::from("value"), hold: Duration::ZERO, tolerance: 0.0 };
    for (key, value) in entries(node, "stuck", &["field", "for", "tolerance"])? {
        match key.text.as_str() {
            "field" => stuck.field = field(value)?,
            "for" => stuck.hold = duration::read(value)?,
            _ => stuck.tolerance = number(value)?.as_f64().abs(),
        }
    }
    if stuck.hold.is_zero() {
        return Err(node.fault("`stuck` needs `for`", "write `stuck: {for: 6h}`"));
    }
    Ok(stuck)
}

pub(crate) fn first_seen(node: &Node) -> Result<FirstSeen, Fault> {
    let mut seen = FirstSeen {
        key: Vec::new(),
        value: Arc::from(""),
        memory: Duration::from_secs(30 * 86_400),
        learn: Duration::ZERO,
    };
    for (key, value) in entries(node, "first-seen", &["key", "value", "memory", "learn"])? {
        match key.text.as_str() {
            "key" => seen.key = edge::names(value)?,
            "value" => seen.value = field(value)?,
            "memory" => seen.memory = duration::read(value)?,
            _ => seen.learn = duration::read(value)?,
        }
    }
    if seen.value.is_empty() {
        return Err(node
            .fault("`first-seen` needs `value`", "write `first-seen: {key: [device_id], value: address}`"));
    }
    Ok(seen)
}

pub(crate) fn suppress(node: &Node) -> Result<Suppress, Fault> {
    let mut suppress = Suppress { when: Arc::from(""), place: node.place, by: Vec::new() };
    for (key, value) in entries(node, "suppress", &["when", "by"])? {
        match key.text.as_str() {
            "when" => suppress = Suppress { when: field(value)?, place: value.place, ..suppress },
            _ => suppress.by = edge::names(value)?,
        }
    }
    if suppress.when.is_empty() {
        return Err(node.fault("`suppress` needs `when`", "write `suppress: {when: rule_name, by: [via]}`"));
    }
    Ok(suppress)
}

pub(crate) fn schedule(node: &Node) -> Result<Schedule, Fault> {
    let mut schedule = Schedule { days: 0x7f, from: 0, to: 1_440, zone: TimeZone::UTC };
    for (key, value) in entries(node, "schedule", &["days", "from", "to", "zone"])? {
        match key.text.as_str() {
            "days" => schedule.days = days(value)?,
            "from" => schedule.from = minute(value)?,
            "to" => schedule.to = minute(value)?,
            _ => {
                let name = value.text().unwrap_or_default();
                schedule.zone = TimeZone::get(name).map_err(|_| {
                    value.fault(format!("`{name}` is not a time zone"), "write a name such as Europe/Berlin")
                })?;
            }
        }
    }
    if schedule.from >= 1_440 {
        return Err(node.fault("`from` is the end of the day", "write a time from \"00:00\" to \"23:59\""));
    }
    if schedule.days == 0 {
        return Err(node.fault("`days` names no day", "write `days: [mon, tue]`"));
    }
    Ok(schedule)
}

fn days(node: &Node) -> Result<u8, Fault> {
    const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
    node.items().iter().try_fold(0, |days, item| {
        let at = DAYS.iter().position(|day| item.text() == Some(day));
        let at = at.ok_or_else(|| item.fault("not a day", format!("write {}", DAYS.join(", "))))?;
        Ok(days | 1 << at)
    })
}

/// `"07:30"` as minutes of the day; `"24:00"` is the end of the day.
fn minute(node: &Node) -> Result<u16, Fault> {
    let parse = || {
        let (hours, minutes) = node.text()?.split_once(':')?;
        let (hours, minutes): (u16, u16) = (hours.parse().ok()?, minutes.parse().ok()?);
        let total = hours.checked_mul(60)?.checked_add(minutes)?;
        (minutes < 60 && total <= 1_440).then_some(total)
    };
    parse().ok_or_else(|| node.fault("not a time of day", "write \"07:30\" in quotes"))
}

pub(crate) fn bands(node: &Node, lowering: &mut Lowering<'_>) -> Result<Vec<Band>, Fault> {
    let hint = "write `severity: [{level: critical, when: {value|gt: 15}}]`";
    let mut bands = Vec::new();
    for item in node.items() {
        entries(item, "severity", &["level", "when"])?;
        let level = item.get("level").and_then(Node::text).and_then(Severity::parse);
        let severity = level.ok_or_else(|| item.fault("the band has no level", hint))?;
        let when = item.get("when").ok_or_else(|| item.fault("the band has no `when`", hint))?;
        bands.push(Band { when: edge::selection("severity", when, lowering)?, severity });
    }
    Ok(bands)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(text: &str) -> Node {
        crate::yaml::read(text).0.remove(0).root
    }

    #[test]
    fn schedules_cross_midnight_and_know_their_zone() {
        let night =
            schedule(&node("{days: [fri], from: \"22:00\", to: \"06:00\", zone: Europe/Berlin}")).unwrap();
        let covers = |text: &str| night.covers(Timestamp::parse_rfc3339(text).unwrap());
        assert!(covers("2026-11-27T22:00:00+01:00") && covers("2026-11-28T05:59:00+01:00"));
        assert!(!covers("2026-11-27T05:00:00+01:00") && !covers("2026-11-28T22:30:00+01:00"));
        assert!(covers("2026-07-03T22:00:00+02:00"), "summer time");
        assert!(!night.covers(Timestamp::from_micros(i64::MAX)));
    }

    #[test]
    fn schedules_open_by_the_clock_on_the_wall() {
        let opens = |text: &str, after: &str| {
            let opening =
                schedule(&node(text)).unwrap().opens_after(Timestamp::parse_rfc3339(after).unwrap());
            opening.map(|opening| opening.to_string())
        };
        let berlin = "{days: [fri], from: \"22:00\", to: \"06:00\", zone: Europe/Berlin}";
        assert_eq!(opens(berlin, "2026-11-27T21:59:00+01:00").as_deref(), Some("2026-11-27T21:00:00Z"));
        assert_eq!(opens(berlin, "2026-11-28T06:00:00+01:00").as_deref(), Some("2026-12-04T21:00:00Z"));
        // The night in which 02:30 does not exist; it opens when the clock has jumped.
        let gap = "{from: \"02:30\", to: \"05:00\", zone: Europe/Berlin}";
        assert_eq!(opens(gap, "2026-03-29T00:30:00+01:00").as_deref(), Some("2026-03-29T01:30:00Z"));
        // An hour that only that night leaves out entirely.
        let lost = "{from: \"02:10\", to: \"02:50\", zone: Europe/Berlin}";
        assert_eq!(opens(lost, "2026-03-28T12:00:00+01:00").as_deref(), Some("2026-03-30T00:10:00Z"));
        // Summer time ends: from 02:00 to 03:00 is two hours long, and both count.
        let twice = schedule(&node("{from: \"02:00\", to: \"03:00\", zone: Europe/Berlin}")).unwrap();
        for utc in ["2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z"] {
            assert!(twice.covers(Timestamp::parse_rfc3339(utc).unwrap()), "{utc}");
        }
        assert!(!twice.covers(Timestamp::parse_rfc3339("2026-10-25T02:00:00Z").unwrap()));
        let monday = schedule(&node("{days: [mon]}")).unwrap();
        assert_eq!(monday.opens_after(Timestamp::from_micros(i64::MAX)), None);
    }

    #[test]
    fn changes_are_scaled_to_their_time() {
        let change = change(&node("{per: 1m, gt: 2, abs: true}"), "rate").unwrap();
        assert!(change.holds(1.5, Duration::from_secs(30)) && change.holds(-1.5, Duration::from_secs(30)));
        assert!(!change.holds(1.5, Duration::from_secs(60)) && !change.holds(9.0, Duration::ZERO));
    }

    #[test]
    fn parts_refuse_what_they_do_not_know() {
        assert!(change(&node("{gt: 2}"), "rate").is_err() && change(&node("{per: 1m}"), "rate").is_err());
        assert!(change(&node("{per: 1m, gt: 1}"), "delta").is_err());
        assert!(stuck(&node("{field: x}")).is_err() && stuck(&node("{for: 1h, x: 1}")).is_err());
        assert!(schedule(&node("{from: 7}")).is_err() && schedule(&node("{zone: Mars/Base}")).is_err());
        assert!(schedule(&node("{days: []}")).is_err() && schedule(&node("{from: \"24:00\"}")).is_err());
        assert!(schedule(&node("{days: [monday]}")).is_err() && first_seen(&node("{key: [a]}")).is_err());
        assert!(suppress(&node("{by: [a]}")).is_err());
    }
}
