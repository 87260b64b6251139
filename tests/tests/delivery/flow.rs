use std::time::{Duration, UNIX_EPOCH};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use uuid::Uuid;
use webhooks_tests::database::{Database, PUBLISHER_ROLE, publish};
use webhooks_tests::receiver::{Reply, Request};
use webhooks_tests::sidecar::Sidecar;
use webhooks_tests::wait::{Seen, eventually};

use crate::scene::{Scene, text};

const APPLICATION: &str = "
create table documents (
    id uuid primary key default gen_random_uuid(),
    tenant_id uuid not null,
    title text not null
);
create function document_uploaded() returns trigger language plpgsql as $$
begin
    perform webhooks.publish_event(
        tenant_id => new.tenant_id,
        event_type => 'document.uploaded',
        event_data => jsonb_build_object('title', new.title),
        resource_type => 'document',
        resource_id => new.id,
        user_id => new.tenant_id
    );
    return null;
end
$$;
create trigger document_uploaded after insert on documents
    for each row execute function document_uploaded();
grant insert on documents to publisher;";

async fn payload(db: &Database, event: Uuid) -> String {
    let query = format!("select webhooks.build_payload('{event}')");
    db.value(&query).await.unwrap().unwrap()
}

/// Names of a request's headers, sorted.
fn names(request: &Request) -> Vec<&str> {
    let mut names: Vec<_> = request.headers.keys().map(|name| name.as_str()).collect();
    names.sort_unstable();
    names
}

#[tokio::test]
async fn a_trigger_publishes_at_commit_and_never_at_rollback() {
    let scene = Scene::set("trigger").await;
    let columns = json!({"subscribed_events": ["document.*"]});
    let endpoint = scene.endpoint("/hook", Reply::ok(), columns).await;
    scene.db.execute(APPLICATION).await.unwrap();
    let mut application = scene.db.connect_as(PUBLISHER_ROLE).await.unwrap();
    let insert = "insert into documents (tenant_id, title) values ($1, $2)";
    let set_tenant = "select webhooks.set_tenant($1)";

    let undone = application.transaction().await.unwrap();
    undone
        .execute(set_tenant, &[&endpoint.tenant])
        .await
        .unwrap();
    undone
        .execute(insert, &[&endpoint.tenant, &"undone"])
        .await
        .unwrap();
    undone.rollback().await.unwrap();

    let mut partly = application.transaction().await.unwrap();
    partly
        .execute(set_tenant, &[&endpoint.tenant])
        .await
        .unwrap();
    let savepoint = partly.savepoint("s").await.unwrap();
    savepoint
        .execute(insert, &[&endpoint.tenant, &"undone too"])
        .await
        .unwrap();
    savepoint.rollback().await.unwrap();
    partly
        .execute(insert, &[&endpoint.tenant, &"done ✓"])
        .await
        .unwrap();
    assert_eq!(scene.receiver.count(), 0, "sent before the commit");
    partly.commit().await.unwrap();

    let requests = scene.receiver.wait_for(1).await.unwrap();
    let event = requests[0].event_id().unwrap();
    scene.wait(event, "delivered").await;
    scene
        .db
        .wait_drained(Duration::from_secs(10))
        .await
        .unwrap();
    assert_eq!(scene.receiver.count(), 1);
    let body = std::str::from_utf8(&requests[0].body).unwrap();
    assert_eq!(body, payload(&scene.db, event).await);
    assert_eq!(requests[0].json()["data"], json!({"title": "done ✓"}));
    assert_eq!(
        requests[0].json()["context"]["user_id"],
        json!(endpoint.tenant)
    );
}

#[tokio::test]
async fn the_request_and_its_record_are_as_specified() {
    let scene = Scene::set("request").await;
    let reply = Reply::status(201)
        .header("x-receipt", "42")
        .header("set-cookie", "session=secret")
        .body("thanks\n")
        .after(Duration::from_millis(30));
    let headers = json!({"X-Team": "records", "Accept": "application/json"});
    let endpoint = scene
        .endpoint("/hook", reply, json!({"webhook_headers": headers}))
        .await;
    let update = format!(
        "update webhooks.webhook_subscriptions set webhook_url = webhook_url || '?a=b%20c' where id = '{}'",
        endpoint.subscription
    );
    scene.db.execute(&update).await.unwrap();
    let event = scene.publish(&endpoint).await;
    let (delivery, attempts) = scene.wait(event, "delivered").await;

    let request = &scene.receiver.requests()[0];
    assert_eq!(request.method, "POST");
    assert_eq!(
        (request.path.as_str(), request.query.as_deref()),
        ("/hook", Some("a=b%20c"))
    );
    let expected = [
        "accept",
        "content-length",
        "content-type",
        "host",
        "user-agent",
        "webhook-id",
        "webhook-timestamp",
        "x-team",
        "x-webhook-attempt",
        "x-webhook-delivery-id",
        "x-webhook-event-type",
    ];
    assert_eq!(names(request), expected);
    let header = |name| request.header(name).unwrap();
    assert_eq!(header("content-type"), "application/json");
    assert_eq!(header("accept"), "application/json");
    assert_eq!(header("x-team"), "records");
    assert!(header("user-agent").starts_with("webhooks-sidecar/"));
    assert_eq!(header("host"), scene.receiver.address().to_string());
    assert_eq!(header("webhook-id"), event.to_string());
    assert_eq!(header("x-webhook-event-type"), "document.uploaded");
    assert_eq!(header("x-webhook-attempt"), "1");
    assert_eq!(request.body, payload(&scene.db, event).await);

    let id = request.delivery_id().unwrap();
    let hash: String = Sha256::digest(&request.body)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let row = |name: &str| &delivery[name];
    assert_eq!(row("id"), &json!(id));
    assert_eq!(row("subscription_id"), &json!(endpoint.subscription));
    assert_eq!(row("event_log_id"), &json!(event));
    assert_eq!(row("tenant_id"), &json!(endpoint.tenant));
    assert_eq!(row("delivery_attempt"), 1);
    assert_eq!(row("http_status_code"), 201);
    assert_eq!(row("response_body"), "thanks\n");
    assert_eq!(row("response_headers")["x-receipt"], "42");
    assert_eq!(row("response_headers")["set-cookie"], "[redacted]");
    assert_eq!(row("error_message"), &Value::Null);
    assert_eq!(row("next_retry_at"), &Value::Null);
    assert_eq!(row("payload_size_bytes"), request.body.len());
    assert_eq!(row("payload_hash"), &json!(hash));
    assert_eq!(attempts.len(), 1);
    assert_eq!(attempts[0]["delivery_status"], "delivered");

    // One clock, the machine's: created ≤ attempted ≤ arrived ≤ delivered = attempted + duration.
    let times = format!(
        "select array[e.created_at, d.attempted_at, d.delivered_at,
                      d.attempted_at + d.duration_us * interval '1 microsecond'
                ]::text from webhooks.webhook_delivery_logs d join webhooks.event_logs e on e.id = d.event_log_id
         where d.id = '{id}' and e.created_at <= d.attempted_at
           and d.delivered_at = d.attempted_at + d.duration_us * interval '1 microsecond'
           and d.duration_us >= 30000"
    );
    let times = scene.db.value(&times).await.unwrap();
    assert!(times.is_some(), "times contradict each other: {delivery}");
    let arrived = request.arrived_at.duration_since(UNIX_EPOCH).unwrap();
    let in_order = format!(
        "select attempted_at <= at and at <= delivered_at from webhooks.webhook_delivery_logs,
         lateral (select to_timestamp({})) as t (at) where id = '{id}'",
        arrived.as_secs_f64()
    );
    let in_order = scene.db.value(&in_order).await.unwrap();
    assert_eq!(in_order.as_deref(), Some("true"), "{delivery}");
    let stamp = format!(
        "select floor(extract(epoch from attempted_at))::bigint from webhooks.webhook_delivery_logs where id = '{id}'"
    );
    assert_eq!(
        scene.db.value(&stamp).await.unwrap().as_deref(),
        request.header("webhook-timestamp")
    );
}

#[tokio::test]
async fn methods_and_authentication_are_as_configured() {
    let scene = Scene::set("methods").await;
    let cases = [
        ("POST", "none", json!({}), None),
        (
            "PUT",
            "api_key",
            json!({"api_key": "k-1"}),
            Some(("authorization", "Bearer k-1")),
        ),
        (
            "PATCH",
            "api_key",
            json!({"api_key": "k-2", "header": "X-API-Key"}),
            Some(("x-api-key", "k-2")),
        ),
    ];
    for (n, (method, auth_type, auth_config, expected)) in cases.into_iter().enumerate() {
        let path = format!("/{n}");
        let columns =
            json!({"webhook_method": method, "auth_type": auth_type, "auth_config": auth_config});
        scene.play(&path, Reply::ok(), columns, "delivered").await;
        let request = &scene.receiver.requests_to(&path)[0];
        assert_eq!(request.method, method);
        for name in [
            "authorization",
            "x-api-key",
            "webhook-signature",
            "x-webhook-signature",
        ] {
            let value = expected.and_then(|(header, value)| (header == name).then_some(value));
            assert_eq!(request.header(name), value, "{method} {auth_type} {name}");
        }
    }
}

/// A registered resource is sent as it was when the event was published, in every attempt.
#[tokio::test]
async fn the_resource_is_sent_as_it_was() {
    let scene = Scene::set("resource").await;
    let endpoint = scene
        .endpoint("/hook", Reply::ok(), json!({"retry_count": 2}))
        .await;
    scene
        .receiver
        .on_sequence("/hook", [Reply::status(500), Reply::ok()]);
    let id = Uuid::new_v4();
    scene.db.execute(APPLICATION).await.unwrap();
    scene
        .db
        .execute(&format!(
            "select webhooks.register_resource('document', 'documents', columns => '{{title,id}}');
             begin; insert into documents values ('{id}', '{}', 'before ✓'); update documents set title = 'after'; commit",
            endpoint.tenant
        ))
        .await
        .unwrap();
    let requests = scene.receiver.wait_for(2).await.unwrap();
    let event = requests[0].event_id().unwrap();
    scene.wait(event, "delivered").await;
    let body = payload(&scene.db, event).await;
    for request in &requests {
        assert_eq!(request.body, body);
    }
    let body: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(
        body["resource"],
        json!({"type": "document", "id": id, "data": {"id": id, "title": "before ✓"}})
    );
}

#[tokio::test]
async fn each_attempt_sends_the_same_bytes_and_its_own_number() {
    let scene = Scene::set("attempts").await;
    let endpoint = scene
        .endpoint("/hook", Reply::ok(), json!({"retry_count": 2}))
        .await;
    let replies = [Reply::status(500), Reply::status(503), Reply::ok()];
    scene.receiver.on_sequence("/hook", replies);
    let event = scene.publish(&endpoint).await;
    let (delivery, attempts) = scene.wait(event, "delivered").await;
    let requests = scene.receiver.requests();
    let numbers: Vec<_> = requests.iter().filter_map(Request::attempt).collect();
    assert_eq!(numbers, [1, 2, 3]);
    for request in &requests {
        assert_eq!(request.body, requests[0].body);
        assert_eq!(request.delivery_id(), requests[0].delivery_id());
        assert_eq!(request.event_id(), Some(event));
    }
    assert_eq!(delivery["delivery_attempt"], 3);
    let statuses: Vec<_> = attempts
        .iter()
        .map(|a| (text(&a["delivery_status"]), &a["http_status_code"]))
        .collect();
    assert_eq!(
        statuses,
        [
            ("retrying", &json!(500)),
            ("retrying", &json!(503)),
            ("delivered", &json!(200))
        ]
    );
    let hashes: Vec<_> = attempts.iter().map(|a| &a["payload_sha256"]).collect();
    assert!(hashes.iter().all(|hash| *hash == hashes[0]), "{hashes:?}");
}

/// A row on its way to the default partition while the day's own partition is being attached.
#[tokio::test]
async fn publishers_are_not_refused_while_partitions_are_made() {
    let db = Database::fresh("partitions").await.unwrap();
    let mut maintainer = db.connect().await.unwrap();
    let publisher = db.connect().await.unwrap();
    let tenant = db.tenant();
    let drop = db
        .value("select format('drop table webhooks_private.event_logs_%s', to_char(now() at time zone 'utc', 'YYYYMMDD'))")
        .await
        .unwrap()
        .unwrap();
    maintainer.batch_execute(&drop).await.unwrap();
    let making = maintainer.transaction().await.unwrap();
    making
        .execute("select webhooks.create_partitions()", &[])
        .await
        .unwrap();
    let published = publish(&publisher, tenant, "document.uploaded", json!({}));
    let commit = async {
        let watcher = db.connect().await.unwrap();
        let waiting = async || {
            let query = "select count(*) from pg_stat_activity
                         where datname = current_database() and wait_event_type = 'Lock'";
            let n: i64 = watcher.query_one(query, &[]).await?.get(0);
            Ok(Seen::done_if(n, |n| *n == 1))
        };
        eventually(Duration::from_secs(10), waiting).await.unwrap();
        making.commit().await.unwrap();
    };
    let (event, ()) = tokio::join!(published, commit);
    let event = event.unwrap();
    let partition =
        format!("select tableoid::regclass from webhooks.event_logs where id = '{event}'");
    let partition = db.value(&partition).await.unwrap().unwrap();
    assert!(!partition.ends_with("default"), "{partition}");
}

/// Beside a large default partition it takes two calls of maintain(). The second comes at once.
#[tokio::test]
async fn a_sidecar_finishes_the_partitions_that_it_began() {
    let db = Database::fresh("two_calls").await.unwrap();
    db.execute(
        "insert into webhooks.event_logs (id, tenant_id, event_type, event_category, event_name, event_data)
         select webhooks.uuid_v7_floor(now() + interval '300 d' + n * interval '1 ms'), gen_random_uuid(), 'job.created', 'job', 'x',
                jsonb_build_object('x', (select string_agg(md5(i::text), '') from generate_series(n, n + 49) i))
         from generate_series(1, 9000) n;
         select webhooks.set_setting('partition_days_ahead', 8)",
    )
    .await
    .unwrap();
    let _sidecar = Sidecar::start(&db).await.unwrap();
    let is_made = "select to_regclass('webhooks_private.event_logs_' || to_char(now() at time zone 'utc' + interval '8 d', 'YYYYMMDD')) is not null
                          and webhooks_private.prepared_tables() = 0";
    let made = async || {
        let seen = db.value(is_made).await?.unwrap_or_default();
        Ok(Seen::done_if(seen, |seen| seen == "true"))
    };
    eventually(Duration::from_secs(60), made).await.unwrap();
}

/// A later patch version of the extension may have more attributes than the sidecar knows, one that runs just now as well.
#[tokio::test]
async fn types_with_more_attributes_do_not_stop_deliveries() {
    let scene = Scene::set("more_attributes").await;
    let endpoint = scene.endpoint("/x", Reply::ok(), json!({})).await;
    let event = scene.publish(&endpoint).await;
    scene.wait(event, "delivered").await;
    for name in ["claim_request", "attempt_result"] {
        let alter = format!("alter type webhooks_private.{name} add attribute added text");
        scene.db.execute(&alter).await.unwrap();
        let event = scene.publish(&endpoint).await;
        scene.wait(event, "delivered").await;
    }
}
