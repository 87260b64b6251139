//! How pages look, as the options of the program say: name, logo and colour.

use crate::config::PagesArgs;
use crate::http::problem::Problem;
use anyhow::{Context, bail};
use axum::body::Body;
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::http::{HeaderValue, Response, StatusCode};
use axum::response::IntoResponse;
use bytes::Bytes;
use maud::{Markup, html};
use std::path::Path;
use std::sync::OnceLock;

const MAX_LOGO_BYTES: u64 = 256 << 10;
/// Browsers ask again after so many seconds: their address does not change with them.
const MAX_AGE: HeaderValue = HeaderValue::from_static("public, max-age=300");

/// Backgrounds of the two themes (`style.css`).
const LIGHT: [u8; 3] = [0xff, 0xff, 0xff];
const DARK: [u8; 3] = [0x11, 0x14, 0x18];
/// Contrast of text and background: WCAG 2.2, 1.4.3.
const LEGIBLE: f64 = 4.5;

static BRAND: OnceLock<Brand> = OnceLock::new();

/// What stands for the product, on all pages of this process.
pub struct Brand {
    name: String,
    logo: Option<Logo>,
    style: String,
}

struct Logo {
    kind: &'static str,
    content: Bytes,
}

impl Brand {
    /// # Errors
    /// The file of the logo can't be read, is too large, or is no image.
    pub fn new(args: &PagesArgs) -> anyhow::Result<Self> {
        let logo = args.brand_logo.as_deref().map(|file| {
            read_logo(file).with_context(|| format!("--brand-logo={}", file.display()))
        });
        Ok(Self {
            name: args.brand_name.clone(),
            logo: logo.transpose()?,
            style: args.brand_color.map(themes).unwrap_or_default(),
        })
    }

    /// Every page has it from now on.
    pub fn set(self) {
        // There is one router in a process.
        let _ = BRAND.set(self);
    }
}

/// The name at the top of pages.
pub fn name() -> &'static str {
    BRAND.get().map_or("webhooks", |brand| brand.name.as_str())
}

/// The logo with the name.
pub fn mark() -> Markup {
    html! {
        @if BRAND.get().is_some_and(|brand| brand.logo.is_some()) { img src="/brand/logo" alt=""; }
        span { (name()) }
    }
}

/// The colour, as a style sheet.
pub async fn style() -> Response<Body> {
    let kind = HeaderValue::from_static("text/css; charset=utf-8");
    let style = BRAND.get().map(|brand| brand.style.as_str());
    let headers = [(CONTENT_TYPE, kind), (CACHE_CONTROL, MAX_AGE)];
    (headers, style.unwrap_or_default()).into_response()
}

/// The logo, if there is one.
pub async fn logo() -> Response<Body> {
    let Some(logo) = BRAND.get().and_then(|brand| brand.logo.as_ref()) else {
        return Problem::new(StatusCode::NOT_FOUND, "there is no logo").into_response();
    };
    // An SVG that is opened by itself is a document: it gets no scripts and no origin.
    let policy = "default-src 'none'; style-src 'unsafe-inline'; sandbox";
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static(logo.kind)),
        (CACHE_CONTROL, MAX_AGE),
        (CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy)),
    ];
    (headers, logo.content.clone()).into_response()
}

fn read_logo(file: &Path) -> anyhow::Result<Logo> {
    let size = std::fs::metadata(file)?.len();
    if size > MAX_LOGO_BYTES {
        bail!("it has {size} bytes, more than {MAX_LOGO_BYTES}: give a smaller image");
    }
    let content = std::fs::read(file)?;
    match kind_of(&content) {
        Some(kind) => Ok(Logo {
            kind,
            content: content.into(),
        }),
        None => bail!("it is no image: give a PNG, JPEG, WebP or SVG file"),
    }
}

/// By content: the name of a file says nothing.
fn kind_of(content: &[u8]) -> Option<&'static str> {
    let is_svg = || {
        let text = std::str::from_utf8(content)
            .ok()?
            .trim_start_matches('\u{feff}');
        let is_xml = text.trim_start().starts_with('<');
        (is_xml && text.contains("<svg")).then_some("image/svg+xml")
    };
    match content {
        [0x89, b'P', b'N', b'G', ..] => Some("image/png"),
        [0xff, 0xd8, 0xff, ..] => Some("image/jpeg"),
        [
            b'R',
            b'I',
            b'F',
            b'F',
            _,
            _,
            _,
            _,
            b'W',
            b'E',
            b'B',
            b'P',
            ..,
        ] => Some("image/webp"),
        _ => is_svg(),
    }
}

/// The colour in the themes of `style.css`.
fn themes(color: [u8; 3]) -> String {
    let theme = |background: [u8; 3], toward: u8| {
        let accent = legible(color, background, toward);
        let on_accent = match contrast(accent, [0; 3]) > contrast(accent, [255; 3]) {
            true => "#000000",
            false => "#ffffff",
        };
        let [red, green, blue] = accent;
        format!("--accent: #{red:02x}{green:02x}{blue:02x}; --on-accent: {on_accent};")
    };
    let (light, dark) = (theme(LIGHT, 0), theme(DARK, 255));
    format!(
        ":root {{ {light} }}\n\
         @media (prefers-color-scheme: dark) {{ :root:not([data-theme=\"light\"]) {{ {dark} }} }}\n\
         :root[data-theme=\"dark\"] {{ {dark} }}\n"
    )
}

/// The colour, mixed with black or white until it can be read on a background.
fn legible(color: [u8; 3], background: [u8; 3], toward: u8) -> [u8; 3] {
    let mixed = |percent: u16| {
        color.map(|part| {
            let sum = u16::from(part) * (100 - percent) + u16::from(toward) * percent;
            u8::try_from(sum / 100).unwrap_or(toward)
        })
    };
    (0..100)
        .map(mixed)
        .find(|color| contrast(*color, background) >= LEGIBLE)
        .unwrap_or([toward; 3])
}

/// The contrast ratio of WCAG 2.2.
fn contrast(one: [u8; 3], other: [u8; 3]) -> f64 {
    let (one, other) = (luminance(one), luminance(other));
    (one.max(other) + 0.05) / (one.min(other) + 0.05)
}

/// The relative luminance of WCAG 2.2.
fn luminance(color: [u8; 3]) -> f64 {
    let [red, green, blue] = color.map(|part| match f64::from(part) / 255.0 {
        part if part <= 0.04045 => part / 12.92,
        part => ((part + 0.055) / 1.055).powf(2.4),
    });
    0.2126 * red + 0.7152 * green + 0.0722 * blue
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_color_can_be_read_in_both_themes() {
        for color in [
            [0; 3],
            [255; 3],
            [0xff, 0xe0, 0],
            [0x0b, 0x5f, 0xc0],
            [128; 3],
        ] {
            assert!(contrast(legible(color, LIGHT, 0), LIGHT) >= LEGIBLE);
            assert!(contrast(legible(color, DARK, 255), DARK) >= LEGIBLE);
        }
        // One that can be read stays as it is.
        assert_eq!(legible([0x0b, 0x5f, 0xc0], LIGHT, 0), [0x0b, 0x5f, 0xc0]);
        let style = themes([0x0b, 0x5f, 0xc0]);
        let light = ":root { --accent: #0b5fc0; --on-accent: #ffffff; }\n";
        assert!(style.starts_with(light), "{style}");
    }

    #[test]
    fn logos_are_images() {
        for (content, kind) in [
            (&b"\x89PNG\r\n"[..], Some("image/png")),
            (b"\xff\xd8\xff\xe0", Some("image/jpeg")),
            (b"RIFF\0\0\0\0WEBPVP8 ", Some("image/webp")),
            (b"<?xml version=\"1.0\"?>\n<svg/>", Some("image/svg+xml")),
            (b"<html><script>", None),
            (b"svg", None),
            (b"", None),
        ] {
            assert_eq!(kind_of(content), kind);
        }
    }
}
