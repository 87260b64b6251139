-- Who delivers what. A sidecar owns a shard by holding its lock (class shard_lock()) for its session and is then the
-- only one to deliver for that shard's subscriptions; the server frees the lock when the session ends. A shared lock
-- (class sidecar_lock()) marks a living sidecar, so that each can tell its fair share. None of these waits for a
-- lock.

create function webhooks_private.lock_holders(class integer)
returns table (key integer, pid integer, role name, application_name text)
language sql volatile
set search_path = pg_catalog, pg_temp
begin atomic
    select l.objid::integer, l.pid, a.usename, a.application_name
    from pg_locks l
    left join pg_stat_activity a on a.pid = l.pid
    where l.locktype = 'userlock' and l.classid::bigint = lock_holders.class and l.objsubid = 2 and l.granted
      and l.database = (select d.oid from pg_database d where d.datname = current_database());
end;
comment on function webhooks_private.lock_holders is 'Sessions that hold locks of a class in this database.';

create function webhooks_private.join_sidecars()
returns void
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    perform webhooks_private.adopt_if_empty();
    perform webhooks_private.check_adopted();
    if not webhooks_private.try_lock(webhooks_private.sidecar_lock(), 0, true) then
        raise exception 'sidecars are locked out by %', (
            select string_agg(format('pid %s of role %s', h.pid, h.role), ', ')
                from webhooks_private.lock_holders(webhooks_private.sidecar_lock()) h)
            using errcode = 'lock_not_available', hint = 'End the session with pg_terminate_backend(pid).';
    end if;
end
$$;
comment on function webhooks_private.join_sidecars is
    'Marks this session as a living sidecar until it ends; refused in a copy of a database that is not adopted (see '
    'adopt_database()).';
grant execute on function webhooks_private.join_sidecars to webhooks_sidecar;

create function webhooks_private.leave_sidecars()
returns void
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    perform webhooks_private.unlock(webhooks_private.sidecar_lock(), 0, true);
end
$$;
comment on function webhooks_private.leave_sidecars is
    'This session''s sidecar is stopping: it no longer counts, others take over its shards as it releases them.';
grant execute on function webhooks_private.leave_sidecars to webhooks_sidecar;

create function webhooks.sidecar_count()
returns integer
language sql volatile security definer
set search_path = pg_catalog, pg_temp
begin atomic
    select count(distinct h.pid)::integer from webhooks_private.lock_holders(webhooks_private.sidecar_lock()) h;
end;
comment on function webhooks.sidecar_count is 'Returns the number of sidecars that run for this database.';
grant execute on function webhooks.sidecar_count to webhooks_monitor, webhooks_sidecar;

create type webhooks_private.shard_balance as (
    fair_share integer, acquired smallint[], may_sleep boolean
);
comment on type webhooks_private.shard_balance is
    'The fair share of a sidecar (one that owns more releases the rest), the shards that it has acquired just now, and '
    'whether publishers can wake it when it sleeps.';

create function webhooks_private.balance_shards(owned smallint[])
returns webhooks_private.shard_balance
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    candidate smallint;
    holders text;
    balance webhooks_private.shard_balance;
begin
    perform webhooks_private.check_adopted();
    balance.fair_share := ceil(webhooks_private.shard_count()::numeric / greatest(webhooks.sidecar_count(), 1));
    balance.acquired := '{}';
    balance.may_sleep := not webhooks_private.notify_queue_is_full();
    -- A statement that took some and failed left locks behind that its caller does not know of.
    perform webhooks_private.unlock(webhooks_private.shard_lock(), s, false)
    from generate_series(0, webhooks_private.shard_count() - 1) s where s <> all (owned);
    if cardinality(owned) < balance.fair_share then
        for candidate in
            select s::smallint
            from generate_series(0, webhooks_private.shard_count() - 1) s
            where s <> all (owned)
            order by random()
        loop
            exit when cardinality(owned) + cardinality(balance.acquired) >= balance.fair_share;
            if webhooks_private.try_lock(webhooks_private.shard_lock(), candidate, false) then
                balance.acquired := balance.acquired || candidate;
            end if;
        end loop;
        if cardinality(owned) + cardinality(balance.acquired) < balance.fair_share then
            select string_agg(format('shard %s by pid %s of role %s', h.key, h.pid, h.role), ', ' order by h.key)
                into holders
            from webhooks_private.lock_holders(webhooks_private.shard_lock()) h
            -- (One that stops no longer counts as living.)
            where h.pid <> pg_backend_pid() and not coalesce(h.application_name like 'webhooks-sidecar owner%', false)
              and h.pid not in (select s.pid from webhooks_private.lock_holders(webhooks_private.sidecar_lock()) s
                                where s.pid is not null);
            if holders is not null then
                raise warning 'held by a session that is no sidecar: %', holders
                    using hint = 'Nothing of these shards is delivered. End the session with '
                                 'pg_terminate_backend(pid).';
            end if;
        end if;
    end if;
    return balance;
end
$$;
comment on function webhooks_private.balance_shards is
    'Takes free shards for this session up to its fair share. Doubles as the heartbeat. Refused in a copy of a '
    'database that is not adopted.';
grant execute on function webhooks_private.balance_shards to webhooks_sidecar;

create function webhooks_private.release_shards(shards smallint[])
returns void
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    perform webhooks_private.unlock(webhooks_private.shard_lock(), s, false) from unnest(shards) s;
end
$$;
comment on function webhooks_private.release_shards is 'Releases shards of this session.';
grant execute on function webhooks_private.release_shards to webhooks_sidecar;
