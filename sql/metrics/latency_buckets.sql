-- Durations are counted in buckets that grow by a quarter of a doubling: four for each factor of two, from 100 us up.
-- A bucket is 19 % wide, and a percentile is interpolated within its bucket: it is off by less than that.

create function webhooks_private.latency_bucket(us double precision)
returns smallint
language sql immutable parallel safe
return case when us is null then null when us <= 100 then 0
    else least(ceil(ln(us / 100) * 4 / ln(2::double precision)), 200) end::smallint;
comment on function webhooks_private.latency_bucket is
    'Bucket of a duration in microseconds: 0 for up to 100 us, n for up to 100 us * 2^(n/4); 200 (3,500 years) for '
    'all that is longer.';

create function webhooks_private.latency_percentile(share double precision, buckets smallint[], counts bigint[])
returns double precision
language sql immutable parallel safe
set search_path = pg_catalog, pg_temp
begin atomic
    select 100 * 2 ^ ((c.bucket - 1 + (c.wanted - c.before) / c.count) / 4) / 1000
    from (
        select b.bucket::double precision as bucket, b.count::double precision as count,
               sum(b.count) over (order by b.bucket) - b.count as before,
               latency_percentile.share * sum(b.count) over () as wanted
        from unnest(buckets, counts) b (bucket, count)
        where b.count > 0
    ) c
    where c.before + c.count >= c.wanted
    order by c.bucket limit 1;
end;
comment on function webhooks_private.latency_percentile is
    'Duration in milliseconds that the given share of the durations counted in buckets does not exceed; null: there '
    'are none.';
