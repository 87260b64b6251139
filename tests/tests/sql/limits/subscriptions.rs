use webhooks_tests::database::MANAGER_ROLE;

use super::{OTHER_TENANT, TENANT, attempt, count, database, limit};
use crate::support::session::Session;

const SUBSCRIPTIONS: &str = "max_subscriptions";

fn subscribe(tenant: &str, n: u32) -> String {
    format!(
        "insert into webhooks.webhook_subscriptions (tenant_id, name, webhook_url)
         select '{tenant}', 'more ' || n, 'http://x.example/' from generate_series(1, {n}) n"
    )
}

#[tokio::test]
async fn no_more_than_the_limit() {
    let (_db, session) = database("limit_subscriptions").await;
    limit(&session, SUBSCRIPTIONS, 3).await;
    session.run(&subscribe(TENANT, 1)).await;
    attempt(&session, &subscribe(TENANT, 2)).await.unwrap_err();
    session.run(&subscribe(TENANT, 1)).await;
    let create =
        format!("select webhooks.create_subscription('{TENANT}', 'x', 'http://x.example/', '[]')");
    let message = format!("tenant {TENANT} has reached its limit of 3 subscriptions");
    for statement in [subscribe(TENANT, 1), create] {
        let refusal = attempt(&session, &statement).await.unwrap_err();
        assert_eq!(refusal.message, message);
        assert!(refusal.hint.contains("max_subscriptions => ..."));
    }
    // An import tells which ones there is no room for, before and after.
    let import = format!(
        "select action, error from webhooks.import_subscriptions('{TENANT}', '[
             {{\"name\": \"test\", \"retry_count\": 5}}, {{\"name\": \"x\", \"webhook_url\": \"http://x.example/\"}}]', $dry)"
    );
    assert_eq!(
        session.lines(&import.replace("$dry", "true")).await,
        ["updated|null".to_owned(), format!("invalid|{message}")]
    );
    let refusal = session.refused(&import.replace("$dry", "false")).await;
    assert_eq!(refusal.code, "22023");
    assert!(refusal.everything.contains(&message), "{refusal:?}");
    assert_eq!(count(&session, "webhook_subscriptions").await, 4);
    session.run(&subscribe(OTHER_TENANT, 10)).await;
    // Fewer than there are: they stay and can be changed, and those that go make room.
    limit(&session, SUBSCRIPTIONS, 2).await;
    session
        .run("update webhooks.webhook_subscriptions set is_active = not is_active, name = name || '.'")
        .await;
    let delete = format!(
        "delete from webhooks.webhook_subscriptions where tenant_id = '{TENANT}' and name <> 'test.'"
    );
    session.run(&delete).await;
    session.run(&subscribe(TENANT, 1)).await;
    attempt(&session, &subscribe(TENANT, 1)).await.unwrap_err();
    limit(&session, SUBSCRIPTIONS, 3).await;
    session.run(&subscribe(TENANT, 1)).await;
}

/// Two who each see room for one more.
#[tokio::test]
async fn two_sessions_can_not_both_take_the_last_place() {
    let (db, session) = database("limit_race").await;
    limit(&session, SUBSCRIPTIONS, 2).await;
    let watcher = Session::open(&db).await;
    for end in ["rollback", "commit"] {
        let [one, two] = [Session::open(&db).await, Session::open(&db).await];
        one.run(&format!("begin; {}", subscribe(TENANT, 1))).await;
        // Nobody else's are waited for.
        session
            .run(&format!(
                "begin; set local lock_timeout = '1ms'; {}; rollback",
                subscribe(OTHER_TENANT, 1)
            ))
            .await;
        let insert = subscribe(TENANT, 1);
        let (second, ()) = tokio::join!(attempt(&two, &insert), async {
            watcher.wait_until_blocked(&two).await;
            one.run(end).await;
        });
        assert_eq!(second.is_ok(), end == "rollback", "{end}: {second:?}");
        assert_eq!(count(&session, "webhook_subscriptions").await, 3);
        session
            .run("delete from webhooks.webhook_subscriptions where name ~ 'more'")
            .await;
    }
}

/// Every role can set the settings by which a restore is detected.
#[tokio::test]
async fn a_role_that_is_no_superuser_can_not_pass_for_a_restore() {
    let (db, session) = database("limit_restore").await;
    limit(&session, SUBSCRIPTIONS, 1).await;
    let manager = Session::open_as(&db, MANAGER_ROLE).await;
    manager
        .run(&format!(
            "select webhooks.set_tenant('{TENANT}', for_session => true); set check_function_bodies = off; set row_security = off"
        ))
        .await;
    let copy = format!("select webhooks.copy_subscriptions('{TENANT}', 'production', 'staging')");
    let refusal = attempt(&manager, &copy).await.unwrap_err();
    assert_eq!(
        refusal.message,
        format!("tenant {TENANT} has reached its limit of 1 subscriptions")
    );
}
