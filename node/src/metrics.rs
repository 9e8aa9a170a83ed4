//! Prometheus metrics of the whole process, with `/health` and `/ready` beside them.

use axum::{Router, http::StatusCode, routing::get};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use std::{net::SocketAddr, sync::Arc, time::Duration};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// How often old histogram samples are folded away, which bounds their memory.
const UPKEEP: Duration = Duration::from_secs(5);

/// Answers whether the node is ready.
pub type Ready = Arc<dyn Fn() -> bool + Send + Sync>;

/// Starts collecting. A second recorder in one process is refused by the library: then there is nothing to serve.
pub fn install() -> Option<PrometheusHandle> {
    PrometheusBuilder::new().install_recorder().ok()
}

/// The routes.
pub fn app(handle: PrometheusHandle, ready: Ready) -> Router {
    let readiness = move || {
        let ready = ready();
        async move { if ready { (StatusCode::OK, "ready") } else { (StatusCode::SERVICE_UNAVAILABLE, "not ready") } }
    };
    Router::new()
        .route("/metrics", get(move || std::future::ready(handle.render())))
        .route("/health", get(|| std::future::ready("ok")))
        .route("/ready", get(readiness))
}

/// Serves until `stop`.
///
/// # Errors
/// When the address cannot be listened on.
pub async fn serve(
    listen: SocketAddr,
    handle: PrometheusHandle,
    ready: Ready,
    stop: CancellationToken,
) -> std::io::Result<()> {
    let listener = TcpListener::bind(listen).await?;
    tracing::info!(address = %listener.local_addr()?, "metrics");
    let upkeep = handle.clone();
    let stopped = stop.clone();
    tokio::spawn(async move {
        let mut timer = tokio::time::interval(UPKEEP);
        loop {
            tokio::select! {
                _ = timer.tick() => upkeep.run_upkeep(),
                () = stopped.cancelled() => return,
            }
        }
    });
    axum::serve(listener, app(handle, ready)).with_graceful_shutdown(stop.cancelled_owned()).await
}
