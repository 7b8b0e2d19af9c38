//! The queue under power cuts at every write, a full range, and damage.
//!
//! The cut test runs one script once for each word and page that it changes.
//! Invariant: what `push` confirmed is there, in order and whole, until `pop` confirmed.

use super::*;
use crate::testing::{Flash, PAGE};
use std::vec::Vec;

const PAGES: usize = 4;

fn queue() -> Queue {
    Queue::new::<Flash>(0..(PAGES * PAGE) as u32).unwrap()
}

/// A finding's bytes: of its own length and content, so that a torn or mixed one is noticed.
fn cose(sequence: u64) -> Vec<u8> {
    (0..150 + (sequence as usize * 37) % 110).map(|at| (sequence as usize * 7 + at) as u8).collect()
}

fn drain(queue: &Queue, flash: &mut Flash) -> Vec<u64> {
    let mut all = Vec::new();
    let mut buffer = [0; QUEUE_ENTRY];
    while let Some(entry) = queue.peek(flash, &mut buffer).unwrap() {
        assert_eq!(entry.cose, cose(entry.sequence), "finding {} is not whole", entry.sequence);
        all.push(entry.sequence);
        queue.pop(flash).unwrap();
    }
    all
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Step {
    Push(u64),
    Pop,
}

/// Fills two pages, frees as it goes, and goes once round the range.
fn script() -> Vec<Step> {
    let mut steps = Vec::new();
    for sequence in 0..6 {
        steps.push(Step::Push(sequence));
    }
    for sequence in 6..22 {
        steps.extend([Step::Pop, Step::Push(sequence)]);
    }
    steps
}

/// Runs the script until the power goes: what must be there, and the step during which it went.
fn run(flash: &mut Flash) -> (Vec<u64>, Option<Step>) {
    let queue = queue();
    let mut there = Vec::new();
    for step in script() {
        let done = match step {
            Step::Push(sequence) => queue.push(flash, sequence, &cose(sequence)),
            Step::Pop => queue.pop(flash),
        };
        if done.is_err() {
            return (there, Some(step));
        }
        match step {
            Step::Push(sequence) => there.push(sequence),
            Step::Pop => drop(there.remove(0)),
        }
    }
    (there, None)
}

#[test]
fn a_power_cut_at_any_write_loses_no_confirmed_finding() {
    let mut whole = Flash::new(PAGES);
    assert_eq!(run(&mut whole), ((16..22).collect(), None));
    assert!(whole.changed > 1000, "{} cut points", whole.changed);

    for cut in 0..whole.changed {
        let mut flash = Flash::new(PAGES);
        flash.left = Some(cut);
        let (there, step) = run(&mut flash);
        let mut flash = flash.repowered();

        let queue = queue();
        assert_eq!(queue.push(&mut flash, 99, &cose(99)), Ok(()), "cut {cut}: the queue works on");
        let found = drain(&queue, &mut flash);

        let mut expected = there.clone();
        expected.push(99);
        let mut with_step = there;
        match step.expect("the cut is inside the script") {
            Step::Push(sequence) => with_step.push(sequence),
            Step::Pop => drop(with_step.remove(0)),
        }
        with_step.push(99);
        assert!(found == expected || found == with_step, "cut {cut} in {step:?}: {found:?}");
    }
}

#[test]
fn a_full_queue_refuses_the_new_and_keeps_the_old() {
    let (queue, mut flash) = (queue(), Flash::new(PAGES));
    let mut stored = 0;
    let refused = loop {
        match queue.push(&mut flash, stored, &cose(stored)) {
            Ok(()) => stored += 1,
            Err(error) => break error,
        }
    };

    assert_eq!(refused, FlashError::Full);
    assert!(stored >= 12, "{stored} findings in {PAGES} KiB");
    assert_eq!(u64::from(queue.count(&mut flash).unwrap()), stored);
    assert_eq!(drain(&queue, &mut flash), (0..stored).collect::<Vec<_>>());
    assert_eq!(queue.push(&mut flash, stored, &cose(stored)), Ok(()), "there is room again");
}

#[test]
fn the_largest_finding_fits() {
    let (queue, mut flash) = (queue(), Flash::new(PAGES));
    let largest = [0xa5; QUEUE_ENTRY - 8];
    queue.push(&mut flash, 7, &largest).unwrap();

    let mut buffer = [0; QUEUE_ENTRY];
    let entry = queue.peek(&mut flash, &mut buffer).unwrap().unwrap();

    assert_eq!((entry.sequence, entry.cose), (7, largest.as_slice()));
}

#[test]
fn a_layout_that_does_not_fit_the_pages_is_refused() {
    assert_eq!(Queue::new::<Flash>(0..100).err(), Some(FlashError::Layout));
    assert_eq!(Queue::new::<Flash>(4..1024).err(), Some(FlashError::Layout));
}
