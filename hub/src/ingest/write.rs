//! Stores what was judged: records, blocks, agents, statements, findings, and the site's row, in one transaction.
//!
//! Rows go in by arrays (`unnest`), one statement a table, since COPY is not possible under row-level security. Judges nothing.
//! Invariant: the caller holds the lock of the site's row and commits.

use std::collections::HashMap;

use sitewarden_log::{BatchRecord, Frontier, Hash, VerifierKey};
use tokio_postgres::Row;
use uuid::Uuid;

use super::judge::Accepted;
use super::project::{AgentKey, Finding, Projection, Signature, Statement};
use super::{Ahead, SiteLog};
use crate::alarm::{Alarm, Kind};
use crate::database::{DatabaseError, Doing as _, Tx};

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

/// A site's log, its row locked until the transaction ends.
///
/// # Errors
/// [`DatabaseError`].
pub(super) async fn lock(tx: &Tx<'_>, site: Uuid) -> Result<SiteLog, DatabaseError> {
    let statement = tx
        .prepare_cached(
            "SELECT tenant, log_key, size, frontier, checkpoint_size, checkpoint, ahead_size, ahead_root, ahead
             FROM hub.site WHERE id = $1 FOR UPDATE",
        )
        .await
        .doing("preparing to lock a site's log")?;
    let row = tx.query_one(&statement, &[&site]).await.doing("locking a site's log")?;
    read(site, &row).ok_or_else(|| DatabaseError::Inconsistent(format!("the row of site {site} cannot be")))
}

fn read(site: Uuid, row: &Row) -> Option<SiteLog> {
    let key: VerifierKey = row.get::<_, &str>(1).parse().ok()?;
    let frontier = Frontier::from_parts(unsigned(row.get(2)), row.get(3))?;
    let ahead: (Option<i64>, Option<&[u8]>, Option<String>) = (row.get(6), row.get(7), row.get(8));
    let ahead = match ahead {
        (Some(size), Some(root), Some(note)) => {
            Some(Ahead { size: unsigned(size), root: root.try_into().ok()?, note })
        }
        _ => None,
    };
    let (checkpoint_size, checkpoint) = (unsigned(row.get(4)), row.get(5));
    Some(SiteLog { site, tenant: row.get(0), key, frontier, checkpoint_size, checkpoint, ahead })
}

/// Moves the site's row.
///
/// # Errors
/// [`DatabaseError`].
pub(super) async fn save(tx: &Tx<'_>, log: &SiteLog) -> Result<(), DatabaseError> {
    let statement = tx
        .prepare_cached(
            "UPDATE hub.site SET size = $2, frontier = $3, checkpoint_size = $4, checkpoint = $5,
                ahead_size = $6, ahead_root = $7, ahead = $8, last_batch = now() WHERE id = $1",
        )
        .await
        .doing("preparing to move a site's log")?;
    let ahead = log.ahead.as_ref();
    tx.execute(
        &statement,
        &[
            &log.site,
            &signed(log.frontier.size()),
            &log.frontier.to_bytes(),
            &signed(log.checkpoint_size),
            &log.checkpoint,
            &ahead.map(|ahead| signed(ahead.size)),
            &ahead.map(|ahead| ahead.root.as_slice()),
            &ahead.map(|ahead| ahead.note.as_str()),
        ],
    )
    .await
    .doing("moving a site's log")?;
    Ok(())
}

/// Stores the new records, the blocks that they complete, and the site's row.
///
/// # Errors
/// [`DatabaseError`].
pub(super) async fn append(tx: &Tx<'_>, accepted: &Accepted<'_>) -> Result<(), DatabaseError> {
    let log = &accepted.log;
    if !accepted.records.is_empty() {
        records(tx, log, accepted.records, &accepted.leaves).await?;
    }
    if !accepted.blocks.is_empty() {
        let numbers: Vec<i64> = accepted.blocks.iter().map(|(number, _)| signed(*number)).collect();
        let roots: Vec<&[u8]> = accepted.blocks.iter().map(|(_, root)| root.as_slice()).collect();
        tx.execute(
            "INSERT INTO hub.log_block (site, tenant, number, root)
             SELECT $1, $2, * FROM unnest($3::bigint[], $4::bytea[])",
            &[&log.site, &log.tenant, &numbers, &roots],
        )
        .await
        .doing("storing blocks of leaves")?;
    }
    save(tx, log).await
}

async fn records(
    tx: &Tx<'_>,
    log: &SiteLog,
    records: &[BatchRecord<'_>],
    leaves: &[Hash],
) -> Result<(), DatabaseError> {
    let seqs: Vec<i64> = records.iter().map(|record| signed(record.seq)).collect();
    let times: Vec<i64> = records.iter().map(|record| record.time.micros()).collect();
    let kinds: Vec<&str> = records.iter().map(|record| record.kind.as_ref()).collect();
    let bodies: Vec<&[u8]> = records.iter().map(|record| record.body.as_bytes()).collect();
    let leaves: Vec<&[u8]> = leaves.iter().map(<[u8; 32]>::as_slice).collect();
    let statement = tx
        .prepare_cached(
            "INSERT INTO hub.record (received, site, tenant, seq, time, kind, body, leaf)
             SELECT now(), $1, $2, * FROM unnest($3::bigint[], $4::bigint[], $5::text[], $6::bytea[], $7::bytea[])",
        )
        .await
        .doing("preparing to store records")?;
    tx.execute(&statement, &[&log.site, &log.tenant, &seqs, &times, &kinds, &bodies, &leaves])
        .await
        .doing("storing records")?;
    Ok(())
}

/// The stored keys of these agents of a site.
///
/// # Errors
/// [`DatabaseError`].
pub(super) async fn agents(
    tx: &Tx<'_>,
    site: Uuid,
    agents: &[String],
) -> Result<Vec<AgentKey>, DatabaseError> {
    if agents.is_empty() {
        return Ok(Vec::new());
    }
    let rows = tx
        .query(
            "SELECT agent, enrolled, revoked, signing_key, device, firmware FROM hub.agent
             WHERE site = $1 AND agent = ANY($2)",
            &[&site, &agents],
        )
        .await
        .doing("reading agents' keys")?;
    let keys = rows.iter().filter_map(|row| {
        Some(AgentKey {
            agent: row.get(0),
            enrolled: unsigned(row.get(1)),
            revoked: row.get::<_, Option<i64>>(2).map(unsigned),
            key: row.get::<_, &[u8]>(3).try_into().ok()?,
            device: row.get(4),
            firmware: row.get(5),
        })
    });
    Ok(keys.collect())
}

/// Stores what the records mean; gives the alarms of replayed statements.
///
/// # Errors
/// [`DatabaseError`].
pub(super) async fn project(
    tx: &Tx<'_>,
    log: &SiteLog,
    projection: &mut Projection,
) -> Result<Vec<Alarm>, DatabaseError> {
    for key in &projection.enrolled {
        tx.execute(
            "INSERT INTO hub.agent (site, tenant, agent, enrolled, revoked, signing_key, device, firmware)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
            &[
                &log.site,
                &log.tenant,
                &key.agent,
                &signed(key.enrolled),
                &key.revoked.map(signed),
                &key.key.as_slice(),
                &key.device,
                &key.firmware,
            ],
        )
        .await
        .doing("storing an agent's key")?;
    }
    for (agent, seq) in &projection.revoked {
        tx.execute(
            "UPDATE hub.agent SET revoked = $3 WHERE site = $1 AND agent = $2 AND revoked IS NULL AND enrolled < $3",
            &[&log.site, agent, &signed(*seq)],
        )
        .await
        .doing("noting a revocation")?;
    }
    let alarms = claim(tx, log, projection).await?;
    if !projection.findings.is_empty() {
        findings(tx, log, &projection.findings).await?;
    }
    Ok(alarms)
}

/// Takes each verified statement for its finding; one that stands for another finding is a replay, and a finding whose newest
/// statement is one is shown as that.
async fn claim(tx: &Tx<'_>, log: &SiteLog, projection: &mut Projection) -> Result<Vec<Alarm>, DatabaseError> {
    let owners = owners(tx, log, &projection.statements).await?;
    let mut alarms = Vec::new();
    for (id, statement) in &projection.statements {
        let owner = owners.get(&(statement.agent.clone(), statement.sequence.clone()));
        let Some((site, other)) = owner.filter(|owner| **owner != (log.site, *id)) else { continue };
        let newest = projection.findings.iter_mut().find(|finding| {
            finding.id == *id && finding.statement.as_ref().is_some_and(|shown| shown.seq == statement.seq)
        });
        let shown = match newest {
            Some(finding) => {
                finding.signature = Signature::Replayed;
                "It is shown as unsigned."
            }
            None => "A later record of the finding has another statement.",
        };
        let detail = format!(
            "Record {}: finding {id} carries statement {} of agent {}, which stands for finding {other} of site {site} already. {shown}",
            statement.seq, statement.sequence, statement.agent
        );
        let evidence = serde_json::json!({
            "seq": statement.seq.to_string(), "finding": id.to_string(), "agent": statement.agent,
            "sequence": statement.sequence, "first_site": site, "first_finding": other.to_string(),
        });
        alarms.push(Alarm { kind: Kind::StatementReplayed, seq: statement.seq, detail, evidence });
    }
    Ok(alarms)
}

type Owners = HashMap<(String, String), (Uuid, i64)>;

/// Whose each statement is: agent and number to site and finding. Those that are nobody's are taken, the first in the log first.
async fn owners(
    tx: &Tx<'_>,
    log: &SiteLog,
    statements: &[(i64, Statement)],
) -> Result<Owners, DatabaseError> {
    if statements.is_empty() {
        return Ok(Owners::new());
    }
    // One order for all who take statements of a tenant: two sites that replay each other's wait, and never for each other.
    let mut sorted: Vec<&(i64, Statement)> = statements.iter().collect();
    sorted.sort_by(|(_, a), (_, b)| (&a.agent, &a.sequence, a.seq).cmp(&(&b.agent, &b.sequence, b.seq)));
    sorted.dedup_by(|(_, a), (_, b)| (&a.agent, &a.sequence) == (&b.agent, &b.sequence));
    let agents: Vec<&str> = sorted.iter().map(|(_, statement)| statement.agent.as_str()).collect();
    let sequences: Vec<&str> = sorted.iter().map(|(_, statement)| statement.sequence.as_str()).collect();
    let ids: Vec<i64> = sorted.iter().map(|(id, _)| *id).collect();
    tx.execute(
        "INSERT INTO hub.statement (tenant, agent, sequence, site, finding)
         SELECT $1, u.agent, u.sequence, $2, u.finding FROM unnest($3::text[], $4::text[], $5::bigint[])
            WITH ORDINALITY AS u(agent, sequence, finding, place) ORDER BY u.place
         ON CONFLICT DO NOTHING",
        &[&log.tenant, &log.site, &agents, &sequences, &ids],
    )
    .await
    .doing("taking statements")?;
    let rows = tx
        .query(
            "SELECT s.agent, s.sequence, s.site, s.finding FROM hub.statement s
             JOIN unnest($2::text[], $3::text[]) AS u(agent, sequence) USING (agent, sequence) WHERE s.tenant = $1",
            &[&log.tenant, &agents, &sequences],
        )
        .await
        .doing("looking whose statements these are")?;
    Ok(rows.iter().map(|row| ((row.get(0), row.get(1)), (row.get(2), row.get(3)))).collect())
}

const FINDINGS: &str = "INSERT INTO hub.finding AS f (site, tenant, id, rule_id, title, summary, severity, status, asset, asset_name,
        count, demo, raised, changed, raised_seq, last_seq, words, signature, agent, sequence, statement, signed_seq)
    SELECT $1, $2, u.id, u.rule_id, u.title, u.summary, u.severity, u.status, u.asset, u.asset_name,
        u.count, u.demo, u.raised, u.changed, u.raised_seq, u.last_seq, u.words, u.signature, u.agent, u.sequence, u.statement, u.signed_seq
    FROM unnest($3::bigint[], $4::text[], $5::text[], $6::text[], $7::smallint[], $8::text[], $9::text[], $10::text[],
        $11::bigint[], $12::boolean[], $13::bigint[], $14::bigint[], $15::bigint[], $16::bigint[], $17::text[], $18::text[],
        $19::text[], $20::text[], $21::bytea[], $22::bigint[])
      AS u(id, rule_id, title, summary, severity, status, asset, asset_name, count, demo, raised, changed, raised_seq, last_seq,
        words, signature, agent, sequence, statement, signed_seq)
    ON CONFLICT (site, id) DO UPDATE SET rule_id = excluded.rule_id, title = excluded.title,
        summary = CASE WHEN excluded.summary = '' THEN f.summary ELSE excluded.summary END,
        severity = excluded.severity, status = excluded.status, asset = excluded.asset, asset_name = excluded.asset_name,
        count = excluded.count, demo = excluded.demo, changed = excluded.changed, last_seq = excluded.last_seq, words = excluded.words,
        raised = CASE WHEN excluded.raised_seq = ANY($23) THEN excluded.raised ELSE f.raised END,
        raised_seq = CASE WHEN excluded.raised_seq = ANY($23) THEN excluded.raised_seq ELSE f.raised_seq END,
        signature = CASE WHEN excluded.signature <> 'none' OR excluded.raised_seq = ANY($23) THEN excluded.signature ELSE f.signature END,
        agent = CASE WHEN excluded.signature <> 'none' OR excluded.raised_seq = ANY($23) THEN excluded.agent ELSE f.agent END,
        sequence = CASE WHEN excluded.signature <> 'none' OR excluded.raised_seq = ANY($23) THEN excluded.sequence ELSE f.sequence END,
        statement = CASE WHEN excluded.signature <> 'none' OR excluded.raised_seq = ANY($23) THEN excluded.statement ELSE f.statement END,
        signed_seq = CASE WHEN excluded.signature <> 'none' OR excluded.raised_seq = ANY($23) THEN excluded.signed_seq ELSE f.signed_seq END";

async fn findings(tx: &Tx<'_>, log: &SiteLog, findings: &[Finding]) -> Result<(), DatabaseError> {
    fn column<'f, T>(findings: &'f [Finding], of: impl Fn(&'f Finding) -> T) -> Vec<T> {
        findings.iter().map(of).collect()
    }
    let statement = tx.prepare_cached(FINDINGS).await.doing("preparing to store findings")?;
    // Records that begin a finding: what stood under the same number before was another one.
    let fresh: Vec<i64> = findings.iter().filter(|f| f.fresh).map(|f| f.raised_seq).collect();
    tx.execute(
        &statement,
        &[
            &log.site,
            &log.tenant,
            &column(findings, |f| f.id),
            &column(findings, |f| f.rule_id.as_str()),
            &column(findings, |f| f.title.as_str()),
            &column(findings, |f| f.summary.as_str()),
            &column(findings, |f| f.severity),
            &column(findings, |f| f.status.as_str()),
            &column(findings, |f| f.asset.as_str()),
            &column(findings, |f| f.asset_name.as_str()),
            &column(findings, |f| f.count),
            &column(findings, |f| f.demo),
            &column(findings, |f| f.raised),
            &column(findings, |f| f.changed),
            &column(findings, |f| f.raised_seq),
            &column(findings, |f| f.last_seq),
            &column(findings, Finding::words),
            &column(findings, |f| f.signature.as_str()),
            &column(findings, |f| f.statement.as_ref().map(|s| s.agent.as_str())),
            &column(findings, |f| f.statement.as_ref().map(|s| s.sequence.as_str())),
            &column(findings, |f| f.statement.as_ref().map(|s| s.bytes.as_slice())),
            &column(findings, |f| f.statement.as_ref().map(|s| signed(s.seq))),
            &fresh,
        ],
    )
    .await
    .doing("storing findings")?;
    Ok(())
}
