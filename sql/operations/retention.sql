-- What is kept for how long, and what is older. A partition goes as a whole, when its last day is over by the days (or
-- months) of the setting, and not while an outstanding delivery needs it.

create function webhooks_private.kept_since(parent text)
returns timestamptz
language sql stable
set search_path = pg_catalog, pg_temp
begin atomic
    select now() - nullif(webhooks_private.setting(v.setting), 0) * v.unit
    from (values
        ('event_logs', 'event_retention_days', interval '1 day'),
        ('delivery_attempts', 'delivery_log_retention_days', '1 day'),
        ('redeliveries', 'delivery_log_retention_days', '1 day'),
        ('audit_log', 'audit_retention_months', '1 month')
    ) v (parent, setting, unit)
    where v.parent = kept_since.parent
      -- Of a dump that is being restored, the events may be there before the deliveries that need them.
      and webhooks.is_adopted();
end;
comment on function webhooks_private.kept_since is
    'What is older than this in a partitioned table is to go, as the settings say; null: nothing is. Nothing is either '
    'in a copy of a database that is not adopted.';

create function webhooks_private.floor_to_ten_minutes(at timestamptz)
returns timestamptz
language sql immutable strict parallel safe
return date_bin('10 minutes', at, '2000-01-01 00:00Z');
comment on function webhooks_private.floor_to_ten_minutes is
    'A time rounded down to ten minutes, so that what becomes too old meanwhile is no reason to call maintain() again.';

create function webhooks_private.holding_delivery(parent text, first_id uuid, end_id uuid)
returns uuid
language plpgsql stable
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_custom_plan
as $$
begin
    case parent
        -- The queue has no index on events, which would cost every delivery. It is read once.
        when 'event_logs' then
            return (select (array_agg(q.id order by q.id))[1] from webhooks.delivery_queue q
                    where q.event_log_id >= first_id and q.event_log_id < end_id);
        when 'delivery_attempts', 'redeliveries' then
            return (select q.id from webhooks.delivery_queue q where q.id >= first_id and q.id < end_id
                    order by q.id limit 1);
        else
            return null;
    end case;
end
$$;
comment on function webhooks_private.holding_delivery is
    'The oldest outstanding delivery that needs rows with ids from first_id up to, not including, end_id; null: none.';

create function webhooks.overdue_partitions()
returns table (relation text, partition text, ended_at timestamptz, held_by uuid, held_since timestamptz)
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_custom_plan
as $$
#variable_conflict use_column
declare
    old_parents text[];
    old_partitions text[];
    old_ends timestamptz[];
    last_event uuid;
begin
    select array_agg(o.parent), array_agg(o.partition), array_agg(o.ends_at),
           webhooks.uuid_v7_floor(max(o.ends_at) filter (where o.parent = 'event_logs'))
    into old_parents, old_partitions, old_ends, last_event
    from (
        select t.parent, t.since, c.relname::text as partition,
               (right(c.relname, 8)::date + ('1 ' || t.span)::interval) at time zone 'UTC' as ends_at
        from (
            select p.parent, p.span, webhooks_private.kept_since(p.parent) as since
            from webhooks_private.partitioned_tables() p
            offset 0
        ) t
        join pg_inherits i on i.inhparent = ('webhooks.' || t.parent)::regclass
        join pg_class c on c.oid = i.inhrelid
        where c.relname ~ '_[0-9]{8}$' and t.since is not null
    ) o
    where o.ends_at <= o.since;
    if old_parents is null then
        return;
    end if;
    return query
    -- Ids of the caller's own that are no UUIDv7 are of no day here that has old events.
    with event_days as (
        select (webhooks.uuid_v7_time(q.event_log_id) at time zone 'UTC')::date as day,
               (array_agg(q.id order by q.id))[1] as delivery_id
        from webhooks.delivery_queue q
        where q.event_log_id < last_event
        group by 1
    ),
    old as (
        select o.*, h.delivery_id
        from unnest(old_parents, old_partitions, old_ends) o (parent, partition, ends_at)
        left join event_days d on o.parent = 'event_logs' and d.day = right(o.partition, 8)::date
        cross join lateral (
            select case
                when o.parent = 'event_logs' then d.delivery_id
                else webhooks_private.holding_delivery(
                    o.parent, webhooks.uuid_v7_floor(right(o.partition, 8)::date::timestamp at time zone 'UTC'),
                    webhooks.uuid_v7_floor(o.ends_at))
            end as delivery_id
        ) h
    )
    select o.parent, o.partition, o.ends_at, o.delivery_id, webhooks.uuid_v7_time(o.delivery_id)
    from old o
    order by o.ends_at, o.parent;
end
$$;
comment on function webhooks.overdue_partitions is
    'Returns the partitions that are older than the settings for retention and still there, oldest first: when each '
    'ended, the oldest outstanding delivery that needs it (held_by; null: none, and maintain() drops it), and when '
    'that delivery was made. A held partition of redeliveries goes with its month.';
grant execute on function webhooks.overdue_partitions to webhooks_monitor;
