//! The contract of all backends: one suite over a simulated, a recorded and a Linux board.
//!
//! Linux is played here over a tree of files in the place of sysfs, and over pseudo-terminals. Over
//! the kernel's own simulated GPIO and I2C the same suite runs in a virtual machine (`tests/deep/board.sh`).

mod suite;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use sitewarden_board::linux::Linux;
use sitewarden_board::recorded::Recorded;
use sitewarden_board::sim::Sim;
use sitewarden_board::{Backend, BoardError, ContactState, Description, Drive, InputError, serial};
use sitewarden_core::Monotonic;
use suite::{Ability, Bench, SCENES, Scene, Set};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

const BOARD: &str = r#"
title = "Bench"
backend = "BACKEND"
recording = "bench.jsonl"
[[leds]]
name = "green"
colour = "green"
source = { class = "bench:green" }
[[leds]]
name = "red"
colour = "red"
source = { class = "bench:red" }
[[contacts]]
name = "tamper"
role = "tamper"
source = { intrusion = { chip = "nct6775" } }
[[contacts]]
name = "mains"
role = "power"
source = { intrusion = { chip = "*", index = 1 } }
[[temperatures]]
name = "cpu"
limit-celsius = 85
source = { hwmon = { chips = ["not-there", "coretemp"], channel = 2 } }
[[fans]]
name = "fan"
minimum-rpm = 400
source = { hwmon = { chips = ["nct6775"] } }
"#;

fn board(backend: &str) -> Description {
    Description::parse("bench.toml", &BOARD.replace("BACKEND", backend)).expect("a good board file")
}

/// A simulated board that the bench and the suite share.
#[derive(Clone)]
struct Shared(std::sync::Arc<std::sync::Mutex<Sim>>);

impl Shared {
    fn sim(&self) -> std::sync::MutexGuard<'_, Sim> {
        self.0.lock().expect("no test panicked with it")
    }
}

impl Backend for Shared {
    fn contacts(&mut self, now: Monotonic) -> Vec<Result<ContactState, InputError>> {
        self.sim().contacts(now)
    }
    fn temperatures(&mut self, now: Monotonic) -> Vec<Result<f64, InputError>> {
        self.sim().temperatures(now)
    }
    fn fans(&mut self, now: Monotonic) -> Vec<Result<u32, InputError>> {
        self.sim().fans(now)
    }
    fn light(&mut self, led: usize, on: bool, now: Monotonic) -> Result<(), InputError> {
        self.sim().light(led, on, now)
    }
    fn drive(&mut self, input: &str, to: Drive) -> Result<(), BoardError> {
        self.sim().drive(input, to)
    }
}

struct SimBench(Shared);

fn driven(set: Set) -> (&'static str, Drive) {
    match set {
        Set::Contact(name, active) => (name, Drive::Active(active)),
        Set::Celsius(celsius) => ("cpu", Drive::Number(celsius)),
        Set::Rpm(rpm) => ("fan", Drive::Number(rpm.into())),
        Set::Broken(name, true) => (name, Drive::Fault("unplugged".to_owned())),
        Set::Broken(name, false) => (name, Drive::Number(40.0)),
    }
}

impl Bench for SimBench {
    fn name(&self) -> &'static str {
        "sim"
    }
    fn can(&self, _: Ability) -> bool {
        true
    }
    fn begin(&mut self, _: &Scene) -> Box<dyn Backend> {
        *self.0.sim() = Sim::new(&board("sim"));
        Box::new(self.0.clone())
    }
    fn set(&mut self, set: Set) {
        let (input, to) = driven(set);
        self.0.drive(input, to).expect("the board has it");
    }
    fn lit(&mut self, led: usize) -> Option<bool> {
        Some(self.0.sim().lit(led))
    }
}

#[test]
fn the_simulated_board_keeps_the_contract() {
    let mut bench = SimBench(Shared(std::sync::Arc::new(std::sync::Mutex::new(Sim::new(&board("sim"))))));

    assert_eq!(suite::run(&mut bench).len(), SCENES.len() + 1, "all scenes and the lights");
}

/// Makes a recording of each scene and plays it.
struct RecordedBench;

impl Bench for RecordedBench {
    fn name(&self) -> &'static str {
        "recorded"
    }
    fn can(&self, _: Ability) -> bool {
        true
    }
    fn begin(&mut self, scene: &Scene) -> Box<dyn Backend> {
        let mut text = String::new();
        let mut line = |at: u64, input: &str, to: &Drive| {
            let what = match to {
                Drive::Active(active) => format!("\"value\":{active}"),
                Drive::Number(number) => format!("\"value\":{number}"),
                Drive::Fault(fault) => format!("\"fault\":{fault:?}"),
            };
            writeln!(text, "{{\"at_ms\":{at},\"input\":{input:?},{what}}}").expect("text takes text");
        };
        for (input, to) in [
            ("tamper", Drive::Active(false)),
            ("mains", Drive::Active(false)),
            ("cpu", Drive::Number(40.0)),
            ("fan", Drive::Number(1200.0)),
        ] {
            line(0, input, &to);
        }
        for step in scene.steps {
            for set in step.sets {
                let (input, to) = driven(*set);
                line(step.at_ms, input, &to);
            }
        }
        Box::new(Recorded::parse(&board("recorded"), &text).expect("a good recording"))
    }
    fn set(&mut self, _: Set) {}
    fn lit(&mut self, _: usize) -> Option<bool> {
        // Nobody stands in front of a recording; `lights_of_a_recording_are_kept` looks at them.
        None
    }
}

#[test]
fn the_recorded_board_keeps_the_contract() {
    assert_eq!(suite::run(&mut RecordedBench).len(), SCENES.len() + 1, "all scenes and the lights");
}

#[test]
fn lights_of_a_recording_are_kept() {
    let mut recorded = Recorded::parse(&board("recorded"), "").expect("an empty recording");

    recorded.light(1, true, Monotonic::default()).expect("a light");

    assert_eq!((recorded.lit(0), recorded.lit(1)), (false, true));
}

#[test]
fn what_a_recording_has_not_said_is_unknown_and_mistakes_are_told_with_their_line() {
    let board = board("recorded");
    let later = "{\"at_ms\":1000,\"input\":\"tamper\",\"value\":true}\n";
    let mut recorded = Recorded::parse(&board, later).expect("a good recording");
    let before = recorded.contacts(Monotonic::from_micros(5)).remove(0);
    let after = recorded.contacts(Monotonic::from_micros(1_000_005)).remove(0);
    assert_eq!((before, after.map(|seen| seen.active)), (Err(InputError::NotYet), Ok(true)));

    for (text, wanted) in [
        ("{\"at_ms\":0,\"input\":\"door\",\"value\":true}", "line 1: the board has no input \"door\""),
        ("{\"at_ms\":0,\"input\":\"cpu\",\"value\":true}", "line 1: the input \"cpu\" takes degrees Celsius"),
        ("{\"at_ms\":0,\"input\":\"cpu\",\"value\":1e99}", "line 1: the input \"cpu\" takes degrees Celsius"),
        ("{\"at_ms\":0,\"input\":\"cpu\"}", "line 1: either `value` or `fault`"),
        (
            "\n{\"at_ms\":9,\"input\":\"cpu\",\"value\":1}\n{\"at_ms\":8,\"input\":\"cpu\",\"value\":1}",
            "line 3: times do not go back",
        ),
    ] {
        let error = Recorded::parse(&board, text).expect_err(text).to_string();
        assert_eq!(error, wanted);
    }
    assert!(Recorded::parse(&board, "nonsense").is_err());
}

/// A tree of files in the place of sysfs.
struct Sysfs(tempfile::TempDir);

impl Sysfs {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary folder"))
    }
    fn file(&self, path: &str) -> PathBuf {
        self.0.path().join("sys/class").join(path)
    }
    fn put(&self, path: &str, text: &str) {
        let file = self.file(path);
        std::fs::create_dir_all(file.parent().expect("a folder")).expect("own folder");
        std::fs::write(file, text).expect("own folder");
    }
    fn read(&self, path: &str) -> String {
        std::fs::read_to_string(self.file(path)).expect("it was put there").trim().to_owned()
    }
}

impl Bench for Sysfs {
    fn name(&self) -> &'static str {
        "linux over files"
    }
    fn can(&self, ability: Ability) -> bool {
        // A chip latches intrusion until it is read: no level, and a pulse looks like an opening.
        ability == Ability::Breaks
    }
    fn begin(&mut self, _: &Scene) -> Box<dyn Backend> {
        for (path, text) in [
            ("hwmon/hwmon0/name", "acpitz\n"),
            ("hwmon/hwmon1/name", "coretemp\n"),
            ("hwmon/hwmon1/temp2_input", "40000\n"),
            ("hwmon/hwmon2/name", "nct6775\n"),
            ("hwmon/hwmon2/fan1_input", "1200\n"),
            ("hwmon/hwmon2/intrusion0_alarm", "0\n"),
            ("hwmon/hwmon2/intrusion1_alarm", "0\n"),
            ("leds/bench:green/brightness", "0\n"),
            ("leds/bench:green/max_brightness", "255\n"),
            ("leds/bench:green/trigger", "none [heartbeat] timer\n"),
            ("leds/bench:red/brightness", "0\n"),
            ("leds/bench:red/max_brightness", "1\n"),
        ] {
            self.put(path, text);
        }
        Box::new(Linux::new(&board("linux"), self.0.path()))
    }
    fn set(&mut self, set: Set) {
        match set {
            Set::Contact("tamper", true) => self.put("hwmon/hwmon2/intrusion0_alarm", "1\n"),
            Set::Contact("mains", true) => self.put("hwmon/hwmon2/intrusion1_alarm", "1\n"),
            // Closing the case leaves the latch as it is.
            Set::Contact(..) => {}
            Set::Celsius(celsius) => {
                self.put("hwmon/hwmon1/temp2_input", &format!("{}\n", celsius * 1_000.0))
            }
            Set::Rpm(rpm) => self.put("hwmon/hwmon2/fan1_input", &format!("{rpm}\n")),
            Set::Broken(_, true) => {
                std::fs::remove_file(self.file("hwmon/hwmon1/temp2_input")).expect("it is there");
            }
            Set::Broken(_, false) => self.put("hwmon/hwmon1/temp2_input", "40000\n"),
        }
    }
    fn lit(&mut self, led: usize) -> Option<bool> {
        let path = if led == 0 { "leds/bench:green/brightness" } else { "leds/bench:red/brightness" };
        Some(self.read(path) != "0")
    }
}

#[test]
fn the_linux_board_keeps_the_contract_over_files() {
    let mut sysfs = Sysfs::new();

    let played = suite::run(&mut sysfs);

    assert_eq!(played.len(), 5, "{played:?}");
    assert_eq!(sysfs.read("leds/bench:green/trigger"), "none", "else the kernel goes on blinking it");
}

#[test]
fn what_sysfs_says_is_data_and_what_is_not_there_is_named() {
    let sysfs = Sysfs::new();
    let mut linux = Linux::new(&board("linux"), sysfs.0.path());
    let missing = linux.contacts(Monotonic::default());
    assert_eq!(
        missing.first().expect("a contact").clone().expect_err("nothing is there").to_string(),
        "the hardware monitor nct6775 is not there: is it the right board file for this machine?"
    );
    assert!(linux.light(0, true, Monotonic::default()).is_err());

    for said in ["", "warm", "nan", "1e999", "99999999999999999999 ..", "\u{0}\u{1}"] {
        sysfs.put("hwmon/hwmon1/name", "coretemp\n");
        sysfs.put("hwmon/hwmon1/temp2_input", said);
        let measured = linux.temperatures(Monotonic::default()).remove(0);
        assert!(matches!(measured, Err(InputError::NoValue { .. })), "{said:?}: {measured:?}");
    }
    sysfs.put("hwmon/hwmon1/temp2_input", &"9".repeat(1_000_000));
    let measured = linux.temperatures(Monotonic::default()).remove(0);
    assert!(measured.is_ok_and(f64::is_finite), "cut to what is read, still a number");
}

#[test]
fn a_thermal_zone_is_found_by_its_type() {
    let sysfs = Sysfs::new();
    sysfs.put("thermal/thermal_zone0/type", "gpu-thermal\n");
    sysfs.put("thermal/thermal_zone0/temp", "30000\n");
    sysfs.put("thermal/thermal_zone1/type", "cpu-thermal\n");
    sysfs.put("thermal/thermal_zone1/temp", "51500\n");
    let description = sitewarden_board::shipped("raspberry-pi").expect("it is shipped");
    let mut linux = Linux::new(&description, sysfs.0.path());

    assert_eq!(linux.temperatures(Monotonic::default()), [Ok(51.5)]);
    let gpio = linux.contacts(Monotonic::default()).remove(0);
    assert!(matches!(gpio, Err(InputError::Missing { .. })), "no such GPIO chip here: {gpio:?}");
    let again = linux.contacts(Monotonic::from_micros(1_000)).remove(0);
    assert!(matches!(again, Err(InputError::Waiting { .. })), "not tried again at once: {again:?}");
}

fn port(path: &Path) -> Description {
    let text = format!(
        "title = \"S\"\nbackend = \"linux\"\n[[serial]]\nname = \"rs485\"\npath = {:?}\nbaud = 115200\n",
        path.display().to_string()
    );
    Description::parse("s.toml", &text).expect("a good board file")
}

#[tokio::test]
async fn a_serial_port_is_opened_by_name_and_carries_bytes_both_ways() {
    use tokio_serial::SerialPort as _;
    let (mut far, near) = tokio_serial::SerialStream::pair().expect("a pseudo-terminal");
    let path = PathBuf::from(near.name().expect("its name"));
    let description = port(&path);
    let named = description.serial_port("rs485").expect("the file names it");
    drop(near);

    let mut stream = serial::open(named).expect("it opens");
    far.write_all(b"to the box").await.expect("written");
    let mut bytes = [0; 10];
    stream.read_exact(&mut bytes).await.expect("read");
    assert_eq!(&bytes, b"to the box");
    stream.write_all(b"from the box").await.expect("written");
    let mut bytes = [0; 12];
    far.read_exact(&mut bytes).await.expect("read");

    assert_eq!(&bytes, b"from the box");
    assert!(description.serial_port("rs232").is_none());
    assert!(
        matches!(serial::open(named), Err(InputError::Failed { .. })),
        "taken: nobody else reads half of it"
    );
}

#[tokio::test]
async fn a_serial_port_that_is_not_there_or_is_no_port_is_named() {
    let description = port(Path::new("/nowhere/ttyX"));
    let missing = serial::open(description.serial_port("rs485").expect("named")).expect_err("not there");
    assert_eq!(
        missing.to_string(),
        "the serial port rs485 (/nowhere/ttyX) is not there: is it the right board file for this machine?"
    );

    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("file");
    std::fs::write(&file, "x").expect("own folder");
    let description = port(&file);
    let refused = serial::open(description.serial_port("rs485").expect("named")).expect_err("no terminal");
    assert!(matches!(refused, InputError::Failed { .. }), "{refused}");
}
