//! Retries as a time line in words.

use super::values::Values;

/// Of the setting `standard-webhooks`.
const STANDARD: &str = "after 5 s, 5 min, 30 min, 2 h, 5 h, 10 h, 10 h: 28 h in all";
/// So many are listed; a time line of a hundred is not read.
const LISTED: u32 = 8;

/// When a delivery is tried again. `longest` is the setting that bounds a delay that doubles, in seconds.
pub fn in_words(values: &Values, longest: Option<i64>) -> String {
    match values.get("retry_schedule").trim() {
        "" => {}
        "standard-webhooks" => return STANDARD.to_owned(),
        delays => return format!("after {delays}"),
    }
    let number = |name: &str| values.get(name).trim().parse::<u32>().ok();
    match (number("retry_count"), number("retry_delay_seconds")) {
        (Some(0), _) => "none".to_owned(),
        (Some(count), Some(delay)) => doubling(count, delay.into(), longest),
        _ => "give a number of retries and a delay".to_owned(),
    }
}

fn doubling(count: u32, first: i64, longest: Option<i64>) -> String {
    let delay = |i: u32| {
        let doubled = first.saturating_mul(1_i64.checked_shl(i.min(40)).unwrap_or(i64::MAX));
        longest.map_or(doubled, |longest| doubled.min(longest))
    };
    let listed: Vec<String> = (0..count.min(LISTED)).map(|i| duration(delay(i))).collect();
    let more = match count > LISTED {
        true => format!(", and {} more", count - LISTED),
        false => String::new(),
    };
    let total = (0..count).fold(0_i64, |sum, i| sum.saturating_add(delay(i)));
    format!(
        "after {}{more}: {} in all",
        listed.join(", "),
        duration(total)
    )
}

/// In one unit or two, such as `2 min` or `1 h 30 min`.
fn duration(seconds: i64) -> String {
    let units = [("d", 86_400), ("h", 3600), ("min", 60), ("s", 1)];
    let mut rest = seconds;
    let mut parts = Vec::new();
    for (unit, size) in units {
        if rest >= size && parts.len() < 2 {
            parts.push(format!("{} {unit}", rest / size));
            rest %= size;
        }
    }
    match parts.is_empty() {
        true => "0 s".to_owned(),
        false => parts.join(" "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(fields: &[(&str, &str)]) -> String {
        let values = serde_json::to_string(fields).unwrap();
        in_words(&serde_json::from_str(&values).unwrap(), Some(3600))
    }

    #[test]
    fn delays_double_up_to_the_longest() {
        let retries =
            |count, delay| words(&[("retry_count", count), ("retry_delay_seconds", delay)]);
        assert_eq!(
            retries("3", "60"),
            "after 1 min, 2 min, 4 min: 7 min in all"
        );
        assert_eq!(retries("2", "2400"), "after 40 min, 1 h: 1 h 40 min in all");
        assert_eq!(retries("0", "60"), "none");
        assert_eq!(retries("1", "0"), "after 0 s: 0 s in all");
        assert!(retries("100", "86400").ends_with(", and 92 more: 4 d 4 h in all"));
        assert_eq!(retries("x", "60"), "give a number of retries and a delay");
    }

    #[test]
    fn a_schedule_goes_before() {
        let given = [
            ("retry_schedule", "5 s, 2 h"),
            ("retry_count", "3"),
            ("retry_delay_seconds", "60"),
        ];
        assert_eq!(words(&given), "after 5 s, 2 h");
        assert!(words(&[("retry_schedule", "standard-webhooks")]).ends_with("28 h in all"));
    }
}
