use webhooks_tests::database::Database;

use crate::session::Session;

const TENANTS: [&str; 2] = [
    "11111111-1111-4111-8111-111111111111",
    "22222222-2222-4222-8222-222222222222",
];

fn publish(tenant: &str, key: &str) -> String {
    format!("select webhooks.publish_event('{tenant}', 'job.created', idempotency_key => '{key}')")
}

async fn database(name: &str) -> (Database, Session, Session) {
    let db = Database::fresh(name).await.unwrap();
    let columns = serde_json::json!({"tenant_id": TENANTS[0], "webhook_url": "http://x.example/"});
    db.subscribe(columns).await.unwrap();
    let (a, b) = (Session::open(&db).await, Session::open(&db).await);
    (db, a, b)
}

/// Events, deliveries and remembered keys.
async fn counts(session: &Session) -> String {
    let counts = "select (select count(*) from webhooks.event_logs), (select count(*) from webhooks.delivery_queue),
                  (select count(*) from webhooks.idempotency_keys)";
    session.text(counts).await
}

#[tokio::test]
async fn the_same_key_again_is_the_same_event() {
    let (_db, a, b) = database("same_key").await;
    let again = publish(TENANTS[0], "k");
    let first = a.text(&again).await;
    assert_eq!(a.text(&again).await, first);
    assert_eq!(b.text(&again).await, first);
    assert_eq!(counts(&a).await, "1|1|1");
    // In one transaction, and after a savepoint took the first call back.
    a.run("begin").await;
    let second = a.text(&publish(TENANTS[0], "k2")).await;
    assert_eq!(a.text(&publish(TENANTS[0], "k2")).await, second);
    a.run("savepoint s").await;
    let taken_back = a.text(&publish(TENANTS[0], "k3")).await;
    a.run("rollback to s").await;
    assert_ne!(a.text(&publish(TENANTS[0], "k3")).await, taken_back);
    a.run("commit").await;
    assert_eq!(counts(&a).await, "3|3|3");
    // The rest of the call does not matter: a retry with another body is still a retry.
    let other = format!(
        "select webhooks.publish_event('{}', 'no.such.type', idempotency_key => 'k')",
        TENANTS[0]
    );
    assert_eq!(a.text(&other).await, first);
}

#[tokio::test]
async fn keys_are_a_tenants_own_and_no_key_is_no_key() {
    let (_db, a, _b) = database("tenant_keys").await;
    let first = a.text(&publish(TENANTS[0], "k")).await;
    assert_ne!(a.text(&publish(TENANTS[1], "k")).await, first);
    assert_ne!(a.text(&publish(TENANTS[0], "K")).await, first);
    assert_ne!(a.text(&publish(TENANTS[0], "")).await, first);
    for _ in 0..2 {
        a.run(&publish(TENANTS[0], "k").replace("'k'", "null"))
            .await;
    }
    assert_eq!(counts(&a).await, "6|5|4");
}

#[tokio::test]
async fn of_two_racing_sessions_one_publishes() {
    let (_db, one, two) = database("race").await;
    for (round, end, swap) in [
        (0, "commit", false),
        (1, "commit", true),
        (2, "rollback", false),
        (3, "rollback", true),
    ] {
        let (a, b) = if swap { (&two, &one) } else { (&one, &two) };
        let publish = publish(TENANTS[0], &format!("k{round}"));
        a.run("begin").await;
        let first = a.text(&publish).await;
        let (second, ()) = tokio::join!(b.text(&publish), async {
            a.wait_until_blocked(b).await;
            a.run(end).await;
        });
        assert_eq!(second == first, end == "commit", "{end}");
        let kept = "select string_agg(event_id::text, ' ') from webhooks.idempotency_keys where idempotency_key";
        assert_eq!(a.text(&format!("{kept} = 'k{round}'")).await, second);
        let n = round + 1;
        assert_eq!(counts(a).await, format!("{n}|{n}|{n}"));
    }
}

#[tokio::test]
async fn a_key_that_the_snapshot_cannot_see_is_a_serialization_failure() {
    let (_db, a, b) = database("repeatable").await;
    for (n, level) in ["repeatable read", "serializable"].iter().enumerate() {
        let known = publish(TENANTS[0], &format!("known{n}"));
        let first = a.text(&known).await;
        let begin = format!("begin isolation level {level}; select 1 from webhooks.event_types");
        b.run(&begin).await;
        assert_eq!(b.text(&known).await, first);
        // Committed after the snapshot.
        let new = publish(TENANTS[0], &format!("new{n}"));
        let new_id = a.text(&new).await;
        assert_eq!(b.refused(&new).await.code, "40001");
        b.run("rollback").await;
        // What the application does then: try the transaction again.
        b.run(&begin).await;
        assert_eq!(b.text(&new).await, new_id);
        b.run("commit").await;

        // Committed while it waits.
        let raced = publish(TENANTS[0], &format!("raced{n}"));
        a.run("begin").await;
        a.run(&raced).await;
        b.run(&begin).await;
        let (refusal, ()) = tokio::join!(b.refused(&raced), async {
            a.wait_until_blocked(&b).await;
            a.run("commit").await;
        });
        assert_eq!(refusal.code, "40001");
        b.run("rollback").await;
        let events = 3 * (n + 1);
        assert_eq!(counts(&a).await, format!("{events}|{events}|{events}"));
    }
}

#[tokio::test]
async fn maintain_forgets_keys_after_their_retention() {
    let (_db, a, b) = database("forget").await;
    a.run("select webhooks.set_setting('idempotency_retention_hours', 2)")
        .await;
    let mut ids = Vec::new();
    for key in ["old", "young"] {
        ids.push(a.text(&publish(TENANTS[0], key)).await);
    }
    a.run(
        "update webhooks.idempotency_keys
         set created_at = now() - case idempotency_key when 'old' then interval '121 min' else interval '119 min' end",
    )
    .await;
    let forgotten = "select done from webhooks.maintain() where task = 'forget_idempotency_keys'";
    assert_eq!(a.text(forgotten).await, "1");
    assert_eq!(a.text(&publish(TENANTS[0], "young")).await, ids[1]);
    assert_ne!(a.text(&publish(TENANTS[0], "old")).await, ids[0]);

    // A publisher that comes while its key is being forgotten publishes.
    a.run("update webhooks.idempotency_keys set created_at = '2000-01-01'")
        .await;
    a.run("begin").await;
    assert_eq!(a.text(forgotten).await, "2");
    let publish = publish(TENANTS[0], "young");
    let (again, ()) = tokio::join!(b.text(&publish), async {
        a.wait_until_blocked(&b).await;
        a.run("commit").await;
    });
    assert_ne!(again, ids[1]);
    assert_eq!(counts(&a).await, "4|4|1");
}
