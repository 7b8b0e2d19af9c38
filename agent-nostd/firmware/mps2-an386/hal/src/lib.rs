//! The mps2-an386 board (Arm Cortex-M4, application note AN386) as QEMU models it.
//!
//! The only crate of the firmware that touches registers: everything here is a safe type around one device.
//! It is no general support crate: it has what the agent needs and nothing more.
//! Invariant: each device is handed out once, by [`Board::take`], so no two owners write the same register.

#![no_std]

pub mod uart;

pub use uart::Uart;

use core::sync::atomic::{AtomicBool, Ordering};

static TAKEN: AtomicBool = AtomicBool::new(false);

/// All devices of the board.
#[derive(Debug)]
pub struct Board {
    /// UART 0: the link to the gateway.
    pub link: Uart,
    /// UART 1: the console of whoever installs the device.
    pub console: Uart,
}

impl Board {
    /// The devices, the first time; `None` ever after.
    #[must_use]
    pub fn take() -> Option<Self> {
        if TAKEN.swap(true, Ordering::AcqRel) {
            return None;
        }
        Some(Self { link: Uart::new(uart::Base::Uart0), console: Uart::new(uart::Base::Uart1) })
    }
}
