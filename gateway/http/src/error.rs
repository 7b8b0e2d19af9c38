//! The one error type of the API and its body, problem+json (RFC 9457).
//!
//! Details are for people and say what happened, what did not change and what to do; inner causes go to
//! the log, not to the client. Invariant: every error body has a `code` that programs can rely on, and the request id.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;
use sitewarden_core::Denied;
use sitewarden_core::error::chain;
use sitewarden_store::{ReadError, StoreError, WriteError};
use utoipa::ToSchema;

use crate::limits::DETAIL_BYTES;
use crate::request_id;

/// Body of every error: RFC 9457 with a code and the request id.
#[derive(Debug, Serialize, ToSchema)]
pub struct Problem {
    /// `urn:sitewarden:problem:` and the code.
    #[serde(rename = "type")]
    pub kind: String,
    /// The status in words.
    pub title: String,
    /// HTTP status.
    pub status: u16,
    /// What happened, what did not change, what to do.
    pub detail: String,
    /// Stable name for programs: `not-found`, `policy-denied`.
    pub code: String,
    /// Also in the header `X-Request-ID` and in the log.
    pub request_id: Option<String>,
    /// Policies that forbade it, for those who may know.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub policies: Vec<String>,
}

/// An answer that is not a success.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiError {
    status: StatusCode,
    code: &'static str,
    detail: String,
    policies: Vec<Arc<str>>,
    retry_after: Option<Duration>,
}

impl ApiError {
    /// Any status with a code and a sentence.
    #[must_use]
    pub fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        let mut detail: String = detail.into();
        if detail.len() > DETAIL_BYTES {
            let mut end = DETAIL_BYTES;
            while !detail.is_char_boundary(end) {
                end -= 1;
            }
            detail.truncate(end);
        }
        Self { status, code, detail, policies: Vec::new(), retry_after: None }
    }

    /// 400: the request cannot be understood.
    #[must_use]
    pub fn bad_request(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, detail)
    }

    /// 401: nobody is signed in.
    #[must_use]
    pub fn unauthorized(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "not-signed-in", detail)
    }

    /// 403: a policy or a protection of the session refuses.
    #[must_use]
    pub fn forbidden(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, code, detail)
    }

    /// 404: there is no such thing, or the caller may not know of it.
    #[must_use]
    pub fn not_found(what: impl fmt::Display) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", format!("There is no {what}."))
    }

    /// 409: the thing is in a state that does not allow it.
    #[must_use]
    pub fn conflict(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, code, detail)
    }

    /// 422: understood, but a value is not acceptable.
    #[must_use]
    pub fn unprocessable(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, code, detail)
    }

    /// 429 with `Retry-After`.
    #[must_use]
    pub fn too_many(code: &'static str, detail: impl Into<String>, retry_after: Duration) -> Self {
        Self { retry_after: Some(retry_after), ..Self::new(StatusCode::TOO_MANY_REQUESTS, code, detail) }
    }

    /// 503, to be tried again.
    #[must_use]
    pub fn unavailable(code: &'static str, detail: impl Into<String>) -> Self {
        Self {
            retry_after: Some(Duration::from_secs(1)),
            ..Self::new(StatusCode::SERVICE_UNAVAILABLE, code, detail)
        }
    }

    /// 500: a fault of the program; the cause goes to the log with the request id.
    #[must_use]
    pub fn internal(error: &(dyn Error + 'static)) -> Self {
        tracing::error!(error = %chain(error), "a request failed");
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "The box could not answer; nothing was changed. The cause stands in the box's log under this request id.",
        )
    }

    /// 403 from the gate. `may_know` adds the policies' ids; [`crate::Caller::permit`] decides that by role.
    #[must_use]
    pub fn denied(denied: &Denied, may_know: bool) -> Self {
        let why = if denied.policies.is_empty() { "No policy allows it." } else { "A policy forbids it." };
        Self {
            policies: if may_know { denied.policies.clone() } else { Vec::new() },
            ..Self::forbidden(
                "policy-denied",
                format!(
                    "You may not do this: {} on {}. {why} Nothing was changed.",
                    denied.action, denied.resource
                ),
            )
        }
    }

    /// The HTTP status.
    #[must_use]
    pub const fn status(&self) -> StatusCode {
        self.status
    }

    /// The stable name.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        self.code
    }

    /// The sentence for people.
    #[must_use]
    pub fn detail(&self) -> &str {
        &self.detail
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.status.as_u16(), self.code, self.detail)
    }
}

impl Error for ApiError {}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let problem = Problem {
            kind: format!("urn:sitewarden:problem:{}", self.code),
            title: self.status.canonical_reason().unwrap_or("Error").to_owned(),
            status: self.status.as_u16(),
            detail: self.detail,
            code: self.code.to_owned(),
            request_id: request_id::current(),
            policies: self.policies.iter().map(ToString::to_string).collect(),
        };
        let mut response = (self.status, axum::Json(problem)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(time) = self.retry_after {
            // Rounded up: a client that comes a moment too early would be refused again.
            headers.insert(
                header::RETRY_AFTER,
                HeaderValue::from(time.as_millis().div_ceil(1_000).max(1) as u64),
            );
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"sitewarden\""));
        }
        response
    }
}

impl From<Denied> for ApiError {
    /// Without policy ids, because who asks is not known here; see [`crate::Caller::permit`].
    fn from(denied: Denied) -> Self {
        Self::denied(&denied, false)
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::StalePermit { .. } => Self::conflict(
                "policy-changed",
                "Policies or devices changed while the request was under way; nothing was changed. Ask again.",
            ),
            error if error.is_disk_full() => disk_full(),
            error => Self::internal(&error),
        }
    }
}

impl<E: Error + Into<Self> + 'static> From<WriteError<E>> for ApiError {
    fn from(error: WriteError<E>) -> Self {
        match error {
            WriteError::Failed { source, .. } => source.into(),
            WriteError::DiskFull { .. } => disk_full(),
            WriteError::Closed { .. } => {
                Self::unavailable("shutting-down", "The box is shutting down; nothing was changed.")
            }
            error @ (WriteError::Panicked { .. } | WriteError::NotCommitted { .. }) => Self::internal(&error),
        }
    }
}

impl<E: Error + Into<Self> + 'static> From<ReadError<E>> for ApiError {
    fn from(error: ReadError<E>) -> Self {
        match error {
            ReadError::Failed(source) => source.into(),
            ReadError::TimedOut => Self::unavailable(
                "read-timed-out",
                "The box needed longer than 2 s for this and stopped. Ask for a shorter time or a narrower filter.",
            ),
            ReadError::Busy => Self::unavailable("busy", "All read connections are in use. Try again."),
            error @ (ReadError::Panicked(_) | ReadError::Store(_)) => Self::internal(&error),
        }
    }
}

fn disk_full() -> ApiError {
    ApiError::new(
        StatusCode::INSUFFICIENT_STORAGE,
        "disk-full",
        "The box's disk is full; nothing was changed. Free space on it, the box goes on by itself.",
    )
}

/// Documents every error answer of an operation in one line: `responses((status = 200, ..), Problem)`.
impl utoipa::IntoResponses for Problem {
    fn responses()
    -> std::collections::BTreeMap<String, utoipa::openapi::RefOr<utoipa::openapi::response::Response>> {
        use utoipa::openapi::{ContentBuilder, Ref, ResponseBuilder};
        let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
        let response = ResponseBuilder::new()
            .description("What went wrong, as RFC 9457 problem+json")
            .content("application/problem+json", content)
            .build();
        std::iter::once(("default".to_owned(), response.into())).collect()
    }
}

#[cfg(test)]
mod tests;
