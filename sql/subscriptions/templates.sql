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
