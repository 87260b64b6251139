//! What the catalogues say of the extension, one line for each object, in words without object ids.

use std::collections::BTreeSet;

use crate::support::session::Session;

/// Relations but for the partitions that a date names: those are not the extension's.
const RELATIONS: &str = "relations as (
    select c.*, c.oid::regclass::text as name from pg_class c
    where c.relnamespace in ('webhooks'::regnamespace, 'webhooks_private'::regnamespace)
      and c.relname !~ '_[0-9]{6,8}(_|$)' and c.relkind not in ('t'))";

const QUERIES: &[&str] = &[
    "select format('extension %s %s, schema %s, relocatable %s, owner %s', extname, extversion, extnamespace::regnamespace, extrelocatable, extowner::regrole)
     from pg_extension where extname = 'webhooks'",
    "select format('dumped %s %s', r.oid::regclass, r.condition)
     from pg_extension e, unnest(e.extconfig, e.extcondition) r (oid, condition) where e.extname = 'webhooks'",
    "select 'member ' || pg_describe_object(d.classid, d.objid, d.objsubid) from pg_depend d
     where d.refclassid = 'pg_extension'::regclass and d.deptype = 'e' and d.refobjid = (select oid from pg_extension where extname = 'webhooks')",
    "select format('schema %s, owner %s, rights %s', n.nspname, n.nspowner::regrole, (select array_agg(a::text order by a::text) from unnest(coalesce(n.nspacl, acldefault('n', n.nspowner))) a))
     from pg_namespace n where n.nspname in ('webhooks', 'webhooks_private')",
    "select format('relation %s, kind %s, owner %s, options %s, persistence %s, row security %s %s, partitioned by %s, bound %s, rights %s',
                r.name, r.relkind, r.relowner::regrole, r.reloptions, r.relpersistence, r.relrowsecurity, r.relforcerowsecurity,
                pg_get_partkeydef(r.oid), pg_get_expr(r.relpartbound, r.oid), (select array_agg(a::text order by a::text) from unnest(coalesce(r.relacl, acldefault('r', r.relowner))) a))
     from relations r where r.relkind not in ('i', 'I')",
    "select format('column %s.%s at %s, %s%s, default %s, storage %s, compression %s, statistics %s, options %s, identity %s, generated %s, rights %s', r.name, a.attname,
                (select count(*) from pg_attribute b where b.attrelid = a.attrelid and b.attnum between 1 and a.attnum and not b.attisdropped),
                format_type(a.atttypid, a.atttypmod), case when a.attnotnull then ' not null' else '' end, pg_get_expr(d.adbin, d.adrelid),
                a.attstorage, a.attcompression, nullif(a.attstattarget, -1), a.attoptions, a.attidentity, a.attgenerated,
                (select array_agg(x::text order by x::text) from unnest(a.attacl) x))
     from relations r join pg_attribute a on a.attrelid = r.oid left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
     where r.relkind not in ('i', 'I') and a.attnum > 0 and not a.attisdropped",
    "select 'view ' || r.name || ': ' || pg_get_viewdef(r.oid) from relations r where r.relkind = 'v'",
    "select format('index %s, options %s: %s', r.name, r.reloptions, pg_get_indexdef(r.oid)) from relations r where r.relkind in ('i', 'I')",
    "select format('constraint %s on %s%s: %s', k.conname, coalesce(r.name, k.contypid::regtype::text), case when k.convalidated then '' else ' (not valid)' end, pg_get_constraintdef(k.oid))
     from pg_constraint k left join relations r on r.oid = k.conrelid
     where k.connamespace in ('webhooks'::regnamespace, 'webhooks_private'::regnamespace) and (r.oid is not null or k.conrelid = 0)",
    "select format('policy %s on %s, %s, for %s to %s, using %s, check %s', p.polname, r.name, p.polpermissive, p.polcmd,
                (select array_agg(x::regrole::text order by x::regrole::text) from unnest(p.polroles) x), pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid))
     from pg_policy p join relations r on r.oid = p.polrelid",
    "select format('trigger %s on %s, enabled %s: %s', t.tgname, r.name, t.tgenabled, pg_get_triggerdef(t.oid))
     from pg_trigger t join relations r on r.oid = t.tgrelid where not t.tgisinternal",
    "select format('statistics %s: %s', s.stxname, pg_get_statisticsobjdef(s.oid)) from pg_statistic_ext s join relations r on r.oid = s.stxrelid",
    "select format('function %s, owner %s, rights %s: %s', p.oid::regprocedure, p.proowner::regrole, (select array_agg(a::text order by a::text) from unnest(coalesce(p.proacl, acldefault('f', p.proowner))) a),
                case when p.prokind = 'a'
                     then (select format('aggregate %s %s %s %s', g.aggtransfn, g.aggfinalfn, format_type(g.aggtranstype, null), g.agginitval) from pg_aggregate g where g.aggfnoid = p.oid)
                     else pg_get_functiondef(p.oid) end)
     from pg_proc p where p.pronamespace in ('webhooks'::regnamespace, 'webhooks_private'::regnamespace)",
    "select format('type %s, kind %s, owner %s, base %s, not null %s, labels %s, rights %s', t.oid::regtype, t.typtype, t.typowner::regrole, nullif(t.typbasetype, 0)::regtype, t.typnotnull,
                (select array_agg(e.enumlabel order by e.enumsortorder) from pg_enum e where e.enumtypid = t.oid), (select array_agg(a::text order by a::text) from unnest(coalesce(t.typacl, acldefault('T', t.typowner))) a))
     from pg_type t left join pg_class c on c.oid = t.typrelid
     where t.typnamespace in ('webhooks'::regnamespace, 'webhooks_private'::regnamespace) and t.typcategory <> 'A' and coalesce(c.relkind, 'c') = 'c'",
    "select format('cast from %s to %s', castsource::regtype, casttarget::regtype) from pg_cast c
     where exists (select from pg_depend d where d.classid = 'pg_cast'::regclass and d.objid = c.oid and d.deptype = 'e' and d.refobjid = (select oid from pg_extension where extname = 'webhooks'))",
    "select format('comment on %s %s: %s', i.type, i.identity, d.description)
     from pg_description d, lateral pg_identify_object(d.classoid, d.objoid, d.objsubid) i
     where d.objoid >= 16384 and i.identity ~ '^\"?webhooks' and i.identity !~ '_[0-9]{6,8}(_|\\.|$)'",
];

/// Tables whose rows are this database's own from the beginning, or hold a time.
const OWN_ROWS: [&str; 2] = ["database_bindings", "audit_log"];

/// Everything.
pub async fn facts(session: &Session) -> BTreeSet<String> {
    session
        .run("set search_path = pg_catalog; set timezone = 'UTC'")
        .await;
    let mut facts = BTreeSet::new();
    for query in QUERIES {
        let query = format!("with {RELATIONS} {query}");
        facts.extend(session.lines(&query).await);
    }
    let tables = format!(
        "with {RELATIONS} select r.name from relations r where r.relkind = 'r' and r.relname <> all ('{{{}}}') order by 1",
        OWN_ROWS.join(",")
    );
    for table in session.lines(&tables).await {
        let rows = format!(
            "select 'row of {table}: ' || (to_jsonb(t) - '{{created_at,updated_at}}'::text[])::text from {table} t"
        );
        facts.extend(session.lines(&rows).await);
    }
    facts
}
