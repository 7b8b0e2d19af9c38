//! What writers and readers are answered: kept, undone alone, refused, timed out, closed.

use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use sitewarden_core::gate::PolicyEpoch;
use sitewarden_core::{Action, Gate, Permit, Principal, Resource, Role};

use super::{Fixed, NOTES, folder, ids, note, open, records, verify};
use crate::config::Config;
use crate::error::{ReadError, StoreError, WriteError};
use crate::limits::READ_TIME;
use crate::open::system_clock;
use crate::store::Store;

#[test]
fn what_is_answered_is_there_after_opening_again_and_the_log_verifies() {
    let dir = folder();
    let store = open(dir.path());
    assert_eq!(store.write_blocking("adding", |tx| note(tx, 1)).expect("kept"), 1);
    assert_eq!(*store.log_head().borrow(), 1);
    store.shutdown();

    let store = open(dir.path());
    assert_eq!(ids(&store), [1]);
    assert_eq!(store.write_blocking("adding", |tx| note(tx, 2)).expect("kept"), 2);
    store.shutdown();
    let report = verify(dir.path());
    assert!(report.ok(), "{:?}", report.problems);
    assert_eq!(report.records, 2);
}

#[test]
fn a_failing_and_a_panicking_closure_are_undone_alone_beside_others() {
    let dir = folder();
    let store = open(dir.path());
    let (holding, held) = sync_channel::<()>(0);
    let (release, released) = sync_channel::<()>(0);
    // The first closure keeps the writer busy, so that the other three wait and join its group.
    store.submit(
        "holding",
        move |tx| {
            holding.send(()).expect("the test waits");
            released.recv().expect("the test releases");
            note(tx, 1)
        },
        drop,
    );
    held.recv().expect("the writer is busy");
    let (answer, answers) = sync_channel(3);
    for (id, way) in [(2, "fail"), (3, "panic"), (4, "keep")] {
        let answer = answer.clone();
        store.submit(
            "trying",
            move |tx| {
                note(tx, id)?;
                match way {
                    "fail" => Err(StoreError::LogInconsistent("on purpose".to_owned())),
                    "panic" => panic!("on purpose"),
                    _ => Ok(id),
                }
            },
            move |result| answer.send((id, result)).expect("the test listens"),
        );
    }
    release.send(()).expect("the writer waits");
    let mut results: Vec<_> = (0..3).map(|_| answers.recv().expect("answered")).collect();
    results.sort_by_key(|(id, _)| *id);

    assert!(matches!(results[0].1, Err(WriteError::Failed { .. })));
    assert!(matches!(&results[1].1, Err(WriteError::Panicked { message, .. }) if message == "on purpose"));
    assert!(matches!(results[2].1, Ok(4)));
    assert_eq!(ids(&store), [1, 4]);
    assert_eq!(records(&store).len(), 2, "records of undone closures are undone with them");
    let stats = store.stats();
    assert_eq!((stats.closures_kept, stats.closures_failed, stats.closures_panicked), (2, 1, 1));
    store.shutdown();
    assert!(verify(dir.path()).ok());
}

#[test]
fn no_closure_can_end_the_transaction_of_the_others() {
    let dir = folder();
    let store = open(dir.path());
    for sql in
        ["COMMIT", "ROLLBACK", "BEGIN", "SAVEPOINT mine", "RELEASE closure", "ATTACH ':memory:' AS other"]
    {
        let result = store.write_blocking("trying", move |tx| tx.sql().execute_batch(sql));
        assert!(matches!(result, Err(WriteError::Failed { .. })), "{sql}: {result:?}");
    }
    store.write_blocking("adding", |tx| note(tx, 1)).expect("the writer goes on");
}

#[test]
fn readers_cannot_write() {
    let dir = folder();
    let store = open(dir.path());
    let result = store.read_blocking(|conn| conn.execute("INSERT INTO note (id, text) VALUES (1, 'x')", []));
    assert!(matches!(result, Err(ReadError::Failed(_))), "{result:?}");
}

#[test]
fn a_long_read_is_stopped_and_its_connection_serves_again() {
    let dir = folder();
    let store = Store::open(
        &Config { readers: 1, reserve_mib: 0, ..Config::for_dir(dir.path()) },
        &[NOTES],
        system_clock(),
    )
    .expect("opens");
    let endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n";
    let result = store.read_blocking(|conn| conn.query_row(endless, [], |row| row.get::<_, i64>(0)));
    assert!(matches!(result, Err(ReadError::TimedOut)), "{READ_TIME:?}: {result:?}");
    assert_eq!(ids(&store), Vec::<i64>::new());
    let panicked = store.read_blocking(|_| -> Result<(), StoreError> { panic!("on purpose") });
    assert!(matches!(panicked, Err(ReadError::Panicked(_))));
    assert_eq!(ids(&store), Vec::<i64>::new(), "also after a panic");
    assert_eq!((store.stats().reads_timed_out, store.stats().reads), (1, 4));
}

#[tokio::test]
async fn async_callers_get_the_same() {
    let dir = folder();
    let store = open(dir.path());
    let writes = (1..=50).map(|id| {
        let store = store.clone();
        tokio::spawn(async move { store.write("adding", move |tx| note(tx, id)).await })
    });
    for write in writes.collect::<Vec<_>>() {
        write.await.expect("no panic").expect("kept");
    }
    let count =
        store.read(|conn| conn.query_row("SELECT count(*) FROM note", [], |row| row.get::<_, i64>(0))).await;
    assert_eq!(count.expect("read"), 50);
    let mut head = store.log_head();
    assert_eq!(*head.wait_for(|seq| *seq >= 50).await.expect("alive"), 50);
}

#[test]
fn after_shutdown_writes_are_refused_as_closed() {
    let dir = folder();
    let store = open(dir.path());
    let other = store.clone();
    store.shutdown();
    let result = other.write_blocking("adding", |tx| note(tx, 1));
    assert!(matches!(result, Err(WriteError::Closed { .. })), "{result:?}");
    assert!(!other.is_alive());
}

#[test]
fn permits_are_checked_again_inside_the_transaction() {
    let dir = folder();
    let store = open(dir.path());
    let person = Principal::Person { id: "elin".into(), role: Role::Owner };
    let finding = || Resource::new("Finding", "9");
    let permit = |epoch| {
        Gate::new(Arc::new(Fixed(PolicyEpoch(epoch))))
            .permit(&person, Action::FindingClose, finding())
            .expect("allowed")
    };
    let spend = |permit: Permit, action, resource: Resource| {
        store.write_blocking("closing", move |tx| tx.spend(permit, action, &resource))
    };
    let failed = |result: Result<crate::Actor, WriteError<StoreError>>| match result {
        Err(WriteError::Failed { source, .. }) => source,
        other => panic!("{other:?}"),
    };

    assert!(matches!(failed(spend(permit(1), Action::FindingClose, finding())), StoreError::NoEpoch));
    store.set_epoch_source(Arc::new(|| PolicyEpoch(2)));
    assert!(matches!(
        failed(spend(permit(1), Action::FindingClose, finding())),
        StoreError::StalePermit { .. }
    ));
    assert!(matches!(
        failed(spend(permit(2), Action::FindingReopen, finding())),
        StoreError::WrongPermit { .. }
    ));
    let other = Resource::new("Finding", "10");
    assert!(matches!(failed(spend(permit(2), Action::FindingClose, other)), StoreError::WrongPermit { .. }));
    let actor = spend(permit(2), Action::FindingClose, finding()).expect("spent");
    assert_eq!(actor.label(), "person:elin");
}

#[test]
fn lingering_collects_more_into_one_commit() {
    let dir = folder();
    let config = Config { linger_ms: 5_000, reserve_mib: 0, ..Config::for_dir(dir.path()) };
    let store = Store::open(&config, &[NOTES], system_clock()).expect("opens");
    assert_eq!(config.linger(), Duration::from_secs(5));
    let (answer, answers) = sync_channel(8);
    for id in 0..8 {
        let answer = answer.clone();
        store.submit(
            "adding",
            move |tx| note(tx, id),
            move |result| answer.send(result).expect("the test listens"),
        );
    }
    // Closing ends the wait, so nothing here depends on the time.
    let observer = store.clone();
    store.shutdown();
    for _ in 0..8 {
        answers.recv().expect("answered").expect("kept");
    }
    assert!(observer.stats().commits < 8, "fewer commits than writes: {}", observer.stats().commits);
}
