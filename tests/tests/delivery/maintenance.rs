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

/// One call drops one partition. The sidecar goes on at once, not at the next interval.
#[tokio::test]
async fn old_partitions_go_one_after_the_other() {
    let db = Database::fresh("retention").await.unwrap();
    db.execute(
        "drop table webhooks_private.event_logs_past;
         do $$ begin
             perform webhooks_private.make_partitions('event_logs', array(
                 select 'event_logs_' || to_char(now() at time zone 'utc' - d * interval '1 d', 'YYYYMMDD') from generate_series(1, 5) d), 0);
         end $$;
         select webhooks.set_setting('event_retention_days', 2)",
    )
    .await
    .unwrap();
    let options = Options::default().arg("--maintain-interval=86400");
    let _sidecar = Sidecar::start_with(&db, options).await.unwrap();
    let overdue = "select count(*) from webhooks.overdue_partitions()";
    db.wait_value(overdue, "0").await.unwrap();
}
