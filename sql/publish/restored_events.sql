-- Events that are copied here from a dump or from another server were published where they come from. Their
-- deliveries are in the dump, too, or are made there. So the triggers of event_logs leave them alone, and
-- match_events() keeps count.

create table webhooks.restored_events (
    tenant_id uuid,
    hour timestamptz,
    reason text,
    inserted_by name,
    inserted_at timestamptz not null default now(),
    events bigint not null,
    first_created_at timestamptz,
    last_created_at timestamptz,
    primary key (tenant_id, hour, reason, inserted_by),
    constraint restored_events_reason_check check (reason in ('restore', 'replica'))
);
comment on table webhooks.restored_events is
    'Numbers of events that were inserted but not published, by tenant, hour and role, because a superuser or the '
    'owner restored a dump or copied events with session_replication_role = replica. replay_events() delivers such '
    'events. Rows that COPY or INSERT write into a partition by its name, as most dumps do, and rows of logical '
    'replication are not counted. Dumps leave this table out.';
comment on column webhooks.restored_events.tenant_id is 'Tenant of the events.';
comment on column webhooks.restored_events.hour is 'Hour in which the events were inserted.';
comment on column webhooks.restored_events.reason is
    'restore: check_function_bodies was off, as in every restore. replica: session_replication_role was replica.';
comment on column webhooks.restored_events.inserted_by is 'Role that inserted the events.';
comment on column webhooks.restored_events.inserted_at is 'Time of the last insertion.';
comment on column webhooks.restored_events.events is 'Number of events.';
comment on column webhooks.restored_events.first_created_at is
    'Earliest created_at of the events, for the parameter since of replay_events().';
comment on column webhooks.restored_events.last_created_at is
    'Latest created_at of the events. The parameter until of replay_events() must be later.';
grant select on webhooks.restored_events to webhooks_manager, webhooks_monitor;
