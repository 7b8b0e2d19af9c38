//! One open line, from its first byte to its end: reads, lets the session handle, writes.
//!
//! Knows no protocol. Invariants: after each frame its answer is written before the next is looked at; nobody is waited
//! for without a bound.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::time::{sleep, timeout};

use super::session::Session;
use crate::limits::{LINE_READ_BYTES, LINE_WRITE};

/// Why a line ended.
#[derive(Debug)]
pub(super) enum End {
    /// The other side closed it, or it was unplugged.
    Closed,
    /// The system says why.
    Failed(std::io::Error),
    /// It does not take what is written.
    Stuck,
    /// Nobody proved a key in time, or nobody spoke.
    Silent,
}

impl std::fmt::Display for End {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Closed => f.write_str("closed"),
            Self::Failed(error) => error.fmt(f),
            Self::Stuck => f.write_str("it takes no bytes"),
            Self::Silent => f.write_str("silent"),
        }
    }
}

/// How long a line may be quiet; `None` for ever, as on a serial port.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// Until somebody proves a key.
    pub(super) unproven: Duration,
    /// Between two messages of who did.
    pub(super) silent: Duration,
}

/// Serves the line until its end. `proven` is called once, when the first device proved its key.
pub(super) async fn drive<S: AsyncRead + AsyncWrite + Unpin + Send>(
    stream: &mut S,
    session: &mut Session,
    patience: Option<Patience>,
    proven: impl FnOnce() + Send,
) -> End {
    let mut buffer = vec![0; LINE_READ_BYTES];
    let mut proven = Some(proven);
    let began = session.now().mono;
    let (mut changes, mut epochs) = (session.changes(), session.epochs());
    session.look();
    loop {
        let quiet = patience.map(|patience| match session.heard() {
            Some(heard) => patience.silent.saturating_sub(session.now().mono.since(heard)),
            None => patience.unproven.saturating_sub(session.now().mono.since(began)),
        });
        tokio::select! {
            read = stream.read(&mut buffer) => match read {
                Ok(0) => return End::Closed,
                Ok(count) => {
                    let mut input = buffer.get(..count).unwrap_or_default();
                    while let Some(heard) = session.next(&mut input) {
                        session.handle(heard).await;
                        if let Err(end) = write(stream, session).await {
                            return end;
                        }
                    }
                    if session.heard().is_some() && let Some(proven) = proven.take() {
                        proven();
                    }
                }
                Err(error) => return End::Failed(error),
            },
            answer = session.answer() => session.answered(answer),
            // An end of these senders is the end of the box.
            changed = changes.changed() => match changed {
                Ok(()) => session.look(),
                Err(_) => return End::Closed,
            },
            changed = epochs.changed() => match changed {
                Ok(()) => session.look(),
                Err(_) => return End::Closed,
            },
            () = at_most(quiet) => return End::Silent,
        }
        if let Err(end) = write(stream, session).await {
            return end;
        }
    }
}

async fn at_most(time: Option<Duration>) {
    match time {
        Some(time) => sleep(time).await,
        None => std::future::pending().await,
    }
}

/// Writes what the session has to say, within [`LINE_WRITE`].
async fn write<S: AsyncWrite + Unpin>(stream: &mut S, session: &mut Session) -> Result<(), End> {
    while !session.output().is_empty() {
        match timeout(LINE_WRITE, stream.write(session.output())).await {
            Ok(Ok(0)) => return Err(End::Closed),
            Ok(Ok(count)) => session.written(count),
            Ok(Err(error)) => return Err(End::Failed(error)),
            Err(_) => return Err(End::Stuck),
        }
    }
    Ok(())
}
