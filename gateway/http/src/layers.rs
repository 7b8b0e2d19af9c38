//! The layers around all routes, from outside in: request id, headers, time, panics, body size, routes.
//!
//! No sign-in here: the binary puts the identity slice's layer inside of these. Invariant: every answer, also of a
//! panic, a time-out or an unknown path, has the security headers and a request id.

use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use http::{HeaderName, HeaderValue, StatusCode, header};
use serde::{Deserialize, Serialize};
use tower_http::catch_panic::CatchPanicLayer;

use crate::error::ApiError;
use crate::limits::{BODY_BYTES, REQUEST_TIME};
use crate::request_id;

/// What the layers can be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Settings {
    /// Largest request body in bytes.
    pub body_bytes: usize,
    /// Longest time in milliseconds from the request's head to the answer's head.
    pub request_ms: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            body_bytes: BODY_BYTES,
            request_ms: u64::try_from(REQUEST_TIME.as_millis()).unwrap_or(u64::MAX),
        }
    }
}

/// Everything comes from the box itself; nothing is inline, nothing frames us, nothing is guessed.
const HEADERS: [(HeaderName, &str); 8] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::STRICT_TRANSPORT_SECURITY, "max-age=31536000"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (
        HeaderName::from_static("permissions-policy"),
        "camera=(self), geolocation=(), microphone=(), payment=(), usb=()",
    ),
];

/// Puts the layers around the routes of the whole web server.
pub fn harden(routes: Router, settings: Settings) -> Router {
    routes
        .layer(DefaultBodyLimit::max(settings.body_bytes))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(middleware::from_fn_with_state(settings, limit_time))
        .layer(middleware::from_fn(add_headers))
        .layer(middleware::from_fn(request_id::layer))
}

/// Gives a router of the API its answers to unknown paths and methods.
pub fn with_fallbacks(routes: Router) -> Router {
    routes.fallback(unknown_path).method_not_allowed_fallback(wrong_method)
}

/// 404 for a path of the API that does not exist.
pub async fn unknown_path() -> ApiError {
    ApiError::new(
        StatusCode::NOT_FOUND,
        "no-such-path",
        "The API has no such path. /api/v1/openapi.json lists all.",
    )
}

/// 405 for a method that a path does not have.
pub async fn wrong_method() -> ApiError {
    ApiError::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "wrong-method",
        "This path does not have this method. /api/v1/openapi.json lists all.",
    )
}

/// Bounds the time of an answer. What may change something runs to its end also when nobody waits for it any
/// more: else a change that is committed would not be told to the rest of the box, because its asker left.
async fn limit_time(State(settings): State<Settings>, request: Request, next: Next) -> Response {
    let changes = !request.method().is_safe();
    let answer = next.run(request);
    let limit = Duration::from_millis(settings.request_ms);
    let answered = if changes {
        let under_way = tokio::spawn(request_id::carried(answer));
        tokio::time::timeout(limit, under_way).await.map(|ended| match ended {
            Ok(response) => response,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => panicked(panic),
                Err(_) => ApiError::unavailable("ending", "The box is shutting down.").into_response(),
            },
        })
    } else {
        tokio::time::timeout(limit, answer).await
    };
    match answered {
        Ok(response) => response,
        Err(_) => ApiError::unavailable(
            "request-timed-out",
            "The request took too long and was stopped. A change may have been made: look before you repeat it.",
        )
        .into_response(),
    }
}

async fn add_headers(request: Request, next: Next) -> Response {
    let is_api = request.uri().path().starts_with("/api/");
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if is_api && !headers.contains_key(header::CACHE_CONTROL) {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    response
}

fn panicked(panic: Box<dyn std::any::Any + Send + 'static>) -> Response {
    let text = panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_default();
    tracing::error!(panic = text, "a request ended in a fault of the program");
    ApiError::new(
        StatusCode::INTERNAL_SERVER_ERROR,
        "internal",
        "The box could not answer. The cause stands in the box's log under this request id.",
    )
    .into_response()
}

#[cfg(test)]
mod tests;
