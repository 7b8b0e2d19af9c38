//! A client of the API, as an application on the site would be: https with the site's CA, JSON both ways.
//!
//! Takes nothing for granted about the product: whatever comes back is given to the story as it came.

use std::path::Path;
use std::time::Duration;

use reqwest::header::{HeaderMap, HeaderValue};
use reqwest::{Certificate, Client, Method};
use serde_json::Value;

/// Longest wait for one answer.
const TIMEOUT: Duration = Duration::from_secs(30);

/// One way to talk to the gateway: anonymous, with an API key, or with a session's cookie.
#[derive(Clone, Debug)]
pub(crate) struct Api {
    client: Client,
    base: String,
    headers: HeaderMap,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) request: String,
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Api {
    /// Trusts the CA in this file and nobody else.
    pub(crate) fn new(base: &str, ca: &Path) -> Self {
        // An error means that another story was first.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let pem = std::fs::read(ca).unwrap_or_else(|error| panic!("{}: {error}", ca.display()));
        let ca = Certificate::from_pem(&pem).expect("ca.pem is a certificate");
        let built = Client::builder().tls_certs_only([ca]).timeout(TIMEOUT).no_proxy().build();
        Self { client: built.expect("a client"), base: base.to_owned(), headers: HeaderMap::new() }
    }

    /// The same client with an API key.
    pub(crate) fn with_key(self, key: &str) -> Self {
        self.with_header("authorization", &format!("Bearer {key}"))
    }

    /// The same client with one more header.
    pub(crate) fn with_header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.insert(name, HeaderValue::from_str(value).expect("a header value"));
        self
    }

    /// The same client as a browser after this log-in: its cookie, its origin, its own header.
    pub(crate) fn with_session(self, login: &Answer) -> Self {
        let cookie = login.headers["set-cookie"].to_str().expect("an ASCII cookie");
        let cookie = cookie.split(';').next().expect("a cookie has a value").to_owned();
        let base = self.base.clone();
        self.with_header("cookie", &cookie).with_header("origin", &base).with_header("x-sitewarden", "1")
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, None).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        self.send(Method::POST, path, Some(body)).await
    }

    pub(crate) async fn patch(&self, path: &str, body: Value) -> Answer {
        self.send(Method::PATCH, path, Some(body)).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.send(Method::DELETE, path, None).await
    }

    /// Sends and reads to the end.
    ///
    /// # Panics
    /// When no HTTP answer comes.
    pub(crate) async fn send(&self, method: Method, path: &str, body: Option<Value>) -> Answer {
        let request = format!("{method} {path}");
        let answer = self.open(method, path, body).await;
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        let text = answer.text().await.unwrap_or_else(|error| panic!("{request}: {error:?}"));
        Answer { request, status, headers, text }
    }

    /// Sends and gives the answer with its body still to come, for live events.
    pub(crate) async fn open(&self, method: Method, path: &str, body: Option<Value>) -> reqwest::Response {
        let request =
            self.client.request(method, format!("{}{path}", self.base)).headers(self.headers.clone());
        let request = match body {
            Some(body) => request.json(&body),
            None => request,
        };
        request.send().await.unwrap_or_else(|error| panic!("{path}: {error:?}"))
    }

    /// All items of a list, page by page.
    pub(crate) async fn list(&self, path: &str) -> Vec<Value> {
        let mut items = Vec::new();
        let mut cursor = String::new();
        loop {
            let joint = if path.contains('?') { '&' } else { '?' };
            let mut page = self.get(&format!("{path}{joint}limit=200{cursor}")).await.expect(200);
            items.append(page["items"].as_array_mut().expect("a list has items"));
            let Some(next) = page["next"].as_str() else { return items };
            cursor = format!("&cursor={next}");
        }
    }
}

impl Answer {
    /// Its JSON, if it has this status.
    ///
    /// # Panics
    /// When the status is another.
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}: {}", self.request, self.text);
        self.json()
    }

    /// Its JSON; null for an empty body.
    ///
    /// # Panics
    /// When it is something else.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        if self.text.is_empty() {
            return Value::Null;
        }
        serde_json::from_str(&self.text)
            .unwrap_or_else(|error| panic!("{}: {error}: {}", self.request, self.text))
    }
}
