//! Reading findings: lists with filters, details, counts.
//!
//! Everything takes a read-only connection. Invariant: a list is ordered by (listed, id), newest first, and a page
//! begins after a key, so that nothing is skipped or repeated when new findings come. `listed` is the last match
//! as of the newest record, so it moves at most once a minute.

use std::collections::{HashMap, HashSet};

use rusqlite::types::ToSqlOutput;
use rusqlite::{Connection, ToSql, params};
use serde::Serialize;
use sitewarden_core::{AssetRef, FindingStatus, Severity, Timestamp};
use sitewarden_http::Id;
use sitewarden_store::SqlContext;

use crate::error::FindingError;
use crate::evidence;
use crate::rows::{self, COLUMNS, severity_number, severity_of};
use crate::view::{DetailView, EvidenceView, FindingView, HistoryView};

/// Which findings are asked for; empty means all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// One of these statuses.
    pub status: Vec<FindingStatus>,
    /// One of these severities.
    pub severity: Vec<Severity>,
    /// About this asset; about an agent also what its sensors, whose ids begin with the agent's and a colon, are about.
    pub device: Option<String>,
    /// Raised by this rule.
    pub rule: Option<String>,
    /// Text in title, summary or asset name, whatever the case of its ASCII letters.
    pub text: Option<String>,
}

/// Findings that want attention (neither closed nor muted), by severity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Critical.
    pub critical: u64,
    /// High.
    pub high: u64,
    /// Medium.
    pub medium: u64,
    /// Low.
    pub low: u64,
    /// Info.
    pub info: u64,
}

/// Up to `limit` findings after a key (`listed`, id), newest first.
///
/// # Errors
/// [`FindingError::Store`], [`FindingError::BadRow`].
pub fn list(
    conn: &Connection,
    filter: &Filter,
    after: Option<(Timestamp, u64)>,
    limit: usize,
) -> Result<Vec<FindingView>, FindingError> {
    // LIKE ends at a NUL, so such a pattern would find everything; no stored text is meant by it.
    if filter.text.as_ref().is_some_and(|text| text.contains('\0')) {
        return Ok(Vec::new());
    }
    let mut statuses: Vec<_> = filter.status.iter().copied().map(Some).collect();
    statuses.sort_unstable_by_key(|status| status.map(FindingStatus::as_str));
    statuses.dedup();
    if statuses.is_empty() {
        statuses.push(None);
    }
    // One ordered walk of the index per status: a single one over several would have to sort them all.
    let mut found = Vec::new();
    for status in statuses {
        for about in abouts(filter) {
            found.extend(part(conn, filter, (status, about), after, limit)?);
        }
    }
    found.sort_unstable_by_key(|finding| std::cmp::Reverse((finding.listed, finding.id)));
    found.truncate(limit);
    Ok(found)
}

/// What the findings of one walk are about.
#[derive(Clone, Copy)]
enum About<'a> {
    Anything,
    /// The asset itself.
    Asset(&'a str),
    /// What is part of it.
    Within(&'a str),
}

/// Ids of agents begin so; their sensors are assets of their own, and a person who looks at an agent means them too.
const AGENT: &str = "agent:";

fn abouts(filter: &Filter) -> Vec<About<'_>> {
    match filter.device.as_deref() {
        None => vec![About::Anything],
        Some(id) if id.starts_with(AGENT) => vec![About::Asset(id), About::Within(id)],
        Some(id) => vec![About::Asset(id)],
    }
}

/// The findings of one status, or of all, about one thing.
fn part(
    conn: &Connection,
    filter: &Filter,
    (status, about): (Option<FindingStatus>, About<'_>),
    after: Option<(Timestamp, u64)>,
    limit: usize,
) -> Result<Vec<FindingView>, FindingError> {
    let mut query = Query::new();
    query.add_any("status", status.iter().map(|status| Value::Text(status.as_str().to_owned())));
    query.add_any(
        "severity",
        filter.severity.iter().map(|severity| Value::Number(severity_number(*severity))),
    );
    match about {
        About::Anything => {}
        About::Asset(id) => query.add_any("asset", std::iter::once(Value::Text(id.to_owned()))),
        About::Within(id) => {
            // A semicolon comes right behind the colon.
            let [from, to] = [':', ';'].map(|end| query.bind(Value::Text(format!("{id}{end}"))));
            query.conditions.push(format!("asset >= {from} AND asset < {to}"));
        }
    }
    query.add_any("rule_id", filter.rule.iter().cloned().map(Value::Text));
    if let Some(text) = filter.text.as_deref().filter(|text| !text.is_empty()) {
        let place = query.bind(Value::Text(pattern(text)));
        let columns = ["title", "summary", "asset_name"];
        let tests = columns.map(|column| format!("{column} LIKE {place} ESCAPE '\\'"));
        query.conditions.push(format!("({})", tests.join(" OR ")));
    }
    if let Some((time, id)) = after {
        let time = query.bind(Value::Number(time.micros()));
        let id = query.bind(Value::Number(i64::try_from(id).unwrap_or(i64::MAX)));
        query.conditions.push(format!("(listed, id) < ({time}, {id})"));
    }
    let limit = query.bind(Value::Number(i64::try_from(limit).unwrap_or(i64::MAX)));
    let sql = format!(
        "SELECT {COLUMNS} FROM finding INDEXED BY {} WHERE {} ORDER BY listed DESC, id DESC LIMIT {limit}",
        index(filter, status),
        query.conditions.join(" AND ")
    );
    let mut statement = conn.prepare_cached(&sql).doing("preparing a list of findings")?;
    let found = statement
        .query_map(rusqlite::params_from_iter(&query.values), rows::from_row)
        .doing("listing findings")?;
    found.map(|row| row.doing("listing findings")?.map(FindingView::from)).collect()
}

/// The narrowest index that ends in the order of the list.
const fn index(filter: &Filter, status: Option<FindingStatus>) -> &'static str {
    match (&filter.device, &filter.rule, status) {
        (Some(_), _, _) => "finding_asset",
        (None, Some(_), _) => "finding_rule",
        (None, None, Some(_)) => "finding_status",
        (None, None, None) => "finding_listed",
    }
}

/// A LIKE pattern that finds the text as it is.
fn pattern(text: &str) -> String {
    let mut pattern = String::from("%");
    for letter in text.chars() {
        if matches!(letter, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(letter);
    }
    pattern.push('%');
    pattern
}

/// One finding as in the list.
///
/// # Errors
/// [`FindingError::NotFound`] and the others.
pub fn get(conn: &Connection, id: u64) -> Result<FindingView, FindingError> {
    rows::by_id(conn, id).map(FindingView::from)
}

/// One finding with evidence and history.
///
/// # Errors
/// [`FindingError::NotFound`] and the others.
pub fn detail(conn: &Connection, id: u64) -> Result<DetailView, FindingError> {
    let finding = rows::by_id(conn, id)?;
    let [first, latest] = evidence::get(conn, id)?;
    let first_differs = first != latest;
    Ok(DetailView {
        techniques: finding.techniques.clone(),
        evidence: latest.map(EvidenceView::from).unwrap_or_default(),
        first_evidence: first.filter(|_| first_differs).map(EvidenceView::from),
        history: history(conn, id)?,
        log_seq: Id(finding.log_seq),
        finding: finding.into(),
    })
}

fn history(conn: &Connection, id: u64) -> Result<Vec<HistoryView>, FindingError> {
    let mut statement = conn
        .prepare_cached(
            "SELECT time, actor, kind, note, log_seq FROM finding_history WHERE finding_id = ?1 ORDER BY log_seq DESC",
        )
        .doing("preparing a finding's history")?;
    let lines = statement
        .query_map(params![id], |row| {
            Ok(HistoryView {
                time: Timestamp::from_micros(row.get(0)?),
                actor: row.get(1)?,
                kind: row.get(2)?,
                note: row.get(3)?,
                log_seq: Id(row.get(4)?),
            })
        })
        .doing("reading a finding's history")?;
    Ok(lines.collect::<Result<_, _>>().doing("reading a finding's history")?)
}

/// Findings that are neither closed nor muted, by severity; for the overview.
///
/// # Errors
/// [`FindingError::Store`].
pub fn counts(conn: &Connection) -> Result<Counts, FindingError> {
    let mut statement = conn
        .prepare_cached("SELECT severity, count(*) FROM finding WHERE status NOT IN ('closed', 'muted') GROUP BY severity")
        .doing("preparing the counts of findings")?;
    let mut found = statement.query([]).doing("counting findings")?;
    let mut counts = Counts::default();
    while let Some(row) = found.next().doing("counting findings")? {
        let severity: i64 = row.get(0).doing("counting findings")?;
        let count: u64 = row.get(1).doing("counting findings")?;
        match severity_of(severity) {
            Some(Severity::Critical) => counts.critical = count,
            Some(Severity::High) => counts.high = count,
            Some(Severity::Medium) => counts.medium = count,
            Some(Severity::Low) => counts.low = count,
            Some(Severity::Info) => counts.info = count,
            None => {}
        }
    }
    Ok(counts)
}

/// How many findings of each of these assets are neither closed nor muted, and the worst severity; assets without
/// one are left out.
///
/// # Errors
/// [`FindingError::Store`].
pub fn open_by_asset(
    conn: &Connection,
    assets: &[AssetRef],
) -> Result<HashMap<AssetRef, (u64, Severity)>, FindingError> {
    let wanted: HashSet<&str> = assets.iter().map(AssetRef::as_str).collect();
    let mut statement = conn
        .prepare_cached(
            "SELECT asset, count(*), max(severity) FROM finding
             WHERE status NOT IN ('closed', 'muted') AND asset IS NOT NULL GROUP BY asset",
        )
        .doing("preparing the findings of assets")?;
    let mut found = statement.query([]).doing("counting the findings of assets")?;
    let mut open = HashMap::new();
    while let Some(row) = found.next().doing("counting the findings of assets")? {
        let asset: String = row.get(0).doing("counting the findings of assets")?;
        let count: u64 = row.get(1).doing("counting the findings of assets")?;
        let worst: i64 = row.get(2).doing("counting the findings of assets")?;
        if let (true, Some(worst)) = (wanted.contains(asset.as_str()), severity_of(worst)) {
            open.insert(AssetRef::new(&asset), (count, worst));
        }
    }
    Ok(open)
}

/// How often each rule has matched, by rule id; rules without a finding are left out.
///
/// # Errors
/// [`FindingError::Store`].
pub fn matches_by_rule(conn: &Connection) -> Result<HashMap<String, u64>, FindingError> {
    let mut statement = conn
        .prepare_cached("SELECT rule_id, sum(count) FROM finding GROUP BY rule_id")
        .doing("preparing the matches of rules")?;
    let rows = statement
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
        .doing("counting the matches of rules")?;
    rows.collect::<Result<_, _>>().doing("counting the matches of rules").map_err(FindingError::from)
}

/// A value to bind.
enum Value {
    Text(String),
    Number(i64),
}

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        match self {
            Self::Text(text) => text.to_sql(),
            Self::Number(number) => number.to_sql(),
        }
    }
}

/// Conditions with their bound values; texts of clients never become SQL.
struct Query {
    conditions: Vec<String>,
    values: Vec<Value>,
}

impl Query {
    fn new() -> Self {
        Self { conditions: vec!["1".to_owned()], values: Vec::new() }
    }

    /// Binds a value and gives its placeholder.
    fn bind(&mut self, value: Value) -> String {
        self.values.push(value);
        format!("?{}", self.values.len())
    }

    /// The column is one of the values; no condition when there is none.
    fn add_any(&mut self, column: &str, values: impl Iterator<Item = Value>) {
        let places: Vec<String> = values.map(|value| self.bind(value)).collect();
        if !places.is_empty() {
            self.conditions.push(format!("{column} IN ({})", places.join(", ")));
        }
    }
}
