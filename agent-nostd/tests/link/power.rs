//! The whole device under a power cut at every write of its flash.
//!
//! One script (start, enrol, take parameters, raise, clear, drain) runs once for each word and page that it changes; after the
//! cut the device starts again on the same cells.
//! Invariant: a device that was enrolled stays enrolled, and a raised state reaches the site, whenever the power goes.

use sitewarden_agent::wire::statement::{FindingKind, FindingState};
use sitewarden_agent::{Agent, Indication};

use crate::support::flash::Flash;
use crate::support::{BOARD, Pair, Random, Site, cold_room, empty_flash, layout, start};

/// Runs the script on a flash that loses its power after `cut` changes.
fn script(cut: Option<usize>) -> (Pair, bool) {
    let mut random = Random(1);
    let mut flash = empty_flash();
    flash.left = cut;
    // A device that cannot even start is started again with power.
    let first = flash.clone();
    let agent = Agent::start(flash, layout(), BOARD, &mut || random.secret());
    let started = agent.is_ok();
    let agent = agent.unwrap_or_else(|_| start(replayed(first), &mut random));
    let mut pair = Pair { agent, site: Site::new(), now_ms: 0, random };
    offer(&mut pair);
    pair.site.parameters = Some(pair.site.sign_parameters(pair.agent.device(), 1, &[cold_room()], 0));
    pair.run(5_000);
    pair.sample(Some(9000), false);
    pair.run(3_000);
    pair.sample(Some(5000), false);
    pair.run(3_000);
    (pair, started)
}

/// The cells as an interrupted start left them.
fn replayed(flash: Flash) -> Flash {
    let mut random = Random(1);
    let mut cells = None;
    let keep = Keep { flash, cells: &mut cells };
    let _ = keep.start(&mut random);
    cells.expect("the start was interrupted").repowered()
}

/// Starts an agent on a lent flash, so that the cells are there after the start failed.
struct Keep<'c> {
    flash: Flash,
    cells: &'c mut Option<Flash>,
}

impl Keep<'_> {
    fn start(mut self, random: &mut Random) -> bool {
        let started = Agent::start(&mut self.flash, layout(), BOARD, &mut || random.secret()).is_ok();
        *self.cells = Some(self.flash);
        started
    }
}

fn offer(pair: &mut Pair) {
    if let Some(code) = pair.agent.code().cloned() {
        // A code that is known already, or used by this device, stays as it is.
        let _ = pair.site.offer(&code, pair.now_ms, u64::MAX);
    }
}

#[test]
fn a_power_cut_at_any_write_loses_neither_the_enrolment_nor_a_finding() {
    let (mut whole, _) = script(None);
    whole.run(60_000);
    let states: Vec<_> = whole.site.findings.values().map(|(finding, _)| finding.state).collect();
    assert_eq!(states, [FindingState::Raised, FindingState::Cleared]);
    let changed = whole.agent.into_flash().changed;
    assert!(changed > 200, "{changed} cut points");

    for cut in 0..changed {
        let (mut pair, started) = script(Some(cut));
        let was_enrolled = pair.agent.indication() != Indication::NotEnrolled;
        let device = pair.agent.device();
        pair.restart_agent();
        pair.site.restart();
        if started {
            assert_eq!(pair.agent.device(), device, "cut {cut}: the device keeps its keys");
        }
        if was_enrolled {
            assert_ne!(pair.agent.indication(), Indication::NotEnrolled, "cut {cut}: it stays enrolled");
        }
        offer(&mut pair);
        pair.site.parameters = Some(pair.site.sign_parameters(pair.agent.device(), 1, &[cold_room()], 0));
        pair.run(70_000);
        // The state of the world is told again by the sensor: too warm, then well.
        pair.sample(Some(9000), false);
        pair.run(70_000);
        pair.sample(Some(5000), false);
        pair.run(70_000);

        assert_eq!(pair.agent.parameters(), 1, "cut {cut}");
        assert_eq!((pair.agent.queued(), pair.agent.indication()), (0, Indication::Well), "cut {cut}");
        let told: Vec<_> = pair
            .site
            .findings
            .values()
            .filter(|(finding, _)| finding.kind != FindingKind::Lost)
            .map(|(finding, _)| finding.state)
            .collect();
        assert!(told.contains(&FindingState::Raised), "cut {cut}: {told:?}");
        assert_eq!(told.last(), Some(&FindingState::Cleared), "cut {cut}: {told:?}");
    }
}
