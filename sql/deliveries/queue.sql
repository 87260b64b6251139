create function webhooks_private.shard_count()
returns integer
language sql immutable parallel safe
return 16;
comment on function webhooks_private.shard_count is
    'How many shards deliveries are divided into; sidecars own whole shards.';
grant execute on function webhooks_private.shard_count to webhooks_manager, webhooks_monitor, webhooks_sidecar;

create function webhooks_private.shard_of(subscription_id uuid)
returns smallint
language sql immutable strict parallel safe
return (pg_catalog.get_byte(pg_catalog.uuid_send(subscription_id), 15) & 15)::smallint;
comment on function webhooks_private.shard_of is
    'The shard of a subscription''s deliveries: the low bits of its id, the same in every version and after a '
    'restore.';
grant execute on function webhooks_private.shard_of to webhooks_manager;

-- A test must not wait behind what its subscription has outstanding, and goes while that is held. In a shard of its
-- own it is out of the way: nobody who publishes or claims pays for it.
create function webhooks_private.test_shard_of(subscription_id uuid)
returns smallint
language sql immutable strict parallel safe
return (webhooks_private.shard_of(subscription_id) + webhooks_private.shard_count())::smallint;
comment on function webhooks_private.test_shard_of is
    'The shard of a subscription''s tests: beyond all that are scanned, and delivered by the owner of '
    'shard_of(subscription_id).';
grant execute on function webhooks_private.test_shard_of to webhooks_manager;

-- What a receiver fetches itself is in a shard below all that sidecars own: neither a claim nor what sidecars do while
-- they are idle comes across it.
create function webhooks_private.poll_shard_of(subscription_id uuid)
returns smallint
language sql immutable strict parallel safe
return (webhooks_private.shard_of(subscription_id) - webhooks_private.shard_count())::smallint;
comment on function webhooks_private.poll_shard_of is
    'The shard of deliveries that a receiver fetches: below all that sidecars own.';
grant execute on function webhooks_private.poll_shard_of to webhooks_manager;

create function webhooks_private.queue_shard_of(subscription_id uuid)
returns smallint
language sql stable strict
set search_path = pg_catalog, pg_temp
begin atomic
    select coalesce((select webhooks_private.poll_shard_of(s.id) from webhooks.webhook_subscriptions s
                     where s.id = queue_shard_of.subscription_id and s.delivery = 'poll'),
                    webhooks_private.shard_of(queue_shard_of.subscription_id));
end;
comment on function webhooks_private.queue_shard_of is
    'The shard of a subscription''s deliveries as it is now: of those that are pushed, or of those that are polled.';
grant execute on function webhooks_private.queue_shard_of to webhooks_manager;

create function webhooks_private.lane_of(ordering_key text)
returns bigint
language sql immutable parallel safe
-- A hash that is the same in every version, also after a restore. That two keys meet is harmless: they share a lane.
return ('x' || encode(substr(sha256(convert_to(coalesce(ordering_key, ''), 'UTF8')), 1, 8), 'hex'))::bit(64)::bigint;
comment on function webhooks_private.lane_of is 'The lane of an ordering key; events without one share a lane.';

create table webhooks.delivery_queue (
    id uuid primary key default webhooks.uuid_v7(),
    subscription_id uuid not null,
    event_log_id uuid not null,
    tenant_id uuid not null,
    shard smallint not null,
    attempt integer not null default 0,
    next_attempt_at timestamptz,
    expires_at timestamptz,
    lane bigint
) with (fillfactor = 90, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_insert_scale_factor = 0.1);
create index delivery_queue_ready on webhooks.delivery_queue (shard, subscription_id, id)
    where next_attempt_at is null and lane is null;
create index delivery_queue_ordered on webhooks.delivery_queue (shard, subscription_id, lane, id)
    where lane is not null;
create index delivery_queue_scheduled on webhooks.delivery_queue (shard, next_attempt_at)
    where next_attempt_at is not null;
create index delivery_queue_waiting on webhooks.delivery_queue (shard, subscription_id)
    where next_attempt_at is not null and lane is null;
-- For expire_deliveries(). Events that don't expire, which are most, have no entry.
create index delivery_queue_expiring on webhooks.delivery_queue (expires_at)
    where expires_at is not null;
comment on table webhooks.delivery_queue is
    'Outstanding deliveries. match_events() inserts them, and record_attempts() removes or reschedules them.';
comment on column webhooks.delivery_queue.id is 'Delivery id (UUIDv7).';
comment on column webhooks.delivery_queue.subscription_id is 'Subscription that the delivery goes to.';
comment on column webhooks.delivery_queue.event_log_id is 'Event that is delivered.';
comment on column webhooks.delivery_queue.tenant_id is 'Tenant of the subscription and the event.';
comment on column webhooks.delivery_queue.shard is
    'Shard of the subscription, from 0. The sidecar that owns the shard makes the delivery. Tests have shards of '
    'their own, above the others, and deliveries that the receiver fetches below.';
comment on column webhooks.delivery_queue.attempt is 'Number of recorded attempts, from 0.';
comment on column webhooks.delivery_queue.next_attempt_at is
    'Time before which no attempt is made (deliver_after, or a retry); null: the delivery is ready.';
comment on column webhooks.delivery_queue.expires_at is
    'Time after which the delivery becomes expired; null: max_delivery_age_seconds alone counts.';
comment on column webhooks.delivery_queue.lane is
    'Lane of the subscription. Deliveries of one lane are made one at a time, in the order of their ids; a delivery '
    'with deliver_after takes its place at that time. Null: any order.';
select pg_catalog.pg_extension_config_dump('webhooks.delivery_queue', '');
grant select on webhooks.delivery_queue to webhooks_manager, webhooks_monitor;

-- Deleting a subscription cancels what is outstanding; the log stays.
create function webhooks_private.cancel_outstanding()
returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    -- One statement for each index; then for tests, and for what is polled.
    delete from webhooks.delivery_queue q
    where q.shard = webhooks_private.shard_of(old.id) and q.subscription_id = old.id and q.lane is not null;
    delete from webhooks.delivery_queue q
    where q.shard = webhooks_private.shard_of(old.id) and q.subscription_id = old.id and q.lane is null
      and q.next_attempt_at is null;
    delete from webhooks.delivery_queue q
    where q.shard = webhooks_private.shard_of(old.id) and q.subscription_id = old.id and q.lane is null
      and q.next_attempt_at is not null;
    delete from webhooks.delivery_queue q
    where q.shard = webhooks_private.test_shard_of(old.id) and q.subscription_id = old.id and q.lane is null
      and q.next_attempt_at is null;
    delete from webhooks.delivery_queue q
    where q.shard = webhooks_private.poll_shard_of(old.id) and q.subscription_id = old.id and q.lane is null
      and q.next_attempt_at is null;
    delete from webhooks.delivery_queue q
    where q.shard = webhooks_private.poll_shard_of(old.id) and q.subscription_id = old.id and q.lane is null
      and q.next_attempt_at is not null;
    delete from webhooks_private.poll_batches b where b.subscription_id = old.id;
    return null;
end
$$;
comment on function webhooks_private.cancel_outstanding is
    'Trigger: removes the outstanding deliveries of a deleted subscription.';

create trigger a10_cancel_outstanding
    after delete on webhooks.webhook_subscriptions
    for each row execute function webhooks_private.cancel_outstanding();
