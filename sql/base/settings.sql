-- Settings of the whole system. Defaults live here, in code; only what a DBA changed is a row, so that dumps
-- carry exactly the changes.
create table webhooks_private.setting_overrides (
    name text primary key,
    value bigint,
    text_value text,
    constraint setting_overrides_value_check check (num_nonnulls(value, text_value) = 1)
);
comment on table webhooks_private.setting_overrides is
    'Settings that differ from their default. Read webhooks.settings; write with set_setting() and reset_setting().';
comment on column webhooks_private.setting_overrides.name is 'Name of the setting.';
comment on column webhooks_private.setting_overrides.value is
    'Value, in the unit that webhooks.settings shows; null: the setting is a text.';
comment on column webhooks_private.setting_overrides.text_value is 'Value of a setting that is a text.';
select pg_catalog.pg_extension_config_dump('webhooks_private.setting_overrides', '');
grant select on webhooks_private.setting_overrides to webhooks_manager, webhooks_monitor;

create function webhooks_private.setting_definitions()
returns table (name text, default_value bigint, unit text, min_value bigint, max_value bigint, description text)
language sql immutable parallel safe
begin atomic
    values
        ('max_retry_delay_seconds', 21600::bigint, 's', 1::bigint, 604800::bigint,
         'Longest backoff between two attempts. 6 hours: a receiver that is down overnight is tried again in the '
         'morning.'),
        ('max_retry_after_seconds', 86400, 's', 0, 604800,
         'Longest Retry-After that is obeyed; a longer one counts as this. One day covers every documented quota '
         'window.'),
        ('max_delivery_age_seconds', 604800, 's', 60, 31536000,
         'Deliveries of older events become expired instead of being tried. 7 days.'),
        ('max_response_body_bytes', 4096, 'bytes', 0, 1048576,
         'How much of a response body the log keeps. 4 KiB holds an error page''s message.'),
        ('max_response_headers_bytes', 4096, 'bytes', 0, 65536,
         'How much of the response headers the log keeps.'),
        ('idempotency_retention_hours', 168, 'h', 0, 8760,
         'How long an idempotency key is remembered; 0: for good. 7 days, beyond the retry horizon of common clients.'),
        ('event_retention_days', 0, 'days', 0, 7300,
         'For how many days maintain() keeps events; 0: for good, since only you know what may go. An event that an '
         'outstanding delivery needs is kept longer.'),
        ('delivery_log_retention_days', 0, 'days', 0, 7300,
         'For how many days maintain() keeps attempts, and as whole months redeliveries; 0: for good. They may be kept '
         'for longer than their events, and shorter. The days count from when the delivery was made.'),
        ('response_retention_days', 0, 'days', 0, 7300,
         'For how many days maintain() keeps response headers and bodies; 0: as long as their attempts. Receivers may '
         'answer with personal data that nobody needs for as long as the fact that they did.'),
        ('audit_retention_months', 0, 'months', 0, 240,
         'For how many months maintain() keeps the audit log; 0: for good.'),
        ('breaker_failure_threshold', 10, 'failures', 0, 1000000,
         'So many failures of a subscription in a row, without a success between them, open its circuit breaker; 0: '
         'never. 10: no single event''s retries alone.'),
        ('breaker_cooldown_seconds', 60, 's', 1, 86400,
         'How long an open breaker holds deliveries back before one of them probes the receiver.'),
        ('disable_after_failing_hours', 120, 'h', 0, 8760,
         'A subscription that had nothing but failures for so long is disabled at the next one; 0: never. 5 days '
         'span a long weekend.'),
        ('secret_overlap_seconds', 86400, 's', 0, 2592000,
         'How long requests are signed with the secret before, too, after a subscription''s signing secret was '
         'changed; 0: not at all. A day: time to change the receiver''s.'),
        ('partition_days_ahead', 7, 'days', 1, 366,
         'For how many days maintain() keeps partitions ready; a week without a sidecar needs no default partition.'),
        ('metrics_retention_days', 400, 'days', 1, 3650,
         'How long the numbers of each hour are kept, which reports read. 400 days: this month and the same one a '
         'year ago.'),
        ('alert_history_days', 90, 'days', 1, 3650,
         'How long alerts that are resolved are kept, at most the last 10,000. 90 days: to compare with last month.'),
        ('max_event_data_bytes', 16777216, 'bytes', 65536, 67108864,
         'Largest event_data of an event, and largest resource_data, as text. 16 MiB: sixteen times what a '
         'subscription takes by default (max_payload_size_kb), and what filters and schemas read in seconds at '
         'worst. No subscription takes more than 64 MiB.'),
        ('tenant_max_subscriptions', 0, 'subscriptions', 0, 1000000,
         'How many subscriptions a tenant may have that has no limit of its own in tenant_limits; 0: no limit.'),
        ('tenant_max_events_per_minute', 0, 'events', 0, 1000000000,
         'How many events such a tenant may publish: so many at once, and so many a minute over time; 0: no limit.'),
        ('tenant_max_outstanding_deliveries', 0, 'deliveries', 0, 1000000000,
         'With how many outstanding deliveries such a tenant can''t publish any more; 0: no limit.');
end;
comment on function webhooks_private.setting_definitions is
    'Every setting that is a number: default, unit, range and why.';
grant execute on function webhooks_private.setting_definitions to webhooks_manager, webhooks_monitor;

create function webhooks_private.text_setting_definitions()
returns table (name text, default_text text, pattern text, takes text, description text)
language sql immutable parallel safe
begin atomic
    values
        ('endpoint_verification', 'none', '^(none|options|required)$', 'none, options or required',
         'Whether a receiver has to agree, in answer to an OPTIONS request, before it gets its first delivery. none: '
         'where its subscription says so; options: unless its subscription says none; required: always.'),
        ('verification_origin', null::text,
         '^(?=.{1,253}$)[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*$',
         'a DNS name, for example events.example.com',
         'Who asks: the name of this system in WebHook-Request-Origin. Receivers agree to it; another one is asked '
         'for anew.'),
        ('operator_tenant_id', null, '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$',
         'the id of a tenant: a UUID in lower case',
         'Tenant whose subscriptions get alerts as events: system.alert.fired and system.alert.resolved. Not set: no '
         'events are made of alerts.');
end;
comment on function webhooks_private.text_setting_definitions is
    'Every setting that is a text: default, what it takes and why.';
grant execute on function webhooks_private.text_setting_definitions to webhooks_manager, webhooks_monitor;

create function webhooks_private.setting(name text)
returns bigint
language sql stable parallel safe
set search_path = pg_catalog, pg_temp
begin atomic
    select coalesce(
        (select o.value from webhooks_private.setting_overrides o where o.name = setting.name),
        (select d.default_value from webhooks_private.setting_definitions() d where d.name = setting.name)
    );
end;
comment on function webhooks_private.setting is 'The value in force of one setting that is a number.';

create function webhooks_private.text_setting(name text)
returns text
language sql stable parallel safe
set search_path = pg_catalog, pg_temp
begin atomic
    select coalesce(
        (select o.text_value from webhooks_private.setting_overrides o where o.name = text_setting.name),
        (select d.default_text from webhooks_private.text_setting_definitions() d where d.name = text_setting.name)
    );
end;
comment on function webhooks_private.text_setting is
    'The value in force of one setting that is a text; null: it is not set.';

create view webhooks.settings with (security_invoker = true) as
select d.name, coalesce(o.value, d.default_value) as value, d.unit, d.default_value, d.min_value, d.max_value,
       d.description,
       null::text as text_value, null::text as default_text
from webhooks_private.setting_definitions() d
left join webhooks_private.setting_overrides o on o.name = d.name
union all
select d.name, null, 'text', null, null, null, d.description, coalesce(o.text_value, d.default_text), d.default_text
from webhooks_private.text_setting_definitions() d
left join webhooks_private.setting_overrides o on o.name = d.name;
comment on view webhooks.settings is
    'Settings in force, with unit, default, range and meaning. Change a setting with set_setting().';
comment on column webhooks.settings.name is 'Name of the setting.';
comment on column webhooks.settings.value is 'Value in force; null: the setting is a text.';
comment on column webhooks.settings.unit is
    'Unit of value, default_value, min_value and max_value; text: the setting is a text.';
comment on column webhooks.settings.default_value is 'Value unless it is set.';
comment on column webhooks.settings.min_value is 'Lowest value.';
comment on column webhooks.settings.max_value is 'Highest value.';
comment on column webhooks.settings.description is 'What the setting does, and why the default is what it is.';
comment on column webhooks.settings.text_value is 'Value in force of a setting that is a text.';
comment on column webhooks.settings.default_text is 'Value of a setting that is a text unless it is set; null: none.';
grant select on webhooks.settings to webhooks_manager, webhooks_monitor;

create function webhooks.set_setting(name text, value bigint)
returns void
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_variable
declare
    definition record;
begin
    select d.* into definition from webhooks_private.setting_definitions() d where d.name = set_setting.name;
    if not found then
        if exists (select from webhooks_private.text_setting_definitions() d where d.name = set_setting.name) then
            perform webhooks.set_setting(name, value::text);
            return;
        end if;
        raise exception 'there is no setting "%"', left(name, 100)
            using errcode = 'undefined_object', hint = 'Settings are listed by: select * from webhooks.settings;';
    end if;
    if value is null or value not between definition.min_value and definition.max_value then
        raise exception 'setting "%" can''t be % %', name, coalesce(value::text, 'null'), definition.unit
            using errcode = 'invalid_parameter_value',
                  hint = format('It takes %s to %s %s.', definition.min_value, definition.max_value, definition.unit);
    end if;
    -- Limits go on to lock event_logs: first of all then, as create_partitions() does.
    if starts_with(name, 'tenant_max_') then
        perform webhooks_private.lock_xact(webhooks_private.change_lock(), 0);
    end if;
    insert into webhooks_private.setting_overrides as o (name, value) values (set_setting.name, set_setting.value)
    on conflict on constraint setting_overrides_pkey do update set value = excluded.value;
    perform webhooks_private.notify('webhooks_changed', 'settings');
end
$$;
comment on function webhooks.set_setting(text, bigint) is
    'Changes a setting. Running sidecars apply the new value at commit.';

create function webhooks_private.check_verification_settings()
returns void
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
    waiting bigint;
begin
    if webhooks_private.text_setting('endpoint_verification') <> 'none'
        and webhooks_private.text_setting('verification_origin') is null then
        raise exception 'endpoint_verification is %, and verification_origin is not set',
            webhooks_private.text_setting('endpoint_verification')
            using errcode = 'object_not_in_prerequisite_state',
                  hint = 'Receivers must be told who asks: select webhooks.set_setting(''verification_origin'', '
                         '''events.example.com''); '
                         'or turn verification off first: select webhooks.reset_setting(''endpoint_verification'');';
    end if;
    if webhooks_private.text_setting('verification_origin') is null then
        select count(*) into waiting from webhooks.webhook_subscriptions s where s.endpoint_verification = 'options';
        if waiting > 0 then
            raise warning 'subscriptions with endpoint_verification = options get nothing while verification_origin '
                          'is not set: %', waiting
                using hint = 'Set it again, or set their endpoint_verification to none.';
        end if;
    end if;
end
$$;
comment on function webhooks_private.check_verification_settings is
    'Raises an error if endpoints are to be verified and the setting is missing that says for whom; a warning if '
    'only some are.';

create function webhooks.set_setting(name text, value text)
returns void
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_variable
declare
    definition record;
begin
    select d.* into definition from webhooks_private.text_setting_definitions() d where d.name = set_setting.name;
    if not found then
        -- A number in quotes, or nothing that there is: the error is the other one's.
        if value is null or value ~ '^-?[0-9]{1,18}$'
            or not exists (select from webhooks_private.setting_definitions() d where d.name = set_setting.name) then
            perform webhooks.set_setting(name, case when value ~ '^-?[0-9]{1,18}$' then value::bigint end);
            return;
        end if;
        raise exception 'setting "%" can''t be "%"', name, left(value, 100)
            using errcode = 'invalid_parameter_value', hint = 'It takes a number: see webhooks.settings.';
    end if;
    if value is null or value !~ definition.pattern then
        raise exception 'setting "%" can''t be %', name, coalesce('"' || left(value, 300) || '"', 'null')
            using errcode = 'invalid_parameter_value', hint = format('It takes %s; reset_setting() gives it its '
                                                                     'default back.', definition.takes);
    end if;
    insert into webhooks_private.setting_overrides as o (name, text_value) values (set_setting.name, set_setting.value)
    on conflict on constraint setting_overrides_pkey do update set text_value = excluded.text_value;
    perform webhooks_private.check_verification_settings();
    perform webhooks_private.notify('webhooks_changed', 'settings');
end
$$;
comment on function webhooks.set_setting(text, text) is
    'Changes a setting that is a text. Running sidecars apply the new value at commit.';

create function webhooks.reset_setting(name text)
returns void
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
begin
    -- As in set_setting().
    if starts_with(name, 'tenant_max_') then
        perform webhooks_private.lock_xact(webhooks_private.change_lock(), 0);
    end if;
    delete from webhooks_private.setting_overrides o where o.name = reset_setting.name;
    perform webhooks_private.check_verification_settings();
    perform webhooks_private.notify('webhooks_changed', 'settings');
end
$$;
comment on function webhooks.reset_setting is 'Restores the default of a setting.';
create trigger audit_change
    after insert or update or delete on webhooks_private.setting_overrides
    for each row execute function webhooks_private.audit_change('setting', 'name');
