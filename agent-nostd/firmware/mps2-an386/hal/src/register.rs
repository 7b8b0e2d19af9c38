//! One device register.
//!
//! Knows nothing of devices. The addresses are constants of the modules that use it.
//! Invariant: an access is one whole aligned word.

use core::ptr::{read_volatile, write_volatile};

/// A register at a fixed address of the board's peripheral space.
#[derive(Debug)]
pub(crate) struct Register(usize);

impl Register {
    /// The register at `address`, which must be one of AN386's memory map or of the Cortex-M4's system space.
    pub(crate) const fn at(address: usize) -> Self {
        assert!(address.is_multiple_of(4) && address >= 0x4000_0000, "a word of peripheral or system space");
        Self(address)
    }

    pub(crate) fn read(&self) -> u32 {
        // SAFETY: `at` admits aligned addresses of device space only, where no Rust object lives.
        unsafe { read_volatile(self.0 as *const u32) }
    }

    pub(crate) fn write(&self, value: u32) {
        // SAFETY: as in `read`; the devices of this crate write no memory.
        unsafe { write_volatile(self.0 as *mut u32, value) }
    }
}
