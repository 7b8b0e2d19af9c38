//! One batch from its bytes to the commit.
//!
//! Invariant: what is answered is durable; an alarm is committed even when the batch is refused.

use sitewarden_log::{Batch, Checkpoint};
use uuid::Uuid;

use super::judge::{self, judge};
use super::project::{Events, project};
use super::{Refusal, SiteLog, tree, write};
use crate::alarm;
use crate::database::{DatabaseError, Scope, Tx};
use crate::hub::Hub;

/// Why there is no answer, or the answer is no.
#[derive(Debug)]
pub(crate) enum Fault {
    /// The batch is refused.
    Refused(Refusal),
    /// The database did not answer.
    Database(DatabaseError),
}

impl From<DatabaseError> for Fault {
    fn from(error: DatabaseError) -> Self {
        Self::Database(error)
    }
}

/// Stores a batch of a site; gives the number of the first record that is not here then.
///
/// # Errors
/// [`Fault`]; nothing of the batch is stored, an alarm is.
pub(crate) async fn take_batch(hub: &Hub, tenant: Uuid, site: Uuid, batch: &Batch<'_>) -> Result<u64, Fault> {
    let mut connection = hub.database.connect().await?;
    let tx = connection.begin(&Scope::Tenant(tenant)).await?;
    let log = write::lock(&tx, site).await?;
    let stored = tree::leaves(&tx, site, batch.first, batch.last().min(log.frontier.size())).await?;
    let judged = match prepare(&tx, &log, batch).await? {
        Ok((checkpoint, root)) => {
            let with = checkpoint.as_ref().zip(batch.checkpoint.as_deref());
            judge(&log, batch, &stored, with, root)
        }
        Err(refusal) => Err(refusal),
    };
    let accepted = match judged {
        Ok(accepted) => accepted,
        Err(refusal) => return refuse(hub, tx, &log, refusal).await,
    };
    if accepted.log != log {
        write::append(&tx, &accepted).await?;
        let events = Events::read(accepted.records);
        hub.metrics.not_understood(events.not_understood);
        let keys = write::agents(&tx, site, &events.agents()).await?;
        let mut projection = project(events, keys);
        let replayed = write::project(&tx, &log, &mut projection).await?;
        for raised in projection.alarms.iter().chain(&replayed) {
            alarm::raise(&tx, &hub.metrics, tenant, site, raised).await?;
        }
    }
    tx.commit().await?;
    hub.metrics.stored(accepted.records.len(), stored.len());
    Ok(accepted.log.next())
}

type Prepared = Result<(Option<Checkpoint>, Option<sitewarden_log::Hash>), Refusal>;

/// Checks the batch's checkpoint, and finds the root here at its size when that is behind the log's end.
async fn prepare(tx: &Tx<'_>, log: &SiteLog, batch: &Batch<'_>) -> Result<Prepared, DatabaseError> {
    let Some(note) = batch.checkpoint.as_deref() else { return Ok(Ok((None, None))) };
    match judge::checkpoint(log, note) {
        Ok(claimed) if claimed.size < log.frontier.size() => {
            let root = tree::root(tx, log.site, claimed.size).await?;
            Ok(Ok((Some(claimed), Some(root))))
        }
        Ok(claimed) => Ok(Ok((Some(claimed), None))),
        Err(refusal) => Ok(Err(refusal)),
    }
}

/// Commits the alarm of a refusal, if it has one, and nothing else.
///
/// # Errors
/// Always [`Fault`].
pub(super) async fn refuse<T>(hub: &Hub, tx: Tx<'_>, log: &SiteLog, refusal: Refusal) -> Result<T, Fault> {
    if let Refusal::Forked(raised) | Refusal::BadCheckpoint(raised) = &refusal {
        alarm::raise(&tx, &hub.metrics, log.tenant, log.site, raised).await?;
        tx.commit().await?;
    }
    Err(Fault::Refused(refusal))
}
