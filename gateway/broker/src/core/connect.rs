//! CONNECT: from the packet over the admission to CONNACK, a new or a resumed session.
//!
//! Not the decision who may connect. Invariants: nothing of a session is touched before the admission said
//! yes; a session is resumed only by the principal that owns it; one client id has one connection.

use std::sync::Arc;

use sitewarden_core::time::Now;

use super::aliases::Aliases;
use super::conn::{Phase, Session, same_principal};
use super::connack::{self, Welcome};
use super::slab::Key;
use super::timers::Timer;
use super::{Core, Output};
use crate::admission::{Admitted, ConnectRequest, Refused};
use crate::batch::{CloseReason, Notice, Origin};
use crate::grants::Grants;
use crate::limits::Limit;
use crate::state::{StoreOp, WillRecord};
use crate::wire::{self, Connack, ConnackProperties, Connect, ReasonCode, Version, Will};

impl Core {
    pub(super) fn on_connect(&mut self, now: Now, key: Key, mut connect: Box<Connect>) {
        let Some(conn) = self.conns.get_mut(key) else { return };
        conn.version = Some(connect.version);
        conn.packet_bytes = connect.properties.maximum_packet_size.unwrap_or(u32::MAX);
        if connect.properties.authentication_method.is_some() {
            let text = "enhanced authentication is not offered";
            self.refuse_connect(now, key, &connect, ReasonCode::BAD_AUTHENTICATION_METHOD, text);
            return;
        }
        let assigned = connect.client_id.is_empty();
        conn.assigned = assigned;
        if assigned && connect.version == Version::V3 && !connect.clean_start {
            let text = "an empty client id needs a clean session";
            self.refuse_connect(now, key, &connect, ReasonCode::CLIENT_IDENTIFIER_NOT_VALID, text);
            return;
        }
        if assigned {
            self.assigned += 1;
            connect.client_id = format!("auto-{:016x}-{}", self.seed, self.assigned).into();
        }
        let certificate = match &mut conn.phase {
            Phase::New(certificate) => certificate.take().map(|certificate| *certificate),
            _ => None,
        };
        let request = Box::new(ConnectRequest {
            client_id: connect.client_id.clone(),
            assigned,
            username: connect.username.clone(),
            password: connect.password.take(),
            peer_certificate: certificate,
            address: conn.address,
            listener: conn.listener.clone(),
            will_topic: connect.will.as_ref().map(|will| will.topic.clone()),
        });
        conn.phase = Phase::Admitting(connect);
        self.outputs.push_back(Output::Admit { conn: key, request });
    }

    pub(super) fn on_admitted(&mut self, now: Now, key: Key, answer: Result<Admitted, Refused>) {
        let Some(conn) = self.conns.get_mut(key) else { return };
        // It may have been ended while the answer was on its way.
        if !matches!(conn.phase, Phase::Admitting(_)) {
            return;
        }
        let Phase::Admitting(connect) = std::mem::replace(&mut conn.phase, Phase::New(None)) else { return };
        conn.last_heard = now.mono;
        let admitted = match answer {
            Ok(admitted) if admitted.grants.may_connect() => admitted,
            Ok(_) => {
                let text = "policy does not let this client connect";
                return self.refuse_connect(now, key, &connect, ReasonCode::NOT_AUTHORIZED, text);
            }
            Err(refused) => return self.refuse_connect(now, key, &connect, refused.code, &refused.text),
        };
        let address = Some(conn.address);
        let client_id = connect.client_id.clone();
        let origin = Arc::new(Origin { principal: admitted.principal.clone(), client_id, address });
        if let Some(will) = connect.will.as_ref().filter(|will| !admitted.grants.may_publish(&will.topic)) {
            let (topic, time) = (will.topic.clone(), now.wall);
            self.metrics.publish_denied.increment();
            self.notice(Notice::PublishDenied { origin, topic, will: true, count: 1, time });
            let text = "policy does not let this client publish its will";
            return self.refuse_connect(now, key, &connect, ReasonCode::NOT_AUTHORIZED, text);
        }
        let known = self.clients.contains_key(&connect.client_id);
        if !known && self.sessions.len() >= usize::try_from(self.limits.sessions).unwrap_or(usize::MAX) {
            self.hit(now, key, Limit::Sessions);
            let text = "the broker is at its limit of sessions";
            return self.refuse_connect(now, key, &connect, ReasonCode::QUOTA_EXCEEDED, text);
        }
        let Some(welcome) = self.welcome(key, &connect) else {
            let text = "the largest packet that the client takes has no room for CONNACK";
            return self.refuse_connect(now, key, &connect, ReasonCode::IMPLEMENTATION_SPECIFIC_ERROR, text);
        };
        self.take_over(now, &connect);
        self.come_online(now, key, &connect, admitted, origin, welcome);
    }

    /// What the client is told; `None` when it has no room for it.
    fn welcome(&self, key: Key, connect: &Connect) -> Option<Welcome> {
        let assigned = self.conns.get(key).is_some_and(|conn| conn.assigned);
        let mut welcome = connack::welcome(&self.limits, connect, assigned, self.expiry_of(connect));
        let most = connect.properties.maximum_packet_size;
        connack::fit(&mut welcome.properties, connect.version, most).then_some(welcome)
    }

    /// Ends another connection of the same client id (MQTT-3.1.4-3).
    fn take_over(&mut self, now: Now, connect: &Connect) {
        let old = self.clients.get(&connect.client_id).and_then(|key| self.sessions.get(*key));
        if let Some(old) = old.and_then(|session| session.conn) {
            self.close(now, old, ReasonCode::SESSION_TAKEN_OVER);
        }
    }

    fn come_online(
        &mut self,
        now: Now,
        key: Key,
        connect: &Connect,
        admitted: Admitted,
        origin: Arc<Origin>,
        welcome: Welcome,
    ) {
        let (session_key, present) = self.session_for(now, connect, &origin, admitted.grants);
        let expiry = self.expiry_of(connect);
        let Some(session) = self.sessions.get_mut(session_key) else { return };
        session.conn = Some(key);
        session.told_full = false;
        session.expiry = expiry;
        if let Some(at) = session.ends_at.take() {
            self.timers.remove(at, &Timer::SessionEnd(session_key));
        }
        if session.persistent {
            self.turn.op(StoreOp::Session(super::restore::record(session)));
        }
        self.set_will(key, connect, &origin);
        self.open_conn(now, key, session_key, connect, welcome.keep_alive);
        let (session_present, properties) = (present, welcome.properties);
        let connack = Connack { session_present, code: ReasonCode::SUCCESS, properties };
        self.send(key, |out, version| wire::encode_connack(out, &connack, version));
        self.metrics.connected.increment();
        let listener = self.conns.get(key).map_or_else(|| "".into(), |conn| conn.listener.clone());
        if let Some(conn) = self.conns.get_mut(key) {
            conn.origin = Some(origin.clone());
        }
        let version = if connect.version == Version::V5 { 5 } else { 4 };
        self.notice(Notice::Connected { origin, listener, version, time: now.wall });
        if present {
            self.resume(now, session_key);
        }
    }

    /// The session to use, and whether it was there before.
    fn session_for(
        &mut self,
        now: Now,
        connect: &Connect,
        owner: &Arc<Origin>,
        grants: Grants,
    ) -> (Key, bool) {
        let grants = self.grants.share(grants);
        if let Some(key) = self.clients.get(&connect.client_id).copied()
            && let Some(session) = self.sessions.get_mut(key)
        {
            if !connect.clean_start && same_principal(&session.owner.principal, &owner.principal) {
                session.owner = owner.clone();
                session.grants = grants;
                self.cancel_will(&connect.client_id);
                self.recheck_subscriptions(key);
                return (key, true);
            }
            self.end_session(now, key);
        }
        let mut session = Session::new(self.next_session, owner.clone(), grants);
        self.next_session += 1;
        session.persistent = self.expiry_of(connect) > 0;
        let key = self.sessions.insert(session);
        self.clients.insert(owner.client_id.clone(), key);
        self.metrics.sessions.set(self.sessions.len());
        (key, false)
    }

    /// Seconds that the session outlives the connection, within the site's bound.
    fn expiry_of(&self, connect: &Connect) -> u32 {
        let longest = self.limits.session_expiry_seconds;
        match connect.version {
            Version::V3 => {
                if connect.clean_start {
                    0
                } else {
                    longest
                }
            }
            Version::V5 => connect.properties.session_expiry.unwrap_or(0).min(longest),
        }
    }

    fn set_will(&mut self, key: Key, connect: &Connect, origin: &Origin) {
        let Some(Will { topic, payload, qos, retain, delay, properties }) = connect.will.clone() else {
            return;
        };
        let will = Box::new(WillRecord {
            client_id: origin.client_id.clone(),
            principal: origin.principal.clone(),
            topic,
            payload,
            qos,
            retain,
            delay: delay.unwrap_or(0),
            properties,
        });
        self.turn.op(StoreOp::Will(will.clone()));
        if let Some(conn) = self.conns.get_mut(key) {
            conn.will = Some(will);
        }
    }

    fn open_conn(&mut self, now: Now, key: Key, session: Key, connect: &Connect, keep_alive: u16) {
        let Some(conn) = self.conns.get_mut(key) else { return };
        let (limits, asked) = (&self.limits, &connect.properties);
        conn.phase = Phase::Online(session);
        conn.window = asked.receive_maximum.unwrap_or(u16::MAX).min(limits.inflight_out);
        conn.aliases_out = Aliases::new(asked.topic_alias_maximum, limits.topic_aliases);
        conn.keep_alive = keep_alive;
        if keep_alive > 0 {
            let at = now.mono.after(conn.silence());
            conn.check_at = Some(at);
            self.timers.add_keep_alive(at, key);
        }
    }

    fn refuse_connect(&mut self, now: Now, key: Key, connect: &Connect, code: ReasonCode, text: &str) {
        self.metrics.refused.increment();
        let Some(conn) = self.conns.get_mut(key) else { return };
        conn.phase = Phase::Closing;
        let notice = Notice::Refused {
            client_id: connect.client_id.clone(),
            username: connect.username.clone(),
            address: conn.address,
            listener: conn.listener.clone(),
            code,
            text: text.into(),
            time: now.wall,
        };
        self.notice(notice);
        let connack = Connack { session_present: false, code, properties: ConnackProperties::default() };
        self.send(key, |out, version| wire::encode_connack(out, &connack, version));
        self.outputs.push_back(Output::Close { conn: key });
    }

    /// Bytes that are no valid packet: told as far as the version can tell, then the end.
    pub(super) fn on_malformed(&mut self, now: Now, key: Key, fault: wire::Malformed) {
        let text = fault.to_string();
        if fault.reason == wire::Reason::TooLarge {
            self.hit(now, key, Limit::PacketBytes);
        }
        self.malformed(now, key, fault.code(), &text);
        let Some(conn) = self.conns.get_mut(key) else { return };
        if let (Phase::New(_), wire::Reason::UnsupportedVersion { level }) = (&conn.phase, fault.reason) {
            // Answered in the form that a client of that level can read (MQTT 5 §3.1.2.2).
            // Bridges set the top bit of the level that they speak, which is 3 or 4.
            let version = if (6..0x80).contains(&level) { Version::V5 } else { Version::V3 };
            conn.version = Some(version);
            conn.phase = Phase::Closing;
            let properties = ConnackProperties::default();
            let connack = Connack { session_present: false, code: fault.code(), properties };
            self.send(key, |out, version| wire::encode_connack(out, &connack, version));
            self.outputs.push_back(Output::Close { conn: key });
        } else {
            self.close(now, key, fault.code());
        }
    }

    pub(super) fn protocol_error(&mut self, now: Now, key: Key, text: &str) {
        self.fault(now, key, ReasonCode::PROTOCOL_ERROR, text);
    }

    /// A packet that breaks a rule of the session: counted, told, the end.
    pub(super) fn fault(&mut self, now: Now, key: Key, code: ReasonCode, text: &str) {
        self.malformed(now, key, code, text);
        self.close(now, key, code);
    }

    fn malformed(&mut self, now: Now, key: Key, code: ReasonCode, text: &str) {
        self.metrics.malformed.increment();
        let Some(conn) = self.conns.get(key) else { return };
        let notice = Notice::Malformed {
            origin: conn.origin.clone(),
            address: conn.address,
            listener: conn.listener.clone(),
            code,
            text: text.into(),
            time: now.wall,
        };
        self.notice(notice);
    }

    /// Ends a connection from this side. With 5.0 the client is told why.
    pub(super) fn close(&mut self, now: Now, key: Key, code: ReasonCode) {
        let Some(conn) = self.conns.get_mut(key) else { return };
        let online = conn.session().is_some();
        if matches!(conn.phase, Phase::Closing) {
            return;
        }
        if online && conn.version == Some(Version::V5) {
            let disconnect = wire::Disconnect::new(code);
            self.send(key, |out, version| wire::encode_disconnect(out, &disconnect, version));
        }
        self.detach(now, key, CloseReason::Server(code));
        if let Some(conn) = self.conns.get_mut(key) {
            conn.phase = Phase::Closing;
        }
        self.outputs.push_back(Output::Close { conn: key });
    }
}
