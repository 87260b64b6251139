//! No sidecar waits for rows that a tenant's transaction has locked: they are left for later, and the session that has
//! locked them is named.
//! Each sidecar's session gives up at once if it has to wait.

use serde_json::json;
use webhooks_tests::database::{Database, MANAGER_ROLE, MONITOR_ROLE, SIDECAR_ROLE};

use crate::support::composite::Composite;
use crate::support::session::Session;
use crate::support::world::{OTHER_TENANT as U, TENANT as T, subscribe};

/// Of T and of U, in the same shard.
const T_SUBSCRIPTION: &str = "00000000-0000-7000-8000-000000000001";
const U_SUBSCRIPTION: &str = "00000000-0000-7000-8000-000000000011";
const PROMOTE: &str = "select array_to_string(subscription_ids, ' '), next_due_in_ms, cardinality(locked_ids) from webhooks_private.promote_due('{1}')";

struct Scene {
    db: Database,
    admin: Session,
    sidecar: Session,
    /// T's.
    manager: Session,
}

impl Scene {
    /// Two tenants with a subscription each, and a delivery each of which the retry is due.
    async fn set(name: &str) -> Self {
        let db = Database::fresh(name).await.unwrap();
        let admin = Session::open(&db).await;
        admin
            .run("select webhooks.set_setting('verification_origin', 'events.example.com')")
            .await;
        for (tenant, id) in [(T, T_SUBSCRIPTION), (U, U_SUBSCRIPTION)] {
            subscribe(&db, json!({"id": id, "tenant_id": tenant})).await;
            db.publish_many(tenant.parse().unwrap(), "job.created", 1)
                .await
                .unwrap();
        }
        admin
            .run("update webhooks.delivery_queue set attempt = 1, next_attempt_at = now() - interval '2 s'")
            .await;
        let sidecar = Session::open_as(&db, SIDECAR_ROLE).await;
        sidecar.run("set lock_timeout = '1ms'").await;
        let manager = Session::open_as(&db, MANAGER_ROLE).await;
        manager
            .run(&format!("select webhooks.set_tenant('{T}', true)"))
            .await;
        Self {
            db,
            admin,
            sidecar,
            manager,
        }
    }

    async fn delivery_of(&self, subscription: &str) -> String {
        let query = format!(
            "select id from webhooks.delivery_queue where subscription_id = '{subscription}'"
        );
        self.admin.text(&query).await
    }

    /// The answer of `locked_deliveries()` about both deliveries.
    async fn locked(&self, disables: bool, changes_breaker: bool) -> Vec<String> {
        let result = |delivery, subscription| {
            let reason = if disables { "'410'" } else { "null" };
            let breaker = if changes_breaker { "'open'" } else { "null" };
            Composite::of("attempt_result")
                .with("delivery_id", format_args!("'{delivery}'"))
                .with("subscription_id", format_args!("'{subscription}'"))
                .with("disable_reason", reason)
                .with("breaker", breaker)
        };
        let t = result(self.delivery_of(T_SUBSCRIPTION).await, T_SUBSCRIPTION);
        let u = result(self.delivery_of(U_SUBSCRIPTION).await, U_SUBSCRIPTION);
        let locked = format!("select l from webhooks_private.locked_deliveries(array[{t}, {u}]) l");
        self.sidecar.lines(&locked).await
    }
}

#[tokio::test]
async fn due_deliveries_that_are_locked_are_left_for_later() {
    for lock in [
        format!("select webhooks.cancel_deliveries('{T_SUBSCRIPTION}')"),
        format!("select webhooks.delete_subscription('{T_SUBSCRIPTION}')"),
        format!(
            "select webhooks.cancel_deliveries('{T_SUBSCRIPTION}'); savepoint s; select webhooks.delete_subscription('{T_SUBSCRIPTION}')"
        ),
    ] {
        let scene = Scene::set("promote_locked").await;
        scene.manager.run(&format!("begin; {lock}")).await;
        let promoted = scene.sidecar.text(PROMOTE).await;
        assert_eq!(promoted, format!("{U_SUBSCRIPTION}|250|1"), "{lock}");
        // Not at once, and again and again.
        assert_eq!(scene.sidecar.text(PROMOTE).await, "|250|1", "{lock}");
        // Whoever has locked it is named.
        let blockers = scene
            .sidecar
            .lines(&format!(
                "select distinct pid, role, relation, mode, since <= now() from webhooks.blockers('{{{}}}')",
                scene.delivery_of(T_SUBSCRIPTION).await
            ))
            .await;
        let named = format!(
            "{}|{MANAGER_ROLE}|webhooks.delivery_queue|row|t",
            scene.manager.pid()
        );
        assert_eq!(blockers, std::slice::from_ref(&named), "{lock}");
        // Also without a word of which.
        let monitor = Session::open_as(&scene.db, MONITOR_ROLE).await;
        let overdue = "select pid, role, relation, mode, since <= now() from webhooks.blockers()";
        assert_eq!(monitor.lines(overdue).await, [named], "{lock}");
        scene.manager.run("rollback").await;
        assert_eq!(
            scene.sidecar.text(PROMOTE).await,
            format!("{T_SUBSCRIPTION}|null|0"),
            "{lock}"
        );
        assert!(monitor.lines(overdue).await.is_empty());
    }
}

/// More than one call's worth of locked deliveries hide no other one.
#[tokio::test]
async fn many_locked_ones_hide_nobody_elses() {
    let scene = Scene::set("promote_many").await;
    scene
        .db
        .publish_many(T.parse().unwrap(), "job.created", 50)
        .await
        .unwrap();
    scene
        .admin
        .run(&format!("update webhooks.delivery_queue set attempt = 1, next_attempt_at = now() - interval '1 h' where tenant_id = '{T}'"))
        .await;
    scene
        .manager
        .run(&format!(
            "begin; select webhooks.cancel_deliveries('{T_SUBSCRIPTION}')"
        ))
        .await;
    let promote = "select array_to_string(subscription_ids, ' '), next_due_in_ms from webhooks_private.promote_due('{1}', 10)";
    assert_eq!(
        scene.sidecar.text(promote).await,
        format!("{U_SUBSCRIPTION}|250")
    );
}

/// A transaction that is prepared has no session, and lasts.
#[tokio::test]
async fn a_prepared_transaction_is_named() {
    let scene = Scene::set("locked_prepared").await;
    let gid = scene.db.name().to_owned();
    scene
        .manager
        .run(&format!("set webhooks.notify = off; begin; select webhooks.cancel_deliveries('{T_SUBSCRIPTION}'); prepare transaction '{gid}'"))
        .await;
    assert_eq!(
        scene.sidecar.text(PROMOTE).await,
        format!("{U_SUBSCRIPTION}|250|1")
    );
    let blockers = "select pid, prepared_transaction, role from webhooks.blockers()";
    assert_eq!(
        scene.sidecar.lines(blockers).await,
        [format!("null|{gid}|{MANAGER_ROLE}")]
    );
    scene
        .manager
        .run(&format!("rollback prepared '{gid}'"))
        .await;
    assert_eq!(
        scene.sidecar.text(PROMOTE).await,
        format!("{T_SUBSCRIPTION}|null|0")
    );
}

#[tokio::test]
async fn results_of_what_is_locked_are_told_from_the_others() {
    let scene = Scene::set("record_locked").await;
    let delivery = scene.delivery_of(T_SUBSCRIPTION).await;
    assert!(scene.locked(true, true).await.is_empty());
    scene
        .admin
        .run("insert into webhooks_private.subscription_breakers (subscription_id, state) select id, 'open' from webhooks.webhook_subscriptions")
        .await;
    // The locked row; whether it matters to results that change neither subscription nor breaker, one, the other.
    for (lock, locked) in [
        (
            format!("select webhooks.cancel_deliveries('{T_SUBSCRIPTION}')"),
            [true, true, true],
        ),
        (
            format!(
                "select webhooks.update_subscription('{T_SUBSCRIPTION}', '{{\"name\": \"y\"}}')"
            ),
            [false, true, false],
        ),
        (
            format!("select webhooks.reset_breaker('{T_SUBSCRIPTION}')"),
            [false, false, true],
        ),
    ] {
        scene.manager.run(&format!("begin; {lock}")).await;
        for (n, (disables, breaker)) in [(false, false), (true, false), (false, true)]
            .into_iter()
            .enumerate()
        {
            let found = scene.locked(disables, breaker).await;
            let expected = if locked[n] {
                vec![delivery.clone()]
            } else {
                vec![]
            };
            assert_eq!(found, expected, "{lock}, {n}");
        }
        scene.manager.run("rollback").await;
    }
    assert!(scene.locked(true, true).await.is_empty());
}

#[tokio::test]
async fn answers_of_locked_subscriptions_are_returned() {
    let scene = Scene::set("verify_locked").await;
    scene
        .manager
        .run(&format!(
            "begin; select webhooks.update_subscription('{T_SUBSCRIPTION}', '{{\"name\": \"y\"}}')"
        ))
        .await;
    let answer = |subscription| {
        Composite::of("verification_answer")
            .with("subscription_id", format_args!("'{subscription}'"))
            .with("webhook_url", "'http://x.example/'")
            .with("origin", "'o'")
            .with("state", "'verified'")
    };
    let record = format!(
        "select webhooks_private.record_verifications(array[{}, {}])",
        answer(T_SUBSCRIPTION),
        answer(U_SUBSCRIPTION)
    );
    assert_eq!(scene.sidecar.lines(&record).await, [T_SUBSCRIPTION]);
    let verified = "select subscription_id from webhooks_private.subscription_verifications";
    assert_eq!(scene.admin.lines(verified).await, [U_SUBSCRIPTION]);
    scene.manager.run("commit").await;
    assert!(scene.sidecar.lines(&record).await.is_empty());
}

#[tokio::test]
async fn upkeep_leaves_what_is_locked() {
    let scene = Scene::set("maintain_locked").await;
    let admin = &scene.admin;
    admin.run("select webhooks.create_partitions()").await;
    admin
        .run(&format!(
            "update webhooks.delivery_queue set next_attempt_at = null;
             alter table webhooks.webhook_subscriptions disable trigger user;
             delete from webhooks.webhook_subscriptions;
             alter table webhooks.webhook_subscriptions enable trigger user;
             insert into webhooks_private.subscription_breakers (subscription_id, state) values ('{T_SUBSCRIPTION}', 'open'), ('{U_SUBSCRIPTION}', 'open');
             insert into webhooks_private.subscription_verifications (subscription_id, webhook_url, origin, state, since, tries)
             values ('{T_SUBSCRIPTION}', 'x', 'o', 'pending', now(), 0), ('{U_SUBSCRIPTION}', 'x', 'o', 'pending', now(), 0);
             insert into webhooks_private.idempotency_keys (tenant_id, idempotency_key, event_id, created_at)
             values ('{T}', 'k', webhooks.uuid_v7(), '2000-01-01'), ('{U}', 'k', webhooks.uuid_v7(), '2000-01-01')"
        ))
        .await;
    let other = Session::open(&scene.db).await;
    other
        .run(&format!(
            "begin; select from webhooks.delivery_queue where tenant_id = '{T}' for update;
             select from webhooks_private.subscription_breakers where subscription_id = '{T_SUBSCRIPTION}' for update;
             select from webhooks_private.subscription_verifications where subscription_id = '{T_SUBSCRIPTION}' for update;
             select from webhooks_private.idempotency_keys where tenant_id = '{T}' for update"
        ))
        .await;
    scene.sidecar.run("select webhooks.maintain()").await;
    let left = "select (select count(*) from webhooks.delivery_queue), (select count(*) from webhooks_private.subscription_breakers),
                       (select count(*) from webhooks_private.subscription_verifications), (select count(*) from webhooks_private.idempotency_keys)";
    assert_eq!(admin.text(left).await, "1|1|1|1");
    other.run("commit").await;
    scene.sidecar.run("select webhooks.maintain()").await;
    assert_eq!(admin.text(left).await, "0|0|0|0");
}

/// Whoever locks a table, or waits to, is named, whatever of ours it is, and without waiting.
#[tokio::test]
async fn a_session_that_locks_a_table_is_named() {
    let scene = Scene::set("table_locked").await;
    scene
        .admin
        .run("select webhooks.create_partitions(1)")
        .await;
    let tables = scene
        .admin
        .lines("select c.oid::regclass from pg_class c where c.relnamespace in ('webhooks'::regnamespace, 'webhooks_private'::regnamespace) and c.relkind in ('r', 'p') and c.relname !~ '_template$' order by 1")
        .await;
    let other = Session::open(&scene.db).await;
    for table in tables {
        other.run(&format!("begin; lock table only {table}")).await;
        let blockers = format!(
            "select pid, role, mode from webhooks.blockers('{{{T_SUBSCRIPTION}}}') where relation = '{table}'"
        );
        assert_eq!(
            scene.sidecar.lines(&blockers).await,
            [format!("{}|postgres|AccessExclusiveLock", other.pid())],
            "{table}"
        );
        other.run("rollback").await;
    }
}

/// A sidecar finds a change by the version if no notification told it.
#[tokio::test]
async fn subscriptions_with_other_versions_are_found() {
    let scene = Scene::set("changed_versions").await;
    let changed = async |version: &str| {
        scene
            .sidecar
            .lines(&format!(
                "select c from webhooks_private.changed_subscriptions('{{{T_SUBSCRIPTION},{U_SUBSCRIPTION}}}', '{{{version},1}}') c"
            ))
            .await
    };
    let digest = "select digest from webhooks_private.sidecar_settings()";
    let before = scene.sidecar.text(digest).await;
    scene.manager.run("set webhooks.notify = off").await;
    for (version, change) in [
        (
            "1",
            format!("select webhooks.cancel_deliveries('{T_SUBSCRIPTION}')"),
        ),
        (
            "2",
            format!("select webhooks.reset_breaker('{T_SUBSCRIPTION}')"),
        ),
        (
            "3",
            format!("select webhooks.delete_subscription('{T_SUBSCRIPTION}')"),
        ),
    ] {
        scene.manager.run(&format!("begin; {change}")).await;
        assert!(changed(version).await.is_empty(), "{change}");
        scene.manager.run("commit").await;
        assert_eq!(changed(version).await, [T_SUBSCRIPTION], "{change}");
    }
    assert_eq!(scene.sidecar.text(digest).await, before);
    scene
        .admin
        .run("select webhooks.set_setting('breaker_cooldown_seconds', 7)")
        .await;
    assert_ne!(scene.sidecar.text(digest).await, before);
}
