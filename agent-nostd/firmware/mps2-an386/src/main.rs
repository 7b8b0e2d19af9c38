//! The firmware: devices come from the board crate, behaviour from the agent library; this is the loop between them.
//!
//! Order of one turn: bytes in, samples when due, what is due, bytes out, LED and console. The console tells whoever
//! installs the device its identifier, its one-time code and its state.
//! Invariant: nothing here touches a register, and nothing decides about the protocol.

#![no_std]
#![no_main]
#![deny(unsafe_code)]

mod meter;

use cortex_m_rt::entry;
use embedded_hal::digital::OutputPin as _;
use meter::Meter;
use mps2_an386_hal::flash::{CAPACITY, PAGE};
use mps2_an386_hal::{Console, FileFlash, Led, memory, random, wait};
use sha2::{Digest as _, Sha256};
use sitewarden_agent::sensor::{Lm75, Sample};
use sitewarden_agent::wire::keys::Secret;
use sitewarden_agent::wire::message::Quantity;
use sitewarden_agent::{Agent, Board, Indication, Layout};

/// Milliseconds between two rounds of samples.
const SAMPLE_MS: u64 = 250;
/// Pages of the flash that hold keys and parameters; the rest is the finding queue.
const STORE_PAGES: u32 = 4;
const THERMOMETER: u8 = 0x48;

/// Without a random source there are no keys: better no device than a guessable one.
fn fresh() -> Secret {
    loop {
        if let Some(bytes) = random() {
            return Secret::new(bytes);
        }
    }
}

/// A part of the version; cargo gives it as text.
const fn number(text: &str) -> u8 {
    match u8::from_str_radix(text, 10) {
        Ok(number) => number,
        Err(_) => panic!("a part of the version is no number below 256"),
    }
}

const VERSION: [u8; 3] = [
    number(env!("CARGO_PKG_VERSION_MAJOR")),
    number(env!("CARGO_PKG_VERSION_MINOR")),
    number(env!("CARGO_PKG_VERSION_PATCH")),
];

#[inline(never)] // its frame is freed before the loop begins
fn describe() -> Board {
    let firmware = VERSION;
    Board { measurement: Sha256::digest(memory::image()).into(), firmware, model: "mps2-an386" }
}

fn layout() -> Layout {
    let store = STORE_PAGES * PAGE;
    Layout { store: 0..store, queue: store..CAPACITY }
}

/// Blinks: not enrolled fast, without a link slowly, alarm on, well off with a flash each four seconds.
fn show(led: &mut Led, indication: Indication, now_ms: u64) {
    // 32 bits suffice for a blink, and their division is one instruction.
    let now_ms = now_ms as u32;
    let on = match indication {
        Indication::NotEnrolled => now_ms % 250 < 125,
        Indication::NoLink => now_ms % 2000 < 1000,
        Indication::Alarm => true,
        Indication::Well => now_ms % 4000 < 50,
    };
    // The LED's pin cannot fail.
    let _ = if on { led.set_high() } else { led.set_low() };
}

fn name(indication: Indication) -> &'static str {
    match indication {
        Indication::NotEnrolled => "not-enrolled",
        Indication::NoLink => "no-link",
        Indication::Alarm => "alarm",
        Indication::Well => "well",
    }
}

#[entry]
fn main() -> ! {
    if let Some(board) = mps2_an386_hal::Board::take() {
        run(board);
    }
    loop {
        wait();
    }
}

/// Tells whoever installs the device who it is, and its code as long as it is not enrolled.
#[inline(never)] // its frame is freed before the loop begins
fn greet(console: &mut Console, agent: &Agent<FileFlash>) {
    console.text("device ");
    agent.device().characters().for_each(|character| console.character(character));
    if let Some(code) = agent.code() {
        console.text("\ncode ");
        code.characters().for_each(|character| console.character(character));
    }
    console.text("\n");
}

/// A line about the state, without its end.
#[inline(never)] // its frame must not stay in the loop
fn tell(console: &mut Console, indication: Indication, queued: u64, parameters: u64) {
    console.text("state ");
    console.text(name(indication));
    for (word, number) in [
        (" queued ", queued),
        (" parameters ", parameters),
        (" stack ", memory::stack_bytes() as u64),
        (" static ", memory::static_bytes() as u64),
    ] {
        console.text(word);
        console.number(number);
    }
}

/// Runs for ever, unless there is no flash.
fn run(board: mps2_an386_hal::Board) {
    let mps2_an386_hal::Board { mut link, mut console, mut clock, i2c, mut led, mut inputs } = board;
    console.text(concat!("sitewarden agent ", env!("CARGO_PKG_VERSION"), "\n"));
    let Some(flash) = FileFlash::open() else {
        console.text("error: no flash file: start with -semihosting-config arg=agent,arg=FILE\n");
        return;
    };
    // Borrowed where it lies: a copy of it is a quarter of the RAM.
    let mut started = Agent::start(flash, layout(), describe(), &mut fresh);
    let agent = match &mut started {
        Ok(agent) => agent,
        Err(error) => {
            console.text("error: the agent cannot use its flash: ");
            console.text(error.source.text());
            console.text("\n");
            return;
        }
    };
    greet(&mut console, agent);
    let mut thermometer = Lm75::new(i2c, THERMOMETER);
    let mut meter = Meter::default();
    let mut sampled_ms = None;
    let mut told = None;
    let mut bytes = [0; 64];
    loop {
        let now_ms = clock.now_ms();
        meter.begin(&mut clock);
        let count = link.read(&mut bytes);
        agent.receive(now_ms, bytes.get(..count).unwrap_or(&[]), &mut fresh);
        meter.linked(&mut clock, count > 0);
        if sampled_ms.is_none_or(|last: u64| now_ms - last >= SAMPLE_MS) {
            sampled_ms = Some(now_ms);
            let state = inputs.read();
            let humidity = Sample { sensor: 1, quantity: Quantity::HUMIDITY, value: state.humidity };
            let samples = [Sample::take(0, &mut thermometer), humidity];
            meter.begin(&mut clock);
            agent.sample(now_ms, &samples, state.open);
            meter.sampled(&mut clock);
        }
        meter.begin(&mut clock);
        agent.poll(now_ms, &mut fresh);
        let sent = link.write(agent.output());
        agent.written(sent);
        meter.linked(&mut clock, sent > 0);

        let now = (agent.indication(), agent.queued(), agent.parameters());
        if told != Some(now) {
            told = Some(now);
            let (indication, queued, parameters) = now;
            tell(&mut console, indication, u64::from(queued), parameters);
            meter.tell(&mut console);
            console.text("\n");
        }
        show(&mut led, agent.indication(), now_ms);
        if count == 0 && agent.output().is_empty() {
            wait();
        }
    }
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {
        wait();
    }
}
