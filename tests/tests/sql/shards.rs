use std::collections::BTreeSet;

use webhooks_tests::database::{Database, SIDECAR_ROLE};

use crate::support::session::Session;

/// A sidecar as far as shards go.
struct Sidecar {
    session: Session,
    owned: BTreeSet<u8>,
}

impl Sidecar {
    async fn join(db: &Database) -> Self {
        let session = Session::open_as(db, SIDECAR_ROLE).await;
        session.run("select webhooks_private.join_sidecars()").await;
        let owned = BTreeSet::new();
        Self { session, owned }
    }

    /// Balances and releases what is too much, as the real one does. Returns: its fair share.
    async fn balance(&mut self) -> usize {
        let owned: Vec<_> = self.owned.iter().map(u8::to_string).collect();
        let balance = format!(
            "select fair_share, array_to_string(acquired, ' ') from webhooks_private.balance_shards('{{{}}}')",
            owned.join(",")
        );
        let line = self.session.text(&balance).await;
        let (share, acquired) = line.split_once('|').unwrap();
        for shard in acquired.split_whitespace() {
            assert!(self.owned.insert(shard.parse().unwrap()), "{line}");
        }
        let share = share.parse().unwrap();
        while self.owned.len() > share {
            let shard = self.owned.pop_last().unwrap();
            let release = format!("select webhooks_private.release_shards('{{{shard}}}')");
            self.session.run(&release).await;
        }
        share
    }
}

/// Every shard has an owner, and only one.
fn assert_all_owned_once(sidecars: &[&Sidecar]) {
    let mut owned: Vec<_> = sidecars.iter().flat_map(|s| s.owned.clone()).collect();
    owned.sort_unstable();
    assert_eq!(owned, (0..16).collect::<Vec<_>>());
}

#[tokio::test]
async fn sidecars_share_evenly_and_inherit() {
    let db = Database::fresh("shards").await.unwrap();
    let mut a = Sidecar::join(&db).await;
    assert_eq!(a.balance().await, 16);
    assert_all_owned_once(&[&a]);
    // Nothing changes while nobody comes or goes.
    assert_eq!(a.balance().await, 16);
    assert_all_owned_once(&[&a]);

    let mut b = Sidecar::join(&db).await;
    // Nothing is taken from a living owner.
    assert_eq!(b.balance().await, 8);
    assert!(b.owned.is_empty());
    assert_eq!(a.balance().await, 8);
    b.balance().await;
    assert_all_owned_once(&[&a, &b]);
    assert_eq!((a.owned.len(), b.owned.len()), (8, 8));

    let mut c = Sidecar::join(&db).await;
    assert_eq!(c.balance().await, 6);
    for sidecar in [&mut a, &mut b, &mut c] {
        assert_eq!(sidecar.balance().await, 6);
    }
    c.balance().await;
    assert_all_owned_once(&[&a, &b, &c]);

    let admin = Session::open(&db).await;
    let kill = format!("select pg_terminate_backend({}, 10000)", a.session.pid());
    assert_eq!(admin.text(&kill).await, "t");
    for sidecar in [&mut b, &mut c] {
        assert_eq!(sidecar.balance().await, 8);
    }
    b.balance().await;
    assert_all_owned_once(&[&b, &c]);
}

#[tokio::test]
async fn sidecars_are_counted_by_database() {
    let (here, there) = (
        Database::fresh("count_here").await.unwrap(),
        Database::fresh("count_there").await.unwrap(),
    );
    let count = "select webhooks.sidecar_count()";
    let sidecar = Sidecar::join(&here).await;
    let _other = Sidecar::join(&there).await;
    // Twice is once.
    sidecar
        .session
        .run("select webhooks_private.join_sidecars()")
        .await;
    assert_eq!(sidecar.session.text(count).await, "1");
    let mut reader = Sidecar::join(&there).await;
    assert_eq!(reader.session.text(count).await, "2");
    assert_eq!(reader.balance().await, 8);
}

#[tokio::test]
async fn the_shard_is_in_the_subscriptions_id() {
    let db = Database::fresh("shard_of").await.unwrap();
    let session = Session::open(&db).await;
    let shards = "select string_agg(webhooks_private.shard_of(('00000000-0000-7000-8000-0000000000' || lpad(to_hex(n), 2, 'f'))::uuid)::text, ' ')
                  from generate_series(0, 15) n";
    let all: Vec<_> = (0..16).map(|n| n.to_string()).collect();
    assert_eq!(session.text(shards).await, all.join(" "));
    let spread =
        "select count(distinct webhooks_private.shard_of(webhooks.uuid_v7())), webhooks_private.shard_count()
                  from generate_series(1, 1000)";
    assert_eq!(session.text(spread).await, "16|16");
}

/// A session of a sidecar's role that takes shards by hand is no sidecar; the log says who keeps them.
#[tokio::test]
async fn a_session_that_is_no_sidecar_is_not_counted_and_is_named() {
    let db = Database::fresh("intruder").await.unwrap();
    let intruder = Session::open_as(&db, SIDECAR_ROLE).await;
    intruder
        .run("select webhooks_private.balance_shards('{}');
              select webhooks_private.release_shards(array(select s::smallint from generate_series(0, 15) s where s not in (3, 5)))")
        .await;
    let mut sidecar = Sidecar::join(&db).await;
    let count = "select webhooks.sidecar_count()";
    assert_eq!(sidecar.session.text(count).await, "1");
    assert_eq!(sidecar.balance().await, 16);
    assert_eq!(sidecar.owned.len(), 14);
    let pid = intruder.pid();
    let warning = format!(
        "held by a session that is no sidecar: shard 3 by pid {pid} of role {SIDECAR_ROLE}, shard 5 by pid {pid} of role {SIDECAR_ROLE}"
    );
    let said = || db.cluster().server_log().matches(&warning).count();
    assert_eq!(said(), 1);
    // A superuser may do a sidecar's work; a shard of another sidecar's is no reason to complain.
    let superuser = Session::open(&db).await;
    superuser
        .run("select webhooks_private.join_sidecars()")
        .await;
    assert_eq!(superuser.text(count).await, "2");
    intruder
        .run("select webhooks_private.release_shards('{3,5}')")
        .await;
    let taken = "select cardinality(acquired) from webhooks_private.balance_shards('{}')";
    assert_eq!(superuser.text(taken).await, "2");
    assert_eq!(sidecar.balance().await, 8);
    assert_eq!(said(), 1);
}
