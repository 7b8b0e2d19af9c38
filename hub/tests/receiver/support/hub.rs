//! The hub as a process.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;
use tempfile::TempDir;

use super::postgres::Database;

/// A running instance.
#[derive(Debug)]
pub(crate) struct Hub {
    child: Child,
    log: Arc<Mutex<String>>,
    state: TempDir,
    pub(crate) address: String,
    pub(crate) database: Database,
}

impl Hub {
    /// Starts an instance on this database and waits until it says that it is ready.
    ///
    /// # Panics
    /// When it ends instead, with what it said.
    pub(crate) fn start(database: &Database) -> Self {
        let state = tempfile::tempdir().expect("a temporary folder");
        let mut child = Command::new(env!("CARGO_BIN_EXE_sitewarden-hub"))
            .args(["serve", "--json", "--listen", "127.0.0.1:0", "--state"])
            .arg(state.path())
            .env("SITEWARDEN_HUB_DATABASE", database.server_url())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the hub starts");
        let log = Arc::new(Mutex::new(String::new()));
        let (mut stderr, kept) = (child.stderr.take().expect("piped"), Arc::clone(&log));
        std::thread::spawn(move || {
            let mut buffer = [0; 4_096];
            while let Ok(read @ 1..) = stderr.read(&mut buffer) {
                let text = String::from_utf8_lossy(&buffer[..read]).into_owned();
                kept.lock().unwrap_or_else(PoisonError::into_inner).push_str(&text);
            }
        });
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line).expect("a line");
        let told = |log: &Mutex<String>| log.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let ready: Value =
            serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}\n{}", told(&log)));
        let address = ready["address"].as_str().expect("an address").to_owned();
        Self { child, log, state, address, database: database.clone() }
    }

    /// An instance on a new database with the tenant `north`; `None` when the test is skipped.
    pub(crate) fn with_tenant() -> Option<Self> {
        let database = Database::shared()?;
        database.admin(&["tenant", "create", "north"]);
        Some(Self::start(&database))
    }

    /// What clients trust.
    pub(crate) fn ca(&self) -> PathBuf {
        self.state.path().join("ca.pem")
    }

    /// Everything that it logged so far.
    pub(crate) fn log(&self) -> String {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Ends it at once, as `kill -9` does.
    pub(crate) fn kill(&mut self) {
        // An error means that it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Ends it as a service manager does; gives its exit code.
    pub(crate) fn stop(mut self) -> Option<i32> {
        let sent = Command::new("kill").args(["-TERM", "--", &self.child.id().to_string()]).status();
        assert!(sent.is_ok_and(|status| status.success()));
        self.child.wait().expect("it can be waited for").code()
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        self.kill();
    }
}
