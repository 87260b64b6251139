//! The Retry-After header (RFC 9110, 10.2.3).

use std::time::{Duration, SystemTime};

/// Reads a Retry-After value: seconds, of which any number of digits is taken, or an HTTP date.
///
/// Returns: how long to wait from `now`, zero if the date has passed; `None` if the value is neither.
fn parse_retry_after(value: &str, now: SystemTime) -> Option<Duration> {
    let value = value.trim_matches([' ', '\t']);
    if !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit()) {
        // Digits that do not parse are too many.
        return Some(Duration::from_secs(value.parse().unwrap_or(u64::MAX)));
    }
    let date = httpdate::parse_http_date(value).ok()?;
    Some(date.duration_since(now).unwrap_or(Duration::ZERO))
}

/// Reads a response's Retry-After with its Date, if it has one: a date is meant by the clock of the receiver, which may
/// differ from ours, `now`.
pub fn wait_asked_for(value: &str, date: Option<&str>, now: SystemTime) -> Option<Duration> {
    let theirs = date.and_then(|date| httpdate::parse_http_date(date.trim()).ok());
    parse_retry_after(value, theirs.unwrap_or(now))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::time::UNIX_EPOCH;

    fn now() -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(1_795_507_200) // Tue, 24 Nov 2026 08:00:00 GMT
    }

    #[test]
    fn seconds_and_dates() {
        let cases = [
            ("0", Some(0)),
            (" 120\t", Some(120)),
            ("007", Some(7)),
            ("18446744073709551615", Some(u64::MAX)),
            ("99999999999999999999999999", Some(u64::MAX)),
            ("Tue, 24 Nov 2026 08:01:30 GMT", Some(90)),
            ("Tuesday, 24-Nov-26 08:01:30 GMT", Some(90)),
            ("Tue Nov 24 08:01:30 2026", Some(90)),
            ("Tue, 24 Nov 2026 07:59:59 GMT", Some(0)),
            ("Thu, 01 Jan 1970 00:00:00 GMT", Some(0)),
            ("", None),
            (" ", None),
            ("-1", None),
            ("+1", None),
            ("1.5", None),
            ("1e3", None),
            ("120s", None),
            ("１", None),
            ("soon", None),
            ("Tue, 32 Nov 2026 08:01:30 GMT", None),
            ("Tue, 24 Nov 2026 08:01:30 CET", None),
        ];
        for (value, seconds) in cases {
            let expected = seconds.map(Duration::from_secs);
            assert_eq!(parse_retry_after(value, now()), expected, "{value:?}");
        }
    }

    #[test]
    fn dates_are_meant_by_the_receivers_clock() {
        let at = "Tue, 24 Nov 2026 08:01:30 GMT";
        let wait = |date| wait_asked_for(at, date, now()).map(|wait| wait.as_secs());
        assert_eq!(wait(None), Some(90));
        assert_eq!(wait(Some("Tue, 24 Nov 2026 08:01:00 GMT")), Some(30));
        assert_eq!(wait(Some("Tue, 24 Nov 2026 07:00:00 GMT")), Some(3690));
        assert_eq!(wait(Some("Tue, 24 Nov 2026 09:00:00 GMT")), Some(0));
        assert_eq!(wait(Some("yesterday")), Some(90));
        // Seconds need no clock.
        let seconds = wait_asked_for("7", Some("Thu, 01 Jan 1970 00:00:00 GMT"), now());
        assert_eq!(seconds, Some(Duration::from_secs(7)));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(500))]

        #[test]
        fn never_panics_and_reads_only_seconds_and_dates(
            value in "[0-9]{0,25}|[A-Za-z0-9,: +.-]{0,32}|.{0,20}|[A-Z][a-z]{2}, [0-9]{2} [A-Z][a-z]{2} [0-9]{4} [0-9:]{8} GMT"
        ) {
            if parse_retry_after(&value, now()).is_some() {
                let value = value.trim();
                let digits = !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit());
                prop_assert!(digits || httpdate::parse_http_date(value).is_ok());
            }
        }

        #[test]
        fn every_number_of_seconds_is_read(seconds in any::<u64>()) {
            prop_assert_eq!(parse_retry_after(&seconds.to_string(), now()), Some(Duration::from_secs(seconds)));
        }

        #[test]
        fn every_date_is_the_distance_to_it(offset in -1_000_000_i64..1_000_000) {
            let date = UNIX_EPOCH + Duration::from_secs((1_795_507_200 + offset) as u64);
            let expected = Duration::from_secs(offset.max(0) as u64);
            prop_assert_eq!(parse_retry_after(&httpdate::fmt_http_date(date), now()), Some(expected));
        }
    }
}
