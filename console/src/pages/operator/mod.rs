//! Pages of operators: states of all tenants, without contents.

pub mod alerts;
pub mod doctor;
pub mod queue;
pub mod settings;
pub mod sidecars;
pub mod tenants;

use super::failure::Failure;
use super::layout::Section;
use super::view::Moment;
use crate::database::{ReadError, Request};
use crate::http::session::Session;
use maud::Markup;
use serde::Deserialize;

/// The page with its frame, at the end of its request.
async fn finish(
    request: Request<'_>,
    session: &Session,
    section: Section,
    title: &str,
    content: &Markup,
) -> Result<Markup, Failure> {
    super::finish::finish(request, session, section, None, title, content).await
}

/// A row of `queue_status()`.
#[derive(Deserialize)]
struct Shard {
    shard: i32,
    owner: Option<String>,
    owner_pid: Option<i32>,
    ready: i64,
    scheduled: i64,
    held: i64,
    oldest_due_at: Option<Moment>,
}

async fn shards(request: &Request<'_>) -> Result<Vec<Shard>, ReadError> {
    request
        .items(
            "select to_json(q)::text as item from webhooks.queue_status() q order by q.shard",
            &[],
        )
        .await
}
