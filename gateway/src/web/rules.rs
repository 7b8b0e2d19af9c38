//! Rules in force, their text, their mistakes, and loading them again.

use std::collections::HashMap;

use axum::extract::State;
use serde::Serialize;
use sitewarden_core::{Action, Resource};
use sitewarden_detect::{Rule, RuleError};
use sitewarden_http::{ApiError, Caller, Json, Page, Path, Problem};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Site;
use crate::sources::SourceError;

pub(crate) fn routes(site: Site) -> OpenApiRouter {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(detail))
        .routes(routes!(reload))
        .with_state(site)
}

/// A rule in a list.
#[derive(Debug, Serialize, ToSchema)]
struct RuleView {
    /// Id of the rule; of a file that did not load, its name.
    id: String,
    /// Title.
    title: String,
    /// `critical`, `high`, `medium`, `low`, `info`.
    severity: &'static str,
    /// File that it stands in.
    file: String,
    /// `loaded` or `error`.
    status: &'static str,
    /// What is wrong, with line, column and what would be right.
    error: Option<String>,
    /// How often it matched, over all its findings.
    matches: u64,
    /// Number of tests in the rule.
    tests: usize,
}

/// A rule with its text.
#[derive(Debug, Serialize, ToSchema)]
struct RuleDetail {
    #[serde(flatten)]
    rule: RuleView,
    /// What it detects.
    description: String,
    /// ATT&CK techniques.
    techniques: Vec<String>,
    /// Its text.
    source: String,
}

fn view(rule: &Rule, matches: &HashMap<String, u64>) -> RuleView {
    RuleView {
        id: rule.id.to_string(),
        title: rule.title.to_string(),
        severity: rule.severity.as_str(),
        file: rule.file.to_string(),
        status: "loaded",
        error: None,
        matches: matches.get(&*rule.id).copied().unwrap_or(0),
        tests: rule.tests.len(),
    }
}

fn mistake(error: &RuleError) -> RuleView {
    RuleView {
        id: error.file.to_string(),
        title: error.file.to_string(),
        severity: "info",
        file: error.file.to_string(),
        status: "error",
        error: Some(error.to_string()),
        matches: 0,
        tests: 0,
    }
}

/// Rules in force, and the mistakes of files that did not load.
#[utoipa::path(get, path = "/rules", tag = "rules", operation_id = "list_rules",
    responses((status = 200, body = Page<RuleView>), Problem))]
async fn list(State(site): State<Site>, caller: Caller) -> Result<Json<Page<RuleView>>, ApiError> {
    let _ = caller.permit(&site.ground.gate, Action::RuleRead, Resource::site())?;
    let set = site.rules.current();
    let errors = site.rules.errors();
    let matches = site.ground.store.read(sitewarden_findings::matches_by_rule).await?;
    let items =
        errors.iter().map(mistake).chain(set.rules().iter().map(|rule| view(rule, &matches))).collect();
    Ok(Json(Page { items, next: None }))
}

/// One rule with its text.
#[utoipa::path(get, path = "/rules/{id}", tag = "rules", operation_id = "get_rule",
    params(("id" = String, Path, description = "Rule id")),
    responses((status = 200, body = RuleDetail), Problem))]
async fn detail(
    State(site): State<Site>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<RuleDetail>, ApiError> {
    let _ = caller.permit(&site.ground.gate, Action::RuleRead, Resource::new("Rule", &id))?;
    let set = site.rules.current();
    let rule = set.rules().iter().find(|rule| *rule.id == *id);
    let rule = rule.ok_or_else(|| ApiError::not_found(format_args!("rule {id}")))?;
    let matches = site.ground.store.read(sitewarden_findings::matches_by_rule).await?;
    Ok(Json(RuleDetail {
        rule: view(rule, &matches),
        description: rule.description.to_string(),
        techniques: rule.techniques.iter().map(ToString::to_string).collect(),
        source: rule.source.to_string(),
    }))
}

/// What a reload came to.
#[derive(Debug, Serialize, ToSchema)]
struct Reloaded {
    /// Rules in force now.
    rules: usize,
}

/// Loads the rules from disk again; with a mistake in one, the last good set stays.
#[utoipa::path(post, path = "/rules/reload", tag = "rules", responses((status = 200, body = Reloaded), Problem))]
async fn reload(State(site): State<Site>, caller: Caller) -> Result<Json<Reloaded>, ApiError> {
    let permit = caller.permit(&site.ground.gate, Action::RuleReload, Resource::site())?;
    match site.rules.reload(&site.ground.store, permit).await {
        Ok(rules) => Ok(Json(Reloaded { rules })),
        Err(SourceError::Record(error)) => Err(error.into()),
        Err(error) => Err(ApiError::unprocessable("rules-not-loaded", sitewarden_core::error::chain(&error))),
    }
}
