//! The API's document, out of the same routers that serve.
//!
//! Nothing is served meanwhile: no listener of the broker, the web's on a free port of loopback for a moment.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::{AppError, Ground, Parts};
use crate::config::Config;
use crate::web;

/// The API's document. The routes are built as for serving, on a state folder that is removed again.
pub(crate) fn document() -> Result<String, AppError> {
    let state = std::env::temp_dir().join(format!("sitewarden-openapi-{}", std::process::id()));
    let mut config = Config::default();
    config.broker.listeners.clear();
    config.web.listen = SocketAddr::from(([127, 0, 0, 1], 0));
    let ground = Ground::open(&config, &state)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let document = runtime.block_on(async {
        let ground = Arc::new(ground);
        let stop = CancellationToken::new();
        let latest = sitewarden_telemetry::load_latest(&ground.store).await?;
        let parts = tokio::task::block_in_place(|| {
            Parts::build(&config, &state, Arc::clone(&ground), latest, &stop)
        })?;
        let (running, site) = parts.spawn(&config, false, &stop)?;
        let document = web::openapi(&site).to_pretty_json()?;
        drop(site);
        running.shut_down(&stop).await;
        Ok(document)
    });
    std::fs::remove_dir_all(&state)?;
    document
}
