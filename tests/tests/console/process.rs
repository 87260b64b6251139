use std::time::Duration;

use serde_json::json;
use webhooks_tests::PATIENCE;
use webhooks_tests::console::Console;
use webhooks_tests::database::{CONSOLE_ROLE, Database, MANAGER_ROLE};
use webhooks_tests::receiver::Receiver;

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
