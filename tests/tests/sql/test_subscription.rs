//! `test_subscription()`: what it queues, for whom, and what leaves it alone. What is sent: `tests/delivery/test_subscription.rs`.

use serde_json::{Value, json};
use webhooks_tests::database::MANAGER_ROLE;

use crate::support::claim::Claim;
use crate::support::composite::Composite;
use crate::support::listener::Listener;
use crate::support::record::Record;
use crate::support::session::Session;
use crate::support::world::{TENANT, World};

/// In the shards 1 and 2, and their tests in 17 and 18.
const A: &str = "00000000-0000-7000-8000-000000000001";
const B: &str = "00000000-0000-7000-8000-000000000002";
const TEST_A: &str = "select webhooks.test_subscription('00000000-0000-7000-8000-000000000001')";

/// Of tests alone, one a subscription.
fn claim_of_tests() -> Claim {
    Claim::of_shards(&[16, 17, 18]).with("per_subscription", 1)
}

async fn claimed(session: &Session, claim: Claim) -> Vec<String> {
    let claimed = format!("select delivery_id from {claim}");
    session.lines(&claimed).await
}

impl World {
    /// Records the only attempt of a delivery, as a sidecar does.
    async fn record(&self, delivery: &str, status: &str) {
        let record = Record::of_delivery(delivery, status)
            .with("http_status_code", 500)
            .with("response_body", "'no'::text")
            .with("error_message", "'no'::text");
        assert_eq!(self.session.lines(&record.to_string()).await, [""; 0]);
    }
}

#[tokio::test]
async fn data_that_are_given_take_the_place_of_the_example() {
    let world = World::new("test_data").await;
    world.subscribe(A, json!({})).await;
    let session = &world.session;
    for (data, stored) in [
        ("", "t"),
        (", event_data => '{\"own\": 1.50}'", "f"),
        (", event_data => null", "t"),
    ] {
        let test = format!("select webhooks.test_subscription('{A}', 'document.processed'{data})");
        let id = session.text(&test).await;
        let is_example = format!(
            "select e.event_data = c.example, e.event_data ->> 'own' is not distinct from case when '{stored}' = 'f' then '1.50' end
             from webhooks.delivery_queue q join webhooks.event_logs e on e.id = q.event_log_id
             join webhooks.event_type_catalogue c on c.name = e.event_type and c.is_current where q.id = '{id}'"
        );
        assert_eq!(
            session.text(&is_example).await,
            format!("{stored}|t"),
            "{data}"
        );
    }
}

#[tokio::test]
async fn a_made_up_event_is_queued_for_one_subscription_alone() {
    let world = World::new("test_alone").await;
    let fifo = json!({"ordering": "fifo", "subscribed_events": ["job.*", "document.processed"], "environment": "dev", "event_filters": {"resource_type": "nothing"}});
    world.subscribe(A, fifo).await;
    world.subscribe(B, json!({})).await;
    let session = &world.session;
    let mut bell = Listener::on(&world.db, "webhooks_doorbell").await;
    let delivery = session.text(TEST_A).await;
    assert_eq!(bell.heard("webhooks_doorbell").await, ["test"]);
    let queued = format!(
        "select q.id = '{delivery}', q.subscription_id, q.tenant_id, q.shard, q.attempt, q.lane, q.next_attempt_at,
                q.expires_at - now() between '9 minutes' and '10 minutes', q.expires_at = e.expires_at,
                e.tenant_id, e.event_type, e.event_category, e.event_name, e.event_version, e.event_data ->> 'kind', e.resource_type,
                e.resource_id, e.environment, e.is_test, e.user_id
         from webhooks.delivery_queue q join webhooks.event_logs e on e.id = q.event_log_id"
    );
    assert_eq!(
        session.text(&queued).await,
        format!(
            "t|{A}|{TENANT}|17|0|null|null|t|t|{TENANT}|document.processed|document|Test: A document was processed|1.0|invoice|document|\
             00000000-0000-7000-8000-000000000002|dev|t|null"
        )
    );
    let audit = "select action, object_type, object_id, tenant_id, after ->> 'delivery_id', after ->> 'event_type' from webhooks.audit_log order by id desc limit 1";
    assert_eq!(
        session.text(audit).await,
        format!("tested|subscription|{A}|{TENANT}|{delivery}|document.processed")
    );
    // Whoever reads the log sees what it is.
    for view in ["webhook_delivery_logs", "delivery_states"] {
        let seen = format!("select id, delivery_status, is_test from webhooks.{view}");
        assert_eq!(session.text(&seen).await, format!("{delivery}|pending|t"));
    }
    world.record(&delivery, "failed").await;
    for view in ["webhook_delivery_logs", "delivery_states"] {
        let seen = format!("select id, delivery_status, is_test from webhooks.{view}");
        assert_eq!(session.text(&seen).await, format!("{delivery}|failed|t"));
    }
    let story = format!(
        "select concat_ws(' ', what, subscription_name, status) from webhooks.event_history('{TENANT}')"
    );
    assert_eq!(
        session.lines(&story).await,
        ["published", "tested 1", "attempted 1 failed"]
    );
    // Of a type that is asked for, and without a NOTIFY if that is turned off.
    let typed = format!(
        "begin; set local webhooks.notify = off; select webhooks.test_subscription('{A}', 'user.login'); commit"
    );
    session.run(&typed).await;
    assert_eq!(bell.heard("webhooks_doorbell").await, [""; 0]);
    let event = "select event_type, event_data ->> 'email' from webhooks.event_logs order by id desc limit 1";
    assert_eq!(session.text(event).await, "user.login|ada@example.com");
    // Other values are as they were.
    world.publish("").await;
    let event = "select q.shard, l.is_test, e.is_test from webhooks.delivery_queue q join webhooks.webhook_delivery_logs l on l.id = q.id
                 join webhooks.event_logs e on e.id = q.event_log_id where q.subscription_id = '00000000-0000-7000-8000-000000000002'";
    assert_eq!(session.text(event).await, "2|f|null");
}

#[tokio::test]
async fn only_a_tenants_own_subscription_is_tested() {
    let world = World::new("test_whose").await;
    world.subscribe(A, json!({})).await;
    let manager = Session::open_as(&world.db, MANAGER_ROLE).await;
    let unknown = format!("there is no subscription {A}");
    for tenant in ["", "22222222-2222-4222-8222-222222222222"] {
        manager
            .run(&format!("set webhooks.tenant_id = '{tenant}'"))
            .await;
        let refusal = manager.refused(TEST_A).await;
        assert_eq!(
            (refusal.code.as_str(), refusal.message),
            ("42704", unknown.clone())
        );
    }
    manager
        .run(&format!("set webhooks.tenant_id = '{TENANT}'"))
        .await;
    let delivery = manager.text(TEST_A).await;
    let own = "select id from webhooks.webhook_delivery_logs where is_test";
    assert_eq!(manager.text(own).await, delivery);
    // A monitor sees that it is one, too.
    let monitor = "set role webhooks_monitor; select s.is_test, e.is_test from webhooks.delivery_states s join webhooks.event_logs e on e.id = s.event_log_id";
    assert_eq!(world.session.text(monitor).await, "t|t");

    world.session.run("reset role").await;
    for (arguments, message) in [
        (
            "null".to_owned(),
            "there is no subscription null".to_owned(),
        ),
        (
            format!("'{A}', 'no.type'"),
            "there is no event type \"no.type\" to make an event of".to_owned(),
        ),
    ] {
        let test = format!("select webhooks.test_subscription({arguments})");
        let refusal = world.session.refused(&test).await;
        assert_eq!((refusal.code.as_str(), refusal.message), ("42704", message));
        assert!(!refusal.hint.is_empty());
    }
}

/// A subscription whose deliveries are held gets its tests, and the tests do not release its deliveries.
#[tokio::test]
async fn a_test_is_claimed_while_the_rest_is_held() {
    let world = World::new("test_claim").await;
    world.subscribe(A, json!({})).await;
    world.subscribe(B, json!({"ordering": "fifo"})).await;
    for _ in 0..3 {
        world.publish("").await;
    }
    let session = &world.session;
    let tests = [
        session.text(TEST_A).await,
        session
            .text(&format!("select webhooks.test_subscription('{B}')"))
            .await,
    ];
    // Another one of A waits its turn.
    session.run(TEST_A).await;
    let ordinary = format!(
        "select count(*), count(*) filter (where shard >= 16) from {}",
        Claim::of_all_shards().with("max_fresh", 10)
    );
    let enabled = session.text(&ordinary).await;
    assert!(enabled.ends_with("|0"), "{enabled}");
    assert_eq!(claimed(session, claim_of_tests()).await, tests);
    for off in [
        "is_active = false",
        "is_active = null",
        "is_active = true, is_enabled = false",
        "is_enabled = null",
    ] {
        session
            .run(&format!("update webhooks.webhook_subscriptions set {off}"))
            .await;
        assert_eq!(session.text(&ordinary).await, "0|0", "{off}");
        assert_eq!(claimed(session, claim_of_tests()).await, tests, "{off}");
    }
    let full = claim_of_tests().with("full_subscriptions", format_args!("'{{{A}}}'"));
    assert_eq!(claimed(session, full).await, tests[1..]);
}

#[tokio::test]
async fn a_test_is_not_repeated() {
    let world = World::new("test_once").await;
    world.subscribe(A, json!({})).await;
    world.subscribe(B, json!({})).await;
    let session = &world.session;
    let delivery = session.text(TEST_A).await;
    let retry = format!("select webhooks.retry_delivery('{delivery}')");
    let refusal = session.refused(&retry).await;
    assert_eq!(
        refusal.message,
        format!("delivery {delivery} is outstanding")
    );
    world.record(&delivery, "failed").await;
    let refusal = session.refused(&retry).await;
    assert_eq!(refusal.code, "55000");
    assert_eq!(refusal.message, format!("delivery {delivery} was a test"));
    let again = format!("select webhooks.test_subscription('{A}');");
    assert!(refusal.hint.contains(&again), "{refusal:?}");
    for nothing in [
        format!("select webhooks.retry_failed('{A}', dry_run => true)"),
        format!("select webhooks.retry_failed('{A}')"),
        format!(
            "select events + deliveries from webhooks.replay_events('{TENANT}', '-infinity', 'infinity', dry_run => true)"
        ),
        format!(
            "select events + deliveries from webhooks.replay_events('{TENANT}', '-infinity', 'infinity')"
        ),
        format!("select count(*) from webhooks.unmatched_events('{TENANT}', '-infinity')"),
        "select count(*) from webhooks.delivery_queue".to_owned(),
    ] {
        assert_eq!(session.text(&nothing).await, "0", "{nothing}");
    }
    // The log is gone, with the subscription's tests: still nobody missed an event.
    session.run("delete from webhooks.delivery_attempts").await;
    let unmatched =
        format!("select count(*) from webhooks.unmatched_events('{TENANT}', '-infinity')");
    assert_eq!(session.text(&unmatched).await, "0");
    let story = format!("select what from webhooks.event_history('{TENANT}')");
    assert_eq!(session.lines(&story).await, ["published"]);
}

#[tokio::test]
async fn a_test_that_waits_is_cancelled_with_the_rest() {
    let world = World::new("test_cancel").await;
    world.subscribe(A, json!({})).await;
    world.subscribe(B, json!({})).await;
    let session = &world.session;
    let delivery = session.text(TEST_A).await;
    world.publish("").await;
    let cancel = format!("select webhooks.cancel_deliveries('{A}')");
    assert_eq!(session.text(&cancel).await, "2");
    let log = "select is_test, count(*) from webhooks.webhook_delivery_logs where delivery_status = 'cancelled' group by is_test order by is_test";
    assert_eq!(session.lines(log).await, ["f|1", "t|1"]);
    let logged =
        format!("select is_test from webhooks.delivery_attempts where delivery_id = '{delivery}'");
    assert_eq!(session.text(&logged).await, "t");

    // So it is with the subscription itself, and whatever is left of one.
    let queued = "select count(*) from webhooks.delivery_queue where subscription_id = '00000000-0000-7000-8000-000000000001'";
    session.run(TEST_A).await;
    assert_eq!(session.text(queued).await, "1");
    session
        .run(&format!("create temporary table kept as select * from webhooks.delivery_queue where subscription_id = '{A}';
                       select webhooks.delete_subscription('{A}')"))
        .await;
    assert_eq!(session.text(queued).await, "0");
    session
        .run("insert into webhooks.delivery_queue select * from kept")
        .await;
    assert_eq!(claimed(session, claim_of_tests()).await, [""; 0]);
    session
        .run("select webhooks_private.remove_orphans()")
        .await;
    assert_eq!(session.text(queued).await, "0");
}

/// There is no such resource to be looked up.
#[tokio::test]
async fn a_test_has_no_snapshot() {
    let world = World::new("test_resource").await;
    world
        .subscribe(A, json!({"subscribed_events": ["job.created"]}))
        .await;
    let session = &world.session;
    session
        .run(
            "create function public.resolve(tenant_id uuid, resource_id uuid) returns jsonb language plpgsql as
                 $$ begin raise exception 'there is no job %', resource_id; end $$;
             select webhooks.register_resource('job', resolver => 'public.resolve(uuid, uuid)')",
        )
        .await;
    session.run(TEST_A).await;
    let data = "select resource_type, resource_data from webhooks.event_logs";
    assert_eq!(session.text(data).await, "job|null");
}

/// The previews of a test's event are what is sent of it.
#[tokio::test]
async fn a_test_is_previewed_as_one() {
    let world = World::new("test_preview").await;
    world.subscribe(A, json!({})).await;
    world.session.run(TEST_A).await;
    let event = world
        .session
        .text("select id from webhooks.event_logs")
        .await;
    let preview = format!("select * from webhooks.preview_payload('{A}', '{event}')");
    let preview = world.db.rows(&preview).await.unwrap().remove(0);
    assert_eq!(preview["headers"]["x-webhook-test"], "true");
    let body: Value = serde_json::from_str(preview["body"].as_str().unwrap()).unwrap();
    assert_eq!(body["test"], true);
    let build = format!("select webhooks.build_payload('{event}', '{A}')");
    assert_eq!(world.session.text(&build).await, preview["body"]);
}

/// A test is a delivery, too: a receiver that has not agreed to deliveries gets none.
#[tokio::test]
async fn a_receiver_that_has_not_agreed_gets_no_test() {
    let world = World::new("test_unverified").await;
    let session = &world.session;
    session
        .run("select webhooks.set_setting('verification_origin', 'events.example.com')")
        .await;
    let options = json!({"endpoint_verification": "options", "is_enabled": false});
    world.subscribe(A, options).await;
    let answer = |state: &str| {
        let answer = Composite::of("verification_answer")
            .with("subscription_id", format_args!("'{A}'"))
            .with("webhook_url", "'http://x.example/'")
            .with("origin", "'events.example.com'")
            .with("state", format_args!("'{state}'"))
            .with("error", "'no'");
        format!("select webhooks_private.record_verifications(array[{answer}])")
    };
    for before in ["", &answer("refused")] {
        session.run(before).await;
        let refusal = session.refused(TEST_A).await;
        assert_eq!(refusal.code, "55000");
        assert!(refusal.message.contains("has not agreed"), "{refusal:?}");
        assert!(refusal.hint.contains("verification_error"), "{refusal:?}");
    }
    session.run(&answer("verified")).await;
    session.run(TEST_A).await;
    session
        .run("update webhooks.webhook_subscriptions set webhook_url = 'http://y.example/'")
        .await;
    assert_eq!(session.refused(TEST_A).await.code, "55000");
}
