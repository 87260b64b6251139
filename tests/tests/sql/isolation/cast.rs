//! Two tenants who have a row or more everywhere, and everybody who might look at them.

use tokio_postgres::SimpleQueryMessage;
use webhooks_tests::database::Database;

use super::matrix::{NAMES_PRIVATE, PUBLIC, Right};
use crate::support::session::{Refusal, Session};

/// A tenant. All of its ids and texts are its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tenant {
    pub id: &'static str,
    pub subscription: &'static str,
    pub event: &'static str,
    /// Failed, of the first event to the first subscription.
    pub delivery: &'static str,
    /// In every text of its rows.
    pub mark: &'static str,
}

pub const OURS: Tenant = Tenant {
    id: "11111111-1111-4111-8111-111111111111",
    subscription: "00000000-0000-7000-8000-0000000000a1",
    event: "0197a000-0000-7000-8000-0000000000a1",
    delivery: "0197a000-0000-7000-8000-0000000000aa",
    mark: "ours",
};
pub const THEIRS: Tenant = Tenant {
    id: "22222222-2222-4222-8222-222222222222",
    subscription: "00000000-0000-7000-8000-0000000000b1",
    event: "0197a000-0000-7000-8000-0000000000b1",
    delivery: "0197a000-0000-7000-8000-0000000000bb",
    mark: "theirs",
};

/// A login role: what groups it is of, and whether all tenants are its own.
pub struct Actor {
    pub login: &'static str,
    pub groups: &'static [&'static str],
    pub has_all_tenants: bool,
}

pub const ACTORS: &[Actor] = &[
    actor("publisher", &["publisher"], false),
    actor("manager", &["manager"], false),
    actor("monitor", &["monitor"], false),
    actor("auditor", &["auditor"], false),
    actor("sidecar", &["sidecar"], false),
    actor("console", &["console"], false),
    actor("backend", &["publisher"], true),
    actor("manager_backend", &["manager"], true),
    actor("manager_monitor", &["manager", "monitor"], false),
    actor("stranger", &[], false),
];

const fn actor(
    login: &'static str,
    groups: &'static [&'static str],
    has_all_tenants: bool,
) -> Actor {
    Actor {
        login,
        groups,
        has_all_tenants,
    }
}

impl Actor {
    /// Whether it gets at an object by name at all; what it may do with it is another matter.
    pub fn may_name(&self, object: &str) -> bool {
        PUBLIC.contains(&object)
            || self
                .groups
                .iter()
                .any(|group| NAMES_PRIVATE.contains(group))
    }

    /// Whether all tenants' rows are within a right of one of its groups: a manager's are its tenant's, also of one
    /// that is a monitor besides.
    pub fn reaches_all(&self, right: &Right) -> bool {
        self.has_all_tenants || right.of_all_tenants && !self.groups.contains(&"manager")
    }
}

/// A database with both of them.
pub async fn database(name: &str) -> (Database, Session) {
    let db = Database::fresh(name).await.unwrap();
    let admin = Session::open(&db).await;
    admin.run("select webhooks.create_partitions(1)").await;
    admin
        .run("select webhooks.set_setting('verification_origin', 'events.example.com'), webhooks.set_setting('endpoint_verification', 'options')")
        .await;
    // Not as many rows of the one as of the other.
    for (tenant, subscriptions, events) in [(OURS, 2, 2), (THEIRS, 3, 4)] {
        let Tenant {
            id,
            subscription,
            event,
            delivery,
            mark,
        } = tenant;
        admin
            .run(&format!(
                "select webhooks.set_setting('verification_origin', 'events.example.com');
                 insert into webhooks.webhook_subscriptions
                     (id, tenant_id, name, description, webhook_url, webhook_headers, auth_type, auth_config, template_secrets, endpoint_verification, subscribed_events, event_filters)
                 select overlay('{subscription}' placing to_hex(n) from 36)::uuid, '{id}', '{mark} ' || n, '{mark}', 'https://{mark}.example/' || n,
                        '{{\"x-team\": \"{mark}\"}}', 'signature', '{{\"secret\": \"{mark}-secret\"}}', '{{\"token\": \"{mark}\"}}', 'options', '[\"*\"]',
                        '{{\"event_data\": {{\"owner\": \"{mark}\"}}, \"jsonpath\": \"$.owner == \\\"{mark}\\\"\"}}'
                 from generate_series(1, {subscriptions}) n;
                 insert into webhooks.event_logs
                     (id, tenant_id, event_type, event_category, event_name, event_data, resource_type, session_id, request_id, idempotency_key, ordering_key)
                 select overlay('{event}' placing to_hex(n) from 36)::uuid, '{id}', 'job.created', '{mark}', '{mark}', '{{\"owner\": \"{mark}\"}}', '{mark}', '{mark}', '{mark}', '{mark}', '{mark}'
                 from generate_series(1, {events}) n;
                 select webhooks.publish_event('{id}', 'job.created', event_data => '{{\"owner\": \"{mark}\"}}', idempotency_key => 'key of {mark} ' || n)
                 from generate_series(1, {events}) n;
                 insert into webhooks.delivery_attempts
                     (delivery_id, delivery_attempt, attempted_at, subscription_id, event_log_id, tenant_id, delivery_status, response_headers, response_body, error_message)
                 select webhooks.uuid_v7(), 1, now(), subscription_id, event_log_id, tenant_id, 'failed', '{{\"x\": [\"{mark}\"]}}', '{mark}', '{mark}'
                 from webhooks.delivery_queue where tenant_id = '{id}';
                 insert into webhooks.delivery_attempts
                     (delivery_id, delivery_attempt, attempted_at, subscription_id, event_log_id, tenant_id, delivery_status)
                 values ('{delivery}', 1, now(), '{subscription}', '{event}', '{id}', 'failed');
                 delete from webhooks.delivery_queue where subscription_id = '{subscription}' and event_log_id = '{event}';
                 insert into webhooks.redeliveries (delivery_id, event_log_id, subscription_id, tenant_id)
                 select q.id, q.event_log_id, q.subscription_id, q.tenant_id from webhooks.delivery_queue q
                 where q.tenant_id = '{id}' and q.event_log_id = overlay('{event}' placing '2' from 36)::uuid;
                 -- For nobody.
                 insert into webhooks.event_logs (tenant_id, event_type, event_category, event_name, event_data) values ('{id}', 'job.created', '{mark}', '{mark}', '{{}}');
                 insert into webhooks.subscription_templates (tenant_id, name, description, settings)
                 select '{id}', '{mark} ' || n, '{mark}', '{{\"name\": \"{mark}\"}}' from generate_series(1, {subscriptions}) n;
                 insert into webhooks.tenant_limits values ('{id}', 1000, null, null);
                 insert into webhooks.tenant_purges (tenant_id) values ('{id}');
                 insert into webhooks.restored_events (tenant_id, hour, reason, inserted_by, events)
                 select '{id}', now() - n * interval '1 hour', 'restore', '{mark}', n from generate_series(1, {events}) n;
                 insert into webhooks_private.subscription_breakers (subscription_id, state, since, probe_at, failing_since, last_error)
                 select id, 'open', now(), now(), now(), '{mark}' from webhooks.webhook_subscriptions where tenant_id = '{id}';
                 insert into webhooks_private.alert_states (rule, subject, tenant_id, subscription_id, value, detail, pending_since, fired_at)
                 select 'breaker_open', id, tenant_id, id, 7200, '{mark}', now(), now() from webhooks.webhook_subscriptions where tenant_id = '{id}';
                 insert into webhooks.alert_history (rule, severity, subject, tenant_id, subscription_id, value, threshold, unit, detail, fired_at)
                 select 'breaker_open', 'warning', id, tenant_id, id, 7200, 3600, 's', '{mark}', now() from webhooks.webhook_subscriptions where tenant_id = '{id}';
                 insert into webhooks_private.subscription_verifications (subscription_id, webhook_url, origin, state, since, tries, last_error)
                 select id, webhook_url, 'events.example.com', 'verified', now(), 1, '{mark}' from webhooks.webhook_subscriptions where tenant_id = '{id}';
                 insert into webhooks_private.retired_secrets (subscription_id, secret) select id, '{mark}' from webhooks.webhook_subscriptions where tenant_id = '{id}'"
            ))
            .await;
    }
    admin
        .run("select webhooks_private.roll_up('0 s'); insert into webhooks_private.alert_evaluation (first_evaluated_at, evaluated_at) values (now(), now())")
        .await;
    (db, admin)
}

/// The outcome of a statement.
#[derive(Debug)]
pub enum Outcome {
    /// Its rows, or else how many it changed.
    Done(Vec<String>, u64),
    Refused(Refusal),
}

impl Outcome {
    /// The only value; null and no row are `null`.
    pub fn value(&self) -> &str {
        match self {
            Self::Done(rows, _) if rows.len() <= 1 => rows.first().map_or("null", String::as_str),
            other => panic!("not one value: {other:?}"),
        }
    }

    /// The last row's only column.
    pub fn value_of_last(&self) -> &str {
        match self {
            Self::Done(rows, _) => rows.last().map_or("null", String::as_str),
            Self::Refused(refusal) => panic!("refused: {refusal:?}"),
        }
    }

    pub fn changed(&self) -> u64 {
        match self {
            Self::Done(_, changed) => *changed,
            Self::Refused(refusal) => panic!("refused: {refusal:?}"),
        }
    }

    /// The error.
    pub fn refusal(&self) -> &Refusal {
        match self {
            Self::Done(..) => panic!("not refused: {self:?}"),
            Self::Refused(refusal) => refusal,
        }
    }

    pub fn is_refused(&self) -> bool {
        matches!(self, Self::Refused(_))
    }
}

/// Tries a statement in a transaction with this tenant set, or none, and rolls it back.
pub async fn attempt(session: &Session, tenant: Option<Tenant>, sql: &str) -> Outcome {
    let set = tenant.map_or("", |tenant| tenant.id);
    let statements = format!("begin; set local webhooks.tenant_id = '{set}'; {sql}");
    let outcome = match session.client().simple_query(&statements).await {
        Ok(messages) => {
            let (mut rows, mut changed) = (Vec::new(), 0);
            for message in &messages {
                match message {
                    SimpleQueryMessage::Row(row) => {
                        let columns = (0..row.len()).map(|i| row.get(i).unwrap_or("null"));
                        rows.push(columns.collect::<Vec<_>>().join("|"));
                    }
                    SimpleQueryMessage::CommandComplete(n) => changed = *n,
                    _ => {}
                }
            }
            Outcome::Done(rows, changed)
        }
        Err(error) => Outcome::Refused(Refusal::from(&error)),
    };
    session.run("rollback").await;
    outcome
}
