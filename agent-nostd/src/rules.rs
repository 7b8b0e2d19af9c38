//! The rules on the device: threshold with hold and hysteresis, missing reading, tamper.
//!
//! A pure function of its state, one round of samples and the time since the start. A threshold raises after its condition
//! held for the hold time without a gap, and clears after the clear condition held as long; a sample that is missing breaks
//! both. A sensor that is missing raises its own rule and clears with the next value. A restart neither raises nor clears:
//! what was raised is given back to [`Rules::new`].
//! Invariant: between two raises of a rule there is one clear.

use sitewarden_wire::limits::MAX_RULES;
use sitewarden_wire::message::Quantity;
use sitewarden_wire::statement::{Check, FindingKind, FindingState, Rule};

use crate::limits::TAMPER_HOLD_MS;
use crate::sensor::Sample;

/// Raised rules, one bit each in the order of the parameters; [`TAMPER`] is the contact.
pub type Raised = u16;

/// The tamper contact's bit.
pub const TAMPER: Raised = 1 << 15;

/// A rule that changed its state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    /// The rule; 0 for tamper.
    pub rule: u16,
    /// What it says.
    pub kind: FindingKind,
    /// Raised or cleared.
    pub state: FindingState,
    /// The sensor.
    pub sensor: Option<u8>,
    /// What its values mean.
    pub quantity: Option<Quantity>,
    /// The value that decided.
    pub value: Option<i32>,
    /// The limit that it passed.
    pub limit: Option<i32>,
}

/// One condition with its hold time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Latch {
    raised: bool,
    since: Option<u64>,
}

impl Latch {
    const fn new(raised: bool) -> Self {
        Self { raised, since: None }
    }

    /// `turning`: the condition for the other state holds now. Says the new state once it held long enough.
    fn step(&mut self, turning: bool, hold_ms: u32, now_ms: u64) -> Option<FindingState> {
        if !turning {
            self.since = None;
            return None;
        }
        let since = *self.since.get_or_insert(now_ms);
        if now_ms.saturating_sub(since) < u64::from(hold_ms) {
            return None;
        }
        self.since = None;
        self.raised = !self.raised;
        Some(if self.raised { FindingState::Raised } else { FindingState::Cleared })
    }
}

/// The rules and their states.
#[derive(Debug)]
pub struct Rules {
    rules: heapless::Vec<(Rule, Latch), MAX_RULES>,
    tamper: Latch,
}

impl Rules {
    /// These rules, with what was raised before.
    #[must_use]
    pub fn new(rules: &[Rule], raised: Raised) -> Self {
        let rules = rules
            .iter()
            .take(MAX_RULES)
            .enumerate()
            .map(|(at, rule)| (*rule, Latch::new(raised & (1 << at) != 0)))
            .collect();
        Self { rules, tamper: Latch::new(raised & TAMPER != 0) }
    }

    /// Other rules. One that stays word for word keeps its state; so does the contact.
    #[inline(never)] // its frame must not stay in the caller, below which a signature is checked
    pub fn replace(&mut self, rules: &[Rule]) {
        let mut next = Self::new(rules, 0);
        for (rule, latch) in &mut next.rules {
            if let Some((_, kept)) = self.rules.iter().find(|(known, _)| known == rule) {
                *latch = *kept;
            }
        }
        next.tamper = self.tamper;
        *self = next;
    }

    /// What is raised now.
    #[must_use]
    pub fn raised(&self) -> Raised {
        let tamper = if self.tamper.raised { TAMPER } else { 0 };
        self.rules
            .iter()
            .enumerate()
            .filter(|(_, (_, latch))| latch.raised)
            .fold(tamper, |raised, (at, _)| raised | (1 << at))
    }

    /// One round of samples; `changed` is called for each rule that raised or cleared.
    pub fn sample(
        &mut self,
        samples: &[Sample],
        tamper_open: bool,
        now_ms: u64,
        changed: &mut dyn FnMut(Change),
    ) {
        let turning = tamper_open != self.tamper.raised;
        if let Some(state) = self.tamper.step(turning, TAMPER_HOLD_MS, now_ms) {
            let kind = FindingKind::Tamper;
            changed(Change { rule: 0, kind, state, sensor: None, quantity: None, value: None, limit: None });
        }
        for (rule, latch) in &mut self.rules {
            // A sensor that the board does not have at all is missing like one that does not answer.
            let sample = samples.iter().find(|sample| sample.sensor == rule.sensor);
            let value = sample.and_then(|sample| sample.value);
            let (kind, limit, turning, hold_ms) = match rule.check {
                Check::Above { limit, clear } => {
                    let turning =
                        value.is_some_and(|value| if latch.raised { value <= clear } else { value > limit });
                    (FindingKind::Above, Some(limit), turning, rule.hold_ms)
                }
                Check::Below { limit, clear } => {
                    let turning =
                        value.is_some_and(|value| if latch.raised { value >= clear } else { value < limit });
                    (FindingKind::Below, Some(limit), turning, rule.hold_ms)
                }
                Check::Missing => {
                    let hold_ms = if latch.raised { 0 } else { rule.hold_ms };
                    (FindingKind::Missing, None, value.is_some() == latch.raised, hold_ms)
                }
            };
            if let Some(state) = latch.step(turning, hold_ms, now_ms) {
                let (sensor, quantity) = (Some(rule.sensor), sample.map(|sample| sample.quantity));
                changed(Change { rule: rule.id, kind, state, sensor, quantity, value, limit });
            }
        }
    }
}

#[cfg(test)]
mod tests;
