//! A browser, as far as sessions go: it keeps the cookie, and says where its forms are from.

use uuid::Uuid;
use webhooks_tests::console::Console;
use webhooks_tests::http::Answer;

use crate::scene::Scene;

/// What scenes of pages permit.
pub const READ: &str = "webhook_subscriptions:read";

pub struct Browser<'s> {
    console: &'s Console,
    /// As it sends it back: name and value.
    pub cookie: Option<String>,
}

impl<'s> Browser<'s> {
    pub fn new(scene: &'s Scene) -> Self {
        Self {
            console: &scene.console,
            cookie: None,
        }
    }

    /// Gets a page.
    pub async fn get(&mut self, path: &str) -> Answer {
        self.send("GET", path, &[], "").await
    }

    /// Sends a form of a page of the console.
    pub async fn submit(&mut self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let headers = [("sec-fetch-site", "same-origin")];
        self.submit_with(path, fields, &headers).await
    }

    /// Sends a form with these headers.
    pub async fn submit_with(
        &mut self,
        path: &str,
        fields: &[(&str, &str)],
        headers: &[(&str, &str)],
    ) -> Answer {
        let fields: Vec<_> = fields
            .iter()
            .map(|(name, value)| format!("{name}={}", escape(value)))
            .collect();
        let mut all = vec![("content-type", "application/x-www-form-urlencoded")];
        all.extend(headers);
        self.send("POST", path, &all, &fields.join("&")).await
    }

    pub async fn send(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        let mut all = headers.to_vec();
        let cookie = self.cookie.clone();
        if let Some(cookie) = &cookie {
            all.push(("cookie", cookie));
        }
        let answer = self.console.send(method, path, &all, body).await.unwrap();
        if let Some(set) = answer.header("set-cookie") {
            let cookie = set.split(';').next().unwrap().to_owned();
            self.cookie = (!set.contains("Max-Age=0")).then_some(cookie);
        }
        answer
    }

    /// Logs in with a token.
    pub async fn log_in(&mut self, token: &str) {
        let answer = self.submit("/login", &[("token", token)]).await;
        assert_eq!(answer.status, 303, "{answer:?}");
        assert!(self.cookie.is_some(), "{answer:?}");
    }

    /// What the forms of this session have in their field csrf, as a page of it shows: also one that it may not see.
    pub async fn csrf(&mut self, tenant: Uuid) -> String {
        let page = self.get(&format!("/t/{tenant}")).await;
        let (_, rest) = page.body.split_once("name=\"csrf\" value=\"").unwrap();
        rest.split('"').next().unwrap().to_owned()
    }
}

/// As forms are written.
pub fn escape(value: &str) -> String {
    let escaped = value.bytes().map(|byte| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => {
            char::from(byte).to_string()
        }
        byte => format!("%{byte:02X}"),
    });
    escaped.collect()
}

/// Where a redirection leads.
pub fn location(answer: &Answer) -> &str {
    assert_eq!(answer.status, 303, "{answer:?}");
    answer.header("location").unwrap()
}

/// A portal link's path and fragment.
pub async fn portal_link(scene: &Scene, tenant: Uuid, more: &str) -> String {
    let create =
        format!("select webhooks.create_portal_link('{tenant}', '{{metrics:read,{READ}}}'{more})");
    scene.db.value(&create).await.unwrap().unwrap()
}
