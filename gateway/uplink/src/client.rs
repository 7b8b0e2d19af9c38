//! Calls of the cloud API over HTTPS with the box's certificate.
//!
//! One request at a time, each with a time limit, answers with a size limit, no redirects, no proxies from the
//! environment. What an answer means for the cursor is said here; what to do about it is the cursor's. Invariant: no
//! answer, however broken, is more than a [`Failure`] with a sentence.

use std::error::Error as _;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use reqwest::{Method, StatusCode, Url, header};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde::Deserialize;
use serde_json::json;
use sitewarden_core::Timestamp;
use sitewarden_log::number;

use crate::cursor::{Failure, FailureKind};
use crate::limits::{ANSWER_BYTES, CONNECT_TIME, NAME_BYTES, URL_BYTES, WORDS_CHARS};

/// What the box presents to the cloud.
#[derive(Debug)]
pub struct Identity {
    /// Certificate and its issuer's.
    pub chain: Vec<CertificateDer<'static>>,
    /// Key of the first.
    pub key: PrivateKeyDer<'static>,
}

/// What the cloud answers to a registration.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct Registered {
    pub(crate) gateway_id: String,
    pub(crate) site_id: String,
    pub(crate) tenant: String,
}

/// What a registration says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Claim<'a> {
    pub(crate) code: &'a str,
    pub(crate) site_name: &'a str,
    pub(crate) version: &'a str,
    pub(crate) log_key: &'a str,
}

/// What a heartbeat says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Heartbeat<'a> {
    pub(crate) version: &'a str,
    pub(crate) started: Timestamp,
    pub(crate) log_size: u64,
    pub(crate) oldest_unsent: Option<Timestamp>,
    pub(crate) queue: u64,
}

#[derive(Deserialize)]
struct Next {
    #[serde(with = "number::decimal")]
    next: u64,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Problem {
    #[serde(rename = "type")]
    kind: String,
    code: String,
    title: String,
    detail: String,
}

/// A connection to one cloud.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    http: reqwest::Client,
    base: String,
    answer_time: Duration,
}

/// Checks an address: https, a host, no credentials, query or fragment. Gives it without a slash at its end.
pub(crate) fn address(text: &str) -> Result<String, String> {
    let text = text.trim();
    if text.len() > URL_BYTES {
        return Err(format!("the address is longer than {URL_BYTES} bytes"));
    }
    let wrong = |what: &str| format!("{text:?} is not the address of a cloud: {what}");
    let url = Url::parse(text).map_err(|error| wrong(&error.to_string()))?;
    if url.scheme() != "https" {
        return Err(wrong("it must begin with https://"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(wrong("it must not have a user name or password"));
    }
    if url.query().is_some() || url.fragment().is_some() || !url.has_host() {
        return Err(wrong("give host, port and path alone"));
    }
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

impl Client {
    /// A client of the cloud at `base` (from [`address`]), whose certificate one of the authorities in `ca` (PEM) signed.
    pub(crate) fn new(
        base: &str,
        identity: Identity,
        ca: &str,
        answer_time: Duration,
    ) -> Result<Self, String> {
        let mut roots = rustls::RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(ca.as_bytes()) {
            let certificate =
                certificate.map_err(|error| format!("the CA certificates cannot be read: {error}"))?;
            // A bundle may hold a certificate that no client takes; the others count.
            let _ = roots.add(certificate);
        }
        if roots.is_empty() {
            return Err(
                "there is no usable CA certificate (PEM) to check the cloud's certificate with".to_owned()
            );
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
            .map_err(|error| format!("choosing TLS versions: {error}"))?
            .with_root_certificates(roots)
            .with_client_auth_cert(identity.chain, identity.key)
            .map_err(|error| format!("the box's own certificate cannot be used: {error}"))?;
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .http1_only()
            .https_only(true)
            .no_proxy()
            .no_gzip()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECT_TIME.min(answer_time))
            .timeout(answer_time)
            .pool_max_idle_per_host(1)
            .build()
            .map_err(|error| words_of(&error))?;
        Ok(Self { http, base: base.to_owned(), answer_time })
    }

    /// Registers the box.
    pub(crate) async fn register(&self, claim: Claim<'_>) -> Result<Registered, Failure> {
        let body = json!({
            "claim_code": claim.code, "site_name": claim.site_name, "version": claim.version, "log_key": claim.log_key,
        });
        let answer = self.call(Method::POST, "/v1/gateways", Some(body.to_string().into()), false).await?;
        let registered: Registered = read(&answer)?;
        let names = [&registered.gateway_id, &registered.site_id, &registered.tenant];
        if names.iter().any(|name| name.is_empty() || name.len() > NAME_BYTES) {
            return Err(Failure::unavailable(
                "The cloud's answer to the registration has an empty or overlong name",
            ));
        }
        Ok(registered)
    }

    /// The first record that the cloud lacks.
    pub(crate) async fn cursor(&self) -> Result<u64, Failure> {
        let answer = self.call(Method::GET, "/v1/cursor", None, false).await?;
        Ok(read::<Next>(&answer)?.next)
    }

    /// Sends a packed batch; gives the first record that the cloud lacks now.
    pub(crate) async fn push(&self, packed: Bytes, records: usize, bytes: usize) -> Result<u64, Failure> {
        match self.call(Method::POST, "/v1/batches", Some(packed), true).await {
            Ok(answer) => Ok(read::<Next>(&answer)?.next),
            Err(Failure { kind: FailureKind::TooLarge { .. }, retry_after, words }) => {
                Err(Failure { kind: FailureKind::TooLarge { records, bytes }, retry_after, words })
            }
            Err(failure) => Err(failure),
        }
    }

    /// Says that the box is there; gives the first record that the cloud lacks.
    pub(crate) async fn heartbeat(&self, heartbeat: Heartbeat<'_>) -> Result<u64, Failure> {
        let body = json!({
            "version": heartbeat.version,
            "started": heartbeat.started,
            "log_size": heartbeat.log_size.to_string(),
            "oldest_unsent": heartbeat.oldest_unsent,
            "queue": heartbeat.queue.to_string(),
        });
        let answer = self.call(Method::POST, "/v1/heartbeats", Some(body.to_string().into()), false).await?;
        Ok(read::<Next>(&answer)?.next)
    }

    async fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<Bytes>,
        packed: bool,
    ) -> Result<Bytes, Failure> {
        let mut request = self.http.request(method, format!("{}{path}", self.base));
        if let Some(body) = body {
            request = request.header(header::CONTENT_TYPE, "application/json").body(body);
        }
        if packed {
            request = request.header(header::CONTENT_ENCODING, "zstd");
        }
        let mut response = request.send().await.map_err(|error| self.unreachable(&error))?;
        let status = response.status();
        let retry_after = retry_after(response.headers());
        let location =
            response.headers().get(header::LOCATION).and_then(|value| value.to_str().ok()).map(short);
        let mut answer = Vec::new();
        loop {
            match response.chunk().await {
                Ok(Some(chunk)) if answer.len() + chunk.len() > ANSWER_BYTES => {
                    return Err(Failure::unavailable(format!(
                        "The cloud's answer ({status}) is longer than {ANSWER_BYTES} bytes; it was not read"
                    )));
                }
                Ok(Some(chunk)) => answer.extend_from_slice(&chunk),
                Ok(None) => break,
                Err(error) => return Err(self.unreachable(&error)),
            }
        }
        if status.is_success() {
            return Ok(answer.into());
        }
        Err(refusal(status, &answer, retry_after, location))
    }

    /// A call without a whole answer, in words.
    fn unreachable(&self, error: &reqwest::Error) -> Failure {
        let cause = words_of(error);
        let words = if error.is_timeout() {
            format!("The cloud did not answer within {} s", self.answer_time.as_secs())
        } else if cause.contains("certificate") {
            format!(
                "The cloud's certificate was not accepted: {cause}. Is the address right, and the CA the cloud's?"
            )
        } else if error.is_body() || error.is_decode() {
            format!("The cloud's answer broke off: {cause}")
        } else if error.is_connect() {
            format!("The cloud at {} cannot be reached: {cause}", self.base)
        } else {
            format!("The cloud's answer broke off or was none: {cause}")
        };
        Failure::unavailable(words)
    }
}

/// An answer that is not a success, in words, and what it means.
fn refusal(
    status: StatusCode,
    body: &[u8],
    retry_after: Option<Duration>,
    location: Option<String>,
) -> Failure {
    let problem: Problem = serde_json::from_slice(body).unwrap_or_default();
    let slug = if problem.code.is_empty() {
        problem.kind.rsplit('/').next().unwrap_or_default()
    } else {
        &problem.code
    };
    let said =
        [&problem.detail, &problem.title].into_iter().find(|text| !text.is_empty()).map(|text| short(text));
    let said = said.map_or_else(String::new, |text| format!(": {text}"));
    let code = status.as_u16();
    let (kind, words) = match status {
        _ if status.is_redirection() => (
            FailureKind::Unavailable,
            format!(
                "The cloud answered with a redirect ({code}) to {}, which is not followed: register with the right address",
                location.as_deref().unwrap_or("nowhere")
            ),
        ),
        StatusCode::PAYLOAD_TOO_LARGE => (
            FailureKind::TooLarge { records: 0, bytes: 0 },
            format!("The batch was larger than the cloud takes (413); smaller ones are sent{said}"),
        ),
        StatusCode::TOO_MANY_REQUESTS => {
            (FailureKind::Unavailable, format!("The cloud asks for fewer requests (429){said}"))
        }
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => (
            FailureKind::Refused,
            format!(
                "The cloud does not let this box in ({code}){said}. Was it removed there? Forget the cloud and register anew"
            ),
        ),
        StatusCode::CONFLICT if slug == "gap" => (
            FailureKind::Unavailable,
            format!("The cloud lacks earlier records (409); it is asked which{said}"),
        ),
        StatusCode::CONFLICT => (
            FailureKind::Contradiction,
            format!(
                "The cloud has other records of this log than the box (409, {}){said}. Nothing is sent any more: find out which of both was changed",
                short(slug)
            ),
        ),
        StatusCode::UNPROCESSABLE_ENTITY => (
            FailureKind::Contradiction,
            format!("The cloud does not accept this log's checkpoint or batch (422, {}){said}", short(slug)),
        ),
        _ => (FailureKind::Unavailable, format!("The cloud answered {code}{said}")),
    };
    Failure { kind, retry_after, words }
}

fn read<T: for<'de> Deserialize<'de>>(answer: &[u8]) -> Result<T, Failure> {
    serde_json::from_slice(answer).map_err(|error| {
        Failure::unavailable(format!(
            "The cloud's answer is not what its API says: {}",
            short(&error.to_string())
        ))
    })
}

/// Seconds of Retry-After; a date is not read (RFC 9110 §10.2.3 allows both) and counts as none.
fn retry_after(headers: &header::HeaderMap) -> Option<Duration> {
    let text = headers.get(header::RETRY_AFTER)?.to_str().ok()?;
    text.trim().parse().ok().map(Duration::from_secs)
}

/// Text of the cloud's, made harmless and short.
fn short(text: &str) -> String {
    text.chars().filter(|character| !character.is_control()).take(WORDS_CHARS).collect()
}

/// The innermost cause, which says what happened; the outer ones say that a request failed.
fn words_of(error: &reqwest::Error) -> String {
    let mut cause = error.source();
    let mut words = error.to_string();
    while let Some(inner) = cause {
        words = inner.to_string();
        cause = inner.source();
    }
    short(&words)
}

#[cfg(test)]
mod tests;
