//! The uplink against a cloud that misbehaves: nothing lost, nothing doubled, each trouble told in plain words.
//!
//! The cloud is a script (`support::cloud`); what it took is compared with the log's own root at the end of each story.

use base64::Engine as _;
use serde_json::{Value, json};

use crate::support::cloud::{Act, CLAIM, Cloud};
use crate::support::gateway::{Gateway, Site};
use crate::support::http::Api;
use crate::support::need::program;
use crate::support::process::{Finished, run};
use crate::support::wait::wait_for;

/// A gateway, its owner and a cloud; not registered yet.
struct World {
    site: Site,
    gateway: Gateway,
    owner: Api,
    cloud: Cloud,
}

impl World {
    async fn new() -> Option<Self> {
        program("openssl")?;
        let site = Site::new("[uplink]\nanswer-seconds = 1\n");
        let gateway = site.start().await;
        let owner = site.api(&gateway, "owner").await;
        let cloud = Cloud::start(site.folder(), &site.ca()).await;
        Some(Self { site, gateway, owner, cloud })
    }

    async fn registered() -> Option<Self> {
        let world = Self::new().await?;
        world.register(CLAIM).await.success();
        world.all_is_sent().await;
        Some(world)
    }

    async fn register(&self, code: &str) -> Finished {
        let (url, ca) = (self.cloud.url(), self.cloud.ca());
        let ca = ca.to_str().expect("a path in UTF-8");
        let arguments = ["uplink", "register", "--url", &url, "--claim-code", code, "--ca", ca, "--json"];
        run(&mut self.site.command(&arguments), b"").await
    }

    async fn uplink(&self) -> Value {
        self.owner.get("/api/v1/uplink").await.expect(200)
    }

    /// Writes so many records into the log.
    async fn act(&self, count: u32) {
        for number in 0..count {
            let key = json!({"name": format!("key {number}"), "role": "viewer", "expires_in_days": 1});
            let made = self.owner.post("/api/v1/api-keys", key).await;
            assert_eq!(made.status / 100, 2, "{}", made.text);
        }
    }

    /// Waits until the page says so.
    async fn told(&self, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
        wait_for(what, || async {
            let view = self.uplink().await;
            if fits(&view) { Ok(view) } else { Err(view.to_string()) }
        })
        .await
    }

    /// Waits until a problem with these words is told.
    async fn problem(&self, words: &str) -> Value {
        let fits = |view: &Value| view["problem"].as_str().is_some_and(|text| text.contains(words));
        self.told(&format!("the problem {words:?}"), fits).await
    }

    /// Waits until nothing waits any more and compares what the cloud has with the log.
    async fn all_is_sent(&self) {
        self.told("everything to be sent", |view| {
            view["unsent"] == "0" && view["state"] == "connected" && view["problem"] == Value::Null
        })
        .await;
        let head = self.owner.get("/api/v1/site-log/head").await.expect(200);
        let root: String = self.cloud.root().iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(
            (&head["size"], &head["root"]),
            (&json!(self.cloud.size().to_string()), &json!(root)),
            "the cloud has the log"
        );
        self.cloud.check();
    }
}

#[tokio::test]
async fn a_box_is_registered_by_a_claim_code_sends_its_log_and_forgets() {
    let Some(world) = World::new().await else { return };
    assert_eq!(world.uplink().await["state"], "not-registered");
    let refused = world.register("wrong").await;
    assert!(
        !refused.status.success() && refused.stderr.contains("This claim code is not taken"),
        "{refused:?}"
    );
    assert_eq!(world.uplink().await["state"], "not-registered");

    let said: Value = serde_json::from_str(&world.register(CLAIM).await.success()).expect("JSON");
    assert_eq!((&said["site"], &said["tenant"]), (&json!("s-1"), &json!("harbour")), "{said}");
    world.act(3).await;
    world.all_is_sent().await;

    let claim = world.cloud.claims().pop().expect("a claim");
    let key = world.owner.get("/api/v1/site-log/key").await.expect(200);
    assert_eq!((&claim["log_key"], &claim["site_name"]), (&key["key"], &json!("Story")));
    let heartbeat =
        wait_for("a heartbeat", || async { world.cloud.heartbeats().pop().ok_or_else(|| "none".to_owned()) })
            .await;
    assert!(heartbeat["version"].is_string() && heartbeat["log_size"].is_string(), "{heartbeat}");
    assert!(!world.register(CLAIM).await.status.success(), "twice");
    let again = json!({"url": world.cloud.url(), "claim_code": CLAIM});
    let again = world.owner.post("/api/v1/uplink/register", again).await;
    assert_eq!((again.status, again.json()["code"].clone()), (409, json!("already-registered")));

    let kinds = world.owner.list("/api/v1/audit?kind=uplink").await;
    assert_eq!((kinds.len(), &kinds[0]["kind"]), (1, &json!("uplink.registered")), "{kinds:?}");
    assert!(!kinds[0].to_string().contains(CLAIM), "the code is kept nowhere");
    let metrics = world.gateway.anonymous().get("/metrics").await.text;
    assert!(metrics.contains("sitewarden_uplink_state{state=\"connected\"} 1"), "{metrics}");
    let forgotten = world.owner.delete("/api/v1/uplink").await.expect(200);
    assert_eq!((&forgotten["state"], &forgotten["url"]), (&json!("not-registered"), &Value::Null));
    assert_eq!(world.owner.delete("/api/v1/uplink").await.status, 409);

    // Registered anew, the same log goes on where the cloud is.
    world.register(CLAIM).await.success();
    world.act(1).await;
    world.all_is_sent().await;
    let log = world.gateway.stop().await;
    assert!(!log.contains(CLAIM), "{log}");
}

#[tokio::test]
async fn addresses_that_are_none_and_bodies_that_do_not_fit_are_refused_with_words() {
    let site = Site::new("");
    let gateway = site.start().await;
    let owner = site.api(&gateway, "owner").await;
    for (body, code) in [
        (json!({"url": "http://cloud.example", "claim_code": "x"}), "wrong-value"),
        (json!({"url": "cloud.example", "claim_code": "x"}), "wrong-value"),
        (json!({"url": "https://me:secret@cloud.example", "claim_code": "x"}), "wrong-value"),
        (json!({"url": "https://cloud.example", "claim_code": " "}), "wrong-value"),
        (json!({"url": "https://cloud.example", "claim_code": "x".repeat(257)}), "wrong-value"),
        (json!({"url": "https://cloud.example", "claim_code": "x", "ca_pem": "nonsense"}), "wrong-value"),
        (json!({"url": "https://cloud.example"}), "wrong-shape"),
    ] {
        let answer = owner.post("/api/v1/uplink/register", body.clone()).await;
        assert_eq!((answer.status, &answer.json()["code"]), (422, &json!(code)), "{body}: {}", answer.text);
    }
    let nobody = json!({"url": "https://127.0.0.1:1", "claim_code": "x"});
    let answer = owner.post("/api/v1/uplink/register", nobody).await;
    assert_eq!(answer.status, 424, "{}", answer.text);
    assert!(
        answer.json()["detail"].as_str().is_some_and(|text| text.contains("cannot be reached")),
        "{}",
        answer.text
    );
    gateway.stop().await;
}

#[tokio::test]
async fn each_trouble_of_the_cloud_is_told_and_nothing_is_lost_or_doubled() {
    let Some(world) = World::registered().await else { return };
    for (act, words) in [
        (Act::Refuse(500, "broken"), "The cloud answered 500: This is broken."),
        (Act::Throttle(1), "asks for fewer requests (429)"),
        (Act::HalfAnswer, "broke off"),
        (Act::OtherBatch(2), "as if another batch had been sent"),
        (
            Act::Redirect("https://elsewhere.example/"),
            "redirect (307) to https://elsewhere.example/, which is not followed",
        ),
        (Act::Silence, "did not answer within 1 s"),
        (Act::Endless, "longer than 65536 bytes"),
        (Act::Refuse(401, "unknown-gateway"), "does not let this box in (401)"),
    ] {
        let before = world.cloud.size();
        world.cloud.behave(act);
        world.act(2).await;
        let view = world.problem(words).await;
        assert_eq!(view["state"], "waiting", "{view}");
        assert_ne!(view["unsent"], "0", "{act:?}: nothing counts as sent: {view}");
        assert!(view["oldest_unsent"].is_string() && view["oldest_unsent_seconds"].is_u64(), "{view}");
        world.cloud.behave(Act::Well);
        if act == Act::Refuse(401, "unknown-gateway") {
            // It waits for minutes now: a person who repaired it registers anew.
            assert!(view["next_try"].is_string(), "{view}");
            world.owner.delete("/api/v1/uplink").await.expect(200);
            world.register(CLAIM).await.success();
        }
        world.all_is_sent().await;
        assert!(world.cloud.size() >= before + 2);
    }
    world.gateway.stop().await;
}

#[tokio::test]
async fn a_batch_that_is_too_large_is_halved_until_it_fits() {
    let Some(world) = World::registered().await else { return };
    world.cloud.behave(Act::Refuse(500, "away"));
    world.act(8).await;
    world.problem("The cloud answered 500").await;
    let before = world.cloud.batches().len();
    world.cloud.behave(Act::TooLargeOver(2));
    world.all_is_sent().await;
    let sizes = world.cloud.batches().split_off(before);
    let refused: Vec<usize> = sizes.iter().copied().filter(|size| *size > 2).collect();
    assert!(!refused.is_empty() && refused.windows(2).all(|pair| pair[1] <= pair[0]), "{sizes:?}");
    assert!(sizes.last().is_some_and(|size| *size <= 2), "{sizes:?}");
    let log = world.gateway.stop().await;
    assert!(log.contains("larger than the cloud takes (413)"), "{log}");
}

#[tokio::test]
async fn a_cloud_with_a_certificate_of_another_authority_gets_nothing() {
    let Some(world) = World::registered().await else { return };
    let before = world.cloud.size();
    world.cloud.present("stranger");
    world.act(1).await;
    let view = world.problem("certificate was not accepted").await;
    assert_eq!(view["state"], "waiting", "{view}");
    assert_eq!(world.cloud.size(), before);
    world.cloud.present("cloud");
    world.all_is_sent().await;
    world.gateway.stop().await;
}

#[tokio::test]
async fn a_cloud_that_was_restored_from_a_backup_gets_its_records_again_and_it_is_told() {
    let Some(world) = World::registered().await else { return };
    world.act(5).await;
    world.all_is_sent().await;
    world.cloud.restore(2);
    world.act(1).await;
    world.all_is_sent().await;
    let metrics = world.gateway.anonymous().get("/metrics").await.text;
    assert!(metrics.contains("sitewarden_uplink_set_back_total 1"), "{metrics}");
    let log = world.gateway.stop().await;
    assert!(log.contains("the cloud lost records that it had acknowledged"), "{log}");
}

#[tokio::test]
async fn a_cloud_that_contradicts_the_log_stops_the_uplink_and_health_says_so() {
    let Some(world) = World::registered().await else { return };
    for (act, words) in [
        (Act::Refuse(409, "log-forked"), "has other records of this log"),
        (Act::Refuse(422, "bad-checkpoint"), "does not accept this log's checkpoint"),
        (Act::OtherBatch(1_000_000), "this box sent none beyond"),
    ] {
        world.cloud.behave(act);
        world.act(1).await;
        let view = world.problem(words).await;
        assert_eq!(view["state"], "stopped", "{view}");
        let health = world.gateway.anonymous().get("/health").await.expect(200);
        assert_eq!(
            (&health["status"], &health["parts"]["uplink"]["status"]),
            (&json!("degraded"), &json!("failed"))
        );
        world.cloud.behave(Act::Well);
        world.owner.delete("/api/v1/uplink").await.expect(200);
        world.register(CLAIM).await.success();
        world.all_is_sent().await;
    }
    let health = world.gateway.anonymous().get("/health").await.expect(200);
    assert_eq!(health["parts"]["uplink"]["status"], "ok", "{health}");
    world.gateway.stop().await;
}

#[tokio::test]
async fn killed_between_send_and_answer_nothing_is_lost_and_nothing_doubled() {
    let Some(mut world) = World::registered().await else { return };
    for act in [Act::TakeThenSilence, Act::Silence, Act::TakeThenSilence] {
        world.cloud.behave(act);
        let (batches, size) = (world.cloud.batches().len(), world.cloud.size());
        world.act(3).await;
        wait_for("a batch on its way", || async {
            if world.cloud.batches().len() > batches { Ok(()) } else { Err("none".to_owned()) }
        })
        .await;
        world.gateway.kill();
        assert_eq!(world.cloud.size() > size, act == Act::TakeThenSilence, "taken, though nobody heard");
        world.cloud.behave(Act::Well);
        world.gateway = world.site.start().await;
        world.owner = world.site.api(&world.gateway, "owner").await;
        world.all_is_sent().await;
    }
    world.gateway.stop().await;
}

#[tokio::test]
async fn what_is_sent_is_the_log_byte_for_byte() {
    let Some(world) = World::registered().await else { return };
    world.act(2).await;
    world.all_is_sent().await;
    let size = world.cloud.size();
    let proof = world.owner.get(&format!("/api/v1/site-log/proof?seq={size}&size={size}")).await.expect(200);
    let root = base64::engine::general_purpose::STANDARD.encode(world.cloud.root());
    assert_eq!(proof["root"], root, "{proof}");
    world.gateway.stop().await;
}
