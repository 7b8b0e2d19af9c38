//! A real agent: the firmware in QEMU, on a pseudo terminal or over TCP, with its inputs in a file.
//!
//! It needs `SITEWARDEN_FIRMWARE`, the ELF file that `agent-nostd/firmware/build.sh` names, and `qemu-system-arm`. The
//! simulator runs in real time; stories wait for what it says, never for a time.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::need::{program, skip};
use super::process::Running;
use super::wait::wait_for;

/// What a story about agents needs from the machine.
pub(crate) struct Firmware {
    qemu: PathBuf,
    elf: String,
}

/// The firmware and its simulator, or `None` after saying that the story is skipped.
pub(crate) fn firmware() -> Option<Firmware> {
    let qemu = program("qemu-system-arm")?;
    // Empty where its toolchain is missing.
    let Some(elf) = std::env::var("SITEWARDEN_FIRMWARE").ok().filter(|elf| !elf.is_empty()) else {
        skip("SITEWARDEN_FIRMWARE is not set (sh agent-nostd/firmware/build.sh prints it)");
        return None;
    };
    Some(Firmware { qemu, elf })
}

/// How the agent's line leaves the simulator.
#[derive(Clone, Debug)]
pub(crate) enum Line {
    /// As a pseudo terminal of its own, to which this path is a link.
    Pty(PathBuf),
    /// As a TCP client that comes again.
    Tcp(SocketAddr),
}

/// A running device.
pub(crate) struct Agent {
    process: Running,
    folder: PathBuf,
}

impl Agent {
    /// Starts the device whose flash and inputs are in this folder: dry, cool and closed unless inputs are there.
    pub(crate) async fn start(firmware: &Firmware, folder: &Path, line: &Line) -> Self {
        std::fs::create_dir_all(folder).expect("own folder");
        let inputs = folder.join("inputs");
        if !inputs.exists() {
            std::fs::write(&inputs, "0 45000").expect("own folder");
        }
        let files = format!("arg=agent,arg={0}/flash,arg={0}/inputs", folder.display());
        let serial = match line {
            Line::Pty(_) => "pty,id=line".to_owned(),
            Line::Tcp(to) => format!("socket,id=line,host={},port={},reconnect=1", to.ip(), to.port()),
        };
        let mut command = Command::new(&firmware.qemu);
        command
            .args(["-machine", "mps2-an386", "-cpu", "cortex-m4", "-display", "none", "-monitor", "none"])
            .args(["-semihosting-config", &format!("enable=on,target=native,{files}")])
            .args(["-device", "tmp105,address=0x48", "-chardev", &serial])
            .args(["-serial", "chardev:line", "-serial", "stdio", "-kernel", &firmware.elf]);
        let agent = Self { process: Running::start(&mut command), folder: folder.to_owned() };
        if let Line::Pty(link) = line {
            let pty = agent.says("char device redirected to ").await;
            let pty = pty.split(' ').next().expect("a path").to_owned();
            let _ = std::fs::remove_file(link);
            std::os::unix::fs::symlink(pty, link).expect("own folder");
        }
        agent
    }

    /// Sets tamper contact and humidity (thousandths of a per cent).
    pub(crate) fn inputs(&self, inputs: &str) {
        let beside = self.folder.join("inputs.new");
        std::fs::write(&beside, inputs).expect("own folder");
        std::fs::rename(beside, self.folder.join("inputs")).expect("own folder");
    }

    /// Everything that its console has said.
    pub(crate) fn console(&self) -> Vec<String> {
        self.process.stdout.all()
    }

    /// The rest of the first line of its console that begins so.
    pub(crate) async fn says(&self, beginning: &str) -> String {
        wait_for(&format!("the agent to say {beginning:?}"), || {
            let lines = self.console();
            let found = lines.iter().find_map(|line| line.strip_prefix(beginning)).map(str::to_owned);
            async move { found.ok_or_else(|| lines.join(" | ")) }
        })
        .await
    }

    /// Waits until the newest `state` line of its console has this.
    pub(crate) async fn state(&self, wanted: &str) {
        wait_for(&format!("the agent to be {wanted:?}"), || {
            let lines = self.console();
            let state = lines.into_iter().rev().find(|line| line.starts_with("state ")).unwrap_or_default();
            let there = state.contains(wanted);
            async move { if there { Ok(()) } else { Err(state) } }
        })
        .await;
    }

    /// The one-time code that it shows.
    pub(crate) async fn code(&self) -> String {
        self.says("code ").await
    }

    /// Its id in the inventory.
    pub(crate) async fn id(&self) -> String {
        format!("agent:{}", self.says("device ").await)
    }

    /// Cuts the power.
    pub(crate) fn cut(mut self) {
        self.process.kill();
    }
}
