//! The one error type of the cloud API and its body, problem+json (RFC 9457).
//!
//! Details are for people: what happened, what was not changed, what to do. Inner causes go to the log under the request
//! id. Invariant: every answer that is no success is a problem with a `code` that programs can rely on.

use std::time::Duration;

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;
use sitewarden_core::error::chain;
use utoipa::ToSchema;

use crate::database::DatabaseError;
use crate::limits::DETAIL_BYTES;
use crate::request_id;

/// Body of every error: RFC 9457 with a code and the request id.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Problem {
    /// `urn:sitewarden:problem:` and the code.
    #[serde(rename = "type")]
    kind: String,
    /// The status in words.
    title: String,
    /// HTTP status.
    status: u16,
    /// What happened, what did not change, what to do.
    detail: String,
    /// Stable name for programs: `gap`, `log-forked`, `bad-checkpoint`, `claim-refused`.
    code: String,
    /// Also in the header `X-Request-ID` and in the log.
    request_id: Option<String>,
    /// With `gap`: the number of the first record that the hub lacks.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// An answer that is not a success.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ApiError {
    status: StatusCode,
    code: &'static str,
    detail: String,
    next: Option<u64>,
    retry_after: Option<Duration>,
}

impl ApiError {
    /// Any status with a code and a sentence.
    pub(crate) fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        let mut detail: String = detail.into();
        detail.truncate(detail.floor_char_boundary(DETAIL_BYTES));
        Self { status, code, detail, next: None, retry_after: None }
    }

    /// 400: the request cannot be understood.
    pub(crate) fn bad_request(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, detail)
    }

    /// 401: nobody is known by what came.
    pub(crate) fn unauthorized(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, code, detail)
    }

    /// 403.
    pub(crate) fn forbidden(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, code, detail)
    }

    /// 404: there is no such thing, or it is not the asker's.
    pub(crate) fn not_found(what: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", format!("There is no {what}."))
    }

    /// 409: the first record that is missing comes before those of the batch.
    pub(crate) fn gap(next: u64, first: u64) -> Self {
        let detail = format!(
            "Record {next} is the next one here, the batch begins with {first}. Nothing was stored: send from {next} on."
        );
        Self { next: Some(next), ..Self::new(StatusCode::CONFLICT, "gap", detail) }
    }

    /// 409.
    pub(crate) fn conflict(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, code, detail)
    }

    /// 413.
    pub(crate) fn too_large(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "body-too-large", detail)
    }

    /// 422: understood, but a value is not acceptable.
    pub(crate) fn unprocessable(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, code, detail)
    }

    /// 429 with `Retry-After`.
    pub(crate) fn too_many(detail: impl Into<String>, retry_after: Duration) -> Self {
        Self {
            retry_after: Some(retry_after),
            ..Self::new(StatusCode::TOO_MANY_REQUESTS, "too-many-tries", detail)
        }
    }

    /// 503, to be tried again.
    pub(crate) fn unavailable(code: &'static str, detail: impl Into<String>) -> Self {
        Self {
            retry_after: Some(Duration::from_secs(2)),
            ..Self::new(StatusCode::SERVICE_UNAVAILABLE, code, detail)
        }
    }

    /// 500: a fault of the program; the cause goes to the log.
    pub(crate) fn internal(error: &(dyn std::error::Error + 'static)) -> Self {
        tracing::error!(error = %chain(error), "a request failed");
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "The hub could not answer; nothing was stored. The cause stands in its log under this request id.",
        )
    }

    /// The stable name.
    #[cfg(test)]
    pub(crate) const fn code(&self) -> &'static str {
        self.code
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let problem = Problem {
            kind: format!("urn:sitewarden:problem:{}", self.code),
            title: self.status.canonical_reason().unwrap_or("Error").to_owned(),
            status: self.status.as_u16(),
            detail: self.detail,
            code: self.code.to_owned(),
            request_id: request_id::current(),
            next: self.next.map(|next| next.to_string()),
        };
        let mut response = (self.status, axum::Json(problem)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(time) = self.retry_after {
            // Rounded up: a client that comes a moment too early would be refused again.
            let seconds = u64::try_from(time.as_millis().div_ceil(1_000)).unwrap_or(u64::MAX).max(1);
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

impl From<DatabaseError> for ApiError {
    fn from(error: DatabaseError) -> Self {
        if !error.passes() {
            return Self::internal(&error);
        }
        tracing::warn!(error = %chain(&error), "the database did not answer");
        Self::unavailable(
            "database-unavailable",
            "The hub's database did not answer; nothing was stored. Come again.",
        )
    }
}
