//! Two tenants: no row of the other over any route, nor by SQL with the hub's role.

use serde_json::Value;

use crate::support::api::Api;
use crate::support::hub::Hub;
use crate::support::site::{Agent, Site};

/// Every table with rows of tenants, as PostgreSQL knows them.
fn tables(hub: &Hub) -> Vec<String> {
    let columns = "SELECT table_name FROM information_schema.columns WHERE table_schema = 'hub' AND column_name = 'tenant' ORDER BY 1";
    hub.database.sql(columns).lines().map(str::to_owned).collect()
}

#[tokio::test]
async fn no_row_of_another_tenant_by_any_route_or_by_sql() {
    let Some(hub) = Hub::with_tenant() else { return };
    hub.database.admin(&["tenant", "create", "south"]);
    let mut ids = Vec::new();
    for (tenant, number) in [("north", 1), ("south", 2)] {
        let (mut site, api) = Site::registered(&hub, tenant, &format!("{tenant}-site")).await;
        let agent = Agent::new(number);
        site.append("agent.enrolled", &agent.enrolled());
        site.append("finding.raised", &agent.finding(1, 1, &agent.statement(1)));
        site.fill(1_100);
        let size = site.records.len() as u64;
        for first in [1, 601] {
            let last = size.min(first + 599);
            api.push(site.batch(first..=last, Some(&site.checkpoint(last)))).await.expect(200);
        }
        site.records[0].body = "{}".to_owned();
        api.push(site.batch(1..=2, None)).await.problem(409, "log-forked");
        ids.push(hub.database.sql(&format!("SELECT id FROM hub.site WHERE name = '{tenant}-site'")));
    }
    let (north, south) = (&ids[0], &ids[1]);
    let password = hub.database.account("north", "elin");
    hub.database.account("south", "jonas");
    let elin = Api::signed_in(&hub, "elin", &password).await;

    // Over the routes: lists have the own alone, the other's things are not there.
    for list in [
        "/v1/sites",
        "/v1/findings",
        "/v1/alarms",
        &format!("/v1/findings?site={south}"),
        &format!("/v1/alarms?site={south}"),
    ] {
        let text = elin.get(list).await.expect(200).to_string();
        assert!(!text.contains(south.as_str()) && !text.contains("south"), "{list}: {text}");
        assert_eq!(list.contains(south.as_str()), !text.contains(north.as_str()), "{list}: {text}");
    }
    for path in ["", "/findings/1", "/findings/1/proof"] {
        elin.get(&format!("/v1/sites/{north}{path}")).await.expect(200);
        elin.get(&format!("/v1/sites/{south}{path}")).await.problem(404, "not-found");
    }

    by_sql(&hub);
}

fn by_sql(hub: &Hub) {
    // With the hub's role: nothing without a tenant, the own rows with one, and never a change across.
    let tables = tables(hub);
    assert!(tables.len() >= 11, "{tables:?}");
    let role = |sql: &str| hub.database.cluster.psql("hub_server", &hub.database.name, sql);
    let tenant = hub.database.sql("SELECT id FROM hub.tenant WHERE name = 'north'");
    for table in tables.iter().filter(|table| !table.starts_with("record_")) {
        let both = hub.database.sql(&format!("SELECT count(DISTINCT tenant) FROM hub.{table}"));
        assert!(both == "2" || table == "session", "the test has rows of both in {table}: {both}");
        assert_eq!(role(&format!("SELECT count(*) FROM hub.{table}")), "0", "{table} without a tenant");
        let own = role(&format!(
            "SET hub.tenant = '{tenant}'; SELECT count(*) FILTER (WHERE tenant <> '{tenant}'), count(*) > 0 FROM hub.{table}"
        ));
        assert_eq!(own, "0|t", "{table} with a tenant");
    }
    assert_eq!(role("SELECT count(*) FROM hub.tenant"), "0");
    let refused = |sql: &str| {
        let done =
            hub.database.cluster.psql_command("hub_server", &hub.database.name, sql).output().expect("psql");
        assert!(!done.status.success(), "{sql} was done");
        String::from_utf8_lossy(&done.stderr).into_owned()
    };
    let other = hub.database.sql("SELECT id FROM hub.tenant WHERE name = 'south'");
    let insert = format!(
        "SET hub.tenant = '{tenant}'; INSERT INTO hub.site (id, tenant, name, log_key) VALUES (gen_random_uuid(), '{other}', 'x', 'x')"
    );
    assert!(refused(&insert).contains("row-level security"));
    let moved = format!("SET hub.tenant = '{tenant}'; UPDATE hub.finding SET tenant = '{other}'");
    assert!(refused(&moved).contains("row-level security"));
    for sql in [
        "UPDATE hub.record SET body = ''",
        "DELETE FROM hub.record",
        "DELETE FROM hub.alarm",
        "TRUNCATE hub.record",
        "DROP TABLE hub.record",
    ] {
        let why = refused(&format!("SET hub.tenant = '{tenant}'; {sql}"));
        assert!(why.contains("permission denied") || why.contains("must be owner"), "{sql}: {why}");
    }
    let partition = hub.database.sql("SELECT inhrelid::regclass FROM pg_inherits WHERE inhparent = 'hub.record'::regclass ORDER BY 1 LIMIT 1");
    assert!(
        refused(&format!("SET hub.tenant = '{tenant}'; SELECT * FROM {partition}"))
            .contains("permission denied")
    );
    assert!(refused("SET row_security = off; SELECT * FROM hub.finding").contains("row-level security"));
}

#[tokio::test]
async fn a_site_that_replays_another_tenants_records_reaches_nothing_of_it() {
    let Some(hub) = Hub::with_tenant() else { return };
    hub.database.admin(&["tenant", "create", "south"]);
    let (mut site, api) = Site::registered(&hub, "north", "one").await;
    let (mut thief, thiefs) = Site::registered(&hub, "south", "two").await;
    let agent = Agent::new(1);
    site.append("agent.enrolled", &agent.enrolled());
    site.append("finding.raised", &agent.finding(1, 9, &agent.statement(9)));
    site.push_from(&api, 1).await;
    let norths = "SELECT r.seq, encode(r.leaf, 'hex'), f.signature, s.finding FROM hub.record r
        JOIN hub.site t ON t.id = r.site AND t.name = 'one' JOIN hub.finding f ON f.site = t.id JOIN hub.statement s ON s.site = t.id ORDER BY 1";
    let before = hub.database.sql(norths);

    // As they are, with the other's checkpoint: refused. Without one, and then with one of its own: a log of the thief's.
    thiefs.push(site.batch(1..=2, Some(&site.checkpoint(2)))).await.problem(422, "bad-checkpoint");
    thief.records.clone_from(&site.records);
    thiefs.push(site.batch(1..=1, None)).await.expect(200);
    assert_eq!(thief.push_from(&thiefs, 1).await, "3");

    assert_eq!(hub.database.sql(norths), before);
    let password = hub.database.account("north", "elin");
    let elin = Api::signed_in(&hub, "elin", &password).await;
    let findings = elin.get("/v1/findings").await.expect(200);
    assert_eq!(findings["items"].as_array().map(Vec::len), Some(1), "{findings}");
    assert_eq!(
        (&findings["items"][0]["site_name"], &findings["items"][0]["signature"]),
        (&"one".into(), &"verified".into())
    );
    let alarms = elin.get("/v1/alarms").await.expect(200);
    assert_eq!(
        alarms["items"].as_array().map(Vec::len),
        Some(0),
        "the honest tenant is not disturbed: {alarms}"
    );
    let told =
        hub.database.sql("SELECT t.name, a.kind FROM hub.alarm a JOIN hub.tenant t ON t.id = a.tenant");
    assert_eq!(told, "south|bad-checkpoint");
    site.fill(1);
    assert_eq!(site.push_from(&api, 3).await, "4", "it goes on");
}

#[tokio::test]
async fn every_table_of_tenants_forces_row_level_security_also_on_its_owner() {
    let Some(hub) = Hub::with_tenant() else { return };

    let unprotected = hub.database.sql(
        "SELECT relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE nspname = 'hub' AND relkind IN ('r', 'p')
         AND NOT (relrowsecurity AND relforcerowsecurity) ORDER BY 1",
    );

    assert_eq!(unprotected, "migration\nrate", "neither has a tenant's row");
    let owner = |sql: &str| hub.database.cluster.psql("hub_owner", &hub.database.name, sql);
    assert_eq!(owner("SELECT count(*) FROM hub.tenant"), "0");
    let keys = hub.database.sql(
        "SELECT conrelid::regclass || '.' || a.attname FROM pg_constraint k JOIN pg_attribute a ON a.attrelid = conrelid AND a.attnum = conkey[1]
         WHERE contype = 'f' AND NOT EXISTS (SELECT 1 FROM pg_index i WHERE i.indrelid = conrelid AND i.indkey[0] = conkey[1]) ORDER BY 1",
    );
    assert_eq!(
        keys,
        "hub.statement.tenant\n".trim_end().replace("hub.statement.tenant", ""),
        "every foreign key has an index"
    );
}

#[tokio::test]
async fn a_session_reaches_no_gateway_route_and_a_gateway_no_portal() {
    let Some(hub) = Hub::with_tenant() else { return };
    let (_site, gateway) = Site::registered(&hub, "north", "one").await;
    let password = hub.database.account("north", "elin");
    let elin = Api::signed_in(&hub, "elin", &password).await;
    let document: Value = serde_json::from_str(include_str!("../../openapi.json")).expect("JSON");

    let paths = document["paths"].as_object().expect("paths");
    assert!(paths.len() >= 11, "{paths:?}");
    for (path, operations) in paths {
        for (method, operation) in operations.as_object().expect("operations") {
            let filled = path.replace("{site}", "01900000-0000-7000-8000-000000000000").replace("{id}", "1");
            let method: reqwest::Method = method.to_uppercase().parse().expect("a method");
            let body = if method == reqwest::Method::GET { Vec::new() } else { b"{}".to_vec() };
            let json = [("content-type", "application/json"), ("content-encoding", "zstd")];
            let portal = operation["tags"][0] == "portal";
            let wrong = if portal { &gateway } else { &elin };
            let answer = wrong.send(method.clone(), &filled, &json, body).await;
            let signs_in = path == "/v1/session" && method == reqwest::Method::POST;
            let wanted: &[u16] = if signs_in { &[403] } else { &[401, 403] };
            assert!(wanted.contains(&answer.status), "{method} {path}: {} {}", answer.status, answer.text);
        }
    }
}
