//! Alarms: what a site did that an honest log does not do. Kept for ever, counted when repeated, told in the log.
//!
//! Not findings of the site. Invariants: an alarm is committed before the request that caused it is refused; one site has a
//! bounded number of them.

use serde_json::Value;
use tokio_postgres::types::Json;
use uuid::Uuid;

use crate::database::{DatabaseError, Doing as _, Tx};
use crate::limits::{ALARMS, TEXT_BYTES};
use crate::metrics::Metrics;
use crate::text::clean;

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    /// Another record or root for what is stored already: the log was rewritten, or forked.
    LogForked,
    /// A checkpoint that the site's log key did not sign, or that is none.
    BadCheckpoint,
    /// A finding whose statement its agent did not sign.
    StatementInvalid,
    /// A statement of an agent that stands for another finding, or another site's, already.
    StatementReplayed,
}

impl Kind {
    /// The name in the API, in metrics and in the database.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::LogForked => "log-forked",
            Self::BadCheckpoint => "bad-checkpoint",
            Self::StatementInvalid => "statement-invalid",
            Self::StatementReplayed => "statement-replayed",
        }
    }
}

/// One alarm.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Alarm {
    /// What happened.
    pub(crate) kind: Kind,
    /// The record, or the size of the tree, that it is about.
    pub(crate) seq: u64,
    /// What happened, for people.
    pub(crate) detail: String,
    /// What proves it: hashes and the bytes that came, in base64.
    pub(crate) evidence: Value,
}

/// Stores an alarm and tells it; a repeated one is counted.
///
/// # Errors
/// [`DatabaseError`].
pub(crate) async fn raise(
    tx: &Tx<'_>,
    metrics: &Metrics,
    tenant: Uuid,
    site: Uuid,
    alarm: &Alarm,
) -> Result<(), DatabaseError> {
    metrics.alarm(alarm.kind);
    let (kind, seq) = (alarm.kind.as_str(), i64::try_from(alarm.seq).unwrap_or(i64::MAX));
    let detail = clean(&alarm.detail, TEXT_BYTES);
    let counted = tx
        .execute(
            "UPDATE hub.alarm SET count = count + 1, last = now() WHERE site = $1 AND kind = $2 AND seq =
                CASE WHEN EXISTS (SELECT 1 FROM hub.alarm WHERE site = $1 AND kind = $2 AND seq = $3) THEN $3
                     WHEN (SELECT count(*) FROM hub.alarm WHERE site = $1 AND kind = $2) >= $4
                     THEN (SELECT max(seq) FROM hub.alarm WHERE site = $1 AND kind = $2) END",
            &[&site, &kind, &seq, &ALARMS],
        )
        .await
        .doing("counting an alarm")?;
    if counted > 0 {
        // Told once; a site that repeats itself does not fill the log. The counters go on.
        tracing::debug!(alarm = kind, site = %site, seq, "an alarm came again");
        return Ok(());
    }
    tracing::error!(
        alarm = alarm.kind.as_str(), site = %site, tenant = %tenant, seq = alarm.seq, detail = alarm.detail,
        "ALARM: a site's log is not what it was"
    );
    tx.execute(
        "INSERT INTO hub.alarm (id, tenant, site, kind, seq, detail, evidence) VALUES ($1, $2, $3, $4, $5, $6, $7)",
        &[&Uuid::now_v7(), &tenant, &site, &kind, &seq, &detail, &Json(&alarm.evidence)],
    )
    .await
    .doing("storing an alarm")?;
    Ok(())
}
