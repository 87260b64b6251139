-- Access tokens of the HTTP API and the console, portal links, and sessions of browsers. Each is known by a secret of
-- 32 random bytes, so its hash needs no salt and no slow function: nobody can guess what to hash. What is revoked is
-- deleted; the audit log remembers it.
create table webhooks_private.access_tokens (
    id uuid primary key default webhooks.uuid_v7(),
    tenant_id uuid,
    token_hash bytea not null,
    scopes text[] not null,
    label text not null,
    user_id uuid,
    created_at timestamptz not null default now(),
    expires_at timestamptz not null,
    last_used_at timestamptz,
    kind text not null default 'token',
    opened_with uuid,
    session_length interval,
    created_by_role name not null,
    constraint access_tokens_hash_key unique (token_hash),
    constraint access_tokens_hash_check check (octet_length(token_hash) = 32),
    constraint access_tokens_kind_check check (kind in ('token', 'link', 'session'))
);
-- For list_access_tokens(), and for forget_access_tokens().
create index access_tokens_tenant on webhooks_private.access_tokens (tenant_id, id);
create index access_tokens_expires_at on webhooks_private.access_tokens (expires_at);
create index access_tokens_opened_with on webhooks_private.access_tokens (opened_with) where opened_with is not null;
comment on table webhooks_private.access_tokens is
    'Access tokens of create_access_token(), portal links of create_portal_link(), and sessions.';
comment on column webhooks_private.access_tokens.id is 'Id of the token, which is not secret.';
comment on column webhooks_private.access_tokens.tenant_id is
    'Tenant that the token is for; null: for all tenants, one of which each request names.';
comment on column webhooks_private.access_tokens.token_hash is 'SHA-256 of the secret.';
comment on column webhooks_private.access_tokens.scopes is 'What the token permits: see access_scopes().';
comment on column webhooks_private.access_tokens.label is 'Purpose of the token, for people.';
comment on column webhooks_private.access_tokens.user_id is
    'User of the application who acts by the token: webhooks.user_id of its requests; null: none.';
comment on column webhooks_private.access_tokens.created_at is 'Time of creation.';
comment on column webhooks_private.access_tokens.expires_at is 'Time from which on the token is not valid.';
comment on column webhooks_private.access_tokens.last_used_at is
    'Time of the last use, up to five minutes too early; null: not used yet.';
comment on column webhooks_private.access_tokens.kind is
    'token: sent with each request to the API; link: opens one session; session: of a browser.';
comment on column webhooks_private.access_tokens.opened_with is
    'Token that a session was opened with, and without which it is not valid; null: a portal link, or no session.';
comment on column webhooks_private.access_tokens.session_length is
    'How long the session of a link lasts at the most; null: not a link.';
comment on column webhooks_private.access_tokens.created_by_role is
    'Role that created the token, or the one that a session was opened with: if it may no longer work for all tenants, '
    'its tokens for all tenants end.';
-- Not sessions and links: a copy of the database begins without anybody logged in.
select pg_catalog.pg_extension_config_dump('webhooks_private.access_tokens', $$where kind = 'token'$$);

create function webhooks_private.check_access_label(label text)
returns void
language plpgsql immutable
set search_path = pg_catalog, pg_temp
as $$
begin
    if (label ~ '[^[:space:]]' and char_length(label) <= 200) is not true then
        raise exception 'label is %', coalesce('"' || left(label, 200) || '"', 'null')
            using errcode = 'invalid_parameter_value',
                  hint = 'Say in 1 to 200 characters what the access is for: list_access_tokens() shows it.';
    end if;
end
$$;
comment on function webhooks_private.check_access_label is 'Raises an error for a label that says nothing.';

create function webhooks.create_access_token(
    tenant_id uuid, scopes text[], expires_in interval, label text, user_id uuid default null
)
returns text
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    -- The prefix tells people, and programs that search for leaked secrets, what it is.
    token constant text := 'whtok_' || webhooks.generate_api_key();
    wanted_scopes text[];
    ends_at timestamptz;
    token_id uuid;
begin
    perform webhooks_private.check_tenant(tenant_id);
    perform webhooks_private.check_access_scopes(scopes, tenant_id);
    wanted_scopes := array(select distinct s.scope from unnest(scopes) s (scope) order by 1);
    if (expires_in between interval '1 minute' and interval '5 years') is not true then
        raise exception 'expires_in is %', coalesce(left(expires_in::text, 100), 'null')
            using errcode = 'invalid_parameter_value', hint = 'Give 1 minute to 5 years, for example 90 days.';
    end if;
    perform webhooks_private.check_access_label(label);
    ends_at := now() + expires_in;
    insert into webhooks_private.access_tokens as t
        (tenant_id, token_hash, scopes, label, user_id, expires_at, created_by_role)
    values (create_access_token.tenant_id, sha256(convert_to(token, 'UTF8')), wanted_scopes,
            create_access_token.label, create_access_token.user_id, ends_at, webhooks_private.caller())
    returning t.id into token_id;
    perform webhooks_private.audit('created', 'access_token', token_id::text, tenant_id,
                                   after => jsonb_build_object('label', label, 'scopes', wanted_scopes,
                                                               'user_id', user_id, 'expires_at', ends_at));
    return token;
end
$$;
comment on function webhooks.create_access_token is
    'Creates an access token for the HTTP API and returns it once; it cannot be read again. scopes are what it '
    'permits: webhook_subscriptions:create, webhook_subscriptions:read, webhook_subscriptions:update, '
    'webhook_subscriptions:delete, webhook_subscriptions:test, webhook_subscriptions:retry, '
    'webhook_subscriptions:poll, events:publish (only members of webhooks_publisher can give it), events:read, '
    'metrics:read, audit:read and operator:read. tenant_id null: for all tenants, one of which each request names; '
    'only a role with all tenants can create such a token, and only such a token can have operator:read, which '
    'members of webhooks_monitor give. Such a token ends when revoke_all_tenants() is called for the role that created '
    'it. user_id is the user of the application whom the audit log shows for what is done by the token.';
grant execute on function webhooks.create_access_token to webhooks_manager;

create function webhooks.list_access_tokens(
    tenant_id uuid, kinds text[] default '{token,link}', max_tokens integer default 100, after_id uuid default null
)
returns table (
    id uuid, label text, scopes text[], user_id uuid, created_at timestamptz, expires_at timestamptz,
    last_used_at timestamptz, kind text
)
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp
-- Conditions that are not given vanish, and the one on the tenant finds its index.
set plan_cache_mode = force_custom_plan
as $$
#variable_conflict use_column
declare
    unknown_kind text;
begin
    perform webhooks_private.check_tenant(list_access_tokens.tenant_id);
    select k.kind into unknown_kind
    from unnest(kinds) k (kind)
    where k.kind is null or k.kind not in ('token', 'link', 'session')
    limit 1;
    if found or kinds is null then
        raise exception 'kinds has %, which is no kind', coalesce('"' || left(unknown_kind, 200) || '"', 'null')
            using errcode = 'invalid_parameter_value', hint = 'Kinds are token, link and session.';
    end if;
    if (max_tokens between 1 and 1000) is not true then
        raise exception 'max_tokens is %, not between 1 and 1000', coalesce(max_tokens::text, 'null')
            using errcode = 'invalid_parameter_value', hint = 'For more, give the id of the last row as after_id.';
    end if;
    return query
    select t.id, t.label, t.scopes, t.user_id, t.created_at, t.expires_at, t.last_used_at, t.kind
    from webhooks_private.access_tokens t
    where (t.tenant_id = list_access_tokens.tenant_id
           or list_access_tokens.tenant_id is null and t.tenant_id is null)
      and (list_access_tokens.after_id is null or t.id > list_access_tokens.after_id)
      and t.kind = any (list_access_tokens.kinds)
    order by t.id
    limit list_access_tokens.max_tokens;
end
$$;
comment on function webhooks.list_access_tokens is
    'Returns the access tokens and portal links of a tenant (kind: token, link), oldest first; null: those for all '
    'tenants. kinds => ''{session}'' returns its sessions. Expired tokens are listed for at least 30 days. '
    'last_used_at is up to five minutes too early. For the next page give the id of the last row as after_id.';
grant execute on function webhooks.list_access_tokens to webhooks_manager;

create function webhooks.revoke_access_token(tenant_id uuid, id uuid)
returns boolean
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    revoked record;
begin
    perform webhooks_private.check_tenant(tenant_id);
    delete from webhooks_private.access_tokens t
    where t.id = revoke_access_token.id
      and (t.tenant_id = revoke_access_token.tenant_id
           or revoke_access_token.tenant_id is null and t.tenant_id is null)
    returning t.label, t.scopes, t.kind into revoked;
    if not found then
        return false;
    end if;
    delete from webhooks_private.access_tokens t where t.opened_with = revoke_access_token.id;
    perform webhooks_private.audit('revoked', case revoked.kind when 'link' then 'portal_link'
                                              when 'session' then 'session' else 'access_token' end,
                                   id::text, tenant_id,
                                   before => jsonb_build_object('label', revoked.label, 'scopes', revoked.scopes));
    return true;
end
$$;
comment on function webhooks.revoke_access_token is
    'Revokes an access token, a portal link or a session of a tenant, or with null one for all tenants: requests with '
    'it are refused from the commit on. The sessions that were opened with a token end with it. A portal link and the '
    'session that it opened have the same id. False: there is none with that id.';
grant execute on function webhooks.revoke_access_token to webhooks_manager;
