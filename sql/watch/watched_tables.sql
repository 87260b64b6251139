-- What is watched, and how that goes.

create function webhooks_private.columns_since(target regclass, definition jsonb, events_function text)
returns jsonb
language sql stable
set search_path = pg_catalog, pg_temp
begin atomic
    -- Names tell first. A column that the watch needs was only renamed, and so was one that has the number of a
    -- column whose name is gone; numbers are not what they were if a restore left out dropped columns.
    with known as (
        select n.name, m.number::smallint as number
        from jsonb_array_elements_text(columns_since.definition -> 'all_columns') with ordinality n (name, i)
        left join jsonb_array_elements_text(columns_since.definition -> 'numbers') with ordinality m (number, i)
            using (i)
    ),
    columns as (
        select a.attname::text as name, a.attnum from pg_attribute a
        where a.attrelid = columns_since.target and a.attnum > 0 and not a.attisdropped and a.attgenerated <> 'v'
    )
    select coalesce(jsonb_agg(c.name order by c.attnum), '[]')
    from columns c
    where not exists (select from known k where k.name = c.name)
      and not exists (
          select from pg_depend d
          where d.classid = 'pg_proc'::regclass
            and d.objid in (to_regproc(columns_since.events_function),
                            to_regproc(regexp_replace(columns_since.events_function, '_webhook_events("?)$',
                                                      '_webhook_values\1')))
            and d.refclassid = 'pg_class'::regclass and d.refobjid = columns_since.target and d.refobjsubid = c.attnum)
      and not exists (
          select from known k
          where k.number = c.attnum and not exists (select from columns same where same.name = k.name)
            and not exists (select from known moved join columns same on same.name = moved.name
                            where same.attnum <> moved.number));
end;
comment on function webhooks_private.columns_since is
    'The columns added to a table since it was watched. Part of watched_tables.';
grant execute on function webhooks_private.columns_since to webhooks_publisher;

create view webhooks.watched_tables with (security_invoker = true) as
select
    w.table_name,
    w.owner,
    w.definition ->> 'on_insert' as on_insert,
    w.definition ->> 'on_update' as on_update,
    w.definition ->> 'on_delete' as on_delete,
    w.definition -> 'on_change' as on_change,
    w.definition ->> 'tenant_column' as tenant_column,
    (w.definition ->> 'tenant_id')::uuid as tenant_id,
    w.definition -> 'id_columns' as id_columns,
    w.definition ->> 'resource_type' as resource_type,
    w.definition -> 'watch_columns' as watch_columns,
    nullif(w.definition ->> 'condition', 'true') as condition,
    w.definition -> 'columns' as columns,
    (w.definition -> 'per_row')::boolean as per_row,
    webhooks_private.columns_since(w.table_name, w.definition, w.events_function) as new_columns,
    w.is_enabled,
    case
        when not w.is_enabled then 'a trigger is disabled: such changes are not published'
        when pg_catalog.to_regproc(w.events_function) is null
            then 'a column was dropped, the schema renamed, or there is another function of the name: changes fail; '
                 'call watch_table() again, or unwatch_table()'
        when not pg_catalog.has_table_privilege(w.owner, 'webhooks.event_logs', 'insert')
            then pg_catalog.format('role %s may not publish: changes fail; grant webhooks_publisher to %1$s', w.owner)
        when w.owner <> w.table_owner
            then pg_catalog.format('the table is %s''s now and its changes are still published with the rights of '
                                   '%s, who can read them; call unwatch_table(), have %s and the like dropped, and '
                                   'call watch_table() again',
                                   w.table_owner, w.owner, w.functions)
        when pg_catalog.to_regclass(w.definition ->> 'table') <> w.table_name
            then pg_catalog.format('the table was %s when it was watched, and another table has that name now, whose '
                                   'changes are not published; call watch_table() again for this one, and then for '
                                   'the other if it is to be watched',
                                   w.definition ->> 'table')
        when w.is_subscribed and not (w.is_always and (w.definition -> 'per_row')::boolean)
            then 'what logical replication changes is not published; watch the table with per_row => true, and '
                 'enable the triggers of the watch with ENABLE ALWAYS TRIGGER'
        when not (w.definition -> 'per_row')::boolean and not (w.definition -> 'per_row_given')::boolean
            and webhooks_private.has_other_triggers(w.table_name)
            then 'AFTER triggers, or foreign keys with actions, were made since the table was watched: what they '
                 'change may be published before what they were called for; call watch_table() again'
    end as problem
from (
    select
        t.tgrelid::regclass as table_name,
        c.relowner::regrole as table_owner,
        min(p.proowner)::regrole as owner,
        min(t.tgfoid)::regproc::text as functions,
        webhooks_private.watch_definition((array_agg(t.tgargs))[1]) as definition,
        exists (select from pg_catalog.pg_subscription_rel s where s.srrelid = t.tgrelid) as is_subscribed,
        bool_and(t.tgenabled in ('O', 'A')) as is_enabled,
        bool_and(t.tgenabled = 'A') as is_always,
        min(pg_catalog.format('%I.%I', n.nspname,
                              pg_catalog.regexp_replace(p.proname, '_webhooks$', '_webhook_events'))) as events_function
    from pg_catalog.pg_trigger t
    join pg_catalog.pg_class c on c.oid = t.tgrelid
    join pg_catalog.pg_proc p on p.oid = t.tgfoid
    join pg_catalog.pg_namespace n on n.oid = p.pronamespace
    where webhooks_private.is_watch(t)
    group by t.tgrelid, c.relowner
) w;
comment on view webhooks.watched_tables is 'Watched tables, as watch_table() was called, and whether the watch works.';
comment on column webhooks.watched_tables.table_name is 'The watched table.';
comment on column webhooks.watched_tables.owner is
    'Role with whose rights changes are published: the owner of the table when it was watched.';
comment on column webhooks.watched_tables.on_insert is
    'Event type for inserted rows; null: inserted rows publish nothing.';
comment on column webhooks.watched_tables.on_update is
    'Event type for rows in which a watched column changed; null: such rows publish nothing by themselves.';
comment on column webhooks.watched_tables.on_delete is
    'Event type for deleted rows; null: deleted rows publish nothing.';
comment on column webhooks.watched_tables.on_change is
    'Event types by changed column, and by the new value of the column, written as in a literal of its type.';
comment on column webhooks.watched_tables.tenant_column is 'Column with the tenant; null: see tenant_id.';
comment on column webhooks.watched_tables.tenant_id is 'Tenant of all rows; null: see tenant_column.';
comment on column webhooks.watched_tables.id_columns is
    'Columns that identify a row. They are id in event_data, ordering_key, and resource_id if it is one column of '
    'type uuid.';
comment on column webhooks.watched_tables.resource_type is 'resource_type of the events.';
comment on column webhooks.watched_tables.watch_columns is
    'Watched columns: an UPDATE that changes none of them does not publish on_update.';
comment on column webhooks.watched_tables.condition is
    'SQL expression over old and new that says which changes are published; null: all changes.';
comment on column webhooks.watched_tables.columns is 'Columns that are sent.';
comment on column webhooks.watched_tables.per_row is
    'True: each row is published by itself. False: the rows that a statement changed are published at once.';
comment on column webhooks.watched_tables.new_columns is
    'Columns that were added to the table since it was watched. watch_table() called again takes them into account.';
comment on column webhooks.watched_tables.is_enabled is 'False: the DBA disabled a trigger of the watch.';
comment on column webhooks.watched_tables.problem is 'What is wrong, and what to do; null: nothing is wrong.';
grant select on webhooks.watched_tables to webhooks_publisher;
