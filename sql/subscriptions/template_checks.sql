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
