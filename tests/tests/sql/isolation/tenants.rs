//! Setting the tenant, and being trusted with all of them.

use webhooks_tests::database::{BACKEND_ROLE, MANAGER_ROLE, PUBLISHER_ROLE, STRANGER_ROLE};

use super::cast::{self, OURS, THEIRS, Tenant, attempt};
use crate::support::session::Session;

const COUNT: &str = "select count(*) from webhooks.webhook_subscriptions";

fn publish(tenant: Tenant) -> String {
    format!(
        "select webhooks.publish_event('{}', 'job.created')",
        tenant.id
    )
}

fn insert(tenant: Tenant) -> String {
    format!(
        "insert into webhooks.event_logs (tenant_id, event_type, event_category, event_name, event_data)
         values ('{}', 'job.created', 'job', 'x', '{{}}')",
        tenant.id
    )
}

#[tokio::test]
async fn a_tenant_is_set_for_the_transaction_or_for_the_session() {
    let (db, _admin) = cast::database("set_tenant").await;
    let manager = Session::open_as(&db, MANAGER_ROLE).await;
    let set =
        |tenant: Tenant, rest: &str| format!("select webhooks.set_tenant('{}'{rest})", tenant.id);
    let current = "select webhooks.current_tenant()";
    assert_eq!(manager.text(current).await, "null");
    assert_eq!(manager.text(COUNT).await, "0");

    manager.run(&format!("begin; {}", set(OURS, ""))).await;
    assert_eq!(manager.text(COUNT).await, "2");
    manager
        .run(&format!("savepoint s; {}", set(THEIRS, "")))
        .await;
    assert_eq!(manager.text(COUNT).await, "3");
    manager.run("rollback to s").await;
    assert_eq!(manager.text(COUNT).await, "2");
    manager.run("commit").await;
    assert_eq!(manager.text(current).await, "null");
    assert_eq!(manager.text(COUNT).await, "0");

    manager.run(&set(OURS, ", for_session => true")).await;
    assert_eq!(manager.text(COUNT).await, "2");
    manager.run(&format!("begin; {}", set(THEIRS, ""))).await;
    assert_eq!(manager.text(COUNT).await, "3");
    manager.run("commit").await;
    assert_eq!(manager.text(current).await, OURS.id);
    for none in [
        "select webhooks.set_tenant(null, true)",
        "reset webhooks.tenant_id",
        "set webhooks.tenant_id = ''",
    ] {
        manager.run(&set(OURS, ", for_session => true")).await;
        manager.run(none).await;
        assert_eq!(manager.text(COUNT).await, "0", "{none}");
    }
    manager
        .run(&format!("set webhooks.tenant_id = '{}'", THEIRS.id))
        .await;
    assert_eq!(manager.text(COUNT).await, "3");
    // No tenant at all is not everybody.
    manager.run("set webhooks.tenant_id = 'acme'").await;
    assert_eq!(manager.refused(COUNT).await.code, "22P02");
}

/// Whether by function or by INSERT, the error is one and the same, and says what to do.
#[tokio::test]
async fn publishing_for_another_tenant_is_refused_with_a_hint() {
    let (db, _admin) = cast::database("refusals").await;
    let publisher = Session::open_as(&db, PUBLISHER_ROLE).await;
    for statement in [publish(THEIRS), insert(THEIRS)] {
        let refused = attempt(&publisher, Some(OURS), &statement).await;
        let refusal = refused.refusal();
        assert_eq!(refusal.code, "42501");
        assert_eq!(
            refusal.message,
            format!(
                "tenant {} can't be accessed: the tenant that is set is {}",
                THEIRS.id, OURS.id
            )
        );
        assert!(
            refusal.hint.contains("in a transaction of its own"),
            "{refusal:?}"
        );

        let refused = attempt(&publisher, None, &statement).await;
        let refusal = refused.refusal();
        assert_eq!(refusal.code, "42501");
        assert_eq!(
            refusal.message,
            format!("tenant {} can't be accessed: no tenant is set", THEIRS.id)
        );
        assert!(
            refusal
                .hint
                .contains(&format!("select webhooks.set_tenant('{}')", THEIRS.id)),
            "{refusal:?}"
        );
        assert!(
            refusal.hint.contains("webhooks.grant_all_tenants("),
            "{refusal:?}"
        );

        assert!(
            !attempt(&publisher, Some(THEIRS), &statement)
                .await
                .is_refused()
        );
        publisher.run("set webhooks.tenant_id = 'acme'").await;
        assert_eq!(publisher.refused(&statement).await.code, "22P02");
        publisher.run("reset webhooks.tenant_id").await;
    }
    // One row that is another's refuses them all.
    let mixed = format!(
        "insert into webhooks.event_logs (tenant_id, event_type, event_category, event_name, event_data)
         select t, 'job.created', 'job', 'x', '{{}}' from unnest('{{{0},{0},{1}}}'::uuid[]) t",
        OURS.id, THEIRS.id
    );
    assert!(attempt(&publisher, Some(OURS), &mixed).await.is_refused());
    // Nor does it make a difference that what is nobody's is nobody's.
    let nobodys = publish(OURS).replace(&format!("'{}'", OURS.id), "null");
    assert_eq!(
        attempt(&publisher, Some(OURS), &nobodys)
            .await
            .refusal()
            .code,
        "23502"
    );
}

/// A pooler's session is who it says it is: what counts is SET ROLE.
#[tokio::test]
async fn a_pooled_session_is_the_role_that_it_set() {
    let (db, admin) = cast::database("pooled").await;
    admin
        .run("create role pooled_login login noinherit in role webhooks_publisher, webhooks_manager, backend, manager_backend")
        .await;
    let pooled = Session::open_as(&db, "pooled_login").await;
    assert_eq!(pooled.refused(&publish(OURS)).await.code, "42501");
    for _ in 0..2 {
        pooled.run("set role backend").await;
        for statement in [publish(OURS), publish(THEIRS), insert(OURS), insert(THEIRS)] {
            assert!(
                !attempt(&pooled, None, &statement).await.is_refused(),
                "{statement}"
            );
        }
        pooled.run("set role webhooks_publisher").await;
        for statement in [publish(THEIRS), insert(THEIRS)] {
            assert!(
                attempt(&pooled, None, &statement).await.is_refused(),
                "{statement}"
            );
            assert!(
                attempt(&pooled, Some(OURS), &statement).await.is_refused(),
                "{statement}"
            );
            assert!(
                !attempt(&pooled, Some(THEIRS), &statement)
                    .await
                    .is_refused(),
                "{statement}"
            );
        }
        pooled.run("set role webhooks_manager").await;
        assert_eq!(attempt(&pooled, Some(OURS), COUNT).await.value(), "2");
        pooled.run("set role manager_backend").await;
        assert_eq!(attempt(&pooled, Some(OURS), COUNT).await.value(), "5");
        // The superuser's own sessions as well.
        admin.run("set role webhooks_publisher").await;
        assert!(attempt(&admin, None, &publish(OURS)).await.is_refused());
        admin
            .run("reset role; set session authorization publisher")
            .await;
        assert!(attempt(&admin, None, &publish(OURS)).await.is_refused());
        admin.run("reset session authorization").await;
        assert!(!attempt(&admin, None, &publish(OURS)).await.is_refused());
    }
}

/// By function and by statement alike: superusers, the owner's deputies and roles with BYPASSRLS.
#[tokio::test]
async fn whom_policies_do_not_bind_no_function_binds() {
    let (db, admin) = cast::database("unbound").await;
    admin
        .run("create role unbound_bypass login bypassrls in role webhooks_publisher, webhooks_manager;
              create role unbound_deputy login in role postgres;
              create role unbound_not login in role webhooks_publisher, webhooks_manager, unbound_bypass")
        .await;
    let nobody = "select webhooks.bypasses_isolation('unbound_nobody')";
    assert_eq!(admin.text(nobody).await, "f");
    let redacted = format!(
        "select webhooks_private.redacted_headers('{}')",
        THEIRS.subscription
    );
    for (role, is_unbound) in [
        ("postgres", true),
        ("unbound_bypass", true),
        ("unbound_deputy", true),
        ("unbound_not", false),
    ] {
        let session = Session::open_as(&db, role).await;
        for statement in [publish(THEIRS), insert(THEIRS)] {
            let outcome = attempt(&session, Some(OURS), &statement).await;
            assert_eq!(
                !outcome.is_refused(),
                is_unbound,
                "{role}: {statement}: {outcome:?}"
            );
        }
        assert_eq!(
            attempt(&session, None, COUNT).await.value() == "5",
            is_unbound,
            "{role}"
        );
        assert_eq!(
            attempt(&session, None, &redacted).await.value() != "null",
            is_unbound,
            "{role}"
        );
    }
}

#[tokio::test]
async fn all_tenants_are_granted_and_revoked() {
    let (db, admin) = cast::database("all_tenants").await;
    admin
        .run("create role \"All Tenants\" login in role webhooks_publisher; create role granted_through login in role \"All Tenants\"")
        .await;
    let session = Session::open_as(&db, "All Tenants").await;
    let through = Session::open_as(&db, "granted_through").await;
    for _ in 0..2 {
        admin
            .run("select webhooks.grant_all_tenants('All Tenants')")
            .await;
        for session in [&session, &through] {
            assert!(
                !attempt(session, Some(OURS), &publish(THEIRS))
                    .await
                    .is_refused()
            );
            assert!(!attempt(session, None, &insert(THEIRS)).await.is_refused());
            // No more than that.
            assert_eq!(attempt(session, None, COUNT).await.refusal().code, "42501");
        }
        admin.run("select webhooks.grant_all_tenants('All Tenants'); select webhooks.revoke_all_tenants(role => 'All Tenants')").await;
        for session in [&session, &through] {
            assert!(
                attempt(session, Some(OURS), &publish(THEIRS))
                    .await
                    .is_refused()
            );
            assert!(attempt(session, None, &insert(THEIRS)).await.is_refused());
        }
    }
    admin
        .run("select webhooks.revoke_all_tenants('All Tenants')")
        .await;

    admin
        .run("create role all_tenants_aloof login noinherit; create role all_tenants_heir login in role backend")
        .await;
    for (call, code, message) in [
        (
            "grant_all_tenants('all_tenants_nobody')",
            "42704",
            "there is no role \"all_tenants_nobody\"",
        ),
        (
            "revoke_all_tenants('all_tenants_nobody')",
            "42704",
            "there is no role \"all_tenants_nobody\"",
        ),
        (
            "grant_all_tenants(null)",
            "42704",
            "there is no role \"null\"",
        ),
        (
            "revoke_all_tenants(null)",
            "42704",
            "there is no role \"null\"",
        ),
        (
            "grant_all_tenants('webhooks_publisher')",
            "0LP01",
            "role \"webhooks_publisher\" is not given all tenants: every member would have them",
        ),
        (
            "revoke_all_tenants('all_tenants_heir')",
            "0LP01",
            "role \"all_tenants_heir\" still has all tenants, by way of another role or as superuser",
        ),
    ] {
        let refusal = admin.refused(&format!("select webhooks.{call}")).await;
        assert_eq!(
            (refusal.code.as_str(), refusal.message.as_str()),
            (code, message)
        );
        assert!(!refusal.hint.is_empty(), "{call}");
    }
    // A DBA need not be superuser.
    admin
        .run(
            "create role all_tenants_dba login; grant usage on schema webhooks to all_tenants_dba;
             grant execute on function webhooks.grant_all_tenants(name), webhooks.revoke_all_tenants(name) to all_tenants_dba",
        )
        .await;
    let dba = Session::open_as(&db, "all_tenants_dba").await;
    dba.run("select webhooks.grant_all_tenants('All Tenants')")
        .await;
    assert!(!attempt(&session, None, &publish(THEIRS)).await.is_refused());
    dba.run("select webhooks.revoke_all_tenants('All Tenants')")
        .await;
    assert!(attempt(&session, None, &publish(THEIRS)).await.is_refused());

    // A right that would not be inherited is inherited, or refused.
    let aloof = "select webhooks.grant_all_tenants('all_tenants_aloof')";
    let version: u32 = admin.text("show server_version_num").await.parse().unwrap();
    if version >= 160_000 {
        admin.run(aloof).await;
        assert_eq!(
            admin
                .text("select pg_has_role('all_tenants_aloof', 'webhooks_all_tenants', 'usage')")
                .await,
            "t"
        );
    } else {
        let refusal = admin.refused(aloof).await;
        assert_eq!(
            refusal.hint,
            "Make it do so: alter role all_tenants_aloof inherit;"
        );
    }
    for role in [
        "webhooks_publisher",
        "webhooks_manager",
        "webhooks_monitor",
        "webhooks_auditor",
        "webhooks_sidecar",
        "webhooks_console",
    ] {
        let has = format!("select pg_has_role('{role}', 'webhooks_all_tenants', 'member')");
        assert_eq!(admin.text(&has).await, "f", "{role}");
    }
}

/// In a function of the application's that runs as its owner, a statement goes by that owner's rights, publish_event()
/// by the session's: PostgreSQL does not tell a function who called it. So such a function sets the tenant.
#[tokio::test]
async fn an_applications_own_definer_functions_set_the_tenant() {
    let (db, admin) = cast::database("definers").await;
    let call = publish(OURS).replacen("select", "perform", 1);
    admin
        .run(&format!(
            "create schema definers; grant usage on schema definers to public;
             create function definers.inserts() returns void language plpgsql security definer set search_path = pg_catalog, pg_temp as $$ begin {}; end $$;
             create function definers.publishes() returns void language plpgsql security definer set search_path = pg_catalog, pg_temp as $$ begin {call}; end $$;
             create function definers.sets_and_publishes() returns void language plpgsql security definer
             set search_path = pg_catalog, pg_temp set webhooks.tenant_id = '' as $$ begin perform webhooks.set_tenant('{}'); {call}; end $$;
             alter function definers.inserts() owner to {BACKEND_ROLE};
             alter function definers.publishes() owner to {BACKEND_ROLE};
             alter function definers.sets_and_publishes() owner to {PUBLISHER_ROLE}",
            insert(OURS),
            OURS.id
        ))
        .await;
    let stranger = Session::open_as(&db, STRANGER_ROLE).await;
    assert!(
        !attempt(&stranger, None, "select definers.inserts()")
            .await
            .is_refused()
    );
    assert!(
        attempt(&stranger, None, "select definers.publishes()")
            .await
            .is_refused()
    );
    let set = "select definers.sets_and_publishes(); select current_setting('webhooks.tenant_id')";
    // And what the session had set is set again.
    assert_eq!(
        attempt(&stranger, Some(THEIRS), set).await.value_of_last(),
        THEIRS.id
    );
}
