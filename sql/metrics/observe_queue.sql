create type webhooks_private.queue_state as (
    ready bigint, scheduled bigint, held bigint, oldest_due_seconds double precision, disabled_subscriptions bigint,
    oldest_transaction_seconds double precision, notification_queue_usage double precision
);
comment on type webhooks_private.queue_state is
    'What a sidecar shows as metrics: outstanding deliveries by state, for how long the one that is due for longest '
    'has been due, the subscriptions that the system has disabled, the age of the oldest transaction or prepared '
    'transaction that can hold vacuum back, and how full the notification queue is (0 to 1).';

create function webhooks_private.observe_queue()
returns webhooks_private.queue_state
language sql stable security definer
set search_path = pg_catalog, pg_temp
begin atomic
    select q.ready, q.scheduled, q.held, extract(epoch from clock_timestamp() - q.oldest_due_at)::double precision,
           (select count(*) from webhooks.webhook_subscriptions s
            where not s.is_enabled and s.disabled_reason is not null),
           (select extract(epoch from clock_timestamp() - min(t.began_at))::double precision
            from (
                select a.xact_start as began_at
                from pg_stat_activity a
                where num_nonnulls(a.backend_xmin, a.backend_xid) > 0
                  and (a.datname = current_database() or a.datname is null)
                union all
                select p.prepared from pg_prepared_xacts p where p.database = current_database()
            ) t),
           pg_notification_queue_usage()
    from (
        select coalesce(sum(s.ready), 0)::bigint as ready, coalesce(sum(s.scheduled), 0)::bigint as scheduled,
               coalesce(sum(s.held), 0)::bigint as held, min(s.oldest_due_at) as oldest_due_at
        from webhooks_private.shard_queues() s
    ) q;
end;
comment on function webhooks_private.observe_queue is
    'The state of the queue for the metrics of a sidecar. The function reads the whole queue.';
grant execute on function webhooks_private.observe_queue to webhooks_sidecar;
