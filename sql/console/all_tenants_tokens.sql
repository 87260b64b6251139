-- Tokens for all tenants, of roles that may no longer work for all tenants.

create function webhooks_private.end_all_tenants_tokens(role name)
returns bigint
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
    ended bigint;
begin
    -- A token before its sessions, as in revoke_access_token().
    with ended as (
        delete from webhooks_private.access_tokens t
        where t.tenant_id is null and t.kind = 'token'
          and (t.created_by_role = end_all_tenants_tokens.role
               or not webhooks_private.has_all_tenants(t.created_by_role))
        returning t.*
    ),
    audited as (
        select webhooks_private.audit(
            'revoked', 'access_token', e.id::text,
            before => jsonb_build_object('label', e.label, 'scopes', e.scopes, 'created_by_role', e.created_by_role))
        from ended e
    )
    select count(*) into ended from audited;
    delete from webhooks_private.access_tokens t
    where t.tenant_id is null and t.kind = 'session' and not webhooks_private.has_its_token(t.opened_with);
    return ended;
end
$$;
comment on function webhooks_private.end_all_tenants_tokens is
    'Revokes the tokens for all tenants that a role created, or a role that may no longer work for all tenants, and '
    'ends their sessions. Returns how many tokens. Part of revoke_all_tenants().';

create function webhooks_private.doctor_access_tokens()
returns table (severity text, check_name text, finding text, meaning text, advice text)
language sql stable
set search_path = pg_catalog, pg_temp
begin atomic
    select 'info', 'access tokens',
           format('%s access tokens for all tenants were created by role "%s", which may not work for all tenants',
                  t.n, t.created_by_role),
           'Who has such a token still works for all tenants.',
           'Revoke those that are not wanted: webhooks.list_access_tokens(null) shows them, and '
           'webhooks.revoke_access_token(null, id) revokes one.'
    from (
        select t.created_by_role, count(*) as n
        from webhooks_private.access_tokens t
        where t.tenant_id is null and t.kind = 'token' and t.expires_at > now()
        group by t.created_by_role
    ) t
    where not webhooks_private.has_all_tenants(t.created_by_role);
end;
comment on function webhooks_private.doctor_access_tokens is 'What doctor() finds of access tokens.';
