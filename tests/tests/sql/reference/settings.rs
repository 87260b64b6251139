//! `docs/reference/settings.md`: the settings of the system and of a session.

use std::collections::BTreeSet;

use webhooks_tests::database::Database;

use super::groups::SESSION_SETTINGS;
use super::markdown::{head, line, prose};
use super::{code, file, text};
use crate::golden::assert_golden;

const SYSTEM: &str = "\
# Settings

<!-- Made from webhooks.settings: `cargo xtask docs` renews it. -->

## Settings of the system

`select * from webhooks.settings` shows the values in force. The extension's owner changes one with
`select webhooks.set_setting(name, value)` and gives it its default back with `select webhooks.reset_setting(name)`
([reference](sql.md#settings-and-operation)). Running sidecars use the new value at once.

";

const SESSION: &str = "
## Settings of a session

These are set like any other parameter of PostgreSQL, for a session (`set webhooks.notify = off`) or for a transaction
(`set local webhooks.user_id = '…'`).

";

const NOTIFY: &str = "
With `webhooks.notify = off` a sidecar finds the event at its next poll (`--poll-interval`, 10 s). It finds changes of
subscriptions and settings within about 10 s without a notification, too.
";

const ALL: &str = "
    select s.name, coalesce(s.default_value::text, s.default_text, 'not set') as default_value,
           coalesce(s.min_value || ' to ' || s.max_value, t.takes) as allowed,
           case when s.unit = 'text' then '' else s.unit end as unit, s.description
    from webhooks.settings s
    left join webhooks_private.text_setting_definitions() t on t.name = s.name
    order by s.name";

/// Names of the settings that functions of the extension and defaults of its columns read.
const READ: &str = "
    select distinct m[1] as name
    from (select pg_get_functiondef(p.oid) as text
          from (select p.oid from pg_proc p join pg_namespace n on n.oid = p.pronamespace
                where n.nspname ~ '^webhooks' and p.prokind <> 'a' offset 0) p
          union all
          select pg_get_expr(d.adbin, d.adrelid) from pg_attrdef d
          where d.adrelid = 'webhooks.event_logs'::regclass) p,
         regexp_matches(p.text, 'current_setting\\(''+(webhooks\\.[a-z_]+)', 'g') m
    order by 1";

#[tokio::test]
async fn the_settings_reference_is_the_golden_one() {
    let db = Database::fresh("settings_reference").await.unwrap();
    let mut document = SYSTEM.to_owned();
    document += &head(&["setting", "default", "allowed values", "unit", "meaning"]);
    for row in db.rows(ALL).await.unwrap() {
        document += &line(&[
            code(text(&row, "name")),
            text(&row, "default_value").to_owned(),
            text(&row, "allowed").to_owned(),
            text(&row, "unit").to_owned(),
            prose(text(&row, "description"), &BTreeSet::new(), ""),
        ]);
    }
    document += SESSION;
    document += &head(&["setting", "default", "meaning"]);
    for (name, default, meaning) in SESSION_SETTINGS {
        document += &line::<&str>(&[&code(name), default, meaning]);
    }
    document += NOTIFY;
    assert_golden(&file("settings.md"), &document);

    let read = db.rows(READ).await.unwrap();
    let read: Vec<_> = read.iter().map(|row| text(row, "name")).collect();
    let known: Vec<_> = SESSION_SETTINGS.iter().map(|(name, _, _)| *name).collect();
    assert_eq!(known, read, "SESSION_SETTINGS in reference/groups.rs");
}
