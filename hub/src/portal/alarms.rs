//! Alarms about sites' logs, with what proves them.

use axum::extract::State;
use serde::{Deserialize, Serialize};
use sitewarden_core::Timestamp;
use tokio_postgres::types::Json as Column;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::timestamp;
use crate::database::{Doing as _, Scope};
use crate::extract::{Json, Page, Query, after, limit};
use crate::hub::Hub;
use crate::people::session::Operator;
use crate::problem::{ApiError, Problem};

pub(super) fn routes(hub: Hub) -> OpenApiRouter {
    OpenApiRouter::new().routes(routes!(list)).with_state(hub)
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Asked {
    /// Alarms of this site alone.
    site: Option<Uuid>,
    /// Alarms per page.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u32>,
    /// `next` of the page before.
    cursor: Option<String>,
}

/// An alarm: what a site did that an honest log does not do.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
struct AlarmView {
    /// Its id.
    id: Uuid,
    /// The site.
    site: Uuid,
    /// Name of the site.
    site_name: String,
    /// `log-forked`, `bad-checkpoint`, `statement-invalid` or `statement-replayed`.
    kind: String,
    /// The record or tree size that it is about, decimal.
    seq: String,
    /// When it was first seen.
    #[schema(value_type = String, format = DateTime)]
    first: Timestamp,
    /// When it was last seen.
    #[schema(value_type = String, format = DateTime)]
    last: Timestamp,
    /// How often, decimal.
    count: String,
    /// What happened.
    detail: String,
    /// What proves it: hashes, and the bytes that came in base64.
    #[schema(value_type = Object)]
    evidence: serde_json::Value,
}

/// Alarms, the newest first. The hub removes none.
#[utoipa::path(get, path = "/alarms", tag = "portal", operation_id = "list_alarms", params(Asked), responses((status = 200, body = Page<AlarmView>),
    (status = 400, body = Problem), (status = 401, body = Problem)))]
async fn list(
    State(hub): State<Hub>,
    operator: Operator,
    Query(asked): Query<Asked>,
) -> Result<Json<Page<AlarmView>>, ApiError> {
    let limit = limit(asked.limit)?;
    let before = after::<Uuid>(asked.cursor.as_deref())?;
    let mut connection = hub.database.connect().await?;
    let tx = connection.begin(&Scope::Tenant(operator.tenant)).await?;
    // Ids rise with the time of their making, so they are order and cursor at once.
    let rows = tx
        .query(
            "SELECT a.id, a.site, s.name, a.kind, a.seq, a.first, a.last, a.count, a.detail, a.evidence
             FROM hub.alarm a JOIN hub.site s ON s.id = a.site
             WHERE ($1::uuid IS NULL OR a.site = $1) AND ($2::uuid IS NULL OR a.id < $2) ORDER BY a.id DESC LIMIT $3",
            &[&asked.site, &before, &i64::try_from(limit + 1).unwrap_or(i64::MAX)],
        )
        .await
        .doing("listing alarms")?;
    let view = |row: &tokio_postgres::Row| AlarmView {
        id: row.get(0),
        site: row.get(1),
        site_name: row.get(2),
        kind: row.get(3),
        seq: row.get::<_, i64>(4).to_string(),
        first: timestamp(row.get(5)),
        last: timestamp(row.get(6)),
        count: row.get::<_, i64>(7).to_string(),
        detail: row.get(8),
        evidence: row.get::<_, Column<serde_json::Value>>(9).0,
    };
    Ok(Json(Page::cut(rows.iter().map(view).collect(), limit, |alarm: &AlarmView| alarm.id)))
}
