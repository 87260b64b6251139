//! Access tokens of the HTTP API: who makes them, what they permit, and that the console may do nothing without one.

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
    // It is in the list for a month more, until another one is made.
    manager.text(&ours(READ)).await;
    let count = format!("select count(*) from webhooks.list_access_tokens('{TENANT}')");
    assert_eq!(manager.text(&count).await, "2");
    admin
        .run("update webhooks_private.access_tokens set expires_at = now() - interval '31 days'")
        .await;
    manager.text(&ours(READ)).await;
    assert_eq!(manager.text(&count).await, "1");
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
