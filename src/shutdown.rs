//! Shutdown: one token that SIGINT, SIGTERM or the supervisor's end cancels.

use std::io::Read;
use tokio::signal::unix::SignalKind;
use tokio_util::sync::CancellationToken;

/// A token cancelled at the first SIGINT or SIGTERM, and, when asked, at the end of standard input.
///
/// # Errors
/// When the signal handlers cannot be set up.
pub fn token(stop_with_stdin: bool) -> std::io::Result<CancellationToken> {
    let token = CancellationToken::new();
    let mut interrupt = tokio::signal::unix::signal(SignalKind::interrupt())?;
    let mut terminate = tokio::signal::unix::signal(SignalKind::terminate())?;
    let cancelled = token.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = interrupt.recv() => tracing::info!("stopping: interrupted"),
            _ = terminate.recv() => tracing::info!("stopping: asked to terminate"),
            () = stdin_closed(), if stop_with_stdin => tracing::info!("stopping: the supervisor is gone"),
        }
        cancelled.cancel();
    });
    Ok(token)
}

/// Completes when standard input ends. A thread of its own reads: one of tokio's would hold up the runtime's end.
async fn stdin_closed() {
    let (sender, receiver) = tokio::sync::oneshot::channel::<()>();
    std::thread::spawn(move || {
        let mut buffer = [0u8; 64];
        while matches!(std::io::stdin().read(&mut buffer), Ok(read) if read > 0) {}
        drop(sender);
    });
    // The sender is only ever dropped, which is the news.
    let _ = receiver.await;
}
