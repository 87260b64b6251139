//! Numbers for people.

/// With a comma between thousands.
pub fn count(n: i64) -> String {
    let digits = n.unsigned_abs().to_string();
    let first = digits.len() % 3;
    let mut text = String::new();
    if n < 0 {
        text.push('-');
    }
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && i % 3 == first {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number of things, such as `1 delivery`, `1,204 deliveries`.
pub fn quantity(n: i64, one: &str, many: &str) -> String {
    format!("{} {}", count(n), if n == 1 { one } else { many })
}

/// A rate in percent, with a decimal; `None`: there is nothing to divide by.
pub fn percent(rate: Option<f64>) -> String {
    rate.map_or_else(|| "–".to_owned(), |rate| format!("{rate:.1} %"))
}

/// A duration in milliseconds, in the unit that fits.
pub fn milliseconds(duration: Option<f64>) -> String {
    match duration {
        None => "–".to_owned(),
        Some(ms) if ms < 10.0 => format!("{ms:.1} ms"),
        Some(ms) if ms < 1000.0 => format!("{ms:.0} ms"),
        Some(ms) => format!("{:.1} s", ms / 1000.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped() {
        for (n, text) in [
            (0, "0"),
            (999, "999"),
            (1000, "1,000"),
            (1_234_567, "1,234,567"),
            (-12_345, "-12,345"),
        ] {
            assert_eq!(count(n), text);
        }
    }

    #[test]
    fn durations_have_the_unit_that_fits() {
        for (ms, text) in [(1.26, "1.3 ms"), (148.2, "148 ms"), (5000.0, "5.0 s")] {
            assert_eq!(milliseconds(Some(ms)), text);
        }
        assert_eq!(milliseconds(None), "–");
        assert_eq!(percent(Some(99.24)), "99.2 %");
    }
}
