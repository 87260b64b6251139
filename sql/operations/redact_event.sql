create function webhooks.redact_event(event_id uuid, reason text default null)
returns bigint
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
-- The ids decide which partitions are opened.
set plan_cache_mode = force_custom_plan
as $$
#variable_conflict use_variable
declare
    tenant uuid;
    key text;
    delivery_ids uuid[];
    first_id uuid;
    last_id uuid;
    cancelled bigint;
    cleared bigint;
begin
    select e.tenant_id, e.idempotency_key into tenant, key from webhooks.event_logs e where e.id = event_id for update;
    if not found or not webhooks_private.may_access_tenant(tenant) then
        raise exception 'there is no event %', coalesce(event_id::text, 'null')
            using errcode = 'undefined_object',
                  hint = 'Events are listed by: select event_log_id from webhooks.event_history(tenant_id);';
    end if;
    select array_agg(d.delivery_id), (array_agg(d.delivery_id order by d.delivery_id))[1],
           (array_agg(d.delivery_id order by d.delivery_id desc))[1]
    into delivery_ids, first_id, last_id
    from webhooks_private.event_deliveries(tenant, array[event_id]) d;
    -- The event has expired: retries and replays leave it out, and a sidecar that has it in memory drops it once it is
    -- told below.
    update webhooks.event_logs e
    set event_data = '{}', resource_data = null, event_name = e.event_type, user_id = null, session_id = null,
        request_id = null, source_ip = null, idempotency_key = null, ordering_key = null, expires_at = now()
    where e.id = event_id;
    delete from webhooks_private.idempotency_keys k
    where k.tenant_id = tenant and k.idempotency_key = key and k.event_id = redact_event.event_id;
    perform webhooks_private.tell_of_change(q.subscription_id)
    from (select distinct q.subscription_id from webhooks.delivery_queue q where q.id = any (delivery_ids)) q;
    with gone as (
        delete from webhooks.delivery_queue q where q.id = any (delivery_ids) returning q.*
    ),
    logged as (
        insert into webhooks.delivery_attempts
            (delivery_id, delivery_attempt, attempted_at, subscription_id, event_log_id, tenant_id, delivery_status,
             error_message, failure, is_test)
        select g.id, g.attempt + 1, clock_timestamp(), g.subscription_id, g.event_log_id, g.tenant_id, 'cancelled',
               'cancelled', 'cancelled', case when g.shard >= webhooks_private.shard_count() then true end
        from gone g
        on conflict do nothing
    )
    select count(*) into cancelled from gone;
    update webhooks.delivery_attempts a
    set response_headers = null, response_body = null, payload_sha256 = null
    where a.delivery_id = any (delivery_ids) and a.delivery_id between first_id and last_id
      and num_nonnulls(a.response_headers, a.response_body, a.payload_sha256) > 0;
    get diagnostics cleared = row_count;
    perform webhooks_private.audit('redacted', 'event', event_id::text, tenant, reason => left(reason, 1000),
                                   after => jsonb_build_object('attempts', cleared, 'cancelled', cancelled));
    return cleared;
end
$$;
comment on function webhooks.redact_event is
    'Deletes what an event says (its data, resource data, name, user, session, request, address and keys) and what '
    'receivers answered, for good. The event itself and its deliveries stay in the log, with their times and '
    'statuses. What is outstanding of it is cancelled, and it can''t be delivered again. Returns the number of '
    'attempts that had a response or a hash of the payload. The reason goes into the audit log.';
grant execute on function webhooks.redact_event to webhooks_manager;
