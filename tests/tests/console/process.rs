use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use webhooks_tests::PATIENCE;
use webhooks_tests::console::Console;
use webhooks_tests::database::{CONSOLE_ROLE, Database, MANAGER_ROLE};
use webhooks_tests::receiver::Receiver;
use webhooks_tests::wait::{Seen, eventually};

use crate::scene::{SUBSCRIPTIONS, Scene};

#[tokio::test]
async fn health_tells_whether_requests_are_answered() {
    let db = Database::fresh("api_health").await.unwrap();
    let console = Console::start(&db).await.unwrap();
    assert_eq!(
        console.get("/healthz").await.unwrap(),
        (200, "alive\n".to_owned())
    );
    assert_eq!(
        console.get("/readyz").await.unwrap(),
        (200, "ready\n".to_owned())
    );

    // Of another role, without the extension, without a database.
    let postgres = db.url(CONSOLE_ROLE).replace(db.name(), "postgres");
    let nowhere = db.url(CONSOLE_ROLE).replace(db.name(), "no_such_database");
    for (url, reason) in [
        (db.url(MANAGER_ROLE), "no member of webhooks_console"),
        (postgres, "no extension webhooks"),
        (nowhere, "no_such_database"),
    ] {
        let console = Console::start_with(&url, &[]).await.unwrap();
        assert_eq!(console.get("/healthz").await.unwrap().0, 200);
        let (status, text) = console.get("/readyz").await.unwrap();
        assert_eq!(status, 503);
        assert!(!text.contains(reason), "{text}");
        console
            .wait_log(|line| line.contains(reason))
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn it_is_back_when_the_database_is() {
    let scene = Scene::set("api_away").await;
    let client = scene.manager(scene.db.tenant()).await;
    assert_eq!(client.get(SUBSCRIPTIONS).await.status, 200);
    // Sessions that end are replaced: a request or two may find it out.
    scene
        .db
        .execute("select pg_terminate_backend(pid, 10000) from pg_stat_activity where application_name = 'webhooks-console' and datname = current_database()")
        .await
        .unwrap();
    let answer = client.get(SUBSCRIPTIONS).await;
    assert!([200, 503].contains(&answer.status), "{answer:?}");
    assert_eq!(client.get(SUBSCRIPTIONS).await.status, 200);
}

#[tokio::test]
async fn a_statement_that_takes_too_long_is_ended() {
    let db = Database::fresh("api_slow").await.unwrap();
    let arguments = ["--statement-timeout", "0.5", "--connections", "1"];
    let console = Console::start_with(&db.url(CONSOLE_ROLE), &arguments)
        .await
        .unwrap();
    let scene = Scene { console, db };
    let client = scene.manager(scene.db.tenant()).await;
    let id = client.subscribe("a", "https://x.example/").await;
    let path = format!("{SUBSCRIPTIONS}{id}");
    let mut locker = scene.db.connect().await.unwrap();
    let lock = locker.transaction().await.unwrap();
    lock.batch_execute("lock table webhooks.webhook_subscriptions")
        .await
        .unwrap();
    let change = client
        .send("PATCH", &path, &[], r#"{"retry_count": 1}"#)
        .await;
    assert_eq!(change.status, 503, "{change:?}");
    assert!(change.header("retry-after").is_some());
    lock.rollback().await.unwrap();
    // The one connection that it has is as good as before.
    let change = client
        .send("PATCH", &path, &[], r#"{"retry_count": 1}"#)
        .await;
    assert_eq!(change.status, 200, "{change:?}");
}

/// Not only statements that requests come for: also the look at who asks.
#[tokio::test]
async fn a_look_up_that_takes_too_long_is_ended() {
    let arguments = ["--statement-timeout", "0.5", "--connections", "1"];
    let scene = Scene::set_with("api_slow_look_up", &arguments).await;
    let client = scene.manager(scene.db.tenant()).await;
    let mut locker = scene.db.connect().await.unwrap();
    let lock = locker.transaction().await.unwrap();
    lock.batch_execute("lock table webhooks_private.access_tokens")
        .await
        .unwrap();
    assert_eq!(client.get(SUBSCRIPTIONS).await.status, 503);
    assert_eq!(scene.console.get("/readyz").await.unwrap().0, 503);
    lock.rollback().await.unwrap();
    assert_eq!(client.get(SUBSCRIPTIONS).await.status, 200);
}

#[tokio::test]
async fn a_signal_lets_requests_finish_and_notes_the_last_uses() {
    let mut scene = Scene::set("api_stop").await;
    let tenant = scene.db.tenant();
    let receiver = Receiver::start().unwrap();
    let client = scene.manager(tenant).await;
    let id = client.subscribe("a", &receiver.url("/hook")).await;
    // There is no sidecar: the request waits for as long as it asks to.
    let path = format!("{SUBSCRIPTIONS}{id}/test?wait=2");
    let address = scene.console.address().to_owned();
    let authorization = format!("Bearer {}", client.token);
    let request = tokio::spawn(async move {
        let headers = [("authorization", authorization.as_str())];
        webhooks_tests::http::send(&address, "POST", &path, &headers, "").await
    });
    let queued = "select count(*) from webhooks.delivery_queue";
    scene.db.wait_value(queued, "1").await.unwrap();
    scene.console.sigterm().unwrap();
    let answer = request.await.unwrap().unwrap();
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(
        answer.body.contains(&json!("pending").to_string()),
        "{answer:?}"
    );
    let status = scene.console.wait_exit(PATIENCE).await.unwrap();
    assert!(status.success());
    let used =
        format!("select last_used_at is not null from webhooks.list_access_tokens('{tenant}')");
    assert_eq!(scene.db.value(&used).await.unwrap().unwrap(), "true");
}

/// Whoever asks whether it is ready: the database is not asked each time.
#[tokio::test]
async fn readiness_is_not_looked_up_for_each_who_asks() {
    let scene = Scene::set_with("api_ready", &["--connections", "1"]).await;
    let asked = "select coalesce(sum(xact_commit + xact_rollback), 0) from pg_stat_database where datname = current_database()";
    assert_eq!(scene.console.get("/readyz").await.unwrap().0, 200);
    let before: i64 = scene
        .db
        .value(asked)
        .await
        .unwrap()
        .unwrap()
        .parse()
        .unwrap();
    let all = (0..200).map(|_| scene.console.get("/readyz"));
    for answer in futures_util::future::join_all(all).await {
        assert_eq!(answer.unwrap().0, 200);
    }
    // A session says what it has done at its end at the latest.
    let sessions = "from pg_stat_activity where datname = current_database() and application_name like 'webhooks-console%'";
    let end = format!("select count(pg_terminate_backend(pid)) {sessions}");
    scene.db.value(&end).await.unwrap();
    let left = format!("select count(*) {sessions}");
    scene.db.wait_value(&left, "0").await.unwrap();
    let after: i64 = scene
        .db
        .value(asked)
        .await
        .unwrap()
        .unwrap()
        .parse()
        .unwrap();
    assert!(after - before < 100, "{before} {after}");
}

/// One address can't take all connections.
#[tokio::test]
async fn an_address_has_a_share_of_the_connections() {
    let scene = Scene::set("api_share").await;
    let address: std::net::SocketAddr = scene.console.address().parse().unwrap();
    let mut idle = Vec::new();
    for _ in 0..400 {
        idle.push(tokio::net::TcpStream::connect(address).await.unwrap());
    }
    let healthz = b"GET /healthz HTTP/1.0\r\n\r\n";
    let ask = async |from: [u8; 4]| {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind((from, 0).into()).unwrap();
        let mut stream = socket.connect(address).await.unwrap();
        let mut answer = String::new();
        // One too many is closed, perhaps before it has sent anything.
        let _ = stream.write_all(healthz).await;
        let read = stream.read_to_string(&mut answer);
        let _ = tokio::time::timeout(PATIENCE, read).await.unwrap();
        answer
    };
    assert!(ask([127, 0, 0, 2]).await.ends_with("alive\n"));
    assert_eq!(ask([127, 0, 0, 1]).await, "");
    drop(idle);
    eventually(PATIENCE, async || {
        let answer = ask([127, 0, 0, 1]).await;
        Ok(Seen::done_if(answer, |answer| answer.ends_with("alive\n")))
    })
    .await
    .unwrap();
}

/// Connections that send nothing cost nobody else anything.
#[tokio::test]
async fn silent_connections_are_in_nobodys_way() {
    let scene = Scene::set("api_silent").await;
    let client = scene.manager(scene.db.tenant()).await;
    let mut silent = Vec::new();
    for _ in 0..50 {
        silent.push(
            tokio::net::TcpStream::connect(scene.console.address())
                .await
                .unwrap(),
        );
    }
    let answered = tokio::time::timeout(Duration::from_secs(10), client.get(SUBSCRIPTIONS)).await;
    assert_eq!(answered.unwrap().status, 200);
}
