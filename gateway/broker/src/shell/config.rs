//! The broker's section of the configuration.
//!
//! Not certificates: those come from the pki slice through the binary. Invariant: an unknown key is an
//! error, and a plain listener outside loopback must be asked for by name.

use std::net::SocketAddr;

use serde::Deserialize;

use crate::limits::Limits;

/// `[broker]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Config {
    /// Where devices connect.
    pub listeners: Vec<ListenerConfig>,
    /// Bounds.
    pub limits: Limits,
}

impl Default for Config {
    fn default() -> Self {
        let tls = ListenerConfig {
            name: "tls".to_owned(),
            address: SocketAddr::from(([0, 0, 0, 0], 8883)),
            transport: Transport::Tls,
        };
        let plain = ListenerConfig {
            name: "loopback".to_owned(),
            address: SocketAddr::from(([127, 0, 0, 1], 1883)),
            transport: Transport::Plain,
        };
        Self { listeners: vec![tls, plain], limits: Limits::default() }
    }
}

/// One listener.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ListenerConfig {
    /// Name in logs, metrics and policies.
    pub name: String,
    /// Address and port; port 0 takes a free one.
    pub address: SocketAddr,
    /// Plain TCP (loopback alone) or TLS.
    #[serde(default)]
    pub transport: Transport,
}

/// What a listener speaks below MQTT.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Transport {
    /// TLS 1.2 or 1.3.
    #[default]
    Tls,
    /// Plain TCP on a loopback address.
    Plain,
}

impl Config {
    /// What is wrong, one line each; empty when it can work.
    #[must_use]
    pub fn check(&self) -> Vec<String> {
        let mut problems = self.limits.check();
        for listener in &self.listeners {
            if listener.transport == Transport::Plain && !listener.address.ip().is_loopback() {
                problems.push(format!(
                    "listeners.{}: plain MQTT on {} would show passwords to the network; \
                     use transport = \"tls\" or a loopback address",
                    listener.name, listener.address
                ));
            }
        }
        problems
    }
}
