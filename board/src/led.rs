//! Which light is on when: pure.
//!
//! A board has one light or several of any colour; each state has a light that it prefers and a rhythm of its own,
//! so that one light alone tells all states. Invariant: at most one light is on, and two states never look
//! the same on the same light.

use std::time::Duration;

use crate::file::Colour;

/// What the light says, the first that holds counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LedState {
    /// "Here I am": somebody looks for this box.
    Locate,
    /// New software is being installed: do not cut the power.
    Updating,
    /// Somebody must look: the verdict is not "all clear".
    Warning,
    /// All clear here, but nothing reaches the cloud.
    NoUplink,
    /// All clear.
    Ok,
}

impl LedState {
    /// All, in their order.
    pub const ALL: [Self; 5] = [Self::Locate, Self::Updating, Self::Warning, Self::NoUplink, Self::Ok];

    /// The word of the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Locate => "locate",
            Self::Updating => "updating",
            Self::Warning => "warning",
            Self::NoUplink => "no-uplink",
            Self::Ok => "ok",
        }
    }

    /// Length of one turn of the rhythm and, within it, from when to when the light is on, in milliseconds.
    const fn rhythm(self) -> (u64, &'static [(u64, u64)]) {
        match self {
            // Two flashes.
            Self::Locate => (1_000, &[(0, 100), (200, 300)]),
            // Fast and even.
            Self::Updating => (400, &[(0, 200)]),
            // Slow and even.
            Self::Warning => (1_000, &[(0, 500)]),
            // On, with a short gap.
            Self::NoUplink => (2_000, &[(0, 1_800)]),
            Self::Ok => (1_000, &[(0, 1_000)]),
        }
    }

    const fn colours(self) -> &'static [Colour] {
        match self {
            Self::Locate => &[Colour::Blue, Colour::White],
            Self::Updating | Self::Warning => &[Colour::Amber, Colour::Red],
            Self::NoUplink | Self::Ok => &[Colour::Green],
        }
    }
}

/// For each light of the board, whether it is on, so long after the state began.
#[must_use]
pub fn lights(state: LedState, colours: &[Colour], since: Duration) -> Vec<bool> {
    let wanted = state.colours().iter().find_map(|wanted| colours.iter().position(|has| has == wanted));
    let position = wanted.unwrap_or(0);
    let (turn, on) = state.rhythm();
    let at = u64::try_from(since.as_millis()).unwrap_or(u64::MAX) % turn;
    let lit = on.iter().any(|(from, to)| (*from..*to).contains(&at));
    (0..colours.len()).map(|led| led == position && lit).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn film(state: LedState, colours: &[Colour]) -> Vec<Vec<bool>> {
        (0..40).map(|step| lights(state, colours, Duration::from_millis(step * 100))).collect()
    }

    #[test]
    fn one_light_of_any_colour_tells_all_states() {
        for colour in [Colour::Green, Colour::Amber, Colour::Red, Colour::Blue, Colour::White] {
            let films: Vec<_> = LedState::ALL.iter().map(|state| film(*state, &[colour])).collect();
            for (position, one) in films.iter().enumerate() {
                assert!(films.iter().skip(position + 1).all(|other| other != one), "{colour:?}: {position}");
                assert!(one.iter().flatten().any(|on| *on), "{colour:?}: {position} is dark");
            }
        }
    }

    #[test]
    fn each_state_takes_the_light_that_people_expect_and_no_other() {
        let colours = [Colour::Green, Colour::Red, Colour::Blue];
        for (state, wanted) in
            [(LedState::Ok, 0), (LedState::NoUplink, 0), (LedState::Warning, 1), (LedState::Locate, 2)]
        {
            for frame in film(state, &colours) {
                assert!(
                    frame.iter().enumerate().all(|(led, on)| !on || led == wanted),
                    "{state:?}: {frame:?}"
                );
            }
        }
    }

    #[test]
    fn ok_is_steady_and_a_board_without_lights_has_none() {
        assert!(film(LedState::Ok, &[Colour::Green]).iter().all(|frame| frame == &[true]));
        assert!(lights(LedState::Locate, &[], Duration::MAX).is_empty());
    }
}
