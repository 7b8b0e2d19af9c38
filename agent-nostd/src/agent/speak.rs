//! What the agent says, and when: one message at a time, the most important first.
//!
//! The line decides the pace: nothing is said while bytes of the last message wait.
//! Invariant: one finding is under way at a time.

use embedded_storage_async::nor_flash::MultiwriteNorFlash;
use sitewarden_wire::limits::MAX_READINGS;
use sitewarden_wire::message::{Hello, ParametersState, Reading, ToSite};
use sitewarden_wire::{Blob, List};

use super::{Agent, UnderWay};
use crate::limits::{ACKNOWLEDGE_TIMEOUT_MS, HELLO_INTERVAL_MS, QUEUE_ENTRY};
use crate::queue::Entry;

impl<F: MultiwriteNorFlash> Agent<F> {
    /// Says the next thing, if the line is free: greeting, outcome, finding, readings.
    #[inline(never)] // its frame is freed before the next one's begins
    pub(super) fn speak(&mut self, now_ms: u64) {
        if !self.link.output().is_empty() {
            return;
        }
        if self.hello_ms.is_none_or(|hello| now_ms.saturating_sub(hello) >= HELLO_INTERVAL_MS) {
            let hello = Hello {
                measurement: self.board.measurement,
                firmware: self.board.firmware,
                model: self.board.model(),
                boot_counter: self.boot_counter,
                boot_id: self.boot_id,
                uptime_ms: now_ms,
                parameters: self.parameters,
                queued: self.queued,
            };
            if self.link.say(&ToSite::Hello(hello), now_ms) {
                self.hello_ms = Some(now_ms);
            }
        } else if let Some(outcome) = self.outcome {
            let state = ParametersState { version: self.parameters, outcome };
            if self.link.say(&ToSite::ParametersState(state), now_ms) {
                self.outcome = None;
            }
        } else if !self.send_finding(now_ms) {
            let readings: List<Reading, MAX_READINGS> = self.report.due(now_ms);
            if !readings.is_empty() && self.link.say(&ToSite::Readings(readings), now_ms) {
                self.report.sent(now_ms);
            }
        }
    }

    /// Sends the oldest finding, or sends it again; says whether it is in the output.
    #[inline(never)] // its frame is freed before the next one's begins
    fn send_finding(&mut self, now_ms: u64) -> bool {
        if self.under_way.is_some_and(|under_way| now_ms < under_way.until_ms) || self.queued == 0 {
            return false;
        }
        let mut buffer = [0; QUEUE_ENTRY];
        let entry = self.queue.peek(&mut self.flash, &mut buffer);
        let Ok(Some(Entry { sequence, cose })) = entry else { return false };
        let Some(cose) = Blob::new(cose) else { return false };
        if !self.link.say(&ToSite::Finding(cose), now_ms) {
            return false;
        }
        let again = self.under_way.filter(|under_way| under_way.sequence == sequence);
        let tries = again.map_or(0, |under_way| under_way.tries) + 1;
        let until_ms = now_ms.saturating_add(ACKNOWLEDGE_TIMEOUT_MS);
        self.under_way = Some(UnderWay { sequence, until_ms, tries });
        true
    }
}
