-- Nothing is PUBLIC's. What a role may use is granted beside each object.
revoke all on all tables in schema webhooks, webhooks_private from public;
revoke all on all functions in schema webhooks, webhooks_private from public;
