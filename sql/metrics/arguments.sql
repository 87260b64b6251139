-- What functions with numbers are asked for.

create function webhooks_private.checked_days(days integer)
returns integer
language plpgsql immutable
set search_path = pg_catalog, pg_temp
as $$
begin
    if days is null or days not between 1 and 3650 then
        raise exception 'days is %, not between 1 and 3650', coalesce(days::text, 'null')
            using errcode = 'invalid_parameter_value',
                  hint = 'Give the number of days to look back. How long numbers are kept is the setting '
                         'metrics_retention_days.';
    end if;
    return days;
end
$$;
comment on function webhooks_private.checked_days is
    'A number of days to look back, or an error if it is none.';

create function webhooks_private.checked_since(since timestamptz)
returns timestamptz
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
begin
    if since is null or since > now() then
        raise exception 'since is %', coalesce(since::text, 'null')
            using errcode = 'invalid_parameter_value',
                  hint = 'Give a time in the past, for example: now() - interval ''7 days''.';
    end if;
    -- Longer than anything is kept.
    return greatest(since, now() - interval '3650 days');
end
$$;
comment on function webhooks_private.checked_since is
    'A time to look back to, or an error if it is none; of a time that is very long ago, ten years ago.';

create function webhooks_private.checked_bucket(bucket interval)
returns interval
language plpgsql immutable
set search_path = pg_catalog, pg_temp
as $$
begin
    if bucket is null or extract(month from bucket) <> 0 or extract(year from bucket) <> 0
        or bucket not between interval '1 hour' and interval '366 days'
        or mod(extract(epoch from bucket), 3600) <> 0 then
        raise exception 'bucket is %', coalesce(bucket::text, 'null')
            using errcode = 'invalid_parameter_value',
                  hint = 'Numbers are kept by the hour. Give whole hours, days or weeks: ''1 hour'', ''1 day'' or '
                         '''7 days''.';
    end if;
    return bucket;
end
$$;
comment on function webhooks_private.checked_bucket is 'The length of a bucket, or an error if it is none.';

create function webhooks_private.bucket_start(bucket interval, at timestamptz)
returns timestamptz
language sql immutable parallel safe
-- A Monday: days begin at midnight in UTC, and weeks on Mondays.
return date_bin(bucket, at, timestamptz '2001-01-01 00:00Z');
comment on function webhooks_private.bucket_start is 'Beginning of the bucket that a time is in.';
