//! SIGTERM and SIGINT ask for an orderly end; a second one does not ask.

use std::{io, process};

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// A token that is cancelled by the first signal. The second ends the process at once.
///
/// # Errors
/// Fails where the system refuses to deliver signals.
pub(super) fn on_signals() -> io::Result<CancellationToken> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let stop = CancellationToken::new();
    let cancel = stop.clone();
    tokio::spawn(async move {
        loop {
            let code = tokio::select! {
                _ = terminate.recv() => 143,
                _ = interrupt.recv() => 130,
            };
            if cancel.is_cancelled() {
                process::exit(code);
            }
            tracing::info!("stopping: finishing what is under way");
            cancel.cancel();
        }
    });
    Ok(stop)
}
