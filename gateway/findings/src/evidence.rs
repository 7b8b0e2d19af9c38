//! Evidence: kept twice per finding (first and latest) and bounded.
//!
//! It is stored as the JSON of the core type. Invariant: what is stored is at most [`EVIDENCE_BYTES`] long.

use rusqlite::params;
use sitewarden_core::Evidence;
use sitewarden_core::limits::EVIDENCE_EVENTS;
use sitewarden_store::{SqlContext, Tx};

use crate::error::FindingError;
use crate::limits::EVIDENCE_BYTES;

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    First,
    Latest,
}

impl Part {
    const fn as_str(self) -> &'static str {
        match self {
            Self::First => "first",
            Self::Latest => "latest",
        }
    }
}

/// Drops the oldest events, then the rule's text, until the JSON fits.
pub(crate) fn bounded(evidence: &Evidence) -> (Evidence, String) {
    let mut evidence = evidence.clone();
    let excess = evidence.events.len().saturating_sub(EVIDENCE_EVENTS);
    evidence.events.drain(..excess);
    loop {
        let json = serde_json::to_string(&evidence).unwrap_or_default();
        if json.len() <= EVIDENCE_BYTES && !json.is_empty() {
            return (evidence, json);
        }
        if !evidence.events.is_empty() {
            // Halving: at most five rounds for twenty events.
            evidence.events.drain(..evidence.events.len().div_ceil(2));
        } else if !evidence.rule_source.is_empty() {
            evidence.rule_source.clear();
        } else if !evidence.atoms.is_empty() {
            evidence.atoms.truncate(evidence.atoms.len() / 2);
        } else {
            // The statement has a bound of its own, far below this one.
            evidence = Evidence { statement: evidence.statement.take(), ..Evidence::default() };
        }
    }
}

pub(crate) fn put(tx: &Tx<'_>, id: u64, part: Part, json: &str) -> Result<(), FindingError> {
    tx.sql()
        .prepare_cached(
            "INSERT INTO finding_evidence (finding_id, part, body) VALUES (?1, ?2, ?3)
             ON CONFLICT (finding_id, part) DO UPDATE SET body = excluded.body",
        )
        .doing("preparing evidence")?
        .execute(params![id, part.as_str(), json])
        .doing("storing evidence")?;
    Ok(())
}

/// Both, where they are.
pub(crate) fn get(conn: &rusqlite::Connection, id: u64) -> Result<[Option<Evidence>; 2], FindingError> {
    let mut found = [None, None];
    let mut statement = conn
        .prepare_cached("SELECT part, body FROM finding_evidence WHERE finding_id = ?1")
        .doing("preparing to read evidence")?;
    let mut rows = statement.query([id]).doing("reading evidence")?;
    while let Some(row) = rows.next().doing("reading evidence")? {
        let part: String = row.get(0).doing("reading evidence")?;
        let body: String = row.get(1).doing("reading evidence")?;
        let evidence = serde_json::from_str(&body).map_err(|error| FindingError::BadRow {
            id,
            column: "evidence",
            value: error.to_string(),
        })?;
        let [first, latest] = &mut found;
        *(if part == Part::First.as_str() { first } else { latest }) = Some(evidence);
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use sitewarden_core::Timestamp;
    use sitewarden_core::finding::{EvidenceAtom, EvidenceEvent};

    use super::*;

    fn event(text: &str) -> EvidenceEvent {
        EvidenceEvent { time: Timestamp::from_seconds(1), fields: serde_json::json!({ "text": text }) }
    }

    #[test]
    fn the_newest_events_stay() {
        let events = (0..40).map(|number| event(&number.to_string())).collect();
        let (kept, json) = bounded(&Evidence { events, ..Evidence::default() });
        assert_eq!(kept.events.len(), EVIDENCE_EVENTS);
        assert_eq!(kept.events[EVIDENCE_EVENTS - 1].fields["text"], "39");
        assert_eq!(serde_json::from_str::<Evidence>(&json).expect("reads back"), kept);
    }

    #[test]
    fn evidence_of_any_size_is_made_to_fit() {
        let huge = "x".repeat(EVIDENCE_BYTES);
        let atom = EvidenceAtom {
            selection: huge.clone(),
            field: String::new(),
            test: String::new(),
            value: String::new(),
            matched: true,
            line: 1,
        };
        let evidence = Evidence {
            reason: huge.clone(),
            rule_source: huge.clone(),
            atoms: vec![atom; 3],
            events: vec![event(&huge); 3],
            window: None,
            statement: None,
        };
        assert!(bounded(&evidence).1.len() <= EVIDENCE_BYTES);
        let (kept, _) =
            bounded(&Evidence { events: vec![event(&huge), event("small")], ..Evidence::default() });
        assert_eq!(kept.events, [event("small")]);
    }
}
