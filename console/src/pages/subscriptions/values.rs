//! What a form of a subscription holds, and the settings that it makes. Whether they are right, the database knows: a
//! text that is no number is handed to it as it is.

use super::conditions;
use crate::http::problem::Problem;
use serde::Deserialize;
use serde_json::{Map, Value};
use uuid::Uuid;

/// Fields of a condition on event data, of which a form has several rows.
pub const CONDITION: [&str; 3] = ["filter_path", "filter_operator", "filter_value"];

/// Settings of one text, number or word; blank stands for null.
const TEXTS: [&str; 22] = [
    "name",
    "description",
    "environment",
    "webhook_url",
    "delivery",
    "webhook_method",
    "auth_type",
    "retry_count",
    "retry_delay_seconds",
    "retry_schedule",
    "timeout_seconds",
    "max_payload_size_kb",
    "max_in_flight",
    "rate_limit_per_second",
    "rate_limit_burst",
    "ordering",
    "breaker_failure_threshold",
    "breaker_cooldown_seconds",
    "payload_format",
    "payload_template",
    "payload_content_type",
    "endpoint_verification",
];
const SWITCHES: [&str; 2] = ["is_active", "is_enabled"];

/// Fields of a form by name, which may be there more than once.
#[derive(Clone, Default, Deserialize)]
#[serde(transparent)]
pub struct Values(Vec<(String, String)>);

impl Values {
    /// The first of this name; empty if there is none.
    pub fn get(&self, name: &str) -> &str {
        self.all(name).next().unwrap_or_default()
    }

    pub fn all<'v>(&'v self, name: &str) -> impl Iterator<Item = &'v str> {
        let named = self.0.iter().filter(move |(field, _)| field == name);
        named.map(|(_, value)| value.as_str())
    }

    pub fn has(&self, name: &str, value: &str) -> bool {
        self.all(name).any(|v| v == value)
    }

    /// The ids of what was chosen in a list.
    ///
    /// # Errors
    /// What is no id.
    pub fn ids(&self) -> Result<Vec<Uuid>, Problem> {
        let ids = self.all("id").map(|id| {
            id.parse()
                .map_err(|_| Problem::bad_request(format!("id is no UUID: {id}")))
        });
        ids.collect()
    }

    pub fn is_blank(&self, name: &str) -> bool {
        self.get(name).trim().is_empty()
    }

    /// Pairs of a name and a value in two fields, without those whose name is blank.
    pub fn pairs(&self, names: &str, values: &str) -> Vec<(&str, &str)> {
        let pairs = self.all(names).map(str::trim).zip(self.all(values));
        pairs.filter(|(name, _)| !name.is_empty()).collect()
    }

    /// Rows of three fields, without those whose first is blank.
    pub fn triples(&self, [first, second, third]: [&str; 3]) -> Vec<(&str, &str, &str)> {
        let rest = self.all(second).zip(self.all(third));
        let rows = self.all(first).map(str::trim).zip(rest);
        let rows = rows.filter(|(first, _)| !first.is_empty());
        rows.map(|(first, (second, third))| (first, second, third))
            .collect()
    }

    /// The conditions on event data.
    ///
    /// # Errors
    /// What is no JSON object; conditions that can't both hold a place.
    pub fn conditions(&self) -> Result<Map<String, Value>, Problem> {
        conditions::read(&self.triples(CONDITION), self.get("filter_event_data"))
    }

    fn add(&mut self, name: &str, value: impl Into<String>) {
        self.0.push((name.to_owned(), value.into()));
    }

    /// What a new form shows.
    pub fn of_a_new_one() -> Self {
        let mut values = Self::default();
        for (name, value) in [
            ("environment", "production"),
            ("delivery", "push"),
            ("webhook_method", "POST"),
            ("auth_type", "signature"),
            ("retry_count", "3"),
            ("retry_delay_seconds", "60"),
            ("timeout_seconds", "30"),
            ("max_payload_size_kb", "1024"),
            ("max_in_flight", "20"),
            ("no_retry_statuses", "410"),
            ("ordering", "none"),
            ("payload_format", "envelope"),
            ("is_active", "true"),
            ("is_enabled", "true"),
        ] {
            values.add(name, value);
        }
        values
    }

    /// Shows these settings instead of its own.
    pub fn put(&mut self, settings: &Map<String, Value>) {
        for (name, value) in settings {
            self.put_one(name, value);
        }
    }

    fn put_one(&mut self, name: &str, value: &Value) {
        let members = value.as_object().into_iter().flatten();
        match name {
            "subscribed_events" => {
                self.0.retain(|(field, _)| field != name);
                for event in value.as_array().into_iter().flatten() {
                    self.add(name, text(event));
                }
            }
            "no_retry_statuses" => {
                let statuses = value.as_array().into_iter().flatten().map(text);
                self.set(name, statuses.collect::<Vec<_>>().join(", "));
            }
            "webhook_headers" => {
                for (header, value) in members {
                    self.add("header_name", header);
                    self.add("header_value", text(value));
                }
            }
            "template_secrets" => {
                for (secret, value) in members {
                    self.add("secret_name", secret);
                    self.add("secret_value", text(value));
                }
            }
            "auth_config" => self.set("api_key_header", text(&value["header"])),
            "event_filters" => {
                for key in ["resource_type", "resource_id", "jsonpath"] {
                    self.set(&format!("filter_{key}"), text(&value[key]));
                }
                for name in ["filter_path", "filter_operator", "filter_value"] {
                    self.0.retain(|(field, _)| field != name);
                }
                for (path, operator, operand) in conditions::rows(&value["event_data"]) {
                    self.add("filter_path", path);
                    self.add("filter_operator", operator);
                    self.add("filter_value", operand);
                }
            }
            _ if SWITCHES.contains(&name) => {
                self.0.retain(|(field, _)| field != name);
                if value == &Value::Bool(true) {
                    self.add(name, "true");
                }
            }
            _ => self.set(name, text(value)),
        }
    }

    fn set(&mut self, name: &str, value: String) {
        self.0.retain(|(field, _)| field != name);
        self.add(name, value);
    }

    /// All settings of the form, as `webhook_subscriptions` has them. A secret that is left blank is null, which keeps
    /// the stored one.
    ///
    /// # Errors
    /// A condition on event data that is no JSON.
    pub fn settings(&self) -> Result<Map<String, Value>, Problem> {
        let mut settings = Map::new();
        for name in TEXTS {
            settings.insert(name.to_owned(), self.text_or_null(name));
        }
        for name in SWITCHES {
            settings.insert(name.to_owned(), self.has(name, "true").into());
        }
        let events: Vec<&str> = self.all("subscribed_events").collect();
        settings.insert("subscribed_events".to_owned(), events.into());
        let statuses = self.get("no_retry_statuses");
        let statuses = statuses
            .split([',', ' '])
            .filter(|status| !status.is_empty());
        settings.insert(
            "no_retry_statuses".to_owned(),
            statuses.collect::<Vec<_>>().into(),
        );
        settings.insert(
            "webhook_headers".to_owned(),
            object(&self.pairs("header_name", "header_value")),
        );
        settings.insert(
            "template_secrets".to_owned(),
            object(&self.pairs("secret_name", "secret_value")),
        );
        settings.insert("auth_config".to_owned(), self.auth_config());
        settings.insert("event_filters".to_owned(), self.event_filters()?);
        Ok(settings)
    }

    /// It signs, and no secret is given.
    pub fn lacks_secret(&self) -> bool {
        self.get("auth_type") == "signature" && self.is_blank("signing_secret")
    }

    fn text_or_null(&self, name: &str) -> Value {
        match self.get(name) {
            value if value.trim().is_empty() => Value::Null,
            // Browsers send the line ends of MIME.
            value if name == "description" || name == "payload_template" => {
                value.replace("\r\n", "\n").into()
            }
            value => value.trim().into(),
        }
    }

    fn auth_config(&self) -> Value {
        let mut config = Map::new();
        match self.get("auth_type") {
            "api_key" => {
                config.insert("api_key".to_owned(), self.text_or_null("api_key"));
                let header = self.text_or_null("api_key_header");
                if !header.is_null() {
                    config.insert("header".to_owned(), header);
                }
            }
            "signature" => {
                config.insert("secret".to_owned(), self.text_or_null("signing_secret"));
            }
            _ => {}
        }
        config.into()
    }

    fn event_filters(&self) -> Result<Value, Problem> {
        let mut filters = Map::new();
        for key in ["resource_type", "resource_id", "jsonpath"] {
            let condition = self.text_or_null(&format!("filter_{key}"));
            if !condition.is_null() {
                filters.insert(key.to_owned(), condition);
            }
        }
        let conditions = self.conditions()?;
        if !conditions.is_empty() {
            filters.insert("event_data".to_owned(), conditions.into());
        }
        Ok(filters.into())
    }
}

/// A value as a field shows it; null is blank.
pub fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn object(pairs: &[(&str, &str)]) -> Value {
    let member = |(name, value): &(&str, &str)| {
        let value = match value.is_empty() {
            true => Value::Null,
            false => Value::from(*value),
        };
        ((*name).to_owned(), value)
    };
    Value::Object(pairs.iter().map(member).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn settings(values: &Values) -> Value {
        values.settings().unwrap().into()
    }

    #[test]
    fn settings_survive_the_way_through_a_form() {
        let stored = json!({
            "name": "a", "webhook_url": "https://x.example/", "subscribed_events": ["job.*", "*"], "retry_count": 5,
            "is_active": true, "is_enabled": false, "no_retry_statuses": [410, 422], "rate_limit_per_second": 0.5,
            "webhook_headers": {"x-a": null}, "template_secrets": {"key": null}, "auth_type": "api_key",
            "auth_config": {"api_key": null, "header": "x-key"},
            "event_filters": {"resource_type": "job", "event_data": {"n": {"$gt": 1}}}, "description": null
        });
        let mut values = Values::of_a_new_one();
        values.put(stored.as_object().unwrap());
        let made = settings(&values);
        for (name, value) in [
            ("retry_count", json!("5")),
            ("rate_limit_per_second", json!("0.5")),
            ("no_retry_statuses", json!(["410", "422"])),
        ] {
            assert_eq!(made[name], value, "{name}");
        }
        for name in [
            "name",
            "subscribed_events",
            "is_active",
            "is_enabled",
            "webhook_headers",
            "template_secrets",
            "auth_config",
            "event_filters",
            "description",
        ] {
            assert_eq!(made[name], stored[name], "{name}");
        }
    }

    #[test]
    fn what_is_no_json_is_told_at_its_field() {
        let mut values = Values::of_a_new_one();
        values.set("filter_event_data", "{".to_owned());
        let problem = values.settings().unwrap_err();
        assert_eq!(problem.named_field(), Some("event_filters"));
    }

    #[test]
    fn a_form_that_signs_without_a_secret_lacks_one() {
        let mut values = Values::of_a_new_one();
        assert!(values.lacks_secret());
        values.set("signing_secret", "whsec_c2VjcmV0".to_owned());
        assert!(!values.lacks_secret());
        assert_eq!(
            settings(&values)["auth_config"],
            json!({"secret": "whsec_c2VjcmV0"})
        );
    }
}
