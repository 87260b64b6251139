//! Signals. What they ask for is a future that whoever has to act is given.

use std::io;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Resolves at the first SIGTERM or SIGINT from the call on, not only from the first time that it is polled. Must be
/// called on a runtime.
pub fn shutdown() -> impl Future<Output = ()> {
    let signals = (
        signal(SignalKind::terminate()),
        signal(SignalKind::interrupt()),
    );
    async move {
        let (Ok(mut terminate), Ok(mut interrupt)) = signals else {
            // Without handlers the signals' default action ends the process: nothing to wait for.
            return std::future::pending().await;
        };
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    }
}

/// Each SIGHUP from the call on asks to read a file again, and no longer ends the process. Must be called on a runtime.
///
/// # Errors
/// Those of the system.
pub fn reload() -> io::Result<Signal> {
    signal(SignalKind::hangup())
}
