//! Event types: versions, schemas, examples, deprecation.

use serde_json::{Value, json};
use webhooks_tests::database::{Database, PUBLISHER_ROLE};

use crate::support::session::{Session, literal};
use crate::support::world::{TENANT, database};

const SCHEMA: &str = r#"{"type": "object", "required": ["amount"], "additionalProperties": false,
    "properties": {"amount": {"type": "number", "exclusiveMinimum": 0}, "id": {"type": "string", "format": "uuid"}}}"#;
const TRIGGERS: &str = "select count(*) from pg_trigger where tgname = 'a20_validate_events'";

fn register(arguments: &str) -> String {
    format!(
        "select webhooks.register_event_type('invoice.paid', schema => {}{arguments})",
        literal(SCHEMA)
    )
}

fn publish(data: &str, more: &str) -> String {
    format!(
        "select webhooks.publish_event('{TENANT}', 'invoice.paid', event_data => {}{more})",
        literal(data)
    )
}

#[tokio::test]
async fn events_of_a_version_with_a_schema_fit_it() {
    let (db, session) = database("schema").await;
    assert_eq!(session.text(TRIGGERS).await, "0");
    session.run(&register("")).await;
    assert_eq!(session.text(TRIGGERS).await, "1");
    let publisher = Session::open_as(&db, PUBLISHER_ROLE).await;
    publisher
        .run(&format!(
            "select webhooks.set_tenant('{TENANT}', for_session => true)"
        ))
        .await;
    publisher.run(&publish(r#"{"amount": 0.5}"#, "")).await;
    let refusal = publisher
        .refused(&publish(
            r#"{"amount": "secret", "id": "secret", "more": "secret"}"#,
            "",
        ))
        .await;
    assert_eq!(refusal.code, "23514");
    assert_eq!(
        refusal.message,
        "event_data of invoice.paid (version 1.0) does not fit its schema: /amount: value is not of type \"number\"; /id: value is not a \"uuid\"; \
         Additional properties are not allowed ('more' was unexpected)"
    );
    assert!(!refusal.message.contains("secret"), "{refusal:?}");
    // The publisher may do as the hint says.
    let look = refusal.hint.strip_prefix("See: ").unwrap();
    let seen = publisher.text(look.trim_end_matches(';')).await;
    assert!(
        seen.ends_with(r#"|{"id": "018f3c6e-5b7a-7c2d-9e4f-1a2b3c4d5e6f", "amount": 1}"#),
        "{seen}"
    );

    // Each way to publish, of which one wrong row takes all along.
    let insert = |data: &str| {
        format!(
            "insert into webhooks.event_logs (tenant_id, event_type, event_category, event_name, event_data)
             select '{TENANT}', 'invoice.paid', 'invoice', 'x', case n when 500 then '{data}' else '{{\"amount\": 1}}' end::jsonb from generate_series(1, 1000) n"
        )
    };
    publisher.run(&insert(r#"{"amount": 2}"#)).await;
    assert_eq!(
        publisher.refused(&insert(r#"{"amount": 0}"#)).await.code,
        "23514"
    );
    session
        .run(
            "create table invoices (id integer primary key, tenant_id uuid);
             select webhooks.watch_table('invoices', on_insert => 'invoice.paid')",
        )
        .await;
    let refusal = session
        .refused(&format!("insert into invoices values (1, '{TENANT}')"))
        .await;
    assert!(
        refusal
            .message
            .contains("\"amount\" is a required property"),
        "{refusal:?}"
    );
    let published = "select count(*) from webhooks.event_logs";
    assert_eq!(session.text(published).await, "1001");

    // Other versions and other types are as free as before.
    publisher
        .run(&publish("{}", ", event_version => '2.0'"))
        .await;
    publisher
        .run(&format!(
            "select webhooks.publish_event('{TENANT}', 'job.created')"
        ))
        .await;
    // A schema that changes counts at once, in a session that has compiled the old one.
    session
        .run("select webhooks.register_event_type('invoice.paid', schema => '{\"maxProperties\": 0}')")
        .await;
    publisher.run(&publish("{}", "")).await;
    assert_eq!(
        publisher
            .refused(&publish("{\"amount\": 1}", ""))
            .await
            .code,
        "23514"
    );
    session
        .run("delete from webhooks_private.event_type_versions")
        .await;
    assert_eq!(session.text(TRIGGERS).await, "0");
    publisher.run(&publish("{\"amount\": 1}", "")).await;
}

#[tokio::test]
async fn versions_are_registered_and_deprecated() {
    let (_db, session) = database("schema_versions").await;
    session
        .run(&register(", category => 'money', description => 'Paid'"))
        .await;
    let listed = "select version, is_current, category, description, is_builtin, schema is not null, example, deprecated_at is not null, deprecation
        from webhooks.event_type_catalogue where name = 'invoice.paid' order by version";
    assert_eq!(
        session.lines(listed).await,
        [
            r#"1.0|t|money|Paid|f|t|{"id": "018f3c6e-5b7a-7c2d-9e4f-1a2b3c4d5e6f", "amount": 1}|f|null"#
        ]
    );
    session
        .run(
            "select webhooks.register_event_type('invoice.paid', version => '2.0', example => '{\"total\": 7}');
             select webhooks.deprecate_event_type('invoice.paid', 'Use 2.0.', version => '1.0');
             select webhooks.register_event_type('invoice.paid', description => 'All of it')",
        )
        .await;
    assert_eq!(
        session.lines(listed).await,
        [
            r#"1.0|f|money|All of it|f|t|{"id": "018f3c6e-5b7a-7c2d-9e4f-1a2b3c4d5e6f", "amount": 1}|t|Use 2.0."#,
            r#"2.0|t|money|All of it|f|f|{"total": 7}|f|null"#
        ]
    );
    // Deprecated is not gone; without a version, what is published is of the current one.
    let old = ", event_version => '1.0'";
    assert_eq!(session.refused(&publish("{}", old)).await.code, "23514");
    session.run(&publish("{\"amount\": 1}", old)).await;
    session.run(&publish("{}", "")).await;
    session
        .run(&format!(
            "create table paid (tenant_id uuid);
             select webhooks.watch_table('paid', on_insert => 'invoice.paid');
             insert into paid values ('{TENANT}')"
        ))
        .await;
    let versions = "select event_version from webhooks.event_logs where event_type = 'invoice.paid' order by id";
    assert_eq!(session.lines(versions).await, ["1.0", "2.0", "2.0"]);
    let since = "select deprecated_at from webhooks_private.event_type_versions where name = 'invoice.paid' and version = '1.0'";
    let first = session.text(since).await;
    session
        .run("select webhooks.deprecate_event_type('invoice.paid', 'Use 2.0, really.', '1.0')")
        .await;
    assert_eq!(session.text(since).await, first);
    session
        .run("select webhooks.deprecate_event_type('invoice.paid', null, '1.0')")
        .await;
    assert_eq!(session.text(since).await, "null");
    // Each is in the audit log, as a change of the type.
    let audited = "select action, count(*) from webhooks.audit_log where object_type = 'event_type' and object_id = 'invoice.paid'
        and coalesce(after, before) ? 'deprecation' group by 1 order by 1";
    assert_eq!(session.lines(audited).await, ["created|2", "updated|3"]);
    // A version that is not the current one, and what is taken away again.
    session
        .run(
            "select webhooks.register_event_type('invoice.paid', version => '1.0', schema => 'null', example => '{\"b\": 1}', is_current => false);
             select webhooks.register_event_type('invoice.paid', example => 'null')",
        )
        .await;
    let changed = "select version, is_current, schema is not null, example from webhooks.event_type_catalogue where name = 'invoice.paid' order by 1";
    assert_eq!(
        session.lines(changed).await,
        [r#"1.0|f|f|{"b": 1}"#, "2.0|t|f|{}"]
    );
    assert_eq!(session.text(TRIGGERS).await, "0");
    session.run(&publish("{}", old)).await;
    // Of a shipped type, what is changed is the DBA's.
    session
        .run("select webhooks.register_event_type('job.created', schema => '{}')")
        .await;
    let builtin =
        "select t.is_builtin, v.is_builtin, v.example is not null from webhooks.event_types t
        join webhooks_private.event_type_versions v using (name, version) where name = 'job.created'";
    assert_eq!(session.text(builtin).await, "t|f|t");
    session
        .run("select webhooks.register_event_type('job.created', description => 'A job')")
        .await;
    assert_eq!(session.text(builtin).await, "f|f|t");
    assert_eq!(
        session
            .text("select count(*), count(distinct name) from webhooks.event_type_catalogue")
            .await,
        "23|22"
    );
}

#[tokio::test]
async fn the_example_is_what_receivers_get() {
    let (_db, session) = database("schema_example").await;
    session.run(&register("")).await;
    let example =
        "select example_payload from webhooks.event_type_catalogue where name = 'invoice.paid'";
    let example: Value = serde_json::from_str(&session.text(example).await).unwrap();
    session
        .run(&publish(&example["data"].to_string(), ""))
        .await;
    let sent = "select webhooks.build_payload(id) from webhooks.event_logs";
    let mut sent: Value = serde_json::from_str(&session.text(sent).await).unwrap();
    for (pointer, of) in [
        ("/id", "id"),
        ("/tenant_id", "tenant"),
        ("/event/timestamp", "time"),
    ] {
        assert_ne!(sent.pointer(pointer), example.pointer(pointer), "{of}");
        *sent.pointer_mut(pointer).unwrap() = example.pointer(pointer).unwrap().clone();
    }
    assert_eq!(sent, example);
    assert_eq!(
        example["data"],
        json!({"amount": 1, "id": "018f3c6e-5b7a-7c2d-9e4f-1a2b3c4d5e6f"})
    );
}

#[tokio::test]
async fn a_subscription_to_a_deprecated_type_gets_a_notice() {
    let (db, session) = database("schema_deprecated").await;
    session
        .run(
            "select webhooks.deprecate_event_type('job.created', 'It''s job.started that counts.')",
        )
        .await;
    let subscribe = |events: &str| {
        format!(
            "insert into webhooks.webhook_subscriptions (tenant_id, name, webhook_url, subscribed_events)
             values ('{TENANT}', 'x', 'http://x.example/', '{events}')"
        )
    };
    for (events, notices) in [
        (r#"["job.created", "job.failed"]"#, 1),
        (r#"["job.failed"]"#, 0),
        (r#"["job.*"]"#, 0),
    ] {
        let mut psql = db.cluster().client_program("psql", db.name());
        psql.args(["-c", &subscribe(events)]);
        let output = tokio::task::spawn_blocking(move || psql.output());
        let output = output.await.unwrap().unwrap();
        assert!(output.status.success(), "{output:?}");
        let output = String::from_utf8_lossy(&output.stderr);
        let told = output
            .matches("event type job.created is deprecated: It's job.started that counts.")
            .count();
        assert_eq!(told, notices, "{events}: {output}");
    }
}

#[tokio::test]
async fn wrong_arguments_are_named_in_errors() {
    let (_db, session) = database("schema_refused").await;
    for (call, code, message, hint) in [
        (
            "register_event_type(null)",
            "22023",
            "invalid event type \"null\"",
            "document.uploaded",
        ),
        (
            "register_event_type('Invoice')",
            "22023",
            "invalid event type \"Invoice\"",
            "document.uploaded",
        ),
        (
            "register_event_type('a.b', version => '')",
            "22023",
            "invalid version \"\" of a.b",
            "1.0",
        ),
        (
            "register_event_type('a.b', version => repeat('1', 21))",
            "22023",
            "invalid version \"111111111111111111111\" of a.b",
            "1.0",
        ),
        (
            "register_event_type('a.b', schema => '[]')",
            "22023",
            "invalid schema of a.b (version 1.0): it is no object",
            "draft",
        ),
        (
            "register_event_type('a.b', schema => '{\"type\": \"objekt\"}')",
            "22023",
            "invalid schema of a.b (version 1.0): /type: \"objekt\" is not valid under any of the schemas listed in the 'anyOf' keyword",
            "draft",
        ),
        (
            "register_event_type('a.b', schema => '{\"$ref\": \"http://127.0.0.1/\"}')",
            "22023",
            "invalid schema of a.b (version 1.0): Resource 'http://127.0.0.1/' is not present in a registry and retrieving it failed: Retrieval is disabled, cannot fetch http://127.0.0.1/",
            "documents",
        ),
        (
            "register_event_type('a.b', schema => '{\"required\": [\"a\"]}', example => '{\"b\": 1}')",
            "23514",
            "the example of a.b (version 1.0) does not fit its schema: \"a\" is a required property",
            "made",
        ),
        (
            "deprecate_event_type('a.b', 'x')",
            "42704",
            "there is no event type \"a.b\"",
            "event_type_catalogue",
        ),
        (
            "deprecate_event_type('job.created', 'x', '9.9')",
            "42704",
            "there is no event type \"job.created\" of version \"9.9\"",
            "event_type_catalogue",
        ),
        (
            "deprecate_event_type(null, 'x')",
            "42704",
            "there is no event type \"null\"",
            "event_type_catalogue",
        ),
    ] {
        let refusal = session.refused(&format!("select webhooks.{call}")).await;
        assert_eq!(refusal.code, code, "{call}: {refusal:?}");
        assert_eq!(refusal.message, message, "{call}");
        assert!(refusal.hint.contains(hint), "{call}: {refusal:?}");
    }
    assert_eq!(
        session
            .text("select count(*) from webhooks.event_types")
            .await,
        "21"
    );
    // By hand no less.
    let by_hand = "insert into webhooks_private.event_type_versions (name, version, schema) values ('job.created', '1.0', '[]')";
    assert_eq!(session.refused(by_hand).await.code, "22023");
}

#[tokio::test]
async fn the_native_functions_take_what_comes() {
    let (_db, session) = database("schema_native").await;
    for (call, expected) in [
        ("schema_errors('{}', '{}')", "null"),
        (
            "schema_errors('{\"type\": \"array\"}', '{}')",
            "{\"value is not of type \\\"array\\\"\"}",
        ),
        ("schema_errors(null, '{}')", "null"),
        ("schema_errors('{}', null)", "null"),
        ("schema_problem('{}')", "null"),
        (
            "schema_problem('{')",
            "it can't be read: value or end of sequence expected",
        ),
        ("schema_example('{\"const\": 3}')", "3"),
        ("schema_example('{')", "null"),
    ] {
        assert_eq!(
            session
                .text(&format!("select webhooks_private.{call}"))
                .await,
            expected,
            "{call}"
        );
    }
    assert_eq!(
        session
            .refused("select webhooks_private.schema_errors('[]', '1')")
            .await
            .code,
        "22023"
    );
    // More schemas than are kept.
    let many = "select count(webhooks_private.schema_errors('{\"maximum\": ' || n || '}', '500')) from generate_series(1, 1000) n";
    assert_eq!(session.text(many).await, "499");
}

#[tokio::test]
async fn a_dump_restores_schemas() {
    let (original, session) = database("schema_dump").await;
    session.run("select webhooks.create_partitions(1)").await;
    // One that no longer fits, as it was before there was a schema.
    session
        .run("insert into webhooks.event_types (name, category) values ('invoice.paid', 'invoice')")
        .await;
    session.run(&publish("{}", "")).await;
    session.run(&register(", version => '1.0'")).await;
    session
        .run("select webhooks.deprecate_event_type('job.created', 'x')")
        .await;
    let cluster = original.cluster();
    for arguments in [&[][..], &["--load-via-partition-root"]] {
        let dump = cluster.dump(original.name(), arguments).await.unwrap();
        let restored = Database::create_empty(cluster, "schema_restored")
            .await
            .unwrap();
        cluster.restore(restored.name(), &dump).await.unwrap();
        let restored = Session::open(&restored).await;
        let all = "select name, version, schema, example, deprecation from webhooks_private.event_type_versions order by 1";
        assert_eq!(restored.lines(all).await, session.lines(all).await);
        assert_eq!(
            restored
                .text("select count(*) from webhooks.event_logs")
                .await,
            "1"
        );
        assert_eq!(restored.refused(&publish("{}", "")).await.code, "23514");
        restored.run(&publish("{\"amount\": 1}", "")).await;
    }
}

/// A schema of a few lines must not take the server's memory, nor its time.
#[tokio::test]
async fn a_schema_that_doubles_is_refused_or_refuses() {
    let (_db, session) = database("schema_cost").await;
    let levels: serde_json::Map<String, Value> = (0..30)
        .map(|n| {
            let next = json!({"$ref": format!("#/$defs/d{}", n + 1)});
            (format!("d{n}"), json!({"anyOf": [next, next]}))
        })
        .chain([("d30".to_owned(), json!({"type": "string"}))])
        .collect();
    let doubling = json!({"$ref": "#/$defs/d0", "$defs": levels});
    let register = |schema: &Value| {
        format!(
            "select webhooks.register_event_type('invoice.paid', schema => {})",
            literal(&schema.to_string())
        )
    };
    session.run("set statement_timeout = '20s'").await;
    let refusal = session.refused(&register(&doubling)).await;
    assert_eq!(refusal.code, "22023", "{refusal:?}");
    assert!(
        refusal.message.contains("sub-schemas look at one value"),
        "{refusal:?}"
    );
    // This one doubles with each level of the data.
    let recursive =
        json!({"type": "object", "properties": {"c": {"anyOf": [{"$ref": "#"}, {"$ref": "#"}]}}});
    session.run(&register(&recursive)).await;
    session.run(&publish(r#"{"c": {"c": {}}}"#, "")).await;
    let deep = format!("{}1{}", "{\"c\":".repeat(100), "}".repeat(100));
    let refusal = session.refused(&publish(&deep, "")).await;
    assert_eq!(refusal.code, "23514", "{refusal:?}");
    assert!(
        refusal.message.contains("takes more than 5000000 steps"),
        "{refusal:?}"
    );
    // A restore brings what was accepted once: it refuses events, and takes neither time nor memory.
    session.run("set check_function_bodies = off").await;
    session
        .run(&format!(
            "update webhooks_private.event_type_versions set schema = {} where name = 'invoice.paid'",
            literal(&doubling.to_string())
        ))
        .await;
    session.run("reset check_function_bodies").await;
    let refusal = session.refused(&publish("{}", "")).await;
    assert!(
        refusal
            .message
            .contains("invalid JSON Schema: more than 10000"),
        "{refusal:?}"
    );
}

#[tokio::test]
async fn a_key_of_serde_json_s_forges_no_property() {
    let (_db, session) = database("schema_keys").await;
    session.run(&register("")).await;
    for data in [
        r#"{"$serde_json::private::RawValue": "{\"amount\": 1}"}"#,
        r#"{"amount": {"$serde_json::private::Number": "1"}}"#,
        r#"{"amount": {"$serde_json::private::RawValue": "1"}}"#,
    ] {
        let refusal = session.refused(&publish(data, "")).await;
        assert_eq!(refusal.code, "23514", "{data}: {refusal:?}");
        assert!(!refusal.everything.contains("backtrace"), "{refusal:?}");
    }
    let odd = r#"{"$serde_json::private::Number": "x", "amount": 1}"#;
    session
        .run("select webhooks.register_event_type('invoice.paid', schema => '{\"required\": [\"amount\"]}')")
        .await;
    session.run(&publish(odd, "")).await;
    // Nor do secrets and settings with such keys make anything but plain errors.
    for column in [
        "webhook_headers",
        "auth_config",
        "template_secrets",
        "event_filters",
    ] {
        let refusal = session
            .refused(&format!(
                "insert into webhooks.webhook_subscriptions (tenant_id, name, webhook_url, auth_type, {column})
                 values ('{TENANT}', 'x', 'https://x.example/', 'api_key', '{{\"$serde_json::private::Number\": \"x\"}}')"
            ))
            .await;
        assert_eq!(refusal.code, "22023", "{column}: {refusal:?}");
        assert!(
            !refusal.everything.contains("stack backtrace") && refusal.everything.len() < 2000,
            "{refusal:?}"
        );
    }
}
