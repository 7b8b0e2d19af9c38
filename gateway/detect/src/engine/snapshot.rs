//! The engine's state as bytes, and back.
//!
//! Version first, so that a newer or foreign snapshot is told apart from a broken one. Not a backup of rules: state
//! belongs to a rule by id and text, and state of rules that changed is dropped. Invariant: reading never panics
//! and never allocates more than the bytes justify.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sitewarden_core::Now;
use thiserror::Error;

use super::keyed::Keyed;
use super::seen::Seen;
use super::silence::Silence;
use super::table::{Items, Table};
use super::window::Window;
use super::{Engine, Limits, State, Stats};
use crate::limits::SNAPSHOT_BYTES;
use crate::set::RuleSet;

/// First bytes of every snapshot.
const MAGIC: &[u8; 4] = b"SWDE";
/// Version of what follows; older ones are not kept, since a lost window is rebuilt within its own length.
const VERSION: u8 = 3;

/// Why a snapshot was not taken over.
#[derive(Debug, Error)]
pub enum SnapshotError {
    /// Not a snapshot at all.
    #[error("not a snapshot of the rule engine ({bytes} bytes); start without it")]
    Foreign {
        /// Its length.
        bytes: usize,
    },
    /// Of another version of this program.
    #[error("snapshot version {found}, this program reads {VERSION}; start without it")]
    Version {
        /// Its version.
        found: u8,
    },
    /// Longer than a snapshot can be.
    #[error("snapshot of {bytes} bytes, more than {SNAPSHOT_BYTES}; start without it")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// Damaged.
    #[error("the snapshot is damaged; start without it")]
    Damaged {
        /// Where and how.
        #[source]
        source: serde_json::Error,
    },
}

/// What a snapshot holds, as it is read.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    stats: Stats,
    /// Monotonic time of the latest call; all others are relative to it after a restart.
    mono: i64,
    started: Option<i64>,
    inventory: Vec<Vec<(Arc<str>, Arc<str>)>>,
    rules: Vec<RuleBody>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleBody {
    id: Arc<str>,
    fingerprint: u64,
    state: StateBody,
}

/// State by key, the key touched longest ago first.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum StateBody {
    Keyed(Vec<(Arc<str>, Keyed)>),
    Seen(Vec<(Arc<str>, Seen)>),
    Window(Vec<(Arc<str>, Window)>),
    Silence(Vec<(Arc<str>, Silence)>),
}

/// The same as it is written: from where it stands, since a copy of all states would be as large as they are.
#[derive(Serialize)]
struct BodyRef<'a> {
    stats: Stats,
    mono: i64,
    started: Option<i64>,
    inventory: &'a [Vec<(Arc<str>, Arc<str>)>],
    rules: Vec<RuleRef<'a>>,
}

#[derive(Serialize)]
struct RuleRef<'a> {
    id: &'a str,
    fingerprint: u64,
    state: StateRef<'a>,
}

type ByAge<'a, V> = Vec<(&'a Arc<str>, &'a V)>;

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
enum StateRef<'a> {
    Keyed(ByAge<'a, Keyed>),
    Seen(ByAge<'a, Seen>),
    Window(ByAge<'a, Window>),
    Silence(ByAge<'a, Silence>),
}

fn fill<V: Items>(table: &mut Table<V>, saved: Vec<(Arc<str>, V)>, mut change: impl FnMut(&mut V)) {
    for (key, mut value) in saved {
        change(&mut value);
        table.put(&key, value);
    }
}

impl Engine {
    /// The whole state as bytes.
    #[must_use]
    pub fn snapshot(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.snapshot_into(&mut bytes).expect("invariant: writing to memory does not fail");
        bytes
    }

    /// Writes the whole state, in many small pieces: it may be as large as all that is remembered, so that who packs it should not
    /// hold it unpacked.
    ///
    /// # Errors
    /// That of the writer.
    pub fn snapshot_into(&self, to: &mut impl io::Write) -> io::Result<()> {
        let mut rules = Vec::new();
        for (rule, state) in self.set.rules().iter().zip(&self.states) {
            let state = match state {
                State::None => continue,
                State::Keyed(table) => StateRef::Keyed(table.by_age()),
                State::Seen(table) => StateRef::Seen(table.by_age()),
                State::Window(table) => StateRef::Window(table.by_age()),
                State::Silence(table) => StateRef::Silence(table.by_age()),
            };
            rules.push(RuleRef { id: &rule.id, fingerprint: rule.fingerprint, state });
        }
        let body = BodyRef {
            stats: self.stats,
            mono: self.mono,
            started: self.started,
            inventory: &self.inventory,
            rules,
        };
        to.write_all(MAGIC)?;
        to.write_all(&[VERSION])?;
        Ok(serde_json::to_writer(to, &body)?)
    }

    /// An engine that goes on where the snapshot was taken. State of rules that are not in the set is dropped;
    /// the time between snapshot and `now` counts for no deadline.
    ///
    /// # Errors
    /// [`SnapshotError`] when the bytes are not a snapshot of this version; start with [`Engine::new`] then.
    pub fn restore(set: Arc<RuleSet>, limits: Limits, bytes: &[u8], now: Now) -> Result<Self, SnapshotError> {
        let body = read(bytes)?;
        let mut engine = Self::new(set, limits);
        engine.clock(now);
        let by = engine.mono.saturating_sub(body.mono);
        engine.started = body.started.map(|started| started.saturating_add(by)).or(engine.started);
        engine.stats = body.stats;
        engine.inventory = body.inventory;
        let at: HashMap<(Arc<str>, u64), usize> = engine
            .set
            .rules()
            .iter()
            .enumerate()
            .map(|(index, rule)| ((rule.id.clone(), rule.fingerprint), index))
            .collect();
        for saved in body.rules {
            let index = at.get(&(saved.id, saved.fingerprint));
            let Some(state) = index.and_then(|index| engine.states.get_mut(*index)) else { continue };
            match (state, saved.state) {
                (State::Keyed(table), StateBody::Keyed(saved)) => {
                    fill(table, saved, |keyed| {
                        keyed.hold.mono = keyed.hold.mono.saturating_add(by);
                        if let Some(opening) = &mut keyed.opens {
                            opening.mono = opening.mono.saturating_add(by);
                        }
                    });
                }
                (State::Seen(table), StateBody::Seen(saved)) => fill(table, saved, |_| {}),
                (State::Window(table), StateBody::Window(saved)) => fill(table, saved, |window| {
                    if let Some(waiting) = &mut window.waiting {
                        waiting.mono = waiting.mono.saturating_add(by);
                    }
                }),
                (State::Silence(table), StateBody::Silence(saved)) => {
                    fill(table, saved, |silence| silence.shift(by))
                }
                _ => {}
            }
        }
        engine.look_what_goes_on();
        engine.apply_inventory();
        engine.rebuild_timers();
        engine.stay_bounded();
        Ok(engine)
    }
}

fn read(bytes: &[u8]) -> Result<Body, SnapshotError> {
    if bytes.len() > SNAPSHOT_BYTES {
        return Err(SnapshotError::TooLong { bytes: bytes.len() });
    }
    let rest = bytes.strip_prefix(MAGIC).ok_or(SnapshotError::Foreign { bytes: bytes.len() })?;
    let Some((version, rest)) = rest.split_first() else {
        return Err(SnapshotError::Foreign { bytes: bytes.len() });
    };
    if *version != VERSION {
        return Err(SnapshotError::Version { found: *version });
    }
    serde_json::from_slice(rest).map_err(|source| SnapshotError::Damaged { source })
}
