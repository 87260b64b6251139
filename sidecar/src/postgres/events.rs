//! The events of a claim: rendered once for each format that their subscriptions want.

use super::claim_row;
use super::unreadable::is_readable;
use crate::model::{Message, Subscription};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;
use tokio_postgres::Row;
use uuid::Uuid;
use webhooks_core::payload::PayloadFormat;

/// The events of a claim. They are rendered when it is complete: only then are the subscriptions loaded that say how.
#[derive(Default)]
pub struct Events {
    by_id: HashMap<Uuid, usize>,
    events: Vec<Claimed>,
}

/// An event, and what has become of it.
struct Claimed {
    /// Gone when nothing is left to render of it.
    row: Option<Row>,
    /// Deliveries that are not rendered yet.
    left: usize,
    /// By format.
    rendered: [Rendered; PayloadFormat::ALL.len()],
}

#[derive(Default)]
struct Rendered {
    sharers: usize,
    message: Option<Arc<Message>>,
}

impl Events {
    /// Takes the event of a claimed row, which is that of this delivery.
    ///
    /// Returns: how to ask for it.
    ///
    /// # Errors
    /// Why it can't be sent.
    pub fn take(&mut self, delivery_id: Uuid, row: Row) -> Result<usize, String> {
        let problem = match is_readable(&row) {
            true => claim_row::problem(&row),
            false => Some("its data can't be read (it is not UTF-8)"),
        };
        if let Some(problem) = problem {
            let event_id = claim_row::event_id(&row);
            tracing::warn!(%event_id, %delivery_id, "a delivery fails: {problem}");
            return Err(problem.to_owned());
        }
        if !claim_row::has_event(&row) {
            return Err(gone());
        }
        match self.by_id.entry(claim_row::event_id(&row)) {
            Entry::Occupied(known) => Ok(*known.get()),
            Entry::Vacant(new) => {
                let index = *new.insert(self.events.len());
                self.events.push(Claimed {
                    row: Some(row),
                    left: 0,
                    rendered: Default::default(),
                });
                Ok(index)
            }
        }
    }

    /// Says that a subscription wants an event: before any is rendered.
    pub fn want(&mut self, index: usize, subscription: &Subscription) {
        let claimed = &mut self.events[index];
        claimed.left += 1;
        claimed.rendered[subscription.body.format as usize].sharers += 1;
    }

    /// The message of an event for a subscription that wants it, and its part of the memory that it takes.
    pub fn render(
        &mut self,
        index: usize,
        subscription: &Subscription,
    ) -> (Result<Arc<Message>, String>, usize) {
        let claimed = &mut self.events[index];
        let rendered = &mut claimed.rendered[subscription.body.format as usize];
        if rendered.message.is_none() {
            rendered.message = claimed.row.as_ref().map(|row| {
                let (event, traceparent) = (claim_row::event(row), claim_row::traceparent(row));
                let format = subscription.body.format;
                Arc::new(Message::render(&event, format, traceparent))
            });
        }
        let message = rendered.message.clone();
        let part = message
            .as_ref()
            .map_or(0, |message| message.body.len() / rendered.sharers.max(1));
        claimed.left = claimed.left.saturating_sub(1);
        if claimed.left == 0 {
            claimed.row = None;
        }
        (message.ok_or_else(gone), part)
    }
}

fn gone() -> String {
    "the event is no longer in event_logs".to_owned()
}
