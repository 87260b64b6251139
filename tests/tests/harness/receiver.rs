use std::io::ErrorKind;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use webhooks_tests::receiver::{Receiver, Recording, Reply};

const SOON: Duration = Duration::from_secs(10);

fn post(path: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!("POST {path} HTTP/1.1\r\nHost: x\r\n{headers}Content-Length: {length}\r\n\r\n{body}")
}

async fn send(receiver: &Receiver, path: &str) -> TcpStream {
    let mut stream = TcpStream::connect(receiver.address()).await.unwrap();
    stream
        .write_all(post(path, "", "{}").as_bytes())
        .await
        .unwrap();
    stream
}

/// Reads until the text is seen.
async fn read_until(stream: &mut TcpStream, text: &str) -> String {
    let mut seen = Vec::new();
    while !String::from_utf8_lossy(&seen).contains(text) {
        let read = timeout(SOON, stream.read_buf(&mut seen))
            .await
            .unwrap()
            .unwrap();
        assert!(
            read > 0,
            "ended before {text:?}: {:?}",
            String::from_utf8_lossy(&seen)
        );
    }
    String::from_utf8_lossy(&seen).into_owned()
}

#[tokio::test]
async fn records_requests_in_full() {
    let receiver = Receiver::start().unwrap();
    let mut stream = TcpStream::connect(receiver.address()).await.unwrap();
    let id = "01890a5d-ac96-774b-bcce-b302099a8057";
    let headers = format!("webhook-id: {id}\r\nX-Webhook-Attempt: 2\r\n");
    for _ in 0..2 {
        stream
            .write_all(post("/hook?a=b", &headers, r#"{"n":1}"#).as_bytes())
            .await
            .unwrap();
        assert!(
            read_until(&mut stream, "\r\n\r\n")
                .await
                .starts_with("HTTP/1.1 200")
        );
    }
    let requests = receiver.wait_for(2).await.unwrap();
    let request = &requests[1];
    assert_eq!(
        (request.method.as_str(), request.path.as_str()),
        ("POST", "/hook")
    );
    assert_eq!(request.query.as_deref(), Some("a=b"));
    assert_eq!(request.event_id().unwrap().to_string(), id);
    assert_eq!(
        (request.attempt(), request.nth, request.connection),
        (Some(2), 1, 1)
    );
    assert_eq!(request.json()["n"], 1);
    assert_eq!(request.signatures, None);
    assert_eq!(receiver.arrivals().len(), 2);
    assert!(
        receiver
            .wait_for_within(3, Duration::from_millis(20))
            .await
            .is_err()
    );
}

#[tokio::test]
async fn replies_in_sequence_and_after_a_delay() {
    let receiver = Receiver::start().unwrap();
    let late = Reply::retry_after(503, "7").after(Duration::from_millis(50));
    receiver.on_sequence("/x", [late, Reply::gone()]);
    let started = Instant::now();
    let first = read_until(&mut send(&receiver, "/x").await, "\r\n\r\n").await;
    assert!(started.elapsed() >= Duration::from_millis(50));
    assert!(first.starts_with("HTTP/1.1 503") && first.contains("retry-after: 7"));
    for _ in 0..2 {
        let next = read_until(&mut send(&receiver, "/x").await, "\r\n\r\n").await;
        assert!(next.starts_with("HTTP/1.1 410"), "{next}");
    }
}

#[tokio::test]
async fn breaks_connections_as_told() {
    let receiver = Receiver::start().unwrap();
    receiver.on("/close", Reply::close());
    receiver.on("/reset", Reply::reset());
    receiver.on("/midway", Reply::reset_mid_body());
    receiver.on("/hang", Reply::hang());

    let mut nothing = [0; 1];
    let closed = send(&receiver, "/close").await.read(&mut nothing).await;
    assert_eq!(closed.unwrap(), 0);
    let reset = send(&receiver, "/reset").await.read(&mut nothing).await;
    assert_eq!(reset.unwrap_err().kind(), ErrorKind::ConnectionReset);
    let mut all = Vec::new();
    let midway = send(&receiver, "/midway").await.read_to_end(&mut all).await;
    assert_eq!(midway.unwrap_err().kind(), ErrorKind::ConnectionReset);

    let mut hanging = send(&receiver, "/hang").await;
    receiver.wait_for(4).await.unwrap();
    assert!(
        timeout(Duration::from_millis(50), hanging.read(&mut nothing))
            .await
            .is_err()
    );
    assert_eq!(receiver.in_flight("/hang"), 1);
    drop(hanging);
    let deadline = Instant::now() + SOON;
    while receiver.in_flight("/hang") > 0 {
        assert!(
            Instant::now() < deadline,
            "the client's hanging up goes unnoticed"
        );
        tokio::task::yield_now().await;
    }
    assert_eq!(receiver.peak_in_flight("/hang"), 1);
}

#[tokio::test]
async fn sends_what_no_good_server_sends() {
    let receiver = Receiver::start().unwrap();
    receiver.on("/drip", Reply::drip(Duration::from_millis(1)));
    receiver.on("/endless", Reply::endless_body());
    receiver.on("/headers", Reply::endless_headers());
    receiver.on("/huge", Reply::huge_headers(300, 1000));
    receiver.on(
        "/bytes",
        Reply::ok()
            .header("x-odd", b"\xff\xfe")
            .body(&b"a\0\xff"[..]),
    );
    receiver.on(
        "/nul",
        Reply::raw("HTTP/1.1 200 OK\r\nX-Nul: a\0b\r\n\r\n").into(),
    );

    read_until(&mut send(&receiver, "/drip").await, "1\r\nx\r\n1\r\nx\r\n").await;
    for path in ["/endless", "/headers"] {
        let mut megabyte = vec![0; 1 << 20];
        send(&receiver, path)
            .await
            .read_exact(&mut megabyte)
            .await
            .unwrap();
    }
    assert!(receiver.bytes_sent() >= 1 << 21);
    assert!(
        read_until(&mut send(&receiver, "/huge").await, "\r\n\r\n")
            .await
            .contains("x-huge-299")
    );
    let mut odd = send(&receiver, "/bytes").await;
    let mut seen = Vec::new();
    while !seen.ends_with(b"a\0\xff") {
        assert!(odd.read_buf(&mut seen).await.unwrap() > 0);
    }
    assert!(seen.windows(2).any(|pair| pair == b"\xff\xfe"));
    read_until(&mut send(&receiver, "/nul").await, "a\0b\r\n\r\n").await;
}

/// `cargo test --release --test harness -- --ignored --nocapture throughput` shows what a benchmark may ask of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
#[ignore = "a measurement"]
async fn throughput() {
    const CONNECTIONS: u64 = 64;
    const EACH: u64 = 4000;
    let receiver = Receiver::start_with(Recording::Count).unwrap();
    let address = receiver.address();
    let request = post("/hook", "", &"x".repeat(1024));
    let started = Instant::now();
    for _ in 0..CONNECTIONS {
        let request = request.clone();
        tokio::spawn(async move {
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.set_nodelay(true).unwrap();
            let mut answer = [0; 1024];
            for _ in 0..EACH {
                stream.write_all(request.as_bytes()).await.unwrap();
                assert!(stream.read(&mut answer).await.unwrap() > 0);
            }
        });
    }
    let total = CONNECTIONS * EACH;
    receiver
        .wait_for_within(total, Duration::from_secs(60))
        .await
        .unwrap();
    let rate = total as f64 / started.elapsed().as_secs_f64();
    println!("{rate:.0} requests/s");
}
