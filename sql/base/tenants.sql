-- Whose rows a session works with: those of the tenant in the setting webhooks.tenant_id, or of all tenants for
-- members of webhooks_all_tenants. Row-level security (security/policies.sql) asks this of current_user, who runs the
-- statement. Functions that run as the owner, whom no policy binds, ask it of their caller with check_tenant().

create function webhooks.set_tenant(tenant_id uuid, for_session boolean default false)
returns void
language sql volatile
begin atomic
    select set_config('webhooks.tenant_id', coalesce(tenant_id::text, ''), not for_session);
end;
comment on function webhooks.set_tenant is
    'Sets the tenant whose rows are visible and writable (the setting webhooks.tenant_id), until the end of the '
    'transaction or of the session. Null: no tenant.';
grant execute on function webhooks.set_tenant to webhooks_publisher, webhooks_manager;

create function webhooks.current_tenant()
returns uuid
language sql stable parallel safe
return nullif(current_setting('webhooks.tenant_id', true), '')::uuid;
comment on function webhooks.current_tenant is 'Returns the tenant that is set; null: none.';
grant execute on function webhooks.current_tenant to webhooks_publisher, webhooks_manager;

create function webhooks_private.caller()
returns name
language sql stable parallel restricted
return coalesce(nullif(current_setting('role'), 'none')::name, session_user);
comment on function webhooks_private.caller is
    'The role of the session, as SET ROLE left it: who called a function that runs as its owner, where current_user '
    'is the owner.';
grant execute on function webhooks_private.caller to webhooks_publisher, webhooks_manager;

create function webhooks.bypasses_isolation(role name)
returns boolean
language sql stable parallel safe
begin atomic
    -- Never null, which would be neither yes nor no.
    select exists (
        select from pg_roles r
        where r.rolname = bypasses_isolation.role
          and (r.rolsuper or r.rolbypassrls
               or pg_has_role(r.oid, (select n.nspowner from pg_namespace n where n.nspname = 'webhooks'), 'usage'))
    );
end;
comment on function webhooks.bypasses_isolation is
    'Returns whether row-level security does not apply to a role: a superuser, a role with BYPASSRLS, or the owner.';

create function webhooks_private.owns_extension(role name)
returns boolean
language sql stable parallel safe
begin atomic
    -- Never null, which would be neither yes nor no.
    select exists (
        select from pg_roles r
        where r.rolname = owns_extension.role
          and (r.rolsuper
               or pg_has_role(r.oid, (select n.nspowner from pg_namespace n where n.nspname = 'webhooks'), 'usage'))
    );
end;
comment on function webhooks_private.owns_extension is
    'Whether a role is a superuser, or the owner of the extension or a member of it.';
grant execute on function webhooks_private.owns_extension to webhooks_publisher, webhooks_manager;

create function webhooks_private.has_all_tenants(role name)
returns boolean
language sql stable parallel restricted
set search_path = pg_catalog, pg_temp
begin atomic
    -- False, not an error, for a role that is no more.
    select exists (select from pg_roles r
                   where r.rolname = has_all_tenants.role and pg_has_role(r.oid, 'webhooks_all_tenants', 'usage'))
        or webhooks.bypasses_isolation(has_all_tenants.role);
end;
comment on function webhooks_private.has_all_tenants is
    'Whether a role may see and write the rows of all tenants, whatever tenant is set.';

create function webhooks_private.group_roles()
returns name[]
language sql immutable parallel safe
return '{webhooks_publisher,webhooks_manager,webhooks_monitor,webhooks_auditor,webhooks_sidecar,webhooks_all_tenants,'
       'webhooks_console}'::name[];
comment on function webhooks_private.group_roles is 'The group roles of the extension. Nobody logs in as one of them.';

-- For each event published: these two are inlined, and the usual case is the first one.
create function webhooks_private.may_access_tenant(tenant_id uuid)
returns boolean
language sql stable parallel restricted
return coalesce(tenant_id = webhooks.current_tenant(), false)
    or pg_has_role(webhooks_private.caller(), 'webhooks_all_tenants', 'usage')
    or webhooks.bypasses_isolation(webhooks_private.caller());
comment on function webhooks_private.may_access_tenant is
    'Whether the caller of a function that runs as its owner may see and write a tenant''s rows.';

create function webhooks_private.raise_tenant_denied(tenant_id uuid)
returns boolean
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
begin
    if webhooks.current_tenant() is null then
        raise exception 'tenant % can''t be accessed: no tenant is set', coalesce(tenant_id::text, 'null')
            using errcode = 'insufficient_privilege',
                  hint = format('Set it in the same transaction with select webhooks.set_tenant(%L), '
                                'or have a DBA trust a back-end with all tenants: webhooks.grant_all_tenants(role).',
                                tenant_id);
    end if;
    raise exception 'tenant % can''t be accessed: the tenant that is set is %', coalesce(tenant_id::text, 'null'),
        webhooks.current_tenant()
        using errcode = 'insufficient_privilege',
              hint = 'One transaction works for one tenant: set the other one with webhooks.set_tenant() in a '
                     'transaction of its own.';
end
$$;
comment on function webhooks_private.raise_tenant_denied is 'Raises the error for a tenant that may not be accessed.';
grant execute on function webhooks_private.raise_tenant_denied to webhooks_publisher, webhooks_manager;

create function webhooks_private.check_tenant(tenant_id uuid)
returns boolean
language sql stable parallel restricted
return webhooks_private.may_access_tenant(tenant_id) or webhooks_private.raise_tenant_denied(tenant_id);
comment on function webhooks_private.check_tenant is
    'True, or an error if the caller of a function that runs as its owner may not see and write a tenant''s rows.';

create function webhooks.grant_all_tenants(role name)
returns void
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    if not exists (select from pg_roles r where r.rolname = grant_all_tenants.role) then
        raise exception 'there is no role "%"', coalesce(role, 'null')
            using errcode = 'undefined_object',
                  hint = 'Give the name of a role as pg_roles has it, without quotes around it.';
    end if;
    if role = any (webhooks_private.group_roles()) then
        raise exception 'role "%" is not given all tenants: every member would have them', role
            using errcode = 'invalid_grant_operation', hint = 'Name the role of the back-end that is to be trusted.';
    end if;
    execute format('grant webhooks_all_tenants to %I', role)
        -- PostgreSQL 16 asks the grant, not the role, whether it is inherited.
        || case when current_setting('server_version_num')::integer >= 160000 then ' with inherit true' else '' end;
    if not pg_has_role(role, 'webhooks_all_tenants', 'usage') then
        raise exception 'role "%" does not inherit', role
            using errcode = 'invalid_grant_operation', hint = format('Make it do so: alter role %I inherit;', role);
    end if;
    perform webhooks_private.audit('granted', 'all_tenants', role);
end
$$;
comment on function webhooks.grant_all_tenants is
    'Lets a trusted role work for every tenant, whatever tenant is set. The other roles that it is a member of say '
    'whether it may publish or manage. The grant holds in all databases of the server.';

create function webhooks.revoke_all_tenants(role name)
returns void
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    ended bigint;
begin
    if not exists (select from pg_roles r where r.rolname = revoke_all_tenants.role) then
        raise exception 'there is no role "%"', coalesce(role, 'null')
            using errcode = 'undefined_object',
                  hint = 'Give the name of a role as pg_roles has it, without quotes around it.';
    end if;
    execute format('revoke webhooks_all_tenants from %I', role);
    if pg_has_role(role, 'webhooks_all_tenants', 'member') then
        raise exception 'role "%" still has all tenants, by way of another role or as superuser', role
            using errcode = 'invalid_grant_operation', hint = 'pg_auth_members tells of which roles it is a member.';
    end if;
    perform webhooks_private.audit('revoked', 'all_tenants', role);
    ended := webhooks_private.end_all_tenants_tokens(role);
    if ended > 0 then
        raise notice 'access tokens for all tenants that were revoked: %', ended;
    end if;
end
$$;
comment on function webhooks.revoke_all_tenants is
    'Reverses grant_all_tenants(), and revokes the access tokens for all tenants that the role created in this '
    'database, as well as those of roles that may no longer work for all tenants.';
