//! The board's first LED (AN386, FPGA I/O registers).
//!
//! Only on and off; patterns are the firmware's.
//! Invariant: no other bit of the register is changed from its reset value.

use core::convert::Infallible;

use embedded_hal::digital::{ErrorType, OutputPin};

use crate::register::Register;

const LEDS: Register = Register::at(0x4002_8000);

/// The LED.
#[derive(Debug)]
pub struct Led(());

impl Led {
    pub(crate) fn new() -> Self {
        LEDS.write(0);
        Self(())
    }
}

impl ErrorType for Led {
    type Error = Infallible;
}

impl OutputPin for Led {
    fn set_low(&mut self) -> Result<(), Infallible> {
        LEDS.write(0);
        Ok(())
    }

    fn set_high(&mut self) -> Result<(), Infallible> {
        LEDS.write(1);
        Ok(())
    }
}
