//! What `rate`, `delta` and `stuck` remember of a field from event to event.
//!
//! Not the hold. Invariant: a late event changes nothing, and a clock that was set back starts the measurement
//! again instead of giving a rate over negative time.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use sitewarden_core::Timestamp;

use super::view::View;
use crate::number::Number;
use crate::rule::edge::Edge;
use crate::rule::edge_parts::{Change, Stuck};

/// The previous values of one key.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Measure {
    rate: Option<(Timestamp, Number)>,
    delta: Option<(Timestamp, Number)>,
    /// The value that does not change, and since when.
    stuck: Option<(Timestamp, Held)>,
}

/// A value that `stuck` compares: a number with tolerance, or any text.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Held {
    Number(Number),
    Text(String),
}

impl Measure {
    /// Bytes that it holds outside of itself.
    pub(crate) const fn bytes(&self) -> usize {
        match &self.stuck {
            Some((_, Held::Text(text))) => text.capacity(),
            Some((_, Held::Number(_))) | None => 0,
        }
    }

    /// Takes an event that is not late; whether all that the rule asks of changes holds. `None` when the event says
    /// nothing about it: it lacks the field, or is the previous one told twice. Then nothing changes.
    pub(crate) fn holds(&mut self, edge: &Edge, view: &View<'_>) -> Option<bool> {
        let mut all = true;
        if let Some(change) = &edge.rate {
            all &= changed(&mut self.rate, change, view)?;
        }
        if let Some(change) = &edge.delta {
            all &= changed(&mut self.delta, change, view)?;
        }
        if let Some(stuck) = &edge.stuck {
            all &= self.is_stuck(stuck, view)?;
        }
        Some(all)
    }

    fn is_stuck(&mut self, stuck: &Stuck, view: &View<'_>) -> Option<bool> {
        let time = view.time;
        let text = view.text(&stuck.field)?;
        let value = Number::parse(&text).map_or_else(|| Held::Text(text.into_owned()), Held::Number);
        let same = match (&self.stuck, &value) {
            (Some((_, Held::Number(before))), Held::Number(now)) => {
                (before.as_f64() - now.as_f64()).abs() <= stuck.tolerance
            }
            (Some((_, before)), now) => before == now,
            (None, _) => false,
        };
        Some(match &self.stuck {
            Some((since, _)) if same && time >= *since => time.since(*since) >= stuck.hold,
            _ => {
                self.stuck = Some((time, value));
                false
            }
        })
    }
}

fn changed(memory: &mut Option<(Timestamp, Number)>, change: &Change, view: &View<'_>) -> Option<bool> {
    let time = view.time;
    let value = view.number(&change.field)?;
    if memory.is_some_and(|(then, old)| then == time && (change.per.is_some() || old == value)) {
        return None;
    }
    let before = memory.replace((time, value));
    Some(match before {
        Some((then, old)) if time >= then => {
            let over: Duration = time.since(then);
            change.holds(value.as_f64() - old.as_f64(), over)
        }
        _ => false,
    })
}
