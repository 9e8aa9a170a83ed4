//! JSON-RPC over WebSocket: one client, one node at a time. Subscriptions and filters so stay with their node.
//!
//! When the node dies another one goes on ([`crate::ws_move`]), and the client notices nothing. Where that is not possible
//! the client gets close code 1012 ("service restart"), on which libraries connect again; they then reach a node that
//! has at least the block they have seen.

use crate::clients::Client;
use crate::metrics;
use crate::node_client::json_headers;
use crate::rpc::{ATTEMPTS, Refused, Rpc, forwarded_headers, refuse};
use crate::sending::goes_apart;
use crate::server::peer;
use crate::targets::Target;
use crate::ws_session::{Incoming, Session, new_head};
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
use tokio::sync::{Notify, Semaphore, mpsc};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{self, Message, Utf8Bytes};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};
use tokio_util::sync::CancellationToken;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
pub(crate) const SEND_TIMEOUT: Duration = Duration::from_secs(30);
const PING_EVERY: Duration = Duration::from_secs(20);
/// A client from which nothing came for this long, not even an answer to a ping, is gone.
const DEAD_AFTER: Duration = Duration::from_secs(70);
/// Close code of RFC 6455's registry: the service restarts, connect again.
const SERVICE_RESTART: u16 = 1012;
/// Messages of a client that may be answered apart at one time.
const APART: usize = 16;

pub(crate) type Node = WebSocketStream<MaybeTlsStream<TcpStream>>;
pub(crate) type ToNode = SplitSink<Node, Message>;
pub(crate) type FromNode = SplitStream<Node>;
pub(crate) type ToClient = SplitSink<WebSocket, ClientMessage>;

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
        let (node, target) = match connect(&self.rpc, &client, &headers).await {
            Ok(connected) => connected,
            Err(refused) => return refuse(&refused, None),
        };
        let limit = self.rpc.limits.request_bytes;
        let (apart, answered_apart) = mpsc::channel(APART);
        let pump = Pump {
            rpc: Arc::clone(&self.rpc),
            client,
            headers,
            target,
            session: Mutex::default(),
            heard: Mutex::new(Instant::now()),
            stuck: Notify::new(),
            apart,
            answered_apart: tokio::sync::Mutex::new(answered_apart),
        };
        let shutdown = self.shutdown.clone();
        upgrade.max_message_size(limit).max_frame_size(limit).on_upgrade(move |socket| async move {
            pump.run(socket, node, shutdown).await;
            drop(place);
        })
    }
}

/// A node for this client, and a WebSocket to it.
pub(crate) async fn connect(rpc: &Rpc, client: &Client, headers: &HeaderMap) -> Result<(Node, Arc<Target>), Refused> {
    let mut tried = Vec::new();
    loop {
        let target = rpc.choose(client, &tried).await?;
        if let Some(node) = dial(rpc, &target, headers).await {
            client.stick_to(&target.info.url);
            return Ok((node, target));
        }
        tried.push(target.info.url.clone());
        if tried.len() == ATTEMPTS {
            return Err(Refused::NoNode { known: rpc.targets.all().len() });
        }
    }
}

async fn dial(rpc: &Rpc, target: &Target, headers: &HeaderMap) -> Option<Node> {
    let mut request = target.info.ws.as_deref()?.into_client_request().ok()?;
    let forwarded_for = header::HeaderName::from_static("x-forwarded-for");
    for name in [header::ORIGIN, header::AUTHORIZATION, header::USER_AGENT, forwarded_for] {
        if let Some(value) = headers.get(&name) {
            request.headers_mut().insert(name, value.clone());
        }
    }
    let limit = Some(rpc.limits.response_bytes);
    let config = WebSocketConfig::default().max_message_size(limit).max_frame_size(limit);
    let dialled = tokio::time::timeout(CONNECT_TIMEOUT, connect_async_with_config(request, Some(config), true)).await;
    match dialled {
        Ok(Ok((node, _))) => Some(node),
        Ok(Err(error)) => {
            tracing::debug!(node = %target.info.url, %error, "WebSocket refused");
            if matches!(error, tungstenite::Error::Io(_)) {
                rpc.targets.failed(target, "cannot connect");
            }
            None
        }
        Err(_) => None,
    }
}

/// One connection.
pub(crate) struct Pump {
    pub(crate) rpc: Arc<Rpc>,
    pub(crate) client: Arc<Client>,
    pub(crate) headers: HeaderMap,
    pub(crate) target: Arc<Target>,
    pub(crate) session: Mutex<Session>,
    heard: Mutex<Instant>,
    /// A message could not be sent to the node.
    stuck: Notify,
    /// Answers that were found apart from the node's WebSocket, from whoever found them to the client.
    apart: mpsc::Sender<String>,
    answered_apart: tokio::sync::Mutex<mpsc::Receiver<String>>,
}

/// Why passing messages ended.
enum End {
    /// The client is gone, or was told why.
    Over,
    /// The client is to be told.
    Close(u16, &'static str),
    /// The node is gone.
    NodeGone,
}

impl Pump {
    async fn run(mut self, socket: WebSocket, node: Node, shutdown: CancellationToken) {
        let (mut to_client, mut from_client) = socket.split();
        let (mut to_node, mut from_node) = node.split();
        let end = loop {
            let end = tokio::select! {
                end = self.client_to_node(&mut from_client, &mut to_node) => end,
                end = self.node_to_client(&mut from_node, &mut to_client) => end,
                () = shutdown.cancelled() => End::Close(close_code::AWAY, "the balancer is shutting down"),
            };
            if !matches!(end, End::NodeGone) {
                break end;
            }
            let moved = tokio::select! {
                moved = self.move_on(&mut to_client) => moved,
                () = shutdown.cancelled() => break End::Close(close_code::AWAY, "the balancer is shutting down"),
            };
            let Some(node) = moved else {
                break End::Close(SERVICE_RESTART, "the node went away, connect again");
            };
            (to_node, from_node) = node;
        };
        // Whoever is gone cannot be told.
        let _ = tokio::time::timeout(CONNECT_TIMEOUT, to_node.send(Message::Close(None))).await;
        if let End::Close(code, reason) = end {
            let frame = ClientMessage::Close(Some(CloseFrame { code, reason: reason.into() }));
            let _ = tokio::time::timeout(CONNECT_TIMEOUT, to_client.send(frame)).await;
        }
    }

    async fn client_to_node(&self, from_client: &mut SplitStream<WebSocket>, to_node: &mut ToNode) -> End {
        // A place for an answer found apart comes first: while the client reads none, nothing more is read of it, and what was
        // read is not lost when another node goes on.
        while let Ok(place) = self.apart.clone().reserve_owned().await {
            let Some(Ok(message)) = from_client.next().await else { return End::Over };
            *self.heard.lock() = Instant::now();
            let message = match message {
                ClientMessage::Text(text) if self.goes_apart(&text) => {
                    self.answer_apart(text.to_string(), place);
                    continue;
                }
                ClientMessage::Text(text) => {
                    let translated = self.session.lock().outgoing(&text, self.rpc.limits.batch, self.target.tag);
                    Message::text(translated.as_deref().unwrap_or(&text))
                }
                ClientMessage::Binary(bytes) => Message::Binary(bytes),
                // Answered by the WebSocket layer on this side.
                ClientMessage::Ping(_) | ClientMessage::Pong(_) => continue,
                ClientMessage::Close(_) => return End::Over,
            };
            if !matches!(tokio::time::timeout(SEND_TIMEOUT, to_node.send(message)).await, Ok(Ok(()))) {
                // The other direction ends, after what the node had still to say.
                self.stuck.notify_one();
                std::future::pending::<()>().await;
            }
        }
        End::Over
    }

    /// Whether a message is answered over HTTP. A token may have been good for the handshake alone.
    fn goes_apart(&self, text: &str) -> bool {
        !self.headers.contains_key(header::AUTHORIZATION) && goes_apart(text, self.rpc.limits.batch)
    }

    /// In a task of its own: another node may go on with the connection meanwhile.
    fn answer_apart(&self, text: String, place: mpsc::OwnedPermit<String>) {
        let (rpc, client, mut headers) = (Arc::clone(&self.rpc), Arc::clone(&self.client), json_headers());
        let forwarded_for = header::HeaderName::from_static("x-forwarded-for");
        if let Some(value) = self.headers.get(&forwarded_for) {
            headers.insert(forwarded_for, value.clone());
        }
        tokio::spawn(async move {
            let answer = rpc.answer_apart(&client, &headers, &text).await;
            if !answer.is_empty() {
                place.send(answer);
            }
        });
    }

    async fn node_to_client(&self, from_node: &mut FromNode, to_client: &mut ToClient) -> End {
        let mut pings = tokio::time::interval(PING_EVERY);
        let gone = self.target.gone();
        tokio::pin!(gone);
        let mut answered_apart = self.answered_apart.lock().await;
        loop {
            // Only waiting is broken off, never a message on its way to the client; what has come is passed on first.
            let message = tokio::select! {
                biased;
                _ = pings.tick() => {
                    if self.heard.lock().elapsed() > DEAD_AFTER {
                        return End::Over;
                    }
                    Some(Ok(Message::Ping(Vec::new().into())))
                }
                Some(answer) = answered_apart.recv() => {
                    if !send(to_client, ClientMessage::Text(answer.into())).await {
                        return End::Over;
                    }
                    continue;
                }
                message = from_node.next() => message,
                () = &mut gone => return End::NodeGone,
                () = self.stuck.notified() => return End::NodeGone,
            };
            let message = match message {
                Some(Ok(Message::Text(text))) => match self.inspect(text).await {
                    Some(text) => ClientMessage::Text(text.as_str().into()),
                    None => continue,
                },
                Some(Ok(Message::Binary(bytes))) => ClientMessage::Binary(bytes),
                // Only those made above: the node's own are answered by the WebSocket layer, and never yielded twice.
                Some(Ok(Message::Ping(bytes))) => ClientMessage::Ping(bytes),
                Some(Ok(Message::Pong(_) | Message::Frame(_))) => continue,
                // A node that shuts down says so; what it says otherwise is for the client.
                Some(Ok(Message::Close(Some(frame)))) if !is_farewell(frame.code.into()) => {
                    let close = CloseFrame { code: frame.code.into(), reason: frame.reason.as_str().into() };
                    let _ =
                        tokio::time::timeout(CONNECT_TIMEOUT, to_client.send(ClientMessage::Close(Some(close)))).await;
                    return End::Over;
                }
                Some(Ok(Message::Close(_)) | Err(_)) | None => return End::NodeGone,
            };
            if !send(to_client, message).await {
                return End::Over;
            }
        }
    }

    /// Learns from a message of the node, and corrects it where it must be. `None` if the client has had it.
    pub(crate) async fn inspect(&self, text: Utf8Bytes) -> Option<Utf8Bytes> {
        self.rpc.saw(&self.client, &self.target, new_head(&text));
        let head = self.target.head().max(self.client.seen());
        let incoming = self.session.lock().incoming(&text, head);
        let mut answers = match incoming {
            Incoming::Pass => return Some(text),
            Incoming::Drop => return None,
            Incoming::Rewritten(text) => return Some(text.into()),
            Incoming::Answers(answers) => answers,
        };
        let kinds: Vec<_> = answers.kinds.iter().collect();
        self.rpc.settle(&kinds, &mut answers.outcomes, &self.target, &self.headers, false).await;
        Some(answers.write().into())
    }
}

/// Close codes of a node that ends: normal, going away, service restart.
fn is_farewell(code: u16) -> bool {
    [close_code::NORMAL, close_code::AWAY, SERVICE_RESTART].contains(&code)
}

/// Whether the client took the message in time.
pub(crate) async fn send(to_client: &mut ToClient, message: ClientMessage) -> bool {
    matches!(tokio::time::timeout(SEND_TIMEOUT, to_client.send(message)).await, Ok(Ok(())))
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
