//! Batches: once, twice, with gaps, in parts; what is stored is what came, each record once.

use serde_json::json;
use sitewarden_log::pack;

use crate::support::api::Api;
use crate::support::hub::Hub;
use crate::support::site::{Site, finding};

#[tokio::test]
async fn a_finding_arrives_once_however_often_its_batch_does() {
    let Some(hub) = Hub::with_tenant() else { return };
    let (mut site, api) = Site::registered(&hub, "north", "one").await;
    site.fill(3);
    site.raise(7, "Cold room too warm");
    site.append("finding.acknowledged", &finding(7, "Cold room too warm", "high", "acknowledged"));
    let batch = site.batch(1..=5, Some(&site.checkpoint(5)));

    for _ in 0..3 {
        assert_eq!(api.push(batch.clone()).await.expect(200)["next"], "6");
    }

    assert_eq!(api.get("/v1/cursor").await.expect(200)["next"], "6");
    assert_eq!(hub.database.sql("SELECT count(*), count(DISTINCT seq) FROM hub.record"), "5|5");
    assert_eq!(
        hub.database.sql("SELECT id, status, raised_seq, last_seq, signature FROM hub.finding"),
        "7|acknowledged|4|5|none"
    );
    assert_eq!(hub.database.sql("SELECT checkpoint_size FROM hub.site"), "5");
    let bodies = hub.database.sql("SELECT convert_from(body, 'UTF8') FROM hub.record ORDER BY seq");
    let ours: Vec<&str> = site.records.iter().map(|record| record.body.as_str()).collect();
    assert_eq!(bodies.lines().collect::<Vec<_>>(), ours, "bodies are kept byte for byte");
}

#[tokio::test]
async fn a_gap_is_told_with_what_is_next_and_overlap_is_skipped() {
    let Some(hub) = Hub::with_tenant() else { return };
    let (mut site, api) = Site::registered(&hub, "north", "one").await;
    site.fill(10);

    assert_eq!(api.push(site.batch(2..=4, None)).await.problem(409, "gap")["next"], "1");
    assert_eq!(api.push(site.batch(1..=4, None)).await.expect(200)["next"], "5");
    assert_eq!(api.push(site.batch(7..=8, None)).await.problem(409, "gap")["next"], "5");
    assert_eq!(api.push(site.batch(3..=8, Some(&site.checkpoint(8)))).await.expect(200)["next"], "9");
    assert_eq!(api.push(site.batch(2..=6, Some(&site.checkpoint(6)))).await.expect(200)["next"], "9");

    assert_eq!(hub.database.sql("SELECT count(*), max(seq) FROM hub.record"), "8|8");
    assert_eq!(hub.database.sql("SELECT count(*) FROM hub.alarm"), "0");
}

#[tokio::test]
async fn a_log_of_several_blocks_keeps_its_tree_over_batches_of_any_size() {
    let Some(hub) = Hub::with_tenant() else { return };
    let (mut site, api) = Site::registered(&hub, "north", "one").await;
    site.fill(2_500);

    let mut next = 1;
    for size in [1, 999, 100, 1_000, 399, 1] {
        let last = next + size - 1;
        api.push(site.batch(next..=last, Some(&site.checkpoint(last)))).await.expect(200);
        next = last + 1;
    }
    // A checkpoint of the past is compared with blocks and leaves out of the database.
    for size in [1, 1_023, 1_024, 1_025, 2_048, 2_300] {
        let body = json!({ "checkpoint": site.checkpoint(size), "consistency": null });
        assert_eq!(api.post("/v1/checkpoints", &body).await.expect(200)["size"], size.to_string());
    }

    assert_eq!(hub.database.sql("SELECT size, checkpoint_size FROM hub.site"), "2500|2500");
    assert_eq!(
        hub.database.sql("SELECT string_agg(number::text, ',' ORDER BY number) FROM hub.log_block"),
        "0,1"
    );
    assert_eq!(
        hub.database.sql("SELECT count(*) FROM hub.record_other"),
        "0",
        "a month's partition took them"
    );
}

#[tokio::test]
async fn findings_follow_their_records_and_numbers_that_begin_anew_are_other_findings() {
    let Some(hub) = Hub::with_tenant() else { return };
    let (mut site, api) = Site::registered(&hub, "north", "one").await;
    site.raise(1, "First");
    site.push_from(&api, 1).await;
    site.append("finding.closed", &finding(1, "First", "high", "closed"));
    site.append("finding.raised", &finding(1, "Second", "low", "open"));
    site.append("finding.repeated", &json!({ "id": "no number" }));
    site.append("finding.raised", &finding(2, "nul \u{0} inside", "medium", "open"));
    site.push_from(&api, 2).await;

    assert_eq!(
        hub.database.sql("SELECT id, title, severity, status, raised_seq FROM hub.finding ORDER BY id"),
        "1|Second|1|open|3\n2|nul  inside|2|open|5"
    );
    let metrics = Api::new(&hub, None).get("/metrics").await.text;
    assert!(metrics.contains("sitewarden_hub_records_not_understood_total 1"), "{metrics}");
}

#[tokio::test]
async fn bodies_that_are_no_batch_are_refused_and_an_honest_site_beside_goes_on() {
    let Some(hub) = Hub::with_tenant() else { return };
    let (mut site, api) = Site::registered(&hub, "north", "bad").await;
    let (mut honest, honests) = Site::registered(&hub, "north", "honest").await;
    site.fill(3);
    honest.fill(1);
    let bomb = pack(&vec![b' '; 64 << 20]).expect("compressed");
    let ratio = pack(&vec![b'a'; 1_000_000]).expect("compressed");
    let half = {
        let whole = site.batch(1..=3, None);
        whole[..whole.len() / 2].to_vec()
    };
    let cases: [(Vec<u8>, u16, &str); 8] = [
        (bomb, 413, "body-too-large"),
        (ratio, 413, "body-too-large"),
        (vec![7; 1_000], 400, "not-zstd"),
        (half, 400, "not-zstd"),
        (pack(b"{\"first\":").expect("compressed"), 400, "not-json"),
        (pack(b"{\"first\":\"1\",\"records\":[]}").expect("compressed"), 422, "bad-batch"),
        (pack(b"{\"first\":1,\"records\":[]}").expect("compressed"), 422, "bad-batch"),
        (vec![0; 3 << 20], 413, "body-too-large"),
    ];

    for (body, status, code) in cases {
        let size = body.len();
        let answer = api.push(body).await;
        assert_eq!(answer.status, status, "{size} bytes: {}", answer.text);
        answer.problem(status, code);
        honest.fill(1);
        let last = honest.records.len() as u64;
        honests.push(honest.batch(1..=last, None)).await.expect(200);
    }
    let plain = site.raw(1..=3, None);
    let json = [("content-type", "application/json")];
    api.send(reqwest::Method::POST, "/v1/batches", &json, plain).await.problem(415, "not-zstd");
    assert_eq!(api.get("/v1/cursor").await.expect(200)["next"], "1", "nothing of it was stored");
}

#[tokio::test]
async fn a_heartbeat_is_shown_and_answers_with_the_time_and_the_cursor() {
    let Some(hub) = Hub::with_tenant() else { return };
    let (_site, api) = Site::registered(&hub, "north", "one").await;
    let body = json!({
        "version": "1.2.4", "started": "2026-11-24T10:00:00Z", "log_size": "17", "oldest_unsent": "2026-11-24T10:01:00Z", "queue": "17"
    });

    let answer = api.post("/v1/heartbeats", &body).await.expect(200);

    assert_eq!(answer["next"], "1");
    assert!(answer["time"].as_str().is_some_and(|time| time.ends_with('Z')));
    assert_eq!(
        hub.database.sql("SELECT version, log_size, queue, oldest_unsent FROM hub.gateway"),
        "1.2.4|17|17|2026-11-24T10:01:00Z"
    );
    api.post("/v1/heartbeats", &json!({ "version": "1" })).await.problem(422, "wrong-shape");
}
