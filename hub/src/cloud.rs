//! The cloud API as gateways use it: register, cursor, batches, checkpoints, heartbeats.
//!
//! Parse, find out whose key it is, one call, view. Any HTTP server can implement it; `hub/openapi.json` is the contract.
//! Invariant: only a registered key reaches a log, and only its own site's.

use std::time::Instant;

use axum::extract::{FromRequestParts, Request, State};
use http::request::Parts;
use http::{HeaderMap, StatusCode, header};
use serde::{Deserialize, Serialize};
use sitewarden_core::Timestamp;
use sitewarden_core::error::chain;
use sitewarden_log::{Batch, BatchError, Consistency, Limits, PackingError, number, unpack};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::database::{Doing as _, Scope};
use crate::extract::{Json, body};
use crate::hub::Hub;
use crate::ingest::{self, Fault, Refusal};
use crate::limits::{NAME_CHARS, PACKED_BYTES};
use crate::people::session::Visitor;
use crate::problem::{ApiError, Problem};
use crate::text::is_name;
use crate::tls::PeerKey;
use crate::{clock, register};

pub(crate) fn routes(hub: Hub) -> OpenApiRouter {
    OpenApiRouter::new()
        .routes(routes!(gateways))
        .routes(routes!(cursor))
        .routes(routes!(checkpoints))
        .routes(routes!(heartbeats))
        .merge(
            OpenApiRouter::new()
                .routes(routes!(batches))
                .layer(axum::extract::DefaultBodyLimit::max(PACKED_BYTES)),
        )
        .with_state(hub)
}

/// The registered gateway behind a request.
#[derive(Clone, Copy, Debug)]
struct Gateway {
    id: Uuid,
    site: Uuid,
    tenant: Uuid,
}

fn no_certificate() -> ApiError {
    ApiError::unauthorized(
        "no-certificate",
        "The connection shows no client certificate: connect with the gateway's own.",
    )
}

/// The key that the connection's handshake proved.
struct Proven(PeerKey);

impl<S: Send + Sync> FromRequestParts<S> for Proven {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        parts.extensions.get::<Option<PeerKey>>().copied().flatten().map(Self).ok_or_else(no_certificate)
    }
}

impl FromRequestParts<Hub> for Gateway {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, hub: &Hub) -> Result<Self, ApiError> {
        let Proven(key) = Proven::from_request_parts(parts, hub).await?;
        let mut connection = hub.database.connect().await?;
        let client = connection.bare();
        let statement = client
            .prepare_cached("SELECT id, site, tenant FROM hub.find_gateway($1)")
            .await
            .doing("preparing to look for a gateway")?;
        let row = client.query_opt(&statement, &[&key.0.as_slice()]).await.doing("looking for a gateway")?;
        let row = row.ok_or_else(|| {
            ApiError::forbidden(
                "unknown-gateway",
                "This hub knows no gateway with this key. Register it with a claim code; nothing was stored.",
            )
        })?;
        Ok(Self { id: row.get(0), site: row.get(1), tenant: row.get(2) })
    }
}

/// What a gateway says when it registers.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Registration {
    /// The code that the operator gave; case and dashes do not count.
    #[schema(value_type = String)]
    claim_code: crate::secret::Secret,
    /// Name of the site for people.
    site_name: String,
    /// Version of the gateway.
    version: String,
    /// Key of the site log's checkpoints, as signed notes write verifier keys: `name+hash+base64`.
    log_key: String,
}

/// Answer to a registration.
#[derive(Debug, Serialize, ToSchema)]
struct Registered {
    /// The gateway.
    gateway_id: Uuid,
    /// Its site.
    site_id: Uuid,
    /// Name of the tenant that owns it now.
    tenant: String,
}

/// Registers a gateway by a claim code. The key of its client certificate is its identity from then on. The same code from
/// the same key again gives the same answer with 200.
#[utoipa::path(post, path = "/gateways", tag = "gateway", operation_id = "register_gateway", responses(
    (status = 201, body = Registered), (status = 200, body = Registered),
    (status = 401, body = Problem), (status = 403, body = Problem), (status = 422, body = Problem), (status = 429, body = Problem)))]
async fn gateways(
    State(hub): State<Hub>,
    Proven(key): Proven,
    visitor: Visitor,
    Json(asked): Json<Registration>,
) -> Result<(StatusCode, Json<Registered>), ApiError> {
    for (what, text) in [("site_name", &asked.site_name), ("version", &asked.version)] {
        if !is_name(text, NAME_CHARS) {
            let detail = format!("{what} must have 1 to {NAME_CHARS} characters, no control characters.");
            return Err(ApiError::unprocessable("bad-name", detail));
        }
    }
    let log_key = asked.log_key.parse().map_err(|error: sitewarden_log::CheckpointError| {
        ApiError::unprocessable("bad-log-key", format!("log_key: {error}."))
    })?;
    let wanted = register::Wanted {
        code: asked.claim_code,
        site_name: asked.site_name,
        version: asked.version,
        log_key,
    };
    let done = register::register(&hub, visitor.0, key, &wanted).await?;
    let status = if done.is_new { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, Json(Registered { gateway_id: done.gateway, site_id: done.site, tenant: done.tenant })))
}

/// Where a site's log goes on.
#[derive(Debug, Serialize, ToSchema)]
struct Cursor {
    /// Number of the first record that the hub lacks, decimal; everything before it is durable here.
    next: String,
}

/// Number of the first record that the hub lacks.
#[utoipa::path(get, path = "/cursor", tag = "gateway", operation_id = "read_cursor", responses((status = 200, body = Cursor), (status = 401, body = Problem), (status = 403, body = Problem)))]
async fn cursor(State(hub): State<Hub>, gateway: Gateway) -> Result<Json<Cursor>, ApiError> {
    Ok(Json(Cursor { next: next_of(&hub, gateway).await?.to_string() }))
}

async fn next_of(hub: &Hub, gateway: Gateway) -> Result<i64, ApiError> {
    let mut connection = hub.database.connect().await?;
    let tx = connection.begin(&Scope::Tenant(gateway.tenant)).await?;
    let row = tx
        .query_one("SELECT size FROM hub.site WHERE id = $1", &[&gateway.site])
        .await
        .doing("reading the size of a log")?;
    Ok(row.get::<_, i64>(0).saturating_add(1))
}

/// A batch as it stands in the compressed body; `body` of a record is kept byte for byte.
#[derive(Debug, Serialize, ToSchema)]
struct BatchBody {
    /// Number of the first record, decimal.
    first: String,
    /// Consecutive records, at most 1,000.
    records: Vec<RecordBody>,
    /// A signed note (C2SP tlog-checkpoint) over this log.
    checkpoint: Option<String>,
}

/// A record of the site log.
#[derive(Debug, Serialize, ToSchema)]
struct RecordBody {
    /// Its number, decimal.
    seq: String,
    /// When, as the site's clock said.
    #[schema(format = DateTime)]
    time: String,
    /// What happened.
    kind: String,
    /// Actor and facts: the exact bytes that the leaf hash covers.
    body: serde_json::Value,
}

/// Stores records of the site's log. The body is zstd (`Content-Encoding: zstd`), at most 1 MiB unpacked. What is here already is
/// compared and skipped; the answer comes after the commit.
#[utoipa::path(post, path = "/batches", tag = "gateway", operation_id = "push_batch", request_body(content = BatchBody, content_type = "application/json"), responses(
    (status = 200, body = Cursor), (status = 401, body = Problem), (status = 403, body = Problem),
    (status = 409, body = Problem, description = "`gap`: records are missing before it. `log-forked`: it contradicts what is stored"),
    (status = 413, body = Problem), (status = 415, body = Problem), (status = 422, body = Problem), (status = 503, body = Problem)))]
async fn batches(
    State(hub): State<Hub>,
    gateway: Gateway,
    request: Request,
) -> Result<Json<Cursor>, ApiError> {
    // The place before the body: bodies that wait cost no memory.
    let busy =
        || ApiError::unavailable("busy", "All places for batches are taken; nothing was stored. Come again.");
    let _place = hub.batches.take(gateway.site).ok_or_else(busy)?;
    is_zstd(request.headers())?;
    let packed = body(request, &hub).await?;
    let begun = Instant::now();
    let limits = Limits::default();
    let bytes = unpack(&packed, limits.bytes).map_err(|error| match error {
        PackingError::TooLong { .. } | PackingError::Bomb { .. } => {
            ApiError::too_large(format!("{}. Nothing was stored.", chain(&error)))
        }
        error => ApiError::bad_request("not-zstd", format!("{}. Nothing was stored.", chain(&error))),
    })?;
    let batch = Batch::parse(&bytes, &limits).map_err(|error| bad_batch(&error))?;
    let next = ingest::take_batch(&hub, gateway.tenant, gateway.site, &batch).await.map_err(refused)?;
    hub.metrics.batch_took(begun.elapsed());
    Ok(Json(Cursor { next: next.to_string() }))
}

fn is_zstd(headers: &HeaderMap) -> Result<(), ApiError> {
    let encoding = headers.get(header::CONTENT_ENCODING).and_then(|value| value.to_str().ok());
    if encoding.is_some_and(|encoding| encoding.trim().eq_ignore_ascii_case("zstd")) {
        return Ok(());
    }
    let detail = "A batch must come compressed: send Content-Encoding: zstd. Nothing was stored.";
    Err(ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "not-zstd", detail))
}

fn bad_batch(error: &BatchError) -> ApiError {
    let detail = format!("{}. Nothing was stored.", chain(error));
    match error {
        BatchError::TooLong { .. } | BatchError::TooMany { .. } => ApiError::too_large(detail),
        BatchError::Json(cause) if !cause.is_data() => ApiError::bad_request("not-json", detail),
        _ => ApiError::unprocessable("bad-batch", detail),
    }
}

fn refused(fault: Fault) -> ApiError {
    match fault {
        Fault::Database(error) => error.into(),
        Fault::Refused(Refusal::Gap { next, first }) => ApiError::gap(next, first),
        Fault::Refused(Refusal::Forked(alarm)) => ApiError::conflict(
            "log-forked",
            format!("{} Nothing of it was stored; an alarm was.", alarm.detail),
        ),
        Fault::Refused(Refusal::BadCheckpoint(alarm)) => {
            ApiError::unprocessable("bad-checkpoint", alarm.detail)
        }
        Fault::Refused(Refusal::Unproven(detail)) => ApiError::unprocessable("unproven-checkpoint", detail),
    }
}

/// A checkpoint that comes alone.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct CheckpointBody {
    /// The signed note.
    checkpoint: String,
    /// Needed when it covers more records than the hub has.
    #[serde(default)]
    #[schema(value_type = Option<ConsistencyBody>)]
    consistency: Option<Consistency>,
}

/// A consistency proof (RFC 9162 §2.1.4): numbers as decimal text, hashes as base64.
#[derive(Debug, Serialize, ToSchema)]
struct ConsistencyBody {
    /// Smaller size.
    old: String,
    /// Root of the smaller tree.
    old_root: String,
    /// Larger size.
    new: String,
    /// Root of the larger tree.
    new_root: String,
    /// Hashes of the proof.
    path: Vec<String>,
}

/// Size of a checkpoint that was taken.
#[derive(Debug, Serialize, ToSchema)]
struct Taken {
    /// Records that it covers, decimal.
    size: String,
}

/// Takes a checkpoint: compared with the records here; one that covers more is kept if its proof continues what is known.
#[utoipa::path(post, path = "/checkpoints", tag = "gateway", operation_id = "push_checkpoint", responses((status = 200, body = Taken), (status = 401, body = Problem),
    (status = 403, body = Problem), (status = 409, body = Problem), (status = 422, body = Problem)))]
async fn checkpoints(
    State(hub): State<Hub>,
    gateway: Gateway,
    Json(asked): Json<CheckpointBody>,
) -> Result<Json<Taken>, ApiError> {
    let (note, proof) = (asked.checkpoint.as_str(), asked.consistency.as_ref());
    let size =
        ingest::take_checkpoint(&hub, gateway.tenant, gateway.site, note, proof).await.map_err(refused)?;
    Ok(Json(Taken { size: size.to_string() }))
}

/// How a gateway is.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Heartbeat {
    /// Version of the gateway.
    version: String,
    /// When it was started, as its clock says.
    #[schema(value_type = String, format = DateTime)]
    started: Timestamp,
    /// Records in its log, decimal.
    #[serde(with = "number::decimal")]
    #[schema(value_type = String)]
    log_size: u64,
    /// Time of the oldest record that is not here; null when all are.
    #[schema(value_type = Option<String>, format = DateTime)]
    oldest_unsent: Option<Timestamp>,
    /// Records that wait, decimal.
    #[serde(with = "number::decimal")]
    #[schema(value_type = String)]
    queue: u64,
}

/// Answer to a heartbeat.
#[derive(Debug, Serialize, ToSchema)]
struct HeartbeatAnswer {
    /// The hub's time.
    #[schema(value_type = String, format = DateTime)]
    time: Timestamp,
    /// Number of the first record that the hub lacks, decimal.
    next: String,
}

/// Tells how a gateway is; the answer says the time and where its log goes on.
#[utoipa::path(post, path = "/heartbeats", tag = "gateway", operation_id = "push_heartbeat", responses((status = 200, body = HeartbeatAnswer),
    (status = 401, body = Problem), (status = 403, body = Problem), (status = 422, body = Problem)))]
async fn heartbeats(
    State(hub): State<Hub>,
    gateway: Gateway,
    Json(told): Json<Heartbeat>,
) -> Result<Json<HeartbeatAnswer>, ApiError> {
    if !is_name(&told.version, NAME_CHARS) {
        return Err(ApiError::unprocessable("bad-name", "version must have 1 to 100 characters."));
    }
    register::heard(
        &hub,
        gateway.tenant,
        gateway.id,
        &register::Health {
            version: told.version,
            started: told.started.to_string(),
            log_size: i64::try_from(told.log_size).unwrap_or(i64::MAX),
            oldest_unsent: told.oldest_unsent.map(|time| time.to_string()),
            queue: i64::try_from(told.queue).unwrap_or(i64::MAX),
        },
    )
    .await?;
    let next = next_of(&hub, gateway).await?;
    Ok(Json(HeartbeatAnswer { time: clock::now(), next: next.to_string() }))
}
