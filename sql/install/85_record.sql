create function webhooks.record_attempts(
    delivery_ids uuid[], subscription_ids uuid[], attempts integer[], statuses text[], http_status_codes integer[], response_headers text[],
    response_bodies text[], error_messages text[], attempted_at_us bigint[], durations_us bigint[],
    payload_sizes integer[], payload_hashes bytea[], retry_after_ms bigint[], disable_reasons text[],
    breakers text[], failing_for_ms bigint[], probe_in_ms bigint[]
)
returns setof uuid
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_custom_plan
set enable_seqscan = off
set jit = off
as $$
declare
    numbered_anew boolean := false;
    late uuid[];
begin
    -- Who deletes a subscription locks it and then its deliveries; so does who disables one.
    if num_nonnulls(variadic disable_reasons) > 0 then
        perform from webhooks.webhook_subscriptions s
        where s.id = any (array(
            select r.subscription_id from unnest(subscription_ids, disable_reasons) r (subscription_id, disable_reason)
            where r.disable_reason is not null
        ))
        order by s.id for no key update;
    end if;
    loop
        begin
            with results as materialized (
                select *
                from unnest(
                    delivery_ids, attempts, statuses, http_status_codes, record_attempts.response_headers, response_bodies,
                    error_messages, attempted_at_us, durations_us, payload_sizes, payload_hashes, retry_after_ms, disable_reasons
                ) as r (
                    delivery_id, attempt, status, http_status_code, response_headers, response_body, error_message,
                    attempted_at_us, duration_us, payload_size, payload_hash, retry_after_ms, disable_reason
                )
            ),
            finished as (
                delete from webhooks.delivery_queue q
                using results r
                where q.id = r.delivery_id and q.attempt = r.attempt and r.status <> 'retrying'
                returning q.id, q.subscription_id, q.event_log_id, q.tenant_id, r.attempt, null::timestamptz as next_retry_at
            ),
            rescheduled as (
                update webhooks.delivery_queue q
                set attempt = q.attempt + 1,
                    next_attempt_at = clock_timestamp() + r.retry_after_ms * interval '1 millisecond'
                from results r
                where q.id = r.delivery_id and q.attempt = r.attempt and r.status = 'retrying'
                returning q.id, q.subscription_id, q.event_log_id, q.tenant_id, r.attempt, q.next_attempt_at as next_retry_at
            ),
            applied as (
                select * from finished union all select * from rescheduled
            ),
            logged as (
                insert into webhooks.delivery_attempts (
                    delivery_id, delivery_attempt, http_status_code, attempted_at, delivered_at, next_retry_at, duration_us,
                    subscription_id, event_log_id, tenant_id, payload_size_bytes, delivery_status, payload_sha256,
                    response_headers, response_body, error_message
                )
                select a.id,
                       -- Planned, and every partition opened, only if it is so: a custom plan knows.
                       case when numbered_anew
                            then (select greatest(max(p.delivery_attempt), r.attempt) from webhooks.delivery_attempts p where p.delivery_id = a.id) + 1
                            else r.attempt + 1 end,
                       r.http_status_code,
                       timestamptz 'epoch' + r.attempted_at_us * interval '1 microsecond',
                       case when r.status = 'delivered'
                            then timestamptz 'epoch' + (r.attempted_at_us + r.duration_us) * interval '1 microsecond' end,
                       a.next_retry_at, r.duration_us, a.subscription_id, a.event_log_id, a.tenant_id, r.payload_size, r.status,
                       r.payload_hash, r.response_headers::jsonb, r.response_body, r.error_message
                from applied a
                join results r on r.delivery_id = a.id and r.attempt = a.attempt
            ),
            disabled as (
                update webhooks.webhook_subscriptions s
                set is_enabled = false, disabled_reason = d.reason
                from (
                    select a.subscription_id, min(r.disable_reason) as reason
                    from applied a
                    join results r on r.delivery_id = a.id and r.attempt = a.attempt
                    where r.disable_reason is not null
                    group by a.subscription_id
                ) d
                where s.id = d.subscription_id and s.is_enabled
            )
            select array_agg(r.delivery_id) into late
            from results r where not exists (select from applied a where a.id = r.delivery_id and a.attempt = r.attempt);
            -- Rare: a receiver began to fail, failed too often, or works again.
            if num_nonnulls(variadic breakers) > 0 then
                insert into webhooks.subscription_breakers as b (subscription_id, state, since, probe_at, failing_since, last_error)
                -- The last word of a batch counts.
                select distinct on (r.subscription_id)
                    r.subscription_id, case r.breaker when 'open' then 'open' else 'closed' end,
                    case when r.breaker <> 'failing' then clock_timestamp() end,
                    clock_timestamp() + r.probe_in_ms * interval '1 millisecond',
                    clock_timestamp() - r.failing_for_ms * interval '1 millisecond', r.error_message
                from unnest(subscription_ids, delivery_ids, breakers, failing_for_ms, probe_in_ms, error_messages)
                    with ordinality r (subscription_id, delivery_id, breaker, failing_for_ms, probe_in_ms, error_message, n)
                where r.breaker is not null
                  and r.delivery_id <> all (coalesce(late, '{}'))
                  and exists (select from webhooks.webhook_subscriptions s where s.id = r.subscription_id)
                  -- What was never known to fail needs no row to say that it works.
                  and (r.breaker <> 'closed'
                       or exists (select from webhooks.subscription_breakers k where k.subscription_id = r.subscription_id))
                order by r.subscription_id, r.n desc
                on conflict (subscription_id) do update
                set state = excluded.state,
                    since = case when b.state = excluded.state then b.since else excluded.since end,
                    probe_at = excluded.probe_at,
                    failing_since = excluded.failing_since,
                    last_error = coalesce(excluded.last_error, b.last_error);
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
comment on function webhooks.record_attempts(uuid[], uuid[], integer[], text[], integer[], text[], text[], text[], bigint[], bigint[], integer[], bytea[], bigint[], text[], text[], bigint[], bigint[]) is
    'Writes the results of attempts, each guarded by the attempt number that was claimed, and what they mean for circuit breakers (closed, failing or open). Returns the deliveries of late writers, for which nothing was changed.';
