//! The web server of one instance: routes, layers, listener.
//!
//! Invariants: every answer has a request id and the security headers; no request and no connection lasts without a bound.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, MatchedPath, Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use axum_server::Handle;
use http::{HeaderName, HeaderValue, StatusCode, header};
use rustls::ServerConfig;
use tower_http::catch_panic::CatchPanicLayer;
use utoipa::OpenApi as _;
use utoipa::openapi::{ContentBuilder, Ref, RefOr, ResponseBuilder};
use utoipa_axum::router::OpenApiRouter;

use crate::hub::Hub;
use crate::limits::{BODY_BYTES, HEAD_TIME, IDLE_TIME, REQUEST_TIME};
use crate::problem::ApiError;
use crate::tls::Acceptor;
use crate::{cloud, database, migrate, page, portal, request_id};

#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "Sitewarden cloud API",
        description = "What a gateway's uplink talks to, and what operators see. Gateways are known by the key of their client \
            certificate, operators by a session's cookie. Numbers of 64 bits are decimal text. Errors are problem+json (RFC 9457).",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0")
    ),
    tags((name = "gateway", description = "For gateways, with their client certificate"), (name = "portal", description = "For operators, with a session"))
)]
struct Document;

fn api(hub: Hub) -> OpenApiRouter {
    let routes = cloud::routes(hub.clone()).merge(portal::routes(hub));
    let mut api = OpenApiRouter::with_openapi(Document::openapi()).nest("/v1", routes);
    describe_problems(api.get_openapi_mut());
    api
}

/// Says of each operation that all that is no success is a problem, also what no route tells by itself: a body that is too large, a
/// database that is away.
fn describe_problems(document: &mut utoipa::openapi::OpenApi) {
    let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
    let problem = ResponseBuilder::new()
        .description("Not done; what happened and what to do (RFC 9457)")
        .content("application/problem+json", content)
        .build();
    for item in document.paths.paths.values_mut() {
        for operation in [&mut item.get, &mut item.post, &mut item.delete].into_iter().flatten() {
            let answers = &mut operation.responses.responses;
            for (_, answer) in answers.iter_mut().filter(|(status, _)| !status.starts_with('2')) {
                let RefOr::T(told) = answer else { continue };
                let description = std::mem::take(&mut told.description);
                *told = problem.clone();
                if !description.is_empty() {
                    told.description = description;
                }
            }
            answers.insert("default".to_owned(), problem.clone().into());
        }
    }
}

/// The document of the API.
pub(crate) fn openapi(hub: Hub) -> utoipa::openapi::OpenApi {
    api(hub).into_openapi()
}

/// All routes with their layers.
fn router(hub: &Hub) -> Router {
    let (api, document) = api(hub.clone()).split_for_parts();
    let document: Arc<str> = document.to_pretty_json().unwrap_or_default().into();
    let openapi =
        get(move || async move { ([(header::CONTENT_TYPE, "application/json")], document.to_string()) });
    let operations = Router::new()
        .route("/health", get(|| async { "ok\n" }))
        .route("/ready", get(ready))
        .route("/metrics", get(metrics))
        .with_state(hub.clone());
    api.route("/v1/openapi.json", openapi)
        .merge(operations)
        .merge(page::routes())
        .fallback(async || ApiError::not_found("such path"))
        .method_not_allowed_fallback(async || {
            ApiError::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "wrong-method",
                "This path does not have this method.",
            )
        })
        .layer(DefaultBodyLimit::max(BODY_BYTES))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(middleware::from_fn(limit_time))
        .layer(middleware::from_fn(sitewarden_unread::layer))
        .layer(middleware::from_fn(add_headers))
        .layer(middleware::from_fn_with_state(hub.clone(), count))
        .layer(middleware::from_fn(request_id::layer))
}

/// Whether this instance can serve: the database answers, with the schema and the role that this hub needs.
async fn ready(State(hub): State<Hub>) -> Result<&'static str, ApiError> {
    let mut connection = hub.database.connect().await?;
    match migrate::check(connection.bare()).await {
        Ok(()) => Ok("ready\n"),
        Err(migrate::MigrateError::Database(error)) => Err(error.into()),
        Err(error) => Err(ApiError::unavailable("not-ready", format!("{error}."))),
    }
}

async fn metrics(State(hub): State<Hub>) -> impl axum::response::IntoResponse {
    let (in_use, _) = hub.database.in_use();
    (
        [(header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")],
        hub.metrics.page(in_use),
    )
}

/// Everything comes from the hub itself; nothing is inline, nothing frames it.
const HEADERS: [(HeaderName, &str); 7] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; \
         form-action 'none'; frame-ancestors 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::STRICT_TRANSPORT_SECURITY, "max-age=31536000"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

async fn add_headers(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if !headers.contains_key(header::CACHE_CONTROL) {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    response
}

async fn limit_time(request: Request, next: Next) -> Response {
    match tokio::time::timeout(REQUEST_TIME, next.run(request)).await {
        Ok(response) => response,
        Err(_) => ApiError::unavailable(
            "request-timed-out",
            "The request took too long and was stopped; what it changed is unknown. Ask again.",
        )
        .into_response(),
    }
}

async fn count(State(hub): State<Hub>, request: Request, next: Next) -> Response {
    // By route and not by path: ids would make a series each.
    let route = request.extensions().get::<MatchedPath>().map_or("none", MatchedPath::as_str).to_owned();
    let response = next.run(request).await;
    hub.metrics.answered(&route, response.status().as_u16());
    response
}

fn panicked(panic: Box<dyn std::any::Any + Send + 'static>) -> Response {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
    tracing::error!(panic = text, "a request ended in a fault of the program");
    ApiError::internal(&io::Error::other("a fault of the program")).into_response()
}

/// Serves until the handle ends it.
///
/// # Errors
/// When the listener cannot be used.
pub(crate) async fn serve(
    hub: Hub,
    listener: TcpListener,
    tls: Arc<ServerConfig>,
    handle: Handle<SocketAddr>,
) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    let mut server = axum_server::from_tcp(listener)?
        .acceptor(Acceptor::new(tls))
        .handle(handle)
        .first_request_timeout(HEAD_TIME);
    server.http_builder().http1().header_read_timeout(IDLE_TIME);
    server.http_builder().http2().max_concurrent_streams(32);
    server.serve(router(&hub).into_make_service_with_connect_info::<SocketAddr>()).await
}

/// Looks after partitions and old counters until it is dropped.
pub(crate) async fn keep_house(hub: Hub) {
    loop {
        if let Err(error) = keep_house_once(&hub).await {
            tracing::warn!(error = %sitewarden_core::error::chain(&error), "housekeeping failed; it is tried again");
        }
        tokio::time::sleep(crate::limits::HOUSEKEEPING).await;
    }
}

async fn keep_house_once(hub: &Hub) -> Result<(), database::DatabaseError> {
    use database::Doing as _;
    crate::rate::forget(&hub.database).await?;
    let mut connection = hub.database.connect().await?;
    let client = connection.bare();
    let made = client
        .query_one("SELECT hub.make_partitions($1)", &[&crate::limits::MONTHS_AHEAD])
        .await
        .doing("making partitions")?;
    if made.get::<_, i32>(0) > 0 {
        tracing::info!(months = made.get::<_, i32>(0), "partitions were made");
    }
    let row = client
        .query_one("SELECT coalesce(sum(n_live_tup), 0)::bigint FROM pg_stat_user_tables WHERE schemaname = 'hub' AND relname = 'record_other'", &[])
        .await
        .doing("counting records without a month")?;
    let rows = row.get::<_, i64>(0);
    hub.metrics.without_month(rows);
    if rows > 0 {
        tracing::error!(rows, "records are in no month's partition: run `sitewarden-hub migrate`");
    }
    Ok(())
}
