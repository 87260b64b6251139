//! The sender: one attempt of a delivery, from its message to its result.

use super::warnings::Warnings;
use crate::clock::Clock;
use crate::config::RunArgs;
use crate::http::client::Client;
use crate::http::options_handshake;
use crate::http::resolve::PolicyResolver;
use crate::http::send::{Sent, send};
use crate::http::template::{NotTemplated, Templating};
use crate::model::{
    Answer, Attempt, AttemptResult, Delivery, EndpointSignal, Exchange, Message, NotSent, Payload,
    Settings, Subscription,
};
use crate::telemetry::spans::Spans;
use futures_util::FutureExt;
use hickory_resolver::net::NetError;
use hyper::header::HeaderValue;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};
use tokio_util::task::TaskTracker;
use webhooks_core::capture::error_text;
use webhooks_core::retry::{Decision, Outcome, Throttle, decide, decide_test};
use webhooks_tls::SetupError;

/// How long after its expiry a delivery is looked at again: surely after it, also by a clock that differs a little.
const EXPIRY_MARGIN: Duration = Duration::from_secs(1);
/// Before a delivery that could not be made for want of a socket is made again.
const EXHAUSTED_PAUSE: Duration = Duration::from_secs(1);

/// Why requests can't be made.
#[derive(Debug, thiserror::Error)]
pub enum SenderError {
    #[error(transparent)]
    Resolver(#[from] NetError),
    #[error(transparent)]
    Tls(#[from] SetupError),
}

/// The pooled client and what guards it, and the time of the database whose deliveries it makes.
#[derive(Clone)]
pub struct Sender {
    clock: Clock,
    client: Client,
    user_agent: HeaderValue,
    templating: Templating,
    spans: Spans,
    warnings: Arc<Mutex<Warnings>>,
}

impl Sender {
    /// With a clock of its own. Its requests are `spans`. What looks after its connections is among `tasks`.
    ///
    /// # Errors
    /// Unreadable certificates.
    pub fn new(args: &RunArgs, spans: Spans, tasks: TaskTracker) -> Result<Self, SenderError> {
        let resolver = PolicyResolver::new(args)?;
        let tls = webhooks_tls::config(args.receiver_ca_file.as_deref())?;
        Ok(Self {
            clock: Clock::default(),
            client: Client::new(resolver, tls, args.connections(), tasks),
            user_agent: args.user_agent.clone(),
            templating: Templating::new(),
            spans,
            warnings: Arc::default(),
        })
    }

    /// One with the same connections, which goes by this clock.
    pub fn with_clock(&self, clock: Clock) -> Self {
        Self {
            clock,
            ..self.clone()
        }
    }

    /// Makes one attempt. One that panics counts: made again at once, it would panic over and over.
    ///
    /// # Errors
    /// Nothing was sent, for want of room or of a socket.
    pub async fn attempt(
        &self,
        delivery: &Delivery,
        settings: &Settings,
    ) -> Result<Attempt, NotSent> {
        let (attempted_at, started) = (self.clock.now(), Instant::now());
        let made = AssertUnwindSafe(self.make(delivery, settings)).catch_unwind();
        made.await.unwrap_or_else(|_| {
            tracing::error!(
                delivery_id = %delivery.id, subscription_id = %delivery.subscription.id,
                "an attempt panicked; it counts as failed"
            );
            Ok(panicked(delivery, attempted_at, started.elapsed()))
        })
    }

    /// An attempt, from its message to its result.
    async fn make(&self, delivery: &Delivery, settings: &Settings) -> Result<Attempt, NotSent> {
        let subscription = &delivery.subscription;
        // Here and not when it was claimed: a template takes its time, and only its own delivery's.
        let templated = match (&delivery.message, &subscription.body.template) {
            (Ok(message), Some(template)) if Instant::now() < delivery.deadline => {
                let body = &subscription.body;
                let (most, room) = (body.max_bytes, &body.template_room);
                Some(self.templating.render(message, template, most, room).await)
            }
            _ => None,
        };
        let (attempted_at, started) = (self.clock.now(), Instant::now());
        let unsent = |result, error: String| Ok(unsent(delivery, attempted_at, result, error));
        let message = match &delivery.message {
            Ok(message) => message,
            Err(reason) => {
                let error = format!("{reason}; nothing was sent");
                return unsent(AttemptResult::Failed, error);
            }
        };
        if started >= delivery.deadline {
            let error = "expires_at or max_delivery_age_seconds has passed; nothing was sent";
            return unsent(AttemptResult::Expired, error.to_owned());
        }
        let message = match &templated {
            Some(Ok(templated)) => &templated.message,
            Some(Err(NotTemplated::NoRoom)) => return Err(not_sent(delivery)),
            Some(Err(NotTemplated::Failed(error))) => {
                let reason = format!("payload_template: {error}; nothing was sent");
                return unsent(AttemptResult::Failed, error_text(&reason));
            }
            None => message,
        };
        let sent = self.send(delivery, message, settings, attempted_at).await?;
        let exchange = Exchange {
            attempted_at,
            duration: started.elapsed(),
            resent_count: sent.resent_count,
            payload: Some(Payload {
                size: message.body.len(),
                sha256: message.sha256,
            }),
            response: sent.response,
        };
        let detail = sent.detail.unwrap_or_else(|| sent.outcome.to_string());
        Ok(ended(delivery, exchange, &sent.outcome, &detail))
    }

    /// Sends the request, if there is an endpoint for it.
    async fn send(
        &self,
        delivery: &Delivery,
        message: &Message,
        settings: &Settings,
        attempted_at: SystemTime,
    ) -> Result<Sent, NotSent> {
        let subscription = &delivery.subscription;
        let endpoint = match &subscription.endpoint {
            Ok(endpoint) => endpoint,
            Err(reason) => {
                let reason = Some(reason.clone());
                return Ok(Sent::nothing(Outcome::InvalidRequest, reason));
            }
        };
        if message.body.len() > subscription.body.max_bytes {
            let outcome = Outcome::PayloadTooLarge {
                size_bytes: message.body.len() as u64,
                limit_bytes: subscription.body.max_bytes as u64,
            };
            return Ok(Sent::nothing(outcome, None));
        }
        let what = (delivery, endpoint, message);
        let span = self.spans.begin(delivery, endpoint, message);
        let sending = send(
            &self.client,
            &self.user_agent,
            what,
            span.traceparent(),
            settings,
            (&self.clock, attempted_at),
        );
        match sending.await {
            Ok(sent) => {
                span.end(&sent.outcome, sent.resent_count);
                Ok(sent)
            }
            Err(error) => {
                self.warn(&error);
                tokio::time::sleep(EXHAUSTED_PAUSE).await;
                Err(not_sent(delivery))
            }
        }
    }

    /// Nobody is to blame but this machine.
    fn warn(&self, error: &impl std::fmt::Display) {
        let mut warnings = self.warnings.lock().unwrap_or_else(PoisonError::into_inner);
        if warnings.is_due(Instant::now()) {
            tracing::warn!("deliveries wait, without an attempt: {error}");
        }
    }

    /// Asks a subscription's receiver whether it wants deliveries. `None`: it need not be asked, or there is nobody to
    /// ask for.
    pub async fn ask(
        &self,
        subscription: Arc<Subscription>,
        settings: &Settings,
    ) -> Option<Answer> {
        let (client, now) = (&self.client, || self.clock.now());
        options_handshake::ask(client, &self.user_agent, subscription, settings, now).await
    }
}

fn not_sent(delivery: &Delivery) -> NotSent {
    NotSent {
        delivery_id: delivery.id,
    }
}

/// An attempt of which no request was made, since none can be.
fn unsent(
    delivery: &Delivery,
    attempted_at: SystemTime,
    result: AttemptResult,
    error: String,
) -> Attempt {
    let exchange = Exchange {
        attempted_at,
        duration: Duration::ZERO,
        resent_count: 0,
        payload: None,
        response: None,
    };
    Attempt {
        error: Some(error),
        ..attempt(delivery, exchange, result, EndpointSignal::None)
    }
}

/// An attempt that panicked.
fn panicked(delivery: &Delivery, attempted_at: SystemTime, duration: Duration) -> Attempt {
    let exchange = Exchange {
        attempted_at,
        duration,
        resent_count: 0,
        payload: None,
        response: None,
    };
    let outcome = Outcome::Panicked;
    ended(delivery, exchange, &outcome, &outcome.to_string())
}

/// What becomes of a delivery after an exchange.
fn ended(delivery: &Delivery, exchange: Exchange, outcome: &Outcome, detail: &str) -> Attempt {
    let retry = &delivery.subscription.retry;
    let made = u32::try_from(delivery.attempt).unwrap_or(0) + 1;
    let decision = match delivery.is_test {
        true => decide_test(outcome),
        false => decide(retry, made, outcome, rand::random()),
    };
    let throttle = Throttle::of(outcome, retry.retry_after_cap);
    let signal = match (&decision, outcome, throttle) {
        (Decision::Delivered, ..) => EndpointSignal::Success,
        // The receiver is not to blame.
        (_, Outcome::PayloadTooLarge { .. } | Outcome::Panicked, _) => EndpointSignal::None,
        (.., Some(wish)) if wish.is_of_a_working_receiver() => EndpointSignal::Busy,
        _ => EndpointSignal::Failure,
    };
    let (result, error, disables) = match decision {
        Decision::Delivered => (AttemptResult::Delivered, None, false),
        Decision::RetryAfter(delay) => {
            // A retry that would come too late is due when the delivery expires: nothing is sent then.
            let left = delivery.deadline.saturating_duration_since(Instant::now());
            let after = delay.min(left + EXPIRY_MARGIN);
            let error = error_text(detail);
            (AttemptResult::Retry { after }, Some(error), false)
        }
        Decision::Fail(reason) => {
            let error = error_text(&with_detail(reason, detail));
            (AttemptResult::Failed, Some(error), false)
        }
        Decision::FailAndDisable(reason) => {
            (AttemptResult::Failed, Some(error_text(&reason)), true)
        }
    };
    Attempt {
        throttle,
        disable_reason: error.clone().filter(|_| disables),
        error,
        ..attempt(delivery, exchange, result, signal)
    }
}

fn attempt(
    delivery: &Delivery,
    exchange: Exchange,
    result: AttemptResult,
    signal: EndpointSignal,
) -> Attempt {
    let subscription = &delivery.subscription;
    let url = subscription.endpoint.as_ref().ok().map(|e| &e.url);
    Attempt {
        delivery_id: delivery.id,
        subscription_id: subscription.id,
        tenant_id: subscription.tenant_id,
        host: url.and_then(|url| url.host_str()).map(str::to_owned),
        is_test: delivery.is_test,
        attempt: delivery.attempt,
        exchange,
        result,
        error: None,
        signal,
        breaker: None,
        throttle: None,
        disable_reason: None,
        session: 0,
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
