//! The steps of the demo and its output.

use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result, ensure};
use tokio_postgres::{Client, SimpleQueryMessage, SimpleQueryRow};
use uuid::Uuid;
use webhooks_tests::json;
use webhooks_tests::receiver::{Request, Signatures};

use crate::paper::Paper;
use crate::stage::Stage;

pub const PATH: &str = "/hooks/acme";
const TENANT: &str = "a0000000-0000-4000-8000-000000000001";

const APPLICATION: &str = "\
create table documents (
    id        uuid primary key default gen_random_uuid(),
    tenant_id uuid not null,
    title     text not null,
    pages     integer
);

create function document_uploaded() returns trigger language plpgsql as $$
begin
    perform webhooks.publish_event(
        tenant_id     => new.tenant_id,
        event_type    => 'document.uploaded',
        event_data    => jsonb_build_object('title', new.title, 'pages', new.pages),
        resource_type => 'document',
        resource_id   => new.id
    );
    return null;
end
$$;

create trigger document_uploaded after insert on documents
    for each row execute function document_uploaded();";

/// Plays the demo up to its first delivery.
pub async fn play(stage: &Stage, paper: &Paper) -> Result<()> {
    let client = stage.database.connect().await?;

    paper.step("An application's table, and a trigger that publishes an event for each row");
    run(&client, paper, APPLICATION).await?;

    paper.step("A subscription: the events, the receiver's URL, and the secret for signatures");
    let secret = subscribe(stage, &client, paper).await?;
    stage.receiver.verify(PATH, &secret);
    paper.blank();
    paper.pair("the secret", &secret);

    paper.step("A transaction that is rolled back: nothing is sent");
    let draft = format!("begin;\n{};\nrollback;", insert("Draft", 1));
    run(&client, paper, &draft).await?;

    paper.step("A transaction that is committed");
    let begin = format!("begin;\n{};", insert("Annual report", 42));
    run(&client, paper, &begin).await?;
    let committing = Instant::now();
    run(&client, paper, "commit;").await?;
    let requests = stage.receiver.wait_for(1).await;
    let requests = requests.context("no request reached the receiver")?;
    let request = requests.first().context("no request was recorded")?;
    let event = request
        .event_id()
        .context("the request has no webhook-id")?;

    paper.step("The event, a row that the trigger inserted in that transaction");
    let query = format!("select * from webhooks.event_logs\nwhere id = '{event}'");
    show_row(&client, paper, &query).await?;

    let delay = request.arrived.saturating_duration_since(committing);
    let took = format!(
        "{:.1} ms after COMMIT was sent",
        delay.as_secs_f64() * 1000.0
    );
    paper.step(&format!("The HTTP request as the receiver got it, {took}"));
    show_request(request, paper)?;

    paper.step("The delivery, recorded once the receiver had answered 200");
    stage.database.wait_delivery(event, "delivered").await?;
    show_delivery(&client, paper, event).await?;

    ensure!(
        request.signatures.is_some_and(Signatures::verified),
        "the receiver found a signature missing or wrong"
    );
    ensure!(
        stage.receiver.count() == 1,
        "{} requests arrived for one committed event",
        stage.receiver.count()
    );
    paper.blank();
    paper.verdict(true, "Committed: delivered once. Rolled back: never seen.");
    Ok(())
}

/// Prints what to play with, and each delivery as it arrives, until it is cancelled.
pub async fn stay(stage: &Stage, paper: &Paper) -> Result<()> {
    let cluster = stage.database.cluster();
    let psql = cluster.postgres().program("psql");
    let url = stage.database.url("postgres");
    let (_console, console_url) = stage.open_console(TENANT).await?;
    paper.title("Now you. The console, in a browser (the link works once):");
    paper.blank();
    paper.sql(&console_url);
    paper.blank();
    paper.say("and SQL, in another terminal:");
    paper.blank();
    paper.sql(&format!("{} '{url}'", shell_word(&psql.to_string_lossy())));
    paper.blank();
    paper.say("and there, for example:");
    paper.blank();
    paper.sql(&format!("{};", insert("Mine", 7)));
    paper.sql("select * from webhooks.webhook_delivery_logs;");
    paper.blank();
    paper.say("Deliveries appear below. Ctrl-C ends everything and removes it.");
    paper.blank();
    let mut shown = stage.receiver.count();
    loop {
        let forever = Duration::from_secs(u64::from(u32::MAX));
        let requests = stage.receiver.wait_for_within(shown + 1, forever).await?;
        for request in requests.iter().skip(usize::try_from(shown)?) {
            show_arrival(request, paper);
            shown += 1;
        }
    }
}

fn insert(title: &str, pages: u32) -> String {
    format!(
        "insert into documents (tenant_id, title, pages)\n    values ('{TENANT}', '{title}', {pages})"
    )
}

async fn subscribe(stage: &Stage, client: &Client, paper: &Paper) -> Result<String> {
    let url = stage.receiver.url(PATH);
    let sql = format!(
        "\
insert into webhooks.webhook_subscriptions
    (tenant_id, name, webhook_url, subscribed_events, auth_type, auth_config)
values (
    '{TENANT}',
    'Acme''s archive',
    '{url}',
    '[\"document.*\"]',
    'signature',
    jsonb_build_object('secret', webhooks.generate_secret())
)
returning auth_config ->> 'secret';"
    );
    let rows = run(client, paper, &sql).await?;
    let secret = rows.first().and_then(|row| row.get(0));
    Ok(secret.context("the subscription has no secret")?.to_owned())
}

/// Shows SQL and runs it.
async fn run(client: &Client, paper: &Paper, sql: &str) -> Result<Vec<SimpleQueryRow>> {
    paper.sql(sql);
    let messages = client
        .simple_query(sql)
        .await
        .with_context(|| sql.to_owned())?;
    let rows = messages.into_iter().filter_map(|message| match message {
        SimpleQueryMessage::Row(row) => Some(row),
        _ => None,
    });
    Ok(rows.collect())
}

/// Shows a query and the columns of its row that are not null, in the table's order.
async fn show_row(client: &Client, paper: &Paper, query: &str) -> Result<()> {
    paper.sql(&format!("{query};"));
    paper.blank();
    let columns = format!("select c.key, c.value from ({query}) r, json_each_text(to_json(r)) c");
    for column in client.query(&columns, &[]).await? {
        if let Some(value) = column.get::<_, Option<&str>>(1) {
            paper.pair(column.get(0), value);
        }
    }
    Ok(())
}

async fn show_delivery(client: &Client, paper: &Paper, event: Uuid) -> Result<()> {
    let query =
        format!("select * from webhooks.webhook_delivery_logs\nwhere event_log_id = '{event}'");
    show_row(client, paper, &query).await
}

fn show_request(request: &Request, paper: &Paper) -> Result<()> {
    paper.say(&format!("{} {} HTTP/1.1", request.method, request.path));
    for (name, value) in &request.headers {
        paper.header(name.as_str(), &String::from_utf8_lossy(value.as_bytes()));
    }
    paper.blank();
    let body = std::str::from_utf8(&request.body).context("the body is not UTF-8")?;
    paper.say(&json::indented(body));
    paper.blank();
    let signatures = request
        .signatures
        .context("the receiver checked no signature")?;
    let body = "X-Webhook-Signature (HMAC-SHA256 of the body): signature verified";
    paper.verdict(signatures.body, body);
    let standard = "webhook-signature (Standard Webhooks): signature verified";
    paper.verdict(signatures.standard, standard);
    Ok(())
}

/// One line for a request.
fn show_arrival(request: &Request, paper: &Paper) {
    let event_type = request.header("x-webhook-event-type").unwrap_or("?");
    let attempt = request.attempt().unwrap_or(0);
    let signed = request.signatures.is_some_and(Signatures::verified);
    let data = &request.json()["data"];
    paper.say(&format!(
        "{}  {}  attempt {attempt}  {}  {data}",
        paper.dim(&time_of_day(request.arrived_at)),
        paper.bold(event_type),
        paper.mark(signed, "signature"),
    ));
}

/// `12:34:56.789`, UTC.
fn time_of_day(at: SystemTime) -> String {
    let since = at
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    let seconds = since.as_secs() % 86_400;
    let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
    format!(
        "{hours:02}:{minutes:02}:{:02}.{:03}",
        seconds % 60,
        since.subsec_millis()
    )
}

/// Quoted for a shell where needed.
fn shell_word(word: &str) -> String {
    if word
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || "/._-+".contains(c))
    {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}
