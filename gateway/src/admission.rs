//! Who may connect to the broker: the inventory says who it is, the policies what it may.
//!
//! The broker asks at CONNECT and again when the policy epoch moves. Deny when unsure: a wrong credential is
//! refused even where anonymous clients may connect.

use std::sync::Arc;

use sitewarden_broker::wire::ReasonCode;
use sitewarden_broker::{Admission, Admitted, BoxFuture, ConnectRequest, Grants, GrantsBuilder, Refused};
use sitewarden_core::Principal;
use sitewarden_devices::{Proof, Registry};
use sitewarden_policy::Policies;

pub(crate) struct SiteAdmission {
    pub(crate) registry: Arc<Registry>,
    pub(crate) policies: Policies,
}

impl SiteAdmission {
    fn identify(&self, request: &ConnectRequest) -> Result<Principal, Refused> {
        let refuse = |code, text: &str| Refused { code, text: text.into() };
        let proof = match (&request.peer_certificate, &request.username, &request.password) {
            (Some(der), ..) => Proof::Certificate { der },
            (None, Some(username), password) => {
                Proof::Password { username, password: password.as_deref().unwrap_or_default() }
            }
            (None, None, _) => return Ok(Principal::Anonymous),
        };
        match self.registry.authenticate(&request.client_id, proof) {
            Some(known) => Ok(Principal::Device { id: known.id, trust: known.trust }),
            None => {
                let why = match proof {
                    Proof::Certificate { .. } => {
                        "the certificate is not the one of a device with this client id"
                    }
                    Proof::Password { .. } => {
                        "wrong user name or password, or not the client id that the credential is for"
                    }
                };
                Err(refuse(ReasonCode::BAD_USER_NAME_OR_PASSWORD, why))
            }
        }
    }

    fn compile(&self, principal: &Principal, client_id: &str) -> Grants {
        let plain = self.policies.grants(principal, client_id);
        if !plain.connect {
            return Grants::none();
        }
        let mut grants = GrantsBuilder::new();
        for filter in &plain.publish {
            grants = grants.allow_publish(filter);
        }
        for filter in &plain.deny_publish {
            grants = grants.deny_publish(filter);
        }
        for filter in &plain.subscribe {
            grants = grants.allow_subscribe(filter);
        }
        for filter in &plain.deny_subscribe {
            grants = grants.deny_subscribe(filter);
        }
        for filter in &plain.deliver {
            grants = grants.allow_deliver(filter);
        }
        for filter in &plain.deny_deliver {
            grants = grants.deny_deliver(filter);
        }
        grants.build()
    }
}

impl Admission for SiteAdmission {
    fn admit(&self, request: ConnectRequest) -> BoxFuture<'_, Result<Admitted, Refused>> {
        Box::pin(async move {
            let principal = self.identify(&request)?;
            let grants = Admission::grants(self, &principal);
            if !grants.may_connect() {
                return Err(Refused {
                    code: ReasonCode::NOT_AUTHORIZED,
                    text: "the policies do not let it connect".into(),
                });
            }
            Ok(Admitted { principal, grants })
        })
    }

    fn grants(&self, principal: &Principal) -> Grants {
        match principal {
            // The trust of a device may have changed since it connected: ask for what it is now. Its client
            // id is its device id.
            Principal::Device { id, .. } => self.registry.get(id).map_or_else(Grants::none, |device| {
                self.compile(&Principal::Device { id: Arc::clone(id), trust: device.trust }, id)
            }),
            // An id that no filter with a placeholder accepts: what belongs to one client id is not given to
            // a client whose id is not proven.
            other => self.compile(other, "#"),
        }
    }
}
