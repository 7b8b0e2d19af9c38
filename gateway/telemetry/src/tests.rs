//! Stories of telemetry on a real store: what was committed is found once, whatever the merge did.

use std::time::Duration;

use proptest::prelude::*;
use sitewarden_core::{Action, Reading, ReadingValue, Resource, Timestamp};
use sitewarden_store::testing::{TestStore, gate};

use super::*;
use crate::journal::tests::reading;

fn append_to(store: &TestStore, readings: Vec<Reading>) {
    let permit = gate().system("pipeline", Action::TelemetryAppend, Resource::site());
    store.store.write_blocking("test", move |tx| append(tx, permit, &readings, &[], &[])).expect("appended");
}

async fn values(store: &TestStore, asset: &str) -> Vec<f64> {
    page(store, asset, 0, 100_000).await
}

async fn page(store: &TestStore, asset: &str, skip: usize, limit: usize) -> Vec<f64> {
    let query = Query {
        asset: asset.to_owned(),
        metric: "temperature".to_owned(),
        from: Timestamp::from_micros(i64::MIN),
        to: Timestamp::from_micros(i64::MAX),
    };
    let found = store.store.read(move |conn| readings(conn, &query, skip, limit)).await.expect("read");
    found
        .into_iter()
        .map(|value| match value.point.value {
            ReadingValue::Number(number) => number,
            other => panic!("not a number: {other:?}"),
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn readings_are_found_before_and_after_a_merge_in_order_of_their_own_time() {
    let store = TestStore::new(&[MIGRATIONS]);
    append_to(&store, vec![reading("a", 7_300, 3.0), reading("a", 10, 1.0), reading("b", 5, 9.0)]);
    append_to(&store, vec![reading("a", 20, 2.0)]);
    assert_eq!(values(&store, "a").await, [1.0, 2.0, 3.0]);

    let merged = merge(&store.store, &gate()).await.expect("merged");
    append_to(&store, vec![reading("a", 15, 1.5)]);

    assert_eq!(merged, Merged { readings: 4, dropped: 0 });
    assert_eq!(values(&store, "a").await, [1.0, 1.5, 2.0, 3.0]);
    assert_eq!(values(&store, "b").await, [9.0]);
    assert_eq!(merge(&store.store, &gate()).await.expect("again").readings, 1);
    assert_eq!(merge(&store.store, &gate()).await.expect("nothing left").readings, 0);
    assert_eq!(values(&store, "a").await, [1.0, 1.5, 2.0, 3.0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn latest_values_survive_a_restart_and_a_late_reading_does_not_replace_them() {
    let store = TestStore::new(&[MIGRATIONS]);
    append_to(&store, vec![reading("a", 100, 5.0)]);
    merge(&store.store, &gate()).await.expect("merged");
    append_to(&store, vec![reading("a", 50, 4.0)]);
    merge(&store.store, &gate()).await.expect("merged");
    append_to(&store, vec![reading("b", 1, 7.0)]);

    let store = store.reopen(&[MIGRATIONS]);

    let latest = load_latest(&store.store).await.expect("loaded");
    let number = |asset| latest.of(asset).first().map(|value| value.value.clone());
    assert_eq!(number("a"), Some(ReadingValue::Number(5.0)));
    assert_eq!(number("b"), Some(ReadingValue::Number(7.0)), "what still waits in the journal counts too");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_is_the_same_part_of_the_whole_wherever_its_readings_stand() {
    let store = TestStore::new(&[MIGRATIONS]);
    // Ten hours, three readings each, the unit changes in the middle; the last ones wait in the journal.
    let mut serial = 0.0;
    for hour in 0..10_i64 {
        let batch = (0..3).map(|part| {
            serial += 1.0;
            let mut reading = reading("a", hour * 3_600 + part * 60, serial);
            reading.unit = if hour < 5 { "Cel".into() } else { "K".into() };
            reading
        });
        append_to(&store, batch.collect());
        if hour % 3 == 0 {
            merge(&store.store, &gate()).await.expect("merged");
        }
    }
    merge(&store.store, &gate()).await.expect("merged");
    // Late readings between the others, not merged yet.
    append_to(
        &store,
        vec![reading("a", 30, 0.5), reading("a", 5 * 3_600 + 30, 99.0), reading("a", 40_000, 100.0)],
    );
    let whole = values(&store, "a").await;
    assert_eq!(whole.len(), 33);
    assert_eq!((whole[1], whole[17], whole[32]), (0.5, 99.0, 100.0));
    for skip in 0..whole.len() {
        for limit in [1, 2, 7] {
            let expected: Vec<f64> = whole.iter().copied().skip(skip).take(limit).collect();
            assert_eq!(page(&store, "a", skip, limit).await, expected, "{skip} {limit}");
        }
    }
    assert!(page(&store, "nobody", 0, 5).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn retention_counts_from_arrival_and_bytes_bound_what_is_kept() {
    let store = TestStore::new(&[MIGRATIONS]);
    // Both tell of 1970; one arrived long after the other.
    let mut old = reading("old", 1, 1.0);
    old.received = store.now().before(Duration::from_secs(40 * 86_400));
    let mut new = reading("new", 1, 2.0);
    new.received = store.now();
    append_to(&store, vec![old]);
    append_to(&store, vec![new]);
    merge(&store.store, &gate()).await.expect("merged");

    let month =
        Retention { arrived_before: store.now().before(Duration::from_secs(30 * 86_400)), bytes: u64::MAX };
    assert_eq!(keep(&store.store, &gate(), month).await.expect("kept"), 1);
    assert!(values(&store, "old").await.is_empty());
    assert_eq!(values(&store, "new").await, [2.0]);

    let nothing = Retention { bytes: 0, ..month };
    assert_eq!(keep(&store.store, &gate(), nothing).await.expect("kept"), 1);
    assert!(values(&store, "new").await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_payloads_are_counted_per_topic_before_and_after_a_merge() {
    let store = TestStore::new(&[MIGRATIONS]);
    let unknown = |payload: &[u8]| UnknownPayload {
        topic: "x/y".into(),
        payload: payload.to_vec(),
        reason: "not JSON".into(),
        received: store.now(),
    };
    for round in 0..3_u8 {
        let payload = unknown(&[round]);
        let permit = gate().system("pipeline", Action::TelemetryAppend, Resource::site());
        store
            .store
            .write_blocking("test", move |tx| append(tx, permit, &[], &[payload], &[]))
            .expect("appended");
        if round == 1 {
            merge(&store.store, &gate()).await.expect("merged");
        }
    }
    let topics = store.store.read(unknown_topics).await.expect("listed");
    let found: Vec<_> =
        topics.iter().map(|topic| (topic.topic.as_str(), topic.count, topic.sample.clone())).collect();
    assert_eq!(found, [("x/y", 3, vec![2])]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_unfinished_merge_left_is_neither_shown_nor_kept() {
    let store = TestStore::new(&[MIGRATIONS]);
    append_to(&store, vec![reading("a", 1, 1.0)]);
    merge(&store.store, &gate()).await.expect("merged");
    // A crash after the chunks of the second merge and before its last step.
    store
        .store
        .write_blocking("crash", |tx| {
            tx.sql()
                .execute("INSERT INTO reading_chunk SELECT series_id, hour, merge + 1, received, count, bytes FROM reading_chunk", [])
                .map(|_| ())
        })
        .expect("written");
    assert_eq!(values(&store, "a").await, [1.0]);
    append_to(&store, vec![reading("a", 2, 2.0)]);
    merge(&store.store, &gate()).await.expect("merged");
    assert_eq!(values(&store, "a").await, [1.0, 2.0]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    /// Any split of any readings into commits and merges gives each reading once, in order.
    #[test]
    fn every_reading_is_found_once(steps in prop::collection::vec((prop::collection::vec((0_i64..20_000, 0_u8..2), 0..6), any::<bool>()), 1..8)) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("runtime");
        let store = TestStore::new(&[MIGRATIONS]);
        let mut expected = Vec::new();
        let mut serial = 0.0;
        for (batch, merged) in steps {
            let readings: Vec<_> = batch
                .into_iter()
                .map(|(time, asset)| {
                    serial += 1.0;
                    if asset == 0 {
                        expected.push((time, serial));
                    }
                    reading(if asset == 0 { "a" } else { "b" }, time, serial)
                })
                .collect();
            append_to(&store, readings);
            if merged {
                runtime.block_on(merge(&store.store, &gate())).expect("merged");
            }
        }
        let mut found = runtime.block_on(values(&store, "a"));
        let mut all: Vec<_> = expected.iter().map(|(_, serial)| *serial).collect();
        found.sort_by(f64::total_cmp);
        all.sort_by(f64::total_cmp);
        prop_assert_eq!(found, all);
    }
}

fn blocks(store: &TestStore) -> Vec<(u64, usize, Vec<u8>)> {
    let found = store.store.read_blocking(|conn| replay_after(conn, 0, 100)).expect("read");
    found
        .into_iter()
        .map(|block| (block.block, block.readings.expect("not damaged").len(), block.replay))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_block_stays_for_its_replay_after_the_merge_until_it_is_released() {
    let store = TestStore::new(&[MIGRATIONS]);
    let permit = || gate().system("pipeline", Action::TelemetryAppend, Resource::site());
    for serial in 1..=3_u8 {
        let (permit, readings) = (permit(), vec![reading("a", i64::from(serial), f64::from(serial))]);
        let readings = if serial == 2 { Vec::new() } else { readings };
        store
            .store
            .write_blocking("test", move |tx| append(tx, permit, &readings, &[], &[serial]))
            .expect("appended");
    }
    merge(&store.store, &gate()).await.expect("merged");

    assert_eq!(blocks(&store), [(1, 1, vec![1]), (2, 0, vec![2]), (3, 1, vec![3])]);
    assert_eq!(
        values(&store, "a").await,
        [1.0, 3.0],
        "what is merged is found once, though its block is still there"
    );

    let permit = permit();
    store.store.write_blocking("test", move |tx| release(tx, permit, 2)).expect("released");
    append_to(&store, vec![reading("a", 4, 4.0)]);
    merge(&store.store, &gate()).await.expect("merged");

    assert_eq!(blocks(&store), [(3, 1, vec![3]), (4, 1, Vec::new())], "the numbers go on");
    assert_eq!(store.store.write_blocking("test", last_block).expect("read"), 4);
    assert_eq!(values(&store, "a").await, [1.0, 3.0, 4.0]);
}
