//! Schemathesis reads the description of the API, and sends requests that it allows, and ones that it does not.

use std::process::Command;

use serde_json::json;
use webhooks_tests::environment::schemathesis_package;

use crate::scene::{ALL_SCOPES, Scene, TEMPLATES};

/// Of the whole run, in seconds.
const MAX_TIME: &str = "20";

#[tokio::test]
async fn answers_are_as_the_description_says() {
    let scene = Scene::set_with("api_schemathesis", &["--rate-limit", "0"]).await;
    let tenant = scene.db.tenant();
    let client = scene.client(Some(tenant), ALL_SCOPES).await;
    // Something to be listed.
    client.subscribe("a", "https://x.example/").await;
    let template = json!({"name": "b", "settings": {"webhook_url": "https://x.example/"}});
    assert_eq!(client.post(TEMPLATES, &template).await.status, 201);
    for n in 0..3 {
        let event = scene.db.publish(tenant, "job.created", json!({"n": n}));
        event.await.unwrap();
    }
    let base = format!("http://{}", scene.console.address());
    let mut command = Command::new("python3");
    command
        .env("PYTHONPATH", schemathesis_package().unwrap())
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .args(["-c", "from schemathesis.cli import schemathesis; schemathesis()"])
        .args(["run", &format!("{base}/api/openapi.json"), "--url", &base])
        .args(["--header", &format!("Authorization: Bearer {}", client.token)])
        .args(["--checks", "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"])
        .args(["--phases", "examples,coverage,fuzzing,stateful"])
        .args(["--max-time", MAX_TIME, "--max-examples", "15"])
        .args(["--seed", "4711", "--no-color", "--no-shrink"])
        // A test waits for the receiver's answer, and nothing sends it.
        .args(["--exclude-operation-id", "test_subscription"])
        .current_dir(std::env::temp_dir());
    let output = tokio::task::spawn_blocking(move || command.output());
    let output = output.await.unwrap().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{text}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    // It did send something.
    assert!(text.contains("passed"), "{text}");
}
