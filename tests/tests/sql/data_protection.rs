//! What is to be forgotten: all of a tenant, and what an event says.

use serde_json::json;
use webhooks_tests::database::{Database, MANAGER_ROLE};

use crate::support::record::Record;
use crate::support::session::Session;
use crate::support::world::{OTHER_TENANT, TENANT, subscribe};

const A: &str = "00000000-0000-7000-8000-000000000001";
const B: &str = "00000000-0000-7000-8000-000000000002";
const NOBODY: &str = "00000000-0000-7000-8000-00000000dead";

async fn database(name: &str) -> (Database, Session) {
    let (db, session) = crate::support::world::database(name).await;
    subscribe(&db, json!({"id": A, "name": "a"})).await;
    subscribe(&db, json!({"id": B, "name": "b"})).await;
    (db, session)
}

/// Records an attempt of all deliveries to a subscription, with what the receiver said.
async fn record(session: &Session, subscription: &str, status: &str) {
    let deliveries =
        format!("select * from webhooks.delivery_queue where subscription_id = '{subscription}'");
    let record = Record::of(deliveries, status)
        .with("http_status_code", 200)
        .with("response_headers", "'{\"x\": [\"secret\"]}'::text")
        .with("response_body", "'secret'::text")
        .with("payload_hash", "'\\x00'::bytea");
    session.run(&record.to_string()).await;
}

#[tokio::test]
async fn of_a_redacted_event_the_facts_are_left() {
    let (db, session) = database("redact").await;
    let publish = format!(
        "select webhooks.publish_event('{TENANT}', 'job.created', event_data => '{{\"name\": \"secret\"}}', event_name => 'secret',
             user_id => '{A}', session_id => 'secret', request_id => 'secret', source_ip => '192.0.2.1', idempotency_key => 'secret', ordering_key => 'secret')"
    );
    let event = session.text(&publish).await;
    // One has it, for the other one it waits for its retry.
    record(&session, A, "delivered").await;
    record(&session, B, "retrying").await;
    let other = session
        .text(&publish.replace("idempotency_key => 'secret'", "idempotency_key => 'other'"))
        .await;

    let manager = Session::open_as(&db, MANAGER_ROLE).await;
    let redact = format!("select webhooks.redact_event('{event}', 'asked for by the user')");
    manager
        .run(&format!("set webhooks.tenant_id = '{OTHER_TENANT}'"))
        .await;
    let refusal = manager.refused(&redact).await;
    assert_eq!(refusal.code, "42704");
    assert_eq!(refusal.message, format!("there is no event {event}"));
    manager
        .run(&format!("set webhooks.tenant_id = '{TENANT}'"))
        .await;
    assert_eq!(manager.text(&redact).await, "2");

    let everything = format!(
        "select string_agg(r, ' ') from (
             select to_jsonb(e)::text as r from webhooks.event_logs e where id = '{event}'
             union all select to_jsonb(a)::text from webhooks.delivery_attempts a where event_log_id = '{event}'
             union all select to_jsonb(k)::text from webhooks_private.idempotency_keys k where event_id = '{event}'
             union all select to_jsonb(l)::text from webhooks.audit_log l where object_id = '{event}') t"
    );
    let everything = session.text(&everything).await;
    assert!(!everything.contains("secret"), "{everything}");
    assert!(!everything.contains("192.0.2.1"), "{everything}");
    let attempts = format!(
        "select right(subscription_id::text, 1), delivery_attempt, delivery_status, http_status_code, payload_sha256 from webhooks.delivery_attempts
         where event_log_id = '{event}' order by 1, 2"
    );
    assert_eq!(
        session.lines(&attempts).await,
        [
            "1|1|delivered|200|null",
            "2|1|retrying|200|null",
            "2|2|cancelled|null|null"
        ]
    );
    let audit = "select action, object_type, tenant_id, after, reason, acting_role from webhooks.audit_log where action = 'redacted'";
    assert_eq!(
        session.lines(audit).await,
        [format!(
            "redacted|event|{TENANT}|{{\"attempts\": 2, \"cancelled\": 1}}|asked for by the user|{MANAGER_ROLE}"
        )]
    );

    // It is not sent again, and its key is free.
    let delivery = format!(
        "select delivery_id from webhooks.delivery_attempts where event_log_id = '{event}' and delivery_status = 'delivered'"
    );
    let delivery = session.text(&delivery).await;
    let refusal = session
        .refused(&format!("select webhooks.retry_delivery('{delivery}')"))
        .await;
    assert!(refusal.message.contains("has expired or is no longer kept"));
    let replay = format!(
        "select events from webhooks.replay_events('{TENANT}', '-infinity', 'infinity', dry_run => true)"
    );
    assert_eq!(session.text(&replay).await, "1");
    assert_ne!(session.text(&publish).await, event);
    // The other one is as it was.
    let others = format!(
        "select event_data ->> 'name', (select count(*) from webhooks.delivery_queue q where q.event_log_id = e.id) from webhooks.event_logs e where id = '{other}'"
    );
    assert_eq!(session.text(&others).await, "secret|2");
    for id in [format!("'{NOBODY}'"), "null".to_owned()] {
        let refusal = session
            .refused(&format!("select webhooks.redact_event({id})"))
            .await;
        assert_eq!(refusal.code, "42704");
        assert!(!refusal.hint.is_empty());
    }
}

/// How many rows a tenant has where, but for the audit log.
async fn rows(session: &Session, tenant: &str) -> Vec<String> {
    let relations = "select c.oid::regclass from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attname = 'tenant_id'
        where c.relnamespace in ('webhooks'::regnamespace, 'webhooks_private'::regnamespace) and c.relkind in ('r', 'p') and not c.relispartition
          and c.relname not in ('audit_log', 'tenant_purges') order by c.relname";
    let mut found = Vec::new();
    for relation in session.lines(relations).await {
        let count = format!("select count(*) from {relation} where tenant_id = '{tenant}'");
        let count = session.text(&count).await;
        if count != "0" {
            found.push(format!("{relation} {count}"));
        }
    }
    found
}

/// Both tenants have something everywhere.
async fn full(name: &str) -> (Database, Session) {
    let (db, session) = database(name).await;
    subscribe(&db, json!({"tenant_id": OTHER_TENANT})).await;
    for tenant in [TENANT, OTHER_TENANT] {
        session
            .run(&format!(
                "select webhooks.publish_event('{tenant}', 'job.created', idempotency_key => n::text) from generate_series(1, 12) n;
                 insert into webhooks.event_logs (id, tenant_id, event_type, event_category, event_name, event_data)
                     select gen_random_uuid(), '{tenant}', 'job.created', 'job', 'x', '{{}}' from generate_series(1, 5);
                 insert into webhooks.subscription_templates (tenant_id, name, settings) values ('{tenant}', 'x', '{{}}');
                 insert into webhooks.restored_events (tenant_id, hour, reason, inserted_by, events) values ('{tenant}', now(), 'restore', 'x', 1);
                 insert into webhooks.redeliveries (delivery_id, event_log_id, subscription_id, tenant_id) values (webhooks.uuid_v7(), '{A}', '{A}', '{tenant}');
                 select webhooks.set_tenant_limits('{tenant}', 100, null, null);
                 insert into webhooks.delivery_attempts (delivery_id, delivery_attempt, attempted_at, subscription_id, event_log_id, tenant_id, delivery_status)
                     select id, n, now(), subscription_id, event_log_id, tenant_id, 'failed' from webhooks.delivery_queue, generate_series(1, 2) n where tenant_id = '{tenant}'"
            ))
            .await;
    }
    (db, session)
}

#[tokio::test]
async fn a_tenant_is_purged_in_batches_and_nobody_else_is() {
    let (db, session) = full("purge").await;
    let others = rows(&session, OTHER_TENANT).await;
    let audited = format!("select count(*) from webhooks.audit_log where tenant_id = '{TENANT}'");
    let audited_before: u32 = session.text(&audited).await.parse().unwrap();
    assert_eq!(rows(&session, TENANT).await.len(), others.len());
    // It is the owner's, until the DBA grants it; and then of the tenant that is set.
    let manager = Session::open_as(&db, MANAGER_ROLE).await;
    let purge = format!("select (webhooks.purge_tenant('{TENANT}', 10)).finished_at is not null");
    assert_eq!(manager.refused(&purge).await.code, "42501");
    session
        .run(&format!(
            "grant execute on function webhooks.purge_tenant to {MANAGER_ROLE}"
        ))
        .await;
    let refusal = manager.refused(&purge).await;
    assert!(refusal.message.contains("can't be accessed"), "{refusal:?}");
    manager
        .run(&format!("set webhooks.tenant_id = '{TENANT}'"))
        .await;

    let progress = format!(
        "select deleted_rows, finished_at is not null from webhooks.tenant_purges where tenant_id = '{TENANT}'"
    );
    let mut deleted = 0;
    let mut calls = 0;
    while manager.text(&purge).await == "f" {
        calls += 1;
        assert!(calls < 100, "{:?}", rows(&session, TENANT).await);
        let now = manager.text(&progress).await;
        let now: u32 = now.strip_suffix("|f").unwrap().parse().unwrap();
        // Of a delivery's attempts all go at once.
        assert!(
            now >= deleted && now - deleted <= 110,
            "{deleted}, then {now}"
        );
        deleted = now;
    }
    assert!(calls > 5, "{calls}");
    assert_eq!(rows(&session, TENANT).await, [""; 0]);
    assert_eq!(rows(&session, OTHER_TENANT).await, others);
    assert!(manager.text(&progress).await.ends_with("|t"));
    let audited: u32 = session.text(&audited).await.parse().unwrap();
    assert!(audited > audited_before);
    let actions = "select action, (after ->> 'rows')::integer > 100 from webhooks.audit_log where object_type = 'tenant' order by id";
    assert_eq!(
        session.lines(actions).await,
        ["purge_started|null", "purged|t"]
    );
    let seen = format!("select count(*) from webhooks.tenant_purges where tenant_id = '{TENANT}'");
    manager
        .run(&format!("set webhooks.tenant_id = '{OTHER_TENANT}'"))
        .await;
    assert_eq!(manager.text(&seen).await, "0");
    manager
        .run(&format!("set webhooks.tenant_id = '{TENANT}'"))
        .await;
    assert_eq!(manager.text(&seen).await, "1");
    // Once more: what was published since, and where a partition was dropped meanwhile.
    session
        .run(&format!(
            "select webhooks.publish_event('{TENANT}', 'job.created');
             update webhooks.tenant_purges set finished_at = null, relation = 'event_logs', partition = 'event_logs_20010101' where tenant_id = '{TENANT}'"
        ))
        .await;
    while manager.text(&purge).await == "f" {}
    assert_eq!(rows(&session, TENANT).await, [""; 0]);
}

#[tokio::test]
async fn what_cannot_be_purged_is_refused() {
    let (_db, session) = database("purge_refused").await;
    for (arguments, code, message) in [
        ("null", "22004", "tenant_id is null".to_owned()),
        (
            &*format!("'{TENANT}', 0"),
            "22023",
            "max_rows is 0".to_owned(),
        ),
        (
            &*format!("'{TENANT}', null"),
            "22023",
            "max_rows is null".to_owned(),
        ),
    ] {
        let refusal = session
            .refused(&format!("select webhooks.purge_tenant({arguments})"))
            .await;
        assert_eq!(
            (refusal.code.as_str(), refusal.message),
            (code, message),
            "{arguments}"
        );
        assert!(!refusal.hint.is_empty());
    }
}
