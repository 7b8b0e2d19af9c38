//! Peers that are not ours: PyPI `noiseprotocol` shakes hands, PyPI `pycose` and OpenSSL verify a finding.
//!
//! Python is `SITEWARDEN_PYTHON`, else `python3`; it needs `noiseprotocol` and `pycose`. What is missing skips its test by name,
//! and fails it when `CI=true`. The scripts get hexadecimal text and print one line.
//! Invariant: the scripts hold no code of ours, only the protocol's names and the bytes.

use std::io::Write as _;
use std::process::{Command, Stdio};

use ed25519_dalek::{Signer as _, SigningKey};
use sitewarden_agent::wire::code::Code;
use sitewarden_agent::wire::cose::Sign1;
use sitewarden_agent::wire::handshake::{
    Context, EnrolInitiator, EnrolResponder, EnrolStart, LinkInitiator, LinkStart, link_respond,
};
use sitewarden_agent::wire::keys::{KeyPair, Secret};
use sitewarden_agent::wire::version::Versions;

use crate::golden::{finding, finding_key};

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn bytes(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.chars().map(|c| c.to_digit(16).expect("hexadecimal") as u8).collect();
    digits.chunks(2).map(|two| two[0] << 4 | two[1]).collect()
}

/// Runs a script with these words and returns what it printed; `None` if a module or a program is missing.
fn python(modules: &str, script: &str, words: &[String]) -> Option<String> {
    let python = std::env::var("SITEWARDEN_PYTHON").unwrap_or_else(|_| "python3".into());
    let there =
        Command::new(&python).args(["-c", &format!("import {modules}")]).stderr(Stdio::null()).status();
    if !there.is_ok_and(|status| status.success()) {
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "{python} lacks {modules}");
        println!("skipped: {python} lacks {modules}");
        return None;
    }
    let mut child = Command::new(&python)
        .args(["-", words.join(" ").as_str()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "the script failed");
    Some(String::from_utf8(output.stdout).unwrap().trim().to_owned())
}

const SESSION: u32 = 0x0102_0304;
const CONTEXT: Context = Context { version: 1, offered: Versions::OURS, session: SESSION };

/// `sitewarden link `, the version, the range, the session, the device: written down a second time on purpose.
fn prologue(device: &[u8; 8]) -> Vec<u8> {
    [b"sitewarden link ".as_slice(), &[1, 1, 1], &[1, 2, 3, 4], device].concat()
}

#[test]
fn a_foreign_gateway_completes_the_handshake_and_the_session() {
    let script = "
import sys
from noise.connection import NoiseConnection, Keypair
prologue, site, device, psk, start = [bytes.fromhex(word) for word in sys.argv[1].split()]
peer = NoiseConnection.from_name(b'Noise_KKpsk0_25519_ChaChaPoly_SHA256')
peer.set_as_responder()
peer.set_psks(psk)
peer.set_prologue(prologue)
peer.set_keypair_from_private_bytes(Keypair.STATIC, site)
peer.set_keypair_from_public_bytes(Keypair.REMOTE_STATIC, device)
peer.start_handshake()
peer.read_message(start)
reply = peer.write_message(b'')
state = peer.noise_protocol
header = bytes([1, 4, 1, 2, 3, 4, 0, 0, 0, 0])
print(bytes(reply).hex(), state.cipher_state_encrypt.encrypt_with_ad(header, b'from python').hex())
";
    let (device, site) =
        (KeyPair::from_secret(Secret::new([1; 32])), KeyPair::from_secret(Secret::new([2; 32])));
    let psk = Secret::new([3; 32]);
    let (agent, body) =
        LinkInitiator::start(CONTEXT, &device, site.public(), &psk, &Secret::new([4; 32])).unwrap();
    let start = LinkStart::decode(&body).unwrap();
    let words =
        [&prologue(start.device.as_bytes())[..], &[2; 32], device.public(), &[3; 32], &start.noise].map(hex);

    let Some(printed) = python("noise.connection", script, &words) else { return };
    let (reply, sealed) = printed.split_once(' ').unwrap();
    let mut session = agent.finish(&bytes(reply)).expect("the foreign gateway's answer");

    let header = sitewarden_agent::wire::frame::Header {
        version: 1,
        kind: sitewarden_agent::wire::frame::Kind::Data,
        session: SESSION,
        sequence: 0,
    };
    assert_eq!(session.open(header, &mut bytes(sealed)), Ok(b"from python".as_slice()));
}

#[test]
fn a_foreign_agent_completes_the_handshake_and_the_session() {
    let script = "
import sys
from noise.connection import NoiseConnection, Keypair
words = [bytes.fromhex(word) for word in sys.argv[1].split()]
prologue, device, site, psk, ephemeral, reply = words
peer = NoiseConnection.from_name(b'Noise_KKpsk0_25519_ChaChaPoly_SHA256')
peer.set_as_initiator()
peer.set_psks(psk)
peer.set_prologue(prologue)
peer.set_keypair_from_private_bytes(Keypair.STATIC, device)
peer.set_keypair_from_public_bytes(Keypair.REMOTE_STATIC, site)
peer.set_keypair_from_private_bytes(Keypair.EPHEMERAL, ephemeral)
peer.start_handshake()
start = bytes(peer.write_message(b''))
if len(reply) == 1:
    print(start.hex())
else:
    peer.read_message(reply)
    header = bytes([1, 4, 1, 2, 3, 4, 0, 0, 0, 0])
    print(peer.noise_protocol.cipher_state_encrypt.encrypt_with_ad(header, b'from python').hex())
";
    let (device, site) =
        (KeyPair::from_secret(Secret::new([1; 32])), KeyPair::from_secret(Secret::new([2; 32])));
    let id = sitewarden_agent::wire::DeviceId::of(device.public());
    let mut words: Vec<String> =
        [&prologue(id.as_bytes())[..], &[1; 32], site.public(), &[3; 32], &[4; 32], &[0]].map(hex).to_vec();
    let Some(printed) = python("noise.connection", script, &words) else { return };

    let start = LinkStart { offered: Versions::OURS, device: id, noise: bytes(&printed).try_into().unwrap() };
    let (mut session, reply) =
        link_respond(CONTEXT, &start, &site, device.public(), &Secret::new([3; 32]), &Secret::new([5; 32]))
            .expect("the foreign agent's first message");
    words[5] = hex(&reply);
    let sealed = python("noise.connection", script, &words).unwrap();

    let header = sitewarden_agent::wire::frame::Header {
        version: 1,
        kind: sitewarden_agent::wire::frame::Kind::Data,
        session: SESSION,
        sequence: 0,
    };
    assert_eq!(session.open(header, &mut bytes(&sealed)), Ok(b"from python".as_slice()));
}

/// `sitewarden enrol`, the version, the range, the session, no device: written down a second time on purpose.
fn enrolment_prologue() -> Vec<u8> {
    [b"sitewarden enrol".as_slice(), &[1, 1, 1], &[1, 2, 3, 4], &[0; 8]].concat()
}

/// The first frame on the session that an enrolment made.
const ENROLLED: sitewarden_agent::wire::frame::Header = sitewarden_agent::wire::frame::Header {
    version: 1,
    kind: sitewarden_agent::wire::frame::Kind::Data,
    session: SESSION,
    sequence: 0,
};

fn code() -> Secret {
    Code::parse("12345-6789A-BCDEF-GHJZE").expect("a code").key()
}

#[test]
fn a_foreign_gateway_completes_the_enrolment() {
    let script = "
import sys
from noise.connection import NoiseConnection, Keypair
words = [bytes.fromhex(word) for word in sys.argv[1].split()]
prologue, site, ephemeral, code, signing, start, finish = words
peer = NoiseConnection.from_name(b'Noise_XXpsk0_25519_ChaChaPoly_SHA256')
peer.set_as_responder()
peer.set_psks(code)
peer.set_prologue(prologue)
peer.set_keypair_from_private_bytes(Keypair.STATIC, site)
peer.set_keypair_from_private_bytes(Keypair.EPHEMERAL, ephemeral)
peer.start_handshake()
peer.read_message(start)
reply = bytes(peer.write_message(signing))
if len(finish) == 1:
    print(reply.hex())
else:
    state = peer.noise_protocol
    request = bytes(peer.read_message(finish))
    header = bytes([1, 4, 1, 2, 3, 4, 0, 0, 0, 0])
    print(request.hex(), state.cipher_state_encrypt.encrypt_with_ad(header, b'from python').hex())
";
    let (device, site) =
        (KeyPair::from_secret(Secret::new([1; 32])), KeyPair::from_secret(Secret::new([2; 32])));
    let (agent, start) = EnrolInitiator::start(CONTEXT, &device, &code(), &Secret::new([4; 32])).unwrap();
    let noise = &start[2..];
    let mut words: Vec<String> =
        [&enrolment_prologue()[..], &[2; 32], &[5; 32], code().expose(), &[0x66; 32], noise, &[0]]
            .map(hex)
            .to_vec();
    let Some(reply) = python("noise.connection", script, &words) else { return };

    let replied = agent.reply(&bytes(&reply), b"who I am").expect("the foreign gateway's reply");
    assert_eq!((replied.site.link, replied.site.signing), (*site.public(), [0x66; 32]));
    words[6] = hex(&replied.finish);
    let printed = python("noise.connection", script, &words).unwrap();
    let (request, sealed) = printed.split_once(' ').unwrap();
    assert_eq!(bytes(request), b"who I am");
    let mut session = replied.session;
    assert_eq!(session.open(ENROLLED, &mut bytes(sealed)), Ok(b"from python".as_slice()));
}

#[test]
fn a_foreign_agent_completes_the_enrolment_and_one_with_another_code_does_not() {
    let script = "
import sys
from noise.connection import NoiseConnection, Keypair
words = [bytes.fromhex(word) for word in sys.argv[1].split()]
prologue, device, ephemeral, code, request, reply = words
peer = NoiseConnection.from_name(b'Noise_XXpsk0_25519_ChaChaPoly_SHA256')
peer.set_as_initiator()
peer.set_psks(code)
peer.set_prologue(prologue)
peer.set_keypair_from_private_bytes(Keypair.STATIC, device)
peer.set_keypair_from_private_bytes(Keypair.EPHEMERAL, ephemeral)
peer.start_handshake()
start = bytes(peer.write_message(b''))
if len(reply) == 1:
    print(start.hex())
else:
    signing = bytes(peer.read_message(reply))
    finish = bytes(peer.write_message(request))
    header = bytes([1, 4, 1, 2, 3, 4, 0, 0, 0, 0])
    print(signing.hex(), finish.hex(), peer.noise_protocol.cipher_state_encrypt.encrypt_with_ad(header, b'from python').hex())
";
    let (device, site) =
        (KeyPair::from_secret(Secret::new([1; 32])), KeyPair::from_secret(Secret::new([2; 32])));
    let mut words: Vec<String> =
        [&enrolment_prologue()[..], &[1; 32], &[4; 32], code().expose(), b"who I am", &[0]].map(hex).to_vec();
    let Some(printed) = python("noise.connection", script, &words) else { return };

    let start = EnrolStart { offered: Versions::OURS, noise: bytes(&printed).try_into().unwrap() };
    let respond = |code: &Secret| {
        EnrolResponder::respond(CONTEXT, &start, &site, &[0x66; 32], code, &Secret::new([5; 32]))
    };
    assert!(respond(&Secret::new([9; 32])).is_err(), "another code");
    let (responder, reply) = respond(&code()).expect("the foreign agent's first message");
    words[5] = hex(&reply);
    let printed = python("noise.connection", script, &words).unwrap();
    let [signing, finish, sealed] = printed.split(' ').collect::<Vec<_>>().try_into().unwrap();
    assert_eq!(bytes(signing), [0x66; 32]);
    let proved = responder.finish(&bytes(finish)).expect("the foreign agent's second message");
    assert_eq!((proved.device, proved.request.as_slice()), (*device.public(), b"who I am".as_slice()));
    let mut session = proved.session;
    assert_eq!(session.open(ENROLLED, &mut bytes(sealed)), Ok(b"from python".as_slice()));
}

fn signed_finding() -> (Vec<u8>, SigningKey) {
    let key = finding_key();
    (finding().sign(&|message| key.sign(message).to_bytes()).unwrap().to_vec(), key)
}

#[test]
fn pycose_verifies_a_finding_and_refuses_a_changed_one() {
    let script = "
import sys
from pycose.messages import CoseMessage
from pycose.keys import OKPKey
cose, key = [bytes.fromhex(word) for word in sys.argv[1].split()]
message = CoseMessage.decode(cose)
message.key = OKPKey(crv='ED25519', x=key)
print(type(message).__name__, message.verify_signature(), message.payload.hex())
";
    let (cose, key) = signed_finding();
    let words = |cose: &[u8]| [hex(cose), hex(key.verifying_key().as_bytes())];
    let Some(printed) = python("pycose.messages, pycose.keys", script, &words(&cose)) else { return };

    let statement = Sign1::decode(&cose).unwrap();
    let kind = sitewarden_agent::wire::cose::Type::Finding;
    let payload = statement.verify(kind, key.verifying_key().as_bytes(), sitewarden_agent::verify).unwrap();
    assert_eq!(printed, format!("Sign1Message True {}", hex(payload)));

    let mut changed = cose.clone();
    let middle = changed.len() - 70; // in the payload
    changed[middle] ^= 1;
    let printed = python("pycose.messages, pycose.keys", script, &words(&changed)).unwrap();
    assert!(printed.starts_with("Sign1Message False"), "{printed}");
}

/// Takes the four parts of a COSE_Sign1 of our form by hand: RFC 9052 §4.4 says what is signed.
#[test]
fn openssl_verifies_a_finding() {
    if !Command::new("openssl").arg("version").stdout(Stdio::null()).status().is_ok_and(|s| s.success()) {
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "openssl is missing");
        println!("skipped: openssl is missing");
        return;
    }
    let (cose, key) = signed_finding();
    // d2 84 | 58 len protected | a0 | 58 len payload | 58 40 signature
    assert_eq!(cose[..3], [0xd2, 0x84, 0x58]);
    let (protected, rest) = cose[4..].split_at(usize::from(cose[3]));
    assert_eq!(rest[..2], [0xa0, 0x58]);
    let (payload, signature) = rest[3..].split_at(usize::from(rest[2]));
    let signed = [
        b"\x84\x6aSignature1\x58".as_slice(),
        &[protected.len() as u8],
        protected,
        b"\x40\x58",
        &[payload.len() as u8],
        payload,
    ]
    .concat();
    let folder = std::env::temp_dir().join(format!("sitewarden-openssl-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    // SubjectPublicKeyInfo of Ed25519 (RFC 8410 §4).
    let spki =
        [&[0x30, 0x2a, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 3, 0x21, 0][..], key.verifying_key().as_bytes()]
            .concat();
    let files = [("key", &spki[..]), ("signed", &signed), ("signature", &signature[2..])];
    files.iter().for_each(|(name, content)| std::fs::write(folder.join(name), content).unwrap());

    let status = Command::new("openssl")
        .args(["pkeyutl", "-verify", "-pubin", "-keyform", "DER", "-inkey", "key", "-rawin"])
        .args(["-in", "signed", "-sigfile", "signature"])
        .current_dir(&folder)
        .stdout(Stdio::null())
        .status()
        .unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
    assert!(status.success(), "OpenSSL refuses the finding's signature");
}
