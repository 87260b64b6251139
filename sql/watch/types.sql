-- How a watched table's values are compared: by "=" where it tells values apart that read differently, by what is
-- sent of them otherwise.

create function webhooks_private.base_type(type regtype)
returns regtype
language sql stable
set search_path = pg_catalog, pg_temp
begin atomic
    with recursive domains as (
        select base_type.type::oid as oid
        union all
        select t.typbasetype from domains d join pg_type t on t.oid = d.oid where t.typtype = 'd'
    )
    select d.oid::regtype from domains d join pg_type t on t.oid = d.oid where t.typtype <> 'd';
end;
comment on function webhooks_private.base_type is
    'The type that a domain, or a domain over a domain, is of; any other type itself. Part of watch_table().';
grant execute on function webhooks_private.base_type to webhooks_publisher;

create function webhooks_private.is_comparable(type regtype)
returns boolean
language sql stable
set search_path = pg_catalog, pg_temp
begin atomic
    with recursive inner_types as (
        select is_comparable.type::oid as oid, true as is_exact
        union all
        -- Domains, arrays, ranges and multiranges are compared as what they are made of.
        select coalesce(r.rngsubtype, case when t.typtype = 'd' then t.typbasetype else t.typelem end),
               coalesce((select l.collisdeterministic from pg_collation l where l.oid = r.rngcollation), true)
        from inner_types i
        join pg_type t on t.oid = i.oid
        left join pg_range r on i.oid in (r.rngtypid, r.rngmultitypid)
        where r.rngtypid is not null or t.typtype = 'd' or t.typtype = 'b' and t.typcategory = 'A' and t.typelem <> 0
    )
    select coalesce(bool_and(
        i.is_exact
        and (t.typtype in ('d', 'e', 'r', 'm')
             or t.typtype = 'b' and t.typcategory = 'A' and t.typelem <> 0
             -- 30 days are 1 month.
             or t.typtype = 'b' and t.typnamespace = 'pg_catalog'::regnamespace and t.oid <> 'interval'::regtype
             and exists (
                 select from pg_opclass o
                 where o.opcdefault and o.opcmethod = (select m.oid from pg_am m where m.amname = 'btree')
                   and (o.opcintype = t.oid or o.opcintype in (
                       select c.casttarget from pg_cast c where c.castsource = t.oid and c.castmethod = 'b'
                           and c.castcontext = 'i'))))), false)
    from inner_types i join pg_type t on t.oid = i.oid;
end;
comment on function webhooks_private.is_comparable is
    'Whether "=" tells values of a type apart that read differently (of json, xml, interval and geometric types it '
    'doesn''t, and those of other extensions it may not find). Part of watch_table().';
grant execute on function webhooks_private.is_comparable to webhooks_publisher;

create function webhooks_private.watch_operands(target regclass)
returns table (name text, operand text)
language sql stable
set search_path = pg_catalog, pg_temp
begin atomic
    with types as materialized (
        select t.atttypid, t.attcollation,
               -- a and A may be the same to a collation.
               webhooks_private.is_comparable(t.atttypid)
               and coalesce((select l.collisdeterministic from pg_collation l where l.oid = t.attcollation),
                            true) as is_comparable
        from (select distinct a.atttypid, a.attcollation from pg_attribute a
              where a.attrelid = watch_operands.target and a.attnum > 0 and not a.attisdropped) t
    )
    select a.attname, case when t.is_comparable then '%s' else 'to_jsonb(%s)' end
    from pg_attribute a
    join types t on t.atttypid = a.atttypid and t.attcollation = a.attcollation
    where a.attrelid = watch_operands.target and a.attnum > 0 and not a.attisdropped;
end;
comment on function webhooks_private.watch_operands is
    'For each column the expression by which its values are compared, with %s for the value. Part of watch_table().';
grant execute on function webhooks_private.watch_operands to webhooks_publisher;

create function webhooks_private.watch_differences(target regclass, columns text[], template text, separator text)
returns text
language sql stable
set search_path = pg_catalog, pg_temp
begin atomic
    select string_agg(
        format(watch_differences.template,
               format('%s is distinct from %s', format(o.operand, format('old.%I', c.name)),
                      format(o.operand, format('new.%I', c.name))),
               c.name, to_json(c.name) || ':'),
        watch_differences.separator order by c.n)
    from (select u.name, min(u.n) as n from unnest(watch_differences.columns) with ordinality u (name, n) group by u.name) c
    join webhooks_private.watch_operands(watch_differences.target) o on o.name = c.name;
end;
comment on function webhooks_private.watch_differences is
    'For each column a template filled in with the condition that an UPDATE changed it (%s), its name (%2$L), and '
    'how it begins a member of a JSON object (%3$L). Part of watch_table().';
grant execute on function webhooks_private.watch_differences to webhooks_publisher;

create function webhooks_private.has_types(target regclass, wanted regtype[])
returns boolean
language sql stable
set search_path = pg_catalog, pg_temp
begin atomic
    with recursive types as (
        select a.atttypid as oid from pg_attribute a where a.attrelid = has_types.target and a.attnum > 0
            and not a.attisdropped
        union
        select i.oid
        from types y
        join pg_type t on t.oid = y.oid
        cross join lateral (
            select t.typbasetype where t.typtype = 'd'
            union all select t.typelem where t.typcategory = 'A'
            union all select r.rngsubtype from pg_range r where y.oid in (r.rngtypid, r.rngmultitypid)
            union all select a.atttypid from pg_attribute a where a.attrelid = t.typrelid and t.typtype = 'c'
                and a.attnum > 0 and not a.attisdropped
        ) i (oid)
    )
    select exists (select from types y where y.oid = any (has_types.wanted));
end;
comment on function webhooks_private.has_types is
    'Whether a table has values of some types, also inside of other types. Part of watch_table().';
grant execute on function webhooks_private.has_types to webhooks_publisher;
