//! The audit log: all changes are in it, and no role can remove them.

use serde_json::{Value, json};
use tokio_postgres::NoTls;
use webhooks_tests::database::{MANAGER_ROLE, SIDECAR_ROLE};

use crate::support::claim::Claim;
use crate::support::record::Record;
use crate::support::session::Session;
use crate::support::world::{OTHER_TENANT, TENANT, database, publish_many, subscribe};

const SECRET: &str = "whsec_dG9wc2VjcmV0dG9wc2VjcmV0dG9wc2VjcmV0";
const OTHER_SECRET: &str = "whsec_bmV3LW5ldy1uZXctbmV3LW5ldy1uZXc=";

/// The entries since the last call, as JSON: `[action, before, after]`.
async fn news(session: &Session, seen: &mut usize) -> Vec<Value> {
    let log = "select jsonb_build_array(action, before, after) from webhooks.audit_log order by id";
    let log = session.lines(log).await;
    let new = log[*seen..]
        .iter()
        .map(|entry| serde_json::from_str(entry).unwrap());
    let new = new.collect();
    *seen = log.len();
    new
}

#[tokio::test]
async fn each_change_shows_what_it_changed() {
    let (db, session) = database("audit_changes").await;
    let mut seen = 0;
    let id = subscribe(&db, json!({
            "name": "it", "webhook_url": "https://x.example/", "auth_type": "api_key",
            "auth_config": {"api_key": SECRET, "header": "X-Api-Key"}, "webhook_headers": {"header": SECRET, "b": SECRET},
            "template_secrets": {"header": SECRET, "b": SECRET}
        })).await;
    let created = &news(&session, &mut seen).await[0];
    assert_eq!(created[0], "created");
    assert_eq!(created[1], Value::Null);
    let shown = json!({"api_key": "[redacted]", "header": "X-Api-Key"});
    assert_eq!(created[2]["auth_config"], shown);
    let headers = json!({"header": "[redacted]", "b": "[redacted]"});
    assert_eq!(created[2]["webhook_headers"], headers);
    assert_eq!(created[2]["template_secrets"], headers);
    assert_eq!(created[2]["id"], json!(id));
    assert_eq!(created[2]["retry_count"], 3);

    let redacted = "[redacted]";
    for (set, expected) in [
        (
            "name = 'new', retry_count = 5".to_owned(),
            json!([["updated", {"name": "it", "retry_count": 3}, {"name": "new", "retry_count": 5}]]),
        ),
        (
            format!("webhook_url = 'HTTPS://y.example:8443/?token={SECRET}'"),
            json!([["updated", {"webhook_url": "https://x.example/"}, {"webhook_url": "HTTPS://y.example:8443/[redacted]"}]]),
        ),
        (
            format!("webhook_url = 'https://y.example?{SECRET}'"),
            json!([["updated", {"webhook_url": "HTTPS://y.example:8443/[redacted]"}, {"webhook_url": "https://y.example/[redacted]"}]]),
        ),
        // Nothing changed, whatever it counts as for the sidecars.
        (
            "name = name, version = 7, updated_at = '2000-01-01'".to_owned(),
            json!([]),
        ),
        (
            format!("auth_config = auth_config || '{{\"api_key\": \"{OTHER_SECRET}\"}}'"),
            json!([["updated", {"auth_config": {"api_key": redacted}}, {"auth_config": {"api_key": redacted}}]]),
        ),
        (
            "auth_config = auth_config || '{\"header\": \"X-Key\"}'".to_owned(),
            json!([["updated", {"auth_config": {"header": "X-Api-Key"}}, {"auth_config": {"header": "X-Key"}}]]),
        ),
        (
            format!(
                "webhook_headers = webhook_headers - 'b' || '{{\"c\": \"{SECRET}\", \"header\": \"{OTHER_SECRET}\"}}'"
            ),
            json!([["updated", {"webhook_headers": {"b": redacted, "header": redacted}},
                    {"webhook_headers": {"c": redacted, "header": redacted}}]]),
        ),
        (
            "auth_type = 'none', auth_config = null, webhook_headers = null".to_owned(),
            json!([["updated",
                    {"auth_type": "api_key", "auth_config": {"api_key": redacted, "header": "X-Key"},
                     "webhook_headers": {"c": redacted, "header": redacted}},
                    {"auth_type": "none", "auth_config": null, "webhook_headers": null}]]),
        ),
        (
            format!(
                "template_secrets = template_secrets - 'b' || '{{\"c\": \"{SECRET}\", \"header\": \"{OTHER_SECRET}\"}}'"
            ),
            json!([["updated", {"template_secrets": {"b": redacted, "header": redacted}},
                    {"template_secrets": {"c": redacted, "header": redacted}}]]),
        ),
        (
            "is_active = null".to_owned(),
            json!([["disabled", {"is_active": true}, {"is_active": null}]]),
        ),
        (
            "is_enabled = false".to_owned(),
            json!([["updated", {"is_enabled": true}, {"is_enabled": false}]]),
        ),
        (
            "is_enabled = true, is_active = true".to_owned(),
            json!([["enabled", {"is_enabled": false, "is_active": null}, {"is_enabled": true, "is_active": true}]]),
        ),
    ] {
        let update = format!("update webhooks.webhook_subscriptions set {set}");
        session.run(&update).await;
        let found = Value::from(news(&session, &mut seen).await);
        assert_eq!(found, expected, "{set}");
    }
    // A change that is rolled back has no entry.
    session
        .run("begin; delete from webhooks.webhook_subscriptions; rollback")
        .await;
    assert!(news(&session, &mut seen).await.is_empty());
    session
        .run("delete from webhooks.webhook_subscriptions")
        .await;
    let deleted = &news(&session, &mut seen).await[0];
    assert_eq!(
        (&deleted[0], &deleted[1]["name"], &deleted[2]),
        (&json!("deleted"), &json!("new"), &Value::Null)
    );

    for (change, expected) in [
        (
            "select webhooks.set_setting('max_retry_delay_seconds', 77)",
            json!(["created", null, {"name": "max_retry_delay_seconds", "value": 77, "text_value": null}]),
        ),
        (
            "select webhooks.set_setting('max_retry_delay_seconds', 78)",
            json!(["updated", {"value": 77}, {"value": 78}]),
        ),
        (
            "select webhooks.reset_setting('max_retry_delay_seconds')",
            json!(["deleted", {"name": "max_retry_delay_seconds", "value": 78, "text_value": null}, null]),
        ),
        (
            "update webhooks.event_types set description = 'ours' where name = 'job.created'",
            json!(["updated", {"description": "A job was created", "is_builtin": true},
                   {"description": "ours", "is_builtin": false}]),
        ),
    ] {
        session.run(change).await;
        assert_eq!(news(&session, &mut seen).await, [expected], "{change}");
    }
    session
        .run("insert into webhooks.event_types (name, category) values ('order.paid', 'order'), ('user.login', 'x')")
        .await;
    let types =
        "select string_agg(action || ' ' || object_id, ', ' order by id) from webhooks.audit_log
                 where object_type = 'event_type' and object_id <> 'job.created'";
    assert_eq!(
        session.text(types).await,
        "deleted user.login, created order.paid, created user.login"
    );

    let everything = session
        .lines("select to_jsonb(a) from webhooks.audit_log a")
        .await
        .join("\n");
    for secret in [SECRET, OTHER_SECRET] {
        assert!(!everything.contains(secret), "{everything}");
    }
    // Nothing that an audit would be disturbed by comes with the extension.
    let (_other, fresh) = database("audit_fresh").await;
    let entries = "select count(*) from webhooks.audit_log";
    assert_eq!(fresh.text(entries).await, "0");
}

#[tokio::test]
async fn entries_name_role_and_user() {
    let (db, session) = database("audit_who").await;
    let tag = session.pid();
    let role = format!("clerk_{tag}");
    session
        .run(&format!(
            "create role {role} login bypassrls in role webhooks_manager; create role boss_{tag} in role {role}"
        ))
        .await;
    let insert = format!(
        "insert into webhooks.webhook_subscriptions (tenant_id, name, webhook_url) values ('{TENANT}', 'x', 'https://x.example/')"
    );
    let who = "select tenant_id, object_type, object_id = (select id::text from webhooks.webhook_subscriptions order by id desc limit 1),
                      session_role, acting_role, user_id, request_id, client_address, occurred_at between now() - interval '1 min' and clock_timestamp(), reason
               from webhooks.audit_log order by id desc limit 1";
    let clerk = Session::open_as(&db, &role).await;
    clerk.run(&insert).await;
    assert_eq!(
        session.text(who).await,
        format!("{TENANT}|subscription|t|{role}|{role}|null|null|null|t|null")
    );
    // Over TCP.
    let connection = tokio_postgres::connect(&db.url(&role), NoTls).await;
    let (client, connection) = connection.unwrap();
    tokio::spawn(connection);
    client.batch_execute(&insert).await.unwrap();
    let address = "select client_address from webhooks.audit_log order by id desc limit 1";
    assert_eq!(session.text(address).await, "127.0.0.1");
    // As another role, for a user of the application's whose name is long.
    let user = "u".repeat(300);
    session
        .run(&format!(
            "begin; set local role {role}; set local webhooks.user_id = '{TENANT}'; set local webhooks.request_id = '{user}'; {insert}; commit"
        ))
        .await;
    assert_eq!(
        session.text(who).await,
        format!(
            "{TENANT}|subscription|t|postgres|{role}|{TENANT}|{}|null|t|null",
            &user[..255]
        )
    );
    // As a restore does, whose entries come with it: but this is none.
    clerk
        .run(&format!(
            "set check_function_bodies = off; set row_security = off; {insert}"
        ))
        .await;
    let entries = "select count(*) from webhooks.audit_log";
    assert_eq!(session.text(entries).await, "4");
    session
        .run(&format!(
            "set check_function_bodies = off; set row_security = off; {insert}; reset row_security"
        ))
        .await;
    assert_eq!(session.text(entries).await, "4");
    // No restore deletes.
    session
        .run("delete from webhooks.webhook_subscriptions")
        .await;
    let deleted = "select count(*) from webhooks.audit_log where action = 'deleted'";
    let subscriptions = "select count(*) from webhooks.audit_log where action = 'created'";
    assert_eq!(
        session.text(deleted).await.parse::<i64>().unwrap(),
        session.text(subscriptions).await.parse::<i64>().unwrap() + 1
    );
}

/// A grant of all tenants has an entry, also when a DBA who is no superuser makes it.
#[tokio::test]
async fn grants_of_all_tenants_are_written_down() {
    let (db, session) = database("audit_grants").await;
    let tag = session.pid();
    session
        .run(&format!(
            "create role dba_{tag} login; grant usage on schema webhooks to dba_{tag};
             grant execute on function webhooks.grant_all_tenants(name), webhooks.revoke_all_tenants(name) to dba_{tag};
             create role \"Back-end {tag}\""
        ))
        .await;
    let dba = Session::open_as(&db, &format!("dba_{tag}")).await;
    for function in ["grant_all_tenants", "revoke_all_tenants"] {
        dba.run(&format!("select webhooks.{function}('Back-end {tag}')"))
            .await;
    }
    let nobody = dba
        .refused("select webhooks.grant_all_tenants('nobody at all')")
        .await;
    assert_eq!(nobody.code, "42704");
    let entries = "select action, object_type, object_id, session_role, tenant_id from webhooks.audit_log order by id";
    assert_eq!(
        session.lines(entries).await,
        ["granted", "revoked"]
            .map(|action| format!("{action}|all_tenants|Back-end {tag}|dba_{tag}|null"))
    );
}

/// The system disables, and says why; and nothing else of what it does is written here.
#[tokio::test]
async fn the_system_says_why_it_disables() {
    let (db, session) = database("audit_system").await;
    subscribe(&db, json!({"id": "00000000-0000-7000-8000-000000000001"})).await;
    let entries = "select count(*) from webhooks.audit_log";
    let before = session.text(entries).await;
    publish_many(&db, "job.created", 3).await;
    let sidecar = Session::open_as(&db, SIDECAR_ROLE).await;
    let record = |status: &str, claim: Claim| {
        let claimed = format!("select delivery_id as id, subscription_id, attempt from {claim}");
        Record::of(claimed, status)
    };
    let delivered = record(
        "delivered",
        Claim::of_shards(&[1]).with("per_subscription", 1),
    );
    assert_eq!(sidecar.lines(&delivered.to_string()).await, [""; 0]);
    assert_eq!(session.text(entries).await, before);
    let gone =
        record("failed", Claim::of_shards(&[1])).with("disable_reason", "'HTTP status 410'::text");
    assert_eq!(sidecar.lines(&gone.to_string()).await, [""; 0]);
    let last = "select action, object_id, tenant_id, reason, session_role, before, after from webhooks.audit_log order by id desc limit 1";
    assert_eq!(
        session.text(last).await,
        format!(
            "disabled|00000000-0000-7000-8000-000000000001|{TENANT}|HTTP status 410|sidecar|\
             {{\"is_enabled\": true, \"disabled_reason\": null}}|{{\"is_enabled\": false, \"disabled_reason\": \"HTTP status 410\"}}"
        )
    );
    let both = "select count(*) from webhooks.audit_log where action = 'disabled'";
    assert_eq!(session.text(both).await, "1");
}

#[tokio::test]
async fn entries_can_not_be_changed() {
    let (db, session) = database("audit_append_only").await;
    let tag = session.pid();
    let role = format!("mighty_{tag}");
    session
        .run(&format!(
            "create role {role} login createrole createdb; grant usage on schema webhooks, webhooks_private to {role};
             select webhooks.set_setting('max_retry_delay_seconds', 77);
             delete from webhooks.audit_log;
             select webhooks.set_setting('max_retry_delay_seconds', 78);
             grant all on all tables in schema webhooks, webhooks_private to {role}"
        ))
        .await;
    let partition = session
        .text("select distinct tableoid::regclass from webhooks.audit_log")
        .await;
    assert!(partition.ends_with("01"), "{partition}");
    let mighty = Session::open_as(&db, &role).await;
    for table in [
        "webhooks.audit_log",
        "webhooks_private.audit_log_default",
        &partition,
    ] {
        for statement in [
            format!("update {table} set action = 'x'"),
            format!("delete from {table}"),
            format!("delete from {table} where false"),
            format!("truncate {table}"),
            format!("merge into {table} a using (select 1) s on true when matched then delete"),
            format!("alter table {table} disable trigger append_only"),
            format!("drop trigger append_only on {table}"),
            "set session_replication_role = replica".to_owned(),
        ] {
            let refusal = mighty.refused(&statement).await;
            assert_eq!(refusal.code, "42501", "{statement}: {refusal:?}");
        }
        let refusal = mighty.refused(&format!("delete from {table}")).await;
        let message = format!("DELETE of {table} refused: it is append-only");
        assert_eq!(refusal.message, message);
        assert!(!refusal.hint.is_empty());
    }
    // No row was changed.
    let left = "select string_agg(action, ' ') from webhooks.audit_log";
    assert_eq!(session.text(left).await, "updated");
    // All who own it.
    session
        .run(&format!(
            "delete from webhooks.audit_log; truncate {partition}"
        ))
        .await;
}

/// A tenant reads its own entries, page by page, and learns nothing of the database's users.
#[tokio::test]
async fn a_tenant_reads_its_entries() {
    let (db, session) = database("audit_list").await;
    for n in 1..=5 {
        subscribe(&db, json!({"name": n.to_string()})).await;
    }
    session
        .run("select webhooks.set_setting('max_event_data_bytes', 100000)")
        .await;
    // Months that are long gone, and one that another tenant has entries in.
    session
        .run(&format!(
            "insert into webhooks.audit_log (id, occurred_at, tenant_id, action, object_type, object_id, session_role, acting_role)
             select webhooks.uuid_v7_floor(t), t, '{TENANT}', 'created', 'subscription', to_char(t, 'MMDD'), 'dba', 'dba'
             from unnest(array['2025-12-31 23:59:59.999Z', '2026-01-01 00:00Z', '2026-01-31 12:00Z']::timestamptz[]) t;
             insert into webhooks.audit_log (tenant_id, action, object_type, object_id, session_role, acting_role)
             values ('{OTHER_TENANT}', 'created', 'subscription', 'theirs', 'dba', 'dba')"
        ))
        .await;
    let manager = Session::open_as(&db, MANAGER_ROLE).await;
    let set = format!("set webhooks.tenant_id = '{TENANT}'");
    manager.run(&set).await;
    let list = |arguments: &str| {
        format!(
            "select concat_ws('|', a.object_id, a.id, a.session_role, a.client_address)
             from webhooks.list_audit_log('{TENANT}', {arguments}) a"
        )
    };
    let whole = "select a.object_id || '|' || a.id from webhooks.audit_log a where a.tenant_id = ";
    let whole = session
        .lines(&format!("{whole}'{TENANT}' order by a.id desc"))
        .await;
    assert_eq!(whole.len(), 8);
    let year = "'2025-12-01', until => 'infinity'";
    assert_eq!(manager.lines(&list(year)).await, whole);
    for size in 1..=8 {
        let (mut found, mut after) = (Vec::new(), String::new());
        loop {
            let page = list(&format!("{year}, max_entries => {size}{after}"));
            let page = manager.lines(&page).await;
            let Some(last) = page.last() else { break };
            let id = last.split('|').nth(1).unwrap();
            after = format!(", after_id => '{id}'");
            found.extend(page);
        }
        assert_eq!(found, whole, "{size} a page");
    }
    let january = "'2026-01-01 00:00Z', '2026-01-31 12:00Z'";
    assert_eq!(manager.lines(&list(january)).await, whole[6..7]);
    let one = format!("{year}, object_type => 'subscription', object_id => '0131'");
    assert_eq!(manager.lines(&list(&one)).await, whole[5..6]);
    assert_eq!(manager.lines(&list("max_entries => 100")).await, whole[..5]);
    for (arguments, message) in [
        ("since => null", "the period is from null"),
        ("now() - interval '11 years'", "the period is from"),
        ("max_entries => 0", "max_entries is 0"),
    ] {
        let refused = manager.refused(&list(arguments)).await;
        assert!(refused.message.starts_with(message), "{refused:?}");
    }
}

/// A long transaction that reads the audit log does not keep deliveries from getting their partitions.
#[tokio::test]
async fn an_auditor_holds_nobody_up() {
    let (db, session) = database("audit_reader").await;
    let reader = Session::open(&db).await;
    reader
        .run("begin; select count(*) from webhooks.audit_log")
        .await;
    session
        .run("begin; select webhooks.create_partitions(60); commit")
        .await;
    let made = "select count(*) from pg_class where relnamespace in ('webhooks'::regnamespace, 'webhooks_private'::regnamespace) and relname ~ '^{}_[0-9]{8}$'";
    let days = made.replace("{}_", "(event_logs|delivery_attempts)_");
    assert_eq!(session.text(&days).await, "122");
    let months = made.replace("{}_", "audit_log_");
    let before: u32 = session.text(&months).await.parse().unwrap();
    assert!(before <= 2, "{before}");
    reader.run("commit").await;
    session.run("select webhooks.create_partitions(60)").await;
    let after: u32 = session.text(&months).await.parse().unwrap();
    assert!(after > before, "{after}");
}
