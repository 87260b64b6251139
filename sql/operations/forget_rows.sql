-- Old rows that lie in no partition of a day: events with ids of the caller's own, and what was written while nothing
-- called maintain(). They are deleted, in batches, and found by an index. Of events the id tells nothing there, so
-- created_at counts.

create function webhooks_private.old_events(partition text, before timestamptz, max_events integer)
returns uuid[]
language plpgsql stable
set search_path = pg_catalog, pg_temp
-- A look-up for each event type, however many events there are.
set enable_seqscan = off
set enable_bitmapscan = off
as $$
declare
    -- Made before then and not over yet: those wait for deliver_after or in a lane.
    held constant uuid[] := array(
        select q.event_log_id from webhooks.delivery_queue q where q.id < webhooks.uuid_v7_floor(before));
    ids uuid[];
begin
    execute format(
        'with recursive types as (
             (select e.event_type from webhooks_private.%1$I e order by e.event_type limit 1)
             union all
             select (select e.event_type from webhooks_private.%1$I e
                     where e.event_type > t.event_type order by e.event_type limit 1)
             from types t where t.event_type is not null
         )
         select array_agg(o.id)
         from (
             select f.id
             from types t
             cross join lateral (
                 (select e.id from webhooks_private.%1$I e
                  where e.event_type = t.event_type and e.created_at < $1 and e.id <> all ($3)
                  order by e.created_at desc limit $2)
                 union all
                 (select e.id from webhooks_private.%1$I e
                  where e.event_type = t.event_type and e.created_at is null
                    and coalesce(e.processed_at, ''-infinity'') < $1 and e.id <> all ($3)
                  limit $2)
             ) f
             limit $2
         ) o', partition)
    into ids using before, max_events, held;
    return coalesce(ids, '{}');
end
$$;
comment on function webhooks_private.old_events is
    'Up to so many events of a partition that were published before a time. Part of forget_old_rows().';

create function webhooks_private.forget_old_rows(max_rows integer default 10000)
returns bigint
language plpgsql volatile
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
as $$
declare
    since timestamptz := webhooks_private.floor_to_ten_minutes(webhooks_private.kept_since('event_logs'));
    partition text;
    ids uuid[];
    deleted bigint;
    all_deleted bigint := 0;
begin
    foreach partition in array case when since is not null
        then array['event_logs_default', 'event_logs_past', 'event_logs_future'] else '{}' end
    loop
        continue when coalesce(pg_relation_size(to_regclass('webhooks_private.' || partition)), 0) = 0;
        ids := webhooks_private.old_events(partition, since, max_rows);
        -- Locked first: whoever has one of them delivered again is done, and the next statement sees the delivery.
        execute format('select array(select e.id from webhooks_private.%I e where e.id = any ($1)
                                     for update skip locked)', partition)
        into ids using ids;
        execute format('delete from webhooks_private.%I e
                        where e.id = any ($1) and e.id <> all (array(
                            select q.event_log_id from webhooks.delivery_queue q where q.event_log_id = any ($1)))',
                       partition)
        using ids;
        get diagnostics deleted = row_count;
        all_deleted := all_deleted + deleted;
    end loop;
    since := webhooks_private.floor_to_ten_minutes(webhooks_private.kept_since('delivery_attempts'));
    foreach partition in array case when since is not null
        then array['delivery_attempts_default', 'redeliveries_default'] else '{}' end
    loop
        execute format('delete from webhooks_private.%1$I d
                        where d.ctid = any (array(
                            select o.ctid from webhooks_private.%1$I o
                            where o.delivery_id < $1
                              and not exists (select from webhooks.delivery_queue q where q.id = o.delivery_id)
                            order by o.delivery_id limit $2
                            for update of o skip locked))', partition)
        using webhooks.uuid_v7_floor(since), max_rows;
        get diagnostics deleted = row_count;
        all_deleted := all_deleted + deleted;
    end loop;
    return all_deleted;
end
$$;
comment on function webhooks_private.forget_old_rows is
    'Deletes old rows that lie in no partition of a day and that no outstanding delivery needs, up to so many of each '
    'such partition; returns how many. Part of maintain().';
