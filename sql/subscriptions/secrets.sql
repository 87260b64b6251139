-- auth_config, webhook_headers and template_secrets are written by managers and read by the sidecar alone: column
-- privileges of webhook_subscriptions see to that. Managers see which secrets are there: null for each, which written
-- back keeps the secret.

create function webhooks_private.redacted_headers(subscription_id uuid)
returns jsonb
language sql stable security definer
set search_path = pg_catalog, pg_temp
begin atomic
    select webhooks_private.redact(s.webhook_headers) from webhooks.webhook_subscriptions s
    where s.id = subscription_id and webhooks_private.may_access_tenant(s.tenant_id);
end;
comment on function webhooks_private.redacted_headers is
    'The names of a subscription''s own headers, with null for their values.';
grant execute on function webhooks_private.redacted_headers to webhooks_manager;

create function webhooks_private.redacted_auth_config(subscription_id uuid)
returns jsonb
language sql stable security definer
set search_path = pg_catalog, pg_temp
begin atomic
    select webhooks_private.redact(s.auth_config, '{header}') from webhooks.webhook_subscriptions s
    where s.id = subscription_id and webhooks_private.may_access_tenant(s.tenant_id);
end;
comment on function webhooks_private.redacted_auth_config is
    'What a subscription''s auth_config has, with null for secrets.';
grant execute on function webhooks_private.redacted_auth_config to webhooks_manager;

create function webhooks_private.redacted_template_secrets(subscription_id uuid)
returns jsonb
language sql stable security definer
set search_path = pg_catalog, pg_temp
begin atomic
    select webhooks_private.redact(s.template_secrets) from webhooks.webhook_subscriptions s
    where s.id = subscription_id and webhooks_private.may_access_tenant(s.tenant_id);
end;
comment on function webhooks_private.redacted_template_secrets is
    'The names of a subscription''s template_secrets, with null for their values.';
grant execute on function webhooks_private.redacted_template_secrets to webhooks_manager;

create function webhooks_private.keep_secrets(given jsonb, stored jsonb)
returns jsonb
language sql immutable parallel safe
set search_path = pg_catalog, pg_temp
begin atomic
    select case
        when jsonb_typeof(given) = 'object' and jsonb_typeof(stored) = 'object'
            then given || coalesce((select jsonb_object_agg(g.key, stored -> g.key) from jsonb_each(given) g
                                    where g.value = 'null' and stored ? g.key), '{}')
        else given
    end;
end;
comment on function webhooks_private.keep_secrets is
    'An object with what is stored under its keys that are null: who may not read secrets can leave them as they are.';

-- Secrets that were replaced a while ago: requests are signed with them, too, so that receivers need not change
-- theirs at the same moment. Nobody reads them but the sidecar, through load_subscriptions().
create table webhooks_private.retired_secrets (
    subscription_id uuid not null,
    retired_at timestamptz not null default clock_timestamp(),
    secret text not null,
    primary key (subscription_id, retired_at)
);
comment on table webhooks_private.retired_secrets is
    'Signing secrets that were replaced within the time of the setting secret_overlap_seconds.';
comment on column webhooks_private.retired_secrets.subscription_id is 'Subscription that the secret belonged to.';
comment on column webhooks_private.retired_secrets.retired_at is 'Time at which the secret was replaced.';
comment on column webhooks_private.retired_secrets.secret is 'Secret. The signing secret.';
select pg_catalog.pg_extension_config_dump('webhooks_private.retired_secrets', '');

create function webhooks_private.retire_secret(before webhooks.webhook_subscriptions,
                                               after webhooks.webhook_subscriptions)
returns void
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
    old_secret constant text := case when before.auth_type = 'signature' then before.auth_config ->> 'secret' end;
    new_secret constant text := case when after.auth_type = 'signature' then after.auth_config ->> 'secret' end;
begin
    if before.id is null or new_secret = old_secret then
        return;
    end if;
    if new_secret is null then
        delete from webhooks_private.retired_secrets r where r.subscription_id = before.id;
    elsif old_secret is not null then
        insert into webhooks_private.retired_secrets (subscription_id, secret) values (before.id, old_secret);
        -- The last three: who renewed twice by mistake has receivers that know none but the first. One that is in use
        -- again is retired no more.
        delete from webhooks_private.retired_secrets r
        where r.subscription_id = before.id
          and (r.secret = new_secret
               or r.retired_at < (select k.retired_at from webhooks_private.retired_secrets k
                                  where k.subscription_id = before.id and k.secret <> new_secret
                                  order by k.retired_at desc offset 2 limit 1));
    end if;
end
$$;
comment on function webhooks_private.retire_secret is
    'Keeps the signing secret that a change of a subscription replaces. Part of derive_routes().';

create function webhooks_private.secrets_in_overlap(subscription_id uuid, overlap interval)
returns table (secrets text[], ends_in_ms bigint[])
language sql stable
set search_path = pg_catalog, pg_temp
begin atomic
    select array_agg(r.secret order by r.retired_at desc),
           array_agg((extract(epoch from r.retired_at + secrets_in_overlap.overlap - clock_timestamp()) * 1000)::bigint
                     order by r.retired_at desc)
    from webhooks_private.retired_secrets r
    where r.subscription_id = secrets_in_overlap.subscription_id and r.retired_at > now() - secrets_in_overlap.overlap
      and octet_length(r.secret) <= 4096;
end;
comment on function webhooks_private.secrets_in_overlap is
    'With which retired secrets a subscription''s requests are signed, too, and for how long. Part of '
    'load_subscriptions().';

create function webhooks_private.forget_secrets()
returns bigint
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
    forgotten bigint;
begin
    delete from webhooks_private.retired_secrets r
    where r.ctid = any (array(
        select o.ctid from webhooks_private.retired_secrets o
        where o.retired_at < now() - make_interval(secs => webhooks_private.setting('secret_overlap_seconds'))
           or (select webhooks.is_adopted())
           and not exists (select from webhooks.webhook_subscriptions s where s.id = o.subscription_id)
        for update skip locked));
    get diagnostics forgotten = row_count;
    return forgotten;
end
$$;
comment on function webhooks_private.forget_secrets is
    'Removes retired secrets whose time is over. Part of maintain().';

create function webhooks.renew_secret(subscription_id uuid)
returns text
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
    found_type text;
    secret constant text := webhooks.generate_secret();
begin
    select coalesce(s.auth_type, 'none') into found_type
    from webhooks.webhook_subscriptions s where s.id = renew_secret.subscription_id for update;
    if not found then
        perform webhooks_private.raise_unknown_subscription(subscription_id);
    end if;
    if found_type <> 'signature' then
        raise exception 'subscription % has auth_type %, which has no signing secret', subscription_id, found_type
            using errcode = 'invalid_parameter_value',
                  hint = 'Have it sign first: update webhooks.webhook_subscriptions set auth_type = ''signature'', '
                         'auth_config = jsonb_build_object(''secret'', webhooks.generate_secret()) where id = ...;';
    end if;
    update webhooks.webhook_subscriptions s set auth_config = jsonb_build_object('secret', secret)
    where s.id = renew_secret.subscription_id;
    return secret;
end
$$;
comment on function webhooks.renew_secret is
    'Gives a subscription a new signing secret and returns it once; it cannot be read again. After commit, requests '
    'are signed with the new secret, and in webhook-signature also with the old one, for the time of the setting '
    'secret_overlap_seconds.';
grant execute on function webhooks.renew_secret to webhooks_manager;
