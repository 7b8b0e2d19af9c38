//! What every backend must do, told as scenes: inputs set at times, and what must be seen.
//!
//! A scene is data, so that a recording can be made of it and a bench of real lines can play it. It knows four
//! inputs and two lights by name: `tamper`, `mains` (contacts), `cpu` (temperature), `fan`, `green`, `red`.

use sitewarden_board::{Backend, BoardError, ContactState, Drive};
use sitewarden_core::Monotonic;

/// One thing set on the hardware.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Set {
    Contact(&'static str, bool),
    Celsius(f64),
    Rpm(u32),
    /// The input stops answering, or answers again.
    Broken(&'static str, bool),
}

/// Something done at a time, in milliseconds from the start.
pub(crate) struct Step {
    pub(crate) at_ms: u64,
    pub(crate) sets: &'static [Set],
    pub(crate) check: fn(&mut Seen),
}

pub(crate) struct Scene {
    pub(crate) name: &'static str,
    /// What the hardware must be able to do.
    pub(crate) needs: &'static [Ability],
    pub(crate) steps: &'static [Step],
}

/// What not every hardware has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ability {
    /// Set and taken back between two looks.
    Pulses,
    /// An input that can be broken and mended.
    Breaks,
    /// Contacts that go back by themselves (an intrusion latch tells each opening once).
    Level,
}

/// Hardware on a bench: a backend and the hands at its other side.
pub(crate) trait Bench {
    fn name(&self) -> &'static str;
    fn can(&self, ability: Ability) -> bool;
    /// Begins a scene from rest: contacts inactive, 40 degrees, a fan, if there is one, at 1200.
    fn begin(&mut self, scene: &Scene) -> Box<dyn Backend>;
    /// Does to the hardware what a step says; a recording has it in the file already.
    fn set(&mut self, set: Set);
    /// Whether the light is on, as somebody in front of the box sees it.
    fn lit(&mut self, led: usize) -> Option<bool>;
    /// Gives the kernel time to see what was set, where there is a kernel.
    fn settle(&mut self) {}
}

/// One look at everything.
pub(crate) struct Seen {
    pub(crate) tamper: Result<ContactState, String>,
    pub(crate) mains: Result<ContactState, String>,
    pub(crate) cpu: Result<f64, String>,
    /// Not every bench has one.
    pub(crate) fan: Option<Result<u32, String>>,
}

const QUIET: Result<ContactState, String> = Ok(ContactState { active: false, was_active: false });
const ACTIVE: Result<ContactState, String> = Ok(ContactState { active: true, was_active: true });
const PULSE: Result<ContactState, String> = Ok(ContactState { active: false, was_active: true });

fn near(value: &Result<f64, String>, wanted: f64) -> bool {
    value.as_ref().is_ok_and(|value| (value - wanted).abs() < 0.13)
}

fn turns(seen: &Seen, rpm: u32) -> bool {
    seen.fan.as_ref().is_none_or(|fan| *fan == Ok(rpm))
}

pub(crate) const SCENES: &[Scene] = &[
    Scene {
        name: "a board at rest shows its values",
        needs: &[],
        steps: &[Step {
            at_ms: 0,
            sets: &[],
            check: |seen| {
                assert_eq!((&seen.tamper, &seen.mains), (&QUIET, &QUIET));
                assert!(near(&seen.cpu, 40.0), "{:?}", seen.cpu);
                assert!(turns(seen, 1200), "{:?}", seen.fan);
            },
        }],
    },
    Scene {
        name: "a contact is seen while it is active, and no other",
        needs: &[Ability::Level],
        steps: &[
            Step { at_ms: 0, sets: &[], check: |seen| assert_eq!(seen.tamper, QUIET) },
            Step {
                at_ms: 100,
                sets: &[Set::Contact("tamper", true)],
                check: |seen| assert_eq!((&seen.tamper, &seen.mains), (&ACTIVE, &QUIET)),
            },
            Step { at_ms: 200, sets: &[], check: |seen| assert_eq!(seen.tamper, ACTIVE) },
            Step {
                at_ms: 300,
                sets: &[Set::Contact("tamper", false), Set::Contact("mains", true)],
                check: |seen| assert_eq!((&seen.tamper, &seen.mains), (&QUIET, &ACTIVE)),
            },
        ],
    },
    Scene {
        name: "a pulse between two looks is seen once",
        needs: &[Ability::Pulses],
        steps: &[
            Step { at_ms: 0, sets: &[], check: |seen| assert_eq!(seen.tamper, QUIET) },
            Step {
                at_ms: 100,
                sets: &[Set::Contact("tamper", true), Set::Contact("tamper", false)],
                check: |seen| assert_eq!((&seen.tamper, &seen.mains), (&PULSE, &QUIET)),
            },
            Step { at_ms: 200, sets: &[], check: |seen| assert_eq!(seen.tamper, QUIET) },
        ],
    },
    Scene {
        name: "an opening is seen at the next look at the latest",
        needs: &[],
        steps: &[
            Step { at_ms: 0, sets: &[], check: |seen| assert_eq!(seen.tamper, QUIET) },
            Step {
                at_ms: 100,
                sets: &[Set::Contact("tamper", true)],
                check: |seen| {
                    assert!(seen.tamper.as_ref().is_ok_and(|seen| seen.was_active), "{:?}", seen.tamper)
                },
            },
            Step { at_ms: 200, sets: &[Set::Contact("tamper", false)], check: |_| {} },
            Step { at_ms: 300, sets: &[], check: |seen| assert_eq!(seen.tamper, QUIET) },
        ],
    },
    Scene {
        name: "temperatures and fans follow, below zero too",
        needs: &[],
        steps: &[
            Step {
                at_ms: 0,
                sets: &[Set::Celsius(91.5)],
                check: |seen| assert!(near(&seen.cpu, 91.5), "{:?}", seen.cpu),
            },
            Step {
                at_ms: 5000,
                sets: &[Set::Celsius(-10.5)],
                check: |seen| assert!(near(&seen.cpu, -10.5), "{:?}", seen.cpu),
            },
            Step {
                at_ms: 10_000,
                sets: &[Set::Rpm(0)],
                check: |seen| assert!(turns(seen, 0), "{:?}", seen.fan),
            },
        ],
    },
    Scene {
        name: "a broken input is told, hides no other, and comes back",
        needs: &[Ability::Breaks],
        steps: &[
            Step { at_ms: 0, sets: &[], check: |seen| assert!(seen.cpu.is_ok()) },
            Step {
                at_ms: 5000,
                sets: &[Set::Broken("cpu", true), Set::Rpm(800)],
                check: |seen| {
                    assert!(seen.cpu.as_ref().is_err_and(|why| !why.is_empty()), "{:?}", seen.cpu);
                    assert_eq!(seen.tamper, QUIET);
                    assert!(turns(seen, 800), "{:?}", seen.fan);
                },
            },
            Step {
                at_ms: 15_000,
                sets: &[Set::Broken("cpu", false), Set::Celsius(41.0)],
                check: |seen| assert!(near(&seen.cpu, 41.0), "{:?}", seen.cpu),
            },
        ],
    },
];

fn time(millis: u64) -> Monotonic {
    Monotonic::from_micros(millis * 1_000)
}

fn look(backend: &mut dyn Backend, at: Monotonic) -> Seen {
    let contacts = backend.contacts(at);
    let mut contacts = contacts.into_iter().map(|one| one.map_err(|error| error.to_string()));
    let (tamper, mains) = (contacts.next().expect("two contacts"), contacts.next().expect("two contacts"));
    let cpu = backend.temperatures(at).pop().expect("one temperature").map_err(|error| error.to_string());
    let fan = backend.fans(at).pop().map(|fan| fan.map_err(|error| error.to_string()));
    Seen { tamper, mains, cpu, fan }
}

/// Plays every scene that the bench can; says which.
pub(crate) fn run(bench: &mut dyn Bench) -> Vec<&'static str> {
    let mut played = Vec::new();
    for scene in SCENES {
        if !scene.needs.iter().all(|need| bench.can(*need)) {
            continue;
        }
        let mut backend = bench.begin(scene);
        for step in scene.steps {
            for set in step.sets {
                bench.set(*set);
            }
            bench.settle();
            let mut seen = look(&mut *backend, time(step.at_ms));
            (step.check)(&mut seen);
        }
        played.push(scene.name);
    }
    lights(bench);
    played.push("lights go on and off, each on its own");
    played
}

fn lights(bench: &mut dyn Bench) {
    let rest = SCENES.first().expect("there are scenes");
    let mut backend = bench.begin(rest);
    for (green, red) in [(true, false), (true, true), (false, true), (false, false), (true, false)] {
        backend.light(0, green, time(0)).expect("the green light");
        backend.light(1, red, time(0)).expect("the red light");
        for (led, wanted) in [(0, green), (1, red)] {
            if let Some(seen) = bench.lit(led) {
                assert_eq!(seen, wanted, "{}: light {led}", bench.name());
            }
        }
    }
    backend.light(99, true, time(0)).expect("a light that is not there does nothing");
    let driven = backend.drive("nothing-of-this-name", Drive::Active(true));
    assert!(matches!(driven, Err(BoardError::NoInput(_) | BoardError::NotSimulated(_))), "{driven:?}");
}
