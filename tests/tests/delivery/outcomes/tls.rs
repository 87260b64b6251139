//! Receivers that break TLS.

use hyper::Version;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use webhooks_tests::sidecar::Options;

use crate::certificate::Certificate;
use crate::scene::{Scene, subscribe, text};
use crate::tls_receiver::TlsReceiver;

#[tokio::test]
async fn a_receiver_of_http_2_alone_is_told_apart() {
    let receiver = TlsReceiver::start_offering(Version::HTTP_2).await;
    let authority = receiver.authority.path().to_str().unwrap().to_owned();
    let options = Options::default().arg("--receiver-ca-file").arg(authority);
    let scene = Scene::set_with("http_2", options).await;
    let url = format!("https://localhost:{}/", receiver.address.port());
    let endpoint = subscribe(&scene.db, &url, json!({"retry_count": 0})).await;
    let event = scene.publish(&endpoint).await;
    let (delivery, _) = scene.wait(event, "failed").await;
    let error = text(&delivery["error_message"]);
    assert!(
        error.contains("the receiver does not offer HTTP/1.1"),
        "{error}"
    );
    assert_eq!(receiver.count(), 0);
}

/// Many servers end TLS by ending TCP: an answer that ends with the connection counts nevertheless.
#[tokio::test]
async fn an_answer_that_ends_without_a_goodbye_counts() {
    let certificate = Certificate::for_localhost();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let acceptor = certificate.acceptor();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(stream).await else {
                continue;
            };
            let mut request = Vec::new();
            while !request.ends_with(b"}") {
                let mut space = [0; 4096];
                let count = stream.read(&mut space).await.unwrap_or(0);
                if count == 0 {
                    break;
                }
                request.extend_from_slice(&space[..count]);
            }
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\nok").await;
            let _ = stream.flush().await;
            let mut tcp = stream.into_inner().0;
            let _ = tcp.shutdown().await;
        }
    });
    let authority = certificate.authority.path().to_str().unwrap().to_owned();
    let options = Options::default().arg("--receiver-ca-file").arg(authority);
    let scene = Scene::set_with("no_goodbye", options).await;
    let url = format!("https://localhost:{port}/");
    let endpoint = subscribe(&scene.db, &url, json!({"retry_count": 0})).await;
    for _ in 0..3 {
        let event = scene.publish(&endpoint).await;
        let (delivery, _) = scene.wait(event, "delivered").await;
        // It may have been cut.
        assert_eq!(delivery["response_body"], "ok…[truncated]");
    }
}

/// Connections with TLS are kept, too, and those that the receiver closed do not matter.
#[tokio::test]
async fn connections_with_tls_are_kept() {
    let certificate = Certificate::for_localhost();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let acceptor = certificate.acceptor();
    // Answers two requests on a connection, and closes it when the third comes.
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(stream).await else {
                continue;
            };
            for left in (0..=2).rev() {
                let mut request = Vec::new();
                while !request.ends_with(b"}") {
                    let mut space = [0; 4096];
                    let count = stream.read(&mut space).await.unwrap_or(0);
                    if count == 0 {
                        break;
                    }
                    request.extend_from_slice(&space[..count]);
                }
                if left > 0 {
                    let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
                    let _ = stream.write_all(answer).await;
                    let _ = stream.flush().await;
                }
            }
        }
    });
    let authority = certificate.authority.path().to_str().unwrap().to_owned();
    let options = Options::default().arg("--receiver-ca-file").arg(authority);
    let scene = Scene::set_with("kept_tls", options).await;
    let url = format!("https://localhost:{port}/");
    let endpoint = subscribe(&scene.db, &url, json!({"retry_count": 0})).await;
    for resent in [0, 0, 1, 0, 1] {
        let event = scene.publish(&endpoint).await;
        let (delivery, _) = scene.wait(event, "delivered").await;
        assert_eq!(delivery["resent_count"], resent);
    }
}
