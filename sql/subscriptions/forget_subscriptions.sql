create function webhooks_private.forget_subscriptions()
returns bigint
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
    forgotten bigint;
begin
    delete from webhooks.webhook_subscriptions s
    where s.id = any (array(
        select o.id from webhooks.webhook_subscriptions o
        where o.expires_at <= clock_timestamp()
        order by o.id limit 1000
        for update skip locked));
    get diagnostics forgotten = row_count;
    return forgotten;
end
$$;
comment on function webhooks_private.forget_subscriptions is
    'Deletes subscriptions whose expires_at has passed, at most 1,000 in one call. Part of maintain().';
