//! Bodies that templates make. They take memory that no claim has counted, and time on a thread that others wait for.

use crate::model::{Message, TemplateRoom};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use webhooks_core::template::{Template, TemplateError, largest_body};

/// KiB of such bodies that there are at once, of all subscriptions together.
const ROOM_KIB: u32 = 64 * 1024;
/// How long to wait for room: then the slot is better another delivery's.
const ROOM_TIMEOUT: Duration = Duration::from_secs(2);
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
    _room: [OwnedSemaphorePermit; 2],
}

/// Why there is no such message.
#[derive(Debug)]
pub enum NotTemplated {
    /// There was no room: try again later.
    NoRoom,
    Failed(TemplateError),
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
    /// Those of the template; that there is no room for long.
    pub async fn render(
        &self,
        message: &Message,
        template: &Template,
        max_bytes: usize,
        part: &TemplateRoom,
    ) -> Result<Templated, NotTemplated> {
        let reserved = kib(largest_body(message.text(), max_bytes));
        let of_part = reserved.min(TemplateRoom::KIB);
        let room = timeout(ROOM_TIMEOUT, async {
            let part = part.0.clone().acquire_many_owned(of_part).await?;
            Ok::<_, AcquireError>([part, self.room.clone().acquire_many_owned(reserved).await?])
        });
        let Ok(Ok(mut room)) = room.await else {
            return Err(NotTemplated::NoRoom);
        };
        let message = if message.body.len() > SMALL_EVENT {
            tokio::task::block_in_place(|| message.with_template(template, max_bytes))
        } else {
            message.with_template(template, max_bytes)
        }
        .map_err(NotTemplated::Failed)?;
        let made = kib(message.body.len());
        for (room, reserved) in room.iter_mut().zip([of_part, reserved]) {
            drop(room.split(reserved.saturating_sub(made) as usize));
        }
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
            traceparent: None,
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
        let part = TemplateRoom::default();
        let one = templating
            .render(&large, &template, usize::MAX, &part)
            .await;
        let one = one.unwrap_or_else(|error| panic!("{error:?}"));
        assert_eq!(one.message.body.len(), 200_009);
        assert_eq!(all - free(), 196);
        // What fails leaves nothing.
        let failed = templating.render(&large, &template, 1000, &part).await;
        assert!(matches!(failed, Err(NotTemplated::Failed(_))));
        drop(one);
        assert_eq!(free(), all);
        assert_eq!(part.0.available_permits(), TemplateRoom::KIB as usize);
    }

    #[tokio::test]
    async fn one_subscription_does_not_take_all_the_room() {
        let templating = Templating::new();
        let template = Template::compile(r#""{{ data.x }}""#, None).unwrap();
        let small = message(&"x".repeat(60_000));
        let (hanging, other) = (TemplateRoom::default(), TemplateRoom::default());
        let mut bodies = Vec::new();
        let no_room = loop {
            match templating
                .render(&small, &template, usize::MAX, &hanging)
                .await
            {
                Ok(made) => bodies.push(made),
                Err(error) => break error,
            }
        };
        assert!(matches!(no_room, NotTemplated::NoRoom));
        assert!(!bodies.is_empty() && templating.room.available_permits() > ROOM_KIB as usize / 2);
        let made = templating
            .render(&small, &template, usize::MAX, &other)
            .await;
        assert!(made.is_ok());
    }

    #[tokio::test]
    async fn a_body_does_not_outgrow_its_event() {
        let templating = Templating::new();
        let template = r#""{% for n in range(9) %}{% for n in range(9000) %}0123456789{% endfor %}{% endfor %}""#;
        let template = Template::compile(template, None).unwrap();
        let part = TemplateRoom::default();
        let made = templating
            .render(&message(""), &template, usize::MAX, &part)
            .await;
        assert!(made.is_err());
        assert_eq!(templating.room.available_permits(), ROOM_KIB as usize);
    }
}
