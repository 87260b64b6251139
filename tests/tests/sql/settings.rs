use webhooks_tests::database::Database;

use crate::support::listener::Listener;
use crate::support::session::Session;

#[tokio::test]
async fn a_setting_is_its_default_until_it_is_set() {
    let db = Database::fresh("settings").await.unwrap();
    let session = Session::open(&db).await;
    let value = "select value, default_value, webhooks_private.setting('max_retry_delay_seconds') from webhooks.settings
                 where name = 'max_retry_delay_seconds'";
    let overridden = "select count(*) from webhooks_private.setting_overrides";
    assert_eq!(session.text(value).await, "21600|21600|21600");
    for _ in 0..2 {
        // Also with the default as value: the DBA's word, kept when a later version changes the default.
        for set in [5, 21600] {
            let sql = format!("select webhooks.set_setting('max_retry_delay_seconds', {set})");
            session.run(&sql).await;
            let expected = format!("{set}|21600|{set}");
            assert_eq!(session.text(value).await, expected);
            assert_eq!(session.text(overridden).await, "1");
        }
    }
    for _ in 0..2 {
        let reset = "select webhooks.reset_setting('max_retry_delay_seconds')";
        session.run(reset).await;
        assert_eq!(session.text(value).await, "21600|21600|21600");
        assert_eq!(session.text(overridden).await, "0");
    }
    session
        .run("select webhooks.reset_setting('no such')")
        .await;
    assert_eq!(
        session
            .text("select coalesce(webhooks_private.setting('no such'), -1)")
            .await,
        "-1"
    );
}

#[tokio::test]
async fn every_setting_keeps_to_its_range() {
    let db = Database::fresh("ranges").await.unwrap();
    let session = Session::open(&db).await;
    let settings = session
        .lines("select name, unit, min_value, max_value, default_value from webhooks.settings where unit <> 'text'")
        .await;
    assert!(settings.len() >= 7);
    for setting in &settings {
        let [name, unit, min, max, default] = setting.split('|').collect::<Vec<_>>()[..] else {
            panic!("{setting}");
        };
        let [min, max, default]: [i64; 3] = [min, max, default].map(|n| n.parse().unwrap());
        assert!((min..=max).contains(&default), "{setting}");
        let set = |value: &str| format!("select webhooks.set_setting('{name}', {value})");
        for value in [min, max] {
            session.run(&set(&value.to_string())).await;
        }
        for value in [(min - 1).to_string(), (max + 1).to_string(), "null".into()] {
            let refusal = session.refused(&set(&value)).await;
            assert_eq!(refusal.code, "22023");
            let message = format!("setting \"{name}\" can't be {value} {unit}");
            assert_eq!(refusal.message, message);
            assert_eq!(refusal.hint, format!("It takes {min} to {max} {unit}."));
        }
        assert_eq!(
            session
                .text(&format!("select webhooks_private.setting('{name}')"))
                .await,
            max.to_string()
        );
    }
    let refusal = session
        .refused("select webhooks.set_setting('colour', 1)")
        .await;
    assert_eq!(refusal.code, "42704");
    assert_eq!(refusal.message, "there is no setting \"colour\"");
    let listed = refusal.hint.rsplit(": ").next().unwrap();
    assert_eq!(session.lines(listed).await.len(), settings.len() + 3);
}

#[tokio::test]
async fn sidecars_read_what_is_set() {
    let db = Database::fresh("sidecar_settings").await.unwrap();
    let session = Session::open(&db).await;
    session
        .run(
            "select webhooks.set_setting('max_retry_delay_seconds', 1), webhooks.set_setting('max_retry_after_seconds', 2),
                    webhooks.set_setting('max_response_body_bytes', 3), webhooks.set_setting('max_response_headers_bytes', 4),
                    webhooks.set_setting('disable_after_failing_hours', 5)",
        )
        .await;
    let settings = "select s.*, extversion = extension_version from webhooks_private.sidecar_settings() s, pg_extension where extname = 'webhooks'";
    let settings = session.text(settings).await;
    assert!(
        settings.contains("|1|2|3|4|5|none|null|") && settings.ends_with("|t"),
        "{settings}"
    );
}

#[tokio::test]
async fn sidecars_hear_of_changes_at_commit() {
    let db = Database::fresh("settings_heard").await.unwrap();
    let session = Session::open(&db).await;
    let mut sidecar = Listener::on(&db, "webhooks_changed").await;
    session
        .run("begin; select webhooks.set_setting('partition_days_ahead', 3)")
        .await;
    assert!(sidecar.heard("webhooks_changed").await.is_empty());
    session.run("commit").await;
    assert_eq!(sidecar.heard("webhooks_changed").await, ["settings"]);
    session
        .run("select webhooks.reset_setting('partition_days_ahead')")
        .await;
    assert_eq!(sidecar.heard("webhooks_changed").await, ["settings"]);
}
