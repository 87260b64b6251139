-- The routes of a subscription: what match_events() reads. derive_routes() keeps them, repair_routes() makes up for it.

create function webhooks.add_routes(subscription webhooks.webhook_subscriptions)
returns void
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
begin
    insert into webhooks.subscription_routes
        (tenant_id, pattern, subscription_id, environment, fifo, filters, filter_jsonpath)
    select subscription.tenant_id, p.pattern, subscription.id, subscription.environment, subscription.ordering = 'fifo',
           nullif(coalesce(subscription.event_filters, '{}') - 'jsonpath', '{}')::text,
           (subscription.event_filters ->> 'jsonpath')::jsonpath
    from (select distinct jsonb_array_elements_text(subscription.subscribed_events) as pattern) p
    -- What a restore brought and would be refused now must not keep publishers waiting: it matches nothing.
    where webhooks.jsonpath_objection((subscription.event_filters ->> 'jsonpath')::jsonpath::text) is null
      -- A pattern that a wider one of the same subscription covers would deliver twice.
      and (p.pattern = '*'
           or not (subscription.subscribed_events ? '*'
                   or (p.pattern not like '%.*' and subscription.subscribed_events ? (split_part(p.pattern, '.', 1) || '.*'))));
end
$$;
comment on function webhooks.add_routes(webhooks.webhook_subscriptions) is 'Writes the routes of a subscription that has none. Part of derive_routes() and repair_routes().';

create function webhooks.repair_routes()
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
          and not exists (select from webhooks.subscription_routes r where r.subscription_id = s.id)
          and webhooks.jsonpath_objection((s.event_filters ->> 'jsonpath')::jsonpath::text) is null
        -- Who changes one just then derives its routes.
        for no key update of s skip locked
    loop
        -- The lock may have come after a change.
        continue when exists (select from webhooks.subscription_routes r where r.subscription_id = subscription.id);
        perform webhooks.add_routes(subscription);
        repaired := repaired + 1;
    end loop;
    return repaired;
end
$$;
comment on function webhooks.repair_routes() is
    'Derives the routes of subscriptions that were written while triggers did not fire: by a restore with --disable-triggers, or with session_replication_role = replica. Returns how many there were. Part of maintain().';
