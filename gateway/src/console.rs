//! The console socket: commands of a person at the box reach the running gateway.
//!
//! An owner-only Unix socket in the state folder; one JSON request line, one JSON answer line, then the
//! connection ends. Whoever can open it can read the state folder too, so its permits are console
//! permits. Not a remote interface and not an API. Invariant: the socket is 0600 inside a 0700 folder
//! and requests are at most [`CONSOLE_BYTES`].

use std::future::Future;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use thiserror::Error;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};
use tokio_util::sync::CancellationToken;

use crate::limits::{CONSOLE_BYTES, CONSOLE_TIMEOUT};

/// What a person at the console may ask for. Not logged: it may hold a claim code.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "kebab-case")]
pub(crate) enum Request {
    /// Make an MQTT credential, or sign a CSR, for a device.
    Enrol(Enrol),
    /// Open a one-time code for an agent.
    EnrolAgent { code: Option<String>, name: Option<String>, zone: Option<String> },
    /// Make an API key.
    ApiKeyCreate { name: String, role: String, expires_days: u32 },
    /// List API keys.
    ApiKeyList,
    /// Withdraw an API key.
    ApiKeyRevoke { id: String },
    /// Register the box at a cloud.
    UplinkRegister { url: String, claim_code: String, ca_pem: Option<String> },
    /// Forget the cloud.
    UplinkForget,
    /// How the uplink stands.
    UplinkStatus,
}

/// Which device gets a credential.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Enrol {
    pub(crate) id: String,
    pub(crate) name: Option<String>,
    pub(crate) zone: Option<String>,
    pub(crate) kind: Option<String>,
    pub(crate) csr_pem: Option<String>,
    /// Leave the approval to somebody else.
    pub(crate) await_approval: bool,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Answer {
    /// Done; the result as a JSON object.
    Done(serde_json::Value),
    /// Not done, and why, for a person.
    Failed(String),
}

#[derive(Debug, Error)]
pub(crate) enum ConsoleError {
    #[error("cannot open the console socket {}: is the state folder yours?", path.display())]
    Bind {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("the running gateway did not answer on {}", path.display())]
    Talk {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("the running gateway's answer on {} cannot be read: do both have the same version?", path.display())]
    Answer {
        path: PathBuf,
        #[source]
        source: serde_json::Error,
    },
}

/// Path of the socket in a state folder.
pub(crate) fn path(state: &Path) -> PathBuf {
    state.join("console.sock")
}

/// Binds the socket, replacing one left by a killed process (the state lock is held, so nobody listens on it).
pub(crate) fn bind(state: &Path) -> Result<UnixListener, ConsoleError> {
    let path = path(state);
    let failed = |source| ConsoleError::Bind { path: path.clone(), source };
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    let listener = UnixListener::bind(&path).map_err(failed)?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).map_err(failed)?;
    Ok(listener)
}

/// Serves requests one after the other until cancelled: a console has one person.
pub(crate) async fn serve<F, Fut>(listener: UnixListener, execute: F, stop: CancellationToken)
where
    F: Fn(Request) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Answer> + Send,
{
    let execute = Arc::new(execute);
    loop {
        let stream = tokio::select! {
            () = stop.cancelled() => return,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::warn!(%error, "console socket: accept failed");
                    continue;
                }
            },
        };
        let work = converse(stream, Arc::clone(&execute));
        match tokio::time::timeout(CONSOLE_TIMEOUT, work).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "console socket: conversation failed"),
            Err(_) => tracing::warn!(timeout = ?CONSOLE_TIMEOUT, "console socket: command took too long"),
        }
    }
}

async fn converse<F, Fut>(stream: UnixStream, execute: Arc<F>) -> std::io::Result<()>
where
    F: Fn(Request) -> Fut + Send + Sync,
    Fut: Future<Output = Answer> + Send,
{
    let (reader, mut writer) = stream.into_split();
    let mut line = String::new();
    let limit = u64::try_from(CONSOLE_BYTES).unwrap_or(u64::MAX);
    tokio::io::BufReader::new(reader.take(limit)).read_line(&mut line).await?;
    let answer = match serde_json::from_str(&line) {
        Ok(request) => execute(request).await,
        Err(error) => Answer::Failed(format!("the request cannot be read: {error}")),
    };
    let mut text = serde_json::to_vec(&answer)?;
    text.push(b'\n');
    writer.write_all(&text).await
}

/// Asks the running gateway; `None` when none runs on this state folder.
pub(crate) fn ask(state: &Path, request: &Request) -> Result<Option<Answer>, ConsoleError> {
    let path = path(state);
    let mut stream = match std::os::unix::net::UnixStream::connect(&path) {
        Ok(stream) => stream,
        Err(error)
            if matches!(
                error.kind(),
                std::io::ErrorKind::NotFound | std::io::ErrorKind::ConnectionRefused
            ) =>
        {
            return Ok(None);
        }
        Err(source) => return Err(ConsoleError::Talk { path, source }),
    };
    let talk = |source| ConsoleError::Talk { path: path.clone(), source };
    stream.set_read_timeout(Some(CONSOLE_TIMEOUT)).map_err(talk)?;
    let mut text =
        serde_json::to_vec(request).map_err(|source| ConsoleError::Answer { path: path.clone(), source })?;
    text.push(b'\n');
    stream.write_all(&text).map_err(talk)?;
    let mut line = String::new();
    let limit = u64::try_from(CONSOLE_BYTES).unwrap_or(u64::MAX);
    BufReader::new(stream.take(limit)).read_line(&mut line).map_err(talk)?;
    serde_json::from_str(&line).map(Some).map_err(|source| ConsoleError::Answer { path, source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_reaches_the_gateway_and_its_answer_comes_back() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("runtime");
        let stop = CancellationToken::new();
        let listener = runtime.block_on(async { bind(folder.path()) }).expect("binds");
        let mode = std::fs::metadata(path(folder.path())).expect("exists").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        runtime.spawn(serve(
            listener,
            |request| async move {
                match request {
                    Request::ApiKeyList => Answer::Done(serde_json::json!({"items": []})),
                    other => Answer::Failed(format!("{other:?}")),
                }
            },
            stop.clone(),
        ));

        let answer = ask(folder.path(), &Request::ApiKeyList).expect("talks");

        assert_eq!(answer, Some(Answer::Done(serde_json::json!({"items": []}))));
        stop.cancel();
    }

    #[test]
    fn without_a_gateway_there_is_nobody_to_ask() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        assert_eq!(ask(folder.path(), &Request::ApiKeyList).expect("no error"), None);
    }
}
