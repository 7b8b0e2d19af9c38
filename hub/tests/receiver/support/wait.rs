//! Bounded waiting: asks again until the answer is there, and says on time-out what it saw last.
//!
//! The only place of these tests that lets time pass. Nothing is asserted about how long it took.

use std::time::{Duration, Instant};

const LIMIT: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(20);

/// Calls `attempt` until it gives `Ok`; its `Err` is the status that the panic quotes.
///
/// # Panics
/// After a minute without `Ok`.
pub(crate) async fn wait_for<T>(what: &str, mut attempt: impl AsyncFnMut() -> Result<T, String>) -> T {
    let begin = Instant::now();
    loop {
        let status = match attempt().await {
            Ok(value) => return value,
            Err(status) => status,
        };
        assert!(begin.elapsed() < LIMIT, "waited for {what}; last seen: {status}");
        tokio::time::sleep(PAUSE).await;
    }
}
