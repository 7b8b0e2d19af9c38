//! The rule engine and the log of its calls, which change together.
//!
//! Whoever tells the engine something tells it here. Invariants: a call that moved what the rules remember is in the log
//! before the work that it belongs to is committed; the readings of a work are told in the order in which it holds them.

use std::collections::BTreeSet;
use std::sync::Arc;

use sitewarden_core::{Event, FindingDraft, Monotonic, Now, Reading, ReadingValue};
use sitewarden_detect::{Engine, RuleSet};
use sitewarden_telemetry::limits::TEXT_VALUE_BYTES;

use super::call_log::{Asset, CallLog};
use super::events::{ReadingFields, Standing};
use crate::limits::MEMORY_STEP;

/// The engine, its log, and the names of a reading's fields.
pub(super) struct Judge {
    engine: Engine,
    log: CallLog,
    fields: ReadingFields,
}

impl Judge {
    pub(super) fn new(engine: Engine) -> Self {
        let log = CallLog::new(engine.marks().collect());
        Self { engine, log, fields: ReadingFields::default() }
    }

    /// What the rules remember.
    pub(super) const fn engine(&self) -> &Engine {
        &self.engine
    }

    /// The log of the calls since the last commit.
    pub(super) const fn log(&mut self) -> &mut CallLog {
        &mut self.log
    }

    /// The next reading of the work.
    pub(super) fn reading(
        &mut self,
        reading: &Reading,
        topic: &Arc<str>,
        standing: &Standing,
        now: Now,
        out: &mut Vec<FindingDraft>,
    ) {
        let event = self.fields.event(reading, topic, standing);
        if !self.counts(&event, now, out) {
            self.log.skip();
            return;
        }
        // The journal cuts long texts, and what it does not hold whole is told whole.
        let is_cut = matches!(&reading.value, ReadingValue::Text(text) if text.len() > TEXT_VALUE_BYTES);
        if is_cut || standing.trusted != reading.trusted {
            self.log.skip();
            self.log.event(&event, now);
        } else {
            self.log.reading(topic, standing.zone.as_ref(), now);
        }
    }

    /// An event that is no reading.
    pub(super) fn event(&mut self, event: &Event, now: Now, out: &mut Vec<FindingDraft>) {
        if self.counts(event, now, out) {
            self.log.event(event, now);
        }
    }

    fn counts(&mut self, event: &Event, now: Now, out: &mut Vec<FindingDraft>) -> bool {
        let before = self.engine.touched();
        self.engine.handle_event(event, now, out);
        self.engine.touched() != before
    }

    /// Lets time pass.
    pub(super) fn timeout(&mut self, now: Now, out: &mut Vec<FindingDraft>) {
        let before = self.engine.touched();
        self.engine.handle_timeout(now, out);
        if self.engine.touched() != before {
            self.log.timeout(now);
        }
    }

    /// Lets time pass before a commit, which also says how far time has come.
    pub(super) fn pass(&mut self, now: Now, out: &mut Vec<FindingDraft>) {
        let before = self.engine.touched();
        self.engine.handle_timeout(now, out);
        if self.engine.touched() != before || now.mono.since(self.log.time()) >= MEMORY_STEP {
            self.log.timeout(now);
        }
    }

    /// Lets time pass, and has it committed that it did.
    pub(super) fn mark_time(&mut self, now: Now, out: &mut Vec<FindingDraft>) {
        self.engine.handle_timeout(now, out);
        self.log.mark_time(now);
    }

    /// What the inventory knows.
    pub(super) fn inventory(&mut self, assets: Vec<Asset>, now: Now) {
        let before: BTreeSet<Asset> = self.engine.inventory().iter().cloned().collect();
        let after: BTreeSet<Asset> = assets.iter().cloned().collect();
        let (went, came) = (&before - &after, &after - &before);
        let first = self.engine.time() == Monotonic::default();
        self.engine.set_inventory(assets, now);
        if first || !went.is_empty() || !came.is_empty() {
            self.log.inventory(&went, &came, now);
        }
    }

    /// Other rules are in force. What those that are gone had raised ends now.
    pub(super) fn replace(&mut self, rules: Arc<RuleSet>, now: Now, out: &mut Vec<FindingDraft>) {
        self.timeout(now, out);
        self.engine.replace(rules);
        self.log.rules(self.engine.marks().collect());
    }
}
