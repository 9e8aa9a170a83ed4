//! JSON-RPC over WebSocket: one client, one node, until either ends. Subscriptions and filters so stay with their node.
//!
//! When the node dies the client gets close code 1012 ("service restart"), on which libraries connect again; they then
//! reach another node that has at least the block they have seen.

use crate::clients::Client;
use crate::metrics;
use crate::rpc::{Refused, Rpc, forwarded_headers, refuse};
use crate::server::peer;
use crate::targets::Target;
use crate::ws_watch::{Watched, new_head};
use axum::extract::ws::{CloseFrame, Message as ClientMessage, WebSocket, WebSocketUpgrade, close_code};
use axum::extract::{FromRequestParts, Request};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures::stream::{SplitSink, SplitStream};
use futures::{SinkExt, StreamExt};
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};
use tokio_util::sync::CancellationToken;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
const SEND_TIMEOUT: Duration = Duration::from_secs(30);
const PING_EVERY: Duration = Duration::from_secs(20);
/// A client from which nothing came for this long, not even an answer to a ping, is gone.
const DEAD_AFTER: Duration = Duration::from_secs(70);
/// Close code of RFC 6455's registry: the service restarts, connect again.
const SERVICE_RESTART: u16 = 1012;
const ATTEMPTS: usize = 3;

type Node = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Opens WebSockets.
#[derive(Debug)]
pub(crate) struct WebSockets {
    rpc: Arc<Rpc>,
    places: Arc<Semaphore>,
    shutdown: CancellationToken,
}

impl WebSockets {
    pub(crate) fn new(rpc: Arc<Rpc>, shutdown: CancellationToken) -> Self {
        let places = Arc::new(Semaphore::new(rpc.limits.web_sockets));
        Self { rpc, places, shutdown }
    }

    /// Answers an upgrade request: first a node, then the client, so that a client never waits in vain.
    pub(crate) async fn open(&self, request: Request) -> Response {
        ::metrics::counter!(metrics::REQUESTS, "kind" => "web_socket").increment(1);
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else { return refuse(&Refused::Busy, None) };
        let peer = peer(&request);
        let (mut parts, _) = request.into_parts();
        let client = self.rpc.clients.identify(peer, &parts.headers);
        let headers = forwarded_headers(&parts.headers, peer);
        let upgrade = match WebSocketUpgrade::from_request_parts(&mut parts, &()).await {
            Ok(upgrade) => upgrade,
            Err(rejection) => return rejection.into_response(),
        };
        let (node, target) = match self.connect(&client, &headers).await {
            Ok(connected) => connected,
            Err(refused) => return refuse(&refused, None),
        };
        let limit = self.rpc.limits.request_bytes;
        let pump = Pump {
            rpc: Arc::clone(&self.rpc),
            client,
            target,
            watched: Mutex::default(),
            heard: Mutex::new(Instant::now()),
        };
        let shutdown = self.shutdown.clone();
        upgrade.max_message_size(limit).max_frame_size(limit).on_upgrade(move |socket| async move {
            pump.run(socket, node, shutdown).await;
            drop(place);
        })
    }

    async fn connect(&self, client: &Client, headers: &HeaderMap) -> Result<(Node, Arc<Target>), Refused> {
        let mut tried = Vec::new();
        loop {
            let target = self.rpc.choose(client, &tried).await?;
            if let Some(node) = self.dial(&target, headers).await {
                client.stick_to(&target.info.url);
                return Ok((node, target));
            }
            tried.push(target.info.url.clone());
            if tried.len() == ATTEMPTS {
                return Err(Refused::NoNode { known: self.rpc.targets.all().len() });
            }
        }
    }

    async fn dial(&self, target: &Target, headers: &HeaderMap) -> Option<Node> {
        let mut request = target.info.ws.as_deref()?.into_client_request().ok()?;
        for name in [header::ORIGIN, header::AUTHORIZATION, header::USER_AGENT] {
            if let Some(value) = headers.get(&name) {
                request.headers_mut().insert(name, value.clone());
            }
        }
        let limit = Some(self.rpc.limits.response_bytes);
        let config = WebSocketConfig::default().max_message_size(limit).max_frame_size(limit);
        let dialled =
            tokio::time::timeout(CONNECT_TIMEOUT, connect_async_with_config(request, Some(config), true)).await;
        match dialled {
            Ok(Ok((node, _))) => Some(node),
            Ok(Err(error)) => {
                tracing::debug!(node = %target.info.url, %error, "WebSocket refused");
                None
            }
            Err(_) => None,
        }
    }
}

/// One connection.
struct Pump {
    rpc: Arc<Rpc>,
    client: Arc<Client>,
    target: Arc<Target>,
    watched: Mutex<Watched>,
    heard: Mutex<Instant>,
}

/// Why a connection ended; the close frame the client gets, if any.
type End = Option<(u16, &'static str)>;

impl Pump {
    async fn run(self, socket: WebSocket, node: Node, shutdown: CancellationToken) {
        let (mut to_client, mut from_client) = socket.split();
        let (mut to_node, mut from_node) = node.split();
        let end = tokio::select! {
            end = self.client_to_node(&mut from_client, &mut to_node) => end,
            end = self.node_to_client(&mut from_node, &mut to_client) => end,
            () = self.target.gone() => Some((SERVICE_RESTART, "the node went away, connect again")),
            () = shutdown.cancelled() => Some((close_code::AWAY, "the balancer is shutting down")),
        };
        // Whoever is gone cannot be told.
        let _ = tokio::time::timeout(CONNECT_TIMEOUT, to_node.send(Message::Close(None))).await;
        if let Some((code, reason)) = end {
            let frame = ClientMessage::Close(Some(CloseFrame { code, reason: reason.into() }));
            let _ = tokio::time::timeout(CONNECT_TIMEOUT, to_client.send(frame)).await;
        }
    }

    async fn client_to_node(
        &self,
        from_client: &mut SplitStream<WebSocket>,
        to_node: &mut SplitSink<Node, Message>,
    ) -> End {
        while let Some(Ok(message)) = from_client.next().await {
            *self.heard.lock() = Instant::now();
            let message = match message {
                ClientMessage::Text(text) => {
                    self.watched.lock().outgoing(&text, self.rpc.limits.batch);
                    Message::text(text.as_str())
                }
                ClientMessage::Binary(bytes) => Message::Binary(bytes),
                // Answered by the WebSocket layer on this side.
                ClientMessage::Ping(_) | ClientMessage::Pong(_) => continue,
                ClientMessage::Close(_) => return None,
            };
            if !matches!(tokio::time::timeout(SEND_TIMEOUT, to_node.send(message)).await, Ok(Ok(()))) {
                return Some((SERVICE_RESTART, "the node went away, connect again"));
            }
        }
        None
    }

    async fn node_to_client(
        &self,
        from_node: &mut SplitStream<Node>,
        to_client: &mut SplitSink<WebSocket, ClientMessage>,
    ) -> End {
        let mut pings = tokio::time::interval(PING_EVERY);
        loop {
            let message = tokio::select! {
                message = from_node.next() => message,
                _ = pings.tick() => {
                    if self.heard.lock().elapsed() > DEAD_AFTER {
                        return None;
                    }
                    Some(Ok(Message::Ping(Vec::new().into())))
                }
            };
            let message = match message {
                Some(Ok(Message::Text(text))) => ClientMessage::Text(self.inspect(text).await.as_str().into()),
                Some(Ok(Message::Binary(bytes))) => ClientMessage::Binary(bytes),
                // Only those made above: the node's own are answered by the WebSocket layer, and never yielded twice.
                Some(Ok(Message::Ping(bytes))) => ClientMessage::Ping(bytes),
                Some(Ok(Message::Pong(_) | Message::Frame(_))) => continue,
                Some(Ok(Message::Close(Some(frame)))) => {
                    let close = CloseFrame { code: frame.code.into(), reason: frame.reason.as_str().into() };
                    let _ =
                        tokio::time::timeout(CONNECT_TIMEOUT, to_client.send(ClientMessage::Close(Some(close)))).await;
                    return None;
                }
                Some(Ok(Message::Close(None)) | Err(_)) | None => {
                    return Some((SERVICE_RESTART, "the node went away, connect again"));
                }
            };
            if !matches!(tokio::time::timeout(SEND_TIMEOUT, to_client.send(message)).await, Ok(Ok(()))) {
                return None;
            }
        }
    }

    /// Learns from a message of the node, and corrects it where it must be.
    async fn inspect(&self, text: Utf8Bytes) -> Utf8Bytes {
        self.rpc.saw(&self.client, &self.target, new_head(&text));
        let answers = self.watched.lock().incoming(&text);
        let Some(mut answers) = answers else { return text };
        let kinds: Vec<_> = answers.kinds.iter().collect();
        self.rpc.settle(&kinds, &mut answers.outcomes, &self.target).await;
        answers.write().into()
    }
}

/// Whether a request wants a WebSocket.
pub(crate) fn is_upgrade(headers: &HeaderMap) -> bool {
    headers.contains_key(header::SEC_WEBSOCKET_KEY)
}

/// For a browser or a curious person.
pub(crate) fn hint() -> Response {
    let text = "This is Ethereum JSON-RPC: POST requests here, or open a WebSocket.\n\
                Which nodes are behind it: /balancer/status\n";
    (StatusCode::OK, text).into_response()
}
