//! The mps2-an386 board (Arm Cortex-M4, application note AN386) as QEMU models it.
//!
//! The only crate of the firmware that touches registers: everything here is a safe type around one device.
//! It is no general support crate: it has what the agent needs and nothing more.
//! Invariant: each device is handed out once, by [`Board::take`], so no two owners write the same register.

#![no_std]

pub mod clock;
pub mod flash;
pub mod i2c;
pub mod inputs;
pub mod led;
pub mod memory;
mod register;
mod semihosting;
pub mod uart;

pub use clock::Clock;
pub use flash::FileFlash;
pub use i2c::I2cBus;
pub use inputs::Inputs;
pub use led::Led;
pub use uart::{Console, LinkUart};

use core::sync::atomic::{AtomicBool, Ordering};

static TAKEN: AtomicBool = AtomicBool::new(false);

/// All devices of the board.
#[derive(Debug)]
pub struct Board {
    /// UART 0: the link to the gateway.
    pub link: LinkUart,
    /// UART 1: the console of whoever installs the device.
    pub console: Console,
    /// Milliseconds since the start.
    pub clock: Clock,
    /// The shield's I2C bus, with the thermometer.
    pub i2c: I2cBus,
    /// The LED.
    pub led: Led,
    /// The tamper contact and the humidity sensor, from a file of the host.
    pub inputs: Inputs,
}

impl Board {
    /// The devices, the first time; `None` ever after. `inputs` is the index of the file's name in the command line.
    #[must_use]
    pub fn take() -> Option<Self> {
        if TAKEN.swap(true, Ordering::AcqRel) {
            return None;
        }
        Some(Self {
            link: LinkUart::new(),
            console: Console::new(),
            clock: Clock::new(),
            i2c: I2cBus::new(),
            led: Led::new(),
            inputs: Inputs::new(),
        })
    }
}

/// 32 random bytes, from the host: the board has no random source. `None` if the host gives none.
#[must_use]
pub fn random() -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    let file = semihosting::File::open(c"/dev/urandom", semihosting::Mode::Read)?;
    file.read(&mut bytes).then_some(bytes)
}

/// Waits for the next interrupt: the clock's tick or a byte on the link.
pub fn wait() {
    // SAFETY: `wfi` changes neither memory nor registers.
    unsafe { core::arch::asm!("wfi", options(nomem, nostack, preserves_flags)) }
}
