//! Pages of events and deliveries, and recovery.

use serde_json::json;
use uuid::Uuid;
use webhooks_tests::http::Answer;
use webhooks_tests::receiver::{Receiver, Reply};
use webhooks_tests::sidecar::Sidecar;

use crate::browser::{Browser, location};
use crate::scene::Scene;

const SCOPES: &str = "metrics:read,events:read,audit:read,webhook_subscriptions:read,webhook_subscriptions:update,webhook_subscriptions:retry";

async fn logged_in(scene: &Scene, tenant: Option<Uuid>) -> Browser<'_> {
    let token = scene.client(tenant, SCOPES).await.token;
    let mut browser = Browser::new(scene);
    browser.log_in(&token).await;
    browser
}

/// A page that is there, and has these texts.
async fn page(browser: &mut Browser<'_>, path: &str, texts: &[&str]) -> String {
    let answer = browser.get(path).await;
    assert_eq!(answer.status, 200, "{path}: {answer:?}");
    for text in texts {
        assert!(
            answer.body.contains(text),
            "{path}: {text:?} in {}",
            answer.body
        );
    }
    answer.body
}

/// Sends the form of an action, and gets the page that it leads to.
async fn act(
    browser: &mut Browser<'_>,
    tenant: Uuid,
    path: &str,
    fields: &[(&str, &str)],
) -> String {
    let csrf = browser.csrf(tenant).await;
    let mut all = vec![("csrf", csrf.as_str())];
    all.extend(fields);
    let to = location(&browser.submit(path, &all).await).to_owned();
    page(browser, &to, &[]).await
}

/// The link to the next page of a list.
fn older(body: &str) -> Option<String> {
    let (before, _) = body.split_once("\" rel=\"next\"")?;
    let (_, path) = before.rsplit_once("href=\"")?;
    Some(path.replace("&amp;", "&"))
}

async fn delivery_of(scene: &Scene, event: Uuid) -> String {
    let ids = format!(
        "select id from webhooks.webhook_delivery_logs where event_log_id = '{event}' order by id desc limit 1"
    );
    scene.db.value(&ids).await.unwrap().unwrap()
}

#[tokio::test]
async fn an_event_and_its_delivery_show_what_became_of_them_and_nothing_hostile() {
    let scene = Scene::set("page_event").await;
    let tenant = scene.db.tenant();
    let receiver = Receiver::start().unwrap();
    let hostile = "<script>alert(1)</script>\"'&";
    let answer = Reply::status(503)
        .header("x-evil", "<img src=x onerror=alert(2)>")
        .body(hostile);
    receiver.on("/hook", answer);
    let _sidecar = Sidecar::start(&scene.db).await.unwrap();
    scene
        .db
        .subscribe(json!({
            "tenant_id": tenant, "name": "<b>Billing</b>", "webhook_url": receiver.url("/hook"), "retry_count": 3,
            "retry_delay_seconds": 3600
        }))
        .await
        .unwrap();
    scene
        .db
        .subscribe(json!({
            "tenant_id": tenant, "name": "Archive", "webhook_url": receiver.url("/other"),
            "subscribed_events": ["document.*"]
        }))
        .await
        .unwrap();
    let data = json!({"note": "<script>alert(3)</script>", "total": 12.5});
    let event = scene.db.publish(tenant, "job.created", data).await.unwrap();
    let retrying =
        format!("select attempt from webhooks.delivery_queue where event_log_id = '{event}'");
    scene.db.wait_value(&retrying, "1").await.unwrap();
    let delivery = delivery_of(&scene, event).await;

    let mut browser = logged_in(&scene, Some(tenant)).await;
    let event_path = format!("/t/{tenant}/events/{event}");
    let shown = page(
        &mut browser,
        &event_path,
        &[
            "Matched 1 of 2 subscriptions",
            "retrying",
            "503 in",
            "&lt;script&gt;alert(1)&lt;/script&gt;",
            "&lt;script&gt;alert(3)&lt;/script&gt;",
            "&quot;total&quot;: 12.5",
            "hx-trigger=\"every 5s\"",
            "x-webhook-event-type: job.created",
        ],
    )
    .await;
    let delivery_path = format!("/t/{tenant}/deliveries/{delivery}");
    assert!(shown.contains(&delivery_path));
    let why = format!("{event_path}?why=1");
    let why = page(
        &mut browser,
        &why,
        &["does not cover job.created", "Archive"],
    )
    .await;
    let one = page(
        &mut browser,
        &delivery_path,
        &[
            "Attempt 1",
            "HTTP status 503",
            "x-evil: &lt;img src=x onerror=alert(2)&gt;",
            "Retry now",
            "Cancel",
            "&lt;b&gt;Billing&lt;/b&gt;",
        ],
    )
    .await;
    let list = format!("/t/{tenant}/deliveries");
    let list = page(&mut browser, &list, &[&delivery, "retrying"]).await;
    for body in [&shown, &why, &one, &list] {
        for tag in ["<script>alert", "<img src=x", "<b>Billing"] {
            assert!(!body.contains(tag), "{tag} in {body}");
        }
    }

    // Attempted now, and then cancelled.
    let retry = format!("{delivery_path}/retry");
    let hurried = act(&mut browser, tenant, &retry, &[]).await;
    assert!(
        hurried.contains("Its next attempt is made now."),
        "{hurried}"
    );
    receiver.wait_for(2).await.unwrap();
    scene.db.wait_value(&retrying, "2").await.unwrap();
    let cancel = format!("{delivery_path}/cancel");
    let cancelled = act(&mut browser, tenant, &cancel, &[]).await;
    assert!(cancelled.contains("It is cancelled."), "{cancelled}");
    assert!(!cancelled.contains("hx-get"), "{cancelled}");

    // Sent again, as a new delivery.
    receiver.on("/hook", Reply::ok());
    let again = act(&mut browser, tenant, &retry, &[]).await;
    assert!(again.contains("this is the new delivery"), "{again}");
    let delivered = format!(
        "select count(*) from webhooks.webhook_delivery_logs where event_log_id = '{event}' and delivery_status = 'delivered'"
    );
    scene.db.wait_value(&delivered, "1").await.unwrap();
    let replay = format!("{event_path}/replay");
    page(
        &mut browser,
        &event_path,
        &["sent again to 1 subscription that matches"],
    )
    .await;
    let replayed = act(&mut browser, tenant, &replay, &[]).await;
    assert!(replayed.contains("It is sent again"), "{replayed}");
    scene.db.wait_value(&delivered, "2").await.unwrap();
    let audit = format!("/t/{tenant}/audit");
    page(
        &mut browser,
        &audit,
        &[
            "retried",
            "cancelled",
            "replayed",
            &event_path,
            &delivery_path,
        ],
    )
    .await;
    // Without the token of the session nothing is done.
    let refused = browser.submit(&replay, &[]).await;
    assert_eq!(refused.status, 403, "{refused:?}");
}

#[tokio::test]
async fn lists_are_filtered_and_have_pages() {
    let scene = Scene::set("page_lists").await;
    let tenant = scene.db.tenant();
    let mut browser = logged_in(&scene, Some(tenant)).await;
    let (events, deliveries) = (
        format!("/t/{tenant}/events"),
        format!("/t/{tenant}/deliveries"),
    );
    page(
        &mut browser,
        &events,
        &["No event was published", "webhooks.publish_event("],
    )
    .await;
    page(&mut browser, &deliveries, &["There are no such deliveries"]).await;

    let subscription = scene
        .db
        .subscribe(json!({"tenant_id": tenant, "webhook_url": "https://x.example/"}))
        .await
        .unwrap();
    scene
        .db
        .publish_many(tenant, "job.created", 60)
        .await
        .unwrap();
    let publish = format!(
        "select webhooks.publish_event('{tenant}', 'document.uploaded', resource_type => 'file', resource_id => '{subscription}', idempotency_key => 'k & 1')"
    );
    let event = scene.db.value(&publish).await.unwrap().unwrap();
    let row = |kind: &str| format!("href=\"/t/{tenant}/{kind}/0");
    for (path, kind) in [(&events, "events"), (&deliveries, "deliveries")] {
        let first = page(&mut browser, path, &[]).await;
        let next = older(&first).unwrap();
        let second = page(&mut browser, &next, &[]).await;
        assert_eq!(older(&second), None, "{second}");
        // Of a delivery there is also the link to its event.
        assert_eq!(first.matches(&row(kind)).count(), 50, "{first}");
        assert_eq!(second.matches(&row(kind)).count(), 11, "{second}");
    }
    for filter in [
        "type=document.uploaded".to_owned(),
        "type=document.*".to_owned(),
        format!("resource_type=file&resource_id={subscription}"),
        format!("id={event}"),
        "key=k+%26+1".to_owned(),
    ] {
        let found = page(&mut browser, &format!("{events}?{filter}"), &[&event]).await;
        assert_eq!(
            found.matches(&row("events")).count(),
            1,
            "{filter}: {found}"
        );
    }
    let of_one = format!("{deliveries}?status=pending,retrying&subscription={subscription}");
    let found = page(&mut browser, &of_one, &["pending"]).await;
    assert_eq!(found.matches(&row("deliveries")).count(), 50);
    let none = format!("{deliveries}?status=delivered");
    page(&mut browser, &none, &["There are no such deliveries"]).await;

    // What the database refuses stands above what was typed.
    for (path, words) in [
        (
            format!("{events}?from=%3Cb%3E"),
            "invalid input syntax for type timestamp",
        ),
        (
            format!("{events}?resource_id=7"),
            "invalid input syntax for type uuid",
        ),
        (format!("{deliveries}?status=%3Cb%3E"), "which is no status"),
        (
            format!("{deliveries}?from=2000-01-01"),
            "longer than 366 days",
        ),
    ] {
        let refused = browser.get(&path).await;
        assert_eq!(refused.status, 400, "{path}: {refused:?}");
        assert!(refused.body.contains(words), "{path}: {refused:?}");
        assert!(!refused.body.contains("<b>"), "{path}: {refused:?}");
    }
    let search = |words: &str| format!("/t/{tenant}/search?q={words}");
    let delivery = delivery_of(&scene, event.parse().unwrap()).await;
    for (words, to) in [
        (event.clone(), format!("{events}/{event}")),
        (delivery.clone(), format!("{deliveries}/{delivery}")),
        (
            subscription.to_string(),
            format!("/t/{tenant}/subscriptions/{subscription}"),
        ),
        ("job.*".to_owned(), format!("{events}?type=job.*")),
        ("k+%26+1".to_owned(), format!("{events}?key=k+%26+1")),
    ] {
        assert_eq!(location(&browser.get(&search(&words)).await), to, "{words}");
    }
    let resource = Uuid::new_v4();
    let found = browser.get(&search(&resource.to_string())).await;
    assert_eq!(location(&found), format!("{events}?resource_id={resource}"));
    page(
        &mut browser,
        &search("%3Cb%3E"),
        &["&lt;b&gt;", "resource_type=%3Cb%3E"],
    )
    .await;
    page(&mut browser, &search(""), &["Search for the id"]).await;
}

#[tokio::test]
async fn a_recovery_shows_what_it_would_be_and_how_it_goes() {
    let scene = Scene::set("page_recover").await;
    let tenant = scene.db.tenant();
    let receiver = Receiver::start().unwrap();
    receiver.on("/hook", Reply::status(500));
    let _sidecar = Sidecar::start(&scene.db).await.unwrap();
    // Nothing matches it.
    let unmatched = scene
        .db
        .publish(tenant, "document.uploaded", json!({}))
        .await
        .unwrap();
    let columns = json!({
        "tenant_id": tenant, "name": "Billing", "webhook_url": receiver.url("/hook"), "retry_count": 0
    });
    let subscription = scene.db.subscribe(columns).await.unwrap();
    let events = scene
        .db
        .publish_many(tenant, "job.created", 3)
        .await
        .unwrap();
    for event in &events {
        scene.db.wait_delivery(*event, "failed").await.unwrap();
    }
    receiver.on("/hook", Reply::ok());
    let mut browser = logged_in(&scene, Some(tenant)).await;
    let recover = format!("/t/{tenant}/recover");
    page(&mut browser, &recover, &["Make deliveries again"]).await;
    let asked = format!("{recover}?what=failed&subscription={subscription}&to=2100-01-01");
    page(
        &mut browser,
        &asked,
        &[
            "3 deliveries are made again, to 1 subscription.",
            "HTTP status 500",
        ],
    )
    .await;
    // Asking has sent nothing.
    assert_eq!(receiver.count(), 3);

    let run = async |browser: &mut Browser<'_>, what: &str| -> String {
        let fields = [
            ("what", what),
            ("from", "2026-01-01"),
            ("to", "2100-01-01"),
            ("total", "3"),
        ];
        let from_today = scene
            .db
            .value("select current_date - 1")
            .await
            .unwrap()
            .unwrap();
        let fields = fields.map(|(name, value)| {
            if name == "from" {
                (name, from_today.as_str())
            } else {
                (name, value)
            }
        });
        act(browser, tenant, &recover, &fields).await
    };
    let done = run(&mut browser, "failed").await;
    assert!(done.contains("3 deliveries are made again."), "{done}");
    let delivered =
        "select count(*) from webhooks.webhook_delivery_logs where delivery_status = 'delivered'";
    scene.db.wait_value(delivered, "3").await.unwrap();
    let none = page(&mut browser, &asked, &[]).await;
    assert!(none.contains("There is nothing to make again"), "{none}");

    let asked = format!("{recover}?what=unmatched&to=2100-01-01");
    page(
        &mut browser,
        &asked,
        &["Of 1 event,", &unmatched.to_string()],
    )
    .await;
    let done = run(&mut browser, "unmatched").await;
    assert!(done.contains("1 delivery is made again."), "{done}");
    scene.db.wait_value(delivered, "4").await.unwrap();

    let asked = format!("{recover}?what=events&to=2100-01-01");
    page(
        &mut browser,
        &asked,
        &["4 new deliveries are made of 4 events."],
    )
    .await;
    let csrf = browser.csrf(tenant).await;
    let today = scene
        .db
        .value("select current_date - 1")
        .await
        .unwrap()
        .unwrap();
    let fields = [
        ("csrf", csrf.as_str()),
        ("what", "events"),
        ("from", &today),
        ("to", "2100-01-01"),
    ];
    let progress = location(&browser.submit(&recover, &fields).await).to_owned();
    assert!(progress.contains("ended="), "{progress}");
    scene.db.wait_value(delivered, "8").await.unwrap();
    // Those of the time in which this was done: others may be among them.
    let shown = page(
        &mut browser,
        &progress,
        &["4 deliveries are made again.", "delivered"],
    )
    .await;
    assert!(!shown.contains("hx-get="), "{shown}");

    // A disabled one can't get events: the database says what to do.
    let disable = format!(
        "update webhooks.webhook_subscriptions set is_enabled = false where id = '{subscription}'"
    );
    scene.db.execute(&disable).await.unwrap();
    let asked = format!("{recover}?what=events&subscription={subscription}");
    let refused = browser.get(&asked).await;
    assert_eq!(refused.status, 409, "{refused:?}");
    assert!(
        refused.body.contains("is not active and enabled"),
        "{refused:?}"
    );
}

#[tokio::test]
async fn many_deliveries_are_made_again_batch_by_batch() {
    let scene = Scene::set("page_batches").await;
    let tenant = scene.db.tenant();
    for name in ["a", "b"] {
        let columns =
            json!({"tenant_id": tenant, "name": name, "webhook_url": "https://x.example/"});
        scene.db.subscribe(columns).await.unwrap();
    }
    scene
        .db
        .publish_many(tenant, "job.created", 1500)
        .await
        .unwrap();
    // As if each had failed.
    scene
        .db
        .execute(
            "insert into webhooks.delivery_attempts
                 (delivery_id, delivery_attempt, attempted_at, subscription_id, event_log_id, tenant_id, delivery_status)
             select q.id, 1, now(), q.subscription_id, q.event_log_id, q.tenant_id, 'failed' from webhooks.delivery_queue q;
             delete from webhooks.delivery_queue",
        )
        .await
        .unwrap();
    let mut browser = logged_in(&scene, Some(tenant)).await;
    let csrf = browser.csrf(tenant).await;
    let today = scene
        .db
        .value("select current_date - 1")
        .await
        .unwrap()
        .unwrap();
    let recover = format!("/t/{tenant}/recover");
    let begin = [
        ("csrf", csrf.as_str()),
        ("what", "failed"),
        ("from", &today),
        ("to", "2100-01-01"),
        ("total", "3000"),
    ];
    let mut to = location(&browser.submit(&recover, &begin).await).to_owned();
    let shown = page(&mut browser, &to, &["2,000 of 3,000 are queued", "Go on"]).await;
    // Neither that address nor one that somebody else has made makes anything again, however often it is loaded.
    let queued = "select count(*) from webhooks.delivery_queue";
    let (_, query) = to.split_once('?').unwrap();
    let (unsigned, _) = query.split_once("&signature=").unwrap();
    for query in [query, unsigned, &query.replace("made=2000", "made=1")] {
        let loaded = page(&mut browser, &format!("{recover}/progress?{query}"), &[]).await;
        assert!(!loaded.contains("hx-trigger=\"load"), "{loaded}");
        let is_ours = query == to.split_once('?').unwrap().1;
        let form = loaded.contains(&format!("action=\"{recover}\""));
        assert_eq!(form, is_ours, "{loaded}");
        assert_eq!(loaded.contains("See what it would be"), !is_ours);
    }
    assert_eq!(scene.db.value(queued).await.unwrap().unwrap(), "2000");
    let mut stranger = logged_in(&scene, Some(tenant)).await;
    let loaded = page(&mut stranger, &to, &["See what it would be"]).await;
    assert!(!loaded.contains("Go on"), "{loaded}");
    assert!(shown.contains("hx-trigger=\"submit\""), "{shown}");
    // As its form says, and a script does by itself.
    for _ in 0..5 {
        let body = page(&mut browser, &to, &[]).await;
        if !body.contains("Go on") {
            break;
        }
        let fields = hidden_fields(&body);
        let fields: Vec<_> = fields
            .iter()
            .map(|(n, v)| (n.as_str(), v.as_str()))
            .collect();
        to = location(&browser.submit(&recover, &fields).await).to_owned();
    }
    page(
        &mut browser,
        &to,
        &["3,000 deliveries are made again.", "pending"],
    )
    .await;
    assert_eq!(scene.db.value(queued).await.unwrap().unwrap(), "3000");
}

/// A script goes on with the answers that it gets, and leaves an address behind that makes nothing again.
#[tokio::test]
async fn a_script_goes_on_with_a_recovery() {
    let scene = Scene::set("page_script").await;
    let tenant = scene.db.tenant();
    let columns = json!({"tenant_id": tenant, "name": "a", "webhook_url": "https://x.example/"});
    scene.db.subscribe(columns).await.unwrap();
    scene
        .db
        .publish_many(tenant, "job.created", 2500)
        .await
        .unwrap();
    let delete = "delete from webhooks.delivery_queue";
    scene.db.execute(delete).await.unwrap();
    let mut browser = logged_in(&scene, Some(tenant)).await;
    let csrf = browser.csrf(tenant).await;
    let today = "select current_date - 1";
    let today = scene.db.value(today).await.unwrap().unwrap();
    let recover = format!("/t/{tenant}/recover");
    let fields = [
        ("csrf", csrf.as_str()),
        ("what", "events"),
        ("from", &today),
        ("to", "2100-01-01"),
    ];
    let by_script = [("sec-fetch-site", "same-origin"), ("hx-request", "true")];
    let first = browser.submit_with(&recover, &fields, &by_script).await;
    assert_eq!(first.status, 200, "{first:?}");
    assert!(first.body.contains("hx-trigger=\"load, submit\""));
    let address = first.header("hx-replace-url").unwrap().to_owned();
    let loaded = page(&mut browser, &address, &["Go on"]).await;
    assert!(!loaded.contains("hx-trigger=\"load"), "{loaded}");
    let fields = hidden_fields(&first.body);
    let fields: Vec<_> = fields
        .iter()
        .map(|(n, v)| (n.as_str(), v.as_str()))
        .collect();
    let last = browser.submit_with(&recover, &fields, &by_script).await;
    assert!(
        last.body.contains("2,500 deliveries are made again."),
        "{last:?}"
    );
    assert!(!last.body.contains("hx-trigger=\"load"), "{last:?}");
    let queued = "select count(*) from webhooks.delivery_queue";
    assert_eq!(scene.db.value(queued).await.unwrap().unwrap(), "2500");
}

/// The hidden fields of the form that goes on.
fn hidden_fields(body: &str) -> Vec<(String, String)> {
    let (_, form) = body.split_once("hx-post=").unwrap();
    let (form, _) = form.split_once("</form>").unwrap();
    let fields = form.split("<input type=\"hidden\" name=\"").skip(1);
    let field = |text: &str| {
        let (name, rest) = text.split_once("\" value=\"").unwrap();
        (name.to_owned(), rest.split('"').next().unwrap().to_owned())
    };
    fields.map(field).collect()
}

#[tokio::test]
async fn ids_of_another_tenant_are_not_found() {
    let scene = Scene::set("page_strangers").await;
    let (tenant, other) = (scene.db.tenant(), scene.db.tenant());
    let columns =
        json!({"tenant_id": other, "name": "secret name", "webhook_url": "https://x.example/"});
    let subscription = scene.db.subscribe(columns).await.unwrap();
    let event = scene
        .db
        .publish(other, "job.created", json!({}))
        .await
        .unwrap();
    let delivery = delivery_of(&scene, event).await;
    let own = scene
        .db
        .publish(tenant, "job.created", json!({}))
        .await
        .unwrap();
    let not_found = |answer: &Answer| {
        assert_eq!(answer.status, 404, "{answer:?}");
        assert!(!answer.body.contains("secret name"), "{answer:?}");
    };
    for who in [Some(tenant), None] {
        let mut browser = logged_in(&scene, who).await;
        let csrf = browser.csrf(tenant).await;
        let base = format!("/t/{tenant}");
        for path in [
            format!("{base}/events/{event}"),
            format!("{base}/events/{event}?why=1"),
            format!("{base}/deliveries/{delivery}"),
            format!("{base}/event-types/no.such"),
        ] {
            not_found(&browser.get(&path).await);
        }
        for path in [
            format!("{base}/events/{event}/replay"),
            format!("{base}/deliveries/{delivery}/retry"),
            format!("{base}/deliveries/{delivery}/cancel"),
        ] {
            not_found(&browser.submit(&path, &[("csrf", &csrf)]).await);
        }
        let of_other = format!("{base}/recover?what=events&subscription={subscription}");
        not_found(&browser.get(&of_other).await);
        let fields = [
            ("csrf", csrf.as_str()),
            ("what", "events"),
            ("subscription", &subscription.to_string()),
            ("from", "2026-01-01"),
            ("to", "2100-01-01"),
        ];
        not_found(&browser.submit(&format!("{base}/recover"), &fields).await);
        // A delivery of the other's in the page of an own event is none of its deliveries.
        let own_page = format!("{base}/events/{own}?delivery={delivery}");
        let shown = page(&mut browser, &own_page, &[]).await;
        assert!(!shown.contains("secret name"), "{shown}");
        let listed = format!("{base}/deliveries?subscription={subscription}");
        page(&mut browser, &listed, &["There are no such deliveries"]).await;
    }
    let mut browser = logged_in(&scene, Some(tenant)).await;
    for page in [
        "events",
        "deliveries",
        "recover",
        "event-types",
        "audit",
        "search?q=x",
    ] {
        let refused = browser.get(&format!("/t/{other}/{page}")).await;
        assert_eq!(refused.status, 403, "{page}: {refused:?}");
    }
    let untouched = "select count(*) from webhooks.redeliveries";
    assert_eq!(scene.db.value(untouched).await.unwrap().unwrap(), "0");
}
