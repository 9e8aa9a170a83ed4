//! The page, its stylesheet and script, and the documents they follow. Must not know ethstats or the board.

use crate::service::AppState;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::{Stream, StreamExt};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio_stream::wrappers::WatchStream;

const HTML: &str = include_str!("../assets/page.html");
const CSS: &str = include_str!("../assets/page.css");
const JS: &str = include_str!("../assets/page.js");
const ICON: &str = include_str!("../assets/icon.svg");

/// The page needs nothing from anywhere else, so nothing from anywhere else may run in it.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// `GET /`.
pub(crate) fn html() -> Response {
    asset("text/html; charset=utf-8", HTML)
}

/// `GET /page.css`.
pub(crate) async fn css() -> Response {
    asset("text/css; charset=utf-8", CSS)
}

/// `GET /page.js`.
pub(crate) async fn js() -> Response {
    asset("text/javascript; charset=utf-8", JS)
}

/// `GET /icon.svg`.
pub(crate) async fn icon() -> Response {
    asset("image/svg+xml", ICON)
}

/// `GET /v1/status`: what the page shows, for scripts.
pub(crate) async fn status(State(state): State<AppState>) -> Response {
    let body = state.feed.document().to_string();
    ([(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")], body).into_response()
}

/// `GET /events`: the same document whenever it changes.
pub(crate) async fn events(State(state): State<AppState>) -> Response {
    // At the bound a page is told to come back: it retries by itself.
    let Ok(permit) = Arc::clone(&state.pages).try_acquire_owned() else {
        return (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, "5")], "too many open pages").into_response();
    };
    let shutdown = state.shutdown.clone().cancelled_owned();
    let documents = WatchStream::from_changes(state.feed.subscribe())
        .map(move |document| {
            let _held_while_open = &permit;
            Ok(Event::default().data(document.as_ref()))
        })
        .take_until(shutdown);
    let mut headers = HeaderMap::new();
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    (headers, sse(documents)).into_response()
}

fn sse<S>(documents: S) -> Sse<impl Stream<Item = Result<Event, Infallible>>>
where
    S: Stream<Item = Result<Event, Infallible>> + Send + 'static,
{
    Sse::new(documents).keep_alive(KeepAlive::new().interval(Duration::from_secs(15)))
}

fn asset(content_type: &'static str, body: &'static str) -> Response {
    let headers = [
        (header::CONTENT_TYPE, content_type),
        (header::CACHE_CONTROL, "no-cache"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
    ];
    (headers, body).into_response()
}
