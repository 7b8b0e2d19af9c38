//! What the linker placed where: the image for its measurement, the stack for its paint.
//!
//! The symbols are cortex-m-rt's. The runtime paints the stack before `main` (feature `paint-stack`).
//! Invariant: only memory that the linker script describes is read.

use core::ptr::{addr_of, read_volatile};

unsafe extern "C" {
    static __vector_table: u32;
    static __sidata: u32;
    static __sdata: u32;
    static __edata: u32;
    static __sheap: u32;
    static _stack_start: u32;
}

/// The paint of cortex-m-rt.
const PAINT: u32 = 0xcccc_cccc;

/// The firmware image in flash: code, constants, initial values of data.
#[must_use]
pub fn image() -> &'static [u8] {
    let start = addr_of!(__vector_table) as usize;
    let data = addr_of!(__edata) as usize - addr_of!(__sdata) as usize;
    let end = addr_of!(__sidata) as usize + data;
    // SAFETY: from the vector table to the end of the initial data is one region of flash that nobody writes.
    unsafe { core::slice::from_raw_parts(start as *const u8, end - start) }
}

/// Bytes of static data.
#[must_use]
pub fn static_bytes() -> usize {
    addr_of!(__sheap) as usize - 0x2000_0000
}

/// The largest number of bytes that the stack had so far.
#[must_use]
pub fn stack_bytes() -> usize {
    let top = addr_of!(_stack_start) as usize;
    let mut at = addr_of!(__sheap) as usize;
    // SAFETY: between the end of static data and the top of the stack is RAM; volatile reads of whole aligned words.
    while at < top && unsafe { read_volatile(at as *const u32) } == PAINT {
        at += 4;
    }
    top - at
}
