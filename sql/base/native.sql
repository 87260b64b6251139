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
