-- What is known of the versions of an event type. Data is checked by a trigger that exists only while a schema does:
-- nothing else that is published pays for it.

create table webhooks.event_type_versions (
    name varchar(100) not null,
    version varchar(20) not null,
    schema json,
    example jsonb,
    deprecated_at timestamptz,
    deprecation text,
    is_builtin boolean not null default false,
    created_at timestamptz not null default now(),
    primary key (name, version)
);
comment on table webhooks.event_type_versions is 'Schemas, examples and deprecation by event type and version. Read event_type_catalogue; write with register_event_type() and deprecate_event_type().';
comment on column webhooks.event_type_versions.name is 'The event type.';
comment on column webhooks.event_type_versions.version is 'The version: event_logs.event_version.';
comment on column webhooks.event_type_versions.schema is 'JSON Schema that event_data must fit, at most 256 KiB; null: it may be anything.';
comment on column webhooks.event_type_versions.example is 'Example of event_data, at most 64 KiB as text; null: one is made from the schema.';
comment on column webhooks.event_type_versions.deprecated_at is 'Since when it should no longer be relied upon.';
comment on column webhooks.event_type_versions.deprecation is 'Why, and what to use instead; at most 2,000 bytes.';
comment on column webhooks.event_type_versions.is_builtin is 'As shipped with the extension (left out of dumps: CREATE EXTENSION brings it). A changed one is yours.';
comment on column webhooks.event_type_versions.created_at is 'When it was registered.';
select pg_catalog.pg_extension_config_dump('webhooks.event_type_versions', 'where not is_builtin');

insert into webhooks.event_type_versions (name, version, is_builtin, example) values
    ('document.uploaded', '1.0', true,
     '{"filename": "invoice-2026-031.pdf", "mime_type": "application/pdf", "size_bytes": 184320}'),
    ('document.processed', '1.0', true,
     '{"filename": "invoice-2026-031.pdf", "pages": 3, "kind": "invoice", "duration_ms": 2140}'),
    ('document.deleted', '1.0', true,
     '{"filename": "invoice-2026-031.pdf", "reason": "retention"}'),
    ('extraction.started', '1.0', true,
     '{"document_id": "5d0c2a4e-0000-4000-8000-0000000000d1", "model": "invoices-v4"}'),
    ('extraction.completed', '1.0', true,
     '{"document_id": "5d0c2a4e-0000-4000-8000-0000000000d1", "model": "invoices-v4", "fields": {"total": "1190.00", "currency": "EUR"}, "confidence": 0.98}'),
    ('extraction.failed', '1.0', true,
     '{"document_id": "5d0c2a4e-0000-4000-8000-0000000000d1", "model": "invoices-v4", "error": "page 2 is not readable"}'),
    ('job.created', '1.0', true,
     '{"job_type": "export", "priority": 5}'),
    ('job.started', '1.0', true,
     '{"job_type": "export", "worker": "worker-7"}'),
    ('job.completed', '1.0', true,
     '{"job_type": "export", "duration_ms": 48210, "items": 1250}'),
    ('job.failed', '1.0', true,
     '{"job_type": "export", "error": "the storage is full", "attempts": 3}'),
    ('user.created', '1.0', true,
     '{"email": "ada@example.com", "role": "editor"}'),
    ('user.login', '1.0', true,
     '{"email": "ada@example.com", "method": "password"}'),
    ('user.logout', '1.0', true,
     '{"email": "ada@example.com", "reason": "idle"}'),
    ('system.health_check', '1.0', true,
     '{"status": "ok", "checks": {"database": "ok", "storage": "ok"}}'),
    ('system.error', '1.0', true,
     '{"error": "a connection was refused", "component": "mailer", "severity": "error"}');

create function webhooks.own_event_type_version()
returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
    if tg_op = 'INSERT' then
        delete from webhooks.event_type_versions v where v.name = new.name and v.version = new.version and v.is_builtin;
    end if;
    new.is_builtin := false;
    return new;
end
$$;
comment on function webhooks.own_event_type_version() is 'Trigger: a registered or changed version replaces the shipped one and is dumped.';

create trigger own_event_type_version
    before insert or update on webhooks.event_type_versions
    for each row execute function webhooks.own_event_type_version();

create function webhooks.validate_events()
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
    if webhooks.copies_events() then
        return null;
    end if;
    select e.event_type, e.event_version, x.errors
    into event
    from new_events e
    cross join lateral (
        select v.schema from webhooks.event_type_versions v
        where v.name = e.event_type and v.version = e.event_version and v.schema is not null
        offset 0
    ) v
    cross join lateral (
        select webhooks.schema_errors(v.schema::text, e.event_data::text) as errors offset 0
    ) x
    where x.errors is not null
    limit 1;
    if found then
        -- This function and the statement that calls it, which is long.
        done := webhooks.omit_context(2);
        raise exception 'event_data of % (version %) does not fit its schema: %', event.event_type, event.event_version, array_to_string(event.errors, '; ')
            using errcode = 'check_violation',
                  hint = format('See: select schema, example from webhooks.event_type_catalogue where name = %L and version = %L;', event.event_type, event.event_version);
    end if;
    return null;
end
$$;
comment on function webhooks.validate_events() is 'Trigger, while there are schemas: refuses events whose data does not fit the schema of their type and version.';

create function webhooks.sync_validation_trigger()
returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp
-- Publishers wait behind who waits for this lock.
set lock_timeout = '900ms'
as $$
declare
    wanted constant boolean := exists (select from webhooks.event_type_versions v where v.schema is not null);
    found_one constant boolean := exists (
        select from pg_trigger t where t.tgrelid = 'webhooks.event_logs'::regclass and t.tgname = 'validate_events');
begin
    if wanted and not found_one then
        create trigger validate_events
            after insert on webhooks.event_logs
            referencing new table as new_events
            for each statement execute function webhooks.validate_events();
        alter table webhooks.event_logs enable always trigger validate_events;
    elsif found_one and not wanted then
        drop trigger validate_events on webhooks.event_logs;
    end if;
    return null;
exception when lock_not_available then
    perform webhooks.refuse_busy_log();
    return null;
end
$$;
comment on function webhooks.sync_validation_trigger() is
    'Trigger: event_logs has the trigger validate_events if and only if a schema is registered, also after a restore.';

create trigger sync_validation_trigger
    after insert or update or delete or truncate on webhooks.event_type_versions
    for each statement execute function webhooks.sync_validation_trigger();
alter table webhooks.event_type_versions enable always trigger sync_validation_trigger;

create function webhooks.check_event_type_version()
returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
    objection text;
    errors text[];
begin
    -- A restore brings what was accepted once.
    if webhooks.is_restoring() then
        return new;
    end if;
    objection := webhooks.schema_objection(new.schema::text);
    if objection is not null then
        raise exception 'invalid schema of % (version %): %', new.name, new.version, objection
            using errcode = 'invalid_parameter_value',
                  hint = 'Give a JSON Schema, draft 4 to 2020-12. It can''t refer to other documents, and patterns can''t look around or back, since publishers wait for them; nor can many sub-schemas look at one value.';
    end if;
    errors := webhooks.schema_errors(new.schema::text, new.example::text);
    if errors is not null then
        raise exception 'the example of % (version %) does not fit its schema: %', new.name, new.version, array_to_string(errors, '; ')
            using errcode = 'check_violation', hint = 'Give an example that does, or register_event_type(..., example => ''null''): then one is made from the schema.';
    end if;
    if new.example is null and webhooks.schema_errors(new.schema::text, webhooks.schema_example(new.schema::text)) is not null then
        raise notice 'the example made for % (version %) does not fit its schema', new.name, new.version
            using hint = 'Give one, or put examples into the schema.';
    end if;
    return new;
end
$$;
comment on function webhooks.check_event_type_version() is 'Trigger: refuses invalid schemas, and examples that don''t fit theirs.';

create trigger check_event_type_version
    before insert or update on webhooks.event_type_versions
    for each row execute function webhooks.check_event_type_version();

create trigger audit_change
    after insert or update or delete on webhooks.event_type_versions
    for each row execute function webhooks.audit_change('event_type', 'name');

create function webhooks.register_event_type(
    name text,
    category text default null,
    description text default null,
    version text default null,
    schema json default null,
    example jsonb default null,
    is_current boolean default true
)
returns void
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_variable
declare
    known record;
begin
    -- First of all, as create_partitions() does: both go on to lock event_logs and audit_log.
    perform webhooks.lock_xact(webhooks.change_lock(), 0);
    if (name ~ '^[a-z0-9_]+(\.[a-z0-9_]+)+$' and length(name) <= 100) is not true then
        raise exception 'invalid event type "%"', coalesce(name, 'null')
            using errcode = 'invalid_parameter_value', hint = 'Types are lower-case words joined by dots, at most 100 characters: document.uploaded.';
    end if;
    if length(version) not between 1 and 20 then
        raise exception 'invalid version "%" of %', version, name
            using errcode = 'invalid_parameter_value', hint = 'Versions have at most 20 characters: 1.0.';
    end if;
    select t.* into known from webhooks.event_types t where t.name = register_event_type.name for update;
    if not found then
        insert into webhooks.event_types (name, category, description, version)
        values (name, coalesce(category, split_part(name, '.', 1)), description, coalesce(version, '1.0'))
        returning * into known;
    elsif (coalesce(category, known.category), coalesce(description, known.description), coalesce(case when is_current then version end, known.version))
        is distinct from (known.category, known.description, known.version) then
        update webhooks.event_types t
        set category = coalesce(register_event_type.category, t.category),
            description = coalesce(register_event_type.description, t.description),
            version = coalesce(case when is_current then register_event_type.version end, t.version)
        where t.name = register_event_type.name
        returning * into known;
    end if;
    version := coalesce(version, known.version);
    update webhooks.event_type_versions v
    -- JSON's null takes away what is there, SQL's leaves it.
    set schema = case when register_event_type.schema is null then v.schema when json_typeof(register_event_type.schema) <> 'null' then register_event_type.schema end,
        example = case when register_event_type.example is null then v.example else nullif(register_event_type.example, 'null') end
    where v.name = register_event_type.name and v.version = register_event_type.version;
    if not found then
        insert into webhooks.event_type_versions (name, version, schema, example)
        values (name, version, case when json_typeof(schema) <> 'null' then schema end, nullif(example, 'null'));
    end if;
end
$$;
comment on function webhooks.register_event_type(text, text, text, text, json, jsonb, boolean) is
    'Registers an event type, or changes what is given of one. A version that is given becomes the current one, which publish_event() and watched tables publish, unless is_current is false; schema and example are that version''s, and the JSON value null takes them away. Events of a version with a schema must fit it. A schema of type jsonb needs a cast: schema => value::json.';

create function webhooks.deprecate_event_type(name text, reason text, version text default null)
returns void
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_variable
begin
    -- First of all, as create_partitions() does: both go on to lock event_logs and audit_log.
    perform webhooks.lock_xact(webhooks.change_lock(), 0);
    version := coalesce(version, (select t.version from webhooks.event_types t where t.name = deprecate_event_type.name));
    if not exists (
        select from webhooks.event_type_catalogue c where c.name = deprecate_event_type.name and c.version = deprecate_event_type.version
    ) then
        raise exception 'there is no event type "%"%', coalesce(name, 'null'), case when version is null then '' else format(' of version "%s"', version) end
            using errcode = 'undefined_object', hint = 'Types and versions are listed by: select name, version from webhooks.event_type_catalogue;';
    end if;
    update webhooks.event_type_versions v
    set deprecated_at = case when reason is not null then coalesce(v.deprecated_at, now()) end, deprecation = reason
    where v.name = deprecate_event_type.name and v.version = deprecate_event_type.version;
    if not found then
        insert into webhooks.event_type_versions (name, version, deprecated_at, deprecation)
        values (name, version, case when reason is not null then now() end, reason);
    end if;
end
$$;
comment on function webhooks.deprecate_event_type(text, text, text) is
    'Marks a version of an event type, the current one by default, as one that should no longer be relied upon, and says why; null takes that back. It is still published, and who subscribes to it gets a notice.';

create view webhooks.event_type_catalogue with (security_invoker = true) as
select
    t.name,
    v.version,
    v.version = t.version as is_current,
    t.category,
    t.description,
    t.is_builtin,
    v.schema,
    v.example,
    r.body as example_payload,
    v.deprecated_at,
    v.deprecation
from webhooks.event_types t
cross join lateral (
    select n.version::text, s.schema, coalesce(s.example, webhooks.schema_example(s.schema::text)::jsonb, '{}') as example, s.deprecated_at, s.deprecation
    from (
        select t.version union select o.version from webhooks.event_type_versions o where o.name = t.name
    ) n
    left join webhooks.event_type_versions s on s.name = t.name and s.version = n.version
) v
cross join lateral webhooks.render_request(
    'envelope', null, null, null,
    '018f3c6e-5b7a-7c2d-9e4f-1a2b3c4d5e6f', '018f3c6e-0000-7000-8000-000000000001', t.name, t.category, t.name, v.version,
    1767323045000000, v.example::text, null, null, null, null, null, null, null) r;
comment on view webhooks.event_type_catalogue is 'Every version of every event type, with an example of what receivers get.';
comment on column webhooks.event_type_catalogue.name is 'The event type.';
comment on column webhooks.event_type_catalogue.version is 'One of its versions.';
comment on column webhooks.event_type_catalogue.is_current is 'Whether it is the current one.';
comment on column webhooks.event_type_catalogue.category is 'Its category.';
comment on column webhooks.event_type_catalogue.description is 'For people.';
comment on column webhooks.event_type_catalogue.is_builtin is 'As shipped with the extension.';
comment on column webhooks.event_type_catalogue.schema is 'JSON Schema that event_data must fit.';
comment on column webhooks.event_type_catalogue.example is 'Example of event_data: the one registered, or one made from the schema.';
comment on column webhooks.event_type_catalogue.example_payload is 'The body of a request about it.';
comment on column webhooks.event_type_catalogue.deprecated_at is 'Since when it should no longer be relied upon.';
comment on column webhooks.event_type_catalogue.deprecation is 'Why, and what to use instead.';

create function webhooks.notice_deprecation()
returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    deprecated record;
begin
    for deprecated in
        select c.name, c.deprecation
        from webhooks.event_type_catalogue c
        where c.is_current and c.deprecation is not null and new.subscribed_events ? c.name
        order by c.name
    loop
        raise notice 'event type % is deprecated: %', deprecated.name, deprecated.deprecation;
    end loop;
    return null;
end
$$;
comment on function webhooks.notice_deprecation() is 'Trigger: tells who subscribes to a deprecated event type.';

create trigger notice_deprecation
    after insert or update of subscribed_events on webhooks.webhook_subscriptions
    for each row execute function webhooks.notice_deprecation();
