//! States in a word, with a sign and a colour: nobody needs the colour to tell them apart.

use maud::{Markup, html};

fn state(class: &str, sign: &str, word: &str) -> Markup {
    html! { span class={ "state " (class) } { span aria-hidden="true" { (sign) } " " (word) } }
}

/// Of a delivery, by `webhook_delivery_logs.delivery_status`.
pub fn delivery_state(status: &str) -> Markup {
    match status {
        "delivered" => state("delivered", "✓", "delivered"),
        "retrying" => state("retrying", "↻", "retrying"),
        "failed" => state("failed", "✕", "failed"),
        "expired" => state("failed", "⌛", "expired"),
        "cancelled" => state("held", "–", "cancelled"),
        "pending" => state("held", "…", "pending"),
        other => state("", "·", other),
    }
}

/// Of a subscription, by `endpoint_health.state`.
pub fn subscription_state(word: &str) -> Markup {
    match word {
        "healthy" => state("delivered", "✓", word),
        "failing" | "paused" => state("retrying", "↻", word),
        "breaker open" => state("failed", "✕", word),
        "disabled" | "unverified" => state("held", "‖", word),
        "waiting" => state("held", "…", word),
        _ => state("", "·", word),
    }
}

/// Of a circuit breaker, by `subscription_health.breaker_state`.
pub fn breaker(word: &str) -> Markup {
    match word {
        "closed" => state("delivered", "✓", "closed"),
        "half_open" => state("retrying", "↻", "half open"),
        other => state("failed", "✕", other),
    }
}

/// Of a finding or an alert.
pub fn severity(word: &str) -> Markup {
    match word {
        "error" | "critical" => state("failed", "✕", word),
        "warning" => state("retrying", "!", word),
        other => state("", "i", other),
    }
}
