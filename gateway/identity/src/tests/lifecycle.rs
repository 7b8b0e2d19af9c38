//! The ordinary life of people, sessions and keys, what the site log keeps of it, and what it never keeps.

use super::*;

#[tokio::test]
async fn the_wizard_goes_from_nobody_to_a_named_site() {
    let app = App::new();
    let setup = app.send(&Client::default(), "GET", "/setup", None).await;
    assert_eq!(
        (setup.status, &setup.body["needed"], &setup.body["steps"]),
        (200, &json!(true), &json!(["owner", "trust", "time"]))
    );
    assert_eq!(
        (&setup.body["ca_fingerprint"], &setup.body["box_time"]),
        (&json!("acorn agate"), &json!("2026-11-24T10:00:00Z"))
    );

    let owner = app.owner().await;
    let session = app.send(&owner, "GET", "/session", None).await;
    assert_eq!(
        (&session.body["user"]["login"], &session.body["user"]["role"]),
        (&json!("elin"), &json!("owner"))
    );
    assert_eq!(session.body["expires"], "2026-11-24T22:00:00Z");
    assert_eq!(app.send(&owner, "GET", "/setup", None).await.body["steps"], json!(["trust", "time"]));
    let body = |zone: &str| Some(json!({ "site_name": "Norrvik", "time_zone": zone }));
    assert_eq!(app.send(&owner, "POST", "/setup/finish", body("../etc/passwd;")).await.status, 422);
    assert_eq!(app.send(&owner, "POST", "/setup/finish", body("Europe/Oslo")).await.status, 204);

    let setup = app.send(&Client::default(), "GET", "/setup", None).await;
    assert_eq!((&setup.body["needed"], &setup.body["steps"]), (&json!(false), &json!([])));
    let settings = app.test.store.read(site_settings).await.expect("read");
    assert_eq!(
        settings,
        Some(SiteSettings { site_name: "Norrvik".to_owned(), time_zone: "Europe/Oslo".to_owned() })
    );
    assert_eq!(app.kinds().await, ["setup.owner-created", "setup.finished"]);
}

#[tokio::test]
async fn without_a_sign_in_every_route_but_the_open_ones_is_401() {
    let app = App::new();
    app.owner().await;
    let person = json!({ "login": "eve", "name": "Eve", "role": "owner", "password": PASSWORD });
    for (method, path, body) in [
        ("GET", "/session", None),
        ("GET", "/users", None),
        ("POST", "/users", Some(person)),
        ("PATCH", "/users/x", Some(json!({ "name": "x" }))),
        ("DELETE", "/users/x", None),
        ("GET", "/sessions", None),
        ("DELETE", "/sessions/x", None),
        ("GET", "/api-keys", None),
        ("POST", "/api-keys", Some(json!({ "name": "x", "role": "viewer", "expires_in_days": 1 }))),
        ("DELETE", "/api-keys/x", None),
        ("POST", "/setup/finish", Some(json!({ "site_name": "x", "time_zone": "UTC" }))),
    ] {
        assert_eq!(
            app.send(&Client::browser(), method, path, body).await.code(),
            (401, "not-signed-in"),
            "{method} {path}"
        );
    }
}

#[tokio::test]
async fn a_session_ends_by_idleness_by_age_and_by_signing_out() {
    let mut app = App::new();
    let owner = app.owner().await;
    let alive = async |client: &Client| app.send(client, "GET", "/session", None).await.status == 200;
    assert!(alive(&owner).await);
    app.test.forward(limits::SESSION_IDLE - Duration::from_secs(1));
    assert!(alive(&owner).await);
    app.settle().await;
    app.test.forward(limits::SESSION_IDLE);
    assert!(!alive(&owner).await, "idle");

    let answer = app.sign_in(&Client::browser(), "elin", PASSWORD).await;
    let busy = Client::browser().with("cookie", &answer.cookie());
    let mut minutes = 0;
    while alive(&busy).await {
        app.settle().await;
        app.test.forward(Duration::from_secs(20 * 60));
        minutes += 20;
        assert!(minutes < 24 * 60, "a session must end");
    }
    assert_eq!(minutes, 12 * 60, "age");

    let answer = app.sign_in(&Client::browser(), "elin", PASSWORD).await;
    let last = Client::browser().with("cookie", &answer.cookie());
    let out = app.send(&last, "DELETE", "/session", None).await;
    assert_eq!(out.status, 204);
    assert!(out.cookie().ends_with('=') && !alive(&last).await);
    assert_eq!(app.send(&Client::browser(), "DELETE", "/session", None).await.status, 204, "nothing to end");
    assert_eq!(app.identity.prune().await.expect("pruned"), 2);
    assert_eq!(app.identity.prune().await.expect("pruned"), 0);
    assert!(app.kinds().await.ends_with(&["session.ended".to_owned(), "session.expired".to_owned()]));
    assert_eq!(app.happenings().iter().filter(|action| *action == "session-ended").count(), 3);
}

#[tokio::test]
async fn the_last_owner_stays_and_a_second_one_frees_the_first() {
    let app = App::new();
    let owner = app.owner().await;
    let me = app.send(&owner, "GET", "/session", None).await.body["user"]["id"]
        .as_str()
        .expect("an id")
        .to_owned();
    let me = format!("/users/{me}");
    assert_eq!(app.send(&owner, "DELETE", &me, None).await.code(), (409, "last-owner"));
    assert_eq!(
        app.send(&owner, "PATCH", &me, Some(json!({ "role": "viewer" }))).await.code(),
        (409, "last-owner")
    );
    let (_, second) = app.person(&owner, "jonas", "owner").await;

    let demoted = app.send(&owner, "PATCH", &me, Some(json!({ "role": "viewer" }))).await;

    assert_eq!((demoted.status, &demoted.body["role"]), (200, &json!("viewer")));
    assert_eq!(
        app.send(&owner, "GET", "/users", None).await.status,
        403,
        "it counts for the very next request"
    );
    assert_eq!(app.send(&second, "DELETE", &me, None).await.status, 204);
    assert_eq!(app.send(&owner, "GET", "/session", None).await.status, 401, "removed with the person");
}

#[tokio::test]
async fn a_new_password_ends_the_other_sessions() {
    let app = App::new();
    let owner = app.owner().await;
    let (id, viewer) = app.person(&owner, "vera", "viewer").await;
    let other =
        Client::browser().with("cookie", &app.sign_in(&Client::browser(), "vera", PASSWORD).await.cookie());
    let changed = app
        .send(&viewer, "PATCH", &format!("/users/{id}"), Some(json!({ "password": "a new password" })))
        .await;
    assert_eq!(changed.status, 200, "{}", changed.body);
    assert_eq!(app.send(&viewer, "GET", "/session", None).await.status, 200, "the one that changed it");
    assert_eq!(app.send(&other, "GET", "/session", None).await.status, 401);
    assert_eq!(app.sign_in(&Client::browser(), "vera", PASSWORD).await.status, 401);
    assert_eq!(app.sign_in(&Client::browser(), "vera", "a new password").await.status, 200);
}

#[tokio::test]
async fn people_see_and_end_their_own_sessions_and_owners_all() {
    let app = App::new();
    let owner = app.owner().await;
    let (_, viewer) = app.person(&owner, "vera", "viewer").await;
    let rows = |answer: &Answer| answer.body["items"].as_array().expect("a list").clone();
    let own = rows(&app.send(&viewer, "GET", "/sessions", None).await);
    let all = rows(&app.send(&owner, "GET", "/sessions", None).await);
    assert_eq!((own.len(), all.len(), &own[0]["current"]), (1, 2, &json!(true)));
    let of = |login: &str| {
        all.iter().find(|row| row["login"] == login).expect("one")["id"].as_str().expect("an id").to_owned()
    };
    assert_eq!(app.send(&viewer, "DELETE", &format!("/sessions/{}", of("elin")), None).await.status, 403);
    assert_eq!(
        app.send(&viewer, "DELETE", "/sessions/none", None).await.status,
        403,
        "nobody learns which exist"
    );
    assert_eq!(app.send(&owner, "DELETE", "/sessions/none", None).await.status, 404);
    assert_eq!(app.send(&owner, "DELETE", &format!("/sessions/{}", of("vera")), None).await.status, 204);
    assert_eq!(app.send(&viewer, "GET", "/session", None).await.status, 401);
    assert_eq!(app.send(&owner, "DELETE", &format!("/sessions/{}", of("elin")), None).await.status, 204);
    assert_eq!(app.send(&owner, "GET", "/session", None).await.status, 401);
}

#[tokio::test]
async fn lists_come_in_pages() {
    let app = App::new();
    let owner = app.owner().await;
    for login in ["anna", "zoe"] {
        app.person(&owner, login, "viewer").await;
    }
    let mut logins = Vec::new();
    let mut path = "/users?limit=2".to_owned();
    loop {
        let page = app.send(&owner, "GET", &path, None).await.body;
        logins.extend(page["items"].as_array().expect("a list").iter().map(|user| user["login"].clone()));
        let Some(next) = page["next"].as_str() else { break };
        path = format!("/users?limit=2&cursor={next}");
    }
    assert_eq!(logins, ["anna", "elin", "zoe"]);
}

#[tokio::test]
async fn an_api_key_is_told_about_itself_and_is_no_session() {
    let app = App::new();
    let owner = app.owner().await;
    let (id, program) = app.key(&owner, "technician").await;
    let session = app.send(&program, "GET", "/session", None).await;
    assert_eq!(
        (&session.body["user"]["id"], &session.body["user"]["role"]),
        (&json!(id), &json!("technician"))
    );
    assert_eq!(app.send(&program, "DELETE", "/session", None).await.status, 204);
    assert_eq!(app.send(&program, "GET", "/session", None).await.status, 200);
    app.settle().await;
    let listed = app.send(&owner, "GET", "/api-keys", None).await;
    assert_eq!(
        (&listed.body["items"][0]["last_used"], &listed.body["items"][0]["key"]),
        (&json!("2026-11-24T10:00:00Z"), &Json::Null)
    );
    let active =
        app.test.store.read(|conn| active(conn, Timestamp::from_seconds(1_795_514_400))).await.expect("read");
    assert_eq!(active, Active { sessions: 1, api_keys: 1 });
}

#[tokio::test]
async fn bad_values_are_told_with_what_would_be_right() {
    let app = App::new();
    let owner = app.owner().await;
    let person = |login: &str, name: &str, password: &str| json!({ "login": login, "name": name, "role": "viewer", "password": password });
    for (body, word) in [
        (person("a b", "x", PASSWORD), "login"),
        (person("", "x", PASSWORD), "login"),
        (person("eve", " ", PASSWORD), "name"),
        (person("eve", "a\nb", PASSWORD), "name"),
        (person("eve", "x", "short"), "12 characters"),
    ] {
        let answer = app.send(&owner, "POST", "/users", Some(body)).await;
        assert_eq!(answer.code(), (422, "bad-value"));
        assert!(
            answer.body["detail"].as_str().is_some_and(|text| text.to_lowercase().contains(word)),
            "{}",
            answer.body
        );
    }
    assert_eq!(
        app.send(&owner, "POST", "/users", Some(person("ELIN", "x", PASSWORD))).await.code(),
        (409, "login-taken")
    );
    for days in [0, 3_651] {
        let body = json!({ "name": "x", "role": "viewer", "expires_in_days": days });
        assert_eq!(app.send(&owner, "POST", "/api-keys", Some(body)).await.code(), (422, "bad-value"));
    }
    assert_eq!(app.send(&owner, "PATCH", "/users/none", Some(json!({ "name": "x" }))).await.status, 404);
    assert_eq!(app.send(&owner, "DELETE", "/users/none", None).await.status, 404);
    assert_eq!(app.send(&owner, "DELETE", "/api-keys/none", None).await.status, 404);
}

#[tokio::test]
async fn each_change_is_one_record_and_no_secret_is_on_the_disk() {
    let app = App::new();
    let owner = app.owner().await;
    let (id, viewer) = app.person(&owner, "vera", "viewer").await;
    let (key, program) = app.key(&owner, "viewer").await;
    app.send(
        &owner,
        "PATCH",
        &format!("/users/{id}"),
        Some(json!({ "name": "Vera", "password": "a new password" })),
    )
    .await;
    app.send(&owner, "DELETE", &format!("/api-keys/{key}"), None).await;
    app.send(&owner, "DELETE", &format!("/users/{id}"), None).await;
    app.send(&owner, "DELETE", "/session", None).await;
    assert_eq!(
        app.kinds().await,
        [
            "setup.owner-created",
            "user.created",
            "session.started",
            "api-key.created",
            "user.changed",
            "api-key.revoked",
            "user.deleted",
            "session.ended"
        ]
    );
    let secrets: Vec<String> = [&owner, &viewer, &program]
        .into_iter()
        .flat_map(|client| &client.headers)
        .filter(|(name, _)| *name == "cookie" || *name == "authorization")
        .map(|(_, value)| {
            value.trim_start_matches("Bearer ").trim_start_matches("__Host-session=").to_owned()
        })
        .chain([PASSWORD.to_owned(), "a new password".to_owned()])
        .collect();
    assert_eq!(secrets.len(), 5);
    for file in std::fs::read_dir(app.test.dir.path()).expect("the folder") {
        let bytes = std::fs::read(file.expect("a file").path()).expect("read");
        for secret in &secrets {
            assert!(
                !bytes.windows(secret.len()).any(|window| window == secret.as_bytes()),
                "a secret is on the disk"
            );
        }
    }
}

#[tokio::test]
async fn the_console_makes_keys_and_requests_are_counted() {
    let app = App::new();
    let permit = app.identity.inner.gate.console(Action::ApiKeyCreate, Resource::site());
    let new = NewApiKey { name: "console".to_owned(), role: Role::Owner, expires_in_days: 1 };
    let made =
        app.test.store.write("making a key", move |tx| create_api_key(tx, permit, &new)).await.expect("made");
    let program = Client::default().with("authorization", &format!("Bearer {}", made.key.expose()));
    assert_eq!(app.send(&program, "GET", "/users", None).await.status, 200);
    app.sign_in(&Client::browser(), "nobody", "wrong password").await;
    app.sign_in(&Client::browser(), "nobody", "wrong password").await;
    let figures = app.identity.figures();
    let count = |method: &str, endpoint: &str, status| {
        figures.requests.get(&(method.to_owned(), endpoint.to_owned(), status)).copied()
    };
    assert_eq!((count("GET", "/users", 200), count("POST", "/session", 401)), (Some(1), Some(2)));
    let durations = &figures.durations[&("POST".to_owned(), "/session".to_owned())];
    assert_eq!(durations.buckets.iter().sum::<u64>(), 2);
}

#[test]
fn the_schema_keeps_the_rules_of_the_house() {
    assert_eq!(sitewarden_store::schema::lint(&[MIGRATIONS]).expect("linted"), Vec::<String>::new());
}
