//! The operators' page: one document, one script, one style, embedded.
//!
//! It shows what the API gives and knows nothing of its own.

use axum::Router;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::get;

/// The page and its parts.
pub(crate) fn routes() -> Router {
    Router::new()
        .route("/", get(|| part("text/html; charset=utf-8", include_str!("../page/index.html"))))
        .route("/hub.js", get(|| part("text/javascript; charset=utf-8", include_str!("../page/hub.js"))))
        .route("/theme.js", get(|| part("text/javascript; charset=utf-8", include_str!("../page/theme.js"))))
        .route("/hub.css", get(|| part("text/css; charset=utf-8", include_str!("../page/hub.css"))))
        .route("/icon.svg", get(|| part("image/svg+xml", include_str!("../page/icon.svg"))))
}

async fn part(kind: &'static str, text: &'static str) -> Response {
    // Asked for again each time: a page never mixes two versions of the hub.
    ([(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "no-cache")], text).into_response()
}
