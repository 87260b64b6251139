//! What would be made again, as the database has it: counts and a sample.

use super::{Recovery, What};
use crate::database::{ReadError, Request};
use crate::pages::view::Moment;
use serde::Deserialize;
use uuid::Uuid;

/// So many subscriptions are counted one by one: those with the most failures.
pub const MAX_SUBSCRIPTIONS: i64 = 20;
/// So many events that matched nothing are made again at a time.
pub const MAX_UNMATCHED: i64 = 500;

/// A subscription with failures.
#[derive(Deserialize)]
pub struct Failures {
    pub name: String,
    /// Deliveries that failed or expired in the period.
    pub failed: i64,
    /// Those that would be made again.
    pub deliveries: i64,
}

/// A row of `replay_events()`.
#[derive(Deserialize)]
pub struct Counts {
    pub events: i64,
    pub deliveries: i64,
    pub outstanding: i64,
}

#[derive(Deserialize)]
pub struct Event {
    pub id: Uuid,
    pub event_type: String,
    pub created_at: Option<Moment>,
}

#[derive(Deserialize)]
pub struct Delivery {
    pub id: Uuid,
    pub status: String,
    pub attempted_at: Option<Moment>,
    pub error_message: Option<String>,
}

pub enum Preview {
    Failed(Vec<Failures>, Vec<Delivery>),
    Events(Counts, Vec<Event>),
    Unmatched(i64, Vec<Event>),
}

/// Between which ids deliveries are that ended in a period: they were made before, at most as long ago as deliveries are
/// tried.
const IDS: &str = "select
    webhooks.uuid_v7_floor(greatest($1::text::timestamptz - make_interval(days => 1, secs => (
        select s.value from webhooks.settings s where s.name = 'max_delivery_age_seconds')),
        '1970-01-01 00:00Z')) as first_id,
    webhooks.uuid_v7_floor(least(greatest($2::text::timestamptz, '1970-01-01 00:00Z'), now())
                           + interval '1 day') as end_id";

/// Those that failed or expired, as `chosen`. Parameters are the tenant, the period, a subscription or null, the ids, and
/// a type of events or null. The types are in partitions that are between the first event and the last one; `offset 0`
/// looks up one event after the other, so that a sample reads no more of them than it shows.
const FAILED: &str = "with failed as materialized (
        select a.subscription_id, a.delivery_id, a.event_log_id, a.delivery_status, a.attempted_at, a.error_message
        from webhooks.delivery_attempts a
        where a.tenant_id = $1 and a.delivery_status in ('failed', 'expired') and a.is_test is not true
          and a.attempted_at >= $2::text::timestamptz and a.attempted_at < $3::text::timestamptz
          and ($4::text is null or a.subscription_id = $4::text::uuid)
          and a.delivery_id >= $5::uuid and a.delivery_id < $6::uuid),
    chosen as (
        select f.*
        from failed f
        where $7::text is null or exists (
            select from webhooks.event_logs e
            where e.id = f.event_log_id
              and e.id between (select l.event_log_id from failed l order by l.event_log_id limit 1)
                           and (select l.event_log_id from failed l order by l.event_log_id desc limit 1)
              and $7 in (e.event_type, split_part(e.event_type, '.', 1) || '.*') offset 0))";
/// A type of events, as functions take it: an array, or null.
const TYPES: &str = "case when $7::text is not null then array[$7::text] end";

async fn ids(
    request: &Request<'_>,
    chosen: &Recovery,
) -> Result<(Uuid, Uuid), tokio_postgres::Error> {
    let row = request.row(IDS, &[&chosen.from, &chosen.to]).await?;
    Ok((row.try_get("first_id")?, row.try_get("end_id")?))
}

pub async fn read(
    request: &Request<'_>,
    tenant: Uuid,
    what: What,
    chosen: &Recovery,
) -> Result<Preview, ReadError> {
    match what {
        What::Failed => failed(request, tenant, chosen).await,
        What::Events => events(request, tenant, chosen).await,
        What::Unmatched => unmatched(request, tenant, chosen).await,
    }
}

/// Subscriptions with failures in the period, in the order of their ids, after one of them.
pub async fn failing(
    request: &Request<'_>,
    tenant: Uuid,
    chosen: &Recovery,
) -> Result<Vec<Uuid>, tokio_postgres::Error> {
    let (first_id, end_id) = ids(request, chosen).await?;
    let statement = format!(
        "{FAILED}
         select distinct c.subscription_id
         from chosen c
         where ($8::text is null or c.subscription_id > $8::text::uuid)
           and exists (select from webhooks.webhook_subscriptions s where s.id = c.subscription_id)
         order by c.subscription_id"
    );
    let rows = request
        .rows(
            &statement,
            &[
                &tenant,
                &chosen.from,
                &chosen.to,
                &chosen.subscription,
                &first_id,
                &end_id,
                &chosen.event_type,
                &chosen.after,
            ],
        )
        .await?;
    rows.iter().map(|row| row.try_get(0)).collect()
}

async fn failed(
    request: &Request<'_>,
    tenant: Uuid,
    chosen: &Recovery,
) -> Result<Preview, ReadError> {
    let (first_id, end_id) = ids(request, chosen).await?;
    let statement = format!(
        "{FAILED}
         select json_build_object('name', f.name, 'failed', f.failed, 'deliveries',
                    webhooks.retry_failed(f.id, $2::text::timestamptz, $3::text::timestamptz, dry_run => true,
                                          event_types => {TYPES}))::text as item
         from (
             select s.id, s.name, g.failed
             from (select c.subscription_id, count(*) as failed from chosen c group by c.subscription_id) g
             join webhooks.webhook_subscriptions s on s.id = g.subscription_id
             order by g.failed desc, s.id limit $8) f"
    );
    let parameters: [&(dyn tokio_postgres::types::ToSql + Sync); 8] = [
        &tenant,
        &chosen.from,
        &chosen.to,
        &chosen.subscription,
        &first_id,
        &end_id,
        &chosen.event_type,
        &MAX_SUBSCRIPTIONS,
    ];
    let subscriptions = request.items(&statement, &parameters).await?;
    let sample = format!(
        "{FAILED}
         select to_json(d)::text as item from (
             select c.delivery_id as id, c.delivery_status as status, c.attempted_at, c.error_message
             from chosen c order by c.attempted_at desc limit 10) d"
    );
    let sample = request.items(&sample, &parameters[..7]).await?;
    Ok(Preview::Failed(subscriptions, sample))
}

async fn events(
    request: &Request<'_>,
    tenant: Uuid,
    chosen: &Recovery,
) -> Result<Preview, ReadError> {
    let found: Vec<Counts> = request
        .items(
            "select to_json(r)::text as item
             from webhooks.replay_events(
                 $1, $2::text::timestamptz, $3::text::timestamptz,
                 case when $4::text is not null then array[$4::text] end, $5::text::uuid, dry_run => true) r",
            &[&tenant, &chosen.from, &chosen.to, &chosen.event_type, &chosen.subscription],
        )
        .await?;
    let counts = found.into_iter().next().unwrap_or(Counts {
        events: 0,
        deliveries: 0,
        outstanding: 0,
    });
    let sample = request
        .items(
            "select json_build_object('id', e.id, 'event_type', e.event_type, 'created_at', e.created_at)::text as item
             from webhooks.list_events(
                 $1, $2::text::timestamptz, $3::text::timestamptz,
                 case when $4::text is not null then array[$4::text] end, max_events => 10) e",
            &[&tenant, &chosen.from, &chosen.to, &chosen.event_type],
        )
        .await?;
    Ok(Preview::Events(counts, sample))
}

async fn unmatched(
    request: &Request<'_>,
    tenant: Uuid,
    chosen: &Recovery,
) -> Result<Preview, ReadError> {
    let mut found: Vec<Event> = request
        .items(
            "select json_build_object('id', u.event_log_id, 'event_type', u.event_type,
                                      'created_at', u.created_at)::text as item
             from webhooks.unmatched_events(
                 $1, $2::text::timestamptz, $3::text::timestamptz, ($4::bigint)::integer,
                 case when $5::text is not null then array[$5::text] end) u",
            &[
                &tenant,
                &chosen.from,
                &chosen.to,
                &MAX_UNMATCHED,
                &chosen.event_type,
            ],
        )
        .await?;
    let number = found.len() as i64;
    found.truncate(10);
    Ok(Preview::Unmatched(number, found))
}
