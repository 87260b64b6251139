//! The queue: each shard with its owner and what is outstanding in it.

use super::{Shard, shards};
use crate::database::{Database, Mode};
use crate::http::session::Session;
use crate::pages::failure::Failure;
use crate::pages::layout::Section;
use crate::pages::scopes::OPERATE;
use crate::pages::view::{as_sql, count, relative};
use axum::extract::State;
use maud::{Markup, html};

pub async fn show(State(database): State<Database>, session: Session) -> Result<Markup, Failure> {
    let mut connection = database.connection().await?;
    let request = connection.begin(&session.who, OPERATE, Mode::Read).await?;
    let shards = shards(&request).await?;
    let sum = |of: fn(&Shard) -> i64| count(shards.iter().map(of).sum());
    let without_owner = shards.iter().filter(|s| s.owner_pid.is_none()).count();
    let content = html! {
        h1 { "Queue" }
        dl.figures {
            div { dt { "ready" } dd { (sum(|s| s.ready)) } }
            div { dt { "wait for their time" } dd { (sum(|s| s.scheduled)) } }
            div { dt { "held" } dd { (sum(|s| s.held)) } }
            div { dt { "shards without owner" } dd { (without_owner) } }
        }
        p.muted {
            "Ready: may be attempted now. Held: their subscription is disabled, not verified or paused, its circuit breaker is open, or they are behind another one in order. "
            "The page reads the whole queue: load it again to see it anew."
        }
        (table(&shards))
        (as_sql("select * from webhooks.queue_status();\nselect * from webhooks.blockers();"))
    };
    super::finish(request, &session, Section::Queue, "Queue", &content).await
}

fn table(shards: &[Shard]) -> Markup {
    html! {
        div.scroll { table {
            thead { tr { th.number { "shard" } th { "owner" } th.number { "ready" } th.number { "scheduled" } th.number { "held" } th { "oldest due" } } }
            tbody { @for s in shards { tr {
                td.number { (s.shard) }
                td {
                    @match s.owner_pid {
                        Some(pid) => { (s.owner.as_deref().unwrap_or("–")) " " span.muted { "pid " (pid) } }
                        None => span.state.failed { span aria-hidden="true" { "✕" } " none" },
                    }
                }
                td.number { (count(s.ready)) }
                td.number { (count(s.scheduled)) }
                td.number { (count(s.held)) }
                td { (relative(s.oldest_due_at)) }
            } } }
        } }
    }
}
