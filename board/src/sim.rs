//! A board that is nothing but memory.
//!
//! Runs everywhere; whoever may drive it sets inputs and faults by name. Not a model of any hardware:
//! temperatures stay where they were put. A pulse set between two looks is seen, as on real hardware.

use sitewarden_core::Monotonic;

use crate::backend::{Backend, BoardError, ContactState, Drive, InputError};
use crate::file::Description;

/// Where temperatures start, in degrees Celsius.
const START_CELSIUS: f64 = 40.0;
/// Where fans start, in revolutions per minute.
const START_RPM: f64 = 1_200.0;

#[derive(Clone, Debug)]
struct Contact {
    name: String,
    state: Result<bool, InputError>,
    /// Set and taken back between two looks.
    pulse: bool,
}

#[derive(Clone, Debug)]
struct Measure {
    name: String,
    state: Result<f64, InputError>,
}

/// The simulated board.
#[derive(Clone, Debug)]
pub struct Sim {
    contacts: Vec<Contact>,
    temperatures: Vec<Measure>,
    fans: Vec<Measure>,
    leds: Vec<bool>,
}

impl Sim {
    /// A board at rest: nothing active, 40 degrees, fans at 1200.
    #[must_use]
    pub fn new(description: &Description) -> Self {
        let measure = |name: &str, start| Measure { name: name.to_owned(), state: Ok(start) };
        Self {
            contacts: description
                .contacts
                .iter()
                .map(|one| Contact { name: one.name.clone(), state: Ok(false), pulse: false })
                .collect(),
            temperatures: description
                .temperatures
                .iter()
                .map(|one| measure(&one.name, START_CELSIUS))
                .collect(),
            fans: description.fans.iter().map(|one| measure(&one.name, START_RPM)).collect(),
            leds: vec![false; description.leds.len()],
        }
    }

    /// A board of which nothing is known yet.
    pub(crate) fn unknown(description: &Description) -> Self {
        let mut sim = Self::new(description);
        for contact in &mut sim.contacts {
            contact.state = Err(InputError::NotYet);
        }
        for measure in sim.temperatures.iter_mut().chain(&mut sim.fans) {
            measure.state = Err(InputError::NotYet);
        }
        sim
    }

    /// Whether a light is on.
    #[must_use]
    pub fn lit(&self, led: usize) -> bool {
        self.leds.get(led).copied().unwrap_or(false)
    }

    /// Sets an input by name.
    ///
    /// # Errors
    /// For an unknown input or a value of the wrong kind.
    pub fn set(&mut self, input: &str, to: Drive) -> Result<(), BoardError> {
        let wrong = |wanted| BoardError::WrongKind { input: input.to_owned(), wanted };
        if let Some(contact) = self.contacts.iter_mut().find(|one| one.name == input) {
            contact.state = match to {
                Drive::Active(active) => {
                    contact.pulse |= active;
                    Ok(active)
                }
                Drive::Fault(text) => Err(InputError::Played(text)),
                Drive::Number(_) => return Err(wrong("true or false")),
            };
            return Ok(());
        }
        let celsius = self.temperatures.iter().any(|one| one.name == input);
        let measure = self.temperatures.iter_mut().chain(&mut self.fans).find(|one| one.name == input);
        let Some(measure) = measure else { return Err(BoardError::NoInput(input.to_owned())) };
        measure.state = match to {
            Drive::Number(number) if celsius && (-273.15..=1_000.0).contains(&number) => Ok(number),
            Drive::Number(number) if !celsius && (0.0..=1_000_000.0).contains(&number) => Ok(number),
            Drive::Fault(text) => Err(InputError::Played(text)),
            Drive::Number(_) | Drive::Active(_) if celsius => return Err(wrong("degrees Celsius")),
            Drive::Number(_) | Drive::Active(_) => return Err(wrong("revolutions per minute")),
        };
        Ok(())
    }
}

impl Backend for Sim {
    fn contacts(&mut self, _: Monotonic) -> Vec<Result<ContactState, InputError>> {
        let look = |contact: &mut Contact| {
            let pulse = std::mem::take(&mut contact.pulse);
            let active = contact.state.clone()?;
            Ok(ContactState { active, was_active: active || pulse })
        };
        self.contacts.iter_mut().map(look).collect()
    }

    fn temperatures(&mut self, _: Monotonic) -> Vec<Result<f64, InputError>> {
        self.temperatures.iter().map(|one| one.state.clone()).collect()
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "`set` takes 0 to 1,000,000 only"
    )]
    fn fans(&mut self, _: Monotonic) -> Vec<Result<u32, InputError>> {
        self.fans.iter().map(|one| one.state.clone().map(|rpm| rpm as u32)).collect()
    }

    fn light(&mut self, led: usize, on: bool, _: Monotonic) -> Result<(), InputError> {
        if let Some(light) = self.leds.get_mut(led) {
            *light = on;
        }
        Ok(())
    }

    fn drive(&mut self, input: &str, to: Drive) -> Result<(), BoardError> {
        self.set(input, to)
    }
}
