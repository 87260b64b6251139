//! The id of a deleted subscription, which another tenant gives to one of its own.

use webhooks_tests::database::{MANAGER_ROLE, PUBLISHER_ROLE, SIDECAR_ROLE};

use super::cast::{self, OURS, THEIRS};
use crate::support::claim::Claim;
use crate::support::session::Session;

#[tokio::test]
async fn deliveries_of_a_deleted_subscription_are_not_sent_to_a_new_one_with_its_id() {
    for ordering in ["none", "fifo"] {
        let (db, admin) = cast::database("reused_id").await;
        let id = THEIRS.subscription;
        admin
            .run(&format!(
                "update webhooks.webhook_subscriptions set ordering = '{ordering}', event_filters = '{{}}'; truncate webhooks.delivery_queue"
            ))
            .await;
        // It was matched before it was deleted, and is committed after: nobody removes what is not there yet.
        let publisher = Session::open_as(&db, PUBLISHER_ROLE).await;
        let publish = |tenant: cast::Tenant| {
            format!(
                "set webhooks.tenant_id = '{0}'; select webhooks.publish_event('{0}', 'job.created', event_data => '{{\"of\": \"{1}\"}}')",
                tenant.id, tenant.mark
            )
        };
        publisher.run(&format!("begin; {}", publish(THEIRS))).await;
        admin
            .run(&format!(
                "delete from webhooks.webhook_subscriptions where tenant_id = '{}'",
                THEIRS.id
            ))
            .await;
        let manager = Session::open_as(&db, MANAGER_ROLE).await;
        manager
            .run(&format!(
                "set webhooks.tenant_id = '{0}';
                 insert into webhooks.webhook_subscriptions (id, tenant_id, name, webhook_url, subscribed_events, ordering)
                 values ('{id}', '{0}', 'x', 'http://x.example/', '[\"*\"]', '{ordering}')",
                OURS.id
            ))
            .await;
        publisher.run("commit").await;
        publisher.run(&publish(OURS)).await;

        let sidecar = Session::open_as(&db, SIDECAR_ROLE).await;
        let mut claimed = Vec::new();
        for max_fresh in [0, 100] {
            let claim = Claim::of_shards(&[1]).with("max_fresh", max_fresh);
            let claim =
                format!("select tenant_id, event_data from {claim} where subscription_id = '{id}'");
            claimed.extend(sidecar.lines(&claim).await);
        }
        let gone = claimed.iter().filter(|row| *row == "null|null").count();
        assert!(gone >= 2, "{ordering}: {claimed:?}");
        assert!(
            !claimed.iter().any(|row| row.contains(THEIRS.mark)),
            "{ordering}: {claimed:?}"
        );
        // Nor is it made again or cancelled with what is the new one's.
        let delivery = THEIRS.delivery;
        for (call, done) in [
            (format!("retry_failed('{id}', dry_run => true)"), "0"),
            (format!("retry_failed('{id}')"), "0"),
            (format!("cancel_deliveries('{id}')"), "1"),
        ] {
            let call = format!("select webhooks.{call}");
            assert_eq!(manager.text(&call).await, done, "{ordering}: {call}");
        }
        let retry = format!("select webhooks.retry_delivery('{delivery}')");
        let refusal = manager.refused(&retry).await;
        assert_eq!(refusal.message, format!("there is no delivery {delivery}"));
        let refusal = admin.refused(&retry).await;
        assert_eq!(refusal.code, "55000", "{refusal:?}");
    }
}
