//! The command line: migrate, serve, and what an operator of the hub makes (tenants, accounts, claim codes).
//!
//! What changes the schema or makes people uses the owner's connection; `serve` uses a role that owns nothing.

mod admin;
mod serve;

use std::fmt::Display;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use sitewarden_core::error::chain;

use crate::database::Database;
use crate::{migrate, people, server};

/// Any error that ends a command; its chain is printed.
type CommandError = Box<dyn std::error::Error + Send + Sync>;

#[derive(Debug, Parser)]
#[command(
    name = "sitewarden-hub",
    version,
    about = "Receives the logs of many sites and shows their findings"
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make or move the schema, and grant the serving role what it may
    Migrate(Migrate),
    /// Serve the cloud API and the operators' page
    Serve(serve::Serve),
    /// Tenants
    #[command(subcommand)]
    Tenant(admin::Tenant),
    /// Operators' accounts
    #[command(subcommand)]
    Account(admin::Account),
    /// Claim codes, by which gateways register
    #[command(subcommand)]
    Claim(admin::Claim),
    /// Print the API's OpenAPI 3.1 document
    Openapi,
}

/// The owner's connection.
#[derive(Debug, Args)]
struct Owner {
    /// PostgreSQL as the schema's owner: postgresql://owner@host/database, or host=/run/postgresql user=.. dbname=..
    #[arg(long, env = "SITEWARDEN_HUB_OWNER_DATABASE", hide_env_values = true)]
    owner_database: String,
    #[command(flatten)]
    ca: Ca,
}

/// TLS to PostgreSQL.
#[derive(Debug, Args)]
struct Ca {
    /// PEM file with the CA of PostgreSQL's certificate; over a network TLS is required unless the string says sslmode=disable
    #[arg(long, env = "SITEWARDEN_HUB_DATABASE_CA")]
    database_ca: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct Migrate {
    #[command(flatten)]
    owner: Owner,
    /// The role that `serve` connects as; it must exist, own nothing and be no superuser
    #[arg(long, value_name = "ROLE")]
    serve_as: String,
}

/// Runs the command of the process.
pub(crate) fn run() -> ExitCode {
    let command = Cli::parse().command;
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error),
    };
    let done = runtime.block_on(async {
        match command {
            Command::Migrate(args) => migrate_command(&args).await,
            Command::Serve(args) => serve::serve(&args).await,
            Command::Tenant(args) => admin::tenant(&args).await,
            Command::Account(args) => admin::account(&args).await,
            Command::Claim(args) => admin::claim(&args).await,
            Command::Openapi => openapi(),
        }
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&*error),
    }
}

fn failed(error: &(dyn std::error::Error + 'static)) -> ExitCode {
    // Standard error may be closed; then the exit code tells alone.
    let _ = writeln!(std::io::stderr(), "sitewarden-hub: {}", chain(error));
    ExitCode::FAILURE
}

/// Prints a line for whoever called.
fn say(line: impl Display) {
    // A closed pipe means that nobody reads any more.
    let _ = writeln!(std::io::stdout(), "{line}");
}

async fn migrate_command(args: &Migrate) -> Result<(), CommandError> {
    let mut client =
        migrate::connect(&args.owner.owner_database, args.owner.ca.database_ca.as_deref()).await?;
    let done = migrate::migrate(&mut client, &args.serve_as).await?;
    if done.is_empty() {
        say("The schema is as this hub needs it; nothing was changed.");
    }
    for name in done {
        say(format_args!("Done: {name}"));
    }
    Ok(())
}

fn openapi() -> Result<(), CommandError> {
    // A pool connects when it is first asked; the document asks nothing.
    let hub =
        crate::hub::Hub::new(Database::new("host=/nowhere", None)?, people::password::Passwords::new()?);
    say(server::openapi(hub).to_pretty_json()?);
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_committed_document_is_what_the_routes_say() {
        let hub = crate::hub::Hub::new(
            Database::new("host=/nowhere", None).expect("a pool"),
            people::password::Passwords::new().expect("a queue"),
        );
        let document = server::openapi(hub).to_pretty_json().expect("JSON");
        let committed = include_str!("../../openapi.json");
        assert_eq!(
            document.trim(),
            committed.trim(),
            "run: target/debug/sitewarden-hub openapi > hub/openapi.json"
        );
    }
}
