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
        let password = request.password.as_deref().unwrap_or_default();
        // An empty user name without a password says nothing; some clients send it where they were given none.
        let username = request.username.as_deref().filter(|name| !name.is_empty() || !password.is_empty());
        let proof = match (&request.peer_certificate, username) {
            (Some(der), _) => Proof::Certificate { der },
            (None, Some(username)) => Proof::Password { username, password },
            (None, None) if self.is_bound(&request.client_id) => {
                let why = "this client id belongs to a device that was enrolled, and it shows no credential";
                return Err(refuse(ReasonCode::BAD_USER_NAME_OR_PASSWORD, why));
            }
            (None, None) => return Ok(Principal::Anonymous),
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

    /// Whether a client id belongs to whoever proves to be that device.
    fn is_bound(&self, client_id: &str) -> bool {
        self.registry.get(client_id).is_some_and(|device| device.credential.is_some())
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
            let grants = Admission::grants(self, &principal, &request.client_id);
            if !grants.may_connect() {
                return Err(Refused {
                    code: ReasonCode::NOT_AUTHORIZED,
                    text: "the policies do not let it connect".into(),
                });
            }
            Ok(Admitted { principal, grants })
        })
    }

    fn grants(&self, principal: &Principal, client_id: &str) -> Grants {
        match principal {
            // The trust of a device may have changed since it connected: ask for what it is now. Its client
            // id is its device id.
            Principal::Device { id, .. } => self.registry.get(id).map_or_else(Grants::none, |device| {
                self.compile(&Principal::Device { id: Arc::clone(id), trust: device.trust }, id)
            }),
            // Its id is not proven, but it is nobody else's: the broker has one connection for each, and an id
            // of an enrolled device is refused, also when the device was enrolled after it connected.
            _ if self.is_bound(client_id) => Grants::none(),
            other => self.compile(other, client_id),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sitewarden_core::{AssetKind, Timestamp, Trust};
    use sitewarden_devices::{Credential, CredentialKind, Device};

    const POLICY: &str = r#"
@id("anyone") permit (principal is Anonymous, action == Action::"mqtt:connect", resource is Site);
@id("own") permit (principal is Anonymous, action in [Action::"mqtt"], resource == TopicSpace::"own");
"#;

    fn site() -> (tempfile::TempDir, SiteAdmission) {
        let dir = tempfile::tempdir().expect("a folder");
        std::fs::write(dir.path().join("site.cedar"), POLICY).expect("written");
        std::fs::write(dir.path().join("topic-spaces.toml"), "[spaces]\nown = [\"own/{client}/#\"]\n")
            .expect("written");
        let policies = Policies::open(Some(dir.path().to_owned()), Arc::new(Timestamp::default));
        assert_eq!(policies.error(), None);
        (dir, SiteAdmission { registry: Arc::default(), policies })
    }

    fn request(client_id: &str) -> ConnectRequest {
        ConnectRequest {
            client_id: client_id.into(),
            assigned: false,
            username: None,
            password: None,
            peer_certificate: None,
            address: std::net::IpAddr::from([127, 0, 0, 1]),
            listener: "test".into(),
            will_topic: None,
        }
    }

    fn enrolled(id: &str) -> Device {
        let created = Timestamp::default();
        Device {
            id: id.into(),
            name: id.to_owned(),
            kind: AssetKind::Client,
            zone: String::new(),
            trust: Trust::Trusted,
            via: String::new(),
            facts: std::collections::BTreeMap::new(),
            first_seen: created,
            demo: false,
            credential: Some(Credential { kind: CredentialKind::Password, hash: [7; 32], created }),
        }
    }

    #[tokio::test]
    async fn a_client_keeps_the_topics_of_its_own_id_when_policies_are_asked_again() {
        let (_dir, admission) = site();

        let admitted = admission.admit(request("t1")).await.expect("anyone connects");
        let again = Admission::grants(&admission, &admitted.principal, "t1");

        for grants in [admitted.grants, again] {
            assert!(grants.may_publish("own/t1/x") && grants.may_subscribe("own/t1/#"));
            assert!(!grants.may_publish("own/t2/x"));
        }
        let wild = Admission::grants(&admission, &Principal::Anonymous, "+");
        assert!(wild.may_connect() && !wild.may_subscribe("own/+/#") && !wild.may_publish("own/+/x"));
    }

    #[tokio::test]
    async fn the_id_of_an_enrolled_device_is_nobody_else_s() {
        let (_dir, admission) = site();
        assert!(Admission::grants(&admission, &Principal::Anonymous, "t1").may_connect());

        admission.registry.put(vec![enrolled("t1")]);

        let refused = admission.admit(request("t1")).await.expect_err("it shows no credential");
        assert_eq!(refused.code, ReasonCode::BAD_USER_NAME_OR_PASSWORD);
        assert!(!Admission::grants(&admission, &Principal::Anonymous, "t1").may_connect());
        admission.admit(request("t2")).await.expect("anyone else still connects");
    }

    #[tokio::test]
    async fn an_empty_user_name_says_nothing_and_a_password_with_it_is_wrong() {
        let (_dir, admission) = site();
        let named = |password: Option<&'static [u8]>| ConnectRequest {
            username: Some("".into()),
            password: password.map(bytes::Bytes::from_static),
            ..request("t1")
        };

        for nothing in [None, Some(&b""[..])] {
            let admitted = admission.admit(named(nothing)).await.expect("as good as anonymous");
            assert_eq!(admitted.principal, Principal::Anonymous);
        }
        let refused = admission.admit(named(Some(b"guess"))).await.expect_err("nobody has that password");
        assert_eq!(refused.code, ReasonCode::BAD_USER_NAME_OR_PASSWORD);
    }
}
