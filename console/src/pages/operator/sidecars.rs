//! Sidecars: who delivers which shards, and how far behind each is.

use super::{Shard, shards};
use crate::database::{Database, Mode};
use crate::http::session::Session;
use crate::pages::failure::Failure;
use crate::pages::layout::Section;
use crate::pages::scopes::OPERATE;
use crate::pages::view::{Moment, as_sql, count, relative};
use axum::extract::State;
use maud::{Markup, html};
use std::collections::BTreeMap;

/// The shards of one sidecar, summed up.
#[derive(Default)]
struct Owner {
    name: Option<String>,
    shards: Vec<i32>,
    ready: i64,
    scheduled: i64,
    held: i64,
    oldest_due_at: Option<Moment>,
}

pub async fn show(State(database): State<Database>, session: Session) -> Result<Markup, Failure> {
    let mut connection = database.connection().await?;
    let request = connection.begin(&session.who, OPERATE, Mode::Read).await?;
    let shards = shards(&request).await?;
    let row = request
        .row(
            "select webhooks.sidecar_count()::bigint as sidecars, current_setting('server_version') as server,
                    (select e.extversion from pg_extension e where e.extname = 'webhooks') as extension",
            &[],
        )
        .await?;
    let sidecars: i64 = row.try_get("sidecars")?;
    let (server, extension): (String, String) = (row.try_get("server")?, row.try_get("extension")?);
    let owners = owners(shards);
    let content = html! {
        h1 { "Sidecars" }
        dl.figures {
            div { dt { "running" } dd { (sidecars) } }
            div { dt { "extension" } dd { (extension) } }
            div { dt { "PostgreSQL" } dd { (server) } }
        }
        @if sidecars == 0 {
            div.note.failed { p { "No sidecar runs for this database: events are queued, and nothing is delivered. Start webhooks-sidecar; its log says why it ended or cannot connect." } }
        }
        (table(&owners, &extension))
        p.muted {
            "A sidecar works with the extension of its own minor version, of the one before and of the one after. "
            "One that is older than 0.3.0 does not tell its version here: see " code { "webhooks-sidecar --version" } "."
        }
        (as_sql("select owner_pid, min(owner), array_agg(shard), sum(ready), min(oldest_due_at)\nfrom webhooks.queue_status() group by owner_pid;\nselect webhooks.sidecar_count();"))
    };
    super::finish(request, &session, Section::Sidecars, "Sidecars", &content).await
}

/// The version of a sidecar, which the name of its session tells: `webhooks-sidecar owner 0.3.0: name`.
fn version(name: &str) -> Option<&str> {
    let rest = name.strip_prefix("webhooks-sidecar owner ")?;
    Some(rest.split_once(':').map_or(rest, |(version, _)| version))
}

/// By the process of the session that owns them; `None`: nobody does.
fn owners(shards: Vec<Shard>) -> BTreeMap<Option<i32>, Owner> {
    let mut owners: BTreeMap<Option<i32>, Owner> = BTreeMap::new();
    for shard in shards {
        let owner = owners.entry(shard.owner_pid).or_default();
        owner.name = shard.owner;
        owner.shards.push(shard.shard);
        owner.ready += shard.ready;
        owner.scheduled += shard.scheduled;
        owner.held += shard.held;
        owner.oldest_due_at = match (owner.oldest_due_at, shard.oldest_due_at) {
            (Some(Moment::At(a)), Some(Moment::At(b))) => Some(Moment::At(a.min(b))),
            (a, b) => a.or(b),
        };
    }
    owners
}

fn table(owners: &BTreeMap<Option<i32>, Owner>, extension: &str) -> Markup {
    html! {
        div.scroll { table {
            thead { tr { th { "sidecar" } th { "version" } th.number { "pid" } th { "shards" } th.number { "ready" } th.number { "scheduled" } th.number { "held" } th { "lag: oldest due" } } }
            tbody { @for (pid, owner) in owners { tr {
                td {
                    @match pid {
                        Some(_) => (owner.name.as_deref().unwrap_or("–")),
                        None => span.state.failed { span aria-hidden="true" { "✕" } " none" },
                    }
                }
                td { @match owner.name.as_deref().and_then(version) {
                    Some(version) => { (version) @if version != extension { " " span.state.retrying { span aria-hidden="true" { "!" } " not the extension's" } } }
                    None => "–",
                } }
                td.number { @match pid { Some(pid) => (pid), None => "–" } }
                td.wide { (owner.shards.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")) }
                td.number { (count(owner.ready)) }
                td.number { (count(owner.scheduled)) }
                td.number { (count(owner.held)) }
                td { (relative(owner.oldest_due_at)) }
            } } }
        } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_name_of_a_session_tells_the_version() {
        for (name, told) in [
            ("webhooks-sidecar owner 0.3.0", Some("0.3.0")),
            ("webhooks-sidecar owner 0.3.0: shop", Some("0.3.0")),
            ("webhooks-sidecar owner", None),
            ("webhooks-sidecar owner: shop", None),
            ("psql", None),
        ] {
            assert_eq!(version(name), told, "{name}");
        }
    }

    #[test]
    fn the_lag_of_a_sidecar_is_that_of_its_oldest_delivery() {
        let shard = |n: i32, pid: Option<i32>, due: Option<&str>| -> Shard {
            serde_json::from_value(json!({
                "shard": n, "owner_pid": pid, "ready": 1, "scheduled": 0, "held": 2, "oldest_due_at": due
            }))
            .unwrap()
        };
        let owners = owners(vec![
            shard(0, Some(7), Some("2026-11-30T12:00:02Z")),
            shard(1, None, None),
            shard(2, Some(7), Some("2026-11-30T12:00:01Z")),
        ]);
        let seven = &owners[&Some(7)];
        assert_eq!(
            (seven.shards.as_slice(), seven.ready, seven.held),
            (&[0, 2][..], 2, 4)
        );
        let due = seven.oldest_due_at.unwrap().to_string();
        assert_eq!(due, "2026-11-30 12:00:01 UTC");
        assert_eq!(owners[&None].shards, [1]);
    }
}
