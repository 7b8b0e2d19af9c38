//! What the agents' lines are wired to.
//!
//! Wiring alone. Invariant: a line asks the same gate, inventory and clocks as everybody else.

use std::sync::Arc;

use sitewarden_devices::agents::link;

use super::Ground;
use crate::clock;

impl Ground {
    /// What the agents' lines need.
    pub(super) fn line_deps(&self) -> link::Deps {
        let (clock, policies) = (self.clock, self.policies.clone());
        link::Deps {
            store: self.store.clone(),
            gate: self.gate.clone(),
            agents: Arc::clone(&self.agents),
            registry: Arc::clone(&self.registry),
            clock: Arc::new(move || clock.now()),
            wall_floor: clock::WALL_FLOOR,
            epochs: self.policies.epochs(),
            changed: Arc::new(move || policies.entities_changed()),
        }
    }
}
