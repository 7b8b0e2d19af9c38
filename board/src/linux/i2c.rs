//! Thermometers of the LM75 family on an I2C bus, over linux-embedded-hal.
//!
//! Register 0 is the temperature, two bytes, high byte first, eleven bits of an eighth of a degree (LM75B data
//! sheet §7.4.3). Read as one SMBus word, because it is the one transfer that every adapter knows. Not a driver:
//! where the kernel has one bound to the sensor, the board file names its hardware monitor instead.

use std::path::Path;

use linux_embedded_hal::i2cdev::core::I2CDevice as _;
use linux_embedded_hal::i2cdev::linux::LinuxI2CDevice;
use sitewarden_core::Monotonic;

use crate::backend::InputError;
use crate::file::Lm75;
use crate::limits::REOPEN_AFTER;

pub(super) struct Sensor {
    at: Lm75,
    bus: Option<LinuxI2CDevice>,
    failed: Option<Monotonic>,
}

impl Sensor {
    pub(super) const fn new(at: Lm75) -> Self {
        Self { at, bus: None, failed: None }
    }

    fn what(&self) -> String {
        format!("the thermometer {:#04x} on {}", self.at.address, self.at.bus.display())
    }

    /// Degrees Celsius.
    pub(super) fn measure(&mut self, root: &Path, now: Monotonic) -> Result<f64, InputError> {
        if self.failed.is_some_and(|failed| now.since(failed) < REOPEN_AFTER) && self.bus.is_none() {
            return Err(InputError::Waiting { what: self.what() });
        }
        match self.read(root) {
            Ok(word) => Ok(celsius(word)),
            Err(error) => {
                self.failed = Some(now);
                Err(error)
            }
        }
    }

    fn read(&mut self, root: &Path) -> Result<u16, InputError> {
        let what = self.what();
        let path = root.join(self.at.bus.strip_prefix("/").unwrap_or(&self.at.bus));
        if !path.exists() {
            return Err(InputError::Missing { what });
        }
        let failed = |cause: String| InputError::Failed { what: what.clone(), cause };
        let mut bus = match self.bus.take() {
            Some(bus) => bus,
            None => LinuxI2CDevice::new(&path, self.at.address).map_err(|error| failed(error.to_string()))?,
        };
        let word = bus.smbus_read_word_data(0).map_err(|error| failed(error.to_string()))?;
        self.bus = Some(bus);
        Ok(word)
    }
}

/// SMBus sends the low byte first, the sensor its high byte.
fn celsius(word: u16) -> f64 {
    let register = i16::from_be_bytes(word.to_le_bytes());
    f64::from(register >> 5) / 8.0
}

#[cfg(test)]
mod tests {
    use super::celsius;

    #[test]
    fn the_values_of_the_data_sheet() {
        // LM75B data sheet, table 10: register value and temperature.
        for (register, wanted) in [
            (0b0111_1111_0000_0000_u16, 127.0),
            (0b0011_0010_0000_0000, 50.0),
            (0b0001_1001_0000_0000, 25.0),
            (0b0000_0000_0010_0000, 0.125),
            (0b1111_1111_1110_0000, -0.125),
            (0b1100_1001_0000_0000, -55.0),
        ] {
            assert!((celsius(register.swap_bytes()) - wanted).abs() < 1e-9, "{register:#018b}");
        }
    }
}
