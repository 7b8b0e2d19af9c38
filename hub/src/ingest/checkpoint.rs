//! A checkpoint that comes alone: compared with the records here, or kept until they come.
//!
//! Invariant: a checkpoint of more records than are here is kept only when the site proved that it continues what it signed
//! before, or what is here.

use sitewarden_log::Consistency;
use uuid::Uuid;

use super::judge::{self, other_root, settle};
use super::take::{Fault, refuse};
use super::{tree, write};
use crate::database::Scope;
use crate::hub::Hub;

/// Takes a checkpoint; gives its size.
///
/// # Errors
/// [`Fault`]; nothing is kept, an alarm is.
pub(crate) async fn take_checkpoint(
    hub: &Hub,
    tenant: Uuid,
    site: Uuid,
    note: &str,
    proof: Option<&Consistency>,
) -> Result<u64, Fault> {
    let mut connection = hub.database.connect().await?;
    let tx = connection.begin(&Scope::Tenant(tenant)).await?;
    let mut log = write::lock(&tx, site).await?;
    let claimed = match judge::checkpoint(&log, note) {
        Ok(claimed) => claimed,
        Err(refusal) => return refuse(hub, tx, &log, refusal).await,
    };
    let size = log.frontier.size();
    if claimed.size <= size {
        let root = if claimed.size == size {
            log.frontier.root()
        } else {
            tree::root(&tx, site, claimed.size).await?
        };
        if root != claimed.root {
            return refuse(hub, tx, &log, other_root(claimed.size, &root, note)).await;
        }
        settle(&mut log, claimed.size, note);
    } else {
        let signed = match log.checkpoint_size {
            0 => None,
            signed => Some(tree::root(&tx, site, signed).await?),
        };
        // One that is not beyond what is kept already tells nothing new, unless its root differs.
        match log.ahead.as_ref().filter(|ahead| ahead.size == claimed.size) {
            Some(ahead) if ahead.root == claimed.root => {}
            Some(ahead) => {
                let refusal = other_root(claimed.size, &ahead.root, note);
                return refuse(hub, tx, &log, refusal).await;
            }
            None => match judge::ahead(&log, &claimed, note, proof, signed) {
                Ok(ahead) => log.ahead = Some(ahead),
                Err(refusal) => return refuse(hub, tx, &log, refusal).await,
            },
        }
    }
    write::save(&tx, &log).await?;
    tx.commit().await?;
    Ok(claimed.size)
}
