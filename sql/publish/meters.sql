-- Where the shared memory is that limit_events() counts in. Unlogged, as that memory is. Not transactional, and
-- visible to all at once.
create unlogged sequence webhooks_private.meters_handle minvalue 0 start 0;
comment on sequence webhooks_private.meters_handle is
    'Where sessions find the shared memory with the meters of tenants that have limits; 0: it is not there yet.';

create function webhooks_private.open_meters()
returns boolean
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
    handle bigint;
begin
    if webhooks_private.attach_meters((select s.last_value from webhooks_private.meters_handle s)) then
        return true;
    end if;
    -- Where the handle can't be written down no memory is made, which nobody else would find.
    if current_setting('transaction_read_only')::boolean then
        return false;
    end if;
    -- It is not there, or from before a restart: one session makes it. The others don't wait for that.
    if not webhooks_private.try_lock_xact(webhooks_private.meters_lock(), 0, false) then
        return false;
    end if;
    if webhooks_private.attach_meters((select s.last_value from webhooks_private.meters_handle s)) then
        return true;
    end if;
    begin
        handle := webhooks_private.create_meters();
        if handle is not null then
            perform setval('webhooks_private.meters_handle', handle);
            return true;
        end if;
        raise warning 'limits of tenants are not enforced: there is no shared memory for them'
            using hint = 'The server has no more segments of dynamic shared memory; a higher max_connections gives '
                         'it more.';
    -- No memory, no segment, no file for it or no right to make one (which counts as insufficient_privilege), or the
    -- sequence is locked.
    exception when insufficient_resources or program_limit_exceeded or system_error or internal_error
                   or insufficient_privilege or object_not_in_prerequisite_state then
        raise warning 'limits of tenants are not enforced: %', sqlerrm;
    end;
    return false;
end
$$;
comment on function webhooks_private.open_meters is
    'Finds the shared memory with the meters, or makes it; false if it can''t be had: then events are not limited. '
    'Part of limit_events().';
