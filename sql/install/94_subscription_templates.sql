-- Ready-made settings of subscriptions. Those that are shipped are code, so that a newer version brings newer ones; what
-- tenants add are rows.

create table webhooks.subscription_templates (
    tenant_id uuid not null,
    name varchar(100) not null,
    description text,
    settings jsonb not null,
    placeholders jsonb not null default '{}',
    created_at timestamptz not null default now(),
    primary key (tenant_id, name)
);
comment on table webhooks.subscription_templates is 'Templates of a tenant''s own for create_subscription_from_template(). Those that are shipped: select * from webhooks.shipped_templates().';
comment on column webhooks.subscription_templates.tenant_id is 'Whose template.';
comment on column webhooks.subscription_templates.name is 'By which it is asked for; a shipped one of the same name is hidden.';
comment on column webhooks.subscription_templates.description is 'For people; at most 10,000 bytes.';
comment on column webhooks.subscription_templates.settings is 'Columns of webhook_subscriptions and their values, without secrets. A placeholder is <<name>> in texts, or, if what is given for it is a secret, {{ secrets.name }} in payload_template. At most 64 KiB as text.';
comment on column webhooks.subscription_templates.placeholders is 'What must be given for each placeholder: an object of names and explanations, at most 16 KiB as text.';
comment on column webhooks.subscription_templates.created_at is 'When it was made.';
select pg_catalog.pg_extension_config_dump('webhooks.subscription_templates', '');

create function webhooks.validate_template()
returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
    unknown text;
begin
    -- A restore brings what was accepted once.
    if webhooks.is_restoring() then
        return new;
    end if;
    -- PostgreSQL's own error would show the whole row.
    if new.tenant_id is null or new.name is null then
        raise exception 'tenant_id or name of a template is null'
            using errcode = 'not_null_violation', hint = 'A template is a tenant''s, and has a name of its own there.';
    end if;
    if jsonb_typeof(new.settings) is distinct from 'object' or jsonb_typeof(new.placeholders) is distinct from 'object' then
        raise exception 'settings and placeholders of a template are JSON objects'
            using errcode = 'invalid_parameter_value', hint = 'Write for example {"payload_format": "standard"} and {}.';
    end if;
    select k into unknown from jsonb_object_keys(new.settings) k
    where k <> all (webhooks.settable_columns()) or k in ('auth_config', 'webhook_headers', 'template_secrets') limit 1;
    if found then
        raise exception 'a template can''t set "%"', left(unknown, 100)
            using errcode = 'invalid_parameter_value',
                  hint = 'It sets columns of webhook_subscriptions, but for auth_config, webhook_headers and template_secrets, which hold secrets: give those when you subscribe.';
    end if;
    select k into unknown from jsonb_object_keys(new.placeholders) k
    where k !~ '^[a-z][a-z0-9_]{0,62}$' or k = any (webhooks.settable_columns())
       -- Not both: what is a secret must not become a part of a text that can be read.
       or (position('<<' || k || '>>' in new.settings::text) > 0)
          = coalesce(k = any (webhooks.secret_names(new.settings ->> 'payload_template')), false) limit 1;
    if found then
        raise exception 'invalid placeholder "%"', left(unknown, 100)
            using errcode = 'invalid_parameter_value',
                  hint = 'Its name is a lower-case word, no column''s, and stands in the settings between << and >>, or for a secret as {{ secrets.name }} in payload_template.';
    end if;
    return new;
end
$$;
comment on function webhooks.validate_template() is 'Trigger: refuses templates that no subscription could be made from.';

create trigger validate_template
    before insert or update on webhooks.subscription_templates
    for each row execute function webhooks.validate_template();

create trigger audit_change
    after insert or update or delete on webhooks.subscription_templates
    for each row execute function webhooks.audit_change('subscription_template', 'name');

create function webhooks.delete_subscription_template(tenant_id uuid, name text)
returns boolean
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    perform webhooks.check_tenant(tenant_id);
    delete from webhooks.subscription_templates t
    where t.tenant_id = delete_subscription_template.tenant_id and t.name = delete_subscription_template.name;
    return found;
end
$$;
comment on function webhooks.delete_subscription_template(uuid, text) is
    'Deletes a template of a tenant''s own; false if there is none of that name. Subscriptions made from it stay as they are.';

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
        -- Teams: 28 KB a message; an adaptive card in a message, as the trigger "When a Teams webhook request is received" takes it.
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
        -- PagerDuty: 120 events a minute and key, of at most 512 KB; a summary of at most 1,024 characters, a dedup_key of 255;
        -- severity is one of four. What it answers with 400 it does not want again.
        ('pagerduty', 'PagerDuty, Events API v2: an alert for each event',
         jsonb_build_object('webhook_url', 'https://events.pagerduty.com/v2/enqueue', 'rate_limit_per_second', 2, 'max_payload_size_kb', 512,
                            'no_retry_statuses', '[400, 410]'::jsonb,
                            'subscribed_events', '["system.error", "job.failed", "extraction.failed"]'::jsonb, 'payload_template',
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
comment on function webhooks.shipped_templates() is 'Templates for common receivers that come with the extension; their columns are those of subscription_templates.';

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
            using errcode = 'invalid_parameter_value', hint = 'Write for example {"name": "Team chat", "webhook_url": "https://...", "subscribed_events": ["job.failed"]}.';
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
                  hint = 'Templates are listed by: select name, description from webhooks.shipped_templates(); and your own are in webhooks.subscription_templates.';
    end if;
    select k into unknown from jsonb_object_keys(overrides) k where k <> all (webhooks.settable_columns()) and not placeholders ? k limit 1;
    if found then
        raise exception 'there is nothing to override called "%"', left(unknown, 100)
            using errcode = 'invalid_parameter_value',
                  hint = 'Give columns of webhook_subscriptions'
                         || coalesce(', and ' || (select string_agg(p.key || ' (' || p.value || ')', ', ') from jsonb_each_text(placeholders) p), '') || '.';
    end if;
    secret_names := coalesce(webhooks.secret_names(settings ->> 'payload_template'), '{}');
    for placeholder in select jsonb_object_keys(placeholders) loop
        if placeholder = any (secret_names) then
            if coalesce(overrides ->> placeholder, '') = '' then
                raise exception 'template "%" needs a value for %', template, placeholder
                    using errcode = 'invalid_parameter_value',
                          hint = format('%s. Give it in overrides; it is kept in template_secrets.', placeholders ->> placeholder);
            end if;
            secrets := secrets || jsonb_build_object(placeholder, overrides -> placeholder);
            continue;
        end if;
        -- Nothing that JSON or a payload_template could take for its own.
        if coalesce(overrides ->> placeholder, '') !~ '^[A-Za-z0-9._:/@=+-]{1,250}$' then
            raise exception 'template "%" needs a value for %', template, placeholder
                using errcode = 'invalid_parameter_value',
                      hint = format('%s. Give it in overrides: 1 to 250 letters, digits and . _ : / @ = + -', placeholders ->> placeholder);
        end if;
        settings := replace(settings::text, '<<' || placeholder || '>>', overrides ->> placeholder)::jsonb;
    end loop;
    settings := jsonb_build_object('name', template) || settings || (overrides - array(select jsonb_object_keys(placeholders)));
    if secrets <> '{}' then
        settings := settings || jsonb_build_object('template_secrets', secrets || coalesce(nullif(settings -> 'template_secrets', 'null'), '{}'));
    end if;
    if settings ->> 'auth_type' = 'signature' and not settings ? 'auth_config' then
        settings := settings || jsonb_build_object('auth_config', jsonb_build_object('secret', webhooks.generate_secret()));
    end if;
    return webhooks.insert_subscription(create_subscription_from_template.tenant_id, settings);
end
$$;
comment on function webhooks.create_subscription_from_template(uuid, text, jsonb) is
    'Subscribes a tenant with the settings of a template, one of its own or a shipped one; overrides are columns of webhook_subscriptions and values of the template''s placeholders, of which those that are secrets go into template_secrets. A signing one without a secret gets a new one: renew_secret() tells it. Returns the subscription''s id.';
