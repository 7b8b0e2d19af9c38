//! PostgreSQL for the tests: one cluster that those which run at the same time share, a database for each.
//!
//! Started by `scripts/postgres.sh`, private folder and socket, no port. When it is missing a test is skipped by name; with
//! `CI=true` it fails.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tempfile::TempDir;

/// A running cluster; ends with its last user.
#[derive(Debug)]
pub(crate) struct Cluster {
    folder: TempDir,
}

/// A database of the hub in a cluster, migrated; removed with its last user.
#[derive(Clone, Debug)]
pub(crate) struct Database {
    pub(crate) cluster: Arc<Cluster>,
    pub(crate) name: Arc<Name>,
}

/// Name of a database, and what removes it.
#[derive(Debug)]
pub(crate) struct Name {
    text: String,
    cluster: Arc<Cluster>,
}

impl std::ops::Deref for Name {
    type Target = str;

    fn deref(&self) -> &str {
        &self.text
    }
}

impl Drop for Name {
    fn drop(&mut self) {
        // A cluster that its test stopped has nothing to remove.
        run(&mut self.cluster.psql_command(
            "admin",
            "postgres",
            &format!("DROP DATABASE {} WITH (FORCE)", self.text),
        ));
    }
}

static SHARED: Mutex<Weak<Cluster>> = Mutex::new(Weak::new());
static NUMBER: AtomicU32 = AtomicU32::new(0);

pub(crate) fn project() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the hub's folder lies in the project's").to_owned()
}

fn run(command: &mut Command) -> Output {
    command.output().unwrap_or_else(|error| panic!("{:?}: {error}", command.get_program()))
}

#[track_caller]
fn succeed(command: &mut Command) -> String {
    let done = run(command);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    assert!(done.status.success(), "{command:?}\n{}\n{}", text(&done.stdout), text(&done.stderr));
    text(&done.stdout)
}

/// Says on the terminal, past libtest's capture, that the running test is skipped and why.
pub(crate) fn skip(why: &str) {
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    assert!(std::env::var("CI").as_deref() != Ok("true"), "{test} cannot be skipped in CI: {why}");
    let _ = writeln!(std::io::stderr(), "skipped: {test}: {why}");
}

fn is_installed() -> bool {
    let found = |folder: &Path| folder.join("initdb").is_file();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let debian = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    std::env::split_paths(&path).any(|folder| found(&folder))
        || debian.map(|entry| entry.path().join("bin")).any(|folder| found(&folder))
}

/// Memory when there is enough of it: a database of PostgreSQL has 300 files, which slow disks take long to remove. Nothing here
/// is about what outlives the machine.
fn fast_folder() -> PathBuf {
    let memory = PathBuf::from("/dev/shm");
    let asked = Command::new("df").args(["--output=avail", "--block-size=1M"]).arg(&memory).output();
    let free = asked.ok().and_then(|done| {
        String::from_utf8_lossy(&done.stdout).lines().nth(1).and_then(|line| line.trim().parse::<u64>().ok())
    });
    if free.is_some_and(|free| free >= 1_024) { memory } else { std::env::temp_dir() }
}

impl Cluster {
    /// A cluster of one's own; `None` when PostgreSQL is missing and the test is skipped.
    pub(crate) fn own() -> Option<Arc<Self>> {
        if !is_installed() {
            skip("PostgreSQL is not installed (make setup)");
            return None;
        }
        let folder = tempfile::Builder::new().prefix("sitewarden-hub-").tempdir_in(fast_folder());
        let folder = folder.expect("a temporary folder");
        let cluster = Self { folder };
        cluster.script("start");
        cluster.psql(
            "admin",
            "postgres",
            "CREATE ROLE hub_owner LOGIN; CREATE ROLE hub_server LOGIN; CREATE ROLE stranger LOGIN",
        );
        Some(Arc::new(cluster))
    }

    /// The cluster that is shared by tests that run at the same time.
    pub(crate) fn shared() -> Option<Arc<Self>> {
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(cluster) = shared.upgrade() {
            return Some(cluster);
        }
        let cluster = Self::own()?;
        *shared = Arc::downgrade(&cluster);
        Some(cluster)
    }

    /// Starts or stops it.
    pub(crate) fn script(&self, verb: &str) {
        succeed(Command::new(project().join("scripts/postgres.sh")).arg(verb).arg(self.folder.path()));
    }

    /// Ends the server at once, without a checkpoint: what its write-ahead log holds is all that is left.
    pub(crate) fn crash(&self) {
        let file = self.folder.path().join("data/postmaster.pid");
        let read =
            || std::fs::read_to_string(&file).ok().and_then(|text| text.lines().next().map(str::to_owned));
        let process = read().expect("the server's process id");
        succeed(Command::new("kill").args(["-QUIT", "--", &process]));
        while Path::new("/proc").join(&process).exists() {
            std::thread::yield_now();
        }
    }

    /// Runs statements by psql; rows are lines, columns are separated by `|`.
    #[track_caller]
    pub(crate) fn psql(&self, user: &str, database: &str, sql: &str) -> String {
        succeed(&mut self.psql_command(user, database, sql))
    }

    /// psql with these statements, for what runs beside the test or must fail.
    pub(crate) fn psql_command(&self, user: &str, database: &str, sql: &str) -> Command {
        let mut command = Command::new("psql");
        command.arg("-h").arg(self.folder.path());
        command.args(["-U", user, "-d", database, "--no-psqlrc", "-qtA", "-v", "ON_ERROR_STOP=1", "-c", sql]);
        command
    }

    fn url(&self, user: &str, database: &str) -> String {
        format!("host={} user={user} dbname={database}", self.folder.path().display())
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // It may have been stopped by its test already.
        run(Command::new(project().join("scripts/postgres.sh")).arg("stop").arg(self.folder.path()));
    }
}

impl Database {
    /// A new database, migrated.
    pub(crate) fn new(cluster: &Arc<Cluster>) -> Self {
        let name = format!("hub{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        cluster.psql("admin", "postgres", &format!("CREATE DATABASE {name} OWNER hub_owner"));
        let name = Arc::new(Name { text: name, cluster: Arc::clone(cluster) });
        let made = Self { cluster: Arc::clone(cluster), name };
        made.admin(&["migrate", "--serve-as", "hub_server"]);
        made
    }

    /// A new database in the shared cluster; `None` when the test is skipped.
    pub(crate) fn shared() -> Option<Self> {
        Cluster::shared().map(|cluster| Self::new(&cluster))
    }

    /// Runs the hub's command with the owner's connection; gives what it printed.
    #[track_caller]
    pub(crate) fn admin(&self, arguments: &[&str]) -> String {
        succeed(&mut self.admin_command(arguments))
    }

    /// The hub's command with the owner's connection.
    pub(crate) fn admin_command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sitewarden-hub"));
        command
            .args(arguments)
            .env("SITEWARDEN_HUB_OWNER_DATABASE", self.cluster.url("hub_owner", &self.name));
        command
    }

    /// A claim code of this tenant.
    #[track_caller]
    pub(crate) fn claim(&self, tenant: &str) -> String {
        let said = self.admin(&["claim", "create", "--tenant", tenant]);
        said.strip_prefix("Claim code: ").expect("it prints the code").to_owned()
    }

    /// An account of this tenant; gives its password.
    #[track_caller]
    pub(crate) fn account(&self, tenant: &str, login: &str) -> String {
        let said = self.admin(&["account", "create", "--login", login, "--tenant", tenant]);
        said.lines()
            .last()
            .and_then(|line| line.strip_prefix("Password: "))
            .expect("it prints one")
            .to_owned()
    }

    /// Runs statements as the cluster's superuser, who sees all rows.
    #[track_caller]
    pub(crate) fn sql(&self, sql: &str) -> String {
        self.cluster.psql("admin", &self.name, sql)
    }

    /// Connection string of the serving role.
    pub(crate) fn server_url(&self) -> String {
        self.cluster.url("hub_server", &self.name)
    }

    /// Connection string of another role.
    pub(crate) fn url_of(&self, user: &str) -> String {
        self.cluster.url(user, &self.name)
    }
}
