//! The history of an event.

use serde_json::json;
use webhooks_tests::database::Database;

use crate::support::record::Record;
use crate::support::session::Session;
use crate::support::world::{OTHER_TENANT, TENANT, subscribe};

const A: &str = "00000000-0000-7000-8000-000000000001";
const B: &str = "00000000-0000-7000-8000-000000000002";

async fn database(name: &str) -> (Database, Session) {
    let db = Database::fresh(name).await.unwrap();
    let session = Session::open(&db).await;
    for (id, events) in [(A, json!(["*"])), (B, json!(["job.failed"]))] {
        subscribe(
            &db,
            json!({"id": id, "name": &id[35..], "subscribed_events": events}),
        )
        .await;
    }
    (db, session)
}

/// Records an attempt of each ready delivery to a subscription.
async fn record(session: &Session, subscription: &str, status: &str, code: u32) {
    let deliveries = format!(
        "select * from webhooks.delivery_queue where subscription_id = '{subscription}' and next_attempt_at is null"
    );
    let record = Record::of(deliveries, status)
        .with("http_status_code", code)
        .with("response_headers", "'{}'::text")
        .with("response_body", "''::text")
        .with("error_message", format_args!("'said {code}'::text"))
        .with("retry_after_ms", "3600000::bigint");
    session.run(&record.to_string()).await;
}

async fn story(session: &Session, arguments: &str) -> Vec<String> {
    let story = format!(
        "select concat_ws(' ', event_type, what, subscription_name, attempt, status, http_status_code, error_message,
                          case when next_attempt_at > now() then 'later' end, case when repeats is not null then 'again' end)
         from webhooks.event_history('{TENANT}'{arguments})"
    );
    session.lines(&story).await
}

#[tokio::test]
async fn from_publication_to_the_last_attempt() {
    let (_db, session) = database("history").await;
    session.run("select webhooks.create_partitions(1)").await;
    let publish = |event_type: &str, more: &str| {
        format!("select webhooks.publish_event('{TENANT}', '{event_type}'{more})")
    };
    let event = session.text(&publish("job.failed", "")).await;
    record(&session, A, "retrying", 503).await;
    record(&session, B, "delivered", 200).await;
    session
        .run("update webhooks.delivery_queue set next_attempt_at = null")
        .await;
    record(&session, A, "failed", 500).await;
    let failed = format!(
        "select delivery_id from webhooks.delivery_attempts where subscription_id = '{A}' limit 1"
    );
    let failed = session.text(&failed).await;
    session
        .run(&format!("select webhooks.retry_delivery('{failed}')"))
        .await;
    record(&session, A, "retrying", 504).await;
    let event_id = format!(", event_id => '{event}'");
    let so_far = [
        "job.failed published",
        "job.failed queued 1",
        "job.failed queued 2",
        "job.failed attempted 1 1 retrying 503 said 503 later",
        "job.failed attempted 2 1 delivered 200 said 200",
        "job.failed attempted 1 2 failed 500 said 500",
        "job.failed retried 1 again",
        "job.failed attempted 1 1 retrying 504 said 504 later again",
    ];
    let outstanding = ["job.failed outstanding 1 2 retrying later again"];
    assert_eq!(
        story(&session, &event_id).await,
        [&so_far[..], &outstanding].concat()
    );
    session
        .run(&format!(
            "select webhooks.cancel_deliveries('{A}');
             select webhooks.replay_events('{TENANT}', '-infinity', 'infinity', subscription_id => '{B}')"
        ))
        .await;
    let whole = [
        &so_far[..],
        &[
            "job.failed cancelled 1 2 cancelled cancelled again",
            "job.failed replayed 2",
            "job.failed outstanding 2 1 pending",
        ],
    ]
    .concat();
    assert_eq!(story(&session, &event_id).await, whole);
    // Every step has its time, in order; what is to come has none.
    let times = format!(
        "select bool_and(at >= before), count(*) - count(at) from (
             select at, lag(at, 1, at) over (order by n) as before
             from webhooks.event_history('{TENANT}'{event_id}) with ordinality h (event_log_id, event_type, at, what, subscription_id, subscription_name, delivery_id,
                  repeats, attempt, status, http_status_code, duration_us, next_attempt_at, error_message, n)) t"
    );
    assert_eq!(session.text(&times).await, "t|1");
    // A subscription that is gone has lost its name, not its story.
    session
        .run(&format!("select webhooks.delete_subscription('{A}')"))
        .await;
    let nameless = story(&session, &event_id).await;
    assert_eq!(nameless.len(), whole.len());
    assert_eq!(nameless[1], "job.failed queued");

    // Newest first, so many of them; by type, resource and time.
    let resource = "33333333-3333-4333-8333-333333333333";
    let more = format!(", resource_type => 'document', resource_id => '{resource}'");
    session.run(&publish("document.uploaded", &more)).await;
    session.run(&publish("user.login", "")).await;
    let published = async |arguments: &str| -> String {
        let lines = story(&session, arguments).await;
        let published = lines.iter().filter_map(|l| l.strip_suffix(" published"));
        published.collect::<Vec<_>>().join(" ")
    };
    for (arguments, expected) in [
        ("".to_owned(), "user.login document.uploaded job.failed"),
        (
            ", max_events => 2".to_owned(),
            "user.login document.uploaded",
        ),
        (
            ", event_types => '{job.*,user.logout}'".to_owned(),
            "job.failed",
        ),
        (", event_types => '{user.login}'".to_owned(), "user.login"),
        (more.clone(), "document.uploaded"),
        (", resource_type => 'job'".to_owned(), ""),
        (
            ", since => now() - interval '1 h', until => now()".to_owned(),
            "user.login document.uploaded job.failed",
        ),
        (", until => now() - interval '1 h'".to_owned(), ""),
        (", since => now()".to_owned(), ""),
    ] {
        assert_eq!(published(&arguments).await, expected, "{arguments}");
    }
    let other = format!(
        "select count(*) from webhooks.event_history('{OTHER_TENANT}', event_id => '{event}')"
    );
    assert_eq!(session.text(&other).await, "0");
}

#[tokio::test]
async fn an_event_that_matched_nothing_is_in_the_history() {
    let (db, session) = database("unmatched").await;
    session
        .run(&format!("update webhooks.webhook_subscriptions set subscribed_events = '[\"job.created\"]' where id = '{A}'"))
        .await;
    let publish =
        |event_type: &str| format!("select webhooks.publish_event('{TENANT}', '{event_type}')");
    let login = session.text(&publish("user.login")).await;
    for event_type in ["job.created", "job.created", "job.created"] {
        session.run(&publish(event_type)).await;
    }
    session
        .run(&format!(
            "select webhooks.publish_event('{OTHER_TENANT}', 'user.login')"
        ))
        .await;
    let logout = session.text(&publish("user.logout")).await;
    // Outstanding, delivered, cancelled: each matched something.
    session
        .run("update webhooks.delivery_queue set next_attempt_at = now() + interval '1 h' where id = (select min(id::text)::uuid from webhooks.delivery_queue);
              update webhooks.delivery_queue set next_attempt_at = now() where id = (select max(id::text)::uuid from webhooks.delivery_queue)")
        .await;
    record(&session, A, "delivered", 200).await;
    let unmatched = |more: &str| {
        format!("select event_log_id from webhooks.unmatched_events('{TENANT}', '-infinity'{more})")
    };
    assert_eq!(
        session.lines(&unmatched("")).await,
        [&logout, &login].map(String::clone)
    );
    session
        .run(&format!("select webhooks.cancel_deliveries('{A}')"))
        .await;
    assert_eq!(
        session.lines(&unmatched("")).await,
        [&logout, &login].map(String::clone)
    );
    assert_eq!(
        session.lines(&unmatched(", max_events => 1")).await,
        std::slice::from_ref(&logout)
    );
    assert!(
        session
            .lines(&unmatched(", until => now() - interval '1 h'"))
            .await
            .is_empty()
    );
    assert_eq!(
        story(&session, &format!(", event_id => '{login}'")).await,
        ["user.login published", "user.login matched nothing"]
    );
    // Once somebody wants them after all.
    session
        .run(&format!(
            "update webhooks.webhook_subscriptions set subscribed_events = '[\"user.logout\"]' where id = '{A}';
             select webhooks.replay_events('{TENANT}', '-infinity', 'infinity')"
        ))
        .await;
    assert_eq!(session.lines(&unmatched("")).await, [login]);
    drop(db);
}

/// Whatever an application makes up as id or time of an event, its deliveries are found.
#[tokio::test]
async fn made_up_ids_and_times_hide_nothing() {
    let (db, session) = database("made_up").await;
    session.run("select webhooks.create_partitions(2)").await;
    let day = |days: i32| format!("webhooks.uuid_v7_floor(now() + interval '{days} d')");
    for (id, created_at) in [
        ("webhooks.uuid_v7()".to_owned(), "now()"),
        ("gen_random_uuid()".to_owned(), "now()"),
        (day(-400), "now()"),
        (day(1), "now()"),
        ("webhooks.uuid_v7()".to_owned(), "'2000-01-01'"),
        ("webhooks.uuid_v7()".to_owned(), "'2100-01-01'"),
        ("webhooks.uuid_v7()".to_owned(), "null"),
    ] {
        let insert = format!(
            "insert into webhooks.event_logs (id, tenant_id, event_type, event_category, event_name, event_data, created_at)
             values ({id}, '{TENANT}', 'job.failed', 'job', 'x', '{{}}', {created_at}) returning id"
        );
        let event = session.text(&insert).await;
        record(&session, B, "delivered", 200).await;
        let deliveries = format!(
            "select count(*) from webhooks_private.event_deliveries('{TENANT}', '{{{event}}}')"
        );
        assert_eq!(session.text(&deliveries).await, "2", "{id} {created_at}");
        let unmatched =
            format!("select count(*) from webhooks.unmatched_events('{TENANT}', '-infinity')");
        assert_eq!(session.text(&unmatched).await, "0", "{id} {created_at}");
        assert_eq!(
            story(&session, &format!(", event_id => '{event}'"))
                .await
                .len(),
            5,
            "{id} {created_at}"
        );
    }
    // A statement that takes ten minutes: what comes first is matched when the last is there.
    let slow = format!(
        "with e as (insert into webhooks.event_logs (id, tenant_id, event_type, event_category, event_name, event_data, created_at)
         select webhooks.uuid_v7_floor(now() - interval '1 min' * n), '{TENANT}', 'job.failed', 'job', 'x', '{{}}', now() - interval '10 min'
         from generate_series(0, 10) n returning id) select min(id::text) from e"
    );
    let first = session.text(&slow).await;
    let deliveries = format!(
        "select count(*) from webhooks_private.event_deliveries('{TENANT}', '{{{first}}}')"
    );
    assert_eq!(session.text(&deliveries).await, "2");
    drop(db);
}
