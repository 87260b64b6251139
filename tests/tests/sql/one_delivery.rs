//! One event replayed, one delivery cancelled, and lists in pages; all tenants.

use serde_json::json;
use webhooks_tests::database::{MANAGER_ROLE, MONITOR_ROLE};

use crate::support::record::Record;
use crate::support::session::Session;
use crate::support::world::{OTHER_TENANT, TENANT, World, subscription_id};

const OUTSTANDING: &str = "select count(*) from webhooks.delivery_queue";

/// Records the outcome of all that is outstanding.
async fn end_all(session: &Session, status: &str) {
    let record = Record::of("select * from webhooks.delivery_queue", status);
    let record = record.with("http_status_code", 503);
    session.run(&record.to_string()).await;
}

#[tokio::test]
async fn one_event_is_replayed_to_what_matches_it_now() {
    let world = World::new("replay_event").await;
    let session = &world.session;
    world.subscribe(&subscription_id("1"), json!({})).await;
    // Of one transaction, so that they have the same time.
    let publish = format!(
        "select id from unnest(array(select webhooks.publish_event('{TENANT}', 'job.created') from generate_series(1, 3))) id"
    );
    let event = session.lines(&publish).await.remove(0);
    end_all(session, "delivered").await;
    world.subscribe(&subscription_id("2"), json!({})).await;
    let replay = |more: &str| {
        format!(
            "select concat_ws(' ', deliveries, outstanding) from webhooks.replay_event('{TENANT}', '{event}'{more})"
        )
    };
    let manager = Session::open_as(&world.db, MANAGER_ROLE).await;
    manager
        .run(&format!("set webhooks.tenant_id = '{TENANT}'"))
        .await;
    assert_eq!(manager.text(&replay(", dry_run => true")).await, "2 0");
    assert_eq!(session.text(OUTSTANDING).await, "0");
    let to_second = format!(", subscription_id => '{}'", subscription_id("2"));
    assert_eq!(manager.text(&replay(&to_second)).await, "1 0");
    assert_eq!(manager.text(&replay("")).await, "1 1");
    assert_eq!(manager.text(&replay("")).await, "0 2");
    // The others of its transaction are not sent.
    let queued = "select string_agg(distinct event_log_id::text, ' ') from webhooks.delivery_queue";
    assert_eq!(session.text(queued).await, event);
    let audit = "select string_agg(concat_ws(' ', action, object_type, object_id, after ->> 'deliveries'), '; ' order by id)
        from webhooks.audit_log where action = 'replayed'";
    let line = format!("replayed event {event} 1");
    assert_eq!(session.text(audit).await, format!("{line}; {line}"));

    let expire = format!("update webhooks.event_logs set expires_at = now() where id = '{event}'");
    session.run(&expire).await;
    let refusal = manager.refused(&replay("")).await;
    assert_eq!(
        (refusal.code.as_str(), refusal.message),
        ("55000", format!("event {event} has expired"))
    );
    let unknown = format!("select webhooks.replay_event('{TENANT}', '{OTHER_TENANT}')");
    let refusal = manager.refused(&unknown).await;
    assert_eq!(
        (refusal.code.as_str(), refusal.message),
        ("42704", format!("there is no event {OTHER_TENANT}"))
    );
}

#[tokio::test]
async fn one_delivery_is_cancelled_and_the_others_stay() {
    let world = World::new("cancel_delivery").await;
    let session = &world.session;
    world.subscribe(&subscription_id("1"), json!({})).await;
    world.publish("").await;
    let event = world.publish("").await;
    let delivery = format!("select id from webhooks.delivery_queue where event_log_id = '{event}'");
    let delivery = session.text(&delivery).await;
    let cancel = format!("select webhooks.cancel_delivery('{delivery}')");
    let stranger = Session::open_as(&world.db, MANAGER_ROLE).await;
    stranger
        .run(&format!("set webhooks.tenant_id = '{OTHER_TENANT}'"))
        .await;
    let unknown = format!("there is no delivery {delivery}");
    assert_eq!(stranger.refused(&cancel).await.message, unknown);
    let manager = Session::open_as(&world.db, MANAGER_ROLE).await;
    manager
        .run(&format!("set webhooks.tenant_id = '{TENANT}'"))
        .await;
    assert_eq!(manager.text(&cancel).await, "t");
    assert_eq!(session.text(OUTSTANDING).await, "1");
    let status = format!(
        "select delivery_status from webhooks.webhook_delivery_logs where id = '{delivery}'"
    );
    assert_eq!(session.text(&status).await, "cancelled");
    let audit = format!(
        "select count(*) from webhooks.audit_log where action = 'cancelled' and object_id = '{delivery}'"
    );
    assert_eq!(session.text(&audit).await, "1");
    // It is finished now, which only who sees it is told.
    assert_eq!(manager.text(&cancel).await, "f");
    assert_eq!(stranger.refused(&cancel).await.message, unknown);
    assert_eq!(session.text(&audit).await, "1");
}

#[tokio::test]
async fn deliveries_are_listed_page_by_page() {
    let world = World::new("delivery_pages").await;
    let session = &world.session;
    world.subscribe(&subscription_id("1"), json!({})).await;
    for n in 0..9 {
        world.publish("").await;
        if n % 3 == 0 {
            end_all(session, "delivered").await;
        }
    }
    let page = |after: &str| {
        format!(
            "select id from webhooks.list_deliveries('{TENANT}', max_rows => 4, after_id => {after}) with ordinality l order by l.ordinality"
        )
    };
    let mut listed = session.lines(&page("null")).await;
    while let Some(last) = listed.last() {
        let more = session.lines(&page(&format!("'{last}'"))).await;
        if more.is_empty() {
            break;
        }
        listed.extend(more);
    }
    let all = "select id from webhooks.webhook_delivery_logs order by id desc";
    assert_eq!(listed, session.lines(all).await);
    assert_eq!(listed.len(), 9);
}

#[tokio::test]
async fn tenants_are_listed_with_usage_and_limits() {
    let world = World::new("list_tenants").await;
    let session = &world.session;
    world.subscribe(&subscription_id("1"), json!({})).await;
    world.publish("").await;
    let limited = "33333333-3333-4333-8333-333333333333";
    session
        .run(&format!(
            "select webhooks.set_tenant_limits('{limited}', 5, 100, 1000);
             select webhooks.publish_event('{OTHER_TENANT}', 'job.created')"
        ))
        .await;
    // Not in the transaction that published, which it does not count.
    session.run("select webhooks_private.roll_up('0 s')").await;
    let list = |arguments: &str| {
        format!(
            "select concat_ws(' ', left(tenant_id::text, 1), subscriptions, coalesce(max_subscriptions, -1), coalesce(events_per_minute, -1), outstanding_deliveries, events_of_day) from webhooks.list_tenants({arguments})"
        )
    };
    let monitor = Session::open_as(&world.db, MONITOR_ROLE).await;
    let all = ["1 1 -1 -1 1 1", "2 0 -1 -1 0 1", "3 0 5 0 0 0"];
    assert_eq!(monitor.lines(&list("")).await, all);
    assert_eq!(monitor.lines(&list("1")).await, all[..1]);
    let rest = list(&format!("100, '{TENANT}'"));
    assert_eq!(monitor.lines(&rest).await, all[1..]);
    let refusal = monitor.refused(&list("0")).await;
    assert_eq!(refusal.message, "max_tenants is 0");
}
