//! Starts what is measured, each side as its own process with its shipped defaults.
//!
//! Ports are free ones of the loopback; our own server says them in its ready line. Invariant: a server is
//! ended, by its id, when its handle goes.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use crate::{Failure, Setup};

/// Longest wait for a server to serve.
const READY: Duration = Duration::from_secs(30);

/// Whom a lane measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Ours,
    Mosquitto,
    Rumqttd,
}

/// A running server; ended when dropped.
pub struct Server {
    pub child: Child,
    pub mqtt: SocketAddr,
    /// Base of the web interface; ours alone.
    pub https: Option<String>,
    pub folder: PathBuf,
    /// From the start of the process to its ready line.
    pub ready_after: Duration,
}

impl Server {
    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// The peers that can be started here, with their versions; fails when mosquitto is missing.
pub fn peers(setup: &Setup) -> Result<Vec<(Kind, String)>, Failure> {
    let output = Command::new("mosquitto")
        .arg("-h")
        .output()
        .map_err(|_| "mosquitto is missing: apt-get install mosquitto")?;
    let text = String::from_utf8_lossy(&output.stdout);
    let version = text.lines().next().unwrap_or_default().replace(" version", "");
    let mut peers = vec![(Kind::Mosquitto, version)];
    match &setup.rumqttd {
        Some(path) if path.exists() => peers.push((Kind::Rumqttd, "rumqttd 0.20.0".to_owned())),
        _ => return Err("rumqttd is missing: cargo build --release in tests/bench/peers/rumqttd".into()),
    }
    Ok(peers)
}

/// Extra settings of our server: text of the configuration file and the folders that it names.
#[derive(Default)]
pub struct Ours<'a> {
    /// Rule files to use in place of the shipped ones.
    pub rules: Option<&'a Path>,
}

/// Starts a server with an empty state.
pub fn start(setup: &Setup, kind: Kind, ours: &Ours<'_>) -> Result<Server, Failure> {
    let folder = setup.state.join(format!("{kind:?}-{}", free_port()?).to_lowercase());
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder)?;
    match kind {
        Kind::Ours => start_ours(setup, folder, ours),
        Kind::Mosquitto => {
            let port = free_port()?;
            let config = folder.join("mosquitto.conf");
            let text = format!("user root\nlistener {port} 127.0.0.1\nallow_anonymous true\n");
            fs::write(&config, text)?;
            let mut command = Command::new("mosquitto");
            command.arg("-c").arg(&config);
            start_peer(command, port, folder)
        }
        Kind::Rumqttd => {
            let port = free_port()?;
            let mut command = Command::new(setup.rumqttd.as_deref().ok_or("no rumqttd")?);
            command.arg(port.to_string());
            start_peer(command, port, folder)
        }
    }
}

fn start_peer(mut command: Command, port: u16, folder: PathBuf) -> Result<Server, Failure> {
    let begin = Instant::now();
    let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    let mqtt = SocketAddr::from(([127, 0, 0, 1], port));
    let mut server = Server { child, mqtt, https: None, folder, ready_after: Duration::ZERO };
    while begin.elapsed() < READY {
        if TcpStream::connect(mqtt).is_ok() {
            server.ready_after = begin.elapsed();
            return Ok(server);
        }
        if let Some(status) = server.child.try_wait()? {
            return Err(format!("{command:?} ended at once: {status}").into());
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    Err(format!("{command:?} does not serve after {} s", READY.as_secs()).into())
}

fn start_ours(setup: &Setup, folder: PathBuf, ours: &Ours<'_>) -> Result<Server, Failure> {
    let lab = setup.root.join("config/examples");
    let config = folder.join("bench.toml");
    let mut text = fs::read_to_string(lab.join("lab.toml"))?
        .replace("127.0.0.1:8443", "127.0.0.1:0")
        .replace("127.0.0.1:1883", "127.0.0.1:0")
        .replace("\"lab-policies\"", &format!("{:?}", fs::canonicalize(lab.join("lab-policies"))?));
    if let Some(rules) = ours.rules {
        text.push_str(&format!("\n[rules]\ndir = {:?}\n", fs::canonicalize(rules)?));
    }
    fs::write(&config, text)?;
    let log = fs::File::create(folder.join("stderr.log"))?;
    let begin = Instant::now();
    let mut child = Command::new(&setup.ours)
        .arg("run")
        .arg("--config")
        .arg(&config)
        .arg("--state")
        .arg(folder.join("state"))
        .arg("--json")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(log)
        .spawn()
        .map_err(|error| {
            format!("{}: {error}; build it with `cargo build --release`", setup.ours.display())
        })?;
    let stdout = child.stdout.take().ok_or("no standard output")?;
    let (sender, receiver) = mpsc::sync_channel(16);
    // Reads on until the end, so that the server never waits for this pipe.
    std::thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            let _ = sender.try_send((line, Instant::now()));
        }
    });
    let placeholder = SocketAddr::from(([127, 0, 0, 1], 0));
    let mut server = Server { child, mqtt: placeholder, https: None, folder, ready_after: Duration::ZERO };
    while let Ok((line, at)) = receiver.recv_timeout(READY) {
        let Ok(ready) = serde_json::from_str::<serde_json::Value>(&line) else { continue };
        if ready["ready"] == true {
            let address = match &ready["mqtt"] {
                serde_json::Value::Array(list) => list.first().cloned().unwrap_or_default(),
                one => one.clone(),
            };
            server.mqtt = address.as_str().ok_or("no `mqtt` in the ready line")?.parse()?;
            server.https = ready["https"].as_str().map(str::to_owned);
            server.ready_after = at - begin;
            return Ok(server);
        }
    }
    let log = fs::read_to_string(server.folder.join("stderr.log")).unwrap_or_default();
    Err(format!("our server did not get ready:\n{log}").into())
}

/// A port that nobody has now.
pub fn free_port() -> Result<u16, Failure> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}
