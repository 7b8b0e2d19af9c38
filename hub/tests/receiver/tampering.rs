//! Logs that are not what they were: each way is found, kept as an alarm, told, and changes nothing that is stored.

use serde_json::json;
use sitewarden_log::{Consistency, pack, tree};

use crate::support::api::Api;
use crate::support::hub::Hub;
use crate::support::site::{Agent, Site, finding};

/// Kinds and sizes of the alarms, oldest first.
fn alarms(hub: &Hub) -> String {
    hub.database.sql("SELECT kind || ' ' || seq || ' x' || count FROM hub.alarm ORDER BY first, kind")
}

#[tokio::test]
async fn a_record_that_comes_again_with_another_byte_is_a_fork_and_said_loudly() {
    let Some(hub) = Hub::with_tenant() else { return };
    let (mut site, api) = Site::registered(&hub, "north", "one").await;
    site.raise(1, "Cold room too warm");
    site.fill(4);
    site.push_from(&api, 1).await;
    let before = hub.database.sql("SELECT seq, encode(leaf, 'hex') FROM hub.record ORDER BY seq");
    site.records[0].body = site.records[0].body.replace("high", "info");
    site.fill(1);

    api.push(site.batch(1..=6, None)).await.problem(409, "log-forked");
    api.push(site.batch(1..=6, None)).await.problem(409, "log-forked");

    assert_eq!(hub.database.sql("SELECT seq, encode(leaf, 'hex') FROM hub.record ORDER BY seq"), before);
    assert_eq!(hub.database.sql("SELECT severity FROM hub.finding"), "3");
    assert_eq!(alarms(&hub), "log-forked 1 x2");
    assert!(hub.log().contains("ALARM"), "{}", hub.log());
    let metrics = Api::new(&hub, None).get("/metrics").await.text;
    assert!(metrics.contains("sitewarden_hub_alarms_total{kind=\"log-forked\"} 2"), "{metrics}");
    let password = hub.database.account("north", "elin");
    let browser = Api::signed_in(&hub, "elin", &password).await;
    let told = browser.get("/v1/alarms").await.expect(200);
    assert_eq!(
        (&told["items"][0]["kind"], &told["items"][0]["site_name"]),
        (&json!("log-forked"), &json!("one"))
    );
    assert_eq!(browser.get("/v1/sites").await.expect(200)["items"][0]["alarms"], "1");
}

#[tokio::test]
async fn a_removed_record_and_a_forked_tail_are_found_by_the_checkpoint() {
    let Some(hub) = Hub::with_tenant() else { return };
    let (mut site, api) = Site::registered(&hub, "north", "one").await;
    site.fill(5);
    site.push_from(&api, 1).await;

    // Removed: the records after it moved up, and the site signs its new history.
    let whole = site.records.clone();
    site.records.remove(2);
    site.fill(3);
    api.push(site.batch(6..=7, Some(&site.checkpoint(7)))).await.problem(409, "log-forked");
    // A tail that differs from the one that is here, at a size that is here.
    let body = json!({ "checkpoint": site.checkpoint(5), "consistency": null });
    api.post("/v1/checkpoints", &body).await.problem(409, "log-forked");

    assert_eq!(hub.database.sql("SELECT size, checkpoint_size FROM hub.site"), "5|5");
    assert_eq!(alarms(&hub), "log-forked 7 x1\nlog-forked 5 x1");
    // The honest history goes on.
    site.records = whole;
    site.fill(1);
    assert_eq!(site.push_from(&api, 6).await, "7");
}

#[tokio::test]
async fn checkpoints_of_another_key_another_log_or_with_a_flipped_byte_are_refused() {
    let Some(hub) = Hub::with_tenant() else { return };
    let (mut site, api) = Site::registered(&hub, "north", "one").await;
    site.fill(3);
    // The same name with another key.
    let mut other = Site::new("one");
    other.records.clone_from(&site.records);
    let mut flipped = site.checkpoint(3).into_bytes();
    let place = flipped.len() - 10;
    flipped[place] = if flipped[place] == b'A' { b'B' } else { b'A' };
    let flipped = String::from_utf8(flipped).expect("ASCII");

    for note in [other.checkpoint(3).as_str(), &flipped, "nonsense"] {
        api.push(site.batch(1..=3, Some(note))).await.problem(422, "bad-checkpoint");
    }

    assert_eq!(api.get("/v1/cursor").await.expect(200)["next"], "1", "nothing that came with it was stored");
    assert_eq!(alarms(&hub), "bad-checkpoint 0 x3");
    assert_eq!(site.push_from(&api, 1).await, "4");
}

#[tokio::test]
async fn a_site_that_replays_another_sites_records_is_found_by_checkpoint_and_by_statement() {
    let Some(hub) = Hub::with_tenant() else { return };
    let (mut site, api) = Site::registered(&hub, "north", "one").await;
    let (mut thief, thiefs) = Site::registered(&hub, "north", "two").await;
    let agent = Agent::new(1);
    site.append("agent.enrolled", &agent.enrolled());
    site.append("finding.raised", &agent.finding(1, 9, &agent.statement(9)));
    site.push_from(&api, 1).await;

    // As they are, with the other's checkpoint: not signed by the thief's key.
    thiefs.push(site.batch(1..=2, Some(&site.checkpoint(2)))).await.problem(422, "bad-checkpoint");
    assert_eq!(thiefs.get("/v1/cursor").await.expect(200)["next"], "1");
    // In the thief's own log, which it signs itself: the statement stands for another site's finding already.
    thief.records.clone_from(&site.records);
    assert_eq!(thief.push_from(&thiefs, 1).await, "3");

    assert_eq!(
        hub.database
            .sql("SELECT s.name, f.signature FROM hub.finding f JOIN hub.site s ON s.id = f.site ORDER BY 1"),
        "one|verified\ntwo|replayed"
    );
    assert_eq!(alarms(&hub), "bad-checkpoint 0 x1\nstatement-replayed 2 x1");
}

#[tokio::test]
async fn only_the_agents_own_signature_makes_a_finding_signed() {
    let Some(hub) = Hub::with_tenant() else { return };
    let (mut site, api) = Site::registered(&hub, "north", "one").await;
    let (agent, stranger) = (Agent::new(1), Agent::new(2));
    let mut forged = agent.statement(3);
    let last = forged.len() - 1;
    forged[last] ^= 1;
    site.append("finding.raised", &agent.finding(1, 1, &agent.statement(1))); // before its enrolment
    site.append("agent.enrolled", &agent.enrolled());
    site.append("finding.raised", &agent.finding(2, 2, &agent.statement(2)));
    site.append("finding.raised", &agent.finding(3, 3, &forged));
    site.append("finding.raised", &agent.finding(4, 5, &agent.statement(4))); // under another number
    site.append("finding.raised", &stranger.finding(5, 1, &stranger.statement(1)));
    site.append("finding.raised", &agent.finding(6, 2, &agent.statement(2))); // once more, for another finding
    site.append("finding.repeated", &agent.finding(2, 2, &agent.statement(2))); // the same finding again
    site.append("agent.revoked", &json!({ "actor": "person:elin", "agent": agent.id.to_string() }));
    site.append("finding.raised", &agent.finding(7, 7, &agent.statement(7)));
    site.append("finding.acknowledged", &finding(2, "Cold room too warm", "critical", "acknowledged"));

    site.push_from(&api, 1).await;

    assert_eq!(
        hub.database.sql("SELECT id, signature FROM hub.finding ORDER BY id"),
        "1|unknown-agent\n2|verified\n3|invalid\n4|invalid\n5|unknown-agent\n6|replayed\n7|unknown-agent"
    );
    assert_eq!(
        hub.database.sql(
            "SELECT kind, string_agg(seq::text, ',' ORDER BY seq) FROM hub.alarm GROUP BY kind ORDER BY kind"
        ),
        "statement-invalid|1,4,5,6,10\nstatement-replayed|7"
    );
}

#[tokio::test]
async fn a_checkpoint_of_more_records_is_kept_with_a_proof_and_binds_what_comes() {
    let Some(hub) = Hub::with_tenant() else { return };
    let (mut site, api) = Site::registered(&hub, "north", "one").await;
    site.fill(9);
    api.push(site.batch(1..=4, Some(&site.checkpoint(4)))).await.expect(200);
    let leaves: Vec<[u8; 32]> = (1..=9).map(|seq| site.leaf(seq)).collect();
    let mut range = |lo: u64, hi: u64| {
        Ok::<_, ()>(tree::subtree(
            &leaves[usize::try_from(lo).expect("small")..usize::try_from(hi).expect("small")],
        ))
    };
    let path = tree::consistency_proof(4, 9, &mut range).expect("hashes").expect("a proof");
    let proof =
        Consistency { old: 4, old_root: site.head(4).root, new: 9, new_root: site.head(9).root, path };

    let body = json!({ "checkpoint": site.checkpoint(9), "consistency": null });
    api.post("/v1/checkpoints", &body).await.problem(422, "unproven-checkpoint");
    let mut bent = proof.clone();
    bent.path[0][0] ^= 1;
    let body = json!({ "checkpoint": site.checkpoint(9), "consistency": bent });
    api.post("/v1/checkpoints", &body).await.problem(422, "unproven-checkpoint");
    let body = json!({ "checkpoint": site.checkpoint(9), "consistency": proof });
    assert_eq!(api.post("/v1/checkpoints", &body).await.expect(200)["size"], "9");
    assert_eq!(hub.database.sql("SELECT checkpoint_size, ahead_size FROM hub.site"), "4|9");

    // Records that do not lead to what was signed are refused, also without a checkpoint of their own.
    let honest = site.records.clone();
    site.records[6].body = "{}".to_owned();
    api.push(site.batch(5..=9, None)).await.problem(409, "log-forked");
    site.records = honest;
    assert_eq!(api.push(site.batch(5..=9, None)).await.expect(200)["next"], "10");
    assert_eq!(hub.database.sql("SELECT checkpoint_size, coalesce(ahead_size, 0) FROM hub.site"), "9|0");
    assert_eq!(alarms(&hub), "log-forked 9 x1");
}

#[tokio::test]
async fn a_hostile_site_fills_no_disk_with_alarms() {
    let Some(hub) = Hub::with_tenant() else { return };
    let (mut site, api) = Site::registered(&hub, "north", "one").await;
    site.fill(1);
    site.push_from(&api, 1).await;
    hub.database.sql(
        "INSERT INTO hub.alarm (id, tenant, site, kind, seq, detail, evidence)
         SELECT gen_random_uuid(), tenant, id, 'log-forked', 1000 + n, '', '{}' FROM hub.site, generate_series(1, 1000) n",
    );
    site.records[0].body = "{\"x\":1}".to_owned();

    api.push(site.batch(1..=1, None)).await.problem(409, "log-forked");

    assert_eq!(hub.database.sql("SELECT count(*), sum(count) FROM hub.alarm"), "1000|1001");
    let big = pack(&site.raw(1..=1, Some(&"x".repeat(5_000)))).expect("compressed");
    assert!(api.push(big).await.status >= 400);
}
