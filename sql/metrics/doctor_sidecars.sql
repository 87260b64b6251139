create function webhooks_private.clock_skew()
returns double precision
language plpgsql stable
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_custom_plan
set enable_seqscan = off
as $$
declare
    first_id constant uuid := webhooks_private.rollup_id(now() - interval '1 hour');
    last_id constant uuid := webhooks_private.rollup_id(now() + interval '1 day');
begin
    -- An attempt is made after its delivery was queued, by the server's clock, and before now.
    return (
        select greatest(max(extract(epoch from webhooks.uuid_v7_time(r.delivery_id) - r.attempted_at)),
                        max(extract(epoch from r.attempted_at - clock_timestamp())))
        from (
            select a.delivery_id, a.attempted_at from webhooks.delivery_attempts a
            where a.delivery_id >= first_id and a.delivery_id < last_id
            order by a.delivery_id desc limit 1000
        ) r);
end
$$;
comment on function webhooks_private.clock_skew is
    'By how many seconds the last attempts of the last hour began before they could, by the clock of the server; null: '
    'there were none. Part of doctor() and evaluate_alerts().';

create function webhooks_private.doctor_clock()
returns table (severity text, check_name text, finding text, meaning text, advice text)
language sql stable
set search_path = pg_catalog, pg_temp
begin atomic
    select 'warning', 'clock',
           format('attempts of the last hour began %s before they could, by the clock of the server',
                  make_interval(secs => round(c.skew::numeric, 3)::double precision)),
           'The clocks of a sidecar and the server differ: latencies and the times of retries are wrong by that.',
           'Synchronize both clocks (NTP).'
    from (select webhooks_private.clock_skew() as skew) c
    where c.skew > 1;
end;
comment on function webhooks_private.doctor_clock is 'What doctor() finds of the clocks of sidecars and server.';

create function webhooks_private.doctor_sidecars()
returns table (severity text, check_name text, finding text, meaning text, advice text)
language sql stable
set search_path = pg_catalog, pg_temp
begin atomic
    with sidecars as (
        select count(distinct h.pid) as n
        from webhooks_private.lock_holders(webhooks_private.sidecar_lock()) h
    ),
    sessions as (
        select count(*) as n from pg_stat_activity a
        where a.datname = current_database() and a.application_name like 'webhooks-sidecar%'
    ),
    owned as (
        select count(distinct h.key) as n from webhooks_private.lock_holders(webhooks_private.shard_lock()) h
    )
    select 'error', 'sidecar', 'no sidecar runs for this database', 'Events are queued, and nothing is delivered.',
           'Start webhooks-sidecar; its log says why it ended or cannot connect.'
    from sidecars s, sessions e
    where s.n = 0 and e.n = 0
    union all
    select 'error', 'sidecar', format('%s sessions of sidecars, and none takes part in deliveries', e.n),
           'A sidecar is connected that cannot own shards: the database is a copy, or a connection pooler in '
           'transaction mode is in between, which does not keep locks.',
           'See the log of the sidecar, and connect it directly to PostgreSQL or to a pool in session mode.'
    from sidecars s, sessions e
    where s.n = 0 and e.n > 0
    union all
    select 'warning', 'shard', format('%s of %s shards have no owner', webhooks_private.shard_count() - o.n,
                                      webhooks_private.shard_count()),
           'Deliveries of these shards wait. For a few seconds this is usual, while sidecars start or end.',
           'select * from webhooks.queue_status(); and see the log of the sidecars.'
    from sidecars s, owned o
    where s.n > 0 and o.n < webhooks_private.shard_count()
    union all
    select 'warning', 'overdue',
           format('the oldest delivery of shard %s has been due since %s', q.shard, q.oldest_due_at),
           'Sidecars do not keep up, or something is in their way.',
           'select * from webhooks.blockers(); select * from webhooks.queue_status();'
    from webhooks.queue_status() q
    where q.oldest_due_at < now() - interval '5 minutes';
end;
comment on function webhooks_private.doctor_sidecars is 'What doctor() finds of sidecars and of what waits for them.';
