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
/// How long one side is listened to before the other.
const PATIENCE: Duration = Duration::from_millis(20);
/// Lines of the console that nobody read yet.
const CONSOLE_LINES: usize = 1000;
/// The flash of `memory.x`.
pub(crate) const FLASH: usize = 64 * 1024;
/// The RAM of `memory.x` (static data and stack): beyond it the stack would have run over the static data.
pub(crate) const RAM: usize = 16 * 1024;

/// Instructions and nothing else move the device's clock: one nanosecond each. Idle time is skipped, or waited for.
pub(crate) const COUNTED: [&str; 2] = ["-icount", "shift=0"];
pub(crate) const HURRIED: [&str; 2] = ["-icount", "shift=0,sleep=off"];

/// A folder that is removed with its content.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("sitewarden-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// What the device's inputs show: the contact, and thousandths of a per cent. Replaced whole, since it may be read now.
    pub(crate) fn inputs(&self, open: bool, humidity: u32) {
        let new = self.0.join("inputs.new");
        std::fs::write(&new, format!("{} {humidity}", u8::from(open))).unwrap();
        std::fs::rename(new, self.0.join("inputs")).unwrap();
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A running device.
pub(crate) struct Device {
    qemu: Child,
    link: UnixStream,
    console: Receiver<String>,
    started: Instant,
    /// The most static data and stack that it told of.
    pub(crate) ram: usize,
    /// Bytes over the link in both directions.
    pub(crate) carried: usize,
}

impl Device {
    pub(crate) fn start(firmware: &str, folder: &Folder, more: &[&str]) -> Self {
        let folder: &Path = &folder.0;
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
            .args(more)
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let (link, _) = link.accept().unwrap();
        link.set_read_timeout(Some(PATIENCE)).unwrap();
        let (console, _) = console.accept().unwrap();
        let (lines, console_lines) = sync_channel(CONSOLE_LINES);
        std::thread::spawn(move || {
            for line in BufReader::new(console).lines().map_while(Result::ok) {
                if lines.send(line).is_err() {
                    return;
                }
            }
        });
        Self { qemu, link, console: console_lines, started: now(), ram: 0, carried: 0 }
    }

    /// Moves bytes between device and site until `done` says so of a line of the console, or of the site.
    pub(crate) fn pump(
        &mut self,
        site: &mut Site,
        what: &str,
        mut done: impl FnMut(Option<&str>, &Site) -> bool,
    ) {
        let mut bytes = [0; 4096];
        let begun = now();
        loop {
            match self.link.read(&mut bytes) {
                Ok(0) => panic!("{what}: QEMU closed the line"),
                Ok(count) => {
                    self.carried += count;
                    site.receive(&bytes[..count], self.started.elapsed().as_millis() as u64);
                }
                Err(_) => {} // nothing came in the meantime
            }
            let output = site.output();
            self.carried += output.len();
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

    /// Lets the device run without a site until `done` says so of a line of the console.
    pub(crate) fn alone(&mut self, what: &str, mut done: impl FnMut(&str) -> bool) {
        let begun = now();
        let mut unheard = [0; 4096];
        self.link.set_nonblocking(true).unwrap();
        loop {
            // A line that takes no more bytes would keep the device busy: time that it counts, and no idle time is skipped.
            while self.link.read(&mut unheard).is_ok_and(|count| count > 0) {}
            if let Ok(line) = self.console.recv_timeout(PATIENCE) {
                self.ram = self.ram.max(ram(&line).unwrap_or(0));
                if done(&line) {
                    break;
                }
            }
            assert!(begun.elapsed() < LIMIT, "{what}: not within {LIMIT:?}");
        }
        self.link.set_nonblocking(false).unwrap();
    }

    /// Cuts the power.
    pub(crate) fn cut(self) {
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

/// The number after `word` in a line of the console.
pub(crate) fn number(line: &str, word: &str) -> Option<u64> {
    line.split(' ').skip_while(|found| *found != word).nth(1)?.parse().ok()
}

/// Static data and stack from a line `state .. stack N static M`.
fn ram(line: &str) -> Option<usize> {
    Some((number(line, "stack")? + number(line, "static")?) as usize)
}

pub(crate) fn firmware() -> Option<String> {
    let found = std::env::var("SITEWARDEN_FIRMWARE").ok();
    if found.is_none() {
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "SITEWARDEN_FIRMWARE is not set");
        println!("skipped: SITEWARDEN_FIRMWARE is not set (firmware/build.sh prints it)");
    }
    found
}

/// Bytes of flash and of static data that an ELF file for a 32-bit machine takes: its loaded segments (ELF, "Program Header").
pub(crate) fn size(elf: &[u8]) -> (usize, usize) {
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

/// Starts a device, enrols it and gives it eight rules; returns it running and linked.
pub(crate) fn enrolled(firmware: &str, folder: &Folder, site: &mut Site) -> Device {
    folder.inputs(false, 45_000);
    let mut device = Device::start(firmware, folder, &[]);
    let mut code = None;
    device.pump(site, "the code", |line, _| {
        code = code.take().or(line.and_then(|line| line.strip_prefix("code ")).map(String::from));
        code.is_some()
    });
    site.offer(&Code::parse(&code.unwrap()).unwrap(), 0, u64::MAX).unwrap();
    device.pump(site, "the enrolment", |_, site| site.hellos > 0);
    let id = *site.devices.keys().next().unwrap();
    let humid = Check::Above { limit: 60_000, clear: 55_000 };
    // Rule 4 is the one that raises; the largest set of parameters is what the stack must hold.
    let never = Check::Above { limit: i32::MAX, clear: i32::MAX };
    let rules: Vec<_> = (1..=8)
        .map(|id| Rule { id, sensor: 1, check: if id == 4 { humid } else { never }, hold_ms: 300 })
        .collect();
    let parameters = site.sign_parameters(id, 1, &rules, 500);
    site.server.send_parameters(&parameters).unwrap();
    device.pump(site, "the parameters", |line, _| line.is_some_and(|line| line.contains("parameters 1")));
    device
}

/// Opens and closes the case of a device without a site: one finding each. Returns what the line of the console tells then.
pub(crate) fn tamper(device: &mut Device, folder: &Folder, open: bool) -> String {
    folder.inputs(open, 45_000);
    let mut told = String::new();
    let state = if open { "state alarm " } else { "state no-link " };
    device.alone("the contact", |line| {
        told = line.to_owned();
        line.starts_with(state)
    });
    told
}

#[test]
fn the_firmware_enrols_raises_loses_its_power_and_tells_its_finding_once() {
    let Some(firmware) = firmware() else { return };
    let folder = Folder::new("qemu");
    let mut site = Site::new();
    let mut device = enrolled(&firmware, &folder, &mut site);
    device.pump(&mut site, "readings of both sensors", |_, site| {
        [(0, 0), (1, 45_000)]
            .iter()
            .all(|expected| site.readings.iter().any(|reading| (reading.sensor, reading.value) == *expected))
    });

    site.commits = false;
    folder.inputs(false, 70_000);
    device.pump(&mut site, "the finding on flash", |line, _| line.is_some_and(|l| l.contains("queued 1")));
    let first_ram = device.ram;
    device.cut();
    assert!(site.findings.is_empty());

    site.commits = true;
    site.restart();
    let mut device = Device::start(&firmware, &folder, &[]);
    device.pump(&mut site, "the finding after the cut", |_, site| !site.findings.is_empty());
    device.pump(&mut site, "the empty queue", |line, _| line.is_some_and(|l| l.contains("alarm queued 0")));
    folder.inputs(false, 50_000);
    device.pump(&mut site, "the clear", |_, site| site.findings.len() == 2);
    let ram = device.ram.max(first_ram);
    device.cut();

    let findings: Vec<_> = site.findings.values().map(|(finding, _)| *finding).collect();
    let [raised, cleared] = findings[..] else { panic!("two findings") };
    assert_eq!((raised.rule, raised.kind, raised.state), (4, FindingKind::Above, FindingState::Raised));
    assert_eq!((raised.boot_counter, raised.value, raised.limit), (1, Some(70_000), Some(60_000)));
    assert_eq!((cleared.boot_counter, cleared.state), (2, FindingState::Cleared), "and not raised twice");
    within(ram);
}

fn within(ram: usize) {
    println!("static data and stack: {ram} of {RAM} bytes");
    assert!(ram > 0 && ram <= RAM, "static data and stack: {ram} of {RAM} bytes");
}

#[test]
fn a_full_flash_keeps_the_first_findings_and_tells_how_many_were_lost() {
    let Some(firmware) = firmware() else { return };
    let ram = full_flash(&firmware);
    within(ram);
}

/// The story of a flash that runs full; returns the largest RAM.
pub(crate) fn full_flash(firmware: &str) -> usize {
    let folder = Folder::new("full");
    let mut site = Site::new();
    let device = enrolled(firmware, &folder, &mut site);
    let mut largest = device.ram;
    device.cut();

    // Without a site, as fast as it computes, until the queue does not grow any more.
    let mut device = Device::start(firmware, &folder, &HURRIED);
    device.alone("the start", |line| line.contains("parameters 1"));
    let (mut raised, mut kept) = (0, 0);
    while raised < kept + 5 {
        let line = tamper(&mut device, &folder, raised % 2 == 0);
        raised += 1;
        kept = number(&line, "queued").unwrap();
    }
    largest = largest.max(device.ram);
    device.cut();
    assert!(kept > 100, "{kept} findings fill the queue");

    site.restart();
    let mut device = Device::start(firmware, &folder, &[]);
    device.pump(&mut site, "the loss", |_, site| site.findings.len() as u64 > kept);
    largest = largest.max(device.ram);
    device.cut();
    let findings: Vec<_> = site.findings.values().map(|(finding, _)| *finding).collect();
    let lost: Vec<_> = findings.iter().filter_map(|finding| finding.lost).map(u64::from).collect();
    assert_eq!(lost, [raised - kept], "told once; {kept} were kept");
    assert!(findings.iter().take(kept as usize).all(|finding| finding.kind == FindingKind::Tamper));
    largest
}
