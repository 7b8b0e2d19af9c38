//! Notices as log lines.
//!
//! Not the judgement: the pipeline makes events of the same notices. Invariant: no payload, password or
//! user property reaches the log, and a client cannot write a line of its own: names are quoted.

use crate::batch::{CloseReason, Notice};

/// Writes one line.
pub(super) fn tell(notice: &Notice) {
    match notice {
        Notice::Connected { origin, listener, version, .. } => {
            tracing::debug!(client = ?origin.client_id, %listener, version, "client connected");
        }
        Notice::Refused { client_id, address, listener, code, text, .. } => {
            tracing::info!(client = ?client_id, %address, %listener, %code, ?text, "client refused");
        }
        Notice::Disconnected { origin, reason: CloseReason::Server(code), .. } => {
            tracing::info!(client = ?origin.client_id, %code, "client disconnected by the broker");
        }
        Notice::Disconnected { origin, .. } => {
            tracing::debug!(client = ?origin.client_id, "client disconnected");
        }
        Notice::PublishDenied { origin, topic, will, count, .. } => {
            tracing::info!(client = ?origin.client_id, ?topic, will, count, "publish denied by policy");
        }
        Notice::SubscribeDenied { origin, filter, .. } => {
            tracing::info!(client = ?origin.client_id, ?filter, "subscription denied by policy");
        }
        Notice::Malformed { origin, address, listener, code, text, .. } => {
            let client = origin.as_deref().map(|origin| &origin.client_id);
            tracing::info!(?client, %address, %listener, %code, %text, "packet breaks the protocol");
        }
        Notice::LimitHit { origin, address, limit, .. } => {
            let client = origin.as_deref().map(|origin| &origin.client_id);
            tracing::warn!(?client, ?address, limit = limit.name(), "limit reached");
        }
    }
}
