//! The machine's own hardware: GPIO character devices, sysfs, I2C.
//!
//! Everything is opened when it is first asked for and again after a failure, each on its own: a box with
//! half of a board works with that half. The root folder is `/`, or a tree of files that a test made.

mod gpio;
mod i2c;
mod sysfs;

use std::path::{Path, PathBuf};

use sitewarden_core::Monotonic;

use crate::backend::{Backend, BoardError, ContactState, Drive, InputError};
use crate::file::{
    BackendKind, ContactSource, Description, FanSource, Hwmon, Intrusion, LedSource, TemperatureSource,
};
use gpio::{Input, Output};
use i2c::Sensor;

enum Contact {
    Gpio(Input),
    Intrusion(Intrusion),
    Absent,
}

enum Light {
    Class(String),
    Gpio(Output),
    Absent,
}

enum Thermometer {
    Hwmon(Hwmon),
    Zone(String),
    Lm75(Sensor),
    Absent,
}

/// Linux's own interfaces.
pub struct Linux {
    root: PathBuf,
    contacts: Vec<Contact>,
    lights: Vec<Light>,
    temperatures: Vec<Thermometer>,
    fans: Vec<Option<Hwmon>>,
}

impl Linux {
    /// Opens nothing yet.
    #[must_use]
    pub fn new(description: &Description, root: &Path) -> Self {
        let contact = |source: &Option<ContactSource>| match source {
            Some(ContactSource::Gpio(line)) => Contact::Gpio(Input::new(line.clone())),
            Some(ContactSource::Intrusion(intrusion)) => Contact::Intrusion(intrusion.clone()),
            None => Contact::Absent,
        };
        let light = |source: &Option<LedSource>| match source {
            Some(LedSource::Gpio(line)) => Light::Gpio(Output::new(line.clone())),
            Some(LedSource::Class(class)) => Light::Class(class.clone()),
            None => Light::Absent,
        };
        let thermometer = |source: &Option<TemperatureSource>| match source {
            Some(TemperatureSource::Hwmon(hwmon)) => Thermometer::Hwmon(hwmon.clone()),
            Some(TemperatureSource::ThermalZone(zone)) => Thermometer::Zone(zone.clone()),
            Some(TemperatureSource::Lm75(sensor)) => Thermometer::Lm75(Sensor::new(sensor.clone())),
            None => Thermometer::Absent,
        };
        let fan = |source: &Option<FanSource>| source.clone().map(|FanSource::Hwmon(hwmon)| hwmon);
        Self {
            root: root.to_owned(),
            contacts: description.contacts.iter().map(|one| contact(&one.source)).collect(),
            lights: description.leds.iter().map(|one| light(&one.source)).collect(),
            temperatures: description.temperatures.iter().map(|one| thermometer(&one.source)).collect(),
            fans: description.fans.iter().map(|one| fan(&one.source)).collect(),
        }
    }
}

fn absent<T>() -> Result<T, InputError> {
    Err(InputError::Missing { what: "a source in the board file".to_owned() })
}

impl Backend for Linux {
    fn contacts(&mut self, now: Monotonic) -> Vec<Result<ContactState, InputError>> {
        let root = &self.root;
        let look = |contact: &mut Contact| match contact {
            Contact::Gpio(input) => input.look(root, now),
            Contact::Intrusion(intrusion) => sysfs::intrusion(root, intrusion),
            Contact::Absent => absent(),
        };
        self.contacts.iter_mut().map(look).collect()
    }

    fn temperatures(&mut self, now: Monotonic) -> Vec<Result<f64, InputError>> {
        let root = &self.root;
        let measure = |one: &mut Thermometer| match one {
            Thermometer::Hwmon(hwmon) => sysfs::temperature(root, hwmon),
            Thermometer::Zone(zone) => sysfs::thermal_zone(root, zone),
            Thermometer::Lm75(sensor) => sensor.measure(root, now),
            Thermometer::Absent => absent(),
        };
        self.temperatures.iter_mut().map(measure).collect()
    }

    fn fans(&mut self, _: Monotonic) -> Vec<Result<u32, InputError>> {
        let measure = |fan: &Option<Hwmon>| match fan {
            Some(hwmon) => sysfs::fan(&self.root, hwmon),
            None => absent(),
        };
        self.fans.iter().map(measure).collect()
    }

    fn light(&mut self, led: usize, on: bool, now: Monotonic) -> Result<(), InputError> {
        match self.lights.get_mut(led) {
            Some(Light::Class(class)) => sysfs::light(&self.root, class, on),
            Some(Light::Gpio(output)) => output.set(&self.root, on, now),
            Some(Light::Absent) => absent(),
            None => Ok(()),
        }
    }

    fn drive(&mut self, _: &str, _: Drive) -> Result<(), BoardError> {
        Err(BoardError::NotSimulated(BackendKind::Linux))
    }
}
