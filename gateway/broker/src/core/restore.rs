//! From what the store kept to a running core.
//!
//! Not the reading itself. Invariants: every session starts without a connection and its life counts from
//! now; entries keep their places, so packet ids are the same as before; what a queue or topic refers to
//! and the store does not have is left out.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use sitewarden_core::time::Now;

use super::Core;
use super::conn::Session;
use super::epoch::GrantsOf;
use super::queue::{Entry, Stage};
use super::router::Subscriber;
use super::timers::Timer;
use super::wills::WaitingWill;
use crate::batch::Origin;
use crate::limits::WILL_GRACE_SECONDS;
use crate::state::{Loaded, LoadedSession, Message, MessageId, SessionRecord, StoreOp};

/// A session as the store keeps it.
pub(super) fn record(session: &Session) -> SessionRecord {
    SessionRecord {
        id: session.id,
        client_id: session.owner.client_id.clone(),
        principal: session.owner.principal.clone(),
        expiry: session.expiry,
        ended: None,
    }
}

impl Core {
    /// Takes over what a run before left. To be called once, before the first connection.
    pub fn restore(&mut self, now: Now, loaded: Loaded, grants: GrantsOf<'_>) {
        self.next_session = loaded.next_session.max(1);
        self.next_message = loaded.next_message.max(1);
        let messages: HashMap<MessageId, Arc<Message>> =
            loaded.messages.into_iter().map(|message| (message.id, message)).collect();
        for (topic, id) in loaded.retained {
            if let Some(message) = messages.get(&id).filter(|message| message.topic == topic) {
                self.refer(message);
                self.set_retained(now, &topic, Some(message.clone()));
            }
        }
        for session in loaded.sessions {
            self.restore_session(now, session, &messages, grants);
        }
        for message in messages.keys().filter(|id| !self.stored.contains_key(id)) {
            self.turn.op(StoreOp::MessageGone(*message));
        }
        for will in loaded.wills {
            let session = self.clients.get(&will.client_id).and_then(|key| self.sessions.get(*key));
            let expiry = session.map_or(0, |session| session.expiry);
            // All clients lost their connection with the restart and most are back in seconds.
            let delay = will.delay.min(expiry).max(WILL_GRACE_SECONDS);
            let due = now.mono.after(Duration::from_secs(delay.into()));
            let grants = self.grants.share(grants(&will.principal, &will.client_id));
            self.wait_with_will(WaitingWill { will: Box::new(will), grants, due });
        }
        self.metrics.sessions.set(self.sessions.len());
        self.metrics.subscriptions.set(self.router.len());
        self.show_retained();
    }

    /// One more reference to a message that the store has.
    fn refer(&mut self, message: &Message) {
        let size = message.topic.len() + message.payload.len();
        let (count, _) = self.stored.entry(message.id).or_insert((0, size));
        self.stored_bytes += if *count == 0 { size as u64 } else { 0 };
        *count += 1;
    }

    fn restore_session(
        &mut self,
        now: Now,
        loaded: LoadedSession,
        messages: &HashMap<MessageId, Arc<Message>>,
        grants: GrantsOf<'_>,
    ) {
        let LoadedSession { record, subscriptions, queue, sent_below, received } = loaded;
        let gone = record.ended.map_or(Duration::ZERO, |ended| now.wall.since(ended));
        let life = Duration::from_secs(record.expiry.into()).saturating_sub(gone);
        let rights = self.grants.share(grants(&record.principal, &record.client_id));
        let owner =
            Origin { principal: record.principal, client_id: record.client_id.clone(), address: None };
        let mut session = Session::new(record.id, Arc::new(owner), rights);
        session.expiry = record.expiry;
        session.persistent = true;
        if !received.is_empty() {
            session.received.extend(received);
        }
        if sent_below > 0 || !queue.is_empty() {
            session.queue.stored_sent = sent_below;
        }
        for entry in queue {
            let message = entry.message.and_then(|id| messages.get(&id).cloned());
            if entry.message.is_some() && message.is_none() {
                self.turn.op(StoreOp::QueueGone { session: record.id, seq: entry.seq });
                continue;
            }
            if let Some(message) = &message {
                self.refer(message);
            }
            let stage = if message.is_some() { Stage::Waiting } else { Stage::Released };
            let again = entry.seq < sent_below;
            let (qos, retain, ids) = (entry.qos, entry.retain, entry.subscription_ids);
            session.queue.push_at(entry.seq, Entry { message, qos, retain, again, stage, grants: 0, ids });
        }
        if session.queue.next_seq() > 0 {
            session.queue.promised = session.queue.next_seq();
        }
        let ends_at = now.mono.after(life);
        session.ends_at = Some(ends_at);
        let key = self.sessions.insert(session);
        self.clients.insert(record.client_id, key);
        self.timers.add(ends_at, Timer::SessionEnd(key));
        for (filter, options) in subscriptions {
            let subscriber = Subscriber { session: key, options, allowed: false, deliver_all: false };
            self.router.set(&filter, subscriber, false);
            if let Some(session) = self.sessions.get_mut(key) {
                session.subscriptions.insert(filter, options);
            }
        }
        self.recheck_subscriptions(key);
    }
}
