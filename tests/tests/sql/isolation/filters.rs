//! The rows that functions of a query see: rows that it may not read are gone before any filter runs, however cheap.

use webhooks_tests::database::{MANAGER_ROLE, PUBLISHER_ROLE};

use super::cast::{self, OURS, THEIRS, attempt};
use super::matrix::{RELATIONS, rights};
use crate::support::session::Session;

/// A function that costs nothing, says that it depends on nothing, and remembers all that it is shown.
const LEAK: &str = "
    create function pg_temp.leak(value text) returns boolean language plpgsql immutable parallel safe cost 0.0000001 as $$
    begin
        perform set_config('leak.seen', coalesce(current_setting('leak.seen', true), '') || ' ' || coalesce(value, ''), false);
        return true;
    end $$";

/// Filters by it, and by what fails on others' rows.
fn filters(column: &str) -> [String; 3] {
    [
        format!("pg_temp.leak({column}::text)"),
        format!("pg_temp.leak({column}::text) and tenant_id is not null"),
        format!(
            "1 / (case when {column}::text like '%{}%' then 0 else 1 end) = 1",
            THEIRS.mark
        ),
    ]
}

async fn seen(session: &Session, statement: &str) -> String {
    let show = format!("{statement}; select current_setting('leak.seen', true)");
    attempt(
        session,
        Some(OURS),
        &format!("set local leak.seen = ''; {show}"),
    )
    .await
    .value_of_last()
    .to_owned()
}

/// The columns that a role may read of each relation of tenants.
fn readable(role: &str) -> Vec<(&'static str, Vec<&'static str>)> {
    let relations = RELATIONS
        .iter()
        .filter(|(_, whose, _)| *whose == "tenant_id");
    let read = relations.flat_map(|(name, _, line)| {
        let rights = rights(line).into_iter();
        let select = rights.filter(|r| r.role == role && r.privilege == "select");
        select.map(|r| (*name, r.columns.unwrap_or_default()))
    });
    read.collect()
}

async fn columns_of(admin: &Session, relation: &str) -> Vec<String> {
    let columns = format!(
        "select attname from pg_attribute where attrelid = 'webhooks.{relation}'::regclass and attnum > 0 and not attisdropped"
    );
    admin.lines(&columns).await
}

#[tokio::test]
async fn a_cheap_filter_is_shown_no_other_tenants_rows() {
    let (db, admin) = cast::database("filters").await;
    let manager = Session::open_as(&db, MANAGER_ROLE).await;
    for session in [&admin, &manager] {
        session.run(LEAK).await;
    }
    let mut leaks_without = 0;
    for (relation, listed) in readable("manager") {
        let columns = if listed.is_empty() {
            columns_of(&admin, relation).await
        } else {
            listed.into_iter().map(str::to_owned).collect()
        };
        for column in columns {
            for filter in filters(&column) {
                let query = format!("select count(*) from webhooks.{relation} where {filter}");
                for plan in [
                    "",
                    "set local enable_seqscan = off;",
                    "set local enable_indexscan = off; set local enable_bitmapscan = off;",
                ] {
                    let shown = seen(&manager, &format!("{plan} {query}")).await;
                    for theirs in [THEIRS.mark, THEIRS.id, THEIRS.event, THEIRS.subscription] {
                        assert!(!shown.contains(theirs), "{query} was shown {shown}");
                    }
                }
                // The same, where nothing protects the rows.
                if filter.starts_with("pg_temp") && seen(&admin, &query).await.contains(THEIRS.mark)
                {
                    leaks_without += 1;
                }
            }
        }
    }
    assert!(
        leaks_without > 20,
        "only {leaks_without} of these filters would leak"
    );

    let join = "select count(*) from webhooks.delivery_queue q join webhooks.event_logs e
                on pg_temp.leak(e.event_data::text) and e.id = q.event_log_id and pg_temp.leak(q.tenant_id::text)";
    let shown = seen(&manager, join).await;
    assert!(shown.contains(OURS.mark), "{shown}");
    assert!(
        !shown.contains(THEIRS.mark) && !shown.contains(THEIRS.id),
        "{shown}"
    );
}

#[tokio::test]
async fn a_publisher_may_ask_for_ids_of_its_tenant_alone() {
    let (db, admin) = cast::database("publisher_filters").await;
    let publisher = Session::open_as(&db, PUBLISHER_ROLE).await;
    publisher.run(LEAK).await;
    let shown = seen(
        &publisher,
        "select count(*) from webhooks.event_logs where pg_temp.leak(id::text)",
    )
    .await;
    assert!(
        shown.contains(OURS.event) && !shown.contains(THEIRS.event),
        "{shown}"
    );
    let ours = format!(
        "select count(*) from webhooks.event_logs where tenant_id = '{}'",
        OURS.id
    );
    assert_eq!(
        attempt(
            &publisher,
            Some(OURS),
            "select count(*) from webhooks.event_logs"
        )
        .await
        .value(),
        admin.text(&ours).await
    );
}

/// The tenant that is set is known to parallel workers, too.
#[tokio::test]
async fn parallel_workers_see_what_their_leader_sees() {
    let (db, admin) = cast::database("parallel").await;
    let manager = Session::open_as(&db, MANAGER_ROLE).await;
    manager
        .run("set parallel_setup_cost = 0; set parallel_tuple_cost = 0; set min_parallel_table_scan_size = 0; set min_parallel_index_scan_size = 0;
              set max_parallel_workers_per_gather = 2; set enable_indexscan = off; set enable_bitmapscan = off")
        .await;
    for relation in ["event_logs", "delivery_attempts", "delivery_queue"] {
        let count = format!("select count(*) from webhooks.{relation}");
        let plan = attempt(&manager, Some(OURS), &format!("explain {count}")).await;
        assert!(format!("{plan:?}").contains("Parallel"), "{plan:?}");
        let expected = admin
            .text(&format!("{count} where tenant_id = '{}'", OURS.id))
            .await;
        assert_eq!(
            attempt(&manager, Some(OURS), &count).await.value(),
            expected,
            "{relation}"
        );
        assert_eq!(
            attempt(&manager, None, &count).await.value(),
            "0",
            "{relation}"
        );
    }
}

/// The rows that are sampled, locked, merged or fetched by a cursor are the same ones.
#[tokio::test]
async fn there_is_no_other_way_to_rows() {
    let (db, _admin) = cast::database("other_ways").await;
    let manager = Session::open_as(&db, MANAGER_ROLE).await;
    for query in [
        "select string_agg(e::text, '') from webhooks.event_logs e tablesample system (100)",
        "select string_agg(e.event_data::text, '') from (select * from webhooks.event_logs) e",
        "select string_agg(s.description, '') from (select description from webhooks.webhook_subscriptions for update) s",
        "declare c cursor for select event_data from webhooks.event_logs; fetch all c",
        "create temporary table mine as select event_data from webhooks.event_logs; select string_agg(event_data::text, '') from mine",
        "create temporary view v as select * from webhooks.delivery_attempts; select string_agg(response_body, '') from v",
    ] {
        let outcome = attempt(&manager, Some(OURS), query).await;
        let shown = format!("{outcome:?}");
        assert!(shown.contains(OURS.mark), "{query}: {shown}");
        assert!(!shown.contains(THEIRS.mark), "{query}: {shown}");
    }
    let theirs = format!("(values ('{}'::uuid)) t (id)", THEIRS.subscription);
    for (query, changed) in [
        (
            format!(
                "update webhooks.webhook_subscriptions set name = 'x' where id = '{}'",
                THEIRS.subscription
            ),
            0,
        ),
        (
            format!(
                "merge into webhooks.webhook_subscriptions s using {theirs} on s.id = t.id when matched then update set name = 'x'"
            ),
            0,
        ),
        (
            format!(
                "merge into webhooks.webhook_subscriptions s using {} on s.id = t.id when matched then update set name = 'x'",
                theirs.replace(THEIRS.subscription, OURS.subscription)
            ),
            1,
        ),
    ] {
        assert_eq!(
            attempt(&manager, Some(OURS), &query).await.changed(),
            changed,
            "{query}"
        );
    }
    let off = attempt(
        &manager,
        Some(OURS),
        "set local row_security = off; select count(*) from webhooks.event_logs",
    )
    .await;
    assert_eq!(off.refusal().code, "42501", "{off:?}");
}

#[tokio::test]
async fn prepared_statements_follow_tenant_and_role() {
    let (db, admin) = cast::database("prepared").await;
    admin
        .run("create role prepared_pooler login noinherit in role webhooks_manager, webhooks_monitor, manager_backend")
        .await;
    let pooler = Session::open_as(&db, "prepared_pooler").await;
    let count = "select count(*) from webhooks.webhook_subscriptions";
    pooler.run("set role webhooks_manager").await;
    let prepared = pooler.client().prepare(count).await.unwrap();
    let ask = async |role: &str, tenant: Option<cast::Tenant>| -> i64 {
        let set = tenant.map_or("", |tenant| tenant.id);
        pooler
            .run(&format!(
                "set role {role}; set webhooks.tenant_id = '{set}'"
            ))
            .await;
        pooler
            .client()
            .query_one(&prepared, &[])
            .await
            .unwrap()
            .get(0)
    };
    // More often than a plan is made anew for its values.
    for _ in 0..8 {
        assert_eq!(ask("webhooks_manager", Some(OURS)).await, 2);
        assert_eq!(ask("webhooks_manager", Some(THEIRS)).await, 3);
        assert_eq!(ask("webhooks_manager", None).await, 0);
        assert_eq!(ask("webhooks_monitor", None).await, 5);
        assert_eq!(ask("manager_backend", None).await, 5);
    }
}
