-- Numbers of each hour, so that a question about a month does not read a month of attempts. roll_up() brings them up to
-- date, and nothing that publishes, claims or records pays for them. They outlive the partitions that they were
-- counted from: the setting metrics_retention_days says how long they are kept.
--
-- Every attempt is in exactly one of two places: counted here, or still to be counted. Which of the two it is does not
-- depend on a clock or on the order of commits:
--
-- - Of deliveries with ids from rolled_until on (rollup_progress) no attempt is counted.
-- - Of older ones all attempts are counted, but of those that were outstanding when roll_up() last looked
--   (rollup_outstanding) only the first so many.
--
-- rolled_until never passes the beginning of a transaction that is still running, so that no older delivery appears.

create table webhooks_private.attempts_hourly (
    tenant_id uuid not null,
    subscription_id uuid not null,
    hour timestamptz not null,
    is_test boolean not null,
    delivered bigint not null,
    failed bigint not null,
    retrying bigint not null,
    expired bigint not null,
    cancelled bigint not null,
    delivered_by_retry bigint not null,
    failed_after_retry bigint not null,
    response_us bigint not null,
    last_delivered_at timestamptz,
    last_failed_at timestamptz,
    oldest_delivery_at timestamptz not null,
    primary key (subscription_id, hour, is_test, tenant_id)
);
create index attempts_hourly_tenant on webhooks_private.attempts_hourly (tenant_id, hour);
-- Of all tenants: the last hours.
create index attempts_hourly_hour on webhooks_private.attempts_hourly (hour);
create index attempts_hourly_failed on webhooks_private.attempts_hourly (tenant_id, hour) where failed > 0;
comment on table webhooks_private.attempts_hourly is
    'Attempts of each subscription in each hour, by what became of them. See rollups.sql.';
comment on column webhooks_private.attempts_hourly.tenant_id is 'Tenant of the attempts.';
comment on column webhooks_private.attempts_hourly.subscription_id is
    'Subscription of the attempts. It may have been deleted.';
comment on column webhooks_private.attempts_hourly.hour is 'Beginning of the hour in which the attempts began.';
comment on column webhooks_private.attempts_hourly.is_test is 'Whether the attempts are of test_subscription().';
comment on column webhooks_private.attempts_hourly.delivered is 'Attempts that delivered.';
comment on column webhooks_private.attempts_hourly.failed is 'Attempts after which their delivery failed.';
comment on column webhooks_private.attempts_hourly.retrying is 'Attempts after which their delivery was to be retried.';
comment on column webhooks_private.attempts_hourly.expired is 'Deliveries that expired.';
comment on column webhooks_private.attempts_hourly.cancelled is 'Deliveries that were cancelled.';
comment on column webhooks_private.attempts_hourly.delivered_by_retry is
    'Of delivered, those that were not the first attempt.';
comment on column webhooks_private.attempts_hourly.failed_after_retry is
    'Of failed and expired, those that were not the first attempt.';
comment on column webhooks_private.attempts_hourly.response_us is
    'Sum of the response times of the attempts that delivered, in microseconds.';
comment on column webhooks_private.attempts_hourly.last_delivered_at is 'Time of the last attempt that delivered.';
comment on column webhooks_private.attempts_hourly.last_failed_at is
    'Time of the last attempt after which the delivery was retried or failed.';
comment on column webhooks_private.attempts_hourly.oldest_delivery_at is
    'Time of the lowest delivery id. To read the attempts themselves, older partitions need not be opened.';
select pg_catalog.pg_extension_config_dump('webhooks_private.attempts_hourly', '');

-- A row an hour with arrays: a row for each bucket would be three for each attempt of a tenant that has few.
create table webhooks_private.latencies_hourly (
    tenant_id uuid not null,
    hour timestamptz not null,
    buckets smallint[] not null,
    receipts bigint[] not null,
    responses bigint[] not null,
    publications bigint[] not null,
    primary key (tenant_id, hour)
);
comment on table webhooks_private.latencies_hourly is
    'Distribution of durations of each tenant in each hour: how many fall into each bucket of latency_bucket(). '
    'Without tests.';
comment on column webhooks_private.latencies_hourly.tenant_id is 'Tenant of the deliveries.';
comment on column webhooks_private.latencies_hourly.hour is 'Beginning of the hour in which the attempts began.';
comment on column webhooks_private.latencies_hourly.buckets is
    'Buckets that have any, as latency_bucket() numbers them. The other arrays have the counts of each.';
comment on column webhooks_private.latencies_hourly.receipts is
    'Deliveries with so much time from publication to receipt.';
comment on column webhooks_private.latencies_hourly.responses is 'Attempts that delivered with such a response time.';
comment on column webhooks_private.latencies_hourly.publications is
    'Deliveries with so much time from the beginning of publish_event() to their insertion into the queue.';
select pg_catalog.pg_extension_config_dump('webhooks_private.latencies_hourly', '');

create table webhooks_private.events_hourly (
    tenant_id uuid not null,
    hour timestamptz not null,
    event_type text not null,
    event_category text not null,
    events bigint not null,
    primary key (tenant_id, hour, event_type, event_category)
);
comment on table webhooks_private.events_hourly is
    'Events of each tenant, type and category in each hour, without tests. See rollups.sql.';
comment on column webhooks_private.events_hourly.tenant_id is 'Tenant of the events.';
comment on column webhooks_private.events_hourly.hour is 'Beginning of the hour of created_at.';
comment on column webhooks_private.events_hourly.event_type is 'Event type.';
comment on column webhooks_private.events_hourly.event_category is 'Category of the events.';
comment on column webhooks_private.events_hourly.events is 'Number of events.';
select pg_catalog.pg_extension_config_dump('webhooks_private.events_hourly', '');

create table webhooks_private.rollup_outstanding (
    delivery_id uuid primary key,
    attempt integer not null
);
comment on table webhooks_private.rollup_outstanding is
    'Deliveries before rolled_until that were outstanding when roll_up() last looked.';
comment on column webhooks_private.rollup_outstanding.delivery_id is 'The delivery.';
comment on column webhooks_private.rollup_outstanding.attempt is 'Number of its attempts that are counted.';
select pg_catalog.pg_extension_config_dump('webhooks_private.rollup_outstanding', '');

-- One row, which the first call of roll_up() makes: a row of the install script would be in the way of a restore.
create table webhooks_private.rollup_progress (
    is_only boolean primary key default true,
    rolled_until timestamptz not null,
    rolled_at timestamptz not null,
    forgotten_on date,
    constraint rollup_progress_is_only_check check (is_only)
);
comment on table webhooks_private.rollup_progress is 'How far roll_up() has come: one row.';
comment on column webhooks_private.rollup_progress.is_only is 'Always true.';
comment on column webhooks_private.rollup_progress.rolled_until is
    'Deliveries with an id before this time and events with a created_at before it are counted.';
comment on column webhooks_private.rollup_progress.rolled_at is 'Time at which roll_up() last looked.';
comment on column webhooks_private.rollup_progress.forgotten_on is
    'Day on which hours beyond metrics_retention_days were last deleted.';
select pg_catalog.pg_extension_config_dump('webhooks_private.rollup_progress', '');
