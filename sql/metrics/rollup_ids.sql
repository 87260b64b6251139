-- Which ids a time has: bounds for reading the partitioned logs, so that few partitions are opened.

create function webhooks_private.rollup_id(at timestamptz)
returns uuid
language sql immutable strict parallel safe
return case when at < timestamptz '1970-01-01 00:00Z' then '00000000-0000-0000-0000-000000000000'::uuid
    when at > timestamptz '9999-01-01 00:00Z' then 'ffffffff-ffff-ffff-ffff-ffffffffffff'::uuid
    -- Rounded down: an id that a transaction makes right when it begins must not be below this.
    else webhooks.uuid_v7_floor(date_bin('1 millisecond', at, timestamptz '2001-01-01 00:00Z')) end;
comment on function webhooks_private.rollup_id is
    'uuid_v7_floor(), also of a time that no UUIDv7 can have, such as -infinity.';

create function webhooks_private.event_ids_between(
    from_time timestamptz, until_time timestamptz,
    out first_id uuid, out last_id uuid, out first_day uuid, out future_id uuid
)
language sql stable
set search_path = pg_catalog, pg_temp
begin atomic
    -- An id may be made a while before the event is published, or after its transaction began. One that is the
    -- application's own and not of its time is below the first day or beyond all days.
    select webhooks_private.rollup_id(event_ids_between.from_time - interval '1 day'),
           webhooks_private.rollup_id(event_ids_between.until_time + interval '1 day'),
           webhooks_private.rollup_id(coalesce(
               webhooks_private.first_partition_day('event_logs')::timestamp at time zone 'UTC', '-infinity')),
           webhooks_private.future_ids();
end;
comment on function webhooks_private.event_ids_between is
    'Which ids events that were published in a time have: from first_id to last_id, or, if they are the '
    'application''s own, below first_day or from future_id on.';
