//! What the hub's operator makes: tenants, accounts, claim codes. By the owner's connection.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use thiserror::Error;
use uuid::Uuid;

use super::{CommandError, Owner, say};
use crate::database::{Connection, Database, DatabaseError, Doing as _, Scope};
use crate::limits::{CLAIM_HOURS, LOGIN_BYTES, NAME_CHARS, PASSWORD_BYTES};
use crate::people::password;
use crate::secret::{Secret, code, code_hash, token};
use crate::text::is_name;

#[derive(Debug, Subcommand)]
pub(super) enum Tenant {
    /// Make a tenant: what owns sites and accounts, and sees no other's
    Create {
        /// Its name
        name: String,
        #[command(flatten)]
        owner: Owner,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum Account {
    /// Make an operator's account
    Create(NewAccount),
}

#[derive(Debug, Args)]
pub(super) struct NewAccount {
    /// Log-in name
    #[arg(long)]
    login: String,
    /// The tenant whose sites they see
    #[arg(long)]
    tenant: String,
    /// File with the password, - for standard input; without it one is made and printed once
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    #[command(flatten)]
    owner: Owner,
}

#[derive(Debug, Subcommand)]
pub(super) enum Claim {
    /// Make a code by which one gateway registers; printed once
    Create {
        /// The tenant that will own the gateway
        #[arg(long)]
        tenant: String,
        /// Hours that it is valid
        #[arg(long, value_name = "HOURS", default_value_t = 72)]
        expires: u32,
        #[command(flatten)]
        owner: Owner,
    },
}

/// Why nothing was made.
#[derive(Debug, Error)]
enum AdminError {
    #[error("{what} {text:?} is none: give 1 to {most} characters without spaces around it")]
    Name { what: &'static str, text: String, most: usize },
    #[error("there is a {what} {name:?} already; nothing was changed")]
    Taken { what: &'static str, name: String },
    #[error("there is no tenant {0:?}; make it by `sitewarden-hub tenant create`")]
    NoTenant(String),
    #[error("a claim code lives 1 to {CLAIM_HOURS} hours")]
    Expiry,
    #[error("{file} cannot be read")]
    File {
        file: PathBuf,
        #[source]
        source: std::io::Error,
    },
}

async fn connect(owner: &Owner) -> Result<Connection, DatabaseError> {
    Database::new(&owner.owner_database, owner.ca.database_ca.as_deref())?.connect().await
}

fn taken(what: &'static str, name: &str, error: DatabaseError) -> CommandError {
    if error.is_duplicate() { AdminError::Taken { what, name: name.to_owned() }.into() } else { error.into() }
}

pub(super) async fn tenant(args: &Tenant) -> Result<(), CommandError> {
    let Tenant::Create { name, owner } = args;
    if !is_name(name, NAME_CHARS) {
        return Err(
            AdminError::Name { what: "the tenant's name", text: name.clone(), most: NAME_CHARS }.into()
        );
    }
    let id = Uuid::now_v7();
    let mut connection = connect(owner).await?;
    let tx = connection.begin(&Scope::Tenant(id)).await?;
    tx.execute("INSERT INTO hub.tenant (id, name) VALUES ($1, $2)", &[&id, name])
        .await
        .doing("making a tenant")
        .map_err(|error| taken("tenant", name, error))?;
    tx.commit().await?;
    say(format_args!("Tenant {name} is {id}"));
    Ok(())
}

/// The tenant of this name.
async fn find_tenant(connection: &mut Connection, name: &str) -> Result<Uuid, CommandError> {
    let tx = connection.begin(&Scope::Lookup(format!("tenant:{name}"))).await?;
    let row = tx
        .query_opt("SELECT id FROM hub.tenant WHERE name = $1", &[&name])
        .await
        .doing("looking for a tenant")?;
    row.map(|row| row.get(0)).ok_or_else(|| AdminError::NoTenant(name.to_owned()).into())
}

pub(super) async fn account(args: &Account) -> Result<(), CommandError> {
    let Account::Create(new) = args;
    let login = new.login.to_lowercase();
    if !is_name(&login, LOGIN_BYTES) || login.len() > LOGIN_BYTES {
        return Err(AdminError::Name { what: "the login", text: login, most: LOGIN_BYTES }.into());
    }
    let (secret, is_made) = match &new.password_file {
        Some(file) => (read_password(file)?, false),
        None => (token()?, true),
    };
    password::check(&secret, &login)?;
    let hash = password::hash(&secret)?;
    let mut connection = connect(&new.owner).await?;
    let tenant = find_tenant(&mut connection, &new.tenant).await?;
    let tx = connection.begin(&Scope::Tenant(tenant)).await?;
    tx.execute(
        "INSERT INTO hub.account (id, tenant, login, password) VALUES ($1, $2, $3, $4)",
        &[&Uuid::now_v7(), &tenant, &login, &hash],
    )
    .await
    .doing("making an account")
    .map_err(|error| taken("login", &login, error))?;
    tx.commit().await?;
    say(format_args!("Login: {login}"));
    if is_made {
        say(format_args!("Password: {}", secret.expose()));
    }
    Ok(())
}

fn read_password(file: &Path) -> Result<Secret, AdminError> {
    let fault = |source| AdminError::File { file: file.to_owned(), source };
    let mut text = String::new();
    let most = u64::try_from(PASSWORD_BYTES).unwrap_or(u64::MAX) + 2;
    if file == Path::new("-") {
        std::io::stdin().take(most).read_to_string(&mut text).map_err(fault)?;
    } else {
        std::fs::File::open(file)
            .and_then(|file| file.take(most).read_to_string(&mut text))
            .map_err(fault)?;
    }
    Ok(Secret::new(text.trim_end_matches(['\r', '\n']).to_owned()))
}

pub(super) async fn claim(args: &Claim) -> Result<(), CommandError> {
    let Claim::Create { tenant, expires, owner } = args;
    if *expires == 0 || *expires > CLAIM_HOURS {
        return Err(AdminError::Expiry.into());
    }
    let mut connection = connect(owner).await?;
    let tenant = find_tenant(&mut connection, tenant).await?;
    let code = code()?;
    let tx = connection.begin(&Scope::Tenant(tenant)).await?;
    tx.execute(
        "INSERT INTO hub.claim (code_hash, tenant, expires) VALUES ($1, $2, now() + make_interval(hours => $3))",
        &[&code_hash(code.expose()).as_slice(), &tenant, &i32::try_from(*expires).unwrap_or(1)],
    )
    .await
    .doing("making a claim code")?;
    tx.commit().await?;
    say(format_args!("Claim code: {}", code.expose()));
    Ok(())
}
