//! Failures that are no receiver's fault count against none.

use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};
use serde_json::{Value, json};
use webhooks_tests::PATIENCE;
use webhooks_tests::receiver::Reply;

use crate::scene::Scene;

#[tokio::test]
async fn a_sidecar_without_sockets_left_waits_for_some() {
    let scene = Scene::set("sockets").await;
    let columns = json!({"retry_count": 0});
    let endpoint = scene.endpoint("/hook", Reply::ok(), columns).await;
    let sidecar = Pid::from_raw(i32::try_from(scene.sidecar.pid()).unwrap());
    // It has raised its limit as far as it may; lowered like this, it may be raised again.
    let maximum = getrlimit(Resource::Nofile).maximum;
    let limit = |current| {
        let limit = Rlimit { current, maximum };
        prlimit(sidecar, Resource::Nofile, limit).unwrap();
    };
    limit(Some(3));
    let event = scene.publish(&endpoint).await;
    let said = "deliveries wait, without an attempt: no connection can be opened here";
    let warning = scene.sidecar.wait_log(PATIENCE, |line| line.contains(said));
    warning.await.unwrap();
    let attempts = scene.db.attempts(event).await.unwrap();
    assert!(attempts.is_empty(), "{attempts:?}");
    limit(maximum);
    let (delivery, attempts) = scene.wait(event, "delivered").await;
    assert_eq!(attempts.len(), 1);
    assert_eq!(delivery["error_message"], Value::Null);
}
