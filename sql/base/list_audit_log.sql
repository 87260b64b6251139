-- What a tenant may read of the audit log. It runs as the owner: the policy of audit_log is an auditor's, who sees all.

create function webhooks.list_audit_log(
    tenant_id uuid, since timestamptz default now() - interval '30 days', until timestamptz default 'infinity',
    object_type text default null, object_id text default null, max_entries integer default 50,
    after_id uuid default null
)
returns setof webhooks.audit_log
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp
-- Ids are constants of the plan, so that only the partitions of a month are opened.
set plan_cache_mode = force_custom_plan
as $$
#variable_conflict use_column
declare
    -- Ids are made by clock_timestamp().
    ends timestamptz := least(until, clock_timestamp() + interval '1 minute');
    page_end constant uuid := coalesce(after_id, 'ffffffff-ffff-7fff-bfff-ffffffffffff');
    begins timestamptz;
    first_id uuid;
    end_id uuid;
    found_rows integer;
    missing integer := max_entries;
    sees_roles constant boolean := webhooks_private.has_all_tenants(webhooks_private.caller());
begin
    perform webhooks_private.check_tenant(tenant_id);
    if since is null or until is null or since < greatest('1970-01-01 00:00Z', ends - interval '3660 days') then
        raise exception 'the period is from % until %', coalesce(since::text, 'null'), coalesce(until::text, 'null')
            using errcode = 'invalid_parameter_value',
                  hint = 'Give times that are at most ten years apart: each month has a partition that is opened.';
    end if;
    if max_entries is null or max_entries not between 1 and 1000 then
        raise exception 'max_entries is %, not between 1 and 1000', coalesce(max_entries::text, 'null')
            using errcode = 'invalid_parameter_value', hint = 'For more, give the id of the last row as after_id.';
    end if;
    if after_id is not null then
        ends := least(ends, webhooks.uuid_v7_time(after_id) + interval '1 ms');
    end if;

    while ends > since and missing > 0 loop
        -- The last month first; of a time at its beginning it is the month before.
        begins := greatest(date_trunc('month', ends - interval '1 microsecond', 'UTC'), since);
        first_id := webhooks.uuid_v7_floor(begins);
        end_id := least(webhooks.uuid_v7_floor(ends), page_end);
        return query
        select a.id, a.occurred_at, a.tenant_id, a.action, a.object_type, a.object_id, a.before, a.after, a.reason,
               -- Who logged in to the database, and from where, is the operator's to know. So is who acted, unless it
               -- is a group that many are members of.
               null::name,
               case when sees_roles or a.acting_role = any (webhooks_private.group_roles()) then a.acting_role end,
               a.user_id, a.request_id, null::inet
        from webhooks.audit_log a
        where a.id >= first_id and a.id < end_id and a.tenant_id = list_audit_log.tenant_id
          and (list_audit_log.object_type is null or a.object_type = list_audit_log.object_type)
          and (list_audit_log.object_id is null or a.object_id = list_audit_log.object_id)
        order by a.id desc
        limit missing;
        get diagnostics found_rows = row_count;
        missing := missing - found_rows;
        ends := begins;
    end loop;
end
$$;
comment on function webhooks.list_audit_log is
    'Returns the entries of the audit log about a tenant that were written from since on and before until, the newest '
    'first, as audit_log has them, but for session_role and client_address, which are null, and acting_role, which is '
    'null unless it is a group role of the extension or the caller may work for all tenants: all, or those about a '
    'kind of object or one object. For the next page give the id of the last row as after_id. Without since, the '
    'period is the last 30 days; it has at most ten years.';
grant execute on function webhooks.list_audit_log to webhooks_manager;
