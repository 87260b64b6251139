use serde_json::Value;
use webhooks_tests::http;

use crate::scene::{SUBSCRIPTIONS, Scene};

#[tokio::test]
async fn requests_and_connections_are_counted() {
    let scene = Scene::set_with("api_metrics", &["--metrics-listen", "0"]).await;
    let line = scene
        .console
        .wait_log(|line| line.message() == "metrics can be scraped")
        .await
        .unwrap();
    let address = line.field("address").and_then(Value::as_str).unwrap();
    let client = scene.manager(scene.db.tenant()).await;
    let id = client.subscribe("a", "https://x.example/").await;
    for _ in 0..2 {
        client.get(&format!("{SUBSCRIPTIONS}{id}")).await;
    }
    assert_eq!(client.get(&format!("{SUBSCRIPTIONS}x")).await.status, 400);
    assert_eq!(client.send("BREW", "/coffee", &[], "").await.status, 404);
    let (status, text) = http::get(address, "/metrics").await.unwrap();
    assert_eq!(status, 200);
    let route = "route=\"/api/webhook-subscriptions/{id}\"";
    for expected in [
        format!("webhooks_console_requests_total{{method=\"GET\",{route},status=\"2xx\"}} 2"),
        format!("webhooks_console_requests_total{{method=\"GET\",{route},status=\"4xx\"}} 1"),
        format!("webhooks_console_request_duration_seconds_count{{{route}}} 3"),
        "webhooks_console_requests_total{method=\"other\",route=\"(none)\",status=\"4xx\"} 1"
            .to_owned(),
        "webhooks_console_database_connections 1".to_owned(),
        "webhooks_console_database_connections_in_use 0".to_owned(),
        "webhooks_console_build_info{version=".to_owned(),
        "process_resident_memory_bytes ".to_owned(),
    ] {
        assert!(text.contains(&expected), "no {expected} in\n{text}");
    }
    assert!(!text.contains(&id), "{text}");
    // It is not for who reaches the API.
    assert_eq!(scene.console.get("/metrics").await.unwrap().0, 404);
}
