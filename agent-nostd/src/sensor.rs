//! Sensors, over embedded-hal 1.
//!
//! A board gives its sensors as [`Sensor`]s; the agent sees only the samples. Two that need nothing but a bus or a pin are
//! here. It knows no register of any microcontroller.
//! Invariant: a sensor that does not answer gives an error, never its last value again.

use embedded_hal::digital::InputPin;
use embedded_hal::i2c::I2c;
use sitewarden_wire::message::Quantity;

/// The sensor did not answer, or not in its form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the sensor does not answer")]
pub struct NoAnswer;

/// Something that can be measured.
pub trait Sensor {
    /// What its values mean.
    fn quantity(&self) -> Quantity;

    /// The value now, in the quantity's unit.
    ///
    /// # Errors
    /// [`NoAnswer`]; the agent counts the sensor as missing until it answers.
    fn sample(&mut self) -> Result<i32, NoAnswer>;
}

/// What one sensor gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    /// The sensor's number on its device.
    pub sensor: u8,
    /// What the value means.
    pub quantity: Quantity,
    /// The value, if it answered.
    pub value: Option<i32>,
}

impl Sample {
    /// Asks sensor number `sensor`.
    pub fn take(sensor: u8, from: &mut dyn Sensor) -> Self {
        Self { sensor, quantity: from.quantity(), value: from.sample().ok() }
    }
}

/// A thermometer with the register map of LM75, TMP75 and TMP105: register 0, sixteen bits, 1/256 °C.
#[derive(Debug)]
pub struct Lm75<B> {
    bus: B,
    address: u8,
}

impl<B: I2c> Lm75<B> {
    /// The thermometer at `address` (0x48 to 0x4f).
    pub const fn new(bus: B, address: u8) -> Self {
        Self { bus, address }
    }
}

impl<B: I2c> Sensor for Lm75<B> {
    fn quantity(&self) -> Quantity {
        Quantity::TEMPERATURE
    }

    fn sample(&mut self) -> Result<i32, NoAnswer> {
        let mut register = [0; 2];
        self.bus.write_read(self.address, &[0], &mut register).map_err(|_| NoAnswer)?;
        Ok(i32::from(i16::from_be_bytes(register)) * 1000 / 256)
    }
}

/// A contact between a pin and ground with a pull-up: low is closed.
#[derive(Debug)]
pub struct Contact<P> {
    pin: P,
}

impl<P: InputPin> Contact<P> {
    /// The contact at `pin`.
    pub const fn new(pin: P) -> Self {
        Self { pin }
    }
}

impl<P: InputPin> Sensor for Contact<P> {
    fn quantity(&self) -> Quantity {
        Quantity::CONTACT
    }

    fn sample(&mut self) -> Result<i32, NoAnswer> {
        self.pin.is_high().map(i32::from).map_err(|_| NoAnswer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::convert::Infallible;
    use embedded_hal::digital::ErrorType as PinErrorType;
    use embedded_hal::i2c::{ErrorKind, ErrorType, NoAcknowledgeSource, Operation};

    struct Bus(Option<[u8; 2]>);

    impl ErrorType for Bus {
        type Error = ErrorKind;
    }

    impl I2c for Bus {
        fn transaction(&mut self, address: u8, operations: &mut [Operation<'_>]) -> Result<(), ErrorKind> {
            let register = self.0.ok_or(ErrorKind::NoAcknowledge(NoAcknowledgeSource::Address))?;
            let [Operation::Write([0]), Operation::Read(buffer)] = operations else {
                return Err(ErrorKind::Other);
            };
            assert_eq!(address, 0x48);
            buffer.copy_from_slice(&register);
            Ok(())
        }
    }

    struct Pin(bool);

    impl PinErrorType for Pin {
        type Error = Infallible;
    }

    impl InputPin for Pin {
        fn is_high(&mut self) -> Result<bool, Infallible> {
            Ok(self.0)
        }

        fn is_low(&mut self) -> Result<bool, Infallible> {
            Ok(!self.0)
        }
    }

    #[test]
    fn a_thermometer_gives_thousandths_of_a_degree() {
        let read = |register| Lm75::new(Bus(Some(register)), 0x48).sample();

        // The examples of the TMP105's data sheet, table 5.
        assert_eq!(read([0x7f, 0xf0]), Ok(127_937));
        assert_eq!(read([0x19, 0x00]), Ok(25_000));
        assert_eq!(read([0x00, 0x40]), Ok(250));
        assert_eq!(read([0xff, 0xc0]), Ok(-250));
        assert_eq!(read([0xc9, 0x00]), Ok(-55_000));
    }

    #[test]
    fn a_sensor_that_does_not_answer_gives_no_value() {
        let sample = Sample::take(3, &mut Lm75::new(Bus(None), 0x48));

        assert_eq!(sample, Sample { sensor: 3, quantity: Quantity::TEMPERATURE, value: None });
    }

    #[test]
    fn an_open_contact_is_one() {
        assert_eq!(Contact::new(Pin(true)).sample(), Ok(1));
        assert_eq!(Contact::new(Pin(false)).sample(), Ok(0));
    }
}
