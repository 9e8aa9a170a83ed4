//! The names of the metrics, in one place, and their rendering. Knows nothing of what it counts.

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};

/// Requests by `kind` (rpc, web_socket, explorer, stats).
pub(crate) const REQUESTS: &str = "atoll_balancer_requests_total";
/// Requests that got an error of the balancer's own, by `reason`.
pub(crate) const REFUSED: &str = "atoll_balancer_refused_total";
/// Requests asked of another node after one failed.
pub(crate) const RETRIES: &str = "atoll_balancer_retries_total";
/// WebSockets that went on with another node after theirs had died.
pub(crate) const MOVES: &str = "atoll_balancer_web_socket_moves_total";
/// Seconds from request to answer, JSON-RPC over HTTP.
pub(crate) const SECONDS: &str = "atoll_balancer_request_seconds";
/// Acknowledged transactions not yet seen mined.
pub(crate) const ACCEPTED: &str = "atoll_balancer_accepted_transactions";
/// Targets that may serve, by `kind`.
pub(crate) const HEALTHY: &str = "atoll_balancer_healthy_targets";

/// Installs the recorder of this process. `None` when another part of the process has installed one already: then
/// that one's endpoint shows these metrics as well.
pub(crate) fn install() -> Option<PrometheusHandle> {
    PrometheusBuilder::new().install_recorder().ok()
}
