//! What the options of the program say of sessions and frames.

use crate::config::PagesArgs;
use crate::http::attempts::Attempts;
use crate::http::security_headers;
use crate::http::session::CookiePolicy;
use axum::http::HeaderValue;

/// What answers to requests go by.
pub struct Site {
    pub cookies: CookiePolicy,
    pub attempts: Attempts,
    pub content_policy: HeaderValue,
}

impl Site {
    /// # Errors
    /// Origins that no header can have.
    pub fn new(args: &PagesArgs) -> anyhow::Result<Self> {
        Ok(Self {
            cookies: CookiePolicy {
                is_embedded: args.frame_ancestors.has_others,
            },
            attempts: Attempts::new(),
            content_policy: security_headers::policy(&args.frame_ancestors.sources)?,
        })
    }
}
