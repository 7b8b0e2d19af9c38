//! Enrolment: a credential for a device, shown once; the same code for the API and the console.
//!
//! With a certificate request the device keeps its key and the site's CA signs; without one the box makes a
//! password of 32 random bytes and keeps its hash only.

use std::sync::Arc;

use axum::extract::State;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use sitewarden_core::{Action, Permit};
use sitewarden_http::{ApiError, Caller, Json, Problem};
use sitewarden_store::{Store, WriteError};
use utoipa::ToSchema;

use super::{Created, Deps, SignCsr, kind_of};
use crate::acts::{self, Enrolment};
use crate::device::{CredentialKind, Device, parse_kind};
use crate::error::DeviceError;
use crate::limits::CSR_BYTES;

/// A certificate that the site's CA made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// For the device.
    pub pem: String,
    /// SHA-256 of its DER.
    pub hash: [u8; 32],
}

/// Which device gets a credential.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EnrolRequest {
    /// Device id; it becomes its MQTT client id.
    #[schema(min_length = 1, max_length = 200)]
    pub id: String,
    /// Name for people.
    #[schema(max_length = 200)]
    pub name: Option<String>,
    /// Where it is.
    #[schema(max_length = 200)]
    pub zone: Option<String>,
    /// `client`, `sensor`, `camera`, `agent`, `box`, `unknown`.
    pub kind: Option<String>,
    /// Certificate request (PEM) over the device's own key; without one a password is made.
    pub csr_pem: Option<String>,
}

/// The credential, shown this once.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct EnrolResult {
    /// Device id.
    pub device_id: String,
    /// Trust from now on: `trusted`, or `awaiting-approval` when whoever enrolled it may not approve.
    pub trust: String,
    /// What to type into the device, when a password was made.
    pub credential: Option<PasswordCredential>,
    /// The device's certificate, when a request was signed.
    pub certificate_pem: Option<String>,
    /// The site CA's certificate, which the device checks the box by.
    pub ca_pem: String,
}

/// User name and password of a device.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct PasswordCredential {
    /// MQTT client id; another one is refused.
    pub client_id: String,
    /// MQTT user name.
    pub username: String,
    /// MQTT password; it is stored nowhere in clear.
    pub password: String,
}

/// Makes a credential for a device, or signs its certificate request. The credential before is void.
#[utoipa::path(post, path = "/devices/enrol", tag = "devices", request_body = EnrolRequest,
    responses((status = 201, body = EnrolResult), Problem))]
pub(super) async fn enrol(
    State(deps): State<Deps>,
    caller: Caller,
    Json(request): Json<EnrolRequest>,
) -> Result<Created<EnrolResult>, ApiError> {
    if let Some(kind) = &request.kind {
        kind_of(kind)?;
    }
    let permit = caller.permit(&deps.gate, Action::DeviceEnrol, acts::resource(&request.id))?;
    let approve =
        deps.gate.permit(&caller.principal, Action::DeviceApprove, acts::resource(&request.id)).is_ok();
    let (device, result) =
        enrol_device(&deps.store, permit, request, approve, false, &deps.sign_csr, &deps.ca_pem)
            .await
            .map_err(ApiError::from)?;
    deps.registry.put(vec![device]);
    (deps.changed)();
    Ok((StatusCode::CREATED, Json(result)))
}

/// Enrols a device and gives what to tell it; the caller puts the device into the registry.
///
/// # Errors
/// [`WriteError`] around [`DeviceError`]; nothing was changed.
pub async fn enrol_device(
    store: &Store,
    permit: Permit,
    request: EnrolRequest,
    approve: bool,
    demo: bool,
    sign: &SignCsr,
    ca_pem: &Arc<str>,
) -> Result<(Device, EnrolResult), WriteError<DeviceError>> {
    const WHAT: &str = "enrolling a device";
    let refuse = |source| WriteError::Failed { what: WHAT, source };
    let id = acts::device_id(&request.id).map_err(refuse)?;
    let (hash, password, certificate) = match &request.csr_pem {
        Some(csr) if csr.len() > CSR_BYTES => {
            return Err(refuse(DeviceError::Csr("it is too large".to_owned())));
        }
        Some(csr) => {
            let certificate = sign(csr, &id).map_err(|why| refuse(DeviceError::Csr(why)))?;
            (certificate.hash, None, Some(certificate.pem))
        }
        None => {
            let (password, hash) = acts::new_password().map_err(refuse)?;
            (hash, Some(password), None)
        }
    };
    let enrolment = Enrolment {
        id: id.clone(),
        name: request.name,
        zone: request.zone,
        kind: request.kind.as_deref().and_then(parse_kind),
        credential: if password.is_some() { CredentialKind::Password } else { CredentialKind::Certificate },
        hash,
        approve,
        demo,
    };
    let device = store.write(WHAT, move |tx| acts::enrol(tx, permit, enrolment)).await?;
    let result = EnrolResult {
        device_id: id.clone(),
        trust: device.trust.as_str().to_owned(),
        credential: password.map(|password| PasswordCredential {
            client_id: id.clone(),
            username: id,
            password,
        }),
        certificate_pem: certificate,
        ca_pem: ca_pem.to_string(),
    };
    Ok((device, result))
}
