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
    perform webhooks_private.lock_xact(webhooks_private.change_lock(), 0);
    if (name ~ '^[a-z0-9_]+(\.[a-z0-9_]+)+$' and length(name) <= 100) is not true then
        raise exception 'invalid event type "%"', coalesce(name, 'null')
            using errcode = 'invalid_parameter_value',
                  hint = 'Types are lower-case words joined by dots, at most 100 characters: document.uploaded.';
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
    elsif (coalesce(category, known.category), coalesce(description, known.description),
           coalesce(case when is_current then version end, known.version))
        is distinct from (known.category, known.description, known.version) then
        update webhooks.event_types t
        set category = coalesce(register_event_type.category, t.category),
            description = coalesce(register_event_type.description, t.description),
            version = coalesce(case when is_current then register_event_type.version end, t.version)
        where t.name = register_event_type.name
        returning * into known;
    end if;
    version := coalesce(version, known.version);
    update webhooks_private.event_type_versions v
    -- JSON's null takes away what is there, SQL's leaves it.
    set schema = case when register_event_type.schema is null then v.schema
        when json_typeof(register_event_type.schema) <> 'null' then register_event_type.schema end,
        example = case when register_event_type.example is null then v.example
            else nullif(register_event_type.example, 'null') end
    where v.name = register_event_type.name and v.version = register_event_type.version;
    if not found then
        insert into webhooks_private.event_type_versions (name, version, schema, example)
        values (name, version, case when json_typeof(schema) <> 'null' then schema end, nullif(example, 'null'));
    end if;
end
$$;
comment on function webhooks.register_event_type is
    'Registers an event type, or changes the given properties of one. The given version becomes the current one, '
    'which publish_event() and watched tables publish, unless is_current is false. schema and example belong to that '
    'version, and the JSON value null removes them. Events of a version with a schema must fit the schema. A schema '
    'of type jsonb needs a cast: schema => value::json.';

create function webhooks.deprecate_event_type(name text, reason text, version text default null)
returns void
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_variable
begin
    -- First of all, as create_partitions() does: both go on to lock event_logs and audit_log.
    perform webhooks_private.lock_xact(webhooks_private.change_lock(), 0);
    version := coalesce(version, (select t.version from webhooks.event_types t
                                  where t.name = deprecate_event_type.name));
    if not exists (
        select from webhooks.event_type_catalogue c where c.name = deprecate_event_type.name
            and c.version = deprecate_event_type.version
    ) then
        raise exception 'there is no event type "%"%', coalesce(name, 'null'), case when version is null then ''
            else format(' of version "%s"', version) end
            using errcode = 'undefined_object',
                  hint = 'Types and versions are listed by: select name, version from webhooks.event_type_catalogue;';
    end if;
    update webhooks_private.event_type_versions v
    set deprecated_at = case when reason is not null then coalesce(v.deprecated_at, now()) end, deprecation = reason
    where v.name = deprecate_event_type.name and v.version = deprecate_event_type.version;
    if not found then
        insert into webhooks_private.event_type_versions (name, version, deprecated_at, deprecation)
        values (name, version, case when reason is not null then now() end, reason);
    end if;
end
$$;
comment on function webhooks.deprecate_event_type is
    'Marks a version of an event type, the current one by default, as deprecated, with a reason; null removes the '
    'mark. A deprecated version is still published. A subscription to it raises a notice.';
