-- Subscriptions as functions, for who would rather call than write DML; both are validated by the same trigger. They
-- run as their caller, so that its privileges and row-level security hold. What runs as the owner, here and below,
-- gets at a subscription through own_subscription(), which checks the tenant.

create function webhooks_private.raise_unknown_subscription(id uuid)
returns void
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
begin
    raise exception 'there is no subscription %', coalesce(id::text, 'null')
        using errcode = 'undefined_object',
              hint = 'Those of the tenant that is set are listed by: select id, name from '
                     'webhooks.list_subscriptions();';
end
$$;
comment on function webhooks_private.raise_unknown_subscription is
    'Raises the error for a subscription that there is not, or not for the caller.';
grant execute on function webhooks_private.raise_unknown_subscription to webhooks_manager;

create function webhooks.get_subscription(id uuid)
returns webhooks.subscription_settings
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
    subscription webhooks.subscription_settings;
begin
    select s.* into subscription from webhooks.subscription_settings s where s.id = get_subscription.id;
    if not found then
        perform webhooks_private.raise_unknown_subscription(id);
    end if;
    return subscription;
end
$$;
comment on function webhooks.get_subscription is
    'Returns a subscription, or raises an error. Secrets in webhook_headers, auth_config and template_secrets are '
    'null.';
grant execute on function webhooks.get_subscription to webhooks_manager;

create function webhooks.list_subscriptions(environment text default null, is_active boolean default null)
returns setof webhooks.subscription_settings
language sql stable
set search_path = pg_catalog, pg_temp
begin atomic
    select s.*
    from webhooks.subscription_settings s
    where (list_subscriptions.environment is null or s.environment = list_subscriptions.environment)
      and (list_subscriptions.is_active is null or (s.is_active is true) = list_subscriptions.is_active)
    order by s.tenant_id, s.name, s.environment, s.id;
end;
comment on function webhooks.list_subscriptions is
    'Returns the subscriptions of the tenant that is set, as get_subscription() does; for a role with all tenants, '
    'those of all tenants.';
grant execute on function webhooks.list_subscriptions to webhooks_manager;

create function webhooks_private.own_subscription(subscription_id uuid)
returns webhooks.webhook_subscriptions
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
    subscription webhooks.webhook_subscriptions;
begin
    select s.* into subscription from webhooks.webhook_subscriptions s where s.id = own_subscription.subscription_id;
    if not found or not webhooks_private.may_access_tenant(subscription.tenant_id) then
        perform webhooks_private.raise_unknown_subscription(subscription_id);
    end if;
    return subscription;
end
$$;
comment on function webhooks_private.own_subscription is
    'A subscription of a tenant that the caller may access, or an error. Secrets included: for functions that run as '
    'the owner.';

create function webhooks_private.settable_columns()
returns text[]
language sql stable parallel safe
set search_path = pg_catalog, pg_temp
begin atomic
    select array_agg(a.attname::text order by a.attnum)
    from pg_attribute a
    where a.attrelid = 'webhooks.webhook_subscriptions'::regclass and a.attnum > 0 and not a.attisdropped
      and a.attname not in ('id', 'tenant_id', 'created_at', 'updated_at', 'disabled_reason', 'version');
end;
comment on function webhooks_private.settable_columns is 'Columns of a subscription that are its owner''s to set.';
grant execute on function webhooks_private.settable_columns to webhooks_manager;

create function webhooks_private.subscription_row(settings jsonb)
returns webhooks.webhook_subscriptions
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
    known constant text[] := webhooks_private.settable_columns();
    setting record;
begin
    if jsonb_typeof(settings) is distinct from 'object' then
        raise exception 'a subscription''s settings are an object, not %', coalesce(jsonb_typeof(settings), 'null')
            using errcode = 'invalid_parameter_value',
                  hint = 'Write for example {"name": "Invoices", "retry_count": 5}.';
    end if;
    for setting in select k.name from jsonb_object_keys(settings) k (name) where k.name <> all (known) loop
        raise exception 'a subscription has no setting "%"', left(setting.name, 100)
            using errcode = 'invalid_parameter_value', hint = format('Settings are %s.', array_to_string(known, ', '));
    end loop;
    begin
        return jsonb_populate_record(null::webhooks.webhook_subscriptions, settings);
    exception when data_exception then
        -- PostgreSQL doesn't say which one.
        for setting in
            select s.key as name, s.value, format_type(a.atttypid, a.atttypmod) as type
            from jsonb_each(settings) s
            join pg_attribute a on a.attrelid = 'webhooks.webhook_subscriptions'::regclass and a.attname = s.key
        loop
            begin
                perform jsonb_populate_record(null::webhooks.webhook_subscriptions,
                                              jsonb_build_object(setting.name, setting.value));
            exception when data_exception then
                raise exception 'invalid %: %', setting.name, left(setting.value::text, 100)
                    using errcode = 'invalid_parameter_value',
                    hint = format('It takes a value of type %s.', setting.type);
            end;
        end loop;
        raise;
    end;
end
$$;
comment on function webhooks_private.subscription_row is
    'Settings as a row with nulls for the rest, or an error for the first that there is not or that has another type.';
grant execute on function webhooks_private.subscription_row to webhooks_manager;

create function webhooks_private.insert_subscription(tenant_id uuid, settings jsonb)
returns uuid
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
    subscription constant webhooks.webhook_subscriptions := webhooks_private.subscription_row(settings);
    new_id uuid;
begin
    execute format(
        'insert into webhooks.webhook_subscriptions (tenant_id%1$s) select $1%1$s from (select ($2).*) s returning id',
        -- What is null has its default.
        (select string_agg(format(', %I', s.key), '') from jsonb_each(settings) s where s.value <> 'null'))
    into new_id using insert_subscription.tenant_id, subscription;
    return new_id;
end
$$;
comment on function webhooks_private.insert_subscription is
    'Makes a subscription of settings by name: what create_subscription() and import_subscriptions() have in common.';
grant execute on function webhooks_private.insert_subscription to webhooks_manager;

create function webhooks.create_subscription(
    tenant_id uuid,
    name text,
    webhook_url text,
    subscribed_events jsonb,
    environment text default null,
    description text default null,
    webhook_method text default null,
    webhook_headers jsonb default null,
    auth_type text default null,
    auth_config jsonb default null,
    event_filters jsonb default null,
    retry_count integer default null,
    retry_delay_seconds integer default null,
    timeout_seconds integer default null,
    max_payload_size_kb integer default null,
    no_retry_statuses integer[] default null,
    max_in_flight integer default null,
    rate_limit_per_second double precision default null,
    rate_limit_burst integer default null,
    ordering text default null,
    breaker_failure_threshold integer default null,
    breaker_cooldown_seconds integer default null,
    payload_format text default null,
    payload_template text default null,
    payload_content_type text default null,
    template_secrets jsonb default null,
    endpoint_verification text default null,
    is_active boolean default null,
    is_enabled boolean default null,
    created_by uuid default null,
    retry_schedule text default null,
    delivery text default null,
    expires_at timestamptz default null
)
returns uuid
language sql volatile
set search_path = pg_catalog, pg_temp
begin atomic
    select webhooks_private.insert_subscription(tenant_id, jsonb_build_object(
        'name', name, 'webhook_url', webhook_url, 'subscribed_events', subscribed_events, 'environment', environment,
        'description', description, 'webhook_method', webhook_method, 'webhook_headers', webhook_headers,
        'auth_type', auth_type, 'auth_config', auth_config, 'event_filters', event_filters, 'retry_count', retry_count,
        'retry_delay_seconds', retry_delay_seconds, 'timeout_seconds', timeout_seconds,
        'max_payload_size_kb', max_payload_size_kb, 'no_retry_statuses', no_retry_statuses, 'max_in_flight',
        max_in_flight,
        'rate_limit_per_second', rate_limit_per_second, 'rate_limit_burst', rate_limit_burst, 'ordering', ordering,
        'breaker_failure_threshold', breaker_failure_threshold, 'breaker_cooldown_seconds', breaker_cooldown_seconds,
        'payload_format', payload_format, 'payload_template', payload_template, 'payload_content_type',
        payload_content_type,
        'template_secrets', template_secrets, 'endpoint_verification', endpoint_verification,
        'is_active', is_active, 'is_enabled', is_enabled, 'created_by', created_by, 'retry_schedule', retry_schedule,
        'delivery', delivery, 'expires_at', expires_at));
end;
comment on function webhooks.create_subscription is
    'Creates a subscription and returns its id. The columns of webhook_subscriptions describe the parameters, and '
    'null stands for the default of a column. By default a delivery fails after 3 retries, 7 minutes after the first '
    'attempt; with retry_schedule => ''standard-webhooks'', after 28 hours. With delivery => ''poll'' the receiver '
    'fetches its deliveries, and webhook_url may be null.';
grant execute on function webhooks.create_subscription to webhooks_manager;

create function webhooks.update_subscription(id uuid, changes jsonb)
returns webhooks.subscription_settings
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
    subscription constant webhooks.webhook_subscriptions := webhooks_private.subscription_row(changes);
begin
    if changes ? 'created_by' then
        raise exception 'created_by of a subscription can''t change'
            using errcode = 'invalid_parameter_value',
                  hint = 'The audit log has who changed it: select * from webhooks.audit_log;';
    end if;
    if changes <> '{}' then
        execute format(
            'update webhooks.webhook_subscriptions s set (%1$s) = (select %1$s from (select ($1).*) n) where s.id = $2',
            (select string_agg(format('%I', c.name), ', ') from jsonb_object_keys(changes) c (name)))
        using subscription, update_subscription.id;
    end if;
    return webhooks.get_subscription(id);
end
$$;
comment on function webhooks.update_subscription is
    'Changes columns of a subscription, for example {"retry_count": 5}, and returns it as get_subscription() does. '
    'In webhook_headers, auth_config and template_secrets a null keeps the stored secret.';
grant execute on function webhooks.update_subscription to webhooks_manager;

create function webhooks.delete_subscription(id uuid)
returns void
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    perform webhooks_private.own_subscription(id);
    delete from webhooks.webhook_subscriptions s where s.id = delete_subscription.id;
end
$$;
comment on function webhooks.delete_subscription is
    'Deletes a subscription and cancels its outstanding deliveries; its log remains. Managers have no DELETE '
    'privilege, since a role with it may LOCK the table and stop the deliveries of all tenants.';
grant execute on function webhooks.delete_subscription to webhooks_manager;

create function webhooks.set_subscriptions_enabled(ids uuid[], enabled boolean)
returns bigint
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
    changed bigint;
begin
    if enabled is null then
        raise exception 'enabled is null'
            using errcode = 'null_value_not_allowed', hint = 'Give true or false.';
    end if;
    perform webhooks_private.check_count('ids', cardinality(ids), 10000);
    -- In an order, or two that do the same might wait for each other.
    perform from webhooks.webhook_subscriptions s
    where s.id = any (set_subscriptions_enabled.ids) order by s.id for no key update;
    perform webhooks.get_subscription(i.id) from unnest(ids) i (id);
    update webhooks.webhook_subscriptions s
    set is_enabled = set_subscriptions_enabled.enabled
    where s.id = any (set_subscriptions_enabled.ids)
      and s.is_enabled is distinct from set_subscriptions_enabled.enabled;
    get diagnostics changed = row_count;
    return changed;
end
$$;
comment on function webhooks.set_subscriptions_enabled is
    'Enables or disables up to 10,000 subscriptions, all or none, and returns the number of changed ones. A disabled '
    'subscription matches no new events, and its outstanding deliveries are held.';
grant execute on function webhooks.set_subscriptions_enabled to webhooks_manager;
