use serde_json::{Value, json};

use crate::support::claim::Claim;
use crate::support::world::{TENANT, World, publish_many, subscription_id};

impl World {
    /// A subscription whose id ends with these two hexadecimal digits: the last one is the shard.
    async fn subscribe_to(&self, end: &str, events: Value) {
        self.subscribe(&subscription_id(end), json!({"subscribed_events": events}))
            .await;
    }

    async fn update(&self, end: &str, set: &str) {
        let sql = format!(
            "update webhooks.webhook_subscriptions set {set} where right(id::text, 2) = '{end}'"
        );
        self.session.run(&sql).await;
    }

    /// The claimed deliveries: end of the subscription's id and the event's n, in order.
    async fn claimed(&self, claim: Claim) -> Vec<String> {
        self.session
            .lines(&format!(
                "select right(subscription_id::text, 2) || ':' || coalesce(event_data::json ->> 'n', 'gone') from {claim}"
            ))
            .await
    }
}

/// Before all.
const NIL: &str = "00000000-0000-0000-0000-000000000000";

fn of_shard_0() -> Claim {
    Claim::of_shards(&[0])
}

/// Of several ids.
fn ids(ends: &[&str]) -> String {
    let ids: Vec<String> = ends.iter().map(|end| subscription_id(end)).collect();
    format!("'{{{}}}'", ids.join(","))
}

#[tokio::test]
async fn a_backlog_does_not_hide_the_others() {
    let world = World::new("fair").await;
    world.subscribe_to("10", json!(["job.*"])).await;
    publish_many(&world.db, "job.created", 2000).await;
    world.subscribe_to("20", json!(["document.*"])).await;
    world.subscribe_to("f0", json!(["document.*"])).await;
    publish_many(&world.db, "document.deleted", 2).await;
    // The oldest of each.
    let three = of_shard_0().with("per_subscription", 3);
    assert_eq!(
        world.claimed(three.clone()).await,
        ["10:1", "10:2", "10:3", "20:1", "20:2", "f0:1", "f0:2"]
    );
    // Where max_rows cut, the cursor goes on.
    assert_eq!(
        world.claimed(three.clone().with("max_rows", 4)).await,
        ["10:1", "10:2", "10:3", "20:1"]
    );
    let after = |end: &str| three.clone().with("cursors", ids(&[end]));
    assert_eq!(
        world.claimed(after("10")).await,
        ["20:1", "20:2", "f0:1", "f0:2"]
    );
    assert_eq!(world.claimed(after("30")).await, ["f0:1", "f0:2"]);
    assert_eq!(world.claimed(after("f0")).await, [""; 0]);
}

#[tokio::test]
async fn only_these_shards_each_from_its_cursor() {
    let world = World::new("own_shards").await;
    for end in ["11", "21", "12", "22", "13"] {
        world.subscribe_to(end, json!(["*"])).await;
    }
    publish_many(&world.db, "job.created", 1).await;
    let claim = Claim::of_shards(&[1, 2, 5]).with(
        "cursors",
        format_args!("'{{{},null,null}}'", subscription_id("11")),
    );
    let mut claimed = world.claimed(claim).await;
    claimed.sort();
    assert_eq!(claimed, ["12:1", "21:1", "22:1"]);
    assert_eq!(world.claimed(Claim::of_shards(&[])).await, [""; 0]);
}

#[tokio::test]
async fn held_deliveries_and_full_subscriptions_are_left_out() {
    let world = World::new("held").await;
    for end in ["10", "20"] {
        world.subscribe_to(end, json!(["*"])).await;
    }
    publish_many(&world.db, "job.created", 5).await;
    let held = "array(select q.id from webhooks.delivery_queue q join webhooks.event_logs e on e.id = q.event_log_id
                      where e.event_data ->> 'n' in ('1', '3') and q.subscription_id = '00000000-0000-7000-8000-000000000010')";
    // The next ones come instead.
    let two = of_shard_0().with("per_subscription", 2);
    assert_eq!(
        world.claimed(two.clone().with("held", held)).await,
        ["10:2", "10:4", "20:1", "20:2"]
    );
    assert_eq!(
        world
            .claimed(two.with("full_subscriptions", ids(&["10"])))
            .await,
        ["20:1", "20:2"]
    );
}

#[tokio::test]
async fn a_disabled_subscriptions_deliveries_are_held_not_lost() {
    let world = World::new("disabled").await;
    for end in ["10", "20"] {
        world.subscribe_to(end, json!(["*"])).await;
    }
    publish_many(&world.db, "job.created", 1).await;
    for off in [
        "is_active = false",
        "is_active = null",
        "is_enabled = false",
        "is_enabled = null",
    ] {
        world.update("10", off).await;
        assert_eq!(world.claimed(of_shard_0()).await, ["20:1"], "{off}");
        world
            .update("10", "is_active = true, is_enabled = true")
            .await;
        assert_eq!(world.claimed(of_shard_0()).await, ["10:1", "20:1"], "{off}");
    }
}

#[tokio::test]
async fn scheduled_deliveries_are_claimed_when_promoted() {
    let world = World::new("promote").await;
    world.subscribe_to("10", json!(["*"])).await;
    world.subscribe_to("11", json!(["*"])).await;
    publish_many(&world.db, "job.created", 4).await;
    let schedule = |n: u32, when: &str| {
        format!(
            "update webhooks.delivery_queue q set next_attempt_at = {when}
             from webhooks.event_logs e where e.id = q.event_log_id and e.event_data ->> 'n' = '{n}' and q.shard = 0"
        )
    };
    for (n, when) in [
        (1, "now() - interval '2 s'"),
        (2, "now() - interval '1 s'"),
        (3, "now() + interval '1 h'"),
    ] {
        world.session.run(&schedule(n, when)).await;
    }
    assert_eq!(world.claimed(of_shard_0()).await, ["10:4"]);

    let promote = "select cardinality(delivery_ids), next_due_in_ms between 3590000 and 3600000 from webhooks_private.promote_due";
    // The longest overdue first; what is left is due at once.
    let one = "select cardinality(delivery_ids), next_due_in_ms from webhooks_private.promote_due('{0}', 1)";
    assert_eq!(world.session.text(one).await, "1|0");
    assert_eq!(world.claimed(of_shard_0()).await, ["10:1", "10:4"]);
    assert_eq!(
        world.session.text(&format!("{promote}('{{0}}')")).await,
        "1|t"
    );
    assert_eq!(world.claimed(of_shard_0()).await, ["10:1", "10:2", "10:4"]);
    assert_eq!(
        world.session.text(&format!("{promote}('{{0,1}}')")).await,
        "0|t"
    );
    // Nothing scheduled there.
    let none = "select cardinality(delivery_ids), next_due_in_ms from webhooks_private.promote_due('{1,2}')";
    assert_eq!(world.session.text(none).await, "0|null");
}

#[tokio::test]
async fn deliveries_that_are_too_old_come_as_expired() {
    let world = World::new("expired").await;
    world.subscribe_to("10", json!(["*"])).await;
    let publish = |n: u32, columns: &str, values: &str| {
        format!(
            "insert into webhooks.event_logs (tenant_id, event_type, event_category, event_name, event_data {columns})
             values ('{TENANT}', 'job.created', 'job', 'x', '{{\"n\": {n}}}' {values})"
        )
    };
    for sql in [
        publish(1, "", ""),
        publish(2, ", expires_at", ", now() + interval '1 h'"),
        publish(3, ", expires_at", ", now() - interval '1 s'"),
        publish(4, ", created_at", ", now() - interval '1 year'"),
        publish(5, "", ""),
        publish(6, ", expires_at", ", now() + interval '1 h'"),
        publish(7, ", deliver_after", ", now() - interval '10 s'"),
    ] {
        world.session.run(&sql).await;
    }
    // 5 to 7 have waited for 100 s; 7 was not meant to be delivered before the last ten of them.
    let waited = "update webhooks.delivery_queue q
        set id = overlay(q.id::text placing left(webhooks.uuid_v7_floor(now() - interval '100 s')::text, 13) from 1)::uuid
        from webhooks.event_logs e where e.id = q.event_log_id and (e.event_data ->> 'n')::integer >= 5";
    world.session.run(waited).await;
    let expired = format!(
        "select string_agg(event_data::json ->> 'n', ' ' order by event_data::json ->> 'n') filter (where expires_in_ms <= 0)
         from {}",
        of_shard_0()
    );
    assert_eq!(world.session.text(&expired).await, "3");
    for (age, ids) in [(60, "3 5 6"), (200, "3")] {
        let set = format!("select webhooks.set_setting('max_delivery_age_seconds', {age})");
        world.session.run(&set).await;
        assert_eq!(world.session.text(&expired).await, ids);
    }
}

#[tokio::test]
async fn a_claim_carries_all_that_is_sent() {
    let world = World::new("carries").await;
    world.subscribe_to("1a", json!(["*"])).await;
    world.update("1a", "name = 'renamed'").await;
    let event = "select webhooks.publish_event('11111111-1111-4111-8111-111111111111', 'job.created', 'job', 'n', '{\"b\": 1, \"a\": 1.50}',
        'r', '22222222-2222-4222-8222-222222222222', '33333333-3333-4333-8333-333333333333', 's', 'q', '192.0.2.1/32', '2.0')";
    let event = world.session.text(event).await;
    let claimed = format!("select delivery_id = q.id, c.shard, subscription_version, c.attempt, expires_in_ms between 604700000 and 604800000, over_budget, event_id, c.tenant_id, c.event_type, c.event_category,
            c.event_name, c.event_version, created_at_us = (extract(epoch from e.created_at) * 1000000)::bigint, c.event_data,
            c.resource_type, c.resource_id, c.user_id, c.session_id, c.request_id, c.source_ip, c.resource_data
        from {} c, webhooks.delivery_queue q, webhooks.event_logs e",
        Claim::of_shards(&[10])
    );
    let expected = format!(
        "t|10|2|0|t|f|{event}|{TENANT}|job.created|job|n|2.0|t|{{\"a\": 1.50, \"b\": 1}}|r|\
         22222222-2222-4222-8222-222222222222|33333333-3333-4333-8333-333333333333|s|q|192.0.2.1|null"
    );
    assert_eq!(world.session.text(&claimed).await, expected);

    // An event that retention took away while it was still to be delivered.
    world.session.run("delete from webhooks.event_logs").await;
    assert_eq!(world.claimed(Claim::of_shards(&[10])).await, ["1a:gone"]);
}

/// Beyond the budget rows say so, and their data is not read; the first one always comes whole.
#[tokio::test]
async fn a_claim_keeps_to_its_budget_of_bytes() {
    let world = World::new("budget").await;
    world.subscribe_to("1a", json!(["*"])).await;
    let publish = "insert into webhooks.event_logs (tenant_id, event_type, event_category, event_name, event_data)
        select '11111111-1111-4111-8111-111111111111', 'job.created', 'job', 'x', jsonb_build_object('text', repeat('x', 1000))
        from generate_series(1, 5)";
    world.session.run(publish).await;
    for (budget, within) in [(1, "1|4"), (2500, "2|3"), (1_000_000, "5|0")] {
        let claimed = format!(
            "select count(event_data), count(*) filter (where over_budget) from {}",
            Claim::of_shards(&[10]).with("max_bytes", budget)
        );
        assert_eq!(world.session.text(&claimed).await, within);
        // Snapshots of resources weigh as much, and come and stay away with the data.
        let swapped =
            "begin; update webhooks.event_logs set event_data = '{}', resource_data = event_data";
        world.session.run(swapped).await;
        let claimed = claimed.replace("count(event_data)", "count(resource_data)");
        assert_eq!(world.session.text(&claimed).await, within);
        world.session.run("rollback").await;
    }
}

/// While a full scan is busy with others, fresh deliveries come first: one of each subscription not known.
#[tokio::test]
async fn fresh_deliveries_come_ahead_of_the_full_scan() {
    let world = World::new("fresh").await;
    for end in ["10", "20"] {
        world.subscribe_to(end, json!(["job.*"])).await;
    }
    publish_many(&world.db, "job.created", 100).await;
    world.subscribe_to("30", json!(["document.*"])).await;
    world.subscribe_to("41", json!(["document.*"])).await;
    publish_many(&world.db, "document.uploaded", 2).await;
    let claim = |max_fresh: u32| {
        of_shard_0()
            .with("known_subscriptions", ids(&["10", "20"]))
            .with("per_subscription", 1)
            .with("max_fresh", max_fresh)
            .with("max_rows", 1)
    };
    assert_eq!(world.claimed(claim(10)).await, ["30:1", "10:1"]);
    assert_eq!(
        world.claimed(claim(1)).await,
        ["30:2", "10:1"],
        "the newest row"
    );
    assert_eq!(world.claimed(claim(0)).await, ["10:1"]);
    world.update("30", "is_enabled = false").await;
    assert_eq!(world.claimed(claim(10)).await, ["10:1"]);
    world.update("30", "is_enabled = true").await;
    // Deliveries that have waited for longer are left to the full scan.
    let older = "update webhooks.delivery_queue q
        set id = overlay(q.id::text placing left(webhooks.uuid_v7_floor(now() - interval '1 s')::text, 13) from 1)::uuid";
    world.session.run(older).await;
    let claimed = world.claimed(claim(10)).await;
    assert!(
        matches!(&claimed[..], [one] if one.starts_with("10:")),
        "{claimed:?}"
    );
}

/// While scans are slow, subscriptions are looked at one by one, each behind its last claimed delivery.
#[tokio::test]
async fn a_claim_without_a_scan_looks_behind_an_id() {
    let world = World::new("only").await;
    for end in ["10", "20"] {
        world.subscribe_to(end, json!(["job.*"])).await;
    }
    publish_many(&world.db, "job.created", 3).await;
    world.subscribe_to("30", json!(["document.*"])).await;
    publish_many(&world.db, "document.uploaded", 1).await;
    let id = |n: u32| {
        format!(
            "select q.id from webhooks.delivery_queue q join webhooks.event_logs e on e.id = q.event_log_id
             where right(q.subscription_id::text, 2) = '10' and e.event_data ->> 'n' = '{n}'"
        )
    };
    // As if all had been there for some time.
    let older = "update webhooks.delivery_queue q
        set id = overlay(q.id::text placing left(webhooks.uuid_v7_floor(webhooks.uuid_v7_time(q.id) - interval '1 s')::text, 13) from 1)::uuid";
    world.session.run(older).await;
    let first = world.session.text(&id(1)).await;
    let claim = |only: &[&str], after: &str| {
        of_shard_0()
            .with("known_subscriptions", ids(&["10"]))
            .with("max_fresh", 10)
            .with("only_subscriptions", ids(only))
            .with("after_ids", format_args!("'{{{after}}}'"))
    };
    assert_eq!(
        world.claimed(claim(&["10"], NIL)).await,
        ["10:1", "10:2", "10:3"]
    );
    assert_eq!(
        world.claimed(claim(&["10"], &first)).await,
        ["10:2", "10:3"]
    );
    assert_eq!(world.claimed(claim(&[], "")).await, [""; 0]);
    // Fresh deliveries are found anyway; and what is so new that others may still be committed before it is looked at again.
    publish_many(&world.db, "document.uploaded", 1).await;
    publish_many(&world.db, "job.created", 1).await;
    let now = "select webhooks.uuid_v7()";
    let now = world.session.text(now).await;
    assert_eq!(
        world.claimed(claim(&["10"], &now)).await,
        ["20:1", "30:1", "10:1"]
    );
}

#[tokio::test]
async fn a_claim_without_a_scan_finds_lanes() {
    let world = World::new("only_lanes").await;
    world.subscribe_to("10", json!(["*"])).await;
    publish_many(&world.db, "job.created", 1).await;
    world.update("10", "ordering = 'fifo'").await;
    publish_many(&world.db, "job.created", 2).await;
    let claim = |only: &[&str], after: &str| {
        of_shard_0()
            .with("only_subscriptions", ids(only))
            .with("after_ids", format_args!("'{{{after}}}'"))
    };
    assert_eq!(
        world.claimed(claim(&["10"], "null")).await,
        ["10:1", "10:2"]
    );
    let both = format!("{NIL},null");
    assert_eq!(
        world.claimed(claim(&["10", "10"], &both)).await,
        ["10:1", "10:1", "10:2"]
    );
}

/// Events are not meant to be changed; whoever does it as their owner can't stop all deliveries by it.
#[tokio::test]
async fn times_that_are_out_of_this_world_are_bounded() {
    let world = World::new("times").await;
    world.subscribe_to("10", json!(["job.*"])).await;
    publish_many(&world.db, "job.created", 1).await;
    for times in [
        "deliver_after = 'infinity', created_at = '-infinity'",
        "deliver_after = '-infinity', created_at = 'infinity'",
    ] {
        let change = format!("update webhooks.event_logs set {times}");
        world.session.run(&change).await;
        for expiry in ["infinity", "-infinity"] {
            let change = format!("update webhooks.delivery_queue set expires_at = '{expiry}'");
            world.session.run(&change).await;
            assert_eq!(world.claimed(of_shard_0()).await, ["10:1"]);
        }
    }
}
