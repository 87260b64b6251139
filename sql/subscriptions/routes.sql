-- The routes of a subscription: what match_events() reads. derive_routes() keeps them, repair_routes() makes up for it.

-- Derived: what matching reads. One row per pattern of each subscription that is active and enabled.
create table webhooks_private.subscription_routes (
    tenant_id uuid not null,
    pattern varchar(100) not null,
    subscription_id uuid not null,
    environment varchar(50) not null,
    fifo boolean not null,
    filters text,
    filter_jsonpath jsonpath,
    poll_shard smallint,
    primary key (tenant_id, pattern, subscription_id)
);
create index subscription_routes_subscription on webhooks_private.subscription_routes (subscription_id);
comment on table webhooks_private.subscription_routes is
    'Derived from webhook_subscriptions by trigger; read by matching. Not to be written by hand.';
comment on column webhooks_private.subscription_routes.tenant_id is 'The tenant.';
comment on column webhooks_private.subscription_routes.pattern is 'Event type, category wildcard or *.';
comment on column webhooks_private.subscription_routes.subscription_id is 'The subscription.';
comment on column webhooks_private.subscription_routes.environment is 'Environment of the subscription.';
comment on column webhooks_private.subscription_routes.fifo is
    'True: ordering of the subscription is fifo, and its deliveries are pushed. What is polled is in order anyway.';
comment on column webhooks_private.subscription_routes.filters is
    'event_filters without jsonpath, as JSON text; null: none.';
comment on column webhooks_private.subscription_routes.filter_jsonpath is 'event_filters.jsonpath; null: none.';
comment on column webhooks_private.subscription_routes.poll_shard is
    'Shard of deliveries that the receiver fetches; null: delivery of the subscription is push.';

create function webhooks_private.add_routes(subscription webhooks.webhook_subscriptions)
returns void
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
begin
    insert into webhooks_private.subscription_routes
        (tenant_id, pattern, subscription_id, environment, fifo, filters, filter_jsonpath, poll_shard)
    select subscription.tenant_id, p.pattern, subscription.id, subscription.environment,
           subscription.ordering = 'fifo' and subscription.delivery = 'push',
           nullif(coalesce(subscription.event_filters, '{}') - 'jsonpath', '{}')::text,
           (subscription.event_filters ->> 'jsonpath')::jsonpath,
           case when subscription.delivery = 'poll' then webhooks_private.poll_shard_of(subscription.id) end
    from (
        select jsonb_array_elements_text(subscription.subscribed_events) as pattern
        union
        -- Not matched by *; and webhook.* beside it would match what * matches, too.
        select unnest(webhooks_private.endpoint_event_types()) where subscription.subscribed_events ?& '{*,webhook.*}'
    ) p
    -- What a restore brought and would be refused now must not keep publishers waiting: it matches nothing.
    where webhooks_private.jsonpath_problem((subscription.event_filters ->> 'jsonpath')::jsonpath::text) is null
      -- A pattern that a wider one of the same subscription covers would deliver twice.
      and (p.pattern = '*'
           or webhooks_private.is_endpoint_event(p.pattern) and subscription.subscribed_events ? '*'
           or not (subscription.subscribed_events ? '*'
                   or (p.pattern not like '%.*' and subscription.subscribed_events ? (split_part(p.pattern, '.', 1)
                           || '.*'))));
end
$$;
comment on function webhooks_private.add_routes is
    'Writes the routes of a subscription that has none. Part of derive_routes() and repair_routes().';

create function webhooks_private.repair_routes()
returns bigint
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
    subscription webhooks.webhook_subscriptions;
    repaired bigint := 0;
begin
    for subscription in
        select s.*
        from webhooks.webhook_subscriptions s
        where s.is_active and s.is_enabled and s.subscribed_events <> '[]'
          and not exists (select from webhooks_private.subscription_routes r where r.subscription_id = s.id)
          and webhooks_private.jsonpath_problem((s.event_filters ->> 'jsonpath')::jsonpath::text) is null
        -- Who changes one just then derives its routes.
        for no key update of s skip locked
    loop
        -- The lock may have come after a change.
        continue when exists (select from webhooks_private.subscription_routes r
                              where r.subscription_id = subscription.id);
        perform webhooks_private.add_routes(subscription);
        repaired := repaired + 1;
    end loop;
    return repaired;
end
$$;
comment on function webhooks_private.repair_routes is
    'Derives the routes of subscriptions that were written while triggers did not fire: by a restore with '
    '--disable-triggers, or with session_replication_role = replica. Returns how many there were. Part of maintain().';

create function webhooks_private.limit_endpoint_subscriptions(subscription webhooks.webhook_subscriptions)
returns void
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
    patterns constant text[] := webhooks_private.endpoint_event_types() || 'webhook.*'::text;
    maximum constant bigint := webhooks_private.max_endpoint_subscriptions();
    found_ones bigint;
begin
    if not subscription.subscribed_events ?| patterns or webhooks_private.is_restoring() then
        return;
    end if;
    -- One transaction at a time, as in limit_subscriptions().
    perform webhooks_private.lock_xact(webhooks_private.tenant_lock(), hashtext(subscription.tenant_id::text));
    select count(distinct r.subscription_id) into found_ones
    from webhooks_private.subscription_routes r
    where r.tenant_id = subscription.tenant_id and r.pattern = any (patterns)
      and r.environment = subscription.environment;
    if found_ones > maximum then
        raise exception 'tenant % has % subscriptions to events about its endpoints in the environment %',
            subscription.tenant_id, maximum, subscription.environment
            using errcode = 'configuration_limit_exceeded',
                  hint = 'There can''t be more: have one receiver tell the others, or take webhook.* out of '
                         'subscribed_events.';
    end if;
end
$$;
comment on function webhooks_private.limit_endpoint_subscriptions is
    'Refuses a subscription to events about endpoints if its tenant has max_endpoint_subscriptions() of them. Part of '
    'derive_routes().';

create function webhooks_private.derive_routes()
returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    if tg_op <> 'INSERT' then
        delete from webhooks_private.subscription_routes r where r.subscription_id = old.id;
        -- Sidecars drop what they hold for the old version; what was held back may go.
        perform webhooks_private.notify_change(old.id::text);
    end if;
    -- Another receiver, or one that somebody looked after: what the old one did says nothing of it.
    if tg_op = 'DELETE'
        or tg_op = 'UPDATE' and ((new.is_active and new.is_enabled) is true
                                 and (old.is_active and old.is_enabled) is not true
            or (new.webhook_url, new.delivery) is distinct from (old.webhook_url, old.delivery)) then
        delete from webhooks_private.subscription_breakers b where b.subscription_id = old.id;
    -- The same one asked in another way: that it wants to be left alone for a while stays true.
    elsif tg_op = 'UPDATE'
        and (new.webhook_headers, new.auth_type, new.auth_config, new.payload_format, new.payload_template,
             new.payload_content_type, new.template_secrets)
            is distinct from
            (old.webhook_headers, old.auth_type, old.auth_config, old.payload_format, old.payload_template,
             old.payload_content_type, old.template_secrets) then
        delete from webhooks_private.subscription_breakers b
        where b.subscription_id = old.id and coalesce(b.throttled_until <= now(), true);
        update webhooks_private.subscription_breakers b
        set state = 'closed', since = null, probe_at = null, failing_since = null, last_error = null
        where b.subscription_id = old.id;
    end if;
    if tg_op = 'UPDATE' and new.delivery <> old.delivery then
        perform webhooks_private.move_outstanding(new.id);
    end if;
    perform webhooks_private.renew_verification(old, new);
    perform webhooks_private.retire_secret(old, new);
    if tg_op <> 'DELETE' and new.is_active and new.is_enabled then
        perform webhooks_private.add_routes(new);
        perform webhooks_private.limit_endpoint_subscriptions(new);
    end if;
    return null;
end
$$;
comment on function webhooks_private.derive_routes is 'Trigger: keeps subscription_routes true and tells the sidecars.';

-- After cancel_outstanding, by its name: deliveries are locked before breakers, as record_attempts() does.
create trigger a20_derive_routes
    after insert or update or delete on webhooks.webhook_subscriptions
    for each row execute function webhooks_private.derive_routes();
