use std::time::Instant;

use webhooks_tests::PATIENCE;
use webhooks_tests::cluster::{Cluster, Options};
use webhooks_tests::database::{BACKEND_ROLE, Database, PUBLISHER_ROLE};
use webhooks_tests::wait::{Seen, eventually};

use super::{OTHER_TENANT, TENANT, attempt, count, database, insert, limit, publish};
use crate::support::session::Session;

const EVENTS: &str = "max_events_per_minute";

#[tokio::test]
async fn a_minutes_events_and_no_more() {
    let (db, session) = database("limit_events").await;
    limit(&session, EVENTS, 3).await;
    // Whichever way they come: each session has its share of the same minute.
    let publisher = Session::open_as(&db, PUBLISHER_ROLE).await;
    let set = format!("select webhooks.set_tenant('{TENANT}', true)");
    publisher.run(&set).await;
    session.run(&publish(TENANT)).await;
    publisher.run(&publish(TENANT)).await;
    publisher.run(&insert(TENANT, 1)).await;
    let before = (
        count(&session, "event_logs").await,
        count(&session, "delivery_queue").await,
    );
    assert_eq!(before, (3, 3));
    for statement in [publish(TENANT), insert(TENANT, 1), insert(TENANT, 3)] {
        for session in [&session, &publisher] {
            let refusal = attempt(session, &statement).await.unwrap_err();
            assert_eq!(
                refusal.message,
                format!("tenant {TENANT} has reached its limit of 3 events per minute")
            );
            assert!(refusal.hint.contains(" more can be published in about "));
            assert!(refusal.hint.contains(&format!(
                "webhooks.set_tenant_limits('{TENANT}', max_events_per_minute => ...)"
            )));
        }
    }
    let refusal = attempt(&session, &insert(TENANT, 4)).await.unwrap_err();
    assert_eq!(
        refusal.message,
        format!("4 events at once are more than the limit of tenant {TENANT}, 3 per minute")
    );
    // Nothing of it is there, and nobody else has noticed.
    assert_eq!(count(&session, "event_logs").await, 3);
    assert_eq!(count(&session, "delivery_queue").await, 3);
    session.run(&insert(OTHER_TENANT, 100)).await;
    // Raised: at once, and for the difference.
    limit(&session, EVENTS, 10).await;
    attempt(&publisher, &insert(TENANT, 8)).await.unwrap_err();
    publisher.run(&insert(TENANT, 7)).await;
    attempt(&publisher, &publish(TENANT)).await.unwrap_err();
    limit(&session, EVENTS, 0).await;
    publisher.run(&insert(TENANT, 100)).await;
}

/// Checking data against a schema takes time: a tenant that is refused for its data all the time has a limit, too.
#[tokio::test]
async fn events_that_their_schema_refuses_count() {
    let (_db, session) = database("limit_invalid_events").await;
    session
        .run("select webhooks.register_event_type('invoice.paid', schema => '{\"required\": [\"amount\"]}')")
        .await;
    limit(&session, EVENTS, 3).await;
    let invalid = format!("select webhooks.publish_event('{TENANT}', 'invoice.paid')");
    for _ in 0..3 {
        let refusal = session.refused(&invalid).await;
        assert_eq!(refusal.code, "23514", "{refusal:?}");
    }
    // The limit is looked at first: no more is read of the data.
    attempt(&session, &invalid).await.unwrap_err();
    assert_eq!(count(&session, "event_logs").await, 0);
}

/// A statement that is refused takes nothing away from smaller ones.
#[tokio::test]
async fn a_statement_over_the_limit_publishes_nothing() {
    let (db, session) = database("limit_all_or_none").await;
    limit(&session, EVENTS, 5).await;
    session.run(&insert(TENANT, 3)).await;
    attempt(&session, &insert(TENANT, 3)).await.unwrap_err();
    // Of several tenants, too: none of it, though the other has no limit.
    let backend = Session::open_as(&db, BACKEND_ROLE).await;
    let both = insert(TENANT, 3)
        .replace(&format!("select '{TENANT}'"), "select t::uuid")
        .replace(
            "from ",
            &format!("from unnest('{{{TENANT},{OTHER_TENANT}}}'::text[]) t, "),
        );
    attempt(&backend, &both).await.unwrap_err();
    assert_eq!(count(&session, "event_logs").await, 3);
    session.run(&insert(TENANT, 2)).await;
}

/// No publisher waits for another one that has not committed. Events that are rolled back have counted.
#[tokio::test]
async fn publishers_of_a_tenant_do_not_wait_for_each_other() {
    let (db, session) = database("limit_no_wait").await;
    limit(&session, EVENTS, 3).await;
    let other = Session::open(&db).await;
    other.run("set lock_timeout = '1ms'").await;
    session
        .run(&format!("begin; {}; {}", publish(TENANT), publish(TENANT)))
        .await;
    other.run(&publish(TENANT)).await;
    attempt(&other, &publish(TENANT)).await.unwrap_err();
    session.run("rollback").await;
    attempt(&other, &publish(TENANT)).await.unwrap_err();
    assert_eq!(count(&session, "event_logs").await, 1);
    // A savepoint saves what was published before.
    limit(&session, EVENTS, 4).await;
    session
        .run(&format!("begin; {}; savepoint s", publish(TENANT)))
        .await;
    attempt(&session, &publish(TENANT)).await.unwrap_err();
    session.run("rollback to s; commit").await;
    assert_eq!(count(&session, "event_logs").await, 2);
}

#[tokio::test]
async fn many_sessions_at_once_have_one_minute() {
    const LIMIT: u32 = 60;
    let (db, session) = database("limit_crowd").await;
    limit(&session, EVENTS, LIMIT).await;
    // While the memory is being made nobody waits for it, nor is refused.
    session
        .run(&format!("select * from webhooks.tenant_usage('{TENANT}')"))
        .await;
    let begun = Instant::now();
    let mut publishers = Vec::new();
    for _ in 0..8 {
        let session = Session::open(&db).await;
        publishers.push(tokio::spawn(async move {
            let mut published = 0;
            for _ in 0..20 {
                published += u64::from(attempt(&session, &publish(TENANT)).await.is_ok());
            }
            published
        }));
    }
    let mut published = 0;
    for publisher in publishers {
        published += publisher.await.unwrap();
    }
    let came_back = begun.elapsed().as_secs() * u64::from(LIMIT) / 60 + 1;
    let expected = u64::from(LIMIT)..=u64::from(LIMIT) + came_back;
    assert!(expected.contains(&published), "{published}");
    assert_eq!(count(&session, "event_logs").await, published);
}

#[tokio::test]
async fn events_come_back_with_time() {
    let (_db, session) = database("limit_refill").await;
    limit(&session, EVENTS, 30).await;
    let publish = publish(TENANT);
    let begun = Instant::now();
    session.run(&insert(TENANT, 30)).await;
    let again = async || {
        Ok(match attempt(&session, &publish).await {
            Ok(()) => Seen::Done(()),
            Err(refusal) => Seen::not_yet(refusal.message),
        })
    };
    eventually(PATIENCE, again).await.unwrap();
    // One in two seconds, from the moment of the statement before.
    assert!(begun.elapsed().as_secs_f64() > 1.0);
}

/// A role that may not publish another tenant's events may not use up that tenant's limit.
#[tokio::test]
async fn a_refused_row_takes_nothing() {
    let (db, session) = database("limit_foreign").await;
    limit(&session, EVENTS, 2).await;
    let publisher = Session::open_as(&db, PUBLISHER_ROLE).await;
    let set = format!("select webhooks.set_tenant('{OTHER_TENANT}', true)");
    publisher.run(&set).await;
    for statement in [publish(TENANT), insert(TENANT, 1)] {
        for _ in 0..3 {
            assert_eq!(publisher.refused(&statement).await.code, "42501");
        }
    }
    session.run(&insert(TENANT, 2)).await;
    attempt(&session, &publish(TENANT)).await.unwrap_err();
}

/// A restart, clean or not, gives everybody a new minute, and limits hold as before.
#[tokio::test]
async fn limits_survive_a_crash() {
    let cluster = Cluster::start(Options::default()).await.unwrap();
    let db = Database::create(&cluster, "limit_crash").await.unwrap();
    let session = Session::open(&db).await;
    limit(&session, EVENTS, 2).await;
    for round in 0..3 {
        let session = Session::open(&db).await;
        session.run(&insert(TENANT, 2)).await;
        let other = Session::open(&db).await;
        attempt(&other, &publish(TENANT)).await.unwrap_err();
        match round {
            0 => cluster.restart().await.unwrap(),
            1 => {
                cluster.kill9().await.unwrap();
                cluster.launch().await.unwrap();
            }
            _ => {}
        }
    }
}

/// One session makes the memory. While it does the others publish as if there were no limits, rather than wait.
#[tokio::test]
async fn without_its_memory_nobody_is_refused() {
    let (db, session) = database("limit_memory").await;
    limit(&session, EVENTS, 1).await;
    // A handle from before a restart.
    session
        .run("select setval('webhooks_private.meters_handle', 4711); begin; select webhooks_private.lock_xact(webhooks_private.meters_lock(), 0)")
        .await;
    let other = Session::open(&db).await;
    other.run("set lock_timeout = '1ms'").await;
    for _ in 0..3 {
        other.run(&publish(TENANT)).await;
    }
    session.run("commit").await;
    other.run(&publish(TENANT)).await;
    attempt(&other, &publish(TENANT)).await.unwrap_err();
    attempt(&session, &publish(TENANT)).await.unwrap_err();
}

/// Memory whose handle can't be written down would be this session's alone.
#[tokio::test]
async fn a_look_at_what_is_used_makes_no_memory_of_its_own() {
    let (db, session) = database("limit_read_only").await;
    limit(&session, EVENTS, 1).await;
    session
        .run(&format!(
            "begin read only; select * from webhooks.tenant_usage('{TENANT}'); commit"
        ))
        .await;
    let other = Session::open(&db).await;
    other.run(&publish(TENANT)).await;
    attempt(&session, &publish(TENANT)).await.unwrap_err();
}
