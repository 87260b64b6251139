create function webhooks.explain_match(
    tenant_id uuid, event_type text, event_data jsonb default '{}', resource_type text default null,
    resource_id uuid default null, environment text default null
)
returns table (subscription_id uuid, subscription_name text, matched boolean, reason text)
language sql stable
set search_path = pg_catalog, pg_temp
begin atomic
    select v.id, v.name, v.reason is null, v.reason
    from (
        select s.id, s.name::text,
            case
                when not exists (select from webhooks.event_types t where t.name = explain_match.event_type)
                    then format('event type %s is not registered in event_types', explain_match.event_type)
                when s.is_active is not true then 'is_active is not true'
                when s.is_enabled is not true then 'is_enabled is not true' || coalesce(': ' || s.disabled_reason, '')
                when not (s.subscribed_events ?| array[explain_match.event_type,
                                                       split_part(explain_match.event_type, '.', 1) || '.*', '*'])
                    then format('subscribed_events %s does not cover %s', s.subscribed_events, explain_match.event_type)
                when webhooks_private.is_endpoint_event(explain_match.event_type)
                    and not (s.subscribed_events ?| array[explain_match.event_type, 'webhook.*'])
                    then format('subscribed_events %s covers %s by * alone, which does not match it',
                                s.subscribed_events, explain_match.event_type)
                when webhooks_private.is_endpoint_event(explain_match.event_type)
                    and explain_match.resource_id = s.id
                    then 'the event is about this subscription'
                when explain_match.environment is not null and s.environment <> explain_match.environment
                    then format('environment is %s, the event''s is %s', s.environment, explain_match.environment)
                when webhooks_private.jsonpath_problem((s.event_filters ->> 'jsonpath')::jsonpath::text) is not null
                    then format('event_filters.jsonpath %s is refused: %s', s.event_filters ->> 'jsonpath',
                                webhooks_private.jsonpath_problem((s.event_filters ->> 'jsonpath')::jsonpath::text))
                when s.event_filters ? 'jsonpath'
                    and not webhooks_private.jsonpath_matches(explain_match.event_data,
                                                              (s.event_filters ->> 'jsonpath')::jsonpath)
                    then format('event_filters.jsonpath %s does not hold', s.event_filters ->> 'jsonpath')
                when coalesce(s.event_filters, '{}') - 'jsonpath' <> '{}'
                    then webhooks_private.filter_mismatch((s.event_filters - 'jsonpath')::text,
                                                          coalesce(explain_match.event_data, '{}')::text,
                                                  explain_match.resource_type, explain_match.resource_id)
            end as reason
        from webhooks.webhook_subscriptions s
        where s.tenant_id = explain_match.tenant_id
    ) v;
end;
comment on function webhooks.explain_match is
    'Returns, for each subscription of a tenant, whether it would match an event, and if not, why.';
grant execute on function webhooks.explain_match to webhooks_manager;
