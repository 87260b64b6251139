//! The requests that arrived, and the answers to them.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use uuid::Uuid;

/// A request that arrived in full.
#[derive(Debug, Clone)]
pub struct Receipt {
    /// `webhook-id`.
    pub event: Uuid,
    /// The number of the subscription.
    pub subscription: usize,
    /// When.
    pub arrived: Instant,
    /// When 200 was answered in full; `None`: something else, or the client had hung up.
    pub delivered: Option<Instant>,
    /// Both signatures are right.
    pub signed: bool,
}

/// All receipts, in order of arrival.
#[derive(Debug, Default)]
pub struct Receipts(Mutex<Book>);

#[derive(Debug, Default)]
struct Book {
    receipts: Vec<Receipt>,
    by_event: HashMap<Uuid, Vec<usize>>,
}

impl Receipts {
    /// Notes a request. Returns its number.
    pub fn arrived(&self, receipt: Receipt) -> usize {
        let mut book = self.book();
        let number = book.receipts.len();
        book.by_event.entry(receipt.event).or_default().push(number);
        book.receipts.push(receipt);
        number
    }

    /// 200 is answered to this request.
    pub fn delivered(&self, number: usize) {
        let now = Instant::now();
        if let Some(receipt) = self.book().receipts.get_mut(number) {
            receipt.delivered = Some(now);
        }
    }

    /// When an event was first delivered to each subscription that it was delivered to.
    #[must_use]
    pub fn deliveries(&self, event: Uuid) -> HashMap<usize, Instant> {
        let book = self.book();
        let mut first = HashMap::new();
        for number in book.by_event.get(&event).into_iter().flatten() {
            let receipt = &book.receipts[*number];
            if let Some(at) = receipt.delivered {
                first.entry(receipt.subscription).or_insert(at);
            }
        }
        first
    }

    /// All so far.
    #[must_use]
    pub fn all(&self) -> Vec<Receipt> {
        self.book().receipts.clone()
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
