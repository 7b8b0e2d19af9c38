//! mosquitto's own clients, the first peers of the broker.
//!
//! Bounded by `process::run`; what they print and their exit codes go to the story.

use std::net::SocketAddr;
use std::process::Command;

use super::need::program;
use super::process::{Finished, Running, run};

/// A message as mosquitto_pub is told to send it.
#[derive(Clone, Debug)]
pub(crate) struct Publish<'a> {
    pub(crate) topic: &'a str,
    pub(crate) payload: &'a str,
    /// Further arguments: `-q 1`, `-r`, `-u`, `-P`, `--cafile`, ..
    pub(crate) arguments: &'a [&'a str],
}

/// `None` when the clients are missing and the story is skipped.
pub(crate) fn installed() -> Option<()> {
    program("mosquitto_pub").and(program("mosquitto_sub")).map(|_| ())
}

/// Sends one message.
pub(crate) async fn publish(address: SocketAddr, publish: &Publish<'_>) -> Finished {
    let mut command = client("mosquitto_pub", address);
    command.args(["-t", publish.topic, "-m", publish.payload]).args(publish.arguments);
    run(&mut command, b"").await
}

/// Sends each line of the input as one message.
pub(crate) async fn publish_lines(
    address: SocketAddr,
    topic: &str,
    lines: &[u8],
    arguments: &[&str],
) -> Finished {
    let mut command = client("mosquitto_pub", address);
    command.args(["-t", topic, "-l"]).args(arguments);
    run(&mut command, lines).await
}

/// A subscriber that prints `topic payload` lines until it is dropped.
pub(crate) fn subscribe(address: SocketAddr, filter: &str, arguments: &[&str]) -> Running {
    let mut command = client("mosquitto_sub", address);
    Running::start(command.args(["-t", filter, "-v"]).args(arguments))
}

fn client(name: &str, address: SocketAddr) -> Command {
    let mut command = Command::new(name);
    command.args(["-h", &address.ip().to_string(), "-p", &address.port().to_string()]);
    command
}
