//! Logging to standard error: JSON lines for machines, text for people.
//!
//! Not the site log (that is evidence, in the store). Secrets never reach a log call: types that hold
//! them have no `Debug` that shows them.

use tracing_subscriber::EnvFilter;

use crate::config::{Log, LogFormat};

/// Starts logging for the process; a bad filter falls back to `info` and says so.
pub(crate) fn start(config: &Log) {
    let (filter, problem) = match EnvFilter::try_new(&config.level) {
        Ok(filter) => (filter, None),
        Err(error) => (EnvFilter::new("info"), Some(error)),
    };
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // A second start (tests in one process) keeps the first subscriber.
    let _ = match config.format {
        LogFormat::Json => builder.json().flatten_event(true).with_current_span(false).try_init(),
        LogFormat::Text => builder.with_ansi(false).try_init(),
    };
    if let Some(error) = problem {
        tracing::warn!(level = %config.level, %error, "log.level is not a filter; using info");
    }
}
