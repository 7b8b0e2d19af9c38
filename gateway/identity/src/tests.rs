//! The harness of the slice's tests: an app over a real store, browsers with a cookie, a clock that is moved.

mod attacks;
mod lifecycle;

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Request};
use axum::middleware;
use http::{HeaderMap, header};
use http_body_util::BodyExt as _;
use serde_json::{Value as Json, json};
use sitewarden_core::gate::PolicyEpoch;
use sitewarden_core::{Decider, Decision, Monotonic, Principal, Role, Value};
use sitewarden_store::site_log;
use sitewarden_store::testing::TestStore;
use tower::ServiceExt as _;

use super::*;

const PASSWORD: &str = "correct horse battery";

/// Owners all; everybody themselves; others only look; nobody known may show the set-up code.
struct Roles;

impl Decider for Roles {
    fn decide(&self, principal: &Principal, action: Action, resource: &Resource) -> Decision {
        let (role, own) = match principal {
            Principal::Person { role, id } => {
                (Some(*role), action == Action::SelfManage && resource.id() == &**id)
            }
            Principal::ApiKey { role, .. } => (Some(*role), false),
            _ => (None, false),
        };
        let all = role == Some(Role::Owner) && action != Action::SelfManage;
        let looks = role >= Some(Role::Operator) && action == Action::UserRead;
        let setup = *principal == Principal::Anonymous && action == Action::SetupRun;
        Decision { allow: all || own || looks || setup, policies: Vec::new(), epoch: PolicyEpoch(1) }
    }
    fn epoch(&self) -> PolicyEpoch {
        PolicyEpoch(1)
    }
}

/// Allows everything, as a careless policy would.
struct Careless;

impl Decider for Careless {
    fn decide(&self, _: &Principal, _: Action, _: &Resource) -> Decision {
        Decision { allow: true, policies: Vec::new(), epoch: PolicyEpoch(1) }
    }
    fn epoch(&self) -> PolicyEpoch {
        PolicyEpoch(1)
    }
}

struct App {
    router: Router,
    identity: Identity,
    test: Arc<TestStore>,
    events: mpsc::Receiver<Event>,
}

struct Answer {
    status: u16,
    headers: HeaderMap,
    body: Json,
}

impl Answer {
    fn code(&self) -> (u16, &str) {
        (self.status, self.body["code"].as_str().unwrap_or_default())
    }

    /// The session cookie that the answer sets.
    fn cookie(&self) -> String {
        let value = self.headers.get(header::SET_COOKIE).expect("a cookie").to_str().expect("text");
        value.split(';').next().expect("a pair").to_owned()
    }
}

/// A browser at the site's own page, or a program with a key.
#[derive(Clone, Default)]
struct Client {
    headers: Vec<(&'static str, String)>,
    address: Option<IpAddr>,
}

impl Client {
    fn browser() -> Self {
        Self::default()
            .with("host", "gateway.example")
            .with("origin", "https://gateway.example")
            .with("x-sitewarden", "1")
    }

    fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.retain(|(known, _)| *known != name);
        self.headers.push((name, value.to_owned()));
        self
    }

    fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(known, _)| *known != name);
        self
    }

    fn at(mut self, address: &str) -> Self {
        self.address = Some(address.parse().expect("an address"));
        self
    }
}

impl App {
    fn new() -> Self {
        Self::with(Arc::new(Roles))
    }

    fn with(decider: Arc<dyn Decider>) -> Self {
        let test = Arc::new(TestStore::new(&[MIGRATIONS]));
        let (sender, events) = mpsc::channel(1_000);
        let clock = Arc::clone(&test);
        let begin = test.now();
        let clocks: Clocks = Arc::new(move || {
            let wall = clock.now();
            let mono = u64::try_from(wall.since(begin).as_micros()).expect("small");
            Now { wall, mono: Monotonic::from_micros(mono) }
        });
        let deps = Deps {
            store: test.store.clone(),
            gate: Gate::new(decider),
            clocks,
            events: sender,
            entities_changed: Arc::new(|| ()),
            ca_fingerprint: "acorn agate".into(),
        };
        let identity = build(deps).expect("the slice");
        let router = Router::from(identity.routes());
        let router = router.layer(middleware::from_fn_with_state(identity.clone(), authenticate));
        Self { router, identity, test, events }
    }

    async fn send(&self, client: &Client, method: &str, path: &str, body: Option<Json>) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in &client.headers {
            request = request.header(*name, value);
        }
        let body = match body {
            Some(body) => {
                request = request.header(header::CONTENT_TYPE, "application/json");
                Body::from(body.to_string())
            }
            None => Body::empty(),
        };
        let mut request = request.body(body).expect("a request");
        let address = client.address.unwrap_or_else(|| IpAddr::from([192, 0, 2, 1]));
        request.extensions_mut().insert(ConnectInfo(SocketAddr::from((address, 4_000))));
        let response = self.router.clone().oneshot(request).await.expect("infallible");
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let bytes = response.into_body().collect().await.expect("a body").to_bytes();
        Answer { status, headers, body: serde_json::from_slice(&bytes).unwrap_or(Json::Null) }
    }

    /// Makes the first owner `elin`; gives the browser with the cookie.
    async fn owner(&self) -> Client {
        let code = self.identity.setup_code().expect("a code");
        let body =
            json!({ "code": code.expose(), "name": "Elin Lund", "login": "Elin", "password": PASSWORD });
        let answer = self.send(&Client::browser(), "POST", "/setup/owner", Some(body)).await;
        assert_eq!(answer.status, 201, "{}", answer.body);
        Client::browser().with("cookie", &answer.cookie())
    }

    /// Adds a person and signs them in; gives the id and the browser.
    async fn person(&self, owner: &Client, login: &str, role: &str) -> (String, Client) {
        let body = json!({ "login": login, "name": login, "role": role, "password": PASSWORD });
        let answer = self.send(owner, "POST", "/users", Some(body)).await;
        assert_eq!(answer.status, 201, "{}", answer.body);
        let id = answer.body["id"].as_str().expect("an id").to_owned();
        let answer = self.sign_in(&Client::browser(), login, PASSWORD).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        (id, Client::browser().with("cookie", &answer.cookie()))
    }

    async fn sign_in(&self, client: &Client, login: &str, password: &str) -> Answer {
        self.send(client, "POST", "/session", Some(json!({ "login": login, "password": password }))).await
    }

    async fn key(&self, owner: &Client, role: &str) -> (String, Client) {
        let body = json!({ "name": "a program", "role": role, "expires_in_days": 1 });
        let answer = self.send(owner, "POST", "/api-keys", Some(body)).await;
        assert_eq!(answer.status, 201, "{}", answer.body);
        let key = answer.body["key"].as_str().expect("a key");
        (
            answer.body["id"].as_str().expect("an id").to_owned(),
            Client::default().with("authorization", &format!("Bearer {key}")),
        )
    }

    /// Lets what requests left behind on the runtime be written.
    async fn settle(&self) {
        for _ in 0..3 {
            tokio::task::yield_now().await;
            self.test.store.write("nothing", |_| Ok::<_, IdentityError>(())).await.expect("written");
        }
    }

    async fn log(&self) -> Vec<site_log::Record> {
        match self.test.store.read(|conn| site_log::read(conn, 0, 1_000)).await.expect("read") {
            site_log::Page::Records(records) => records,
            reset @ site_log::Page::Reset { .. } => panic!("{reset:?}"),
        }
    }

    async fn kinds(&self) -> Vec<String> {
        self.log().await.into_iter().map(|record| record.kind).collect()
    }

    /// The `action` of all events so far.
    fn happenings(&mut self) -> Vec<String> {
        let mut actions = Vec::new();
        while let Ok(event) = self.events.try_recv() {
            assert_eq!(event.source, sitewarden_core::LogSource::own("identity"));
            match event.fields.first() {
                Some((name, Value::Text(action))) if &**name == "action" => actions.push(action.to_string()),
                other => panic!("{other:?}"),
            }
        }
        actions
    }
}
