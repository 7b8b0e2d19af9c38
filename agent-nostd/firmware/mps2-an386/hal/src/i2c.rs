//! The SBCon two-wire controller (Arm DDI 0479, section 4.9), driven bit by bit, as an embedded-hal bus.
//!
//! One controller, seven-bit addresses, no clock stretching: QEMU's devices need none.
//! Invariant: every transaction ends with a stop, also a failed one.

use embedded_hal::i2c::{ErrorKind, ErrorType, I2c, NoAcknowledgeSource, Operation};

use crate::register::Register;

/// The second shield's bus: where QEMU puts a `-device tmp105` that names no bus.
const SBCON: usize = 0x4002_a000;
/// Read: the lines. Write: raise these.
const LINES: Register = Register::at(SBCON);
/// Write: lower these.
const LOWER: Register = Register::at(SBCON + 4);
const SCL: u32 = 1;
const SDA: u32 = 1 << 1;

/// The bus.
#[derive(Debug)]
pub struct I2cBus(());

impl I2cBus {
    pub(crate) fn new() -> Self {
        LINES.write(SCL | SDA);
        Self(())
    }

    fn start(&mut self) {
        LINES.write(SDA);
        LINES.write(SCL);
        LOWER.write(SDA);
        LOWER.write(SCL);
    }

    fn stop(&mut self) {
        LOWER.write(SDA);
        LINES.write(SCL);
        LINES.write(SDA);
    }

    fn write_bit(&mut self, bit: bool) {
        if bit {
            LINES.write(SDA)
        } else {
            LOWER.write(SDA)
        }
        LINES.write(SCL);
        LOWER.write(SCL);
    }

    fn read_bit(&mut self) -> bool {
        LINES.write(SDA);
        LINES.write(SCL);
        let bit = LINES.read() & SDA != 0;
        LOWER.write(SCL);
        bit
    }

    /// Sends a byte; says whether it was acknowledged.
    fn write_byte(&mut self, byte: u8) -> bool {
        for bit in (0..8).rev() {
            self.write_bit(byte & (1 << bit) != 0);
        }
        !self.read_bit()
    }

    fn read_byte(&mut self, more: bool) -> u8 {
        let byte = (0..8).fold(0, |byte, _| (byte << 1) | u8::from(self.read_bit()));
        self.write_bit(!more);
        byte
    }

    fn address(&mut self, address: u8, read: bool) -> Result<(), ErrorKind> {
        self.start();
        let acknowledged = self.write_byte((address << 1) | u8::from(read));
        if acknowledged { Ok(()) } else { Err(ErrorKind::NoAcknowledge(NoAcknowledgeSource::Address)) }
    }

    fn run(&mut self, address: u8, operations: &mut [Operation<'_>]) -> Result<(), ErrorKind> {
        for operation in operations {
            match operation {
                Operation::Write(bytes) => {
                    self.address(address, false)?;
                    for &byte in *bytes {
                        if !self.write_byte(byte) {
                            return Err(ErrorKind::NoAcknowledge(NoAcknowledgeSource::Data));
                        }
                    }
                }
                Operation::Read(bytes) => {
                    self.address(address, true)?;
                    let mut left = bytes.len();
                    for byte in bytes.iter_mut() {
                        left -= 1;
                        *byte = self.read_byte(left > 0);
                    }
                }
            }
        }
        Ok(())
    }
}

impl ErrorType for I2cBus {
    type Error = ErrorKind;
}

impl I2c for I2cBus {
    fn transaction(&mut self, address: u8, operations: &mut [Operation<'_>]) -> Result<(), ErrorKind> {
        let done = self.run(address, operations);
        self.stop();
        done
    }
}
