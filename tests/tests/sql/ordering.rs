//! Lanes: what a claim brings of subscriptions that want their deliveries in order.

use serde_json::json;
use webhooks_tests::database::Database;

use crate::support::claim::Claim;
use crate::support::session::Session;
use crate::support::world::{TENANT, subscribe};

const FIFO: &str = "00000000-0000-7000-8000-000000000010";

async fn fifo(name: &str) -> (Database, Session) {
    let db = Database::fresh(name).await.unwrap();
    subscribe(&db, json!({"id": FIFO, "ordering": "fifo"})).await;
    let session = Session::open(&db).await;
    (db, session)
}

/// Publishes in one transaction, each event named by its key and a number: `a1` is the first with key `a`, `-1` the
/// first without one.
async fn publish(session: &Session, names: &str) {
    let mut calls = String::from("begin;");
    for name in names.split(' ') {
        let key = match &name[..1] {
            "-" => "null".to_owned(),
            key => format!("'{key}'"),
        };
        calls.push_str(&format!(
            "select webhooks.publish_event('{TENANT}', 'job.created', request_id => '{name}', ordering_key => {key});"
        ));
    }
    session.run(&(calls + "commit")).await;
}

/// As much as there is.
fn of_shard_0() -> Claim {
    Claim::of_shards(&[0]).with("max_rows", 1000)
}

/// The claimed events, by name, each lane's in the order of the claim, the lanes sorted.
async fn claim(session: &Session, held: &str, per_subscription: u32) -> String {
    let held = format!(
        "array(select q.id from webhooks.delivery_queue q join webhooks.event_logs e on e.id = q.event_log_id
               where e.request_id = any (string_to_array('{held}', ' ')))"
    );
    let claim = of_shard_0()
        .with("held_ordered", held)
        .with("per_subscription", per_subscription);
    let claimed = session
        .lines(&format!(
            "select string_agg(request_id, ' ' order by n) from (
                 select request_id, lane, row_number() over () as n from {claim} where delivery_id is not null
             ) c group by lane order by min(request_id) collate \"C\""
        ))
        .await;
    claimed.join(", ")
}

#[tokio::test]
async fn lanes_are_gone_round_once_from_anywhere() {
    let (_db, session) = fifo("lanes_round").await;
    let lanes = [i64::MIN, -1, 0, i64::MAX];
    for lane in lanes {
        session
            .run(&format!(
                "insert into webhooks.delivery_queue (subscription_id, event_log_id, tenant_id, shard, lane)
                 select '{FIFO}', gen_random_uuid(), '{TENANT}', 0, '{lane}' from generate_series(1, 2)"
            ))
            .await;
    }
    for from in [i64::MIN, i64::MIN + 1, -1, 0, 1, i64::MAX - 1, i64::MAX] {
        let visited = session
            .text(&format!(
                "select string_agg(lane::text, ' ') from webhooks_private.ordered_deliveries(0::smallint, '{FIFO}', '{{}}', '{from}', 1000)"
            ))
            .await;
        let mut expected = lanes.to_vec();
        expected.rotate_left(lanes.partition_point(|lane| *lane < from));
        let expected: Vec<String> = expected
            .iter()
            .flat_map(|lane| [lane.to_string(), lane.to_string()])
            .collect();
        assert_eq!(visited, expected.join(" "), "from {from}");
    }
}

#[tokio::test]
async fn a_lane_is_claimed_in_order_and_from_its_beginning() {
    let (_db, session) = fifo("lanes").await;
    publish(&session, "a1 b1 a2 -1 b2 a3 -2").await;
    assert_eq!(claim(&session, "", 30).await, "-1 -2, a1 a2 a3, b1 b2");
    // Of each lane the same number, if there is not room for all.
    assert_eq!(claim(&session, "", 6).await, "-1 -2, a1 a2, b1 b2");
    assert_eq!(claim(&session, "", 1).await, "-1, a1, b1");
    // Nothing behind what is under way.
    assert_eq!(claim(&session, "a1 a2", 30).await, "-1 -2, b1 b2");
    // Nothing behind what waits for its retry, or for its time.
    let retry =
        "update webhooks.delivery_queue q set next_attempt_at = now() + interval '1 h', attempt = 1
                 from webhooks.event_logs e where e.id = q.event_log_id and e.request_id = ";
    session.run(&format!("{retry}'b1'")).await;
    session.run(&format!("{retry}'a2'")).await;
    assert_eq!(claim(&session, "", 30).await, "-1 -2, a1");
    // An event that is meant for later blocks nothing, and takes its place when its time has come.
    let later = "update webhooks.delivery_queue q set next_attempt_at = now() + interval '1 h'
                 from webhooks.event_logs e where e.id = q.event_log_id and e.request_id = '-1'";
    session.run(later).await;
    assert_eq!(claim(&session, "", 30).await, "-2, a1");
    session
        .run(&later.replace("now() + interval '1 h'", "null"))
        .await;
    assert_eq!(claim(&session, "", 30).await, "-1 -2, a1");
    session
        .run(&format!(
            "update webhooks.webhook_subscriptions set ordering = 'none' where id = '{FIFO}'"
        ))
        .await;
    publish(&session, "b3").await;
    assert_eq!(
        claim(&session, "", 30).await,
        "-1 -2, a1, b3",
        "b3 is in no lane"
    );
}

#[tokio::test]
async fn blocked_lanes_hide_no_others_however_many() {
    let (_db, session) = fifo("many_lanes").await;
    session
        .run(&format!(
            "insert into webhooks.event_logs (tenant_id, event_type, event_category, event_name, event_data, ordering_key)
             select '{TENANT}', 'job.created', 'job', 'x', '{{}}', 'key ' || n % 2000 from generate_series(1, 4000) n;
             update webhooks.delivery_queue q set next_attempt_at = now() + interval '1 h' from webhooks.event_logs e
             where e.id = q.event_log_id and e.ordering_key not like 'key 1_9_'"
        ))
        .await;
    let claim = format!(
        "select distinct coalesce(ordering_key, '') from {} c left join webhooks.event_logs e on e.id = c.event_id",
        of_shard_0()
    );
    let mut found = std::collections::BTreeSet::new();
    let mut claims = 0;
    while found.len() < 101 {
        found.extend(session.lines(&claim).await);
        claims += 1;
        assert!(
            claims < 1000,
            "{} of 100 lanes, and that there are more",
            found.len()
        );
    }
    assert!(found.contains(""), "a row says that there are more lanes");
    assert!(claims > 4, "each looks at some of the lanes only");
    // That row has no event, and keeps none of the others from having theirs.
    let without_event = format!(
        "select count(*) from {} where delivery_id is not null and tenant_id is null",
        of_shard_0()
    );
    assert_eq!(session.text(&without_event).await, "0");
}

/// Two transactions, one after the other, in sessions of their own: so close that a millisecond can't tell them apart.
#[tokio::test]
async fn ids_follow_the_order_of_commits_across_sessions() {
    let (db, first) = fifo("close").await;
    let second = Session::open(&db).await;
    for session in [&first, &second] {
        session.run("set synchronous_commit = off").await;
    }
    for n in 0..300 {
        let session = if n % 2 == 0 { &first } else { &second };
        publish(session, &format!("k{n}")).await;
    }
    let expected: Vec<String> = (0..300).map(|n| format!("k{n}")).collect();
    assert_eq!(claim(&first, "", 1000).await, expected.join(" "));
}

#[tokio::test]
async fn a_later_commit_of_an_earlier_publication_comes_first_if_it_is_there() {
    let (db, first) = fifo("overlap").await;
    let second = Session::open(&db).await;
    first.run("begin").await;
    first
        .run(&format!("select webhooks.publish_event('{TENANT}', 'job.created', request_id => 'k1', ordering_key => 'k')"))
        .await;
    publish(&second, "k2").await;
    assert_eq!(
        claim(&second, "", 10).await,
        "k2",
        "nothing waits for open transactions"
    );
    first.run("commit").await;
    assert_eq!(claim(&second, "", 10).await, "k1 k2");
}

#[tokio::test]
async fn deleting_the_subscription_cancels_its_lanes() {
    let (db, session) = fifo("lanes_cancelled").await;
    publish(&session, "a1 a2 b1 -1").await;
    session
        .run("update webhooks.delivery_queue set next_attempt_at = '2100-01-01' where id = (select id from webhooks.delivery_queue order by id limit 1);
              create table kept as select * from webhooks.delivery_queue;
              delete from webhooks.webhook_subscriptions")
        .await;
    let queued = "select count(*) from webhooks.delivery_queue";
    assert_eq!(session.text(queued).await, "0");
    // Matched while the subscription was being deleted: for maintain() to find.
    session
        .run("insert into webhooks.delivery_queue select * from kept")
        .await;
    subscribe(&db, json!({"id": "00000000-0000-7000-8000-000000000020", "webhook_url": "http://y.example/", "ordering": "fifo"})).await;
    publish(&session, "a1").await;
    assert_eq!(
        session
            .text("select webhooks_private.remove_orphans()")
            .await,
        "4"
    );
    assert_eq!(session.text(queued).await, "1");
}
