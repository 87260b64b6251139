-- Tenants and users belong to the application: foreign keys to its tables are the DBA's choice. pg_dump does
-- not dump constraints of an extension's tables, so what is linked is a row, and maintain() links it again.

create table webhooks_private.linked_tables (
    kind text primary key,
    table_name text not null,
    id_column text not null,
    constraint linked_tables_kind_check check (kind in ('tenants', 'users'))
);
comment on table webhooks_private.linked_tables is
    'The application''s tables that link_tenants() and link_users() made foreign keys to.';
comment on column webhooks_private.linked_tables.kind is 'tenants or users.';
comment on column webhooks_private.linked_tables.table_name is 'Qualified name of the table of the application.';
comment on column webhooks_private.linked_tables.id_column is 'Key column of the table, of type uuid.';
select pg_catalog.pg_extension_config_dump('webhooks_private.linked_tables', '');

create function webhooks_private.forget_tenants()
returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    execute format(
        'with gone as (select %I as id from gone_tenants),
              queue as (delete from webhooks.delivery_queue q using gone where q.tenant_id = gone.id),
              keys as (delete from webhooks_private.idempotency_keys k using gone where k.tenant_id = gone.id),
              redeliveries as (delete from webhooks.redeliveries r using gone where r.tenant_id = gone.id),
              restored as (delete from webhooks.restored_events r using gone where r.tenant_id = gone.id),
              tokens as (delete from webhooks_private.access_tokens t using gone where t.tenant_id = gone.id),
              limits as (delete from webhooks.tenant_limits l using gone where l.tenant_id = gone.id),
              templates as (delete from webhooks.subscription_templates t using gone where t.tenant_id = gone.id)
         delete from webhooks.delivery_attempts a using gone where a.tenant_id = gone.id',
        tg_argv[0]);
    execute format('select webhooks_private.forget_tenant_rollups(array(select %I from gone_tenants))', tg_argv[0]);
    return null;
end
$$;
comment on function webhooks_private.forget_tenants is
    'Trigger on a linked table of tenants: deletes the delivery log of tenants that are deleted (events and '
    'subscriptions go by foreign key).';

create function webhooks_private.apply_links()
returns bigint
language plpgsql volatile
set search_path = pg_catalog, pg_temp
set lock_timeout = '2s'
as $$
declare
    link record;
    wanted record;
    made bigint := 0;
begin
    for link in select l.kind, l.table_name, l.id_column from webhooks_private.linked_tables l loop
        if to_regclass(link.table_name) is null then
            raise warning 'linked table % of % does not exist', link.table_name, link.kind
                using hint = format('Link another one with webhooks.link_%s(), or end the link with '
                                    'webhooks.unlink_%1$s().', link.kind);
            continue;
        end if;
        for wanted in
            select *
            from (values
                ('tenants', 'event_logs', 'tenant_id', 'on delete cascade'),
                ('tenants', 'webhook_subscriptions', 'tenant_id', 'on delete cascade'),
                ('users', 'event_logs', 'user_id', ''),
                ('users', 'webhook_subscriptions', 'created_by', '')
            ) as v (kind, relation, referencing_column, action)
            where v.kind = link.kind
        loop
            continue when exists (
                select from pg_constraint c
                where c.conrelid = ('webhooks.' || wanted.relation)::regclass and c.contype = 'f'
                  and c.conname = format('%s_%s_fkey', wanted.relation, wanted.referencing_column)
            );
            execute format('alter table webhooks.%I add constraint %I foreign key (%I) references %s (%I) %s',
                           wanted.relation, format('%s_%s_fkey', wanted.relation, wanted.referencing_column),
                           wanted.referencing_column, link.table_name::regclass, link.id_column, wanted.action);
            made := made + 1;
        end loop;
    end loop;
    return made;
end
$$;
comment on function webhooks_private.apply_links is
    'Makes the foreign keys of linked_tables that are missing (after a restore); returns how many.';

create function webhooks_private.link_table(kind text, target regclass, id_column name)
returns void
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
begin
    if target is null then
        raise exception 'no table of % given', kind
            using errcode = 'null_value_not_allowed',
            hint = format('To end the link, call webhooks.unlink_%s().', kind);
    end if;
    execute format('select webhooks.unlink_%s()', kind);
    insert into webhooks_private.linked_tables
    select link_table.kind, format('%I.%I', n.nspname, c.relname), link_table.id_column
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where c.oid = target;
    perform webhooks_private.apply_links();
end
$$;
comment on function webhooks_private.link_table is 'What link_tenants() and link_users() have in common.';

create function webhooks.link_tenants(tenants regclass, id_column name default 'id')
returns void
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
begin
    perform webhooks_private.link_table('tenants', tenants, id_column);
    execute format('create trigger webhooks_forget_tenants after delete on %s referencing old table as gone_tenants
                    for each statement execute function webhooks_private.forget_tenants(%L)', tenants, id_column);
end
$$;
comment on function webhooks.link_tenants is
    'Adds foreign keys from tenant_id to a table of tenants of the application. Deleting a tenant then deletes its '
    'events, subscriptions, deliveries and logs.';

create function webhooks.link_users(users regclass, id_column name default 'id')
returns void
language sql volatile
set search_path = pg_catalog, pg_temp
begin atomic
    select webhooks_private.link_table('users', users, id_column);
end;
comment on function webhooks.link_users is
    'Adds foreign keys from user_id and created_by to a table of users of the application. These columns have no '
    'index, which would cost time for every event, so that deleting a user reads all events.';

create function webhooks.unlink_tenants()
returns void
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
    linked text;
begin
    delete from webhooks_private.linked_tables l where l.kind = 'tenants' returning l.table_name into linked;
    alter table webhooks.event_logs drop constraint if exists event_logs_tenant_id_fkey;
    alter table webhooks.webhook_subscriptions drop constraint if exists webhook_subscriptions_tenant_id_fkey;
    if to_regclass(linked) is not null then
        execute format('drop trigger if exists webhooks_forget_tenants on %s', linked::regclass);
    end if;
end
$$;
comment on function webhooks.unlink_tenants is 'Reverses link_tenants().';

create function webhooks.unlink_users()
returns void
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
begin
    delete from webhooks_private.linked_tables l where l.kind = 'users';
    alter table webhooks.event_logs drop constraint if exists event_logs_user_id_fkey;
    alter table webhooks.webhook_subscriptions drop constraint if exists webhook_subscriptions_created_by_fkey;
end
$$;
comment on function webhooks.unlink_users is 'Reverses link_users().';
