//! The signals that end the gateway.
//!
//! Listened to before the box says that it is ready: whoever hears that may end it at once, and it ends well.

use tokio::signal::unix::{Signal, SignalKind, signal};

/// SIGTERM and SIGINT from now on.
pub(super) struct Signals {
    terminate: Option<Signal>,
    interrupt: Option<Signal>,
}

impl Signals {
    /// Begins to listen, inside the runtime.
    pub(super) fn listen() -> Self {
        let listen = |kind| match signal(kind) {
            Ok(signal) => Some(signal),
            Err(error) => {
                tracing::warn!(%error, "a signal cannot be waited for");
                None
            }
        };
        Self { terminate: listen(SignalKind::terminate()), interrupt: listen(SignalKind::interrupt()) }
    }

    /// Waits for one, and says how it was told.
    pub(super) async fn told(&mut self) -> &'static str {
        tokio::select! {
            () = next(&mut self.terminate) => "told to end",
            () = next(&mut self.interrupt) => "interrupted",
        }
    }
}

async fn next(signal: &mut Option<Signal>) {
    match signal {
        Some(signal) => {
            signal.recv().await;
        }
        None => std::future::pending().await,
    }
}
