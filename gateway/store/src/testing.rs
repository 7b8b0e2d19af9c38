//! For the tests of the slices: a store in a temporary folder, a clock that tests move, a gate that allows all.
//!
//! Not in the product: behind the feature `testing`, which only dev-dependencies name. Invariant: the store
//! is the real one, on a real file.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use sitewarden_core::gate::PolicyEpoch;
use sitewarden_core::{Action, Decider, Decision, Gate, Principal, Resource, Role, Timestamp};

use crate::{Clock, Config, Migrations, Store};

/// Allows everything, or nothing to viewers but reading.
struct AllowAll;

impl Decider for AllowAll {
    fn decide(&self, principal: &Principal, action: Action, _: &Resource) -> Decision {
        let viewer = matches!(
            principal,
            Principal::Person { role: Role::Viewer, .. } | Principal::ApiKey { role: Role::Viewer, .. }
        );
        Decision {
            allow: *principal != Principal::Anonymous && (!viewer || action.as_str().ends_with(":read")),
            policies: Vec::new(),
            epoch: PolicyEpoch(1),
        }
    }

    fn epoch(&self) -> PolicyEpoch {
        PolicyEpoch(1)
    }
}

/// A store in a temporary folder.
#[derive(Debug)]
pub struct TestStore {
    /// The store.
    pub store: Store,
    /// Its folder, removed at the end.
    pub dir: tempfile::TempDir,
    time: Arc<AtomicI64>,
}

impl TestStore {
    /// A new store with these tables; its clock stands at 2026-11-24T10:00:00Z.
    ///
    /// # Panics
    /// When it cannot be opened.
    #[must_use]
    pub fn new(slices: &[Migrations]) -> Self {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let time = Arc::new(AtomicI64::new(1_795_514_400_000_000));
        let store = Store::open(&config(&dir), slices, clock(&time)).expect("a new store");
        store.set_epoch_source(Arc::new(|| PolicyEpoch(1)));
        Self { store, dir, time }
    }

    /// What the clock says.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.time.load(Ordering::Relaxed))
    }

    /// Moves the clock.
    pub fn forward(&self, duration: Duration) {
        self.time.store(self.now().after(duration).micros(), Ordering::Relaxed);
    }

    /// Puts the clock to a time, also to an earlier one.
    pub fn set(&self, time: Timestamp) {
        self.time.store(time.micros(), Ordering::Relaxed);
    }

    /// Closes the store and opens it again.
    ///
    /// # Panics
    /// When it cannot be opened, or when another handle still holds the folder.
    #[must_use]
    pub fn reopen(self, slices: &[Migrations]) -> Self {
        let Self { store, dir, time } = self;
        store.shutdown();
        let store = Store::open(&config(&dir), slices, clock(&time)).expect("the store again");
        store.set_epoch_source(Arc::new(|| PolicyEpoch(1)));
        Self { store, dir, time }
    }
}

/// A gate that allows everything to everybody but reads only to viewers and nothing to nobody.
#[must_use]
pub fn gate() -> Gate {
    Gate::new(Arc::new(AllowAll))
}

/// A person with a role.
#[must_use]
pub fn person(id: &str, role: Role) -> Principal {
    Principal::Person { id: id.into(), role }
}

fn config(dir: &tempfile::TempDir) -> Config {
    Config { reserve_mib: 1, ..Config::for_dir(dir.path()) }
}

fn clock(time: &Arc<AtomicI64>) -> Clock {
    let time = Arc::clone(time);
    Arc::new(move || Timestamp::from_micros(time.load(Ordering::Relaxed)))
}
