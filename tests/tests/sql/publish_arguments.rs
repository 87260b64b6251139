//! Arguments that `publish_event()` and INSERTs refuse: the error names the wrong one, and shows no event data.

use serde_json::json;
use webhooks_tests::database::{Database, PUBLISHER_ROLE};

use crate::support::session::{Refusal, Session};
use crate::support::world::{TENANT, subscribe};

const SECRET: &str = "hush4711";

async fn database(name: &str) -> (Database, Session) {
    let db = Database::fresh(name).await.unwrap();
    subscribe(&db, json!({})).await;
    let session = Session::open(&db).await;
    (db, session)
}

/// A call whose data must not be shown, with these arguments.
async fn refused(session: &Session, arguments: &str) -> Refusal {
    let call = format!("select webhooks.publish_event({arguments})");
    let refusal = session.refused(&call.replace("{T}", TENANT)).await;
    assert!(!refusal.everything.contains(SECRET), "{refusal:?}");
    assert!(!refusal.hint.is_empty(), "{refusal:?}");
    let context = refusal.context.lines().count();
    assert!(context <= 8, "{arguments}: {}", refusal.context);
    refusal
}

#[tokio::test]
async fn data_in_the_wrong_place_is_told() {
    let (_db, session) = database("wrong_place").await;
    let data = format!("'{{\"kind\": \"{SECRET}\"}}'");
    for (arguments, message, hint) in [
        (
            format!("'{{T}}', 'document.uploaded', {data}"),
            "event_category is no category",
            "event_data => ",
        ),
        (
            "'{T}', 'document.uploaded', '[]'".to_owned(),
            "event_category is no category",
            "event_data => ",
        ),
        (
            format!("'{{T}}', 'document.uploaded', '{SECRET} x'"),
            "event_category is no category",
            "event_data => ",
        ),
        (
            "'{T}', 'document.uploaded', ''".to_owned(),
            "event_category is no category",
            "event_data => ",
        ),
        (
            "'{T}', 'document.uploaded', 'job'".to_owned(),
            "event_category is \"job\", not that of document.uploaded",
            "The category of document.uploaded is \"document\"",
        ),
        (
            format!("'{{T}}', 'document.uploaded', 'document', {data}"),
            "event_name is JSON",
            "event_data => ",
        ),
        (
            format!("'{{T}}', 'document.uploaded', 'document', '[\"{SECRET}\"]'"),
            "event_name is JSON",
            "event_data => ",
        ),
        (
            format!("'{{T}}', 'document.uploaded', event_name => E'\\n ' || {data}"),
            "event_name is JSON",
            "event_data => ",
        ),
        (
            format!("'{{T}}', 'document.uploaded', resource_type => {data}"),
            "resource_type is JSON",
            "event_data => ",
        ),
        (
            format!("'{{T}}', 'document.uploaded', 'document', 'x', '{{{{}}}}', '{TENANT}'"),
            "resource_type is a UUID",
            "resource_id => ",
        ),
        (
            format!("'{{T}}', {data}"),
            "event_type is no event type",
            "event_data => ",
        ),
        (
            format!("'{{T}}', 'document.uploaded', environment => {data}"),
            "invalid environment: not one of them",
            "dev, staging, production",
        ),
    ] {
        let refusal = refused(&session, &arguments.replace("{{}}", "{}")).await;
        assert_eq!(refusal.message, message, "{arguments}");
        assert!(refusal.hint.contains(hint), "{arguments}: {refusal:?}");
    }
    // These only look like it.
    for arguments in [
        "'document', '[Urgent] contract'",
        "'document', '{draft} contract'",
        "event_name => '\"quoted\"'",
        "resource_type => 'a-resource-type-of-thirty-six-letters'",
    ] {
        session
            .run(&format!(
                "select webhooks.publish_event('{TENANT}', 'document.uploaded', {arguments})"
            ))
            .await;
    }
}

#[tokio::test]
async fn texts_too_long_are_named_with_their_limit() {
    let (_db, session) = database("too_long").await;
    for (parameter, limit) in [
        ("event_name", 100),
        ("event_version", 20),
        ("resource_type", 50),
        ("session_id", 255),
        ("request_id", 255),
        ("idempotency_key", 255),
        ("ordering_key", 255),
    ] {
        let longest = format!("'{{T}}', 'job.created', {parameter} => repeat('ü', {limit})");
        session
            .run(&format!("select webhooks.publish_event({longest})").replace("{T}", TENANT))
            .await;
        let refusal = refused(
            &session,
            &longest.replace(&limit.to_string(), &(limit + 1).to_string()),
        )
        .await;
        assert_eq!(refusal.code, "22001");
        assert_eq!(
            refusal.message,
            format!("{parameter} is too long: {} characters", limit + 1)
        );
        assert!(
            refusal
                .hint
                .contains(&format!("at most {limit} characters")),
            "{refusal:?}"
        );
    }
    // Values that INSERTs could write are bounded as well.
    for parameter in ["idempotency_key", "ordering_key"] {
        let insert = format!(
            "insert into webhooks.event_logs (tenant_id, event_type, event_category, event_name, event_data, {parameter})
             values ('{TENANT}', 'job.created', 'job', 'x', '{{}}', repeat('x', 256))"
        );
        let refusal = session.refused(&insert).await;
        assert_eq!(
            refusal.message,
            format!("invalid {parameter}: 256 characters")
        );
    }
}

#[tokio::test]
async fn errors_show_no_data_and_little_context() {
    let (db, session) = database("quiet").await;
    let data = format!("event_data => '{{\"a\": \"{SECRET}\"}}'");
    for (arguments, code) in [
        ("null, 'job.created'", "23502"),
        ("'{T}', null", "23502"),
        ("'{T}', 'no.such'", "23503"),
        ("'{T}', 'job.created', environment => 'prod'", "23514"),
        ("'{T}', 'job.created', deliver_after => 'infinity'", "23514"),
        (
            "'{T}', 'job.created', expires_at => '2000-01-01', deliver_after => '2001-01-01'",
            "23514",
        ),
        ("'{T}', 'job.created', idempotency_key => ''", "22023"),
    ] {
        let refusal = refused(&session, &format!("{arguments}, {data}")).await;
        assert_eq!(refusal.code, code, "{arguments}: {refusal:?}");
    }
    // A publisher may not register types: the hint names the role that may.
    let publisher = Session::open_as(&db, PUBLISHER_ROLE).await;
    publisher
        .run(&format!("set webhooks.tenant_id = '{TENANT}'"))
        .await;
    let refusal = refused(&publisher, &format!("'{{T}}', 'no.such', {data}")).await;
    assert!(
        refusal.hint.contains(
            "Whoever may register types adds it: select webhooks.register_event_type('no.such');"
        ),
        "{refusal:?}"
    );
    // Errors that triggers raise, too.
    session
        .run("select webhooks.register_event_type('order.paid', schema => '{\"required\": [\"n\"]}')")
        .await;
    let nested = format!(
        "event_data => ('{{\"a\": \"{SECRET}\", \"b\": ' || repeat('[', 600) || repeat(']', 600) || '}}')::jsonb"
    );
    for (arguments, code) in [
        (format!("'{{T}}', 'order.paid', {data}"), "23514"),
        (format!("'{{T}}', 'job.created', {nested}"), "54000"),
    ] {
        let refusal = refused(&publisher, &arguments).await;
        assert_eq!(refusal.code, code, "{refusal:?}");
        assert!(
            refusal.context.contains("publish_event("),
            "{}",
            refusal.context
        );
    }
    session
        .run(&format!(
            "select webhooks.set_tenant_limits('{TENANT}', null, 1, null)"
        ))
        .await;
    let limited = format!(
        "select webhooks.publish_event('{TENANT}', 'job.created', {data}) from generate_series(1, 100)"
    );
    let refusal = publisher.refused(&limited).await;
    assert_eq!(refusal.code, "53400", "{refusal:?}");
    assert!(refusal.context.lines().count() <= 8, "{}", refusal.context);
    session
        .run(&format!(
            "select webhooks.set_tenant_limits('{TENANT}', null, null, null)"
        ))
        .await;
    let refusal = refused(&publisher, &format!("null, 'job.created', {data}")).await;
    assert_eq!(refusal.message, "tenant_id is null");
    // Also where an INSERT finds it out, in the middle of a long statement of ours.
    for (values, code) in [
        ("'no.such', 'no'", "23503"),
        ("'job.created', 'J'", "23514"),
    ] {
        let insert = format!(
            "insert into webhooks.event_logs (tenant_id, event_type, event_category, event_name, event_data)
             values ('{TENANT}', {values}, 'x', '{{\"a\": \"{SECRET}\"}}')"
        );
        let refusal = session.refused(&insert).await;
        assert_eq!(refusal.code, code, "{refusal:?}");
        assert!(!refusal.everything.contains(SECRET), "{refusal:?}");
        let context = &refusal.context;
        assert!(context.lines().count() <= 4, "{context}");
        assert!(context.contains("match_events()"), "{context}");
    }
    // A publisher's INSERT: row-level security keeps the row out of PostgreSQL's own errors.
    for column in ["event_type", "event_category", "event_name"] {
        let values = ["event_type", "event_category", "event_name"]
            .map(|name| {
                if name == column {
                    "null"
                } else {
                    "'job.created'"
                }
            })
            .join(", ");
        let insert = format!(
            "insert into webhooks.event_logs (tenant_id, event_type, event_category, event_name, event_data)
             values ('{TENANT}', {values}, '{{\"a\": \"{SECRET}\"}}')"
        );
        let refusal = publisher.refused(&insert).await;
        assert_eq!(refusal.code, "23502", "{refusal:?}");
        assert!(!refusal.everything.contains(SECRET), "{refusal:?}");
    }
}

/// The specification's INSERTs go on working, with any word for a category; JSON in its place does not.
#[tokio::test]
async fn inserts_take_any_word_for_a_category() {
    let (_db, session) = database("categories").await;
    let insert = |category: &str| {
        format!(
            "insert into webhooks.event_logs (tenant_id, event_type, event_category, event_name, event_data)
             values ('{TENANT}', 'job.created', '{category}', 'x', '{{}}')"
        )
    };
    for category in ["job", "system", "a_word_2"] {
        session.run(&insert(category)).await;
    }
    for category in [
        format!("{{\"a\": \"{SECRET}\"}}"),
        String::new(),
        SECRET.to_uppercase(),
    ] {
        let refusal = session.refused(&insert(&category)).await;
        assert_eq!(refusal.code, "23514", "{refusal:?}");
        assert_eq!(refusal.message, "event_category is no category");
        assert!(!refusal.everything.contains(SECRET), "{refusal:?}");
        assert!(refusal.hint.contains("\"job\""), "{refusal:?}");
    }
    let queued = "select count(*) from webhooks.delivery_queue";
    assert_eq!(session.text(queued).await, "3");
}
