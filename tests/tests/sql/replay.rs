//! Deliveries made again and cancelled by hand: what is queued, what is not, and what the log says then.

use std::time::Duration;

use serde_json::json;

use crate::support::listener::Listener;
use crate::support::session::Session;
use crate::support::world::{OTHER_TENANT, TENANT, World, publish_many};

const NOBODY: &str = "99999999-9999-7999-8999-999999999999";
/// In the shards 1 and 2.
const A: &str = "00000000-0000-7000-8000-000000000001";
const B: &str = "00000000-0000-7000-8000-000000000002";

impl World {
    /// Ends what is outstanding to a subscription.
    async fn finish(&self, subscription: &str, status: &str) {
        let finish = format!(
            "with d as (delete from webhooks.delivery_queue where subscription_id = '{subscription}' returning *)
             insert into webhooks.delivery_attempts
                 (delivery_id, delivery_attempt, attempted_at, subscription_id, event_log_id, tenant_id, delivery_status, response_body)
             select id, attempt + 1, clock_timestamp(), subscription_id, event_log_id, tenant_id, '{status}', 'what it said' from d"
        );
        self.session.run(&finish).await;
    }

    /// The delivery of an event to a subscription that was made last.
    async fn delivery(&self, event: &str, subscription: &str) -> String {
        let last = format!(
            "select max(id::text) from webhooks.webhook_delivery_logs
             where event_log_id = '{event}' and subscription_id = '{subscription}'"
        );
        self.session.text(&last).await
    }

    async fn log(&self) -> Vec<String> {
        let log = "select to_jsonb(a) from webhooks.delivery_attempts a order by delivery_id, delivery_attempt";
        self.session.lines(log).await
    }

    /// The outstanding deliveries, as subscription and event.
    async fn queued(&self) -> Vec<String> {
        let queued = "select right(subscription_id::text, 1) || ' ' || event_log_id from webhooks.delivery_queue order by id";
        self.session.lines(queued).await
    }
}

#[tokio::test]
async fn a_retry_is_a_delivery_of_its_own() {
    let world = World::new("retry").await;
    world.subscribe(A, json!({"ordering": "fifo"})).await;
    for status in ["failed", "delivered", "expired", "cancelled"] {
        let event = world
            .publish(", ordering_key => 'k', expires_at => 'infinity'")
            .await;
        world.finish(A, status).await;
        let (old, log) = (world.delivery(&event, A).await, world.log().await);
        let mut bell = Listener::on(&world.db, "webhooks_doorbell").await;
        // A sidecar that sleeps.
        world
            .session
            .run("select webhooks_private.arm_doorbell('{1}')")
            .await;
        let retry = format!("select webhooks.retry_delivery('{old}')");
        let publisher = Session::open(&world.db).await;
        let new = publisher.text(&retry).await;
        assert_eq!(bell.heard("webhooks_doorbell").await, ["1"], "{status}");
        world
            .session
            .run("select webhooks_private.disarm_doorbell('{1}')")
            .await;
        assert_ne!(new, old);
        assert_eq!(world.log().await, log, "the log was rewritten");
        // As a publisher would have queued it, and linked.
        let queued = format!(
            "select q.event_log_id = '{event}', q.shard, q.attempt, q.next_attempt_at, q.expires_at, q.lane = webhooks_private.lane_of('k'),
                    q.tenant_id = '{TENANT}', r.repeats = '{old}', r.event_log_id = q.event_log_id, r.subscription_id = q.subscription_id, r.tenant_id = q.tenant_id
             from webhooks.delivery_queue q join webhooks.redeliveries r on r.delivery_id = q.id where q.id = '{new}'"
        );
        assert_eq!(
            world.session.text(&queued).await,
            "t|1|0|null|infinity|t|t|t|t|t|t"
        );
        let audit = "select action, object_type, object_id, tenant_id, after ->> 'delivery_id' from webhooks.audit_log order by id desc limit 1";
        assert_eq!(
            world.session.text(audit).await,
            format!("retried|delivery|{old}|{TENANT}|{new}")
        );
        // It is under way now; the old one can't be made a third time beside it.
        let refusal = world.session.refused(&retry).await;
        assert_eq!(refusal.code, "55000");
        assert_eq!(
            refusal.message,
            format!(
                "the event of delivery {old} is outstanding to its subscription already, as delivery {new}"
            )
        );
        world.finish(A, "failed").await;
    }
}

#[tokio::test]
async fn a_retry_that_waits_is_made_at_once() {
    let world = World::new("hasten").await;
    world.subscribe(A, json!({})).await;
    let event = world.publish("").await;
    let delivery = world.delivery(&event, A).await;
    let retry = format!("select webhooks.retry_delivery('{delivery}')");
    // Ready, or meant for later: its turn comes by itself.
    for set in [
        "next_attempt_at = null",
        "next_attempt_at = now() + interval '1 h'",
        "attempt = 1, next_attempt_at = null",
        "attempt = 1, next_attempt_at = now() - interval '1 s'",
    ] {
        world
            .session
            .run(&format!("update webhooks.delivery_queue set {set}"))
            .await;
        let refusal = world.session.refused(&retry).await;
        assert_eq!(refusal.code, "55000", "{set}");
        assert_eq!(
            refusal.message,
            format!("delivery {delivery} is outstanding")
        );
        assert!(!refusal.hint.is_empty());
    }
    world
        .session
        .run("update webhooks.delivery_queue set attempt = 3, next_attempt_at = now() + interval '1 h'")
        .await;
    assert_eq!(world.session.text(&retry).await, delivery);
    let state = "select attempt, next_attempt_at, (select count(*) from webhooks.redeliveries) from webhooks.delivery_queue";
    assert_eq!(world.session.text(state).await, "3|null|0");
    let audit = "select action, object_id from webhooks.audit_log order by id desc limit 1";
    assert_eq!(
        world.session.text(audit).await,
        format!("retried|{delivery}")
    );
}

#[tokio::test]
async fn retries_that_can_not_be_made_are_refused() {
    let world = World::new("no_retry").await;
    let refused = async |delivery: &str, code: &str, message: &str| {
        let retry = format!("select webhooks.retry_delivery({delivery})");
        let refusal = world.session.refused(&retry).await;
        assert_eq!(refusal.code, code, "{refusal:?}");
        assert_eq!(refusal.message, message);
        assert!(!refusal.hint.is_empty());
    };
    for id in ["null", &format!("'{NOBODY}'")] {
        let named = id.trim_matches('\'');
        refused(id, "42704", &format!("there is no delivery {named}")).await;
    }
    world.subscribe(A, json!({})).await;
    world.subscribe(B, json!({})).await;
    let event = world
        .publish(", deliver_after => '2000-01-01', expires_at => '2001-01-01'")
        .await;
    world.finish(A, "expired").await;
    world.finish(B, "expired").await;
    let delivery = world.delivery(&event, A).await;
    let gone = format!("event {event} of delivery {delivery} has expired or is no longer kept");
    refused(&format!("'{delivery}'"), "55000", &gone).await;
    world
        .session
        .run(&format!(
            "delete from webhooks.event_logs where id = '{event}'"
        ))
        .await;
    refused(&format!("'{delivery}'"), "55000", &gone).await;
    world
        .session
        .run(&format!("select webhooks.delete_subscription('{A}')"))
        .await;
    let unknown = format!("there is no subscription {A}");
    refused(&format!("'{delivery}'"), "42704", &unknown).await;
    assert!(world.queued().await.is_empty());
}

#[tokio::test]
async fn a_failed_delivery_is_made_again_once() {
    let world = World::new("retry_failed").await;
    world.subscribe(A, json!({"ordering": "fifo"})).await;
    world.subscribe(B, json!({})).await;
    let session = &world.session;
    let mut events = Vec::new();
    for status in [
        "failed",
        "delivered",
        "expired",
        "failed",
        "cancelled",
        "failed",
    ] {
        events.push(world.publish("").await);
        world.finish(A, status).await;
    }
    // Still outstanding; expired by its publisher's word; of events that are gone.
    world.publish("").await;
    let expired = world.publish(", expires_at => '2001-01-01'").await;
    let delivery = world.delivery(&expired, A).await;
    session
        .run(&format!(
            "insert into webhooks.delivery_attempts (delivery_id, delivery_attempt, attempted_at, subscription_id, event_log_id, tenant_id, delivery_status)
             values ('{delivery}', 1, now(), '{A}', '{expired}', '{TENANT}', 'expired'), (webhooks.uuid_v7(), 1, now(), '{A}', '{NOBODY}', '{TENANT}', 'failed');
             delete from webhooks.delivery_queue where id = '{delivery}' or subscription_id = '{B}'"
        ))
        .await;
    let retry = |more: &str| format!("select webhooks.retry_failed('{A}'{more})");
    let log = world.log().await;
    assert_eq!(session.text(&retry(", dry_run => true")).await, "4");
    assert_eq!(
        session
            .text(&retry(", until => now() - interval '1 h'"))
            .await,
        "0"
    );
    assert_eq!(
        session.text(&retry(", since => clock_timestamp()")).await,
        "0"
    );
    assert_eq!(world.queued().await.len(), 1);
    let refusal = session.refused(&retry(", max_deliveries => 0")).await;
    assert_eq!(
        (refusal.code.as_str(), refusal.message.as_str()),
        ("22023", "max_deliveries is 0")
    );
    // A few at a time, oldest first; and none twice.
    assert_eq!(session.text(&retry(", max_deliveries => 3")).await, "3");
    assert_eq!(session.text(&retry(", max_deliveries => 3")).await, "1");
    assert_eq!(session.text(&retry(", max_deliveries => 3")).await, "0");
    let redelivered = "select r.event_log_id from webhooks.delivery_queue join webhooks.redeliveries r on r.delivery_id = id order by id";
    let again = [0, 2, 3, 5].map(|n: usize| events[n].clone());
    assert_eq!(session.lines(redelivered).await, again);
    let links = "select count(*) from webhooks.redeliveries r join webhooks.delivery_attempts a on a.delivery_id = r.repeats
                 where a.event_log_id = r.event_log_id and a.subscription_id = r.subscription_id and r.delivery_id > r.repeats";
    assert_eq!(session.text(links).await, "4");
    assert_eq!(world.log().await, log);
    let audit = "select action || ' ' || object_id || ' ' || (after ->> 'deliveries') from webhooks.audit_log where action = 'retried' order by id";
    assert_eq!(
        session.lines(audit).await,
        [format!("retried {A} 3"), format!("retried {A} 1")]
    );

    // Failed again: the new ones are made again, not the old.
    world.finish(A, "failed").await;
    session
        .run(
            "update webhooks.delivery_attempts set delivery_status = 'delivered' where delivery_id = (
                 select max(delivery_id::text)::uuid from webhooks.redeliveries)",
        )
        .await;
    // The one that was outstanding failed as well.
    assert_eq!(session.text(&retry(", dry_run => true")).await, "4");
    assert_eq!(session.text(&retry("")).await, "4");
    let repeats = "select count(distinct repeats) from webhooks.redeliveries";
    assert_eq!(session.text(repeats).await, "8");
    // A replay since counts as well.
    world.finish(A, "failed").await;
    session
        .run(&format!(
            "select webhooks.replay_events('{TENANT}', '-infinity', 'infinity', subscription_id => '{A}')"
        ))
        .await;
    assert_eq!(session.text(&retry(", dry_run => true")).await, "0");

    let refusal = session
        .refused(&format!("select webhooks.retry_failed('{NOBODY}')"))
        .await;
    assert_eq!(
        refusal.message,
        format!("there is no subscription {NOBODY}")
    );
}

#[tokio::test]
async fn a_replay_is_to_whoever_matches_now_and_not_twice() {
    let world = World::new("replay").await;
    let session = &world.session;
    world
        .subscribe(A, json!({"subscribed_events": ["job.*"]}))
        .await;
    let first = world.publish(", environment => 'production'").await;
    let second = world.publish(", environment => 'dev'").await;
    let login = format!("select webhooks.publish_event('{TENANT}', 'user.login')");
    let login = session.text(&login).await;
    let expired = world.publish(", expires_at => '2001-01-01'").await;
    session
        .run(&format!(
            "delete from webhooks.delivery_queue where event_log_id = '{expired}';
                       select webhooks.publish_event('{OTHER_TENANT}', 'job.created')"
        ))
        .await;
    // Made since.
    world.subscribe(B, json!({})).await;
    let replay = |more: &str| {
        format!(
            "select events, deliveries, outstanding, resume_after from webhooks.replay_events('{TENANT}', '-infinity', 'infinity'{more})"
        )
    };
    let counts = session.text(&replay(", dry_run => true")).await;
    assert_eq!(counts, "3|2|1|null");
    assert_eq!(world.queued().await, [format!("1 {first}")]);
    assert_eq!(session.text(&replay("")).await, "3|2|1|null");
    let all = [
        format!("1 {first}"),
        format!("2 {first}"),
        format!("2 {login}"),
    ];
    assert_eq!(world.queued().await, all);
    assert_eq!(session.text(&replay("")).await, "3|0|3|null");
    assert_eq!(world.queued().await, all);
    let links = "select count(*), count(repeats) from webhooks.redeliveries";
    assert_eq!(session.text(links).await, "2|0");

    // Done: they may get it once more; one of them, or some types.
    for (more, counts, queued) in [
        (
            format!(", subscription_id => '{A}'"),
            "3|1|0|null",
            vec![&all[0]],
        ),
        (", '{user.login}'".to_owned(), "1|1|0|null", vec![&all[2]]),
        (
            ", '{job.*,user.logout}'".to_owned(),
            "2|2|0|null",
            vec![&all[0], &all[1]],
        ),
        (", '{*}'".to_owned(), "3|3|0|null", all.iter().collect()),
    ] {
        world.finish(A, "delivered").await;
        world.finish(B, "delivered").await;
        assert_eq!(session.text(&replay(&more)).await, counts, "{more}");
        assert_eq!(
            world.queued().await,
            queued.into_iter().cloned().collect::<Vec<_>>(),
            "{more}"
        );
    }
    // By the time at which they were published.
    world.finish(A, "delivered").await;
    world.finish(B, "delivered").await;
    session
        .run(&format!(
            "update webhooks.event_logs set created_at = '2020-01-01 00:00Z' where id = '{first}';
             update webhooks.event_logs set created_at = '2020-01-02 00:00Z' where id = '{second}'"
        ))
        .await;
    for (since, until, events) in [
        ("2020-01-01 00:00Z", "2020-01-02 00:00Z", "1"),
        ("2020-01-01 00:00:01Z", "2020-01-02 00:00:01Z", "1"),
        ("2020-01-01 00:00Z", "2020-01-02 00:00:01Z", "2"),
        ("2020-01-02 00:00:01Z", "2020-01-03 00:00Z", "0"),
    ] {
        let replay = format!(
            "select events from webhooks.replay_events('{TENANT}', '{since}', '{until}', dry_run => true)"
        );
        assert_eq!(session.text(&replay).await, events, "{since} {until}");
    }
    let audit = "select object_type, object_id, after ->> 'deliveries', after ->> 'event_types' from webhooks.audit_log where action = 'replayed' order by id";
    let audit = session.lines(audit).await;
    assert_eq!(audit.len(), 5);
    assert_eq!(audit[0], format!("tenant|{TENANT}|2|null"));
    assert_eq!(audit[1], format!("subscription|{A}|1|null"));
    assert_eq!(audit[2], format!("tenant|{TENANT}|1|[\"user.login\"]"));
}

/// Ordered deliveries come again in the order of publication, however the batches fall.
#[tokio::test]
async fn batches_resume_where_they_left_off() {
    let world = World::new("batches").await;
    let session = &world.session;
    world.subscribe(A, json!({"ordering": "fifo"})).await;
    world
        .subscribe(B, json!({"subscribed_events": ["job.failed"]}))
        .await;
    // Published by transactions that overlap; what began first published last.
    let early = Session::open(&world.db).await;
    early.run("begin; select now()").await;
    let publish = format!("select webhooks.publish_event('{TENANT}', 'job.created')");
    let mut events = vec![session.text(&publish).await];
    events.push(early.text(&publish).await);
    early.run("commit").await;
    // Without a UUIDv7, as some applications make ids.
    for id in [
        "eeeeeeee-0000-4000-8000-000000000001",
        "00000000-0000-4000-8000-000000000001",
    ] {
        session
            .run(&format!(
                "insert into webhooks.event_logs (id, tenant_id, event_type, event_category, event_name, event_data)
                 values ('{id}', '{TENANT}', 'job.created', 'job', 'x', '{{}}')"
            ))
            .await;
        events.push(id.to_owned());
    }
    // With one that was made long before.
    let old = "0197a000-0000-7000-8000-0000000000a1";
    session
        .run(&format!(
            "insert into webhooks.event_logs (id, tenant_id, event_type, event_category, event_name, event_data)
             values ('{old}', '{TENANT}', 'job.created', 'job', 'x', '{{}}')"
        ))
        .await;
    events.push(old.to_owned());
    // Of times that applications make up, the millisecond counts: there is another one now.
    session
        .run("do $$ begin while clock_timestamp() < now() + interval '2 ms' loop end loop; end $$")
        .await;
    events.push(session.text(&publish).await);
    session.run("delete from webhooks.delivery_queue").await;

    for batch in [1, 2, 4, 5, 6, 7] {
        let mut after = "null".to_owned();
        let mut calls = 0;
        loop {
            let replay = format!(
                "select events, resume_after from webhooks.replay_events('{TENANT}', '-infinity', 'infinity', max_events => {batch}, after => {after})"
            );
            let found = session.text(&replay).await;
            calls += 1;
            let (seen, resume_after) = found.split_once('|').unwrap();
            assert!(seen.parse::<usize>().unwrap() <= batch);
            if resume_after == "null" {
                break;
            }
            after = format!("'{resume_after}'");
        }
        assert_eq!(calls, events.len() / batch + 1, "{batch}");
        let expected: Vec<_> = events.iter().map(|event| format!("1 {event}")).collect();
        assert_eq!(world.queued().await, expected, "{batch}");
        let lanes = "select count(distinct lane), count(lane) from webhooks.delivery_queue";
        assert_eq!(session.text(lanes).await, "1|6");
        session.run("delete from webhooks.delivery_queue").await;
    }
}

#[tokio::test]
async fn replays_that_can_not_be_made_are_refused() {
    let world = World::new("no_replay").await;
    world.subscribe(A, json!({})).await;
    world.subscribe(B, json!({"tenant_id": OTHER_TENANT})).await;
    let event = world.publish("").await;
    let off =
        format!("update webhooks.webhook_subscriptions set is_active = false where id = '{A}'");
    world.session.run(&off).await;
    for (arguments, code, message) in [
        ("null, now()", "22004", "since or until is null"),
        ("now(), null", "22004", "since or until is null"),
        (
            "now(), now(), '{no.such}'",
            "22023",
            "event_types names \"no.such\", which is no event type",
        ),
        (
            "now(), now(), '{job}'",
            "22023",
            "event_types names \"job\", which is no event type",
        ),
        (
            "now(), now(), array[null]",
            "22023",
            "event_types names null, which is no event type",
        ),
        ("now(), now(), max_events => 0", "22023", "max_events is 0"),
        (
            &format!("now(), now(), subscription_id => '{NOBODY}'"),
            "42704",
            &format!("there is no subscription {NOBODY}"),
        ),
        (
            &format!("now(), now(), subscription_id => '{B}'"),
            "22023",
            &format!("subscription {B} is another tenant's than {TENANT}"),
        ),
        (
            &format!("now(), now(), subscription_id => '{A}'"),
            "55000",
            &format!("subscription {A} is not active and enabled, so it matches nothing"),
        ),
        (
            &format!("now(), now(), after => '{NOBODY}'"),
            "42704",
            &format!("there is no event {NOBODY} to go on after"),
        ),
    ] {
        let replay = format!("select webhooks.replay_events('{TENANT}', {arguments})");
        let refusal = world.session.refused(&replay).await;
        assert_eq!(refusal.code, code, "{arguments}: {refusal:?}");
        assert_eq!(refusal.message, message, "{arguments}");
        assert!(!refusal.hint.is_empty(), "{arguments}");
    }
    let others = format!(
        "select webhooks.replay_events('{OTHER_TENANT}', now(), now(), after => '{event}')"
    );
    assert_eq!(world.session.refused(&others).await.code, "42704");
}

/// Two who do the same at the same time do it once; publishers go on beside them.
#[tokio::test]
async fn replays_wait_for_each_other_and_nobody_for_them() {
    let world = World::new("replay_race").await;
    world.subscribe(A, json!({})).await;
    let event = world.publish("").await;
    world.finish(A, "failed").await;
    let delivery = world.delivery(&event, A).await;
    let replay = format!(
        "select deliveries from webhooks.replay_events('{TENANT}', '-infinity', 'infinity')"
    );
    let failed = format!("select webhooks.retry_failed('{A}')");
    let retry = format!("select webhooks.retry_delivery('{delivery}')");
    for (first, second) in [
        (&replay, &replay),
        (&failed, &failed),
        (&replay, &failed),
        (&retry, &replay),
    ] {
        world
            .session
            .run("delete from webhooks.delivery_queue; delete from webhooks.redeliveries")
            .await;
        let late = Session::open(&world.db).await;
        world.session.run(&format!("begin; {first}")).await;
        let publisher = Session::open(&world.db).await;
        let publish = format!(
            "set lock_timeout = '1s'; select webhooks.publish_event('{OTHER_TENANT}', 'job.created'), webhooks.publish_event('{TENANT}', 'user.login')"
        );
        publisher.run(&format!("begin; {publish}; rollback")).await;
        let (found, ()) = tokio::join!(late.text(second), async {
            world.session.wait_until_blocked(&late).await;
            world.session.run("commit").await;
        });
        assert_eq!(found, "0", "{first}, {second}");
        assert_eq!(world.queued().await, [format!("1 {event}")]);
    }
}

#[tokio::test]
async fn cancelled_deliveries_are_in_the_log() {
    let world = World::new("cancel").await;
    let session = &world.session;
    for (id, ordering) in [(A, "none"), (B, "fifo")] {
        world.subscribe(id, json!({"ordering": ordering})).await;
    }
    let mut events = Vec::new();
    for more in ["", ", deliver_after => '2100-01-01'", "", ""] {
        events.push(world.publish(more).await);
    }
    // One was tried already; the result of another is just being written.
    session
        .run(&format!(
            "insert into webhooks.delivery_attempts (delivery_id, delivery_attempt, attempted_at, subscription_id, event_log_id, tenant_id, delivery_status)
             select id, 1, now(), subscription_id, event_log_id, tenant_id, 'retrying' from webhooks.delivery_queue where event_log_id = '{}';
             update webhooks.delivery_queue set attempt = 1, next_attempt_at = now() + interval '1 h' where event_log_id = '{0}'",
            events[2]
        ))
        .await;
    let sidecar = Session::open(&world.db).await;
    sidecar
        .run(&format!(
            "begin; update webhooks.delivery_queue set attempt = 1 where event_log_id = '{}'",
            events[3]
        ))
        .await;
    let mut ear = Listener::on(&world.db, "webhooks_changed").await;
    let cancel = |id: &str| format!("select webhooks.cancel_deliveries('{id}')");
    for (id, log) in [(A, 5), (B, 8)] {
        assert_eq!(session.text(&cancel(id)).await, "3");
        assert_eq!(ear.heard("webhooks_changed").await, [id]);
        // Nothing more that it could have. Sidecars are told again, which is harmless.
        assert_eq!(session.text(&cancel(id)).await, "0");
        assert_eq!(ear.heard("webhooks_changed").await, [id]);
        assert_eq!(world.log().await.len(), log);
    }
    sidecar.run("commit").await;
    assert_eq!(
        world.queued().await,
        [format!("1 {}", events[3]), format!("2 {}", events[3])]
    );
    assert_eq!(session.text(&cancel(A)).await, "1");
    let log = format!(
        "select delivery_attempt, delivery_status, error_message, http_status_code from webhooks.webhook_delivery_logs
         where subscription_id = '{A}' order by id"
    );
    assert_eq!(
        session.lines(&log).await,
        [
            "1|cancelled|cancelled|null",
            "1|cancelled|cancelled|null",
            "2|cancelled|cancelled|null",
            "2|cancelled|cancelled|null"
        ]
    );
    let audit = "select action || ' ' || object_id || ' ' || (after ->> 'deliveries') from webhooks.audit_log where action = 'cancelled' order by id";
    assert_eq!(
        session.lines(audit).await,
        [
            format!("cancelled {A} 3"),
            format!("cancelled {B} 3"),
            format!("cancelled {A} 1")
        ]
    );
    let refusal = session.refused(&cancel(NOBODY)).await;
    assert_eq!(
        refusal.message,
        format!("there is no subscription {NOBODY}")
    );
    // Nobody wanted these: a retry of what failed leaves them.
    let failed = format!("select webhooks.retry_failed('{A}', dry_run => true)");
    assert_eq!(session.text(&failed).await, "0");
}

/// With a long queue and a long log, and without statistics of either, no call compares each with each.
#[tokio::test]
async fn long_queues_and_logs_are_read_once() {
    let world = World::new("replay_plans").await;
    let session = &world.session;
    world.subscribe(A, json!({})).await;
    world.subscribe(B, json!({})).await;
    let events = 30_000;
    publish_many(&world.db, "job.created", events).await;
    world.finish(B, "failed").await;
    // Each with each would be 10⁹ comparisons, a minute or more.
    session
        .run(&format!(
            "set statement_timeout = '{} s'",
            Duration::from_secs(20).as_secs()
        ))
        .await;
    let replay = |more: &str| {
        format!(
            "select events, deliveries, outstanding from webhooks.replay_events('{TENANT}', '-infinity', 'infinity'{more})"
        )
    };
    assert_eq!(
        session.text(&replay(", dry_run => true")).await,
        format!("{events}|{events}|{events}")
    );
    let failed = |more: &str| format!("select webhooks.retry_failed('{B}'{more})");
    assert_eq!(session.text(&failed(", max_deliveries => 10")).await, "10");
    assert_eq!(
        session.text(&failed(", dry_run => true")).await,
        (events - 10).to_string()
    );
    assert_eq!(
        session.text(&replay(", max_events => 50000")).await,
        format!("{events}|{}|{}", events - 10, events + 10)
    );
    let unmatched =
        format!("select count(*) from webhooks.unmatched_events('{TENANT}', '-infinity')");
    assert_eq!(session.text(&unmatched).await, "0");
    let history = format!(
        "select count(distinct event_log_id), count(*) filter (where what = 'outstanding') from webhooks.event_history('{TENANT}')"
    );
    assert_eq!(session.text(&history).await, "20|40");
    let cancel = format!("select webhooks.cancel_deliveries('{A}')");
    assert_eq!(session.text(&cancel).await, events.to_string());
}

#[tokio::test]
async fn a_set_of_events_is_replayed_and_only_the_queues_that_match_are_read() {
    let world = World::new("replay_sets").await;
    let session = &world.session;
    world
        .subscribe(A, json!({"subscribed_events": ["job.created"]}))
        .await;
    // 5000 are outstanding to A.
    publish_many(&world.db, "job.created", 5000).await;
    let publish = format!("select webhooks.publish_event('{TENANT}', 'document.processed')");
    let events = [session.text(&publish).await, session.text(&publish).await];
    world
        .subscribe(B, json!({"subscribed_events": ["document.processed"]}))
        .await;
    session.run("analyze webhooks.delivery_queue").await;
    let set = |more: &str| {
        format!(
            "select events, deliveries, outstanding from webhooks.replay_event_set('{TENANT}', '{{{},{NOBODY}}}'{more})",
            events.join(",")
        )
    };
    assert_eq!(session.text(&set(", dry_run => true")).await, "2|2|0");
    session.run("begin").await;
    assert_eq!(session.text(&set("")).await, "2|2|0");
    let one = format!(
        "select deliveries, outstanding from webhooks.replay_event('{TENANT}', '{}')",
        events[0]
    );
    assert_eq!(session.text(&one).await, "0|1");
    let read = "select seq_tup_read + idx_tup_fetch from pg_stat_xact_all_tables where relid = 'webhooks.delivery_queue'::regclass";
    let read: u64 = session.text(read).await.parse().unwrap();
    assert!(read < 100, "{read} rows");
    session.run("commit").await;
    assert_eq!(session.text(&set("")).await, "2|0|2");
    let empty = format!(
        "select events, deliveries, outstanding from webhooks.replay_event_set('{TENANT}', '{{}}')"
    );
    assert_eq!(session.text(&empty).await, "0|0|0");
    let audited = "select count(*), min(after ->> 'deliveries') from webhooks.audit_log where action = 'replayed' and object_type = 'event'";
    assert_eq!(session.text(audited).await, "2|1");
}
