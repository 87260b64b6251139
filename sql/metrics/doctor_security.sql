create function webhooks_private.doctor_security()
returns table (severity text, check_name text, finding text, meaning text, advice text)
language sql stable
set search_path = pg_catalog, pg_temp
begin atomic
    select 'error', 'privilege', format('PUBLIC has %s on %s', p.privilege_type, p.object),
           'Every role of the server can use it.', format('revoke all on %s from public;', p.object)
    from (
        select a.privilege_type,
               case when c.relkind = 'S' then 'sequence ' else 'table ' end || c.oid::regclass as object
        from pg_class c, aclexplode(c.relacl) a
        where c.relnamespace in ('webhooks'::regnamespace, 'webhooks_private'::regnamespace) and a.grantee = 0
        union all
        select a.privilege_type, 'function ' || f.oid::regprocedure
        from pg_proc f, aclexplode(f.proacl) a
        where f.pronamespace in ('webhooks'::regnamespace, 'webhooks_private'::regnamespace) and a.grantee = 0
        union all
        select a.privilege_type, 'schema ' || n.nspname
        from pg_namespace n, aclexplode(n.nspacl) a
        where n.nspname in ('webhooks', 'webhooks_private') and a.grantee = 0
    ) p
    union all
    select 'warning', 'privilege', format('role "%s" of the group %s is not bound by row-level security', r.rolname,
                                          g.rolname),
           'It reads and writes the rows of all tenants, whatever tenant is set.',
           format('If it is not to be trusted with all tenants: alter role %I nobypassrls nosuperuser;', r.rolname)
    from pg_roles r
    join pg_auth_members m on m.member = r.oid
    join pg_roles g on g.oid = m.roleid
    where g.rolname in ('webhooks_publisher', 'webhooks_manager', 'webhooks_sidecar', 'webhooks_console')
      and r.rolcanlogin and (r.rolsuper or r.rolbypassrls)
    union all
    select 'info', 'secrets', format('%s subscriptions have secrets, stored as plain text', s.n),
           'No group role reads them; superusers, the owner of the extension, dumps and base backups do.',
           'Encrypt the disk and the backups, and restrict who has dumps.'
    from (
        select count(*) as n from webhooks.webhook_subscriptions s
        where coalesce(s.auth_config, '{}') not in ('{}', 'null')
           or coalesce(s.webhook_headers, '{}') not in ('{}', 'null')
           or coalesce(s.template_secrets, '{}') not in ('{}', 'null')
    ) s
    where s.n > 0
    union all
    select 'warning', 'plain http', format('%s active subscriptions send to http:// addresses', s.n),
           'Everyone on the way can read their events, API keys and headers, and change them.',
           'Have their receivers use https: select id, name from webhooks.webhook_subscriptions where webhook_url ~* '
           '''^http:'';'
    from (
        select count(*) as n from webhooks.webhook_subscriptions s
        where s.webhook_url ~* '^http:' and s.is_active and s.is_enabled
    ) s
    where s.n > 0;
end;
comment on function webhooks_private.doctor_security is 'What doctor() finds of privileges and secrets.';
