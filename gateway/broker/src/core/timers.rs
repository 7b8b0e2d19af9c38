//! Deadlines of the core, in order.
//!
//! Not a clock. Invariant: every deadline is taken out when its reason goes, so the set is no larger
//! than connections, sessions and waiting wills together.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use sitewarden_core::time::{Monotonic, Now};

use super::Core;
use super::slab::Key;
use crate::limits::SWEEP_SECONDS;
use crate::state::StoreOp;
use crate::wire::ReasonCode;

/// What is due.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Timer {
    /// Whether a connection is still heard.
    KeepAlive(Key),
    /// The end of a session without a connection.
    SessionEnd(Key),
    /// The will of a client.
    Will(Arc<str>),
    /// Expired retained messages.
    Sweep,
    /// A client that was ahead of its rate.
    Pace(Key),
}

/// The set.
#[derive(Debug, Default)]
pub(crate) struct Timers(BTreeSet<(Monotonic, Timer)>);

impl Timers {
    pub(crate) fn next(&self) -> Option<Monotonic> {
        self.0.first().map(|(at, _)| *at)
    }

    pub(crate) fn add(&mut self, at: Monotonic, timer: Timer) {
        self.0.insert((at, timer));
    }

    pub(crate) fn remove(&mut self, at: Monotonic, timer: &Timer) {
        self.0.remove(&(at, timer.clone()));
    }

    fn due(&mut self, now: Monotonic) -> Option<Timer> {
        if self.next()? > now {
            return None;
        }
        self.0.pop_first().map(|(_, timer)| timer)
    }
}

impl Core {
    pub(super) fn on_timer(&mut self, now: Now) {
        while let Some(timer) = self.timers.due(now.mono) {
            match timer {
                Timer::KeepAlive(conn) => self.check_keep_alive(now, conn),
                Timer::SessionEnd(session) => self.end_session(now, session),
                Timer::Will(client) => self.fire_waiting_will(now, &client),
                Timer::Sweep => self.sweep(now),
                Timer::Pace(conn) => self.resume_reading(conn),
            }
        }
    }

    /// Closes the connection after 1.5 times its keep-alive without a packet (MQTT-3.1.2-22).
    /// Who is not read is not silent.
    pub(super) fn check_keep_alive(&mut self, now: Now, key: Key) {
        let held = !self.may_read(key);
        let Some(conn) = self.conns.get_mut(key) else { return };
        conn.check_at = None;
        if held {
            conn.last_heard = now.mono;
        }
        if conn.silence == 0 || conn.session().is_none() {
            return;
        }
        let end = conn.last_heard.after(Duration::from_micros(conn.silence));
        if end <= now.mono {
            self.close(now, key, ReasonCode::KEEP_ALIVE_TIMEOUT);
        } else {
            conn.check_at = Some(end);
            self.timers.add(end, Timer::KeepAlive(key));
        }
    }

    pub(super) fn schedule_sweep(&mut self, now: Now) {
        self.timers.add(now.mono.after(Duration::from_secs(SWEEP_SECONDS)), Timer::Sweep);
    }

    fn sweep(&mut self, now: Now) {
        let expired = self.retained.expired(now.wall);
        for topic in &expired {
            if let Some(old) = self.retained.remove(topic) {
                self.turn.op(StoreOp::RetainedGone(topic.clone()));
                self.release_message(old.id);
            }
        }
        self.show_retained();
        if self.retained.iter().any(|message| message.expires.is_some()) {
            self.schedule_sweep(now);
        }
    }
}
