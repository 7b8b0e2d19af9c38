//! Who may connect: the question that the broker asks at CONNECT and the answer it takes.
//!
//! The broker decides nothing here: the binary puts in an [`Admission`] that checks credentials and
//! policy. Invariant: no answer, an error or a time-out means that the client is refused.

use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use sitewarden_core::gate::Principal;

use crate::grants::Grants;
use crate::wire::ReasonCode;

/// What a client says about itself at CONNECT.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectRequest {
    /// Client id; one that the broker made when `assigned`.
    pub client_id: Arc<str>,
    /// Whether the broker made the client id.
    pub assigned: bool,
    /// User name.
    pub username: Option<Arc<str>>,
    /// Password. Never logged.
    pub password: Option<Bytes>,
    /// The certificate that the client proved in the TLS handshake, DER.
    pub peer_certificate: Option<Bytes>,
    /// Where from.
    pub address: IpAddr,
    /// Name of the listener.
    pub listener: Arc<str>,
    /// Topic of the will.
    pub will_topic: Option<Arc<str>>,
}

/// The client may connect.
#[derive(Clone, Debug)]
pub struct Admitted {
    /// Who it is.
    pub principal: Principal,
    /// What it may.
    pub grants: Grants,
}

/// The client may not connect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// What it is told.
    pub code: ReasonCode,
    /// Why, for people; not told to the client.
    pub text: Arc<str>,
}
