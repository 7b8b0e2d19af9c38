//! A snapshot and the calls since, as a log keeps them, are as good as an engine that was never killed.
//!
//! Not how a log is kept. The streams and the rules are those of the property above.

use super::*;

/// A call as a log of calls would keep it.
enum Call {
    Event(Now, Event),
    Timeout(Now),
}

impl Call {
    fn make(&self, engine: &mut Engine, out: &mut Vec<FindingDraft>) {
        match self {
            Self::Event(now, event) => engine.handle_event(event, *now, out),
            Self::Timeout(now) => engine.handle_timeout(*now, out),
        }
    }
}

/// Plays events and logs the calls that the engine says it was touched by; gives how many it left out.
fn play_logged(
    engine: &mut Engine,
    events: &[(Now, Event)],
    log: &mut Vec<Call>,
    out: &mut Vec<FindingDraft>,
) -> usize {
    let mut left_out = 0;
    let mut make = |engine: &mut Engine, call: Call, out: &mut Vec<FindingDraft>| {
        let before = engine.touched();
        call.make(engine, out);
        if engine.touched() == before {
            left_out += 1;
        } else {
            log.push(call);
        }
    };
    for (now, event) in events {
        while let Some(due) = engine.next_deadline().filter(|due| *due <= now.mono) {
            let wall = now.wall.before(now.mono.since(due));
            make(engine, Call::Timeout(Now { wall, mono: due }), out);
        }
        make(engine, Call::Event(*now, event.clone()), out);
    }
    left_out
}

#[test]
fn a_snapshot_and_the_calls_that_touched_the_engine_since_are_as_good_as_no_kill() {
    let set = set();
    let mut left_out = 0;
    for seed in 1..=8 {
        // Events of which no rule remembers anything stand between the others.
        let mut events = stream(seed, 160);
        for (_, event) in events.iter_mut().step_by(4) {
            event.source = LogSource::own("broker");
        }
        let mut whole = engine(&set);
        let mut expected = Vec::new();
        play(&mut whole, &events, &mut expected);

        let mut dice = Dice(seed ^ 0xfeed);
        let (mut engine, mut out) = (engine(&set), Vec::new());
        let mut snapshot = (engine.snapshot(), engine.time());
        let mut log = Vec::new();
        let mut rest = events.as_slice();
        while !rest.is_empty() {
            let (head, tail) = rest.split_at((1 + dice.roll(25) as usize).min(rest.len()));
            left_out += play_logged(&mut engine, head, &mut log, &mut out);
            if dice.roll(3) == 0 {
                snapshot = (engine.snapshot(), engine.time());
                log.clear();
            }
            // A kill: the snapshot, and from it on every call again.
            let now = Now { wall: Timestamp::from_seconds(BEGIN), mono: snapshot.1 };
            engine = Engine::restore(set.clone(), Limits::default(), &snapshot.0, now).expect("restored");
            for call in &log {
                call.make(&mut engine, &mut Vec::new());
            }
            rest = tail;
        }
        assert_eq!(told(&out), told(&expected), "seed {seed}");
    }
    assert!(left_out > 100, "calls that need no log must be left out: {left_out}");
}

#[test]
fn rules_that_begin_anew_forget_alone_and_marks_say_which_rules_they_are() {
    let set = set();
    let mut engine = engine(&set);
    play(&mut engine, &stream(5, 80), &mut Vec::new());
    let marks: Vec<u64> = engine.marks().collect();
    let distinct: std::collections::BTreeSet<_> = marks.iter().collect();
    assert_eq!(distinct.len(), marks.len());
    assert!(marks.len() < set.len(), "rules without state have none");

    let keys = engine.keys();
    engine.begin_anew(|_| false);
    assert_eq!(engine.keys(), keys);
    let rate = marks[3];
    engine.begin_anew(|mark| mark == rate);
    assert!(engine.keys() < keys);
    engine.begin_anew(|_| true);
    let waits_for_the_inventory = 4;
    assert_eq!(engine.keys(), waits_for_the_inventory, "what the inventory names is waited for again");
}
