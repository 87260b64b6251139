//! Exports spans to a collector: by the OpenTelemetry library, in batches, on a thread of its own. What does not fit
//! into its queue is dropped; no delivery waits for it.

use super::complaint::Complaint;
use crate::config::otlp::Collector;
use crate::http::connection::Connection;
use crate::telemetry::spans::Spans;
use async_trait::async_trait;
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper::header::{HOST, HeaderValue};
use hyper_util::rt::TokioIo;
use opentelemetry::{Key, KeyValue};
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{
    ExporterBuildError, Protocol, SpanExporter, WithExportConfig, WithHttpConfig,
};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;
use rustls::pki_types::ServerName;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use tokio::runtime::Handle;
use tokio_rustls::TlsConnector;
use tokio_util::task::{AbortOnDropHandle, TaskTracker};
use url::{Position, Url};
use webhooks_tls::SetupError;

/// How long the last spans may take to be exported at the end.
const LAST_EXPORT: Duration = Duration::from_secs(2);
/// No answer of a collector is longer.
const MAX_ANSWER: usize = 64 << 10;
const SERVICE_NAME: &str = "service.name";

/// Why spans can't be exported.
#[derive(Debug, thiserror::Error)]
pub enum SpanExportError {
    #[error("certificates for the OpenTelemetry collector: {0}")]
    Tls(#[from] SetupError),
    #[error("spans can't be exported: {0}")]
    Build(#[from] ExporterBuildError),
}

/// The export of spans.
pub struct SpanExport(SdkTracerProvider);

impl SpanExport {
    /// Begins to export, in requests among `tasks`.
    ///
    /// # Errors
    /// A system without certificate authorities, for a collector with TLS; environment variables that the library can't use.
    pub fn start(collector: &Collector, tasks: &TaskTracker) -> Result<Self, SpanExportError> {
        let url = &collector.url;
        let client = Client {
            name: url[Position::BeforeHost..Position::AfterPort].to_owned(),
            tls: match url.scheme() {
                "https" => Some(TlsConnector::from(Arc::new(webhooks_tls::config(None)?))),
                _ => None,
            },
            url: url.clone(),
            timeout: collector.timeout,
            tasks: tasks.clone(),
            runtime: Handle::current(),
            complaint: Mutex::default(),
        };
        tracing::info!(collector = client.name, "exporting spans");
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(client)
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(url.as_str())
            .with_timeout(collector.timeout)
            .build()?;
        let provider = SdkTracerProvider::builder()
            .with_resource(resource())
            .with_batch_exporter(exporter)
            .build();
        Ok(Self(provider))
    }

    /// Makes the spans that are exported.
    pub fn spans(&self) -> Spans {
        Spans::of(&self.0)
    }

    /// Exports what there is, and ends.
    pub async fn finish(self) {
        let end = move || self.0.shutdown_with_timeout(LAST_EXPORT);
        if !matches!(tokio::task::spawn_blocking(end).await, Ok(Ok(()))) {
            tracing::debug!("the last spans were not exported");
        }
    }
}

/// What is said of this process: what the environment says (OTEL_SERVICE_NAME, OTEL_RESOURCE_ATTRIBUTES), and its name
/// if nothing does.
fn resource() -> Resource {
    let version = KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
    let builder = Resource::builder().with_attribute(version);
    let name = Resource::builder()
        .build()
        .get(&Key::from_static_str(SERVICE_NAME))
        .map(|name| name.to_string());
    match name {
        Some(name) if !name.starts_with("unknown_service") => builder.build(),
        _ => builder.with_service_name(env!("CARGO_PKG_NAME")).build(),
    }
}

/// Makes the library's requests.
struct Client {
    /// Host and port, for the log.
    name: String,
    url: Url,
    tls: Option<TlsConnector>,
    timeout: Duration,
    tasks: TaskTracker,
    /// The library's thread is not on it.
    runtime: Handle,
    complaint: Mutex<Complaint>,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Client").field(&self.name).finish()
    }
}

#[async_trait]
impl HttpClient for Client {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let exchange = exchange(
            self.url.clone(),
            self.tls.clone(),
            request,
            self.tasks.clone(),
        );
        let timeout = self.timeout;
        // The timer, too, is made on the runtime.
        let exchange = async move { tokio::time::timeout(timeout, exchange).await };
        let task = self.tasks.spawn_on(exchange, &self.runtime);
        let response = match AbortOnDropHandle::new(task).await? {
            Ok(response) => response,
            Err(_) => Err(format!("no answer within {timeout:?}").into()),
        };
        self.log(&response);
        response
    }
}

impl Client {
    fn log(&self, response: &Result<Response<Bytes>, HttpError>) {
        let problem = match response {
            Ok(response) if response.status().is_success() => None,
            Ok(response) => Some(format!("HTTP status {}", response.status().as_u16())),
            Err(error) => Some(error.to_string()),
        };
        let (collector, now) = (&self.name, Instant::now());
        let mut complaint = self
            .complaint
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        match problem {
            Some(problem) => {
                if let Some(lasted) = complaint.complain(&problem, now) {
                    let for_seconds = lasted.as_secs();
                    tracing::warn!(collector, for_seconds, "spans can't be exported: {problem}");
                }
            }
            None => {
                if let Some(lasted) = complaint.over(now) {
                    let after_seconds = lasted.as_secs();
                    tracing::info!(collector, after_seconds, "spans are exported again");
                }
            }
        }
    }
}

/// A request on a connection of its own: there are few.
async fn exchange(
    url: Url,
    tls: Option<TlsConnector>,
    mut request: Request<Bytes>,
    tasks: TaskTracker,
) -> Result<Response<Bytes>, HttpError> {
    let host = url.host_str().unwrap_or_default();
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let port = url.port_or_known_default().unwrap_or_default();
    let stream = TcpStream::connect((host, port)).await?;
    let connection = match tls {
        Some(tls) => {
            let name = ServerName::try_from(host.to_owned())?;
            Connection::tls(tls.connect(name, stream).await?)
        }
        None => Connection::plain(stream),
    };
    let authority = &url[Position::BeforeHost..Position::AfterPort];
    let headers = request.headers_mut();
    headers.insert(HOST, HeaderValue::try_from(authority)?);
    *request.uri_mut() = url[Position::BeforePath..Position::AfterQuery].parse()?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(connection)).await?;
    let _connection = AbortOnDropHandle::new(tasks.spawn(connection));
    let response = sender.send_request(request.map(Full::new)).await?;
    let (head, body) = response.into_parts();
    let body = Limited::new(body, MAX_ANSWER).collect().await?.to_bytes();
    Ok(Response::from_parts(head, body))
}
