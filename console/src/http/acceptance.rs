//! Whether the database has accepted the token, JWT or session of a request: who counts requests wants to know.

use axum::http::Extensions;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

#[derive(Clone, Default)]
pub struct Acceptance(Arc<AtomicBool>);

impl Acceptance {
    pub fn is_accepted(&self) -> bool {
        self.0.load(Relaxed)
    }
}

/// What becomes true when the database accepts what this request was sent with.
pub fn flag(extensions: &Extensions) -> Arc<AtomicBool> {
    let acceptance = extensions.get::<Acceptance>();
    acceptance.cloned().unwrap_or_default().0
}
