//! Demo mode: a small cold store whose devices are real MQTT clients over the real listener.
//!
//! It plays [`site`] through the shipped MQTT client; the gateway treats these devices like any other,
//! marked as demo. One client misbehaves: it was never approved, publishes where it may not, and comes
//! with a wrong password. Nothing here is started without `--demo`.

mod site;

use std::net::SocketAddr;
use std::time::Duration;

use mqtt_client::{AsyncClient, MqttOptions, PublishOptions};
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use site::{DEVICES, DemoDevice};

/// A device that the demo needs enrolled before it starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DemoIdentity {
    /// Client id and asset id.
    pub(crate) id: &'static str,
    /// Name for people.
    pub(crate) name: &'static str,
    /// Zone for people.
    pub(crate) zone: &'static str,
    /// Asset kind in the words of the API.
    pub(crate) kind: &'static str,
    /// Whether the demo's operator approved it.
    pub(crate) approved: bool,
}

/// The client that misbehaves.
const STRANGER: DemoIdentity =
    DemoIdentity { id: "unknown-laptop", name: "Unknown laptop", zone: "", kind: "client", approved: false };

/// Everything that needs a credential.
pub(crate) fn identities() -> impl Iterator<Item = DemoIdentity> {
    let device = |device: &DemoDevice| DemoIdentity {
        id: device.id,
        name: device.name,
        zone: device.zone,
        kind: device.kind,
        approved: true,
    };
    DEVICES.iter().map(device).chain([STRANGER])
}

/// How a client gets in.
#[derive(Clone, Debug)]
pub(crate) struct Credential {
    pub(crate) id: String,
    pub(crate) username: String,
    pub(crate) password: String,
}

/// Starts all clients; they end with the token.
pub(crate) fn play(broker: SocketAddr, credentials: Vec<Credential>, stop: &CancellationToken) {
    for credential in credentials {
        if let Some(device) = DEVICES.iter().find(|device| device.id == credential.id) {
            tokio::spawn(stop.clone().run_until_cancelled_owned(report(*device, broker, credential)));
        } else {
            tokio::spawn(stop.clone().run_until_cancelled_owned(misbehave(broker, credential)));
        }
    }
}

fn options(broker: SocketAddr, credential: &Credential) -> MqttOptions {
    let mut options = MqttOptions::new(credential.id.clone(), (broker.ip().to_string(), broker.port()));
    options.set_keep_alive(30).set_credentials(credential.username.clone(), credential.password.clone());
    options
}

/// Keeps a connection alive, with a pause after each failure.
async fn keep_connected(mut connection: mqtt_client::EventLoop) {
    loop {
        if connection.poll().await.is_err() {
            tokio::time::sleep(RECONNECT).await;
        }
    }
}

/// Pause between two tries to connect.
const RECONNECT: Duration = Duration::from_secs(2);

/// Between two acts of the client that misbehaves.
const MISCHIEF: Duration = Duration::from_secs(20);

async fn report(device: DemoDevice, broker: SocketAddr, credential: Credential) {
    let (client, connection) = AsyncClient::builder(options(broker, &credential)).capacity(16).build();
    let talk = async {
        let start = Instant::now();
        let mut ticks = tokio::time::interval(Duration::from_secs(device.interval));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            for (metric, unit) in device.metrics {
                let payload = device.payload(metric, unit, start.elapsed().as_secs());
                let sent =
                    client.publish(device.topic(metric), payload, PublishOptions::at_least_once()).await;
                if let Err(error) = sent {
                    tracing::debug!(device = device.id, %error, "demo: a report was not sent");
                }
            }
        }
    };
    tokio::join!(keep_connected(connection), talk);
}

async fn misbehave(broker: SocketAddr, credential: Credential) {
    let wrong = Credential { password: "password1".to_owned(), ..credential.clone() };
    let (client, connection) = AsyncClient::builder(options(broker, &credential)).capacity(16).build();
    let talk = async {
        let mut ticks = tokio::time::interval(MISCHIEF);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            for topic in
                ["site/cold/cold-1-temperature/temperature", "site/freezer/freezer-1-temperature/temperature"]
            {
                let forged = r#"{"value":3.00,"unit":"Cel"}"#;
                let _ = client.publish(topic, forged, PublishOptions::at_most_once()).await;
            }
            let (_, mut guess) = AsyncClient::builder(options(broker, &wrong)).capacity(1).build();
            let _ = guess.poll().await;
        }
    };
    tokio::join!(keep_connected(connection), talk);
}
