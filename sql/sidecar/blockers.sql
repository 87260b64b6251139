-- Who is in the way. Sidecars wait for nobody for long: rows that a transaction has locked are left for later, and a
-- statement that waits for a table gives up (lock_timeout) and is tried again. Here they find what is locked, and by
-- whom.

create function webhooks_private.locked_deliveries(results webhooks_private.attempt_result[])
returns setof uuid
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    delivery_ids constant uuid[] := array(select r.delivery_id from unnest(results) r);
    free_deliveries constant uuid[] := array(
        select q.id from webhooks.delivery_queue q where q.id = any (delivery_ids) for update skip locked);
    disabled constant uuid[] := array(select distinct r.subscription_id from unnest(results) r
                                      where r.disable_reason is not null);
    broken constant uuid[] := array(select distinct r.subscription_id from unnest(results) r
                                    where r.breaker is not null);
    free_subscriptions constant uuid[] := array(
        select s.id from webhooks.webhook_subscriptions s where s.id = any (disabled) for no key update skip locked);
    free_breakers constant uuid[] := array(
        select b.subscription_id from webhooks_private.subscription_breakers b
        where b.subscription_id = any (broken) for no key update skip locked);
begin
    return query
    select r.delivery_id
    from unnest(results) r
    where r.delivery_id in (
              select q.id from webhooks.delivery_queue q
              where q.id = any (delivery_ids) and q.id <> all (free_deliveries))
       or r.subscription_id in (
              select s.id from webhooks.webhook_subscriptions s where s.id = any (disabled)
                  and s.id <> all (free_subscriptions)
              union all
              select b.subscription_id from webhooks_private.subscription_breakers b
              where b.subscription_id = any (broken) and b.subscription_id <> all (free_breakers));
end
$$;
comment on function webhooks_private.locked_deliveries is
    'Those deliveries whose results can''t be recorded now, since another transaction has locked what '
    'record_attempts() changes: the delivery, its subscription (if the result disables it) or its breaker (if the '
    'result changes it).';
grant execute on function webhooks_private.locked_deliveries to webhooks_sidecar;

create function webhooks_private.lockers_of(xmax xid)
returns setof xid
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
begin
    return next lockers_of.xmax;
    begin
        -- Of a row that several lock, or that one locks twice, it is not a transaction's id but a multixact's. Which
        -- of the two it is can't be told: those of the ids that are no running transaction's mean nothing.
        return query select m.xid from pg_get_multixact_members(lockers_of.xmax) m;
    -- There is no such multixact: its number is none, not used yet, or of a file that is gone.
    exception when invalid_parameter_value or internal_error or system_error then
        null;
    end;
end
$$;
comment on function webhooks_private.lockers_of is
    'Transactions that may have locked a row, by its xmax. Part of blockers().';

create function webhooks.blockers(delivery_ids uuid[] default '{}', subscription_ids uuid[] default '{}')
returns table (
    pid integer, role name, application_name text, prepared_transaction text, since timestamptz, relation text,
    mode text, blocked_pids integer[]
)
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    our_database constant oid := (select d.oid from pg_database d where d.datname = current_database());
    table_locks bigint;
begin
    -- Tables: locks that keep sidecars from reading or writing, held or waited for (what waits is in the way, too).
    return query
    select l.pid, coalesce(a.usename, p.owner), a.application_name, p.gid, coalesce(a.xact_start, p.prepared),
           l.relation::regclass::text, case when l.granted then l.mode else l.mode || ' (waits)' end,
           array(select s.pid from pg_stat_activity s
                 where s.datid = our_database and s.application_name like 'webhooks-sidecar%'
                   and s.wait_event_type = 'Lock'
                   and coalesce(l.pid, 0) = any (pg_blocking_pids(s.pid)))
    from pg_locks l
    left join pg_stat_activity a on a.pid = l.pid
    left join pg_prepared_xacts p on l.pid is null and l.virtualtransaction = '-1/' || p.transaction
    where l.locktype = 'relation' and l.database = our_database
      and l.mode in ('ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')
      and l.pid is distinct from pg_backend_pid()
      and l.relation in (
          select c.oid from pg_class c
          where c.relnamespace in (select n.oid from pg_namespace n where n.nspname in ('webhooks', 'webhooks_private'))
            and c.relkind in ('r', 'p') and c.relname not like '%\_template');
    get diagnostics table_locks = row_count;

    -- Sidecars that wait just now, for whatever else.
    return query
    select distinct on (b.blocker, s.pid)
           nullif(b.blocker, 0), a.usename, a.application_name, null::text, a.xact_start, null::text, s.wait_event,
           array[s.pid]
    from pg_stat_activity s
    cross join lateral unnest(pg_blocking_pids(s.pid)) b (blocker)
    left join pg_stat_activity a on a.pid = b.blocker
    where s.datid = our_database and s.application_name like 'webhooks-sidecar%' and s.wait_event_type = 'Lock'
      and s.wait_event <> 'relation' and s.pid <> pg_backend_pid();

    -- Rows. To look at them would mean to wait for the tables.
    if table_locks > 0 then
        return;
    end if;
    return query
    select distinct on (t.virtualtransaction, r.relation)
           t.pid, coalesce(a.usename, p.owner), a.application_name, p.gid, coalesce(a.xact_start, p.prepared),
           r.relation, 'row', '{}'::integer[]
    from (
        select 'webhooks.delivery_queue' as relation, q.xmax from webhooks.delivery_queue q
        where q.id = any (blockers.delivery_ids) and q.xmax <> '0'
        union
        select 'webhooks.webhook_subscriptions', s.xmax from webhooks.webhook_subscriptions s
        where s.id = any (blockers.subscription_ids) and s.xmax <> '0'
        union
        select 'webhooks_private.subscription_breakers', b.xmax from webhooks_private.subscription_breakers b
        where b.subscription_id = any (blockers.subscription_ids) and b.xmax <> '0'
        union
        -- Overdue: locked, or no sidecar is there to make them ready.
        select 'webhooks.delivery_queue', o.xmax
        from generate_series(0, webhooks_private.shard_count() - 1) n
        cross join lateral (
            select q.xmax from webhooks.delivery_queue q
            where q.shard = n and q.next_attempt_at < clock_timestamp() - interval '1 second'
            order by q.next_attempt_at limit 64
        ) o
        where o.xmax <> '0'
    ) r
    cross join lateral webhooks_private.lockers_of(r.xmax) k (xid)
    join pg_locks t on t.locktype = 'transactionid' and t.transactionid = k.xid and t.granted
    left join pg_stat_activity a on a.pid = t.pid
    left join pg_prepared_xacts p on t.pid is null and p.transaction = t.transactionid
    where t.pid is distinct from pg_backend_pid();
end
$$;
comment on function webhooks.blockers is
    'Returns transactions that block sidecars: with a lock on a table, with a lock that a session of a sidecar waits '
    'for, or with locks on rows of the given deliveries and subscriptions or of overdue deliveries. pid is null for '
    'a prepared transaction (see prepared_transaction). since is the start of the transaction; null: not visible to '
    'the owner of the extension. mode is the mode of a table lock, or row. blocked_pids are the sessions that wait '
    'now.';
grant execute on function webhooks.blockers to webhooks_monitor, webhooks_sidecar;
