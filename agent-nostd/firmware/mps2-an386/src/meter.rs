//! What the agent's calls take, for `make bench LANE=agent`: only with the feature `measure`, else nothing is left of it.
//!
//! In ticks of 25 MHz. QEMU with `-icount shift=0` takes one nanosecond per instruction: one tick is then 40 instructions.
//! Invariant: waiting for an interrupt and writing to the console count nowhere.

use mps2_an386_hal::{Clock, Console};

/// The ticks of all calls so far.
#[derive(Default)]
pub(crate) struct Meter {
    begun: u64,
    samples: u64,
    link: u64,
}

impl Meter {
    /// A call begins.
    pub(crate) fn begin(&mut self, clock: &mut Clock) {
        if cfg!(feature = "measure") {
            self.begun = clock.ticks();
        }
    }

    /// It was about samples: rules, signatures, flash.
    pub(crate) fn sampled(&mut self, clock: &mut Clock) {
        if cfg!(feature = "measure") {
            self.samples += clock.ticks() - self.begun;
        }
    }

    /// It was about the link and had something to do.
    pub(crate) fn linked(&mut self, clock: &mut Clock, busy: bool) {
        if cfg!(feature = "measure") && busy {
            self.link += clock.ticks() - self.begun;
        }
    }

    /// Tells both, at the end of a line.
    pub(crate) fn tell(&self, console: &mut Console) {
        if cfg!(feature = "measure") {
            console.text(" samples ");
            console.number(self.samples);
            console.text(" link ");
            console.number(self.link);
        }
    }
}
