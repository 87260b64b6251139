-- Sessions of browsers: opened with an access token, or by a portal link.
create function webhooks_private.open_session(token_hash bytea, session_hash bytea)
returns table (tenant_id uuid, expires_at timestamptz)
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
    token webhooks_private.access_tokens;
    opened webhooks_private.access_tokens;
begin
    -- Locked before its sessions, as revoke_access_token() does: it is there until this session is, too.
    select t.* into token
    from webhooks_private.access_tokens t
    where t.token_hash = open_session.token_hash and t.kind = 'token' and t.expires_at > now()
    for no key update;
    if not found then
        raise exception 'the access token is not valid'
            using errcode = 'invalid_authorization_specification',
                  hint = 'It may have expired or been revoked. webhooks.create_access_token() makes a new one.';
    end if;
    -- The oldest ones end, so that nobody fills the table by logging in.
    delete from webhooks_private.access_tokens t
    where t.id in (select s.id from webhooks_private.access_tokens s
                   where s.opened_with = token.id order by s.id desc offset 99);
    insert into webhooks_private.access_tokens as t
        (kind, tenant_id, token_hash, scopes, label, user_id, expires_at, opened_with, last_used_at, created_by_role)
    values ('session', token.tenant_id, session_hash, token.scopes, token.label, token.user_id,
            least(token.expires_at, now() + interval '12 hours'), token.id, now(), token.created_by_role)
    returning t.* into opened;
    perform webhooks_private.note_token_uses(array[token.id]);
    perform set_config('webhooks.user_id', coalesce(token.user_id::text, ''), true);
    perform webhooks_private.audit('opened', 'session', opened.id::text, opened.tenant_id,
                                   after => jsonb_build_object('label', opened.label, 'scopes', opened.scopes,
                                                               'access_token', token.id,
                                                               'expires_at', opened.expires_at));
    return query select opened.tenant_id, opened.expires_at;
end
$$;
comment on function webhooks_private.open_session is
    'Opens a session with what an access token permits, for 12 hours at the most, or raises an error. The console '
    'makes the secret of the session, and gives its hash.';
grant execute on function webhooks_private.open_session to webhooks_console;

create function webhooks_private.close_session(session_hash bytea)
returns boolean
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    closed webhooks_private.access_tokens;
begin
    delete from webhooks_private.access_tokens t
    where t.token_hash = session_hash and t.kind = 'session'
    returning t.* into closed;
    if not found then
        return false;
    end if;
    perform set_config('webhooks.user_id', coalesce(closed.user_id::text, ''), true);
    perform webhooks_private.audit('closed', 'session', closed.id::text, closed.tenant_id,
                                   before => jsonb_build_object('label', closed.label));
    return true;
end
$$;
comment on function webhooks_private.close_session is 'Ends a session. False: there is none with that secret.';
grant execute on function webhooks_private.close_session to webhooks_console;

create function webhooks_private.session_access(session_hash bytea)
returns table (tenant_id uuid, scopes text[])
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
begin
    return query
    select t.tenant_id, t.scopes
    from webhooks_private.access_tokens t
    where t.token_hash = session_hash and t.kind = 'session' and t.expires_at > now()
      and webhooks_private.has_its_token(t.opened_with);
    if not found then
        raise exception 'the session has ended'
            using errcode = 'invalid_authorization_specification', hint = 'Log in again.';
    end if;
end
$$;
comment on function webhooks_private.session_access is
    'Returns the tenant that a session is for, null for all of them, and its scopes. An error if it has ended.';
grant execute on function webhooks_private.session_access to webhooks_console;

create function webhooks_private.forget_access_tokens()
returns bigint
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
    deleted bigint;
begin
    delete from webhooks_private.access_tokens t
    where t.id = any (array(
        select o.id from webhooks_private.access_tokens o
        where o.expires_at < now() and (o.kind <> 'token' or o.expires_at < now() - interval '30 days')
        for update skip locked));
    get diagnostics deleted = row_count;
    return deleted;
end
$$;
comment on function webhooks_private.forget_access_tokens is
    'Deletes sessions and portal links that have expired, and access tokens that did so 30 days ago. Part of '
    'maintain().';
