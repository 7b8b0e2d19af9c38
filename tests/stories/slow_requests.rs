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
