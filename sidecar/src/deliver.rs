//! Deliver: one HTTP attempt, under one deadline that covers connecting, sending and the whole response.

use crate::args::RunArgs;
use crate::claim::Delivery;
use crate::client::{self, Client};
use crate::clock;
use crate::dispatch::{BreakerChange, Verdict};
use crate::message::Message;
use crate::owner::Settings;
use crate::request;
use crate::resolve::{PolicyResolver, ResolveError};
use crate::response::Capture;
use crate::templating::{NotTemplated, Templating};
use hyper::header::HeaderValue;
use std::error::Error;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use uuid::Uuid;
use webhooks_core::capture::error_text;
use webhooks_core::retry::{Decision, Outcome, Throttle, decide, decide_test};
use webhooks_core::url_policy::AddressPolicy;

/// How long after its expiry a delivery is looked at again: surely after it, also by a clock that differs a little.
const EXPIRY_MARGIN: Duration = Duration::from_secs(1);

/// The pooled client and what guards it.
#[derive(Clone)]
pub struct Deliverer {
    pub(crate) client: Client,
    pub(crate) resolver: PolicyResolver,
    pub(crate) user_agent: HeaderValue,
    templating: Templating,
}

/// The result of an attempt, as it is recorded.
pub struct Attempt {
    pub delivery_id: Uuid,
    pub subscription_id: Uuid,
    pub is_test: bool,
    /// Attempts made before: the fence.
    pub attempt: i32,
    pub status: &'static str,
    pub http_status: Option<u16>,
    pub response_headers: Option<String>,
    pub response_body: Option<String>,
    pub error: Option<String>,
    pub attempted_at: SystemTime,
    pub duration: Duration,
    pub payload_size: Option<usize>,
    pub payload_sha256: Option<[u8; 32]>,
    pub retry_after: Option<Duration>,
    pub disable_reason: Option<String>,
    /// What the receiver asked of all that goes to it.
    pub throttle: Option<Throttle>,
    /// What it says of the receiver, and what that changed.
    pub verdict: Verdict,
    pub breaker: Option<BreakerChange>,
    /// How many sessions had been lost when it was handed over to be recorded.
    pub session: u64,
    /// It is not to be recorded: it was not made, or its session was lost before.
    pub is_void: bool,
}

impl Deliverer {
    /// # Errors
    /// Unreadable certificates.
    pub fn new(args: &RunArgs) -> anyhow::Result<Self> {
        let resolver = PolicyResolver::new(AddressPolicy {
            allowed: args.allow_networks.clone(),
        });
        Ok(Self {
            client: client::new(args, resolver.clone())?,
            resolver,
            user_agent: args.user_agent.clone(),
            templating: Templating::new(),
        })
    }

    /// Makes one attempt.
    pub async fn attempt(&self, delivery: &Delivery, settings: &Settings) -> Attempt {
        let subscription = &delivery.subscription;
        // Here and not when it was claimed: a template takes its time, and only its own delivery's.
        let templated = match (&delivery.message, &subscription.template) {
            (Ok(message), Some(template)) if Instant::now() < delivery.deadline => {
                let (most, part) = (subscription.max_payload_bytes, &subscription.template_part);
                Some(self.templating.render(message, template, most, part).await)
            }
            _ => None,
        };
        let attempted_at = clock::now();
        let started = Instant::now();
        let mut attempt = Attempt {
            delivery_id: delivery.id,
            subscription_id: delivery.subscription.id,
            is_test: delivery.is_test,
            attempt: delivery.attempt,
            status: "failed",
            http_status: None,
            response_headers: None,
            response_body: None,
            error: None,
            attempted_at,
            duration: Duration::ZERO,
            payload_size: None,
            payload_sha256: None,
            retry_after: None,
            disable_reason: None,
            throttle: None,
            verdict: Verdict::Unknown,
            breaker: None,
            session: 0,
            is_void: false,
        };
        let message = match &delivery.message {
            Ok(message) => message,
            Err(reason) => {
                attempt.error = Some(format!("{reason}; nothing was sent"));
                return attempt;
            }
        };
        if started >= delivery.deadline {
            attempt.status = "expired";
            attempt.error = Some(
                "expires_at or max_delivery_age_seconds has passed; nothing was sent".to_owned(),
            );
            return attempt;
        }
        let message = match &templated {
            Some(Ok(templated)) => &templated.message,
            Some(Err(NotTemplated::NoRoom)) => {
                // It stays in the queue as it was.
                attempt.is_void = true;
                return attempt;
            }
            Some(Err(NotTemplated::Failed(error))) => {
                let reason = format!("payload_template: {error}; nothing was sent");
                attempt.error = Some(error_text(&reason));
                return attempt;
            }
            None => message,
        };
        attempt.payload_size = Some(message.body.len());
        attempt.payload_sha256 = Some(message.sha256);
        let (outcome, capture, detail) = self.send(delivery, message, settings, attempted_at).await;
        attempt.duration = started.elapsed();
        if let Some(capture) = capture {
            attempt.http_status = Some(capture.status);
            attempt.response_body = capture.body();
            attempt.response_headers = Some(capture.headers);
        }
        let made = u32::try_from(delivery.attempt).unwrap_or(0) + 1;
        let detail = detail.unwrap_or_else(|| outcome.to_string());
        attempt.throttle = Throttle::of(&outcome, subscription.retry.retry_after_cap);
        attempt.verdict = match (&outcome, attempt.throttle) {
            (Outcome::PayloadTooLarge { .. }, _) => Verdict::Unknown,
            (_, Some(wish)) if wish.is_of_a_working_receiver() => Verdict::Busy,
            _ => Verdict::Fails,
        };
        let decision = match delivery.is_test {
            true => decide_test(&outcome),
            false => decide(&delivery.subscription.retry, made, &outcome, rand::random()),
        };
        match decision {
            Decision::Delivered => {
                attempt.status = "delivered";
                attempt.verdict = Verdict::Works;
            }
            Decision::RetryAfter(delay) => {
                attempt.status = "retrying";
                // A retry that would come too late is due when the delivery expires: nothing is sent then.
                let left = delivery.deadline.saturating_duration_since(Instant::now());
                attempt.retry_after = Some(delay.min(left + EXPIRY_MARGIN));
                attempt.error = Some(error_text(&detail));
            }
            Decision::Fail(reason) => {
                attempt.error = Some(error_text(&with_detail(reason, &detail)))
            }
            Decision::FailAndDisable(reason) => {
                attempt.error = Some(error_text(&reason));
                attempt.disable_reason = Some(error_text(&reason));
            }
        }
        attempt
    }

    async fn send(
        &self,
        delivery: &Delivery,
        message: &Message,
        settings: &Settings,
        attempted_at: SystemTime,
    ) -> (Outcome, Option<Capture>, Option<String>) {
        let subscription = &delivery.subscription;
        let endpoint = match &subscription.endpoint {
            Ok(endpoint) => endpoint,
            Err(reason) => return (Outcome::InvalidRequest, None, Some(reason.clone())),
        };
        if message.body.len() > subscription.max_payload_bytes {
            let outcome = Outcome::PayloadTooLarge {
                size_bytes: message.body.len() as u64,
                limit_bytes: subscription.max_payload_bytes as u64,
            };
            return (outcome, None, None);
        }
        if let Err(refused) = self.resolver.check_literal(&endpoint.url) {
            return (Outcome::AddressRefused, None, Some(refused.to_string()));
        }
        let timestamp = attempted_at
            .duration_since(UNIX_EPOCH)
            .map_or(0, |d| d.as_secs().cast_signed());
        let request = request::build(&self.user_agent, endpoint, delivery, message, timestamp);
        let request = match request {
            Ok(request) => request,
            Err(reason) => return (Outcome::InvalidRequest, None, Some(reason)),
        };
        let mut capture = None;
        let exchange = async {
            let response = self.client.request(request).await;
            let response = response.map_err(|error| classify(error.is_connect(), &error))?;
            let head = Capture::begin(&response, settings.max_response_headers_bytes);
            let read = capture
                .insert(head)
                .read(response.into_body(), settings.max_response_body_bytes);
            read.await.map_err(|error| classify(false, &error))
        };
        let ended = tokio::time::timeout(subscription.timeout, exchange).await;
        #[cfg(feature = "failpoints")]
        crate::failpoint::pass(crate::failpoint::Point::AfterSend, 1).await;
        let (failure, detail) = match ended {
            Ok(Ok(())) => (None, None),
            Ok(Err((outcome, detail))) => (Some(outcome), Some(detail)),
            Err(_) => {
                let seconds = subscription.timeout.as_secs();
                let detail = format!("no complete response within timeout_seconds ({seconds})");
                (Some(Outcome::Timeout), Some(detail))
            }
        };
        let answered = capture
            .as_ref()
            .filter(|capture| failure.is_none() || capture.is_refusal())
            .map(|capture| Outcome::Response {
                status: capture.status,
                retry_after: capture.retry_after,
            });
        let detail = answered.as_ref().map_or(detail.clone(), |answer| {
            detail.map(|detail| format!("{answer}; {detail}"))
        });
        let outcome = answered.or(failure).unwrap_or(Outcome::Io);
        (outcome, capture, detail)
    }
}

/// The reason for giving up, and what exactly happened at the last attempt where that says more.
fn with_detail(reason: String, detail: &str) -> String {
    if reason.contains(detail) {
        reason
    } else {
        format!("{reason}; last: {detail}")
    }
}

/// What kind of failure an error is, and its words.
pub fn classify(connecting: bool, error: &(dyn Error + 'static)) -> (Outcome, String) {
    let mut words = error.to_string();
    let mut outcome = if connecting {
        Outcome::Connect
    } else {
        Outcome::Io
    };
    let mut source = error.source();
    while let Some(cause) = source {
        if let Some(resolve) = cause.downcast_ref::<ResolveError>() {
            outcome = match resolve {
                ResolveError::Refused { .. } => Outcome::AddressRefused,
                ResolveError::Lookup { .. } | ResolveError::Empty(_) => Outcome::Dns,
            };
            return (outcome, resolve.to_string());
        }
        if let Some(tls) = tls_error(cause) {
            return (Outcome::Tls, format!("TLS: {tls}"));
        }
        let text = cause.to_string();
        if !words.contains(&text) {
            words = format!("{words}: {text}");
        }
        source = cause.source();
    }
    (outcome, words)
}

/// The TLS error that this is, or that it wraps: the client hands it on in one `io::Error` inside another, and an
/// `io::Error` names as its source not what it wraps but the source of that.
fn tls_error<'e>(cause: &'e (dyn Error + 'static)) -> Option<&'e rustls::Error> {
    let mut wrapped = cause;
    loop {
        if let Some(tls) = wrapped.downcast_ref() {
            return Some(tls);
        }
        wrapped = wrapped.downcast_ref::<std::io::Error>()?.get_ref()?;
    }
}
