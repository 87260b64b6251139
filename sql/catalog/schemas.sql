create function webhooks_private.validate_events()
returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp
-- As in match_events(): plans are cached per session, and only index look-ups are right.
set enable_seqscan = off
as $$
declare
    event record;
    done boolean;
begin
    if webhooks_private.copies_events() then
        return null;
    end if;
    select e.event_type, e.event_version, x.errors
    into event
    from new_events e
    cross join lateral (
        select v.schema from webhooks_private.event_type_versions v
        where v.name = e.event_type and v.version = e.event_version and v.schema is not null
        offset 0
    ) v
    cross join lateral (
        -- What is too large is not read: match_events() refuses it.
        select case
            when webhooks_private.json_fits(e.event_data, e.resource_data, 65536)
              or webhooks_private.json_fits(e.event_data, e.resource_data,
                                            webhooks_private.setting('max_event_data_bytes'))
            then webhooks_private.schema_errors(v.schema::text, e.event_data::text) end as errors
        offset 0
    ) x
    where x.errors is not null
    limit 1;
    if found then
        -- This function and the statement that calls it, which is long.
        done := webhooks_private.omit_context(2);
        raise exception 'event_data of % (version %) does not fit its schema: %', event.event_type,
            event.event_version, array_to_string(event.errors, '; ')
            using errcode = 'check_violation',
                  hint = format('See: select schema, example from webhooks.event_type_catalogue where name = %L and '
                                'version = %L;', event.event_type, event.event_version);
    end if;
    return null;
end
$$;
comment on function webhooks_private.validate_events is
    'Trigger, while there are schemas: refuses events whose data does not fit the schema of their type and version.';

create function webhooks_private.sync_validation_trigger()
returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp
-- Publishers wait behind who waits for this lock.
set lock_timeout = '900ms'
as $$
declare
    wanted boolean;
    found_one boolean;
begin
    -- A change is made after a second look: other sessions may change schemas at the same time.
    for look in 1 .. 2 loop
        -- Only the system publishes events that have shipped schemas.
        wanted := exists (
            select from webhooks_private.event_type_versions v where v.schema is not null and not v.is_builtin);
        found_one := exists (
            select from pg_trigger t
            where t.tgrelid = 'webhooks.event_logs'::regclass and t.tgname = 'a20_validate_events');
        if wanted = found_one then
            return null;
        end if;
        if look = 1 then
            perform webhooks_private.lock_log_triggers();
        end if;
    end loop;
    if wanted then
        create trigger a20_validate_events
            after insert on webhooks.event_logs
            referencing new table as new_events
            for each statement execute function webhooks_private.validate_events();
        alter table webhooks.event_logs enable always trigger a20_validate_events;
    else
        drop trigger a20_validate_events on webhooks.event_logs;
    end if;
    return null;
exception when lock_not_available then
    perform webhooks_private.raise_busy_log();
    return null;
end
$$;
comment on function webhooks_private.sync_validation_trigger is
    'Trigger: event_logs has the trigger a20_validate_events if and only if a schema is registered, also after a '
    'restore.';

create trigger sync_validation_trigger
    after insert or update or delete or truncate on webhooks_private.event_type_versions
    for each statement execute function webhooks_private.sync_validation_trigger();
alter table webhooks_private.event_type_versions enable always trigger sync_validation_trigger;

create function webhooks_private.check_event_type_version()
returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
    problem text;
    errors text[];
begin
    -- A restore brings what was accepted once.
    if webhooks_private.is_restoring() then
        return new;
    end if;
    problem := webhooks_private.schema_problem(new.schema::text);
    if problem is not null then
        raise exception 'invalid schema of % (version %): %', new.name, new.version, problem
            using errcode = 'invalid_parameter_value',
                  hint = 'Give a JSON Schema, draft 4 to 2020-12. It can''t refer to other documents, and patterns '
                         'can''t look around or back, since publishers wait for them; nor can many sub-schemas look '
                         'at one value.';
    end if;
    errors := webhooks_private.schema_errors(new.schema::text, new.example::text);
    if errors is not null then
        raise exception 'the example of % (version %) does not fit its schema: %', new.name, new.version,
            array_to_string(errors, '; ')
            using errcode = 'check_violation',
                  hint = 'Give an example that does, or register_event_type(..., example => ''null''): then one is '
                         'made from the schema.';
    end if;
    if new.example is null
        and webhooks_private.schema_errors(new.schema::text, webhooks_private.schema_example(new.schema::text))
            is not null then
        raise notice 'the example made for % (version %) does not fit its schema', new.name, new.version
            using hint = 'Give one, or put examples into the schema.';
    end if;
    return new;
end
$$;
comment on function webhooks_private.check_event_type_version is
    'Trigger: refuses invalid schemas, and examples that don''t fit theirs.';

create trigger z20_check_event_type_version
    before insert or update on webhooks_private.event_type_versions
    for each row execute function webhooks_private.check_event_type_version();
