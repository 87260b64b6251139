//! Times: relative in lists, absolute where the time itself matters; UTC on hover and focus. A script puts them in the
//! viewer's zone; without it they are in UTC.

use jiff::{Timestamp, Unit};
use maud::{Markup, html};
use serde::{Deserialize, Deserializer};
use std::fmt;

/// A time of the database: finite or not.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Moment {
    At(Timestamp),
    /// Later than any.
    Never,
    /// Earlier than any.
    Always,
}

impl<'de> Deserialize<'de> for Moment {
    /// As to_json() writes it.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        match text.as_str() {
            "infinity" => Ok(Self::Never),
            "-infinity" => Ok(Self::Always),
            text => text.parse().map(Self::At).map_err(serde::de::Error::custom),
        }
    }
}

impl fmt::Display for Moment {
    /// In UTC, to the second.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::At(at) => write!(f, "{}", at.strftime("%Y-%m-%d %H:%M:%S UTC")),
            Self::Never => f.write_str("never"),
            Self::Always => f.write_str("always"),
        }
    }
}

/// The exact time.
pub fn absolute(moment: Option<Moment>) -> Markup {
    element(moment, "absolute", |at| Moment::At(at).to_string())
}

/// How long ago, or until when.
pub fn relative(moment: Option<Moment>) -> Markup {
    element(moment, "relative", |at| distance(at, Timestamp::now()))
}

fn element(moment: Option<Moment>, style: &str, text: impl Fn(Timestamp) -> String) -> Markup {
    html! {
        @match moment {
            Some(Moment::At(at)) => {
                time datetime=(at) title=(Moment::At(at)) data-style=(style) tabindex="0" { (text(at)) }
            }
            Some(other) => span { (other) }
            None => span.muted { "–" }
        }
    }
}

/// In words, such as `3 minutes ago`, `in 2 hours`.
fn distance(at: Timestamp, now: Timestamp) -> String {
    let seconds = now
        .since(at)
        .and_then(|span| span.total(Unit::Second))
        .unwrap_or_default();
    let size = seconds.abs();
    let (n, unit) = match size {
        _ if size < 1.0 => return "now".to_owned(),
        _ if size < 60.0 => (size, "second"),
        _ if size < 3600.0 => (size / 60.0, "minute"),
        _ if size < 86400.0 => (size / 3600.0, "hour"),
        _ => (size / 86400.0, "day"),
    };
    let n = n.round();
    let plural = if n == 1.0 { "" } else { "s" };
    match seconds < 0.0 {
        true => format!("in {n} {unit}{plural}"),
        false => format!("{n} {unit}{plural} ago"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_in_words() {
        let now: Timestamp = "2026-11-30T12:00:00Z".parse().unwrap();
        for (at, words) in [
            ("2026-11-30T11:59:59.5Z", "now"),
            ("2026-11-30T11:59:59Z", "1 second ago"),
            ("2026-11-30T11:57:00Z", "3 minutes ago"),
            ("2026-11-30T14:00:00Z", "in 2 hours"),
            ("2026-11-20T12:00:00Z", "10 days ago"),
        ] {
            assert_eq!(distance(at.parse().unwrap(), now), words, "{at}");
        }
    }

    #[test]
    fn times_are_read_as_the_database_writes_them() {
        let read = |json: &str| serde_json::from_str::<Moment>(json);
        let at = read("\"2026-11-30T12:00:00.5+00:00\"").unwrap();
        assert_eq!(at.to_string(), "2026-11-30 12:00:00 UTC");
        assert_eq!(read("\"infinity\"").unwrap(), Moment::Never);
        assert!(read("\"soon\"").is_err());
    }
}
