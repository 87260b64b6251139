-- Events that the system publishes itself, and nobody else.

create function webhooks_private.endpoint_event_types()
returns text[]
language sql immutable parallel safe
return array['webhook.endpoint.failing', 'webhook.endpoint.recovered', 'webhook.endpoint.disabled',
             'webhook.delivery.failed'];
comment on function webhooks_private.endpoint_event_types is
    'Types of the events that tell a tenant of its own endpoints. The pattern * does not match them, and the '
    'subscription that an event is about does not get it.';
grant execute on function webhooks_private.endpoint_event_types to webhooks_manager;

create function webhooks_private.max_endpoint_subscriptions()
returns integer
language sql immutable parallel safe
return 10;
comment on function webhooks_private.max_endpoint_subscriptions is
    'How many subscriptions of a tenant in an environment may ask for events about its endpoints. These are published '
    'while results of all tenants are recorded, so each must be a few deliveries.';

-- Inlined, both, since each event that is published is asked.
create function webhooks_private.is_endpoint_event(event_type text)
returns boolean
language sql immutable parallel safe
return event_type = any (webhooks_private.endpoint_event_types());
comment on function webhooks_private.is_endpoint_event is
    'Whether a type is one of endpoint_event_types().';
grant execute on function webhooks_private.is_endpoint_event to webhooks_manager;

create function webhooks_private.is_system_event(event_type text)
returns boolean
language sql immutable parallel safe
return event_type = any (webhooks_private.endpoint_event_types()
                         || array['system.alert.fired', 'system.alert.resolved']);
comment on function webhooks_private.is_system_event is
    'Whether only the system publishes events of a type. Limits of tenants do not count them.';

create function webhooks_private.check_publishes_for_system(event_type text)
returns void
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
    done boolean;
begin
    if not pg_has_role(webhooks_private.caller(), 'webhooks_sidecar', 'usage')
        and not webhooks_private.owns_extension(webhooks_private.caller()) then
        -- This function and the statement that calls it, which is long.
        done := webhooks_private.omit_context(2);
        raise exception 'event type "%" is the system''s: it publishes these events itself', event_type
            using errcode = 'insufficient_privilege', schema = 'webhooks', table = 'event_logs', column = 'event_type',
                  hint = 'Register a type of your own: select webhooks.register_event_type(''job.alert'');';
    end if;
end
$$;
comment on function webhooks_private.check_publishes_for_system is
    'An error unless a sidecar or the owner publishes. Part of match_events(), for types of is_system_event().';
