//! Bodies that templates make. They take memory that no claim has counted, and time on a thread that others wait for.

use crate::message::Message;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use webhooks_core::template::{Template, TemplateError, largest_body};

/// KiB of such bodies that there are at once, of all subscriptions together.
const ROOM_KIB: u32 = 64 * 1024;
/// Events of more bytes may keep a thread busy for long.
const SMALL_EVENT: usize = 100_000;

/// Renders one body after another while there is room for them.
#[derive(Clone)]
pub struct Templating {
    room: Arc<Semaphore>,
}

/// A message of its own, whose room is free again when it is dropped.
pub struct Templated {
    pub message: Message,
    _room: Option<OwnedSemaphorePermit>,
}

impl Templating {
    pub fn new() -> Self {
        Self {
            room: Arc::new(Semaphore::new(ROOM_KIB as usize)),
        }
    }

    /// The event as a template has it, when there is room for the largest body that it may make.
    ///
    /// # Errors
    /// Those of the template.
    pub async fn render(
        &self,
        message: &Message,
        template: &Template,
        max_bytes: usize,
    ) -> Result<Templated, TemplateError> {
        let reserved = kib(largest_body(message.text(), max_bytes));
        // It is never closed.
        let mut room = self.room.clone().acquire_many_owned(reserved).await.ok();
        let message = if message.body.len() > SMALL_EVENT {
            tokio::task::block_in_place(|| message.with_template(template, max_bytes))
        } else {
            message.with_template(template, max_bytes)
        }?;
        let surplus = reserved.saturating_sub(kib(message.body.len()));
        drop(room.as_mut().and_then(|room| room.split(surplus as usize)));
        Ok(Templated {
            message,
            _room: room,
        })
    }
}

fn kib(bytes: usize) -> u32 {
    u32::try_from(bytes.div_ceil(1024)).map_or(ROOM_KIB, |kib| kib.min(ROOM_KIB))
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use uuid::Uuid;

    fn message(data: &str) -> Message {
        Message {
            event_id: Uuid::nil(),
            event_type: "a.b".to_owned(),
            headers: Vec::new(),
            body: Bytes::from(format!(
                r#"{{"id":"x","event":{{}},"tenant_id":"x","data":{{"x":"{data}"}},"resource":{{}}}}"#
            )),
            sha256: [0; 32],
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn bodies_have_their_room_until_they_are_dropped() {
        let templating = Templating::new();
        let free = || templating.room.available_permits();
        let all = free();
        let template = Template::compile(r#"{"x": "{{ data.x }}"}"#, None).unwrap();
        let large = message(&"x".repeat(200_000));
        let one = templating.render(&large, &template, usize::MAX).await;
        let one = one.unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(one.message.body.len(), 200_009);
        assert_eq!(all - free(), 196);
        // What fails leaves nothing.
        let failed = templating.render(&large, &template, 1000).await;
        assert!(failed.is_err());
        drop(one);
        assert_eq!(free(), all);
    }

    #[tokio::test]
    async fn a_body_does_not_outgrow_its_event() {
        let templating = Templating::new();
        let template = r#""{% for n in range(9) %}{% for n in range(9000) %}0123456789{% endfor %}{% endfor %}""#;
        let template = Template::compile(template, None).unwrap();
        let made = templating.render(&message(""), &template, usize::MAX).await;
        assert!(made.is_err());
        assert_eq!(templating.room.available_permits(), ROOM_KIB as usize);
    }
}
