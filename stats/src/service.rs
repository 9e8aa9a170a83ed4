//! Routes, listener, shutdown: what ties sessions, feed and page together. No protocol and no state of its own.

use crate::config::{StatsConfig, StatsError};
use crate::feed::Feed;
use crate::session::{self, MAX_MESSAGE, Sessions};
use crate::{page, registry};
use axum::Router;
use axum::extract::State;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

/// Reporters connected at once, those that have not said hello included; above it a connection is refused with 503.
const MAX_CONNECTIONS: usize = 1_024;
/// Pages open at once.
const MAX_PAGES: usize = 512;

const LEAVE_TIMEOUT: Duration = Duration::from_secs(1);

/// What the routes share.
#[derive(Clone, Debug)]
pub struct AppState {
    pub(crate) feed: Arc<Feed>,
    sessions: Arc<Sessions>,
    secret: Option<Arc<str>>,
    connections: Arc<Semaphore>,
    pub(crate) pages: Arc<Semaphore>,
    pub(crate) shutdown: CancellationToken,
}

impl AppState {
    /// The state of a service with these settings, ended by `shutdown`. Publishes to pages from a task of its own, so
    /// it needs a tokio runtime.
    pub fn new(config: &StatsConfig, shutdown: CancellationToken) -> Self {
        let feed = Arc::new(Feed::new(config.name.clone(), config.max_nodes));
        let publisher = Arc::clone(&feed);
        let stop = shutdown.clone();
        tokio::spawn(async move { publisher.publish(stop).await });
        Self {
            feed,
            sessions: Arc::default(),
            secret: config.secret.as_deref().filter(|secret| !secret.is_empty()).map(Arc::from),
            connections: Arc::new(Semaphore::new(MAX_CONNECTIONS)),
            pages: Arc::new(Semaphore::new(MAX_PAGES)),
            shutdown,
        }
    }
}

/// The routes: `/api` (and `/` for a WebSocket) for nodes, `/` for people, `/v1/status` for scripts.
pub fn app(state: AppState) -> Router {
    Router::new()
        .route("/", get(root))
        .route("/api", get(report))
        .route("/api/", get(report))
        .route("/page.css", get(page::css))
        .route("/page.js", get(page::js))
        .route("/icon.svg", get(page::icon))
        .route("/events", get(page::events))
        .route("/v1/status", get(page::status))
        .route("/health", get(|| async { "ok" }))
        .route("/ready", get(|| async { "ready" }))
        .with_state(state)
}

/// Serves until `shutdown`; announces itself in the registries once bound.
pub async fn run(config: StatsConfig, shutdown: CancellationToken) -> Result<(), StatsError> {
    let bind = |source| StatsError::Bind { address: config.listen, source };
    let listener = TcpListener::bind(config.listen).await.map_err(bind)?;
    let address = listener.local_addr().map_err(bind)?;
    if config.secret.as_deref().unwrap_or_default().is_empty() {
        tracing::warn!("no ethstats secret is set: anyone who reaches {address} can report");
    }
    tracing::info!(%address, "stats page");
    let announced = registry::announce(&config, address)?;
    let state = AppState::new(&config, shutdown.clone());
    let served = axum::serve(listener, app(state)).with_graceful_shutdown(shutdown.cancelled_owned()).await;
    if let Some(announced) = announced {
        // Without this the lease runs out by itself: not worth delaying the shutdown for.
        let _ = tokio::time::timeout(LEAVE_TIMEOUT, announced.leave()).await;
    }
    served.map_err(StatsError::Serve)
}

// geth given a full URL without a path connects to `/`.
async fn root(
    State(state): State<AppState>,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Response {
    if headers.contains_key(header::SEC_WEBSOCKET_KEY) { report(State(state), upgrade).await } else { page::html() }
}

async fn report(
    State(state): State<AppState>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Response {
    let upgrade = match upgrade {
        Ok(upgrade) => upgrade,
        Err(rejection) => return rejection.into_response(),
    };
    let Ok(permit) = Arc::clone(&state.connections).try_acquire_owned() else {
        return (StatusCode::SERVICE_UNAVAILABLE, "too many reporters").into_response();
    };
    upgrade.max_message_size(MAX_MESSAGE).max_frame_size(MAX_MESSAGE).on_upgrade(move |socket| async move {
        let AppState { feed, sessions, secret, shutdown, .. } = state;
        session::serve(socket, &feed, &sessions, secret.as_deref(), shutdown).await;
        drop(permit);
    })
}
