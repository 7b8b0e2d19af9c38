//! One finding's proof, complete enough that a stranger checks it with tools that are not ours.
//!
//! For each record that tells the finding: its exact bytes, its leaf hash and its inclusion in the tree of the site's newest
//! checkpoint; the checkpoint as the site signed it; the agent's statement and the key by which it was enrolled, with the record of
//! the enrolment. The hub's own verdict stands beside and proves nothing. Invariant: what is given is what is stored.

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderValue, header};
use serde::{Deserialize, Serialize};
use sitewarden_core::Timestamp;
use sitewarden_log::{number, record};
use sitewarden_wire::statement;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::findings::{FindingView, find};
use crate::database::{DatabaseError, Doing as _, Scope, Tx};
use crate::extract::{Json, Path, Query};
use crate::hub::Hub;
use crate::ingest::{ed25519, tree};
use crate::people::session::Operator;
use crate::problem::{ApiError, Problem};

pub(super) fn routes(hub: Hub) -> OpenApiRouter {
    OpenApiRouter::new().routes(routes!(proof)).with_state(hub)
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Asked {
    /// As a file to keep.
    #[serde(default)]
    download: bool,
}

/// All that proves one finding.
#[derive(Debug, Serialize, ToSchema)]
struct Proof {
    /// The finding as the hub shows it.
    finding: FindingView,
    /// Key of the site's checkpoints, as signed notes write verifier keys.
    log_key: String,
    /// The site's newest checkpoint that agrees with the records here, as it was signed; null when it signed none.
    checkpoint: Option<String>,
    /// The records that tell the finding, oldest first, and before them the agent's enrolment.
    records: Vec<RecordProof>,
    /// The agent's own statement; null when no agent signed the finding.
    statement: Option<StatementProof>,
}

/// One record with its place in the log.
#[derive(Debug, Serialize, ToSchema)]
struct RecordProof {
    /// Its number, decimal.
    seq: String,
    /// When, as the site's clock said.
    #[schema(value_type = String, format = DateTime)]
    time: Timestamp,
    /// What happened.
    kind: String,
    /// Base64 of the bytes that the leaf hash covers: `SHA-256(0x00 || bytes)`. They are, big-endian, seq (8), time in microseconds
    /// since 1970 (8), length of the kind (4), the kind, and the JSON body to the end.
    bytes: String,
    /// Base64 of the leaf hash.
    leaf_hash: String,
    /// That it is in the tree of the checkpoint; null when the checkpoint does not cover it yet.
    inclusion: Option<InclusionProof>,
}

/// An inclusion proof (RFC 9162 §2.1.3): leaf index is `seq - 1`.
#[derive(Debug, Serialize, ToSchema)]
struct InclusionProof {
    /// Size of the tree: that of the checkpoint, decimal.
    size: String,
    /// Siblings, lowest first, in base64.
    path: Vec<String>,
    /// Root of the tree in base64: that of the checkpoint.
    root: String,
}

/// What an agent signed.
#[derive(Debug, Serialize, ToSchema)]
struct StatementProof {
    /// The agent.
    agent: String,
    /// Base64 of its COSE_Sign1 (RFC 9052), as it came over the line.
    bytes: String,
    /// Base64 of the Ed25519 key of its enrolment; null when the log has none before the finding.
    signing_key: Option<String>,
    /// Record of that enrolment, decimal.
    enrolled_seq: Option<String>,
    /// What the statement says, when the signature holds.
    says: Option<Says>,
}

/// What a statement says.
#[derive(Debug, Serialize, ToSchema)]
struct Says {
    /// `above`, `below`, `missing`, `tamper` or `lost`.
    kind: String,
    /// `raised` or `cleared`.
    state: String,
    /// How often the agent had been started.
    boot_counter: u32,
    /// Milliseconds since that start, decimal.
    uptime_ms: String,
    /// When, if the agent knew the time.
    #[schema(value_type = Option<String>, format = DateTime)]
    time: Option<Timestamp>,
    /// Its rule.
    rule: u16,
    /// Its sensor.
    sensor: Option<u8>,
    /// The value that decided.
    value: Option<i32>,
    /// The limit that it passed.
    limit: Option<i32>,
}

/// A finding's proof.
#[utoipa::path(get, path = "/sites/{site}/findings/{id}/proof", tag = "portal", operation_id = "prove_finding",
    params(("site" = Uuid, Path, description = "The site"), ("id" = String, Path, description = "Number of the finding there"), Asked),
    responses((status = 200, body = Proof), (status = 401, body = Problem), (status = 404, body = Problem)))]
async fn proof(
    State(hub): State<Hub>,
    operator: Operator,
    Path((site, id)): Path<(Uuid, String)>,
    Query(asked): Query<Asked>,
) -> Result<Response, ApiError> {
    let mut connection = hub.database.connect().await?;
    let tx = connection.begin(&Scope::Tenant(operator.tenant)).await?;
    let finding = find(&tx, site, &id).await?;
    let row = tx
        .query_one("SELECT log_key, checkpoint, checkpoint_size FROM hub.site WHERE id = $1", &[&site])
        .await
        .doing("reading a site's checkpoint")?;
    let size = u64::try_from(row.get::<_, i64>(2)).unwrap_or(0);
    let statement = statement_of(&tx, &finding).await?;
    let enrolled = statement.as_ref().and_then(|statement| statement.enrolled_seq.as_deref());
    let numbers =
        [enrolled, Some(&*finding.raised_seq), finding.signed_seq.as_deref(), Some(&*finding.last_seq)];
    let mut numbers: Vec<u64> = numbers.into_iter().flatten().filter_map(number::parse).collect();
    numbers.sort_unstable();
    numbers.dedup();
    let mut records = Vec::new();
    for seq in numbers {
        records.push(record_of(&tx, site, seq, size).await?);
    }
    let name = format!("finding-{site}-{id}.json");
    let whole = Proof { finding, log_key: row.get(0), checkpoint: row.get(1), records, statement };
    let mut response = Json(whole).into_response();
    if asked.download {
        // The name is made of a uuid and digits.
        if let Ok(value) = HeaderValue::from_str(&format!("attachment; filename=\"{name}\"")) {
            response.headers_mut().insert(header::CONTENT_DISPOSITION, value);
        }
    }
    Ok(response)
}

async fn record_of(tx: &Tx<'_>, site: Uuid, seq: u64, size: u64) -> Result<RecordProof, DatabaseError> {
    let row = tx
        .query_one(
            "SELECT time, kind, body, leaf FROM hub.record WHERE site = $1 AND seq = $2",
            &[&site, &i64::try_from(seq).unwrap_or(i64::MAX)],
        )
        .await
        .doing("reading a record")?;
    let (time, kind): (Timestamp, String) = (Timestamp::from_micros(row.get(0)), row.get(1));
    let inclusion = if seq <= size { Some(tree::inclusion(tx, site, seq, size).await?) } else { None };
    Ok(RecordProof {
        seq: seq.to_string(),
        time,
        bytes: STANDARD.encode(record::bytes(seq, time, &kind, row.get(2))),
        kind,
        leaf_hash: STANDARD.encode(row.get::<_, &[u8]>(3)),
        inclusion: inclusion.map(|proof| InclusionProof {
            size: proof.size.to_string(),
            path: proof.path.iter().map(number::hash_text).collect(),
            root: number::hash_text(&proof.root),
        }),
    })
}

async fn statement_of(tx: &Tx<'_>, finding: &FindingView) -> Result<Option<StatementProof>, DatabaseError> {
    let (Some(agent), Some(seq)) =
        (&finding.agent, finding.signed_seq.as_ref().and_then(|seq| seq.parse::<i64>().ok()))
    else {
        return Ok(None);
    };
    let row = tx
        .query_one(
            "SELECT f.statement, a.signing_key, a.enrolled FROM hub.finding f
             LEFT JOIN LATERAL (SELECT signing_key, enrolled FROM hub.agent
                WHERE site = f.site AND agent = f.agent AND enrolled < $3 ORDER BY enrolled DESC LIMIT 1) a ON true
             WHERE f.site = $1 AND f.id = $2",
            &[&finding.site, &finding.id.parse::<i64>().unwrap_or(0), &seq],
        )
        .await
        .doing("reading a statement")?;
    let bytes: Vec<u8> = row.get::<_, Option<Vec<u8>>>(0).unwrap_or_default();
    let key: Option<[u8; 32]> = row.get::<_, Option<&[u8]>>(1).and_then(|key| key.try_into().ok());
    Ok(Some(StatementProof {
        agent: agent.clone(),
        says: key.and_then(|key| says(agent, &bytes, &key)),
        bytes: STANDARD.encode(&bytes),
        signing_key: key.map(|key| STANDARD.encode(key)),
        enrolled_seq: row.get::<_, Option<i64>>(2).map(|seq| seq.to_string()),
    }))
}

fn says(agent: &str, bytes: &[u8], key: &[u8; 32]) -> Option<Says> {
    let device = u64::from_str_radix(agent, 16).ok()?.to_be_bytes();
    let said = statement::Finding::verify(
        bytes,
        sitewarden_wire::DeviceId::from_bytes(device),
        key,
        |key, message, signature| ed25519(key, message, signature),
    )
    .ok()?;
    let micros = |ms: u64| i64::try_from(ms).ok().and_then(|ms| ms.checked_mul(1_000));
    Some(Says {
        kind: format!("{:?}", said.kind).to_lowercase(),
        state: format!("{:?}", said.state).to_lowercase(),
        boot_counter: said.boot_counter,
        uptime_ms: said.uptime_ms.to_string(),
        time: said.unix_ms.and_then(micros).map(Timestamp::from_micros),
        rule: said.rule,
        sensor: said.sensor,
        value: said.value,
        limit: said.limit,
    })
}
