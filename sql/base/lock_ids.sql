-- The ids of all locks of the extension (locks.sql): one class for each purpose. A comment says what the key is, who
-- holds the lock in which mode and until when, and who waits for it.

create function webhooks_private.bell_lock()
returns integer
language sql immutable parallel safe
return 1464156748;
comment on function webhooks_private.bell_lock is
    'Class of locks: the bell of a shard. Publishers try it shared until the end of their transaction; a sidecar '
    'holds it exclusively while it sleeps. Nobody waits for it.';

create function webhooks_private.shard_lock()
returns integer
language sql immutable parallel safe
return 1464156749;
comment on function webhooks_private.shard_lock is
    'Class of locks: a shard. The sidecar that owns it holds it exclusively, for its session. Nobody waits for it.';

create function webhooks_private.sidecar_lock()
returns integer
language sql immutable parallel safe
return 1464156750;
comment on function webhooks_private.sidecar_lock is
    'Class of locks: key 0, shared. Each running sidecar holds it for its session, so that they can be counted. '
    'Nobody waits for it.';

create function webhooks_private.change_lock()
returns integer
language sql immutable parallel safe
return 1464156751;
comment on function webhooks_private.change_lock is
    'Class of locks: key 0, exclusively, until the end of the transaction. Who goes on to change tables or their '
    'triggers waits for it first, so that two that do can''t wait for each other: partitions, limits, resources, '
    'event types.';

create function webhooks_private.tenant_lock()
returns integer
language sql immutable parallel safe
return 1464156752;
comment on function webhooks_private.tenant_lock is
    'Class of locks: the hash of a tenant''s id, exclusively, until the end of the transaction. Who looks first '
    'whether something is done or allowed for a tenant waits for it: import, copy, retry, replay, its limit of '
    'subscriptions.';

create function webhooks_private.meters_lock()
returns integer
language sql immutable parallel safe
return 1464156753;
comment on function webhooks_private.meters_lock is
    'Class of locks: key 0, exclusively, until the end of the transaction. The one session that makes the memory '
    'with the meters has it. Nobody waits for it.';

create function webhooks_private.alerts_lock()
returns integer
language sql immutable parallel safe
return 1464156754;
comment on function webhooks_private.alerts_lock is
    'Class of locks: key 0 or 1, exclusively, until the end of the transaction. The one session that evaluates the '
    'rules of alerts has key 0, the one that notes how tasks of maintain() went key 1. Nobody waits for them.';
