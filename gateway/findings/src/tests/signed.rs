//! What a device signed itself: its bytes stand in the evidence and in a record each, whatever else happens.

use sitewarden_core::{FindingDraft, Statement};

use super::{clear, draft, put, records, store};
use crate::{Outcome, detail};

fn signed(draft: FindingDraft, sequence: u64) -> FindingDraft {
    let statement = Statement {
        format: "cose-sign1".to_owned(),
        agent: "0102030405060708".to_owned(),
        sequence: sequence.to_string(),
        bytes: "0oRH".to_owned(),
    };
    let evidence = sitewarden_core::Evidence { statement: Some(statement), ..draft.evidence };
    FindingDraft { evidence, ..draft }
}

#[test]
fn every_statement_has_a_record_with_its_bytes_also_in_one_commit_and_while_it_flaps() {
    let test = store();
    let mut drafts = vec![signed(clear("a", 0), 0)];
    for n in 0..20 {
        drafts.push(signed(draft("a", n), 3 * u64::try_from(n).expect("small") + 1));
        drafts.push(signed(draft("a", n), 3 * u64::try_from(n).expect("small") + 2));
        drafts.push(signed(clear("a", n), 3 * u64::try_from(n).expect("small") + 3));
    }

    let raised = put(&test, &drafts);

    let sequences: Vec<_> = records(&test)
        .iter()
        .map(|record| {
            let body = &record.body;
            assert!(body["evidence"]["statement"].is_null(), "once is enough: {body}");
            assert_eq!(body["statement"]["bytes"], "0oRH", "{body}");
            body["statement"]["sequence"].as_str().expect("text").to_owned()
        })
        .collect();
    assert_eq!(sequences, (0..=60).map(|n| n.to_string()).collect::<Vec<_>>());
    assert_eq!(raised.last().map(|raised| raised.outcome), Some(Outcome::Cleared));
    let id = raised.first().expect("one").id;
    let seen = test.store.read_blocking(move |conn| detail(conn, id)).expect("there");
    assert_eq!(seen.evidence.statement.expect("the latest").sequence, "60");
    assert_eq!(seen.first_evidence.and_then(|first| first.statement).expect("the first").sequence, "1");
}
