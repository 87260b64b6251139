//! Deliver: one HTTP attempt, under one deadline that covers connecting, sending and the whole response.

use crate::args::RunArgs;
use crate::blockers::Warnings;
use crate::claim::Delivery;
use crate::clock;
use crate::http::{Call, Client, Head, Reply, SendError};
use crate::message::Message;
use crate::model::{BreakerChange, EndpointSignal};
use crate::owner::Settings;
use crate::request;
use crate::resolve::PolicyResolver;
use crate::templating::{NotTemplated, Templating};
use crate::tls;
use hyper::header::HeaderValue;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use uuid::Uuid;
use webhooks_core::capture::{body_text, error_text, headers_json};
use webhooks_core::retry::{Decision, Outcome, Throttle, decide, decide_test, wait_asked_for};

/// How long after its expiry a delivery is looked at again: surely after it, also by a clock that differs a little.
const EXPIRY_MARGIN: Duration = Duration::from_secs(1);
/// Before a delivery that could not be made for want of a socket is made again.
const EXHAUSTED_PAUSE: Duration = Duration::from_secs(1);
/// Most headers that the log keeps.
const MAX_HEADERS: usize = 64;

/// The pooled client and what guards it.
#[derive(Clone)]
pub struct Deliverer {
    pub(crate) client: Client,
    pub(crate) user_agent: HeaderValue,
    templating: Templating,
    warnings: Arc<Mutex<Warnings>>,
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
    /// How often the request was sent again on a new connection.
    pub resent_count: u16,
    pub payload_size: Option<usize>,
    pub payload_sha256: Option<[u8; 32]>,
    pub retry_after: Option<Duration>,
    pub disable_reason: Option<String>,
    /// What the receiver asked of all that goes to it.
    pub throttle: Option<Throttle>,
    /// What it says of the receiver, and what that changed.
    pub verdict: EndpointSignal,
    pub breaker: Option<BreakerChange>,
    /// How many sessions had been lost when it was handed over to be recorded.
    pub session: u64,
    /// It is not to be recorded: it was not made, or its session was lost before.
    pub is_void: bool,
}

impl Attempt {
    /// Keeps as much of an answer as the log does.
    fn log(&mut self, reply: &Reply, settings: &Settings) {
        self.resent_count = reply.resent_count();
        let Some(head) = reply.head() else {
            return;
        };
        self.http_status = Some(head.status);
        self.response_headers = Some(headers_json(
            head.headers(),
            settings.max_response_headers_bytes,
            MAX_HEADERS,
        ));
        self.response_body = reply
            .body()
            .map(|(kept, is_truncated)| body_text(kept, is_truncated));
    }
}

impl Deliverer {
    /// # Errors
    /// Unreadable certificates.
    pub fn new(args: &RunArgs) -> anyhow::Result<Self> {
        let resolver = PolicyResolver::new(args)?;
        let tls = tls::config(args.receiver_ca_file.as_deref())?;
        Ok(Self {
            client: Client::new(resolver, tls, args.connections()),
            user_agent: args.user_agent.clone(),
            templating: Templating::new(),
            warnings: Arc::default(),
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
            resent_count: 0,
            payload_size: None,
            payload_sha256: None,
            retry_after: None,
            disable_reason: None,
            throttle: None,
            verdict: EndpointSignal::None,
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
        let exchanged = self.send(delivery, message, settings, attempted_at).await;
        attempt.duration = started.elapsed();
        let Some(exchanged) = exchanged else {
            attempt.is_void = true;
            return attempt;
        };
        if let Some(reply) = &exchanged.reply {
            attempt.log(reply, settings);
        }
        let Exchanged {
            outcome, detail, ..
        } = exchanged;
        let made = u32::try_from(delivery.attempt).unwrap_or(0) + 1;
        let detail = detail.unwrap_or_else(|| outcome.to_string());
        attempt.throttle = Throttle::of(&outcome, subscription.retry.retry_after_cap);
        attempt.verdict = match (&outcome, attempt.throttle) {
            (Outcome::PayloadTooLarge { .. }, _) => EndpointSignal::None,
            (_, Some(wish)) if wish.is_of_a_working_receiver() => EndpointSignal::Busy,
            _ => EndpointSignal::Failure,
        };
        let decision = match delivery.is_test {
            true => decide_test(&outcome),
            false => decide(&delivery.subscription.retry, made, &outcome, rand::random()),
        };
        match decision {
            Decision::Delivered => {
                attempt.status = "delivered";
                attempt.verdict = EndpointSignal::Success;
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

    /// Sends the request. `None`: it could not be made, and nobody is to blame but this machine.
    async fn send(
        &self,
        delivery: &Delivery,
        message: &Message,
        settings: &Settings,
        attempted_at: SystemTime,
    ) -> Option<Exchanged> {
        let subscription = &delivery.subscription;
        let endpoint = match &subscription.endpoint {
            Ok(endpoint) => endpoint,
            Err(reason) => {
                return Some(Exchanged::nothing(
                    Outcome::InvalidRequest,
                    Some(reason.clone()),
                ));
            }
        };
        if message.body.len() > subscription.max_payload_bytes {
            let outcome = Outcome::PayloadTooLarge {
                size_bytes: message.body.len() as u64,
                limit_bytes: subscription.max_payload_bytes as u64,
            };
            return Some(Exchanged::nothing(outcome, None));
        }
        let timestamp = attempted_at
            .duration_since(UNIX_EPOCH)
            .map_or(0, |d| d.as_secs().cast_signed());
        let call = Call {
            subscription_id: subscription.id,
            url: &endpoint.url,
            outgoing: request::build(&self.user_agent, endpoint, delivery, message, timestamp),
            timeout: subscription.timeout,
        };
        let mut reply = Reply::new(settings.max_response_body_bytes);
        let sending = self.client.send(&call, &mut reply);
        let ended = tokio::time::timeout(subscription.timeout, sending).await;
        #[cfg(feature = "failpoints")]
        crate::failpoint::pass(crate::failpoint::Point::AfterSend, 1).await;
        let failure = match ended {
            Ok(Ok(())) => None,
            Ok(Err(error @ SendError::NoSocket(_))) => {
                self.warn_of_exhaustion(&error);
                tokio::time::sleep(EXHAUSTED_PAUSE).await;
                return None;
            }
            Ok(Err(error)) => Some((outcome(&error), error.to_string())),
            Err(_) => {
                let seconds = subscription.timeout.as_secs();
                let detail = format!("no complete response within timeout_seconds ({seconds})");
                Some((Outcome::Timeout, detail))
            }
        };
        Some(Exchanged::new(reply, failure))
    }

    fn warn_of_exhaustion(&self, error: &SendError) {
        let mut warnings = self.warnings.lock().unwrap_or_else(PoisonError::into_inner);
        if warnings.is_due(Instant::now()) {
            tracing::warn!("deliveries wait, without an attempt: {error}");
        }
    }
}

/// What came of a request.
struct Exchanged {
    outcome: Outcome,
    /// What exactly happened, where that says more than the outcome.
    detail: Option<String>,
    reply: Option<Reply>,
}

impl Exchanged {
    /// Nothing was sent.
    fn nothing(outcome: Outcome, detail: Option<String>) -> Self {
        Self {
            outcome,
            detail,
            reply: None,
        }
    }

    /// The status decides as soon as it is there, with the headers: what is not is only missed in the log.
    fn new(reply: Reply, failure: Option<(Outcome, String)>) -> Self {
        let answered = reply.head().map(|head| Outcome::Response {
            status: head.status,
            retry_after: retry_after(head),
        });
        let (outcome, detail) = match (answered, failure) {
            (Some(answer), Some((_, detail))) => {
                let detail = format!("{answer}; {detail}");
                (answer, Some(detail))
            }
            (Some(answer), None) => (answer, None),
            (None, Some((outcome, detail))) => (outcome, Some(detail)),
            (None, None) => (Outcome::Io, None),
        };
        Self {
            outcome,
            detail,
            reply: Some(reply),
        }
    }
}

/// What kind of failure it is that there was no answer.
fn outcome(error: &SendError) -> Outcome {
    match error {
        SendError::Dns(_) => Outcome::Dns,
        SendError::AddressRefused(_) => Outcome::AddressRefused,
        SendError::Connect(_) | SendError::NoSocket(_) => Outcome::Connect,
        SendError::Tls(_) => Outcome::Tls,
        SendError::Broke(_) => Outcome::Io,
        SendError::NotHttp(_) => Outcome::NotHttp,
    }
}

/// How long the receiver asks to wait.
pub fn retry_after(head: &Head) -> Option<Duration> {
    wait_asked_for(head.value("retry-after")?, head.value("date"), clock::now())
}

/// The reason for giving up, and what exactly happened at the last attempt where that says more.
fn with_detail(reason: String, detail: &str) -> String {
    if reason.contains(detail) {
        reason
    } else {
        format!("{reason}; last: {detail}")
    }
}
