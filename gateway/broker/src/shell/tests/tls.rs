//! TLS listeners: with and without a client certificate, and an idle client beside them.

use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, StreamOwned};

use super::super::{Config, ListenerConfig, Transport};
use super::harness::{Client, PATIENCE, Running, publish, start_with};
use crate::limits::{Limit, Limits};

struct Site {
    roots: Arc<RootCertStore>,
    server: Arc<ServerConfig>,
    client: (CertificateDer<'static>, KeyPair),
}

fn site() -> Site {
    let ca_key = KeyPair::generate().unwrap();
    let mut ca = CertificateParams::new(Vec::new()).unwrap();
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca_certificate = ca.self_signed(&ca_key).unwrap();
    let issuer = Issuer::new(ca, ca_key);
    let sign = |name: &str| {
        let key = KeyPair::generate().unwrap();
        let certificate =
            CertificateParams::new(vec![name.to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
        (certificate.der().clone(), key)
    };
    let mut roots = RootCertStore::empty();
    roots.add(ca_certificate.der().clone()).unwrap();
    let roots = Arc::new(roots);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(roots.clone(), provider.clone())
        .allow_unauthenticated()
        .build()
        .unwrap();
    let (certificate, key) = sign("localhost");
    let server = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier)
        .with_single_cert(vec![certificate], PrivateKeyDer::try_from(key.serialize_der()).unwrap())
        .unwrap();
    Site { roots, server: Arc::new(server), client: sign("thermo-1") }
}

fn start_tls(site: &Site, limits: Limits) -> Running {
    let address = SocketAddr::from(([127, 0, 0, 1], 0));
    let listener = ListenerConfig { name: "tls".to_owned(), address, transport: Transport::Tls };
    start_with(Config { listeners: vec![listener], limits }, Some(site.server.clone()), None)
}

fn client(
    site: &Site,
    running: &Running,
    certificate: bool,
) -> Client<StreamOwned<ClientConnection, TcpStream>> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(site.roots.clone());
    let config = if certificate {
        let (chain, key) = (vec![site.client.0.clone()], site.client.1.serialize_der());
        config.with_client_auth_cert(chain, PrivateKeyDer::try_from(key).unwrap()).unwrap()
    } else {
        config.with_no_client_auth()
    };
    let name = ServerName::try_from("localhost").unwrap();
    let connection = ClientConnection::new(Arc::new(config), name).unwrap();
    let socket = TcpStream::connect(running.address()).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    Client::over(StreamOwned::new(connection, socket))
}

#[test]
fn a_client_certificate_reaches_the_admission_and_is_optional() {
    let site = site();
    let running = start_tls(&site, Limits::default());
    client(&site, &running, true).connect("with", true);
    client(&site, &running, false).connect("without", true);
    let requests = running.admission.requests.lock().unwrap();
    assert_eq!(requests[0].peer_certificate.as_deref(), Some(site.client.0.as_ref()));
    assert_eq!(requests[1].peer_certificate, None);
    assert_eq!(&*requests[0].listener, "tls");
}

#[test]
fn messages_large_and_small_pass_tls() {
    let site = site();
    let running = start_tls(&site, Limits::default());
    let mut subscriber = client(&site, &running, true);
    subscriber.connect("s", true);
    subscriber.subscribe("a", 1);
    let mut publisher = client(&site, &running, false);
    publisher.connect("p", true);
    let payload = vec![5; 700_000];
    publisher.send(&publish("a", &payload, 1, 1));
    publisher.send(&publish("a", b"small", 1, 2));
    assert_eq!(publisher.packet(), (0x40, vec![0, 1]));
    assert_eq!(publisher.packet(), (0x40, vec![0, 2]));
    assert_eq!(subscriber.packet().1[5..], payload);
    assert_eq!(&subscriber.packet().1[5..], b"small");
}

#[test]
fn idle_and_foreign_clients_on_the_tls_port_delay_nobody() {
    let site = site();
    let running = start_tls(&site, Limits { handshake_seconds: 1, ..Limits::default() });
    let mut idle: Vec<_> = (0..20).map(|_| Client::open(running.address())).collect();
    let mut foreign = Client::open(running.address());
    foreign.send(b"GET / HTTP/1.1\r\n\r\n");
    client(&site, &running, true).connect("honest", true);
    assert!(foreign.is_closed());
    assert!(idle.iter_mut().all(Client::is_closed));
    running.wait_until("all are counted", |metrics| {
        metrics.hits(Limit::Handshake) == 20 && metrics.tls_failed.get() == 21
    });
}
