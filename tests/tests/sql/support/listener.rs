//! A session that LISTENs, as a sleeping sidecar does.

use std::future::poll_fn;

use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio_postgres::{AsyncMessage, Client, NoTls};
use webhooks_tests::PATIENCE;
use webhooks_tests::database::Database;

pub struct Listener {
    notified: UnboundedReceiver<String>,
    client: Client,
}

impl Listener {
    pub async fn on(db: &Database, channel: &str) -> Self {
        let connected = tokio_postgres::connect(&db.url("postgres"), NoTls).await;
        let (client, mut connection) = connected.unwrap();
        let (tell, notified) = unbounded_channel();
        tokio::spawn(async move {
            while let Some(Ok(message)) = poll_fn(|cx| connection.poll_message(cx)).await {
                if let AsyncMessage::Notification(notification) = message {
                    // The test may have seen enough.
                    let _ = tell.send(notification.payload().to_owned());
                }
            }
        });
        let listen = format!("listen {channel}");
        client.batch_execute(&listen).await.unwrap();
        Self { notified, client }
    }

    /// Everything that was notified on `channel` since the last call. Notifications come in the order of commits,
    /// so one sent now comes after all of them.
    pub async fn heard(&mut self, channel: &str) -> Vec<String> {
        let end = format!("select pg_notify('{channel}', 'end of test')");
        self.client.batch_execute(&end).await.unwrap();
        let mut heard = Vec::new();
        loop {
            let next = tokio::time::timeout(PATIENCE, self.notified.recv()).await;
            match next.unwrap().unwrap() {
                end if end == "end of test" => return heard,
                payload => heard.push(payload),
            }
        }
    }
}
