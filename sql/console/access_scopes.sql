create function webhooks_private.access_scopes()
returns table (scope text, role name, meaning text)
language sql immutable parallel safe
begin atomic
    values
        ('webhook_subscriptions:create', 'webhooks_manager'::name, 'Create subscriptions.'),
        ('webhook_subscriptions:read', 'webhooks_manager', 'Read subscriptions and their deliveries.'),
        ('webhook_subscriptions:update', 'webhooks_manager', 'Change subscriptions.'),
        ('webhook_subscriptions:delete', 'webhooks_manager', 'Delete subscriptions.'),
        ('webhook_subscriptions:test', 'webhooks_manager', 'Send tests.'),
        ('webhook_subscriptions:retry', 'webhooks_manager', 'Make deliveries again.'),
        ('webhook_subscriptions:poll', 'webhooks_manager', 'Fetch and acknowledge deliveries of polled subscriptions.'),
        ('events:publish', 'webhooks_publisher', 'Publish events.'),
        ('events:read', 'webhooks_manager', 'Read events, their deliveries, and event types.'),
        ('metrics:read', 'webhooks_manager', 'Read numbers of deliveries, events and endpoints, limits and usage.'),
        ('audit:read', 'webhooks_manager', 'Read the audit log of the tenant.'),
        ('operator:read', 'webhooks_monitor', 'Read states of all tenants, without contents.');
end;
comment on function webhooks_private.access_scopes is
    'What an access token can permit, and the role that a request takes for it. Scopes of operators (operator:...) '
    'name no tenant: only a token for all tenants can have them.';

create function webhooks_private.check_access_scopes(scopes text[], tenant_id uuid)
returns void
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
    known constant text := (select string_agg(s.scope, ', ') from webhooks_private.access_scopes() s);
    wrong text;
    needed name;
begin
    if coalesce(cardinality(scopes), 0) = 0 then
        raise exception 'an access token without scopes permits nothing'
            using errcode = 'invalid_parameter_value', hint = format('Scopes are %s.', known);
    end if;
    select coalesce('"' || left(w.scope, 100) || '"', 'null') into wrong
    from unnest(scopes) w (scope)
    where not exists (select from webhooks_private.access_scopes() s where s.scope = w.scope) limit 1;
    if found then
        raise exception 'there is no scope %', wrong
            using errcode = 'invalid_parameter_value', hint = format('Scopes are %s.', known);
    end if;
    select s.scope into wrong from unnest(scopes) s (scope) where s.scope like 'operator:%' limit 1;
    if found and tenant_id is not null then
        raise exception 'the scope "%" is for all tenants, and the token for one', wrong
            using errcode = 'invalid_parameter_value', hint = 'Leave the scope out, or give null as tenant.';
    end if;
    -- Nobody gives what they do not have.
    select s.role, s.scope into needed, wrong
    from webhooks_private.access_scopes() s
    where s.scope = any (scopes) and not pg_has_role(webhooks_private.caller(), s.role, 'usage')
      and not webhooks_private.owns_extension(webhooks_private.caller()) limit 1;
    if found then
        raise exception 'role "%" can''t give the scope "%"', webhooks_private.caller(), wrong
            using errcode = 'insufficient_privilege', hint = format('Only members of %s can.', needed);
    end if;
end
$$;
comment on function webhooks_private.check_access_scopes is
    'Raises an error for the first scope that there is not, that a token of the tenant cannot have, or that the caller '
    'of a function that runs as its owner can''t give.';
