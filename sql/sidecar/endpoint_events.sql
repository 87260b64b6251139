-- What happens to a tenant's own endpoints, published for those of its subscriptions that ask for it by name. In the
-- transaction that records the attempt: it is told once, however often a sidecar reports the result.

create function webhooks_private.url_host(webhook_url text)
returns text
language sql immutable parallel safe
-- Neither user and password nor path and query, which may be secrets.
return lower(substring(webhook_url from '^[A-Za-z]+://(?:[^/?#@]*@)?(\[[^]]*\]|[^/?#:]*)'));
comment on function webhooks_private.url_host is 'The host of a URL, without port.';

create function webhooks_private.is_told_of(subscription_ids uuid[])
returns boolean
language sql stable
set search_path = pg_catalog, pg_temp
begin atomic
    select exists (
        select from webhooks.webhook_subscriptions s
        join webhooks_private.subscription_routes r on r.tenant_id = s.tenant_id
        where s.id = any (is_told_of.subscription_ids)
          and r.pattern = any (webhooks_private.endpoint_event_types() || 'webhook.*'::text)
    );
end;
comment on function webhooks_private.is_told_of is
    'Whether anybody subscribes to what happens to endpoints of these subscriptions'' tenants.';

create function webhooks_private.endpoint_events(
    results webhooks_private.attempt_result[], written bigint[], disabled_ids uuid[]
)
returns table (subscription_id uuid, event_type text, event_data jsonb)
language plpgsql stable
set search_path = pg_catalog, pg_temp
-- Ids are constants of the plan: no other partitions are opened.
set plan_cache_mode = force_custom_plan
as $$
#variable_conflict use_column
declare
    failed_ids constant uuid[] := array(
        select r.delivery_id from unnest(results) with ordinality r
        where r.status = 'failed' and r.ordinality = any (written));
    event_ids constant uuid[] := array(
        select a.event_log_id from webhooks.delivery_attempts a
        where a.delivery_id = any (failed_ids) and a.delivery_status = 'failed' and a.is_test is not true);
begin
    return query
    with changes as (
        -- The last word of a batch counts, as in record_breakers().
        select distinct on (r.subscription_id) r.*, b.state as known_state, b.failing_since as known_since
        from unnest(results) with ordinality r
        left join webhooks_private.subscription_breakers b on b.subscription_id = r.subscription_id
        where r.breaker in ('open', 'failing', 'closed') and r.ordinality = any (written)
        order by r.subscription_id, r.ordinality desc
    )
    select c.subscription_id, 'webhook.endpoint.failing', jsonb_build_object(
               'error', left(c.error_message, 1000), 'http_status_code', c.http_status_code,
               'failing_since', clock_timestamp() - c.failing_for_ms * interval '1 millisecond',
               'next_attempt_at', clock_timestamp() + c.probe_in_ms * interval '1 millisecond')
    from changes c
    where c.breaker = 'open' and c.known_state is distinct from 'open'
      and c.subscription_id <> all (coalesce(disabled_ids, '{}'))
    union all
    select c.subscription_id, 'webhook.endpoint.recovered', jsonb_build_object(
               'failing_since', c.known_since, 'recovered_at', clock_timestamp())
    from changes c
    where c.breaker = 'closed' and c.known_state = 'open';

    return query
    select distinct on (r.subscription_id) r.subscription_id, 'webhook.endpoint.disabled', jsonb_build_object(
               'reason', left(r.disable_reason, 1000), 'error', left(r.error_message, 1000),
               'http_status_code', r.http_status_code, 'disabled_at', clock_timestamp())
    from unnest(results) with ordinality r
    where r.subscription_id = any (disabled_ids) and r.disable_reason is not null and r.ordinality = any (written)
    order by r.subscription_id, r.disable_reason;

    return query
    select a.subscription_id, 'webhook.delivery.failed', jsonb_build_object(
               'delivery_id', a.delivery_id, 'event_id', a.event_log_id, 'event_type', e.event_type,
               'attempts', a.delivery_attempt, 'error', left(a.error_message, 1000),
               'http_status_code', a.http_status_code, 'failed_at', a.attempted_at)
    from (
        select distinct on (a.delivery_id) a.* from webhooks.delivery_attempts a
        where a.delivery_id = any (failed_ids) and a.delivery_status = 'failed' and a.is_test is not true
        order by a.delivery_id, a.delivery_attempt desc
    ) a
    left join webhooks.event_logs e on e.id = a.event_log_id and e.id = any (event_ids)
    -- A delivery that tells of such a thing is not told of, or there would be no end.
    where webhooks_private.is_endpoint_event(e.event_type) is not true
    order by a.delivery_id;
end
$$;
comment on function webhooks_private.endpoint_events is
    'What the results of a batch mean for endpoints: the events that publish_endpoint_events() publishes. Before '
    'breakers are recorded. written: positions of the results that were recorded.';

create function webhooks_private.publish_endpoint_events(
    results webhooks_private.attempt_result[], written bigint[], disabled_ids uuid[]
)
returns void
-- Planned and run with the settings of record_attempts(), which calls it.
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
    subscription_ids constant uuid[] := array(
        select distinct r.subscription_id from unnest(results) r
        where r.status = 'failed' or r.disable_reason is not null or r.breaker in ('open', 'closed'));
begin
    if not webhooks_private.is_told_of(subscription_ids) then
        return;
    end if;
    perform from webhooks_private.subscription_breakers b
    where b.subscription_id = any (subscription_ids)
    order by b.subscription_id for no key update;
    begin
        insert into webhooks.event_logs (
            tenant_id, event_type, event_category, event_name, event_version, event_data, resource_type, resource_id,
            environment
        )
        select s.tenant_id, t.name, t.category, t.name, '1.0',
               jsonb_build_object(
                   'subscription_id', s.id, 'name', s.name, 'environment', s.environment,
                   'host', coalesce(webhooks_private.url_host(s.webhook_url), '')) || e.event_data,
               'webhook_subscription', s.id, s.environment
        from webhooks_private.endpoint_events(results, written, disabled_ids) e
        join webhooks.webhook_subscriptions s on s.id = e.subscription_id
        join webhooks.event_types t on t.name = e.event_type
        -- Nobody wants an event of which nobody of the tenant is told. More than there may be can have come with a
        -- restore: to tell them all would keep the results of all tenants waiting.
        where (
            select count(*)
            from (
                select from webhooks_private.subscription_routes r
                where r.tenant_id = s.tenant_id and r.pattern in (t.name, 'webhook.*')
                  and r.environment = s.environment and r.subscription_id <> s.id
                limit webhooks_private.max_endpoint_subscriptions() + 1
            ) told) between 1 and webhooks_private.max_endpoint_subscriptions();
    exception
        -- To be tried again with the whole batch.
        when lock_not_available or deadlock_detected or serialization_failure then
            raise;
        -- Any other failure: triggers that the application added to event_logs raise conditions of their own. That
        -- an attempt was made has to be recorded whether or not somebody can be told of it.
        when others then
            raise warning 'an event about an endpoint can''t be published: %', sqlerrm using errcode = sqlstate;
    end;
end
$$;
comment on function webhooks_private.publish_endpoint_events is
    'Publishes what the results of a batch mean for endpoints to those of their tenants that subscribe to it. Part of '
    'record_attempts().';
