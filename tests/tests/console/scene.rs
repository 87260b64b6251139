use serde_json::{Value, json};
use uuid::Uuid;
use webhooks_tests::console::Console;
use webhooks_tests::database::{CONSOLE_ROLE, Database};
use webhooks_tests::http::Answer;

pub const SUBSCRIPTIONS: &str = "/api/webhook-subscriptions/";
pub const TEMPLATES: &str = "/api/subscription-templates/";
pub const ALL_SCOPES: &str = "webhook_subscriptions:create,webhook_subscriptions:read,webhook_subscriptions:update,webhook_subscriptions:delete,webhook_subscriptions:test,webhook_subscriptions:retry,events:publish,events:read,metrics:read,audit:read";

/// A database with a console.
pub struct Scene {
    pub console: Console,
    pub db: Database,
}

/// Who asks: a token, and perhaps a header with the tenant.
pub struct Client<'s> {
    console: &'s Console,
    pub token: String,
    pub tenant: Option<Uuid>,
}

impl Scene {
    pub async fn set(name: &str) -> Self {
        Self::set_with(name, &[]).await
    }

    /// With more arguments for the console.
    pub async fn set_with(name: &str, arguments: &[&str]) -> Self {
        let db = Database::fresh(name).await.unwrap();
        let url = db.url(CONSOLE_ROLE);
        let console = Console::start_with(&url, arguments).await.unwrap();
        Self { console, db }
    }

    /// A client with a token for a tenant, or for all.
    pub async fn client(&self, tenant: Option<Uuid>, scopes: &str) -> Client<'_> {
        let tenant = tenant.map_or("null".to_owned(), |tenant| format!("'{tenant}'"));
        let create = format!(
            "select webhooks.create_access_token({tenant}, '{{{scopes}}}', '1 day', 'for a test')"
        );
        Client {
            console: &self.console,
            token: self.db.value(&create).await.unwrap().unwrap(),
            tenant: None,
        }
    }

    /// A client that may do everything for a tenant.
    pub async fn manager(&self, tenant: Uuid) -> Client<'_> {
        self.client(Some(tenant), ALL_SCOPES).await
    }
}

impl Client<'_> {
    pub async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        let authorization = format!("Bearer {}", self.token);
        let tenant = self.tenant.map(|tenant| tenant.to_string());
        let mut all = vec![("authorization", authorization.as_str())];
        if let Some(tenant) = &tenant {
            all.push(("webhooks-tenant", tenant));
        }
        if !body.is_empty() {
            all.push(("content-type", "application/json"));
        }
        all.extend(headers);
        self.console.send(method, path, &all, body).await.unwrap()
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], "").await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send("POST", path, &[], &body.to_string()).await
    }

    /// Creates a subscription.
    ///
    /// Returns: its id.
    pub async fn subscribe(&self, name: &str, url: &str) -> String {
        let body = json!({"name": name, "webhook_url": url, "subscribed_events": ["*"]});
        let created = self.post(SUBSCRIPTIONS, &body).await;
        assert_eq!(created.status, 201, "{created:?}");
        parse(&created)["id"].as_str().unwrap().to_owned()
    }
}

/// The body of an answer.
pub fn parse(answer: &Answer) -> Value {
    serde_json::from_str(&answer.body).unwrap_or_else(|error| panic!("{error}: {answer:?}"))
}

/// A refusal: its status and what it says.
pub fn problem(answer: &Answer) -> (u16, String) {
    let kind = answer.header("content-type");
    assert_eq!(kind, Some("application/problem+json"), "{answer:?}");
    let problem = parse(answer);
    assert_eq!(problem["status"], answer.status);
    assert!(problem["title"].is_string());
    (
        answer.status,
        problem["detail"].as_str().unwrap().to_owned(),
    )
}

/// The path of the next page.
pub fn next(answer: &Answer) -> Option<String> {
    let link = answer.header("link")?;
    let path = link.strip_prefix('<')?.strip_suffix(">; rel=\"next\"")?;
    Some(path.to_owned())
}
