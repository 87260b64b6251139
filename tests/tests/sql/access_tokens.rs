//! Access tokens, portal links and sessions: who makes them, what they permit, and that the console may do nothing without
//! one.

use webhooks_tests::database::{CONSOLE_ROLE, Database, MANAGER_ROLE};

use crate::support::session::Session;
use crate::support::world::{OTHER_TENANT, TENANT, database};

const READ: &str = "webhook_subscriptions:read";

/// A manager of [`TENANT`].
async fn manager(db: &Database) -> Session {
    let manager = Session::open_as(db, MANAGER_ROLE).await;
    let set = format!("select webhooks.set_tenant('{TENANT}', for_session => true)");
    manager.run(&set).await;
    manager
}

fn create(tenant: &str, scopes: &str) -> String {
    format!("select webhooks.create_access_token({tenant}, '{{{scopes}}}', '1 day', 'for a test')")
}

/// The path of a portal link for a tenant, by a session that may make it.
async fn link(by: &Session, tenant: &str) -> String {
    let create = format!("select webhooks.create_portal_link('{tenant}', '{{{READ}}}')");
    by.text(&create).await
}

/// The hash of the secret of a link.
fn hash(link: &str) -> String {
    let secret = link.strip_prefix("/portal#").unwrap_or(link);
    format!("pg_catalog.sha256('{secret}')")
}

fn redeem(link: &str, session: &str) -> String {
    let (link, session) = (hash(link), hash(session));
    format!("select tenant_id from webhooks_private.redeem_link({link}, {session})")
}

fn log_in(token: &str, session: &str) -> String {
    let (token, session) = (hash(token), hash(session));
    format!("select tenant_id from webhooks_private.open_session({token}, {session})")
}

/// The console's look-up of a session.
fn open_session(session: &str, scope: &str, tenant: &str) -> String {
    let hash = hash(session);
    format!(
        "select tenant_id, role from webhooks_private.open_access({hash}, '{scope}', {tenant}, 'session')"
    )
}

fn ours(scopes: &str) -> String {
    create(&format!("'{TENANT}'"), scopes)
}

/// The console's look-up.
fn open(token: &str, scope: &str, tenant: &str) -> String {
    format!(
        "select tenant_id, role from webhooks_private.open_access(pg_catalog.sha256('{token}'), '{scope}', {tenant})"
    )
}

#[tokio::test]
async fn a_token_gives_its_tenant_and_its_scopes() {
    let (db, admin) = database("token_grants").await;
    let manager = manager(&db).await;
    let token = manager
        .text(&ours(&format!("{READ},webhook_subscriptions:test")))
        .await;
    assert!(token.starts_with("whtok_") && token.len() == 49, "{token}");
    // Only the hash is stored.
    let stored = "select to_jsonb(t) from webhooks_private.access_tokens t";
    assert!(!admin.text(stored).await.contains(&token[6..]));

    let console = Session::open_as(&db, CONSOLE_ROLE).await;
    let granted = format!("{TENANT}|webhooks_manager");
    assert_eq!(console.text(&open(&token, READ, "null")).await, granted);
    let named = open(&token, READ, &format!("'{TENANT}'"));
    assert_eq!(console.text(&named).await, granted);

    let refusal = console
        .refused(&open(&token, "webhook_subscriptions:delete", "null"))
        .await;
    assert_eq!(refusal.code, "42501");
    assert!(refusal.message.contains("lacks the scope"), "{refusal:?}");
    let refusal = console
        .refused(&open(&token, READ, &format!("'{OTHER_TENANT}'")))
        .await;
    assert_eq!(refusal.code, "42501");
    // A scope that there is not is lacked, too.
    let refusal = console.refused(&open(&token, "all", "null")).await;
    assert_eq!(refusal.code, "42501");
    let refusal = console.refused(&open("whtok_wrong", READ, "null")).await;
    assert_eq!(refusal.code, "28000");
}

#[tokio::test]
async fn expired_and_revoked_tokens_are_not_valid() {
    let (db, admin) = database("token_ends").await;
    let manager = manager(&db).await;
    let console = Session::open_as(&db, CONSOLE_ROLE).await;
    let token = manager.text(&ours(READ)).await;
    console.text(&open(&token, READ, "null")).await;
    let list = format!("select id from webhooks.list_access_tokens('{TENANT}')");
    let id = manager.text(&list).await;
    let revoke = format!("select webhooks.revoke_access_token('{TENANT}', '{id}')");
    // Another tenant's manager finds nothing to revoke.
    let others = revoke.replace(TENANT, OTHER_TENANT);
    manager
        .run(&format!(
            "select webhooks.set_tenant('{OTHER_TENANT}', true)"
        ))
        .await;
    assert_eq!(manager.text(&others).await, "f");
    assert_eq!(manager.refused(&revoke).await.code, "42501");
    manager
        .run(&format!("select webhooks.set_tenant('{TENANT}', true)"))
        .await;
    assert_eq!(manager.text(&revoke).await, "t");
    assert_eq!(manager.text(&revoke).await, "f");
    let refusal = console.refused(&open(&token, READ, "null")).await;
    assert_eq!(refusal.code, "28000");

    let token = manager.text(&ours(READ)).await;
    admin
        .run("update webhooks_private.access_tokens set expires_at = now() - interval '1 s'")
        .await;
    let refusal = console.refused(&open(&token, READ, "null")).await;
    assert_eq!(refusal.code, "28000");
    // It is in the list for a month more, until maintenance comes by.
    manager.text(&ours(READ)).await;
    let count = format!("select count(*) from webhooks.list_access_tokens('{TENANT}')");
    assert_eq!(manager.text(&count).await, "2");
    admin
        .run("update webhooks_private.access_tokens set expires_at = now() - interval '31 days'")
        .await;
    admin.run("select webhooks.maintain()").await;
    assert_eq!(manager.text(&count).await, "0");
}

#[tokio::test]
async fn a_token_for_all_tenants_is_for_the_one_that_a_request_names() {
    let (db, _admin) = database("token_for_all").await;
    let refusal = manager(&db).await.refused(&create("null", READ)).await;
    assert_eq!(refusal.code, "42501");
    let operator = Session::open_as(&db, "manager_backend").await;
    let token = operator.text(&create("null", READ)).await;
    let console = Session::open_as(&db, CONSOLE_ROLE).await;
    for tenant in [TENANT, OTHER_TENANT] {
        let opened = console
            .text(&open(&token, READ, &format!("'{tenant}'")))
            .await;
        assert_eq!(opened, format!("{tenant}|webhooks_manager"));
    }
    let refusal = console.refused(&open(&token, READ, "null")).await;
    assert_eq!(
        (refusal.code.as_str(), refusal.message.as_str()),
        ("22004", "no tenant is named")
    );
    let listed = "select label from webhooks.list_access_tokens(null)";
    assert_eq!(operator.text(listed).await, "for a test");
}

#[tokio::test]
async fn what_a_token_can_not_be_is_refused() {
    let (db, _admin) = database("token_refusals").await;
    let manager = manager(&db).await;
    let call = |scopes: &str, expires_in: &str, label: &str| {
        format!("select webhooks.create_access_token('{TENANT}', {scopes}, {expires_in}, {label})")
    };
    let scopes = &format!("'{{{READ}}}'");
    for (call, message) in [
        (
            call("'{}'", "'1 day'", "'x'"),
            "an access token without scopes permits nothing",
        ),
        (
            call("null", "'1 day'", "'x'"),
            "an access token without scopes permits nothing",
        ),
        (
            call("'{all}'", "'1 day'", "'x'"),
            "there is no scope \"all\"",
        ),
        (call("'{null}'", "'1 day'", "'x'"), "there is no scope null"),
        (call(scopes, "null", "'x'"), "expires_in is null"),
        (call(scopes, "'59 s'", "'x'"), "expires_in is 00:00:59"),
        (call(scopes, "'6 years'", "'x'"), "expires_in is 6 years"),
        (call(scopes, "'1 day'", "null"), "label is null"),
        (call(scopes, "'1 day'", "' '"), "label is \" \""),
    ] {
        let refusal = manager.refused(&call).await;
        assert_eq!(refusal.code, "22023", "{call}");
        assert_eq!(refusal.message, message, "{call}");
        assert!(!refusal.hint.is_empty(), "{call}");
    }
    // A manager is no publisher.
    let refusal = manager.refused(&ours("events:publish")).await;
    assert_eq!(
        (refusal.code.as_str(), refusal.hint.as_str()),
        ("42501", "Only members of webhooks_publisher can.")
    );
    let long = call(scopes, "'1 day'", "repeat('x', 201)");
    assert_eq!(manager.refused(&long).await.code, "22023");
    let count = format!("select count(*) from webhooks.list_access_tokens('{TENANT}')");
    assert_eq!(manager.text(&count).await, "0");
}

/// The console itself reads and writes nothing, and takes no more than the roles of a manager and a publisher.
#[tokio::test]
async fn the_consoles_role_does_nothing_by_itself() {
    let (db, admin) = database("console_role").await;
    admin
        .run(&format!(
            "insert into webhooks.webhook_subscriptions (tenant_id, name, webhook_url) values
                 ('{TENANT}', 'x', 'https://x.example/')"
        ))
        .await;
    let console = Session::open_as(&db, CONSOLE_ROLE).await;
    console
        .run(&format!("set webhooks.tenant_id = '{TENANT}'"))
        .await;
    for statement in [
        "select from webhooks.webhook_subscriptions",
        "select webhooks.set_tenant(null)",
        "select from webhooks_private.access_tokens",
        "select from webhooks_private.access_scopes()",
        "set role webhooks_all_tenants",
        "set role webhooks_auditor",
    ] {
        assert_eq!(
            console.refused(statement).await.code,
            "42501",
            "{statement}"
        );
    }
    let all = "select pg_has_role('console', 'webhooks_all_tenants', 'member'), webhooks.bypasses_isolation('console')";
    assert_eq!(admin.text(all).await, "f|f");
    let request = format!(
        "begin read only; set local role webhooks_manager; set local webhooks.tenant_id = '{TENANT}';
         select count(*) from webhooks.list_subscriptions()"
    );
    assert_eq!(console.lines(&request).await, ["1"]);
    let write = "update webhooks.webhook_subscriptions set name = 'y'";
    assert_eq!(console.refused(write).await.code, "25006");
    console.run("rollback").await;
    let refusal = console
        .refused("select from webhooks.list_subscriptions()")
        .await;
    assert_eq!(refusal.code, "42501");
}

#[tokio::test]
async fn uses_are_noted_at_most_every_five_minutes() {
    let (db, admin) = database("token_uses").await;
    let manager = manager(&db).await;
    manager.text(&ours(READ)).await;
    let console = Session::open_as(&db, CONSOLE_ROLE).await;
    let list = format!("select id, last_used_at from webhooks.list_access_tokens('{TENANT}')");
    let listed = manager.text(&list).await;
    let id = listed.strip_suffix("|null").unwrap();
    let note = format!("select webhooks_private.note_token_uses('{{{id}}}')");
    console.run(&note).await;
    let first = manager.text(&list).await;
    assert!(!first.ends_with("null"), "{first}");
    console.run(&note).await;
    assert_eq!(manager.text(&list).await, first);
    admin
        .run("update webhooks_private.access_tokens set last_used_at = last_used_at - interval '6 minutes'")
        .await;
    console.run(&note).await;
    assert!(manager.text(&list).await > first);
}

#[tokio::test]
async fn tokens_are_in_the_audit_log_and_go_with_their_tenant() {
    let (db, admin) = database("token_audit").await;
    let manager = manager(&db).await;
    let token = manager.text(&ours(READ)).await;
    let id = manager
        .text(&format!(
            "select id from webhooks.list_access_tokens('{TENANT}')"
        ))
        .await;
    manager
        .text(&format!(
            "select webhooks.revoke_access_token('{TENANT}', '{id}')"
        ))
        .await;
    let entries = "select action, object_id, tenant_id, acting_role from webhooks.audit_log
                   where object_type = 'access_token' order by id";
    let entry = |action: &str| format!("{action}|{id}|{TENANT}|manager");
    assert_eq!(
        admin.lines(entries).await,
        [entry("created"), entry("revoked")]
    );
    let all = "select string_agg(to_jsonb(l)::text, ' ') from webhooks.audit_log l";
    assert!(!admin.text(all).await.contains(&token[6..]));

    manager.text(&ours(READ)).await;
    let other = create(&format!("'{OTHER_TENANT}'"), READ);
    admin.text(&other).await;
    admin
        .run(&format!("select webhooks.purge_tenant('{TENANT}')"))
        .await;
    let left = "select tenant_id from webhooks_private.access_tokens";
    assert_eq!(admin.text(left).await, OTHER_TENANT);
    admin
        .run(&format!(
            "create table tenants (id uuid primary key); insert into tenants values ('{OTHER_TENANT}');
             select webhooks.link_tenants('tenants');
             delete from tenants"
        ))
        .await;
    let left = "select count(*) from webhooks_private.access_tokens";
    assert_eq!(admin.text(left).await, "0");
}

#[tokio::test]
async fn a_portal_link_opens_one_session() {
    let (db, admin) = database("portal_once").await;
    let manager = manager(&db).await;
    let path = link(&manager, TENANT).await;
    assert!(path.starts_with("/portal#whlink_"), "{path}");
    let stored = "select to_jsonb(t) from webhooks_private.access_tokens t";
    assert!(!admin.text(stored).await.contains(&path[15..]));

    let console = Session::open_as(&db, CONSOLE_ROLE).await;
    // A link is no token and no session.
    let secret = path.strip_prefix("/portal#").unwrap();
    for refused in [
        open(secret, READ, "null"),
        open_session(secret, READ, "null"),
        log_in(secret, "x"),
    ] {
        assert_eq!(console.refused(&refused).await.code, "28000", "{refused}");
    }
    // Of two at once the second one waits, and then finds that it is used up.
    let other = Session::open_as(&db, CONSOLE_ROLE).await;
    console.run("begin").await;
    assert_eq!(console.text(&redeem(&path, "one")).await, TENANT);
    let (second, ()) = tokio::join!(
        async { other.refused(&redeem(&path, "two")).await },
        async {
            admin.wait_until_blocked(&other).await;
            console.run("commit").await;
        }
    );
    assert_eq!(second.code, "28000");

    let granted = format!("{TENANT}|webhooks_manager");
    assert_eq!(
        console.text(&open_session("one", READ, "null")).await,
        granted
    );
    // A session is no token.
    let refusal = console.refused(&open("one", READ, "null")).await;
    assert_eq!(refusal.code, "28000");
    let refusal = console
        .refused(&open_session("one", READ, &format!("'{OTHER_TENANT}'")))
        .await;
    assert_eq!(refusal.code, "42501");
    let lasts = "select kind, label, expires_at - last_used_at, opened_with from webhooks_private.access_tokens";
    assert_eq!(admin.text(lasts).await, "session|portal|08:00:00|null");
}

#[tokio::test]
async fn what_a_portal_link_can_not_be_is_refused() {
    let (db, admin) = database("portal_refusals").await;
    let manager = manager(&db).await;
    let call = |tenant: &str, rest: &str| {
        format!("select webhooks.create_portal_link({tenant}, '{{{READ}}}'{rest})")
    };
    let ours = format!("'{TENANT}'");
    for (call, code, message) in [
        (
            call("null", ""),
            "22004",
            "a portal link is for one tenant, and none is named",
        ),
        (
            call(&ours, ", expires_in => '8 days'"),
            "22023",
            "expires_in is 8 days",
        ),
        (
            call(&ours, ", expires_in => null"),
            "22023",
            "expires_in is null",
        ),
        (
            call(&ours, ", session_length => '4 minutes'"),
            "22023",
            "session_length is 00:04:00",
        ),
        (
            call(&ours, ", session_length => '8 days'"),
            "22023",
            "session_length is 8 days",
        ),
        (call(&ours, ", label => ''"), "22023", "label is \"\""),
        (
            format!("select webhooks.create_portal_link({ours}, '{{operator:read}}')"),
            "22023",
            "the scope \"operator:read\" is for all tenants, and the token for one",
        ),
    ] {
        let refusal = manager.refused(&call).await;
        assert_eq!(
            (refusal.code.as_str(), refusal.message.as_str()),
            (code, message),
            "{call}"
        );
        assert!(!refusal.hint.is_empty(), "{call}");
    }
    let theirs = call(&format!("'{OTHER_TENANT}'"), "");
    assert_eq!(manager.refused(&theirs).await.code, "42501");
    // One that has expired opens nothing.
    let path = link(&manager, TENANT).await;
    admin
        .run("update webhooks_private.access_tokens set expires_at = now()")
        .await;
    let console = Session::open_as(&db, CONSOLE_ROLE).await;
    let refusal = console.refused(&redeem(&path, "x")).await;
    assert_eq!(refusal.code, "28000");
}

#[tokio::test]
async fn a_session_has_what_its_token_has_and_ends_with_it() {
    let (db, admin) = database("session_ends").await;
    let manager = manager(&db).await;
    let console = Session::open_as(&db, CONSOLE_ROLE).await;
    let token = manager.text(&ours(READ)).await;
    assert_eq!(console.text(&log_in(&token, "one")).await, TENANT);
    assert_eq!(console.text(&log_in(&token, "two")).await, TENANT);
    assert_eq!(console.refused(&log_in("one", "x")).await.code, "28000");
    let granted = format!("{TENANT}|webhooks_manager");
    assert_eq!(
        console.text(&open_session("one", READ, "null")).await,
        granted
    );
    let other = open_session("one", "webhook_subscriptions:delete", "null");
    let refusal = console.refused(&other).await;
    assert_eq!(
        (refusal.code.as_str(), refusal.message.as_str()),
        (
            "42501",
            "the session lacks the scope \"webhook_subscriptions:delete\""
        )
    );
    // 12 hours, of the day that the token is valid for.
    let lasts = "select distinct expires_at - last_used_at from webhooks_private.access_tokens where kind = 'session'";
    assert_eq!(admin.text(lasts).await, "12:00:00");
    let close = format!("select webhooks_private.close_session({})", hash("one"));
    assert_eq!(console.text(&close).await, "t");
    assert_eq!(console.text(&close).await, "f");
    let gone = open_session("one", READ, "null");
    assert_eq!(console.refused(&gone).await.code, "28000");
    console.text(&open_session("two", READ, "null")).await;
    // A token can't be closed as if it were a session.
    let close = format!("select webhooks_private.close_session({})", hash(&token));
    assert_eq!(console.text(&close).await, "f");

    let revoke = format!(
        "select webhooks.revoke_access_token('{TENANT}', id) from webhooks.list_access_tokens('{TENANT}') where kind = 'token'"
    );
    assert_eq!(manager.text(&revoke).await, "t");
    let refusal = console.refused(&open_session("two", READ, "null")).await;
    assert_eq!(
        (refusal.code.as_str(), refusal.message.as_str()),
        ("28000", "the session has ended")
    );
    let left = format!(
        "select count(*) from webhooks.list_access_tokens('{TENANT}', '{{token,session}}')"
    );
    assert_eq!(manager.text(&left).await, "0");
}

#[tokio::test]
async fn a_token_has_at_most_a_hundred_sessions() {
    let (db, admin) = database("session_number").await;
    let manager = manager(&db).await;
    let console = Session::open_as(&db, CONSOLE_ROLE).await;
    let token = manager.text(&ours(READ)).await;
    let all = format!(
        "do $$ begin for i in 1..105 loop
             perform webhooks_private.open_session(pg_catalog.sha256('{token}'), pg_catalog.sha256(i::text::bytea));
         end loop; end $$"
    );
    console.run(&all).await;
    let count = "select count(*) from webhooks_private.access_tokens where kind = 'session'";
    assert_eq!(admin.text(count).await, "100");
    let oldest = open_session("5", READ, "null");
    assert_eq!(console.refused(&oldest).await.code, "28000");
    console.text(&open_session("6", READ, "null")).await;
}

#[tokio::test]
async fn operators_see_states_without_naming_a_tenant() {
    let (db, admin) = database("operator_scopes").await;
    admin.run("grant webhooks_monitor to manager_backend").await;
    let operator = Session::open_as(&db, "manager_backend").await;
    let scopes = format!("{READ},operator:read");
    let token = operator.text(&create("null", &scopes)).await;
    let console = Session::open_as(&db, CONSOLE_ROLE).await;
    let opened = open(&token, "operator:read", "null");
    assert_eq!(console.text(&opened).await, "null|webhooks_monitor");
    let request = "begin read only; set local role webhooks_monitor;
        select from webhooks.doctor(); select from webhooks.queue_status(); select from webhooks.alerts;
        select from webhooks.settings; rollback";
    console.run(request).await;
    let named = open(&token, READ, &format!("'{TENANT}'"));
    assert_eq!(
        console.text(&named).await,
        format!("{TENANT}|webhooks_manager")
    );
    let session = log_in(&token, "s");
    assert_eq!(console.text(&session).await, "null");
    let opened = open_session("s", "operator:read", "null");
    assert_eq!(console.text(&opened).await, "null|webhooks_monitor");

    // A manager who is no monitor can't give it, and nobody for one tenant.
    admin
        .run("revoke webhooks_monitor from manager_backend")
        .await;
    let refusal = operator.refused(&create("null", &scopes)).await;
    assert_eq!(
        (refusal.code.as_str(), refusal.hint.as_str()),
        ("42501", "Only members of webhooks_monitor can.")
    );
    let refusal = admin
        .refused(&create(&format!("'{TENANT}'"), "operator:read"))
        .await;
    assert_eq!(refusal.code, "22023");
}

#[tokio::test]
async fn the_claims_of_a_jwt_are_as_those_of_a_token() {
    let (db, _admin) = database("jwt_claims").await;
    let console = Session::open_as(&db, CONSOLE_ROLE).await;
    let open = |tenant: &str, scopes: &str, scope: &str, wanted: &str| {
        format!(
            "select tenant_id, role, is_operator from webhooks_private.open_jwt({tenant}, '{{{scopes}}}', null, '{scope}', {wanted})"
        )
    };
    let (ours, theirs) = (format!("'{TENANT}'"), format!("'{OTHER_TENANT}'"));
    // Scopes of others may be in it.
    let granted = format!("{TENANT}|webhooks_manager|f");
    let call = open(&ours, &format!("openid,{READ}"), READ, "null");
    assert_eq!(console.text(&call).await, granted);
    let granted = format!("{OTHER_TENANT}|webhooks_manager|t");
    assert_eq!(
        console.text(&open("null", READ, READ, &theirs)).await,
        granted
    );
    for (call, message) in [
        (
            open(&ours, READ, READ, &theirs),
            format!("the JWT is not for tenant {OTHER_TENANT}"),
        ),
        (
            open(&ours, "openid", "openid", "null"),
            "the JWT lacks the scope \"openid\"".to_owned(),
        ),
        (
            open(&ours, "operator:read", "operator:read", "null"),
            "the JWT lacks the scope \"operator:read\"".to_owned(),
        ),
    ] {
        let refusal = console.refused(&call).await;
        assert_eq!((refusal.code.as_str(), refusal.message), ("42501", message));
    }
}

#[tokio::test]
async fn what_has_expired_is_removed() {
    let (db, admin) = database("access_expiry").await;
    let manager = manager(&db).await;
    let console = Session::open_as(&db, CONSOLE_ROLE).await;
    let token = manager.text(&ours(READ)).await;
    console.text(&log_in(&token, "s")).await;
    link(&manager, TENANT).await;
    let forget = "select done from webhooks.maintain() where task = 'forget_access_tokens'";
    assert_eq!(admin.text(forget).await, "0");
    admin
        .run("update webhooks_private.access_tokens set expires_at = now() - interval '1 s'")
        .await;
    assert_eq!(admin.text(forget).await, "2");
    let left = "select kind from webhooks_private.access_tokens";
    assert_eq!(admin.text(left).await, "token");
    admin
        .run("update webhooks_private.access_tokens set expires_at = now() - interval '31 days'")
        .await;
    assert_eq!(admin.text(forget).await, "1");
}

#[tokio::test]
async fn sessions_are_in_the_audit_log() {
    let (db, admin) = database("session_audit").await;
    let manager = manager(&db).await;
    let console = Session::open_as(&db, CONSOLE_ROLE).await;
    let user = "33333333-3333-4333-8333-333333333333";
    let create = format!(
        "select webhooks.create_portal_link('{TENANT}', '{{{READ}}}', user_id => '{user}')"
    );
    let path = manager.text(&create).await;
    console.text(&redeem(&path, "portal")).await;
    let close = format!("select webhooks_private.close_session({})", hash("portal"));
    console.text(&close).await;
    let path = link(&manager, TENANT).await;
    console.text(&redeem(&path, "other")).await;
    let revoke = format!(
        "select webhooks.revoke_access_token('{TENANT}', id) from webhooks.list_access_tokens('{TENANT}', '{{session}}')"
    );
    manager.text(&revoke).await;
    let entries = "select concat_ws(' ', action, object_type, acting_role, user_id) from webhooks.audit_log order by id";
    assert_eq!(
        admin.lines(entries).await,
        [
            "created portal_link manager".to_owned(),
            format!("opened session console {user}"),
            format!("closed session console {user}"),
            "created portal_link manager".to_owned(),
            "opened session console".to_owned(),
            "revoked session manager".to_owned(),
        ]
    );
    let all = "select string_agg(to_jsonb(l)::text, ' ') from webhooks.audit_log l";
    assert!(!admin.text(all).await.contains("whlink_"));
}

#[tokio::test]
async fn tokens_are_listed_by_kind_and_by_the_page() {
    let (db, _admin) = database("token_pages").await;
    let manager = manager(&db).await;
    let console = Session::open_as(&db, CONSOLE_ROLE).await;
    let token = manager.text(&ours(READ)).await;
    manager.text(&ours(READ)).await;
    link(&manager, TENANT).await;
    console.text(&log_in(&token, "s")).await;
    let list = async |more: &str| {
        let list = format!(
            "select string_agg(kind, ' ') from webhooks.list_access_tokens('{TENANT}'{more})"
        );
        manager.text(&list).await
    };
    assert_eq!(list("").await, "token token link");
    assert_eq!(list(", kinds => '{session}'").await, "session");
    assert_eq!(list(", max_tokens => 1").await, "token");
    let second = format!(
        "select id from webhooks.list_access_tokens('{TENANT}', max_tokens => 2) order by id desc limit 1"
    );
    let after = format!(", after_id => '{}'", manager.text(&second).await);
    assert_eq!(list(&after).await, "link");
    for (more, message) in [
        (", kinds => '{key}'", "kinds has \"key\", which is no kind"),
        (", kinds => null", "kinds has null, which is no kind"),
        (
            ", max_tokens => 0",
            "max_tokens is 0, not between 1 and 1000",
        ),
    ] {
        let call = format!("select from webhooks.list_access_tokens('{TENANT}'{more})");
        let refusal = manager.refused(&call).await;
        assert_eq!(
            (refusal.code.as_str(), refusal.message.as_str()),
            ("22023", message)
        );
        assert!(!refusal.hint.is_empty());
    }
}

#[tokio::test]
async fn nobody_waits_for_a_token_that_is_being_revoked_to_note_its_use() {
    let (db, admin) = database("token_noted").await;
    let manager = manager(&db).await;
    let console = Session::open_as(&db, CONSOLE_ROLE).await;
    let token = manager.text(&ours(READ)).await;
    manager.text(&ours(READ)).await;
    let ids = "select string_agg(id::text, ',' order by id) from webhooks_private.access_tokens";
    let ids = admin.text(ids).await;
    let (first, _) = ids.split_once(',').unwrap();
    manager
        .run(&format!(
            "begin; select webhooks.revoke_access_token('{TENANT}', '{first}')"
        ))
        .await;
    console.run("set lock_timeout = '1ms'").await;
    let note = format!("select webhooks_private.note_token_uses('{{{ids}}}')");
    console.run(&note).await;
    // The other one is noted.
    let noted = "select string_agg((last_used_at is not null)::text, ' ' order by id) from webhooks_private.access_tokens";
    assert_eq!(admin.text(noted).await, "false true");
    // A session waits for what becomes of its token, and is not opened without it.
    console.run("set lock_timeout = 0").await;
    let log_in = log_in(&token, "s");
    let (refusal, ()) = tokio::join!(async { console.refused(&log_in).await }, async {
        admin.wait_until_blocked(&console).await;
        manager.run("commit").await;
    });
    assert_eq!(refusal.code, "28000");
    let kinds = "select string_agg(kind, ' ') from webhooks_private.access_tokens";
    assert_eq!(admin.text(kinds).await, "token");
}

#[tokio::test]
async fn tokens_for_all_tenants_end_with_the_right_of_the_role_that_made_them() {
    let (db, admin) = database("token_makers").await;
    let tag = admin.pid();
    admin
        .run(&format!(
            "create role \"maker_{tag}\"; grant webhooks_manager to \"maker_{tag}\";
             select webhooks.grant_all_tenants('maker_{tag}');
             create role \"heir_{tag}\"; grant webhooks_manager to \"heir_{tag}\";
             select webhooks.grant_all_tenants('heir_{tag}')"
        ))
        .await;
    let console = Session::open_as(&db, CONSOLE_ROLE).await;
    let mut tokens = Vec::new();
    for role in [format!("maker_{tag}"), format!("heir_{tag}")] {
        admin.run(&format!("set role \"{role}\"")).await;
        tokens.push(admin.text(&create("null", READ)).await);
        admin.text(&ours(READ)).await;
        admin.run("reset role").await;
    }
    admin.text(&create("null", READ)).await;
    console.text(&log_in(&tokens[0], "s")).await;
    let found = "select string_agg(severity || ' ' || finding, ';') from webhooks.doctor() where check_name = 'access tokens'";
    assert_eq!(admin.text(found).await, "null");
    // By hand: the extension is not told of it.
    admin
        .run(&format!("revoke webhooks_all_tenants from \"heir_{tag}\""))
        .await;
    assert_eq!(
        admin.text(found).await,
        format!(
            "info 1 access tokens for all tenants were created by role \"heir_{tag}\", which may not work for all tenants"
        )
    );
    admin
        .run(&format!(
            "select webhooks.revoke_all_tenants('maker_{tag}')"
        ))
        .await;
    for refused in [
        open(&tokens[0], READ, &format!("'{TENANT}'")),
        open(&tokens[1], READ, &format!("'{TENANT}'")),
        open_session("s", READ, &format!("'{TENANT}'")),
    ] {
        assert_eq!(console.refused(&refused).await.code, "28000", "{refused}");
    }
    assert_eq!(admin.text(found).await, "null");
    let left = "select count(*) filter (where tenant_id is null), count(*) filter (where tenant_id is not null) from webhooks_private.access_tokens";
    assert_eq!(admin.text(left).await, "1|2");
    admin
        .run(&format!(
            "drop role \"maker_{tag}\"; drop role \"heir_{tag}\""
        ))
        .await;
}

#[tokio::test]
async fn a_purge_ends_access_at_once_and_goes_round_again_for_what_is_new() {
    let (db, admin) = database("token_purge").await;
    let manager = manager(&db).await;
    manager.text(&ours(READ)).await;
    let subscribe = format!(
        "insert into webhooks.webhook_subscriptions (tenant_id, name, webhook_url) values ('{TENANT}', 'x', 'https://x.example/')"
    );
    for _ in 0..2 {
        admin.run(&subscribe).await;
    }
    let purge = format!(
        "select finished_at is not null from webhooks.purge_tenant('{TENANT}', max_rows => 1)"
    );
    assert_eq!(admin.text(&purge).await, "f");
    let tokens = "select count(*) from webhooks_private.access_tokens";
    assert_eq!(admin.text(tokens).await, "0");
    admin.run("delete from webhooks.webhook_subscriptions; update webhooks.tenant_purges set relation = 'tenant_limits'").await;
    admin.run(&subscribe).await;
    while admin.text(&purge).await == "f" {}
    let left = "select count(*) from webhooks.webhook_subscriptions";
    assert_eq!(admin.text(left).await, "0");
}

#[tokio::test]
async fn the_comment_names_all_scopes() {
    let (_db, admin) = database("token_scopes").await;
    let missing = "select string_agg(s.scope, ' ') from webhooks_private.access_scopes() s
                   where strpos(obj_description('webhooks.create_access_token'::regproc, 'pg_proc'), s.scope) = 0";
    assert_eq!(admin.text(missing).await, "null");
}

/// Names of roles that log in are the operator's to know.
#[tokio::test]
async fn a_tenant_sees_group_roles_in_the_audit_log_and_no_others() {
    let (db, admin) = database("token_audit_roles").await;
    let manager = manager(&db).await;
    admin.text(&ours(READ)).await;
    admin.run("set role webhooks_manager").await;
    admin
        .run(&format!("select webhooks.set_tenant('{TENANT}', true)"))
        .await;
    admin.text(&ours(READ)).await;
    admin.run("reset role").await;
    let roles = format!(
        "select string_agg(coalesce(acting_role, 'null'), ' ' order by id) from webhooks.list_audit_log('{TENANT}')"
    );
    assert_eq!(manager.text(&roles).await, "null webhooks_manager");
    let owner = admin.text("select current_user").await;
    assert_eq!(
        admin.text(&roles).await,
        format!("{owner} webhooks_manager")
    );
}
