//! Grants: what one principal may publish, subscribe to and receive, compiled into one small table.
//!
//! Built from plain filter rules that the policy slice worked out; packets ask only these tries: no policy
//! engine, no allocation per publish, nothing that an attacker can make miss a cache. Not the decision
//! itself. Invariants: what no rule allows is denied, a deny rule wins over every allow rule, `$SYS` is
//! never publishable, and a question that would cost more than a named bound is answered with "no". Rules know
//! one word that clients' filters do not: `$*` as the first level is every level that begins with `$`.

#![deny(clippy::indexing_slicing)]

mod build;
mod pool;
mod trie;

use std::sync::Arc;

use self::build::Draft;
use self::trie::{Root, Tries};

pub(crate) use self::pool::Pool;

/// The compiled rights of one principal. A clone is a reference.
#[derive(Clone, Debug)]
pub struct Grants {
    inner: Arc<Inner>,
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Inner {
    connect: bool,
    /// Whether every topic that a client can subscribe to may be delivered.
    deliver_all: bool,
    tries: Tries,
}

impl Grants {
    /// Nothing at all, not even to stay connected.
    #[must_use]
    pub fn none() -> Self {
        GrantsBuilder::new().refuse_connection().build()
    }

    /// Everything but `$SYS` publishes; topics under `$` can be read. For tests and the lab listener.
    #[must_use]
    pub fn everything() -> Self {
        GrantsBuilder::new()
            .allow_publish("#")
            .allow_subscribe("#")
            .allow_subscribe("$SYS/#")
            .allow_deliver("#")
            .allow_deliver("$SYS/#")
            .build()
    }

    /// Whether the client may stay connected.
    #[must_use]
    pub fn may_connect(&self) -> bool {
        self.inner.connect
    }

    /// Whether it may publish to this topic (also for a will).
    #[must_use]
    pub fn may_publish(&self, topic: &str) -> bool {
        !is_system(topic) && self.inner.tries.permits(Root::Publish, topic)
    }

    /// Whether every topic of this filter may be subscribed to.
    #[must_use]
    pub fn may_subscribe(&self, filter: &str) -> bool {
        self.inner.tries.contains(Root::Subscribe, filter)
    }

    /// Whether a message of this topic may be delivered to it.
    #[must_use]
    pub fn may_receive(&self, topic: &str) -> bool {
        self.inner.tries.permits(Root::Deliver, topic)
    }

    /// Whether every topic of this filter may be delivered: the bit that spares the check per message.
    #[must_use]
    pub fn may_receive_all(&self, filter: &str) -> bool {
        self.inner.deliver_all && !filter.starts_with('$') || self.inner.tries.contains(Root::Deliver, filter)
    }
}

fn is_system(topic: &str) -> bool {
    topic.strip_prefix("$SYS").is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Collects rules. The order of calls does not matter.
#[derive(Debug)]
#[must_use]
pub struct GrantsBuilder {
    connect: bool,
    publish: Draft,
    subscribe: Draft,
    deliver: Draft,
}

impl Default for GrantsBuilder {
    fn default() -> Self {
        Self::new()
    }
}

impl GrantsBuilder {
    /// Connected, and nothing else allowed.
    pub fn new() -> Self {
        Self { connect: true, publish: Draft::new(), subscribe: Draft::new(), deliver: Draft::new() }
    }

    /// The client must not be connected: a quarantined device on an epoch change.
    pub fn refuse_connection(mut self) -> Self {
        self.connect = false;
        self
    }

    /// Publishing to every topic of the filter is allowed.
    pub fn allow_publish(mut self, filter: &str) -> Self {
        self.publish.add(filter, ALLOW);
        self
    }

    /// Publishing to every topic of the filter is forbidden.
    pub fn deny_publish(mut self, filter: &str) -> Self {
        self.publish.add(filter, DENY);
        self
    }

    /// Subscribing to filters within this one is allowed.
    pub fn allow_subscribe(mut self, filter: &str) -> Self {
        self.subscribe.add(filter, ALLOW);
        self
    }

    /// Subscribing to filters that overlap with this one is forbidden.
    pub fn deny_subscribe(mut self, filter: &str) -> Self {
        self.subscribe.add(filter, DENY);
        self
    }

    /// Receiving messages of the filter's topics is allowed.
    pub fn allow_deliver(mut self, filter: &str) -> Self {
        self.deliver.add(filter, ALLOW);
        self
    }

    /// Receiving messages of the filter's topics is forbidden.
    pub fn deny_deliver(mut self, filter: &str) -> Self {
        self.deliver.add(filter, DENY);
        self
    }

    /// Compiles the rules.
    #[must_use]
    pub fn build(self) -> Grants {
        let tries = build::compile([self.publish, self.subscribe, self.deliver]);
        let deliver_all = tries.contains(Root::Deliver, "#");
        Grants { inner: Arc::new(Inner { connect: self.connect, deliver_all, tries }) }
    }
}

const ALLOW: u8 = 1;
const DENY: u8 = 2;
/// In a rule's first level: every first level that begins with `$`, which no MQTT wildcard matches.
const ANY_DOLLAR: &str = "$*";

#[cfg(test)]
mod tests;
