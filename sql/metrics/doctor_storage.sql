create function webhooks_private.doctor_partitions()
returns table (severity text, check_name text, finding text, meaning text, advice text)
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
    parent text;
    has_rows boolean;
begin
    for parent in select t.parent from webhooks_private.partitioned_tables() t loop
        return query
        select case when m.partition = webhooks_private.partition_now(parent) then 'error' else 'warning' end,
               'missing partition', m.partition || ' does not exist',
               'Its rows go to the default partition, from where they have to be moved.',
               'Call maintain() every few minutes, which a sidecar does: select webhooks.maintain();'
        from webhooks_private.missing_partitions(parent, 1) m (partition);
        if parent = 'event_logs' then
            -- Random ids are at home there.
            has_rows := exists (select from webhooks_private.late_days(parent));
        else
            execute format('select exists (select from webhooks_private.%I)', parent || '_default') into has_rows;
        end if;
        if has_rows then
            severity := 'warning';
            check_name := 'default partition';
            finding := format('%s_default has rows of days that had no partition', parent);
            meaning := 'They are read more slowly, and make it harder to add partitions.';
            advice := 'select webhooks.create_partitions(move_rows => 1000000); at a quiet time';
            return next;
        end if;
    end loop;
    return query
    select 'error', 'trigger', format('%s of event_logs is disabled', t.tgname),
           'Events are stored, and nothing of them is delivered.',
           format('alter table webhooks.event_logs enable always trigger %I;', t.tgname)
    from pg_trigger t
    where t.tgrelid = 'webhooks.event_logs'::regclass and t.tgname = 'a30_match_events'
      and t.tgenabled not in ('A', 'O');
end
$$;
comment on function webhooks_private.doctor_partitions is
    'What doctor() finds of partitions, and of the trigger that publishes.';

create function webhooks_private.doctor_queue()
returns table (severity text, check_name text, finding text, meaning text, advice text)
language sql stable
set search_path = pg_catalog, pg_temp
begin atomic
    select 'warning', 'autovacuum',
           format('delivery_queue has %s dead rows beside %s live ones; last vacuum: %s', s.n_dead_tup, s.n_live_tup,
                  coalesce(greatest(s.last_vacuum, s.last_autovacuum)::text, 'never')),
           'Claims read dead rows on their way to those that are ready.',
           'See what holds vacuum back (long transactions, prepared transactions, slots), and call: vacuum '
           'webhooks.delivery_queue;'
    from pg_stat_user_tables s
    where s.relid = 'webhooks.delivery_queue'::regclass and s.n_dead_tup > 100000
      and s.n_dead_tup > 2 * s.n_live_tup
    union all
    select 'error', 'autovacuum', format('autovacuum is disabled for %s', c.oid::regclass),
           'Rows of delivered events stay in the table.',
           format('alter table %s reset (autovacuum_enabled);', c.oid::regclass)
    from pg_class c
    where c.oid in ('webhooks.delivery_queue'::regclass, 'webhooks.webhook_subscriptions'::regclass,
                    'webhooks_private.subscription_breakers'::regclass)
      and c.reloptions::text ~ 'autovacuum_enabled=(false|off|0|no)'
    union all
    select 'warning', 'numbers', format('numbers are rolled up until %s', p.rolled_until),
           'delivery_metrics() and other reports read the time since from the logs, which takes longer. A '
           'transaction that has run for so long delays it, or maintain() is not called.',
           'End the transaction, or see why no sidecar calls maintain().'
    from webhooks_private.rollup_progress p
    where p.rolled_until < now() - interval '1 hour';
end;
comment on function webhooks_private.doctor_queue is 'What doctor() finds of the queue and of the hourly numbers.';
