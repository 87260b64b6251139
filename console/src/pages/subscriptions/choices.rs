//! What a form of a subscription offers: event types, templates, and the settings that hold where it says nothing.

use crate::database::{ReadError, Request};
use serde::Deserialize;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

#[derive(Deserialize)]
pub struct EventType {
    pub name: String,
    pub category: String,
    pub description: Option<String>,
    pub deprecation: Option<String>,
}

/// A template, of the tenant or shipped.
#[derive(Deserialize)]
pub struct Template {
    pub name: String,
    pub description: Option<String>,
    pub settings: Map<String, Value>,
    /// Names and explanations.
    pub placeholders: BTreeMap<String, String>,
    pub is_own: bool,
}

pub struct Choices {
    pub event_types: Vec<EventType>,
    pub templates: Vec<Template>,
    settings: BTreeMap<String, Value>,
}

#[derive(Deserialize)]
struct Setting {
    name: String,
    value: Value,
}

/// More event types than anybody reads.
const MAX_TYPES: i64 = 2000;

impl Choices {
    /// # Errors
    /// The database's.
    pub async fn read(request: &Request<'_>) -> Result<Self, ReadError> {
        let event_types = request
            .items(
                "select json_build_object('name', c.name, 'category', c.category, 'description', c.description,
                                          'deprecation', c.deprecation)::text as item
                 from webhooks.event_type_catalogue c where c.is_current order by c.category, c.name limit $1",
                &[&MAX_TYPES],
            )
            .await?;
        let settings: Vec<Setting> = request
            .items(
                "select json_build_object('name', s.name, 'value', coalesce(to_json(s.value), to_json(s.text_value)))::text
                            as item
                 from webhooks.settings s
                 where s.name in ('max_retry_delay_seconds', 'breaker_failure_threshold', 'breaker_cooldown_seconds',
                                  'endpoint_verification', 'secret_overlap_seconds')",
                &[],
            )
            .await?;
        Ok(Self {
            event_types,
            templates: templates(request).await?,
            settings: settings.into_iter().map(|s| (s.name, s.value)).collect(),
        })
    }

    /// A setting of the system as text.
    pub fn setting(&self, name: &str) -> String {
        super::values::text(self.settings.get(name).unwrap_or(&Value::Null))
    }

    /// A setting of the system that is a number.
    pub fn number(&self, name: &str) -> Option<i64> {
        self.settings.get(name).and_then(Value::as_i64)
    }

    pub fn categories(&self) -> BTreeSet<&str> {
        self.event_types
            .iter()
            .map(|t| t.category.as_str())
            .collect()
    }

    pub fn template(&self, name: &str) -> Option<&Template> {
        self.templates.iter().find(|template| template.name == name)
    }
}

/// Templates by name; one of the tenant hides a shipped one.
///
/// # Errors
/// The database's.
pub async fn templates(request: &Request<'_>) -> Result<Vec<Template>, ReadError> {
    request
        .items(
            "select to_json(t)::text as item
             from (select distinct on (t.name) t.*
                   from (select o.name, o.description, o.settings, o.placeholders, true as is_own
                         from webhooks.subscription_templates o where o.tenant_id = $1
                         union all
                         select s.name, s.description, s.settings, s.placeholders, false
                         from webhooks.shipped_templates() s) t
                   order by t.name, t.is_own desc limit 1000) t",
            &[&request.access.tenant_id],
        )
        .await
}
