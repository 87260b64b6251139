use serde_json::json;
use webhooks_tests::database::Database;

use crate::support::session::{Session, literal};
use crate::support::world::{TENANT, subscribe};

async fn database(name: &str) -> (Database, Session) {
    let db = Database::fresh(name).await.unwrap();
    subscribe(&db, json!({})).await;
    let session = Session::open(&db).await;
    (db, session)
}

fn publish(request_id: &str) -> String {
    format!(
        "select webhooks.publish_event('{TENANT}', 'job.created', request_id => '{request_id}')"
    )
}

/// The events by request_id, and those with a delivery: always the same with one subscription to all.
async fn published(session: &Session) -> String {
    let events =
        "select coalesce(string_agg(request_id, ' ' order by id), '') from webhooks.event_logs";
    let queued = "select coalesce(string_agg(e.request_id, ' ' order by e.id), '')
        from webhooks.delivery_queue q join webhooks.event_logs e on e.id = q.event_log_id";
    let events = session.text(events).await;
    assert_eq!(session.text(queued).await, events);
    events
}

#[tokio::test]
async fn every_parameter_arrives() {
    let (db, session) = database("parameters").await;
    let resource = "22222222-2222-4222-8222-222222222222";
    let user = "33333333-3333-4333-8333-333333333333";
    // The specification's parameters in its order, then ours.
    let id = session
        .text(&format!(
            "select webhooks.publish_event('{TENANT}', 'document.processed', 'document', 'Processed', '{{\"a\": 1}}',
                'document', '{resource}', '{user}', 'session', 'request', '192.0.2.1', '2.1', 'staging', 'key', 'order',
                '2100-01-01 00:00Z', '2100-01-02 00:00Z')"
        ))
        .await;
    let query = "select * from webhooks.event_logs e";
    let mut event = db.rows(query).await.unwrap().remove(0);
    let columns = event.as_object_mut().unwrap();
    let created = columns.remove("created_at").unwrap();
    assert_eq!(columns.remove("processed_at").unwrap(), created);
    let expected = json!({
        "id": id, "tenant_id": TENANT, "event_type": "document.processed", "event_category": "document",
        "event_name": "Processed", "event_version": "2.1", "event_data": {"a": 1}, "resource_type": "document",
        "resource_id": resource, "user_id": user, "session_id": "session", "request_id": "request",
        "source_ip": "192.0.2.1", "environment": "staging", "idempotency_key": "key", "ordering_key": "order",
        "deliver_after": "2100-01-01T00:00:00+00:00", "expires_at": "2100-01-02T00:00:00+00:00", "is_test": null, "resource_data": null, "traceparent": null,
    });
    assert_eq!(event, expected);
    // Its version is that of a UUIDv7.
    assert_eq!(&id[14..15], "7");
}

#[tokio::test]
async fn parameters_that_are_left_out_have_defaults() {
    let (_db, session) = database("defaults").await;
    session
        .run("insert into webhooks.event_types (name, category) values ('crate.shipped.late', 'logistics')")
        .await;
    session
        .run(&format!(
            "select webhooks.publish_event('{TENANT}', 'crate.shipped.late')"
        ))
        .await;
    let event = "select event_category, event_name, event_version, event_data, created_at = processed_at,
                 num_nulls(resource_type, resource_id, user_id, session_id, request_id, source_ip, environment,
                           idempotency_key, ordering_key, deliver_after, expires_at)
                 from webhooks.event_logs";
    assert_eq!(
        session.text(event).await,
        "logistics|crate.shipped.late|1.0|{}|t|11"
    );
}

#[tokio::test]
async fn times_and_ordering_reach_the_delivery() {
    let (_db, session) = database("times").await;
    for (request, settings) in [
        ("later", "deliver_after => '2100-01-01 00:00Z'"),
        ("overdue", "deliver_after => '2000-01-01 00:00Z'"),
        ("short-lived", "expires_at => '2100-01-02 00:00Z'"),
        ("ordered", "ordering_key => 'k'"),
    ] {
        let publish = publish(request).replace(')', &format!(", {settings})"));
        session.run(&publish).await;
    }
    let queue = "select e.request_id, q.attempt, q.next_attempt_at at time zone 'utc', q.expires_at at time zone 'utc', q.lane
                 from webhooks.delivery_queue q join webhooks.event_logs e on e.id = q.event_log_id order by e.id";
    assert_eq!(
        session.lines(queue).await,
        [
            "later|0|2100-01-01 00:00:00|null|null",
            "overdue|0|null|null|null",
            "short-lived|0|null|2100-01-02 00:00:00|null",
            "ordered|0|null|null|null",
        ]
    );
}

#[tokio::test]
async fn an_unknown_type_is_refused_and_the_hint_registers_it() {
    let (_db, session) = database("unknown").await;
    let publish = |name: &str| {
        format!(
            "select webhooks.publish_event('{TENANT}', {})",
            literal(name)
        )
    };
    for name in ["order.paid", "a.b_2.c"] {
        let refusal = session.refused(&publish(name)).await;
        assert_eq!(refusal.code, "23503");
        assert_eq!(refusal.message, format!("unknown event type \"{name}\""));
        let (_, register) = refusal.hint.split_once("adds it: ").unwrap();
        session.run(register).await;
        session.run(&publish(name)).await;
    }
    let seen = "select event_type, event_category from webhooks.event_logs order by id";
    assert_eq!(session.lines(seen).await, ["order.paid|order", "a.b_2.c|a"]);
    // A hint that can't work would be worse than none.
    for name in ["order", "Order.Paid", "order..paid", "it's.me", ""] {
        let refusal = session.refused(&publish(name)).await;
        assert_eq!(refusal.message, format!("unknown event type \"{name}\""));
        assert!(refusal.hint.contains("lower-case words"), "{refusal:?}");
    }
    // Whoever publishes many at once learns which one it was.
    let refusal = session
        .refused(&format!(
            "insert into webhooks.event_logs (tenant_id, event_type, event_category, event_name, event_data)
             values ('{TENANT}', 'job.created', 'job', 'x', '{{}}'), ('{TENANT}', 'no.such', 'no', 'x', '{{}}')"
        ))
        .await;
    assert_eq!(refusal.message, "unknown event type \"no.such\"");
    assert_eq!(
        session
            .text("select count(*) from webhooks.event_logs")
            .await,
        "2"
    );
}

#[tokio::test]
async fn values_that_the_table_does_not_take_are_refused() {
    let (_db, session) = database("refused").await;
    let cases = [
        ("null, 'job.created'", "23502", "tenant_id is null"),
        ("'{T}', null", "23502", "event_type is null"),
        (
            "'{T}', 'job.created', event_data => null",
            "23502",
            "event_data is null",
        ),
        (
            "'{T}', 'job.created', environment => 'prod'",
            "23514",
            "invalid environment: prod",
        ),
        (
            "'{T}', 'job.created', deliver_after => '2100-01-02', expires_at => '2100-01-01'",
            "23514",
            "invalid expires_at: 2100-01-01",
        ),
        (
            "'{T}', 'job.created', deliver_after => '2100-01-01', expires_at => '2100-01-01'",
            "23514",
            "invalid expires_at: 2100-01-01",
        ),
        ("'x', 'job.created'", "22P02", "\"x\""),
        (
            "'{T}', 'job.created', resource_type => repeat('x', 51)",
            "22001",
            "resource_type is too long: 51 characters",
        ),
    ];
    for (arguments, code, named) in cases {
        let arguments = arguments.replace("{T}", TENANT);
        let refusal = session
            .refused(&format!("select webhooks.publish_event({arguments})"))
            .await;
        assert_eq!(refusal.code, code, "{arguments}: {refusal:?}");
        assert!(
            refusal.message.contains(named),
            "{arguments}: {}",
            refusal.message
        );
    }
    assert_eq!(published(&session).await, "");
}

#[tokio::test]
async fn an_event_that_is_rolled_back_is_not_published() {
    let (_db, session) = database("rollback").await;
    session
        .run(&format!("begin; {}; rollback", publish("a")))
        .await;
    assert_eq!(published(&session).await, "");

    let [a, b, c, d, e, f] = ["a", "b", "c", "d", "e", "f"].map(publish);
    session
        .run(&format!(
            "begin; {a}; savepoint o; {b}; savepoint i; {c}; rollback to i; {d}; rollback to o;
             {e}; savepoint kept; {f}; release kept; commit"
        ))
        .await;
    assert_eq!(published(&session).await, "a e f");

    let error = session
        .refused(&format!("begin; {}; select 1/0", publish("g")))
        .await;
    assert_eq!(error.code, "22012");
    session.run("rollback").await;
    assert_eq!(published(&session).await, "a e f");
}

#[tokio::test]
async fn an_application_trigger_publishes_with_its_row_or_not_at_all() {
    let (_db, session) = database("trigger").await;
    session
        .run(&format!(
            "create table public.documents (title text primary key);
             create function public.announce() returns trigger language plpgsql as $$
             begin
                 perform webhooks.publish_event('{TENANT}', 'document.uploaded', request_id => new.title);
                 return new;
             end $$;
             create trigger announce after insert on public.documents for each row execute function public.announce();
             insert into public.documents values ('a'), ('b')"
        ))
        .await;
    session
        .refused("insert into public.documents values ('c'), ('a')")
        .await;
    session
        .run(
            "do $$ begin
                 insert into public.documents values ('d');
                 raise exception 'no';
             exception when raise_exception then
                 insert into public.documents values ('e');
             end $$",
        )
        .await;
    assert_eq!(published(&session).await, "a b e");
}

/// No time that a payload can't show or that a sidecar can't count with.
#[tokio::test]
async fn times_are_of_this_world() {
    let (_db, session) = database("times").await;
    for (call, column) in [
        ("deliver_after => 'infinity'", "deliver_after"),
        ("deliver_after => '-infinity'", "deliver_after"),
        ("deliver_after => '10000-01-01 00:00Z'", "deliver_after"),
        ("expires_at => '-infinity'", "expires_at"),
        ("expires_at => '1969-12-31 23:59Z'", "expires_at"),
    ] {
        let publish = format!("select webhooks.publish_event('{TENANT}', 'job.created', {call})");
        let refusal = session.refused(&publish).await;
        assert_eq!(refusal.code, "23514", "{call}: {refusal:?}");
        let named = format!("invalid {column}: ");
        assert!(refusal.message.contains(&named), "{call}: {refusal:?}");
    }
    // In a partition as in the default one.
    for partitioned in [false, true] {
        if partitioned {
            session.run("select webhooks.create_partitions(1)").await;
        }
        for column in ["created_at", "processed_at"] {
            for time in [
                "infinity",
                "-infinity",
                "10000-01-01 00:00Z",
                "1969-12-31 23:59:59Z",
            ] {
                let insert = format!(
                    "insert into webhooks.event_logs (tenant_id, event_type, event_category, event_name, event_data, {column})
                     values ('{TENANT}', 'job.created', 'job', 'x', '{{}}', '{time}')"
                );
                let refusal = session.refused(&insert).await;
                assert_eq!(refusal.code, "23514", "{insert}: {refusal:?}");
                let named = format!("invalid {column}: ");
                assert!(refusal.message.contains(&named), "{refusal:?}");
            }
        }
    }
    session
        .run(&format!(
            "select webhooks.publish_event('{TENANT}', 'job.created', request_id => 'last',
                 deliver_after => '9999-12-31 23:59:59.999999Z', expires_at => 'infinity');
             insert into webhooks.event_logs (tenant_id, event_type, event_category, event_name, event_data, created_at, processed_at, request_id)
             values ('{TENANT}', 'job.created', 'job', 'x', '{{}}', '1970-01-01 00:00Z', '9999-12-31 23:59Z', 'ends'),
                    ('{TENANT}', 'job.created', 'job', 'x', '{{}}', null, null, 'none')"
        ))
        .await;
    assert_eq!(published(&session).await, "last ends none");
}
