//! The thread over a simulated board with a clock that the tests turn.

use std::sync::Mutex;

use super::*;
use crate::file::shipped;
use crate::sim::Sim;

/// A board without its thread: the tests turn it.
struct Bench {
    runner: Runner,
    now: Arc<Mutex<Now>>,
    told: watch::Sender<Arc<Snapshot>>,
    events: mpsc::Receiver<Event>,
}

impl Bench {
    fn new(room: usize) -> Self {
        let description = Arc::new(shipped("sim").unwrap());
        let now = Arc::new(Mutex::new(Now::default()));
        let clock = Arc::clone(&now);
        let (sender, events) = mpsc::channel(room);
        let backend = Box::new(Sim::new(&description));
        let clock: Clock = Arc::new(move || *clock.lock().unwrap());
        let runner = Runner::new(description, backend, clock, sender);
        let told = watch::channel(Arc::new(runner.snapshot())).0;
        Self { runner, now, told, events }
    }

    fn turn(&mut self, millis: u64) -> Arc<Snapshot> {
        let time = Duration::from_millis(millis);
        let mut now = self.now.lock().unwrap();
        *now = Now { wall: now.wall.after(time), mono: now.mono.after(time) };
        drop(now);
        self.runner.turn(&self.told);
        Arc::clone(&self.told.borrow())
    }

    fn told(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.events.try_recv().ok())
            .map(|event| {
                let text: Vec<_> = event.fields.iter().map(|(_, value)| format!("{value:?}")).collect();
                text.join(" ")
            })
            .collect()
    }
}

#[test]
fn a_full_queue_of_the_rules_delays_a_contact_and_loses_no_change_of_it() {
    let mut bench = Bench::new(1);
    bench.turn(0);
    bench.runner.backend.drive("tamper", Drive::Active(true)).unwrap();
    bench.turn(100);
    bench.runner.backend.drive("tamper", Drive::Active(false)).unwrap();
    bench.turn(100);

    let mut told = Vec::new();
    for _ in 0..10 {
        told.extend(bench.told());
        bench.turn(1);
    }

    let tamper: Vec<_> = told.iter().filter(|line| line.contains("\"tamper\"")).collect();
    assert_eq!(tamper.len(), 3, "shut, open, shut: {told:?}");
    assert!(bench.turn(1).events_lost > 0, "measurements were lost and counted");
}

#[test]
fn locating_stands_above_the_state_and_ends_by_itself() {
    let mut bench = Bench::new(100);
    bench.runner.base = LedState::Warning;
    assert_eq!(bench.turn(100).state, LedState::Warning);
    let until = { bench.now.lock().unwrap().mono.after(Duration::from_secs(10)) };
    bench.runner.locate_until = Some(Now { wall: Timestamp::default(), mono: until });

    let states: Vec<LedState> = (0..102).map(|_| bench.turn(100).state).collect();

    assert_eq!(states.first(), Some(&LedState::Locate));
    assert_eq!(states.last(), Some(&LedState::Warning));
    assert_eq!(states.iter().filter(|state| **state == LedState::Locate).count(), 99);
}

#[tokio::test]
async fn driving_is_answered_when_the_board_shows_it_and_the_thread_ends_when_told() {
    let description = Arc::new(shipped("sim").unwrap());
    let (sender, mut events) = mpsc::channel(100);
    let clock: Clock = Arc::new(Now::default);
    let (handle, thread) =
        spawn(Arc::clone(&description), Box::new(Sim::new(&description)), clock, sender).unwrap();

    handle.drive("cpu".to_owned(), Drive::Number(91.5)).await.unwrap();

    assert_eq!(handle.snapshot().temperatures.first().unwrap().value, Some(91.5));
    let refused = handle.drive("cpu".to_owned(), Drive::Active(true)).await.expect_err("a flag");
    assert_eq!(refused.to_string(), "the input \"cpu\" takes degrees Celsius");
    let refused = handle.drive("door".to_owned(), Drive::Active(true)).await.expect_err("unknown");
    assert_eq!(refused.to_string(), "the board has no input \"door\"");
    assert!(events.recv().await.is_some());
    handle.stop();
    thread.join().unwrap();
    assert!(!handle.is_alive());
    assert!(matches!(handle.locate(Duration::from_secs(1)).await, Err(BoardError::Busy)));
}
