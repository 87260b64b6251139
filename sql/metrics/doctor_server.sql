create function webhooks_private.doctor_server()
returns table (severity text, check_name text, finding text, meaning text, advice text)
language sql stable
set search_path = pg_catalog, pg_temp
begin atomic
    select 'info', 'version', format('extension webhooks %s, PostgreSQL %s', e.extversion,
                                     current_setting('server_version')),
           'A sidecar works with the extension of its own minor version, of the one before and of the one after.',
           'Compare with: webhooks-sidecar --version'
    from pg_extension e where e.extname = 'webhooks'
    union all
    select 'warning', 'version', format('version %s is installed in this server and %s in this database',
                                        a.default_version, a.installed_version),
           'The files of another version were installed since.', 'alter extension webhooks update;'
    from pg_available_extensions a
    where a.name = 'webhooks' and a.installed_version <> a.default_version
    union all
    select 'warning', 'standby', 'the server is a hot standby',
           'Nothing is delivered from a standby. A sidecar that is connected to it waits until it is promoted.',
           'Connect sidecars to the primary, with target_session_attrs=read-write.'
    where pg_is_in_recovery()
    union all
    select 'error', 'adoption', format('database "%s" is a copy', current_database()),
           'Deliveries belong to another database: nothing is delivered from this one.',
           'select webhooks.adopt_database(outstanding => ''cancel''); see the guide "Copy a database"'
    where not pg_is_in_recovery() and not webhooks.is_adopted()
    union all
    select s.severity, 'setting', format('%s = %s', s.name, current_setting(s.name)), s.meaning, s.advice
    from (values
        ('error', 'fsync', 'off', 'After a crash of the machine the database may be unusable.',
         'alter system set fsync = on; select pg_reload_conf();'),
        ('error', 'full_page_writes', 'off', 'After a crash of the machine the database may be unusable.',
         'alter system set full_page_writes = on; select pg_reload_conf();'),
        ('error', 'autovacuum', 'off', 'Rows of delivered events stay in the queue, and claims become slow.',
         'alter system set autovacuum = on; select pg_reload_conf();'),
        ('error', 'track_counts', 'off', 'Autovacuum does not run without statistics.',
         'alter system set track_counts = on; select pg_reload_conf();'),
        ('info', 'synchronous_commit', 'off',
         'A crash of the server may lose the last events that were committed, and repeat the last deliveries.',
         'Leave it on for transactions whose events must not be lost.'),
        ('warning', 'log_statement', 'all', 'Secrets of subscriptions get into the log of the server.',
         'See the guide "Keep secrets out of logs".'),
        ('warning', 'log_statement', 'mod', 'Secrets of subscriptions get into the log of the server.',
         'See the guide "Keep secrets out of logs".')
    ) s (severity, name, bad, meaning, advice)
    where current_setting(s.name) = s.bad
    union all
    select 'warning', 'locks', format('a query that opens every partition takes %s locks, of %s that the server has',
                                      l.needed, l.available),
           'Some such queries at once, or a dump, fail with "out of shared memory".',
           format('alter system set max_locks_per_transaction = %s; and restart the server', greatest(
               ceil(4.0 * l.needed / (l.available / current_setting('max_locks_per_transaction')::bigint)), 128))
    from (
        select (select count(*) from pg_inherits i
                left join pg_index x on x.indrelid = i.inhrelid
                where i.inhparent in ('webhooks.event_logs'::regclass, 'webhooks.delivery_attempts'::regclass))
               + (select count(*) from pg_inherits i
                  where i.inhparent in ('webhooks.event_logs'::regclass, 'webhooks.delivery_attempts'::regclass))
                 as needed,
               current_setting('max_locks_per_transaction')::bigint
               * (current_setting('max_connections')::bigint + current_setting('max_prepared_transactions')::bigint)
                 as available
    ) l
    where l.needed > l.available / 4
    union all
    select case when pg_notification_queue_usage() >= 0.5 then 'error' else 'warning' end, 'notification queue',
           format('%s %% full', round(100 * pg_notification_queue_usage()::numeric)),
           'A session listens on some channel and does not end its transaction. From half full on publishers wake '
           'no sidecar, and events are delivered some seconds later.',
           'Find it: select pid, usename, application_name, xact_start from pg_stat_activity order by xact_start; '
           'and end it with pg_terminate_backend(pid).'
    where pg_notification_queue_usage() >= 0.1
    union all
    select 'warning', 'long transaction',
           format('pid %s of role %s has been in a transaction since %s', a.pid, a.usename, a.xact_start),
           'Vacuum cannot remove what was deleted since, and claims become slow.',
           format('End it: select pg_terminate_backend(%s);', a.pid)
    from pg_stat_activity a
    where a.datname = current_database() and a.pid <> pg_backend_pid() and a.xact_start < now() - interval '10 minutes'
      and a.backend_type not in ('autovacuum worker', 'walsender')
    union all
    select 'warning', 'prepared transaction', format('"%s" of role %s was prepared at %s', p.gid, p.owner, p.prepared),
           'Vacuum cannot remove what was deleted since, and its events are not delivered before it is committed.',
           format('commit prepared %L; or rollback prepared %1$L;', p.gid)
    from pg_prepared_xacts p
    where p.database = current_database() and p.prepared < now() - interval '10 minutes'
    union all
    select 'warning', 'replication slot',
           format('slot "%s" is %s, and %s transactions behind', s.slot_name,
                  case when s.active then 'active' else 'not active' end,
                  greatest(age(s.xmin), age(s.catalog_xmin))),
           'Vacuum cannot remove what was deleted since, and WAL is kept.',
           format('If nothing uses it: select pg_drop_replication_slot(%L);', s.slot_name)
    from pg_replication_slots s
    where greatest(age(s.xmin), age(s.catalog_xmin)) > 1000000 or not s.active and s.restart_lsn is not null;
end;
comment on function webhooks_private.doctor_server is
    'What doctor() finds of the server: versions, settings, and what holds back vacuum or notifications.';
