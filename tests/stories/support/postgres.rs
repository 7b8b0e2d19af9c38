//! A PostgreSQL of the story's own: private folder, private socket, no port, gone when dropped.
//!
//! PostgreSQL refuses to run as root; then it runs as the user `postgres` that Debian's package makes.

use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use super::need::program;
use super::process::{Running, run};
use super::wait::wait_for;

/// A running server. Its folder goes with it.
pub(crate) struct Postgres {
    server: Running,
    account: Option<Account>,
    folder: TempDir,
}

/// The account to run as, when the caller is root.
#[derive(Clone, Copy, Debug)]
struct Account {
    user: u32,
    group: u32,
}

impl Postgres {
    /// Makes a cluster and starts it; `None` when PostgreSQL is missing and the story is skipped.
    ///
    /// # Panics
    /// When it is there and does not start.
    pub(crate) async fn start() -> Option<Self> {
        let (initdb, postgres) = (program("initdb")?, program("postgres")?);
        program("psql")?;
        let account = account().await;
        let folder =
            tempfile::Builder::new().prefix("sitewarden-postgres-").tempdir().expect("a temporary folder");
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o700)).expect("own folder");
        if let Some(account) = account {
            chown(folder.path(), Some(account.user), Some(account.group))
                .expect("root may give a folder away");
        }
        let data = folder.path().join("data");
        let mut make = as_account(Command::new(initdb), account, folder.path());
        make.args(["--auth=trust", "--username=story", "--no-sync", "--encoding=UTF8", "-D"]).arg(&data);
        run(&mut make, b"").await.success();
        let mut serve = as_account(Command::new(postgres), account, folder.path());
        serve.arg("-D").arg(&data).arg("-k").arg(folder.path()).args(["-c", "listen_addresses="]);
        let mut started = Self { server: Running::start(&mut serve), account, folder };
        started.answers().await;
        Some(started)
    }

    async fn answers(&mut self) {
        wait_for("PostgreSQL to answer", || {
            let ended = self.server.status();
            assert!(ended.is_none(), "PostgreSQL ended: {}", self.server.stderr.text());
            let mut asks = self.psql("postgres", "SELECT 1");
            async move {
                let done = run(&mut asks, b"").await;
                if done.status.success() { Ok(()) } else { Err(done.stderr) }
            }
        })
        .await;
    }

    /// The folder with its socket, for `host=` of a client.
    pub(crate) fn socket_folder(&self) -> &Path {
        self.folder.path()
    }

    fn psql(&self, database: &str, sql: &str) -> Command {
        let mut command = as_account(Command::new("psql"), self.account, self.folder.path());
        command.arg("-h").arg(self.socket_folder());
        command.args([
            "-U",
            "story",
            "-d",
            database,
            "--no-psqlrc",
            "-tA",
            "-v",
            "ON_ERROR_STOP=1",
            "-c",
            sql,
        ]);
        command
    }

    /// Runs one statement by psql; rows are lines, columns are separated by `|`.
    ///
    /// # Panics
    /// When the statement fails.
    pub(crate) async fn query(&self, sql: &str) -> String {
        self.query_in("postgres", sql).await
    }

    /// As [`Self::query`], in another database.
    ///
    /// # Panics
    /// When the statement fails.
    pub(crate) async fn query_in(&self, database: &str, sql: &str) -> String {
        run(&mut self.psql(database, sql), b"").await.success().trim().to_owned()
    }

    /// Statements that go on beside the story until they are dropped.
    pub(crate) fn hold(&self, database: &str, sql: &str) -> Running {
        Running::start(&mut self.psql(database, sql))
    }

    /// Stops it as an operator would, and waits for its end.
    pub(crate) async fn stop(mut self) -> Option<i32> {
        self.server.signal("INT");
        self.server.ended().await.code()
    }
}

/// The command as that account, in a folder that the account may enter.
fn as_account(mut command: Command, account: Option<Account>, folder: &Path) -> Command {
    if let Some(account) = account {
        command.uid(account.user).gid(account.group);
    }
    command.current_dir(folder).env("HOME", folder);
    command
}

async fn account() -> Option<Account> {
    let id = async |arguments: &[&str]| {
        let text = run(Command::new("id").args(arguments), b"").await.success();
        text.trim().parse::<u32>().expect("id prints a number")
    };
    if id(&["-u"]).await != 0 {
        return None;
    }
    Some(Account { user: id(&["-u", "postgres"]).await, group: id(&["-g", "postgres"]).await })
}
