//! Bounded waiting: asks again until the answer is there, and says on time-out what it saw last.
//!
//! The only place of the stories that lets time pass. The limit is generous, because it decides only how
//! long a broken product takes to be noticed; nothing is asserted about how fast it was.

use std::future::Future;
use std::time::{Duration, Instant};

/// How long a story waits before it calls the product broken. The machine may be busy with a build.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

const PAUSE: Duration = Duration::from_millis(20);

/// Calls `attempt` until it gives `Ok`; its `Err` is the status that the panic quotes after [`LIMIT`].
///
/// # Panics
/// After [`LIMIT`] without `Ok`.
pub(crate) async fn wait_for<T, F, Attempt>(what: &str, attempt: F) -> T
where
    F: FnMut() -> Attempt,
    Attempt: Future<Output = Result<T, String>>,
{
    wait_within(LIMIT, what, attempt).await
}

/// As [`wait_for`], for what takes longer.
///
/// # Panics
/// After `limit` without `Ok`.
pub(crate) async fn wait_within<T, F, Attempt>(limit: Duration, what: &str, mut attempt: F) -> T
where
    F: FnMut() -> Attempt,
    Attempt: Future<Output = Result<T, String>>,
{
    let begin = Instant::now();
    loop {
        let status = match attempt().await {
            Ok(value) => return value,
            Err(status) => status,
        };
        assert!(begin.elapsed() < limit, "waited {limit:?} for {what}; last seen: {status}");
        tokio::time::sleep(PAUSE).await;
    }
}

#[tokio::test]
async fn waiting_ends_with_the_first_good_answer() {
    let mut asked = 0;

    let answer = wait_for("the third answer", || {
        asked += 1;
        let answer = if asked == 3 { Ok(asked) } else { Err(format!("answer {asked}")) };
        async move { answer }
    })
    .await;

    assert_eq!(answer, 3);
}
