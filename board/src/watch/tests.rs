//! What becomes an event, and what does not.

use std::time::Duration;

use proptest::prelude::*;
use sitewarden_core::Monotonic;

use super::*;
use crate::file::shipped;

fn now(second: u64) -> Now {
    let wall = Timestamp::from_seconds(1_800_000_000).after(Duration::from_secs(second));
    Now { wall, mono: Monotonic::from_micros(second * 1_000_000) }
}

fn watch() -> Watch {
    Watch::new(Arc::new(shipped("sim").unwrap()))
}

fn quiet() -> Result<ContactState, InputError> {
    Ok(ContactState { active: false, was_active: false })
}

/// `tamper true`, `tamper false`: what was told of contacts, in order.
fn contacts_told(events: &[Event]) -> Vec<String> {
    let field = |event: &Event, wanted: &str| {
        event.fields.iter().find(|(name, _)| **name == *wanted).map(|(_, value)| match value {
            Value::Text(text) => text.to_string(),
            other => format!("{other:?}"),
        })
    };
    events
        .iter()
        .filter(|event| field(event, "action").as_deref() == Some("contact"))
        .map(|event| format!("{} {}", field(event, "input").unwrap(), field(event, "active").unwrap()))
        .collect()
}

fn actions(events: &[Event]) -> Vec<&Value> {
    events.iter().filter_map(|event| event.fields.first().map(|(_, value)| value)).collect()
}

#[test]
fn a_contact_is_told_at_first_sight_and_when_it_changes() {
    let (mut watch, mut out) = (watch(), Vec::new());
    let open = || Ok(ContactState { active: true, was_active: true });

    watch.contacts(vec![quiet(), quiet()], now(0), &mut out);
    watch.contacts(vec![quiet(), quiet()], now(1), &mut out);
    watch.contacts(vec![open(), quiet()], now(2), &mut out);
    watch.contacts(vec![open(), quiet()], now(3), &mut out);
    watch.contacts(vec![quiet(), quiet()], now(4), &mut out);

    assert_eq!(
        contacts_told(&out),
        ["tamper Bool(false)", "mains Bool(false)", "tamper Bool(true)", "tamper Bool(false)"]
    );
    assert_eq!(watch.contacts.first().unwrap().since, Some(now(4).wall));
}

#[test]
fn a_pulse_between_two_looks_is_told_as_open_and_shut() {
    let (mut watch, mut out) = (watch(), Vec::new());
    let pulse = Ok(ContactState { active: false, was_active: true });

    watch.contacts(vec![quiet(), quiet()], now(0), &mut out);
    out.clear();
    watch.contacts(vec![pulse, quiet()], now(1), &mut out);

    assert_eq!(contacts_told(&out), ["tamper Bool(true)", "tamper Bool(false)"]);
}

#[test]
fn a_failure_is_told_once_when_it_lasts_and_so_is_its_end() {
    let (mut watch, mut out) = (watch(), Vec::new());
    let broken = || Err(InputError::Missing { what: "the chip".to_owned() });
    let waiting = || Err(InputError::Waiting { what: "the chip".to_owned() });
    watch.temperatures(vec![broken(), Ok(30.0)], now(0), &mut out);
    watch.temperatures(vec![waiting(), Ok(30.0)], now(5), &mut out);
    assert!(watch.failed().next().is_none(), "two failures are no news");
    out.clear();

    watch.temperatures(vec![waiting(), Ok(30.0)], now(10), &mut out);
    watch.temperatures(vec![broken(), Ok(30.0)], now(15), &mut out);

    let reason = "the chip is not there: is it the right board file for this machine?";
    assert_eq!(watch.failed().map(|(name, why)| (name, &**why)).collect::<Vec<_>>(), [("cpu", reason)]);
    assert_eq!(
        actions(&out),
        [&Value::from("input-failed"), &Value::from("temperature"), &Value::from("temperature")]
    );
    out.clear();
    watch.temperatures(vec![Ok(41.0), Ok(30.0)], now(20), &mut out);
    assert!(watch.failed().next().is_none());
    assert_eq!(actions(&out).first(), Some(&&Value::from("input-recovered")));
}

#[test]
fn a_temperature_says_how_far_it_is_from_its_limit() {
    let (mut watch, mut out) = (watch(), Vec::new());

    watch.temperatures(vec![Ok(90.0), Ok(f64::NAN)], now(0), &mut out);

    let headroom = out.first().unwrap().fields.iter().find(|(name, _)| &**name == "headroom_celsius");
    assert_eq!(headroom.map(|(_, value)| value.clone()), Some(Value::Float(-5.0)));
    assert_eq!(out.len(), 1, "what is not a number is no reading");
}

proptest! {
    /// Whatever a contact does, what is told of it alternates and ends with how it is.
    #[test]
    fn what_is_told_alternates(looks in proptest::collection::vec((any::<bool>(), any::<bool>(), any::<bool>()), 1..60)) {
        let (mut watch, mut out) = (watch(), Vec::new());
        let mut last = None;
        for (step, (fails, active, pulse)) in looks.into_iter().enumerate() {
            let seen = if fails {
                Err(InputError::NotYet)
            } else {
                last = Some(active);
                Ok(ContactState { active, was_active: active || pulse })
            };
            watch.contacts(vec![seen, quiet()], now(step as u64), &mut out);
        }
        let told: Vec<String> =
            contacts_told(&out).into_iter().filter(|told| told.starts_with("tamper")).collect();
        prop_assert!(told.windows(2).all(|pair| pair[0] != pair[1]), "{told:?}");
        prop_assert_eq!(told.last().cloned(), last.map(|active| format!("tamper Bool({active})")));
    }
}
