//! A gateway as the hub sees it: a certificate, a log with its key, agents that sign.
//!
//! Makes honest logs; the tests bend what comes out.

use std::ops::RangeInclusive;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{CertificateParams, KeyPair};
use ring::rand::SystemRandom;
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use serde_json::{Value, json};
use sitewarden_core::Timestamp;
use sitewarden_log::{Checkpoint, Encoder, Frontier, Limits, VerifierKey, pack, record};
use sitewarden_wire::DeviceId;
use sitewarden_wire::statement::{Finding, FindingKind, FindingState};

use super::api::{Answer, Api};
use super::hub::Hub;

/// One record.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Record {
    pub(crate) time: Timestamp,
    pub(crate) kind: String,
    pub(crate) body: String,
}

/// A site with its gateway.
#[derive(Debug)]
pub(crate) struct Site {
    /// Certificate and key, PEM.
    pub(crate) identity: String,
    pub(crate) records: Vec<Record>,
    pub(crate) key: VerifierKey,
    signer: Ed25519KeyPair,
}

fn ed25519() -> Ed25519KeyPair {
    let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).expect("random bytes");
    Ed25519KeyPair::from_pkcs8(document.as_ref()).expect("its own key")
}

fn public(key: &Ed25519KeyPair) -> [u8; 32] {
    key.public_key().as_ref().try_into().expect("32 bytes")
}

fn sign(key: &Ed25519KeyPair, message: &[u8]) -> [u8; 64] {
    key.sign(message).as_ref().try_into().expect("64 bytes")
}

/// A certificate and key of a gateway, PEM.
pub(crate) fn identity() -> String {
    let key = KeyPair::generate().expect("a key");
    let made = CertificateParams::new(["gateway.example".to_owned()]).expect("a name").self_signed(&key);
    format!("{}{}", made.expect("a certificate").pem(), key.serialize_pem())
}

impl Site {
    /// A site with an empty log.
    pub(crate) fn new(name: &str) -> Self {
        let signer = ed25519();
        let key =
            VerifierKey::new(&format!("sitewarden.example/site/{name}"), public(&signer)).expect("a name");
        Self { identity: identity(), records: Vec::new(), key, signer }
    }

    /// A site that is registered, and its client.
    pub(crate) async fn registered(hub: &Hub, tenant: &str, name: &str) -> (Self, Api) {
        let site = Self::new(name);
        let api = Api::new(hub, Some(&site.identity));
        let code = hub.database.claim(tenant);
        site.register(&api, &code).await.expect(201);
        (site, api)
    }

    pub(crate) async fn register(&self, api: &Api, code: &str) -> Answer {
        api.post("/v1/gateways", &self.registration(code)).await
    }

    pub(crate) fn registration(&self, code: &str) -> Value {
        let name = self.key.name().rsplit('/').next().expect("a name");
        json!({ "claim_code": code, "site_name": name, "version": "1.2.3", "log_key": self.key.to_string() })
    }

    /// Appends a record; gives its number.
    pub(crate) fn append(&mut self, kind: &str, body: &Value) -> u64 {
        let seq = self.records.len() as u64 + 1;
        let time = Timestamp::from_seconds(1_790_000_000 + i64::try_from(seq).expect("small"));
        self.records.push(Record { time, kind: kind.to_owned(), body: body.to_string() });
        seq
    }

    /// Appends the records of one finding that no agent signed; gives its number.
    pub(crate) fn raise(&mut self, id: u64, title: &str) -> u64 {
        self.append("finding.raised", &finding(id, title, "high", "open"))
    }

    /// Appends records that the hub only keeps.
    pub(crate) fn fill(&mut self, count: usize) {
        for number in 0..count {
            self.append("device.seen", &json!({ "actor": "system", "note": format!("filler {number}") }));
        }
    }

    /// Leaf hash of a record.
    pub(crate) fn leaf(&self, seq: u64) -> [u8; 32] {
        let record = &self.records[usize::try_from(seq).expect("small") - 1];
        record::leaf_hash(seq, record.time, &record.kind, record.body.as_bytes())
    }

    /// The checkpoint of the first `size` records, unsigned.
    pub(crate) fn head(&self, size: u64) -> Checkpoint {
        let mut frontier = Frontier::default();
        (1..=size).for_each(|seq| frontier.push(self.leaf(seq)));
        Checkpoint { origin: self.key.name().to_owned(), size, root: frontier.root() }
    }

    /// The signed checkpoint of the first `size` records.
    pub(crate) fn checkpoint(&self, size: u64) -> String {
        self.head(size).sign(&self.key, &|message| sign(&self.signer, message))
    }

    /// A batch of these records, compressed, with this checkpoint.
    pub(crate) fn batch(&self, seqs: RangeInclusive<u64>, checkpoint: Option<&str>) -> Vec<u8> {
        pack(&self.raw(seqs, checkpoint)).expect("compressed")
    }

    /// The same before compression.
    pub(crate) fn raw(&self, seqs: RangeInclusive<u64>, checkpoint: Option<&str>) -> Vec<u8> {
        let mut encoder = Encoder::new(*seqs.start(), Limits::default());
        for seq in seqs {
            let record = &self.records[usize::try_from(seq).expect("small") - 1];
            let fits =
                encoder.push(seq, record.time, &record.kind, record.body.as_bytes()).expect("a record");
            assert!(fits, "the test's batch is too large");
        }
        encoder.finish(checkpoint)
    }

    /// Pushes all records from `first` on with their checkpoint, in one batch; gives `next`.
    #[track_caller]
    pub(crate) fn push_from(&self, api: &Api, first: u64) -> impl Future<Output = String> {
        let size = self.records.len() as u64;
        let (packed, api) = (self.batch(first..=size, Some(&self.checkpoint(size))), api.clone());
        async move { api.push(packed).await.expect(200)["next"].as_str().expect("a number").to_owned() }
    }
}

/// Body of a finding's record.
pub(crate) fn finding(id: u64, title: &str, severity: &str, status: &str) -> Value {
    json!({
        "actor": "system", "id": id.to_string(), "rule_id": "cold-room", "title": title, "summary": "9.1 °C for 5 min",
        "severity": severity, "status": status, "asset": "mqtt:cold-1", "asset_name": "Cold room 1", "count": 1, "demo": false,
    })
}

/// An agent with its key.
#[derive(Debug)]
pub(crate) struct Agent {
    pub(crate) id: DeviceId,
    signer: Ed25519KeyPair,
}

impl Agent {
    pub(crate) fn new(number: u8) -> Self {
        Self { id: DeviceId::from_bytes([number; 8]), signer: ed25519() }
    }

    /// Body of its enrolment's record.
    pub(crate) fn enrolled(&self) -> Value {
        json!({
            "actor": "person:elin", "agent": self.id.to_string(), "device": "agent:1", "link_key": STANDARD.encode([1; 32]),
            "signing_key": STANDARD.encode(public(&self.signer)), "firmware": "1.0.0",
        })
    }

    /// The bytes of a statement that it signed.
    pub(crate) fn statement(&self, sequence: u64) -> Vec<u8> {
        let said = Finding {
            device: self.id,
            sequence,
            boot_id: [3; 8],
            boot_counter: 1,
            uptime_ms: 5_000,
            unix_ms: Some(1_790_000_000_000),
            rule: 1,
            kind: FindingKind::Above,
            state: FindingState::Raised,
            sensor: Some(0),
            quantity: None,
            value: Some(912),
            limit: Some(800),
            parameters: 1,
            lost: None,
        };
        said.sign(&|message| sign(&self.signer, message)).expect("it fits").to_vec()
    }

    /// Body of a finding's record that carries this statement.
    pub(crate) fn finding(&self, id: u64, sequence: u64, statement: &[u8]) -> Value {
        let mut body = finding(id, "Cold room too warm", "critical", "open");
        body["statement"] = json!({
            "format": "cose-sign1", "agent": self.id.to_string(), "sequence": sequence.to_string(),
            "bytes": STANDARD.encode(statement),
        });
        body
    }
}
