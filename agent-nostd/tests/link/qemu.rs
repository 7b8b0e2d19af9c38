//! The firmware in QEMU against the gateway's end: enrols, raises a finding by its own rule, loses its power, tells it once.
//!
//! Needs `SITEWARDEN_FIRMWARE` (the ELF file that `firmware/build.sh` names) and `qemu-system-arm`; without them it is skipped
//! by name, and fails when `CI=true`. It waits on the two serial lines, never on a clock; the time limit is for a hang.
//! Invariant: the power is really cut: QEMU is killed and started again on the same flash file.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::{Duration, Instant};

use sitewarden_agent::wire::code::Code;
use sitewarden_agent::wire::statement::{Check, FindingKind, FindingState, Rule};

use crate::support::Site;

/// For a hang only: a run takes a few seconds.
const LIMIT: Duration = Duration::from_secs(60);
/// Lines of the console that nobody read yet.
const CONSOLE_LINES: usize = 1000;
/// The flash of `memory.x`.
const FLASH: usize = 64 * 1024;
/// The RAM of `memory.x` (static data and stack): beyond it the stack would have run over the static data.
const RAM: usize = 16 * 1024;

/// A folder that is removed with its content.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("sitewarden-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A running device.
struct Device {
    qemu: Child,
    link: UnixStream,
    console: Receiver<String>,
    started: Instant,
    ram: usize,
}

impl Device {
    fn start(firmware: &str, folder: &Path) -> Self {
        let listen = |name: &str| {
            let path = folder.join(name);
            let _ = std::fs::remove_file(&path);
            (UnixListener::bind(&path).unwrap(), format!("unix:{}", path.display()))
        };
        let ((link, link_path), (console, console_path)) = (listen("link"), listen("console"));
        let files = format!("arg=agent,arg={0}/flash,arg={0}/inputs", folder.display());
        let qemu = Command::new("qemu-system-arm")
            .args(["-machine", "mps2-an386", "-cpu", "cortex-m4", "-display", "none", "-monitor", "none"])
            .args(["-semihosting-config", &format!("enable=on,target=native,{files}")])
            .args(["-device", "tmp105,address=0x48"])
            .args(["-serial", &link_path, "-serial", &console_path, "-kernel", firmware])
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let (link, _) = link.accept().unwrap();
        link.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        let (console, _) = console.accept().unwrap();
        let (lines, console_lines) = sync_channel(CONSOLE_LINES);
        std::thread::spawn(move || {
            for line in BufReader::new(console).lines().map_while(Result::ok) {
                if lines.send(line).is_err() {
                    return;
                }
            }
        });
        Self { qemu, link, console: console_lines, started: now(), ram: 0 }
    }

    /// Moves bytes between device and site until `done` says so of a line of the console, or of the site.
    fn pump(&mut self, site: &mut Site, what: &str, mut done: impl FnMut(Option<&str>, &Site) -> bool) {
        let mut bytes = [0; 4096];
        let begun = now();
        loop {
            match self.link.read(&mut bytes) {
                Ok(0) => panic!("{what}: QEMU closed the line"),
                Ok(count) => site.receive(&bytes[..count], self.started.elapsed().as_millis() as u64),
                Err(_) => {} // nothing came in the meantime
            }
            let output = site.output();
            self.link.write_all(&output).unwrap();
            let mut found = done(None, site);
            for line in self.console.try_iter() {
                self.ram = self.ram.max(ram(&line).unwrap_or(0));
                found |= done(Some(&line), site);
            }
            if found {
                return;
            }
            assert!(
                begun.elapsed() < LIMIT,
                "{what}: not within {LIMIT:?}; dropped {:?}, readings {:?}",
                site.dropped,
                site.readings.last()
            );
        }
    }

    /// Cuts the power.
    fn cut(self) {
        drop(self);
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        // Also when a test fails: no simulator outlives it.
        let _ = self.qemu.kill();
        let _ = self.qemu.wait();
    }
}

#[expect(clippy::disallowed_methods, reason = "a real device runs in real time")]
fn now() -> Instant {
    Instant::now()
}

/// Static data and stack from a line `state .. stack N static M`.
fn ram(line: &str) -> Option<usize> {
    let mut words = line.split(' ').skip_while(|word| *word != "stack").skip(1).step_by(2);
    Some(words.next()?.parse::<usize>().ok()? + words.next()?.parse::<usize>().ok()?)
}

fn firmware() -> Option<String> {
    let found = std::env::var("SITEWARDEN_FIRMWARE").ok();
    if found.is_none() {
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "SITEWARDEN_FIRMWARE is not set");
        println!("skipped: SITEWARDEN_FIRMWARE is not set (firmware/build.sh prints it)");
    }
    found
}

/// Bytes of flash and of static data that an ELF file for a 32-bit machine takes: its loaded segments (ELF, "Program Header").
fn size(elf: &[u8]) -> (usize, usize) {
    let half = |at: usize| usize::from(u16::from_le_bytes([elf[at], elf[at + 1]]));
    let word = |at: usize| half(at) | half(at + 2) << 16;
    assert_eq!((&elf[..4], elf[4]), (&b"\x7fELF"[..], 1));
    let (table, length, count) = (word(28), half(42), half(44));
    let loaded = (0..count).map(|n| table + n * length).filter(|at| word(*at) == 1);
    loaded.fold((0, 0), |(flash, data), at| {
        let (virtual_address, in_file, in_memory) = (word(at + 8), word(at + 16), word(at + 20));
        let data = if virtual_address >= 0x2000_0000 { data + in_memory } else { data };
        (flash + in_file, data)
    })
}

#[test]
fn the_firmware_fits_its_flash() {
    let Some(firmware) = firmware() else { return };

    let (flash, data) = size(&std::fs::read(firmware).unwrap());

    println!("flash: {flash} of {FLASH} bytes; static data: {data} of {RAM} bytes");
    assert!(flash > FLASH / 4 && flash <= FLASH, "flash: {flash} of {FLASH} bytes");
    assert!(data > 0 && data < RAM / 4, "static data: {data} of {RAM} bytes, and the stack needs the rest");
}

#[test]
fn the_firmware_enrols_raises_loses_its_power_and_tells_its_finding_once() {
    let Some(firmware) = firmware() else { return };
    let folder = Folder::new("qemu");
    std::fs::write(folder.0.join("inputs"), "0 45000").unwrap();
    let mut site = Site::new();
    let humid = Check::Above { limit: 60_000, clear: 55_000 };
    let rule = Rule { id: 4, sensor: 1, check: humid, hold_ms: 300 };

    let mut device = Device::start(&firmware, &folder.0);
    let mut code = None;
    device.pump(&mut site, "the code", |line, _| {
        code = code.take().or(line.and_then(|line| line.strip_prefix("code ")).map(String::from));
        code.is_some()
    });
    site.offer(&Code::parse(&code.unwrap()).unwrap(), 0, u64::MAX).unwrap();
    device.pump(&mut site, "the enrolment", |_, site| site.hellos > 0);
    let id = *site.devices.keys().next().unwrap();
    let parameters = site.sign_parameters(id, 1, &[rule], 500);
    site.server.send_parameters(&parameters).unwrap();
    device.pump(&mut site, "the parameters", |line, _| line.is_some_and(|l| l.contains("parameters 1")));
    device.pump(&mut site, "readings of both sensors", |_, site| {
        [(0, 0), (1, 45_000)]
            .iter()
            .all(|expected| site.readings.iter().any(|reading| (reading.sensor, reading.value) == *expected))
    });

    site.commits = false;
    std::fs::write(folder.0.join("inputs"), "0 70000").unwrap();
    device.pump(&mut site, "the finding on flash", |line, _| line.is_some_and(|l| l.contains("queued 1")));
    let first_ram = device.ram;
    device.cut();
    assert!(site.findings.is_empty());

    site.commits = true;
    site.restart();
    let mut device = Device::start(&firmware, &folder.0);
    device.pump(&mut site, "the finding after the cut", |_, site| !site.findings.is_empty());
    device.pump(&mut site, "the empty queue", |line, _| line.is_some_and(|l| l.contains("alarm queued 0")));
    std::fs::write(folder.0.join("inputs"), "0 50000").unwrap();
    device.pump(&mut site, "the clear", |_, site| site.findings.len() == 2);
    let ram = device.ram.max(first_ram);
    device.cut();

    let findings: Vec<_> = site.findings.values().map(|(finding, _)| *finding).collect();
    let [raised, cleared] = findings[..] else { panic!("two findings") };
    assert_eq!((raised.rule, raised.kind, raised.state), (4, FindingKind::Above, FindingState::Raised));
    assert_eq!((raised.boot_counter, raised.value, raised.limit), (1, Some(70_000), Some(60_000)));
    assert_eq!((cleared.boot_counter, cleared.state), (2, FindingState::Cleared), "and not raised twice");
    println!("static data and stack: {ram} of {RAM} bytes");
    assert!(ram > 0 && ram <= RAM, "static data and stack: {ram} of {RAM} bytes");
}
