-- Deliveries that were made again by hand. What the log says is never rewritten: a retry is another delivery, and
-- this is the link to the one it repeats. Partitioned on the delivery's UUIDv7 id; the parent has no index (see
-- event_logs).
create table webhooks.redeliveries (
    delivery_id uuid not null,
    repeats uuid,
    event_log_id uuid not null,
    subscription_id uuid not null,
    tenant_id uuid not null
) partition by range (delivery_id);
comment on table webhooks.redeliveries is
    'Deliveries made by retry_delivery(), retry_failed() and replay_events(), append-only.';
comment on column webhooks.redeliveries.delivery_id is 'The new delivery.';
comment on column webhooks.redeliveries.repeats is
    'Delivery that is retried; null: an event is replayed, whether or not it was delivered before.';
comment on column webhooks.redeliveries.event_log_id is 'Event that is delivered again.';
comment on column webhooks.redeliveries.subscription_id is 'Subscription that the delivery goes to.';
comment on column webhooks.redeliveries.tenant_id is 'Tenant of the subscription and the event.';
grant select on webhooks.redeliveries to webhooks_manager, webhooks_monitor;

create table webhooks_private.redeliveries_template (
    like webhooks.redeliveries including comments,
    primary key (delivery_id)
);
create index redeliveries_template_event on webhooks_private.redeliveries_template (event_log_id);
comment on table webhooks_private.redeliveries_template is
    'Always empty: carries the indexes of each partition of redeliveries.';

create table webhooks_private.redeliveries_default (like webhooks_private.redeliveries_template including all);
alter table webhooks.redeliveries attach partition webhooks_private.redeliveries_default default;
comment on table webhooks_private.redeliveries_default is
    'Redeliveries whose id falls in no partition made by create_partitions().';
select pg_catalog.pg_extension_config_dump('webhooks_private.redeliveries_default', '');
