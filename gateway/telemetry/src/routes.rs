//! Routes of telemetry: readings of one metric, and payloads that nobody could read.
//!
//! Parse, permit, one store call, view.

use axum::extract::State;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use sitewarden_core::{Action, Gate, ReadingValue, Resource, TimeSource, Timestamp};
use sitewarden_http::{ApiError, Caller, Json, Page, Path, Problem, Query, cursor};
use sitewarden_store::Store;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::limits::{QUERY_READINGS, QUERY_READINGS_DEFAULT};
use crate::query;
use crate::unknown;

/// What the routes need.
#[derive(Clone, Debug)]
pub struct Deps {
    /// Where readings are.
    pub store: Store,
    /// Who may read them.
    pub gate: Gate,
}

/// All routes of telemetry, under `/api/v1`.
pub fn routes(deps: Deps) -> OpenApiRouter {
    OpenApiRouter::new().routes(routes!(readings)).routes(routes!(unknown_payloads)).with_state(deps)
}

const LIST: &str = "readings";

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct ReadingsQuery {
    /// Metric, such as `temperature`.
    metric: String,
    /// From this event time on (RFC 3339); without it from the beginning.
    #[param(value_type = Option<String>, format = DateTime)]
    from: Option<Timestamp>,
    /// Up to this event time, exclusive (RFC 3339); without it to the end.
    #[param(value_type = Option<String>, format = DateTime)]
    to: Option<Timestamp>,
    /// Readings per page.
    #[param(minimum = 1, maximum = 10000, default = 1000)]
    limit: Option<u32>,
    /// `next` of the page before.
    cursor: Option<String>,
}

/// One reading.
#[derive(Debug, Serialize, ToSchema)]
struct ReadingView {
    /// When it was measured.
    #[schema(value_type = String, format = DateTime)]
    time: Timestamp,
    /// When it arrived.
    #[schema(value_type = String, format = DateTime)]
    received: Timestamp,
    /// Number, flag or short text.
    value: ValueView,
    /// Unit, empty when there is none.
    unit: String,
    /// `payload` or `arrival`.
    #[schema(value_type = String)]
    time_source: TimeSource,
    /// Whether a person had approved the device when the reading arrived.
    trusted: bool,
}

/// Number, flag or short text.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
enum ValueView {
    /// On or off.
    Bool(bool),
    /// A finite number; null for what JSON cannot say.
    Number(f64),
    /// A short state.
    Text(String),
}

impl From<ReadingValue> for ValueView {
    fn from(value: ReadingValue) -> Self {
        match value {
            ReadingValue::Bool(flag) => Self::Bool(flag),
            ReadingValue::Number(number) => Self::Number(number),
            ReadingValue::Text(text) => Self::Text(text.to_string()),
        }
    }
}

/// Readings of one metric of a device, in order of event time.
#[utoipa::path(get, path = "/devices/{id}/readings", tag = "telemetry",
    params(("id" = String, Path, description = "Device id"), ReadingsQuery),
    responses((status = 200, body = Page<ReadingView>), Problem))]
async fn readings(
    State(deps): State<Deps>,
    caller: Caller,
    Path(id): Path<String>,
    Query(query): Query<ReadingsQuery>,
) -> Result<Json<Page<ReadingView>>, ApiError> {
    let _ = caller.permit(&deps.gate, Action::TelemetryRead, Resource::new("Device", &id))?;
    let limit =
        query.limit.map_or(QUERY_READINGS_DEFAULT, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
    if limit == 0 || limit > QUERY_READINGS {
        return Err(ApiError::bad_request(
            "bad-limit",
            format!("limit is {limit}; give 1 to {QUERY_READINGS}."),
        ));
    }
    // The key of the next page: its first event time, and how many readings of that very time are done.
    let after: Option<(i64, usize)> =
        query.cursor.as_deref().map(|text| cursor::decode(LIST, text)).transpose()?;
    let from = query.from.unwrap_or(Timestamp::from_micros(i64::MIN));
    let (from, skip) = after.map_or((from, 0), |(time, done)| (Timestamp::from_micros(time), done));
    let to = query.to.unwrap_or(Timestamp::from_micros(i64::MAX));
    let wanted = query::Query { asset: id, metric: query.metric, from, to };
    let mut values = deps.store.read(move |conn| query::readings(conn, &wanted, skip, limit + 1)).await?;
    let next = (values.len() > limit).then(|| {
        values.truncate(limit);
        let time = values.last().map(|value| value.point.time).unwrap_or_default();
        let same = values.iter().rev().take_while(|value| value.point.time == time).count();
        let done = if after.is_some_and(|(first, _)| first == time.micros()) { skip + same } else { same };
        cursor::encode(LIST, &(time.micros(), done))
    });
    let items = values.into_iter().map(view).collect();
    Ok(Json(Page { items, next }))
}

fn view(value: query::Value) -> ReadingView {
    let query::Value { point, unit } = value;
    ReadingView {
        time: point.time,
        received: point.received,
        value: point.value.into(),
        unit,
        time_source: point.time_source,
        trusted: point.trusted,
    }
}

/// Payloads of one topic that no dialect knows.
#[derive(Debug, Serialize, ToSchema)]
struct UnknownView {
    /// The topic.
    topic: String,
    /// Why the newest could not be read.
    reason: String,
    /// How many came.
    count: u64,
    /// When the first came.
    #[schema(value_type = String, format = DateTime)]
    first: Timestamp,
    /// When the newest came.
    #[schema(value_type = String, format = DateTime)]
    last: Timestamp,
    /// The beginning of the newest, base64.
    sample_base64: String,
}

/// Topics whose payloads no dialect knows, newest first: write a profile for them, or find out who sends them.
#[utoipa::path(get, path = "/payloads/unknown", tag = "telemetry",
    responses((status = 200, body = Page<UnknownView>), Problem))]
async fn unknown_payloads(
    State(deps): State<Deps>,
    caller: Caller,
) -> Result<Json<Page<UnknownView>>, ApiError> {
    let _ = caller.permit(&deps.gate, Action::TelemetryRead, Resource::site())?;
    let topics = deps.store.read(unknown::list).await?;
    let items = topics
        .into_iter()
        .map(|topic| UnknownView {
            topic: topic.topic,
            reason: topic.reason,
            count: topic.count,
            first: topic.first,
            last: topic.last,
            sample_base64: STANDARD.encode(topic.sample),
        })
        .collect();
    Ok(Json(Page { items, next: None }))
}
