-- Functions with numbers run as the owner, whom no policy binds. Who calls them sees what row-level security shows of
-- the deliveries themselves: a manager the tenant that is set, or all with webhooks_all_tenants; a monitor all.

create function webhooks_private.monitors_all_tenants()
returns boolean
language sql stable parallel restricted
set search_path = pg_catalog, pg_temp
begin atomic
    select webhooks.bypasses_isolation(webhooks_private.caller())
        or pg_has_role(webhooks_private.caller(), 'webhooks_all_tenants', 'usage')
        or pg_has_role(webhooks_private.caller(), 'webhooks_monitor', 'usage')
           and not pg_has_role(webhooks_private.caller(), 'webhooks_manager', 'usage');
end;
comment on function webhooks_private.monitors_all_tenants is
    'Whether the caller of a function that runs as its owner may see the numbers of all tenants.';

create function webhooks_private.check_monitored_tenant(tenant_id uuid)
returns boolean
language sql stable parallel restricted
set search_path = pg_catalog, pg_temp
begin atomic
    select webhooks_private.monitors_all_tenants() or webhooks_private.check_tenant(tenant_id);
end;
comment on function webhooks_private.check_monitored_tenant is
    'True, or an error if the caller of a function that runs as its owner may not see a tenant''s numbers.';

create function webhooks_private.check_monitors_all()
returns void
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
begin
    if not webhooks_private.monitors_all_tenants() then
        raise exception 'role "%" may not see the numbers of all tenants', webhooks_private.caller()
            using errcode = 'insufficient_privilege',
                  hint = 'A member of webhooks_manager works for one tenant. If it is a member of webhooks_monitor as '
                         'well: set role webhooks_monitor;';
    end if;
end
$$;
comment on function webhooks_private.check_monitors_all is
    'An error if the caller of a function that runs as its owner may not see the numbers of all tenants.';
