//! Wires the uplink: keys of the PKI, checkpoints, clocks and the configuration, as plain values and functions.
//!
//! Decides nothing. Part of `app.rs`, which it keeps short.

use std::sync::Arc;

use sitewarden_core::Gate;
use sitewarden_core::error::chain;
use sitewarden_pki::Pki;
use sitewarden_store::Store;
use sitewarden_uplink::{Deps, Identity, Uplink, UplinkError};

use crate::checkpoints::Checkpoints;
use crate::clock::Clock;
use crate::config::Config;

pub(super) fn build(
    config: &Config,
    clock: Clock,
    store: &Store,
    gate: &Gate,
    pki: &Arc<Pki>,
    checkpoints: &Checkpoints,
) -> Result<Uplink, UplinkError> {
    let (keys, checkpoints) = (Arc::clone(pki), checkpoints.clone());
    sitewarden_uplink::build(Deps {
        store: store.clone(),
        gate: gate.clone(),
        clock: Arc::new(move || clock.now()),
        identity: Arc::new(move || {
            let made = keys.client_identity(clock.now().wall).map_err(|error| chain(&error))?;
            Ok(Identity { chain: made.chain, key: made.key })
        }),
        checkpoint: Arc::new(move || {
            let checkpoints = checkpoints.clone();
            Box::pin(async move { checkpoints.newest().await.map(drop).map_err(|error| chain(&error)) })
        }),
        log_key: pki.log_key().verifier().to_string().into(),
        site_name: config.site.name.as_str().into(),
        version: env!("CARGO_PKG_VERSION"),
        config: config.uplink.clone(),
    })
}
