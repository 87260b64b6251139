use std::time::Duration;

use serde_json::json;
use webhooks_tests::PATIENCE;
use webhooks_tests::database::Database;
use webhooks_tests::receiver::{Receiver, Recording, Reply, Request};
use webhooks_tests::sidecar::{Options, Sidecar};
use webhooks_tests::usage::peak_rss;
use webhooks_tests::wait::{Seen, eventually};

use crate::ALONE;

const MANY: usize = 2000;
const SECOND: Duration = Duration::from_secs(1);
const MIB: f64 = 1024.0 * 1024.0;

/// The memory that the sidecar may take: 24 MiB for itself, and for each of 2,000 requests the 64 KiB that it reads of headers,
/// or of a body at once, and 32 KiB for connection, request and result. Most of that is never returned to the
/// system, so the peak is what an operator has to reckon with.
const BOUND: f64 = 24.0 * MIB + MANY as f64 * (64.0 + 32.0) * 1024.0;

/// Attempts at the 2,000.
const RECORDED: &str = "select count(*) from webhooks.delivery_attempts a
    join webhooks.webhook_subscriptions s on s.id = a.subscription_id where s.name = 'bad'";

/// 2,000 subscriptions with a delivery each, to endpoints that answer so; a sidecar that may have them all under way;
/// and one well-behaved subscription.
struct Crowd {
    db: Database,
    sidecar: Sidecar,
    good: Receiver,
    bad: Receiver,
}

impl Crowd {
    async fn gather(name: &str, reply: Reply) -> Self {
        Self::gather_with(name, move |_| reply.clone()).await
    }

    async fn gather_with(
        name: &str,
        script: impl Fn(&Request) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let db = Database::fresh(name).await.unwrap();
        let good = Receiver::start_with(Recording::Count).unwrap();
        let bad = Receiver::start().unwrap();
        bad.on_request("/", script);
        let url = bad.url("/");
        db.execute(&format!(
            "insert into webhooks.webhook_subscriptions
                 (tenant_id, name, webhook_url, subscribed_events, timeout_seconds, retry_count)
             select gen_random_uuid(), 'bad', '{url}', '[\"*\"]', 300, 0 from generate_series(1, {MANY});
             insert into webhooks.event_logs (tenant_id, event_type, event_category, event_name, event_data)
             select tenant_id, 'job.created', 'job', 'job.created', '{{}}' from webhooks.webhook_subscriptions"
        ))
        .await
        .unwrap();
        // An eighth of the slots is left to fresh deliveries.
        let options = Options::default().arg("--concurrency=2400").quiet();
        let sidecar = Sidecar::start_with(&db, options).await.unwrap();
        Self {
            db,
            sidecar,
            good,
            bad,
        }
    }

    /// Deliveries of the well-behaved subscription arrive.
    async fn assert_others_go_through(&self) {
        let tenant = self.db.tenant();
        let columns = json!({"tenant_id": tenant, "webhook_url": self.good.url("/")});
        self.db.subscribe(columns).await.unwrap();
        let published = self.db.publish_many(tenant, "job.created", 100).await;
        published.unwrap();
        self.good.wait_for(100).await.unwrap();
    }

    /// All of the 2,000 have been recorded with this status.
    async fn wait_recorded(&self, status: &str) {
        let recorded = format!("{RECORDED} and a.delivery_status = '{status}'");
        let all = MANY.to_string();
        self.db.wait_value(&recorded, &all).await.unwrap();
    }

    /// All of the 2,000 are still under way.
    async fn assert_none_recorded(&self) {
        let recorded = self.db.value(RECORDED).await.unwrap();
        assert_eq!(recorded.as_deref(), Some("0"));
    }

    /// Waits until this much of answers has been taken from the receivers.
    async fn wait_sent(&self, bytes: usize) {
        let sent = async || Ok(Seen::done_if(self.bad.bytes_sent(), |n| *n >= bytes as u64));
        eventually(PATIENCE, sent).await.unwrap();
    }

    fn assert_bounded(&self) {
        let peak = peak_rss(self.sidecar.pid()).unwrap();
        let (peak_mib, bound) = (peak / MIB, BOUND / MIB);
        eprintln!("peak {peak_mib:.0} MiB of {bound:.0}");
        assert!(
            peak <= BOUND,
            "the sidecar took {peak_mib:.0} MiB, over {bound:.0}"
        );
    }
}

#[tokio::test]
async fn memory_is_bounded_with_receivers_that_drip_one_byte_a_second() {
    let _alone = ALONE.lock().await;
    let crowd = Crowd::gather("drip", Reply::drip(SECOND)).await;
    // All are at it, with their third byte.
    crowd.wait_sent(3 * MANY).await;
    crowd.assert_others_go_through().await;
    crowd.assert_none_recorded().await;
    crowd.assert_bounded();
}

#[tokio::test]
async fn memory_is_bounded_with_receivers_that_drip_headers() {
    let _alone = ALONE.lock().await;
    // Nearly as much as is taken, then a byte a second.
    let much = 60_000;
    let crowd = Crowd::gather("headers", Reply::dripping_headers(much, SECOND)).await;
    crowd.wait_sent(MANY * (much + 2)).await;
    crowd.assert_others_go_through().await;
    crowd.assert_none_recorded().await;
    crowd.assert_bounded();
}

#[tokio::test]
async fn memory_is_bounded_with_receivers_of_endless_headers() {
    let _alone = ALONE.lock().await;
    // As fast as they are taken from one half; from the other, a byte a second after more than may be taken.
    let endless = |request: &Request| {
        if request.nth.is_multiple_of(2) {
            Reply::endless_headers()
        } else {
            Reply::dripping_headers(100_000, SECOND)
        }
    };
    let crowd = Crowd::gather_with("endless", endless).await;
    crowd.assert_others_go_through().await;
    crowd.wait_recorded("failed").await;
    crowd.assert_bounded();
}

#[tokio::test]
async fn memory_is_bounded_with_receivers_of_gzip_bombs() {
    let _alone = ALONE.lock().await;
    // Unpacked, all together would be 125 GiB.
    let crowd = Crowd::gather("gzip", Reply::gzip_bomb(64)).await;
    crowd.assert_others_go_through().await;
    crowd.wait_recorded("delivered").await;
    crowd.assert_bounded();
    let requests = crowd.bad.requests();
    let asks = |request: &Request| request.header("accept-encoding").is_some();
    assert!(!requests.iter().any(asks), "nobody asked for it");
    // The log has the body as it came: two bytes that no gzip lacks, the second no UTF-8.
    let packed = "select count(*) from webhooks.delivery_attempts
        where response_headers ->> 'content-encoding' = 'gzip' and response_body like E'\\x1f\\uFFFD%'";
    let packed = crowd.db.value(packed).await.unwrap();
    assert_eq!(packed.as_deref(), Some("2000"));
}
