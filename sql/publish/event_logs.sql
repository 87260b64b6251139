-- Every event once, immutable. Range-partitioned on the UUIDv7 id; the parent has no index, the template
-- has them: an extension's partitioned parent with a primary key cannot be dumped and restored. What CHECK constraints
-- would say, match_events() does: PostgreSQL parses those anew for each statement, half the cost of a bare INSERT.
create table webhooks.event_logs (
    id uuid not null default webhooks.uuid_v7(),
    tenant_id uuid not null,
    event_type varchar(100) not null,
    event_category varchar(50) not null,
    event_name varchar(100) not null,
    event_version varchar(20) default '1.0',
    event_data jsonb not null,
    resource_type varchar(50),
    resource_id uuid,
    user_id uuid,
    session_id varchar(255),
    request_id varchar(255),
    source_ip inet,
    created_at timestamptz default now(),
    processed_at timestamptz default now(),
    environment varchar(50),
    idempotency_key text,
    ordering_key text,
    deliver_after timestamptz,
    expires_at timestamptz,
    resource_data jsonb,
    is_test boolean,
    -- Null, at no cost, where it is not set. Lengths by LIKE: a regular expression that counts takes ten times as long.
    traceparent varchar(55) default
        case when current_setting('webhooks.traceparent', true)
                  like '00-________________________________-________________-__'
        then substring(current_setting('webhooks.traceparent', true)
                       from '^00-0*[1-9a-f][0-9a-f]*-0*[1-9a-f][0-9a-f]*-[0-9a-f]+$') end
) partition by range (id);
comment on table webhooks.event_logs is
    'Published events. An INSERT queues a delivery for each matching subscription, in the same transaction.';
comment on column webhooks.event_logs.id is
    'Event id, a UUIDv7 unless it is given. Receivers see it as webhook-id, and recognize a repeated delivery by it.';
comment on column webhooks.event_logs.tenant_id is 'Tenant of the event. Only subscriptions of this tenant match.';
comment on column webhooks.event_logs.event_type is 'Event type: event_types.name.';
comment on column webhooks.event_logs.event_category is
    'Category of the event type, for example document, extraction, job, user or system. An INSERT may give another '
    'lower-case word.';
comment on column webhooks.event_logs.event_name is
    'Name for people; publish_event() takes the event type unless it is given.';
comment on column webhooks.event_logs.event_version is 'Version of the payload.';
comment on column webhooks.event_logs.event_data is
    'Data of the payload, nested at most 512 levels deep; as text at most the setting max_event_data_bytes.';
comment on column webhooks.event_logs.resource_type is 'Kind of the resource that the event is about.';
comment on column webhooks.event_logs.resource_id is 'Id of the resource that the event is about.';
comment on column webhooks.event_logs.user_id is 'User who caused the event; part of the context in the payload.';
comment on column webhooks.event_logs.session_id is 'Session of the application; part of the context in the payload.';
comment on column webhooks.event_logs.request_id is 'Request of the application; part of the context in the payload.';
comment on column webhooks.event_logs.source_ip is 'Address of the client; part of the context in the payload.';
comment on column webhooks.event_logs.created_at is 'Time at which the publishing transaction began.';
comment on column webhooks.event_logs.processed_at is
    'Time at which subscriptions were matched, in the publishing transaction.';
comment on column webhooks.event_logs.environment is
    'dev, staging or production: only subscriptions of this environment match; null: subscriptions of all '
    'environments match.';
comment on column webhooks.event_logs.idempotency_key is
    'Key that was given to publish_event(); at most 255 characters.';
comment on column webhooks.event_logs.ordering_key is
    'Subscriptions with ordering = fifo get events of one key in the order of publication; at most 255 characters.';
comment on column webhooks.event_logs.deliver_after is 'Time before which no delivery is made.';
comment on column webhooks.event_logs.expires_at is 'Time after which outstanding deliveries become expired.';
comment on column webhooks.event_logs.is_test is
    'True: test_subscription() made the event for one subscription, and no other matches. Null: an event.';
comment on column webhooks.event_logs.resource_data is
    'Snapshot of the resource, resource.data in the payload; filled in for types of register_resource(). It is '
    'limited as event_data is.';
comment on column webhooks.event_logs.traceparent is
    'Trace context of the publisher (W3C Trace Context, version 00): the setting webhooks.traceparent unless it is '
    'given. Null: it was not set, or not valid. Receivers get it as the header traceparent.';
-- The id is for INSERT ... RETURNING id, which ORMs write.
grant insert, select (id) on webhooks.event_logs to webhooks_publisher;
grant select on webhooks.event_logs to webhooks_manager;
grant select (
    id, tenant_id, event_type, event_category, event_version, created_at, processed_at, environment, deliver_after,
    expires_at, is_test
) on webhooks.event_logs to webhooks_monitor;

create table webhooks_private.event_logs_template (
    like webhooks.event_logs including defaults including comments,
    primary key (id)
);
create index event_logs_template_tenant_created on webhooks_private.event_logs_template (tenant_id, created_at desc);
create index event_logs_template_type_created on webhooks_private.event_logs_template (event_type, created_at desc);
create index event_logs_template_resource on webhooks_private.event_logs_template (resource_type, resource_id)
    where resource_id is not null;
comment on table webhooks_private.event_logs_template is
    'Always empty: carries the indexes that create_partitions() gives each partition of event_logs.';

create table webhooks_private.event_logs_default (like webhooks_private.event_logs_template including all);
alter table webhooks.event_logs attach partition webhooks_private.event_logs_default default;
comment on table webhooks_private.event_logs_default is
    'Events whose id falls in no partition made by create_partitions().';

select pg_catalog.pg_extension_config_dump('webhooks_private.event_logs_default', '');

create function webhooks_private.lock_log_triggers()
returns void
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
begin
    -- A restore waits for as long as its other jobs copy events. Nobody publishes meanwhile.
    if webhooks_private.is_restoring() then
        perform set_config('lock_timeout', '0', true);
    end if;
    perform webhooks_private.lock_xact(webhooks_private.change_lock(), 0);
end
$$;
comment on function webhooks_private.lock_log_triggers is
    'Waits until no other transaction makes or drops triggers of event_logs. Who does looks again after that: what '
    'others did is visible now. Called with a lock_timeout that a restore has no need of. Part of the triggers that '
    'make and drop triggers of event_logs.';

create function webhooks_private.raise_busy_log()
returns void
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
begin
    raise exception 'event_logs is in use by a long transaction'
        using errcode = 'lock_not_available',
              hint = 'What is registered or limited first, and what is the last to go, changes the triggers of '
                     'event_logs. See pg_stat_activity for who holds it, and try again when that is done.';
end
$$;
comment on function webhooks_private.raise_busy_log is
    'Raises the error of who would have to wait for a lock on event_logs for long: publishers would wait behind. '
    'Part of the triggers that make and drop triggers of it.';
