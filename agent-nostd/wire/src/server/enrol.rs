//! Enrolment at the gateway's end: open codes, and the exchange under one of them.
//!
//! A code is open until it expires, until a device used it, or until it is closed. A device that used it may repeat the exchange
//! until its first link stands, because the grant may have been lost; any other device is refused from the first use on.
//! Expired and used codes stay known, so that the refusal says which it was, until a new code needs their place.
//! Invariant: a grant goes out only after the owner committed the device's keys, and only to the device that proved the code.

use super::{Core, Dropped, Event, Random, SendError, Server};
use crate::code::Code;
use crate::frame::{Header, Kind};
use crate::handshake::{Context, ENROL_REPLY, EnrolResponder, EnrolStart, HandshakeError, MAX_ENROL_REQUEST};
use crate::keys::{DeviceId, PublicKey, Secret};
use crate::limits::{MAX_ENCODED, MAX_OFFERS};
use crate::message::{EnrolRequest, Grant, ToAgent};
use crate::session::Session;

/// One code that a device may enrol with.
#[derive(Debug, Clone)]
pub struct Offer {
    key: Secret,
    expires_ms: u64,
    used_by: Option<DeviceId>,
    confirmed: bool,
}

impl Offer {
    /// An offer of `code` until `expires_ms`, in the time of [`Server::receive`].
    #[must_use]
    pub fn new(code: &Code, expires_ms: u64) -> Self {
        Self { key: code.key(), expires_ms, used_by: None, confirmed: false }
    }

    /// The same after a restart: `device` used it, and its enrolment is committed.
    #[must_use]
    pub fn used_by(self, device: DeviceId) -> Self {
        Self { used_by: Some(device), ..self }
    }

    fn refusal(&self, now_ms: u64) -> Option<OfferError> {
        if self.confirmed {
            Some(OfferError::Used)
        } else if now_ms >= self.expires_ms {
            Some(OfferError::Expired)
        } else {
            None
        }
    }
}

/// Why an enrolment was refused, or an offer could not be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OfferError {
    /// No such code is known here.
    #[error("the device's code was not entered here: type or scan the code that the device shows now")]
    Unknown,
    /// The code's time is over.
    #[error("the code's time is over: enter it again")]
    Expired,
    /// A device used the code already.
    #[error("the code was used already: reset the device to get a new code")]
    Used,
    /// [`MAX_OFFERS`] codes are open.
    #[error("{MAX_OFFERS} codes are open already: close one or let it expire")]
    TooMany,
}

/// The exchange under way, and the codes.
#[derive(Default)]
pub(super) struct Enrolment {
    offers: [Option<Offer>; MAX_OFFERS],
    step: Step,
}

#[derive(Default)]
#[expect(clippy::large_enum_variant, reason = "one per line, held in place: there is no heap to box it on")]
enum Step {
    #[default]
    Idle,
    /// The reply went out.
    Replied {
        offer: usize,
        session: u32,
        start: EnrolStart,
        responder: EnrolResponder,
        reply: [u8; ENROL_REPLY],
    },
    /// The device proved the code; the owner decides.
    Proved { offer: usize, device: DeviceId, session: Session },
    /// The grant went out, and goes out again if the device asks again.
    Granted { session: u32, frame: heapless::Vec<u8, MAX_ENCODED> },
}

impl Enrolment {
    /// The device's first link stands: it has its grant, and its code is spent.
    pub(super) fn confirm(&mut self, device: DeviceId) {
        for offer in self.offers.iter_mut().flatten().filter(|offer| offer.used_by == Some(device)) {
            offer.confirmed = true;
        }
        if matches!(self.step, Step::Granted { .. }) {
            self.step = Step::Idle;
        }
    }
}

impl Server {
    /// Opens a code for the devices on this line.
    ///
    /// # Errors
    /// [`OfferError::TooMany`]; [`OfferError::Used`] or [`OfferError::Expired`] if the same code is known as that.
    pub fn open(&mut self, offer: Offer, now_ms: u64) -> Result<(), OfferError> {
        let offers = &mut self.core.enrolment.offers;
        let same = offers.iter().flatten().find(|known| known.key.expose() == offer.key.expose());
        if let Some(known) = same
            && known.used_by.is_some()
        {
            return Err(OfferError::Used);
        }
        let same = offers
            .iter()
            .position(|slot| slot.as_ref().is_some_and(|known| known.key.expose() == offer.key.expose()));
        let free = offers.iter().position(Option::is_none);
        let over =
            offers.iter().position(|slot| slot.as_ref().is_some_and(|known| known.refusal(now_ms).is_some()));
        let place = same.or(free).or(over).ok_or(OfferError::TooMany)?;
        *offers.get_mut(place).ok_or(OfferError::TooMany)? = Some(offer);
        Ok(())
    }

    /// Closes a code; a device that shows it is unknown from now on.
    pub fn close(&mut self, code: &Code) {
        let key = code.key();
        for slot in &mut self.core.enrolment.offers {
            slot.take_if(|offer| offer.key.expose() == key.expose());
        }
        self.core.enrolment.step = Step::Idle;
    }

    /// [`Code::key`] of the code that the device of the last [`Event::Enrolment`] proved, until it is granted or refused.
    #[must_use]
    pub fn proved(&self) -> Option<&Secret> {
        let Step::Proved { offer, .. } = &self.core.enrolment.step else { return None };
        self.core.enrolment.offers.get(*offer)?.as_ref().map(|offer| &offer.key)
    }

    /// Gives the device of the last [`Event::Enrolment`] its pre-shared key. Call it after the commit.
    ///
    /// # Errors
    /// [`SendError`]; the device repeats the exchange, so the grant is not lost for good.
    pub fn grant(&mut self, psk: &Secret) -> Result<(), SendError> {
        let Core { enrolment, outbox, .. } = &mut self.core;
        let (offer, device, mut session) = match core::mem::take(&mut enrolment.step) {
            Step::Proved { offer, device, session } => (offer, device, session),
            other => {
                enrolment.step = other;
                return Err(SendError::NoEnrolment);
            }
        };
        if let Some(Some(offer)) = enrolment.offers.get_mut(offer) {
            offer.used_by = Some(device);
        }
        let message = ToAgent::Grant(Grant { psk: *psk.expose() }).encode().map_err(SendError::Message)?;
        let mut frame = heapless::Vec::new();
        frame.resize(MAX_ENCODED, 0).map_err(|_| SendError::OutboxFull)?;
        let length = session.seal(&message, &mut frame).map_err(SendError::Session)?;
        frame.truncate(length);
        let sent = outbox.extend_from_slice(&frame).map_err(|_| SendError::OutboxFull);
        enrolment.step = Step::Granted { session: session.id(), frame };
        sent
    }

    /// Refuses the device of the last [`Event::Enrolment`]; its code stays open.
    pub fn refuse(&mut self) {
        self.core.enrolment.step = Step::Idle;
    }
}

impl Core {
    pub(super) fn enrol_start(
        &mut self,
        header: Header,
        body: &[u8],
        now_ms: u64,
        random: Random<'_>,
    ) -> Result<(), Dropped> {
        let start = EnrolStart::decode(body).map_err(Dropped::Handshake)?;
        let version = self.version(header, start.offered)?;
        let answer = Header { kind: Kind::EnrolReply, sequence: 0, ..header };
        if let Step::Replied { session, start: known, reply, .. } = &self.enrolment.step
            && *session == header.session
        {
            if *known != start {
                return Err(Dropped::Handshake(HandshakeError::Refused));
            }
            let reply = *reply;
            return self.push(answer, &reply);
        }
        self.allow_handshake(now_ms)?;
        let context = Context { version, offered: start.offered, session: header.session };
        let ephemeral = random();
        let site = &self.site;
        let respond = |offer: &Offer| {
            EnrolResponder::respond(context, &start, &site.link, &site.signing, &offer.key, &ephemeral).ok()
        };
        let fitting = self.enrolment.offers.iter().enumerate().find_map(|(at, offer)| {
            offer.as_ref().and_then(respond).map(|(state, reply)| (at, state, reply))
        });
        let (offer, responder, reply) = fitting.ok_or(Dropped::Code(OfferError::Unknown))?;
        let known = self.enrolment.offers.get(offer).and_then(Option::as_ref);
        if let Some(refusal) = known.and_then(|offer| offer.refusal(now_ms)) {
            return Err(Dropped::Code(refusal));
        }
        self.push(answer, &reply)?;
        self.enrolment.step = Step::Replied { offer, session: header.session, start, responder, reply };
        Ok(())
    }

    pub(super) fn enrol_finish<'s>(
        &'s mut self,
        header: Header,
        body: &'s mut [u8],
    ) -> Result<Event<'s>, Dropped> {
        if let Step::Granted { session, frame } = &self.enrolment.step
            && *session == header.session
        {
            self.outbox.extend_from_slice(frame).map_err(|_| Dropped::OutboxFull)?;
            return Ok(Event::Answered);
        }
        let Step::Replied { offer, session, responder, .. } = &self.enrolment.step else {
            return Err(Dropped::NoEnrolment);
        };
        if *session != header.session {
            return Err(Dropped::NoEnrolment);
        }
        let offer = *offer;
        let proved = responder.finish(body).map_err(Dropped::Handshake)?;
        let link: PublicKey = proved.device;
        let device = DeviceId::of(&link);
        let used_by = self.enrolment.offers.get(offer).and_then(Option::as_ref).and_then(|o| o.used_by);
        if used_by.is_some_and(|first| first != device) {
            self.enrolment.step = Step::Idle;
            return Err(Dropped::Code(OfferError::Used));
        }
        // The request goes where the encrypted frame lay, so that the event can borrow it.
        let room = body.get_mut(..proved.request.len().min(MAX_ENROL_REQUEST));
        let room = room.ok_or(Dropped::Handshake(HandshakeError::Refused))?;
        room.copy_from_slice(&proved.request);
        let request = EnrolRequest::decode(room).map_err(Dropped::Message)?;
        self.enrolment.step = Step::Proved { offer, device, session: proved.session };
        Ok(Event::Enrolment { device, link, request })
    }
}
