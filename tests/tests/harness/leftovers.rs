use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use webhooks_tests::cluster::{Cluster, Options};
use webhooks_tests::wait::{Seen, eventually};

/// Not a test: what the next one runs in another process, and kills.
#[tokio::test]
#[ignore = "run by a_killed_test_process_leaves_nothing"]
async fn victim() {
    let cluster = Cluster::start(Options::default()).await.unwrap();
    println!("\ndirectory {}", cluster.directory().display());
    std::future::pending::<()>().await;
}

#[tokio::test]
async fn a_killed_test_process_leaves_nothing() {
    let temporary = tempfile::tempdir().unwrap();
    // The PostgreSQL user of a root run must reach the directories made in it.
    std::fs::set_permissions(
        temporary.path(),
        std::os::unix::fs::PermissionsExt::from_mode(0o755),
    )
    .unwrap();
    let mut victim = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "leftovers::victim", "--ignored", "--nocapture"])
        .env("TMPDIR", temporary.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut output = BufReader::new(victim.stdout.take().unwrap())
        .lines()
        .map_while(Result::ok);
    let directory = output
        .find_map(|line| line.strip_prefix("directory ").map(str::to_owned))
        .unwrap();
    let pid_file =
        std::fs::read_to_string(Path::new(&directory).join("data/postmaster.pid")).unwrap();
    let postmaster = pid_file.lines().next().unwrap().to_owned();
    assert!(Path::new("/proc").join(&postmaster).exists());

    victim.kill().unwrap();
    victim.wait().unwrap();

    let left = async || {
        let files = std::fs::read_dir(temporary.path())?.count();
        let running = Path::new("/proc").join(&postmaster).exists();
        Ok(Seen::done_if((files, running), |left| *left == (0, false)))
    };
    eventually(Duration::from_secs(20), left).await.unwrap();
}
