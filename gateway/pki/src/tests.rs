//! The CA and its certificates, looked at by OpenSSL, and hostile requests.

use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use super::*;

const NOW: Timestamp = Timestamp::from_seconds(1_795_514_400);

fn open(dir: &Path) -> Pki {
    build(&Config { names: vec!["gateway.example".to_owned(), "192.0.2.7".to_owned()] }, dir, NOW)
        .expect("a PKI")
}

/// OpenSSL's command, or a skip by name; on CI a failure.
fn openssl() -> Option<&'static str> {
    if Command::new("openssl").arg("version").output().is_ok_and(|output| output.status.success()) {
        return Some("openssl");
    }
    assert!(std::env::var("CI").is_err(), "openssl is not installed");
    println!("skipped: openssl is not installed");
    None
}

fn run(dir: &Path, arguments: &[&str]) -> (bool, String) {
    let output = Command::new("openssl").current_dir(dir).args(arguments).output().expect("openssl runs");
    let text =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    (output.status.success(), text)
}

fn csr(key: &KeyPair) -> String {
    rcgen::CertificateParams::default().serialize_request(key).expect("a request").pem().expect("PEM")
}

#[test]
fn the_ca_stays_the_same_over_restarts_and_its_key_is_for_the_owner_alone() {
    let dir = tempfile::tempdir().expect("a folder");
    let first = open(dir.path()).fingerprint();
    let server = std::fs::read(dir.path().join("server.pem")).expect("read");
    assert_eq!(open(dir.path()).fingerprint(), first);
    assert_eq!(
        std::fs::read(dir.path().join("server.pem")).expect("read"),
        server,
        "not renewed without need"
    );
    let mode =
        |path: &str| std::fs::metadata(dir.path().join(path)).expect("there").permissions().mode() & 0o777;
    assert_eq!(
        (mode("keys"), mode("keys/ca.key"), mode("keys/server.key"), mode("ca.pem")),
        (0o700, 0o600, 0o600, 0o644)
    );

    std::fs::set_permissions(dir.path().join("keys/ca.key"), std::fs::Permissions::from_mode(0o644))
        .expect("set");
    open(dir.path());
    assert_eq!(mode("keys/ca.key"), 0o600);
}

#[test]
fn a_lost_or_foreign_file_of_the_ca_is_told_and_never_replaced() {
    for gone in ["ca.pem", "keys/ca.key"] {
        let dir = tempfile::tempdir().expect("a folder");
        open(dir.path());
        std::fs::remove_file(dir.path().join(gone)).expect("removed");
        let error = build(&Config::default(), dir.path(), NOW).expect_err(gone);
        assert!(matches!(error, PkiError::HalfGone { .. }), "{error}");
        assert!(!dir.path().join(gone).exists());
    }
    let (one, two) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    open(one.path());
    open(two.path());
    std::fs::copy(two.path().join("keys/ca.key"), one.path().join("keys/ca.key")).expect("copied");
    let error = build(&Config::default(), one.path(), NOW).expect_err("foreign");
    assert!(matches!(error, PkiError::Mismatch { .. }), "{error}");
    std::fs::write(one.path().join("keys/ca.key"), "nonsense").expect("written");
    let error = build(&Config::default(), one.path(), NOW).expect_err("damaged");
    assert!(matches!(error, PkiError::Damaged { .. }), "{error}");
}

#[test]
fn the_box_renews_its_certificate_in_the_last_third_and_for_new_names() {
    let dir = tempfile::tempdir().expect("a folder");
    let pki = open(dir.path());
    let end = pki.server_not_after();
    let day = Duration::from_secs(24 * 3600);
    assert!(!pki.renew_if_due(end.before(day * 11)).expect("looked at"));
    assert!(pki.renew_if_due(end.before(day * 10)).expect("renewed"));
    assert!(pki.server_not_after() > end);
    assert!(!pki.renew_if_due(end.before(day * 10)).expect("looked at"));

    let names = Config { names: vec!["other.example".to_owned()] };
    let other = build(&names, dir.path(), NOW).expect("a PKI");
    assert!(other.names().contains(&"other.example".to_owned()));
    assert_eq!(other.fingerprint(), pki.fingerprint());
}

#[test]
fn a_box_without_a_clock_makes_certificates_that_last() {
    let dir = tempfile::tempdir().expect("a folder");
    let pki = build(&Config::default(), dir.path(), Timestamp::from_seconds(0)).expect("a PKI");
    assert!(pki.server_not_after() > Timestamp::from_seconds(1_767_225_600));
}

#[test]
fn what_is_made_while_the_clock_is_behind_does_not_end_early_and_is_valid_at_once() {
    let day = Duration::from_secs(24 * 3600);
    let behind = NOW.before(60 * day);
    let dir = tempfile::tempdir().expect("a folder");
    let pki = build(&Config::default(), dir.path(), Start { now: behind, at_least: NOW }).expect("a PKI");
    assert_eq!(pki.server_not_after().since(NOW), limits::SERVER_LIFE);
    let validity = *pki.server.lock().expect("not poisoned");
    assert!(validity.from < behind && !validity.is_due(behind));

    // The clock is set back while the box runs.
    let dir = tempfile::tempdir().expect("a folder");
    let pki = build(&Config::default(), dir.path(), NOW).expect("a PKI");
    assert!(pki.renew_if_due(behind).expect("renewed"), "one that has not begun is of no use");
    assert_eq!(pki.server_not_after().since(NOW), limits::SERVER_LIFE);
}

#[test]
fn names_that_cannot_stand_in_a_certificate_are_told() {
    let wrong = Config { names: vec!["ok.example".to_owned(), "not a name".to_owned(), String::new()] };
    assert_eq!(wrong.problems().len(), 2);
    assert!(wrong.problems()[0].contains("\"not a name\""), "{:?}", wrong.problems());
}

#[test]
fn openssl_verifies_the_box_and_reads_its_names() {
    let Some(_) = openssl() else { return };
    let dir = tempfile::tempdir().expect("a folder");
    open(dir.path());
    let (ok, text) = run(
        dir.path(),
        &[
            "verify",
            "-attime",
            "1795514400",
            "-x509_strict",
            "-purpose",
            "sslserver",
            "-verify_hostname",
            "gateway.example",
            "-CAfile",
            "ca.pem",
            "server.pem",
        ],
    );
    assert!(ok, "{text}");
    let (ok, text) = run(
        dir.path(),
        &["verify", "-attime", "1795514400", "-verify_ip", "192.0.2.7", "-CAfile", "ca.pem", "server.pem"],
    );
    assert!(ok, "{text}");
    let (ok, text) = run(
        dir.path(),
        &["verify", "-attime", "1795514400", "-purpose", "sslclient", "-CAfile", "ca.pem", "server.pem"],
    );
    assert!(!ok, "the box's certificate is no client's: {text}");
    let (_, text) = run(dir.path(), &["x509", "-in", "ca.pem", "-noout", "-text"]);
    assert!(text.contains("CA:TRUE, pathlen:0") && text.contains("prime256v1"), "{text}");
}

#[test]
fn openssl_requests_are_signed_for_client_use_under_the_name_that_we_chose() {
    let Some(_) = openssl() else { return };
    let dir = tempfile::tempdir().expect("a folder");
    let pki = open(dir.path());
    for key in [
        &["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"][..],
        &["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-384"],
        &["-newkey", "rsa:2048"],
    ] {
        let mut arguments = vec![
            "req",
            "-new",
            "-nodes",
            "-keyout",
            "d.key",
            "-out",
            "d.csr",
            "-subj",
            "/CN=boss",
            "-addext",
            "basicConstraints=CA:TRUE",
            "-addext",
            "subjectAltName=DNS:localhost",
            "-addext",
            "extendedKeyUsage=serverAuth",
        ];
        arguments.extend(key);
        let (ok, text) = run(dir.path(), &arguments);
        assert!(ok, "{text}");
        let request = std::fs::read_to_string(dir.path().join("d.csr")).expect("read");

        let signed = pki.sign_device(&request, "mqtt:thermo-1", NOW).expect("signed");

        std::fs::write(dir.path().join("d.pem"), &signed.certificate_pem).expect("written");
        let (ok, text) = run(
            dir.path(),
            &[
                "verify",
                "-attime",
                "1795514400",
                "-x509_strict",
                "-purpose",
                "sslclient",
                "-CAfile",
                "ca.pem",
                "d.pem",
            ],
        );
        assert!(ok, "{text}");
        let (ok, _) = run(
            dir.path(),
            &["verify", "-attime", "1795514400", "-purpose", "sslserver", "-CAfile", "ca.pem", "d.pem"],
        );
        assert!(!ok, "a device is no server");
        let (_, text) = run(dir.path(), &["x509", "-in", "d.pem", "-noout", "-text"]);
        assert!(text.contains("CN = mqtt:thermo-1") || text.contains("CN=mqtt:thermo-1"), "{text}");
        assert!(text.contains("CA:FALSE") && !text.contains("boss") && !text.contains("localhost"), "{text}");
        let (_, text) = run(dir.path(), &["x509", "-in", "d.pem", "-noout", "-fingerprint", "-sha256"]);
        assert!(text.replace(':', "").to_lowercase().contains(&signed.fingerprint.hex()), "{text}");
        let der = CertificateDer::from_pem_slice(signed.certificate_pem.as_bytes()).expect("PEM");
        assert_eq!(device_id(&der).as_deref(), Some("mqtt:thermo-1"));
    }
}

#[test]
fn any_device_id_comes_back_out_of_its_certificate() {
    let dir = tempfile::tempdir().expect("a folder");
    let pki = open(dir.path());
    let key = certificates::new_key().expect("a key");
    for id in ["rtl_433:Acurite-Tower:A:8682", "ä/%41 +#\"", &"x".repeat(256)] {
        let signed = pki.sign_device(&csr(&key), id, NOW).expect("signed");
        let der = CertificateDer::from_pem_slice(signed.certificate_pem.as_bytes()).expect("PEM");
        assert_eq!(device_id(&der).as_deref(), Some(id));
    }
    assert_eq!(device_id(b"nonsense"), None);
}

#[test]
fn requests_without_proof_and_broken_ones_are_refused() {
    let dir = tempfile::tempdir().expect("a folder");
    let pki = open(dir.path());
    let key = certificates::new_key().expect("a key");
    let good = csr(&key);
    let der = rustls_pki_types::CertificateSigningRequestDer::from_pem_slice(good.as_bytes()).expect("PEM");

    let refused = |pem: &str| match pki.sign_device(pem, "d", NOW) {
        Err(PkiError::Request { why }) => why,
        other => panic!("{other:?}"),
    };
    assert!(refused("").contains("not PEM"));
    assert!(refused(&"x".repeat(limits::CSR_BYTES + 1)).contains("larger"));
    assert!(refused(pki.ca_pem()).contains("not PEM"));
    // Every single changed byte: refused, or (outside of what is signed) still the very same key; never a panic.
    let raw = key.public_key_raw();
    for index in 0..der.len() {
        let mut changed = der.to_vec();
        changed[index] ^= 1;
        if let Ok(proven) = request::proven_key(&pem(&changed)) {
            let info = rcgen::PublicKeyData::der_bytes(&proven);
            assert_eq!(info, raw, "byte {index}");
        }
        let cut = pem(&der[..index]);
        assert!(request::proven_key(&cut).is_err(), "cut at {index}");
    }
    let mut longer = der.to_vec();
    longer.push(0);
    assert!(refused(&pem(&longer)).contains("follow"));
}

fn pem(der: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::from("-----BEGIN CERTIFICATE REQUEST-----\n");
    for chunk in der.chunks(3) {
        let number =
            chunk.iter().chain([&0; 3]).take(3).fold(0_usize, |sum, byte| sum << 8 | usize::from(*byte));
        for place in 0..4 {
            let digit = DIGITS[number >> (18 - 6 * place) & 63];
            text.push(if place <= chunk.len() { char::from(digit) } else { '=' });
        }
    }
    text.push_str("\n-----END CERTIFICATE REQUEST-----\n");
    text
}

/// A TLS handshake in memory; gives the certificate that the server saw.
fn shake(server: Arc<ServerConfig>, client: rustls::ClientConfig) -> Result<Option<Vec<u8>>, rustls::Error> {
    let mut server = rustls::ServerConnection::new(server).expect("a server");
    let name = "gateway.example".try_into().expect("a name");
    let mut client = rustls::ClientConnection::new(Arc::new(client), name).expect("a client");
    while client.is_handshaking() || server.is_handshaking() {
        let mut bytes = Vec::new();
        client.write_tls(&mut bytes).expect("in memory");
        server.read_tls(&mut bytes.as_slice()).expect("in memory");
        server.process_new_packets()?;
        bytes.clear();
        server.write_tls(&mut bytes).expect("in memory");
        client.read_tls(&mut bytes.as_slice()).expect("in memory");
        client.process_new_packets()?;
    }
    Ok(server.peer_certificates().and_then(|chain| chain.first()).map(|der| der.to_vec()))
}

fn client(pki: &Pki, identity: Option<(CertificateDer<'static>, &KeyPair)>) -> rustls::ClientConfig {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(pki.ca.clone()).expect("a root");
    let builder =
        rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots);
    match identity {
        None => builder.with_no_client_auth(),
        Some((certificate, key)) => builder
            .with_client_auth_cert(
                vec![certificate],
                PrivateKeyDer::try_from(key.serialize_der()).expect("a key"),
            )
            .expect("an identity"),
    }
}

#[test]
fn mqtts_takes_our_devices_and_nobody_and_refuses_strangers() {
    let (dir, elsewhere) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    let now = Timestamp::from_seconds(
        i64::try_from(std::time::SystemTime::UNIX_EPOCH.elapsed().expect("after 1970").as_secs())
            .expect("in range"),
    );
    let config = Config { names: vec!["gateway.example".to_owned()] };
    let pki = build(&config, dir.path(), now).expect("a PKI");
    let other = build(&config, elsewhere.path(), now).expect("a PKI");
    let key = certificates::new_key().expect("a key");
    let signed = |by: &Pki| {
        let signed = by.sign_device(&csr(&key), "mqtt:t1", now).expect("signed");
        CertificateDer::from_pem_slice(signed.certificate_pem.as_bytes()).expect("PEM")
    };

    let seen = shake(pki.mqtts(), client(&pki, Some((signed(&pki), &key)))).expect("our device");
    assert_eq!(seen.and_then(|der| device_id(&der)).as_deref(), Some("mqtt:t1"));
    assert_eq!(shake(pki.mqtts(), client(&pki, None)).expect("nobody"), None);
    assert_eq!(shake(pki.https(), client(&pki, None)).expect("the web"), None);
    shake(pki.mqtts(), client(&pki, Some((signed(&other), &key)))).expect_err("another site's device");
    // The box's own certificate is for servers: it does not make a client of whoever stole it.
    let server = std::fs::read(dir.path().join("server.pem")).expect("read");
    let server_key = std::fs::read_to_string(dir.path().join("keys/server.key")).expect("read");
    let server_key = KeyPair::from_pem(&server_key).expect("a key");
    let server = CertificateDer::from_pem_slice(&server).expect("PEM");
    shake(pki.mqtts(), client(&pki, Some((server, &server_key)))).expect_err("a server's certificate");
}

#[test]
fn the_log_s_key_stays_signs_what_verifies_and_is_never_replaced() {
    let dir = tempfile::tempdir().expect("a folder");
    let pki = open(dir.path());
    let note = pki.log_key().sign(3, [7; 32]);
    let verifier = log_verifier(dir.path()).expect("read").expect("made");
    assert!(verifier.name().starts_with("sitewarden.example/site/"), "{verifier}");
    let checkpoint = check_note(&verifier, &note).expect("verifies");
    assert_eq!((checkpoint.size, checkpoint.root, checkpoint.origin.as_str()), (3, [7; 32], verifier.name()));
    let again = open(dir.path());
    assert_eq!(again.log_key().verifier(), &verifier);
    let mode =
        std::fs::metadata(dir.path().join("keys/log.key")).expect("there").permissions().mode() & 0o777;
    assert_eq!(mode, 0o600);

    let other = tempfile::tempdir().expect("a folder");
    let foreign = open(other.path());
    assert_ne!(foreign.log_key().verifier().name(), verifier.name(), "every site has a name of its own");
    assert!(check_note(foreign.log_key().verifier(), &note).is_err());
    std::fs::copy(other.path().join("keys/log.key"), dir.path().join("keys/log.key")).expect("copied");
    assert!(matches!(build(&Config::default(), dir.path(), NOW), Err(PkiError::Mismatch { .. })));
    std::fs::remove_file(dir.path().join("keys/log.key")).expect("removed");
    assert!(matches!(build(&Config::default(), dir.path(), NOW), Err(PkiError::HalfGone { .. })));
    std::fs::write(dir.path().join("log.vkey"), "nonsense").expect("written");
    assert!(matches!(log_verifier(dir.path()), Err(PkiError::Damaged { .. })));
}

#[test]
fn the_box_s_client_key_stays_while_its_certificate_is_made_anew() {
    let dir = tempfile::tempdir().expect("a folder");
    let pki = open(dir.path());
    let key_of = |identity: &ClientIdentity| {
        let (_, parsed) = X509Certificate::from_der(&identity.chain[0]).expect("a certificate");
        assert!(parsed.extended_key_usage().expect("valid").expect("there").value.client_auth);
        parsed.public_key().raw.to_vec()
    };
    let first = pki.client_identity(NOW).expect("made");
    let later = open(dir.path()).client_identity(NOW.after(Duration::from_secs(400 * 86_400))).expect("made");
    assert_eq!(key_of(&first), key_of(&later));
    assert_ne!(first.chain[0], later.chain[0]);
    let mode =
        std::fs::metadata(dir.path().join("keys/gateway.key")).expect("there").permissions().mode() & 0o777;
    assert_eq!(mode, 0o600);
    std::fs::write(dir.path().join("keys/gateway.key"), "nonsense").expect("written");
    assert!(matches!(pki.client_identity(NOW), Err(PkiError::Damaged { .. })));
}
