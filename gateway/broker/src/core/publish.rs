//! PUBLISH of a client: aliases, flow control, permission, route, batch, retained.
//!
//! Not the bytes to subscribers. Invariants: what policy refuses reaches neither subscribers, retained
//! messages nor the batch's publishes; QoS 1 and 2 are answered in the order in which they came and after
//! their commit; a repeated QoS 2 packet id is answered and not routed again.

use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use sitewarden_core::time::Now;
use std::time::Duration;

use super::Core;
use super::commit::Deferred;
use super::conn::{LastTopic, Target};
use super::slab::Key;
use crate::batch::{Notice, Origin, Publish};
use crate::limits::Limit;
use crate::state::{Message, StoreOp};
use crate::wire::{self, AckKind, MessageProperties, QoS, ReasonCode, Version};

/// A message that policy allowed, on its way to everybody who wants it.
#[derive(Clone, Debug)]
pub(super) struct Outgoing {
    pub(super) origin: Arc<Origin>,
    pub(super) topic: Arc<str>,
    pub(super) payload: Bytes,
    pub(super) qos: QoS,
    pub(super) retain: bool,
    pub(super) will: bool,
    pub(super) properties: Option<Arc<MessageProperties>>,
}

/// The topic of a PUBLISH with what is known about it.
struct Resolved {
    topic: Arc<str>,
    allowed: bool,
    targets: Rc<[Target]>,
}

impl Core {
    pub(super) fn on_publish(&mut self, now: Now, key: Key, session: Key, publish: &wire::Publish<'_>) {
        self.metrics.published.increment();
        let Some(conn) = self.conns.get_mut(key) else { return };
        conn.publisher.get_or_insert_default();
        let Some(origin) = conn.origin.clone() else { return };
        self.pace(now, key, publish.topic.len() + publish.payload.len());
        // First of all: an alias holds for what follows, also when this message is a repetition.
        if !self.learn_alias(now, key, publish) || !self.within_window(now, key, session, publish) {
            return;
        }
        let Some(resolved) = self.resolve(key, session, publish) else { return };
        let code = if resolved.allowed {
            let outgoing = Outgoing {
                origin,
                topic: resolved.topic,
                payload: Bytes::copy_from_slice(publish.payload),
                qos: publish.qos,
                retain: publish.retain,
                will: false,
                properties: publish.properties.as_deref().map(|properties| Arc::new(properties.clone())),
            };
            self.accept(now, outgoing, &resolved.targets);
            match resolved.targets.is_empty() {
                true => ReasonCode::NO_MATCHING_SUBSCRIBERS,
                false => ReasonCode::SUCCESS,
            }
        } else {
            self.deny(now, origin, resolved.topic);
            ReasonCode::NOT_AUTHORIZED
        };
        self.answer(key, session, publish, code);
    }

    /// Flow control and repeated QoS 2 ids. False when the message goes no further.
    fn within_window(&mut self, now: Now, key: Key, session_key: Key, publish: &wire::Publish<'_>) -> bool {
        let Some(id) = publish.packet_id else { return true };
        let (Some(conn), Some(session)) = (self.conns.get_mut(key), self.sessions.get_mut(session_key))
        else {
            return false;
        };
        if publish.qos == QoS::ExactlyOnce && session.received.contains(&id.get()) {
            let code = ReasonCode::SUCCESS;
            conn.unacked += u16::from(conn.version != Some(Version::V5));
            self.turn.defer(Deferred::Ack {
                conn: key,
                session: session_key,
                kind: AckKind::Pubrec,
                id,
                code,
            });
            return false;
        }
        if conn.version == Some(Version::V5) && conn.unacked >= self.limits.inflight_in {
            self.hit(now, key, Limit::InflightIn);
            self.fault(
                now,
                key,
                ReasonCode::RECEIVE_MAXIMUM_EXCEEDED,
                "more unacknowledged messages than agreed",
            );
            return false;
        }
        if publish.qos == QoS::ExactlyOnce && session.received.len() >= usize::from(self.limits.received_qos2)
        {
            self.hit(now, key, Limit::ReceivedQos2);
            self.fault(now, key, ReasonCode::QUOTA_EXCEEDED, "too many QoS 2 messages without PUBREL");
            return false;
        }
        conn.unacked += 1;
        true
    }

    /// Takes what the packet says about its alias. False when that breaks the rules.
    fn learn_alias(&mut self, now: Now, key: Key, publish: &wire::Publish<'_>) -> bool {
        let (Some(alias), Some(conn)) = (publish.topic_alias, self.conns.get_mut(key)) else { return true };
        let Err((code, text)) = alias_topic(conn, alias, publish.topic, self.limits.topic_aliases) else {
            return true;
        };
        if code == ReasonCode::TOPIC_ALIAS_INVALID {
            self.hit(now, key, Limit::TopicAliases);
        }
        self.fault(now, key, code, text);
        false
    }

    /// Alias to topic, then permission and route, both remembered for the publisher's next message.
    fn resolve(&mut self, key: Key, session: Key, publish: &wire::Publish<'_>) -> Option<Resolved> {
        let generation = self.router.generation();
        let conn = self.conns.get_mut(key)?;
        let topic = match publish.topic_alias {
            None => publish.topic,
            Some(alias) => {
                conn.publisher.as_deref()?.aliases.get(usize::from(alias).checked_sub(1)?)?.as_deref()?
            }
        };
        if let Some(last) = conn.publisher.as_deref().and_then(|publisher| publisher.last.as_ref())
            && last.generation == generation
            && *last.topic == *topic
        {
            let (topic, targets) = (last.topic.clone(), last.targets.clone());
            return Some(Resolved { topic, allowed: last.allowed, targets });
        }
        let topic: Arc<str> = topic.into();
        let allowed = self.sessions.get(session)?.grants.may_publish(&topic);
        let targets = if allowed { self.route(&topic, Some(session)) } else { Rc::from([]) };
        let last = LastTopic { topic: topic.clone(), generation, allowed, targets: targets.clone() };
        if let Some(publisher) = self.conns.get_mut(key).and_then(|conn| conn.publisher.as_deref_mut()) {
            publisher.last = Some(last);
        }
        Some(Resolved { topic, allowed, targets })
    }

    fn deny(&mut self, now: Now, origin: Arc<Origin>, topic: Arc<str>) {
        self.metrics.publish_denied.increment();
        self.notice(Notice::PublishDenied { origin, topic, will: false, count: 1, time: now.wall });
    }

    /// PUBACK or PUBREC, after the commit. 3.1.1 knows no refusal: it is told yes (MQTT-3.3.5-2).
    fn answer(&mut self, key: Key, session_key: Key, publish: &wire::Publish<'_>, code: ReasonCode) {
        let Some(id) = publish.packet_id else { return };
        let Some(conn) = self.conns.get(key) else { return };
        let code = match conn.version {
            Some(Version::V5) => code,
            _ => ReasonCode::SUCCESS,
        };
        let kind = match publish.qos {
            QoS::ExactlyOnce => AckKind::Pubrec,
            _ => AckKind::Puback,
        };
        if kind == AckKind::Pubrec
            && !code.is_error()
            && let Some(session) = self.sessions.get_mut(session_key)
        {
            session.received.insert(id.get());
            self.turn.op(StoreOp::Received { session: session.id, packet_id: id.get() });
        }
        self.turn.defer(Deferred::Ack { conn: key, session: session_key, kind, id, code });
    }

    /// Takes an allowed message: to the pipeline, to subscribers, to the retained ones.
    pub(super) fn accept(&mut self, now: Now, outgoing: Outgoing, targets: &Rc<[Target]>) {
        let empty = outgoing.retain && outgoing.payload.is_empty();
        let above_zero =
            outgoing.qos > QoS::AtMostOnce && targets.iter().any(|target| target.qos > QoS::AtMostOnce);
        let keep = outgoing.retain && !empty && self.has_room_to_retain(now, &outgoing);
        // Without room for the new one the old one goes all the same: it is no longer what the topic says.
        let clears = empty || outgoing.retain && !keep && self.retained.has(&outgoing.topic);
        let message = (above_zero || keep).then(|| self.message(now, &outgoing));

        self.deliver_at_once(now, &outgoing, targets);
        if let Some(message) = message.as_ref().filter(|_| above_zero) {
            let stored = self.promise(now, message, targets);
            let (message, targets) = (message.clone(), targets.clone());
            self.turn.defer(Deferred::Deliver { message, targets, stored });
        }
        if keep || clears {
            let topic = outgoing.topic.clone();
            let message = message.filter(|_| keep);
            match &message {
                Some(message) => {
                    self.keep_message(message);
                    self.turn.op(StoreOp::Retained { topic: topic.clone(), message: message.id });
                }
                None => self.turn.op(StoreOp::RetainedGone(topic.clone())),
            }
            let durable = outgoing.qos > QoS::AtMostOnce;
            self.after_commit(now, durable, Deferred::Retain { topic, message });
        }
        let Outgoing { origin, topic, payload, qos, retain, will, properties } = outgoing;
        let received = now.wall;
        self.turn.publish(Publish { origin, topic, payload, qos, retain, will, properties, received });
    }

    fn message(&mut self, now: Now, outgoing: &Outgoing) -> Arc<Message> {
        let id = self.next_message;
        self.next_message += 1;
        let life = outgoing.properties.as_ref().and_then(|properties| properties.message_expiry);
        Arc::new(Message {
            id,
            topic: outgoing.topic.clone(),
            payload: outgoing.payload.clone(),
            qos: outgoing.qos,
            retain: outgoing.retain,
            properties: outgoing.properties.clone(),
            expires: life.map(|seconds| now.wall.after(Duration::from_secs(seconds.into()))),
        })
    }

    fn has_room_to_retain(&mut self, now: Now, outgoing: &Outgoing) -> bool {
        let (count, bytes) = (self.limits.retained_messages, self.limits.retained_bytes);
        let refused = self.retained.refuses(&outgoing.topic, outgoing.payload.len(), count, bytes);
        if let Some(limit) = refused {
            self.metrics.hit(limit);
            let origin = Some(outgoing.origin.clone());
            self.notice(Notice::LimitHit { origin, address: outgoing.origin.address, limit, time: now.wall });
        }
        refused.is_none()
    }

    /// Puts the retained message of a topic in its place, or takes it away.
    pub(super) fn set_retained(&mut self, now: Now, topic: &Arc<str>, message: Option<Arc<Message>>) {
        let expires = message.as_ref().is_some_and(|message| message.expires.is_some());
        let old = match message {
            Some(message) => self.retained.set(message),
            None => self.retained.remove(topic),
        };
        if let Some(old) = old {
            self.release_message(old.id);
        }
        if expires {
            self.schedule_sweep(now);
        }
        self.show_retained();
    }

    pub(super) fn show_retained(&self) {
        self.metrics.retained.set(self.retained.len());
        self.metrics.retained_bytes.set(usize::try_from(self.retained.bytes()).unwrap_or(usize::MAX));
    }
}

/// Looks up or sets an alias (MQTT 5 §3.3.2.3.4).
fn alias_topic(
    conn: &mut super::conn::Conn,
    alias: u16,
    topic: &str,
    maximum: u16,
) -> Result<(), (ReasonCode, &'static str)> {
    if alias == 0 || alias > maximum {
        return Err((ReasonCode::TOPIC_ALIAS_INVALID, "topic alias above the maximum"));
    }
    let place = usize::from(alias) - 1;
    let aliases = &mut conn.publisher.get_or_insert_default().aliases;
    if topic.is_empty() {
        return match aliases.get(place) {
            Some(Some(_)) => Ok(()),
            _ => Err((ReasonCode::PROTOCOL_ERROR, "topic alias that was never set")),
        };
    }
    if aliases.len() <= place {
        aliases.resize(place + 1, None);
    }
    if let Some(known) = aliases.get_mut(place)
        && known.as_deref() != Some(topic)
    {
        *known = Some(topic.into());
    }
    Ok(())
}
