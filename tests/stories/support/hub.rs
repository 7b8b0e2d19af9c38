//! The hub as a process beside the gateway, on a PostgreSQL of the story's own.
//!
//! Its program is another package's, so cargo gives no path of it: it is found by `SITEWARDEN_HUB`, or beside the gateway's
//! own program, where the one build of the workspace puts both.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::http::Api;
use super::need::skip;
use super::postgres::Postgres;
use super::process::{Running, run};
use super::wait::wait_for;

const TENANT: &str = "harbour";
const LOGIN: &str = "elin";

/// A database with the hub's schema, and what an operator made in it.
pub(crate) struct Cloud {
    pub(crate) postgres: Postgres,
    program: PathBuf,
    state: TempDir,
    password: String,
}

/// A running hub.
pub(crate) struct Hub {
    process: Running,
    pub(crate) address: String,
}

fn program() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_BIN_EXE_sitewarden")).with_file_name("sitewarden-hub");
    let found = std::env::var_os("SITEWARDEN_HUB").map_or(beside, PathBuf::from);
    if !found.is_file() {
        skip("the hub is not built (cargo build --workspace, or SITEWARDEN_HUB=its program)");
        return None;
    }
    Some(found)
}

impl Cloud {
    /// A new database with a tenant and an operator; `None` when something is missing and the story is skipped.
    pub(crate) async fn new() -> Option<Self> {
        let program = program()?;
        let postgres = Postgres::start().await?;
        for sql in [
            "CREATE ROLE hub_owner LOGIN",
            "CREATE ROLE hub_server LOGIN",
            "CREATE DATABASE hub OWNER hub_owner",
        ] {
            postgres.query(sql).await;
        }
        let state = tempfile::tempdir().expect("a temporary folder");
        let mut cloud = Self { postgres, program, state, password: String::new() };
        cloud.admin(&["migrate", "--serve-as", "hub_server"]).await;
        cloud.admin(&["tenant", "create", TENANT]).await;
        let said = cloud.admin(&["account", "create", "--login", LOGIN, "--tenant", TENANT]).await;
        let password = said.lines().find_map(|line| line.strip_prefix("Password: "));
        password.expect("it prints one").clone_into(&mut cloud.password);
        Some(cloud)
    }

    fn url(&self, user: &str) -> String {
        format!("host={} user={user} dbname=hub", self.postgres.socket_folder().display())
    }

    async fn admin(&self, arguments: &[&str]) -> String {
        let mut command = Command::new(&self.program);
        command.args(arguments).env("SITEWARDEN_HUB_OWNER_DATABASE", self.url("hub_owner"));
        run(&mut command, b"").await.success()
    }

    /// A claim code.
    pub(crate) async fn claim(&self) -> String {
        let said = self.admin(&["claim", "create", "--tenant", TENANT]).await;
        said.trim().strip_prefix("Claim code: ").expect("it prints the code").to_owned()
    }

    /// Starts a hub; at this address again, or on a free port.
    ///
    /// # Panics
    /// When it ends before it is ready.
    pub(crate) async fn start(&self, at: Option<&str>) -> Hub {
        let listen = at.map_or("127.0.0.1:0", |address| address.trim_start_matches("https://"));
        let mut command = Command::new(&self.program);
        command.args(["serve", "--json", "--listen", listen, "--state"]).arg(self.state.path());
        let mut process = Running::start(command.env("SITEWARDEN_HUB_DATABASE", self.url("hub_server")));
        let line = wait_for("the hub's ready line", || {
            let (status, said) = (process.status(), process.stderr.text());
            assert!(status.is_none(), "the hub ended before it was ready: {said}");
            let line = process.stdout.all().into_iter().find(|line| line.starts_with('{'));
            async move { line.ok_or(said) }
        })
        .await;
        let ready: Value = serde_json::from_str(&line).expect("the ready line is JSON");
        Hub { process, address: ready["address"].as_str().expect("an address").to_owned() }
    }

    /// What clients trust.
    pub(crate) fn ca(&self) -> PathBuf {
        self.state.path().join("ca.pem")
    }

    /// An operator who signed in.
    pub(crate) async fn operator(&self, hub: &Hub) -> Api {
        let api = Api::new(&hub.address, &self.ca()).with_header("x-sitewarden", "1");
        let answer = api.post("/v1/session", json!({ "login": LOGIN, "password": self.password })).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        api.with_session(&answer)
    }

    /// Rows of the hub's database, past row-level security.
    pub(crate) async fn query(&self, sql: &str) -> String {
        self.postgres.query_in("hub", sql).await
    }
}

impl Hub {
    /// `kill -9`.
    pub(crate) fn kill(mut self) {
        self.process.kill();
    }
}
