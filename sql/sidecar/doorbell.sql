-- The doorbell: how a publisher wakes a sleeping sidecar without a NOTIFY per commit (a NOTIFY takes a
-- cluster-wide lock across the commit's flush) and without ever missing one.
--
--   * Each shard has a bell, a lock of the class bell_lock().
--   * A sidecar that is about to sleep takes its bells exclusively (arm_doorbell, try only). If a try fails, a
--     publisher's transaction is in flight: it stays awake and polls. If all succeed it claims once more, with a
--     snapshot taken after the locks: whatever committed before is seen. Then it sleeps, LISTENing.
--   * A publisher tries the bell's shared lock for the rest of its transaction. It gets it: the owner is awake,
--     and can't sleep before this transaction has ended and is visible. It fails: the owner sleeps, so NOTIFY,
--     which is delivered at commit.
--   * The server frees the locks after the commit is visible, and at once when a process dies.

create function webhooks_private.try_bell(class integer, shard smallint)
returns boolean
language c volatile strict
as 'MODULE_PATHNAME', 'try_bell_wrapper';
comment on function webhooks_private.try_bell is
    'Tries the bell of a shard: false if the owner of the shard sleeps and is to be notified. True, at little cost, once '
    'this subtransaction has rung the bell. Part of ring_doorbell().';

create function webhooks_private.note_bell(shard smallint)
returns void
language c volatile strict
as 'MODULE_PATHNAME', 'note_bell_wrapper';
comment on function webhooks_private.note_bell is
    'Notes that the owner of the shard will be notified when this transaction commits, for try_bell(). Part of '
    'notify_owner().';

create function webhooks_private.notify_owner(shard smallint)
returns smallint
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
begin
    if webhooks_private.notify('webhooks_doorbell', shard::text) then
        perform webhooks_private.note_bell(shard);
    end if;
    return shard;
end
$$;
comment on function webhooks_private.notify_owner is
    'Wakes the owner of a shard at commit, and returns the shard. "set webhooks.notify = off" leaves it to the '
    'sidecar''s poll (for PREPARE TRANSACTION).';

-- An expression, for the planner to inline into the INSERT that queues deliveries: a statement of its own would cost
-- publishers more than their locks do.
create function webhooks_private.ring_doorbell(shard smallint)
returns smallint
language sql volatile
return case when webhooks_private.try_bell(webhooks_private.bell_lock(), shard) then shard
    else webhooks_private.notify_owner(shard) end;
comment on function webhooks_private.ring_doorbell is
    'Rings the bell of a shard, which wakes its owner at commit if it sleeps, and returns the shard. Whoever inserts '
    'into delivery_queue takes the shard from here.';

create function webhooks_private.arm_doorbell(shards smallint[])
returns boolean
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    armed smallint[] := '{}';
    bell smallint;
begin
    -- Publishers could not wake it.
    if webhooks_private.notify_queue_is_full() then
        return false;
    end if;
    foreach bell in array shards loop
        if not webhooks_private.try_lock(webhooks_private.bell_lock(), bell, false) then
            perform webhooks_private.unlock(webhooks_private.bell_lock(), a, false) from unnest(armed) a;
            return false;
        end if;
        armed := armed || bell;
    end loop;
    return true;
end
$$;
comment on function webhooks_private.arm_doorbell is
    'Before sleeping: locks the bells of these shards, all or none. False: a publisher is in flight, or can''t '
    'notify since the notification queue is nearly full: stay awake.';
grant execute on function webhooks_private.arm_doorbell to webhooks_sidecar;

create function webhooks_private.disarm_doorbell(shards smallint[])
returns void
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    perform webhooks_private.unlock(webhooks_private.bell_lock(), s, false) from unnest(shards) s;
end
$$;
comment on function webhooks_private.disarm_doorbell is 'After waking: unlocks the bells.';
grant execute on function webhooks_private.disarm_doorbell to webhooks_sidecar;
