use serde_json::json;
use uuid::Uuid;
use webhooks_tests::database::Database;

use crate::support::session::Session;
use crate::support::world::subscribe;

const FOREIGN_KEYS: &str =
    "select conrelid::regclass::text || ' ' || pg_get_constraintdef(oid) from pg_constraint
    where contype = 'f' and conparentid = 0 order by 1";
const LINKED: [&str; 4] = [
    "webhooks.event_logs FOREIGN KEY (tenant_id) REFERENCES \"Our tenants\"(\"Id\") ON DELETE CASCADE",
    "webhooks.event_logs FOREIGN KEY (user_id) REFERENCES users(id)",
    "webhooks.webhook_subscriptions FOREIGN KEY (created_by) REFERENCES users(id)",
    "webhooks.webhook_subscriptions FOREIGN KEY (tenant_id) REFERENCES \"Our tenants\"(\"Id\") ON DELETE CASCADE",
];
const LINK: &str = "select webhooks.link_tenants('public.\"Our tenants\"', 'Id'); select webhooks.link_users('users')";
/// Rows by relation that carry a tenant's id.
const ROWS: &str = "
    select (select count(*) from webhooks.event_logs), (select count(*) from webhooks.webhook_subscriptions),
           (select count(*) from webhooks_private.subscription_routes), (select count(*) from webhooks.delivery_queue),
           (select count(*) from webhooks.delivery_attempts), (select count(*) from webhooks_private.idempotency_keys)";

/// An application with two tenants and a user, tables with names that need quoting.
async fn application(name: &str) -> (Database, Session, [Uuid; 2], Uuid) {
    let db = Database::fresh(name).await.unwrap();
    let session = Session::open(&db).await;
    session
        .run(
            "create table public.\"Our tenants\" (\"Id\" uuid primary key, name text);
             create table public.users (id uuid primary key)",
        )
        .await;
    let (tenants, user) = ([db.tenant(), db.tenant()], db.tenant());
    for tenant in tenants {
        session
            .run(&format!(
                "insert into public.\"Our tenants\" values ('{tenant}')"
            ))
            .await;
    }
    session
        .run(&format!("insert into public.users values ('{user}')"))
        .await;
    (db, session, tenants, user)
}

fn publish(tenant: Uuid, user: Uuid) -> String {
    format!(
        "select webhooks.publish_event('{tenant}', 'job.created', user_id => '{user}', idempotency_key => 'k')"
    )
}

#[tokio::test]
async fn linked_tables_are_enforced() {
    let (db, session, [tenant, _], user) = application("enforced").await;
    session.run("select webhooks.create_partitions(1)").await;
    // Also for what is there already.
    session.run(LINK).await;
    assert_eq!(session.lines(FOREIGN_KEYS).await, LINKED);
    session.run(&publish(tenant, user)).await;

    let stranger = db.tenant();
    for (sql, key) in [
        (publish(stranger, user), "event_logs_tenant_id_fkey"),
        (
            publish(tenant, stranger).replace("'k'", "'l'"),
            "event_logs_user_id_fkey",
        ),
        (
            format!(
                "insert into webhooks.webhook_subscriptions (tenant_id, name, webhook_url) values ('{stranger}', 'x', 'http://x.example/')"
            ),
            "webhook_subscriptions_tenant_id_fkey",
        ),
        (
            format!(
                "insert into webhooks.webhook_subscriptions (tenant_id, name, webhook_url, created_by) values ('{tenant}', 'x', 'http://x.example/', '{stranger}')"
            ),
            "webhook_subscriptions_created_by_fkey",
        ),
        (
            "delete from public.users".to_owned(),
            "event_logs_user_id_fkey",
        ),
    ] {
        let refusal = session.refused(&sql).await;
        assert_eq!(refusal.code, "23503", "{sql}");
        assert!(refusal.message.contains(key), "{sql}: {}", refusal.message);
    }
    // Partitions made later are linked too.
    session.run("select webhooks.create_partitions(8)").await;
    let partitions = "select count(distinct conrelid) from pg_constraint
                      where contype = 'f' and conname like 'event_logs_tenant_id_fkey%' and conrelid::regclass::text ~ 'event_logs_[0-9d]'";
    assert_eq!(session.text(partitions).await, "10");
}

#[tokio::test]
async fn a_deleted_tenant_is_forgotten_and_only_it() {
    let (db, session, tenants, user) = application("cascade").await;
    session.run("select webhooks.create_partitions(1)").await;
    session.run(LINK).await;
    for tenant in tenants {
        subscribe(&db, json!({"tenant_id": tenant})).await;
        session.run(&publish(tenant, user)).await;
        db.publish_many(tenant, "job.failed", 2).await.unwrap();
    }
    session
        .run(
            "insert into webhooks.delivery_attempts (delivery_id, delivery_attempt, attempted_at, subscription_id, event_log_id, tenant_id, delivery_status)
             select id, 1, now(), subscription_id, event_log_id, tenant_id, 'retrying' from webhooks.delivery_queue",
        )
        .await;
    assert_eq!(session.text(ROWS).await, "6|2|2|6|6|2");
    let delete = |tenant| format!("delete from public.\"Our tenants\" where \"Id\" = '{tenant}'");
    session
        .run(&format!("begin; {}; rollback", delete(tenants[0])))
        .await;
    assert_eq!(session.text(ROWS).await, "6|2|2|6|6|2");
    // Also by the application's role, which has no rights here.
    session
        .run(
            "create role cascade_application; grant select, delete on public.\"Our tenants\" to cascade_application;
             set role cascade_application",
        )
        .await;
    session.run(&delete(tenants[0])).await;
    session
        .run("reset role; drop owned by cascade_application; drop role cascade_application")
        .await;
    assert_eq!(session.text(ROWS).await, "3|1|1|3|3|1");
    let left = "select distinct tenant_id from (select tenant_id from webhooks.event_logs union all select tenant_id from webhooks.delivery_queue
                union all select tenant_id from webhooks.delivery_attempts union all select tenant_id from webhooks_private.idempotency_keys) t";
    assert_eq!(session.text(left).await, tenants[1].to_string());
    session.run(&delete(tenants[1])).await;
    assert_eq!(session.text(ROWS).await, "0|0|0|0|0|0");
}

#[tokio::test]
async fn unlinked_tables_are_free_again() {
    let (_db, session, [tenant, _], user) = application("unlink").await;
    let links =
        "select kind, table_name, id_column from webhooks_private.linked_tables order by kind";
    // Twice is once; another table instead is that one.
    for _ in 0..2 {
        session.run(LINK).await;
        assert_eq!(
            session.lines(links).await,
            ["tenants|public.\"Our tenants\"|Id", "users|public.users|id"]
        );
        assert_eq!(session.lines(FOREIGN_KEYS).await, LINKED);
    }
    session
        .run("create table public.members (id uuid primary key); select webhooks.link_users('public.members')")
        .await;
    let keys = session.lines(FOREIGN_KEYS).await;
    assert_eq!(keys.len(), 4);
    assert!(keys[1].contains("REFERENCES members(id)"), "{keys:?}");

    session
        .run("select webhooks.unlink_tenants(), webhooks.unlink_users()")
        .await;
    assert!(session.lines(FOREIGN_KEYS).await.is_empty());
    assert!(session.lines(links).await.is_empty());
    session.run(&publish(Uuid::new_v4(), Uuid::new_v4())).await;
    session.run(&publish(tenant, user)).await;
    let delete = format!("delete from public.\"Our tenants\" where \"Id\" = '{tenant}'");
    session.run(&delete).await;
    assert_eq!(session.text(ROWS).await, "2|0|0|0|0|2");
    // Nothing is left to unlink.
    session
        .run("select webhooks.unlink_tenants(), webhooks.unlink_users()")
        .await;
    let triggers = "select count(*) from pg_trigger where tgname = 'webhooks_forget_tenants'";
    assert_eq!(session.text(triggers).await, "0");
}

#[tokio::test]
async fn a_table_that_cannot_be_linked_is_refused_and_nothing_changes() {
    let (_db, session, [tenant, _], user) = application("wrong").await;
    session.run(LINK).await;
    session
        .run(
            "create table public.numbered (id integer primary key);
             create table public.keyless (id uuid)",
        )
        .await;
    for (call, code) in [
        ("link_tenants('public.missing')", "42P01"),
        ("link_tenants('public.numbered')", "42804"),
        ("link_tenants('public.keyless')", "42830"),
        ("link_tenants('public.users', 'no_column')", "42703"),
        ("link_users('public.numbered')", "42804"),
        ("link_users('public.\"Our tenants\"')", "42703"),
        ("link_tenants(null)", "22004"),
        ("link_users(null)", "22004"),
    ] {
        let refusal = session.refused(&format!("select webhooks.{call}")).await;
        assert_eq!(refusal.code, code, "{call}: {refusal:?}");
        assert_eq!(session.lines(FOREIGN_KEYS).await, LINKED, "{call}");
    }
    // Rows that the application's table does not have.
    session.run("select webhooks.unlink_tenants()").await;
    session.run(&publish(Uuid::new_v4(), user)).await;
    let refusal = session.refused(LINK).await;
    assert_eq!(refusal.code, "23503");
    assert_eq!(session.lines(FOREIGN_KEYS).await.len(), 2);
    session
        .run(&format!(
            "delete from webhooks.event_logs where tenant_id <> '{tenant}'"
        ))
        .await;
    session.run(LINK).await;
    assert_eq!(session.lines(FOREIGN_KEYS).await, LINKED);
}

#[tokio::test]
async fn maintain_links_again_what_a_restore_lost() {
    let (_db, session, _, _) = application("relink").await;
    session.run(LINK).await;
    session
        .run(
            "alter table webhooks.event_logs drop constraint event_logs_tenant_id_fkey;
             alter table webhooks.webhook_subscriptions drop constraint webhook_subscriptions_created_by_fkey",
        )
        .await;
    let linked = "select done from webhooks.maintain() where task = 'apply_links'";
    assert_eq!(session.text(linked).await, "2");
    assert_eq!(session.lines(FOREIGN_KEYS).await, LINKED);
    assert_eq!(session.text(linked).await, "0");
    // A table that is gone is no reason to stop.
    session
        .run("drop table public.\"Our tenants\" cascade")
        .await;
    assert_eq!(session.text(linked).await, "0");
    assert_eq!(session.lines(FOREIGN_KEYS).await.len(), 2);
    session.run("select webhooks.unlink_tenants()").await;
}
