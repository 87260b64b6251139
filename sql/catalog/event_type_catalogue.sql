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
