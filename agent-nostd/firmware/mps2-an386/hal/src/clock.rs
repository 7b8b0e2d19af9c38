//! The time since the start, from the SysTick timer (Armv7-M B3.3).
//!
//! It is no wall clock. The tick's counter wraps after 49 days; the clock carries on as long as it is read once in that time.
//! Invariant: the time never goes back.

use core::sync::atomic::{AtomicU32, Ordering};

use cortex_m_rt::exception;

use crate::register::Register;

const SYST_CSR: Register = Register::at(0xe000_e010);
const SYST_RVR: Register = Register::at(0xe000_e014);
const SYST_CVR: Register = Register::at(0xe000_e018);
/// Processor clock, interrupt, enable.
const RUN: u32 = 0b111;
/// 25 MHz / 1000.
const TICKS_PER_MS: u32 = 25_000;

static TICKS: AtomicU32 = AtomicU32::new(0);

/// Milliseconds since the start.
#[derive(Debug)]
pub struct Clock {
    last: u32,
    now_ms: u64,
}

impl Clock {
    pub(crate) fn new() -> Self {
        SYST_RVR.write(TICKS_PER_MS - 1);
        SYST_CVR.write(0);
        SYST_CSR.write(RUN);
        Self { last: 0, now_ms: 0 }
    }

    /// The time now.
    pub fn now_ms(&mut self) -> u64 {
        let ticks = TICKS.load(Ordering::Relaxed);
        self.now_ms += u64::from(ticks.wrapping_sub(self.last));
        self.last = ticks;
        self.now_ms
    }

    /// The time now in ticks of the processor's clock, 25 MHz.
    pub fn ticks(&mut self) -> u64 {
        loop {
            let now_ms = self.now_ms();
            let left = SYST_CVR.read();
            // Read again if the counter began anew in between.
            if now_ms == self.now_ms() {
                return now_ms * u64::from(TICKS_PER_MS) + u64::from(TICKS_PER_MS - 1 - left);
            }
        }
    }
}

#[exception]
fn SysTick() {
    TICKS.store(TICKS.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
}
