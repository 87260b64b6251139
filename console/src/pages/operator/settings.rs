//! Settings in force, with unit, range and reason.

use crate::database::{Database, Mode};
use crate::http::session::Session;
use crate::pages::failure::Failure;
use crate::pages::layout::Section;
use crate::pages::scopes::OPERATE;
use crate::pages::view::{as_sql, count};
use axum::extract::State;
use maud::{Markup, html};
use serde::Deserialize;

#[derive(Deserialize)]
struct Setting {
    name: String,
    value: Option<i64>,
    unit: String,
    default_value: Option<i64>,
    min_value: Option<i64>,
    max_value: Option<i64>,
    description: String,
    text_value: Option<String>,
    default_text: Option<String>,
}

pub async fn show(State(database): State<Database>, session: Session) -> Result<Markup, Failure> {
    let mut connection = database.connection().await?;
    let request = connection.begin(&session.who, OPERATE, Mode::Read).await?;
    let settings: Vec<Setting> = request
        .items(
            "select to_json(s)::text as item from webhooks.settings s order by s.name",
            &[],
        )
        .await?;
    let content = html! {
        h1 { "Settings" }
        p.muted { "Of the whole installation. The owner of the extension changes them by SQL; sidecars apply them at once." }
        div.scroll { table {
            thead { tr { th { "setting" } th { "value" } th { "default" } th { "range" } th { "what it does, and why it is so" } } }
            tbody { @for s in &settings { (row(s)) } }
        } }
        (as_sql("select * from webhooks.settings;\nselect webhooks.set_setting('event_retention_days', 90);\nselect webhooks.reset_setting('event_retention_days');"))
    };
    super::finish(request, &session, Section::Settings, "Settings", &content).await
}

fn row(s: &Setting) -> Markup {
    let is_changed = s.value != s.default_value || s.text_value != s.default_text;
    html! {
        tr {
            td.mono { (s.name) }
            td {
                (value(s.value, s.text_value.as_deref(), &s.unit))
                @if is_changed { " " span.muted { "changed" } }
            }
            td { (value(s.default_value, s.default_text.as_deref(), &s.unit)) }
            td { @match (s.min_value, s.max_value) { (Some(min), Some(max)) => { (count(min)) " to " (count(max)) } _ => "–" } }
            td.wide { (s.description) }
        }
    }
}

fn value(number: Option<i64>, text: Option<&str>, unit: &str) -> String {
    match (number, text) {
        (Some(number), _) => format!("{} {unit}", count(number)),
        (None, Some(text)) => text.to_owned(),
        (None, None) => "not set".to_owned(),
    }
}
