//! The end of a request for a page.

use super::failure::Failure;
use super::layout::{Frame, Section, page};
use crate::database::Request;
use crate::http::session::Session;
use maud::Markup;
use uuid::Uuid;

/// A whole page, at the end of its request.
///
/// # Errors
/// The database's.
pub async fn finish(
    request: Request<'_>,
    session: &Session,
    section: Section,
    tenant: Option<Uuid>,
    title: &str,
    content: &Markup,
) -> Result<Markup, Failure> {
    let frame = Frame {
        title,
        section: Some(section),
        tenant,
        access: &request.access,
        csrf: &session.csrf,
    };
    let shown = page(&frame, content);
    request.commit().await?;
    Ok(shown)
}
