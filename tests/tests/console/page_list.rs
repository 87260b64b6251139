//! Every page and every action, once: tests of all of them go over these lists, and a route that is in none fails.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::json;
use uuid::Uuid;

use crate::scene::Scene;

/// A page: the name of its screenshots, its path, and the status that it has.
pub struct Page {
    pub name: &'static str,
    pub path: String,
    pub status: u16,
}

/// What there is of a tenant for its pages to show.
pub struct Ids {
    pub tenant: Uuid,
    pub subscription: String,
    pub event: String,
    pub delivery: String,
    /// A delivery of a test, which is finished.
    pub test: String,
    /// A delivery that can be made again.
    pub cancelled: String,
    pub hour_ago: String,
}

/// A time within the period that lists take.
pub async fn hour_ago(scene: &Scene) -> String {
    let hour_ago =
        "select to_char(now() at time zone 'UTC' - interval '1 hour', 'YYYY-MM-DD\"T\"HH24:MI:SS')";
    scene.db.value(hour_ago).await.unwrap().unwrap()
}

/// Pages of a tenant, below its path.
const OF_A_TENANT: [(&str, &str); 31] = [
    ("overview", ""),
    ("subscriptions", "/subscriptions"),
    ("subscriptions-none", "/subscriptions?q=nothing"),
    ("new-subscription", "/subscriptions/new"),
    ("new-of-template", "/subscriptions/new?template=pagerduty"),
    ("subscription", "/subscriptions/{subscription}"),
    ("edit-subscription", "/subscriptions/{subscription}/edit"),
    ("test", "/subscriptions/{subscription}/test/{test}"),
    ("import", "/subscriptions/import"),
    ("events", "/events"),
    ("events-of-type", "/events?type=document.uploaded"),
    ("event", "/events/{event}"),
    ("event-matching", "/events/{event}?why=1"),
    ("deliveries", "/deliveries"),
    ("deliveries-failed", "/deliveries?status=failed,expired"),
    ("delivery", "/deliveries/{delivery}"),
    ("recover", "/recover"),
    ("recover-failed", "/recover?what=failed"),
    (
        "recover-failed-of-type",
        "/recover?what=failed&type=job.created",
    ),
    ("recover-events", "/recover?what=events"),
    ("recover-unmatched", "/recover?what=unmatched"),
    (
        "recover-progress",
        "/recover/progress?what=failed&made=3&total=3&started={hour_ago}&ended=2100-01-01T00:00:00",
    ),
    ("event-types", "/event-types"),
    ("event-type", "/event-types/job.created"),
    ("templates", "/templates"),
    ("template", "/templates/show?name=pagerduty"),
    ("new-template", "/templates/edit"),
    ("edit-template", "/templates/edit?name=pagerduty"),
    ("audit", "/audit"),
    ("search", "/search"),
    ("search-nothing", "/search?q=nothing"),
];
/// Pages that say what is wrong, with their statuses.
const OF_ERRORS: [(&str, &str, u16); 4] = [
    ("no-subscription", "/subscriptions/{nothing}", 404),
    ("no-event", "/events/{nothing}", 404),
    ("refused-time", "/deliveries?from=yesterday-or-so", 400),
    ("refused-cursor", "/subscriptions?cursor=x", 400),
];
const OF_OPERATORS: [(&str, &str); 6] = [
    ("tenants", "/operator/tenants"),
    ("queue", "/operator/queue"),
    ("sidecars", "/operator/sidecars"),
    ("alerts", "/operator/alerts"),
    ("doctor", "/operator/doctor"),
    ("settings", "/operator/settings"),
];
/// What answers to GET, and is no page of a session: parts of pages, files, and entrances.
const NO_PAGES: [&str; 8] = [
    "/",
    "/t/{tenant_id}/subscriptions/{id}/state",
    "/t/{tenant_id}/subscriptions/export",
    "/login",
    "/portal",
    "/brand/logo",
    "/brand.css",
    "/assets/{digest}/{name}",
];
/// Pages that are forms, and of no use where nothing can be changed.
pub const FORMS: [&str; 6] = [
    "new-subscription",
    "new-of-template",
    "edit-subscription",
    "import",
    "new-template",
    "edit-template",
];
/// What answers to POST and changes something, or tries to, below a tenant's path, with fields that would be taken.
const ACTIONS: [(&str, &[(&str, &str)]); 20] = [
    (
        "/subscriptions",
        &[("name", "b"), ("webhook_url", "https://x.example/")],
    ),
    ("/subscriptions/check", &[("name", "b")]),
    (
        "/subscriptions/enabled",
        &[("id", "{subscription}"), ("enabled", "false")],
    ),
    ("/subscriptions/import", &[("subscriptions", "[]")]),
    ("/subscriptions/import/preview", &[("subscriptions", "[]")]),
    ("/subscriptions/{subscription}", &[("version", "1")]),
    ("/subscriptions/{subscription}/check", &[("version", "1")]),
    (
        "/subscriptions/{subscription}/test",
        &[("event_type", "job.created")],
    ),
    ("/subscriptions/{subscription}/secret", &[]),
    ("/subscriptions/{subscription}/reset-breaker", &[]),
    ("/subscriptions/{subscription}/verify", &[]),
    ("/subscriptions/{subscription}/delete", &[]),
    (
        "/templates/edit",
        &[
            ("name", "t"),
            ("settings", "{}"),
            ("placeholders", "{}"),
            ("is_new", "true"),
        ],
    ),
    (
        "/templates/edit",
        &[("name", "t"), ("settings", "{}"), ("placeholders", "{}")],
    ),
    ("/templates/delete", &[("name", "t")]),
    ("/deliveries/{delivery}/retry", &[]),
    ("/deliveries/{delivery}/cancel", &[]),
    ("/events/{event}/replay", &[]),
    (
        "/recover",
        &[
            ("what", "events"),
            ("from", "{hour_ago}"),
            ("to", "2100-01-01T00:00:00"),
        ],
    ),
    (
        "/recover",
        &[
            ("what", "failed"),
            ("from", "{hour_ago}"),
            ("to", "2100-01-01T00:00:00"),
        ],
    ),
];
/// What answers to POST and changes nothing of a tenant.
const NO_ACTIONS: [&str; 4] = [
    "/logout",
    "/login",
    "/portal",
    "/t/{tenant_id}/subscriptions/export",
];

impl Ids {
    /// Of a new tenant, without a sidecar.
    pub async fn make(scene: &Scene) -> Self {
        let tenant = scene.db.tenant();
        let manager = scene.manager(tenant).await;
        let subscription = manager.subscribe("Billing", "https://x.example/").await;
        let publish = async |n: i32| {
            let event = scene.db.publish(tenant, "job.created", json!({"n": n}));
            let event = event.await.unwrap().to_string();
            let find =
                format!("select id from webhooks.delivery_queue where event_log_id = '{event}'");
            (event, scene.db.value(&find).await.unwrap().unwrap())
        };
        let (_, cancelled) = publish(1).await;
        let (event, delivery) = publish(2).await;
        let test = format!("select webhooks.test_subscription('{subscription}')");
        let test = scene.db.value(&test).await.unwrap().unwrap();
        let cancel = format!(
            "select webhooks.cancel_delivery('{test}'), webhooks.cancel_delivery('{cancelled}')"
        );
        scene.db.execute(&cancel).await.unwrap();
        Self {
            tenant,
            subscription,
            event,
            delivery,
            test,
            cancelled,
            hour_ago: hour_ago(scene).await,
        }
    }

    fn put_into(&self, text: &str) -> String {
        text.replace("{subscription}", &self.subscription)
            .replace("{event}", &self.event)
            .replace("{delivery}", &self.delivery)
            .replace("{test}", &self.test)
            .replace("{hour_ago}", &self.hour_ago)
            .replace("{nothing}", "00000000-0000-7000-8000-00000000dead")
    }

    /// All pages of the tenant, those that say what is wrong among them.
    pub fn pages(&self) -> Vec<Page> {
        let usual = OF_A_TENANT.map(|(name, path)| (name, path, 200));
        let all = usual.into_iter().chain(OF_ERRORS);
        all.map(|(name, path, status)| Page {
            name,
            path: format!("/t/{}{}", self.tenant, self.put_into(path)),
            status,
        })
        .collect()
    }

    /// All actions, below the tenant's path, each with its fields.
    pub fn actions(&self) -> Vec<(String, Vec<(&'static str, String)>)> {
        let fields = |fields: &[(&'static str, &str)]| {
            let filled = fields
                .iter()
                .map(|(name, value)| (*name, self.put_into(value)));
            filled.collect()
        };
        ACTIONS
            .iter()
            .map(|(path, given)| (self.put_into(path), fields(given)))
            .collect()
    }
}

/// All pages of operators.
pub fn of_operators() -> Vec<Page> {
    OF_OPERATORS
        .map(|(name, path)| Page {
            name,
            path: path.to_owned(),
            status: 200,
        })
        .into()
}

#[test]
fn every_route_is_in_a_list() {
    let routes = routes();
    assert!(routes.len() > 40, "not found in the source: {routes:?}");
    let nobody = Ids {
        tenant: Uuid::nil(),
        subscription: "s".to_owned(),
        event: "e".to_owned(),
        delivery: "d".to_owned(),
        test: "t".to_owned(),
        cancelled: "c".to_owned(),
        hour_ago: "h".to_owned(),
    };
    let pages = nobody.pages().into_iter().chain(of_operators());
    let pages: Vec<String> = pages.map(|page| page.path).collect();
    let actions: Vec<String> = nobody
        .actions()
        .into_iter()
        .map(|(path, _)| format!("/t/{}{path}", nobody.tenant))
        .collect();
    for (route, methods) in routes {
        for (method, listed, others) in [
            ("get(", &pages, &NO_PAGES[..]),
            ("post(", &actions, &NO_ACTIONS[..]),
        ] {
            let is_listed = || {
                others.contains(&route.as_str()) || listed.iter().any(|path| is_of(path, &route))
            };
            assert!(
                !methods.contains(method) || is_listed(),
                "{method}{route}) is in no list of page_list.rs: no test looks at it"
            );
        }
    }
}

/// Whether a path is one of a route.
fn is_of(path: &str, route: &str) -> bool {
    let path = path.split('?').next().unwrap();
    let (mut given, mut wanted) = (path.split('/'), route.split('/'));
    loop {
        match (given.next(), wanted.next()) {
            (None, None) => return true,
            (Some(given), Some(wanted)) if given == wanted || wanted.starts_with('{') => {}
            _ => return false,
        }
    }
}

/// The routes of pages and what they answer to, from the source.
fn routes() -> Vec<(String, String)> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../console/src/pages");
    let mut files = Vec::new();
    find_files(&source, &mut files);
    let mut routes = Vec::new();
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        // let all = "/t/…";
        let names: BTreeMap<&str, &str> = text
            .split("let ")
            .filter_map(|rest| rest.split(';').next()?.split_once(" = \""))
            .map(|(name, path)| (name, path.trim_end_matches('"')))
            .collect();
        for call in text.split(".route(").skip(1) {
            let arguments = &call[..end_of_call(call)];
            let (path, methods) = arguments.rsplit_once("get(").map_or_else(
                || arguments.split_once("post(").unwrap_or((arguments, "")),
                |(path, _)| (path, &arguments[path.len()..]),
            );
            let path = path.trim().trim_end_matches(',').trim();
            let mut route = match path.split_once('"') {
                Some((_, rest)) => rest.split('"').next().unwrap().to_owned(),
                None => format!("{{{path}}}"),
            };
            for (name, path) in &names {
                route = route.replace(&format!("{{{name}}}"), path);
            }
            routes.push((
                route.replace("{{", "{").replace("}}", "}"),
                methods.to_owned(),
            ));
        }
    }
    routes
}

/// Where the parenthesis closes that was open before the text.
fn end_of_call(text: &str) -> usize {
    let mut depth = 1;
    let end = text.char_indices().find(|(_, c)| {
        depth += match c {
            '(' => 1,
            ')' => -1,
            _ => 0,
        };
        depth == 0
    });
    end.map_or(text.len(), |(at, _)| at)
}

fn find_files(directory: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => find_files(&path, files),
            false => files.push(path),
        }
    }
}
