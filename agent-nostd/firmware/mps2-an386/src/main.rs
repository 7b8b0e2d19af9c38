//! The firmware: devices come from the board crate, behaviour from the agent library; this is the loop between them.
//!
//! Order of one turn: bytes in, samples when due, what is due, bytes out, LED and console. The console tells whoever
//! installs the device its identifier, its one-time code and its state.
//! Invariant: nothing here touches a register, and nothing decides about the protocol.

#![no_std]
#![no_main]
#![deny(unsafe_code)]

use core::fmt::Write as _;

use cortex_m_rt::entry;
use embedded_hal::digital::OutputPin as _;
use mps2_an386_hal::flash::{CAPACITY, PAGE};
use mps2_an386_hal::{FileFlash, Led, memory, random, wait};
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

fn describe() -> Board {
    let number = |text: &str| text.parse().unwrap_or(0);
    let firmware = [
        number(env!("CARGO_PKG_VERSION_MAJOR")),
        number(env!("CARGO_PKG_VERSION_MINOR")),
        number(env!("CARGO_PKG_VERSION_PATCH")),
    ];
    Board { measurement: Sha256::digest(memory::image()).into(), firmware, model: "mps2-an386" }
}

fn layout() -> Layout {
    let store = STORE_PAGES * PAGE;
    Layout { store: 0..store, queue: store..CAPACITY }
}

/// Blinks: not enrolled fast, without a link slowly, alarm on, well off with a flash each four seconds.
fn show(led: &mut Led, indication: Indication, now_ms: u64) {
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

/// Runs for ever, unless there is no flash.
fn run(board: mps2_an386_hal::Board) {
    let mps2_an386_hal::Board { mut link, mut console, mut clock, i2c, mut led, mut inputs } = board;
    // Writing to the console cannot fail.
    let _ = writeln!(console, "sitewarden agent {}", env!("CARGO_PKG_VERSION"));
    let Some(flash) = FileFlash::open() else {
        let _ = writeln!(console, "error: no flash file: start with -semihosting-config arg=agent,arg=FILE");
        return;
    };
    // Borrowed where it lies: a copy of it is a quarter of the RAM.
    let mut started = Agent::start(flash, layout(), describe(), &mut fresh);
    let agent = match &mut started {
        Ok(agent) => agent,
        Err(error) => {
            let _ = writeln!(console, "error: {error}: {}", error.source);
            return;
        }
    };
    let _ = writeln!(console, "device {}", agent.device());
    if let Some(code) = agent.code() {
        let _ = writeln!(console, "code {code}");
    }
    let mut thermometer = Lm75::new(i2c, THERMOMETER);
    let mut sampled_ms = None;
    let mut told = None;
    let mut bytes = [0; 64];
    loop {
        let now_ms = clock.now_ms();
        let count = link.read(&mut bytes);
        agent.receive(now_ms, bytes.get(..count).unwrap_or(&[]), &mut fresh);
        if sampled_ms.is_none_or(|last: u64| now_ms - last >= SAMPLE_MS) {
            sampled_ms = Some(now_ms);
            let state = inputs.read();
            let humidity = Sample { sensor: 1, quantity: Quantity::HUMIDITY, value: state.humidity };
            agent.sample(now_ms, &[Sample::take(0, &mut thermometer), humidity], state.open);
        }
        agent.poll(now_ms, &mut fresh);
        let sent = link.write(agent.output());
        agent.written(sent);

        let now = (agent.indication(), agent.queued(), agent.parameters());
        if told != Some(now) {
            told = Some(now);
            let (indication, queued, parameters) = now;
            let _ = writeln!(
                console,
                "state {} queued {queued} parameters {parameters} stack {} static {}",
                name(indication),
                memory::stack_bytes(),
                memory::static_bytes()
            );
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
