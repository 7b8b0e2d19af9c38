//! A finding's proof is complete: statement, records, inclusion, checkpoint and keys lead from one to the other.
//!
//! Checked here with the format's own functions, and by PyPI's pycose and cryptography; Go's packages check inclusion in the stories.

use std::io::Write as _;
use std::process::{Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::digest::{SHA256, digest};
use ring::signature::{ED25519, UnparsedPublicKey};
use serde_json::Value;
use sitewarden_log::{SignedNote, VerifierKey, number, tree};

use crate::support::api::Api;
use crate::support::hub::Hub;
use crate::support::postgres::skip;
use crate::support::site::{Agent, Site};

fn bytes(value: &Value) -> Vec<u8> {
    STANDARD.decode(value.as_str().expect("base64")).expect("base64")
}

#[tokio::test]
async fn a_signed_finding_is_proven_from_the_agents_key_to_the_sites_checkpoint() {
    let Some(hub) = Hub::with_tenant() else { return };
    let (mut site, api) = Site::registered(&hub, "north", "one").await;
    let agent = Agent::new(1);
    site.fill(700);
    site.append("agent.enrolled", &agent.enrolled());
    site.fill(600);
    let statement = agent.statement(9);
    let seq = site.append("finding.raised", &agent.finding(5, 9, &statement));
    site.fill(300);
    for (first, last) in [(1, 800), (801, 1_602)] {
        api.push(site.batch(first..=last, Some(&site.checkpoint(last)))).await.expect(200);
    }
    let password = hub.database.account("north", "elin");
    let elin = Api::signed_in(&hub, "elin", &password).await;
    let id = hub.database.sql("SELECT id FROM hub.site");

    let answer = elin.get(&format!("/v1/sites/{id}/findings/5/proof?download=true")).await;

    let named = answer.headers["content-disposition"].to_str().expect("ASCII").to_owned();
    assert_eq!(named, format!("attachment; filename=\"finding-{id}-5.json\""));
    let proof = answer.expect(200);
    assert_eq!(
        (&proof["finding"]["signature"], &proof["finding"]["proven"]),
        (&"verified".into(), &true.into())
    );
    let key: VerifierKey = proof["log_key"].as_str().expect("text").parse().expect("a key");
    let note = SignedNote::parse(proof["checkpoint"].as_str().expect("a note")).expect("a note");
    let check = |key: &[u8; 32], message: &[u8], signature: &[u8]| {
        UnparsedPublicKey::new(&ED25519, key).verify(message, signature).is_ok()
    };
    let checkpoint = note.verify(&key, &check).expect("signed by the site");
    assert_eq!((key, checkpoint.size), (site.key.clone(), 1_602));
    let records = proof["records"].as_array().expect("records");
    assert_eq!(
        records.iter().map(|record| record["seq"].to_string()).collect::<Vec<_>>(),
        ["\"701\"", "\"1302\""]
    );
    for record in records {
        let leaf = digest(&SHA256, &[&[0], &bytes(&record["bytes"])[..]].concat());
        assert_eq!(leaf.as_ref(), bytes(&record["leaf_hash"]));
        let leaf: [u8; 32] = leaf.as_ref().try_into().expect("32 bytes");
        let path = record["inclusion"]["path"].as_array().expect("a path");
        let path: Vec<[u8; 32]> = path
            .iter()
            .map(|hash| number::parse_hash(hash.as_str().expect("text")).expect("a hash"))
            .collect();
        let index = record["seq"].as_str().expect("text").parse::<u64>().expect("a number") - 1;
        assert!(tree::verify_inclusion(&leaf, index, checkpoint.size, &path, &checkpoint.root));
    }
    assert_eq!(bytes(&proof["statement"]["bytes"]), statement);
    assert_eq!(proof["statement"]["enrolled_seq"], "701");
    assert_eq!(
        (&proof["statement"]["says"]["kind"], &proof["statement"]["says"]["value"]),
        (&"above".into(), &912.into())
    );
    let carried = String::from_utf8_lossy(&bytes(&records[1]["bytes"])).into_owned();
    assert!(carried.contains(&STANDARD.encode(&statement)), "record {seq} carries the statement");
    let enrolment = String::from_utf8_lossy(&bytes(&records[0]["bytes"])).into_owned();
    assert!(enrolment.contains(proof["statement"]["signing_key"].as_str().expect("text")));
}

#[tokio::test]
async fn what_no_checkpoint_covers_is_not_called_proven() {
    let Some(hub) = Hub::with_tenant() else { return };
    let (mut site, api) = Site::registered(&hub, "north", "one").await;
    site.raise(1, "Cold room too warm");
    api.push(site.batch(1..=1, None)).await.expect(200);
    let password = hub.database.account("north", "elin");
    let elin = Api::signed_in(&hub, "elin", &password).await;
    let id = hub.database.sql("SELECT id FROM hub.site");

    let proof = elin.get(&format!("/v1/sites/{id}/findings/1/proof")).await.expect(200);

    assert_eq!(proof["finding"]["proven"], false);
    assert_eq!((&proof["checkpoint"], &proof["statement"]), (&Value::Null, &Value::Null));
    assert_eq!(proof["records"][0]["inclusion"], Value::Null);
    elin.get(&format!("/v1/sites/{id}/findings/2/proof")).await.problem(404, "not-found");
}

/// pycose reads the statement, cryptography checks the checkpoint's signature; both know nothing of ours.
const STRANGER: &str = r#"
import base64, hashlib, json, sys
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from pycose.keys import OKPKey
from pycose.messages import CoseMessage
decode = base64.b64decode
proof = json.load(sys.stdin)
message = CoseMessage.decode(decode(proof["statement"]["bytes"]))
message.key = OKPKey(crv="ED25519", x=decode(proof["statement"]["signing_key"]))
print("statement", message.verify_signature())
text, signature = proof["checkpoint"].split("\n\n")
key = decode(proof["log_key"].split("+", 2)[2])
Ed25519PublicKey.from_public_bytes(key[1:]).verify(decode(signature.split()[2])[4:], (text + "\n").encode())
print("checkpoint", text.split("\n")[1])
for record in proof["records"]:
    leaf = hashlib.sha256(b"\0" + decode(record["bytes"])).digest()
    print("leaf", record["seq"], leaf == decode(record["leaf_hash"]))
enrolled = json.loads(decode(proof["records"][0]["bytes"])[20 + len(proof["records"][0]["kind"]):])
print("enrolled", enrolled["signing_key"] == proof["statement"]["signing_key"])
"#;

#[tokio::test]
async fn pycose_and_cryptography_check_what_the_hub_gives() {
    let python = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../.venv/bin/python");
    if !python.exists() {
        skip("the Python tools are not installed (make setup)");
        return;
    }
    let Some(hub) = Hub::with_tenant() else { return };
    let (mut site, api) = Site::registered(&hub, "north", "one").await;
    let agent = Agent::new(1);
    site.append("agent.enrolled", &agent.enrolled());
    site.append("finding.raised", &agent.finding(5, 9, &agent.statement(9)));
    site.push_from(&api, 1).await;
    let password = hub.database.account("north", "elin");
    let elin = Api::signed_in(&hub, "elin", &password).await;
    let id = hub.database.sql("SELECT id FROM hub.site");
    let proof = elin.get(&format!("/v1/sites/{id}/findings/5/proof")).await.expect(200);
    let check = |proof: &Value| {
        let mut child = Command::new(&python)
            .args(["-c", STRANGER])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("Python starts");
        child.stdin.take().expect("piped").write_all(proof.to_string().as_bytes()).expect("it reads");
        let done = child.wait_with_output().expect("it ends");
        (done.status.success(), String::from_utf8_lossy(&done.stdout).into_owned())
    };

    let (good, said) = check(&proof);

    let wanted = ["statement True", "checkpoint 2", "leaf 1 True", "leaf 2 True", "enrolled True"];
    assert_eq!((good, said.lines().collect::<Vec<_>>()), (true, wanted.to_vec()));
    let mut bent = proof.clone();
    bent["checkpoint"] = proof["checkpoint"].as_str().expect("text").replacen("\n2\n", "\n3\n", 1).into();
    assert!(!check(&bent).0, "the same tools find a lie");
    let mut statement = bytes(&proof["statement"]["bytes"]);
    let middle = statement.len() - 70;
    statement[middle] ^= 1;
    bent = proof.clone();
    bent["statement"]["bytes"] = STANDARD.encode(statement).into();
    assert!(check(&bent).1.starts_with("statement False"));
}
