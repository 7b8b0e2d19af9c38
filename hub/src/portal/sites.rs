//! Sites with their age, version, size of log, and alarms.

use std::time::SystemTime;

use axum::extract::State;
use serde::{Deserialize, Serialize};
use sitewarden_core::Timestamp;
use tokio_postgres::Row;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::timestamp;
use crate::database::{Doing as _, Scope};
use crate::extract::{Json, Page, Path, Query, after, limit};
use crate::hub::Hub;
use crate::people::session::Operator;
use crate::problem::{ApiError, Problem};

pub(super) fn routes(hub: Hub) -> OpenApiRouter {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(one)).with_state(hub)
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Asked {
    /// Sites per page.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u32>,
    /// `next` of the page before.
    cursor: Option<String>,
}

/// A site.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
struct SiteView {
    /// Its id.
    id: Uuid,
    /// Its name.
    name: String,
    /// When its gateway was registered.
    #[schema(value_type = String, format = DateTime)]
    registered: Timestamp,
    /// Version of its gateway.
    version: String,
    /// When the hub last heard of it: a heartbeat or a batch.
    #[schema(value_type = String, format = DateTime)]
    last_seen: Timestamp,
    /// Seconds since then, by the hub's clock, decimal.
    age_seconds: String,
    /// Records that are here, decimal.
    log_size: String,
    /// Records that the gateway said it has, decimal; null before its first heartbeat.
    log_size_there: Option<String>,
    /// Records that waited there at its last heartbeat, decimal.
    queue: Option<String>,
    /// Time of the oldest one of those.
    oldest_unsent: Option<String>,
    /// Records that its newest checkpoint covers, decimal; 0 for none.
    checkpoint_size: String,
    /// Key of its log.
    log_key: String,
    /// Open findings, decimal.
    open_findings: String,
    /// Alarms about its log, decimal. Not zero means that its log is not what it was.
    alarms: String,
}

const COLUMNS: &str = "SELECT s.id, s.name, s.created, g.version, greatest(g.last_seen, s.last_batch),
        extract(epoch FROM now() - greatest(g.last_seen, s.last_batch))::bigint, s.size, g.log_size, g.queue, g.oldest_unsent,
        s.checkpoint_size, s.log_key,
        (SELECT count(*) FROM hub.finding f WHERE f.site = s.id AND f.status <> 'closed'),
        (SELECT count(*) FROM hub.alarm a WHERE a.site = s.id)
    FROM hub.site s JOIN hub.gateway g ON g.site = s.id";

fn view(row: &Row) -> SiteView {
    let number = |place: usize| row.get::<_, i64>(place).to_string();
    let maybe = |place: usize| row.get::<_, Option<i64>>(place).map(|number| number.to_string());
    SiteView {
        id: row.get(0),
        name: row.get(1),
        registered: timestamp(row.get(2)),
        version: row.get(3),
        last_seen: timestamp(row.get::<_, SystemTime>(4)),
        age_seconds: number(5),
        log_size: number(6),
        log_size_there: maybe(7),
        queue: maybe(8),
        oldest_unsent: row.get(9),
        checkpoint_size: number(10),
        log_key: row.get(11),
        open_findings: number(12),
        alarms: number(13),
    }
}

/// Sites by name.
#[utoipa::path(get, path = "/sites", tag = "portal", operation_id = "list_sites", params(Asked), responses((status = 200, body = Page<SiteView>),
    (status = 400, body = Problem), (status = 401, body = Problem)))]
async fn list(
    State(hub): State<Hub>,
    operator: Operator,
    Query(asked): Query<Asked>,
) -> Result<Json<Page<SiteView>>, ApiError> {
    let limit = limit(asked.limit)?;
    let (name, id) = after::<(String, Uuid)>(asked.cursor.as_deref())?.unzip();
    let mut connection = hub.database.connect().await?;
    let tx = connection.begin(&Scope::Tenant(operator.tenant)).await?;
    let sql = format!(
        "{COLUMNS} WHERE $1::text IS NULL OR (s.name, s.id) > ($1, $2::uuid) ORDER BY s.name, s.id LIMIT $3"
    );
    let rows = tx
        .query(&sql, &[&name, &id, &i64::try_from(limit + 1).unwrap_or(i64::MAX)])
        .await
        .doing("listing sites")?;
    let views = rows.iter().map(view).collect();
    Ok(Json(Page::cut(views, limit, |site: &SiteView| (site.name.clone(), site.id))))
}

/// One site.
#[utoipa::path(get, path = "/sites/{site}", tag = "portal", operation_id = "read_site", params(("site" = Uuid, Path, description = "The site")),
    responses((status = 200, body = SiteView), (status = 401, body = Problem), (status = 404, body = Problem)))]
async fn one(
    State(hub): State<Hub>,
    operator: Operator,
    Path(site): Path<Uuid>,
) -> Result<Json<SiteView>, ApiError> {
    let mut connection = hub.database.connect().await?;
    let tx = connection.begin(&Scope::Tenant(operator.tenant)).await?;
    let row = tx.query_opt(&format!("{COLUMNS} WHERE s.id = $1"), &[&site]).await.doing("reading a site")?;
    row.as_ref().map(view).map(Json).ok_or_else(|| ApiError::not_found("site with this id"))
}
