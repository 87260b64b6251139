create function webhooks_private.could_copy_events()
returns boolean
language c stable
as 'MODULE_PATHNAME', 'could_copy_events_wrapper';
comment on function webhooks_private.could_copy_events is
    'Whether the session has check_function_bodies off or session_replication_role = replica. Part of is_restoring() '
    'and copies_events().';
grant execute on function webhooks_private.could_copy_events to webhooks_publisher, webhooks_manager;

create function webhooks_private.restores()
returns boolean
language plpgsql stable parallel restricted
set search_path = pg_catalog, pg_temp
as $$
begin
    return not current_setting('check_function_bodies')::boolean
        and webhooks_private.owns_extension(webhooks_private.caller());
end
$$;
comment on function webhooks_private.restores is
    'What is_restoring() says, of a session that could restore. Part of is_restoring().';
grant execute on function webhooks_private.restores to webhooks_publisher, webhooks_manager;

-- Every form of pg_dump and pg_restore turns check_function_bodies off first. Others can do that, too, so only a role
-- that can restore is taken to do so. Inlined, and small: it is prepared for each statement on a watched table.
create function webhooks_private.is_restoring()
returns boolean
language sql stable parallel restricted
return webhooks_private.could_copy_events() and webhooks_private.restores();
comment on function webhooks_private.is_restoring is
    'Whether this session restores a dump: a superuser or the owner, with check_function_bodies off. Restored rows '
    'publish nothing and are not checked again.';
-- Triggers of watched tables ask this as the owner of the table.
grant execute on function webhooks_private.is_restoring to webhooks_publisher, webhooks_manager;

create function webhooks_private.is_publishing()
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
comment on function webhooks_private.is_publishing is
    'Whether publish_event() or the trigger of a watched table is one of the callers. Part of are_copied().';

create function webhooks_private.are_copied()
returns boolean
language plpgsql stable parallel restricted
set search_path = pg_catalog, pg_temp
as $$
begin
    return (webhooks_private.is_restoring()
            -- An INSERT of the session's own, that is not made by a trigger of the application.
            or current_setting('session_replication_role') = 'replica' and pg_trigger_depth() = 1
               and webhooks_private.owns_extension(webhooks_private.caller()))
        and not webhooks_private.is_publishing();
end
$$;
comment on function webhooks_private.are_copied is
    'What copies_events() says, of a session that could copy events. Part of copies_events().';

-- Inlined, and small: it is prepared for each event that is published.
create function webhooks_private.copies_events()
returns boolean
language sql stable parallel restricted
return webhooks_private.could_copy_events() and webhooks_private.are_copied();
comment on function webhooks_private.copies_events is
    'Whether rows that are inserted into event_logs are copies, which are not published: a superuser or the owner '
    'restores a dump, or inserts them with session_replication_role = replica. What publish_event() and triggers of '
    'watched tables insert is published in any session.';
