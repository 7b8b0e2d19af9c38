//! The two handshakes: link (Noise_KKpsk0_25519_ChaChaPoly_SHA256) and enrolment (Noise_XXpsk0_25519_ChaChaPoly_SHA256).
//!
//! A link needs both static keys and the pre-shared key of the enrolment; its messages carry no payload, because the first
//! one could be replayed. An enrolment needs the one-time code on both sides and exchanges the static keys under it.
//! ```text
//! LinkStart   minimum 1 | maximum 1 | device 8 | Noise 48          EnrolStart   minimum 1 | maximum 1 | Noise 48
//! LinkAccept  Noise 48                                             EnrolReply   Noise 96 + site's signing key 32
//!                                                                  EnrolFinish  Noise 64 + EnrolRequest (CBOR)
//! ```
//! The prologue of both holds the protocol's name, the version that was chosen, the agent's range of versions, the session
//! and (link) the device: whoever changes one of them on the way breaks the handshake.
//! Invariant: a [`Session`] exists only after the peer proved its keys, and a message that fails changes no state.

use crate::keys::{DeviceId, KeyPair, PublicKey, Secret, SigningPublicKey};
use crate::limits::TAG;
use crate::noise::{Handshake, Refused, Role, kk_psk0, xx_psk0};
use crate::session::Session;
use crate::version::Versions;

/// Bytes of either Noise message of the link handshake: ephemeral key and tag.
pub const LINK_NOISE: usize = 32 + TAG;

/// Bytes of a `LinkStart` body.
pub const LINK_START: usize = 2 + 8 + LINK_NOISE;

/// Bytes of an `EnrolStart` body.
pub const ENROL_START: usize = 2 + LINK_NOISE;

/// Bytes of an `EnrolReply` body: ephemeral key, static key and tag, signing key and tag.
pub const ENROL_REPLY: usize = 32 + 32 + TAG + 32 + TAG;

/// Bytes of an `EnrolFinish` body beyond its payload: static key and tag, tag.
pub const ENROL_FINISH: usize = 32 + TAG + TAG;

/// Bytes of the payload of `EnrolFinish`.
pub const MAX_ENROL_REQUEST: usize = 160;

/// Why a handshake message was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HandshakeError {
    /// Wrong length for its kind.
    #[error("a handshake message of {length} bytes instead of {expected}")]
    Length {
        /// The message's length.
        length: usize,
        /// The length that its kind has (for `EnrolFinish` the least).
        expected: usize,
    },
    /// It does not fit our keys, the pre-shared key (or code), the versions or the session.
    #[error("the peer does not hold the expected keys or code, or the message was changed on the way")]
    Refused,
}

impl From<Refused> for HandshakeError {
    fn from(_: Refused) -> Self {
        Self::Refused
    }
}

/// What both ends must agree on before a handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Context {
    /// The version that the gateway chose, or that the agent proposes.
    pub version: u8,
    /// The agent's range.
    pub offered: Versions,
    /// The session that is to be.
    pub session: u32,
}

const PROLOGUE_NAME: usize = 16;
const PROLOGUE: usize = PROLOGUE_NAME + 3 + 4 + 8;

impl Context {
    #[inline(never)] // shared by both handshakes
    fn prologue(self, name: &[u8; PROLOGUE_NAME], device: [u8; 8]) -> [u8; PROLOGUE] {
        let [minimum, maximum] = self.offered.to_bytes();
        let mut prologue = [0; PROLOGUE];
        let parts: [&[u8]; 4] =
            [name, &[self.version, minimum, maximum], &self.session.to_be_bytes(), &device];
        let mut at = 0;
        for part in parts {
            if let Some(room) = prologue.get_mut(at..at + part.len()) {
                room.copy_from_slice(part);
            }
            at += part.len();
        }
        prologue
    }

    fn link(self, device: DeviceId) -> [u8; PROLOGUE] {
        self.prologue(b"sitewarden link ", *device.as_bytes())
    }

    fn enrolment(self) -> [u8; PROLOGUE] {
        self.prologue(b"sitewarden enrol", [0; 8])
    }
}

fn exact<const N: usize>(message: &[u8]) -> Result<&[u8; N], HandshakeError> {
    message.try_into().map_err(|_| HandshakeError::Length { length: message.len(), expected: N })
}

/// What a `LinkStart` says before any key is looked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LinkStart {
    /// The versions that the agent speaks.
    pub offered: Versions,
    /// Who it says that it is.
    pub device: DeviceId,
    /// The Noise message.
    pub noise: [u8; LINK_NOISE],
}

impl LinkStart {
    /// Reads the body of a `LinkStart` frame.
    ///
    /// # Errors
    /// [`HandshakeError::Length`].
    pub fn decode(body: &[u8]) -> Result<Self, HandshakeError> {
        let body = exact::<LINK_START>(body)?;
        let (versions, rest) = body.split_first_chunk::<2>().ok_or(HandshakeError::Refused)?;
        let (device, noise) = rest.split_first_chunk::<8>().ok_or(HandshakeError::Refused)?;
        Ok(Self {
            offered: Versions::from_bytes(*versions),
            device: DeviceId::from_bytes(*device),
            noise: *exact(noise)?,
        })
    }

    /// The body of the frame.
    #[must_use]
    pub fn encode(&self) -> [u8; LINK_START] {
        let mut body = [0; LINK_START];
        let fields = self.offered.to_bytes().into_iter().chain(*self.device.as_bytes()).chain(self.noise);
        body.iter_mut().zip(fields).for_each(|(to, from)| *to = from);
        body
    }
}

/// The agent's side of a link handshake, between its message and the gateway's.
#[derive(Clone)]
pub struct LinkInitiator {
    state: Handshake,
    context: Context,
}

impl LinkInitiator {
    /// Begins a link; the second value is the body of the `LinkStart` frame.
    ///
    /// # Errors
    /// [`HandshakeError::Refused`] if the keys are of no use.
    pub fn start(
        context: Context,
        ours: &KeyPair,
        site: &PublicKey,
        psk: &Secret,
        ephemeral: &Secret,
    ) -> Result<(Self, [u8; LINK_START]), HandshakeError> {
        let device = DeviceId::of(ours.public());
        let prologue = context.link(device);
        let mut state =
            Handshake::new(kk_psk0(), Role::Initiator, &prologue, ours, ephemeral, Some(site), psk)?;
        let mut noise = [0; LINK_NOISE];
        state.write(&[], &mut noise)?;
        let start = LinkStart { offered: context.offered, device, noise };
        Ok((Self { state, context }, start.encode()))
    }

    /// Reads the body of the `LinkAccept` frame.
    ///
    /// # Errors
    /// [`HandshakeError`]; the handshake may still be completed by a right message.
    pub fn finish(&self, body: &[u8]) -> Result<Session, HandshakeError> {
        let (state, _) = self.state.read(exact::<LINK_NOISE>(body)?, &mut [])?;
        Ok(Session::new(self.context.version, self.context.session, state.finish()?))
    }

    /// What the handshake was begun with.
    #[must_use]
    pub const fn context(&self) -> Context {
        self.context
    }
}

/// The gateway's side of a link handshake: answers `start`. The second value is the body of the `LinkAccept` frame.
///
/// # Errors
/// [`HandshakeError::Refused`] if the agent does not hold the key of `device`, or the pre-shared key.
pub fn link_respond(
    context: Context,
    start: &LinkStart,
    ours: &KeyPair,
    device: &PublicKey,
    psk: &Secret,
    ephemeral: &Secret,
) -> Result<(Session, [u8; LINK_NOISE]), HandshakeError> {
    let prologue = context.link(start.device);
    let state = Handshake::new(kk_psk0(), Role::Responder, &prologue, ours, ephemeral, Some(device), psk)?;
    let (mut state, _) = state.read(&start.noise, &mut [])?;
    let mut reply = [0; LINK_NOISE];
    state.write(&[], &mut reply)?;
    Ok((Session::new(context.version, context.session, state.finish()?), reply))
}

/// What an `EnrolStart` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EnrolStart {
    /// The versions that the agent speaks.
    pub offered: Versions,
    /// The Noise message.
    pub noise: [u8; LINK_NOISE],
}

impl EnrolStart {
    /// Reads the body of an `EnrolStart` frame.
    ///
    /// # Errors
    /// [`HandshakeError::Length`].
    pub fn decode(body: &[u8]) -> Result<Self, HandshakeError> {
        let body = exact::<ENROL_START>(body)?;
        let (versions, noise) = body.split_first_chunk::<2>().ok_or(HandshakeError::Refused)?;
        Ok(Self { offered: Versions::from_bytes(*versions), noise: *exact(noise)? })
    }

    fn encode(&self) -> [u8; ENROL_START] {
        let mut body = [0; ENROL_START];
        let fields = self.offered.to_bytes().into_iter().chain(self.noise);
        body.iter_mut().zip(fields).for_each(|(to, from)| *to = from);
        body
    }
}

/// The site's two public keys, as the agent learns them under the code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SiteKeys {
    /// The link's static key.
    pub link: PublicKey,
    /// The key that signs parameters and time.
    pub signing: SigningPublicKey,
}

/// The agent's side of an enrolment, between its first message and the gateway's.
#[derive(Clone)]
pub struct EnrolInitiator {
    state: Handshake,
    context: Context,
}

/// What the gateway's reply makes of an enrolment.
pub struct EnrolReplied {
    /// The site's keys. Pin them only after the grant came: until then the gateway may not have committed.
    pub site: SiteKeys,
    /// The session on which the grant comes.
    pub session: Session,
    /// The body of the `EnrolFinish` frame.
    pub finish: heapless::Vec<u8, { ENROL_FINISH + MAX_ENROL_REQUEST }>,
}

impl EnrolInitiator {
    /// Begins an enrolment; `code` is [`crate::code::Code::key`]. The second value is the body of the `EnrolStart` frame.
    ///
    /// # Errors
    /// [`HandshakeError::Refused`] if the keys are of no use.
    pub fn start(
        context: Context,
        ours: &KeyPair,
        code: &Secret,
        ephemeral: &Secret,
    ) -> Result<(Self, [u8; ENROL_START]), HandshakeError> {
        let prologue = context.enrolment();
        let mut state = Handshake::new(xx_psk0(), Role::Initiator, &prologue, ours, ephemeral, None, code)?;
        let mut noise = [0; LINK_NOISE];
        state.write(&[], &mut noise)?;
        let start = EnrolStart { offered: context.offered, noise };
        Ok((Self { state, context }, start.encode()))
    }

    /// Reads the body of the `EnrolReply` frame and answers with `request`, the encoded [`crate::message::EnrolRequest`].
    ///
    /// # Errors
    /// [`HandshakeError`]; the enrolment may still be completed by a right message.
    pub fn reply(&self, body: &[u8], request: &[u8]) -> Result<EnrolReplied, HandshakeError> {
        let mut signing: SigningPublicKey = [0; 32];
        let (mut state, _) = self.state.read(exact::<ENROL_REPLY>(body)?, &mut signing)?;
        let mut finish = heapless::Vec::new();
        let length = ENROL_FINISH + request.len();
        finish
            .resize(length, 0)
            .map_err(|_| HandshakeError::Length { length, expected: ENROL_FINISH + MAX_ENROL_REQUEST })?;
        state.write(request, &mut finish)?;
        let finished = state.finish()?;
        let link = finished.peer.ok_or(HandshakeError::Refused)?;
        let session = Session::new(self.context.version, self.context.session, finished);
        Ok(EnrolReplied { site: SiteKeys { link, signing }, session, finish })
    }

    /// What the enrolment was begun with.
    #[must_use]
    pub const fn context(&self) -> Context {
        self.context
    }
}

/// The gateway's side of an enrolment, between its message and the agent's second.
#[derive(Clone)]
pub struct EnrolResponder {
    state: Handshake,
    context: Context,
}

/// An agent that proved the code.
pub struct EnrolProved {
    /// The agent's link key, to be pinned.
    pub device: PublicKey,
    /// The session on which the grant goes.
    pub session: Session,
    /// The encoded [`crate::message::EnrolRequest`].
    pub request: heapless::Vec<u8, MAX_ENROL_REQUEST>,
}

impl EnrolResponder {
    /// Answers `start` under one code. The second value is the body of the `EnrolReply` frame.
    ///
    /// # Errors
    /// [`HandshakeError::Refused`] if the agent holds another code: the next open code may be tried.
    pub fn respond(
        context: Context,
        start: &EnrolStart,
        ours: &KeyPair,
        signing: &SigningPublicKey,
        code: &Secret,
        ephemeral: &Secret,
    ) -> Result<(Self, [u8; ENROL_REPLY]), HandshakeError> {
        let prologue = context.enrolment();
        let state = Handshake::new(xx_psk0(), Role::Responder, &prologue, ours, ephemeral, None, code)?;
        let (mut state, _) = state.read(&start.noise, &mut [])?;
        let mut reply = [0; ENROL_REPLY];
        state.write(signing, &mut reply)?;
        Ok((Self { state, context }, reply))
    }

    /// Reads the body of the `EnrolFinish` frame.
    ///
    /// # Errors
    /// [`HandshakeError`]; the enrolment may still be completed by a right message.
    pub fn finish(&self, body: &[u8]) -> Result<EnrolProved, HandshakeError> {
        let too_short = HandshakeError::Length { length: body.len(), expected: ENROL_FINISH };
        let length = body.len().checked_sub(ENROL_FINISH).ok_or(too_short)?;
        let mut request = heapless::Vec::new();
        request.resize(length, 0).map_err(|_| too_short)?;
        let (state, _) = self.state.read(body, &mut request)?;
        let finished = state.finish()?;
        let device = finished.peer.ok_or(HandshakeError::Refused)?;
        Ok(EnrolProved {
            device,
            session: Session::new(self.context.version, self.context.session, finished),
            request,
        })
    }
}

/// Fuzz body: handshake messages from hostile bytes, to each of the five readers.
pub fn fuzz_handshake(data: &[u8]) {
    let pair = KeyPair::from_secret(Secret::new([1; 32]));
    let secret = Secret::new([2; 32]);
    let context = Context { version: 1, offered: Versions::OURS, session: 7 };
    if let Ok(start) = LinkStart::decode(data) {
        assert_eq!(start.encode().as_slice(), data, "encode(decode(x)) = x");
        let answer = link_respond(context, &start, &pair, pair.public(), &secret, &secret);
        assert!(answer.is_err(), "nobody guesses a tag");
    }
    if let Ok(start) = EnrolStart::decode(data) {
        assert!(EnrolResponder::respond(context, &start, &pair, &[0; 32], &secret, &secret).is_err());
    }
    if let Ok((initiator, _)) = LinkInitiator::start(context, &pair, pair.public(), &secret, &secret) {
        assert!(initiator.finish(data).is_err());
    }
    if let Ok((initiator, start)) = EnrolInitiator::start(context, &pair, &secret, &secret) {
        assert!(initiator.reply(data, &[]).is_err());
        let start = EnrolStart::decode(&start).expect("what we encoded");
        let (responder, _) = EnrolResponder::respond(context, &start, &pair, &[0; 32], &secret, &secret)
            .expect("the same code on both sides");
        assert!(responder.finish(data).is_err());
    }
}

#[cfg(test)]
mod tests;
