//! What a person at the console may do: enrol a device, make and withdraw API keys, register at a cloud.
//!
//! The same functions as the API's, under a console permit. Runs in the gateway behind the console socket,
//! or in the command itself when no gateway runs.

use std::sync::Arc;

use serde_json::json;
use sitewarden_core::error::chain;
use sitewarden_core::{Action, Gate, Resource, Role};
use sitewarden_devices::agents::Agents;
use sitewarden_devices::{EnrolAgent, EnrolRequest, Registry, enrol_agent, enrol_device};
use sitewarden_identity::NewApiKey;
use sitewarden_pki::Pki;
use sitewarden_policy::Policies;
use sitewarden_store::Store;
use sitewarden_uplink::{Registration, StatusView, Uplink, UplinkError};

use crate::clock::Clock;
use crate::console::{Answer, Request};

/// Keys shown by `api-key list`: as many as a site may have.
const LISTED_KEYS: usize = sitewarden_identity::limits::API_KEYS;

#[derive(Clone)]
pub(crate) struct Admin {
    pub(crate) clock: Clock,
    pub(crate) store: Store,
    pub(crate) gate: Gate,
    pub(crate) policies: Policies,
    pub(crate) registry: Arc<Registry>,
    pub(crate) agents: Arc<Agents>,
    pub(crate) pki: Arc<Pki>,
    pub(crate) uplink: Uplink,
}

impl Admin {
    pub(crate) async fn execute(&self, request: Request) -> Answer {
        let done = match request {
            Request::Enrol(enrol) => {
                let approve = !enrol.await_approval;
                let request = EnrolRequest {
                    id: enrol.id,
                    name: enrol.name,
                    zone: enrol.zone,
                    kind: enrol.kind,
                    csr_pem: enrol.csr_pem,
                };
                self.enrol(request, approve, false)
                    .await
                    .and_then(|result| serde_json::to_value(result).map_err(|error| error.to_string()))
            }
            Request::EnrolAgent { code, name, zone } => {
                self.enrol_agent(EnrolAgent { code, name, zone }).await
            }
            Request::ApiKeyCreate { name, role, expires_days } => {
                self.create_key(name, &role, expires_days).await
            }
            Request::ApiKeyList => self.list_keys().await,
            Request::ApiKeyRevoke { id } => self.revoke_key(id).await,
            Request::UplinkRegister { url, claim_code, ca_pem } => {
                let permit = self.gate.console(Action::UplinkManage, Resource::site());
                told(self.uplink.register(permit, Registration { url, claim_code, ca_pem }).await)
            }
            Request::UplinkForget => {
                let permit = self.gate.console(Action::UplinkManage, Resource::site());
                told(self.uplink.forget(permit).await)
            }
            Request::UplinkStatus => told(self.uplink.view().await),
        };
        done.map_or_else(Answer::Failed, Answer::Done)
    }

    async fn create_key(
        &self,
        name: String,
        role: &str,
        expires_in_days: u32,
    ) -> Result<serde_json::Value, String> {
        let role = Role::parse(role)
            .ok_or_else(|| format!("{role:?} is not a role; use owner, operator, technician or viewer"))?;
        let permit = self.gate.console(Action::ApiKeyCreate, Resource::site());
        let new = NewApiKey { name, role, expires_in_days };
        let made = self
            .store
            .write("making an API key", move |tx| sitewarden_identity::create_api_key(tx, permit, &new))
            .await;
        let made = made.map_err(|error| chain(&error))?;
        Ok(json!({
            "id": made.listed.id, "name": made.listed.name, "role": made.listed.role.as_str(),
            "expires": made.listed.expires, "key": made.key.expose(),
        }))
    }

    async fn list_keys(&self) -> Result<serde_json::Value, String> {
        let keys = self.store.read(|conn| sitewarden_identity::list_api_keys(conn, None, LISTED_KEYS)).await;
        let items: Vec<_> = keys
            .map_err(|error| chain(&error))?
            .into_iter()
            .map(|key| json!({"id": key.id, "name": key.name, "role": key.role.as_str(), "created": key.created, "expires": key.expires, "last_used": key.last_used}))
            .collect();
        Ok(json!({"items": items}))
    }

    async fn revoke_key(&self, id: String) -> Result<serde_json::Value, String> {
        let permit = self.gate.console(Action::ApiKeyRevoke, Resource::new("ApiKey", &id));
        let revoked = id.clone();
        let done = self
            .store
            .write("withdrawing an API key", move |tx| {
                sitewarden_identity::revoke_api_key(tx, permit, &revoked)
            })
            .await;
        done.map_err(|error| chain(&error))?;
        Ok(json!({"revoked": id}))
    }

    /// Opens a one-time code for an agent.
    async fn enrol_agent(&self, request: EnrolAgent) -> Result<serde_json::Value, String> {
        let permit = self.gate.console(Action::DeviceEnrol, Resource::site());
        let opened = enrol_agent(&self.store, &self.agents, permit, request, true).await;
        let opened = opened.map_err(|error| chain(&error))?;
        serde_json::to_value(opened).map_err(|error| error.to_string())
    }

    /// Enrols a device; it counts from its next packet on.
    pub(crate) async fn enrol(
        &self,
        request: EnrolRequest,
        approve: bool,
        demo: bool,
    ) -> Result<sitewarden_devices::EnrolResult, String> {
        if let Some(kind) = &request.kind
            && sitewarden_devices::parse_kind(kind).is_none()
        {
            return Err(format!(
                "{kind:?} is not a kind of device; use client, sensor, camera, agent or unknown"
            ));
        }
        let permit = self.gate.console(Action::DeviceEnrol, sitewarden_devices::resource(&request.id));
        let sign = sign_csr(Arc::clone(&self.pki), self.clock);
        let ca = self.pki.ca_pem().into();
        let enrolled = enrol_device(&self.store, permit, request, approve, demo, &sign, &ca).await;
        let (device, result) = enrolled.map_err(|error| chain(&error))?;
        self.registry.put(vec![device]);
        self.policies.entities_changed();
        Ok(result)
    }
}

fn told(result: Result<StatusView, UplinkError>) -> Result<serde_json::Value, String> {
    let view = result.map_err(|error| chain(&error))?;
    serde_json::to_value(view).map_err(|error| error.to_string())
}

/// The site CA as the devices slice wants it.
pub(crate) fn sign_csr(pki: Arc<Pki>, clock: Clock) -> sitewarden_devices::SignCsr {
    Arc::new(move |csr, id| {
        pki.sign_device(csr, id, clock.now().wall)
            .map(|signed| sitewarden_devices::Certificate {
                pem: signed.certificate_pem,
                hash: *signed.fingerprint.bytes(),
            })
            .map_err(|error| chain(&error))
    })
}
