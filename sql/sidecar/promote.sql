create type webhooks_private.promoted_deliveries as (
    delivery_ids uuid[], subscription_ids uuid[], next_due_in_ms bigint, locked_ids uuid[]
);
comment on type webhooks_private.promoted_deliveries is
    'What promote_due() made ready, with the subscription of each; milliseconds until the next is due, at most an '
    'hour (null: none); and some of those that are due and locked, which are to be tried again soon.';

create function webhooks_private.promote_due(shards smallint[], max_rows integer default 1000)
returns webhooks_private.promoted_deliveries
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
set enable_bitmapscan = off
as $$
declare
    -- A variable: what is volatile can't be looked up in an index.
    due_until constant timestamptz := clock_timestamp();
    promoted webhooks_private.promoted_deliveries;
begin
    with due as (
        update webhooks.delivery_queue q
        set next_attempt_at = null
        -- An array, not a join: that could read the whole queue.
        where q.id = any (array(
            select d.id
            from unnest(promote_due.shards) o (shard)
            cross join lateral (
                select q.id from webhooks.delivery_queue q
                where q.shard = o.shard and q.next_attempt_at <= due_until
                order by q.next_attempt_at limit promote_due.max_rows
                -- What somebody's transaction has locked is for later: all others would wait for it.
                for no key update skip locked
            ) d
        ))
        returning q.id, q.subscription_id
    )
    select coalesce(array_agg(d.id), '{}'), coalesce(array_agg(d.subscription_id), '{}')
    into promoted.delivery_ids, promoted.subscription_ids
    from due d;
    promoted.next_due_in_ms := (
        -- Neither greatest() nor least(): null means none. A time far away, infinity too, is looked at again in an
        -- hour.
        select case when min(d.next_attempt_at) <= clock_timestamp() then 0
                    when min(d.next_attempt_at) > clock_timestamp() + interval '1 hour' then 3600000
                    else ceil(extract(epoch from min(d.next_attempt_at) - clock_timestamp()) * 1000) end
        from unnest(promote_due.shards) o (shard)
        cross join lateral (
            select q.next_attempt_at from webhooks.delivery_queue q
            where q.shard = o.shard and q.next_attempt_at > due_until
            order by q.next_attempt_at limit 1
        ) d
    );
    promoted.locked_ids := '{}';
    if cardinality(promoted.delivery_ids) >= promote_due.max_rows then
        promoted.next_due_in_ms := 0;
    else
        select coalesce(array_agg(d.id), '{}') into promoted.locked_ids
        from unnest(promote_due.shards) o (shard)
        cross join lateral (
            select q.id from webhooks.delivery_queue q
            where q.shard = o.shard and q.next_attempt_at <= due_until
            order by q.next_attempt_at limit 16
        ) d;
        if promoted.locked_ids <> '{}' then
            promoted.next_due_in_ms := least(promoted.next_due_in_ms, 250);
        end if;
    end if;
    return promoted;
end
$$;
comment on function webhooks_private.promote_due is
    'Makes scheduled deliveries whose time has come ready, without those that another transaction has locked.';
grant execute on function webhooks_private.promote_due to webhooks_sidecar;
