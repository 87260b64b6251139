//! The limits in force, the roles that may see and set them, and the view of them.

use webhooks_tests::database::{MANAGER_ROLE, MONITOR_ROLE, PUBLISHER_ROLE};

use super::{OTHER_TENANT, TENANT, attempt, count, database, insert, limit, publish};
use crate::support::session::{Refusal, Session};

const TRIGGERS: &str = "select count(*) from pg_trigger where tgname = 'a10_limit_events'";

#[tokio::test]
async fn a_tenant_without_limits_costs_nothing() {
    let (_db, session) = database("limit_none").await;
    assert_eq!(session.text(TRIGGERS).await, "0");
    for (statement, expected) in [
        (
            "select webhooks.set_tenant_limits('{TENANT}', max_subscriptions => 5)",
            "0",
        ),
        (
            "select webhooks.set_tenant_limits('{TENANT}', max_events_per_minute => 0)",
            "0",
        ),
        (
            "select webhooks.set_tenant_limits('{TENANT}', max_events_per_minute => 5)",
            "1",
        ),
        (
            "select webhooks.set_tenant_limits('{TENANT}', max_outstanding_deliveries => 5)",
            "1",
        ),
        (
            "select webhooks.set_setting('tenant_max_events_per_minute', 5)",
            "1",
        ),
        ("select webhooks.set_tenant_limits('{TENANT}')", "1"),
        (
            "select webhooks.set_setting('tenant_max_events_per_minute', 0)",
            "0",
        ),
        (
            "select webhooks.set_setting('tenant_max_outstanding_deliveries', 5)",
            "1",
        ),
        (
            "select webhooks.reset_setting('tenant_max_outstanding_deliveries')",
            "0",
        ),
        (
            "insert into webhooks.tenant_limits values ('{TENANT}', null, 1, null)",
            "1",
        ),
        ("truncate webhooks.tenant_limits", "0"),
    ] {
        session.run(&statement.replace("{TENANT}", TENANT)).await;
        assert_eq!(session.text(TRIGGERS).await, expected, "{statement}");
    }
}

#[tokio::test]
async fn the_settings_are_for_tenants_without_limits_of_their_own() {
    let (_db, session) = database("limit_defaults").await;
    session
        .run(
            "select webhooks.set_setting('tenant_max_events_per_minute', 2);
             select webhooks.set_setting('tenant_max_subscriptions', 1)",
        )
        .await;
    for tenant in [TENANT, OTHER_TENANT] {
        session.run(&insert(tenant, 2)).await;
        attempt(&session, &publish(tenant)).await.unwrap_err();
    }
    // Its own: more, and none.
    limit(&session, "max_events_per_minute", 4).await;
    session.run(&insert(TENANT, 2)).await;
    attempt(&session, &publish(TENANT)).await.unwrap_err();
    attempt(&session, &publish(OTHER_TENANT)).await.unwrap_err();
    limit(&session, "max_events_per_minute", 0).await;
    session.run(&insert(TENANT, 50)).await;
    let subscribe = format!(
        "insert into webhooks.webhook_subscriptions (tenant_id, name, webhook_url) values ('{TENANT}', 'x', 'http://x.example/')"
    );
    attempt(&session, &subscribe).await.unwrap_err();
    limit(&session, "max_subscriptions", 0).await;
    session.run(&subscribe).await;
    // Back to the setting's.
    let reset = format!("select webhooks.set_tenant_limits('{TENANT}')");
    session.run(&reset).await;
    assert_eq!(count(&session, "tenant_limits").await, 0);
    attempt(&session, &subscribe).await.unwrap_err();
}

#[tokio::test]
async fn invalid_limits_are_refused() {
    let (_db, session) = database("limit_invalid").await;
    for (limit, n, highest) in [
        ("max_subscriptions", "-1", "1000000"),
        ("max_subscriptions", "1000001", "1000000"),
        ("max_events_per_minute", "1000000001", "1000000000"),
        ("max_outstanding_deliveries", "-5", "1000000000"),
    ] {
        let set = format!("select webhooks.set_tenant_limits('{TENANT}', {limit} => {n})");
        let refusal = session.refused(&set).await;
        assert_eq!(refusal.code, "22023");
        assert_eq!(refusal.message, format!("invalid {limit}: {n}"));
        assert_eq!(
            refusal.hint,
            format!(
                "It takes 1 to {highest}, 0 for no limit, or null for the setting tenant_{limit}."
            )
        );
    }
    assert_eq!(count(&session, "tenant_limits").await, 0);
}

#[tokio::test]
async fn a_tenant_sees_its_own_and_sets_none() {
    let (db, session) = database("limit_rights").await;
    session
        .run(&format!(
            "select webhooks.set_tenant_limits('{TENANT}', 7, 8, 9);
             select webhooks.set_tenant_limits('{OTHER_TENANT}', 70);
             select webhooks.set_setting('tenant_max_subscriptions', 5); {}",
            insert(TENANT, 2)
        ))
        .await;
    let usage = format!("select * from webhooks.tenant_usage('{TENANT}')");
    let expected = [
        "subscriptions|1|7|t",
        "events_per_minute|2|8|t",
        "outstanding_deliveries|2|9|t",
    ];
    for role in [MANAGER_ROLE, MONITOR_ROLE] {
        let session = Session::open_as(&db, role).await;
        let set = format!("set webhooks.tenant_id = '{TENANT}'");
        session.run(&set).await;
        assert_eq!(session.lines(&usage).await, expected, "{role}");
        let foreign = session.refused(&usage.replace(TENANT, OTHER_TENANT)).await;
        assert_eq!(foreign.code, "42501");
        let limits = "select tenant_id, max_subscriptions from webhooks.tenant_limits order by 1";
        let own = format!("{TENANT}|7");
        let all = [own.clone(), format!("{OTHER_TENANT}|70")];
        let seen: &[String] = if role == MANAGER_ROLE {
            &all[..1]
        } else {
            &all
        };
        assert_eq!(session.lines(limits).await, seen, "{role}");
        for change in [
            format!("select webhooks.set_tenant_limits('{TENANT}', 1000)"),
            "update webhooks.tenant_limits set max_subscriptions = 1000".to_owned(),
            "delete from webhooks.tenant_limits".to_owned(),
            format!("select webhooks_private.meter_events('{OTHER_TENANT}', 8, 8, 0)"),
            "select last_value from webhooks_private.meters_handle".to_owned(),
        ] {
            assert_eq!(session.refused(&change).await.code, "42501", "{change}");
        }
    }
    let publisher = Session::open_as(&db, PUBLISHER_ROLE).await;
    assert_eq!(publisher.refused(&usage).await.code, "42501");
    // The rest of the other's are the settings'.
    let others = usage.replace(TENANT, OTHER_TENANT);
    assert_eq!(
        session.lines(&others).await,
        [
            "subscriptions|1|70|t",
            "events_per_minute|null|null|f",
            "outstanding_deliveries|0|null|f"
        ]
    );
    // Whom the DBA trusts with it, and for the tenants that are its own.
    session
        .run(
            "create role limits_operator login; grant usage on schema webhooks to limits_operator;
              grant execute on function webhooks.set_tenant_limits to limits_operator",
        )
        .await;
    let operator = Session::open_as(&db, "limits_operator").await;
    let set = format!("select webhooks.set_tenant_limits('{TENANT}', 1, 1, 1)");
    assert_eq!(operator.refused(&set).await.code, "42501");
    operator
        .run(&format!("set webhooks.tenant_id = '{TENANT}'; {set}"))
        .await;
    let audited = "select action, tenant_id, object_id, before, after, acting_role from webhooks.audit_log where object_type = 'limits' order by id desc limit 1";
    assert_eq!(
        session.text(audited).await,
        format!(
            "updated|{TENANT}|{TENANT}|{{\"max_subscriptions\": 7, \"max_events_per_minute\": 8, \"max_outstanding_deliveries\": 9}}\
             |{{\"max_subscriptions\": 1, \"max_events_per_minute\": 1, \"max_outstanding_deliveries\": 1}}|limits_operator"
        )
    );
}

/// Setting the first limit waits for publishers in flight, and does not meet create_partitions() half-way.
#[tokio::test]
async fn setting_limits_is_no_deadlock() {
    let (db, session) = database("limit_locks").await;
    let [operator, upkeep] = [Session::open(&db).await, Session::open(&db).await];
    let watcher = Session::open(&db).await;
    session.run(&format!("begin; {}", publish(TENANT))).await;
    let limits =
        format!("select webhooks.set_tenant_limits('{TENANT}', max_events_per_minute => 5)");
    let set = async {
        // On a slow machine it gives up, too.
        while let Err(error) = operator.client().batch_execute(&limits).await {
            assert_eq!(Refusal::from(&error).code, "55P03");
        }
    };
    tokio::join!(set, async {
        watcher.wait_until_blocked(&operator).await;
        let made = "select webhooks.create_partitions(8)";
        let made = upkeep.client().batch_execute(made);
        let (made, ()) = tokio::join!(made, async {
            session.run(&publish(TENANT)).await;
            session.run("commit").await;
        });
        // Or else it gave up and will try again.
        if let Err(error) = made {
            assert_eq!(Refusal::from(&error).code, "55P03");
        }
    });
    assert_eq!(session.text(TRIGGERS).await, "1");
    // Two at once, either of which would make the trigger.
    session
        .run("select webhooks.set_tenant_limits(tenant_id) from webhooks.tenant_limits")
        .await;
    operator.run(&format!("begin; {limits}")).await;
    let default = "select webhooks.set_setting('tenant_max_outstanding_deliveries', 1000)";
    tokio::join!(session.run(default), async {
        watcher.wait_until_blocked(&session).await;
        operator.run("commit").await;
    });
    assert_eq!(session.text(TRIGGERS).await, "1");
    // Publishers would wait behind who waits for a reader.
    session
        .run("select webhooks.reset_setting('tenant_max_outstanding_deliveries')")
        .await;
    watcher
        .run("begin; select count(*) from webhooks.event_logs")
        .await;
    let unlimited = "select webhooks.set_tenant_limits(tenant_id) from webhooks.tenant_limits";
    assert_eq!(session.refused(unlimited).await.code, "55P03");
    watcher.run("commit").await;
    session.run(unlimited).await;
    assert_eq!(session.text(TRIGGERS).await, "0");
}

/// Its limits go with a tenant that is deleted. Publishers are not locked out for the trigger, which goes later.
#[tokio::test]
async fn a_deleted_tenants_limits_are_forgotten() {
    let (db, session) = database("limit_forgotten").await;
    limit(&session, "max_events_per_minute", 5).await;
    session
        .run(&format!(
            "create table tenants (id uuid primary key);
             insert into tenants values ('{TENANT}'), ('{OTHER_TENANT}');
             select webhooks.link_tenants('public.tenants')"
        ))
        .await;
    let publisher = Session::open(&db).await;
    publisher
        .run(&format!("begin; {}", publish(OTHER_TENANT)))
        .await;
    session
        .run(&format!(
            "set lock_timeout = '2s'; delete from tenants where id = '{TENANT}'"
        ))
        .await;
    publisher.run("commit").await;
    assert_eq!(count(&session, "tenant_limits").await, 0);
    session.run(&insert(OTHER_TENANT, 100)).await;
    session
        .run("select webhooks.set_setting('tenant_max_subscriptions', 5)")
        .await;
    assert_eq!(session.text(TRIGGERS).await, "0");
}
