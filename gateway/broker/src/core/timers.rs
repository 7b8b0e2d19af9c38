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
    /// The end of a session without a connection.
    SessionEnd(Key),
    /// The will of a client.
    Will(Arc<str>),
    /// Expired retained messages.
    Sweep,
    /// A client that was ahead of its rate.
    Pace(Key),
}

/// What is due next.
enum Due {
    KeepAlive(Key),
    Other(Timer),
}

/// The set. Nearly every connection has a keep-alive, so these stand apart: 16 bytes each.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    keep_alives: BTreeSet<(Monotonic, Key)>,
    others: BTreeSet<(Monotonic, Timer)>,
}

impl Timers {
    pub(crate) fn next(&self) -> Option<Monotonic> {
        let keep_alive = self.keep_alives.first().map(|(at, _)| *at);
        let other = self.others.first().map(|(at, _)| *at);
        keep_alive.into_iter().chain(other).min()
    }

    pub(crate) fn add(&mut self, at: Monotonic, timer: Timer) {
        self.others.insert((at, timer));
    }

    pub(crate) fn remove(&mut self, at: Monotonic, timer: &Timer) {
        self.others.remove(&(at, timer.clone()));
    }

    /// Whether a connection is still heard is to be looked at then.
    pub(crate) fn add_keep_alive(&mut self, at: Monotonic, conn: Key) {
        self.keep_alives.insert((at, conn));
    }

    pub(crate) fn remove_keep_alive(&mut self, at: Monotonic, conn: Key) {
        self.keep_alives.remove(&(at, conn));
    }

    fn due(&mut self, now: Monotonic) -> Option<Due> {
        let next = self.next().filter(|next| *next <= now)?;
        if self.keep_alives.first().is_some_and(|(at, _)| *at == next) {
            return self.keep_alives.pop_first().map(|(_, conn)| Due::KeepAlive(conn));
        }
        self.others.pop_first().map(|(_, timer)| Due::Other(timer))
    }
}

impl Core {
    pub(super) fn on_timer(&mut self, now: Now) {
        while let Some(timer) = self.timers.due(now.mono) {
            match timer {
                Due::KeepAlive(conn) => self.check_keep_alive(now, conn),
                Due::Other(Timer::SessionEnd(session)) => self.end_session(now, session),
                Due::Other(Timer::Will(client)) => self.fire_waiting_will(now, &client),
                Due::Other(Timer::Sweep) => self.sweep(now),
                Due::Other(Timer::Pace(conn)) => self.resume_reading(conn),
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
        if conn.keep_alive == 0 || conn.session().is_none() {
            return;
        }
        let end = conn.last_heard.after(conn.silence());
        if end <= now.mono {
            self.close(now, key, ReasonCode::KEEP_ALIVE_TIMEOUT);
        } else {
            conn.check_at = Some(end);
            self.timers.add_keep_alive(end, key);
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
