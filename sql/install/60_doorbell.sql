-- The doorbell: how a publisher wakes a sleeping sidecar without a NOTIFY per commit (a NOTIFY takes a
-- cluster-wide lock across the commit's flush) and without ever missing one.
--
--   * Each shard has a bell, an advisory lock (class 1464156748).
--   * A sidecar that is about to sleep takes its bells exclusively (arm_doorbell, try only). If a try fails, a
--     publisher's transaction is in flight: it stays awake and polls. If all succeed it claims once more, with a
--     snapshot taken after the locks: whatever committed before is seen. Then it sleeps, LISTENing.
--   * A publisher tries the bell's shared lock for the rest of its transaction. It gets it: the owner is awake,
--     and can't sleep before this transaction has ended and is visible. It fails: the owner sleeps, so NOTIFY,
--     which is delivered at commit.
--   * The server frees the locks after the commit is visible, and at once when a process dies.

create function webhooks.ring_doorbell(shards smallint[])
returns boolean
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
    shard smallint;
    notified boolean := false;
begin
    foreach shard in array shards loop
        if not pg_try_advisory_xact_lock_shared(1464156748, shard) then
            if coalesce(nullif(current_setting('webhooks.notify', true), ''), 'on')::boolean then
                perform pg_notify('webhooks_doorbell', shard::text);
                notified := true;
            end if;
        end if;
    end loop;
    return notified;
end
$$;
comment on function webhooks.ring_doorbell(smallint[]) is
    'Wakes the owners of these shards at commit, if they sleep: then it returns true. "set webhooks.notify = off" leaves it to the sidecar''s poll (for PREPARE TRANSACTION).';

create function webhooks.arm_doorbell(shards smallint[])
returns boolean
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
    armed smallint[] := '{}';
    bell smallint;
begin
    foreach bell in array shards loop
        if not pg_try_advisory_lock(1464156748, bell) then
            perform pg_advisory_unlock(1464156748, a) from unnest(armed) a;
            return false;
        end if;
        armed := armed || bell;
    end loop;
    return true;
end
$$;
comment on function webhooks.arm_doorbell(smallint[]) is 'Before sleeping: locks the bells of these shards, all or none. False: a publisher is in flight, stay awake.';

create function webhooks.disarm_doorbell(shards smallint[])
returns void
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
begin
    perform pg_advisory_unlock(1464156748, s) from unnest(shards) s;
end
$$;
comment on function webhooks.disarm_doorbell(smallint[]) is 'After waking: unlocks the bells.';
