create type webhooks_private.loaded_subscription as (
    id uuid, tenant_id uuid, version bigint, webhook_url text, webhook_method text, webhook_headers text,
    auth_type text, auth_config text, retry_count integer, retry_delay_seconds integer, retry_delays integer[],
    timeout_seconds integer, max_payload_size_kb integer, no_retry_statuses integer[], max_in_flight integer,
    rate_limit_per_second double precision, rate_limit_burst integer, breaker_failure_threshold bigint,
    breaker_cooldown_seconds bigint, payload_format text, payload_template text, payload_content_type text,
    template_secrets text, shard smallint, is_breaker_open boolean, probe_in_ms bigint, failing_for_ms bigint,
    throttled_for_ms bigint, retired_secrets text[], retired_secrets_for_ms bigint[], needs_verification boolean,
    is_verified boolean, allowed_rate_per_minute integer, may_verify boolean, verify_in_ms bigint, problem text
);
comment on type webhooks_private.loaded_subscription is
    'A subscription as the sidecar delivers for it, secrets included, and what is known of its receiver: its circuit '
    'breaker, the pause that it wants, and whether it has agreed to deliveries. problem: a column that is too large, '
    'so that nothing can be delivered; the columns that can be large are empty then.';

create function webhooks_private.load_subscriptions(ids uuid[])
returns setof webhooks_private.loaded_subscription
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp
-- As claim_deliveries(): a plan that was made when there were a few subscriptions must do when there are thousands.
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
set enable_bitmapscan = off
set enable_hashjoin = off
set enable_mergejoin = off
set jit = off
as $$
declare
    threshold constant bigint := webhooks_private.setting('breaker_failure_threshold');
    cooldown constant bigint := webhooks_private.setting('breaker_cooldown_seconds');
    overlap constant interval := make_interval(secs => webhooks_private.setting('secret_overlap_seconds'));
    verification constant text := webhooks_private.text_setting('endpoint_verification');
    verification_origin constant text := webhooks_private.text_setting('verification_origin');
    -- More than check_subscription_sizes() lets through, of any column.
    most_bytes constant integer := 262144;
begin
    -- Subscriptions that were restored a moment ago are not delivered to.
    perform webhooks_private.check_adopted();
    return query
    select s.id, s.tenant_id, s.version, case when x.problem is null then coalesce(s.webhook_url, '') else '' end,
           coalesce(s.webhook_method, 'POST')::text,
           case when x.problem is null then coalesce(s.webhook_headers, '{}')::text else '{}' end,
           coalesce(s.auth_type, 'none')::text,
           case when x.problem is null then coalesce(s.auth_config, '{}')::text else '{}' end,
           coalesce(s.retry_count, 3), coalesce(s.retry_delay_seconds, 60),
           case when octet_length(s.retry_schedule) <= 10000 then webhooks_private.retry_delays(s.retry_schedule) end,
           coalesce(s.timeout_seconds, 30), coalesce(s.max_payload_size_kb, 1024),
           -- As a list, whatever a restore brought.
           case when x.problem is null then array(select n.status from unnest(s.no_retry_statuses) n (status)
                                                    where n.status is not null) else '{}' end,
           s.max_in_flight,
           s.rate_limit_per_second, s.rate_limit_burst,
           coalesce(s.breaker_failure_threshold, threshold), coalesce(s.breaker_cooldown_seconds, cooldown),
           s.payload_format::text, case when x.problem is null then s.payload_template end,
           s.payload_content_type::text,
           case when x.problem is null then coalesce(s.template_secrets, '{}')::text else '{}' end,
           webhooks_private.shard_of(s.id), coalesce(b.state = 'open', false),
           (extract(epoch from b.probe_at - clock_timestamp()) * 1000)::bigint,
           (extract(epoch from clock_timestamp() - b.failing_since) * 1000)::bigint,
           (extract(epoch from b.throttled_until - clock_timestamp()) * 1000)::bigint, r.secrets, r.ends_in_ms,
           webhooks_private.needs_verification(s.endpoint_verification, verification),
           coalesce(v.state = 'verified', false),
           v.allowed_rate_per_minute, (s.is_active and s.is_enabled) is true and verification_origin is not null,
           -- A receiver that wants a pause is not asked, either.
           (extract(epoch from greatest(v.next_try_at, b.throttled_until) - clock_timestamp()) * 1000)::bigint,
           x.problem
    from unnest(ids) o (id)
    cross join lateral (
        select * from webhooks.webhook_subscriptions s where s.id = o.id limit 1
    ) s
    -- Rows from before there were limits, or that triggers have not seen: they must cost nobody else memory.
    cross join lateral (
        select case
            when octet_length(s.webhook_url) > most_bytes then 'webhook_url'
            when octet_length(s.payload_template) > most_bytes then 'payload_template'
            when webhooks_private.json_text_size(coalesce(s.webhook_headers, '{}'), most_bytes) is null
                then 'webhook_headers'
            when webhooks_private.json_text_size(coalesce(s.auth_config, '{}'), most_bytes) is null then 'auth_config'
            when webhooks_private.json_text_size(coalesce(s.template_secrets, '{}'), most_bytes) is null
                then 'template_secrets'
            when pg_column_size(s.no_retry_statuses) > 65536 or cardinality(s.no_retry_statuses) > 1000
                then 'no_retry_statuses'
        end || ' is too large' as problem
        offset 0
    ) x
    left join lateral (
        select * from webhooks_private.subscription_breakers b where b.subscription_id = s.id limit 1
    ) b on true
    left join lateral webhooks_private.secrets_in_overlap(s.id, overlap) r on s.auth_type = 'signature'
        and x.problem is null
    left join lateral (
        select * from webhooks_private.subscription_verifications v
        where v.subscription_id = s.id and v.webhook_url = s.webhook_url and v.origin = verification_origin limit 1
    ) v on true;
end
$$;
comment on function webhooks_private.load_subscriptions is
    'Where and how to deliver, secrets included; for the sidecar alone.';
grant execute on function webhooks_private.load_subscriptions to webhooks_sidecar;

create function webhooks_private.changed_subscriptions(ids uuid[], versions bigint[])
returns setof uuid
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
set enable_hashjoin = off
set enable_mergejoin = off
as $$
begin
    return query
    select k.id
    from unnest(changed_subscriptions.ids, changed_subscriptions.versions) k (id, version)
    left join lateral (select s.version from webhooks.webhook_subscriptions s where s.id = k.id limit 1) s on true
    where s.version is distinct from k.version;
end
$$;
comment on function webhooks_private.changed_subscriptions is
    'Those subscriptions that are in another version by now, or gone: what a sidecar was not notified of it finds '
    'here.';
grant execute on function webhooks_private.changed_subscriptions to webhooks_sidecar;
