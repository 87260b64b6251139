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
    ('system.error', 'system', 'A system error occurred', true),
    ('system.alert.fired', 'system', 'An alert fired', true),
    ('system.alert.resolved', 'system', 'An alert was resolved', true),
    ('webhook.endpoint.failing', 'webhook', 'An endpoint failed again and again; its deliveries wait', true),
    ('webhook.endpoint.recovered', 'webhook', 'An endpoint that was failing works again', true),
    ('webhook.endpoint.disabled', 'webhook', 'The system disabled a subscription, because its endpoint is gone or '
                                             'failed for too long', true),
    ('webhook.delivery.failed', 'webhook', 'A delivery failed for good', true);

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
