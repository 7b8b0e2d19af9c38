//! A changed policy: everything that stands is asked again.
//!
//! Invariants: after [`Core::refresh_grants`] no message is delivered and no will fires under the old
//! grants; a subscription that lost its right is silent, not removed, so that it speaks again when the
//! right comes back and the client never learns that it is to subscribe anew.

use sitewarden_core::gate::Principal;
use sitewarden_core::time::Now;

use super::Core;
use super::slab::Key;
use crate::grants::Grants;
use crate::wire::ReasonCode;

/// What a principal may under a client id.
pub type GrantsOf<'a> = &'a dyn Fn(&Principal, &str) -> Grants;

impl Core {
    /// Asks for the grants of every session and every waiting will again.
    pub fn refresh_grants(&mut self, now: Now, grants: GrantsOf<'_>) {
        self.grants_version = self.grants_version.wrapping_add(1);
        self.router.touch();
        let mut refused = Vec::new();
        for key in self.sessions.keys() {
            let Some(session) = self.sessions.get_mut(key) else { continue };
            session.grants = self.grants.share(grants(&session.owner.principal, &session.owner.client_id));
            if !session.grants.may_connect() {
                refused.extend(session.conn);
            }
            self.recheck_subscriptions(key);
        }
        for waiting in self.wills.values_mut() {
            waiting.grants = self.grants.share(grants(&waiting.will.principal, &waiting.will.client_id));
        }
        for conn in refused {
            self.close(now, conn, ReasonCode::NOT_AUTHORIZED);
        }
    }

    pub(super) fn recheck_subscriptions(&mut self, key: Key) {
        let Some(session) = self.sessions.get(key) else { return };
        for filter in session.subscriptions.filters() {
            let allowed = session.grants.may_connect() && session.grants.may_subscribe(filter);
            let deliver_all = allowed && session.grants.may_receive_all(filter);
            self.router.update(filter, key, |subscriber| {
                subscriber.allowed = allowed;
                subscriber.deliver_all = deliver_all;
            });
        }
    }
}
