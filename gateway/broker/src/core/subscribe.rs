//! SUBSCRIBE and UNSUBSCRIBE.
//!
//! Invariants: a filter that policy does not contain is refused with its own code and changes nothing; a
//! persistent session's SUBACK follows the commit of its subscription; retained messages come after SUBACK.

use std::sync::Arc;

use sitewarden_core::time::Now;

use super::Core;
use super::commit::Deferred;
use super::conn::{Conn, Target};
use super::router::Subscriber;
use super::slab::Key;
use crate::batch::Notice;
use crate::limits::{Limit, RETAINED_AT_ONCE};
use crate::state::{StoreOp, SubscriptionOptions};
use crate::wire::{
    self, ReasonCode, RetainHandling, Suback, Subscribe, SubscribeFilter, Unsuback, Unsubscribe,
};

impl Core {
    pub(super) fn on_subscribe(&mut self, now: Now, conn: Key, session: Key, subscribe: Subscribe) {
        let mut codes = Vec::with_capacity(subscribe.filters.len());
        let mut retained = Vec::new();
        let id = subscribe.subscription_id;
        for SubscribeFilter { filter, qos, no_local, retain_as_published, retain_handling } in
            subscribe.filters
        {
            let options = SubscriptionOptions { qos, no_local, retain_as_published, retain_handling, id };
            let code = match self.subscribe(now, conn, session, &filter, options) {
                Ok(new) => {
                    let wanted = match retain_handling {
                        RetainHandling::Send => true,
                        RetainHandling::SendIfNew => new,
                        RetainHandling::DoNotSend => false,
                    };
                    if wanted {
                        retained.push((filter, options));
                    }
                    ReasonCode::granted(qos)
                }
                Err(code) => code,
            };
            codes.push(code);
        }
        self.metrics.subscriptions.set(self.router.len());
        let suback = Suback { packet_id: subscribe.packet_id, codes, reason: None };
        if self.retained.len() >= RETAINED_AT_ONCE
            && !retained.is_empty()
            && let Some(conn) = self.conns.get_mut(conn)
        {
            conn.subscribing = true;
        }
        let durable = self.sessions.get(session).is_some_and(|session| session.persistent);
        self.after_commit(now, durable, Deferred::Subscribed { conn, suback, retained });
    }

    /// Sets one subscription. Says whether it is new.
    fn subscribe(
        &mut self,
        now: Now,
        conn: Key,
        key: Key,
        filter: &Arc<str>,
        options: SubscriptionOptions,
    ) -> Result<bool, ReasonCode> {
        if wire::topic::split_share(filter).is_some() {
            return Err(ReasonCode::SHARED_SUBSCRIPTIONS_NOT_SUPPORTED);
        }
        let session = self.sessions.get_mut(key).ok_or(ReasonCode::UNSPECIFIED_ERROR)?;
        if !session.grants.may_subscribe(filter) {
            self.metrics.subscribe_denied.increment();
            if let Some(origin) = self.conns.get(conn).and_then(|conn| conn.origin.clone()) {
                self.notice(Notice::SubscribeDenied { origin, filter: filter.clone(), time: now.wall });
            }
            return Err(ReasonCode::NOT_AUTHORIZED);
        }
        let known = session.subscriptions.contains(filter);
        let full = |count: usize, limit: u32| count >= usize::try_from(limit).unwrap_or(usize::MAX);
        let limit = if full(session.subscriptions.len(), self.limits.subscriptions) {
            Some(Limit::Subscriptions)
        } else if full(self.router.len(), self.limits.subscriptions_total) {
            Some(Limit::SubscriptionsTotal)
        } else {
            None
        };
        if let Some(limit) = limit.filter(|_| !known) {
            self.hit(now, conn, limit);
            return Err(ReasonCode::QUOTA_EXCEEDED);
        }
        session.subscriptions.insert(filter.clone(), options);
        let deliver_all = session.grants.may_receive_all(filter);
        if session.persistent {
            let (session, filter) = (session.id, filter.clone());
            self.turn.op(StoreOp::Subscription { session, filter, options });
        }
        let subscriber = Subscriber { session: key, options, allowed: true, deliver_all };
        self.router.set(filter, subscriber, known);
        Ok(!known)
    }

    /// SUBACK and what is retained for the new subscriptions.
    pub(super) fn subscribed(
        &mut self,
        now: Now,
        conn: Key,
        suback: &Suback,
        retained: &[(Arc<str>, SubscriptionOptions)],
    ) {
        if let Some(conn) = self.conns.get_mut(conn) {
            conn.subscribing = false;
        }
        let Some(session) = self.conns.get(conn).and_then(Conn::session) else { return };
        self.send(conn, |out, version| wire::encode_suback(out, suback, version));
        for (filter, options) in retained {
            if self.backlog_is_full(now, conn) {
                break;
            }
            for message in self.retained.find(filter, now.wall) {
                let target = Target {
                    session,
                    qos: options.qos,
                    retain_as_published: true,
                    ids: options.id.map(|id| Arc::from([id])),
                };
                let allowed = self
                    .sessions
                    .get(session)
                    .is_some_and(|session| session.grants.may_receive(&message.topic));
                if allowed {
                    self.send_retained(now, session, &message, &target);
                } else {
                    self.metrics.deliver_denied.increment();
                }
            }
        }
        self.pump(now, session);
    }

    pub(super) fn on_unsubscribe(&mut self, now: Now, conn: Key, key: Key, unsubscribe: &Unsubscribe) {
        let Some(session) = self.sessions.get_mut(key) else { return };
        let mut codes = Vec::with_capacity(unsubscribe.filters.len());
        for filter in &unsubscribe.filters {
            if !session.subscriptions.remove(filter) {
                codes.push(ReasonCode::NO_SUBSCRIPTION_EXISTED);
                continue;
            }
            self.router.remove(filter, key);
            if session.persistent {
                let (session, filter) = (session.id, filter.clone());
                self.turn.op(StoreOp::SubscriptionGone { session, filter });
            }
            codes.push(ReasonCode::SUCCESS);
        }
        let durable = session.persistent;
        self.metrics.subscriptions.set(self.router.len());
        let unsuback = Unsuback { packet_id: unsubscribe.packet_id, codes, reason: None };
        self.after_commit(now, durable, Deferred::Unsubscribed { conn, unsuback });
    }
}
