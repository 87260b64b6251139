//! Every relation × every role × the own tenant set, another one, none.

use std::collections::BTreeMap;

use super::cast::{self, ACTORS, Actor, OURS, Outcome, THEIRS, Tenant, attempt};
use super::matrix::{INSERTS, RELATIONS, Right, qualified, rights};
use crate::support::session::Session;

/// A relation as the catalogue has it.
struct Found {
    is_table: bool,
    columns: Vec<String>,
    has_policy_switch: bool,
}

async fn catalogue(admin: &Session) -> BTreeMap<String, Found> {
    let relations = "
        select c.relname, c.relkind in ('r', 'p'), c.relrowsecurity, string_agg(a.attname, ' ' order by a.attnum)
        from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
        where c.relnamespace in ('webhooks'::regnamespace, 'webhooks_private'::regnamespace) and c.relkind not in ('i', 'I', 't', 'c') and c.relname !~ '_[0-9]{8}$'
        group by c.oid";
    let mut found = BTreeMap::new();
    for line in admin.lines(relations).await {
        let [name, is_table, security, columns] = line.split('|').collect::<Vec<_>>()[..] else {
            panic!("{line}");
        };
        let relation = Found {
            is_table: is_table == "t",
            columns: columns.split(' ').map(str::to_owned).collect(),
            has_policy_switch: security == "t",
        };
        found.insert(name.to_owned(), relation);
    }
    found
}

/// Rows of a tenant, and of all, as the superuser sees them.
struct Counts {
    ours: u64,
    theirs: u64,
    all: u64,
}

impl Counts {
    async fn of(admin: &Session, relation: &str, whose: &str) -> Self {
        let whose = match whose {
            "" => "null",
            "subscription_id" => {
                "(select s.tenant_id from webhooks.webhook_subscriptions s where s.id = subscription_id)"
            }
            column => column,
        };
        let of =
            |tenant: Tenant| format!("count(*) filter (where {whose}::text = '{}')", tenant.id);
        let counts = format!(
            "select {}, {}, count(*) from {}",
            of(OURS),
            of(THEIRS),
            qualified(relation)
        );
        let counts = admin.text(&counts).await;
        let counts: Vec<u64> = counts.split('|').map(|n| n.parse().unwrap()).collect();
        Self {
            ours: counts[0],
            theirs: counts[1],
            all: counts[2],
        }
    }

    /// The rows that a right reaches while a tenant is set.
    fn within(&self, actor: &Actor, right: &Right, whose: &str, set: Option<Tenant>) -> u64 {
        match set {
            _ if whose.is_empty() || actor.reaches_all(right) => self.all,
            Some(OURS) => self.ours,
            Some(_) => self.theirs,
            None => 0,
        }
    }
}

fn assert_denied_by_privilege(outcome: &Outcome, what: &str) {
    let Outcome::Refused(refusal) = outcome else {
        panic!("not refused: {what}: {outcome:?}");
    };
    assert_eq!(refusal.code, "42501", "{what}: {refusal:?}");
    assert!(
        refusal.message.starts_with("permission denied for "),
        "{what}: {refusal:?}"
    );
}

#[tokio::test]
async fn every_relation_as_every_role_with_every_tenant() {
    let (db, admin) = cast::database("relations").await;
    let found = catalogue(&admin).await;
    let names: Vec<_> = RELATIONS.iter().map(|(name, ..)| *name).collect();
    assert_eq!(
        found.keys().collect::<Vec<_>>(),
        names,
        "matrix.rs has a line for each relation"
    );

    for (name, whose, line) in RELATIONS.iter().copied() {
        let relation = &found[name];
        let (rights, counts) = (rights(line), Counts::of(&admin, name, whose).await);
        assert_eq!(
            // The arguments of watch_table() are in pg_trigger, which all roles can read.
            name != "watched_tables" && relation.columns.iter().any(|c| c == "tenant_id"),
            whose == "tenant_id",
            "{name}"
        );
        assert_eq!(
            relation.has_policy_switch,
            relation.is_table && !whose.is_empty(),
            "row-level security of {name}"
        );
        if !whose.is_empty() && !rights.is_empty() {
            assert!(
                // Of these a tenant has one row: whose is tried in limits.rs and data_protection.rs.
                counts.ours > 0
                    && (counts.theirs > counts.ours
                        || ["tenant_limits", "tenant_purges"].contains(&name)),
                "{name} has no rows to tell tenants by"
            );
        }
        for actor in ACTORS {
            let session = Session::open_as(&db, actor.login).await;
            let granted = |privilege: &str| -> Vec<&Right> {
                rights
                    .iter()
                    .filter(|r| r.privilege == privilege && actor.groups.contains(&r.role))
                    .filter(|_| actor.may_name(name))
                    .collect()
            };
            for set in [Some(OURS), Some(THEIRS), None] {
                let trial = Trial {
                    session: &session,
                    actor,
                    name,
                    whose,
                    counts: &counts,
                    set,
                };
                trial.select(&granted("select")).await;
                if relation.is_table {
                    trial.insert(granted("insert").first().copied()).await;
                    trial
                        .update(granted("update").first().copied(), &relation.columns[0])
                        .await;
                    trial.delete(granted("delete").first().copied()).await;
                    let truncate = format!("truncate {} cascade", qualified(name));
                    let truncate = attempt(&session, set, &truncate).await;
                    assert_denied_by_privilege(&truncate, &trial.says("truncate"));
                }
            }
            columns(&session, actor, name, &relation.columns, &granted("select")).await;
        }
    }
}

/// Each column is read by the roles that may read it, and by no other.
async fn columns(
    session: &Session,
    actor: &Actor,
    name: &str,
    columns: &[String],
    rights: &[&Right],
) {
    for column in columns {
        let may = rights.iter().any(|r| {
            r.columns
                .as_ref()
                .is_none_or(|listed| listed.contains(&column.as_str()))
        });
        let read = attempt(
            session,
            Some(OURS),
            &format!("select {column} from {} limit 0", qualified(name)),
        )
        .await;
        assert_eq!(
            read.is_refused(),
            !may,
            "{} reads {name}.{column}: {read:?}",
            actor.login
        );
    }
    for column in rights.iter().flat_map(|r| r.columns.iter().flatten()) {
        assert!(
            columns.iter().any(|c| c == column),
            "{name} has no column {column}"
        );
    }
}

/// A relation, a role and the tenant that is set.
struct Trial<'t> {
    session: &'t Session,
    actor: &'t Actor,
    name: &'t str,
    whose: &'t str,
    counts: &'t Counts,
    set: Option<Tenant>,
}

impl Trial<'_> {
    fn says(&self, what: &str) -> String {
        let set = self.set.map_or("no tenant", |tenant| tenant.mark);
        format!("{} {what} {}, {set} set", self.actor.login, self.name)
    }

    async fn attempt(&self, sql: &str) -> Outcome {
        attempt(self.session, self.set, sql).await
    }

    fn within(&self, right: &Right) -> u64 {
        self.counts.within(self.actor, right, self.whose, self.set)
    }

    async fn select(&self, rights: &[&Right]) {
        let outcome = self
            .attempt(&format!("select count(*) from {}", qualified(self.name)))
            .await;
        match rights.iter().map(|right| self.within(right)).max() {
            None => assert_denied_by_privilege(&outcome, &self.says("select")),
            Some(expected) => assert_eq!(
                outcome.value(),
                expected.to_string(),
                "{}",
                self.says("select")
            ),
        }
    }

    async fn insert(&self, right: Option<&Right>) {
        let Some(right) = right else {
            let outcome = self
                .attempt(&format!(
                    "insert into {} default values",
                    qualified(self.name)
                ))
                .await;
            return assert_denied_by_privilege(&outcome, &self.says("insert"));
        };
        let insert = INSERTS.iter().find(|(name, _)| *name == self.name);
        let (_, insert) = insert.unwrap_or_else(|| {
            panic!("INSERTS in matrix.rs says how to insert into {}", self.name)
        });
        let outcome = self.attempt(&insert.replace("{tenant}", OURS.id)).await;
        if self.set == Some(OURS) || self.actor.reaches_all(right) {
            assert_eq!(outcome.changed(), 1, "{}", self.says("insert"));
        } else {
            let refusal = outcome.refusal();
            assert_eq!(
                refusal.code,
                "42501",
                "{}: {refusal:?}",
                self.says("insert")
            );
            assert!(refusal.message.contains("can't be accessed"), "{refusal:?}");
            assert!(refusal.hint.contains("webhooks.set_tenant("), "{refusal:?}");
        }
    }

    async fn update(&self, right: Option<&Right>, column: &str) {
        let outcome = self
            .attempt(&format!(
                "update {} set {column} = {column}",
                qualified(self.name)
            ))
            .await;
        self.changes(right, &outcome, "update");
    }

    async fn delete(&self, right: Option<&Right>) {
        let outcome = self
            .attempt(&format!("delete from {}", qualified(self.name)))
            .await;
        self.changes(right, &outcome, "delete");
    }

    fn changes(&self, right: Option<&Right>, outcome: &Outcome, what: &str) {
        match right {
            None => assert_denied_by_privilege(outcome, &self.says(what)),
            Some(right) => assert_eq!(outcome.changed(), self.within(right), "{}", self.says(what)),
        }
    }
}

/// Whoever is granted too much sees the tenant that is set, and partitions not at all.
#[tokio::test]
async fn a_careless_grant_on_all_tables_shows_one_tenant() {
    let (db, admin) = cast::database("careless").await;
    admin
        .run("create role careless login; grant usage on schema webhooks, webhooks_private to careless; grant select on all tables in schema webhooks, webhooks_private to careless")
        .await;
    let careless = Session::open_as(&db, "careless").await;
    let partitions = "select relname from pg_class where relnamespace in ('webhooks'::regnamespace, 'webhooks_private'::regnamespace) and relname ~ '_([0-9]{8}|default|template|past|future)$' and relkind = 'r'";
    let partitions = admin.lines(partitions).await;
    let parents = "select count(*) from pg_class where relnamespace in ('webhooks'::regnamespace, 'webhooks_private'::regnamespace) and relkind = 'p'";
    let parents: usize = admin.text(parents).await.parse().unwrap();
    // Of each the default one, the template and at least one more.
    assert!(partitions.len() >= 3 * parents, "{partitions:?}");
    for partition in partitions {
        let read = attempt(
            &careless,
            Some(OURS),
            &format!("select count(*) from webhooks_private.{partition}"),
        )
        .await;
        assert_eq!(read.value(), "0", "{partition}");
    }
    for (name, whose, _) in RELATIONS
        .iter()
        .filter(|(_, whose, _)| *whose == "tenant_id")
    {
        // They show what may be read by functions alone.
        if ["alerts", "subscription_settings", "subscription_health"].contains(name) {
            continue;
        }
        let counts = Counts::of(&admin, name, whose).await;
        let read = attempt(
            &careless,
            Some(OURS),
            &format!("select count(*) from {}", qualified(name)),
        )
        .await;
        let partition = ["_default", "_template", "_past", "_future"]
            .iter()
            .any(|end| name.ends_with(end));
        let expected = if partition { 0 } else { counts.ours };
        assert_eq!(read.value(), expected.to_string(), "{name}");
        let read = attempt(
            &careless,
            None,
            &format!("select count(*) from {}", qualified(name)),
        )
        .await;
        assert_eq!(read.value(), "0", "{name}");
    }
    admin
        .run("drop owned by careless; drop role careless")
        .await;
}
