//! The web server: one router over all slices' routes, the pages, and the https listener.
//!
//! Routes of a subject stand in its slice; here are only those that need several slices. The OpenAPI
//! document is generated from the same routers that serve.

pub(crate) mod audit;
pub(crate) mod board;
mod document;
pub(crate) mod door;
pub(crate) mod live;
pub(crate) mod metrics;
pub(crate) mod operations;
pub(crate) mod overview;
pub(crate) mod rules;
pub(crate) mod site_log;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use hyper_util::rt::TokioTimer;
use sitewarden_http::{Settings, harden, layers};
use sitewarden_identity::Identity;
use sitewarden_telemetry::LatestValues;
use thiserror::Error;
use utoipa_axum::router::OpenApiRouter;

use crate::admin;
use crate::app::Ground;
use crate::board::Board;
use crate::config::Config;
use crate::limits::REQUEST_HEAD;
use crate::pipeline;
use crate::sources::{DialectFiles, Rules};
use door::Door;
use live::Live;

/// The web server cannot start.
#[derive(Debug, Error)]
pub(crate) enum WebError {
    #[error(
        "cannot listen on {address} for https: is another program using the port? Choose another with web.listen"
    )]
    Bind {
        address: SocketAddr,
        #[source]
        source: std::io::Error,
    },
    #[error("cannot serve https")]
    Serve(#[source] std::io::Error),
}

/// Everything that the routes need.
#[derive(Clone)]
pub(crate) struct Site {
    pub(crate) config: Arc<Config>,
    pub(crate) ground: Arc<Ground>,
    pub(crate) rules: Arc<Rules>,
    pub(crate) dialects: Arc<DialectFiles>,
    pub(crate) latest: Arc<LatestValues>,
    pub(crate) live: Live,
    pub(crate) identity: Identity,
    pub(crate) broker: sitewarden_broker::Handle,
    pub(crate) metrics: Arc<pipeline::Metrics>,
    pub(crate) board: Board,
    pub(crate) door: Door,
    pub(crate) demo: bool,
}

/// The routes of the API under `/api/v1`, with their document.
fn api(site: &Site) -> OpenApiRouter {
    let ground = &site.ground;
    let (store, gate) = (ground.store.clone(), ground.gate.clone());
    let routes = OpenApiRouter::new()
        .merge(site.identity.routes())
        .merge(overview::routes(site.clone()))
        .merge(sitewarden_devices::routes(devices(site)))
        .merge(sitewarden_telemetry::routes(sitewarden_telemetry::Deps {
            store: store.clone(),
            gate: gate.clone(),
        }))
        .merge(sitewarden_findings::routes(sitewarden_findings::Deps {
            store: store.clone(),
            gate: gate.clone(),
        }))
        .merge(rules::routes(site.clone()))
        .merge(sitewarden_policy::routes(sitewarden_policy::Deps {
            store,
            gate,
            policies: ground.policies.clone(),
        }))
        .merge(audit::routes(site.clone()))
        .merge(site_log::routes(site.clone()))
        .merge(sitewarden_uplink::routes(ground.uplink.clone()))
        .merge(board::routes(site.clone()))
        .merge(live::routes(site.live.clone()));
    OpenApiRouter::with_openapi(document::head()).nest("/api/v1", routes)
}

fn devices(site: &Site) -> sitewarden_devices::Deps {
    let ground = &site.ground;
    let (clock, registry, latest) = (ground.clock, Arc::clone(&ground.registry), Arc::clone(&site.latest));
    let policies = ground.policies.clone();
    sitewarden_devices::Deps {
        store: ground.store.clone(),
        gate: ground.gate.clone(),
        registry: Arc::clone(&ground.registry),
        agents: Arc::clone(&ground.agents),
        now: Arc::new(move || clock.now().wall),
        latest: Arc::new(move |id| overview::latest_of(&latest, id)),
        open_findings: Arc::new(move |conn| overview::open_by_device(conn, &registry)),
        sign_csr: admin::sign_csr(Arc::clone(&ground.pki), clock),
        ca_pem: ground.pki.ca_pem().into(),
        changed: Arc::new(move || policies.entities_changed()),
    }
}

/// All routes with their layers.
fn router(site: &Site) -> Router {
    let (api, document) = api(site).split_for_parts();
    let document: Arc<str> = document::complete(document).to_pretty_json().unwrap_or_default().into();
    let openapi = axum::routing::get(move || async move {
        ([(axum::http::header::CONTENT_TYPE, "application/json")], document.to_string())
    });
    let who = axum::middleware::from_fn_with_state(site.identity.clone(), sitewarden_identity::authenticate);
    let api = api
        .layer(who)
        .route("/api/v1/openapi.json", openapi)
        .route("/api/{*path}", axum::routing::any(layers::unknown_path))
        .method_not_allowed_fallback(layers::wrong_method);
    // Every other path is a page's address, which the one page reads itself. Files are asked for again each
    // time and answered by their ETag: a page never mixes two versions of the box.
    let pages = memory_serve::load!()
        .index_file(Some("/index.html"))
        .fallback(Some("/index.html"))
        .fallback_status(axum::http::StatusCode::OK)
        .cache_control(memory_serve::CacheControl::NoCache)
        .html_cache_control(memory_serve::CacheControl::NoCache)
        .into_router();
    let routes = Router::new().merge(operations::routes(site.clone())).merge(api).fallback_service(pages);
    harden(routes, Settings::default()).layer(axum::middleware::from_fn(sitewarden_unread::layer))
}

/// The document of the API, without anything behind it.
pub(crate) fn openapi(site: &Site) -> utoipa::openapi::OpenApi {
    document::complete(api(site).into_openapi())
}

/// Starts serving; the handle ends it.
pub(crate) fn spawn(
    listener: std::net::TcpListener,
    site: &Site,
) -> Result<axum_server::Handle<SocketAddr>, Box<dyn std::error::Error + Send + Sync>> {
    listener.set_nonblocking(true).map_err(WebError::Serve)?;
    let tls = axum_server::tls_rustls::RustlsConfig::from_config(site.ground.pki.https());
    let handle = axum_server::Handle::new();
    let mut server = axum_server::from_tcp_rustls(listener, tls)
        .map_err(WebError::Serve)?
        .handle(handle.clone())
        .map(|tls| tls.acceptor(site.door.clone()));
    // Without a timer hyper waits for ever for the rest of a request's head, or for a peer that is gone.
    let http = server.http_builder();
    http.http1().timer(TokioTimer::new()).header_read_timeout(REQUEST_HEAD);
    http.http2().timer(TokioTimer::new()).keep_alive_interval(REQUEST_HEAD).keep_alive_timeout(REQUEST_HEAD);
    let service = router(site).into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async move {
        if let Err(error) = server.serve(service).await {
            tracing::error!(%error, "the web server ended");
        }
    });
    Ok(handle)
}
