//! Client libraries of others: Eclipse Paho of both generations, rumqttc with a client certificate over TLS.
//!
//! Each makes a finding, so that the whole way is taken. mosquitto's own clients are in `spine`.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use rumqttc::{AsyncClient, Event, MqttOptions, Outgoing, Packet, QoS, TlsConfiguration, Transport};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::Value;

use crate::support::gateway::Site;
use crate::support::http::Api;
use crate::support::need::{program, project, skip};
use crate::support::process::run;
use crate::support::wait::{LIMIT, wait_for};

const TITLE: &str = "Implausible sensor reading";

/// The finding that every message of these stories counts in.
async fn finding_about(api: &Api, asset: &str) -> Value {
    wait_for("a finding", || async {
        let findings = api.list("/api/v1/findings").await;
        let found = findings.iter().find(|finding| finding["asset"] == asset && finding["title"] == TITLE);
        found.cloned().ok_or_else(|| format!("{findings:?}"))
    })
    .await
}

async fn paho(generation: &str) {
    let packages = project().join(".venv").join(generation);
    if !packages.join("paho").is_dir() {
        return skip(&format!("{generation} is not installed (make setup)"));
    }
    let site = Site::lab("");
    let gateway = site.start().await;
    let api = site.api(&gateway, "viewer").await;
    for qos in ["0", "1", "2"] {
        let mut command = Command::new(project().join(".venv/bin/python"));
        command.arg(project().join("tests/stories/peers/paho_publish.py")).env("PYTHONPATH", &packages);
        command.args([
            &gateway.mqtt().ip().to_string(),
            &gateway.mqtt().port().to_string(),
            &format!("json/{generation}"),
            qos,
        ]);

        let said = run(&mut command, b"{\"temperature\": 900}\n{\"temperature\": 901}\n").await.success();

        assert_eq!(said.trim(), "2", "QoS {qos}");
    }
    let finding = finding_about(&api, generation).await;

    assert_eq!(finding["count"], 6, "{finding}");
    gateway.stop().await;
}

#[tokio::test]
async fn paho_1_publishes_with_every_qos() {
    paho("paho-1").await;
}

#[tokio::test]
async fn paho_2_publishes_with_every_qos() {
    paho("paho-2").await;
}

/// A key and a request that openssl made, as a device's installer would.
async fn request(folder: &Path) -> Option<()> {
    let openssl = program("openssl")?;
    let mut make = Command::new(openssl);
    make.args(["req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]);
    make.args(["-subj", "/CN=anything", "-keyout", "device.key", "-out", "device.csr"]).current_dir(folder);
    run(&mut make, b"").await.success();
    Some(())
}

#[tokio::test]
async fn rumqttc_reports_over_tls_with_a_certificate_for_its_own_key() {
    let site = Site::new("");
    let Some(()) = request(site.folder()).await else { return };
    let gateway = site.start().await;
    let api = site.api(&gateway, "viewer").await;
    let csr = site.folder().join("device.csr").display().to_string();
    let mut enrol = site.command(&["enrol", "pump-1", "--kind", "sensor", "--csr", &csr, "--json"]);
    let said = run(&mut enrol, b"").await.success();
    let enrolled: Value = serde_json::from_str(&said).expect("--json prints JSON");
    let certificate =
        enrolled["certificate_pem"].as_str().unwrap_or_else(|| panic!("no certificate: {enrolled}"));

    let mut options = MqttOptions::new("pump-1", "127.0.0.1", gateway.mqtts().port());
    options.set_keep_alive(Duration::from_secs(30));
    options.set_transport(Transport::Tls(TlsConfiguration::Rustls(Arc::new(tls(&site, certificate)))));
    let (client, mut connection) = AsyncClient::new(options, 16);
    client.publish("json/pump-1", QoS::AtLeastOnce, false, r#"{"temperature": 900}"#).await.expect("queued");
    let acknowledged = async {
        loop {
            match connection.poll().await.expect("the connection holds") {
                Event::Incoming(Packet::PubAck(_)) => return,
                Event::Outgoing(Outgoing::Disconnect) => panic!("disconnected"),
                _ => {}
            }
        }
    };
    tokio::time::timeout(LIMIT, acknowledged).await.expect("an acknowledgement");
    let finding = finding_about(&api, "pump-1").await;

    assert_eq!(finding["count"], 1, "{finding}");
    gateway.stop().await;
}

fn tls(site: &Site, certificate: &str) -> rustls::ClientConfig {
    // An error means that another story was first.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(site.ca()).expect("ca.pem")).expect("a CA");
    let chain =
        CertificateDer::pem_slice_iter(certificate.as_bytes()).collect::<Result<Vec<_>, _>>().expect("PEM");
    let key = PrivateKeyDer::from_pem_file(site.folder().join("device.key")).expect("a key");
    let config = rustls::ClientConfig::builder().with_root_certificates(roots);
    config.with_client_auth_cert(chain, key).expect("key and certificate fit")
}
