//! One node's WebSocket, from hello to its end.
//!
//! Three rules the clients impose: the first thing sent after a good hello is exactly `{"emit":["ready"]}` (geth and
//! reth take anything else for a refusal); a `node-ping` is answered and never sent (geth hangs up on a `node-pong`
//! it did not ask for); the link is kept alive by WebSocket control pings, never by text (reth hangs up on text
//! without `emit`). Asking for history is safe with all three if the list is given and not empty.
//! Must not know HTTP routing or the page.

use crate::feed::{Feed, now};
use crate::rate::TokenBucket;
use crate::wire::{Hello, Report, clean, parse};
use axum::extract::ws::{CloseFrame, Message, WebSocket, close_code};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// The largest message read. A history of 50 full blocks is 2 to 4 MiB from geth.
pub(crate) const MAX_MESSAGE: usize = 5 << 20;
/// Before its hello a stranger may send this much.
const MAX_HELLO: usize = 16 << 10;
const HELLO_TIMEOUT: Duration = Duration::from_secs(10);
const PING_EVERY: Duration = Duration::from_secs(15);
/// Neither text nor pong for this long: the other side is gone.
const DEAD_AFTER: Duration = Duration::from_secs(60);
const SEND_TIMEOUT: Duration = Duration::from_secs(10);
const BURST: u32 = 400;
const PER_SECOND: u32 = 60;

/// The running sessions, so that a reconnection can end the one it replaces. Bounded by the connection limit.
#[derive(Debug, Default)]
pub(crate) struct Sessions(Mutex<HashMap<u64, CancellationToken>>);

impl Sessions {
    fn end(&self, session: u64) {
        if let Some(token) = self.0.lock().remove(&session) {
            token.cancel();
        }
    }
}

enum Ended {
    Closed,
    Refused(u16, &'static str),
}

/// Serves one connection until it ends.
pub(crate) async fn serve(
    mut socket: WebSocket,
    feed: &Feed,
    sessions: &Sessions,
    secret: Option<&str>,
    shutdown: CancellationToken,
) {
    let hello = match tokio::time::timeout(HELLO_TIMEOUT, read_hello(&mut socket, secret)).await {
        Ok(Ok(hello)) => hello,
        Ok(Err(ended)) => return close(socket, ended).await,
        Err(_) => return close(socket, Ended::Refused(close_code::POLICY, "no hello in time")).await,
    };
    let id = hello.id.0.clone();
    let session = feed.next_session();
    let token = shutdown.child_token();
    sessions.0.lock().insert(session, token.clone());
    match feed.update(|board, now| board.join(&hello, session, now)) {
        Ok(Some(replaced)) => sessions.end(replaced),
        Ok(None) => {}
        Err(full) => {
            tracing::warn!(node = %id, %full, "node refused");
            sessions.end(session);
            return close(socket, Ended::Refused(close_code::AGAIN, "the stats page is full")).await;
        }
    }
    tracing::info!(node = %hello.info.name.0, client = %hello.info.node.0, "node reports");
    let ended = report_loop(&mut socket, feed, &id, session, &token).await;
    feed.update(|board, now| board.leave(&id, session, now));
    sessions.end(session);
    tracing::info!(node = %hello.info.name.0, "node stopped reporting");
    close(socket, ended).await;
}

async fn close(mut socket: WebSocket, ended: Ended) {
    let (code, reason) = match ended {
        Ended::Closed => (close_code::NORMAL, ""),
        Ended::Refused(code, reason) => (code, reason),
    };
    let frame = CloseFrame { code, reason: reason.into() };
    // The other side may be gone already: then there is nobody to tell.
    let _ = tokio::time::timeout(SEND_TIMEOUT, socket.send(Message::Close(Some(frame)))).await;
}

async fn read_hello(socket: &mut WebSocket, secret: Option<&str>) -> Result<Box<Hello>, Ended> {
    loop {
        let text = match socket.recv().await {
            Some(Ok(Message::Text(text))) => text,
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => continue,
            _ => return Err(Ended::Closed),
        };
        if text.len() > MAX_HELLO {
            return Err(Ended::Refused(close_code::SIZE, "hello too large"));
        }
        let Ok(Report::Hello(hello)) = parse(&text) else {
            return Err(Ended::Refused(close_code::POLICY, "say hello first"));
        };
        if hello.id.0.is_empty() {
            return Err(Ended::Refused(close_code::POLICY, "a node needs an id"));
        }
        if !fits(secret, hello.secret.as_deref()) {
            tracing::warn!(node = %hello.id.0, "node refused: wrong secret");
            return Err(Ended::Refused(close_code::POLICY, "wrong secret"));
        }
        return Ok(hello);
    }
}

/// Compares in a time that depends only on the lengths.
fn fits(secret: Option<&str>, given: Option<&str>) -> bool {
    let Some(secret) = secret else { return true };
    let given = given.unwrap_or_default().as_bytes();
    let difference = secret.bytes().enumerate().fold(secret.len() ^ given.len(), |difference, (i, byte)| {
        difference | usize::from(byte ^ given.get(i).copied().unwrap_or_default())
    });
    std::hint::black_box(difference) == 0
}

async fn report_loop(socket: &mut WebSocket, feed: &Feed, id: &str, session: u64, token: &CancellationToken) -> Ended {
    if send(socket, r#"{"emit":["ready"]}"#.to_owned()).await.is_err() {
        return Ended::Closed;
    }
    let mut pings = tokio::time::interval(PING_EVERY);
    let mut bucket = TokenBucket::new(BURST, PER_SECOND, Instant::now());
    let mut heard = Instant::now();
    loop {
        let message = tokio::select! {
            () = token.cancelled() => return Ended::Refused(close_code::AWAY, "replaced or shutting down"),
            _ = pings.tick() => {
                if heard.elapsed() > DEAD_AFTER { return Ended::Refused(close_code::AWAY, "silent") }
                let ping = socket.send(Message::Ping(Vec::new().into()));
                if !matches!(tokio::time::timeout(SEND_TIMEOUT, ping).await, Ok(Ok(()))) { return Ended::Closed }
                continue;
            }
            message = socket.recv() => message,
        };
        heard = Instant::now();
        if !bucket.take(heard) {
            tracing::warn!(node = id, "node reports too fast");
            return Ended::Refused(close_code::POLICY, "too many messages");
        }
        let text = match message {
            Some(Ok(Message::Text(text))) => text,
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => continue,
            Some(Ok(Message::Binary(_))) => return Ended::Refused(close_code::UNSUPPORTED, "text only"),
            Some(Ok(Message::Close(_)) | Err(_)) | None => return Ended::Closed,
        };
        let answer = match parse(&text) {
            Ok(report) => apply(feed, id, session, report),
            Err(error) => {
                // A field of the wrong type in one report is no reason to show the node as gone.
                tracing::debug!(node = id, %error, cause = ?std::error::Error::source(&error), "report ignored");
                None
            }
        };
        if let Some(answer) = answer
            && send(socket, answer).await.is_err()
        {
            return Ended::Closed;
        }
    }
}

/// Puts one report on the board; answers what to say to the node.
fn apply(feed: &Feed, id: &str, session: u64, report: Report) -> Option<String> {
    match report {
        Report::Ping { client_time } => {
            feed.update(|board, now| board.touch(id, session, now));
            let pong = serde_json::json!({"emit": ["node-pong", {"clientTime": client_time.0, "serverTime": now()}]});
            return Some(pong.to_string());
        }
        Report::Latency(value) => feed.update(|board, now| board.latency(id, session, value, now)),
        Report::Pending(value) => feed.update(|board, now| board.pending(id, session, value, now)),
        Report::Stats(stats) => feed.update(|board, now| board.stats(id, session, stats, now)),
        Report::History(blocks) => feed.update(|board, now| board.history(id, session, blocks, now)),
        Report::Block(block) => {
            let wanted = feed.update(|board, now| {
                board.block(id, session, *block, now);
                board.wanted_history(id, now)
            });
            return wanted.map(|list| serde_json::json!({"emit": ["history", {"list": list}]}).to_string());
        }
        Report::Hello(hello) => tracing::debug!(node = id, again = %clean(&hello.id.0), "second hello ignored"),
        Report::Other => feed.update(|board, now| board.touch(id, session, now)),
    }
    None
}

async fn send(socket: &mut WebSocket, text: String) -> Result<(), ()> {
    match tokio::time::timeout(SEND_TIMEOUT, socket.send(Message::Text(text.into()))).await {
        Ok(Ok(())) => Ok(()),
        _ => Err(()),
    }
}

#[cfg(test)]
mod tests {
    use super::fits;

    #[test]
    fn only_the_secret_itself_fits() {
        assert!(fits(None, None));
        assert!(fits(None, Some("anything")));
        assert!(fits(Some("s3cret"), Some("s3cret")));
        for wrong in [None, Some(""), Some("s3cre"), Some("s3cret "), Some("S3cret"), Some("s3cret\0")] {
            assert!(!fits(Some("s3cret"), wrong), "{wrong:?}");
        }
    }
}
