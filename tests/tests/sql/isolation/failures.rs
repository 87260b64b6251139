//! A monitor learns what kind of failure there is, and no names or addresses of receivers.

use webhooks_tests::database::{MANAGER_ROLE, MONITOR_ROLE};

use super::cast::{self, OURS, THEIRS, attempt};
use crate::support::record::Record;
use crate::support::session::{Session, literal};

/// Messages that sidecars write, and their kinds.
const MESSAGES: &[(&str, &str)] = &[
    ("HTTP status 503", "HTTP status 503"),
    (
        "HTTP status 301 (redirects are not followed)",
        "HTTP status 301 (redirects are not followed)",
    ),
    (
        "HTTP status 500: gave up after 3 attempts; last: HTTP status 500; the body of db7.corp broke",
        "HTTP status 500: gave up after 3 attempts",
    ),
    (
        "HTTP status 404: listed in no_retry_statuses",
        "HTTP status 404: listed in no_retry_statuses",
    ),
    (
        "HTTP status 410: the receiver is gone for good; the subscription was disabled",
        "HTTP status 410: the receiver is gone for good; the subscription was disabled",
    ),
    (
        "HTTP status 200 without WebHook-Allowed-Origin: the receiver did not agree",
        "HTTP status 200 without WebHook-Allowed-Origin: the receiver did not agree",
    ),
    (
        "no complete response within timeout_seconds (5)",
        "no complete response within timeout_seconds (5)",
    ),
    (
        "timed out: gave up after 1 attempt; last: no complete response within timeout_seconds (5)",
        "timed out: gave up after 1 attempt",
    ),
    (
        "can't resolve db7.corp: failed to lookup address information",
        "could not resolve the host",
    ),
    ("db7.corp has no address", "could not resolve the host"),
    (
        "db7.corp: 10.1.2.3 is private; a receiver on a private network must be allowed with --allow-network",
        "the host's address is not allowed",
    ),
    (
        "db7.corp: address 10.1.2.3 is refused: it is in the network 10.1.0.0/16, which is denied; the sidecar was started with --deny-network",
        "the host's address is not allowed",
    ),
    (
        "could not connect: gave up after 4 attempts; last: client error (Connect): tcp connect error: 10.1.2.3:443: Connection refused",
        "could not connect: gave up after 4 attempts",
    ),
    (
        "client error (Connect): tcp connect error: 10.1.2.3:443",
        "could not connect",
    ),
    (
        "TLS: invalid peer certificate: certificate not valid for name \"db7.corp\"",
        "TLS handshake failed",
    ),
    (
        "payload_template: unknown variable db7; nothing was sent",
        "payload_template failed; nothing was sent",
    ),
    (
        "nothing but failures for 120 hours (disable_after_failing_hours is 120); last: can't resolve db7.corp: no",
        "nothing but failures for 120 hours (disable_after_failing_hours is 120); last: could not resolve the host",
    ),
    ("cancelled", "cancelled"),
    ("db7.corp", "failed"),
    ("HTTP status db7.corp", "failed"),
    ("cancelled by db7.corp", "cancelled"),
];

#[tokio::test]
async fn a_monitor_reads_kinds_of_failure_without_names() {
    let (db, admin) = cast::database("failures").await;
    let monitor = Session::open_as(&db, MONITOR_ROLE).await;
    let manager = Session::open_as(&db, MANAGER_ROLE).await;
    let health =
        "select last_error, verification_error, disabled_reason from webhooks.subscription_health";
    for (message, kind) in MESSAGES {
        let written = literal(message);
        admin
            .run(&format!(
                "update webhooks_private.subscription_breakers set last_error = {written};
                 update webhooks_private.subscription_verifications set last_error = {written};
                 update webhooks.webhook_subscriptions set is_enabled = false, disabled_reason = {written}"
            ))
            .await;
        for id in [OURS.subscription, THEIRS.subscription] {
            let health = format!("{health} where subscription_id = '{id}'");
            let seen = attempt(&monitor, None, &health).await;
            assert_eq!(seen.value(), format!("{kind}|{kind}|{kind}"), "{message}");
        }
        let health = format!("{health} where subscription_id = '{}'", OURS.subscription);
        let seen = attempt(&manager, Some(OURS), &health).await;
        assert_eq!(seen.value(), format!("{message}|{message}|{message}"));
        // By its function, too, another tenant's is nothing.
        let call = format!(
            "select last_error from webhooks_private.subscription_messages('{}')",
            THEIRS.subscription
        );
        assert_eq!(attempt(&manager, Some(OURS), &call).await.value(), "null");
    }
}

#[tokio::test]
async fn recorded_failures_have_their_kind() {
    let (db, admin) = cast::database("kinds").await;
    let monitor = Session::open_as(&db, MONITOR_ROLE).await;
    admin
        .run(
            &Record::of("select *, row_number() over (order by id) as n from webhooks.delivery_queue order by id limit 2", "")
                .with("status", "case d.n when 1 then 'failed' else 'retrying' end")
                .with("error_message", "'can''t resolve db7.corp: no'")
                .with("retry_after_ms", 3_600_000)
                .to_string(),
        )
        .await;
    let states = "select delivery_status, error_message from webhooks.delivery_states
                  where error_message is not null order by 1";
    assert_eq!(
        monitor.lines(states).await,
        [
            "failed|could not resolve the host",
            "retrying|could not resolve the host"
        ]
    );
    for column in [
        "webhooks.delivery_attempts.error_message",
        "webhooks_private.subscription_breakers.last_error",
        "webhooks_private.subscription_verifications.last_error",
        "webhooks.webhook_subscriptions.disabled_reason",
    ] {
        let (relation, name) = column.rsplit_once('.').unwrap();
        let refusal = monitor
            .refused(&format!("select {name} from {relation}"))
            .await;
        assert_eq!(refusal.code, "42501", "{column}");
    }
}
