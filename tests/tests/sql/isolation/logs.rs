//! Secrets in the log of a server that logs every statement, and how they are kept from it.

use bytes::Bytes;
use futures_util::SinkExt;
use webhooks_tests::cluster::{Cluster, Options};
use webhooks_tests::database::{Database, MANAGER_ROLE, PUBLISHER_ROLE, SIDECAR_ROLE};

use crate::support::session::Session;
use crate::support::world::TENANT;

/// A cluster that logs all it can.
async fn talkative() -> (Database, Session) {
    let options = Options::default()
        .set("log_statement", "all")
        .set("log_min_duration_statement", "0")
        .set("log_min_messages", "debug1")
        .set("log_min_error_statement", "debug1")
        .set("log_parameter_max_length_on_error", "-1")
        .set("log_error_verbosity", "verbose");
    let cluster = Cluster::start(options).await.unwrap();
    let db = Database::create(&cluster, "talkative").await.unwrap();
    let manager = Session::open_as(&db, MANAGER_ROLE).await;
    manager
        .run(&format!(
            "select webhooks.set_tenant('{TENANT}', for_session => true)"
        ))
        .await;
    (db, manager)
}

#[tokio::test]
async fn secrets_that_the_server_makes_and_those_that_are_copied_are_in_no_log() {
    let (db, manager) = talkative().await;
    let insert = format!(
        "insert into webhooks.webhook_subscriptions (tenant_id, name, webhook_url, auth_type, auth_config, webhook_headers, template_secrets, payload_template)
         values ('{TENANT}', 'x', 'http://x.example/', 'signature',
                 jsonb_build_object('secret', webhooks.generate_secret()), jsonb_build_object('x-key', webhooks.generate_api_key()),
                 jsonb_build_object('token', webhooks.generate_api_key()), '{{{{ secrets.token }}}}')
         returning id"
    );
    let id = manager.text(&insert).await;
    let renewed = manager
        .text(&format!("select webhooks.renew_secret('{id}')"))
        .await;

    // A key of the receiver's: what COPY reads is no statement.
    manager
        .run("create temporary table given (auth_config jsonb)")
        .await;
    let copied = "key-that-was-copied";
    let sink = manager
        .client()
        .copy_in::<_, Bytes>("copy given from stdin")
        .await
        .unwrap();
    let mut sink = Box::pin(sink);
    sink.send(format!("{{\"api_key\": \"{copied}\"}}\n").into())
        .await
        .unwrap();
    assert_eq!(sink.as_mut().finish().await.unwrap(), 1);
    let give = format!(
        "update webhooks.webhook_subscriptions set auth_type = 'api_key', auth_config = (table given) where id = '{id}'"
    );
    manager.run(&give).await;

    // Statements that work with them, and statements that fail beside them.
    for wrong in [
        "timeout_seconds = 0",
        "auth_type = 'signature'",
        "webhook_headers = '{\"host\": \"x\"}'",
        "name = null",
        "template_secrets = '[1]'",
        "payload_template = '{{ secrets.other }}'",
        "subscribed_events = '[\"*\"]', payload_template = 'x{{ secrets.token }}'",
    ] {
        manager
            .refused(&format!(
                "update webhooks.webhook_subscriptions set {wrong} where id = '{id}'"
            ))
            .await;
    }
    manager
        .run("table webhooks.subscription_settings; table webhooks.subscription_health")
        .await;
    let publisher = Session::open_as(&db, PUBLISHER_ROLE).await;
    publisher
        .run(&format!("set webhooks.tenant_id = '{TENANT}'; select webhooks.publish_event('{TENANT}', 'job.created')"))
        .await;
    let sidecar = Session::open_as(&db, SIDECAR_ROLE).await;
    let load = format!(
        "select auth_config, template_secrets, webhook_headers from webhooks_private.load_subscriptions('{{{id}}}')"
    );
    let loaded = sidecar.text(&load).await;
    assert!(loaded.contains(copied), "{loaded}");
    let (_, header) = loaded.split_once("\"x-key\": \"").unwrap();
    let header = header.trim_end_matches("\"}");
    manager
        .run(&format!("select webhooks.delete_subscription('{id}')"))
        .await;

    let log = db.cluster().server_log();
    assert!(
        log.contains("webhooks.renew_secret("),
        "the statements are not in the log"
    );
    let (_, token) = loaded.split_once("\"token\": \"").unwrap();
    let (token, _) = token.split_once('"').unwrap();
    for secret in [renewed.as_str(), copied, header, token] {
        assert!(
            secret.len() > 10 && !log.contains(secret),
            "{secret} is in the log"
        );
    }
}

/// The cases of which docs/how-to/keep-secrets-out-of-logs.md warns.
#[tokio::test]
async fn secrets_in_statements_and_their_parameters_are_logged_by_the_server() {
    let (db, manager) = talkative().await;
    let key = |name: &str| format!("{{\"api_key\": \"{name}\"}}");
    let insert = format!(
        "insert into webhooks.webhook_subscriptions (tenant_id, name, webhook_url, auth_type, auth_config)
         values ('{TENANT}', 'x', 'http://x.example/', 'api_key', '{}')",
        key("written-out")
    );
    manager.run(&insert).await;
    let update = "update webhooks.webhook_subscriptions set auth_config = $1::text::jsonb";
    manager
        .client()
        .execute(update, &[&key("bound")])
        .await
        .unwrap();
    let log = db.cluster().server_log();
    assert!(log.contains("written-out") && log.contains("bound"));

    // And what it advises.
    db.execute(&format!(
        "alter role {MANAGER_ROLE} set log_parameter_max_length = 0"
    ))
    .await
    .unwrap();
    db.execute(&format!(
        "alter role {MANAGER_ROLE} set log_parameter_max_length_on_error = 0"
    ))
    .await
    .unwrap();
    let discreet = Session::open_as(&db, MANAGER_ROLE).await;
    discreet
        .run(&format!("set webhooks.tenant_id = '{TENANT}'"))
        .await;
    discreet
        .client()
        .execute(update, &[&key("discreetly-bound")])
        .await
        .unwrap();
    let wrong = format!("{update}, timeout_seconds = 0");
    discreet
        .client()
        .execute(&wrong, &[&key("discreetly-bound")])
        .await
        .unwrap_err();
    let log = db.cluster().server_log();
    assert!(log.contains("timeout_seconds = 0") && !log.contains("discreetly-bound"));
}
