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
    /// Takes an event; whether all that the rule asks of changes holds.
    pub(crate) fn holds(&mut self, edge: &Edge, view: &View<'_>) -> bool {
        let rate = edge.rate.as_ref().is_none_or(|change| changed(&mut self.rate, change, view));
        let delta = edge.delta.as_ref().is_none_or(|change| changed(&mut self.delta, change, view));
        let stuck = edge.stuck.as_ref().is_none_or(|stuck| self.is_stuck(stuck, view));
        rate && delta && stuck
    }

    fn is_stuck(&mut self, stuck: &Stuck, view: &View<'_>) -> bool {
        let time = view.time;
        let Some(text) = view.text(&stuck.field) else { return false };
        let value = Number::parse(&text).map_or_else(|| Held::Text(text.into_owned()), Held::Number);
        let same = match (&self.stuck, &value) {
            (Some((_, Held::Number(before))), Held::Number(now)) => {
                (before.as_f64() - now.as_f64()).abs() <= stuck.tolerance
            }
            (Some((_, before)), now) => before == now,
            (None, _) => false,
        };
        match &self.stuck {
            Some((since, _)) if same && time >= *since => time.since(*since) >= stuck.hold,
            _ => {
                self.stuck = Some((time, value));
                false
            }
        }
    }
}

fn changed(memory: &mut Option<(Timestamp, Number)>, change: &Change, view: &View<'_>) -> bool {
    let time = view.time;
    let Some(value) = view.number(&change.field) else { return false };
    let before = memory.replace((time, value));
    match before {
        Some((then, old)) if time >= then => {
            let over: Duration = time.since(then);
            change.holds(value.as_f64() - old.as_f64(), over)
        }
        _ => false,
    }
}
