//! Lists, filters, paging, counts.
//!
//! No HTTP; see `web`. Invariant under test: walking the pages gives every finding once, in order.

use sitewarden_core::{AssetRef, FindingDraft, FindingStatus, Severity, Timestamp};
use sitewarden_store::testing::TestStore;

use super::{clear, draft, put, store};
use crate::{Counts, Filter, counts, list, open_by_asset};

fn ids(test: &TestStore, filter: &Filter) -> Vec<u64> {
    let filter = filter.clone();
    let found = test.store.read_blocking(move |conn| list(conn, &filter, None, 100)).expect("listed");
    found.iter().map(|finding| finding.id.0).collect()
}

fn three() -> TestStore {
    let test = store();
    put(
        &test,
        &[
            draft("a", 30),
            FindingDraft {
                dedup_key: "door/b".into(),
                rule_id: "door".into(),
                title: "Door left open".into(),
                severity: Severity::Critical,
                ..draft("b", 10)
            },
            FindingDraft { severity: Severity::Info, ..draft("c", 20) },
            clear("c", 21),
        ],
    );
    test
}

#[test]
fn newest_first_and_each_filter_does_its_part() {
    let test = three();
    assert_eq!(ids(&test, &Filter::default()), [1, 3, 2]);
    let by = |filter| ids(&test, &filter);
    assert_eq!(by(Filter { status: vec![FindingStatus::Closed], ..Filter::default() }), [3]);
    assert_eq!(
        by(Filter { severity: vec![Severity::High, Severity::Critical], ..Filter::default() }),
        [1, 2]
    );
    assert_eq!(by(Filter { device: Some("b".into()), ..Filter::default() }), [2]);
    assert_eq!(by(Filter { rule: Some("door".into()), ..Filter::default() }), [2]);
    assert_eq!(by(Filter { text: Some("DOOR".into()), ..Filter::default() }), [2]);
    assert_eq!(by(Filter { text: Some("name of a".into()), ..Filter::default() }), [1]);
    let both = Filter { status: vec![FindingStatus::Open], rule: Some("door".into()), ..Filter::default() };
    assert_eq!(by(both), [2]);
}

#[test]
fn an_agents_findings_are_those_of_its_sensors_too() {
    let test = store();
    put(
        &test,
        &[
            draft("agent:1770ed61f05ba51f:1", 10),
            draft("agent:1770ed61f05ba51f", 20),
            draft("agent:1770ed61f05ba51f:0", 30),
            draft("agent:1770ed61f05ba510:1", 40),
            draft("mqtt:a", 50),
            draft("mqtt:a:1", 60),
        ],
    );
    let of = |id: &str| ids(&test, &Filter { device: Some(id.into()), ..Filter::default() });
    assert_eq!(of("agent:1770ed61f05ba51f"), [3, 2, 1]);
    assert_eq!(of("agent:1770ed61f05ba51f:1"), [1]);
    assert_eq!(of("agent:1770ed61f05ba5"), [] as [u64; 0]);
    assert_eq!(of("mqtt:a"), [5]);
    let open = Filter {
        status: vec![FindingStatus::Open, FindingStatus::Closed],
        device: Some("agent:1770ed61f05ba51f".into()),
        ..Filter::default()
    };
    assert_eq!(ids(&test, &open), [3, 2, 1]);
}

#[test]
fn hostile_filter_texts_are_only_texts() {
    let test = three();
    for text in ["' OR 1=1 --", "%", "_", "\\", "%Door%", "\"; DROP TABLE finding", "\u{0}"] {
        assert_eq!(
            ids(&test, &Filter { text: Some(text.into()), ..Filter::default() }),
            [] as [u64; 0],
            "{text}"
        );
        assert_eq!(ids(&test, &Filter { device: Some(text.into()), ..Filter::default() }), [] as [u64; 0]);
    }
    assert_eq!(ids(&test, &Filter::default()).len(), 3);
}

#[test]
fn pages_give_every_finding_once_also_when_times_are_equal_and_new_ones_come() {
    let test = store();
    let drafts: Vec<_> = (0..25).map(|number| draft(&format!("s{number}"), 100 + number / 10)).collect();
    put(&test, &drafts);
    let mut seen = Vec::new();
    let mut after: Option<(Timestamp, u64)> = None;
    loop {
        let page =
            test.store.read_blocking(move |conn| list(conn, &Filter::default(), after, 7)).expect("listed");
        let Some(last) = page.last() else { break };
        after = Some((last.listed, last.id.0));
        seen.extend(page.iter().map(|finding| (finding.last_seen, finding.id.0)));
        put(&test, &[draft(&format!("late{}", seen.len()), 1_000)]);
    }
    assert_eq!(seen.len(), 25);
    let mut sorted = seen.clone();
    sorted.sort_unstable_by(|left, right| right.cmp(left));
    sorted.dedup();
    assert_eq!(seen, sorted);
}

#[test]
fn counts_leave_out_what_is_closed() {
    let test = three();
    let counted = test.store.read_blocking(counts).expect("counted");
    assert_eq!(counted, Counts { critical: 1, high: 1, ..Counts::default() });
    let assets = ["a", "b", "c", "d"].map(AssetRef::new);
    let open = test.store.read_blocking(move |conn| open_by_asset(conn, &assets)).expect("counted");
    assert_eq!(open.len(), 2);
    assert_eq!(open[&AssetRef::new("b")], (1, Severity::Critical));
}

#[test]
fn several_statuses_are_merged_in_order() {
    let test = three();
    let both = vec![FindingStatus::Open, FindingStatus::Closed, FindingStatus::Open];
    assert_eq!(ids(&test, &Filter { status: both, ..Filter::default() }), [1, 3, 2]);
}

#[test]
fn a_repeat_without_a_record_keeps_its_place_and_shows_its_time() {
    let test = three();
    put(&test, &[FindingDraft { dedup_key: "door/b".into(), ..draft("b", 500) }]);
    assert_eq!(ids(&test, &Filter::default()), [1, 3, 2], "order moves with the records");
    let found = test.store.read_blocking(|conn| crate::get(conn, 2)).expect("there");
    assert_eq!(found.last_seen, Timestamp::from_seconds(500));
    test.forward(crate::limits::RECORD_EVERY);
    put(&test, &[FindingDraft { dedup_key: "door/b".into(), ..draft("b", 501) }]);
    assert_eq!(ids(&test, &Filter::default()), [2, 1, 3]);
}

#[test]
fn no_list_is_sorted_whatever_the_filter() {
    let test = store();
    let plan = |index: &str, condition: &str| -> Vec<String> {
        let sql = format!(
            "EXPLAIN QUERY PLAN SELECT id FROM finding INDEXED BY {index}
             WHERE {condition} AND severity IN (3, 4) AND (listed, id) < (5, 5) ORDER BY listed DESC, id DESC LIMIT 50"
        );
        test.store
            .read_blocking(move |conn| {
                let mut statement = conn.prepare(&sql)?;
                let rows = statement.query_map([], |row| row.get(3))?;
                rows.collect::<rusqlite::Result<_>>()
            })
            .expect("planned")
    };
    for (index, condition) in [
        ("finding_listed", "1"),
        ("finding_status", "status IN ('open')"),
        ("finding_asset", "asset IN ('a') AND status IN ('open')"),
        ("finding_rule", "rule_id IN ('a')"),
    ] {
        let plan = plan(index, condition);
        assert!(plan.len() == 1 && plan[0].contains(index), "{plan:?}");
    }
}
