-- A database that was restored to an earlier time does not know which of its outstanding deliveries the original has
-- made since. Where the original can still be read, its attempts of that time say so.
create function webhooks.reconcile_after_restore(attempts regclass)
returns bigint
-- Runs as its caller, who owns the extension: the table is the caller's, too.
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
    deliveries bigint;
begin
    if attempts is null then
        raise exception 'attempts is null'
            using errcode = 'null_value_not_allowed',
                  hint = 'Name the table with the rows of delivery_attempts of the original.';
    end if;
    lock table webhooks_private.database_bindings in share row exclusive mode;
    if webhooks.is_adopted() then
        raise exception 'database "%" is adopted: its sidecars have begun to deliver', current_database()
            using errcode = 'object_not_in_prerequisite_state',
                  hint = 'Call webhooks.release_database() first, and webhooks.adopt_database() afterwards.';
    end if;
    execute format(
        $sql$
        with missing as materialized (
            select a.*
            from %s a
            join webhooks.delivery_queue q on q.id = a.delivery_id
            where a.delivery_attempt > q.attempt
        ),
        last as materialized (
            select distinct on (m.delivery_id) m.*
            from missing m
            order by m.delivery_id, m.delivery_attempt desc
        ),
        logged as (
            insert into webhooks.delivery_attempts select m.* from missing m on conflict do nothing
        ),
        ended as (
            delete from webhooks.delivery_queue q
            using last l
            where q.id = l.delivery_id and l.delivery_status <> 'retrying'
            returning q.id
        ),
        rescheduled as (
            update webhooks.delivery_queue q
            set attempt = l.delivery_attempt, next_attempt_at = l.next_retry_at
            from last l
            where q.id = l.delivery_id and l.delivery_status = 'retrying'
            returning q.id
        )
        select (select count(*) from ended) + (select count(*) from rescheduled)
        $sql$, attempts)
    into deliveries;
    perform webhooks_private.audit('reconciled', 'database', current_database(),
                                   after => jsonb_build_object('deliveries', deliveries));
    return deliveries;
end
$$;
comment on function webhooks.reconcile_after_restore is
    'After a restore to an earlier time, and before adopt_database(): takes over the attempts that the original made '
    'since, from a table with the columns of delivery_attempts. Outstanding deliveries that ended there are not made '
    'again, and those that wait for a retry go on from there. Returns their number.';
