//! Flags of the pages: how they look, and where they may be shown.

use clap::Args;
use std::path::PathBuf;

#[derive(Args)]
pub struct PagesArgs {
    /// Sites that may show the pages in a frame: none, self, or origins with spaces between them, such as
    /// "https://app.example.com https://*.example.net". A portal that is embedded needs TLS.
    #[arg(
        long,
        env = "WEBHOOKS_CONSOLE_FRAME_ANCESTORS",
        value_name = "ORIGINS",
        default_value = "none",
        value_parser = frame_ancestors
    )]
    pub frame_ancestors: FrameAncestors,

    /// What stands at the top of pages.
    #[arg(
        long,
        env = "WEBHOOKS_CONSOLE_BRAND_NAME",
        value_name = "TEXT",
        default_value = "webhooks",
        value_parser = brand_name
    )]
    pub brand_name: String,

    /// Image that stands before the name: PNG, JPEG, WebP or SVG, of 256 KiB at the most.
    #[arg(long, env = "WEBHOOKS_CONSOLE_BRAND_LOGO", value_name = "FILE")]
    pub brand_logo: Option<PathBuf>,

    /// Colour of links and buttons, such as #0b5fc0. It is made darker or lighter where it could not be read.
    #[arg(
        long,
        env = "WEBHOOKS_CONSOLE_BRAND_COLOR",
        value_name = "COLOR",
        value_parser = color
    )]
    pub brand_color: Option<[u8; 3]>,
}

/// Who may show the pages in a frame, as a Content-Security-Policy says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FrameAncestors {
    pub sources: String,
    /// There are other sites among them.
    pub has_others: bool,
}

fn frame_ancestors(text: &str) -> Result<FrameAncestors, String> {
    let sources: Vec<&str> = text.split_whitespace().collect();
    let all = match sources.as_slice() {
        ["none" | "'none'"] => {
            return Ok(FrameAncestors {
                sources: "'none'".to_owned(),
                has_others: false,
            });
        }
        [] => return Err("give none, self, or origins such as https://app.example.com".to_owned()),
        all => all,
    };
    let mut written = Vec::new();
    let mut has_others = false;
    for source in all {
        match *source {
            "self" | "'self'" => written.push("'self'"),
            origin if is_origin(origin) => {
                has_others = true;
                written.push(origin);
            }
            other => {
                return Err(format!(
                    "\"{other}\" is no origin: write scheme, host and perhaps port, such as https://app.example.com"
                ));
            }
        }
    }
    Ok(FrameAncestors {
        sources: written.join(" "),
        has_others,
    })
}

/// `https://host`, `https://*.host:port`, or the same with http.
fn is_origin(text: &str) -> bool {
    let rest = text
        .strip_prefix("https://")
        .or_else(|| text.strip_prefix("http://"));
    let host = rest.map(|rest| rest.strip_prefix("*.").unwrap_or(rest));
    let Some((host, port)) = host.map(|host| host.split_once(':').unwrap_or((host, "443"))) else {
        return false;
    };
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
    !host.is_empty() && host.chars().all(fits) && port.parse::<u16>().is_ok()
}

fn brand_name(text: &str) -> Result<String, String> {
    let text = text.trim();
    match text.chars().count() {
        1..=60 if !text.chars().any(char::is_control) => Ok(text.to_owned()),
        _ => Err("give 1 to 60 characters in one line".to_owned()),
    }
}

fn color(text: &str) -> Result<[u8; 3], String> {
    let digits = text.strip_prefix('#').unwrap_or(text);
    let is_hex = digits.len() == 6 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    let number = u32::from_str_radix(digits, 16);
    match (is_hex, number) {
        (true, Ok(number)) => {
            let [_, red, green, blue] = number.to_be_bytes();
            Ok([red, green, blue])
        }
        _ => Err("give six hexadecimal digits, such as #0b5fc0".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frame_ancestors_are_origins() {
        for (text, sources, has_others) in [
            ("none", "'none'", false),
            ("'none'", "'none'", false),
            ("self", "'self'", false),
            ("https://app.example.com", "https://app.example.com", true),
            (
                "self  https://*.example.net:8443 http://localhost:3000",
                "'self' https://*.example.net:8443 http://localhost:3000",
                true,
            ),
        ] {
            let sources = sources.to_owned();
            assert_eq!(
                frame_ancestors(text),
                Ok(FrameAncestors {
                    sources,
                    has_others
                })
            );
        }
        for bad in [
            "",
            "*",
            "https:",
            "https://",
            "https://*",
            "https://a; script-src *",
            "https://a.example/path",
            "https://a.example:x",
            "none https://a.example",
        ] {
            assert!(frame_ancestors(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn colors_are_six_digits() {
        assert_eq!(color("#0b5FC0"), Ok([0x0b, 0x5f, 0xc0]));
        for bad in ["", "#fff", "red", "#0b5fc0; x", "+12345"] {
            assert!(color(bad).is_err(), "{bad}");
        }
    }
}
