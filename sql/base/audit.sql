create function webhooks_private.redact(secrets jsonb, shown text[] default '{}', instead jsonb default 'null')
returns jsonb
language sql immutable parallel safe
return case when jsonb_typeof(secrets) = 'object' then coalesce(
    (select jsonb_object_agg(e.key, case when e.key = any (shown) then e.value else instead end)
     from jsonb_each(secrets) e), '{}') end;
comment on function webhooks_private.redact is
    'An object with its keys and, but for the keys shown, the same instead of each value.';
grant execute on function webhooks_private.redact to webhooks_manager;

-- Who changed what, and when. Written by triggers and by the functions for what no table shows (retries, replays,
-- grants). Range-partitioned on the UUIDv7 id like the logs, but by the month: it is small and kept for years. The
-- parent has no index: see event_logs.
create table webhooks.audit_log (
    id uuid not null default webhooks.uuid_v7(),
    occurred_at timestamptz not null default clock_timestamp(),
    tenant_id uuid,
    action text not null,
    object_type text not null,
    object_id text not null,
    before jsonb,
    after jsonb,
    reason text,
    session_role name not null,
    acting_role name not null,
    user_id text,
    request_id text,
    client_address inet
) partition by range (id);
comment on table webhooks.audit_log is
    'Audit log: who changed what, and when. Only a superuser can change or delete an entry. To read new entries '
    'only, compare the id: id > webhooks.uuid_v7_floor(now() - interval ''1 day'').';
comment on column webhooks.audit_log.id is 'Entry id (UUIDv7).';
comment on column webhooks.audit_log.occurred_at is 'Time of the change, not of the beginning of its transaction.';
comment on column webhooks.audit_log.tenant_id is
    'Tenant of the object; null: the object is of no tenant, such as a setting or an event type.';
comment on column webhooks.audit_log.action is
    'For example created, updated, deleted, enabled, disabled, retried, replayed, cancelled, tested, redacted, '
    'purge_started, purged, granted, revoked, adopted, released, reconciled.';
comment on column webhooks.audit_log.object_type is
    'For example subscription, event_type, setting, limits (object_id is the tenant), tenant, event, delivery, '
    'all_tenants (object_id is the role), database.';
comment on column webhooks.audit_log.object_id is 'Id or name of the object.';
comment on column webhooks.audit_log.before is
    'State before the change: of an update the changed columns, of a deletion all. Secrets are "[redacted]", and so '
    'is everything after the host in webhook_url. Of webhook_headers, auth_config and template_secrets an update '
    'shows only the changed keys.';
comment on column webhooks.audit_log.after is
    'State after the change, as in before; for an action that changes no row, its parameters.';
comment on column webhooks.audit_log.reason is
    'Reason, if the system made the change, such as why it disabled a subscription.';
comment on column webhooks.audit_log.session_role is 'Role that logged in.';
comment on column webhooks.audit_log.acting_role is
    'Role in effect, as SET ROLE left it. list_audit_log() shows group roles of the extension alone, and null for others.';
comment on column webhooks.audit_log.user_id is 'User of the application: the setting webhooks.user_id.';
comment on column webhooks.audit_log.request_id is 'Request of the application: the setting webhooks.request_id.';
comment on column webhooks.audit_log.client_address is 'Address of the client of the database; null: a local socket.';
grant select on webhooks.audit_log to webhooks_auditor;

create table webhooks_private.audit_log_template (
    like webhooks.audit_log including defaults including comments,
    primary key (id)
);
create index audit_log_template_tenant on webhooks_private.audit_log_template (tenant_id, id);
create index audit_log_template_object on webhooks_private.audit_log_template (object_id, object_type, id);
comment on table webhooks_private.audit_log_template is
    'Always empty: carries the indexes that create_partitions() gives each partition of audit_log.';

create table webhooks_private.audit_log_default (like webhooks_private.audit_log_template including all);
alter table webhooks.audit_log attach partition webhooks_private.audit_log_default default;
comment on table webhooks_private.audit_log_default is
    'Entries whose id falls in no partition made by create_partitions().';
select pg_catalog.pg_extension_config_dump('webhooks_private.audit_log_default', '');

create function webhooks_private.refuse_change()
returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
    if not (select r.rolsuper from pg_roles r where r.rolname = current_user) then
        raise exception '% of %.% refused: it is append-only', tg_op, tg_table_schema, tg_table_name
            using errcode = 'insufficient_privilege',
                  hint = 'Only a superuser can change what the audit log says. To shorten it, see the setting '
                         'audit_retention_months.';
    end if;
    return null;
end
$$;
comment on function webhooks_private.refuse_change is
    'Trigger on audit_log and each of its partitions: refuses UPDATE, DELETE and TRUNCATE to all but superusers.';

-- On each by itself: a statement on a partition fires that partition's triggers alone.
create trigger append_only
    before update or delete or truncate on webhooks.audit_log
    for each statement execute function webhooks_private.refuse_change();
create trigger append_only
    before update or delete or truncate on webhooks_private.audit_log_default
    for each statement execute function webhooks_private.refuse_change();

create function webhooks_private.audit(
    action text, object_type text, object_id text, tenant_id uuid default null,
    before jsonb default null, after jsonb default null, reason text default null
)
returns void
language sql volatile
set search_path = pg_catalog, pg_temp
begin atomic
    insert into webhooks.audit_log
        (tenant_id, action, object_type, object_id, before, after, reason, session_role, acting_role, user_id,
         request_id, client_address)
    values (
        audit.tenant_id, audit.action, audit.object_type, audit.object_id, audit.before, audit.after, audit.reason,
        session_user,
        webhooks_private.caller(),
        left(nullif(current_setting('webhooks.user_id', true), ''), 255),
        left(nullif(current_setting('webhooks.request_id', true), ''), 255),
        inet_client_addr()
    );
end;
comment on function webhooks_private.audit is
    'Writes an entry of the audit log, for functions of this schema. before and after must be without secrets.';

create function webhooks_private.redact_subscription(subscription jsonb, hide_path boolean default false)
returns jsonb
language sql immutable parallel safe
set search_path = pg_catalog, pg_temp
begin atomic
    select case when subscription is not null then coalesce(jsonb_object_agg(c.key, case
        when c.key in ('webhook_headers', 'template_secrets')
            then coalesce(webhooks_private.redact(c.value, '{}', '"[redacted]"'), 'null')
        when c.key = 'auth_config' then coalesce(webhooks_private.redact(c.value, '{header}', '"[redacted]"'), 'null')
        when c.key = 'webhook_url' and hide_path
            then to_jsonb(regexp_replace(c.value #>> '{}', '^(https?://[^/?#]*)(/.+|[?#].*)$', '\1/[redacted]', 'i'))
        -- Some have a key in them.
        when c.key = 'payload_template' and hide_path and c.value <> 'null' then '"[redacted]"'
        else c.value
    end), '{}') end
    from jsonb_each(subscription) c;
end;
comment on function webhooks_private.redact_subscription is
    'A subscription, or some of its columns, as JSON object with [redacted] for each secret; for who may not see '
    'URLs, whose paths and queries often are secrets, also for what follows the host.';
grant execute on function webhooks_private.redact_subscription to webhooks_manager;

create function webhooks_private.only_changes(before jsonb, after jsonb)
returns jsonb
language sql immutable parallel safe
set search_path = pg_catalog, pg_temp
begin atomic
    select coalesce(jsonb_object_agg(b.key,
        case when b.key in ('webhook_headers', 'auth_config', 'template_secrets')
            and jsonb_typeof(b.value) = 'object' and jsonb_typeof(after -> b.key) = 'object'
             then (select coalesce(jsonb_object_agg(s.key, s.value), '{}') from jsonb_each(b.value) s
                   where s.value is distinct from after #> array[b.key, s.key])
             else b.value end), '{}')
    from jsonb_each(before) b
    where b.value is distinct from after -> b.key and b.key not in ('version', 'updated_at');
end;
comment on function webhooks_private.only_changes is
    'What of a row is different in another one; of secrets only the keys that are. What every update changes is left '
    'out.';

create function webhooks_private.audit_change()
returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    old_row constant jsonb := case when tg_op <> 'INSERT' then to_jsonb(old) end;
    new_row constant jsonb := case when tg_op <> 'DELETE' then to_jsonb(new) end;
    before jsonb := old_row;
    after jsonb := new_row;
    was_on boolean;
    is_on boolean;
    action text := case tg_op when 'INSERT' then 'created' when 'UPDATE' then 'updated' else 'deleted' end;
begin
    -- A restore brings the entries with it. It changes and deletes nothing by itself; triggers of ours replace
    -- built-in types.
    if webhooks_private.is_restoring() and (tg_op = 'INSERT' or pg_trigger_depth() > 1) then
        return null;
    end if;
    if tg_op = 'UPDATE' then
        before := webhooks_private.only_changes(old_row, new_row);
        after := webhooks_private.only_changes(new_row, old_row);
        if before = '{}' and after = '{}' then
            return null;
        end if;
        if tg_argv[0] = 'subscription' then
            was_on := coalesce((old_row ->> 'is_active')::boolean and (old_row ->> 'is_enabled')::boolean, false);
            is_on := coalesce((new_row ->> 'is_active')::boolean and (new_row ->> 'is_enabled')::boolean, false);
            if was_on <> is_on then
                action := case when is_on then 'enabled' else 'disabled' end;
            end if;
        end if;
    end if;
    if tg_argv[0] = 'subscription_template' then
        before := coalesce(jsonb_set(before, '{settings}',
                                     webhooks_private.redact_subscription(before -> 'settings', hide_path => true),
                                     false), before);
        after := coalesce(jsonb_set(after, '{settings}',
                                    webhooks_private.redact_subscription(after -> 'settings', hide_path => true),
                                    false), after);
    end if;
    perform webhooks_private.audit(
        action, tg_argv[0], coalesce(new_row, old_row) ->> tg_argv[1],
        (coalesce(new_row, old_row) ->> 'tenant_id')::uuid,
        webhooks_private.redact_subscription(before, hide_path => true),
        webhooks_private.redact_subscription(after, hide_path => true),
        after ->> 'disabled_reason');
    return null;
end
$$;
comment on function webhooks_private.audit_change is
    'Trigger: writes a change of a row to the audit log. Its arguments: what the row is, and which column names it.';

create function webhooks_private.application_user()
returns uuid
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
begin
    return nullif(current_setting('webhooks.user_id', true), '')::uuid;
exception when invalid_text_representation then
    raise exception 'webhooks.user_id is "%", not a UUID', left(current_setting('webhooks.user_id'), 100)
        using errcode = 'invalid_parameter_value', hint = 'Set it to the id of the application''s user, or to nothing.';
end
$$;
comment on function webhooks_private.application_user is
    'The application''s user, as the setting webhooks.user_id says; null if it is not set.';
grant execute on function webhooks_private.application_user to webhooks_publisher;
