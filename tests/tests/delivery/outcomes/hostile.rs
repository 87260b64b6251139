use serde_json::{Value, json};
use webhooks_tests::receiver::Reply;

use crate::scene::{Scene, text};

#[tokio::test]
async fn bytes_that_cannot_be_stored_are_replaced() {
    let scene = Scene::set("bytes").await;
    let reply = Reply::ok()
        .header("x-odd", b"\xff\xfe\\u0000")
        .body(&b"a\0\xff\xc3(\\u0000 \xf0\x9f\x98\x80 \xed\xa0\x80"[..]);
    let (delivery, _) = scene.play("/bytes", reply, json!({}), "delivered").await;
    eprintln!("{delivery}");
    let body = text(&delivery["response_body"]);
    assert!(body.starts_with("a\u{fffd}\u{fffd}"), "{body:?}");
    assert!(body.contains("\\u0000 \u{1F600}"), "{body:?}");
    assert_eq!(
        delivery["response_headers"]["x-odd"],
        "\u{fffd}\u{fffd}\\u0000"
    );
    // The same from a failure.
    let reply = Reply::status(500).body(&b"\0\xff"[..]);
    let (delivery, _) = scene
        .play("/failing", reply, json!({"retry_count": 0}), "failed")
        .await;
    assert_eq!(delivery["response_body"], "\u{fffd}\u{fffd}");
}

#[tokio::test]
async fn endless_answers_are_cut() {
    let scene = Scene::set("endless").await;
    let columns = || json!({"retry_count": 0, "timeout_seconds": 10});
    let (delivery, _) = scene
        .play("/body", Reply::endless_body(), columns(), "delivered")
        .await;
    let body = text(&delivery["response_body"]);
    assert!(
        (4096..4200).contains(&body.len()),
        "{} bytes kept",
        body.len()
    );

    let (delivery, _) = scene
        .play("/headers", Reply::endless_headers(), columns(), "failed")
        .await;
    eprintln!("{delivery}");
    let read = scene.receiver.bytes_sent();
    // The bytes that were read, and those that lay in the sockets' buffers.
    assert!(
        read < 32 << 20,
        "{read} bytes were taken from endless answers"
    );

    let (delivery, _) = scene
        .play("/many", Reply::huge_headers(300, 1000), columns(), "failed")
        .await;
    eprintln!("{delivery}");
    let (delivery, _) = scene
        .play(
            "/large",
            Reply::huge_headers(50, 1000),
            columns(),
            "delivered",
        )
        .await;
    let headers = delivery["response_headers"].as_object().unwrap();
    assert!(headers.contains_key("(omitted)"), "{headers:?}");
    assert!(delivery["response_headers"].to_string().len() < 6000);
}

#[tokio::test]
async fn an_answer_that_is_not_http_fails_and_the_sidecar_goes_on() {
    let scene = Scene::set("not_http").await;
    let answers: [&[u8]; 5] = [
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"HTTP/1.1 banana\r\n\r\n",
        b"HTTP/2 200 OK\r\n\r\n",
        b"<html>\r\n\r\n",
        b"\0\xff\0\xff",
    ];
    for (n, answer) in answers.into_iter().enumerate() {
        let path = format!("/{n}");
        let reply = Reply::raw(answer).into();
        let columns = json!({"retry_count": 0, "timeout_seconds": 10});
        let (delivery, _) = scene.play(&path, reply, columns, "failed").await;
        eprintln!("{delivery}");
        assert_ne!(
            delivery["error_message"],
            Value::Null,
            "{}",
            answer.escape_ascii()
        );
    }
    let early =
        Reply::raw("HTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n");
    let (delivery, _) = scene
        .play("/early", early.into(), json!({}), "delivered")
        .await;
    assert_eq!(delivery["http_status_code"], 204);
}
