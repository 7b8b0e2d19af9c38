//! `sitewarden-hub serve`: looks at the database, binds, says where it is, serves until it is told to end.
//!
//! The ready line is a contract with scripts and tests: with `--json` one JSON object in one line on standard output.

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::time::SystemTime;

use clap::Args;
use thiserror::Error;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

use super::{Ca, CommandError, say};
use crate::certificate::{self, Files};
use crate::database::Database;
use crate::hub::Hub;
use crate::limits::DRAIN_TIME;
use crate::people::password::Passwords;
use crate::{migrate, server, tls};

#[derive(Debug, Args)]
pub(super) struct Serve {
    /// PostgreSQL as the serving role, which owns nothing
    #[arg(long, env = "SITEWARDEN_HUB_DATABASE", hide_env_values = true)]
    database: String,
    #[command(flatten)]
    ca: Ca,
    /// Address to listen on; port 0 takes a free one
    #[arg(long, env = "SITEWARDEN_HUB_LISTEN", default_value = "127.0.0.1:8443")]
    listen: SocketAddr,
    /// Certificate chain (PEM); without it the hub makes one in its state folder
    #[arg(long, env = "SITEWARDEN_HUB_CERTIFICATE", requires = "key")]
    certificate: Option<PathBuf>,
    /// Private key of the certificate (PEM)
    #[arg(long, env = "SITEWARDEN_HUB_KEY", requires = "certificate")]
    key: Option<PathBuf>,
    /// Folder for the certificate that the hub makes itself
    #[arg(long, env = "SITEWARDEN_HUB_STATE", default_value = "hub-state")]
    state: PathBuf,
    /// Host name or address in that certificate; may be given several times
    #[arg(long, default_values = ["localhost", "127.0.0.1"])]
    name: Vec<String>,
    /// Say that it is ready as one JSON line on standard output
    #[arg(long)]
    json: bool,
    /// Log lines as JSON
    #[arg(long, env = "SITEWARDEN_HUB_LOG_JSON")]
    log_json: bool,
    /// What is logged, such as info or sitewarden_hub=debug
    #[arg(long, env = "SITEWARDEN_HUB_LOG", default_value = "info")]
    log: String,
}

/// Why it does not serve.
#[derive(Debug, Error)]
enum ServeError {
    #[error("{address} cannot be listened on: choose another by --listen")]
    Listen {
        address: SocketAddr,
        #[source]
        source: std::io::Error,
    },
    #[error("the log filter {0:?} is none; write info or sitewarden_hub=debug")]
    Filter(String),
}

pub(super) async fn serve(args: &Serve) -> Result<(), CommandError> {
    log(args)?;
    let database = Database::new(&args.database, args.ca.database_ca.as_deref())?;
    migrate::check(database.connect().await?.bare()).await?;
    let files = match (&args.certificate, &args.key) {
        (Some(certificate), Some(key)) => {
            Files { certificate: certificate.clone(), key: key.clone(), ca: None }
        }
        _ => certificate::own(&args.state, &args.name, SystemTime::now())?,
    };
    let config = tls::settings(&files.certificate, &files.key)?;
    let fault = |source| ServeError::Listen { address: args.listen, source };
    let listener = TcpListener::bind(args.listen).map_err(fault)?;
    let address = listener.local_addr().map_err(fault)?;
    let hub = Hub::new(database, Passwords::new()?);
    let handle = axum_server::Handle::new();
    let housekeeping = tokio::spawn(server::keep_house(hub.clone()));
    let ending = tokio::spawn(end_by_signal(handle.clone()));
    announce(args, address, &files);
    let served = server::serve(hub, listener, config, handle).await;
    housekeeping.abort();
    ending.abort();
    served.map_err(|source| ServeError::Listen { address, source })?;
    tracing::info!("ended");
    Ok(())
}

fn announce(args: &Serve, address: SocketAddr, files: &Files) {
    if args.json {
        let ca = files.ca.as_ref();
        say(serde_json::json!({ "ready": true, "address": format!("https://{address}"), "ca": ca }));
        return;
    }
    say(format_args!("The hub serves at https://{address}"));
    if let Some(ca) = &files.ca {
        say(format_args!("Clients trust it by {}", ca.display()));
    }
}

async fn end_by_signal(handle: axum_server::Handle<SocketAddr>) {
    let (Ok(mut term), Ok(mut int)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        tracing::warn!("signals cannot be waited for; the hub ends at once when it is told to");
        return;
    };
    tokio::select! {
        _ = term.recv() => {}
        _ = int.recv() => {}
    }
    tracing::info!("told to end; requests under way are finished");
    handle.graceful_shutdown(Some(DRAIN_TIME));
}

fn log(args: &Serve) -> Result<(), ServeError> {
    let filter = EnvFilter::try_new(&args.log).map_err(|_| ServeError::Filter(args.log.clone()))?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // A second subscriber in one process is not made; the first stays.
    let _ = if args.log_json {
        builder.json().flatten_event(true).try_init()
    } else {
        builder.with_ansi(false).try_init()
    };
    Ok(())
}
