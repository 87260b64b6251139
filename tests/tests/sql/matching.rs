//! The subscriptions that get an event; `explain_match` and a replay find the same ones.

mod cases;

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::support::session::literal;
use crate::support::world::{OTHER_TENANT, TENANT, World, subscribe};
use cases::{CASES, Case};

const RESOURCE: &str = "33333333-3333-4333-8333-333333333333";

/// An event as `publish_event` and `explain_match` both take it.
struct Event {
    tenant: &'static str,
    event_type: &'static str,
    data: String,
    /// Further named arguments.
    more: &'static str,
}

impl Event {
    fn of(event_type: &'static str) -> Self {
        Self::with_data("{}").of_type(event_type)
    }

    fn with_data(data: impl Into<String>) -> Self {
        Self {
            tenant: TENANT,
            event_type: "job.created",
            data: data.into(),
            more: "",
        }
    }

    fn of_type(mut self, event_type: &'static str) -> Self {
        self.event_type = event_type;
        self
    }

    fn more(mut self, more: &'static str) -> Self {
        self.more = more;
        self
    }

    fn arguments(&self) -> String {
        format!(
            "'{}', '{}', event_data => {}{}",
            self.tenant,
            self.event_type,
            literal(&self.data),
            self.more
        )
    }
}

impl World {
    /// A subscription of the tenant to everything but for these columns.
    async fn subscribe_as(&self, name: &str, columns: Value) {
        let mut row = json!({"name": name});
        row.as_object_mut()
            .unwrap()
            .extend(columns.as_object().unwrap().clone());
        subscribe(&self.db, row).await;
    }

    /// Names of the subscriptions that got an event, in order: as the queue says, checked against what
    /// `explain_match` says.
    async fn matched(&self, event: &Event) -> Vec<String> {
        let arguments = event.arguments();
        let publish = format!("select webhooks.publish_event({arguments})");
        let id = self.session.text(&publish).await;
        let queued = format!(
            "select s.name from webhooks.delivery_queue q join webhooks.webhook_subscriptions s on s.id = q.subscription_id
             where q.event_log_id = '{id}' order by s.name"
        );
        let queued = self.session.lines(&queued).await;
        let explained = self.explain(event).await;
        let matched = explained.iter().filter(|(_, reason)| reason == &"null");
        let matched: Vec<_> = matched.map(|(name, _)| name.clone()).collect();
        assert_eq!(queued, matched, "{arguments}: {explained:?}");
        let replayed = format!(
            "select s.name from webhooks.event_logs e
             cross join webhooks_private.replayable(e.tenant_id, e.created_at, e.created_at + interval '1 us', null, null, null, null) r
             join webhooks.webhook_subscriptions s on s.id = r.matched_id
             where e.id = '{id}' and r.event_log_id = e.id order by s.name"
        );
        let replayed = self.session.lines(&replayed).await;
        assert_eq!(replayed, queued, "{arguments}, replayed");
        queued
    }

    /// Why each of the tenant's subscriptions does not match; "null" for those that do.
    async fn explain(&self, event: &Event) -> BTreeMap<String, String> {
        let arguments = event.arguments();
        let lines = self
            .session
            .lines(&format!(
                "select subscription_name, matched, reason from webhooks.explain_match({arguments})"
            ))
            .await;
        let split = |line: &String| {
            let [name, matched, reason] = line.splitn(3, '|').collect::<Vec<_>>()[..] else {
                panic!("{line}");
            };
            assert_eq!(matched == "t", reason == "null", "{line}");
            (name.to_owned(), reason.to_owned())
        };
        lines.iter().map(split).collect()
    }
}

#[tokio::test]
async fn tenants_types_and_wildcards_decide_on_matches() {
    let world = World::new("wildcards").await;
    let session = &world.session;
    session
        .run("insert into webhooks.event_types (name, category) values ('job.step.done', 'job'), ('jobs.created', 'jobs')")
        .await;
    for (name, events) in [
        ("exact", json!(["job.created"])),
        ("category", json!(["job.*"])),
        ("all", json!(["*"])),
        (
            "overlapping",
            json!(["*", "job.created", "job.*", "job.created"]),
        ),
        (
            "overlapping category",
            json!(["job.created", "user.login", "job.*"]),
        ),
        ("two", json!(["user.login", "job.failed"])),
        ("deep", json!(["job.step.done"])),
        ("none", json!([])),
    ] {
        world
            .subscribe_as(name, json!({"subscribed_events": events}))
            .await;
    }
    world
        .subscribe_as("foreign", json!({"tenant_id": OTHER_TENANT}))
        .await;
    for (event_type, expected) in [
        (
            "job.created",
            vec![
                "all",
                "category",
                "exact",
                "overlapping",
                "overlapping category",
            ],
        ),
        (
            "job.failed",
            vec![
                "all",
                "category",
                "overlapping",
                "overlapping category",
                "two",
            ],
        ),
        (
            "job.step.done",
            vec![
                "all",
                "category",
                "deep",
                "overlapping",
                "overlapping category",
            ],
        ),
        ("jobs.created", vec!["all", "overlapping"]),
        (
            "user.login",
            vec!["all", "overlapping", "overlapping category", "two"],
        ),
    ] {
        let event = Event::of(event_type);
        assert_eq!(world.matched(&event).await, expected, "{event_type}");
    }
    let foreign = Event {
        tenant: OTHER_TENANT,
        ..Event::of("job.created")
    };
    assert_eq!(world.matched(&foreign).await, ["foreign"]);
    // Each one once.
    let twice = "select count(*) from (select from webhooks.delivery_queue
                 group by subscription_id, event_log_id having count(*) > 1) t";
    assert_eq!(session.text(twice).await, "0");

    let reasons = world.explain(&Event::of("user.login")).await;
    assert_eq!(
        reasons["exact"],
        "subscribed_events [\"job.created\"] does not cover user.login"
    );
    assert!(!reasons.contains_key("foreign"));
    let unknown = world.explain(&Event::of("no.such")).await;
    assert_eq!(
        unknown["all"],
        "event type no.such is not registered in event_types"
    );
}

#[tokio::test]
async fn switches_and_environments_decide_on_matches() {
    let world = World::new("switches").await;
    for (name, columns) in [
        ("plain", json!({})),
        ("inactive", json!({"is_active": false})),
        ("inactive null", json!({"is_active": null})),
        (
            "disabled",
            json!({"is_enabled": false, "disabled_reason": "HTTP status 410"}),
        ),
        ("disabled null", json!({"is_enabled": null})),
        ("dev", json!({"environment": "dev"})),
        ("staging", json!({"environment": "staging"})),
    ] {
        world.subscribe_as(name, columns).await;
    }
    let event = Event::of("job.created");
    assert_eq!(
        world.matched(&event).await,
        ["dev", "plain", "staging"],
        "null reaches all"
    );
    for (environment, expected) in [
        (", environment => 'dev'", "dev"),
        (", environment => 'staging'", "staging"),
        (", environment => 'production'", "plain"),
    ] {
        let event = Event::of("job.created").more(environment);
        assert_eq!(world.matched(&event).await, [expected]);
    }
    let reasons = world
        .explain(&Event::of("job.created").more(", environment => 'dev'"))
        .await;
    assert_eq!(reasons["inactive"], "is_active is not true");
    assert_eq!(reasons["inactive null"], "is_active is not true");
    assert_eq!(
        reasons["disabled"],
        "is_enabled is not true: HTTP status 410"
    );
    assert_eq!(reasons["disabled null"], "is_enabled is not true");
    assert_eq!(
        reasons["staging"],
        "environment is staging, the event's is dev"
    );

    let session = &world.session;
    session
        .run("update webhooks.webhook_subscriptions set is_active = true, is_enabled = true; ")
        .await;
    let all = [
        "dev",
        "disabled",
        "disabled null",
        "inactive",
        "inactive null",
        "plain",
        "staging",
    ];
    assert_eq!(world.matched(&event).await, all);
    session
        .run("delete from webhooks.webhook_subscriptions where name <> 'plain'")
        .await;
    assert_eq!(world.matched(&event).await, ["plain"]);
}

#[tokio::test]
async fn resources_decide_on_matches() {
    let world = World::new("resources").await;
    for (name, filters) in [
        ("document", json!({"resource_type": "document"})),
        ("this one", json!({"resource_id": RESOURCE})),
        (
            "this document",
            json!({"resource_type": "document", "resource_id": RESOURCE.to_uppercase()}),
        ),
        (
            "no resource",
            json!({"resource_type": null, "resource_id": null}),
        ),
    ] {
        world
            .subscribe_as(name, json!({"event_filters": filters}))
            .await;
    }
    for (more, expected) in [
        ("", vec!["no resource"]),
        (", resource_type => 'document'", vec!["document"]),
        (", resource_type => 'Document'", vec![]),
        (
            ", resource_type => 'document', resource_id => '33333333-3333-4333-8333-333333333333'",
            vec!["document", "this document", "this one"],
        ),
        (
            ", resource_id => '33333333-3333-4333-8333-333333333333'",
            vec!["this one"],
        ),
        (
            ", resource_id => '33333333-3333-4333-8333-333333333334'",
            vec![],
        ),
    ] {
        let event = Event::of("job.created").more(more);
        assert_eq!(world.matched(&event).await, expected, "{more}");
    }
    let event = Event::of("job.created").more(", resource_type => 'paper'");
    assert_eq!(
        world.explain(&event).await["document"],
        "resource_type is \"paper\"; the filter wants \"document\""
    );
}

#[tokio::test]
async fn filters_pass_what_they_should() {
    let world = World::new("filters").await;
    for Case(filters, passing, failing) in CASES {
        let columns = json!({"event_filters": serde_json::from_str::<Value>(filters).unwrap()});
        world.subscribe_as("it", columns).await;
        for (events, expected) in [(passing, 1), (failing, 0)] {
            for data in *events {
                let matched = world.matched(&Event::with_data(*data)).await;
                assert_eq!(matched.len(), expected, "{filters} on {data}");
            }
        }
        world
            .session
            .run("delete from webhooks.webhook_subscriptions")
            .await;
    }
}

/// Whatever subscribers filter by and applications publish: nobody's INSERT fails, and `explain_match` tells the truth.
#[tokio::test]
async fn any_event_meets_any_filter() {
    let world = World::new("any_filter").await;
    for (n, Case(filters, ..)) in CASES.iter().enumerate() {
        let filters: Value = serde_json::from_str(filters).unwrap();
        let columns = json!({"event_filters": filters, "subscribed_events": ["*"]});
        world.subscribe_as(&format!("{n:02}"), columns).await;
    }
    let nested = |open: &str, close: &str, levels| {
        format!("{}1{}", open.repeat(levels), close.repeat(levels))
    };
    let mut events: Vec<_> = CASES
        .iter()
        .flat_map(|Case(_, passing, failing)| passing.iter().chain(*failing))
        .map(|data| (*data).to_owned())
        .collect();
    events.extend([
        nested("{\"a\":", "}", 200),
        nested("[", "]", 200),
        nested("{\"a\": [", "]}", 255),
        format!("{{\"amount\": 1{}, \"n\": 1e400}}", "0".repeat(400)),
        "{\"amount\": 1e131071, \"n\": -1e131071, \"a\": 1e-16383}".to_owned(),
        format!("{{\"status\": \"{}\"}}", "x".repeat(1_000_000)),
        r#"{"amount": [null, {"a": []}], "at": {"x": 1}, "items": "x"}"#.to_owned(),
    ]);
    events.sort();
    events.dedup();
    let mut matches = 0;
    for data in events {
        matches += world.matched(&Event::with_data(data)).await.len();
    }
    assert!(matches > 300, "{matches}");
}

/// Times without a time zone are in UTC, formats are what they are: whoever publishes.
#[tokio::test]
async fn a_match_does_not_depend_on_the_session() {
    let world = World::new("session_settings").await;
    for (name, path) in [
        (
            "before",
            r#"$.due.datetime() < "2026-01-01T00:00:00+00:00".datetime()"#,
        ),
        (
            "date",
            r#"$.due.datetime() >= "2026-01-01T00:00:00+00:00".datetime()"#,
        ),
        ("time", r#"$.at.datetime() == "12:00:00+00:00".datetime()"#),
    ] {
        world
            .subscribe_as(name, json!({"event_filters": {"jsonpath": path}}))
            .await;
    }
    for settings in [
        "set timezone = 'UTC'",
        "set timezone = 'America/New_York'",
        "set timezone = 'Asia/Tokyo'; set datestyle = 'German, DMY'; set intervalstyle = 'iso_8601'",
        "set timezone = 'Pacific/Kiritimati'; set extra_float_digits = -15; set standard_conforming_strings = on",
    ] {
        world.session.run(settings).await;
        for (data, expected) in [
            (r#"{"due": "2025-12-31T20:00:00"}"#, "before"),
            (r#"{"due": "2025-12-31"}"#, "before"),
            (r#"{"due": "2026-01-01T03:00:00"}"#, "date"),
            (r#"{"due": "2026-01-01"}"#, "date"),
            (r#"{"at": "12:00:00"}"#, "time"),
        ] {
            let matched = world.matched(&Event::with_data(data)).await;
            assert_eq!(matched, [expected], "{settings}: {data}");
        }
    }
}

/// Names that serde_json uses for itself are keys like any other.
#[tokio::test]
async fn no_key_of_an_event_has_a_meaning_of_its_own() {
    let world = World::new("private_keys").await;
    let number = json!({"$serde_json::private::Number": "12"});
    for (name, event_data) in [
        ("twelve", json!({"a": 12})),
        ("literal", json!({"a": {"$eq": number}})),
        ("not twelve", json!({"a": {"$ne": 12}})),
    ] {
        world
            .subscribe_as(name, json!({"event_filters": {"event_data": event_data}}))
            .await;
    }
    for (data, expected) in [
        (r#"{"a": 12}"#, &["twelve"][..]),
        (
            r#"{"a": {"$serde_json::private::Number": "12"}}"#,
            &["literal", "not twelve"],
        ),
        (
            r#"{"a": {"$serde_json::private::Number": "x"}}"#,
            &["not twelve"],
        ),
        (
            r#"{"$serde_json::private::RawValue": "{\"a\": 12}"}"#,
            &["not twelve"],
        ),
        (
            r#"{"$serde_json::private::Number": {}, "a": 12}"#,
            &["twelve"],
        ),
        (
            r#"{"b": [{"$serde_json::private::RawValue": 1}], "a": 12}"#,
            &["twelve"],
        ),
    ] {
        let matched = world.matched(&Event::with_data(data)).await;
        assert_eq!(matched, expected, "{data}");
    }
}

/// All that a path finds in a deep value is that value once per level.
#[tokio::test]
async fn values_that_a_path_finds_are_not_copied() {
    let world = World::new("deep_finds").await;
    world
        .subscribe_as("all", json!({"event_filters": {"jsonpath": "$.**"}}))
        .await;
    world
        .session
        .run("set statement_timeout = '20s'; set temp_file_limit = '100MB'")
        .await;
    let data = format!(
        "{}\"{}\"{}",
        "[".repeat(500),
        "x".repeat(2_000_000),
        "]".repeat(500)
    );
    assert_eq!(world.matched(&Event::with_data(&data)).await, ["all"]);
}

#[tokio::test]
async fn an_event_as_deep_as_can_be_published_is_matched() {
    let world = World::new("deep_match").await;
    let filters = json!({"event_filters": {"event_data": {"a": 1}, "jsonpath": "$.a == 1"}});
    world.subscribe_as("it", filters).await;
    for (open, close) in [("[", "]"), ("{\"b\":", "}")] {
        for levels in [120, 128, 511] {
            let deep = format!("{}2{}", open.repeat(levels), close.repeat(levels));
            let data = format!("{{\"a\": 1, \"deep\": {deep}}}");
            let matched = world.matched(&Event::with_data(data)).await;
            assert_eq!(matched, ["it"], "{levels}");
        }
    }
}

#[tokio::test]
async fn reasons_name_the_filter() {
    let world = World::new("reasons").await;
    for (name, filters) in [
        ("equal", json!({"event_data": {"status": "final"}})),
        ("more", json!({"event_data": {"a.b": {"$gt": 100}}})),
        ("path", json!({"jsonpath": "$.a.b > 100"})),
        ("deep", json!({"event_data": {"a": {"$exists": true}}})),
    ] {
        world
            .subscribe_as(name, json!({"event_filters": filters}))
            .await;
    }
    let reasons = world
        .explain(&Event::with_data(r#"{"a": {"b": 5}, "status": "draft"}"#))
        .await;
    assert_eq!(
        reasons["equal"],
        "event_data key \"status\" is \"draft\"; the filter wants \"final\""
    );
    assert!(
        reasons["more"].starts_with("event_data key \"a.b\" is 5; the filter wants"),
        "{reasons:?}"
    );
    assert_eq!(
        reasons["path"],
        "event_filters.jsonpath $.a.b > 100 does not hold"
    );
    assert_eq!(reasons["deep"], "null");
    let too_deep = format!("{}1{}", "{\"a\":".repeat(600), "}".repeat(600));
    let reasons = world.explain(&Event::with_data(too_deep)).await;
    assert!(
        reasons["deep"].starts_with("event_data can't be filtered"),
        "{reasons:?}"
    );
}

/// As pg_dump and pg_restore set it: their deliveries come by themselves. Who sets it by mistake is told.
#[tokio::test]
async fn restored_events_are_not_fanned_out_and_it_is_said() {
    let world = World::new("restoring").await;
    world.subscribe_as("all", json!({})).await;
    let session = &world.session;
    session
        .run("set check_function_bodies = off; set row_security = off; set log_min_messages = notice")
        .await;
    session
        .run(&format!(
            "insert into webhooks.event_logs (tenant_id, event_type, event_category, event_name, event_data)
             select '{TENANT}', 'job.created', 'job', 'x', '{{}}' from generate_series(1, 3)"
        ))
        .await;
    let queued = "select count(*) from webhooks.delivery_queue";
    assert_eq!(session.text(queued).await, "0");
    let database = world.db.name();
    let log = world.db.cluster().server_log();
    let said = log.matches("restored events are not published").count();
    assert_eq!(said, 1, "{database}");
}
