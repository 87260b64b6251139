-- Subscriptions by the dozen: out of one database or environment and into another. By name, since ids are the
-- database's.

create function webhooks_private.lock_tenant(tenant_id uuid)
returns void
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    perform webhooks_private.check_tenant(tenant_id);
    perform webhooks_private.lock_xact(webhooks_private.tenant_lock(), hashtext(tenant_id::text));
end
$$;
comment on function webhooks_private.lock_tenant is
    'Lets one transaction at a time do for a tenant what looks first whether it is done already: import, copy, '
    'retry, replay.';
grant execute on function webhooks_private.lock_tenant to webhooks_manager;

create function webhooks.export_subscriptions(tenant_id uuid, subscription_ids uuid[] default null)
returns jsonb
language sql stable
set search_path = pg_catalog, pg_temp
begin atomic
    select coalesce(jsonb_agg(e.settings order by e.name, e.environment, e.id), '[]')
    from (
        select s.name, s.environment, s.id, jsonb_object_agg(c.key, c.value) as settings
        from webhooks.subscription_settings s
        cross join jsonb_each(
            to_jsonb(s)
            -- Null counts as false, but would be imported as the default.
            || jsonb_build_object('is_active', s.is_active is true, 'is_enabled', s.is_enabled is true)) c
        where s.tenant_id = export_subscriptions.tenant_id
          and (export_subscriptions.subscription_ids is null or s.id = any (export_subscriptions.subscription_ids))
          and c.key = any (webhooks_private.settable_columns()) and c.key <> 'created_by'
        group by s.id, s.name, s.environment
    ) e;
end;
comment on function webhooks.export_subscriptions is
    'Returns the subscriptions of a tenant, all or those with the given ids, in the form that import_subscriptions() '
    'takes. Secrets are null.';
grant execute on function webhooks.export_subscriptions to webhooks_manager;

create function webhooks_private.subscription_changes(id uuid, settings jsonb)
returns table (before jsonb, after jsonb)
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    present constant jsonb := to_jsonb(webhooks_private.own_subscription(id));
    given constant jsonb := to_jsonb(webhooks_private.subscription_row(settings));
    wanted jsonb := present;
    setting text;
begin
    for setting in select k.name from jsonb_object_keys(settings) k (name) loop
        wanted := wanted || jsonb_build_object(
            setting,
            case when setting in ('webhook_headers', 'auth_config', 'template_secrets')
                then webhooks_private.keep_secrets(given -> setting, present -> setting)
                 else given -> setting end);
    end loop;
    return query
    select webhooks_private.redact_subscription(webhooks_private.only_changes(present, wanted)),
           webhooks_private.redact_subscription(webhooks_private.only_changes(wanted, present));
end
$$;
comment on function webhooks_private.subscription_changes is
    'What an update with these settings would change, as the audit log would show it; two empty objects if nothing.';
grant execute on function webhooks_private.subscription_changes to webhooks_manager;

create function webhooks_private.import_subscription(
    tenant_id uuid, settings jsonb, out action text, out subscription_id uuid, out before jsonb, out after jsonb
)
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
    present constant uuid[] := array(
        select s.id from webhooks.webhook_subscriptions s
        where s.tenant_id = import_subscription.tenant_id
          and s.name = import_subscription.settings ->> 'name'
          and s.environment = coalesce(import_subscription.settings ->> 'environment', 'production'));
begin
    case cardinality(present)
        when 0 then
            action := 'created';
            subscription_id := webhooks_private.insert_subscription(tenant_id, settings);
            after := webhooks_private.redact_subscription(settings);
        when 1 then
            subscription_id := present[1];
            select c.before, c.after into before, after
            from webhooks_private.subscription_changes(subscription_id, settings) c;
            action := case when before = '{}' and after = '{}' then 'unchanged' else 'updated' end;
            if action = 'updated' then
                perform webhooks.update_subscription(subscription_id, settings);
            end if;
        else
            raise exception 'there are % subscriptions of this name and environment', cardinality(present)
                using errcode = 'invalid_parameter_value', hint = 'Rename all but one of them.';
    end case;
end
$$;
comment on function webhooks_private.import_subscription is
    'Creates the subscription of this name and environment, or updates it. Part of import_subscriptions().';
grant execute on function webhooks_private.import_subscription to webhooks_manager;

create function webhooks.import_subscriptions(tenant_id uuid, subscriptions jsonb, dry_run boolean default false)
returns table (name text, environment text, action text, subscription_id uuid, before jsonb, after jsonb, error text,
               hint text)
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_variable
declare
    item jsonb;
    seen jsonb[] := '{}';
    invalid text[] := '{}';
begin
    if jsonb_typeof(subscriptions) is distinct from 'array' then
        raise exception 'subscriptions to import are an array, not %', coalesce(jsonb_typeof(subscriptions), 'null')
            using errcode = 'invalid_parameter_value', hint = 'Give what webhooks.export_subscriptions() returned.';
    end if;
    perform webhooks_private.check_count('subscriptions', jsonb_array_length(subscriptions), 10000);
    perform webhooks_private.lock_tenant(tenant_id);
    begin
        for item in select i.item from jsonb_array_elements(subscriptions) i (item) loop
            name := item ->> 'name';
            environment := coalesce(item ->> 'environment', 'production');
            subscription_id := null;
            before := null;
            after := null;
            error := null;
            hint := null;
            begin
                perform webhooks_private.subscription_row(item);
                if name is not null and jsonb_build_array(name, environment) = any (seen) then
                    raise exception 'name and environment are there twice'
                        using errcode = 'invalid_parameter_value',
                              hint = 'They tell which subscription is meant: give another name.';
                end if;
                seen := seen || jsonb_build_array(name, environment);
                select i.action, i.subscription_id, i.before, i.after into action, subscription_id, before, after
                from webhooks_private.import_subscription(tenant_id, item) i;
            exception when data_exception or integrity_constraint_violation or configuration_limit_exceeded then
                action := 'invalid';
                subscription_id := null;
                before := null;
                after := null;
                get stacked diagnostics error = message_text, hint = pg_exception_hint;
                invalid := invalid || format('"%s" (%s): %s. %s', name, environment, error, hint);
            end;
            if dry_run and action = 'created' then
                subscription_id := null;
            end if;
            return next;
        end loop;
        if dry_run then
            raise exception using errcode = 'WHDRY';
        end if;
    exception when sqlstate 'WHDRY' then
        -- All that was done is undone; what was returned stays.
    end;
    if not dry_run and cardinality(invalid) > 0 then
        raise exception '% of % subscriptions can''t be imported, so none was', cardinality(invalid),
            jsonb_array_length(subscriptions)
            using errcode = 'invalid_parameter_value', detail = array_to_string(invalid, E'\n'),
                  hint = 'With dry_run => true these are rows, beside what would become of the others.';
    end if;
end
$$;
comment on function webhooks.import_subscriptions is
    'Creates and updates subscriptions, all or none, from an array of at most 10,000 objects. name and environment '
    'identify a subscription, and columns that an object does not have remain as they are. In webhook_headers, '
    'auth_config and template_secrets a null keeps the stored secret. Returns the action for each subscription: '
    'created, updated or unchanged. dry_run returns the actions without taking them, or invalid with the error.';
grant execute on function webhooks.import_subscriptions to webhooks_manager;

create function webhooks.copy_subscriptions(tenant_id uuid, from_environment text, to_environment text,
                                            dry_run boolean default false)
returns table (name text, action text)
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
    invalid text;
    settings text;
begin
    perform webhooks_private.check_tenant(tenant_id);
    select e.name into invalid
    from unnest(array[from_environment, to_environment]) e (name)
    where (e.name in ('dev', 'staging', 'production')) is not true;
    if found then
        raise exception 'invalid environment: %', coalesce(invalid, 'null')
            using errcode = 'invalid_parameter_value', hint = 'It takes dev, staging or production.';
    end if;
    if from_environment = to_environment then
        raise exception 'subscriptions of % can''t be copied to where they are', from_environment
            using errcode = 'invalid_parameter_value', hint = 'Give two environments.';
    end if;
    perform webhooks_private.lock_tenant(tenant_id);
    return query
    select s.name::text,
           case when exists (select from webhooks.webhook_subscriptions t
                             where t.tenant_id = s.tenant_id and t.environment = to_environment and t.name = s.name)
                then 'exists' else 'created' end
    from webhooks.webhook_subscriptions s
    where s.tenant_id = copy_subscriptions.tenant_id and s.environment = from_environment
    order by s.name, s.id;
    if not dry_run then
        select string_agg(format(', %I', c.name), '') into settings
        from unnest(webhooks_private.settable_columns()) c (name)
        where c.name not in ('environment', 'created_by');
        execute format(
            'insert into webhooks.webhook_subscriptions (tenant_id, environment, disabled_reason%1$s)
             select s.tenant_id, $3, s.disabled_reason%1$s
             from webhooks.webhook_subscriptions s
             where s.tenant_id = $1 and s.environment = $2
               and not exists (select from webhooks.webhook_subscriptions t
                               where t.tenant_id = s.tenant_id and t.environment = $3 and t.name = s.name)',
            settings)
        using tenant_id, from_environment, to_environment;
    end if;
end
$$;
comment on function webhooks.copy_subscriptions is
    'Copies the subscriptions of a tenant to another environment, with their secrets, which are not shown. A '
    'subscription whose name exists there is left out. Returns the action for each subscription: created or exists. '
    'dry_run returns the actions without taking them.';
grant execute on function webhooks.copy_subscriptions to webhooks_manager;
