//! A streaming standby takes the place of a primary that fails or is cut off.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;
use uuid::Uuid;
use webhooks_tests::cluster::{Cluster, Options as Settings};
use webhooks_tests::database::{Database, SIDECAR_ROLE};
use webhooks_tests::proxy::Proxy;
use webhooks_tests::receiver::{Receiver, Reply};
use webhooks_tests::sidecar::{LogLine, Options, SHARES, Sidecar};
use webhooks_tests::wait::{Seen, eventually};

use super::owners::LOCKED_BELLS;
use super::work::{TAKES, Work};
use crate::scene::subscribe;

const EVENTS: u64 = 2000;
/// Until deliveries go on after a promotion. Two attempts to connect are up to 2 s apart. Times a busy machine.
const SOON: Duration = Duration::from_secs(10);

/// A primary, and a standby that streams from it over a network of its own.
struct Pair {
    primary: Arc<Cluster>,
    standby: Arc<Cluster>,
    network: Proxy,
    db: Arc<Database>,
}

fn address(cluster: &Cluster) -> SocketAddr {
    ([127, 0, 0, 1], cluster.port()).into()
}

fn standbys(state: &str) -> String {
    format!(
        "select count(*) from pg_stat_replication where application_name = 'standby' and {state}"
    )
}

impl Pair {
    async fn start(name: &str) -> Self {
        let settings = Settings::default().prepared_transactions(1);
        let primary = Cluster::start(settings).await.unwrap();
        let db = Arc::new(Database::create(&primary, name).await.unwrap());
        let network = Proxy::start(address(&primary)).unwrap();
        let standby = primary.standby(network.address()).await.unwrap();
        db.wait_value(&standbys("state = 'streaming'"), "1")
            .await
            .unwrap();
        Self {
            primary,
            standby,
            network,
            db,
        }
    }

    /// As [`start`](Self::start); a commit is acknowledged once the standby has it.
    async fn start_synchronous(name: &str) -> Self {
        let pair = Self::start(name).await;
        for statement in [
            "alter system set synchronous_standby_names = 'standby'",
            "select pg_reload_conf()",
        ] {
            pair.db.execute(statement).await.unwrap();
        }
        pair.db
            .wait_value(&standbys("sync_state = 'sync'"), "1")
            .await
            .unwrap();
        pair
    }

    /// For the sidecar: both servers, the primary first, at the address by which it shall reach that.
    fn url(&self, primary: SocketAddr) -> String {
        format!(
            "postgresql://{SIDECAR_ROLE}@{primary},{}/{}?target_session_attrs=read-write&connect_timeout=2",
            address(&self.standby),
            self.db.name()
        )
    }

    fn sidecar(&self) -> Options {
        Options::default().database_url(self.url(address(&self.primary)))
    }

    /// Makes the standby the primary.
    ///
    /// Returns: the database there.
    async fn promote(&self) -> Arc<Database> {
        let survivor = Arc::new(Database::existing(&self.standby, self.db.name()));
        let promoted = survivor.value("select pg_promote()").await.unwrap();
        assert_eq!(promoted.as_deref(), Some("true"));
        survivor
    }

    async fn fail_over(&self) -> Arc<Database> {
        self.primary.crash().await.unwrap();
        self.promote().await
    }
}

/// Kills the primary, promotes the standby, and waits for the first delivery from there.
async fn fail_over(pair: &Pair, work: &mut Work) {
    let killed = Instant::now();
    // (A backend that notices the postmaster's end waits for no standby any more, and shows what it has committed.)
    pair.primary.crash().await.unwrap();
    // What was under way is answered, and nothing more is sent before there is a primary.
    let quiet = async || Ok(Seen::done_if(work.in_flight(), |n| *n == 0));
    eventually(SOON + TAKES, quiet).await.unwrap();
    let before = work.receiver.count();
    let survivor = pair.promote().await;
    let promoted = Instant::now();
    work.go_on_in(survivor);
    work.wait_for(before + 1).await;
    println!(
        "deliveries went on {:?} after the kill, {:?} after the promotion",
        killed.elapsed(),
        promoted.elapsed()
    );
    assert!(promoted.elapsed() < SOON, "{:?}", promoted.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_synchronous_standby_loses_nothing_that_was_committed() {
    let pair = Pair::start_synchronous("synchronous").await;
    let mut work = Work::start_in(Arc::clone(&pair.db), EVENTS).await;
    let mut sidecar = Sidecar::start_with(&pair.db, pair.sidecar()).await.unwrap();
    work.wait_for(EVENTS / 2).await;
    fail_over(&pair, &mut work).await;
    let done = work.finish().await;
    // Results are recorded without waiting for the standby: those of the last moments.
    assert!(done.duplicates < EVENTS / 4, "{done}");
    assert!(sidecar.exited().unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_asynchronous_standby_has_got_is_delivered() {
    let pair = Pair::start("asynchronous").await;
    let mut work = Work::start_in(Arc::clone(&pair.db), EVENTS).await;
    let mut sidecar = Sidecar::start_with(&pair.db, pair.sidecar()).await.unwrap();
    work.wait_for(EVENTS / 4).await;
    // From now on the primary alone knows what is published and delivered.
    pair.network.stall();
    work.wait_for(EVENTS / 2).await;
    fail_over(&pair, &mut work).await;
    let client = work.db.connect().await.unwrap();
    work.finish_publishing().await;
    work.ledger.settle(&client).await.unwrap();
    work.ledger.forget_lost(&client).await.unwrap();
    let done = work.finish().await;
    assert!(
        done.lost > 0,
        "the standby had got everything: no test; {done}"
    );
    assert!(sidecar.exited().unwrap().is_none());
}

/// Locks, notifications and counters live in the memory of a server; keys, schedules and prepared transactions in its files.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_server_keeps_is_there_after_a_promotion() {
    let pair = Pair::start_synchronous("kept").await;
    let db = &pair.db;
    let receiver = Receiver::start().unwrap();
    let endpoint = subscribe(db, &receiver.url("/"), json!({})).await;
    let tenant = endpoint.tenant;
    let options = pair.sidecar().arg("--poll-interval=600");
    let _sidecar = Sidecar::start_with(db, options).await.unwrap();
    db.execute(&format!(
        "select webhooks.set_tenant_limits('{tenant}', null, 1000, 1000)"
    ))
    .await
    .unwrap();
    let with_key = format!(
        "select webhooks.publish_event('{tenant}', 'job.created', idempotency_key => 'key')"
    );
    let event = db.value(&with_key).await.unwrap().unwrap();
    db.wait_delivery(Uuid::parse_str(&event).unwrap(), "delivered")
        .await
        .unwrap();
    let scheduled = db
        .value(&format!(
            "select webhooks.publish_event('{tenant}', 'job.created', deliver_after => now() + interval '1 day')"
        ))
        .await
        .unwrap()
        .unwrap();
    let session = db.connect().await.unwrap();
    let prepared = format!(
        "begin; set local webhooks.notify = off; select webhooks.publish_event('{tenant}', 'job.created');
         prepare transaction 'prepared'"
    );
    session.batch_execute(&prepared).await.unwrap();

    let survivor = pair.fail_over().await;
    assert_eq!(
        survivor
            .value("select webhooks.is_adopted()")
            .await
            .unwrap()
            .as_deref(),
        Some("true")
    );
    survivor
        .wait_value_within(SOON, SHARES, "16")
        .await
        .unwrap();
    // Asleep, it is woken by a notification of the new server, and finds what was prepared, too.
    survivor
        .wait_value_within(SOON, LOCKED_BELLS, "16")
        .await
        .unwrap();
    survivor
        .execute("commit prepared 'prepared'")
        .await
        .unwrap();
    let published = survivor.publish(tenant, "job.created", json!({})).await;
    survivor
        .wait_delivery(published.unwrap(), "delivered")
        .await
        .unwrap();
    receiver.wait_for(3).await.unwrap();
    let again = survivor.value(&with_key).await.unwrap().unwrap();
    assert_eq!(again, event, "the key is known");
    // What is due tomorrow waits.
    let outstanding = "select string_agg(event_log_id::text, ' ') from webhooks.delivery_queue";
    survivor.wait_value(outstanding, &scheduled).await.unwrap();
    assert_eq!(receiver.count(), 3);
    let too_many = format!(
        "insert into webhooks.event_logs (tenant_id, event_type, event_category, event_name, event_data)
         select '{tenant}', 'job.created', 'job', 'x', '{{}}' from generate_series(1, 1001)"
    );
    let refused = survivor.execute(&too_many).await.unwrap_err();
    assert!(
        format!("{refused:#}").contains("1000 per minute"),
        "{refused:#}"
    );
}

/// A network that fails says nothing, and the old primary goes on behind it. It must not be delivered from again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_primary_that_was_cut_off_is_not_gone_back_to() {
    let pair = Pair::start("cut_off").await;
    let receiver = Receiver::start().unwrap();
    receiver.on("/", Reply::ok());
    let endpoint = subscribe(&pair.db, &receiver.url("/"), json!({})).await;
    let network = Proxy::start(address(&pair.primary)).unwrap();
    let options = Options::default().database_url(pair.url(network.address()));
    let sidecar = Sidecar::start_with(&pair.db, options.arg("--lease=5")).await;
    let sidecar = sidecar.unwrap();
    let deliver_one = async |db: &Database| {
        let event = db.publish(endpoint.tenant, "job.created", json!({}));
        let event = event.await.unwrap();
        let delivered = format!(
            "select count(*) from webhooks.delivery_attempts where event_log_id = '{event}'"
        );
        db.wait_value_within(2 * SOON, &delivered, "1")
            .await
            .unwrap();
    };
    deliver_one(&pair.db).await;

    network.stall();
    let survivor = pair.promote().await;
    let promoted = Instant::now();
    deliver_one(&survivor).await;
    println!(
        "deliveries went on {:?} after the network's end and the promotion",
        promoted.elapsed()
    );

    network.resume();
    let sessions = "select count(pg_terminate_backend(pid, 10000)) from pg_stat_activity
        where application_name like 'webhooks-sidecar%'";
    survivor.execute(sessions).await.unwrap();
    deliver_one(&survivor).await;
    let is_refused = |line: &LogLine| {
        let port = network.address().port();
        line.contains(&format!(":{port}: it is on timeline 1")) && line.contains("timeline 2")
    };
    pair.db
        .wait_value("select webhooks.sidecar_count()", "0")
        .await
        .unwrap();
    // With the old primary alone, it waits and says why.
    survivor.cluster().kill9().await.unwrap();
    sidecar.wait_log(2 * SOON, is_refused).await.unwrap();
}

/// What is recorded just as the network fails gets no answer. The results of the session after it do not wait for that.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_without_an_answer_holds_no_later_one_up() {
    let pair = Pair::start_synchronous("silent").await;
    let receiver = Receiver::start().unwrap();
    // The answer comes when the network has failed.
    receiver.on("/", Reply::ok().after(Duration::from_secs(1)));
    let endpoint = subscribe(&pair.db, &receiver.url("/"), json!({})).await;
    let network = Proxy::start(address(&pair.primary)).unwrap();
    let options = Options::default().database_url(pair.url(network.address()));
    let _sidecar = Sidecar::start_with(&pair.db, options.arg("--lease=5"))
        .await
        .unwrap();
    let event = pair.db.publish(endpoint.tenant, "job.created", json!({}));
    let event = event.await.unwrap();
    receiver.wait_for(1).await.unwrap();

    network.stall();
    let survivor = pair.promote().await;
    survivor
        .wait_value_within(
            2 * SOON,
            &format!(
                "select count(*) from webhooks.delivery_attempts where event_log_id = '{event}'"
            ),
            "1",
        )
        .await
        .unwrap();
    assert_eq!(
        receiver.count(),
        1,
        "a success is not lost with its session"
    );
}
