//! Somebody with pages of a tenant open.

use uuid::Uuid;
use webhooks_tests::http::Answer;

use crate::browser::{Browser, location};
use crate::scene::{ALL_SCOPES, Scene};

pub struct Visit<'s> {
    pub browser: Browser<'s>,
    /// The path of the tenant's pages.
    pub tenant: String,
    csrf: String,
}

impl<'s> Visit<'s> {
    /// With a session of a token for this tenant, that permits these scopes and no others.
    pub async fn begin(scene: &'s Scene, tenant: Uuid, scopes: &str) -> Self {
        let token = scene.client(Some(tenant), scopes).await.token;
        Self::with(scene, tenant, &token).await
    }

    /// Of somebody who may do everything with subscriptions.
    pub async fn of_manager(scene: &'s Scene, tenant: Uuid) -> Self {
        Self::begin(scene, tenant, ALL_SCOPES).await
    }

    /// With a session of this token.
    pub async fn with(scene: &'s Scene, tenant: Uuid, token: &str) -> Self {
        let mut browser = Browser::new(scene);
        browser.log_in(token).await;
        let csrf = browser.csrf(tenant).await;
        Self {
            browser,
            tenant: format!("/t/{tenant}"),
            csrf,
        }
    }

    /// Gets a page of the tenant.
    pub async fn get(&mut self, path: &str) -> Answer {
        self.browser.get(&format!("{}{path}", self.tenant)).await
    }

    /// Gets a page that is there.
    pub async fn page(&mut self, path: &str) -> String {
        let answer = self.get(path).await;
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        answer.body
    }

    /// Sends a form of a page of the tenant.
    pub async fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let csrf = self.csrf.clone();
        self.post_with(path, fields, &csrf).await
    }

    pub async fn post_with(&mut self, path: &str, fields: &[(&str, &str)], csrf: &str) -> Answer {
        let mut all = vec![("csrf", csrf)];
        all.extend(fields);
        self.browser
            .submit(&format!("{}{path}", self.tenant), &all)
            .await
    }

    /// Sends a form, and gets the page that it leads to.
    pub async fn follow(&mut self, path: &str, fields: &[(&str, &str)]) -> String {
        let answer = self.post(path, fields).await;
        let to = location(&answer).to_owned();
        let answer = self.browser.get(&to).await;
        assert_eq!(answer.status, 200, "{to}: {answer:?}");
        answer.body
    }

    /// Creates a subscription without authentication by the form.
    ///
    /// Returns: its id.
    pub async fn subscribe(&mut self, name: &str, url: &str) -> String {
        let fields = filled(&[("name", name), ("webhook_url", url), ("auth_type", "none")]);
        let answer = self.post("/subscriptions", &fields).await;
        let to = location(&answer);
        let id = to.rsplit('/').next().unwrap().split('?').next().unwrap();
        id.to_owned()
    }
}

/// What the form of a new subscription has when it opens, and this in addition or instead.
pub fn filled<'f>(fields: &[(&'f str, &'f str)]) -> Vec<(&'f str, &'f str)> {
    let usual = [
        ("environment", "production"),
        ("delivery", "push"),
        ("webhook_method", "POST"),
        ("auth_type", "signature"),
        ("subscribed_events", "*"),
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
    ];
    let is_given = |name: &str| fields.iter().any(|(given, _)| *given == name);
    let usual = usual.into_iter().filter(|(name, _)| !is_given(name));
    usual.chain(fields.iter().copied()).collect()
}
