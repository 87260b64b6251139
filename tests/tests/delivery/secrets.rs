//! No log shows a secret, whatever it logs and whatever goes wrong.

use std::time::Duration;

use webhooks_tests::cluster::{Cluster, Options};
use webhooks_tests::database::{Database, MANAGER_ROLE, PUBLISHER_ROLE};
use webhooks_tests::receiver::Reply;
use webhooks_tests::sidecar;

use crate::scene::Scene;

const TENANT: &str = "11111111-1111-4111-8111-111111111111";

#[tokio::test]
async fn neither_the_server_nor_the_sidecar_logs_a_secret() {
    let options = Options::default()
        .set("log_statement", "all")
        .set("log_min_duration_statement", "0")
        .set("log_error_verbosity", "verbose")
        .set("log_parameter_max_length_on_error", "-1");
    let cluster = Cluster::start(options).await.unwrap();
    let db = Database::create(&cluster, "secrets").await.unwrap();
    let options = sidecar::Options::default().arg("--log-level").arg("trace");
    let scene = Scene::set_in(db, options).await;
    let tenant = format!("set webhooks.tenant_id = '{TENANT}'");
    let manager = scene.db.connect_as(MANAGER_ROLE).await.unwrap();
    manager.batch_execute(&tenant).await.unwrap();

    scene.receiver.on("/signature", Reply::ok());
    scene.receiver.on("/api_key", Reply::status(500));
    for (auth_type, config) in [
        (
            "signature",
            "jsonb_build_object('secret', webhooks.generate_secret())",
        ),
        (
            "api_key",
            "jsonb_build_object('api_key', webhooks.generate_api_key())",
        ),
    ] {
        // A third goes nowhere.
        for url in [
            scene.receiver.url(&format!("/{auth_type}")),
            "http://127.0.0.1:1/".to_owned(),
        ] {
            let insert = format!(
                "insert into webhooks.webhook_subscriptions
                     (tenant_id, name, webhook_url, auth_type, auth_config, webhook_headers, template_secrets, payload_template, subscribed_events, retry_count)
                 values ('{TENANT}', '{auth_type}', '{url}', '{auth_type}', {config},
                         jsonb_build_object('x-token', webhooks.generate_api_key()),
                         jsonb_build_object('token', webhooks.generate_api_key()), '{{{{ secrets.token }}}}', '[\"*\"]', 0)"
            );
            manager.batch_execute(&insert).await.unwrap();
        }
    }
    let renew = "select webhooks.renew_secret(id) from webhooks.webhook_subscriptions where auth_type = 'signature'";
    assert_eq!(manager.query(renew, &[]).await.unwrap().len(), 2);
    let publisher = scene.db.connect_as(PUBLISHER_ROLE).await.unwrap();
    let publish = format!("{tenant}; select webhooks.publish_event('{TENANT}', 'job.created')");
    publisher.batch_execute(&publish).await.unwrap();
    let outcomes = "select string_agg(delivery_status, ' ' order by delivery_status) from webhooks.delivery_states where delivery_status <> 'pending'";
    let expected = "delivered failed failed failed";
    scene.db.wait_value(outcomes, expected).await.unwrap();
    scene
        .db
        .wait_drained(Duration::from_secs(10))
        .await
        .unwrap();

    let secrets = "select v.value from webhooks.webhook_subscriptions s, jsonb_each_text(s.auth_config || s.webhook_headers || s.template_secrets) v";
    let secrets = scene.db.rows(secrets).await.unwrap();
    assert_eq!(secrets.len(), 12);
    let requests = scene.receiver.requests();
    let (server, sidecar) = (
        scene.db.cluster().server_log(),
        scene.sidecar.log_tail(usize::MAX),
    );
    assert!(
        server.contains("webhooks_private.load_subscriptions("),
        "the sidecar's statements are not in the server's log"
    );
    assert!(
        sidecar.contains("500"),
        "the failure is not in the sidecar's log"
    );
    for secret in secrets {
        let secret = secret["value"].as_str().unwrap();
        assert!(secret.len() > 30, "{secret}");
        assert!(!server.contains(secret), "the server's log has {secret}");
        assert!(!sidecar.contains(secret), "the sidecar's log has {secret}");
    }
    // They were of use.
    assert!(
        requests
            .iter()
            .all(|request| request.body.len() == "\"\"".len() + 43)
    );
    let bearer = requests
        .iter()
        .find_map(|request| request.header("authorization"));
    assert!(bearer.is_some_and(|bearer| bearer.starts_with("Bearer ")));
    assert!(
        requests
            .iter()
            .all(|request| request.header("x-token").is_some())
    );
}
