//! What the gateway says once it serves: one line for programs, some for people.
//!
//! The line is a contract with scripts and tests: keys are added, never renamed.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde_json::{Value, json};

/// Where the gateway is, once it serves.
pub(crate) struct Ready {
    pub(super) https: SocketAddr,
    pub(super) mqtt: Option<SocketAddr>,
    pub(super) mqtts: Option<SocketAddr>,
    pub(super) agents: Option<SocketAddr>,
    pub(super) setup_code: Option<String>,
    pub(super) ca: PathBuf,
    pub(super) ca_words: String,
    pub(super) demo: bool,
}

impl Ready {
    /// The ready line of `--json` and `--ready-fd`.
    pub(crate) fn to_json(&self) -> Value {
        json!({
            "ready": true,
            "https": format!("https://{}", reachable(self.https)),
            "mqtt": self.mqtt.map(|address| reachable(address).to_string()),
            "mqtts": self.mqtts.map(|address| reachable(address).to_string()),
            "agents": self.agents.map(|address| reachable(address).to_string()),
            "setup_code": self.setup_code,
            "ca": self.ca,
            "demo": self.demo,
        })
    }

    /// The same for a person.
    pub(crate) fn for_people(&self) -> String {
        let mut lines = vec![format!("Sitewarden {} is ready", env!("CARGO_PKG_VERSION"))];
        lines.push(format!("  open        https://{}/", reachable(self.https)));
        if let Some(code) = &self.setup_code {
            lines.push(format!("  set-up code {code}   (asked for once, by the first page)"));
        }
        lines.push(format!("  site CA     {}", self.ca.display()));
        lines.push(format!("              {}", self.ca_words));
        if let Some(address) = self.mqtts {
            lines.push(format!("  MQTT (TLS)  {}", reachable(address)));
        }
        if let Some(address) = self.mqtt {
            lines.push(format!("  MQTT        {}", reachable(address)));
        }
        if let Some(address) = self.agents {
            lines.push(format!("  agents      {}", reachable(address)));
        }
        if self.demo {
            lines.push("  demo        a small cold store is played; nothing of it is real".to_owned());
        }
        lines.join("\n")
    }
}

/// An address that a client on this machine can use: the loopback one for "all addresses".
pub(super) fn reachable(address: SocketAddr) -> SocketAddr {
    match address {
        SocketAddr::V4(v4) if v4.ip().is_unspecified() => SocketAddr::from(([127, 0, 0, 1], v4.port())),
        SocketAddr::V6(v6) if v6.ip().is_unspecified() => {
            SocketAddr::from(([0, 0, 0, 0, 0, 0, 0, 1], v6.port()))
        }
        other => other,
    }
}
