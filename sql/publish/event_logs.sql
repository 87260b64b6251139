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
    is_test boolean
) partition by range (id);
comment on table webhooks.event_logs is 'Every published event, once. INSERT fans out to the matching subscriptions in the same transaction.';
comment on column webhooks.event_logs.id is 'Event id (UUIDv7 unless given); receivers see it as webhook-id and deduplicate on it.';
comment on column webhooks.event_logs.tenant_id is 'Whose event; only this tenant''s subscriptions match.';
comment on column webhooks.event_logs.event_type is 'A name of event_types.';
comment on column webhooks.event_logs.event_category is 'Category of the event type, for example document, extraction, job, user or system. An INSERT may have another lower-case word.';
comment on column webhooks.event_logs.event_name is 'For people; publish_event defaults it to the type.';
comment on column webhooks.event_logs.event_version is 'Version of the payload.';
comment on column webhooks.event_logs.event_data is 'The payload''s data: at most max_event_data_bytes as text (a setting), nested at most 512 levels deep.';
comment on column webhooks.event_logs.resource_type is 'What kind of thing the event is about.';
comment on column webhooks.event_logs.resource_id is 'Which one.';
comment on column webhooks.event_logs.user_id is 'Who caused it; adds context to the payload.';
comment on column webhooks.event_logs.session_id is 'Application session.';
comment on column webhooks.event_logs.request_id is 'Application request.';
comment on column webhooks.event_logs.source_ip is 'Client address.';
comment on column webhooks.event_logs.created_at is 'When the publishing transaction began.';
comment on column webhooks.event_logs.processed_at is 'When it was matched: in the publishing transaction itself.';
comment on column webhooks.event_logs.environment is 'Reaches only that environment''s subscriptions; null reaches all.';
comment on column webhooks.event_logs.idempotency_key is 'As given to publish_event: at most 255 characters.';
comment on column webhooks.event_logs.ordering_key is 'Subscriptions with ordering = fifo get events of the same key in the order of publication. At most 255 characters.';
comment on column webhooks.event_logs.deliver_after is 'No delivery before this time.';
comment on column webhooks.event_logs.expires_at is 'Deliveries not made by then become expired.';
comment on column webhooks.event_logs.is_test is 'True: made up by test_subscription(), for one subscription alone; nothing matches it. Null: an event.';
comment on column webhooks.event_logs.resource_data is 'The resource as it was, shown as resource.data; filled in for types registered with register_resource(). Bounded as event_data is.';
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
comment on table webhooks_private.event_logs_template is 'Always empty: carries the indexes that create_partitions() gives each partition of event_logs.';

create table webhooks_private.event_logs_default (like webhooks_private.event_logs_template including all);
alter table webhooks.event_logs attach partition webhooks_private.event_logs_default default;
comment on table webhooks_private.event_logs_default is 'Events whose id falls in no partition made by create_partitions().';

select pg_catalog.pg_extension_config_dump('webhooks_private.event_logs_default', '');

create function webhooks_private.raise_busy_log()
returns void
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
begin
    raise exception 'event_logs is in use by a long transaction'
        using errcode = 'lock_not_available',
              hint = 'What is registered or limited first, and what is the last to go, changes the triggers of event_logs. See pg_stat_activity for who holds it, and try again when that is done.';
end
$$;
comment on function webhooks_private.raise_busy_log() is
    'Raises the error of who would have to wait for a lock on event_logs for long: publishers would wait behind. Part of the triggers that make and drop triggers of it.';
