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
