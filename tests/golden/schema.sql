-- relations and their columns
table webhooks_private.access_tokens row level security
    id uuid not null default webhooks.uuid_v7()
    tenant_id uuid
    token_hash bytea not null
    scopes text[] not null
    label text not null
    user_id uuid
    created_at timestamp with time zone not null default now()
    expires_at timestamp with time zone not null
    last_used_at timestamp with time zone
    kind text not null default 'token'::text
    opened_with uuid
    session_length interval
    created_by_role name not null
table webhooks_private.alert_evaluation
    is_only boolean not null default true
    first_evaluated_at timestamp with time zone not null
    evaluated_at timestamp with time zone not null
table webhooks.alert_history row level security
    id uuid not null default webhooks.uuid_v7()
    rule text not null
    severity text not null
    subject text not null
    tenant_id uuid
    subscription_id uuid
    value numeric not null
    threshold numeric not null
    unit text not null
    detail text
    fired_at timestamp with time zone not null
    resolved_at timestamp with time zone
table webhooks_private.alert_rule_overrides
    name text not null
    is_enabled boolean
    threshold numeric
    for_seconds integer
    resolve_seconds integer
    severity text
view webhooks.alert_rules {security_invoker=true}
    name text
    is_enabled boolean
    severity text
    fires_when text
    threshold numeric
    unit text
    for_seconds integer
    resolve_seconds integer
    description text
    action text
    is_changed boolean
table webhooks_private.alert_states row level security
    rule text not null
    subject text not null
    tenant_id uuid
    subscription_id uuid
    value numeric not null
    detail text
    pending_since timestamp with time zone not null
    alert_id uuid
    fired_at timestamp with time zone
    clear_since timestamp with time zone
    is_published boolean not null default false
view webhooks.alerts {security_invoker=true}
    severity text
    rule text
    subject text
    tenant_id uuid
    subscription_id uuid
    subscription_name character varying(255)
    since timestamp with time zone
    value numeric
    threshold numeric
    unit text
    detail text
    description text
    action text
view webhooks_private.attempt_measures {security_invoker=true}
    delivery_id uuid
    delivery_attempt integer
    tenant_id uuid
    subscription_id uuid
    event_log_id uuid
    attempted_at timestamp with time zone
    hour timestamp with time zone
    is_test boolean
    delivered integer
    failed integer
    retrying integer
    expired integer
    cancelled integer
    delivered_by_retry integer
    failed_after_retry integer
    delivery_ms bigint
    response_us bigint
    receipt_us bigint
    publish_us bigint
table webhooks_private.attempts_hourly row level security
    tenant_id uuid not null
    subscription_id uuid not null
    hour timestamp with time zone not null
    is_test boolean not null
    delivered bigint not null
    failed bigint not null
    retrying bigint not null
    expired bigint not null
    cancelled bigint not null
    delivered_by_retry bigint not null
    failed_after_retry bigint not null
    response_us bigint not null
    last_delivered_at timestamp with time zone
    last_failed_at timestamp with time zone
    oldest_delivery_at timestamp with time zone not null
partitioned table webhooks.audit_log (RANGE (id)) row level security
    id uuid not null default webhooks.uuid_v7()
    occurred_at timestamp with time zone not null default clock_timestamp()
    tenant_id uuid
    action text not null
    object_type text not null
    object_id text not null
    before jsonb
    after jsonb
    reason text
    session_role name not null
    acting_role name not null
    user_id text
    request_id text
    client_address inet
table webhooks_private.audit_log_default row level security
    id uuid not null default webhooks.uuid_v7()
    occurred_at timestamp with time zone not null default clock_timestamp()
    tenant_id uuid
    action text not null
    object_type text not null
    object_id text not null
    before jsonb
    after jsonb
    reason text
    session_role name not null
    acting_role name not null
    user_id text
    request_id text
    client_address inet
table webhooks_private.audit_log_template row level security
    id uuid not null default webhooks.uuid_v7()
    occurred_at timestamp with time zone not null default clock_timestamp()
    tenant_id uuid
    action text not null
    object_type text not null
    object_id text not null
    before jsonb
    after jsonb
    reason text
    session_role name not null
    acting_role name not null
    user_id text
    request_id text
    client_address inet
table webhooks_private.database_bindings
    system_identifier bigint not null
    database_oid oid not null
    database_name name
    bound_at timestamp with time zone not null default now()
partitioned table webhooks.delivery_attempts (RANGE (delivery_id)) row level security
    delivery_id uuid not null
    delivery_attempt integer not null
    http_status_code integer
    attempted_at timestamp with time zone not null
    delivered_at timestamp with time zone
    next_retry_at timestamp with time zone
    duration_us bigint
    subscription_id uuid not null
    event_log_id uuid not null
    tenant_id uuid not null
    payload_size_bytes integer
    delivery_status character varying(50) not null
    payload_sha256 bytea
    response_headers jsonb
    response_body text
    error_message text
    is_test boolean
    failure text
    resent_count integer
table webhooks_private.delivery_attempts_default row level security
    delivery_id uuid not null
    delivery_attempt integer not null
    http_status_code integer
    attempted_at timestamp with time zone not null
    delivered_at timestamp with time zone
    next_retry_at timestamp with time zone
    duration_us bigint
    subscription_id uuid not null
    event_log_id uuid not null
    tenant_id uuid not null
    payload_size_bytes integer
    delivery_status character varying(50) not null
    payload_sha256 bytea
    response_headers jsonb
    response_body text
    error_message text
    is_test boolean
    failure text
    resent_count integer
table webhooks_private.delivery_attempts_template row level security
    delivery_id uuid not null
    delivery_attempt integer not null
    http_status_code integer
    attempted_at timestamp with time zone not null
    delivered_at timestamp with time zone
    next_retry_at timestamp with time zone
    duration_us bigint
    subscription_id uuid not null
    event_log_id uuid not null
    tenant_id uuid not null
    payload_size_bytes integer
    delivery_status character varying(50) not null
    payload_sha256 bytea
    response_headers jsonb
    response_body text
    error_message text
    is_test boolean
    failure text
    resent_count integer
table webhooks.delivery_queue {fillfactor=90,autovacuum_vacuum_scale_factor=0.05,autovacuum_vacuum_insert_scale_factor=0.1} row level security
    id uuid not null default webhooks.uuid_v7()
    subscription_id uuid not null
    event_log_id uuid not null
    tenant_id uuid not null
    shard smallint not null
    attempt integer not null default 0
    next_attempt_at timestamp with time zone
    expires_at timestamp with time zone
    lane bigint
view webhooks.delivery_states {security_invoker=true}
    id uuid
    subscription_id uuid
    event_log_id uuid
    tenant_id uuid
    delivery_attempt integer
    delivery_status character varying(50)
    http_status_code integer
    error_message text
    attempted_at timestamp with time zone
    delivered_at timestamp with time zone
    next_retry_at timestamp with time zone
    payload_size_bytes integer
    duration_us bigint
    is_test boolean
    resent_count integer
partitioned table webhooks.event_logs (RANGE (id)) row level security
    id uuid not null default webhooks.uuid_v7()
    tenant_id uuid not null
    event_type character varying(100) not null
    event_category character varying(50) not null
    event_name character varying(100) not null
    event_version character varying(20) default '1.0'::character varying
    event_data jsonb not null
    resource_type character varying(50)
    resource_id uuid
    user_id uuid
    session_id character varying(255)
    request_id character varying(255)
    source_ip inet
    created_at timestamp with time zone default now()
    processed_at timestamp with time zone default now()
    environment character varying(50)
    idempotency_key text
    ordering_key text
    deliver_after timestamp with time zone
    expires_at timestamp with time zone
    resource_data jsonb
    is_test boolean
    traceparent character varying(55) default 
CASE
    WHEN (current_setting('webhooks.traceparent'::text, true) ~~ '00-________________________________-________________-__'::text) THEN "substring"(current_setting('webhooks.traceparent'::text, true), '^00-0*[1-9a-f][0-9a-f]*-0*[1-9a-f][0-9a-f]*-[0-9a-f]+$'::text)
    ELSE NULL::text
END
table webhooks_private.event_logs_default row level security
    id uuid not null default webhooks.uuid_v7()
    tenant_id uuid not null
    event_type character varying(100) not null
    event_category character varying(50) not null
    event_name character varying(100) not null
    event_version character varying(20) default '1.0'::character varying
    event_data jsonb not null
    resource_type character varying(50)
    resource_id uuid
    user_id uuid
    session_id character varying(255)
    request_id character varying(255)
    source_ip inet
    created_at timestamp with time zone default now()
    processed_at timestamp with time zone default now()
    environment character varying(50)
    idempotency_key text
    ordering_key text
    deliver_after timestamp with time zone
    expires_at timestamp with time zone
    resource_data jsonb
    is_test boolean
    traceparent character varying(55) default 
CASE
    WHEN (current_setting('webhooks.traceparent'::text, true) ~~ '00-________________________________-________________-__'::text) THEN "substring"(current_setting('webhooks.traceparent'::text, true), '^00-0*[1-9a-f][0-9a-f]*-0*[1-9a-f][0-9a-f]*-[0-9a-f]+$'::text)
    ELSE NULL::text
END
table webhooks_private.event_logs_template row level security
    id uuid not null default webhooks.uuid_v7()
    tenant_id uuid not null
    event_type character varying(100) not null
    event_category character varying(50) not null
    event_name character varying(100) not null
    event_version character varying(20) default '1.0'::character varying
    event_data jsonb not null
    resource_type character varying(50)
    resource_id uuid
    user_id uuid
    session_id character varying(255)
    request_id character varying(255)
    source_ip inet
    created_at timestamp with time zone default now()
    processed_at timestamp with time zone default now()
    environment character varying(50)
    idempotency_key text
    ordering_key text
    deliver_after timestamp with time zone
    expires_at timestamp with time zone
    resource_data jsonb
    is_test boolean
    traceparent character varying(55) default 
CASE
    WHEN (current_setting('webhooks.traceparent'::text, true) ~~ '00-________________________________-________________-__'::text) THEN "substring"(current_setting('webhooks.traceparent'::text, true), '^00-0*[1-9a-f][0-9a-f]*-0*[1-9a-f][0-9a-f]*-[0-9a-f]+$'::text)
    ELSE NULL::text
END
view webhooks.event_type_catalogue {security_invoker=true}
    name character varying(100)
    version text
    is_current boolean
    category character varying(50)
    description text
    is_builtin boolean
    schema json
    example jsonb
    example_payload text
    deprecated_at timestamp with time zone
    deprecation text
table webhooks_private.event_type_versions
    name character varying(100) not null
    version character varying(20) not null
    schema json
    example jsonb
    deprecated_at timestamp with time zone
    deprecation text
    is_builtin boolean not null default false
    created_at timestamp with time zone not null default now()
table webhooks.event_types
    name character varying(100) not null
    category character varying(50) not null
    description text
    version character varying(20) not null default '1.0'::character varying
    is_builtin boolean not null default false
    created_at timestamp with time zone not null default now()
table webhooks_private.events_hourly row level security
    tenant_id uuid not null
    hour timestamp with time zone not null
    event_type text not null
    event_category text not null
    events bigint not null
table webhooks_private.expired_responses
    delivery_id uuid not null
    is_mark boolean not null
table webhooks_private.idempotency_keys row level security
    tenant_id uuid not null
    idempotency_key text not null
    event_id uuid not null
    created_at timestamp with time zone not null default now()
table webhooks_private.latencies_hourly row level security
    tenant_id uuid not null
    hour timestamp with time zone not null
    buckets smallint[] not null
    receipts bigint[] not null
    responses bigint[] not null
    publications bigint[] not null
table webhooks_private.linked_tables
    kind text not null
    table_name text not null
    id_column text not null
table webhooks_private.maintenance_tasks
    task text not null
    succeeded_at timestamp with time zone
    failing_since timestamp with time zone
    last_error text
S webhooks_private.meters_handle
    last_value bigint not null
    log_cnt bigint not null
    is_called boolean not null
table webhooks_private.poll_batches row level security
    subscription_id uuid not null
    id uuid not null
    handed_out_at timestamp with time zone not null
    delivery_ids uuid[] not null
    attempts integer[] not null
    payload_sizes integer[] not null
    payload_hashes bytea[] not null
partitioned table webhooks.redeliveries (RANGE (delivery_id)) row level security
    delivery_id uuid not null
    repeats uuid
    event_log_id uuid not null
    subscription_id uuid not null
    tenant_id uuid not null
table webhooks_private.redeliveries_default row level security
    delivery_id uuid not null
    repeats uuid
    event_log_id uuid not null
    subscription_id uuid not null
    tenant_id uuid not null
table webhooks_private.redeliveries_template row level security
    delivery_id uuid not null
    repeats uuid
    event_log_id uuid not null
    subscription_id uuid not null
    tenant_id uuid not null
table webhooks.resources
    resource_type character varying(50) not null
    resolver text not null
    is_generated boolean not null default false
    created_at timestamp with time zone not null default now()
table webhooks.restored_events row level security
    tenant_id uuid not null
    hour timestamp with time zone not null
    reason text not null
    inserted_by name not null
    inserted_at timestamp with time zone not null default now()
    events bigint not null
    first_created_at timestamp with time zone
    last_created_at timestamp with time zone
table webhooks_private.retired_secrets row level security
    subscription_id uuid not null
    retired_at timestamp with time zone not null default clock_timestamp()
    secret text not null
table webhooks_private.rollup_outstanding
    delivery_id uuid not null
    attempt integer not null
table webhooks_private.rollup_progress
    is_only boolean not null default true
    rolled_until timestamp with time zone not null
    rolled_at timestamp with time zone not null
    forgotten_on date
table webhooks_private.setting_overrides
    name text not null
    value bigint
    text_value text
view webhooks.settings {security_invoker=true}
    name text
    value bigint
    unit text
    default_value bigint
    min_value bigint
    max_value bigint
    description text
    text_value text
    default_text text
table webhooks_private.subscription_breakers row level security
    subscription_id uuid not null
    state character varying(10) not null
    since timestamp with time zone
    probe_at timestamp with time zone
    failing_since timestamp with time zone
    last_error text
    throttled_since timestamp with time zone
    throttled_until timestamp with time zone
    throttle_status integer
view webhooks.subscription_health {security_invoker=true}
    subscription_id uuid
    tenant_id uuid
    name character varying(255)
    is_delivered_to boolean
    breaker_state text
    breaker_since timestamp with time zone
    probe_at timestamp with time zone
    failing_since timestamp with time zone
    last_error text
    disabled_reason text
    verification_state character varying
    verification_since timestamp with time zone
    allowed_rate_per_minute integer
    next_verification_at timestamp with time zone
    verification_error text
    throttled_since timestamp with time zone
    throttled_until timestamp with time zone
    throttle_status integer
    address_note text
table webhooks_private.subscription_routes row level security
    tenant_id uuid not null
    pattern character varying(100) not null
    subscription_id uuid not null
    environment character varying(50) not null
    fifo boolean not null
    filters text
    filter_jsonpath jsonpath
    poll_shard smallint
view webhooks.subscription_settings {security_invoker=true}
    id uuid
    tenant_id uuid
    name character varying(255)
    description text
    environment character varying(50)
    webhook_url text
    webhook_method character varying(10)
    webhook_headers jsonb
    auth_type character varying(50)
    auth_config jsonb
    subscribed_events jsonb
    event_filters jsonb
    retry_count integer
    retry_delay_seconds integer
    timeout_seconds integer
    max_payload_size_kb integer
    is_active boolean
    is_enabled boolean
    created_at timestamp with time zone
    updated_at timestamp with time zone
    created_by uuid
    no_retry_statuses integer[]
    max_in_flight integer
    rate_limit_per_second double precision
    rate_limit_burst integer
    ordering character varying(20)
    breaker_failure_threshold integer
    breaker_cooldown_seconds integer
    disabled_reason text
    payload_format character varying(30)
    payload_template text
    payload_content_type character varying(255)
    template_secrets jsonb
    endpoint_verification character varying(20)
    retry_schedule text
    version bigint
    delivery character varying(10)
    expires_at timestamp with time zone
table webhooks.subscription_templates row level security
    tenant_id uuid not null
    name character varying(100) not null
    description text
    settings jsonb not null
    placeholders jsonb not null default '{}'::jsonb
    created_at timestamp with time zone not null default now()
table webhooks_private.subscription_verifications row level security
    subscription_id uuid not null
    webhook_url text not null
    origin text not null
    state character varying(10) not null
    since timestamp with time zone not null
    allowed_rate_per_minute integer
    tries integer not null
    failing_since timestamp with time zone
    next_try_at timestamp with time zone
    last_error text
table webhooks.tenant_limits row level security
    tenant_id uuid not null
    max_subscriptions bigint
    max_events_per_minute bigint
    max_outstanding_deliveries bigint
table webhooks.tenant_purges row level security
    tenant_id uuid not null
    started_at timestamp with time zone not null default now()
    updated_at timestamp with time zone not null default now()
    finished_at timestamp with time zone
    deleted_rows bigint not null default 0
    relation text not null default 'delivery_queue'::text
    partition text
    last_id uuid
view webhooks.watched_tables {security_invoker=true}
    table_name regclass
    owner regrole
    on_insert text
    on_update text
    on_delete text
    on_change jsonb
    tenant_column text
    tenant_id uuid
    id_columns jsonb
    resource_type text
    watch_columns jsonb
    condition text
    columns jsonb
    per_row boolean
    new_columns jsonb
    is_enabled boolean
    problem text
view webhooks.webhook_delivery_logs {security_invoker=true}
    id uuid
    subscription_id uuid
    event_log_id uuid
    delivery_attempt integer
    delivery_status character varying(50)
    http_status_code integer
    response_headers jsonb
    response_body text
    error_message text
    attempted_at timestamp with time zone
    delivered_at timestamp with time zone
    next_retry_at timestamp with time zone
    payload_size_bytes integer
    payload_hash character varying(64)
    tenant_id uuid
    duration_us bigint
    is_test boolean
    resent_count integer
table webhooks.webhook_subscriptions row level security
    id uuid not null default webhooks.uuid_v7()
    tenant_id uuid not null
    name character varying(255) not null
    description text
    environment character varying(50) not null default 'production'::character varying
    webhook_url text
    webhook_method character varying(10) default 'POST'::character varying
    webhook_headers jsonb default '{}'::jsonb
    auth_type character varying(50) default 'none'::character varying
    auth_config jsonb default '{}'::jsonb
    subscribed_events jsonb not null default '[]'::jsonb
    event_filters jsonb default '{}'::jsonb
    retry_count integer default 3
    retry_delay_seconds integer default 60
    timeout_seconds integer default 30
    max_payload_size_kb integer default 1024
    is_active boolean default true
    is_enabled boolean default true
    created_at timestamp with time zone default now()
    updated_at timestamp with time zone default now()
    created_by uuid
    no_retry_statuses integer[] not null default '{410}'::integer[]
    max_in_flight integer not null default 20
    rate_limit_per_second double precision
    rate_limit_burst integer
    ordering character varying(20) not null default 'none'::character varying
    breaker_failure_threshold integer
    breaker_cooldown_seconds integer
    disabled_reason text
    payload_format character varying(30) not null default 'envelope'::character varying
    payload_template text
    payload_content_type character varying(255)
    template_secrets jsonb default '{}'::jsonb
    endpoint_verification character varying(20)
    retry_schedule text
    version bigint not null default 1
    delivery character varying(10) not null default 'push'::character varying
    expires_at timestamp with time zone

-- composite types
webhooks_private.alert_measure (subject text, tenant_id uuid, subscription_id uuid, value numeric, detail text)
webhooks_private.attempt_result (delivery_id uuid, subscription_id uuid, attempt integer, status text, http_status_code integer, response_headers text, response_body text, error_message text, attempted_at_us bigint, duration_us bigint, resent_count integer, payload_size integer, payload_hash bytea, retry_after_ms bigint, disable_reason text, breaker text, failing_for_ms bigint, probe_in_ms bigint)
webhooks_private.claim_request (shards smallint[], cursors uuid[], held uuid[], held_ordered uuid[], full_subscriptions uuid[], known_subscriptions uuid[], only_subscriptions uuid[], after_ids uuid[], per_subscription integer, max_fresh integer, max_rows integer, max_bytes bigint, is_careful boolean)
webhooks_private.claimed_delivery (delivery_id uuid, is_fresh boolean, shard smallint, subscription_id uuid, subscription_version bigint, attempt integer, lane bigint, expires_in_ms bigint, over_budget boolean, event_id uuid, tenant_id uuid, event_type text, event_category text, event_name text, event_version text, created_at_us bigint, event_data text, resource_type text, resource_id uuid, user_id uuid, session_id text, request_id text, source_ip text, resource_data text, scan_us bigint, problem text, traceparent text)
webhooks_private.effective_settings (extension_version text, max_retry_delay_seconds bigint, max_retry_after_seconds bigint, max_response_body_bytes bigint, max_response_headers_bytes bigint, disable_after_failing_hours bigint, endpoint_verification text, verification_origin text, digest bigint)
webhooks_private.found_delivery (id uuid, is_fresh boolean, shard smallint, attempt integer, lane bigint, subscription_id uuid, event_log_id uuid, expires_at timestamp with time zone, version bigint, tenant_id uuid)
webhooks_private.loaded_subscription (id uuid, tenant_id uuid, version bigint, webhook_url text, webhook_method text, webhook_headers text, auth_type text, auth_config text, retry_count integer, retry_delay_seconds integer, retry_delays integer[], timeout_seconds integer, max_payload_size_kb integer, no_retry_statuses integer[], max_in_flight integer, rate_limit_per_second double precision, rate_limit_burst integer, breaker_failure_threshold bigint, breaker_cooldown_seconds bigint, payload_format text, payload_template text, payload_content_type text, template_secrets text, shard smallint, is_breaker_open boolean, probe_in_ms bigint, failing_for_ms bigint, throttled_for_ms bigint, retired_secrets text[], retired_secrets_for_ms bigint[], needs_verification boolean, is_verified boolean, allowed_rate_per_minute integer, may_verify boolean, verify_in_ms bigint, problem text)
webhooks_private.polled_event (event_type text, event_category text, event_name text, event_version text, created_at_us bigint, event_data text, resource_type text, resource_id uuid, resource_data text, user_id uuid, session_id text, request_id text, source_ip text, traceparent text, deliver_after timestamp with time zone, problem text)
webhooks_private.promoted_deliveries (delivery_ids uuid[], subscription_ids uuid[], next_due_in_ms bigint, locked_ids uuid[])
webhooks_private.queue_state (ready bigint, scheduled bigint, held bigint, oldest_due_seconds double precision, disabled_subscriptions bigint, oldest_transaction_seconds double precision, notification_queue_usage double precision)
webhooks_private.shard_balance (fair_share integer, acquired smallint[], may_sleep boolean)
webhooks_private.verification_answer (subscription_id uuid, webhook_url text, origin text, state text, allowed_rate_per_minute integer, error text, retry_after_ms bigint)

-- partitions
webhooks_private.audit_log_default of webhooks.audit_log DEFAULT
webhooks_private.delivery_attempts_default of webhooks.delivery_attempts DEFAULT
webhooks_private.event_logs_default of webhooks.event_logs DEFAULT
webhooks_private.redeliveries_default of webhooks.redeliveries DEFAULT

-- indexes
CREATE INDEX access_tokens_expires_at ON webhooks_private.access_tokens USING btree (expires_at)
CREATE INDEX access_tokens_opened_with ON webhooks_private.access_tokens USING btree (opened_with) WHERE (opened_with IS NOT NULL)
CREATE INDEX access_tokens_tenant ON webhooks_private.access_tokens USING btree (tenant_id, id)
CREATE INDEX alert_history_firing ON webhooks.alert_history USING btree (rule, subject) WHERE (resolved_at IS NULL)
CREATE INDEX attempts_hourly_failed ON webhooks_private.attempts_hourly USING btree (tenant_id, hour) WHERE (failed > 0)
CREATE INDEX attempts_hourly_hour ON webhooks_private.attempts_hourly USING btree (hour)
CREATE INDEX attempts_hourly_tenant ON webhooks_private.attempts_hourly USING btree (tenant_id, hour)
CREATE INDEX audit_log_default_object_id_object_type_id_idx ON webhooks_private.audit_log_default USING btree (object_id, object_type, id)
CREATE INDEX audit_log_default_tenant_id_id_idx ON webhooks_private.audit_log_default USING btree (tenant_id, id)
CREATE INDEX audit_log_template_object ON webhooks_private.audit_log_template USING btree (object_id, object_type, id)
CREATE INDEX audit_log_template_tenant ON webhooks_private.audit_log_template USING btree (tenant_id, id)
CREATE INDEX delivery_attempts_default_delivery_status_attempted_at_idx ON webhooks_private.delivery_attempts_default USING btree (delivery_status, attempted_at) WHERE ((delivery_status)::text <> 'delivered'::text)
CREATE INDEX delivery_attempts_default_subscription_id_attempted_at_idx ON webhooks_private.delivery_attempts_default USING btree (subscription_id, attempted_at DESC)
CREATE INDEX delivery_attempts_template_subscription ON webhooks_private.delivery_attempts_template USING btree (subscription_id, attempted_at DESC)
CREATE INDEX delivery_attempts_template_unsuccessful ON webhooks_private.delivery_attempts_template USING btree (delivery_status, attempted_at) WHERE ((delivery_status)::text <> 'delivered'::text)
CREATE INDEX delivery_queue_expiring ON webhooks.delivery_queue USING btree (expires_at) WHERE (expires_at IS NOT NULL)
CREATE INDEX delivery_queue_ordered ON webhooks.delivery_queue USING btree (shard, subscription_id, lane, id) WHERE (lane IS NOT NULL)
CREATE INDEX delivery_queue_ready ON webhooks.delivery_queue USING btree (shard, subscription_id, id) WHERE ((next_attempt_at IS NULL) AND (lane IS NULL))
CREATE INDEX delivery_queue_scheduled ON webhooks.delivery_queue USING btree (shard, next_attempt_at) WHERE (next_attempt_at IS NOT NULL)
CREATE INDEX delivery_queue_waiting ON webhooks.delivery_queue USING btree (shard, subscription_id) WHERE ((next_attempt_at IS NOT NULL) AND (lane IS NULL))
CREATE INDEX event_logs_default_event_type_created_at_idx ON webhooks_private.event_logs_default USING btree (event_type, created_at DESC)
CREATE INDEX event_logs_default_resource_type_resource_id_idx ON webhooks_private.event_logs_default USING btree (resource_type, resource_id) WHERE (resource_id IS NOT NULL)
CREATE INDEX event_logs_default_tenant_id_created_at_idx ON webhooks_private.event_logs_default USING btree (tenant_id, created_at DESC)
CREATE INDEX event_logs_template_resource ON webhooks_private.event_logs_template USING btree (resource_type, resource_id) WHERE (resource_id IS NOT NULL)
CREATE INDEX event_logs_template_tenant_created ON webhooks_private.event_logs_template USING btree (tenant_id, created_at DESC)
CREATE INDEX event_logs_template_type_created ON webhooks_private.event_logs_template USING btree (event_type, created_at DESC)
CREATE INDEX idempotency_keys_created ON webhooks_private.idempotency_keys USING btree (created_at)
CREATE INDEX redeliveries_default_event_log_id_idx ON webhooks_private.redeliveries_default USING btree (event_log_id)
CREATE INDEX redeliveries_template_event ON webhooks_private.redeliveries_template USING btree (event_log_id)
CREATE INDEX subscription_routes_subscription ON webhooks_private.subscription_routes USING btree (subscription_id)
CREATE INDEX webhook_subscriptions_disabled ON webhooks.webhook_subscriptions USING btree (id) WHERE (disabled_reason IS NOT NULL)
CREATE INDEX webhook_subscriptions_events ON webhooks.webhook_subscriptions USING gin (subscribed_events)
CREATE INDEX webhook_subscriptions_expiring ON webhooks.webhook_subscriptions USING btree (expires_at) WHERE (expires_at IS NOT NULL)
CREATE INDEX webhook_subscriptions_polled ON webhooks.webhook_subscriptions USING btree (id) WHERE ((delivery)::text = 'poll'::text)
CREATE INDEX webhook_subscriptions_tenant_active ON webhooks.webhook_subscriptions USING btree (tenant_id, is_active, is_enabled)
CREATE UNIQUE INDEX access_tokens_hash_key ON webhooks_private.access_tokens USING btree (token_hash)
CREATE UNIQUE INDEX access_tokens_pkey ON webhooks_private.access_tokens USING btree (id)
CREATE UNIQUE INDEX alert_evaluation_pkey ON webhooks_private.alert_evaluation USING btree (is_only)
CREATE UNIQUE INDEX alert_history_pkey ON webhooks.alert_history USING btree (id)
CREATE UNIQUE INDEX alert_rule_overrides_pkey ON webhooks_private.alert_rule_overrides USING btree (name)
CREATE UNIQUE INDEX alert_states_pkey ON webhooks_private.alert_states USING btree (rule, subject)
CREATE UNIQUE INDEX attempts_hourly_pkey ON webhooks_private.attempts_hourly USING btree (subscription_id, hour, is_test, tenant_id)
CREATE UNIQUE INDEX audit_log_default_pkey ON webhooks_private.audit_log_default USING btree (id)
CREATE UNIQUE INDEX audit_log_template_pkey ON webhooks_private.audit_log_template USING btree (id)
CREATE UNIQUE INDEX delivery_attempts_default_pkey ON webhooks_private.delivery_attempts_default USING btree (delivery_id, delivery_attempt)
CREATE UNIQUE INDEX delivery_attempts_template_pkey ON webhooks_private.delivery_attempts_template USING btree (delivery_id, delivery_attempt)
CREATE UNIQUE INDEX delivery_queue_pkey ON webhooks.delivery_queue USING btree (id)
CREATE UNIQUE INDEX event_logs_default_pkey ON webhooks_private.event_logs_default USING btree (id)
CREATE UNIQUE INDEX event_logs_template_pkey ON webhooks_private.event_logs_template USING btree (id)
CREATE UNIQUE INDEX event_type_versions_pkey ON webhooks_private.event_type_versions USING btree (name, version)
CREATE UNIQUE INDEX event_types_pkey ON webhooks.event_types USING btree (name)
CREATE UNIQUE INDEX events_hourly_pkey ON webhooks_private.events_hourly USING btree (tenant_id, hour, event_type, event_category)
CREATE UNIQUE INDEX expired_responses_mark ON webhooks_private.expired_responses USING btree (is_mark) WHERE is_mark
CREATE UNIQUE INDEX expired_responses_pkey ON webhooks_private.expired_responses USING btree (is_mark, delivery_id)
CREATE UNIQUE INDEX idempotency_keys_pkey ON webhooks_private.idempotency_keys USING btree (tenant_id, idempotency_key)
CREATE UNIQUE INDEX latencies_hourly_pkey ON webhooks_private.latencies_hourly USING btree (tenant_id, hour)
CREATE UNIQUE INDEX linked_tables_pkey ON webhooks_private.linked_tables USING btree (kind)
CREATE UNIQUE INDEX maintenance_tasks_pkey ON webhooks_private.maintenance_tasks USING btree (task)
CREATE UNIQUE INDEX poll_batches_pkey ON webhooks_private.poll_batches USING btree (subscription_id)
CREATE UNIQUE INDEX redeliveries_default_pkey ON webhooks_private.redeliveries_default USING btree (delivery_id)
CREATE UNIQUE INDEX redeliveries_template_pkey ON webhooks_private.redeliveries_template USING btree (delivery_id)
CREATE UNIQUE INDEX resources_pkey ON webhooks.resources USING btree (resource_type)
CREATE UNIQUE INDEX restored_events_pkey ON webhooks.restored_events USING btree (tenant_id, hour, reason, inserted_by)
CREATE UNIQUE INDEX retired_secrets_pkey ON webhooks_private.retired_secrets USING btree (subscription_id, retired_at)
CREATE UNIQUE INDEX rollup_outstanding_pkey ON webhooks_private.rollup_outstanding USING btree (delivery_id)
CREATE UNIQUE INDEX rollup_progress_pkey ON webhooks_private.rollup_progress USING btree (is_only)
CREATE UNIQUE INDEX setting_overrides_pkey ON webhooks_private.setting_overrides USING btree (name)
CREATE UNIQUE INDEX subscription_breakers_pkey ON webhooks_private.subscription_breakers USING btree (subscription_id)
CREATE UNIQUE INDEX subscription_routes_pkey ON webhooks_private.subscription_routes USING btree (tenant_id, pattern, subscription_id)
CREATE UNIQUE INDEX subscription_templates_pkey ON webhooks.subscription_templates USING btree (tenant_id, name)
CREATE UNIQUE INDEX subscription_verifications_pkey ON webhooks_private.subscription_verifications USING btree (subscription_id)
CREATE UNIQUE INDEX tenant_limits_pkey ON webhooks.tenant_limits USING btree (tenant_id)
CREATE UNIQUE INDEX tenant_purges_pkey ON webhooks.tenant_purges USING btree (tenant_id)
CREATE UNIQUE INDEX webhook_subscriptions_pkey ON webhooks.webhook_subscriptions USING btree (id)

-- constraints
webhooks.alert_history alert_history_pkey PRIMARY KEY (id)
webhooks.delivery_attempts delivery_attempts_status_check CHECK (((delivery_status)::text = ANY (ARRAY['delivered'::text, 'failed'::text, 'retrying'::text, 'expired'::text, 'cancelled'::text])))
webhooks.delivery_queue delivery_queue_pkey PRIMARY KEY (id)
webhooks.event_types event_types_category_check CHECK (((category)::text ~ '^[a-z0-9_]+$'::text))
webhooks.event_types event_types_name_check CHECK (((name)::text ~ '^[a-z0-9_]+(\.[a-z0-9_]+)+$'::text))
webhooks.event_types event_types_pkey PRIMARY KEY (name)
webhooks.resources resources_pkey PRIMARY KEY (resource_type)
webhooks.restored_events restored_events_pkey PRIMARY KEY (tenant_id, hour, reason, inserted_by)
webhooks.restored_events restored_events_reason_check CHECK ((reason = ANY (ARRAY['restore'::text, 'replica'::text])))
webhooks.subscription_templates subscription_templates_pkey PRIMARY KEY (tenant_id, name)
webhooks.tenant_limits tenant_limits_events_check CHECK (((max_events_per_minute >= 0) AND (max_events_per_minute <= 1000000000)))
webhooks.tenant_limits tenant_limits_outstanding_check CHECK (((max_outstanding_deliveries >= 0) AND (max_outstanding_deliveries <= 1000000000)))
webhooks.tenant_limits tenant_limits_pkey PRIMARY KEY (tenant_id)
webhooks.tenant_limits tenant_limits_subscriptions_check CHECK (((max_subscriptions >= 0) AND (max_subscriptions <= 1000000)))
webhooks.tenant_purges tenant_purges_pkey PRIMARY KEY (tenant_id)
webhooks.webhook_subscriptions webhook_subscriptions_auth_type_check CHECK (((auth_type)::text = ANY ((ARRAY['none'::character varying, 'api_key'::character varying, 'signature'::character varying, 'oauth'::character varying])::text[])))
webhooks.webhook_subscriptions webhook_subscriptions_breaker_cooldown_check CHECK (((breaker_cooldown_seconds >= 1) AND (breaker_cooldown_seconds <= 86400)))
webhooks.webhook_subscriptions webhook_subscriptions_breaker_threshold_check CHECK (((breaker_failure_threshold >= 0) AND (breaker_failure_threshold <= 1000000)))
webhooks.webhook_subscriptions webhook_subscriptions_delivery_check CHECK (((delivery)::text = ANY ((ARRAY['push'::character varying, 'poll'::character varying])::text[])))
webhooks.webhook_subscriptions webhook_subscriptions_environment_check CHECK (((environment)::text = ANY ((ARRAY['dev'::character varying, 'staging'::character varying, 'production'::character varying])::text[])))
webhooks.webhook_subscriptions webhook_subscriptions_max_in_flight_check CHECK (((max_in_flight >= 1) AND (max_in_flight <= 1000)))
webhooks.webhook_subscriptions webhook_subscriptions_method_check CHECK (((webhook_method)::text = ANY ((ARRAY['POST'::character varying, 'PUT'::character varying, 'PATCH'::character varying])::text[])))
webhooks.webhook_subscriptions webhook_subscriptions_no_retry_check CHECK (((300 <= ALL (no_retry_statuses)) AND (599 >= ALL (no_retry_statuses))))
webhooks.webhook_subscriptions webhook_subscriptions_ordering_check CHECK (((ordering)::text = ANY ((ARRAY['none'::character varying, 'fifo'::character varying])::text[])))
webhooks.webhook_subscriptions webhook_subscriptions_payload_format_check CHECK (((payload_format)::text = ANY ((ARRAY['envelope'::character varying, 'standard'::character varying, 'cloudevents'::character varying, 'cloudevents-binary'::character varying])::text[])))
webhooks.webhook_subscriptions webhook_subscriptions_payload_size_check CHECK (((max_payload_size_kb >= 1) AND (max_payload_size_kb <= 65536)))
webhooks.webhook_subscriptions webhook_subscriptions_pkey PRIMARY KEY (id)
webhooks.webhook_subscriptions webhook_subscriptions_rate_limit_burst_check CHECK (((rate_limit_burst >= 1) AND (rate_limit_burst <= 100000)))
webhooks.webhook_subscriptions webhook_subscriptions_rate_limit_check CHECK (((rate_limit_per_second >= (0.001)::double precision) AND (rate_limit_per_second <= (100000)::double precision)))
webhooks.webhook_subscriptions webhook_subscriptions_retry_count_check CHECK (((retry_count >= 0) AND (retry_count <= 100)))
webhooks.webhook_subscriptions webhook_subscriptions_retry_delay_check CHECK (((retry_delay_seconds >= 0) AND (retry_delay_seconds <= 86400)))
webhooks.webhook_subscriptions webhook_subscriptions_timeout_check CHECK (((timeout_seconds >= 1) AND (timeout_seconds <= 300)))
webhooks.webhook_subscriptions webhook_subscriptions_url_check CHECK (((webhook_url IS NOT NULL) OR ((delivery)::text = 'poll'::text)))
webhooks.webhook_subscriptions webhook_subscriptions_verification_check CHECK (((endpoint_verification)::text = ANY ((ARRAY['none'::character varying, 'options'::character varying])::text[])))
webhooks_private.access_tokens access_tokens_hash_check CHECK ((octet_length(token_hash) = 32))
webhooks_private.access_tokens access_tokens_hash_key UNIQUE (token_hash)
webhooks_private.access_tokens access_tokens_kind_check CHECK ((kind = ANY (ARRAY['token'::text, 'link'::text, 'session'::text])))
webhooks_private.access_tokens access_tokens_pkey PRIMARY KEY (id)
webhooks_private.alert_evaluation alert_evaluation_is_only_check CHECK (is_only)
webhooks_private.alert_evaluation alert_evaluation_pkey PRIMARY KEY (is_only)
webhooks_private.alert_rule_overrides alert_rule_overrides_pkey PRIMARY KEY (name)
webhooks_private.alert_states alert_states_pkey PRIMARY KEY (rule, subject)
webhooks_private.attempts_hourly attempts_hourly_pkey PRIMARY KEY (subscription_id, hour, is_test, tenant_id)
webhooks_private.audit_log_default audit_log_default_pkey PRIMARY KEY (id)
webhooks_private.audit_log_template audit_log_template_pkey PRIMARY KEY (id)
webhooks_private.delivery_attempts_default delivery_attempts_default_pkey PRIMARY KEY (delivery_id, delivery_attempt)
webhooks_private.delivery_attempts_default delivery_attempts_status_check CHECK (((delivery_status)::text = ANY (ARRAY['delivered'::text, 'failed'::text, 'retrying'::text, 'expired'::text, 'cancelled'::text])))
webhooks_private.delivery_attempts_template delivery_attempts_status_check CHECK (((delivery_status)::text = ANY (ARRAY['delivered'::text, 'failed'::text, 'retrying'::text, 'expired'::text, 'cancelled'::text])))
webhooks_private.delivery_attempts_template delivery_attempts_template_pkey PRIMARY KEY (delivery_id, delivery_attempt)
webhooks_private.event_logs_default event_logs_default_pkey PRIMARY KEY (id)
webhooks_private.event_logs_template event_logs_template_pkey PRIMARY KEY (id)
webhooks_private.event_type_versions event_type_versions_pkey PRIMARY KEY (name, version)
webhooks_private.events_hourly events_hourly_pkey PRIMARY KEY (tenant_id, hour, event_type, event_category)
webhooks_private.expired_responses expired_responses_pkey PRIMARY KEY (is_mark, delivery_id)
webhooks_private.idempotency_keys idempotency_keys_pkey PRIMARY KEY (tenant_id, idempotency_key)
webhooks_private.latencies_hourly latencies_hourly_pkey PRIMARY KEY (tenant_id, hour)
webhooks_private.linked_tables linked_tables_kind_check CHECK ((kind = ANY (ARRAY['tenants'::text, 'users'::text])))
webhooks_private.linked_tables linked_tables_pkey PRIMARY KEY (kind)
webhooks_private.maintenance_tasks maintenance_tasks_pkey PRIMARY KEY (task)
webhooks_private.poll_batches poll_batches_pkey PRIMARY KEY (subscription_id)
webhooks_private.redeliveries_default redeliveries_default_pkey PRIMARY KEY (delivery_id)
webhooks_private.redeliveries_template redeliveries_template_pkey PRIMARY KEY (delivery_id)
webhooks_private.retired_secrets retired_secrets_pkey PRIMARY KEY (subscription_id, retired_at)
webhooks_private.rollup_outstanding rollup_outstanding_pkey PRIMARY KEY (delivery_id)
webhooks_private.rollup_progress rollup_progress_is_only_check CHECK (is_only)
webhooks_private.rollup_progress rollup_progress_pkey PRIMARY KEY (is_only)
webhooks_private.setting_overrides setting_overrides_pkey PRIMARY KEY (name)
webhooks_private.setting_overrides setting_overrides_value_check CHECK ((num_nonnulls(value, text_value) = 1))
webhooks_private.subscription_breakers subscription_breakers_pkey PRIMARY KEY (subscription_id)
webhooks_private.subscription_breakers subscription_breakers_state_check CHECK (((state)::text = ANY ((ARRAY['closed'::character varying, 'open'::character varying])::text[])))
webhooks_private.subscription_routes subscription_routes_pkey PRIMARY KEY (tenant_id, pattern, subscription_id)
webhooks_private.subscription_verifications subscription_verifications_pkey PRIMARY KEY (subscription_id)
webhooks_private.subscription_verifications subscription_verifications_rate_check CHECK ((allowed_rate_per_minute > 0))
webhooks_private.subscription_verifications subscription_verifications_state_check CHECK (((state)::text = ANY ((ARRAY['pending'::character varying, 'verified'::character varying, 'refused'::character varying])::text[])))

-- policies
webhooks.alert_history all_tenants for all to webhooks_all_tenants using true with check true
webhooks.alert_history monitor for select to webhooks_monitor using ( SELECT (NOT pg_has_role(CURRENT_USER, 'webhooks_manager'::name, 'usage'::text)))
webhooks.alert_history own_tenant for all using (tenant_id = (NULLIF(current_setting('webhooks.tenant_id'::text, true), ''::text))::uuid) with check ((tenant_id = (NULLIF(current_setting('webhooks.tenant_id'::text, true), ''::text))::uuid) OR webhooks_private.raise_tenant_denied(tenant_id))
webhooks.audit_log all_tenants for all to webhooks_all_tenants using true with check true
webhooks.audit_log auditor for select to webhooks_auditor using true
webhooks.audit_log own_tenant for all using (tenant_id = (NULLIF(current_setting('webhooks.tenant_id'::text, true), ''::text))::uuid) with check ((tenant_id = (NULLIF(current_setting('webhooks.tenant_id'::text, true), ''::text))::uuid) OR webhooks_private.raise_tenant_denied(tenant_id))
webhooks.delivery_attempts all_tenants for all to webhooks_all_tenants using true with check true
webhooks.delivery_attempts monitor for select to webhooks_monitor using ( SELECT (NOT pg_has_role(CURRENT_USER, 'webhooks_manager'::name, 'usage'::text)))
webhooks.delivery_attempts own_tenant for all using (tenant_id = (NULLIF(current_setting('webhooks.tenant_id'::text, true), ''::text))::uuid) with check ((tenant_id = (NULLIF(current_setting('webhooks.tenant_id'::text, true), ''::text))::uuid) OR webhooks_private.raise_tenant_denied(tenant_id))
webhooks.delivery_queue all_tenants for all to webhooks_all_tenants using true with check true
webhooks.delivery_queue monitor for select to webhooks_monitor using ( SELECT (NOT pg_has_role(CURRENT_USER, 'webhooks_manager'::name, 'usage'::text)))
webhooks.delivery_queue own_tenant for all using (tenant_id = (NULLIF(current_setting('webhooks.tenant_id'::text, true), ''::text))::uuid) with check ((tenant_id = (NULLIF(current_setting('webhooks.tenant_id'::text, true), ''::text))::uuid) OR webhooks_private.raise_tenant_denied(tenant_id))
webhooks.event_logs all_tenants for all to webhooks_all_tenants using true with check true
webhooks.event_logs monitor for select to webhooks_monitor using ( SELECT (NOT pg_has_role(CURRENT_USER, 'webhooks_manager'::name, 'usage'::text)))
webhooks.event_logs own_tenant for all using (tenant_id = (NULLIF(current_setting('webhooks.tenant_id'::text, true), ''::text))::uuid) with check ((tenant_id = (NULLIF(current_setting('webhooks.tenant_id'::text, true), ''::text))::uuid) OR webhooks_private.raise_tenant_denied(tenant_id))
webhooks.redeliveries all_tenants for all to webhooks_all_tenants using true with check true
webhooks.redeliveries monitor for select to webhooks_monitor using ( SELECT (NOT pg_has_role(CURRENT_USER, 'webhooks_manager'::name, 'usage'::text)))
webhooks.redeliveries own_tenant for all using (tenant_id = (NULLIF(current_setting('webhooks.tenant_id'::text, true), ''::text))::uuid) with check ((tenant_id = (NULLIF(current_setting('webhooks.tenant_id'::text, true), ''::text))::uuid) OR webhooks_private.raise_tenant_denied(tenant_id))
webhooks.restored_events all_tenants for all to webhooks_all_tenants using true with check true
webhooks.restored_events monitor for select to webhooks_monitor using ( SELECT (NOT pg_has_role(CURRENT_USER, 'webhooks_manager'::name, 'usage'::text)))
webhooks.restored_events own_tenant for all using (tenant_id = (NULLIF(current_setting('webhooks.tenant_id'::text, true), ''::text))::uuid) with check ((tenant_id = (NULLIF(current_setting('webhooks.tenant_id'::text, true), ''::text))::uuid) OR webhooks_private.raise_tenant_denied(tenant_id))
webhooks.subscription_templates all_tenants for all to webhooks_all_tenants using true with check true
webhooks.subscription_templates own_tenant for all using (tenant_id = (NULLIF(current_setting('webhooks.tenant_id'::text, true), ''::text))::uuid) with check ((tenant_id = (NULLIF(current_setting('webhooks.tenant_id'::text, true), ''::text))::uuid) OR webhooks_private.raise_tenant_denied(tenant_id))
webhooks.tenant_limits all_tenants for all to webhooks_all_tenants using true with check true
webhooks.tenant_limits monitor for select to webhooks_monitor using ( SELECT (NOT pg_has_role(CURRENT_USER, 'webhooks_manager'::name, 'usage'::text)))
webhooks.tenant_limits own_tenant for all using (tenant_id = (NULLIF(current_setting('webhooks.tenant_id'::text, true), ''::text))::uuid) with check ((tenant_id = (NULLIF(current_setting('webhooks.tenant_id'::text, true), ''::text))::uuid) OR webhooks_private.raise_tenant_denied(tenant_id))
webhooks.tenant_purges all_tenants for all to webhooks_all_tenants using true with check true
webhooks.tenant_purges monitor for select to webhooks_monitor using ( SELECT (NOT pg_has_role(CURRENT_USER, 'webhooks_manager'::name, 'usage'::text)))
webhooks.tenant_purges own_tenant for all using (tenant_id = (NULLIF(current_setting('webhooks.tenant_id'::text, true), ''::text))::uuid) with check ((tenant_id = (NULLIF(current_setting('webhooks.tenant_id'::text, true), ''::text))::uuid) OR webhooks_private.raise_tenant_denied(tenant_id))
webhooks.webhook_subscriptions all_tenants for all to webhooks_all_tenants using true with check true
webhooks.webhook_subscriptions monitor for select to webhooks_monitor using ( SELECT (NOT pg_has_role(CURRENT_USER, 'webhooks_manager'::name, 'usage'::text)))
webhooks.webhook_subscriptions own_tenant for all using (tenant_id = (NULLIF(current_setting('webhooks.tenant_id'::text, true), ''::text))::uuid) with check ((tenant_id = (NULLIF(current_setting('webhooks.tenant_id'::text, true), ''::text))::uuid) OR webhooks_private.raise_tenant_denied(tenant_id))
webhooks_private.access_tokens all_tenants for all to webhooks_all_tenants using true with check true
webhooks_private.access_tokens own_tenant for all using (tenant_id = (NULLIF(current_setting('webhooks.tenant_id'::text, true), ''::text))::uuid) with check ((tenant_id = (NULLIF(current_setting('webhooks.tenant_id'::text, true), ''::text))::uuid) OR webhooks_private.raise_tenant_denied(tenant_id))
webhooks_private.alert_states all_tenants for all to webhooks_all_tenants using true with check true
webhooks_private.alert_states monitor for select to webhooks_monitor using ( SELECT (NOT pg_has_role(CURRENT_USER, 'webhooks_manager'::name, 'usage'::text)))
webhooks_private.alert_states own_tenant for all using (tenant_id = (NULLIF(current_setting('webhooks.tenant_id'::text, true), ''::text))::uuid) with check ((tenant_id = (NULLIF(current_setting('webhooks.tenant_id'::text, true), ''::text))::uuid) OR webhooks_private.raise_tenant_denied(tenant_id))
webhooks_private.attempts_hourly all_tenants for all to webhooks_all_tenants using true with check true
webhooks_private.attempts_hourly own_tenant for all using (tenant_id = (NULLIF(current_setting('webhooks.tenant_id'::text, true), ''::text))::uuid) with check ((tenant_id = (NULLIF(current_setting('webhooks.tenant_id'::text, true), ''::text))::uuid) OR webhooks_private.raise_tenant_denied(tenant_id))
webhooks_private.events_hourly all_tenants for all to webhooks_all_tenants using true with check true
webhooks_private.events_hourly own_tenant for all using (tenant_id = (NULLIF(current_setting('webhooks.tenant_id'::text, true), ''::text))::uuid) with check ((tenant_id = (NULLIF(current_setting('webhooks.tenant_id'::text, true), ''::text))::uuid) OR webhooks_private.raise_tenant_denied(tenant_id))
webhooks_private.idempotency_keys all_tenants for all to webhooks_all_tenants using true with check true
webhooks_private.idempotency_keys own_tenant for all using (tenant_id = (NULLIF(current_setting('webhooks.tenant_id'::text, true), ''::text))::uuid) with check ((tenant_id = (NULLIF(current_setting('webhooks.tenant_id'::text, true), ''::text))::uuid) OR webhooks_private.raise_tenant_denied(tenant_id))
webhooks_private.latencies_hourly all_tenants for all to webhooks_all_tenants using true with check true
webhooks_private.latencies_hourly own_tenant for all using (tenant_id = (NULLIF(current_setting('webhooks.tenant_id'::text, true), ''::text))::uuid) with check ((tenant_id = (NULLIF(current_setting('webhooks.tenant_id'::text, true), ''::text))::uuid) OR webhooks_private.raise_tenant_denied(tenant_id))
webhooks_private.subscription_breakers own_tenant for all using (EXISTS ( SELECT
   FROM webhooks.webhook_subscriptions s
  WHERE (s.id = subscription_breakers.subscription_id)))
webhooks_private.subscription_routes all_tenants for all to webhooks_all_tenants using true with check true
webhooks_private.subscription_routes own_tenant for all using (tenant_id = (NULLIF(current_setting('webhooks.tenant_id'::text, true), ''::text))::uuid) with check ((tenant_id = (NULLIF(current_setting('webhooks.tenant_id'::text, true), ''::text))::uuid) OR webhooks_private.raise_tenant_denied(tenant_id))
webhooks_private.subscription_verifications own_tenant for all using (EXISTS ( SELECT
   FROM webhooks.webhook_subscriptions s
  WHERE (s.id = subscription_verifications.subscription_id)))

-- functions
webhooks.acknowledge_deliveries(subscription_id uuid, cursor text)
    returns bigint plpgsql volatile parallel unsafe security definer {"search_path=pg_catalog, pg_temp"}
webhooks.adopt_database(outstanding text, due_before timestamp with time zone DEFAULT NULL::timestamp with time zone)
    returns bigint plpgsql volatile parallel unsafe security definer {"search_path=pg_catalog, pg_temp"}
webhooks.adoption_report(since timestamp with time zone DEFAULT (now() - '91 days'::interval))
    returns TABLE(measure text, item text, week timestamp with time zone, number bigint, share numeric, change numeric) plpgsql stable parallel unsafe security definer {"search_path=pg_catalog, pg_temp",jit=off}
webhooks.blockers(delivery_ids uuid[] DEFAULT '{}'::uuid[], subscription_ids uuid[] DEFAULT '{}'::uuid[])
    returns TABLE(pid integer, role name, application_name text, prepared_transaction text, since timestamp with time zone, relation text, mode text, blocked_pids integer[]) plpgsql volatile parallel unsafe security definer {"search_path=pg_catalog, pg_temp"}
webhooks.build_payload(event_id uuid, subscription_id uuid DEFAULT NULL::uuid)
    returns text sql stable parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks.bypasses_isolation(role name)
    returns boolean sql stable parallel safe
webhooks.cancel_deliveries(subscription_id uuid)
    returns bigint plpgsql volatile parallel unsafe security definer {"search_path=pg_catalog, pg_temp"}
webhooks.cancel_delivery(delivery_id uuid)
    returns boolean plpgsql volatile parallel unsafe security definer {"search_path=pg_catalog, pg_temp"}
webhooks.copy_subscriptions(tenant_id uuid, from_environment text, to_environment text, dry_run boolean DEFAULT false)
    returns TABLE(name text, action text) plpgsql volatile parallel unsafe security definer {"search_path=pg_catalog, pg_temp"}
webhooks.create_access_token(tenant_id uuid, scopes text[], expires_in interval, label text, user_id uuid DEFAULT NULL::uuid)
    returns text plpgsql volatile parallel unsafe security definer {"search_path=pg_catalog, pg_temp"}
webhooks.create_partitions(days_ahead integer DEFAULT NULL::integer, move_rows bigint DEFAULT 100000)
    returns integer plpgsql volatile parallel unsafe security definer {"search_path=pg_catalog, pg_temp",lock_timeout=90ms}
webhooks.create_portal_link(tenant_id uuid, scopes text[], expires_in interval DEFAULT '00:10:00'::interval, session_length interval DEFAULT '08:00:00'::interval, label text DEFAULT 'portal'::text, user_id uuid DEFAULT NULL::uuid)
    returns text plpgsql volatile parallel unsafe security definer {"search_path=pg_catalog, pg_temp"}
webhooks.create_subscription(tenant_id uuid, name text, webhook_url text, subscribed_events jsonb, environment text DEFAULT NULL::text, description text DEFAULT NULL::text, webhook_method text DEFAULT NULL::text, webhook_headers jsonb DEFAULT NULL::jsonb, auth_type text DEFAULT NULL::text, auth_config jsonb DEFAULT NULL::jsonb, event_filters jsonb DEFAULT NULL::jsonb, retry_count integer DEFAULT NULL::integer, retry_delay_seconds integer DEFAULT NULL::integer, timeout_seconds integer DEFAULT NULL::integer, max_payload_size_kb integer DEFAULT NULL::integer, no_retry_statuses integer[] DEFAULT NULL::integer[], max_in_flight integer DEFAULT NULL::integer, rate_limit_per_second double precision DEFAULT NULL::double precision, rate_limit_burst integer DEFAULT NULL::integer, ordering text DEFAULT NULL::text, breaker_failure_threshold integer DEFAULT NULL::integer, breaker_cooldown_seconds integer DEFAULT NULL::integer, payload_format text DEFAULT NULL::text, payload_template text DEFAULT NULL::text, payload_content_type text DEFAULT NULL::text, template_secrets jsonb DEFAULT NULL::jsonb, endpoint_verification text DEFAULT NULL::text, is_active boolean DEFAULT NULL::boolean, is_enabled boolean DEFAULT NULL::boolean, created_by uuid DEFAULT NULL::uuid, retry_schedule text DEFAULT NULL::text, delivery text DEFAULT NULL::text, expires_at timestamp with time zone DEFAULT NULL::timestamp with time zone)
    returns uuid sql volatile parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks.create_subscription_from_template(tenant_id uuid, template text, overrides jsonb DEFAULT '{}'::jsonb)
    returns uuid plpgsql volatile parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks.current_tenant()
    returns uuid sql stable parallel safe
webhooks.delete_subscription(id uuid)
    returns void plpgsql volatile parallel unsafe security definer {"search_path=pg_catalog, pg_temp"}
webhooks.delete_subscription_template(tenant_id uuid, name text)
    returns boolean plpgsql volatile parallel unsafe security definer {"search_path=pg_catalog, pg_temp"}
webhooks.delivery_latency(tenant_id uuid, since timestamp with time zone DEFAULT (now() - '1 day'::interval), bucket interval DEFAULT '01:00:00'::interval)
    returns TABLE(bucket_start timestamp with time zone, deliveries bigint, receipt_p50_ms numeric, receipt_p95_ms numeric, receipt_p99_ms numeric, response_p50_ms numeric, response_p95_ms numeric, response_p99_ms numeric) plpgsql stable parallel unsafe security definer {"search_path=pg_catalog, pg_temp"}
webhooks.delivery_metrics(tenant_id uuid, days integer DEFAULT 7)
    returns TABLE(total_deliveries bigint, successful_deliveries bigint, failed_deliveries bigint, success_rate numeric, average_response_time_seconds numeric) plpgsql stable parallel unsafe security definer {"search_path=pg_catalog, pg_temp"}
webhooks.delivery_volume(tenant_id uuid, bucket interval DEFAULT '01:00:00'::interval, since timestamp with time zone DEFAULT (now() - '1 day'::interval), subscription_ids uuid[] DEFAULT NULL::uuid[])
    returns TABLE(bucket_start timestamp with time zone, subscription_id uuid, delivered bigint, retrying bigint, failed bigint) plpgsql stable parallel unsafe security definer {"search_path=pg_catalog, pg_temp"}
webhooks.deprecate_event_type(name text, reason text, version text DEFAULT NULL::text)
    returns void plpgsql volatile parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks.doctor()
    returns TABLE(severity text, check_name text, finding text, meaning text, advice text) plpgsql stable parallel unsafe security definer {"search_path=pg_catalog, pg_temp",jit=off}
webhooks.endpoint_health(tenant_id uuid)
    returns TABLE(subscription_id uuid, name text, state text, attempts_1h bigint, success_rate_1h numeric, average_response_seconds_1h numeric, attempts_24h bigint, success_rate_24h numeric, average_response_seconds_24h numeric, attempts_7d bigint, success_rate_7d numeric, average_response_seconds_7d numeric, failures_in_a_row bigint, last_success_at timestamp with time zone, last_failure_at timestamp with time zone, next_retry_at timestamp with time zone, outstanding bigint, oldest_due_at timestamp with time zone) plpgsql stable parallel unsafe security definer {"search_path=pg_catalog, pg_temp",plan_cache_mode=force_custom_plan,jit=off}
webhooks.event_history(tenant_id uuid, event_id uuid DEFAULT NULL::uuid, since timestamp with time zone DEFAULT NULL::timestamp with time zone, until timestamp with time zone DEFAULT NULL::timestamp with time zone, event_types text[] DEFAULT NULL::text[], resource_type text DEFAULT NULL::text, resource_id uuid DEFAULT NULL::uuid, max_events integer DEFAULT 20)
    returns TABLE(event_log_id uuid, event_type text, at timestamp with time zone, what text, subscription_id uuid, subscription_name text, delivery_id uuid, repeats uuid, attempt integer, status text, http_status_code integer, duration_us bigint, next_attempt_at timestamp with time zone, error_message text) plpgsql stable parallel unsafe {"search_path=pg_catalog, pg_temp",plan_cache_mode=force_custom_plan}
webhooks.event_volume(tenant_id uuid, bucket interval DEFAULT '1 day'::interval, since timestamp with time zone DEFAULT (now() - '7 days'::interval))
    returns TABLE(bucket_start timestamp with time zone, event_type text, event_category text, events bigint) plpgsql stable parallel unsafe security definer {"search_path=pg_catalog, pg_temp"}
webhooks.explain_match(tenant_id uuid, event_type text, event_data jsonb DEFAULT '{}'::jsonb, resource_type text DEFAULT NULL::text, resource_id uuid DEFAULT NULL::uuid, environment text DEFAULT NULL::text)
    returns TABLE(subscription_id uuid, subscription_name text, matched boolean, reason text) sql stable parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks.export_subscriptions(tenant_id uuid, subscription_ids uuid[] DEFAULT NULL::uuid[])
    returns jsonb sql stable parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks.failed_deliveries(tenant_id uuid, max_rows integer DEFAULT 100)
    returns TABLE(id uuid, subscription_name text, event_type text, attempted_at timestamp with time zone, error_message text, http_status_code integer) plpgsql stable parallel unsafe security definer {"search_path=pg_catalog, pg_temp"}
webhooks.generate_api_key()
    returns text c volatile parallel safe strict
webhooks.generate_secret()
    returns text c volatile parallel safe strict
webhooks.generate_signature(payload text, secret text)
    returns text c immutable parallel safe strict
webhooks.get_subscription(id uuid)
    returns webhooks.subscription_settings plpgsql stable parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks.grant_all_tenants(role name)
    returns void plpgsql volatile parallel unsafe security definer {"search_path=pg_catalog, pg_temp"}
webhooks.import_subscriptions(tenant_id uuid, subscriptions jsonb, dry_run boolean DEFAULT false)
    returns TABLE(name text, environment text, action text, subscription_id uuid, before jsonb, after jsonb, error text, hint text) plpgsql volatile parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks.is_adopted()
    returns boolean sql stable parallel unsafe security definer {"search_path=pg_catalog, pg_temp"}
webhooks.link_tenants(tenants regclass, id_column name DEFAULT 'id'::name)
    returns void plpgsql volatile parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks.link_users(users regclass, id_column name DEFAULT 'id'::name)
    returns void sql volatile parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks.list_access_tokens(tenant_id uuid, kinds text[] DEFAULT '{token,link}'::text[], max_tokens integer DEFAULT 100, after_id uuid DEFAULT NULL::uuid)
    returns TABLE(id uuid, label text, scopes text[], user_id uuid, created_at timestamp with time zone, expires_at timestamp with time zone, last_used_at timestamp with time zone, kind text) plpgsql stable parallel unsafe security definer {"search_path=pg_catalog, pg_temp",plan_cache_mode=force_custom_plan}
webhooks.list_audit_log(tenant_id uuid, since timestamp with time zone DEFAULT (now() - '30 days'::interval), until timestamp with time zone DEFAULT 'infinity'::timestamp with time zone, object_type text DEFAULT NULL::text, object_id text DEFAULT NULL::text, max_entries integer DEFAULT 50, after_id uuid DEFAULT NULL::uuid)
    returns SETOF webhooks.audit_log plpgsql stable parallel unsafe security definer {"search_path=pg_catalog, pg_temp",plan_cache_mode=force_custom_plan}
webhooks.list_deliveries(tenant_id uuid, since timestamp with time zone DEFAULT (now() - '1 day'::interval), until timestamp with time zone DEFAULT 'infinity'::timestamp with time zone, statuses text[] DEFAULT NULL::text[], subscription_id uuid DEFAULT NULL::uuid, max_rows integer DEFAULT 100, after_id uuid DEFAULT NULL::uuid)
    returns SETOF webhooks.webhook_delivery_logs plpgsql stable parallel unsafe {"search_path=pg_catalog, pg_temp",plan_cache_mode=force_custom_plan}
webhooks.list_events(tenant_id uuid, since timestamp with time zone DEFAULT (now() - '1 day'::interval), until timestamp with time zone DEFAULT 'infinity'::timestamp with time zone, event_types text[] DEFAULT NULL::text[], resource_type text DEFAULT NULL::text, resource_id uuid DEFAULT NULL::uuid, event_id uuid DEFAULT NULL::uuid, idempotency_key text DEFAULT NULL::text, max_events integer DEFAULT 50, after_id uuid DEFAULT NULL::uuid)
    returns SETOF webhooks.event_logs plpgsql stable parallel unsafe {"search_path=pg_catalog, pg_temp",plan_cache_mode=force_custom_plan,enable_seqscan=off,jit=off}
webhooks.list_subscriptions(environment text DEFAULT NULL::text, is_active boolean DEFAULT NULL::boolean)
    returns SETOF webhooks.subscription_settings sql stable parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks.list_tenants(max_tenants integer DEFAULT 100, after_id uuid DEFAULT NULL::uuid)
    returns TABLE(tenant_id uuid, subscriptions bigint, max_subscriptions bigint, events_per_minute bigint, max_events_per_minute bigint, outstanding_deliveries bigint, max_outstanding_deliveries bigint, events_of_day bigint) plpgsql volatile parallel unsafe security definer {"search_path=pg_catalog, pg_temp"}
webhooks.maintain()
    returns TABLE(task text, done bigint) plpgsql volatile parallel unsafe security definer {"search_path=pg_catalog, pg_temp",lock_timeout=5s}
webhooks.overdue_partitions()
    returns TABLE(relation text, partition text, ended_at timestamp with time zone, held_by uuid, held_since timestamp with time zone) plpgsql stable parallel unsafe security definer {"search_path=pg_catalog, pg_temp",plan_cache_mode=force_custom_plan}
webhooks.poll_deliveries(subscription_id uuid, cursor text DEFAULT NULL::text, max_deliveries integer DEFAULT 100)
    returns TABLE(next_cursor text, delivery_id uuid, event_id uuid, event_type text, attempt integer, headers json, body text) plpgsql volatile parallel unsafe security definer {"search_path=pg_catalog, pg_temp"}
webhooks.preview_payload(subscription_id uuid, event_id uuid DEFAULT NULL::uuid, event_type text DEFAULT NULL::text)
    returns TABLE(method text, url text, headers jsonb, body text) plpgsql stable parallel unsafe {"search_path=pg_catalog, pg_temp",plan_cache_mode=force_custom_plan}
webhooks.publish_event(tenant_id uuid, event_type text, event_category text DEFAULT NULL::text, event_name text DEFAULT NULL::text, event_data jsonb DEFAULT '{}'::jsonb, resource_type text DEFAULT NULL::text, resource_id uuid DEFAULT NULL::uuid, user_id uuid DEFAULT NULL::uuid, session_id text DEFAULT NULL::text, request_id text DEFAULT NULL::text, source_ip inet DEFAULT NULL::inet, event_version text DEFAULT NULL::text, environment text DEFAULT NULL::text, idempotency_key text DEFAULT NULL::text, ordering_key text DEFAULT NULL::text, deliver_after timestamp with time zone DEFAULT NULL::timestamp with time zone, expires_at timestamp with time zone DEFAULT NULL::timestamp with time zone)
    returns uuid plpgsql volatile parallel unsafe security definer {"search_path=pg_catalog, pg_temp"}
webhooks.purge_tenant(tenant_id uuid, max_rows integer DEFAULT 10000)
    returns webhooks.tenant_purges plpgsql volatile parallel unsafe security definer {"search_path=pg_catalog, pg_temp"}
webhooks.queue_status()
    returns TABLE(shard smallint, owner text, owner_pid integer, ready bigint, scheduled bigint, held bigint, oldest_due_at timestamp with time zone) plpgsql stable parallel unsafe security definer {"search_path=pg_catalog, pg_temp"}
webhooks.reconcile_after_restore(attempts regclass)
    returns bigint plpgsql volatile parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks.redact_event(event_id uuid, reason text DEFAULT NULL::text)
    returns bigint plpgsql volatile parallel unsafe security definer {"search_path=pg_catalog, pg_temp",plan_cache_mode=force_custom_plan}
webhooks.register_event_type(name text, category text DEFAULT NULL::text, description text DEFAULT NULL::text, version text DEFAULT NULL::text, schema json DEFAULT NULL::json, example jsonb DEFAULT NULL::jsonb, is_current boolean DEFAULT true)
    returns void plpgsql volatile parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks.register_resource(resource_type text, target regclass DEFAULT NULL::regclass, id_column name DEFAULT 'id'::name, columns name[] DEFAULT NULL::name[], except_columns name[] DEFAULT NULL::name[], tenant_column name DEFAULT 'tenant_id'::name, resolver regprocedure DEFAULT NULL::regprocedure)
    returns void plpgsql volatile parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks.release_database()
    returns void plpgsql volatile parallel unsafe security definer {"search_path=pg_catalog, pg_temp"}
webhooks.renew_secret(subscription_id uuid)
    returns text plpgsql volatile parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks.replay_event(tenant_id uuid, event_id uuid, subscription_id uuid DEFAULT NULL::uuid, dry_run boolean DEFAULT false)
    returns TABLE(deliveries bigint, outstanding bigint) plpgsql volatile parallel unsafe security definer {"search_path=pg_catalog, pg_temp",plan_cache_mode=force_custom_plan}
webhooks.replay_event_set(tenant_id uuid, event_ids uuid[], subscription_id uuid DEFAULT NULL::uuid, dry_run boolean DEFAULT false)
    returns TABLE(events bigint, deliveries bigint, outstanding bigint) plpgsql volatile parallel unsafe security definer {"search_path=pg_catalog, pg_temp",plan_cache_mode=force_custom_plan}
webhooks.replay_events(tenant_id uuid, since timestamp with time zone, until timestamp with time zone, event_types text[] DEFAULT NULL::text[], subscription_id uuid DEFAULT NULL::uuid, dry_run boolean DEFAULT false, max_events integer DEFAULT 10000, after uuid DEFAULT NULL::uuid)
    returns TABLE(events bigint, deliveries bigint, outstanding bigint, resume_after uuid) plpgsql volatile parallel unsafe security definer {"search_path=pg_catalog, pg_temp",plan_cache_mode=force_custom_plan}
webhooks.reset_alert_rule(name text)
    returns void plpgsql volatile parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks.reset_breaker(subscription_id uuid)
    returns boolean plpgsql volatile parallel unsafe security definer {"search_path=pg_catalog, pg_temp"}
webhooks.reset_setting(name text)
    returns void plpgsql volatile parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks.retry_delivery(delivery_id uuid)
    returns uuid plpgsql volatile parallel unsafe security definer {"search_path=pg_catalog, pg_temp",plan_cache_mode=force_custom_plan}
webhooks.retry_failed(subscription_id uuid, since timestamp with time zone DEFAULT '-infinity'::timestamp with time zone, until timestamp with time zone DEFAULT 'infinity'::timestamp with time zone, max_deliveries integer DEFAULT 10000, dry_run boolean DEFAULT false, event_types text[] DEFAULT NULL::text[])
    returns bigint plpgsql volatile parallel unsafe security definer {"search_path=pg_catalog, pg_temp",plan_cache_mode=force_custom_plan}
webhooks.revoke_access_token(tenant_id uuid, id uuid)
    returns boolean plpgsql volatile parallel unsafe security definer {"search_path=pg_catalog, pg_temp"}
webhooks.revoke_all_tenants(role name)
    returns void plpgsql volatile parallel unsafe security definer {"search_path=pg_catalog, pg_temp"}
webhooks.set_alert_rule(name text, is_enabled boolean DEFAULT NULL::boolean, threshold numeric DEFAULT NULL::numeric, for_seconds integer DEFAULT NULL::integer, resolve_seconds integer DEFAULT NULL::integer, severity text DEFAULT NULL::text)
    returns void plpgsql volatile parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks.set_setting(name text, value bigint)
    returns void plpgsql volatile parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks.set_setting(name text, value text)
    returns void plpgsql volatile parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks.set_subscriptions_enabled(ids uuid[], enabled boolean)
    returns bigint plpgsql volatile parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks.set_tenant(tenant_id uuid, for_session boolean DEFAULT false)
    returns void sql volatile parallel unsafe
webhooks.set_tenant_limits(tenant_id uuid, max_subscriptions bigint DEFAULT NULL::bigint, max_events_per_minute bigint DEFAULT NULL::bigint, max_outstanding_deliveries bigint DEFAULT NULL::bigint)
    returns void plpgsql volatile parallel unsafe security definer {"search_path=pg_catalog, pg_temp"}
webhooks.shipped_templates()
    returns TABLE(name text, description text, settings jsonb, placeholders jsonb) sql immutable parallel safe
webhooks.sidecar_count()
    returns integer sql volatile parallel unsafe security definer {"search_path=pg_catalog, pg_temp"}
webhooks.slo_report(days integer DEFAULT 30)
    returns TABLE(objective text, target text, measured numeric, unit text, is_met boolean, samples bigint) plpgsql stable parallel unsafe security definer {"search_path=pg_catalog, pg_temp",jit=off}
webhooks.subscription_deliveries(subscription_id uuid, statuses text[] DEFAULT NULL::text[], since timestamp with time zone DEFAULT (now() - '7 days'::interval), max_deliveries integer DEFAULT 50, after_id uuid DEFAULT NULL::uuid)
    returns SETOF webhooks.webhook_delivery_logs plpgsql stable parallel unsafe security definer {"search_path=pg_catalog, pg_temp",plan_cache_mode=force_custom_plan}
webhooks.tenant_usage(tenant_id uuid)
    returns TABLE(name text, used bigint, maximum bigint, is_own boolean) plpgsql volatile parallel unsafe security definer {"search_path=pg_catalog, pg_temp"}
webhooks.test_subscription(subscription_id uuid, event_type text DEFAULT NULL::text, event_data jsonb DEFAULT NULL::jsonb)
    returns uuid plpgsql volatile parallel unsafe security definer {"search_path=pg_catalog, pg_temp"}
webhooks.unlink_tenants()
    returns void plpgsql volatile parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks.unlink_users()
    returns void plpgsql volatile parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks.unmatched_events(tenant_id uuid, since timestamp with time zone, until timestamp with time zone DEFAULT 'infinity'::timestamp with time zone, max_events integer DEFAULT 100, event_types text[] DEFAULT NULL::text[])
    returns TABLE(event_log_id uuid, event_type text, created_at timestamp with time zone, environment text, resource_type text, resource_id uuid) plpgsql stable parallel unsafe {"search_path=pg_catalog, pg_temp",plan_cache_mode=force_custom_plan}
webhooks.unregister_resource(resource_type text)
    returns boolean plpgsql volatile parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks.unwatch_table(target regclass)
    returns boolean plpgsql volatile parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks.update_subscription(id uuid, changes jsonb)
    returns webhooks.subscription_settings plpgsql volatile parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks.uuid_v7()
    returns uuid c volatile parallel safe strict
webhooks.uuid_v7_floor(at timestamp with time zone)
    returns uuid sql immutable parallel safe strict
webhooks.uuid_v7_time(id uuid)
    returns timestamp with time zone sql immutable parallel safe strict
webhooks.verify_signature(payload text, signature text, secret text)
    returns boolean c immutable parallel safe strict
webhooks.verify_subscription(subscription_id uuid)
    returns void plpgsql volatile parallel unsafe security definer {"search_path=pg_catalog, pg_temp"}
webhooks.wait_for_delivery(delivery_id uuid, timeout interval DEFAULT '00:00:30'::interval)
    returns TABLE(is_final boolean, status text, attempts integer, http_status_code integer, response_headers jsonb, response_body text, error_message text, duration_us bigint, next_retry_at timestamp with time zone) plpgsql volatile parallel unsafe {"search_path=pg_catalog, pg_temp",plan_cache_mode=force_custom_plan}
webhooks.watch_table(target regclass, on_insert text DEFAULT NULL::text, on_update text DEFAULT NULL::text, on_delete text DEFAULT NULL::text, on_change jsonb DEFAULT NULL::jsonb, tenant_column name DEFAULT 'tenant_id'::name, tenant_id uuid DEFAULT NULL::uuid, id_column name DEFAULT NULL::name, resource_type text DEFAULT NULL::text, watch_columns name[] DEFAULT NULL::name[], condition text DEFAULT NULL::text, columns name[] DEFAULT NULL::name[], except_columns name[] DEFAULT NULL::name[], per_row boolean DEFAULT NULL::boolean)
    returns void plpgsql volatile parallel unsafe {"search_path=pg_catalog, pg_temp",lc_monetary=C,quote_all_identifiers=off}
webhooks_private.access_scopes()
    returns TABLE(scope text, role name, meaning text) sql immutable parallel safe
webhooks_private.add_routes(subscription webhooks.webhook_subscriptions)
    returns void plpgsql volatile parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks_private.add_text_size(so_far bigint, event_data jsonb, resource_data jsonb, max_bytes bigint)
    returns bigint c immutable parallel safe
webhooks_private.adopt_if_empty()
    returns void plpgsql volatile parallel unsafe security definer {"search_path=pg_catalog, pg_temp"}
webhooks_private.alerts_lock()
    returns integer sql immutable parallel safe
webhooks_private.application_user()
    returns uuid plpgsql stable parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks_private.apply_limits(tenant_id uuid, events bigint, per_minute bigint, max_outstanding bigint, verdict text)
    returns void plpgsql volatile parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks_private.apply_links()
    returns bigint plpgsql volatile parallel unsafe {"search_path=pg_catalog, pg_temp",lock_timeout=2s}
webhooks_private.are_copied()
    returns boolean plpgsql stable parallel restricted {"search_path=pg_catalog, pg_temp"}
webhooks_private.arm_doorbell(shards smallint[])
    returns boolean plpgsql volatile parallel unsafe security definer {"search_path=pg_catalog, pg_temp"}
webhooks_private.attach_meters(handle bigint)
    returns boolean c volatile parallel unsafe strict
webhooks_private.attach_partitions(parent text, partitions text[])
    returns void plpgsql volatile parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks_private.audit(action text, object_type text, object_id text, tenant_id uuid DEFAULT NULL::uuid, before jsonb DEFAULT NULL::jsonb, after jsonb DEFAULT NULL::jsonb, reason text DEFAULT NULL::text)
    returns void sql volatile parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks_private.audit_change()
    returns trigger plpgsql volatile parallel unsafe security definer {"search_path=pg_catalog, pg_temp"}
webhooks_private.backlog_of(subscription_id uuid, OUT deliveries bigint, OUT next_retry_at timestamp with time zone, OUT oldest_due_at timestamp with time zone)
    returns record sql stable parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks_private.balance_shards(owned smallint[])
    returns webhooks_private.shard_balance plpgsql volatile parallel unsafe security definer {"search_path=pg_catalog, pg_temp"}
webhooks_private.base_type(type regtype)
    returns regtype sql stable parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks_private.begin_metering()
    returns boolean c volatile parallel unsafe strict
webhooks_private.bell_lock()
    returns integer sql immutable parallel safe
webhooks_private.bind_database()
    returns void sql volatile parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks_private.bucket_start(bucket interval, at timestamp with time zone)
    returns timestamp with time zone sql immutable parallel safe
webhooks_private.call_resolver(resolver oid, tenant_id uuid, resource_id uuid)
    returns jsonb c volatile parallel unsafe strict
webhooks_private.caller()
    returns name sql stable parallel restricted
webhooks_private.cancel_all_outstanding(due_before timestamp with time zone, reason text)
    returns bigint sql volatile parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks_private.cancel_outstanding()
    returns trigger plpgsql volatile parallel unsafe security definer {"search_path=pg_catalog, pg_temp"}
webhooks_private.change_lock()
    returns integer sql immutable parallel safe
webhooks_private.changed_subscriptions(ids uuid[], versions bigint[])
    returns SETOF uuid plpgsql stable parallel unsafe security definer {"search_path=pg_catalog, pg_temp",plan_cache_mode=force_generic_plan,enable_seqscan=off,enable_hashjoin=off,enable_mergejoin=off}
webhooks_private.check_access_label(label text)
    returns void plpgsql immutable parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks_private.check_access_scopes(scopes text[], tenant_id uuid)
    returns void plpgsql stable parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks_private.check_adopted()
    returns void plpgsql stable parallel unsafe security definer {"search_path=pg_catalog, pg_temp"}
webhooks_private.check_alert_rule(name text)
    returns void plpgsql stable parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks_private.check_arguments(tenant_id uuid, event_type text, event_name text, event_data jsonb, resource_type text, session_id text, request_id text, event_version text, environment text, idempotency_key text, ordering_key text, deliver_after timestamp with time zone, expires_at timestamp with time zone)
    returns boolean plpgsql volatile parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks_private.check_count(name text, entries bigint, most integer)
    returns void plpgsql stable parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks_private.check_event_filters(event_filters jsonb)
    returns void plpgsql stable parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks_private.check_event_patterns(event_types text[])
    returns void plpgsql stable parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks_private.check_event_size(event_data jsonb, resource_data jsonb)
    returns void plpgsql volatile parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks_private.check_event_type_sizes()
    returns trigger plpgsql volatile parallel unsafe security definer {"search_path=pg_catalog, pg_temp"}
webhooks_private.check_event_type_version()
    returns trigger plpgsql volatile parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks_private.check_event_type_version_sizes()
    returns trigger plpgsql volatile parallel unsafe security definer {"search_path=pg_catalog, pg_temp"}
webhooks_private.check_monitored_tenant(tenant_id uuid)
    returns boolean sql stable parallel restricted {"search_path=pg_catalog, pg_temp"}
webhooks_private.check_monitors_all()
    returns void plpgsql stable parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks_private.check_outstanding(tenant_id uuid)
    returns void plpgsql volatile parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks_private.check_publishes_for_system(event_type text)
    returns void plpgsql volatile parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks_private.check_receiver(before webhooks.webhook_subscriptions, after webhooks.webhook_subscriptions)
    returns void plpgsql stable parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks_private.check_replay(tenant_id uuid, since timestamp with time zone, until timestamp with time zone, event_types text[], subscription_id uuid, max_events integer, after uuid)
    returns void plpgsql stable parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks_private.check_secret(secret text)
    returns integer c immutable parallel safe strict
webhooks_private.check_size(name text, value jsonb, former jsonb, max_bytes integer)
    returns void plpgsql stable parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks_private.check_size(name text, value text, former text, max_bytes integer)
    returns void plpgsql stable parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks_private.check_subscribed_events(subscribed_events jsonb, is_unchanged boolean)
    returns void plpgsql stable parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks_private.check_subscription(webhook_url text, webhook_headers text, auth_type text, auth_config text, event_filters text)
    returns void c stable parallel safe
webhooks_private.check_subscription_columns(subscription webhooks.webhook_subscriptions)
    returns void plpgsql stable parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks_private.check_subscription_sizes()
    returns trigger plpgsql volatile parallel unsafe security definer {"search_path=pg_catalog, pg_temp"}
webhooks_private.check_subscription_template_sizes()
    returns trigger plpgsql volatile parallel unsafe security definer {"search_path=pg_catalog, pg_temp"}
webhooks_private.check_template(payload_template text, payload_content_type text, max_payload_size_kb integer, subscribed_events jsonb)
    returns void plpgsql stable parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks_private.check_template_secrets(payload_template text, template_secrets text)
    returns void c immutable parallel safe
webhooks_private.check_tenant(tenant_id uuid)
    returns boolean sql stable parallel restricted
webhooks_private.check_verification_settings()
    returns void plpgsql stable parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks_private.check_watch_bounds(definition jsonb)
    returns void plpgsql immutable parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks_private.check_watch_columns(target regclass, all_columns text[], definition jsonb)
    returns void plpgsql stable parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks_private.check_watch_condition(target regclass, condition text)
    returns void plpgsql stable parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks_private.check_watch_events(target regclass, definition jsonb)
    returns void plpgsql stable parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks_private.check_watchable(target regclass)
    returns void plpgsql stable parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks_private.checked_bucket(bucket interval)
    returns interval plpgsql immutable parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks_private.checked_days(days integer)
    returns integer plpgsql immutable parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks_private.checked_since(since timestamp with time zone)
    returns timestamp with time zone plpgsql stable parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks_private.claim_deliveries(request webhooks_private.claim_request)
    returns SETOF webhooks_private.claimed_delivery plpgsql stable parallel unsafe security definer {"search_path=pg_catalog, pg_temp",plan_cache_mode=force_generic_plan,enable_seqscan=off,enable_bitmapscan=off,enable_hashjoin=off,enable_mergejoin=off,jit=off}
webhooks_private.claim_idempotency_key(tenant_id uuid, idempotency_key text, event_id uuid, event_type text, event_name text, event_data jsonb, resource_type text, resource_id uuid, event_version text, environment text, ordering_key text)
    returns uuid plpgsql volatile parallel unsafe {"search_path=pg_catalog, pg_temp",enable_seqscan=off}
webhooks_private.clock_skew()
    returns double precision plpgsql stable parallel unsafe {"search_path=pg_catalog, pg_temp",plan_cache_mode=force_custom_plan,enable_seqscan=off}
webhooks_private.close_session(session_hash bytea)
    returns boolean plpgsql volatile parallel unsafe security definer {"search_path=pg_catalog, pg_temp"}
webhooks_private.columns_since(target regclass, definition jsonb, events_function text)
    returns jsonb sql stable parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks_private.complete_watch(target regclass, given jsonb)
    returns jsonb plpgsql stable parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks_private.copies_events()
    returns boolean sql stable parallel restricted
webhooks_private.could_copy_events()
    returns boolean c stable parallel unsafe
webhooks_private.count_match()
    returns bigint c volatile parallel unsafe strict
webhooks_private.count_notification()
    returns bigint c volatile parallel unsafe strict
webhooks_private.count_outstanding(tenant_id uuid, up_to bigint DEFAULT NULL::bigint)
    returns bigint plpgsql stable parallel unsafe {"search_path=pg_catalog, pg_temp",plan_cache_mode=force_generic_plan,enable_seqscan=off,enable_bitmapscan=off,enable_hashjoin=off,enable_mergejoin=off,jit=off}
webhooks_private.counted_attempts(tenant_id uuid, since timestamp with time zone, only_subscriptions uuid[] DEFAULT NULL::uuid[])
    returns TABLE(subscription_id uuid, hour timestamp with time zone, is_test boolean, delivered bigint, failed bigint, retrying bigint, expired bigint, cancelled bigint, delivered_by_retry bigint, failed_after_retry bigint, response_us bigint, last_delivered_at timestamp with time zone, last_failed_at timestamp with time zone) plpgsql stable parallel unsafe {"search_path=pg_catalog, pg_temp",plan_cache_mode=force_custom_plan,jit=off}
webhooks_private.counted_matches()
    returns bigint c volatile parallel unsafe strict
webhooks_private.create_meters()
    returns bigint c volatile parallel unsafe strict
webhooks_private.create_partition_table(parent text, partition text)
    returns void plpgsql volatile parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks_private.default_check(parent text, partitions text[])
    returns text sql stable parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks_private.delivery_spans(tenant_id uuid, event_ids uuid[], times timestamp with time zone[])
    returns tstzmultirange plpgsql stable parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks_private.derive_routes()
    returns trigger plpgsql volatile parallel unsafe security definer {"search_path=pg_catalog, pg_temp"}
webhooks_private.disarm_doorbell(shards smallint[])
    returns void plpgsql volatile parallel unsafe security definer {"search_path=pg_catalog, pg_temp"}
webhooks_private.doctor_access_tokens()
    returns TABLE(severity text, check_name text, finding text, meaning text, advice text) sql stable parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks_private.doctor_clock()
    returns TABLE(severity text, check_name text, finding text, meaning text, advice text) sql stable parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks_private.doctor_partitions()
    returns TABLE(severity text, check_name text, finding text, meaning text, advice text) plpgsql stable parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks_private.doctor_queue()
    returns TABLE(severity text, check_name text, finding text, meaning text, advice text) sql stable parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks_private.doctor_security()
    returns TABLE(severity text, check_name text, finding text, meaning text, advice text) sql stable parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks_private.doctor_server()
    returns TABLE(severity text, check_name text, finding text, meaning text, advice text) sql stable parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks_private.doctor_sidecars()
    returns TABLE(severity text, check_name text, finding text, meaning text, advice text) sql stable parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks_private.drop_old_partition()
    returns bigint plpgsql volatile parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks_private.drop_partition(parent text, partition text)
    returns boolean plpgsql volatile parallel unsafe {"search_path=pg_catalog, pg_temp",lock_timeout=40ms}
webhooks_private.drop_unused_functions(names text[])
    returns void plpgsql volatile parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks_private.due_since(delivery_id uuid, event_log_id uuid, attempt integer, next_attempt_at timestamp with time zone)
    returns timestamp with time zone plpgsql stable parallel unsafe {"search_path=pg_catalog, pg_temp",plan_cache_mode=force_custom_plan}
webhooks_private.end_all_tenants_tokens(role name)
    returns bigint plpgsql volatile parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks_private.end_copied_access(outstanding text)
    returns bigint plpgsql volatile parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks_private.end_deliveries(ids uuid[], tenant_id uuid)
    returns bigint plpgsql volatile parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks_private.endpoint_event_types()
    returns text[] sql immutable parallel safe
webhooks_private.endpoint_events(results webhooks_private.attempt_result[], written bigint[], disabled_ids uuid[])
    returns TABLE(subscription_id uuid, event_type text, event_data jsonb) plpgsql stable parallel unsafe {"search_path=pg_catalog, pg_temp",plan_cache_mode=force_custom_plan}
webhooks_private.evaluate_alerts()
    returns bigint plpgsql volatile parallel unsafe security definer {"search_path=pg_catalog, pg_temp",lock_timeout=5s,jit=off}
webhooks_private.event_deliveries(tenant_id uuid, event_ids uuid[])
    returns TABLE(event_log_id uuid, delivery_id uuid, subscription_id uuid, is_redelivery boolean, repeats uuid) plpgsql stable parallel unsafe {"search_path=pg_catalog, pg_temp",plan_cache_mode=force_custom_plan}
webhooks_private.event_id_range(tenant_id uuid, since timestamp with time zone, until timestamp with time zone, OUT first_id uuid, OUT last_id uuid)
    returns record plpgsql stable parallel unsafe {"search_path=pg_catalog, pg_temp",plan_cache_mode=force_custom_plan,enable_seqscan=off}
webhooks_private.event_ids_between(from_time timestamp with time zone, until_time timestamp with time zone, OUT first_id uuid, OUT last_id uuid, OUT first_day uuid, OUT end_of_days uuid)
    returns record sql stable parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks_private.event_of_key(tenant_id uuid, idempotency_key text)
    returns uuid plpgsql stable parallel unsafe security definer {"search_path=pg_catalog, pg_temp"}
webhooks_private.event_type_of(event_id uuid)
    returns text plpgsql stable parallel unsafe {"search_path=pg_catalog, pg_temp",plan_cache_mode=force_custom_plan}
webhooks_private.events_without_row(tenant_id uuid, since timestamp with time zone, until timestamp with time zone, max_events integer)
    returns SETOF uuid plpgsql stable parallel unsafe {"search_path=pg_catalog, pg_temp",plan_cache_mode=force_custom_plan}
webhooks_private.expire_deliveries(max_deliveries integer DEFAULT 10000)
    returns bigint plpgsql volatile parallel unsafe {"search_path=pg_catalog, pg_temp",plan_cache_mode=force_custom_plan,enable_seqscan=off,enable_bitmapscan=off}
webhooks_private.expire_late_responses(before timestamp with time zone)
    returns bigint plpgsql volatile parallel unsafe {"search_path=pg_catalog, pg_temp",plan_cache_mode=force_custom_plan}
webhooks_private.expire_next_responses(before timestamp with time zone, max_attempts integer)
    returns bigint plpgsql volatile parallel unsafe {"search_path=pg_catalog, pg_temp",enable_seqscan=off}
webhooks_private.expire_responses(max_attempts integer DEFAULT 10000)
    returns bigint plpgsql volatile parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks_private.failed_attempts(tenant_id uuid, from_time timestamp with time zone, until_time timestamp with time zone, oldest_id uuid, max_rows integer)
    returns TABLE(delivery_id uuid, subscription_name text, event_log_id uuid, attempted_at timestamp with time zone, error_message text, http_status_code integer) plpgsql stable parallel unsafe {"search_path=pg_catalog, pg_temp",plan_cache_mode=force_custom_plan,enable_seqscan=off,jit=off}
webhooks_private.failed_in_period(subscription_id uuid, tenant_id uuid, since timestamp with time zone, until timestamp with time zone, first_id uuid, last_id uuid)
    returns TABLE(delivery_id uuid, event_log_id uuid) sql stable parallel unsafe
webhooks_private.failure_kind(error_message text)
    returns text sql immutable parallel safe
webhooks_private.failures_since(subscription_id uuid, since timestamp with time zone, until timestamp with time zone, oldest_id uuid)
    returns bigint plpgsql stable parallel unsafe {"search_path=pg_catalog, pg_temp",plan_cache_mode=force_custom_plan,enable_seqscan=off,jit=off}
webhooks_private.few_attempted(subscription_ids uuid[], first_id uuid, end_id uuid, max_deliveries integer)
    returns uuid[] plpgsql stable parallel unsafe {"search_path=pg_catalog, pg_temp",plan_cache_mode=force_custom_plan,enable_seqscan=off,enable_bitmapscan=off}
webhooks_private.few_outstanding(subscription_ids uuid[], max_deliveries integer)
    returns uuid[] plpgsql stable parallel unsafe {"search_path=pg_catalog, pg_temp",plan_cache_mode=force_custom_plan,enable_seqscan=off,enable_bitmapscan=off}
webhooks_private.filter_matches(event_filters text, event_data text, resource_type text, resource_id uuid)
    returns boolean c immutable parallel safe
webhooks_private.filter_mismatch(event_filters text, event_data text, resource_type text, resource_id uuid)
    returns text c immutable parallel safe
webhooks_private.find_deliveries(request webhooks_private.claim_request)
    returns webhooks_private.found_delivery[] plpgsql stable parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks_private.fire_alert(rule webhooks.alert_rules)
    returns void plpgsql volatile parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks_private.first_deliveries(max_per_shard integer)
    returns SETOF webhooks.delivery_queue sql stable parallel unsafe {"search_path=pg_catalog, pg_temp",enable_seqscan=off,enable_bitmapscan=off,enable_hashjoin=off,enable_mergejoin=off,jit=off}
webhooks_private.first_partition_day(parent text)
    returns date sql stable parallel safe {"search_path=pg_catalog, pg_temp"}
webhooks_private.floor_to_ten_minutes(at timestamp with time zone)
    returns timestamp with time zone sql immutable parallel safe strict
webhooks_private.forget_access_tokens()
    returns bigint plpgsql volatile parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks_private.forget_alerts()
    returns void plpgsql volatile parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks_private.forget_old_rows(max_rows integer DEFAULT 10000)
    returns bigint plpgsql volatile parallel unsafe {"search_path=pg_catalog, pg_temp",enable_seqscan=off}
webhooks_private.forget_rollups()
    returns void plpgsql volatile parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks_private.forget_secrets()
    returns bigint plpgsql volatile parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks_private.forget_subscriptions()
    returns bigint plpgsql volatile parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks_private.forget_tenant_rollups(tenant_ids uuid[])
    returns void sql volatile parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks_private.forget_tenants()
    returns trigger plpgsql volatile parallel unsafe security definer {"search_path=pg_catalog, pg_temp"}
webhooks_private.fresh_deliveries(request webhooks_private.claim_request, since uuid)
    returns SETOF webhooks_private.found_delivery sql stable parallel unsafe
webhooks_private.future_ids()
    returns uuid sql immutable parallel safe
webhooks_private.group_roles()
    returns name[] sql immutable parallel safe
webhooks_private.has_all_tenants(role name)
    returns boolean sql stable parallel restricted {"search_path=pg_catalog, pg_temp"}
webhooks_private.has_its_token(opened_with uuid)
    returns boolean sql stable parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks_private.has_other_triggers(target regclass)
    returns boolean sql stable parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks_private.has_too_many_rows(parent text, partition text, move_rows bigint)
    returns boolean plpgsql volatile parallel unsafe {"search_path=pg_catalog, pg_temp",enable_seqscan=off}
webhooks_private.has_types(target regclass, wanted regtype[])
    returns boolean sql stable parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks_private.held_subscriptions()
    returns TABLE(subscription_id uuid) sql stable parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks_private.history_events(tenant_id uuid, event_id uuid, since timestamp with time zone, until timestamp with time zone, event_types text[], resource_type text, resource_id uuid, max_events integer)
    returns uuid[] plpgsql stable parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks_private.holding_delivery(parent text, first_id uuid, end_id uuid)
    returns uuid plpgsql stable parallel unsafe {"search_path=pg_catalog, pg_temp",plan_cache_mode=force_custom_plan}
webhooks_private.import_subscription(tenant_id uuid, settings jsonb, OUT action text, OUT subscription_id uuid, OUT before jsonb, OUT after jsonb)
    returns record plpgsql volatile parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks_private.insert_subscription(tenant_id uuid, settings jsonb)
    returns uuid plpgsql volatile parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks_private.is_comparable(type regtype)
    returns boolean sql stable parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks_private.is_current_transaction(id xid)
    returns boolean c stable parallel unsafe strict
webhooks_private.is_endpoint_event(event_type text)
    returns boolean sql immutable parallel safe
webhooks_private.is_finished(delivery_id uuid)
    returns boolean plpgsql stable parallel unsafe {"search_path=pg_catalog, pg_temp",plan_cache_mode=force_custom_plan}
webhooks_private.is_json(value text)
    returns boolean plpgsql stable parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks_private.is_publishing()
    returns boolean plpgsql stable parallel restricted {"search_path=pg_catalog, pg_temp"}
webhooks_private.is_restoring()
    returns boolean sql stable parallel restricted
webhooks_private.is_same_event(event_id uuid, event_type text, event_name text, event_data jsonb, resource_type text, resource_id uuid, event_version text, environment text, ordering_key text)
    returns boolean plpgsql stable parallel unsafe {"search_path=pg_catalog, pg_temp",plan_cache_mode=force_custom_plan}
webhooks_private.is_system_event(event_type text)
    returns boolean sql immutable parallel safe
webhooks_private.is_told_of(subscription_ids uuid[])
    returns boolean sql stable parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks_private.is_too_large(table_name text, column_names text[], bytes bigint[])
    returns boolean plpgsql stable parallel unsafe strict security definer {"search_path=pg_catalog, pg_temp"}
webhooks_private.is_watch(found pg_trigger)
    returns boolean sql stable parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks_private.join_sidecars()
    returns void plpgsql volatile parallel unsafe security definer {"search_path=pg_catalog, pg_temp"}
webhooks_private.json_fits(event_data jsonb, resource_data jsonb, max_bytes bigint)
    returns boolean c immutable parallel safe
webhooks_private.json_problem(data jsonb, max_bytes bigint)
    returns text c immutable parallel safe
webhooks_private.json_text_size(data jsonb, max_bytes bigint)
    returns bigint c immutable parallel safe
webhooks_private.jsonpath_matches(event_data jsonb, path jsonpath)
    returns boolean plpgsql stable parallel unsafe {"search_path=pg_catalog, pg_temp",TimeZone=UTC,"DateStyle=ISO, MDY",lc_time=C}
webhooks_private.jsonpath_problem(path text)
    returns text c immutable parallel safe strict
webhooks_private.keep_secrets(given jsonb, stored jsonb)
    returns jsonb sql immutable parallel safe {"search_path=pg_catalog, pg_temp"}
webhooks_private.kept_since(parent text)
    returns timestamp with time zone sql stable parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks_private.known_tenants()
    returns bigint sql stable parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks_private.lane_of(ordering_key text)
    returns bigint sql immutable parallel safe
webhooks_private.large_values(VARIADIC row_values "any")
    returns bigint[] c immutable parallel safe
webhooks_private.last_partition_day(parent text)
    returns date sql stable parallel safe {"search_path=pg_catalog, pg_temp"}
webhooks_private.late_days(parent text)
    returns SETOF date plpgsql stable parallel unsafe {"search_path=pg_catalog, pg_temp",plan_cache_mode=force_custom_plan,enable_seqscan=off,enable_bitmapscan=off}
webhooks_private.latency_bucket(us double precision)
    returns smallint sql immutable parallel safe
webhooks_private.latency_percentile(share double precision, buckets smallint[], counts bigint[])
    returns double precision sql immutable parallel safe {"search_path=pg_catalog, pg_temp"}
webhooks_private.leave_sidecars()
    returns void plpgsql volatile parallel unsafe security definer {"search_path=pg_catalog, pg_temp"}
webhooks_private.limit_endpoint_subscriptions(subscription webhooks.webhook_subscriptions)
    returns void plpgsql volatile parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks_private.limit_events()
    returns trigger plpgsql volatile parallel unsafe security definer {"search_path=pg_catalog, pg_temp",enable_seqscan=off}
webhooks_private.limit_subscriptions()
    returns trigger plpgsql volatile parallel unsafe security definer {"search_path=pg_catalog, pg_temp"}
webhooks_private.limits_of(tenant_id uuid)
    returns webhooks.tenant_limits sql stable parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks_private.link_table(kind text, target regclass, id_column name)
    returns void plpgsql volatile parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks_private.listed_subscriptions(tenant_id uuid, since timestamp with time zone)
    returns uuid[] plpgsql stable parallel unsafe security definer {"search_path=pg_catalog, pg_temp",plan_cache_mode=force_custom_plan,enable_seqscan=off}
webhooks_private.load_subscriptions(ids uuid[])
    returns SETOF webhooks_private.loaded_subscription plpgsql stable parallel unsafe security definer {"search_path=pg_catalog, pg_temp",plan_cache_mode=force_generic_plan,enable_seqscan=off,enable_bitmapscan=off,enable_hashjoin=off,enable_mergejoin=off,jit=off}
webhooks_private.lock_holders(class integer)
    returns TABLE(key integer, pid integer, role name, application_name text) sql volatile parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks_private.lock_log_triggers()
    returns void plpgsql volatile parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks_private.lock_tenant(tenant_id uuid)
    returns void plpgsql volatile parallel unsafe security definer {"search_path=pg_catalog, pg_temp"}
webhooks_private.lock_xact(class integer, key integer)
    returns void c volatile parallel unsafe strict
webhooks_private.locked_deliveries(results webhooks_private.attempt_result[])
    returns SETOF uuid plpgsql volatile parallel unsafe security definer {"search_path=pg_catalog, pg_temp"}
webhooks_private.lockers_of(xmax xid)
    returns SETOF xid plpgsql stable parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks_private.look_usual(tenant_id uuid, event_type text, event_name text, event_data jsonb, resource_type text, session_id text, request_id text, event_version text, environment text, idempotency_key text, ordering_key text, deliver_after timestamp with time zone, expires_at timestamp with time zone)
    returns boolean c immutable parallel safe
webhooks_private.make_partitions(parent text, partitions text[], move_rows bigint)
    returns integer plpgsql volatile parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks_private.make_resolver(resource_type text, target regclass, id_column name, tenant_column name, columns name[], except_columns name[])
    returns text plpgsql volatile parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks_private.make_watch_triggers(target regclass, function_name text, definition jsonb)
    returns void plpgsql volatile parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks_private.match_events()
    returns trigger plpgsql volatile parallel unsafe security definer {"search_path=pg_catalog, pg_temp",enable_seqscan=off}
webhooks_private.max_endpoint_subscriptions()
    returns integer sql immutable parallel safe
webhooks_private.may_access_tenant(tenant_id uuid)
    returns boolean sql stable parallel restricted
webhooks_private.measure_alert(rule text, threshold numeric)
    returns SETOF webhooks_private.alert_measure plpgsql volatile parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks_private.measure_deliveries(rule text, threshold numeric)
    returns SETOF webhooks_private.alert_measure plpgsql stable parallel unsafe {"search_path=pg_catalog, pg_temp",enable_seqscan=off,jit=off}
webhooks_private.measure_maintenance(rule text)
    returns SETOF webhooks_private.alert_measure plpgsql stable parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks_private.measure_server(rule text)
    returns SETOF webhooks_private.alert_measure plpgsql volatile parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks_private.measure_sidecars(rule text)
    returns SETOF webhooks_private.alert_measure plpgsql volatile parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks_private.measure_subscriptions(rule text)
    returns SETOF webhooks_private.alert_measure plpgsql stable parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks_private.meter_events(tenant_id uuid, events bigint, per_minute bigint, max_outstanding bigint)
    returns text c volatile parallel unsafe strict
webhooks_private.meter_outstanding(tenant_id uuid, outstanding bigint, max_outstanding bigint, took_us bigint)
    returns void c volatile parallel unsafe strict
webhooks_private.metered_events(tenant_id uuid, per_minute bigint)
    returns bigint c volatile parallel unsafe strict
webhooks_private.meters_lock()
    returns integer sql immutable parallel safe
webhooks_private.missing_partitions(parent text, days_ahead integer)
    returns SETOF text sql stable parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks_private.monitors_all_tenants()
    returns boolean sql stable parallel restricted {"search_path=pg_catalog, pg_temp"}
webhooks_private.move_deliveries()
    returns bigint plpgsql volatile parallel unsafe {"search_path=pg_catalog, pg_temp",plan_cache_mode=force_custom_plan,enable_seqscan=off,enable_bitmapscan=off}
webhooks_private.move_from_default(parent text, partition text)
    returns bigint plpgsql volatile parallel unsafe {"search_path=pg_catalog, pg_temp",enable_seqscan=off}
webhooks_private.move_outstanding(subscription_id uuid)
    returns bigint plpgsql volatile parallel unsafe {"search_path=pg_catalog, pg_temp",plan_cache_mode=force_custom_plan,enable_seqscan=off,enable_bitmapscan=off}
webhooks_private.needs_verification(own text, general text)
    returns boolean sql immutable parallel safe
webhooks_private.newest_finished(subscription_id uuid, tenant_id uuid, statuses text[], since timestamp with time zone, end_id uuid, max_deliveries integer)
    returns uuid[] plpgsql stable parallel unsafe {"search_path=pg_catalog, pg_temp",plan_cache_mode=force_custom_plan}
webhooks_private.newest_outstanding(subscription_id uuid, tenant_id uuid, statuses text[], first_id uuid, end_id uuid, max_deliveries integer)
    returns uuid[] plpgsql stable parallel unsafe {"search_path=pg_catalog, pg_temp",plan_cache_mode=force_custom_plan}
webhooks_private.next_attempt_number(delivery_id uuid, attempt integer)
    returns integer plpgsql stable parallel unsafe {"search_path=pg_catalog, pg_temp",plan_cache_mode=force_custom_plan}
webhooks_private.next_polled(subscription_id uuid, batch webhooks_private.poll_batches, max_deliveries integer)
    returns uuid[] plpgsql volatile parallel unsafe {"search_path=pg_catalog, pg_temp",plan_cache_mode=force_generic_plan,enable_seqscan=off,enable_bitmapscan=off}
webhooks_private.next_tenant(after_id uuid)
    returns uuid plpgsql stable parallel unsafe {"search_path=pg_catalog, pg_temp",enable_seqscan=off}
webhooks_private.note_bell(shard smallint)
    returns void c volatile parallel unsafe strict
webhooks_private.note_maintenance(task text, error text)
    returns void plpgsql volatile parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks_private.note_measures(rule text, measures webhooks_private.alert_measure[])
    returns void plpgsql volatile parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks_private.note_token_uses(token_ids uuid[])
    returns void sql volatile parallel unsafe security definer {"search_path=pg_catalog, pg_temp"}
webhooks_private.notice_deprecation()
    returns trigger plpgsql volatile parallel unsafe security definer {"search_path=pg_catalog, pg_temp"}
webhooks_private.notify(channel text, payload text, of_many text DEFAULT NULL::text)
    returns boolean plpgsql volatile parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks_private.notify_change(payload text)
    returns boolean plpgsql volatile parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks_private.notify_owner(shard smallint)
    returns smallint plpgsql volatile parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks_private.notify_queue_is_full()
    returns boolean sql volatile parallel unsafe
webhooks_private.observe_queue()
    returns webhooks_private.queue_state sql stable parallel unsafe security definer {"search_path=pg_catalog, pg_temp"}
webhooks_private.old_events(partition text, before timestamp with time zone, max_events integer)
    returns uuid[] plpgsql stable parallel unsafe {"search_path=pg_catalog, pg_temp",enable_seqscan=off,enable_bitmapscan=off}
webhooks_private.omit_context(frames integer)
    returns boolean c volatile parallel unsafe strict
webhooks_private.only_changes(before jsonb, after jsonb)
    returns jsonb sql immutable parallel safe {"search_path=pg_catalog, pg_temp"}
webhooks_private.open_access(token_hash bytea, wanted_scope text, wanted_tenant uuid DEFAULT NULL::uuid, kind text DEFAULT 'token'::text)
    returns TABLE(token_id uuid, tenant_id uuid, user_id uuid, role name, scopes text[], is_operator boolean) plpgsql stable parallel unsafe security definer {"search_path=pg_catalog, pg_temp"}
webhooks_private.open_jwt(jwt_tenant uuid, jwt_scopes text[], jwt_user uuid, wanted_scope text, wanted_tenant uuid DEFAULT NULL::uuid)
    returns TABLE(token_id uuid, tenant_id uuid, user_id uuid, role name, scopes text[], is_operator boolean) plpgsql stable parallel unsafe security definer {"search_path=pg_catalog, pg_temp"}
webhooks_private.open_meters()
    returns boolean plpgsql volatile parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks_private.open_session(token_hash bytea, session_hash bytea)
    returns TABLE(tenant_id uuid, expires_at timestamp with time zone) plpgsql volatile parallel unsafe security definer {"search_path=pg_catalog, pg_temp"}
webhooks_private.operator_tenant()
    returns uuid sql stable parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks_private.ordered_deliveries(shard smallint, subscription_id uuid, held uuid[], from_lane bigint, max_rows integer)
    returns TABLE(delivery_id uuid, attempt integer, lane bigint, event_log_id uuid, expires_at timestamp with time zone) sql stable parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks_private.outstanding_deliveries(subscription_id uuid)
    returns SETOF webhooks.delivery_queue sql stable parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks_private.outstanding_retries(tenant_id uuid, since timestamp with time zone)
    returns bigint plpgsql stable parallel unsafe {"search_path=pg_catalog, pg_temp",plan_cache_mode=force_custom_plan,enable_seqscan=off,jit=off}
webhooks_private.overdue_delivery(since timestamp with time zone, without_tenant uuid)
    returns TABLE(delivery_id uuid, subscription_id uuid, shard smallint, due_at timestamp with time zone) plpgsql stable parallel unsafe {"search_path=pg_catalog, pg_temp",jit=off}
webhooks_private.own_event_type()
    returns trigger plpgsql volatile parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks_private.own_event_type_version()
    returns trigger plpgsql volatile parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks_private.own_subscription(subscription_id uuid)
    returns webhooks.webhook_subscriptions plpgsql stable parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks_private.own_watch_functions(target regclass, signatures text[])
    returns void plpgsql volatile parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks_private.owns_extension(role name)
    returns boolean sql stable parallel safe
webhooks_private.partition_after(parent text, partition text)
    returns text sql stable parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks_private.partition_now(parent text)
    returns text sql stable parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks_private.partition_range(parent text, partition text, OUT lower_id uuid, OUT upper_id uuid)
    returns record sql stable parallel safe {"search_path=pg_catalog, pg_temp"}
webhooks_private.partitioned_tables()
    returns TABLE(parent text, key text, span text) sql immutable parallel safe
webhooks_private.permitted_role(credential text, tenant_id uuid, scopes text[], wanted_scope text, wanted_tenant uuid)
    returns name plpgsql stable parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks_private.plain_failure(error_message text)
    returns text sql immutable parallel safe
webhooks_private.poll_shard_of(subscription_id uuid)
    returns smallint sql immutable parallel safe strict
webhooks_private.poll_subscription(subscription_id uuid)
    returns webhooks.webhook_subscriptions plpgsql volatile parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks_private.polled_batch_id(cursor text, subscription_id uuid)
    returns uuid plpgsql immutable parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks_private.polled_event(event_id uuid, tenant_id uuid)
    returns webhooks_private.polled_event plpgsql stable parallel unsafe {"search_path=pg_catalog, pg_temp",plan_cache_mode=force_custom_plan,enable_seqscan=off}
webhooks_private.prepare_default(parent text, partitions text[])
    returns boolean plpgsql volatile parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks_private.prepared_tables()
    returns bigint sql stable parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks_private.preview_request(event_id uuid, subscription_id uuid DEFAULT NULL::uuid)
    returns TABLE(headers jsonb, body text) plpgsql stable parallel unsafe {"search_path=pg_catalog, pg_temp",plan_cache_mode=force_custom_plan}
webhooks_private.promote_due(shards smallint[], max_rows integer DEFAULT 1000)
    returns webhooks_private.promoted_deliveries plpgsql volatile parallel unsafe security definer {"search_path=pg_catalog, pg_temp",plan_cache_mode=force_generic_plan,enable_seqscan=off,enable_bitmapscan=off}
webhooks_private.publish_alert(alert webhooks.alert_history, event_type text)
    returns boolean plpgsql volatile parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks_private.publish_endpoint_events(results webhooks_private.attempt_result[], written bigint[], disabled_ids uuid[])
    returns void plpgsql volatile parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks_private.published_at(id uuid, created_at timestamp with time zone)
    returns timestamp with time zone sql stable parallel safe
webhooks_private.purge_batch(progress webhooks.tenant_purges, max_rows integer)
    returns webhooks.tenant_purges plpgsql volatile parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks_private.purge_partition(parent text, partition text, tenant_id uuid, max_rows integer, INOUT last_id uuid, OUT deleted bigint, OUT is_done boolean)
    returns record plpgsql volatile parallel unsafe {"search_path=pg_catalog, pg_temp",enable_seqscan=off,enable_bitmapscan=off}
webhooks_private.purge_relation(relation text, tenant_id uuid, max_rows integer)
    returns bigint plpgsql volatile parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks_private.queue_shard_of(subscription_id uuid)
    returns smallint sql stable parallel unsafe strict {"search_path=pg_catalog, pg_temp"}
webhooks_private.raise_ambiguous_changes(target regclass)
    returns void plpgsql stable parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks_private.raise_broken_watch(target regclass, definition text, functions text[])
    returns void plpgsql stable parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks_private.raise_busy_log()
    returns void plpgsql stable parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks_private.raise_invalid_event(event_type text, category text, event_category text, environment text, created_at timestamp with time zone, processed_at timestamp with time zone, deliver_after timestamp with time zone, expires_at timestamp with time zone, idempotency_key text, ordering_key text)
    returns void plpgsql volatile parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks_private.raise_missing_tenant(table_name text, column_name text)
    returns uuid plpgsql stable parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks_private.raise_not_published(event_type text, event_category text)
    returns boolean plpgsql volatile parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks_private.raise_tenant_denied(tenant_id uuid)
    returns boolean plpgsql stable parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks_private.raise_too_large(name text, size text, most text)
    returns void plpgsql stable parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks_private.raise_too_many_outstanding(tenant_id uuid, maximum bigint)
    returns void plpgsql volatile parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks_private.raise_unknown_delivery(id uuid)
    returns void plpgsql stable parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks_private.raise_unknown_event_type(event_type text)
    returns void plpgsql volatile parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks_private.raise_unknown_subscription(id uuid)
    returns void plpgsql stable parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks_private.read_problem(event_id uuid)
    returns text plpgsql stable parallel unsafe {"search_path=pg_catalog, pg_temp",enable_seqscan=off}
webhooks_private.record_attempts(results webhooks_private.attempt_result[])
    returns SETOF uuid plpgsql volatile parallel unsafe security definer {"search_path=pg_catalog, pg_temp",plan_cache_mode=force_generic_plan,enable_seqscan=off,enable_nestloop=off,enable_mergejoin=off,jit=off}
webhooks_private.record_breakers(results webhooks_private.attempt_result[], late uuid[])
    returns void plpgsql volatile parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks_private.record_verifications(answers webhooks_private.verification_answer[])
    returns SETOF uuid plpgsql volatile parallel unsafe security definer {"search_path=pg_catalog, pg_temp"}
webhooks_private.redact(secrets jsonb, shown text[] DEFAULT '{}'::text[], instead jsonb DEFAULT 'null'::jsonb)
    returns jsonb sql immutable parallel safe
webhooks_private.redact_subscription(subscription jsonb, hide_path boolean DEFAULT false)
    returns jsonb sql immutable parallel safe {"search_path=pg_catalog, pg_temp"}
webhooks_private.redacted_auth_config(subscription_id uuid)
    returns jsonb sql stable parallel unsafe security definer {"search_path=pg_catalog, pg_temp"}
webhooks_private.redacted_headers(subscription_id uuid)
    returns jsonb sql stable parallel unsafe security definer {"search_path=pg_catalog, pg_temp"}
webhooks_private.redacted_template_secrets(subscription_id uuid)
    returns jsonb sql stable parallel unsafe security definer {"search_path=pg_catalog, pg_temp"}
webhooks_private.redeem_link(link_hash bytea, session_hash bytea)
    returns TABLE(tenant_id uuid, expires_at timestamp with time zone) plpgsql volatile parallel unsafe security definer {"search_path=pg_catalog, pg_temp"}
webhooks_private.redeliver(subscription_ids uuid[], event_log_ids uuid[], repeats uuid[])
    returns SETOF uuid plpgsql volatile parallel unsafe {"search_path=pg_catalog, pg_temp",plan_cache_mode=force_custom_plan}
webhooks_private.refuse_change()
    returns trigger plpgsql volatile parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks_private.refuse_future_id()
    returns trigger plpgsql volatile parallel unsafe security definer {"search_path=pg_catalog, pg_temp"}
webhooks_private.release_restored()
    returns trigger plpgsql volatile parallel unsafe security definer {"search_path=pg_catalog, pg_temp"}
webhooks_private.release_shards(shards smallint[])
    returns void plpgsql volatile parallel unsafe security definer {"search_path=pg_catalog, pg_temp"}
webhooks_private.remove_orphans()
    returns bigint plpgsql volatile parallel unsafe {"search_path=pg_catalog, pg_temp",plan_cache_mode=force_custom_plan,enable_seqscan=off,enable_bitmapscan=off,enable_hashjoin=off,enable_mergejoin=off}
webhooks_private.render_delivery(payload_format text, payload_template text, payload_content_type text, template_secrets text, max_payload_size_kb integer, webhook_headers text, auth_type text, auth_config text, retired_secrets text[], delivery_id uuid, attempt integer, attempted_at bigint, traceparent text, event_id uuid, tenant_id uuid, event_type text, event_category text, event_name text, event_version text, created_at_us bigint, event_data text, resource_type text, resource_id uuid, resource_data text, user_id uuid, session_id text, request_id text, source_ip text)
    returns TABLE(headers text, body text, payload_sha256 bytea, problem text) c volatile parallel unsafe
webhooks_private.render_request(payload_format text, payload_template text, payload_content_type text, max_payload_size_kb integer, event_id uuid, tenant_id uuid, event_type text, event_category text, event_name text, event_version text, created_at_us bigint, event_data text, resource_type text, resource_id uuid, resource_data text, user_id uuid, session_id text, request_id text, source_ip text, is_test boolean DEFAULT NULL::boolean)
    returns TABLE(headers jsonb, body text) c immutable parallel safe
webhooks_private.renew_verification(before webhooks.webhook_subscriptions, after webhooks.webhook_subscriptions)
    returns void plpgsql volatile parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks_private.repair_routes()
    returns bigint plpgsql volatile parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks_private.replay_by_id(tenant_id uuid, event_ids uuid[], subscription_id uuid, dry_run boolean, OUT events bigint, OUT deliveries bigint, OUT outstanding bigint)
    returns record plpgsql volatile parallel unsafe {"search_path=pg_catalog, pg_temp",enable_seqscan=off,enable_hashjoin=off,enable_mergejoin=off}
webhooks_private.replayable(tenant_id uuid, since timestamp with time zone, until timestamp with time zone, event_types text[], subscription_id uuid, after uuid, max_events integer, event_ids uuid[] DEFAULT NULL::uuid[])
    returns TABLE(n bigint, event_log_id uuid, matched_id uuid, is_outstanding boolean) plpgsql stable parallel unsafe {"search_path=pg_catalog, pg_temp",plan_cache_mode=force_custom_plan}
webhooks_private.resolve_alerts()
    returns void plpgsql volatile parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks_private.restores()
    returns boolean plpgsql stable parallel restricted {"search_path=pg_catalog, pg_temp"}
webhooks_private.retire_secret(before webhooks.webhook_subscriptions, after webhooks.webhook_subscriptions)
    returns void plpgsql volatile parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks_private.retry_delays(retry_schedule text)
    returns integer[] sql immutable parallel safe strict {"search_path=pg_catalog, pg_temp"}
webhooks_private.ring_doorbell(shard smallint)
    returns smallint sql volatile parallel unsafe
webhooks_private.roll_up(margin interval DEFAULT '00:01:00'::interval)
    returns bigint plpgsql volatile parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks_private.roll_up_attempts(from_time timestamp with time zone, until_time timestamp with time zone)
    returns bigint plpgsql volatile parallel unsafe {"search_path=pg_catalog, pg_temp",plan_cache_mode=force_custom_plan,enable_seqscan=off,jit=off}
webhooks_private.roll_up_events(from_time timestamp with time zone, until_time timestamp with time zone)
    returns bigint plpgsql volatile parallel unsafe {"search_path=pg_catalog, pg_temp",plan_cache_mode=force_custom_plan,enable_seqscan=off,jit=off}
webhooks_private.rolled_attempts(tenant_id uuid, since timestamp with time zone, until timestamp with time zone, only_subscriptions uuid[] DEFAULT NULL::uuid[])
    returns SETOF webhooks_private.attempt_measures plpgsql stable parallel unsafe {"search_path=pg_catalog, pg_temp",plan_cache_mode=force_custom_plan,enable_seqscan=off,jit=off}
webhooks_private.rollup_id(at timestamp with time zone)
    returns uuid sql immutable parallel safe strict
webhooks_private.round_half_even(value numeric)
    returns numeric sql immutable parallel safe strict
webhooks_private.rows_in_default(parent text, partition text)
    returns text plpgsql stable parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks_private.sample_event_type(subscribed_events jsonb, event_type text DEFAULT NULL::text)
    returns text plpgsql stable parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks_private.sample_request(event_type text, shown_tenant uuid, payload_format text, payload_template text, payload_content_type text, max_payload_size_kb integer)
    returns TABLE(headers jsonb, body text) sql stable parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks_private.schema_errors(schema text, data text)
    returns text[] c immutable parallel safe strict
webhooks_private.schema_example(schema text)
    returns text c immutable parallel safe strict
webhooks_private.schema_problem(schema text)
    returns text c immutable parallel safe strict
webhooks_private.secret_names(payload_template text)
    returns text[] c immutable parallel safe strict
webhooks_private.secrets_in_overlap(subscription_id uuid, overlap interval)
    returns TABLE(secrets text[], ends_in_ms bigint[]) sql stable parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks_private.session_access(session_hash bytea)
    returns TABLE(tenant_id uuid, scopes text[]) plpgsql stable parallel unsafe security definer {"search_path=pg_catalog, pg_temp"}
webhooks_private.settable_columns()
    returns text[] sql stable parallel safe {"search_path=pg_catalog, pg_temp"}
webhooks_private.setting(name text)
    returns bigint sql stable parallel safe {"search_path=pg_catalog, pg_temp"}
webhooks_private.setting_definitions()
    returns TABLE(name text, default_value bigint, unit text, min_value bigint, max_value bigint, description text) sql immutable parallel safe
webhooks_private.settled_until(margin interval)
    returns timestamp with time zone plpgsql volatile parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks_private.shard_count()
    returns integer sql immutable parallel safe
webhooks_private.shard_lock()
    returns integer sql immutable parallel safe
webhooks_private.shard_of(subscription_id uuid)
    returns smallint sql immutable parallel safe strict
webhooks_private.shard_queues()
    returns TABLE(shard smallint, owner text, owner_pid integer, ready bigint, scheduled bigint, held bigint, oldest_due_at timestamp with time zone) plpgsql stable parallel unsafe {"search_path=pg_catalog, pg_temp",jit=off}
webhooks_private.shipped_alert_rules()
    returns TABLE(name text, severity text, fires_when text, threshold numeric, unit text, for_seconds integer, resolve_seconds integer, description text, action text) sql immutable parallel safe
webhooks_private.sidecar_lock()
    returns integer sql immutable parallel safe
webhooks_private.sidecar_settings()
    returns webhooks_private.effective_settings sql stable parallel unsafe security definer {"search_path=pg_catalog, pg_temp"}
webhooks_private.snapshot_resource()
    returns trigger plpgsql volatile parallel unsafe security definer {"search_path=pg_catalog, pg_temp",enable_seqscan=off,TimeZone=UTC,DateStyle=ISO,IntervalStyle=iso_8601,bytea_output=hex,extra_float_digits=1,lc_monetary=C,lc_numeric=C,lc_time=C}
webhooks_private.special_address(webhook_url text)
    returns text c immutable parallel safe strict
webhooks_private.subscription_changes(id uuid, settings jsonb)
    returns TABLE(before jsonb, after jsonb) plpgsql stable parallel unsafe security definer {"search_path=pg_catalog, pg_temp"}
webhooks_private.subscription_messages(subscription_id uuid, OUT last_error text, OUT disabled_reason text, OUT verification_error text, OUT address_note text)
    returns record sql stable parallel restricted security definer {"search_path=pg_catalog, pg_temp"}
webhooks_private.subscription_row(settings jsonb)
    returns webhooks.webhook_subscriptions plpgsql stable parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks_private.sum_text_size(event_data jsonb, resource_data jsonb, max_bytes bigint)
    returns bigint internal immutable parallel safe
webhooks_private.sync_limit_trigger()
    returns trigger plpgsql volatile parallel unsafe security definer {"search_path=pg_catalog, pg_temp",lock_timeout=900ms}
webhooks_private.sync_resource_trigger()
    returns trigger plpgsql volatile parallel unsafe security definer {"search_path=pg_catalog, pg_temp",lock_timeout=900ms}
webhooks_private.sync_validation_trigger()
    returns trigger plpgsql volatile parallel unsafe security definer {"search_path=pg_catalog, pg_temp",lock_timeout=900ms}
webhooks_private.tell_of_change(subscription_id uuid)
    returns void plpgsql volatile parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks_private.tenant_lock()
    returns integer sql immutable parallel safe
webhooks_private.test_shard_of(subscription_id uuid)
    returns smallint sql immutable parallel safe strict
webhooks_private.text_setting(name text)
    returns text sql stable parallel safe {"search_path=pg_catalog, pg_temp"}
webhooks_private.text_setting_definitions()
    returns TABLE(name text, default_text text, pattern text, takes text, description text) sql immutable parallel safe
webhooks_private.times_of_failures(tenant_id uuid)
    returns TABLE(begins timestamp with time zone, ends timestamp with time zone, oldest_id uuid) plpgsql stable parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks_private.try_bell(class integer, shard smallint)
    returns boolean c volatile parallel unsafe strict
webhooks_private.try_lock(class integer, key integer, shared boolean)
    returns boolean c volatile parallel unsafe strict
webhooks_private.try_lock_xact(class integer, key integer, shared boolean)
    returns boolean c volatile parallel unsafe strict
webhooks_private.undo_metering()
    returns boolean c volatile parallel unsafe strict
webhooks_private.unlock(class integer, key integer, shared boolean)
    returns boolean c volatile parallel unsafe strict
webhooks_private.unrolled_attempts(tenant_id uuid, only_subscriptions uuid[] DEFAULT NULL::uuid[])
    returns SETOF webhooks_private.attempt_measures plpgsql stable parallel unsafe {"search_path=pg_catalog, pg_temp",plan_cache_mode=force_custom_plan,enable_seqscan=off,jit=off}
webhooks_private.unrolled_events(tenant_id uuid, since timestamp with time zone)
    returns TABLE(hour timestamp with time zone, event_type text, event_category text, events bigint) plpgsql stable parallel unsafe {"search_path=pg_catalog, pg_temp",plan_cache_mode=force_custom_plan,enable_seqscan=off,jit=off}
webhooks_private.unrolled_latencies(tenant_id uuid, since timestamp with time zone)
    returns TABLE(hour timestamp with time zone, bucket smallint, receipts bigint, responses bigint) plpgsql stable parallel unsafe {"search_path=pg_catalog, pg_temp",plan_cache_mode=force_custom_plan,enable_seqscan=off,jit=off}
webhooks_private.url_host(webhook_url text)
    returns text sql immutable parallel safe
webhooks_private.validate_events()
    returns trigger plpgsql volatile parallel unsafe security definer {"search_path=pg_catalog, pg_temp",enable_seqscan=off}
webhooks_private.validate_subscription()
    returns trigger plpgsql volatile parallel unsafe security definer {"search_path=pg_catalog, pg_temp"}
webhooks_private.validate_template()
    returns trigger plpgsql volatile parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks_private.waiting_subscriptions(shards smallint[], cursors uuid[])
    returns TABLE(shard smallint, ready uuid, ordered uuid, subscription_id uuid) sql stable parallel unsafe
webhooks_private.warn_of_unwatched_changes(target regclass, definition jsonb)
    returns void plpgsql stable parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks_private.watch_definition(arguments bytea)
    returns jsonb plpgsql stable parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks_private.watch_differences(target regclass, columns text[], template text, separator text)
    returns text sql stable parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks_private.watch_event_types(definition jsonb)
    returns text[] sql immutable parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks_private.watch_events(functions text[], operation text, old_row text, new_row text, is_wide boolean)
    returns text sql immutable parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks_private.watch_events_script(target regclass, definition jsonb)
    returns text plpgsql stable parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks_private.watch_functions(target regclass)
    returns text[] sql stable parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks_private.watch_ids(target regclass, definition jsonb)
    returns text[] sql stable parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks_private.watch_ids_problem(target regclass, id_columns text[], tenant_column text)
    returns text sql stable parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks_private.watch_insert(events text, is_wide boolean)
    returns text sql immutable parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks_private.watch_key(definition jsonb)
    returns TABLE(name text, n bigint) sql immutable parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks_private.watch_large_values(target regclass, columns text[], row_names text[])
    returns text sql stable parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks_private.watch_object(row_name text, columns text[])
    returns text sql immutable parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks_private.watch_operands(target regclass)
    returns TABLE(name text, operand text) sql stable parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks_private.watch_published_types(target regclass, definition jsonb, is_gone text, is_new text, is_changed text)
    returns text sql stable parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks_private.watch_resource(target regclass, definition jsonb)
    returns jsonb plpgsql stable parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks_private.watch_row_body(functions text[], is_wide boolean)
    returns text plpgsql immutable parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks_private.watch_row_changes(target regclass, definition jsonb)
    returns jsonb plpgsql stable parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks_private.watch_row_script(target regclass, definition jsonb)
    returns text sql stable parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks_private.watch_same_script(target regclass, definition jsonb)
    returns text sql stable parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks_private.watch_source(functions text[], rows_name text, alias text, is_wide boolean)
    returns text sql immutable parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks_private.watch_statement_body(functions text[], keys text[], is_wide boolean)
    returns text plpgsql immutable parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks_private.watch_trigger_script(target regclass, definition jsonb)
    returns text plpgsql stable parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks_private.watch_value(target regclass, column_name text, value text)
    returns text plpgsql stable parallel unsafe {"search_path=pg_catalog, pg_temp",TimeZone=UTC,DateStyle=ISO,IntervalStyle=iso_8601,bytea_output=hex,extra_float_digits=1,lc_monetary=C,quote_all_identifiers=off}
webhooks_private.watch_value_types(target regclass, column_name text, event_types jsonb)
    returns text sql stable parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks_private.watch_values(target regclass, definition jsonb)
    returns jsonb plpgsql stable parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks_private.watch_values_script(target regclass, definition jsonb)
    returns text sql stable parallel unsafe {"search_path=pg_catalog, pg_temp"}
webhooks_private.watch_versions(functions text[], keys text[])
    returns text sql immutable parallel unsafe {"search_path=pg_catalog, pg_temp"}

-- triggers
CREATE TRIGGER a10_cancel_outstanding AFTER DELETE ON webhooks.webhook_subscriptions FOR EACH ROW EXECUTE FUNCTION webhooks_private.cancel_outstanding()
CREATE TRIGGER a10_refuse_future_id BEFORE INSERT ON webhooks_private.event_logs_default FOR EACH ROW EXECUTE FUNCTION webhooks_private.refuse_future_id()
CREATE TRIGGER a20_derive_routes AFTER INSERT OR DELETE OR UPDATE ON webhooks.webhook_subscriptions FOR EACH ROW EXECUTE FUNCTION webhooks_private.derive_routes()
CREATE TRIGGER a30_match_events AFTER INSERT ON webhooks.event_logs REFERENCING NEW TABLE AS new_events FOR EACH STATEMENT EXECUTE FUNCTION webhooks_private.match_events()
CREATE TRIGGER append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON webhooks.audit_log FOR EACH STATEMENT EXECUTE FUNCTION webhooks_private.refuse_change()
CREATE TRIGGER append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON webhooks_private.audit_log_default FOR EACH STATEMENT EXECUTE FUNCTION webhooks_private.refuse_change()
CREATE TRIGGER audit_change AFTER INSERT OR DELETE OR UPDATE ON webhooks.event_types FOR EACH ROW EXECUTE FUNCTION webhooks_private.audit_change('event_type', 'name')
CREATE TRIGGER audit_change AFTER INSERT OR DELETE OR UPDATE ON webhooks.resources FOR EACH ROW EXECUTE FUNCTION webhooks_private.audit_change('resource', 'resource_type')
CREATE TRIGGER audit_change AFTER INSERT OR DELETE OR UPDATE ON webhooks.subscription_templates FOR EACH ROW EXECUTE FUNCTION webhooks_private.audit_change('subscription_template', 'name')
CREATE TRIGGER audit_change AFTER INSERT OR DELETE OR UPDATE ON webhooks.tenant_limits FOR EACH ROW EXECUTE FUNCTION webhooks_private.audit_change('limits', 'tenant_id')
CREATE TRIGGER audit_change AFTER INSERT OR DELETE OR UPDATE ON webhooks.webhook_subscriptions FOR EACH ROW EXECUTE FUNCTION webhooks_private.audit_change('subscription', 'id')
CREATE TRIGGER audit_change AFTER INSERT OR DELETE OR UPDATE ON webhooks_private.alert_rule_overrides FOR EACH ROW EXECUTE FUNCTION webhooks_private.audit_change('alert_rule', 'name')
CREATE TRIGGER audit_change AFTER INSERT OR DELETE OR UPDATE ON webhooks_private.event_type_versions FOR EACH ROW EXECUTE FUNCTION webhooks_private.audit_change('event_type', 'name')
CREATE TRIGGER audit_change AFTER INSERT OR DELETE OR UPDATE ON webhooks_private.setting_overrides FOR EACH ROW EXECUTE FUNCTION webhooks_private.audit_change('setting', 'name')
CREATE TRIGGER limit_subscriptions AFTER INSERT ON webhooks.webhook_subscriptions REFERENCING NEW TABLE AS new_subscriptions FOR EACH STATEMENT EXECUTE FUNCTION webhooks_private.limit_subscriptions()
CREATE TRIGGER notice_deprecation AFTER INSERT OR UPDATE OF subscribed_events ON webhooks.webhook_subscriptions FOR EACH ROW EXECUTE FUNCTION webhooks_private.notice_deprecation()
CREATE TRIGGER release_restored AFTER INSERT ON webhooks.webhook_subscriptions FOR EACH STATEMENT EXECUTE FUNCTION webhooks_private.release_restored()
CREATE TRIGGER sync_limit_trigger AFTER INSERT OR DELETE OR UPDATE OR TRUNCATE ON webhooks.tenant_limits FOR EACH STATEMENT EXECUTE FUNCTION webhooks_private.sync_limit_trigger()
CREATE TRIGGER sync_limit_trigger AFTER INSERT OR DELETE OR UPDATE OR TRUNCATE ON webhooks_private.setting_overrides FOR EACH STATEMENT EXECUTE FUNCTION webhooks_private.sync_limit_trigger()
CREATE TRIGGER sync_resource_trigger AFTER INSERT OR DELETE OR UPDATE OR TRUNCATE ON webhooks.resources FOR EACH STATEMENT EXECUTE FUNCTION webhooks_private.sync_resource_trigger()
CREATE TRIGGER sync_validation_trigger AFTER INSERT OR DELETE OR UPDATE OR TRUNCATE ON webhooks_private.event_type_versions FOR EACH STATEMENT EXECUTE FUNCTION webhooks_private.sync_validation_trigger()
CREATE TRIGGER z10_check_sizes BEFORE INSERT OR UPDATE ON webhooks.event_types FOR EACH ROW EXECUTE FUNCTION webhooks_private.check_event_type_sizes()
CREATE TRIGGER z10_check_sizes BEFORE INSERT OR UPDATE ON webhooks.subscription_templates FOR EACH ROW EXECUTE FUNCTION webhooks_private.check_subscription_template_sizes()
CREATE TRIGGER z10_check_sizes BEFORE INSERT OR UPDATE ON webhooks.webhook_subscriptions FOR EACH ROW EXECUTE FUNCTION webhooks_private.check_subscription_sizes()
CREATE TRIGGER z10_check_sizes BEFORE INSERT OR UPDATE ON webhooks_private.event_type_versions FOR EACH ROW EXECUTE FUNCTION webhooks_private.check_event_type_version_sizes()
CREATE TRIGGER z20_check_event_type_version BEFORE INSERT OR UPDATE ON webhooks_private.event_type_versions FOR EACH ROW EXECUTE FUNCTION webhooks_private.check_event_type_version()
CREATE TRIGGER z20_own_event_type BEFORE INSERT OR UPDATE ON webhooks.event_types FOR EACH ROW EXECUTE FUNCTION webhooks_private.own_event_type()
CREATE TRIGGER z20_validate_subscription BEFORE INSERT OR UPDATE ON webhooks.webhook_subscriptions FOR EACH ROW EXECUTE FUNCTION webhooks_private.validate_subscription()
CREATE TRIGGER z20_validate_template BEFORE INSERT OR UPDATE ON webhooks.subscription_templates FOR EACH ROW EXECUTE FUNCTION webhooks_private.validate_template()
CREATE TRIGGER z30_own_event_type_version BEFORE INSERT OR UPDATE ON webhooks_private.event_type_versions FOR EACH ROW EXECUTE FUNCTION webhooks_private.own_event_type_version()

-- event types
document.deleted (document) 1.0
document.processed (document) 1.0
document.uploaded (document) 1.0
extraction.completed (extraction) 1.0
extraction.failed (extraction) 1.0
extraction.started (extraction) 1.0
job.completed (job) 1.0
job.created (job) 1.0
job.failed (job) 1.0
job.started (job) 1.0
system.alert.fired (system) 1.0
system.alert.resolved (system) 1.0
system.error (system) 1.0
system.health_check (system) 1.0
user.created (user) 1.0
user.login (user) 1.0
user.logout (user) 1.0
webhook.delivery.failed (webhook) 1.0
webhook.endpoint.disabled (webhook) 1.0
webhook.endpoint.failing (webhook) 1.0
webhook.endpoint.recovered (webhook) 1.0

-- settings
alert_history_days = 90 days, 1 to 3650
audit_retention_months = 0 months, 0 to 240
breaker_cooldown_seconds = 60 s, 1 to 86400
breaker_failure_threshold = 10 failures, 0 to 1000000
delivery_log_retention_days = 0 days, 0 to 7300
disable_after_failing_hours = 120 h, 0 to 8760
endpoint_verification = none text,  to 
event_retention_days = 0 days, 0 to 7300
idempotency_retention_hours = 168 h, 0 to 8760
max_delivery_age_seconds = 604800 s, 60 to 31536000
max_event_data_bytes = 16777216 bytes, 65536 to 67108864
max_response_body_bytes = 4096 bytes, 0 to 1048576
max_response_headers_bytes = 4096 bytes, 0 to 65536
max_retry_after_seconds = 86400 s, 0 to 604800
max_retry_delay_seconds = 21600 s, 1 to 604800
metrics_retention_days = 400 days, 1 to 3650
operator_tenant_id = null text,  to 
partition_days_ahead = 7 days, 1 to 366
response_retention_days = 0 days, 0 to 7300
secret_overlap_seconds = 86400 s, 0 to 2592000
tenant_max_events_per_minute = 0 events, 0 to 1000000000
tenant_max_outstanding_deliveries = 0 deliveries, 0 to 1000000000
tenant_max_subscriptions = 0 subscriptions, 0 to 1000000
verification_origin = null text,  to
