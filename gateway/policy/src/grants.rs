//! What one client may on which topics, as plain lists of filters.
//!
//! Each topic space is decided once per action; the binary makes the broker's trie of it. This module matches no topic.
//! Invariant: a space that a policy forbids is in the lists of what is taken away, so that it also counts
//! inside of a wider space that is permitted.

use sitewarden_core::{Action, Principal, Resource};

use crate::decide::Inner;
use crate::vocabulary::principal_kind;

/// Filters that one client holds. What is in a `deny_` list is taken away from the list beside it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grants {
    /// Whether it may connect at all; when not, all lists are empty.
    pub connect: bool,
    /// May publish there, wills included.
    pub publish: Vec<String>,
    /// May not publish there.
    pub deny_publish: Vec<String>,
    /// May subscribe to what these contain.
    pub subscribe: Vec<String>,
    /// May not subscribe there.
    pub deny_subscribe: Vec<String>,
    /// Gets messages from there.
    pub deliver: Vec<String>,
    /// Gets no messages from there.
    pub deny_deliver: Vec<String>,
}

/// Decides all topic spaces for a principal that is connected (or about to be) under a client id.
pub(crate) fn compile(inner: &Inner, principal: &Principal, client: &str) -> Grants {
    let connect = Inner::decide(inner, &(principal.clone(), Action::MqttConnect, Resource::site()));
    let state = inner.state.load();
    let (true, Some(loaded)) = (connect.allow, &state.loaded) else { return Grants::default() };
    let device = match principal {
        Principal::Device { id, .. } => id.as_ref(),
        _ => client,
    };
    let mut grants = Grants { connect: true, ..Grants::default() };
    let kind = principal_kind(principal);
    for name in loaded.spaces.names() {
        let filters = loaded.spaces.filters(name, client, device);
        for action in [Action::MqttPublish, Action::MqttSubscribe, Action::MqttDeliver] {
            let resource = Resource::new("TopicSpace", name);
            let Some(set) = loaded.slice(kind, action, "TopicSpace") else { continue };
            let decision = inner.survey(&state, &(principal.clone(), action, resource));
            let (allowed, denied) = match action {
                Action::MqttPublish => (&mut grants.publish, &mut grants.deny_publish),
                Action::MqttSubscribe => (&mut grants.subscribe, &mut grants.deny_subscribe),
                _ => (&mut grants.deliver, &mut grants.deny_deliver),
            };
            if decision.allow {
                allowed.extend(filters.iter().cloned());
            } else if Inner::is_forbidden(set, &decision) {
                denied.extend(filters.iter().cloned());
            }
        }
    }
    grants
}
