//! `sql/examples/` as it stands.

use std::path::Path;

use webhooks_tests::cluster::{Cluster, Options};
use webhooks_tests::database::Database;

use crate::support::session::Session;
use crate::support::world::{OTHER_TENANT, TENANT};

/// A database in which an example was run.
async fn example(name: &str) -> Database {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../sql/examples/{name}.sql"));
    let script = std::fs::read_to_string(path).unwrap();
    // A cluster of its own: examples create the extension, whose roles belong to the cluster.
    let cluster = Cluster::start(Options::default()).await.unwrap();
    let db = Database::create_empty(&cluster, name).await.unwrap();
    cluster.psql(db.name(), &script).await.unwrap();
    db
}

#[tokio::test]
async fn the_document_workflow_publishes_all_standard_types() {
    let db = example("document_workflow").await;
    let session = Session::open(&db).await;
    session
        .run(&format!(
            "insert into app.tenants values ('{TENANT}', 'one'), ('{OTHER_TENANT}', 'two');
             insert into webhooks.webhook_subscriptions (tenant_id, name, webhook_url, subscribed_events)
             values ('{TENANT}', 'all', 'http://x.example/', '[\"*\"]')"
        ))
        .await;
    let published = async |statement: &str| {
        session.run(statement).await;
        let events = "select event_type, event_data from webhooks.event_logs where tenant_id = '11111111-1111-4111-8111-111111111111' order by 1, 2";
        let events = session.lines(events).await;
        session.run("delete from webhooks.event_logs").await;
        events
    };
    let mut seen = Vec::new();
    for (statement, expected) in [
        (format!("insert into app.users (tenant_id, email, password_hash) values ('{TENANT}', 'a@x.example', 'secret')"), &["user.created"][..]),
        ("select app.log_in('a@x.example', '192.0.2.1')".to_owned(), &["user.login"]),
        (format!("insert into app.documents (tenant_id, title, media_type, storage_key) values ('{TENANT}', 'Invoice', 'application/pdf', 'secret')"), &["document.uploaded"]),
        ("insert into app.jobs (tenant_id, document_id, kind) select tenant_id, id, 'extract' from app.documents".to_owned(), &["job.created"]),
        ("update app.jobs set status = 'started', heartbeat_at = now()".to_owned(), &["job.started"]),
        ("update app.jobs set heartbeat_at = now()".to_owned(), &[]),
        ("update app.documents set status = 'processing'".to_owned(), &[]),
        ("insert into app.extractions (tenant_id, document_id, job_id) select tenant_id, document_id, id from app.jobs".to_owned(), &["extraction.started"]),
        ("update app.extractions set status = 'failed', error = 'unreadable'".to_owned(), &["extraction.failed"]),
        ("insert into app.extractions (tenant_id, document_id, job_id) select tenant_id, document_id, id from app.jobs".to_owned(), &["extraction.started"]),
        ("update app.extractions set status = 'completed', data = '{\"total\": 3}' where status = 'started';
          update app.jobs set status = 'completed'; update app.documents set status = 'processed'".to_owned(),
         &["document.processed", "extraction.completed", "job.completed"]),
        ("update app.jobs set status = 'failed', error = 'late'".to_owned(), &["job.failed"]),
        ("select app.check_health()".to_owned(), &["system.health_check"]),
        (format!("select app.report_error('{TENANT}', 'importer', 'no space')"), &["system.error"]),
        ("select app.log_out(id) from app.sessions".to_owned(), &["user.logout"]),
        ("delete from app.documents".to_owned(), &["document.deleted"]),
    ] {
        let events = published(&statement).await;
        let types: Vec<_> = events.iter().map(|event| event.split_once('|').unwrap().0.to_owned()).collect();
        assert_eq!(types, expected, "{statement}");
        assert!(!events.join("").contains("secret"), "{events:?}");
        seen.extend(types);
    }
    // Each reached the tenant's subscription.
    let queued = "select count(*) from webhooks.delivery_queue";
    assert_eq!(session.text(queued).await, seen.len().to_string());
    seen.sort();
    seen.dedup();
    let standard = "select name from webhooks.event_types where is_builtin and not webhooks_private.is_system_event(name) order by 1";
    assert_eq!(seen, session.lines(standard).await);
    assert_eq!(
        session.refused("select app.log_in('nobody')").await.code,
        "P0002"
    );
    assert_eq!(session.text("select app.log_out('none')").await, "f");
}

#[tokio::test]
async fn a_tenant_of_the_document_workflow_can_be_deleted() {
    let db = example("document_workflow").await;
    let session = Session::open(&db).await;
    session
        .run(&format!(
            "insert into app.tenants values ('{TENANT}', 'one'), ('{OTHER_TENANT}', 'two');
             insert into app.users (tenant_id, email) values ('{TENANT}', 'a@x.example');
             select app.log_in('a@x.example');
             insert into app.documents (tenant_id, title, media_type) values ('{TENANT}', 'Invoice', 'text/plain'), ('{OTHER_TENANT}', 'Invoice', 'text/plain');
             insert into app.jobs (tenant_id, document_id, kind) select tenant_id, id, 'extract' from app.documents;
             delete from app.tenants where id = '{TENANT}'"
        ))
        .await;
    let left = "select tenant_id, count(*) from webhooks.event_logs group by 1";
    assert_eq!(session.lines(left).await, [format!("{OTHER_TENANT}|2")]);
}
