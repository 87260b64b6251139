-- All rows of a tenant that is to be forgotten, but for the audit log. There may be millions, so each call is one
-- batch, and a row says how far it has come: whoever calls next goes on there.

create table webhooks.tenant_purges (
    tenant_id uuid primary key,
    started_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    finished_at timestamptz,
    deleted_rows bigint not null default 0,
    relation text not null default 'delivery_queue',
    partition text,
    last_id uuid
);
comment on table webhooks.tenant_purges is
    'How far purge_tenant() has come: a row for each tenant that it was called for.';
comment on column webhooks.tenant_purges.tenant_id is 'The tenant.';
comment on column webhooks.tenant_purges.started_at is 'Time of the first call.';
comment on column webhooks.tenant_purges.updated_at is 'Time of the last call.';
comment on column webhooks.tenant_purges.finished_at is
    'Time at which nothing was left; null: call purge_tenant() again.';
comment on column webhooks.tenant_purges.deleted_rows is 'Number of rows that were deleted so far.';
comment on column webhooks.tenant_purges.relation is 'Relation that the next call goes on with.';
comment on column webhooks.tenant_purges.partition is
    'Partition that the next call goes on with; null: the first one, or the relation has no partitions.';
comment on column webhooks.tenant_purges.last_id is
    'Id up to which the partition is done; null: nothing of it, or it is read by tenant.';
select pg_catalog.pg_extension_config_dump('webhooks.tenant_purges', '');
grant select on webhooks.tenant_purges to webhooks_manager, webhooks_monitor;

create function webhooks_private.purge_partition(
    parent text, partition text, tenant_id uuid, max_rows integer, inout last_id uuid, out deleted bigint,
    out is_done boolean
)
language plpgsql volatile
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set enable_bitmapscan = off
as $$
declare
    reached uuid;
begin
    if parent = 'event_logs' then
        execute format('delete from webhooks_private.%1$I e
                        where e.ctid = any (array(
                            select o.ctid from webhooks_private.%1$I o where o.tenant_id = $1 limit $2))', partition)
        using tenant_id, max_rows;
        get diagnostics deleted = row_count;
        is_done := deleted < max_rows;
        return;
    end if;
    -- Without an index by tenant: all rows are read once, in the order of their ids.
    execute format('select d.delivery_id from webhooks_private.%I d where $1 is null or d.delivery_id > $1
                    order by d.delivery_id offset $2 limit 1', partition)
    into reached using last_id, 10 * max_rows::bigint;
    execute format('delete from webhooks_private.%I d
                    where d.tenant_id = $1 and ($2 is null or d.delivery_id > $2)
                      and ($3 is null or d.delivery_id <= $3)', partition)
    using tenant_id, last_id, reached;
    get diagnostics deleted = row_count;
    is_done := reached is null;
    last_id := reached;
end
$$;
comment on function webhooks_private.purge_partition is
    'Deletes rows of a tenant from a partition, going on after last_id: of events up to max_rows, of others those '
    'among the next 10 * max_rows. Part of purge_tenant().';

create function webhooks_private.purge_relation(relation text, tenant_id uuid, max_rows integer)
returns bigint
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
    deleted bigint;
begin
    execute format('delete from %1$s r where r.ctid = any (array(
                        select o.ctid from %1$s o where o.tenant_id = $1 limit $2 for update skip locked))', relation)
    using tenant_id, max_rows;
    get diagnostics deleted = row_count;
    return deleted;
end
$$;
comment on function webhooks_private.purge_relation is
    'Deletes up to so many rows of a tenant from a relation without partitions. Part of purge_tenant().';

create function webhooks_private.partition_after(parent text, partition text)
returns text
language sql stable
set search_path = pg_catalog, pg_temp
begin atomic
    select min(c.relname::text)
    from pg_inherits i join pg_class c on c.oid = i.inhrelid
    where i.inhparent = ('webhooks.' || partition_after.parent)::regclass and c.relname > partition_after.partition;
end;
comment on function webhooks_private.partition_after is
    'The next partition in the order of names; null: there is none. Part of purge_tenant().';

create function webhooks_private.purge_batch(progress webhooks.tenant_purges, max_rows integer)
returns webhooks.tenant_purges
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
    -- In an order in which nothing new is made of what is still there.
    relations constant text[] := array[
        'delivery_queue', 'webhook_subscriptions', 'subscription_templates', 'event_logs', 'delivery_attempts',
        'redeliveries', 'idempotency_keys', 'restored_events', 'tenant_limits'];
    batch record;
    deleted bigint;
    is_done boolean;
begin
    if exists (select from webhooks_private.partitioned_tables() t where t.parent = progress.relation) then
        progress.partition := coalesce(progress.partition, webhooks_private.partition_after(progress.relation, ''));
        -- It may have been dropped since.
        if to_regclass('webhooks_private.' || progress.partition) is null then
            select null::uuid as last_id, 0::bigint as deleted, true as is_done into batch;
        else
            batch := webhooks_private.purge_partition(progress.relation, progress.partition, progress.tenant_id,
                                                      max_rows, progress.last_id);
        end if;
        deleted := batch.deleted;
        progress.last_id := batch.last_id;
        if batch.is_done then
            progress.partition := webhooks_private.partition_after(progress.relation, progress.partition);
        end if;
        is_done := progress.partition is null;
    else
        deleted := webhooks_private.purge_relation(
            case progress.relation when 'idempotency_keys' then 'webhooks_private.' else 'webhooks.' end
                || progress.relation, progress.tenant_id, max_rows);
        is_done := deleted < max_rows;
    end if;
    progress.deleted_rows := progress.deleted_rows + deleted;
    if is_done and progress.relation = relations[cardinality(relations)] then
        -- Somebody may have made subscriptions meanwhile, and published to them: then it begins again.
        if exists (select from webhooks.webhook_subscriptions s where s.tenant_id = progress.tenant_id) then
            progress.relation := relations[1];
        else
            progress.finished_at := clock_timestamp();
        end if;
    elsif is_done then
        progress.relation := relations[array_position(relations, progress.relation) + 1];
    end if;
    return progress;
end
$$;
comment on function webhooks_private.purge_batch is
    'Deletes rows of a tenant from one partition or relation, and returns how far it has come. Part of purge_tenant().';

create function webhooks.purge_tenant(tenant_id uuid, max_rows integer default 10000)
returns webhooks.tenant_purges
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    progress webhooks.tenant_purges;
    deleted_before bigint;
begin
    perform webhooks_private.check_tenant(tenant_id);
    if tenant_id is null then
        raise exception 'tenant_id is null'
            using errcode = 'null_value_not_allowed', hint = 'Name the tenant whose rows are to be deleted.';
    end if;
    if max_rows is null or max_rows not between 1 and 1000000 then
        raise exception 'max_rows is %', coalesce(max_rows::text, 'null')
            using errcode = 'invalid_parameter_value', hint = 'Give 1 to 1000000: 10000 take about a second.';
    end if;
    -- The last limit to go changes the triggers of event_logs: first of all then, as create_partitions() does.
    if exists (select from webhooks.tenant_limits l where l.tenant_id = purge_tenant.tenant_id) then
        perform webhooks_private.lock_xact(webhooks_private.change_lock(), 0);
    end if;
    perform webhooks_private.lock_tenant(tenant_id);
    select * into progress from webhooks.tenant_purges p where p.tenant_id = purge_tenant.tenant_id;
    if not found or progress.finished_at is not null then
        delete from webhooks.tenant_purges p where p.tenant_id = purge_tenant.tenant_id;
        insert into webhooks.tenant_purges (tenant_id) values (purge_tenant.tenant_id) returning * into progress;
        perform webhooks_private.audit('purge_started', 'tenant', tenant_id::text, tenant_id);
    end if;
    -- What is published from now on has no deliveries.
    update webhooks.webhook_subscriptions s
    set is_enabled = false, disabled_reason = 'the tenant is purged'
    where s.tenant_id = purge_tenant.tenant_id and s.is_enabled;
    -- At once, and in each call: nobody logs in to make anything new. Tokens before their sessions, as in
    -- revoke_access_token().
    delete from webhooks_private.access_tokens t where t.tenant_id = purge_tenant.tenant_id and t.kind = 'token';
    delete from webhooks_private.access_tokens t where t.tenant_id = purge_tenant.tenant_id;
    deleted_before := progress.deleted_rows;
    -- Partitions and relations without rows of the tenant are passed quickly, but each takes a few locks.
    for i in 1 .. 50 loop
        progress := webhooks_private.purge_batch(
            progress, (max_rows - (progress.deleted_rows - deleted_before))::integer);
        exit when progress.finished_at is not null or progress.deleted_rows - deleted_before >= max_rows
            or progress.last_id is not null;
    end loop;
    if progress.finished_at is not null then
        perform webhooks_private.forget_tenant_rollups(array[purge_tenant.tenant_id]);
        delete from webhooks_private.alert_states s where s.tenant_id = purge_tenant.tenant_id;
        delete from webhooks.alert_history h where h.tenant_id = purge_tenant.tenant_id;
        perform webhooks_private.audit(
            'purged', 'tenant', tenant_id::text, tenant_id,
            after => jsonb_build_object('rows', progress.deleted_rows, 'since', progress.started_at));
    end if;
    update webhooks.tenant_purges p
    set updated_at = clock_timestamp(), finished_at = progress.finished_at, deleted_rows = progress.deleted_rows,
        relation = progress.relation, partition = progress.partition, last_id = progress.last_id
    where p.tenant_id = purge_tenant.tenant_id
    returning * into progress;
    return progress;
end
$$;
comment on function webhooks.purge_tenant is
    'Deletes all rows of a tenant for good, but those of the audit log: access tokens, subscriptions, events, '
    'deliveries, numbers, alerts, keys and limits. One call deletes some max_rows rows, and returns how far it has '
    'come, as tenant_purges shows it; repeat it, each time in a transaction of its own, until finished_at is not null. '
    'Have the tenant publish nothing any more before. It is the owner''s, and that of roles to which the DBA grants '
    'it.';
