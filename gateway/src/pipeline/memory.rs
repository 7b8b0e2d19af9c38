//! What the rules remember, kept over a restart in one file of the state folder.
//!
//! Written once a minute and at shutdown, whole or not at all. It holds windows and holds of rules, not
//! findings. A file that cannot be used costs the memory and nothing else: the engine starts without, and
//! says so. After a kill the memory is up to a minute old; replaying the journal from it is not done yet.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use sitewarden_core::Now;
use sitewarden_detect::{Engine, Limits, RuleSet};

/// How often the memory is written.
pub(crate) const SAVE_EVERY: Duration = Duration::from_secs(60);

/// The file of a state folder.
pub(crate) fn path(state: &Path) -> PathBuf {
    state.join("rules.memory")
}

/// An engine that goes on where the file was written, or one without memory.
pub(crate) fn restore(path: &Path, rules: Arc<RuleSet>, now: Now) -> Engine {
    match fs::read(path) {
        Ok(bytes) => match Engine::restore(Arc::clone(&rules), Limits::default(), &bytes, now) {
            Ok(engine) => return engine,
            Err(error) => {
                tracing::warn!(%error, file = %path.display(), "what the rules remembered cannot be read; they start without")
            }
        },
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => {
            tracing::warn!(%error, file = %path.display(), "what the rules remembered cannot be read; they start without")
        }
    }
    Engine::new(rules, Limits::default())
}

/// Writes what the engine remembers beside its place and moves it there.
pub(crate) fn save(path: &Path, engine: &Engine) {
    let beside = path.with_extension("new");
    let written = fs::OpenOptions::new()
        .create(true)
        .truncate(true)
        .write(true)
        .mode(0o600)
        .open(&beside)
        .and_then(|mut file| file.write_all(&engine.snapshot()).and_then(|()| file.sync_all()))
        .and_then(|()| fs::rename(&beside, path));
    if let Err(error) = written {
        // On a full disk half a file would hold room that nobody uses.
        let _ = fs::remove_file(&beside);
        tracing::warn!(%error, file = %path.display(), "what the rules remember was not kept");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sitewarden_core::{Event, FindingDraft, LogSource, Monotonic, Timestamp, Value};

    const RULE: &str = "title: Warm\nid: 1\nlogsource: {product: iot, category: sensor_reading}\ndetection:\n  s: {value|gt: 8}\n  condition: s\nx-edge: {key: [device_id], for: 10m}\n";

    fn warm(engine: &mut Engine, minute: i64) -> Vec<FindingDraft> {
        let time = Timestamp::from_seconds(1_795_514_400 + minute * 60);
        let fields = vec![("device_id".into(), Value::from("a")), ("value".into(), Value::Float(9.0))];
        let event = Event { source: LogSource::sensor_reading(), asset: None, time, received: time, fields };
        let now = Now { wall: time, mono: Monotonic::from_micros(0) };
        let mut out = Vec::new();
        engine.handle_event(&event, now, &mut out);
        out
    }

    #[test]
    fn a_hold_that_began_before_a_restart_goes_on_after_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = path(folder.path());
        let (rules, errors) = RuleSet::load(&[("warm.yml", RULE)]);
        assert!(errors.is_empty(), "{errors:?}");
        let rules = Arc::new(rules);
        let now = Now { wall: Timestamp::from_seconds(1_795_514_400), mono: Monotonic::from_micros(0) };
        let mut engine = restore(&path, Arc::clone(&rules), now);
        assert!(warm(&mut engine, 0).is_empty());
        save(&path, &engine);

        let mut again = restore(&path, rules, now);

        assert_eq!(warm(&mut again, 10).len(), 1, "ten minutes since the first, over the restart");
    }

    #[test]
    fn a_damaged_file_costs_the_memory_and_nothing_else() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = path(folder.path());
        fs::write(&path, b"\x00damaged").expect("written");
        let (rules, _) = RuleSet::load(&[("warm.yml", RULE)]);
        let mut engine = restore(&path, Arc::new(rules), Now::default());
        assert!(warm(&mut engine, 0).is_empty());
    }
}
