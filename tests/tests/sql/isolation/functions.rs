//! Every function × every role × the own tenant set, another one, none.

use super::cast::{self, ACTORS, OURS, Outcome, THEIRS, attempt};
use super::matrix::{Answer, FUNCTIONS};
use crate::support::session::{Refusal, Session};

pub fn call_for(call: &str) -> String {
    call.replace("{tenant}", OURS.id)
        .replace("{subscription}", OURS.subscription)
        .replace("{event}", OURS.event)
        .replace("{delivery}", OURS.delivery)
}

fn is_permission_denied(refusal: &Refusal) -> bool {
    refusal.code == "42501" && refusal.message.starts_with("permission denied for ")
}

/// As if it were not there.
fn is_nothing(outcome: &Outcome) -> bool {
    matches!(outcome.value(), "null" | "0")
}

/// A call with nulls of each function of a name, as the catalogue has it: good enough to be refused. The nulls are
/// selected, since the planner itself answers strict functions of constant nulls.
async fn calls(admin: &Session, name: &str) -> Vec<String> {
    admin
        .lines(&format!(
            "select format('select %s.%I(%s)', p.pronamespace::regnamespace, p.proname,
                 (select string_agg(format('(select null::%s)', format_type(t, null)), ', ' order by n) from unnest(p.proargtypes) with ordinality a (t, n)))
             from pg_proc p where p.pronamespace in ('webhooks'::regnamespace, 'webhooks_private'::regnamespace) and p.proname = '{name}'"
        ))
        .await
}

#[tokio::test]
async fn every_function_as_every_role_with_every_tenant() {
    let (db, admin) = cast::database("functions").await;
    let found = "select distinct proname from pg_proc where pronamespace in ('webhooks'::regnamespace, 'webhooks_private'::regnamespace) order by 1";
    let names: Vec<_> = FUNCTIONS.iter().map(|(name, ..)| *name).collect();
    assert_eq!(
        admin.lines(found).await,
        names,
        "matrix.rs has a line for each function"
    );

    for actor in ACTORS {
        let session = Session::open_as(&db, actor.login).await;
        for (name, roles, answer) in FUNCTIONS.iter().copied() {
            let is_granted = roles.split(' ').any(|role| actor.groups.contains(&role));
            if !is_granted || !actor.may_name(name) {
                for call in calls(&admin, name).await {
                    let outcome = attempt(&session, Some(OURS), &call).await;
                    assert!(
                        is_permission_denied(outcome.refusal()),
                        "{}: {call}: {outcome:?}",
                        actor.login
                    );
                }
                continue;
            }
            for set in [Some(OURS), Some(THEIRS), None] {
                let monitors_all = actor.has_all_tenants
                    || actor.groups.contains(&"monitor") && !actor.groups.contains(&"manager");
                let may = match answer {
                    Answer::Monitored(_) => set == Some(OURS) || monitors_all,
                    _ => set == Some(OURS) || actor.has_all_tenants,
                };
                let call = call_for(match answer {
                    Answer::Owner => panic!("{name} is granted to {roles}"),
                    Answer::Same(call)
                    | Answer::Own(call)
                    | Answer::Denied(call)
                    | Answer::Monitored(call)
                    | Answer::AllTenants(call)
                    | Answer::Unknown(call)
                    | Answer::Raised(call, _) => call,
                });
                let outcome = attempt(&session, set, &call).await;
                let what = format!("{}, {set:?}: {call}: {outcome:?}", actor.login);
                match answer {
                    Answer::Owner | Answer::Same(_) => assert!(!outcome.is_refused(), "{what}"),
                    Answer::Own(_) => assert_eq!(is_nothing(&outcome), !may, "{what}"),
                    Answer::Denied(_) | Answer::Monitored(_) | Answer::Unknown(_) if may => {
                        assert!(!is_nothing(&outcome), "{what}")
                    }
                    Answer::AllTenants(_) if monitors_all => {
                        assert!(!is_nothing(&outcome), "{what}");
                    }
                    Answer::AllTenants(_) => {
                        let refusal = outcome.refusal();
                        assert_eq!(refusal.code, "42501", "{what}");
                        assert!(refusal.message.contains("all tenants"), "{what}");
                        assert!(refusal.hint.contains("webhooks_monitor"), "{what}");
                    }
                    Answer::Raised(_, code) if code != "42501" => {
                        assert_eq!(outcome.refusal().code, code, "{what}");
                    }
                    Answer::Denied(_) | Answer::Monitored(_) | Answer::Raised(..) => {
                        let refusal = outcome.refusal();
                        assert_eq!(refusal.code, "42501", "{what}");
                        assert!(refusal.message.contains("can't be accessed"), "{what}");
                        assert!(refusal.hint.contains("webhooks.set_tenant("), "{what}");
                    }
                    Answer::Unknown(_) => {
                        let nobodys = "00000000-0000-7000-8000-00000000dead";
                        let named = [OURS.subscription, OURS.delivery, OURS.event];
                        let named = named.into_iter().find(|id| call.contains(id)).unwrap();
                        let unknown = attempt(&session, set, &call.replace(named, nobodys)).await;
                        let (refusal, unknown) = (outcome.refusal(), unknown.refusal());
                        assert_eq!(refusal.code, "42704", "{what}");
                        assert_eq!(
                            refusal.everything,
                            unknown.everything.replace(nobodys, named)
                        );
                    }
                }
            }
        }
    }
}

/// For a function that names objects of a tenant, the matrix must say what a call with another tenant's object does.
#[tokio::test]
async fn functions_that_name_a_tenants_objects_are_in_the_matrix() {
    let (_db, admin) = cast::database("answers").await;
    let naming = "
        select distinct p.proname from pg_proc p, aclexplode(p.proacl) a
        where p.pronamespace in ('webhooks'::regnamespace, 'webhooks_private'::regnamespace) and p.provolatile <> 'i'
          and a.grantee in ('webhooks_publisher'::regrole, 'webhooks_manager'::regrole)
          and p.proargnames && '{tenant_id,subscription_id,event_id,delivery_id,ids}' order by 1";
    for name in admin.lines(naming).await {
        let (_, _, answer) = FUNCTIONS.iter().find(|(n, ..)| *n == name).unwrap();
        assert!(
            !matches!(answer, Answer::Same(_))
                // The trigger that watch_table() makes inserts events: row-level security answers then.
                // Monitors see others' failures, without names: see failures.rs.
                // Of an id alone it says where its queue is.
                || ["queue_shard_of", "set_tenant", "subscription_messages", "watch_table"].contains(&name.as_str()),
            "{name} is the same for every tenant?"
        );
    }
}
