//! The CA, checked by OpenSSL: what it makes must hold for a stranger.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use sitewarden_core::Timestamp;

use super::*;

/// 2026-11-24; OpenSSL is told the same time.
const NOW: Timestamp = Timestamp::from_seconds(1_795_514_400);

/// OpenSSL, or `None` on a developer's machine without it.
fn openssl(dir: &Path, arguments: &[&str]) -> Option<(bool, String)> {
    let output = match Command::new("openssl").current_dir(dir).args(arguments).output() {
        Ok(output) => output,
        Err(error) => {
            assert!(std::env::var_os("CI").is_none(), "openssl is needed: {error}");
            return None;
        }
    };
    let text =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    Some((output.status.success(), text))
}

#[test]
fn the_ca_is_made_once_and_found_again() {
    let dir = tempfile::tempdir().expect("a folder");
    let first = Authority::open(dir.path(), NOW).expect("made");
    let again = Authority::open(dir.path(), NOW).expect("found");
    assert_eq!(first.pem(), again.pem());
    use std::os::unix::fs::PermissionsExt as _;
    let mode =
        |path: &str| std::fs::metadata(dir.path().join(path)).expect("there").permissions().mode() & 0o777;
    assert_eq!((mode("keys"), mode("keys/ca.key")), (0o700, 0o600));
}

#[test]
fn a_lost_half_of_the_ca_is_never_replaced_silently() {
    let dir = tempfile::tempdir().expect("a folder");
    Authority::open(dir.path(), NOW).expect("made");
    std::fs::remove_file(dir.path().join("keys/ca.key")).expect("removed");
    assert!(matches!(Authority::open(dir.path(), NOW), Err(PkiError::HalfMissing { .. })));
    std::fs::write(dir.path().join("keys/ca.key"), "no key").expect("written");
    assert!(matches!(Authority::open(dir.path(), NOW), Err(PkiError::Damaged { .. })));
}

#[test]
fn openssl_accepts_the_boxs_certificate_for_its_names_and_it_is_renewed_in_time() {
    let dir = tempfile::tempdir().expect("a folder");
    let authority = Arc::new(Authority::open(dir.path(), NOW).expect("made"));
    let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()];
    let server = ServerCertificate::new(authority, dir.path(), names, NOW).expect("made");
    for host in [["-verify_hostname", "localhost"], ["-verify_ip", "127.0.0.1"]] {
        let at = (NOW.micros() / 1_000_000).to_string();
        let arguments = [
            "verify",
            "-x509_strict",
            "-purpose",
            "sslserver",
            "-attime",
            &at,
            "-CAfile",
            "ca.pem",
            host[0],
            host[1],
            "server.pem",
        ];
        let Some((ok, text)) = openssl(dir.path(), &arguments) else { return };
        assert!(ok, "{text}");
    }
    assert!(!server.renew(NOW).expect("looked"));
    assert!(server.renew(server.not_after().before(limits::SERVER_RENEW)).expect("renewed"));
    assert!(http_config(Arc::new(server)).is_ok());
}

#[test]
fn a_devices_request_gets_our_name_and_client_use_only() {
    let dir = tempfile::tempdir().expect("a folder");
    let authority = Authority::open(dir.path(), NOW).expect("made");
    let request = [
        "req",
        "-new",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-keyout",
        "device.key",
        "-out",
        "device.csr",
        "-subj",
        "/CN=I am the boss",
        "-addext",
        "basicConstraints=critical,CA:TRUE",
    ];
    let Some((ok, text)) = openssl(dir.path(), &request) else { return };
    assert!(ok, "{text}");
    let csr = std::fs::read_to_string(dir.path().join("device.csr")).expect("made");

    let signed = authority.sign(&csr, "thermo-1", NOW).expect("signed");

    std::fs::write(dir.path().join("device.pem"), &signed.pem).expect("written");
    let (_, text) =
        openssl(dir.path(), &["x509", "-in", "device.pem", "-noout", "-text"]).expect("openssl is here");
    assert!(text.contains("CN = thermo-1") && !text.contains("boss"), "{text}");
    assert!(
        text.contains("CA:FALSE")
            && text.contains("TLS Web Client Authentication")
            && !text.contains("Server Authentication"),
        "{text}"
    );
    let at = (NOW.micros() / 1_000_000).to_string();
    let verify = [
        "verify",
        "-x509_strict",
        "-purpose",
        "sslclient",
        "-attime",
        &at,
        "-CAfile",
        "ca.pem",
        "device.pem",
    ];
    let (ok, text) = openssl(dir.path(), &verify).expect("openssl is here");
    assert!(ok, "{text}");
}

#[test]
fn requests_that_prove_nothing_are_refused_with_the_reason() {
    let dir = tempfile::tempdir().expect("a folder");
    let authority = Authority::open(dir.path(), NOW).expect("made");
    let huge = "x".repeat(limits::CSR_BYTES + 1);
    for junk in [
        "",
        "not PEM",
        "-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n",
        &huge,
    ] {
        assert!(matches!(authority.sign(junk, "x", NOW), Err(PkiError::Request { .. })));
    }
    let key = rcgen::KeyPair::generate().expect("a key");
    let request = rcgen::CertificateParams::default().serialize_request(&key).expect("a request");
    let mut der = request.der().to_vec();
    let last = der.len() - 1;
    der[last] ^= 1;
    let pem = x509_parser::pem::Pem { label: "CERTIFICATE REQUEST".to_owned(), contents: der };
    let text =
        format!("-----BEGIN {}-----\n{}\n-----END {}-----\n", pem.label, base64(&pem.contents), pem.label);
    let error = authority.sign(&text, "x", NOW).expect_err("a broken signature proves nothing");
    assert!(matches!(error, PkiError::Request { .. }), "{error}");
}

/// Plain base64, for one test.
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    bytes
        .chunks(3)
        .flat_map(|part| {
            let bits =
                part.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - part.len()));
            (0..4).map(move |place| match place <= part.len() {
                true => char::from(LETTERS[(bits >> (18 - 6 * place)) as usize & 63]),
                false => '=',
            })
        })
        .collect()
}

#[test]
fn every_byte_has_its_own_word() {
    let mut words = WORDS.to_vec();
    words.sort_unstable();
    words.dedup();
    assert_eq!(words.len(), 256);
    assert_eq!(fingerprint_words(b"abc").len(), limits::FINGERPRINT_WORDS);
    assert_eq!(fingerprint_hex(b"abc").get(..8), Some("ba7816bf"), "FIPS 180-2, appendix B.1");
}
