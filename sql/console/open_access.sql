-- What the console asks for each request, before it takes another role.
create function webhooks_private.open_access(token_hash bytea, wanted_scope text, wanted_tenant uuid default null)
returns table (token_id uuid, tenant_id uuid, user_id uuid, role name, scopes text[], is_operator boolean)
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
    token webhooks_private.access_tokens;
    scope_role name;
begin
    select t.* into token
    from webhooks_private.access_tokens t
    where t.token_hash = open_access.token_hash and t.expires_at > now();
    if not found then
        raise exception 'the access token is not valid'
            using errcode = 'invalid_authorization_specification',
                  hint = 'It may have expired or been revoked. webhooks.create_access_token() makes a new one.';
    end if;
    -- Of another tenant nothing is said, also not whether it exists.
    if token.tenant_id <> wanted_tenant then
        raise exception 'the access token is not for tenant %', wanted_tenant
            using errcode = 'insufficient_privilege', hint = 'Leave the tenant out: the token is for one.';
    end if;
    if token.tenant_id is null and wanted_tenant is null then
        raise exception 'no tenant is named'
            using errcode = 'null_value_not_allowed',
                  hint = 'The access token is for all tenants: name one in the header Webhooks-Tenant.';
    end if;
    select s.role into scope_role
    from webhooks_private.access_scopes() s
    where s.scope = wanted_scope and s.scope = any (token.scopes);
    if not found then
        raise exception 'the access token lacks the scope "%"', wanted_scope
            using errcode = 'insufficient_privilege',
                  hint = format('It has %s.', array_to_string(token.scopes, ', '));
    end if;
    return query select token.id, coalesce(token.tenant_id, wanted_tenant), token.user_id, scope_role, token.scopes,
                        token.tenant_id is null;
end
$$;
comment on function webhooks_private.open_access is
    'Returns for whom a request with an access token acts, and the role that it takes, or raises an error: the token '
    'is not valid, or lacks the scope, or is another tenant''s.';
grant execute on function webhooks_private.open_access to webhooks_console;

create function webhooks_private.note_token_uses(token_ids uuid[])
returns void
language sql volatile security definer
set search_path = pg_catalog, pg_temp
begin atomic
    update webhooks_private.access_tokens t
    set last_used_at = clock_timestamp()
    where t.id = any (token_ids)
      and t.last_used_at > clock_timestamp() - interval '5 minutes' is not true;
end;
comment on function webhooks_private.note_token_uses is
    'Notes that access tokens were used. The console calls it now and then for all that were, not for each request, '
    'and a row changes at most every five minutes.';
grant execute on function webhooks_private.note_token_uses to webhooks_console;
