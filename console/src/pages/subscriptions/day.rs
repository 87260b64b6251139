//! The last 24 hours of a subscription's receiver.

use crate::database::{ReadError, Request};
use crate::pages::view::{count, percent, sparkline};
use jiff::Timestamp;
use maud::{Markup, html};
use serde::Deserialize;
use std::collections::BTreeMap;
use uuid::Uuid;

const HOURS: i64 = 24;
const HOUR: i64 = 3600;

/// The attempts of the last 24 hours.
#[derive(Default)]
pub struct Day {
    /// In each hour.
    pub hours: Vec<i64>,
    pub delivered: i64,
    pub retrying: i64,
    pub failed: i64,
}

#[derive(Deserialize)]
struct Hour {
    bucket_start: Timestamp,
    subscription_id: Uuid,
    delivered: i64,
    retrying: i64,
    failed: i64,
}

impl Day {
    pub fn attempts(&self) -> i64 {
        self.delivered + self.retrying + self.failed
    }

    /// In percent.
    pub fn success_rate(&self) -> Option<f64> {
        let attempts = self.attempts();
        (attempts > 0).then(|| self.delivered as f64 * 100.0 / attempts as f64)
    }
}

/// Those of some subscriptions, in one query.
///
/// # Errors
/// The database's.
pub async fn days(
    request: &Request<'_>,
    tenant: Uuid,
    ids: &[Uuid],
) -> Result<BTreeMap<Uuid, Day>, ReadError> {
    if ids.is_empty() {
        return Ok(BTreeMap::new());
    }
    let hours: Vec<Hour> = request
        .items(
            "select to_json(v)::text as item from webhooks.delivery_volume($1, subscription_ids => $2) v",
            &[&tenant, &ids],
        )
        .await?;
    let now = Timestamp::now().as_second();
    let first = now - now.rem_euclid(HOUR) - (HOURS - 1) * HOUR;
    let mut days: BTreeMap<Uuid, Day> = BTreeMap::new();
    for hour in hours {
        let day = days.entry(hour.subscription_id).or_insert_with(|| Day {
            hours: vec![0; HOURS as usize],
            ..Day::default()
        });
        day.delivered += hour.delivered;
        day.retrying += hour.retrying;
        day.failed += hour.failed;
        let index = (hour.bucket_start.as_second() - first).div_euclid(HOUR);
        let place = usize::try_from(index)
            .ok()
            .and_then(|i| day.hours.get_mut(i));
        if let Some(place) = place {
            *place += hour.delivered + hour.retrying + hour.failed;
        }
    }
    Ok(days)
}

/// In words, with its shape.
pub fn rate(day: Option<&Day>) -> Markup {
    html! {
        @match day {
            None => span.muted { "none" },
            Some(day) => {
                (sparkline(&format!("{} attempts in 24 hours", count(day.attempts())), &day.hours)) " "
                (percent(day.success_rate())) " of " (count(day.attempts())) " delivered"
                @if day.retrying > 0 { ", " (count(day.retrying)) " to be tried again" }
                @if day.failed > 0 { ", " (count(day.failed)) " failed" }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_without_attempts_has_no_rate() {
        assert_eq!(Day::default().success_rate(), None);
        let day = Day {
            delivered: 3,
            failed: 1,
            ..Day::default()
        };
        assert_eq!(day.success_rate(), Some(75.0));
    }
}
