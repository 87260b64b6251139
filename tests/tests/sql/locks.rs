//! Locks of the extension's own: nobody else takes them, they are counted once, and no role may lock a table.

use webhooks_tests::database::{
    AUDITOR_ROLE, Database, MANAGER_ROLE, MONITOR_ROLE, PUBLISHER_ROLE, SIDECAR_ROLE, STRANGER_ROLE,
};

use crate::support::session::Session;

const HELD: &str =
    "select count(*) from pg_locks where pid = pg_backend_pid() and locktype = 'userlock'";
const CLASSES: std::ops::RangeInclusive<u32> = 1_464_156_748..=1_464_156_753;

/// Whoever may connect takes advisory locks of every class and key, and nobody notices.
#[tokio::test]
async fn outsiders_are_in_nobodys_way() {
    let db = Database::fresh("outsiders").await.unwrap();
    let tenant = "11111111-1111-4111-8111-111111111111";
    let outsider = Session::open_as(&db, STRANGER_ROLE).await;
    for class in CLASSES {
        outsider
            .run(&format!(
                "select pg_advisory_lock({class}, n), pg_advisory_lock(({class}::bigint << 32) + n) from generate_series(0, 31) n;
                 select pg_advisory_lock({class}, hashtext('{tenant}'))"
            ))
            .await;
    }
    let sidecar = Session::open_as(&db, SIDECAR_ROLE).await;
    sidecar
        .run("set lock_timeout = '1ms'; select webhooks_private.join_sidecars()")
        .await;
    let owned = "select cardinality(acquired) from webhooks_private.balance_shards('{}')";
    assert_eq!(sidecar.text(owned).await, "16");
    let arm = "select webhooks_private.arm_doorbell('{0,1,2}')";
    assert_eq!(sidecar.text(arm).await, "t");
    let admin = Session::open(&db).await;
    admin
        .run(&format!(
            "set lock_timeout = '1ms'; select webhooks_private.lock_tenant('{tenant}'), webhooks.create_partitions(1), webhooks.set_setting('tenant_max_events_per_minute', 1);
             select webhooks.publish_event('{tenant}', 'job.created')"
        ))
        .await;
    let refused = admin
        .refused(&format!(
            "select webhooks.publish_event('{tenant}', 'job.created')"
        ))
        .await;
    assert_eq!(refused.code, "53400", "limits are on: {refused:?}");
}

/// Only functions of the extension take them.
#[tokio::test]
async fn nobody_is_granted_the_locks_themselves() {
    let db = Database::fresh("granted_locks").await.unwrap();
    for role in [
        PUBLISHER_ROLE,
        MANAGER_ROLE,
        MONITOR_ROLE,
        AUDITOR_ROLE,
        SIDECAR_ROLE,
        STRANGER_ROLE,
    ] {
        let session = Session::open_as(&db, role).await;
        for call in [
            "lock_xact(1, 2)",
            "try_lock_xact(1, 2, true)",
            "try_lock(1, 2, false)",
            "unlock(1, 2, false)",
        ] {
            let refused = session
                .refused(&format!("select webhooks_private.{call}"))
                .await;
            assert_eq!(refused.code, "42501", "{role}: {call}");
        }
    }
}

#[tokio::test]
async fn a_session_has_each_lock_once_however_often_it_takes_it() {
    let db = Database::fresh("counted_locks").await.unwrap();
    let sidecar = Session::open_as(&db, SIDECAR_ROLE).await;
    for _ in 0..3 {
        sidecar
            .run("select webhooks_private.join_sidecars(), webhooks_private.arm_doorbell('{1,2}'), webhooks_private.balance_shards('{}')")
            .await;
    }
    assert_eq!(sidecar.text(HELD).await, "19");
    // A statement that fails leaves nothing that a later one can't make good.
    sidecar
        .refused("do $$ begin perform webhooks_private.arm_doorbell('{3,4}'); raise 'x'; end $$")
        .await;
    sidecar
        .run("select webhooks_private.disarm_doorbell('{1,2,3,4}'), webhooks_private.release_shards('{0,1,2,3}'), webhooks_private.leave_sidecars()")
        .await;
    assert_eq!(sidecar.text(HELD).await, "12");
    // A shard that its caller does not know to own is free again, or acquired.
    let other = Session::open_as(&db, SIDECAR_ROLE).await;
    other.run("select webhooks_private.join_sidecars()").await;
    sidecar
        .run("select webhooks_private.balance_shards('{4,5}')")
        .await;
    let all = "select cardinality(acquired) from webhooks_private.balance_shards('{}')";
    assert_eq!(other.text(all).await, "0");
    sidecar
        .run("select webhooks_private.release_shards(array(select generate_series(0, 15)::smallint))")
        .await;
    assert_eq!(sidecar.text(HELD).await, "0");
    assert_eq!(other.text(all).await, "16");
}

#[tokio::test]
async fn they_end_with_the_transaction_the_savepoint_or_the_session() {
    let db = Database::fresh("ended_locks").await.unwrap();
    let (one, other) = (Session::open(&db).await, Session::open(&db).await);
    let take = "select webhooks_private.try_lock_xact(7, -1, false)";
    assert_eq!(one.text(&format!("begin; {take}")).await, "t");
    assert_eq!(other.text(take).await, "f");
    assert_eq!(
        other
            .text("select webhooks_private.try_lock_xact(8, -1, false)")
            .await,
        "t"
    );
    one.run("commit").await;
    assert_eq!(other.text(take).await, "t");
    assert_eq!(one.text(&format!("begin; savepoint s; {take}")).await, "t");
    one.run("rollback to s").await;
    assert_eq!(other.text(take).await, "t");
    one.run("commit; select webhooks_private.try_lock(7, -1, false)")
        .await;
    assert_eq!(other.text(take).await, "f");
    let end = format!("select pg_terminate_backend({}, 10000)", one.pid());
    assert_eq!(other.text(&end).await, "t");
    assert_eq!(other.text(take).await, "t");
    // Somebody who waits is seen, and is given what he waits for.
    let waiter = Session::open(&db).await;
    other
        .run("begin; select webhooks_private.lock_xact(7, -1)")
        .await;
    let watcher = Session::open(&db).await;
    let blocked = async {
        watcher.wait_until_blocked(&waiter).await;
        other.run("commit").await;
    };
    tokio::join!(
        waiter.run("select webhooks_private.lock_xact(7, -1)"),
        blocked
    );
}

/// LOCK TABLE is granted with UPDATE, DELETE and TRUNCATE of a table: nobody is. What readers and writers may take is in
/// no sidecar's way.
#[tokio::test]
async fn no_role_may_lock_a_table() {
    let db = Database::fresh("lock_table").await.unwrap();
    let admin = Session::open(&db).await;
    admin.run("select webhooks.create_partitions(1)").await;
    let relations = admin
        .lines(
            "select c.oid::regclass from pg_class c where c.relnamespace in ('webhooks'::regnamespace, 'webhooks_private'::regnamespace) and c.relkind in ('r', 'p', 'v') order by 1",
        )
        .await;
    assert!(relations.len() > 30, "{relations:?}");
    for role in [
        "manager",
        "manager_backend",
        "manager_monitor",
        PUBLISHER_ROLE,
        MONITOR_ROLE,
        AUDITOR_ROLE,
        SIDECAR_ROLE,
    ] {
        let session = Session::open_as(&db, role).await;
        for relation in &relations {
            for mode in [
                "share update exclusive",
                "share",
                "share row exclusive",
                "exclusive",
                "access exclusive",
            ] {
                let lock = format!("begin; lock table {relation} in {mode} mode nowait");
                let refused = session.refused(&lock).await;
                assert_eq!(refused.code, "42501", "{role}: {lock}: {refused:?}");
                session.run("rollback").await;
            }
        }
    }
}

/// A manager deletes with functions, and updates as before.
#[tokio::test]
async fn managers_delete_by_functions() {
    let db = Database::fresh("delete_functions").await.unwrap();
    let manager = Session::open_as(&db, MANAGER_ROLE).await;
    manager
        .run(
            "select webhooks.set_tenant('11111111-1111-4111-8111-111111111111', true);
             select webhooks.create_subscription('11111111-1111-4111-8111-111111111111', 'a', 'https://a.example/', '[\"*\"]');
             insert into webhooks.subscription_templates (tenant_id, name, settings) values ('11111111-1111-4111-8111-111111111111', 'mine', '{}');
             update webhooks.webhook_subscriptions set name = 'b', auth_type = 'api_key', auth_config = '{\"api_key\": \"k\"}';
             update webhooks.subscription_templates set description = 'b';
             select from webhooks.webhook_subscriptions for update",
        )
        .await;
    for table in [
        "webhooks.webhook_subscriptions",
        "webhooks.subscription_templates",
        "webhooks_private.subscription_breakers",
    ] {
        let refused = manager.refused(&format!("delete from {table}")).await;
        assert_eq!(refused.code, "42501", "{table}");
    }
    let delete = "select webhooks.delete_subscription_template('11111111-1111-4111-8111-111111111111', 'mine')";
    assert_eq!(manager.text(delete).await, "t");
    assert_eq!(manager.text(delete).await, "f");
    manager
        .run("select webhooks.delete_subscription(id) from webhooks.list_subscriptions()")
        .await;
    let left = "select count(*) from webhooks.list_subscriptions()";
    assert_eq!(manager.text(left).await, "0");
    let admin = Session::open(&db).await;
    let audited = "select count(*) from webhooks.audit_log where action = 'deleted' and acting_role = 'manager'";
    assert_eq!(admin.text(audited).await, "2");
}
