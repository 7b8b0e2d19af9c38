//! The gateway as a process: a state folder, a configuration, and the real binary started on them.
//!
//! Ports are always 0 and read back from the ready line. The folder outlives a gateway, so that a story
//! can kill one and start the next on the same state. Dropping ends the process and removes the folder.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use super::http::Api;
use super::need::project;
use super::process::{Finished, Running, run};
use super::wait::wait_for;

/// Every listener on loopback, on free ports; logs are quiet unless a story fails.
const LISTENERS: &str = r#"
[site]
name = "Story"

[web]
listen = "127.0.0.1:0"

[[broker.listeners]]
name = "tls"
address = "127.0.0.1:0"
transport = "tls"

[[broker.listeners]]
name = "loopback"
address = "127.0.0.1:0"
transport = "plain"
"#;

/// A state folder with its configuration.
pub(crate) struct Site {
    folder: TempDir,
    arguments: Vec<String>,
}

impl Site {
    /// With the shipped policies and rules; `more` is added to the configuration.
    pub(crate) fn new(more: &str) -> Self {
        let folder =
            tempfile::Builder::new().prefix("sitewarden-story-").tempdir().expect("a temporary folder");
        let site = Self { folder, arguments: Vec::new() };
        std::fs::write(site.config(), format!("{LISTENERS}\n{more}")).expect("own folder");
        site
    }

    /// As config/examples/lab.toml: anonymous clients may do everything but publish to `$SYS`.
    pub(crate) fn lab(more: &str) -> Self {
        let policies = project().join("config/examples/lab-policies");
        Self::new(&format!("[policies]\ndir = {:?}\n{more}", policies.display().to_string()))
    }

    /// With the played demo site.
    pub(crate) fn demo() -> Self {
        Self { arguments: vec!["--demo".to_owned()], ..Self::new("") }
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.folder.path().join("site.toml")
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    /// The program with this site's folders, for a command that takes `--state`.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sitewarden"));
        command.args(arguments).arg("--state").arg(self.state()).current_dir(self.folder());
        command
    }

    fn serve(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sitewarden"));
        command.args(["run", "--json", "--config"]).arg(self.config()).arg("--state").arg(self.state());
        command.args(&self.arguments).current_dir(self.folder());
        command
    }

    /// A folder for its owner alone, as an installation makes it; one that is there keeps its mode.
    fn make_state(&self) {
        use std::os::unix::fs::DirBuilderExt as _;
        let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(self.state());
        made.expect("own folder");
    }

    /// Starts the gateway and waits until it says that it is ready.
    ///
    /// # Panics
    /// When it ends before, with what it said.
    pub(crate) async fn start(&self) -> Gateway {
        self.make_state();
        let mut process = Running::start(&mut self.serve());
        let ready = wait_for("the gateway's ready line", || {
            let said = process.stderr.text();
            let status = process.status();
            assert!(status.is_none(), "the gateway ended ({status:?}) before it was ready: {said}");
            let line = process.stdout.all().into_iter().find(|line| line.starts_with('{'));
            async move { line.ok_or_else(|| format!("no ready line; it said: {said}")) }
        })
        .await;
        let ready: Value = serde_json::from_str(&ready).expect("the ready line is JSON");
        assert_eq!(ready["ready"], true, "{ready}");
        Gateway { process, ready, state: self.state() }
    }

    /// Starts the gateway where it must refuse to; gives what it said.
    pub(crate) async fn start_refused(&self) -> Finished {
        self.make_state();
        let done = run(&mut self.serve(), b"").await;
        assert!(!done.status.success(), "the gateway should have refused to start: {}", done.stdout);
        done
    }

    /// An API key of this role, made at the console as a person would.
    pub(crate) async fn api_key(&self, role: &str) -> String {
        let mut create = self.command(&["api-key", "create", "--role", role, "--name", "story", "--json"]);
        let said = run(&mut create, b"").await.success();
        let made: Value = serde_json::from_str(&said).expect("--json prints JSON");
        made["key"].as_str().expect("a key is shown once").to_owned()
    }

    /// A client of the API with a fresh key of this role.
    pub(crate) async fn api(&self, gateway: &Gateway, role: &str) -> Api {
        Api::new(&gateway.https(), &self.ca()).with_key(&self.api_key(role).await)
    }

    /// The site CA's certificate, as clients are given it.
    pub(crate) fn ca(&self) -> PathBuf {
        self.state().join("ca.pem")
    }
}

/// A running gateway.
pub(crate) struct Gateway {
    process: Running,
    ready: Value,
    state: PathBuf,
}

impl Gateway {
    fn said(&self, key: &str) -> &str {
        self.ready[key].as_str().unwrap_or_else(|| panic!("no {key} in the ready line {}", self.ready))
    }

    /// `https://127.0.0.1:PORT`, without a slash at the end.
    pub(crate) fn https(&self) -> String {
        self.said("https").trim_end_matches('/').to_owned()
    }

    /// The plain MQTT listener on loopback.
    pub(crate) fn mqtt(&self) -> SocketAddr {
        self.said("mqtt").parse().expect("an address")
    }

    /// The MQTT listener with TLS.
    pub(crate) fn mqtts(&self) -> SocketAddr {
        self.said("mqtts").parse().expect("an address")
    }

    /// Where agents connect over TCP.
    pub(crate) fn agents(&self) -> SocketAddr {
        self.said("agents").parse().expect("an address")
    }

    /// The code that the first-run wizard asks for.
    pub(crate) fn setup_code(&self) -> String {
        self.said("setup_code").to_owned()
    }

    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    /// What it has logged so far.
    pub(crate) fn log(&self) -> String {
        self.process.stderr.text()
    }

    /// A client of the API that has said nothing about itself.
    pub(crate) fn anonymous(&self) -> Api {
        Api::new(&self.https(), &self.state.join("ca.pem"))
    }

    /// `kill -9`.
    pub(crate) fn kill(mut self) {
        self.process.kill();
    }

    /// Stops it as systemd would and checks that it ends well and has not panicked.
    pub(crate) async fn stop(mut self) -> String {
        self.process.signal("TERM");
        let status = self.process.ended().await;
        let log = self.log();
        assert!(status.success(), "the gateway ended with {status}: {log}");
        assert!(!log.contains("panicked at"), "{log}");
        log
    }
}
