//! What a write closure sees: its savepoint's connection, the time, permits and the site log.
//!
//! It has no commit: the writer commits the whole group. Invariants: an [`Actor`] comes only out of a spent
//! permit; a record is appended in the same commit as what it tells.

use std::cell::RefCell;

use rusqlite::Connection;
use serde_json::Value;
use sitewarden_core::gate::PolicyEpoch;
use sitewarden_core::{Action, Permit, Principal, Resource, Timestamp};

use crate::error::StoreError;
use crate::group::Jobs;
use crate::site_log::append::LogState;
use crate::space::Space;
use sitewarden_log::limits::{RECORD_BYTES, RECORD_KIND_BYTES};

/// One savepoint within a group commit.
pub struct Tx<'a> {
    pub(crate) conn: &'a Connection,
    pub(crate) now: Timestamp,
    pub(crate) log: &'a RefCell<LogState>,
    pub(crate) epoch: Option<PolicyEpoch>,
    pub(crate) space: Space,
    pub(crate) queue: &'a Jobs,
}

impl std::fmt::Debug for Tx<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tx").field("now", &self.now).finish_non_exhaustive()
    }
}

/// Who acted, proven by a spent permit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor(Principal);

impl Actor {
    /// The principal.
    #[must_use]
    pub const fn principal(&self) -> &Principal {
        &self.0
    }

    /// As the site log names them: `person:elin`.
    #[must_use]
    pub fn label(&self) -> String {
        self.0.label()
    }
}

impl Tx<'_> {
    /// The connection, inside this closure's savepoint. Statements that begin or end transactions are refused.
    #[must_use]
    pub const fn sql(&self) -> &Connection {
        self.conn
    }

    /// Wall time of the box when this closure began.
    #[must_use]
    pub const fn now(&self) -> Timestamp {
        self.now
    }

    /// Whether other closures wait for the writer. Long work of the background ends its step then, so that a message's
    /// acknowledgement does not wait for it.
    #[must_use]
    pub fn is_awaited(&self) -> bool {
        self.queue.len() > 0
    }

    /// What the disk has room for.
    #[must_use]
    pub const fn space(&self) -> Space {
        self.space
    }

    /// To be called before writing bulk data (readings, queued messages): refused while only the reserve
    /// for findings and the site log is left.
    ///
    /// # Errors
    /// [`StoreError::DiskFull`].
    pub const fn claim_bulk(&self) -> Result<(), StoreError> {
        match self.space {
            Space::Ample => Ok(()),
            Space::ReserveOnly => Err(StoreError::DiskFull),
        }
    }

    /// Consumes a permit for this action on this resource. A person's, key's or device's permit must be of
    /// the policies in force now; the box's own acts and the console's were decided by no policy, so none
    /// can have changed meanwhile.
    ///
    /// # Errors
    /// [`StoreError::WrongPermit`], [`StoreError::StalePermit`], [`StoreError::NoEpoch`].
    pub fn spend(&self, permit: Permit, action: Action, resource: &Resource) -> Result<Actor, StoreError> {
        if permit.action() != action || permit.resource() != resource {
            return Err(StoreError::WrongPermit {
                permitted: permit.action(),
                on: permit.resource().clone(),
                wanted: action,
                wanted_on: resource.clone(),
            });
        }
        if !matches!(permit.principal(), Principal::System { .. } | Principal::Console) {
            let now = self.epoch.ok_or(StoreError::NoEpoch)?;
            if permit.epoch() != now {
                return Err(StoreError::StalePermit { permit: permit.epoch(), now });
            }
        }
        Ok(Actor(permit.principal().clone()))
    }

    /// Appends one record `{"actor": .., ..body}` to the site log and gives its number.
    ///
    /// # Errors
    /// [`StoreError::BadRecord`] for a body that is no object, has an `actor` of its own or is over
    /// [`RECORD_BYTES`]; [`StoreError::Sql`].
    pub fn append(&self, actor: &Actor, kind: &str, body: Value) -> Result<u64, StoreError> {
        let refuse = |why| StoreError::BadRecord { kind: kind.to_owned(), why };
        let Value::Object(facts) = body else {
            return Err(refuse("its body is not an object"));
        };
        if facts.contains_key("actor") {
            return Err(refuse("its body names an actor of its own"));
        }
        if kind.is_empty() || kind.len() > RECORD_KIND_BYTES {
            return Err(refuse("its kind is empty or too long"));
        }
        let mut whole = serde_json::Map::with_capacity(facts.len() + 1);
        whole.insert("actor".to_owned(), Value::String(actor.label()));
        whole.extend(facts);
        let bytes = Value::Object(whole).to_string().into_bytes();
        if bytes.len() > RECORD_BYTES {
            return Err(refuse("its body is too large"));
        }
        self.log.borrow_mut().append(self.conn, self.now, kind, &bytes)
    }

    /// Number that the next record will get, so that a row can point to the record of its own change.
    #[must_use]
    pub fn next_seq(&self) -> u64 {
        self.log.borrow().frontier.size() + 1
    }
}
