//! Timestamps as Python's `datetime.isoformat()` writes them for UTC.

const US_PER_SECOND: i64 = 1_000_000;
const SECONDS_PER_DAY: i64 = 86_400;

/// `2026-11-24T08:00:00.123456+00:00`; without the fraction if that is zero, as Python does.
///
/// Total over `i64`: years have at least four digits, and a minus sign before 1 BC.
pub fn push_iso_format(out: &mut String, us_since_epoch: i64) {
    let us = us_since_epoch.rem_euclid(US_PER_SECOND);
    let seconds = us_since_epoch.div_euclid(US_PER_SECOND);
    let second_of_day = seconds.rem_euclid(SECONDS_PER_DAY);
    let (year, month, day) = civil_from_days(seconds.div_euclid(SECONDS_PER_DAY));
    if year < 0 {
        out.push('-');
    }
    push_digits(out, year.abs(), 4);
    for (separator, number) in [
        ('-', month),
        ('-', day),
        ('T', second_of_day / 3600),
        (':', second_of_day / 60 % 60),
        (':', second_of_day % 60),
    ] {
        out.push(separator);
        push_digits(out, number, 2);
    }
    if us != 0 {
        out.push('.');
        push_digits(out, us, 6);
    }
    out.push_str("+00:00");
}

/// Year, month and day of a day number (0 is 1970-01-01) in the proleptic Gregorian calendar.
///
/// Howard Hinnant's `civil_from_days`: years counted from March so that the leap day comes last.
/// <https://howardhinnant.github.io/date_algorithms.html>
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

/// A number that is not negative, with leading zeros up to `width`.
fn push_digits(out: &mut String, number: i64, width: u32) {
    let mut divisor = 10_i64.pow(width - 1);
    while number / divisor >= 10 {
        divisor *= 10;
    }
    while divisor > 0 {
        // `% 10` leaves one digit.
        out.push(char::from(b'0' + (number / divisor % 10) as u8));
        divisor /= 10;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::time::{Duration, UNIX_EPOCH};

    fn iso(us: i64) -> String {
        let mut out = String::new();
        push_iso_format(&mut out, us);
        out
    }

    /// The right column is what Python 3's `datetime.isoformat()` prints, where it has such years.
    #[test]
    fn known_instants() {
        let cases = [
            (0, "1970-01-01T00:00:00+00:00"),
            (1_795_507_200_123_456, "2026-11-24T08:00:00.123456+00:00"),
            (1_795_507_200_000_000, "2026-11-24T08:00:00+00:00"),
            (1_795_507_200_000_001, "2026-11-24T08:00:00.000001+00:00"),
            (1_709_164_800_000_000, "2024-02-29T00:00:00+00:00"),
            (951_868_799_999_999, "2000-02-29T23:59:59.999999+00:00"),
            (4_107_542_399_000_000, "2100-02-28T23:59:59+00:00"),
            (4_107_542_400_000_000, "2100-03-01T00:00:00+00:00"),
            (-1, "1969-12-31T23:59:59.999999+00:00"),
            (-62_135_596_800_000_000, "0001-01-01T00:00:00+00:00"),
            (253_402_300_799_999_999, "9999-12-31T23:59:59.999999+00:00"),
            (253_402_300_800_000_000, "10000-01-01T00:00:00+00:00"),
            (i64::MAX, "294247-01-10T04:00:54.775807+00:00"),
            (i64::MIN, "-290308-12-21T19:59:05.224192+00:00"),
        ];
        for (us, expected) in cases {
            assert_eq!(iso(us), expected, "{us}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(500))]

        /// Against the HTTP date of another implementation.
        #[test]
        fn agrees_with_httpdate(us in 0..253_402_300_800_000_000_i64) {
            let time = UNIX_EPOCH + Duration::from_micros(us as u64);
            let http = httpdate::fmt_http_date(time); // Tue, 24 Nov 2026 08:00:00 GMT
            let month = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
                .iter()
                .position(|m| *m == &http[8..11])
                .unwrap() + 1;
            let expected = format!("{}-{month:02}-{}T{}", &http[12..16], &http[5..7], &http[17..25]);
            prop_assert_eq!(&iso(us)[..19], expected);
        }
    }
}
