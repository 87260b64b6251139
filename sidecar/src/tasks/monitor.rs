//! The monitor: answers who asks for metrics and health, by HTTP (--metrics-listen).
//!
//! | path | answer |
//! | --- | --- |
//! | `/metrics` | metrics in Prometheus' text format |
//! | `/healthz` | 200 while the process is alive; 503: restart it |
//! | `/readyz` | 200 while it delivers; 503, and why not |
//!
//! With several databases, it delivers while it does so from one of them, and the answer has a line for each: one that is
//! down must not take a sidecar out of service that others need.

use crate::telemetry::{Telemetry, metrics};
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;

/// Connections at once; more wait to be accepted.
const CONNECTIONS: usize = 256;
/// How long a request may take to arrive, and its connection to be idle.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a connection may last: a reader that takes nothing keeps none for ever.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(300);
/// After an error of the listener, such as that no file can be opened.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// Nothing can be asked for.
#[derive(Debug, thiserror::Error)]
#[error("--metrics-listen={address}: {error}")]
pub struct MonitorError {
    address: SocketAddr,
    error: std::io::Error,
}

/// What it knows of the databases, by their names.
pub struct Answers {
    /// Whether answers name the database.
    are_named: bool,
    databases: RwLock<BTreeMap<String, Arc<Telemetry>>>,
}

impl Answers {
    /// Of no database so far.
    pub fn new(are_named: bool) -> Self {
        Self {
            are_named,
            databases: RwLock::default(),
        }
    }

    /// Answers also of this database.
    pub fn add(&self, name: &str, telemetry: Arc<Telemetry>) {
        let mut databases = self
            .databases
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        databases.insert(name.to_owned(), telemetry);
    }

    /// Answers no more of this database.
    pub fn remove(&self, name: &str) {
        let mut databases = self
            .databases
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        databases.remove(name);
    }

    /// What each database has to say, a reason in a line; none: all is well there.
    fn ask(&self, question: impl Fn(&Telemetry) -> Vec<String>) -> Vec<(String, Vec<String>)> {
        let databases = self
            .databases
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        let databases = databases.iter();
        databases
            .map(|(name, telemetry)| (name.clone(), question(telemetry)))
            .collect()
    }

    fn health(&self, now: Instant) -> Response<Full<Bytes>> {
        let asked = self.ask(|telemetry| telemetry.health.not_alive(now).into_iter().collect());
        let is_well = asked.iter().all(|(_, reasons)| reasons.is_empty());
        self.verdict("alive", is_well, &asked)
    }

    fn readiness(&self, now: Instant) -> Response<Full<Bytes>> {
        let asked = self.ask(|telemetry| telemetry.health.not_ready(now));
        let is_well = asked.iter().any(|(_, reasons)| reasons.is_empty());
        self.verdict("ready", is_well, &asked)
    }

    /// In words.
    fn verdict(
        &self,
        well: &str,
        is_well: bool,
        asked: &[(String, Vec<String>)],
    ) -> Response<Full<Bytes>> {
        let status = match is_well {
            true => StatusCode::OK,
            false => StatusCode::SERVICE_UNAVAILABLE,
        };
        let lines = asked.iter().flat_map(|(name, reasons)| {
            let well = reasons.is_empty().then_some(well);
            let words = reasons.iter().map(String::as_str).chain(well);
            words.map(move |words| match self.are_named {
                true => format!("{name}: {words}\n"),
                false => format!("{words}\n"),
            })
        });
        text(status, lines.collect::<String>())
    }
}

/// Listens, and answers until the returned guard is dropped.
///
/// # Errors
/// The address can't be listened at.
pub async fn start(
    address: SocketAddr,
    answers: Arc<Answers>,
    tasks: &TaskTracker,
) -> Result<tokio_util::task::AbortOnDropHandle<()>, MonitorError> {
    let failed = |error| MonitorError { address, error };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    tracing::info!(%address, "listening for /metrics, /healthz and /readyz");
    let connections = tasks.clone();
    let listening = tasks.spawn(listen(listener, answers, connections));
    Ok(tokio_util::task::AbortOnDropHandle::new(listening))
}

async fn listen(listener: TcpListener, answers: Arc<Answers>, tasks: TaskTracker) {
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    // Connections are cut off with the listener: answers take no time, and whoever asks asks again.
    let mut connections = tokio::task::JoinSet::new();
    loop {
        let Ok(place) = room.clone().acquire_owned().await else {
            return;
        };
        while connections.try_join_next().is_some() {}
        match listener.accept().await {
            Ok((stream, _)) => {
                let answered = answer(stream, answers.clone());
                connections.spawn(tasks.track_future(async move {
                    let _ = tokio::time::timeout(CONNECTION_TIMEOUT, answered).await;
                    drop(place);
                }));
            }
            Err(error) => {
                tracing::debug!("can't accept a connection: {error}");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Answers the requests of a connection.
async fn answer(stream: TcpStream, answers: Arc<Answers>) {
    let service = service_fn(move |request: Request<Incoming>| {
        let response = respond(&request, &answers);
        async move { Ok::<_, Infallible>(response) }
    });
    let served = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(REQUEST_TIMEOUT)
        .max_buf_size(16 << 10)
        .serve_connection(TokioIo::new(stream), service);
    if let Err(error) = served.await {
        tracing::debug!("a connection for metrics or health ended: {error}");
    }
}

fn respond(request: &Request<Incoming>, answers: &Answers) -> Response<Full<Bytes>> {
    if ![Method::GET, Method::HEAD].contains(request.method()) {
        let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n");
        response
            .headers_mut()
            .insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return response;
    }
    let now = Instant::now();
    match request.uri().path() {
        "/metrics" => match metrics::encode() {
            Ok(all) => text(StatusCode::OK, all),
            Err(error) => text(StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")),
        },
        "/healthz" => answers.health(now),
        "/readyz" => answers.readiness(now),
        _ => text(
            StatusCode::NOT_FOUND,
            "there are /metrics, /healthz and /readyz\n",
        ),
    }
}

fn text(status: StatusCode, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    // As Prometheus' text format has it.
    let kind = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    headers.insert(CONTENT_TYPE, kind);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
