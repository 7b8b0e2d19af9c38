//! Extractors whose rejections are problems, pages of lists, and their cursors.
//!
//! They wrap axum's own, whose plain text never leaves. A cursor says after which key the next page begins; it gives no
//! rights. Invariants: a JSON body is bounded in size before and in depth while it is read; what is no cursor of the list is
//! a 400, never page one.

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::request::Parts;
use http::{StatusCode, header};
use serde::Serialize;
use serde::de::DeserializeOwned;
use utoipa::ToSchema;

use crate::limits::{CURSOR_BYTES, JSON_DEPTH, PAGE_DEFAULT, PAGE_MAX};
use crate::problem::ApiError;

/// A JSON body, in or out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Json<T>(pub(crate) T);

/// Parameters in the path.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Path<T>(pub(crate) T);

/// Parameters behind the `?`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Query<T>(pub(crate) T);

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        axum::Json(self.0).into_response()
    }
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Json<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let kind = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let essence = kind.unwrap_or_default().split(';').next().unwrap_or_default().trim();
        if !essence.eq_ignore_ascii_case("application/json") {
            let detail = "The body must be JSON: send Content-Type: application/json.";
            return Err(ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "not-json", detail));
        }
        parse(&body(request, state).await?).map(Self)
    }
}

/// The body in full, within the bound of its route.
///
/// # Errors
/// 413 or 400.
pub(crate) async fn body<S: Send + Sync>(request: Request, state: &S) -> Result<Bytes, ApiError> {
    Bytes::from_request(request, state).await.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => {
            ApiError::too_large("The body is too large; nothing was stored. Send less at once.")
        }
        _ => ApiError::bad_request("body-unreadable", "The body did not arrive in full; nothing was stored."),
    })
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiError> {
    if depth(bytes) > JSON_DEPTH {
        return Err(ApiError::bad_request(
            "json-too-deep",
            format!("The body is nested deeper than {JSON_DEPTH}."),
        ));
    }
    serde_json::from_slice(bytes).map_err(|error| {
        if error.is_data() {
            ApiError::unprocessable("wrong-shape", format!("The body does not fit: {error}."))
        } else {
            ApiError::bad_request("not-json", format!("The body is not JSON: {error}."))
        }
    })
}

/// Deepest nesting of arrays and objects, without building anything.
fn depth(bytes: &[u8]) -> usize {
    let (mut depth, mut deepest, mut in_text, mut escaped) = (0_usize, 0_usize, false, false);
    for byte in bytes {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            b'[' | b'{' if !in_text => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' if !in_text => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Path<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let path = axum::extract::Path::<T>::from_request_parts(parts, state).await;
        path.map(|axum::extract::Path(value)| Self(value)).map_err(|rejection| {
            ApiError::bad_request("bad-path", format!("The address does not fit: {rejection}"))
        })
    }
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Query<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let query = axum::extract::Query::<T>::from_request_parts(parts, state).await;
        query.map(|axum::extract::Query(value)| Self(value)).map_err(|rejection| {
            ApiError::bad_request("bad-query", format!("The parameters do not fit: {rejection}"))
        })
    }
}

/// One page of a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Page<T: ToSchema> {
    /// The items, in the list's order.
    pub(crate) items: Vec<T>,
    /// Cursor of the next page; null at the end.
    pub(crate) next: Option<String>,
}

impl<T: ToSchema> Page<T> {
    /// Makes a page of up to `limit` items out of up to `limit + 1` rows: the extra row only tells that there is more.
    pub(crate) fn cut<K: Serialize>(mut rows: Vec<T>, limit: usize, key: impl Fn(&T) -> K) -> Self {
        let more = rows.len() > limit;
        rows.truncate(limit);
        let next = rows.last().filter(|_| more).map(|last| {
            // A key is a tuple of numbers and texts, whose serialisation cannot fail.
            URL_SAFE_NO_PAD.encode(serde_json::to_vec(&key(last)).unwrap_or_default())
        });
        Self { items: rows, next }
    }
}

/// Items per page: 1 to [`PAGE_MAX`].
///
/// # Errors
/// 400.
pub(crate) fn limit(asked: Option<u32>) -> Result<usize, ApiError> {
    match asked.unwrap_or(PAGE_DEFAULT) {
        limit @ 1..=PAGE_MAX => Ok(limit as usize),
        limit => Err(ApiError::bad_request("bad-limit", format!("limit is {limit}; give 1 to {PAGE_MAX}."))),
    }
}

/// The key after which the page begins.
///
/// # Errors
/// 400 for what is no cursor of this list.
pub(crate) fn after<K: DeserializeOwned>(cursor: Option<&str>) -> Result<Option<K>, ApiError> {
    let bad =
        || ApiError::bad_request("bad-cursor", "This is no cursor of this list. Begin again without one.");
    let Some(cursor) = cursor else { return Ok(None) };
    if cursor.len() > CURSOR_BYTES {
        return Err(bad());
    }
    let bytes = URL_SAFE_NO_PAD.decode(cursor).map_err(|_| bad())?;
    serde_json::from_slice(&bytes).map(Some).map_err(|_| bad())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nesting_is_counted_outside_of_texts() {
        assert_eq!(depth(br#"{"a":"[[[{{{","b":"\"[[["}"#), 1);
        assert_eq!(depth(br"[[],[[]]]"), 3);
        assert_eq!(depth(b"]]]][["), 2);
        let deep = "[".repeat(10_000);
        assert_eq!(parse::<Vec<u8>>(deep.as_bytes()).expect_err("too deep").code(), "json-too-deep");
    }

    #[test]
    fn a_cursor_comes_back_and_nothing_else_is_one() {
        let page = Page::cut(vec![1_u64, 2, 3], 2, |number| (*number, "a".to_owned()));
        assert_eq!(page.items, [1, 2]);
        assert_eq!(after::<(u64, String)>(page.next.as_deref()), Ok(Some((2, "a".to_owned()))));
        for junk in ["", "!!!!", "ü", "W10", &"A".repeat(CURSOR_BYTES + 1)] {
            assert_eq!(after::<(u64, String)>(Some(junk)).expect_err(junk).code(), "bad-cursor");
        }
        assert_eq!(Page::cut(vec![1_u64, 2], 2, |number| *number).next, None);
    }

    #[test]
    fn limits_out_of_range_are_refused() {
        assert_eq!((limit(None), limit(Some(200))), (Ok(50), Ok(200)));
        assert!(limit(Some(0)).is_err() && limit(Some(201)).is_err());
    }
}
