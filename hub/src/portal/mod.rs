//! What operators see: sign-in, sites, findings, proofs, alarms.
//!
//! Parse, session, one read, view. Every read runs in the session's tenant. Nothing here changes a log.

mod alarms;
mod findings;
mod proof;
mod session;
mod sites;

use std::time::SystemTime;

use sitewarden_core::Timestamp;
use utoipa_axum::router::OpenApiRouter;

use crate::hub::Hub;

pub(crate) fn routes(hub: Hub) -> OpenApiRouter {
    session::routes(hub.clone())
        .merge(sites::routes(hub.clone()))
        .merge(findings::routes(hub.clone()))
        .merge(proof::routes(hub.clone()))
        .merge(alarms::routes(hub))
}

/// A time of the database.
fn timestamp(time: SystemTime) -> Timestamp {
    match time.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(after) => Timestamp::from_micros(i64::try_from(after.as_micros()).unwrap_or(i64::MAX)),
        Err(_) => Timestamp::default(),
    }
}
