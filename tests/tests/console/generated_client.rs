//! A client that is generated from the description of the API, and used as it comes.

use std::process::Command;

use webhooks_tests::environment::client_generator;

use crate::scene::{ALL_SCOPES, Scene};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/client/generated.py");

#[tokio::test]
async fn a_generated_client_works_unmodified() {
    let scene = Scene::set("generated_client").await;
    let scopes = format!("{ALL_SCOPES},webhook_subscriptions:poll");
    let client = scene.client(Some(scene.db.tenant()), &scopes).await;
    let directory = tempfile::tempdir().unwrap();
    let mut command = Command::new("python3");
    command
        .env("PYTHONPATH", client_generator().unwrap())
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .arg(SCRIPT)
        .arg(format!("http://{}", scene.console.address()))
        .arg(&client.token)
        .arg(directory.path())
        .current_dir(directory.path());
    let output = tokio::task::spawn_blocking(move || command.output());
    let output = output.await.unwrap().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let wrong = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\n{wrong}");
    assert_eq!(said.trim(), "used");
}
