//! The CMSDK APB UART (Arm DDI 0479, section 4.3), polled.
//!
//! It has no queue of its own beyond the one byte of the hardware: the caller polls often enough for its line speed.
//! Invariant: registers are accessed as whole aligned words at the addresses of AN386 only.

use core::ptr::{read_volatile, write_volatile};

/// Register blocks of the UARTs (AN386, memory map).
#[derive(Debug, Clone, Copy)]
pub(crate) enum Base {
    Uart0 = 0x4000_4000,
    Uart1 = 0x4000_5000,
}

const DATA: usize = 0x00;
const STATE: usize = 0x04;
const CTRL: usize = 0x08;
const BAUDDIV: usize = 0x10;

const STATE_TX_FULL: u32 = 1;
const STATE_RX_FULL: u32 = 1 << 1;
const CTRL_TX_RX: u32 = 0b11;
/// 25 MHz / 115,200 baud.
const DIVIDER_115200: u32 = 217;

/// One UART at 115,200 baud, 8N1.
#[derive(Debug)]
pub struct Uart {
    base: usize,
}

impl Uart {
    pub(crate) fn new(base: Base) -> Self {
        let uart = Self { base: base as usize };
        uart.write_register(BAUDDIV, DIVIDER_115200);
        uart.write_register(CTRL, CTRL_TX_RX);
        uart
    }

    fn read_register(&self, offset: usize) -> u32 {
        // SAFETY: `base` is one of `Base`, `offset` one of the constants above: a mapped, aligned device register.
        unsafe { read_volatile((self.base + offset) as *const u32) }
    }

    fn write_register(&self, offset: usize, value: u32) {
        // SAFETY: as in `read_register`; these registers have no effect on memory.
        unsafe { write_volatile((self.base + offset) as *mut u32, value) }
    }

    /// The byte that arrived, if one did.
    pub fn read(&mut self) -> Option<u8> {
        if self.read_register(STATE) & STATE_RX_FULL == 0 {
            return None;
        }
        Some((self.read_register(DATA) & 0xff) as u8)
    }

    /// Takes `byte` if the transmitter is free; says whether it did.
    #[must_use]
    pub fn try_write(&mut self, byte: u8) -> bool {
        if self.read_register(STATE) & STATE_TX_FULL != 0 {
            return false;
        }
        self.write_register(DATA, u32::from(byte));
        true
    }

    /// Writes all of `bytes`, waiting for the line.
    pub fn write_all(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            while !self.try_write(byte) {}
        }
    }
}

impl core::fmt::Write for Uart {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        self.write_all(text.as_bytes());
        Ok(())
    }
}
