//! HTTP routes of findings.
//!
//! Each handler: permit, one store call, view. No SQL and no rules here. Invariant: nothing is read or changed without a
//! permit for it.

use axum::extract::State;
use serde::Deserialize;
use sitewarden_core::{Action, FindingStatus, Gate, Permit, Resource, Severity};
use sitewarden_http::{ApiError, Caller, Id, Json, Page, PageQuery, Path, Problem, Query};
use sitewarden_store::{Store, Tx};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::error::FindingError;
use crate::limits::QUERY_CHARS;
use crate::read::{self, Filter};
use crate::view::{DetailView, FindingView};
use crate::{acknowledge, close, reopen};

/// Name of the list in its cursors.
const LIST: &str = "findings";

/// What the routes need.
#[derive(Clone, Debug)]
pub struct Deps {
    /// Where findings are.
    pub store: Store,
    /// Who may do what.
    pub gate: Gate,
}

/// The routes, without the prefix `/api/v1`.
pub fn routes(deps: Deps) -> OpenApiRouter {
    OpenApiRouter::new()
        .routes(routes!(list_findings))
        .routes(routes!(get_finding))
        .routes(routes!(acknowledge_finding))
        .routes(routes!(close_finding))
        .routes(routes!(reopen_finding))
        .with_state(deps)
}

/// Filters of the list. Status and severity take several values, separated by commas.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct FindingQuery {
    /// `open`, `acknowledged`, `muted`, `in-case`, `closed`.
    status: Option<String>,
    /// `critical`, `high`, `medium`, `low`, `info`.
    severity: Option<String>,
    /// Id of the asset; an agent's finds what its sensors are about, too.
    device: Option<String>,
    /// Id of the rule.
    rule: Option<String>,
    /// Text in title, summary or name.
    q: Option<String>,
}

impl FindingQuery {
    fn filter(self) -> Result<Filter, ApiError> {
        let too_long = self.q.as_ref().is_some_and(|text| text.chars().count() > QUERY_CHARS);
        if too_long {
            return Err(ApiError::bad_request(
                "bad-query",
                format!("q is longer than {QUERY_CHARS} characters."),
            ));
        }
        Ok(Filter {
            status: parse_all("status", self.status.as_deref(), FindingStatus::parse)?,
            severity: parse_all("severity", self.severity.as_deref(), Severity::parse)?,
            device: self.device,
            rule: self.rule,
            text: self.q,
        })
    }
}

fn parse_all<T>(name: &str, text: Option<&str>, parse: fn(&str) -> Option<T>) -> Result<Vec<T>, ApiError> {
    let words = text.unwrap_or_default().split(',').map(str::trim).filter(|word| !word.is_empty());
    words
        .map(|word| {
            parse(word)
                .ok_or_else(|| ApiError::bad_request("bad-query", format!("{name} has no value {word:?}.")))
        })
        .collect()
}

/// A note that may be left out.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Note {
    /// For colleagues, up to 1 000 characters.
    #[schema(max_length = 1000)]
    note: Option<String>,
}

/// A reason that must be given.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Reason {
    /// Why, up to 1 000 characters.
    #[schema(min_length = 1, max_length = 1000)]
    reason: String,
}

/// Findings, the latest first (by their newest record in the site log).
#[utoipa::path(get, path = "/findings", tag = "findings", params(FindingQuery, PageQuery),
    responses((status = 200, description = "A page of findings", body = Page<FindingView>), Problem))]
async fn list_findings(
    State(deps): State<Deps>,
    caller: Caller,
    Query(query): Query<FindingQuery>,
    Query(page): Query<PageQuery>,
) -> Result<Json<Page<FindingView>>, ApiError> {
    let _seen = caller.permit(&deps.gate, Action::FindingRead, Resource::site())?;
    let (limit, after) = (page.limit()?, page.after::<(i64, u64)>(LIST)?);
    let filter = query.filter()?;
    let after = after.map(|(time, id)| (sitewarden_core::Timestamp::from_micros(time), id));
    let rows = deps.store.read(move |conn| read::list(conn, &filter, after, limit + 1)).await?;
    Ok(Json(Page::cut(LIST, rows, limit, |finding| (finding.listed.micros(), finding.id.0))))
}

/// One finding with its evidence and history.
#[utoipa::path(get, path = "/findings/{id}", tag = "findings", params(("id" = Id, Path)),
    responses((status = 200, description = "The finding", body = DetailView), Problem))]
async fn get_finding(
    State(deps): State<Deps>,
    caller: Caller,
    Path(Id(id)): Path<Id>,
) -> Result<Json<DetailView>, ApiError> {
    let _seen = caller.permit(&deps.gate, Action::FindingRead, resource(id))?;
    Ok(Json(deps.store.read(move |conn| read::detail(conn, id)).await?))
}

/// Take a finding.
#[utoipa::path(post, path = "/findings/{id}/acknowledge", tag = "findings", params(("id" = Id, Path)), request_body = Note,
    responses((status = 200, description = "The finding as it stands now", body = DetailView), Problem))]
async fn acknowledge_finding(
    State(deps): State<Deps>,
    caller: Caller,
    Path(Id(id)): Path<Id>,
    Json(Note { note }): Json<Note>,
) -> Result<Json<DetailView>, ApiError> {
    let permit = caller.permit(&deps.gate, Action::FindingAcknowledge, resource(id))?;
    change(deps, id, permit, move |tx, permit| acknowledge(tx, permit, id, note.as_deref())).await
}

/// Close a finding with a reason. It opens again by itself when it happens again.
#[utoipa::path(post, path = "/findings/{id}/close", tag = "findings", params(("id" = Id, Path)), request_body = Reason,
    responses((status = 200, description = "The finding as it stands now", body = DetailView), Problem))]
async fn close_finding(
    State(deps): State<Deps>,
    caller: Caller,
    Path(Id(id)): Path<Id>,
    Json(Reason { reason }): Json<Reason>,
) -> Result<Json<DetailView>, ApiError> {
    let permit = caller.permit(&deps.gate, Action::FindingClose, resource(id))?;
    change(deps, id, permit, move |tx, permit| close(tx, permit, id, &reason)).await
}

/// Open a closed finding again with a reason.
#[utoipa::path(post, path = "/findings/{id}/reopen", tag = "findings", params(("id" = Id, Path)), request_body = Reason,
    responses((status = 200, description = "The finding as it stands now", body = DetailView), Problem))]
async fn reopen_finding(
    State(deps): State<Deps>,
    caller: Caller,
    Path(Id(id)): Path<Id>,
    Json(Reason { reason }): Json<Reason>,
) -> Result<Json<DetailView>, ApiError> {
    let permit = caller.permit(&deps.gate, Action::FindingReopen, resource(id))?;
    change(deps, id, permit, move |tx, permit| reopen(tx, permit, id, &reason)).await
}

async fn change(
    deps: Deps,
    id: u64,
    permit: Permit,
    act: impl FnOnce(&Tx<'_>, Permit) -> Result<u64, FindingError> + Send + 'static,
) -> Result<Json<DetailView>, ApiError> {
    let changed = move |tx: &Tx<'_>| {
        act(tx, permit)?;
        read::detail(tx.sql(), id)
    };
    Ok(Json(deps.store.write("changing a finding", changed).await?))
}

fn resource(id: u64) -> Resource {
    Resource::new("Finding", &id.to_string())
}
