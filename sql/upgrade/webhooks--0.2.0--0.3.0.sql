\echo Use "ALTER EXTENSION webhooks UPDATE" to load this file. \quit

-- From 0.2.0 to 0.3.0. CONTRIBUTING.md ("Change the schema") says what belongs here, and what `install changes` and
-- `include` stand for.

-- They have other parameters.
drop function webhooks.adopt_database(text);
drop function webhooks.export_subscriptions(uuid);
drop function webhooks.retry_failed(uuid, timestamptz, timestamptz, integer, boolean);
drop function webhooks.test_subscription(uuid, text);
drop function webhooks.unmatched_events(uuid, timestamptz, timestamptz, integer);
drop function webhooks_private.cancel_all_outstanding(text);
drop function webhooks.create_subscription(
    uuid, text, text, jsonb, text, text, text, jsonb, text, jsonb, jsonb, integer, integer, integer, integer, integer[],
    integer, double precision, integer, text, integer, integer, text, text, text, jsonb, text, boolean, boolean, uuid,
    text);
drop function webhooks_private.replayable(uuid, timestamptz, timestamptz, text[], uuid, uuid, integer);

-- The default apart from the column, so that it is none of the events that are there.
alter table webhooks.event_logs add column traceparent varchar(55);
alter table webhooks.event_logs alter column traceparent set default
    case when current_setting('webhooks.traceparent', true)
              like '00-________________________________-________________-__'
    then substring(current_setting('webhooks.traceparent', true)
                   from '^00-0*[1-9a-f][0-9a-f]*-0*[1-9a-f][0-9a-f]*-[0-9a-f]+$') end;
alter table webhooks_private.event_logs_template add column traceparent varchar(55);
alter table webhooks_private.event_logs_template alter column traceparent set default
    case when current_setting('webhooks.traceparent', true)
              like '00-________________________________-________________-__'
    then substring(current_setting('webhooks.traceparent', true)
                   from '^00-0*[1-9a-f][0-9a-f]*-0*[1-9a-f][0-9a-f]*-[0-9a-f]+$') end;
alter type webhooks_private.claimed_delivery add attribute traceparent text;

-- After event_logs: publishers lock these tables in this order.
alter table webhooks.webhook_subscriptions
    add column delivery varchar(10) not null default 'push',
    add column expires_at timestamptz,
    alter column webhook_url drop not null;
alter table webhooks_private.subscription_routes add column poll_shard smallint;

-- install changes

alter table webhooks.webhook_subscriptions
    add constraint webhook_subscriptions_delivery_check check (delivery in ('push', 'poll')),
    add constraint webhook_subscriptions_url_check check (webhook_url is not null or delivery = 'poll');

-- Its body was parsed when the view had fewer columns.
create or replace function webhooks.list_subscriptions(environment text default null, is_active boolean default null)
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

-- Comments of the view's new columns.
-- include subscriptions/subscription_settings.sql $comments$
comment on column webhooks.subscription_settings.webhook_headers is
    'Additional request headers, with null for each value.';
comment on column webhooks.subscription_settings.auth_config is 'Authentication, with null for each secret.';
comment on column webhooks.subscription_settings.template_secrets is
    'Secrets that payload_template may print, with null for each value.';

-- They have gone with the functions that had fewer parameters.
grant execute on function webhooks.create_subscription to webhooks_manager;
grant execute on function webhooks.export_subscriptions to webhooks_manager;
grant execute on function webhooks.retry_failed to webhooks_manager;
grant execute on function webhooks.test_subscription to webhooks_manager;
grant execute on function webhooks.unmatched_events to webhooks_manager;

-- Types of events that the system publishes itself. The triggers would take them for the DBA's.
alter table webhooks.event_types disable trigger user;
insert into webhooks.event_types (name, category, description, is_builtin) values
    ('system.alert.fired', 'system', 'An alert fired', true),
    ('system.alert.resolved', 'system', 'An alert was resolved', true),
    ('webhook.endpoint.failing', 'webhook', 'An endpoint failed again and again; its deliveries wait', true),
    ('webhook.endpoint.recovered', 'webhook', 'An endpoint that was failing works again', true),
    ('webhook.endpoint.disabled', 'webhook', 'The system disabled a subscription, because its endpoint is gone or '
                                             'failed for too long', true),
    ('webhook.delivery.failed', 'webhook', 'A delivery failed for good', true)
on conflict do nothing;
alter table webhooks.event_types enable trigger user;
alter table webhooks_private.event_type_versions disable trigger user;
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
) t (name, properties, example)
on conflict do nothing;
alter table webhooks_private.event_type_versions enable trigger user;
alter table webhooks_private.event_type_versions enable always trigger sync_validation_trigger;

-- Comments of columns that have changed, where new partitions take them from.
do $comments$
declare
    changed record;
begin
    for changed in
        select t.copy, a.attname as name, col_description(('webhooks.' || t.parent)::regclass, a.attnum) as comment
        from (
            select p.parent, to_regclass(format('webhooks_private.%I', p.parent || v.suffix)) as copy
            from webhooks_private.partitioned_tables() p
            cross join (values ('_default'), ('_template'), ('_past'), ('_future')) v (suffix)
        ) t
        join pg_attribute a on a.attrelid = ('webhooks.' || t.parent)::regclass and a.attnum > 0
            and not a.attisdropped
        join pg_attribute c on c.attrelid = t.copy and c.attname = a.attname
        where col_description(t.copy, c.attnum)
            is distinct from col_description(('webhooks.' || t.parent)::regclass, a.attnum)
    loop
        execute format('comment on column %s.%I is %L', changed.copy, changed.name, changed.comment);
    end loop;
end
$comments$;

-- Row-level security of new relations.
-- include security/policies.sql $isolation$

-- New objects are not PUBLIC's either.
-- include security/public.sql
