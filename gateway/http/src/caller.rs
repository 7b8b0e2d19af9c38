//! Who is asking.
//!
//! The identity slice's middleware puts a [`Caller`] into the request's extensions; handlers take it as an
//! extractor. It carries no rights: those come from the gate. Invariant: no caller, no handler.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use http::request::Parts;
use sitewarden_core::{Action, Gate, Permit, Principal, Resource, Role};

use crate::error::ApiError;

/// Who is asking, and from where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// As policies know them.
    pub principal: Principal,
    /// Session id, when it is a person with a session.
    pub session: Option<Arc<str>>,
    /// Address of the connection.
    pub address: IpAddr,
    /// Log-in name, when it is a person.
    pub login: Option<Arc<str>>,
}

impl Caller {
    /// The caller's role; `None` for what is neither a person nor a key.
    #[must_use]
    pub const fn role(&self) -> Option<Role> {
        match self.principal {
            Principal::Person { role, .. } | Principal::ApiKey { role, .. } => Some(role),
            _ => None,
        }
    }

    /// Asks the gate. A refusal names the policies to operators and owners only.
    ///
    /// # Errors
    /// 403 as problem+json.
    pub fn permit(&self, gate: &Gate, action: Action, resource: Resource) -> Result<Permit, ApiError> {
        gate.permit(&self.principal, action, resource).map_err(|denied| {
            let may_know = self.role().is_some_and(|role| role >= Role::Operator);
            ApiError::denied(&denied, may_know)
        })
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        parts
            .extensions
            .get::<Self>()
            .cloned()
            .ok_or_else(|| ApiError::unauthorized("Nobody is signed in. Sign in, or send an API key."))
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use http::StatusCode;
    use sitewarden_core::gate::PolicyEpoch;
    use sitewarden_core::{Decider, Decision};

    use super::*;

    struct NeverByPolicy;
    impl Decider for NeverByPolicy {
        fn decide(&self, _: &Principal, _: Action, _: &Resource) -> Decision {
            Decision { allow: false, policies: vec!["frozen".into()], epoch: PolicyEpoch(1) }
        }
        fn epoch(&self) -> PolicyEpoch {
            PolicyEpoch(1)
        }
    }

    fn caller(role: Role) -> Caller {
        Caller {
            principal: Principal::Person { id: "elin".into(), role },
            session: None,
            address: Ipv4Addr::LOCALHOST.into(),
            login: Some("elin".into()),
        }
    }

    #[tokio::test]
    async fn without_a_caller_the_answer_is_401() {
        let (mut parts, ()) = http::Request::new(()).into_parts();
        let error = Caller::from_request_parts(&mut parts, &()).await.expect_err("nobody");
        assert_eq!(error.status(), StatusCode::UNAUTHORIZED);
        parts.extensions.insert(caller(Role::Viewer));
        assert_eq!(Caller::from_request_parts(&mut parts, &()).await, Ok(caller(Role::Viewer)));
    }

    #[test]
    fn operators_learn_which_policy_refused_and_viewers_do_not() {
        let gate = Gate::new(Arc::new(NeverByPolicy));
        let refuse =
            |role| caller(role).permit(&gate, Action::FindingClose, Resource::site()).expect_err("refused");
        assert_ne!(refuse(Role::Operator), refuse(Role::Viewer));
        assert!(format!("{:?}", refuse(Role::Operator)).contains("frozen"));
        assert!(!format!("{:?}", refuse(Role::Viewer)).contains("frozen"));
    }
}
