//! A client of the hub's API: as a gateway with its certificate, as a browser with a session, or as nobody.

use std::path::Path;
use std::time::Duration;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Certificate, Client, Identity, Method};
use serde_json::{Value, json};

use super::hub::Hub;

/// One way to talk to one instance.
#[derive(Clone, Debug)]
pub(crate) struct Api {
    client: Client,
    base: String,
    headers: HeaderMap,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    request: String,
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Api {
    /// Trusts the hub's CA; shows this certificate and key (PEM), if given.
    pub(crate) fn new(hub: &Hub, identity: Option<&str>) -> Self {
        Self::at(&hub.address, &hub.ca(), identity)
    }

    fn at(base: &str, ca: &Path, identity: Option<&str>) -> Self {
        // An error means that another test was first.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let ca = Certificate::from_pem(&std::fs::read(ca).expect("the hub's CA")).expect("a certificate");
        let mut builder = Client::builder().tls_certs_only([ca]).timeout(Duration::from_secs(60)).no_proxy();
        if let Some(pem) = identity {
            builder = builder.identity(Identity::from_pem(pem.as_bytes()).expect("certificate and key"));
        }
        Self { client: builder.build().expect("a client"), base: base.to_owned(), headers: HeaderMap::new() }
    }

    /// A client at another address of this machine.
    pub(crate) fn from_elsewhere(hub: &Hub) -> Self {
        let ca =
            Certificate::from_pem(&std::fs::read(hub.ca()).expect("the hub's CA")).expect("a certificate");
        let here = std::net::Ipv4Addr::new(127, 0, 0, 2);
        let builder = Client::builder().tls_certs_only([ca]).timeout(Duration::from_secs(60)).no_proxy();
        let client = builder.local_address(std::net::IpAddr::from(here)).build().expect("a client");
        Self { client, base: hub.address.clone(), headers: HeaderMap::new() }
    }

    /// The same client with one more header.
    pub(crate) fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.insert(HeaderName::from_static(name), HeaderValue::from_str(value).expect("a value"));
        self
    }

    /// A browser that signed in.
    pub(crate) async fn signed_in(hub: &Hub, login: &str, password: &str) -> Self {
        Self::signed_in_with(hub, login, password).await.0
    }

    /// The same with its session's cookie.
    pub(crate) async fn signed_in_with(hub: &Hub, login: &str, password: &str) -> (Self, String) {
        let api = Self::new(hub, None).with("x-sitewarden", "1");
        let answer = api.post("/v1/session", &json!({ "login": login, "password": password })).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        let cookie = answer.headers["set-cookie"].to_str().expect("an ASCII cookie").to_owned();
        let cookie = cookie.split(';').next().expect("a cookie has a value").to_owned();
        (api.with("cookie", &cookie), cookie)
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, &[], Vec::new()).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        let body = body.to_string().into_bytes();
        self.send(Method::POST, path, &[("content-type", "application/json")], body).await
    }

    /// Pushes a compressed batch.
    pub(crate) async fn push(&self, packed: Vec<u8>) -> Answer {
        let headers = [("content-type", "application/json"), ("content-encoding", "zstd")];
        self.send(Method::POST, "/v1/batches", &headers, packed).await
    }

    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&'static str, &str)],
        body: Vec<u8>,
    ) -> Answer {
        let request = format!("{method} {path}");
        self.try_send(method, path, headers, body).await.unwrap_or_else(|error| panic!("{request}: {error}"))
    }

    /// As `send`; an error when no answer comes.
    pub(crate) async fn try_send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&'static str, &str)],
        body: Vec<u8>,
    ) -> Result<Answer, String> {
        let request = format!("{method} {path}");
        let mut builder =
            self.client.request(method, format!("{}{path}", self.base)).headers(self.headers.clone());
        for (name, value) in headers {
            builder = builder.header(*name, *value);
        }
        let answer = builder.body(body).send().await.map_err(|error| format!("{error:?}"))?;
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        let text = answer.text().await.map_err(|error| format!("{error:?}"))?;
        Ok(Answer { request, status, headers, text })
    }
}

impl Answer {
    /// Its JSON, if it has this status.
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}: {}", self.request, self.text);
        serde_json::from_str(&self.text)
            .unwrap_or_else(|error| panic!("{}: {error}: {}", self.request, self.text))
    }

    /// Checks that it is a problem with this status and code; gives its JSON.
    #[track_caller]
    pub(crate) fn problem(self, status: u16, code: &str) -> Value {
        let kind = self.headers["content-type"].clone();
        let problem = self.expect(status);
        assert_eq!(
            (kind.to_str().ok(), problem["code"].as_str()),
            (Some("application/problem+json"), Some(code))
        );
        assert_eq!(problem["type"], format!("urn:sitewarden:problem:{code}"));
        problem
    }
}
