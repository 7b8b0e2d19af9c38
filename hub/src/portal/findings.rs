//! Findings of all sites: list with search and filters, one in detail.

use axum::extract::State;
use serde::{Deserialize, Serialize};
use sitewarden_core::Timestamp;
use tokio_postgres::Row;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::database::{Doing as _, Scope};
use crate::extract::{Json, Page, Path, Query, after, limit};
use crate::hub::Hub;
use crate::limits::{SEARCH_BYTES, SEARCH_WORDS};
use crate::people::session::Operator;
use crate::problem::{ApiError, Problem};

pub(super) fn routes(hub: Hub) -> OpenApiRouter {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(one)).with_state(hub)
}

#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Asked {
    /// Words that all must stand in title, asset or rule.
    q: Option<String>,
    /// Findings of this site alone.
    site: Option<Uuid>,
    /// `critical`, `high`, `medium`, `low` or `info`; several with commas.
    severity: Option<String>,
    /// `open`, `acknowledged`, `closed`, ..
    status: Option<String>,
    /// `none`, `verified`, `invalid`, `unknown-agent` or `replayed`.
    signature: Option<String>,
    /// Findings per page.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u32>,
    /// `next` of the page before.
    cursor: Option<String>,
}

/// A finding of a site.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(super) struct FindingView {
    /// Its site.
    pub(super) site: Uuid,
    /// Name of its site.
    pub(super) site_name: String,
    /// Its number at the site, decimal.
    pub(super) id: String,
    /// The rule.
    pub(super) rule_id: String,
    /// What happened.
    pub(super) title: String,
    /// Why the rule fired.
    pub(super) summary: String,
    /// `critical`, `high`, `medium`, `low` or `info`.
    pub(super) severity: String,
    /// `open`, `acknowledged`, `closed`, ..
    pub(super) status: String,
    /// The asset.
    pub(super) asset: String,
    /// Its name.
    pub(super) asset_name: String,
    /// How often it was seen, decimal.
    pub(super) count: String,
    /// Whether it belongs to a demo.
    pub(super) demo: bool,
    /// When it was raised, as the site's clock said.
    #[schema(value_type = String, format = DateTime)]
    pub(super) raised: Timestamp,
    /// When it last changed, as the site's clock said.
    #[schema(value_type = String, format = DateTime)]
    pub(super) changed: Timestamp,
    /// Record that raised it, decimal.
    pub(super) raised_seq: String,
    /// Its newest record, decimal.
    pub(super) last_seq: String,
    /// What is known about its signature: `none` (no agent signed it), `verified`, `invalid`, `unknown-agent`, `replayed`.
    pub(super) signature: String,
    /// The agent that signed, or is said to have.
    pub(super) agent: Option<String>,
    /// The agent's number of its statement, decimal.
    pub(super) sequence: Option<String>,
    /// Record that carries the statement, decimal.
    pub(super) signed_seq: Option<String>,
    /// Whether its newest record is covered by a checkpoint that the site signed and the hub compared.
    pub(super) proven: bool,
}

const NAMES: [&str; 5] = ["info", "low", "medium", "high", "critical"];

const COLUMNS: &str = "SELECT f.site, s.name, f.id, f.rule_id, f.title, f.summary, f.severity, f.status, f.asset, f.asset_name,
        f.count, f.demo, f.raised, f.changed, f.raised_seq, f.last_seq, f.signature, f.agent, f.sequence, f.signed_seq,
        f.last_seq <= s.checkpoint_size
    FROM hub.finding f JOIN hub.site s ON s.id = f.site";

pub(super) fn view(row: &Row) -> FindingView {
    let number = |place: usize| row.get::<_, i64>(place).to_string();
    let severity = usize::try_from(row.get::<_, i16>(6)).ok().and_then(|place| NAMES.get(place)).copied();
    FindingView {
        site: row.get(0),
        site_name: row.get(1),
        id: number(2),
        rule_id: row.get(3),
        title: row.get(4),
        summary: row.get(5),
        severity: severity.unwrap_or("info").to_owned(),
        status: row.get(7),
        asset: row.get(8),
        asset_name: row.get(9),
        count: number(10),
        demo: row.get(11),
        raised: Timestamp::from_micros(row.get(12)),
        changed: Timestamp::from_micros(row.get(13)),
        raised_seq: number(14),
        last_seq: number(15),
        signature: row.get(16),
        agent: row.get(17),
        sequence: row.get(18),
        signed_seq: row.get::<_, Option<i64>>(19).map(|number| number.to_string()),
        proven: row.get(20),
    }
}

/// Words of a search, lower case.
fn words(text: Option<&str>) -> Result<Vec<String>, ApiError> {
    let text = text.unwrap_or_default();
    let words: Vec<String> = text.split_whitespace().map(str::to_lowercase).collect();
    if text.len() > SEARCH_BYTES || words.len() > SEARCH_WORDS || text.contains('\0') {
        let detail = format!("q takes {SEARCH_WORDS} words and {SEARCH_BYTES} bytes at most.");
        return Err(ApiError::bad_request("bad-search", detail));
    }
    Ok(words)
}

fn severities(text: Option<&str>) -> Result<Option<Vec<i16>>, ApiError> {
    let Some(text) = text.filter(|text| !text.is_empty()) else { return Ok(None) };
    let number = |name: &str| {
        NAMES.iter().position(|known| *known == name).and_then(|place| i16::try_from(place).ok())
    };
    let numbers: Option<Vec<i16>> = text.split(',').take(NAMES.len()).map(number).collect();
    let bad =
        || ApiError::bad_request("bad-severity", "severity is one of critical, high, medium, low, info.");
    numbers.map(Some).ok_or_else(bad)
}

/// Findings of all sites, the newest change first.
#[utoipa::path(get, path = "/findings", tag = "portal", operation_id = "list_findings", params(Asked), responses((status = 200, body = Page<FindingView>),
    (status = 400, body = Problem), (status = 401, body = Problem)))]
async fn list(
    State(hub): State<Hub>,
    operator: Operator,
    Query(asked): Query<Asked>,
) -> Result<Json<Page<FindingView>>, ApiError> {
    let (limit, words, severities) =
        (limit(asked.limit)?, words(asked.q.as_deref())?, severities(asked.severity.as_deref())?);
    let text = |text: Option<String>| text.filter(|text| !text.is_empty() && !text.contains('\0'));
    let (status, signature) = (text(asked.status), text(asked.signature));
    let key = after::<(i64, Uuid, i64)>(asked.cursor.as_deref())?;
    let (changed, site, id) = (key.map(|key| key.0), key.map(|key| key.1), key.map(|key| key.2));
    let mut connection = hub.database.connect().await?;
    let tx = connection.begin(&Scope::Tenant(operator.tenant)).await?;
    let sql = format!(
        "{COLUMNS} WHERE f.tenant = $10 AND ($1::uuid IS NULL OR f.site = $1) AND ($2::smallint[] IS NULL OR f.severity = ANY($2))
            AND ($3::text IS NULL OR f.status = $3) AND ($4::text IS NULL OR f.signature = $4)
            AND NOT EXISTS (SELECT 1 FROM unnest($5::text[]) AS word WHERE strpos(f.words, word) = 0)
            AND ($6::bigint IS NULL OR f.changed < $6 OR (f.changed = $6 AND (f.site, f.id) > ($7::uuid, $8::bigint)))
         ORDER BY f.changed DESC, f.site, f.id LIMIT $9"
    );
    let rows = tx
        .query(
            &sql,
            &[
                &asked.site,
                &severities,
                &status,
                &signature,
                &words,
                &changed,
                &site,
                &id,
                &i64::try_from(limit + 1).unwrap_or(i64::MAX),
                &operator.tenant,
            ],
        )
        .await
        .doing("listing findings")?;
    let views = rows.iter().map(view).collect();
    Ok(Json(Page::cut(views, limit, |finding: &FindingView| {
        (finding.changed.micros(), finding.site, finding.id.parse::<i64>().unwrap_or(0))
    })))
}

/// One finding.
#[utoipa::path(get, path = "/sites/{site}/findings/{id}", tag = "portal", operation_id = "read_finding",
    params(("site" = Uuid, Path, description = "The site"), ("id" = String, Path, description = "Number of the finding there")),
    responses((status = 200, body = FindingView), (status = 401, body = Problem), (status = 404, body = Problem)))]
async fn one(
    State(hub): State<Hub>,
    operator: Operator,
    Path((site, id)): Path<(Uuid, String)>,
) -> Result<Json<FindingView>, ApiError> {
    let mut connection = hub.database.connect().await?;
    let tx = connection.begin(&Scope::Tenant(operator.tenant)).await?;
    find(&tx, site, &id).await.map(Json)
}

/// A finding by its site and number.
pub(super) async fn find(
    tx: &crate::database::Tx<'_>,
    site: Uuid,
    id: &str,
) -> Result<FindingView, ApiError> {
    let nothing = || ApiError::not_found("finding with this number at this site");
    let id: i64 = id.parse().map_err(|_| nothing())?;
    let row = tx
        .query_opt(&format!("{COLUMNS} WHERE f.site = $1 AND f.id = $2"), &[&site, &id])
        .await
        .doing("reading a finding")?;
    row.as_ref().map(view).ok_or_else(nothing)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn searches_and_severities_are_bounded() {
        assert_eq!(words(Some(" Cold  ROOM ")).expect("two words"), ["cold", "room"]);
        assert!(words(Some("a b c d e f g h i")).is_err() && words(Some(&"x".repeat(201))).is_err());
        assert_eq!(severities(Some("critical,low")), Ok(Some(vec![4, 1])));
        assert_eq!(severities(Some("")), Ok(None));
        assert!(severities(Some("worst")).is_err());
    }
}
