//! Operators: signing in and out, throttled, protected from other sites' pages; the page itself.

use serde_json::json;

use crate::support::api::Api;
use crate::support::hub::Hub;
use crate::support::site::Site;
use crate::support::wait::wait_for;

#[tokio::test]
async fn a_session_works_on_every_instance_until_it_is_ended() {
    let Some(hub) = Hub::with_tenant() else { return };
    let second = Hub::start(&hub.database);
    let password = hub.database.account("north", "elin");
    let nobody = Api::new(&hub, None).with("x-sitewarden", "1");
    nobody.get("/v1/session").await.problem(401, "not-signed-in");

    let answer = nobody.post("/v1/session", &json!({ "login": "Elin", "password": password })).await;
    let cookie = answer.headers["set-cookie"].to_str().expect("ASCII").to_owned();
    answer.expect(200);

    for part in ["__Host-hub-session=", "HttpOnly", "Secure", "SameSite=Strict", "Path=/"] {
        assert!(cookie.contains(part), "{cookie}");
    }
    let pair = cookie.split(';').next().expect("a value");
    let (here, there) =
        (Api::new(&hub, None).with("cookie", pair), Api::new(&second, None).with("cookie", pair));
    assert_eq!(there.get("/v1/session").await.expect(200), json!({ "login": "elin", "tenant": "north" }));
    here.send(reqwest::Method::DELETE, "/v1/session", &[], Vec::new()).await.problem(403, "cross-site");
    let proof = [("x-sitewarden", "1")];
    let foreign = [("x-sitewarden", "1"), ("origin", "https://evil.example")];
    here.send(reqwest::Method::DELETE, "/v1/session", &foreign, Vec::new()).await.problem(403, "cross-site");
    assert_eq!(here.send(reqwest::Method::DELETE, "/v1/session", &proof, Vec::new()).await.status, 204);
    there.get("/v1/session").await.problem(401, "not-signed-in");
    let stored = hub.database.sql("SELECT password FROM hub.account");
    assert!(stored.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{stored}");
}

#[tokio::test]
async fn a_session_ends_by_time() {
    let Some(hub) = Hub::with_tenant() else { return };
    let password = hub.database.account("north", "elin");
    for change in ["expires = now()", "last_seen = now() - interval '31 minutes'"] {
        let elin = Api::signed_in(&hub, "elin", &password).await;
        elin.get("/v1/sites").await.expect(200);

        hub.database.sql(&format!("UPDATE hub.session SET {change}"));

        elin.get("/v1/sites").await.problem(401, "not-signed-in");
    }
}

#[tokio::test]
async fn wrong_log_ins_are_one_answer_and_throttled_over_all_instances() {
    let Some(hub) = Hub::with_tenant() else { return };
    let second = Hub::start(&hub.database);
    let password = hub.database.account("north", "elin");
    let apis = [&hub, &second].map(|hub| Api::new(hub, None).with("x-sitewarden", "1"));
    let try_in = async |round: usize, login: &str, password: &str| {
        apis[round % 2].post("/v1/session", &json!({ "login": login, "password": password })).await
    };

    let wrong = try_in(0, "elin", "wrong").await.problem(401, "wrong-credentials");
    let unknown = try_in(1, "nobody", "wrong").await.problem(401, "wrong-credentials");
    assert_eq!(wrong["detail"], unknown["detail"]);
    for round in 1..5 {
        try_in(round, "elin", "wrong").await.problem(401, "wrong-credentials");
    }
    for round in 0..2 {
        let refused = try_in(round, "elin", &password).await;
        assert!(refused.headers.contains_key("retry-after"));
        refused.problem(429, "too-many-tries");
    }
    assert_eq!(hub.database.sql("SELECT count(*) FROM hub.session"), "0");
    assert!(
        hub.database.sql("SELECT count(*) FROM hub.rate WHERE key LIKE '%elin%' OR key LIKE '%127%'") == "0"
    );
}

#[tokio::test]
async fn what_is_made_twice_or_badly_is_refused_with_what_would_be_right() {
    let Some(hub) = Hub::with_tenant() else { return };
    let fails = |arguments: &[&str]| {
        let done = hub.database.admin_command(arguments).output().expect("the command runs");
        assert!(!done.status.success(), "{arguments:?}");
        String::from_utf8_lossy(&done.stderr).into_owned()
    };
    hub.database.account("north", "elin");
    let short = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(short.path(), "short\n").expect("written");
    let file = short.path().to_str().expect("UTF-8");

    assert!(fails(&["tenant", "create", "north"]).contains("already"));
    assert!(fails(&["account", "create", "--login", "ELIN", "--tenant", "north"]).contains("already"));
    assert!(fails(&["account", "create", "--login", "a", "--tenant", "nowhere"]).contains("no tenant"));
    assert!(
        fails(&["account", "create", "--login", "a", "--tenant", "north", "--password-file", file])
            .contains("12 or more")
    );
    assert!(fails(&["claim", "create", "--tenant", "north", "--expires", "0"]).contains("hours"));
}

#[tokio::test]
async fn lists_are_searched_filtered_and_paged() {
    let Some(hub) = Hub::with_tenant() else { return };
    let (mut site, api) = Site::registered(&hub, "north", "one").await;
    for id in 1..=7 {
        site.raise(id, if id % 2 == 0 { "Cold room too warm" } else { "Door left open" });
    }
    site.push_from(&api, 1).await;
    let password = hub.database.account("north", "elin");
    let elin = Api::signed_in(&hub, "elin", &password).await;
    let ids = async |query: &str| -> Vec<String> {
        let page = elin.get(&format!("/v1/findings?{query}")).await.expect(200);
        page["items"]
            .as_array()
            .expect("items")
            .iter()
            .map(|item| item["id"].as_str().expect("text").to_owned())
            .collect()
    };

    assert_eq!(ids("q=WARM+cold").await, ["6", "4", "2"]);
    assert_eq!(ids("q=warm+door").await, [""; 0]);
    assert_eq!(ids("severity=high,low&status=open&signature=none&limit=2").await, ["7", "6"]);
    assert_eq!(ids("severity=critical").await, [""; 0]);
    let mut seen = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = elin.get(&format!("/v1/findings?limit=3{cursor}")).await.expect(200);
        seen.extend(page["items"].as_array().expect("items").iter().map(|item| item["id"].to_string()));
        let Some(next) = page["next"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(seen, ["7", "6", "5", "4", "3", "2", "1"].map(|id| format!("\"{id}\"")));
    elin.get("/v1/findings?cursor=junk").await.problem(400, "bad-cursor");
    elin.get("/v1/findings?limit=0").await.problem(400, "bad-limit");
    elin.get("/v1/findings?severity=worst").await.problem(400, "bad-severity");
    elin.get("/v1/sites/x").await.problem(400, "bad-path");
    let odd = elin.get("/v1/findings?q=%25%27%3B--%00").await;
    assert_eq!(odd.status, 400, "{}", odd.text);
}

#[tokio::test]
async fn every_answer_has_the_headers_and_the_page_is_there() {
    let Some(hub) = Hub::with_tenant() else { return };
    let api = Api::new(&hub, None);

    for (path, kind) in [
        ("/", "text/html"),
        ("/hub.js", "text/javascript"),
        ("/hub.css", "text/css"),
        ("/icon.svg", "image/svg"),
        ("/nothing", "application/problem"),
    ] {
        let answer = api.get(path).await;
        assert!(answer.headers["content-type"].to_str().is_ok_and(|found| found.starts_with(kind)), "{path}");
        let policy = answer.headers["content-security-policy"].to_str().expect("ASCII");
        assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
        for header in
            ["x-request-id", "strict-transport-security", "x-content-type-options", "referrer-policy"]
        {
            assert!(answer.headers.contains_key(header), "{path} without {header}");
        }
    }
    assert_eq!(api.get("/ready").await.text, "ready\n");
    api.send(reqwest::Method::PUT, "/v1/session", &[], Vec::new()).await.problem(405, "wrong-method");
    let served = api.get("/v1/openapi.json").await.text;
    assert_eq!(served.trim(), include_str!("../../openapi.json").trim());
}

#[tokio::test]
async fn one_address_takes_its_own_connections_and_no_others() {
    let Some(hub) = Hub::with_tenant() else { return };
    let honest = Api::from_elsewhere(&hub);
    let address = hub.address.trim_start_matches("https://").to_owned();
    let mut held = Vec::new();
    for _ in 0..250 {
        held.push(tokio::net::TcpStream::connect(&address).await.expect("the kernel takes it"));
    }
    let refused =
        async || Api::new(&hub, None).try_send(reqwest::Method::GET, "/health", &[], Vec::new()).await;

    assert_eq!(honest.get("/health").await.text, "ok\n");
    assert!(refused().await.is_err(), "the address has as many as it may");
    held.clear();
    wait_for("the places to be free again", async || refused().await.map(|_| ())).await;
}
