-- NOTIFY, as a help: whatever a sidecar is told it also finds by itself, some seconds later. A COMMIT fails when the
-- server's notification queue is full, because some session listens and does not end its transaction; nobody's event or
-- subscription must be lost for that.

create function webhooks_private.count_notification()
returns bigint
language c volatile strict
as 'MODULE_PATHNAME', 'count_notification_wrapper';
comment on function webhooks_private.count_notification is
    'Counts the notifications of this transaction: how many there are with this one. Part of notify().';

-- Half: what other transactions that looked before have not added yet must fit in as well, also where the queue is as
-- short as max_notify_queue_pages allows (64 pages of about 130 notifications). The server itself warns from there
-- on.
create function webhooks_private.notify_queue_is_full()
returns boolean
language sql volatile
return pg_notification_queue_usage() >= 0.5;
comment on function webhooks_private.notify_queue_is_full is
    'Whether the server''s notification queue is half full or more: then nothing is added to it.';

create function webhooks_private.notify(channel text, payload text, of_many text default null)
returns boolean
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
    sent bigint;
begin
    if not coalesce(nullif(current_setting('webhooks.notify', true), ''), 'on')::boolean then
        return false;
    end if;
    sent := webhooks_private.count_notification();
    if webhooks_private.notify_queue_is_full() then
        -- Once a transaction.
        if sent = 1 then
            raise warning 'sidecars are not notified: the server''s notification queue is % %% full',
                floor(100 * pg_notification_queue_usage())
                using hint = 'Nothing is lost: they find it within seconds. A session that listens on some channel '
                             'does not end its transaction: find it with select pid, usename, application_name, '
                             'xact_start from pg_stat_activity order by xact_start; and end it with '
                             'pg_terminate_backend(pid).';
        end if;
        return false;
    end if;
    -- A transaction that changes thousands of subscriptions must not fill the queue by itself.
    perform pg_notify(channel, case when sent > 256 then coalesce(of_many, payload) else payload end);
    return true;
end
$$;
comment on function webhooks_private.notify is
    'Notifies sidecars at commit; false, and nothing is sent, if webhooks.notify is off or the notification queue is '
    'nearly full. of_many: what to send instead of the payload where the transaction has sent very many.';

create function webhooks_private.notify_change(payload text)
returns boolean
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
begin
    return webhooks_private.notify('webhooks_changed', payload, of_many => 'subscriptions');
end
$$;
comment on function webhooks_private.notify_change is
    'Tells sidecars that a subscription changed (its id), or that its receiver is to be asked ("verify " and its '
    'id); of very many in one transaction, that subscriptions changed.';
