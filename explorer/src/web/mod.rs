//! The pages: routes, what every answer carries, and the state handlers share.
//!
//! Pages read the index and may ask the current node for what changes with every block; they never write.

mod address;
mod api;
mod assets;
mod block;
mod events;
mod failure;
mod format;
mod home;
mod input;
mod lists;
mod parts;
mod search;
mod transaction;

use crate::{error::IndexError, index::Index, live::Live};
use axum::{
    Router,
    extract::{DefaultBodyLimit, Request, State},
    http::{HeaderValue, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::get,
};
use failure::Failure;
use std::{sync::Arc, time::Duration};
use tokio::sync::{Mutex, Semaphore};
use tokio_util::sync::CancellationToken;
use tower_http::{compression::CompressionLayer, timeout::TimeoutLayer};

/// Rows of one page of a list.
const PAGE: usize = 25;
/// Browsers that follow the home page at once; further ones get the page without live updates.
const MAX_FOLLOWERS: usize = 512;
const PAGE_TIMEOUT: Duration = Duration::from_secs(10);

/// Styles, one script, no inline code of any kind.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; \
                      form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// What handlers share. Clones are cheap.
#[derive(Clone)]
pub struct AppState {
    index: Index,
    live: Arc<Live>,
    name: Arc<str>,
    stop: CancellationToken,
    followers: Arc<Semaphore>,
    home: Arc<Mutex<home::Rendered>>,
}

impl AppState {
    /// Pages over an index; their live streams end when `stop` is cancelled.
    pub fn new(index: Index, live: Arc<Live>, name: String, stop: CancellationToken) -> Self {
        let followers = Arc::new(Semaphore::new(MAX_FOLLOWERS));
        Self { index, live, name: name.into(), stop, followers, home: Arc::default() }
    }

    /// Reads the index away from the async workers.
    async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Index) -> Result<T, IndexError> + Send + 'static,
    ) -> Result<T, Failure> {
        let index = self.index.clone();
        Ok(tokio::task::spawn_blocking(move || work(&index)).await.map_err(|_| Failure::Interrupted)??)
    }
}

/// The explorer's pages, without a socket.
pub fn app(state: AppState) -> Router {
    let pages = Router::new()
        .route("/", get(home::page))
        .route("/blocks", get(lists::blocks))
        .route("/txs", get(lists::transactions))
        .route("/block/{id}", get(block::page))
        .route("/tx/{hash}", get(transaction::page))
        .route("/address/{address}", get(address::page))
        .route("/search", get(search::page))
        .route("/api/status", get(api::status))
        .route("/api/blocks", get(api::blocks))
        .route("/api/block/{id}", get(api::block))
        .route("/api/tx/{hash}", get(api::transaction))
        .route("/api/address/{address}", get(api::address))
        .route("/health", get(|| async { "ok\n" }))
        .route("/ready", get(api::ready))
        .route("/assets/{name}", get(assets::asset))
        .route("/favicon.ico", get(assets::favicon))
        .fallback(nowhere)
        .layer(TimeoutLayer::with_status_code(StatusCode::GATEWAY_TIMEOUT, PAGE_TIMEOUT));
    // The stream of events lasts as long as its page is open: no timeout.
    Router::new()
        .route("/events", get(events::follow))
        .merge(pages)
        .layer(CompressionLayer::new().gzip(true))
        .layer(middleware::from_fn(harden))
        .layer(DefaultBodyLimit::max(16 << 10))
        .with_state(state)
}

async fn nowhere(State(app): State<AppState>) -> Response {
    Failure::NotFound { what: "page", sought: String::new() }.page(&app).into_response()
}

/// Headers that every answer carries.
async fn harden(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-cache"));
    response
}
