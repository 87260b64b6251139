//! What reports say of a few deliveries that are known.

use serde_json::json;

use crate::support::record::Record;
use crate::support::session::Session;
use crate::support::world::{OTHER_TENANT, TENANT, World, subscription_id};

const ROLL_UP: &str = "select webhooks_private.roll_up('0 s')";

/// Ready deliveries of a subscription, but tests.
fn ready(subscription: &str) -> String {
    format!(
        "select * from webhooks.delivery_queue where subscription_id = '{subscription}' and next_attempt_at is null and shard < 16"
    )
}

/// Attempts that delivered after so many microseconds.
fn delivered(subscription: &str, us: &str) -> String {
    Record::of(ready(subscription), "delivered")
        .with("http_status_code", 200)
        .with("duration_us", us)
        .to_string()
}

fn failed(subscription: &str, status: &str) -> String {
    Record::of(ready(subscription), status)
        .with("http_status_code", 500)
        .with("error_message", "'HTTP status 500'::text")
        .with("retry_after_ms", "3600000::bigint")
        .to_string()
}

/// The same before and after it is rolled up.
async fn assert_says(session: &Session, report: &str, expected: &[&str]) {
    assert_eq!(session.lines(report).await, expected, "{report}");
    session.run(ROLL_UP).await;
    assert_eq!(session.lines(report).await, expected, "rolled up: {report}");
}

#[tokio::test]
async fn volume_by_type_and_bucket() {
    let world = World::new("volume").await;
    let session = &world.session;
    let insert = |at: &str, name: &str, id: &str, n: u32| {
        format!(
            "insert into webhooks.event_logs (id, tenant_id, event_type, event_category, event_name, event_data, created_at)
             select {id}, '{TENANT}', '{name}', split_part('{name}', '.', 1), 'x', '{{}}', {at} from generate_series(1, {n})"
        )
    };
    // A Thursday and a Monday, in UTC; ids that are of no day count as well: of the past, between the last day that has
    // a partition and 2050, and later.
    let (thursday, monday) = (
        "date_trunc('week', now(), 'UTC') - interval '4 days'",
        "date_trunc('week', now(), 'UTC')",
    );
    for (at, name, id, n) in [
        (thursday, "job.created", "webhooks.uuid_v7()", 3),
        (
            thursday,
            "document.uploaded",
            "'00000000-0000-4000-8000-000000000001'",
            1,
        ),
        (
            thursday,
            "document.uploaded",
            "'02000000-0000-4000-8000-000000000002'",
            1,
        ),
        (
            thursday,
            "document.uploaded",
            "'0f000000-0000-4000-8000-000000000003'",
            1,
        ),
        (thursday, "document.uploaded", "gen_random_uuid()", 1),
        (monday, "job.created", "webhooks.uuid_v7()", 2),
    ] {
        session.run(&insert(at, name, id, n)).await;
    }
    session
        .run(&format!(
            "select webhooks.publish_event('{OTHER_TENANT}', 'job.created')"
        ))
        .await;
    let volume = |bucket: &str| {
        format!(
            "select extract(isodow from bucket_start at time zone 'UTC'), event_type, event_category, events
             from webhooks.event_volume('{TENANT}', '{bucket}', now() - interval '14 days')"
        )
    };
    let week = volume("7 days");
    let weeks = [
        "1|document.uploaded|document|4",
        "1|job.created|job|3",
        "1|job.created|job|2",
    ];
    assert_says(session, &week, &weeks).await;
    let days = [
        "4|document.uploaded|document|4",
        "4|job.created|job|3",
        "1|job.created|job|2",
    ];
    assert_says(session, &volume("1 day"), &days).await;
}

#[tokio::test]
async fn attempts_by_outcome_of_all_subscriptions_and_of_some() {
    let world = World::new("attempts").await;
    let session = &world.session;
    let [first, second] = ["b0", "b1"].map(subscription_id);
    for subscription in [&first, &second] {
        world
            .subscribe(subscription, json!({"retry_count": 1}))
            .await;
    }
    let publish = format!(
        "select count(webhooks.publish_event('{TENANT}', 'job.created')) from generate_series(1, 3)"
    );
    session.run(&publish).await;
    session.run(&delivered(&first, "1000")).await;
    session.run(&failed(&second, "retrying")).await;
    session
        .run("update webhooks.delivery_queue set next_attempt_at = null")
        .await;
    session.run(&failed(&second, "failed")).await;
    let volume = |arguments: &str| {
        format!(
            "select coalesce(right(subscription_id::text, 2), 'all'), sum(delivered), sum(retrying), sum(failed)
             from webhooks.delivery_volume('{TENANT}'{arguments}) group by 1 order by 1"
        )
    };
    assert_says(session, &volume(""), &["all|3|3|3"]).await;
    let some = format!(", subscription_ids => '{{{second}}}'");
    assert_says(session, &volume(&some), &["b1|0|3|3"]).await;
    let both = format!(", subscription_ids => '{{{first}, {second}}}'");
    assert_says(session, &volume(&both), &["b0|3|0|0", "b1|0|3|3"]).await;
    assert_says(session, &volume(", subscription_ids => '{}'"), &[]).await;
}

#[tokio::test]
async fn percentiles_are_those_of_the_log_within_a_bucket() {
    let world = World::new("percentiles").await;
    let session = &world.session;
    let subscription = subscription_id("a0");
    world.subscribe(&subscription, json!({})).await;
    session
        .run(&format!(
            "select count(webhooks.publish_event('{TENANT}', 'job.created')) from generate_series(1, 400)"
        ))
        .await;
    session
        .run(&delivered(
            &subscription,
            "(1000 * exp(random() * 8))::bigint",
        ))
        .await;
    // What was put off on purpose is not late.
    session
        .run(&format!(
            "select webhooks.publish_event('{TENANT}', 'job.created', deliver_after => now() + interval '1 hour');
             update webhooks.delivery_queue set next_attempt_at = null"
        ))
        .await;
    let put_off = Record::of(ready(&subscription), "delivered")
        .with("duration_us", "1000::bigint")
        .with(
            "attempted_at_us",
            "((extract(epoch from clock_timestamp()) + 3600) * 1000000)::bigint",
        );
    session.run(&put_off.to_string()).await;
    let compare = format!(
        "with found as (select * from webhooks.delivery_latency('{TENANT}', now() - interval '1 day', '366 days')),
              logged as (
                  select percentile_disc(array[0.5, 0.95, 0.99]) within group (order by response_us) as response,
                         percentile_disc(array[0.5, 0.95, 0.99]) within group (order by case when receipt_us < 3600000000 then receipt_us else 0 end) as receipt
                  from webhooks_private.attempt_measures)
         select f.deliveries, p.ms between 0.83 * p.us / 1000 and 1.2 * p.us / 1000
         from (select sum(deliveries) as deliveries, max(response_p50_ms) as a, max(response_p95_ms) as b, max(response_p99_ms) as c,
                      max(receipt_p50_ms) as d, max(receipt_p95_ms) as e, max(receipt_p99_ms) as f from found) f, logged l,
              unnest(array[a, b, c, d, e, f], l.response || l.receipt) p (ms, us)"
    );
    assert_says(session, &compare, &["401|t"; 6]).await;
}

#[tokio::test]
async fn health_of_endpoints() {
    let world = World::new("endpoint_health").await;
    let session = &world.session;
    let (works, fails, broken, off) = (
        subscription_id("a0"),
        subscription_id("b1"),
        subscription_id("c2"),
        subscription_id("d3"),
    );
    for (id, name) in [
        (&works, "works"),
        (&fails, "fails"),
        (&broken, "broken"),
        (&off, "off"),
    ] {
        world.subscribe(id, json!({"name": name})).await;
    }
    let health = format!(
        "select name, state, attempts_1h, success_rate_1h, attempts_7d, success_rate_7d, average_response_seconds_7d, failures_in_a_row,
                last_success_at is not null, last_failure_at is not null, next_retry_at > now() + interval '50 min', outstanding,
                oldest_due_at > now() - interval '1 min'
         from webhooks.endpoint_health('{TENANT}') order by 1"
    );
    let nothing = |name: &str| format!("{name}|healthy|0|null|0|null|null|0|f|f|null|0|null");
    let before = ["broken", "fails", "off", "works"].map(nothing);
    assert_eq!(session.lines(&health).await, before);

    for _ in 0..2 {
        world.publish("").await;
        for (id, status) in [
            (&works, "delivered"),
            (&fails, "delivered"),
            (&broken, "failed"),
        ] {
            let record = match status {
                "delivered" => delivered(id, "250000::bigint"),
                _ => failed(id, status),
            };
            session.run(&record).await;
        }
    }
    world.publish("").await;
    session.run(&failed(&works, "retrying")).await;
    session.run(ROLL_UP).await;
    session
        .run("update webhooks.delivery_queue set next_attempt_at = null where attempt > 0")
        .await;
    session.run(&delivered(&works, "250000::bigint")).await;
    session.run(&failed(&fails, "retrying")).await;
    session
        .run(&format!(
            "update webhooks.webhook_subscriptions set is_enabled = false where id = '{off}';
             insert into webhooks_private.subscription_breakers (subscription_id, state, since, probe_at, failing_since)
             values ('{broken}', 'open', now(), now() + interval '1 h', now())"
        ))
        .await;
    assert_says(
        session,
        &health,
        &[
            "broken|breaker open|2|0.00|2|0.00|null|2|f|t|null|1|t",
            "fails|failing|3|66.67|3|66.67|0.250|1|t|t|t|1|null",
            "off|disabled|0|null|0|null|null|0|f|f|null|3|t",
            "works|healthy|4|75.00|4|75.00|0.250|0|t|t|null|0|null",
        ],
    )
    .await;
}

#[tokio::test]
async fn status_of_the_queue() {
    let world = World::new("queue_status").await;
    let session = &world.session;
    let (ready, held, lane) = (
        subscription_id("a0"),
        subscription_id("b1"),
        subscription_id("c2"),
    );
    world.subscribe(&ready, json!({})).await;
    world.subscribe(&held, json!({})).await;
    world.subscribe(&lane, json!({"ordering": "fifo"})).await;
    world
        .publish(", deliver_after => now() + interval '1 hour'")
        .await;
    world.publish("").await;
    world.publish("").await;
    session
        .run(&format!(
            "update webhooks.webhook_subscriptions set is_enabled = false where id = '{held}';
             update webhooks.delivery_queue set next_attempt_at = now() - interval '10 minutes'
             where subscription_id = '{ready}' and id = (select max(id::text)::uuid from webhooks.delivery_queue where subscription_id = '{ready}')"
        ))
        .await;
    let owner = Session::open(&world.db).await;
    owner
        .run("select webhooks_private.try_lock(webhooks_private.shard_lock(), 1, false)")
        .await;
    let status = "select shard, owner_pid, ready, scheduled, held, date_trunc('minute', now() - oldest_due_at)
        from webhooks.queue_status() where ready + scheduled + held > 0";
    assert_eq!(
        session.lines(status).await,
        [
            // Due by its schedule.
            "0|null|2|1|0|00:10:00".to_owned(),
            format!("1|{}|0|0|3|null", owner.pid()),
            // Behind one that was put off.
            "2|null|0|1|2|null".to_owned(),
        ]
    );
    let shards = "select count(*) from webhooks.queue_status()";
    assert_eq!(session.text(shards).await, "16");
}

#[tokio::test]
async fn objectives_and_adoption() {
    let world = World::new("objectives").await;
    let session = &world.session;
    let (a, b) = (subscription_id("a0"), subscription_id("b1"));
    world
        .subscribe(&a, json!({"webhook_url": "https://Good.example:8443/x"}))
        .await;
    world
        .subscribe(&b, json!({"webhook_url": "https://bad.example/x"}))
        .await;
    let slo = "select objective, measured, is_met, samples from webhooks.slo_report(1)";
    assert_eq!(
        session.lines(slo).await,
        [
            "delivery success rate of active subscriptions|null|null|0",
            "average response time|null|null|0",
            "success rate of retried deliveries|null|null|0",
            "publishing, 99th percentile|null|null|0",
        ]
    );
    for _ in 0..2 {
        world.publish("").await;
    }
    session.run(&failed(&a, "retrying")).await;
    session
        .run("update webhooks.delivery_queue set next_attempt_at = null")
        .await;
    session.run(&delivered(&a, "3000000::bigint")).await;
    session.run(&failed(&b, "failed")).await;
    session
        .run(&format!(
            "select webhooks.publish_event('{OTHER_TENANT}', 'document.uploaded')"
        ))
        .await;
    session.run(ROLL_UP).await;
    assert_eq!(
        session
            .lines(&slo.replace(
                "measured, is_met,",
                "case when unit <> 'ms' then measured end, case when unit <> 'ms' then is_met end,"
            ))
            .await,
        [
            "delivery success rate of active subscriptions|50.00|f|4",
            "average response time|3.000|f|2",
            "success rate of retried deliveries|100.00|t|2",
            "publishing, 99th percentile|null|null|4",
        ]
    );
    let adoption = "select measure, item, number, share, change from webhooks.adoption_report(now() - interval '1 day')";
    let counts = [
        "tenants with an active subscription|null|1|50.00|null".to_owned(),
        "tenants delivered to|null|1|50.00|null".to_owned(),
        "tenants that published|null|2|100.00|null".to_owned(),
        "events|null|3|100.00|null".to_owned(),
        "events of a category|document|1|33.33|null".to_owned(),
        "events of a category|job|2|66.67|null".to_owned(),
        format!("events of a tenant|{TENANT}|2|66.67|null"),
        format!("events of a tenant|{OTHER_TENANT}|1|33.33|null"),
        "hosts delivered to|null|1|50.00|null".to_owned(),
        "hosts never delivered to|null|1|50.00|null".to_owned(),
    ];
    let mut with_hosts = counts.to_vec();
    with_hosts.insert(
        8,
        "deliveries to a host|good.example|2|null|null".to_owned(),
    );
    with_hosts.insert(
        9,
        "failed attempts of a host|bad.example|2|null|null".to_owned(),
    );
    assert_eq!(session.lines(adoption).await, with_hosts);
    // A monitor sees no addresses.
    let monitor = Session::open_as(&world.db, "monitor").await;
    assert_eq!(monitor.lines(adoption).await, counts);

    // Two weeks: growth.
    session
        .run("update webhooks_private.events_hourly set hour = hour - interval '7 days' where event_category = 'document'")
        .await;
    let growth = "select number, change from webhooks.adoption_report(now() - interval '8 days') where measure = 'events'";
    assert_eq!(session.lines(growth).await, ["1|null", "2|100.00"]);
}

#[tokio::test]
async fn numbers_end_with_their_time_and_with_their_tenant() {
    let world = World::new("forgotten").await;
    let session = &world.session;
    let subscription = subscription_id("a0");
    session
        .run(&format!(
            "create table tenants (id uuid primary key);
             insert into tenants values ('{TENANT}'), ('{OTHER_TENANT}');
             select webhooks.link_tenants('tenants')"
        ))
        .await;
    world.subscribe(&subscription, json!({})).await;
    world.publish("").await;
    session.run(&delivered(&subscription, "1000::bigint")).await;
    session
        .run(&format!(
            "select webhooks.publish_event('{OTHER_TENANT}', 'job.created')"
        ))
        .await;
    session.run(ROLL_UP).await;
    let numbers = "select (select count(*) from webhooks_private.attempts_hourly), (select count(*) from webhooks_private.latencies_hourly),
                          (select count(*) from webhooks_private.events_hourly)";
    assert_eq!(session.text(numbers).await, "1|1|2");
    // Partitions may go: numbers stay.
    session
        .run("truncate webhooks.delivery_attempts, webhooks.event_logs")
        .await;
    let metrics = format!("select * from webhooks.delivery_metrics('{TENANT}')");
    assert_eq!(session.text(&metrics).await, "1|1|0|100.00|0.00");
    session
        .run(&format!("delete from tenants where id = '{OTHER_TENANT}'"))
        .await;
    assert_eq!(session.text(numbers).await, "1|1|1");
    session
        .run(&format!(
            "select webhooks.set_setting('metrics_retention_days', 30);
             update webhooks_private.attempts_hourly set hour = hour - interval '31 days';
             update webhooks_private.events_hourly set hour = hour - interval '29 days'; {ROLL_UP}"
        ))
        .await;
    assert_eq!(session.text(numbers).await, "1|1|1", "once a day");
    session
        .run(&format!(
            "update webhooks_private.rollup_progress set forgotten_on = forgotten_on - 1; {ROLL_UP}"
        ))
        .await;
    assert_eq!(session.text(numbers).await, "0|1|1");
}
