//! Killed processes and any schedule of closures: what was answered is there, and nothing else.

use std::path::Path;
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex};

use proptest::prelude::*;

use super::{folder, ids, note, open, records, verify};
use crate::error::StoreError;
use crate::tx::Tx;

/// Name of the variable that makes [`crash_child`] the child of the test below.
const CRASH_DIR: &str = "SITEWARDEN_STORE_CRASH_DIR";

/// Not a test of its own: writes without end and tells what was answered, until it is killed.
#[test]
fn crash_child() {
    use std::io::Write as _;

    let Some(dir) = std::env::var_os(CRASH_DIR) else { return };
    let store = open(Path::new(&dir));
    let first = ids(&store).last().copied().unwrap_or(0) + 1;
    let told = Arc::new(Mutex::new(std::io::stdout()));
    for id in first.. {
        let told = Arc::clone(&told);
        store.submit(
            "adding",
            move |tx| note(tx, id),
            move |result| {
                result.expect("kept");
                let mut told = told.lock().expect("no panic");
                writeln!(told, "acknowledged {id}").and_then(|()| told.flush()).expect("the parent reads");
            },
        );
    }
}

#[test]
fn a_killed_process_loses_nothing_that_was_answered_and_its_log_verifies() {
    use std::io::{BufRead as _, BufReader};
    use std::process::{Command, Stdio};

    let dir = folder();
    let mut told = Vec::new();
    for round in 1..=5 {
        let mut child = Command::new(std::env::current_exe().expect("this test"))
            .args(["--exact", "--nocapture", "store::tests::crash::crash_child"])
            .env(CRASH_DIR, dir.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("started");
        let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let id = |line: std::io::Result<String>| {
            line.ok()
                .and_then(|line| line.split_once("acknowledged ").and_then(|(_, id)| id.parse::<i64>().ok()))
        };
        let before = told.len();
        while told.len() < before + round * 37 {
            let Some(line) = lines.next() else { panic!("the child ended by itself") };
            told.extend(id(line));
        }
        child.kill().expect("killed");
        child.wait().expect("gone");
        // A last line may be cut in the middle; whole ones were told and count.
        told.extend(lines.filter_map(id));

        let store = open(dir.path());
        let stored = ids(&store);
        assert!(told.iter().all(|id| stored.binary_search(id).is_ok()), "round {round}");
        let logged: Vec<i64> =
            records(&store).iter().filter_map(|record| record.body["id"].as_i64()).collect();
        assert_eq!(logged, stored.get(..logged.len()).unwrap_or_default(), "each row has its record");
        store.shutdown();
        let report = verify(dir.path());
        assert!(report.ok(), "{report}");
        assert_eq!(report.records, stored.len() as u64);
    }
}

#[derive(Clone, Copy, Debug)]
enum Way {
    Keep,
    Fail,
    Panic,
    /// Fails on a constraint in the middle of its work and goes on as if nothing were.
    Swallow,
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn in_any_schedule_what_was_answered_ok_is_there_and_nothing_else(
        ways in prop::collection::vec(prop_oneof![Just(Way::Keep), Just(Way::Fail), Just(Way::Panic), Just(Way::Swallow)], 1..60)
    ) {
        let dir = folder();
        let store = open(dir.path());
        let (answer, answers) = sync_channel(ways.len());
        for (id, way) in (1_i64..).zip(ways.iter().copied()) {
            let answer = answer.clone();
            let closure = move |tx: &Tx<'_>| {
                let seq = note(tx, id)?;
                match way {
                    Way::Keep => Ok(seq),
                    Way::Fail => Err(StoreError::LogInconsistent("on purpose".to_owned())),
                    Way::Panic => panic!("on purpose"),
                    Way::Swallow => {
                        let again = tx.sql().execute("INSERT INTO note (id, text) VALUES (?1, 'y')", [id]);
                        assert!(again.is_err(), "the id is taken");
                        Ok(seq)
                    }
                }
            };
            store.submit("trying", closure, move |result| answer.send((id, result.ok())).expect("the test listens"));
        }
        let mut expected = Vec::new();
        let mut seqs = Vec::new();
        for _ in 0..ways.len() {
            let (id, seq) = answers.recv().expect("answered");
            expected.extend(seq.map(|_| id));
            seqs.extend(seq);
        }
        expected.sort_unstable();
        store.shutdown();

        let store = open(dir.path());
        prop_assert_eq!(ids(&store), expected);
        seqs.sort_unstable();
        let stored: Vec<u64> = records(&store).iter().map(|record| record.seq).collect();
        prop_assert_eq!(stored, seqs);
        store.shutdown();
        prop_assert!(verify(dir.path()).ok());
    }
}
