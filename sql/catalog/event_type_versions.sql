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

-- What the system publishes itself. Receivers can rely on these schemas. Shipped schemas are no reason to check
-- events: see sync_validation_trigger().
insert into webhooks_private.event_type_versions (name, version, is_builtin, schema, example)
select t.name, '1.0', true,
       json_build_object(
           '$schema', 'https://json-schema.org/draft/2020-12/schema', 'type', 'object',
           'required', (select json_agg(p.key order by p.ordinality) from json_each(t.properties)
                        with ordinality p),
           'properties', t.properties),
       t.example::jsonb
from (values
    ('system.alert.fired', '{"alert_id": {"type": "string", "format": "uuid"}, "rule": {"type": "string"},
        "severity": {"enum": ["critical", "warning", "info"]}, "subject": {"type": "string"},
        "tenant_id": {"type": ["string", "null"], "format": "uuid"},
        "subscription_id": {"type": ["string", "null"], "format": "uuid"}, "value": {"type": ["number", "null"]},
        "threshold": {"type": "number"}, "unit": {"type": "string"}, "detail": {"type": ["string", "null"]},
        "description": {"type": "string"}, "action": {"type": "string"},
        "fired_at": {"type": "string", "format": "date-time"}}'::json,
     '{"alert_id": "018f3c6e-5b7a-7c2d-9e4f-1a2b3c4d5e6f", "rule": "delivery_overdue", "severity": "critical",
       "subject": "", "tenant_id": null, "subscription_id": null, "value": 412, "threshold": 300, "unit": "s",
       "detail": "the oldest is in shard 3", "description": "Deliveries are due and are not made.",
       "action": "See blockers() and queue_status().", "fired_at": "2026-01-02T03:04:05.678Z"}'),
    ('system.alert.resolved', '{"alert_id": {"type": "string", "format": "uuid"}, "rule": {"type": "string"},
        "severity": {"enum": ["critical", "warning", "info"]}, "subject": {"type": "string"},
        "tenant_id": {"type": ["string", "null"], "format": "uuid"},
        "subscription_id": {"type": ["string", "null"], "format": "uuid"},
        "fired_at": {"type": "string", "format": "date-time"},
        "resolved_at": {"type": "string", "format": "date-time"}}',
     '{"alert_id": "018f3c6e-5b7a-7c2d-9e4f-1a2b3c4d5e6f", "rule": "delivery_overdue", "severity": "critical",
       "subject": "", "tenant_id": null, "subscription_id": null, "fired_at": "2026-01-02T03:04:05.678Z",
       "resolved_at": "2026-01-02T03:24:05.678Z"}'),
    ('webhook.endpoint.failing', '{"subscription_id": {"type": "string", "format": "uuid"}, "name": {"type": "string"},
        "host": {"type": "string"}, "environment": {"type": "string"}, "error": {"type": ["string", "null"]},
        "http_status_code": {"type": ["integer", "null"]},
        "failing_since": {"type": "string", "format": "date-time"},
        "next_attempt_at": {"type": "string", "format": "date-time"}}',
     '{"subscription_id": "018f3c6e-5b7a-7c2d-9e4f-1a2b3c4d5e6f", "name": "Invoices to accounting",
       "host": "hooks.example.com", "environment": "production", "error": "HTTP status 503", "http_status_code": 503,
       "failing_since": "2026-01-02T03:04:05.678Z", "next_attempt_at": "2026-01-02T03:06:05.678Z"}'),
    ('webhook.endpoint.recovered', '{"subscription_id": {"type": "string", "format": "uuid"},
        "name": {"type": "string"}, "host": {"type": "string"}, "environment": {"type": "string"},
        "failing_since": {"type": ["string", "null"], "format": "date-time"},
        "recovered_at": {"type": "string", "format": "date-time"}}',
     '{"subscription_id": "018f3c6e-5b7a-7c2d-9e4f-1a2b3c4d5e6f", "name": "Invoices to accounting",
       "host": "hooks.example.com", "environment": "production", "failing_since": "2026-01-02T03:04:05.678Z",
       "recovered_at": "2026-01-02T03:24:05.678Z"}'),
    ('webhook.endpoint.disabled', '{"subscription_id": {"type": "string", "format": "uuid"},
        "name": {"type": "string"}, "host": {"type": "string"}, "environment": {"type": "string"},
        "reason": {"type": "string"}, "error": {"type": ["string", "null"]},
        "http_status_code": {"type": ["integer", "null"]},
        "disabled_at": {"type": "string", "format": "date-time"}}',
     '{"subscription_id": "018f3c6e-5b7a-7c2d-9e4f-1a2b3c4d5e6f", "name": "Invoices to accounting",
       "host": "hooks.example.com", "environment": "production", "reason": "HTTP status 410",
       "error": "HTTP status 410", "http_status_code": 410, "disabled_at": "2026-01-02T03:04:05.678Z"}'),
    ('webhook.delivery.failed', '{"subscription_id": {"type": "string", "format": "uuid"}, "name": {"type": "string"},
        "host": {"type": "string"}, "environment": {"type": "string"},
        "delivery_id": {"type": "string", "format": "uuid"}, "event_id": {"type": "string", "format": "uuid"},
        "event_type": {"type": ["string", "null"]}, "attempts": {"type": "integer"},
        "error": {"type": ["string", "null"]}, "http_status_code": {"type": ["integer", "null"]},
        "failed_at": {"type": "string", "format": "date-time"}}',
     '{"subscription_id": "018f3c6e-5b7a-7c2d-9e4f-1a2b3c4d5e6f", "name": "Invoices to accounting",
       "host": "hooks.example.com", "environment": "production",
       "delivery_id": "018f3c6e-5b7a-7c2d-9e4f-1a2b3c4d5e60", "event_id": "018f3c6e-5b7a-7c2d-9e4f-1a2b3c4d5e61",
       "event_type": "document.processed", "attempts": 4, "error": "HTTP status 503", "http_status_code": 503,
       "failed_at": "2026-01-02T03:04:05.678Z"}')
) t (name, properties, example);

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
