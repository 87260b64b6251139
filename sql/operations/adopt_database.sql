-- Which database this outbox is. A copy, such as production restored as staging, has production's subscriptions and
-- outstanding deliveries, and must not make them a second time. So the database's identity is a row that is dumped
-- and copied along: where it names another database, nothing is delivered until adopt_database() says what becomes of
-- what is outstanding. balance_shards() and load_subscriptions() ask: without shards and without URLs there are no
-- deliveries.
--
-- A promoted standby, and any other copy of the server's files, is the same database to PostgreSQL: it has the same
-- system identifier and oid. Of such copies release_database() makes another one. One that took the original's place
-- at an earlier time has outstanding deliveries that the original has made since: reconcile_after_restore() ends those
-- whose attempts are known, and adopt_database() can cancel those that were due by then.

create table webhooks_private.database_bindings (
    system_identifier bigint not null,
    database_oid oid not null,
    database_name name,
    bound_at timestamptz not null default now()
);
-- No key: a dump that comes back to its own database brings the row that is there already. Without one, logical
-- replication of all tables would refuse adopt_database().
alter table webhooks_private.database_bindings replica identity full;
comment on table webhooks_private.database_bindings is
    'Databases that the deliveries of this one belong to. Deliveries are made only while there is a row, and each '
    'names this database: see adopt_database().';
comment on column webhooks_private.database_bindings.system_identifier is
    'System identifier of the server, from pg_control_system(); 0: no server, after a restore or release_database().';
comment on column webhooks_private.database_bindings.database_oid is 'Oid of the database, from pg_database.';
comment on column webhooks_private.database_bindings.database_name is
    'Name of the database at that time. A renamed database stays the same.';
comment on column webhooks_private.database_bindings.bound_at is
    'Time at which the database was created, adopted, restored or released.';
select pg_catalog.pg_extension_config_dump('webhooks_private.database_bindings', '');

create function webhooks_private.bind_database()
returns void
language sql volatile
set search_path = pg_catalog, pg_temp
begin atomic
    delete from webhooks_private.database_bindings;
    insert into webhooks_private.database_bindings (system_identifier, database_oid, database_name)
    select c.system_identifier, d.oid, d.datname
    from pg_control_system() c, pg_database d
    where d.datname = current_database();
end;
comment on function webhooks_private.bind_database is
    'Makes this database the one that delivers. Part of adopt_database().';

-- A dump's row is added to this one when it is restored.
select webhooks_private.bind_database();

create function webhooks.is_adopted()
returns boolean
language sql stable security definer
set search_path = pg_catalog, pg_temp
begin atomic
    select coalesce(bool_and(b.system_identifier = c.system_identifier and b.database_oid = d.oid), false)
    from webhooks_private.database_bindings b, pg_control_system() c, pg_database d
    where d.datname = current_database();
end;
comment on function webhooks.is_adopted is
    'Returns whether deliveries are made from this database. In a copy of a database it is false until '
    'adopt_database() is called.';
grant execute on function webhooks.is_adopted to webhooks_manager, webhooks_monitor;

create function webhooks_private.check_adopted()
returns void
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    if not webhooks.is_adopted() then
        raise exception 'database "%" is a copy: nothing is delivered from it until it is adopted', current_database()
            using errcode = 'WHCPY',
                  detail = coalesce((
                      select format('Its deliveries belong to database "%s" (oid %s) of the server with system '
                                    'identifier %s.',
                                    b.database_name, b.database_oid, b.system_identifier)
                      from webhooks_private.database_bindings b where b.system_identifier <> 0
                          order by b.bound_at desc limit 1),
                      'Its deliveries belong to no database in particular.'),
                  hint = 'As its owner, cancel what is outstanding: select webhooks.adopt_database(outstanding => '
                         '''cancel''); '
                         'or, if the original is gone for good, deliver it from here: select '
                         'webhooks.adopt_database(outstanding => ''keep'');';
    end if;
end
$$;
comment on function webhooks_private.check_adopted is
    'Raises an error (SQLSTATE WHCPY) in a database that is not adopted. Part of balance_shards() and '
    'load_subscriptions().';
grant execute on function webhooks_private.check_adopted to webhooks_sidecar;

create function webhooks_private.adopt_if_empty()
returns void
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    -- A template's row is alone. Of two, one came from elsewhere: subscriptions may be about to follow it. The access
    -- tokens of the original are valid until adopt_database() ends them.
    if not webhooks.is_adopted() and (select count(*) = 1 from webhooks_private.database_bindings)
        and not exists (select from webhooks_private.access_tokens)
        and not exists (select from webhooks.webhook_subscriptions)
        and not exists (select from webhooks.delivery_queue) then
        lock table webhooks_private.database_bindings in share row exclusive mode;
        perform webhooks_private.bind_database();
    end if;
end
$$;
comment on function webhooks_private.adopt_if_empty is
    'Adopts a copy that has nothing to deliver and nobody to deliver to, such as one of a template database, unless '
    'it has access tokens, or was restored or released. Part of join_sidecars().';
grant execute on function webhooks_private.adopt_if_empty to webhooks_sidecar;

create function webhooks_private.cancel_all_outstanding(due_before timestamptz, reason text)
returns bigint
language sql volatile
set search_path = pg_catalog, pg_temp
begin atomic
    with gone as (
        delete from webhooks.delivery_queue q
        where due_before is null or q.next_attempt_at is null or q.next_attempt_at < due_before
        returning q.*
    ),
    logged as (
        insert into webhooks.delivery_attempts
            (delivery_id, delivery_attempt, attempted_at, subscription_id, event_log_id, tenant_id, delivery_status,
             error_message, is_test)
        select g.id, g.attempt + 1, clock_timestamp(), g.subscription_id, g.event_log_id, g.tenant_id, 'cancelled',
               cancel_all_outstanding.reason,
               case when g.shard >= webhooks_private.shard_count() then true end
        from gone g
        on conflict do nothing
    )
    select count(*) from gone;
end;
comment on function webhooks_private.cancel_all_outstanding is
    'Cancels what is outstanding of all tenants and due before a time (null: all), and returns how many: the log has '
    'them as cancelled, with the reason. Part of adopt_database().';

create function webhooks_private.end_copied_access(outstanding text)
returns bigint
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
    ended bigint;
    kept bigint;
begin
    delete from webhooks_private.access_tokens t where outstanding = 'cancel' or t.kind <> 'token';
    get diagnostics ended = row_count;
    select count(*) into kept from webhooks_private.access_tokens;
    if ended > 0 or kept > 0 then
        raise notice 'access tokens, portal links and sessions that came with the copy and were ended: %', ended
            using detail = format('Access tokens that were kept: %s', kept),
                  hint = case when kept > 0
                              then 'A token that the original revoked later than the copy was made is valid here. Look '
                                   'them through: webhooks.list_access_tokens(), webhooks.revoke_access_token().'
                              else 'Make new ones: webhooks.create_access_token().' end;
    end if;
    return ended;
end
$$;
comment on function webhooks_private.end_copied_access is
    'Ends sessions and portal links, and with ''cancel'' all access tokens, and says so. Part of adopt_database().';

create function webhooks.adopt_database(outstanding text, due_before timestamptz default null)
returns bigint
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    deliveries bigint;
    ended bigint;
    former jsonb;
begin
    if outstanding is null or outstanding not in ('keep', 'cancel') then
        raise exception 'outstanding is %', coalesce(quote_literal(left(outstanding, 100)), 'null')
            using errcode = 'invalid_parameter_value',
                  hint = 'Give ''cancel'' for a copy whose original goes on, such as staging: what is outstanding is '
                         'not delivered from here. '
                         'Give ''keep'' if this database takes the original''s place: what is outstanding is '
                         'delivered from here.';
    end if;
    if due_before is not null and (outstanding = 'keep' or due_before > clock_timestamp()) then
        raise exception 'due_before is %, and outstanding %', due_before, quote_literal(outstanding)
            using errcode = 'invalid_parameter_value',
                  hint = 'With ''cancel'' it is the time, not in the future, until which the original made '
                         'deliveries: what was due before is cancelled, and what is due later is kept. '
                         'With ''keep'' leave it out.';
    end if;
    lock table webhooks_private.database_bindings in share row exclusive mode;
    if webhooks.is_adopted() then
        raise exception 'database "%" is adopted already', current_database()
            using errcode = 'object_not_in_prerequisite_state',
                  hint = 'Nothing was changed. If it is a copy of the server''s files, which PostgreSQL can''t tell '
                         'from the original, call webhooks.release_database() first.';
    end if;
    select jsonb_agg(jsonb_build_object(
               'system_identifier', b.system_identifier::text, 'database_oid', b.database_oid::bigint,
               'database_name', b.database_name))
    into former
    from webhooks_private.database_bindings b;
    if outstanding = 'cancel' then
        deliveries := webhooks_private.cancel_all_outstanding(
            due_before, case when due_before is null then 'cancelled: the database is a copy'
                else 'cancelled: due before the database was restored' end);
    else
        select count(*) into deliveries from webhooks.delivery_queue;
    end if;
    ended := webhooks_private.end_copied_access(outstanding);
    perform webhooks_private.bind_database();
    perform webhooks_private.audit('adopted', 'database', current_database(), before => former,
                           after => jsonb_strip_nulls(jsonb_build_object(
                               'outstanding', outstanding, 'due_before', due_before, 'deliveries', deliveries,
                               'ended_access', nullif(ended, 0))));
    return deliveries;
end
$$;
comment on function webhooks.adopt_database is
    'Makes a copy of a database (restored, copied with CREATE DATABASE, upgraded) deliver, and cancels or keeps the '
    'outstanding deliveries: ''cancel'' or ''keep''. Returns their number. With due_before, ''cancel'' cancels only '
    'deliveries that are due before that time, and keeps the others. Portal links and sessions that came with the copy '
    'end, and with ''cancel'' all access tokens; with ''keep'', tokens that the original revoked later than the copy '
    'was made are valid here. New events are delivered to the subscriptions in '
    'the copy. For copies of the files of a server see release_database().';

create function webhooks.release_database()
returns void
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    insert into webhooks_private.database_bindings (system_identifier, database_oid) values (0, 0);
    perform webhooks_private.audit('released', 'database', current_database());
end
$$;
comment on function webhooks.release_database is
    'Stops deliveries from this database until adopt_database() is called. It is for a copy of the files of a server '
    '(a snapshot, a base backup, a promoted standby), which PostgreSQL cannot distinguish from the original.';

-- A restore of subscriptions into a database where sidecars run: from that statement on they are not delivered to. No
-- restore calls create_subscription() and its like.
create function webhooks_private.release_restored()
returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    callers text;
begin
    if webhooks_private.is_restoring() and webhooks.is_adopted() then
        get diagnostics callers = pg_context;
        if callers !~ '\mwebhooks_private"?\."?insert_subscription"?\(' then
            insert into webhooks_private.database_bindings (system_identifier, database_oid) values (0, 0);
            raise warning 'subscriptions are restored: nothing is delivered from database "%" until it is adopted',
                current_database()
                using hint = 'The role owns the extension, and check_function_bodies is off as in a restore. If this '
                             'is none: select webhooks.adopt_database(outstanding => ''keep'');';
        end if;
    end if;
    return null;
end
$$;
comment on function webhooks_private.release_restored is
    'Trigger: a database that subscriptions are restored into is a copy. See release_database().';

create trigger release_restored
    after insert on webhooks.webhook_subscriptions
    for each statement execute function webhooks_private.release_restored();
