//! Registration of gateways by claim code, and what is heard of them.
//!
//! Invariants: a code makes one gateway; a key is one gateway; expired, unknown and used codes are one answer.

use std::net::IpAddr;

use sitewarden_log::VerifierKey;
use uuid::Uuid;

use crate::database::{DatabaseError, Doing as _, Scope, Tx};
use crate::hub::Hub;
use crate::problem::ApiError;
use crate::rate::{self, Try};
use crate::secret::{Secret, code_hash, hex};
use crate::tls::PeerKey;

/// What a gateway asks for.
#[derive(Debug)]
pub(crate) struct Wanted {
    /// The typed code.
    pub(crate) code: Secret,
    /// Name of its site.
    pub(crate) site_name: String,
    /// Its version.
    pub(crate) version: String,
    /// Key of its log.
    pub(crate) log_key: VerifierKey,
}

/// A registered gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Done {
    /// The gateway.
    pub(crate) gateway: Uuid,
    /// Its site.
    pub(crate) site: Uuid,
    /// Name of its tenant.
    pub(crate) tenant: String,
    /// False when the same claim came again.
    pub(crate) is_new: bool,
}

/// Registers a gateway, or finds the one that this code and key made.
///
/// # Errors
/// 403 `claim-refused`, 429, 503.
pub(crate) async fn register(
    hub: &Hub,
    address: IpAddr,
    key: PeerKey,
    wanted: &Wanted,
) -> Result<Done, ApiError> {
    let charge = rate::charge(&hub.database, &hub.metrics, address, Try::Claim).await?;
    let hash = code_hash(wanted.code.expose());
    let mut connection = hub.database.connect().await?;
    let tx = connection.begin(&Scope::Lookup(format!("claim:{}", hex(&hash)))).await?;
    let done = match use_claim(&tx, &hash, key, wanted).await {
        Ok(Some(done)) => done,
        // Another code made a gateway of this key before, or this key's other request is a moment ahead.
        Err(error) if error.is_duplicate() => return Err(refused(address, "the key is registered already")),
        Ok(None) => return Err(refused(address, "the code is unknown, expired or used")),
        Err(error) => return Err(error.into()),
    };
    tx.commit().await?;
    drop(connection);
    rate::give_back(&hub.database, charge).await?;
    if done.is_new {
        tracing::info!(gateway = %done.gateway, site = %done.site, tenant = done.tenant, "a gateway is registered");
    }
    Ok(done)
}

fn refused(address: IpAddr, why: &str) -> ApiError {
    tracing::warn!(%address, why, "a claim is refused");
    ApiError::forbidden(
        "claim-refused",
        "The claim code is not valid for this gateway: wrong, expired or used. Nothing was registered; ask for a new code.",
    )
}

async fn use_claim(
    tx: &Tx<'_>,
    hash: &[u8; 32],
    key: PeerKey,
    wanted: &Wanted,
) -> Result<Option<Done>, DatabaseError> {
    let row = tx
        .query_opt("SELECT tenant FROM hub.claim WHERE code_hash = $1", &[&hash.as_slice()])
        .await
        .doing("looking for a claim")?;
    let Some(tenant) = row.map(|row| row.get::<_, Uuid>(0)) else { return Ok(None) };
    tx.rescope(&Scope::Tenant(tenant)).await?;
    // The lock makes a code good for one gateway, whichever instances are asked at once.
    let claim = tx
        .query_one(
            "SELECT c.gateway, c.expires > now(), t.name FROM hub.claim c JOIN hub.tenant t ON t.id = c.tenant
             WHERE c.code_hash = $1 FOR UPDATE OF c",
            &[&hash.as_slice()],
        )
        .await
        .doing("locking a claim")?;
    let (used, is_live, tenant_name): (Option<Uuid>, bool, String) =
        (claim.get(0), claim.get(1), claim.get(2));
    if let Some(gateway) = used {
        let same = tx
            .query_opt(
                "SELECT site FROM hub.gateway WHERE id = $1 AND key_hash = $2",
                &[&gateway, &key.0.as_slice()],
            )
            .await
            .doing("looking for the claim's gateway")?;
        return Ok(same.map(|row| Done { gateway, site: row.get(0), tenant: tenant_name, is_new: false }));
    }
    if !is_live {
        return Ok(None);
    }
    let (gateway, site) = (Uuid::now_v7(), Uuid::now_v7());
    tx.execute(
        "INSERT INTO hub.site (id, tenant, name, log_key) VALUES ($1, $2, $3, $4)",
        &[&site, &tenant, &wanted.site_name, &wanted.log_key.to_string()],
    )
    .await
    .doing("making a site")?;
    tx.execute(
        "INSERT INTO hub.gateway (id, tenant, site, key_hash, version) VALUES ($1, $2, $3, $4, $5)",
        &[&gateway, &tenant, &site, &key.0.as_slice(), &wanted.version],
    )
    .await
    .doing("making a gateway")?;
    tx.execute("UPDATE hub.claim SET gateway = $2 WHERE code_hash = $1", &[&hash.as_slice(), &gateway])
        .await
        .doing("using a claim")?;
    Ok(Some(Done { gateway, site, tenant: tenant_name, is_new: true }))
}

/// What a heartbeat tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Health {
    /// Its version.
    pub(crate) version: String,
    /// When it was started, as its clock says.
    pub(crate) started: String,
    /// Records in its log.
    pub(crate) log_size: i64,
    /// Time of the oldest record that is not here.
    pub(crate) oldest_unsent: Option<String>,
    /// Records that wait.
    pub(crate) queue: i64,
}

/// Notes a heartbeat.
///
/// # Errors
/// The database's.
pub(crate) async fn heard(
    hub: &Hub,
    tenant: Uuid,
    gateway: Uuid,
    health: &Health,
) -> Result<(), DatabaseError> {
    let mut connection = hub.database.connect().await?;
    let tx = connection.begin(&Scope::Tenant(tenant)).await?;
    tx.execute(
        "UPDATE hub.gateway SET last_seen = now(), version = $2, started = $3, log_size = $4, oldest_unsent = $5, queue = $6
         WHERE id = $1",
        &[&gateway, &health.version, &health.started, &health.log_size, &health.oldest_unsent, &health.queue],
    )
    .await
    .doing("noting a heartbeat")?;
    tx.commit().await
}
