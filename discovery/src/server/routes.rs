//! The HTTP interface: parse, ask the registry, render.

use super::registry::{Change, NetworkKey, Registry};
use crate::api::{ApiError, Departure, ErrorCode, HeartbeatRequest, Lease, LeaveRequest, NodeList, RegisterRequest};
use crate::record::{Heartbeat, Leave, NodeRecord, RecordError};
use axum::extract::rejection::JsonRejection;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::StatusCode;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use futures::stream::{self, Stream, StreamExt};
use serde::Serialize;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, broadcast};
use tokio_util::sync::CancellationToken;

/// A record and a heartbeat in hex, with room for the JSON around them.
const MAX_BODY_BYTES: usize = 16 * 1024;
/// Signatures verified at once; more requests are refused as busy rather than queued without end.
const MAX_VERIFYING: usize = 64;
/// A watcher hears something at least this often, so that it notices a dead connection.
pub(crate) const WATCH_KEEP_ALIVE: Duration = Duration::from_secs(5);

#[derive(Clone)]
pub(crate) struct App {
    pub registry: Arc<Registry>,
    pub verifying: Arc<Semaphore>,
    pub watchers: Arc<Semaphore>,
    pub max_watchers: usize,
    pub stop: CancellationToken,
}

impl App {
    pub fn new(registry: Arc<Registry>, max_watchers: usize, stop: CancellationToken) -> Self {
        let verifying = Arc::new(Semaphore::new(MAX_VERIFYING));
        Self { registry, verifying, watchers: Arc::new(Semaphore::new(max_watchers)), max_watchers, stop }
    }

    /// Runs a rule off the async workers (it verifies signatures and writes), then waits for the disk if asked to.
    async fn apply<F>(&self, durable: bool, rule: F) -> Result<Json<Lease>, Refusal>
    where
        F: FnOnce(&Registry) -> Result<(), ApiError> + Send + 'static,
    {
        let permit = Arc::clone(&self.verifying).try_acquire_owned().map_err(|_| Refusal(busy("requests")))?;
        let registry = Arc::clone(&self.registry);
        let done = tokio::task::spawn_blocking(move || {
            let result = rule(&registry);
            if result.is_err() {
                registry.count_refusal();
            }
            drop(permit);
            result
        });
        done.await.map_err(|err| Refusal(ApiError::new(ErrorCode::Internal, err.to_string())))??;
        if durable {
            self.registry.flush().await?;
        }
        let ttl_ms = u64::try_from(self.registry.limits().lease_ttl.as_millis()).unwrap_or(u64::MAX);
        Ok(Json(Lease { ttl_ms }))
    }
}

/// An [`ApiError`] as a response.
pub(crate) struct Refusal(ApiError);

impl From<ApiError> for Refusal {
    fn from(error: ApiError) -> Self {
        Self(error)
    }
}

impl From<RecordError> for Refusal {
    fn from(error: RecordError) -> Self {
        Self(ApiError::new(ErrorCode::Invalid, error.to_string()))
    }
}

impl From<JsonRejection> for Refusal {
    fn from(error: JsonRejection) -> Self {
        Self(ApiError::new(ErrorCode::Invalid, error.body_text()))
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = match self.0.code {
            ErrorCode::Invalid => StatusCode::BAD_REQUEST,
            ErrorCode::StaleSeq | ErrorCode::StaleCounter => StatusCode::CONFLICT,
            ErrorCode::UnknownNode => StatusCode::NOT_FOUND,
            ErrorCode::Full => StatusCode::INSUFFICIENT_STORAGE,
            ErrorCode::Busy => StatusCode::SERVICE_UNAVAILABLE,
            ErrorCode::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        };
        (status, Json(self.0)).into_response()
    }
}

fn busy(what: &str) -> ApiError {
    ApiError::new(ErrorCode::Busy, format!("too many {what} at once; try again"))
}

pub(crate) fn router(app: App) -> Router {
    Router::new()
        .route("/v1/records", post(register).delete(leave))
        .route("/v1/heartbeat", post(heartbeat))
        .route("/v1/networks/{network_id}/{genesis_hash}/nodes", get(list))
        .route("/v1/networks/{network_id}/{genesis_hash}/watch", get(watch))
        .route("/v1/status", get(status))
        .route("/health", get(|| async { "ok" }))
        .route("/ready", get(ready))
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .with_state(app)
}

async fn register(
    State(app): State<App>,
    body: Result<Json<RegisterRequest>, JsonRejection>,
) -> Result<Json<Lease>, Refusal> {
    let Json(request) = body?;
    app.apply(true, move |registry| {
        let invalid = |err: RecordError| ApiError::new(ErrorCode::Invalid, err.to_string());
        let record = NodeRecord::decode(&request.record).map_err(invalid)?;
        let beat = Heartbeat::decode(&request.heartbeat).map_err(invalid)?;
        let (name, id, seq) = (record.info.name.clone(), record.id(), record.seq);
        registry.register(record, &beat)?;
        tracing::info!(name, %id, seq, "registered");
        Ok(())
    })
    .await
}

async fn heartbeat(
    State(app): State<App>,
    body: Result<Json<HeartbeatRequest>, JsonRejection>,
) -> Result<Json<Lease>, Refusal> {
    let beat = Heartbeat::decode(&body?.0.heartbeat)?;
    app.apply(false, move |registry| registry.heartbeat(&beat)).await
}

async fn leave(
    State(app): State<App>,
    body: Result<Json<LeaveRequest>, JsonRejection>,
) -> Result<Json<Lease>, Refusal> {
    let leave = Leave::decode(&body?.0.leave)?;
    app.apply(true, move |registry| registry.leave(&leave)).await
}

async fn list(State(app): State<App>, Path(network): Path<NetworkKey>) -> Json<NodeList> {
    Json(app.registry.list(network))
}

async fn status(State(app): State<App>) -> impl IntoResponse {
    let mut status = app.registry.status();
    status.watchers = app.max_watchers.saturating_sub(app.watchers.available_permits());
    Json(status)
}

/// Ready means that it can store.
async fn ready(State(app): State<App>) -> Result<&'static str, Refusal> {
    app.registry.flush().await?;
    Ok("ready")
}

async fn watch(State(app): State<App>, Path(network): Path<NetworkKey>) -> Result<Response, Refusal> {
    let permit = Arc::clone(&app.watchers).try_acquire_owned().map_err(|_| Refusal(busy("watches")))?;
    let stop = app.stop.clone();
    let events = events(Arc::clone(&app.registry), network, permit).take_until(stop.cancelled_owned());
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(WATCH_KEEP_ALIVE)).into_response())
}

struct Watching {
    registry: Arc<Registry>,
    network: NetworkKey,
    changes: broadcast::Receiver<(NetworkKey, Change)>,
    queued: VecDeque<Event>,
    _permit: OwnedSemaphorePermit,
}

fn events(
    registry: Arc<Registry>,
    network: NetworkKey,
    permit: OwnedSemaphorePermit,
) -> impl Stream<Item = Result<Event, Infallible>> {
    // Subscribed before the snapshot is taken: a change in between is told twice rather than not at all.
    let changes = registry.subscribe();
    let first = event("snapshot", &registry.list(network));
    let state = Watching { registry, network, changes, queued: VecDeque::from([first]), _permit: permit };
    stream::unfold(state, |mut watching| async move {
        if let Some(event) = watching.queued.pop_front() {
            return Some((Ok(event), watching));
        }
        loop {
            let event = match watching.changes.recv().await {
                Ok((network, _)) if network != watching.network => continue,
                Ok((_, Change::Join(entry))) => event("join", &entry),
                Ok((_, Change::Update(entry))) => event("update", &entry),
                Ok((_, Change::Leave(id))) => event("leave", &Departure { id }),
                Err(broadcast::error::RecvError::Lagged(_)) => {
                    event("snapshot", &watching.registry.list(watching.network))
                }
                Err(broadcast::error::RecvError::Closed) => return None,
            };
            return Some((Ok(event), watching));
        }
    })
}

fn event<T: Serialize>(name: &str, data: &T) -> Event {
    let named = Event::default().event(name);
    // These types hold only strings and numbers: serialising them cannot fail; a comment would be harmless.
    named.json_data(data).unwrap_or_else(|_| Event::default().comment("unserialisable"))
}
