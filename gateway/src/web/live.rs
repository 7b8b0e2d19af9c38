//! Live push: `/api/v1/events`, a cursor over the site log as server-sent events.
//!
//! Events of the log carry their sequence number as id, so a browser that lost the line resumes with
//! `Last-Event-ID` and misses nothing; a cursor before the kept log gets `reset`. Latest values ride
//! along without id and may be lost by a slow reader. Invariant: nothing is pushed before its commit,
//! and nothing to somebody who may not read it.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::stream::{self, Stream};
use serde_json::{Value, json};
use sitewarden_core::{Action, Gate, Principal, Resource};
use sitewarden_http::{ApiError, Caller};
use sitewarden_policy::Policies;
use sitewarden_store::{Store, site_log};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, broadcast, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::limits::{LIVE_MESSAGES, LIVE_RECORDS, LIVE_RETRY, LIVE_STREAM_LIFE, LIVE_STREAMS};

/// What the streams are made from.
#[derive(Clone)]
pub(crate) struct Live {
    store: Store,
    gate: Gate,
    policies: Policies,
    latest: broadcast::Sender<Arc<Value>>,
    streams: Arc<Semaphore>,
    stop: CancellationToken,
}

impl Live {
    pub(crate) fn new(store: Store, gate: Gate, policies: Policies, stop: CancellationToken) -> Self {
        let (latest, _) = broadcast::channel(LIVE_MESSAGES);
        Self { store, gate, policies, latest, streams: Arc::new(Semaphore::new(LIVE_STREAMS)), stop }
    }

    /// The lossy channel of latest values; a send without listeners costs nothing.
    pub(crate) fn latest(&self) -> broadcast::Sender<Arc<Value>> {
        self.latest.clone()
    }
}

pub(crate) fn routes(live: Live) -> OpenApiRouter {
    OpenApiRouter::new().routes(routes!(events)).with_state(live)
}

/// Changes as they happen, as server-sent events.
///
/// Event types: `finding`, `device`, `audit` (ids are site-log sequence numbers), `latest` (no id, may be
/// lost) and `reset` (read the lists again: the log no longer has what followed your last id).
#[utoipa::path(get, path = "/events", tag = "live",
    params(("Last-Event-ID" = Option<String>, Header, description = "Resume after this sequence number")),
    responses((status = 200, description = "A stream of events", content_type = "text/event-stream", body = String)))]
async fn events(
    State(live): State<Live>,
    caller: Caller,
    headers: HeaderMap,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, ApiError> {
    let _ = live.gate.permit(&caller.principal, Action::OverviewRead, Resource::site())?;
    let slot = Arc::clone(&live.streams).try_acquire_owned().map_err(|_| {
        let detail = "All live streams are taken. Close a window of this site and open it again.";
        ApiError::too_many("live-streams", detail, LIVE_RETRY)
    })?;
    let head = live.store.log_head();
    let resume = headers.get("last-event-id").and_then(|id| id.to_str().ok()?.parse().ok());
    let after = resume.unwrap_or_else(|| *head.borrow());
    let cursor = Cursor {
        principal: caller.principal,
        latest: live.latest.subscribe(),
        head,
        after,
        waiting: VecDeque::new(),
        until: Instant::now() + LIVE_STREAM_LIFE,
        live,
        _slot: slot,
    };
    Ok(Sse::new(stream::unfold(cursor, Cursor::next)).keep_alive(KeepAlive::default()))
}

/// One listener's place in the log.
struct Cursor {
    live: Live,
    principal: Principal,
    head: watch::Receiver<u64>,
    latest: broadcast::Receiver<Arc<Value>>,
    after: u64,
    waiting: VecDeque<Event>,
    /// The stream ends here and the browser comes again: a session that was ended meanwhile is refused then.
    until: Instant,
    _slot: OwnedSemaphorePermit,
}

impl Cursor {
    async fn next(mut self) -> Option<(Result<Event, Infallible>, Self)> {
        loop {
            if let Some(event) = self.waiting.pop_front() {
                return Some((Ok(event), self));
            }
            if *self.head.borrow_and_update() > self.after {
                self.read_log().await?;
                continue;
            }
            tokio::select! {
                () = self.live.stop.cancelled() => return None,
                () = tokio::time::sleep_until(self.until) => return None,
                changed = self.head.changed() => changed.ok()?,
                value = self.latest.recv() => match value {
                    Ok(value) => self.waiting.push_back(Event::default().event("latest").data(value.to_string())),
                    Err(broadcast::error::RecvError::Lagged(_)) => {}
                    Err(broadcast::error::RecvError::Closed) => return None,
                },
            }
        }
    }

    /// Reads the next records; `None` ends the stream (the right to see it is gone, or the store is).
    async fn read_log(&mut self) -> Option<()> {
        // Asked, not attempted: who may not read the audit log is not refused anything here.
        let may = |action| self.live.policies.would_allow(&self.principal, action, &Resource::site());
        if !may(Action::OverviewRead) {
            return None;
        }
        let audit = may(Action::AuditRead);
        let after = self.after;
        let page = self.live.store.read(move |conn| site_log::read(conn, after, LIVE_RECORDS)).await;
        let page = page
            .inspect_err(|error| tracing::warn!(%error, "live push: the site log cannot be read"))
            .ok()?;
        match page {
            site_log::Page::Reset { head } => {
                self.after = head;
                self.waiting.push_back(Event::default().event("reset").id(head.to_string()).data("{}"));
            }
            site_log::Page::Records(records) => {
                for record in records {
                    self.after = record.seq;
                    self.waiting.extend(event_of(&record, audit));
                }
            }
        }
        Some(())
    }
}

/// The event of one record: what a page needs to know to draw itself again, not the evidence.
fn event_of(record: &site_log::Record, audit: bool) -> Option<Event> {
    let kind = record.kind.split_once('.').map_or(record.kind.as_str(), |(subject, _)| subject);
    let name = match kind {
        "finding" => "finding",
        "device" => "device",
        _ if audit => "audit",
        _ => return None,
    };
    let short = |key: &str| record.body.get(key).cloned().unwrap_or(Value::Null);
    let data = json!({
        "seq": record.seq.to_string(), "time": record.time, "kind": record.kind,
        "id": short("id"), "asset": short("asset"), "title": short("title"), "severity": short("severity"), "status": short("status"),
    });
    Some(Event::default().event(name).id(record.seq.to_string()).data(data.to_string()))
}
