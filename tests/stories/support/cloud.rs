//! A cloud as a script: it takes batches as the API says, or misbehaves as a story tells it.
//!
//! HTTP/1.1 by hand over TLS, because broken answers are what is wanted; one request per connection. It asks for the
//! box's certificate, which must come from the site's CA. What it took is kept by sequence number, so that a story can
//! compare it with the log.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError};

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use serde_json::{Value, json};
use sitewarden_log::{Batch, Hash, Limits, SignedNote, unpack};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::process::run;

/// The code that registers a box.
pub(crate) const CLAIM: &str = "larch-harbour-violet";

/// How batches are answered until the story says otherwise; in so far as it fits, cursors and heartbeats too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    /// As the API says.
    Well,
    /// With this status and problem; nothing is taken.
    Refuse(u16, &'static str),
    /// With 429 and so many seconds of Retry-After; nothing is taken.
    Throttle(u64),
    /// With 413 when there are more records than that.
    TooLargeOver(usize),
    /// Taken; the answer breaks off in its middle.
    HalfAnswer,
    /// Taken; the answer says what another batch's would.
    OtherBatch(u64),
    /// With a redirect to this place; nothing is taken.
    Redirect(&'static str),
    /// Nothing is taken and nothing answered.
    Silence,
    /// Taken, and nothing answered.
    TakeThenSilence,
    /// With an answer that has no end.
    Endless,
}

#[derive(Default)]
struct State {
    act: Option<Act>,
    leaves: BTreeMap<u64, Hash>,
    /// Records that came again with other bytes, or out of order.
    faults: Vec<String>,
    /// Size of each batch that arrived.
    batches: Vec<usize>,
    /// Size and root of each checkpoint that came along.
    checkpoints: Vec<(u64, Hash)>,
    heartbeats: Vec<Value>,
    claims: Vec<Value>,
}

/// A running cloud; it ends with the story's runtime.
pub(crate) struct Cloud {
    folder: PathBuf,
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    tls: Arc<Mutex<Arc<ServerConfig>>>,
    site_ca: PathBuf,
}

impl Cloud {
    /// Starts one whose certificate comes from its own CA, in a folder of the story's.
    pub(crate) async fn start(folder: &Path, site_ca: &Path) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        authority(folder, "cloud").await;
        authority(folder, "stranger").await;
        let tls = Arc::new(Mutex::new(Arc::new(server(folder, "cloud", site_ca))));
        let state = Arc::new(Mutex::new(State::default()));
        let (served, offered) = (Arc::clone(&state), Arc::clone(&tls));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let acceptor =
                    TlsAcceptor::from(Arc::clone(&offered.lock().unwrap_or_else(PoisonError::into_inner)));
                let state = Arc::clone(&served);
                tokio::spawn(async move {
                    if let Ok(stream) = acceptor.accept(stream).await {
                        // A box that was killed ends its connection: no fault of the cloud's.
                        let _ = converse(stream, state).await;
                    }
                });
            }
        });
        Self { folder: folder.to_owned(), address, state, tls, site_ca: site_ca.to_owned() }
    }

    pub(crate) fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    /// The CA that the box is to trust.
    pub(crate) fn ca(&self) -> PathBuf {
        self.folder.join("cloud-ca.pem")
    }

    pub(crate) fn behave(&self, act: Act) {
        self.with(|state| state.act = Some(act));
    }

    /// From now on with a certificate of this authority: `cloud` or `stranger`.
    pub(crate) fn present(&self, authority: &str) {
        let config = Arc::new(server(&self.folder, authority, &self.site_ca));
        *self.tls.lock().unwrap_or_else(PoisonError::into_inner) = config;
    }

    /// Restored from a backup of when it had so many records.
    pub(crate) fn restore(&self, size: u64) {
        self.with(|state| state.leaves.retain(|seq, _| *seq <= size));
    }

    pub(crate) fn size(&self) -> u64 {
        self.with(|state| state.leaves.len() as u64)
    }

    pub(crate) fn batches(&self) -> Vec<usize> {
        self.with(|state| state.batches.clone())
    }

    pub(crate) fn heartbeats(&self) -> Vec<Value> {
        self.with(|state| state.heartbeats.clone())
    }

    pub(crate) fn claims(&self) -> Vec<Value> {
        self.with(|state| state.claims.clone())
    }

    /// Root over what it has.
    pub(crate) fn root(&self) -> Hash {
        let leaves: Vec<Hash> = self.with(|state| state.leaves.values().copied().collect());
        sitewarden_log::tree::subtree(&leaves)
    }

    /// Checks what must hold whatever happened: no hole, nothing twice with other bytes, checkpoints over the same tree.
    ///
    /// # Panics
    /// When it does not.
    pub(crate) fn check(&self) {
        self.with(|state| {
            assert!(state.faults.is_empty(), "{:?}", state.faults);
            let expected: Vec<u64> = (1..=state.leaves.len() as u64).collect();
            assert_eq!(state.leaves.keys().copied().collect::<Vec<_>>(), expected, "no hole");
            let leaves: Vec<Hash> = state.leaves.values().copied().collect();
            assert!(!state.checkpoints.is_empty(), "checkpoints came along");
            for (size, root) in &state.checkpoints {
                let part = leaves.get(..usize::try_from(*size).expect("small"));
                let part =
                    part.unwrap_or_else(|| panic!("a checkpoint of {size} records, more than there are"));
                assert_eq!(sitewarden_log::tree::subtree(part), *root, "the checkpoint of {size}");
            }
        });
    }

    fn with<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        work(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Makes a CA and a certificate for 127.0.0.1 by OpenSSL: `NAME-ca.pem`, `NAME.pem`, `NAME.key`.
async fn authority(folder: &Path, name: &str) {
    let key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"];
    let (ca, ca_key) = (format!("{name}-ca.pem"), format!("{name}-ca.key"));
    let mut make = Command::new("openssl");
    make.current_dir(folder).args(["req", "-x509", "-subj", &format!("/CN={name} CA")]).args(key);
    run(make.args(["-keyout", &ca_key, "-out", &ca]), b"").await.success();
    let mut make = Command::new("openssl");
    make.current_dir(folder)
        .args(["req", "-x509", "-subj", "/CN=cloud", "-CA", &ca, "-CAkey", &ca_key])
        .args(key);
    make.args(["-addext", "basicConstraints=critical,CA:FALSE", "-addext", "subjectAltName=IP:127.0.0.1"]);
    run(make.args(["-keyout", &format!("{name}.key"), "-out", &format!("{name}.pem")]), b"").await.success();
}

fn server(folder: &Path, name: &str, site_ca: &Path) -> ServerConfig {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(site_ca).expect("the site's CA")).expect("a CA");
    let verifier = WebPkiClientVerifier::builder(Arc::new(roots)).build().expect("a verifier");
    let chain = CertificateDer::pem_file_iter(folder.join(format!("{name}.pem"))).expect("made");
    let chain = chain.map(|certificate| certificate.expect("a certificate")).collect();
    let key = PrivateKeyDer::from_pem_file(folder.join(format!("{name}.key"))).expect("made");
    ServerConfig::builder()
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain, key)
        .expect("they fit")
}

type Stream = tokio_rustls::server::TlsStream<tokio::net::TcpStream>;

async fn converse(mut stream: Stream, state: Arc<Mutex<State>>) -> std::io::Result<()> {
    let (head, body) = request(&mut stream).await?;
    let answer = {
        let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
        answer(&mut state, &head, &body)
    };
    match answer {
        Some(bytes) => {
            stream.write_all(&bytes).await?;
            stream.shutdown().await
        }
        // Until the box gives up.
        None => stream.read_u8().await.map(drop),
    }
}

async fn request(stream: &mut Stream) -> std::io::Result<(String, Vec<u8>)> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(place) = bytes.windows(4).position(|part| part == b"\r\n\r\n") {
            break place + 4;
        }
        if stream.read_buf(&mut bytes).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
    };
    let head = String::from_utf8_lossy(&bytes[..end]).to_lowercase();
    let length =
        head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok()).unwrap_or(0);
    let mut body = bytes.split_off(end);
    while body.len() < length {
        if stream.read_buf(&mut body).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok((head, body))
}

/// The bytes of the answer; `None` is silence.
fn answer(state: &mut State, head: &str, body: &[u8]) -> Option<Vec<u8>> {
    let line = head.lines().next().unwrap_or_default();
    if line.starts_with("post /v1/gateways ") {
        let claim: Value = serde_json::from_slice(body).expect("JSON");
        let good = claim["claim_code"] == CLAIM;
        state.claims.push(claim);
        return Some(if good {
            reply(201, &json!({"gateway_id": "g-1", "site_id": "s-1", "tenant": "harbour"}), "")
        } else {
            let problem =
                json!({"type": "/problems/claim-refused", "detail": "This claim code is not taken."});
            reply(403, &problem, "")
        });
    }
    if line.starts_with("get /v1/cursor ") {
        return trouble(state, reply(200, &next(state), ""));
    }
    if line.starts_with("post /v1/heartbeats ") {
        state.heartbeats.push(serde_json::from_slice(body).expect("JSON"));
        return trouble(state, reply(200, &next(state), ""));
    }
    assert!(line.starts_with("post /v1/batches "), "{line}");
    assert!(head.contains("content-encoding: zstd"), "{head}");
    let raw = unpack(body, Limits::default().bytes).expect("zstd");
    let batch = Batch::parse(&raw, &Limits::default()).expect("a batch");
    state.batches.push(batch.records.len());
    batches(state, &batch)
}

fn batches(state: &mut State, batch: &Batch<'_>) -> Option<Vec<u8>> {
    let taken = match state.act.unwrap_or(Act::Well) {
        Act::TooLargeOver(most) if batch.records.len() > most => reply(413, &problem("too-large"), ""),
        Act::Well | Act::TooLargeOver(_) | Act::HalfAnswer | Act::OtherBatch(_) | Act::TakeThenSilence => {
            take(state, batch).unwrap_or_else(|gap| reply(409, &gap, ""))
        }
        _ => Vec::new(),
    };
    trouble(state, taken)
}

/// The answer as the act makes it.
fn trouble(state: &State, whole: Vec<u8>) -> Option<Vec<u8>> {
    match state.act.unwrap_or(Act::Well) {
        Act::Well | Act::TooLargeOver(_) => Some(whole),
        Act::Refuse(status, slug) => Some(reply(status, &problem(slug), "")),
        Act::Throttle(seconds) => {
            Some(reply(429, &problem("too-many"), &format!("retry-after: {seconds}\r\n")))
        }
        Act::Redirect(place) => Some(reply(307, &json!({}), &format!("location: {place}\r\n"))),
        Act::HalfAnswer => Some(whole[..whole.len() - 4].to_vec()),
        Act::OtherBatch(next) => Some(reply(200, &json!({"next": next.to_string()}), "")),
        Act::Silence | Act::TakeThenSilence => None,
        Act::Endless => {
            let mut bytes = b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n".to_vec();
            bytes.resize(1 << 20, b' ');
            Some(bytes)
        }
    }
}

fn problem(slug: &str) -> Value {
    json!({"type": format!("/problems/{slug}"), "detail": format!("This is {slug}.")})
}

fn take(state: &mut State, batch: &Batch<'_>) -> Result<Vec<u8>, Value> {
    let lacks = state.leaves.len() as u64 + 1;
    if batch.first > lacks {
        return Err(json!({"type": "/problems/gap", "next": lacks.to_string()}));
    }
    for record in &batch.records {
        let hash = record.leaf_hash();
        if state.leaves.insert(record.seq, hash).is_some_and(|before| before != hash) {
            state.faults.push(format!("record {} came again with other bytes", record.seq));
        }
    }
    if let Some(note) = &batch.checkpoint {
        let note = SignedNote::parse(note).expect("a checkpoint");
        state.checkpoints.push((note.claimed().size, note.claimed().root));
    }
    Ok(reply(200, &next(state), ""))
}

fn next(state: &State) -> Value {
    json!({"next": (state.leaves.len() + 1).to_string(), "time": "2026-11-24T10:00:00Z"})
}

fn reply(status: u16, body: &Value, headers: &str) -> Vec<u8> {
    let (kind, body) = (if status < 300 { "json" } else { "problem+json" }, body.to_string());
    let length = body.len();
    format!(
        "HTTP/1.1 {status} Said\r\ncontent-type: application/{kind}\r\ncontent-length: {length}\r\nconnection: close\r\n{headers}\r\n{body}"
    )
    .into_bytes()
}
