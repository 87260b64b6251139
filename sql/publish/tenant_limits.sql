-- What a tenant may have at the most. Limits of its own, or else the settings tenant_max_*; 0 is no limit. They
-- protect the others from a tenant that runs wild, and cost who has none nothing: see limit_events.sql.

create table webhooks.tenant_limits (
    tenant_id uuid primary key,
    max_subscriptions bigint,
    max_events_per_minute bigint,
    max_outstanding_deliveries bigint,
    constraint tenant_limits_subscriptions_check check (max_subscriptions between 0 and 1000000),
    constraint tenant_limits_events_check check (max_events_per_minute between 0 and 1000000000),
    constraint tenant_limits_outstanding_check check (max_outstanding_deliveries between 0 and 1000000000)
);
comment on table webhooks.tenant_limits is
    'Limits of single tenants. For other tenants the settings tenant_max_subscriptions, tenant_max_events_per_minute '
    'and tenant_max_outstanding_deliveries apply. Write with set_tenant_limits(); read the usage with tenant_usage().';
comment on column webhooks.tenant_limits.tenant_id is 'The tenant.';
comment on column webhooks.tenant_limits.max_subscriptions is
    'Largest number of subscriptions, disabled ones included; 0: no limit; null: the setting '
    'tenant_max_subscriptions.';
comment on column webhooks.tenant_limits.max_events_per_minute is
    'Largest number of events, at once and per minute over time; 0: no limit; null: the setting '
    'tenant_max_events_per_minute.';
comment on column webhooks.tenant_limits.max_outstanding_deliveries is
    'Number of outstanding deliveries from which on the tenant cannot publish; 0: no limit; null: the setting '
    'tenant_max_outstanding_deliveries.';
select pg_catalog.pg_extension_config_dump('webhooks.tenant_limits', '');
-- What a tenant may use is no secret. The owner sets limits, and roles to which the DBA grants set_tenant_limits().
grant select on webhooks.tenant_limits to webhooks_manager, webhooks_monitor;

create trigger audit_change
    after insert or update or delete on webhooks.tenant_limits
    for each row execute function webhooks_private.audit_change('limits', 'tenant_id');

create function webhooks_private.limits_of(tenant_id uuid)
returns webhooks.tenant_limits
language sql stable
set search_path = pg_catalog, pg_temp
begin atomic
    select limits_of.tenant_id,
           coalesce(l.max_subscriptions, webhooks_private.setting('tenant_max_subscriptions')),
           coalesce(l.max_events_per_minute, webhooks_private.setting('tenant_max_events_per_minute')),
           coalesce(l.max_outstanding_deliveries, webhooks_private.setting('tenant_max_outstanding_deliveries'))
    from (values (true)) v
    left join webhooks.tenant_limits l on l.tenant_id = limits_of.tenant_id;
end;
comment on function webhooks_private.limits_of is 'The limits in force of a tenant; 0: none.';

create function webhooks_private.sync_limit_trigger()
returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp
-- Publishers wait behind who waits for this lock.
set lock_timeout = '900ms'
as $$
declare
    default_events bigint;
    default_outstanding bigint;
    wanted boolean;
    arguments text;
    found_one text;
begin
    -- A change is made after a second look: other sessions may change limits at the same time.
    for look in 1 .. 2 loop
        default_events := coalesce(
            (select o.value from webhooks_private.setting_overrides o where o.name = 'tenant_max_events_per_minute'),
            0);
        default_outstanding := coalesce(
            (select o.value from webhooks_private.setting_overrides o
             where o.name = 'tenant_max_outstanding_deliveries'), 0);
        wanted := default_events > 0 or default_outstanding > 0 or exists (
            select from webhooks.tenant_limits l
            where l.max_events_per_minute > 0 or l.max_outstanding_deliveries > 0);
        arguments := format('%L, %L', default_events, default_outstanding);
        found_one := (
            select pg_get_triggerdef(t.oid) from pg_trigger t
            where t.tgrelid = 'webhooks.event_logs'::regclass and t.tgname = 'a10_limit_events');
        -- That a tenant is deleted (forget_tenants()) is no time to lock out the publishers.
        if wanted and found_one like '%limit_events(' || arguments || ')'
           or not wanted and (found_one is null or pg_trigger_depth() > 1) then
            return null;
        end if;
        if look = 1 then
            perform webhooks_private.lock_log_triggers();
        end if;
    end loop;
    if wanted then
        execute format('create or replace trigger a10_limit_events
                        after insert on webhooks.event_logs
                        referencing new table as new_events
                        for each statement execute function webhooks_private.limit_events(%s)', arguments);
        alter table webhooks.event_logs enable always trigger a10_limit_events;
    else
        drop trigger a10_limit_events on webhooks.event_logs;
    end if;
    return null;
exception when lock_not_available then
    perform webhooks_private.raise_busy_log();
    return null;
end
$$;
comment on function webhooks_private.sync_limit_trigger is
    'Trigger: event_logs has the trigger a10_limit_events while a limit on events or outstanding deliveries is set '
    'for anybody, also after a restore.';

create trigger sync_limit_trigger
    after insert or update or delete or truncate on webhooks.tenant_limits
    for each statement execute function webhooks_private.sync_limit_trigger();
create trigger sync_limit_trigger
    after insert or update or delete or truncate on webhooks_private.setting_overrides
    for each statement execute function webhooks_private.sync_limit_trigger();
-- As match_events() is: else what is set with session_replication_role = replica would hold for nobody.
alter table webhooks.tenant_limits enable always trigger sync_limit_trigger;
alter table webhooks_private.setting_overrides enable always trigger sync_limit_trigger;

create function webhooks.set_tenant_limits(
    tenant_id uuid,
    max_subscriptions bigint default null,
    max_events_per_minute bigint default null,
    max_outstanding_deliveries bigint default null
)
returns void
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_variable
declare
    invalid record;
begin
    -- First of all, as create_partitions() does: both go on to lock event_logs and audit_log.
    perform webhooks_private.lock_xact(webhooks_private.change_lock(), 0);
    perform webhooks_private.check_tenant(tenant_id);
    select v.* into invalid
    from (values
        ('max_subscriptions', max_subscriptions, 1000000),
        ('max_events_per_minute', max_events_per_minute, 1000000000),
        ('max_outstanding_deliveries', max_outstanding_deliveries, 1000000000)
    ) v (name, found, highest)
    where v.found not between 0 and v.highest;
    if found then
        raise exception 'invalid %: %', invalid.name, invalid.found
            using errcode = 'invalid_parameter_value',
                  hint = format('It takes 1 to %s, 0 for no limit, or null for the setting tenant_%s.',
                                invalid.highest, invalid.name);
    end if;
    if num_nonnulls(max_subscriptions, max_events_per_minute, max_outstanding_deliveries) = 0 then
        delete from webhooks.tenant_limits l where l.tenant_id = set_tenant_limits.tenant_id;
        return;
    end if;
    insert into webhooks.tenant_limits as l
    values (tenant_id, max_subscriptions, max_events_per_minute, max_outstanding_deliveries)
    on conflict on constraint tenant_limits_pkey do update
    set max_subscriptions = excluded.max_subscriptions,
        max_events_per_minute = excluded.max_events_per_minute,
        max_outstanding_deliveries = excluded.max_outstanding_deliveries;
end
$$;
comment on function webhooks.set_tenant_limits is
    'Sets all limits of a tenant. Null: the setting of that name with the prefix tenant_ applies; 0: no limit. The '
    'function is for the owner, and for roles to which the DBA grants it; these set limits of tenants that they may '
    'access.';

create function webhooks_private.limit_subscriptions()
returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    tenant record;
    subscriptions bigint;
begin
    -- Restored ones were within their limit.
    if webhooks_private.is_restoring() then
        return null;
    end if;
    for tenant in
        select n.tenant_id as id, (webhooks_private.limits_of(n.tenant_id)).max_subscriptions as maximum
        from (select distinct n.tenant_id from new_subscriptions n) n
        order by n.tenant_id
    loop
        continue when tenant.maximum = 0;
        -- One transaction at a time, as in lock_tenant(): the other's subscriptions would not be seen before it
        -- commits.
        perform webhooks_private.lock_xact(webhooks_private.tenant_lock(), hashtext(tenant.id::text));
        select count(*) into subscriptions from webhooks.webhook_subscriptions s where s.tenant_id = tenant.id;
        if subscriptions > tenant.maximum then
            raise exception 'tenant % has reached its limit of % subscriptions', tenant.id, tenant.maximum
                using errcode = 'configuration_limit_exceeded',
                      hint = format('Delete some that are no longer needed, or have an operator raise the limit: '
                                    'select webhooks.set_tenant_limits(%L, max_subscriptions => ...);', tenant.id);
        end if;
    end loop;
    return null;
end
$$;
comment on function webhooks_private.limit_subscriptions is
    'Trigger: refuses subscriptions beyond the limit of their tenant.';

create trigger limit_subscriptions
    after insert on webhooks.webhook_subscriptions
    referencing new table as new_subscriptions
    for each statement execute function webhooks_private.limit_subscriptions();
