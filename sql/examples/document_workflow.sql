-- An application that extracts data from documents, for many tenants: its tables, and all 15 standard event types.
-- Documents, extractions, jobs and users publish by being written, whatever writes them; log-ins, log-outs and what
-- concerns the system publish by function. Run it with psql as a superuser, in a database of its own, and see
--
--     select * from webhooks.watched_tables;
--
-- Copy from here what fits. What roles your application has, and how it tells passwords, is left to it.

create extension if not exists webhooks;

create schema app;

create table app.tenants (
    id uuid primary key default webhooks.uuid_v7(),
    name text not null
);

create table app.users (
    id uuid primary key default webhooks.uuid_v7(),
    tenant_id uuid not null references app.tenants on delete cascade,
    email text not null unique,
    name text,
    password_hash text,
    last_login_at timestamptz,
    created_at timestamptz not null default now()
);

create table app.sessions (
    id text primary key default gen_random_uuid()::text,
    user_id uuid not null references app.users on delete cascade,
    source_ip inet,
    began_at timestamptz not null default now()
);

create table app.documents (
    id uuid primary key default webhooks.uuid_v7(),
    tenant_id uuid not null references app.tenants on delete cascade,
    uploaded_by uuid references app.users on delete set null,
    title text not null,
    media_type text not null,
    pages integer,
    storage_key text,
    status text not null default 'uploaded' check (status in ('uploaded', 'processing', 'processed')),
    uploaded_at timestamptz not null default now()
);

create table app.jobs (
    id uuid primary key default webhooks.uuid_v7(),
    tenant_id uuid not null references app.tenants on delete cascade,
    document_id uuid references app.documents on delete cascade,
    kind text not null,
    status text not null default 'created' check (status in ('created', 'started', 'completed', 'failed')),
    error text,
    heartbeat_at timestamptz,
    created_at timestamptz not null default now()
);

create table app.extractions (
    id uuid primary key default webhooks.uuid_v7(),
    tenant_id uuid not null references app.tenants on delete cascade,
    document_id uuid not null references app.documents on delete cascade,
    job_id uuid references app.jobs on delete set null,
    status text not null default 'started' check (status in ('started', 'completed', 'failed')),
    data jsonb,
    error text,
    started_at timestamptz not null default now()
);

-- Deleting a tenant deletes its events, subscriptions and log, too.
select webhooks.link_tenants('app.tenants');

-- What a tenant's documents publish while it is being deleted itself is for nobody: the condition leaves it out.
select webhooks.watch_table('app.documents',
    on_insert => 'document.uploaded',
    on_change => '{"status": {"processed": "document.processed"}}',
    on_delete => 'document.deleted',
    condition => 'new.id is not null or exists (select from app.tenants t where t.id = old.tenant_id)',
    except_columns => '{storage_key}');

select webhooks.watch_table('app.extractions',
    on_insert => 'extraction.started',
    on_change => '{"status": {"completed": "extraction.completed", "failed": "extraction.failed"}}');

-- A worker's heartbeat is nobody's business, and a change of nothing else publishes nothing.
select webhooks.watch_table('app.jobs',
    on_insert => 'job.created',
    on_change => '{"status": {"started": "job.started", "completed": "job.completed", "failed": "job.failed"}}',
    except_columns => '{heartbeat_at}');

select webhooks.watch_table('app.users',
    on_insert => 'user.created',
    except_columns => '{password_hash,last_login_at}');

-- The application has verified who it is.
create function app.log_in(email text, source_ip inet default null)
returns text
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
    member app.users;
    session_id text;
begin
    update app.users u set last_login_at = now() where u.email = log_in.email returning * into member;
    if not found then
        raise exception 'there is no user "%"', email
            using errcode = 'no_data_found', hint = 'Insert it into app.users first.';
    end if;
    insert into app.sessions (user_id, source_ip) values (member.id, log_in.source_ip) returning id into session_id;
    perform webhooks.publish_event(
        tenant_id => member.tenant_id, event_type => 'user.login',
        event_data => jsonb_build_object('email', member.email, 'at', member.last_login_at),
        resource_type => 'user', resource_id => member.id,
        user_id => member.id, session_id => session_id, source_ip => log_in.source_ip);
    return session_id;
end
$$;
comment on function app.log_in(text, inet) is 'Begins a session of a user and publishes user.login; returns the session.';

create function app.log_out(session_id text)
returns boolean
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
    ended app.sessions;
    member app.users;
begin
    delete from app.sessions s where s.id = log_out.session_id returning * into ended;
    if not found then
        return false;
    end if;
    select u.* into member from app.users u where u.id = ended.user_id;
    perform webhooks.publish_event(
        tenant_id => member.tenant_id, event_type => 'user.logout',
        event_data => jsonb_build_object('email', member.email, 'seconds', round(extract(epoch from now() - ended.began_at))),
        resource_type => 'user', resource_id => member.id,
        user_id => member.id, session_id => ended.id, source_ip => ended.source_ip);
    return true;
end
$$;
comment on function app.log_out(text) is 'Ends a session and publishes user.logout; false if it had ended before.';

create function app.check_health()
returns integer
language sql
set search_path = pg_catalog, pg_temp
as $$
    -- All tenants in one statement. A scheduler calls it; nobody who does not subscribe to it gets it.
    with published as (
        insert into webhooks.event_logs (tenant_id, event_type, event_category, event_name, event_data, expires_at)
        select t.id, 'system.health_check', 'system', 'Health check',
               jsonb_build_object(
                   'status', case when j.stuck > 0 then 'degraded' else 'ok' end,
                   'jobs_open', j.open, 'jobs_stuck', j.stuck),
               -- Yesterday's health is no news.
               now() + interval '1 hour'
        from app.tenants t
        cross join lateral (
            select count(*) as open, count(*) filter (where j.heartbeat_at < now() - interval '5 minutes') as stuck
            from app.jobs j
            where j.tenant_id = t.id and j.status in ('created', 'started')
        ) j
        returning id
    )
    select count(*)::integer from published
$$;
comment on function app.check_health() is 'Publishes system.health_check for each tenant; returns for how many.';

create function app.report_error(tenant_id uuid, source text, message text, details jsonb default '{}')
returns uuid
language sql
set search_path = pg_catalog, pg_temp
begin atomic
    select webhooks.publish_event(
        tenant_id => report_error.tenant_id, event_type => 'system.error',
        event_data => jsonb_build_object('source', report_error.source, 'message', report_error.message, 'details', report_error.details));
end;
comment on function app.report_error(uuid, text, text, jsonb) is
    'Publishes system.error. Call it in a transaction of its own: one that fails takes its events along.';
