-- Who delivers what. A sidecar owns a shard by holding its session advisory lock (class 1464156749) and is
-- then the only one to deliver for that shard's subscriptions; the server frees the lock when the session ends.
-- A shared lock (class 1464156750) marks a living sidecar, so that each can tell its fair share.

create function webhooks.join_sidecars()
returns void
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
begin
    perform webhooks.adopt_if_empty();
    perform webhooks.check_adopted();
    perform pg_advisory_lock_shared(1464156750, 0);
end
$$;
comment on function webhooks.join_sidecars() is
    'Marks this session as a living sidecar until it ends; refused in a copy of a database that is not adopted (see adopt_database()).';

create function webhooks.leave_sidecars()
returns void
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
begin
    perform pg_advisory_unlock_shared(1464156750, 0);
end
$$;
comment on function webhooks.leave_sidecars() is 'This session''s sidecar is stopping: it no longer counts, others take over its shards as it gives them back.';

create function webhooks.sidecar_count()
returns integer
language sql volatile
set search_path = pg_catalog, pg_temp
begin atomic
    -- Advisory locks are anyone's: who may not do a sidecar's work doesn't count as one.
    select count(distinct l.pid)::integer
    from pg_locks l
    join pg_stat_activity a on a.pid = l.pid
    where pg_has_role(a.usesysid, 'webhooks_sidecar', 'member')
      and l.locktype = 'advisory' and l.classid = 1464156750 and l.objsubid = 2 and l.granted
      and l.database = (select d.oid from pg_database d where d.datname = current_database());
end;
comment on function webhooks.sidecar_count() is 'How many sidecars live in this database.';

create function webhooks.balance_shards(owned smallint[])
returns table (fair_share integer, acquired smallint[])
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
    candidate smallint;
    intruders text;
begin
    perform webhooks.check_adopted();
    fair_share := ceil(webhooks.shard_count()::numeric / greatest(webhooks.sidecar_count(), 1))::integer;
    acquired := '{}';
    if cardinality(owned) < fair_share then
        for candidate in
            select s::smallint
            from generate_series(0, webhooks.shard_count() - 1) s
            where s <> all (owned)
            order by random()
        loop
            exit when cardinality(owned) + cardinality(acquired) >= fair_share;
            if pg_try_advisory_lock(1464156749, candidate) then
                acquired := acquired || candidate;
            end if;
        end loop;
        if cardinality(owned) + cardinality(acquired) < fair_share then
            select string_agg(format('shard %s by pid %s of role %s', l.objid, a.pid, a.usename), ', ' order by l.objid) into intruders
            from pg_locks l
            join pg_stat_activity a on a.pid = l.pid
            where not pg_has_role(a.usesysid, 'webhooks_sidecar', 'member')
              and l.locktype = 'advisory' and l.classid = 1464156749 and l.objsubid = 2 and l.granted
              and l.database = (select d.oid from pg_database d where d.datname = current_database());
            if intruders is not null then
                raise warning 'held by a session that is no sidecar: %', intruders
                    using hint = 'Nothing of these shards is delivered. End the session with pg_terminate_backend(pid).';
            end if;
        end if;
    end if;
    return next;
end
$$;
comment on function webhooks.balance_shards(smallint[]) is
    'Takes free shards for this session up to its fair share. Returns the share (a sidecar that owns more gives the rest back) and what was taken. Doubles as the heartbeat. Refused in a copy of a database that is not adopted.';

create function webhooks.release_shards(shards smallint[])
returns void
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
begin
    perform pg_advisory_unlock(1464156749, s) from unnest(shards) s;
end
$$;
comment on function webhooks.release_shards(smallint[]) is 'Gives shards of this session back.';
