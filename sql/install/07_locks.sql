-- Locks of the extension's own (extension/src/locks.rs). In pg_locks their locktype is userlock, classid is the class and
-- objid the key. They behave as advisory locks do, but anyone who may connect can take any advisory lock, and nobody can
-- take these: only functions of the extension call the functions below, which are granted to no role.
--
-- A lock is held until the end of the transaction (xact) or until the session releases it or ends. What a session has it
-- does not take a second time: one unlock() is enough.

create function webhooks.lock_xact(class integer, key integer)
returns void
language c volatile strict
as 'MODULE_PATHNAME', 'lock_xact_wrapper';
comment on function webhooks.lock_xact(integer, integer) is 'Takes a lock until the end of the transaction, and waits for it.';

create function webhooks.try_lock_xact(class integer, key integer, shared boolean)
returns boolean
language c volatile strict
as 'MODULE_PATHNAME', 'try_lock_xact_wrapper';
comment on function webhooks.try_lock_xact(integer, integer, boolean) is
    'Takes a lock until the end of the transaction; false if another session is in the way.';

create function webhooks.try_lock(class integer, key integer, shared boolean)
returns boolean
language c volatile strict
as 'MODULE_PATHNAME', 'try_lock_wrapper';
comment on function webhooks.try_lock(integer, integer, boolean) is
    'Takes a lock for the session; false if another session is in the way.';

create function webhooks.unlock(class integer, key integer, shared boolean)
returns boolean
language c volatile strict
as 'MODULE_PATHNAME', 'unlock_wrapper';
comment on function webhooks.unlock(integer, integer, boolean) is 'Releases a lock of the session; false if it does not have it.';

-- The classes, and what a key is.

create function webhooks.bell_lock()
returns integer
language sql immutable parallel safe
return 1464156748;
comment on function webhooks.bell_lock() is
    'Class of locks: the bell of a shard. Publishers try it shared until the end of their transaction; a sidecar holds it exclusively while it sleeps. Nobody waits for it.';

create function webhooks.shard_lock()
returns integer
language sql immutable parallel safe
return 1464156749;
comment on function webhooks.shard_lock() is
    'Class of locks: a shard. The sidecar that owns it holds it exclusively, for its session. Nobody waits for it.';

create function webhooks.sidecar_lock()
returns integer
language sql immutable parallel safe
return 1464156750;
comment on function webhooks.sidecar_lock() is
    'Class of locks: key 0, shared. Each running sidecar holds it for its session, so that they can be counted. Nobody waits for it.';

create function webhooks.change_lock()
returns integer
language sql immutable parallel safe
return 1464156751;
comment on function webhooks.change_lock() is
    'Class of locks: key 0, exclusively, until the end of the transaction. Who goes on to change tables or their triggers waits for it first, so that two that do can''t wait for each other: partitions, limits, resources, event types.';

create function webhooks.tenant_lock()
returns integer
language sql immutable parallel safe
return 1464156752;
comment on function webhooks.tenant_lock() is
    'Class of locks: the hash of a tenant''s id, exclusively, until the end of the transaction. Who looks first whether something is done or allowed for a tenant waits for it: import, copy, retry, replay, its limit of subscriptions.';

create function webhooks.meters_lock()
returns integer
language sql immutable parallel safe
return 1464156753;
comment on function webhooks.meters_lock() is
    'Class of locks: key 0, exclusively, until the end of the transaction. The one session that makes the memory with the meters has it. Nobody waits for it.';
