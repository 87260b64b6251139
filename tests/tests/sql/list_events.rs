//! Events of a tenant, by time, type, resource, id and key: `list_events()`.

use webhooks_tests::database::MANAGER_ROLE;

use crate::support::session::Session;
use crate::support::world::{OTHER_TENANT, TENANT, World};

/// Events of several days: one a day at noon, and two at a midnight, with ids of the time or of none.
const EVENTS: &str = "
    insert into webhooks.event_logs (id, tenant_id, event_type, event_category, event_name, event_data, created_at)
    select IDS, 'TENANT', case when n % 2 = 0 then 'job.failed' else 'document.uploaded' end, 'job', n, '{}', t
    from unnest(array['2026-03-01 12:00Z', '2026-03-02 00:00Z', '2026-03-02 00:00Z', '2026-03-02 12:00Z',
                      '2026-03-04 12:00Z']::timestamptz[]) with ordinality t (t, n)";
const BY_TIME: &str = "overlay(webhooks.uuid_v7_floor(t)::text placing n::text from 36)::uuid";
const RANDOM: &str = "gen_random_uuid()";
const MARCH: &str = "'2026-03-01 00:00Z', '2026-04-01 00:00Z'";

/// Partitions of the first days of March, as if the extension had been there.
const PARTITIONS: &str = "
    drop table webhooks_private.event_logs_past;
    select webhooks_private.make_partitions('event_logs', array(select 'event_logs_2026030' || n from generate_series(1, 5) n), 0);
    select webhooks.create_partitions()";

async fn world(name: &str, ids: &str) -> (World, Session) {
    let world = World::new(name).await;
    world.session.run(PARTITIONS).await;
    let insert = EVENTS.replace("TENANT", TENANT).replace("IDS", ids);
    world.session.run(&insert).await;
    let manager = Session::open_as(&world.db, MANAGER_ROLE).await;
    manager
        .run(&format!("set webhooks.tenant_id = '{TENANT}'"))
        .await;
    (world, manager)
}

async fn list(session: &Session, arguments: &str) -> String {
    let list = format!(
        "select coalesce(string_agg(l.event_name, ' ' order by l.ordinality), '')
         from webhooks.list_events('{TENANT}', {arguments}) with ordinality l"
    );
    session.text(&list).await
}

#[tokio::test]
async fn a_period_a_page_at_a_time() {
    let (_world, manager) = world("list_events", BY_TIME).await;
    for (arguments, listed) in [
        (MARCH, "5 4 3 2 1"),
        ("'2026-03-02 00:00Z', '2026-03-02 12:00Z'", "3 2"),
        ("'2026-03-01 12:00Z', '2026-03-02 00:00Z'", "1"),
        ("'2026-03-04 12:00Z', '2026-03-04 12:00Z'", ""),
        ("'2026-02-01 00:00Z', '2026-03-01 00:00Z'", ""),
    ] {
        assert_eq!(list(&manager, arguments).await, listed, "{arguments}");
    }
    let of_failed = format!("{MARCH}, event_types => '{{job.*}}'");
    assert_eq!(list(&manager, &of_failed).await, "4 2");
    let of_two = format!("{MARCH}, event_types => '{{job.failed,document.uploaded}}'");
    assert_eq!(list(&manager, &of_two).await, "5 4 3 2 1");
}

/// Every page size, also where a page ends between two events of one time, and ids tell their time or none.
#[tokio::test]
async fn pages_have_every_event_once() {
    for (name, ids) in [("list_pages", BY_TIME), ("list_random_pages", RANDOM)] {
        let (_world, manager) = world(name, ids).await;
        let all = list(&manager, MARCH).await;
        assert_eq!(all.split(' ').count(), 5, "{all}");
        for size in 1..=5 {
            let (mut found, mut until) = (Vec::new(), "'2026-04-01 00:00Z'".to_owned());
            loop {
                let page = format!(
                    "select concat_ws('|', l.event_name, l.created_at, l.id)
                     from webhooks.list_events('{TENANT}', '2026-03-01 00:00Z', {until}, max_events => {size}) l"
                );
                let page = manager.lines(&page).await;
                let Some(last) = page.last() else { break };
                let last: Vec<&str> = last.split('|').collect();
                until = format!("'{}', after_id => '{}'", last[1], last[2]);
                found.extend(page.iter().map(|l| l.split('|').next().unwrap().to_owned()));
            }
            assert_eq!(found.join(" "), all, "{size} a page, {name}");
        }
    }
}

#[tokio::test]
async fn an_id_or_a_key_is_found_whenever_it_was() {
    let (world, manager) = world("list_one_event", BY_TIME).await;
    let id = "select id from webhooks.event_logs where event_name = '1'";
    let id = manager.text(id).await;
    let none = "now()";
    assert_eq!(list(&manager, none).await, "");
    let by_id = format!("{none}, event_id => '{id}'");
    assert_eq!(list(&manager, &by_id).await, "1");
    let publish = format!(
        "select webhooks.publish_event('{TENANT}', 'job.created', event_name => 'keyed', idempotency_key => 'k')"
    );
    world.session.run(&publish).await;
    let by_key = format!("{none}, idempotency_key => 'k'");
    assert_eq!(list(&manager, &by_key).await, "keyed");
    // Another event's key.
    assert_eq!(
        list(&manager, &format!("{by_id}, idempotency_key => 'k'")).await,
        ""
    );
    // A key that is forgotten.
    let forget = "delete from webhooks_private.idempotency_keys";
    world.session.run(forget).await;
    assert_eq!(list(&manager, &by_key).await, "");
    let today = "now() - interval '1 day', idempotency_key => 'k'";
    assert_eq!(list(&manager, today).await, "keyed");

    let other = format!("select count(*) from webhooks.list_events('{OTHER_TENANT}', {MARCH})");
    assert_eq!(manager.text(&other).await, "0");
    manager
        .run(&format!("set webhooks.tenant_id = '{OTHER_TENANT}'"))
        .await;
    for arguments in [MARCH, &by_id] {
        assert_eq!(list(&manager, arguments).await, "");
    }
}

#[tokio::test]
async fn what_is_no_period_is_refused() {
    let world = World::new("list_no_events").await;
    for (arguments, refusal) in [
        ("since => null", "since or until is null"),
        ("now() - interval '367 days'", "longer than 366 days"),
        ("now(), max_events => 0", "max_events is 0"),
        ("now(), max_events => 1001", "max_events is 1001"),
        (
            "now(), event_types => array_fill('*'::text, array[1001])",
            "event_types",
        ),
    ] {
        let list = format!("select webhooks.list_events('{TENANT}', {arguments})");
        let refused = world.session.refused(&list).await;
        assert!(refused.message.contains(refusal), "{}", refused.message);
    }
}
