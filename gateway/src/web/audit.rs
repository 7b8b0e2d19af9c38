//! The site log as people read it: newest first, filtered, with its head for whoever keeps a copy.
//!
//! Parse, permit, one store call, view.

use axum::extract::State;
use serde::{Deserialize, Serialize};
use sitewarden_core::{Action, Resource, Timestamp};
use sitewarden_http::{ApiError, Caller, Id, Json, Page, PageQuery, Problem, Query};
use sitewarden_store::site_log;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Site;

pub(crate) fn routes(site: Site) -> OpenApiRouter {
    OpenApiRouter::new().routes(routes!(audit)).routes(routes!(head)).with_state(site)
}

const LIST: &str = "audit";

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Filter {
    /// Kind, or its beginning up to a dot: `device` finds `device.approved`.
    kind: Option<String>,
    /// Actor, such as `person:elin`.
    actor: Option<String>,
    /// Records per page.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u32>,
    /// `next` of the page before.
    cursor: Option<String>,
}

/// One record of the site log.
#[derive(Debug, Serialize, ToSchema)]
struct RecordView {
    /// Sequence number.
    #[schema(value_type = String)]
    seq: Id,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    time: Timestamp,
    /// What happened.
    kind: String,
    /// Who did it.
    actor: String,
    /// Everything that the record says.
    #[schema(value_type = Object)]
    body: serde_json::Value,
}

/// Records of the site log, newest first.
#[utoipa::path(get, path = "/audit", tag = "audit", params(Filter), responses((status = 200, body = Page<RecordView>), Problem))]
async fn audit(
    State(site): State<Site>,
    caller: Caller,
    Query(filter): Query<Filter>,
) -> Result<Json<Page<RecordView>>, ApiError> {
    let _ = caller.permit(&site.ground.gate, Action::AuditRead, Resource::site())?;
    let page = PageQuery { limit: filter.limit, cursor: filter.cursor };
    let (limit, before) = (page.limit()?, page.after::<u64>(LIST)?);
    let wanted = site_log::Filter { kind: filter.kind, actor: filter.actor, before };
    let records = site.ground.store.read(move |conn| site_log::search(conn, &wanted, limit + 1)).await?;
    let rows = records.into_iter().map(view).collect();
    Ok(Json(Page::cut(LIST, rows, limit, |record: &RecordView| record.seq.0)))
}

fn view(record: site_log::Record) -> RecordView {
    let actor = record.body.get("actor").and_then(serde_json::Value::as_str).unwrap_or_default().to_owned();
    RecordView { seq: Id(record.seq), time: record.time, kind: record.kind, actor, body: record.body }
}

/// Size and root of the site log.
#[derive(Debug, Serialize, ToSchema)]
struct HeadView {
    /// Number of records ever appended.
    #[schema(value_type = String)]
    size: Id,
    /// RFC 6962 root over all of them, hexadecimal.
    root: String,
}

/// Size and root of the site log: keep them elsewhere, and nobody can rewrite what they cover.
#[utoipa::path(get, path = "/site-log/head", tag = "audit", responses((status = 200, body = HeadView), Problem))]
async fn head(State(site): State<Site>, caller: Caller) -> Result<Json<HeadView>, ApiError> {
    let _ = caller.permit(&site.ground.gate, Action::AuditRead, Resource::site())?;
    let head = site.ground.store.read(site_log::head).await?;
    let root = head.root.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(Json(HeadView { size: Id(head.size), root }))
}
