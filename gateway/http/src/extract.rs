//! Extractors whose rejections are problem+json.
//!
//! They wrap axum's own, whose plain text never leaves. Invariant: a JSON body is bounded in size before and in
//! depth while it is read.

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use http::{StatusCode, header};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::ApiError;
use crate::limits::JSON_DEPTH;

/// A JSON body, in or out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Json<T>(pub T);

/// Parameters in the path.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Path<T>(pub T);

/// Parameters behind the `?`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Query<T>(pub T);

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        axum::Json(self.0).into_response()
    }
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Json<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        if !is_json(request.headers()) {
            return Err(ApiError::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "not-json",
                "The body must be JSON: send Content-Type: application/json.",
            ));
        }
        let bytes =
            Bytes::from_request(request, state).await.map_err(|rejection| match rejection.status() {
                StatusCode::PAYLOAD_TOO_LARGE => ApiError::new(
                    StatusCode::PAYLOAD_TOO_LARGE,
                    "body-too-large",
                    "The body is too large; nothing was changed.",
                ),
                _ => ApiError::bad_request(
                    "body-unreadable",
                    "The body did not arrive in full; nothing was changed.",
                ),
            })?;
        parse(&bytes).map(Self)
    }
}

/// Reads a JSON text with the API's bounds.
///
/// # Errors
/// 400 for what is not JSON or too deep, 422 for JSON of another shape.
pub fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiError> {
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

fn is_json(headers: &http::HeaderMap) -> bool {
    let Some(kind) = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()) else {
        return false;
    };
    let essence = kind.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/json")
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

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(deny_unknown_fields)]
    struct Named {
        name: String,
    }

    async fn take(kind: &str, body: &str) -> Result<Named, ApiError> {
        let request = Request::builder()
            .header(header::CONTENT_TYPE, kind)
            .body(Body::from(body.to_owned()))
            .expect("a request");
        Json::from_request(request, &()).await.map(|Json(value)| value)
    }

    #[tokio::test]
    async fn each_kind_of_bad_body_has_its_own_answer() {
        assert_eq!(
            take("application/json; charset=utf-8", r#"{"name":"a"}"#).await,
            Ok(Named { name: "a".into() })
        );
        let cases = [
            ("text/plain", r#"{"name":"a"}"#, 415, "not-json"),
            ("application/json", "{", 400, "not-json"),
            ("application/json", "", 400, "not-json"),
            ("application/json", r#"{"name":1}"#, 422, "wrong-shape"),
            ("application/json", r#"{"name":"a","role":"owner"}"#, 422, "wrong-shape"),
            ("application/json", r#"{"name":1e400}"#, 400, "not-json"),
        ];
        for (kind, body, status, code) in cases {
            let error = take(kind, body).await.expect_err(body);
            assert_eq!((error.status().as_u16(), error.code()), (status, code), "{body}");
        }
    }

    #[tokio::test]
    async fn ten_thousand_levels_are_refused_before_anything_is_built() {
        let error = take("application/json", &"[".repeat(10_000)).await.expect_err("too deep");
        assert_eq!(error.code(), "json-too-deep");
    }

    #[test]
    fn brackets_inside_texts_do_not_count() {
        assert_eq!(depth(br#"{"a":"[[[{{{","b":"\"[[["}"#), 1);
        assert_eq!(depth(br#"[[],[[]]]"#), 3);
        assert_eq!(depth(b"]]]][["), 2);
    }
}
