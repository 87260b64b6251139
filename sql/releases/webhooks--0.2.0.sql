\echo Use "CREATE EXTENSION webhooks" to load this file. \quit

-- sql/base/requirements.sql

-- JSON, payloads and answers are UTF-8; in another encoding some could be neither published nor recorded.
do $encoding$
begin
    if pg_catalog.current_setting('server_encoding') <> 'UTF8' then
        raise exception 'extension webhooks needs a database with the encoding UTF8; that of "%" is %',
            pg_catalog.current_database(), pg_catalog.current_setting('server_encoding')
            using errcode = 'feature_not_supported',
                  hint = 'Make a database of that encoding: create database ... encoding ''UTF8'' template '
                         'template0; clients may use any client_encoding.';
    end if;
end
$encoding$;
-- Two schemas. In webhooks is what people use: the tables and views, and the functions that an application or a DBA
-- calls. In webhooks_private is everything else: what triggers, views and the sidecar call, and partitions. It must
-- not exist: what somebody put into it beforehand could be called in place of what is made here.
create schema webhooks_private;

-- The same holds of schema webhooks, which CREATE EXTENSION takes as it is, and its owner counts as the extension's
-- owner. (Until this is known, operators have both sides of one type, that of an operator of pg_catalog: an exact
-- match in "webhooks" would win over a cast.)
do $schema$
declare
    owner name;
    open_schema name;
begin
    select r.rolname into owner
    from pg_catalog.pg_namespace n join pg_catalog.pg_roles r on r.oid = n.nspowner
    where n.nspname = 'webhooks' and not r.rolsuper and r.rolname <> current_user;
    if found then
        raise exception 'schema "webhooks" exists and belongs to role "%"', owner
            using errcode = 'invalid_schema_definition',
                  hint = 'Its owner could change what the extension does. Drop it (drop schema webhooks;), and '
                         'create the extension again.';
    end if;
    select n.nspname into open_schema
    from pg_catalog.pg_namespace n, pg_catalog.aclexplode(n.nspacl) a
    where n.nspname in ('webhooks', 'webhooks_private') and a.privilege_type = 'CREATE' and a.grantee <> n.nspowner
      and not exists (select from pg_catalog.pg_roles r where r.oid = a.grantee and r.rolsuper);
    if found then
        raise exception 'schema "%" exists, and others may create objects in it', open_schema
            using errcode = 'invalid_schema_definition',
                  hint = 'They could change what the extension does. Drop it (drop schema webhooks;) or revoke their '
                         'default privileges (\ddp), and create the extension again.';
    end if;
    if exists (
        select from pg_catalog.pg_depend d
        where d.refclassid = 'pg_catalog.pg_namespace'::pg_catalog.regclass::pg_catalog.oid
          and d.refobjid = 'webhooks'::pg_catalog.regnamespace::pg_catalog.oid
          and d.classid <> 'pg_catalog.pg_extension'::pg_catalog.regclass::pg_catalog.oid
    ) then
        raise exception 'schema "webhooks" exists and is not empty'
            using errcode = 'invalid_schema_definition',
                  hint = 'Rename it, or drop it with all that is in it (drop schema webhooks cascade;), and create '
                         'the extension again.';
    end if;
end
$schema$;

-- sql/base/roles.sql

-- Group roles (cluster-wide, NOLOGIN): granted to login roles by the DBA. Nothing is granted to PUBLIC.
do $roles$
declare
    role_name text;
    meaning text;
begin
    for role_name, meaning in values
        ('webhooks_publisher', 'Publishes events for the tenant that is set, and watches tables of its own; reads no '
                               'events.'),
        ('webhooks_manager', 'Manages subscriptions of the tenant that is set, and reads its events and deliveries; '
                             'reads no secrets.'),
        ('webhooks_monitor', 'Reads states of all tenants: no payloads, nothing that receivers answered, no URLs, no '
                             'secrets.'),
        ('webhooks_auditor', 'Reads the audit log of all tenants.'),
        ('webhooks_sidecar', 'Does what the sidecar does, by its functions alone.'),
        ('webhooks_all_tenants', 'Nothing by itself: publishers and managers that are its members work for every '
                                 'tenant. See grant_all_tenants().')
    loop
        if not exists (select from pg_catalog.pg_roles where rolname = role_name) then
            execute pg_catalog.format('create role %I nologin', role_name);
            execute pg_catalog.format('comment on role %I is %L', role_name, meaning);
        end if;
    end loop;
end
$roles$;

revoke all on schema webhooks, webhooks_private from public;
grant usage on schema webhooks to webhooks_publisher, webhooks_manager, webhooks_monitor, webhooks_auditor,
    webhooks_sidecar;
-- What a view, a policy or a body in SQL names is resolved when it is made: that needs no right on the schema. What a
-- function in PL/pgSQL names is resolved with the rights of its caller when it runs. The functions that publishers
-- and managers call are such: they run as their caller, so that row-level security holds, and the triggers of watched
-- tables run as the owner of the table. To run them as the extension's owner instead would lift row-level security.
-- USAGE alone gives access to nothing: each function that these roles may execute, and each table, is granted one by
-- one (tests/tests/sql/isolation/matrix.rs lists them all).
grant usage on schema webhooks_private to webhooks_publisher, webhooks_manager, webhooks_sidecar;
comment on schema webhooks is
    'Transactional webhooks: publish_event() in your transaction, one signed HTTP request per matching subscription '
    'after its commit.';
comment on schema webhooks_private is
    'Parts of the extension webhooks that nobody else calls or reads. They may change with each version.';

-- sql/base/native.sql

-- Functions in Rust (extension/src). Pure logic is shared with the sidecar through the crate webhooks-core.

create function webhooks_private.filter_matches(event_filters text, event_data text, resource_type text,
                                                resource_id uuid)
returns boolean
language c immutable parallel safe
as 'MODULE_PATHNAME', 'filter_matches_wrapper';
comment on function webhooks_private.filter_matches is
    'Whether an event passes a subscription''s event_filters (all keys but jsonpath); both as JSON text.';

create function webhooks_private.filter_mismatch(event_filters text, event_data text, resource_type text,
                                                 resource_id uuid)
returns text
language c immutable parallel safe
as 'MODULE_PATHNAME', 'filter_mismatch_wrapper';
comment on function webhooks_private.filter_mismatch is
    'Why an event does not pass a subscription''s event_filters (all keys but jsonpath); null if it does.';
grant execute on function webhooks_private.filter_mismatch to webhooks_manager;

create function webhooks_private.jsonpath_problem(path text)
returns text
language c immutable strict parallel safe
as 'MODULE_PATHNAME', 'jsonpath_problem_wrapper';
comment on function webhooks_private.jsonpath_problem is
    'Why a subscription may not filter by a path, which is given as PostgreSQL writes it (path::jsonpath::text); '
    'null if it may. Publishers evaluate it in their transactions: what may take longer than in proportion to the '
    'event''s size is refused.';
grant execute on function webhooks_private.jsonpath_problem to webhooks_manager;

create function webhooks_private.check_subscription(webhook_url text, webhook_headers text, auth_type text,
                                                    auth_config text, event_filters text)
returns void
language c stable parallel safe
as 'MODULE_PATHNAME', 'check_subscription_wrapper';
comment on function webhooks_private.check_subscription is
    'Raises an error that names the first invalid setting of a subscription and says what to do. JSON comes as text.';

create function webhooks_private.check_secret(secret text)
returns integer
language c immutable strict parallel safe
as 'MODULE_PATHNAME', 'check_secret_wrapper';
comment on function webhooks_private.check_secret is
    'Raises an error for a signing secret that is certainly a mistake: one with stray spaces, or of another kind. '
    'Otherwise the number of bytes that its key has.';

create function webhooks_private.special_address(webhook_url text)
returns text
language c immutable strict parallel safe
as 'MODULE_PATHNAME', 'special_address_wrapper';
comment on function webhooks_private.special_address is
    'What is special about the address that a URL''s host is, for example loopback: sidecars deliver to it only with '
    '--allow-network. Null: nothing, or its host is a name.';

create function webhooks_private.render_request(
    payload_format text, payload_template text, payload_content_type text, max_payload_size_kb integer,
    event_id uuid, tenant_id uuid, event_type text, event_category text, event_name text, event_version text,
    created_at_us bigint, event_data text, resource_type text, resource_id uuid,
    resource_data text, user_id uuid, session_id text, request_id text, source_ip text, is_test boolean default null
)
returns table (headers jsonb, body text)
language c immutable parallel safe
as 'MODULE_PATHNAME', 'render_request_wrapper';
comment on function webhooks_private.render_request is
    'The body for an event in a payload format, or as a payload_template makes it, byte for byte as the sidecar '
    'sends it but with *** for its secrets, and the headers that belong to it; created_at_us is in microseconds '
    'since 1970.';
grant execute on function webhooks_private.render_request to webhooks_publisher, webhooks_manager, webhooks_monitor;

create function webhooks_private.secret_names(payload_template text)
returns text[]
language c immutable strict parallel safe
as 'MODULE_PATHNAME', 'secret_names_wrapper';
comment on function webhooks_private.secret_names is
    'Names of the secrets that a payload_template prints with {{ secrets.name }}.';
grant execute on function webhooks_private.secret_names to webhooks_manager;

create function webhooks_private.check_template_secrets(payload_template text, template_secrets text)
returns void
language c immutable parallel safe
as 'MODULE_PATHNAME', 'check_template_secrets_wrapper';
comment on function webhooks_private.check_template_secrets is
    'Raises an error for template_secrets that are none, and for a payload_template that prints one that is not '
    'there.';

create function webhooks.generate_signature(payload text, secret text)
returns text
language c immutable strict parallel safe
as 'MODULE_PATHNAME', 'generate_signature_wrapper';
comment on function webhooks.generate_signature is
    'Returns the HMAC-SHA256 of a payload in hexadecimal, which follows sha256= in the header X-Webhook-Signature.';
grant execute on function webhooks.generate_signature to webhooks_manager;

create function webhooks.verify_signature(payload text, signature text, secret text)
returns boolean
language c immutable strict parallel safe
as 'MODULE_PATHNAME', 'verify_signature_wrapper';
comment on function webhooks.verify_signature is
    'Returns whether a hexadecimal HMAC-SHA256 signature, with or without sha256=, is right. The comparison takes '
    'constant time.';
grant execute on function webhooks.verify_signature to webhooks_manager;

create function webhooks.generate_secret()
returns text
language c volatile strict parallel safe
as 'MODULE_PATHNAME', 'generate_secret_wrapper';
comment on function webhooks.generate_secret is
    'Returns a new signing secret in the form of Standard Webhooks: whsec_ and the base64 of 32 random bytes.';
grant execute on function webhooks.generate_secret to webhooks_manager;

create function webhooks.generate_api_key()
returns text
language c volatile strict parallel safe
as 'MODULE_PATHNAME', 'generate_api_key_wrapper';
comment on function webhooks.generate_api_key is 'Returns a new API key: 32 random bytes in base64url.';
grant execute on function webhooks.generate_api_key to webhooks_manager;

create function webhooks_private.omit_context(frames integer)
returns boolean
language c volatile strict
as 'MODULE_PATHNAME', 'omit_context_wrapper';
comment on function webhooks_private.omit_context is
    'Leaves so many of the innermost lines out of the CONTEXT of the error that its caller raises next, of which the '
    'caller itself is one. True.';

create function webhooks_private.count_match()
returns bigint
language c volatile strict
as 'MODULE_PATHNAME', 'count_match_wrapper';
comment on function webhooks_private.count_match is
    'Counts a run of match_events() in this session; how many there were. Part of match_events().';

create function webhooks_private.counted_matches()
returns bigint
language c volatile strict
as 'MODULE_PATHNAME', 'counted_matches_wrapper';
comment on function webhooks_private.counted_matches is
    'How often match_events() ran in this session. Part of publish_event().';

create function webhooks_private.look_usual(
    tenant_id uuid, event_type text, event_name text, event_data jsonb, resource_type text, session_id text,
    request_id text, event_version text, environment text, idempotency_key text, ordering_key text,
    deliver_after timestamptz, expires_at timestamptz
)
returns boolean
language c immutable parallel safe
as 'MODULE_PATHNAME', 'look_usual_wrapper';
comment on function webhooks_private.look_usual is
    'Whether nothing can be wrong with these arguments of publish_event(); what is unusual check_arguments() looks '
    'at. Part of publish_event().';

create function webhooks_private.call_resolver(resolver oid, tenant_id uuid, resource_id uuid)
returns jsonb
language c volatile strict
as 'MODULE_PATHNAME', 'call_resolver_wrapper';
comment on function webhooks_private.call_resolver is
    'What a resolver returns; it runs with its owner''s rights. Part of snapshot_resource().';

create function webhooks_private.create_meters()
returns bigint
language c volatile strict
as 'MODULE_PATHNAME', 'create_meters_wrapper';
comment on function webhooks_private.create_meters is
    'Makes the shared memory with the meters of tenants; its handle, or null if the server has no more segments. '
    'Part of open_meters().';

create function webhooks_private.attach_meters(handle bigint)
returns boolean
language c volatile strict
as 'MODULE_PATHNAME', 'attach_meters_wrapper';
comment on function webhooks_private.attach_meters is
    'Whether this session has the meters in shared memory with this handle. Part of open_meters().';

create function webhooks_private.meter_events(tenant_id uuid, events bigint, per_minute bigint, max_outstanding bigint)
returns text
language c volatile strict
as 'MODULE_PATHNAME', 'meter_events_wrapper';
comment on function webhooks_private.meter_events is
    'Null: so many events may be published within these limits (0: none), and are counted. "events" or '
    '"outstanding": that limit is reached. "closed": open_meters() first. "unknown": meter_outstanding() first. Part '
    'of limit_events().';

create function webhooks_private.begin_metering()
returns boolean
language c volatile strict
as 'MODULE_PATHNAME', 'begin_metering_wrapper';
comment on function webhooks_private.begin_metering is
    'A statement begins: undo_metering() returns what is taken from now on. True. Part of limit_events().';

create function webhooks_private.undo_metering()
returns boolean
language c volatile strict
as 'MODULE_PATHNAME', 'undo_metering_wrapper';
comment on function webhooks_private.undo_metering is
    'Returns what meter_events() has taken for this statement. True. Part of limit_events().';

create function webhooks_private.metered_events(tenant_id uuid, per_minute bigint)
returns bigint
language c volatile strict
as 'MODULE_PATHNAME', 'metered_events_wrapper';
comment on function webhooks_private.metered_events is
    'How many events a tenant has used up of those that it may publish at once; null before open_meters().';

create function webhooks_private.meter_outstanding(tenant_id uuid, outstanding bigint, max_outstanding bigint,
                                                   took_us bigint)
returns void
language c volatile strict
as 'MODULE_PATHNAME', 'meter_outstanding_wrapper';
comment on function webhooks_private.meter_outstanding is
    'Tells all sessions how many deliveries of a tenant are outstanding, and how many microseconds counting took. '
    'Part of limit_events().';

create function webhooks_private.schema_errors(schema text, data text)
returns text[]
language c immutable strict parallel safe
as 'MODULE_PATHNAME', 'schema_errors_wrapper';
comment on function webhooks_private.schema_errors is
    'Where data does not fit a JSON Schema, and why: the first ten errors, without the data itself; null if it fits. '
    'Both as JSON text; a session compiles a schema once.';

create function webhooks_private.schema_problem(schema text)
returns text
language c immutable strict parallel safe
as 'MODULE_PATHNAME', 'schema_problem_wrapper';
comment on function webhooks_private.schema_problem is
    'Why a text is no JSON Schema (drafts 4 to 2020-12, without references to other documents, patterns without '
    'look-around and back-references); null if it is one.';

create function webhooks_private.schema_example(schema text)
returns text
language c immutable strict parallel safe
as 'MODULE_PATHNAME', 'schema_example_wrapper';
comment on function webhooks_private.schema_example is 'Example data made from a JSON Schema, as JSON text.';
grant execute on function webhooks_private.schema_example to webhooks_publisher, webhooks_manager, webhooks_monitor;

create function webhooks_private.is_current_transaction(id xid)
returns boolean
language c stable strict
as 'MODULE_PATHNAME', 'is_current_transaction_wrapper';
comment on function webhooks_private.is_current_transaction is
    'Whether an id, such as a row''s xmin, is this transaction''s or that of a subtransaction of it that was not '
    'rolled back: nobody else sees the row yet.';
grant execute on function webhooks_private.is_current_transaction to webhooks_manager;

create function webhooks_private.large_values(variadic row_values "any")
returns bigint[]
language c immutable parallel safe
as 'MODULE_PATHNAME', 'large_values_wrapper';
comment on function webhooks_private.large_values is
    'Bytes of each value, decompressed, without decompressing it, if any has more than 1,000,000; else null. All '
    'must be of types of variable length. Part of watch_table().';
grant execute on function webhooks_private.large_values to webhooks_publisher;

create function webhooks_private.json_text_size(data jsonb, max_bytes bigint)
returns bigint
language c immutable parallel safe
as 'MODULE_PATHNAME', 'json_text_size_wrapper';
comment on function webhooks_private.json_text_size is
    'Bytes of a JSON value as text, without making the text; null if they are more than max_bytes: it does not count '
    'further.';

create function webhooks_private.json_fits(event_data jsonb, resource_data jsonb, max_bytes bigint)
returns boolean
language c immutable parallel safe
as 'MODULE_PATHNAME', 'json_fits_wrapper';
comment on function webhooks_private.json_fits is
    'Whether neither value is larger than max_bytes as text or nested more than 512 levels deep. Part of '
    'match_events().';

create function webhooks_private.json_problem(data jsonb, max_bytes bigint)
returns text
language c immutable parallel safe
as 'MODULE_PATHNAME', 'json_problem_wrapper';
comment on function webhooks_private.json_problem is
    'Why a JSON value may not be published: it is larger than max_bytes as text, or nested more than 512 levels '
    'deep; null if it may.';

create function webhooks_private.add_text_size(so_far bigint, event_data jsonb, resource_data jsonb, max_bytes bigint)
returns bigint
language c immutable parallel safe
as 'MODULE_PATHNAME', 'add_text_size_wrapper';
comment on function webhooks_private.add_text_size is 'The step of the aggregate sum_text_size().';

create aggregate webhooks_private.sum_text_size(event_data jsonb, resource_data jsonb, max_bytes bigint) (
    sfunc = webhooks_private.add_text_size,
    stype = bigint,
    initcond = '0',
    parallel = safe
);
comment on aggregate webhooks_private.sum_text_size(jsonb, jsonb, bigint) is
    'Bytes of events'' data as text, as a running sum in a window: beyond max_bytes it reads no more data. Not above '
    'zero: the last event has a value larger than 64 MiB as text, and was not added. Part of claim_deliveries().';

-- sql/base/uuid.sql

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
    'Returns the lowest UUIDv7 of a millisecond. The condition id >= uuid_v7_floor(now() - interval ''1 hour'') '
    'finds newer rows, and opens only the partitions of that time.';
grant execute on function webhooks.uuid_v7_floor to webhooks_manager, webhooks_monitor, webhooks_auditor;

-- sql/base/lock_ids.sql

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

-- sql/base/locks.sql

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

-- sql/base/notify.sql

-- NOTIFY, as a help: whatever a sidecar is told it also finds by itself, some seconds later. A COMMIT fails when the
-- server's notification queue is full, because some session listens and does not end its transaction; nobody's event or
-- subscription must be lost for that.

create function webhooks_private.count_notification()
returns bigint
language c volatile strict
as 'MODULE_PATHNAME', 'count_notification_wrapper';
comment on function webhooks_private.count_notification is
    'Counts the notifications of this transaction: how many there are with this one. Part of notify().';

-- Half: what other transactions that looked before have not added yet must fit in as well, also where the queue is as
-- short as max_notify_queue_pages allows (64 pages of about 130 notifications). The server itself warns from there
-- on.
create function webhooks_private.notify_queue_is_full()
returns boolean
language sql volatile
return pg_notification_queue_usage() >= 0.5;
comment on function webhooks_private.notify_queue_is_full is
    'Whether the server''s notification queue is half full or more: then nothing is added to it.';

create function webhooks_private.notify(channel text, payload text, of_many text default null)
returns boolean
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
    sent bigint;
begin
    if not coalesce(nullif(current_setting('webhooks.notify', true), ''), 'on')::boolean then
        return false;
    end if;
    sent := webhooks_private.count_notification();
    if webhooks_private.notify_queue_is_full() then
        -- Once a transaction.
        if sent = 1 then
            raise warning 'sidecars are not notified: the server''s notification queue is % %% full',
                floor(100 * pg_notification_queue_usage())
                using hint = 'Nothing is lost: they find it within seconds. A session that listens on some channel '
                             'does not end its transaction: find it with select pid, usename, application_name, '
                             'xact_start from pg_stat_activity order by xact_start; and end it with '
                             'pg_terminate_backend(pid).';
        end if;
        return false;
    end if;
    -- A transaction that changes thousands of subscriptions must not fill the queue by itself.
    perform pg_notify(channel, case when sent > 256 then coalesce(of_many, payload) else payload end);
    return true;
end
$$;
comment on function webhooks_private.notify is
    'Notifies sidecars at commit; false, and nothing is sent, if webhooks.notify is off or the notification queue is '
    'nearly full. of_many: what to send instead of the payload where the transaction has sent very many.';

create function webhooks_private.notify_change(payload text)
returns boolean
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
begin
    return webhooks_private.notify('webhooks_changed', payload, of_many => 'subscriptions');
end
$$;
comment on function webhooks_private.notify_change is
    'Tells sidecars that a subscription changed (its id), or that its receiver is to be asked ("verify " and its '
    'id); of very many in one transaction, that subscriptions changed.';

-- sql/base/tenants.sql

-- Whose rows a session works with: those of the tenant in the setting webhooks.tenant_id, or of all tenants for
-- members of webhooks_all_tenants. Row-level security (security/policies.sql) asks this of current_user, who runs the
-- statement. Functions that run as the owner, whom no policy binds, ask it of their caller with check_tenant().

create function webhooks.set_tenant(tenant_id uuid, for_session boolean default false)
returns void
language sql volatile
begin atomic
    select set_config('webhooks.tenant_id', coalesce(tenant_id::text, ''), not for_session);
end;
comment on function webhooks.set_tenant is
    'Sets the tenant whose rows are visible and writable (the setting webhooks.tenant_id), until the end of the '
    'transaction or of the session. Null: no tenant.';
grant execute on function webhooks.set_tenant to webhooks_publisher, webhooks_manager;

create function webhooks.current_tenant()
returns uuid
language sql stable parallel safe
return nullif(current_setting('webhooks.tenant_id', true), '')::uuid;
comment on function webhooks.current_tenant is 'Returns the tenant that is set; null: none.';
grant execute on function webhooks.current_tenant to webhooks_publisher, webhooks_manager;

create function webhooks_private.caller()
returns name
language sql stable parallel restricted
return coalesce(nullif(current_setting('role'), 'none')::name, session_user);
comment on function webhooks_private.caller is
    'The role of the session, as SET ROLE left it: who called a function that runs as its owner, where current_user '
    'is the owner.';
grant execute on function webhooks_private.caller to webhooks_publisher, webhooks_manager;

create function webhooks.bypasses_isolation(role name)
returns boolean
language sql stable parallel safe
begin atomic
    -- Never null, which would be neither yes nor no.
    select exists (
        select from pg_roles r
        where r.rolname = bypasses_isolation.role
          and (r.rolsuper or r.rolbypassrls
               or pg_has_role(r.oid, (select n.nspowner from pg_namespace n where n.nspname = 'webhooks'), 'usage'))
    );
end;
comment on function webhooks.bypasses_isolation is
    'Returns whether row-level security does not apply to a role: a superuser, a role with BYPASSRLS, or the owner.';

create function webhooks_private.owns_extension(role name)
returns boolean
language sql stable parallel safe
begin atomic
    -- Never null, which would be neither yes nor no.
    select exists (
        select from pg_roles r
        where r.rolname = owns_extension.role
          and (r.rolsuper
               or pg_has_role(r.oid, (select n.nspowner from pg_namespace n where n.nspname = 'webhooks'), 'usage'))
    );
end;
comment on function webhooks_private.owns_extension is
    'Whether a role is a superuser, or the owner of the extension or a member of it.';
grant execute on function webhooks_private.owns_extension to webhooks_publisher, webhooks_manager;

-- For each event published: these two are inlined, and the usual case is the first one.
create function webhooks_private.may_access_tenant(tenant_id uuid)
returns boolean
language sql stable parallel restricted
return coalesce(tenant_id = webhooks.current_tenant(), false)
    or pg_has_role(webhooks_private.caller(), 'webhooks_all_tenants', 'usage')
    or webhooks.bypasses_isolation(webhooks_private.caller());
comment on function webhooks_private.may_access_tenant is
    'Whether the caller of a function that runs as its owner may see and write a tenant''s rows.';

create function webhooks_private.raise_tenant_denied(tenant_id uuid)
returns boolean
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
begin
    if webhooks.current_tenant() is null then
        raise exception 'tenant % can''t be accessed: no tenant is set', coalesce(tenant_id::text, 'null')
            using errcode = 'insufficient_privilege',
                  hint = format('Set it in the same transaction with select webhooks.set_tenant(%L), '
                                'or have a DBA trust a back-end with all tenants: webhooks.grant_all_tenants(role).',
                                tenant_id);
    end if;
    raise exception 'tenant % can''t be accessed: the tenant that is set is %', coalesce(tenant_id::text, 'null'),
        webhooks.current_tenant()
        using errcode = 'insufficient_privilege',
              hint = 'One transaction works for one tenant: set the other one with webhooks.set_tenant() in a '
                     'transaction of its own.';
end
$$;
comment on function webhooks_private.raise_tenant_denied is 'Raises the error for a tenant that may not be accessed.';
grant execute on function webhooks_private.raise_tenant_denied to webhooks_publisher, webhooks_manager;

create function webhooks_private.check_tenant(tenant_id uuid)
returns boolean
language sql stable parallel restricted
return webhooks_private.may_access_tenant(tenant_id) or webhooks_private.raise_tenant_denied(tenant_id);
comment on function webhooks_private.check_tenant is
    'True, or an error if the caller of a function that runs as its owner may not see and write a tenant''s rows.';

create function webhooks.grant_all_tenants(role name)
returns void
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    if not exists (select from pg_roles r where r.rolname = grant_all_tenants.role) then
        raise exception 'there is no role "%"', coalesce(role, 'null')
            using errcode = 'undefined_object',
                  hint = 'Give the name of a role as pg_roles has it, without quotes around it.';
    end if;
    if role in ('webhooks_publisher', 'webhooks_manager', 'webhooks_monitor', 'webhooks_auditor', 'webhooks_sidecar',
                'webhooks_all_tenants') then
        raise exception 'role "%" is not given all tenants: every member would have them', role
            using errcode = 'invalid_grant_operation', hint = 'Name the role of the back-end that is to be trusted.';
    end if;
    execute format('grant webhooks_all_tenants to %I', role)
        -- PostgreSQL 16 asks the grant, not the role, whether it is inherited.
        || case when current_setting('server_version_num')::integer >= 160000 then ' with inherit true' else '' end;
    if not pg_has_role(role, 'webhooks_all_tenants', 'usage') then
        raise exception 'role "%" does not inherit', role
            using errcode = 'invalid_grant_operation', hint = format('Make it do so: alter role %I inherit;', role);
    end if;
    perform webhooks_private.audit('granted', 'all_tenants', role);
end
$$;
comment on function webhooks.grant_all_tenants is
    'Lets a trusted role work for every tenant, whatever tenant is set. The other roles that it is a member of say '
    'whether it may publish or manage. The grant holds in all databases of the server.';

create function webhooks.revoke_all_tenants(role name)
returns void
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    if not exists (select from pg_roles r where r.rolname = revoke_all_tenants.role) then
        raise exception 'there is no role "%"', coalesce(role, 'null')
            using errcode = 'undefined_object',
                  hint = 'Give the name of a role as pg_roles has it, without quotes around it.';
    end if;
    execute format('revoke webhooks_all_tenants from %I', role);
    if pg_has_role(role, 'webhooks_all_tenants', 'member') then
        raise exception 'role "%" still has all tenants, by way of another role or as superuser', role
            using errcode = 'invalid_grant_operation', hint = 'pg_auth_members tells of which roles it is a member.';
    end if;
    perform webhooks_private.audit('revoked', 'all_tenants', role);
end
$$;
comment on function webhooks.revoke_all_tenants is 'Reverses grant_all_tenants().';

-- sql/base/restore.sql

create function webhooks_private.could_copy_events()
returns boolean
language c stable
as 'MODULE_PATHNAME', 'could_copy_events_wrapper';
comment on function webhooks_private.could_copy_events is
    'Whether the session has check_function_bodies off or session_replication_role = replica. Part of is_restoring() '
    'and copies_events().';
grant execute on function webhooks_private.could_copy_events to webhooks_publisher, webhooks_manager;

create function webhooks_private.restores()
returns boolean
language plpgsql stable parallel restricted
set search_path = pg_catalog, pg_temp
as $$
begin
    return not current_setting('check_function_bodies')::boolean
        and webhooks_private.owns_extension(webhooks_private.caller());
end
$$;
comment on function webhooks_private.restores is
    'What is_restoring() says, of a session that could restore. Part of is_restoring().';
grant execute on function webhooks_private.restores to webhooks_publisher, webhooks_manager;

-- Every form of pg_dump and pg_restore turns check_function_bodies off first. Others can do that, too, so only a role
-- that can restore is taken to do so. Inlined, and small: it is prepared for each statement on a watched table.
create function webhooks_private.is_restoring()
returns boolean
language sql stable parallel restricted
return webhooks_private.could_copy_events() and webhooks_private.restores();
comment on function webhooks_private.is_restoring is
    'Whether this session restores a dump: a superuser or the owner, with check_function_bodies off. Restored rows '
    'publish nothing and are not checked again.';
-- Triggers of watched tables ask this as the owner of the table.
grant execute on function webhooks_private.is_restoring to webhooks_publisher, webhooks_manager;

create function webhooks_private.is_publishing()
returns boolean
language plpgsql stable parallel restricted
set search_path = pg_catalog, pg_temp
as $$
declare
    callers text;
begin
    get diagnostics callers = pg_context;
    -- Triggers of watched tables have decided by themselves. With quotes: quote_all_identifiers.
    return callers ~ '\mwebhooks"?\."?publish_event"?\(|_webhooks"?\(\)';
end
$$;
comment on function webhooks_private.is_publishing is
    'Whether publish_event() or the trigger of a watched table is one of the callers. Part of are_copied().';

create function webhooks_private.are_copied()
returns boolean
language plpgsql stable parallel restricted
set search_path = pg_catalog, pg_temp
as $$
begin
    return (webhooks_private.is_restoring()
            -- An INSERT of the session's own, that is not made by a trigger of the application.
            or current_setting('session_replication_role') = 'replica' and pg_trigger_depth() = 1
               and webhooks_private.owns_extension(webhooks_private.caller()))
        and not webhooks_private.is_publishing();
end
$$;
comment on function webhooks_private.are_copied is
    'What copies_events() says, of a session that could copy events. Part of copies_events().';

-- Inlined, and small: it is prepared for each event that is published.
create function webhooks_private.copies_events()
returns boolean
language sql stable parallel restricted
return webhooks_private.could_copy_events() and webhooks_private.are_copied();
comment on function webhooks_private.copies_events is
    'Whether rows that are inserted into event_logs are copies, which are not published: a superuser or the owner '
    'restores a dump, or inserts them with session_replication_role = replica. What publish_event() and triggers of '
    'watched tables insert is published in any session.';

-- sql/base/audit.sql

create function webhooks_private.redact(secrets jsonb, shown text[] default '{}', instead jsonb default 'null')
returns jsonb
language sql immutable parallel safe
return case when jsonb_typeof(secrets) = 'object' then coalesce(
    (select jsonb_object_agg(e.key, case when e.key = any (shown) then e.value else instead end)
     from jsonb_each(secrets) e), '{}') end;
comment on function webhooks_private.redact is
    'An object with its keys and, but for the keys shown, the same instead of each value.';
grant execute on function webhooks_private.redact to webhooks_manager;

-- Who changed what, and when. Written by triggers and by the functions for what no table shows (retries, replays,
-- grants). Range-partitioned on the UUIDv7 id like the logs, but by the month: it is small and kept for years. The
-- parent has no index: see event_logs.
create table webhooks.audit_log (
    id uuid not null default webhooks.uuid_v7(),
    occurred_at timestamptz not null default clock_timestamp(),
    tenant_id uuid,
    action text not null,
    object_type text not null,
    object_id text not null,
    before jsonb,
    after jsonb,
    reason text,
    session_role name not null,
    acting_role name not null,
    user_id text,
    request_id text,
    client_address inet
) partition by range (id);
comment on table webhooks.audit_log is
    'Audit log: who changed what, and when. Only a superuser can change or delete an entry. To read new entries '
    'only, compare the id: id > webhooks.uuid_v7_floor(now() - interval ''1 day'').';
comment on column webhooks.audit_log.id is 'Entry id (UUIDv7).';
comment on column webhooks.audit_log.occurred_at is 'Time of the change, not of the beginning of its transaction.';
comment on column webhooks.audit_log.tenant_id is
    'Tenant of the object; null: the object is of no tenant, such as a setting or an event type.';
comment on column webhooks.audit_log.action is
    'For example created, updated, deleted, enabled, disabled, retried, replayed, cancelled, tested, granted, '
    'revoked, adopted, released.';
comment on column webhooks.audit_log.object_type is
    'For example subscription, event_type, setting, limits (object_id is the tenant), delivery, all_tenants '
    '(object_id is the role), database.';
comment on column webhooks.audit_log.object_id is 'Id or name of the object.';
comment on column webhooks.audit_log.before is
    'State before the change: of an update the changed columns, of a deletion all. Secrets are "[redacted]", and so '
    'is everything after the host in webhook_url. Of webhook_headers, auth_config and template_secrets an update '
    'shows only the changed keys.';
comment on column webhooks.audit_log.after is
    'State after the change, as in before; for an action that changes no row, its parameters.';
comment on column webhooks.audit_log.reason is
    'Reason, if the system made the change, such as why it disabled a subscription.';
comment on column webhooks.audit_log.session_role is 'Role that logged in.';
comment on column webhooks.audit_log.acting_role is 'Role in effect, as SET ROLE left it.';
comment on column webhooks.audit_log.user_id is 'User of the application: the setting webhooks.user_id.';
comment on column webhooks.audit_log.request_id is 'Request of the application: the setting webhooks.request_id.';
comment on column webhooks.audit_log.client_address is 'Address of the client of the database; null: a local socket.';
grant select on webhooks.audit_log to webhooks_auditor;

create table webhooks_private.audit_log_template (
    like webhooks.audit_log including defaults including comments,
    primary key (id)
);
create index audit_log_template_tenant on webhooks_private.audit_log_template (tenant_id, id);
create index audit_log_template_object on webhooks_private.audit_log_template (object_id, object_type, id);
comment on table webhooks_private.audit_log_template is
    'Always empty: carries the indexes that create_partitions() gives each partition of audit_log.';

create table webhooks_private.audit_log_default (like webhooks_private.audit_log_template including all);
alter table webhooks.audit_log attach partition webhooks_private.audit_log_default default;
comment on table webhooks_private.audit_log_default is
    'Entries whose id falls in no partition made by create_partitions().';
select pg_catalog.pg_extension_config_dump('webhooks_private.audit_log_default', '');

create function webhooks_private.refuse_change()
returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
    if not (select r.rolsuper from pg_roles r where r.rolname = current_user) then
        raise exception '% of %.% refused: it is append-only', tg_op, tg_table_schema, tg_table_name
            using errcode = 'insufficient_privilege',
                  hint = 'Only a superuser can change what the audit log says. To shorten it, drop its oldest '
                         'partitions.';
    end if;
    return null;
end
$$;
comment on function webhooks_private.refuse_change is
    'Trigger on audit_log and each of its partitions: refuses UPDATE, DELETE and TRUNCATE to all but superusers.';

-- On each by itself: a statement on a partition fires that partition's triggers alone.
create trigger append_only
    before update or delete or truncate on webhooks.audit_log
    for each statement execute function webhooks_private.refuse_change();
create trigger append_only
    before update or delete or truncate on webhooks_private.audit_log_default
    for each statement execute function webhooks_private.refuse_change();

create function webhooks_private.audit(
    action text, object_type text, object_id text, tenant_id uuid default null,
    before jsonb default null, after jsonb default null, reason text default null
)
returns void
language sql volatile
set search_path = pg_catalog, pg_temp
begin atomic
    insert into webhooks.audit_log
        (tenant_id, action, object_type, object_id, before, after, reason, session_role, acting_role, user_id,
         request_id, client_address)
    values (
        audit.tenant_id, audit.action, audit.object_type, audit.object_id, audit.before, audit.after, audit.reason,
        session_user,
        webhooks_private.caller(),
        left(nullif(current_setting('webhooks.user_id', true), ''), 255),
        left(nullif(current_setting('webhooks.request_id', true), ''), 255),
        inet_client_addr()
    );
end;
comment on function webhooks_private.audit is
    'Writes an entry of the audit log, for functions of this schema. before and after must be without secrets.';

create function webhooks_private.redact_subscription(subscription jsonb, hide_path boolean default false)
returns jsonb
language sql immutable parallel safe
set search_path = pg_catalog, pg_temp
begin atomic
    select case when subscription is not null then coalesce(jsonb_object_agg(c.key, case
        when c.key in ('webhook_headers', 'template_secrets')
            then coalesce(webhooks_private.redact(c.value, '{}', '"[redacted]"'), 'null')
        when c.key = 'auth_config' then coalesce(webhooks_private.redact(c.value, '{header}', '"[redacted]"'), 'null')
        when c.key = 'webhook_url' and hide_path
            then to_jsonb(regexp_replace(c.value #>> '{}', '^(https?://[^/?#]*)(/.+|[?#].*)$', '\1/[redacted]', 'i'))
        -- Some have a key in them.
        when c.key = 'payload_template' and hide_path and c.value <> 'null' then '"[redacted]"'
        else c.value
    end), '{}') end
    from jsonb_each(subscription) c;
end;
comment on function webhooks_private.redact_subscription is
    'A subscription, or some of its columns, as JSON object with [redacted] for each secret; for who may not see '
    'URLs, whose paths and queries often are secrets, also for what follows the host.';
grant execute on function webhooks_private.redact_subscription to webhooks_manager;

create function webhooks_private.only_changes(before jsonb, after jsonb)
returns jsonb
language sql immutable parallel safe
set search_path = pg_catalog, pg_temp
begin atomic
    select coalesce(jsonb_object_agg(b.key,
        case when b.key in ('webhook_headers', 'auth_config', 'template_secrets')
            and jsonb_typeof(b.value) = 'object' and jsonb_typeof(after -> b.key) = 'object'
             then (select coalesce(jsonb_object_agg(s.key, s.value), '{}') from jsonb_each(b.value) s
                   where s.value is distinct from after #> array[b.key, s.key])
             else b.value end), '{}')
    from jsonb_each(before) b
    where b.value is distinct from after -> b.key and b.key not in ('version', 'updated_at');
end;
comment on function webhooks_private.only_changes is
    'What of a row is different in another one; of secrets only the keys that are. What every update changes is left '
    'out.';

create function webhooks_private.audit_change()
returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    old_row constant jsonb := case when tg_op <> 'INSERT' then to_jsonb(old) end;
    new_row constant jsonb := case when tg_op <> 'DELETE' then to_jsonb(new) end;
    before jsonb := old_row;
    after jsonb := new_row;
    was_on boolean;
    is_on boolean;
    action text := case tg_op when 'INSERT' then 'created' when 'UPDATE' then 'updated' else 'deleted' end;
begin
    -- A restore brings the entries with it. It changes and deletes nothing by itself; triggers of ours replace
    -- built-in types.
    if webhooks_private.is_restoring() and (tg_op = 'INSERT' or pg_trigger_depth() > 1) then
        return null;
    end if;
    if tg_op = 'UPDATE' then
        before := webhooks_private.only_changes(old_row, new_row);
        after := webhooks_private.only_changes(new_row, old_row);
        if before = '{}' and after = '{}' then
            return null;
        end if;
        if tg_argv[0] = 'subscription' then
            was_on := coalesce((old_row ->> 'is_active')::boolean and (old_row ->> 'is_enabled')::boolean, false);
            is_on := coalesce((new_row ->> 'is_active')::boolean and (new_row ->> 'is_enabled')::boolean, false);
            if was_on <> is_on then
                action := case when is_on then 'enabled' else 'disabled' end;
            end if;
        end if;
    end if;
    if tg_argv[0] = 'subscription_template' then
        before := coalesce(jsonb_set(before, '{settings}',
                                     webhooks_private.redact_subscription(before -> 'settings', hide_path => true),
                                     false), before);
        after := coalesce(jsonb_set(after, '{settings}',
                                    webhooks_private.redact_subscription(after -> 'settings', hide_path => true),
                                    false), after);
    end if;
    perform webhooks_private.audit(
        action, tg_argv[0], coalesce(new_row, old_row) ->> tg_argv[1],
        (coalesce(new_row, old_row) ->> 'tenant_id')::uuid,
        webhooks_private.redact_subscription(before, hide_path => true),
        webhooks_private.redact_subscription(after, hide_path => true),
        after ->> 'disabled_reason');
    return null;
end
$$;
comment on function webhooks_private.audit_change is
    'Trigger: writes a change of a row to the audit log. Its arguments: what the row is, and which column names it.';

create function webhooks_private.application_user()
returns uuid
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
begin
    return nullif(current_setting('webhooks.user_id', true), '')::uuid;
exception when invalid_text_representation then
    raise exception 'webhooks.user_id is "%", not a UUID', left(current_setting('webhooks.user_id'), 100)
        using errcode = 'invalid_parameter_value', hint = 'Set it to the id of the application''s user, or to nothing.';
end
$$;
comment on function webhooks_private.application_user is
    'The application''s user, as the setting webhooks.user_id says; null if it is not set.';
grant execute on function webhooks_private.application_user to webhooks_publisher;

-- sql/base/settings.sql

-- Settings of the whole system. Defaults live here, in code; only what a DBA changed is a row, so that dumps
-- carry exactly the changes.
create table webhooks_private.setting_overrides (
    name text primary key,
    value bigint,
    text_value text,
    constraint setting_overrides_value_check check (num_nonnulls(value, text_value) = 1)
);
comment on table webhooks_private.setting_overrides is
    'Settings that differ from their default. Read webhooks.settings; write with set_setting() and reset_setting().';
comment on column webhooks_private.setting_overrides.name is 'Name of the setting.';
comment on column webhooks_private.setting_overrides.value is
    'Value, in the unit that webhooks.settings shows; null: the setting is a text.';
comment on column webhooks_private.setting_overrides.text_value is 'Value of a setting that is a text.';
select pg_catalog.pg_extension_config_dump('webhooks_private.setting_overrides', '');
grant select on webhooks_private.setting_overrides to webhooks_manager, webhooks_monitor;

create function webhooks_private.setting_definitions()
returns table (name text, default_value bigint, unit text, min_value bigint, max_value bigint, description text)
language sql immutable parallel safe
begin atomic
    values
        ('max_retry_delay_seconds', 21600::bigint, 's', 1::bigint, 604800::bigint,
         'Longest backoff between two attempts. 6 hours: a receiver that is down overnight is tried again in the '
         'morning.'),
        ('max_retry_after_seconds', 86400, 's', 0, 604800,
         'Longest Retry-After that is obeyed; a longer one counts as this. One day covers every documented quota '
         'window.'),
        ('max_delivery_age_seconds', 604800, 's', 60, 31536000,
         'Deliveries of older events become expired instead of being tried. 7 days.'),
        ('max_response_body_bytes', 4096, 'bytes', 0, 1048576,
         'How much of a response body the log keeps. 4 KiB holds an error page''s message.'),
        ('max_response_headers_bytes', 4096, 'bytes', 0, 65536,
         'How much of the response headers the log keeps.'),
        ('idempotency_retention_hours', 168, 'h', 1, 8760,
         'How long an idempotency key is remembered. 7 days, beyond the retry horizon of common clients.'),
        ('breaker_failure_threshold', 10, 'failures', 0, 1000000,
         'So many failures of a subscription in a row, without a success between them, open its circuit breaker; 0: '
         'never. 10: no single event''s retries alone.'),
        ('breaker_cooldown_seconds', 60, 's', 1, 86400,
         'How long an open breaker holds deliveries back before one of them probes the receiver.'),
        ('disable_after_failing_hours', 120, 'h', 0, 8760,
         'A subscription that had nothing but failures for so long is disabled at the next one; 0: never. 5 days '
         'span a long weekend.'),
        ('secret_overlap_seconds', 86400, 's', 0, 2592000,
         'How long requests are signed with the secret before, too, after a subscription''s signing secret was '
         'changed; 0: not at all. A day: time to change the receiver''s.'),
        ('partition_days_ahead', 7, 'days', 1, 366,
         'For how many days maintain() keeps partitions ready; a week without a sidecar needs no default partition.'),
        ('max_event_data_bytes', 16777216, 'bytes', 65536, 67108864,
         'Largest event_data of an event, and largest resource_data, as text. 16 MiB: sixteen times what a '
         'subscription takes by default (max_payload_size_kb), and what filters and schemas read in seconds at '
         'worst. No subscription takes more than 64 MiB.'),
        ('tenant_max_subscriptions', 0, 'subscriptions', 0, 1000000,
         'How many subscriptions a tenant may have that has no limit of its own in tenant_limits; 0: no limit.'),
        ('tenant_max_events_per_minute', 0, 'events', 0, 1000000000,
         'How many events such a tenant may publish: so many at once, and so many a minute over time; 0: no limit.'),
        ('tenant_max_outstanding_deliveries', 0, 'deliveries', 0, 1000000000,
         'With how many outstanding deliveries such a tenant can''t publish any more; 0: no limit.');
end;
comment on function webhooks_private.setting_definitions is
    'Every setting that is a number: default, unit, range and why.';
grant execute on function webhooks_private.setting_definitions to webhooks_manager, webhooks_monitor;

create function webhooks_private.text_setting_definitions()
returns table (name text, default_text text, pattern text, takes text, description text)
language sql immutable parallel safe
begin atomic
    values
        ('endpoint_verification', 'none', '^(none|options|required)$', 'none, options or required',
         'Whether a receiver has to agree, in answer to an OPTIONS request, before it gets its first delivery. none: '
         'where its subscription says so; options: unless its subscription says none; required: always.'),
        ('verification_origin', null::text,
         '^(?=.{1,253}$)[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*$',
         'a DNS name, for example events.example.com',
         'Who asks: the name of this system in WebHook-Request-Origin. Receivers agree to it; another one is asked '
         'for anew.');
end;
comment on function webhooks_private.text_setting_definitions is
    'Every setting that is a text: default, what it takes and why.';
grant execute on function webhooks_private.text_setting_definitions to webhooks_manager, webhooks_monitor;

create function webhooks_private.setting(name text)
returns bigint
language sql stable parallel safe
set search_path = pg_catalog, pg_temp
begin atomic
    select coalesce(
        (select o.value from webhooks_private.setting_overrides o where o.name = setting.name),
        (select d.default_value from webhooks_private.setting_definitions() d where d.name = setting.name)
    );
end;
comment on function webhooks_private.setting is 'The value in force of one setting that is a number.';

create function webhooks_private.text_setting(name text)
returns text
language sql stable parallel safe
set search_path = pg_catalog, pg_temp
begin atomic
    select coalesce(
        (select o.text_value from webhooks_private.setting_overrides o where o.name = text_setting.name),
        (select d.default_text from webhooks_private.text_setting_definitions() d where d.name = text_setting.name)
    );
end;
comment on function webhooks_private.text_setting is
    'The value in force of one setting that is a text; null: it is not set.';

create view webhooks.settings with (security_invoker = true) as
select d.name, coalesce(o.value, d.default_value) as value, d.unit, d.default_value, d.min_value, d.max_value,
       d.description,
       null::text as text_value, null::text as default_text
from webhooks_private.setting_definitions() d
left join webhooks_private.setting_overrides o on o.name = d.name
union all
select d.name, null, 'text', null, null, null, d.description, coalesce(o.text_value, d.default_text), d.default_text
from webhooks_private.text_setting_definitions() d
left join webhooks_private.setting_overrides o on o.name = d.name;
comment on view webhooks.settings is
    'Settings in force, with unit, default, range and meaning. Change a setting with set_setting().';
comment on column webhooks.settings.name is 'Name of the setting.';
comment on column webhooks.settings.value is 'Value in force; null: the setting is a text.';
comment on column webhooks.settings.unit is
    'Unit of value, default_value, min_value and max_value; text: the setting is a text.';
comment on column webhooks.settings.default_value is 'Value unless it is set.';
comment on column webhooks.settings.min_value is 'Lowest value.';
comment on column webhooks.settings.max_value is 'Highest value.';
comment on column webhooks.settings.description is 'What the setting does, and why the default is what it is.';
comment on column webhooks.settings.text_value is 'Value in force of a setting that is a text.';
comment on column webhooks.settings.default_text is 'Value of a setting that is a text unless it is set; null: none.';
grant select on webhooks.settings to webhooks_manager, webhooks_monitor;

create function webhooks.set_setting(name text, value bigint)
returns void
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_variable
declare
    definition record;
begin
    select d.* into definition from webhooks_private.setting_definitions() d where d.name = set_setting.name;
    if not found then
        if exists (select from webhooks_private.text_setting_definitions() d where d.name = set_setting.name) then
            perform webhooks.set_setting(name, value::text);
            return;
        end if;
        raise exception 'there is no setting "%"', left(name, 100)
            using errcode = 'undefined_object', hint = 'Settings are listed by: select * from webhooks.settings;';
    end if;
    if value is null or value not between definition.min_value and definition.max_value then
        raise exception 'setting "%" can''t be % %', name, coalesce(value::text, 'null'), definition.unit
            using errcode = 'invalid_parameter_value',
                  hint = format('It takes %s to %s %s.', definition.min_value, definition.max_value, definition.unit);
    end if;
    -- Limits go on to lock event_logs: first of all then, as create_partitions() does.
    if starts_with(name, 'tenant_max_') then
        perform webhooks_private.lock_xact(webhooks_private.change_lock(), 0);
    end if;
    insert into webhooks_private.setting_overrides as o (name, value) values (set_setting.name, set_setting.value)
    on conflict on constraint setting_overrides_pkey do update set value = excluded.value;
    perform webhooks_private.notify('webhooks_changed', 'settings');
end
$$;
comment on function webhooks.set_setting(text, bigint) is
    'Changes a setting. Running sidecars apply the new value at commit.';

create function webhooks_private.check_verification_settings()
returns void
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
    waiting bigint;
begin
    if webhooks_private.text_setting('endpoint_verification') <> 'none'
        and webhooks_private.text_setting('verification_origin') is null then
        raise exception 'endpoint_verification is %, and verification_origin is not set',
            webhooks_private.text_setting('endpoint_verification')
            using errcode = 'object_not_in_prerequisite_state',
                  hint = 'Receivers must be told who asks: select webhooks.set_setting(''verification_origin'', '
                         '''events.example.com''); '
                         'or turn verification off first: select webhooks.reset_setting(''endpoint_verification'');';
    end if;
    if webhooks_private.text_setting('verification_origin') is null then
        select count(*) into waiting from webhooks.webhook_subscriptions s where s.endpoint_verification = 'options';
        if waiting > 0 then
            raise warning 'subscriptions with endpoint_verification = options get nothing while verification_origin '
                          'is not set: %', waiting
                using hint = 'Set it again, or set their endpoint_verification to none.';
        end if;
    end if;
end
$$;
comment on function webhooks_private.check_verification_settings is
    'Raises an error if endpoints are to be verified and the setting is missing that says for whom; a warning if '
    'only some are.';

create function webhooks.set_setting(name text, value text)
returns void
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_variable
declare
    definition record;
begin
    select d.* into definition from webhooks_private.text_setting_definitions() d where d.name = set_setting.name;
    if not found then
        -- A number in quotes, or nothing that there is: the error is the other one's.
        if value is null or value ~ '^-?[0-9]{1,18}$'
            or not exists (select from webhooks_private.setting_definitions() d where d.name = set_setting.name) then
            perform webhooks.set_setting(name, case when value ~ '^-?[0-9]{1,18}$' then value::bigint end);
            return;
        end if;
        raise exception 'setting "%" can''t be "%"', name, left(value, 100)
            using errcode = 'invalid_parameter_value', hint = 'It takes a number: see webhooks.settings.';
    end if;
    if value is null or value !~ definition.pattern then
        raise exception 'setting "%" can''t be %', name, coalesce('"' || left(value, 300) || '"', 'null')
            using errcode = 'invalid_parameter_value', hint = format('It takes %s; reset_setting() gives it its '
                                                                     'default back.', definition.takes);
    end if;
    insert into webhooks_private.setting_overrides as o (name, text_value) values (set_setting.name, set_setting.value)
    on conflict on constraint setting_overrides_pkey do update set text_value = excluded.text_value;
    perform webhooks_private.check_verification_settings();
    perform webhooks_private.notify('webhooks_changed', 'settings');
end
$$;
comment on function webhooks.set_setting(text, text) is
    'Changes a setting that is a text. Running sidecars apply the new value at commit.';

create function webhooks.reset_setting(name text)
returns void
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
begin
    -- As in set_setting().
    if starts_with(name, 'tenant_max_') then
        perform webhooks_private.lock_xact(webhooks_private.change_lock(), 0);
    end if;
    delete from webhooks_private.setting_overrides o where o.name = reset_setting.name;
    perform webhooks_private.check_verification_settings();
    perform webhooks_private.notify('webhooks_changed', 'settings');
end
$$;
comment on function webhooks.reset_setting is 'Restores the default of a setting.';
create trigger audit_change
    after insert or update or delete on webhooks_private.setting_overrides
    for each row execute function webhooks_private.audit_change('setting', 'name');

-- sql/base/value_sizes.sql

-- How large a value may be that people write and that others' deliveries wait for: sidecars load subscriptions,
-- publishers read filters and schemas, everybody reads descriptions. The triggers z10_check_sizes come first: what
-- checks the values themselves may take long on large ones. A value that is there and does not change stays, and so
-- does what a restore brings.

create function webhooks_private.raise_too_large(name text, size text, most text)
returns void
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
begin
    raise exception '% is too large: %', raise_too_large.name, size
        using errcode = 'invalid_parameter_value', hint = format('It takes at most %s.', most);
end
$$;
comment on function webhooks_private.raise_too_large is
    'Raises the error for a value that is too large. It names sizes, never the value.';
grant execute on function webhooks_private.raise_too_large to webhooks_manager;

create function webhooks_private.check_size(name text, value text, former text, max_bytes integer)
returns void
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
begin
    -- What is stored elsewhere is not read for its size.
    if octet_length(value) > max_bytes and value is distinct from former then
        perform webhooks_private.raise_too_large(check_size.name, octet_length(value) || ' bytes',
                                                 max_bytes || ' bytes');
    end if;
end
$$;
comment on function webhooks_private.check_size(text, text, text, integer) is
    'Raises an error for a text that is new and has more than max_bytes bytes. Part of triggers.';

create function webhooks_private.check_size(name text, value jsonb, former jsonb, max_bytes integer)
returns void
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
begin
    if value is not null and webhooks_private.json_text_size(value, max_bytes) is null
        and value is distinct from former then
        perform webhooks_private.raise_too_large(check_size.name, format('more than %s bytes as text', max_bytes),
                                                 max_bytes || ' bytes as text');
    end if;
end
$$;
comment on function webhooks_private.check_size(text, jsonb, jsonb, integer) is
    'Raises an error for a JSON value that is new and has more than max_bytes bytes as text. Part of triggers.';

create function webhooks_private.check_count(name text, entries bigint, most integer)
returns void
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
begin
    if entries > most then
        perform webhooks_private.raise_too_large(check_count.name, entries || ' entries', most || ' entries');
    end if;
end
$$;
comment on function webhooks_private.check_count is 'Raises an error for an array with more than so many entries.';
grant execute on function webhooks_private.check_count to webhooks_manager;

-- sql/catalog/event_types.sql

create table webhooks.event_types (
    name varchar(100) primary key,
    category varchar(50) not null,
    description text,
    version varchar(20) not null default '1.0',
    is_builtin boolean not null default false,
    created_at timestamptz not null default now(),
    constraint event_types_name_check check (name ~ '^[a-z0-9_]+(\.[a-z0-9_]+)+$'),
    constraint event_types_category_check check (category ~ '^[a-z0-9_]+$')
);
comment on table webhooks.event_types is
    'Event types. An event of an unknown type is refused; register a type with register_event_type().';
comment on column webhooks.event_types.name is
    'Name of the event type: lower-case words joined by dots, such as document.uploaded.';
comment on column webhooks.event_types.category is 'Default of event_logs.event_category.';
comment on column webhooks.event_types.description is 'Description for people; at most 10,000 bytes.';
comment on column webhooks.event_types.version is 'Current version of the payload.';
comment on column webhooks.event_types.is_builtin is
    'True: as shipped with the extension. Dumps leave it out, since CREATE EXTENSION brings it. A changed event type '
    'is false.';
comment on column webhooks.event_types.created_at is 'Time of registration.';

insert into webhooks.event_types (name, category, description, is_builtin) values
    ('document.uploaded', 'document', 'A document was uploaded', true),
    ('document.processed', 'document', 'A document was processed', true),
    ('document.deleted', 'document', 'A document was deleted', true),
    ('extraction.started', 'extraction', 'An extraction started', true),
    ('extraction.completed', 'extraction', 'An extraction completed', true),
    ('extraction.failed', 'extraction', 'An extraction failed', true),
    ('job.created', 'job', 'A job was created', true),
    ('job.started', 'job', 'A job started', true),
    ('job.completed', 'job', 'A job completed', true),
    ('job.failed', 'job', 'A job failed', true),
    ('user.created', 'user', 'A user was created', true),
    ('user.login', 'user', 'A user logged in', true),
    ('user.logout', 'user', 'A user logged out', true),
    ('system.health_check', 'system', 'A health check ran', true),
    ('system.error', 'system', 'A system error occurred', true);

-- A row that differs from the shipped one is the DBA's: dumped, and on restore it replaces the shipped one.
create function webhooks_private.own_event_type()
returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
    if tg_op = 'INSERT' then
        delete from webhooks.event_types t where t.name = new.name and t.is_builtin;
    end if;
    new.is_builtin := false;
    return new;
end
$$;
comment on function webhooks_private.own_event_type is
    'Trigger: a registered or changed event type replaces the shipped one and is dumped.';

create trigger z20_own_event_type
    before insert or update on webhooks.event_types
    for each row execute function webhooks_private.own_event_type();

select pg_catalog.pg_extension_config_dump('webhooks.event_types', 'where not is_builtin');
grant select on webhooks.event_types to webhooks_publisher, webhooks_manager, webhooks_monitor;

create function webhooks_private.check_event_type_sizes()
returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    if not webhooks_private.is_restoring() then
        perform webhooks_private.check_size('description', new.description, old.description, 10000);
    end if;
    return new;
end
$$;
comment on function webhooks_private.check_event_type_sizes is
    'Trigger: refuses a description of an event type that is too large.';

create trigger z10_check_sizes
    before insert or update on webhooks.event_types
    for each row execute function webhooks_private.check_event_type_sizes();
create trigger audit_change
    after insert or update or delete on webhooks.event_types
    for each row execute function webhooks_private.audit_change('event_type', 'name');

-- sql/catalog/event_type_versions.sql

-- What is known of the versions of an event type. Data is checked by a trigger that exists only while a schema does:
-- nothing else that is published pays for it.

create table webhooks_private.event_type_versions (
    name varchar(100) not null,
    version varchar(20) not null,
    schema json,
    example jsonb,
    deprecated_at timestamptz,
    deprecation text,
    is_builtin boolean not null default false,
    created_at timestamptz not null default now(),
    primary key (name, version)
);
comment on table webhooks_private.event_type_versions is
    'Schemas, examples and deprecation by event type and version. Read event_type_catalogue; write with '
    'register_event_type() and deprecate_event_type().';
comment on column webhooks_private.event_type_versions.name is 'Name of the event type.';
comment on column webhooks_private.event_type_versions.version is 'Version of the payload: event_logs.event_version.';
comment on column webhooks_private.event_type_versions.schema is
    'JSON Schema that event_data must fit, at most 256 KiB; null: event_data may be anything.';
comment on column webhooks_private.event_type_versions.example is
    'Example of event_data, at most 64 KiB as text; null: the example is made from the schema.';
comment on column webhooks_private.event_type_versions.deprecated_at is
    'Time since which the version is deprecated; null: it is not.';
comment on column webhooks_private.event_type_versions.deprecation is
    'Reason for the deprecation, and what to use instead; at most 2,000 bytes.';
comment on column webhooks_private.event_type_versions.is_builtin is
    'True: as shipped with the extension. Dumps leave it out, since CREATE EXTENSION brings it. A changed version is '
    'false.';
comment on column webhooks_private.event_type_versions.created_at is 'Time of registration.';
select pg_catalog.pg_extension_config_dump('webhooks_private.event_type_versions', 'where not is_builtin');
grant select on webhooks_private.event_type_versions to webhooks_publisher, webhooks_manager, webhooks_monitor;

insert into webhooks_private.event_type_versions (name, version, is_builtin, example) values
    ('document.uploaded', '1.0', true,
     '{"filename": "invoice-2026-031.pdf", "mime_type": "application/pdf", "size_bytes": 184320}'),
    ('document.processed', '1.0', true,
     '{"filename": "invoice-2026-031.pdf", "pages": 3, "kind": "invoice", "duration_ms": 2140}'),
    ('document.deleted', '1.0', true,
     '{"filename": "invoice-2026-031.pdf", "reason": "retention"}'),
    ('extraction.started', '1.0', true,
     '{"document_id": "5d0c2a4e-0000-4000-8000-0000000000d1", "model": "invoices-v4"}'),
    ('extraction.completed', '1.0', true,
     '{"document_id": "5d0c2a4e-0000-4000-8000-0000000000d1", "model": "invoices-v4", "fields": {"total": "1190.00", '
     '"currency": "EUR"}, "confidence": 0.98}'),
    ('extraction.failed', '1.0', true,
     '{"document_id": "5d0c2a4e-0000-4000-8000-0000000000d1", "model": "invoices-v4", "error": "page 2 is not '
     'readable"}'),
    ('job.created', '1.0', true,
     '{"job_type": "export", "priority": 5}'),
    ('job.started', '1.0', true,
     '{"job_type": "export", "worker": "worker-7"}'),
    ('job.completed', '1.0', true,
     '{"job_type": "export", "duration_ms": 48210, "items": 1250}'),
    ('job.failed', '1.0', true,
     '{"job_type": "export", "error": "the storage is full", "attempts": 3}'),
    ('user.created', '1.0', true,
     '{"email": "ada@example.com", "role": "editor"}'),
    ('user.login', '1.0', true,
     '{"email": "ada@example.com", "method": "password"}'),
    ('user.logout', '1.0', true,
     '{"email": "ada@example.com", "reason": "idle"}'),
    ('system.health_check', '1.0', true,
     '{"status": "ok", "checks": {"database": "ok", "storage": "ok"}}'),
    ('system.error', '1.0', true,
     '{"error": "a connection was refused", "component": "mailer", "severity": "error"}');

create function webhooks_private.own_event_type_version()
returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
    if tg_op = 'INSERT' then
        delete from webhooks_private.event_type_versions v where v.name = new.name and v.version = new.version
            and v.is_builtin;
    end if;
    new.is_builtin := false;
    return new;
end
$$;
comment on function webhooks_private.own_event_type_version is
    'Trigger: a registered or changed version replaces the shipped one and is dumped.';

create trigger z30_own_event_type_version
    before insert or update on webhooks_private.event_type_versions
    for each row execute function webhooks_private.own_event_type_version();

create function webhooks_private.check_event_type_version_sizes()
returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    if not webhooks_private.is_restoring() then
        perform webhooks_private.check_size('schema', new.schema::text, old.schema::text, 262144);
        perform webhooks_private.check_size('example', new.example, old.example, 65536);
        perform webhooks_private.check_size('deprecation', new.deprecation, old.deprecation, 2000);
    end if;
    return new;
end
$$;
comment on function webhooks_private.check_event_type_version_sizes is
    'Trigger: refuses values of a version of an event type that are too large.';

create trigger z10_check_sizes
    before insert or update on webhooks_private.event_type_versions
    for each row execute function webhooks_private.check_event_type_version_sizes();

create trigger audit_change
    after insert or update or delete on webhooks_private.event_type_versions
    for each row execute function webhooks_private.audit_change('event_type', 'name');

-- sql/catalog/schemas.sql

create function webhooks_private.validate_events()
returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp
-- As in match_events(): plans are cached per session, and only index look-ups are right.
set enable_seqscan = off
as $$
declare
    event record;
    done boolean;
begin
    if webhooks_private.copies_events() then
        return null;
    end if;
    select e.event_type, e.event_version, x.errors
    into event
    from new_events e
    cross join lateral (
        select v.schema from webhooks_private.event_type_versions v
        where v.name = e.event_type and v.version = e.event_version and v.schema is not null
        offset 0
    ) v
    cross join lateral (
        -- What is too large is not read: match_events() refuses it.
        select case
            when webhooks_private.json_fits(e.event_data, e.resource_data, 65536)
              or webhooks_private.json_fits(e.event_data, e.resource_data,
                                            webhooks_private.setting('max_event_data_bytes'))
            then webhooks_private.schema_errors(v.schema::text, e.event_data::text) end as errors
        offset 0
    ) x
    where x.errors is not null
    limit 1;
    if found then
        -- This function and the statement that calls it, which is long.
        done := webhooks_private.omit_context(2);
        raise exception 'event_data of % (version %) does not fit its schema: %', event.event_type,
            event.event_version, array_to_string(event.errors, '; ')
            using errcode = 'check_violation',
                  hint = format('See: select schema, example from webhooks.event_type_catalogue where name = %L and '
                                'version = %L;', event.event_type, event.event_version);
    end if;
    return null;
end
$$;
comment on function webhooks_private.validate_events is
    'Trigger, while there are schemas: refuses events whose data does not fit the schema of their type and version.';

create function webhooks_private.sync_validation_trigger()
returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp
-- Publishers wait behind who waits for this lock.
set lock_timeout = '900ms'
as $$
declare
    wanted constant boolean := exists (select from webhooks_private.event_type_versions v where v.schema is not null);
    found_one constant boolean := exists (
        select from pg_trigger t where t.tgrelid = 'webhooks.event_logs'::regclass
            and t.tgname = 'a20_validate_events');
begin
    if wanted and not found_one then
        create trigger a20_validate_events
            after insert on webhooks.event_logs
            referencing new table as new_events
            for each statement execute function webhooks_private.validate_events();
        alter table webhooks.event_logs enable always trigger a20_validate_events;
    elsif found_one and not wanted then
        drop trigger a20_validate_events on webhooks.event_logs;
    end if;
    return null;
exception when lock_not_available then
    perform webhooks_private.raise_busy_log();
    return null;
end
$$;
comment on function webhooks_private.sync_validation_trigger is
    'Trigger: event_logs has the trigger a20_validate_events if and only if a schema is registered, also after a '
    'restore.';

create trigger sync_validation_trigger
    after insert or update or delete or truncate on webhooks_private.event_type_versions
    for each statement execute function webhooks_private.sync_validation_trigger();
alter table webhooks_private.event_type_versions enable always trigger sync_validation_trigger;

create function webhooks_private.check_event_type_version()
returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
    problem text;
    errors text[];
begin
    -- A restore brings what was accepted once.
    if webhooks_private.is_restoring() then
        return new;
    end if;
    problem := webhooks_private.schema_problem(new.schema::text);
    if problem is not null then
        raise exception 'invalid schema of % (version %): %', new.name, new.version, problem
            using errcode = 'invalid_parameter_value',
                  hint = 'Give a JSON Schema, draft 4 to 2020-12. It can''t refer to other documents, and patterns '
                         'can''t look around or back, since publishers wait for them; nor can many sub-schemas look '
                         'at one value.';
    end if;
    errors := webhooks_private.schema_errors(new.schema::text, new.example::text);
    if errors is not null then
        raise exception 'the example of % (version %) does not fit its schema: %', new.name, new.version,
            array_to_string(errors, '; ')
            using errcode = 'check_violation',
                  hint = 'Give an example that does, or register_event_type(..., example => ''null''): then one is '
                         'made from the schema.';
    end if;
    if new.example is null
        and webhooks_private.schema_errors(new.schema::text, webhooks_private.schema_example(new.schema::text))
            is not null then
        raise notice 'the example made for % (version %) does not fit its schema', new.name, new.version
            using hint = 'Give one, or put examples into the schema.';
    end if;
    return new;
end
$$;
comment on function webhooks_private.check_event_type_version is
    'Trigger: refuses invalid schemas, and examples that don''t fit theirs.';

create trigger z20_check_event_type_version
    before insert or update on webhooks_private.event_type_versions
    for each row execute function webhooks_private.check_event_type_version();

-- sql/catalog/register_event_type.sql

create function webhooks.register_event_type(
    name text,
    category text default null,
    description text default null,
    version text default null,
    schema json default null,
    example jsonb default null,
    is_current boolean default true
)
returns void
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_variable
declare
    known record;
begin
    -- First of all, as create_partitions() does: both go on to lock event_logs and audit_log.
    perform webhooks_private.lock_xact(webhooks_private.change_lock(), 0);
    if (name ~ '^[a-z0-9_]+(\.[a-z0-9_]+)+$' and length(name) <= 100) is not true then
        raise exception 'invalid event type "%"', coalesce(name, 'null')
            using errcode = 'invalid_parameter_value',
                  hint = 'Types are lower-case words joined by dots, at most 100 characters: document.uploaded.';
    end if;
    if length(version) not between 1 and 20 then
        raise exception 'invalid version "%" of %', version, name
            using errcode = 'invalid_parameter_value', hint = 'Versions have at most 20 characters: 1.0.';
    end if;
    select t.* into known from webhooks.event_types t where t.name = register_event_type.name for update;
    if not found then
        insert into webhooks.event_types (name, category, description, version)
        values (name, coalesce(category, split_part(name, '.', 1)), description, coalesce(version, '1.0'))
        returning * into known;
    elsif (coalesce(category, known.category), coalesce(description, known.description),
           coalesce(case when is_current then version end, known.version))
        is distinct from (known.category, known.description, known.version) then
        update webhooks.event_types t
        set category = coalesce(register_event_type.category, t.category),
            description = coalesce(register_event_type.description, t.description),
            version = coalesce(case when is_current then register_event_type.version end, t.version)
        where t.name = register_event_type.name
        returning * into known;
    end if;
    version := coalesce(version, known.version);
    update webhooks_private.event_type_versions v
    -- JSON's null takes away what is there, SQL's leaves it.
    set schema = case when register_event_type.schema is null then v.schema
        when json_typeof(register_event_type.schema) <> 'null' then register_event_type.schema end,
        example = case when register_event_type.example is null then v.example
            else nullif(register_event_type.example, 'null') end
    where v.name = register_event_type.name and v.version = register_event_type.version;
    if not found then
        insert into webhooks_private.event_type_versions (name, version, schema, example)
        values (name, version, case when json_typeof(schema) <> 'null' then schema end, nullif(example, 'null'));
    end if;
end
$$;
comment on function webhooks.register_event_type is
    'Registers an event type, or changes the given properties of one. The given version becomes the current one, '
    'which publish_event() and watched tables publish, unless is_current is false. schema and example belong to that '
    'version, and the JSON value null removes them. Events of a version with a schema must fit the schema. A schema '
    'of type jsonb needs a cast: schema => value::json.';

create function webhooks.deprecate_event_type(name text, reason text, version text default null)
returns void
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_variable
begin
    -- First of all, as create_partitions() does: both go on to lock event_logs and audit_log.
    perform webhooks_private.lock_xact(webhooks_private.change_lock(), 0);
    version := coalesce(version, (select t.version from webhooks.event_types t
                                  where t.name = deprecate_event_type.name));
    if not exists (
        select from webhooks.event_type_catalogue c where c.name = deprecate_event_type.name
            and c.version = deprecate_event_type.version
    ) then
        raise exception 'there is no event type "%"%', coalesce(name, 'null'), case when version is null then ''
            else format(' of version "%s"', version) end
            using errcode = 'undefined_object',
                  hint = 'Types and versions are listed by: select name, version from webhooks.event_type_catalogue;';
    end if;
    update webhooks_private.event_type_versions v
    set deprecated_at = case when reason is not null then coalesce(v.deprecated_at, now()) end, deprecation = reason
    where v.name = deprecate_event_type.name and v.version = deprecate_event_type.version;
    if not found then
        insert into webhooks_private.event_type_versions (name, version, deprecated_at, deprecation)
        values (name, version, case when reason is not null then now() end, reason);
    end if;
end
$$;
comment on function webhooks.deprecate_event_type is
    'Marks a version of an event type, the current one by default, as deprecated, with a reason; null removes the '
    'mark. A deprecated version is still published. A subscription to it raises a notice.';

-- sql/catalog/event_type_catalogue.sql

create view webhooks.event_type_catalogue with (security_invoker = true) as
select
    t.name,
    v.version,
    v.version = t.version as is_current,
    t.category,
    t.description,
    t.is_builtin,
    v.schema,
    v.example,
    r.body as example_payload,
    v.deprecated_at,
    v.deprecation
from webhooks.event_types t
cross join lateral (
    select n.version::text, s.schema,
           coalesce(s.example, webhooks_private.schema_example(s.schema::text)::jsonb, '{}') as example,
           s.deprecated_at, s.deprecation
    from (
        select t.version union select o.version from webhooks_private.event_type_versions o where o.name = t.name
    ) n
    left join webhooks_private.event_type_versions s on s.name = t.name and s.version = n.version
) v
cross join lateral webhooks_private.render_request(
    'envelope', null, null, null,
    '018f3c6e-5b7a-7c2d-9e4f-1a2b3c4d5e6f', '018f3c6e-0000-7000-8000-000000000001', t.name, t.category, t.name,
    v.version,
    1767323045000000, v.example::text, null, null, null, null, null, null, null) r;
comment on view webhooks.event_type_catalogue is 'All versions of all event types, with an example of the payload.';
comment on column webhooks.event_type_catalogue.name is 'Name of the event type.';
comment on column webhooks.event_type_catalogue.version is 'Version of the payload.';
comment on column webhooks.event_type_catalogue.is_current is 'True: the version is the current one of the event type.';
comment on column webhooks.event_type_catalogue.category is 'Category of the event type.';
comment on column webhooks.event_type_catalogue.description is 'Description for people.';
comment on column webhooks.event_type_catalogue.is_builtin is 'True: the event type is as shipped with the extension.';
comment on column webhooks.event_type_catalogue.schema is
    'JSON Schema that event_data must fit; null: event_data may be anything.';
comment on column webhooks.event_type_catalogue.example is
    'Example of event_data: the registered one, or one made from the schema.';
comment on column webhooks.event_type_catalogue.example_payload is
    'Body of a request with the example, in the format envelope.';
comment on column webhooks.event_type_catalogue.deprecated_at is
    'Time since which the version is deprecated; null: it is not.';
comment on column webhooks.event_type_catalogue.deprecation is 'Reason for the deprecation, and what to use instead.';
-- Event types are no secret to a role that publishes them, subscribes to them or watches over them.
grant select on webhooks.event_type_catalogue to webhooks_publisher, webhooks_manager, webhooks_monitor;

-- sql/subscriptions/webhook_subscriptions.sql

create table webhooks.webhook_subscriptions (
    id uuid primary key default webhooks.uuid_v7(),
    tenant_id uuid not null,
    name varchar(255) not null,
    description text,
    environment varchar(50) not null default 'production',
    webhook_url text not null,
    webhook_method varchar(10) default 'POST',
    webhook_headers jsonb default '{}',
    auth_type varchar(50) default 'none',
    auth_config jsonb default '{}',
    subscribed_events jsonb not null default '[]',
    event_filters jsonb default '{}',
    retry_count integer default 3,
    retry_delay_seconds integer default 60,
    timeout_seconds integer default 30,
    max_payload_size_kb integer default 1024,
    is_active boolean default true,
    is_enabled boolean default true,
    created_at timestamptz default now(),
    updated_at timestamptz default now(),
    created_by uuid,
    no_retry_statuses integer[] not null default '{410}',
    max_in_flight integer not null default 20,
    rate_limit_per_second double precision,
    rate_limit_burst integer,
    ordering varchar(20) not null default 'none',
    breaker_failure_threshold integer,
    breaker_cooldown_seconds integer,
    disabled_reason text,
    payload_format varchar(30) not null default 'envelope',
    payload_template text,
    payload_content_type varchar(255),
    template_secrets jsonb default '{}',
    endpoint_verification varchar(20),
    retry_schedule text,
    version bigint not null default 1,
    constraint webhook_subscriptions_environment_check check (environment in ('dev', 'staging', 'production')),
    constraint webhook_subscriptions_method_check check (webhook_method in ('POST', 'PUT', 'PATCH')),
    constraint webhook_subscriptions_auth_type_check check (auth_type in ('none', 'api_key', 'signature', 'oauth')),
    constraint webhook_subscriptions_retry_count_check check (retry_count between 0 and 100),
    constraint webhook_subscriptions_retry_delay_check check (retry_delay_seconds between 0 and 86400),
    constraint webhook_subscriptions_timeout_check check (timeout_seconds between 1 and 300),
    constraint webhook_subscriptions_payload_size_check check (max_payload_size_kb between 1 and 65536),
    constraint webhook_subscriptions_max_in_flight_check check (max_in_flight between 1 and 1000),
    constraint webhook_subscriptions_rate_limit_check check (rate_limit_per_second between 0.001 and 100000),
    constraint webhook_subscriptions_rate_limit_burst_check check (rate_limit_burst between 1 and 100000),
    constraint webhook_subscriptions_ordering_check check (ordering in ('none', 'fifo')),
    constraint webhook_subscriptions_payload_format_check
        check (payload_format in ('envelope', 'standard', 'cloudevents', 'cloudevents-binary')),
    constraint webhook_subscriptions_verification_check check (endpoint_verification in ('none', 'options')),
    constraint webhook_subscriptions_breaker_threshold_check check (breaker_failure_threshold between 0 and 1000000),
    constraint webhook_subscriptions_breaker_cooldown_check check (breaker_cooldown_seconds between 1 and 86400),
    constraint webhook_subscriptions_no_retry_check
        check (300 <= all (no_retry_statuses) and 599 >= all (no_retry_statuses))
);
create index webhook_subscriptions_tenant_active on webhooks.webhook_subscriptions (tenant_id, is_active, is_enabled);
create index webhook_subscriptions_events on webhooks.webhook_subscriptions using gin (subscribed_events);

comment on table webhooks.webhook_subscriptions is 'Subscriptions: which events are delivered, where to and how.';
comment on column webhooks.webhook_subscriptions.id is 'Subscription id.';
comment on column webhooks.webhook_subscriptions.tenant_id is 'Tenant of the subscription.';
comment on column webhooks.webhook_subscriptions.name is 'Name for people.';
comment on column webhooks.webhook_subscriptions.description is 'Description for people; at most 10,000 bytes.';
comment on column webhooks.webhook_subscriptions.environment is 'dev, staging or production.';
comment on column webhooks.webhook_subscriptions.webhook_url is
    'http or https URL of the receiver; at most 2,048 bytes.';
comment on column webhooks.webhook_subscriptions.webhook_method is 'HTTP method: POST, PUT or PATCH.';
comment on column webhooks.webhook_subscriptions.webhook_headers is
    'Secret. Additional request headers: an object of strings, at most 50, of 8 KiB in all. Reserved names are '
    'refused. In an UPDATE a null keeps the stored value.';
comment on column webhooks.webhook_subscriptions.auth_type is 'none, api_key or signature.';
comment on column webhooks.webhook_subscriptions.auth_config is
    'Secret. {"api_key": ..., "header": ...} or {"secret": "whsec_..."}; keys and secrets have at most 4,096 bytes. '
    'In an UPDATE a null keeps the stored value.';
comment on column webhooks.webhook_subscriptions.subscribed_events is
    'JSON array of event types, category wildcards (document.*) or "*"; at most 1,000.';
comment on column webhooks.webhook_subscriptions.event_filters is
    'Object of further conditions, all of which must hold: resource_type, resource_id, event_data (values, or '
    'operators such as {"$gt": 100}), jsonpath. At most 64 KiB as text.';
comment on column webhooks.webhook_subscriptions.retry_count is
    'Number of retries after the first attempt, 0 to 100. With the default of 3, retries end after 7 minutes; '
    'retry_schedule can go on for days.';
comment on column webhooks.webhook_subscriptions.retry_delay_seconds is
    'Delay before the first retry, 0 to 86400 seconds. It doubles with each retry, up to the setting '
    'max_retry_delay_seconds.';
comment on column webhooks.webhook_subscriptions.retry_schedule is
    'Delays before the retries, instead of retry_count and retry_delay_seconds: standard-webhooks (5 s, 5 min, 30 '
    'min, 2 h, 5 h, 10 h, 10 h: 28 hours), or a list such as 5 s, 5 min, 2 h of up to 100 delays of at most 7 days. '
    'Each delay varies by up to 10 %. Null: none.';
comment on column webhooks.webhook_subscriptions.timeout_seconds is
    'Time for connecting, sending and the whole response, 1 to 300 seconds.';
comment on column webhooks.webhook_subscriptions.max_payload_size_kb is
    'Largest request body, 1 to 65536 KiB. A delivery with a larger body fails without a request.';
comment on column webhooks.webhook_subscriptions.is_active is
    'False: the subscription matches no events, and its outstanding deliveries are held.';
comment on column webhooks.webhook_subscriptions.is_enabled is
    'False: as is_active. This is the switch that the system itself turns off; see disabled_reason.';
comment on column webhooks.webhook_subscriptions.created_at is 'Time of creation.';
comment on column webhooks.webhook_subscriptions.updated_at is 'Time of the last change.';
comment on column webhooks.webhook_subscriptions.created_by is
    'User of the application who created the subscription: the setting webhooks.user_id unless it is given.';
comment on column webhooks.webhook_subscriptions.no_retry_statuses is
    'HTTP statuses, 300 to 599, that fail a delivery without a retry; at most 300. Status 410 also disables the '
    'subscription.';
comment on column webhooks.webhook_subscriptions.max_in_flight is
    'Largest number of concurrent requests, 1 to 1000. The default of 20 is enough for 400 requests per second at 50 '
    'ms, and few enough for a small server.';
comment on column webhooks.webhook_subscriptions.rate_limit_per_second is
    'Largest number of requests per second over time, 0.001 to 100000; 0.1 is one request in ten seconds. Null: no '
    'limit.';
comment on column webhooks.webhook_subscriptions.rate_limit_burst is
    'Largest number of requests at once after a quiet time, 1 to 100000; null: those of one second.';
comment on column webhooks.webhook_subscriptions.ordering is
    'none, or fifo: deliveries of one ordering_key are made one at a time, in the order of publication. A change '
    'applies to events that are published later.';
comment on column webhooks.webhook_subscriptions.breaker_failure_threshold is
    'Number of failures in a row that open the circuit breaker, 0 to 1000000; 0: never; null: the setting of that '
    'name.';
comment on column webhooks.webhook_subscriptions.breaker_cooldown_seconds is
    'Time that an open circuit breaker waits before a probe, 1 to 86400 seconds; null: the setting of that name.';
comment on column webhooks.webhook_subscriptions.disabled_reason is
    'Reason for which the system disabled the subscription, at most 10,000 bytes; null once it is enabled again.';
comment on column webhooks.webhook_subscriptions.payload_format is
    'Format of the requests: envelope, standard (Standard Webhooks), cloudevents (CloudEvents 1.0 in structured '
    'mode) or cloudevents-binary (CloudEvents 1.0 in binary mode, with ce- headers).';
comment on column webhooks.webhook_subscriptions.payload_template is
    'Jinja template of the request body, instead of a format; at most 16 KiB. Null: none.';
comment on column webhooks.webhook_subscriptions.payload_content_type is
    'Content type of the body that payload_template makes; null: application/json. Only JSON is checked.';
comment on column webhooks.webhook_subscriptions.template_secrets is
    'Secret. Values that payload_template prints with {{ secrets.name }}: an object of at most 20 strings, each of '
    'at most 4,096 bytes. In an UPDATE a null keeps the stored value.';
comment on column webhooks.webhook_subscriptions.endpoint_verification is
    'options: the receiver must agree in answer to an OPTIONS request before it gets a delivery. none: it need not. '
    'Null: the setting endpoint_verification.';
comment on column webhooks.webhook_subscriptions.version is
    'Version of the row, raised by each change. A sidecar loads a version that it does not know.';

select pg_catalog.pg_extension_config_dump('webhooks.webhook_subscriptions', '');
-- Columns are named one by one, since managers write secrets and do not read them. No table is granted UPDATE, DELETE
-- or TRUNCATE as a whole: a role that has one of these may LOCK the table, and stop the deliveries of all tenants.
-- UPDATE is granted column by column, and functions delete rows.
grant insert, select (
    id, tenant_id, name, description, environment, webhook_url, webhook_method, auth_type, subscribed_events,
    event_filters, retry_count, retry_delay_seconds, timeout_seconds, max_payload_size_kb, is_active, is_enabled,
    created_at, updated_at, created_by, no_retry_statuses, max_in_flight, rate_limit_per_second, rate_limit_burst,
    ordering, breaker_failure_threshold, breaker_cooldown_seconds, disabled_reason, payload_format,
    payload_template, payload_content_type, endpoint_verification, retry_schedule, version
) on webhooks.webhook_subscriptions to webhooks_manager;
grant update (
    id, tenant_id, name, description, environment, webhook_url, webhook_method, webhook_headers, auth_type,
    auth_config, subscribed_events, event_filters, retry_count, retry_delay_seconds, timeout_seconds,
    max_payload_size_kb, is_active, is_enabled, created_at, updated_at, created_by, no_retry_statuses,
    max_in_flight, rate_limit_per_second, rate_limit_burst, ordering, breaker_failure_threshold,
    breaker_cooldown_seconds, disabled_reason, payload_format, payload_template, payload_content_type,
    template_secrets, endpoint_verification, retry_schedule, version
) on webhooks.webhook_subscriptions to webhooks_manager;
-- No URL, which may be a secret, and nothing that events and receivers say.
grant select (
    id, tenant_id, name, environment, auth_type, subscribed_events, retry_count, retry_delay_seconds,
    timeout_seconds, max_payload_size_kb, is_active, is_enabled, created_at, updated_at, no_retry_statuses,
    max_in_flight, rate_limit_per_second, rate_limit_burst, ordering, breaker_failure_threshold,
    breaker_cooldown_seconds, payload_format, endpoint_verification, retry_schedule, version
) on webhooks.webhook_subscriptions to webhooks_monitor;

create trigger audit_change
    after insert or update or delete on webhooks.webhook_subscriptions
    for each row execute function webhooks_private.audit_change('subscription', 'id');

-- sql/subscriptions/retry_schedule.sql

-- When deliveries are tried again, if a subscription says so itself instead of with retry_count and
-- retry_delay_seconds.

create function webhooks_private.retry_delays(retry_schedule text)
returns integer[]
language sql immutable strict parallel safe
set search_path = pg_catalog, pg_temp
begin atomic
    select case retry_schedule
        -- Of the specification "Standard Webhooks" and its libraries, after the first attempt.
        when 'standard-webhooks' then '{5,300,1800,7200,18000,36000,36000}'::integer[]
        else array(
            -- An amount and a unit; null for anything else.
            select case when u.seconds is not null then least(p.part[1]::bigint * u.seconds, 2147483647)::integer end
            from string_to_table(translate(lower(retry_schedule collate "C"), '[]{}"' || E'\n\r\t', repeat(' ', 8)),
                                 ',') with ordinality l (delay, n)
            cross join lateral (select regexp_match(btrim(l.delay), '^(\d{1,7}) ?([a-z]*)$') as part) p
            cross join lateral (
                select case
                    when p.part[2] in ('', 's', 'sec', 'secs', 'second', 'seconds') then 1
                    when p.part[2] in ('m', 'min', 'mins', 'minute', 'minutes') then 60
                    when p.part[2] in ('h', 'hr', 'hrs', 'hour', 'hours') then 3600
                    when p.part[2] in ('d', 'day', 'days') then 86400
                end as seconds
            ) u
            order by l.n)
    end;
end;
comment on function webhooks_private.retry_delays is
    'The delays of a retry_schedule in seconds, one for each retry, with null for what is none. A schedule is '
    'standard-webhooks, or delays such as 5 s, 5 min, 2 h; those without a unit are seconds.';

-- sql/subscriptions/receivers.sql

-- What a subscription says of its receiver that is a mistake, or that people should know. Part of
-- validate_subscription().

create function webhooks_private.check_receiver(before webhooks.webhook_subscriptions,
                                                after webhooks.webhook_subscriptions)
returns void
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
    secret constant text := case when after.auth_type = 'signature' then after.auth_config ->> 'secret' end;
    former constant text := case when before.auth_type = 'signature' then before.auth_config ->> 'secret' end;
    is_cloudevents constant boolean := after.payload_template is null
        and after.payload_format in ('cloudevents', 'cloudevents-binary');
    special text;
begin
    if secret is distinct from former and webhooks_private.check_secret(secret) < 24 then
        raise warning 'the signing secret is short: its key has % bytes', webhooks_private.check_secret(secret)
            using hint = 'Standard Webhooks advises 24 to 64, and some libraries refuse less. '
                         'webhooks.generate_secret() makes a good one.';
    end if;
    if after.webhook_url is distinct from before.webhook_url then
        special := webhooks_private.special_address(after.webhook_url);
        if special is not null then
            raise notice 'the address in webhook_url is not on the public internet: %', special
                using hint = 'Sidecars deliver to it only if they are started with --allow-network for it, and to '
                             '168.63.129.16 never.';
        end if;
    end if;
    if is_cloudevents
        and (after.webhook_url, after.webhook_method, after.payload_format, after.payload_template)
            is distinct from (before.webhook_url, before.webhook_method, before.payload_format,
                              before.payload_template) then
        if after.webhook_method in ('PUT', 'PATCH') then
            raise notice 'CloudEvents are delivered with POST, not %', after.webhook_method
                using hint = 'Receivers that keep to "HTTP 1.1 Web Hooks for Event Delivery" take POST alone: set '
                             'webhook_method = ''POST''.';
        end if;
        if after.webhook_url ~* '^http:' then
            raise notice 'CloudEvents are delivered over https, and webhook_url is http'
                using hint = 'Receivers that keep to "HTTP 1.1 Web Hooks for Event Delivery" take https alone.';
        end if;
    end if;
    if after.retry_schedule is distinct from before.retry_schedule
        and (select sum(d.delay) from unnest(webhooks_private.retry_delays(after.retry_schedule)) d (delay))
            > webhooks_private.setting('max_delivery_age_seconds') then
        raise notice 'retry_schedule is longer than deliveries live: max_delivery_age_seconds is %',
            webhooks_private.setting('max_delivery_age_seconds')
            using hint = 'A delivery that is older becomes expired, whatever retries are left.';
    end if;
end
$$;
comment on function webhooks_private.check_receiver is
    'Raises an error for a new signing secret that is a mistake; a notice or warning for what is allowed, and works '
    'only here and there. Part of validate_subscription().';

-- sql/subscriptions/template_checks.sql

create function webhooks_private.check_template(
    payload_template text, payload_content_type text, max_payload_size_kb integer, subscribed_events jsonb
)
returns void
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
    example record;
    problem text;
    lacking text[] := '{}';
begin
    -- Without an event: only its syntax.
    perform webhooks_private.render_request(
        'envelope', check_template.payload_template, check_template.payload_content_type,
        check_template.max_payload_size_kb,
        null, null, null, null, null, null, null, null, null, null, null, null, null, null, null);
    -- In a restore types and their examples may come later.
    if webhooks_private.is_restoring() then
        return;
    end if;
    for example in
        select t.name, v.is_builtin
        from webhooks.event_types t
        join webhooks_private.event_type_versions v on v.name = t.name and v.version = t.version
            and v.example is not null
        where check_template.subscribed_events ? '*' or check_template.subscribed_events ? t.name
           or check_template.subscribed_events ? (split_part(t.name, '.', 1) || '.*')
    loop
        begin
            perform r.body
            from webhooks_private.sample_request(
                example.name, '00000000-0000-7000-8000-000000000000', 'envelope', check_template.payload_template,
                check_template.payload_content_type, check_template.max_payload_size_kb) r;
        exception when invalid_parameter_value then
            get stacked diagnostics problem = message_text;
            -- What comes with the extension is an example of nobody's events in particular.
            if not example.is_builtin or problem !~ ': line [0-9]+: (undefined value$|invalid operation(?! \(a '
                                                    'secret ))' then
                raise;
            end if;
            lacking := lacking || example.name::text;
        end;
    end loop;
    if lacking <> '{}' then
        raise notice 'payload_template uses what the shipped example of % lacks: %', array_to_string(lacking, ', '),
            substring(problem from 'line [0-9]+: .*')
            using hint = format('If your events have it, register an example of yours: select '
                                'webhooks.register_event_type(%L, example => ''{...}'');', lacking[1]);
    end if;
end
$$;
comment on function webhooks_private.check_template is
    'Raises an error for a payload_template that can''t be compiled, or that fails with the example of a subscribed '
    'event type. What fails only because an example of the extension''s own lacks a value, or has another kind of '
    'value, is a notice.';

-- sql/subscriptions/validation.sql

create function webhooks_private.check_subscription_sizes()
returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    if webhooks_private.is_restoring() then
        return new;
    end if;
    perform webhooks_private.check_size('description', new.description, old.description, 10000);
    perform webhooks_private.check_size('webhook_url', new.webhook_url, old.webhook_url, 2048);
    perform webhooks_private.check_size('webhook_headers', new.webhook_headers, old.webhook_headers, 65536);
    perform webhooks_private.check_size('auth_config', new.auth_config, old.auth_config, 65536);
    perform webhooks_private.check_size('subscribed_events', new.subscribed_events, old.subscribed_events, 131072);
    perform webhooks_private.check_size('event_filters', new.event_filters, old.event_filters, 65536);
    perform webhooks_private.check_size('disabled_reason', new.disabled_reason, old.disabled_reason, 10000);
    perform webhooks_private.check_size('retry_schedule', new.retry_schedule, old.retry_schedule, 2000);
    perform webhooks_private.check_size('payload_template', new.payload_template, old.payload_template, 16384);
    perform webhooks_private.check_size('template_secrets', new.template_secrets, old.template_secrets, 131072);
    if jsonb_typeof(new.subscribed_events) = 'array'
        and new.subscribed_events is distinct from old.subscribed_events then
        perform webhooks_private.check_count('subscribed_events', jsonb_array_length(new.subscribed_events), 1000);
    end if;
    if cardinality(new.no_retry_statuses) > 300 and new.no_retry_statuses is distinct from old.no_retry_statuses then
        perform webhooks_private.check_count('no_retry_statuses', cardinality(new.no_retry_statuses), 300);
    end if;
    return new;
end
$$;
comment on function webhooks_private.check_subscription_sizes is
    'Trigger: refuses values of a subscription that are too large.';

create trigger z10_check_sizes
    before insert or update on webhooks.webhook_subscriptions
    for each row execute function webhooks_private.check_subscription_sizes();

create function webhooks_private.check_subscription_columns(subscription webhooks.webhook_subscriptions)
returns void
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
    delays constant integer[] := webhooks_private.retry_delays(subscription.retry_schedule);
    invalid record;
begin
    -- Also what the constraints say: when one of those fails, PostgreSQL shows the whole row, secrets included.
    select v.setting, coalesce(v.found, 'null') as found, v.takes into invalid
    from (values
        (subscription.id is not null, 'id', null, 'a UUID'),
        (subscription.tenant_id is not null, 'tenant_id', null, 'a UUID'),
        (subscription.name is not null, 'name', null, 'a text'),
        (subscription.webhook_url is not null, 'webhook_url', null, 'a URL, for example https://example.com/webhooks'),
        (subscription.environment in ('dev', 'staging', 'production'), 'environment', subscription.environment,
         'dev, staging or production'),
        (coalesce(subscription.webhook_method in ('POST', 'PUT', 'PATCH'), true), 'webhook_method',
         subscription.webhook_method,
         'POST, PUT or PATCH'),
        (coalesce(subscription.retry_count between 0 and 100, true), 'retry_count', subscription.retry_count::text,
         '0 to 100'),
        (coalesce(subscription.retry_delay_seconds between 0 and 86400, true), 'retry_delay_seconds',
         subscription.retry_delay_seconds::text, '0 to 86400 s'),
        (coalesce(0 <= all (delays) and 604800 >= all (delays) and cardinality(delays) between 1 and 100,
                  subscription.retry_schedule is null),
         'retry_schedule', left(subscription.retry_schedule, 200),
         'standard-webhooks, or up to 100 delays of at most 7 days, for example 5 s, 5 min, 30 min, 2 h; or null for '
         'retry_count and retry_delay_seconds'),
        (coalesce(subscription.timeout_seconds between 1 and 300, true), 'timeout_seconds',
         subscription.timeout_seconds::text,
         '1 to 300 s'),
        (coalesce(subscription.max_payload_size_kb between 1 and 65536, true), 'max_payload_size_kb',
         subscription.max_payload_size_kb::text, '1 to 65536 KiB'),
        (subscription.max_in_flight between 1 and 1000, 'max_in_flight', subscription.max_in_flight::text, '1 to 1000'),
        (coalesce(subscription.rate_limit_per_second between 0.001 and 100000, true), 'rate_limit_per_second',
         subscription.rate_limit_per_second::text,
         '0.001 to 100000, or null for no limit'),
        (coalesce(subscription.rate_limit_burst between 1 and 100000, true), 'rate_limit_burst',
         subscription.rate_limit_burst::text,
         '1 to 100000, or null for one second''s worth'),
        (subscription.ordering in ('none', 'fifo'), 'ordering', subscription.ordering, 'none or fifo'),
        (subscription.payload_format in ('envelope', 'standard', 'cloudevents', 'cloudevents-binary'), 'payload_format',
         subscription.payload_format,
         'envelope, standard, cloudevents or cloudevents-binary'),
        (coalesce(subscription.breaker_failure_threshold between 0 and 1000000, true), 'breaker_failure_threshold',
         subscription.breaker_failure_threshold::text, '0 (no breaker) to 1000000, or null for the setting'),
        (coalesce(subscription.breaker_cooldown_seconds between 1 and 86400, true), 'breaker_cooldown_seconds',
         subscription.breaker_cooldown_seconds::text, '1 to 86400 s, or null for the setting'),
        (coalesce(subscription.endpoint_verification in ('none', 'options'), true), 'endpoint_verification',
         subscription.endpoint_verification,
         'none or options, or null for the setting'),
        (300 <= all (subscription.no_retry_statuses) and 599 >= all (subscription.no_retry_statuses)
         and coalesce(array_ndims(subscription.no_retry_statuses), 1) = 1, 'no_retry_statuses',
         subscription.no_retry_statuses::text,
         'an array of HTTP statuses from 300 to 599, not nested'),
        (subscription.version is not null, 'version', null, 'a number'),
        -- None of these is deep; a JSON that is can be costly to show.
        (coalesce(not jsonb_path_exists(subscription.webhook_headers, '$.**{64}'), true), 'webhook_headers', 'too deep',
         'an object of strings'),
        (coalesce(not jsonb_path_exists(subscription.auth_config, '$.**{64}'), true), 'auth_config', 'too deep',
         'an object of strings'),
        (coalesce(not jsonb_path_exists(subscription.template_secrets, '$.**{64}'), true), 'template_secrets',
         'too deep',
         'an object of strings'),
        (coalesce(not jsonb_path_exists(subscription.event_filters, '$.**{64}'), true), 'event_filters', 'too deep',
         'at most 16 levels')
    ) v (valid, setting, found, takes)
    where v.valid is not true;
    if found then
        raise exception 'invalid %: %', invalid.setting, invalid.found
            using errcode = 'invalid_parameter_value', hint = format('It takes %s.', invalid.takes);
    end if;
end
$$;
comment on function webhooks_private.check_subscription_columns is
    'Raises an error for the first column of a subscription whose value is out of its range. Part of '
    'validate_subscription().';

create function webhooks_private.check_event_filters(event_filters jsonb)
returns void
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
    problem text;
begin
    if not coalesce(event_filters ? 'jsonpath', false) then
        return;
    end if;
    begin
        problem := webhooks_private.jsonpath_problem((event_filters ->> 'jsonpath')::jsonpath::text);
    exception when data_exception or syntax_error or feature_not_supported then
        raise exception 'invalid event_filters: jsonpath "%": %', event_filters ->> 'jsonpath', sqlerrm
            using errcode = 'invalid_parameter_value',
                  hint = 'Write an SQL/JSON path, for example $.amount ? (@ > 100); try it with '
                         'jsonb_path_query().';
    end;
    if problem is not null then
        raise exception 'invalid event_filters: jsonpath "%": %',
            left(event_filters ->> 'jsonpath', 1000), problem
            using errcode = 'invalid_parameter_value',
                  hint = 'Publishers evaluate it for each event, so it has at most 1000 characters and takes '
                         'time in proportion to the event. '
                         'Compare with a value that is written out; or, to compare two values of the event, '
                         'each a single one, begin the path with strict.';
    end if;
end
$$;
comment on function webhooks_private.check_event_filters is
    'Raises an error for a jsonpath of event_filters that is none, or that publishers would wait for. Part of '
    'validate_subscription().';

create function webhooks_private.check_subscribed_events(subscribed_events jsonb, is_unchanged boolean)
returns void
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
    pattern text;
begin
    if jsonb_typeof(subscribed_events) is distinct from 'array' then
        raise exception 'subscribed_events is %, not a JSON array',
            coalesce(left(subscribed_events::text, 200), 'null')
            using errcode = 'invalid_parameter_value', hint = 'Write for example ["document.processed", "job.*"].';
    end if;
    for pattern in select jsonb_array_elements_text(subscribed_events) loop
        exit when is_unchanged;
        continue when pattern = '*';
        -- A parallel restore may bring event_types later.
        continue when pattern ~ '^[a-z0-9_]+(\.[a-z0-9_]+)*(\.\*)?$' and webhooks_private.is_restoring();
        if pattern is null
            or pattern ~ '^[a-z0-9_]+\.\*$'
                and not exists (select from webhooks.event_types t where starts_with(t.name, left(pattern, -1)))
            or pattern !~ '^[a-z0-9_]+\.\*$'
                and not exists (select from webhooks.event_types t where t.name = pattern) then
            raise exception 'subscribed_events names %, which is no event type',
                coalesce('"' || left(pattern, 200) || '"', 'null')
                using errcode = 'invalid_parameter_value',
                      hint = 'Use a name from webhooks.event_types (or register it there), a category wildcard such '
                             'as document.*, or *.';
        end if;
    end loop;
end
$$;
comment on function webhooks_private.check_subscribed_events is
    'Raises an error for subscribed_events that name no event type. Part of validate_subscription().';

create function webhooks_private.validate_subscription()
returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    if tg_op = 'UPDATE' then
        new.webhook_headers := webhooks_private.keep_secrets(new.webhook_headers, old.webhook_headers);
        new.auth_config := webhooks_private.keep_secrets(new.auth_config, old.auth_config);
        new.template_secrets := webhooks_private.keep_secrets(new.template_secrets, old.template_secrets);
    elsif new.created_by is null then
        new.created_by := webhooks_private.application_user();
    end if;

    perform webhooks_private.check_subscription_columns(new);
    -- What was accepted once and does not change stays: a type that has left event_types must not keep its
    -- subscription from being disabled. A restore brings what an older version may have accepted.
    if not webhooks_private.is_restoring()
        and (tg_op = 'INSERT'
             or (new.webhook_url, new.webhook_headers, new.auth_type, new.auth_config, new.event_filters)
                is distinct from (old.webhook_url, old.webhook_headers, old.auth_type, old.auth_config,
                                  old.event_filters)) then
        perform webhooks_private.check_subscription(new.webhook_url, new.webhook_headers::text, new.auth_type,
                                                    new.auth_config::text, new.event_filters::text);
        perform webhooks_private.check_event_filters(new.event_filters);
    end if;
    -- A restore may bring the settings later.
    if new.endpoint_verification = 'options'
        and (tg_op = 'INSERT' or old.endpoint_verification is distinct from 'options')
        and not webhooks_private.is_restoring() and webhooks_private.text_setting('verification_origin') is null then
        raise exception 'invalid endpoint_verification: options, while the setting verification_origin is not set'
            using errcode = 'invalid_parameter_value',
                  hint = 'Receivers must be told who asks. Have the DBA run: select '
                         'webhooks.set_setting(''verification_origin'', ''events.example.com'');';
    end if;
    if not webhooks_private.is_restoring() then
        perform webhooks_private.check_receiver(old, new);
    end if;
    if new.payload_template is null and new.payload_content_type is not null then
        raise exception 'invalid payload_content_type: % without a payload_template', new.payload_content_type
            using errcode = 'invalid_parameter_value',
                  hint = 'Formats have their own; leave it null, or write a payload_template.';
    end if;
    if new.payload_template is not null and new.payload_format <> 'envelope' then
        raise exception 'invalid payload_template: payload_format is %, too', new.payload_format
            using errcode = 'invalid_parameter_value',
                  hint = 'A template makes the whole body: set payload_format = ''envelope'', or payload_template to '
                         'null.';
    end if;
    perform webhooks_private.check_subscribed_events(
        new.subscribed_events, tg_op = 'UPDATE' and new.subscribed_events = old.subscribed_events);
    -- What a secret is changes nothing that could be checked: in examples it shows as ***.
    if tg_op = 'INSERT'
        or (new.payload_template, new.template_secrets) is distinct from (old.payload_template,
                old.template_secrets) then
        perform webhooks_private.check_template_secrets(new.payload_template, new.template_secrets::text);
    end if;
    if new.payload_template is not null
        and (tg_op = 'INSERT'
             or (new.payload_template, new.payload_content_type, new.max_payload_size_kb, new.subscribed_events)
                is distinct from (old.payload_template, old.payload_content_type, old.max_payload_size_kb,
                                  old.subscribed_events)) then
        perform webhooks_private.check_template(new.payload_template, new.payload_content_type,
                                                new.max_payload_size_kb, new.subscribed_events);
    end if;
    if tg_op = 'UPDATE' then
        if new.id <> old.id or new.tenant_id <> old.tenant_id then
            raise exception 'id and tenant_id of subscription % can''t change', old.id
                using errcode = 'invalid_parameter_value', hint = 'Create another subscription and delete this one.';
        end if;
        new.version := old.version + 1;
        new.updated_at := now();
        if new.is_enabled and not old.is_enabled then
            new.disabled_reason := null;
        end if;
    end if;
    return new;
end
$$;
comment on function webhooks_private.validate_subscription is
    'Trigger: refuses invalid subscriptions, maintains created_by, version, updated_at and disabled_reason.';

create trigger z20_validate_subscription
    before insert or update on webhooks.webhook_subscriptions
    for each row execute function webhooks_private.validate_subscription();

create function webhooks_private.notice_deprecation()
returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    deprecated record;
begin
    for deprecated in
        select c.name, c.deprecation
        from webhooks.event_type_catalogue c
        where c.is_current and c.deprecation is not null and new.subscribed_events ? c.name
        order by c.name
    loop
        raise notice 'event type % is deprecated: %', deprecated.name, deprecated.deprecation;
    end loop;
    return null;
end
$$;
comment on function webhooks_private.notice_deprecation is 'Trigger: tells who subscribes to a deprecated event type.';

create trigger notice_deprecation
    after insert or update of subscribed_events on webhooks.webhook_subscriptions
    for each row execute function webhooks_private.notice_deprecation();

-- sql/subscriptions/secrets.sql

-- auth_config, webhook_headers and template_secrets are written by managers and read by the sidecar alone: column
-- privileges of webhook_subscriptions see to that. Managers see which secrets are there: null for each, which written
-- back keeps the secret.

create function webhooks_private.redacted_headers(subscription_id uuid)
returns jsonb
language sql stable security definer
set search_path = pg_catalog, pg_temp
begin atomic
    select webhooks_private.redact(s.webhook_headers) from webhooks.webhook_subscriptions s
    where s.id = subscription_id and webhooks_private.may_access_tenant(s.tenant_id);
end;
comment on function webhooks_private.redacted_headers is
    'The names of a subscription''s own headers, with null for their values.';
grant execute on function webhooks_private.redacted_headers to webhooks_manager;

create function webhooks_private.redacted_auth_config(subscription_id uuid)
returns jsonb
language sql stable security definer
set search_path = pg_catalog, pg_temp
begin atomic
    select webhooks_private.redact(s.auth_config, '{header}') from webhooks.webhook_subscriptions s
    where s.id = subscription_id and webhooks_private.may_access_tenant(s.tenant_id);
end;
comment on function webhooks_private.redacted_auth_config is
    'What a subscription''s auth_config has, with null for secrets.';
grant execute on function webhooks_private.redacted_auth_config to webhooks_manager;

create function webhooks_private.redacted_template_secrets(subscription_id uuid)
returns jsonb
language sql stable security definer
set search_path = pg_catalog, pg_temp
begin atomic
    select webhooks_private.redact(s.template_secrets) from webhooks.webhook_subscriptions s
    where s.id = subscription_id and webhooks_private.may_access_tenant(s.tenant_id);
end;
comment on function webhooks_private.redacted_template_secrets is
    'The names of a subscription''s template_secrets, with null for their values.';
grant execute on function webhooks_private.redacted_template_secrets to webhooks_manager;

create function webhooks_private.keep_secrets(given jsonb, stored jsonb)
returns jsonb
language sql immutable parallel safe
set search_path = pg_catalog, pg_temp
begin atomic
    select case
        when jsonb_typeof(given) = 'object' and jsonb_typeof(stored) = 'object'
            then given || coalesce((select jsonb_object_agg(g.key, stored -> g.key) from jsonb_each(given) g
                                    where g.value = 'null' and stored ? g.key), '{}')
        else given
    end;
end;
comment on function webhooks_private.keep_secrets is
    'An object with what is stored under its keys that are null: who may not read secrets can leave them as they are.';

-- Secrets that were replaced a while ago: requests are signed with them, too, so that receivers need not change
-- theirs at the same moment. Nobody reads them but the sidecar, through load_subscriptions().
create table webhooks_private.retired_secrets (
    subscription_id uuid not null,
    retired_at timestamptz not null default clock_timestamp(),
    secret text not null,
    primary key (subscription_id, retired_at)
);
comment on table webhooks_private.retired_secrets is
    'Signing secrets that were replaced within the time of the setting secret_overlap_seconds.';
comment on column webhooks_private.retired_secrets.subscription_id is 'Subscription that the secret belonged to.';
comment on column webhooks_private.retired_secrets.retired_at is 'Time at which the secret was replaced.';
comment on column webhooks_private.retired_secrets.secret is 'Secret. The signing secret.';
select pg_catalog.pg_extension_config_dump('webhooks_private.retired_secrets', '');

create function webhooks_private.retire_secret(before webhooks.webhook_subscriptions,
                                               after webhooks.webhook_subscriptions)
returns void
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
    old_secret constant text := case when before.auth_type = 'signature' then before.auth_config ->> 'secret' end;
    new_secret constant text := case when after.auth_type = 'signature' then after.auth_config ->> 'secret' end;
begin
    if before.id is null or new_secret = old_secret then
        return;
    end if;
    if new_secret is null then
        delete from webhooks_private.retired_secrets r where r.subscription_id = before.id;
    elsif old_secret is not null then
        insert into webhooks_private.retired_secrets (subscription_id, secret) values (before.id, old_secret);
        -- The last three: who renewed twice by mistake has receivers that know none but the first. One that is in use
        -- again is retired no more.
        delete from webhooks_private.retired_secrets r
        where r.subscription_id = before.id
          and (r.secret = new_secret
               or r.retired_at < (select k.retired_at from webhooks_private.retired_secrets k
                                  where k.subscription_id = before.id and k.secret <> new_secret
                                  order by k.retired_at desc offset 2 limit 1));
    end if;
end
$$;
comment on function webhooks_private.retire_secret is
    'Keeps the signing secret that a change of a subscription replaces. Part of derive_routes().';

create function webhooks_private.secrets_in_overlap(subscription_id uuid, overlap interval)
returns table (secrets text[], ends_in_ms bigint[])
language sql stable
set search_path = pg_catalog, pg_temp
begin atomic
    select array_agg(r.secret order by r.retired_at desc),
           array_agg((extract(epoch from r.retired_at + secrets_in_overlap.overlap - clock_timestamp()) * 1000)::bigint
                     order by r.retired_at desc)
    from webhooks_private.retired_secrets r
    where r.subscription_id = secrets_in_overlap.subscription_id and r.retired_at > now() - secrets_in_overlap.overlap
      and octet_length(r.secret) <= 4096;
end;
comment on function webhooks_private.secrets_in_overlap is
    'With which retired secrets a subscription''s requests are signed, too, and for how long. Part of '
    'load_subscriptions().';

create function webhooks_private.forget_secrets()
returns bigint
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
    forgotten bigint;
begin
    delete from webhooks_private.retired_secrets r
    where r.ctid = any (array(
        select o.ctid from webhooks_private.retired_secrets o
        where o.retired_at < now() - make_interval(secs => webhooks_private.setting('secret_overlap_seconds'))
           or (select webhooks.is_adopted())
           and not exists (select from webhooks.webhook_subscriptions s where s.id = o.subscription_id)
        for update skip locked));
    get diagnostics forgotten = row_count;
    return forgotten;
end
$$;
comment on function webhooks_private.forget_secrets is
    'Removes retired secrets whose time is over. Part of maintain().';

create function webhooks.renew_secret(subscription_id uuid)
returns text
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
    found_type text;
    secret constant text := webhooks.generate_secret();
begin
    select coalesce(s.auth_type, 'none') into found_type
    from webhooks.webhook_subscriptions s where s.id = renew_secret.subscription_id for update;
    if not found then
        perform webhooks_private.raise_unknown_subscription(subscription_id);
    end if;
    if found_type <> 'signature' then
        raise exception 'subscription % has auth_type %, which has no signing secret', subscription_id, found_type
            using errcode = 'invalid_parameter_value',
                  hint = 'Have it sign first: update webhooks.webhook_subscriptions set auth_type = ''signature'', '
                         'auth_config = jsonb_build_object(''secret'', webhooks.generate_secret()) where id = ...;';
    end if;
    update webhooks.webhook_subscriptions s set auth_config = jsonb_build_object('secret', secret)
    where s.id = renew_secret.subscription_id;
    return secret;
end
$$;
comment on function webhooks.renew_secret is
    'Gives a subscription a new signing secret and returns it once; it cannot be read again. After commit, requests '
    'are signed with the new secret, and in webhook-signature also with the old one, for the time of the setting '
    'secret_overlap_seconds.';
grant execute on function webhooks.renew_secret to webhooks_manager;

-- sql/subscriptions/routes.sql

-- The routes of a subscription: what match_events() reads. derive_routes() keeps them, repair_routes() makes up for it.

-- Derived: what matching reads. One row per pattern of each subscription that is active and enabled.
create table webhooks_private.subscription_routes (
    tenant_id uuid not null,
    pattern varchar(100) not null,
    subscription_id uuid not null,
    environment varchar(50) not null,
    fifo boolean not null,
    filters text,
    filter_jsonpath jsonpath,
    primary key (tenant_id, pattern, subscription_id)
);
create index subscription_routes_subscription on webhooks_private.subscription_routes (subscription_id);
comment on table webhooks_private.subscription_routes is
    'Derived from webhook_subscriptions by trigger; read by matching. Not to be written by hand.';
comment on column webhooks_private.subscription_routes.tenant_id is 'The tenant.';
comment on column webhooks_private.subscription_routes.pattern is 'Event type, category wildcard or *.';
comment on column webhooks_private.subscription_routes.subscription_id is 'The subscription.';
comment on column webhooks_private.subscription_routes.environment is 'Environment of the subscription.';
comment on column webhooks_private.subscription_routes.fifo is 'True: ordering of the subscription is fifo.';
comment on column webhooks_private.subscription_routes.filters is
    'event_filters without jsonpath, as JSON text; null: none.';
comment on column webhooks_private.subscription_routes.filter_jsonpath is 'event_filters.jsonpath; null: none.';

create function webhooks_private.add_routes(subscription webhooks.webhook_subscriptions)
returns void
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
begin
    insert into webhooks_private.subscription_routes
        (tenant_id, pattern, subscription_id, environment, fifo, filters, filter_jsonpath)
    select subscription.tenant_id, p.pattern, subscription.id, subscription.environment, subscription.ordering = 'fifo',
           nullif(coalesce(subscription.event_filters, '{}') - 'jsonpath', '{}')::text,
           (subscription.event_filters ->> 'jsonpath')::jsonpath
    from (select distinct jsonb_array_elements_text(subscription.subscribed_events) as pattern) p
    -- What a restore brought and would be refused now must not keep publishers waiting: it matches nothing.
    where webhooks_private.jsonpath_problem((subscription.event_filters ->> 'jsonpath')::jsonpath::text) is null
      -- A pattern that a wider one of the same subscription covers would deliver twice.
      and (p.pattern = '*'
           or not (subscription.subscribed_events ? '*'
                   or (p.pattern not like '%.*' and subscription.subscribed_events ? (split_part(p.pattern, '.', 1)
                           || '.*'))));
end
$$;
comment on function webhooks_private.add_routes is
    'Writes the routes of a subscription that has none. Part of derive_routes() and repair_routes().';

create function webhooks_private.repair_routes()
returns bigint
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
    subscription webhooks.webhook_subscriptions;
    repaired bigint := 0;
begin
    for subscription in
        select s.*
        from webhooks.webhook_subscriptions s
        where s.is_active and s.is_enabled and s.subscribed_events <> '[]'
          and not exists (select from webhooks_private.subscription_routes r where r.subscription_id = s.id)
          and webhooks_private.jsonpath_problem((s.event_filters ->> 'jsonpath')::jsonpath::text) is null
        -- Who changes one just then derives its routes.
        for no key update of s skip locked
    loop
        -- The lock may have come after a change.
        continue when exists (select from webhooks_private.subscription_routes r
                              where r.subscription_id = subscription.id);
        perform webhooks_private.add_routes(subscription);
        repaired := repaired + 1;
    end loop;
    return repaired;
end
$$;
comment on function webhooks_private.repair_routes is
    'Derives the routes of subscriptions that were written while triggers did not fire: by a restore with '
    '--disable-triggers, or with session_replication_role = replica. Returns how many there were. Part of maintain().';

create function webhooks_private.derive_routes()
returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    if tg_op <> 'INSERT' then
        delete from webhooks_private.subscription_routes r where r.subscription_id = old.id;
        -- Sidecars drop what they hold for the old version; what was held back may go.
        perform webhooks_private.notify_change(old.id::text);
    end if;
    -- Another receiver, or one that somebody looked after: what the old one did says nothing of it.
    if tg_op = 'DELETE'
        or tg_op = 'UPDATE' and ((new.is_active and new.is_enabled) is true
                                 and (old.is_active and old.is_enabled) is not true
            or new.webhook_url is distinct from old.webhook_url) then
        delete from webhooks_private.subscription_breakers b where b.subscription_id = old.id;
    -- The same one asked in another way: that it wants to be left alone for a while stays true.
    elsif tg_op = 'UPDATE'
        and (new.webhook_headers, new.auth_type, new.auth_config, new.payload_format, new.payload_template,
             new.payload_content_type, new.template_secrets)
            is distinct from
            (old.webhook_headers, old.auth_type, old.auth_config, old.payload_format, old.payload_template,
             old.payload_content_type, old.template_secrets) then
        delete from webhooks_private.subscription_breakers b
        where b.subscription_id = old.id and coalesce(b.throttled_until <= now(), true);
        update webhooks_private.subscription_breakers b
        set state = 'closed', since = null, probe_at = null, failing_since = null, last_error = null
        where b.subscription_id = old.id;
    end if;
    perform webhooks_private.renew_verification(old, new);
    perform webhooks_private.retire_secret(old, new);
    if tg_op <> 'DELETE' and new.is_active and new.is_enabled then
        perform webhooks_private.add_routes(new);
    end if;
    return null;
end
$$;
comment on function webhooks_private.derive_routes is 'Trigger: keeps subscription_routes true and tells the sidecars.';

-- After cancel_outstanding, by its name: deliveries are locked before breakers, as record_attempts() does.
create trigger a20_derive_routes
    after insert or update or delete on webhooks.webhook_subscriptions
    for each row execute function webhooks_private.derive_routes();

-- sql/subscriptions/verification.sql

-- Whether receivers have agreed to get deliveries: CloudEvents' "HTTP 1.1 Web Hooks for Event Delivery" 1.0.2, 4
-- (abuse protection). Sidecars ask and write the answer here; a subscription without a row was not asked, or is to be
-- asked anew. What was agreed to counts for that URL and that origin alone.
create table webhooks_private.subscription_verifications (
    subscription_id uuid primary key,
    webhook_url text not null,
    origin text not null,
    state varchar(10) not null,
    since timestamptz not null,
    allowed_rate_per_minute integer,
    tries integer not null,
    failing_since timestamptz,
    next_try_at timestamptz,
    last_error text,
    constraint subscription_verifications_state_check check (state in ('pending', 'verified', 'refused')),
    constraint subscription_verifications_rate_check check (allowed_rate_per_minute > 0)
);
comment on table webhooks_private.subscription_verifications is
    'What receivers answered when they were asked whether they want deliveries. Read webhooks.subscription_health; '
    'ask anew with verify_subscription().';
comment on column webhooks_private.subscription_verifications.subscription_id is 'The subscription.';
comment on column webhooks_private.subscription_verifications.webhook_url is 'URL that was asked.';
comment on column webhooks_private.subscription_verifications.origin is
    'Origin in the request: the setting verification_origin at that time.';
comment on column webhooks_private.subscription_verifications.state is
    'verified: the receiver agreed. refused: it answered and did not agree. pending: it did not answer.';
comment on column webhooks_private.subscription_verifications.since is 'Time since which the state holds.';
comment on column webhooks_private.subscription_verifications.allowed_rate_per_minute is
    'Requests per minute that the receiver allows; null: no limit besides the subscription''s own.';
comment on column webhooks_private.subscription_verifications.tries is 'Number of requests without success.';
comment on column webhooks_private.subscription_verifications.failing_since is
    'Time of the first request without success; null: the receiver agreed.';
comment on column webhooks_private.subscription_verifications.next_try_at is
    'Time of the next request; null: the receiver agreed.';
comment on column webhooks_private.subscription_verifications.last_error is 'Reason why the receiver is not verified.';
select pg_catalog.pg_extension_config_dump('webhooks_private.subscription_verifications', '');
grant select on webhooks_private.subscription_verifications to webhooks_manager;
grant select (
    subscription_id, origin, state, since, allowed_rate_per_minute, tries, failing_since, next_try_at
) on webhooks_private.subscription_verifications to webhooks_monitor;

create function webhooks_private.needs_verification(own text, general text)
returns boolean
language sql immutable parallel safe
return case when general = 'required' then true else coalesce(own, general) = 'options' end;
comment on function webhooks_private.needs_verification is
    'Whether a receiver has to agree first, by its subscription''s endpoint_verification and the setting of that '
    'name.';

create function webhooks_private.renew_verification(before webhooks.webhook_subscriptions,
                                                    after webhooks.webhook_subscriptions)
returns void
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
begin
    if before.id is not null then
        delete from webhooks_private.subscription_verifications v
        where v.subscription_id = before.id
          and (after.id is null
               or (after.webhook_url, after.auth_type, after.auth_config) is distinct from (before.webhook_url,
                       before.auth_type, before.auth_config)
               -- Somebody looked after it.
               or v.state <> 'verified'
                  and (after.is_active and after.is_enabled) is true
                  and (before.is_active and before.is_enabled) is not true);
    end if;
    -- It is asked at once. If no sidecar hears this, it is when there is something to deliver.
    if after.id is not null
        and (before.id is null
             or (after.webhook_url, after.auth_type, after.auth_config, after.endpoint_verification, after.is_active,
                 after.is_enabled)
                is distinct from
                (before.webhook_url, before.auth_type, before.auth_config, before.endpoint_verification,
                 before.is_active, before.is_enabled))
        and webhooks_private.needs_verification(after.endpoint_verification,
                                                webhooks_private.text_setting('endpoint_verification'))
        and (after.is_active and after.is_enabled) is true then
        perform webhooks_private.notify_change('verify ' || after.id);
    end if;
end
$$;
comment on function webhooks_private.renew_verification is
    'What a change of a subscription means for its verification. Part of derive_routes().';

create function webhooks_private.tell_of_change(subscription_id uuid)
returns void
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
begin
    if not webhooks_private.notify_change(subscription_id::text) then
        -- Another version of it they find by themselves. (Before anything else of it is locked, as everybody does.)
        update webhooks.webhook_subscriptions s set version = s.version where s.id = tell_of_change.subscription_id;
    end if;
end
$$;
comment on function webhooks_private.tell_of_change is
    'Has sidecars drop what they hold and know of a subscription, whether they can be notified or not.';

create function webhooks.verify_subscription(subscription_id uuid)
returns void
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    subscription constant webhooks.webhook_subscriptions := webhooks_private.own_subscription(subscription_id);
begin
    if not webhooks_private.needs_verification(subscription.endpoint_verification,
                                               webhooks_private.text_setting('endpoint_verification')) then
        raise exception 'subscription % needs no verification', subscription_id
            using errcode = 'object_not_in_prerequisite_state',
                  hint = 'Ask for it with endpoint_verification = ''options'', which asks its receiver at once.';
    end if;
    if webhooks_private.text_setting('verification_origin') is null then
        raise exception 'subscription % can''t be verified: the setting verification_origin is not set', subscription_id
            using errcode = 'object_not_in_prerequisite_state',
                  hint = 'Receivers must be told who asks. Have the DBA run: select '
                         'webhooks.set_setting(''verification_origin'', ''events.example.com'');';
    end if;
    -- Another version of it: what sidecars know of this one is old, whether they hear of it or not.
    update webhooks.webhook_subscriptions s set version = s.version where s.id = verify_subscription.subscription_id;
    delete from webhooks_private.subscription_verifications v
        where v.subscription_id = verify_subscription.subscription_id;
    perform webhooks_private.notify_change('verify ' || subscription_id);
    perform webhooks_private.audit('verification_requested', 'subscription', subscription_id::text,
                                   subscription.tenant_id);
end
$$;
comment on function webhooks.verify_subscription is
    'Asks the receiver of a subscription again, at once, whether it agrees to deliveries. Deliveries wait for the '
    'answer; see subscription_health.';
grant execute on function webhooks.verify_subscription to webhooks_manager;

-- sql/deliveries/failure_kind.sql

-- Error messages name receivers: their hosts, addresses and certificates. A monitor may not see URLs, so it reads the
-- kind of failure alone.
--
-- Neither is strict or has a SET clause: so they are inlined into the INSERT of record_attempts().

create function webhooks_private.plain_failure(error_message text)
returns text
language sql immutable parallel safe
begin atomic
    select coalesce(
        -- Words of ours that name nothing.
        substring(error_message from
            '^(?:HTTP status \d{3}(?: \(redirects are not followed\)| to OPTIONS| without WebHook-Allowed-Origin| '
            'with another WebHook-Allowed-Origin| with a WebHook-Allowed-Rate that is neither \* nor above 0)?'
            || '|timed out|could not connect|could not resolve the host|TLS handshake failed|the host''s address is '
               'not allowed|the connection broke|the answer is not valid HTTP/1\.1'
            || '|no valid request can be made from the subscription''s settings'
            || '|payload of \d+ bytes is larger than the subscription''s max_payload_size_kb \(\d+ bytes\)'
            || '|no complete response within timeout_seconds \(\d+\)|no answer to OPTIONS within timeout_seconds '
               '\(\d+\)'
            || '|the receiver asked for a pause; nothing was sent|the event is no longer in event_logs; nothing was '
               'sent|expires_at or max_delivery_age_seconds has passed; nothing was sent|cancelled)'
            || '(?:: gave up after \d+ attempts?|: listed in no_retry_statuses|: the receiver is gone for good; the '
               'subscription was disabled|: the receiver did not agree)?'),
        case
            when error_message ~ '^payload_template: ' then 'payload_template failed; nothing was sent'
            when error_message ~ '^can''t resolve | has no address$' then 'could not resolve the host'
            when error_message ~ '--(allow|deny)-network$' then 'the host''s address is not allowed'
            when error_message ~ '^TLS: ' then 'TLS handshake failed'
            when error_message ~* '\mconnect\M' then 'could not connect'
            else 'failed'
        end);
end;
comment on function webhooks_private.plain_failure is 'The kind of failure of one attempt. Part of failure_kind().';

create function webhooks_private.failure_kind(error_message text)
returns text
language sql immutable parallel safe
begin atomic
    select case
        when error_message is null then null
        -- Why a subscription was disabled.
        when error_message ~ '^(nothing but failures|its receiver did not agree to deliveries) for \d+ hours '
                             '\(disable_after_failing_hours is \d+\); last: '
            then substring(error_message from '^.*?; last: ')
                || webhooks_private.plain_failure(regexp_replace(error_message, '^.*?; last: ', ''))
        else webhooks_private.plain_failure(error_message)
    end;
end;
comment on function webhooks_private.failure_kind is
    'The kind of failure that an error message tells of, without names, addresses and what receivers said: what a '
    'monitor may read.';

-- sql/subscriptions/health.sql

-- What is known of a subscription's receiver: its circuit breaker, written by record_attempts() when it changes and
-- never for a single delivery. A subscription without a row never failed a few times in a row.
create table webhooks_private.subscription_breakers (
    subscription_id uuid primary key,
    state varchar(10) not null,
    since timestamptz,
    probe_at timestamptz,
    failing_since timestamptz,
    last_error text,
    throttled_since timestamptz,
    throttled_until timestamptz,
    throttle_status integer,
    constraint subscription_breakers_state_check check (state in ('closed', 'open'))
);
comment on table webhooks_private.subscription_breakers is
    'Circuit breakers that ever mattered. Read webhooks.subscription_health; close one with reset_breaker().';
comment on column webhooks_private.subscription_breakers.subscription_id is 'The subscription.';
comment on column webhooks_private.subscription_breakers.state is
    'closed: deliveries are made. open: deliveries wait, without using up attempts.';
comment on column webhooks_private.subscription_breakers.since is
    'Time since which the state holds; null: the circuit breaker was never open.';
comment on column webhooks_private.subscription_breakers.probe_at is
    'Time from which one delivery may probe the receiver; null: the circuit breaker is closed.';
comment on column webhooks_private.subscription_breakers.failing_since is
    'Time of the first failure since the last success; null: the last attempts did not fail in a row.';
comment on column webhooks_private.subscription_breakers.last_error is
    'Error message of the failure that changed this row.';
comment on column webhooks_private.subscription_breakers.throttled_since is
    'Time at which the receiver last began to ask for a pause; null: it never did.';
comment on column webhooks_private.subscription_breakers.throttled_until is
    'End of the pause that the receiver asked for. A time in the past has no meaning.';
comment on column webhooks_private.subscription_breakers.throttle_status is
    'HTTP status with which the receiver asked for the pause.';
select pg_catalog.pg_extension_config_dump('webhooks_private.subscription_breakers', '');
grant select on webhooks_private.subscription_breakers to webhooks_manager;
grant select (
    subscription_id, state, since, probe_at, failing_since, throttled_since, throttled_until, throttle_status
) on webhooks_private.subscription_breakers to webhooks_monitor;

create function webhooks_private.subscription_messages(
    subscription_id uuid, out last_error text, out disabled_reason text, out verification_error text,
    out address_note text
)
language sql stable parallel restricted security definer
set search_path = pg_catalog, pg_temp
begin atomic
    select case when r.reads_all then b.last_error else webhooks_private.failure_kind(b.last_error) end,
           case when r.reads_all then s.disabled_reason else webhooks_private.failure_kind(s.disabled_reason) end,
           case when r.reads_all then v.last_error else webhooks_private.failure_kind(v.last_error) end,
           webhooks_private.special_address(s.webhook_url)
    from webhooks.webhook_subscriptions s
    left join webhooks_private.subscription_breakers b on b.subscription_id = s.id
    left join webhooks_private.subscription_verifications v on v.subscription_id = s.id
    cross join (
        select webhooks.bypasses_isolation(webhooks_private.caller()) as everything,
               pg_has_role(webhooks_private.caller(), 'webhooks_manager', 'usage') as is_manager,
               pg_has_role(webhooks_private.caller(), 'webhooks_monitor', 'usage') as is_monitor
    ) c
    cross join lateral (select c.everything or c.is_manager
                        and webhooks_private.may_access_tenant(s.tenant_id) as reads_all) r
    where s.id = subscription_messages.subscription_id
      and (r.reads_all or not c.is_manager and (c.is_monitor or webhooks_private.may_access_tenant(s.tenant_id)));
end;
comment on function webhooks_private.subscription_messages is
    'What is said of a subscription''s failures: to a manager of its tenant the whole messages, to others the kind '
    'of failure, without names and addresses. Part of subscription_health.';
grant execute on function webhooks_private.subscription_messages to webhooks_manager, webhooks_monitor;

create view webhooks.subscription_health with (security_invoker = true) as
select
    s.id as subscription_id,
    s.tenant_id,
    s.name,
    (s.is_active and s.is_enabled) as is_delivered_to,
    case when b.state = 'open' then case when b.probe_at > now() then 'open' else 'half_open' end
        else 'closed' end as breaker_state,
    case when b.state = 'open' and b.probe_at <= now() then b.probe_at
        else coalesce(b.since, s.created_at) end as breaker_since,
    b.probe_at,
    b.failing_since,
    m.last_error,
    m.disabled_reason,
    case when not n.needed then 'not required' else coalesce(v.state, 'pending') end as verification_state,
    v.since as verification_since,
    v.allowed_rate_per_minute,
    v.next_try_at as next_verification_at,
    case when n.needed and g.origin is null then 'the setting verification_origin is not set'
        when v.subscription_id is not null then m.verification_error end as verification_error,
    case when t.is_throttled then b.throttled_since end as throttled_since,
    case when t.is_throttled then b.throttled_until end as throttled_until,
    case when t.is_throttled then b.throttle_status end as throttle_status,
    m.address_note
from webhooks.webhook_subscriptions s
cross join (
    -- text_setting() and needs_verification() spelled out: a role that is granted the view needs
    -- subscription_messages() alone.
    select coalesce((select o.text_value from webhooks_private.setting_overrides o
                     where o.name = 'endpoint_verification'), 'none') as policy,
           (select o.text_value from webhooks_private.setting_overrides o
            where o.name = 'verification_origin') as origin
) g
cross join lateral (select g.policy = 'required' or coalesce(s.endpoint_verification, g.policy) = 'options' as needed) n
left join webhooks_private.subscription_breakers b on b.subscription_id = s.id
cross join lateral (select b.throttled_until > now() as is_throttled) t
left join webhooks_private.subscription_verifications v on v.subscription_id = s.id and v.origin = g.origin and n.needed
left join lateral webhooks_private.subscription_messages(s.id) m on true;
comment on view webhooks.subscription_health is
    'State of the receiver of each subscription. A manager sees whole error messages, a monitor the kind of failure, '
    'without names and addresses.';
comment on column webhooks.subscription_health.subscription_id is 'The subscription.';
comment on column webhooks.subscription_health.tenant_id is 'Tenant of the subscription.';
comment on column webhooks.subscription_health.name is 'Name of the subscription.';
comment on column webhooks.subscription_health.is_delivered_to is
    'False: the subscription is inactive or disabled. It matches no events, and its outstanding deliveries are held.';
comment on column webhooks.subscription_health.breaker_state is
    'closed: deliveries are made. open: deliveries wait. half_open: one delivery probes the receiver.';
comment on column webhooks.subscription_health.breaker_since is 'Time since which breaker_state holds.';
comment on column webhooks.subscription_health.probe_at is
    'Time from which one delivery may probe the receiver; null: the circuit breaker is closed.';
comment on column webhooks.subscription_health.failing_since is
    'Time of the first failure since the last success; null: the last attempts did not fail in a row.';
comment on column webhooks.subscription_health.last_error is
    'Error message of the last failure that changed the state of the circuit breaker.';
comment on column webhooks.subscription_health.disabled_reason is
    'Reason for which the system disabled the subscription.';
comment on column webhooks.subscription_health.verification_state is
    'verified: the receiver agreed to deliveries. pending: it was not asked yet, or did not answer. refused: it did '
    'not agree. Deliveries wait while it is pending or refused. not required: deliveries are made without it.';
comment on column webhooks.subscription_health.verification_since is
    'Time since which the receiver is verified, refused, or without an answer; null: it was not asked yet.';
comment on column webhooks.subscription_health.allowed_rate_per_minute is
    'Requests per minute that the receiver allows; null: no limit besides the subscription''s own.';
comment on column webhooks.subscription_health.next_verification_at is 'Time of the next verification request.';
comment on column webhooks.subscription_health.verification_error is 'Reason why the receiver is not verified.';
comment on column webhooks.subscription_health.throttled_since is
    'Time since which the receiver asks for a pause; null: it does not.';
comment on column webhooks.subscription_health.throttled_until is
    'End of the pause that the receiver asked for (Retry-After), or that its overload brought about; null: none. '
    'reset_breaker() ends the pause.';
comment on column webhooks.subscription_health.throttle_status is
    'HTTP status with which the receiver asked for the pause.';
comment on column webhooks.subscription_health.address_note is
    'Kind of an address in webhook_url that is not on the public internet, for example loopback. Sidecars deliver to '
    'it only with --allow-network. Null: a public address, or a name.';
grant select on webhooks.subscription_health to webhooks_manager, webhooks_monitor;

create function webhooks.reset_breaker(subscription_id uuid)
returns boolean
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    known webhooks_private.subscription_breakers;
begin
    perform webhooks_private.own_subscription(subscription_id);
    -- The sidecar drops what it knows of the receiver and begins anew.
    perform webhooks_private.tell_of_change(subscription_id);
    delete from webhooks_private.subscription_breakers b
        where b.subscription_id = reset_breaker.subscription_id returning * into known;
    if not found then
        return false;
    end if;
    -- Retries that were put off for the receiver's sake. What somebody has locked keeps its time.
    if known.throttled_until > now() then
        update webhooks.delivery_queue q
        set next_attempt_at = now()
        where q.id = any (array(
            select w.id from webhooks.delivery_queue w
            where w.shard = webhooks_private.shard_of(known.subscription_id)
              and w.subscription_id = known.subscription_id
              and w.next_attempt_at is not null and w.attempt > 0
              and w.next_attempt_at between known.throttled_since and known.throttled_until + interval '1 minute'
            for no key update skip locked));
    end if;
    return true;
end
$$;
comment on function webhooks.reset_breaker is
    'Closes the circuit breaker of a subscription at once, and ends a pause that the receiver asked for; retries '
    'that were delayed by the pause become due. False: there was nothing to end.';
grant execute on function webhooks.reset_breaker to webhooks_manager;

-- sql/subscriptions/subscription_settings.sql

create view webhooks.subscription_settings with (security_invoker = true) as
select
    s.id, s.tenant_id, s.name, s.description, s.environment, s.webhook_url, s.webhook_method,
    webhooks_private.redacted_headers(s.id) as webhook_headers,
    s.auth_type,
    webhooks_private.redacted_auth_config(s.id) as auth_config,
    s.subscribed_events, s.event_filters, s.retry_count, s.retry_delay_seconds, s.timeout_seconds,
    s.max_payload_size_kb, s.is_active, s.is_enabled, s.created_at, s.updated_at, s.created_by, s.no_retry_statuses,
    s.max_in_flight, s.rate_limit_per_second, s.rate_limit_burst, s.ordering, s.breaker_failure_threshold,
    s.breaker_cooldown_seconds, s.disabled_reason, s.payload_format, s.payload_template, s.payload_content_type,
    webhooks_private.redacted_template_secrets(s.id) as template_secrets,
    s.endpoint_verification, s.retry_schedule, s.version
from webhooks.webhook_subscriptions s;
comment on view webhooks.subscription_settings is 'webhook_subscriptions as a manager may read it: secrets are null.';

-- The table's comments, but for the columns that differ.
do $comments$
declare
    attribute record;
begin
    for attribute in
        select v.attname, col_description('webhooks.webhook_subscriptions'::regclass, t.attnum) as comment
        from pg_catalog.pg_attribute v
        join pg_catalog.pg_attribute t on t.attname = v.attname
            and t.attrelid = 'webhooks.webhook_subscriptions'::regclass
        where v.attrelid = 'webhooks.subscription_settings'::regclass and v.attnum > 0
    loop
        execute format('comment on column webhooks.subscription_settings.%I is %L', attribute.attname,
                       attribute.comment);
    end loop;
end
$comments$;
comment on column webhooks.subscription_settings.webhook_headers is
    'Additional request headers, with null for each value.';
comment on column webhooks.subscription_settings.auth_config is 'Authentication, with null for each secret.';
comment on column webhooks.subscription_settings.template_secrets is
    'Secrets that payload_template may print, with null for each value.';
grant select on webhooks.subscription_settings to webhooks_manager;

-- sql/subscriptions/manage.sql

-- Subscriptions as functions, for who would rather call than write DML; both are validated by the same trigger. They
-- run as their caller, so that its privileges and row-level security hold. What runs as the owner, here and below,
-- gets at a subscription through own_subscription(), which checks the tenant.

create function webhooks_private.raise_unknown_subscription(id uuid)
returns void
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
begin
    raise exception 'there is no subscription %', coalesce(id::text, 'null')
        using errcode = 'undefined_object',
              hint = 'Those of the tenant that is set are listed by: select id, name from '
                     'webhooks.list_subscriptions();';
end
$$;
comment on function webhooks_private.raise_unknown_subscription is
    'Raises the error for a subscription that there is not, or not for the caller.';
grant execute on function webhooks_private.raise_unknown_subscription to webhooks_manager;

create function webhooks.get_subscription(id uuid)
returns webhooks.subscription_settings
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
    subscription webhooks.subscription_settings;
begin
    select s.* into subscription from webhooks.subscription_settings s where s.id = get_subscription.id;
    if not found then
        perform webhooks_private.raise_unknown_subscription(id);
    end if;
    return subscription;
end
$$;
comment on function webhooks.get_subscription is
    'Returns a subscription, or raises an error. Secrets in webhook_headers, auth_config and template_secrets are '
    'null.';
grant execute on function webhooks.get_subscription to webhooks_manager;

create function webhooks.list_subscriptions(environment text default null, is_active boolean default null)
returns setof webhooks.subscription_settings
language sql stable
set search_path = pg_catalog, pg_temp
begin atomic
    select s.*
    from webhooks.subscription_settings s
    where (list_subscriptions.environment is null or s.environment = list_subscriptions.environment)
      and (list_subscriptions.is_active is null or (s.is_active is true) = list_subscriptions.is_active)
    order by s.tenant_id, s.name, s.environment, s.id;
end;
comment on function webhooks.list_subscriptions is
    'Returns the subscriptions of the tenant that is set, as get_subscription() does; for a role with all tenants, '
    'those of all tenants.';
grant execute on function webhooks.list_subscriptions to webhooks_manager;

create function webhooks_private.own_subscription(subscription_id uuid)
returns webhooks.webhook_subscriptions
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
    subscription webhooks.webhook_subscriptions;
begin
    select s.* into subscription from webhooks.webhook_subscriptions s where s.id = own_subscription.subscription_id;
    if not found or not webhooks_private.may_access_tenant(subscription.tenant_id) then
        perform webhooks_private.raise_unknown_subscription(subscription_id);
    end if;
    return subscription;
end
$$;
comment on function webhooks_private.own_subscription is
    'A subscription of a tenant that the caller may access, or an error. Secrets included: for functions that run as '
    'the owner.';

create function webhooks_private.settable_columns()
returns text[]
language sql stable parallel safe
set search_path = pg_catalog, pg_temp
begin atomic
    select array_agg(a.attname::text order by a.attnum)
    from pg_attribute a
    where a.attrelid = 'webhooks.webhook_subscriptions'::regclass and a.attnum > 0 and not a.attisdropped
      and a.attname not in ('id', 'tenant_id', 'created_at', 'updated_at', 'disabled_reason', 'version');
end;
comment on function webhooks_private.settable_columns is 'Columns of a subscription that are its owner''s to set.';
grant execute on function webhooks_private.settable_columns to webhooks_manager;

create function webhooks_private.subscription_row(settings jsonb)
returns webhooks.webhook_subscriptions
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
    known constant text[] := webhooks_private.settable_columns();
    setting record;
begin
    if jsonb_typeof(settings) is distinct from 'object' then
        raise exception 'a subscription''s settings are an object, not %', coalesce(jsonb_typeof(settings), 'null')
            using errcode = 'invalid_parameter_value',
                  hint = 'Write for example {"name": "Invoices", "retry_count": 5}.';
    end if;
    for setting in select k.name from jsonb_object_keys(settings) k (name) where k.name <> all (known) loop
        raise exception 'a subscription has no setting "%"', left(setting.name, 100)
            using errcode = 'invalid_parameter_value', hint = format('Settings are %s.', array_to_string(known, ', '));
    end loop;
    begin
        return jsonb_populate_record(null::webhooks.webhook_subscriptions, settings);
    exception when data_exception then
        -- PostgreSQL doesn't say which one.
        for setting in
            select s.key as name, s.value, format_type(a.atttypid, a.atttypmod) as type
            from jsonb_each(settings) s
            join pg_attribute a on a.attrelid = 'webhooks.webhook_subscriptions'::regclass and a.attname = s.key
        loop
            begin
                perform jsonb_populate_record(null::webhooks.webhook_subscriptions,
                                              jsonb_build_object(setting.name, setting.value));
            exception when data_exception then
                raise exception 'invalid %: %', setting.name, left(setting.value::text, 100)
                    using errcode = 'invalid_parameter_value',
                    hint = format('It takes a value of type %s.', setting.type);
            end;
        end loop;
        raise;
    end;
end
$$;
comment on function webhooks_private.subscription_row is
    'Settings as a row with nulls for the rest, or an error for the first that there is not or that has another type.';
grant execute on function webhooks_private.subscription_row to webhooks_manager;

create function webhooks_private.insert_subscription(tenant_id uuid, settings jsonb)
returns uuid
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
    subscription constant webhooks.webhook_subscriptions := webhooks_private.subscription_row(settings);
    new_id uuid;
begin
    execute format(
        'insert into webhooks.webhook_subscriptions (tenant_id%1$s) select $1%1$s from (select ($2).*) s returning id',
        -- What is null has its default.
        (select string_agg(format(', %I', s.key), '') from jsonb_each(settings) s where s.value <> 'null'))
    into new_id using insert_subscription.tenant_id, subscription;
    return new_id;
end
$$;
comment on function webhooks_private.insert_subscription is
    'Makes a subscription of settings by name: what create_subscription() and import_subscriptions() have in common.';
grant execute on function webhooks_private.insert_subscription to webhooks_manager;

create function webhooks.create_subscription(
    tenant_id uuid,
    name text,
    webhook_url text,
    subscribed_events jsonb,
    environment text default null,
    description text default null,
    webhook_method text default null,
    webhook_headers jsonb default null,
    auth_type text default null,
    auth_config jsonb default null,
    event_filters jsonb default null,
    retry_count integer default null,
    retry_delay_seconds integer default null,
    timeout_seconds integer default null,
    max_payload_size_kb integer default null,
    no_retry_statuses integer[] default null,
    max_in_flight integer default null,
    rate_limit_per_second double precision default null,
    rate_limit_burst integer default null,
    ordering text default null,
    breaker_failure_threshold integer default null,
    breaker_cooldown_seconds integer default null,
    payload_format text default null,
    payload_template text default null,
    payload_content_type text default null,
    template_secrets jsonb default null,
    endpoint_verification text default null,
    is_active boolean default null,
    is_enabled boolean default null,
    created_by uuid default null,
    retry_schedule text default null
)
returns uuid
language sql volatile
set search_path = pg_catalog, pg_temp
begin atomic
    select webhooks_private.insert_subscription(tenant_id, jsonb_build_object(
        'name', name, 'webhook_url', webhook_url, 'subscribed_events', subscribed_events, 'environment', environment,
        'description', description, 'webhook_method', webhook_method, 'webhook_headers', webhook_headers,
        'auth_type', auth_type, 'auth_config', auth_config, 'event_filters', event_filters, 'retry_count', retry_count,
        'retry_delay_seconds', retry_delay_seconds, 'timeout_seconds', timeout_seconds,
        'max_payload_size_kb', max_payload_size_kb, 'no_retry_statuses', no_retry_statuses, 'max_in_flight',
        max_in_flight,
        'rate_limit_per_second', rate_limit_per_second, 'rate_limit_burst', rate_limit_burst, 'ordering', ordering,
        'breaker_failure_threshold', breaker_failure_threshold, 'breaker_cooldown_seconds', breaker_cooldown_seconds,
        'payload_format', payload_format, 'payload_template', payload_template, 'payload_content_type',
        payload_content_type,
        'template_secrets', template_secrets, 'endpoint_verification', endpoint_verification,
        'is_active', is_active, 'is_enabled', is_enabled, 'created_by', created_by, 'retry_schedule', retry_schedule));
end;
comment on function webhooks.create_subscription is
    'Creates a subscription and returns its id. The columns of webhook_subscriptions describe the parameters, and '
    'null stands for the default of a column. By default a delivery fails after 3 retries, 7 minutes after the first '
    'attempt; with retry_schedule => ''standard-webhooks'', after 28 hours.';
grant execute on function webhooks.create_subscription to webhooks_manager;

create function webhooks.update_subscription(id uuid, changes jsonb)
returns webhooks.subscription_settings
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
    subscription constant webhooks.webhook_subscriptions := webhooks_private.subscription_row(changes);
begin
    if changes ? 'created_by' then
        raise exception 'created_by of a subscription can''t change'
            using errcode = 'invalid_parameter_value',
                  hint = 'The audit log has who changed it: select * from webhooks.audit_log;';
    end if;
    if changes <> '{}' then
        execute format(
            'update webhooks.webhook_subscriptions s set (%1$s) = (select %1$s from (select ($1).*) n) where s.id = $2',
            (select string_agg(format('%I', c.name), ', ') from jsonb_object_keys(changes) c (name)))
        using subscription, update_subscription.id;
    end if;
    return webhooks.get_subscription(id);
end
$$;
comment on function webhooks.update_subscription is
    'Changes columns of a subscription, for example {"retry_count": 5}, and returns it as get_subscription() does. '
    'In webhook_headers, auth_config and template_secrets a null keeps the stored secret.';
grant execute on function webhooks.update_subscription to webhooks_manager;

create function webhooks.delete_subscription(id uuid)
returns void
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    perform webhooks_private.own_subscription(id);
    delete from webhooks.webhook_subscriptions s where s.id = delete_subscription.id;
end
$$;
comment on function webhooks.delete_subscription is
    'Deletes a subscription and cancels its outstanding deliveries; its log remains. Managers have no DELETE '
    'privilege, since a role with it may LOCK the table and stop the deliveries of all tenants.';
grant execute on function webhooks.delete_subscription to webhooks_manager;

create function webhooks.set_subscriptions_enabled(ids uuid[], enabled boolean)
returns bigint
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
    changed bigint;
begin
    if enabled is null then
        raise exception 'enabled is null'
            using errcode = 'null_value_not_allowed', hint = 'Give true or false.';
    end if;
    perform webhooks_private.check_count('ids', cardinality(ids), 10000);
    -- In an order, or two that do the same might wait for each other.
    perform from webhooks.webhook_subscriptions s
    where s.id = any (set_subscriptions_enabled.ids) order by s.id for no key update;
    perform webhooks.get_subscription(i.id) from unnest(ids) i (id);
    update webhooks.webhook_subscriptions s
    set is_enabled = set_subscriptions_enabled.enabled
    where s.id = any (set_subscriptions_enabled.ids)
      and s.is_enabled is distinct from set_subscriptions_enabled.enabled;
    get diagnostics changed = row_count;
    return changed;
end
$$;
comment on function webhooks.set_subscriptions_enabled is
    'Enables or disables up to 10,000 subscriptions, all or none, and returns the number of changed ones. A disabled '
    'subscription matches no new events, and its outstanding deliveries are held.';
grant execute on function webhooks.set_subscriptions_enabled to webhooks_manager;

-- sql/subscriptions/transfer.sql

-- Subscriptions by the dozen: out of one database or environment and into another. By name, since ids are the
-- database's.

create function webhooks_private.lock_tenant(tenant_id uuid)
returns void
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    perform webhooks_private.check_tenant(tenant_id);
    perform webhooks_private.lock_xact(webhooks_private.tenant_lock(), hashtext(tenant_id::text));
end
$$;
comment on function webhooks_private.lock_tenant is
    'Lets one transaction at a time do for a tenant what looks first whether it is done already: import, copy, '
    'retry, replay.';
grant execute on function webhooks_private.lock_tenant to webhooks_manager;

create function webhooks.export_subscriptions(tenant_id uuid)
returns jsonb
language sql stable
set search_path = pg_catalog, pg_temp
begin atomic
    select coalesce(jsonb_agg(e.settings order by e.name, e.environment, e.id), '[]')
    from (
        select s.name, s.environment, s.id, jsonb_object_agg(c.key, c.value) as settings
        from webhooks.subscription_settings s
        cross join jsonb_each(
            to_jsonb(s)
            -- Null counts as false, but would be imported as the default.
            || jsonb_build_object('is_active', s.is_active is true, 'is_enabled', s.is_enabled is true)) c
        where s.tenant_id = export_subscriptions.tenant_id
          and c.key = any (webhooks_private.settable_columns()) and c.key <> 'created_by'
        group by s.id, s.name, s.environment
    ) e;
end;
comment on function webhooks.export_subscriptions is
    'Returns the subscriptions of a tenant in the form that import_subscriptions() takes. Secrets are null.';
grant execute on function webhooks.export_subscriptions to webhooks_manager;

create function webhooks_private.subscription_changes(id uuid, settings jsonb)
returns table (before jsonb, after jsonb)
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    present constant jsonb := to_jsonb(webhooks_private.own_subscription(id));
    given constant jsonb := to_jsonb(webhooks_private.subscription_row(settings));
    wanted jsonb := present;
    setting text;
begin
    for setting in select k.name from jsonb_object_keys(settings) k (name) loop
        wanted := wanted || jsonb_build_object(
            setting,
            case when setting in ('webhook_headers', 'auth_config', 'template_secrets')
                then webhooks_private.keep_secrets(given -> setting, present -> setting)
                 else given -> setting end);
    end loop;
    return query
    select webhooks_private.redact_subscription(webhooks_private.only_changes(present, wanted)),
           webhooks_private.redact_subscription(webhooks_private.only_changes(wanted, present));
end
$$;
comment on function webhooks_private.subscription_changes is
    'What an update with these settings would change, as the audit log would show it; two empty objects if nothing.';
grant execute on function webhooks_private.subscription_changes to webhooks_manager;

create function webhooks.import_subscriptions(tenant_id uuid, subscriptions jsonb, dry_run boolean default false)
returns table (name text, environment text, action text, subscription_id uuid, before jsonb, after jsonb, error text,
               hint text)
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_variable
declare
    item jsonb;
    present uuid[];
    seen jsonb[] := '{}';
    invalid text[] := '{}';
begin
    if jsonb_typeof(subscriptions) is distinct from 'array' then
        raise exception 'subscriptions to import are an array, not %', coalesce(jsonb_typeof(subscriptions), 'null')
            using errcode = 'invalid_parameter_value', hint = 'Give what webhooks.export_subscriptions() returned.';
    end if;
    perform webhooks_private.check_count('subscriptions', jsonb_array_length(subscriptions), 10000);
    perform webhooks_private.lock_tenant(tenant_id);
    begin
        for item in select i.item from jsonb_array_elements(subscriptions) i (item) loop
            name := item ->> 'name';
            environment := coalesce(item ->> 'environment', 'production');
            subscription_id := null;
            before := null;
            after := null;
            error := null;
            hint := null;
            begin
                perform webhooks_private.subscription_row(item);
                if name is not null and jsonb_build_array(name, environment) = any (seen) then
                    raise exception 'name and environment are there twice'
                        using errcode = 'invalid_parameter_value',
                              hint = 'They tell which subscription is meant: give another name.';
                end if;
                seen := seen || jsonb_build_array(name, environment);
                present := array(
                    select s.id from webhooks.webhook_subscriptions s
                    where s.tenant_id = import_subscriptions.tenant_id
                      and s.name = import_subscriptions.name and s.environment = import_subscriptions.environment);
                case cardinality(present)
                    when 0 then
                        action := 'created';
                        subscription_id := webhooks_private.insert_subscription(tenant_id, item);
                        after := webhooks_private.redact_subscription(item);
                    when 1 then
                        subscription_id := present[1];
                        select c.before, c.after into before, after
                            from webhooks_private.subscription_changes(subscription_id, item) c;
                        action := case when before = '{}' and after = '{}' then 'unchanged' else 'updated' end;
                        if action = 'updated' then
                            perform webhooks.update_subscription(subscription_id, item);
                        end if;
                    else
                        raise exception 'there are % subscriptions of this name and environment', cardinality(present)
                            using errcode = 'invalid_parameter_value', hint = 'Rename all but one of them.';
                end case;
            exception when data_exception or integrity_constraint_violation or configuration_limit_exceeded then
                action := 'invalid';
                subscription_id := null;
                before := null;
                after := null;
                get stacked diagnostics error = message_text, hint = pg_exception_hint;
                invalid := invalid || format('"%s" (%s): %s. %s', name, environment, error, hint);
            end;
            if dry_run and action = 'created' then
                subscription_id := null;
            end if;
            return next;
        end loop;
        if dry_run then
            raise exception using errcode = 'WHDRY';
        end if;
    exception when sqlstate 'WHDRY' then
        -- All that was done is undone; what was returned stays.
    end;
    if not dry_run and cardinality(invalid) > 0 then
        raise exception '% of % subscriptions can''t be imported, so none was', cardinality(invalid),
            jsonb_array_length(subscriptions)
            using errcode = 'invalid_parameter_value', detail = array_to_string(invalid, E'\n'),
                  hint = 'With dry_run => true these are rows, beside what would become of the others.';
    end if;
end
$$;
comment on function webhooks.import_subscriptions is
    'Creates and updates subscriptions, all or none, from an array of at most 10,000 objects. name and environment '
    'identify a subscription, and columns that an object does not have remain as they are. In webhook_headers, '
    'auth_config and template_secrets a null keeps the stored secret. Returns the action for each subscription: '
    'created, updated or unchanged. dry_run returns the actions without taking them, or invalid with the error.';
grant execute on function webhooks.import_subscriptions to webhooks_manager;

create function webhooks.copy_subscriptions(tenant_id uuid, from_environment text, to_environment text,
                                            dry_run boolean default false)
returns table (name text, action text)
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
    invalid text;
    settings text;
begin
    perform webhooks_private.check_tenant(tenant_id);
    select e.name into invalid
    from unnest(array[from_environment, to_environment]) e (name)
    where (e.name in ('dev', 'staging', 'production')) is not true;
    if found then
        raise exception 'invalid environment: %', coalesce(invalid, 'null')
            using errcode = 'invalid_parameter_value', hint = 'It takes dev, staging or production.';
    end if;
    if from_environment = to_environment then
        raise exception 'subscriptions of % can''t be copied to where they are', from_environment
            using errcode = 'invalid_parameter_value', hint = 'Give two environments.';
    end if;
    perform webhooks_private.lock_tenant(tenant_id);
    return query
    select s.name::text,
           case when exists (select from webhooks.webhook_subscriptions t
                             where t.tenant_id = s.tenant_id and t.environment = to_environment and t.name = s.name)
                then 'exists' else 'created' end
    from webhooks.webhook_subscriptions s
    where s.tenant_id = copy_subscriptions.tenant_id and s.environment = from_environment
    order by s.name, s.id;
    if not dry_run then
        select string_agg(format(', %I', c.name), '') into settings
        from unnest(webhooks_private.settable_columns()) c (name)
        where c.name not in ('environment', 'created_by');
        execute format(
            'insert into webhooks.webhook_subscriptions (tenant_id, environment, disabled_reason%1$s)
             select s.tenant_id, $3, s.disabled_reason%1$s
             from webhooks.webhook_subscriptions s
             where s.tenant_id = $1 and s.environment = $2
               and not exists (select from webhooks.webhook_subscriptions t
                               where t.tenant_id = s.tenant_id and t.environment = $3 and t.name = s.name)',
            settings)
        using tenant_id, from_environment, to_environment;
    end if;
end
$$;
comment on function webhooks.copy_subscriptions is
    'Copies the subscriptions of a tenant to another environment, with their secrets, which are not shown. A '
    'subscription whose name exists there is left out. Returns the action for each subscription: created or exists. '
    'dry_run returns the actions without taking them.';
grant execute on function webhooks.copy_subscriptions to webhooks_manager;

-- sql/subscriptions/templates.sql

-- Ready-made settings of subscriptions. Those that are shipped are code, so that a newer version brings newer ones;
-- what tenants add are rows.

create table webhooks.subscription_templates (
    tenant_id uuid not null,
    name varchar(100) not null,
    description text,
    settings jsonb not null,
    placeholders jsonb not null default '{}',
    created_at timestamptz not null default now(),
    primary key (tenant_id, name)
);
comment on table webhooks.subscription_templates is
    'Subscription templates of tenants for create_subscription_from_template(). For shipped templates see '
    'shipped_templates().';
comment on column webhooks.subscription_templates.tenant_id is 'Tenant of the template.';
comment on column webhooks.subscription_templates.name is
    'Name of the template. It hides a shipped template of the same name.';
comment on column webhooks.subscription_templates.description is 'Description for people; at most 10,000 bytes.';
comment on column webhooks.subscription_templates.settings is
    'Columns of webhook_subscriptions and their values, without secrets; at most 64 KiB as text. A placeholder is '
    '<<name>> in a text, or {{ secrets.name }} in payload_template for a secret.';
comment on column webhooks.subscription_templates.placeholders is
    'Placeholders that need a value: an object of names and explanations; at most 16 KiB as text.';
comment on column webhooks.subscription_templates.created_at is 'Time of creation.';
select pg_catalog.pg_extension_config_dump('webhooks.subscription_templates', '');
grant select, insert on webhooks.subscription_templates to webhooks_manager;
grant update (
    tenant_id, name, description, settings, placeholders, created_at
) on webhooks.subscription_templates to webhooks_manager;

create function webhooks_private.validate_template()
returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
    unknown text;
begin
    -- A restore brings what was accepted once.
    if webhooks_private.is_restoring() then
        return new;
    end if;
    -- PostgreSQL's own error would show the whole row.
    if new.tenant_id is null or new.name is null then
        raise exception 'tenant_id or name of a template is null'
            using errcode = 'not_null_violation', hint = 'A template is a tenant''s, and has a name of its own there.';
    end if;
    if jsonb_typeof(new.settings) is distinct from 'object'
        or jsonb_typeof(new.placeholders) is distinct from 'object' then
        raise exception 'settings and placeholders of a template are JSON objects'
            using errcode = 'invalid_parameter_value',
                  hint = 'Write for example {"payload_format": "standard"} and {}.';
    end if;
    select k into unknown from jsonb_object_keys(new.settings) k
    where k <> all (webhooks_private.settable_columns())
      or k in ('auth_config', 'webhook_headers', 'template_secrets') limit 1;
    if found then
        raise exception 'a template can''t set "%"', left(unknown, 100)
            using errcode = 'invalid_parameter_value',
                  hint = 'It sets columns of webhook_subscriptions, but for auth_config, webhook_headers and '
                         'template_secrets, which hold secrets: give those when you subscribe.';
    end if;
    select k into unknown from jsonb_object_keys(new.placeholders) k
    where k !~ '^[a-z][a-z0-9_]{0,62}$' or k = any (webhooks_private.settable_columns())
       -- Not both: what is a secret must not become a part of a text that can be read.
       or (position('<<' || k || '>>' in new.settings::text) > 0)
          = coalesce(k = any (webhooks_private.secret_names(new.settings ->> 'payload_template')), false) limit 1;
    if found then
        raise exception 'invalid placeholder "%"', left(unknown, 100)
            using errcode = 'invalid_parameter_value',
                  hint = 'Its name is a lower-case word, no column''s, and stands in the settings between << and >>, '
                         'or for a secret as {{ secrets.name }} in payload_template.';
    end if;
    return new;
end
$$;
comment on function webhooks_private.validate_template is
    'Trigger: refuses templates that no subscription could be made from.';

create trigger z20_validate_template
    before insert or update on webhooks.subscription_templates
    for each row execute function webhooks_private.validate_template();

create trigger audit_change
    after insert or update or delete on webhooks.subscription_templates
    for each row execute function webhooks_private.audit_change('subscription_template', 'name');

create function webhooks.delete_subscription_template(tenant_id uuid, name text)
returns boolean
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    perform webhooks_private.check_tenant(tenant_id);
    delete from webhooks.subscription_templates t
    where t.tenant_id = delete_subscription_template.tenant_id and t.name = delete_subscription_template.name;
    return found;
end
$$;
comment on function webhooks.delete_subscription_template is
    'Deletes a subscription template of a tenant; false if there is none of that name. Subscriptions that were '
    'created from it remain.';
grant execute on function webhooks.delete_subscription_template to webhooks_manager;

create function webhooks_private.check_subscription_template_sizes()
returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    if not webhooks_private.is_restoring() then
        perform webhooks_private.check_size('description', new.description, old.description, 10000);
        perform webhooks_private.check_size('settings', new.settings, old.settings, 65536);
        perform webhooks_private.check_size('placeholders', new.placeholders, old.placeholders, 16384);
    end if;
    return new;
end
$$;
comment on function webhooks_private.check_subscription_template_sizes is
    'Trigger: refuses values of a template that are too large.';

create trigger z10_check_sizes
    before insert or update on webhooks.subscription_templates
    for each row execute function webhooks_private.check_subscription_template_sizes();

-- sql/subscriptions/shipped_templates.sql

create function webhooks.shipped_templates()
returns table (name text, description text, settings jsonb, placeholders jsonb)
language sql immutable parallel safe
begin atomic
    values
        ('plain-json', 'Any receiver: the whole event as JSON', '{"payload_format": "envelope"}'::jsonb, '{}'::jsonb),
        ('standard-webhooks', 'A receiver that uses a Standard Webhooks library; signed',
         '{"payload_format": "standard", "auth_type": "signature"}', '{}'),
        -- Limits of characters are halved: some receivers count an emoji as two.
        -- Slack: 1 message a second and channel; text at most 40,000 characters, a header 150, a section 3,000.
        -- & < > are its own, so that nobody can write <!channel>.
        ('slack', 'Slack incoming webhook',
         jsonb_build_object('rate_limit_per_second', 1, 'payload_template',
$template${
  "text": "{{ (event.name or event.type) | replace('&', '&amp;') | replace('<', '&lt;') | replace('>', '&gt;') }}",
  "blocks": [
    {"type": "header", "text": {"type": "plain_text", "text": "{{ (event.name or event.type)[:75] }}"}},
    {"type": "section", "text": {"type": "plain_text", "text": "{{ (data | tojson | string)[:1500] }}"}},
    {"type": "context", "elements": [{"type": "plain_text", "text": "{{ event.type }} \u00b7 {{ event.timestamp }}"}]}
  ]
}$template$), '{}'),
        -- Discord: an embed's title at most 256 characters, its description 4,096, all its texts 6,000. No mentions. 30
        -- messages a minute and webhook is what users report.
        ('discord', 'Discord webhook',
         jsonb_build_object('rate_limit_per_second', 0.5, 'payload_template',
$template${
  "embeds": [{
    "title": "{{ (event.name or event.type)[:125] }}",
    "description": "{{ (data | tojson | string)[:2000] }}",
    "timestamp": "{{ event.timestamp }}",
    "footer": {"text": "{{ event.type }}"}
  }],
  "allowed_mentions": {"parse": []}
}$template$), '{}'),
        -- Teams: 28 KB a message; an adaptive card in a message, as the trigger "When a Teams webhook request is
        -- received" takes it.
        ('microsoft-teams', 'Microsoft Teams workflow: an adaptive card',
         jsonb_build_object('rate_limit_per_second', 1, 'max_payload_size_kb', 28, 'payload_template',
$template${
  "type": "message",
  "attachments": [{
    "contentType": "application/vnd.microsoft.card.adaptive",
    "contentUrl": null,
    "content": {
      "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
      "type": "AdaptiveCard",
      "version": "1.4",
      "body": [
        {"type": "TextBlock", "text": "{{ event.name or event.type }}", "weight": "Bolder", "size": "Medium", "wrap": true},
        {"type": "FactSet", "facts": [
          {"title": "Type", "value": "{{ event.type }}"},
          {"title": "Time", "value": "{{ event.timestamp }}"},
          {"title": "Resource", "value": "{{ resource.type or '-' }} {{ resource.id }}"}
        ]},
        {"type": "TextBlock", "text": "{{ (data | tojson | string)[:3000] }}", "wrap": true, "fontType": "Monospace"}
      ]
    }
  }]
}$template$), '{}'),
        -- PagerDuty: 120 events a minute and key, of at most 512 KB; a summary of at most 1,024 characters, a
        -- dedup_key of 255; severity is one of four. What it answers with 400 it does not want again.
        ('pagerduty', 'PagerDuty, Events API v2: an alert for each event',
         jsonb_build_object('webhook_url', 'https://events.pagerduty.com/v2/enqueue', 'rate_limit_per_second', 2,
                            'max_payload_size_kb', 512,
                            'no_retry_statuses', '[400, 410]'::jsonb,
                            'subscribed_events', '["system.error", "job.failed", "extraction.failed"]'::jsonb,
                            'payload_template',
$template${
  "routing_key": "{{ secrets.routing_key }}",
  "event_action": "trigger",
  "dedup_key": "{{ id }}",
  "payload": {
    "summary": "{{ (event.name or event.type)[:500] }}",
    "source": "{{ tenant_id }}",
    "severity": "{% if event.type is endingwith('.failed') or event.type is endingwith('.error') %}error{% else %}info{% endif %}",
    "timestamp": "{{ event.timestamp }}",
    "class": "{{ event.type }}",
    "group": "{{ event.category }}",
    "custom_details": {{ {"data": data, "resource": resource} }}
  }
}$template$), '{"routing_key": "The integration key of the service: 32 letters and digits"}'),
        ('automation', 'An automation tool that takes any webhook: flat fields, easy to map',
         jsonb_build_object('payload_template',
$template${
  "event_id": "{{ id }}",
  "event_type": "{{ event.type }}",
  "event_name": "{{ event.name }}",
  "timestamp": "{{ event.timestamp }}",
  "tenant_id": "{{ tenant_id }}",
  "resource_type": {{ resource.type }},
  "resource_id": {{ resource.id }},
  "user_id": {{ context.user_id }},
  "data": {{ data }}
}$template$), '{}');
end;
comment on function webhooks.shipped_templates is
    'Returns the subscription templates for common receivers that come with the extension, with the columns of '
    'subscription_templates.';
grant execute on function webhooks.shipped_templates to webhooks_manager;

-- sql/subscriptions/from_template.sql

create function webhooks.create_subscription_from_template(tenant_id uuid, template text, overrides jsonb default '{}')
returns uuid
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
    settings jsonb;
    placeholders jsonb;
    placeholder text;
    secret_names text[];
    secrets jsonb := '{}';
    unknown text;
begin
    if jsonb_typeof(overrides) is distinct from 'object' then
        raise exception 'overrides are no JSON object'
            using errcode = 'invalid_parameter_value',
                  hint = 'Write for example {"name": "Team chat", "webhook_url": "https://...", "subscribed_events": '
                         '["job.failed"]}.';
    end if;
    select t.settings, t.placeholders into settings, placeholders
    from (select o.settings, o.placeholders, 1 as preference from webhooks.subscription_templates o
          where o.tenant_id = create_subscription_from_template.tenant_id and o.name = template
          union all
          select s.settings, s.placeholders, 2 from webhooks.shipped_templates() s where s.name = template) t
    order by t.preference limit 1;
    if not found then
        raise exception 'there is no template %', coalesce('"' || left(template, 100) || '"', 'null')
            using errcode = 'undefined_object',
                  hint = 'Templates are listed by: select name, description from webhooks.shipped_templates(); and '
                         'your own are in webhooks.subscription_templates.';
    end if;
    select k into unknown from jsonb_object_keys(overrides) k where k <> all (webhooks_private.settable_columns())
        and not placeholders ? k limit 1;
    if found then
        raise exception 'there is nothing to override called "%"', left(unknown, 100)
            using errcode = 'invalid_parameter_value',
                  hint = 'Give columns of webhook_subscriptions'
                         || coalesce(', and ' || (select string_agg(p.key || ' (' || p.value || ')', ', ')
                                                  from jsonb_each_text(placeholders) p), '') || '.';
    end if;
    secret_names := coalesce(webhooks_private.secret_names(settings ->> 'payload_template'), '{}');
    for placeholder in select jsonb_object_keys(placeholders) loop
        if placeholder = any (secret_names) then
            if coalesce(overrides ->> placeholder, '') = '' then
                raise exception 'template "%" needs a value for %', template, placeholder
                    using errcode = 'invalid_parameter_value',
                          hint = format('%s. Give it in overrides; it is kept in template_secrets.',
                                        placeholders ->> placeholder);
            end if;
            secrets := secrets || jsonb_build_object(placeholder, overrides -> placeholder);
            continue;
        end if;
        -- Nothing that JSON or a payload_template could take for its own.
        if coalesce(overrides ->> placeholder, '') !~ '^[A-Za-z0-9._:/@=+-]{1,250}$' then
            raise exception 'template "%" needs a value for %', template, placeholder
                using errcode = 'invalid_parameter_value',
                      hint = format('%s. Give it in overrides: 1 to 250 letters, digits and . _ : / @ = + -',
                                    placeholders ->> placeholder);
        end if;
        settings := replace(settings::text, '<<' || placeholder || '>>', overrides ->> placeholder)::jsonb;
    end loop;
    settings := jsonb_build_object('name', template) || settings
        || (overrides - array(select jsonb_object_keys(placeholders)));
    if secrets <> '{}' then
        settings := settings || jsonb_build_object('template_secrets',
                                                   secrets || coalesce(nullif(settings -> 'template_secrets',
                                                           'null'), '{}'));
    end if;
    if settings ->> 'auth_type' = 'signature' and not settings ? 'auth_config' then
        settings := settings || jsonb_build_object('auth_config',
                                                   jsonb_build_object('secret', webhooks.generate_secret()));
    end if;
    return webhooks_private.insert_subscription(create_subscription_from_template.tenant_id, settings);
end
$$;
comment on function webhooks.create_subscription_from_template is
    'Creates a subscription from a template of the tenant or a shipped one, and returns its id. overrides are '
    'columns of webhook_subscriptions and values for the placeholders of the template; placeholders that are secrets '
    'go into template_secrets. A subscription that signs gets a new secret unless one is given; renew_secret() '
    'returns it.';
grant execute on function webhooks.create_subscription_from_template to webhooks_manager;

-- sql/deliveries/queue.sql

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

-- A test must not wait behind what its subscription has outstanding, and goes while that is held. In a shard of its
-- own it is out of the way: nobody who publishes or claims pays for it.
create function webhooks_private.test_shard_of(subscription_id uuid)
returns smallint
language sql immutable strict parallel safe
return (webhooks_private.shard_of(subscription_id) + webhooks_private.shard_count())::smallint;
comment on function webhooks_private.test_shard_of is
    'The shard of a subscription''s tests: beyond all that are scanned, and delivered by the owner of '
    'shard_of(subscription_id).';

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
    'their own, above the others.';
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
    -- One statement for each index; the last is for tests.
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
    return null;
end
$$;
comment on function webhooks_private.cancel_outstanding is
    'Trigger: removes the outstanding deliveries of a deleted subscription.';

create trigger a10_cancel_outstanding
    after delete on webhooks.webhook_subscriptions
    for each row execute function webhooks_private.cancel_outstanding();

-- sql/deliveries/attempts.sql

-- One row per HTTP attempt. Partitioned on the delivery's UUIDv7 id, so that a delivery's attempts lie in one
-- partition and a look-up by delivery reads only that; the parent has no index (see event_logs).
create table webhooks.delivery_attempts (
    delivery_id uuid not null,
    delivery_attempt integer not null,
    http_status_code integer,
    attempted_at timestamptz not null,
    delivered_at timestamptz,
    next_retry_at timestamptz,
    duration_us bigint,
    subscription_id uuid not null,
    event_log_id uuid not null,
    tenant_id uuid not null,
    payload_size_bytes integer,
    delivery_status varchar(50) not null,
    payload_sha256 bytea,
    response_headers jsonb,
    response_body text,
    error_message text,
    is_test boolean,
    failure text,
    resent_count integer,
    -- ::text: see event_logs.
    constraint delivery_attempts_status_check
        check (delivery_status::text in ('delivered', 'failed', 'retrying', 'expired', 'cancelled'))
) partition by range (delivery_id);
comment on table webhooks.delivery_attempts is
    'Delivery attempts, append-only. The last attempt of a finished delivery is delivered, failed, expired or '
    'cancelled.';
comment on column webhooks.delivery_attempts.delivery_id is 'Delivery id (UUIDv7).';
comment on column webhooks.delivery_attempts.delivery_attempt is 'Number of the attempt, from 1.';
comment on column webhooks.delivery_attempts.http_status_code is 'HTTP status of the response; null: no response came.';
comment on column webhooks.delivery_attempts.attempted_at is
    'Time at which the request began, by the clock of the sidecar.';
comment on column webhooks.delivery_attempts.delivered_at is
    'Time at which a 2xx response was complete, or timeout_seconds had passed while its body came in; null: not '
    'delivered.';
comment on column webhooks.delivery_attempts.next_retry_at is 'Time of the next attempt; null: there is none.';
comment on column webhooks.delivery_attempts.duration_us is
    'Duration of connecting, sending and receiving, in microseconds.';
comment on column webhooks.delivery_attempts.subscription_id is 'Subscription that the delivery goes to.';
comment on column webhooks.delivery_attempts.event_log_id is 'Event that is delivered.';
comment on column webhooks.delivery_attempts.tenant_id is 'Tenant of the subscription and the event.';
comment on column webhooks.delivery_attempts.payload_size_bytes is 'Size of the request body, in bytes.';
comment on column webhooks.delivery_attempts.delivery_status is
    'delivered, failed, retrying, expired or cancelled. For expired and cancelled no request was made.';
comment on column webhooks.delivery_attempts.payload_sha256 is 'SHA-256 of the request body.';
comment on column webhooks.delivery_attempts.response_headers is
    'Response headers, up to the setting max_response_headers_bytes.';
comment on column webhooks.delivery_attempts.response_body is
    'Start of the response body, up to the setting max_response_body_bytes. Invalid UTF-8 is replaced.';
comment on column webhooks.delivery_attempts.error_message is 'Error message; null: the attempt succeeded.';
comment on column webhooks.delivery_attempts.failure is 'Kind of failure: error_message without names and addresses.';
comment on column webhooks.delivery_attempts.resent_count is
    'Number of times that the request was sent again at once on a new connection, because the receiver had closed '
    'the kept one; null: none.';
comment on column webhooks.delivery_attempts.is_test is
    'True: a delivery of test_subscription(). Null: a delivery of an event.';
grant select on webhooks.delivery_attempts to webhooks_manager;
grant select (
    delivery_id, delivery_attempt, http_status_code, attempted_at, delivered_at, next_retry_at, duration_us,
    subscription_id, event_log_id, tenant_id, payload_size_bytes, delivery_status, failure, is_test, resent_count
) on webhooks.delivery_attempts to webhooks_monitor;

create table webhooks_private.delivery_attempts_template (
    like webhooks.delivery_attempts including constraints including comments,
    primary key (delivery_id, delivery_attempt)
);
create index delivery_attempts_template_subscription
    on webhooks_private.delivery_attempts_template (subscription_id, attempted_at desc);
create index delivery_attempts_template_unsuccessful
    on webhooks_private.delivery_attempts_template (delivery_status, attempted_at)
    where delivery_status <> 'delivered';
comment on table webhooks_private.delivery_attempts_template is
    'Always empty: carries the indexes of each partition of delivery_attempts.';

create table webhooks_private.delivery_attempts_default (
    like webhooks_private.delivery_attempts_template including all
);
alter table webhooks.delivery_attempts attach partition webhooks_private.delivery_attempts_default default;
comment on table webhooks_private.delivery_attempts_default is
    'Attempts of deliveries whose id falls in no partition made by create_partitions().';
select pg_catalog.pg_extension_config_dump('webhooks_private.delivery_attempts_default', '');

-- sql/deliveries/views.sql

create view webhooks.webhook_delivery_logs with (security_invoker = true) as
select
    q.id,
    q.subscription_id,
    q.event_log_id,
    greatest(q.attempt, 1) as delivery_attempt,
    case when q.attempt = 0 then 'pending' else 'retrying' end::varchar(50) as delivery_status,
    a.http_status_code,
    a.response_headers,
    a.response_body,
    a.error_message,
    a.attempted_at,
    null::timestamptz as delivered_at,
    q.next_attempt_at as next_retry_at,
    a.payload_size_bytes,
    encode(a.payload_sha256, 'hex')::varchar(64) as payload_hash,
    q.tenant_id,
    a.duration_us,
    q.shard >= webhooks_private.shard_count() as is_test,
    coalesce(a.resent_count, 0) as resent_count
from webhooks.delivery_queue q
left join webhooks.delivery_attempts a on a.delivery_id = q.id and a.delivery_attempt = q.attempt
union all
select
    a.delivery_id,
    a.subscription_id,
    a.event_log_id,
    a.delivery_attempt,
    a.delivery_status,
    a.http_status_code,
    a.response_headers,
    a.response_body,
    a.error_message,
    a.attempted_at,
    a.delivered_at,
    a.next_retry_at,
    a.payload_size_bytes,
    encode(a.payload_sha256, 'hex')::varchar(64),
    a.tenant_id,
    a.duration_us,
    coalesce(a.is_test, false),
    coalesce(a.resent_count, 0)
from webhooks.delivery_attempts a
where a.delivery_status <> 'retrying';
comment on view webhooks.webhook_delivery_logs is
    'Deliveries, outstanding and finished, with the result of the last attempt.';
comment on column webhooks.webhook_delivery_logs.id is 'Delivery id; receivers see it as X-Webhook-Delivery-Id.';
comment on column webhooks.webhook_delivery_logs.subscription_id is 'Subscription that the delivery goes to.';
comment on column webhooks.webhook_delivery_logs.event_log_id is 'Event that is delivered.';
comment on column webhooks.webhook_delivery_logs.delivery_attempt is
    'Number of the last attempt, from 1; 1 while the delivery is pending.';
comment on column webhooks.webhook_delivery_logs.delivery_status is
    'pending, retrying, delivered, failed, expired or cancelled.';
comment on column webhooks.webhook_delivery_logs.http_status_code is
    'HTTP status of the last attempt; null: no response came.';
comment on column webhooks.webhook_delivery_logs.response_headers is
    'Response headers of the last attempt, up to the setting max_response_headers_bytes.';
comment on column webhooks.webhook_delivery_logs.response_body is
    'Start of the response body of the last attempt, up to the setting max_response_body_bytes.';
comment on column webhooks.webhook_delivery_logs.error_message is
    'Error message of the last attempt; null: it succeeded.';
comment on column webhooks.webhook_delivery_logs.attempted_at is
    'Time at which the last attempt began; null before the first attempt.';
comment on column webhooks.webhook_delivery_logs.delivered_at is 'Time of delivery; null: not delivered.';
comment on column webhooks.webhook_delivery_logs.next_retry_at is
    'Time of the next attempt; null: as soon as possible for a pending or retrying delivery, otherwise never.';
comment on column webhooks.webhook_delivery_logs.payload_size_bytes is 'Size of the request body, in bytes.';
comment on column webhooks.webhook_delivery_logs.payload_hash is 'SHA-256 of the request body, hexadecimal.';
comment on column webhooks.webhook_delivery_logs.tenant_id is 'Tenant of the subscription and the event.';
comment on column webhooks.webhook_delivery_logs.duration_us is 'Duration of the last attempt, in microseconds.';
comment on column webhooks.webhook_delivery_logs.is_test is 'True: a delivery of test_subscription().';
comment on column webhooks.webhook_delivery_logs.resent_count is
    'Number of times that the last request was sent again at once on a new connection, because the receiver had '
    'closed the kept one without an answer.';
grant select on webhooks.webhook_delivery_logs to webhooks_manager;

create view webhooks.delivery_states with (security_invoker = true) as
select
    q.id,
    q.subscription_id,
    q.event_log_id,
    q.tenant_id,
    greatest(q.attempt, 1) as delivery_attempt,
    case when q.attempt = 0 then 'pending' else 'retrying' end::varchar(50) as delivery_status,
    a.http_status_code,
    a.failure as error_message,
    a.attempted_at,
    null::timestamptz as delivered_at,
    q.next_attempt_at as next_retry_at,
    a.payload_size_bytes,
    a.duration_us,
    q.shard >= webhooks_private.shard_count() as is_test,
    coalesce(a.resent_count, 0) as resent_count
from webhooks.delivery_queue q
left join webhooks.delivery_attempts a on a.delivery_id = q.id and a.delivery_attempt = q.attempt
union all
select
    a.delivery_id,
    a.subscription_id,
    a.event_log_id,
    a.tenant_id,
    a.delivery_attempt,
    a.delivery_status,
    a.http_status_code,
    a.failure as error_message,
    a.attempted_at,
    a.delivered_at,
    a.next_retry_at,
    a.payload_size_bytes,
    a.duration_us,
    coalesce(a.is_test, false),
    coalesce(a.resent_count, 0)
from webhooks.delivery_attempts a
where a.delivery_status <> 'retrying';
comment on view webhooks.delivery_states is
    'webhook_delivery_logs as a monitor may read it: without responses, without names and addresses in error '
    'messages, and without hashes of payloads.';
comment on column webhooks.delivery_states.id is 'Delivery id.';
comment on column webhooks.delivery_states.subscription_id is 'Subscription that the delivery goes to.';
comment on column webhooks.delivery_states.event_log_id is 'Event that is delivered.';
comment on column webhooks.delivery_states.tenant_id is 'Tenant of the subscription and the event.';
comment on column webhooks.delivery_states.delivery_attempt is
    'Number of the last attempt, from 1; 1 while the delivery is pending.';
comment on column webhooks.delivery_states.delivery_status is
    'pending, retrying, delivered, failed, expired or cancelled.';
comment on column webhooks.delivery_states.http_status_code is
    'HTTP status of the last attempt; null: no response came.';
comment on column webhooks.delivery_states.error_message is
    'Kind of failure of the last attempt, without names and addresses. webhook_delivery_logs has the whole message.';
comment on column webhooks.delivery_states.attempted_at is
    'Time at which the last attempt began; null before the first attempt.';
comment on column webhooks.delivery_states.delivered_at is 'Time of delivery; null: not delivered.';
comment on column webhooks.delivery_states.next_retry_at is
    'Time of the next attempt; null: as soon as possible for a pending or retrying delivery, otherwise never.';
comment on column webhooks.delivery_states.payload_size_bytes is 'Size of the request body, in bytes.';
comment on column webhooks.delivery_states.duration_us is 'Duration of the last attempt, in microseconds.';
comment on column webhooks.delivery_states.is_test is 'True: a delivery of test_subscription().';
comment on column webhooks.delivery_states.resent_count is
    'Number of times that the last request was sent again at once on a new connection, because the receiver had '
    'closed the kept one without an answer.';
grant select on webhooks.delivery_states to webhooks_manager, webhooks_monitor;

-- sql/deliveries/redeliveries.sql

-- Deliveries that were made again by hand. What the log says is never rewritten: a retry is another delivery, and
-- this is the link to the one it repeats. Partitioned on the delivery's UUIDv7 id; the parent has no index (see
-- event_logs).
create table webhooks.redeliveries (
    delivery_id uuid not null,
    repeats uuid,
    event_log_id uuid not null,
    subscription_id uuid not null,
    tenant_id uuid not null
) partition by range (delivery_id);
comment on table webhooks.redeliveries is
    'Deliveries made by retry_delivery(), retry_failed() and replay_events(), append-only.';
comment on column webhooks.redeliveries.delivery_id is 'The new delivery.';
comment on column webhooks.redeliveries.repeats is
    'Delivery that is retried; null: an event is replayed, whether or not it was delivered before.';
comment on column webhooks.redeliveries.event_log_id is 'Event that is delivered again.';
comment on column webhooks.redeliveries.subscription_id is 'Subscription that the delivery goes to.';
comment on column webhooks.redeliveries.tenant_id is 'Tenant of the subscription and the event.';
grant select on webhooks.redeliveries to webhooks_manager, webhooks_monitor;

create table webhooks_private.redeliveries_template (
    like webhooks.redeliveries including comments,
    primary key (delivery_id)
);
create index redeliveries_template_event on webhooks_private.redeliveries_template (event_log_id);
comment on table webhooks_private.redeliveries_template is
    'Always empty: carries the indexes of each partition of redeliveries.';

create table webhooks_private.redeliveries_default (like webhooks_private.redeliveries_template including all);
alter table webhooks.redeliveries attach partition webhooks_private.redeliveries_default default;
comment on table webhooks_private.redeliveries_default is
    'Redeliveries whose id falls in no partition made by create_partitions().';
select pg_catalog.pg_extension_config_dump('webhooks_private.redeliveries_default', '');

-- sql/sidecar/doorbell.sql

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

-- sql/publish/event_logs.sql

-- Every event once, immutable. Range-partitioned on the UUIDv7 id; the parent has no index, the template
-- has them: an extension's partitioned parent with a primary key cannot be dumped and restored. What CHECK constraints
-- would say, match_events() does: PostgreSQL parses those anew for each statement, half the cost of a bare INSERT.
create table webhooks.event_logs (
    id uuid not null default webhooks.uuid_v7(),
    tenant_id uuid not null,
    event_type varchar(100) not null,
    event_category varchar(50) not null,
    event_name varchar(100) not null,
    event_version varchar(20) default '1.0',
    event_data jsonb not null,
    resource_type varchar(50),
    resource_id uuid,
    user_id uuid,
    session_id varchar(255),
    request_id varchar(255),
    source_ip inet,
    created_at timestamptz default now(),
    processed_at timestamptz default now(),
    environment varchar(50),
    idempotency_key text,
    ordering_key text,
    deliver_after timestamptz,
    expires_at timestamptz,
    resource_data jsonb,
    is_test boolean
) partition by range (id);
comment on table webhooks.event_logs is
    'Published events. An INSERT queues a delivery for each matching subscription, in the same transaction.';
comment on column webhooks.event_logs.id is
    'Event id, a UUIDv7 unless it is given. Receivers see it as webhook-id, and recognize a repeated delivery by it.';
comment on column webhooks.event_logs.tenant_id is 'Tenant of the event. Only subscriptions of this tenant match.';
comment on column webhooks.event_logs.event_type is 'Event type: event_types.name.';
comment on column webhooks.event_logs.event_category is
    'Category of the event type, for example document, extraction, job, user or system. An INSERT may give another '
    'lower-case word.';
comment on column webhooks.event_logs.event_name is
    'Name for people; publish_event() takes the event type unless it is given.';
comment on column webhooks.event_logs.event_version is 'Version of the payload.';
comment on column webhooks.event_logs.event_data is
    'Data of the payload, nested at most 512 levels deep; as text at most the setting max_event_data_bytes.';
comment on column webhooks.event_logs.resource_type is 'Kind of the resource that the event is about.';
comment on column webhooks.event_logs.resource_id is 'Id of the resource that the event is about.';
comment on column webhooks.event_logs.user_id is 'User who caused the event; part of the context in the payload.';
comment on column webhooks.event_logs.session_id is 'Session of the application; part of the context in the payload.';
comment on column webhooks.event_logs.request_id is 'Request of the application; part of the context in the payload.';
comment on column webhooks.event_logs.source_ip is 'Address of the client; part of the context in the payload.';
comment on column webhooks.event_logs.created_at is 'Time at which the publishing transaction began.';
comment on column webhooks.event_logs.processed_at is
    'Time at which subscriptions were matched, in the publishing transaction.';
comment on column webhooks.event_logs.environment is
    'dev, staging or production: only subscriptions of this environment match; null: subscriptions of all '
    'environments match.';
comment on column webhooks.event_logs.idempotency_key is
    'Key that was given to publish_event(); at most 255 characters.';
comment on column webhooks.event_logs.ordering_key is
    'Subscriptions with ordering = fifo get events of one key in the order of publication; at most 255 characters.';
comment on column webhooks.event_logs.deliver_after is 'Time before which no delivery is made.';
comment on column webhooks.event_logs.expires_at is 'Time after which outstanding deliveries become expired.';
comment on column webhooks.event_logs.is_test is
    'True: test_subscription() made the event for one subscription, and no other matches. Null: an event.';
comment on column webhooks.event_logs.resource_data is
    'Snapshot of the resource, resource.data in the payload; filled in for types of register_resource(). It is '
    'limited as event_data is.';
-- The id is for INSERT ... RETURNING id, which ORMs write.
grant insert, select (id) on webhooks.event_logs to webhooks_publisher;
grant select on webhooks.event_logs to webhooks_manager;
grant select (
    id, tenant_id, event_type, event_category, event_version, created_at, processed_at, environment, deliver_after,
    expires_at, is_test
) on webhooks.event_logs to webhooks_monitor;

create table webhooks_private.event_logs_template (
    like webhooks.event_logs including defaults including comments,
    primary key (id)
);
create index event_logs_template_tenant_created on webhooks_private.event_logs_template (tenant_id, created_at desc);
create index event_logs_template_type_created on webhooks_private.event_logs_template (event_type, created_at desc);
create index event_logs_template_resource on webhooks_private.event_logs_template (resource_type, resource_id)
    where resource_id is not null;
comment on table webhooks_private.event_logs_template is
    'Always empty: carries the indexes that create_partitions() gives each partition of event_logs.';

create table webhooks_private.event_logs_default (like webhooks_private.event_logs_template including all);
alter table webhooks.event_logs attach partition webhooks_private.event_logs_default default;
comment on table webhooks_private.event_logs_default is
    'Events whose id falls in no partition made by create_partitions().';

select pg_catalog.pg_extension_config_dump('webhooks_private.event_logs_default', '');

create function webhooks_private.raise_busy_log()
returns void
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
begin
    raise exception 'event_logs is in use by a long transaction'
        using errcode = 'lock_not_available',
              hint = 'What is registered or limited first, and what is the last to go, changes the triggers of '
                     'event_logs. See pg_stat_activity for who holds it, and try again when that is done.';
end
$$;
comment on function webhooks_private.raise_busy_log is
    'Raises the error of who would have to wait for a lock on event_logs for long: publishers would wait behind. '
    'Part of the triggers that make and drop triggers of it.';

-- sql/publish/idempotency.sql

create table webhooks_private.idempotency_keys (
    tenant_id uuid not null,
    idempotency_key text not null,
    event_id uuid not null,
    created_at timestamptz not null default now(),
    primary key (tenant_id, idempotency_key)
);
create index idempotency_keys_created on webhooks_private.idempotency_keys (created_at);
comment on table webhooks_private.idempotency_keys is
    'Which event a tenant''s idempotency key published; forgotten by maintain() after idempotency_retention_hours.';
comment on column webhooks_private.idempotency_keys.tenant_id is 'The tenant.';
comment on column webhooks_private.idempotency_keys.idempotency_key is 'Key that was given to publish_event().';
comment on column webhooks_private.idempotency_keys.event_id is 'Event that the first call published.';
comment on column webhooks_private.idempotency_keys.created_at is 'Time of the first call.';
select pg_catalog.pg_extension_config_dump('webhooks_private.idempotency_keys', '');

create function webhooks_private.is_same_event(
    event_id uuid, event_type text, event_name text, event_data jsonb, resource_type text, resource_id uuid,
    event_version text, environment text, ordering_key text
)
returns boolean
language plpgsql stable
set search_path = pg_catalog, pg_temp
-- Planned for this id: other partitions are not opened.
set plan_cache_mode = force_custom_plan
as $$
begin
    -- What the event says. A client that tries again may do so in another request and session, at another time.
    return (
        select e.event_type = is_same_event.event_type
           and e.event_data = is_same_event.event_data
           and e.event_name = coalesce(is_same_event.event_name, is_same_event.event_type)
           -- What was the current version then need not be it now.
           and coalesce(e.event_version = is_same_event.event_version, true)
           and (e.resource_type, e.resource_id, e.environment, e.ordering_key) is not distinct from
               (is_same_event.resource_type, is_same_event.resource_id, is_same_event.environment,
                is_same_event.ordering_key)
        from webhooks.event_logs e
        where e.id = is_same_event.event_id
    );
end
$$;
comment on function webhooks_private.is_same_event is
    'Whether an event is the one that is published again under its idempotency key; null: it is no longer there. '
    'Part of publish_event().';

create function webhooks_private.claim_idempotency_key(
    tenant_id uuid, idempotency_key text, event_id uuid, event_type text, event_name text, event_data jsonb,
    resource_type text, resource_id uuid, event_version text, environment text, ordering_key text
)
returns uuid
language plpgsql volatile
set search_path = pg_catalog, pg_temp
-- Plans are cached per session, perhaps since there was one key: only index look-ups are right.
set enable_seqscan = off
as $$
#variable_conflict use_column
declare
    first_id uuid;
    same boolean;
begin
    loop
        -- Waits for another session that publishes the same key, and publishes after all if that one rolls back.
        insert into webhooks_private.idempotency_keys (tenant_id, idempotency_key, event_id)
        values (claim_idempotency_key.tenant_id, claim_idempotency_key.idempotency_key, claim_idempotency_key.event_id)
        on conflict do nothing;
        if found then
            return null;
        end if;
        select k.event_id into first_id
        from webhooks_private.idempotency_keys k
        where k.tenant_id = claim_idempotency_key.tenant_id
          and k.idempotency_key = claim_idempotency_key.idempotency_key;
        -- Otherwise maintain() has forgotten the key between the two statements.
        if found then
            same := webhooks_private.is_same_event(
                first_id, claim_idempotency_key.event_type, claim_idempotency_key.event_name,
                claim_idempotency_key.event_data, claim_idempotency_key.resource_type,
                claim_idempotency_key.resource_id, claim_idempotency_key.event_version,
                claim_idempotency_key.environment, claim_idempotency_key.ordering_key);
            if same then
                return first_id;
            elsif not same then
                raise exception 'idempotency_key is that of another event, %', first_id
                    using errcode = 'unique_violation', schema = 'webhooks_private', table = 'idempotency_keys',
                    column = 'idempotency_key',
                          hint = 'The same key again must come with the same event: type, name, version, data, '
                                 'resource, environment and ordering_key. Use a new key for another event.';
            end if;
            -- Its event was dropped with its partition, or deleted: the key is free.
            update webhooks_private.idempotency_keys k
            set event_id = claim_idempotency_key.event_id, created_at = now()
            where k.tenant_id = claim_idempotency_key.tenant_id
              and k.idempotency_key = claim_idempotency_key.idempotency_key
              and k.event_id = first_id;
            if found then
                return null;
            end if;
        end if;
    end loop;
end
$$;
comment on function webhooks_private.claim_idempotency_key is
    'Null: the key is this event''s from now on. Otherwise the event that it has published before; an error if that '
    'was another one. Part of publish_event().';

-- sql/publish/event_size.sql

-- How large an event may be. What counts is the text: what is stored may be a ten-thousandth of it, and it is the
-- text that filters, schemas, templates and receivers read.

create function webhooks_private.check_event_size(event_data jsonb, resource_data jsonb)
returns void
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_variable
declare
    most constant bigint := webhooks_private.setting('max_event_data_bytes');
    problem text := webhooks_private.json_problem(event_data, most);
    name text := 'event_data';
    done boolean;
begin
    if problem is null then
        name := 'resource_data';
        problem := webhooks_private.json_problem(resource_data, most);
    end if;
    if problem is null then
        return;
    end if;
    -- This function, match_events(), and the statements that call them, which are long.
    done := webhooks_private.omit_context(4);
    raise exception '% is %', name, problem
        using errcode = 'program_limit_exceeded', schema = 'webhooks', table = 'event_logs', column = name,
              hint = case
                  when starts_with(problem, 'larger')
                      then 'The setting max_event_data_bytes is the limit, up to 67108864. Publish a reference to '
                           'the data instead, or have the DBA raise the setting.'
                  else 'Parsers of receivers take no more. Publish flatter data.'
              end;
end
$$;
comment on function webhooks_private.check_event_size is
    'Raises an error for an event that is larger than max_event_data_bytes or nested too deep. Part of '
    'match_events(), which asks it for events that are not small.';

-- sql/publish/restored_events.sql

-- Events that are copied here from a dump or from another server were published where they come from. Their
-- deliveries are in the dump, too, or are made there. So the triggers of event_logs leave them alone, and
-- match_events() keeps count.

create table webhooks.restored_events (
    tenant_id uuid,
    hour timestamptz,
    reason text,
    inserted_by name,
    inserted_at timestamptz not null default now(),
    events bigint not null,
    first_created_at timestamptz,
    last_created_at timestamptz,
    primary key (tenant_id, hour, reason, inserted_by),
    constraint restored_events_reason_check check (reason in ('restore', 'replica'))
);
comment on table webhooks.restored_events is
    'Numbers of events that were inserted but not published, by tenant, hour and role, because a superuser or the '
    'owner restored a dump or copied events with session_replication_role = replica. replay_events() delivers such '
    'events. Rows that COPY or INSERT write into a partition by its name, as most dumps do, and rows of logical '
    'replication are not counted. Dumps leave this table out.';
comment on column webhooks.restored_events.tenant_id is 'Tenant of the events.';
comment on column webhooks.restored_events.hour is 'Hour in which the events were inserted.';
comment on column webhooks.restored_events.reason is
    'restore: check_function_bodies was off, as in every restore. replica: session_replication_role was replica.';
comment on column webhooks.restored_events.inserted_by is 'Role that inserted the events.';
comment on column webhooks.restored_events.inserted_at is 'Time of the last insertion.';
comment on column webhooks.restored_events.events is 'Number of events.';
comment on column webhooks.restored_events.first_created_at is
    'Earliest created_at of the events, for the parameter since of replay_events().';
comment on column webhooks.restored_events.last_created_at is
    'Latest created_at of the events. The parameter until of replay_events() must be later.';
grant select on webhooks.restored_events to webhooks_manager, webhooks_monitor;

-- sql/publish/invalid_events.sql

create function webhooks_private.raise_unknown_event_type(event_type text)
returns void
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
begin
    -- Not what could be event data, given in the wrong place.
    if event_type ~ '[{}\[\]\n]' or length(event_type) > 100 then
        raise exception 'event_type is no event type'
            using errcode = 'foreign_key_violation', schema = 'webhooks', table = 'event_logs', column = 'event_type',
                  hint = 'Types are lower-case words joined by dots, for example document.uploaded; '
                         'webhooks.event_types lists them. The data is event_data => ....';
    end if;
    raise exception 'unknown event type "%"', event_type
        using errcode = 'foreign_key_violation', schema = 'webhooks', table = 'event_logs', column = 'event_type',
              hint = case when event_type ~ '^[a-z0-9_]+(\.[a-z0-9_]+)+$'
                  then format('webhooks.event_types lists those that are known. Whoever may register types adds it: '
                              'select webhooks.register_event_type(%L);', event_type)
                  else 'Types are lower-case words joined by dots, for example document.uploaded; '
                       'webhooks.event_types lists them.'
              end;
end
$$;
comment on function webhooks_private.raise_unknown_event_type is 'Raises the error for an unknown event type.';

create function webhooks_private.raise_invalid_event(
    event_type text, category text, event_category text, environment text, created_at timestamptz,
    processed_at timestamptz, deliver_after timestamptz, expires_at timestamptz, idempotency_key text,
    ordering_key text
)
returns void
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
    epoch constant timestamptz := '1970-01-01 00:00Z';
    invalid record;
    -- This function and the statement that calls it, which is long.
    done constant boolean := webhooks_private.omit_context(2);
begin
    if category is null then
        perform webhooks_private.raise_unknown_event_type(event_type);
    end if;
    if event_category <> category and event_category !~ '^[a-z0-9_]+$' then
        raise exception 'event_category is no category'
            using errcode = 'check_violation', schema = 'webhooks', table = 'event_logs', column = 'event_category',
                  hint = format('Categories are lower-case words. That of %s is "%s".', event_type, category);
    end if;
    select v.* into invalid
    from (values
        ('environment', coalesce(substring(environment from '^\w{1,50}$'), 'not one of them'),
         environment in ('dev', 'staging', 'production'), 'dev, staging, production, or null for all'),
        ('idempotency_key', length(idempotency_key) || ' characters', length(idempotency_key) <= 255,
         'at most 255 characters'),
        ('ordering_key', length(ordering_key) || ' characters', length(ordering_key) <= 255, 'at most 255 characters'),
        -- Times that a payload can show and a sidecar can count with. Only expires_at may be infinity: never.
        ('created_at', created_at::text, created_at >= epoch and created_at < timestamptz '10000-01-01 00:00Z',
         'a time from 1970 to 9999'),
        ('processed_at', processed_at::text, processed_at >= epoch
         and processed_at < timestamptz '10000-01-01 00:00Z', 'a time from 1970 to 9999'),
        ('deliver_after', deliver_after::text, deliver_after >= epoch
         and deliver_after < timestamptz '10000-01-01 00:00Z', 'a time from 1970 to 9999'),
        ('expires_at', expires_at::text, expires_at >= epoch, 'a time from 1970 on'),
        ('expires_at', expires_at::text, expires_at > deliver_after,
         format('a time after deliver_after, %s', deliver_after))
    ) v (setting, found, valid, takes)
    where not v.valid;
    raise exception 'invalid %: %', invalid.setting, invalid.found
        using errcode = 'check_violation', schema = 'webhooks', table = 'event_logs', column = invalid.setting,
              hint = format('It takes %s.', invalid.takes);
end
$$;
comment on function webhooks_private.raise_invalid_event is
    'Raises the error for an event that match_events() finds invalid. category: that of its type; null: the type is '
    'unknown.';

-- sql/publish/match.sql

create function webhooks_private.jsonpath_matches(event_data jsonb, path jsonpath)
returns boolean
language plpgsql stable
set search_path = pg_catalog, pg_temp
-- What a path makes of dates and times depends on these: the same for every publisher, and for explain_match().
set timezone = 'UTC'
set datestyle = 'ISO, MDY'
set lc_time = 'C'
as $$
begin
    -- Up to the first item that counts, and none of them kept: of a deep value, $.** finds all of it once per level.
    return exists (
        select from (select jsonb_path_query_tz(event_data, path, '{}', true) as item) i
        where case jsonb_typeof(i.item) when 'boolean' then i.item::boolean when 'null' then false else true end);
-- "silent" does not silence all: a regular expression, a datetime template or a date out of range may still fail, and
-- so may what evaluates them, for lack of memory or stack. Whatever a subscriber's path brings about, the publisher
-- goes on.
exception when data_exception or syntax_error_or_access_rule_violation or feature_not_supported
    or program_limit_exceeded or insufficient_resources or internal_error then
    return false;
end
$$;
comment on function webhooks_private.jsonpath_matches is
    'True if a predicate path holds or any other path finds something. Errors in the path count as false: a '
    'subscriber can''t make a publisher fail. Dates and times without a time zone are in UTC, whatever the '
    'session''s settings are. How long it may take is bounded where the path is written: see jsonpath_problem().';
grant execute on function webhooks_private.jsonpath_matches to webhooks_manager;

create function webhooks_private.match_events()
returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp
-- Plans are cached per session, perhaps since before the first subscription: only index look-ups are right.
set enable_seqscan = off
as $$
declare
    matches bigint;
begin
    -- pg_dump --load-via-partition-root restores events through the parent: their deliveries are in the dump, too.
    if webhooks_private.copies_events() then
        insert into webhooks.restored_events as r
            (tenant_id, hour, reason, inserted_by, events, first_created_at, last_created_at)
        select n.tenant_id, date_trunc('hour', now()),
               case when webhooks_private.is_restoring() then 'restore' else 'replica' end,
               webhooks_private.caller(), count(*), min(n.created_at), max(n.created_at)
        from new_events n
        group by n.tenant_id
        -- Sessions that restore side by side lock the rows in the same order.
        order by n.tenant_id
        on conflict on constraint restored_events_pkey do update
        set inserted_at = excluded.inserted_at,
            events = r.events + excluded.events,
            first_created_at = least(r.first_created_at, excluded.first_created_at),
            last_created_at = greatest(r.last_created_at, excluded.last_created_at);
        raise notice 'restored events are not published'
            using hint = 'The role owns the extension, and check_function_bodies is off as in a restore, or '
                         'session_replication_role is replica. To publish, reset these or call publish_event(). '
                         'webhooks.restored_events counts what was not published.';
        return null;
    end if;
    -- An assignment is no query. publish_event() looks whether this was called.
    matches := webhooks_private.count_match();

    -- All in one statement without aggregates or CTEs: starting and ending them costs a publisher more than the
    -- look-ups.
    insert into webhooks.delivery_queue
        (subscription_id, event_log_id, tenant_id, shard, next_attempt_at, expires_at, lane)
    select r.subscription_id, e.id, e.tenant_id,
           webhooks_private.ring_doorbell(webhooks_private.shard_of(r.subscription_id)),
           case when e.deliver_after > now() then e.deliver_after end, e.expires_at,
           case when r.fifo then webhooks_private.lane_of(e.ordering_key) end
    from (
        select n.id, n.tenant_id, n.event_type, n.event_data, n.resource_type, n.resource_id, n.environment,
               n.ordering_key, n.deliver_after, n.expires_at, n.is_test,
               -- Volatile, and so evaluated for each event, also for those that nothing matches.
               case when t.name is null
                      or n.event_category <> t.category and n.event_category !~ '^[a-z0-9_]+$'
                      or n.environment not in ('dev', 'staging', 'production')
                      or length(n.idempotency_key) > 255 or length(n.ordering_key) > 255
                      or least(n.created_at, n.processed_at, n.deliver_after, n.expires_at)
                         < timestamptz '1970-01-01 00:00Z'
                      or greatest(n.created_at, n.processed_at, n.deliver_after) >= timestamptz '10000-01-01 00:00Z'
                      or n.expires_at <= n.deliver_after
                    then webhooks_private.raise_invalid_event(
                        n.event_type, t.category, n.event_category, n.environment, n.created_at, n.processed_at,
                        n.deliver_after, n.expires_at, n.idempotency_key, n.ordering_key)
                    -- Before any of it is made text. What is so small is never refused: it costs no look at the
                    -- setting.
                    when not webhooks_private.json_fits(n.event_data, n.resource_data, 65536)
                    then webhooks_private.check_event_size(n.event_data, n.resource_data) end
        from new_events n
        -- Fenced, both: joined, another plan could change the order of events, or read all routes for each.
        left join lateral (select t.name, t.category from webhooks.event_types t
                           where t.name = n.event_type offset 0) t on true
        offset 0
    ) e
    cross join lateral (
        select r.subscription_id, r.environment, r.fifo, r.filters, r.filter_jsonpath
        from webhooks_private.subscription_routes r
        where r.tenant_id = e.tenant_id
          and r.pattern in (e.event_type, split_part(e.event_type, '.', 1) || '.*', '*')
        offset 0
    ) r
    where (e.environment is null or r.environment = e.environment)
      and e.is_test is not true
      and (r.filters is null or webhooks_private.filter_matches(r.filters, e.event_data::text, e.resource_type,
                                                                e.resource_id))
      and (r.filter_jsonpath is null or webhooks_private.jsonpath_matches(e.event_data, r.filter_jsonpath));
    return null;
end
$$;
comment on function webhooks_private.match_events is
    'Trigger: turns new events into deliveries, set-wise, in the publisher''s transaction.';

-- Triggers of event_logs fire in the order of their names: a refused event must not have been fanned out first.
create trigger a30_match_events
    after insert on webhooks.event_logs
    referencing new table as new_events
    for each statement execute function webhooks_private.match_events();
-- Else no event is published with session_replication_role = replica, which triggers of the application run with on a
-- subscriber of logical replication. Copies are told by copies_events().
alter table webhooks.event_logs enable always trigger a30_match_events;

-- sql/publish/explain_match.sql

create function webhooks.explain_match(
    tenant_id uuid, event_type text, event_data jsonb default '{}', resource_type text default null,
    resource_id uuid default null, environment text default null
)
returns table (subscription_id uuid, subscription_name text, matched boolean, reason text)
language sql stable
set search_path = pg_catalog, pg_temp
begin atomic
    select v.id, v.name, v.reason is null, v.reason
    from (
        select s.id, s.name::text,
            case
                when not exists (select from webhooks.event_types t where t.name = explain_match.event_type)
                    then format('event type %s is not registered in event_types', explain_match.event_type)
                when s.is_active is not true then 'is_active is not true'
                when s.is_enabled is not true then 'is_enabled is not true' || coalesce(': ' || s.disabled_reason, '')
                when not (s.subscribed_events ?| array[explain_match.event_type,
                                                       split_part(explain_match.event_type, '.', 1) || '.*', '*'])
                    then format('subscribed_events %s does not cover %s', s.subscribed_events, explain_match.event_type)
                when explain_match.environment is not null and s.environment <> explain_match.environment
                    then format('environment is %s, the event''s is %s', s.environment, explain_match.environment)
                when webhooks_private.jsonpath_problem((s.event_filters ->> 'jsonpath')::jsonpath::text) is not null
                    then format('event_filters.jsonpath %s is refused: %s', s.event_filters ->> 'jsonpath',
                                webhooks_private.jsonpath_problem((s.event_filters ->> 'jsonpath')::jsonpath::text))
                when s.event_filters ? 'jsonpath'
                    and not webhooks_private.jsonpath_matches(explain_match.event_data,
                                                              (s.event_filters ->> 'jsonpath')::jsonpath)
                    then format('event_filters.jsonpath %s does not hold', s.event_filters ->> 'jsonpath')
                when coalesce(s.event_filters, '{}') - 'jsonpath' <> '{}'
                    then webhooks_private.filter_mismatch((s.event_filters - 'jsonpath')::text,
                                                          coalesce(explain_match.event_data, '{}')::text,
                                                  explain_match.resource_type, explain_match.resource_id)
            end as reason
        from webhooks.webhook_subscriptions s
        where s.tenant_id = explain_match.tenant_id
    ) v;
end;
comment on function webhooks.explain_match is
    'Returns, for each subscription of a tenant, whether it would match an event, and if not, why.';
grant execute on function webhooks.explain_match to webhooks_manager;

-- sql/publish/tenant_limits.sql

-- What a tenant may have at the most. Limits of its own, or else the settings tenant_max_*; 0 is no limit. They
-- protect the others from a tenant that runs wild, and cost who has none nothing: see limit_events.sql.

create table webhooks.tenant_limits (
    tenant_id uuid primary key,
    max_subscriptions bigint,
    max_events_per_minute bigint,
    max_outstanding_deliveries bigint,
    constraint tenant_limits_subscriptions_check check (max_subscriptions between 0 and 1000000),
    constraint tenant_limits_events_check check (max_events_per_minute between 0 and 1000000000),
    constraint tenant_limits_outstanding_check check (max_outstanding_deliveries between 0 and 1000000000)
);
comment on table webhooks.tenant_limits is
    'Limits of single tenants. For other tenants the settings tenant_max_subscriptions, tenant_max_events_per_minute '
    'and tenant_max_outstanding_deliveries apply. Write with set_tenant_limits(); read the usage with tenant_usage().';
comment on column webhooks.tenant_limits.tenant_id is 'The tenant.';
comment on column webhooks.tenant_limits.max_subscriptions is
    'Largest number of subscriptions, disabled ones included; 0: no limit; null: the setting '
    'tenant_max_subscriptions.';
comment on column webhooks.tenant_limits.max_events_per_minute is
    'Largest number of events, at once and per minute over time; 0: no limit; null: the setting '
    'tenant_max_events_per_minute.';
comment on column webhooks.tenant_limits.max_outstanding_deliveries is
    'Number of outstanding deliveries from which on the tenant cannot publish; 0: no limit; null: the setting '
    'tenant_max_outstanding_deliveries.';
select pg_catalog.pg_extension_config_dump('webhooks.tenant_limits', '');
-- What a tenant may use is no secret. The owner sets limits, and roles to which the DBA grants set_tenant_limits().
grant select on webhooks.tenant_limits to webhooks_manager, webhooks_monitor;

create trigger audit_change
    after insert or update or delete on webhooks.tenant_limits
    for each row execute function webhooks_private.audit_change('limits', 'tenant_id');

create function webhooks_private.limits_of(tenant_id uuid)
returns webhooks.tenant_limits
language sql stable
set search_path = pg_catalog, pg_temp
begin atomic
    select limits_of.tenant_id,
           coalesce(l.max_subscriptions, webhooks_private.setting('tenant_max_subscriptions')),
           coalesce(l.max_events_per_minute, webhooks_private.setting('tenant_max_events_per_minute')),
           coalesce(l.max_outstanding_deliveries, webhooks_private.setting('tenant_max_outstanding_deliveries'))
    from (values (true)) v
    left join webhooks.tenant_limits l on l.tenant_id = limits_of.tenant_id;
end;
comment on function webhooks_private.limits_of is 'The limits in force of a tenant; 0: none.';

create function webhooks_private.sync_limit_trigger()
returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp
-- Publishers wait behind who waits for this lock.
set lock_timeout = '900ms'
as $$
declare
    default_events constant bigint := coalesce(
        (select o.value from webhooks_private.setting_overrides o where o.name = 'tenant_max_events_per_minute'), 0);
    default_outstanding constant bigint := coalesce(
        (select o.value from webhooks_private.setting_overrides o
         where o.name = 'tenant_max_outstanding_deliveries'), 0);
    wanted constant boolean := default_events > 0 or default_outstanding > 0 or exists (
        select from webhooks.tenant_limits l where l.max_events_per_minute > 0 or l.max_outstanding_deliveries > 0);
    arguments constant text := format('%L, %L', default_events, default_outstanding);
    found_one constant text := (
        select pg_get_triggerdef(t.oid) from pg_trigger t
        where t.tgrelid = 'webhooks.event_logs'::regclass and t.tgname = 'a10_limit_events');
begin
    if wanted and (found_one like '%limit_events(' || arguments || ')') is not true then
        execute format('create or replace trigger a10_limit_events
                        after insert on webhooks.event_logs
                        referencing new table as new_events
                        for each statement execute function webhooks_private.limit_events(%s)', arguments);
        alter table webhooks.event_logs enable always trigger a10_limit_events;
    -- That a tenant is deleted (forget_tenants()) is no time to lock out the publishers.
    elsif found_one is not null and not wanted and pg_trigger_depth() = 1 then
        drop trigger a10_limit_events on webhooks.event_logs;
    end if;
    return null;
exception when lock_not_available then
    perform webhooks_private.raise_busy_log();
    return null;
end
$$;
comment on function webhooks_private.sync_limit_trigger is
    'Trigger: event_logs has the trigger a10_limit_events while a limit on events or outstanding deliveries is set '
    'for anybody, also after a restore.';

create trigger sync_limit_trigger
    after insert or update or delete or truncate on webhooks.tenant_limits
    for each statement execute function webhooks_private.sync_limit_trigger();
create trigger sync_limit_trigger
    after insert or update or delete or truncate on webhooks_private.setting_overrides
    for each statement execute function webhooks_private.sync_limit_trigger();
-- As match_events() is: else what is set with session_replication_role = replica would hold for nobody.
alter table webhooks.tenant_limits enable always trigger sync_limit_trigger;
alter table webhooks_private.setting_overrides enable always trigger sync_limit_trigger;

create function webhooks.set_tenant_limits(
    tenant_id uuid,
    max_subscriptions bigint default null,
    max_events_per_minute bigint default null,
    max_outstanding_deliveries bigint default null
)
returns void
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_variable
declare
    invalid record;
begin
    -- First of all, as create_partitions() does: both go on to lock event_logs and audit_log.
    perform webhooks_private.lock_xact(webhooks_private.change_lock(), 0);
    perform webhooks_private.check_tenant(tenant_id);
    select v.* into invalid
    from (values
        ('max_subscriptions', max_subscriptions, 1000000),
        ('max_events_per_minute', max_events_per_minute, 1000000000),
        ('max_outstanding_deliveries', max_outstanding_deliveries, 1000000000)
    ) v (name, found, highest)
    where v.found not between 0 and v.highest;
    if found then
        raise exception 'invalid %: %', invalid.name, invalid.found
            using errcode = 'invalid_parameter_value',
                  hint = format('It takes 1 to %s, 0 for no limit, or null for the setting tenant_%s.',
                                invalid.highest, invalid.name);
    end if;
    if num_nonnulls(max_subscriptions, max_events_per_minute, max_outstanding_deliveries) = 0 then
        delete from webhooks.tenant_limits l where l.tenant_id = set_tenant_limits.tenant_id;
        return;
    end if;
    insert into webhooks.tenant_limits as l
    values (tenant_id, max_subscriptions, max_events_per_minute, max_outstanding_deliveries)
    on conflict on constraint tenant_limits_pkey do update
    set max_subscriptions = excluded.max_subscriptions,
        max_events_per_minute = excluded.max_events_per_minute,
        max_outstanding_deliveries = excluded.max_outstanding_deliveries;
end
$$;
comment on function webhooks.set_tenant_limits is
    'Sets all limits of a tenant. Null: the setting of that name with the prefix tenant_ applies; 0: no limit. The '
    'function is for the owner, and for roles to which the DBA grants it; these set limits of tenants that they may '
    'access.';

create function webhooks_private.limit_subscriptions()
returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    tenant record;
    subscriptions bigint;
begin
    -- Restored ones were within their limit.
    if webhooks_private.is_restoring() then
        return null;
    end if;
    for tenant in
        select n.tenant_id as id, (webhooks_private.limits_of(n.tenant_id)).max_subscriptions as maximum
        from (select distinct n.tenant_id from new_subscriptions n) n
        order by n.tenant_id
    loop
        continue when tenant.maximum = 0;
        -- One transaction at a time, as in lock_tenant(): the other's subscriptions would not be seen before it
        -- commits.
        perform webhooks_private.lock_xact(webhooks_private.tenant_lock(), hashtext(tenant.id::text));
        select count(*) into subscriptions from webhooks.webhook_subscriptions s where s.tenant_id = tenant.id;
        if subscriptions > tenant.maximum then
            raise exception 'tenant % has reached its limit of % subscriptions', tenant.id, tenant.maximum
                using errcode = 'configuration_limit_exceeded',
                      hint = format('Delete some that are no longer needed, or have an operator raise the limit: '
                                    'select webhooks.set_tenant_limits(%L, max_subscriptions => ...);', tenant.id);
        end if;
    end loop;
    return null;
end
$$;
comment on function webhooks_private.limit_subscriptions is
    'Trigger: refuses subscriptions beyond the limit of their tenant.';

create trigger limit_subscriptions
    after insert on webhooks.webhook_subscriptions
    referencing new table as new_subscriptions
    for each statement execute function webhooks_private.limit_subscriptions();

-- sql/publish/meters.sql

-- Where the shared memory is that limit_events() counts in. Unlogged, as that memory is. Not transactional, and
-- visible to all at once.
create unlogged sequence webhooks_private.meters_handle minvalue 0 start 0;
comment on sequence webhooks_private.meters_handle is
    'Where sessions find the shared memory with the meters of tenants that have limits; 0: it is not there yet.';

create function webhooks_private.open_meters()
returns boolean
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
    handle bigint;
begin
    if webhooks_private.attach_meters((select s.last_value from webhooks_private.meters_handle s)) then
        return true;
    end if;
    -- Where the handle can't be written down no memory is made, which nobody else would find.
    if current_setting('transaction_read_only')::boolean then
        return false;
    end if;
    -- It is not there, or from before a restart: one session makes it. The others don't wait for that.
    if not webhooks_private.try_lock_xact(webhooks_private.meters_lock(), 0, false) then
        return false;
    end if;
    if webhooks_private.attach_meters((select s.last_value from webhooks_private.meters_handle s)) then
        return true;
    end if;
    begin
        handle := webhooks_private.create_meters();
        if handle is not null then
            perform setval('webhooks_private.meters_handle', handle);
            return true;
        end if;
        raise warning 'limits of tenants are not enforced: there is no shared memory for them'
            using hint = 'The server has no more segments of dynamic shared memory; a higher max_connections gives '
                         'it more.';
    -- No memory, no segment, no file for it or no right to make one (which counts as insufficient_privilege), or the
    -- sequence is locked.
    exception when insufficient_resources or program_limit_exceeded or system_error or internal_error
                   or insufficient_privilege or object_not_in_prerequisite_state then
        raise warning 'limits of tenants are not enforced: %', sqlerrm;
    end;
    return false;
end
$$;
comment on function webhooks_private.open_meters is
    'Finds the shared memory with the meters, or makes it; false if it can''t be had: then events are not limited. '
    'Part of limit_events().';

-- sql/publish/limit_events.sql

-- Limits on what is published. Counting in a table would make the publishers of a tenant wait for each other until
-- they commit, or leave a dead row for each event; counting event_logs costs as much as the limit is high. So events
-- are counted in shared memory, by native functions (core/src/meter.rs): nobody waits, no row is written, and it
-- holds for all sessions at once, with or without a sidecar. Two things follow. What is rolled back has counted. And
-- a restart of the server gives everybody a full minute's events.
--
-- Outstanding deliveries are counted in delivery_queue itself, by one publisher for all, and the count is used until
-- the limit could be near or, near it, for 50 times as long as it took: what is queued meanwhile can exceed the
-- limit.
--
-- While no limit is set for anybody there is no trigger (sync_limit_trigger()).

create function webhooks_private.count_outstanding(tenant_id uuid, up_to bigint default null)
returns bigint
language plpgsql stable
set search_path = pg_catalog, pg_temp
-- Planned once: look-ups for each subscription, whatever the statistics say of the queue.
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
set enable_bitmapscan = off
set enable_hashjoin = off
set enable_mergejoin = off
set jit = off
as $$
begin
    return (
        select count(*)
        from (
            select
            from webhooks.webhook_subscriptions s
            cross join lateral (
                -- One query for each index, as in outstanding_deliveries().
                select from webhooks.delivery_queue q
                where q.shard = webhooks_private.shard_of(s.id) and q.subscription_id = s.id and q.lane is null
                  and q.next_attempt_at is null
                union all
                select from webhooks.delivery_queue q
                where q.shard = webhooks_private.shard_of(s.id) and q.subscription_id = s.id and q.lane is null
                  and q.next_attempt_at is not null
                union all
                select from webhooks.delivery_queue q
                where q.shard = webhooks_private.shard_of(s.id) and q.subscription_id = s.id and q.lane is not null
            ) q
            where s.tenant_id = count_outstanding.tenant_id
            limit count_outstanding.up_to
        ) q
    );
end
$$;
comment on function webhooks_private.count_outstanding is
    'How many deliveries of a tenant are outstanding; beyond up_to it does not go on counting.';

create function webhooks_private.raise_too_many_outstanding(tenant_id uuid, maximum bigint)
returns void
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
begin
    raise exception 'tenant % has reached its limit of % outstanding deliveries', tenant_id, maximum
        using errcode = 'configuration_limit_exceeded',
              hint = format('Try again when some have been made, or cancel what is of no use '
                            '(webhooks.subscription_health says which receivers don''t work); '
                            'or have an operator raise the limit: select webhooks.set_tenant_limits(%L, '
                            'max_outstanding_deliveries => ...);', tenant_id);
end
$$;
comment on function webhooks_private.raise_too_many_outstanding is
    'Raises the error for a tenant with too many outstanding deliveries.';

create function webhooks_private.check_outstanding(tenant_id uuid)
returns void
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
    maximum constant bigint := (webhooks_private.limits_of(tenant_id)).max_outstanding_deliveries;
begin
    if maximum > 0 and webhooks_private.count_outstanding(tenant_id, maximum) >= maximum then
        perform webhooks_private.raise_too_many_outstanding(tenant_id, maximum);
    end if;
end
$$;
comment on function webhooks_private.check_outstanding is
    'An error if a tenant has too many outstanding deliveries for more to be made again. Part of replay_events() and '
    'retry_failed().';

create function webhooks_private.apply_limits(
    tenant_id uuid, events bigint, per_minute bigint, max_outstanding bigint, verdict text
)
returns void
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
    answer text := verdict;
    begun timestamptz;
    outstanding bigint;
    -- This function, limit_events(), and the statements that call them, which are long.
    done constant boolean := webhooks_private.omit_context(4);
begin
    -- Rare: events that may be published don't get here, but for the first ones of a session and who counts for the
    -- others.
    for attempt in 1 .. 10 loop
        if answer = 'closed' then
            if not webhooks_private.open_meters() then
                return;
            end if;
        elsif answer = 'unknown' then
            begun := clock_timestamp();
            outstanding := webhooks_private.count_outstanding(tenant_id, max_outstanding);
            perform webhooks_private.meter_outstanding(
                tenant_id, outstanding, max_outstanding,
                (extract(epoch from clock_timestamp() - begun) * 1000000)::bigint);
            if outstanding >= max_outstanding then
                perform webhooks_private.undo_metering();
                perform webhooks_private.raise_too_many_outstanding(tenant_id, max_outstanding);
            end if;
        elsif answer = 'outstanding' then
            perform webhooks_private.undo_metering();
            perform webhooks_private.raise_too_many_outstanding(tenant_id, max_outstanding);
        elsif events > per_minute then
            perform webhooks_private.undo_metering();
            raise exception '% events at once are more than the limit of tenant %, % per minute', events, tenant_id,
                per_minute
                using errcode = 'configuration_limit_exceeded',
                      hint = format('Publish fewer in a statement, or have an operator raise the limit: select '
                                    'webhooks.set_tenant_limits(%L, max_events_per_minute => ...);', tenant_id);
        else
            perform webhooks_private.undo_metering();
            raise exception 'tenant % has reached its limit of % events per minute', tenant_id, per_minute
                using errcode = 'configuration_limit_exceeded',
                      hint = format('%s more can be published in about %s s. Or have an operator raise the limit: '
                                    'select webhooks.set_tenant_limits(%L, max_events_per_minute => ...);',
                                    events,
                                    greatest(ceil((webhooks_private.metered_events(tenant_id, per_minute)
                                                   + events - per_minute) * 60.0 / per_minute), 1),
                                    tenant_id);
        end if;
        answer := webhooks_private.meter_events(tenant_id, events, per_minute, max_outstanding);
        exit when answer is null;
    end loop;
end
$$;
comment on function webhooks_private.apply_limits is
    'Does what meter_events() asks for before it can say whether events may be published, or raises the error that '
    'they may not. Part of limit_events().';

create function webhooks_private.limit_events()
returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp
-- As in match_events(): plans are cached per session, and only index look-ups are right.
set enable_seqscan = off
as $$
declare
    -- Settings, of who has no limits of its own: looking them up would cost more than all of this.
    default_events constant bigint := tg_argv[0];
    default_outstanding constant bigint := tg_argv[1];
    done boolean;
begin
    -- One by one, since starting an aggregate costs a publisher more than this does. An assignment is no query.
    done := webhooks_private.begin_metering();
    perform
    from new_events n
    left join lateral (
        select l.max_events_per_minute, l.max_outstanding_deliveries
        from webhooks.tenant_limits l where l.tenant_id = n.tenant_id offset 0
    ) l on true
    where webhooks_private.meter_events(n.tenant_id, 1, coalesce(l.max_events_per_minute, default_events),
                                coalesce(l.max_outstanding_deliveries, default_outstanding)) is not null;
    if not found then
        return null;
    end if;
    -- Not so simple: all or none of each tenant's. But restored events were within their limits.
    done := webhooks_private.undo_metering();
    if webhooks_private.copies_events() then
        return null;
    end if;
    perform webhooks_private.apply_limits(e.tenant_id, e.events, e.per_minute, e.max_outstanding, e.verdict)
    from (
        select e.*, webhooks_private.meter_events(e.tenant_id, e.events, e.per_minute, e.max_outstanding) as verdict
        from (
            select n.tenant_id, n.events, coalesce(l.max_events_per_minute, default_events) as per_minute,
                   coalesce(l.max_outstanding_deliveries, default_outstanding) as max_outstanding
            from (select n.tenant_id, count(*) as events from new_events n group by n.tenant_id) n
            left join webhooks.tenant_limits l on l.tenant_id = n.tenant_id
            offset 0
        ) e
        offset 0
    ) e
    where e.verdict is not null;
    return null;
end
$$;
comment on function webhooks_private.limit_events is
    'Trigger, while limits are set: refuses events beyond the limits of their tenant. Its arguments: the limits of '
    'who has none of its own.';

-- sql/publish/tenant_usage.sql

create function webhooks.tenant_usage(tenant_id uuid)
returns table (name text, used bigint, maximum bigint, is_own boolean)
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_variable
declare
    limits webhooks.tenant_limits;
    own webhooks.tenant_limits;
begin
    perform webhooks_private.check_tenant(tenant_id);
    limits := webhooks_private.limits_of(tenant_id);
    select l.* into own from webhooks.tenant_limits l where l.tenant_id = tenant_usage.tenant_id;
    return query values
        ('subscriptions', (select count(*) from webhooks.webhook_subscriptions s
                           where s.tenant_id = tenant_usage.tenant_id),
         nullif(limits.max_subscriptions, 0), own.max_subscriptions is not null),
        ('events_per_minute', case when limits.max_events_per_minute > 0 and webhooks_private.open_meters()
                                   then webhooks_private.metered_events(tenant_id, limits.max_events_per_minute) end,
         nullif(limits.max_events_per_minute, 0), own.max_events_per_minute is not null),
        ('outstanding_deliveries', webhooks_private.count_outstanding(tenant_id),
         nullif(limits.max_outstanding_deliveries, 0), own.max_outstanding_deliveries is not null);
end
$$;
comment on function webhooks.tenant_usage is
    'Returns the usage and the maximum of each limit of a tenant. maximum is null without a limit; is_own is false '
    'if the maximum is that of the setting. Usage of events_per_minute is the part of the maximum that cannot be '
    'published at once now, rolled-back events included; null without a limit.';
grant execute on function webhooks.tenant_usage to webhooks_manager, webhooks_monitor;

-- sql/publish/arguments.sql

-- What publish_event() refuses, before and after its INSERT. No error shows event data, also where it was given in the
-- wrong place. publish_event() calls these by assignment, which leaves the text of its statements out of CONTEXT.

create function webhooks_private.is_json(value text)
returns boolean
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
begin
    return coalesce(jsonb_typeof(value::jsonb) in ('object', 'array'), false);
exception when data_exception or program_limit_exceeded then
    return false;
end
$$;
comment on function webhooks_private.is_json is
    'Whether a text is a JSON object or array, and so probably event_data that was given in the wrong place.';

create function webhooks_private.check_arguments(
    tenant_id uuid, event_type text, event_name text, event_data jsonb, resource_type text, session_id text,
    request_id text, event_version text, environment text, idempotency_key text, ordering_key text,
    deliver_after timestamptz, expires_at timestamptz
)
returns boolean
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
    wrong record;
begin
    select v.* into wrong
    from (values
        (tenant_id is null, 'tenant_id', 'is null', 'not_null_violation', 'Every event is a tenant''s: give its id.'),
        (event_type is null, 'event_type', 'is null', 'not_null_violation', 'Give a name that webhooks.event_types '
                                                                            'has.'),
        (event_data is null, 'event_data', 'is null', 'not_null_violation',
         'Leave it out where there is no data, or give ''{}'' or the JSON value null.'),
        (webhooks_private.is_json(event_name), 'event_name', 'is JSON', 'invalid_parameter_value',
         'Write event_data => ... for the data: by position it comes after event_category and event_name.'),
        (webhooks_private.is_json(resource_type), 'resource_type', 'is JSON', 'invalid_parameter_value',
         'Write event_data => ... for the data: by position it comes before resource_type.'),
        (resource_type ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$', 'resource_type', 'is a UUID',
         'invalid_parameter_value',
         'Write resource_id => ... for the id, and resource_type => ... for what it is the id of.'),
        -- Also of white space that no locale has as such, and of marks that don't show.
        (idempotency_key ~ '^[\s\u0085\u00a0\u1680\u180e\u2000-\u200f\u2028-\u202f\u205f-\u2064\u3000\ufeff]*$',
         'idempotency_key', 'is blank', 'invalid_parameter_value',
         'Give a key that is this event''s alone, or null for none.')
    ) v (found, parameter, problem, code, hint)
    where v.found
    limit 1;
    if not found then
        select t.parameter, format('is too long: %s characters', length(t.value)) as problem,
               'string_data_right_truncation' as code,
               format('It takes at most %s characters%s.', t.longest,
                      case when t.parameter like '%\_key' then '; give a hash of a longer key' end) as hint
        into wrong
        from (values
            ('event_name', event_name, 100), ('event_version', event_version, 20), ('resource_type', resource_type, 50),
            ('session_id', session_id, 255), ('request_id', request_id, 255),
            ('idempotency_key', idempotency_key, 255), ('ordering_key', ordering_key, 255)
        ) t (parameter, value, longest)
        where length(t.value) > t.longest
        limit 1;
    end if;
    if found then
        raise exception '% %', wrong.parameter, wrong.problem
            using errcode = wrong.code, schema = 'webhooks', table = 'event_logs', column = wrong.parameter,
            hint = wrong.hint;
    end if;
    if environment not in ('dev', 'staging', 'production')
        or least(deliver_after, expires_at) < timestamptz '1970-01-01 00:00Z'
        or deliver_after >= timestamptz '10000-01-01 00:00Z' or expires_at <= deliver_after
    then
        perform webhooks_private.raise_invalid_event(event_type, '', null, environment, null, null, deliver_after,
                                                     expires_at, null, null);
    end if;
    return true;
end
$$;
comment on function webhooks_private.check_arguments is
    'True, or an error that names the first argument of publish_event() that no event can have. Part of '
    'publish_event(), which calls it only if something looks wrong.';

create function webhooks_private.raise_not_published(event_type text, event_category text)
returns boolean
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
    known record;
begin
    select t.name, t.category into known from webhooks.event_types t where t.name = raise_not_published.event_type;
    if not found then
        perform webhooks_private.raise_unknown_event_type(event_type);
    elsif event_category <> known.category then
        raise exception 'event_category is %', case when event_category ~ '^[a-z0-9_]{1,50}$'
                then format('"%s", not that of %s', event_category, known.name) else 'no category' end
            using errcode = 'invalid_parameter_value', schema = 'webhooks', table = 'event_logs',
            column = 'event_category',
                  hint = format('The category of %s is "%s". Leave event_category out, and write event_data => ... '
                                'for the data: by position it is the fifth argument.',
                                known.name, known.category);
    end if;
    raise exception 'the event was not queued'
        using errcode = 'object_not_in_prerequisite_state',
              hint = 'Triggers of webhooks.event_logs are disabled, or a trigger or rule of your own takes its rows '
                     'away. Enable ours: alter table webhooks.event_logs enable always trigger a30_match_events;';
end
$$;
comment on function webhooks_private.raise_not_published is
    'Raises the error for an event that was not inserted or not matched. Part of publish_event().';

-- sql/publish/publish_event.sql

create function webhooks.publish_event(
    tenant_id uuid,
    event_type text,
    event_category text default null,
    event_name text default null,
    event_data jsonb default '{}',
    resource_type text default null,
    resource_id uuid default null,
    user_id uuid default null,
    session_id text default null,
    request_id text default null,
    source_ip inet default null,
    event_version text default null,
    environment text default null,
    idempotency_key text default null,
    ordering_key text default null,
    deliver_after timestamptz default null,
    expires_at timestamptz default null
)
returns uuid
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
    new_id uuid := webhooks.uuid_v7();
    first_id uuid;
    matches constant bigint := webhooks_private.counted_matches();
    done boolean;
begin
    if not webhooks_private.look_usual(
        publish_event.tenant_id, publish_event.event_type, publish_event.event_name, publish_event.event_data,
        publish_event.resource_type, publish_event.session_id, publish_event.request_id, publish_event.event_version,
        publish_event.environment, publish_event.idempotency_key, publish_event.ordering_key,
        publish_event.deliver_after,
        publish_event.expires_at)
    then
        done := webhooks_private.check_arguments(
            publish_event.tenant_id, publish_event.event_type, publish_event.event_name, publish_event.event_data,
            publish_event.resource_type, publish_event.session_id, publish_event.request_id,
            publish_event.event_version, publish_event.environment, publish_event.idempotency_key,
            publish_event.ordering_key, publish_event.deliver_after,
            publish_event.expires_at);
    end if;
    if not webhooks_private.may_access_tenant(publish_event.tenant_id) then
        done := webhooks_private.raise_tenant_denied(publish_event.tenant_id);
    end if;
    if publish_event.idempotency_key is not null then
        first_id := webhooks_private.claim_idempotency_key(
            publish_event.tenant_id, publish_event.idempotency_key, new_id, publish_event.event_type,
            publish_event.event_name, publish_event.event_data, publish_event.resource_type,
            publish_event.resource_id, publish_event.event_version,
            publish_event.environment, publish_event.ordering_key);
        if first_id is not null then
            return first_id;
        end if;
    end if;
    insert into webhooks.event_logs (
        id, tenant_id, event_type, event_category, event_name, event_version, event_data, resource_type, resource_id,
        user_id, session_id, request_id, source_ip, environment, idempotency_key, ordering_key, deliver_after,
        expires_at
    )
    select
        new_id, publish_event.tenant_id, t.name, t.category,
        coalesce(publish_event.event_name, publish_event.event_type), coalesce(publish_event.event_version, t.version),
        publish_event.event_data, publish_event.resource_type, publish_event.resource_id, publish_event.user_id,
        publish_event.session_id, publish_event.request_id, publish_event.source_ip, publish_event.environment,
        publish_event.idempotency_key, publish_event.ordering_key, publish_event.deliver_after, publish_event.expires_at
    from webhooks.event_types t
    where t.name = publish_event.event_type and coalesce(publish_event.event_category, t.category) = t.category;
    if not found or webhooks_private.counted_matches() = matches then
        done := webhooks_private.raise_not_published(publish_event.event_type, publish_event.event_category);
    end if;
    return new_id;
end
$$;
comment on function webhooks.publish_event is
    'Publishes an event in this transaction and returns its id, or raises an error. The columns of event_logs '
    'describe the parameters. event_category, if it is given, must be that of the event type. A call with the same '
    'tenant, idempotency_key and event returns the id of the first event and publishes nothing; with the same key '
    'and another event it raises an error.';
grant execute on function webhooks.publish_event to webhooks_publisher;

-- sql/publish/resources.sql

-- What resource.data in a payload shows: a snapshot of the resource, taken when its event is inserted. Only types
-- that are registered here have one, and while none is there is no trigger on event_logs at all.

create table webhooks.resources (
    resource_type varchar(50) primary key,
    resolver text not null,
    is_generated boolean not null default false,
    created_at timestamptz not null default now()
);
comment on table webhooks.resources is
    'Resource types whose events carry a snapshot of the resource. Write with register_resource() and '
    'unregister_resource().';
comment on column webhooks.resources.resource_type is 'Resource type: event_logs.resource_type.';
comment on column webhooks.resources.resolver is
    'Function that takes tenant_id and resource_id and returns the snapshot. It runs with the rights of its owner.';
comment on column webhooks.resources.is_generated is
    'True: register_resource() made the resolver, in the schema of the table.';
comment on column webhooks.resources.created_at is 'Time of registration.';
select pg_catalog.pg_extension_config_dump('webhooks.resources', '');

create function webhooks_private.snapshot_resource()
returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp
-- Plans are cached per session, perhaps since there was one type: only index look-ups are right.
set enable_seqscan = off
-- What the same resource looks like must not depend on who publishes.
set timezone = 'UTC'
set datestyle = 'ISO'
set intervalstyle = 'iso_8601'
set bytea_output = 'hex'
set extra_float_digits = 1
set lc_monetary = 'C'
set lc_numeric = 'C'
set lc_time = 'C'
as $$
declare
    resolver text;
    function oid;
begin
    -- Restored events have theirs.
    if webhooks_private.copies_events() then
        return new;
    end if;
    select r.resolver into resolver from webhooks.resources r where r.resource_type = new.resource_type;
    if found then
        function := to_regprocedure(resolver);
        if function is null then
            raise exception 'resource type "%" has no resolver any more: there is no function %', new.resource_type,
                resolver
                using errcode = 'undefined_function',
                      hint = format('Register the type again with webhooks.register_resource(%L, ...), or end it: '
                                    'select webhooks.unregister_resource(%1$L);', new.resource_type);
        end if;
        new.resource_data := webhooks_private.call_resolver(function, new.tenant_id, new.resource_id);
    end if;
    return new;
end
$$;
comment on function webhooks_private.snapshot_resource is
    'Trigger, while there are registered resource types: fills in event_logs.resource_data unless it is given.';

create function webhooks_private.sync_resource_trigger()
returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp
-- Publishers wait behind who waits for this lock.
set lock_timeout = '900ms'
as $$
declare
    wanted constant boolean := exists (select from webhooks.resources);
    found_one constant boolean := exists (
        select from pg_trigger t where t.tgrelid = 'webhooks.event_logs'::regclass
            and t.tgname = 'z20_snapshot_resource');
begin
    if wanted and not found_one then
        create trigger z20_snapshot_resource
            before insert on webhooks.event_logs
            for each row
            -- Row-level security asks only later: what it will refuse must not be looked up for who may not see it.
            when (new.resource_id is not null and new.resource_type is not null and new.resource_data is null
                  -- There is no such resource.
                  and new.is_test is not true
                  and (new.tenant_id = nullif(current_setting('webhooks.tenant_id', true), '')::uuid
                       or pg_has_role(current_user, 'webhooks_all_tenants', 'usage')
                       or not row_security_active('webhooks.event_logs'::regclass)))
            execute function webhooks_private.snapshot_resource();
        alter table webhooks.event_logs enable always trigger z20_snapshot_resource;
    elsif found_one and not wanted then
        drop trigger z20_snapshot_resource on webhooks.event_logs;
    end if;
    return null;
exception when lock_not_available then
    perform webhooks_private.raise_busy_log();
    return null;
end
$$;
comment on function webhooks_private.sync_resource_trigger is
    'Trigger: event_logs has the trigger z20_snapshot_resource if and only if a resource type is registered, also '
    'after a restore.';

create trigger sync_resource_trigger
    after insert or update or delete or truncate on webhooks.resources
    for each statement execute function webhooks_private.sync_resource_trigger();
alter table webhooks.resources enable always trigger sync_resource_trigger;

create trigger audit_change
    after insert or update or delete on webhooks.resources
    for each row execute function webhooks_private.audit_change('resource', 'resource_type');

create function webhooks_private.make_resolver(
    resource_type text, target regclass, id_column name, tenant_column name, columns name[], except_columns name[]
)
returns text
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_variable
declare
    all_columns constant text[] := array(
        select a.attname::text from pg_attribute a where a.attrelid = target and a.attnum > 0 and not a.attisdropped
            order by a.attnum);
    owner regrole;
    name text;
    unknown record;
begin
    select c.relowner, format('%s.%I', c.relnamespace::regnamespace,
                              -- A name has at most 63 bytes.
                              'webhook_resource_' || case when octet_length(resource_type) <= 46 then resource_type
                                  else md5(resource_type) end)
    into owner, name
    from pg_class c
    where c.oid = target and c.relkind in ('r', 'p', 'v', 'm') and c.relpersistence <> 't';
    if not found then
        raise exception '% can''t be a resource', coalesce(target::text, 'null')
            using errcode = 'wrong_object_type', hint = 'Name a table or a view, or give a resolver of your own.';
    end if;
    if columns is not null and except_columns is not null then
        raise exception 'both columns and except_columns given for %', target
            using errcode = 'invalid_parameter_value',
                  hint = 'Give the columns to show, or those not to show; or neither, to show all.';
    end if;
    select c.parameter, coalesce(c.name, 'null') as name
    into unknown
    from (
        select 'id_column' as parameter, id_column::text as name
        union all select 'tenant_column', tenant_column::text where tenant_column is not null
        union all select 'columns', unnest(columns::text[])
        union all select 'except_columns', unnest(except_columns::text[])
    ) c
    where (c.name = any (all_columns)) is not true;
    if found then
        raise exception '%: % has no column "%"', unknown.parameter, target, unknown.name
            using errcode = 'undefined_column',
                  hint = concat('Its columns are ', array_to_string(all_columns, ', '), '.',
                                case unknown.parameter when 'tenant_column' then ' If its rows are for all tenants, '
                                                                                 'give tenant_column => null.' end);
    end if;
    select a.attname as name into unknown
    from pg_attribute a join pg_type t on t.oid = a.atttypid
    where a.attrelid = target and a.attname in (id_column, tenant_column)
      and 'uuid'::regtype not in (t.oid, t.typbasetype);
    if found then
        raise exception 'column "%" of % is not of type uuid', unknown.name, target
            using errcode = 'datatype_mismatch',
                  hint = 'Events name resources and tenants by UUIDs. Give a resolver of your own if they are '
                         'something else.';
    end if;
    execute format(
        'create function %s(tenant_id uuid, resource_id uuid) returns jsonb language sql stable begin atomic select '
        '%s from %s r where r.%I = $2%s; end',
        name,
        webhooks_private.watch_object('r', coalesce(columns::text[], array(
            select c.name from unnest(all_columns) with ordinality c (name, n)
            where c.name <> all (coalesce(except_columns::text[], '{}')) order by c.n))),
        target, id_column, case when tenant_column is null then '' else format(' and r.%I = $1', tenant_column) end);
    execute format('revoke all on function %s(uuid, uuid) from public', name);
    execute format('alter function %s(uuid, uuid) owner to %s', name, owner);
    execute format('alter function %s(uuid, uuid) depends on extension webhooks', name);
    execute format('comment on function %s(uuid, uuid) is %L', name, format('Made by webhooks.register_resource() '
                                                                            'for %s.', target));
    return name || '(uuid,uuid)';
end
$$;
comment on function webhooks_private.make_resolver is
    'Makes the resolver of a table, next to it and its owner''s. Part of register_resource().';

create function webhooks.register_resource(
    resource_type text,
    target regclass default null,
    id_column name default 'id',
    columns name[] default null,
    except_columns name[] default null,
    tenant_column name default 'tenant_id',
    resolver regprocedure default null
)
returns void
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_variable
declare
    name text;
    former text;
begin
    -- First of all, as create_partitions() does: both go on to lock event_logs and audit_log.
    perform webhooks_private.lock_xact(webhooks_private.change_lock(), 0);
    if coalesce(resource_type, '') = '' or num_nonnulls(target, resolver) <> 1 then
        raise exception 'a resource type needs a name, and either a table or a resolver'
            using errcode = 'invalid_parameter_value',
                  hint = 'Write for example webhooks.register_resource(''document'', ''public.documents''), or '
                         'webhooks.register_resource(''document'', resolver => ''app.document(uuid, uuid)'').';
    end if;
    if resolver is not null and not exists (
        select from pg_proc p
        where p.oid = resolver and p.prokind = 'f' and not p.proretset and p.prorettype = 'jsonb'::regtype
          and p.proargtypes[0] = 'uuid'::regtype and p.proargtypes[1] = 'uuid'::regtype and p.pronargs = 2
    ) then
        raise exception 'function % can''t resolve resources', resolver
            using errcode = 'datatype_mismatch',
                  hint = 'A resolver takes a tenant''s id and a resource''s, both uuid, and returns jsonb.';
    end if;
    if exists (select from pg_proc p where p.oid = resolver and p.prosqlbody is null
               and not coalesce(p.proconfig::text ~ 'search_path', false)) then
        raise notice 'function % will run with search_path = pg_catalog, pg_temp', resolver
            using hint = format('Qualify every name in it, or give it a setting of its own: alter function %s set '
                                'search_path = ...;', resolver);
    end if;
    select r.resolver into former from webhooks.resources r where r.resource_type = register_resource.resource_type
        and r.is_generated;
    if found then
        execute format('drop function if exists %s', former);
    end if;
    -- Quoted and qualified, since search_path is what it is here.
    name := coalesce(resolver::text, webhooks_private.make_resolver(
        resource_type, target, id_column, tenant_column, columns, except_columns));
    -- Not deleted and inserted: without a type the trigger would go, and come back.
    insert into webhooks.resources as r (resource_type, resolver, is_generated)
        values (resource_type, name, resolver is null)
    on conflict on constraint resources_pkey do update
    set resolver = excluded.resolver, is_generated = excluded.is_generated;
end
$$;
comment on function webhooks.register_resource is
    'Adds a snapshot of the resource (resource.data in the payload) to new events of a resource type: columns of a '
    'row, or the result of a function resolver(tenant_id, resource_id). The snapshot is taken with the rights of the '
    'owner of the table or the function.';

create function webhooks.unregister_resource(resource_type text)
returns boolean
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_variable
declare
    ended webhooks.resources;
begin
    -- First of all, as create_partitions() does: both go on to lock event_logs and audit_log.
    perform webhooks_private.lock_xact(webhooks_private.change_lock(), 0);
    delete from webhooks.resources r where r.resource_type = unregister_resource.resource_type returning * into ended;
    if not found then
        return false;
    end if;
    if ended.is_generated then
        execute format('drop function if exists %s', ended.resolver);
    end if;
    return true;
end
$$;
comment on function webhooks.unregister_resource is
    'Reverses register_resource(); false if the type was not registered. Published events keep their snapshots.';

-- sql/deliveries/previews.sql

-- What a subscription's requests look like, without sending any.

create function webhooks_private.sample_request(
    event_type text, shown_tenant uuid, payload_format text, payload_template text, payload_content_type text,
    max_payload_size_kb integer
)
returns table (headers jsonb, body text)
language sql stable
set search_path = pg_catalog, pg_temp
begin atomic
    select r.headers, r.body
    from webhooks.event_type_catalogue t
    cross join lateral webhooks_private.render_request(
        sample_request.payload_format, sample_request.payload_template, sample_request.payload_content_type,
        sample_request.max_payload_size_kb,
        '00000000-0000-7000-8000-000000000001', sample_request.shown_tenant, t.name, t.category,
        coalesce(t.description, t.name), t.version,
        (extract(epoch from now()) * 1000000)::bigint, t.example::text, t.category,
        '00000000-0000-7000-8000-000000000002', null,
        '00000000-0000-7000-8000-000000000003', 'sample-session', 'sample-request', '192.0.2.1') r
    where t.is_current and t.name = sample_request.event_type;
end;
comment on function webhooks_private.sample_request is
    'The request for a made-up event of a type, with the example of its current version as data; no row if there is '
    'no such type.';
grant execute on function webhooks_private.sample_request to webhooks_manager;

create function webhooks_private.sample_event_type(subscribed_events jsonb, event_type text default null)
returns text
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
    sample_type text;
begin
    select t.name into sample_type
    from webhooks.event_type_catalogue t
    where t.is_current
      and (t.name = sample_event_type.event_type or sample_event_type.event_type is null
          and (sample_event_type.subscribed_events ? '*' or sample_event_type.subscribed_events ? t.name
               or sample_event_type.subscribed_events ? (split_part(t.name, '.', 1) || '.*')))
    order by t.example = '{}', t.name limit 1;
    if not found then
        raise exception 'there is no event type % to make an event of',
            coalesce('"' || sample_event_type.event_type || '"', 'among subscribed_events')
            using errcode = 'undefined_object',
                  hint = 'Event types are listed by: select name from webhooks.event_types;';
    end if;
    return sample_type;
end
$$;
comment on function webhooks_private.sample_event_type is
    'Of which type an event is made up: the one that is given, or else the first subscribed one, preferably with an '
    'example. An error if there is none.';
grant execute on function webhooks_private.sample_event_type to webhooks_manager;

create function webhooks_private.preview_request(event_id uuid, subscription_id uuid default null)
returns table (headers jsonb, body text)
language plpgsql stable
set search_path = pg_catalog, pg_temp
-- The id decides which partition is opened.
set plan_cache_mode = force_custom_plan
as $$
declare
    event record;
    subscription record;
begin
    select e.* into event from webhooks.event_logs e where e.id = preview_request.event_id;
    select s.tenant_id, s.payload_format, s.payload_template, s.payload_content_type, s.max_payload_size_kb
        into subscription
    from webhooks.webhook_subscriptions s where s.id = preview_request.subscription_id;
    if subscription_id is not null then
        if not found then
            perform webhooks_private.raise_unknown_subscription(subscription_id);
        end if;
        if subscription.tenant_id <> event.tenant_id then
            raise exception 'subscription % is another tenant''s than event %', subscription_id, event_id
                using errcode = 'invalid_parameter_value',
                      hint = format('The event is of tenant %s; only that tenant''s subscriptions get it.',
                                    event.tenant_id);
        end if;
    end if;
    return query
    select r.headers, r.body from webhooks_private.render_request(
        coalesce(subscription.payload_format, 'envelope'), subscription.payload_template,
        subscription.payload_content_type, subscription.max_payload_size_kb, event.id, event.tenant_id,
        event.event_type, event.event_category, event.event_name, event.event_version,
        -- As claim_deliveries() has it.
        (extract(epoch from least(greatest(coalesce(event.created_at, event.processed_at, 'epoch'), 'epoch'),
                                  '9999-12-31')) * 1000000)::bigint,
        event.event_data::text, event.resource_type, event.resource_id, event.resource_data::text, event.user_id,
        event.session_id, event.request_id,
        abbrev(event.source_ip), event.is_test) r;
end
$$;
comment on function webhooks_private.preview_request is
    'The body that is sent for an event, with *** for what template_secrets has, and the headers that belong to it, '
    'as a subscription has them or as the envelope; no row if there is no such event. Part of build_payload() and '
    'preview_payload().';
grant execute on function webhooks_private.preview_request to webhooks_manager;

create function webhooks.build_payload(event_id uuid, subscription_id uuid default null)
returns text
language sql stable
set search_path = pg_catalog, pg_temp
begin atomic
    select r.body from webhooks_private.preview_request(build_payload.event_id, build_payload.subscription_id) r;
end;
comment on function webhooks.build_payload is
    'Returns the request body for an event, byte for byte, as a subscription of the same tenant gets it, or in the '
    'format envelope. Values of template_secrets are shown as ***. Null: there is no such event.';
grant execute on function webhooks.build_payload to webhooks_manager;

create function webhooks.preview_payload(subscription_id uuid, event_id uuid default null, event_type text default null)
returns table (method text, url text, headers jsonb, body text)
language plpgsql stable
set search_path = pg_catalog, pg_temp
-- The id decides which partition is opened.
set plan_cache_mode = force_custom_plan
as $$
#variable_conflict use_column
declare
    subscription record;
    request record;
    sample_type text;
    identity jsonb;
begin
    select s.tenant_id, s.webhook_method, s.webhook_url, s.auth_type, s.subscribed_events, s.payload_format,
           s.payload_template,
           s.payload_content_type, s.max_payload_size_kb, webhooks_private.redacted_headers(s.id) as own_headers,
           webhooks_private.redacted_auth_config(s.id) as auth_config
    into subscription
    from webhooks.webhook_subscriptions s where s.id = preview_payload.subscription_id;
    if not found then
        perform webhooks_private.raise_unknown_subscription(subscription_id);
    end if;
    if preview_payload.event_id is not null then
        select e.event_type::text, e.is_test, r.headers, r.body into request
        from webhooks.event_logs e
        cross join lateral webhooks_private.preview_request(e.id, preview_payload.subscription_id) r
        where e.id = preview_payload.event_id;
        if not found then
            raise exception 'there is no event %', preview_payload.event_id
                using errcode = 'undefined_object',
                      hint = 'Without an event the preview is of a made-up one: preview_payload(subscription_id).';
        end if;
    else
        sample_type := webhooks_private.sample_event_type(subscription.subscribed_events, preview_payload.event_type);
        select sample_type as event_type, false as is_test, r.headers, r.body into request
        from webhooks_private.sample_request(
            sample_type, subscription.tenant_id, subscription.payload_format, subscription.payload_template,
            subscription.payload_content_type, subscription.max_payload_size_kb) r;
    end if;
    -- What differs from attempt to attempt is named, and so is what is secret.
    identity := jsonb_build_object(
        'webhook-id', coalesce(preview_payload.event_id, '00000000-0000-7000-8000-000000000001'),
        'webhook-timestamp', '...',
        'x-webhook-delivery-id', '...', 'x-webhook-attempt', '1', 'x-webhook-event-type', request.event_type);
    return query select
        coalesce(subscription.webhook_method, 'POST')::text, subscription.webhook_url,
        request.headers || coalesce((select jsonb_object_agg(k, '***')
                                     from jsonb_object_keys(subscription.own_headers) k), '{}') || identity
            || case when request.is_test then '{"x-webhook-test": "true"}'::jsonb else '{}' end
            || case subscription.auth_type
                when 'signature' then '{"webhook-signature": "***", "x-webhook-signature": "***"}'
                when 'api_key' then jsonb_build_object(lower(coalesce(subscription.auth_config ->> 'header',
                                                                      'authorization')), '***')
                else '{}' end,
        request.body;
end
$$;
comment on function webhooks.preview_payload is
    'Returns the request that a subscription gets for an event or, without an event, for an example of an event type '
    '(by default a subscribed one). The body is exact. In the headers *** stands for a secret, and ... for a value '
    'that differs from attempt to attempt.';
grant execute on function webhooks.preview_payload to webhooks_manager;

-- sql/deliveries/history.sql

-- What became of events. The log has no index on events, which would cost every delivery; but ids tell when a
-- delivery was made, and that is right after its event was published, or by hand, which redeliveries has. When that
-- was, the event's id says, and created_at; an application may have made up either, so both are tried.

create function webhooks_private.published_at(id uuid, created_at timestamptz)
returns timestamptz
language sql stable parallel safe
return case
    when substr(id::text, 15, 1) = '7' and webhooks.uuid_v7_time(id) > created_at - interval '1 ms' is not false
        then webhooks.uuid_v7_time(id)
    else created_at
end;
comment on function webhooks_private.published_at is
    'When an event was published: what its UUIDv7 says, to the millisecond. If it has none, or one that was made '
    'before, when its transaction began.';
grant execute on function webhooks_private.published_at to webhooks_manager;

create function webhooks_private.event_id_range(tenant_id uuid, since timestamptz, until timestamptz,
                                                out first_id uuid, out last_id uuid)
language plpgsql stable
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_custom_plan
set enable_seqscan = off
as $$
declare
    earliest constant uuid := '00000000-0000-0000-0000-000000000000';
    latest constant uuid := 'ffffffff-ffff-ffff-ffff-ffffffffffff';
    first_day uuid;
    end_of_days uuid;
begin
    select webhooks.uuid_v7_floor(min(right(c.relname, 8))::timestamp at time zone 'UTC'),
           webhooks.uuid_v7_floor((max(right(c.relname, 8))::timestamp + interval '1 day') at time zone 'UTC')
    into first_day, end_of_days
    from pg_class c
    where c.relnamespace = 'webhooks_private'::regnamespace and c.relname ~ '^event_logs_[0-9]{8}$'
      and c.relispartition;
    -- An application that makes random ids has nearly all of them outside the days that have partitions. Then an id
    -- tells nothing.
    if coalesce(exists (
        select from webhooks.event_logs e
        where e.tenant_id = event_id_range.tenant_id and e.created_at >= event_id_range.since
          and e.created_at < event_id_range.until
          and (e.id < first_day or e.id >= end_of_days)
    ), true) then
        first_id := earliest;
        last_id := latest;
    else
        -- An id may be made a while before the event is published, and by another clock.
        first_id := case when since > '1970-01-02 00:00Z'
            then webhooks.uuid_v7_floor(least(since, now()) - interval '1 day') else earliest end;
        -- Not until: an import may give its events a created_at of long ago, and ids of now.
        last_id := webhooks.uuid_v7_floor(now() + interval '1 day');
    end if;
end
$$;
comment on function webhooks_private.event_id_range is
    'Between which ids the events of a tenant are that were published from since on and before until: all, if some '
    'of them have ids that are of no day. So that a look-up opens only the partitions in question; it still has to '
    'look at created_at.';
grant execute on function webhooks_private.event_id_range to webhooks_manager;

create function webhooks_private.delivery_spans(tenant_id uuid, event_ids uuid[], times timestamptz[])
returns tstzmultirange
-- Planned and run with the settings of event_deliveries(), which calls it.
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
    first_id uuid;
    last_id uuid;
    day record;
    found_spans tstzmultirange;
    spans tstzmultirange;
begin
    select coalesce(range_agg(v.span), '{}') into spans
    from (select e.created_at, case when substr(e.id::text, 15, 1) = '7' then webhooks.uuid_v7_time(e.id) end as id_at
          from unnest(event_ids, times) e (id, created_at)) e
    cross join lateral (
        values (tstzrange(e.id_at - interval '1 s', e.id_at + interval '1 min')),
               (tstzrange(e.created_at - interval '1 s',
                          -- Of a transaction it is known when it began, but not when it published.
                          e.created_at + case when e.id_at >= e.created_at - interval '1 s' then interval '1 min'
                              else interval '1 h' end))
    ) v (span)
    where lower(v.span) is not null;
    -- A day at a time: two events a year apart must not open the partitions between them.
    for day in
        select array_agg(t.created_at) as created, array_agg(t.first_at) as first_times, min(t.first_at) as begins,
               max(t.first_at) as ends
        from (
            select e.created_at, min(webhooks.uuid_v7_time(e.id)) as first_at
            from unnest(event_ids, times) e (id, created_at)
            where substr(e.id::text, 15, 1) = '7'
            group by e.created_at
        ) t
        group by date_trunc('day', t.first_at, 'UTC')
    loop
        first_id := webhooks.uuid_v7_floor(day.begins);
        last_id := webhooks.uuid_v7_floor(day.ends + interval '1 h');
        -- Up to the last event of the same transaction: a statement matches its events when all are there.
        select range_agg(tstzrange(t.first_at - interval '1 s',
                                   greatest(t.first_at, l.last_at + 10 * (l.last_at - t.first_at)) + interval '1 min'))
        into found_spans
        from unnest(day.created, day.first_times) t (created_at, first_at)
        cross join lateral (
            select coalesce(max(webhooks.uuid_v7_time(e.id)), t.first_at) as last_at
            from (
                select e.id from webhooks.event_logs e
                where e.tenant_id = delivery_spans.tenant_id and e.created_at = t.created_at and e.id >= first_id
                  and e.id < last_id
                offset 0
            ) e
            where e.id >= webhooks.uuid_v7_floor(t.first_at)
              and e.id < webhooks.uuid_v7_floor(t.first_at + interval '1 h')
        ) l;
        spans := spans + found_spans;
    end loop;
    return spans;
end
$$;
comment on function webhooks_private.delivery_spans is
    'When the deliveries of some events of a tenant were made, but for those made by hand; times are those at which '
    'the events were created. Part of event_deliveries().';
grant execute on function webhooks_private.delivery_spans to webhooks_manager;

create function webhooks_private.event_deliveries(tenant_id uuid, event_ids uuid[])
returns table (event_log_id uuid, delivery_id uuid, subscription_id uuid, is_redelivery boolean, repeats uuid)
language plpgsql stable
set search_path = pg_catalog, pg_temp
-- Arrays and bounds are constants of the plan: hashed, and only the partitions in question are opened.
set plan_cache_mode = force_custom_plan
as $$
#variable_conflict use_column
declare
    ids uuid[];
    times timestamptz[];
    redelivered uuid[];
    first_id uuid;
    last_id uuid;
    span tstzrange;
begin
    select array_agg(e.id), array_agg(coalesce(e.created_at, e.processed_at)) into ids, times
    from webhooks.event_logs e
    where e.id = any (event_deliveries.event_ids) and e.tenant_id = event_deliveries.tenant_id;
    -- Of an empty array as bound every partition would be opened.
    if ids is null then
        return;
    end if;

    select webhooks.uuid_v7_floor(greatest(min(least(case when substr(e.id::text, 15, 1) = '7'
                                                     then webhooks.uuid_v7_time(e.id) end, e.created_at))
                                           - interval '1 day', '1970-01-01 00:00Z'))
    into first_id
    from unnest(ids, times) e (id, created_at);
    redelivered := array(
        select r.delivery_id from webhooks.redeliveries r
        where r.event_log_id = any (event_deliveries.event_ids) and r.tenant_id = event_deliveries.tenant_id
          and r.delivery_id >= first_id);
    if redelivered <> '{}' then
        return query
        select r.event_log_id, r.delivery_id, r.subscription_id, true, r.repeats
        from webhooks.redeliveries r
        where r.delivery_id = any (redelivered);
    end if;

    for span in select unnest(webhooks_private.delivery_spans(tenant_id, ids, times)) loop
        first_id := webhooks.uuid_v7_floor(lower(span));
        last_id := webhooks.uuid_v7_floor(upper(span));
        return query
        select f.event_log_id, f.delivery_id, f.subscription_id, false, null::uuid
        from (
            select q.event_log_id, q.id as delivery_id, q.subscription_id
            from webhooks.delivery_queue q
            where q.id >= first_id and q.id < last_id
              and q.tenant_id = event_deliveries.tenant_id and q.event_log_id = any (event_deliveries.event_ids)
            union
            select a.event_log_id, a.delivery_id, a.subscription_id
            from webhooks.delivery_attempts a
            where a.delivery_id >= first_id and a.delivery_id < last_id
              and a.tenant_id = event_deliveries.tenant_id and a.event_log_id = any (event_deliveries.event_ids)
        ) f
        where f.delivery_id <> all (redelivered);
    end loop;
end
$$;
comment on function webhooks_private.event_deliveries is
    'All deliveries of some events of a tenant, outstanding and finished, those made by hand among them.';
grant execute on function webhooks_private.event_deliveries to webhooks_manager;

create function webhooks.unmatched_events(
    tenant_id uuid, since timestamptz, until timestamptz default 'infinity', max_events integer default 100
)
returns table (event_log_id uuid, event_type text, created_at timestamptz, environment text, resource_type text,
               resource_id uuid)
language plpgsql stable
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_custom_plan
as $$
#variable_conflict use_column
declare
    ids record;
    first_id uuid;
    last_id uuid;
begin
    ids := webhooks_private.event_id_range(tenant_id, since, until);
    select webhooks.uuid_v7_floor(min(least(v.id_at, e.created_at)) - interval '1 s'),
           webhooks.uuid_v7_floor(max(greatest(v.id_at, e.created_at)) + interval '1 h')
    into first_id, last_id
    from webhooks.event_logs e
    cross join lateral (
        select case when substr(e.id::text, 15, 1) = '7' then webhooks.uuid_v7_time(e.id) end as id_at
    ) v
    where e.tenant_id = unmatched_events.tenant_id and e.created_at >= unmatched_events.since
      and e.created_at < unmatched_events.until
      and e.id between ids.first_id and ids.last_id;
    -- Except: sorted or hashed, whatever is known of the queue and the log.
    return query
    select e.id, e.event_type::text, e.created_at, e.environment::text, e.resource_type::text, e.resource_id
    from (
        select p.id
        from (
            select e.id
            from webhooks.event_logs e
            where e.tenant_id = unmatched_events.tenant_id and e.created_at >= unmatched_events.since
              and e.created_at < unmatched_events.until
              and e.id between ids.first_id and ids.last_id and e.is_test is not true
            except
            (select q.event_log_id from webhooks.delivery_queue q
             where q.tenant_id = unmatched_events.tenant_id and q.id >= first_id
             union all
             select a.event_log_id from webhooks.delivery_attempts a
             where a.tenant_id = unmatched_events.tenant_id and a.delivery_id >= first_id and a.delivery_id < last_id
             union all
             select r.event_log_id from webhooks.redeliveries r
             where r.tenant_id = unmatched_events.tenant_id and r.delivery_id >= first_id)
        ) p
    ) u
    cross join lateral (
        select * from webhooks.event_logs e where e.id = u.id and e.id between ids.first_id and ids.last_id limit 1
    ) e
    order by e.created_at desc, e.id desc
    limit unmatched_events.max_events;
end
$$;
comment on function webhooks.unmatched_events is
    'Returns events that no subscription matched, or whose subscription was deleted before an attempt, newest first. '
    'explain_match() says why. The function reads the whole log of the given time.';
grant execute on function webhooks.unmatched_events to webhooks_manager;

create function webhooks_private.history_events(
    tenant_id uuid, event_id uuid, since timestamptz, until timestamptz, event_types text[], resource_type text,
    resource_id uuid, max_events integer
)
returns uuid[]
-- Planned and run with the settings of event_history(), which calls it.
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
    first_time constant timestamptz := coalesce(since, case when event_id is null then now() - interval '7 days' end);
    ids record;
begin
    if event_id is null then
        ids := webhooks_private.event_id_range(tenant_id, first_time, coalesce(until, 'infinity'));
    else
        select event_id as first_id, event_id as last_id into ids;
    end if;
    return array(
        select e.id
        from webhooks.event_logs e
        where e.tenant_id = history_events.tenant_id
          and e.id between ids.first_id and ids.last_id
          and (first_time is null or e.created_at >= first_time)
          and (history_events.until is null or e.created_at < history_events.until)
          and (history_events.event_types is null
               or array[e.event_type::text, split_part(e.event_type, '.', 1) || '.*', '*']
                   && history_events.event_types)
          and (history_events.resource_type is null or e.resource_type = history_events.resource_type)
          and (history_events.resource_id is null or e.resource_id = history_events.resource_id)
        order by e.created_at desc, e.id desc
        limit history_events.max_events
    );
end
$$;
comment on function webhooks_private.history_events is
    'The newest events that event_history() is to tell of. The parameters are those of event_history().';
grant execute on function webhooks_private.history_events to webhooks_manager;

create function webhooks.event_history(
    tenant_id uuid, event_id uuid default null, since timestamptz default null, until timestamptz default null,
    event_types text[] default null, resource_type text default null, resource_id uuid default null,
    max_events integer default 20
)
returns table (
    event_log_id uuid, event_type text, at timestamptz, what text, subscription_id uuid, subscription_name text,
    delivery_id uuid, repeats uuid, attempt integer, status text, http_status_code integer, duration_us bigint,
    next_attempt_at timestamptz, error_message text
)
language plpgsql stable
set search_path = pg_catalog, pg_temp
-- Conditions that are not given vanish, and those that are find their index.
set plan_cache_mode = force_custom_plan
as $$
#variable_conflict use_column
declare
    found_ids uuid[];
    delivery_ids uuid[];
    delivered_events uuid[];
    subscription_ids uuid[];
    redeliveries boolean[];
    repeated uuid[];
begin
    perform webhooks_private.check_count('event_types', cardinality(event_types), 1000);
    found_ids := webhooks_private.history_events(tenant_id, event_id, since, until, event_types, resource_type,
                                                 resource_id, max_events);
    if found_ids = '{}' then
        return;
    end if;
    -- Arrays: constants of the plan, which is of the partitions in question alone.
    select array_agg(d.delivery_id), array_agg(d.event_log_id), array_agg(d.subscription_id),
           array_agg(d.is_redelivery), array_agg(d.repeats)
    into delivery_ids, delivered_events, subscription_ids, redeliveries, repeated
    from webhooks_private.event_deliveries(tenant_id, found_ids) d;
    return query
    with events as materialized (
        select i.n, e.*
        from unnest(found_ids) with ordinality i (id, n)
        cross join lateral (
            select e.id, e.event_type::text as event_type, e.is_test,
                   webhooks_private.published_at(e.id, coalesce(e.created_at, e.processed_at)) as published_at
            from webhooks.event_logs e
            where e.id = i.id and e.id = any (found_ids)
            limit 1
        ) e
    ),
    deliveries as materialized (
        select e.n, e.event_type, e.is_test, d.*
        from unnest(delivery_ids, delivered_events, subscription_ids, redeliveries, repeated)
            d (delivery_id, event_log_id, subscription_id, is_redelivery, repeats)
        join events e on e.id = d.event_log_id
    ),
    timeline as (
        select e.n, 1 as step, e.id, e.event_type, e.published_at as at, 'published' as what,
               null::uuid as subscription_id,
               null::uuid as delivery_id, null::uuid as repeats, null::integer as attempt, null::text as status,
               null::integer as http_status_code, null::bigint as duration_us, null::timestamptz as next_attempt_at,
               null::text as error_message
        from events e
        union all
        select e.n, 2, e.id, e.event_type, e.published_at, 'matched nothing', null, null, null, null, null, null,
               null, null, null
        from events e
        where not exists (select from deliveries d where d.event_log_id = e.id) and e.is_test is not true
        union all
        select d.n, 3, d.event_log_id, d.event_type, webhooks.uuid_v7_time(d.delivery_id),
               case when d.repeats is not null then 'retried' when d.is_redelivery then 'replayed'
                   when d.is_test then 'tested' else 'queued' end,
               d.subscription_id, d.delivery_id, d.repeats, null, null, null, null, null, null
        from deliveries d
        union all
        select d.n, 4, d.event_log_id, d.event_type, a.attempted_at,
               case when a.delivery_status in ('expired', 'cancelled') then a.delivery_status::text
                   else 'attempted' end,
               d.subscription_id, d.delivery_id, d.repeats, a.delivery_attempt, a.delivery_status::text,
               a.http_status_code, a.duration_us, a.next_retry_at, a.error_message
        from deliveries d
        cross join lateral (
            select * from webhooks.delivery_attempts a
            where a.delivery_id = d.delivery_id and a.delivery_id = any (delivery_ids) offset 0
        ) a
        union all
        -- What is still to come has no time yet.
        select d.n, 5, d.event_log_id, d.event_type, null, 'outstanding', d.subscription_id, d.delivery_id,
               d.repeats, q.attempt + 1,
               case when q.attempt = 0 then 'pending' else 'retrying' end, null, null, q.next_attempt_at, null
        from deliveries d
        cross join lateral (
            select * from webhooks.delivery_queue q where q.id = d.delivery_id offset 0
        ) q
    )
    select t.id, t.event_type, t.at, t.what, t.subscription_id, s.name::text, t.delivery_id, t.repeats, t.attempt,
           t.status, t.http_status_code, t.duration_us, t.next_attempt_at, t.error_message
    from timeline t
    left join webhooks.webhook_subscriptions s on s.id = t.subscription_id
    order by t.n, t.at nulls last, t.step, t.delivery_id, t.attempt;
end
$$;
comment on function webhooks.event_history is
    'Returns the timeline of the newest events of a tenant, of one event, of a period or of a resource: published, '
    'matched nothing, queued, tested (an event of test_subscription()), attempted, retried, replayed, expired, '
    'cancelled, outstanding. Without since and event_id, the period is the last 7 days.';
grant execute on function webhooks.event_history to webhooks_manager;

-- sql/deliveries/retry.sql

create function webhooks_private.redeliver(subscription_ids uuid[], event_log_ids uuid[], repeats uuid[])
returns setof uuid
language plpgsql volatile
set search_path = pg_catalog, pg_temp
-- Bounds are constants of the plan: partitions without events that are wanted stay closed.
set plan_cache_mode = force_custom_plan
as $$
declare
    first_event uuid;
    last_event uuid;
begin
    select (array_agg(e.id order by e.id))[1], (array_agg(e.id order by e.id desc))[1] into first_event, last_event
    from unnest(redeliver.event_log_ids) e (id);
    return query
    with wanted as (
        select w.n, w.repeats, w.subscription_id, s.ordering, e.*
        from unnest(redeliver.subscription_ids, redeliver.event_log_ids, redeliver.repeats)
            with ordinality w (subscription_id, event_log_id, repeats, n)
        join webhooks.webhook_subscriptions s on s.id = w.subscription_id
        cross join lateral (
            select e.id as event_log_id, e.tenant_id, e.deliver_after, e.expires_at, e.ordering_key
            from webhooks.event_logs e
            where e.id = w.event_log_id and e.tenant_id = s.tenant_id and e.id between first_event and last_event
            limit 1
        ) e
        -- Its publisher said that nobody wants it any more.
        where e.expires_at > clock_timestamp() is not false
    ),
    -- Ids in the order that is given, which is that of publication: the order of delivery where that matters.
    numbered as materialized (
        select webhooks.uuid_v7() as id, w.* from wanted w order by w.n
    ),
    -- As match_events() does.
    queued as (
        insert into webhooks.delivery_queue
            (id, subscription_id, event_log_id, tenant_id, shard, next_attempt_at, expires_at, lane)
        select d.id, d.subscription_id, d.event_log_id, d.tenant_id,
               webhooks_private.ring_doorbell(webhooks_private.shard_of(d.subscription_id)),
               case when d.deliver_after > now() then d.deliver_after end, d.expires_at,
               case when d.ordering = 'fifo' then webhooks_private.lane_of(d.ordering_key) end
        from numbered d
    ),
    linked as (
        insert into webhooks.redeliveries (delivery_id, repeats, event_log_id, subscription_id, tenant_id)
        select d.id, d.repeats, d.event_log_id, d.subscription_id, d.tenant_id from numbered d
    )
    select d.id from numbered d order by d.n;
end
$$;
comment on function webhooks_private.redeliver is
    'Queues events once more, in the order given, and links each new delivery to the one that it repeats, if any. '
    'Left out are events that are gone, have expired or are another tenant''s. Returns the new deliveries. For '
    'functions that have checked the tenant.';

create function webhooks_private.raise_unknown_delivery(id uuid)
returns void
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
begin
    raise exception 'there is no delivery %', coalesce(id::text, 'null')
        using errcode = 'undefined_object',
              hint = 'Deliveries are listed by: select id, delivery_status, attempted_at from '
                     'webhooks.webhook_delivery_logs where subscription_id = ...;';
end
$$;
comment on function webhooks_private.raise_unknown_delivery is
    'Raises the error for a delivery that there is not, or not for the caller.';
grant execute on function webhooks_private.raise_unknown_delivery to webhooks_manager;

create function webhooks.retry_delivery(delivery_id uuid)
returns uuid
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
-- The id decides which partition is opened.
set plan_cache_mode = force_custom_plan
as $$
declare
    old record;
    new_id uuid;
    other uuid;
begin
    select q.id, q.subscription_id, q.event_log_id, q.tenant_id, q.shard, q.attempt, q.next_attempt_at,
           true as is_outstanding into old
    from webhooks.delivery_queue q
    where q.id = retry_delivery.delivery_id;
    if not found then
        select a.delivery_id as id, a.subscription_id, a.event_log_id, a.tenant_id, a.is_test,
               false as is_outstanding into old
        from webhooks.delivery_attempts a
        where a.delivery_id = retry_delivery.delivery_id
        order by a.delivery_attempt desc limit 1;
    end if;
    if not found or not webhooks_private.may_access_tenant(old.tenant_id) then
        perform webhooks_private.raise_unknown_delivery(delivery_id);
    end if;

    if old.is_outstanding then
        -- It waits for its next attempt: no longer. Its number tells a sidecar's result from before.
        update webhooks.delivery_queue q
        set next_attempt_at = null
        where q.id = old.id and q.attempt = old.attempt and q.attempt > 0 and q.next_attempt_at > clock_timestamp();
        if not found then
            raise exception 'delivery % is outstanding', delivery_id
                using errcode = 'object_not_in_prerequisite_state',
                      hint = 'It is made as soon as its turn comes; webhooks.subscription_health says if something '
                             'holds it back.';
        end if;
        perform webhooks_private.ring_doorbell(old.shard);
        perform webhooks_private.audit('retried', 'delivery', old.id::text, old.tenant_id,
                                       after => jsonb_build_object('delivery_id', old.id));
        return old.id;
    end if;

    perform webhooks_private.own_subscription(old.subscription_id);
    if old.is_test then
        raise exception 'delivery % was a test', delivery_id
            using errcode = 'object_not_in_prerequisite_state',
                  hint = format('Make another one: select webhooks.test_subscription(%L);', old.subscription_id);
    end if;
    perform webhooks_private.lock_tenant(old.tenant_id);
    select q.id into other from webhooks_private.outstanding_deliveries(old.subscription_id) q
        where q.event_log_id = old.event_log_id limit 1;
    if found then
        raise exception 'the event of delivery % is outstanding to its subscription already, as delivery %',
            delivery_id, other
            using errcode = 'object_not_in_prerequisite_state',
                  hint = 'Wait for what becomes of that one, or retry that one.';
    end if;
    select r.id into new_id
    from webhooks_private.redeliver(array[old.subscription_id], array[old.event_log_id],
                                    array[retry_delivery.delivery_id]) r (id);
    if not found then
        raise exception 'event % of delivery % has expired or is no longer kept', old.event_log_id, delivery_id
            using errcode = 'object_not_in_prerequisite_state', hint = 'Publish it anew if it still matters.';
    end if;
    perform webhooks_private.audit('retried', 'delivery', old.id::text, old.tenant_id,
                                   after => jsonb_build_object('delivery_id', new_id));
    return new_id;
end
$$;
comment on function webhooks.retry_delivery is
    'Makes a finished delivery again, whatever its status, as a new delivery (see redeliveries), and returns the new '
    'id. A delivery that waits for its next attempt is attempted at once, and its own id is returned.';
grant execute on function webhooks.retry_delivery to webhooks_manager;

create function webhooks.retry_failed(
    subscription_id uuid, since timestamptz default '-infinity', until timestamptz default 'infinity',
    max_deliveries integer default 10000, dry_run boolean default false
)
returns bigint
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_custom_plan
as $$
declare
    subscription constant webhooks.webhook_subscriptions := webhooks_private.own_subscription(subscription_id);
    failed uuid[];
    events uuid[];
    retried bigint;
    -- Deliveries are made before they are attempted, and are not tried for longer than that.
    first_id constant uuid := webhooks.uuid_v7_floor(greatest(
        least(since, now()) - make_interval(secs => webhooks_private.setting('max_delivery_age_seconds'), days => 1),
        '1970-01-01 00:00Z'));
    last_id constant uuid := webhooks.uuid_v7_floor(greatest(least(until, now()),
                                                             '1970-01-01 00:00Z') + interval '1 day');
    first_event uuid;
    last_event uuid;
begin
    if max_deliveries is null or max_deliveries < 1 then
        raise exception 'max_deliveries is %', coalesce(max_deliveries::text, 'null')
            using errcode = 'invalid_parameter_value', hint = 'Give 1 or more: 10000 take about a second.';
    end if;
    if not dry_run then
        perform webhooks_private.lock_tenant(subscription.tenant_id);
        perform webhooks_private.check_outstanding(subscription.tenant_id);
    end if;
    select (array_agg(a.event_log_id order by a.event_log_id))[1],
           (array_agg(a.event_log_id order by a.event_log_id desc))[1]
    into first_event, last_event
    from webhooks.delivery_attempts a
    where a.subscription_id = retry_failed.subscription_id and a.tenant_id = subscription.tenant_id
      and a.attempted_at >= retry_failed.since and a.attempted_at < retry_failed.until
      and a.delivery_status in ('failed', 'expired') and a.is_test is not true
      and a.delivery_id between first_id and last_id;
    select array_agg(f.delivery_id order by f.delivery_id), array_agg(f.event_log_id order by f.delivery_id)
        into failed, events
    from (
        select a.delivery_id, a.event_log_id
        from webhooks.delivery_attempts a
        cross join lateral (
            select e.expires_at from webhooks.event_logs e
            where e.id = a.event_log_id and e.id between first_event and last_event limit 1
        ) e
        where a.subscription_id = retry_failed.subscription_id and a.tenant_id = subscription.tenant_id
          and a.attempted_at >= retry_failed.since and a.attempted_at < retry_failed.until
          and a.delivery_status in ('failed', 'expired') and a.is_test is not true
          and a.delivery_id between first_id and last_id
          and e.expires_at > clock_timestamp() is not false
          -- What was made again since has another delivery to tell how it went.
          and not exists (
              select from webhooks.redeliveries r
              where r.event_log_id = a.event_log_id and r.subscription_id = a.subscription_id
                and r.delivery_id > a.delivery_id
                and r.delivery_id > first_id)
        order by a.delivery_id
        limit case when not retry_failed.dry_run then retry_failed.max_deliveries end
    ) f;
    if dry_run then
        return coalesce(cardinality(failed), 0);
    end if;
    select count(*) into retried
    from webhooks_private.redeliver(array_fill(retry_failed.subscription_id,
                                               array[coalesce(cardinality(failed), 0)]), events, failed);
    if retried > 0 then
        perform webhooks_private.audit('retried', 'subscription', subscription.id::text, subscription.tenant_id,
                               after => jsonb_build_object('since', since, 'until', until, 'deliveries', retried));
    end if;
    return retried;
end
$$;
comment on function webhooks.retry_failed is
    'Makes the deliveries of a subscription again that failed or expired in a period and were not made again since. '
    'One call takes at most max_deliveries; repeat it until it returns 0. Returns the number of new deliveries; with '
    'dry_run, the number of all that would be made.';
grant execute on function webhooks.retry_failed to webhooks_manager;

-- sql/deliveries/cancel.sql

create function webhooks_private.outstanding_deliveries(subscription_id uuid)
returns setof webhooks.delivery_queue
language sql stable
set search_path = pg_catalog, pg_temp
begin atomic
    -- One query for each index; the last is for tests.
    select q.* from webhooks.delivery_queue q
    where q.shard = webhooks_private.shard_of(outstanding_deliveries.subscription_id)
      and q.subscription_id = outstanding_deliveries.subscription_id and q.lane is not null
    union all
    select q.* from webhooks.delivery_queue q
    where q.shard = webhooks_private.shard_of(outstanding_deliveries.subscription_id)
      and q.subscription_id = outstanding_deliveries.subscription_id and q.lane is null and q.next_attempt_at is null
    union all
    select q.* from webhooks.delivery_queue q
    where q.shard = webhooks_private.shard_of(outstanding_deliveries.subscription_id)
      and q.subscription_id = outstanding_deliveries.subscription_id and q.lane is null
      and q.next_attempt_at is not null
    union all
    select q.* from webhooks.delivery_queue q
    where q.shard = webhooks_private.test_shard_of(outstanding_deliveries.subscription_id)
      and q.subscription_id = outstanding_deliveries.subscription_id and q.lane is null and q.next_attempt_at is null;
end;
comment on function webhooks_private.outstanding_deliveries is 'What is outstanding to a subscription.';

create function webhooks.cancel_deliveries(subscription_id uuid)
returns bigint
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    subscription constant webhooks.webhook_subscriptions := webhooks_private.own_subscription(subscription_id);
    cancelled bigint;
begin
    -- Sidecars drop what they hold of it.
    perform webhooks_private.tell_of_change(subscription_id);
    with locked as materialized (
        -- Those whose result is being written are done, or to be retried: waiting for a sidecar that may wait for us in
        -- turn would be a deadlock.
        select q.id
        from webhooks.delivery_queue q
        where q.id = any (array(select o.id
                                from webhooks_private.outstanding_deliveries(cancel_deliveries.subscription_id) o))
          -- A deleted subscription's id may be another tenant's by now.
          and q.tenant_id = subscription.tenant_id
        for update skip locked
    ),
    gone as (
        delete from webhooks.delivery_queue q
        using locked l
        where q.id = l.id
        returning q.*
    ),
    logged as (
        insert into webhooks.delivery_attempts
            (delivery_id, delivery_attempt, attempted_at, subscription_id, event_log_id, tenant_id, delivery_status,
             error_message, failure, is_test)
        select g.id, g.attempt + 1, clock_timestamp(), g.subscription_id, g.event_log_id, g.tenant_id, 'cancelled',
               'cancelled', 'cancelled',
               case when g.shard >= webhooks_private.shard_count() then true end
        from gone g
        on conflict do nothing
    )
    select count(*) into cancelled from gone;
    if cancelled > 0 then
        perform webhooks_private.audit('cancelled', 'subscription', subscription.id::text, subscription.tenant_id,
                               after => jsonb_build_object('deliveries', cancelled));
    end if;
    return cancelled;
end
$$;
comment on function webhooks.cancel_deliveries is
    'Cancels the outstanding deliveries of a subscription, and returns their number. The log shows them as '
    'cancelled. A request that is being made is not interrupted. A delivery whose result is being recorded is left '
    'out; call the function again.';
grant execute on function webhooks.cancel_deliveries to webhooks_manager;

-- sql/deliveries/replay.sql

-- Deliveries made again, and cancelled, by hand. These run as the owner, who writes the queue: each begins with whose
-- rows they are, by own_subscription(), check_tenant() or may_access_tenant().

create function webhooks_private.replayable(
    tenant_id uuid, since timestamptz, until timestamptz, event_types text[], subscription_id uuid, after uuid,
    max_events integer
)
returns table (n bigint, event_log_id uuid, matched_id uuid, is_outstanding boolean)
language plpgsql stable
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_custom_plan
as $$
#variable_conflict use_column
declare
    ids constant record := webhooks_private.event_id_range(tenant_id, since, until);
    after_at timestamptz;
begin
    select webhooks_private.published_at(l.id, l.created_at) into after_at
    from webhooks.event_logs l
    where l.id = replayable.after and l.tenant_id = replayable.tenant_id;
    return query
    with events as materialized (
        select row_number() over (order by webhooks_private.published_at(e.id, e.created_at), e.id) as n, e.*
        from webhooks.event_logs e
        where e.tenant_id = replayable.tenant_id and e.created_at >= replayable.since
          and e.created_at < replayable.until
          and (replayable.event_types is null
               or array[e.event_type::text, split_part(e.event_type, '.', 1) || '.*', '*'] && replayable.event_types)
          and e.expires_at > clock_timestamp() is not false
          and e.is_test is not true and e.id between ids.first_id and ids.last_id
          and (replayable.after is null
               or (webhooks_private.published_at(e.id, e.created_at), e.id) > (after_at, replayable.after))
        order by n
        limit replayable.max_events
    )
    -- Grouped: sorted or hashed, whatever is known of the queue.
    select min(p.n), p.event_log_id, p.subscription_id, bool_or(p.is_outstanding)
    from (
        select e.n, e.id as event_log_id, r.subscription_id, false as is_outstanding
        from events e
        -- As in match_events(). The test of one is the test of the other.
        left join lateral (
            select * from webhooks_private.subscription_routes r
            where r.tenant_id = e.tenant_id
              and r.pattern in (e.event_type, split_part(e.event_type, '.', 1) || '.*', '*')
              and (replayable.subscription_id is null or r.subscription_id = replayable.subscription_id)
              and (e.environment is null or r.environment = e.environment)
              and (r.filters is null or webhooks_private.filter_matches(r.filters, e.event_data::text,
                      e.resource_type, e.resource_id))
              and (r.filter_jsonpath is null or webhooks_private.jsonpath_matches(e.event_data, r.filter_jsonpath))
            offset 0
        ) r on true
        union all
        select null, q.event_log_id, q.subscription_id, true
        from webhooks.webhook_subscriptions s
        cross join lateral webhooks_private.outstanding_deliveries(s.id) q
        where s.tenant_id = replayable.tenant_id
          and (replayable.subscription_id is null or s.id = replayable.subscription_id)
    ) p
    group by p.event_log_id, p.subscription_id
    having min(p.n) is not null;
end
$$;
comment on function webhooks_private.replayable is
    'Events of a tenant, numbered in the order of publication, with each subscription that would get them now and '
    'whether they are outstanding to it; a row without subscription if none would. Part of replay_events().';

create function webhooks.replay_events(
    tenant_id uuid, since timestamptz, until timestamptz, event_types text[] default null,
    subscription_id uuid default null,
    dry_run boolean default false, max_events integer default 10000, after uuid default null
)
returns table (events bigint, deliveries bigint, outstanding bigint, resume_after uuid)
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_custom_plan
as $$
#variable_conflict use_column
declare
    subscription webhooks.webhook_subscriptions;
    unknown_type text;
    subscription_ids uuid[];
    event_log_ids uuid[];
begin
    perform webhooks_private.check_tenant(tenant_id);
    if since is null or until is null then
        raise exception 'since or until is null'
            using errcode = 'null_value_not_allowed',
                  hint = 'Give the time in which the events were published, for example now() - interval ''1 hour'' '
                         'and now().';
    end if;
    if max_events is null or max_events < 1 then
        raise exception 'max_events is %', coalesce(max_events::text, 'null')
            using errcode = 'invalid_parameter_value', hint = 'Give 1 or more: 10000 take about a second.';
    end if;
    perform webhooks_private.check_count('event_types', cardinality(event_types), 1000);
    if subscription_id is not null then
        subscription := webhooks_private.own_subscription(subscription_id);
        if subscription.tenant_id <> replay_events.tenant_id then
            raise exception 'subscription % is another tenant''s than %', subscription_id, tenant_id
                using errcode = 'invalid_parameter_value',
                      hint = 'Give the subscription''s tenant: only its events match.';
        end if;
        if (subscription.is_active and subscription.is_enabled) is not true then
            raise exception 'subscription % is not active and enabled, so it matches nothing', subscription_id
                using errcode = 'object_not_in_prerequisite_state',
                      hint = 'Enable it first: select webhooks.set_subscriptions_enabled(array[id], true);';
        end if;
    end if;
    select t.pattern into unknown_type
    from unnest(event_types) t (pattern)
    where t.pattern is distinct from '*'
      and not exists (select from webhooks.event_types e
                      where e.name = t.pattern or t.pattern ~ '^[a-z0-9_]+\.\*$'
                        and starts_with(e.name, left(t.pattern, -1)))
    limit 1;
    if found then
        raise exception 'event_types names %, which is no event type',
            coalesce('"' || left(unknown_type, 200) || '"', 'null')
            using errcode = 'invalid_parameter_value',
                  hint = 'Use names from webhooks.event_types, category wildcards such as document.*, or *.';
    end if;
    if after is not null and not exists (select from webhooks.event_logs e where e.id = after
                                         and e.tenant_id = replay_events.tenant_id) then
        raise exception 'there is no event % to go on after', after
            using errcode = 'undefined_object', hint = 'Give the resume_after that the last call returned.';
    end if;

    if not dry_run then
        perform webhooks_private.lock_tenant(tenant_id);
        perform webhooks_private.check_outstanding(tenant_id);
    end if;
    select count(distinct r.event_log_id),
           count(r.matched_id) filter (where not r.is_outstanding),
           count(*) filter (where r.is_outstanding),
           case when max(r.n) = max_events then (array_agg(r.event_log_id order by r.n desc))[1] end,
           array_agg(r.matched_id order by r.n, r.matched_id) filter (where not r.is_outstanding and not dry_run),
           array_agg(r.event_log_id order by r.n, r.matched_id) filter (where not r.is_outstanding and not dry_run)
    into events, deliveries, outstanding, resume_after, subscription_ids, event_log_ids
    from webhooks_private.replayable(tenant_id, since, until, event_types, subscription_id, after,
                                     case when not dry_run then max_events end) r;
    if dry_run then
        resume_after := null;
    elsif deliveries > 0 then
        select count(*) into deliveries
        from webhooks_private.redeliver(subscription_ids, event_log_ids,
                                        array_fill(null::uuid, array[cardinality(event_log_ids)]));
        perform webhooks_private.audit(
            'replayed', case when subscription_id is null then 'tenant' else 'subscription' end,
            coalesce(subscription_id, tenant_id)::text, tenant_id,
            after => jsonb_build_object('since', since, 'until', until, 'event_types', event_types, 'events', events,
                                        'deliveries', deliveries));
    end if;
    return next;
end
$$;
comment on function webhooks.replay_events is
    'Delivers the events of a period again, to the subscriptions that match them now or to one subscription. A '
    'subscription to which an event is outstanding does not get it again. One call takes at most max_events, in the '
    'order of publication; repeat it with after => resume_after until that is null. Returns the numbers of events, '
    'of new deliveries, and of deliveries left out because they are outstanding. dry_run counts the same for all '
    'events, and delivers nothing.';
grant execute on function webhooks.replay_events to webhooks_manager;

-- sql/deliveries/test.sql

create function webhooks.test_subscription(subscription_id uuid, event_type text default null)
returns uuid
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    subscription webhooks.webhook_subscriptions;
    sample_type text;
    event_id constant uuid := webhooks.uuid_v7();
    -- Somebody waits for it. One that no sidecar was there to make must not be sent days later.
    expiry constant timestamptz := clock_timestamp() + interval '10 minutes';
    delivery_id uuid;
begin
    perform webhooks_private.check_adopted();
    subscription := webhooks_private.own_subscription(subscription_id);
    sample_type := webhooks_private.sample_event_type(subscription.subscribed_events, event_type);
    if webhooks_private.needs_verification(subscription.endpoint_verification,
                                           webhooks_private.text_setting('endpoint_verification'))
        and not exists (
            select from webhooks_private.subscription_verifications v
            where v.subscription_id = subscription.id and v.webhook_url = subscription.webhook_url
              and v.state = 'verified'
              and v.origin = webhooks_private.text_setting('verification_origin')) then
        raise exception 'the receiver of subscription % has not agreed to deliveries yet', subscription.id
            using errcode = 'object_not_in_prerequisite_state',
                  hint = 'See verification_state and verification_error in webhooks.subscription_health; '
                         'webhooks.verify_subscription() asks it once more, while the subscription is enabled.';
    end if;
    insert into webhooks.event_logs (
        id, tenant_id, event_type, event_category, event_name, event_version, event_data, resource_type, resource_id,
        environment, expires_at, is_test
    )
    select event_id, subscription.tenant_id, t.name, t.category,
           left('Test: ' || coalesce(t.description, t.name), 100), t.version, t.example,
           t.category, '00000000-0000-7000-8000-000000000002', subscription.environment, expiry, true
    from webhooks.event_type_catalogue t
    where t.is_current and t.name = sample_type;
    insert into webhooks.delivery_queue (subscription_id, event_log_id, tenant_id, shard, expires_at)
    values (subscription.id, event_id, subscription.tenant_id, webhooks_private.test_shard_of(subscription.id), expiry)
    returning delivery_queue.id into delivery_id;
    -- Always: tests are few, and sidecars look for them more often only when told.
    perform webhooks_private.notify('webhooks_doorbell', 'test');
    perform webhooks_private.audit('tested', 'subscription', subscription.id::text, subscription.tenant_id,
                           after => jsonb_build_object('delivery_id', delivery_id, 'event_type', sample_type));
    return delivery_id;
end
$$;
comment on function webhooks.test_subscription is
    'Sends an example of an event type (by default a subscribed one) to one subscription, once. The subscription may '
    'be disabled, its circuit breaker may be open, and other deliveries may wait. Returns the delivery id. The '
    'delivery is made when the transaction is committed; see wait_for_delivery().';
grant execute on function webhooks.test_subscription to webhooks_manager;

-- sql/deliveries/wait.sql

create function webhooks.wait_for_delivery(delivery_id uuid, timeout interval default '30 seconds')
returns table (
    is_final boolean, status text, attempts integer, http_status_code integer, response_headers jsonb,
    response_body text, error_message text, duration_us bigint, next_retry_at timestamptz
)
-- Volatile: each of its statements sees what has been committed meanwhile.
language plpgsql volatile
set search_path = pg_catalog, pg_temp
-- The id decides which partition is read, and which is not even opened.
set plan_cache_mode = force_custom_plan
as $$
#variable_conflict use_column
declare
    give_up_at timestamptz;
    pause double precision := 0.02;
    delivery record;
begin
    if (wait_for_delivery.timeout between interval '0' and interval '5 minutes') is not true then
        raise exception 'timeout is %', coalesce(wait_for_delivery.timeout::text, 'null')
            using errcode = 'invalid_parameter_value',
                  hint = 'Give up to 5 minutes: while it waits, vacuum can''t remove what was deleted since. Call it '
                         'again to wait for longer.';
    end if;
    if current_setting('transaction_isolation') in ('repeatable read', 'serializable') then
        raise exception 'wait_for_delivery() would wait in vain in a % transaction',
            upper(current_setting('transaction_isolation'))
            using errcode = 'invalid_transaction_state',
                  hint = 'Such a transaction does not see what others commit after it began. Call it in a READ '
                         'COMMITTED one, or outside of a transaction block.';
    end if;
    if not webhooks.is_adopted() then
        raise warning 'nothing is delivered from this database: it is a copy that is not adopted'
            using hint = 'Its owner can adopt it: see webhooks.adopt_database().';
    end if;
    give_up_at := clock_timestamp() + wait_for_delivery.timeout;
    if exists (
        select from webhooks.delivery_queue q where q.id = wait_for_delivery.delivery_id
            and webhooks_private.is_current_transaction(q.xmin)
    ) then
        raise exception 'delivery % was queued by this very transaction, so that nobody else can see it yet',
            wait_for_delivery.delivery_id
            using errcode = 'invalid_transaction_state',
                  hint = 'Commit first, and wait in a statement of its own. In psql: select '
                         'webhooks.test_subscription(...) as delivery \gset, and then select * from '
                         'webhooks.wait_for_delivery(:''delivery'');';
    end if;
    loop
        select l.*, l.delivery_status in ('delivered', 'failed', 'expired', 'cancelled') as is_final into delivery
        from webhooks.webhook_delivery_logs l
        where l.id = wait_for_delivery.delivery_id;
        if not found then
            perform webhooks_private.raise_unknown_delivery(wait_for_delivery.delivery_id);
        end if;
        -- Nothing will happen before its next attempt, either.
        exit when delivery.is_final or clock_timestamp() >= give_up_at or delivery.next_retry_at > give_up_at;
        perform pg_sleep(least(pause, extract(epoch from give_up_at - clock_timestamp())));
        pause := least(2 * pause, 0.5);
    end loop;
    return query select
        delivery.is_final, delivery.delivery_status::text,
        delivery.delivery_attempt - case when delivery.delivery_status in ('pending', 'expired', 'cancelled') then 1
            else 0 end,
        delivery.http_status_code, delivery.response_headers, delivery.response_body, delivery.error_message,
        delivery.duration_us, delivery.next_retry_at;
end
$$;
comment on function webhooks.wait_for_delivery is
    'Waits until a delivery is finished, up to 5 minutes, and returns its status, the last response, and whether '
    'that is final. Returns earlier if the next attempt is after the timeout. The delivery must be committed, and '
    'the transaction must not be REPEATABLE READ or SERIALIZABLE.';
grant execute on function webhooks.wait_for_delivery to webhooks_manager;

-- sql/sidecar/settings.sql

create type webhooks_private.effective_settings as (
    extension_version text, max_retry_delay_seconds bigint, max_retry_after_seconds bigint,
    max_response_body_bytes bigint, max_response_headers_bytes bigint, disable_after_failing_hours bigint,
    endpoint_verification text, verification_origin text, digest bigint
);
comment on type webhooks_private.effective_settings is
    'The settings that the sidecar needs. digest is another one whenever any of the settings is changed.';

create function webhooks_private.sidecar_settings()
returns webhooks_private.effective_settings
language sql stable security definer
set search_path = pg_catalog, pg_temp
begin atomic
    select e.extversion, webhooks_private.setting('max_retry_delay_seconds'),
           webhooks_private.setting('max_retry_after_seconds'), webhooks_private.setting('max_response_body_bytes'),
           webhooks_private.setting('max_response_headers_bytes'),
           webhooks_private.setting('disable_after_failing_hours'),
           webhooks_private.text_setting('endpoint_verification'), webhooks_private.text_setting('verification_origin'),
           (select hashtextextended(coalesce(string_agg(o::text, ',' order by o.name), ''), 0)
            from webhooks_private.setting_overrides o)
    from pg_extension e
    where e.extname = 'webhooks';
end;
comment on function webhooks_private.sidecar_settings is
    'What the sidecar needs to know of the settings.';
grant execute on function webhooks_private.sidecar_settings to webhooks_sidecar;

-- sql/sidecar/shards.sql

-- Who delivers what. A sidecar owns a shard by holding its lock (class shard_lock()) for its session and is then the
-- only one to deliver for that shard's subscriptions; the server frees the lock when the session ends. A shared lock
-- (class sidecar_lock()) marks a living sidecar, so that each can tell its fair share. None of these waits for a
-- lock.

create function webhooks_private.lock_holders(class integer)
returns table (key integer, pid integer, role name, application_name text)
language sql volatile
set search_path = pg_catalog, pg_temp
begin atomic
    select l.objid::integer, l.pid, a.usename, a.application_name
    from pg_locks l
    left join pg_stat_activity a on a.pid = l.pid
    where l.locktype = 'userlock' and l.classid::bigint = lock_holders.class and l.objsubid = 2 and l.granted
      and l.database = (select d.oid from pg_database d where d.datname = current_database());
end;
comment on function webhooks_private.lock_holders is 'Sessions that hold locks of a class in this database.';

create function webhooks_private.join_sidecars()
returns void
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    perform webhooks_private.adopt_if_empty();
    perform webhooks_private.check_adopted();
    if not webhooks_private.try_lock(webhooks_private.sidecar_lock(), 0, true) then
        raise exception 'sidecars are locked out by %', (
            select string_agg(format('pid %s of role %s', h.pid, h.role), ', ')
                from webhooks_private.lock_holders(webhooks_private.sidecar_lock()) h)
            using errcode = 'lock_not_available', hint = 'End the session with pg_terminate_backend(pid).';
    end if;
end
$$;
comment on function webhooks_private.join_sidecars is
    'Marks this session as a living sidecar until it ends; refused in a copy of a database that is not adopted (see '
    'adopt_database()).';
grant execute on function webhooks_private.join_sidecars to webhooks_sidecar;

create function webhooks_private.leave_sidecars()
returns void
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    perform webhooks_private.unlock(webhooks_private.sidecar_lock(), 0, true);
end
$$;
comment on function webhooks_private.leave_sidecars is
    'This session''s sidecar is stopping: it no longer counts, others take over its shards as it releases them.';
grant execute on function webhooks_private.leave_sidecars to webhooks_sidecar;

create function webhooks.sidecar_count()
returns integer
language sql volatile security definer
set search_path = pg_catalog, pg_temp
begin atomic
    select count(distinct h.pid)::integer from webhooks_private.lock_holders(webhooks_private.sidecar_lock()) h;
end;
comment on function webhooks.sidecar_count is 'Returns the number of sidecars that run for this database.';
grant execute on function webhooks.sidecar_count to webhooks_monitor, webhooks_sidecar;

create type webhooks_private.shard_balance as (
    fair_share integer, acquired smallint[], may_sleep boolean
);
comment on type webhooks_private.shard_balance is
    'The fair share of a sidecar (one that owns more releases the rest), the shards that it has acquired just now, and '
    'whether publishers can wake it when it sleeps.';

create function webhooks_private.balance_shards(owned smallint[])
returns webhooks_private.shard_balance
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    candidate smallint;
    holders text;
    balance webhooks_private.shard_balance;
begin
    perform webhooks_private.check_adopted();
    balance.fair_share := ceil(webhooks_private.shard_count()::numeric / greatest(webhooks.sidecar_count(), 1));
    balance.acquired := '{}';
    balance.may_sleep := not webhooks_private.notify_queue_is_full();
    -- A statement that took some and failed left locks behind that its caller does not know of.
    perform webhooks_private.unlock(webhooks_private.shard_lock(), s, false)
    from generate_series(0, webhooks_private.shard_count() - 1) s where s <> all (owned);
    if cardinality(owned) < balance.fair_share then
        for candidate in
            select s::smallint
            from generate_series(0, webhooks_private.shard_count() - 1) s
            where s <> all (owned)
            order by random()
        loop
            exit when cardinality(owned) + cardinality(balance.acquired) >= balance.fair_share;
            if webhooks_private.try_lock(webhooks_private.shard_lock(), candidate, false) then
                balance.acquired := balance.acquired || candidate;
            end if;
        end loop;
        if cardinality(owned) + cardinality(balance.acquired) < balance.fair_share then
            select string_agg(format('shard %s by pid %s of role %s', h.key, h.pid, h.role), ', ' order by h.key)
                into holders
            from webhooks_private.lock_holders(webhooks_private.shard_lock()) h
            -- (One that stops no longer counts as living.)
            where h.pid <> pg_backend_pid() and not coalesce(h.application_name like 'webhooks-sidecar owner%', false)
              and h.pid not in (select s.pid from webhooks_private.lock_holders(webhooks_private.sidecar_lock()) s
                                where s.pid is not null);
            if holders is not null then
                raise warning 'held by a session that is no sidecar: %', holders
                    using hint = 'Nothing of these shards is delivered. End the session with '
                                 'pg_terminate_backend(pid).';
            end if;
        end if;
    end if;
    return balance;
end
$$;
comment on function webhooks_private.balance_shards is
    'Takes free shards for this session up to its fair share. Doubles as the heartbeat. Refused in a copy of a '
    'database that is not adopted.';
grant execute on function webhooks_private.balance_shards to webhooks_sidecar;

create function webhooks_private.release_shards(shards smallint[])
returns void
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    perform webhooks_private.unlock(webhooks_private.shard_lock(), s, false) from unnest(shards) s;
end
$$;
comment on function webhooks_private.release_shards is 'Releases shards of this session.';
grant execute on function webhooks_private.release_shards to webhooks_sidecar;

-- sql/sidecar/find.sql

-- Finding ready deliveries: a scan of the subscriptions that have some (a loose index scan) and a few rows of each, so
-- no backlog hides another one.

create type webhooks_private.claim_request as (
    shards smallint[], cursors uuid[], held uuid[], held_ordered uuid[], full_subscriptions uuid[],
    known_subscriptions uuid[], only_subscriptions uuid[], after_ids uuid[], per_subscription integer,
    max_fresh integer, max_rows integer, max_bytes bigint, is_careful boolean
);
comment on type webhooks_private.claim_request is
    'What claim_deliveries() is to claim. Of these shards: first one delivery each of the newest of up to max_fresh '
    'subscriptions that are neither known nor full (fresh deliveries), then up to per_subscription of each '
    'subscription after each shard''s cursor (null: from the beginning), up to max_rows; none of those held (in any '
    'order) and held_ordered (in lanes), and none of full subscriptions. With only_subscriptions no scan: of each of '
    'these, what comes after its id in after_ids (null: the first of its lanes). Events beyond max_bytes of data as '
    'text come without it. is_careful: after a claim that has failed, looks for damaged rows.';

create type webhooks_private.found_delivery as (
    id uuid, is_fresh boolean, shard smallint, attempt integer, lane bigint, subscription_id uuid,
    event_log_id uuid, expires_at timestamptz, version bigint, tenant_id uuid
);
comment on type webhooks_private.found_delivery is
    'A delivery that a claim takes, with the version and the tenant of its subscription. Without id: the subscription '
    'has more lanes than were looked at. Part of claim_deliveries().';

create function webhooks_private.ordered_deliveries(
    shard smallint, subscription_id uuid, held uuid[], from_lane bigint, max_rows integer
)
returns table (delivery_id uuid, attempt integer, lane bigint, event_log_id uuid, expires_at timestamptz)
language sql stable
set search_path = pg_catalog, pg_temp
begin atomic
    -- A loose index scan over the lanes, round once from from_lane: wherever it begins, blocked lanes can't hide the
    -- rest. Each with its first row: while dead rows can't be removed, those before it are gone over once.
    with recursive lanes as (
        select f.lane, f.id, 1 as n
        from (
            (select q.lane, q.id from webhooks.delivery_queue q
             where q.shard = ordered_deliveries.shard and q.subscription_id = ordered_deliveries.subscription_id
               and q.lane >= ordered_deliveries.from_lane order by q.lane, q.id limit 1)
            union all
            (select q.lane, q.id from webhooks.delivery_queue q
             where q.shard = ordered_deliveries.shard and q.subscription_id = ordered_deliveries.subscription_id
               and q.lane < ordered_deliveries.from_lane order by q.lane, q.id limit 1)
            limit 1
        ) f
        union all
        select f.lane, f.id, l.n + 1
        from lanes l
        cross join lateral (
            -- Up to the end, and then from the beginning up to from_lane. (Of an Append the first row comes first.)
            (select q.lane, q.id from webhooks.delivery_queue q
             where q.shard = ordered_deliveries.shard and q.subscription_id = ordered_deliveries.subscription_id
               and q.lane > l.lane
               -- (Never below the least bigint, also when it is folded though no lane is below from_lane.)
               and q.lane <= case when l.lane < ordered_deliveries.from_lane
                   then greatest(ordered_deliveries.from_lane, -9223372036854775807) - 1
                                  else 9223372036854775807 end
             order by q.lane, q.id limit 1)
            union all
            (select q.lane, q.id from webhooks.delivery_queue q
             where q.shard = ordered_deliveries.shard and q.subscription_id = ordered_deliveries.subscription_id
               and q.lane < case when l.lane >= ordered_deliveries.from_lane then ordered_deliveries.from_lane end
             order by q.lane, q.id limit 1)
            limit 1
        ) f
        where l.n < greatest(ordered_deliveries.max_rows, 256)
    ),
    scanned as (
        select max(l.n) as n from lanes l
    )
    select r.id, r.attempt, l.lane, r.event_log_id, r.expires_at
    from scanned s
    cross join lanes l
    cross join lateral (
        -- What waits for its retry or is under way blocks what is behind it.
        select h.*, bool_or(h.next_attempt_at is not null
                            or h.id in (select u.id from unnest(ordered_deliveries.held) u (id)))
                    over (order by h.id) as blocked
        from (
            select q.id, q.attempt, q.event_log_id, q.expires_at, q.next_attempt_at
            from webhooks.delivery_queue q
            -- Rows compared, not columns: see claim_deliveries().
            where (q.shard, q.subscription_id, q.lane, q.id) >= (ordered_deliveries.shard,
                                                                 ordered_deliveries.subscription_id, l.lane, l.id)
              and (q.shard, q.subscription_id, q.lane) <= (ordered_deliveries.shard,
                                                           ordered_deliveries.subscription_id, l.lane)
              and q.lane is not null
              -- What is meant for later takes its place when its time has come.
              and (q.next_attempt_at is null or q.attempt > 0)
            order by q.shard, q.subscription_id, q.lane, q.id limit greatest(ordered_deliveries.max_rows / s.n, 1)
        ) h
    ) r
    where not r.blocked
    union all
    select null, null, null, null, null
    from scanned s
    where s.n >= greatest(ordered_deliveries.max_rows, 256);
end;
comment on function webhooks_private.ordered_deliveries is
    'The first ready deliveries of each lane of a subscription, about max_rows in all; a row of nulls at the end if '
    'there are more lanes than were looked at. Part of claim_deliveries().';

-- The next two have no SET clause: so they are inlined into the query of find_deliveries().

create function webhooks_private.waiting_subscriptions(shards smallint[], cursors uuid[])
returns table (shard smallint, ready uuid, ordered uuid, subscription_id uuid)
language sql stable
begin atomic
    with recursive scan as (
        select o.shard, f.ready, f.ordered, least(f.ready, f.ordered) as subscription_id
        from unnest(waiting_subscriptions.shards, waiting_subscriptions.cursors) as o (shard, after)
        cross join lateral (
            select
                (select q.subscription_id from webhooks.delivery_queue q
                 where q.shard = o.shard and q.next_attempt_at is null and q.lane is null
                   and q.subscription_id > coalesce(o.after, '00000000-0000-0000-0000-000000000000')
                 order by q.subscription_id limit 1) as ready,
                (select q.subscription_id from webhooks.delivery_queue q
                 where q.shard = o.shard and q.lane is not null
                   and q.subscription_id > coalesce(o.after, '00000000-0000-0000-0000-000000000000')
                 order by q.subscription_id limit 1) as ordered
            offset 0
        ) f
        union all
        select s.shard, f.ready, f.ordered, least(f.ready, f.ordered)
        from scan s
        cross join lateral (
            select
                case when s.ready is null or s.ready > s.subscription_id then s.ready else
                (select q.subscription_id from webhooks.delivery_queue q
                 where q.shard = s.shard and q.next_attempt_at is null and q.lane is null
                   and q.subscription_id > s.subscription_id
                 order by q.subscription_id limit 1) end as ready,
                case when s.ordered is null or s.ordered > s.subscription_id then s.ordered else
                (select q.subscription_id from webhooks.delivery_queue q
                 where q.shard = s.shard and q.lane is not null and q.subscription_id > s.subscription_id
                 order by q.subscription_id limit 1) end as ordered
            offset 0
        ) f
        where s.subscription_id is not null
    )
    select s.shard, s.ready, s.ordered, s.subscription_id from scan s;
end;
comment on function webhooks_private.waiting_subscriptions is
    'The subscriptions of these shards that have ready deliveries, each shard''s after its cursor: the next that has '
    'some in any order (ready), the next that has some in lanes (ordered), and the first of both. Null at the end. '
    'Part of find_deliveries().';

create function webhooks_private.fresh_deliveries(request webhooks_private.claim_request, since uuid)
returns setof webhooks_private.found_delivery
language sql stable
begin atomic
    select distinct on (n.subscription_id)
           n.id, true, n.shard, n.attempt, n.lane, n.subscription_id, n.event_log_id, n.expires_at, s.version,
           s.tenant_id
    from (
        select q.id, q.shard, q.attempt, q.lane, q.subscription_id, q.event_log_id, q.expires_at
        from webhooks.delivery_queue q
        where q.id > fresh_deliveries.since
          and q.next_attempt_at is null
          and q.shard = any ((fresh_deliveries.request).shards)
          and q.subscription_id not in (
              select k.id from unnest((fresh_deliveries.request).known_subscriptions) k (id))
          and q.subscription_id not in (
              select f.id from unnest((fresh_deliveries.request).full_subscriptions) f (id))
          and (q.lane is null or not exists (
              select from webhooks.delivery_queue b
              where (b.shard, b.subscription_id, b.lane) >= (q.shard, q.subscription_id, q.lane)
                and (b.shard, b.subscription_id, b.lane, b.id) < (q.shard, q.subscription_id, q.lane, q.id)
                and b.lane is not null))
        order by q.id desc limit (fresh_deliveries.request).max_fresh
    ) n
    cross join lateral (
        select v.version, v.tenant_id from webhooks.webhook_subscriptions v
        where v.id = n.subscription_id and v.is_active and v.is_enabled
        limit 1
    ) s
    order by n.subscription_id, n.id;
end;
comment on function webhooks_private.fresh_deliveries is
    'The fresh deliveries of a claim: what was published after an id for subscriptions that nothing is under way of. '
    'Part of find_deliveries().';

create function webhooks_private.find_deliveries(request webhooks_private.claim_request)
returns webhooks_private.found_delivery[]
-- Planned and run with the settings of claim_deliveries(), which calls it.
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
    recent constant uuid := webhooks.uuid_v7_floor(clock_timestamp() - interval '0.5 s');
    nowhere constant uuid := '00000000-0000-0000-0000-000000000000';
    -- What was committed a little later than its id says is still looked at.
    settled constant uuid := webhooks.uuid_v7_floor(clock_timestamp() - interval '0.1 s');
    any_lane constant bigint := ('x' || encode(uuid_send(gen_random_uuid()), 'hex'))::bit(64)::bigint;
begin
    return (
        -- With thousands of subscriptions waiting the scan takes its time to come round. What was published just now
        -- for one that nothing is under way of need not wait for it.
        with fresh as materialized (
            select * from webhooks_private.fresh_deliveries(request, recent)
        ),
        looked_at as (
            select w.shard, w.subscription_id, w.ready = w.subscription_id as is_ready,
                   w.ordered = w.subscription_id as is_ordered,
                   nowhere as after_id
            from webhooks_private.waiting_subscriptions(request.shards, request.cursors) w
            where request.only_subscriptions is null
              and w.subscription_id not in (select f.id from unnest(request.full_subscriptions) f (id))
            union all
            select webhooks_private.shard_of(o.id), o.id, o.after_id is not null, o.after_id is null,
                   least(o.after_id, settled)
            from unnest(request.only_subscriptions, request.after_ids) o (id, after_id)
        ),
        scanned as (
            select r.id, false as is_fresh, w.shard, r.attempt, r.lane, w.subscription_id, r.event_log_id,
                   r.expires_at, s.version, s.tenant_id
            from looked_at w
            cross join lateral (
                select v.version, v.tenant_id from webhooks.webhook_subscriptions v
                -- Tests are not held.
                where v.id = w.subscription_id
                  and (v.is_active and v.is_enabled or w.shard >= webhooks_private.shard_count())
                limit 1
            ) s
            cross join lateral (
                (select q.id, q.attempt, q.lane, q.event_log_id, q.expires_at from webhooks.delivery_queue q
                 where w.is_ready
                   -- Rows compared, not columns: with those equal the primary key's order by id would do, too, and
                   -- read all others' rows.
                   and (q.shard, q.subscription_id, q.id) > (w.shard, w.subscription_id, w.after_id)
                   and (q.shard, q.subscription_id) <= (w.shard, w.subscription_id)
                   and q.next_attempt_at is null and q.lane is null
                   -- A hashed sub-plan; an array would be compared one by one.
                   and q.id not in (select h.id from unnest(request.held) h (id))
                 order by q.shard, q.subscription_id, q.id limit request.per_subscription)
                union all
                select o.delivery_id, o.attempt, o.lane, o.event_log_id, o.expires_at
                from webhooks_private.ordered_deliveries(
                    w.shard, w.subscription_id, request.held_ordered, any_lane, request.per_subscription) o
                where w.is_ordered
            ) r
            limit request.max_rows
        )
        select array_agg(c::webhooks_private.found_delivery)
        from (select * from fresh union all select * from scanned) c
    );
end
$$;
comment on function webhooks_private.find_deliveries is 'Which deliveries a claim takes; null: none.';

-- sql/sidecar/claim.sql

-- Claiming is a plain read: owning the shard is the claim.

create function webhooks_private.read_problem(event_id uuid)
returns text
language plpgsql stable
set search_path = pg_catalog, pg_temp
-- Plans are cached per session, perhaps since there was one event: only index look-ups are right.
set enable_seqscan = off
as $$
declare
    most constant bigint := 67108864;
    event record;
begin
    select e.* into event from webhooks.event_logs e where e.id = read_problem.event_id limit 1;
    perform octet_length(concat(event.event_type, event.event_category, event.event_name, event.event_version,
                                event.resource_type, event.session_id, event.request_id, event.source_ip));
    -- What is larger is none of this function's business: sum_text_size() tells it.
    if webhooks_private.json_text_size(event.event_data, most) is not null then
        perform octet_length(event.event_data::text);
    end if;
    if webhooks_private.json_text_size(event.resource_data, most) is not null then
        perform octet_length(event.resource_data::text);
    end if;
    return null;
-- Reading a damaged row fails in many ways: damaged pages and TOAST values, values that are none of their type,
-- missing files, a compression that this server lacks, sizes that no memory suffices for. A lock that was not granted
-- in time says nothing about the row.
exception when internal_error or system_error or data_exception or syntax_error_or_access_rule_violation
               or program_limit_exceeded or insufficient_resources or feature_not_supported then
    return format('its data can''t be read (SQLSTATE %s)', sqlstate);
end
$$;
comment on function webhooks_private.read_problem is
    'Why an event can''t be read, if its row is damaged: it reads it as a claim does, by itself. Null if it can. '
    'Part of claim_deliveries().';

create type webhooks_private.claimed_delivery as (
    delivery_id uuid, is_fresh boolean, shard smallint, subscription_id uuid, subscription_version bigint,
    attempt integer, lane bigint, expires_in_ms bigint, over_budget boolean, event_id uuid, tenant_id uuid,
    event_type text, event_category text, event_name text, event_version text, created_at_us bigint,
    event_data text, resource_type text, resource_id uuid, user_id uuid, session_id text, request_id text,
    source_ip text, resource_data text, scan_us bigint, problem text
);
comment on type webhooks_private.claimed_delivery is
    'A delivery and its event, as claim_deliveries() returns them. Without delivery_id: the subscription has more '
    'lanes than were looked at. over_budget: beyond max_bytes of event data as text, which is not read. problem: why '
    'the event''s data can''t be sent and is not there: it is larger than 64 MiB as text, or its row is damaged '
    '(found if the claim is careful). An event that is gone, or not of the subscription''s tenant, has null columns. '
    'scan_us: how long it took to find the deliveries of the claim, in microseconds, without their events.';

create function webhooks_private.claim_deliveries(request webhooks_private.claim_request)
returns setof webhooks_private.claimed_delivery
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp
-- One plan for all calls: to plan this costs ten times what a small claim does. The queue is often never analysed, or
-- was when it was empty or one subscription's: only index scans in index order are right, and no other index may give
-- the order.
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
set enable_bitmapscan = off
set enable_hashjoin = off
set enable_mergejoin = off
set jit = off
as $$
declare
    found webhooks_private.found_delivery[];
    first_event uuid;
    last_event uuid;
    max_age constant interval := make_interval(secs => webhooks_private.setting('max_delivery_age_seconds'));
    began constant timestamptz := clock_timestamp();
    took_us bigint;
begin
    -- An assignment is no query.
    found := webhooks_private.find_deliveries(request);
    if found is null then
        return;
    end if;
    took_us := extract(epoch from clock_timestamp() - began) * 1000000;

    -- Known before the statement begins, they keep it from opening every partition there is. A row that only says
    -- that there are more lanes has no event.
    select e.ids[1], e.ids[cardinality(e.ids)] into first_event, last_event
    from (select array_agg(f.event_log_id order by f.event_log_id) as ids from unnest(found) f
          where f.event_log_id is not null) e;
    return query
    -- What is over the budget is not read, not even to measure it.
    with priced as (
        select c.id, c.is_fresh, c.shard, c.subscription_id, c.version, c.attempt, c.lane, c.expires_at,
               c.event_log_id, e.tenant_id, e.event_type, e.event_category, e.event_name, e.event_version,
               e.event_data, e.resource_type, e.resource_id, e.resource_data, e.user_id, e.session_id, e.request_id,
               e.source_ip, e.deliver_after,
               coalesce(e.created_at, e.processed_at, 'epoch') as created_at,
               x.damage,
               webhooks_private.sum_text_size(e.event_data, e.resource_data,
                                              request.max_bytes) over (rows unbounded preceding) as bytes,
               row_number() over (rows unbounded preceding) as n
        from unnest(found) c
        cross join lateral (
            select case when request.is_careful then webhooks_private.read_problem(c.event_log_id) end as damage
        ) x
        left join lateral (
            select * from webhooks.event_logs e
            where e.id = c.event_log_id and e.id between first_event and last_event and x.damage is null limit 1
        -- A deleted subscription's id may be another tenant's by now: what was left for the old one is not sent to it.
        ) e on e.tenant_id = c.tenant_id
    ),
    judged as (
        select p.*, p.bytes > request.max_bytes and p.n > 1 as over_budget,
               coalesce(p.damage, case when p.bytes <= 0 and p.tenant_id is not null
                                          then 'its data is larger than 64 MiB as text, or damaged' end) as problem
        from priced p
    )
    select p.id, p.is_fresh, p.shard, p.subscription_id, p.version, p.attempt, p.lane,
           -- Old is what has waited long, not what was back-dated or meant for later.
           -- Bounded, whatever an UPDATE made of the times: an error here would stop all deliveries.
           (extract(epoch from greatest(least(p.expires_at,
                                              least(greatest(webhooks.uuid_v7_time(p.id), p.deliver_after),
                                                    '9999-12-31') + max_age), 'epoch')
                               - clock_timestamp()) * 1000)::bigint,
           coalesce(p.over_budget, false), p.event_log_id, p.tenant_id, p.event_type::text, p.event_category::text,
           p.event_name::text, p.event_version::text,
           (extract(epoch from least(greatest(p.created_at, 'epoch'), '9999-12-31')) * 1000000)::bigint,
           case when p.over_budget or p.problem is not null then null else p.event_data::text end,
           p.resource_type::text, p.resource_id,
           p.user_id, p.session_id::text, p.request_id::text, abbrev(p.source_ip),
           case when p.over_budget or p.problem is not null then null else p.resource_data::text end, took_us,
           p.problem
    from judged p;
end
$$;
comment on function webhooks_private.claim_deliveries is
    'Ready deliveries with their events: the fresh ones first. Shards from shard_count() on are those of tests, which '
    'come also of subscriptions that are not active and enabled.';
grant execute on function webhooks_private.claim_deliveries to webhooks_sidecar;

-- sql/sidecar/promote.sql

create type webhooks_private.promoted_deliveries as (
    delivery_ids uuid[], subscription_ids uuid[], next_due_in_ms bigint, locked_ids uuid[]
);
comment on type webhooks_private.promoted_deliveries is
    'What promote_due() made ready, with the subscription of each; milliseconds until the next is due, at most an '
    'hour (null: none); and some of those that are due and locked, which are to be tried again soon.';

create function webhooks_private.promote_due(shards smallint[], max_rows integer default 1000)
returns webhooks_private.promoted_deliveries
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
set enable_bitmapscan = off
as $$
declare
    -- A variable: what is volatile can't be looked up in an index.
    due_until constant timestamptz := clock_timestamp();
    promoted webhooks_private.promoted_deliveries;
begin
    with due as (
        update webhooks.delivery_queue q
        set next_attempt_at = null
        -- An array, not a join: that could read the whole queue.
        where q.id = any (array(
            select d.id
            from unnest(promote_due.shards) o (shard)
            cross join lateral (
                select q.id from webhooks.delivery_queue q
                where q.shard = o.shard and q.next_attempt_at <= due_until
                order by q.next_attempt_at limit promote_due.max_rows
                -- What somebody's transaction has locked is for later: all others would wait for it.
                for no key update skip locked
            ) d
        ))
        returning q.id, q.subscription_id
    )
    select coalesce(array_agg(d.id), '{}'), coalesce(array_agg(d.subscription_id), '{}')
    into promoted.delivery_ids, promoted.subscription_ids
    from due d;
    promoted.next_due_in_ms := (
        -- Neither greatest() nor least(): null means none. A time far away, infinity too, is looked at again in an
        -- hour.
        select case when min(d.next_attempt_at) <= clock_timestamp() then 0
                    when min(d.next_attempt_at) > clock_timestamp() + interval '1 hour' then 3600000
                    else ceil(extract(epoch from min(d.next_attempt_at) - clock_timestamp()) * 1000) end
        from unnest(promote_due.shards) o (shard)
        cross join lateral (
            select q.next_attempt_at from webhooks.delivery_queue q
            where q.shard = o.shard and q.next_attempt_at > due_until
            order by q.next_attempt_at limit 1
        ) d
    );
    promoted.locked_ids := '{}';
    if cardinality(promoted.delivery_ids) >= promote_due.max_rows then
        promoted.next_due_in_ms := 0;
    else
        select coalesce(array_agg(d.id), '{}') into promoted.locked_ids
        from unnest(promote_due.shards) o (shard)
        cross join lateral (
            select q.id from webhooks.delivery_queue q
            where q.shard = o.shard and q.next_attempt_at <= due_until
            order by q.next_attempt_at limit 16
        ) d;
        if promoted.locked_ids <> '{}' then
            promoted.next_due_in_ms := least(promoted.next_due_in_ms, 250);
        end if;
    end if;
    return promoted;
end
$$;
comment on function webhooks_private.promote_due is
    'Makes scheduled deliveries whose time has come ready, without those that another transaction has locked.';
grant execute on function webhooks_private.promote_due to webhooks_sidecar;

-- sql/sidecar/load.sql

create type webhooks_private.loaded_subscription as (
    id uuid, tenant_id uuid, version bigint, webhook_url text, webhook_method text, webhook_headers text,
    auth_type text, auth_config text, retry_count integer, retry_delay_seconds integer, retry_delays integer[],
    timeout_seconds integer, max_payload_size_kb integer, no_retry_statuses integer[], max_in_flight integer,
    rate_limit_per_second double precision, rate_limit_burst integer, breaker_failure_threshold bigint,
    breaker_cooldown_seconds bigint, payload_format text, payload_template text, payload_content_type text,
    template_secrets text, shard smallint, is_breaker_open boolean, probe_in_ms bigint, failing_for_ms bigint,
    throttled_for_ms bigint, retired_secrets text[], retired_secrets_for_ms bigint[], needs_verification boolean,
    is_verified boolean, allowed_rate_per_minute integer, may_verify boolean, verify_in_ms bigint, problem text
);
comment on type webhooks_private.loaded_subscription is
    'A subscription as the sidecar delivers for it, secrets included, and what is known of its receiver: its circuit '
    'breaker, the pause that it wants, and whether it has agreed to deliveries. problem: a column that is too large, '
    'so that nothing can be delivered; the columns that can be large are empty then.';

create function webhooks_private.load_subscriptions(ids uuid[])
returns setof webhooks_private.loaded_subscription
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp
-- As claim_deliveries(): a plan that was made when there were a few subscriptions must do when there are thousands.
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
set enable_bitmapscan = off
set enable_hashjoin = off
set enable_mergejoin = off
set jit = off
as $$
declare
    threshold constant bigint := webhooks_private.setting('breaker_failure_threshold');
    cooldown constant bigint := webhooks_private.setting('breaker_cooldown_seconds');
    overlap constant interval := make_interval(secs => webhooks_private.setting('secret_overlap_seconds'));
    verification constant text := webhooks_private.text_setting('endpoint_verification');
    verification_origin constant text := webhooks_private.text_setting('verification_origin');
    -- More than check_subscription_sizes() lets through, of any column.
    most_bytes constant integer := 262144;
begin
    -- Subscriptions that were restored a moment ago are not delivered to.
    perform webhooks_private.check_adopted();
    return query
    select s.id, s.tenant_id, s.version, case when x.problem is null then s.webhook_url else '' end,
           coalesce(s.webhook_method, 'POST')::text,
           case when x.problem is null then coalesce(s.webhook_headers, '{}')::text else '{}' end,
           coalesce(s.auth_type, 'none')::text,
           case when x.problem is null then coalesce(s.auth_config, '{}')::text else '{}' end,
           coalesce(s.retry_count, 3), coalesce(s.retry_delay_seconds, 60),
           case when octet_length(s.retry_schedule) <= 10000 then webhooks_private.retry_delays(s.retry_schedule) end,
           coalesce(s.timeout_seconds, 30), coalesce(s.max_payload_size_kb, 1024),
           -- As a list, whatever a restore brought.
           case when x.problem is null then array(select n.status from unnest(s.no_retry_statuses) n (status)
                                                    where n.status is not null) else '{}' end,
           s.max_in_flight,
           s.rate_limit_per_second, s.rate_limit_burst,
           coalesce(s.breaker_failure_threshold, threshold), coalesce(s.breaker_cooldown_seconds, cooldown),
           s.payload_format::text, case when x.problem is null then s.payload_template end,
           s.payload_content_type::text,
           case when x.problem is null then coalesce(s.template_secrets, '{}')::text else '{}' end,
           webhooks_private.shard_of(s.id), coalesce(b.state = 'open', false),
           (extract(epoch from b.probe_at - clock_timestamp()) * 1000)::bigint,
           (extract(epoch from clock_timestamp() - b.failing_since) * 1000)::bigint,
           (extract(epoch from b.throttled_until - clock_timestamp()) * 1000)::bigint, r.secrets, r.ends_in_ms,
           webhooks_private.needs_verification(s.endpoint_verification, verification),
           coalesce(v.state = 'verified', false),
           v.allowed_rate_per_minute, (s.is_active and s.is_enabled) is true and verification_origin is not null,
           -- A receiver that wants a pause is not asked, either.
           (extract(epoch from greatest(v.next_try_at, b.throttled_until) - clock_timestamp()) * 1000)::bigint,
           x.problem
    from unnest(ids) o (id)
    cross join lateral (
        select * from webhooks.webhook_subscriptions s where s.id = o.id limit 1
    ) s
    -- Rows from before there were limits, or that triggers have not seen: they must cost nobody else memory.
    cross join lateral (
        select case
            when octet_length(s.webhook_url) > most_bytes then 'webhook_url'
            when octet_length(s.payload_template) > most_bytes then 'payload_template'
            when webhooks_private.json_text_size(coalesce(s.webhook_headers, '{}'), most_bytes) is null
                then 'webhook_headers'
            when webhooks_private.json_text_size(coalesce(s.auth_config, '{}'), most_bytes) is null then 'auth_config'
            when webhooks_private.json_text_size(coalesce(s.template_secrets, '{}'), most_bytes) is null
                then 'template_secrets'
            when pg_column_size(s.no_retry_statuses) > 65536 or cardinality(s.no_retry_statuses) > 1000
                then 'no_retry_statuses'
        end || ' is too large' as problem
        offset 0
    ) x
    left join lateral (
        select * from webhooks_private.subscription_breakers b where b.subscription_id = s.id limit 1
    ) b on true
    left join lateral webhooks_private.secrets_in_overlap(s.id, overlap) r on s.auth_type = 'signature'
        and x.problem is null
    left join lateral (
        select * from webhooks_private.subscription_verifications v
        where v.subscription_id = s.id and v.webhook_url = s.webhook_url and v.origin = verification_origin limit 1
    ) v on true;
end
$$;
comment on function webhooks_private.load_subscriptions is
    'Where and how to deliver, secrets included; for the sidecar alone.';
grant execute on function webhooks_private.load_subscriptions to webhooks_sidecar;

create function webhooks_private.changed_subscriptions(ids uuid[], versions bigint[])
returns setof uuid
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
set enable_hashjoin = off
set enable_mergejoin = off
as $$
begin
    return query
    select k.id
    from unnest(changed_subscriptions.ids, changed_subscriptions.versions) k (id, version)
    left join lateral (select s.version from webhooks.webhook_subscriptions s where s.id = k.id limit 1) s on true
    where s.version is distinct from k.version;
end
$$;
comment on function webhooks_private.changed_subscriptions is
    'Those subscriptions that are in another version by now, or gone: what a sidecar was not notified of it finds '
    'here.';
grant execute on function webhooks_private.changed_subscriptions to webhooks_sidecar;

-- sql/sidecar/record.sql

create type webhooks_private.attempt_result as (
    delivery_id uuid, subscription_id uuid, attempt integer, status text, http_status_code integer,
    response_headers text, response_body text, error_message text, attempted_at_us bigint, duration_us bigint,
    resent_count integer, payload_size integer, payload_hash bytea, retry_after_ms bigint, disable_reason text,
    breaker text, failing_for_ms bigint, probe_in_ms bigint
);
comment on type webhooks_private.attempt_result is
    'The result of an attempt, for record_attempts(). attempt: the number of attempts before, as it was claimed. '
    'attempted_at_us: microseconds since 1970. retry_after_ms: of one that is retrying. disable_reason: it disables '
    'the subscription. breaker: what it means for the circuit breaker (closed, failing for failing_for_ms, or open '
    'until probe_in_ms), or that the receiver wants a pause (throttled, for probe_in_ms); null: nothing.';

create function webhooks_private.next_attempt_number(delivery_id uuid, attempt integer)
returns integer
language plpgsql stable
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_custom_plan
as $$
begin
    return (
        select greatest(max(p.delivery_attempt), attempt) + 1
        from webhooks.delivery_attempts p where p.delivery_id = next_attempt_number.delivery_id
    );
end
$$;
comment on function webhooks_private.next_attempt_number is
    'The first number after attempt that no attempt of the delivery has. Part of record_attempts(), where it would '
    'open every partition for each batch if it were not a function.';

create function webhooks_private.record_breakers(results webhooks_private.attempt_result[], late uuid[])
returns void
-- Planned and run with the settings of record_attempts(), which calls it.
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
begin
    insert into webhooks_private.subscription_breakers as b
        (subscription_id, state, since, probe_at, failing_since, last_error)
    -- The last word of a batch counts.
    select distinct on (r.subscription_id)
        r.subscription_id, case r.breaker when 'open' then 'open' else 'closed' end,
        case when r.breaker <> 'failing' then clock_timestamp() end,
        clock_timestamp() + r.probe_in_ms * interval '1 millisecond',
        clock_timestamp() - r.failing_for_ms * interval '1 millisecond', r.error_message
    from unnest(results) with ordinality r
    where r.breaker <> 'throttled'
      and r.delivery_id <> all (coalesce(late, '{}'))
      and (select true from webhooks.webhook_subscriptions s where s.id = r.subscription_id)
      -- What was never known to fail needs no row to say that it works.
      and (r.breaker <> 'closed'
           or (select true from webhooks_private.subscription_breakers k
               where k.subscription_id = r.subscription_id))
    order by r.subscription_id, r.ordinality desc
    on conflict (subscription_id) do update
    set state = excluded.state,
        since = case when b.state = excluded.state then b.since else excluded.since end,
        probe_at = excluded.probe_at,
        failing_since = excluded.failing_since,
        last_error = coalesce(excluded.last_error, b.last_error);

    -- That a receiver wants a pause is neither a failure nor a success.
    insert into webhooks_private.subscription_breakers as b
        (subscription_id, state, throttled_since, throttled_until, throttle_status)
    select distinct on (r.subscription_id)
        r.subscription_id, 'closed', clock_timestamp(),
        clock_timestamp() + r.probe_in_ms * interval '1 millisecond', r.http_status_code
    from unnest(results) r
    where r.breaker = 'throttled'
      and r.delivery_id <> all (coalesce(late, '{}'))
      and (select true from webhooks.webhook_subscriptions s where s.id = r.subscription_id)
    order by r.subscription_id, r.probe_in_ms desc
    on conflict (subscription_id) do update
    set throttled_since = case when b.throttled_until > clock_timestamp() then b.throttled_since
        else excluded.throttled_since end,
        throttled_until = greatest(b.throttled_until, excluded.throttled_until),
        throttle_status = excluded.throttle_status;
end
$$;
comment on function webhooks_private.record_breakers is
    'Writes what the results of attempts mean for circuit breakers and for pauses that receivers ask for, but for the '
    'deliveries in late. Part of record_attempts().';

create function webhooks_private.record_attempts(results webhooks_private.attempt_result[])
returns setof uuid
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
-- One plan for all calls: to plan this costs more than a small batch. It may be made while the queue is empty, and is
-- right whatever the queue's size is: rows are looked up by a batch's ids, and then hashed together with the batch.
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
set enable_nestloop = off
set enable_mergejoin = off
set jit = off
as $$
declare
    numbered_anew boolean := false;
    written bigint[];
    has_breakers boolean;
    late uuid[];
begin
    -- Who deletes a subscription locks it and then its deliveries; so does who disables one.
    if exists (select from unnest(results) r where r.disable_reason is not null) then
        perform from webhooks.webhook_subscriptions s
        where s.id = any (array(select r.subscription_id from unnest(results) r where r.disable_reason is not null))
        order by s.id for no key update;
    end if;
    loop
        begin
            with batch as materialized (
                select * from unnest(record_attempts.results) with ordinality
            ),
            finished as (
                delete from webhooks.delivery_queue q
                using batch r
                where q.id = any (array(select f.delivery_id from batch f where f.status <> 'retrying'))
                  and q.id = r.delivery_id and q.attempt = r.attempt
                returning q.subscription_id as queued_for, q.event_log_id, q.tenant_id, q.shard,
                          null::timestamptz as next_retry_at, r.*
            ),
            rescheduled as (
                update webhooks.delivery_queue q
                set attempt = q.attempt + 1,
                    next_attempt_at = clock_timestamp() + r.retry_after_ms * interval '1 millisecond'
                from batch r
                where q.id = any (array(select f.delivery_id from batch f where f.status = 'retrying'))
                  and q.id = r.delivery_id and q.attempt = r.attempt
                returning q.subscription_id as queued_for, q.event_log_id, q.tenant_id, q.shard,
                          q.next_attempt_at as next_retry_at, r.*
            ),
            applied as (
                select * from finished union all select * from rescheduled
            ),
            logged as (
                insert into webhooks.delivery_attempts (
                    delivery_id, delivery_attempt, http_status_code, attempted_at, delivered_at, next_retry_at,
                    duration_us, subscription_id, event_log_id, tenant_id, payload_size_bytes, delivery_status,
                    payload_sha256, response_headers, response_body, error_message, is_test, failure, resent_count
                )
                select a.delivery_id,
                       case when numbered_anew then webhooks_private.next_attempt_number(a.delivery_id, a.attempt)
                           else a.attempt + 1 end,
                       a.http_status_code,
                       timestamptz 'epoch' + a.attempted_at_us * interval '1 microsecond',
                       case when a.status = 'delivered'
                            then timestamptz 'epoch'
                                + (a.attempted_at_us + a.duration_us) * interval '1 microsecond' end,
                       a.next_retry_at, a.duration_us, a.queued_for, a.event_log_id, a.tenant_id, a.payload_size,
                       a.status, a.payload_hash, a.response_headers::jsonb, a.response_body, a.error_message,
                       case when a.shard >= webhooks_private.shard_count() then true end,
                       webhooks_private.failure_kind(a.error_message), nullif(a.resent_count, 0)
                from applied a
            ),
            disabled as (
                update webhooks.webhook_subscriptions s
                set is_enabled = false,
                    disabled_reason = (select min(a.disable_reason) from applied a where a.queued_for = s.id)
                where s.id = any (array(select a.queued_for from applied a where a.disable_reason is not null))
                  and s.is_enabled
            )
            select array_agg(a.ordinality), (select bool_or(r.breaker is not null) from batch r)
            into written, has_breakers
            from applied a;
            if cardinality(results) > coalesce(cardinality(written), 0) then
                select array_agg(r.delivery_id) into late
                from unnest(results) with ordinality r where r.ordinality <> all (coalesce(written, '{}'));
            end if;
            -- Rare: a receiver began to fail, failed too often, or works again.
            if has_breakers then
                perform webhooks_private.record_breakers(results, late);
            end if;
            return query select unnest(late);
            return;
        exception when unique_violation then
            -- A finished delivery was queued again by hand and counts from 0 once more. It was tried, so it is logged,
            -- under the next number that is free; its retries go by the queue's count. Looked for only now: a look-up
            -- in all partitions would cost every batch more than the whole batch.
            if numbered_anew then
                raise;
            end if;
            numbered_anew := true;
        end;
    end loop;
end
$$;
comment on function webhooks_private.record_attempts is
    'Writes the results of attempts, each guarded by the attempt number that was claimed, and what they mean for '
    'their receivers. Returns the deliveries of late writers, for which nothing was changed.';
grant execute on function webhooks_private.record_attempts to webhooks_sidecar;

-- sql/sidecar/record_verifications.sql

create type webhooks_private.verification_answer as (
    subscription_id uuid, webhook_url text, origin text, state text, allowed_rate_per_minute integer, error text,
    retry_after_ms bigint
);
comment on type webhooks_private.verification_answer is
    'What the receiver behind a URL answered when it was asked for an origin whether it wants deliveries. state: '
    'verified, refused, or pending if there was no answer. allowed_rate_per_minute, of one that is verified: null is '
    'any. retry_after_ms: not to be asked again before.';

create function webhooks_private.record_verifications(answers webhooks_private.verification_answer[])
returns setof uuid
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    disable_after constant bigint := webhooks_private.setting('disable_after_failing_hours');
    asked constant uuid[] := array(select a.subscription_id from unnest(answers) a);
    free uuid[];
begin
    -- In the order in which all others lock a subscription and what belongs to it. Others' answers don't wait for who
    -- has locked one.
    free := array(
        select s.id from webhooks.webhook_subscriptions s
        where s.id = any (asked) order by s.id for no key update skip locked);

    insert into webhooks_private.subscription_verifications as v
        (subscription_id, webhook_url, origin, state, since, allowed_rate_per_minute, tries, failing_since,
         next_try_at, last_error)
    select s.id, s.webhook_url, a.origin, a.state, now(), a.allowed_rate_per_minute, w.tries,
           case when a.state <> 'verified' then coalesce(k.failing_since, now()) end,
           case when a.state <> 'verified' then now() + greatest(
               least(p.cooldown * interval '1 s' * 2.0 ^ least(w.tries - 1, 20),
                     -- Who said no is not asked often; who said nothing may only have been down.
                     case a.state when 'refused' then interval '1 day' else interval '1 hour' end),
               a.retry_after_ms * interval '1 millisecond') end,
           a.error
    from unnest(answers) a
    -- The URL may have been changed while the old one was asked.
    join webhooks.webhook_subscriptions s on s.id = a.subscription_id and s.webhook_url = a.webhook_url
        and s.id = any (free)
    cross join lateral (select coalesce(s.breaker_cooldown_seconds,
                                        webhooks_private.setting('breaker_cooldown_seconds')) as cooldown) p
    left join webhooks_private.subscription_verifications k
        on k.subscription_id = s.id and k.webhook_url = a.webhook_url and k.origin = a.origin
    cross join lateral (select case when a.state = 'verified' then 0 else coalesce(k.tries, 0) + 1 end as tries) w
    on conflict (subscription_id) do update
    set webhook_url = excluded.webhook_url,
        origin = excluded.origin,
        state = excluded.state,
        since = case when (v.webhook_url, v.origin, v.state) = (excluded.webhook_url, excluded.origin, excluded.state)
                     then v.since else excluded.since end,
        allowed_rate_per_minute = excluded.allowed_rate_per_minute,
        tries = excluded.tries,
        failing_since = excluded.failing_since,
        next_try_at = excluded.next_try_at,
        last_error = excluded.last_error
    -- Nobody asks who has agreed: another answer is an older one.
    where not (v.state = 'verified' and excluded.state <> 'verified'
               and (v.webhook_url, v.origin) = (excluded.webhook_url, excluded.origin));

    update webhooks.webhook_subscriptions s
    set is_enabled = false,
        disabled_reason = format('its receiver did not agree to deliveries for %s hours (disable_after_failing_hours '
                                 'is %s); last: %s',
            floor(extract(epoch from now() - v.failing_since) / 3600), disable_after, v.last_error)
    from webhooks_private.subscription_verifications v
    where v.subscription_id = any (free)
      and v.state <> 'verified' and v.tries >= 3 and disable_after > 0
      and v.failing_since <= now() - make_interval(hours => disable_after::integer)
      and s.id = v.subscription_id and s.is_enabled;

    return query
    select s.id from webhooks.webhook_subscriptions s
    where s.id = any (asked) and s.id <> all (free);
end
$$;
comment on function webhooks_private.record_verifications is
    'Writes what receivers answered, each to be asked again after a time that doubles, up to an hour (pending) or a '
    'day (refused); for the sidecar alone. Days without agreement disable a subscription. Returns the subscriptions '
    'that another transaction has locked: nothing is written of them, and they are to be given again.';
grant execute on function webhooks_private.record_verifications to webhooks_sidecar;

-- sql/sidecar/blockers.sql

-- Who is in the way. Sidecars wait for nobody for long: rows that a transaction has locked are left for later, and a
-- statement that waits for a table gives up (lock_timeout) and is tried again. Here they find what is locked, and by
-- whom.

create function webhooks_private.locked_deliveries(results webhooks_private.attempt_result[])
returns setof uuid
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    delivery_ids constant uuid[] := array(select r.delivery_id from unnest(results) r);
    free_deliveries constant uuid[] := array(
        select q.id from webhooks.delivery_queue q where q.id = any (delivery_ids) for update skip locked);
    disabled constant uuid[] := array(select distinct r.subscription_id from unnest(results) r
                                      where r.disable_reason is not null);
    broken constant uuid[] := array(select distinct r.subscription_id from unnest(results) r
                                    where r.breaker is not null);
    free_subscriptions constant uuid[] := array(
        select s.id from webhooks.webhook_subscriptions s where s.id = any (disabled) for no key update skip locked);
    free_breakers constant uuid[] := array(
        select b.subscription_id from webhooks_private.subscription_breakers b
        where b.subscription_id = any (broken) for no key update skip locked);
begin
    return query
    select r.delivery_id
    from unnest(results) r
    where r.delivery_id in (
              select q.id from webhooks.delivery_queue q
              where q.id = any (delivery_ids) and q.id <> all (free_deliveries))
       or r.subscription_id in (
              select s.id from webhooks.webhook_subscriptions s where s.id = any (disabled)
                  and s.id <> all (free_subscriptions)
              union all
              select b.subscription_id from webhooks_private.subscription_breakers b
              where b.subscription_id = any (broken) and b.subscription_id <> all (free_breakers));
end
$$;
comment on function webhooks_private.locked_deliveries is
    'Those deliveries whose results can''t be recorded now, since another transaction has locked what '
    'record_attempts() changes: the delivery, its subscription (if the result disables it) or its breaker (if the '
    'result changes it).';
grant execute on function webhooks_private.locked_deliveries to webhooks_sidecar;

create function webhooks_private.lockers_of(xmax xid)
returns setof xid
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
begin
    return next lockers_of.xmax;
    begin
        -- Of a row that several lock, or that one locks twice, it is not a transaction's id but a multixact's. Which
        -- of the two it is can't be told: those of the ids that are no running transaction's mean nothing.
        return query select m.xid from pg_get_multixact_members(lockers_of.xmax) m;
    -- There is no such multixact: its number is none, not used yet, or of a file that is gone.
    exception when invalid_parameter_value or internal_error or system_error then
        null;
    end;
end
$$;
comment on function webhooks_private.lockers_of is
    'Transactions that may have locked a row, by its xmax. Part of blockers().';

create function webhooks.blockers(delivery_ids uuid[] default '{}', subscription_ids uuid[] default '{}')
returns table (
    pid integer, role name, application_name text, prepared_transaction text, since timestamptz, relation text,
    mode text, blocked_pids integer[]
)
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    our_database constant oid := (select d.oid from pg_database d where d.datname = current_database());
    table_locks bigint;
begin
    -- Tables: locks that keep sidecars from reading or writing, held or waited for (what waits is in the way, too).
    return query
    select l.pid, coalesce(a.usename, p.owner), a.application_name, p.gid, coalesce(a.xact_start, p.prepared),
           l.relation::regclass::text, case when l.granted then l.mode else l.mode || ' (waits)' end,
           array(select s.pid from pg_stat_activity s
                 where s.datid = our_database and s.application_name like 'webhooks-sidecar%'
                   and s.wait_event_type = 'Lock'
                   and coalesce(l.pid, 0) = any (pg_blocking_pids(s.pid)))
    from pg_locks l
    left join pg_stat_activity a on a.pid = l.pid
    left join pg_prepared_xacts p on l.pid is null and l.virtualtransaction = '-1/' || p.transaction
    where l.locktype = 'relation' and l.database = our_database
      and l.mode in ('ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')
      and l.pid is distinct from pg_backend_pid()
      and l.relation in (
          select c.oid from pg_class c
          where c.relnamespace in (select n.oid from pg_namespace n where n.nspname in ('webhooks', 'webhooks_private'))
            and c.relkind in ('r', 'p') and c.relname not like '%\_template');
    get diagnostics table_locks = row_count;

    -- Sidecars that wait just now, for whatever else.
    return query
    select distinct on (b.blocker, s.pid)
           nullif(b.blocker, 0), a.usename, a.application_name, null::text, a.xact_start, null::text, s.wait_event,
           array[s.pid]
    from pg_stat_activity s
    cross join lateral unnest(pg_blocking_pids(s.pid)) b (blocker)
    left join pg_stat_activity a on a.pid = b.blocker
    where s.datid = our_database and s.application_name like 'webhooks-sidecar%' and s.wait_event_type = 'Lock'
      and s.wait_event <> 'relation' and s.pid <> pg_backend_pid();

    -- Rows. To look at them would mean to wait for the tables.
    if table_locks > 0 then
        return;
    end if;
    return query
    select distinct on (t.virtualtransaction, r.relation)
           t.pid, coalesce(a.usename, p.owner), a.application_name, p.gid, coalesce(a.xact_start, p.prepared),
           r.relation, 'row', '{}'::integer[]
    from (
        select 'webhooks.delivery_queue' as relation, q.xmax from webhooks.delivery_queue q
        where q.id = any (blockers.delivery_ids) and q.xmax <> '0'
        union
        select 'webhooks.webhook_subscriptions', s.xmax from webhooks.webhook_subscriptions s
        where s.id = any (blockers.subscription_ids) and s.xmax <> '0'
        union
        select 'webhooks_private.subscription_breakers', b.xmax from webhooks_private.subscription_breakers b
        where b.subscription_id = any (blockers.subscription_ids) and b.xmax <> '0'
        union
        -- Overdue: locked, or no sidecar is there to make them ready.
        select 'webhooks.delivery_queue', o.xmax
        from generate_series(0, webhooks_private.shard_count() - 1) n
        cross join lateral (
            select q.xmax from webhooks.delivery_queue q
            where q.shard = n and q.next_attempt_at < clock_timestamp() - interval '1 second'
            order by q.next_attempt_at limit 64
        ) o
        where o.xmax <> '0'
    ) r
    cross join lateral webhooks_private.lockers_of(r.xmax) k (xid)
    join pg_locks t on t.locktype = 'transactionid' and t.transactionid = k.xid and t.granted
    left join pg_stat_activity a on a.pid = t.pid
    left join pg_prepared_xacts p on t.pid is null and p.transaction = t.transactionid
    where t.pid is distinct from pg_backend_pid();
end
$$;
comment on function webhooks.blockers is
    'Returns transactions that block sidecars: with a lock on a table, with a lock that a session of a sidecar waits '
    'for, or with locks on rows of the given deliveries and subscriptions or of overdue deliveries. pid is null for '
    'a prepared transaction (see prepared_transaction). since is the start of the transaction; null: not visible to '
    'the owner of the extension. mode is the mode of a table lock, or row. blocked_pids are the sessions that wait '
    'now.';
grant execute on function webhooks.blockers to webhooks_monitor, webhooks_sidecar;

-- sql/watch/types.sql

-- How a watched table's values are compared: by "=" where it tells values apart that read differently, by what is
-- sent of them otherwise.

create function webhooks_private.base_type(type regtype)
returns regtype
language sql stable
set search_path = pg_catalog, pg_temp
begin atomic
    with recursive domains as (
        select base_type.type::oid as oid
        union all
        select t.typbasetype from domains d join pg_type t on t.oid = d.oid where t.typtype = 'd'
    )
    select d.oid::regtype from domains d join pg_type t on t.oid = d.oid where t.typtype <> 'd';
end;
comment on function webhooks_private.base_type is
    'The type that a domain, or a domain over a domain, is of; any other type itself. Part of watch_table().';
grant execute on function webhooks_private.base_type to webhooks_publisher;

create function webhooks_private.is_comparable(type regtype)
returns boolean
language sql stable
set search_path = pg_catalog, pg_temp
begin atomic
    with recursive inner_types as (
        select is_comparable.type::oid as oid, true as is_exact
        union all
        -- Domains, arrays, ranges and multiranges are compared as what they are made of.
        select coalesce(r.rngsubtype, case when t.typtype = 'd' then t.typbasetype else t.typelem end),
               coalesce((select l.collisdeterministic from pg_collation l where l.oid = r.rngcollation), true)
        from inner_types i
        join pg_type t on t.oid = i.oid
        left join pg_range r on i.oid in (r.rngtypid, r.rngmultitypid)
        where r.rngtypid is not null or t.typtype = 'd' or t.typtype = 'b' and t.typcategory = 'A' and t.typelem <> 0
    )
    select coalesce(bool_and(
        i.is_exact
        and (t.typtype in ('d', 'e', 'r', 'm')
             or t.typtype = 'b' and t.typcategory = 'A' and t.typelem <> 0
             -- 30 days are 1 month.
             or t.typtype = 'b' and t.typnamespace = 'pg_catalog'::regnamespace and t.oid <> 'interval'::regtype
             and exists (
                 select from pg_opclass o
                 where o.opcdefault and o.opcmethod = (select m.oid from pg_am m where m.amname = 'btree')
                   and (o.opcintype = t.oid or o.opcintype in (
                       select c.casttarget from pg_cast c where c.castsource = t.oid and c.castmethod = 'b'
                           and c.castcontext = 'i'))))), false)
    from inner_types i join pg_type t on t.oid = i.oid;
end;
comment on function webhooks_private.is_comparable is
    'Whether "=" tells values of a type apart that read differently (of json, xml, interval and geometric types it '
    'doesn''t, and those of other extensions it may not find). Part of watch_table().';
grant execute on function webhooks_private.is_comparable to webhooks_publisher;

create function webhooks_private.watch_operands(target regclass)
returns table (name text, operand text)
language sql stable
set search_path = pg_catalog, pg_temp
begin atomic
    with types as materialized (
        select t.atttypid, t.attcollation,
               -- a and A may be the same to a collation.
               webhooks_private.is_comparable(t.atttypid)
               and coalesce((select l.collisdeterministic from pg_collation l where l.oid = t.attcollation),
                            true) as is_comparable
        from (select distinct a.atttypid, a.attcollation from pg_attribute a
              where a.attrelid = watch_operands.target and a.attnum > 0 and not a.attisdropped) t
    )
    select a.attname, case when t.is_comparable then '%s' else 'to_jsonb(%s)' end
    from pg_attribute a
    join types t on t.atttypid = a.atttypid and t.attcollation = a.attcollation
    where a.attrelid = watch_operands.target and a.attnum > 0 and not a.attisdropped;
end;
comment on function webhooks_private.watch_operands is
    'For each column the expression by which its values are compared, with %s for the value. Part of watch_table().';
grant execute on function webhooks_private.watch_operands to webhooks_publisher;

create function webhooks_private.watch_differences(target regclass, columns text[], template text, separator text)
returns text
language sql stable
set search_path = pg_catalog, pg_temp
begin atomic
    select string_agg(
        format(watch_differences.template,
               format('%s is distinct from %s', format(o.operand, format('old.%I', c.name)),
                      format(o.operand, format('new.%I', c.name))),
               c.name, to_json(c.name) || ':'),
        watch_differences.separator order by c.n)
    from (select u.name, min(u.n) as n from unnest(watch_differences.columns) with ordinality u (name, n) group by u.name) c
    join webhooks_private.watch_operands(watch_differences.target) o on o.name = c.name;
end;
comment on function webhooks_private.watch_differences is
    'For each column a template filled in with the condition that an UPDATE changed it (%s), its name (%2$L), and '
    'how it begins a member of a JSON object (%3$L). Part of watch_table().';
grant execute on function webhooks_private.watch_differences to webhooks_publisher;

create function webhooks_private.has_types(target regclass, wanted regtype[])
returns boolean
language sql stable
set search_path = pg_catalog, pg_temp
begin atomic
    with recursive types as (
        select a.atttypid as oid from pg_attribute a where a.attrelid = has_types.target and a.attnum > 0
            and not a.attisdropped
        union
        select i.oid
        from types y
        join pg_type t on t.oid = y.oid
        cross join lateral (
            select t.typbasetype where t.typtype = 'd'
            union all select t.typelem where t.typcategory = 'A'
            union all select r.rngsubtype from pg_range r where y.oid in (r.rngtypid, r.rngmultitypid)
            union all select a.atttypid from pg_attribute a where a.attrelid = t.typrelid and t.typtype = 'c'
                and a.attnum > 0 and not a.attisdropped
        ) i (oid)
    )
    select exists (select from types y where y.oid = any (has_types.wanted));
end;
comment on function webhooks_private.has_types is
    'Whether a table has values of some types, also inside of other types. Part of watch_table().';
grant execute on function webhooks_private.has_types to webhooks_publisher;

-- sql/watch/bounds.sql

-- How much watch_table() may be told, and the values of on_change.

create function webhooks_private.check_watch_bounds(definition jsonb)
returns void
language plpgsql immutable
set search_path = pg_catalog, pg_temp
as $$
declare
    excess record;
begin
    select b.parameter, b.actual, b.allowed, b.unit into excess
    from (
        select 'condition' as parameter, length(definition ->> 'condition')::bigint as actual, 10000 as allowed,
               'characters' as unit
        union all select 'resource_type', length(definition ->> 'resource_type'), 50, 'characters'
        -- A table has at most 1,600 columns.
        union all
        select p.name, jsonb_array_length(definition -> p.name), 1600, 'columns'
        from unnest(array['watch_columns', 'columns', 'except_columns']) p (name)
        where jsonb_typeof(definition -> p.name) = 'array'
        union all select 'on_change', octet_length((definition -> 'on_change')::text), 1000000, 'bytes'
        union all
        select 'on_change', count(*), 1600, 'columns'
        from jsonb_path_query(definition -> 'on_change', 'strict $ ? (@.type() == "object").keyvalue()')
        union all
        select 'on_change', count(*), 1000, 'values'
        from jsonb_path_query(definition -> 'on_change', 'strict $ ? (@.type() == "object").* ? (@.type() == '
                                                         '"object").keyvalue()')
    ) b
    where b.actual > b.allowed
    limit 1;
    if found then
        raise exception '%: % % are too many', excess.parameter, excess.actual, excess.unit
            using errcode = 'program_limit_exceeded',
                  hint = concat(format('At most %s %s can be given.', excess.allowed, excess.unit),
                                case excess.parameter when 'condition' then ' Write a longer condition as a function '
                                                                            'of yours, and call that.' end);
    end if;
end
$$;
comment on function webhooks_private.check_watch_bounds is
    'Refuses a definition that is too large. Part of watch_table().';
grant execute on function webhooks_private.check_watch_bounds to webhooks_publisher;

create function webhooks_private.watch_value(target regclass, column_name text, value text)
returns text
language plpgsql stable
set search_path = pg_catalog, pg_temp
-- As the trigger has it: what a value means must not depend on who watches the table.
set timezone = 'UTC'
set datestyle = 'ISO'
set intervalstyle = 'iso_8601'
set bytea_output = 'hex'
set extra_float_digits = 1
set lc_monetary = 'C'
set quote_all_identifiers = off
as $$
declare
    declared text;
    base text;
    category "char";
    operand constant text := (select o.operand from webhooks_private.watch_operands(target) o
                              where o.name = column_name);
    canonical text;
    is_itself boolean;
begin
    select format_type(a.atttypid, a.atttypmod), format_type(webhooks_private.base_type(a.atttypid), -1), t.typcategory
    into declared, base, category
    from pg_attribute a join pg_type t on t.oid = a.atttypid
    where a.attrelid = target and a.attname = column_name;
    if category = 'D' and value ~* '^\s*(now|today|tomorrow|yesterday)\y' then
        raise exception using errcode = 'invalid_datetime_format', message = 'it is another time each day';
    end if;
    execute format('select %s::text, %s = %s', format('%L::%s', value, base),
                   format(operand, format('%L::%s', value, base)), format(operand, format('%L::%s', value, declared)))
    into canonical, is_itself;
    -- varchar(3) cuts off, numeric(5,2) rounds.
    if not is_itself then
        raise exception using errcode = 'string_data_right_truncation',
            message = format('type %s can''t hold it', declared);
    end if;
    -- 1 and 1.0 are one value.
    return case base when 'numeric' then trim_scale(canonical::numeric)::text else canonical end;
exception when data_exception or integrity_constraint_violation or syntax_error_or_access_rule_violation
    or feature_not_supported then
    raise exception 'on_change: "%" is no value of column "%" of table %: %', left(value, 100), column_name, target,
        left(sqlerrm, 300)
        using errcode = 'invalid_parameter_value',
              hint = format('The column is of type %s. Write the value as in a literal of this type: %s.', declared,
                            coalesce((select string_agg(quote_literal(e.enumlabel), ', ' order by e.enumsortorder)
                                      from (select e.enumlabel, e.enumsortorder from pg_enum e
                                            where e.enumtypid = base::regtype
                                            order by e.enumsortorder limit 20) e),
                                     case base when 'boolean' then '''true'', ''false'''
                                         else format('''...''::%s', declared) end));
end
$$;
comment on function webhooks_private.watch_value is
    'A value of on_change as its column''s type has it, or an error that says why it is none. Part of watch_table().';
grant execute on function webhooks_private.watch_value to webhooks_publisher;

create function webhooks_private.watch_values(target regclass, definition jsonb)
returns jsonb
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
    given record;
    found_value text;
    done jsonb := '{}';
begin
    for given in
        select c.key as column_name, v.key as value, v.value as event_type
        from jsonb_each(definition -> 'on_change') c cross join lateral jsonb_each_text(c.value) v
        where jsonb_typeof(c.value) = 'object'
    loop
        found_value := webhooks_private.watch_value(target, given.column_name, given.value);
        if done -> given.column_name ? found_value then
            raise exception 'on_change: "%" is twice among the values of column "%" of table %', found_value,
                given.column_name, target
                using errcode = 'invalid_parameter_value',
                      hint = 'Two ways to write the same value are one value: give one event type for it.';
        end if;
        done := jsonb_set(done, array[given.column_name],
                          coalesce(done -> given.column_name, '{}')
                              || jsonb_build_object(found_value, given.event_type));
    end loop;
    return done;
end
$$;
comment on function webhooks_private.watch_values is
    'The event types of on_change by column and value, each value as the column''s type has it. Part of '
    'watch_table().';
grant execute on function webhooks_private.watch_values to webhooks_publisher;

-- sql/watch/definition.sql

-- What watch_table() is told, checked and completed. It is kept as the argument of the table's triggers: dumped,
-- renamed and dropped with the table, and nobody's but its owner's.

create function webhooks_private.watch_definition(arguments bytea)
returns jsonb
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
begin
    -- A trigger's only argument, without the zero byte that ends it.
    return convert_from(substr(arguments, 1, length(arguments) - 1), getdatabaseencoding())::jsonb -> 'webhooks';
-- Whatever the argument of a foreign trigger is: no text, no JSON, or too deep.
exception when data_exception or program_limit_exceeded then
    return null;
end
$$;
comment on function webhooks_private.watch_definition is
    'The definition of a watch, from pg_trigger.tgargs; null for a trigger of anything else. Part of watched_tables.';
grant execute on function webhooks_private.watch_definition to webhooks_publisher;

create function webhooks_private.check_watchable(target regclass)
returns void
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
    relation record;
begin
    select c.relkind, c.relispartition, c.relpersistence, c.relnamespace,
           c.relnamespace::regnamespace::text as schema, c.relowner, c.relowner::regrole as owner
    into relation
    from pg_class c
    where c.oid = target;
    if not found then
        raise exception 'no table given'
            using errcode = 'null_value_not_allowed',
            hint = 'Write for example webhooks.watch_table(''public.documents'', on_insert => ''document.uploaded'').';
    end if;
    if relation.relkind not in ('r', 'p') or relation.relpersistence = 't'
        or relation.schema in ('webhooks', 'webhooks_private', 'pg_catalog', 'information_schema') then
        raise exception '% can''t be watched', target
            using errcode = 'wrong_object_type',
                  hint = 'Ordinary and partitioned tables of yours can; views, foreign tables, temporary tables and '
                         'tables of the system can''t.';
    end if;
    if relation.relispartition then
        raise exception '% is a partition', target
            using errcode = 'wrong_object_type',
                  hint = format('Watch the partitioned table, %s.',
                                (select i.inhparent::regclass from pg_inherits i where i.inhrelid = target));
    end if;
    if not pg_has_role(relation.relowner, 'usage') then
        raise exception 'must be owner of table %', target
            using errcode = 'insufficient_privilege', hint = format('It belongs to role %s, with whose rights its '
                                                                    'changes would be published.', relation.owner);
    end if;
    if not has_schema_privilege(relation.relnamespace, 'create') then
        raise exception 'no function can be made in schema %', relation.schema
            using errcode = 'insufficient_privilege',
                  hint = format('What publishes the changes of %s is made next to it: grant create on schema %s to '
                                '%I;', target, relation.schema, current_user);
    end if;
    if not has_table_privilege(relation.relowner, 'webhooks.event_logs', 'insert') then
        raise exception 'role %, the owner of table %, may not publish events', relation.owner, target
            using errcode = 'insufficient_privilege', hint = format('Changes are published with its rights: grant '
                                                                    'webhooks_publisher to %s;', relation.owner);
    end if;
end
$$;
comment on function webhooks_private.check_watchable is
    'Refuses what can''t be watched, or not by the caller. Part of watch_table().';
grant execute on function webhooks_private.check_watchable to webhooks_publisher;

create function webhooks_private.watch_event_types(definition jsonb)
returns text[]
language sql immutable
set search_path = pg_catalog, pg_temp
begin atomic
    select array(
        select v.name
        from unnest(array[definition ->> 'on_insert', definition ->> 'on_update', definition ->> 'on_delete']) v (name)
        where v.name is not null
        union
        select v #>> '{}' from jsonb_path_query(definition -> 'on_change', '$.**{1 to 2} ? (@.type() == "string")') v
    );
end;
comment on function webhooks_private.watch_event_types is
    'The event types that a watch publishes. Part of watch_table().';
grant execute on function webhooks_private.watch_event_types to webhooks_publisher;

create function webhooks_private.check_watch_events(target regclass, definition jsonb)
returns void
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
    on_change constant jsonb := definition -> 'on_change';
    unknown text;
begin
    if on_change is not null and (jsonb_typeof(on_change) <> 'object' or jsonb_path_exists(
        on_change, 'strict $.* ? (@.type() != "string" && @.type() != "object")')
        or jsonb_path_exists(on_change, 'strict $.* ? (@.type() == "object").* ? (@.type() != "string")')
    ) then
        raise exception 'invalid on_change: %', left(on_change::text, 300)
            using errcode = 'invalid_parameter_value',
                  hint = 'Write an object of columns, each with the event type for any change of it, {"title": '
                         '"document.renamed"}, or with one for some of its new values, {"status": {"processed": '
                         '"document.processed"}}.';
    end if;
    if webhooks_private.watch_event_types(definition) = '{}' then
        raise exception 'no event type for changes of table %', target
            using errcode = 'invalid_parameter_value',
                  hint = 'Give at least one of on_insert, on_update, on_delete and on_change.';
    end if;
    select v.name into unknown
    from unnest(webhooks_private.watch_event_types(definition)) v (name)
    where not exists (select from webhooks.event_types t where t.name = v.name);
    if found then
        raise exception 'unknown event type "%"', left(unknown, 100)
            using errcode = 'foreign_key_violation',
                  hint = 'Event types are listed by: select * from webhooks.event_types; another one must be '
                         'registered there first.';
    end if;
end
$$;
comment on function webhooks_private.check_watch_events is
    'Refuses event types that can''t be published. Part of watch_table().';
grant execute on function webhooks_private.check_watch_events to webhooks_publisher;

create function webhooks_private.check_watch_columns(target regclass, all_columns text[], definition jsonb)
returns void
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
    unknown record;
begin
    if definition ? 'columns' and definition ? 'except_columns' then
        raise exception 'both columns and except_columns given for table %', target
            using errcode = 'invalid_parameter_value',
                  hint = 'Give the columns to send, or those not to send; or neither, to send all.';
    end if;
    select c.parameter, coalesce(c.name, 'null') as name
    into unknown
    from (
        select 'tenant_column' as parameter, definition ->> 'tenant_column' as name where not definition ? 'tenant_id'
        union all select 'id_column', definition ->> 'id_column' where definition ? 'id_column'
        union all select 'on_change', jsonb_object_keys(definition -> 'on_change')
        union all select 'watch_columns', jsonb_array_elements_text(definition -> 'watch_columns')
        union all select 'columns', jsonb_array_elements_text(definition -> 'columns')
        union all select 'except_columns', jsonb_array_elements_text(definition -> 'except_columns')
    ) c
    where (c.name = any (all_columns)) is not true;
    if found then
        raise exception '%: table % has no column "%"', unknown.parameter, target, left(unknown.name, 100)
            using errcode = 'undefined_column',
                  hint = concat('Its columns, but for virtual generated ones, are ',
                                left(array_to_string(all_columns, ', '), 2000), '.',
                                case unknown.parameter when 'tenant_column' then ' If all its rows are one '
                                                                                 'tenant''s, give tenant_id '
                                                                                 'instead.' end);
    end if;
    if not definition ? 'tenant_id' and not exists (
        select from pg_attribute a
        where a.attrelid = target and a.attname = definition ->> 'tenant_column'
          and webhooks_private.base_type(a.atttypid) = 'uuid'::regtype
    ) then
        raise exception 'tenant_column: column "%" of table % is not of type uuid', definition ->> 'tenant_column',
            target
            using errcode = 'datatype_mismatch',
                  hint = 'Tenants are UUIDs. If all rows of the table are one tenant''s, give tenant_id instead.';
    end if;
end
$$;
comment on function webhooks_private.check_watch_columns is
    'Refuses columns that can''t be watched. Part of watch_table().';
grant execute on function webhooks_private.check_watch_columns to webhooks_publisher;

create function webhooks_private.watch_ids(target regclass, definition jsonb)
returns text[]
language sql stable
set search_path = pg_catalog, pg_temp
begin atomic
    select case
        when definition ? 'id_column' then array[definition ->> 'id_column']
        else array(
            select a.attname::text
            from pg_index i
            cross join lateral unnest(i.indkey::smallint[]) with ordinality k (attnum, n)
            join pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.attnum
            where i.indrelid = target and i.indisprimary and k.n <= i.indnkeyatts
              -- (tenant_id, id) is a usual key of a table that tenants share.
              and (i.indnkeyatts = 1 or (a.attname = definition ->> 'tenant_column') is not true)
            order by k.n)
    end;
end;
comment on function webhooks_private.watch_ids is
    'The columns that identify a row of a watched table: the one given, or the primary key''s without the tenant. '
    'Part of watch_table().';
grant execute on function webhooks_private.watch_ids to webhooks_publisher;

create function webhooks_private.watch_ids_problem(target regclass, id_columns text[], tenant_column text)
returns text
language sql stable
set search_path = pg_catalog, pg_temp
begin atomic
    select case
        when cardinality(id_columns) = 0 then 'it has no primary key'
        when exists (
            select from pg_attribute a where a.attrelid = target and a.attname = any (id_columns) and not a.attnotnull
        ) then format('%s may be null', array_to_string(id_columns, ', '))
        when not exists (
            select from pg_index i
            where i.indrelid = target and i.indisunique and i.indimmediate and i.indisvalid and i.indpred is null
              and not exists (
                  select from unnest(i.indkey::smallint[]) with ordinality k (attnum, n)
                  left join pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.attnum and k.attnum > 0
                  where k.n <= i.indnkeyatts
                    -- Unique within a tenant is enough. All that a partitioned table can promise is: unique within a
                    -- partition.
                    and (a.attname = any (id_columns || tenant_column)) is not true
                    and (k.attnum = any ((select p.partattrs::smallint[] from pg_partitioned_table p
                                          where p.partrelid = target)::smallint[])) is not true
              )
        ) then format('%s is not unique', array_to_string(id_columns, ', '))
    end;
end;
comment on function webhooks_private.watch_ids_problem is
    'Why these columns can''t tell which old and which new row of an UPDATE belong together; null if they can. Part '
    'of watch_table().';
grant execute on function webhooks_private.watch_ids_problem to webhooks_publisher;

create function webhooks_private.has_other_triggers(target regclass)
returns boolean
language sql stable
set search_path = pg_catalog, pg_temp
begin atomic
    select exists (
        select from pg_class c
        where c.oid = has_other_triggers.target and c.relkind = 'r'
          and not exists (select from pg_inherits i where i.inhparent = c.oid)
          and (exists (
                  select from pg_trigger t
                  where t.tgrelid = c.oid
                    -- AFTER INSERT, UPDATE or DELETE.
                    and t.tgtype & 66 = 0 and t.tgtype & 28 <> 0
                    and not t.tgisinternal and t.tgname !~ '^!?webhooks_(insert|update|delete)$')
               -- A deletion elsewhere changes a row by the one and deletes it by the other.
               or (select bool_or(k.confdeltype = 'c') and bool_or(k.confdeltype in ('n', 'd'))
                   from pg_constraint k where k.conrelid = c.oid and k.contype = 'f')));
end;
comment on function webhooks_private.has_other_triggers is
    'Whether an ordinary table has AFTER triggers beside those of watch_table(), or foreign keys both on delete '
    'cascade and on delete set null or set default: these may change its rows again. Part of watch_table().';
grant execute on function webhooks_private.has_other_triggers to webhooks_publisher;

create function webhooks_private.complete_watch(target regclass, given jsonb)
returns jsonb
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
    -- Virtual columns have no value in a trigger.
    all_columns constant text[] := array(
        select a.attname::text from pg_attribute a
        where a.attrelid = target and a.attnum > 0 and not a.attisdropped and a.attgenerated <> 'v' order by a.attnum);
    definition jsonb := case when given ? 'tenant_id' then given - 'tenant_column' else given end;
    ids text[];
    problem text;
begin
    perform webhooks_private.check_watch_bounds(definition);
    perform webhooks_private.check_watch_events(target, definition);
    perform webhooks_private.check_watch_columns(target, all_columns, definition);
    if (definition -> 'per_row')::boolean and exists (
        select from pg_inherits i join pg_class c on c.oid = i.inhparent where c.oid = target and c.relkind = 'r'
    ) then
        raise exception 'per_row: other tables inherit from table %', target
            using errcode = 'feature_not_supported',
                  hint = 'Triggers for each row are not inherited: watch this table without per_row, which takes in '
                         'the rows of the others, or each table by itself.';
    end if;
    ids := webhooks_private.watch_ids(target, definition);
    if definition ? 'on_update' or definition ? 'on_change' then
        problem := webhooks_private.watch_ids_problem(target, ids, definition ->> 'tenant_column');
        if problem is not null then
            raise exception 'updates of table % can''t be watched: %', target, problem
                using errcode = 'invalid_table_definition',
                      hint = 'Old and new row are matched by their id, within the tenant. Give the table a primary '
                             'key, or name in id_column a column that is unique and not null.';
        end if;
    end if;
    definition := jsonb_build_object(
        'condition', 'true',
        'columns', (select coalesce(jsonb_agg(c.name order by c.n), '[]')
                    from unnest(all_columns) with ordinality c (name, n)
                    where not coalesce(definition -> 'except_columns', '[]') ? c.name),
        'resource_type', (select min(t.category) from webhooks.event_types t
                          where t.name = any (webhooks_private.watch_event_types(definition)))
    ) || definition || jsonb_build_object(
        'table', (select format('%s.%I', c.relnamespace::regnamespace, c.relname) from pg_class c where c.oid = target),
        'all_columns', all_columns,
        'numbers', (select jsonb_agg(a.attnum order by a.attnum) from pg_attribute a
                    where a.attrelid = target and a.attname = any (all_columns)),
        'per_row', coalesce((definition -> 'per_row')::boolean, webhooks_private.has_other_triggers(target)),
        'per_row_given', definition ? 'per_row',
        'values', webhooks_private.watch_values(target, definition),
        'id_columns', ids,
        'has_resource_id', exists (
            select from pg_attribute a
            where a.attrelid = target and array[a.attname::text] = ids
              and webhooks_private.base_type(a.atttypid) = 'uuid'::regtype),
        'categories', (
            select jsonb_object_agg(t.name, t.category) from webhooks.event_types t
            where t.name = any (webhooks_private.watch_event_types(definition))));
    definition := jsonb_build_object('watch_columns', definition -> 'columns') || definition;
    definition := definition || (
        select jsonb_build_object(
            'used', coalesce(jsonb_agg(u.name order by u.n), '[]'),
            -- Written out column by column, plans grow with the product of the two numbers.
            'is_wide', count(*) * cardinality(all_columns) > 1000)
        from (select c.name, min(c.n) as n
              from jsonb_array_elements_text(definition -> 'columns'
                                             || (definition -> 'watch_columns')) with ordinality c (name, n)
              group by c.name) u);
    if definition ? 'on_update' and definition -> 'watch_columns' = '[]' then
        raise exception 'no columns to watch of table %', target
            using errcode = 'invalid_parameter_value',
                  hint = 'Name in watch_columns those whose change is to publish on_update.';
    end if;
    return definition;
end
$$;
comment on function webhooks_private.complete_watch is
    'The definition of a watch, checked, and with what was left out filled in. Part of watch_table().';
grant execute on function webhooks_private.complete_watch to webhooks_publisher;

-- sql/watch/functions.sql

-- Table triggers: watch_table() writes functions in SQL and a trigger function next to the table, all of them its
-- owner's, so that nothing that a definition says runs with any other rights. The functions in SQL are parsed when they
-- are made: they follow renames, and PostgreSQL refuses to drop or retype a column that they need. Being inlined, they
-- cost nothing per call.

create function webhooks_private.watch_functions(target regclass)
returns text[]
language sql stable
set search_path = pg_catalog, pg_temp
begin atomic
    select array[format('%I.%I', c.schema, c.name || '_webhooks'),
                 format('%I.%I', c.schema, c.name || '_webhook_events'),
                 format('%I.%I', c.schema, c.name || '_webhook_same'),
                 format('%I.%I', c.schema, c.name || '_webhook_row'),
                 format('%I.%I', c.schema, c.name || '_webhook_values')]
    from (
        -- A name has at most 63 bytes.
        select n.nspname as schema,
               case when octet_length(c.relname) <= 48 then c.relname
                   else 'table_' || left(md5(c.relname), 16) end as name
        from pg_class c join pg_namespace n on n.oid = c.relnamespace
        where c.oid = watch_functions.target
    ) c;
end;
comment on function webhooks_private.watch_functions is
    'Names of the functions that watch_table() makes for a table: the trigger''s, what it publishes, whether two '
    'rows are the same one, a row with what identifies it, and a row as JSON. Part of watch_table().';
grant execute on function webhooks_private.watch_functions to webhooks_publisher;

create function webhooks_private.watch_object(row_name text, columns text[])
returns text
language sql immutable
set search_path = pg_catalog, pg_temp
begin atomic
    -- A function takes at most 100 arguments.
    select coalesce(string_agg(format('jsonb_build_object(%s)', o.members), ' || ' order by o.chunk), '''{}''::jsonb')
    from (
        select (c.n - 1) / 50 as chunk, string_agg(format('%L, %s.%I', c.name, watch_object.row_name, c.name), ', ' order by c.n) as members
        from unnest(watch_object.columns) with ordinality c (name, n)
        group by 1
    ) o;
end;
comment on function webhooks_private.watch_object is
    'The expression for a JSON object of columns of a row. Part of watch_table().';
grant execute on function webhooks_private.watch_object to webhooks_publisher;

create function webhooks_private.watch_large_values(target regclass, columns text[], row_names text[])
returns text
language sql stable
set search_path = pg_catalog, pg_temp
begin atomic
    -- Strict, and so not called while there is nothing large: what is looked at for each row are lengths that are at
    -- hand.
    select coalesce(string_agg(v.condition, ' or ' order by v.chunk), 'false')
    from (
        select v.chunk,
               format('webhooks_private.is_too_large(%L, %L, webhooks_private.large_values(%s))',
                      watch_large_values.target,
                      array_agg(v.name order by v.n),
                      string_agg(format('%s.%I', v.row_name, v.name), ', ' order by v.n)) as condition
        from (
            -- A function takes at most 100 arguments.
            select c.name, r.name as row_name, row_number() over w as n, (row_number() over w - 1) / 100 as chunk
            from unnest(watch_large_values.columns) with ordinality c (name, n)
            join pg_attribute a on a.attrelid = watch_large_values.target and a.attname = c.name
            cross join unnest(watch_large_values.row_names) r (name)
            where a.attlen = -1 and a.atttypmod = -1 and webhooks_private.base_type(a.atttypid) <> 'numeric'::regtype
            window w as (order by c.n, r.name)
        ) v
        group by v.chunk
    ) v;
end;
comment on function webhooks_private.watch_large_values is
    'The condition that refuses a row with a value too large to be sent, and else is not true. Part of watch_table().';
grant execute on function webhooks_private.watch_large_values to webhooks_publisher;

create function webhooks_private.watch_values_script(target regclass, definition jsonb)
returns text
language sql stable
set search_path = pg_catalog, pg_temp
begin atomic
    -- Each column is taken out of the row once: PostgreSQL copies the row's description for it. All at once it does
    -- not.
    select format(E'create function %1$s(changed %2$s)\nreturns table (content jsonb)\nlanguage sql stable\nbegin atomic\nselect case when %3$s then null else %4$s end\nfrom (select %5$s) r;\nend',
                  (webhooks_private.watch_functions(target))[5], target,
                  webhooks_private.watch_large_values(target, c.names, '{r}'),
                  webhooks_private.watch_object('r', c.names),
                  case when c.names @> a.names and not exists (
                           select from pg_attribute v where v.attrelid = target
                               and v.attgenerated = 'v') then '(changed).*'
                       else (select string_agg(format('u.%1$I', n), ', ') from unnest(c.names) n)
                           || ' from unnest(array[changed]) u' end)
    from (select array(select jsonb_array_elements_text(definition -> 'used'))) c (names),
         (select array(select jsonb_array_elements_text(definition -> 'all_columns'))) a (names);
end;
comment on function webhooks_private.watch_values_script is
    'CREATE FUNCTION for the columns of a row that are sent or watched as one JSON object, which is how a table of '
    'many columns is published. Part of watch_table().';
grant execute on function webhooks_private.watch_values_script to webhooks_publisher;

create function webhooks_private.watch_row_changes(target regclass, definition jsonb)
returns jsonb
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
    sent constant text[] := array(select jsonb_array_elements_text(definition -> 'columns'));
    watched constant text[] := array(select jsonb_array_elements_text(definition -> 'watch_columns'));
    used constant text[] := array(select jsonb_array_elements_text(definition -> 'used'));
    unsent constant text[] := array(select u.name from unnest(used) u (name) where u.name <> all (sent));
    is_different constant text := 'old_values -> c.name is distinct from new_values -> c.name';
    object constant text := case when unsent = '{}' then '%s_values'
        else format('(%%s_values - %L::text[])', unsent) end;
begin
    if (definition -> 'is_wide')::boolean then
        return jsonb_build_object(
            'old', format(object, 'old'),
            'new', format(object, 'new'),
            'changed', format('array(select c.name from unnest(%L::text[]) with ordinality c (name, n) where %s '
                              'order by c.n)', used, is_different),
            'before', format('(select coalesce(jsonb_object_agg(c.name, c.value), ''{}'') from jsonb_each(%s) c '
                             '(name, value) where %s)',
                             format(object, 'old'), is_different),
            'is_changed', format('exists (select from unnest(%L::text[]) c (name) where %s)', watched, is_different));
    end if;
    return jsonb_build_object(
        'old', webhooks_private.watch_object('old', sent),
        'new', webhooks_private.watch_object('new', sent),
        'changed', format('array_remove(array[%s]::text[], null)',
                          webhooks_private.watch_differences(target, used, 'case when %s then %2$L end', ', ')),
        -- One text, parsed once: to add members one by one would copy the object for each.
        'before', format('(''{'' || array_to_string(array[%s]::text[], '','') || ''}'')::jsonb',
                         webhooks_private.watch_differences(target, sent, 'case when %s then concat(%3$L, '
                                                                          'coalesce(to_json(old.%2$I), '
                                                                          '''null''::json)) end', ', ')),
        'is_changed', '(' || webhooks_private.watch_differences(target, watched, '%s', ' or ') || ')');
end
$$;
comment on function webhooks_private.watch_row_changes is
    'The expressions for what is sent of the old and the new row, the names of changed columns, what they were '
    'before, and whether a watched one changed. Part of watch_table().';
grant execute on function webhooks_private.watch_row_changes to webhooks_publisher;

create function webhooks_private.watch_value_types(target regclass, column_name text, event_types jsonb)
returns text
language sql stable
set search_path = pg_catalog, pg_temp
begin atomic
    select format('case %s end', string_agg(
        format('when %s = %s then %L', format(o.operand, format('new.%I', a.attname)),
               -- Not of the domain, whose checks may be others one day.
               format(o.operand, format('%L::%s', v.key, format_type(webhooks_private.base_type(a.atttypid), -1))),
               v.value), ' ' order by v.key))
    from pg_attribute a
    join webhooks_private.watch_operands(watch_value_types.target) o on o.name = a.attname
    cross join jsonb_each_text(watch_value_types.event_types) v
    where a.attrelid = watch_value_types.target and a.attname = watch_value_types.column_name;
end;
comment on function webhooks_private.watch_value_types is
    'The expression for the event type that a column''s new value publishes. Part of watch_table().';
grant execute on function webhooks_private.watch_value_types to webhooks_publisher;

create function webhooks_private.watch_events_script(target regclass, definition jsonb)
returns text
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
    changes constant jsonb := webhooks_private.watch_row_changes(target, definition);
    ids constant text[] := array(select jsonb_array_elements_text(definition -> 'id_columns'));
    of_row constant text := 'case when %s then %s else %s end';
    rows_sent constant text[] := array(
        select r.name from (values ('old', definition ?| array['on_update', 'on_change', 'on_delete']),
                                   ('new', definition ?| array['on_update', 'on_change', 'on_insert'])) r (name,
                                           is_sent)
        where r.is_sent);
    is_gone text := 'operation = ''delete''';
    is_new text := 'operation = ''insert''';
    tenant text;
    id_member text := '';
    resource_id text := 'null::uuid';
    ordering_key text := 'null::text';
    event_types text;
begin
    if coalesce(definition ->> 'on_update', definition ->> 'on_change') is not null then
        -- An UPDATE that changes the id or the tenant is the end of one resource and the beginning of another.
        is_gone := format('(operation = ''delete'' or operation = ''update'' and new.%I is null)', ids[1]);
        is_new := format('(operation = ''insert'' or operation = ''update'' and old.%I is null)', ids[1]);
    end if;
    tenant := coalesce(
        quote_literal(definition ->> 'tenant_id') || '::uuid',
        format('coalesce(case when %s then old.%I else new.%2$I end, webhooks_private.raise_missing_tenant(%L, %2$L))',
               is_gone, definition ->> 'tenant_column', target));
    if cardinality(ids) = 1 then
        id_member := format('''id'', ' || of_row || ', ', is_gone, format('to_jsonb(old.%I)', ids[1]),
                            format('to_jsonb(new.%I)', ids[1]));
        ordering_key := format(of_row, is_gone, format('old.%I::text', ids[1]), format('new.%I::text', ids[1]));
        if (definition -> 'has_resource_id')::boolean then
            resource_id := format(of_row, is_gone, format('old.%I', ids[1]), format('new.%I', ids[1]));
        end if;
    elsif cardinality(ids) > 1 then
        ordering_key := format(of_row, is_gone, webhooks_private.watch_object('old', ids),
                               webhooks_private.watch_object('new', ids));
        id_member := format('''id'', %s, ', ordering_key);
        ordering_key := format('(%s)::text', ordering_key);
    end if;
    event_types := format('(case when %s then %L when %s then %L when %s then %L end)',
        is_gone, definition ->> 'on_delete', is_new, definition ->> 'on_insert',
        case when definition ->> 'on_update' is null then 'false' else changes ->> 'is_changed' end,
        definition ->> 'on_update');
    event_types := concat_ws(', ', event_types, (
        select string_agg(
            format('(case when not (%s or %s) and %s then %s end)', is_gone, is_new,
                   webhooks_private.watch_differences(target, array[c.key], '%s', ''),
                   case when jsonb_typeof(c.value) = 'string' then quote_literal(c.value #>> '{}')
                        else webhooks_private.watch_value_types(target, c.key, definition -> 'values' -> c.key) end),
            ', ' order by c.key)
        from jsonb_each(definition -> 'on_change') c));

    return concat_ws(E'\n',
        format('create function %1$s(operation text, old %2$s, new %2$s%3$s)',
               (webhooks_private.watch_functions(target))[2], target,
               case when (definition -> 'is_wide')::boolean then ', old_values jsonb, new_values jsonb' end),
        'returns table (tenant_id uuid, event_type text, event_category text, event_data jsonb,',
        '               resource_type text, resource_id uuid, ordering_key text)',
        'language sql stable',
        'begin atomic',
        'select',
        tenant || ' as tenant_id,',
        't.event_type,',
        format('case t.event_type %s end as event_category,',
               (select string_agg(format('when %L then %L', c.key, c.value), ' ' order by c.key)
                from jsonb_each_text(definition -> 'categories') c)),
        format('case when %s then null', case when (definition -> 'is_wide')::boolean then 'false'
                                              else webhooks_private.watch_large_values(target,
                                                      array(select jsonb_array_elements_text(definition -> 'columns')), rows_sent) end),
        format('when %s then jsonb_build_object(''operation'', ''delete'', %s''old'', %s)', is_gone, id_member,
               changes ->> 'old'),
        format('when %s then jsonb_build_object(''operation'', ''insert'', %s''new'', %s)', is_new, id_member,
               changes ->> 'new'),
        format('else jsonb_build_object(''operation'', ''update'', %s''changed'', %s, ''old'', %s, ''new'', %s) end '
               'as event_data,',
               id_member, changes ->> 'changed', changes ->> 'before', changes ->> 'new'),
        format('%L::text as resource_type,', definition ->> 'resource_type'),
        resource_id || ' as resource_id,',
        ordering_key || ' as ordering_key',
        format('from (values %s) t (event_type)', event_types),
        'where t.event_type is not null',
        'and (' || (definition ->> 'condition'),
        ');',
        'end');
end
$$;
comment on function webhooks_private.watch_events_script is
    'CREATE FUNCTION for what a watched table publishes: one row per event of a pair of old and new row. Part of '
    'watch_table().';
grant execute on function webhooks_private.watch_events_script to webhooks_publisher;

create function webhooks_private.watch_key(definition jsonb)
returns table (name text, n bigint)
language sql immutable
set search_path = pg_catalog, pg_temp
begin atomic
    select k.name, row_number() over (order by k.n)
    from (
        select i.name, i.n from jsonb_array_elements_text(watch_key.definition -> 'id_columns') with ordinality i (name, n)
        union all
        select watch_key.definition ->> 'tenant_column', 1000
        where watch_key.definition ? 'tenant_column'
          and not watch_key.definition -> 'id_columns' ? (watch_key.definition ->> 'tenant_column')
    ) k;
end;
comment on function webhooks_private.watch_key is
    'The columns that identify a resource of a tenant, numbered. Part of watch_table().';
grant execute on function webhooks_private.watch_key to webhooks_publisher;

create function webhooks_private.watch_same_script(target regclass, definition jsonb)
returns text
language sql stable
set search_path = pg_catalog, pg_temp
begin atomic
    select format(E'create function %s(old %s, new %2$s)\nreturns boolean\nlanguage sql stable\nreturn %s',
                  (webhooks_private.watch_functions(target))[3], target,
                  string_agg(format('%s = %s', format(o.operand, format('old.%I', c.name)),
                                    format(o.operand, format('new.%I', c.name))), ' and ' order by c.n))
    from webhooks_private.watch_key(definition) c
    join webhooks_private.watch_operands(target) o on o.name = c.name;
end;
comment on function webhooks_private.watch_same_script is
    'CREATE FUNCTION for whether an old and a new row of a watched table are the same resource of the same tenant. '
    'Part of watch_table().';
grant execute on function webhooks_private.watch_same_script to webhooks_publisher;

create function webhooks_private.watch_row_script(target regclass, definition jsonb)
returns text
language sql stable
set search_path = pg_catalog, pg_temp
begin atomic
    select format(E'create function %1$s(changed %2$s)\nreturns table (%3$sversion %2$s)\nlanguage sql stable\nbegin atomic\nselect %4$schanged;\nend',
                  (webhooks_private.watch_functions(target))[4], target,
                  string_agg(format('key_%s %s, ', c.n, case o.operand when '%s' then format_type(a.atttypid, -1)
                                    else 'jsonb' end), '' order by c.n),
                  string_agg(format(o.operand, format('changed.%I', c.name)) || ', ', '' order by c.n))
    from webhooks_private.watch_key(definition) c
    join pg_attribute a on a.attrelid = target and a.attname = c.name
    join webhooks_private.watch_operands(target) o on o.name = c.name;
end;
comment on function webhooks_private.watch_row_script is
    'CREATE FUNCTION for a row of a watched table as one value, and the values that identify it. Part of '
    'watch_table().';
grant execute on function webhooks_private.watch_row_script to webhooks_publisher;

-- sql/watch/trigger.sql

-- The trigger function of a watched table. It publishes what a statement changed with one INSERT, from the transition
-- tables; or row by row, where that is asked for.

create function webhooks_private.watch_insert(events text, is_wide boolean)
returns text
language sql immutable
set search_path = pg_catalog, pg_temp
return format(case when is_wide then '%2$s' else '
        -- Inserting nothing would cost as much as inserting something.
        if exists (select from %1$s) then%2$s
        end if;' end, events, format('
            insert into webhooks.event_logs
                (tenant_id, event_type, event_category, event_name, event_version, event_data, resource_type, resource_id, ordering_key,
                 user_id, session_id, request_id)
            select e.tenant_id, e.event_type, e.event_category, e.event_type,
                   coalesce((select t.version from webhooks.event_types t where t.name = e.event_type), ''1.0''),
                   e.event_data, e.resource_type, e.resource_id, e.ordering_key,
                   (select webhooks_private.application_user()),
                   left(nullif(current_setting(''webhooks.session_id'', true), ''''), 255),
                   left(nullif(current_setting(''webhooks.request_id'', true), ''''), 255)
            from %s;', events));
comment on function webhooks_private.watch_insert is
    'The statements that publish what a FROM clause has as e. Part of watch_table().';
grant execute on function webhooks_private.watch_insert to webhooks_publisher;

create function webhooks_private.watch_versions(functions text[], keys text[])
returns text
language sql immutable
set search_path = pg_catalog, pg_temp
return format('(
            -- Step: which of its changes, for a row that the statement changed more than once; 0 for all others. The
            -- n-th old row and the n-th new one are of the n-th change.
            with versions as (
                select v.*, case when bool_or(v.times > 1) over (partition by %2$s) then v.n else 0 end as step
                from (select v.*, count(*) over (partition by v.is_old, %2$s) as times
                      from (select true as is_old, row_number() over () as n, v.* from old_rows r cross join lateral %1$s(r.*) v
                            union all
                            select false, row_number() over (), v.* from new_rows r cross join lateral %1$s(r.*) v) v) v
            )
            select o.version as old, n.version as new, coalesce(n.n, o.n) as n, n.n is null as is_gone
            from (select * from versions where is_old) o
            full join (select * from versions where not is_old) n on %3$s and o.step = n.step) c',
    functions[4], array_to_string(keys, ', '),
    array_to_string(array(select format('o.%s = n.%1$s', k) from unnest(keys) k), ' and '));
comment on function webhooks_private.watch_versions is
    'A FROM item: old and new row of each change of a statement that changed some rows more than once, and their '
    'order. Part of watch_table().';
grant execute on function webhooks_private.watch_versions to webhooks_publisher;

create function webhooks_private.watch_source(functions text[], rows_name text, alias text, is_wide boolean)
returns text
language sql immutable
set search_path = pg_catalog, pg_temp
-- A row of many columns goes on as one value, and as one JSON object: written out column by column for each use of
-- one of them, the plan would grow with the square of their number. A row of few columns is faster so.
return case when is_wide then format('(select v.version, c.content from (select v.version from %2$s r cross join '
                                     'lateral %3$s(r.*) v offset 0) v cross join lateral %1$s(v.version) c offset 0) '
                                     '%4$s',
                                     functions[5], rows_name, functions[4], alias)
            else format('%s %s', rows_name, alias) end;
comment on function webhooks_private.watch_source is 'A FROM item: a transition table. Part of watch_table().';
grant execute on function webhooks_private.watch_source to webhooks_publisher;

create function webhooks_private.watch_events(functions text[], operation text, old_row text, new_row text,
                                              is_wide boolean)
returns text
language sql immutable
set search_path = pg_catalog, pg_temp
return format('%s(%L, %s) e', functions[2], operation,
              case when is_wide then concat_ws(', ', coalesce(old_row || '.version', 'null'),
                                               coalesce(new_row || '.version', 'null'),
                                               coalesce(old_row || '.content', 'null'),
                                               coalesce(new_row || '.content', 'null'))
                   else concat_ws(', ', coalesce(old_row || '.*', 'null'), coalesce(new_row || '.*', 'null')) end);
comment on function webhooks_private.watch_events is
    'A FROM item: the events of an old and a new row. Part of watch_table().';
grant execute on function webhooks_private.watch_events to webhooks_publisher;

create function webhooks_private.watch_statement_body(functions text[], keys text[], is_wide boolean)
returns text
language plpgsql immutable
set search_path = pg_catalog, pg_temp
as $$
declare
    old_rows constant text := webhooks_private.watch_source(functions, 'old_rows', 'o', is_wide);
    new_rows constant text := webhooks_private.watch_source(functions, 'new_rows', 'n', is_wide);
    keyed constant text := array_to_string(array(select 'v.' || k from unnest(keys) k), ', ');
    -- A full join is a hash join: right for any number of rows, whatever number it was planned for. What is gone
    -- comes first.
    updates constant text := format('%1$s full join %2$s on %3$s(o.%4$s, n.%4$s) cross join lateral %5$s', old_rows,
                                    new_rows, functions[3],
                                    case when is_wide then 'version' else '*' end,
                                    webhooks_private.watch_events(functions, 'update', 'o', 'n', is_wide));
begin
    return concat('
    case tg_op
    when ''INSERT'' then',
        webhooks_private.watch_insert(new_rows || ' cross join lateral ' || webhooks_private.watch_events(functions, 'insert', null, 'n', is_wide), is_wide), '
    when ''DELETE'' then',
        webhooks_private.watch_insert(old_rows || ' cross join lateral '
                                      || webhooks_private.watch_events(functions, 'delete', 'o', null, is_wide),
                                      is_wide), E'\n',
        case when keys <> '{}' then format('    when ''UPDATE'' then
        -- Not an assignment, which would be planned anew for the first five times.
        select case when exists (select from new_rows offset 1) then 2%1$s else %2$s end into changes;
        if changes = 2 then
            -- Only foreign keys make one statement change a row twice: two of them on delete set null, or one on
            -- update cascade.
            if exists (select from pg_constraint k where k.conrelid = tg_relid and k.contype = ''f''
                       and (k.confupdtype in (''c'', ''n'', ''d'') or k.confdeltype in (''n'', ''d''))) then
                if to_regproc(%3$L) is null then
                    perform webhooks_private.raise_broken_watch(tg_relid, tg_argv[0], array[%3$L]);
                end if;
                if exists (select from old_rows r cross join lateral %3$s(r.*) v group by %4$s having count(*) > 1)
                    or exists (select from new_rows r cross join lateral %3$s(r.*) v group by %4$s having count(*) > 1) then
                    if (select count(*) from old_rows) <> (select count(*) from new_rows) then
                        perform webhooks_private.raise_ambiguous_changes(tg_relid);
                    end if;%5$s
                    return null;
                end if;
            end if;%6$s
        end if;
        if changes > 0 then%7$s
        end if;',
            case when not is_wide then format(' when exists (select from %s) then 1', updates) end,
            case when is_wide then 1 else 0 end,
            functions[4], keyed,
            webhooks_private.watch_insert(
                concat(webhooks_private.watch_versions(functions, keys),
                       case when is_wide then format(' cross join lateral (select c.old as version, v.content from '
                                                     '%1$s(c.old) v offset 0) o cross join lateral (select c.new as '
                                                     'version, v.content from %1$s(c.new) v offset 0) n',
                                                     functions[5]) end,
                       ' cross join lateral ',
                       case when is_wide then webhooks_private.watch_events(functions, 'update', 'o', 'n', true)
                            else format('%s(''update'', c.old, c.new) e', functions[2]) end,
                       ' order by c.n, c.is_gone desc'), true),
            case when not is_wide then format('
            select case when exists (select from %s) then 1 else 0 end into changes;', updates) end,
            webhooks_private.watch_insert(updates, true)) end, '
    end case;');
end
$$;
comment on function webhooks_private.watch_statement_body is
    'What the trigger of a watched table does once per statement. Part of watch_table().';
grant execute on function webhooks_private.watch_statement_body to webhooks_publisher;

create function webhooks_private.watch_row_body(functions text[], is_wide boolean)
returns text
language plpgsql immutable
set search_path = pg_catalog, pg_temp
as $$
declare
    change record;
    body text := '';
begin
    for change in
        select * from (values ('insert', 'null', 'new', 'case tg_op when ''INSERT'' then'),
                              ('delete', 'old', 'null', 'when ''DELETE'' then'),
                              ('update', 'old', 'new', format('when ''UPDATE'' then if %s(old, new) then',
                                                              functions[3])),
                              ('update', 'old', 'null', 'else'),
                              ('update', 'null', 'new', '')) c (operation, old_row, new_row, head)
    loop
        body := concat(body, E'\n    ', change.head, webhooks_private.watch_insert(
            case when is_wide then format('(select o.content as old_values, n.content as new_values from %1$s o '
                                          'cross join %2$s n offset 0) v cross join lateral %3$s(%4$L, %5$s, %6$s, '
                                          'v.old_values, v.new_values) e',
                                          case change.old_row when 'old' then functions[5] || '(old)'
                                              else '(select null::jsonb as content)' end,
                                          case change.new_row when 'new' then functions[5] || '(new)'
                                              else '(select null::jsonb as content)' end,
                                          functions[2], change.operation, change.old_row, change.new_row)
                 else format('%s(%L, %s, %s) e', functions[2], change.operation, change.old_row, change.new_row) end,
                 is_wide));
    end loop;
    return body || '
    end if;
    end case;';
end
$$;
comment on function webhooks_private.watch_row_body is
    'What the trigger of a watched table does for each row. Part of watch_table().';
grant execute on function webhooks_private.watch_row_body to webhooks_publisher;

create function webhooks_private.watch_trigger_script(target regclass, definition jsonb)
returns text
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
    functions constant text[] := webhooks_private.watch_functions(target);
    keys constant text[] := case when definition ?| array['on_update', 'on_change']
                                 then array(select 'key_' || k.n from webhooks_private.watch_key(definition) k
                                            order by k.n) else '{}' end;
    is_wide constant boolean := (definition -> 'is_wide')::boolean;
    checked constant text[] := functions[2:2] || case when is_wide then functions[4:5] end;
begin
    return format('create function %s()
returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set timezone = ''UTC''
set datestyle = ''ISO''
set intervalstyle = ''iso_8601''
set bytea_output = ''hex''
set extra_float_digits = 1%s
as %L', functions[1], concat(
        -- Each of these takes a moment per call: where they decide how a value reads.
        case when webhooks_private.has_types(target, '{money}') then E'\nset lc_monetary = ''C''' end,
        case when webhooks_private.has_types(target,
                                             '{regclass,regcollation,regconfig,regdictionary,regnamespace,regoper,regoperator,regproc,regprocedure,regrole,regtype}')
             then E'\nset quote_all_identifiers = off' end), concat('
declare
    -- An UPDATE''s: 0 none to publish, 1 some, 2 more than one row.
    changes integer;
begin
    -- Rows that a restore brings, and what other triggers make of them: their events are in the dump. A restore
    -- itself changes and deletes nothing.
    if webhooks_private.is_restoring() and (tg_op = ''INSERT'' or tg_op = ''UPDATE'' and pg_trigger_depth() > 1) then
        raise notice ''restored rows of % are not published'', tg_relid::regclass
            using hint = ''The role owns the extension, and check_function_bodies is off as in a restore. To publish, reset it.'';
        return null;
    end if;', format('
    -- Null if there are two of a name, also: then which one is called might be anybody''s choice.
    if %s or tg_op = ''UPDATE'' and to_regproc(%L) is null then
        perform webhooks_private.raise_broken_watch(tg_relid, tg_argv[0], %L);
    end if;', (select string_agg(format('to_regproc(%L) is null', c), ' or ') from unnest(checked) c), functions[3], checked || functions[3]),
        case when (definition -> 'per_row')::boolean then webhooks_private.watch_row_body(functions, is_wide)
             else webhooks_private.watch_statement_body(functions, keys, is_wide) end, '
    return null;
end
'));
end
$$;
comment on function webhooks_private.watch_trigger_script is
    'CREATE FUNCTION for the trigger of a watched table. Part of watch_table().';
grant execute on function webhooks_private.watch_trigger_script to webhooks_publisher;

-- sql/watch/errors.sql

create function webhooks_private.raise_missing_tenant(table_name text, column_name text)
returns uuid
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
begin
    raise exception 'a changed row of table % belongs to no tenant: its % is null', table_name, column_name
        using errcode = 'not_null_violation',
              hint = format('Give it a tenant, or leave such rows out by a condition of webhooks.watch_table(): '
                            'coalesce(new.%I, old.%1$I) is not null.', column_name);
end
$$;
comment on function webhooks_private.raise_missing_tenant is 'Raises the error of a watched row without a tenant.';
grant execute on function webhooks_private.raise_missing_tenant to webhooks_publisher;

create function webhooks_private.is_too_large(table_name text, column_names text[], bytes bigint[])
returns boolean
language plpgsql stable strict security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    allowed constant bigint := coalesce(webhooks_private.setting('max_event_data_bytes'), 16777216);
    largest record;
begin
    select v.column_name, v.bytes into largest
    from unnest(is_too_large.column_names, is_too_large.bytes) v (column_name, bytes)
    order by v.bytes desc nulls last
    limit 1;
    if largest.bytes <= allowed then
        return false;
    end if;
    raise exception 'changes of table % can''t be published: a value of column "%" has % bytes', table_name,
        largest.column_name, largest.bytes
        using errcode = 'program_limit_exceeded',
              hint = format('An event has at most %s. Leave the column out: webhooks.watch_table(%L, ..., '
                            'except_columns => %L);',
                            allowed, table_name, array[largest.column_name]);
end
$$;
comment on function webhooks_private.is_too_large is
    'Raises the error of a value that is too large to be part of an event; false or null: none is. Part of what '
    'watch_table() makes.';
grant execute on function webhooks_private.is_too_large to webhooks_publisher;

create function webhooks_private.raise_ambiguous_changes(target regclass)
returns void
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
begin
    raise exception 'changes of table % can''t be published: a statement changed rows more than once, and a trigger '
                    'held some of them back', target
        using errcode = 'object_not_in_prerequisite_state',
              hint = format('Watch each row by itself: webhooks.watch_table(%L, ..., per_row => true);', target::text);
end
$$;
comment on function webhooks_private.raise_ambiguous_changes is
    'Raises the error of a statement whose old and new rows can''t be paired. Part of what watch_table() makes.';
grant execute on function webhooks_private.raise_ambiguous_changes to webhooks_publisher;

create function webhooks_private.raise_broken_watch(target regclass, definition text, functions text[])
returns void
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
    gone text;
    twice text;
begin
    select f.name into twice
    from unnest(functions) f (name) cross join lateral (select parse_ident(f.name) as parts) i
    where (select count(*) from pg_proc p where p.pronamespace = to_regnamespace(quote_ident(i.parts[1]))
           and p.proname = i.parts[2]) > 1
    limit 1;
    if found then
        raise exception 'changes of table % can''t be published: there is another function %', target, twice
            using errcode = 'ambiguous_function',
                  hint = format('Drop the one that webhooks.watch_table() did not make: \df %s', twice);
    end if;
    -- Neither the name nor the number is there: a column that was renamed has its number.
    select string_agg(format('"%s"', c.name), ', ')
    into gone
    from jsonb_array_elements_text(definition::jsonb -> 'webhooks' -> 'all_columns') with ordinality c (name, i)
    join jsonb_array_elements_text(definition::jsonb -> 'webhooks' -> 'numbers') with ordinality n (number, i) using (i)
    where not exists (
        select from pg_attribute a
        where a.attrelid = target and (a.attname = c.name or a.attnum = n.number::smallint) and not a.attisdropped);
    raise exception 'changes of table % can''t be published: %', target,
        coalesce('column ' || gone || ' is gone', 'its schema was renamed, or a function that webhooks.watch_table() '
                                                  'made was dropped')
        using errcode = 'object_not_in_prerequisite_state',
              hint = format('Call webhooks.watch_table(%L, ...) again for the table as it is now, or end the watch: '
                            'select webhooks.unwatch_table(%1$L);', target::text);
end
$$;
comment on function webhooks_private.raise_broken_watch is
    'Raises the error of a watched table whose functions are gone (a column was dropped with CASCADE, or the schema '
    'was renamed) or no longer the only ones of their names.';
grant execute on function webhooks_private.raise_broken_watch to webhooks_publisher;

-- sql/watch/watch_table.sql

create function webhooks_private.is_watch(found pg_trigger)
returns boolean
language sql stable
set search_path = pg_catalog, pg_temp
begin atomic
    select (found).tgname in ('webhooks_insert', 'webhooks_update', 'webhooks_delete', '!webhooks_insert',
                              '!webhooks_update', '!webhooks_delete')
           -- A partition's is its table's.
           and (found).tgparentid = 0
           and webhooks_private.watch_definition((found).tgargs) is not null
           -- Only its owner can have made it so.
           and exists (select from pg_depend d
                       where d.classid = 'pg_proc'::regclass and d.objid = (found).tgfoid and d.deptype = 'x'
                         and d.refobjid = (select e.oid from pg_extension e where e.extname = 'webhooks'));
end;
comment on function webhooks_private.is_watch is
    'Whether watch_table() made a trigger. Part of unwatch_table() and watched_tables.';
grant execute on function webhooks_private.is_watch to webhooks_publisher;

create function webhooks.unwatch_table(target regclass)
returns boolean
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
    watch record;
    made record;
    was_watched boolean := false;
begin
    if target is null then
        raise exception 'no table given'
            using errcode = 'null_value_not_allowed',
                  hint = 'Watched tables are listed by: select * from webhooks.watched_tables;';
    end if;
    for watch in
        select t.tgname, t.tgfoid, p.pronamespace, regexp_replace(p.proname, '_webhooks$', '') as name, p.proowner
        from pg_trigger t join pg_proc p on p.oid = t.tgfoid
        where t.tgrelid = target and webhooks_private.is_watch(t)
    loop
        was_watched := true;
        execute format('drop trigger %I on %s', watch.tgname, target);
        continue when exists (select from pg_trigger t where t.tgfoid = watch.tgfoid);
        for made in
            -- Their names, since the table may have another one by now.
            select p.oid::regprocedure as signature
            from pg_proc p
            where p.pronamespace = watch.pronamespace and p.proowner = watch.proowner
              and p.proname in (watch.name || '_webhooks', watch.name || '_webhook_events',
                                watch.name || '_webhook_same', watch.name || '_webhook_row',
                                watch.name || '_webhook_values')
              and exists (select from pg_depend d where d.classid = 'pg_proc'::regclass and d.objid = p.oid
                          and d.deptype = 'x')
        loop
            -- Those of a former owner stay, and are of no use to anybody.
            continue when not pg_has_role(watch.proowner, 'usage');
            execute format('drop function %s', made.signature);
        end loop;
    end loop;
    return was_watched;
end
$$;
comment on function webhooks.unwatch_table is
    'Reverses watch_table(); false if the table was not watched. For the owner of the table.';
grant execute on function webhooks.unwatch_table to webhooks_publisher;

create function webhooks_private.make_watch_triggers(target regclass, function_name text, definition jsonb)
returns void
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
    operation text;
    trigger_name text;
begin
    foreach operation in array array['insert', 'update', 'delete'] loop
        continue when operation in ('insert', 'delete') and not definition ? ('on_' || operation);
        continue when operation = 'update' and not definition ?| array['on_update', 'on_change'];
        -- Triggers fire in the order of their names: before others change the row again.
        trigger_name := case when (definition -> 'per_row')::boolean then '!' else '' end || 'webhooks_' || operation;
        execute format('create trigger %I after %s on %s %s execute function %s(%L)', trigger_name, operation, target,
                       case when (definition -> 'per_row')::boolean then 'for each row'
                            else concat_ws(' ', 'referencing',
                                           case when operation <> 'insert' then 'old table as old_rows' end,
                                           case when operation <> 'delete' then 'new table as new_rows' end,
                                           'for each statement') end,
                       function_name, jsonb_build_object('webhooks', definition));
        execute format('alter trigger %I on %s depends on extension webhooks', trigger_name, target);
        execute format('comment on trigger %I on %s is %L', trigger_name, target, 'Publishes webhook events; see '
                                                                                  'webhooks.watched_tables.');
    end loop;
end
$$;
comment on function webhooks_private.make_watch_triggers is
    'Makes the triggers of a watched table. Part of watch_table().';
grant execute on function webhooks_private.make_watch_triggers to webhooks_publisher;

create function webhooks_private.warn_of_unwatched_changes(target regclass, definition jsonb)
returns void
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
    relation record;
begin
    select c.relkind, exists (select from pg_inherits i where i.inhparent = target) as has_children,
           exists (select from pg_subscription_rel s where s.srrelid = target) as is_subscribed
    into relation
    from pg_class c
    where c.oid = target;
    if relation.relkind = 'p' and not (definition -> 'per_row')::boolean then
        raise notice 'statements that name a partition of % publish nothing', target
            using hint = 'Have them name the partitioned table, or watch each row by itself with per_row => true.';
    elsif relation.relkind = 'r' and relation.has_children then
        raise notice 'statements that name a table which inherits from % publish nothing', target
            using hint = 'Have them name the parent, or watch the other table as well.';
    end if;
    if relation.is_subscribed then
        raise notice 'what logical replication changes in table % is not published', target
            using hint = concat('To publish it, too, ',
                                case when not (definition -> 'per_row')::boolean then 'watch each row by itself with '
                                                                                      'per_row => true, and ' end,
                                'enable the triggers of the watch with ALTER TABLE ... ENABLE ALWAYS TRIGGER.');
    end if;
end
$$;
comment on function webhooks_private.warn_of_unwatched_changes is
    'Says which changes of a table are not published. Part of watch_table().';
grant execute on function webhooks_private.warn_of_unwatched_changes to webhooks_publisher;

create function webhooks_private.check_watch_condition(target regclass, condition text)
returns void
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
begin
    -- Without parentheses and with: an expression is one either way.
    execute format(E'select from %s as old cross join %1$s as new where %s\nlimit 0', target, condition);
    execute format(E'select from %s as old cross join %1$s as new where (%s\n) limit 0', target, condition);
exception when syntax_error_or_access_rule_violation or data_exception or feature_not_supported then
    raise exception 'invalid condition for table %: %', target, sqlerrm
        using errcode = sqlstate,
              hint = 'Write an SQL expression over the rows old and new, with names qualified that are not '
                     'PostgreSQL''s own: new.status = ''paid'' and app.is_public(new.id). '
                     'Of an insert all columns of old are null, of a deletion all of new.';
end
$$;
comment on function webhooks_private.check_watch_condition is
    'Raises an error unless the condition of a watch is an expression over rows of the table. Part of watch_table().';
grant execute on function webhooks_private.check_watch_condition to webhooks_publisher;

create function webhooks_private.drop_unused_functions(names text[])
returns void
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
    leftover record;
begin
    for leftover in
        select f.name, p.oid::regprocedure as signature, p.proowner::regrole as owner,
               exists (select from pg_depend d where d.classid = 'pg_proc'::regclass and d.objid = p.oid
                       and d.deptype = 'x')
               and not exists (select from pg_trigger t where t.tgfoid = p.oid)
               and pg_has_role(p.proowner, 'usage') as is_ours
        from unnest(names) f (name) cross join lateral (select parse_ident(f.name) as parts) i
        join pg_proc p on p.pronamespace = to_regnamespace(quote_ident(i.parts[1])) and p.proname = i.parts[2]
    loop
        if not leftover.is_ours then
            raise exception 'there is a function % already', leftover.name
                using errcode = 'duplicate_function',
                      hint = format('It is that of role %s: %s. If it is that of a table that was renamed since, '
                                    'call webhooks.watch_table() for that one again. Otherwise drop it or give it '
                                    'another name.',
                                    leftover.owner, leftover.signature);
        end if;
        -- What a watched table leaves behind when it is dropped.
        execute format('drop function %s', leftover.signature);
    end loop;
end
$$;
comment on function webhooks_private.drop_unused_functions is
    'Drops functions of these names that a watched table has left behind. Raises an error if there are others. Part '
    'of watch_table().';
grant execute on function webhooks_private.drop_unused_functions to webhooks_publisher;

create function webhooks_private.own_watch_functions(target regclass, signatures text[])
returns void
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
    made text;
begin
    -- By their signatures: another one's of the same name may have come in between.
    foreach made in array signatures loop
        continue when to_regprocedure(made) is null;
        execute format('revoke all on function %s from public', made);
        execute format('alter function %s owner to %s', made,
                       (select c.relowner::regrole from pg_class c where c.oid = target));
        execute format('alter function %s depends on extension webhooks', made);
        execute format('comment on function %s is %L', made, format('Made by webhooks.watch_table(%L).', target::text));
    end loop;
end
$$;
comment on function webhooks_private.own_watch_functions is
    'Makes those functions that there are the table owner''s, and a part of the extension. Part of watch_table().';
grant execute on function webhooks_private.own_watch_functions to webhooks_publisher;

create function webhooks.watch_table(
    target regclass,
    on_insert text default null,
    on_update text default null,
    on_delete text default null,
    on_change jsonb default null,
    tenant_column name default 'tenant_id',
    tenant_id uuid default null,
    id_column name default null,
    resource_type text default null,
    watch_columns name[] default null,
    condition text default null,
    columns name[] default null,
    except_columns name[] default null,
    per_row boolean default null
)
returns void
language plpgsql volatile
set search_path = pg_catalog, pg_temp
-- What amounts of money in a condition are, here as in the trigger; and names in what is made and said as they are
-- usually written.
set lc_monetary = 'C'
set quote_all_identifiers = off
as $$
#variable_conflict use_variable
declare
    definition jsonb;
    made text;
    names text[];
    signatures text[];
begin
    perform webhooks_private.check_watchable(target);
    select webhooks_private.complete_watch(target, coalesce(jsonb_object_agg(g.key, g.value), '{}'))
    into definition
    from jsonb_each(jsonb_build_object(
        'on_insert', on_insert, 'on_update', on_update, 'on_delete', on_delete, 'on_change', on_change,
        'tenant_column', tenant_column, 'tenant_id', tenant_id, 'id_column', id_column, 'resource_type', resource_type,
        'watch_columns', watch_columns, 'condition', condition, 'columns', columns, 'except_columns', except_columns,
        'per_row', per_row)) g
    where g.value <> 'null';
    perform webhooks_private.check_watch_condition(target, definition ->> 'condition');
    perform webhooks.unwatch_table(target);
    names := webhooks_private.watch_functions(target);
    signatures := array[names[1] || '()',
                        format('%1$s(text,%2$s,%2$s%3$s)', names[2], target,
                               case when (definition -> 'is_wide')::boolean then ',jsonb,jsonb' end),
                        format('%s(%s,%2$s)', names[3], target), format('%s(%s)', names[4], target),
                        format('%s(%s)', names[5], target)];
    perform webhooks_private.drop_unused_functions(names);

    execute webhooks_private.watch_trigger_script(target, definition);
    execute webhooks_private.watch_events_script(target, definition);
    select a.attname into made
    from pg_depend d
    join pg_attribute a on a.attrelid = d.refobjid and a.attnum = d.refobjsubid
    where d.classid = 'pg_proc'::regclass and d.objid = to_regprocedure(signatures[2])
      and d.refclassid = 'pg_class'::regclass and a.attgenerated = 'v';
    if found then
        raise exception 'invalid condition for table %: virtual generated column "%" has no value in a trigger',
            target, made
            using errcode = 'feature_not_supported', hint = 'Write its expression instead.';
    end if;
    if definition ? 'on_update' or definition ? 'on_change' then
        execute webhooks_private.watch_same_script(target, definition);
    end if;
    execute webhooks_private.watch_row_script(target, definition);
    if (definition -> 'is_wide')::boolean then
        execute webhooks_private.watch_values_script(target, definition);
    end if;
    perform webhooks_private.own_watch_functions(target, signatures);
    perform webhooks_private.make_watch_triggers(target, names[1],
                                                 definition - array['categories', 'has_resource_id', 'values',
                                                                    'used', 'is_wide']);
    perform webhooks_private.warn_of_unwatched_changes(target, definition);
end
$$;
comment on function webhooks.watch_table is
    'Publishes an event for each inserted, updated or deleted row of a table, in the same transaction, with the '
    'rights of the owner of the table, who calls the function. It replaces an earlier watch of the table. The '
    'columns of watched_tables describe the parameters.';
-- Watching a table of one's own is a way to publish. All functions in watch/ run with the rights of their caller, and
-- what they make runs with the rights of the owner of the table.
grant execute on function webhooks.watch_table to webhooks_publisher;

-- sql/watch/watched_tables.sql

-- What is watched, and how that goes.

create function webhooks_private.columns_since(target regclass, definition jsonb, events_function text)
returns jsonb
language sql stable
set search_path = pg_catalog, pg_temp
begin atomic
    -- Names tell first. A column that the watch needs was only renamed, and so was one that has the number of a
    -- column whose name is gone; numbers are not what they were if a restore left out dropped columns.
    with known as (
        select n.name, m.number::smallint as number
        from jsonb_array_elements_text(columns_since.definition -> 'all_columns') with ordinality n (name, i)
        left join jsonb_array_elements_text(columns_since.definition -> 'numbers') with ordinality m (number, i)
            using (i)
    ),
    columns as (
        select a.attname::text as name, a.attnum from pg_attribute a
        where a.attrelid = columns_since.target and a.attnum > 0 and not a.attisdropped and a.attgenerated <> 'v'
    )
    select coalesce(jsonb_agg(c.name order by c.attnum), '[]')
    from columns c
    where not exists (select from known k where k.name = c.name)
      and not exists (
          select from pg_depend d
          where d.classid = 'pg_proc'::regclass
            and d.objid in (to_regproc(columns_since.events_function),
                            to_regproc(regexp_replace(columns_since.events_function, '_webhook_events("?)$',
                                                      '_webhook_values\1')))
            and d.refclassid = 'pg_class'::regclass and d.refobjid = columns_since.target and d.refobjsubid = c.attnum)
      and not exists (
          select from known k
          where k.number = c.attnum and not exists (select from columns same where same.name = k.name)
            and not exists (select from known moved join columns same on same.name = moved.name
                            where same.attnum <> moved.number));
end;
comment on function webhooks_private.columns_since is
    'The columns added to a table since it was watched. Part of watched_tables.';
grant execute on function webhooks_private.columns_since to webhooks_publisher;

create view webhooks.watched_tables with (security_invoker = true) as
select
    w.table_name,
    w.owner,
    w.definition ->> 'on_insert' as on_insert,
    w.definition ->> 'on_update' as on_update,
    w.definition ->> 'on_delete' as on_delete,
    w.definition -> 'on_change' as on_change,
    w.definition ->> 'tenant_column' as tenant_column,
    (w.definition ->> 'tenant_id')::uuid as tenant_id,
    w.definition -> 'id_columns' as id_columns,
    w.definition ->> 'resource_type' as resource_type,
    w.definition -> 'watch_columns' as watch_columns,
    nullif(w.definition ->> 'condition', 'true') as condition,
    w.definition -> 'columns' as columns,
    (w.definition -> 'per_row')::boolean as per_row,
    webhooks_private.columns_since(w.table_name, w.definition, w.events_function) as new_columns,
    w.is_enabled,
    case
        when not w.is_enabled then 'a trigger is disabled: such changes are not published'
        when pg_catalog.to_regproc(w.events_function) is null
            then 'a column was dropped, the schema renamed, or there is another function of the name: changes fail; '
                 'call watch_table() again, or unwatch_table()'
        when not pg_catalog.has_table_privilege(w.owner, 'webhooks.event_logs', 'insert')
            then pg_catalog.format('role %s may not publish: changes fail; grant webhooks_publisher to %1$s', w.owner)
        when w.owner <> w.table_owner
            then pg_catalog.format('the table is %s''s now and its changes are still published with the rights of '
                                   '%s, who can read them; call unwatch_table(), have %s and the like dropped, and '
                                   'call watch_table() again',
                                   w.table_owner, w.owner, w.functions)
        when pg_catalog.to_regclass(w.definition ->> 'table') <> w.table_name
            then pg_catalog.format('the table was %s when it was watched, and another table has that name now, whose '
                                   'changes are not published; call watch_table() again for this one, and then for '
                                   'the other if it is to be watched',
                                   w.definition ->> 'table')
        when w.is_subscribed and not (w.is_always and (w.definition -> 'per_row')::boolean)
            then 'what logical replication changes is not published; watch the table with per_row => true, and '
                 'enable the triggers of the watch with ENABLE ALWAYS TRIGGER'
        when not (w.definition -> 'per_row')::boolean and not (w.definition -> 'per_row_given')::boolean
            and webhooks_private.has_other_triggers(w.table_name)
            then 'AFTER triggers, or foreign keys with actions, were made since the table was watched: what they '
                 'change may be published before what they were called for; call watch_table() again'
    end as problem
from (
    select
        t.tgrelid::regclass as table_name,
        c.relowner::regrole as table_owner,
        min(p.proowner)::regrole as owner,
        min(t.tgfoid)::regproc::text as functions,
        webhooks_private.watch_definition((array_agg(t.tgargs))[1]) as definition,
        exists (select from pg_catalog.pg_subscription_rel s where s.srrelid = t.tgrelid) as is_subscribed,
        bool_and(t.tgenabled in ('O', 'A')) as is_enabled,
        bool_and(t.tgenabled = 'A') as is_always,
        min(pg_catalog.format('%I.%I', n.nspname,
                              pg_catalog.regexp_replace(p.proname, '_webhooks$', '_webhook_events'))) as events_function
    from pg_catalog.pg_trigger t
    join pg_catalog.pg_class c on c.oid = t.tgrelid
    join pg_catalog.pg_proc p on p.oid = t.tgfoid
    join pg_catalog.pg_namespace n on n.oid = p.pronamespace
    where webhooks_private.is_watch(t)
    group by t.tgrelid, c.relowner
) w;
comment on view webhooks.watched_tables is 'Watched tables, as watch_table() was called, and whether the watch works.';
comment on column webhooks.watched_tables.table_name is 'The watched table.';
comment on column webhooks.watched_tables.owner is
    'Role with whose rights changes are published: the owner of the table when it was watched.';
comment on column webhooks.watched_tables.on_insert is
    'Event type for inserted rows; null: inserted rows publish nothing.';
comment on column webhooks.watched_tables.on_update is
    'Event type for rows in which a watched column changed; null: such rows publish nothing by themselves.';
comment on column webhooks.watched_tables.on_delete is
    'Event type for deleted rows; null: deleted rows publish nothing.';
comment on column webhooks.watched_tables.on_change is
    'Event types by changed column, and by the new value of the column, written as in a literal of its type.';
comment on column webhooks.watched_tables.tenant_column is 'Column with the tenant; null: see tenant_id.';
comment on column webhooks.watched_tables.tenant_id is 'Tenant of all rows; null: see tenant_column.';
comment on column webhooks.watched_tables.id_columns is
    'Columns that identify a row. They are id in event_data, ordering_key, and resource_id if it is one column of '
    'type uuid.';
comment on column webhooks.watched_tables.resource_type is 'resource_type of the events.';
comment on column webhooks.watched_tables.watch_columns is
    'Watched columns: an UPDATE that changes none of them does not publish on_update.';
comment on column webhooks.watched_tables.condition is
    'SQL expression over old and new that says which changes are published; null: all changes.';
comment on column webhooks.watched_tables.columns is 'Columns that are sent.';
comment on column webhooks.watched_tables.per_row is
    'True: each row is published by itself. False: the rows that a statement changed are published at once.';
comment on column webhooks.watched_tables.new_columns is
    'Columns that were added to the table since it was watched. watch_table() called again takes them into account.';
comment on column webhooks.watched_tables.is_enabled is 'False: the DBA disabled a trigger of the watch.';
comment on column webhooks.watched_tables.problem is 'What is wrong, and what to do; null: nothing is wrong.';
grant select on webhooks.watched_tables to webhooks_publisher;

-- sql/operations/adopt_database.sql

-- Which database this outbox is. A copy, such as production restored as staging, has production's subscriptions and
-- outstanding deliveries, and must not make them a second time. So the database's identity is a row that is dumped
-- and copied along: where it names another database, nothing is delivered until adopt_database() says what becomes of
-- what is outstanding. balance_shards() and load_subscriptions() ask: without shards and without URLs there are no
-- deliveries.
--
-- A promoted standby, and any other copy of the server's files, is the same database to PostgreSQL: it has the same
-- system identifier and oid. Of such copies release_database() makes another one.

create table webhooks_private.database_bindings (
    system_identifier bigint not null,
    database_oid oid not null,
    database_name name,
    bound_at timestamptz not null default now()
);
-- No key: a dump that comes back to its own database brings the row that is there already. Without one, logical
-- replication of all tables would refuse adopt_database().
alter table webhooks_private.database_bindings replica identity full;
comment on table webhooks_private.database_bindings is
    'Databases that the deliveries of this one belong to. Deliveries are made only while there is a row, and each '
    'names this database: see adopt_database().';
comment on column webhooks_private.database_bindings.system_identifier is
    'System identifier of the server, from pg_control_system(); 0: no server, after a restore or release_database().';
comment on column webhooks_private.database_bindings.database_oid is 'Oid of the database, from pg_database.';
comment on column webhooks_private.database_bindings.database_name is
    'Name of the database at that time. A renamed database stays the same.';
comment on column webhooks_private.database_bindings.bound_at is
    'Time at which the database was created, adopted, restored or released.';
select pg_catalog.pg_extension_config_dump('webhooks_private.database_bindings', '');

create function webhooks_private.bind_database()
returns void
language sql volatile
set search_path = pg_catalog, pg_temp
begin atomic
    delete from webhooks_private.database_bindings;
    insert into webhooks_private.database_bindings (system_identifier, database_oid, database_name)
    select c.system_identifier, d.oid, d.datname
    from pg_control_system() c, pg_database d
    where d.datname = current_database();
end;
comment on function webhooks_private.bind_database is
    'Makes this database the one that delivers. Part of adopt_database().';

-- A dump's row is added to this one when it is restored.
select webhooks_private.bind_database();

create function webhooks.is_adopted()
returns boolean
language sql stable security definer
set search_path = pg_catalog, pg_temp
begin atomic
    select coalesce(bool_and(b.system_identifier = c.system_identifier and b.database_oid = d.oid), false)
    from webhooks_private.database_bindings b, pg_control_system() c, pg_database d
    where d.datname = current_database();
end;
comment on function webhooks.is_adopted is
    'Returns whether deliveries are made from this database. In a copy of a database it is false until '
    'adopt_database() is called.';
grant execute on function webhooks.is_adopted to webhooks_manager, webhooks_monitor;

create function webhooks_private.check_adopted()
returns void
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    if not webhooks.is_adopted() then
        raise exception 'database "%" is a copy: nothing is delivered from it until it is adopted', current_database()
            using errcode = 'WHCPY',
                  detail = coalesce((
                      select format('Its deliveries belong to database "%s" (oid %s) of the server with system '
                                    'identifier %s.',
                                    b.database_name, b.database_oid, b.system_identifier)
                      from webhooks_private.database_bindings b where b.system_identifier <> 0
                          order by b.bound_at desc limit 1),
                      'Its deliveries belong to no database in particular.'),
                  hint = 'As its owner, cancel what is outstanding: select webhooks.adopt_database(outstanding => '
                         '''cancel''); '
                         'or, if the original is gone for good, deliver it from here: select '
                         'webhooks.adopt_database(outstanding => ''keep'');';
    end if;
end
$$;
comment on function webhooks_private.check_adopted is
    'Raises an error (SQLSTATE WHCPY) in a database that is not adopted. Part of balance_shards() and '
    'load_subscriptions().';
grant execute on function webhooks_private.check_adopted to webhooks_sidecar;

create function webhooks_private.adopt_if_empty()
returns void
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    -- A template's row is alone. Of two, one came from elsewhere: subscriptions may be about to follow it.
    if not webhooks.is_adopted() and (select count(*) = 1 from webhooks_private.database_bindings)
        and not exists (select from webhooks.webhook_subscriptions)
        and not exists (select from webhooks.delivery_queue) then
        lock table webhooks_private.database_bindings in share row exclusive mode;
        perform webhooks_private.bind_database();
    end if;
end
$$;
comment on function webhooks_private.adopt_if_empty is
    'Adopts a copy that has nothing to deliver and nobody to deliver to, such as one of a template database, unless '
    'it was restored or released. Part of join_sidecars().';
grant execute on function webhooks_private.adopt_if_empty to webhooks_sidecar;

create function webhooks_private.cancel_all_outstanding(reason text)
returns bigint
language sql volatile
set search_path = pg_catalog, pg_temp
begin atomic
    with gone as (
        delete from webhooks.delivery_queue q returning q.*
    ),
    logged as (
        insert into webhooks.delivery_attempts
            (delivery_id, delivery_attempt, attempted_at, subscription_id, event_log_id, tenant_id, delivery_status,
             error_message, is_test)
        select g.id, g.attempt + 1, clock_timestamp(), g.subscription_id, g.event_log_id, g.tenant_id, 'cancelled',
               cancel_all_outstanding.reason,
               case when g.shard >= webhooks_private.shard_count() then true end
        from gone g
        on conflict do nothing
    )
    select count(*) from gone;
end;
comment on function webhooks_private.cancel_all_outstanding is
    'Cancels what is outstanding of all tenants, and returns how many: the log has them as cancelled, with the '
    'reason. Part of adopt_database().';

create function webhooks.adopt_database(outstanding text)
returns bigint
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    deliveries bigint;
    former jsonb;
begin
    if outstanding is null or outstanding not in ('keep', 'cancel') then
        raise exception 'outstanding is %', coalesce(quote_literal(left(outstanding, 100)), 'null')
            using errcode = 'invalid_parameter_value',
                  hint = 'Give ''cancel'' for a copy whose original goes on, such as staging: what is outstanding is '
                         'not delivered from here. '
                         'Give ''keep'' if this database takes the original''s place: what is outstanding is '
                         'delivered from here.';
    end if;
    lock table webhooks_private.database_bindings in share row exclusive mode;
    if webhooks.is_adopted() then
        raise exception 'database "%" is adopted already', current_database()
            using errcode = 'object_not_in_prerequisite_state',
                  hint = 'Nothing was changed. If it is a copy of the server''s files, which PostgreSQL can''t tell '
                         'from the original, call webhooks.release_database() first.';
    end if;
    select jsonb_agg(jsonb_build_object(
               'system_identifier', b.system_identifier::text, 'database_oid', b.database_oid::bigint,
               'database_name', b.database_name))
    into former
    from webhooks_private.database_bindings b;
    if outstanding = 'cancel' then
        deliveries := webhooks_private.cancel_all_outstanding('cancelled: the database is a copy');
    else
        select count(*) into deliveries from webhooks.delivery_queue;
    end if;
    perform webhooks_private.bind_database();
    perform webhooks_private.audit('adopted', 'database', current_database(), before => former,
                           after => jsonb_build_object('outstanding', outstanding, 'deliveries', deliveries));
    return deliveries;
end
$$;
comment on function webhooks.adopt_database is
    'Makes a copy of a database (restored, copied with CREATE DATABASE, upgraded) deliver, and cancels or keeps the '
    'outstanding deliveries: ''cancel'' or ''keep''. Returns their number. New events are delivered to the '
    'subscriptions in the copy. For copies of the files of a server see release_database().';

create function webhooks.release_database()
returns void
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    insert into webhooks_private.database_bindings (system_identifier, database_oid) values (0, 0);
    perform webhooks_private.audit('released', 'database', current_database());
end
$$;
comment on function webhooks.release_database is
    'Stops deliveries from this database until adopt_database() is called. It is for a copy of the files of a server '
    '(a snapshot, a promoted standby), which PostgreSQL cannot distinguish from the original.';

-- A restore of subscriptions into a database where sidecars run: from that statement on they are not delivered to. No
-- restore calls create_subscription() and its like.
create function webhooks_private.release_restored()
returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    callers text;
begin
    if webhooks_private.is_restoring() and webhooks.is_adopted() then
        get diagnostics callers = pg_context;
        if callers !~ '\mwebhooks_private"?\."?insert_subscription"?\(' then
            insert into webhooks_private.database_bindings (system_identifier, database_oid) values (0, 0);
            raise warning 'subscriptions are restored: nothing is delivered from database "%" until it is adopted',
                current_database()
                using hint = 'The role owns the extension, and check_function_bodies is off as in a restore. If this '
                             'is none: select webhooks.adopt_database(outstanding => ''keep'');';
        end if;
    end if;
    return null;
end
$$;
comment on function webhooks_private.release_restored is
    'Trigger: a database that subscriptions are restored into is a copy. See release_database().';

create trigger release_restored
    after insert on webhooks.webhook_subscriptions
    for each statement execute function webhooks_private.release_restored();

-- sql/operations/partitions.sql

-- How the four partitioned tables are divided:
--
-- - A partition for each day (or month) from the day of CREATE EXTENSION on, made some days ahead by create_partitions().
-- - event_logs takes ids of the caller's own. Those that are not of now must not get in the way of the days to come, so
--   there are two more partitions: event_logs_past for ids from before the first day, and event_logs_future for ids from
--   2050 on. Of random ids (UUIDv4) 99 % are in the latter.
-- - The default partition has what is left: random ids that happen to fall between the last day made and 2050 (1 of 400),
--   and rows of days for which no partition was made, because nothing called maintain().
--
-- A new partition scans the default one while it locks it, unless a validated CHECK constraint tells that there is
-- nothing to find. So create_partitions() makes one such constraint for all new partitions, which is one scan, and
-- where that would take long it does so in two calls: the constraint is added by the first one as NOT VALID, which
-- locks but does not scan, and validated by the second one, which scans but does not lock. What lies in default and
-- belongs to a new partition is moved into it by the same transaction, so that it is always seen exactly once.

create function webhooks_private.partitioned_tables()
returns table (parent text, key text, span text)
language sql immutable parallel safe
begin atomic
    values
        ('event_logs', 'id', 'day'), ('delivery_attempts', 'delivery_id', 'day'),
        -- Few rows, kept for years: by the day they would be thousands of tables.
        ('redeliveries', 'delivery_id', 'month'), ('audit_log', 'id', 'month');
end;
comment on function webhooks_private.partitioned_tables is
    'Partitioned tables, the key of each, and whether a partition is of a day or of a month.';

create function webhooks_private.future_ids()
returns uuid
language sql immutable parallel safe
return webhooks.uuid_v7_floor('2050-01-01 00:00Z');
comment on function webhooks_private.future_ids is
    'The first id of event_logs_future: no day that is of use has ids from here on.';

create function webhooks_private.first_partition_day(parent text)
returns date
language sql stable parallel safe
set search_path = pg_catalog, pg_temp
begin atomic
    select min(right(c.relname, 8))::date
    from pg_inherits i
    join pg_class c on c.oid = i.inhrelid
    where i.inhparent = ('webhooks.' || first_partition_day.parent)::regclass and c.relname ~ '_[0-9]{8}$';
end;
comment on function webhooks_private.first_partition_day is
    'First day (UTC) that has a partition of its own; null: none has.';

create function webhooks_private.partition_range(parent text, partition text, out lower_id uuid, out upper_id uuid)
language sql stable parallel safe
set search_path = pg_catalog, pg_temp
begin atomic
    select
        case partition_range.partition
            when 'event_logs_past' then null
            when 'event_logs_future' then webhooks_private.future_ids()
            else webhooks.uuid_v7_floor(d.first_day at time zone 'UTC')
        end,
        case partition_range.partition
            when 'event_logs_past' then webhooks.uuid_v7_floor(
                coalesce(webhooks_private.first_partition_day('event_logs'),
                         (now() at time zone 'UTC')::date)::timestamp at time zone 'UTC')
            when 'event_logs_future' then null
            else webhooks.uuid_v7_floor((d.first_day + ('1 ' || t.span)::interval) at time zone 'UTC')
        end
    from webhooks_private.partitioned_tables() t
    cross join lateral (
        select case when partition_range.partition ~ '_[0-9]{8}$'
            then right(partition_range.partition, 8)::date::timestamp end as first_day
    ) d
    where t.parent = partition_range.parent;
end;
comment on function webhooks_private.partition_range is
    'The ids that a partition to be made is for: from lower_id (null: the least) up to, not including, upper_id '
    '(null: all).';

create function webhooks_private.late_days(parent text)
returns setof date
language plpgsql stable
set search_path = pg_catalog, pg_temp
-- A look-up for each day, however many rows default has.
set plan_cache_mode = force_custom_plan
set enable_seqscan = off
set enable_bitmapscan = off
as $$
#variable_conflict use_column
declare
    key text;
    span text;
    today date;
    found_id uuid;
    next_id uuid := webhooks.uuid_v7_floor(webhooks_private.first_partition_day(parent)::timestamp at time zone 'UTC');
    late_day date;
begin
    select t.key, t.span, date_trunc(t.span, now() at time zone 'UTC')::date into key, span, today
    from webhooks_private.partitioned_tables() t where t.parent = late_days.parent;
    while next_id is not null loop
        -- Not of UUIDv4: a random id is no reason to make a partition for a day that was dropped long ago.
        execute format('select %1$I from webhooks_private.%2$I where %1$I >= %3$L and %1$I < %4$L and '
                       'substr(%1$I::text, 15, 1) <> ''4'' order by 1 limit 1',
                       key, parent || '_default', next_id, webhooks.uuid_v7_floor(today::timestamp at time zone 'UTC'))
        into found_id;
        exit when found_id is null;
        late_day := date_trunc(span, webhooks.uuid_v7_time(found_id) at time zone 'UTC');
        return next late_day;
        next_id := webhooks.uuid_v7_floor((late_day + ('1 ' || span)::interval) at time zone 'UTC');
    end loop;
end
$$;
comment on function webhooks_private.late_days is
    'Days (or months) before today whose rows lie in a default partition, since there was no partition when they '
    'were written.';

create function webhooks_private.missing_partitions(parent text, days_ahead integer)
returns setof text
language sql stable
set search_path = pg_catalog, pg_temp
begin atomic
    select m.partition
    from (
        select missing_partitions.parent || '_' || to_char(d.first_day, 'YYYYMMDD') as partition
        from webhooks_private.partitioned_tables() t
        cross join lateral (
            select date_trunc(t.span, now() at time zone 'UTC' + make_interval(days => g.n)) as first_day
            from generate_series(0, missing_partitions.days_ahead) g (n)
            union
            select l.day from webhooks_private.late_days(missing_partitions.parent) l (day)
        ) d
        where t.parent = missing_partitions.parent
        union all
        select v.partition from (values ('event_logs_past'), ('event_logs_future')) v (partition)
        where missing_partitions.parent = 'event_logs'
    ) m
    where to_regclass('webhooks_private.' || m.partition) is null
    order by m.partition;
end;
comment on function webhooks_private.missing_partitions is
    'Names of the partitions that create_partitions() is to make.';

create function webhooks_private.refuse_future_id()
returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    if substr(new.id::text, 15, 1) = '7' and new.id >= webhooks.uuid_v7_floor(now() + interval '1 day')
        and not webhooks_private.is_restoring() then
        raise exception 'event id % is a UUIDv7 of %, more than a day ahead', new.id,
                        case when new.id < webhooks_private.future_ids()
                            then to_char(webhooks.uuid_v7_time(new.id) at time zone 'UTC', 'YYYY-MM-DD')
                                else '2050 or later' end
            using errcode = 'check_violation', schema = 'webhooks', table = 'event_logs', column = 'id',
                  hint = 'A UUIDv7 tells when it was made: check the clock of whoever made it, or leave the id out. '
                         'Ids of the past and of other versions are accepted.';
    end if;
    -- The constraint itself would refuse it, too, with all of the event in its error.
    if exists (
        select from pg_constraint c
        where c.conrelid = tg_relid and c.conname = 'no_row_of_new_partitions'
          and strpos(obj_description(c.oid, 'pg_constraint'), 'event_logs_'
                     || to_char(webhooks.uuid_v7_time(new.id) at time zone 'UTC', 'YYYYMMDD')) > 0
    ) then
        raise exception 'the partition for event id % is being made', new.id
            using errcode = 'serialization_failure',
                  hint = 'Publish again in a moment. If this goes on, complete it: select webhooks.maintain();';
    end if;
    return new;
end
$$;
comment on function webhooks_private.refuse_future_id is
    'Trigger on the partitions of event_logs that are of no day: refuses a UUIDv7 of a day that is still to come and '
    'has no partition yet, which it would keep from being made, and any id of a partition that is being made.';

create trigger a10_refuse_future_id before insert on webhooks_private.event_logs_default
    for each row execute function webhooks_private.refuse_future_id();

-- sql/operations/create_partitions.sql

-- Making partitions (see partitions.sql): what takes long comes first and locks nothing that others wait for, what
-- locks the default partition comes last.

create function webhooks_private.rows_in_default(parent text, partition text)
returns text
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
    ids record := webhooks_private.partition_range(parent, partition);
    key text;
begin
    select t.key into key from webhooks_private.partitioned_tables() t where t.parent = rows_in_default.parent;
    return format('webhooks_private.%I d where ', parent || '_default') || concat_ws(' and ',
        case when ids.lower_id is not null then format('d.%I >= %L', key, ids.lower_id) end,
        case when ids.upper_id is not null then format('d.%I < %L', key, ids.upper_id) end);
end
$$;
comment on function webhooks_private.rows_in_default is
    'FROM and WHERE of a query for the rows of a partition to be made that lie in the default partition.';

create function webhooks_private.move_from_default(parent text, partition text)
returns bigint
language plpgsql volatile
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
as $$
declare
    has_rows boolean;
    moved bigint;
begin
    -- A DELETE of nothing would need the right to delete, which for the audit log only superusers have.
    execute format('select exists (select from %s)', webhooks_private.rows_in_default(parent, partition)) into has_rows;
    if not has_rows then
        return 0;
    end if;
    execute format('with moved as (delete from %s returning d.*) insert into webhooks_private.%I select m.* from '
                   'moved m',
                   webhooks_private.rows_in_default(parent, partition), partition);
    get diagnostics moved = row_count;
    return moved;
end
$$;
comment on function webhooks_private.move_from_default is
    'Moves the rows of a partition that is about to be attached out of the default partition; returns how many.';

create function webhooks_private.has_too_many_rows(parent text, partition text, move_rows bigint)
returns boolean
language plpgsql volatile
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
as $$
declare
    found_rows bigint;
begin
    execute format('select count(*) from (select from %s limit %s) r',
                   webhooks_private.rows_in_default(parent, partition), move_rows + 1)
    into found_rows;
    if found_rows > move_rows then
        raise warning 'partition % is not made: more than % rows of it lie in %_default', partition, move_rows, parent
            using hint = format('Move them at a quiet time: select webhooks.create_partitions(move_rows => %s);',
                                10 * greatest(move_rows, 100000));
    end if;
    return found_rows > move_rows;
end
$$;
comment on function webhooks_private.has_too_many_rows is
    'Whether more than so many rows of a partition to be made lie in the default partition; if so, a warning says it.';

create function webhooks_private.default_check(parent text, partitions text[])
returns text
language sql stable
set search_path = pg_catalog, pg_temp
begin atomic
    -- Days that follow each other are one range: for each partition the server looks at all of them.
    select string_agg(concat_ws(' or ', case when r.lower_id is not null then format('%I < %L', t.key, r.lower_id) end,
                                        case when r.upper_id is not null
                                            then format('%I >= %L', t.key, r.upper_id) end), ') and (')
    from (
        select (array_agg(b.lower_id order by b.lower_id nulls first))[1] as lower_id,
               (array_agg(b.upper_id order by b.upper_id desc nulls first))[1] as upper_id
        from (
            select s.*, count(*) filter (where s.is_start) over (order by s.lower_id nulls first) as n
            from (
                select b.*, lag(b.upper_id) over (order by b.lower_id nulls first) is distinct from b.lower_id as is_start
                from unnest(default_check.partitions) p (partition)
                cross join lateral webhooks_private.partition_range(default_check.parent, p.partition) b
            ) s
        ) b
        group by b.n
    ) r
    cross join webhooks_private.partitioned_tables() t
    where t.parent = default_check.parent;
end;
comment on function webhooks_private.default_check is
    'A condition that holds for every row of a default partition of which these partitions can be made.';

create function webhooks_private.prepare_default(parent text, partitions text[])
returns boolean
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
    wanted constant text := array_to_string(partitions, ' ');
    prepared text;
begin
    select obj_description(c.oid, 'pg_constraint') into prepared
    from pg_constraint c
    where c.conrelid = ('webhooks_private.' || parent || '_default')::regclass
      and c.conname = 'no_row_of_new_partitions';
    if prepared = wanted then
        return true;
    end if;
    -- Days have gone by, or nothing is to be made any more.
    if found then
        execute format('alter table webhooks_private.%I drop constraint no_row_of_new_partitions',
                       parent || '_default');
    end if;
    if wanted <> '' then
        execute format('alter table webhooks_private.%I add constraint no_row_of_new_partitions check ((%s)) not valid',
                       parent || '_default', webhooks_private.default_check(parent, partitions));
        execute format('comment on constraint no_row_of_new_partitions on webhooks_private.%I is %L',
                       parent || '_default', wanted);
        raise notice 'partitions of % are attached by the next call: % is large', parent, parent || '_default'
            using hint = 'Call it again soon: select webhooks.maintain(); a sidecar does so at once.';
    end if;
    return false;
end
$$;
comment on function webhooks_private.prepare_default is
    'First of the two steps of making partitions beside a large default partition: adds the constraint that the '
    'second one validates. True if an earlier call did so.';

create function webhooks_private.prepared_tables()
returns bigint
language sql stable
set search_path = pg_catalog, pg_temp
begin atomic
    select count(*) from pg_constraint c
    where c.connamespace = 'webhooks_private'::regnamespace and c.conname = 'no_row_of_new_partitions';
end;
comment on function webhooks_private.prepared_tables is
    'Of how many tables prepare_default() has prepared partitions that the next call of create_partitions() makes.';

create function webhooks_private.partition_now(parent text)
returns text
language sql stable
set search_path = pg_catalog, pg_temp
begin atomic
    select t.parent || '_' || to_char(date_trunc(t.span, now() at time zone 'UTC'), 'YYYYMMDD')
    from webhooks_private.partitioned_tables() t where t.parent = partition_now.parent;
end;
comment on function webhooks_private.partition_now is 'Name of the partition that rows written now belong to.';

create function webhooks_private.create_partition_table(parent text, partition text)
returns void
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
begin
    execute format('create table webhooks_private.%I (like webhooks_private.%I including all)', partition,
                   parent || '_template');
    -- Read through the parent it is the parent's policies that count; read by itself, with a grant by mistake: nothing.
    execute format('alter table webhooks_private.%I enable row level security', partition);
    if partition in ('event_logs_past', 'event_logs_future') then
        execute format('comment on table webhooks_private.%I is %L', partition, case partition
            when 'event_logs_past' then 'Events with an id of the caller''s own that is lower than those of the '
                                        'first day.'
            else 'Events with an id of the caller''s own that is not of this time: most random ones (UUIDv4).' end);
    end if;
    if partition = 'event_logs_future' then
        execute format('create trigger a10_refuse_future_id before insert on webhooks_private.%I
                        for each row execute function webhooks_private.refuse_future_id()', partition);
    elsif parent = 'audit_log' then
        -- A statement on a partition fires that partition's triggers alone.
        execute format('create trigger append_only before update or delete or truncate on webhooks_private.%I
                        for each statement execute function webhooks_private.refuse_change()', partition);
    end if;
end
$$;
comment on function webhooks_private.create_partition_table is 'Makes the table of a partition, not yet attached.';

create function webhooks_private.attach_partitions(parent text, partitions text[])
returns void
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
    partition text;
    ids record;
    default_table constant text := parent || '_default';
    is_prepared constant boolean := exists (
        select from pg_constraint c
        where c.conrelid = ('webhooks_private.' || parent || '_default')::regclass
          and c.conname = 'no_row_of_new_partitions');
    -- Of an empty table there is nothing to scan.
    is_empty constant boolean := pg_relation_size(('webhooks_private.' || parent || '_default')::regclass) = 0;
begin
    if is_prepared then
        execute format('alter table webhooks_private.%I validate constraint no_row_of_new_partitions', default_table);
    elsif not is_empty then
        execute format('alter table webhooks_private.%I add constraint no_row_of_new_partitions check ((%s))',
                       default_table, webhooks_private.default_check(parent, partitions));
    end if;
    foreach partition in array partitions loop
        ids := webhooks_private.partition_range(parent, partition);
        execute format('alter table webhooks.%I attach partition webhooks_private.%I for values from (%s) to (%s)',
                       parent, partition,
                       coalesce(quote_literal(ids.lower_id), 'minvalue'),
                       coalesce(quote_literal(ids.upper_id), 'maxvalue'));
    end loop;
    if is_prepared or not is_empty then
        execute format('alter table webhooks_private.%I drop constraint no_row_of_new_partitions', default_table);
    end if;
end
$$;
comment on function webhooks_private.attach_partitions is
    'Attaches tables as partitions, with one scan of the default partition for all of them; without a lock on it '
    'while it is scanned, if prepare_default() did its part.';

create function webhooks_private.make_partitions(parent text, partitions text[], move_rows bigint)
returns integer
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
    partition text;
    now_partition constant text := webhooks_private.partition_now(parent);
    default_table constant regclass := 'webhooks_private.' || parent || '_default';
    -- 16 MB are read in some 20 ms.
    is_large constant boolean := pg_relation_size(default_table) > 16777216;
    hour_ago constant uuid := webhooks.uuid_v7_floor(now() - interval '1 hour');
    in_a_day constant uuid := webhooks.uuid_v7_floor(now() + interval '1 day');
begin
    if is_large then
        if now_partition = any (partitions) then
            raise warning 'partition % is not made until its time is over: % is large and rows of today are in it',
                now_partition, default_table
                using hint = 'maintain() moves them then. The coming days get their partitions now.';
        end if;
        -- Not those whose rows are being written, or may be before the next call: until then default would refuse them.
        partitions := array(
            select p.partition
            from unnest(partitions) p (partition)
            cross join lateral webhooks_private.partition_range(make_partitions.parent, p.partition) r
            where r.lower_id > in_a_day or r.upper_id < hour_ago or p.partition = 'event_logs_past');
    end if;
    if pg_relation_size(default_table) > 0 then
        partitions := array(
            select p.partition from unnest(partitions) p (partition)
            where not webhooks_private.has_too_many_rows(make_partitions.parent, p.partition,
                                                         make_partitions.move_rows));
    end if;
    -- Where default is being written to, locks must be short.
    if is_large or now_partition = any (partitions) then
        partitions := partitions[: 24];
    end if;
    if not webhooks_private.prepare_default(parent, case when is_large then partitions else '{}' end) and is_large
        or partitions = '{}' then
        return 0;
    end if;
    foreach partition in array partitions loop
        perform webhooks_private.create_partition_table(parent, partition);
        -- What is written meanwhile is less each time.
        for i in 1 .. 5 loop
            exit when webhooks_private.move_from_default(parent, partition) < 100;
        end loop;
    end loop;
    if now_partition = any (partitions) then
        -- Rows are under way to the default partition, which refuses them once it is narrowed: let their transactions
        -- end first, and new ones wait at the parent until the new partition is there.
        execute format('lock table webhooks.%I in share row exclusive mode', parent);
        perform webhooks_private.move_from_default(parent, now_partition);
    else
        -- Before default, as everybody else.
        execute format('lock table webhooks.%I in share update exclusive mode', parent);
    end if;
    perform webhooks_private.attach_partitions(parent, partitions);
    return cardinality(partitions);
end
$$;
comment on function webhooks_private.make_partitions is
    'Makes these partitions of a table, all or none; returns how many.';

create function webhooks.create_partitions(days_ahead integer default null, move_rows bigint default 100000)
returns integer
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
-- Whoever needs what is locked waits no longer than this while somebody else keeps the lock from being granted: there
-- are days to try again. And sooner than deadlock_timeout: who writes to two of these tables may hold one lock and
-- wait for the other.
set lock_timeout = '90ms'
as $$
declare
    days constant bigint := coalesce(days_ahead, webhooks_private.setting('partition_days_ahead'));
    parent text;
    made integer := 0;
begin
    if days not between 1 and 366 then
        raise exception 'days_ahead is %, not between 1 and 366', days
            using errcode = 'invalid_parameter_value',
                  hint = 'Call webhooks.create_partitions() for the setting partition_days_ahead.';
    end if;
    if move_rows is null or move_rows < 0 then
        raise exception 'move_rows is %', coalesce(move_rows::text, 'null')
            using errcode = 'invalid_parameter_value', hint = 'Give 0 or more: 100000 take about five seconds.';
    end if;
    perform webhooks_private.lock_xact(webhooks_private.change_lock(), 0);
    -- Publishers and claims need the default partition of event_logs: it is locked last.
    foreach parent in array array['audit_log', 'redeliveries', 'delivery_attempts', 'event_logs'] loop
        begin
            made := made + webhooks_private.make_partitions(
                parent, array(select m.partition
                              from webhooks_private.missing_partitions(parent, days::integer) m (partition)),
                              move_rows);
        -- Default got another row of a new partition just then.
        exception when lock_not_available or check_violation or deadlock_detected or insufficient_privilege then
            raise warning 'partitions of % can''t be made now: %', parent, sqlerrm
                using errcode = sqlstate, hint = 'maintain() tries again. If this goes on, see pg_stat_activity for '
                                                 'long transactions that use the table.';
        end;
    end loop;
    return made;
end
$$;
comment on function webhooks.create_partitions is
    'Makes partitions for today and the given number of days ahead (by default the setting partition_days_ahead), '
    'and returns their number. Partitions are named for their first day (UTC). Those of event_logs and '
    'delivery_attempts cover a day, those of redeliveries and audit_log a month. Rows in a default partition that '
    'belong to a new partition are moved, up to move_rows for each partition; a warning names a partition with more. '
    'Publishers are not blocked for long: next to a large default partition two calls are needed, and while the '
    'default partition holds rows of today, a call makes at most 24 partitions. Call the function until it returns 0.';

-- sql/operations/expire_deliveries.sql

-- A sidecar records what expires while its turn comes, and a retry that would come too late is due when the delivery
-- expires. What no sidecar takes a look at is found here, whatever holds it back: a subscription that is disabled,
-- not verified, slow or behind an open breaker, a lane that is blocked, or deliver_after.

create function webhooks_private.expire_deliveries(max_deliveries integer default 10000)
returns bigint
language plpgsql volatile
set search_path = pg_catalog, pg_temp
-- As in claim_deliveries(): whatever the statistics say of the queue.
set plan_cache_mode = force_custom_plan
set enable_seqscan = off
set enable_bitmapscan = off
as $$
declare
    max_age constant interval := make_interval(secs => webhooks_private.setting('max_delivery_age_seconds'));
    overdue constant timestamptz := clock_timestamp();
    -- Five minutes are the longest timeout there is.
    oldest constant timestamptz := overdue - max_age - interval '330 s';
    old_id constant uuid := webhooks.uuid_v7_floor(oldest);
    ids uuid[];
    old_ids uuid[];
    first_event uuid;
    last_event uuid;
    expired bigint;
begin
    -- What somebody has locked is left for later, and hides nobody else's.
    ids := array(
        select q.id from webhooks.delivery_queue q
        where q.expires_at <= overdue
          -- A request that began in time may still be under way: what it brings counts.
          and q.expires_at <= overdue - make_interval(secs => 30 + coalesce(
              (select s.timeout_seconds from webhooks.webhook_subscriptions s where s.id = q.subscription_id), 30))
        order by q.expires_at limit expire_deliveries.max_deliveries
        for update of q skip locked);
    select array_agg(o.id), (array_agg(o.event_log_id order by o.event_log_id))[1],
           (array_agg(o.event_log_id order by o.event_log_id desc))[1]
    into old_ids, first_event, last_event
    from (
        select q.id, q.event_log_id from webhooks.delivery_queue q
        -- What deliver_after puts off is not old.
        where q.id < old_id and (q.attempt > 0 or q.next_attempt_at is null)
        order by q.id limit expire_deliveries.max_deliveries
        for update of q skip locked
    ) o;
    -- As claim_deliveries() counts the age.
    ids := ids || array(
        select q.id
        from webhooks.delivery_queue q
        left join lateral (
            select e.deliver_after from webhooks.event_logs e
            where e.id = q.event_log_id and e.id between first_event and last_event limit 1
        ) e on true
        where q.id = any (old_ids) and e.deliver_after > oldest is not true);
    with gone as (
        delete from webhooks.delivery_queue q
        where q.id = any (ids)
        returning q.*
    ),
    logged as (
        insert into webhooks.delivery_attempts
            (delivery_id, delivery_attempt, attempted_at, subscription_id, event_log_id, tenant_id, delivery_status,
             error_message, failure, is_test)
        select g.id, g.attempt + 1, clock_timestamp(), g.subscription_id, g.event_log_id, g.tenant_id, 'expired',
               m.error_message, webhooks_private.failure_kind(m.error_message),
               case when g.shard >= webhooks_private.shard_count() then true end
        from gone g
        cross join (values ('expires_at or max_delivery_age_seconds has passed; nothing was sent')) m (error_message)
        on conflict do nothing
    ),
    -- What waited behind them in their lanes may go.
    rung as (
        select webhooks_private.ring_doorbell(l.shard)
            from (select distinct g.shard from gone g where g.lane is not null) l
    )
    select count(*) + 0 * (select count(*) from rung) into expired from gone;
    return expired;
end
$$;
comment on function webhooks_private.expire_deliveries is
    'Ends outstanding deliveries that have expired while something holds them back, at most so many for each of the '
    'two reasons: the log has them as expired. Part of maintain().';

-- sql/operations/foreign_keys.sql

-- Tenants and users belong to the application: foreign keys to its tables are the DBA's choice. pg_dump does
-- not dump constraints of an extension's tables, so what is linked is a row, and maintain() links it again.

create table webhooks_private.linked_tables (
    kind text primary key,
    table_name text not null,
    id_column text not null,
    constraint linked_tables_kind_check check (kind in ('tenants', 'users'))
);
comment on table webhooks_private.linked_tables is
    'The application''s tables that link_tenants() and link_users() made foreign keys to.';
comment on column webhooks_private.linked_tables.kind is 'tenants or users.';
comment on column webhooks_private.linked_tables.table_name is 'Qualified name of the table of the application.';
comment on column webhooks_private.linked_tables.id_column is 'Key column of the table, of type uuid.';
select pg_catalog.pg_extension_config_dump('webhooks_private.linked_tables', '');

create function webhooks_private.forget_tenants()
returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    execute format(
        'with gone as (select %I as id from gone_tenants),
              queue as (delete from webhooks.delivery_queue q using gone where q.tenant_id = gone.id),
              keys as (delete from webhooks_private.idempotency_keys k using gone where k.tenant_id = gone.id),
              redeliveries as (delete from webhooks.redeliveries r using gone where r.tenant_id = gone.id),
              restored as (delete from webhooks.restored_events r using gone where r.tenant_id = gone.id),
              limits as (delete from webhooks.tenant_limits l using gone where l.tenant_id = gone.id),
              templates as (delete from webhooks.subscription_templates t using gone where t.tenant_id = gone.id)
         delete from webhooks.delivery_attempts a using gone where a.tenant_id = gone.id',
        tg_argv[0]);
    return null;
end
$$;
comment on function webhooks_private.forget_tenants is
    'Trigger on a linked table of tenants: deletes the delivery log of tenants that are deleted (events and '
    'subscriptions go by foreign key).';

create function webhooks_private.apply_links()
returns bigint
language plpgsql volatile
set search_path = pg_catalog, pg_temp
set lock_timeout = '2s'
as $$
declare
    link record;
    wanted record;
    made bigint := 0;
begin
    for link in select l.kind, l.table_name, l.id_column from webhooks_private.linked_tables l loop
        if to_regclass(link.table_name) is null then
            raise warning 'linked table % of % does not exist', link.table_name, link.kind
                using hint = format('Link another one with webhooks.link_%s(), or end the link with '
                                    'webhooks.unlink_%1$s().', link.kind);
            continue;
        end if;
        for wanted in
            select *
            from (values
                ('tenants', 'event_logs', 'tenant_id', 'on delete cascade'),
                ('tenants', 'webhook_subscriptions', 'tenant_id', 'on delete cascade'),
                ('users', 'event_logs', 'user_id', ''),
                ('users', 'webhook_subscriptions', 'created_by', '')
            ) as v (kind, relation, referencing_column, action)
            where v.kind = link.kind
        loop
            continue when exists (
                select from pg_constraint c
                where c.conrelid = ('webhooks.' || wanted.relation)::regclass and c.contype = 'f'
                  and c.conname = format('%s_%s_fkey', wanted.relation, wanted.referencing_column)
            );
            execute format('alter table webhooks.%I add constraint %I foreign key (%I) references %s (%I) %s',
                           wanted.relation, format('%s_%s_fkey', wanted.relation, wanted.referencing_column),
                           wanted.referencing_column, link.table_name::regclass, link.id_column, wanted.action);
            made := made + 1;
        end loop;
    end loop;
    return made;
end
$$;
comment on function webhooks_private.apply_links is
    'Makes the foreign keys of linked_tables that are missing (after a restore); returns how many.';

create function webhooks_private.link_table(kind text, target regclass, id_column name)
returns void
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
begin
    if target is null then
        raise exception 'no table of % given', kind
            using errcode = 'null_value_not_allowed',
            hint = format('To end the link, call webhooks.unlink_%s().', kind);
    end if;
    execute format('select webhooks.unlink_%s()', kind);
    insert into webhooks_private.linked_tables
    select link_table.kind, format('%I.%I', n.nspname, c.relname), link_table.id_column
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where c.oid = target;
    perform webhooks_private.apply_links();
end
$$;
comment on function webhooks_private.link_table is 'What link_tenants() and link_users() have in common.';

create function webhooks.link_tenants(tenants regclass, id_column name default 'id')
returns void
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
begin
    perform webhooks_private.link_table('tenants', tenants, id_column);
    execute format('create trigger webhooks_forget_tenants after delete on %s referencing old table as gone_tenants
                    for each statement execute function webhooks_private.forget_tenants(%L)', tenants, id_column);
end
$$;
comment on function webhooks.link_tenants is
    'Adds foreign keys from tenant_id to a table of tenants of the application. Deleting a tenant then deletes its '
    'events, subscriptions, deliveries and logs.';

create function webhooks.link_users(users regclass, id_column name default 'id')
returns void
language sql volatile
set search_path = pg_catalog, pg_temp
begin atomic
    select webhooks_private.link_table('users', users, id_column);
end;
comment on function webhooks.link_users is
    'Adds foreign keys from user_id and created_by to a table of users of the application. These columns have no '
    'index, which would cost time for every event, so that deleting a user reads all events.';

create function webhooks.unlink_tenants()
returns void
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
    linked text;
begin
    delete from webhooks_private.linked_tables l where l.kind = 'tenants' returning l.table_name into linked;
    alter table webhooks.event_logs drop constraint if exists event_logs_tenant_id_fkey;
    alter table webhooks.webhook_subscriptions drop constraint if exists webhook_subscriptions_tenant_id_fkey;
    if to_regclass(linked) is not null then
        execute format('drop trigger if exists webhooks_forget_tenants on %s', linked::regclass);
    end if;
end
$$;
comment on function webhooks.unlink_tenants is 'Reverses link_tenants().';

create function webhooks.unlink_users()
returns void
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
begin
    delete from webhooks_private.linked_tables l where l.kind = 'users';
    alter table webhooks.event_logs drop constraint if exists event_logs_user_id_fkey;
    alter table webhooks.webhook_subscriptions drop constraint if exists webhook_subscriptions_created_by_fkey;
end
$$;
comment on function webhooks.unlink_users is 'Reverses link_users().';

-- sql/operations/orphans.sql

create function webhooks_private.remove_orphans()
returns bigint
language plpgsql volatile
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_custom_plan
-- As in claim_deliveries(): a look-up for each subscription, whatever the statistics say of the queue.
set enable_seqscan = off
set enable_bitmapscan = off
set enable_hashjoin = off
set enable_mergejoin = off
as $$
declare
    removed bigint;
begin
    with recursive waiting as (
        (select q.shard, q.subscription_id, false as ordered from webhooks.delivery_queue q
         where q.next_attempt_at is null and q.lane is null order by q.shard, q.subscription_id limit 1)
        union all
        (select q.shard, q.subscription_id, true from webhooks.delivery_queue q
         where q.lane is not null order by q.shard, q.subscription_id limit 1)
        union all
        select f.shard, f.subscription_id, w.ordered
        from waiting w
        cross join lateral (
            (select q.shard, q.subscription_id from webhooks.delivery_queue q
             where not w.ordered and q.next_attempt_at is null and q.lane is null
               and (q.shard, q.subscription_id) > (w.shard, w.subscription_id)
             order by q.shard, q.subscription_id limit 1)
            union all
            (select q.shard, q.subscription_id from webhooks.delivery_queue q
             where w.ordered and q.lane is not null and (q.shard, q.subscription_id) > (w.shard, w.subscription_id)
             order by q.shard, q.subscription_id limit 1)
        ) f
    ),
    gone as materialized (
        select w.shard, w.subscription_id, w.ordered from waiting w
        -- Of a dump that is being restored, the deliveries may be there before the subscriptions.
        where (select webhooks.is_adopted())
          and not exists (select from webhooks.webhook_subscriptions s where s.id = w.subscription_id)
    )
    -- An array: joined, the whole queue might be read instead of looked up.
    delete from webhooks.delivery_queue q
    where q.id = any (array(
        select d.id
        from gone g
        cross join lateral (
            (select q.id from webhooks.delivery_queue q
             where not g.ordered and q.next_attempt_at is null and q.lane is null
               and q.shard = g.shard and q.subscription_id = g.subscription_id
             order by q.id limit 10000)
            union all
            (select q.id from webhooks.delivery_queue q
             where g.ordered and q.lane is not null and q.shard = g.shard and q.subscription_id = g.subscription_id
             order by q.lane, q.id limit 10000)
        ) d
        -- What somebody has locked is left for the next time.
        cross join lateral (select k.id from webhooks.delivery_queue k where k.id = d.id for update skip locked) k
    ));
    get diagnostics removed = row_count;
    delete from webhooks_private.subscription_breakers b
    where b.subscription_id = any (array(
        select o.subscription_id from webhooks_private.subscription_breakers o
        where (select webhooks.is_adopted())
          and not exists (select from webhooks.webhook_subscriptions s where s.id = o.subscription_id)
        for update of o skip locked));
    delete from webhooks_private.subscription_verifications v
    where v.subscription_id = any (array(
        select o.subscription_id from webhooks_private.subscription_verifications o
        where (select webhooks.is_adopted())
          and not exists (select from webhooks.webhook_subscriptions s where s.id = o.subscription_id)
        for update of o skip locked));
    return removed;
end
$$;
comment on function webhooks_private.remove_orphans is
    'Removes deliveries whose subscription is gone: a publisher may have matched it while it was being deleted. Not '
    'in a copy of a database that is not adopted.';

-- sql/operations/maintain.sql

create function webhooks.maintain()
returns table (task text, done bigint)
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
-- What somebody has locked is left for the next time.
set lock_timeout = '5s'
as $$
begin
    -- Each task by itself: one that can't be done now must not keep the others from being done.
    -- Those that lock tables come last, since their locks are held to the end, and publishers wait for them:
    -- apply_links, which normally finds nothing to do, and then create_partitions.
    foreach task in array array['forget_idempotency_keys', 'forget_secrets', 'remove_orphans', 'repair_routes',
                                'expire_deliveries', 'apply_links', 'create_partitions'] loop
        begin
            case task
                when 'forget_idempotency_keys' then
                    delete from webhooks_private.idempotency_keys k
                    where k.ctid = any (array(
                        select o.ctid from webhooks_private.idempotency_keys o
                        where o.created_at < now() - make_interval(
                            hours => webhooks_private.setting('idempotency_retention_hours')::integer)
                        for update skip locked));
                    get diagnostics done = row_count;
                when 'forget_secrets' then
                    done := webhooks_private.forget_secrets();
                when 'remove_orphans' then
                    done := webhooks_private.remove_orphans();
                when 'expire_deliveries' then
                    done := webhooks_private.expire_deliveries();
                when 'repair_routes' then
                    done := webhooks_private.repair_routes();
                when 'apply_links' then
                    done := webhooks_private.apply_links();
                when 'create_partitions' then
                    done := webhooks.create_partitions();
            end case;
            return next;
        -- Any failure, here alone: triggers that the application added raise conditions of their own, which no list
        -- names, and no task may keep the others from being done. A cancelled statement ends all tasks: "others" does
        -- not include it.
        exception when others then
            raise warning 'maintenance task % failed: %', task, sqlerrm using errcode = sqlstate;
        end;
    end loop;
    done := webhooks_private.prepared_tables();
    if done > 0 then
        task := 'prepare_partitions';
        return next;
    end if;
end
$$;
comment on function webhooks.maintain is
    'Runs the regular maintenance: partitions, old idempotency keys and secrets, deliveries that have expired or '
    'have no subscription, and routes and foreign keys after a restore. A sidecar calls it every five minutes, and '
    'it may be called at any time. The row prepare_partitions says that partitions next to a large default partition '
    'are half made; then call the function again at once.';
grant execute on function webhooks.maintain to webhooks_sidecar;

-- sql/security/policies.sql

-- Row-level security. It binds everyone but superusers, roles with BYPASSRLS and the owner: functions that run as the
-- owner check the tenant themselves (base/tenants.sql), and a dump by the owner must have every row, so it is not
-- forced on the owner. That no group role owns anything or bypasses it is what makes it forced for their members.

do $isolation$
declare
    relation text;
    -- Spelled out, not current_tenant(): who is granted a table by the DBA needs no function besides.
    is_own constant text := $$tenant_id = nullif(current_setting('webhooks.tenant_id', true), '')::uuid$$;
begin
    foreach relation in array array[
        'webhooks.event_logs', 'webhooks.webhook_subscriptions', 'webhooks_private.subscription_routes',
        'webhooks.delivery_queue', 'webhooks.delivery_attempts', 'webhooks_private.idempotency_keys',
        'webhooks.redeliveries', 'webhooks.audit_log', 'webhooks.subscription_templates', 'webhooks.tenant_limits',
        'webhooks.restored_events'
    ] loop
        execute format('alter table %s enable row level security', relation);
        -- raise_tenant_denied(): an error that says what to do, instead of PostgreSQL's.
        execute format('create policy own_tenant on %s using (%s)
                        with check (%2$s or webhooks_private.raise_tenant_denied(tenant_id))', relation, is_own);
        -- Policies are joined by OR: with this one nothing of the others is left to evaluate.
        execute format('create policy all_tenants on %s to webhooks_all_tenants using (true) with check (true)',
                       relation);
    end loop;

    -- A monitor sees all tenants' rows, and which columns is a matter of privileges. As a member of webhooks_manager,
    -- too, it would see their payloads: then it sees what a manager sees.
    foreach relation in array array[
        'webhooks.event_logs', 'webhooks.webhook_subscriptions', 'webhooks.delivery_queue',
        'webhooks.delivery_attempts', 'webhooks.redeliveries', 'webhooks.tenant_limits', 'webhooks.restored_events'
    ] loop
        execute format('create policy monitor on %s for select to webhooks_monitor
                        using ((select not pg_has_role(current_user, ''webhooks_manager'', ''usage'')))', relation);
    end loop;

    -- All of it, also what is no tenant's.
    create policy auditor on webhooks.audit_log for select to webhooks_auditor using (true);

    -- Nobody reads these, or none but through their parents: no policy, no row.
    foreach relation in array array[
        'webhooks_private.retired_secrets', 'webhooks_private.event_logs_default',
        'webhooks_private.event_logs_template', 'webhooks_private.delivery_attempts_default',
        'webhooks_private.delivery_attempts_template', 'webhooks_private.redeliveries_default',
        'webhooks_private.redeliveries_template', 'webhooks_private.audit_log_default',
        'webhooks_private.audit_log_template'
    ] loop
        execute format('alter table %s enable row level security', relation);
    end loop;
end
$isolation$;

-- Breakers and verifications are seen by who sees their subscription.
alter table webhooks_private.subscription_breakers enable row level security;
create policy own_tenant on webhooks_private.subscription_breakers
    using (exists (select from webhooks.webhook_subscriptions s where s.id = subscription_id));
alter table webhooks_private.subscription_verifications enable row level security;
create policy own_tenant on webhooks_private.subscription_verifications
    using (exists (select from webhooks.webhook_subscriptions s where s.id = subscription_id));

-- sql/security/public.sql

-- Nothing is PUBLIC's. What a role may use is granted beside each object.
revoke all on all tables in schema webhooks, webhooks_private from public;
revoke all on all functions in schema webhooks, webhooks_private from public;

-- sql/operations/first_partitions.sql

-- The first partitions, so that no event lies in default. They are not the extension's: pg_dump dumps what is not,
-- and a dump must have them, as it has those that are made later. DROP EXTENSION drops them all with their parents.
--
-- A restore brings its own, and there must be none in their place. Here is_restoring() can't tell, since the server
-- itself turns check_function_bodies off for this script. But every dump sets these two, which are of no use in a
-- session, before it creates the extension. Should somebody else do so, maintain() makes the partitions.
do $partitions$
declare
    partition regclass;
begin
    if (select bool_and(s.source = 'session') from pg_settings s
        where s.name in ('xmloption', 'standard_conforming_strings')) then
        return;
    end if;
    perform webhooks.create_partitions();
    for partition in
        select c.oid::regclass from pg_inherits i join pg_class c on c.oid = i.inhrelid
        where c.relnamespace = 'webhooks_private'::regnamespace and c.relkind = 'r' and c.relname !~ '_default$'
    loop
        execute format('alter extension webhooks drop table %s', partition);
    end loop;
end
$partitions$;
