//! What the doctor finds: what keeps events from being delivered, or may do so soon.

use crate::database::{Database, Mode};
use crate::http::session::Session;
use crate::pages::failure::Failure;
use crate::pages::layout::Section;
use crate::pages::scopes::OPERATE;
use crate::pages::view::{as_sql, severity};
use axum::extract::State;
use maud::{Markup, html};
use serde::Deserialize;

/// A row of `doctor()`.
#[derive(Deserialize)]
struct Finding {
    severity: String,
    check_name: String,
    finding: String,
    meaning: String,
    advice: Option<String>,
}

pub async fn show(State(database): State<Database>, session: Session) -> Result<Markup, Failure> {
    let mut connection = database.connection().await?;
    let request = connection.begin(&session.who, OPERATE, Mode::Read).await?;
    let findings: Vec<Finding> = request
        .items(
            "select to_json(d)::text as item from webhooks.doctor() d",
            &[],
        )
        .await?;
    let is_well = findings.iter().all(|f| f.severity == "info");
    let content = html! {
        h1 { "Doctor" }
        @if is_well { div.note.delivered { p { "Nothing keeps events from being delivered." } } }
        div.scroll { table {
            thead { tr { th { "severity" } th { "check" } th { "finding" } th { "meaning" } th { "what to do" } } }
            tbody { @for f in &findings { tr {
                td { (severity(&f.severity)) } td { (f.check_name) } td.wide { (f.finding) } td.wide { (f.meaning) }
                td.wide { (f.advice.as_deref().unwrap_or("–")) }
            } } }
        } }
        p.muted { code { "webhooks-sidecar doctor" } " looks at it from the side of a sidecar: connections, names, certificates." }
        (as_sql("select * from webhooks.doctor();"))
    };
    super::finish(request, &session, Section::Doctor, "Doctor", &content).await
}
