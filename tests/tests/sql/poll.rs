//! Deliveries that receivers fetch: what is handed out, what a cursor acknowledges, and what nobody else may.

use serde_json::json;
use webhooks_tests::database::{Database, MANAGER_ROLE};

use crate::support::claim::Claim;
use crate::support::session::Session;
use crate::support::world::{OTHER_TENANT, TENANT, World, subscription_id};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLjSwMfKQ9r8GKYo=";

async fn world(name: &str) -> (World, String) {
    let world = World::new(name).await;
    let id = subscription_id("3");
    let polled = json!({
        "delivery": "poll", "webhook_url": null, "auth_type": "signature", "auth_config": {"secret": SECRET},
    });
    world.subscribe(&id, polled).await;
    (world, id)
}

/// Deliveries of a poll, as their data's n, and the cursor.
async fn poll(session: &Session, id: &str, cursor: &str, most: u32) -> (String, String) {
    let cursor = match cursor {
        "" => "null".to_owned(),
        cursor => format!("'{cursor}'"),
    };
    let poll = format!(
        "select coalesce(string_agg((body::json)->'data'->>'n', ' ' order by delivery_id), ''), coalesce(min(next_cursor), '')
         from webhooks.poll_deliveries('{id}', {cursor}, {most})"
    );
    let line = session.text(&poll).await;
    let (found, cursor) = line.split_once('|').unwrap();
    (found.to_owned(), cursor.to_owned())
}

async fn publish(session: &Session, n: u32, more: &str) {
    let publish = format!(
        "select webhooks.publish_event('{TENANT}', 'job.created', event_data => '{{\"n\": {n}}}'{more})"
    );
    session.run(&publish).await;
}

async fn count(session: &Session, what: &str) -> String {
    session.text(&format!("select count(*) from {what}")).await
}

#[tokio::test]
async fn a_batch_comes_again_until_its_cursor_is_given_back() {
    let (world, id) = world("poll").await;
    let session = &world.session;
    for n in 1..=3 {
        publish(session, n, "").await;
    }
    let (found, first) = poll(session, &id, "", 2).await;
    assert_eq!(found, "1 2");
    // Whatever is asked for, and by whom: it is the same batch.
    let other = Session::open(&world.db).await;
    assert_eq!(
        poll(&other, &id, "", 100).await,
        ("1 2".to_owned(), first.clone())
    );
    assert_eq!(count(session, "webhooks.delivery_attempts").await, "0");
    let (found, second) = poll(session, &id, &first, 2).await;
    assert_eq!(found, "3");
    // Acknowledged before, by the other poller: that ends nothing else.
    assert_eq!(
        poll(&other, &id, &first, 2).await,
        ("3".to_owned(), second.clone())
    );
    let acknowledge = format!("select webhooks.acknowledge_deliveries('{id}', '{second}')");
    assert_eq!(session.text(&acknowledge).await, "1");
    assert_eq!(session.text(&acknowledge).await, "0");
    assert_eq!(
        poll(session, &id, "", 2).await,
        (String::new(), String::new())
    );
    assert_eq!(count(session, "webhooks.delivery_queue").await, "0");
    assert_eq!(count(session, "webhooks_private.poll_batches").await, "0");
    let log = "select distinct delivery_status, delivery_attempt, http_status_code, payload_size_bytes > 100,
                   length(payload_hash), delivered_at >= attempted_at, error_message from webhooks.webhook_delivery_logs";
    assert_eq!(session.lines(log).await, ["delivered|1|null|t|64|t|null"]);
}

/// Two subscriptions in one shard: the transaction of who polls one is nothing to the other.
#[tokio::test]
async fn an_open_poll_holds_up_no_other_tenant() {
    let (world, ours) = world("poll_open").await;
    let session = &world.session;
    let theirs = subscription_id("13");
    let polled = json!({"tenant_id": OTHER_TENANT, "delivery": "poll", "webhook_url": null});
    world.subscribe(&theirs, polled).await;
    let soon = "deliver_after => clock_timestamp() + interval '50 ms'";
    for tenant in [TENANT, OTHER_TENANT] {
        session
            .run(&format!(
                "select webhooks.publish_event('{tenant}', 'job.created', event_data => '{{\"n\": 1}}', {soon})"
            ))
            .await;
    }
    let due = "select bool_and(next_attempt_at <= clock_timestamp()) from webhooks.delivery_queue";
    world.db.wait_value(due, "true").await.unwrap();
    let open = Session::open(&world.db).await;
    open.run("begin").await;
    assert_eq!(poll(&open, &ours, "", 10).await.0, "1");
    // Neither its rows nor its locks.
    session.run("set lock_timeout = '5s'").await;
    let (found, cursor) = poll(session, &theirs, "", 10).await;
    assert_eq!(found, "1");
    assert_eq!(poll(session, &theirs, &cursor, 10).await.0, "");
    // And who polls the same waits, for the same batch.
    session.run("set lock_timeout = '50ms'").await;
    let refused = session
        .refused(&format!("select * from webhooks.poll_deliveries('{ours}')"))
        .await;
    assert_eq!(refused.code, "55P03");
    open.run("commit").await;
    assert_eq!(poll(session, &ours, "", 10).await.0, "1");
}

#[tokio::test]
async fn what_commits_late_with_a_smaller_id_is_not_lost() {
    let (world, id) = world("poll_late").await;
    let session = &world.session;
    let late = Session::open(&world.db).await;
    late.run("begin").await;
    publish(&late, 1, "").await;
    publish(session, 2, "").await;
    let (found, cursor) = poll(session, &id, "", 10).await;
    assert_eq!(found, "2");
    late.run("commit").await;
    // The batch stays as it was handed out, and its cursor ends what it had.
    assert_eq!(
        poll(session, &id, "", 10).await,
        ("2".to_owned(), cursor.clone())
    );
    let (found, cursor) = poll(session, &id, &cursor, 10).await;
    assert_eq!(found, "1");
    poll(session, &id, &cursor, 10).await;
    assert_eq!(count(session, "webhooks.delivery_attempts").await, "2");
}

#[tokio::test]
async fn a_cursor_acknowledges_nothing_that_was_not_handed_out_with_it() {
    let (world, id) = world("poll_cursors").await;
    let session = &world.session;
    publish(session, 1, "").await;
    let (_, cursor) = poll(session, &id, "", 10).await;
    // What it names is gone, and something else is there.
    session
        .run(&format!("select webhooks.cancel_deliveries('{id}')"))
        .await;
    publish(session, 2, "").await;
    let (found, next) = poll(session, &id, "", 10).await;
    assert_eq!(found, "2");
    assert_ne!(cursor, next);
    assert_eq!(
        poll(session, &id, &cursor, 10).await,
        ("2".to_owned(), next.clone())
    );
    for wrong in ["x", "", "0", &next[1..], next.to_uppercase().as_str()] {
        let refused = session
            .refused(&format!(
                "select * from webhooks.poll_deliveries('{id}', '{wrong}')"
            ))
            .await;
        assert_eq!(refused.code, "22023", "{refused:?}");
        assert!(
            refused.message.starts_with("invalid cursor: "),
            "{refused:?}"
        );
    }
    let other = subscription_id("4");
    world.subscribe(&other, json!({"delivery": "poll"})).await;
    let refused = session
        .refused(&format!(
            "select * from webhooks.poll_deliveries('{other}', '{next}')"
        ))
        .await;
    assert_eq!(
        refused.message,
        format!("the cursor is of another subscription than {other}")
    );
    for wrong in ["0", "1001", "null"] {
        let refused = session
            .refused(&format!(
                "select * from webhooks.poll_deliveries('{id}', null, {wrong})"
            ))
            .await;
        assert_eq!(refused.message, format!("max_deliveries is {wrong}"));
    }
}

#[tokio::test]
async fn two_pollers_at_the_same_time_have_one_batch() {
    let (world, id) = world("poll_two").await;
    let (one, other) = (&world.session, Session::open(&world.db).await);
    publish(one, 1, "").await;
    one.run("begin").await;
    let (found, cursor) = poll(one, &id, "", 10).await;
    assert_eq!(found, "1");
    let second = async {
        let answer = poll(&other, &id, "", 10).await;
        assert_eq!(answer, ("1".to_owned(), cursor.clone()));
    };
    let first = async {
        Session::open(&world.db)
            .await
            .wait_until_blocked(&other)
            .await;
        one.run("commit").await;
    };
    tokio::join!(first, second);
}

#[tokio::test]
async fn nobody_polls_what_belongs_to_others_or_is_pushed() {
    let (world, id) = world("poll_tenants").await;
    publish(&world.session, 1, "").await;
    let manager = Session::open_as(&world.db, MANAGER_ROLE).await;
    manager
        .run(&format!("set webhooks.tenant_id = '{OTHER_TENANT}'"))
        .await;
    let (_, cursor) = poll(&world.session, &id, "", 10).await;
    for call in [
        format!("select * from webhooks.poll_deliveries('{id}')"),
        format!("select webhooks.acknowledge_deliveries('{id}', '{cursor}')"),
    ] {
        let refused = manager.refused(&call).await;
        assert_eq!(refused.message, format!("there is no subscription {id}"));
    }
    manager
        .run(&format!("set webhooks.tenant_id = '{TENANT}'"))
        .await;
    assert_eq!(poll(&manager, &id, &cursor, 10).await.0, "");
    let pushed = subscription_id("4");
    world.subscribe(&pushed, json!({})).await;
    let refused = manager
        .refused(&format!(
            "select * from webhooks.poll_deliveries('{pushed}')"
        ))
        .await;
    assert_eq!(refused.code, "55000");
    assert!(
        refused
            .message
            .ends_with("its deliveries are sent to its webhook_url"),
        "{refused:?}"
    );
    let refused = manager
        .refused(&format!("select webhooks.test_subscription('{id}')"))
        .await;
    assert!(refused.message.contains("is polled"), "{refused:?}");
}

/// Shards of what is outstanding, and how many of it a sidecar would claim.
async fn queued(session: &Session) -> (String, String) {
    let shards =
        "select coalesce(string_agg(distinct shard::text, ' '), '') from webhooks.delivery_queue";
    let claim = format!(
        "select count(distinct c.delivery_id) from {} c",
        Claim::of_all_shards()
    );
    (session.text(shards).await, session.text(&claim).await)
}

#[tokio::test]
async fn sidecars_claim_nothing_of_it_and_deliveries_follow_a_change() {
    let (world, id) = world("poll_change").await;
    let session = &world.session;
    session
        .run(&format!(
            "update webhooks.webhook_subscriptions set ordering = 'fifo' where id = '{id}'"
        ))
        .await;
    publish(session, 1, ", ordering_key => 'a'").await;
    publish(
        session,
        2,
        ", ordering_key => 'a', deliver_after => now() + interval '1 day'",
    )
    .await;
    assert_eq!(queued(session).await, ("-13".to_owned(), "0".to_owned()));
    assert_eq!(
        count(session, "webhooks.delivery_queue where lane is null").await,
        "2"
    );
    let (found, cursor) = poll(session, &id, "", 10).await;
    assert_eq!(found, "1");
    let set = |delivery: &str| {
        format!(
            "select webhooks.update_subscription('{id}', '{{\"delivery\": \"{delivery}\", \"webhook_url\": \"https://x.example/\"}}')"
        )
    };
    session.run(&set("push")).await;
    assert_eq!(queued(session).await, ("3".to_owned(), "1".to_owned()));
    assert_eq!(
        count(
            session,
            "webhooks.delivery_queue where lane = webhooks_private.lane_of('a')"
        )
        .await,
        "2"
    );
    assert_eq!(count(session, "webhooks_private.poll_batches").await, "0");
    // Tried, and to be tried again in an hour: as the sender wanted.
    session
        .run("update webhooks.delivery_queue set attempt = 1, next_attempt_at = now() + interval '1 hour' where next_attempt_at is null")
        .await;
    session.run(&set("poll")).await;
    assert_eq!(queued(session).await, ("-13".to_owned(), "0".to_owned()));
    let (found, next) = poll(session, &id, &cursor, 10).await;
    assert_eq!(found, "1", "what was meant for later is not handed out yet");
    assert_ne!(cursor, next);
    session
        .run("update webhooks.delivery_queue set next_attempt_at = now() - interval '1 s' where next_attempt_at is not null")
        .await;
    assert_eq!(poll(session, &id, &next, 10).await.0, "2");
}

#[tokio::test]
async fn what_was_queued_beside_a_change_is_moved_by_maintenance() {
    let (world, id) = world("poll_stray").await;
    let session = &world.session;
    let publisher = Session::open(&world.db).await;
    let set = |delivery: &str| {
        format!(
            "select webhooks.update_subscription('{id}', '{{\"delivery\": \"{delivery}\", \"webhook_url\": \"https://x.example/\"}}')"
        )
    };
    for (before, after, shard, claimed) in
        [("poll", "push", "3", "1"), ("push", "poll", "-13", "0")]
    {
        session.run(&set(before)).await;
        session.run("delete from webhooks.delivery_queue").await;
        publisher.run("begin").await;
        publish(&publisher, 1, "").await;
        session.run(&set(after)).await;
        publisher.run("commit").await;
        assert_eq!(queued(session).await.1, "0", "{after}");
        let moved = "select done from webhooks.maintain() where task = 'move_deliveries'";
        assert_eq!(session.text(moved).await, "1", "{after}");
        assert_eq!(
            queued(session).await,
            (shard.to_owned(), claimed.to_owned()),
            "{after}"
        );
    }
}

#[tokio::test]
async fn what_cant_be_handed_out_ends_alone_with_its_reason() {
    let (world, id) = world("poll_hostile").await;
    let session = &world.session;
    session
        .run(&format!(
            "update webhooks.webhook_subscriptions set max_payload_size_kb = 1, payload_template = '{{\"data\": {{\"n\": {{{{ data.n }}}}, \"p\": {{{{ data.p | default(\"\") }}}}}}}}'
             where id = '{id}'"
        ))
        .await;
    let events = [
        (1, ""),
        // Too large, not JSON, expired, gone.
        (2, ""),
        (3, ""),
        (4, ", expires_at => now() + interval '1 day'"),
        (5, ""),
        (6, ""),
    ];
    for (n, more) in events {
        publish(session, n, more).await;
    }
    let with = |n: u32, set: &str| {
        format!("update webhooks.event_logs set {set} where event_data->>'n' = '{n}'")
    };
    session
        .run(&with(
            2,
            "event_data = event_data || jsonb_build_object('p', repeat('x', 2000))",
        ))
        .await;
    session
        .run(&with(3, "event_data = event_data - 'n' || '{\"x\": 3}'"))
        .await;
    session
        .run(
            "update webhooks.delivery_queue set expires_at = now() - interval '1 s' where expires_at is not null;
             delete from webhooks.event_logs where event_data->>'n' = '5'",
        )
        .await;
    let (found, cursor) = poll(session, &id, "", 100).await;
    assert_eq!(found, "1 6");
    let ended = "select delivery_status, error_message from webhooks.webhook_delivery_logs
                 where attempted_at is not null order by id";
    let ended = session.lines(ended).await;
    assert_eq!(ended.len(), 4, "{ended:?}");
    for (line, begin) in ended.iter().zip([
        "failed|payload_template: ",
        "failed|payload_template: ",
        "expired|expires_at or max_delivery_age_seconds has passed",
        "failed|the event is no longer there",
    ]) {
        assert!(line.starts_with(begin), "{line}");
    }
    assert_eq!(poll(session, &id, &cursor, 100).await.0, "");
}

#[tokio::test]
async fn an_answer_has_a_bound_of_bytes_and_at_least_one_delivery() {
    let (world, id) = world("poll_bytes").await;
    let session = &world.session;
    session
        .run(&format!("update webhooks.webhook_subscriptions set max_payload_size_kb = 65536 where id = '{id}'"))
        .await;
    for n in 1..=4 {
        let size = if n == 1 { 6_000_000 } else { 1_500_000 };
        session
            .run(&format!(
                "select webhooks.publish_event('{TENANT}', 'job.created', event_data => jsonb_build_object('n', {n}, 'p', repeat('x', {size})))"
            ))
            .await;
    }
    let (found, cursor) = poll(session, &id, "", 100).await;
    assert_eq!(found, "1");
    let (found, cursor) = poll(session, &id, &cursor, 100).await;
    assert_eq!(found, "2 3");
    assert_eq!(poll(session, &id, &cursor, 100).await.0, "4");
}

#[tokio::test]
async fn a_subscription_that_is_held_hands_out_nothing_and_one_that_expires_is_deleted() {
    let (world, id) = world("poll_held").await;
    let session = &world.session;
    publish(session, 1, "").await;
    let update =
        |changes: &str| format!("select webhooks.update_subscription('{id}', '{changes}')");
    session.run(&update(r#"{"is_active": false}"#)).await;
    assert_eq!(poll(session, &id, "", 10).await.0, "");
    session.run(&update(r#"{"is_active": true}"#)).await;
    assert_eq!(poll(session, &id, "", 10).await.0, "1");
    let health = format!("select state, outstanding from webhooks.endpoint_health('{TENANT}')");
    assert_eq!(session.text(&health).await, "healthy|1");
    session
        .run("update webhooks.delivery_queue set id = webhooks.uuid_v7_floor(now() - interval '5 minutes')")
        .await;
    assert_eq!(session.text(&health).await, "waiting|1");
    let status = "select shard, ready, held, oldest_due_at from webhooks.queue_status() where ready + held > 0";
    assert_eq!(session.text(status).await, "3|0|1|null");
    let listed =
        format!("select delivery_status, is_test from webhooks.list_deliveries('{TENANT}')");
    assert_eq!(session.text(&listed).await, "pending|f");
    let overdue = "select count(*) from webhooks_private.overdue_delivery(now(), null)";
    assert_eq!(session.text(overdue).await, "0");
    session
        .run(&update(r#"{"expires_at": "2020-01-01"}"#))
        .await;
    let maintain = "select done from webhooks.maintain() where task = 'forget_subscriptions'";
    assert_eq!(session.text(maintain).await, "1");
    for relation in [
        "webhooks.webhook_subscriptions",
        "webhooks.delivery_queue",
        "webhooks_private.poll_batches",
    ] {
        assert_eq!(count(session, relation).await, "0", "{relation}");
    }
}

#[tokio::test]
async fn a_copy_hands_out_nothing_before_it_is_adopted_and_knows_no_cursor() {
    let (world, id) = world("poll_copy").await;
    publish(&world.session, 1, "").await;
    let (_, cursor) = poll(&world.session, &id, "", 10).await;
    world
        .session
        .run("select webhooks.release_database()")
        .await;
    let refused = world
        .session
        .refused(&format!(
            "select * from webhooks.poll_deliveries('{id}', '{cursor}')"
        ))
        .await;
    assert!(refused.message.contains("adopt"), "{refused:?}");
}

#[tokio::test]
async fn a_subscription_that_is_pushed_needs_a_url() {
    let db = Database::fresh("poll_url").await.unwrap();
    let session = Session::open(&db).await;
    let create = |more: &str| {
        format!("select webhooks.create_subscription('{TENANT}', 'a', null, '[\"*\"]'{more})")
    };
    let refused = session.refused(&create("")).await;
    assert_eq!(refused.message, "invalid webhook_url: null");
    let refused = session.refused(&create(", delivery => 'pull'")).await;
    assert_eq!(refused.message, "invalid delivery: pull");
    session.run(&create(", delivery => 'poll'")).await;
}
