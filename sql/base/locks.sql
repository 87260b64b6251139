-- Locks of the extension's own (extension/src/locks.rs). In pg_locks their locktype is userlock, classid is the class
-- and objid the key. They behave as advisory locks do, but anyone who may connect can take any advisory lock, and
-- nobody can take these: only functions of the extension call the functions below, which are granted to no role.
--
-- A lock is held until the end of the transaction (xact) or until the session releases it or ends. What a session has
-- it does not take a second time: one unlock() is enough.

create function webhooks_private.lock_xact(class integer, key integer)
returns void
language c volatile strict
as 'MODULE_PATHNAME', 'lock_xact_wrapper';
comment on function webhooks_private.lock_xact is 'Takes a lock until the end of the transaction, and waits for it.';

create function webhooks_private.try_lock_xact(class integer, key integer, shared boolean)
returns boolean
language c volatile strict
as 'MODULE_PATHNAME', 'try_lock_xact_wrapper';
comment on function webhooks_private.try_lock_xact is
    'Takes a lock until the end of the transaction; false if another session is in the way.';

create function webhooks_private.try_lock(class integer, key integer, shared boolean)
returns boolean
language c volatile strict
as 'MODULE_PATHNAME', 'try_lock_wrapper';
comment on function webhooks_private.try_lock is
    'Takes a lock for the session; false if another session is in the way.';

create function webhooks_private.unlock(class integer, key integer, shared boolean)
returns boolean
language c volatile strict
as 'MODULE_PATHNAME', 'unlock_wrapper';
comment on function webhooks_private.unlock is 'Releases a lock of the session; false if it does not have it.';
