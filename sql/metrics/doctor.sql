create function webhooks.doctor()
returns table (severity text, check_name text, finding text, meaning text, advice text)
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp
set jit = off
as $$
#variable_conflict use_column
begin
    perform webhooks_private.check_monitors_all();
    return query
    select f.*
    from (
        select * from webhooks_private.doctor_server()
        union all
        select * from webhooks_private.doctor_sidecars()
        union all
        select * from webhooks_private.doctor_clock()
        union all
        select * from webhooks_private.doctor_partitions()
        union all
        select * from webhooks_private.doctor_queue()
        union all
        select * from webhooks_private.doctor_security()
        union all
        select * from webhooks_private.doctor_access_tokens()
    ) f
    order by array_position(array['error', 'warning', 'info'], f.severity), f.check_name, f.finding;
end
$$;
comment on function webhooks.doctor is
    'Looks for what keeps events from being delivered, or may do so soon, and returns what it finds: severity is '
    'error (something does not work), warning (it may not for long) or info; meaning says what follows, and advice '
    'what to do. No row with error or warning means that nothing was found. Long transactions and slots are only '
    'seen if the owner of the extension is a superuser or a member of pg_read_all_stats.';
grant execute on function webhooks.doctor to webhooks_monitor;
