-- How large an event may be. What counts is the text: what is stored may be a ten-thousandth of it, and it is the
-- text that filters, schemas, templates and receivers read.

create function webhooks_private.check_event_size(event_data jsonb, resource_data jsonb)
returns void
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_variable
declare
    most constant bigint := webhooks_private.setting('max_event_data_bytes');
    problem text := webhooks_private.json_problem(event_data, most);
    name text := 'event_data';
    done boolean;
begin
    if problem is null then
        name := 'resource_data';
        problem := webhooks_private.json_problem(resource_data, most);
    end if;
    if problem is null then
        return;
    end if;
    -- This function, match_events(), and the statements that call them, which are long.
    done := webhooks_private.omit_context(4);
    raise exception '% is %', name, problem
        using errcode = 'program_limit_exceeded', schema = 'webhooks', table = 'event_logs', column = name,
              hint = case
                  when starts_with(problem, 'larger')
                      then 'The setting max_event_data_bytes is the limit, up to 67108864. Publish a reference to '
                           'the data instead, or have the DBA raise the setting.'
                  else 'Parsers of receivers take no more. Publish flatter data.'
              end;
end
$$;
comment on function webhooks_private.check_event_size is
    'Raises an error for an event that is larger than max_event_data_bytes or nested too deep. Part of '
    'match_events(), which asks it for events that are not small.';
