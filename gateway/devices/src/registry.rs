//! The inventory in memory: what the broker, the rules and the pages ask at every packet.
//!
//! Loaded from the store at start and told of every change after its commit; it never leads the store.
//! Invariant: a device that is not here has no rights.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use ring::digest;
use sitewarden_core::{Sighting, Timestamp, Trust};

use crate::device::{Connection, CredentialKind, Device, Freshness, Presence};
use crate::limits::NEW_DEVICES_PER_MINUTE;

/// What a client shows to prove who it is.
#[derive(Clone, Copy, Debug)]
pub enum Proof<'a> {
    /// User name and password.
    Password {
        /// Device id.
        username: &'a str,
        /// What only the device knows.
        password: &'a [u8],
    },
    /// Certificate of the TLS handshake, whose key the handshake proved.
    Certificate {
        /// DER.
        der: &'a [u8],
    },
}

/// Who a proof belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// Device id.
    pub id: Arc<str>,
    /// Whether the site trusts it now.
    pub trust: Trust,
}

#[derive(Default)]
struct Inventory {
    devices: HashMap<Arc<str>, Arc<Device>>,
    certificates: HashMap<[u8; 32], Arc<str>>,
}

/// New devices taken in the minute that began at `minute`.
#[derive(Default)]
struct Rate {
    minute: i64,
    taken: u32,
    refused: u64,
}

/// The inventory in memory.
#[derive(Default)]
pub struct Registry {
    inventory: RwLock<Inventory>,
    presence: Mutex<HashMap<Arc<str>, Presence>>,
    rate: Mutex<Rate>,
    /// Moves with every change of the inventory.
    version: AtomicU64,
}

impl std::fmt::Debug for Registry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Registry").finish_non_exhaustive()
    }
}

impl Registry {
    /// Takes devices as they are committed now.
    pub fn put(&self, devices: Vec<Device>) {
        let mut inventory = self.inventory.write().unwrap_or_else(PoisonError::into_inner);
        for device in devices {
            let id = Arc::clone(&device.id);
            inventory.certificates.retain(|_, owner| *owner != id);
            if let Some(credential) = &device.credential
                && credential.kind == CredentialKind::Certificate
            {
                inventory.certificates.insert(credential.hash, Arc::clone(&id));
            }
            inventory.devices.insert(id, Arc::new(device));
        }
        self.version.fetch_add(1, Ordering::Release);
    }

    /// A number that moves with every change of the inventory: who keeps a copy compares it.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// Forgets devices that are gone from the store.
    pub fn forget(&self, ids: &[String]) {
        let mut inventory = self.inventory.write().unwrap_or_else(PoisonError::into_inner);
        let mut presence = self.presence.lock().unwrap_or_else(PoisonError::into_inner);
        for id in ids {
            inventory.devices.remove(id.as_str());
            inventory.certificates.retain(|_, owner| **owner != **id);
            presence.remove(id.as_str());
        }
        self.version.fetch_add(1, Ordering::Release);
    }

    /// The device of that id.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<Arc<Device>> {
        self.inventory.read().unwrap_or_else(PoisonError::into_inner).devices.get(id).cloned()
    }

    /// All devices, by id.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<Device>> {
        let inventory = self.inventory.read().unwrap_or_else(PoisonError::into_inner);
        let mut devices: Vec<_> = inventory.devices.values().cloned().collect();
        devices.sort_by(|a, b| a.id.cmp(&b.id));
        devices
    }

    /// Checks a proof. The client id must be the device's own: a credential is bound to one client id.
    #[must_use]
    pub fn authenticate(&self, client_id: &str, proof: Proof<'_>) -> Option<Known> {
        let inventory = self.inventory.read().unwrap_or_else(PoisonError::into_inner);
        let device = match proof {
            Proof::Password { username, password } => {
                let device = inventory.devices.get(username);
                let expected = device
                    .and_then(|device| device.credential.as_ref())
                    .filter(|credential| credential.kind == CredentialKind::Password)
                    .map(|credential| credential.hash);
                // Unknown names are hashed and compared too, so that the answer takes the same time.
                let given = sha256(password);
                let equal = same(&given, &expected.unwrap_or([0; 32]));
                device.filter(|_| equal && expected.is_some())
            }
            Proof::Certificate { der } => {
                inventory.certificates.get(&sha256(der)).and_then(|id| inventory.devices.get(id))
            }
        }?;
        (*device.id == *client_id).then(|| Known { id: Arc::clone(&device.id), trust: device.trust })
    }

    /// Whether a sighting tells something that the inventory does not have, within the rate of new devices.
    #[must_use]
    pub fn is_news(&self, sighting: &Sighting) -> bool {
        if let Some(device) = self.get(sighting.asset.as_str()) {
            let via = sighting.via.as_ref().map_or("", |via| via.as_str());
            return (device.via.is_empty() && !via.is_empty())
                || sighting
                    .facts
                    .iter()
                    .any(|(name, value)| device.facts.get(&**name).is_none_or(|known| *known != **value));
        }
        let mut rate = self.rate.lock().unwrap_or_else(PoisonError::into_inner);
        let minute = sighting.seen.micros().div_euclid(60_000_000);
        if rate.minute != minute {
            (rate.minute, rate.taken) = (minute, 0);
        }
        if rate.taken >= NEW_DEVICES_PER_MINUTE {
            rate.refused += 1;
            return false;
        }
        rate.taken += 1;
        true
    }

    /// Sightings of new devices that were refused because too many came at once.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.rate.lock().unwrap_or_else(PoisonError::into_inner).refused
    }

    /// A device's readings are committed.
    pub fn reported(&self, id: &str, received: Timestamp) {
        self.with_presence(id, |presence| presence.reported(received));
    }

    /// A device's MQTT connection stands.
    pub fn connected(&self, id: &str, address: String, since: Timestamp) {
        self.with_presence(id, |presence| {
            presence.connection = Some(Connection { up: true, address, since })
        });
    }

    /// A device's MQTT connection is gone.
    pub fn disconnected(&self, id: &str, since: Timestamp) {
        self.with_presence(id, |presence| {
            if let Some(connection) = &mut presence.connection {
                connection.up = false;
                connection.since = since;
            }
        });
    }

    /// What is known of a device's presence.
    #[must_use]
    pub fn presence(&self, id: &str) -> Presence {
        self.presence.lock().unwrap_or_else(PoisonError::into_inner).get(id).cloned().unwrap_or_default()
    }

    /// How fresh a device's word is.
    #[must_use]
    pub fn freshness(&self, id: &str, now: Timestamp) -> Freshness {
        self.presence(id).freshness(now)
    }

    pub(crate) fn restore_presence(&self, id: Arc<str>, presence: Presence) {
        self.presence.lock().unwrap_or_else(PoisonError::into_inner).insert(id, presence);
    }

    /// What presence says now, to be kept by [`crate::save_presence`].
    #[must_use]
    pub fn all_presence(&self) -> Vec<(Arc<str>, Presence)> {
        let presence = self.presence.lock().unwrap_or_else(PoisonError::into_inner);
        presence.iter().map(|(id, presence)| (Arc::clone(id), presence.clone())).collect()
    }

    /// Only devices of the inventory have a presence: made-up names cost nothing.
    fn with_presence(&self, id: &str, change: impl FnOnce(&mut Presence)) {
        let Some(device) = self.get(id) else { return };
        let mut presence = self.presence.lock().unwrap_or_else(PoisonError::into_inner);
        change(presence.entry(Arc::clone(&device.id)).or_default());
    }
}

/// SHA-256.
pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    let digest = digest::digest(&digest::SHA256, bytes);
    let mut hash = [0; 32];
    hash.copy_from_slice(digest.as_ref());
    hash
}

/// Compares without telling by its time where two hashes differ.
fn same(a: &[u8; 32], b: &[u8; 32]) -> bool {
    a.iter().zip(b).fold(0, |difference, (a, b)| difference | (a ^ b)) == 0
}
