//! How receivers behave: mostly well.

use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::receipts::{Receipt, Receipts};
use super::subscription::{SECRET, Subscription};
use crate::receiver::{Receiver, Reply, Request};

/// Answers the requests to all subscriptions and notes them.
#[derive(Debug)]
pub struct Answers {
    rng: Mutex<StdRng>,
    /// From now on all is well.
    calm: AtomicBool,
}

impl Answers {
    /// Takes over the receiver's paths.
    #[must_use]
    pub fn give(
        receiver: &Receiver,
        subscriptions: &[Subscription],
        receipts: &Arc<Receipts>,
        seed: u64,
    ) -> Arc<Self> {
        let answers = Arc::new(Self {
            rng: Mutex::new(StdRng::seed_from_u64(seed)),
            calm: AtomicBool::new(false),
        });
        for (number, subscription) in subscriptions.iter().enumerate() {
            let path = path(subscription);
            let (answers, receipts) = (Arc::clone(&answers), Arc::clone(receipts));
            let calm = subscription.calm;
            receiver.verify(&path, SECRET);
            receiver.on_request(&path, move |request| {
                let (reply, succeeds) = answers.choose(calm);
                let receipt = receipts.arrived(receipt(request, number));
                if !succeeds {
                    return reply;
                }
                let receipts = Arc::clone(&receipts);
                reply.when_answered(move || receipts.delivered(receipt))
            });
        }
        answers
    }

    /// From now on everything is answered with 200.
    pub fn calm_down(&self) {
        self.calm.store(true, SeqCst);
    }

    /// An answer, and whether it is a success.
    fn choose(&self, calm: bool) -> (Reply, bool) {
        if calm || self.calm.load(SeqCst) {
            return (Reply::ok(), true);
        }
        let mut rng = self.rng.lock().unwrap_or_else(PoisonError::into_inner);
        let soon = Duration::from_millis(rng.random_range(0..50));
        match rng.random_range(0..100) {
            0..78 => (Reply::ok().after(soon), true),
            78..82 => (Reply::ok().after(Duration::from_millis(300)), true),
            82..89 => (Reply::status(500).after(soon), false),
            89..91 => (Reply::retry_after(503, "1"), false),
            91..93 => (Reply::retry_after(429, &in_a_second()), false),
            93..95 => (Reply::hang(), false),
            95..97 => (Reply::reset(), false),
            97..98 => (Reply::close(), false),
            // The status counts, whatever becomes of the body.
            _ => (Reply::reset_mid_body(), true),
        }
    }
}

/// Where a subscription's requests go.
#[must_use]
pub fn path(subscription: &Subscription) -> String {
    format!("/{}", subscription.name)
}

fn receipt(request: &Request, subscription: usize) -> Receipt {
    Receipt {
        // Without an id it is nobody's: a phantom.
        event: request.event_id().unwrap_or_default(),
        subscription,
        arrived: request.arrived,
        delivered: None,
        signed: request.signatures.is_some_and(|s| s.verified()),
    }
}

/// By this machine's clock, which is not always the sidecar's.
fn in_a_second() -> String {
    httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(1))
}
