//! Tenants that ask for it are told of their own endpoints, in the transaction that records the attempt.

use serde_json::json;

use crate::support::record::Record;
use crate::support::session::Session;
use crate::support::world::{OTHER_TENANT, TENANT, World, subscribe, subscription_id};

/// What tenants were told, and of which subscription.
const TOLD: &str = "select event_type, right(resource_id::text, 1), tenant_id = '11111111-1111-4111-8111-111111111111' from webhooks.event_logs
    where event_type like 'webhook.%' order by id";
/// The last digits of subscriptions with the events that are outstanding to them.
const QUEUE: &str =
    "select right(q.subscription_id::text, 1), e.event_type from webhooks.delivery_queue q
    join webhooks.event_logs e on e.id = q.event_log_id order by 1, 2";

/// The subscription `a` to everything, and these with their patterns. One event was published.
async fn world(name: &str, others: &[(&str, &[&str])]) -> World {
    let world = World::new(name).await;
    world
        .subscribe(
            &subscription_id("a"),
            json!({"webhook_url": "https://Hooks.example.com:8443/secret-path?key=secret", "webhook_headers": {"x-key": "secret"}}),
        )
        .await;
    for (end, patterns) in others {
        world
            .subscribe(
                &subscription_id(end),
                json!({"subscribed_events": patterns}),
            )
            .await;
    }
    world.publish("").await;
    world
}

/// A result of all deliveries of a subscription.
fn result(end: &str, status: &str) -> Record {
    let id = subscription_id(end);
    Record::of(
        format!("select * from webhooks.delivery_queue where subscription_id = '{id}'"),
        status,
    )
    .with("error_message", "'HTTP status 503'")
    .with("http_status_code", 503)
    .with("retry_after_ms", 0)
}

fn with_breaker(record: Record, breaker: &str) -> String {
    record
        .with("breaker", format_args!("'{breaker}'"))
        .with("failing_for_ms", 5000)
        .with("probe_in_ms", 60_000)
        .to_string()
}

async fn forget(session: &Session) {
    session
        .run("delete from webhooks.event_logs where event_type like 'webhook.%'; delete from webhooks.delivery_queue where attempt = 0")
        .await;
}

#[tokio::test]
async fn an_endpoint_that_fails_recovers_and_is_disabled_is_told_of() {
    let World { db: _db, session } = world(
        "endpoint_events",
        &[("b", &["webhook.*"]), ("c", &["webhook.endpoint.disabled"])],
    )
    .await;
    // A few failures in a row are no news.
    session
        .run(&with_breaker(result("a", "retrying"), "failing"))
        .await;
    assert_eq!(session.lines(TOLD).await, [""; 0]);
    session
        .run(&with_breaker(result("a", "retrying"), "open"))
        .await;
    assert_eq!(session.lines(TOLD).await, ["webhook.endpoint.failing|a|t"]);
    // A probe that fails neither.
    session
        .run(&with_breaker(result("a", "retrying"), "open"))
        .await;
    assert_eq!(session.lines(TOLD).await.len(), 1);
    assert_eq!(
        session.lines(QUEUE).await,
        ["a|job.created", "b|webhook.endpoint.failing"]
    );
    let data = "select event_data - 'failing_since' - 'next_attempt_at', environment, event_category, event_version from webhooks.event_logs where event_type like 'webhook.%'";
    assert_eq!(
        session.text(data).await,
        format!(
            r#"{{"host": "hooks.example.com", "name": "a", "error": "HTTP status 503", "environment": "production", "subscription_id": "{}", "http_status_code": 503}}|production|webhook|1.0"#,
            subscription_id("a")
        )
    );
    session
        .run(&with_breaker(result("a", "delivered"), "closed"))
        .await;
    assert_eq!(
        session.lines(TOLD).await,
        [
            "webhook.endpoint.failing|a|t",
            "webhook.endpoint.recovered|a|t"
        ]
    );
    // It works, as before.
    let publish = format!("select webhooks.publish_event('{TENANT}', 'job.created')");
    session.run(&publish).await;
    session
        .run(&with_breaker(result("a", "delivered"), "closed"))
        .await;
    assert_eq!(session.lines(TOLD).await.len(), 2);

    forget(&session).await;
    session.run(&publish).await;
    let gone = result("a", "failed").with("disable_reason", "'HTTP status 410'");
    session.run(&gone.to_string()).await;
    assert_eq!(
        session.lines(QUEUE).await,
        [
            "b|webhook.delivery.failed",
            "b|webhook.endpoint.disabled",
            "c|webhook.endpoint.disabled"
        ]
    );
    let fits = "select count(*), count(webhooks_private.schema_errors(v.schema::text, e.event_data::text)), bool_or(e.event_data::text ~* 'secret|8443') from webhooks.event_logs e
        join webhooks_private.event_type_versions v on v.name = e.event_type and v.version = e.event_version where v.schema is not null";
    assert_eq!(session.text(fits).await, "2|0|f");
}

#[tokio::test]
async fn a_delivery_that_failed_is_told_of_once() {
    let World { db: _db, session } =
        world("delivery_failed", &[("b", &["webhook.delivery.failed"])]).await;
    session.run(&result("a", "retrying").to_string()).await;
    assert_eq!(session.lines(TOLD).await, [""; 0]);
    let delivery = session
        .text("select id || '|' || event_log_id from webhooks.delivery_queue")
        .await;
    let failed = result("a", "failed").to_string();
    // Reported twice, as after a lost answer: with the attempt number that the queue had.
    let again = failed.replace(
        "select * from webhooks.delivery_queue where",
        "select delivery_id as id, subscription_id, 1 as attempt from webhooks.delivery_attempts where delivery_attempt = 1 and",
    );
    session.run(&failed).await;
    assert_eq!(session.lines(&again).await.len(), 1, "it comes too late");
    assert_eq!(session.lines(TOLD).await, ["webhook.delivery.failed|a|t"]);
    let data = "select concat_ws('|', event_data ->> 'delivery_id', event_data ->> 'event_id', event_data ->> 'event_type', event_data ->> 'attempts')
        from webhooks.event_logs where event_type like 'webhook.%'";
    assert_eq!(
        session.text(data).await,
        format!("{delivery}|job.created|2")
    );
    // A test is nobody's news, nor is a delivery that tells of one.
    session.run(&result("b", "failed").to_string()).await;
    session
        .run(&format!(
            "select webhooks.test_subscription('{}')",
            subscription_id("a")
        ))
        .await;
    session.run(&result("a", "failed").to_string()).await;
    assert_eq!(session.lines(TOLD).await.len(), 1);
    assert_eq!(session.lines(QUEUE).await, [""; 0]);
}

/// Subscriptions that tell each other of their failures come to an end.
#[tokio::test]
async fn endpoints_that_tell_of_each_other_come_to_an_end() {
    let World { db: _db, session } = world(
        "mutual_events",
        &[("b", &["webhook.*"]), ("c", &["*", "webhook.*"])],
    )
    .await;
    let mut rounds = 0;
    while session
        .text("select count(*) from webhooks.delivery_queue")
        .await
        != "0"
    {
        rounds += 1;
        assert!(rounds < 10, "{:?}", session.lines(TOLD).await);
        session
            .run(&with_breaker(Record::of_all("failed"), "open"))
            .await;
    }
    let told = session.lines(TOLD).await;
    assert_eq!(
        told.iter()
            .filter(|t| t.contains("endpoint.failing"))
            .count(),
        3
    );
    assert_eq!(
        told.iter()
            .filter(|t| t.contains("delivery.failed"))
            .count(),
        2
    );
}

#[tokio::test]
async fn only_those_are_told_that_ask_for_it() {
    let World { db, session } = world("endpoint_routes", &[]).await;
    subscribe(&db, json!({"id": subscription_id("d"), "tenant_id": OTHER_TENANT, "subscribed_events": ["webhook.*"]})).await;
    // Nobody of the tenant: nothing is published.
    session
        .run(&with_breaker(result("a", "failed"), "open"))
        .await;
    assert_eq!(session.lines(TOLD).await, [""; 0]);
    // Only the one that it is about: the same.
    for (end, patterns) in [
        ("e", json!(["webhook.*", "job.*"])),
        ("f", json!(["*", "webhook.*", "webhook.delivery.failed"])),
    ] {
        subscribe(&db, json!({"id": subscription_id(end), "subscribed_events": patterns, "environment": if end == "f" { "staging" } else { "production" }})).await;
    }
    session
        .run("update webhooks.webhook_subscriptions set is_active = false where id::text like '%f'")
        .await;
    session
        .run(&format!(
            "select webhooks.publish_event('{TENANT}', 'job.created')"
        ))
        .await;
    session
        .run(&with_breaker(result("e", "failed"), "open"))
        .await;
    assert_eq!(session.lines(TOLD).await, [""; 0]);
    session
        .run("update webhooks.webhook_subscriptions set is_active = true where id::text like '%f'")
        .await;
    session
        .run("delete from webhooks_private.subscription_breakers")
        .await;
    session
        .run(&with_breaker(result("a", "failed"), "open"))
        .await;
    // Of the environment of the endpoint.
    assert_eq!(
        session.lines("select right(q.subscription_id::text, 1) from webhooks.delivery_queue q join webhooks.event_logs e on e.id = q.event_log_id where e.event_type like 'webhook.%' order by 1").await,
        ["e", "e"]
    );
    // * beside webhook.* gets each event once.
    let routes = "select string_agg(pattern, ' ' order by pattern) from webhooks_private.subscription_routes where subscription_id::text like '%f'";
    assert_eq!(
        session.text(routes).await,
        "* webhook.delivery.failed webhook.endpoint.disabled webhook.endpoint.failing webhook.endpoint.recovered"
    );
    // explain_match() and replay_events() say the same as matching.
    let explain = |about: &str| {
        format!(
            "select string_agg(right(subscription_id::text, 1), '' order by subscription_id) from webhooks.explain_match('{TENANT}', 'webhook.endpoint.failing', resource_id => '{}') where matched",
            subscription_id(about)
        )
    };
    assert_eq!(session.text(&explain("a")).await, "ef");
    assert_eq!(session.text(&explain("e")).await, "f");
    let why = format!(
        "select reason from webhooks.explain_match('{TENANT}', 'webhook.endpoint.failing') where not matched"
    );
    assert!(session.text(&why).await.contains("by * alone"));
    session.run("delete from webhooks.delivery_queue").await;
    session
        .run(&format!(
            "select webhooks.replay_events('{TENANT}', now() - interval '1 hour', now() + interval '1 hour', '{{webhook.*}}')"
        ))
        .await;
    assert_eq!(
        session.lines(QUEUE).await,
        ["e|webhook.delivery.failed", "e|webhook.endpoint.failing"]
    );
}

/// They are published while results of all tenants are recorded, so one tenant must not make them many deliveries.
#[tokio::test]
async fn no_more_than_a_few_subscriptions_are_told() {
    let World { db, session } = world("few_are_told", &[]).await;
    let all = |name: &str, environment: &str| json!({"tenant_id": TENANT, "name": name, "webhook_url": "https://x.example/", "subscribed_events": ["webhook.*"], "environment": environment});
    for n in 0..10 {
        subscribe(&db, all(&format!("told {n}"), "production")).await;
    }
    let another = format!(
        "insert into webhooks.webhook_subscriptions (tenant_id, name, webhook_url, subscribed_events, environment)
         values ('{TENANT}', 'one more', 'https://x.example/', '[\"webhook.delivery.failed\"]', 'production')"
    );
    let refusal = session.refused(&another).await;
    assert_eq!(refusal.code, "53400");
    assert_eq!(
        refusal.message,
        format!(
            "tenant {TENANT} has 10 subscriptions to events about its endpoints in the environment production"
        )
    );
    // Another environment has its own, and what those that are there become otherwise is no matter.
    subscribe(&db, all("elsewhere", "staging")).await;
    session
        .run("update webhooks.webhook_subscriptions set description = 'x'")
        .await;
    session.run(&result("a", "failed").to_string()).await;
    assert_eq!(
        session
            .lines("select count(*) from webhooks.delivery_queue")
            .await,
        ["10"]
    );
    // A restore brings as many as there were: of more nobody is told, and the result is recorded.
    forget(&session).await;
    session
        .run(&format!(
            "set check_function_bodies = off; {another}; reset check_function_bodies"
        ))
        .await;
    session
        .run(&format!(
            "select webhooks.publish_event('{TENANT}', 'job.created')"
        ))
        .await;
    session.run(&result("a", "failed").to_string()).await;
    assert_eq!(session.lines(TOLD).await, [""; 0]);
    let recorded =
        "select count(*) from webhooks.delivery_attempts where delivery_status = 'failed'";
    assert_eq!(session.text(recorded).await, "2");
}

#[tokio::test]
async fn limits_do_not_count_them_and_failures_do_not_keep_a_result_from_being_recorded() {
    let World { db: _db, session } = world("endpoint_limits", &[("b", &["webhook.*"])]).await;
    session
        .run(&format!(
            "select webhooks.set_tenant_limits('{TENANT}', max_events_per_minute => 1)"
        ))
        .await;
    session
        .run(&with_breaker(result("a", "failed"), "open"))
        .await;
    assert_eq!(session.lines(TOLD).await.len(), 2);
    session
        .run(&format!(
            "select webhooks.publish_event('{TENANT}', 'job.created')"
        ))
        .await;
    // But those of others do.
    let refusal = session
        .refused(&format!(
            "select webhooks.publish_event('{TENANT}', 'job.created')"
        ))
        .await;
    assert_eq!(refusal.code, "53400");

    session
        .run(
            "create function public.refuse() returns trigger language plpgsql as 'begin raise exception ''no''; end';
             create trigger refuse before insert on webhooks.event_logs for each row when (new.event_type like 'webhook.%') execute function public.refuse()",
        )
        .await;
    session.run(&result("a", "failed").to_string()).await;
    assert_eq!(session.lines(TOLD).await.len(), 2);
    let recorded =
        "select count(*) from webhooks.delivery_attempts where delivery_status = 'failed'";
    assert_eq!(session.text(recorded).await, "2");
}

#[tokio::test]
async fn schemas_of_the_system_are_checked_and_cost_others_nothing() {
    let World { db: _db, session } = World::new("system_schemas").await;
    let bad = "select name from webhooks_private.event_type_versions where schema is not null
        and (webhooks_private.schema_problem(schema::text) is not null or webhooks_private.schema_errors(schema::text, example::text) is not null)";
    assert_eq!(session.lines(bad).await, [""; 0]);
    let all = "select count(*) from webhooks.event_type_catalogue c where webhooks_private.is_system_event(c.name) = (c.schema is not null)";
    assert_eq!(session.text(all).await, "21");
    let triggers = "select count(*) from pg_trigger where tgname = 'a20_validate_events'";
    assert_eq!(session.text(triggers).await, "0");
    session
        .run("select webhooks.register_event_type('job.created', schema => '{}')")
        .await;
    assert_eq!(session.text(triggers).await, "1");
}
