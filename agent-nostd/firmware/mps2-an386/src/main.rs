//! The firmware's entry: says that it runs, on the console of the board.
//!
//! It has no logic: devices come from the board crate, behaviour from the agent library.
//! Invariant: nothing here touches a register.

#![no_std]
#![no_main]

use core::fmt::Write as _;

use cortex_m_rt::entry;
use mps2_an386_hal::Board;

#[entry]
fn main() -> ! {
    if let Some(mut board) = Board::take() {
        // Writing to a UART cannot fail.
        let _ = writeln!(board.console, "sitewarden agent {}", env!("CARGO_PKG_VERSION"));
    }
    loop {}
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}
