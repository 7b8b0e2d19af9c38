//! Wills: kept while the client is connected, delayed after it is lost, sent through the same door as
//! every other message.
//!
//! Invariants: policy is asked again when a will fires, with the grants that hold then; a will fires at
//! most once; its delay never outlives the session (MQTT 5 §3.1.3.2.2).

use std::sync::Arc;
use std::time::Duration;

use sitewarden_core::time::{Monotonic, Now};

use super::Core;
use super::publish::Outgoing;
use super::timers::Timer;
use crate::batch::{Notice, Origin};
use crate::grants::Grants;
use crate::state::{StoreOp, WillRecord};

/// A will whose delay runs.
#[derive(Debug)]
pub(crate) struct WaitingWill {
    pub(crate) will: Box<WillRecord>,
    pub(crate) grants: Grants,
    pub(crate) due: Monotonic,
}

impl Core {
    /// The connection is lost: the will fires now or after its delay.
    pub(super) fn schedule_will(&mut self, now: Now, will: Box<WillRecord>, expiry: u32) {
        let session = self.clients.get(&will.client_id).and_then(|key| self.sessions.get(*key));
        let grants = session.map_or_else(Grants::none, |session| session.grants.clone());
        let delay = will.delay.min(expiry);
        if delay == 0 {
            return self.fire_will(now, &will, &grants);
        }
        let due = now.mono.after(Duration::from_secs(delay.into()));
        self.wait_with_will(WaitingWill { will, grants, due });
    }

    pub(super) fn wait_with_will(&mut self, waiting: WaitingWill) {
        let client_id = waiting.will.client_id.clone();
        self.timers.add(waiting.due, Timer::Will(client_id.clone()));
        self.wills.insert(client_id, waiting);
    }

    /// The client is back in time.
    pub(super) fn cancel_will(&mut self, client_id: &Arc<str>) {
        if let Some(waiting) = self.wills.remove(client_id) {
            self.timers.remove(waiting.due, &Timer::Will(client_id.clone()));
            self.turn.op(StoreOp::WillGone(client_id.clone()));
        }
    }

    pub(super) fn fire_waiting_will(&mut self, now: Now, client_id: &Arc<str>) {
        if let Some(waiting) = self.wills.remove(client_id) {
            self.timers.remove(waiting.due, &Timer::Will(client_id.clone()));
            self.fire_will(now, &waiting.will, &waiting.grants);
        }
    }

    fn fire_will(&mut self, now: Now, will: &WillRecord, grants: &Grants) {
        self.turn.op(StoreOp::WillGone(will.client_id.clone()));
        let origin = Arc::new(Origin {
            principal: will.principal.clone(),
            client_id: will.client_id.clone(),
            address: None,
        });
        if !grants.may_publish(&will.topic) {
            self.metrics.publish_denied.increment();
            let (topic, time) = (will.topic.clone(), now.wall);
            self.notice(Notice::PublishDenied { origin, topic, will: true, count: 1, time });
            return;
        }
        let publisher = self.clients.get(&will.client_id).copied();
        let targets = self.route(&will.topic, publisher);
        let properties = (!will.properties.is_empty()).then(|| Arc::new(will.properties.clone()));
        let outgoing = Outgoing {
            origin,
            topic: will.topic.clone(),
            payload: will.payload.clone(),
            qos: will.qos,
            retain: will.retain,
            will: true,
            properties,
        };
        self.accept(now, outgoing, &targets);
    }
}
