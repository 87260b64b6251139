use webhooks_tests::database::Database;

use crate::support::session::Session;
use crate::support::world::subscribe;

const TENANTS: [&str; 2] = [
    "11111111-1111-4111-8111-111111111111",
    "22222222-2222-4222-8222-222222222222",
];

fn publish(tenant: &str, key: &str) -> String {
    format!("select webhooks.publish_event('{tenant}', 'job.created', idempotency_key => '{key}')")
}

async fn database(name: &str) -> (Database, Session, Session) {
    let db = Database::fresh(name).await.unwrap();
    subscribe(&db, serde_json::json!({"tenant_id": TENANTS[0]})).await;
    let (a, b) = (Session::open(&db).await, Session::open(&db).await);
    (db, a, b)
}

/// Events, deliveries and remembered keys.
async fn counts(session: &Session) -> String {
    let counts = "select (select count(*) from webhooks.event_logs), (select count(*) from webhooks.delivery_queue),
                  (select count(*) from webhooks_private.idempotency_keys)";
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
}

#[tokio::test]
async fn keys_are_a_tenants_own_and_no_key_is_no_key() {
    let (_db, a, _b) = database("tenant_keys").await;
    let first = a.text(&publish(TENANTS[0], "k")).await;
    assert_ne!(a.text(&publish(TENANTS[1], "k")).await, first);
    assert_ne!(a.text(&publish(TENANTS[0], "K")).await, first);
    for _ in 0..2 {
        a.run(&publish(TENANTS[0], "k").replace("'k'", "null"))
            .await;
    }
    assert_eq!(counts(&a).await, "5|4|3");
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
        let kept = "select string_agg(event_id::text, ' ') from webhooks_private.idempotency_keys where idempotency_key";
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
        // The application tries the transaction again.
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
        "update webhooks_private.idempotency_keys
         set created_at = now() - case idempotency_key when 'old' then interval '121 min' else interval '119 min' end",
    )
    .await;
    let forgotten = "select done from webhooks.maintain() where task = 'forget_idempotency_keys'";
    assert_eq!(a.text(forgotten).await, "1");
    assert_eq!(a.text(&publish(TENANTS[0], "young")).await, ids[1]);
    assert_ne!(a.text(&publish(TENANTS[0], "old")).await, ids[0]);

    // A publisher that comes while its key is being forgotten publishes.
    a.run("update webhooks_private.idempotency_keys set created_at = '2000-01-01'")
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

/// As HTTP's Idempotency-Key has it: the same key with another request is an error, which names the first event.
#[tokio::test]
async fn a_key_with_another_event_is_refused() {
    let (_db, a, b) = database("other_event").await;
    let call = |arguments: &str| {
        format!(
            "select webhooks.publish_event('{}', {arguments}, idempotency_key => 'k')",
            TENANTS[0]
        )
    };
    let resource =
        "resource_type => 'document', resource_id => '33333333-3333-4333-8333-333333333333'";
    let same = format!(
        "'document.uploaded', event_data => '{{\"n\": 1.0, \"a\": null}}', environment => 'dev', ordering_key => 'o', {resource}"
    );
    let first = a.text(&call(&same)).await;
    // Tried again in another session and request, by somebody else, with other times, written in another way.
    for again in [
        same.clone(),
        same.replace("1.0, \"a\": null", "1, \"a\": null"),
        same.replace("\"n\": 1.0, \"a\": null", "\"a\": null, \"n\": 1.0"),
        format!(
            "{same}, request_id => 'again', session_id => 'other', user_id => '{}', source_ip => '::1'",
            TENANTS[1]
        ),
        format!(
            "{same}, deliver_after => now() + interval '1 hour', expires_at => now() + interval '2 hours'"
        ),
        format!(
            "{same}, event_category => 'document', event_name => 'document.uploaded', event_version => '1.0'"
        ),
    ] {
        for session in [&a, &b] {
            assert_eq!(session.text(&call(&again)).await, first, "{again}");
        }
    }
    // A version that became the current one since then.
    a.run("select webhooks.register_event_type('document.uploaded', version => '2.0')")
        .await;
    assert_eq!(a.text(&call(&same)).await, first);
    for (part, other) in [
        ("document.uploaded", "document.deleted"),
        ("document.uploaded", "no.such"),
        ("1.0", "2"),
        ("'dev'", "'staging'"),
        ("'dev'", "null"),
        ("'o'", "'p'"),
        ("'o'", "null"),
        ("'document', ", "'page', "),
        ("33333333", "44444444"),
        (resource, "event_name => 'Other'"),
        (resource, "event_version => '2.0'"),
    ] {
        let other = same.replacen(part, other, 1);
        let refusal = a.refused(&call(&other)).await;
        assert_eq!(refusal.code, "23505", "{other}: {refusal:?}");
        assert_eq!(
            refusal.message,
            format!("idempotency_key is that of another event, {first}")
        );
        assert!(refusal.hint.contains("new key"), "{refusal:?}");
        assert!(!refusal.everything.contains("\"n\""), "{refusal:?}");
    }
    assert_eq!(counts(&a).await, "1|0|1");
}

#[tokio::test]
async fn of_two_racing_sessions_with_other_events_one_is_refused() {
    let (_db, a, b) = database("race_other").await;
    let one = publish(TENANTS[0], "k");
    let other = one.replace("job.created", "job.failed");
    for (end, refused) in [("rollback", false), ("commit", true)] {
        a.run("begin").await;
        a.run(&one).await;
        a.run("savepoint s").await;
        b.run("begin").await;
        if refused {
            let (refusal, ()) = tokio::join!(b.refused(&other), async {
                a.wait_until_blocked(&b).await;
                a.run(end).await;
            });
            assert_eq!(refusal.code, "23505", "{refusal:?}");
        } else {
            tokio::join!(b.run(&other), async {
                a.wait_until_blocked(&b).await;
                a.run(end).await;
            });
        }
        b.run("rollback").await;
    }
    assert_eq!(counts(&a).await, "1|1|1");
}

#[tokio::test]
async fn keys_that_are_none_are_refused() {
    let (_db, a, _b) = database("blank").await;
    for key in [
        "''",
        "' '",
        "E' \\t\\n'",
        "E'\\u00a0'",
        "E' \\u3000\\u200b'",
    ] {
        let refusal = a
            .refused(&publish(TENANTS[0], "k").replace("'k'", key))
            .await;
        assert_eq!(refusal.code, "22023", "{key}: {refusal:?}");
        assert_eq!(refusal.message, "idempotency_key is blank");
        assert!(refusal.hint.contains("null for none"), "{refusal:?}");
    }
    // An index entry has at most 2,704 bytes, and random hex can't be compressed.
    let random = "(select string_agg(md5(n::text), '') from generate_series(1, 200) n)";
    for key in ["repeat('ü', 256)", random] {
        let refusal = a
            .refused(&publish(TENANTS[0], "k").replace("'k'", key))
            .await;
        assert_eq!(refusal.code, "22001", "{refusal:?}");
        assert!(
            refusal.message.starts_with("idempotency_key is too long: "),
            "{refusal:?}"
        );
        assert!(refusal.hint.contains("255 characters"), "{refusal:?}");
    }
    let longest = publish(TENANTS[0], "k").replace("'k'", "repeat('🦀', 255)");
    let first = a.text(&longest).await;
    assert_eq!(a.text(&longest).await, first);
    assert_eq!(counts(&a).await, "1|1|1");
}

/// No id of nothing: what has no event any more is a new key.
#[tokio::test]
async fn a_key_whose_event_is_gone_publishes_anew() {
    let (_db, a, b) = database("gone").await;
    a.run("select webhooks.create_partitions(1)").await;
    let publish_k = publish(TENANTS[0], "k");
    let first = a.text(&publish_k).await;
    let partition =
        format!("select tableoid::regclass from webhooks.event_logs where id = '{first}'");
    let partition = a.text(&partition).await;
    a.run(&format!("drop table {partition}")).await;
    let second = a.text(&publish_k).await;
    assert_ne!(second, first);
    assert_eq!(a.text(&publish_k).await, second);
    assert_eq!(
        a.text(&format!(
            "select count(*) from webhooks.event_logs where id = '{second}'"
        ))
        .await,
        "1"
    );
    // Of two at once one publishes.
    a.run("delete from webhooks.event_logs").await;
    a.run("begin").await;
    let third = a.text(&publish_k).await;
    assert_ne!(third, second);
    let (fourth, ()) = tokio::join!(b.text(&publish_k), async {
        a.wait_until_blocked(&b).await;
        a.run("commit").await;
    });
    assert_eq!(fourth, third);
    // Another event may take the key then.
    a.run("delete from webhooks.event_logs").await;
    let other = publish_k.replace("job.created", "job.failed");
    assert_ne!(a.text(&other).await, third);
    assert_eq!(counts(&a).await, "1|4|1");
}
