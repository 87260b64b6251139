//! What would be made again, as people see it.

use super::preview::{MAX_SUBSCRIPTIONS, MAX_UNMATCHED, Preview};
use crate::pages::layout::path;
use crate::pages::view::{absolute, count, delivery_state, linked, quantity, short};
use maud::{Markup, html};
use uuid::Uuid;

/// What a session may look at.
#[derive(Clone, Copy)]
pub struct MayOpen {
    pub deliveries: bool,
    pub events: bool,
}

impl Preview {
    pub fn deliveries(&self) -> i64 {
        match self {
            Self::Failed(subscriptions, _) => subscriptions.iter().map(|s| s.deliveries).sum(),
            Self::Events(counts, _) => counts.deliveries,
            Self::Unmatched(events, _) => *events,
        }
    }

    pub fn can_run(&self) -> bool {
        self.deliveries() > 0
    }

    pub fn label(&self) -> &'static str {
        match self {
            Self::Failed(..) => "Make them again",
            Self::Events(..) => "Send them again",
            Self::Unmatched(..) => "Send those that match now",
        }
    }

    /// What exactly will happen.
    pub fn sentence(&self) -> String {
        match self {
            Self::Failed(subscriptions, _) => {
                let n = subscriptions.iter().filter(|s| s.deliveries > 0).count() as i64;
                let others = if subscriptions.len() as i64 == MAX_SUBSCRIPTIONS {
                    ", and those of the subscriptions with fewer failures"
                } else {
                    ""
                };
                format!(
                    "{} made again, to {}{others}.",
                    quantity(self.deliveries(), "delivery is", "deliveries are"),
                    quantity(n, "subscription", "subscriptions")
                )
            }
            Self::Events(counts, _) => format!(
                "{} made of {}. Receivers get events again that they may have got before.",
                quantity(counts.deliveries, "new delivery is", "new deliveries are"),
                quantity(counts.events, "event", "events")
            ),
            Self::Unmatched(events, _) => format!(
                "Of {}, those are sent that a subscription matches now; the others stay as they are.",
                quantity(*events, "event", "events")
            ),
        }
    }

    pub fn counts(&self) -> Markup {
        html! {
            @match self {
                Self::Failed(subscriptions, _) => {
                    @if !subscriptions.is_empty() { div.scroll { table {
                        thead { tr { th { "subscription" } th.number { "failed or expired" } th.number { "would be made again" } } }
                        tbody { @for s in subscriptions { tr {
                            td { (s.name) } td.number { (count(s.failed)) } td.number { (count(s.deliveries)) }
                        } } }
                    } }
                    p.muted { "What was made again already, and what has no event any more, is left out." } }
                    @if subscriptions.len() as i64 == MAX_SUBSCRIPTIONS {
                        p.muted { "Only the " (MAX_SUBSCRIPTIONS) " subscriptions with the most failures are counted here. All are made again." }
                    }
                }
                Self::Events(counts, _) => dl.figures {
                    div { dt { "events" } dd { (count(counts.events)) } }
                    div { dt { "deliveries" } dd { (count(counts.deliveries)) } }
                    div { dt { "left out: outstanding already" } dd { (count(counts.outstanding)) } }
                },
                Self::Unmatched(events, _) => dl.figures {
                    div { dt { "events that matched nothing" } dd { (count(*events)) @if *events == MAX_UNMATCHED { small { " or more; the newest are taken" } } } }
                },
            }
        }
    }

    /// `may_open`: whether the session may look at deliveries or events.
    pub fn sample(&self, tenant: Uuid, may_open: MayOpen) -> Markup {
        html! {
            @match self {
                Self::Failed(_, sample) if !sample.is_empty() => {
                    h3 { "The last ones" }
                    div.scroll { table {
                        thead { tr { th { "ended" } th { "delivery" } th { "status" } th { "error" } } }
                        tbody { @for d in sample { tr {
                            td { (absolute(d.attempted_at)) }
                            td { (linked(may_open.deliveries, &path(tenant, &format!("/deliveries/{}", d.id)), &short(d.id))) }
                            td { (delivery_state(&d.status)) }
                            td.wide { (d.error_message.as_deref().unwrap_or("–")) }
                        } } }
                    } }
                }
                Self::Events(_, sample) | Self::Unmatched(_, sample) if !sample.is_empty() => {
                    h3 { "The last ones" }
                    div.scroll { table {
                        thead { tr { th { "published" } th { "event" } th { "type" } } }
                        tbody { @for e in sample { tr {
                            td { (absolute(e.created_at)) }
                            td { (linked(may_open.events, &path(tenant, &format!("/events/{}", e.id)), &short(e.id))) }
                            td { (e.event_type) }
                        } } }
                    } }
                }
                _ => {}
            }
        }
    }
}
