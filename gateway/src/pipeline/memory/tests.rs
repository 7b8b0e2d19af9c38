//! Snapshot and journal on a real store: what a start finds after each step at which a box can be killed.

use sitewarden_core::{AssetRef, FindingDraft, Reading, ReadingValue, TimeSource};
use sitewarden_store::testing::{TestStore, gate};

use super::super::events::Standing;
use super::super::judge::Judge;
use super::*;

const SLICES: &[Migrations] = &[sitewarden_telemetry::MIGRATIONS, MIGRATIONS];

const RULES: &str = "title: Warm\nid: warm\nlogsource: {product: iot, category: sensor_reading}\ndetection:\n  s: {value|gt: 8}\n  condition: s\nx-edge: {key: [device_id], for: 10m}\n";

/// 2026-11-24T10:00:00Z.
const BEGIN: i64 = 1_795_514_400;

fn rules() -> Arc<RuleSet> {
    let (rules, errors) = RuleSet::load(&[("warm.yml", RULES)]);
    assert_eq!(errors, []);
    Arc::new(rules)
}

fn at(minute: u64) -> Now {
    let wall = Timestamp::from_seconds(BEGIN + 60 * minute.cast_signed());
    Now { wall, mono: Monotonic::from_micros(minute * 60_000_000) }
}

/// A reading over the limit comes and is committed.
fn warm(store: &Store, judge: &mut Judge, memory: &mut Memory, minute: u64) -> Vec<FindingDraft> {
    let now = at(minute);
    let reading = Reading {
        asset: AssetRef::new("a"),
        via: None,
        metric: "temperature".into(),
        unit: "Cel".into(),
        value: ReadingValue::Number(9.0),
        time: now.wall,
        time_source: TimeSource::Arrival,
        received: now.wall,
        trusted: true,
    };
    let standing = Standing { trusted: true, zone: None };
    let mut out = Vec::new();
    judge.reading(&reading, &"site/a".into(), &standing, now, &mut out);
    let bytes = judge.log().take();
    memory.committing(1, bytes.len());
    let permit = gate().system("pipeline", Action::TelemetryAppend, Resource::site());
    store
        .write_blocking("test", move |tx| sitewarden_telemetry::append(tx, permit, &[reading], &[], &bytes))
        .expect("appended");
    out
}

/// A start: the judge, and what watches over its memory.
fn start(store: &Store) -> (Judge, Memory, Since) {
    let (engine, since) = load(store, &rules());
    (Judge::new(engine), Memory::new(store.clone(), gate(), since), since)
}

async fn keep(judge: &mut Judge, memory: &mut Memory, minute: u64) -> u8 {
    judge.log().begin_anew();
    memory.keep(judge.engine(), at(minute).mono);
    memory.under_way.take().expect("under way").await.expect("ends");
    memory.state.load(Ordering::Acquire)
}

fn sql(store: &Store, text: &'static str) {
    let run = move |tx: &Tx<'_>| tx.sql().execute_batch(text).doing("a test's change");
    store.write_blocking("test", run).expect("changed");
}

fn kept(store: &Store) -> (Option<u64>, u64) {
    let look = |conn: &Connection| {
        let text = "SELECT (SELECT block FROM rule_memory), released_block FROM reading_state";
        conn.query_row(text, [], |row| Ok((row.get(0)?, row.get(1)?))).doing("looking")
    };
    store.read_blocking(look).expect("read")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_goes_on_over_kills_before_and_after_each_snapshot() {
    let site = TestStore::new(SLICES);
    let store = &site.store;
    let (mut judge, mut memory, since) = start(store);
    assert_eq!(since, Since::default());
    assert!(warm(store, &mut judge, &mut memory, 1).is_empty());
    assert!(warm(store, &mut judge, &mut memory, 3).is_empty());

    // Killed without any snapshot.
    let (mut judge, mut memory, since) = start(store);
    assert_eq!(since.readings, 2);
    assert!(warm(store, &mut judge, &mut memory, 5).is_empty());
    assert_eq!(kept(store), (None, 0));
    assert_eq!(keep(&mut judge, &mut memory, 5).await, IDLE);
    assert_eq!(kept(store), (Some(3), 3), "stored and released at once");

    // Killed with a snapshot and nothing after it, twice: a start changes nothing.
    let _ = start(store);
    let (mut judge, mut memory, since) = start(store);
    assert_eq!(since, Since::default());
    assert!(warm(store, &mut judge, &mut memory, 7).is_empty());
    sitewarden_telemetry::merge(store, &gate()).await.expect("merged");

    // Killed with a snapshot and a merged block after it.
    let (mut judge, mut memory, since) = start(store);
    assert_eq!(since.readings, 1);
    assert!(warm(store, &mut judge, &mut memory, 9).is_empty());
    assert_eq!(keep(&mut judge, &mut memory, 9).await, IDLE);
    assert_eq!(kept(store), (Some(5), 5));

    let (mut judge, mut memory, _) = start(store);
    assert!(warm(store, &mut judge, &mut memory, 10).is_empty());
    assert_eq!(warm(store, &mut judge, &mut memory, 11).len(), 1, "ten minutes since the first");

    let (mut judge, mut memory, _) = start(store);
    assert!(warm(store, &mut judge, &mut memory, 12).is_empty(), "and not twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_that_is_not_stored_releases_nothing_and_is_tried_again() {
    let site = TestStore::new(SLICES);
    let store = &site.store;
    let (mut judge, mut memory, _) = start(store);
    warm(store, &mut judge, &mut memory, 1);
    sql(store, "CREATE TRIGGER full BEFORE INSERT ON rule_memory BEGIN SELECT raise(ABORT, 'no room'); END");
    assert_eq!(keep(&mut judge, &mut memory, 1).await, FAILED);
    assert_eq!(kept(store), (None, 0));
    assert!(!memory.is_due(at(1).mono) && memory.is_due(at(2).mono), "not at once, but without being asked");
    warm(store, &mut judge, &mut memory, 3);

    let (mut judge, mut memory, _) = start(store);
    assert!(warm(store, &mut judge, &mut memory, 10).is_empty());
    sql(store, "DROP TRIGGER full");
    assert_eq!(keep(&mut judge, &mut memory, 10).await, IDLE);
    assert_eq!(kept(store), (Some(3), 3));
    assert!(!memory.is_due(at(60).mono), "nothing came since");
    assert_eq!(warm(store, &mut judge, &mut memory, 11).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn damage_costs_the_memory_and_nothing_else_and_the_journal_after_it_is_replayed() {
    let site = TestStore::new(SLICES);
    let store = &site.store;
    let (mut judge, mut memory, _) = start(store);
    warm(store, &mut judge, &mut memory, 1);
    keep(&mut judge, &mut memory, 1).await;
    warm(store, &mut judge, &mut memory, 2);
    let bad = [
        "UPDATE rule_memory SET bytes = CAST(substr(bytes, 1, 40) || x'00' || substr(bytes, 42) AS BLOB)",
        "UPDATE rule_memory SET bytes = substr(bytes, 1, 20)",
        "UPDATE rule_memory SET bytes = x'00'",
        "UPDATE rule_memory SET bytes = x''",
    ];
    for bad in bad {
        sql(store, bad);
        let (judge, _, since) = start(store);
        assert_eq!((judge.engine().keys(), since.readings), (1, 1), "{bad}");
    }
    sql(store, "UPDATE rule_memory SET time = -1");
    assert_eq!(start(store).0.engine().keys(), 0, "not even the row can be read");
    sql(store, "DELETE FROM rule_memory; UPDATE reading_block SET replay = x'0102', bytes = x'09'");

    let (mut judge, mut memory, _) = start(store);
    assert_eq!(judge.engine().keys(), 0);
    assert!(warm(store, &mut judge, &mut memory, 3).is_empty());
    assert!(warm(store, &mut judge, &mut memory, 12).is_empty());
    let (mut judge, mut memory, _) = start(store);
    assert_eq!(warm(store, &mut judge, &mut memory, 13).len(), 1, "what came after the damage counts");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_stores_what_is_remembered_unless_nothing_came() {
    let site = TestStore::new(SLICES);
    let store = &site.store;
    let (mut judge, mut memory, _) = start(store);
    warm(store, &mut judge, &mut memory, 1);
    memory.finish(judge.engine(), at(1).mono).await;
    assert_eq!(kept(store), (Some(1), 1));
    sql(store, "UPDATE rule_memory SET block = 0");

    let (judge, mut memory, _) = start(store);
    memory.since = Since::default();
    memory.finish(judge.engine(), at(2).mono).await;
    assert_eq!(kept(store), (Some(0), 1), "not written again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_failed_asks_for_a_snapshot_and_so_does_a_long_journal() {
    let site = TestStore::new(SLICES);
    let (_, mut memory, _) = start(&site.store);
    assert!(!memory.is_due(at(1).mono));
    memory.hole().store(true, Ordering::Relaxed);
    assert!(memory.has_hole() && !memory.has_hole(), "told once");
    assert!(memory.is_due(at(1).mono));

    let (_, mut memory, _) = start(&site.store);
    memory.committing(REPLAY_READINGS - 1, REPLAY_BYTES - 1);
    assert!(!memory.is_due(at(1).mono));
    memory.committing(1, 0);
    assert!(memory.is_due(at(1).mono));
}

#[test]
fn the_engines_time_goes_on_from_where_it_was_and_never_back() {
    let clock = Clock::start();
    let time = EngineClock::start(clock, at(500).mono);
    let now = time.now().mono;
    assert!(now >= at(500).mono && now < at(501).mono);
    assert!(time.instant(at(501).mono) > time.instant(at(500).mono));
    assert!(time.instant(at(3).mono) <= time.instant(now), "what should have been is due at once");
}
