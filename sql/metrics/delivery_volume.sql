create function webhooks.delivery_volume(
    tenant_id uuid, bucket interval default '1 hour', since timestamptz default now() - interval '1 day',
    subscription_ids uuid[] default null
)
returns table (
    bucket_start timestamptz, subscription_id uuid, delivered bigint, retrying bigint, failed bigint
)
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
    first_time timestamptz;
begin
    perform webhooks_private.check_monitored_tenant(tenant_id);
    first_time := webhooks_private.bucket_start(webhooks_private.checked_bucket(bucket),
                                                webhooks_private.checked_since(since));
    return query
    select webhooks_private.bucket_start(delivery_volume.bucket, c.hour),
           case when subscription_ids is not null then c.subscription_id end,
           sum(c.delivered)::bigint, sum(c.retrying)::bigint, sum(c.failed + c.expired)::bigint
    from webhooks_private.counted_attempts(delivery_volume.tenant_id, first_time, subscription_ids) c
    where not c.is_test
    group by 1, 2
    order by 1, 2;
end
$$;
comment on function webhooks.delivery_volume is
    'Returns how many attempts of a tenant delivered, were to be retried, and were the last of a delivery that failed '
    'or expired, in buckets of whole hours from the bucket on that since is in. With subscription_ids the numbers are '
    'those of each of these subscriptions, without them of all together. Buckets without attempts are left out. '
    'Without tests.';
grant execute on function webhooks.delivery_volume to webhooks_manager, webhooks_monitor;
