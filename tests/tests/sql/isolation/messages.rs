//! Errors and answers about another tenant's things are those about things that there are not.

use bytes::Bytes;
use futures_util::TryStreamExt;
use webhooks_tests::database::{MANAGER_ROLE, PUBLISHER_ROLE};

use super::cast::{self, OURS, THEIRS, attempt};
use crate::support::session::Session;

/// An id of nobody's, by which a statement names [`THEIRS`] subscription or event.
const NOBODYS: &str = "00000000-0000-7000-8000-00000000dead";

#[tokio::test]
async fn another_tenants_things_are_not_there() {
    let (db, _admin) = cast::database("messages").await;
    let manager = Session::open_as(&db, MANAGER_ROLE).await;
    let publisher = Session::open_as(&db, PUBLISHER_ROLE).await;
    for (session, statement) in [
        (&manager, "select webhooks.reset_breaker('{id}')".to_owned()),
        (&manager, "select webhooks.renew_secret('{id}')".to_owned()),
        (&manager, "select webhooks_private.redacted_headers('{id}')".to_owned()),
        (&manager, "select webhooks.build_payload('{id}')".to_owned()),
        (&manager, format!("select webhooks.build_payload('{}', '{{id}}')", OURS.event)),
        (&manager, format!("select webhooks.build_payload('{{id}}', '{}')", OURS.subscription)),
        (&manager, "select webhooks.preview_payload('{id}')".to_owned()),
        (&manager, format!("select webhooks.preview_payload('{}', '{{id}}')", OURS.subscription)),
        (&manager, "select * from webhooks.webhook_delivery_logs where event_log_id = '{id}' or subscription_id = '{id}'".to_owned()),
        (&manager, "select * from webhooks.explain_match('{id}', 'job.created')".to_owned()),
        (&manager, "update webhooks.webhook_subscriptions set name = null where id = '{id}'".to_owned()),
        (&manager, "update webhooks.webhook_subscriptions set auth_type = 'oauth' where id = '{id}'".to_owned()),
        (&publisher, "select webhooks.publish_event('{id}', 'job.created')".to_owned()),
        (&publisher, "insert into webhooks.event_logs (tenant_id, event_type, event_category, event_name, event_data)
                      values ('{id}', 'no.such', 'x', 'x', '{}')".to_owned()),
    ] {
        for theirs in [THEIRS.subscription, THEIRS.event, THEIRS.id] {
            let about = async |id| format!("{:?}", attempt(session, Some(OURS), &statement.replace("{id}", id)).await);
            let (said, expected) = (about(theirs).await, about(NOBODYS).await);
            assert_eq!(said, expected.replace(NOBODYS, theirs), "{statement}");
            assert!(!said.contains(THEIRS.mark), "{said}");
        }
    }
}

/// A key that is taken is taken: PostgreSQL says so, of an id that the caller named, and nothing of the row.
#[tokio::test]
async fn a_taken_id_says_nothing_of_its_row() {
    let (db, _admin) = cast::database("taken").await;
    let manager = Session::open_as(&db, MANAGER_ROLE).await;
    let publisher = Session::open_as(&db, PUBLISHER_ROLE).await;
    let subscribe = format!(
        "insert into webhooks.webhook_subscriptions (id, tenant_id, name, webhook_url) values ('{}', '{}', 'x', 'http://x.example/')",
        THEIRS.subscription, OURS.id
    );
    let publish = format!(
        "insert into webhooks.event_logs (id, tenant_id, event_type, event_category, event_name, event_data)
         values ('{}', '{}', 'job.created', 'job', 'x', '{{}}')",
        THEIRS.event, OURS.id
    );
    for (session, statement, code) in [
        (&manager, subscribe.clone(), "23505"),
        (
            &manager,
            format!("{subscribe} on conflict (id) do update set name = excluded.name"),
            "42501",
        ),
        (
            &manager,
            format!(
                "{subscribe} on conflict (id) do update set name = webhook_subscriptions.description returning name"
            ),
            "42501",
        ),
        (&publisher, publish, "23505"),
    ] {
        let outcome = attempt(session, Some(OURS), &statement).await;
        let refusal = outcome.refusal();
        assert_eq!(refusal.code, code, "{statement}: {refusal:?}");
        for theirs in [THEIRS.mark, THEIRS.id] {
            assert!(!refusal.everything.contains(theirs), "{refusal:?}");
        }
    }
}

/// Tenants may use the same idempotency key, and learn nothing of each other by it.
#[tokio::test]
async fn another_tenants_idempotency_key_is_free() {
    let (db, admin) = cast::database("keys").await;
    let publisher = Session::open_as(&db, PUBLISHER_ROLE).await;
    let key = format!("key of {} 1", THEIRS.mark);
    let publish = format!(
        "select webhooks.publish_event('{}', 'job.created', idempotency_key => '{key}')",
        OURS.id
    );
    let outcome = attempt(&publisher, Some(OURS), &publish).await;
    let theirs = admin
        .text(&format!(
            "select event_id from webhooks_private.idempotency_keys where idempotency_key = '{key}'"
        ))
        .await;
    assert_ne!(outcome.value(), theirs);
}

#[tokio::test]
async fn copy_out_is_of_ones_own() {
    let (db, _admin) = cast::database("copy_out").await;
    let manager = Session::open_as(&db, MANAGER_ROLE).await;
    manager
        .run(&format!("set webhooks.tenant_id = '{}'", OURS.id))
        .await;
    for copied in [
        "webhooks.delivery_queue",
        "(table webhooks.event_logs)",
        "(table webhooks.delivery_attempts)",
        "(table webhooks.webhook_delivery_logs)",
        "(table webhooks.subscription_settings)",
    ] {
        let copy = format!("copy {copied} to stdout");
        let stream = manager.client().copy_out(&copy).await.unwrap();
        let chunks: Vec<Bytes> = stream.try_collect().await.unwrap();
        let rows = String::from_utf8(chunks.concat()).unwrap();
        assert!(rows.contains(OURS.id), "{copy}: {rows}");
        assert!(
            !rows.contains(THEIRS.id) && !rows.contains(THEIRS.mark),
            "{copy}: {rows}"
        );
    }
}
