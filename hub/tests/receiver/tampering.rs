//! Logs that are not what they were: each way is found, kept as an alarm, told, and changes nothing that is stored.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
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

/// A batch of these records out of which one was cut.
fn without(site: &Site, seqs: std::ops::RangeInclusive<u64>, cut: u64) -> Vec<u8> {
    let checkpoint = site.checkpoint(*seqs.end());
    let raw = String::from_utf8(site.raw(seqs, Some(&checkpoint))).expect("JSON is UTF-8");
    let place = |seq: u64| raw.find(&format!("{{\"seq\":\"{seq}\"")).expect("it is there");
    pack(format!("{}{}", &raw[..place(cut)], &raw[place(cut + 1)..]).as_bytes()).expect("compressed")
}

#[tokio::test]
async fn a_flipped_byte_a_removed_record_and_a_forked_tail_in_a_batch_store_nothing_of_it() {
    let Some(hub) = Hub::with_tenant() else { return };
    let (mut site, api) = Site::registered(&hub, "north", "one").await;
    site.raise(1, "Cold room too warm");
    site.fill(3);
    site.push_from(&api, 1).await;
    let here = hub.database.sql("SELECT seq, encode(leaf, 'hex') FROM hub.record ORDER BY seq");
    site.fill(4);
    let (honest, checkpoint) = (site.records.clone(), site.checkpoint(8));

    // Every byte on its way, one after the other. What is taken all the same (an unused bit of the frame, the name of the checkpoint's
    // member) has the records as the site wrote them.
    hub.database.sql(
        "CREATE TABLE public.before AS SELECT size, frontier, checkpoint_size, checkpoint FROM hub.site",
    );
    let leaves: Vec<String> = (5..=8).map(|seq| STANDARD.encode(site.leaf(seq))).collect();
    let packed = site.batch(5..=8, Some(&checkpoint));
    let mut harmless = 0;
    for place in 0..packed.len() {
        let mut flipped = packed.clone();
        flipped[place] ^= 0x04;
        let answer = api.push(flipped).await;
        if answer.status == 200 {
            harmless += 1;
            let stored = "SELECT encode(leaf, 'base64') FROM hub.record WHERE seq > 4 ORDER BY seq";
            assert_eq!(hub.database.sql(stored), leaves.join("\n"), "byte {place}");
            hub.database.sql(
                "DELETE FROM hub.record WHERE seq > 4; UPDATE hub.site s SET size = b.size, frontier = b.frontier,
                    checkpoint_size = b.checkpoint_size, checkpoint = b.checkpoint FROM public.before b",
            );
            continue;
        }
        assert!((400..500).contains(&answer.status), "byte {place}: {} {}", answer.status, answer.text);
    }
    assert!(harmless * 10 < packed.len(), "{harmless} of {} bytes may be flipped", packed.len());
    // One letter in a record.
    site.records[5].body = site.records[5].body.replace("filler", "filter");
    api.push(site.batch(5..=8, Some(&checkpoint))).await.problem(409, "log-forked");
    site.records.clone_from(&honest);
    // A record is missing, and the ones after it keep their numbers or move up.
    api.push(without(&site, 5..=8, 6)).await.problem(422, "bad-batch");
    site.records.remove(5);
    site.fill(1);
    api.push(site.batch(5..=8, Some(&checkpoint))).await.problem(409, "log-forked");
    // A tail that leaves what is here at its last record, whether signed or not.
    site.records.clone_from(&honest);
    site.records[3].kind = "device.lost".to_owned();
    api.push(site.batch(2..=8, Some(&site.checkpoint(8)))).await.problem(409, "log-forked");
    api.push(site.batch(2..=8, None)).await.problem(409, "log-forked");

    assert_eq!(hub.database.sql("SELECT seq, encode(leaf, 'hex') FROM hub.record ORDER BY seq"), here);
    assert_eq!(hub.database.sql("SELECT size, checkpoint_size FROM hub.site"), "4|4");
    let told = alarms(&hub);
    assert!(told.contains("log-forked 8 x") && told.contains("log-forked 4 x2"), "{told}");
    site.records = honest;
    assert_eq!(site.push_from(&api, 5).await, "9");
}

#[tokio::test]
async fn a_replayed_statement_is_seen_wherever_in_a_batch_it_stands() {
    let Some(hub) = Hub::with_tenant() else { return };
    let (mut site, api) = Site::registered(&hub, "north", "one").await;
    let (mut thief, thiefs) = Site::registered(&hub, "north", "two").await;
    let agent = Agent::new(1);
    let told = |id: u64, sequence: u64| agent.finding(id, sequence, &agent.statement(sequence));
    site.append("agent.enrolled", &agent.enrolled());
    site.append("finding.raised", &told(1, 1));
    site.append("finding.repeated", &told(1, 2));
    site.append("finding.cleared", &told(1, 3));
    // The first statement once more, for another finding, which has a fresh one right after it.
    site.append("finding.raised", &told(2, 1));
    site.append("finding.repeated", &told(2, 4));
    site.push_from(&api, 1).await;

    let claimed = "SELECT sequence, finding FROM hub.statement ORDER BY sequence";
    assert_eq!(hub.database.sql(claimed), "1|1\n2|1\n3|1\n4|2", "each is taken, not the newest alone");
    assert_eq!(
        hub.database.sql("SELECT id, signature, sequence FROM hub.finding ORDER BY id"),
        "1|verified|3\n2|verified|4"
    );
    assert_eq!(alarms(&hub), "statement-replayed 5 x1");

    // Another site of the tenant takes those from the middle: as the newest of a finding, and behind a person's act.
    thief.append("agent.enrolled", &agent.enrolled());
    thief.append("finding.raised", &told(8, 2));
    thief.append("finding.acknowledged", &finding(8, "Cold room too warm", "critical", "acknowledged"));
    thief.append("finding.raised", &told(9, 5));
    thief.append("finding.repeated", &told(9, 3));
    thief.push_from(&thiefs, 1).await;

    assert_eq!(
        hub.database.sql("SELECT id, signature FROM hub.finding WHERE id > 7 ORDER BY id"),
        "8|replayed\n9|replayed"
    );
    assert_eq!(alarms(&hub), "statement-replayed 5 x1\nstatement-replayed 2 x1\nstatement-replayed 5 x1");
    assert_eq!(
        hub.database.sql(&format!("{claimed} LIMIT 4")),
        "1|1\n2|1\n3|1\n4|2",
        "what was taken first stays"
    );
    // The same batch again says nothing new.
    thief.push_from(&thiefs, 1).await;
    assert_eq!(hub.database.sql("SELECT sum(count) FROM hub.alarm"), "3");
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
