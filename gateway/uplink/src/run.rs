//! The work for one registration: each step of the cursor carried out.
//!
//! It decides nothing. While one batch is under way the next ones are read and packed ([`Feed`]). Invariant: what is about to be
//! sent is kept before it is sent.

use ring::rand::{SecureRandom as _, SystemRandom};
use rusqlite::{Connection, OptionalExtension as _};
use sitewarden_core::error::chain;
use sitewarden_core::{Action, Monotonic, Now, Resource, Timestamp};
use sitewarden_log::Limits;
use sitewarden_log::limits::{BATCH_BYTES, BATCH_RECORDS};
use sitewarden_store::{ReadError, SqlContext as _, StoreError, WriteError, site_log};

use crate::batch::Prepared;
use crate::client::{Client, Heartbeat};
use crate::cursor::{Cursor, Failure, Moved, State, Step};
use crate::feed::{BoxError, Feed};
use crate::limits::KEPT_AHEAD;
use crate::shell::{Deps, Uplink};
use crate::state;
use crate::status::{Counts, Status};

/// What the log says about what waits.
pub(crate) struct LogState {
    pub(crate) size: u64,
    oldest_kept: u64,
    pub(crate) oldest_unsent: Option<Timestamp>,
}

pub(crate) fn log_state(conn: &Connection, acknowledged: u64) -> Result<LogState, StoreError> {
    let time: Option<i64> = conn
        .prepare_cached("SELECT time FROM site_log WHERE seq = ?1")
        .doing("preparing to read a record's time")?
        .query_row([acknowledged.saturating_add(1)], |row| row.get(0))
        .optional()
        .doing("reading a record's time")?;
    Ok(LogState {
        size: site_log::size(conn)?,
        oldest_kept: site_log::oldest_cursor(conn)?,
        oldest_unsent: time.map(Timestamp::from_micros),
    })
}

/// The work for one registration.
pub(crate) struct Run {
    uplink: Uplink,
    client: Client,
    cursor: Cursor,
    head: tokio::sync::watch::Receiver<u64>,
    base: Status,
    /// Which registration this is.
    registered: Timestamp,
    /// Makes the batches that come next.
    feed: Option<Feed>,
    oldest_kept: u64,
    /// Up to here the store knows what was, or is about to be, sent.
    kept_through: u64,
    last_success: Option<Timestamp>,
}

impl Run {
    /// Goes on where the picture and the cursor stand.
    pub(crate) fn new(
        uplink: Uplink,
        client: Client,
        cursor: Cursor,
        registered: Timestamp,
        base: Status,
    ) -> Self {
        let head = uplink.deps().store.log_head();
        let last_success = base.last_success;
        Self {
            uplink,
            client,
            cursor,
            head,
            base,
            registered,
            feed: None,
            oldest_kept: 0,
            kept_through: 0,
            last_success,
        }
    }

    fn deps(&self) -> &Deps {
        self.uplink.deps()
    }

    fn now(&self) -> Now {
        (self.deps().clock)()
    }

    /// One step of the cursor.
    pub(crate) async fn turn(&mut self) {
        let head = *self.head.borrow_and_update();
        // While a backlog is sent its size is enough: what the cloud lacks is not pruned.
        let size = if self.feed.is_some() {
            head
        } else {
            match self.log().await {
                Ok(log) => {
                    self.oldest_kept = log.oldest_kept;
                    log.size
                }
                Err(error) => return self.own_failure(&error),
            }
        };
        self.cursor.log_is(self.now().mono, size, self.oldest_kept);
        match self.cursor.next(self.now().mono) {
            Step::AskCursor => self.ask().await,
            Step::Heartbeat => self.heartbeat().await,
            Step::Send { after, records, bytes } => self.send(after, Limits { records, bytes }).await,
            Step::Wait(until) => return self.wait(until).await,
        }
        self.tell();
    }

    async fn log(&self) -> Result<LogState, ReadError<StoreError>> {
        let acknowledged = self.cursor.acknowledged();
        self.deps().store.read(move |conn| log_state(conn, acknowledged)).await
    }

    /// Until then, or until the log has grown so far that there is something else to do.
    async fn wait(&mut self, until: Monotonic) {
        let now = self.now().mono;
        let time = tokio::time::sleep(until.since(now));
        if self.cursor.next_try(now).is_some() {
            // A put-off try does not come earlier because the log grew.
            return time.await;
        }
        let (head, cursor) = (&mut self.head, &self.cursor);
        let grown = async {
            while head.changed().await.is_ok() {
                if cursor.is_woken_by(*head.borrow_and_update()) {
                    return;
                }
            }
            // The store has ended, and so does the box.
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = time => {}
            () = grown => {}
        }
    }

    async fn ask(&mut self) {
        let after = self.cursor.acknowledged();
        let backlog = usize::try_from(self.cursor.log_size().saturating_sub(after)).unwrap_or(usize::MAX);
        if backlog > BATCH_RECORDS && self.cursor.problem().is_none() {
            // What the answer will most likely ask for is made meanwhile.
            let limits = Limits { records: BATCH_RECORDS, bytes: BATCH_BYTES };
            self.feed = Some(self.feed_from(after, limits));
        }
        let answer = self.client.cursor().await;
        let now = self.now();
        match answer {
            Ok(next) => {
                let moved = self.cursor.cursor_answer(now.mono, next);
                self.moved(moved).await;
            }
            Err(failure) => self.failed(&failure),
        }
    }

    async fn heartbeat(&mut self) {
        let log = match self.log().await {
            Ok(log) => log,
            Err(error) => return self.own_failure(&error),
        };
        let acknowledged = self.cursor.acknowledged();
        let heartbeat = Heartbeat {
            version: self.deps().version,
            started: self.uplink.started(),
            log_size: log.size,
            oldest_unsent: log.oldest_unsent,
            queue: log.size.saturating_sub(acknowledged),
        };
        let answer = self.client.heartbeat(heartbeat).await;
        let now = self.now();
        match answer {
            Ok(next) => {
                self.last_success = Some(now.wall);
                self.cursor.heartbeat_answer(now.mono, next);
            }
            Err(failure) => self.failed(&failure),
        }
    }

    async fn send(&mut self, after: u64, limits: Limits) {
        let records = u64::try_from(limits.records).unwrap_or(u64::MAX);
        let begun = after.saturating_add(records).min(self.cursor.log_size());
        // What is about to be sent is kept while it is made.
        let ahead = (begun > self.kept_through).then(|| {
            let through = after.saturating_add(KEPT_AHEAD).min(self.cursor.log_size()).max(begun);
            (through, self.write(through))
        });
        let (batch, kept) = tokio::join!(self.batch(after, limits), async {
            match ahead {
                Some((through, write)) => write.await.map(|()| through),
                None => Ok(0),
            }
        });
        // What could not be kept is tried again before it is sent, and told then.
        self.kept_through = self.kept_through.max(kept.unwrap_or(0));
        let batch = match batch {
            Ok(Some(batch)) => batch,
            Ok(None) => return,
            Err(error) => return self.own_failure(error.as_ref()),
        };
        self.cursor.sending(batch.last);
        let wanted =
            |ahead: u64| batch.last.saturating_add(ahead).min(self.cursor.log_size()).max(batch.last);
        let (through, soon) = (wanted(KEPT_AHEAD), wanted(KEPT_AHEAD / 2));
        if batch.last > self.kept_through && !self.keep(through).await {
            return;
        }
        let (records, raw) = (batch.records(), batch.raw);
        let push = self.client.push(batch.packed.clone(), records, raw);
        let answer = if self.kept_through < soon {
            let (answer, kept) = tokio::join!(push, self.write(through));
            // What could not be kept ahead is tried again before it is sent, and told then.
            if kept.is_ok() {
                self.kept_through = through;
            }
            answer
        } else {
            push.await
        };
        let now = self.now();
        match answer {
            Ok(next) => {
                let moved = self.cursor.batch_answer(now.mono, batch.first, batch.last, next, jitter());
                if matches!(moved, Moved::To(_)) {
                    let counts = self.uplink.counts();
                    Counts::add(&counts.batches, 1);
                    Counts::add(&counts.records, records);
                    Counts::add(&counts.raw_bytes, raw);
                    Counts::add(&counts.packed_bytes, batch.packed.len());
                }
                self.moved(moved).await;
            }
            Err(failure) => self.failed(&failure),
        }
    }

    /// The batch of the records after `after`, made ahead or now.
    async fn batch(&mut self, after: u64, limits: Limits) -> Result<Option<Prepared>, BoxError> {
        let feed = self.feed.take().filter(|feed| feed.fits(after, limits));
        let mut feed = feed.unwrap_or_else(|| self.feed_from(after, limits));
        let batch = feed.next().await?;
        self.feed = Some(feed).filter(|feed| batch.is_some() && !feed.is_over());
        Ok(batch)
    }

    fn feed_from(&self, after: u64, limits: Limits) -> Feed {
        let (store, checkpoint) = (self.deps().store.clone(), self.deps().checkpoint.clone());
        Feed::start(store, checkpoint, after, self.cursor.log_size(), limits)
    }

    /// What an answer did to the cursor is kept: at once, or with what is about to be sent next. A box that is killed before asks the
    /// cloud where it is.
    async fn moved(&mut self, moved: Moved) {
        match moved {
            Moved::To(_) => {
                self.last_success = Some(self.now().wall);
                if self.feed.is_none() {
                    self.keep(0).await;
                }
            }
            Moved::Back { from, to } => {
                self.feed = None;
                Counts::add(&self.uplink.counts().set_back, 1);
                tracing::error!(
                    from,
                    to,
                    "the cloud lost records that it had acknowledged; they are sent again"
                );
                self.keep(0).await;
            }
            Moved::Not => {
                self.feed = None;
                Counts::add(&self.uplink.counts().failures, 1);
                tracing::error!(problem = self.cursor.problem(), "the cloud's answer makes no sense");
            }
        }
    }

    /// Keeps the cursor and what is about to be sent; says whether that worked.
    async fn keep(&mut self, sending: u64) -> bool {
        match self.write(sending).await {
            Ok(()) => {
                self.kept_through = self.kept_through.max(sending);
                true
            }
            Err(error) => {
                self.own_failure(&error);
                false
            }
        }
    }

    fn write(&self, sending: u64) -> impl Future<Output = Result<(), WriteError<StoreError>>> + Send + use<> {
        let permit = self.deps().gate.system("uplink", Action::UplinkAdvance, Resource::site());
        let (registered, acknowledged) = (self.registered, self.cursor.acknowledged());
        let last_success = self.last_success;
        let store = self.deps().store.clone();
        async move {
            let kept = store.write("keeping the uplink's cursor", move |tx| {
                state::advance(tx, permit, registered, acknowledged, sending, last_success)
            });
            kept.await
        }
    }

    fn failed(&mut self, failure: &Failure) {
        // Tried again later: until then nothing waits in memory.
        self.feed = None;
        Counts::add(&self.uplink.counts().failures, 1);
        tracing::warn!(problem = failure.words, "the uplink's call failed");
        self.cursor.failed(self.now().mono, failure, jitter());
    }

    /// The box itself cannot: told, and tried again like a cloud that is away.
    fn own_failure(&mut self, error: &(dyn std::error::Error + 'static)) {
        let words = format!("The box could not prepare what it sends: {}", chain(error));
        self.failed(&Failure::unavailable(words));
        self.tell();
    }

    /// Renews the picture.
    fn tell(&mut self) {
        let now = self.now();
        let before = self.uplink.status();
        // A registration that changed meanwhile has its own picture already.
        if before.url != self.base.url {
            return;
        }
        let state = self.cursor.state();
        self.uplink.put(Status {
            state: match state {
                State::Connected => "connected",
                State::Waiting => "waiting",
                State::Stopped => "stopped",
            },
            acknowledged: self.cursor.acknowledged(),
            last_success: self.last_success,
            problem: self.cursor.problem().map(str::to_owned),
            next_try: self.cursor.next_try(now.mono).map(|at| now.wall.after(at.since(now.mono))),
            failing_since: match state {
                State::Connected => None,
                State::Waiting | State::Stopped => before.failing_since.or(Some(now.wall)),
            },
            ..self.base.clone()
        });
    }
}

/// A random number, so that many boxes do not try at the same instant. Without randomness: half.
fn jitter() -> u64 {
    let mut bytes = [0_u8; 8];
    match SystemRandom::new().fill(&mut bytes) {
        Ok(()) => u64::from_be_bytes(bytes),
        Err(_) => u64::MAX / 2,
    }
}
