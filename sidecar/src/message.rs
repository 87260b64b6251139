//! What a request says of its event: rendered once per claim for each format that its subscriptions want.

use crate::database::is_readable;
use crate::model::shard::is_of_tests;
use crate::subscriptions::Subscription;
use bytes::Bytes;
use hyper::header::HeaderValue;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;
use tokio_postgres::Row;
use uuid::Uuid;
use webhooks_core::payload::{Event, PayloadFormat, payload_sha256};
use webhooks_core::template::{Template, TemplateError};

/// An event as it is sent. Deliveries of one event in one format that are claimed together share it.
pub struct Message {
    pub event_id: Uuid,
    pub event_type: String,
    /// Those of the format.
    pub headers: Vec<(&'static str, HeaderValue)>,
    pub body: Bytes,
    pub sha256: [u8; 32],
}

impl Message {
    /// The same event as a template has it, which the envelope is made of.
    ///
    /// # Errors
    /// Those of the template.
    pub fn with_template(
        &self,
        template: &Template,
        max_bytes: usize,
    ) -> Result<Self, TemplateError> {
        let body = Bytes::from(template.render(self.text(), max_bytes)?);
        Ok(Self {
            event_id: self.event_id,
            event_type: self.event_type.clone(),
            headers: Vec::new(),
            sha256: payload_sha256(&body),
            body,
        })
    }

    /// The body.
    pub fn text(&self) -> &str {
        // What was rendered is UTF-8.
        std::str::from_utf8(&self.body).unwrap_or_default()
    }

    fn render(event: &Event<'_>, format: PayloadFormat) -> Self {
        let body = Bytes::from(format.render(event));
        let sha256 = payload_sha256(&body);
        let header = |(name, value): (&'static str, String)| {
            // Escaped to visible ASCII.
            let value = HeaderValue::try_from(value).ok()?;
            Some((name, value))
        };
        Self {
            event_id: event.id,
            event_type: event.event_type.to_owned(),
            headers: format
                .headers(event)
                .into_iter()
                .filter_map(header)
                .collect(),
            body,
            sha256,
        }
    }
}

/// The columns of `claim_deliveries()`: the shard, and those that hold an event, which begin with this one.
const SHARD: usize = 2;
const FIRST_COLUMN: usize = 9;
/// Whether there is an event.
const TENANT_ID: usize = FIRST_COLUMN + 1;
const DATA: usize = FIRST_COLUMN + 7;
const RESOURCE_DATA: usize = FIRST_COLUMN + 14;
/// Why its data is not there, if it can't be read.
const OBJECTION: usize = 25;

fn event(row: &Row) -> Event<'_> {
    Event {
        id: row.get(FIRST_COLUMN),
        tenant_id: row.get(TENANT_ID),
        event_type: row.get(11),
        category: row.get(12),
        name: row.get(13),
        version: row.get(14),
        created_at_us: row.get(15),
        data: row.get(DATA),
        resource_type: row.get(17),
        resource_id: row.get(18),
        resource_data: row.get(RESOURCE_DATA),
        user_id: row.get(19),
        session_id: row.get(20),
        request_id: row.get(21),
        source_ip: row.get(22),
        is_test: is_of_tests(row.get(SHARD)),
    }
}

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
    /// Takes the event of a claimed row.
    ///
    /// Returns: how to ask for it.
    ///
    /// # Errors
    /// Why it can't be sent.
    pub fn take(&mut self, row: Row) -> Result<usize, String> {
        let objection = match is_readable(&row) {
            true => row.get::<_, Option<&str>>(OBJECTION),
            false => Some("its data can't be read (it is not UTF-8)"),
        };
        if let Some(objection) = objection {
            let event_id: Uuid = row.get(FIRST_COLUMN);
            let delivery_id: Uuid = row.get(0);
            tracing::warn!(%event_id, %delivery_id, "a delivery fails: {objection}");
            return Err(objection.to_owned());
        }
        if row.get::<_, Option<Uuid>>(TENANT_ID).is_none() {
            return Err(gone());
        }
        match self.by_id.entry(row.get(FIRST_COLUMN)) {
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
        claimed.rendered[subscription.format as usize].sharers += 1;
    }

    /// The message of an event for a subscription that wants it, and its part of the memory that it takes.
    pub fn render(
        &mut self,
        index: usize,
        subscription: &Subscription,
    ) -> (Result<Arc<Message>, String>, usize) {
        let claimed = &mut self.events[index];
        let rendered = &mut claimed.rendered[subscription.format as usize];
        if rendered.message.is_none() {
            rendered.message = claimed
                .row
                .as_ref()
                .map(|row| Arc::new(Message::render(&event(row), subscription.format)));
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
