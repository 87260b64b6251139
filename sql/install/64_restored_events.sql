-- Events that are copied here from a dump or from another server were published where they come from. Their deliveries
-- are in the dump, too, or are made there. So the triggers of event_logs leave them alone, and match_events() keeps count.

create function webhooks.is_publishing()
returns boolean
language plpgsql stable parallel restricted
set search_path = pg_catalog, pg_temp
as $$
declare
    callers text;
begin
    get diagnostics callers = pg_context;
    -- Triggers of watched tables have decided by themselves. With quotes: quote_all_identifiers.
    return callers ~ '\mwebhooks"?\."?publish_event"?\(|_webhooks"?\(\)';
end
$$;
comment on function webhooks.is_publishing() is
    'Whether publish_event() or the trigger of a watched table is one of the callers. Part of are_copied().';

create function webhooks.are_copied()
returns boolean
language plpgsql stable parallel restricted
set search_path = pg_catalog, pg_temp
as $$
begin
    return (webhooks.is_restoring()
            -- An INSERT of the session's own, that is not made by a trigger of the application.
            or current_setting('session_replication_role') = 'replica' and pg_trigger_depth() = 1
               and webhooks.owns_extension(webhooks.caller()))
        and not webhooks.is_publishing();
end
$$;
comment on function webhooks.are_copied() is
    'What copies_events() says, of a session that could copy events. Part of copies_events().';

-- Inlined, and small: it is prepared for each event that is published.
create function webhooks.copies_events()
returns boolean
language sql stable parallel restricted
return webhooks.could_copy_events() and webhooks.are_copied();
comment on function webhooks.copies_events() is
    'Whether rows that are inserted into event_logs are copies, which are not published: a superuser or the owner restores a dump, or inserts them with session_replication_role = replica. What publish_event() and triggers of watched tables insert is published in any session.';

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
    'Events that were inserted and not published, because a superuser or the owner restored a dump (or a session looked like that), or copied them with session_replication_role = replica: one row per tenant, hour and role. replay_events() publishes them after all. Rows that COPY or INSERT write into a partition by its name, as most dumps do, and rows that logical replication applies are not counted. It is not in dumps.';
comment on column webhooks.restored_events.tenant_id is 'Tenant of the events.';
comment on column webhooks.restored_events.hour is 'Hour in which they were inserted.';
comment on column webhooks.restored_events.reason is 'restore: check_function_bodies was off, as in every restore. replica: session_replication_role was replica.';
comment on column webhooks.restored_events.inserted_by is 'Role that inserted them.';
comment on column webhooks.restored_events.inserted_at is 'When the last of them were inserted.';
comment on column webhooks.restored_events.events is 'How many they are.';
comment on column webhooks.restored_events.first_created_at is 'The earliest created_at of them: since of replay_events() includes it.';
comment on column webhooks.restored_events.last_created_at is 'The latest created_at of them: until of replay_events() must be later.';
