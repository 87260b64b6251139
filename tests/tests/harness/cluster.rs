use std::sync::Arc;
use std::time::Duration;

use webhooks_tests::cluster::{Cluster, Options, Stop};
use webhooks_tests::process::{Signal, send_signal};
use webhooks_tests::wait::{Seen, eventually};

async fn count(cluster: &Cluster) -> i64 {
    let client = cluster.connect("postgres", "postgres").await.unwrap();
    let row = client.query_one("select count(*) from kept", &[]).await;
    row.unwrap().get(0)
}

#[tokio::test]
async fn survives_stop_kill_and_restart_on_the_same_port() {
    let options = Options::default()
        .prepared_transactions(10)
        .set("work_mem", "7MB");
    let cluster = Cluster::start(options).await.unwrap();
    let script = "create table kept (n int); insert into kept values (1); show work_mem;";
    assert_eq!(cluster.psql("postgres", script).await.unwrap(), "7MB\n");
    assert_eq!(
        cluster.psql("postgres", "show fsync").await.unwrap(),
        "on\n"
    );

    for how in [Stop::Fast, Stop::Immediate] {
        cluster.stop(how).await.unwrap();
        assert!(cluster.connect("postgres", "postgres").await.is_err());
        cluster.launch().await.unwrap();
        assert_eq!(count(&cluster).await, 1);
    }

    // A backend that sleeps and one that computes: neither may hold up the next start.
    let busy = cluster.connect("postgres", "postgres").await.unwrap();
    let sleeping = cluster.connect("postgres", "postgres").await.unwrap();
    let sql = "do $$ begin loop end loop; end $$";
    let work = async {
        tokio::join!(
            busy.batch_execute(sql),
            sleeping.batch_execute("select pg_sleep(600)")
        )
    };
    let kill = async {
        let watcher = cluster.connect("postgres", "postgres").await.unwrap();
        let active = "select count(*) from pg_stat_activity where query ~ '^(do|select pg_sleep)' and state = 'active'";
        let both = async || {
            let n: i64 = watcher.query_one(active, &[]).await?.get(0);
            Ok(Seen::done_if(n, |n| *n == 2))
        };
        eventually(Duration::from_secs(10), both).await.unwrap();
        cluster.kill9().await.unwrap();
    };
    let ((computed, slept), ()) = tokio::join!(work, kill);
    assert!(computed.is_err() && slept.is_err());
    cluster.launch().await.unwrap();
    assert_eq!(count(&cluster).await, 1);

    let directory = cluster.directory().to_owned();
    assert!(directory.exists());
    drop(cluster);
    assert!(!directory.exists());
}

#[tokio::test]
async fn a_killed_backend_restarts_the_server() {
    let cluster = Cluster::start(Options::default()).await.unwrap();
    let client = cluster.connect("postgres", "postgres").await.unwrap();
    let pid: i32 = client
        .query_one("select pg_backend_pid()", &[])
        .await
        .unwrap()
        .get(0);
    send_signal(pid.unsigned_abs(), Signal::KILL).unwrap();
    assert!(client.batch_execute("select 1").await.is_err());
    // The server may go on accepting for a moment, until its postmaster has noticed.
    let noticed = async || {
        let log = cluster.server_log();
        Ok(Seen::done_if(log, |log| {
            log.contains("was terminated by signal 9")
        }))
    };
    eventually(Duration::from_secs(10), noticed).await.unwrap();
    cluster.wait_accepting().await.unwrap();
}

#[tokio::test]
async fn the_shared_cluster_dumps_and_restores() {
    let cluster = Cluster::shared().await.unwrap();
    assert!(Arc::ptr_eq(&cluster, &Cluster::shared().await.unwrap()));
    for name in ["from", "to"] {
        cluster.create_database(name, "").await.unwrap();
    }
    cluster
        .psql("from", "create table t as select 'ä' as x")
        .await
        .unwrap();
    let dump = cluster.dump("from", &[]).await.unwrap();
    cluster.restore("to", &dump).await.unwrap();
    assert_eq!(cluster.psql("to", "table t").await.unwrap(), "ä\n");
    let again = cluster.restore("to", &dump).await.unwrap_err();
    assert!(format!("{again:#}").contains("already exists"));
}
