create table webhooks_private.maintenance_tasks (
    task text primary key,
    succeeded_at timestamptz,
    failing_since timestamptz,
    last_error text
);
comment on table webhooks_private.maintenance_tasks is
    'How the tasks of maintain() went the last time. A dump leaves it out.';
comment on column webhooks_private.maintenance_tasks.task is 'Name of the task, as maintain() returns it.';
comment on column webhooks_private.maintenance_tasks.succeeded_at is 'Time of the last success; null: none yet.';
comment on column webhooks_private.maintenance_tasks.failing_since is
    'Time of the first failure since the last success; null: the last run succeeded.';
comment on column webhooks_private.maintenance_tasks.last_error is 'Error of the last failure since the last success.';

create function webhooks_private.note_maintenance(task text, error text)
returns void
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
begin
    -- Of several sessions that run maintain() one notes: no other one waits until it commits.
    if not webhooks_private.try_lock_xact(webhooks_private.alerts_lock(), 1, false) then
        return;
    end if;
    insert into webhooks_private.maintenance_tasks as m (task, succeeded_at, failing_since, last_error)
    values (note_maintenance.task, case when error is null then clock_timestamp() end,
            case when error is not null then clock_timestamp() end, left(error, 1000))
    on conflict on constraint maintenance_tasks_pkey do update
    set succeeded_at = coalesce(excluded.succeeded_at, m.succeeded_at),
        failing_since = case when excluded.failing_since is not null then
            coalesce(m.failing_since, excluded.failing_since) end,
        last_error = excluded.last_error;
end
$$;
comment on function webhooks_private.note_maintenance is
    'Notes how a task of maintain() went; error: null if it succeeded. For the alert maintenance_failing.';
