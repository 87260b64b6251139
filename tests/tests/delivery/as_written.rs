//! URLs and addresses are used as they are written.

use serde_json::json;
use webhooks_tests::receiver::Reply;

use crate::scene::Scene;

/// Path and query are sent as they are written: nothing is resolved, decoded or encoded.
#[tokio::test]
async fn path_and_query_are_sent_as_they_are_written() {
    let scene = Scene::set("as_written").await;
    for (path, query) in [
        ("/a/../b/./c", ""),
        ("/%2e%2E/%7ea", "?x=%2e&y=a'b"),
        ("//double//", "?"),
        ("/a'b|c^d[e]", "?a=b|c^d[e]&f=100%"),
        ("/;k=v,w:@!$&()*+", "?q=a?b/c"),
    ] {
        let url = format!("{path}{query}");
        let endpoint = scene.endpoint(&url, Reply::ok(), json!({})).await;
        scene.receiver.on(path, Reply::ok());
        let event = scene.publish(&endpoint).await;
        scene.wait(event, "delivered").await;
        let requests = scene.receiver.requests_to(path);
        assert_eq!(requests.len(), 1, "{url}");
        assert_eq!(
            requests[0].query.as_deref(),
            query.strip_prefix('?'),
            "{url}"
        );
    }
}

/// A network is no host: what an event says of it is sent.
#[tokio::test]
async fn a_source_ip_with_a_netmask_is_sent_whole() {
    let scene = Scene::set("netmask").await;
    let columns = json!({"payload_format": "cloudevents"});
    let endpoint = scene.endpoint("/hook", Reply::ok(), columns).await;
    for (given, sent) in [
        ("10.1.0.0/16", "10.1.0.0/16"),
        ("10.1.2.3/16", "10.1.2.3/16"),
        ("10.1.2.3", "10.1.2.3"),
        ("2001:db8::/32", "2001:db8::/32"),
        ("::1", "::1"),
    ] {
        let publish = format!(
            "select webhooks.publish_event('{}', 'job.created', source_ip => '{given}',
                 user_id => '22222222-2222-4222-8222-222222222222')",
            endpoint.tenant
        );
        let event = scene.db.value(&publish).await.unwrap().unwrap();
        scene.wait(event.parse().unwrap(), "delivered").await;
        let requests = scene.receiver.requests_to("/hook");
        let request = requests.last().unwrap();
        assert_eq!(request.json()["sourceip"], sent, "{given}");
        let preview = format!(
            "select webhooks.build_payload('{event}', '{}')",
            endpoint.subscription
        );
        let preview = scene.db.value(&preview).await.unwrap().unwrap();
        assert_eq!(preview.as_bytes(), &request.body[..], "{given}");
    }
}
