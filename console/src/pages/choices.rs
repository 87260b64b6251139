//! What can be chosen in forms.

use super::failure::Failure;
use super::view::Choice;
use crate::database::Request;
use serde::Deserialize;
use uuid::Uuid;

#[derive(Deserialize)]
struct Subscription {
    id: String,
    name: String,
}

/// The subscriptions of a tenant, by name: as many as somebody looks through.
pub async fn subscriptions(request: &Request<'_>, tenant: Uuid) -> Result<Vec<Choice>, Failure> {
    let found: Vec<Subscription> = request
        .items(
            "select to_json(s)::text as item from (
                 select s.id, s.name || ' (' || s.environment || ')' as name
                 from webhooks.webhook_subscriptions s
                 where s.tenant_id = $1 order by s.name, s.environment, s.id limit 500) s",
            &[&tenant],
        )
        .await?;
    Ok(found.into_iter().map(|s| (s.id, s.name)).collect())
}

/// The types of events.
pub async fn event_types(request: &Request<'_>) -> Result<Vec<Choice>, Failure> {
    let names: Vec<String> = request
        .items(
            "select to_json(t.name)::text as item from webhooks.event_types t order by t.name",
            &[],
        )
        .await?;
    let mut choices: Vec<Choice> = Vec::with_capacity(names.len());
    let mut category = "";
    for name in &names {
        let of = name.split('.').next().unwrap_or_default();
        if of != category {
            choices.push((format!("{of}.*"), format!("{of}.*: all of these")));
            category = of;
        }
        choices.push((name.clone(), name.clone()));
    }
    Ok(choices)
}
