-- Portal links: each logs one browser in, for one tenant.
create function webhooks.create_portal_link(
    tenant_id uuid, scopes text[], expires_in interval default '10 minutes', session_length interval default '8 hours',
    label text default 'portal', user_id uuid default null
)
returns text
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    link constant text := 'whlink_' || webhooks.generate_api_key();
    wanted_scopes text[];
    ends_at timestamptz;
    link_id uuid;
begin
    if tenant_id is null then
        raise exception 'a portal link is for one tenant, and none is named'
            using errcode = 'null_value_not_allowed',
                  hint = 'Name the tenant. Operators log in with a token of create_access_token().';
    end if;
    perform webhooks_private.check_tenant(tenant_id);
    perform webhooks_private.check_access_scopes(scopes, tenant_id);
    wanted_scopes := array(select distinct s.scope from unnest(scopes) s (scope) order by 1);
    if (expires_in between interval '10 seconds' and interval '7 days') is not true then
        raise exception 'expires_in is %', coalesce(left(expires_in::text, 100), 'null')
            using errcode = 'invalid_parameter_value', hint = 'Give 10 seconds to 7 days, for example 10 minutes.';
    end if;
    if (session_length between interval '5 minutes' and interval '7 days') is not true then
        raise exception 'session_length is %', coalesce(left(session_length::text, 100), 'null')
            using errcode = 'invalid_parameter_value', hint = 'Give 5 minutes to 7 days, for example 8 hours.';
    end if;
    perform webhooks_private.check_access_label(label);
    ends_at := now() + expires_in;
    insert into webhooks_private.access_tokens as t
        (kind, tenant_id, token_hash, scopes, label, user_id, expires_at, session_length, created_by_role)
    values ('link', create_portal_link.tenant_id, sha256(convert_to(link, 'UTF8')), wanted_scopes,
            create_portal_link.label, create_portal_link.user_id, ends_at, create_portal_link.session_length,
            webhooks_private.caller())
    returning t.id into link_id;
    perform webhooks_private.audit('created', 'portal_link', link_id::text, tenant_id,
                                   after => jsonb_build_object('label', label, 'scopes', wanted_scopes,
                                                               'user_id', user_id, 'expires_at', ends_at));
    return '/portal#' || link;
end
$$;
comment on function webhooks.create_portal_link is
    'Creates a link that logs one browser in to the console for a tenant, and returns its path and fragment, such as '
    '/portal#whlink_...; put the address of the console before it. The link works once, within expires_in. Its session '
    'permits what scopes say, as those of create_access_token(), and ends after session_length. user_id is the '
    'user of the application whom the audit log shows for what is done in the session.';
grant execute on function webhooks.create_portal_link to webhooks_manager;

create function webhooks_private.redeem_link(link_hash bytea, session_hash bytea)
returns table (tenant_id uuid, expires_at timestamptz)
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
    opened webhooks_private.access_tokens;
begin
    -- The link becomes the session. Of two requests at once the second one waits here, and finds no link any more.
    update webhooks_private.access_tokens t
    set kind = 'session', token_hash = session_hash, expires_at = now() + t.session_length, session_length = null,
        last_used_at = now()
    where t.token_hash = link_hash and t.kind = 'link' and t.expires_at > now()
    returning t.* into opened;
    if not found then
        raise exception 'the link is not valid'
            using errcode = 'invalid_authorization_specification',
                  hint = 'It works once, and for a short time. Ask for a new one where you got it.';
    end if;
    perform set_config('webhooks.user_id', coalesce(opened.user_id::text, ''), true);
    perform webhooks_private.audit('opened', 'session', opened.id::text, opened.tenant_id,
                                   after => jsonb_build_object('label', opened.label, 'scopes', opened.scopes,
                                                               'expires_at', opened.expires_at));
    return query select opened.tenant_id, opened.expires_at;
end
$$;
comment on function webhooks_private.redeem_link is
    'Opens the session of a portal link, which is used up, or raises an error. The console makes the secret of the '
    'session, and gives its hash.';
grant execute on function webhooks_private.redeem_link to webhooks_console;
