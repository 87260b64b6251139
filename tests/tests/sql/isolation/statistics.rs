//! Data that the server keeps about rows besides the rows.

use webhooks_tests::database::{MANAGER_ROLE, MONITOR_ROLE, PUBLISHER_ROLE};

use super::cast::{self, OURS, THEIRS, attempt};
use super::matrix::RELATIONS;
use crate::support::session::Session;

#[tokio::test]
async fn samples_of_tenants_rows_are_not_shown() {
    let (db, admin) = cast::database("samples").await;
    admin.run("analyze").await;
    let tables: Vec<_> = RELATIONS
        .iter()
        .filter(|(_, whose, _)| !whose.is_empty())
        .map(|(name, ..)| format!("'{name}'"))
        .collect();
    let samples = format!(
        "select count(*) from pg_stats where schemaname in ('webhooks', 'webhooks_private') and (tablename in ({}) or tablename ~ '_[0-9]{{8}}$')",
        tables.join(", ")
    );
    assert!(admin.text(&samples).await.parse::<u32>().unwrap() > 50);
    for role in [MANAGER_ROLE, MONITOR_ROLE, PUBLISHER_ROLE] {
        let session = Session::open_as(&db, role).await;
        assert_eq!(session.text(&samples).await, "0", "{role}");
        assert_eq!(
            session.refused("select * from pg_statistic").await.code,
            "42501"
        );
        // Rows too large for their table lie in one of their own, which nobody may read.
        let toast = admin.text("select reltoastrelid::regclass from pg_class where oid = 'webhooks_private.event_logs_default'::regclass").await;
        assert_eq!(
            session
                .refused(&format!("select * from {toast}"))
                .await
                .code,
            "42501"
        );
    }
    // Functions that would count the rows of others. This one tells where shared memory is.
    let sequences = "select relname from pg_class where relnamespace in ('webhooks'::regnamespace, 'webhooks_private'::regnamespace) and relkind = 'S'";
    assert_eq!(admin.lines(sequences).await, ["meters_handle"]);
}

/// The planner does not show samples of others' rows to an operator that is not trusted to keep them.
#[tokio::test]
async fn the_planner_shows_no_samples_to_an_operator_of_the_querys_own() {
    let (db, admin) = cast::database("estimates").await;
    let manager = Session::open_as(&db, MANAGER_ROLE).await;
    admin.run("analyze").await;
    let operator = "
        create function pg_temp.leak_estimate(a text, b text) returns boolean language plpgsql immutable cost 0.0000001 as $$
        begin
            perform set_config('leak.seen', coalesce(current_setting('leak.seen', true), '') || ' ' || a || b, false);
            return true;
        end $$;
        create operator pg_temp.<<< (leftarg = text, rightarg = text, procedure = pg_temp.leak_estimate, restrict = scalarltsel)";
    for session in [&manager, &admin] {
        session.run(operator).await;
    }
    for (relation, column) in [
        ("webhook_subscriptions", "description"),
        ("webhook_subscriptions", "webhook_url"),
        ("delivery_attempts", "response_body"),
        ("delivery_attempts", "error_message"),
    ] {
        let explain = format!(
            "set local leak.seen = ''; explain select from webhooks.{relation} where {column} operator(pg_temp.<<<) 'x'; select current_setting('leak.seen', true)"
        );
        let shown = async |session| {
            attempt(session, Some(OURS), &explain)
                .await
                .value_of_last()
                .to_owned()
        };
        assert!(
            shown(&admin).await.contains(THEIRS.mark),
            "{explain} shows no samples to begin with"
        );
        assert_eq!(shown(&manager).await, "", "{explain}");
    }
}

/// Another role's statements, in which there may be secrets, are its own.
#[tokio::test]
async fn other_roles_statements_are_not_shown() {
    let (db, _admin) = cast::database("activity").await;
    let publisher = Session::open_as(&db, PUBLISHER_ROLE).await;
    publisher
        .run(&format!("select 'secret of {}'", THEIRS.mark))
        .await;
    let query = format!(
        "select query from pg_stat_activity where pid = {}",
        publisher.pid()
    );
    for role in [MANAGER_ROLE, MONITOR_ROLE] {
        let session = Session::open_as(&db, role).await;
        assert_eq!(session.text(&query).await, "<insufficient privilege>");
    }
}
