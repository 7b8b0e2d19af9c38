//! A site and a device on one line: the harness of these tests.
//!
//! [`Site`] is the owner of the gateway's end: it commits to memory, then acknowledges or grants, as the law of use says.
//! [`Pair`] moves bytes and time; a fault of the line is a function over the bytes of one direction.
//! Invariant: the same seed gives the same run.

#[path = "../../src/testing.rs"]
pub(crate) mod flash;

use std::collections::BTreeMap;

use ed25519_dalek::{Signer as _, SigningKey};
use flash::{Flash, PAGE};
use sitewarden_agent::sensor::Sample;
use sitewarden_agent::wire::code::Code;
use sitewarden_agent::wire::keys::{DeviceId, KeyPair, Secret};
use sitewarden_agent::wire::message::{ParametersState, Quantity, Reading};
use sitewarden_agent::wire::server::{Device, Dropped, Event, Offer, OfferError, Server};
use sitewarden_agent::wire::statement::{Check, Finding, Parameters, Rule, Time};
use sitewarden_agent::wire::{List, server};
use sitewarden_agent::{Agent, Board, Layout, verify};

pub(crate) const SITE_NAME: [u8; 8] = *b"the site";
pub(crate) const BOARD: Board = Board { measurement: [0xaa; 32], firmware: [0, 1, 0], model: "test" };
pub(crate) const STORE_PAGES: usize = 3;
pub(crate) const QUEUE_PAGES: usize = 12;
/// The wall clock when the uptime of the first agent is zero.
pub(crate) const WALL_MS: u64 = 1_790_000_000_000;

/// Random secrets from a seed (SplitMix64).
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn secret(&mut self) -> Secret {
        let mut bytes = [0; 32];
        bytes.chunks_mut(8).for_each(|chunk| chunk.copy_from_slice(&self.next().to_be_bytes()));
        Secret::new(bytes)
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }
}

pub(crate) fn layout() -> Layout {
    let store = (STORE_PAGES * PAGE) as u32;
    Layout { store: 0..store, queue: store..store + (QUEUE_PAGES * PAGE) as u32 }
}

pub(crate) fn empty_flash() -> Flash {
    Flash::new(STORE_PAGES + QUEUE_PAGES)
}

pub(crate) fn start(flash: Flash, random: &mut Random) -> Agent<Flash> {
    Agent::start(flash, layout(), BOARD, &mut || random.secret()).unwrap()
}

/// The temperature rule of these tests: above 8 °C raises at once, at or below 7 °C clears.
pub(crate) fn cold_room() -> Rule {
    Rule { id: 1, sensor: 0, check: Check::Above { limit: 8000, clear: 7000 }, hold_ms: 0 }
}

/// Who owns the gateway's end of the line.
pub(crate) struct Site {
    pub(crate) server: Server,
    pub(crate) signing: SigningKey,
    pub(crate) devices: BTreeMap<DeviceId, Device>,
    pub(crate) findings: BTreeMap<u64, (Finding, Vec<u8>)>,
    pub(crate) repeats: usize,
    pub(crate) readings: Vec<Reading>,
    pub(crate) states: Vec<ParametersState>,
    pub(crate) hellos: usize,
    pub(crate) dropped: Vec<Dropped>,
    pub(crate) parameters: Option<Vec<u8>>,
    pub(crate) commits: bool,
    pub(crate) random: Random,
}

pub(crate) fn server(signing: &SigningKey) -> Server {
    let link = KeyPair::from_secret(Secret::new([0x51; 32]));
    Server::new(server::Site { link, signing: signing.verifying_key().to_bytes() }, verify)
}

impl Site {
    pub(crate) fn new() -> Self {
        let signing = SigningKey::from_bytes(&[0x52; 32]);
        Self {
            server: server(&signing),
            signing,
            devices: BTreeMap::new(),
            findings: BTreeMap::new(),
            repeats: 0,
            readings: Vec::new(),
            states: Vec::new(),
            hellos: 0,
            dropped: Vec::new(),
            parameters: None,
            commits: true,
            random: Random(77),
        }
    }

    /// The gateway was killed and started: what was committed is there, the line is new.
    pub(crate) fn restart(&mut self) {
        self.server = server(&self.signing);
    }

    pub(crate) fn offer(&mut self, code: &Code, now_ms: u64, expires_ms: u64) -> Result<(), OfferError> {
        self.server.open(Offer::new(code, expires_ms), now_ms)
    }

    pub(crate) fn sign_parameters(
        &self,
        device: DeviceId,
        version: u64,
        rules: &[Rule],
        report_ms: u32,
    ) -> Vec<u8> {
        let mut list = List::default();
        rules.iter().for_each(|rule| list.push(*rule).unwrap());
        let parameters = Parameters { version, device, rules: list, report_ms };
        parameters.sign(&SITE_NAME, &|message| self.signing.sign(message).to_bytes()).unwrap().to_vec()
    }

    pub(crate) fn receive(&mut self, bytes: &[u8], now_ms: u64) {
        let mut input = bytes;
        let mut random = Random(self.random.next());
        loop {
            let devices = &self.devices;
            let find = |device| devices.get(&device).cloned();
            let event = self.server.receive(&mut input, now_ms, &mut || random.secret(), &find);
            let Some(event) = event else { break };
            match event {
                Event::Dropped(reason) => self.dropped.push(reason),
                Event::Answered => {}
                Event::Hello { device, hello } => {
                    self.hellos += 1;
                    let without = hello.parameters == 0;
                    let time = Time { device, boot_id: hello.boot_id, unix_ms: WALL_MS + now_ms };
                    let time = time.sign(&SITE_NAME, &|m| self.signing.sign(m).to_bytes()).unwrap();
                    let _ = self.server.send_time(&time);
                    if let Some(parameters) = self.parameters.as_ref().filter(|_| without) {
                        let _ = self.server.send_parameters(parameters);
                    }
                }
                Event::Readings { readings, .. } => self.readings.extend(readings.iter()),
                Event::ParametersState { state, .. } => self.states.push(state),
                Event::Finding { finding, cose, .. } => {
                    if !self.commits {
                        continue;
                    }
                    let known = self.findings.insert(finding.sequence, (finding, cose.to_vec()));
                    self.repeats += usize::from(known.is_some());
                    let _ = self.server.acknowledge(finding.sequence);
                }
                Event::Enrolment { device, link, request } => {
                    if !self.commits {
                        continue;
                    }
                    let psk = self.random.secret();
                    let fresh = Device { link, signing: request.signing, psk };
                    let psk = self.devices.entry(device).or_insert(fresh).psk.clone();
                    let _ = self.server.grant(&psk);
                }
            }
        }
    }

    pub(crate) fn output(&mut self) -> Vec<u8> {
        let bytes = self.server.output().to_vec();
        self.server.written(bytes.len());
        bytes
    }
}

/// What the line does to the bytes of one direction.
pub(crate) type Fault<'f> = &'f mut dyn FnMut(Vec<u8>) -> Vec<u8>;

/// A device and a site on one line, with one clock.
pub(crate) struct Pair {
    pub(crate) agent: Agent<Flash>,
    pub(crate) site: Site,
    pub(crate) now_ms: u64,
    pub(crate) random: Random,
}

impl Pair {
    pub(crate) fn new() -> Self {
        let mut random = Random(1);
        Self { agent: start(empty_flash(), &mut random), site: Site::new(), now_ms: 0, random }
    }

    /// Enrolled, linked, with the rule of [`cold_room`] in use.
    pub(crate) fn linked() -> Self {
        let mut pair = Self::new();
        let code = pair.agent.code().unwrap().clone();
        pair.site.offer(&code, 0, 600_000).unwrap();
        let device = pair.agent.device();
        pair.site.parameters = Some(pair.site.sign_parameters(device, 1, &[cold_room()], 0));
        pair.run(5_000);
        assert_eq!(pair.agent.parameters(), 1, "{:?}", pair.site.dropped);
        pair
    }

    /// Moves bytes until neither side has any; no time passes.
    pub(crate) fn exchange(&mut self, up: Fault<'_>, down: Fault<'_>) {
        for _ in 0..200 {
            self.agent.poll(self.now_ms, &mut || self.random.secret());
            let bytes = self.agent.output().to_vec();
            self.agent.written(bytes.len());
            let back = {
                if !bytes.is_empty() {
                    self.site.receive(&up(bytes.clone()), self.now_ms);
                }
                self.site.output()
            };
            if bytes.is_empty() && back.is_empty() {
                return;
            }
            if !back.is_empty() {
                self.agent.receive(self.now_ms, &down(back), &mut || self.random.secret());
            }
        }
        panic!("the two never become quiet");
    }

    /// Lets `duration_ms` pass, from deadline to deadline.
    pub(crate) fn run_with(&mut self, duration_ms: u64, up: Fault<'_>, down: Fault<'_>) {
        let end = self.now_ms + duration_ms;
        loop {
            self.exchange(up, down);
            let next = self.agent.next_deadline().unwrap_or(end).max(self.now_ms + 1);
            if next > end {
                self.now_ms = end;
                self.exchange(up, down);
                return;
            }
            self.now_ms = next;
        }
    }

    pub(crate) fn run(&mut self, duration_ms: u64) {
        self.run_with(duration_ms, &mut |bytes| bytes, &mut |bytes| bytes);
    }

    pub(crate) fn sample(&mut self, value: Option<i32>, open: bool) {
        let samples = [Sample { sensor: 0, quantity: Quantity::TEMPERATURE, value }];
        self.agent.sample(self.now_ms, &samples, open);
    }

    /// Raises and clears the rule: two findings.
    pub(crate) fn excursion(&mut self) {
        self.sample(Some(9000), false);
        self.sample(Some(5000), false);
    }

    /// The device restarts on the same flash; its clock begins at zero, so the pair's does too.
    pub(crate) fn restart_agent(&mut self) {
        let agent = std::mem::replace(&mut self.agent, start(empty_flash(), &mut Random(0)));
        self.agent = start(agent.into_flash().repowered(), &mut self.random);
    }
}
