//! Invalid settings, and what is said of them.

use serde_json::{Value, json};

use super::{SECRET, database, insert};
use crate::support::session::literal;

fn nested(levels: usize) -> Value {
    (0..levels).fold(json!(SECRET), |inner, _| json!({"a": inner}))
}

#[tokio::test]
async fn an_invalid_setting_is_named_and_no_secret_is_shown() {
    let (_db, session) = database("invalid").await;
    session.run(&insert(&json!({}))).await;
    let none = |columns: Value| {
        let mut all = json!({"auth_type": "none", "auth_config": {}});
        all.as_object_mut()
            .unwrap()
            .extend(columns.as_object().unwrap().clone());
        all
    };
    let cases = [
        (json!({"tenant_id": null}), "tenant_id: null"),
        (json!({"id": null}), "id: null"),
        (json!({"name": null}), "name: null"),
        (json!({"webhook_url": null}), "webhook_url: null"),
        (json!({"webhook_url": "ftp://x.example/"}), "webhook_url"),
        (json!({"webhook_url": "x.example"}), "webhook_url"),
        (json!({"webhook_url": ""}), "webhook_url"),
        (
            json!({"webhook_url": format!("https://u:{SECRET}@x.example/")}),
            "webhook_url",
        ),
        (
            json!({"webhook_url": format!("https://x.example/{SECRET}#f")}),
            "webhook_url",
        ),
        (
            json!({"webhook_url": format!("https://x.example/{SECRET} ")}),
            "webhook_url",
        ),
        (json!({"environment": "prod"}), "environment: prod"),
        (json!({"environment": null}), "environment: null"),
        (json!({"webhook_method": "GET"}), "webhook_method: GET"),
        (json!({"payload_format": "xml"}), "payload_format: xml"),
        (json!({"payload_format": null}), "payload_format: null"),
        (
            json!({"webhook_headers": {"Ce-Id": SECRET}}),
            "header ce-id is reserved",
        ),
        (
            json!({"payload_template": "{\n{{ data.x"}),
            "payload_template: line 2: syntax error",
        ),
        (
            json!({"subscribed_events": ["job.created"], "payload_template": "{\"a\": {{ dtaa }}}"}),
            "with an event of type job.created: line 1: undefined value: there is no variable dtaa",
        ),
        (
            json!({"subscribed_events": ["job.created"], "payload_template": "{{ id }}x"}),
            "the result is no JSON at line 1, column 39",
        ),
        (
            json!({"subscribed_events": ["job.created"], "payload_template": "{{ [data, data, data, range(400)] }}", "max_payload_size_kb": 1}),
            "the body is larger than 1024 bytes, which is max_payload_size_kb or four times the event and 256 KiB",
        ),
        (
            json!({"subscribed_events": ["job.created"], "payload_template": "{% for a in range(90000) %}{% for b in range(90000) %}{% endfor %}{% endfor %}"}),
            "line 1: the template works too long",
        ),
        (
            json!({"subscribed_events": ["job.created"], "payload_template": ""}),
            "the result is no JSON",
        ),
        (
            json!({"payload_template": "{}", "payload_format": "standard"}),
            "payload_format is standard",
        ),
        (
            json!({"payload_template": "{}", "payload_content_type": "plain"}),
            "payload_content_type: content type \"plain\"",
        ),
        (
            json!({"payload_content_type": "text/plain"}),
            "payload_content_type: text/plain without",
        ),
        (
            json!({"payload_template": "{{ secrets.token }}"}),
            "payload_template: there is no secret \"token\" in template_secrets",
        ),
        (
            json!({"payload_template": "{}\n{{ secrets.token ~ '' }}", "template_secrets": {"token": SECRET}}),
            "payload_template: line 2: a secret can only be printed, as {{ secrets.name }}",
        ),
        (
            json!({"payload_template": "{% filter upper %}{{ secrets.token }}{% endfilter %}", "template_secrets": {"token": SECRET},
                   "subscribed_events": ["job.created"]}),
            "line 1: invalid operation (a secret can only be printed into the body)",
        ),
        (
            json!({"template_secrets": [SECRET]}),
            "template_secrets: must be an object",
        ),
        (
            json!({"template_secrets": {"token": null}}),
            "template_secrets: \"token\" must be a string, not null",
        ),
        (
            json!({"template_secrets": {"token": {"a": SECRET}}}),
            "template_secrets: \"token\" must be a string, not an object",
        ),
        (
            json!({"template_secrets": {"token": ""}}),
            "template_secrets: \"token\" has 0 bytes, not 1 to 4096",
        ),
        (
            json!({"template_secrets": {"token": SECRET.repeat(200)}}),
            "template_secrets: \"token\" has ",
        ),
        (
            json!({"template_secrets": {"Token": SECRET}}),
            "template_secrets: \"Token\" is no name",
        ),
        (json!({"template_secrets": nested(200)}), "template_secrets"),
        (json!({"webhook_headers": [1]}), "webhook_headers"),
        (
            json!({"webhook_headers": {"Host": SECRET}}),
            "header host is reserved",
        ),
        (
            json!({"webhook_headers": {"Webhook-Id": SECRET}}),
            "header webhook-id is reserved",
        ),
        (json!({"webhook_headers": {"a b": SECRET}}), "\"a b\""),
        (
            json!({"webhook_headers": {"a": format!("{SECRET}\r\nx: y")}}),
            "header a",
        ),
        (
            json!({"webhook_headers": {"a": {"secret": SECRET}}}),
            "header a",
        ),
        (json!({"webhook_headers": nested(200)}), "webhook_headers"),
        (json!({"auth_type": "oauth"}), "oauth"),
        (json!({"auth_type": "basic"}), "\"basic\""),
        (json!({"auth_type": "none"}), "auth_config key \"secret\""),
        (
            json!({"auth_type": "api_key"}),
            "auth_config key \"secret\"",
        ),
        (
            json!({"auth_type": "api_key", "auth_config": {"api_key": format!(" {SECRET}")}}),
            "api_key",
        ),
        (
            json!({"auth_type": "api_key", "auth_config": {"api_key": SECRET, "header": "host"}}),
            "header host",
        ),
        (
            json!({"auth_type": "api_key", "auth_config": {"api_key": SECRET, "header": "X-Key"}}),
            "x-key",
        ),
        (
            json!({"auth_type": "api_key", "auth_config": {}}),
            "\"api_key\"",
        ),
        (json!({"auth_config": {}}), "\"secret\""),
        (json!({"auth_config": {"secret": ""}}), "\"secret\""),
        (json!({"auth_config": {"secret": [SECRET]}}), "\"secret\""),
        (
            json!({"auth_config": {"secret": SECRET, "x": SECRET}}),
            "key \"x\"",
        ),
        (json!({"auth_config": SECRET}), "auth_config"),
        (json!({"auth_config": nested(200)}), "auth_config"),
        (
            json!({"subscribed_events": null}),
            "subscribed_events is null",
        ),
        (
            json!({"subscribed_events": "job.created"}),
            "\"job.created\"",
        ),
        (
            json!({"subscribed_events": {"job.created": true}}),
            "{\"job.created\": true}",
        ),
        (
            json!({"subscribed_events": ["job.created", "no.such"]}),
            "\"no.such\"",
        ),
        (json!({"subscribed_events": ["nothing.*"]}), "\"nothing.*\""),
        (json!({"subscribed_events": ["job*"]}), "\"job*\""),
        (
            json!({"subscribed_events": ["job.created.*"]}),
            "\"job.created.*\"",
        ),
        (json!({"subscribed_events": ["*.created"]}), "\"*.created\""),
        (
            json!({"subscribed_events": ["Job.created"]}),
            "\"Job.created\"",
        ),
        (json!({"subscribed_events": [""]}), "\"\""),
        (json!({"subscribed_events": [null]}), "null"),
        (json!({"subscribed_events": [1]}), "\"1\""),
        (json!({"subscribed_events": [["*"]]}), "[\"*\"]"),
        (json!({"event_filters": []}), "event_filters"),
        (
            json!({"event_filters": {"status": "final"}}),
            "unknown key \"status\"",
        ),
        (
            json!({"event_filters": {"resource_type": 5}}),
            "resource_type",
        ),
        (
            json!({"event_filters": {"resource_id": "five"}}),
            "\"five\"",
        ),
        (
            json!({"event_filters": {"event_data": ["a"]}}),
            "event_data",
        ),
        (
            json!({"event_filters": {"event_data": {"a": {"$regex": "x"}}}}),
            "\"$regex\"",
        ),
        (
            json!({"event_filters": {"event_data": {"a": {"$in": 5}}}}),
            "$in",
        ),
        (
            json!({"event_filters": {"event_data": {"a": {"$gt": true}}}}),
            "$gt",
        ),
        (
            json!({"event_filters": {"event_data": {"a": {"$gt": 1, "b": 2}}}}),
            "\"b\"",
        ),
        (
            json!({"event_filters": {"event_data": {"a": {"b": {"$gt": 1}}}}}),
            "$gt",
        ),
        (
            json!({"event_filters": {"event_data": {"a": nested(20)}}}),
            "event_filters",
        ),
        (json!({"event_filters": nested(200)}), "event_filters"),
        (json!({"event_filters": {"jsonpath": 5}}), "jsonpath"),
        (json!({"event_filters": {"jsonpath": ""}}), "jsonpath \"\""),
        (json!({"event_filters": {"jsonpath": "$.a >"}}), "$.a >"),
        (
            json!({"event_filters": {"jsonpath": "$.a like_regex \"(\""}}),
            "parentheses",
        ),
        (
            json!({"event_filters": {"jsonpath": "$.a like_regex \"a\" flag \"x\""}}),
            "flag",
        ),
        (
            json!({"event_filters": {"jsonpath": "$.a > 1e400000"}}),
            "1e400000",
        ),
        (
            json!({"event_filters": {"jsonpath": "$.a == $limit"}}),
            "no variables",
        ),
        (
            json!({"event_filters": {"jsonpath": "$.a ? (@ starts with $\"x y\")"}}),
            "no variables",
        ),
        (json!({"retry_count": -1}), "retry_count: -1"),
        (json!({"retry_count": 101}), "retry_count: 101"),
        (
            json!({"retry_delay_seconds": -1}),
            "retry_delay_seconds: -1",
        ),
        (
            json!({"retry_delay_seconds": 86401}),
            "retry_delay_seconds: 86401",
        ),
        (json!({"timeout_seconds": 0}), "timeout_seconds: 0"),
        (json!({"timeout_seconds": 301}), "timeout_seconds: 301"),
        (json!({"max_payload_size_kb": 0}), "max_payload_size_kb: 0"),
        (
            json!({"max_payload_size_kb": 65537}),
            "max_payload_size_kb: 65537",
        ),
        (json!({"max_in_flight": 0}), "max_in_flight: 0"),
        (json!({"max_in_flight": null}), "max_in_flight: null"),
        (
            json!({"rate_limit_per_second": 0}),
            "rate_limit_per_second: 0",
        ),
        (
            json!({"rate_limit_per_second": "NaN"}),
            "rate_limit_per_second: NaN",
        ),
        (json!({"rate_limit_burst": 0}), "rate_limit_burst: 0"),
        (json!({"ordering": "lifo"}), "ordering: lifo"),
        (
            json!({"breaker_failure_threshold": -1}),
            "breaker_failure_threshold: -1",
        ),
        (
            json!({"breaker_cooldown_seconds": 0}),
            "breaker_cooldown_seconds: 0",
        ),
        (
            json!({"endpoint_verification": "required"}),
            "endpoint_verification: required",
        ),
        (
            json!({"endpoint_verification": "options"}),
            "options, while the setting verification_origin is not set",
        ),
        (
            json!({"no_retry_statuses": [410, 200]}),
            "no_retry_statuses: {410,200}",
        ),
        (
            json!({"no_retry_statuses": [600]}),
            "no_retry_statuses: {600}",
        ),
        (
            json!({"no_retry_statuses": [[404, 410], [500, 501]]}),
            "no_retry_statuses: {{404,410},{500,501}}",
        ),
        (
            json!({"no_retry_statuses": [null]}),
            "no_retry_statuses: {NULL}",
        ),
        (
            json!({"no_retry_statuses": null}),
            "no_retry_statuses: null",
        ),
        (none(json!({"retry_count": -1})), "retry_count: -1"),
    ];
    for (columns, named) in &cases {
        let update: Vec<_> = columns.as_object().unwrap().keys().cloned().collect();
        let update = update.join(", ");
        let row = literal(&columns.to_string());
        let update = format!(
            "update webhooks.webhook_subscriptions s set ({update}) =
             (select {update} from jsonb_populate_record(s, {row}))"
        );
        // Not `update` alone: an id that changes is refused for that already.
        let statements = [insert(columns), update];
        let applicable = if columns.get("id").is_some() { 1 } else { 2 };
        for sql in &statements[..applicable] {
            let refusal = session.refused(sql).await;
            assert_eq!(refusal.code, "22023", "{columns}: {refusal:?}");
            assert!(refusal.message.contains(named), "{columns}: {refusal:?}");
            assert!(!refusal.hint.is_empty(), "{columns}: {refusal:?}");
            assert!(
                !refusal.everything.contains(SECRET),
                "{columns}: {refusal:?}"
            );
            assert!(refusal.everything.len() < 3000, "{columns}: {refusal:?}");
        }
    }
    let left = "select count(*), max(version) from webhooks.webhook_subscriptions";
    assert_eq!(session.text(left).await, "1|1");
}

/// The trigger repeats the table's constraints: one that it forgets would show the row.
#[tokio::test]
async fn every_constraint_has_a_refusal_of_its_own() {
    let (_db, session) = database("constraints").await;
    let constraints = "select conname from pg_constraint where conrelid = 'webhooks.webhook_subscriptions'::regclass
                       and contype = 'c' order by conname";
    let named = [
        "webhook_subscriptions_auth_type_check",
        "webhook_subscriptions_breaker_cooldown_check",
        "webhook_subscriptions_breaker_threshold_check",
        "webhook_subscriptions_delivery_check",
        "webhook_subscriptions_environment_check",
        "webhook_subscriptions_max_in_flight_check",
        "webhook_subscriptions_method_check",
        "webhook_subscriptions_no_retry_check",
        "webhook_subscriptions_ordering_check",
        "webhook_subscriptions_payload_format_check",
        "webhook_subscriptions_payload_size_check",
        "webhook_subscriptions_rate_limit_burst_check",
        "webhook_subscriptions_rate_limit_check",
        "webhook_subscriptions_retry_count_check",
        "webhook_subscriptions_retry_delay_check",
        "webhook_subscriptions_timeout_check",
        "webhook_subscriptions_url_check",
        "webhook_subscriptions_verification_check",
    ];
    assert_eq!(session.lines(constraints).await, named);
    let not_null = "select string_agg(attname, ' ' order by attname) from pg_attribute
                    where attrelid = 'webhooks.webhook_subscriptions'::regclass and attnum > 0 and attnotnull";
    assert_eq!(
        session.text(not_null).await,
        "delivery environment id max_in_flight name no_retry_statuses ordering payload_format subscribed_events tenant_id version"
    );
}

/// Publishers wait for a subscriber's path: what might take longer than in proportion to the data is refused. The rules are
/// tested in webhooks-core; here, that PostgreSQL's spelling of a path is understood.
#[tokio::test]
async fn a_path_that_could_stall_publishers_is_refused() {
    let (_db, session) = database("slow_paths").await;
    let path = |path: &str| insert(&json!({"event_filters": {"jsonpath": path}}));
    let long = format!("$.a == \"{}\"", "x".repeat(1000));
    let product = "a comparison of two values that can each be many";
    let root = "a filter's condition does more with $ than to compare a single value";
    for (refused, reason) in [
        ("$.a[*] ? (@ == $.a[*])", root),
        ("strict $.a[*] ? (@ == $.a[*])", root),
        ("$.items[*] ? (@.price > $.limit)", root),
        ("$.a[*] ? (exists($.b ? (@ == 1)))", root),
        ("$.a[*] == $.b[*]", product),
        ("$.a == $.b && $.c == 1", product),
        ("$.a ? (@.x <> @.y)", product),
        ("-$.a < +$.b", product),
        (
            "$.a ? (exists(@.b ? (exists(@.c ? (@ == \"no\")))))",
            "filters are nested more than two deep",
        ),
        ("$.**.**", "** is there more than once"),
        (
            "$.**{1 to 5}.a ? (exists(@.**{2}))",
            "** is there more than once",
        ),
        (
            "$.keyvalue().keyvalue().keyvalue()",
            ".keyvalue() is there more than once",
        ),
        ("$[0, 0][0, 0][0, 0][0, 0][0, 0]", "lists of subscripts"),
        ("$[*][*][*][*][*][*][*][*][*][*][*]", "more than 10 of [*]"),
        ("$.a[$.i]", "a subscript is something else"),
        ("$.a * $.b * $.c * $.d * $.e > 1", "more than 3 of * / %"),
        (
            r#"$.t like_regex "^(a+)(a+)(a+)(a+)(a+)b\\1\\2\\3\\4\\5c$""#,
            "like_regex has a back-reference",
        ),
        (
            r#"$.t like_regex "^((a?){12}){12}$""#,
            "like_regex repeats too much",
        ),
        (
            r#"$.t ? (@ like_regex "a(?=.*b)" flag "i")"#,
            "like_regex looks ahead or behind",
        ),
        (
            r#"$.t like_regex "***:(a)" "#,
            "like_regex has embedded options",
        ),
        (long.as_str(), "1013 characters are more than 1000"),
    ] {
        let refusal = session.refused(&path(refused)).await;
        assert_eq!(refusal.code, "22023", "{refused}: {refusal:?}");
        assert!(refusal.message.contains(reason), "{refused}: {refusal:?}");
        assert!(
            refusal.hint.contains("begin the path with strict"),
            "{refusal:?}"
        );
        assert!(refusal.everything.len() < 5000, "{refused}: {refusal:?}");
    }
    for taken in [
        "$",
        "$.lines[*] ? (@.price > 1000)",
        "$.**.sku",
        "strict $.items[*] ? (@.price > $.min && @.price < $.max || !(@.x == @.y))",
        "strict $.items[*] ? (@.a == $.b) ? (@.c == $.d) ? (exists(@.e ? (@.f > 0)))",
        "exists($.a ? (@ == 1)) && exists($.b ? (@ == 1)) && ($.c == 1) is unknown",
        "$.\"$\" ? (@.\"?(?(?(\" == \"** ** \\\" ?($ $\")",
        "$.a ? ((((@.x + 1) * 2)) > -1.5e3 - 2 % 7)",
        "strict $.a ? (@.t.datetime(\"HH24:MI\") == $.u && @.s like_regex \"^(a|b)**\" flag \"q\")",
        "$.a[0 to last, 3].type() starts with \"o\"",
        "$.a[last - 1].**{2 to last}.b.* != null",
        "!(+$.a[*].size() >= 2) || true == $.b",
        r#"$.t like_regex "^[A-Z]{2}\\d{1,20}(-[[:alpha:]]+)*$" flag "is""#,
    ] {
        session.run(&path(taken)).await;
    }
}

/// A path that was accepted once, and comes with a restore, matches nothing, which explain_match() says.
#[tokio::test]
async fn a_restored_path_that_is_refused_matches_nothing() {
    let (_db, session) = database("restored_path").await;
    session.run("set check_function_bodies = off").await;
    session
        .run(&insert(
            &json!({"name": "slow", "subscribed_events": ["*"], "event_filters": {"jsonpath": "$.a[*] ? (@ == $.a[*])"}}),
        ))
        .await;
    session.run("reset check_function_bodies").await;
    assert_eq!(
        session
            .text("select count(*) from webhooks_private.subscription_routes")
            .await,
        "0"
    );
    let reason = session
        .text(&format!(
            "select reason from webhooks.explain_match((select tenant_id from webhooks.webhook_subscriptions), '{}', '{{\"a\": [1]}}')",
            "document.processed"
        ))
        .await;
    assert!(
        reason.contains("is refused: a filter's condition does more with $"),
        "{reason}"
    );
    // Nor does a change of something else bring it back.
    session
        .run("update webhooks.webhook_subscriptions set description = 'x'")
        .await;
    assert_eq!(
        session
            .text("select count(*) from webhooks_private.subscription_routes")
            .await,
        "0"
    );
}

/// The shipped examples are of nobody's events in particular; an example that was registered is.
#[tokio::test]
async fn a_template_is_held_against_registered_examples() {
    let (_db, session) = database("template_examples").await;
    let template = |events: &str| {
        insert(
            &json!({"subscribed_events": [events], "payload_template": "{\"id\": \"{{ data.new.id }}\"}"}),
        )
    };
    session.run(&template("document.processed")).await;
    session.run(&template("document.*")).await;
    // Nor is more that can't be done without the value an error.
    for calculation in [
        "data.new.id * 2",
        "data.total | round(1)",
        "data.lines | sort | join(',')",
        "range(data.n) | length",
    ] {
        let calculation = format!("{{\"n\": \"{{{{ {calculation} }}}}\"}}");
        session
            .run(&insert(
                &json!({"subscribed_events": ["document.processed"], "payload_template": calculation}),
            ))
            .await;
    }
    session
        .run("select webhooks.register_event_type('document.processed', example => '{\"new\": {\"id\": 1}}')")
        .await;
    session.run(&template("document.processed")).await;
    session
        .run("select webhooks.register_event_type('document.processed', example => '{\"old\": {\"id\": 1}}')")
        .await;
    let refusal = session.refused(&template("document.processed")).await;
    assert_eq!(refusal.code, "22023", "{refusal:?}");
    assert!(
        refusal
            .message
            .contains("with an event of type document.processed: line 1: undefined value"),
        "{refusal:?}"
    );
}
