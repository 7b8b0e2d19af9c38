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
    /// The TLS listener; rumqttd has none here.
    pub tls: SocketAddr,
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
            let (port, tls) = (free_port()?, free_port()?);
            let key = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
            fs::write(folder.join("cert.pem"), key.cert.pem())?;
            fs::write(folder.join("key.pem"), key.signing_key.serialize_pem())?;
            let config = folder.join("mosquitto.conf");
            let at = folder.display();
            let text = format!(
                "user root\nallow_anonymous true\nlistener {port} 127.0.0.1\nlistener {tls} 127.0.0.1\n\
                 certfile {at}/cert.pem\nkeyfile {at}/key.pem\n"
            );
            fs::write(&config, text)?;
            let mut command = Command::new("mosquitto");
            command.arg("-c").arg(&config);
            start_peer(command, port, tls, folder)
        }
        Kind::Rumqttd => {
            let port = free_port()?;
            let mut command = Command::new(setup.rumqttd.as_deref().ok_or("no rumqttd")?);
            command.arg(port.to_string());
            start_peer(command, port, port, folder)
        }
    }
}

fn start_peer(mut command: Command, port: u16, tls: u16, folder: PathBuf) -> Result<Server, Failure> {
    let begin = Instant::now();
    let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    let mqtt = SocketAddr::from(([127, 0, 0, 1], port));
    let tls = SocketAddr::from(([127, 0, 0, 1], tls));
    let mut server = Server { child, mqtt, tls, folder, ready_after: Duration::ZERO };
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

/// The laboratory's configuration on free ports, with what the lane changes.
fn our_config(setup: &Setup, ours: &Ours<'_>, plain: u16, tls: u16) -> Result<String, Failure> {
    let lab = setup.root.join("config/examples");
    let mut config: toml::Table = fs::read_to_string(lab.join("lab.toml"))?.parse()?;
    let mut set = |section: &str, key: &str, value: toml::Value| {
        let section = config.entry(section).or_insert_with(|| toml::Table::new().into());
        section.as_table_mut().map(|table| table.insert(key.to_owned(), value))
    };
    let path = |path: &Path| -> Result<toml::Value, Failure> {
        Ok(fs::canonicalize(path)?.to_string_lossy().into_owned().into())
    };
    let listener = |name: &str, port: u16, transport: &str| -> toml::Value {
        let pairs = [("name", name), ("address", &format!("127.0.0.1:{port}")), ("transport", transport)];
        pairs.into_iter().map(|(key, value)| (key.to_owned(), value.into())).collect::<toml::Table>().into()
    };
    set("web", "listen", "127.0.0.1:0".into());
    set("policies", "dir", path(&lab.join("lab-policies"))?);
    if let Some(rules) = ours.rules {
        set("rules", "dir", path(rules)?);
    }
    set(
        "broker",
        "listeners",
        vec![listener("loopback", plain, "plain"), listener("tls", tls, "tls")].into(),
    );
    Ok(toml::to_string(&config)?)
}

fn start_ours(setup: &Setup, folder: PathBuf, ours: &Ours<'_>) -> Result<Server, Failure> {
    let config = folder.join("bench.toml");
    let (plain, tls) = (free_port()?, free_port()?);
    fs::write(&config, our_config(setup, ours, plain, tls)?)?;
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
    let mut server = Server {
        child,
        mqtt: SocketAddr::from(([127, 0, 0, 1], plain)),
        tls: SocketAddr::from(([127, 0, 0, 1], tls)),
        folder,
        ready_after: Duration::ZERO,
    };
    while let Ok((line, at)) = receiver.recv_timeout(READY) {
        if serde_json::from_str::<serde_json::Value>(&line).is_ok_and(|ready| ready["ready"] == true) {
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
