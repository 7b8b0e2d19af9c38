//! Routes of policy: what is in force, reload, and why something was decided.
//!
//! Parse, permit, one call, view.

use axum::extract::State;
use serde::Serialize;
use sitewarden_core::{Action, Gate, Resource, Timestamp};
use sitewarden_http::{ApiError, Caller, Id, Json, Page, PageQuery, Problem, Query};
use sitewarden_store::Store;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::Policies;

/// What the routes need.
#[derive(Clone, Debug)]
pub struct Deps {
    /// Where reloads are recorded.
    pub store: Store,
    /// Who may look and reload.
    pub gate: Gate,
    /// The policies in force.
    pub policies: Policies,
}

/// All routes of policy, under `/api/v1`.
pub fn routes(deps: Deps) -> OpenApiRouter {
    OpenApiRouter::new()
        .routes(routes!(read))
        .routes(routes!(reload))
        .routes(routes!(decisions))
        .with_state(deps)
}

/// One file of the set in force.
#[derive(Debug, Serialize, ToSchema)]
struct PolicyFile {
    /// File name.
    name: String,
    /// Its text.
    source: String,
    /// Ids of its policies, in order; none for the schema and the topic spaces.
    policies: Vec<String>,
}

/// The policies in force.
#[derive(Debug, Serialize, ToSchema)]
struct PolicySetView {
    /// Moves whenever policies, roles or trust change.
    epoch: Id,
    /// The files of the set in force; none when there is no set and all but the console is refused.
    files: Vec<PolicyFile>,
    /// What is wrong with the files on disk; null when the last load went well.
    error: Option<String>,
}

fn view(policies: &Policies) -> PolicySetView {
    let state = policies.inner.state.load();
    let files = state.loaded.as_ref().map_or_else(Vec::new, |loaded| {
        let file = |file: &crate::load::LoadedFile| PolicyFile {
            name: file.name.clone(),
            source: file.source.clone(),
            policies: file.policies.clone(),
        };
        loaded.files.iter().map(file).collect()
    });
    PolicySetView { epoch: Id(state.epoch.0), files, error: policies.error() }
}

/// The policies in force and what is wrong with the files, if anything.
#[utoipa::path(get, path = "/policies", tag = "policy", operation_id = "read_policies",
    responses((status = 200, body = PolicySetView), Problem))]
async fn read(State(deps): State<Deps>, caller: Caller) -> Result<Json<PolicySetView>, ApiError> {
    let _seen = caller.permit(&deps.gate, Action::PolicyRead, Resource::site())?;
    Ok(Json(view(&deps.policies)))
}

/// Reads the policy files again. With a mistake in them: 422 that names file and line, and the set in force stays.
#[utoipa::path(post, path = "/policies/reload", tag = "policy", operation_id = "reload_policies",
    responses((status = 200, body = PolicySetView), Problem))]
async fn reload(State(deps): State<Deps>, caller: Caller) -> Result<Json<PolicySetView>, ApiError> {
    let permit = caller.permit(&deps.gate, Action::PolicyReload, Resource::site())?;
    deps.policies.reload(&deps.store, permit, true).await?;
    Ok(Json(view(&deps.policies)))
}

/// One explained decision.
#[derive(Debug, Serialize, ToSchema)]
struct DecisionView {
    /// When it was last decided so.
    #[schema(value_type = String, format = DateTime)]
    time: Timestamp,
    /// Who asked: `person:..`, `api-key:..`, `device:..`, `anonymous`.
    principal: String,
    /// What was asked for.
    action: String,
    /// On what.
    resource: String,
    /// Whether it was allowed.
    allow: bool,
    /// The policies that determined it; empty for "no policy allows it".
    policies: Vec<String>,
    /// How often.
    count: u64,
}

/// Refusals and allowed changes since the box was started, newest first, repeats counted.
#[utoipa::path(get, path = "/policies/decisions", tag = "policy", operation_id = "list_decisions", params(PageQuery),
    responses((status = 200, body = Page<DecisionView>), Problem))]
async fn decisions(
    State(deps): State<Deps>,
    caller: Caller,
    Query(page): Query<PageQuery>,
) -> Result<Json<Page<DecisionView>>, ApiError> {
    const LIST: &str = "decisions";
    let _seen = caller.permit(&deps.gate, Action::PolicyRead, Resource::site())?;
    let limit = page.limit()?;
    // The list moves while it is walked: the cursor is how many were shown.
    let skip: u64 = page.after(LIST)?.unwrap_or(0);
    let items: Vec<DecisionView> = deps
        .policies
        .recent()
        .into_iter()
        .skip(usize::try_from(skip).unwrap_or(usize::MAX))
        .take(limit + 1)
        .map(|entry| DecisionView {
            time: entry.time,
            principal: entry.principal,
            action: entry.action.to_string(),
            resource: entry.resource.to_string(),
            allow: entry.allow,
            policies: entry.policies.iter().map(ToString::to_string).collect(),
            count: entry.count,
        })
        .collect();
    Ok(Json(Page::cut(LIST, items, limit, |_| skip.saturating_add(limit as u64))))
}
