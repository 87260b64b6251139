use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use webhooks_tests::proxy::Proxy;

#[tokio::test]
async fn stalls_resumes_and_cuts() {
    let echo = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = Proxy::start(echo.local_addr().unwrap()).unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = echo.accept().await {
            tokio::spawn(async move {
                let (mut reader, mut writer) = stream.split();
                tokio::io::copy(&mut reader, &mut writer).await
            });
        }
    });
    let mut client = TcpStream::connect(proxy.address()).await.unwrap();
    let mut answer = [0; 1];
    client.write_all(b"a").await.unwrap();
    client.read_exact(&mut answer).await.unwrap();

    proxy.stall();
    client.write_all(b"b").await.unwrap();
    let silence = timeout(Duration::from_millis(50), client.read_exact(&mut answer)).await;
    assert!(silence.is_err(), "a stalled network passed something");
    proxy.resume();
    client.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"b");

    proxy.cut();
    assert_eq!(client.read(&mut answer).await.unwrap_or(0), 0);
    let mut next = TcpStream::connect(proxy.address()).await.unwrap();
    next.write_all(b"c").await.unwrap();
    next.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"c");
}
