//! The request id: taken over from `X-Request-ID` when it is harmless, else made; in every answer and log line.
//!
//! Not a trace context. Invariant: inside a request [`current`] gives its id, so that an error body can name it
//! without being handed it.

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use http::{HeaderName, HeaderValue};
use tracing::Instrument as _;

use crate::limits::REQUEST_ID_BYTES;

/// The header, in and out.
pub const HEADER: HeaderName = HeaderName::from_static("x-request-id");

tokio::task_local! {
    static CURRENT: String;
}

/// Id of the request that this task serves; `None` outside of one.
#[must_use]
pub fn current() -> Option<String> {
    CURRENT.try_with(Clone::clone).ok()
}

/// The layer: names the request, and tells the name in the answer.
pub async fn layer(request: Request, next: Next) -> Response {
    let id = request
        .headers()
        .get(HEADER)
        .and_then(|value| value.to_str().ok())
        .filter(|id| is_harmless(id))
        .map_or_else(|| uuid::Uuid::new_v4().simple().to_string(), str::to_owned);
    let span = tracing::info_span!("request", request_id = %id, method = %request.method(), path = request.uri().path());
    let header = HeaderValue::from_str(&id);
    let mut response = CURRENT.scope(id, next.run(request).instrument(span)).await;
    if let Ok(header) = header {
        response.headers_mut().insert(HEADER, header);
    }
    response
}

/// The future under the id and the span of the request that is served, for a task of its own.
pub(crate) fn carried<T>(future: impl Future<Output = T>) -> impl Future<Output = T> {
    CURRENT.scope(current().unwrap_or_default(), future).in_current_span()
}

/// Letters, digits, `.`, `_` and `-`: nothing that could break a log line.
fn is_harmless(id: &str) -> bool {
    !id.is_empty()
        && id.len() <= REQUEST_ID_BYTES
        && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_harmless_ids_are_taken_over() {
        assert!(is_harmless("abc-123_4.5"));
        for id in ["", "a b", "a\nb", "a\"b", "ü", &"x".repeat(REQUEST_ID_BYTES + 1)] {
            assert!(!is_harmless(id), "{id:?}");
        }
    }
}
