-- What publish_event() refuses, before and after its INSERT. No error shows event data, also where it was given in the
-- wrong place. publish_event() calls these by assignment, which leaves the text of its statements out of CONTEXT.

create function webhooks_private.is_json(value text)
returns boolean
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
begin
    return coalesce(jsonb_typeof(value::jsonb) in ('object', 'array'), false);
exception when data_exception or program_limit_exceeded then
    return false;
end
$$;
comment on function webhooks_private.is_json is
    'Whether a text is a JSON object or array, and so probably event_data that was given in the wrong place.';

create function webhooks_private.check_arguments(
    tenant_id uuid, event_type text, event_name text, event_data jsonb, resource_type text, session_id text,
    request_id text, event_version text, environment text, idempotency_key text, ordering_key text,
    deliver_after timestamptz, expires_at timestamptz
)
returns boolean
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
    wrong record;
begin
    select v.* into wrong
    from (values
        (tenant_id is null, 'tenant_id', 'is null', 'not_null_violation', 'Every event is a tenant''s: give its id.'),
        (event_type is null, 'event_type', 'is null', 'not_null_violation', 'Give a name that webhooks.event_types '
                                                                            'has.'),
        (event_data is null, 'event_data', 'is null', 'not_null_violation',
         'Leave it out where there is no data, or give ''{}'' or the JSON value null.'),
        (webhooks_private.is_json(event_name), 'event_name', 'is JSON', 'invalid_parameter_value',
         'Write event_data => ... for the data: by position it comes after event_category and event_name.'),
        (webhooks_private.is_json(resource_type), 'resource_type', 'is JSON', 'invalid_parameter_value',
         'Write event_data => ... for the data: by position it comes before resource_type.'),
        (resource_type ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$', 'resource_type', 'is a UUID',
         'invalid_parameter_value',
         'Write resource_id => ... for the id, and resource_type => ... for what it is the id of.'),
        -- Also of white space that no locale has as such, and of marks that don't show.
        (idempotency_key ~ '^[\s\u0085\u00a0\u1680\u180e\u2000-\u200f\u2028-\u202f\u205f-\u2064\u3000\ufeff]*$',
         'idempotency_key', 'is blank', 'invalid_parameter_value',
         'Give a key that is this event''s alone, or null for none.')
    ) v (found, parameter, problem, code, hint)
    where v.found
    limit 1;
    if not found then
        select t.parameter, format('is too long: %s characters', length(t.value)) as problem,
               'string_data_right_truncation' as code,
               format('It takes at most %s characters%s.', t.longest,
                      case when t.parameter like '%\_key' then '; give a hash of a longer key' end) as hint
        into wrong
        from (values
            ('event_name', event_name, 100), ('event_version', event_version, 20), ('resource_type', resource_type, 50),
            ('session_id', session_id, 255), ('request_id', request_id, 255),
            ('idempotency_key', idempotency_key, 255), ('ordering_key', ordering_key, 255)
        ) t (parameter, value, longest)
        where length(t.value) > t.longest
        limit 1;
    end if;
    if found then
        raise exception '% %', wrong.parameter, wrong.problem
            using errcode = wrong.code, schema = 'webhooks', table = 'event_logs', column = wrong.parameter,
            hint = wrong.hint;
    end if;
    if environment not in ('dev', 'staging', 'production')
        or least(deliver_after, expires_at) < timestamptz '1970-01-01 00:00Z'
        or deliver_after >= timestamptz '10000-01-01 00:00Z' or expires_at <= deliver_after
    then
        perform webhooks_private.raise_invalid_event(event_type, '', null, environment, null, null, deliver_after,
                                                     expires_at, null, null);
    end if;
    return true;
end
$$;
comment on function webhooks_private.check_arguments is
    'True, or an error that names the first argument of publish_event() that no event can have. Part of '
    'publish_event(), which calls it only if something looks wrong.';

create function webhooks_private.raise_not_published(event_type text, event_category text)
returns boolean
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
    known record;
begin
    select t.name, t.category into known from webhooks.event_types t where t.name = raise_not_published.event_type;
    if not found then
        perform webhooks_private.raise_unknown_event_type(event_type);
    elsif event_category <> known.category then
        raise exception 'event_category is %', case when event_category ~ '^[a-z0-9_]{1,50}$'
                then format('"%s", not that of %s', event_category, known.name) else 'no category' end
            using errcode = 'invalid_parameter_value', schema = 'webhooks', table = 'event_logs',
            column = 'event_category',
                  hint = format('The category of %s is "%s". Leave event_category out, and write event_data => ... '
                                'for the data: by position it is the fifth argument.',
                                known.name, known.category);
    end if;
    raise exception 'the event was not queued'
        using errcode = 'object_not_in_prerequisite_state',
              hint = 'Triggers of webhooks.event_logs are disabled, or a trigger or rule of your own takes its rows '
                     'away. Enable ours: alter table webhooks.event_logs enable always trigger a30_match_events;';
end
$$;
comment on function webhooks_private.raise_not_published is
    'Raises the error for an event that was not inserted or not matched. Part of publish_event().';
