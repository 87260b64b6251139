//! Regular upkeep, as a sidecar calls for it.

use std::time::{Duration, Instant};

use webhooks_tests::PATIENCE;
use webhooks_tests::database::Database;
use webhooks_tests::sidecar::{Options, Sidecar};

const UNDER_WAY: &str = "select count(*) from pg_stat_activity
    where datname = current_database() and application_name = 'webhooks-sidecar maintain'";

/// It waits for a lock, five times as long as its interval is.
#[tokio::test]
async fn maintenance_that_takes_longer_than_its_interval_is_not_begun_again() {
    let db = Database::fresh("slow_maintenance").await.unwrap();
    let blocker = db.connect().await.unwrap();
    let lock = "begin; lock table webhooks_private.idempotency_keys";
    blocker.batch_execute(lock).await.unwrap();
    let options = Options::default().arg("--maintain-interval=1");
    let mut sidecar = Sidecar::start_with(&db, options).await.unwrap();
    db.wait_value(UNDER_WAY, "1").await.unwrap();
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(3) {
        let under_way = db.value(UNDER_WAY).await.unwrap();
        assert_eq!(under_way.as_deref(), Some("1"));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }

    // Nor is it waited for at the end.
    sidecar.sigterm().unwrap();
    let status = sidecar.wait_exit(PATIENCE).await.unwrap();
    assert!(status.success(), "{status}");
    assert_eq!(sidecar.log().last().unwrap().message(), "stopped");
}
