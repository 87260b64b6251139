-- What a subscription says of its receiver that is a mistake, or that people should know. Part of
-- validate_subscription().

create function webhooks_private.check_receiver(before webhooks.webhook_subscriptions,
                                                after webhooks.webhook_subscriptions)
returns void
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
    secret constant text := case when after.auth_type = 'signature' then after.auth_config ->> 'secret' end;
    former constant text := case when before.auth_type = 'signature' then before.auth_config ->> 'secret' end;
    is_cloudevents constant boolean := after.payload_template is null
        and after.payload_format in ('cloudevents', 'cloudevents-binary');
    special text;
begin
    if secret is distinct from former and webhooks_private.check_secret(secret) < 24 then
        raise warning 'the signing secret is short: its key has % bytes', webhooks_private.check_secret(secret)
            using hint = 'Standard Webhooks advises 24 to 64, and some libraries refuse less. '
                         'webhooks.generate_secret() makes a good one.';
    end if;
    if after.webhook_url is distinct from before.webhook_url then
        special := webhooks_private.special_address(after.webhook_url);
        if special is not null then
            raise notice 'the address in webhook_url is not on the public internet: %', special
                using hint = 'Sidecars deliver to it only if they are started with --allow-network for it, and to '
                             '168.63.129.16 never.';
        end if;
    end if;
    if is_cloudevents
        and (after.webhook_url, after.webhook_method, after.payload_format, after.payload_template)
            is distinct from (before.webhook_url, before.webhook_method, before.payload_format,
                              before.payload_template) then
        if after.webhook_method in ('PUT', 'PATCH') then
            raise notice 'CloudEvents are delivered with POST, not %', after.webhook_method
                using hint = 'Receivers that keep to "HTTP 1.1 Web Hooks for Event Delivery" take POST alone: set '
                             'webhook_method = ''POST''.';
        end if;
        if after.webhook_url ~* '^http:' then
            raise notice 'CloudEvents are delivered over https, and webhook_url is http'
                using hint = 'Receivers that keep to "HTTP 1.1 Web Hooks for Event Delivery" take https alone.';
        end if;
    end if;
    if after.retry_schedule is distinct from before.retry_schedule
        and (select sum(d.delay) from unnest(webhooks_private.retry_delays(after.retry_schedule)) d (delay))
            > webhooks_private.setting('max_delivery_age_seconds') then
        raise notice 'retry_schedule is longer than deliveries live: max_delivery_age_seconds is %',
            webhooks_private.setting('max_delivery_age_seconds')
            using hint = 'A delivery that is older becomes expired, whatever retries are left.';
    end if;
end
$$;
comment on function webhooks_private.check_receiver is
    'Raises an error for a new signing secret that is a mistake; a notice or warning for what is allowed, and works '
    'only here and there. Part of validate_subscription().';
