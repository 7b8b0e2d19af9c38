//! What the board shows, as events for the rules: pure.
//!
//! A contact is told when it is first seen and whenever it changes, a pulse as both changes; temperatures and fans at
//! every measurement; an input that fails once it failed several times in a row, and again when it works. It
//! judges nothing: whether an open cabinet or a hot one is a finding is for rules. Events: product
//! `sitewarden`, service `board`, field `action`.

use std::sync::Arc;

use sitewarden_core::{Event, LogSource, Now, Timestamp, Value};

use crate::backend::{ContactState, InputError};
use crate::file::Description;
use crate::limits::FAILURES_BEFORE_TOLD;

/// What is known of one input.
#[derive(Clone, Debug, PartialEq)]
pub struct Input<T> {
    /// Last good value.
    pub value: Option<T>,
    /// When it became so; for measurements, when it was measured.
    pub since: Option<Timestamp>,
    /// Why there is no value now.
    pub error: Option<Arc<str>>,
    failures: u32,
    told_failed: bool,
}

impl<T> Default for Input<T> {
    fn default() -> Self {
        Self { value: None, since: None, error: None, failures: 0, told_failed: false }
    }
}

impl<T> Input<T> {
    /// Whether it has failed long enough to be told.
    #[must_use]
    pub const fn failed(&self) -> bool {
        self.told_failed
    }
}

/// What is known of the board.
#[derive(Clone, Debug)]
pub struct Watch {
    description: Arc<Description>,
    /// Contacts, in the order of the board file: active or not.
    pub contacts: Vec<Input<bool>>,
    /// Temperatures in degrees Celsius.
    pub temperatures: Vec<Input<f64>>,
    /// Fans in revolutions per minute.
    pub fans: Vec<Input<u32>>,
}

impl Watch {
    /// Knows nothing yet.
    #[must_use]
    pub fn new(description: Arc<Description>) -> Self {
        Self {
            contacts: vec![Input::default(); description.contacts.len()],
            temperatures: vec![Input::default(); description.temperatures.len()],
            fans: vec![Input::default(); description.fans.len()],
            description,
        }
    }

    /// Takes a look at the contacts.
    pub fn contacts(&mut self, seen: Vec<Result<ContactState, InputError>>, now: Now, out: &mut Vec<Event>) {
        let described = self.description.contacts.iter();
        for ((contact, input), seen) in described.zip(&mut self.contacts).zip(seen) {
            let told = |active: bool| {
                Draft::new("contact", &contact.name, now)
                    .put("role", contact.role.as_str().into())
                    .put("active", active.into())
                    .0
            };
            let Some(state) = input.take(seen, "contact", &contact.name, now, out) else { continue };
            let before = input.value;
            if state.was_active && !state.active && before != Some(true) {
                out.push(told(true));
            }
            if before != Some(state.active) || (state.was_active && !state.active) {
                out.push(told(state.active));
                input.value = Some(state.active);
                input.since = Some(now.wall);
            }
        }
    }

    /// Takes a measurement of the temperatures.
    pub fn temperatures(&mut self, seen: Vec<Result<f64, InputError>>, now: Now, out: &mut Vec<Event>) {
        let described = self.description.temperatures.iter();
        for ((one, input), seen) in described.zip(&mut self.temperatures).zip(seen) {
            let seen = seen.and_then(|celsius| {
                if celsius.is_finite() {
                    return Ok(celsius);
                }
                Err(InputError::NoValue { what: one.name.clone(), said: celsius.to_string() })
            });
            let Some(celsius) = input.take(seen, "temperature", &one.name, now, out) else { continue };
            input.value = Some(celsius);
            input.since = Some(now.wall);
            let event = Draft::new("temperature", &one.name, now)
                .put("celsius", Value::Float(celsius))
                .put("limit_celsius", Value::Float(one.limit_celsius))
                .put("headroom_celsius", Value::Float(one.limit_celsius - celsius));
            out.push(event.0);
        }
    }

    /// Takes a measurement of the fans.
    pub fn fans(&mut self, seen: Vec<Result<u32, InputError>>, now: Now, out: &mut Vec<Event>) {
        let described = self.description.fans.iter();
        for ((fan, input), seen) in described.zip(&mut self.fans).zip(seen) {
            let Some(rpm) = input.take(seen, "fan", &fan.name, now, out) else { continue };
            input.value = Some(rpm);
            input.since = Some(now.wall);
            let event = Draft::new("fan", &fan.name, now)
                .put("rpm", i64::from(rpm).into())
                .put("minimum_rpm", i64::from(fan.minimum_rpm).into())
                .put("headroom_rpm", (i64::from(rpm) - i64::from(fan.minimum_rpm)).into());
            out.push(event.0);
        }
    }

    /// What fails now: name and reason, for the health page.
    pub fn failed(&self) -> impl Iterator<Item = (&str, &Arc<str>)> {
        fn of<T>(input: &Input<T>) -> Option<&Arc<str>> {
            input.error.as_ref().filter(|_| input.told_failed)
        }
        let contacts = self.description.contacts.iter().map(|one| &*one.name);
        let temperatures = self.description.temperatures.iter().map(|one| &*one.name);
        let fans = self.description.fans.iter().map(|one| &*one.name);
        let contacts = contacts.zip(self.contacts.iter().map(of));
        let temperatures = temperatures.zip(self.temperatures.iter().map(of));
        let fans = fans.zip(self.fans.iter().map(of));
        contacts.chain(temperatures).chain(fans).filter_map(|(name, error)| Some((name, error?)))
    }
}

impl<T> Input<T> {
    /// The value, or counts a failure; tells when it fails for good and when it is back.
    fn take<V>(
        &mut self,
        seen: Result<V, InputError>,
        kind: &str,
        name: &str,
        now: Now,
        out: &mut Vec<Event>,
    ) -> Option<V> {
        match seen {
            Ok(value) => {
                self.failures = 0;
                self.error = None;
                if std::mem::take(&mut self.told_failed) {
                    out.push(Draft::new("input-recovered", name, now).put("kind", kind.into()).0);
                }
                Some(value)
            }
            Err(error) => {
                self.failures = self.failures.saturating_add(1);
                // The first reason of a row: "is tried again soon" says nothing.
                if self.error.is_none() || !matches!(error, InputError::Waiting { .. }) {
                    self.error = Some(error.to_string().into());
                }
                if self.failures >= FAILURES_BEFORE_TOLD && !self.told_failed {
                    self.told_failed = true;
                    let reason = self.error.as_deref().unwrap_or_default();
                    let event = Draft::new("input-failed", name, now).put("kind", kind.into());
                    out.push(event.put("reason", reason.into()).0);
                }
                None
            }
        }
    }
}

/// The board could not be opened at all.
#[must_use]
pub fn board_failed(reason: &str, now: Now) -> Event {
    Draft::new("input-failed", "board", now).put("kind", "board".into()).put("reason", reason.into()).0
}

struct Draft(Event);

impl Draft {
    fn new(action: &str, input: &str, now: Now) -> Self {
        let event = Event {
            source: LogSource::own("board"),
            asset: None,
            time: now.wall,
            received: now.wall,
            fields: Vec::with_capacity(5),
        };
        Self(event).put("action", action.into()).put("input", input.into())
    }

    fn put(mut self, name: &str, value: Value) -> Self {
        self.0.fields.push((name.into(), value));
        self
    }
}

#[cfg(test)]
mod tests;
