//! Results that the server refuses, and takes later: nothing is sent twice, no order waits for the next session.

use serde_json::json;
use uuid::Uuid;
use webhooks_tests::PATIENCE;
use webhooks_tests::receiver::Reply;

use crate::scene::Scene;

#[tokio::test]
async fn refused_results_are_recorded_once_the_server_takes_them() {
    let scene = Scene::set("refused").await;
    let refuse = "
        create function refuse() returns trigger language plpgsql as $$
            begin raise exception 'no'; end $$;
        create trigger refuse before insert on webhooks.delivery_attempts
            for each row execute function refuse()";
    scene.db.execute(refuse).await.unwrap();
    let columns = json!({"ordering": "fifo"});
    let endpoint = scene.endpoint("/hook", Reply::ok(), columns).await;
    let publish = || scene.db.publish_many(endpoint.tenant, "job.created", 3);
    let mut events = publish().await.unwrap();
    scene
        .sidecar
        .wait_log(PATIENCE, |line| {
            line.contains("the server refuses this result")
        })
        .await
        .unwrap();
    events.extend(publish().await.unwrap());
    scene
        .db
        .execute("drop trigger refuse on webhooks.delivery_attempts")
        .await
        .unwrap();
    let delivered =
        "select count(*) from webhooks.delivery_attempts where delivery_status = 'delivered'";
    scene.db.wait_value(delivered, "6").await.unwrap();
    let requests = scene.receiver.requests();
    let sent: Vec<Uuid> = requests.iter().filter_map(|r| r.event_id()).collect();
    assert_eq!(sent, events);
    let sessions = scene.sidecar.log();
    let sessions = sessions.iter().filter(|line| line.message() == "connected");
    assert_eq!(sessions.count(), 1);
}
