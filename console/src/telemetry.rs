//! Metrics of this process, in the words and units of Prometheus' conventions: what each means is its help text. None has a
//! label for tenants or tokens, of which there are as many as customers like.

use crate::database::Database;
use axum::Router;
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{Method, StatusCode};
use axum::response::IntoResponse;
use axum::routing::get;
use prometheus::process_collector::ProcessCollector;
use prometheus::{
    Encoder, HistogramOpts, HistogramVec, IntCounterVec, IntGauge, Opts, Registry, TextEncoder,
};
use std::sync::Arc;
use std::time::Duration;

/// Bounds of requests: from one look-up to the longest wait of a test.
const REQUEST_SECONDS: &[f64] = &[
    0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 30.0, 120.0,
];

/// What is counted.
pub struct Metrics {
    registry: Registry,
    requests: IntCounterVec,
    duration: HistogramVec,
    connections: IntGauge,
    connections_in_use: IntGauge,
}

impl Metrics {
    /// # Errors
    /// None: the names are those below.
    pub fn new() -> prometheus::Result<Self> {
        let this = Self {
            registry: Registry::new(),
            requests: IntCounterVec::new(
                Opts::new(
                    "webhooks_console_requests_total",
                    "Requests that were answered, by method, route and class of the status.",
                ),
                &["method", "route", "status"],
            )?,
            duration: HistogramVec::new(
                HistogramOpts::new(
                    "webhooks_console_request_duration_seconds",
                    "How long answers took, by route.",
                )
                .buckets(REQUEST_SECONDS.to_vec()),
                &["route"],
            )?,
            connections: IntGauge::new(
                "webhooks_console_database_connections",
                "Connections with the database.",
            )?,
            connections_in_use: IntGauge::new(
                "webhooks_console_database_connections_in_use",
                "Connections with the database that requests have.",
            )?,
        };
        let build = Opts::new(
            "webhooks_console_build_info",
            "1; the label is the version of this console.",
        )
        .const_label("version", env!("CARGO_PKG_VERSION"));
        let build = IntGauge::with_opts(build)?;
        build.set(1);
        let registry = &this.registry;
        registry.register(Box::new(this.requests.clone()))?;
        registry.register(Box::new(this.duration.clone()))?;
        registry.register(Box::new(this.connections.clone()))?;
        registry.register(Box::new(this.connections_in_use.clone()))?;
        registry.register(Box::new(build))?;
        // Memory, CPU and open files, where there is /proc.
        registry.register(Box::new(ProcessCollector::for_self()))?;
        Ok(this)
    }

    /// A request was answered.
    pub fn on_answered(&self, method: &Method, route: &str, status: StatusCode, took: Duration) {
        // Clients can make up methods.
        let method = match *method {
            Method::GET
            | Method::HEAD
            | Method::POST
            | Method::PUT
            | Method::PATCH
            | Method::DELETE => method.as_str(),
            _ => "other",
        };
        let class = match status.as_u16() / 100 {
            1 => "1xx",
            2 => "2xx",
            3 => "3xx",
            4 => "4xx",
            _ => "5xx",
        };
        let labels = [method, route, class];
        self.requests.with_label_values(&labels).inc();
        let duration = self.duration.with_label_values(&[route]);
        duration.observe(took.as_secs_f64());
    }
}

/// What answers who scrapes them: `/metrics`.
pub fn router(metrics: Arc<Metrics>, database: Database) -> Router {
    Router::new()
        .route("/metrics", get(scrape))
        .with_state((metrics, database))
}

async fn scrape(
    State((metrics, database)): State<(Arc<Metrics>, Database)>,
) -> Result<impl IntoResponse, StatusCode> {
    let (open, in_use) = database.connections();
    metrics.connections.set(open);
    metrics.connections_in_use.set(in_use);
    let mut text = Vec::new();
    let encoder = TextEncoder::new();
    encoder
        .encode(&metrics.registry.gather(), &mut text)
        .map_err(|error| {
            tracing::error!("metrics can't be encoded: {error}");
            StatusCode::INTERNAL_SERVER_ERROR
        })?;
    let headers = [
        (CONTENT_TYPE, encoder.format_type().to_owned()),
        (CACHE_CONTROL, "no-store".to_owned()),
    ];
    Ok((headers, text))
}
