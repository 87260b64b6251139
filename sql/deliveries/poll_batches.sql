-- What each receiver that polls has been given and has not acknowledged yet: one batch at the most. A restore leaves it
-- out, so that no cursor from before acknowledges what was handed out after.
create table webhooks_private.poll_batches (
    subscription_id uuid primary key,
    id uuid not null,
    handed_out_at timestamptz not null,
    delivery_ids uuid[] not null,
    attempts integer[] not null,
    payload_sizes integer[] not null,
    payload_hashes bytea[] not null
);
comment on table webhooks_private.poll_batches is
    'Deliveries that poll_deliveries() has handed out and that are not acknowledged yet.';
comment on column webhooks_private.poll_batches.subscription_id is 'The subscription.';
comment on column webhooks_private.poll_batches.id is 'Id of the batch, which its cursor carries.';
comment on column webhooks_private.poll_batches.handed_out_at is 'Time at which it was handed out last.';
comment on column webhooks_private.poll_batches.delivery_ids is 'Its deliveries.';
comment on column webhooks_private.poll_batches.attempts is
    'Number of recorded attempts of each when it was handed out.';
comment on column webhooks_private.poll_batches.payload_sizes is 'Size of the body of each, in bytes.';
comment on column webhooks_private.poll_batches.payload_hashes is 'SHA-256 of the body of each.';
