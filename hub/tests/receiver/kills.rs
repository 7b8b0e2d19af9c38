//! Whatever is killed in between: nothing lost, nothing twice.

use std::process::Stdio;

use crate::support::api::Api;
use crate::support::hub::Hub;
use crate::support::postgres::{Cluster, Database};
use crate::support::site::Site;
use crate::support::wait::wait_for;

#[tokio::test]
async fn a_hub_that_is_killed_inside_its_transaction_leaves_nothing_and_the_next_one_takes_all() {
    let Some(mut hub) = Hub::with_tenant() else { return };
    let (mut site, api) = Site::registered(&hub, "north", "one").await;
    site.raise(1, "Cold room too warm");
    site.fill(99);
    let database = hub.database.clone();
    // Somebody holds the table of findings: records are written, the transaction stands before its end.
    let mut holder = database
        .cluster
        .psql_command("admin", &database.name, "BEGIN; LOCK TABLE hub.finding; SELECT pg_sleep(600)")
        .stdout(Stdio::null())
        .spawn()
        .expect("psql starts");
    let waits = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'sitewarden-hub' AND wait_event_type = 'Lock'";
    wait_for("the lock to be held", async || {
        let held = database.sql("SELECT count(*) FROM pg_locks WHERE relation = 'hub.finding'::regclass AND granted AND mode = 'AccessExclusiveLock'");
        if held == "1" { Ok(()) } else { Err(held) }
    })
    .await;
    let (packed, pusher) = (site.batch(1..=100, Some(&site.checkpoint(100))), api.clone());
    let pushed = tokio::spawn(async move {
        let headers = [("content-type", "application/json"), ("content-encoding", "zstd")];
        pusher.try_send(reqwest::Method::POST, "/v1/batches", &headers, packed).await
    });
    wait_for("the hub to stand inside of its transaction", async || {
        let waiting = database.sql(waits);
        if waiting == "1" { Ok(()) } else { Err(waiting) }
    })
    .await;

    hub.kill();
    database.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(600)%' AND pid <> pg_backend_pid()");
    let _ = holder.wait();
    assert!(pushed.await.expect("no panic").is_err(), "no answer without a commit");
    wait_for("the dead hub's transaction to end", async || {
        let left =
            database.sql("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'sitewarden-hub'");
        if left == "0" { Ok(()) } else { Err(left) }
    })
    .await;

    assert_eq!(database.sql("SELECT count(*) FROM hub.record"), "0");
    assert_eq!(database.sql("SELECT size FROM hub.site"), "0");
    let next = Hub::start(&database);
    let api = Api::new(&next, Some(&site.identity));
    assert_eq!(site.push_from(&api, 1).await, "101");
    assert_eq!(database.sql("SELECT count(*), count(DISTINCT seq) FROM hub.record"), "100|100");
    assert_eq!(database.sql("SELECT count(*) FROM hub.finding"), "1");
    assert_eq!(next.stop(), Some(0));
}

#[tokio::test]
async fn postgresql_that_restarts_costs_a_503_and_nothing_else() {
    let Some(cluster) = Cluster::own() else { return };
    let database = Database::new(&cluster);
    database.admin(&["tenant", "create", "north"]);
    let hub = Hub::start(&database);
    let (mut site, api) = Site::registered(&hub, "north", "one").await;
    site.fill(50);
    api.push(site.batch(1..=20, None)).await.expect(200);

    cluster.script("stop");
    let away = api.push(site.batch(21..=50, None)).await;
    assert!(away.headers.contains_key("retry-after"));
    away.problem(503, "database-unavailable");
    let nobody = Api::new(&hub, None);
    assert_eq!(nobody.get("/health").await.status, 200);
    nobody.get("/ready").await.problem(503, "database-unavailable");
    cluster.script("start");
    let checkpoint = site.checkpoint(50);
    let next = wait_for("the hub to have its database again", async || {
        let answer = api.push(site.batch(21..=50, Some(&checkpoint))).await;
        if answer.status == 200 { Ok(answer.expect(200)["next"].clone()) } else { Err(answer.text) }
    })
    .await;

    assert_eq!(next, "51");
    assert_eq!(nobody.get("/ready").await.text, "ready\n");
    assert_eq!(database.sql("SELECT count(*), count(DISTINCT seq) FROM hub.record"), "50|50");
}

/// Pushes a site's whole log in batches of ten, each until it is taken; gives how often it was told to come later.
async fn push_all(site: &Site, apis: [Api; 2]) -> usize {
    let (mut next, mut refused) = (1, 0);
    let last = site.records.len() as u64;
    while next <= last {
        let end = (next + 9).min(last);
        let checkpoint = (end == last).then(|| site.checkpoint(end));
        let api = &apis[usize::try_from(next / 10 + refused as u64).expect("small") % 2];
        let answer = api.push(site.batch(next..=end, checkpoint.as_deref())).await;
        match answer.status {
            200 => next = answer.expect(200)["next"].as_str().expect("text").parse().expect("a number"),
            503 => {
                assert!(answer.headers.contains_key("retry-after"), "{}", answer.text);
                refused += 1;
                tokio::task::yield_now().await;
            }
            status => panic!("{status}: {}", answer.text),
        }
    }
    refused
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgresql_that_restarts_under_load_loses_and_doubles_nothing_of_any_site() {
    let Some(cluster) = Cluster::own() else { return };
    let database = Database::new(&cluster);
    database.admin(&["tenant", "create", "north"]);
    let hubs = [Hub::start(&database), Hub::start(&database)];
    let mut sites = Vec::new();
    for number in 0..4 {
        let (mut site, api) = Site::registered(&hubs[0], "north", &format!("site-{number}")).await;
        site.raise(1, "Cold room too warm");
        site.fill(1_999);
        let other = Api::new(&hubs[1], Some(&site.identity));
        sites.push((site, [api, other]));
    }
    let pushing: Vec<_> = sites
        .into_iter()
        .map(|(site, apis)| tokio::spawn(async move { push_all(&site, apis).await }))
        .collect();
    let stored = |least: u64| {
        let database = database.clone();
        async move {
            wait_for("batches to come in", async || {
                let count = database.sql("SELECT count(*) FROM hub.record");
                if count.parse::<u64>().expect("a number") >= least { Ok(()) } else { Err(count) }
            })
            .await;
        }
    };
    stored(100).await;
    // In the middle of transactions: once as an administrator does it, once as a crash of the server.
    cluster.script("stop");
    cluster.script("start");
    stored(3_000).await;
    cluster.crash();
    cluster.script("start");
    let mut refused = 0;
    for pushed in pushing {
        refused += pushed.await.expect("every site gets through");
    }

    assert!(refused > 0, "the database was away while sites pushed");
    assert_eq!(
        database.sql("SELECT count(*), count(DISTINCT (site, seq)), max(seq) FROM hub.record"),
        "8000|8000|2000"
    );
    assert_eq!(database.sql("SELECT DISTINCT size, checkpoint_size FROM hub.site"), "2000|2000");
    assert_eq!(database.sql("SELECT count(*) FROM hub.finding"), "4");
    assert_eq!(database.sql("SELECT count(*) FROM hub.alarm"), "0");
}

#[tokio::test]
async fn two_instances_at_once_never_interleave_and_one_that_is_killed_is_not_missed() {
    let Some(mut first) = Hub::with_tenant() else { return };
    let second = Hub::start(&first.database);
    let (mut site, api) = Site::registered(&first, "north", "one").await;
    let other = Api::new(&second, Some(&site.identity));
    site.raise(1, "Cold room too warm");
    site.fill(599);

    // Both get all batches, each several times and in no agreed order; a gap is an honest answer,
    // and so is that all of the site's places are taken.
    let mut pushes = Vec::new();
    for round in 0..6_u64 {
        for api in [&api, &other, &api, &other] {
            let (begin, end) = (round * 100 + 1, round * 100 + 100);
            let (api, packed) = (api.clone(), site.batch(begin..=end, None));
            pushes.push(tokio::spawn(async move { api.push(packed).await }));
        }
    }
    for pushed in pushes {
        let answer = pushed.await.expect("no panic");
        let honest =
            answer.status == 200 || ["\"gap\"", "\"busy\""].iter().any(|code| answer.text.contains(code));
        assert!(honest, "{}", answer.text);
    }
    first.kill();
    let next =
        other.get("/v1/cursor").await.expect(200)["next"].as_str().expect("a number").parse().expect("one");
    if next <= 600 {
        other.push(site.batch(next..=600, None)).await.expect(200);
    }
    other.push(site.batch(600..=600, Some(&site.checkpoint(600)))).await.expect(200);

    assert_eq!(
        first.database.sql("SELECT count(*), count(DISTINCT seq), max(seq) FROM hub.record"),
        "600|600|600"
    );
    assert_eq!(
        first.database.sql("SELECT checkpoint_size FROM hub.site"),
        "600",
        "the tree is the site's own"
    );
    assert_eq!(first.database.sql("SELECT count(*) FROM hub.finding"), "1");
    assert_eq!(first.database.sql("SELECT count(*) FROM hub.alarm"), "0");
}
