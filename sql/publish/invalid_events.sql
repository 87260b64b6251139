create function webhooks_private.raise_unknown_event_type(event_type text)
returns void
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
begin
    -- Not what could be event data, given in the wrong place.
    if event_type ~ '[{}\[\]\n]' or length(event_type) > 100 then
        raise exception 'event_type is no event type'
            using errcode = 'foreign_key_violation', schema = 'webhooks', table = 'event_logs', column = 'event_type',
                  hint = 'Types are lower-case words joined by dots, for example document.uploaded; '
                         'webhooks.event_types lists them. The data is event_data => ....';
    end if;
    raise exception 'unknown event type "%"', event_type
        using errcode = 'foreign_key_violation', schema = 'webhooks', table = 'event_logs', column = 'event_type',
              hint = case when event_type ~ '^[a-z0-9_]+(\.[a-z0-9_]+)+$'
                  then format('webhooks.event_types lists those that are known. Whoever may register types adds it: '
                              'select webhooks.register_event_type(%L);', event_type)
                  else 'Types are lower-case words joined by dots, for example document.uploaded; '
                       'webhooks.event_types lists them.'
              end;
end
$$;
comment on function webhooks_private.raise_unknown_event_type is 'Raises the error for an unknown event type.';

create function webhooks_private.raise_invalid_event(
    event_type text, category text, event_category text, environment text, created_at timestamptz,
    processed_at timestamptz, deliver_after timestamptz, expires_at timestamptz, idempotency_key text,
    ordering_key text
)
returns void
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
    epoch constant timestamptz := '1970-01-01 00:00Z';
    invalid record;
    -- This function and the statement that calls it, which is long.
    done constant boolean := webhooks_private.omit_context(2);
begin
    if category is null then
        perform webhooks_private.raise_unknown_event_type(event_type);
    end if;
    if event_category <> category and event_category !~ '^[a-z0-9_]+$' then
        raise exception 'event_category is no category'
            using errcode = 'check_violation', schema = 'webhooks', table = 'event_logs', column = 'event_category',
                  hint = format('Categories are lower-case words. That of %s is "%s".', event_type, category);
    end if;
    select v.* into invalid
    from (values
        ('environment', coalesce(substring(environment from '^\w{1,50}$'), 'not one of them'),
         environment in ('dev', 'staging', 'production'), 'dev, staging, production, or null for all'),
        ('idempotency_key', length(idempotency_key) || ' characters', length(idempotency_key) <= 255,
         'at most 255 characters'),
        ('ordering_key', length(ordering_key) || ' characters', length(ordering_key) <= 255, 'at most 255 characters'),
        -- Times that a payload can show and a sidecar can count with. Only expires_at may be infinity: never.
        ('created_at', created_at::text, created_at >= epoch and created_at < timestamptz '10000-01-01 00:00Z',
         'a time from 1970 to 9999'),
        ('processed_at', processed_at::text, processed_at >= epoch
         and processed_at < timestamptz '10000-01-01 00:00Z', 'a time from 1970 to 9999'),
        ('deliver_after', deliver_after::text, deliver_after >= epoch
         and deliver_after < timestamptz '10000-01-01 00:00Z', 'a time from 1970 to 9999'),
        ('expires_at', expires_at::text, expires_at >= epoch, 'a time from 1970 on'),
        ('expires_at', expires_at::text, expires_at > deliver_after,
         format('a time after deliver_after, %s', deliver_after))
    ) v (setting, found, valid, takes)
    where not v.valid;
    raise exception 'invalid %: %', invalid.setting, invalid.found
        using errcode = 'check_violation', schema = 'webhooks', table = 'event_logs', column = invalid.setting,
              hint = format('It takes %s.', invalid.takes);
end
$$;
comment on function webhooks_private.raise_invalid_event is
    'Raises the error for an event that match_events() finds invalid. category: that of its type; null: the type is '
    'unknown.';
