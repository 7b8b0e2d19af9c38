//! The agent: samples in, signed findings into the flash queue, the queue over the link.
//!
//! Law of use: after each call that takes the time, write [`Agent::output`] and call [`Agent::poll`] again at
//! [`Agent::next_deadline`] or when bytes were written, whichever is first. The time is milliseconds since the start.
//!
//! Invariants: a finding is signed and on flash before anything else is told of it; one finding is under way at a time and
//! leaves the queue by its own number's acknowledgement only; parameters are used only if the site signed them for this device
//! with a higher version than those in use, and only after they are on flash.

mod parameters;
mod parts;
mod report;
mod speak;

use core::mem;

use embedded_storage_async::nor_flash::MultiwriteNorFlash;
use sitewarden_wire::Text;
use sitewarden_wire::code::Code;
use sitewarden_wire::keys::{DeviceId, KeyPair, Secret};
use sitewarden_wire::limits::MAX_ENCODED;
use sitewarden_wire::message::{EnrolRequest, ParametersOutcome, Reading, Stamp, ToAgent};
use sitewarden_wire::statement::{Finding, FindingKind, FindingState};

use crate::crypto::Signer;
use crate::flash::{FlashError, Layout};
use crate::limits::{HELLO_INTERVAL_MS, SEND_TRIES};
use crate::link::{Incoming, Link, Ours};
use crate::queue::Queue;
use crate::rules::{Change, Rules};
use crate::sensor::Sample;
use crate::store::{Enrolment, Store};
use parts::Parts;
use report::Report;

/// What the agent tells about the board that it runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Board {
    /// SHA-256 over the firmware image.
    pub measurement: [u8; 32],
    /// The firmware's version: major, minor, patch.
    pub firmware: [u8; 3],
    /// The model, at most 24 bytes; a longer one is told as empty.
    pub model: &'static str,
}

impl Board {
    fn model(&self) -> Text<'static, { sitewarden_wire::limits::MAX_MODEL }> {
        Text::new(self.model).or(Text::new("")).expect("an empty text fits every bound")
    }
}

/// What an LED should show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Indication {
    /// The device waits to be enrolled.
    NotEnrolled,
    /// A rule or the tamper contact is raised.
    Alarm,
    /// Enrolled, without a link.
    NoLink,
    /// Linked, and all is well.
    Well,
}

/// Why the agent did not start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the agent cannot use its flash")]
pub struct StartError {
    /// What the flash said.
    #[source]
    pub source: FlashError,
}

/// Which message waits for an answer.
#[derive(Debug, Clone, Copy)]
struct UnderWay {
    sequence: u64,
    until_ms: u64,
    tries: u8,
}

/// The agent, over a flash.
pub struct Agent<F> {
    flash: F,
    store: Store,
    queue: Queue,
    board: Board,
    keys: KeyPair,
    signer: Signer,
    device: DeviceId,
    enrolment: Option<Enrolment>,
    code: Code,
    link: Link,
    rules: Rules,
    report: Report,
    parameters: u64,
    /// The stored parameters are in use. Not done in [`Agent::start`]: the signature's check and the start need their stack
    /// one after the other.
    loaded: bool,
    outcome: Option<ParametersOutcome>,
    boot_counter: u32,
    boot_id: [u8; 8],
    next_finding: u32,
    unix_offset_ms: Option<u64>,
    queued: u32,
    lost: u32,
    under_way: Option<UnderWay>,
    hello_ms: Option<u64>,
}

impl<F: MultiwriteNorFlash> Agent<F> {
    /// Starts: reads the flash, makes what is not there yet, counts the start.
    ///
    /// # Errors
    /// [`StartError`] if the flash does not work or the layout does not fit it.
    #[inline(never)] // its frame is freed before the caller's loop begins
    pub fn start(
        flash: F,
        layout: Layout,
        board: Board,
        random: &mut dyn FnMut() -> Secret,
    ) -> Result<Self, StartError> {
        let mut flash = flash;
        let parts = Parts::read(&mut flash, layout, random).map_err(|source| StartError { source })?;
        Ok(Self {
            device: parts.device,
            rules: Rules::new(&[], 0),
            report: Report::default(),
            parameters: 0,
            loaded: false,
            queued: parts.queued,
            lost: parts.lost,
            store: parts.store,
            queue: parts.queue,
            signer: Signer::new(&parts.signing),
            keys: parts.keys,
            enrolment: parts.enrolment,
            code: parts.code,
            boot_counter: parts.boot_counter,
            boot_id: parts.boot_id,
            board,
            link: Link::new(),
            outcome: None,
            next_finding: 0,
            unix_offset_ms: None,
            under_way: None,
            hello_ms: None,
            flash,
        })
    }

    /// The device's identifier.
    #[must_use]
    pub fn device(&self) -> DeviceId {
        self.device
    }

    /// The code to enrol with, until the device is enrolled.
    #[must_use]
    pub fn code(&self) -> Option<&Code> {
        self.enrolment.is_none().then_some(&self.code)
    }

    /// Findings that wait for their acknowledgement.
    #[must_use]
    pub fn queued(&self) -> u32 {
        self.queued
    }

    /// The version of the parameters in use; 0 for none, and before the first call that takes the time.
    #[must_use]
    pub fn parameters(&self) -> u64 {
        self.parameters
    }

    /// What an LED should show.
    #[must_use]
    pub fn indication(&self) -> Indication {
        if self.enrolment.is_none() {
            Indication::NotEnrolled
        } else if self.rules.raised() != 0 {
            Indication::Alarm
        } else if self.link.is_up() {
            Indication::Well
        } else {
            Indication::NoLink
        }
    }

    /// What is to be written to the line.
    #[must_use]
    pub fn output(&self) -> &[u8] {
        self.link.output()
    }

    /// The first `length` bytes of [`Agent::output`] were written.
    pub fn written(&mut self, length: usize) {
        self.link.written(length);
    }

    /// When [`Agent::poll`] has something to do, if nothing else happens.
    #[must_use]
    pub fn next_deadline(&self) -> Option<u64> {
        if let Some(deadline) = self.link.deadline() {
            return Some(deadline);
        }
        let hello = self.hello_ms.map_or(0, |hello| hello.saturating_add(HELLO_INTERVAL_MS));
        let sent = self.under_way.map(|under_way| under_way.until_ms);
        Some(sent.map_or(hello, |sent| sent.min(hello)))
    }

    /// The flash, to look at it or to take it along over a restart.
    pub fn into_flash(self) -> F {
        self.flash
    }

    fn stamp(&self, now_ms: u64) -> Stamp {
        let unix_ms = self.unix_offset_ms.map(|offset| offset.saturating_add(now_ms));
        Stamp { uptime_ms: now_ms, unix_ms }
    }

    /// One round of samples.
    #[inline(never)] // its frame is freed before the next one's begins
    pub fn sample(&mut self, now_ms: u64, samples: &[Sample], tamper_open: bool) {
        self.load_parameters();
        let before = self.rules.raised();
        let mut rules = mem::replace(&mut self.rules, Rules::new(&[], 0));
        rules.sample(samples, tamper_open, now_ms, &mut |change| self.raise(now_ms, change));
        self.rules = rules;
        if self.rules.raised() != before {
            // Were the power to go here, the rule would raise once more: told twice rather than never.
            let _ = self.store.set_raised(&mut self.flash, self.rules.raised());
        }
        let stamp = self.stamp(now_ms);
        self.report.take(samples.iter().filter_map(|sample| {
            let value = sample.value?;
            Some(Reading { sensor: sample.sensor, quantity: sample.quantity, value, at: stamp })
        }));
    }

    fn raise(&mut self, now_ms: u64, change: Change) {
        self.tell_lost(now_ms);
        if self.push(now_ms, change, None).is_err() {
            self.lost = self.lost.saturating_add(1);
            // If the flash refuses this too, the loss is told as long as the power stays.
            let _ = self.store.set_lost(&mut self.flash, self.lost);
        }
    }

    /// Tells of findings that could not be stored, once there is room again.
    fn tell_lost(&mut self, now_ms: u64) {
        if self.lost == 0 {
            return;
        }
        let (kind, state) = (FindingKind::Lost, FindingState::Raised);
        let change = Change { rule: 0, kind, state, sensor: None, quantity: None, value: None, limit: None };
        if self.push(now_ms, change, Some(self.lost)).is_ok() {
            self.lost = 0;
            let _ = self.store.set_lost(&mut self.flash, 0);
        }
    }

    /// Signs a finding and puts it on flash.
    #[inline(never)] // its frame is freed before the next one's begins
    fn push(&mut self, now_ms: u64, change: Change, lost: Option<u32>) -> Result<(), FlashError> {
        let stamp = self.stamp(now_ms);
        let sequence = (u64::from(self.boot_counter) << 32) | u64::from(self.next_finding);
        // Spent even if the flash refuses: a number that was signed is never signed again.
        self.next_finding = self.next_finding.saturating_add(1);
        let finding = Finding {
            device: self.device,
            sequence,
            boot_id: self.boot_id,
            boot_counter: self.boot_counter,
            uptime_ms: stamp.uptime_ms,
            unix_ms: stamp.unix_ms,
            rule: change.rule,
            kind: change.kind,
            state: change.state,
            sensor: change.sensor,
            quantity: change.quantity,
            value: change.value,
            limit: change.limit,
            parameters: self.parameters,
            lost,
        };
        let cose = finding.sign(&|message| self.signer.sign(message)).map_err(|_| FlashError::Full)?;
        self.queue.push(&mut self.flash, sequence, &cose)?;
        self.queued = self.queued.saturating_add(1);
        Ok(())
    }

    /// Bytes from the line.
    #[inline(never)] // its frame is freed before the next one's begins
    pub fn receive(&mut self, now_ms: u64, bytes: &[u8], random: &mut dyn FnMut() -> Secret) {
        self.load_parameters();
        let mut input = bytes;
        let mut buffer = [0; MAX_ENCODED];
        let Board { measurement, firmware, .. } = self.board;
        let signing = self.signer.public();
        let request = EnrolRequest { signing, measurement, firmware, model: self.board.model() };
        loop {
            match self.link.receive(&mut input, now_ms, &request, &mut buffer) {
                None if input.is_empty() => break,
                None => {}
                Some(Incoming::Connected) => {
                    self.hello_ms = None;
                    self.under_way = None;
                }
                Some(Incoming::Granted(enrolment)) => self.enrolled(now_ms, enrolment),
                Some(Incoming::Message(ToAgent::Acknowledgement(sequence))) => {
                    self.acknowledged(now_ms, sequence);
                }
                Some(Incoming::Message(ToAgent::Parameters(cose))) => {
                    let outcome = self.take_parameters(cose.as_bytes());
                    self.outcome = Some(outcome);
                }
                Some(Incoming::Message(ToAgent::Time(cose))) => self.take_time(now_ms, cose.as_bytes()),
                Some(Incoming::Message(ToAgent::Grant(_))) => {}
            }
        }
        self.poll(now_ms, random);
    }

    fn enrolled(&mut self, now_ms: u64, enrolment: Enrolment) {
        // Used only once it is on flash: else the gateway would know a device that forgot it.
        if self.store.set_enrolment(&mut self.flash, &enrolment).is_ok() {
            self.enrolment = Some(enrolment);
            self.link.enrolled(now_ms);
        }
    }

    fn acknowledged(&mut self, now_ms: u64, sequence: u64) {
        if self.under_way.is_none_or(|under_way| under_way.sequence != sequence) {
            return;
        }
        if self.queue.pop(&mut self.flash).is_ok() {
            self.queued = self.queued.saturating_sub(1);
        }
        self.under_way = None;
        self.tell_lost(now_ms);
    }

    /// Does what is due: handshakes, repeats, the next message.
    pub fn poll(&mut self, now_ms: u64, random: &mut dyn FnMut() -> Secret) {
        self.load_parameters();
        if let Some(under_way) = self.under_way
            && now_ms >= under_way.until_ms
            && under_way.tries >= SEND_TRIES
        {
            self.under_way = None;
            self.link.restart(now_ms);
        }
        if self.link.is_up() {
            self.speak(now_ms);
            return;
        }
        let code = self.code.key();
        let ours = Ours { keys: &self.keys, enrolment: self.enrolment.as_ref(), code: &code };
        self.link.poll(now_ms, &ours, random);
    }
}
