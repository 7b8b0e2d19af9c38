//! A peer on an agents' line that is no agent: says what a story tells it, with keys of its own, over TCP.
//!
//! Built on the shared wire format, because refusals must come from the gateway's decisions, not from wrong bytes.

use std::net::SocketAddr;
use std::sync::Mutex;

use ring::signature::{Ed25519KeyPair, KeyPair as _};
use sitewarden_wire::code::Code;
use sitewarden_wire::frame::{self, Header, Kind};
use sitewarden_wire::handshake::{Context, EnrolInitiator, LinkInitiator};
use sitewarden_wire::keys::{KeyPair, Secret};
use sitewarden_wire::limits::MAX_ENCODED;
use sitewarden_wire::message::{EnrolRequest, Hello, ToAgent, ToSite};
use sitewarden_wire::session::Session;
use sitewarden_wire::statement::{Finding, FindingKind, FindingState};
use sitewarden_wire::version::Versions;
use sitewarden_wire::{Blob, DeviceId, Text};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

use super::wait::LIMIT;

/// What the gateway refused.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The text is no code.
    Unreadable,
    /// The first message was not answered.
    Unanswered,
    /// The code was accepted; the device was not.
    Ungranted,
}

/// A device with keys of its own.
pub(crate) struct Peer {
    keys: KeyPair,
    number: u8,
    site: Mutex<[u8; 32]>,
}

struct Line(TcpStream);

impl Line {
    async fn open(address: SocketAddr) -> Self {
        Self(TcpStream::connect(address).await.expect("the gateway listens"))
    }

    /// Sends this and a frame that is always answered: frames are answered in order, so what comes before that answer
    /// is the answer to this, and `None` is a refusal, not a time that passed.
    async fn ask(&mut self, header: Header, body: &[u8]) -> Option<(Header, Vec<u8>)> {
        let mut bytes = [0; MAX_ENCODED];
        let length = frame::encode(header, body, &mut bytes).expect("it fits");
        let both = [&bytes[..length], &asks_for_an_answer()].concat();
        self.0.write_all(&both).await.expect("the gateway reads");
        let mut answer = None;
        loop {
            let next = self.next().await;
            if next.0.kind == Kind::VersionRefused {
                return answer;
            }
            answer = Some(next);
        }
    }

    /// The next frame.
    async fn next(&mut self) -> (Header, Vec<u8>) {
        let mut bytes = Vec::new();
        let read = async {
            loop {
                match self.0.read_u8().await.expect("the gateway keeps the line open") {
                    0 => return,
                    byte => bytes.push(byte),
                }
            }
        };
        tokio::time::timeout(LIMIT, read).await.expect("the gateway answers");
        let frame = frame::decode(&mut bytes).expect("the gateway's frames are good");
        (frame.header, frame.body.to_vec())
    }
}

impl Peer {
    pub(crate) fn new(number: u8) -> Self {
        Self { keys: KeyPair::from_secret(Secret::new([number; 32])), number, site: Mutex::default() }
    }

    /// Its id in the inventory.
    pub(crate) fn id(&self) -> String {
        format!("agent:{}", DeviceId::of(self.keys.public()))
    }

    /// The site's key, as its enrolment told it.
    pub(crate) fn site(&self) -> [u8; 32] {
        *self.site.lock().expect("not poisoned")
    }

    fn context(&self) -> Context {
        Context { version: 1, offered: Versions::OURS, session: next_session() }
    }

    /// Enrols with this code; gives the secret that it was granted.
    pub(crate) async fn enrol(&self, address: SocketAddr, code: &str) -> Result<[u8; 32], Refusal> {
        let code = Code::parse(code).map_err(|_| Refusal::Unreadable)?;
        let mut line = Line::open(address).await;
        let context = self.context();
        let header = |kind| Header { version: 1, kind, session: context.session, sequence: 0 };
        let (state, start) =
            EnrolInitiator::start(context, &self.keys, &code.key(), &Secret::new([self.number ^ 0x5a; 32]))
                .expect("keys");
        let (_, reply) = line.ask(header(Kind::EnrolStart), &start).await.ok_or(Refusal::Unanswered)?;
        let request = EnrolRequest {
            signing: self.signer().public_key().as_ref().try_into().expect("32 bytes"),
            measurement: [0; 32],
            firmware: [0, 1, 0],
            model: Text::new("peer").expect("short"),
        };
        let request = request.encode().expect("it fits");
        let mut replied = state.reply(&reply, &request).expect("the gateway knows the code");
        let answer = line.ask(header(Kind::EnrolFinish), &replied.finish).await;
        let (grant, mut body) = answer.ok_or(Refusal::Ungranted)?;
        let bytes = replied.session.open(grant, &mut body).expect("from who answered");
        let Ok(ToAgent::Grant(grant)) = ToAgent::decode(bytes) else { panic!("no grant") };
        *self.site.lock().expect("not poisoned") = replied.site.link;
        Ok(grant.psk)
    }

    /// Shakes hands as an enrolled device does.
    pub(crate) async fn link(
        &self,
        address: SocketAddr,
        site: &[u8; 32],
        psk: &[u8; 32],
    ) -> Result<Linked, Refusal> {
        let mut line = Line::open(address).await;
        let context = self.context();
        let (state, start) =
            LinkInitiator::start(context, &self.keys, site, &Secret::new(*psk), &Secret::new([9; 32]))
                .expect("keys");
        let header = Header { version: 1, kind: Kind::LinkStart, session: context.session, sequence: 0 };
        let (_, reply) = line.ask(header, &start).await.ok_or(Refusal::Unanswered)?;
        let session = state.finish(&reply).map_err(|_| Refusal::Unanswered)?;
        Ok(Linked { line, session })
    }

    /// A finding of this number, signed with the key of that peer.
    pub(crate) fn finding(&self, sequence: u64, kind: FindingKind, signer: &Self) -> Vec<u8> {
        let finding = Finding {
            device: DeviceId::of(self.keys.public()),
            sequence,
            boot_id: [5; 8],
            boot_counter: 5,
            uptime_ms: 1_000,
            unix_ms: None,
            rule: 0,
            kind,
            state: FindingState::Raised,
            sensor: None,
            quantity: None,
            value: None,
            limit: None,
            parameters: 1,
            lost: None,
        };
        let key = signer.signer();
        let sign = |message: &[u8]| key.sign(message).as_ref().try_into().expect("64 bytes");
        finding.sign(&sign).expect("it fits").to_vec()
    }

    fn signer(&self) -> Ed25519KeyPair {
        Ed25519KeyPair::from_seed_unchecked(&[self.number; 32]).expect("any seed will do")
    }
}

/// A session that stands.
pub(crate) struct Linked {
    line: Line,
    session: Session,
}

/// What the gateway said in a session.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Said {
    Acknowledgement(u64),
    Parameters,
    Time,
}

impl Linked {
    /// Says it; gives what the gateway said before it had handled it.
    pub(crate) async fn say(&mut self, message: &ToSite<'_>) -> Vec<Said> {
        let mut bytes = [0; MAX_ENCODED];
        let message = message.encode().expect("it fits");
        let length = self.session.seal(&message, &mut bytes).expect("the session lasts");
        let both = [&bytes[..length], &asks_for_an_answer()].concat();
        self.line.0.write_all(&both).await.expect("the gateway reads");
        let mut said = Vec::new();
        while let Some(answer) = self.heard().await {
            said.push(answer);
        }
        said
    }

    /// The next that it says; `None` for the answer that is always given.
    pub(crate) async fn heard(&mut self) -> Option<Said> {
        let (header, mut body) = self.line.next().await;
        if header.kind == Kind::VersionRefused {
            return None;
        }
        let bytes = self.session.open(header, &mut body).expect("authentic");
        Some(match ToAgent::decode(bytes).expect("a message") {
            ToAgent::Acknowledgement(sequence) => Said::Acknowledgement(sequence),
            ToAgent::Parameters(_) => Said::Parameters,
            ToAgent::Time(_) => Said::Time,
            ToAgent::Grant(_) => panic!("a grant outside of an enrolment"),
        })
    }

    /// Says who it is: this boot counter, a run named after it.
    pub(crate) async fn hello(&mut self, boot_counter: u8) -> Vec<Said> {
        let hello = Hello {
            measurement: [0; 32],
            firmware: [0, 1, 0],
            model: Text::new("peer").expect("short"),
            boot_counter: u32::from(boot_counter),
            boot_id: [boot_counter; 8],
            uptime_ms: 2_000,
            parameters: 0,
            queued: 0,
        };
        self.say(&ToSite::Hello(hello)).await
    }

    /// Sends a signed finding.
    pub(crate) async fn tell(&mut self, cose: &[u8]) -> Vec<Said> {
        self.say(&ToSite::Finding(Blob::new(cose).expect("it fits"))).await
    }
}

/// A session's number that no other has in this process.
fn next_session() -> u32 {
    use std::sync::atomic::{AtomicU32, Ordering};
    static NEXT: AtomicU32 = AtomicU32::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// A frame of an unknown wire version: the gateway answers with what it speaks.
pub(crate) fn asks_for_an_answer() -> Vec<u8> {
    let mut bytes = [0; MAX_ENCODED];
    let header = Header { version: 77, kind: Kind::LinkStart, session: 1, sequence: 0 };
    let length = frame::encode(header, &[0; 58], &mut bytes).expect("it fits");
    bytes[..length].to_vec()
}

/// Connections from another address of this machine that send garbage and stay, as far as the gateway lets them.
pub(crate) async fn flood(address: SocketAddr, count: usize) -> Vec<TcpStream> {
    let mut open = Vec::new();
    for number in 0..count {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.bind("127.0.0.2:0".parse().expect("an address")).expect("loopback is a whole network");
        let Ok(mut stream) = socket.connect(address).await else { continue };
        let garbage: Vec<u8> =
            (0..4096).map(|n| u8::try_from((n * 31 + number * 7) % 251).expect("small")).collect();
        if stream.write_all(&garbage).await.is_ok() {
            open.push(stream);
        }
    }
    open
}
