create function webhooks.shipped_templates()
returns table (name text, description text, settings jsonb, placeholders jsonb)
language sql immutable parallel safe
begin atomic
    values
        ('plain-json', 'Any receiver: the whole event as JSON', '{"payload_format": "envelope"}'::jsonb, '{}'::jsonb),
        ('standard-webhooks', 'A receiver that uses a Standard Webhooks library; signed',
         '{"payload_format": "standard", "auth_type": "signature"}', '{}'),
        -- Limits of characters are halved: some receivers count an emoji as two.
        -- Slack: 1 message a second and channel; text at most 40,000 characters, a header 150, a section 3,000.
        -- & < > are its own, so that nobody can write <!channel>.
        ('slack', 'Slack incoming webhook',
         jsonb_build_object('rate_limit_per_second', 1, 'payload_template',
$template${
  "text": "{{ (event.name or event.type) | replace('&', '&amp;') | replace('<', '&lt;') | replace('>', '&gt;') }}",
  "blocks": [
    {"type": "header", "text": {"type": "plain_text", "text": "{{ (event.name or event.type)[:75] }}"}},
    {"type": "section", "text": {"type": "plain_text", "text": "{{ (data | tojson | string)[:1500] }}"}},
    {"type": "context", "elements": [{"type": "plain_text", "text": "{{ event.type }} \u00b7 {{ event.timestamp }}"}]}
  ]
}$template$), '{}'),
        -- Discord: an embed's title at most 256 characters, its description 4,096, all its texts 6,000. No mentions. 30
        -- messages a minute and webhook is what users report.
        ('discord', 'Discord webhook',
         jsonb_build_object('rate_limit_per_second', 0.5, 'payload_template',
$template${
  "embeds": [{
    "title": "{{ (event.name or event.type)[:125] }}",
    "description": "{{ (data | tojson | string)[:2000] }}",
    "timestamp": "{{ event.timestamp }}",
    "footer": {"text": "{{ event.type }}"}
  }],
  "allowed_mentions": {"parse": []}
}$template$), '{}'),
        -- Teams: 28 KB a message; an adaptive card in a message, as the trigger "When a Teams webhook request is
        -- received" takes it.
        ('microsoft-teams', 'Microsoft Teams workflow: an adaptive card',
         jsonb_build_object('rate_limit_per_second', 1, 'max_payload_size_kb', 28, 'payload_template',
$template${
  "type": "message",
  "attachments": [{
    "contentType": "application/vnd.microsoft.card.adaptive",
    "contentUrl": null,
    "content": {
      "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
      "type": "AdaptiveCard",
      "version": "1.4",
      "body": [
        {"type": "TextBlock", "text": "{{ event.name or event.type }}", "weight": "Bolder", "size": "Medium", "wrap": true},
        {"type": "FactSet", "facts": [
          {"title": "Type", "value": "{{ event.type }}"},
          {"title": "Time", "value": "{{ event.timestamp }}"},
          {"title": "Resource", "value": "{{ resource.type or '-' }} {{ resource.id }}"}
        ]},
        {"type": "TextBlock", "text": "{{ (data | tojson | string)[:3000] }}", "wrap": true, "fontType": "Monospace"}
      ]
    }
  }]
}$template$), '{}'),
        -- PagerDuty: 120 events a minute and key, of at most 512 KB; a summary of at most 1,024 characters, a
        -- dedup_key of 255; severity is one of four. What it answers with 400 it does not want again.
        ('pagerduty', 'PagerDuty, Events API v2: an alert for each event',
         jsonb_build_object('webhook_url', 'https://events.pagerduty.com/v2/enqueue', 'rate_limit_per_second', 2,
                            'max_payload_size_kb', 512,
                            'no_retry_statuses', '[400, 410]'::jsonb,
                            'subscribed_events', '["system.error", "job.failed", "extraction.failed"]'::jsonb,
                            'payload_template',
$template${
  "routing_key": "{{ secrets.routing_key }}",
  "event_action": "trigger",
  "dedup_key": "{{ id }}",
  "payload": {
    "summary": "{{ (event.name or event.type)[:500] }}",
    "source": "{{ tenant_id }}",
    "severity": "{% if event.type is endingwith('.failed') or event.type is endingwith('.error') %}error{% else %}info{% endif %}",
    "timestamp": "{{ event.timestamp }}",
    "class": "{{ event.type }}",
    "group": "{{ event.category }}",
    "custom_details": {{ {"data": data, "resource": resource} }}
  }
}$template$), '{"routing_key": "The integration key of the service: 32 letters and digits"}'),
        ('automation', 'An automation tool that takes any webhook: flat fields, easy to map',
         jsonb_build_object('payload_template',
$template${
  "event_id": "{{ id }}",
  "event_type": "{{ event.type }}",
  "event_name": "{{ event.name }}",
  "timestamp": "{{ event.timestamp }}",
  "tenant_id": "{{ tenant_id }}",
  "resource_type": {{ resource.type }},
  "resource_id": {{ resource.id }},
  "user_id": {{ context.user_id }},
  "data": {{ data }}
}$template$), '{}');
end;
comment on function webhooks.shipped_templates is
    'Returns the subscription templates for common receivers that come with the extension, with the columns of '
    'subscription_templates.';
grant execute on function webhooks.shipped_templates to webhooks_manager;
