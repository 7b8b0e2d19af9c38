//! The box's own hardware: chosen by configuration, driven by the board crate, its light set by the verdict.
//!
//! A board that cannot be opened never stops the gateway: it becomes an event for the rules, a part of
//! `/health` and a text on the diagnostics page. Simulated and recorded boards stand in for a real one only in
//! the demo and in development.

use std::sync::Arc;
use std::time::Duration;

use sitewarden_board::runner::Clock as BoardClock;
use sitewarden_board::watch::board_failed;
use sitewarden_board::{BackendKind, Description, Handle, LedState, Snapshot, shipped};
use sitewarden_core::Event;
use sitewarden_core::error::chain;
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::config;
use crate::web::{Site, overview};

/// How often the light follows the verdict.
const VERDICT_LOOK: Duration = Duration::from_secs(2);

/// The board of this box, or why there is none.
#[derive(Clone, Default)]
pub(crate) struct Board {
    handle: Option<Handle>,
    error: Option<Arc<str>>,
    development: bool,
}

impl Board {
    /// Opens the configured board and starts its thread. Without configuration the demo has a simulated one and
    /// any other box none.
    pub(crate) fn start(config: &config::Board, demo: bool, clock: Clock, own: &mpsc::Sender<Event>) -> Self {
        let development = demo || config.development;
        let none = Self { development, ..Self::default() };
        match open(config, demo, clock, own) {
            Ok(Some(handle)) => Self { handle: Some(handle), ..none },
            Ok(None) => none,
            Err(error) => {
                tracing::error!(error, "the board is not watched");
                // A full queue loses the event for the rules; the health page has it.
                let _ = own.try_send(board_failed(&error, clock.now()));
                Self { error: Some(error.into()), ..none }
            }
        }
    }

    /// The running board.
    pub(crate) fn handle(&self) -> Option<&Handle> {
        self.handle.as_ref()
    }

    /// What the board shows now.
    pub(crate) fn snapshot(&self) -> Option<Arc<Snapshot>> {
        self.handle.as_ref().map(Handle::snapshot)
    }

    /// Why there is no board although one was asked for, or what of it fails.
    pub(crate) fn problem(&self) -> Option<String> {
        if let Some(error) = &self.error {
            return Some(error.to_string());
        }
        let handle = self.handle.as_ref()?;
        if !handle.is_alive() {
            return Some("the board's thread has ended; restart the gateway".to_owned());
        }
        let snapshot = handle.snapshot();
        let failed: Vec<String> =
            snapshot.failed.iter().map(|(name, why)| format!("{name}: {why}")).collect();
        (!failed.is_empty()).then(|| failed.join("; "))
    }

    /// Whether inputs may be set over the API: a simulated board in development or the demo.
    pub(crate) fn is_drivable(&self) -> bool {
        self.development
            && self.snapshot().is_some_and(|snapshot| snapshot.description.backend == BackendKind::Sim)
    }

    /// Ends the thread; the lights go dark.
    pub(crate) fn stop(&self) {
        if let Some(handle) = &self.handle {
            handle.stop();
        }
    }
}

fn open(
    config: &config::Board,
    demo: bool,
    clock: Clock,
    own: &mpsc::Sender<Event>,
) -> Result<Option<Handle>, String> {
    let description = match (&config.file, &config.name) {
        (Some(file), _) => Description::read(file),
        (None, Some(name)) => shipped(name),
        (None, None) if demo => shipped("sim"),
        (None, None) => return Ok(None),
    };
    let description = Arc::new(description.map_err(|error| chain(&error))?);
    if description.backend != BackendKind::Linux && !demo && !config.development {
        return Err(format!(
            "the board is {}, and what it shows is played: use a real one, or set board.development = true",
            description.backend.as_str()
        ));
    }
    let backend = sitewarden_board::open(&description).map_err(|error| chain(&error))?;
    let clocks: BoardClock = Arc::new(move || clock.now());
    let (handle, _) = sitewarden_board::spawn(description, backend, clocks, own.clone())
        .map_err(|error| format!("its thread cannot be started: {error}"))?;
    Ok(Some(handle))
}

/// Lets the light follow the verdict, until the site stops.
pub(crate) fn follow_verdict(site: Site, stop: CancellationToken) {
    let Some(handle) = site.board.handle().cloned() else { return };
    tokio::spawn(stop.run_until_cancelled_owned(async move {
        let mut ticks = interval(VERDICT_LOOK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            handle.show(light(&site).await);
        }
    }));
}

/// What the light says when nobody looks for the box. A box that cannot tell warns.
async fn light(site: &Site) -> LedState {
    let clear = overview::all_clear(site).await.unwrap_or_else(|error| {
        tracing::warn!(error = error.detail(), "the light cannot follow the verdict");
        false
    });
    said(clear, site.ground.uplink.status().state)
}

/// The site comes before the cloud; a box without a cloud misses none.
fn said(clear: bool, uplink: &str) -> LedState {
    match (clear, uplink) {
        (false, _) => LedState::Warning,
        (true, "waiting" | "stopped") => LedState::NoUplink,
        (true, _) => LedState::Ok,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_light_says_the_site_first_and_then_the_uplink() {
        assert_eq!(said(true, "not-registered"), LedState::Ok);
        assert_eq!(said(true, "connected"), LedState::Ok);
        assert_eq!(said(true, "waiting"), LedState::NoUplink);
        assert_eq!(said(true, "stopped"), LedState::NoUplink);
        assert_eq!(said(false, "waiting"), LedState::Warning);
    }
}
