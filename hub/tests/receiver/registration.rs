//! A gateway registers by a claim code and is known by its key from then on.

use serde_json::json;

use crate::support::api::Api;
use crate::support::hub::Hub;
use crate::support::postgres::{Cluster, Database};
use crate::support::site::{Site, identity};

#[tokio::test]
async fn a_code_makes_one_gateway_and_the_same_claim_again_gives_the_same_answer() {
    let Some(hub) = Hub::with_tenant() else { return };
    let (site, code) = (Site::new("one"), hub.database.claim("north"));
    let api = Api::new(&hub, Some(&site.identity));

    let first = site.register(&api, &code).await.expect(201);
    let again = site.register(&api, &code.to_lowercase().replace('-', "")).await.expect(200);

    assert_eq!(first, again);
    assert_eq!(first["tenant"], "north");
    assert_eq!(api.get("/v1/cursor").await.expect(200)["next"], "1");
    let other = Site::new("two");
    let others = Api::new(&hub, Some(&other.identity));
    other.register(&others, &code).await.problem(403, "claim-refused");
    others.get("/v1/cursor").await.problem(403, "unknown-gateway");
    // A key is one gateway: another code changes nothing about it.
    site.register(&api, &hub.database.claim("north")).await.problem(403, "claim-refused");
    assert_eq!(hub.database.sql("SELECT count(*) FROM hub.gateway"), "1");
}

#[tokio::test]
async fn unknown_expired_and_used_codes_are_one_answer_and_many_are_throttled() {
    let Some(hub) = Hub::with_tenant() else { return };
    let expired = hub.database.claim("north");
    hub.database.sql("UPDATE hub.claim SET expires = now() - interval '1 second'");
    let site = Site::new("one");
    let api = Api::new(&hub, Some(&site.identity));

    let mut details = Vec::new();
    for code in [expired.as_str(), "2222222-2222222-2222222"] {
        details.push(site.register(&api, code).await.problem(403, "claim-refused")["detail"].clone());
    }
    assert_eq!(details[0], details[1]);
    let mut last = 403;
    for _ in 0..10 {
        last = site.register(&api, "3333333").await.status;
    }
    assert_eq!(last, 429);
    let refused = site.register(&api, &hub.database.claim("north")).await;
    assert!(
        refused.headers["retry-after"].to_str().is_ok_and(|wait| wait.parse::<u64>().is_ok_and(|s| s >= 1))
    );
    refused.problem(429, "too-many-tries");
}

#[tokio::test]
async fn without_a_certificate_or_with_nonsense_nobody_is_registered() {
    let Some(hub) = Hub::with_tenant() else { return };
    let (site, code) = (Site::new("one"), hub.database.claim("north"));
    let nobody = Api::new(&hub, None);
    let api = Api::new(&hub, Some(&site.identity));

    site.register(&nobody, &code).await.problem(401, "no-certificate");
    nobody.get("/v1/cursor").await.problem(401, "no-certificate");
    let mut bent = site.registration(&code);
    bent["log_key"] = json!("no key");
    api.post("/v1/gateways", &bent).await.problem(422, "bad-log-key");
    bent["site_name"] = json!("a\u{0}b");
    api.post("/v1/gateways", &bent).await.problem(422, "bad-name");
    bent["more"] = json!(1);
    api.post("/v1/gateways", &bent).await.problem(422, "wrong-shape");
    let deep = format!("{}{}", "[".repeat(50), "]".repeat(50)).into_bytes();
    let json_type = [("content-type", "application/json")];
    api.send(reqwest::Method::POST, "/v1/gateways", &json_type, deep).await.problem(400, "json-too-deep");
    api.send(reqwest::Method::POST, "/v1/gateways", &json_type, vec![b' '; 20_000])
        .await
        .problem(413, "body-too-large");
    api.send(reqwest::Method::POST, "/v1/gateways", &[], b"{}".to_vec()).await.problem(415, "not-json");

    assert_eq!(hub.database.sql("SELECT count(*) FROM hub.site"), "0");
    site.register(&api, &code).await.expect(201);
    // Another certificate with another key is another gateway, whoever issued it.
    Api::new(&hub, Some(&identity())).get("/v1/cursor").await.problem(403, "unknown-gateway");
}

#[tokio::test]
async fn a_role_that_sees_around_row_level_security_is_refused_and_so_is_a_schema_that_does_not_fit() {
    let Some(cluster) = Cluster::shared() else { return };
    let database = Database::new(&cluster);
    let serve = |user: &str| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_sitewarden-hub"));
        command
            .args(["serve", "--listen", "127.0.0.1:0"])
            .env("SITEWARDEN_HUB_DATABASE", database.url_of(user));
        let done = command.output().expect("the hub starts");
        assert!(!done.status.success());
        String::from_utf8_lossy(&done.stderr).into_owned()
    };

    assert!(serve("admin").contains("is a superuser"), "{}", serve("admin"));
    assert!(serve("hub_owner").contains("owns tables"), "{}", serve("hub_owner"));
    let again = database.admin(&["migrate", "--serve-as", "hub_server"]);
    assert_eq!(again, "The schema is as this hub needs it; nothing was changed.");
    database.sql("INSERT INTO hub.migration (number, name) VALUES (99, 'newer')");
    assert!(serve("hub_server").contains("install the newer hub"), "{}", serve("hub_server"));
}
