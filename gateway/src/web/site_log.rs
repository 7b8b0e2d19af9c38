//! The site log for whoever checks it: signed checkpoints, proofs, and the key that verifies them.
//!
//! Notes are C2SP signed notes, proofs are those of RFC 6962, so that tools which are not ours can check them. Parse,
//! permit, one store call, view. Nothing of a record's body is told here.

use axum::extract::State;
use serde::{Deserialize, Serialize};
use sitewarden_core::{Action, Resource, Timestamp};
use sitewarden_http::{ApiError, Caller, Id, Json, Problem, Query};
use sitewarden_log::number::hash_text;
use sitewarden_store::StoreError;
use sitewarden_store::site_log::{self, checkpoint, proof};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Site;

pub(crate) fn routes(site: Site) -> OpenApiRouter {
    OpenApiRouter::new()
        .routes(routes!(newest_checkpoint))
        .routes(routes!(inclusion))
        .routes(routes!(consistency))
        .routes(routes!(log_key))
        .with_state(site)
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct CheckpointQuery {
    /// The newest kept checkpoint of at most so many records; without it a new one over all.
    #[param(value_type = Option<String>)]
    size: Option<Id>,
}

/// A signed checkpoint.
#[derive(Debug, Serialize, ToSchema)]
struct CheckpointView {
    /// The signed note: name of the log, size, root, signature (C2SP tlog-checkpoint).
    note: String,
    /// Records that it covers.
    #[schema(value_type = String)]
    size: Id,
    /// Key that verifies it; compare it with one that was kept elsewhere.
    key: String,
}

/// A signed checkpoint of the site log. It is kept: every later one can be proven to continue it.
#[utoipa::path(get, path = "/site-log/checkpoint", tag = "audit", operation_id = "read_checkpoint",
    params(CheckpointQuery), responses((status = 200, body = CheckpointView), Problem))]
async fn newest_checkpoint(
    State(site): State<Site>,
    caller: Caller,
    Query(query): Query<CheckpointQuery>,
) -> Result<Json<CheckpointView>, ApiError> {
    let _ = caller.permit(&site.ground.gate, Action::AuditRead, Resource::site())?;
    if query.size.is_none() {
        site.ground.checkpoints.newest().await.map_err(|error| ApiError::internal(&error))?;
    }
    let most = query.size.map_or(u64::MAX, |size| size.0);
    let kept = site.ground.store.read(move |conn| checkpoint::newest(conn, most)).await?;
    let kept =
        kept.ok_or_else(|| ApiError::not_found(format_args!("checkpoint of at most {most} records")))?;
    let key = site.ground.pki.log_key().verifier().to_string();
    Ok(Json(CheckpointView { note: kept.note, size: Id(kept.size), key }))
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct InclusionQuery {
    /// Number of the record.
    #[param(value_type = String)]
    seq: Id,
    /// Size of the tree, such as that of a checkpoint.
    #[param(value_type = String)]
    size: Id,
}

/// That a record is in the log of a size.
#[derive(Debug, Serialize, ToSchema)]
struct InclusionView {
    /// Number of the record; its leaf has the index `seq - 1`.
    #[schema(value_type = String)]
    seq: Id,
    /// Size of the tree.
    #[schema(value_type = String)]
    size: Id,
    /// Hash of the leaf, base64: SHA-256 of a zero byte and the record's bytes.
    leaf_hash: String,
    /// Hashes of siblings in base64, lowest first.
    path: Vec<String>,
    /// Root of the tree of that size, base64.
    root: String,
    /// The record's bytes that the leaf hash is over, base64; null when its body was removed.
    record: Option<String>,
    /// When the record was appended; null when its body was removed.
    #[schema(value_type = Option<String>, format = DateTime)]
    time: Option<Timestamp>,
}

/// Proof that a record is in the log of a size (RFC 6962 §2.1.1).
#[utoipa::path(get, path = "/site-log/proof", tag = "audit", operation_id = "prove_inclusion",
    params(InclusionQuery), responses((status = 200, body = InclusionView), Problem))]
async fn inclusion(
    State(site): State<Site>,
    caller: Caller,
    Query(InclusionQuery { seq, size }): Query<InclusionQuery>,
) -> Result<Json<InclusionView>, ApiError> {
    let _ = caller.permit(&site.ground.gate, Action::AuditRead, Resource::site())?;
    let read = site.ground.store.read(move |conn| {
        let found = proof::inclusion(conn, seq.0, size.0)?;
        let page = site_log::read_raw(conn, seq.0.saturating_sub(1), 1)?;
        Ok::<_, StoreError>((found, page))
    });
    let (found, page) = read.await?;
    let found =
        found.ok_or_else(|| ApiError::not_found(format_args!("record {seq} in a log of {size} records")))?;
    let record = match page {
        site_log::RawPage::Records(records) => records.into_iter().next(),
        site_log::RawPage::Reset { .. } => None,
    };
    let time = record.as_ref().map(|record| record.time);
    let record = record
        .map(|record| base64(&site_log::record::bytes(record.seq, record.time, &record.kind, &record.body)));
    Ok(Json(InclusionView {
        seq,
        size,
        leaf_hash: hash_text(&found.leaf_hash),
        path: found.path.iter().map(hash_text).collect(),
        root: hash_text(&found.root),
        record,
        time,
    }))
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct ConsistencyQuery {
    /// Smaller size, such as that of an older checkpoint.
    #[param(value_type = String)]
    old: Id,
    /// Larger size.
    #[param(value_type = String)]
    new: Id,
}

/// That the log of one size is the beginning of the log of another.
#[derive(Debug, Serialize, ToSchema)]
struct ConsistencyView {
    /// Smaller size.
    #[schema(value_type = String)]
    old: Id,
    /// Its root, base64.
    old_root: String,
    /// Larger size.
    #[schema(value_type = String)]
    new: Id,
    /// Its root, base64.
    new_root: String,
    /// Hashes of the proof in base64.
    path: Vec<String>,
}

/// Proof that nothing of the smaller log was changed or removed in the larger one (RFC 6962 §2.1.2).
#[utoipa::path(get, path = "/site-log/consistency", tag = "audit", operation_id = "prove_consistency",
    params(ConsistencyQuery), responses((status = 200, body = ConsistencyView), Problem))]
async fn consistency(
    State(site): State<Site>,
    caller: Caller,
    Query(ConsistencyQuery { old, new }): Query<ConsistencyQuery>,
) -> Result<Json<ConsistencyView>, ApiError> {
    let _ = caller.permit(&site.ground.gate, Action::AuditRead, Resource::site())?;
    let found = site.ground.store.read(move |conn| proof::consistency(conn, old.0, new.0)).await?;
    let found = found
        .ok_or_else(|| ApiError::not_found(format_args!("log of {new} records that begins with {old}")))?;
    Ok(Json(ConsistencyView {
        old,
        old_root: hash_text(&found.old_root),
        new,
        new_root: hash_text(&found.new_root),
        path: found.path.iter().map(hash_text).collect(),
    }))
}

/// The key that verifies the log's checkpoints.
#[derive(Debug, Serialize, ToSchema)]
struct LogKeyView {
    /// Name of the log: first line of each of its checkpoints.
    origin: String,
    /// Verifier key as signed notes write it: name, key hash, base64 of the algorithm and the public key.
    key: String,
}

/// The key that verifies checkpoints. Keep a copy elsewhere: whoever changes the log could change this answer.
#[utoipa::path(get, path = "/site-log/key", tag = "audit", operation_id = "read_log_key",
    responses((status = 200, body = LogKeyView), Problem))]
async fn log_key(State(site): State<Site>, caller: Caller) -> Result<Json<LogKeyView>, ApiError> {
    let _ = caller.permit(&site.ground.gate, Action::AuditRead, Resource::site())?;
    let verifier = site.ground.pki.log_key().verifier();
    Ok(Json(LogKeyView { origin: verifier.name().to_owned(), key: verifier.to_string() }))
}

fn base64(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}
