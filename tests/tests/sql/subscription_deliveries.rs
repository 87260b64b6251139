//! Pages of the deliveries of a subscription: `subscription_deliveries()`.

use serde_json::json;
use webhooks_tests::database::MANAGER_ROLE;

use crate::support::record::Record;
use crate::support::session::Session;
use crate::support::world::{OTHER_TENANT, TENANT, World, subscription_id};

/// Deliveries to subscription 1, oldest first: four finished ones, one to be retried, two pending ones and a test.
async fn world(name: &str) -> World {
    let world = World::new(name).await;
    let session = &world.session;
    session.run("select webhooks.create_partitions(1)").await;
    world.subscribe(&subscription_id("1"), json!({})).await;
    world.subscribe(&subscription_id("2"), json!({})).await;
    for status in ["delivered", "failed", "expired", "cancelled", "retrying"] {
        let event = world.publish("").await;
        let deliveries =
            format!("select * from webhooks.delivery_queue where event_log_id = '{event}'");
        let record = Record::of(deliveries, status)
            .with("http_status_code", 503)
            .with("retry_after_ms", "3600000::bigint");
        session.run(&record.to_string()).await;
    }
    world.publish("").await;
    world.publish("").await;
    let test = format!(
        "select webhooks.test_subscription('{}')",
        subscription_id("1")
    );
    session.run(&test).await;
    world
}

const ALL: [&str; 8] = [
    "pending test",
    "pending",
    "pending",
    "retrying",
    "cancelled",
    "expired",
    "failed",
    "delivered",
];

/// A page: its lines, and what the next one is asked for with.
async fn page(session: &Session, arguments: &str) -> (Vec<String>, String) {
    let list = format!(
        "select concat_ws(' ', l.delivery_status, case when l.is_test then 'test' end), format(', after_id => %L', l.id)
         from webhooks.subscription_deliveries('{}'{arguments}) with ordinality l
         order by l.ordinality",
        subscription_id("1")
    );
    let rows = session.lines(&list).await;
    let rows = rows.iter().map(|row| row.split_once('|').unwrap());
    let (lines, nexts): (Vec<_>, Vec<_>) = rows
        .map(|(line, next)| (line.to_owned(), next.to_owned()))
        .unzip();
    (lines, nexts.last().cloned().unwrap_or_default())
}

#[tokio::test]
async fn pages_are_in_the_order_in_which_deliveries_were_made() {
    let world = world("subscription_deliveries").await;
    let manager = Session::open_as(&world.db, MANAGER_ROLE).await;
    manager
        .run(&format!("set webhooks.tenant_id = '{TENANT}'"))
        .await;
    for session in [&world.session, &manager] {
        assert_eq!(page(session, "").await.0, ALL);
        // Page by page it is the same, however long a page is.
        for size in 1..=ALL.len() {
            let (mut listed, mut after) = (Vec::new(), String::new());
            loop {
                let arguments = format!(", max_deliveries => {size}{after}");
                let (lines, next) = page(session, &arguments).await;
                if lines.is_empty() {
                    break;
                }
                assert!(lines.len() <= size);
                listed.extend(lines);
                after = next;
            }
            assert_eq!(listed, ALL, "{size} a page");
        }
        for (statuses, expected) in [
            ("pending", &ALL[..3]),
            ("retrying", &ALL[3..4]),
            ("pending,retrying", &ALL[..4]),
            ("failed,cancelled", &["cancelled", "failed"]),
            ("retrying,delivered", &["retrying", "delivered"]),
        ] {
            let arguments = format!(", statuses => '{{{statuses}}}'");
            assert_eq!(page(session, &arguments).await.0, expected, "{statuses}");
        }
        let later = page(session, ", since => now() + interval '1 hour'").await;
        assert!(later.0.is_empty());
    }
}

#[tokio::test]
async fn deliveries_of_others_and_wrong_arguments_are_refused() {
    let world = world("subscription_deliveries_refused").await;
    let manager = Session::open_as(&world.db, MANAGER_ROLE).await;
    let call = |arguments: &str| {
        format!(
            "select from webhooks.subscription_deliveries('{}'{arguments})",
            subscription_id("1")
        )
    };
    for set in [
        format!("set webhooks.tenant_id = '{OTHER_TENANT}'"),
        "reset webhooks.tenant_id".to_owned(),
    ] {
        manager.run(&set).await;
        assert_eq!(manager.refused(&call("")).await.code, "42704", "{set}");
    }
    manager
        .run(&format!("set webhooks.tenant_id = '{TENANT}'"))
        .await;
    for (arguments, message) in [
        (
            ", statuses => '{late}'",
            "statuses has \"late\", which is no status",
        ),
        (
            ", statuses => '{null}'",
            "statuses has null, which is no status",
        ),
        (", since => null", "since is null"),
        (", max_deliveries => 0", "max_deliveries is 0"),
        (", max_deliveries => 1001", "max_deliveries is 1001"),
        (", max_deliveries => null", "max_deliveries is null"),
    ] {
        let refusal = manager.refused(&call(arguments)).await;
        assert_eq!(
            (refusal.code.as_str(), refusal.message.as_str()),
            ("22023", message)
        );
        assert!(!refusal.hint.is_empty());
    }
}

/// Of a year, a page opens the partitions of the days in question.
#[tokio::test]
async fn days_before_the_period_stay_closed() {
    let world = world("subscription_deliveries_days").await;
    let session = &world.session;
    session
        .run(
            "select webhooks_private.make_partitions('delivery_attempts', array(
                 select 'delivery_attempts_' || to_char(d, 'YYYYMMDD')
                 from generate_series(now() at time zone 'utc' - interval '90 d', now() at time zone 'utc' - interval '2 d', '1 d') d), 0)",
        )
        .await;
    let locks = async |arguments: &str| -> u32 {
        let id = subscription_id("1");
        let locks = format!(
            "begin;
             select from webhooks.subscription_deliveries('{id}'{arguments});
             select count(*) from pg_locks where pid = pg_backend_pid() and relation::regclass::text ~ 'delivery_attempts_[0-9]{{8}}$';
             rollback"
        );
        let lines = session.lines(&locks).await;
        lines.last().unwrap().parse().unwrap()
    };
    for page in [
        ", max_deliveries => 3",
        ", '{delivered}', max_deliveries => 1",
    ] {
        let opened = locks(page).await;
        assert!((1..=2).contains(&opened), "{page}: {opened}");
    }
    // Too few for the page: all days of the period, and no others.
    let week = locks("").await;
    assert!((7..=9).contains(&week), "{week}");
}
