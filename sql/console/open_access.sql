-- What the console asks for each request, before it takes another role.
create function webhooks_private.permitted_role(
    credential text, tenant_id uuid, scopes text[], wanted_scope text, wanted_tenant uuid
)
returns name
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
    is_operators constant boolean := wanted_scope like 'operator:%';
    scope_role name;
begin
    -- Of another tenant nothing is said, also not whether it exists.
    if tenant_id <> wanted_tenant then
        raise exception 'the % is not for tenant %', credential, wanted_tenant
            using errcode = 'insufficient_privilege',
                  hint = format('Leave the tenant out: the %s is for one.', credential);
    end if;
    if tenant_id is null and wanted_tenant is null and not is_operators then
        raise exception 'no tenant is named'
            using errcode = 'null_value_not_allowed',
                  hint = format('The %s is for all tenants: name one in the header Webhooks-Tenant.', credential);
    end if;
    select s.role into scope_role
    from webhooks_private.access_scopes() s
    where s.scope = wanted_scope and s.scope = any (scopes) and not (is_operators and tenant_id is not null);
    if not found then
        raise exception 'the % lacks the scope "%"', credential, wanted_scope
            using errcode = 'insufficient_privilege',
                  hint = case when is_operators and tenant_id is not null
                              then 'It is for one tenant, and the scope for all of them.'
                              else format('It has %s.', coalesce(nullif(array_to_string(scopes, ', '), ''), 'none'))
                         end;
    end if;
    return scope_role;
end
$$;
comment on function webhooks_private.permitted_role is
    'Returns the role that a request takes for a scope, or raises an error: what it was sent with (an access token, '
    'for example) lacks the scope, or is another tenant''s.';

create function webhooks_private.has_its_token(opened_with uuid)
returns boolean
language sql stable
set search_path = pg_catalog, pg_temp
begin atomic
    select opened_with is null
        or exists (select from webhooks_private.access_tokens t where t.id = has_its_token.opened_with);
end;
comment on function webhooks_private.has_its_token is
    'Whether the token that a session was opened with is there; true for what was not opened with one.';

create function webhooks_private.open_access(
    token_hash bytea, wanted_scope text, wanted_tenant uuid default null, kind text default 'token'
)
returns table (token_id uuid, tenant_id uuid, user_id uuid, role name, scopes text[], is_operator boolean)
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
    token webhooks_private.access_tokens;
    scope_role name;
begin
    -- What comes in a header is a token, and what comes in a cookie is a session. A link is neither.
    select t.* into token
    from webhooks_private.access_tokens t
    where t.token_hash = open_access.token_hash and t.kind = open_access.kind and t.kind in ('token', 'session')
      and t.expires_at > now() and webhooks_private.has_its_token(t.opened_with);
    if not found then
        if kind = 'session' then
            raise exception 'the session has ended'
                using errcode = 'invalid_authorization_specification', hint = 'Log in again.';
        end if;
        raise exception 'the access token is not valid'
            using errcode = 'invalid_authorization_specification',
                  hint = 'It may have expired or been revoked. webhooks.create_access_token() makes a new one.';
    end if;
    scope_role := webhooks_private.permitted_role(
        case token.kind when 'session' then 'session' else 'access token' end, token.tenant_id, token.scopes,
        wanted_scope, wanted_tenant);
    return query select token.id,
                        case when wanted_scope not like 'operator:%' then coalesce(token.tenant_id, wanted_tenant) end,
                        token.user_id, scope_role, token.scopes, token.tenant_id is null;
end
$$;
comment on function webhooks_private.open_access is
    'Returns for whom a request with an access token or, if kind is session, in a session acts, and the role that it '
    'takes, or raises an error: it is not valid, or lacks the scope, or is another tenant''s. tenant_id is null for '
    'scopes of operators, which name none.';
grant execute on function webhooks_private.open_access to webhooks_console;

create function webhooks_private.open_jwt(
    jwt_tenant uuid, jwt_scopes text[], jwt_user uuid, wanted_scope text, wanted_tenant uuid default null
)
returns table (token_id uuid, tenant_id uuid, user_id uuid, role name, scopes text[], is_operator boolean)
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
    scope_role constant name := webhooks_private.permitted_role('JWT', jwt_tenant, jwt_scopes, wanted_scope,
                                                                wanted_tenant);
begin
    return query select null::uuid,
                        case when wanted_scope not like 'operator:%' then coalesce(jwt_tenant, wanted_tenant) end,
                        jwt_user, scope_role, jwt_scopes, jwt_tenant is null;
end
$$;
comment on function webhooks_private.open_jwt is
    'As open_access(), for the claims of a JWT, which the console has verified: their tenant (null: all), scopes and '
    'user.';
grant execute on function webhooks_private.open_jwt to webhooks_console;

create function webhooks_private.note_token_uses(token_ids uuid[])
returns void
language sql volatile security definer
set search_path = pg_catalog, pg_temp
begin atomic
    -- A token that is being revoked, or that another console notes, is left out: nobody waits for it.
    update webhooks_private.access_tokens t
    set last_used_at = clock_timestamp()
    where t.id = any (array(
        select u.id from webhooks_private.access_tokens u
        where u.id = any (token_ids)
          and (u.last_used_at is null or u.last_used_at <= clock_timestamp() - interval '5 minutes')
        for no key update skip locked));
end;
comment on function webhooks_private.note_token_uses is
    'Notes that access tokens were used. The console calls it now and then for all that were, not for each request, '
    'and a row changes at most every five minutes. Rows that are locked are left out.';
grant execute on function webhooks_private.note_token_uses to webhooks_console;
