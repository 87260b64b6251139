-- Error messages name receivers: their hosts, addresses and certificates. A monitor may not see URLs, so it reads the
-- kind of failure alone.
--
-- Neither is strict or has a SET clause: so they are inlined into the INSERT of record_attempts().

create function webhooks_private.plain_failure(error_message text)
returns text
language sql immutable parallel safe
begin atomic
    select coalesce(
        -- Words of ours that name nothing.
        substring(error_message from
            '^(?:HTTP status \d{3}(?: \(redirects are not followed\)| to OPTIONS| without WebHook-Allowed-Origin| '
            'with another WebHook-Allowed-Origin| with a WebHook-Allowed-Rate that is neither \* nor above 0)?'
            || '|timed out|could not connect|could not resolve the host|TLS handshake failed|the host''s address is '
               'not allowed|the connection broke|the answer is not valid HTTP/1\.1'
            || '|no valid request can be made from the subscription''s settings'
            || '|payload of \d+ bytes is larger than the subscription''s max_payload_size_kb \(\d+ bytes\)'
            || '|no complete response within timeout_seconds \(\d+\)|no answer to OPTIONS within timeout_seconds '
               '\(\d+\)'
            || '|the receiver asked for a pause; nothing was sent|the event is no longer in event_logs; nothing was '
               'sent|expires_at or max_delivery_age_seconds has passed; nothing was sent|cancelled)'
            || '(?:: gave up after \d+ attempts?|: listed in no_retry_statuses|: the receiver is gone for good; the '
               'subscription was disabled|: the receiver did not agree)?'),
        case
            when error_message ~ '^payload_template: ' then 'payload_template failed; nothing was sent'
            when error_message ~ '^can''t resolve | has no address$' then 'could not resolve the host'
            when error_message ~ '--(allow|deny)-network$' then 'the host''s address is not allowed'
            when error_message ~ '^TLS: ' then 'TLS handshake failed'
            when error_message ~* '\mconnect\M' then 'could not connect'
            else 'failed'
        end);
end;
comment on function webhooks_private.plain_failure is 'The kind of failure of one attempt. Part of failure_kind().';

create function webhooks_private.failure_kind(error_message text)
returns text
language sql immutable parallel safe
begin atomic
    select case
        when error_message is null then null
        -- Why a subscription was disabled.
        when error_message ~ '^(nothing but failures|its receiver did not agree to deliveries) for \d+ hours '
                             '\(disable_after_failing_hours is \d+\); last: '
            then substring(error_message from '^.*?; last: ')
                || webhooks_private.plain_failure(regexp_replace(error_message, '^.*?; last: ', ''))
        else webhooks_private.plain_failure(error_message)
    end;
end;
comment on function webhooks_private.failure_kind is
    'The kind of failure that an error message tells of, without names, addresses and what receivers said: what a '
    'monitor may read.';
