//! Secrets are written by managers and read back by nobody but the sidecar.

use webhooks_tests::database::{MANAGER_ROLE, SIDECAR_ROLE};

use super::cast::{self, OURS, THEIRS, attempt};
use crate::support::session::Session;

const SECRET: &str = "whsec_dG9wc2VjcmV0dG9wc2VjcmV0dG9wc2VjcmV0";
const HEADER: &str = "top-secret-value";
const TOKEN: &str = "token-of-the-template";

/// A manager that has given its subscription secrets.
async fn manager(name: &str) -> (webhooks_tests::database::Database, Session, Session) {
    let (db, admin) = cast::database(name).await;
    let manager = Session::open_as(&db, MANAGER_ROLE).await;
    manager
        .run(&format!(
            "select webhooks.set_tenant('{}', for_session => true);
             update webhooks.webhook_subscriptions
             set auth_type = 'signature', auth_config = '{{\"secret\": \"{SECRET}\"}}', webhook_headers = '{{\"x-token\": \"{HEADER}\"}}',
                 template_secrets = '{{\"token\": \"{TOKEN}\"}}', payload_template = '{{\"token\": \"{{{{ secrets.token }}}}\"}}'",
            OURS.id
        ))
        .await;
    (db, admin, manager)
}

fn shows_secret(text: &str) -> bool {
    [SECRET, HEADER, TOKEN]
        .iter()
        .any(|secret| text.contains(secret))
}

#[tokio::test]
async fn a_manager_reads_no_secret_in_any_way() {
    let (_db, _admin, manager) = manager("secrets_unread").await;
    for secret in ["auth_config", "webhook_headers", "template_secrets"] {
        for statement in [
            "select {secret} from webhooks.webhook_subscriptions",
            "select * from webhooks.webhook_subscriptions",
            "table webhooks.webhook_subscriptions",
            "select s from webhooks.webhook_subscriptions s",
            "select (s).{secret} from webhooks.webhook_subscriptions s",
            "select to_jsonb(s) from webhooks.webhook_subscriptions s",
            "select name from webhooks.webhook_subscriptions where {secret}::text like '%a%'",
            "select name from webhooks.webhook_subscriptions order by {secret}",
            "select count(*) from webhooks.webhook_subscriptions group by {secret}",
            "select max(length({secret}::text)) from webhooks.webhook_subscriptions",
            "select query_to_xml('select {secret} from webhooks.webhook_subscriptions', true, false, '')",
            "update webhooks.webhook_subscriptions set description = {secret}::text",
            "update webhooks.webhook_subscriptions set name = name where {secret} is not null",
            "update webhooks.webhook_subscriptions set name = name returning {secret}",
            "update webhooks.webhook_subscriptions set name = name returning *",
            "delete from webhooks.webhook_subscriptions returning {secret}",
            "delete from webhooks.webhook_subscriptions where {secret}::text like '%a%'",
            "insert into webhooks.webhook_subscriptions (id, tenant_id, name, webhook_url) values ('{id}', '{tenant}', 'x', 'http://x.example/')
             on conflict (id) do update set description = webhook_subscriptions.{secret}::text",
            "insert into webhooks.webhook_subscriptions (tenant_id, name, webhook_url) values ('{tenant}', 'x', 'http://x.example/') returning {secret}",
            "merge into webhooks.webhook_subscriptions s using (values (1)) t on true when matched then update set description = s.{secret}::text",
            "copy webhooks.webhook_subscriptions ({secret}) to stdout",
            "create temporary view v as select {secret} from webhooks.webhook_subscriptions; table v",
            "create temporary table t as select {secret} from webhooks.webhook_subscriptions",
            "create function pg_temp.f() returns trigger language plpgsql as $$ begin raise '%', new.{secret}; end $$;
             create trigger t after update on webhooks.webhook_subscriptions for each row execute function pg_temp.f()",
            "create index on webhooks.webhook_subscriptions ({secret})",
            "alter table webhooks.webhook_subscriptions disable row level security",
            "create policy p on webhooks.webhook_subscriptions using (true)",
            "select * from webhooks_private.load_subscriptions('{{id}}')",
            "table webhooks_private.subscription_routes",
        ] {
            let statement = statement
                .replace("{secret}", secret)
                .replace("{{id}}", &format!("{{{}}}", OURS.subscription))
                .replace("{id}", OURS.subscription)
                .replace("{tenant}", OURS.id);
            let outcome = attempt(&manager, Some(OURS), &statement).await;
            let refusal = outcome.refusal();
            assert_eq!(refusal.code, "42501", "{statement}: {refusal:?}");
            assert!(!shows_secret(&refusal.everything), "{refusal:?}");
        }
    }
}

#[tokio::test]
async fn a_manager_sees_which_secrets_are_set() {
    let (_db, admin, manager) = manager("secrets_redacted").await;
    let settings = "select auth_type, auth_config, webhook_headers, template_secrets from webhooks.subscription_settings order by id";
    let signature = r#"signature|{"secret": null}|{"x-token": null}|{"token": null}"#;
    assert_eq!(manager.lines(settings).await, [signature; 2]);
    manager
        .run(
            r#"update webhooks.webhook_subscriptions set auth_type = 'api_key', auth_config = '{"api_key": "k", "header": "X-Api-Key"}', webhook_headers = '{}';
               update webhooks.webhook_subscriptions set auth_type = null, auth_config = null, webhook_headers = null, template_secrets = null, payload_template = null where name = 'ours 2'"#,
        )
        .await;
    assert_eq!(
        manager.lines(settings).await,
        [
            r#"api_key|{"header": "X-Api-Key", "api_key": null}|{}|{"token": null}"#,
            "null|null|null|null"
        ]
    );
    let all = manager
        .lines("select t::text from webhooks.subscription_settings t")
        .await;
    assert!(!shows_secret(&all.join("\n")));
    // Whatever the table gets, the view has.
    let columns = |relation: &str| {
        format!(
            "select attname, atttypid::regtype from pg_attribute where attrelid = 'webhooks.{relation}'::regclass and attnum > 0 and not attisdropped order by 1"
        )
    };
    assert_eq!(
        admin.lines(&columns("subscription_settings")).await,
        admin.lines(&columns("webhook_subscriptions")).await
    );
}

/// No error about a subscription quotes what it holds.
#[tokio::test]
async fn errors_show_no_secret() {
    let (_db, _admin, manager) = manager("secrets_errors").await;
    for change in [
        "auth_type = 'api_key'",
        "auth_type = 'oauth'",
        "auth_type = 'none'",
        "webhook_headers = '{\"content-length\": \"top-secret-value\"}'",
        "webhook_headers = '{\"x\": [\"top-secret-value\"]}'",
        "auth_config = '{\"secret\": [\"whsec_dG9wc2VjcmV0dG9wc2VjcmV0dG9wc2VjcmV0\"]}'",
        "auth_config = '[\"whsec_dG9wc2VjcmV0dG9wc2VjcmV0dG9wc2VjcmV0\"]'",
        "auth_type = 'signature', auth_config = '{\"api_key\": \"whsec_dG9wc2VjcmV0dG9wc2VjcmV0dG9wc2VjcmV0\"}'",
        "template_secrets = '[\"token-of-the-template\"]'",
        "template_secrets = '{\"token\": [\"token-of-the-template\"]}'",
        "template_secrets = '{\"Token\": \"token-of-the-template\"}'",
        "template_secrets = jsonb_build_object('token', repeat('token-of-the-template', 200))",
        "template_secrets = '{\"other\": \"token-of-the-template\"}'",
        "template_secrets = jsonb_build_object('token', (repeat('[', 100) || '\"token-of-the-template\"' || repeat(']', 100))::jsonb)",
        "payload_template = '{% if secrets.token == \"a\" %}1{% endif %}'",
        "payload_template = '{{ secrets.token[:1] }}'",
        "payload_template = '{% set x %}{{ secrets.token }}{% endset %}{{ x }}'",
        "payload_template = 'x {{ secrets.token }}'",
        "payload_template = '{{ secrets.other }}'",
        "max_payload_size_kb = 1, payload_template = repeat(' ', 2000) || '{{ secrets.token }}'",
        "webhook_url = 'ftp://x.example/'",
        "timeout_seconds = 0",
        "retry_count = 1000",
        "name = null",
        "environment = null",
        "subscribed_events = null",
        "no_retry_statuses = '{1}'",
        "id = '00000000-0000-7000-8000-00000000dead'",
        "tenant_id = '00000000-0000-7000-8000-00000000dead'",
        "name = repeat('x', 300)",
        "id = null",
    ] {
        let update = format!(
            "update webhooks.webhook_subscriptions set {change} where id = '{}'",
            OURS.subscription
        );
        let outcome = attempt(&manager, Some(OURS), &update).await;
        let refusal = outcome.refusal();
        assert!(!shows_secret(&refusal.everything), "{change}: {refusal:?}");
    }
}

/// Nor does what a template makes of it, as it is written, previewed or explained.
#[tokio::test]
async fn previews_show_no_secret() {
    let (_db, admin, manager) = manager("secrets_previews").await;
    let preview = format!(
        "select (webhooks.preview_payload('{0}')).body;
         select webhooks.build_payload('{1}', '{0}');
         select body from webhooks_private.preview_request('{1}', '{0}')",
        OURS.subscription, OURS.event
    );
    for statement in preview.split(';') {
        assert_eq!(manager.text(statement).await, r#"{"token": "***"}"#);
    }
    // A role that could read the secret is shown nothing any more.
    let built = format!(
        "select webhooks.build_payload('{}', '{}')",
        OURS.event, OURS.subscription
    );
    assert_eq!(admin.text(&built).await, r#"{"token": "***"}"#);
    let form = "update webhooks.webhook_subscriptions set payload_content_type = 'application/x-www-form-urlencoded', payload_template = 'token={{ secrets.token | urlencode }}'";
    manager.run(form).await;
    assert_eq!(manager.text(&built).await, "token=%2A%2A%2A");
    let audit = admin
        .lines("select before::text, after::text from webhooks.audit_log")
        .await;
    assert!(audit.iter().any(|line| line.contains("template_secrets")));
    assert!(!shows_secret(&audit.join("\n")), "{audit:#?}");
}

#[tokio::test]
async fn a_renewed_secret_is_told_once_and_is_the_one_in_use() {
    let (db, admin, manager) = manager("secrets_renewed").await;
    let sidecar = Session::open_as(&db, SIDECAR_ROLE).await;
    let renew = format!("select webhooks.renew_secret('{}')", OURS.subscription);
    let in_use = format!(
        "select auth_config::jsonb ->> 'secret' from webhooks_private.load_subscriptions('{{{}}}')",
        OURS.subscription
    );
    let (first, second) = (manager.text(&renew).await, manager.text(&renew).await);
    assert_ne!(first, second);
    assert!(second.starts_with("whsec_"), "{second}");
    assert_eq!(sidecar.text(&in_use).await, second);
    // Nobody else's is touched, and a key of the receiver's not replaced.
    let others = format!(
        "select count(*) from webhooks.webhook_subscriptions where auth_config ->> 'secret' in ('{SECRET}', '{}-secret')",
        THEIRS.mark
    );
    assert_eq!(admin.text(&others).await, "4");
    for auth_type in [
        "'none', auth_config = '{}'",
        "null, auth_config = null",
        "'api_key', auth_config = '{\"api_key\": \"k\"}'",
    ] {
        manager
            .run(&format!(
                "update webhooks.webhook_subscriptions set auth_type = {auth_type}"
            ))
            .await;
        let refusal = manager.refused(&renew).await;
        assert_eq!(refusal.code, "22023");
        assert!(
            refusal.hint.contains("webhooks.generate_secret()"),
            "{refusal:?}"
        );
    }
}
