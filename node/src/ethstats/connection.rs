//! One connection to the server, from hello to its end. Knows the protocol's order, not who is behind the source.

use super::message;
use super::{EthstatsTarget, NodeIdentity, NodeSource, NodeStatus, Pace};
use futures::{SinkExt, StreamExt};
use serde_json::Value;
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const SEND_TIMEOUT: Duration = Duration::from_secs(10);
const PONG_TIMEOUT: Duration = Duration::from_secs(10);
/// A server has little to say: a history request of a thousand numbers fits.
const MAX_INCOMING: usize = 64 << 10;
/// Blocks answered of one history request: the newest asked for.
const MAX_HISTORY: usize = 50;

/// Why a session ended. All of them lead to the next attempt.
#[derive(Debug, thiserror::Error)]
pub(super) enum SessionError {
    #[error("cannot connect")]
    Connect(#[source] Box<tungstenite::Error>),
    #[error("the connection broke")]
    Broken(#[source] Box<tungstenite::Error>),
    #[error("no answer within {0:?}")]
    Timeout(Duration),
    #[error("the server refused the hello: is the secret right?")]
    Refused,
    #[error("the server closed the connection")]
    Closed,
    #[error("the server sent something else than a message: {0:.80}")]
    Unreadable(String),
    #[error("a report could not be made")]
    Source(#[source] tokio::task::JoinError),
}

pub(super) struct Session {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
}

enum Request {
    Pong,
    History(Vec<u64>),
    Other,
}

impl Session {
    /// Connects and says hello.
    pub(super) async fn open(
        url: &str,
        target: &EthstatsTarget,
        identity: &NodeIdentity,
    ) -> Result<Self, SessionError> {
        let limits = WebSocketConfig::default().max_message_size(Some(MAX_INCOMING)).max_frame_size(Some(MAX_INCOMING));
        let connecting = connect_async_with_config(url, Some(limits), true);
        let (socket, _) = tokio::time::timeout(CONNECT_TIMEOUT, connecting)
            .await
            .map_err(|_| SessionError::Timeout(CONNECT_TIMEOUT))?
            .map_err(|error| SessionError::Connect(Box::new(error)))?;
        let mut session = Self { socket };
        session.send(message::hello(target.name(), target.secret(), identity)).await?;
        let answer = tokio::time::timeout(CONNECT_TIMEOUT, session.receive())
            .await
            .map_err(|_| SessionError::Timeout(CONNECT_TIMEOUT))?;
        match answer {
            Ok(answer) if command(&answer) == Some("ready") => Ok(session),
            Ok(_) | Err(SessionError::Closed | SessionError::Broken(_)) => Err(SessionError::Refused),
            Err(error) => Err(error),
        }
    }

    /// Reports until the connection ends.
    pub(super) async fn report(mut self, name: &str, source: NodeSource, pace: Pace) -> SessionError {
        match self.report_loop(name, source, pace).await {
            Ok(never) => match never {},
            Err(error) => error,
        }
    }

    async fn report_loop(
        &mut self,
        name: &str,
        mut source: NodeSource,
        pace: Pace,
    ) -> Result<std::convert::Infallible, SessionError> {
        let mut full = tokio::time::interval(pace.full);
        let mut pending = tokio::time::interval(pace.pending);
        for ticks in [&mut full, &mut pending] {
            ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        }
        let mut pinged: Option<Instant> = None;
        let mut said_pending = None;
        // The head as of now is part of the first full report.
        source.head.mark_unchanged();
        loop {
            tokio::select! {
                _ = full.tick() => {
                    if pinged.is_some_and(|at| at.elapsed() > PONG_TIMEOUT) {
                        return Err(SessionError::Timeout(PONG_TIMEOUT));
                    }
                    pinged.get_or_insert_with(Instant::now);
                    self.send(message::ping(name, &client_time())).await?;
                    self.report_head(name, &source).await?;
                    let status = status(&source).await?;
                    said_pending = Some(status.pending);
                    self.send(message::pending(name, &status)).await?;
                    self.send(message::stats(name, &status)).await?;
                }
                changed = source.head.changed() => {
                    if changed.is_err() { return Err(SessionError::Closed) }
                    self.report_head(name, &source).await?;
                }
                _ = pending.tick() => {
                    let status = status(&source).await?;
                    if said_pending.replace(status.pending) != Some(status.pending) {
                        self.send(message::pending(name, &status)).await?;
                    }
                }
                text = self.receive() => match request(&text?)? {
                    Request::Pong => {
                        if let Some(at) = pinged.take() {
                            self.send(message::latency(name, at.elapsed().as_millis() / 2)).await?;
                        }
                    }
                    Request::History(numbers) => self.report_history(name, &source, numbers).await?,
                    Request::Other => {}
                },
            }
        }
    }

    async fn report_head(&mut self, name: &str, source: &NodeSource) -> Result<(), SessionError> {
        let number = *source.head.borrow();
        let make = std::sync::Arc::clone(&source.block);
        match tokio::task::spawn_blocking(move || make(number)).await.map_err(SessionError::Source)? {
            Some(block) => self.send(message::block(name, &block)).await,
            // A reorg took it away: the next head is on its way.
            None => Ok(()),
        }
    }

    async fn report_history(
        &mut self,
        name: &str,
        source: &NodeSource,
        mut numbers: Vec<u64>,
    ) -> Result<(), SessionError> {
        let head = *source.head.borrow();
        if numbers.is_empty() {
            numbers = (head.saturating_sub(MAX_HISTORY as u64 - 1)..=head).collect();
        }
        numbers.sort_unstable();
        numbers.dedup();
        numbers.retain(|number| *number <= head);
        numbers.drain(..numbers.len().saturating_sub(MAX_HISTORY));
        let make = std::sync::Arc::clone(&source.block);
        let blocks: Vec<Value> =
            tokio::task::spawn_blocking(move || numbers.into_iter().rev().filter_map(|number| make(number)).collect())
                .await
                .map_err(SessionError::Source)?;
        self.send(message::history(name, &blocks)).await
    }

    async fn send(&mut self, text: String) -> Result<(), SessionError> {
        tokio::time::timeout(SEND_TIMEOUT, self.socket.send(Message::text(text)))
            .await
            .map_err(|_| SessionError::Timeout(SEND_TIMEOUT))?
            .map_err(|error| SessionError::Broken(Box::new(error)))
    }

    /// The next text that is no heartbeat. Cancelling it loses nothing.
    async fn receive(&mut self) -> Result<String, SessionError> {
        loop {
            match self.socket.next().await {
                Some(Ok(Message::Text(text))) => {
                    // eth-netstats runs on primus, whose heartbeat is a JSON string of text.
                    match text.as_str().strip_prefix("\"primus::ping::") {
                        Some(rest) => self.send(format!("\"primus::pong::{rest}")).await?,
                        None => return Ok(text.to_string()),
                    }
                }
                Some(Ok(Message::Close(_))) | None => return Err(SessionError::Closed),
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(SessionError::Broken(Box::new(error))),
            }
        }
    }
}

async fn status(source: &NodeSource) -> Result<NodeStatus, SessionError> {
    let make = std::sync::Arc::clone(&source.status);
    tokio::task::spawn_blocking(move || make()).await.map_err(SessionError::Source)
}

fn command(text: &str) -> Option<&str> {
    // Only `ready` is looked for here, and it needs no unescaping.
    let body = text.trim().strip_prefix('{')?.trim_start().strip_prefix("\"emit\"")?.trim_start();
    let list = body.strip_prefix(':')?.trim_start().strip_prefix('[')?.trim_start().strip_prefix('"')?;
    list.split_once('"').map(|(command, _)| command)
}

fn request(text: &str) -> Result<Request, SessionError> {
    #[derive(serde::Deserialize)]
    struct Envelope {
        emit: Vec<Value>,
    }
    let Ok(Envelope { emit }) = serde_json::from_str(text) else {
        return Err(SessionError::Unreadable(text.to_owned()));
    };
    Ok(match emit.first().and_then(Value::as_str) {
        Some("node-pong") => Request::Pong,
        Some("history") => {
            let list = emit.get(1).and_then(|body| body.get("list")).and_then(Value::as_array);
            Request::History(list.map(|list| list.iter().filter_map(Value::as_u64).collect()).unwrap_or_default())
        }
        _ => Request::Other,
    })
}

fn client_time() -> String {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    since.as_millis().to_string()
}
