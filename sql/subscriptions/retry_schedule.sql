-- When deliveries are tried again, if a subscription says so itself instead of with retry_count and
-- retry_delay_seconds.

create function webhooks_private.retry_delays(retry_schedule text)
returns integer[]
language sql immutable strict parallel safe
set search_path = pg_catalog, pg_temp
begin atomic
    select case retry_schedule
        -- Of the specification "Standard Webhooks" and its libraries, after the first attempt.
        when 'standard-webhooks' then '{5,300,1800,7200,18000,36000,36000}'::integer[]
        else array(
            -- An amount and a unit; null for anything else.
            select case when u.seconds is not null then least(p.part[1]::bigint * u.seconds, 2147483647)::integer end
            from string_to_table(translate(lower(retry_schedule collate "C"), '[]{}"' || E'\n\r\t', repeat(' ', 8)),
                                 ',') with ordinality l (delay, n)
            cross join lateral (select regexp_match(btrim(l.delay), '^(\d{1,7}) ?([a-z]*)$') as part) p
            cross join lateral (
                select case
                    when p.part[2] in ('', 's', 'sec', 'secs', 'second', 'seconds') then 1
                    when p.part[2] in ('m', 'min', 'mins', 'minute', 'minutes') then 60
                    when p.part[2] in ('h', 'hr', 'hrs', 'hour', 'hours') then 3600
                    when p.part[2] in ('d', 'day', 'days') then 86400
                end as seconds
            ) u
            order by l.n)
    end;
end;
comment on function webhooks_private.retry_delays is
    'The delays of a retry_schedule in seconds, one for each retry, with null for what is none. A schedule is '
    'standard-webhooks, or delays such as 5 s, 5 min, 2 h; those without a unit are seconds.';
