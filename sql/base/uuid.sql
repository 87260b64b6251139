create function webhooks.uuid_v7()
returns uuid
language c volatile strict parallel safe
as 'MODULE_PATHNAME', 'uuid_v7_wrapper';
comment on function webhooks.uuid_v7 is 'Returns a new time-ordered UUID (RFC 9562, version 7).';
grant execute on function webhooks.uuid_v7 to webhooks_publisher, webhooks_manager;

create function webhooks.uuid_v7_time(id uuid)
returns timestamptz
language sql immutable strict parallel safe
-- Of immutable parts only, or it would not be inlined: called for each row it costs more than the whole claim.
return to_timestamp(('x' || substr(replace(id::text, '-', ''), 1, 12))::bit(48)::bigint / 1000.0::double precision);
comment on function webhooks.uuid_v7_time is 'Returns the time of a UUIDv7.';
grant execute on function webhooks.uuid_v7_time to webhooks_manager, webhooks_monitor, webhooks_auditor;

create function webhooks.uuid_v7_floor(at timestamptz)
returns uuid
language sql immutable strict parallel safe
return (lpad(to_hex((extract(epoch from at) * 1000)::bigint), 12, '0') || '00000000000000000000')::uuid;
comment on function webhooks.uuid_v7_floor is
    'Returns the lowest UUIDv7 of a millisecond. A query with id >= uuid_v7_floor(''2026-11-30 10:00Z'') opens only '
    'the partitions of that time. With an expression of now() it reads only those, but opens all while it is planned.';
grant execute on function webhooks.uuid_v7_floor to webhooks_manager, webhooks_monitor, webhooks_auditor;
