//! Equal grants once: a thousand clients under the same rules share one table.
//!
//! Not a cache of decisions: what is shared is equal, whoever asked for it. Invariant: the pool holds no more than
//! twice the grants that are in use, and a few.

use std::collections::HashSet;
use std::sync::Arc;

use super::{Grants, Inner};
use crate::limits::GRANTS_UNSWEPT;

/// The grants that are in use.
#[derive(Debug, Default)]
pub(crate) struct Pool {
    known: HashSet<Arc<Inner>>,
    /// Size at which those that nobody uses any more are dropped.
    sweep_at: usize,
}

impl Pool {
    /// The same grants, shared with everybody who holds equal ones.
    pub(crate) fn share(&mut self, grants: Grants) -> Grants {
        if let Some(known) = self.known.get(&*grants.inner) {
            return Grants { inner: known.clone() };
        }
        if self.known.len() >= self.sweep_at.max(GRANTS_UNSWEPT) {
            self.known.retain(|known| Arc::strong_count(known) > 1);
            self.known.shrink_to(2 * self.known.len());
            self.sweep_at = 2 * self.known.len();
        }
        self.known.insert(grants.inner.clone());
        grants
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grants::GrantsBuilder;

    #[test]
    fn equal_grants_are_one_and_unused_ones_go() {
        let mut pool = Pool::default();
        let first = pool.share(GrantsBuilder::new().allow_publish("a/+").deny_publish("b").build());
        let second = pool.share(GrantsBuilder::new().deny_publish("b").allow_publish("a/+").build());
        let other = pool.share(GrantsBuilder::new().allow_publish("a/b").deny_publish("b").build());
        assert!(Arc::ptr_eq(&first.inner, &second.inner) && !Arc::ptr_eq(&first.inner, &other.inner));
        assert!(other.may_publish("a/b") && !other.may_publish("a/c"));

        for number in 0..10 * GRANTS_UNSWEPT {
            pool.share(GrantsBuilder::new().allow_publish(&format!("x/{number}")).build());
        }
        assert!(pool.known.len() <= GRANTS_UNSWEPT + 1, "{}", pool.known.len());
        assert!(Arc::ptr_eq(&first.inner, &pool.share(first.clone()).inner));
    }
}
