//! Keeps open home pages current with server-sent events. Knows nothing of what is in them.

use super::{AppState, home};
use axum::{
    extract::State,
    http::StatusCode,
    response::{
        IntoResponse, Response,
        sse::{Event, KeepAlive, Sse},
    },
};
use std::{convert::Infallible, time::Duration};
use tokio::sync::{OwnedSemaphorePermit, watch};

/// Changes in quick succession come as one: a page has no use for more than a few a second.
const GATHER: Duration = Duration::from_millis(250);

struct Follower {
    app: AppState,
    status: watch::Receiver<crate::live::Status>,
    _permit: OwnedSemaphorePermit,
}

/// `GET /events`
pub async fn follow(State(app): State<AppState>) -> Response {
    let Ok(permit) = app.followers.clone().try_acquire_owned() else {
        return (StatusCode::SERVICE_UNAVAILABLE, "too many pages are being followed\n").into_response();
    };
    let mut status = app.live.subscribe();
    // What changed between the rendering of the page and this request is not lost.
    status.mark_changed();
    let follower = Follower { app, status, _permit: permit };
    let events = futures::stream::unfold(follower, next);
    Sse::new(events).keep_alive(KeepAlive::new().interval(Duration::from_secs(15))).into_response()
}

async fn next(mut follower: Follower) -> Option<(Result<Event, Infallible>, Follower)> {
    let stop = follower.app.stop.clone();
    tokio::select! {
        changed = follower.status.changed() => changed.ok()?,
        () = stop.cancelled() => return None,
    }
    tokio::time::sleep(GATHER).await;
    follower.status.mark_unchanged();
    // A page that cannot be rendered was logged; the browser tries again by itself.
    let html = home::live(&follower.app).await.inspect_err(super::failure::Failure::log).ok()?;
    // A carriage return cannot be sent in an event.
    let event = Event::default().event("home").data(html.replace('\r', ""));
    Some((Ok(event), follower))
}
