//! `payload_content_type`.

use super::TemplateError;
use crate::excerpt::Excerpt;
use crate::headers::check_value;

/// How text is escaped where a template prints it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Escaping {
    /// As JSON, and the result must be JSON.
    Json,
    /// `<`, `>`, `&`, quotation marks and slashes.
    Html,
    /// The same, and the result has no characters that XML can't have.
    Xml,
    /// Not at all.
    None,
}

/// Checks a media type, with parameters or not.
///
/// Returns: how text in such a body is escaped.
///
/// # Errors
/// It is none, or longer than 255 bytes.
pub fn check_content_type(content_type: &str) -> Result<Escaping, TemplateError> {
    let (media_type, _) = content_type.split_once(';').unwrap_or((content_type, ""));
    let media_type = media_type.trim_end().to_ascii_lowercase();
    let is_token = |part: &str| {
        !part.is_empty()
            && part
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&b))
    };
    match media_type.split_once('/') {
        Some((kind, subtype))
            if is_token(kind)
                && is_token(subtype)
                && content_type.len() <= 255
                && check_value(content_type) == Ok(content_type) =>
        {
            Ok(if subtype == "json" || subtype.ends_with("+json") {
                Escaping::Json
            } else if subtype == "xml" || subtype.ends_with("+xml") {
                Escaping::Xml
            } else if subtype == "html" {
                Escaping::Html
            } else {
                Escaping::None
            })
        }
        _ => Err(TemplateError::ContentType(
            Excerpt(content_type).to_string(),
        )),
    }
}
