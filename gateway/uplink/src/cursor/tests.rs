//! The cursor against a model of a cloud that loses, refuses, lies, is restored from backups, and a box that is killed.
//!
//! No sockets. The model keeps what is durable on either side; whatever happened, once things go well again the cloud
//! has every record once and in order.

use proptest::prelude::*;

use super::*;

/// What the box keeps on disk.
#[derive(Clone, Copy, Debug, Default)]
struct Disk {
    acknowledged: u64,
    sent_through: u64,
}

/// A cloud that stores records 1 to `has`, as the contract says; more than it lacks it skips, a gap it refuses.
#[derive(Clone, Copy, Debug, Default)]
struct Cloud {
    has: u64,
}

/// What happens to one call.
#[derive(Clone, Copy, Debug)]
enum Fate {
    Well,
    /// The request never arrives.
    LostBefore,
    /// It is carried out, the answer is lost.
    LostAfter,
    /// It is carried out, the box is killed before it hears of it.
    KilledAfter,
    /// The box is killed after it kept what it is about to send.
    KilledBefore,
    /// It is not carried out, and the cloud says 413.
    TooLarge,
    /// 429 with a long wait.
    Throttled,
    /// It is carried out for the first records only.
    Partly(u64),
    /// It is carried out, but the answer is about another batch.
    OtherAnswer(u64),
    /// The cloud is restored from a backup with so much less.
    Restored(u64),
}

fn fate() -> impl Strategy<Value = Fate> {
    prop_oneof![
        4 => Just(Fate::Well),
        2 => Just(Fate::LostBefore),
        2 => Just(Fate::LostAfter),
        2 => Just(Fate::KilledAfter),
        1 => Just(Fate::KilledBefore),
        2 => Just(Fate::TooLarge),
        1 => Just(Fate::Throttled),
        1 => (0_u64..50).prop_map(Fate::Partly),
        1 => (0_u64..3_000).prop_map(Fate::OtherAnswer),
        1 => (0_u64..1_500).prop_map(Fate::Restored),
    ]
}

struct World {
    now: Monotonic,
    log: u64,
    disk: Disk,
    cloud: Cloud,
    cursor: Cursor,
    /// Sends since the start, for bounds.
    sends: u32,
    restored: bool,
    lied: bool,
}

impl World {
    fn new() -> Self {
        let now = Monotonic::from_micros(1);
        let cursor = Cursor::new(now, 0, 0);
        Self {
            now,
            log: 0,
            disk: Disk::default(),
            cloud: Cloud::default(),
            cursor,
            sends: 0,
            restored: false,
            lied: false,
        }
    }

    fn kill(&mut self) {
        self.cursor = Cursor::new(self.now, self.disk.acknowledged, self.disk.sent_through);
    }

    fn keep(&mut self) {
        self.disk.acknowledged = self.cursor.acknowledged;
    }

    fn fail(&mut self, kind: FailureKind, retry_after: Option<Duration>) {
        self.cursor.failed(self.now, &Failure { kind, retry_after, words: "said".into() }, u64::MAX / 2);
    }

    /// The cloud takes `first..=last`; `None` is the answer to a gap.
    fn push(&mut self, first: u64, last: u64) -> Option<u64> {
        if first > self.cloud.has + 1 {
            return None;
        }
        self.cloud.has = self.cloud.has.max(last);
        Some(self.cloud.has + 1)
    }

    fn step(&mut self, fate: Fate) {
        if let Fate::Restored(less) = fate {
            self.cloud.has = self.cloud.has.saturating_sub(less);
            self.restored = true;
        }
        self.cursor.log_is(self.now, self.log, 0);
        match self.cursor.next(self.now) {
            Step::Wait(until) => {
                assert!(until > self.now, "a wait ends later");
                assert!(until.since(self.now) <= STOPPED_RETRY, "and within the hour");
                self.now = until;
            }
            Step::AskCursor => match fate {
                Fate::LostBefore | Fate::LostAfter | Fate::TooLarge => {
                    self.fail(FailureKind::Unavailable, None)
                }
                Fate::KilledBefore | Fate::KilledAfter => self.kill(),
                Fate::OtherAnswer(next) => {
                    self.lied = true;
                    self.cursor.cursor_answer(self.now, next);
                    self.keep();
                }
                _ => {
                    self.cursor.cursor_answer(self.now, self.cloud.has + 1);
                    self.keep();
                }
            },
            Step::Heartbeat => match fate {
                Fate::Well => self.cursor.heartbeat_answer(self.now, self.cloud.has + 1),
                _ => self.fail(FailureKind::Unavailable, None),
            },
            Step::Send { after, records, bytes } => self.send(fate, after, records, bytes),
        }
    }

    fn send(&mut self, fate: Fate, after: u64, records: usize, bytes: usize) {
        assert_eq!(after, self.cursor.acknowledged, "a batch begins behind what is acknowledged");
        assert!(records >= 1 && bytes >= 1 && after < self.log);
        self.sends += 1;
        let (first, last) = (after + 1, self.log.min(after + records as u64));
        self.cursor.sending(last);
        self.disk.sent_through = self.disk.sent_through.max(last);
        match fate {
            Fate::KilledBefore => return self.kill(),
            Fate::LostBefore => return self.fail(FailureKind::Unavailable, None),
            Fate::TooLarge => {
                let records = usize::try_from(last - after).expect("small");
                return self.fail(FailureKind::TooLarge { records, bytes: records * 100 }, None);
            }
            Fate::Throttled => {
                return self.fail(FailureKind::Unavailable, Some(Duration::from_secs(100_000)));
            }
            _ => {}
        }
        let end = if let Fate::Partly(few) = fate { last.min(first + few) } else { last };
        let Some(next) = self.push(first, end) else {
            return self.fail(FailureKind::Unavailable, None);
        };
        match fate {
            Fate::LostAfter => self.fail(FailureKind::Unavailable, None),
            Fate::KilledAfter => self.kill(),
            Fate::OtherAnswer(other) => {
                self.lied = true;
                self.cursor.batch_answer(self.now, first, last, other, 7);
                self.keep();
            }
            _ => {
                self.cursor.batch_answer(self.now, first, last, next, 7);
                self.keep();
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_nothing_is_lost_nothing_doubled_and_the_order_kept(
        story in prop::collection::vec((fate(), 0_u64..700, 0_u64..3_000_000), 0..120)
    ) {
        let mut world = World::new();
        for (fate, grown, micros) in story {
            world.log += grown;
            world.now = world.now.after(Duration::from_micros(micros));
            world.step(fate);
            if !world.restored && !world.lied {
                prop_assert!(world.cursor.acknowledged <= world.cloud.has, "acknowledged is what the cloud has");
                prop_assert!(world.disk.acknowledged <= world.cloud.has);
            }
            prop_assert!(world.cursor.sent_through <= world.log);
        }
        // From now on all goes well: within a day of the model's time the cloud has everything.
        let end = world.now.after(Duration::from_secs(86_400));
        let done = |world: &World| {
            world.cloud.has == world.log
                && world.cursor.acknowledged == world.log
                && world.cursor.state() == State::Connected
                && world.cursor.problem().is_none()
        };
        while world.now < end && !done(&world) {
            world.step(Fate::Well);
        }
        prop_assert_eq!(world.cloud.has, world.log);
        prop_assert_eq!(world.cursor.acknowledged, world.log);
        prop_assert_eq!(world.cursor.state(), State::Connected);
        prop_assert_eq!(world.cursor.problem(), None);
    }
}

fn ready(log: u64) -> (Cursor, Monotonic) {
    let now = Monotonic::from_micros(1_000);
    let mut cursor = Cursor::new(now, 0, 0);
    cursor.log_is(now, log, 0);
    assert_eq!(cursor.next(now), Step::AskCursor);
    assert_eq!(cursor.cursor_answer(now, 1), Moved::To(0));
    assert_eq!(cursor.next(now), Step::Heartbeat);
    cursor.heartbeat_answer(now, 1);
    (cursor, now)
}

#[test]
fn a_batch_goes_when_it_is_full_or_a_second_old() {
    let (mut cursor, now) = ready(3);
    assert_eq!(cursor.next(now), Step::Wait(now.after(BATCH_AGE)));
    assert!(!cursor.is_woken_by(4), "it waits for the second to be over");
    assert!(cursor.is_woken_by(BATCH_RECORDS as u64), "or the batch to be full");
    let later = now.after(BATCH_AGE);
    assert_eq!(cursor.next(later), Step::Send { after: 0, records: BATCH_RECORDS, bytes: BATCH_BYTES });
    cursor.log_is(now, BATCH_RECORDS as u64, 0);
    assert!(matches!(cursor.next(now), Step::Send { .. }), "full");
}

#[test]
fn a_batch_that_is_too_large_is_halved_at_once_and_grows_again() {
    let (mut cursor, now) = ready(5_000);
    let too_large = |records| Failure {
        kind: FailureKind::TooLarge { records, bytes: records * 200 },
        retry_after: None,
        words: "413".into(),
    };
    cursor.failed(now, &too_large(1_000), 0);
    assert_eq!(cursor.next(now), Step::Send { after: 0, records: 500, bytes: 100_000 });
    assert_eq!(cursor.problem(), Some("413"));
    cursor.failed(now, &too_large(500), 0);
    cursor.sending(250);
    assert_eq!(cursor.batch_answer(now, 1, 250, 251, 0), Moved::To(250));
    assert_eq!(cursor.next(now), Step::Send { after: 250, records: 500, bytes: 100_000 });
    cursor.failed(now, &too_large(1), u64::MAX);
    assert!(matches!(cursor.next(now), Step::Wait(_)), "one record cannot be halved: it waits");
}

#[test]
fn waits_double_are_bounded_and_follow_retry_after_up_to_an_hour() {
    let wait = |cursor: &Cursor, now| match cursor.next(now) {
        Step::Wait(until) => until.since(now),
        other => panic!("{other:?}"),
    };
    let (mut cursor, now) = ready(1);
    let mut waits = Vec::new();
    for _ in 0..40 {
        cursor.failed(now, &Failure::unavailable("500"), u64::MAX);
        waits.push(wait(&cursor, now).as_secs_f64().round());
    }
    assert_eq!(waits[..5], [1.0, 2.0, 4.0, 8.0, 16.0]);
    assert!(waits[9..].iter().all(|wait| (*wait - 300.0).abs() < 1.0), "{waits:?}");
    cursor.failed(now, &Failure::unavailable("500"), 0);
    assert_eq!(wait(&cursor, now), BACK_OFF_MIN / 10, "full jitter, but never at once");
    let asked = Failure { retry_after: Some(Duration::from_secs(900)), ..Failure::unavailable("429") };
    cursor.failed(now, &asked, 0);
    assert_eq!(wait(&cursor, now), Duration::from_secs(900));
    let day = Failure { retry_after: Some(Duration::from_secs(86_400)), ..Failure::unavailable("429") };
    cursor.failed(now, &day, 0);
    assert_eq!(wait(&cursor, now), RETRY_AFTER_MAX);
    assert_eq!(cursor.state(), State::Waiting);
}

#[test]
fn a_cloud_that_claims_more_than_was_sent_stops_the_uplink_and_says_so() {
    let (mut cursor, now) = ready(100);
    assert_eq!(cursor.cursor_answer(now, 51), Moved::Not);
    assert_eq!(cursor.state(), State::Stopped);
    assert!(
        cursor.problem().is_some_and(|words| words.contains("up to 50") && words.contains("nothing is sent"))
    );
    assert_eq!(cursor.next(now), Step::Wait(now.after(STOPPED_RETRY)));
    let later = now.after(STOPPED_RETRY);
    assert_eq!(cursor.next(later), Step::AskCursor, "it looks again, in case somebody repaired it");
    assert_eq!(cursor.cursor_answer(later, 1), Moved::To(0));
    assert_ne!(cursor.state(), State::Stopped);
}

#[test]
fn a_restored_cloud_gets_its_records_again_and_a_gap_stops() {
    let now = Monotonic::from_micros(1);
    let mut cursor = Cursor::new(now, 80, 80);
    cursor.log_is(now, 80, 40);
    assert_eq!(cursor.cursor_answer(now, 61), Moved::Back { from: 80, to: 60 });
    assert!(cursor.problem().is_some_and(|words| words.contains("61 to 80")), "{:?}", cursor.problem());
    assert_eq!(cursor.acknowledged(), 60);
    assert_eq!(cursor.cursor_answer(now, 11), Moved::Not);
    assert_eq!((cursor.state(), cursor.acknowledged()), (State::Stopped, 60));
}

#[test]
fn a_contradiction_stops_and_a_refusal_waits_long() {
    let (mut cursor, now) = ready(9);
    let failure = |kind| Failure { kind, retry_after: None, words: "why".into() };
    cursor.failed(now, &failure(FailureKind::Contradiction), 0);
    assert_eq!((cursor.state(), cursor.problem()), (State::Stopped, Some("why")));
    let (mut cursor, now) = ready(9);
    cursor.failed(now, &failure(FailureKind::Refused), u64::MAX);
    assert!(cursor.next_try(now).is_some_and(|at| at.since(now) > Duration::from_secs(250)));
}
