//! Attacks on sign-ins, cookies, keys and roles, each beside an honest client that goes on working.

use super::*;

#[tokio::test]
async fn a_planted_cookie_is_never_adopted_and_a_planted_session_ends() {
    let app = App::new();
    let owner = app.owner().await;
    let (_, mallory) = app.person(&owner, "mallory", "viewer").await;
    let planted = format!("{COOKIE}={}", "A".repeat(43));

    let fixed = app.sign_in(&Client::browser().with("cookie", &planted), "elin", PASSWORD).await;
    let stolen = mallory.headers.iter().find(|(name, _)| *name == "cookie").expect("a cookie").1.clone();
    let victim = app.sign_in(&Client::browser().with("cookie", &stolen), "elin", PASSWORD).await;

    assert_ne!(fixed.cookie(), planted);
    assert_eq!(
        app.send(&Client::browser().with("cookie", &planted), "GET", "/session", None).await.status,
        401
    );
    assert_ne!(victim.cookie(), stolen);
    assert_eq!(
        app.send(&mallory, "GET", "/session", None).await.status,
        401,
        "the planted session has ended"
    );
    assert_eq!(app.send(&owner, "GET", "/session", None).await.status, 200);
}

#[tokio::test]
async fn the_cookie_has_all_its_protections() {
    let app = App::new();
    app.owner().await;
    let answer = app.sign_in(&Client::browser(), "ELIN ", PASSWORD).await;
    let cookie = answer.headers[header::SET_COOKIE].to_str().expect("text");
    assert!(cookie.starts_with("__Host-session="), "{cookie}");
    for part in ["; Path=/", "; HttpOnly", "; Secure", "; SameSite=Strict"] {
        assert!(cookie.contains(part), "{cookie}");
    }
    assert!(!cookie.contains("Domain"), "{cookie}");
}

#[tokio::test]
async fn forged_cookies_open_nothing() {
    let app = App::new();
    let owner = app.owner().await;
    let cookie = owner.headers.iter().find(|(name, _)| *name == "cookie").expect("a cookie").1.clone();
    let token = cookie.split_once('=').expect("a pair").1.to_owned();
    let hash: String = secret::hash(&token).iter().map(|byte| format!("{byte:02x}")).collect();
    let mut flipped = token.clone().into_bytes();
    flipped[10] = if flipped[10] == b'A' { b'B' } else { b'A' };

    let mut forged = vec![
        format!("{COOKIE}={}", String::from_utf8(flipped).expect("ASCII")),
        format!("{COOKIE}={hash}"),
        format!("{COOKIE}="),
        format!("{COOKIE}=' OR 1=1 --"),
        format!("{COOKIE}={token}{token}"),
        format!("session={token}"),
        format!("__host-session={token}"),
        // Somebody planted a second one beside the right one: neither counts.
        format!("{cookie}; {COOKIE}={}", "A".repeat(43)),
        format!("{COOKIE}={}; {cookie}", "A".repeat(43)),
    ];
    for id in app
        .test
        .store
        .read(|conn| sessions::list(conn, None, None, 10, Timestamp::default()))
        .await
        .expect("read")
    {
        forged.push(format!("{COOKIE}={}", id.id));
    }
    for cookie in forged {
        let answer = app.send(&Client::browser().with("cookie", &cookie), "GET", "/session", None).await;
        assert_eq!(answer.code(), (401, "not-signed-in"), "{cookie}");
    }
    assert_eq!(app.send(&owner, "GET", "/session", None).await.status, 200);
}

#[tokio::test]
async fn a_form_on_another_site_changes_nothing() {
    let mut app = App::new();
    let owner = app.owner().await;
    let body = || Some(json!({ "login": "eve", "name": "Eve", "role": "owner", "password": PASSWORD }));
    let cases = [
        (owner.clone().without("x-sitewarden"), "no-proof"),
        (owner.clone().with("x-sitewarden", "0"), "no-proof"),
        (owner.clone().with("origin", "https://evil.example"), "cross-site"),
        (owner.clone().with("origin", "https://gateway.example.evil.example"), "cross-site"),
        (owner.clone().with("origin", "https://gateway.example:444"), "cross-site"),
        (owner.clone().with("origin", "null"), "cross-site"),
        (owner.clone().with("sec-fetch-site", "cross-site"), "cross-site"),
        (owner.clone().with("sec-fetch-site", "same-site"), "cross-site"),
    ];
    for (client, code) in &cases {
        for (method, path) in
            [("POST", "/users"), ("DELETE", "/session"), ("PATCH", "/users/x"), ("POST", "/setup/finish")]
        {
            let answer = app.send(client, method, path, body()).await;
            assert_eq!(answer.code(), (403, *code), "{method} {path} {:?}", client.headers);
        }
    }
    // Signing the victim in as somebody else is refused as well, and a plain form cannot even send the body.
    let foreign = Client::browser().without("x-sitewarden").with("origin", "https://evil.example");
    assert_eq!(app.sign_in(&foreign, "elin", PASSWORD).await.code(), (403, "cross-site"));
    let form = Client::browser().with("content-type", "application/x-www-form-urlencoded");
    assert_eq!(app.send(&form, "POST", "/session", None).await.status, 415);

    let list = app.send(&owner, "GET", "/users", None).await;
    assert_eq!(list.body["items"].as_array().map(Vec::len), Some(1), "nobody was added: {}", list.body);
    assert!(app.happenings().contains(&"cross-site-refused".to_owned()));
    assert_eq!(
        app.send(&owner.with("sec-fetch-site", "same-origin"), "POST", "/users", body()).await.status,
        201
    );
}

#[tokio::test]
async fn guessing_is_slowed_down_and_others_are_not() {
    let mut app = App::new();
    app.owner().await;
    for _ in 0..limits::PAIR_BURST {
        assert_eq!(
            app.sign_in(&Client::browser(), "elin", "wrong password").await.code(),
            (401, "wrong-credentials")
        );
    }
    let stopped = app.sign_in(&Client::browser(), "elin", PASSWORD).await;
    assert_eq!(stopped.code(), (429, "too-many-tries"), "the right one too, or guessing would pay");
    assert_eq!(stopped.headers[header::RETRY_AFTER], "30");
    assert_eq!(app.sign_in(&Client::browser().at("192.0.2.2"), "elin", PASSWORD).await.status, 200);

    app.test.forward(Duration::from_secs(30));
    assert_eq!(app.sign_in(&Client::browser(), "elin", PASSWORD).await.status, 200);
    let told = app.happenings();
    assert_eq!(told.iter().filter(|action| *action == "login-failed").count(), 5);
    assert_eq!(told.iter().filter(|action| *action == "throttled").count(), 1);
    assert_eq!(app.identity.figures().throttled, 1);
}

#[tokio::test]
async fn an_unknown_login_is_answered_like_a_wrong_password() {
    let app = App::new();
    app.owner().await;
    let wrong = app.sign_in(&Client::browser(), "elin", "wrong password").await;
    for login in ["nobody", "", "no such; login", &"x".repeat(10_000)] {
        let unknown = app.sign_in(&Client::browser(), login, "wrong password").await;
        assert_eq!((unknown.status, &unknown.body), (wrong.status, &wrong.body), "{login}");
    }
}

#[tokio::test]
async fn keys_that_ended_were_withdrawn_or_made_up_open_nothing() {
    let mut app = App::new();
    let owner = app.owner().await;
    let (id, program) = app.key(&owner, "owner").await;
    let (_, other) = app.key(&owner, "viewer").await;
    assert_eq!(app.send(&program, "GET", "/users", None).await.status, 200);
    assert_eq!(
        app.send(&program, "DELETE", &format!("/api-keys/{id}"), None).await.status,
        204,
        "a key may end itself"
    );
    assert_eq!(app.send(&program, "GET", "/users", None).await.status, 401);

    for header in [
        "Bearer",
        "Bearer ",
        "Bearer swk_",
        "Basic ZWxpbjpwYXNz",
        &format!("Bearer swk_{}", "A".repeat(43)),
        &format!("Bearer {}", "A".repeat(43)),
    ] {
        // The cookie beside it does not help: who shows a key is judged by the key.
        let client = owner.clone().with("authorization", header);
        assert_eq!(
            app.send(&client, "GET", "/session", None).await.code(),
            (401, "not-signed-in"),
            "{header}"
        );
    }
    assert_eq!(app.send(&other, "GET", "/session", None).await.status, 200);
    app.test.forward(Duration::from_secs(24 * 3600));
    assert_eq!(app.send(&other, "GET", "/session", None).await.status, 401, "it has ended");
    assert!(app.happenings().contains(&"api-key-refused".to_owned()));
}

#[tokio::test]
async fn trying_keys_is_slowed_down_and_right_ones_go_on() {
    let app = App::new();
    let owner = app.owner().await;
    let (_, program) = app.key(&owner, "viewer").await;
    let wrong = Client::default().with("authorization", &format!("Bearer swk_{}", "A".repeat(43)));
    for _ in 0..limits::ADDRESS_BURST {
        assert_eq!(app.send(&wrong, "GET", "/session", None).await.status, 401);
    }
    let stopped = app.send(&wrong, "GET", "/session", None).await;
    assert_eq!(stopped.status, 429);
    assert!(stopped.headers.contains_key(header::RETRY_AFTER));
    assert_eq!(app.send(&program, "GET", "/session", None).await.status, 200);
}

#[tokio::test]
async fn nobody_rises_by_their_own_hand() {
    let app = App::new();
    let owner = app.owner().await;
    for role in ["viewer", "technician", "operator"] {
        let (id, client) = app.person(&owner, role, role).await;
        let me = format!("/users/{id}");
        let refused = app.send(&client, "PATCH", &me, Some(json!({ "role": "owner" }))).await;
        assert_eq!(refused.code(), (403, "policy-denied"), "{role}");
        let sneaky = app.send(&client, "PATCH", &me, Some(json!({ "name": "x", "id": "y" }))).await;
        assert_eq!(sneaky.status, 422, "{role}");
        let body = json!({ "login": "eve", "name": "Eve", "role": "viewer", "password": PASSWORD });
        assert_eq!(app.send(&client, "POST", "/users", Some(body)).await.status, 403, "{role}");
        let body = json!({ "name": "x", "role": "viewer", "expires_in_days": 1 });
        assert_eq!(app.send(&client, "POST", "/api-keys", Some(body)).await.status, 403, "{role}");
        assert_eq!(app.send(&client, "GET", "/api-keys", None).await.status, 403, "{role}");
        let renamed = app.send(&client, "PATCH", &me, Some(json!({ "name": "New name" }))).await;
        assert_eq!((renamed.status, &renamed.body["role"]), (200, &json!(role)));
    }
}

#[tokio::test]
async fn a_careless_policy_still_lets_nobody_hand_out_or_take_away_more_than_they_have() {
    let app = App::with(Arc::new(Careless));
    let owner = app.owner().await;
    let owner_id = app.send(&owner, "GET", "/session", None).await.body["user"]["id"]
        .as_str()
        .expect("an id")
        .to_owned();
    let (id, operator) = app.person(&owner, "otto", "operator").await;
    let (_, program) = app.key(&owner, "technician").await;
    let sessions = app.send(&owner, "GET", "/sessions", None).await;
    let of_owner = sessions.body["items"]
        .as_array()
        .expect("a list")
        .iter()
        .find(|row| row["login"] == "elin")
        .expect("one")["id"]
        .clone();

    let person = |role: &str| json!({ "login": "eve", "name": "Eve", "role": role, "password": PASSWORD });
    for (client, method, path, body) in [
        (&operator, "POST", "/users".to_owned(), Some(person("owner"))),
        (&operator, "PATCH", format!("/users/{id}"), Some(json!({ "role": "owner" }))),
        (&operator, "PATCH", format!("/users/{owner_id}"), Some(json!({ "password": "another password" }))),
        (&operator, "DELETE", format!("/users/{owner_id}"), None),
        (
            &operator,
            "POST",
            "/api-keys".to_owned(),
            Some(json!({ "name": "x", "role": "owner", "expires_in_days": 1 })),
        ),
        (&operator, "DELETE", format!("/sessions/{}", of_owner.as_str().expect("an id")), None),
        (&program, "POST", "/users".to_owned(), Some(person("operator"))),
        (
            &program,
            "POST",
            "/api-keys".to_owned(),
            Some(json!({ "name": "x", "role": "operator", "expires_in_days": 1 })),
        ),
    ] {
        let answer = app.send(client, method, &path, body).await;
        assert_eq!(answer.code(), (403, "above-own-role"), "{method} {path}");
    }
    assert_eq!(app.send(&operator, "POST", "/users", Some(person("operator"))).await.status, 201);
    assert_eq!(app.send(&owner, "GET", "/session", None).await.status, 200);
}

#[tokio::test]
async fn the_setup_code_cannot_be_guessed_and_works_once() {
    let mut app = App::new();
    let code = app.identity.setup_code().expect("a code");
    let body =
        |code: &str| Some(json!({ "code": code, "name": "Eve", "login": "eve", "password": PASSWORD }));
    let short = app.send(&Client::browser(), "POST", "/setup/owner", body("234567")).await;
    assert_eq!(short.code(), (403, "setup-code-wrong"));
    assert!(
        short.body["detail"].as_str().is_some_and(|text| text.contains("has 8 characters; 6 are here")),
        "{}",
        short.body
    );
    for host in 2..=limits::SETUP_BURST {
        let other = Client::browser().at(&format!("198.51.100.{host}"));
        assert_eq!(app.send(&other, "POST", "/setup/owner", body("22222222")).await.status, 403);
    }
    let stopped =
        app.send(&Client::browser().at("203.0.113.9"), "POST", "/setup/owner", body("33333333")).await;
    assert_eq!((stopped.status, stopped.headers.contains_key(header::RETRY_AFTER)), (429, true));
    app.test.forward(limits::SETUP_REFILL);
    let weak = json!({ "code": code.expose(), "name": "Eve", "login": "eve", "password": "short" });
    assert_eq!(
        app.send(&Client::browser(), "POST", "/setup/owner", Some(weak)).await.code(),
        (422, "bad-value")
    );

    let owner = app.owner().await;

    assert_eq!(app.identity.setup_code(), None);
    let again = app.send(&Client::browser(), "POST", "/setup/owner", body(code.expose())).await;
    assert_eq!(again.code(), (409, "setup-done"));
    assert_eq!(app.send(&owner, "GET", "/users", None).await.body["items"].as_array().map(Vec::len), Some(1));
    assert_eq!(
        app.happenings().iter().filter(|action| *action == "setup-code-wrong").count(),
        limits::SETUP_BURST as usize
    );
}

#[tokio::test]
async fn two_first_owners_at_once_are_one() {
    let app = App::new();
    let code = app.identity.setup_code().expect("a code");
    let body = |login: &str| {
        Some(json!({ "code": code.expose(), "name": "x", "login": login, "password": PASSWORD }))
    };
    let client = Client::browser();
    let (one, two) = tokio::join!(
        app.send(&client, "POST", "/setup/owner", body("one")),
        app.send(&client, "POST", "/setup/owner", body("two"))
    );
    let mut statuses = [one.status, two.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 409]);
}
