//! What the site tells the device: parameters and time, both signed by it.
//!
//! Invariants: parameters are used only if the site signed them for this device with a higher version than those in use, and
//! only after they are on flash; a time only if it was signed for this run.
//! It decides nothing about what the parameters hold: ranges are the wire's, rules are `rules`.

use core::mem;

use embedded_storage_async::nor_flash::MultiwriteNorFlash;
use sitewarden_wire::message::ParametersOutcome;
use sitewarden_wire::statement::{Parameters, Rule, StatementError, Time};

use super::Agent;
use crate::crypto::verify;
use crate::limits::STORE_BUFFER;
use crate::rules::{Raised, Rules};

impl<F: MultiwriteNorFlash> Agent<F> {
    /// Takes the stored parameters into use, once. They were checked before they were stored; they are checked again.
    #[inline(never)] // its frame is freed before the next one's begins
    pub(super) fn load_parameters(&mut self) {
        if mem::replace(&mut self.loaded, true) {
            return;
        }
        let Ok(raised) = self.store.raised(&mut self.flash) else { return };
        self.use_rules(&[], raised);
        let mut buffer = [0; STORE_BUFFER];
        let Some(enrolment) = &self.enrolment else { return };
        let Ok(Some(cose)) = self.store.parameters(&mut self.flash, &mut buffer) else { return };
        if let Ok(parameters) = Parameters::verify(cose, self.device, &enrolment.site.signing, verify) {
            self.use_rules(&parameters.rules, raised);
            self.report.every(parameters.report_ms);
            self.parameters = parameters.version;
        }
    }

    #[inline(never)] // its frame must not stay in the caller, below which a signature is checked
    fn use_rules(&mut self, rules: &[Rule], raised: Raised) {
        self.rules = Rules::new(rules, raised);
    }

    #[inline(never)] // its frame is freed before the next one's begins
    pub(super) fn take_parameters(&mut self, cose: &[u8]) -> ParametersOutcome {
        let Some(enrolment) = &self.enrolment else { return ParametersOutcome::NotSigned };
        let parameters = match Parameters::verify(cose, self.device, &enrolment.site.signing, verify) {
            Ok(parameters) => parameters,
            Err(StatementError::Cose { .. } | StatementError::OtherDevice) => {
                return ParametersOutcome::NotSigned;
            }
            Err(StatementError::Malformed | StatementError::Range { .. }) => {
                return ParametersOutcome::Invalid;
            }
        };
        if parameters.version <= self.parameters {
            return ParametersOutcome::Older;
        }
        if self.store.set_parameters(&mut self.flash, cose).is_err() {
            return ParametersOutcome::NotStored;
        }
        self.rules.replace(&parameters.rules);
        let _ = self.store.set_raised(&mut self.flash, self.rules.raised());
        self.report.every(parameters.report_ms);
        self.parameters = parameters.version;
        ParametersOutcome::Applied
    }

    pub(super) fn take_time(&mut self, now_ms: u64, cose: &[u8]) {
        let Some(enrolment) = &self.enrolment else { return };
        let key = &enrolment.site.signing;
        if let Ok(time) = Time::verify(cose, self.device, self.boot_id, key, verify) {
            self.unix_offset_ms = Some(time.unix_ms.saturating_sub(now_ms));
        }
    }
}
