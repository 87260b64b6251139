create function webhooks.wait_for_delivery(delivery_id uuid, timeout interval default '30 seconds')
returns table (
    is_final boolean, status text, attempts integer, http_status_code integer, response_headers jsonb,
    response_body text, error_message text, duration_us bigint, next_retry_at timestamptz
)
-- Volatile: each of its statements sees what has been committed meanwhile.
language plpgsql volatile
set search_path = pg_catalog, pg_temp
-- The id decides which partition is read, and which is not even opened.
set plan_cache_mode = force_custom_plan
as $$
#variable_conflict use_column
declare
    give_up_at timestamptz;
    pause double precision := 0.02;
    delivery record;
begin
    if (wait_for_delivery.timeout between interval '0' and interval '5 minutes') is not true then
        raise exception 'timeout is %', coalesce(wait_for_delivery.timeout::text, 'null')
            using errcode = 'invalid_parameter_value',
                  hint = 'Give up to 5 minutes: while it waits, vacuum can''t remove what was deleted since. Call it '
                         'again to wait for longer.';
    end if;
    if current_setting('transaction_isolation') in ('repeatable read', 'serializable') then
        raise exception 'wait_for_delivery() would wait in vain in a % transaction',
            upper(current_setting('transaction_isolation'))
            using errcode = 'invalid_transaction_state',
                  hint = 'Such a transaction does not see what others commit after it began. Call it in a READ '
                         'COMMITTED one, or outside of a transaction block.';
    end if;
    if not webhooks.is_adopted() then
        raise warning 'nothing is delivered from this database: it is a copy that is not adopted'
            using hint = 'Its owner can adopt it: see webhooks.adopt_database().';
    end if;
    give_up_at := clock_timestamp() + wait_for_delivery.timeout;
    if exists (
        select from webhooks.delivery_queue q where q.id = wait_for_delivery.delivery_id
            and webhooks_private.is_current_transaction(q.xmin)
    ) then
        raise exception 'delivery % was queued by this very transaction, so that nobody else can see it yet',
            wait_for_delivery.delivery_id
            using errcode = 'invalid_transaction_state',
                  hint = 'Commit first, and wait in a statement of its own. In psql: select '
                         'webhooks.test_subscription(...) as delivery \gset, and then select * from '
                         'webhooks.wait_for_delivery(:''delivery'');';
    end if;
    loop
        select l.*, l.delivery_status in ('delivered', 'failed', 'expired', 'cancelled') as is_final into delivery
        from webhooks.webhook_delivery_logs l
        where l.id = wait_for_delivery.delivery_id;
        if not found then
            perform webhooks_private.raise_unknown_delivery(wait_for_delivery.delivery_id);
        end if;
        -- Nothing will happen before its next attempt, either.
        exit when delivery.is_final or clock_timestamp() >= give_up_at or delivery.next_retry_at > give_up_at;
        perform pg_sleep(least(pause, extract(epoch from give_up_at - clock_timestamp())));
        pause := least(2 * pause, 0.5);
    end loop;
    return query select
        delivery.is_final, delivery.delivery_status::text,
        delivery.delivery_attempt - case when delivery.delivery_status in ('pending', 'expired', 'cancelled') then 1
            else 0 end,
        delivery.http_status_code, delivery.response_headers, delivery.response_body, delivery.error_message,
        delivery.duration_us, delivery.next_retry_at;
end
$$;
comment on function webhooks.wait_for_delivery is
    'Waits until a delivery is finished, up to 5 minutes, and returns its status, the last response, and whether '
    'that is final. Returns earlier if the next attempt is after the timeout. The delivery must be committed, and '
    'the transaction must not be REPEATABLE READ or SERIALIZABLE.';
grant execute on function webhooks.wait_for_delivery to webhooks_manager;
