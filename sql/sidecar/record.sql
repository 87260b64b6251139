create type webhooks_private.attempt_result as (
    delivery_id uuid, subscription_id uuid, attempt integer, status text, http_status_code integer,
    response_headers text, response_body text, error_message text, attempted_at_us bigint, duration_us bigint,
    resent_count integer, payload_size integer, payload_hash bytea, retry_after_ms bigint, disable_reason text,
    breaker text, failing_for_ms bigint, probe_in_ms bigint
);
comment on type webhooks_private.attempt_result is
    'The result of an attempt, for record_attempts(). attempt: the number of attempts before, as it was claimed. '
    'attempted_at_us: microseconds since 1970. retry_after_ms: of one that is retrying. disable_reason: it disables '
    'the subscription. breaker: what it means for the circuit breaker (closed, failing for failing_for_ms, or open '
    'until probe_in_ms), or that the receiver wants a pause (throttled, for probe_in_ms); null: nothing.';

create function webhooks_private.next_attempt_number(delivery_id uuid, attempt integer)
returns integer
language plpgsql stable
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_custom_plan
as $$
begin
    return (
        select greatest(max(p.delivery_attempt), attempt) + 1
        from webhooks.delivery_attempts p where p.delivery_id = next_attempt_number.delivery_id
    );
end
$$;
comment on function webhooks_private.next_attempt_number is
    'The first number after attempt that no attempt of the delivery has. Part of record_attempts(), where it would '
    'open every partition for each batch if it were not a function.';

create function webhooks_private.record_breakers(results webhooks_private.attempt_result[], late uuid[])
returns void
-- Planned and run with the settings of record_attempts(), which calls it.
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
begin
    insert into webhooks_private.subscription_breakers as b
        (subscription_id, state, since, probe_at, failing_since, last_error)
    -- The last word of a batch counts.
    select distinct on (r.subscription_id)
        r.subscription_id, case r.breaker when 'open' then 'open' else 'closed' end,
        case when r.breaker <> 'failing' then clock_timestamp() end,
        clock_timestamp() + r.probe_in_ms * interval '1 millisecond',
        clock_timestamp() - r.failing_for_ms * interval '1 millisecond', r.error_message
    from unnest(results) with ordinality r
    where r.breaker <> 'throttled'
      and r.delivery_id <> all (coalesce(late, '{}'))
      and (select true from webhooks.webhook_subscriptions s where s.id = r.subscription_id)
      -- What was never known to fail needs no row to say that it works.
      and (r.breaker <> 'closed'
           or (select true from webhooks_private.subscription_breakers k
               where k.subscription_id = r.subscription_id))
    order by r.subscription_id, r.ordinality desc
    on conflict (subscription_id) do update
    set state = excluded.state,
        since = case when b.state = excluded.state then b.since else excluded.since end,
        probe_at = excluded.probe_at,
        failing_since = excluded.failing_since,
        last_error = coalesce(excluded.last_error, b.last_error);

    -- That a receiver wants a pause is neither a failure nor a success.
    insert into webhooks_private.subscription_breakers as b
        (subscription_id, state, throttled_since, throttled_until, throttle_status)
    select distinct on (r.subscription_id)
        r.subscription_id, 'closed', clock_timestamp(),
        clock_timestamp() + r.probe_in_ms * interval '1 millisecond', r.http_status_code
    from unnest(results) r
    where r.breaker = 'throttled'
      and r.delivery_id <> all (coalesce(late, '{}'))
      and (select true from webhooks.webhook_subscriptions s where s.id = r.subscription_id)
    order by r.subscription_id, r.probe_in_ms desc
    on conflict (subscription_id) do update
    set throttled_since = case when b.throttled_until > clock_timestamp() then b.throttled_since
        else excluded.throttled_since end,
        throttled_until = greatest(b.throttled_until, excluded.throttled_until),
        throttle_status = excluded.throttle_status;
end
$$;
comment on function webhooks_private.record_breakers is
    'Writes what the results of attempts mean for circuit breakers and for pauses that receivers ask for, but for the '
    'deliveries in late. Part of record_attempts().';

create function webhooks_private.record_attempts(results webhooks_private.attempt_result[])
returns setof uuid
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
-- One plan for all calls: to plan this costs more than a small batch. It may be made while the queue is empty, and is
-- right whatever the queue's size is: rows are looked up by a batch's ids, and then hashed together with the batch.
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
set enable_nestloop = off
set enable_mergejoin = off
set jit = off
as $$
declare
    numbered_anew boolean := false;
    written bigint[];
    has_breakers boolean;
    has_news boolean;
    disabled_ids uuid[];
    late uuid[];
begin
    -- Who deletes a subscription locks it and then its deliveries; so does who disables one.
    if exists (select from unnest(results) r where r.disable_reason is not null) then
        perform from webhooks.webhook_subscriptions s
        where s.id = any (array(select r.subscription_id from unnest(results) r where r.disable_reason is not null))
        order by s.id for no key update;
    end if;
    loop
        begin
            with batch as materialized (
                select * from unnest(record_attempts.results) with ordinality
            ),
            finished as (
                delete from webhooks.delivery_queue q
                using batch r
                where q.id = any (array(select f.delivery_id from batch f where f.status <> 'retrying'))
                  and q.id = r.delivery_id and q.attempt = r.attempt
                returning q.subscription_id as queued_for, q.event_log_id, q.tenant_id, q.shard,
                          null::timestamptz as next_retry_at, r.*
            ),
            rescheduled as (
                update webhooks.delivery_queue q
                set attempt = q.attempt + 1,
                    next_attempt_at = clock_timestamp() + r.retry_after_ms * interval '1 millisecond'
                from batch r
                where q.id = any (array(select f.delivery_id from batch f where f.status = 'retrying'))
                  and q.id = r.delivery_id and q.attempt = r.attempt
                returning q.subscription_id as queued_for, q.event_log_id, q.tenant_id, q.shard,
                          q.next_attempt_at as next_retry_at, r.*
            ),
            applied as (
                select * from finished union all select * from rescheduled
            ),
            logged as (
                insert into webhooks.delivery_attempts (
                    delivery_id, delivery_attempt, http_status_code, attempted_at, delivered_at, next_retry_at,
                    duration_us, subscription_id, event_log_id, tenant_id, payload_size_bytes, delivery_status,
                    payload_sha256, response_headers, response_body, error_message, is_test, failure, resent_count
                )
                select a.delivery_id,
                       case when numbered_anew then webhooks_private.next_attempt_number(a.delivery_id, a.attempt)
                           else a.attempt + 1 end,
                       a.http_status_code,
                       timestamptz 'epoch' + a.attempted_at_us * interval '1 microsecond',
                       case when a.status = 'delivered'
                            then timestamptz 'epoch'
                                + (a.attempted_at_us + a.duration_us) * interval '1 microsecond' end,
                       a.next_retry_at, a.duration_us, a.queued_for, a.event_log_id, a.tenant_id, a.payload_size,
                       a.status, a.payload_hash, a.response_headers::jsonb, a.response_body, a.error_message,
                       case when a.shard >= webhooks_private.shard_count() then true end,
                       webhooks_private.failure_kind(a.error_message), nullif(a.resent_count, 0)
                from applied a
            ),
            disabled as (
                update webhooks.webhook_subscriptions s
                set is_enabled = false,
                    disabled_reason = (select min(a.disable_reason) from applied a where a.queued_for = s.id)
                where s.id = any (array(select a.queued_for from applied a where a.disable_reason is not null))
                  and s.is_enabled
                returning s.id
            )
            select array_agg(a.ordinality), bool_or(a.breaker is not null),
                   bool_or(a.status = 'failed' or a.disable_reason is not null or a.breaker in ('open', 'closed')),
                   (select array_agg(d.id) from disabled d)
            into written, has_breakers, has_news, disabled_ids
            from applied a;
            if cardinality(results) > coalesce(cardinality(written), 0) then
                select array_agg(r.delivery_id) into late
                from unnest(results) with ordinality r where r.ordinality <> all (coalesce(written, '{}'));
            end if;
            -- Seldom. Before breakers change.
            if has_news then
                perform webhooks_private.publish_endpoint_events(results, written, disabled_ids);
            end if;
            -- Rare: a receiver began to fail, failed too often, or works again.
            if has_breakers then
                perform webhooks_private.record_breakers(results, late);
            end if;
            return query select unnest(late);
            return;
        exception when unique_violation then
            -- A finished delivery was queued again by hand and counts from 0 once more. It was tried, so it is logged,
            -- under the next number that is free; its retries go by the queue's count. Looked for only now: a look-up
            -- in all partitions would cost every batch more than the whole batch.
            if numbered_anew then
                raise;
            end if;
            numbered_anew := true;
        end;
    end loop;
end
$$;
comment on function webhooks_private.record_attempts is
    'Writes the results of attempts, each guarded by the attempt number that was claimed, and what they mean for '
    'their receivers. Returns the deliveries of late writers, for which nothing was changed.';
grant execute on function webhooks_private.record_attempts to webhooks_sidecar;
