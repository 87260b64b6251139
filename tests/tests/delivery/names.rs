use std::net::IpAddr;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use uuid::Uuid;
use webhooks_tests::database::Database;
use webhooks_tests::dns::{Answer, DnsServer};
use webhooks_tests::latency::Steady;
use webhooks_tests::receiver::{Receiver, Recording};
use webhooks_tests::sidecar::{Options, Sidecar};

use crate::scene::{Scene, subscribe, text};

const HERE: &[IpAddr] = &[IpAddr::V4(std::net::Ipv4Addr::LOCALHOST)];

fn options(dns: &DnsServer) -> Options {
    Options::default()
        .arg("--dns-server")
        .arg(dns.address().to_string())
}

/// Publishes to a host, at the receiver's port.
async fn publish_to(scene: &Scene, host: &str, columns: Value) -> Uuid {
    let url = format!("http://{host}:{}/hook", scene.receiver.address().port());
    let endpoint = subscribe(&scene.db, &url, columns).await;
    scene.publish(&endpoint).await
}

#[tokio::test]
async fn answers_of_dns_servers_decide_on_the_delivery() {
    let dns = DnsServer::start().unwrap();
    let nowhere = || Answer::addresses(&[]);
    let many: Vec<IpAddr> = (1..200_u8).map(|n| IpAddr::from([127, 9, 9, n])).collect();
    for (name, answer) in [
        ("plain.test", Answer::addresses(HERE)),
        ("under_score.test", Answer::addresses(HERE)),
        ("long.test", Answer::addresses(HERE).only_over_tcp()),
        ("alias.test", Answer::alias("alias2.test")),
        ("alias2.test", Answer::alias("plain.test")),
        (
            "slow.test",
            Answer::addresses(HERE).after(Duration::from_secs(2)),
        ),
        // One that nobody listens at.
        (
            "two.test",
            Answer::addresses(&["127.9.9.9".parse().unwrap(), HERE[0]]),
        ),
        ("dangling.test", Answer::alias("absent.test")),
        ("loop.test", Answer::alias("loop2.test")),
        ("loop2.test", Answer::alias("loop.test")),
        ("failing.test", Answer::code(2)),
        ("refusing.test", Answer::code(5)),
        ("empty.test", nowhere()),
        (
            "wire.test",
            Answer::addresses(&["168.63.129.16".parse().unwrap()]),
        ),
        (
            "private.test",
            Answer::addresses(&["10.1.2.3".parse().unwrap()]),
        ),
        (
            "denied.test",
            Answer::addresses(&["127.3.0.1".parse().unwrap()]),
        ),
        // Of several addresses only those are connected to that may be.
        (
            "mixed.test",
            Answer::addresses(&[
                "10.1.2.3".parse().unwrap(),
                "127.3.0.1".parse().unwrap(),
                HERE[0],
            ]),
        ),
        ("many.test", Answer::addresses(&many).only_over_tcp()),
    ] {
        dns.on(name, answer);
    }
    let options = options(&dns).arg("--deny-network").arg("127.3.0.0/16");
    let scene = Scene::set_with("names", options).await;
    let columns = || json!({"retry_count": 0, "timeout_seconds": 20});
    let mut delivered = Vec::new();
    for name in [
        "plain.test",
        "under_score.test",
        "PLAIN.test",
        "plain.test.",
        "long.test",
        "alias.test",
        "slow.test",
        "two.test",
        "mixed.test",
        "localhost",
        "app.localhost",
    ] {
        delivered.push(publish_to(&scene, name, columns()).await);
    }
    let mut failed = Vec::new();
    for (name, part) in [
        (
            "absent.test",
            "can't resolve absent.test: the name does not exist",
        ),
        (
            "dangling.test",
            "can't resolve dangling.test: the name does not exist",
        ),
        ("loop.test", "loop.test"),
        (
            "failing.test",
            "can't resolve failing.test: the DNS server failed (Server Failure)",
        ),
        (
            "refusing.test",
            "can't resolve refusing.test: the DNS server failed (Query Refused)",
        ),
        ("empty.test", "empty.test has no address"),
        ("wire.test", "Azure's wire server, which is always denied"),
        ("private.test", "must be allowed with --allow-network"),
        (
            "denied.test",
            "it is in the network 127.3.0.0/16, which is denied",
        ),
        ("many.test", "Connection refused"),
    ] {
        failed.push((publish_to(&scene, name, columns()).await, part));
    }
    for event in delivered {
        scene.wait(event, "delivered").await;
    }
    for (event, part) in failed {
        let (delivery, _) = scene.wait(event, "failed").await;
        assert!(
            text(&delivery["error_message"]).contains(part),
            "{part}: {delivery}"
        );
    }
    let noise = scene
        .sidecar
        .log()
        .into_iter()
        .find(|line| line.contains("hickory") || line.contains("\"ERROR\""));
    assert!(noise.is_none(), "{noise:?}");
}

/// A name is asked for once while it holds, and when it does not hold any more, its new address counts.
#[tokio::test]
async fn names_are_remembered_as_long_as_they_hold() {
    let dns = DnsServer::start().unwrap();
    dns.on("kept.test", Answer::addresses(HERE).ttl(3600));
    dns.on(
        "moving.test",
        Answer::addresses(&["127.9.9.9".parse().unwrap()]).ttl(0),
    );
    let scene = Scene::set_with("remembered", options(&dns)).await;
    let url = |host: &str| format!("http://{host}:{}/hook", scene.receiver.address().port());
    let columns = json!({"retry_count": 0, "max_in_flight": 1});
    let endpoint = subscribe(&scene.db, &url("kept.test"), columns).await;
    // A receiver that closes each connection has the sidecar look the name up each time.
    scene.receiver.on(
        "/hook",
        webhooks_tests::receiver::Reply::ok().header("Connection", "close"),
    );
    let published = scene.db.publish_many(endpoint.tenant, "job.created", 20);
    published.await.unwrap();
    let delivered =
        "select count(*) from webhooks.delivery_attempts where delivery_status = 'delivered'";
    scene.db.wait_value(delivered, "20").await.unwrap();
    assert_eq!(dns.questions("kept.test"), 2, "A and AAAA, once");

    let columns = json!({"retry_count": 20, "retry_delay_seconds": 1});
    let endpoint = subscribe(&scene.db, &url("moving.test"), columns).await;
    let event = scene.publish(&endpoint).await;
    scene.db.wait_delivery(event, "retrying").await.unwrap();
    dns.on("moving.test", Answer::addresses(HERE).ttl(0));
    scene.wait(event, "delivered").await;
}

/// Names that nobody answers for hold up their own deliveries alone, and no shutdown.
#[tokio::test]
async fn dead_names_delay_nobody_else() {
    let dns = DnsServer::start().unwrap();
    dns.on("alive.test", Answer::addresses(HERE).ttl(0));
    let db = Database::fresh("dead_names").await.unwrap();
    let receiver = Receiver::start_with(Recording::Arrivals).unwrap();
    let mut sidecar = Sidecar::start_with(&db, options(&dns)).await.unwrap();
    // Each is attempted for a second, again and again, 20 at once.
    for n in 0..10 {
        let name = format!("dead{n}.test");
        dns.on(&name, Answer::silence());
        let columns =
            json!({"timeout_seconds": 1, "retry_count": 10, "breaker_failure_threshold": 100_000});
        let endpoint = subscribe(&db, &format!("http://{name}/"), columns).await;
        let published = db.publish_many(endpoint.tenant, "job.created", 200);
        published.await.unwrap();
    }
    let retrying =
        "select count(*) > 400 from webhooks.delivery_attempts where delivery_status = 'retrying'";
    db.wait_value(retrying, "true").await.unwrap();

    let tenant = db.tenant();
    let url = format!("http://alive.test:{}/", receiver.address().port());
    db.subscribe(
        json!({"tenant_id": tenant, "webhook_url": url, "subscribed_events": ["document.*"]}),
    )
    .await
    .unwrap();
    let steady = Steady {
        database: &db,
        receiver: &receiver,
        tenants: &[tenant],
        rate: 10,
        data: json!({}),
    };
    let latencies = steady.run(5).await.unwrap();
    // A delivery that waits for a dead name waits for a second or more.
    let most = latencies.quantile(0.9);
    assert!(most < 1_000.0, "{most} ms");

    let began = Instant::now();
    sidecar.sigterm().unwrap();
    sidecar.wait_exit(Duration::from_secs(30)).await.unwrap();
    // The attempts under way have a second, and the time to be recorded; one after the other would take a minute.
    assert!(
        began.elapsed() < Duration::from_secs(10),
        "{:?}",
        began.elapsed()
    );
}
