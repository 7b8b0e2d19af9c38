//! Who asks the web listener and does not get on with it is cut off: its file descriptor belongs to a device.
//!
//! A body that does not come is told of in the layers' own tests; here it is the head, which no layer sees.

use std::sync::Arc;
use std::time::Duration;

use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::gateway::Site;

/// A connection over TLS that has sent this and no more.
async fn said(
    site: &Site,
    https: &str,
    bytes: &[u8],
) -> tokio_rustls::client::TlsStream<tokio::net::TcpStream> {
    // An error means that another story was first.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(site.ca()).expect("ca.pem")).expect("a CA");
    let config = rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    let address = https.trim_start_matches("https://");
    let stream = tokio::net::TcpStream::connect(address).await.expect("the web listener");
    let name = ServerName::try_from("localhost").expect("a name");
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    let mut stream = connector.connect(name, stream).await.expect("a handshake");
    stream.write_all(bytes).await.expect("sent");
    stream
}

#[tokio::test]
async fn a_request_whose_head_never_ends_is_cut_off_and_another_is_answered() {
    let site = Site::lab("");
    let gateway = site.start().await;
    let https = gateway.https();

    let mut slow = said(&site, &https, b"GET /health HTTP/1.1\r\nHost: localhost\r\nX-Slow: ").await;
    let mut idle = said(&site, &https, b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    let mut first = [0; 12];
    idle.read_exact(&mut first).await.expect("an answer");
    assert_eq!(&first, b"HTTP/1.1 200");

    let mut rest = Vec::new();
    for stream in [&mut slow, &mut idle] {
        // How it is cut, by a close or a reset, says nothing; that it is cut does.
        let _ = tokio::time::timeout(Duration::from_secs(120), stream.read_to_end(&mut rest))
            .await
            .expect("the box waits for ever");
    }
    gateway.anonymous().get("/health").await.expect(200);
    gateway.stop().await;
}

#[tokio::test]
async fn one_address_does_not_take_all_connections_of_the_web_server() {
    let site = Site::lab("");
    let gateway = site.start().await;
    let address: std::net::SocketAddr =
        gateway.https().trim_start_matches("https://").parse().expect("an address");
    // Another address of the loopback is another client's.
    let greedy = || async {
        let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
        socket.bind("127.0.0.3:0".parse().expect("an address")).expect("an address of the loopback");
        socket.connect(address).await.expect("the web listener")
    };

    let mut taken = Vec::new();
    for _ in 0..256 {
        taken.push(greedy().await);
    }
    let mut refused = greedy().await;

    let mut nothing = [0; 1];
    let end = tokio::time::timeout(Duration::from_secs(30), refused.read(&mut nothing)).await;
    assert!(matches!(end, Ok(Ok(0) | Err(_))), "one more than its share is closed: {end:?}");
    gateway.anonymous().get("/health").await.expect(200);
    drop(taken);
    gateway.stop().await;
}
