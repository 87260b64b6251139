//! Recovery: many deliveries made again.
//!
//! - [`form`]: what to make again; [`preview`]: what that would be, before anything is sent, and
//!   [`plan`]: how it is shown
//! - [`run`]: does it, a batch a request; [`progress`]: how far it is, and how the new deliveries go
//!
//! Nothing is kept between requests: the address of a page says what was chosen and how far it is. If the browser is
//! closed, what is queued is delivered, and the rest is as if it had not been chosen. An address makes nothing again by
//! itself: a form does, whose page either asked, or is the answer to such a form. Only to addresses that the session has
//! signed belongs a form at all, so that nobody goes on with what somebody else has chosen.

pub mod form;
mod plan;
mod preview;
pub mod progress;
pub mod run;

use super::address::given;
use jiff::Timestamp;
use maud::{Markup, html};
use serde::{Deserialize, Serialize};

/// What is made again.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// Deliveries that failed or expired.
    Failed,
    /// All events of a period, to what matches them now.
    Events,
    /// Events that no subscription matched.
    Unmatched,
}

impl What {
    const ALL: [Self; 3] = [Self::Failed, Self::Events, Self::Unmatched];

    fn word(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Events => "events",
            Self::Unmatched => "unmatched",
        }
    }

    fn label(self) -> &'static str {
        match self {
            Self::Failed => "deliveries that failed or expired",
            Self::Events => "all events, to the subscriptions that match them now",
            Self::Unmatched => "events that no subscription matched",
        }
    }
}

/// What was chosen, and how far it is.
#[derive(Clone, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct Recovery {
    #[serde(deserialize_with = "given")]
    what: Option<String>,
    #[serde(deserialize_with = "given")]
    subscription: Option<String>,
    #[serde(rename = "type", deserialize_with = "given")]
    event_type: Option<String>,
    #[serde(deserialize_with = "given")]
    from: Option<String>,
    #[serde(deserialize_with = "given")]
    to: Option<String>,
    /// How many deliveries were expected, when it began.
    #[serde(deserialize_with = "given")]
    total: Option<String>,
    /// How many are made.
    #[serde(deserialize_with = "given")]
    made: Option<String>,
    /// The last one that is done, of what it goes through.
    #[serde(deserialize_with = "given")]
    after: Option<String>,
    #[serde(deserialize_with = "given")]
    started: Option<String>,
    /// Given when all is queued.
    #[serde(deserialize_with = "given")]
    ended: Option<String>,
    /// Of the address of its progress.
    #[serde(deserialize_with = "given")]
    signature: Option<String>,
}

impl Recovery {
    fn what(&self) -> Option<What> {
        let word = self.what.as_deref()?;
        What::ALL.into_iter().find(|what| what.word() == word)
    }

    fn made(&self) -> i64 {
        number(self.made.as_deref())
    }

    fn total(&self) -> i64 {
        number(self.total.as_deref())
    }

    /// With a period that does not move.
    fn settled(mut self) -> Self {
        let hours = if self.what() == Some(What::Failed) {
            24
        } else {
            1
        };
        let now = Timestamp::now();
        let before = now - jiff::SignedDuration::from_hours(hours);
        self.to.get_or_insert_with(|| moment(now));
        self.from.get_or_insert_with(|| moment(before));
        self
    }

    /// What was chosen and how far it is, as hidden fields.
    fn fields(&self) -> Markup {
        let fields = [
            ("what", &self.what),
            ("subscription", &self.subscription),
            ("type", &self.event_type),
            ("from", &self.from),
            ("to", &self.to),
            ("total", &self.total),
            ("made", &self.made),
            ("after", &self.after),
            ("started", &self.started),
        ];
        html! {
            @for (name, value) in fields {
                @if let Some(value) = value { input type="hidden" name=(name) value=(value); }
            }
        }
    }
}

fn number(text: Option<&str>) -> i64 {
    text.and_then(|text| text.parse().ok()).unwrap_or_default()
}

/// As a field for times has it, in UTC.
fn moment(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S").to_string()
}
