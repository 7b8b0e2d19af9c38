//! The contract suite over the kernel's own simulated hardware: gpio-sim and i2c-stub.
//!
//! For a virtual machine that `tests/deep/board.sh` prepares and starts; nothing that runs it elsewhere gains
//! anything. Needs: a gpio-sim bank with the label `bench-gpio`, stubs at 0x48 (free) and 0x49 (with the
//! kernel's lm75 driver) on one bus. Ends with `contract kept` or panics.

#[path = "../tests/contract/suite.rs"]
mod suite;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use linux_embedded_hal::i2cdev::core::I2CDevice as _;
use linux_embedded_hal::i2cdev::linux::LinuxI2CDevice;
use sitewarden_board::linux::Linux;
use sitewarden_board::{Backend, Description};
use suite::{Ability, Bench, Scene, Set};

const BOARD: &str = r#"
title = "Machine"
backend = "linux"
[[leds]]
name = "green"
colour = "green"
source = { gpio = { chip = "bench-gpio", line = 4 } }
[[leds]]
name = "red"
colour = "red"
source = { gpio = { chip = "bench-gpio", line = 5, active-low = true } }
[[contacts]]
name = "tamper"
role = "tamper"
source = { gpio = { chip = "bench-gpio", line = 0, active-low = true, bias = "pull-up" } }
[[contacts]]
name = "mains"
role = "power"
source = { gpio = { chip = "bench-gpio", line = 1, bias = "pull-down", debounce-ms = 5 } }
[[temperatures]]
name = "cpu"
limit-celsius = 85
source = TEMPERATURE
"#;

/// Where the temperature comes from.
#[derive(Clone, Copy, PartialEq)]
enum Thermometer {
    /// The board crate reads the sensor itself.
    Direct,
    /// The kernel's driver does, and shows it as a hardware monitor.
    Driver,
}

struct Machine {
    thermometer: Thermometer,
    /// `/sys/devices/platform/gpio-sim.0/gpiochipN`
    lines: PathBuf,
    /// N of `/dev/i2c-N`
    bus: u32,
}

impl Machine {
    fn find(thermometer: Thermometer) -> Self {
        let read = |path: PathBuf| std::fs::read_to_string(path).unwrap_or_default().trim().to_owned();
        let bank = Path::new("/config/gpio-sim/bench");
        let device = read(bank.join("dev_name"));
        let chip = read(bank.join("bank0/chip_name"));
        let stub = std::fs::read_dir("/sys/class/i2c-adapter").expect("an I2C adapter").flatten();
        let bus = stub
            .filter(|adapter| read(adapter.path().join("name")).contains("stub"))
            .find_map(|adapter| adapter.file_name().to_str()?.strip_prefix("i2c-")?.parse().ok())
            .expect("the stub's bus");
        Self { thermometer, lines: Path::new("/sys/devices/platform").join(device).join(chip), bus }
    }

    fn line(&self, line: u32) -> PathBuf {
        self.lines.join(format!("sim_gpio{line}"))
    }

    fn pull(&self, line: u32, up: bool) {
        let word = if up { "pull-up" } else { "pull-down" };
        std::fs::write(self.line(line).join("pull"), word).expect("the simulated line takes a pull");
    }

    const fn address(&self) -> u16 {
        match self.thermometer {
            Thermometer::Direct => 0x48,
            Thermometer::Driver => 0x49,
        }
    }

    fn driver(&self, act: &str) {
        if self.thermometer == Thermometer::Driver {
            let device = format!("{}-{:04x}", self.bus, self.address());
            let bound = Path::new("/sys/bus/i2c/drivers/lm75").join(&device).exists();
            if bound == (act == "unbind") {
                std::fs::write(format!("/sys/bus/i2c/drivers/lm75/{act}"), device).expect("the lm75 driver");
            }
        }
    }

    /// Puts a temperature into the sensor's register 0, as the chip would.
    fn measure(&self, celsius: f64) {
        self.driver("unbind");
        let bus = format!("/dev/i2c-{}", self.bus);
        let mut sensor = LinuxI2CDevice::new(bus, self.address()).expect("the stub's bus");
        #[expect(clippy::cast_possible_truncation, reason = "the scenes stay within the sensor's range")]
        let register = ((celsius * 8.0) as i16) << 5;
        let word = u16::from_le_bytes(register.to_be_bytes());
        sensor.smbus_write_word_data(0, word).expect("the stub takes it");
        self.driver("bind");
    }
}

impl Bench for Machine {
    fn name(&self) -> &'static str {
        match self.thermometer {
            Thermometer::Direct => "gpio-sim and i2c-stub",
            Thermometer::Driver => "gpio-sim and the kernel's lm75 over i2c-stub",
        }
    }
    fn can(&self, ability: Ability) -> bool {
        ability != Ability::Breaks || self.thermometer == Thermometer::Driver
    }
    fn begin(&mut self, _: &Scene) -> Box<dyn Backend> {
        self.pull(0, true);
        self.pull(1, false);
        self.measure(40.0);
        let temperature = match self.thermometer {
            Thermometer::Direct => {
                format!("{{ lm75 = {{ bus = \"/dev/i2c-{}\", address = {} }} }}", self.bus, self.address())
            }
            Thermometer::Driver => "{ hwmon = { chips = [\"lm75\"] } }".to_owned(),
        };
        let text = BOARD.replace("TEMPERATURE", &temperature);
        let board = Description::parse("machine.toml", &text).expect("a good board file");
        Box::new(Linux::new(&board, Path::new("/")))
    }
    fn set(&mut self, set: Set) {
        match set {
            // Active low, and to active high.
            Set::Contact("tamper", active) => self.pull(0, !active),
            Set::Contact(_, active) => self.pull(1, active),
            Set::Celsius(celsius) => self.measure(celsius),
            // The machine has no fan.
            Set::Rpm(rpm) => {
                let _ = rpm;
            }
            Set::Broken(input, broken) => {
                assert_eq!(input, "cpu", "only the thermometer can be broken here");
                self.driver(if broken { "unbind" } else { "bind" });
            }
        }
    }
    fn lit(&mut self, led: usize) -> Option<bool> {
        let line = if led == 0 { 4 } else { 5 };
        let level = std::fs::read_to_string(self.line(line).join("value")).expect("the simulated line");
        Some((level.trim() == "1") != (led == 1))
    }
    fn settle(&mut self) {
        // The kernel hands an edge on by an interrupt and debounces by a timer; nobody signals their end.
        let (_sender, never) = sync_channel::<()>(1);
        let _ = never.recv_timeout(Duration::from_millis(50));
    }
}

fn main() {
    let mut out = std::io::stdout();
    for thermometer in [Thermometer::Direct, Thermometer::Driver] {
        let mut machine = Machine::find(thermometer);
        let played = suite::run(&mut machine);
        for scene in &played {
            let _ = writeln!(out, "ok: {}: {scene}", machine.name());
        }
        let left_out = suite::SCENES.len() + 1 - played.len();
        let _ =
            writeln!(out, "{}: {} scenes kept, {left_out} that it cannot play", machine.name(), played.len());
    }
    let _ = writeln!(out, "contract kept");
}
