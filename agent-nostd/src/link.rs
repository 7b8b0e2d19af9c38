//! The agent's end of the line: enrols, shakes hands, seals and opens. It does not know what a message is about.
//!
//! Every wait has a time-out and every repeated attempt a pause that doubles; a hint of the line (unknown session, other
//! version) only brings the next handshake forward, because anybody can write it.
//! Invariant: keys of a site are handed out only with its grant, which is authentic under the one-time code.

use sitewarden_wire::frame::{self, Deframer, Frame, Header, Kind};
use sitewarden_wire::handshake::{Context, EnrolInitiator, EnrolReplied, LinkInitiator, SiteKeys};
use sitewarden_wire::keys::{KeyPair, Secret};
use sitewarden_wire::limits::MAX_ENCODED;
use sitewarden_wire::message::{EnrolRequest, ToAgent, ToSite};
use sitewarden_wire::session::Session;
use sitewarden_wire::version::{CURRENT, Versions};

use crate::limits::{HANDSHAKE_PAUSE_MS, HANDSHAKE_TIMEOUT_MS, HINT_INTERVAL_MS};
use crate::store::Enrolment;

/// What the line brought.
#[derive(Debug)]
pub(crate) enum Incoming<'a> {
    /// A session stands: nothing was said in it yet.
    Connected,
    /// An authentic message.
    Message(ToAgent<'a>),
    /// The enrolment is done: store this.
    Granted(Enrolment),
}

/// Who the agent is, as far as the line needs it.
pub(crate) struct Ours<'a> {
    pub(crate) keys: &'a KeyPair,
    pub(crate) enrolment: Option<&'a Enrolment>,
    pub(crate) code: &'a Secret,
}

enum Phase {
    /// Nothing is under way; the next handshake is due at the deadline.
    Idle,
    Linking(LinkInitiator),
    Enrolling(EnrolInitiator),
    /// The code is proved; the grant is due.
    Proved(EnrolReplied),
    Up(Session),
}

/// The agent's end of one line.
pub(crate) struct Link {
    deframer: Deframer,
    phase: Phase,
    deadline_ms: u64,
    pause_ms: u64,
    hinted_ms: Option<u64>,
    version: u8,
    output: heapless::Vec<u8, MAX_ENCODED>,
}

impl Link {
    pub(crate) fn new() -> Self {
        Self {
            deframer: Deframer::default(),
            phase: Phase::Idle,
            deadline_ms: 0,
            pause_ms: HANDSHAKE_TIMEOUT_MS,
            hinted_ms: None,
            version: CURRENT,
            output: heapless::Vec::new(),
        }
    }

    pub(crate) fn is_up(&self) -> bool {
        matches!(self.phase, Phase::Up(_))
    }

    pub(crate) fn output(&self) -> &[u8] {
        &self.output
    }

    pub(crate) fn written(&mut self, length: usize) {
        let gone = self.output.len().min(length);
        self.output.rotate_left(gone);
        self.output.truncate(self.output.len() - gone);
    }

    /// When [`Link::poll`] has something to do, unless the link is up.
    pub(crate) fn deadline(&self) -> Option<u64> {
        (!self.is_up()).then_some(self.deadline_ms)
    }

    /// Gives the session up and begins a new one at once.
    pub(crate) fn restart(&mut self, now_ms: u64) {
        self.phase = Phase::Idle;
        self.deadline_ms = now_ms;
    }

    /// Begins what is due. A frame that did not leave yet is not replaced: the line is slower than the deadline.
    #[inline(never)] // its frame is freed before the next one's begins
    pub(crate) fn poll(&mut self, now_ms: u64, ours: &Ours<'_>, random: &mut dyn FnMut() -> Secret) {
        if self.is_up() || now_ms < self.deadline_ms || !self.output.is_empty() {
            return;
        }
        let session = random();
        let [a, b, c, d, ..] = *session.expose();
        let session = u32::from_be_bytes([a, b, c, d]);
        let context = Context { version: self.version, offered: Versions::OURS, session };
        self.deadline_ms = now_ms.saturating_add(self.pause_ms);
        self.pause_ms = (self.pause_ms * 2).min(HANDSHAKE_PAUSE_MS);
        self.phase = Phase::Idle;
        match ours.enrolment {
            Some(enrolment) => self.begin_link(context, ours.keys, enrolment, &random()),
            None => self.begin_enrolment(context, ours.keys, ours.code, &random()),
        }
    }

    #[inline(never)] // one frame at a time
    fn begin_link(&mut self, context: Context, keys: &KeyPair, enrolment: &Enrolment, ephemeral: &Secret) {
        let Enrolment { site, psk } = enrolment;
        // A refusal here means keys of no use; the deadline brings the next attempt.
        if let Ok((state, body)) = LinkInitiator::start(context, keys, &site.link, psk, ephemeral) {
            self.phase = Phase::Linking(state);
            self.send(begin(context, Kind::LinkStart), &body);
        }
    }

    #[inline(never)] // one frame at a time
    fn begin_enrolment(&mut self, context: Context, keys: &KeyPair, code: &Secret, ephemeral: &Secret) {
        if let Ok((state, body)) = EnrolInitiator::start(context, keys, code, ephemeral) {
            self.phase = Phase::Enrolling(state);
            self.send(begin(context, Kind::EnrolStart), &body);
        }
    }

    /// Seals `message`. Says whether it is in the output; if not, the line is busy, or the session is used up and given up.
    #[inline(never)] // its frame is freed before the next one's begins
    pub(crate) fn say(&mut self, message: &ToSite<'_>, now_ms: u64) -> bool {
        let Phase::Up(session) = &mut self.phase else { return false };
        if !self.output.is_empty() {
            return false;
        }
        let Ok(message) = message.encode() else { return false };
        let mut bytes = [0; MAX_ENCODED];
        match session.seal(&message, &mut bytes) {
            Ok(length) => self.output.extend_from_slice(&bytes[..length]).is_ok(),
            Err(_) => {
                self.restart(now_ms);
                false
            }
        }
    }

    #[inline(never)] // its frame is freed before the next one's begins
    fn send(&mut self, header: Header, body: &[u8]) {
        let mut bytes = [0; MAX_ENCODED];
        if let Ok(length) = frame::encode(header, body, &mut bytes) {
            self.output.clear();
            // One frame of at most MAX_ENCODED bytes fits an empty output.
            let _ = self.output.extend_from_slice(&bytes[..length]);
        }
    }

    /// Takes bytes from the front of `input` until one frame told something; call it until it gives nothing.
    pub(crate) fn receive<'b>(
        &mut self,
        input: &mut &[u8],
        now_ms: u64,
        request: &EnrolRequest<'_>,
        buffer: &'b mut [u8; MAX_ENCODED],
    ) -> Option<Incoming<'b>> {
        loop {
            let Ok(Frame { header, body }) = self.deframer.advance(input)? else { continue };
            let length = body.len();
            let body = match buffer.get_mut(..length) {
                Some(room) => {
                    room.copy_from_slice(body);
                    room
                }
                None => continue,
            };
            match header.kind {
                Kind::LinkAccept if self.accept(header, body) => return Some(Incoming::Connected),
                Kind::EnrolReply => self.prove(header, body, now_ms, request),
                Kind::VersionRefused => self.refused(body, now_ms),
                Kind::SessionUnknown => self.unknown(header, now_ms),
                Kind::Data => {
                    if let Some(length) = self.open(header, body) {
                        return self.told(length, buffer);
                    }
                }
                _ => {}
            }
        }
    }

    #[inline(never)] // its frame is freed before the next one's begins
    fn accept(&mut self, header: Header, body: &[u8]) -> bool {
        let Phase::Linking(state) = &self.phase else { return false };
        if header.session != state.context().session {
            return false;
        }
        let Ok(session) = state.finish(body) else { return false };
        self.phase = Phase::Up(session);
        self.pause_ms = HANDSHAKE_TIMEOUT_MS;
        true
    }

    #[inline(never)] // its frame is freed before the next one's begins
    fn prove(&mut self, header: Header, body: &[u8], now_ms: u64, request: &EnrolRequest<'_>) {
        let Phase::Enrolling(state) = &self.phase else { return };
        let context = state.context();
        if header.session != context.session {
            return;
        }
        let Ok(request) = request.encode() else { return };
        let Ok(replied) = state.reply(body, &request) else { return };
        let finish = Header { kind: Kind::EnrolFinish, version: context.version, ..header };
        self.send(finish, &replied.finish);
        self.phase = Phase::Proved(replied);
        self.deadline_ms = now_ms.saturating_add(self.pause_ms);
    }

    /// The gateway speaks another range: choose the highest common version, for the next handshake.
    fn refused(&mut self, body: &[u8], now_ms: u64) {
        let Ok(theirs) = <[u8; 2]>::try_from(body) else { return };
        if !matches!(self.phase, Phase::Linking(_) | Phase::Enrolling(_)) {
            return;
        }
        let Ok(version) = Versions::OURS.negotiate(Versions::from_bytes(theirs)) else { return };
        if version != self.version {
            self.version = version;
            self.restart(now_ms);
        }
    }

    fn unknown(&mut self, header: Header, now_ms: u64) {
        let Phase::Up(session) = &self.phase else { return };
        let too_soon = self.hinted_ms.is_some_and(|hinted| now_ms.saturating_sub(hinted) < HINT_INTERVAL_MS);
        if session.id() == header.session && !too_soon {
            self.hinted_ms = Some(now_ms);
            self.restart(now_ms);
        }
    }

    fn open(&mut self, header: Header, body: &mut [u8]) -> Option<usize> {
        let session = match &mut self.phase {
            Phase::Up(session) => session,
            Phase::Proved(replied) => &mut replied.session,
            _ => return None,
        };
        session.open(header, body).ok().map(<[u8]>::len)
    }

    fn told<'b>(&self, length: usize, buffer: &'b [u8; MAX_ENCODED]) -> Option<Incoming<'b>> {
        let message = ToAgent::decode(buffer.get(..length)?).ok()?;
        match (&self.phase, message) {
            (Phase::Up(_), ToAgent::Grant(_)) => None,
            (Phase::Up(_), message) => Some(Incoming::Message(message)),
            (Phase::Proved(replied), ToAgent::Grant(grant)) => {
                let site: SiteKeys = replied.site;
                Some(Incoming::Granted(Enrolment { site, psk: Secret::new(grant.psk) }))
            }
            _ => None,
        }
    }

    /// The enrolment is stored: the next handshake is a link's.
    pub(crate) fn enrolled(&mut self, now_ms: u64) {
        self.pause_ms = HANDSHAKE_TIMEOUT_MS;
        self.restart(now_ms);
    }
}

const fn begin(context: Context, kind: Kind) -> Header {
    Header { version: context.version, kind, session: context.session, sequence: 0 }
}
