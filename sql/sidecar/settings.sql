create type webhooks_private.effective_settings as (
    extension_version text, max_retry_delay_seconds bigint, max_retry_after_seconds bigint,
    max_response_body_bytes bigint, max_response_headers_bytes bigint, disable_after_failing_hours bigint,
    endpoint_verification text, verification_origin text, digest bigint
);
comment on type webhooks_private.effective_settings is
    'The settings that the sidecar needs. digest is another one whenever any of the settings is changed.';

create function webhooks_private.sidecar_settings()
returns webhooks_private.effective_settings
language sql stable security definer
set search_path = pg_catalog, pg_temp
begin atomic
    select e.extversion, webhooks_private.setting('max_retry_delay_seconds'),
           webhooks_private.setting('max_retry_after_seconds'), webhooks_private.setting('max_response_body_bytes'),
           webhooks_private.setting('max_response_headers_bytes'),
           webhooks_private.setting('disable_after_failing_hours'),
           webhooks_private.text_setting('endpoint_verification'), webhooks_private.text_setting('verification_origin'),
           (select hashtextextended(coalesce(string_agg(o::text, ',' order by o.name), ''), 0)
            from webhooks_private.setting_overrides o)
    from pg_extension e
    where e.extname = 'webhooks';
end;
comment on function webhooks_private.sidecar_settings is
    'What the sidecar needs to know of the settings.';
grant execute on function webhooks_private.sidecar_settings to webhooks_sidecar;
