//! The gateway's end of one line (a serial port or a TCP connection) as a state machine without I/O.
//!
//! Bytes, the time and fresh secrets go in; one [`Event`] per frame and the bytes of [`Server::output`] come out. It answers
//! handshakes, decrypts, checks signatures, and holds the open enrolment codes. It stores nothing: whoever drives it commits
//! a finding and then calls [`Server::acknowledge`], commits an enrolment and then calls [`Server::grant`].
//!
//! Law of use: after each [`Server::receive`] that gave an event, handle the event, then write [`Server::output`].
//!
//! Invariants: memory is fixed, whatever comes in; a stranger's handshake never ends a running session, only a peer that
//! proved the device's key does; nobody is acknowledged but by the owner's call.

mod enrol;
mod event;

pub use enrol::{Offer, OfferError};
pub use event::{Dropped, Event, SendError};

use crate::frame::{self, Deframer, Frame, FrameError, Header, Kind};
use crate::handshake::{Context, LINK_NOISE, LinkStart, link_respond};
use crate::keys::{DeviceId, KeyPair, PublicKey, Secret, SigningPublicKey, Verify};
use crate::limits::{HANDSHAKE_BURST, HANDSHAKE_INTERVAL_MS, MAX_COSE, MAX_ENCODED, MAX_OUTBOX};
use crate::message::{ToAgent, ToSite};
use crate::session::Session;
use crate::statement::Finding;
use crate::version::{CURRENT, Versions};
use crate::{Blob, handshake::HandshakeError};

/// The site's keys, as far as a line needs them.
#[derive(Debug, Clone)]
pub struct Site {
    /// The link's static key pair.
    pub link: KeyPair,
    /// The key whose private half signs parameters and time.
    pub signing: SigningPublicKey,
}

/// What the site pinned when it enrolled a device.
#[derive(Debug, Clone)]
pub struct Device {
    /// The device's link key.
    pub link: PublicKey,
    /// The key that signs its findings.
    pub signing: SigningPublicKey,
    /// The pre-shared key that its enrolment gave it.
    pub psk: Secret,
}

/// Finds a device by its identifier among those that are enrolled and not blocked.
pub type Find<'f> = &'f dyn Fn(DeviceId) -> Option<Device>;

/// Makes a fresh random secret.
pub type Random<'r> = &'r mut dyn FnMut() -> Secret;

struct Link {
    device: DeviceId,
    signing: SigningPublicKey,
    session: Session,
}

struct Pending {
    link: Link,
    start: LinkStart,
    reply: [u8; LINK_NOISE],
}

/// The gateway's end of one line.
pub struct Server {
    deframer: Deframer,
    core: Core,
}

struct Core {
    site: Site,
    verify: Verify,
    active: Option<Link>,
    pending: Option<Pending>,
    enrolment: enrol::Enrolment,
    outbox: heapless::Vec<u8, MAX_OUTBOX>,
    handshakes: u32,
    refilled_ms: u64,
    heard_ms: Option<u64>,
}

impl Server {
    /// An end for one line that was just opened.
    #[must_use]
    pub fn new(site: Site, verify: Verify) -> Self {
        let core = Core {
            site,
            verify,
            active: None,
            pending: None,
            enrolment: enrol::Enrolment::default(),
            outbox: heapless::Vec::new(),
            handshakes: HANDSHAKE_BURST,
            refilled_ms: 0,
            heard_ms: None,
        };
        Self { deframer: Deframer::default(), core }
    }

    /// Takes bytes from the front of `input` until one frame was handled; call it until it gives nothing.
    ///
    /// `now_ms` is a monotonic time in milliseconds.
    pub fn receive<'s>(
        &'s mut self,
        input: &mut &[u8],
        now_ms: u64,
        random: Random<'_>,
        find: Find<'_>,
    ) -> Option<Event<'s>> {
        let Self { deframer, core } = self;
        let frame = deframer.advance(input)?;
        Some(match frame {
            Ok(frame) => core.frame(frame, now_ms, random, find),
            Err(error) => core.no_frame(error),
        })
    }

    /// What is to be written to the line.
    #[must_use]
    pub fn output(&self) -> &[u8] {
        &self.core.outbox
    }

    /// The first `length` bytes of [`Server::output`] were written.
    pub fn written(&mut self, length: usize) {
        let outbox = &mut self.core.outbox;
        let gone = outbox.len().min(length);
        outbox.rotate_left(gone);
        outbox.truncate(outbox.len() - gone);
    }

    /// The device that proved itself on this line.
    #[must_use]
    pub fn device(&self) -> Option<DeviceId> {
        self.core.active.as_ref().map(|link| link.device)
    }

    /// When the device's last authentic message came.
    #[must_use]
    pub fn heard_ms(&self) -> Option<u64> {
        self.core.heard_ms
    }

    /// Ends the session: the device was blocked or removed. It may shake hands again if it is still found.
    pub fn disconnect(&mut self) {
        self.core.active = None;
        self.core.pending = None;
    }

    /// Tells the device that the finding of this number is committed.
    ///
    /// # Errors
    /// [`SendError`]; the device sends the finding again, so nothing is lost.
    pub fn acknowledge(&mut self, sequence: u64) -> Result<(), SendError> {
        self.core.send(&ToAgent::Acknowledgement(sequence))
    }

    /// Sends parameters that [`crate::statement::Parameters::sign`] made.
    ///
    /// # Errors
    /// [`SendError`].
    pub fn send_parameters(&mut self, cose: &[u8]) -> Result<(), SendError> {
        self.core.send(&ToAgent::Parameters(statement(cose)?))
    }

    /// Sends a time that [`crate::statement::Time::sign`] made.
    ///
    /// # Errors
    /// [`SendError`].
    pub fn send_time(&mut self, cose: &[u8]) -> Result<(), SendError> {
        self.core.send(&ToAgent::Time(statement(cose)?))
    }
}

fn statement(cose: &[u8]) -> Result<Blob<'_, MAX_COSE>, SendError> {
    Blob::new(cose).ok_or(SendError::TooLong { length: cose.len() })
}

impl Core {
    fn no_frame(&mut self, error: FrameError) -> Event<'static> {
        if let FrameError::Version { .. } = error {
            self.refuse_version(0);
        }
        Event::Dropped(Dropped::Frame(error))
    }

    fn frame<'s>(
        &'s mut self,
        frame: Frame<'s>,
        now_ms: u64,
        random: Random<'_>,
        find: Find<'_>,
    ) -> Event<'s> {
        let Frame { header, body } = frame;
        let handled = match header.kind {
            Kind::LinkStart => self.link_start(header, body, now_ms, random, find),
            Kind::EnrolStart => self.enrol_start(header, body, now_ms, random),
            Kind::EnrolFinish => return self.enrol_finish(header, body).unwrap_or_else(Event::Dropped),
            Kind::Data => return self.data(header, body, now_ms).unwrap_or_else(Event::Dropped),
            Kind::LinkAccept | Kind::VersionRefused | Kind::EnrolReply | Kind::SessionUnknown => {
                Err(Dropped::NotForUs { kind: header.kind })
            }
        };
        handled.map_or_else(Event::Dropped, |()| Event::Answered)
    }

    /// Appends a frame to the output, whole or not at all.
    fn push(&mut self, header: Header, body: &[u8]) -> Result<(), Dropped> {
        let mut bytes = [0; MAX_ENCODED];
        let length = frame::encode(header, body, &mut bytes).map_err(Dropped::Frame)?;
        let bytes = bytes.get(..length).ok_or(Dropped::OutboxFull)?;
        self.outbox.extend_from_slice(bytes).map_err(|_| Dropped::OutboxFull)
    }

    fn refuse_version(&mut self, session: u32) {
        let header = Header { version: CURRENT, kind: Kind::VersionRefused, session, sequence: 0 };
        // A hint: if there is no room for it, the agent asks again.
        let _ = self.push(header, &Versions::OURS.to_bytes());
    }

    /// The version to speak, if the frame's is the one that both ends must choose.
    fn version(&mut self, header: Header, offered: Versions) -> Result<u8, Dropped> {
        match Versions::OURS.negotiate(offered) {
            Ok(version) if version == header.version => Ok(version),
            Ok(version) => {
                self.refuse_version(header.session);
                Err(Dropped::Downgrade { proposed: header.version, due: version })
            }
            Err(error) => {
                self.refuse_version(header.session);
                Err(Dropped::Version(error))
            }
        }
    }

    /// Takes one handshake from the allowance of this line.
    fn allow_handshake(&mut self, now_ms: u64) -> Result<(), Dropped> {
        let refill = now_ms.saturating_sub(self.refilled_ms) / HANDSHAKE_INTERVAL_MS;
        let refilled = u64::from(self.handshakes).saturating_add(refill).min(u64::from(HANDSHAKE_BURST));
        self.handshakes = u32::try_from(refilled).unwrap_or(HANDSHAKE_BURST);
        self.refilled_ms = self.refilled_ms.saturating_add(refill.saturating_mul(HANDSHAKE_INTERVAL_MS));
        self.handshakes = self.handshakes.checked_sub(1).ok_or(Dropped::TooManyHandshakes)?;
        Ok(())
    }

    fn link_start(
        &mut self,
        header: Header,
        body: &[u8],
        now_ms: u64,
        random: Random<'_>,
        find: Find<'_>,
    ) -> Result<(), Dropped> {
        let start = LinkStart::decode(body).map_err(Dropped::Handshake)?;
        let version = self.version(header, start.offered)?;
        let accept = Header { kind: Kind::LinkAccept, sequence: 0, ..header };
        if let Some(pending) = self.pending.as_ref().filter(|p| p.link.session.id() == header.session) {
            // The same message again: a duplicate on the line, or our answer was lost. The same answer goes out.
            if pending.start != start {
                return Err(Dropped::Handshake(HandshakeError::Refused));
            }
            let reply = pending.reply;
            return self.push(accept, &reply);
        }
        if self.active.as_ref().is_some_and(|link| link.session.id() == header.session) {
            return Err(Dropped::SessionReused { session: header.session });
        }
        self.allow_handshake(now_ms)?;
        let device = find(start.device).ok_or(Dropped::UnknownDevice { device: start.device })?;
        let context = Context { version, offered: start.offered, session: header.session };
        let (session, reply) =
            link_respond(context, &start, &self.site.link, &device.link, &device.psk, &random())
                .map_err(Dropped::Handshake)?;
        self.push(accept, &reply)?;
        let link = Link { device: start.device, signing: device.signing, session };
        self.pending = Some(Pending { link, start, reply });
        Ok(())
    }

    /// Decrypts with the session that the frame names. The first authentic frame of a new session makes it the active one:
    /// only then did the agent prove that it is there now, and its handshake was no replay.
    fn data<'s>(&'s mut self, header: Header, body: &'s mut [u8], now_ms: u64) -> Result<Event<'s>, Dropped> {
        let named = |link: &Link| link.session.id() == header.session;
        let bytes = if let Some(link) = self.active.as_mut().filter(|link| named(link)) {
            link.session.open(header, body).map_err(Dropped::Session)?
        } else if let Some(mut pending) = self.pending.take_if(|pending| named(&pending.link)) {
            match pending.link.session.open(header, body) {
                Ok(bytes) => {
                    self.enrolment.confirm(pending.link.device);
                    self.active = Some(pending.link);
                    bytes
                }
                Err(error) => {
                    self.pending = Some(pending);
                    return Err(Dropped::Session(error));
                }
            }
        } else {
            let hint = Header { kind: Kind::SessionUnknown, version: CURRENT, sequence: 0, ..header };
            self.push(hint, &[])?;
            return Err(Dropped::NoSession { session: header.session });
        };
        self.heard_ms = Some(now_ms);
        let Some(link) = &self.active else { return Err(Dropped::NoSession { session: header.session }) };
        let device = link.device;
        Ok(match ToSite::decode(bytes).map_err(Dropped::Message)? {
            ToSite::Hello(hello) => Event::Hello { device, hello },
            ToSite::Readings(readings) => Event::Readings { device, readings },
            ToSite::ParametersState(state) => Event::ParametersState { device, state },
            ToSite::Finding(cose) => {
                let cose = cose.as_bytes();
                let finding = Finding::verify(cose, device, &link.signing, self.verify)
                    .map_err(|source| Dropped::Finding { device, source })?;
                Event::Finding { device, finding, cose }
            }
        })
    }

    fn send(&mut self, message: &ToAgent<'_>) -> Result<(), SendError> {
        let link = self.active.as_mut().ok_or(SendError::NotConnected)?;
        let message = message.encode().map_err(SendError::Message)?;
        if self.outbox.capacity() - self.outbox.len() < MAX_ENCODED {
            return Err(SendError::OutboxFull);
        }
        let mut bytes = [0; MAX_ENCODED];
        let length = link.session.seal(&message, &mut bytes).map_err(SendError::Session)?;
        let bytes = bytes.get(..length).ok_or(SendError::OutboxFull)?;
        self.outbox.extend_from_slice(bytes).map_err(|_| SendError::OutboxFull)
    }
}

/// Fuzz body: a line of hostile bytes; the state before them is an open code and an enrolled device.
pub fn fuzz_server(data: &[u8]) {
    let link = KeyPair::from_secret(Secret::new([1; 32]));
    let device = Device { link: *link.public(), signing: [3; 32], psk: Secret::new([4; 32]) };
    let mut server = Server::new(Site { link, signing: [2; 32] }, |_, _, _| false);
    let code = crate::code::Code::from_random(&[0; 19]);
    server.open(Offer::new(&code, 1000), 0).expect("no offer is open yet");
    let mut input = data;
    while let Some(event) =
        server.receive(&mut input, 0, &mut || Secret::new([5; 32]), &|_| Some(device.clone()))
    {
        assert!(matches!(event, Event::Dropped(_) | Event::Answered), "nobody guesses a tag: {event:?}");
        let length = server.output().len().min(7);
        server.written(length);
    }
    assert!(input.is_empty());
    assert_eq!(server.device(), None);
}

#[cfg(test)]
mod tests;
