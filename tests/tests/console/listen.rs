//! `webhooks-console listen` and `trigger`, as programs.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use webhooks_tests::PATIENCE;
use webhooks_tests::environment::console_program;
use webhooks_tests::process::{Process, Signal};
use webhooks_tests::receiver::{Receiver, Reply};
use webhooks_tests::wait::{Seen, eventually};

use crate::scene::{ALL_SCOPES, Scene};

/// A listener, and what it has printed.
struct Listener {
    process: Process,
    printed: Arc<Mutex<Vec<String>>>,
}

fn program(scene: &Scene, token: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(console_program().unwrap());
    command
        .args(arguments)
        .env(
            "WEBHOOKS_CONSOLE_URL",
            format!("http://{}", scene.console.address()),
        )
        .env("WEBHOOKS_TOKEN", token)
        .stdin(Stdio::null());
    command
}

impl Listener {
    async fn start(scene: &Scene, token: &str, forward: &str) -> Self {
        let mut command = program(
            scene,
            token,
            &[
                "listen",
                "--events",
                "job.*,document.processed",
                "--forward",
                forward,
            ],
        );
        command.stdout(Stdio::piped());
        let mut process =
            Process::spawn("webhooks-console listen", &mut command, Signal::KILL).unwrap();
        let lines = BufReader::new(process.child_mut().stdout.take().unwrap()).lines();
        let printed = Arc::<Mutex<Vec<String>>>::default();
        let kept = printed.clone();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                kept.lock().unwrap().push(line);
            }
        });
        let listener = Self { process, printed };
        listener.wait_for("Signing secret").await;
        listener
    }

    /// The first line with a text, once it is there.
    async fn wait_for(&self, text: &str) -> String {
        let seen = async || {
            let printed = self.printed.lock().unwrap().clone();
            Ok(match printed.iter().find(|line| line.contains(text)) {
                Some(line) => Seen::Done(line.clone()),
                None => Seen::NotYet(format!("{printed:?}")),
            })
        };
        eventually(PATIENCE, seen).await.unwrap()
    }
}

/// What a command prints when it ends, and whether it succeeds.
fn run(scene: &Scene, token: &str, arguments: &[&str]) -> (bool, String) {
    let done = program(scene, token, arguments).output().unwrap();
    let printed = [done.stdout, done.stderr].concat();
    (done.status.success(), String::from_utf8(printed).unwrap())
}

async fn token(scene: &Scene) -> String {
    let scopes = format!("{ALL_SCOPES},webhook_subscriptions:poll");
    scene.client(Some(scene.db.tenant()), &scopes).await.token
}

const LEFT: &str = "select count(*)::text from webhooks.webhook_subscriptions";

#[tokio::test(flavor = "multi_thread")]
async fn it_forwards_what_is_triggered_and_leaves_nothing() {
    let scene = Scene::set("listen").await;
    let token = token(&scene).await;
    let receiver = Receiver::start().unwrap();
    receiver.on_sequence("/hook", [Reply::ok(), Reply::status(500)]);
    let mut listener = Listener::start(&scene, &token, &receiver.url("/hook")).await;
    let secret = listener.wait_for("Signing secret").await;
    let secret = secret.rsplit(' ').next().unwrap();
    for n in 1..=2 {
        let (done, printed) = run(&scene, &token, &["trigger", "document.processed"]);
        assert!(
            done && printed.starts_with("Published document.processed as event "),
            "{printed}"
        );
        let sent = receiver.wait_for(n).await.unwrap().pop().unwrap();
        assert!(sent.verify(secret).verified(), "{sent:?}");
        let published = printed.trim().rsplit(' ').next().unwrap();
        assert_eq!(sent.event_id().unwrap().to_string(), published);
    }
    listener.wait_for("  200 OK  ").await;
    // It is shown, and not sent again.
    listener.wait_for("  500 Internal Server Error  ").await;
    let acknowledged =
        "select count(*)::text from webhooks.delivery_attempts where delivery_status = 'delivered'";
    scene.db.wait_value(acknowledged, "2").await.unwrap();
    listener.process.signal(Signal::TERM).unwrap();
    assert!(
        listener
            .process
            .wait_exit(PATIENCE)
            .await
            .unwrap()
            .success()
    );
    scene.db.wait_value(LEFT, "0").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_one_left_behind_is_deleted_by_the_next_and_by_the_server() {
    let scene = Scene::set("listen_killed").await;
    let token = token(&scene).await;
    let receiver = Receiver::start().unwrap();
    receiver.on("/hook", Reply::ok());
    let mut killed = Listener::start(&scene, &token, &receiver.url("/hook")).await;
    killed.process.kill9().unwrap();
    scene.db.wait_value(LEFT, "1").await.unwrap();
    // One that listens keeps its own.
    let beside = Listener::start(&scene, &token, &receiver.url("/hook")).await;
    beside.wait_for("Deleted 1 subscription").await;
    let mut last = Listener::start(&scene, &token, &receiver.url("/hook")).await;
    scene.db.wait_value(LEFT, "2").await.unwrap();
    last.process.kill9().unwrap();
    let expire =
        "update webhooks.webhook_subscriptions set expires_at = now() where name like '%process ";
    let expire = format!("{expire}{}'", last.process.pid());
    scene.db.execute(&expire).await.unwrap();
    scene
        .db
        .execute("select webhooks.maintain()")
        .await
        .unwrap();
    scene.db.wait_value(LEFT, "1").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn it_waits_for_a_receiver_that_is_not_there() {
    let scene = Scene::set("listen_away").await;
    let token = token(&scene).await;
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = nobody.local_addr().unwrap();
    drop(nobody);
    let mut listener = Listener::start(&scene, &token, &format!("http://{address}/hook")).await;
    assert!(
        run(
            &scene,
            &token,
            &["trigger", "job.created", "--data", "{\"n\": 1}"]
        )
        .0
    );
    listener.wait_for("Nothing answers at").await;
    // It stops all the same, with what is not acknowledged.
    listener.process.signal(Signal::INT).unwrap();
    assert!(
        listener
            .process
            .wait_exit(Duration::from_secs(10))
            .await
            .unwrap()
            .success()
    );
    scene.db.wait_value(LEFT, "0").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_say_what_to_do() {
    let scene = Scene::set("listen_errors").await;
    let strong = token(&scene).await;
    let weak = scene
        .client(Some(scene.db.tenant()), "events:read")
        .await
        .token;
    let listen = ["listen", "--forward", "http://127.0.0.1:1/"];
    let wrong_type = [
        "listen",
        "--forward",
        "http://127.0.0.1:1/",
        "--events",
        "no.such",
    ];
    let away = ["trigger", "job.created", "--url", "http://127.0.0.1:1/"];
    let cases: [(&str, &[&str], &str); 8] = [
        ("", &listen, "there is no access token"),
        (
            "whtok_x",
            &listen,
            "the access token is not valid (HTTP status 401)\nIt may have expired",
        ),
        (
            &weak,
            &listen,
            "lacks the scope \"webhook_subscriptions:read\" (HTTP status 403)",
        ),
        (&strong, &wrong_type, "subscribed_events names \"no.such\""),
        (
            &strong,
            &away,
            "the console at http://127.0.0.1:1 does not answer: Connection refused",
        ),
        (
            &strong,
            &["trigger", "job.create"],
            "there is no event type \"job.create\"; near to it: job.created",
        ),
        (
            &weak,
            &["trigger", "job.created"],
            "lacks the scope \"events:publish\"",
        ),
        (
            &strong,
            &["trigger", "job.created", "--data", "{"],
            "--data is no JSON",
        ),
    ];
    for (token, arguments, expected) in cases {
        let (done, printed) = run(&scene, token, arguments);
        assert!(
            !done && printed.contains(expected),
            "{arguments:?}: {printed}"
        );
        assert!(!printed.contains("whtok_"), "{printed}");
    }
    assert_eq!(scene.db.value(LEFT).await.unwrap().unwrap(), "0");
}
